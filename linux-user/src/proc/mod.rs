//! Files in /proc whose contents are the guest's, not the emulator's.

use crate::errno::Errno;
use crate::sys::{addr, blocking, call};
use crate::syscall::SysResult;
use crate::syscall::path::own_proc;
use crate::task::Task;
use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt;

/// Names of the files that are made here: other relative paths need no look at their directory.
const MADE: [&[u8]; 7] = [
    b"maps", b"cmdline", b"environ", b"auxv", b"stat", b"cpuinfo", b"exe",
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
    let content = match own_proc(path) {
        Some(b"maps") => t.maps_text(),
        Some(b"cmdline") => t.process.cmdline.clone(),
        Some(b"environ") => t.process.environ.clone(),
        Some(b"auxv") => t.process.auxv().to_vec(),
        Some(b"stat") => stat(t)?,
        _ if name == b"/proc/cpuinfo" => cpuinfo(t).into_bytes(),
        _ => return None,
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

/// The host's line with the guest's start of the stack (field 28); `None` if the host has none.
fn stat(t: &Task) -> Option<Vec<u8>> {
    let host = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (head, tail) = host.rsplit_once(')')?;
    // Behind the name come fields 3 and up.
    let fields = tail.trim().split(' ').enumerate();
    let fields = fields.map(|(i, f)| {
        if i + 3 == 28 {
            t.process.stack_start().to_string()
        } else {
            f.to_owned()
        }
    });
    Some(format!("{head}) {}\n", fields.collect::<Vec<_>>().join(" ")).into_bytes())
}
