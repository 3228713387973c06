//! Advanced SIMD: moves of lanes and bytes. [ARMv8 C7.2]

use tcg_ir::{Op, Ty, Value};

use super::operand::ity;
use super::simd::{SCALAR, vty};
use super::{Out, Translator};
use crate::decode::args;
use crate::state::slot;

/// Lane size and index that imm5 encodes.
const fn lane_of(imm5: u32) -> (u32, i64) {
    let size = imm5.trailing_zeros();
    (size, (imm5 >> (size + 1)) as i64)
}

impl Translator<'_> {
    fn rev(&mut self, shape: u32, size: u32, d: u32, n: u32, group: i64) -> Out {
        self.v2(shape, 3, d, n, |t, ty, x| {
            t.b.vun(Op::VRev, ty, size as u8, x, group)
        })
    }

    pub(super) fn vrev64(&mut self, a: args::Vrev64) -> Out {
        self.rev(a.shape, a.size, a.rd, a.rn, 3)
    }

    pub(super) fn vrev32(&mut self, a: args::Vrev32) -> Out {
        self.rev(a.shape, a.size, a.rd, a.rn, 2)
    }

    pub(super) fn vrev16(&mut self, a: args::Vrev16) -> Out {
        self.rev(a.shape, 0, a.rd, a.rn, 1)
    }

    /// Bits of each byte reversed: halves, quarters, single bits exchanged.
    pub(super) fn rbit_v(&mut self, a: args::RbitV) -> Out {
        self.v2(a.shape, 3, a.rd, a.rn, |t, ty, mut x| {
            for (amount, mask) in [(4, 0x0f), (2, 0x33), (1, 0x55)] {
                let mask = t.splat(ty, 0, mask);
                let high = t.b.vun(Op::VShrI, ty, 0, x, amount);
                let high = t.vlane(Op::VAnd, ty, 3, high, mask);
                let low = t.vlane(Op::VAnd, ty, 3, x, mask);
                let low = t.b.vun(Op::VShlI, ty, 0, low, amount);
                x = t.vlane(Op::VOr, ty, 3, high, low);
            }
            x
        })
    }

    pub(super) fn vext(&mut self, a: args::Vext) -> Out {
        let shape = u32::from(a.quad);
        self.v3(shape, 3, a.rd, a.rn, a.rm, |t, ty, x, y| {
            if a.imm4 == 0 {
                return x;
            }
            t.b.vbin(Op::VExt, ty, 0, x, y, i64::from(a.imm4))
        })
    }

    /// UZP1, TRN1, ZIP1 (kind 1 to 3) and their second forms (5 to 7).
    pub(super) fn permute(&mut self, a: args::Permute) -> Out {
        let op = match a.kind {
            1 => Op::VUzpEven,
            2 => Op::VTrnEven,
            3 => Op::VZipLo,
            5 => Op::VUzpOdd,
            6 => Op::VTrnOdd,
            _ => Op::VZipHi,
        };
        self.v3(u32::from(a.quad), 3, a.rd, a.rn, a.rm, |t, ty, x, y| {
            t.vlane(op, ty, a.size, x, y)
        })
    }

    /// TBL and TBX: halves of the result look into each table register in turn.
    pub(super) fn tbl(&mut self, a: args::Tbl) -> Out {
        let halves = 1 + u32::from(a.quad);
        let mut out = Vec::new();
        for half in 0..halves {
            let index = self.half_of(a.rm, half == 1);
            let mut r = if a.extend {
                self.half_of(a.rd, half == 1)
            } else {
                self.b.vconst(Ty::V64, 0)
            };
            for k in 0..=a.len {
                let table = self.b.get(slot::v((a.rn + k) & 31));
                let local = if k == 0 {
                    index
                } else {
                    let base = self.splat(Ty::V64, 0, u64::from(16 * k));
                    self.vlane(Op::VSub, Ty::V64, 0, index, base)
                };
                r = self.b.tri(Op::VTbl, Ty::V64, table, local, r);
            }
            out.push(r);
        }
        let r = match *out.as_slice() {
            [lo, hi] => self.b.bin(Op::VConcat, Ty::V128, lo, hi),
            [lo, ..] => lo,
            [] => return self.undefined(),
        };
        self.set_scalar(a.rd, r);
        Out::Next
    }

    /// A half of a register as a vector.
    pub(super) fn half_of(&mut self, n: u32, upper: bool) -> Value {
        if upper {
            self.b.get(slot::high(n, Ty::V64))
        } else {
            self.b.get(slot::part(n, Ty::V64))
        }
    }

    // ---- duplication, insertion, extraction ----

    pub(super) fn dup_elem(&mut self, a: args::DupElem) -> Out {
        let (size, index) = lane_of(a.imm);
        let x = self.b.get(slot::v(a.rn));
        let r = self.b.vun(Op::VDupLane, vty(a.shape), size as u8, x, index);
        self.vset(a.shape, size, a.rd, r);
        Out::Next
    }

    pub(super) fn dup_gen(&mut self, a: args::DupGen) -> Out {
        let (size, _) = lane_of(a.imm);
        let x = self.reg(size == 3, a.rn);
        let ty = vty(u32::from(a.quad));
        let r = self.b.vun(Op::VDup, ty, size as u8, x, 0);
        self.set_scalar(a.rd, r);
        Out::Next
    }

    pub(super) fn smov(&mut self, a: args::Smov) -> Out {
        let (size, index) = lane_of(a.imm);
        let x = self.b.get(slot::v(a.rn));
        let args = [x, Value::NONE, Value::NONE];
        let r = self.b.op(Op::VGet, ity(a.quad), size as u8, 1, args, index);
        self.set_reg(a.rd, r);
        Out::Next
    }

    pub(super) fn umov(&mut self, a: args::Umov) -> Out {
        let (size, index) = lane_of(a.imm);
        let x = self.b.get(slot::v(a.rn));
        let r = self.b.vun(Op::VGet, ity(size == 3), size as u8, x, index);
        self.set_reg(a.rd, r);
        Out::Next
    }

    fn insert(&mut self, d: u32, size: u32, index: i64, value: Value) -> Out {
        let old = self.b.get(slot::v(d));
        let r = self
            .b
            .vbin(Op::VSet, Ty::V128, size as u8, old, value, index);
        self.b.set(slot::v(d), r);
        Out::Next
    }

    pub(super) fn ins_gen(&mut self, a: args::InsGen) -> Out {
        let (size, index) = lane_of(a.imm);
        let x = self.reg(size == 3, a.rn);
        self.insert(a.rd, size, index, x)
    }

    pub(super) fn ins_elem(&mut self, a: args::InsElem) -> Out {
        let (size, index) = lane_of(a.imm);
        let from = i64::from(a.imm4 >> size);
        let x = self.b.get(slot::v(a.rn));
        let v = self.b.vun(Op::VGet, ity(size == 3), size as u8, x, from);
        self.insert(a.rd, size, index, v)
    }

    /// A vector whose lanes all are lane `index` of a register.
    pub(super) fn element(&mut self, shape: u32, size: u32, m: u32, index: u32) -> Value {
        let x = self.b.get(slot::v(m));
        let ty = vty(shape);
        let v = self
            .b
            .vun(Op::VDupLane, ty, size as u8, x, i64::from(index));
        if shape == SCALAR {
            self.low_lane(v, size)
        } else {
            v
        }
    }
}
