//! The vDSO of PowerPC: the code that handlers return to, with what unwinders need to get past it, and the clock
//! functions. (Linux arch/powerpc/kernel/vdso: vdso{32,64}.lds.S, sigtramp{32,64}.S, gettimeofday.S)

use super::sigframe::{self, FREGS_AT};
use super::sigframe64;
use crate::abi::Endian;
use crate::task::Task;
use crate::vdso::{SignalFrame, Unwind, Vdso};

const NOP: u32 = 0x6000_0000;
const LI_R0: u32 = 0x3800_0000;
const SC: u32 = 0x4400_0002;
const BLR: u32 = 0x4e80_0020;
/// `addi r1,r1,128`: drops the dummy frame.
const DROP_FRAME: u32 = 0x3821_0080;
const SIGRETURN: u32 = LI_R0 | 119;
const RT_SIGRETURN: u32 = LI_R0 | 172;
const GETTIMEOFDAY: u32 = LI_R0 | 78;
const CLOCK_GETTIME: u32 = LI_R0 | 246;
const CLOCK_GETRES: u32 = LI_R0 | 247;
const CLOCK_GETTIME64: u32 = LI_R0 | 403;

static CODE_32: [u32; 18] = [
    NOP,
    RT_SIGRETURN,
    SC,
    NOP,
    SIGRETURN,
    SC,
    CLOCK_GETTIME,
    SC,
    BLR,
    CLOCK_GETRES,
    SC,
    BLR,
    GETTIMEOFDAY,
    SC,
    BLR,
    CLOCK_GETTIME64,
    SC,
    BLR,
];

/// Behind the trampoline, what old unwinders take for a frame on the stack: a pointer that makes them find nothing.
static CODE_64: [u32; 20] = [
    NOP,
    DROP_FRAME,
    RT_SIGRETURN,
    SC,
    0,
    0,
    0,
    0,
    0,
    u32::MAX,
    (-21 * 8i32) as u32,
    CLOCK_GETTIME,
    SC,
    BLR,
    CLOCK_GETRES,
    SC,
    BLR,
    GETTIMEOFDAY,
    SC,
    BLR,
];

/// DWARF numbers: general registers 0 to 31, floating-point ones 32 to 63, LR, CTR, CR, and the column of the return
/// address. [Power Architecture 64-bit ELF V2 ABI 2.4]
const LR: u8 = 65;
const CTR: u8 = 66;
const NIP: u8 = 67;
const CR: u8 = 70;

/// Registers of a frame whose `gregs` are at an offset, `bytes` each; `low`: where CR is in its place.
macro_rules! saved {
    ($gregs:expr, $fregs:expr, $bytes:literal, $low:literal) => {
        &[
            (0, 32, $gregs as u32, $bytes),
            (32, 32, $fregs as u32, 8),
            (NIP, 1, $gregs as u32 + 32 * $bytes, $bytes),
            (CTR, 1, $gregs as u32 + 35 * $bytes, $bytes),
            (LR, 1, $gregs as u32 + 36 * $bytes, $bytes),
            (CR, 1, $gregs as u32 + 38 * $bytes + $low, $bytes),
        ]
    };
}

const fn unwind(frames: &'static [SignalFrame]) -> Option<Unwind> {
    Some(Unwind {
        stack_pointer: 1,
        return_column: NIP,
        frames,
    })
}

static FRAMES_32: [SignalFrame; 2] = [
    SignalFrame {
        first: 0,
        len: 3,
        saved: saved!(sigframe::RT_GREGS, sigframe::RT_GREGS + FREGS_AT, 4, 0),
    },
    SignalFrame {
        first: 3,
        len: 3,
        saved: saved!(sigframe::OLD_GREGS, sigframe::OLD_GREGS + FREGS_AT, 4, 0),
    },
];
static FRAMES_64: [SignalFrame; 1] = [SignalFrame {
    first: 0,
    len: 4,
    saved: saved!(sigframe64::GREGS, sigframe64::FREGS, 8, 4),
}];
static FRAMES_64_LITTLE: [SignalFrame; 1] = [SignalFrame {
    first: 0,
    len: 4,
    saved: saved!(sigframe64::GREGS, sigframe64::FREGS, 8, 0),
}];

const fn wide(big: bool) -> Vdso {
    Vdso {
        soname: "linux-vdso64.so.1",
        version: "LINUX_2.6.15",
        code: &CODE_64,
        code_big_endian: big,
        symbols: &[
            ("__kernel_sigtramp_rt64", 1, 3),
            ("__kernel_clock_gettime", 11, 3),
            ("__kernel_clock_getres", 14, 3),
            ("__kernel_gettimeofday", 17, 3),
        ],
        // The ABI's version.
        flags: if big { 1 } else { 2 },
        unwind: unwind(if big { &FRAMES_64 } else { &FRAMES_64_LITTLE }),
    }
}

static WIDE: Vdso = wide(true);
static WIDE_LITTLE: Vdso = wide(false);
static NARROW: Vdso = Vdso {
    soname: "linux-vdso32.so.1",
    version: "LINUX_2.6.15",
    code: &CODE_32,
    code_big_endian: true,
    symbols: &[
        ("__kernel_sigtramp_rt32", 1, 2),
        ("__kernel_sigtramp32", 4, 2),
        ("__kernel_clock_gettime", 6, 3),
        ("__kernel_clock_getres", 9, 3),
        ("__kernel_gettimeofday", 12, 3),
        ("__kernel_clock_gettime64", 15, 3),
    ],
    flags: 0,
    unwind: unwind(&FRAMES_32),
};

/// What is mapped.
pub fn image(wide: bool, big_endian: bool) -> &'static Vdso {
    match (wide, big_endian) {
        (true, true) => &WIDE,
        (true, false) => &WIDE_LITTLE,
        (false, _) => &NARROW,
    }
}

/// The code to return from a frame with or without siginfo.
pub fn return_code(t: &Task, rt: bool) -> u64 {
    let name = match (t.abi.is_64(), rt) {
        (true, _) => "__kernel_sigtramp_rt64",
        (false, true) => "__kernel_sigtramp_rt32",
        (false, false) => "__kernel_sigtramp32",
    };
    let code = t.process.vdso.get().and_then(|v| v.symbol(name));
    debug_assert!(code.is_some() && (t.abi.is_64() || t.abi.endian == Endian::Big));
    code.unwrap_or(0)
}
