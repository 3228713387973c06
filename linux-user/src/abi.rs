//! What a guest's ABI is made of, as values: word size, alignment, byte order, tables. And structure layouts: each
//! structure is described once ([`layout!`]) and laid out from these values when it is read or written.

use crate::syscall::table::CallTable;
pub use tcg_mem::Endian;

/// How the numbers of ioctls are put together from direction, size, type and number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IoctlCode {
    /// asm-generic/ioctl.h: two bits of direction, 14 of size.
    TwoBits,
    /// Three bits of direction (none, read, write: one each), 13 of size.
    ThreeBits,
}

/// The properties of a guest's Linux ABI that system calls depend on. A port writes what differs:
/// `Abi { endian, ..Abi::generic(word, &CALLS) }`.
#[derive(Clone, Copy)]
pub struct Abi {
    /// Byte order.
    pub endian: Endian,
    /// Size of `long` and of pointers: 4 or 8.
    pub word: usize,
    /// Alignment of 64-bit members inside structures.
    pub i64_align: usize,
    /// 64-bit arguments start at an even register.
    pub pair_aligned: bool,
    /// `struct epoll_event` has no padding.
    pub epoll_packed: bool,
    /// Number of restart_syscall.
    pub restart_syscall: u32,
    /// System call numbers.
    pub calls: &'static CallTable,
    /// `open` flags whose value is not the host's: (guest, host).
    pub open_flags: &'static [(u32, u32)],
    /// ioctl numbers that are not the host's: (guest, host).
    pub ioctls: &'static [(u32, u32)],
    /// The encoding of all other ioctl numbers.
    pub ioctl_code: IoctlCode,
    /// `mmap` flags whose value is not the host's: (guest, host).
    pub mmap_flags: &'static [(u32, u32)],
    /// `mlockall` flags: (guest, host).
    pub mlockall_flags: &'static [(u32, u32)],
    /// Socket options of SOL_SOCKET: (guest, host).
    pub socket_options: &'static [(i32, i32)],
    /// Terminal settings, where they are not as asm-generic has them.
    pub termios: Option<&'static crate::uapi::termios::TermiosMap>,
    /// The calls without suffix (`setuid`, `chown`) take ids of 16 bits.
    pub short_ids: bool,
    /// `struct sigaction` has sa_restorer.
    pub sa_restorer: bool,
    /// MINSIGSTKSZ.
    pub min_signal_stack: u64,
    /// System V IPC structures as asm-generic does not have them: a 32-bit sequence number with 64-bit spares, upper
    /// halves of times first, the segment's size behind its times.
    pub ipc_times_first: bool,
    /// `struct stat` of the calls without suffix.
    pub put_stat: fn(&crate::uapi::stat::Stat, &mut Writer) -> Result<(), crate::errno::Errno>,
    /// `struct stat64`.
    pub put_stat64: fn(&crate::uapi::stat::Stat, &mut Writer) -> Result<(), crate::errno::Errno>,
    /// `struct statfs64` has no padding at its end.
    pub statfs64_packed: bool,
    /// /proc/cpuinfo, by CPU model (`-cpu`) and number of processors.
    pub cpuinfo: fn(Option<&str>, usize) -> String,
}

impl Abi {
    /// An ABI with the numbers and structures of asm-generic: little-endian, `word` 4 or 8.
    pub const fn generic(word: usize, calls: &'static CallTable) -> Abi {
        Abi {
            endian: Endian::Little,
            word,
            i64_align: 8,
            pair_aligned: false,
            epoll_packed: false,
            restart_syscall: 128,
            calls,
            open_flags: &[],
            ioctls: &[],
            ioctl_code: IoctlCode::TwoBits,
            mmap_flags: &[],
            mlockall_flags: &[],
            socket_options: &[],
            termios: None,
            short_ids: false,
            sa_restorer: false,
            min_signal_stack: 2048,
            ipc_times_first: false,
            put_stat: crate::uapi::stat::put_stat,
            put_stat64: crate::uapi::stat::put_stat64,
            statfs64_packed: false,
            cpuinfo: |_, _| String::new(),
        }
    }

    /// Whether `long` has 64 bits.
    pub fn is_64(&self) -> bool {
        self.word == 8
    }

    /// A word of the guest sign-extended.
    pub fn sign(&self, raw: u64) -> i64 {
        if self.is_64() {
            raw as i64
        } else {
            raw as u32 as i32 as i64
        }
    }

    /// A guest's open flags as the host's.
    pub fn open_to_host(&self, flags: u32) -> u32 {
        swap_bits(flags, self.open_flags.iter().copied())
    }

    /// The host's open flags as the guest's.
    pub fn open_to_guest(&self, flags: u32) -> u32 {
        swap_bits(flags, self.open_flags.iter().map(|&(g, h)| (h, g)))
    }
}

impl Abi {
    /// A guest's mmap flags as the host's.
    pub fn mmap_to_host(&self, flags: u32) -> u32 {
        swap_bits(flags, self.mmap_flags.iter().copied())
    }

    /// A guest's mlockall flags as the host's.
    pub fn mlockall_to_host(&self, flags: u32) -> u32 {
        swap_bits(flags, self.mlockall_flags.iter().copied())
    }

    /// A guest's option of SOL_SOCKET as the host's.
    pub fn socket_option_to_host(&self, option: i32) -> i32 {
        let row = self.socket_options.iter().find(|(g, _)| *g == option);
        row.map_or(option, |(_, host)| *host)
    }

    /// A guest's ioctl number in the host's encoding.
    pub fn ioctl_to_host(&self, request: u32) -> u32 {
        if let Some((_, host)) = self.ioctls.iter().find(|(guest, _)| *guest == request) {
            return *host;
        }
        match self.ioctl_code {
            IoctlCode::TwoBits => request,
            IoctlCode::ThreeBits => {
                let (none, read, write) = (1 << 29, 1 << 30, 1 << 31);
                let mut host = request & !(none | read | write);
                if request & read != 0 {
                    host |= 1 << 31;
                }
                if request & write != 0 {
                    host |= 1 << 30;
                }
                host
            }
        }
    }
}

fn swap_bits(flags: u32, map: impl Iterator<Item = (u32, u32)> + Clone) -> u32 {
    let moved = map.clone().fold(0, |m, (from, _)| m | from);
    map.filter(|(from, _)| flags & from != 0)
        .fold(flags & !moved, |f, (_, to)| f | to)
}

/// Largest structure that is read at once, and what a [`Writer`] holds before it has to allocate.
pub const MAX_STRUCT: usize = 1024;

/// Reads members of a structure from a copy of guest memory.
pub struct Reader<'a> {
    abi: Abi,
    data: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the beginning of `data`; what lies behind its end reads as zero.
    pub fn new(abi: Abi, data: &'a [u8]) -> Reader<'a> {
        Reader { abi, data, at: 0 }
    }

    /// The ABI.
    pub fn abi(&self) -> Abi {
        self.abi
    }

    /// Skips to a multiple of `to`.
    pub fn align(&mut self, to: usize) {
        self.at = self.at.next_multiple_of(to.max(1));
    }

    /// An unsigned integer of `size` bytes, without alignment.
    pub fn uint(&mut self, size: usize) -> u64 {
        let mut raw = [0u8; 8];
        if let (Some(from), Some(to)) =
            (self.data.get(self.at..self.at + size), raw.get_mut(..size))
        {
            to.copy_from_slice(from);
        }
        self.at += size;
        match self.abi.endian {
            Endian::Little => u64::from_le_bytes(raw),
            Endian::Big => u64::from_be_bytes(raw) >> (64 - 8 * size as u32),
        }
    }

    /// Many unsigned integers of `size` bytes each, without alignment: the registers of a signal frame.
    pub fn uints(&mut self, size: usize, to: &mut [u64]) {
        let end = self.at + size * to.len();
        let from = self.data.get(self.at..end).unwrap_or_default();
        if size == 8 && self.abi.endian == Endian::Little {
            let words = from
                .chunks_exact(8)
                .map(|c| c.try_into().unwrap_or_default());
            for (to, raw) in to.iter_mut().zip(words) {
                *to = u64::from_le_bytes(raw);
            }
            self.at = end;
        } else {
            to.iter_mut().for_each(|v| *v = self.uint(size));
        }
    }
}

/// Builds a structure as the guest lays it out.
pub struct Writer {
    abi: Abi,
    data: [u8; MAX_STRUCT],
    /// Takes the place of `data` when that is too small.
    long: Vec<u8>,
    at: usize,
}

impl Writer {
    /// An empty one.
    pub fn new(abi: Abi) -> Writer {
        Writer {
            abi,
            data: [0; MAX_STRUCT],
            long: Vec::new(),
            at: 0,
        }
    }

    /// The ABI.
    pub fn abi(&self) -> Abi {
        self.abi
    }

    /// Pads to a multiple of `to`.
    pub fn align(&mut self, to: usize) {
        let end = self.at.next_multiple_of(to.max(1));
        self.make_room(end);
        self.at = end;
    }

    /// The buffer has at least `end` bytes from now on.
    fn make_room(&mut self, end: usize) {
        if end > self.data.len().max(self.long.len()) {
            if self.long.is_empty() {
                self.long.extend_from_slice(&self.data);
            }
            self.long.resize(end.next_power_of_two(), 0);
        }
    }

    /// An unsigned integer of `size` bytes, without alignment.
    pub fn uint(&mut self, size: usize, value: u64) {
        let le = value.to_le_bytes();
        let be = value.to_be_bytes();
        let bytes = match self.abi.endian {
            Endian::Little => le.get(..size),
            Endian::Big => be.get(8 - size.min(8)..),
        };
        self.bytes(bytes.unwrap_or_default());
    }

    /// Many unsigned integers of `size` bytes each, without alignment: the registers of a signal frame.
    pub fn uints(&mut self, size: usize, values: &[u64]) {
        if size == 8 && self.abi.endian == Endian::Little {
            let to = self.room(8 * values.len());
            for (to, v) in to.chunks_exact_mut(8).zip(values) {
                to.copy_from_slice(&v.to_le_bytes());
            }
        } else {
            values.iter().for_each(|v| self.uint(size, *v));
        }
    }

    /// Zeros up to an offset.
    pub fn zeros_to(&mut self, offset: usize) {
        self.room(offset.saturating_sub(self.at)).fill(0);
    }

    /// The next `len` bytes.
    fn room(&mut self, len: usize) -> &mut [u8] {
        let (from, end) = (self.at, self.at + len);
        self.make_room(end);
        self.at = end;
        let all: &mut [u8] = match self.long.is_empty() {
            true => &mut self.data,
            false => &mut self.long,
        };
        all.get_mut(from..end).unwrap_or_default()
    }

    /// Bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) {
        let to = self.room(bytes.len());
        if to.len() == bytes.len() {
            to.copy_from_slice(bytes);
        }
    }

    /// What was written so far.
    pub fn done(&self) -> &[u8] {
        let all: &[u8] = match self.long.is_empty() {
            true => &self.data,
            false => &self.long,
        };
        all.get(..self.at).unwrap_or(all)
    }
}

/// Something with a guest layout: an integer, an array, a structure.
pub trait Layout: Sized {
    /// Alignment in the guest.
    fn align(abi: &Abi) -> usize;
    /// Size in the guest, padding at the end included.
    fn size(abi: &Abi) -> usize;
    /// Reads it; the cursor is aligned first.
    fn get(r: &mut Reader) -> Self;
    /// Writes it; the cursor is aligned first.
    fn put(&self, w: &mut Writer);
    /// Text for -strace.
    fn show(&self, out: &mut String);
}

macro_rules! integers {
    ($($ty:ty),*) => {$(
        impl Layout for $ty {
            fn align(abi: &Abi) -> usize {
                if size_of::<$ty>() == 8 { abi.i64_align } else { size_of::<$ty>() }
            }
            fn size(_: &Abi) -> usize {
                size_of::<$ty>()
            }
            fn get(r: &mut Reader) -> Self {
                r.align(<$ty as Layout>::align(&r.abi()));
                r.uint(size_of::<$ty>()) as $ty
            }
            fn put(&self, w: &mut Writer) {
                w.align(<$ty as Layout>::align(&w.abi()));
                w.uint(size_of::<$ty>(), *self as u64);
            }
            fn show(&self, out: &mut String) {
                out.push_str(&self.to_string());
            }
        }
    )*};
}
integers!(u8, i8, u16, i16, u32, i32, u64, i64);

/// A signed `long` of the guest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Long(pub i64);

/// An unsigned `long`, `size_t` or pointer of the guest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ULong(pub u64);

impl Layout for Long {
    fn align(abi: &Abi) -> usize {
        abi.word
    }
    fn size(abi: &Abi) -> usize {
        abi.word
    }
    fn get(r: &mut Reader) -> Self {
        r.align(r.abi().word);
        let raw = r.uint(r.abi().word);
        Long(r.abi().sign(raw))
    }
    fn put(&self, w: &mut Writer) {
        w.align(w.abi().word);
        w.uint(w.abi().word, self.0 as u64);
    }
    fn show(&self, out: &mut String) {
        out.push_str(&self.0.to_string());
    }
}

impl Layout for ULong {
    fn align(abi: &Abi) -> usize {
        abi.word
    }
    fn size(abi: &Abi) -> usize {
        abi.word
    }
    fn get(r: &mut Reader) -> Self {
        r.align(r.abi().word);
        ULong(r.uint(r.abi().word))
    }
    fn put(&self, w: &mut Writer) {
        w.align(w.abi().word);
        w.uint(w.abi().word, self.0);
    }
    fn show(&self, out: &mut String) {
        out.push_str(&format!("{:#x}", self.0));
    }
}

impl<T: Layout + Copy, const N: usize> Layout for [T; N] {
    fn align(abi: &Abi) -> usize {
        T::align(abi)
    }
    fn size(abi: &Abi) -> usize {
        T::size(abi) * N
    }
    fn get(r: &mut Reader) -> Self {
        std::array::from_fn(|_| T::get(r))
    }
    fn put(&self, w: &mut Writer) {
        self.iter().for_each(|v| v.put(w));
    }
    fn show(&self, out: &mut String) {
        out.push('[');
        for (i, v) in self.iter().enumerate().take(16) {
            out.push_str(if i > 0 { ", " } else { "" });
            v.show(out);
        }
        out.push_str(if N > 16 { ", ...]" } else { "]" });
    }
}

/// Describes structures once: `layout! { /// Doc. pub struct Timespec64 { sec: i64, nsec: i64 } }`. Members are laid
/// out in order with the guest's alignment; `Long` and `ULong` have the guest's word size.
#[macro_export]
macro_rules! layout {
    ($($(#[$doc:meta])* pub struct $name:ident { $($field:ident: $ty:ty),* $(,)? })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs)]
        pub struct $name { $(pub $field: $ty),* }

        impl $crate::abi::Layout for $name {
            fn align(abi: &$crate::abi::Abi) -> usize {
                [$(<$ty as $crate::abi::Layout>::align(abi)),*].into_iter().max().unwrap_or(1)
            }
            fn size(abi: &$crate::abi::Abi) -> usize {
                let mut at = 0usize;
                $(at = at.next_multiple_of(<$ty as $crate::abi::Layout>::align(abi)) + <$ty as $crate::abi::Layout>::size(abi);)*
                at.next_multiple_of(<Self as $crate::abi::Layout>::align(abi))
            }
            fn get(r: &mut $crate::abi::Reader) -> Self {
                let align = <Self as $crate::abi::Layout>::align(&r.abi());
                r.align(align);
                let v = $name { $($field: <$ty as $crate::abi::Layout>::get(r)),* };
                r.align(align);
                v
            }
            fn put(&self, w: &mut $crate::abi::Writer) {
                let align = <Self as $crate::abi::Layout>::align(&w.abi());
                w.align(align);
                $($crate::abi::Layout::put(&self.$field, w);)*
                w.align(align);
            }
            fn show(&self, out: &mut String) {
                let mut sep = "{";
                $(out.push_str(sep); out.push_str(concat!(stringify!($field), "=")); $crate::abi::Layout::show(&self.$field, out); sep = ", ";)*
                let _ = sep;
                out.push('}');
            }
        }
    )*};
}

/// The host's own ABI, for structures that go to its kernel.
pub fn host() -> Abi {
    static NONE: CallTable = CallTable::parse("", &[]);
    Abi {
        epoll_packed: true,
        sa_restorer: true,
        put_stat: |_, _| Err(crate::errno::Errno::ENOSYS),
        put_stat64: |_, _| Err(crate::errno::Errno::ENOSYS),
        ..Abi::generic(8, &NONE)
    }
}
