//! Whose file in /proc a path names: the guest's own process, another emulated one, or something that is none of ours.
//!
//! Each emulator tells the kernel where its guest's code, stack, arguments and environment are ([`publish`]), so that the
//! kernel's own /proc shows the guest's command line, and so that others find its program.

use crate::sys;
use crate::task::Task;
use std::ffi::CStr;
use std::fs;

/// A process whose /proc files need looking at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// The calling one.
    Own,
    /// Another one; it is not known yet whether it is emulated.
    Other(u32),
}

/// A path below /proc, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject<'a> {
    /// The process.
    pub who: Who,
    /// The file.
    pub file: &'a [u8],
}

/// Takes `/proc/WHO/[task/TID/]FILE` apart.
pub fn subject(path: &CStr) -> Option<Subject<'_>> {
    let rest = path.to_bytes().strip_prefix(b"/proc/")?;
    let (who, rest) = split(rest)?;
    let file = match rest.strip_prefix(b"task/") {
        Some(rest) => split(rest)?.1,
        None => rest,
    };
    let who = match who {
        b"self" | b"thread-self" => Who::Own,
        number => {
            let pid: u32 = std::str::from_utf8(number).ok()?.parse().ok()?;
            match pid == std::process::id() || own_thread(pid) {
                true => Who::Own,
                false => Who::Other(pid),
            }
        }
    };
    Some(Subject { who, file })
}

fn split(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let slash = text.iter().position(|b| *b == b'/')?;
    Some((text.get(..slash)?, text.get(slash + 1..)?))
}

/// Whether a number is one of this process's threads, which /proc knows without listing them.
fn own_thread(tid: u32) -> bool {
    fs::metadata(format!("/proc/self/task/{tid}")).is_ok()
}

/// What another emulated process has told the kernel.
#[derive(Clone, Copy, Debug)]
pub struct Published {
    /// Host address of guest address 0; 0 for guests that share the host's addresses.
    pub base: u64,
    /// Host address of the program.
    pub code: u64,
    /// Host address of the initial stack pointer.
    pub stack: u64,
}

/// Places in /proc/PID/stat, counted from the state's as 0 (field 3). [man7 proc_pid_stat]
pub const STAT_STATE: usize = 3;
const STAT_CODE: usize = 26;
const STAT_STACK: usize = 28;
const STAT_DATA: usize = 45;

/// The marker behind the base in `start_data`: nobody's data begins at such an address.
const MARK: u64 = 0xe61;

/// What process `pid` has published, if it runs under this emulator.
pub fn published(pid: u32) -> Option<Published> {
    let own = sys::fstat(sys::exec_fd()).ok()?;
    let theirs = fs::metadata(format!("/proc/{pid}/exe")).ok()?;
    use std::os::unix::fs::MetadataExt;
    if own != (theirs.dev(), theirs.ino()) {
        return None;
    }
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let field = |n: usize| fields.get(n - STAT_STATE)?.parse::<u64>().ok();
    let data = field(STAT_DATA)?;
    let code = field(STAT_CODE)?;
    let base = match data & 0xfff == MARK {
        true => data & !0xfff,
        false => return None,
    };
    Some(Published {
        // The lowest address that the kernel takes stands for none.
        base: if base == LOWEST { 0 } else { base },
        code,
        stack: field(STAT_STACK)?,
    })
}

/// An address that the kernel takes everywhere.
const LOWEST: u64 = 1 << 20;

/// Tells the kernel where things of the guest are. Without CONFIG_CHECKPOINT_RESTORE it does not take that; then other
/// processes see the emulator's command line.
pub fn publish(t: &Task, code: (u64, u64)) -> bool {
    let Some(facts) = t.process.stack.get() else {
        return false;
    };
    let base = t.mem.base() as u64;
    let auxv = match t.mem.is_identity() && t.abi.endian == crate::abi::host().endian {
        true => facts.auxv.as_slice(),
        false => &[],
    };
    let mark = if base == 0 { LOWEST } else { base & !0xfff } | MARK;
    sys::publish(
        &sys::Places {
            code: [base + code.0, base + code.1.max(code.0 + 1)],
            data: [mark, mark],
            stack: base + facts.sp,
            args: [base + facts.arg_start, base + facts.arg_end],
            env: [base + facts.env_start, base + facts.env_end],
        },
        auxv,
    )
}

/// The program of another emulated process: the file that is mapped where its code is.
pub fn program_of(pid: u32) -> Option<Vec<u8>> {
    let p = published(pid)?;
    let maps = fs::read(format!("/proc/{pid}/maps")).ok()?;
    maps.split(|b| *b == b'\n').find_map(|line| {
        let (start, end) = range_of(line)?;
        let name = line.iter().position(|b| *b == b'/')?;
        (start <= p.code && p.code < end).then(|| line.get(name..).map(<[u8]>::to_vec))?
    })
}

/// The range at the start of a line of maps or smaps.
pub fn range_of(line: &[u8]) -> Option<(u64, u64)> {
    let text = line.get(..line.iter().position(|b| *b == b' ')?)?;
    let (start, end) = std::str::from_utf8(text).ok()?.split_once('-')?;
    Some((
        u64::from_str_radix(start, 16).ok()?,
        u64::from_str_radix(end, 16).ok()?,
    ))
}

/// The guest's program behind `/proc/PID/exe`.
pub fn exe(t: &Task, path: &CStr) -> Option<Vec<u8>> {
    let s = subject(path).filter(|s| s.file == b"exe")?;
    match s.who {
        Who::Own => Some(t.process.exe.clone()),
        Who::Other(pid) => program_of(pid),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_taken_apart() {
        let own = |file: &'static [u8]| Subject {
            who: Who::Own,
            file,
        };
        assert_eq!(subject(c"/proc/self/maps"), Some(own(b"maps")));
        assert_eq!(subject(c"/proc/thread-self/exe"), Some(own(b"exe")));
        assert_eq!(subject(c"/proc/self/task/1/stat"), Some(own(b"stat")));
        let path = std::ffi::CString::new(format!("/proc/{}/fd/3", std::process::id())).unwrap();
        assert_eq!(subject(&path), Some(own(b"fd/3")));
        let one = subject(c"/proc/1/maps").unwrap();
        assert_eq!((one.who, one.file), (Who::Other(1), &b"maps"[..]));
        assert_eq!(subject(c"/proc/selfish/maps"), None);
        assert_eq!(subject(c"/proc/self"), None);
        assert_eq!(subject(c"/proc/sys/kernel"), None);
    }

    #[test]
    fn ranges_of_lines() {
        assert_eq!(
            range_of(b"1000-2fff r-xp 0 0:0 1 /x"),
            Some((0x1000, 0x2fff))
        );
        assert_eq!(range_of(b"Rss: 4 kB"), None);
    }
}
