//! ioctl by table: number, direction, argument. Structures are converted from their one description.

mod block;
mod file;
mod net;
mod tty;

use crate::abi::{self, Abi, Layout, Reader, ULong, Writer};
use crate::errno::Errno;
use crate::rows;
use crate::sys::{addr_mut, blocking};
use crate::syscall::SysResult;
use crate::syscall::args::{Fd, Hex, Request};
use crate::task::Task;
use tcg_mem::GuestVa;

rows! { IOCTL:
    ioctl(fd: Fd, request: Request, argument: Hex) = Partial;
}

/// How a structure is carried between guest and host.
#[derive(Clone, Copy)]
pub struct Convert {
    size: fn(&Abi) -> usize,
    copy: fn(&mut Reader, &mut Writer),
}

impl Convert {
    /// For one structure.
    pub const fn of<T: Layout>() -> Convert {
        Convert {
            size: T::size,
            copy: |r, w| T::get(r).put(w),
        }
    }
}

/// What the third argument is.
#[derive(Clone, Copy)]
pub enum Kind {
    /// A number, or nothing.
    Int,
    /// The host fills a structure.
    Read(Convert),
    /// The guest gives a structure.
    Write(Convert),
    /// Both.
    ReadWrite(Convert),
    /// A structure with the same layout in every ABI of the host's byte order, of unknown length.
    Raw,
    /// Anything else.
    Custom(fn(&mut Task, Fd, u32, GuestVa) -> SysResult),
}

/// The number of an ioctl.
#[derive(Clone, Copy)]
pub enum Number {
    /// The same in every ABI (but see `Abi::ioctls`).
    Fixed(u32),
    /// Contains the size of a `long`: the number without its size field.
    Long(u32),
}

impl Number {
    fn value(self, abi: &Abi) -> u32 {
        match self {
            Number::Fixed(nr) => nr,
            Number::Long(nr) => nr | (ULong::size(abi) as u32) << 16,
        }
    }
}

/// One row.
pub struct Ioctl {
    /// Number.
    pub number: Number,
    /// Name.
    pub name: &'static str,
    /// Argument.
    pub kind: Kind,
}

/// Declares rows: `ioctls! { TTY: Fixed(0x5413) TIOCGWINSZ: Read(Convert::of::<Winsize>()); … }`.
macro_rules! ioctls {
    ($table:ident: $($number:ident($nr:expr) $name:ident: $kind:ident $(($convert:expr))?;)*) => {
        /// The rows of this subsystem.
        pub static $table: &[$crate::ioctl::Ioctl] = &[$($crate::ioctl::Ioctl {
            number: $crate::ioctl::Number::$number($nr),
            name: stringify!($name),
            kind: $crate::ioctl::Kind::$kind $(($convert))?,
        }),*];
    };
}
pub(crate) use ioctls;

static TABLES: &[&[Ioctl]] = &[tty::TTY, file::FILE, net::NET, block::BLOCK];

/// The row of a guest's number.
pub fn find(abi: &Abi, request: u32) -> Option<&'static Ioctl> {
    let request = abi.ioctl_to_host(request);
    TABLES
        .iter()
        .flat_map(|t| t.iter())
        .find(|row| row.number.value(abi) == request)
}

fn ioctl(t: &mut Task, fd: Fd, request: Request, argument: Hex) -> SysResult {
    let request = request.0;
    let Some(row) = find(&t.abi, request) else {
        // The kernel's answer to a number that the descriptor does not know.
        crate::syscall::strace::unimp(t, &format!("ioctl {request:#x}"));
        return Err(Errno::ENOTTY);
    };
    let nr = row.number.value(&abi::host());
    let va = GuestVa(argument.0);
    match row.kind {
        Kind::Int => host_ioctl(t, fd, nr, argument.0),
        Kind::Read(c) => structure(t, fd, nr, va, c, (false, true)),
        Kind::Write(c) => structure(t, fd, nr, va, c, (true, false)),
        Kind::ReadWrite(c) => structure(t, fd, nr, va, c, (true, true)),
        Kind::Raw if t.abi.endian == abi::host().endian => {
            let at = t.host_out_opt(va, 1)?;
            host_ioctl(t, fd, nr, at)
        }
        Kind::Raw => {
            crate::syscall::strace::unimp(t, &format!("ioctl {} for this byte order", row.name));
            Err(Errno::ENOTTY)
        }
        Kind::Custom(f) => f(t, fd, nr, va),
    }
}

fn host_ioctl(t: &mut Task, fd: Fd, nr: u32, argument: u64) -> SysResult {
    blocking(
        t,
        libc::SYS_ioctl,
        [fd.0 as u64, nr.into(), argument, 0, 0, 0],
    )
    .map_err(Errno::restart)
}

fn structure(
    t: &mut Task,
    fd: Fd,
    nr: u32,
    va: GuestVa,
    c: Convert,
    (input, output): (bool, bool),
) -> SysResult {
    let mut host = [0u8; abi::MAX_STRUCT];
    if input {
        let mut guest = [0u8; abi::MAX_STRUCT];
        let part = guest.get_mut(..(c.size)(&t.abi)).ok_or(Errno::EFAULT)?;
        t.mem.read(va, part)?;
        let mut w = Writer::new(abi::host());
        (c.copy)(&mut Reader::new(t.abi, part), &mut w);
        host.iter_mut()
            .zip(w.done())
            .for_each(|(to, from)| *to = *from);
    }
    let n = host_ioctl(t, fd, nr, addr_mut(&mut host))?;
    if output {
        let mut w = Writer::new(t.abi);
        (c.copy)(&mut Reader::new(abi::host(), &host), &mut w);
        t.put_bytes(va, w.done())?;
    }
    Ok(n)
}
