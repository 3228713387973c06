//! -strace: calls and their arguments as text on standard error.

use super::args::{ArgKind, Names, Regs};
use super::strace_names::names_of;
use super::table::Entry;
use super::{SysDesc, SysResult};
use crate::sys;
use crate::task::Task;
use std::fmt::Write;
use tcg_mem::GuestVa;

/// One write, so that lines of threads do not mix: to the file of `-D`, or to standard error.
pub fn emit(t: &Task, text: &str) {
    use std::os::fd::AsRawFd;
    let fd = t.process.log.get().map_or(2, |file| file.as_raw_fd());
    let bytes = text.as_bytes();
    let args = [
        fd as u64,
        bytes.as_ptr() as u64,
        bytes.len() as u64,
        0,
        0,
        0,
    ];
    sys::raw(libc::SYS_write, args);
}

fn quoted(bytes: &[u8], cut: bool, out: &mut String) {
    out.push('"');
    for &b in bytes {
        match b {
            b'\n' => out.push_str("\\n"),
            b'\t' => out.push_str("\\t"),
            b'\r' => out.push_str("\\r"),
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            0x20..=0x7e => out.push(b as char),
            _ => {
                let _ = write!(out, "\\{b:o}");
            }
        }
    }
    out.push_str(if cut { "\"..." } else { "\"" });
}

/// A number by its name, flags joined by `|`.
pub fn named(names: &Names, value: u64, out: &mut String) {
    if !names.flags {
        match names.rows.iter().find(|(v, _)| *v == value) {
            Some((_, name)) => out.push_str(name),
            None => {
                let _ = write!(out, "{value:#x}");
            }
        }
        return;
    }
    let (mut left, mut sep) = (value, "");
    for (bit, name) in names.rows {
        if (*bit != 0 && left & bit == *bit) || (*bit == 0 && value == 0) {
            let _ = write!(out, "{sep}{name}");
            (left, sep) = (left & !bit, "|");
        }
    }
    if left != 0 || sep.is_empty() {
        let _ = write!(out, "{sep}{left:#x}");
    }
}

/// Host values; O_RDONLY, O_WRONLY and O_RDWR are told apart by their two bits.
static OPEN_FLAGS: Names = Names {
    flags: true,
    rows: &[
        (libc::O_WRONLY as u64, "O_WRONLY"),
        (libc::O_RDWR as u64, "O_RDWR"),
        (libc::O_CREAT as u64, "O_CREAT"),
        (libc::O_EXCL as u64, "O_EXCL"),
        (libc::O_NOCTTY as u64, "O_NOCTTY"),
        (libc::O_TRUNC as u64, "O_TRUNC"),
        (libc::O_APPEND as u64, "O_APPEND"),
        (libc::O_NONBLOCK as u64, "O_NONBLOCK"),
        (libc::O_SYNC as u64, "O_SYNC"),
        (libc::O_DSYNC as u64, "O_DSYNC"),
        (libc::O_TMPFILE as u64, "O_TMPFILE"),
        (libc::O_DIRECTORY as u64, "O_DIRECTORY"),
        (libc::O_NOFOLLOW as u64, "O_NOFOLLOW"),
        (libc::O_DIRECT as u64, "O_DIRECT"),
        (0o100000, "O_LARGEFILE"),
        (libc::O_NOATIME as u64, "O_NOATIME"),
        (libc::O_CLOEXEC as u64, "O_CLOEXEC"),
        (libc::O_PATH as u64, "O_PATH"),
        (0, "O_RDONLY"),
    ],
};

const SHOWN: usize = 48;

fn one(t: &Task, kind: ArgKind, value: u64, next: u64, out: &mut String) {
    let va = GuestVa(value);
    let _ = match kind {
        ArgKind::Int | ArgKind::Fd => write!(out, "{}", value as i32),
        ArgKind::DirFd if value as i32 == libc::AT_FDCWD => write!(out, "AT_FDCWD"),
        ArgKind::DirFd => write!(out, "{}", value as i32),
        ArgKind::Long => write!(out, "{}", value as i64),
        ArgKind::Octal => write!(out, "0{:o}", value as u32),
        ArgKind::Hex | ArgKind::Out(_) if value == 0 => write!(out, "NULL"),
        ArgKind::Hex | ArgKind::Out(_) => write!(out, "{value:#x}"),
        ArgKind::Ioctl => match crate::ioctl::find(&t.abi, value as u32) {
            Some(row) => write!(out, "{}", row.name),
            None => write!(out, "{value:#x}"),
        },
        ArgKind::OpenFlags => {
            named(&OPEN_FLAGS, t.abi.open_to_host(value as u32).into(), out);
            Ok(())
        }
        ArgKind::Str if value == 0 => write!(out, "NULL"),
        ArgKind::Str => match t.mem.read_cstr(va, 4096) {
            Ok(Some(text)) => {
                quoted(&text, false, out);
                Ok(())
            }
            _ => write!(out, "{value:#x}"),
        },
        ArgKind::BytesIn => {
            let mut buf = [0u8; SHOWN];
            let want = (next as usize).min(SHOWN);
            let got = t.mem.read_some(va, buf.get_mut(..want).unwrap_or_default());
            quoted(
                buf.get(..got).unwrap_or_default(),
                next as usize > SHOWN,
                out,
            );
            Ok(())
        }
        ArgKind::Named(names) => {
            named(names, value, out);
            Ok(())
        }
        ArgKind::In(show) => {
            show(t, va, out);
            Ok(())
        }
    };
}

/// An argument with names. Some are more than flags: a signal beside clone's, a command beside a futex's, a type beside a
/// socket's.
fn special(t: &Task, call: &str, names: &Names, value: u64, out: &mut String) {
    const FUTEX_COMMANDS: [&str; 14] = [
        "WAIT",
        "WAKE",
        "FD",
        "REQUEUE",
        "CMP_REQUEUE",
        "WAKE_OP",
        "LOCK_PI",
        "UNLOCK_PI",
        "TRYLOCK_PI",
        "WAIT_BITSET",
        "WAKE_BITSET",
        "WAIT_REQUEUE_PI",
        "CMP_REQUEUE_PI",
        "LOCK_PI2",
    ];
    const SOCKET_TYPES: [&str; 6] = ["0", "STREAM", "DGRAM", "RAW", "RDM", "SEQPACKET"];
    let value = u64::from(value as u32);
    let (mut first, mut rest) = (String::new(), value);
    match call {
        "mmap" | "mmap2" if names.flags => rest = t.abi.mmap_to_host(value as u32).into(),
        "pipe2" | "dup3" | "eventfd2" | "inotify_init1" | "signalfd4" | "timerfd_create" => {
            rest = t.abi.open_to_host(value as u32).into();
        }
        "clone" => {
            rest = value & !0xff;
            if value & 0xff != 0 {
                first = format!("SIG{}", crate::signal::short_name((value & 0xff) as i32));
            }
        }
        "futex" | "futex_time64" => {
            rest = value & 0x180;
            let command = FUTEX_COMMANDS.get((value & 0x7f) as usize);
            first = command.map_or(format!("{:#x}", value & 0x7f), |c| format!("FUTEX_{c}"));
        }
        "socket" | "socketpair" if names.flags => {
            rest = value & !0xf;
            let kind = SOCKET_TYPES.get((value & 0xf) as usize);
            first = kind.map_or(format!("{:#x}", value & 0xf), |k| format!("SOCK_{k}"));
        }
        _ => {}
    }
    out.push_str(&first);
    if first.is_empty() || rest != 0 {
        out.push_str(if first.is_empty() { "" } else { "|" });
        named(names, rest, out);
    }
}

fn values(t: &Task, desc: &SysDesc, args: &[u64; 7]) -> Vec<u64> {
    let mut regs = Regs::new(&t.abi, *args);
    desc.args()
        .iter()
        .map(|a| match a.kind {
            _ if a.wide => regs.wide(&t.abi),
            ArgKind::Long => t.abi.sign(regs.word()) as u64,
            _ => regs.word(),
        })
        .collect()
}

/// The call, before it runs: one write, so that lines of threads do not mix within a line.
pub fn enter(t: &Task, nr: u32, entry: Option<Entry>, args: &[u64; 7]) {
    let mut out = format!("{} ", sys::raw(libc::SYS_gettid, [0; 6]));
    match entry {
        Some(e) => out.push_str(e.name),
        None => {
            let _ = write!(out, "syscall_{nr}");
        }
    }
    out.push('(');
    match entry.and_then(|e| e.desc) {
        Some(desc) => {
            let v = values(t, desc, args);
            for (i, a) in desc.args().iter().enumerate() {
                out.push_str(if i > 0 { "," } else { "" });
                let (value, next) = (
                    v.get(i).copied().unwrap_or(0),
                    v.get(i + 1).copied().unwrap_or(0),
                );
                match names_of(desc.name, a.name) {
                    Some(names) => special(t, desc.name, names, value, &mut out),
                    None => one(t, a.kind, value, next, &mut out),
                }
            }
        }
        None => {
            let shown = args
                .get(..6)
                .unwrap_or_default()
                .iter()
                .map(|a| format!("{a:#x}"));
            out.push_str(&shown.collect::<Vec<_>>().join(","));
        }
    }
    out.push(')');
    emit(t, &out);
}

/// The result, after it ran.
pub fn leave(t: &Task, desc: Option<&SysDesc>, args: &[u64; 7], result: SysResult) {
    let mut out = String::from(" = ");
    let _ = match result {
        Ok(v) if (v as i64).unsigned_abs() < 0x10000 => write!(out, "{}", v as i64),
        Ok(v) => write!(out, "{v:#x}"),
        Err(e) if e == crate::errno::Errno::KEEP_REGS => write!(out, "?"),
        Err(e) => match e.name() {
            Some(name) => write!(out, "-1 errno={} {name}", e.0),
            None => write!(out, "-1 errno={}", e.0),
        },
    };
    if let (Ok(_), Some(desc)) = (result, desc) {
        let v = values(t, desc, args);
        for (a, va) in desc.args().iter().zip(v) {
            if let (ArgKind::Out(show), true) = (a.kind, va != 0) {
                let _ = write!(out, " {}=", a.name);
                show(t, GuestVa(va), &mut out);
            }
        }
    }
    out.push('\n');
    emit(t, &out);
}

/// A call without a handler: one line if the user asked for it.
pub fn unknown(t: &Task, nr: u32, entry: Option<Entry>) {
    unimp(
        t,
        &format!("system call {nr} ({})", entry.map_or("?", |e| e.name)),
    );
}

/// One line about something that is missing, under -d unimp or -strace.
pub fn unimp(t: &Task, what: &str) {
    if t.process.config.unimp || t.process.config.strace {
        emit(t, &format!("unimplemented: {what}\n"));
    }
}
