//! Typed arguments of system calls: how each is taken from the registers and shown by -strace.

use crate::abi::{Abi, Endian, Layout, MAX_STRUCT, Reader, Writer};
use crate::errno::Errno;
use crate::task::Task;
use std::ffi::CString;
use std::marker::PhantomData;
use tcg_mem::GuestVa;

/// How -strace shows an argument.
#[derive(Clone, Copy)]
pub enum ArgKind {
    /// Decimal, 32 bits.
    Int,
    /// Decimal, a word.
    Long,
    /// Hexadecimal.
    Hex,
    /// Octal.
    Octal,
    /// Flags of open in the guest's numbers.
    OpenFlags,
    /// An ioctl number.
    Ioctl,
    /// A descriptor.
    Fd,
    /// A directory descriptor (AT_FDCWD).
    DirFd,
    /// A NUL-terminated string.
    Str,
    /// Bytes the guest gives; the next argument is their number.
    BytesIn,
    /// A named number or flag set.
    Named(&'static Names),
    /// A structure that the guest gives.
    In(fn(&Task, GuestVa, &mut String)),
    /// A structure that the guest gets, shown after the call.
    Out(fn(&Task, GuestVa, &mut String)),
}

/// Names of numbers or flags, for decoding and for refusing what is unknown.
pub struct Names {
    /// Whether the values are bits to be combined.
    pub flags: bool,
    /// Value and name.
    pub rows: &'static [(u64, &'static str)],
}

/// The argument registers of one call and how far they are taken.
pub struct Regs {
    regs: [u64; 7],
    at: usize,
}

impl Regs {
    /// Starts at the first argument.
    pub fn new(abi: &Abi, mut regs: [u64; 7]) -> Regs {
        if !abi.is_64() {
            regs.iter_mut().for_each(|r| *r &= 0xffff_ffff);
        }
        Regs { regs, at: 0 }
    }

    /// The next word, zero-extended.
    pub fn word(&mut self) -> u64 {
        let value = self.regs.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        value
    }

    /// The next 64-bit value: one register, or a pair in the guest's order.
    pub fn wide(&mut self, abi: &Abi) -> u64 {
        if abi.is_64() {
            return self.word();
        }
        if abi.pair_aligned {
            self.at = self.at.next_multiple_of(2);
        }
        let (a, b) = (self.word(), self.word());
        match abi.endian {
            Endian::Little => a | b << 32,
            Endian::Big => a << 32 | b,
        }
    }
}

/// A type that may stand in a row.
pub trait Arg: Sized {
    /// How it is shown.
    const KIND: ArgKind;
    /// Whether it takes 64 bits.
    const WIDE: bool = false;
    /// Takes it from the registers.
    fn take(t: &Task, r: &mut Regs) -> Result<Self, Errno>;
}

macro_rules! arg {
    ($($(#[$doc:meta])* $name:ty: $kind:ident = |$t:pat_param, $r:ident| $get:expr;)*) => {$(
        impl Arg for $name {
            const KIND: ArgKind = ArgKind::$kind;
            fn take($t: &Task, $r: &mut Regs) -> Result<Self, Errno> { Ok($get) }
        }
    )*};
}

/// A file descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fd(pub i32);
/// A directory descriptor for the `…at` calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirFd(pub i32);
/// File mode bits.
#[derive(Clone, Copy, Debug)]
pub struct Mode(pub u32);
/// An ioctl number.
#[derive(Clone, Copy, Debug)]
pub struct Request(pub u32);
/// A 64-bit offset or length.
#[derive(Clone, Copy, Debug)]
pub struct Off(pub i64);
/// An untyped guest pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ptr(pub GuestVa);
/// A pointer to bytes that the guest gives, with the length in the next argument.
#[derive(Clone, Copy, Debug)]
pub struct InBytes(pub GuestVa);
/// A signed word.
#[derive(Clone, Copy, Debug)]
pub struct SLong(pub i64);
/// An unsigned word shown in hexadecimal.
#[derive(Clone, Copy, Debug)]
pub struct Hex(pub u64);

arg! {
    i32: Int = |_, r| r.word() as i32;
    u32: Hex = |_, r| r.word() as u32;
    u64: Long = |_, r| r.word();
    Fd: Fd = |_, r| Fd(r.word() as i32);
    DirFd: DirFd = |_, r| DirFd(r.word() as i32);
    Request: Ioctl = |_, r| Request(r.word() as u32);
    Mode: Octal = |_, r| Mode(r.word() as u32);
    Ptr: Hex = |_, r| Ptr(GuestVa(r.word()));
    InBytes: BytesIn = |_, r| InBytes(GuestVa(r.word()));
    SLong: Long = |t, r| SLong(t.abi.sign(r.word()));
    Hex: Hex = |_, r| Hex(r.word());
}

impl Arg for Off {
    const KIND: ArgKind = ArgKind::Long;
    const WIDE: bool = true;
    fn take(t: &Task, r: &mut Regs) -> Result<Self, Errno> {
        Ok(Off(r.wide(&t.abi) as i64))
    }
}

/// Longest path, its NUL included.
const PATH_MAX: usize = 4096;

/// A path of the guest's, as it gave it.
#[derive(Clone, Debug)]
pub struct Path(pub CString);

impl Arg for Path {
    const KIND: ArgKind = ArgKind::Str;
    fn take(t: &Task, r: &mut Regs) -> Result<Self, Errno> {
        t.read_path(GuestVa(r.word())).map(Path)
    }
}

/// A path that may be NULL.
#[derive(Clone, Debug)]
pub struct OptPath(pub Option<CString>);

impl Arg for OptPath {
    const KIND: ArgKind = ArgKind::Str;
    fn take(t: &Task, r: &mut Regs) -> Result<Self, Errno> {
        let va = GuestVa(r.word());
        if va.0 == 0 {
            Ok(OptPath(None))
        } else {
            t.read_path(va).map(|p| OptPath(Some(p)))
        }
    }
}

/// A structure that the guest gives.
pub struct In<T> {
    va: GuestVa,
    kind: PhantomData<T>,
}

/// A structure that the guest gets.
pub struct Out<T> {
    va: GuestVa,
    kind: PhantomData<T>,
}

impl<T> Clone for In<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for In<T> {}
impl<T> Clone for Out<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Out<T> {}

fn show<T: Layout>(t: &Task, va: GuestVa, out: &mut String) {
    if va.0 == 0 {
        return out.push_str("NULL");
    }
    match t.get::<T>(va) {
        Ok(v) => v.show(out),
        Err(_) => out.push_str(&format!("{:#x}", va.0)),
    }
}

impl<T: Layout> Arg for In<T> {
    const KIND: ArgKind = ArgKind::In(show::<T>);
    fn take(_: &Task, r: &mut Regs) -> Result<Self, Errno> {
        Ok(In {
            va: GuestVa(r.word()),
            kind: PhantomData,
        })
    }
}

impl<T: Layout> Arg for Out<T> {
    const KIND: ArgKind = ArgKind::Out(show::<T>);
    fn take(_: &Task, r: &mut Regs) -> Result<Self, Errno> {
        Ok(Out {
            va: GuestVa(r.word()),
            kind: PhantomData,
        })
    }
}

impl<T> Out<T> {
    /// A structure at an address that was not taken as one.
    pub fn at(va: GuestVa) -> Out<T> {
        Out {
            va,
            kind: PhantomData,
        }
    }
}

impl<T: Layout> In<T> {
    /// The structure; EFAULT for NULL.
    pub fn get(&self, t: &Task) -> Result<T, Errno> {
        t.get(self.va)
    }

    /// The structure, or `None` for NULL.
    pub fn opt(&self, t: &Task) -> Result<Option<T>, Errno> {
        if self.va.0 == 0 {
            Ok(None)
        } else {
            t.get(self.va).map(Some)
        }
    }

    /// The same place, to be written.
    pub fn back(&self) -> Out<T> {
        Out {
            va: self.va,
            kind: PhantomData,
        }
    }

    /// The address.
    pub fn va(&self) -> GuestVa {
        self.va
    }
}

impl<T: Layout> Out<T> {
    /// Stores the structure; EFAULT for NULL.
    pub fn put(&self, t: &Task, v: &T) -> Result<(), Errno> {
        t.put(self.va, v)
    }

    /// Stores the structure unless the pointer is NULL.
    pub fn put_opt(&self, t: &Task, v: &T) -> Result<(), Errno> {
        if self.va.0 == 0 {
            Ok(())
        } else {
            t.put(self.va, v)
        }
    }

    /// Whether the guest gave NULL.
    pub fn is_null(&self) -> bool {
        self.va.0 == 0
    }

    /// The address.
    pub fn va(&self) -> GuestVa {
        self.va
    }
}

/// Access to guest memory by type, for handlers.
impl Task {
    /// Reads a path: EFAULT, ENAMETOOLONG.
    pub fn read_path(&self, va: GuestVa) -> Result<CString, Errno> {
        let bytes = self
            .mem
            .read_cstr(va, PATH_MAX)?
            .ok_or(Errno::ENAMETOOLONG)?;
        CString::new(bytes).map_err(|_| Errno::EINVAL)
    }

    /// Reads a structure.
    pub fn get<T: Layout>(&self, va: GuestVa) -> Result<T, Errno> {
        let mut buf = [0u8; MAX_STRUCT];
        let part = buf.get_mut(..T::size(&self.abi)).ok_or(Errno::EFAULT)?;
        self.mem.read(va, part)?;
        Ok(T::get(&mut Reader::new(self.abi, part)))
    }

    /// Writes a structure.
    pub fn put<T: Layout>(&self, va: GuestVa, v: &T) -> Result<(), Errno> {
        let mut w = Writer::new(self.abi);
        v.put(&mut w);
        self.put_bytes(va, w.done())
    }

    /// Writes bytes that the "kernel" produced: code pages are given up first.
    pub fn put_bytes(&self, va: GuestVa, data: &[u8]) -> Result<(), Errno> {
        self.will_write(va, data.len() as u64);
        Ok(self.mem.write(va, data)?)
    }

    /// `count` structures in a row; at most `max` or EINVAL.
    pub fn get_array<T: Layout>(&self, va: GuestVa, count: u64, max: u64) -> Result<Vec<T>, Errno> {
        if count > max {
            return Err(Errno::EINVAL);
        }
        let size = T::size(&self.abi);
        let mut buf = vec![0u8; size * count as usize];
        self.mem.read(va, &mut buf)?;
        Ok(buf
            .chunks_exact(size.max(1))
            .map(|c| T::get(&mut Reader::new(self.abi, c)))
            .collect())
    }

    /// Bytes of guest memory; EFAULT unless all of them are there. `max` guards the host's memory.
    pub fn get_bytes(&self, va: GuestVa, len: u64, max: u64) -> Result<Vec<u8>, Errno> {
        if len > max {
            return Err(Errno::EINVAL);
        }
        let mut buf = vec![0u8; len as usize];
        self.mem.read(va, &mut buf)?;
        Ok(buf)
    }

    /// The host address of `len` bytes that the host's kernel is to read.
    pub fn host_in(&self, va: GuestVa, len: u64) -> Result<u64, Errno> {
        self.mem
            .host(va, len)
            .map(|h| h as u64)
            .ok_or(Errno::EFAULT)
    }

    /// The host address of `len` bytes that the host's kernel is to write; code pages are given up first.
    pub fn host_out(&self, va: GuestVa, len: u64) -> Result<u64, Errno> {
        let host = self.mem.host(va, len).ok_or(Errno::EFAULT)?;
        self.will_write(va, len);
        Ok(host as u64)
    }

    /// As [`Task::host_in`], with NULL passed on as NULL.
    pub fn host_in_opt(&self, va: GuestVa, len: u64) -> Result<u64, Errno> {
        if va.0 == 0 {
            Ok(0)
        } else {
            self.host_in(va, len)
        }
    }

    /// As [`Task::host_out`], with NULL passed on as NULL.
    pub fn host_out_opt(&self, va: GuestVa, len: u64) -> Result<u64, Errno> {
        if va.0 == 0 {
            Ok(0)
        } else {
            self.host_out(va, len)
        }
    }
}
