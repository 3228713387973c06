//! /proc/cpuinfo of an ARM guest, in the form of the kernel's arch/arm/kernel/setup.c.

/// The text for `cpus` processors.
pub fn text(cpus: usize) -> String {
    let mut out = String::new();
    for n in 0..cpus {
        out += &format!(
            "processor\t: {n}\nmodel name\t: ARMv7 Processor rev 1 (v7l)\nBogoMIPS\t: 125.00\n"
        );
        out += "Features\t: half thumb fastmult vfp edsp neon vfpv3 tls vfpv4 idiva idivt vfpd32 lpae evtstrm ";
        out += "aes pmull sha1 sha2 crc32\n";
        out += "CPU implementer\t: 0x41\nCPU architecture: 7\nCPU variant\t: 0x2\nCPU part\t: 0xc0f\nCPU revision\t: 1\n\n";
    }
    out + "Hardware\t: Generic DT based system\nRevision\t: 0000\nSerial\t\t: 0000000000000000\n"
}
