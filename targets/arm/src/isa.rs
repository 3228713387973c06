//! The interface to the translator: an Arm CPU of one model and byte order.

use std::fmt::Write;

use tcg_ir::{Block, FpMode, HelperDef, Slot, StateLayout};
use tcg_mem::MemFault;
use tcg_target::gdb::GdbDescription;
use tcg_target::{Isa, TranslateCtx};

use crate::disasm::{self, Context};
use crate::features::{CpuModel, MODELS};
use crate::state::{ArmState, LAYOUT, Mode};

/// A 32-bit Arm CPU.
#[derive(Clone, Copy, Debug)]
pub struct Arm {
    /// The CPU model.
    pub model: &'static CpuModel,
    /// Big-endian data from the start (`armeb`, BE-8).
    pub big_endian: bool,
    /// Code from this address on is the platform's own and may use every instruction, whatever the model.
    pub platform_code: Option<u64>,
}

impl Isa for Arm {
    fn name(&self) -> &'static str {
        if self.big_endian { "armeb" } else { "arm" }
    }

    fn layout(&self) -> &'static StateLayout {
        &LAYOUT
    }

    fn reservation(&self) -> Option<Slot> {
        Some(crate::state::slot::EXCL_ADDR)
    }

    fn state_bytes(&self) -> usize {
        size_of::<ArmState>()
    }

    fn reset(&self, state: &mut [u8]) {
        if let Some(s) = ArmState::from_bytes_mut(state) {
            *s = ArmState::new();
        }
    }

    fn helpers(&self) -> &'static [HelperDef] {
        crate::helper::HELPERS
    }

    /// Only the floating-point control is in the state; IT state and byte order are in the mode alone.
    fn mode(&self, state: &[u8], current: u32) -> u32 {
        match ArmState::from_bytes(state) {
            Some(s) => Mode(current).with_fpscr(s.fpscr).0,
            None => current,
        }
    }

    fn fp_modes(&self, mode: u32) -> [FpMode; 2] {
        Mode(mode).fp_modes()
    }

    fn translate(&self, pc: u64, mode: u32, ctx: &mut TranslateCtx<'_>) -> Result<Block, MemFault> {
        let own = self.platform_code.is_some_and(|from| pc >= from);
        let model = if own { &MODELS[0] } else { self.model };
        crate::translate::translate(model, pc, mode, ctx)
    }

    fn disassemble(&self, pc: u64, mode: u32, bytes: &[u8]) -> (String, usize) {
        let it = Mode(mode).it();
        let context = Context {
            pc: pc as u32 & !1,
            it_cond: (it != 0).then_some(it >> 4),
        };
        let half = |at: usize| match bytes.get(at..at + 2) {
            Some(&[a, b]) => Some(u32::from(u16::from_le_bytes([a, b]))),
            _ => None,
        };
        let (text, insn, len) = match (pc & 1 != 0, half(0), half(2)) {
            (false, Some(lo), Some(hi)) => {
                let insn = hi << 16 | lo;
                (disasm::disassemble_a32(insn, context), insn, 4)
            }
            (true, Some(first), Some(second)) if first >> 11 >= 0b11101 => {
                let insn = first << 16 | second;
                (disasm::disassemble_t32(insn, context), insn, 4)
            }
            (true, Some(first), _) if first >> 11 < 0b11101 => {
                (disasm::disassemble_t16(first as u16, context), first, 2)
            }
            _ => return ("<cut off>".to_string(), bytes.len()),
        };
        let text = text.unwrap_or_else(|| format!("<undefined {insn:#0w$x}>", w = 2 + 2 * len));
        (text, len)
    }

    fn dump(&self, state: &[u8], pc: u64, mode: u32) -> String {
        let Some(s) = ArmState::from_bytes(state) else {
            return String::new();
        };
        let mut out = String::new();
        for (i, v) in s.r.iter().copied().chain([pc as u32 & !1]).enumerate() {
            let end = if i % 4 == 3 { '\n' } else { ' ' };
            let _ = write!(out, "R{i:02}={v:08x}{end}");
        }
        let psr = s.cpsr(pc, Mode(mode));
        let flag = |bit: u32, name: char| if psr >> bit & 1 != 0 { name } else { '-' };
        let _ = writeln!(
            out,
            "PSR={psr:08x} {}{}{}{} {} usr32",
            flag(31, 'N'),
            flag(30, 'Z'),
            flag(29, 'C'),
            flag(28, 'V'),
            if pc & 1 != 0 { 'T' } else { 'A' },
        );
        out
    }

    fn gdb(&self) -> Option<GdbDescription> {
        Some(crate::gdb::describe(self.model, self.big_endian))
    }
}
