//! Advanced SIMD: reductions across the lanes of a vector. [ARMv8 C7.2]

use tcg_ir::{Op, Ty, Value};

use super::simd::vty;
use super::{Out, Translator};
use crate::decode::args;

impl Translator<'_> {
    /// Lane 0 becomes the result of pairwise steps over `lanes` lanes.
    fn pairwise_steps(&mut self, op: Op, ty: Ty, size: u32, x: Value, lanes: u32) -> Value {
        let mut v = x;
        let mut left = lanes;
        while left > 1 {
            v = self.vlane(op, ty, size, v, v);
            left /= 2;
        }
        v
    }

    fn across(&mut self, op: Op, quad: bool, size: u32, n: u32, d: u32) -> Out {
        let ty = vty(u32::from(quad));
        let x = self.vget(u32::from(quad), n);
        let r = self.pairwise_steps(op, ty, size, x, ty.bytes() >> size);
        let r = self.b.bitcast(Ty::V64, r);
        let r = self.low_lane(r, size);
        self.set_scalar(d, r);
        Out::Next
    }

    pub(super) fn maxv(&mut self, a: args::Maxv) -> Out {
        let op = if a.unsigned { Op::VPmaxU } else { Op::VPmaxS };
        self.across(op, a.quad, a.size, a.rn, a.rd)
    }

    pub(super) fn minv(&mut self, a: args::Minv) -> Out {
        let op = if a.unsigned { Op::VPminU } else { Op::VPminS };
        self.across(op, a.quad, a.size, a.rn, a.rd)
    }

    pub(super) fn addv(&mut self, a: args::Addv) -> Out {
        let shape = u32::from(a.quad);
        let x = self.vget(shape, a.rn);
        let r = self.b.vun(Op::VAddAcross, vty(shape), a.size as u8, x, 0);
        self.set_scalar(a.rd, r);
        Out::Next
    }

    /// Sums of adjacent lanes in twice the size cannot overflow; nor can their sum across in that size.
    pub(super) fn addlv(&mut self, a: args::Addlv) -> Out {
        let op = if a.unsigned { Op::VPaddlU } else { Op::VPaddlS };
        let shape = u32::from(a.quad);
        let x = self.vget(shape, a.rn);
        let pairs = self.b.vun(op, vty(shape), a.size as u8, x, 0);
        let r = self
            .b
            .vun(Op::VAddAcross, vty(shape), a.size as u8 + 1, pairs, 0);
        self.set_scalar(a.rd, r);
        Out::Next
    }

    pub(super) fn addp_s(&mut self, a: args::AddpS) -> Out {
        let x = self.vget(1, a.rn);
        let r = self.b.vun(Op::VAddAcross, Ty::V128, 3, x, 0);
        self.set_scalar(a.rd, r);
        Out::Next
    }
}
