//! The system level: a whole CPU with its MMU, exceptions, timers and special registers.

mod broadcast;
mod gdb;
pub mod interrupt;
pub mod mmu;
pub mod model;
pub mod msr;
pub mod op;
mod reset;
pub mod spr;
pub mod state;
pub mod time;

#[cfg(test)]
mod tests;

use std::fmt::Write;

use tcg_ir::{Block, FpMode, HelperDef, StateLayout};
use tcg_mem::{Access, MemFault};
use tcg_target::gdb::GdbDescription;
use tcg_target::system::ContextKey;
use tcg_target::{CpuHost, Isa, Mapping, Outcome, SysCpu, SysFault, System, TranslateCtx};

use crate::state::Mode;
use crate::{Ppc, trap};
use interrupt::{Kind, Program, esr};
use mmu::{fault, is_relocated};
use model::{Mmu, SystemModel, family};
use spr::num;
use state::{SYSTEM_LAYOUT, SystemState};

pub use reset::BootState;

/// What a board says of its CPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Ticks of the time base in a second.
    pub tb_hz: u64,
    /// System version register.
    pub svr: u32,
}

/// A Power CPU with its system level.
#[derive(Debug)]
pub struct PpcSystem {
    user: Ppc,
    model: SystemModel,
    config: Config,
    pvr: u32,
    broadcasts: broadcast::Broadcasts,
}

impl PpcSystem {
    /// A CPU of a model by name; none if there is no such model, or no system level of it.
    pub fn new(name: &str, config: Config) -> Option<PpcSystem> {
        let revision = model::REVISIONS
            .iter()
            .find(|r| r.0.eq_ignore_ascii_case(name));
        let user = crate::CpuModel::find(revision.map_or(name, |r| r.1))?;
        let pvr = revision.map_or(user.pvr, |r| r.2);
        Some(PpcSystem {
            user: Ppc {
                model: user,
                wide: false,
                little_endian: false,
            },
            model: SystemModel::of(user)?,
            config,
            pvr,
            broadcasts: broadcast::Broadcasts::default(),
        })
    }

    /// The names of the models that have a system level.
    pub fn names() -> impl Iterator<Item = &'static str> {
        crate::MODELS
            .iter()
            .filter(|m| SystemModel::of(m).is_some())
            .map(|m| m.name)
            .chain(model::REVISIONS.iter().map(|r| r.0))
    }

    /// The model's system side.
    pub const fn model(&self) -> &SystemModel {
        &self.model
    }

    fn reset_state(&self, s: &mut SystemState) {
        reset::reset(s, &self.model, &self.config);
        s.user.pvr = u64::from(self.pvr);
    }

    fn translate_address(
        &self,
        s: &SystemState,
        host: &dyn CpuHost,
        va: u32,
        access: Access,
        index: u8,
        quiet: bool,
    ) -> Result<Mapping, SysFault> {
        match self.model.mmu {
            Mmu::E500 { .. } => mmu::e500::walk(s, va, access, index),
            Mmu::Ppc440 => mmu::ppc440::walk(s, va, access, index),
            Mmu::Ppc405 => mmu::ppc405::walk(s, va, access, index),
            Mmu::Hash { .. } => mmu::hash::walk(s, host, va, access, index, quiet),
            Mmu::Soft603 => mmu::soft603::walk(s, va, access, index),
        }
    }

    /// Enters an interrupt of an access.
    fn enter(&self, s: &mut SystemState, pc: &mut u64, kind: Kind, why: u32) -> Outcome {
        let back = *pc as u32;
        let vector = interrupt::vector(s, kind);
        let fetch = matches!(kind, Kind::FetchMiss | Kind::Instruction);
        if fetch && vector == Some(back) {
            let text = format!(
                "no code at the interrupt vector {back:#010x} ({kind:?}): the CPU would take this interrupt for ever"
            );
            return Outcome::Stuck(text);
        }
        interrupt::enter(s, pc, kind, back, why);
        Outcome::Go
    }

    fn booke_fault(&self, s: &mut SystemState, pc: &mut u64, f: &SysFault) -> Outcome {
        let miss = f.code == fault::MISS;
        let store = match f.access {
            Access::Write => esr::ST,
            _ => 0,
        };
        // DEVIATES: an instruction TLB miss leaves ESR alone; a handler that goes on as for a storage interrupt then
        // reads what an earlier interrupt left there. It is cleared here.
        let zone = if f.code == fault::ZONE { ESR_DIZ } else { 0 };
        interrupt::set_esr(s, store | zone);
        let kind = match (f.access, miss) {
            (Access::Exec, true) => Kind::FetchMiss,
            (Access::Exec, false) => Kind::Instruction,
            (_, true) => Kind::DataMiss,
            (_, false) => Kind::Data,
        };
        if f.access != Access::Exec {
            interrupt::set_dear(s, f.va as u32);
        }
        if miss && s.is(family::E500) {
            let bit = if f.access == Access::Exec {
                msr::IR
            } else {
                msr::DR
            };
            let space = u32::from(s.msr() & bit != 0);
            mmu::e500::load_mas(s, f.va as u32, space);
        }
        self.enter(s, pc, kind, 0)
    }

    fn classic_fault(&self, s: &mut SystemState, pc: &mut u64, f: &SysFault) -> Outcome {
        let va = f.va as u32;
        if matches!(f.code, fault::MISS | fault::UNCHANGED) {
            let problem = s.msr() & msr::PR != 0;
            let index = mmu::index(problem, true);
            let why = mmu::soft603::prepare(s, va, f.access, index);
            let kind = match f.access {
                Access::Exec => Kind::FetchMiss,
                Access::Read => Kind::DataMiss,
                Access::Write => Kind::StoreMiss,
            };
            return self.enter(s, pc, kind, why);
        }
        let why = match f.code {
            fault::NO_PTE => 0x4000_0000,
            fault::PROTECTION => 0x0800_0000,
            fault::DIRECT_STORE if f.access != Access::Exec => 0x8000_0000,
            _ => 0x1000_0000,
        };
        if f.access == Access::Exec {
            return self.enter(s, pc, Kind::Instruction, why);
        }
        let store = if f.access == Access::Write {
            DSISR_STORE
        } else {
            0
        };
        s.set_spr(num::DSISR, why | store);
        s.set_spr(num::DAR, va);
        self.enter(s, pc, Kind::Data, 0)
    }

    /// Machine check of an access that nobody answers. [E500RM 5.7.2, PEM 6.4.2]
    fn enter_bus_error(
        &self,
        s: &mut SystemState,
        pc: &mut u64,
        pa: u64,
        access: Access,
    ) -> Outcome {
        let back = *pc as u32;
        if s.msr() & msr::ME == 0 {
            return Outcome::Stuck(format!(
                "checkstop: nothing answers at physical {pa:#x} ({access:?} at pc {back:#010x}), and machine checks are off"
            ));
        }
        let bits = interrupt::MCSR_BUS;
        let bit = match access {
            Access::Exec => bits[0],
            Access::Read => bits[1],
            Access::Write => bits[2],
        };
        if s.is(family::E500) {
            s.set_spr(num::MCSR, bit);
            s.set_spr(num::MCAR, pa as u32);
            s.set_spr(num::MCARU, (pa >> 32) as u32);
        } else if s.is(family::P440) {
            s.or_spr(num::MCSR, MCSR_440);
        }
        // Classic: transfer error acknowledge.
        interrupt::enter(s, pc, Kind::MachineCheck, back, 0x0004_0000);
        Outcome::Go
    }

    fn unimplemented(&self, host: &dyn CpuHost, pc: u64, insn: u32) {
        let line = || {
            let text = crate::disasm::disassemble(insn, pc, false);
            let text = text.unwrap_or_else(|| format!("{insn:#010x}"));
            format!("{pc:#010x}: {text} is not implemented: program interrupt")
        };
        host.socket().guest_error(&line);
    }

    fn bad_spr(&self, host: &dyn CpuHost, pc: u64, info: u64) {
        let (n, write) = (info as u32 & 0x3ff, info >> 16 & 1 != 0);
        let line = || {
            let way = if write { "write" } else { "read" };
            let (name, cpu) = (spr::name(n), self.model.user.name);
            format!(
                "{pc:#010x}: {way} of SPR {n} ({name}), which the {cpu} does not have or is not implemented"
            )
        };
        host.socket().guest_error(&line);
    }
}

/// DSISR: the access was a store. [PEM 6.4.3]
const DSISR_STORE: u32 = 1 << 25;
/// ESR of the 405: a zone.
const ESR_DIZ: u32 = 1 << 22;
/// MCSR of the 440: machine check, data read of the PLB.
const MCSR_440: u32 = 1 << 31 | 1 << 29;

/// DBCR0: single steps.
const STEP_BITS: u32 = interrupt::DBCR0_IDM | interrupt::DBSR_ICMP;

/// The block mode that a state calls for.
fn mode_of(s: &SystemState) -> u32 {
    let mut mode = Mode::of(&s.user).0;
    let msr = s.msr();
    if msr & (msr::FE0 | msr::FE1) == 0 {
        mode &= !Mode::EXACT;
    }
    if msr & msr::IR != 0 {
        mode |= Mode::IR;
    }
    if msr & msr::DR != 0 {
        mode |= Mode::DR;
    }
    let stepping = match s.is(family::CLASSIC) {
        true => msr & msr::SE != 0,
        false => msr & msr::DE != 0 && s.spr(num::DBCR0) & STEP_BITS == STEP_BITS,
    };
    if stepping {
        mode |= Mode::STEP;
    }
    mode
}

/// The whole state block. The engine allots [`Isa::state_bytes`] of it, aligned.
fn view(state: &mut [u8]) -> &mut SystemState {
    match SystemState::from_bytes_mut(state) {
        Some(s) => s,
        None => unreachable!("a state block is too small or misaligned"),
    }
}

impl Isa for PpcSystem {
    fn name(&self) -> &'static str {
        self.user.name()
    }

    fn layout(&self) -> &'static StateLayout {
        &SYSTEM_LAYOUT
    }

    fn state_bytes(&self) -> usize {
        size_of::<SystemState>()
    }

    fn reset(&self, state: &mut [u8]) {
        self.reset_state(view(state));
    }

    fn helpers(&self) -> &'static [HelperDef] {
        crate::helper::HELPERS
    }

    fn mode(&self, state: &[u8], current: u32) -> u32 {
        SystemState::from_bytes(state).map_or(current, mode_of)
    }

    fn fp_modes(&self, mode: u32) -> [FpMode; 2] {
        Mode(mode).fp_modes()
    }

    fn translate(&self, pc: u64, mode: u32, ctx: &mut TranslateCtx<'_>) -> Result<Block, MemFault> {
        crate::translate::translate(self.user.model, Some(self.model.family), pc, mode, ctx)
    }

    fn disassemble(&self, pc: u64, mode: u32, bytes: &[u8]) -> (String, usize) {
        self.user.disassemble(pc, mode, bytes)
    }

    fn dump(&self, state: &[u8], pc: u64, mode: u32) -> String {
        let mut out = self.user.dump(state, pc, mode);
        let Some(s) = SystemState::from_bytes(state) else {
            return out;
        };
        for row in spr::TABLE {
            let n = u32::from(row.number);
            let shown = row.family & s.family != 0
                && matches!(
                    row.how,
                    spr::How::Keep | spr::How::Mask(_) | spr::How::Clear
                );
            if shown && s.spr(n) != 0 {
                let _ = writeln!(out, "{:>8} {:08x}", row.name, s.spr(n));
            }
        }
        out
    }

    fn gdb(&self) -> Option<GdbDescription> {
        Some(gdb::describe(self.user.model, self.model.family))
    }

    fn system(&self) -> Option<&dyn System> {
        Some(self)
    }
}

impl System for PpcSystem {
    fn mmu_index(&self, mode: u32, exec: bool) -> u8 {
        let relocated = if exec { Mode::IR } else { Mode::DR };
        mmu::index(Mode(mode).has(Mode::PR), Mode(mode).has(relocated))
    }

    fn walk(
        &self,
        cpu: &mut SysCpu<'_>,
        va: u64,
        access: Access,
        mmu_index: u8,
    ) -> Result<Mapping, SysFault> {
        let s = view(cpu.state);
        self.broadcasts.apply(s, cpu.host);
        let mut found = self.translate_address(s, cpu.host, va as u32, access, mmu_index, false)?;
        found.pa &= self.model.physical_mask();
        Ok(found)
    }

    fn context(&self, state: &[u8]) -> ContextKey {
        SystemState::from_bytes(state).map_or([0; 8], mmu::context)
    }

    fn peek(&self, cpu: &mut SysCpu<'_>, va: u64, mmu_index: u8) -> Option<Mapping> {
        let s = view(cpu.state);
        let accesses = [Access::Read, Access::Exec, Access::Write];
        accesses.into_iter().find_map(|access| {
            self.translate_address(s, cpu.host, va as u32, access, mmu_index, true)
                .ok()
        })
    }

    fn fault(&self, cpu: &mut SysCpu<'_>, fault: &SysFault) -> Outcome {
        let s = view(cpu.state);
        if fault.code == tcg_target::system::BUS_ERROR {
            return self.enter_bus_error(s, cpu.pc, fault.info, fault.access);
        }
        match s.is(family::CLASSIC) {
            true => self.classic_fault(s, cpu.pc, fault),
            false => self.booke_fault(s, cpu.pc, fault),
        }
    }

    fn bus_error(&self, cpu: &mut SysCpu<'_>, _: u64, pa: u64, access: Access) -> Outcome {
        self.enter_bus_error(view(cpu.state), cpu.pc, pa, access)
    }

    fn alignment(&self, cpu: &mut SysCpu<'_>, va: u64, access: Access) -> Outcome {
        let s = view(cpu.state);
        let store = if access == Access::Write { esr::ST } else { 0 };
        interrupt::set_esr(s, store);
        interrupt::set_dear(s, va as u32);
        if s.is(family::CLASSIC) {
            let index = mmu::index(s.msr() & msr::PR != 0, s.msr() & msr::IR != 0);
            let insn = cpu.host.read_virt(*cpu.pc, 4, true, index).unwrap_or(0) as u32;
            s.set_spr(num::DSISR, alignment_dsisr(insn));
        }
        self.enter(s, cpu.pc, Kind::Alignment, 0)
    }

    fn trap(&self, cpu: &mut SysCpu<'_>, code: u32, info: u64) -> Outcome {
        let s = view(cpu.state);
        let insn = info as u32;
        match code {
            trap::SC => return self.enter(s, cpu.pc, Kind::SystemCall, 0),
            trap::PRIVILEGED => interrupt::program(s, cpu.pc, Program::Privileged),
            trap::TRAP => interrupt::program(s, cpu.pc, Program::Trap),
            trap::FP_EXCEPTION => interrupt::program(s, cpu.pc, Program::Float),
            trap::FP_UNAVAILABLE => return self.enter(s, cpu.pc, Kind::FpUnavailable, 0),
            trap::VEC_UNAVAILABLE => return self.enter(s, cpu.pc, Kind::VectorUnavailable, 0),
            trap::SPE_UNAVAILABLE if s.msr() & msr::VEC == 0 => {
                interrupt::set_esr(s, esr::SPE);
                return self.enter(s, cpu.pc, Kind::VectorUnavailable, 0);
            }
            trap::ALIGNMENT => return self.alignment(cpu, info, Access::Read),
            trap::STEPPED if s.is(family::CLASSIC) => return self.enter(s, cpu.pc, Kind::Trace, 0),
            trap::STEPPED => {
                s.or_spr(num::DBSR, interrupt::DBSR_ICMP);
                return self.enter(s, cpu.pc, Kind::Debug, 0);
            }
            trap::WAIT => {
                s.halted = 1;
                return Outcome::Halt;
            }
            trap::TLBIVAX => {
                self.broadcasts.publish(insn);
                self.broadcasts.apply(s, cpu.host);
                cpu.host.flush_tlb_others();
            }
            trap::BAD_SPR => {
                self.bad_spr(cpu.host, *cpu.pc, info);
                interrupt::program(s, cpu.pc, Program::Illegal);
            }
            trap::UNIMPLEMENTED | trap::SPE_UNAVAILABLE => {
                self.unimplemented(cpu.host, *cpu.pc, insn);
                interrupt::program(s, cpu.pc, Program::Illegal);
            }
            _ => interrupt::program(s, cpu.pc, Program::Illegal),
        }
        Outcome::Go
    }

    fn interrupt(&self, cpu: &mut SysCpu<'_>) -> bool {
        interrupt::deliver(view(cpu.state), cpu.pc, cpu.host)
    }

    fn timer(&self, cpu: &mut SysCpu<'_>) {
        let s = view(cpu.state);
        time::advance(s, cpu.host.now_ns());
        time::arm(s, cpu.host);
        interrupt::refresh(s, cpu.host);
    }

    fn is_halted(&self, state: &[u8]) -> bool {
        SystemState::from_bytes(state).is_some_and(|s| s.halted != 0)
    }

    fn before_save(&self, cpu: &mut SysCpu<'_>) {
        self.broadcasts.apply(view(cpu.state), cpu.host);
    }

    fn after_load(&self, cpu: &mut SysCpu<'_>) {
        let s = view(cpu.state);
        self.broadcasts.restore(s.seen);
        time::arm(s, cpu.host);
        interrupt::refresh(s, cpu.host);
    }

    fn reset(&self, cpu: &mut SysCpu<'_>, index: u32) {
        let s = view(cpu.state);
        self.reset_state(s);
        s.seen = self.broadcasts.count();
        reset::number(s, index);
        *cpu.pc = u64::from(self.model.reset_pc);
        *cpu.mode = mode_of(s);
        reset::start_timers(s, cpu.host);
        cpu.host.flush_tlb();
    }
}

/// What DSISR says of an instruction whose access is not aligned. [PEM 6.4.6]
const fn alignment_dsisr(insn: u32) -> u32 {
    let registers = insn >> 16 & 0x3ff;
    let kind = match insn >> 26 {
        // Indexed forms: bits 29 and 30, 25, and 21 to 24 of the opcode.
        31 => (insn >> 1 & 3) << 15 | (insn >> 6 & 1) << 14 | (insn >> 7 & 0xf) << 10,
        // The opcode's bit 5, and 1 to 4.
        _ => (insn >> 26 & 1) << 14 | (insn >> 27 & 0xf) << 10,
    };
    kind | registers
}

/// Whether an index is one of relocated accesses; for tests of the contract with the engine.
pub const fn relocated(index: u8) -> bool {
    is_relocated(index)
}
