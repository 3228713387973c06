//! Privileged instructions that are carried out by a helper. The helper decodes the operands itself: these are rare.

use tcg_mem::Access;
use tcg_target::CpuHost;

use super::mmu::{e500, ppc405, ppc440, soft603};
use super::model::family;
use super::msr;
use super::state::SystemState;
use super::{interrupt, spr::num};

/// The instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Op {
    /// Write a TLB entry (Book E).
    Tlbwe,
    /// Read a TLB entry (Book E).
    Tlbre,
    /// Search the TLB (Book E).
    Tlbsx,
    /// Invalidate an entry (classic).
    Tlbie,
    /// Invalidate all entries (classic).
    Tlbia,
    /// Load a data TLB entry (603).
    Tlbld,
    /// Load an instruction TLB entry (603).
    Tlbli,
    /// Segment registers.
    Mtsr,
    /// By the address in a register.
    Mtsrin,
    /// Read.
    Mfsr,
    /// Read, by the address in a register.
    Mfsrin,
    /// Device control registers.
    Mfdcr,
    /// Write.
    Mtdcr,
    /// By the number in a register.
    Mfdcrx,
    /// Write, by the number in a register.
    Mtdcrx,
    /// Performance monitor registers (e500).
    Mfpmr,
    /// Write.
    Mtpmr,
    /// Reads of the caches' contents (4xx): nothing is in them.
    CacheRead,
}

const ALL: [Op; 18] = [
    Op::Tlbwe,
    Op::Tlbre,
    Op::Tlbsx,
    Op::Tlbie,
    Op::Tlbia,
    Op::Tlbld,
    Op::Tlbli,
    Op::Mtsr,
    Op::Mtsrin,
    Op::Mfsr,
    Op::Mfsrin,
    Op::Mfdcr,
    Op::Mtdcr,
    Op::Mfdcrx,
    Op::Mtdcrx,
    Op::Mfpmr,
    Op::Mtpmr,
    Op::CacheRead,
];

impl Op {
    /// The operation with a number.
    pub fn from_number(n: u32) -> Option<Op> {
        ALL.into_iter().find(|op| *op as u32 == n)
    }

    /// The families that have the instruction.
    pub const fn families(self) -> u32 {
        match self {
            Op::Tlbwe | Op::Tlbre | Op::Tlbsx => family::BOOKE | family::P405,
            Op::Tlbie | Op::Mtsr | Op::Mtsrin | Op::Mfsr | Op::Mfsrin => family::CLASSIC,
            // On the 4xx it invalidates all of the TLB.
            Op::Tlbia => family::CLASSIC | family::P405,
            Op::Tlbld | Op::Tlbli => family::P603,
            Op::Mfdcr | Op::Mtdcr | Op::CacheRead => family::P4XX,
            Op::Mfdcrx | Op::Mtdcrx => family::P440,
            Op::Mfpmr | Op::Mtpmr => family::E500,
        }
    }

    /// Whether what follows may be fetched or executed otherwise.
    pub const fn ends_block(self) -> bool {
        matches!(
            self,
            Op::Tlbwe | Op::Tlbie | Op::Tlbia | Op::Tlbld | Op::Tlbli | Op::Mtsr | Op::Mtsrin
        )
    }
}

/// The operand fields of an opcode.
struct Fields {
    rt: u32,
    ra: u32,
    rb: u32,
    record: bool,
    /// A register number in two swapped halves.
    split: u32,
}

const fn fields(insn: u32) -> Fields {
    Fields {
        rt: insn >> 21 & 31,
        ra: insn >> 16 & 31,
        rb: insn >> 11 & 31,
        record: insn & 1 != 0,
        split: (insn >> 16 & 31) | (insn >> 11 & 31) << 5,
    }
}

fn effective(s: &SystemState, f: &Fields) -> u32 {
    let base = if f.ra == 0 { 0 } else { s.gpr(f.ra) };
    base.wrapping_add(s.gpr(f.rb))
}

/// Carries an instruction out.
pub fn run(s: &mut SystemState, host: &dyn CpuHost, op: Op, insn: u32) {
    let f = fields(insn);
    match op {
        Op::Tlbwe | Op::Tlbre | Op::Tlbsx => tlb(s, host, op, &f),
        Op::Tlbie => {
            let va = s.gpr(f.rb);
            soft603::invalidate(s, va);
            // All ways of a set, whatever they hold: software empties a TLB so. [MPC750 5.4.3, MPC603e 5.4.3]
            let sets = if s.is(family::P603) { 32 } else { 64 };
            host.flush_tlb_set(u64::from(va), sets);
            host.flush_tlb_others();
        }
        Op::Tlbia => {
            soft603::invalidate_all(s);
            if s.is(family::P405) {
                ppc405::invalidate_all(s);
            }
            host.flush_tlb();
        }
        Op::Tlbld | Op::Tlbli => {
            let access = match op {
                Op::Tlbli => Access::Exec,
                _ => Access::Read,
            };
            let va = s.gpr(f.rb);
            soft603::load(s, host, va, access);
        }
        Op::Mtsr => set_segment(s, host, f.ra & 15, s.gpr(f.rt)),
        Op::Mtsrin => set_segment(s, host, s.gpr(f.rb) >> 28, s.gpr(f.rt)),
        Op::Mfsr => s.set_gpr(f.rt, s.sr[f.ra as usize & 15]),
        Op::Mfsrin => s.set_gpr(f.rt, s.sr[(s.gpr(f.rb) >> 28) as usize]),
        Op::Mfdcr => read_dcr(s, host, f.rt, f.split),
        Op::Mtdcr => write_dcr(s, host, f.split, s.gpr(f.rt)),
        Op::Mfdcrx => read_dcr(s, host, f.rt, s.gpr(f.ra)),
        Op::Mtdcrx => write_dcr(s, host, s.gpr(f.ra), s.gpr(f.rt)),
        // Nothing is counted.
        Op::Mfpmr => s.set_gpr(f.rt, 0),
        Op::Mtpmr => {}
        Op::CacheRead => {}
    }
    interrupt::refresh(s, host);
}

fn tlb(s: &mut SystemState, host: &dyn CpuHost, op: Op, f: &Fields) {
    if s.is(family::E500) {
        match op {
            Op::Tlbwe => e500::write(s, host),
            Op::Tlbre => e500::read(s),
            _ => e500::search(s, effective(s, f)),
        }
        return;
    }
    let is_440 = s.is(family::P440);
    match op {
        Op::Tlbsx => {
            let va = effective(s, f);
            let found = match is_440 {
                true => ppc440::search(s, va),
                false => ppc405::search(s, va),
            };
            if let Some(n) = found {
                s.set_gpr(f.rt, n);
            }
            if f.record {
                s.user.cr[0] = [0, 0, u32::from(found.is_some()), s.user.so & 1];
            }
        }
        // The word number is where RB is elsewhere.
        Op::Tlbre => {
            let n = s.gpr(f.ra);
            let v = match is_440 {
                true => ppc440::read(s, n, f.rb),
                false => ppc405::read(s, n, f.rb),
            };
            s.set_gpr(f.rt, v);
        }
        _ => {
            let (n, v) = (s.gpr(f.ra), s.gpr(f.rt));
            match is_440 {
                true => ppc440::write(s, host, n, f.rb, v),
                false => ppc405::write(s, host, n, f.rb, v),
            }
        }
    }
}

fn set_segment(s: &mut SystemState, host: &dyn CpuHost, n: u32, v: u32) {
    let place = &mut s.sr[n as usize & 15];
    if std::mem::replace(place, v) != v {
        host.context_changed();
    }
}

fn read_dcr(s: &mut SystemState, host: &dyn CpuHost, rt: u32, n: u32) {
    let v = host.socket().dcr_read(n);
    if v.is_none() {
        let line = || format!("DCR {n:#x}: nobody answers a read");
        host.socket().guest_error(&line);
    }
    s.set_gpr(rt, v.unwrap_or(0));
}

fn write_dcr(_: &mut SystemState, host: &dyn CpuHost, n: u32, v: u32) {
    if !host.socket().dcr_write(n, v) {
        let line = || format!("DCR {n:#x}: nobody answers a write of {v:#x}");
        host.socket().guest_error(&line);
    }
}

/// Returns from interrupts by number: the registers that state comes from, and the families. [PowerISA III.7.3]
pub const RETURNS: [(u32, u32, u32); 4] = [
    (num::SRR0, num::SRR1, family::ALL),
    (num::CSRR0, num::CSRR1, family::BOOKE),
    (num::MCSRR0, num::MCSRR1, family::BOOKE),
    (num::SRR2, num::SRR3, family::P405),
];

/// Carries one of [`RETURNS`] out; gives the address to go on at.
pub fn return_from(s: &mut SystemState, host: &dyn CpuHost, which: u32) -> u32 {
    let (back, state, _) = RETURNS[which as usize % RETURNS.len()];
    let to = interrupt::leave(s, back, state);
    interrupt::refresh(s, host);
    to
}

/// `mtmsr`.
pub fn set_msr(s: &mut SystemState, host: &dyn CpuHost, v: u32) {
    // TGPR is set by interrupts only, but `mtmsr` may clear it.
    let v = match s.is(family::P603) {
        true => v & !(msr::TGPR & !s.msr()),
        false => v,
    };
    interrupt::set_msr(s, v);
    interrupt::refresh(s, host);
}
