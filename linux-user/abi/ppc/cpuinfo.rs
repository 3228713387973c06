//! /proc/cpuinfo of a PowerPC guest, in the form of the kernel's arch/powerpc/kernel/setup-common.c.

use target_ppc::helper::random::TIME_BASE_HZ;

/// The text for `cpus` processors.
pub fn text(_: Option<&str>, cpus: usize) -> String {
    let mut out = String::new();
    for n in 0..cpus {
        out += &format!(
            "processor\t: {n}\ncpu\t\t: POWER9 (architected), altivec supported\nclock\t\t: 2500.000000MHz\n\
             revision\t: 2.2 (pvr 004e 1202)\n\n"
        );
    }
    out + &format!(
        "timebase\t: {TIME_BASE_HZ}\nplatform\t: pSeries\nmodel\t\t: IBM pSeries (emulated)\n"
    )
}
