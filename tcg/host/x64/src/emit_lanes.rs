//! Vectors: lanes, permutations, widening and narrowing.

use crate::abi::*;
use crate::compiler::Gen;
use crate::emit_vec::{PSHUFD, p, q, t};
use crate::enc::{Opc, Rm};
use tcg_ir::{Inst, Op, Ty, Value};

impl Gen<'_> {
    /// Emits an operation of this group; false if it is not one or has no inline form.
    pub fn emit_vec_lanes(&mut self, v: Value, i: &Inst) -> bool {
        let lane = i.lane & 3;
        let full = i.ty == Ty::V128;
        match i.op {
            Op::VConcat => self.vec_concat(v, i),
            Op::VHigh => {
                let a = self.reg(i.args[0]);
                let d = self.def_reuse(v, i.args[0]);
                let imm = if i.ty == Ty::F32 { 0x55 } else { 0xee };
                self.v2i(PSHUFD, d, a, imm);
            }
            Op::VDup => {
                self.settle_test(i.args[0]);
                let a = self.reg(i.args[0]);
                let d = self.def(v);
                self.mov_gx(true, self.ty(i.args[0]) == Ty::I64, d, a);
                self.broadcast(lane, d, d);
            }
            Op::VDupLane => {
                let a = self.reg(i.args[0]);
                let d = self.def(v);
                let byte = (i.imm as u8) << lane;
                if byte != 0 {
                    self.vshift(0x73, 3, d, a, byte);
                    self.broadcast(lane, d, d);
                } else {
                    self.broadcast(lane, d, a);
                }
            }
            Op::VGet => self.vec_get(v, i, lane),
            Op::VSet => self.vec_set(v, i, lane),
            Op::VExt => {
                let (a, b) = self.two(i);
                let d = self.def(v);
                if full {
                    self.v3i(t(0x0f), false, d, b, Rm::R(a), i.imm as u8);
                } else {
                    self.join(d, a, b);
                    self.vshift(0x73, 3, d, d, i.imm as u8);
                }
            }
            Op::VRev => self.vec_rev(v, i, lane),
            Op::VUzpEven | Op::VUzpOdd => self.vec_uzp(v, i, lane, full),
            Op::VTrnEven | Op::VTrnOdd if lane < 3 => self.vec_trn(v, i, lane),
            Op::VTrnEven | Op::VTrnOdd => self.trn_quads(v, i),
            Op::VWidenS | Op::VWidenU if lane < 3 => {
                let a = self.reg(i.args[0]);
                let d = self.def_reuse(v, i.args[0]);
                self.widen(i.op == Op::VWidenS, lane, d, a);
            }
            Op::VNarrow if lane < 3 => {
                let a = self.reg(i.args[0]);
                let d = self.def_reuse(v, i.args[0]);
                let mut pat = [0x80; 16];
                for k in 0..8u8 {
                    let (e, o) = (k >> lane, k & ((1 << lane) - 1));
                    pat[k as usize] = (e << (lane + 1)) + o;
                }
                self.shuffle_const(d, a, pat);
            }
            Op::VNarrowSatS | Op::VNarrowSatSU | Op::VNarrowSatU if lane < 2 => {
                self.narrow_sat(v, i, lane);
            }
            Op::VMullS | Op::VMullU if lane < 3 => {
                let signed = i.op == Op::VMullS;
                let (a, b) = self.two(i);
                let d = self.def(v);
                self.widen(signed, lane, XMM14, b);
                self.widen(signed, lane, d, a);
                let mul = match (lane, signed) {
                    (0, _) => p(0xd5),
                    (1, _) => q(0x40),
                    (_, true) => q(0x28),
                    _ => p(0xf4),
                };
                self.v3(mul, d, d, XMM14);
            }
            _ => return false,
        }
        true
    }

    fn vec_concat(&mut self, v: Value, i: &Inst) {
        let [lo, hi, _] = i.args;
        let ty = self.ty(lo);
        if ty.is_int() {
            self.settle_test(lo);
            self.settle_test(hi);
            let (a, b) = self.two(i);
            let d = self.def(v);
            self.mov_gx(true, false, d, a);
            return self.v3i(t(0x22), false, d, d, Rm::R(b), 1);
        }
        let (a, b) = self.two(i);
        let d = self.def_reuse(v, lo);
        let o = if ty == Ty::F32 { p(0x62) } else { p(0x6c) };
        self.v3(o, d, a, b);
    }

    /// Lane 0 of `a` in every lane.
    fn broadcast(&mut self, lane: u8, d: u8, a: u8) {
        if self.f.avx2 {
            let o = [q(0x78), q(0x79), q(0x58), q(0x59)][lane as usize & 3];
            return self.v2(o, d, a);
        }
        match lane {
            0 => self.shuffle_const(d, a, [0; 16]),
            1 => {
                self.v2i(Opc(0xf2, 1, 0x70), d, a, 0);
                self.v2i(PSHUFD, d, d, 0);
            }
            2 => self.v2i(PSHUFD, d, a, 0),
            _ => self.v2i(PSHUFD, d, a, 0x44),
        }
    }

    /// `pextr*` and `pinsr*` have the vector register in different fields.
    fn extract(&mut self, lane: u8, g: u8, x: u8, n: u8) {
        if lane == 1 {
            if self.f.avx2 {
                return self.a.vex_i8(p(0xc5), false, g, 0, Rm::R(x & 15), n);
            }
            return self.a.op_i8(p(0xc5), false, g, Rm::R(x & 15), n);
        }
        let o = if lane == 0 { t(0x14) } else { t(0x16) };
        if self.f.avx2 {
            self.a.vex_i8(o, lane == 3, x, 0, Rm::R(g), n);
        } else {
            self.a.op_i8(o, lane == 3, x & 15, Rm::R(g), n);
        }
    }

    fn vec_get(&mut self, v: Value, i: &Inst, lane: u8) {
        let a = self.reg(i.args[0]);
        let d = self.def(v);
        self.extract(lane, d, a, i.imm as u8);
        if i.aux & 1 != 0 {
            let w = i.ty == Ty::I64;
            match lane {
                0 if w => self.a.op(Opc(0, 1, 0xbe), true, d, Rm::R(d)),
                0 => self.a.op_byte(Opc(0, 1, 0xbe), d, Rm::R(d)),
                1 => self.a.op(Opc(0, 1, 0xbf), w, d, Rm::R(d)),
                2 if w => self.a.op(Opc(0, 0, 0x63), true, d, Rm::R(d)),
                _ => {}
            }
        }
    }

    fn vec_set(&mut self, v: Value, i: &Inst, lane: u8) {
        self.settle_test(i.args[1]);
        let (a, b) = self.two(i);
        let d = self.def_reuse(v, i.args[0]);
        let o = [t(0x20), p(0xc4), t(0x22), t(0x22)][lane as usize & 3];
        if self.f.avx2 {
            self.a
                .vex_i8(o, lane == 3, d, a & 15, Rm::R(b), i.imm as u8);
        } else {
            self.move_reg(Ty::V128, d, a);
            self.a.op_i8(o, lane == 3, d & 15, Rm::R(b), i.imm as u8);
        }
    }

    fn vec_rev(&mut self, v: Value, i: &Inst, lane: u8) {
        let a = self.reg(i.args[0]);
        let d = self.def_reuse(v, i.args[0]);
        let group = 1u8 << (i.imm as u8 & 15).min(4);
        let elem = 1u8 << lane;
        let mut pat = [0; 16];
        for k in 0..16u8 {
            let (base, within) = (k & !(group - 1), k & (group - 1));
            let (e, o) = (within / elem, within % elem);
            let last = (group / elem).max(1) - 1;
            pat[k as usize] = base + (last - e.min(last)) * elem + o;
        }
        self.shuffle_const(d, a, pat);
    }

    fn vec_uzp(&mut self, v: Value, i: &Inst, lane: u8, full: bool) {
        let odd = i.op == Op::VUzpOdd;
        let (a, b) = self.two(i);
        let d = self.def(v);
        let step = 1u8 << lane;
        // The chosen lanes of one operand, packed at the bottom.
        let mut pat = [0x80u8; 16];
        let bytes = if full { 16 } else { 8 };
        for k in 0..bytes / 2 {
            pat[k as usize] = (k / step) * 2 * step + k % step + if odd { step } else { 0 };
        }
        if !full && lane == 2 {
            self.v3(p(0x62), d, a, b);
            if odd {
                self.vshift(0x73, 3, d, d, 8);
            }
            return;
        }
        if full && lane == 3 {
            return self.v3(p(if odd { 0x6d } else { 0x6c }), d, a, b);
        }
        self.shuffle_const(XMM14, b, pat);
        self.shuffle_const(d, a, pat);
        // Join the halves: 8 bytes each for V128, 4 bytes each for V64.
        self.v3(p(if full { 0x6c } else { 0x62 }), d, d, XMM14);
    }

    fn vec_trn(&mut self, v: Value, i: &Inst, lane: u8) {
        let (a, b) = self.two(i);
        let d = self.def(v);
        let bits = 8u8 << lane;
        let group = 0x71 + lane;
        let low = u128::MAX / [0x101, 0x1_0001, 0x1_0000_0001][lane as usize % 3];
        if i.op == Op::VTrnEven {
            self.vshift(group, 6, XMM14, b, bits);
            self.v3c(p(0xdb), d, a, low);
        } else {
            self.v3c(p(0xdb), XMM14, b, !low);
            self.vshift(group, 2, d, a, bits);
        }
        self.v3(p(0xeb), d, d, XMM14);
    }

    /// `d` = the lanes of the low half of `a` at twice their size.
    pub fn widen(&mut self, signed: bool, lane: u8, d: u8, a: u8) {
        let o = [0x20, 0x23, 0x25][lane as usize % 3] + if signed { 0 } else { 0x10 };
        self.v2(q(o), d, a);
    }

    fn narrow_sat(&mut self, v: Value, i: &Inst, lane: u8) {
        let a = self.reg(i.args[0]);
        let d = self.def_reuse(v, i.args[0]);
        let to_unsigned = if lane == 0 { p(0x67) } else { q(0x2b) };
        match i.op {
            Op::VNarrowSatS => {
                let o = if lane == 0 { p(0x63) } else { p(0x6b) };
                self.v3(o, d, a, a);
            }
            Op::VNarrowSatSU => self.v3(to_unsigned, d, a, a),
            _ => {
                let (min, top) = if lane == 0 {
                    (q(0x3a), 0x00ff_00ff_00ff_00ff_00ff_00ff_00ff_00ff)
                } else {
                    (q(0x3b), 0x0000_ffff_0000_ffff_0000_ffff_0000_ffff)
                };
                self.v3c(min, d, a, top);
                self.v3(to_unsigned, d, d, d);
            }
        }
    }
}
