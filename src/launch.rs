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
    refuse_unimplemented(&options)?;
    let reexec = child_options(guest, &options);
    let cfg = RunConfig {
        guest: GuestId {
            name: guest.name,
            machine: guest.machine,
            class: guest.class,
            big_endian: guest.big_endian,
        },
        program: PathBuf::from(program),
        program_fd,
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
        load_address: None,
        reexec,
        exec_fd: options.exec_fd,
    };
    match linux_user::run(&cfg) {
        Err(e) => Err(Failure::program(e.what, e.status)),
    }
}

/// Options that are understood but do nothing yet are refused, not ignored.
fn refuse_unimplemented(options: &UserOptions) -> Result<(), Failure> {
    let given = [
        (options.perfmap, "-perfmap"),
        (options.stats, "-stats"),
        (!options.log_ranges.is_empty(), "-dfilter"),
        (options.tb_size_mib.is_some(), "-tb-size"),
    ];
    match given.iter().find(|(given, _)| *given) {
        // UNIMPL: the gdb server, the perf map, statistics at the end.
        Some((_, name)) => Err(Failure::program(
            format!("{name} is not implemented yet"),
            1,
        )),
        None => Ok(()),
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
    if let Some(size) = options.stack_size {
        flag("-s", Some(size.to_string().into()));
    }
    if let Some(release) = &options.uname_release {
        flag("-r", Some(release.into()));
    }
    if options.strace {
        flag("-strace", None);
    }
    if options.one_insn_per_tb {
        flag("-one-insn-per-tb", None);
    }
    if !options.log.is_empty() {
        flag("-d", Some(options.log.join(",").into()));
    }
    out
}
