//! Interrupts (exceptions): what is saved, what MSR becomes, where execution goes on.
//! [PowerISA III.7.5, E500RM 5, PPC440 6, PPC405 10, PEM 6]

use tcg_target::CpuHost;

use super::model::family;
use super::msr;
use super::spr::num;
use super::state::SystemState;
use super::time::{self, tcr, tsr};

/// Bits of [`SystemState::pending`]: the CPU's input lines by number, and its own timers.
pub mod source {
    /// External interrupt (line 0).
    pub const EXTERNAL: u32 = 1;
    /// Critical input (line 1).
    pub const CRITICAL: u32 = 1 << 1;
    /// System management interrupt (line 2).
    pub const SMI: u32 = 1 << 2;
    /// Machine check (line 3).
    pub const MACHINE_CHECK: u32 = 1 << 3;
    /// Unconditional debug event (line 4).
    pub const DEBUG: u32 = 1 << 4;
    /// Soft reset (line 5).
    pub const RESET: u32 = 1 << 5;
    /// All lines.
    pub const LINES: u32 = 0x3f;
    /// Decrementer, or the 405's interval timer.
    pub const DEC: u32 = 1 << 8;
    /// Fixed-interval timer.
    pub const FIT: u32 = 1 << 9;
    /// Watchdog.
    pub const WATCHDOG: u32 = 1 << 10;
    /// The watchdog wants a reset.
    pub const WATCHDOG_RESET: u32 = 1 << 11;
    /// What MSR.EE enables.
    pub const BY_EE: u32 = EXTERNAL | SMI | DEC | FIT;
}

/// The kinds of interrupts of all families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Soft reset.
    Reset,
    /// Critical input.
    Critical,
    /// Machine check.
    MachineCheck,
    /// Data storage.
    Data,
    /// Instruction storage.
    Instruction,
    /// External input.
    External,
    /// Alignment.
    Alignment,
    /// Program.
    Program,
    /// Floating point unavailable.
    FpUnavailable,
    /// System call.
    SystemCall,
    /// Decrementer, interval timer.
    Decrementer,
    /// Fixed-interval timer.
    FixedInterval,
    /// Watchdog.
    Watchdog,
    /// Data TLB miss (603: on a load).
    DataMiss,
    /// Data TLB miss on a store (603, 7450).
    StoreMiss,
    /// Instruction TLB miss.
    FetchMiss,
    /// Debug.
    Debug,
    /// SPE or AltiVec unavailable.
    VectorUnavailable,
    /// Single step or branch trace (classic).
    Trace,
    /// System management.
    Smi,
    /// AltiVec assist.
    VectorAssist,
}

/// Where the state goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Save {
    /// SRR0 and SRR1.
    Base,
    /// CSRR0 and CSRR1, or SRR2 and SRR3.
    Critical,
    /// MCSRR0 and MCSRR1.
    MachineCheck,
}

/// Number of the vector offset register and saved registers in Book E. [E500RM 5.7, PPC440 6.5]
const fn booke(kind: Kind) -> Option<(u32, Save)> {
    Some(match kind {
        Kind::Critical => (0, Save::Critical),
        Kind::MachineCheck => (1, Save::MachineCheck),
        Kind::Data => (2, Save::Base),
        Kind::Instruction => (3, Save::Base),
        Kind::External => (4, Save::Base),
        Kind::Alignment => (5, Save::Base),
        Kind::Program => (6, Save::Base),
        Kind::FpUnavailable => (7, Save::Base),
        Kind::SystemCall => (8, Save::Base),
        Kind::Decrementer => (10, Save::Base),
        Kind::FixedInterval => (11, Save::Base),
        Kind::Watchdog => (12, Save::Critical),
        Kind::DataMiss | Kind::StoreMiss => (13, Save::Base),
        Kind::FetchMiss => (14, Save::Base),
        Kind::Debug => (15, Save::Critical),
        Kind::VectorUnavailable => (32, Save::Base),
        Kind::Reset | Kind::Trace | Kind::Smi | Kind::VectorAssist => return None,
    })
}

/// Offset of the vector and saved registers of the 405. [PPC405 10.4]
const fn ppc405(kind: Kind) -> Option<(u32, Save)> {
    Some(match kind {
        Kind::Critical => (0x100, Save::Critical),
        Kind::MachineCheck => (0x200, Save::Critical),
        Kind::Data => (0x300, Save::Base),
        Kind::Instruction => (0x400, Save::Base),
        Kind::External => (0x500, Save::Base),
        Kind::Alignment => (0x600, Save::Base),
        Kind::Program => (0x700, Save::Base),
        Kind::FpUnavailable => (0x800, Save::Base),
        Kind::SystemCall => (0xc00, Save::Base),
        Kind::Decrementer => (0x1000, Save::Base),
        Kind::FixedInterval => (0x1010, Save::Base),
        Kind::Watchdog => (0x1020, Save::Critical),
        Kind::DataMiss | Kind::StoreMiss => (0x1100, Save::Base),
        Kind::FetchMiss => (0x1200, Save::Base),
        Kind::Debug => (0x2000, Save::Critical),
        _ => return None,
    })
}

/// Offset of the vector of classic CPUs. [PEM 6.1.1, MPC7450 4.1, MPC603e 4.2]
const fn classic(kind: Kind) -> Option<u32> {
    Some(match kind {
        Kind::Reset => 0x100,
        Kind::MachineCheck => 0x200,
        Kind::Data => 0x300,
        Kind::Instruction => 0x400,
        Kind::External => 0x500,
        Kind::Alignment => 0x600,
        Kind::Program => 0x700,
        Kind::FpUnavailable => 0x800,
        Kind::Decrementer => 0x900,
        Kind::SystemCall => 0xc00,
        Kind::Trace => 0xd00,
        Kind::VectorUnavailable => 0xf20,
        Kind::FetchMiss => 0x1000,
        Kind::DataMiss => 0x1100,
        Kind::StoreMiss => 0x1200,
        Kind::Smi => 0x1400,
        Kind::VectorAssist => 0x1600,
        _ => return None,
    })
}

/// The address that a kind of interrupt goes to; none if the CPU does not have it.
pub fn vector(s: &SystemState, kind: Kind) -> Option<u32> {
    if s.is(family::BOOKE) {
        let (n, _) = booke(kind)?;
        let ivor = match n {
            32.. => num::IVOR32 + n - 32,
            _ => num::IVOR0 + n,
        };
        return Some(s.spr(num::IVPR) & 0xffff_0000 | s.spr(ivor) & 0xfff0);
    }
    if s.is(family::P405) {
        return Some(s.spr(num::EVPR) & 0xffff_0000 | ppc405(kind)?.0);
    }
    let base = match s.msr() & msr::IP {
        0 => 0,
        _ => 0xfff0_0000,
    };
    Some(base | classic(kind)?)
}

/// Enters an interrupt: `back` is where it returns to, `why` the bits that classic CPUs add to SRR1.
/// False if the CPU has no such interrupt.
pub fn enter(s: &mut SystemState, pc: &mut u64, kind: Kind, back: u32, why: u32) -> bool {
    let Some(vector) = vector(s, kind) else {
        return false;
    };
    if s.is(family::CLASSIC) {
        enter_classic(s, kind, back, why);
    } else {
        enter_booke(s, kind, back);
    }
    *pc = u64::from(vector);
    s.halted = 0;
    s.stepped = 0;
    // The reservation is not lost by an interrupt; the guest clears it.
    true
}

fn enter_booke(s: &mut SystemState, kind: Kind, back: u32) {
    let is_405 = s.is(family::P405);
    let save = match is_405 {
        true => ppc405(kind),
        false => booke(kind),
    }
    .map_or(Save::Base, |v| v.1);
    let old = s.msr();
    let (srr0, srr1, kept) = match save {
        Save::Base => (num::SRR0, num::SRR1, msr::CE | msr::ME | msr::DE),
        Save::Critical if is_405 => (num::SRR2, num::SRR3, msr::ME),
        Save::Critical => (num::CSRR0, num::CSRR1, msr::ME),
        Save::MachineCheck => (num::MCSRR0, num::MCSRR1, 0),
    };
    let kept = match kind {
        Kind::MachineCheck => 0,
        _ => kept,
    };
    s.set_spr(srr0, back);
    s.set_spr(srr1, old);
    set_msr(s, old & kept);
}

fn enter_classic(s: &mut SystemState, kind: Kind, back: u32, why: u32) {
    let old = s.msr();
    s.set_spr(num::SRR0, back);
    s.set_spr(num::SRR1, old & msr::SRR1_CLASSIC | why);
    let mut new = old & (msr::ILE | msr::ME | msr::IP);
    if old & msr::ILE != 0 {
        new |= msr::LE;
    }
    if kind == Kind::MachineCheck {
        new &= !msr::ME;
    }
    let miss = matches!(kind, Kind::DataMiss | Kind::StoreMiss | Kind::FetchMiss);
    if miss && s.is(family::P603) {
        new |= msr::TGPR;
    }
    set_msr(s, new);
}

/// Replaces MSR. Temporary registers change places with GPR 0 to 3; the CPU may begin to wait.
pub fn set_msr(s: &mut SystemState, new: u32) {
    let new = new & s.msr_mask;
    let old = s.msr();
    s.user.msr = u64::from(new);
    if s.is(family::P603) && (old ^ new) & msr::TGPR != 0 {
        for (a, b) in s.user.gpr.iter_mut().zip(&mut s.tgpr) {
            std::mem::swap(a, b);
        }
    }
    s.halted = u32::from(new & msr::WE != 0 && may_wait(s));
}

/// Whether MSR.WE (POW) makes the CPU wait: on the 4xx it alone does, elsewhere HID0 says how.
/// [E500RM 6.3, PEM 2.3.1, PPC440 2.5.3]
fn may_wait(s: &SystemState) -> bool {
    s.is(family::P4XX) || s.spr(num::HID0) & super::spr::HID0_DOZE_NAP_SLEEP != 0
}

/// Looks at lines and timers: what waits now?
pub fn refresh(s: &mut SystemState, host: &dyn CpuHost) {
    let mut pending = host.lines() & source::LINES | s.latched;
    if s.is(family::BOOKE | family::P405) {
        let (tcr, tsr) = (time::tcr_of(s), time::tsr_of(s));
        for (enable, status, bit) in [
            (tcr::DIE, tsr::DIS, source::DEC),
            (tcr::FIE, tsr::FIS, source::FIT),
            (tcr::WIE, tsr::WIS, source::WATCHDOG),
        ] {
            if tcr & enable != 0 && tsr & status != 0 {
                pending |= bit;
            }
        }
    }
    s.pending = pending;
}

/// The sources that MSR enables now.
const fn enabled(s: &SystemState) -> u32 {
    let msr = s.msr();
    let mut mask = source::RESET | source::WATCHDOG_RESET;
    if msr & msr::EE != 0 {
        mask |= source::BY_EE;
    }
    if msr & msr::ME != 0 {
        mask |= source::MACHINE_CHECK;
    }
    if !s.is(family::CLASSIC) && msr & msr::CE != 0 {
        mask |= source::CRITICAL | source::WATCHDOG;
    }
    if !s.is(family::CLASSIC) && msr & msr::DE != 0 {
        mask |= source::DEBUG;
    }
    mask
}

/// Sources and kinds, the most urgent first. [E500RM 5.9, PEM 6.1.2]
const ORDER: [(u32, Kind); 9] = [
    (source::RESET, Kind::Reset),
    (source::MACHINE_CHECK, Kind::MachineCheck),
    (source::DEBUG, Kind::Debug),
    (source::CRITICAL, Kind::Critical),
    (source::WATCHDOG, Kind::Watchdog),
    (source::SMI, Kind::Smi),
    (source::EXTERNAL, Kind::External),
    (source::FIT, Kind::FixedInterval),
    (source::DEC, Kind::Decrementer),
];

/// Enters the most urgent interrupt that is pending and enabled.
pub fn deliver(s: &mut SystemState, pc: &mut u64, host: &dyn CpuHost) -> bool {
    refresh(s, host);
    let ready = s.pending & enabled(s);
    if ready & source::WATCHDOG_RESET != 0 {
        s.latched &= !source::WATCHDOG_RESET;
        host.socket().reset_system();
    }
    for (bit, kind) in ORDER {
        let back = *pc as u32;
        if ready & bit == 0 || !enter(s, pc, kind, back, 0) {
            continue;
        }
        s.latched &= !bit;
        match kind {
            Kind::External if s.is(family::E500V2) => {
                s.set_spr(num::EPR, host.socket().acknowledge());
            }
            Kind::MachineCheck if s.is(family::E500) => s.set_spr(num::MCSR, MCSR_MCP),
            Kind::Debug if s.is(family::BOOKE) => s.or_spr(num::DBSR, DBSR_UDE),
            _ => {}
        }
        refresh(s, host);
        return true;
    }
    false
}

/// MCSR: machine check input pin. [E500RM 2.7.2]
const MCSR_MCP: u32 = 1 << 31;
/// MCSR: bus errors of a fetch, a load and a store.
pub const MCSR_BUS: [u32; 3] = [1 << 6, 1 << 4, 1 << 3];
/// DBSR: unconditional debug event.
const DBSR_UDE: u32 = 1 << 30;
/// DBSR and DBCR0: instruction complete. [E500RM 2.13]
pub const DBSR_ICMP: u32 = 1 << 27;
/// DBCR0: internal debug mode.
pub const DBCR0_IDM: u32 = 1 << 30;

/// Bits of ESR. [E500RM 2.7.1, PPC440 6.4.6]
pub mod esr {
    /// Illegal instruction.
    pub const PIL: u32 = 1 << 27;
    /// Privileged instruction.
    pub const PPR: u32 = 1 << 26;
    /// Trap.
    pub const PTR: u32 = 1 << 25;
    /// Floating-point operation.
    pub const FP: u32 = 1 << 24;
    /// Store.
    pub const ST: u32 = 1 << 23;
    /// Unimplemented operation (not on the e500).
    pub const PUO: u32 = 1 << 18;
    /// Byte order.
    pub const BO: u32 = 1 << 17;
    /// SPE.
    pub const SPE: u32 = 1 << 7;
}

/// Why a program interrupt comes, for SRR1 (classic) or ESR (Book E).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// No such instruction.
    Illegal,
    /// Not in problem state.
    Privileged,
    /// A trap instruction.
    Trap,
    /// An enabled floating-point exception.
    Float,
}

/// Enters a program interrupt at `pc`.
pub fn program(s: &mut SystemState, pc: &mut u64, why: Program) {
    let (esr_bits, srr1) = match why {
        Program::Illegal => (esr::PIL, 0x0008_0000),
        Program::Privileged => (esr::PPR, 0x0004_0000),
        Program::Trap => (esr::PTR, 0x0002_0000),
        Program::Float => (esr::FP, 0x0010_0000),
    };
    set_esr(s, esr_bits);
    let back = *pc as u32;
    enter(s, pc, Kind::Program, back, srr1);
}

/// Sets ESR where there is one.
pub fn set_esr(s: &mut SystemState, bits: u32) {
    if s.is(family::P405) {
        s.set_spr(num::ESR_405, bits);
    } else if s.is(family::BOOKE) {
        s.set_spr(num::ESR, bits);
    }
}

/// Sets DEAR or DAR.
pub fn set_dear(s: &mut SystemState, va: u32) {
    let n = match s.family {
        f if f & family::P405 != 0 => num::DEAR_405,
        f if f & family::BOOKE != 0 => num::DEAR,
        _ => num::DAR,
    };
    s.set_spr(n, va);
}

/// Returns from an interrupt by the pair of registers that an instruction names: gives the address to go on at.
pub fn leave(s: &mut SystemState, back: u32, state: u32) -> u32 {
    let (to, new) = (s.spr(back), s.spr(state));
    let new = match s.is(family::CLASSIC) {
        // POW is not restored, TGPR is cleared.
        true => s.msr() & !(msr::SRR1_CLASSIC | msr::WE | msr::TGPR) | new & msr::SRR1_CLASSIC,
        false => new,
    };
    set_msr(s, new);
    s.stepped = 0;
    to & !3
}
