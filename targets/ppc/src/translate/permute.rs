//! AltiVec permutation: permute, select, merge, splat, pack, unpack, extract, insert. [PowerISA I.6.8]

use tcg_ir::{Op, Ty, Value};

use super::{Out, Translator};
use crate::decode::args;
use crate::helper::vector::op as vop;

/// vt = merged halves: the lanes of vb and va interleaved from the right.
macro_rules! merges {
    ($($name:ident $Name:ident = $op:ident $lane:literal;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            self.v_binary(a.vrt, a.vra, a.vrb, |t, x, y| t.b.vbin(Op::$op, Ty::V128, $lane, y, x, 0))
        }
    )*};
}

/// Packs with saturation: the narrowing operation, and the widening one that undoes it. Lane: the result's.
macro_rules! packs {
    ($($name:ident $Name:ident = $narrow:ident $widen:ident $lane:literal;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            self.v_binary(a.vrt, a.vra, a.vrb, |t, x, y| {
                let half = |t: &mut Self, v: Value| {
                    let n = t.b.vun(Op::$narrow, Ty::V64, $lane, v, 0);
                    let back = t.b.vun(Op::$widen, Ty::V128, $lane, n, 0);
                    let differs = t.b.vbin(Op::VXor, Ty::V128, 0, v, back, 0);
                    t.note_saturation(differs);
                    n
                };
                let hi = half(t, x);
                let lo = half(t, y);
                t.b.bin(Op::VConcat, Ty::V128, lo, hi)
            })
        }
    )*};
}

/// Packs of the low halves.
macro_rules! truncates {
    ($($name:ident $Name:ident = $lane:literal;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            self.v_binary(a.vrt, a.vra, a.vrb, |t, x, y| t.b.vbin(Op::VUzpEven, Ty::V128, $lane, y, x, 0))
        }
    )*};
}

/// Sign extension of the left (high) or right half.
macro_rules! unpacks {
    ($($name:ident $Name:ident = $half:ident $lane:literal;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            self.v_unary(a.vrt, a.vrb, |t, x| {
                let half = t.b.un(Op::$half, Ty::V64, x);
                t.b.vun(Op::VWidenS, Ty::V128, $lane, half, 0)
            })
        }
    )*};
}

macro_rules! splats {
    ($($name:ident $Name:ident = $lane:literal;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            let last = (16u32 >> $lane) - 1;
            // The bits of the number that are too many are ignored.
            let lane = last - (a.imm & last);
            self.v_unary(a.vrt, a.vrb, |t, x| t.b.vun(Op::VDupLane, Ty::V128, $lane, x, i64::from(lane)))
        }
    )*};
}

macro_rules! immediates {
    ($($name:ident $Name:ident = $lane:literal;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            if let Some(out) = self.need_vec() {
                return out;
            }
            let v = (i64::from(a.imm) << 59 >> 59) as u64;
            let v = self.splat(v, $lane);
            self.set_vr(a.vrt, v);
            Out::Next
        }
    )*};
}

/// Extracts and inserts of 1, 2, 4 or 8 bytes at a fixed place.
macro_rules! places {
    ($($name:ident $Name:ident = $what:ident $bytes:literal;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            let what = vop::$what | ($bytes | a.uim << 4) << 8;
            let vt = a.vrt;
            self.v_unary(a.vrt, a.vrb, |t, x| {
                let old = t.vr(vt);
                t.vector_call(what, x, x, old)
            })
        }
    )*};
}

/// Extracts of 1, 2 or 4 bytes at a place in a general register, to another.
macro_rules! indexed {
    ($($name:ident $Name:ident = $what:ident $bytes:literal;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            if let Some(out) = self.need_vec() {
                return out;
            }
            let at = self.gpr(a.vra);
            let at = self.b.vun(Op::VDup, Ty::V128, 3, at, 0);
            let x = self.vr(a.vrb);
            let r = self.vector_call(vop::$what | $bytes << 8, at, x, x);
            let r = self.b.vun(Op::VGet, Ty::I64, 3, r, 0);
            self.put(a.vrt, r, false)
        }
    )*};
}

impl Translator<'_> {
    merges! {
        vmrghb Vmrghb = VZipHi 0;
        vmrghh Vmrghh = VZipHi 1;
        vmrghw Vmrghw = VZipHi 2;
        vmrglb Vmrglb = VZipLo 0;
        vmrglh Vmrglh = VZipLo 1;
        vmrglw Vmrglw = VZipLo 2;
        vmrgow Vmrgow = VTrnEven 2;
        vmrgew Vmrgew = VTrnOdd 2;
    }

    truncates! {
        vpkuhum Vpkuhum = 0;
        vpkuwum Vpkuwum = 1;
        vpkudum Vpkudum = 2;
    }

    packs! {
        vpkuhus Vpkuhus = VNarrowSatU VWidenU 0;
        vpkuwus Vpkuwus = VNarrowSatU VWidenU 1;
        vpkudus Vpkudus = VNarrowSatU VWidenU 2;
        vpkshus Vpkshus = VNarrowSatSU VWidenU 0;
        vpkswus Vpkswus = VNarrowSatSU VWidenU 1;
        vpksdus Vpksdus = VNarrowSatSU VWidenU 2;
        vpkshss Vpkshss = VNarrowSatS VWidenS 0;
        vpkswss Vpkswss = VNarrowSatS VWidenS 1;
        vpksdss Vpksdss = VNarrowSatS VWidenS 2;
    }

    unpacks! {
        vupkhsb Vupkhsb = VHigh 0;
        vupkhsh Vupkhsh = VHigh 1;
        vupkhsw Vupkhsw = VHigh 2;
        vupklsb Vupklsb = Bitcast 0;
        vupklsh Vupklsh = Bitcast 1;
        vupklsw Vupklsw = Bitcast 2;
    }

    splats! {
        vspltb Vspltb = 0;
        vsplth Vsplth = 1;
        vspltw Vspltw = 2;
    }

    immediates! {
        vspltisb Vspltisb = 0;
        vspltish Vspltish = 1;
        vspltisw Vspltisw = 2;
    }

    places! {
        vextractub Vextractub = EXTRACT 1;
        vextractuh Vextractuh = EXTRACT 2;
        vextractuw Vextractuw = EXTRACT 4;
        vextractd Vextractd = EXTRACT 8;
        vinsertb Vinsertb = INSERT 1;
        vinserth Vinserth = INSERT 2;
        vinsertw Vinsertw = INSERT 4;
        vinsertd Vinsertd = INSERT 8;
    }

    indexed! {
        vextublx Vextublx = EXTRACT_LEFT 1;
        vextuhlx Vextuhlx = EXTRACT_LEFT 2;
        vextuwlx Vextuwlx = EXTRACT_LEFT 4;
        vextubrx Vextubrx = EXTRACT_RIGHT 1;
        vextuhrx Vextuhrx = EXTRACT_RIGHT 2;
        vextuwrx Vextuwrx = EXTRACT_RIGHT 4;
    }

    pub(super) fn vsel(&mut self, a: args::Vsel) -> Out {
        let c = a.vrc;
        self.v_binary(a.vrt, a.vra, a.vrb, |t, x, y| {
            let m = t.vr(c);
            t.b.tri(Op::VBsl, Ty::V128, m, y, x)
        })
    }

    /// Bytes of x and y (the right one) that the low five bits of c's bytes choose; `right`: counted from the right.
    pub(super) fn permute(&mut self, x: Value, y: Value, c: Value, right: bool) -> Value {
        // Lanes count from the right: 0 to 15 are in y.
        let from_right = if right {
            c
        } else {
            self.b.vun(Op::VNot, Ty::V128, 0, c, 0)
        };
        let mask = self.splat(31, 0);
        let index = self.b.vbin(Op::VAnd, Ty::V128, 0, from_right, mask, 0);
        let sixteen = self.splat(16, 0);
        let upper = self.b.vbin(Op::VSub, Ty::V128, 0, index, sixteen, 0);
        let low = self.b.tri(Op::VTbl, Ty::V128, y, index, index);
        self.b.tri(Op::VTbl, Ty::V128, x, upper, low)
    }

    pub(super) fn vperm(&mut self, a: args::Vperm) -> Out {
        let c = a.vrc;
        self.v_binary(a.vrt, a.vra, a.vrb, |t, x, y| {
            let c = t.vr(c);
            t.permute(x, y, c, false)
        })
    }

    pub(super) fn vpermr(&mut self, a: args::Vpermr) -> Out {
        let c = a.vrc;
        self.v_binary(a.vrt, a.vra, a.vrb, |t, x, y| {
            let c = t.vr(c);
            t.permute(x, y, c, true)
        })
    }

    /// The 16 bytes from `by` on of x and y side by side.
    pub(super) fn concat_left(&mut self, x: Value, y: Value, by: u32) -> Value {
        match by & 15 {
            0 => x,
            n => self.b.vbin(Op::VExt, Ty::V128, 0, y, x, i64::from(16 - n)),
        }
    }

    pub(super) fn vsldoi(&mut self, a: args::Vsldoi) -> Out {
        let by = a.sh;
        self.v_binary(a.vrt, a.vra, a.vrb, |t, x, y| t.concat_left(x, y, by))
    }

    pub(super) fn vpkpx(&mut self, a: args::Vpkpx) -> Out {
        self.v_binary(a.vrt, a.vra, a.vrb, |t, x, y| {
            t.vector_call(vop::PACK_PIXEL, x, y, y)
        })
    }

    pub(super) fn vupkhpx(&mut self, a: args::Vupkhpx) -> Out {
        self.v_unary(a.vrt, a.vrb, |t, x| {
            t.vector_call(vop::UNPACK_PIXEL, x, x, x)
        })
    }

    pub(super) fn vupklpx(&mut self, a: args::Vupklpx) -> Out {
        self.v_unary(a.vrt, a.vrb, |t, x| {
            t.vector_call(vop::UNPACK_PIXEL | 1 << 8, x, x, x)
        })
    }

    pub(super) fn vbpermd(&mut self, a: args::Vbpermd) -> Out {
        self.v_binary(a.vrt, a.vra, a.vrb, |t, x, y| {
            t.vector_call(vop::BPERM_D, x, y, y)
        })
    }
}
