//! Saturating and parallel arithmetic, packing, extension, bit fields, CRC. [ARMv7 A5.2.6, A5.4]

use tcg_ir::{Cond, Op, Ty, Value};

use super::operand::{ASR, LSL};
use super::{Out, Translator};
use crate::decode::args;
use crate::helper;
use crate::state::slot;

/// Kinds of parallel addition and subtraction, as encoded.
mod kind {
    pub const SIGNED: u32 = 1;
    pub const SATURATING: u32 = 2;
    pub const HALVING: u32 = 3;
    pub const UNSIGNED: u32 = 5;
    pub const SATURATING_UNSIGNED: u32 = 6;
}

/// Handlers of extension: a field, whether something is added, and how it is extended.
macro_rules! extends {
    ($($name:ident $Name:ident = $op:ident;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            let v = self.rotated(a.rm, a.rotate);
            let v = self.b.un(Op::$op, Ty::I32, v);
            self.set_reg(a.rd, v);
            Out::Next
        }
    )*};
}

macro_rules! extend_adds {
    ($($name:ident $Name:ident = $op:ident;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            let v = self.rotated(a.rm, a.rotate);
            let v = self.b.un(Op::$op, Ty::I32, v);
            let n = self.reg(a.rn);
            let v = self.b.bin(Op::Add, Ty::I32, n, v);
            self.set_reg(a.rd, v);
            Out::Next
        }
    )*};
}

/// Handlers of parallel addition and subtraction without exchange.
macro_rules! parallel {
    ($($name:ident $Name:ident = $lane:literal $sub:literal;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            let n = self.reg(a.rn);
            let m = self.reg(a.rm);
            let (v, ge) = self.parallel(a.kind, $lane, $sub, n, m);
            self.finish_parallel(a.kind, a.rd, v, ge)
        }
    )*};
}

/// Handlers of instructions on one register.
macro_rules! unary {
    ($($name:ident $Name:ident = $op:ident;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            let m = self.reg(a.rm);
            let v = self.b.un(Op::$op, Ty::I32, m);
            self.set_reg(a.rd, v);
            Out::Next
        }
    )*};
}

impl Translator<'_> {
    extends! {
        sxtb Sxtb = Sext8;
        sxth Sxth = Sext16;
        uxtb Uxtb = Zext8;
        uxth Uxth = Zext16;
    }

    extend_adds! {
        sxtab Sxtab = Sext8;
        sxtah Sxtah = Sext16;
        uxtab Uxtab = Zext8;
        uxtah Uxtah = Zext16;
    }

    parallel! {
        par_add16 ParAdd16 = 1 false;
        par_sub16 ParSub16 = 1 true;
        par_add8 ParAdd8 = 0 false;
        par_sub8 ParSub8 = 0 true;
    }

    unary! {
        clz Clz = Clz;
        rev Rev = Bswap;
        rev16 Rev16 = Bswap16;
        rbit Rbit = Rbit;
    }

    pub(super) fn revsh(&mut self, a: args::Revsh) -> Out {
        let m = self.reg(a.rm);
        let v = self.b.un(Op::Bswap16, Ty::I32, m);
        let v = self.b.un(Op::Sext16, Ty::I32, v);
        self.set_reg(a.rd, v);
        Out::Next
    }

    // ---- extension ----

    fn rotated(&mut self, rm: u32, rotate: u32) -> Value {
        let m = self.reg(rm);
        self.with_const(Op::Rotr, m, rotate * 8)
    }

    /// Bytes 0 and 2 extended to halfwords.
    fn bytes_to_halves(&mut self, rm: u32, rotate: u32, signed: bool) -> Value {
        let v = self.rotated(rm, rotate);
        let bytes = self.with_const(Op::And, v, 0x00ff_00ff);
        if !signed {
            return bytes;
        }
        // The sign bit of each byte, times 0xff00 / 0x80: the halfword's upper byte.
        let signs = self.with_const(Op::And, v, 0x0080_0080);
        let upper = self.with_const(Op::Mul, signs, 0x1fe);
        self.b.bin(Op::Or, Ty::I32, bytes, upper)
    }

    /// Sum of halfwords without carry between them.
    fn add_halves(&mut self, a: Value, b: Value) -> Value {
        let a = self.b.bitcast(Ty::V64, a);
        let b = self.b.bitcast(Ty::V64, b);
        let v = self.b.vbin(Op::VAdd, Ty::V64, 1, a, b, 0);
        self.b.bitcast(Ty::I32, v)
    }

    pub(super) fn sxtb16(&mut self, a: args::Sxtb16) -> Out {
        let v = self.bytes_to_halves(a.rm, a.rotate, true);
        self.set_reg(a.rd, v);
        Out::Next
    }

    pub(super) fn uxtb16(&mut self, a: args::Uxtb16) -> Out {
        let v = self.bytes_to_halves(a.rm, a.rotate, false);
        self.set_reg(a.rd, v);
        Out::Next
    }

    pub(super) fn sxtab16(&mut self, a: args::Sxtab16) -> Out {
        let v = self.bytes_to_halves(a.rm, a.rotate, true);
        let n = self.reg(a.rn);
        let v = self.add_halves(n, v);
        self.set_reg(a.rd, v);
        Out::Next
    }

    pub(super) fn uxtab16(&mut self, a: args::Uxtab16) -> Out {
        let v = self.bytes_to_halves(a.rm, a.rotate, false);
        let n = self.reg(a.rn);
        let v = self.add_halves(n, v);
        self.set_reg(a.rd, v);
        Out::Next
    }

    // ---- saturating arithmetic on words ----

    /// Signed saturating sum or difference; Q is set if it saturates.
    fn saturate_op(&mut self, sub: bool, x: Value, y: Value) -> Value {
        let (op, cc) = if sub {
            (Op::Sub, Op::CcSub)
        } else {
            (Op::Add, Op::CcAdd)
        };
        let plain = self.b.bin(op, Ty::I32, x, y);
        let cc = self.cc(cc, [x, y, Value::NONE]);
        let overflow = self.b.cc_test(cc, Cond::Vs);
        // The true result has the sign of x.
        let sign = self.with_const(Op::Sar, x, 31);
        let limit = self.with_const(Op::Xor, sign, 0x7fff_ffff);
        self.set_q_if(overflow);
        self.b.sel(overflow, limit, plain)
    }

    fn saturating(&mut self, sub: bool, double: bool, rd: u32, rm: u32, rn: u32) -> Out {
        let m = self.reg(rm);
        let mut n = self.reg(rn);
        if double {
            n = self.saturate_op(false, n, n);
        }
        let v = self.saturate_op(sub, m, n);
        self.set_reg(rd, v);
        Out::Next
    }

    pub(super) fn qadd(&mut self, a: args::Qadd) -> Out {
        self.saturating(false, false, a.rd, a.rm, a.rn)
    }

    pub(super) fn qsub(&mut self, a: args::Qsub) -> Out {
        self.saturating(true, false, a.rd, a.rm, a.rn)
    }

    pub(super) fn qdadd(&mut self, a: args::Qdadd) -> Out {
        self.saturating(false, true, a.rd, a.rm, a.rn)
    }

    pub(super) fn qdsub(&mut self, a: args::Qdsub) -> Out {
        self.saturating(true, true, a.rd, a.rm, a.rn)
    }

    /// Clamps to the range; Q is set if that changes the value.
    fn clamp(&mut self, v: Value, min: i32, max: i32) -> Value {
        let low = self.with_const(Op::MaxS, v, min as u32);
        let both = self.with_const(Op::MinS, low, max as u32);
        let changed = self.b.icmp(Cond::Ne, both, v);
        self.set_q_if(changed);
        both
    }

    fn saturate_shifted(
        &mut self,
        rd: u32,
        rn: u32,
        sh: bool,
        amount: u32,
        range: (i32, i32),
    ) -> Out {
        let n = self.reg(rn);
        let shift = if sh { ASR } else { LSL };
        let v = self.shift_imm(n, shift, amount, false).value;
        let v = self.clamp(v, range.0, range.1);
        self.set_reg(rd, v);
        Out::Next
    }

    pub(super) fn ssat(&mut self, a: args::Ssat) -> Out {
        self.saturate_shifted(a.rd, a.rn, a.sh, a.amount, signed_range(a.sat + 1))
    }

    pub(super) fn usat(&mut self, a: args::Usat) -> Out {
        self.saturate_shifted(a.rd, a.rn, a.sh, a.amount, (0, unsigned_max(a.sat)))
    }

    fn saturate_halves(&mut self, rd: u32, rn: u32, range: (i32, i32)) -> Out {
        let n = self.reg(rn);
        let low = self.b.un(Op::Sext16, Ty::I32, n);
        let high = self.with_const(Op::Sar, n, 16);
        let low = self.clamp(low, range.0, range.1);
        let high = self.clamp(high, range.0, range.1);
        let low = self.b.un(Op::Zext16, Ty::I32, low);
        let v = self.b.deposit(Ty::I32, low, high, 16, 16);
        self.set_reg(rd, v);
        Out::Next
    }

    pub(super) fn ssat16(&mut self, a: args::Ssat16) -> Out {
        self.saturate_halves(a.rd, a.rn, signed_range(a.sat + 1))
    }

    pub(super) fn usat16(&mut self, a: args::Usat16) -> Out {
        self.saturate_halves(a.rd, a.rn, (0, unsigned_max(a.sat)))
    }

    // ---- parallel arithmetic: in the low half of a V64 ----

    /// The result, and for the kinds that set GE a mask of all ones in lanes whose GE bits are set.
    fn parallel(&mut self, k: u32, lane: u8, sub: bool, n: Value, m: Value) -> (Value, Value) {
        let op = match (k, sub) {
            (kind::SIGNED | kind::UNSIGNED, false) => Op::VAdd,
            (kind::SIGNED | kind::UNSIGNED, true) => Op::VSub,
            (kind::SATURATING, false) => Op::VAddSatS,
            (kind::SATURATING, true) => Op::VSubSatS,
            (kind::HALVING, false) => Op::VHaddS,
            (kind::HALVING, true) => Op::VHsubS,
            (kind::SATURATING_UNSIGNED, false) => Op::VAddSatU,
            (kind::SATURATING_UNSIGNED, true) => Op::VSubSatU,
            (_, false) => Op::VHaddU,
            (_, true) => Op::VHsubU,
        };
        let n = self.b.bitcast(Ty::V64, n);
        let m = self.b.bitcast(Ty::V64, m);
        let v = self.b.vbin(op, Ty::V64, lane, n, m, 0);
        let ge = match (k, sub) {
            // The exact sum is not negative: half of it isn't.
            (kind::SIGNED, _) => {
                let op = if sub { Op::VHsubS } else { Op::VHaddS };
                let half = self.b.vbin(op, Ty::V64, lane, n, m, 0);
                let signs = self.b.vun(Op::VSarI, Ty::V64, lane, half, (8 << lane) - 1);
                self.b.un(Op::VNot, Ty::V64, signs)
            }
            // Carry out: the sum has wrapped.
            (kind::UNSIGNED, false) => self.b.vbin(Op::VCmpGtU, Ty::V64, lane, n, v, 0),
            // No borrow.
            (kind::UNSIGNED, true) => self.b.vbin(Op::VCmpGeU, Ty::V64, lane, n, m, 0),
            _ => Value::NONE,
        };
        let v = self.b.bitcast(Ty::I32, v);
        if !ge.is_some() {
            return (v, ge);
        }
        (v, self.b.bitcast(Ty::I32, ge))
    }

    fn finish_parallel(&mut self, k: u32, rd: u32, v: Value, ge: Value) -> Out {
        if k == kind::SIGNED || k == kind::UNSIGNED {
            // Bit i of byte i, summed into the top byte.
            let bits = self.with_const(Op::And, ge, 0x0804_0201);
            let sum = self.with_const(Op::Mul, bits, 0x0101_0101);
            let ge = self.with_const(Op::Shr, sum, 24);
            self.put(slot::GE, ge);
        }
        self.set_reg(rd, v);
        Out::Next
    }

    /// Addition in one half and subtraction in the other, with the halves of m exchanged.
    fn exchange(&mut self, k: u32, rd: u32, rn: u32, rm: u32, high_adds: bool) -> Out {
        let n = self.reg(rn);
        let m = self.reg(rm);
        let m = self.with_const(Op::Rotr, m, 16);
        let (sum, sum_ge) = self.parallel(k, 1, false, n, m);
        let (diff, diff_ge) = self.parallel(k, 1, true, n, m);
        let mut join = |low: Value, high: Value| {
            if !low.is_some() {
                return low;
            }
            let high = self.with_const(Op::Shr, high, 16);
            self.b.deposit(Ty::I32, low, high, 16, 16)
        };
        let (v, ge) = if high_adds {
            (join(diff, sum), join(diff_ge, sum_ge))
        } else {
            (join(sum, diff), join(sum_ge, diff_ge))
        };
        self.finish_parallel(k, rd, v, ge)
    }

    pub(super) fn par_asx(&mut self, a: args::ParAsx) -> Out {
        self.exchange(a.kind, a.rd, a.rn, a.rm, true)
    }

    pub(super) fn par_sax(&mut self, a: args::ParSax) -> Out {
        self.exchange(a.kind, a.rd, a.rn, a.rm, false)
    }

    pub(super) fn sel(&mut self, a: args::Sel) -> Out {
        let ge = self.b.get(slot::GE);
        // Bit i goes to bit 8i, then fills its byte.
        let spread = self.with_const(Op::Mul, ge, 0x0020_4081);
        let bits = self.with_const(Op::And, spread, 0x0101_0101);
        let mask = self.with_const(Op::Mul, bits, 0xff);
        let n = self.reg(a.rn);
        let m = self.reg(a.rm);
        let n = self.b.bin(Op::And, Ty::I32, n, mask);
        let m = self.b.bin(Op::AndNot, Ty::I32, m, mask);
        let v = self.b.bin(Op::Or, Ty::I32, n, m);
        self.set_reg(a.rd, v);
        Out::Next
    }

    fn absolute_differences(&mut self, rd: u32, rn: u32, rm: u32, ra: Option<u32>) -> Out {
        let n = self.reg(rn);
        let m = self.reg(rm);
        let n = self.b.bitcast(Ty::V64, n);
        let m = self.b.bitcast(Ty::V64, m);
        let d = self.b.vbin(Op::VAbdU, Ty::V64, 0, n, m, 0);
        let pairs = self.b.vun(Op::VPaddlU, Ty::V64, 0, d, 0);
        let pairs = self.b.bitcast(Ty::I32, pairs);
        let low = self.b.un(Op::Zext16, Ty::I32, pairs);
        let high = self.with_const(Op::Shr, pairs, 16);
        let mut v = self.b.bin(Op::Add, Ty::I32, low, high);
        if let Some(ra) = ra {
            let acc = self.reg(ra);
            v = self.b.bin(Op::Add, Ty::I32, acc, v);
        }
        self.set_reg(rd, v);
        Out::Next
    }

    pub(super) fn usad8(&mut self, a: args::Usad8) -> Out {
        self.absolute_differences(a.rd, a.rn, a.rm, None)
    }

    pub(super) fn usada8(&mut self, a: args::Usada8) -> Out {
        self.absolute_differences(a.rd, a.rn, a.rm, Some(a.ra))
    }

    // ---- packing and bit fields ----

    pub(super) fn pkh(&mut self, a: args::Pkh) -> Out {
        let n = self.reg(a.rn);
        let m = self.reg(a.rm);
        let shift = if a.tb { ASR } else { LSL };
        let m = self.shift_imm(m, shift, a.amount, false).value;
        let v = if a.tb {
            self.b.deposit(Ty::I32, n, m, 0, 16)
        } else {
            self.b.deposit(Ty::I32, m, n, 0, 16)
        };
        self.set_reg(a.rd, v);
        Out::Next
    }

    pub(super) fn sbfx(&mut self, a: args::Sbfx) -> Out {
        let n = self.reg(a.rn);
        // UNPREDICTABLE: a field beyond bit 31: what there is of it.
        let len = (a.widthm1 + 1).min(32 - a.lsb);
        let v = self.b.extract_signed(Ty::I32, n, a.lsb, len);
        self.set_reg(a.rd, v);
        Out::Next
    }

    pub(super) fn ubfx(&mut self, a: args::Ubfx) -> Out {
        let n = self.reg(a.rn);
        let len = (a.widthm1 + 1).min(32 - a.lsb);
        let v = self.b.extract(Ty::I32, n, a.lsb, len);
        self.set_reg(a.rd, v);
        Out::Next
    }

    pub(super) fn bfi(&mut self, a: args::Bfi) -> Out {
        let n = self.reg(a.rn);
        self.insert_field(a.rd, n, a.lsb, a.msb)
    }

    pub(super) fn bfc(&mut self, a: args::Bfc) -> Out {
        let zero = self.b.i32(0);
        self.insert_field(a.rd, zero, a.lsb, a.msb)
    }

    fn insert_field(&mut self, rd: u32, field: Value, lsb: u32, msb: u32) -> Out {
        if msb < lsb {
            // UNPREDICTABLE: an empty field.
            return self.undefined();
        }
        let old = self.reg(rd);
        let v = self.b.deposit(Ty::I32, old, field, lsb, msb - lsb + 1);
        self.set_reg(rd, v);
        Out::Next
    }

    // ---- CRC ----

    pub(super) fn crc32(&mut self, a: args::Crc32) -> Out {
        self.crc([a.rd, a.rn, a.rm], a.size, helper::CRC32)
    }

    pub(super) fn crc32c(&mut self, a: args::Crc32c) -> Out {
        self.crc([a.rd, a.rn, a.rm], a.size, helper::CRC32C)
    }

    fn crc(&mut self, r: [u32; 3], size: u32, id: tcg_ir::HelperId) -> Out {
        let [rd, rn, rm] = r;
        let n = self.reg(rn);
        let m = self.reg(rm);
        let bytes = self.b.i32(1 << size);
        let def = helper::def(id);
        let v = self.b.call(id, def, &[n, m, bytes]);
        self.set_reg(rd, v);
        Out::Next
    }
}

/// The range of a signed number of `bits` (1 to 32).
const fn signed_range(bits: u32) -> (i32, i32) {
    let max = (u32::MAX >> 1 >> (32 - bits)) as i32;
    (!max, max)
}

/// The largest unsigned number of `bits` (0 to 31).
const fn unsigned_max(bits: u32) -> i32 {
    ((1u32 << bits) - 1) as i32
}
