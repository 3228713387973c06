//! The bits of MSR that only privileged code sees, and what each family implements.
//! [PowerISA III.4.2.1, E500RM 2.5.1, PEM 2.3.1, PPC440 2.1]

/// Vectors available (AltiVec), SPE available (e500).
pub const VEC: u32 = 1 << 25;
/// User cache locking enabled (e500).
pub const UCLE: u32 = 1 << 26;
/// Wait state enabled (Book E), power management enabled (classic).
pub const WE: u32 = 1 << 18;
/// Critical interrupts enabled (Book E).
pub const CE: u32 = 1 << 17;
/// GPR 0 to 3 are the temporary ones (603: the same bit).
pub const TGPR: u32 = 1 << 17;
/// Little-endian in interrupts (classic).
pub const ILE: u32 = 1 << 16;
/// External interrupts enabled.
pub const EE: u32 = 1 << 15;
/// Problem state.
pub const PR: u32 = 1 << 14;
/// Floating point available.
pub const FP: u32 = 1 << 13;
/// Machine checks enabled.
pub const ME: u32 = 1 << 12;
/// Floating-point exceptions, mode 0.
pub const FE0: u32 = 1 << 11;
/// Single step (classic); user BTB locking (e500), debug wait (440).
pub const SE: u32 = 1 << 10;
/// Branch trace (classic); debug interrupts enabled (Book E).
pub const BE: u32 = 1 << 9;
/// Debug interrupts enabled (Book E).
pub const DE: u32 = 1 << 9;
/// Floating-point exceptions, mode 1.
pub const FE1: u32 = 1 << 8;
/// Interrupt vectors at 0xfff00000 (classic).
pub const IP: u32 = 1 << 6;
/// Instruction relocation, or instruction address space 1.
pub const IR: u32 = 1 << 5;
/// Data relocation, or data address space 1.
pub const DR: u32 = 1 << 4;
/// Performance monitor mark.
pub const PMM: u32 = 1 << 2;
/// Recoverable interrupt.
pub const RI: u32 = 1 << 1;
/// Little-endian.
pub const LE: u32 = 1;

/// What the e500 keeps.
pub const E500: u32 =
    UCLE | VEC | WE | CE | EE | PR | FP | ME | FE0 | SE | DE | FE1 | IR | DR | PMM;
/// What the 440 keeps. [PPC440 2.5.3]
pub const PPC440: u32 = WE | CE | EE | PR | FP | ME | FE0 | SE | DE | FE1 | IR | DR;
/// What the 405 keeps: as the 440, and the two bits of its auxiliary processor.
pub const PPC405: u32 = PPC440 | 1 << 25 | 1 << 19;
/// What classic CPUs keep, apart from [`VEC`] and [`TGPR`].
pub const CLASSIC: u32 =
    WE | ILE | EE | PR | FP | ME | FE0 | SE | BE | FE1 | IP | IR | DR | PMM | RI | LE;

/// The bits that SRR1 takes from MSR and gives back on classic CPUs. [PEM 6.1]
pub const SRR1_CLASSIC: u32 = 0x87c0_ffff;
