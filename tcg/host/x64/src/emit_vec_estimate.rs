//! Estimates of reciprocals and reciprocal square roots of 32-bit lanes, from tables behind the block's code.
//! Reference: [ARMv8 shared/functions/float] RecipEstimate, RecipSqrtEstimate, which define the tables.

use std::sync::LazyLock;

use crate::abi::*;
use crate::cc::NO_FLAGS;
use crate::compiler::Gen;
use crate::emit_vec::{PAND, POR, PXOR, lane_op, p, q, splat, t};
use crate::enc::{Mem, Opc, Rm, x86cc};
use tcg_ir::{Inst, Op, Ty, Value};

const PSUBD: Opc = p(0xfa);

/// By 8 fraction bits of a number in 1..2: 8 fraction bits of twice its reciprocal. Behind it room for a load of 4 bytes.
static RECIPROCALS: LazyLock<Vec<u128>> = LazyLock::new(|| {
    table(256, |f| {
        let a = 2 * (256 + f) + 1;
        ((1 << 19) / a).div_ceil(2)
    })
});

/// By the exponent's lowest bit and 8 fraction bits: 8 fraction bits of the reciprocal root.
static ROOTS: LazyLock<Vec<u128>> = LazyLock::new(|| {
    table(512, |i| {
        // The middle of the interval, scaled so that the number is below 512.
        let a = match i {
            0..256 => 2 * (256 + i) + 2 - (256 + i) % 2 * 2,
            _ => 2 * (i / 2) + 1,
        };
        let mut b = 512;
        while a * (b + 1) * (b + 1) < 1 << 28 {
            b += 1;
        }
        b.div_ceil(2)
    })
});

fn table(entries: u32, f: impl Fn(u32) -> u32) -> Vec<u128> {
    let mut chunks = vec![0; entries as usize / 16 + 1];
    for i in 0..entries {
        chunks[i as usize / 16] |= u128::from(f(i) & 0xff) << (8 * (i % 16));
    }
    chunks
}

impl Gen<'_> {
    /// Emits an operation of this group; false if it is not one or has no inline form.
    pub fn emit_estimate(&mut self, v: Value, i: &Inst) -> bool {
        if i.lane & 3 != 2 {
            return false;
        }
        match i.op {
            Op::VFRecpe | Op::VFRsqrte => self.float_estimate(v, i),
            Op::VURecpe => self.fixed_reciprocal(v, i),
            Op::VURsqrte => self.fixed_root(v, i),
            _ => return false,
        }
        self.flags = NO_FLAGS;
        true
    }

    /// Normal numbers whose result is normal; others go to the evaluator.
    fn float_estimate(&mut self, v: Value, i: &Inst) {
        let root = i.op == Op::VFRsqrte;
        let a = self.reg(i.args[0]);
        let d = self.def(v);
        let (slow, done) = self.begin_slow(i, d);
        // All registers before the way to the evaluator leaves: taking one may store another value.
        let [x, e, index] = [self.tmp(), self.tmp(), self.tmp()];
        let base = self.alloc(Ty::I64);
        self.zero_extend_vec(i.ty, x, a);
        if i.ty != Ty::V128 {
            self.v3c(POR, x, x, splat(2, 0x3f80_0000) << 64);
        }
        // The exponent (for the root with the sign above it) has to be in range.
        self.vshift(0x72, 2, e, x, 23);
        let greatest = if root { 254 } else { 252 };
        if !root {
            self.v3c(PAND, e, e, splat(2, 0xff));
        }
        self.v3(PXOR, d, d, d);
        self.v3(lane_op(Op::VCmpEq, 2), d, d, e);
        self.move_reg(Ty::V128, XMM14, e);
        self.v3c(lane_op(Op::VCmpGtS, 2), XMM14, XMM14, splat(2, greatest));
        self.v3(POR, d, d, XMM14);
        self.any_sign(false, d);
        self.jcc(x86cc::NE, slow);
        self.vshift(0x72, 2, index, x, 15);
        let mask = if root { 0x1ff } else { 0xff };
        self.v3c(PAND, index, index, splat(2, mask));
        self.look_up(if root { &ROOTS } else { &RECIPROCALS }, d, index, base);
        self.vshift(0x72, 6, d, d, 15);
        // The exponent: 253 - e, or half of 380 - e.
        let from = if root { 380 } else { 253 };
        self.load_const(Ty::V128, XMM14, splat(2, from));
        self.v3(PSUBD, XMM14, XMM14, e);
        if root {
            self.vshift(0x72, 2, XMM14, XMM14, 1);
        }
        self.vshift(0x72, 6, XMM14, XMM14, 23);
        self.v3(POR, d, d, XMM14);
        self.v3c(PAND, x, x, splat(2, 1 << 31));
        self.v3(POR, d, d, x);
        self.bind_label(done);
    }

    /// Below a half: all ones.
    fn fixed_reciprocal(&mut self, v: Value, i: &Inst) {
        let a = self.reg(i.args[0]);
        let d = self.def(v);
        let index = self.tmp();
        self.vshift(0x72, 2, index, a, 23);
        self.v3c(PAND, index, index, splat(2, 0xff));
        let base = self.alloc(Ty::I64);
        self.look_up(&RECIPROCALS, d, index, base);
        self.vshift(0x72, 6, d, d, 23);
        self.v3c(POR, d, d, splat(2, 1 << 31));
        self.vshift(0x72, 4, XMM14, a, 31);
        self.v3c(PXOR, XMM14, XMM14, u128::MAX);
        self.v3(POR, d, d, XMM14);
    }

    /// Below a quarter: all ones.
    fn fixed_root(&mut self, v: Value, i: &Inst) {
        let a = self.reg(i.args[0]);
        let d = self.def(v);
        let [index, high] = [self.tmp(), self.tmp()];
        // From a half on the upper part of the table, else the lower with one more bit.
        self.vshift(0x72, 2, index, a, 22);
        self.v3c(PAND, index, index, splat(2, 0xff));
        self.v3c(POR, index, index, splat(2, 0x100));
        self.vshift(0x72, 2, d, a, 23);
        self.v3c(PAND, d, d, splat(2, 0xff));
        self.vshift(0x72, 4, XMM14, a, 31);
        self.select(index, index, d, XMM14);
        let base = self.alloc(Ty::I64);
        self.look_up(&ROOTS, d, index, base);
        self.vshift(0x72, 6, d, d, 23);
        self.v3c(POR, d, d, splat(2, 1 << 31));
        self.v3(p(0xfe), high, a, a);
        self.v3(POR, high, high, a);
        self.vshift(0x72, 4, high, high, 31);
        self.v3c(PXOR, high, high, u128::MAX);
        self.v3(POR, d, d, high);
    }

    /// `d` = the table's bytes at the indices in the 32-bit lanes of `index`. `base` is a free general register.
    fn look_up(&mut self, table: &[u128], d: u8, index: u8, base: u8) {
        let label = self.table_label(table);
        self.lea_label(base, label);
        if self.f.avx2 {
            self.ones(XMM14);
            let m = Mem {
                index: index & 15,
                ..Mem::base(base, 0)
            };
            // vpgatherdd
            self.a.vex(q(0x90), false, d, XMM14 & 15, Rm::M(m));
            return self.v3c(PAND, d, d, splat(2, 0xff));
        }
        for k in 0..4 {
            self.a.op_i8(t(0x16), false, index & 15, Rm::R(RAX), k);
            let m = Mem {
                index: RAX,
                ..Mem::base(base, 0)
            };
            self.a.op(Opc(0, 1, 0xb6), false, RAX, Rm::M(m));
            if k == 0 {
                self.mov_gx(true, false, d, RAX);
            } else {
                self.a.op_i8(t(0x22), false, d & 15, Rm::R(RAX), k);
            }
        }
    }

    /// The label of a table among the constants behind the code.
    fn table_label(&mut self, table: &[u128]) -> u32 {
        let same = |w: &[(u128, u32)]| w.iter().map(|(bits, _)| bits).eq(table);
        if let Some(at) = self.consts.windows(table.len()).find(|w| same(w)) {
            return at[0].1;
        }
        let first = self.new_label();
        for (k, bits) in table.iter().enumerate() {
            let label = if k == 0 { first } else { self.new_label() };
            self.consts.push((*bits, label));
        }
        first
    }
}
