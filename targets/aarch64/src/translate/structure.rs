//! Loads and stores of elements and structures. [ARMv8 C4.1.4, C7.2]

use tcg_ir::{Addr, MemFlags, Op, Ty, Value};

use super::operand::{R31, ity};
use super::simd::vty;
use super::{Out, Translator};
use crate::decode::args;
use crate::state::slot;

/// Elements of a structure, and registers for each element, by the opcode field.
const fn shape(kind: u32) -> (u32, u32) {
    match kind {
        0 => (4, 1),
        2 => (1, 4),
        4 => (3, 1),
        6 => (1, 3),
        7 => (1, 1),
        8 => (2, 1),
        _ => (1, 2),
    }
}

impl Translator<'_> {
    /// Bytes of each lane reversed for big-endian data.
    pub(super) fn fix_order(&mut self, v: Value, size: u32) -> Value {
        let ty = self.b.block.ty(v);
        match self.big_endian() && size > 0 {
            true => self.b.vun(Op::VRev, ty, 0, v, i64::from(size)),
            false => v,
        }
    }

    fn post_index(&mut self, post: bool, rn: u32, rm: u32, bytes: u32) {
        if !post {
            return;
        }
        let base = self.reg_sp(true, rn);
        let delta = if rm == R31 {
            self.b.i64(u64::from(bytes))
        } else {
            self.reg(true, rm)
        };
        let new = self.b.bin(Op::Add, Ty::I64, base, delta);
        self.b.set(slot::x(rn), new);
    }

    pub(super) fn ldst_multi(&mut self, a: args::LdstMulti) -> Out {
        let (elements, repeats) = shape(a.kind);
        let count = elements * repeats;
        let width = if a.quad { 4 } else { 3 };
        let ty = vty(u32::from(a.quad));
        let base = Addr::base_disp(self.base(a.rn), 0);
        let at = |k: u32| base.plus((k << width) as i32);
        let flags = MemFlags::size(width as u8);
        if a.load {
            let raw: Vec<Value> = (0..count)
                .map(|k| {
                    let v = self.b.load(ty, at(k), flags);
                    self.fix_order(v, a.size)
                })
                .collect();
            let regs = if elements == 1 {
                raw
            } else {
                self.deinterleave(ty, &raw, a.size)
            };
            for (k, v) in (0..).zip(regs) {
                self.set_scalar((a.rt + k) & 31, v);
            }
        } else {
            let regs: Vec<Value> = (0..count)
                .map(|k| self.b.get(slot::part((a.rt + k) & 31, ty)))
                .collect();
            let raw = if elements == 1 {
                regs
            } else {
                self.interleave(ty, &regs, a.size)
            };
            for (k, v) in (0..).zip(raw) {
                let v = self.fix_order(v, a.size);
                self.b.store(at(k), v, flags);
            }
        }
        self.post_index(a.post, a.rn, a.rm, count << width);
        Out::Next
    }

    /// Registers from memory order.
    fn deinterleave(&mut self, ty: Ty, m: &[Value], size: u32) -> Vec<Value> {
        let mut step = |op, x, y| self.vlane(op, ty, size, x, y);
        match *m {
            [a, b] => vec![step(Op::VUzpEven, a, b), step(Op::VUzpOdd, a, b)],
            [a, b, c, d] => {
                let t0 = step(Op::VUzpEven, a, b);
                let t1 = step(Op::VUzpOdd, a, b);
                let t2 = step(Op::VUzpEven, c, d);
                let t3 = step(Op::VUzpOdd, c, d);
                vec![
                    step(Op::VUzpEven, t0, t2),
                    step(Op::VUzpEven, t1, t3),
                    step(Op::VUzpOdd, t0, t2),
                    step(Op::VUzpOdd, t1, t3),
                ]
            }
            [a, b, c] => (0..3)
                .map(|e| self.gather(ty, [a, b, c], size, |lane| 3 * lane + e))
                .collect(),
            _ => m.to_vec(),
        }
    }

    /// Memory order from registers.
    fn interleave(&mut self, ty: Ty, regs: &[Value], size: u32) -> Vec<Value> {
        let mut step = |op, x, y| self.vlane(op, ty, size, x, y);
        match *regs {
            [a, b] => vec![step(Op::VZipLo, a, b), step(Op::VZipHi, a, b)],
            [a, b, c, d] => {
                let t0 = step(Op::VZipLo, a, c);
                let t1 = step(Op::VZipHi, a, c);
                let t2 = step(Op::VZipLo, b, d);
                let t3 = step(Op::VZipHi, b, d);
                vec![
                    step(Op::VZipLo, t0, t2),
                    step(Op::VZipHi, t0, t2),
                    step(Op::VZipLo, t1, t3),
                    step(Op::VZipHi, t1, t3),
                ]
            }
            [a, b, c] => {
                let lanes = ty.bytes() >> size;
                (0..3)
                    .map(|k| {
                        self.gather(ty, [a, b, c], size, |lane| {
                            let n = k * lanes + lane;
                            (n % 3) * lanes + n / 3
                        })
                    })
                    .collect()
            }
            _ => regs.to_vec(),
        }
    }

    /// A vector whose lane k is lane `from(k)` of the concatenation of three: bytes are looked up in each.
    fn gather(&mut self, ty: Ty, m: [Value; 3], size: u32, from: impl Fn(u32) -> u32) -> Value {
        let bytes = ty.bytes();
        let byte_from = |k: u32| (from(k >> size) << size) + (k & ((1 << size) - 1));
        let zero = self.b.vconst(Ty::V64, 0);
        let mut halves = Vec::new();
        for half in 0..bytes / 8 {
            let mut r = zero;
            for (which, table) in (0..).zip(m) {
                let index = (0..8).fold(0u64, |bits, k| {
                    let at = byte_from(8 * half + k);
                    let local = match at / bytes == which {
                        true => at % bytes,
                        false => 0xff,
                    };
                    bits | u64::from(local) << (8 * k)
                });
                let index = self.b.vconst(Ty::V64, u128::from(index));
                let table = self.b.bitcast(Ty::V128, table);
                r = self.b.tri(Op::VTbl, Ty::V64, table, index, r);
            }
            halves.push(r);
        }
        match *halves.as_slice() {
            [lo, hi] => self.b.bin(Op::VConcat, Ty::V128, lo, hi),
            [lo, ..] => lo,
            [] => zero,
        }
    }

    // ---- one structure to or from one lane, or to all lanes ----

    pub(super) fn ldst_single(&mut self, a: args::LdstSingle) -> Out {
        let replicate = a.scale == 3;
        let (q, s) = (u32::from(a.quad), u32::from(a.shifted));
        let (size, index) = match a.scale {
            3 => (a.size, 0),
            0 => (0, q << 3 | s << 2 | a.size),
            1 => (1, q << 2 | s << 1 | a.size >> 1),
            _ if a.size & 1 == 0 => (2, q << 1 | s),
            _ => (3, q),
        };
        let base = Addr::base_disp(self.base(a.rn), 0);
        let flags = self.mem(size);
        let ty = ity(size == 3);
        let lane = i64::from(index);
        if a.load {
            let values: Vec<Value> = (0..a.count)
                .map(|k| self.b.load(ty, base.plus((k << size) as i32), flags))
                .collect();
            for (k, v) in (0..).zip(values) {
                let t = (a.rt + k) & 31;
                if replicate {
                    let r = self.b.vun(Op::VDup, vty(q), size as u8, v, 0);
                    self.set_scalar(t, r);
                } else {
                    let old = self.b.get(slot::v(t));
                    let r = self.b.vbin(Op::VSet, Ty::V128, size as u8, old, v, lane);
                    self.b.set(slot::v(t), r);
                }
            }
        } else {
            for k in 0..a.count {
                let x = self.b.get(slot::v((a.rt + k) & 31));
                let v = self.b.vun(Op::VGet, ty, size as u8, x, lane);
                self.b.store(base.plus((k << size) as i32), v, flags);
            }
        }
        self.post_index(a.post, a.rn, a.rm, a.count << size);
        Out::Next
    }
}
