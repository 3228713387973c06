//! Loads a program: finds the file, checks it, builds the process around it.

use crate::StartError;
use crate::config::RunConfig;
use crate::guest::{self, GuestPort, StartFacts};
use crate::keep::Keep;
use crate::layout::{Layout, Top};
use crate::start::{self, ImageFacts, StackImage};
use crate::task::{Config, Process, Task};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tcg_exec::{Backend, Engine, EngineConfig, Vcpu};
use tcg_mem::{GuestVa, UserMem};
use tcg_uspace::{
    AddressSpace, Backing, ElfError, ElfHeader, LoadPlan, Loaded, load as load_image, read_header,
};

/// A program file and what its headers say.
struct Program {
    path: PathBuf,
    /// The same without symbolic links and relative parts.
    name: PathBuf,
    file: File,
    head: ElfHeader,
}

fn fail(what: impl Into<String>, status: u8) -> StartError {
    StartError {
        what: what.into(),
        status,
    }
}

fn open(path: &Path) -> Result<Program, StartError> {
    let file = File::open(path).map_err(|e| {
        let status = if e.kind() == std::io::ErrorKind::NotFound {
            127
        } else {
            126
        };
        say(path, io_text(&e), status)
    })?;
    inspect(path, file)
}

fn say(path: &Path, what: String, status: u8) -> StartError {
    fail(format!("{}: {what}", path.display()), status)
}

/// The program itself, which binfmt_misc may have opened already.
fn open_program(cfg: &RunConfig) -> Result<Program, StartError> {
    match cfg.program_fd {
        Some(fd) => inspect(&cfg.program, crate::sys::take_fd(fd)),
        None => open(&cfg.program),
    }
}

fn inspect(path: &Path, file: File) -> Result<Program, StartError> {
    if file.metadata().is_ok_and(|m| m.is_dir()) {
        return Err(say(path, "Is a directory".into(), 126));
    }
    let head = read_header(&file).map_err(|e| say(path, e.to_string(), 126))?;
    Ok(Program {
        path: path.to_path_buf(),
        name: real_path(path, &file),
        file,
        head,
    })
}

/// The absolute path of an open file: of the file, since the name that it was found by may be a descriptor's.
fn real_path(path: &Path, file: &File) -> PathBuf {
    let open = format!("/proc/self/fd/{}", file.as_raw_fd());
    std::fs::read_link(open)
        .or_else(|_| std::fs::canonicalize(path))
        .unwrap_or_else(|_| path.to_path_buf())
}

/// The error's text without Rust's "(os error N)".
fn io_text(e: &std::io::Error) -> String {
    let text = e.to_string();
    text.split(" (os error")
        .next()
        .unwrap_or_default()
        .to_string()
}

/// The file with the interpreter's name: under -L first, then on the host.
fn open_interpreter(cfg: &RunConfig, name: &[u8]) -> Result<Program, StartError> {
    let name = Path::new(OsStr::from_bytes(name));
    let under = cfg
        .sysroot
        .as_ref()
        .map(|p| p.join(name.strip_prefix("/").unwrap_or(name)));
    if let Some(under) = under.filter(|p| p.exists()) {
        return open(&under);
    }
    open(name).map_err(|e| {
        let why = e.what.rsplit(": ").next().unwrap_or_default().to_string();
        let hint = if cfg.sysroot.is_some() {
            ""
        } else {
            "; -L names the folder of the guest's root"
        };
        let program = cfg.program.display();
        fail(
            format!(
                "{program}: cannot load its program interpreter {}: {why}{hint}",
                name.display()
            ),
            e.status,
        )
    })
}

/// Checks that a file is for this guest.
fn check(cfg: &RunConfig, p: &Program) -> Result<(), StartError> {
    let (machine, big) = (p.head.machine, p.head.big_endian);
    let class = if p.head.is_64 { 64 } else { 32 };
    if machine == cfg.guest.machine && big == cfg.guest.big_endian && class == cfg.guest.class {
        return Ok(());
    }
    let order = if big { "big-endian" } else { "little-endian" };
    let what = guest::port_for_machine(machine, class).map_or_else(
        || format!("ELF machine {machine}"),
        |p| format!("{order} {}", p.name()),
    );
    Err(fail(
        format!(
            "{}: a program for {what}, not for {}",
            p.path.display(),
            cfg.guest.name
        ),
        126,
    ))
}

fn map_image(
    space: &AddressSpace,
    p: &Program,
    plan: LoadPlan,
    rie: bool,
) -> Result<Loaded, StartError> {
    let error = |e: ElfError| fail(format!("{}: {e}", p.path.display()), 126);
    let meta = p
        .file
        .metadata()
        .map_err(|e| fail(format!("{}: {}", p.path.display(), io_text(&e)), 126))?;
    let backing = Backing {
        dev: meta.dev(),
        ino: meta.ino(),
        offset: 0,
        name: p.name.to_string_lossy().into(),
    };
    load_image(space, &p.file, &p.head, plan, &backing, rie).map_err(error)
}

/// The stack's size: -s, or the soft limit, within reason for the guest's address space.
fn stack_size(cfg: &RunConfig) -> u64 {
    /// What `ulimit -s unlimited` gives: far more than programs use, and no memory until they do.
    const UNLIMITED: u64 = 1 << 30;
    let most: u64 = if cfg.guest.class == 64 {
        64 << 30
    } else {
        256 << 20
    };
    let kept = cfg.limits.iter().find(|l| l.0 == crate::sys::RLIMIT_STACK);
    let limit = match kept {
        Some((_, [soft, _])) => Some(*soft),
        None => crate::sys::soft_limit(crate::sys::RLIMIT_STACK),
    };
    let limit = limit.filter(|s| *s != u64::MAX).unwrap_or(UNLIMITED);
    cfg.stack_size
        .unwrap_or(limit)
        .clamp(128 << 10, most)
        .next_multiple_of(4096)
}

fn os_bytes(s: &OsString) -> Vec<u8> {
    s.as_bytes().to_vec()
}

/// The environment: the host's with -E and -U applied.
fn environment(cfg: &RunConfig) -> Vec<Vec<u8>> {
    let mut env: Vec<(OsString, OsString)> = std::env::vars_os().collect();
    for (name, value) in &cfg.env {
        env.retain(|(n, _)| n != name);
        if let Some(value) = value {
            env.push((name.clone(), value.clone()));
        }
    }
    env.into_iter()
        .map(|(n, v)| {
            let mut pair = n.into_vec();
            pair.push(b'=');
            pair.extend(v.into_vec());
            pair
        })
        .collect()
}

/// Builds the process; gives its first task.
pub fn load(cfg: &RunConfig) -> Result<Task, StartError> {
    let program = open_program(cfg)?;
    let no_port = || {
        fail(
            format!(
                "{}: no Linux support for {}",
                cfg.program.display(),
                cfg.guest.name
            ),
            126,
        )
    };
    let port = guest::port_for_machine(cfg.guest.machine, cfg.guest.class).ok_or_else(no_port)?;
    check(cfg, &program)?;
    let interpreter = match &program.head.interp {
        Some(name) => Some(open_interpreter(cfg, name)?),
        None => None,
    };
    if let Some(i) = &interpreter {
        check(cfg, i)?;
    }
    let keep = Keep::new(cfg, &program.name);
    let layout = Layout::new(cfg, port, keep.as_ref())?;
    let (space, engine) = machine(cfg, port, &layout)?;
    if let Some(keep) = &keep {
        keep.start(&engine);
    }
    let rie = program.head.exec_stack.is_none();
    let geometry = layout.geometry;
    let plan = match cfg.test.load {
        Some(at) => LoadPlan::At(at),
        None if interpreter.is_some() => LoadPlan::At(geometry.pie_base),
        None => LoadPlan::Anywhere,
    };
    let main = map_image(&space, &program, plan, rie)?;
    space.set_brk_start(GuestVa(main.end.0 + layout.brk_gap));
    let mut image = ImageFacts {
        phdr: main.phdr.0,
        phent: main.phent,
        phnum: main.phnum,
        base: 0,
        entry: main.entry.0,
    };
    let mut started = (main, program.head.flags);
    if let Some(i) = &interpreter {
        let plan = cfg.test.interp.map_or(LoadPlan::Anywhere, LoadPlan::At);
        let loaded = map_image(&space, i, plan, rie)?;
        image.base = loaded.start.0;
        started = (loaded, i.head.flags);
    }
    let no_stack = |e: tcg_uspace::Errno| fail(format!("cannot map the stack: error {}", e.0), 1);
    let low = space.map_stack(stack_size(cfg)).map_err(no_stack)?;
    if program.head.exec_stack != Some(false) {
        // Trampolines of nested functions; programs without PT_GNU_STACK count as wanting it.
        let len = geometry.stack_top - low.0;
        space
            .mprotect(low, len, tcg_uspace::Prot(7))
            .map_err(no_stack)?;
    }
    let aux = port.aux(cfg.cpu.as_deref(), cfg.guest.big_endian);
    let mut process = Process::new(
        config(cfg, aux.machine),
        program.name.into_os_string().into_vec(),
        space,
        Arc::clone(&engine),
    );
    let argv0 = cfg
        .argv0
        .clone()
        .unwrap_or_else(|| cfg.program.clone().into_os_string());
    let argv: Vec<Vec<u8>> = std::iter::once(&argv0)
        .chain(&cfg.args)
        .map(os_bytes)
        .collect();
    let envp = environment(cfg);
    for (resource, limits) in &cfg.limits {
        process.inherit_limit(*resource, *limits);
    }
    process.keep = keep;
    process.cmdline = with_nuls(&argv);
    process.environ = with_nuls(&envp);
    let vcpu =
        Vcpu::new(engine).map_err(|e| fail(format!("no memory for a virtual CPU: {e}"), 1))?;
    let mut t = Task::leader(
        port,
        port.abi(cfg.guest.big_endian),
        Arc::new(process),
        vcpu,
    );
    t.ids = cfg.ids.clone();
    let mut random = [0; 16];
    crate::sys::random(cfg.seed, &mut random);
    let execfn = cfg.program.as_os_str().as_bytes();
    let stack = StackImage {
        argv: &argv,
        envp: &envp,
        execfn,
        image,
        cpu: aux,
        random,
    };
    let too_long = |_| {
        fail(
            format!("{}: Argument list too long", cfg.program.display()),
            126,
        )
    };
    let no_page = |_| fail("cannot map the kernel's helper pages", 1);
    port.map_kernel_pages(&mut t).map_err(no_page)?;
    crate::vdso::map(&mut t).map_err(no_page)?;
    let built = start::build(&t, geometry.stack_top, &stack).map_err(too_long)?;
    let facts = StartFacts {
        entry: started.0.entry.0,
        bias: started.0.bias,
        flags: started.1,
        sp: built.sp,
        seed: cfg.seed,
    };
    let bad_entry = |_| fail(format!("{}: bad entry point", cfg.program.display()), 126);
    port.start(&mut t, &facts).map_err(bad_entry)?;
    let _ = t.process.stack.set(built);
    let published = crate::proc::subject::publish(&t, (main.start.0, main.end.0));
    let known = std::sync::atomic::Ordering::Relaxed;
    t.process.published.store(published, known);
    if cfg.log_file.is_some() && (cfg.strace || !cfg.log.is_empty()) {
        let _ = t.process.log.set(Arc::new(crate::log::open(cfg)?));
    }
    if cfg.stats {
        let stats = crate::stats::Stats::new(crate::log::open(cfg)?);
        let _ = t.process.stats.set(Arc::new(stats));
    }
    if cfg.log.contains(&"page") {
        let text = format!(
            "guest memory at the start:\n{}",
            t.process.space.maps_text()
        );
        let write = std::io::Write::write_all(&mut crate::log::open(cfg)?, text.as_bytes());
        write.map_err(|e| fail(format!("-d page: {e}"), 1))?;
    }
    Ok(t)
}

fn with_nuls(strings: &[Vec<u8>]) -> Vec<u8> {
    strings
        .iter()
        .flat_map(|s| s.iter().copied().chain([0]))
        .collect()
}

fn config(cfg: &RunConfig, machine: &'static str) -> Config {
    Config {
        cpu: cfg.cpu.clone(),
        prefix: cfg
            .sysroot
            .as_ref()
            .map(|p| p.as_os_str().as_bytes().to_vec()),
        strace: cfg.strace,
        unimp: cfg.log.contains(&"unimp"),
        guest_errors: cfg.log.contains(&"guest_errors"),
        release: cfg.uname_release.as_ref().map(|r| r.as_bytes().to_vec()),
        machine,
        reexec: cfg.reexec.iter().map(os_bytes).collect(),
    }
}

type Machine = (Arc<AddressSpace>, Arc<Engine>);

/// Address space and translator.
fn machine(cfg: &RunConfig, port: &dyn GuestPort, layout: &Layout) -> Result<Machine, StartError> {
    let isa = port
        .isa(cfg.cpu.as_deref(), cfg.guest.big_endian)
        .map_err(|e| fail(e, 1))?;
    let mem = match port.elf_class() {
        64 => UserMem::identity(),
        _ => match cfg.guest_base.filter(|b| *b != 0) {
            None => UserMem::reserve_32().map_err(|e| fail(e.to_string(), 1))?,
            Some(base) => {
                UserMem::reserve_32_at(base).map_err(|e| fail(format!("-B {base:#x}: {e}"), 1))?
            }
        },
    };
    let space = AddressSpace::new(mem, layout.geometry, stack_size(cfg));
    space.set_mmap_top(match layout.mmap_top {
        Top::Below(distance) => GuestVa(space.mmap_top().0 - distance),
        Top::At(top) => GuestVa(top),
    });
    let space = Arc::new(space);
    let backend = if cfg.test.interpreter {
        Backend::Interp
    } else {
        Backend::Jit
    };
    let usual = EngineConfig::default();
    let engine_config = EngineConfig {
        backend,
        one_insn_per_tb: cfg.one_insn_per_tb,
        code_bytes: cfg.code_bytes.map_or(usual.code_bytes, |n| {
            usize::try_from(n).unwrap_or(usize::MAX)
        }),
        baseline_host: cfg.test.baseline_host,
        verify_ir: cfg.test.verify_ir,
        ..usual
    };
    let code: Arc<dyn tcg_target::CodeMemory> = space.clone();
    let engine = Engine::new(isa, mem, code, engine_config)
        .map_err(|e| fail(format!("no memory for code: {e}"), 1))?;
    crate::log::start(cfg, &engine, &space)?;
    space.set_code_user(engine.clone());
    Ok((space, engine))
}
