//! Loads a program: finds the file, checks it, builds the process around it.

use crate::guest::{self, GuestPort};
use crate::start::{self, ImageFacts, StackImage};
use crate::task::{Config, Process, Task};
use crate::{RunConfig, StartError};
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tcg_exec::{Engine, EngineConfig, Vcpu};
use tcg_mem::UserMem;
use tcg_uspace::{ElfPlan, Space};

/// How much of a file is read for its headers.
const HEAD: u64 = 1 << 18;

/// A program file and what its headers say.
struct Program {
    path: PathBuf,
    file: File,
    plan: ElfPlan,
}

fn open(path: &Path) -> Result<Program, StartError> {
    let say = |what: String, status| StartError { what: format!("{}: {what}", path.display()), status };
    let file = File::open(path).map_err(|e| {
        let status = if e.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 };
        say(io_text(&e), status)
    })?;
    if file.metadata().is_ok_and(|m| m.is_dir()) {
        return Err(say("Is a directory".into(), 126));
    }
    let mut head = Vec::new();
    (&file).take(HEAD).read_to_end(&mut head).map_err(|e| say(io_text(&e), 126))?;
    let plan = ElfPlan::parse(&head).map_err(|e| say(e.to_string(), 126))?;
    Ok(Program { path: path.to_path_buf(), file, plan })
}

/// The error's text without Rust's "(os error N)".
fn io_text(e: &std::io::Error) -> String {
    let text = e.to_string();
    text.split(" (os error").next().unwrap_or_default().to_string()
}

/// The file with the interpreter's name: under -L first, then on the host.
fn open_interpreter(cfg: &RunConfig, program: &Path, name: &[u8]) -> Result<Program, StartError> {
    let name = Path::new(OsStr::from_bytes(name));
    let under = cfg.prefix.as_ref().map(|p| p.join(name.strip_prefix("/").unwrap_or(name)));
    if let Some(under) = under.filter(|p| p.exists()) {
        return open(&under);
    }
    open(name).map_err(|e| StartError {
        what: format!(
            "{}: cannot load its program interpreter {}: {} (use -L with the folder of the guest's root)",
            program.display(),
            name.display(),
            e.what.rsplit(": ").next().unwrap_or_default(),
        ),
        status: e.status,
    })
}

/// Checks that a file is for this port and byte order.
fn check(port: &dyn GuestPort, big_endian: Option<bool>, p: &Program) -> Result<(), StartError> {
    let fits = p.plan.machine == port.elf_machine() && big_endian.is_none_or(|be| be == p.plan.big_endian);
    if fits {
        return Ok(());
    }
    let order = if p.plan.big_endian { "big-endian" } else { "little-endian" };
    let other = guest::port_for_machine(p.plan.machine).map_or("another machine", |p| p.name());
    Err(StartError {
        what: format!(
            "{}: a {order} program for {other} (ELF machine {}), not for {}",
            p.path.display(),
            p.plan.machine,
            port.name()
        ),
        status: 126,
    })
}

/// Builds the process; gives its first task.
pub fn load(cfg: &RunConfig) -> Result<Task, StartError> {
    let program = open(&cfg.program)?;
    let port = match cfg.guest {
        Some(name) => guest::port_by_name(name),
        None => guest::port_for_machine(program.plan.machine),
    };
    let fail = |what: String, status| StartError { what, status };
    let port = port.ok_or_else(|| {
        let machine = program.plan.machine;
        fail(format!("{}: ELF machine {machine} is not supported", cfg.program.display()), 126)
    })?;
    check(port, cfg.big_endian, &program)?;
    let interpreter = match &program.plan.interpreter {
        Some(name) => Some(open_interpreter(cfg, &cfg.program, name)?),
        None => None,
    };
    if let Some(i) = &interpreter {
        check(port, Some(program.plan.big_endian), i)?;
    }
    let isa = port.isa(cfg.cpu.as_deref(), program.plan.big_endian).map_err(|e| fail(e, 1))?;
    let mem = UserMem::reserve_32().map_err(|e| fail(e.to_string(), 1))?;
    let space = Arc::new(Space::new(mem));
    let engine_config = EngineConfig { one_insn_per_tb: cfg.one_insn_per_tb, ..EngineConfig::default() };
    let engine = Engine::new(isa, mem, space.clone(), engine_config).map_err(|e| fail(e.to_string(), 1))?;
    let invalidator = Arc::clone(&engine);
    space.set_invalidator(Box::new(move |va, len| invalidator.invalidate(va, len)));
    let image_fail = |e: tcg_uspace::SpaceError| fail(format!("{}: {e}", cfg.program.display()), 126);
    let main = space.load_image(&program.plan, &program.file, &program.path, cfg.load_bias).map_err(image_fail)?;
    space.set_brk_start(main.end);
    let mut facts = ImageFacts {
        phdr: main.phdr,
        phent: u64::from(program.plan.phentsize),
        phnum: u64::from(program.plan.phnum),
        base: 0,
        entry: main.entry,
    };
    let mut entry = main.entry;
    if let Some(i) = &interpreter {
        let image = space.load_image(&i.plan, &i.file, &i.path, None).map_err(image_fail)?;
        facts.base = image.base;
        entry = image.entry;
    }
    let stack_top = space.make_stack(cfg.stack_size, program.plan.exec_stack.unwrap_or(true)).map_err(image_fail)?;
    let vcpu = Vcpu::new(Arc::clone(&engine));
    let aux = port.aux(isa);
    let config = Config {
        prefix: cfg.prefix.as_ref().map(|p| p.as_os_str().as_bytes().to_vec()),
        strace: cfg.strace,
        unimp: cfg.unimp,
        release: cfg.release.clone(),
        machine: aux.machine,
        child_options: cfg.child_options.clone(),
    };
    let exe = std::fs::canonicalize(&cfg.program).unwrap_or_else(|_| cfg.program.clone());
    let process = Process::new(config, exe.as_os_str().as_bytes().to_vec(), space, engine);
    let mut t = Task::leader(port, port.abi(program.plan.big_endian), mem, Arc::new(process), vcpu);
    let mut random = [0; 16];
    crate::sys::random(cfg.seed, &mut random);
    let stack = StackImage {
        argv: &cfg.argv,
        envp: &cfg.envp,
        execfn: cfg.program.as_os_str().as_bytes(),
        image: facts,
        cpu: aux,
        random,
    };
    let too_long = |_| fail(format!("{}: Argument list too long", cfg.program.display()), 126);
    let built = start::build(&t, stack_top, &stack).map_err(too_long)?;
    port.map_kernel_pages(&mut t).map_err(|_| fail("cannot map the kernel's helper page".into(), 1))?;
    port.start(&mut t.vcpu, entry, built.sp);
    t.set_facts(&cfg.argv, &cfg.envp, built);
    Ok(t)
}
