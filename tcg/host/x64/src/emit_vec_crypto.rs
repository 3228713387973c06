//! Steps of AES and SHA-256 on the host's instructions for them. [SDM2 4]

use crate::abi::*;
use crate::compiler::Gen;
use crate::emit_vec::{PUNPCKLQDQ, p, q};
use crate::emit_vec_pairs::PUNPCKHQDQ;
use crate::enc::{Opc, Rm};
use tcg_ir::{Inst, Op, Ty, Value};

const PXOR: Opc = p(0xef);
const PADDD: Opc = p(0xfe);
const PSHUFD: Opc = p(0x70);
const PALIGNR: Opc = crate::emit_vec::t(0x0f);
const AESIMC: Opc = q(0xdb);
const AESENC: Opc = q(0xdc);
const AESENCLAST: Opc = q(0xdd);
const AESDECLAST: Opc = q(0xdf);
/// SHA instructions have no VEX form.
const SHA256RNDS2: Opc = Opc(0, 2, 0xcb);
const SHA256MSG1: Opc = Opc(0, 2, 0xcc);
const SHA256MSG2: Opc = Opc(0, 2, 0xcd);

/// For pshufd: the doublewords of each half swapped; the upper half down.
const SWAPPED: u8 = 0xb1;
const UPPER: u8 = 0x0e;

impl Gen<'_> {
    /// Parts of the host's rounds, which have a key: zero.
    pub fn aes_step(&mut self, v: Value, i: &Inst) {
        let a = self.reg(i.args[0]);
        let d = self.def_reuse(v, i.args[0]);
        if i.op == Op::VAesMixInv {
            return self.v2(AESIMC, d, a);
        }
        self.v3(PXOR, XMM14, XMM14, XMM14);
        match i.op {
            Op::VAesSub => self.v3(AESENCLAST, d, a, XMM14),
            Op::VAesSubInv => self.v3(AESDECLAST, d, a, XMM14),
            // A round without what the last inverse round undoes before.
            _ => {
                self.v3(AESDECLAST, d, a, XMM14);
                self.v3(AESENC, d, d, XMM14);
            }
        }
    }

    /// Two times two rounds. The host has the eight words as (F, E, B, A) and (H, G, D, C), and their constants in xmm0.
    pub fn sha256_rounds(&mut self, v: Value, i: &Inst) {
        let (abcd, efgh) = self.two(i);
        let wk = self.reg(i.args[2]);
        let d = self.def(v);
        let mut cdgh = self.tmp();
        if cdgh == XMM0 {
            cdgh = self.tmp();
        }
        self.v3(PUNPCKLQDQ, XMM14, efgh, abcd);
        self.v2i(PSHUFD, XMM14, XMM14, SWAPPED);
        self.v3(PUNPCKHQDQ, cdgh, efgh, abcd);
        self.v2i(PSHUFD, cdgh, cdgh, SWAPPED);
        self.move_reg(Ty::V128, XMM15, XMM0);
        if wk != XMM0 {
            self.move_reg(Ty::V128, XMM0, wk);
        }
        self.a.op(SHA256RNDS2, false, cdgh & 15, Rm::R(XMM14 & 15));
        self.v2i(PSHUFD, XMM0, XMM0, UPPER);
        self.a.op(SHA256RNDS2, false, XMM14 & 15, Rm::R(cdgh & 15));
        self.move_reg(Ty::V128, XMM0, XMM15);
        let half = if i.imm == 0 { PUNPCKHQDQ } else { PUNPCKLQDQ };
        self.v3(half, d, XMM14, cdgh);
        self.v2i(PSHUFD, d, d, SWAPPED);
    }

    /// The schedule of messages.
    pub fn sha256_schedule(&mut self, v: Value, i: &Inst) {
        let (a, b) = self.two(i);
        if i.op == Op::VSha256Low {
            self.move_reg(Ty::V128, XMM14, a);
            self.a.op(SHA256MSG1, false, XMM14 & 15, Rm::R(b & 15));
        } else {
            let last = self.reg(i.args[2]);
            self.v3i(PALIGNR, false, XMM14, last, Rm::R(b), 4);
            self.v3(PADDD, XMM14, XMM14, a);
            self.a.op(SHA256MSG2, false, XMM14 & 15, Rm::R(last & 15));
        }
        let d = self.def(v);
        self.move_reg(Ty::V128, d, XMM14);
    }
}
