//! Vector and VSX storage access, moves between general and vector-scalar registers. [PowerISA I.6.7, I.7.6.1 to
//! I.7.6.3]

use tcg_ir::{Addr, Op, Ty, Value};

use super::{Out, Translator};
use crate::decode::args;
use crate::helper;
use crate::state::{Mode, slot};

impl Translator<'_> {
    /// VSR `n`.
    pub(super) fn get_vsr(&mut self, n: u32) -> Value {
        self.b.get(slot::vsr(n))
    }

    /// Sets VSR `n`.
    pub(super) fn set_vsr(&mut self, n: u32, v: Value) {
        self.b.set(slot::vsr(n), v);
    }

    /// Vector register `n`.
    pub(super) fn vr(&mut self, n: u32) -> Value {
        self.get_vsr(n + 32)
    }

    /// Sets vector register `n`.
    pub(super) fn set_vr(&mut self, n: u32, v: Value) {
        self.set_vsr(n + 32, v);
    }

    /// Sets the doubleword 0 of a VSR; the other becomes 0.
    pub(super) fn set_vsr_double(&mut self, n: u32, v: Value) {
        let zero = self.b.vconst(Ty::F64, 0);
        self.b.set(slot::vsr_lo(n), zero);
        self.b.set(slot::vsr_hi(n), v);
    }

    /// The facility that a VSR belongs to.
    pub(super) fn need_vsr(&mut self, n: u32) -> Option<Out> {
        if n < 32 {
            self.need_vsx()
        } else {
            self.need_vec()
        }
    }

    fn little(&self) -> bool {
        self.mode.has(Mode::LE)
    }

    /// An index address with its low bits cleared.
    fn aligned(&mut self, ra: u32, rb: u32, log2: u32) -> Addr {
        let addr = self.ea_index(ra, rb);
        let ea = self.ea_value(addr);
        let ea = self.bin_const(Op::And, ea, !((1u64 << log2) - 1));
        Addr::base_disp(ea, 0)
    }

    pub(super) fn lvx(&mut self, a: args::Lvx) -> Out {
        if let Some(out) = self.need_vec() {
            return out;
        }
        let addr = self.aligned(a.ra, a.rb, 4);
        let flags = self.mem(4);
        let v = self.b.load(Ty::V128, addr, flags);
        self.set_vr(a.rt, v);
        Out::Next
    }

    pub(super) fn stvx(&mut self, a: args::Stvx) -> Out {
        if let Some(out) = self.need_vec() {
            return out;
        }
        let addr = self.aligned(a.ra, a.rb, 4);
        let v = self.vr(a.rs);
        let flags = self.mem(4);
        self.b.store(addr, v, flags);
        Out::Next
    }

    /// The byte shift that brings the element at an address to the right end of the register.
    fn element_shift(&mut self, addr: Addr, size: u32) -> Value {
        let low = self.low32(addr.base);
        let at = self.b.extract(Ty::I32, low, 0, 4);
        if self.little() {
            return at;
        }
        let last = self.b.i32(16 - (1 << size));
        self.b.bin(Op::Sub, Ty::I32, last, at)
    }

    /// UNPREDICTABLE: the other elements of the target stay as they are.
    pub(super) fn lve(&mut self, a: args::Lve) -> Out {
        if let Some(out) = self.need_vec() {
            return out;
        }
        let addr = self.aligned(a.ra, a.rb, a.size);
        let flags = self.mem(a.size as u8);
        let v = self.b.load(Ty::I32, addr, flags);
        let at = self.element_shift(addr, a.size);
        let old = self.vr(a.rt);
        let element = self.b.un(Op::ZextI64, Ty::I64, v);
        let zero = self.b.i64(0);
        let element = self.pair(element, zero);
        let mask = self.b.vconst(Ty::V128, (1u128 << (8 << a.size)) - 1);
        let element = self.shift_octets(element, at, true);
        let mask = self.shift_octets(mask, at, true);
        let r = self.b.tri(Op::VBsl, Ty::V128, mask, element, old);
        self.set_vr(a.rt, r);
        Out::Next
    }

    /// Calls a function of `helper::vector`.
    pub(super) fn vector_call(&mut self, what: u32, a: Value, b: Value, c: Value) -> Value {
        let what = self.b.i32(what);
        self.call(helper::VECTOR, &[a, b, c, what])
    }

    pub(super) fn stve(&mut self, a: args::Stve) -> Out {
        if let Some(out) = self.need_vec() {
            return out;
        }
        let addr = self.aligned(a.ra, a.rb, a.size);
        let at = self.element_shift(addr, a.size);
        let v = self.vr(a.rs);
        let v = self.shift_octets(v, at, false);
        let v = self.b.vun(Op::VGet, Ty::I32, 2, v, 0);
        let flags = self.mem(a.size as u8);
        self.b.store(addr, v, flags);
        Out::Next
    }

    fn shift_control(&mut self, rt: u32, ra: u32, rb: u32, left: bool) -> Out {
        if let Some(out) = self.need_vec() {
            return out;
        }
        let addr = self.ea_index(ra, rb);
        let ea = self.ea_value(addr);
        let ea = self.low32(ea);
        let sh = self.b.extract(Ty::I32, ea, 0, 4);
        let sh = self.b.vun(Op::VDup, Ty::V128, 0, sh, 0);
        let r = if left {
            let from = self
                .b
                .vconst(Ty::V128, 0x0001_0203_0405_0607_0809_0a0b_0c0d_0e0f);
            self.b.vbin(Op::VAdd, Ty::V128, 0, from, sh, 0)
        } else {
            let from = self
                .b
                .vconst(Ty::V128, 0x1011_1213_1415_1617_1819_1a1b_1c1d_1e1f);
            self.b.vbin(Op::VSub, Ty::V128, 0, from, sh, 0)
        };
        self.set_vr(rt, r);
        Out::Next
    }

    pub(super) fn lvsl(&mut self, a: args::Lvsl) -> Out {
        self.shift_control(a.rt, a.ra, a.rb, true)
    }

    pub(super) fn lvsr(&mut self, a: args::Lvsr) -> Out {
        self.shift_control(a.rt, a.ra, a.rb, false)
    }

    // ---- VSX: scalars ----

    fn load_scalar(&mut self, xt: u32, addr: Addr, size: u8, signed: bool) -> Out {
        let mut flags = self.mem(size);
        if signed {
            flags = flags.signed();
        }
        let v = self.b.load(Ty::I64, addr, flags);
        let v = self.b.bitcast(Ty::F64, v);
        self.set_vsr_double(xt, v);
        Out::Next
    }

    fn load_scalar_single(&mut self, xt: u32, addr: Addr) -> Out {
        let v = self.load_single(addr);
        self.set_vsr_double(xt, v);
        Out::Next
    }

    fn store_scalar(&mut self, xs: u32, addr: Addr, size: u8) -> Out {
        let v = self.b.get(slot::vsr_hi(xs));
        let flags = self.mem(size);
        if size == 3 {
            self.b.store(addr, v, flags);
            return Out::Next;
        }
        let v = self.b.bitcast(Ty::I64, v);
        let v = self.low32(v);
        self.b.store(addr, v, flags);
        Out::Next
    }

    // ---- VSX: vectors ----

    pub(super) fn swap_doubles(&mut self, v: Value) -> Value {
        self.b.vbin(Op::VExt, Ty::V128, 0, v, v, 8)
    }

    /// Elements of `1 << lane` bytes in storage order from the left, made of the register in memory order.
    fn in_order(&mut self, v: Value, lane: u8) -> Value {
        if !self.little() {
            return v;
        }
        match lane {
            3 => self.swap_doubles(v),
            2 => {
                let v = self.b.vun(Op::VRev, Ty::V128, 2, v, 3);
                self.swap_doubles(v)
            }
            1 => {
                let v = self.b.vun(Op::VRev, Ty::V128, 1, v, 3);
                self.swap_doubles(v)
            }
            _ => {
                let v = self.b.vun(Op::VRev, Ty::V128, 0, v, 3);
                self.swap_doubles(v)
            }
        }
    }

    fn load_elements(&mut self, xt: u32, ra: u32, rb: u32, lane: u8) -> Out {
        if let Some(out) = self.need_vsx() {
            return out;
        }
        let addr = self.ea_index(ra, rb);
        let flags = self.mem(4);
        let v = self.b.load(Ty::V128, addr, flags);
        let v = self.in_order(v, lane);
        self.set_vsr(xt, v);
        Out::Next
    }

    fn store_elements(&mut self, xs: u32, ra: u32, rb: u32, lane: u8) -> Out {
        if let Some(out) = self.need_vsx() {
            return out;
        }
        let addr = self.ea_index(ra, rb);
        let v = self.get_vsr(xs);
        // The order is its own inverse.
        let v = self.in_order(v, lane);
        let flags = self.mem(4);
        self.b.store(addr, v, flags);
        Out::Next
    }

    pub(super) fn lxvd2x(&mut self, a: args::Lxvd2x) -> Out {
        self.load_elements(a.xt, a.ra, a.rb, 3)
    }

    pub(super) fn lxvw4x(&mut self, a: args::Lxvw4x) -> Out {
        self.load_elements(a.xt, a.ra, a.rb, 2)
    }

    pub(super) fn lxvh8x(&mut self, a: args::Lxvh8x) -> Out {
        self.load_elements(a.xt, a.ra, a.rb, 1)
    }

    pub(super) fn lxvb16x(&mut self, a: args::Lxvb16x) -> Out {
        self.load_elements(a.xt, a.ra, a.rb, 0)
    }

    pub(super) fn stxvd2x(&mut self, a: args::Stxvd2x) -> Out {
        self.store_elements(a.xt, a.ra, a.rb, 3)
    }

    pub(super) fn stxvw4x(&mut self, a: args::Stxvw4x) -> Out {
        self.store_elements(a.xt, a.ra, a.rb, 2)
    }

    pub(super) fn stxvh8x(&mut self, a: args::Stxvh8x) -> Out {
        self.store_elements(a.xt, a.ra, a.rb, 1)
    }

    pub(super) fn stxvb16x(&mut self, a: args::Stxvb16x) -> Out {
        self.store_elements(a.xt, a.ra, a.rb, 0)
    }

    fn load_whole(&mut self, xt: u32, addr: Addr) -> Out {
        let flags = self.mem(4);
        let v = self.b.load(Ty::V128, addr, flags);
        self.set_vsr(xt, v);
        Out::Next
    }

    fn store_whole(&mut self, xs: u32, addr: Addr) -> Out {
        let v = self.get_vsr(xs);
        let flags = self.mem(4);
        self.b.store(addr, v, flags);
        Out::Next
    }

    pub(super) fn lxv(&mut self, a: args::Lxv) -> Out {
        if let Some(out) = self.need_vsr(a.xt) {
            return out;
        }
        let addr = self.ea_disp(a.ra, a.imm as i64);
        self.load_whole(a.xt, addr)
    }

    pub(super) fn stxv(&mut self, a: args::Stxv) -> Out {
        if let Some(out) = self.need_vsr(a.xt) {
            return out;
        }
        let addr = self.ea_disp(a.ra, a.imm as i64);
        self.store_whole(a.xt, addr)
    }

    pub(super) fn lxvx(&mut self, a: args::Lxvx) -> Out {
        if let Some(out) = self.need_vsr(a.xt) {
            return out;
        }
        let addr = self.ea_index(a.ra, a.rb);
        self.load_whole(a.xt, addr)
    }

    pub(super) fn stxvx(&mut self, a: args::Stxvx) -> Out {
        if let Some(out) = self.need_vsr(a.xt) {
            return out;
        }
        let addr = self.ea_index(a.ra, a.rb);
        self.store_whole(a.xt, addr)
    }

    pub(super) fn lxvdsx(&mut self, a: args::Lxvdsx) -> Out {
        if let Some(out) = self.need_vsx() {
            return out;
        }
        let addr = self.ea_index(a.ra, a.rb);
        let flags = self.mem(3);
        let v = self.b.load(Ty::I64, addr, flags);
        let v = self.b.vun(Op::VDup, Ty::V128, 3, v, 0);
        self.set_vsr(a.xt, v);
        Out::Next
    }

    pub(super) fn lxvwsx(&mut self, a: args::Lxvwsx) -> Out {
        if let Some(out) = self.need_vsr(a.xt) {
            return out;
        }
        let addr = self.ea_index(a.ra, a.rb);
        let flags = self.mem(2);
        let v = self.b.load(Ty::I32, addr, flags);
        let v = self.b.vun(Op::VDup, Ty::V128, 2, v, 0);
        self.set_vsr(a.xt, v);
        Out::Next
    }

    // ---- with a length ----

    /// Loads and stores of the number of bytes in the upper byte of RB, at most 16: a region for each.
    fn with_length(&mut self, xt: u32, ra: u32, rb: u32, load: bool, left: bool) -> Out {
        if let Some(out) = self.need_vsr(xt) {
            return out;
        }
        let base = self.gpr_or_zero(ra);
        let ea = self.wrap_address(base);
        let count = self.gpr(rb);
        let count = self.shift(Op::Shr, count, 56);
        let count = self.low32(count);
        let source = self.get_vsr(xt);
        if load {
            let zero = self.b.vconst(Ty::V128, 0);
            self.b.set(slot::SCRATCH, zero);
        }
        let flags = self.mem(0);
        // The first byte is on the left, but for the plain forms in little-endian mode.
        let from_right = self.little() && !left;
        for k in 0..16u32 {
            let lane = if from_right { k } else { 15 - k };
            let index = self.b.i32(k);
            let inside = self.b.icmp(tcg_ir::Cond::Hi, count, index);
            let old = self.b.get(slot::SCRATCH);
            self.b.begin_if(inside, tcg_ir::RegionKind::Simple);
            let at = Addr::base_disp(ea, k as i32);
            if load {
                let byte = self.b.load(Ty::I32, at, flags);
                let v = self
                    .b
                    .vbin(Op::VSet, Ty::V128, 0, old, byte, i64::from(lane));
                self.b.set(slot::SCRATCH, v);
            } else {
                let byte = self.b.vun(Op::VGet, Ty::I32, 0, source, i64::from(lane));
                self.b.store(at, byte, flags);
            }
            self.b.end_if();
        }
        if load {
            let v = self.b.get(slot::SCRATCH);
            self.set_vsr(xt, v);
        }
        Out::Next
    }

    pub(super) fn lxvl(&mut self, a: args::Lxvl) -> Out {
        self.with_length(a.xt, a.ra, a.rb, true, false)
    }

    pub(super) fn lxvll(&mut self, a: args::Lxvll) -> Out {
        self.with_length(a.xt, a.ra, a.rb, true, true)
    }

    pub(super) fn stxvl(&mut self, a: args::Stxvl) -> Out {
        self.with_length(a.xt, a.ra, a.rb, false, false)
    }

    pub(super) fn stxvll(&mut self, a: args::Stxvll) -> Out {
        self.with_length(a.xt, a.ra, a.rb, false, true)
    }
}

/// Scalar accesses by index: which facility, then the access.
macro_rules! scalars {
    ($($name:ident $Name:ident = $need:ident $how:ident($($arg:expr),*);)*) => {
        impl Translator<'_> {$(
            pub(super) fn $name(&mut self, a: args::$Name) -> Out {
                if let Some(out) = scalars!(@ $need self a) {
                    return out;
                }
                let addr = self.ea_index(a.ra, a.rb);
                self.$how(a.xt, addr, $($arg),*)
            }
        )*}
    };
    (@ vsx $t:ident $a:ident) => { $t.need_vsx() };
    (@ vsr $t:ident $a:ident) => { $t.need_vsr($a.xt) };
}

scalars! {
    lxsdx Lxsdx = vsx load_scalar(3, false);
    lxsspx Lxsspx = vsx load_scalar_single();
    lxsiwax Lxsiwax = vsx load_scalar(2, true);
    lxsiwzx Lxsiwzx = vsx load_scalar(2, false);
    lxsibzx Lxsibzx = vsx load_scalar(0, false);
    lxsihzx Lxsihzx = vsx load_scalar(1, false);
    stxsdx Stxsdx = vsx store_scalar(3);
    stxsiwx Stxsiwx = vsx store_scalar(2);
    stxsibx Stxsibx = vsx store_scalar(0);
    stxsihx Stxsihx = vsx store_scalar(1);
    stxsspx Stxsspx = vsx store_scalar_single();
}

impl Translator<'_> {
    fn store_scalar_single(&mut self, xs: u32, addr: Addr) -> Out {
        let v = self.b.get(slot::vsr_hi(xs));
        self.store_single(addr, v);
        Out::Next
    }

    pub(super) fn lxsd(&mut self, a: args::Lxsd) -> Out {
        if let Some(out) = self.need_vec() {
            return out;
        }
        let addr = self.ea_disp(a.ra, a.imm as i64);
        self.load_scalar(a.rt + 32, addr, 3, false)
    }

    pub(super) fn lxssp(&mut self, a: args::Lxssp) -> Out {
        if let Some(out) = self.need_vec() {
            return out;
        }
        let addr = self.ea_disp(a.ra, a.imm as i64);
        self.load_scalar_single(a.rt + 32, addr)
    }

    pub(super) fn stxsd(&mut self, a: args::Stxsd) -> Out {
        if let Some(out) = self.need_vec() {
            return out;
        }
        let addr = self.ea_disp(a.ra, a.imm as i64);
        self.store_scalar(a.rt + 32, addr, 3)
    }

    pub(super) fn stxssp(&mut self, a: args::Stxssp) -> Out {
        if let Some(out) = self.need_vec() {
            return out;
        }
        let addr = self.ea_disp(a.ra, a.imm as i64);
        self.store_scalar_single(a.rt + 32, addr)
    }

    // ---- moves ----

    fn vsr_half(&mut self, n: u32, high: bool) -> Value {
        let place = if high {
            slot::vsr_hi(n)
        } else {
            slot::vsr_lo(n)
        };
        let v = self.b.get(place);
        self.b.bitcast(Ty::I64, v)
    }

    pub(super) fn mfvsrd(&mut self, a: args::Mfvsrd) -> Out {
        if let Some(out) = self.need_vsr_fp(a.xt) {
            return out;
        }
        let v = self.vsr_half(a.xt, true);
        self.put(a.ra, v, false)
    }

    /// Moves of VSR 0 to 31 belong to the floating-point unit, the others to the vector unit.
    fn need_vsr_fp(&mut self, n: u32) -> Option<Out> {
        if n < 32 {
            self.need_fp()
        } else {
            self.need_vec()
        }
    }

    pub(super) fn mfvsrwz(&mut self, a: args::Mfvsrwz) -> Out {
        if let Some(out) = self.need_vsr_fp(a.xt) {
            return out;
        }
        let v = self.vsr_half(a.xt, true);
        let v = self.low32(v);
        self.put(a.ra, v, false)
    }

    pub(super) fn mfvsrld(&mut self, a: args::Mfvsrld) -> Out {
        if let Some(out) = self.need_vsr(a.xt) {
            return out;
        }
        let v = self.vsr_half(a.xt, false);
        self.put(a.ra, v, false)
    }

    fn move_to(&mut self, xt: u32, v: Value) -> Out {
        let v = self.b.bitcast(Ty::F64, v);
        self.set_vsr_double(xt, v);
        Out::Next
    }

    pub(super) fn mtvsrd(&mut self, a: args::Mtvsrd) -> Out {
        if let Some(out) = self.need_vsr_fp(a.xt) {
            return out;
        }
        let v = self.gpr(a.ra);
        self.move_to(a.xt, v)
    }

    pub(super) fn mtvsrwa(&mut self, a: args::Mtvsrwa) -> Out {
        if let Some(out) = self.need_vsr_fp(a.xt) {
            return out;
        }
        let v = self.gpr32(a.ra);
        let v = self.b.un(Op::SextI64, Ty::I64, v);
        self.move_to(a.xt, v)
    }

    pub(super) fn mtvsrwz(&mut self, a: args::Mtvsrwz) -> Out {
        if let Some(out) = self.need_vsr_fp(a.xt) {
            return out;
        }
        let v = self.gpr32(a.ra);
        let v = self.b.un(Op::ZextI64, Ty::I64, v);
        self.move_to(a.xt, v)
    }

    pub(super) fn mtvsrws(&mut self, a: args::Mtvsrws) -> Out {
        if let Some(out) = self.need_vsr(a.xt) {
            return out;
        }
        let v = self.gpr32(a.ra);
        let v = self.b.vun(Op::VDup, Ty::V128, 2, v, 0);
        self.set_vsr(a.xt, v);
        Out::Next
    }

    pub(super) fn mtvsrdd(&mut self, a: args::Mtvsrdd) -> Out {
        if let Some(out) = self.need_vsr(a.xt) {
            return out;
        }
        let hi = self.gpr_or_zero(a.ra);
        let lo = self.gpr(a.rb);
        let v = self.pair(lo, hi);
        self.set_vsr(a.xt, v);
        Out::Next
    }
}
