//! The interface to the translator: a RISC-V CPU.

use std::fmt::Write;

use tcg_ir::{Block, FpMode, HelperDef, Slot, StateLayout};
use tcg_mem::MemFault;
use tcg_target::{Isa, TranslateCtx};

use crate::disasm;
use crate::features::Cpu;
use crate::state::{F_NAMES, LAYOUT, LAYOUT_32, Mode, RiscvState, X_NAMES};

/// A RISC-V CPU.
#[derive(Clone, Copy, Debug)]
pub struct Riscv {
    /// What the CPU has.
    pub cpu: Cpu,
}

impl Isa for Riscv {
    fn name(&self) -> &'static str {
        if self.cpu.is_64() {
            "riscv64"
        } else {
            "riscv32"
        }
    }

    fn layout(&self) -> &'static StateLayout {
        match self.cpu.is_64() {
            true => &LAYOUT,
            false => &LAYOUT_32,
        }
    }

    fn reservation(&self) -> Option<Slot> {
        Some(crate::state::slot::RESERVED_ADDR)
    }

    fn state_bytes(&self) -> usize {
        size_of::<RiscvState>()
    }

    fn reset(&self, state: &mut [u8]) {
        if let Some(s) = RiscvState::from_bytes_mut(state) {
            *s = RiscvState::new();
        }
    }

    fn helpers(&self) -> &'static [HelperDef] {
        crate::helper::HELPERS
    }

    fn mode(&self, state: &[u8], current: u32) -> u32 {
        match RiscvState::from_bytes(state) {
            Some(s) => Mode(current).with_frm(s.frm).0,
            None => current,
        }
    }

    fn fp_modes(&self, mode: u32) -> [FpMode; 2] {
        Mode(mode).fp_modes()
    }

    fn translate(&self, pc: u64, mode: u32, ctx: &mut TranslateCtx<'_>) -> Result<Block, MemFault> {
        crate::translate::translate(&self.cpu, pc, mode, ctx)
    }

    fn disassemble(&self, pc: u64, _mode: u32, bytes: &[u8]) -> (String, usize) {
        let half = |at: usize| match bytes.get(at..at + 2) {
            Some(&[a, b]) => Some(u32::from(u16::from_le_bytes([a, b]))),
            _ => None,
        };
        let features = self.cpu.features;
        let (text, insn, len) = match (half(0), half(2)) {
            (Some(lo), _) if lo & 3 != 3 => (disasm::compressed(features, lo as u16, pc), lo, 2),
            (Some(lo), Some(hi)) => {
                let insn = hi << 16 | lo;
                (disasm::full(features, insn, pc), insn, 4)
            }
            _ => return ("<cut off>".to_string(), bytes.len()),
        };
        let text = text.unwrap_or_else(|| format!("<undefined {insn:#0w$x}>", w = 2 + 2 * len));
        (text, len)
    }

    /// As QEMU's `-d cpu`: the program counter, then four registers to a line.
    fn dump(&self, state: &[u8], pc: u64, _mode: u32) -> String {
        let Some(s) = RiscvState::from_bytes(state) else {
            return String::new();
        };
        let digits = if self.cpu.is_64() { 16 } else { 8 };
        let mask = if self.cpu.is_64() {
            u64::MAX
        } else {
            0xffff_ffff
        };
        let mut out = format!(" pc       {:0digits$x}\n", pc & mask);
        for (i, v) in s.x.iter().enumerate() {
            let name = format!("x{i}/{}", X_NAMES[i]);
            let end = if i % 4 == 3 { "\n" } else { "" };
            let _ = write!(out, " {name:<8} {:0digits$x}{end}", v & mask);
        }
        let fp = s.frm != 0 || s.f.iter().any(|v| *v != 0);
        for (i, v) in s.f.iter().enumerate().filter(|_| fp) {
            let name = format!("f{i}/{}", F_NAMES[i]);
            let end = if i % 4 == 3 { "\n" } else { "" };
            let _ = write!(out, " {name:<8} {v:016x}{end}");
        }
        out
    }

    fn gdb(&self) -> Option<tcg_target::gdb::GdbDescription> {
        Some(crate::gdb::describe(&self.cpu))
    }
}
