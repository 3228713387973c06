//! The text log of `-d in_asm,op,out_asm,exec,cpu,int`.

use crate::{Observer, hostasm, log_mask};
use std::fmt::{Debug, Write as _};
use std::io::Write;
use std::sync::{Mutex, PoisonError};
use tcg_ir::{Block, Op};
use tcg_target::gdb::CpuRegs;
use tcg_target::{Isa, StateCopy};

/// Writes reports as text. Each report is one write, so that lines of threads and processes do not mix.
pub struct TextLog {
    mask: u32,
    /// First and last address of the guest code that counts; empty: all of it.
    ranges: Vec<(u64, u64)>,
    out: Mutex<Box<dyn Write + Send>>,
}

impl TextLog {
    /// A log of the reports in `mask`.
    pub fn new(mask: u32, ranges: Vec<(u64, u64)>, out: Box<dyn Write + Send>) -> TextLog {
        TextLog {
            mask,
            ranges,
            out: Mutex::new(out),
        }
    }

    fn has(&self, bit: u32) -> bool {
        self.mask & bit != 0
    }

    fn wants(&self, pc: u64) -> bool {
        let pc = pc & !1;
        self.ranges.is_empty() || self.ranges.iter().any(|(a, b)| (*a..=*b).contains(&pc))
    }

    fn write(&self, text: &str) {
        if text.is_empty() {
            return;
        }
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        // A log that cannot be written must not stop the guest.
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}

/// Disassembly of a block: its guest instructions at their own addresses and modes.
fn guest_code(isa: &dyn Isa, block: &Block, bytes: &[u8]) -> String {
    let start = block.pc & !1;
    let mut out = String::new();
    for i in block.insts.iter().filter(|i| i.op == Op::InsnStart) {
        let (pc, mode) = (i.imm as u64, u32::from(i.lane) | u32::from(i.aux) << 8);
        let at = (pc & !1).wrapping_sub(start);
        let code = usize::try_from(at).ok().and_then(|at| bytes.get(at..));
        let Some(code) = code.filter(|c| !c.is_empty()) else {
            let _ = writeln!(out, "{:#010x}:  (not contiguous)", pc & !1);
            continue;
        };
        // The mode of an instruction is that of its address: tag bits of the block's.
        let (text, len) = isa.disassemble(pc | (block.pc & 1), mode, code);
        let word: String = code.iter().take(len).map(|b| format!("{b:02x}")).collect();
        let _ = writeln!(out, "{:#010x}:  {word:<10}  {text}", pc & !1);
    }
    out
}

/// The registers behind the first feature of the debugger's description: floating point, vectors.
fn float_registers(out: &mut String, isa: &dyn Isa, state: &[u8], pc: u64, mode: u32) {
    let Some(description) = isa.gdb() else { return };
    let mut copy = StateCopy::default();
    copy.copy_from(state);
    let (mut pc, mut mode, mut fp_flags) = (pc, mode, 0);
    let regs = CpuRegs {
        state: copy.bytes_mut(),
        pc: &mut pc,
        mode: &mut mode,
        fp_flags: &mut fp_flags,
        now_ns: 0,
    };
    let floats = description.features.iter().skip(1).flat_map(|f| &f.regs);
    for (n, reg) in floats.enumerate() {
        let value = reg.read(&regs).unwrap_or_default();
        let hex: String = value.iter().rev().map(|b| format!("{b:02x}")).collect();
        let end = if n % 4 == 3 { '\n' } else { ' ' };
        let _ = write!(out, "{}={hex}{end}", reg.name);
    }
    out.push('\n');
}

impl Observer for TextLog {
    fn translated(
        &self,
        isa: &dyn Isa,
        block: &Block,
        bytes: &[u8],
        code: &[u8],
        constants: &[u8],
    ) {
        if !self.wants(block.pc) {
            return;
        }
        let mut out = String::new();
        if self.has(log_mask::IN_ASM) {
            let text = guest_code(isa, block, bytes);
            let _ = write!(out, "----------------\nIN:\n{text}\n");
        }
        if self.has(log_mask::OP) {
            let text = tcg_ir::text::print(block, isa.layout(), isa.helpers());
            let _ = write!(out, "OP:\n{text}\n");
        }
        if self.has(log_mask::OUT_ASM) && !code.is_empty() {
            let text = hostasm::disassemble(code);
            let data = hostasm::data(constants, code.len());
            let size = code.len() + constants.len();
            let _ = write!(out, "OUT: [size={size}]\n{text}{data}\n");
        }
        self.write(&out);
    }

    fn entered(&self, isa: &dyn Isa, pc: u64, mode: u32, state: &[u8]) {
        if !self.wants(pc) {
            return;
        }
        let mut out = String::new();
        if self.has(log_mask::EXEC) {
            let _ = writeln!(out, "Trace: {pc:08x}/{mode:x}");
        }
        if self.has(log_mask::CPU) {
            let _ = writeln!(out, "{}", isa.dump(state, pc, mode).trim_end());
            if self.has(log_mask::FPU) {
                float_registers(&mut out, isa, state, pc, mode);
            }
        }
        self.write(&out);
    }

    fn left(&self, _isa: &dyn Isa, pc: u64, mode: u32, _state: &[u8], why: &dyn Debug) {
        if self.has(log_mask::INT) {
            self.write(&format!("Exit at {pc:08x}/{mode:x}: {why:?}\n"));
        }
    }
}
