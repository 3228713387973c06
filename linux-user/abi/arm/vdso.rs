//! The vDSO of little-endian ARM: the clock functions that the C library looks for. They make the system call, which
//! the emulator answers from the host's own vDSO.

use crate::vdso::Vdso;

/// One function: number in r7, which is the caller's.
const fn call(number: u32) -> [u32; 6] {
    [
        0xe52d_7004, // push {r7}
        0xe59f_7008, // ldr  r7, number
        0xef00_0000, // svc  0
        0xe49d_7004, // pop  {r7}
        0xe12f_ff1e, // bx   lr
        number,
    ]
}

const fn code() -> [u32; 24] {
    let calls = [call(263), call(78), call(264), call(403)];
    let mut out = [0; 24];
    let mut k = 0;
    while k < 24 {
        out[k] = calls[k / 6][k % 6];
        k += 1;
    }
    out
}

/// What is mapped.
pub static VDSO: Vdso = Vdso {
    soname: "linux-vdso.so.1",
    version: "LINUX_2.6",
    code: &code(),
    code_big_endian: false,
    symbols: &[
        ("__vdso_clock_gettime", 0, 5),
        ("__vdso_gettimeofday", 6, 5),
        ("__vdso_clock_getres", 12, 5),
        ("__vdso_clock_gettime64", 18, 5),
    ],
    // The EABI's version 5.
    flags: 0x0500_0000,
    unwind: None,
};
