//! execve: native programs directly, guest programs by running the emulator again, scripts by their interpreter.
//!
//! Without a binfmt_misc entry the host cannot start a guest program, so the emulator executes itself with the
//! program as its argument. With an entry the host's kernel would do the same; deciding here keeps -L, -cpu and the
//! other options for the children. Only where the emulator cannot find itself (started by an entry with the flag F in a
//! root without /proc) the child is left to the entry, which is certainly there.

use crate::errno::Errno;
use crate::guest::{self, GuestPort};
use crate::sys;
use crate::task::Task;
use std::ffi::{CString, OsString};
use std::fs::File;
use std::io::Read;
use std::os::fd::IntoRawFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileExt;
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

/// A program's file, as execveat names it.
pub struct Place {
    /// Folder that the path counts from, or the file itself if the path is empty.
    pub dir: i32,
    /// Path on the host.
    pub path: CString,
    /// AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW.
    pub flags: i32,
}

impl Place {
    /// A file that is named by its path alone.
    pub fn at(path: CString) -> Place {
        Place {
            dir: libc::AT_FDCWD,
            path,
            flags: 0,
        }
    }

    /// Whether it is named by a descriptor, so that its name means nothing in another process.
    fn is_by_descriptor(&self) -> bool {
        self.dir != libc::AT_FDCWD
    }

    /// Opens it for reading. Needs no /proc, unless the descriptor cannot be read itself (O_PATH).
    fn open(&self) -> Result<File, Errno> {
        let link = match self.flags & libc::AT_SYMLINK_NOFOLLOW {
            0 => 0,
            _ => libc::O_NOFOLLOW,
        };
        // A pipe's other end is not waited for.
        let flags = (libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NONBLOCK | link) as u64;
        let fd = if !self.path.is_empty() {
            let args = [self.dir as u64, addr_of(&self.path), flags];
            sys::call(libc::SYS_openat, args)?
        } else {
            let copy = [self.dir as u64, libc::F_DUPFD_CLOEXEC as u64, 0];
            let copy = sys::take_fd(sys::call(libc::SYS_fcntl, copy)? as i32);
            if copy.read_at(&mut [0], 0).is_ok() {
                return Ok(copy);
            }
            let name = CString::new(format!("/proc/self/fd/{}", self.dir));
            let name = name.map_err(|_| Errno::EINVAL)?;
            sys::call(
                libc::SYS_openat,
                [libc::AT_FDCWD as u64, addr_of(&name), flags],
            )?
        };
        Ok(sys::take_fd(fd as i32))
    }

    /// Whether it is closed when a program is executed, and with it a script's name.
    fn closes_on_exec(&self) -> bool {
        let flags = sys::call(libc::SYS_fcntl, [self.dir as u64, libc::F_GETFD as u64]);
        self.is_by_descriptor() && flags.is_ok_and(|f| f & libc::FD_CLOEXEC as u64 != 0)
    }
}

/// What to execute, with everything resolved to host paths.
pub struct Request {
    /// The path as the guest gave it.
    pub path: CString,
    /// Where that is on the host.
    pub place: Place,
    /// Arguments.
    pub argv: Vec<CString>,
    /// Environment.
    pub envp: Vec<CString>,
}

/// Looks at a file as the kernel's binary formats do. Gives it open, if it is a guest's program.
fn classify(place: &Place) -> Result<(Kind, Option<File>), Errno> {
    let access = [place.dir as u64, addr_of(&place.path), libc::X_OK as u64];
    let allowed = match place.flags {
        0 => sys::call(libc::SYS_faccessat, access),
        flags => sys::call(
            libc::SYS_faccessat2,
            [access[0], access[1], access[2], flags as u64],
        ),
    };
    match allowed {
        Err(e) if e != Errno::ENOSYS => return Err(e),
        _ => {}
    }
    // A file that can be executed but not read is the host's business.
    let Ok(file) = place.open() else {
        return Ok((Kind::Host, None));
    };
    let mut head = [0u8; SCRIPT_LINE];
    let mut len = 0;
    while len < head.len() {
        match file.read_at(&mut head[len..], len as u64) {
            Ok(0) | Err(_) => break,
            Ok(n) => len += n,
        }
    }
    let head = &head[..len];
    if let Some(line) = head.strip_prefix(b"#!") {
        let kind = script(line).map_or(Kind::Host, |(i, a)| Kind::Script(i, a));
        return Ok((kind, None));
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
            return Ok((Kind::Guest(port), Some(file)));
        }
    }
    Ok((Kind::Host, None))
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
        match classify(&r.place) {
            Err(e) => return e,
            Ok((Kind::Guest(port), file)) if sys::exec_fd() >= 0 => {
                return replace(t, |t| reexecute(t, port, &r, file));
            }
            Ok((Kind::Host | Kind::Guest(_), file)) => {
                // binfmt_misc refuses what it could not open again by its name.
                let file = file.filter(|_| r.place.closes_on_exec());
                let kept = file.map(|f| sys::inheritable(f.into_raw_fd()));
                if let Some(fd) = kept {
                    r.place = Place {
                        dir: fd,
                        path: CString::default(),
                        flags: libc::AT_EMPTY_PATH,
                    };
                }
                let error = replace(t, |t| by_host(t, &r));
                if let Some(fd) = kept {
                    drop(sys::take_fd(fd));
                }
                return error;
            }
            Ok((Kind::Script(interpreter, arg), _)) => {
                if r.place.closes_on_exec() {
                    return Errno::ENOENT;
                }
                let Ok(path) = CString::new(interpreter) else {
                    return Errno::ENOEXEC;
                };
                let place = Place::at(t.resolve(&path));
                // argv[0] gives way to interpreter, argument and the script's path.
                let rest = r.argv.split_off(1.min(r.argv.len()));
                let arg = arg.and_then(|a| CString::new(a).ok());
                r.argv = std::iter::once(path.clone())
                    .chain(arg)
                    .chain([r.path.clone()])
                    .chain(rest)
                    .collect();
                r.path = path;
                r.place = place;
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

/// Leaves a program to the host.
fn by_host(t: &Task, r: &Request) -> Errno {
    let before = crate::limits::pass_on(t);
    let error = sys::execveat(&r.place, &r.argv, &r.envp);
    crate::limits::take_back(&before);
    error
}

/// Runs the emulator again with the options of this run. `file` is the program.
fn reexecute(t: &mut Task, port: &dyn GuestPort, r: &Request, file: Option<File>) -> Errno {
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
    // The name of a descriptor means nothing in the next process, or something else: that gets the file open.
    let file = file.filter(|_| r.place.is_by_descriptor());
    let file = file.map(|f| sys::inheritable(f.into_raw_fd()));
    if let Some(fd) = file {
        push(b"-program-fd");
        push(fd.to_string().as_bytes());
    }
    push(b"-0");
    push(r.argv.first().map_or(b"", |a| a.as_bytes()));
    push(match file {
        Some(_) => r.path.as_bytes(),
        None => r.place.path.as_bytes(),
    });
    argv.extend(r.argv.iter().skip(1).cloned());
    let error = sys::execve_self(&argv, &r.envp);
    if let Some(fd) = file {
        drop(sys::take_fd(fd));
    }
    error
}
