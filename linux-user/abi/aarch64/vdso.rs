//! The vDSO of 64-bit ARM: the code that handlers return to, and the clock functions.
//! (Linux arch/arm64/kernel/vdso: vdso.lds.S, sigreturn.S, vgettimeofday.c)
//!
//! There is no unwind information, as in the kernel's: unwinders know the two instructions of the way back.

use crate::task::Task;
use crate::vdso::Vdso;

const NOP: u32 = 0xd503_201f;
const SVC: u32 = 0xd400_0001;
const RET: u32 = 0xd65f_03c0;

/// `mov x8, #number`
const fn number(n: u32) -> u32 {
    0xd280_0008 | n << 5
}

static CODE: [u32; 12] = [
    NOP,
    number(139),
    SVC,
    number(113),
    SVC,
    RET,
    number(114),
    SVC,
    RET,
    number(169),
    SVC,
    RET,
];

/// What is mapped, in either byte order: instructions are little-endian.
pub static VDSO: Vdso = Vdso {
    soname: "linux-vdso.so.1",
    version: "LINUX_2.6.39",
    code: &CODE,
    code_big_endian: false,
    symbols: &[
        ("__kernel_rt_sigreturn", 1, 2),
        ("__kernel_clock_gettime", 3, 3),
        ("__kernel_clock_getres", 6, 3),
        ("__kernel_gettimeofday", 9, 3),
    ],
    flags: 0,
    unwind: None,
};

/// The code that a handler without sa_restorer returns to.
pub fn return_code(t: &Task) -> u64 {
    let mapped = t.process.vdso.get();
    let code = mapped.and_then(|v| v.symbol("__kernel_rt_sigreturn"));
    debug_assert!(code.is_some());
    code.unwrap_or(0)
}
