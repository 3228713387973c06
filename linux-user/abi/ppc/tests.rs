//! Sizes, offsets and numbers as the kernel's headers for PowerPC give them (worked out by a C compiler).

use super::structs::{Stat32, Stat64, Stat64Bit};
use super::{abi32, abi64};
use crate::abi::{Abi, Endian, Layout, Reader, Writer, host};
use crate::uapi::ipc::{MsqidDs, SemidDs, ShmidDs};
use crate::uapi::termios::Termios;

fn all() -> [Abi; 2] {
    [abi32(Endian::Big), abi64(Endian::Little)]
}

#[test]
fn structures_have_the_sizes_of_the_headers() {
    let [a32, a64] = all();
    assert_eq!((Stat32::size(&a32), Stat64::size(&a32)), (72, 104));
    assert_eq!(Stat64Bit::size(&a64), 144);
    let ipc = |a: &Abi| (MsqidDs::size(a), SemidDs::size(a), ShmidDs::size(a));
    assert_eq!(ipc(&a32), (104, 80, 104));
    assert_eq!(ipc(&a64), (120, 88, 112));
    assert_eq!(Termios::size(&a32), 44);
}

#[test]
fn ioctl_numbers_come_to_the_hosts() {
    for a in all() {
        for (guest, host) in [
            (0x402c_7413, 0x5401),      // TCGETS
            (0x4004_667f, 0x541b),      // FIONREAD
            (0x540c, 0x540c),           // TIOCEXCL
            (0x4004_5430, 0x8004_5430), // TIOCGPTN
            (0x8004_5431, 0x4004_5431), // TIOCSPTLCK
            (0x2000_5441, 0x5441),      // TIOCGPTPEER
            (0x2000_125d, 0x125d),      // BLKROSET
            (0xc020_660b, 0xc020_660b), // FS_IOC_FIEMAP
            (0x8913, 0x8913),           // SIOCGIFFLAGS
        ] {
            assert_eq!(a.ioctl_to_host(guest), host, "{guest:#x}");
        }
    }
}

#[test]
fn terminal_settings_survive_the_way_there_and_back() {
    let a = abi32(Endian::Big);
    // As a Linux console has them: ICRNL IXON; OPOST ONLCR; B38400 CS8 CREAD HUPCL; ISIG ICANON ECHO… IEXTEN.
    let t = Termios {
        flags: [0o2400, 0o5, 0o2277, 0o105073],
        line: 0,
        cc: [
            3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22, 0, 0, 0,
        ],
    };
    let mut w = Writer::new(a);
    t.put(&mut w);
    let word = |at: usize| u32::from_be_bytes(w.done()[at..at + 4].try_into().unwrap());
    // ICRNL 0x100, IXON 0x200; OPOST 1, ONLCR 2; B38400 15, CS8 0x300, CREAD 0x800, HUPCL 0x4000.
    assert_eq!((word(0), word(4), word(8)), (0x300, 0x3, 0x4b0f));
    // ISIG ICANON ECHO ECHOE ECHOK ECHOCTL ECHOKE IEXTEN.
    assert_eq!(word(12), 0x80 | 0x100 | 8 | 2 | 4 | 0x40 | 1 | 0x400);
    // VMIN is the sixth, VTIME the eighth, VSTART the fourteenth.
    assert_eq!(
        (w.done()[16 + 5], w.done()[16 + 7], w.done()[16 + 13]),
        (1, 0, 17)
    );
    assert_eq!(word(36), 38400);
    assert_eq!(Termios::get(&mut Reader::new(a, w.done())), t);
    let mut w = Writer::new(host());
    t.put(&mut w);
    assert_eq!(w.done().len(), 36);
}

#[test]
fn flags_are_translated() {
    let a = abi64(Endian::Big);
    assert_eq!(a.open_to_host(0o40000), libc::O_DIRECTORY as u32);
    assert_eq!(a.open_to_host(0o400000), libc::O_DIRECT as u32);
    assert_eq!(a.open_to_guest(libc::O_NOFOLLOW as u32), 0o100000);
    assert_eq!(a.mmap_to_host(0x62), 0x4022);
    assert_eq!(a.socket_option_to_host(21), libc::SO_PEERCRED);
    assert_eq!(a.mlockall_to_host(0x6000), 3);
}

#[test]
fn calls_that_programs_start_with_have_handlers() {
    for (abi, names) in [
        (
            abi32(Endian::Big),
            &["mmap2", "stat64", "fstatat64", "_llseek", "ugetrlimit"][..],
        ),
        (
            abi64(Endian::Little),
            &["mmap", "newfstatat", "fstat", "lseek", "rt_sigreturn"][..],
        ),
    ] {
        for name in names
            .iter()
            .chain(&["read", "brk", "clone", "futex", "ipc", "socketcall"])
        {
            let nr = abi.calls.number(name);
            let entry = nr.and_then(|nr| abi.calls.get(nr));
            assert!(entry.is_some_and(|e| e.desc.is_some()), "{name}");
        }
    }
}
