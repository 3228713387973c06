//! Forward branches over a few simple instructions. Such a branch does not end in an exit: a single computation becomes a
//! selection, as processors that fuse the pair do it, and anything else a predicated region. [RISC-V rv32.2.5]

use tcg_ir::{ExitInfo, Op, RegionKind, Value};

use super::fetch::Fetcher;
use super::{Out, Translator};
use crate::decode::Feature;
use tcg_ir::Cond;

/// Branches over more bytes than this leave the block.
const MAX_BYTES: u64 = 16;

/// A branch that may become a skip: the decision needs the instructions behind it.
#[derive(Clone, Copy)]
pub(super) struct Branch {
    /// Whether it is taken.
    pub taken: Value,
    pub info: ExitInfo,
}

/// A part of the code that runs only under a condition.
#[derive(Clone, Copy)]
pub(super) struct Skip {
    /// Where it ends.
    pub end: u64,
    /// For a single computation: the condition under which its result counts.
    pub select: Option<Value>,
}

/// What kind of simple instruction it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Simple {
    Computes,
    Accesses,
}

impl Translator<'_> {
    /// Whether a forward branch may be a skip.
    pub(super) fn may_skip(&self, target: u64) -> bool {
        self.skips && target > self.next && target - self.next <= MAX_BYTES
    }

    /// Decides on the branch that has just been translated. `left`: how many instructions the block may still have.
    pub(super) fn decide_branch(&mut self, fetcher: &mut Fetcher<'_, '_>, left: u32) {
        let Some(branch) = self.branch.take() else {
            return;
        };
        let end = branch.info.pc;
        let found = self.simple_run(fetcher, end);
        let Some((count, kind)) = found.filter(|(count, _)| *count < left) else {
            return self.b.exit_if(branch.taken, branch.info, Value::NONE);
        };
        let stays = self.complement(branch.taken);
        let select = count == 1 && kind == Simple::Computes;
        self.skip = Some(Skip {
            end,
            select: select.then_some(stays),
        });
        if !select {
            self.b.begin_if(stays, RegionKind::Simple);
        }
    }

    /// Ends the skip whose end has been reached.
    pub(super) fn end_skip(&mut self) {
        if let Some(skip) = self.skip.filter(|s| self.next >= s.end) {
            self.skip = None;
            if skip.select.is_none() {
                self.b.end_if();
            }
        }
    }

    fn complement(&mut self, test: Value) -> Value {
        let def = *self.b.block.def(test);
        match Cond::from_index(def.lane) {
            Some(cond) if def.op == Op::ICmp => {
                self.b.icmp(cond.negate(), def.args[0], def.args[1])
            }
            _ => {
                let zero = self.b.i32(0);
                self.b.icmp(Cond::Eq, test, zero)
            }
        }
    }

    /// How many instructions there are up to `end`, if all are simple and the last one ends there.
    fn simple_run(&self, fetcher: &mut Fetcher<'_, '_>, end: u64) -> Option<(u32, Simple)> {
        let (mut at, mut count, mut kind) = (self.next, 0, Simple::Computes);
        while at < end {
            let (insn, len) = fetcher.insn(at).ok()?;
            let this = match len {
                2 if !self.has(Feature::C) => None,
                2 => self.simple_compressed(insn),
                _ => self.simple(insn),
            }?;
            if this == Simple::Accesses {
                kind = this;
            }
            (at, count) = (at + len, count + 1);
        }
        (at == end && count != 0).then_some((count, kind))
    }

    /// Instructions that do no more than set a register or access memory, of the base and M. What is illegal is not among
    /// them. [RISC-V rv-32-64g]
    fn simple(&self, insn: u32) -> Option<Simple> {
        let (f3, f7) = (insn >> 12 & 7, insn >> 25);
        let wide = self.is_64();
        let shift = |f7: u32, bits: u32| match f3 {
            1 => f7 >> bits == 0,
            5 => f7 >> bits & !(0x20 >> bits) == 0,
            _ => true,
        };
        let alu = |f7: u32| match f7 {
            0 => true,
            0x20 => f3 == 0 || f3 == 5,
            1 => self.has(Feature::M),
            _ => false,
        };
        let computes = match insn & 0x7f {
            0x37 | 0x17 => true,
            0x13 => shift(f7, wide as u32),
            0x1b => wide && (f3 == 0 || (f3 == 1 || f3 == 5) && shift(f7, 0)),
            0x33 => alu(f7),
            0x3b => {
                wide && match f7 {
                    1 => self.has(Feature::M) && (f3 == 0 || f3 > 3),
                    _ => alu(f7) && matches!(f3, 0 | 1 | 5),
                }
            }
            _ => false,
        };
        let accesses = match (insn & 0x7f, f3) {
            (0x03, 0 | 1 | 2 | 4 | 5) | (0x23, 0..=2) => true,
            (0x03, 3 | 6) | (0x23, 3) => wide,
            _ => false,
        };
        match (computes, accesses) {
            (true, _) => Some(Simple::Computes),
            (_, true) => Some(Simple::Accesses),
            _ => None,
        }
    }

    /// The same of 16 bits. [RISC-V c.8]
    fn simple_compressed(&self, insn: u32) -> Option<Simple> {
        let (d, low) = (insn >> 7 & 31, insn >> 2 & 31);
        let wide = self.is_64();
        let computes = match (insn & 3, insn >> 13 & 7) {
            // c.addi4spn
            (0, 0) => insn >> 5 & 0xff != 0,
            // c.addi, c.li
            (1, 0 | 2) => true,
            // c.addiw
            (1, 1) => wide && d != 0,
            // c.lui, c.addi16sp
            (1, 3) => (low != 0 || insn >> 12 & 1 != 0) && d != 0,
            // c.andi; c.sub, c.xor, c.or, c.and
            (1, 4) => insn >> 10 & 3 == 2 || insn >> 10 & 7 == 3,
            // c.slli
            (2, 0) => wide,
            // c.mv, c.add
            (2, 4) => low != 0 && d != 0,
            _ => false,
        };
        let accesses = match (insn & 3, insn >> 13 & 7) {
            // c.lw, c.sw, c.swsp
            (0, 2 | 6) | (2, 6) => true,
            // c.ld, c.sd, c.sdsp
            (0, 3 | 7) | (2, 7) => wide,
            // c.lwsp, c.ldsp
            (2, 2) => d != 0,
            (2, 3) => wide && d != 0,
            _ => false,
        };
        match (computes, accesses) {
            (true, _) => Some(Simple::Computes),
            (_, true) => Some(Simple::Accesses),
            _ => None,
        }
    }

    /// Leaves by a branch, now or once it is known what follows.
    pub(super) fn leave_by(&mut self, taken: Value, info: ExitInfo) -> Out {
        match self.may_skip(info.pc) && !info.check {
            true => self.branch = Some(Branch { taken, info }),
            false => self.b.exit_if(taken, info, Value::NONE),
        }
        Out::Next
    }
}
