//! Files in /proc whose contents are the guest's, not the emulator's.

pub mod subject;
mod text;

use crate::errno::Errno;
use crate::sys::{addr, blocking, call};
use crate::syscall::SysResult;
use crate::task::Task;
use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt;
use subject::{Who, subject};

/// Names of the files that are made here: other relative paths need no look at their directory.
const MADE: [&[u8]; 11] = [
    b"maps", b"smaps", b"cmdline", b"environ", b"auxv", b"stat", b"statm", b"status", b"limits",
    b"cpuinfo", b"exe",
];

/// A path that is relative to a directory in /proc, made absolute.
pub fn absolute(dir: i32, path: &CStr) -> Option<CString> {
    let name = path.to_bytes();
    let last = name.rsplit(|b| *b == b'/').next()?;
    if name.first() == Some(&b'/') || !MADE.contains(&last) {
        return None;
    }
    let folder = match dir {
        libc::AT_FDCWD => std::env::current_dir(),
        fd => std::fs::read_link(format!("/proc/self/fd/{fd}")),
    };
    let folder = folder.ok()?;
    let mut whole = folder.as_os_str().as_bytes().to_vec();
    if whole != b"/proc" && !whole.starts_with(b"/proc/") {
        return None;
    }
    whole.push(b'/');
    whole.extend_from_slice(name);
    CString::new(whole).ok()
}

/// Opens a file of /proc that is about the guest: `None` if the path is not one.
pub fn open(t: &mut Task, dir: i32, path: &CStr, flags: u32) -> Option<SysResult> {
    let whole = absolute(dir, path);
    let path = whole.as_deref().unwrap_or(path);
    let name = path.to_bytes();
    if !name.starts_with(b"/proc/") {
        return None;
    }
    let content = if name == b"/proc/cpuinfo" {
        cpuinfo(t).into_bytes()
    } else {
        content(t, path)?
    };
    if flags & libc::O_ACCMODE as u32 != libc::O_RDONLY as u32 {
        return Some(Err(Errno::EACCES));
    }
    Some(snapshot(t, &content, flags))
}

/// A descriptor that reads as `content`.
fn snapshot(t: &mut Task, content: &[u8], flags: u32) -> SysResult {
    let cloexec = if flags & libc::O_CLOEXEC as u32 != 0 {
        libc::MFD_CLOEXEC
    } else {
        0
    };
    let fd = call(
        libc::SYS_memfd_create,
        [c"proc".as_ptr() as u64, cloexec.into()],
    )?;
    let mut rest = content;
    while !rest.is_empty() {
        match blocking(
            t,
            libc::SYS_write,
            [fd, addr(rest), rest.len() as u64, 0, 0, 0],
        ) {
            Ok(n) => rest = rest.get(n as usize..).unwrap_or_default(),
            Err(Errno::EINTR) => {}
            Err(e) => {
                call(libc::SYS_close, [fd])?;
                return Err(e);
            }
        }
    }
    call(libc::SYS_lseek, [fd, 0, libc::SEEK_SET as u64])?;
    Ok(fd)
}

fn cpuinfo(t: &Task) -> String {
    (t.abi.cpuinfo)(t.process.config.cpu.as_deref(), cpus())
}

/// Processors that the guest may run on.
pub fn cpus() -> usize {
    let mut mask = [0u64; 128];
    let bytes = call(
        libc::SYS_sched_getaffinity,
        [
            0,
            size_of_val(&mask) as u64,
            crate::sys::addr_mut(&mut mask),
        ],
    );
    let words = bytes.unwrap_or(0) as usize / 8;
    let count: u32 = mask.iter().take(words).map(|w| w.count_ones()).sum();
    (count as usize).max(1)
}

/// The file's text, if it is about an emulated process and differs from the host's.
fn content(t: &Task, path: &CStr) -> Option<Vec<u8>> {
    let s = subject(path)?;
    if !MADE.contains(&s.file) {
        return None;
    }
    let host = || std::fs::read_to_string(path.to_str().ok()?).ok();
    let figures = match s.who {
        Who::Own => match s.file {
            b"maps" => return Some(t.maps_text()),
            b"smaps" => return text::own_smaps(t),
            // The kernel was told where these are, if it takes that.
            b"cmdline" if !t.process.is_published() => return Some(t.process.cmdline.clone()),
            b"environ" if !t.process.is_published() => return Some(t.process.environ.clone()),
            b"auxv" => return Some(t.process.auxv().to_vec()),
            b"limits" => return Some(text::limits(t, &host()?).into_bytes()),
            b"cmdline" | b"environ" => return None,
            _ => text::own_figures(t),
        },
        Who::Other(pid) => {
            if !matches!(s.file, b"maps" | b"smaps" | b"stat" | b"statm" | b"status") {
                return None;
            }
            let p = subject::published(pid)?;
            let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).ok()?;
            let (maps, size) = text::foreign_maps(&maps, &p);
            match s.file {
                b"maps" => return Some(maps.into_bytes()),
                b"smaps" => return Some(text::foreign_maps(&host()?, &p).0.into_bytes()),
                _ => {}
            }
            text::Figures {
                base: p.base,
                size,
                stack: None,
                signals: None,
                stack_start: None,
            }
        }
    };
    let made = match s.file {
        b"stat" => text::stat(&host()?, &figures)?,
        b"statm" => text::statm(&host()?, &figures),
        b"status" => text::status(&host()?, &figures),
        _ => return None,
    };
    Some(made.into_bytes())
}
