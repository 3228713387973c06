//! Element and structure loads and stores. [ARMv7 A7.7]

use tcg_ir::{Addr, MemFlags, Op, Slot, Ty, Value};

use super::fpregs::{VFP_OFFSET, vreg};
use super::{Out, Translator};
use crate::decode::args;

/// Shape of a multiple-structure access: elements per structure, registers per element position, register step.
struct Shape {
    elements: u32,
    repeats: u32,
    step: u32,
}

/// By the type field. [ARMv7 A8.8.320, A8.8.323, A8.8.326, A8.8.329]
fn shape(kind: u32) -> Option<Shape> {
    let (elements, repeats, step) = match kind {
        0 => (4, 1, 1),
        1 => (4, 1, 2),
        2 => (1, 4, 1),
        3 => (2, 2, 2),
        4 => (3, 1, 1),
        5 => (3, 1, 2),
        6 => (1, 3, 1),
        7 => (1, 1, 1),
        8 => (2, 1, 1),
        9 => (2, 1, 2),
        10 => (1, 2, 1),
        _ => return None,
    };
    Some(Shape {
        elements,
        repeats,
        step,
    })
}

impl Translator<'_> {
    /// A 64-bit vector at `addr` with lanes of `size` in guest byte order.
    fn load_lanes(&mut self, addr: Addr, size: u32, align: u8) -> Value {
        let v = self.b.load(Ty::V64, addr, MemFlags::size(3).align(align));
        self.fix_order(v, size)
    }

    fn store_lanes(&mut self, addr: Addr, v: Value, size: u32, align: u8) {
        let v = self.fix_order(v, size);
        self.b.store(addr, v, MemFlags::size(3).align(align));
    }

    /// Reverses the bytes of each lane for big-endian data.
    fn fix_order(&mut self, v: Value, size: u32) -> Value {
        match self.big_endian() && size > 0 {
            true => {
                let ty = self.b.block.ty(v);
                self.b.vun(Op::VRev, ty, 0, v, i64::from(size))
            }
            false => v,
        }
    }

    /// Whether the registers at `k` and behind it of a list of `count` are moved as one Q register, and the alignment to
    /// check: the first access's only.
    fn row(&self, vd: u32, k: u32, count: u32, align: u8) -> (bool, u8) {
        let quad = (vd + k).is_multiple_of(2) && k + 1 < count;
        (quad, if k == 0 { align } else { 0 })
    }

    /// Writes the base register back: by `bytes` (rm 13) or by a register.
    fn neon_writeback(&mut self, rn: u32, rm: u32, bytes: u32) {
        if rm == 15 {
            return;
        }
        let base = self.reg(rn);
        let delta = if rm == 13 {
            self.b.i32(bytes)
        } else {
            self.reg(rm)
        };
        let new = self.b.bin(Op::Add, Ty::I32, base, delta);
        self.set_reg(rn, new);
    }

    /// Checks a multiple-structure access; gives its shape and alignment.
    fn multi_shape(&self, kind: u32, size: u32, align: u32, vd: u32) -> Option<(Shape, u8)> {
        let s = shape(kind)?;
        let undefined = match s.elements {
            1 => {
                (s.repeats == 1 || s.repeats == 3) && align & 2 != 0 || s.repeats == 2 && align == 3
            }
            2 => size == 3 || (s.repeats == 1 && align == 3),
            3 => size == 3 || align & 2 != 0,
            _ => size == 3,
        };
        let last = vd
            + (s.elements - 1) * s.step
            + (s.repeats - 1) * if s.elements == 1 { s.step } else { 1 };
        // UNPREDICTABLE: registers beyond D31; we take it as undefined.
        if undefined || last > 31 {
            return None;
        }
        Some((s, if align == 0 { 0 } else { align as u8 + 2 }))
    }

    pub(super) fn vld_multi(&mut self, a: args::VldMulti) -> Out {
        let Some((s, align)) = self.multi_shape(a.kind, a.size, a.align, a.vd) else {
            return self.undefined();
        };
        let base = Addr::base_disp(self.reg(a.rn), 0);
        let count = s.elements * s.repeats;
        if s.elements == 1 {
            let mut k = 0;
            while k < count {
                let (quad, align) = self.row(a.vd, k, count, align);
                let (ty, log2) = if quad { (Ty::V128, 4) } else { (Ty::V64, 3) };
                let flags = MemFlags::size(log2).align(align);
                let v = self.b.load(ty, base.plus(8 * k as i32), flags);
                let v = self.fix_order(v, a.size);
                self.vset(quad, a.vd + k, v);
                k += 1 + u32::from(quad);
            }
            self.neon_writeback(a.rn, a.rm, 8 * count);
            return Out::Next;
        }
        let raw: Vec<Value> = (0..count)
            .map(|k| {
                self.load_lanes(
                    base.plus(8 * k as i32),
                    a.size,
                    if k == 0 { align } else { 0 },
                )
            })
            .collect();
        for r in 0..s.repeats {
            let group = &raw[(r * s.elements) as usize..][..s.elements as usize];
            let parts = self.deinterleave(group, a.size);
            for (e, v) in parts.into_iter().enumerate() {
                self.vset(false, a.vd + r + e as u32 * s.step, v);
            }
        }
        self.neon_writeback(a.rn, a.rm, 8 * count);
        Out::Next
    }

    pub(super) fn vst_multi(&mut self, a: args::VstMulti) -> Out {
        let Some((s, align)) = self.multi_shape(a.kind, a.size, a.align, a.vd) else {
            return self.undefined();
        };
        let base = Addr::base_disp(self.reg(a.rn), 0);
        if s.elements == 1 {
            let mut k = 0;
            while k < s.repeats {
                let (quad, align) = self.row(a.vd, k, s.repeats, align);
                let v = self.vget(quad, a.vd + k);
                let v = self.fix_order(v, a.size);
                let flags = MemFlags::size(3 + u8::from(quad)).align(align);
                self.b.store(base.plus(8 * k as i32), v, flags);
                k += 1 + u32::from(quad);
            }
            self.neon_writeback(a.rn, a.rm, 8 * k);
            return Out::Next;
        }
        let mut k = 0;
        for r in 0..s.repeats {
            let regs: Vec<Value> = (0..s.elements)
                .map(|e| self.vget(false, a.vd + r + e * s.step))
                .collect();
            for v in self.interleave(&regs, a.size) {
                self.store_lanes(base.plus(8 * k), v, a.size, if k == 0 { align } else { 0 });
                k += 1;
            }
        }
        self.neon_writeback(a.rn, a.rm, 8 * k as u32);
        Out::Next
    }

    fn pair(&mut self, op: Op, size: u32, x: Value, y: Value) -> Value {
        self.vlane(op, Ty::V64, size, x, y)
    }

    /// Registers from memory order.
    fn deinterleave(&mut self, m: &[Value], size: u32) -> Vec<Value> {
        match *m {
            [a, b] => vec![
                self.pair(Op::VUzpEven, size, a, b),
                self.pair(Op::VUzpOdd, size, a, b),
            ],
            [a, b, c, d] => {
                let t0 = self.pair(Op::VUzpEven, size, a, b);
                let t1 = self.pair(Op::VUzpOdd, size, a, b);
                let t2 = self.pair(Op::VUzpEven, size, c, d);
                let t3 = self.pair(Op::VUzpOdd, size, c, d);
                vec![
                    self.pair(Op::VUzpEven, size, t0, t2),
                    self.pair(Op::VUzpEven, size, t1, t3),
                    self.pair(Op::VUzpOdd, size, t0, t2),
                    self.pair(Op::VUzpOdd, size, t1, t3),
                ]
            }
            [a, b, c] => (0..3)
                .map(|e| self.gather3([a, b, c], size, |lane| 3 * lane + e))
                .collect(),
            _ => m.to_vec(),
        }
    }

    /// Memory order from registers.
    fn interleave(&mut self, regs: &[Value], size: u32) -> Vec<Value> {
        match *regs {
            [a, b] => vec![
                self.pair(Op::VZipLo, size, a, b),
                self.pair(Op::VZipHi, size, a, b),
            ],
            [a, b, c, d] => {
                let t0 = self.pair(Op::VZipLo, size, a, c);
                let t1 = self.pair(Op::VZipHi, size, a, c);
                let t2 = self.pair(Op::VZipLo, size, b, d);
                let t3 = self.pair(Op::VZipHi, size, b, d);
                vec![
                    self.pair(Op::VZipLo, size, t0, t2),
                    self.pair(Op::VZipHi, size, t0, t2),
                    self.pair(Op::VZipLo, size, t1, t3),
                    self.pair(Op::VZipHi, size, t1, t3),
                ]
            }
            [a, b, c] => {
                let lanes = 8 >> size;
                (0..3)
                    .map(|k| {
                        self.gather3([a, b, c], size, |lane| {
                            let n = k * lanes + lane;
                            (n % 3) * lanes + n / 3
                        })
                    })
                    .collect()
            }
            _ => regs.to_vec(),
        }
    }

    /// A V64 whose lane k is lane `from(k)` of the 24-byte table m.
    fn gather3(&mut self, m: [Value; 3], size: u32, from: impl Fn(u32) -> u32) -> Value {
        let mut index = 0u64;
        for lane in 0..8 >> size {
            for byte in 0..1 << size {
                let at = (lane << size) + byte;
                index |= u64::from((from(lane) << size) + byte) << (8 * at);
            }
        }
        let low_index = self.b.vconst(Ty::V64, u128::from(index));
        let high: u64 = index
            .to_le_bytes()
            .iter()
            .rev()
            .fold(0, |acc, b| acc << 8 | u64::from(b.wrapping_sub(16)));
        let high_index = self.b.vconst(Ty::V64, u128::from(high));
        let zero = self.b.vconst(Ty::V64, 0);
        let low = self.b.bin(Op::VConcat, Ty::V128, m[0], m[1]);
        let top = self.b.bin(Op::VConcat, Ty::V128, m[2], zero);
        let rest = self.b.tri(Op::VTbl, Ty::V64, top, high_index, zero);
        self.b.tri(Op::VTbl, Ty::V64, low, low_index, rest)
    }

    // ---- single lanes ----

    /// Index, register step and alignment of a single-lane access; None: undefined. [ARMv7 A8.8.321]
    fn lane_shape(count: u32, size: u32, ia: u32) -> Option<(u32, u32, u8)> {
        let (index, step) = match size {
            0 => (ia >> 1, 1),
            1 => (ia >> 2, if ia & 2 != 0 { 2 } else { 1 }),
            _ => (ia >> 3, if ia & 4 != 0 { 2 } else { 1 }),
        };
        let low = ia & if size == 2 { 3 } else { 1 };
        let align = match (count, size, low) {
            (1, 0, 0) | (3, _, 0) | (_, _, 0) => 0,
            (1, 1, 1) if ia & 2 == 0 => 1,
            (1, 2, 3) if step == 1 => 2,
            (2, _, 1) => size as u8 + 1,
            (4, 0 | 1, 1) => size as u8 + 2,
            (4, 2, 1) => 3,
            (4, 2, 2) => 4,
            _ => return None,
        };
        if count == 1 && step == 2 {
            return None;
        }
        Some((index, step, align))
    }

    fn element_flags(&self, size: u32, align: u8) -> MemFlags {
        MemFlags::size(size as u8)
            .big_endian(self.big_endian())
            .align(align)
    }

    pub(super) fn vld_lane(&mut self, a: args::VldLane) -> Out {
        let count = a.count + 1;
        let Some((index, step, align)) = Self::lane_shape(count, a.size, a.ia) else {
            return self.undefined();
        };
        if a.vd + (count - 1) * step > 31 {
            return self.undefined();
        }
        let base = Addr::base_disp(self.reg(a.rn), 0);
        let mut loaded = Vec::with_capacity(4);
        for k in 0..count {
            let flags = self.element_flags(a.size, if k == 0 { align } else { 0 });
            loaded.push(self.b.load(Ty::I32, base.plus((k << a.size) as i32), flags));
        }
        for (k, v) in loaded.into_iter().enumerate() {
            let d = a.vd + k as u32 * step;
            if a.size == 2 {
                let v = self.b.bitcast(Ty::F32, v);
                self.b.set(
                    Slot::new(VFP_OFFSET + 8 * d as usize + 4 * index as usize, Ty::F32),
                    v,
                );
            } else {
                let old = self.vget(false, d);
                let new = self
                    .b
                    .vbin(Op::VSet, Ty::V64, a.size as u8, old, v, i64::from(index));
                self.vset(false, d, new);
            }
        }
        self.neon_writeback(a.rn, a.rm, count << a.size);
        Out::Next
    }

    pub(super) fn vst_lane(&mut self, a: args::VstLane) -> Out {
        let count = a.count + 1;
        let Some((index, step, align)) = Self::lane_shape(count, a.size, a.ia) else {
            return self.undefined();
        };
        if a.vd + (count - 1) * step > 31 {
            return self.undefined();
        }
        let base = Addr::base_disp(self.reg(a.rn), 0);
        for k in 0..count {
            let reg = self.b.get(vreg(false, a.vd + k * step));
            let v = self
                .b
                .vun(Op::VGet, Ty::I32, a.size as u8, reg, i64::from(index));
            let flags = self.element_flags(a.size, if k == 0 { align } else { 0 });
            self.b.store(base.plus((k << a.size) as i32), v, flags);
        }
        self.neon_writeback(a.rn, a.rm, count << a.size);
        Out::Next
    }

    /// One structure to all lanes.
    pub(super) fn vld_all(&mut self, a: args::VldAll) -> Out {
        let count = a.count + 1;
        let spaced = a.spaced;
        let aligned = a.align;
        // size 3: only VLD4 with 16-byte alignment, of 32-bit elements.
        let (size, align) = match (a.size, count, aligned) {
            (3, 4, true) => (2, 4),
            (3, ..) | (_, 3, true) | (0, 1, true) => return self.undefined(),
            (s, _, false) => (s, 0),
            (s, 1, true) => (s, s as u8),
            (s, 2, true) => (s, s as u8 + 1),
            (2, _, true) => (2, 3),
            (s, _, true) => (s, s as u8 + 2),
        };
        // VLD1 may fill two registers; the others have a register step.
        let (copies, step) = if count == 1 {
            (1 + u32::from(spaced), 1)
        } else {
            (1, 1 + u32::from(spaced))
        };
        if a.vd + (count - 1) * step + copies - 1 > 31 {
            return self.undefined();
        }
        let base = Addr::base_disp(self.reg(a.rn), 0);
        for k in 0..count {
            let flags = self.element_flags(size, if k == 0 { align } else { 0 });
            let v = self.b.load(Ty::I32, base.plus((k << size) as i32), flags);
            let all = self.b.vun(Op::VDup, Ty::V64, size as u8, v, 0);
            for c in 0..copies {
                self.vset(false, a.vd + k * step + c, all);
            }
        }
        self.neon_writeback(a.rn, a.rm, count << size);
        Out::Next
    }
}
