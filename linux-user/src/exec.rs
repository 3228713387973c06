//! execve: native programs directly, guest programs by running the emulator again, scripts by their interpreter.
//!
//! Without a binfmt_misc entry the host cannot start a guest program, so the emulator executes itself with the
//! program as its argument. With an entry the host's kernel would do the same; deciding here keeps -L, -cpu and the
//! other options for the children.

use crate::errno::Errno;
use crate::guest::{self, GuestPort};
use crate::sys;
use crate::task::Task;
use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// How deep scripts may name scripts, as in the kernel.
const MAX_SCRIPTS: usize = 5;

/// Longest `#!` line that counts. [Linux include/uapi/linux/binfmts.h]
const SCRIPT_LINE: usize = 256;

/// What a file is to execve.
enum Kind {
    /// The host runs it (or refuses it with its own error).
    Host,
    /// A guest program for this port.
    Guest(&'static dyn GuestPort),
    /// A script: interpreter and optional argument.
    Script(Vec<u8>, Option<Vec<u8>>),
}

/// What to execute, with everything resolved to host paths.
pub struct Request {
    /// The path as the guest gave it.
    pub path: CString,
    /// Where that is on the host.
    pub host_path: CString,
    /// Arguments.
    pub argv: Vec<CString>,
    /// Environment.
    pub envp: Vec<CString>,
}

/// Looks at a file as the kernel's binary formats do.
fn classify(host_path: &CString) -> Result<Kind, Errno> {
    let path = OsStr::from_bytes(host_path.as_bytes());
    let access = [addr_of(host_path), libc::X_OK as u64];
    sys::call(libc::SYS_access, access)?;
    // A file that can be executed but not read is the host's business.
    let Ok(mut file) = File::open(path) else {
        return Ok(Kind::Host);
    };
    let mut head = [0u8; SCRIPT_LINE];
    let mut len = 0;
    while len < head.len() {
        match file.read(&mut head[len..]) {
            Ok(0) | Err(_) => break,
            Ok(n) => len += n,
        }
    }
    let head = &head[..len];
    if let Some(line) = head.strip_prefix(b"#!") {
        return Ok(script(line).map_or(Kind::Host, |(i, a)| Kind::Script(i, a)));
    }
    if head.len() >= 20 && head.starts_with(b"\x7fELF") {
        let raw = [head[18], head[19]];
        let machine = if head[5] == 2 {
            u16::from_be_bytes(raw)
        } else {
            u16::from_le_bytes(raw)
        };
        let class = if head[4] == 2 { 64 } else { 32 };
        if let Some(port) = guest::port_for_machine(machine, class) {
            return Ok(Kind::Guest(port));
        }
    }
    Ok(Kind::Host)
}

/// Interpreter and argument of a `#!` line. [Linux fs/binfmt_script.c]
fn script(line: &[u8]) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
    let end = line
        .iter()
        .position(|&b| b == b'\n' || b == 0)
        .unwrap_or(line.len());
    let text = line[..end].trim_ascii();
    let split = text
        .iter()
        .position(|b| matches!(b, b' ' | b'\t'))
        .unwrap_or(text.len());
    let (interpreter, rest) = text.split_at(split);
    let arg = rest.trim_ascii();
    (!interpreter.is_empty()).then(|| {
        (
            interpreter.to_vec(),
            (!arg.is_empty()).then(|| arg.to_vec()),
        )
    })
}

/// The program that runs a command, and its arguments: the interpreter if the command is a script, as often as needed.
pub fn follow_scripts(
    program: &Path,
    mut argv: Vec<OsString>,
) -> std::io::Result<(PathBuf, Vec<OsString>)> {
    let mut program = program.to_path_buf();
    for _ in 0..MAX_SCRIPTS {
        let mut head = Vec::new();
        File::open(&program)?
            .take(SCRIPT_LINE as u64)
            .read_to_end(&mut head)?;
        let Some((interpreter, arg)) = head.strip_prefix(b"#!").and_then(script) else {
            return Ok((program, argv));
        };
        let interpreter = OsString::from_vec(interpreter);
        let arg = arg.map(OsString::from_vec);
        // argv[0] gives way to interpreter, argument and the script's path.
        let rest = argv.split_off(1.min(argv.len()));
        argv = std::iter::once(interpreter.clone())
            .chain(arg)
            .chain([program.into_os_string()])
            .chain(rest)
            .collect();
        program = interpreter.into();
    }
    Err(std::io::Error::from_raw_os_error(libc::ELOOP))
}

fn addr_of(s: &CString) -> u64 {
    s.as_ptr() as u64
}

/// Executes; comes back only with an error.
pub fn execute(t: &mut Task, mut r: Request) -> Errno {
    for _ in 0..MAX_SCRIPTS {
        match classify(&r.host_path) {
            Err(e) => return e,
            Ok(Kind::Host) => {
                return replace(t, |t| {
                    let before = crate::limits::pass_on(t);
                    let error = sys::execve(&r.host_path, &r.argv, &r.envp);
                    crate::limits::take_back(&before);
                    error
                });
            }
            Ok(Kind::Guest(port)) => return replace(t, |t| reexecute(t, port, &r)),
            Ok(Kind::Script(interpreter, arg)) => {
                let Ok(path) = CString::new(interpreter) else {
                    return Errno::ENOEXEC;
                };
                let host_path = t.resolve(&path);
                // argv[0] gives way to interpreter, argument and the script's path.
                let rest = r.argv.split_off(1.min(r.argv.len()));
                let arg = arg.and_then(|a| CString::new(a).ok());
                r.argv = std::iter::once(path.clone())
                    .chain(arg)
                    .chain([r.path.clone()])
                    .chain(rest)
                    .collect();
                r.path = path;
                r.host_path = host_path;
            }
        }
    }
    Errno::ELOOP
}

/// Executes with the signal settings that the next program is to inherit; comes back only with an error.
fn replace(t: &mut Task, exec: impl FnOnce(&mut Task) -> Errno) -> Errno {
    if let Some(keep) = &t.process.keep {
        keep.finish(&t.process.engine);
    }
    if let Err(e) = crate::signal::prepare_exec(t) {
        return e;
    }
    let error = exec(t);
    crate::signal::exec_failed(t);
    error
}

/// Runs the emulator again with the options of this run.
fn reexecute(t: &mut Task, port: &dyn GuestPort, r: &Request) -> Errno {
    let mut argv: Vec<CString> = Vec::with_capacity(r.argv.len() + 16);
    let mut push = |bytes: &[u8]| argv.extend(CString::new(bytes));
    match t.process.config.reexec.as_slice() {
        [] => {
            push(b"emu");
            push(port.name().as_bytes());
        }
        options => options.iter().for_each(|o| push(o)),
    }
    push(b"-exec-fd");
    push(sys::exec_fd().to_string().as_bytes());
    if let Some(ids) = &t.ids {
        push(b"-ids");
        push(ids.text().as_bytes());
    }
    if let Some(limits) = crate::limits::text(t) {
        push(b"-limits");
        push(limits.as_bytes());
    }
    push(b"-0");
    push(r.argv.first().map_or(b"", |a| a.as_bytes()));
    push(r.host_path.as_bytes());
    argv.extend(r.argv.iter().skip(1).cloned());
    sys::execve_self(&argv, &r.envp)
}
