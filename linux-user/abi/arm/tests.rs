//! Layouts of ARM EABI computed by hand from the kernel's headers, argument pairs, and the call table.

use crate::abi::{Abi, Endian, Layout, Reader, ULong, Writer, host};
use crate::syscall::args::Regs;
use crate::uapi::fs::{Flock, Flock64, Iovec, Statfs};
use crate::uapi::ioctl::{
    HdGeometry, IfreqAddr, IfreqInt, IfreqShort, LoopInfo64, Serial, Termio, Termios2,
};
use crate::uapi::poll::{EpollEvent, Pollfd};
use crate::uapi::signal::Sigevent;
use crate::uapi::stat::{Stat, Statx};
use crate::uapi::system::{Rusage, Sysinfo, Utsname};
use crate::uapi::termios::Termios;
use crate::uapi::time::{Itimerspec, Itimerspec64, Timespec64, Timex, Timex64, Tms};

fn le() -> Abi {
    super::abi(Endian::Little)
}

fn be() -> Abi {
    super::abi(Endian::Big)
}

fn sizes<T: Layout>() -> (usize, usize) {
    (T::size(&le()), T::size(&host()))
}

fn bytes<T: Layout>(abi: Abi, v: &T) -> Vec<u8> {
    let mut w = Writer::new(abi);
    v.put(&mut w);
    assert_eq!(
        w.done().len(),
        T::size(&abi),
        "what is written has the structure's size"
    );
    w.done().to_vec()
}

#[test]
fn structures_have_the_sizes_of_both_kernels() {
    assert_eq!(sizes::<Flock>(), (16, 32));
    assert_eq!(sizes::<Flock64>(), (32, 32));
    assert_eq!(sizes::<Iovec>(), (8, 16));
    assert_eq!(sizes::<Statfs>(), (64, 120));
    assert_eq!(sizes::<Statx>(), (256, 256));
    assert_eq!(sizes::<Serial>(), (60, 72));
    assert_eq!(sizes::<LoopInfo64>(), (232, 232));
    assert_eq!(sizes::<HdGeometry>(), (8, 16));
    assert_eq!(sizes::<IfreqInt>(), (32, 40));
    assert_eq!(sizes::<IfreqShort>(), (32, 40));
    assert_eq!(sizes::<IfreqAddr>(), (32, 40));
    assert_eq!(sizes::<Termios>(), (36, 36));
    assert_eq!(sizes::<Termios2>(), (44, 44));
    assert_eq!(sizes::<Termio>(), (18, 18));
    assert_eq!(sizes::<EpollEvent>(), (16, 12));
    assert_eq!(sizes::<Pollfd>(), (8, 8));
    assert_eq!(sizes::<Sigevent>(), (64, 64));
    assert_eq!(sizes::<Sysinfo>(), (64, 112));
    assert_eq!(sizes::<Utsname>(), (390, 390));
    assert_eq!(sizes::<Rusage>(), (72, 144));
    assert_eq!(sizes::<Timex>(), (128, 208));
    assert_eq!(sizes::<Timex64>(), (208, 208));
    assert_eq!(sizes::<Itimerspec>(), (16, 32));
    assert_eq!(sizes::<Itimerspec64>(), (32, 32));
    assert_eq!(sizes::<Tms>(), (16, 32));
}

const FILE: Stat = Stat {
    dev: 0x0801,
    ino: 0x1_2345_6789,
    mode: 0o100644,
    nlink: 3,
    uid: 1000,
    gid: 70000,
    rdev: 0x0502,
    size: 0x7654_3210,
    blksize: 4096,
    blocks: 0x11,
    atime: 0x5f00_0001,
    atime_nsec: 7,
    mtime: 0x5f00_0002,
    mtime_nsec: 8,
    ctime: 0x5f00_0003,
    ctime_nsec: 9,
};

fn word(b: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(b[at..at + 4].try_into().unwrap())
}

#[test]
fn stat64_members_are_where_the_header_puts_them() {
    let mut w = Writer::new(le());
    (le().put_stat64)(&FILE, &mut w).unwrap();
    let b = w.done();
    assert_eq!(b.len(), 104);
    assert_eq!((word(b, 0), word(b, 12)), (0x0801, 0x2345_6789));
    assert_eq!(
        (word(b, 16), word(b, 20), word(b, 24), word(b, 28)),
        (0o100644, 3, 1000, 70000)
    );
    assert_eq!(
        (
            word(b, 32),
            word(b, 48),
            word(b, 52),
            word(b, 56),
            word(b, 64)
        ),
        (0x0502, 0x7654_3210, 0, 4096, 0x11)
    );
    assert_eq!(
        (word(b, 72), word(b, 76), word(b, 80), word(b, 92)),
        (0x5f00_0001, 7, 0x5f00_0002, 9)
    );
    assert_eq!((word(b, 96), word(b, 100)), (0x2345_6789, 1));
}

#[test]
fn stat_has_short_ids_and_refuses_large_files() {
    let mut w = Writer::new(le());
    (le().put_stat)(&FILE, &mut w).unwrap();
    let b = w.done();
    assert_eq!(b.len(), 64);
    assert_eq!(
        (word(b, 0), word(b, 4), word(b, 8)),
        (0x0801, 0x2345_6789, 3 << 16 | 0o100644)
    );
    assert_eq!(
        word(b, 12),
        65534 << 16 | 1000,
        "a group id that does not fit is the overflow id"
    );
    assert_eq!(
        (word(b, 16), word(b, 20), word(b, 32)),
        (0x0502, 0x7654_3210, 0x5f00_0001)
    );
    let large = Stat {
        size: 1 << 31,
        ..FILE
    };
    assert!((le().put_stat)(&large, &mut Writer::new(le())).is_err());
}

#[test]
fn epoll_event_is_padded_and_its_order_is_the_guests() {
    let v = EpollEvent {
        events: 0x0102_0304,
        data: 0x1122_3344_5566_7788,
    };
    assert_eq!(
        bytes(le(), &v),
        [
            4, 3, 2, 1, 0, 0, 0, 0, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11
        ]
    );
    assert_eq!(
        bytes(be(), &v),
        [
            1, 2, 3, 4, 0, 0, 0, 0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88
        ]
    );
    assert_eq!(
        bytes(host(), &v),
        [4, 3, 2, 1, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11]
    );
}

#[test]
fn flock64_is_aligned_and_comes_back() {
    let v = Flock64 {
        kind: 1,
        whence: 2,
        start: -3,
        len: 1 << 40,
        pid: 77,
    };
    let b = bytes(le(), &v);
    assert_eq!(
        (b[0], b[2], &b[8..16], b[24]),
        (1, 2, &(-3i64).to_le_bytes()[..], 77)
    );
    assert_eq!(Flock64::get(&mut Reader::new(le(), &b)), v);
    assert_eq!(Flock64::get(&mut Reader::new(be(), &bytes(be(), &v))), v);
}

#[test]
fn upper_half_of_nanoseconds_is_ignored_from_a_32_bit_guest() {
    let mut b = [0u8; 16];
    b[0] = 5;
    b[8] = 9;
    b[12] = 0xff;
    assert_eq!(
        Timespec64::get(&mut Reader::new(le(), &b)),
        Timespec64 { sec: 5, nsec: 9 }
    );
}

#[test]
fn serial_struct_pointer_follows_the_word_size() {
    let v = Serial::get(&mut Reader::new(le(), &[0x55; 60]));
    assert_eq!(v.iomem_base, ULong(0x5555_5555));
    let wide = bytes(host(), &v);
    assert_eq!(wide[48..56], 0x5555_5555u64.to_le_bytes());
}

#[test]
fn wide_arguments_start_at_even_registers() {
    // pread64(fd, buf, count, -, low, high)
    let mut r = Regs::new(&le(), [3, 0x1000, 16, 0xdead, 0x89ab_cdef, 0x0123_4567, 0]);
    assert_eq!((r.word(), r.word(), r.word()), (3, 0x1000, 16));
    assert_eq!(r.wide(&le()), 0x0123_4567_89ab_cdef);
    let mut r = Regs::new(&be(), [3, 0, 0x0123_4567, 0x89ab_cdef, 0, 0, 0]);
    r.word();
    assert_eq!(r.wide(&be()), 0x0123_4567_89ab_cdef);
}

#[test]
fn open_flags_are_moved_both_ways() {
    let guest = 0o40000 | 0o100000 | 0o200000 | 0o400000 | 0o2000000 | 2;
    let wanted = libc::O_DIRECTORY
        | libc::O_NOFOLLOW
        | libc::O_DIRECT
        | 0o100000
        | libc::O_CLOEXEC
        | libc::O_RDWR;
    assert_eq!(le().open_to_host(guest), wanted as u32);
    assert_eq!(le().open_to_guest(wanted as u32), guest);
    assert_eq!(le().open_to_host(0o40000), libc::O_DIRECTORY as u32);
}

#[test]
fn call_table_has_the_kernels_numbers_and_no_forgotten_file_call() {
    let calls = le().calls;
    for (nr, name) in [
        (3, "read"),
        (5, "open"),
        (140, "_llseek"),
        (180, "pread64"),
        (217, "getdents64"),
        (397, "statx"),
    ] {
        let entry = calls.get(nr).unwrap();
        assert_eq!((entry.name, entry.desc.map(|d| d.name)), (name, Some(name)));
    }
    assert_eq!(calls.get(142).unwrap().desc.unwrap().name, "select");
    assert_eq!(
        calls.get(270).unwrap().desc.unwrap().name,
        "fadvise64_64_advice_second"
    );
    assert_eq!(calls.get(983042).unwrap().name, "cacheflush");
    assert!(calls.get(7).is_none() && calls.get(511).is_none() && calls.get(u32::MAX).is_none());
}

#[test]
fn ioctl_numbers_follow_the_word_size() {
    assert_eq!(
        crate::ioctl::find(&le(), 0x8004_1272).unwrap().name,
        "BLKGETSIZE64"
    );
    assert_eq!(
        crate::ioctl::find(&host(), 0x8008_1272).unwrap().name,
        "BLKGETSIZE64"
    );
    assert_eq!(crate::ioctl::find(&le(), 0x545e).unwrap().name, "FIOQSIZE");
    assert_eq!(
        crate::ioctl::find(&le(), 0x5413).unwrap().name,
        "TIOCGWINSZ"
    );
    assert!(crate::ioctl::find(&le(), 0x1234_5678).is_none());
}
