//! The interface to the translator: a 64-bit Arm CPU of one model and byte order.

use std::fmt::Write;

use tcg_ir::{Block, FpMode, HelperDef, Slot, StateLayout};
use tcg_mem::MemFault;
use tcg_target::{Isa, TranslateCtx};

use crate::features::CpuModel;
use crate::state::{A64State, LAYOUT, Mode};

/// A 64-bit Arm CPU.
#[derive(Clone, Copy, Debug)]
pub struct Aarch64 {
    /// The CPU model.
    pub model: &'static CpuModel,
    /// Big-endian data (`aarch64_be`).
    pub big_endian: bool,
}

impl Isa for Aarch64 {
    fn name(&self) -> &'static str {
        if self.big_endian {
            "aarch64_be"
        } else {
            "aarch64"
        }
    }

    fn layout(&self) -> &'static StateLayout {
        &LAYOUT
    }

    fn reservation(&self) -> Option<Slot> {
        Some(crate::state::slot::EXCL_ADDR)
    }

    fn state_bytes(&self) -> usize {
        size_of::<A64State>()
    }

    fn reset(&self, state: &mut [u8]) {
        if let Some(s) = A64State::from_bytes_mut(state) {
            *s = A64State::new();
        }
    }

    fn helpers(&self) -> &'static [HelperDef] {
        crate::helper::HELPERS
    }

    /// Only the floating-point control is in the state; the byte order is in the mode alone.
    fn mode(&self, state: &[u8], current: u32) -> u32 {
        match A64State::from_bytes(state) {
            Some(s) => Mode(current).with_fpcr(s.fpcr).0,
            None => current,
        }
    }

    fn fp_modes(&self, mode: u32) -> [FpMode; 2] {
        Mode(mode).fp_modes()
    }

    fn translate(&self, pc: u64, mode: u32, ctx: &mut TranslateCtx<'_>) -> Result<Block, MemFault> {
        crate::translate::translate(self.model, pc, mode, ctx)
    }

    /// The top byte of an address is ignored: once a program uses that, its accesses mask it.
    fn retry_fault(&self, mode: u32, _fault: &MemFault) -> Option<u32> {
        let mode = Mode(mode);
        (!mode.ignores_tags()).then(|| mode.with_tags_ignored().0)
    }

    fn disassemble(&self, pc: u64, _mode: u32, bytes: &[u8]) -> (String, usize) {
        let Some(&[a, b, c, d]) = bytes.first_chunk() else {
            return ("<cut off>".to_string(), bytes.len());
        };
        let insn = u32::from_le_bytes([a, b, c, d]);
        let text = crate::disasm::disassemble(insn, pc);
        (
            text.unwrap_or_else(|| format!(".inst 0x{insn:08x} ; undefined")),
            4,
        )
    }

    fn gdb(&self) -> Option<tcg_target::gdb::GdbDescription> {
        Some(crate::gdb::describe(self.big_endian))
    }

    /// In the form of QEMU's `-d cpu`.
    fn dump(&self, state: &[u8], pc: u64, _mode: u32) -> String {
        let Some(s) = A64State::from_bytes(state) else {
            return String::new();
        };
        let mut out = format!(" PC={pc:016x} ");
        for (i, v) in s.x.iter().enumerate() {
            let _ = match i {
                31 => writeln!(out, " SP={v:016x}"),
                _ => write!(
                    out,
                    "X{i:02}={v:016x}{}",
                    if (i + 2) % 3 == 0 { "\n" } else { " " }
                ),
            };
        }
        let psr = s.pstate();
        let flag = |bit: u32, name: char| if psr >> bit & 1 != 0 { name } else { '-' };
        let _ = writeln!(
            out,
            "PSTATE={psr:08x} {}{}{}{} EL0t",
            flag(31, 'N'),
            flag(30, 'Z'),
            flag(29, 'C'),
            flag(28, 'V'),
        );
        out
    }
}
