//! VFP and lane transfers, loads and stores of extension registers. [ARMv7 A7.6, A7.8, A7.9]

use tcg_ir::{Addr, MemFlags, Op, Slot, Ty, Value};

use super::fpregs::{dreg, sreg, vreg};
use super::{Out, Translator};
use crate::decode::{Feature, args};

impl Translator<'_> {
    fn fmem(&self, double: bool) -> MemFlags {
        MemFlags::size(if double { 3 } else { 2 }).big_endian(self.big_endian())
    }

    /// base ± offset, where a program-counter base is word-aligned.
    pub(super) fn fp_addr(&mut self, rn: u32, up: bool, offset: u32) -> Addr {
        let offset = offset as i32;
        let offset = if up { offset } else { -offset };
        if rn == 15 {
            let base = self.read_pc() & !3;
            return Addr::absolute(base.wrapping_add(offset as u32));
        }
        Addr::base_disp(self.reg(rn), offset)
    }

    const fn freg(double: bool, n: u32) -> Slot {
        if double { dreg(n) } else { sreg(n) }
    }

    fn freg_exists(&self, double: bool, n: u32) -> bool {
        n < if double && self.has(Feature::D32) {
            32
        } else if double {
            16
        } else {
            32
        }
    }

    pub(super) fn vldr(&mut self, a: args::Vldr) -> Out {
        if !self.freg_exists(a.double, a.vd) {
            return self.undefined();
        }
        let addr = self.fp_addr(a.rn, a.u, a.imm * 4);
        let slot = Self::freg(a.double, a.vd);
        let flags = self.fmem(a.double);
        let v = self.b.load(slot.ty, addr, flags);
        self.b.set(slot, v);
        Out::Next
    }

    pub(super) fn vstr(&mut self, a: args::Vstr) -> Out {
        if !self.freg_exists(a.double, a.vd) {
            return self.undefined();
        }
        let addr = self.fp_addr(a.rn, a.u, a.imm * 4);
        let v = self.b.get(Self::freg(a.double, a.vd));
        let flags = self.fmem(a.double);
        self.b.store(addr, v, flags);
        Out::Next
    }

    /// VLDM and VSTM: consecutive registers, base written back last.
    #[expect(
        clippy::too_many_arguments,
        reason = "the fields of one instruction form"
    )]
    fn fp_multiple(
        &mut self,
        load: bool,
        double: bool,
        vd: u32,
        rn: u32,
        up: bool,
        wback: bool,
        imm8: u32,
    ) -> Out {
        let count = if double { imm8 / 2 } else { imm8 };
        // UNPREDICTABLE: no registers, more than 16 doublewords, or beyond the last register: undefined.
        if count == 0 || (double && count > 16) || !self.freg_exists(double, vd + count - 1) {
            return self.undefined();
        }
        let start = if up {
            self.fp_addr(rn, true, 0)
        } else {
            self.fp_addr(rn, false, imm8 * 4)
        };
        let flags = self.fmem(double);
        let step = if double { 8 } else { 4 };
        for k in 0..count {
            let slot = Self::freg(double, vd + k);
            let addr = start.plus((k * step) as i32);
            if load {
                let v = self.b.load(slot.ty, addr, flags);
                self.b.set(slot, v);
            } else {
                let v = self.b.get(slot);
                self.b.store(addr, v, flags);
            }
        }
        if wback {
            let base = self.reg(rn);
            let delta = self.b.i32(imm8 * 4);
            let op = if up { Op::Add } else { Op::Sub };
            let new = self.b.bin(op, Ty::I32, base, delta);
            self.set_reg(rn, new);
        }
        Out::Next
    }

    pub(super) fn vldm(&mut self, a: args::Vldm) -> Out {
        self.fp_multiple(true, a.double, a.vd, a.rn, a.u, a.w, a.imm)
    }

    pub(super) fn vstm(&mut self, a: args::Vstm) -> Out {
        self.fp_multiple(false, a.double, a.vd, a.rn, a.u, a.w, a.imm)
    }

    // ---- transfers ----

    pub(super) fn vmov_to_s(&mut self, a: args::VmovToS) -> Out {
        let v = self.reg(a.rt);
        let v = self.b.bitcast(Ty::F32, v);
        self.b.set(sreg(a.vn), v);
        Out::Next
    }

    pub(super) fn vmov_from_s(&mut self, a: args::VmovFromS) -> Out {
        let v = self.b.get(sreg(a.vn));
        let v = self.b.bitcast(Ty::I32, v);
        self.set_reg(a.rt, v);
        Out::Next
    }

    pub(super) fn vmov_ss(&mut self, a: args::VmovSs) -> Out {
        if a.vm == 31 {
            return self.undefined(); // UNPREDICTABLE: there is no S32
        }
        for (core, s) in [(a.rt, a.vm), (a.rt2, a.vm + 1)] {
            if a.to_core {
                let v = self.b.get(sreg(s));
                let v = self.b.bitcast(Ty::I32, v);
                self.set_reg(core, v);
            } else {
                let v = self.reg(core);
                let v = self.b.bitcast(Ty::F32, v);
                self.b.set(sreg(s), v);
            }
        }
        Out::Next
    }

    pub(super) fn vmov_d(&mut self, a: args::VmovD) -> Out {
        if !self.freg_exists(true, a.vm) {
            return self.undefined();
        }
        if a.to_core {
            let v = self.b.get(dreg(a.vm));
            let v = self.b.bitcast(Ty::I64, v);
            let lo = self.b.un(Op::Trunc, Ty::I32, v);
            let hi = self.b.un(Op::Hi32, Ty::I32, v);
            self.set_reg(a.rt, lo);
            self.set_reg(a.rt2, hi);
        } else {
            let (lo, hi) = (self.reg(a.rt), self.reg(a.rt2));
            let v = self.b.bin(Op::Concat, Ty::I64, lo, hi);
            let v = self.b.bitcast(Ty::F64, v);
            self.b.set(dreg(a.vm), v);
        }
        Out::Next
    }

    pub(super) fn vmov_to_lane(&mut self, a: args::VmovToLane) -> Out {
        let Some((size, index)) = lane_of(a.opc1, a.opc2) else {
            return self.undefined();
        };
        if !self.lane_allowed(size, a.vd) {
            return self.undefined();
        }
        let v = self.reg(a.rt);
        if size == 2 {
            let off = dreg(a.vd).off as usize + 4 * index as usize;
            let v = self.b.bitcast(Ty::F32, v);
            self.b.set(Slot::new(off, Ty::F32), v);
            return Out::Next;
        }
        let old = self.b.get(vreg(false, a.vd));
        let new = self
            .b
            .vbin(Op::VSet, Ty::V64, size, old, v, i64::from(index));
        self.b.set(vreg(false, a.vd), new);
        Out::Next
    }

    pub(super) fn vmov_from_lane(&mut self, a: args::VmovFromLane) -> Out {
        let Some((size, index)) = lane_of(a.opc1, a.opc2) else {
            return self.undefined();
        };
        if (size == 2 && a.u) || !self.lane_allowed(size, a.vn) {
            return self.undefined();
        }
        let v = if size == 2 {
            let off = dreg(a.vn).off as usize + 4 * index as usize;
            let v = self.b.get(Slot::new(off, Ty::F32));
            self.b.bitcast(Ty::I32, v)
        } else {
            let vec = self.b.get(vreg(false, a.vn));
            let args = [vec, Value::NONE, Value::NONE];
            self.b.op(
                Op::VGet,
                Ty::I32,
                size,
                u8::from(!a.u),
                args,
                i64::from(index),
            )
        };
        self.set_reg(a.rt, v);
        Out::Next
    }

    /// 8 and 16-bit lanes belong to Advanced SIMD.
    fn lane_allowed(&self, size: u8, d: u32) -> bool {
        self.freg_exists(true, d) && (size == 2 || self.has(Feature::Neon))
    }

    pub(super) fn vdup_reg(&mut self, a: args::VdupReg) -> Out {
        let size = match (a.byte, a.half) {
            (false, false) => 2,
            (false, true) => 1,
            (true, false) => 0,
            _ => return self.undefined(),
        };
        let d = a.vd;
        let quad = a.quad;
        if quad && d & 1 != 0 {
            return self.undefined();
        }
        let v = self.reg(a.rt);
        let ty = super::fpregs::vty(quad);
        let r = self.b.vun(Op::VDup, ty, size, v, 0);
        self.vset(quad, d, r);
        Out::Next
    }
}

/// Size and index of a lane from opc1 and opc2. [ARMv7 A8.8.341]
fn lane_of(opc1: u32, opc2: u32) -> Option<(u8, u32)> {
    match (opc1 & 2, opc2) {
        (2, _) => Some((0, (opc1 & 1) << 2 | opc2)),
        (_, 1 | 3) => Some((1, (opc1 & 1) << 1 | opc2 >> 1)),
        (_, 0) => Some((2, opc1 & 1)),
        _ => None,
    }
}
