//! Registers of the MPIC [MPC8544 10.3]: offsets and bits.

/// Block revision: identification, major and minor version. Only where the CPU that asks finds its own registers.
pub const BRR1: u64 = 0;
/// Version 2.0, as in the MPC8544.
pub const BRR1_2_0: u32 = 0x0040_0200;
/// Version 4.2, which serves external proxies (those begin with 4.0).
pub const BRR1_4_2: u32 = 0x0040_0402;
/// Feature reporting.
pub const FRR: u64 = 0x1000;
/// Global configuration.
pub const GCR: u64 = 0x1020;
/// Resets everything.
pub const GCR_RESET: u32 = 1 << 31;
/// The mode field.
pub const GCR_MODE: u32 = 3 << 29;
/// Mode: CPUs fetch their vectors when they take the interrupt.
pub const GCR_PROXY: u32 = 3 << 29;
/// Mode: everything goes through the controller.
pub const GCR_MIXED: u32 = 1 << 29;
/// Vendor.
pub const VIR: u64 = 0x1080;
/// Resets CPUs.
pub const PIR: u64 = 0x1090;
/// Vector and priority of the interrupts between CPUs, four of them 0x10 apart.
pub const IPIVPR: u64 = 0x10a0;
/// The vector when there is nothing.
pub const SPURIOUS: u64 = 0x10e0;
/// What software says about the timers' frequency, first group; the second is 0x1000 behind.
pub const TFRR: u64 = 0x10f0;
/// Timers, four in a group 0x40 apart: count, base, vector and priority, destination.
pub const TIMERS: u64 = 0x1100;
/// Timer control.
pub const TCR: u64 = 0x1300;
/// Message registers, four of them 0x10 apart.
pub const MSGR: u64 = 0x1400;
/// Message enable.
pub const MER: u64 = 0x1500;
/// Message status.
pub const MSR: u64 = 0x1510;
/// Shared message signalled interrupts, eight of them 0x10 apart. Reading clears.
pub const MSIR: u64 = 0x1600;
/// Which of them are pending.
pub const MSISR: u64 = 0x1720;
/// Where messages are written.
pub const MSIIR: u64 = 0x1740;
/// Sources: vector and priority, destination, 0x20 apart.
pub const SOURCES: u64 = 0x1_0000;
/// Registers of each CPU, 0x1000 apart; those of the CPU that asks are at 0, too.
pub const CPUS: u64 = 0x2_0000;

/// In a CPU's registers: sends interrupts to other CPUs, four 0x10 apart.
pub const CPU_IPIDR: u64 = 0x40;
/// Current task priority.
pub const CPU_CTPR: u64 = 0x80;
/// Number of this CPU.
pub const CPU_WHOAMI: u64 = 0x90;
/// Interrupt acknowledge.
pub const CPU_IACK: u64 = 0xa0;
/// End of interrupt.
pub const CPU_EOI: u64 = 0xb0;

/// Vector and priority registers: masked.
pub const VPR_MASK: u32 = 1 << 31;
/// Pending or in service.
pub const VPR_ACTIVITY: u32 = 1 << 30;
/// The input is active when it is high.
pub const VPR_POLARITY: u32 = 1 << 23;
/// The input's level counts, not its edge.
pub const VPR_LEVEL: u32 = 1 << 22;
/// Bits that software sets.
pub const VPR_WRITABLE: u32 = VPR_MASK | VPR_POLARITY | VPR_LEVEL | 0xf_ffff;

/// Destination registers: to the CPUs' critical inputs.
pub const DR_CRITICAL: u32 = 1 << 30;
/// To the controller's own output.
pub const DR_EXTERNAL: u32 = 1 << 31;

/// Sources, then interrupts between CPUs, then timers.
pub const IPIS: usize = 256;
/// See [`IPIS`].
pub const TIMER_SOURCES: usize = 260;
/// All of them.
pub const ALL: usize = 268;
/// Source of the first message register.
pub const MSG_SOURCE: usize = 176;
/// Source of the first shared message signalled interrupt.
pub const MSI_SOURCE: usize = 224;
