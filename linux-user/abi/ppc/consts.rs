//! Numbers of PowerPC Linux that are not those of asm-generic: the kernel's arch/powerpc/include/uapi/asm (fcntl.h,
//! ioctl.h, ioctls.h, termbits.h, mman.h, socket.h).

use crate::uapi::termios::{FlagRow, TermiosMap};

/// fcntl.h: O_DIRECTORY, O_NOFOLLOW, O_LARGEFILE, O_DIRECT.
pub const OPEN_FLAGS: &[(u32, u32)] = &[
    (0o40000, 0o200000),
    (0o100000, 0o400000),
    (0o200000, 0o100000),
    (0o400000, 0o40000),
];

/// mman.h: MAP_NORESERVE, MAP_LOCKED.
pub const MMAP_FLAGS: &[(u32, u32)] = &[(0x40, 0x4000), (0x80, 0x2000)];

/// mman.h: MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT.
pub const MLOCKALL_FLAGS: &[(u32, u32)] = &[(0x2000, 1), (0x4000, 2), (0x8000, 4)];

/// socket.h: SO_RCVLOWAT, SO_SNDLOWAT, SO_RCVTIMEO_OLD, SO_SNDTIMEO_OLD, SO_PASSCRED, SO_PEERCRED.
pub const SOCKET_OPTIONS: &[(i32, i32)] =
    &[(16, 18), (17, 19), (18, 20), (19, 21), (20, 16), (21, 17)];

/// ioctls.h, where the number is not asm-generic's in this encoding.
pub const IOCTLS: &[(u32, u32)] = &[
    (0x402c_7413, 0x5401), // TCGETS
    (0x802c_7414, 0x5402), // TCSETS
    (0x802c_7415, 0x5403), // TCSETSW
    (0x802c_7416, 0x5404), // TCSETSF
    (0x2000_741d, 0x5409), // TCSBRK
    (0x2000_741e, 0x540a), // TCXONC
    (0x2000_741f, 0x540b), // TCFLSH
    (0x8008_7467, 0x5414), // TIOCSWINSZ
    (0x4008_7468, 0x5413), // TIOCGWINSZ
    (0x4004_7473, 0x5411), // TIOCOUTQ
    (0x8004_7476, 0x5410), // TIOCSPGRP
    (0x4004_7477, 0x540f), // TIOCGPGRP
    (0x2000_6601, 0x5451), // FIOCLEX
    (0x2000_6602, 0x5450), // FIONCLEX
    (0x8004_667d, 0x5452), // FIOASYNC
    (0x8004_667e, 0x5421), // FIONBIO
    (0x4004_667f, 0x541b), // FIONREAD
    (0x4008_6680, 0x5460), // FIOQSIZE
];

/// A flag of one bit.
const fn bit(guest: u32, host: u32) -> FlagRow {
    (guest, guest, host, host)
}

const IFLAG: &[FlagRow] = &[
    bit(0x0200, 0x0400), // IXON
    bit(0x0400, 0x1000), // IXOFF
    bit(0x1000, 0x0200), // IUCLC
];

const OFLAG: &[FlagRow] = &[
    bit(0x0002, 0x0004),                  // ONLCR
    bit(0x0004, 0x0002),                  // OLCUC
    (0x0300, 0x0100, 0x0100, 0x0100),     // NL1
    (0x0c00, 0x0400, 0x1800, 0x0800),     // TAB1
    (0x0c00, 0x0800, 0x1800, 0x1000),     // TAB2
    (0x0c00, 0x0c00, 0x1800, 0x1800),     // TAB3
    (0x3000, 0x1000, 0x0600, 0x0200),     // CR1
    (0x3000, 0x2000, 0x0600, 0x0400),     // CR2
    (0x3000, 0x3000, 0x0600, 0x0600),     // CR3
    bit(0x4000, 0x8000),                  // FF1
    bit(0x8000, 0x2000),                  // BS1
    (0x1_0000, 0x1_0000, 0x4000, 0x4000), // VT1
];

const BAUD: u32 = 0xff;
const HOST_BAUD: u32 = 0o10017;

const fn baud(guest: u32, host: u32) -> FlagRow {
    (BAUD, guest, HOST_BAUD, host)
}

const CFLAG: &[FlagRow] = &[
    baud(1, 1),
    baud(2, 2),
    baud(3, 3),
    baud(4, 4),
    baud(5, 5),
    baud(6, 6),
    baud(7, 7),
    baud(8, 8),
    baud(9, 9),
    baud(10, 10),
    baud(11, 11),
    baud(12, 12),
    baud(13, 13),
    baud(14, 14),
    baud(15, 15),
    baud(0x10, 0o10001), // B57600
    baud(0x11, 0o10002),
    baud(0x12, 0o10003),
    baud(0x13, 0o10004),
    baud(0x14, 0o10005),
    baud(0x15, 0o10006),
    baud(0x16, 0o10007),
    baud(0x17, 0o10010),
    baud(0x18, 0o10011),
    baud(0x19, 0o10012),
    baud(0x1a, 0o10013),
    baud(0x1b, 0o10014),
    baud(0x1c, 0o10015),
    baud(0x1d, 0o10016),
    baud(0x1e, 0o10017),        // B4000000
    baud(0x1f, 0o10000),        // BOTHER
    (0x300, 0x100, 0x30, 0x10), // CS6
    (0x300, 0x200, 0x30, 0x20), // CS7
    (0x300, 0x300, 0x30, 0x30), // CS8
    bit(0x0400, 0x0040),        // CSTOPB
    bit(0x0800, 0x0080),        // CREAD
    bit(0x1000, 0x0100),        // PARENB
    bit(0x2000, 0x0200),        // PARODD
    bit(0x4000, 0x0400),        // HUPCL
    bit(0x8000, 0x0800),        // CLOCAL
];

const LFLAG: &[FlagRow] = &[
    bit(0x0000_0080, 0o1),      // ISIG
    bit(0x0000_0100, 0o2),      // ICANON
    bit(0x0000_4000, 0o4),      // XCASE
    bit(0x0000_0008, 0o10),     // ECHO
    bit(0x0000_0002, 0o20),     // ECHOE
    bit(0x0000_0004, 0o40),     // ECHOK
    bit(0x0000_0010, 0o100),    // ECHONL
    bit(0x8000_0000, 0o200),    // NOFLSH
    bit(0x0040_0000, 0o400),    // TOSTOP
    bit(0x0000_0040, 0o1000),   // ECHOCTL
    bit(0x0000_0020, 0o2000),   // ECHOPRT
    bit(0x0000_0001, 0o4000),   // ECHOKE
    bit(0x0080_0000, 0o10000),  // FLUSHO
    bit(0x2000_0000, 0o40000),  // PENDIN
    bit(0x0000_0400, 0o100000), // IEXTEN
    bit(0x1000_0000, 0o200000), // EXTPROC
];

/// termbits.h.
pub static TERMIOS: TermiosMap = TermiosMap {
    flags: [IFLAG, OFLAG, CFLAG, LFLAG],
    // VINTR VQUIT VERASE VKILL VEOF VMIN VEOL VTIME VEOL2 VSWTC VWERASE VREPRINT VSUSP VSTART VSTOP VLNEXT VDISCARD
    cc: [
        0, 1, 2, 3, 4, 6, 11, 5, 16, 7, 14, 12, 10, 8, 9, 15, 13, 255, 255,
    ],
    with_speeds: true,
};
