//! Vectors: operand forms for VEX and legacy SSE, table-driven integer operations.
//!
//! The bits above a V64 (or F32, F64) in a vector register are undefined.

use crate::abi::*;
use crate::compiler::Gen;
use crate::enc::{Mem, Opc, RIP, Rm};
use tcg_ir::{Inst, Op, Ty, Value};

/// `66 0f xx`.
pub const fn p(b: u8) -> Opc {
    Opc(0x66, 1, b)
}

/// `66 0f38 xx`.
pub const fn q(b: u8) -> Opc {
    Opc(0x66, 2, b)
}

/// `66 0f3a xx`.
pub const fn t(b: u8) -> Opc {
    Opc(0x66, 3, b)
}

/// A constant with the same low bits of `x` in every lane.
pub const fn splat(lane: u8, x: u64) -> u128 {
    let ones = u64::MAX >> (64 - (8 << (lane & 3)));
    (u128::MAX / ones as u128).wrapping_mul((x & ones) as u128)
}

/// No instruction for this lane size.
pub const NO: Opc = Opc(0, 0, 0);

/// Two-operand operations with one instruction per lane size.
const fn simple(op: Op) -> Option<[Opc; 4]> {
    Some(match op {
        Op::VAnd => [p(0xdb); 4],
        Op::VOr => [p(0xeb); 4],
        Op::VXor => [p(0xef); 4],
        Op::VAdd => [p(0xfc), p(0xfd), p(0xfe), p(0xd4)],
        Op::VSub => [p(0xf8), p(0xf9), p(0xfa), p(0xfb)],
        Op::VMul => [NO, p(0xd5), q(0x40), NO],
        Op::VCmpEq => [p(0x74), p(0x75), p(0x76), q(0x29)],
        Op::VCmpGtS => [p(0x64), p(0x65), p(0x66), q(0x37)],
        Op::VMinS => [q(0x38), p(0xea), q(0x39), NO],
        Op::VMaxS => [q(0x3c), p(0xee), q(0x3d), NO],
        Op::VMinU => [p(0xda), q(0x3a), q(0x3b), NO],
        Op::VMaxU => [p(0xde), q(0x3e), q(0x3f), NO],
        Op::VAddSatS => [p(0xec), p(0xed), NO, NO],
        Op::VAddSatU => [p(0xdc), p(0xdd), NO, NO],
        Op::VSubSatS => [p(0xe8), p(0xe9), NO, NO],
        Op::VSubSatU => [p(0xd8), p(0xd9), NO, NO],
        Op::VRhaddU => [p(0xe0), p(0xe3), NO, NO],
        Op::VZipLo => [p(0x60), p(0x61), p(0x62), p(0x6c)],
        _ => return None,
    })
}

/// The per-lane instruction of an operation of the table.
pub fn lane_op(op: Op, lane: u8) -> Opc {
    simple(op).map_or(NO, |t| t[lane as usize & 3])
}

pub const PXOR: Opc = p(0xef);
pub const PAND: Opc = p(0xdb);
/// `!a & b`.
pub const PANDN: Opc = p(0xdf);
pub const POR: Opc = p(0xeb);
pub const PADDB: Opc = p(0xfc);
pub const PSHUFD: Opc = p(0x70);
pub const PSHUFB: Opc = q(0x00);
pub const PUNPCKLQDQ: Opc = p(0x6c);
const PCMPEQD: Opc = p(0x76);

impl Gen<'_> {
    // ---- forms ----

    /// `d = op(a, b)`; `d` may be any of the operands. Uses xmm15 if `d` is `b` in the legacy encoding.
    pub fn v3(&mut self, o: Opc, d: u8, a: u8, b: u8) {
        if self.f.avx2 {
            return self.a.vex(o, false, d, a & 15, Rm::R(b & 15));
        }
        let mut b = b;
        if d != a {
            if d == b {
                self.move_reg(Ty::V128, XMM15, b);
                b = XMM15;
            }
            self.move_reg(Ty::V128, d, a);
        }
        self.a.op(o, false, d & 15, Rm::R(b & 15));
    }

    /// `v3` with an immediate.
    pub fn v3i(&mut self, o: Opc, w: bool, d: u8, a: u8, b: Rm, imm: u8) {
        let b = match b {
            Rm::R(r) => Rm::R(r & 15),
            m => m,
        };
        if self.f.avx2 {
            return self.a.vex_i8(o, w, d, a & 15, b, imm);
        }
        let mut b = b;
        if d != a {
            if b == Rm::R(d & 15) {
                self.move_reg(Ty::V128, XMM15, d);
                b = Rm::R(XMM15 & 15);
            }
            self.move_reg(Ty::V128, d, a);
        }
        self.a.op_i8(o, w, d & 15, b, imm);
    }

    /// `d = op(a, constant)`.
    pub fn v3c(&mut self, o: Opc, d: u8, a: u8, bits: u128) {
        let label = self.const_mem(bits);
        let m = Rm::M(Mem::base(RIP, 0));
        if self.f.avx2 {
            self.a.vex(o, false, d, a & 15, m);
        } else {
            // Legacy memory operands must be aligned; the constants are.
            self.move_reg(Ty::V128, d, a);
            self.a.op(o, false, d & 15, m);
        }
        self.fix_rip(label, 0);
    }

    /// `d = op(a)` (no second source).
    pub fn v2(&mut self, o: Opc, d: u8, a: u8) {
        self.vmov(o, d, Rm::R(a));
    }

    /// `d = op(a, imm)` for instructions like pshufd.
    pub fn v2i(&mut self, o: Opc, d: u8, a: u8, imm: u8) {
        if self.f.avx2 {
            self.a.vex_i8(o, false, d, 0, Rm::R(a & 15), imm);
        } else {
            self.a.op_i8(o, false, d & 15, Rm::R(a & 15), imm);
        }
    }

    /// Shift of opcode group `o` (71, 72, 73) and number `ext` by an immediate.
    pub fn vshift(&mut self, o: u8, ext: u8, d: u8, a: u8, imm: u8) {
        if self.f.avx2 {
            self.a.vex_i8(p(o), false, ext, d & 15, Rm::R(a & 15), imm);
        } else {
            self.move_reg(Ty::V128, d, a);
            self.a.op_i8(p(o), false, ext, Rm::R(d & 15), imm);
        }
    }

    /// All ones.
    pub fn ones(&mut self, r: u8) {
        self.v3(PCMPEQD, r, r, r);
    }

    /// `d` = `set` in the bytes where `mask` is all ones, `clear` where it is 0. Destroys `mask`, uses xmm15.
    pub fn select(&mut self, d: u8, clear: u8, set: u8, mask: u8) {
        if self.f.avx2 {
            let m = (mask & 15) << 4;
            return self
                .a
                .vex_i8(t(0x4c), false, d, clear & 15, Rm::R(set & 15), m);
        }
        self.v3(PANDN, XMM15, mask, clear);
        self.v3(PAND, mask, mask, set);
        self.v3(POR, d, mask, XMM15);
    }

    /// A vector register for the current instruction.
    pub fn tmp(&mut self) -> u8 {
        self.alloc(Ty::V128)
    }

    // ---- operations ----

    /// Emits an operation of this group; false if it is not one or has no inline form.
    pub fn emit_vec(&mut self, v: Value, i: &Inst) -> bool {
        let lane = i.lane & 3;
        let full = i.ty == Ty::V128;
        match i.op {
            Op::VZipHi | Op::VZipLo => self.vec_zip(v, i, full),
            op if simple(op).is_some() && lane_op(op, lane) != NO => {
                let o = lane_op(op, lane);
                let (a, b) = self.two(i);
                let d = self.def_reuse(v, i.args[0]);
                self.v3(o, d, a, b);
            }
            Op::VAndNot => {
                let (a, b) = self.two(i);
                let d = self.def(v);
                self.v3(PANDN, d, b, a);
            }
            Op::VNot => {
                let a = self.reg(i.args[0]);
                let d = self.def_reuse(v, i.args[0]);
                self.ones(XMM14);
                self.v3(PXOR, d, a, XMM14);
            }
            Op::VBsl => self.vec_bsl(v, i),
            Op::VNeg => {
                let a = self.reg(i.args[0]);
                let d = self.def(v);
                self.v3(PXOR, d, d, d);
                self.v3(lane_op(Op::VSub, lane), d, d, a);
            }
            Op::VAbs if lane < 3 => {
                let a = self.reg(i.args[0]);
                let d = self.def_reuse(v, i.args[0]);
                self.v2(q(0x1c + lane), d, a);
            }
            Op::VAbdS | Op::VAbdU if lane < 3 => self.vec_abd(v, i, lane),
            Op::VCmpGeS | Op::VCmpGeU | Op::VCmpGtU if lane < 3 => self.vec_cmp(v, i, lane),
            Op::VTst => self.vec_tst(v, i, lane),
            _ => {
                return self.emit_vec_lanes(v, i)
                    || self.emit_vec_shift(v, i)
                    || self.emit_vec_int(v, i)
                    || self.emit_vec_pairs(v, i);
            }
        }
        true
    }

    /// Both operands in registers.
    pub fn two(&mut self, i: &Inst) -> (u8, u8) {
        (self.reg(i.args[0]), self.reg(i.args[1]))
    }

    fn vec_zip(&mut self, v: Value, i: &Inst, full: bool) {
        let (a, b) = self.two(i);
        let d = self.def_reuse(v, i.args[0]);
        let lo = lane_op(Op::VZipLo, i.lane);
        match (i.op, full) {
            (Op::VZipLo, _) => self.v3(lo, d, a, b),
            (_, true) => {
                let hi = match i.lane & 3 {
                    3 => 0x6d,
                    n => 0x68 + n,
                };
                self.v3(p(hi), d, a, b);
            }
            (_, false) => {
                self.v3(lo, d, a, b);
                self.vshift(0x73, 3, d, d, 8);
            }
        }
    }

    fn vec_bsl(&mut self, v: Value, i: &Inst) {
        let (m, x) = self.two(i);
        let y = self.reg(i.args[2]);
        let d = self.def(v);
        self.v3(PANDN, XMM14, m, y);
        self.v3(PAND, d, m, x);
        self.v3(POR, d, d, XMM14);
    }

    fn vec_abd(&mut self, v: Value, i: &Inst, lane: u8) {
        let (a, b) = self.two(i);
        let d = self.def(v);
        let (max, min) = match i.op {
            Op::VAbdS => (Op::VMaxS, Op::VMinS),
            _ => (Op::VMaxU, Op::VMinU),
        };
        self.v3(lane_op(min, lane), XMM14, a, b);
        self.v3(lane_op(max, lane), d, a, b);
        self.v3(lane_op(Op::VSub, lane), d, d, XMM14);
    }

    fn vec_cmp(&mut self, v: Value, i: &Inst, lane: u8) {
        let (a, b) = self.two(i);
        let d = self.def(v);
        let pick = match i.op {
            Op::VCmpGeS => Op::VMaxS,
            Op::VCmpGeU => Op::VMaxU,
            _ => Op::VMinU,
        };
        self.v3(lane_op(pick, lane), d, a, b);
        self.v3(lane_op(Op::VCmpEq, lane), d, d, a);
        if i.op == Op::VCmpGtU {
            self.ones(XMM14);
            self.v3(PXOR, d, d, XMM14);
        }
    }

    fn vec_tst(&mut self, v: Value, i: &Inst, lane: u8) {
        let (a, b) = self.two(i);
        let d = self.def(v);
        self.v3(PAND, d, a, b);
        self.v3(PXOR, XMM14, XMM14, XMM14);
        self.v3(lane_op(Op::VCmpEq, lane), d, d, XMM14);
        self.ones(XMM14);
        self.v3(PXOR, d, d, XMM14);
    }

    /// `d = a` with its bytes chosen by a constant (0x80: zero).
    pub fn shuffle_const(&mut self, d: u8, a: u8, pattern: [u8; 16]) {
        self.v3c(PSHUFB, d, a, u128::from_le_bytes(pattern));
    }

    /// Two V64 as one V128.
    pub fn join(&mut self, d: u8, lo: u8, hi: u8) {
        self.v3(PUNPCKLQDQ, d, lo, hi);
    }
}
