//! The interface to the translator: a Power CPU of one model, word size and byte order.

use std::fmt::Write;

use tcg_ir::{Block, FpMode, HelperDef, Slot, StateLayout};
use tcg_mem::MemFault;
use tcg_target::gdb::GdbDescription;
use tcg_target::{Isa, TranslateCtx};

use crate::decode::Feature;
use crate::features::CpuModel;
use crate::gdb;
use crate::state::{LAYOUT, Mode, PpcState, msr};

/// A Power CPU in problem state.
#[derive(Clone, Copy, Debug)]
pub struct Ppc {
    /// The CPU model.
    pub model: &'static CpuModel,
    /// 64-bit mode from the start.
    pub wide: bool,
    /// Little-endian from the start.
    pub little_endian: bool,
}

impl Ppc {
    /// MSR as Linux sets it up for a program.
    pub fn user_msr(&self) -> u64 {
        let mut m = msr::EE | msr::PR | msr::ME | msr::IR_DR | msr::RI;
        let has = |f| self.model.features.has(f);
        if has(Feature::Fp) {
            m |= msr::FP | msr::FE0 | msr::FE1;
        }
        if has(Feature::Altivec) || has(Feature::Spe) {
            m |= msr::VEC;
        }
        if has(Feature::Vsx) {
            m |= msr::VSX;
        }
        if self.wide {
            m |= msr::SF;
        }
        if self.little_endian {
            m |= msr::LE;
        }
        m
    }
}

impl Isa for Ppc {
    fn name(&self) -> &'static str {
        match (self.wide, self.little_endian) {
            (false, _) => "ppc",
            (true, false) => "ppc64",
            (true, true) => "ppc64le",
        }
    }

    fn layout(&self) -> &'static StateLayout {
        &LAYOUT
    }

    fn reservation(&self) -> Option<Slot> {
        Some(crate::state::slot::RESV_ADDR)
    }

    fn state_bytes(&self) -> usize {
        size_of::<PpcState>()
    }

    fn reset(&self, state: &mut [u8]) {
        if let Some(s) = PpcState::from_bytes_mut(state) {
            *s = PpcState::new();
            s.msr = self.user_msr();
            s.pvr = u64::from(self.model.pvr);
            // Linux starts programs with Java mode off.
            s.nj = u32::from(self.model.features.has(Feature::Altivec));
        }
    }

    fn helpers(&self) -> &'static [HelperDef] {
        crate::helper::HELPERS
    }

    fn mode(&self, state: &[u8], current: u32) -> u32 {
        PpcState::from_bytes(state).map_or(current, |s| Mode::of(s).0)
    }

    fn fp_modes(&self, mode: u32) -> [FpMode; 2] {
        Mode(mode).fp_modes()
    }

    fn translate(&self, pc: u64, mode: u32, ctx: &mut TranslateCtx<'_>) -> Result<Block, MemFault> {
        crate::translate::translate(self.model, None, pc, mode, ctx)
    }

    fn gdb(&self) -> Option<GdbDescription> {
        let (model, side) = (self.model, gdb::Side::Program);
        Some(gdb::describe(model, self.wide, self.little_endian, side))
    }

    fn disassemble(&self, pc: u64, mode: u32, bytes: &[u8]) -> (String, usize) {
        let Some(&[a, b, c, d]) = bytes.get(..4) else {
            return ("<cut off>".to_string(), bytes.len());
        };
        let insn = match Mode(mode).has(Mode::LE) {
            true => u32::from_le_bytes([a, b, c, d]),
            false => u32::from_be_bytes([a, b, c, d]),
        };
        let text = crate::disasm::disassemble(insn, pc, self.wide);
        (text.unwrap_or_else(|| format!(".long {insn:#x}")), 4)
    }

    fn dump(&self, state: &[u8], pc: u64, mode: u32) -> String {
        let Some(s) = PpcState::from_bytes(state) else {
            return String::new();
        };
        let w = if self.wide { 16 } else { 8 };
        let mask = if self.wide { u64::MAX } else { 0xffff_ffff };
        let mut out = String::new();
        let _ = writeln!(
            out,
            "NIP {pc:0w$x}   LR {:0w$x} CTR {:0w$x} XER {:0w$x} CPU#0",
            s.lr & mask,
            s.ctr & mask,
            s.xer(),
        );
        let _ = writeln!(
            out,
            "MSR {:0w$x} HID0 {:0w$x}  HF {mode:08x} iidx 0 didx 0",
            s.msr & mask,
            0
        );
        for (i, v) in s.gpr.iter().enumerate() {
            let per_line = if self.wide { 4 } else { 8 };
            if i % per_line == 0 {
                let _ = write!(out, "GPR{i:02}");
            }
            let end = if i % per_line == per_line - 1 {
                "\n"
            } else {
                ""
            };
            let _ = write!(out, " {:0w$x}{end}", v & mask);
        }
        let _ = write!(out, "CR {:08x}  [", s.cr());
        for f in s.cr {
            let c = match f {
                [1, ..] => 'L',
                [_, 1, ..] => 'G',
                [_, _, 1, _] => 'E',
                _ => '-',
            };
            let _ = write!(out, " {c}{}", if f[3] != 0 { 'O' } else { ' ' });
        }
        let _ = writeln!(
            out,
            " ]     RES 00{}@{:0w$x}",
            s.resv_size,
            s.resv_addr & mask
        );
        for i in 0..32 {
            if i % 4 == 0 {
                let _ = write!(out, "FPR{i:02}");
            }
            let end = if i % 4 == 3 { "\n" } else { "" };
            let _ = write!(out, " {:016x}{end}", s.fpr(i));
        }
        let _ = writeln!(out, "FPSCR {:016x}", s.fpscr | u64::from(s.fpx));
        out
    }
}
