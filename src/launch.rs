//! From parsed options to a running guest: fills the front end's configuration and starts it.

use crate::cli::Failure;
use crate::cli::user::{Parsed, UserOptions};
use crate::guests::Guest;
use linux_user::{GuestId, RunConfig};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

/// Runs the program; comes back only with a reason why it did not start.
pub fn run(guest: &Guest, parsed: Parsed, program_fd: Option<i32>) -> Result<ExitCode, Failure> {
    let Parsed { options, command } = parsed;
    let mut command = command.into_iter();
    let Some(program) = command.next() else {
        return Err(Failure::program("no program named".to_string(), 1));
    };
    let reexec = child_options(guest, &options);
    let cfg = RunConfig {
        guest: GuestId {
            name: guest.name,
            machine: guest.machine,
            class: guest.class,
            big_endian: guest.big_endian,
        },
        program: PathBuf::from(program),
        program_fd: program_fd.or(options.program_fd),
        argv0: options.argv0,
        args: command.collect(),
        env: options
            .environment
            .into_iter()
            .map(|(n, v)| (n.into(), v.map(OsString::from)))
            .collect(),
        sysroot: options.ld_prefix,
        cpu: options.cpu,
        strace: options.strace,
        stack_size: options.stack_size,
        reserved_va: options.reserved_va,
        guest_base: options.guest_base,
        one_insn_per_tb: options.one_insn_per_tb,
        log: options.log,
        log_file: options.log_file,
        gdb: options.gdb,
        seed: options.seed,
        uname_release: options.uname_release,
        log_ranges: options.log_ranges,
        code_bytes: options.tb_size_mib.map(|mib| mib.saturating_mul(1 << 20)),
        code_cache: options.code_cache,
        perfmap: options.perfmap,
        jitdump: options.jitdump,
        stats: options.stats,
        test: options.test,
        reexec,
        exec_fd: options.exec_fd,
        limits: options.limits.clone(),
        ids: options.ids.clone(),
    };
    match linux_user::run(&cfg) {
        Err(e) => Err(Failure::program(e.what, e.status)),
    }
}

/// `argv[0]`, applet and options for the emulator of a guest program that the guest executes.
fn child_options(guest: &Guest, options: &UserOptions) -> Vec<OsString> {
    let mut out: Vec<OsString> = vec!["emu".into(), guest.name.into()];
    let mut flag = |name: &str, value: Option<OsString>| {
        out.push(name.into());
        out.extend(value);
    };
    if let Some(prefix) = &options.ld_prefix {
        flag("-L", Some(prefix.clone().into()));
    }
    if let Some(cpu) = &options.cpu {
        flag("-cpu", Some(cpu.into()));
    }
    if let Some(folder) = &options.code_cache {
        flag("-code-cache", Some(folder.clone().into()));
    }
    if let Some(size) = options.stack_size {
        flag("-s", Some(size.to_string().into()));
    }
    if let Some(release) = &options.uname_release {
        flag("-r", Some(release.into()));
    }
    if options.strace {
        flag("-strace", None);
        if let Some(file) = &options.log_file {
            flag("-D", Some(file.clone().into()));
        }
    }
    let flags = [
        (options.one_insn_per_tb, "-one-insn-per-tb"),
        (options.perfmap, "-perfmap"),
        (options.jitdump, "-jitdump"),
        (options.stats, "-stats"),
    ];
    for (_, name) in flags.iter().filter(|(given, _)| *given) {
        flag(name, None);
    }
    let numbers = [
        (options.tb_size_mib, "-tb-size"),
        (options.reserved_va, "-R"),
        (options.guest_base, "-B"),
        (options.seed, "-seed"),
    ];
    for (value, name) in numbers {
        if let Some(value) = value {
            flag(name, Some(value.to_string().into()));
        }
    }
    let test = options.test;
    let tests = [
        (test.interpreter, "interpreter"),
        (test.baseline_host, "baseline_host"),
        (test.verify_ir, "verify_ir"),
    ];
    for (_, word) in tests.iter().filter(|(given, _)| *given) {
        flag("-test", Some(word.into()));
    }
    if let Some(file) = &options.log_file {
        flag("-D", Some(file.clone().into()));
    }
    if !options.log_ranges.is_empty() {
        let ranges = options.log_ranges.iter();
        let ranges: Vec<String> = ranges.map(|(a, b)| format!("{a:#x}..{b:#x}")).collect();
        flag("-dfilter", Some(ranges.join(",").into()));
    }
    if !options.log.is_empty() {
        flag("-d", Some(options.log.join(",").into()));
    }
    out
}
