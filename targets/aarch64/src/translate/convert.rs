//! Scalar conversions and rounding to integral values. [ARMv8 C7.2]

use tcg_ir::{FpRound, Op, Ty, Value};

use super::float::{HALF, fsize, fty};
use super::operand::{R31, ity};
use super::{Out, Translator};
use crate::decode::args;
use crate::state::slot;
use tcg_softfloat::lanes::{CURRENT, Desc, Soft};

const NONE: Value = Value::NONE;

/// The rounding modes of instructions: N, P, M, Z, A; then X and I, which take the current one.
pub(super) const fn rounding(mode: u32) -> FpRound {
    match mode {
        0 => FpRound::Nearest,
        1 => FpRound::Up,
        2 => FpRound::Down,
        3 => FpRound::Zero,
        4 => FpRound::NearestAway,
        _ => FpRound::Current,
    }
}

/// FRINTX: an inexact result is signalled.
pub(super) const EXACT: u32 = 6;

impl Translator<'_> {
    fn float_to_int(
        &mut self,
        ty: u32,
        f: (bool, bool, u32),
        round: FpRound,
        n: u32,
        d: u32,
    ) -> Out {
        let (wide, unsigned, fraction) = f;
        let r = if ty == HALF {
            let x = self.b.get(slot::v(n));
            let desc = Desc {
                round: round as u8,
                flag: !unsigned,
                fraction: fraction as u8,
                int: if wide { 3 } else { 2 },
                ..Desc::new(Soft::ToInt, 1, 1)
            };
            if d == R31 {
                // The sticky flags count.
                self.soft(desc, [x, x, x]);
                return Out::Next;
            }
            let r = self.soft(desc, [x, x, x]);
            let r = self.b.vun(Op::VGet, Ty::I64, 3, r, 0);
            if wide {
                r
            } else {
                self.b.un(Op::Trunc, Ty::I32, r)
            }
        } else {
            let x = self.fget(ty, n);
            let width = if wide { 64 } else { 32 };
            let imm = i64::from(fraction | u32::from(!unsigned) << 8 | width << 16);
            self.b
                .fop(Op::FToI, ity(wide), round as u8, 0, [x, NONE, NONE], imm)
        };
        self.set_reg(d, r);
        Out::Next
    }

    fn int_to_float(&mut self, ty: u32, f: (bool, bool, u32), n: u32, d: u32) -> Out {
        let (wide, unsigned, fraction) = f;
        let x = self.reg(wide, n);
        let r = if ty == HALF {
            let x = match (wide, unsigned) {
                (true, _) => x,
                (false, true) => self.b.un(Op::ZextI64, Ty::I64, x),
                (false, false) => self.b.un(Op::SextI64, Ty::I64, x),
            };
            let x = self.b.bitcast(Ty::V128, x);
            let desc = Desc {
                flag: !unsigned,
                fraction: fraction as u8,
                int: 3,
                ..Desc::new(Soft::FromInt, 1, 1)
            };
            self.soft(desc, [x, x, x])
        } else {
            let imm = i64::from(fraction | u32::from(!unsigned) << 8);
            let round = FpRound::Current as u8;
            self.b
                .fop(Op::FFromI, fty(ty), round, 0, [x, NONE, NONE], imm)
        };
        self.set_scalar(d, r);
        Out::Next
    }

    pub(super) fn fcvt_to_int(&mut self, a: args::FcvtToInt) -> Out {
        let f = (a.sf, a.unsigned, 0);
        self.float_to_int(a.ty, f, rounding(a.mode), a.rn, a.rd)
    }

    pub(super) fn fcvt_away(&mut self, a: args::FcvtAway) -> Out {
        let f = (a.sf, a.unsigned, 0);
        self.float_to_int(a.ty, f, FpRound::NearestAway, a.rn, a.rd)
    }

    pub(super) fn fcvt_from_int(&mut self, a: args::FcvtFromInt) -> Out {
        self.int_to_float(a.ty, (a.sf, a.unsigned, 0), a.rn, a.rd)
    }

    pub(super) fn fcvt_to_fixed(&mut self, a: args::FcvtToFixed) -> Out {
        let f = (a.sf, a.unsigned, 64 - a.scale);
        self.float_to_int(a.ty, f, FpRound::Zero, a.rn, a.rd)
    }

    pub(super) fn fcvt_from_fixed(&mut self, a: args::FcvtFromFixed) -> Out {
        self.int_to_float(a.ty, (a.sf, a.unsigned, 64 - a.scale), a.rn, a.rd)
    }

    pub(super) fn fcvt(&mut self, a: args::Fcvt) -> Out {
        let r = match (a.from, a.to) {
            (HALF, to) => {
                let h = self.half(a.rn);
                self.b.fop(Op::FFromHalf, fty(to), 0, 0, [h, NONE, NONE], 0)
            }
            (from, HALF) => {
                let x = self.fget(from, a.rn);
                let h = self.b.fop(Op::FToHalf, Ty::I32, 0, 0, [x, NONE, NONE], 0);
                self.b.un(Op::Zext16, Ty::I32, h)
            }
            (from, to) => {
                let x = self.fget(from, a.rn);
                self.b.fop(Op::FCvt, fty(to), 0, 0, [x, NONE, NONE], 0)
            }
        };
        self.set_scalar(a.rd, r);
        Out::Next
    }

    pub(super) fn frint(&mut self, a: args::Frint) -> Out {
        let round = rounding(a.mode);
        let exact = a.mode == EXACT;
        let r = if a.ty == HALF {
            let x = self.b.get(slot::v(a.rn));
            let desc = Desc {
                round: round as u8,
                flag: exact,
                ..Desc::new(Soft::Round, 1, 1)
            };
            self.soft(desc, [x, x, x])
        } else {
            let x = self.fget(a.ty, a.rn);
            let imm = i64::from(exact);
            self.b
                .fop(Op::FRound, fty(a.ty), round as u8, 0, [x, NONE, NONE], imm)
        };
        self.set_scalar(a.rd, r);
        Out::Next
    }

    pub(super) fn frint_size(&mut self, a: args::FrintSize) -> Out {
        let x = self.b.get(slot::v(a.rn));
        let desc = Desc {
            round: if a.current { CURRENT } else { 3 },
            int: if a.wide { 3 } else { 2 },
            ..Desc::new(Soft::RoundSize, fsize(a.ty), 1)
        };
        let r = self.soft(desc, [x, x, x]);
        self.set_scalar(a.rd, r);
        Out::Next
    }

    /// N, C and V become 0, Z whether the conversion was exact.
    pub(super) fn fjcvtzs(&mut self, a: args::Fjcvtzs) -> Out {
        let x = self.b.get(slot::v(a.rn));
        let r = self.soft(Desc::new(Soft::Javascript, 3, 1), [x, x, x]);
        let r = self.b.vun(Op::VGet, Ty::I64, 3, r, 0);
        let v = self.b.un(Op::Trunc, Ty::I32, r);
        let z = self.b.un(Op::Hi32, Ty::I32, r);
        let zero = self.b.i32(0);
        for (slot, value) in [
            (slot::N, zero),
            (slot::Z, z),
            (slot::C, zero),
            (slot::V, zero),
        ] {
            self.b.set(slot, value);
        }
        self.set_reg(a.rd, v);
        Out::Next
    }
}
