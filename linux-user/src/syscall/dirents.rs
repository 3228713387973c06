//! Directory reading: getdents and getdents64.
//!
//! A 32-bit guest's C library refuses positions (`d_off`) above 31 bits with EOVERFLOW, also from getdents64, and
//! ext4 gives a 64-bit caller 63-bit ones. So when such a position turns up, the directory is read again through the
//! host's 32-bit entry, where file systems give small positions; where the host has no such entry, positions are
//! replaced by cookies that lseek understands.

use super::SysResult;
use super::args::{Fd, Ptr};
use crate::abi::Writer;
use crate::errno::Errno;
use crate::rows;
use crate::sys::{self, addr_mut, call};
use crate::task::Task;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tcg_mem::GuestVa;

rows! { DIRENTS:
    getdents(fd: Fd, buf: Ptr, count: u32) = Full;
    getdents64(fd: Fd, buf: Ptr, count: u32) = Full;
}

/// Bytes read from the host at once at most.
const CHUNK: usize = 64 * 1024;

/// How directories are read for guests with 32-bit positions.
#[derive(Default)]
pub struct Cookies {
    state: Mutex<State>,
    /// Whether any descriptor has cookies.
    used: AtomicBool,
}

#[derive(Default)]
struct State {
    /// Whether the host's 32-bit entry works, and the buffer for it; `None`: not tried.
    compat: Option<Option<u32>>,
    /// Positions by descriptor; the cookie is the index plus one.
    tables: HashMap<i32, Vec<i64>>,
}

impl Cookies {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The descriptor is closed or replaced.
    pub fn forget(&self, fd: i32) {
        if self.used.load(Ordering::Relaxed) {
            self.lock().tables.remove(&fd);
        }
    }

    /// Descriptors are closed. (Those that are only marked to be closed by exec read their directory again.)
    pub fn forget_range(&self, first: u32, last: u32) {
        if self.used.load(Ordering::Relaxed) {
            let gone = |fd: i32| u32::try_from(fd).is_ok_and(|fd| (first..=last).contains(&fd));
            self.lock().tables.retain(|fd, _| !gone(*fd));
        }
    }

    /// Keeps the tables still while the process forks.
    pub fn hold(&self) -> impl Drop + '_ {
        self.lock()
    }

    /// The position behind a cookie.
    pub fn position(&self, fd: i32, cookie: i64) -> i64 {
        if !self.used.load(Ordering::Relaxed) {
            return cookie;
        }
        let state = self.lock();
        let index = usize::try_from(cookie).ok().and_then(|c| c.checked_sub(1));
        let found = state.tables.get(&fd).zip(index).and_then(|(t, i)| t.get(i));
        found.copied().unwrap_or(cookie)
    }

    fn cookie(&self, fd: i32, position: i64) -> i64 {
        self.used.store(true, Ordering::Relaxed);
        let mut state = self.lock();
        let table = state.tables.entry(fd).or_default();
        table.push(position);
        table.len() as i64
    }
}

/// One entry of the host's.
struct Entry<'a> {
    ino: u64,
    off: i64,
    kind: u8,
    name: &'a [u8],
}

fn entries(mut data: &[u8]) -> Vec<Entry<'_>> {
    let mut out = Vec::new();
    while let (Some(ino), Some(off), Some(len)) =
        (data.first_chunk::<8>(), data.get(8..16), data.get(16..18))
    {
        let ino = u64::from_ne_bytes(*ino);
        let off = i64::from_ne_bytes(off.try_into().unwrap_or_default());
        let len = usize::from(u16::from_ne_bytes(len.try_into().unwrap_or_default()));
        let (Some(kind), Some(name)) = (data.get(18), data.get(19..len)) else {
            break;
        };
        let end = name.iter().position(|&b| b == 0).unwrap_or(name.len());
        out.push(Entry {
            ino,
            off,
            kind: *kind,
            name: name.get(..end).unwrap_or_default(),
        });
        data = data.get(len..).unwrap_or_default();
    }
    out
}

fn host_read(t: &Task, fd: Fd, buf: &mut [u8]) -> Result<usize, Errno> {
    let native = |buf: &mut [u8]| {
        call(
            libc::SYS_getdents64,
            [fd.0 as u64, addr_mut(buf), buf.len() as u64],
        )
        .map(|n| n as usize)
    };
    if t.abi.is_64() {
        return native(buf);
    }
    let mut state = t.process.dirs.lock();
    if let Some(Some(low)) = state.compat {
        return compat_read(fd, low, buf);
    }
    let before = call(libc::SYS_lseek, [fd.0 as u64, 0, libc::SEEK_CUR as u64]);
    let n = native(buf)?;
    let wide = entries(buf.get(..n).unwrap_or_default())
        .iter()
        .any(|e| i32::try_from(e.off).is_err());
    let (true, Ok(before)) = (wide && state.compat.is_none(), before) else {
        return Ok(n);
    };
    // The first directory whose positions do not fit.
    let low = if sys::has_int80() {
        sys::low_buffer(CHUNK).ok()
    } else {
        None
    };
    state.compat = Some(low);
    match low {
        Some(low) if i32::try_from(before).is_ok() => {
            call(
                libc::SYS_lseek,
                [fd.0 as u64, before, libc::SEEK_SET as u64],
            )?;
            compat_read(fd, low, buf)
        }
        _ => Ok(n),
    }
}

fn compat_read(fd: Fd, low: u32, buf: &mut [u8]) -> Result<usize, Errno> {
    let n = sys::getdents64_compat(fd.0, low, buf.len() as u32)? as usize;
    sys::copy_low(low, buf.get_mut(..n).ok_or(Errno::EIO)?);
    Ok(n)
}

/// Positions as the guest may see them.
fn guest_offset(t: &Task, fd: Fd, off: i64) -> i64 {
    if t.abi.is_64() || i32::try_from(off).is_ok() {
        off
    } else {
        t.process.dirs.cookie(fd.0, off)
    }
}

fn read_dir(
    t: &mut Task,
    fd: Fd,
    buf: Ptr,
    count: u32,
    put: fn(&Entry, i64, &mut Writer),
) -> SysResult {
    let mut host = vec![0u8; CHUNK.min(count as usize)];
    let n = host_read(t, fd, &mut host)?;
    let mut at = buf.0;
    for entry in entries(host.get(..n).unwrap_or_default()) {
        let mut w = Writer::new(t.abi);
        put(&entry, guest_offset(t, fd, entry.off), &mut w);
        t.put_bytes(at, w.done())?;
        at = GuestVa(at.0 + w.done().len() as u64);
    }
    Ok(at.0 - buf.0.0)
}

/// `struct linux_dirent`: the kind is the last byte. Never longer than the host's record for the same entry.
fn put_old(e: &Entry, off: i64, w: &mut Writer) {
    let word = w.abi().word;
    let len = (2 * word + 2 + e.name.len() + 2).next_multiple_of(word);
    w.uint(word, e.ino);
    w.uint(word, off as u64);
    w.uint(2, len as u64);
    w.bytes(e.name);
    while w.done().len() < len - 1 {
        w.uint(1, 0);
    }
    w.uint(1, e.kind.into());
}

/// `struct linux_dirent64`.
fn put_64(e: &Entry, off: i64, w: &mut Writer) {
    let len = (19 + e.name.len() + 1).next_multiple_of(8);
    w.uint(8, e.ino);
    w.uint(8, off as u64);
    w.uint(2, len as u64);
    w.uint(1, e.kind.into());
    w.bytes(e.name);
    while w.done().len() < len {
        w.uint(1, 0);
    }
}

fn getdents(t: &mut Task, fd: Fd, buf: Ptr, count: u32) -> SysResult {
    read_dir(t, fd, buf, count, put_old)
}

fn getdents64(t: &mut Task, fd: Fd, buf: Ptr, count: u32) -> SysResult {
    read_dir(t, fd, buf, count, put_64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::Endian;

    fn abi() -> crate::abi::Abi {
        crate::guests::arm::abi(Endian::Little)
    }

    const ENTRY: Entry = Entry {
        ino: 0x1234,
        off: 0x77,
        kind: 8,
        name: b"abc",
    };

    #[test]
    fn old_entry_has_words_and_its_kind_at_the_end() {
        let mut w = Writer::new(abi());
        put_old(&ENTRY, ENTRY.off, &mut w);
        assert_eq!(w.done(), b"\x34\x12\0\0\x77\0\0\0\x10\0abc\0\0\x08");
    }

    #[test]
    fn entry64_has_wide_members_and_its_kind_before_the_name() {
        let mut w = Writer::new(abi());
        put_64(&ENTRY, ENTRY.off, &mut w);
        assert_eq!(
            w.done(),
            b"\x34\x12\0\0\0\0\0\0\x77\0\0\0\0\0\0\0\x18\0\x08abc\0\0"
        );
    }

    #[test]
    fn host_records_are_taken_apart_and_damaged_ones_end_the_list() {
        let mut w = Writer::new(crate::abi::host());
        put_64(&ENTRY, 1 << 40, &mut w);
        let mut data = w.done().to_vec();
        data.extend_from_slice(&[0; 30]);
        let list = entries(&data);
        assert_eq!(list.len(), 1);
        assert_eq!(
            (list[0].ino, list[0].off, list[0].kind, list[0].name),
            (0x1234, 1 << 40, 8, &b"abc"[..])
        );
    }

    #[test]
    fn cookies_lead_back_to_positions_until_the_descriptor_is_closed() {
        let cookies = Cookies::default();
        let a = cookies.cookie(5, 1 << 40);
        let b = cookies.cookie(5, 1 << 41);
        assert_eq!(
            (cookies.position(5, a), cookies.position(5, b)),
            (1 << 40, 1 << 41)
        );
        assert_eq!(cookies.position(6, a), a);
        cookies.forget(5);
        assert_eq!(cookies.position(5, a), a);
        let c = cookies.cookie(7, 1 << 42);
        cookies.forget_range(8, u32::MAX);
        assert_eq!(cookies.position(7, c), 1 << 42);
        cookies.forget_range(3, u32::MAX);
        assert_eq!(cookies.position(7, c), c);
    }

    #[test]
    fn entry_of_the_32_bit_kernel_reads_a_directory_where_the_host_has_it() {
        if !sys::has_int80() {
            eprintln!("skipped: the host has no 32-bit entry");
            return;
        }
        let dir = call(
            libc::SYS_open,
            [c"/".as_ptr() as u64, libc::O_DIRECTORY as u64],
        )
        .unwrap();
        let low = sys::low_buffer(CHUNK).unwrap();
        let mut buf = vec![0u8; CHUNK];
        let n = compat_read(Fd(dir as i32), low, &mut buf).unwrap();
        let list = entries(&buf[..n]);
        assert!(list.iter().any(|e| e.name == b"proc"));
        assert!(list.iter().all(|e| i32::try_from(e.off).is_ok()));
        call(libc::SYS_close, [dir]).unwrap();
    }
}
