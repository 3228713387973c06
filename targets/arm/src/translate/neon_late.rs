//! Advanced SIMD of ARMv8.1 to 8.6 through a helper that works on the register file. [ARMv8 F6.1]

use tcg_ir::{Op, Ty, Value};

use super::{Out, Translator};
use crate::decode::{Feature, args};
use crate::helper;
use crate::helper::simd::{Shape, SimdOp};
use crate::state::slot;

/// Bytes of a D or Q register.
const fn bytes(quad: bool) -> u32 {
    if quad { 16 } else { 8 }
}

impl Translator<'_> {
    fn late(&mut self, op: SimdOp, shape: Shape) -> Out {
        let (regs, rest) = shape.pack();
        let words = [op as u32, regs, rest].map(|w| self.b.i32(w));
        self.b.call(helper::SIMD, helper::def(helper::SIMD), &words);
        Out::Next
    }

    /// An instruction on registers of one length.
    fn late3(&mut self, op: SimdOp, quad: bool, size: u32, [d, n, m]: [u32; 3]) -> Out {
        let shape = Shape {
            bytes: bytes(quad),
            d: 8 * d,
            n: 8 * n,
            m: 8 * m,
            size,
            ..Shape::default()
        };
        self.late(op, shape)
    }

    /// The same with one element of the last.
    fn late_lane(
        &mut self,
        op: SimdOp,
        quad: bool,
        size: u32,
        [d, n, m]: [u32; 3],
        lane: u32,
    ) -> Out {
        let shape = Shape {
            bytes: bytes(quad),
            d: 8 * d,
            n: 8 * n,
            m: 8 * m,
            size,
            lane: Some(lane),
            rot: 0,
        };
        self.late(op, shape)
    }

    pub(super) fn vqrdmlah(&mut self, a: args::Vqrdmlah) -> Out {
        self.late3(SimdOp::Rdmlah, a.quad, a.size, [a.vd, a.vn, a.vm])
    }

    pub(super) fn vqrdmlsh(&mut self, a: args::Vqrdmlsh) -> Out {
        self.late3(SimdOp::Rdmlsh, a.quad, a.size, [a.vd, a.vn, a.vm])
    }

    fn rdml_lane(&mut self, op: SimdOp, quad: bool, size: u32, [d, n, m]: [u32; 3]) -> Out {
        // [ARMv7 A7.4.3]: the register has three or four bits, the index the rest.
        let (register, lane) = match size {
            1 => (m & 7, (m >> 3 & 1) | (m >> 4 & 1) << 1),
            _ => (m & 15, m >> 4),
        };
        self.late_lane(op, quad, size, [d, n, register], lane)
    }

    pub(super) fn vqrdmlah_s(&mut self, a: args::VqrdmlahS) -> Out {
        self.rdml_lane(SimdOp::Rdmlah, a.quad, a.size, [a.vd, a.vn, a.vm])
    }

    pub(super) fn vqrdmlsh_s(&mut self, a: args::VqrdmlshS) -> Out {
        self.rdml_lane(SimdOp::Rdmlsh, a.quad, a.size, [a.vd, a.vn, a.vm])
    }

    pub(super) fn vdot(&mut self, a: args::Vdot) -> Out {
        let op = if a.unsigned {
            SimdOp::DotUU
        } else {
            SimdOp::DotSS
        };
        self.late3(op, a.quad, 2, [a.vd, a.vn, a.vm])
    }

    pub(super) fn vdot_s(&mut self, a: args::VdotS) -> Out {
        let op = if a.unsigned {
            SimdOp::DotUU
        } else {
            SimdOp::DotSS
        };
        self.late_lane(op, a.quad, 2, [a.vd, a.vn, a.vm], u32::from(a.lane))
    }

    pub(super) fn vusdot(&mut self, a: args::Vusdot) -> Out {
        self.late3(SimdOp::DotUS, a.quad, 2, [a.vd, a.vn, a.vm])
    }

    pub(super) fn vusdot_s(&mut self, a: args::VusdotS) -> Out {
        let op = if a.unsigned {
            SimdOp::DotSU
        } else {
            SimdOp::DotUS
        };
        self.late_lane(op, a.quad, 2, [a.vd, a.vn, a.vm], u32::from(a.lane))
    }

    pub(super) fn vmmla(&mut self, a: args::Vmmla) -> Out {
        let op = match (a.mixed, a.unsigned) {
            (true, _) => SimdOp::MatUS,
            (false, true) => SimdOp::MatUU,
            (false, false) => SimdOp::MatSS,
        };
        self.late3(op, true, 2, [a.vd, a.vn, a.vm])
    }

    pub(super) fn vdot_bf16(&mut self, a: args::VdotBf16) -> Out {
        self.late3(SimdOp::DotBf, a.quad, 2, [a.vd, a.vn, a.vm])
    }

    pub(super) fn vdot_bf16_s(&mut self, a: args::VdotBf16S) -> Out {
        self.late_lane(
            SimdOp::DotBf,
            a.quad,
            2,
            [a.vd, a.vn, a.vm],
            u32::from(a.lane),
        )
    }

    pub(super) fn vmmla_bf16(&mut self, a: args::VmmlaBf16) -> Out {
        self.late3(SimdOp::MatBf, true, 2, [a.vd, a.vn, a.vm])
    }

    pub(super) fn vfma_bf16(&mut self, a: args::VfmaBf16) -> Out {
        let op = if a.top {
            SimdOp::FmaTop
        } else {
            SimdOp::FmaBottom
        };
        self.late3(op, true, 2, [a.vd, a.vn, a.vm])
    }

    pub(super) fn vfma_bf16_s(&mut self, a: args::VfmaBf16S) -> Out {
        let op = if a.top {
            SimdOp::FmaTop
        } else {
            SimdOp::FmaBottom
        };
        self.late_lane(op, true, 2, [a.vd, a.vn, a.vm], a.lane)
    }

    pub(super) fn vcvt_bf16_v(&mut self, a: args::VcvtBf16V) -> Out {
        self.late3(SimdOp::CvtBf, true, 2, [a.vd, 0, a.vm])
    }

    fn complex(&mut self, op: SimdOp, single: bool, shape: Shape) -> Out {
        if !single && !self.has(Feature::Fullfp16) {
            return self.undefined();
        }
        let size = 1 + u32::from(single);
        self.late(op, Shape { size, ..shape })
    }

    pub(super) fn vcmla(&mut self, a: args::Vcmla) -> Out {
        let shape = Shape {
            bytes: bytes(a.quad),
            d: 8 * a.vd,
            n: 8 * a.vn,
            m: 8 * a.vm,
            rot: a.rot,
            ..Shape::default()
        };
        self.complex(SimdOp::Cmla, a.single, shape)
    }

    pub(super) fn vcadd(&mut self, a: args::Vcadd) -> Out {
        let shape = Shape {
            bytes: bytes(a.quad),
            d: 8 * a.vd,
            n: 8 * a.vn,
            m: 8 * a.vm,
            rot: if a.rot { 3 } else { 1 },
            ..Shape::default()
        };
        self.complex(SimdOp::Cadd, a.single, shape)
    }

    pub(super) fn vcmla_s(&mut self, a: args::VcmlaS) -> Out {
        let shape = Shape {
            bytes: bytes(a.quad),
            d: 8 * a.vd,
            n: 8 * a.vn,
            m: 8 * a.vm,
            lane: Some(u32::from(a.lane)),
            rot: a.rot,
            size: 0,
        };
        self.complex(SimdOp::Cmla, a.single, shape)
    }

    /// VFMAL and VFMSL: the sources are half as long as the destination.
    fn fmal_shape(quad: bool, [d, n, m]: [u32; 3], lane: Option<u32>) -> Shape {
        let unit = bytes(quad) / 2;
        Shape {
            bytes: bytes(quad),
            d: 8 * d,
            n: unit * n,
            m: unit * m,
            size: 2,
            lane,
            rot: 0,
        }
    }

    pub(super) fn vfmal(&mut self, a: args::Vfmal) -> Out {
        let op = if a.sub { SimdOp::Fmsl } else { SimdOp::Fmal };
        self.late(op, Self::fmal_shape(a.quad, [a.vd, a.vn, a.vm], None))
    }

    pub(super) fn vfmal_s(&mut self, a: args::VfmalS) -> Out {
        let op = if a.sub { SimdOp::Fmsl } else { SimdOp::Fmal };
        self.late(
            op,
            Self::fmal_shape(a.quad, [a.vd, a.vn, a.vm], Some(a.index)),
        )
    }

    // ---- scalar conversions of these versions ----

    fn scalar_helper(&mut self, id: tcg_ir::HelperId, args: &[Value]) -> Value {
        self.b.call(id, helper::def(id), args)
    }

    pub(super) fn vjcvt(&mut self, a: args::Vjcvt) -> Out {
        let x = self.b.get(super::fpregs::dreg(a.vm));
        let flush = self.b.i32(self.mode.fpscr_bits() >> 24 & 1);
        let x = self.b.bitcast(Ty::I64, x);
        // The number; in bit 32 whether it is exact.
        let both = self.scalar_helper(helper::JCVT, &[x, flush]);
        let number = self.b.un(Op::Trunc, Ty::I32, both);
        let exact = self.b.un(Op::Hi32, Ty::I32, both);
        let number = self.b.bitcast(Ty::F32, number);
        self.b.set(super::fpregs::sreg(a.vd), number);
        let zero = self.b.i32(0);
        for s in [slot::FP_N, slot::FP_C, slot::FP_V] {
            self.b.set(s, zero);
        }
        self.b.set(slot::FP_Z, exact);
        Out::Next
    }

    pub(super) fn vcvt_bf16(&mut self, a: args::VcvtBf16) -> Out {
        let x = self.b.get(super::fpregs::sreg(a.vm));
        let x = self.b.bitcast(Ty::I32, x);
        let control = self.b.i32(self.mode.fpscr_bits());
        let half = self.scalar_helper(helper::TO_BF16, &[x, control]);
        let old = self.b.get(super::fpregs::sreg(a.vd));
        let old = self.b.bitcast(Ty::I32, old);
        let r = self
            .b
            .deposit(Ty::I32, old, half, if a.top { 16 } else { 0 }, 16);
        let r = self.b.bitcast(Ty::F32, r);
        self.b.set(super::fpregs::sreg(a.vd), r);
        Out::Next
    }
}
