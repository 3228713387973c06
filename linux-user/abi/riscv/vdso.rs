//! The vDSO of RISC-V: the code that handlers return to, with what unwinders need to get past it, the clock functions
//! of 64-bit programs, and the architecture's own calls.
//! (Linux arch/riscv/kernel/vdso: vdso.lds.S, rt_sigreturn.S, getcpu.S, flush_icache.S, sys_hwprobe.S)

use super::sigframe;
use crate::task::Task;
use crate::vdso::{SignalFrame, Unwind, Vdso};

const NOP: u32 = 0x0000_0013;
const ECALL: u32 = 0x0000_0073;
const RET: u32 = 0x0000_8067;

/// `li a7, number`
const fn number(n: u32) -> u32 {
    n << 20 | 0x893
}

static CODE: [u32; 21] = [
    NOP,
    number(139),
    ECALL,
    number(168),
    ECALL,
    RET,
    number(259),
    ECALL,
    RET,
    number(258),
    ECALL,
    RET,
    number(113),
    ECALL,
    RET,
    number(114),
    ECALL,
    RET,
    number(169),
    ECALL,
    RET,
];

/// The clock functions, which 32-bit programs do not have, are the last.
const SYMBOLS: &[(&str, usize, usize)] = &[
    ("__vdso_rt_sigreturn", 1, 2),
    ("__vdso_getcpu", 3, 3),
    ("__vdso_flush_icache", 6, 3),
    ("__vdso_riscv_hwprobe", 9, 3),
    ("__vdso_clock_gettime", 12, 3),
    ("__vdso_clock_getres", 15, 3),
    ("__vdso_gettimeofday", 18, 3),
];

/// DWARF numbers: x0 to x31, f0 to f31, and the column of the return address behind a signal. [RISC-V psABI, DWARF]
const PC: u8 = 64;

/// Places of the registers for a word size: the program counter is where x0 would be.
macro_rules! frames {
    ($word:literal) => {{
        const REGS: u32 = sigframe::REGS_AT[$word / 8];
        const FP: u32 = sigframe::FP_AT[$word / 8];
        &[SignalFrame {
            first: 0,
            len: 3,
            saved: &[
                (1, 31, REGS + $word, $word),
                (32, 32, FP, 8),
                (PC, 1, REGS, $word),
            ],
        }]
    }};
}

const fn vdso(
    symbols: &'static [(&'static str, usize, usize)],
    frames: &'static [SignalFrame],
) -> Vdso {
    Vdso {
        soname: "linux-vdso.so.1",
        version: "LINUX_4.15",
        code: &CODE,
        code_big_endian: false,
        symbols,
        // Compressed instructions, registers for doubles in calls.
        flags: 5,
        unwind: Some(Unwind {
            stack_pointer: 2,
            return_column: PC,
            frames,
        }),
    }
}

static WIDE: Vdso = vdso(SYMBOLS, frames!(8));
static NARROW: Vdso = vdso(SYMBOLS.split_at(4).0, frames!(4));

/// What is mapped.
pub fn image(wide: bool) -> &'static Vdso {
    if wide { &WIDE } else { &NARROW }
}

/// The code that handlers return to.
pub fn return_code(t: &Task) -> u64 {
    let mapped = t.process.vdso.get();
    let code = mapped.and_then(|v| v.symbol("__vdso_rt_sigreturn"));
    debug_assert!(code.is_some());
    code.unwrap_or(0)
}
