//! Makes random blocks: integers, vectors, floating point, memory, regions, exits.

use super::*;

pub struct Rng(pub u64);

impl Rng {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn below(&mut self, n: u32) -> u32 {
        (((self.bits() >> 32) * u64::from(n)) >> 32) as u32
    }

    fn pick<T: Copy>(&mut self, s: &[T]) -> T {
        s[self.below(s.len() as u32) as usize]
    }

    pub fn word(&mut self) -> u64 {
        match self.below(6) {
            0 => 0,
            1 => u64::from(self.below(40)),
            2 => u64::MAX,
            3 => 1 << self.below(64),
            4 => (self.bits() as u32 as i32 as i64) as u64,
            _ => self.bits(),
        }
    }
}

impl Rng {
    /// Bits of a float: zeros, infinities, NaNs of both kinds, huge, small integers, ordinary; never denormal.
    fn float(&mut self, exp_bits: u32, frac_bits: u32) -> u64 {
        let sign = u64::from(self.below(2)) << (exp_bits + frac_bits);
        let all = (1u64 << exp_bits) - 1;
        let frac = self.bits() >> (64 - frac_bits);
        let quiet = 1u64 << (frac_bits - 1);
        sign | match self.below(12) {
            0 => 0,
            1 => all << frac_bits,
            2 => all << frac_bits | quiet | frac,
            3 => all << frac_bits | (frac & !quiet) | 1,
            4 => (all - 1) << frac_bits | frac,
            5 => (all / 2 + 3) << frac_bits | (frac >> (frac_bits - 4) << (frac_bits - 4)),
            _ => (all / 2 - 10 + u64::from(self.below(40))) << frac_bits | frac,
        }
    }
}

pub struct Make<'a> {
    b: Builder<'a>,
    rng: Rng,
    w: Vec<Value>,
    x: Vec<Value>,
    cc: Vec<Value>,
    vec: Vec<Value>,
    in_region: bool,
    calls_allowed: bool,
    pc: u64,
    vectors: bool,
    /// Number of floating-point regimes to use, if any.
    fp: Option<u32>,
}

pub const BIN: &[Op] = &[
    Op::Add,
    Op::Sub,
    Op::And,
    Op::Or,
    Op::Xor,
    Op::AndNot,
    Op::Mul,
    Op::MulHiU,
    Op::MulHiS,
    Op::DivU,
    Op::DivS,
    Op::MinS,
    Op::MaxS,
    Op::MinU,
    Op::MaxU,
];
pub const SHIFT: &[Op] = &[
    Op::Shl,
    Op::Shr,
    Op::Sar,
    Op::Rotr,
    Op::ShlSat,
    Op::ShrSat,
    Op::SarSat,
];
pub const UN: &[Op] = &[
    Op::Not,
    Op::Neg,
    Op::Clz,
    Op::Ctz,
    Op::Popcnt,
    Op::Bswap,
    Op::Bswap16,
    Op::Rbit,
    Op::Sext8,
    Op::Sext16,
    Op::Zext8,
    Op::Zext16,
];

impl Make<'_> {
    fn i32v(&mut self) -> Value {
        match self.rng.below(8) {
            0 => {
                let c = self.rng.word() as u32;
                self.b.i32(c)
            }
            1 if !self.cc.is_empty() => {
                let cc = self.rng.pick(&self.cc);
                let cond = self.rng.pick(&Cond::ALL);
                self.b.cc_test(cc, cond)
            }
            2 => {
                let n = self.rng.below(16) as usize;
                self.b.get(Slot::new(n * 4, Ty::I32))
            }
            _ => self.rng.pick(&self.w),
        }
    }

    fn i64v(&mut self) -> Value {
        match self.rng.below(8) {
            0 => {
                let c = self.rng.word();
                self.b.i64(c)
            }
            1 => {
                let n = self.rng.below(8) as usize;
                self.b.get(Slot::new(128 + n * 8, Ty::I64))
            }
            _ => self.rng.pick(&self.x),
        }
    }

    fn bool(&mut self) -> Value {
        if self.rng.below(3) == 0 || self.cc.is_empty() {
            let (a, c) = (self.i32v(), self.i32v());
            let cond = self.rng.pick(&Cond::ALL);
            return self.b.icmp(cond, a, c);
        }
        let cc = if self.rng.below(2) == 0 {
            *self.cc.last().unwrap()
        } else {
            self.rng.pick(&self.cc)
        };
        let cond = self.rng.pick(&Cond::ALL);
        self.b.cc_test(cc, cond)
    }

    fn put(&mut self, ty: Ty, v: Value) {
        if ty == Ty::I32 {
            self.w.push(v)
        } else {
            self.x.push(v)
        }
        if self.rng.below(2) == 0 {
            self.set(ty, v);
        }
    }

    fn set(&mut self, ty: Ty, v: Value) {
        let s = if ty == Ty::I32 {
            Slot::new(self.rng.below(16) as usize * 4, ty)
        } else {
            Slot::new(128 + self.rng.below(8) as usize * 8, ty)
        };
        self.b.set(s, v);
    }

    fn arith(&mut self) {
        let ty = self.rng.pick(&[Ty::I32, Ty::I32, Ty::I64]);
        let [a, c] = if ty == Ty::I32 {
            [self.i32v(), self.i32v()]
        } else {
            [self.i64v(), self.i64v()]
        };
        let v = match self.rng.below(9) {
            0..=2 => {
                let op = self.rng.pick(BIN);
                self.b.bin(op, ty, a, c)
            }
            3 => {
                let (op, n) = (self.rng.pick(SHIFT), self.i32v());
                self.b.bin(op, ty, a, n)
            }
            4 => {
                let op = self.rng.pick(UN);
                self.b.un(op, ty, a)
            }
            5 => {
                let cond = self.bool();
                self.b.sel(cond, a, c)
            }
            6 => self.field(ty, a, c),
            7 => {
                let (op, carry) = (self.rng.pick(&[Op::Adc, Op::Sbc]), self.bool());
                self.b.tri(op, ty, a, c, carry)
            }
            _ => return self.convert(),
        };
        self.put(ty, v);
    }

    fn field(&mut self, ty: Ty, a: Value, c: Value) -> Value {
        let bits = ty.bytes() * 8;
        let lsb = self.rng.below(bits);
        let len = 1 + self.rng.below(bits - lsb);
        match self.rng.below(3) {
            0 => self.b.extract(ty, a, lsb, len),
            1 => self.b.extract_signed(ty, a, lsb, len),
            _ => self.b.deposit(ty, a, c, lsb, len),
        }
    }

    fn convert(&mut self) {
        let (a, c) = (self.i32v(), self.i32v());
        let x = self.i64v();
        match self.rng.below(7) {
            0 => {
                let v = self.b.bin(Op::Concat, Ty::I64, a, c);
                self.put(Ty::I64, v);
            }
            1 => {
                let v = self.b.un(Op::Trunc, Ty::I32, x);
                self.put(Ty::I32, v);
            }
            2 => {
                let v = self.b.un(Op::Hi32, Ty::I32, x);
                self.put(Ty::I32, v);
            }
            3 => {
                let v = self.b.un(Op::SextI64, Ty::I64, a);
                self.put(Ty::I64, v);
            }
            4 => {
                let v = self.b.un(Op::ZextI64, Ty::I64, a);
                self.put(Ty::I64, v);
            }
            n => {
                let op = if n == 5 { Op::MulWideU } else { Op::MulWideS };
                let v = self.b.bin(op, Ty::I64, a, c);
                self.put(Ty::I64, v);
            }
        }
    }

    /// Flag-setting arithmetic as front ends emit it.
    fn flags(&mut self) {
        let wide = self.rng.below(5) == 0;
        let ty = if wide { Ty::I64 } else { Ty::I32 };
        let [a, c] = if wide {
            [self.i64v(), self.i64v()]
        } else {
            [self.i32v(), self.i32v()]
        };
        let k = self.rng.below(5) as usize;
        let (op, ccop) = [
            (Op::Add, Op::CcAdd),
            (Op::Sub, Op::CcSub),
            (Op::Adc, Op::CcAdc),
            (Op::Sbc, Op::CcSbc),
            (Op::And, Op::CcLogic),
        ][k];
        let cc = match k {
            4 => {
                let v = self.b.bin(op, ty, a, c);
                if self.rng.below(2) == 0 {
                    self.put(ty, v)
                }
                self.b.un(ccop, Ty::Cc, v)
            }
            _ => {
                let carry = if k >= 2 { self.bool() } else { Value::NONE };
                let mut v = Value::NONE;
                if self.rng.below(3) > 0 {
                    v = self.b.tri(op, ty, a, c, carry);
                }
                let cc = self.b.tri(ccop, Ty::Cc, a, c, carry);
                if v.is_some() {
                    self.put(ty, v)
                }
                cc
            }
        };
        self.cc.push(cc);
        if self.rng.below(2) == 0 {
            for (slot, cond) in FLAGS
                .into_iter()
                .zip([Cond::Mi, Cond::Eq, Cond::Hs, Cond::Vs])
            {
                let t = self.b.cc_test(cc, cond);
                self.b.set(slot, t);
            }
        }
    }

    fn addr(&mut self) -> Addr {
        let i = self.i32v();
        let wild = self.rng.below(40) == 0;
        let mask = self.b.i32(if wild { u32::MAX } else { 0x7f8 });
        let base = self.b.bin(Op::And, Ty::I32, i, mask);
        let (mut index, mut shift) = (Value::NONE, 0);
        if self.rng.below(3) == 0 {
            let j = self.i32v();
            let small = self.b.i32(0x3c);
            index = self.b.bin(Op::And, Ty::I32, j, small);
            shift = self.rng.below(4) as u8;
        }
        let disp = MEM as i32 + self.rng.below(64) as i32;
        let base = if self.rng.below(8) == 0 {
            Value::NONE
        } else {
            base
        };
        Addr {
            base,
            index,
            shift,
            disp,
        }
    }

    fn mem_flags(&mut self, max: u32) -> MemFlags {
        let mut f = MemFlags::size(self.rng.below(max + 1) as u8);
        if self.rng.below(4) == 0 {
            f = f.big_endian(true)
        }
        if self.rng.below(16) == 0 {
            f = f.align(1 + self.rng.below(2) as u8)
        }
        if self.rng.below(8) == 0 {
            f = f.order(self.rng.pick(&[Order::AcqRel, Order::SeqCst]))
        }
        f
    }

    fn memory(&mut self) {
        let addr = self.addr();
        let wide = self.rng.below(3) == 0;
        let ty = if wide { Ty::I64 } else { Ty::I32 };
        let mut f = self.mem_flags(2 + wide as u32);
        match self.rng.below(8) {
            0..=3 => {
                if self.rng.below(3) == 0 {
                    f = f.signed()
                }
                let v = self.b.load(ty, addr, f);
                self.put(ty, v);
            }
            4..=5 => {
                let v = if wide { self.i64v() } else { self.i32v() };
                self.b.store(addr, v, f);
            }
            n => {
                if !addr.base.is_some() {
                    return;
                }
                let v = if wide { self.i64v() } else { self.i32v() };
                let old = if n == 6 {
                    let what = self.rng.below(10) as u8;
                    self.b.atomic_rmw(what, ty, addr.base, addr.disp, v, f)
                } else {
                    let e = if wide { self.i64v() } else { self.i32v() };
                    self.b.atomic_cas(ty, addr.base, addr.disp, e, v, f)
                };
                self.put(ty, old);
            }
        }
    }

    fn call(&mut self) {
        let k = if self.calls_allowed {
            self.rng.below(3)
        } else {
            0
        };
        let a = self.i32v();
        let id = HelperId(k as u16);
        match k {
            0 => {
                let x = self.i64v();
                let v = self.b.call(id, &HELPERS[0], &[a, x]);
                self.put(Ty::I64, v);
            }
            1 => {
                let v = self.b.call(id, &HELPERS[1], &[a]);
                self.put(Ty::I32, v);
            }
            _ => {
                self.b.call(id, &HELPERS[2], &[a]);
            }
        }
    }

    fn region(&mut self) {
        let cond = self.bool();
        let kind = self.rng.pick(&[
            RegionKind::Leaves,
            RegionKind::Leaves,
            RegionKind::Simple,
            RegionKind::Calls,
        ]);
        let marks = (self.w.len(), self.x.len(), self.cc.len(), self.vec.len());
        let calls = self.calls_allowed;
        self.b.begin_if(cond, kind);
        self.in_region = true;
        self.calls_allowed = kind != RegionKind::Simple;
        for _ in 0..self.rng.below(6) {
            self.step();
        }
        if kind == RegionKind::Leaves {
            self.leave();
        }
        self.b.end_if();
        self.in_region = false;
        self.calls_allowed = calls;
        self.w.truncate(marks.0);
        self.x.truncate(marks.1);
        self.cc.truncate(marks.2);
        self.vec.truncate(marks.3);
    }

    fn leave(&mut self) {
        let pc = self.rng.bits() & 0xffff_fffe;
        let dead = if self.rng.below(2) == 0 { 15 } else { 0 };
        let mut info = ExitInfo {
            kind: ExitKind::Direct,
            pc,
            mode: 0,
            mode_dynamic: false,
            ret_pc: pc ^ 4,
            dead,
            check: self.rng.below(2) == 0,
        };
        let mut operand = Value::NONE;
        match self.rng.below(5) {
            0 => info.kind = ExitKind::DirectCall,
            1 => {
                let hint = self.rng.pick(&[
                    IndirectHint::Jump,
                    IndirectHint::Table,
                    IndirectHint::Call,
                    IndirectHint::Return,
                ]);
                info.kind = ExitKind::Indirect(hint);
                operand = self.rng.pick(&self.w);
            }
            2 => {
                info.kind = ExitKind::Trap {
                    code: 77,
                    info: self.rng.word(),
                };
                if self.rng.below(2) == 0 {
                    operand = self.i32v()
                }
            }
            _ => {}
        }
        self.b.exit(info, operand);
    }

    fn step(&mut self) {
        match self.rng.below(20) {
            0..=7 => self.arith(),
            8..=11 => self.flags(),
            13 | 14 | 18 if self.vectors => self.vector(),
            12..=15 => self.memory(),
            16 => self.call(),
            17 if !self.in_region => self.region(),
            19 => {
                let v = self.i32v();
                self.set(Ty::I32, v);
            }
            _ if self.in_region => {}
            _ => {
                self.pc += 4;
                self.b.insn_start(self.pc, (self.pc >> 3) as u32 & 0x1ff);
            }
        }
    }

    fn vslot(&mut self, ty: Ty) -> Slot {
        let n = self.rng.below(8) as usize;
        match ty {
            Ty::V128 => Slot::new(256 + 16 * n, ty),
            _ => Slot::new(256 + 8 * n, ty),
        }
    }

    fn vval(&mut self, ty: Ty) -> Value {
        let known: Vec<Value> = self
            .vec
            .iter()
            .copied()
            .filter(|v| self.b.block.ty(*v) == ty)
            .collect();
        if known.is_empty() || self.rng.below(4) == 0 {
            if self.rng.below(3) == 0 {
                let bits = u128::from(self.rng.word()) << 64 | u128::from(self.rng.word());
                let bits = if ty == Ty::V64 {
                    bits as u64 as u128
                } else {
                    bits
                };
                return self.b.vconst(ty, bits);
            }
            let s = self.vslot(ty);
            return self.b.get(s);
        }
        self.rng.pick(&known)
    }

    fn vector(&mut self) {
        for _ in 0..3 {
            if self.fp.is_some() {
                self.fp_op()
            } else {
                self.vector_op()
            }
        }
    }

    /// Floating-point values: interesting bit patterns are common.
    fn fval(&mut self, ty: Ty) -> Value {
        let known: Vec<Value> = self
            .vec
            .iter()
            .copied()
            .filter(|v| self.b.block.ty(*v) == ty)
            .collect();
        if !known.is_empty() && self.rng.below(3) > 0 {
            return self.rng.pick(&known);
        }
        let r = &mut self.rng;
        let bits = match ty {
            Ty::F32 => u128::from(r.float(8, 23)),
            Ty::F64 => u128::from(r.float(11, 52)),
            _ => (0..4).map(|k| u128::from(r.float(8, 23)) << (32 * k)).sum(),
        };
        let bits = if ty == Ty::V64 {
            u128::from(bits as u64)
        } else {
            bits
        };
        self.b.vconst(ty, bits)
    }

    fn fp_op(&mut self) {
        const TWO: &[Op] = &[
            Op::FAdd,
            Op::FSub,
            Op::FMul,
            Op::FDiv,
            Op::FMin,
            Op::FMax,
            Op::FMinNum,
            Op::FMaxNum,
        ];
        let regimes = self.fp.unwrap_or(1);
        let aux = self.rng.below(regimes) as u8;
        let ty = self.rng.pick(&[Ty::F32, Ty::F64]);
        let (a, c, e) = (self.fval(ty), self.fval(ty), self.fval(ty));
        let no = Value::NONE;
        let v = match self.rng.below(12) {
            0..=2 => {
                let op = self.rng.pick(TWO);
                self.b.fop(op, ty, 0, aux, [a, c, no], 0)
            }
            3 => self.b.fop(Op::FMulAdd, ty, 0, aux, [a, c, e], 0),
            4 => {
                let op = self.rng.pick(&[Op::FNeg, Op::FAbs, Op::FSqrt]);
                self.b.fop(op, ty, 0, aux, [a, no, no], 0)
            }
            5 => {
                let other = if ty == Ty::F32 { Ty::F64 } else { Ty::F32 };
                self.b.fop(Op::FCvt, other, 0, aux, [a, no, no], 0)
            }
            6 => {
                let (lane, exact) = (self.rng.below(6) as u8, i64::from(self.rng.below(2)));
                self.b.fop(Op::FRound, ty, lane, aux, [a, no, no], exact)
            }
            7 => {
                let wide = self.rng.below(3) == 0;
                let lane = self.rng.pick(&[3, 3, 5, 0, 1]);
                let imm = if wide { 64 << 16 } else { 32 << 16 } | 256;
                let to = if wide { Ty::I64 } else { Ty::I32 };
                let x = self.b.fop(Op::FToI, to, lane, aux, [a, no, no], imm);
                return self.put(to, x);
            }
            8 => {
                let x = self.i32v();
                let imm = i64::from(self.rng.below(2)) << 8;
                self.b.fop(Op::FFromI, ty, 5, aux, [x, no, no], imm)
            }
            9 => {
                let signalling = self.rng.below(2) as u8;
                let cc = self
                    .b
                    .op(Op::CcFcmp, Ty::Cc, signalling, aux, [a, c, no], 0);
                return self.cc.push(cc);
            }
            _ => self.vfp_op(aux),
        };
        self.vec.push(v);
        if self.rng.below(2) == 0 {
            let ty = self.b.block.ty(v);
            let n = self.rng.below(8) as usize;
            self.b.set(Slot::new(256 + ty.bytes() as usize * n, ty), v);
        }
    }

    fn vfp_op(&mut self, aux: u8) -> Value {
        const TWO: &[Op] = &[
            Op::VFAdd,
            Op::VFSub,
            Op::VFMul,
            Op::VFMin,
            Op::VFMax,
            Op::VFMinNum,
            Op::VFMaxNum,
            Op::VFCmpEq,
            Op::VFCmpGe,
            Op::VFCmpGt,
            Op::VFAbd,
            Op::VFPadd,
        ];
        let no = Value::NONE;
        let ty = self.rng.pick(&[Ty::V64, Ty::V128]);
        let (a, c, e) = (self.fval(ty), self.fval(ty), self.fval(ty));
        match self.rng.below(6) {
            0 => self.b.fop(Op::VFMulAdd, ty, 2, aux, [a, c, e], 0),
            1 => {
                let op = self.rng.pick(&[Op::VFNeg, Op::VFAbs]);
                self.b.fop(op, ty, 2, aux, [a, no, no], 0)
            }
            2 => self
                .b
                .fop(Op::VFFromI, ty, 2, aux, [a, no, no], 5 << 12 | 256),
            _ => {
                let op = self.rng.pick(TWO);
                self.b.fop(op, ty, 2, aux, [a, c, no], 0)
            }
        }
    }

    fn vector_op(&mut self) {
        const TWO: &[Op] = &[
            Op::VAnd,
            Op::VOr,
            Op::VXor,
            Op::VAndNot,
            Op::VAdd,
            Op::VSub,
            Op::VMul,
            Op::VAbdS,
            Op::VAbdU,
            Op::VMinS,
            Op::VMaxS,
            Op::VMinU,
            Op::VMaxU,
            Op::VCmpEq,
            Op::VCmpGtS,
            Op::VCmpGeS,
            Op::VCmpGtU,
            Op::VCmpGeU,
            Op::VTst,
            Op::VAddSatS,
            Op::VAddSatU,
            Op::VSubSatS,
            Op::VSubSatU,
            Op::VHaddS,
            Op::VHaddU,
            Op::VRhaddU,
            Op::VZipLo,
            Op::VZipHi,
            Op::VUzpEven,
            Op::VUzpOdd,
            Op::VTrnEven,
            Op::VTrnOdd,
            Op::VPadd,
        ];
        const ONE: &[Op] = &[Op::VNot, Op::VNeg, Op::VAbs, Op::VCnt, Op::VClz];
        let ty = self.rng.pick(&[Ty::V64, Ty::V128]);
        let lane = self.rng.below(if ty == Ty::V64 { 3 } else { 4 }) as u8;
        let bits = 8i64 << lane;
        let (a, c) = (self.vval(ty), self.vval(ty));
        let v = match self.rng.below(16) {
            0..=4 => {
                let op = self.rng.pick(TWO);
                self.b.vbin(op, ty, lane, a, c, 0)
            }
            5 if ty == Ty::V128 && self.rng.below(4) == 0 => {
                let steps = [Op::VAesSub, Op::VAesSubInv, Op::VAesMix, Op::VAesMixInv];
                self.b.vun(self.rng.pick(&steps), ty, 0, a, 0)
            }
            5 if ty == Ty::V128 && self.rng.below(4) == 0 => {
                let (op, last) = self.rng.pick(&[
                    (Op::VSha256, true),
                    (Op::VSha256Low, false),
                    (Op::VSha256High, true),
                ]);
                let e = if last { self.vval(ty) } else { Value::NONE };
                let imm = i64::from(op == Op::VSha256 && self.rng.below(2) == 1);
                self.b.op(op, ty, 0, 0, [a, c, e], imm)
            }
            5 => {
                let op = self.rng.pick(ONE);
                let lane = if op == Op::VCnt { 0 } else { lane.min(2) };
                self.b.vun(op, ty, lane, a, 0)
            }
            6 => {
                let op = self.rng.pick(&[Op::VShlI, Op::VShrI, Op::VSarI]);
                let n = i64::from(self.rng.below(bits as u32)) + i64::from(op != Op::VShlI);
                self.b.vun(op, ty, lane, a, n)
            }
            7 => {
                let (x, y) = (self.vval(Ty::V64), self.vval(Ty::V64));
                let op = self.rng.pick(&[Op::VMullS, Op::VMullU]);
                self.b.vbin(op, Ty::V128, lane.min(2), x, y, 0)
            }
            8 => {
                let x = self.vval(Ty::V64);
                let op = self.rng.pick(&[Op::VWidenS, Op::VWidenU]);
                self.b.vun(op, Ty::V128, lane.min(2), x, 0)
            }
            9 => {
                let x = self.vval(Ty::V128);
                let op = self.rng.pick(&[
                    Op::VNarrow,
                    Op::VNarrowSatS,
                    Op::VNarrowSatU,
                    Op::VNarrowSatSU,
                ]);
                self.b.vun(op, Ty::V64, lane.min(2), x, 0)
            }
            10 => {
                let n = i64::from(self.rng.below(ty.bytes()));
                match self.rng.below(3) {
                    0 => self.b.vbin(Op::VExt, ty, 0, a, c, n),
                    1 => {
                        let group =
                            i64::from(lane) + i64::from(self.rng.below(4 - u32::from(lane)));
                        self.b.vun(Op::VRev, ty, lane, a, group)
                    }
                    _ => self.b.vun(Op::VDupLane, ty, lane, a, n >> lane),
                }
            }
            11 => {
                let n = i64::from(self.rng.below(ty.bytes() >> lane));
                if self.rng.below(2) == 0 {
                    let aux = self.rng.below(2) as u8;
                    let to = if lane == 3 || self.rng.below(4) == 0 {
                        Ty::I64
                    } else {
                        Ty::I32
                    };
                    let g = self
                        .b
                        .op(Op::VGet, to, lane, aux, [a, Value::NONE, Value::NONE], n);
                    return self.put(to, g);
                }
                let x = if lane == 3 { self.i64v() } else { self.i32v() };
                self.b.vbin(Op::VSet, ty, lane, a, x, n)
            }
            12 => {
                let x = if lane == 3 { self.i64v() } else { self.i32v() };
                self.b.vun(Op::VDup, ty, lane, x, 0)
            }
            13 => {
                let (x, y) = (self.vval(Ty::V64), self.vval(Ty::V64));
                match self.rng.below(4) {
                    0 => self.b.bin(Op::VConcat, Ty::V128, x, y),
                    1 => {
                        let big = self.vval(Ty::V128);
                        self.b.un(Op::VHigh, Ty::V64, big)
                    }
                    2 => self.b.bitcast(Ty::V128, x),
                    _ => self.b.tri(Op::VBsl, ty, a, c, a),
                }
            }
            14 => {
                let addr = self.addr();
                let f = MemFlags::size(if ty == Ty::V64 { 3 } else { 4 })
                    .big_endian(self.rng.below(4) == 0);
                self.b.load(ty, addr, f)
            }
            _ => {
                let addr = self.addr();
                let f = MemFlags::size(if ty == Ty::V64 { 3 } else { 4 })
                    .big_endian(self.rng.below(4) == 0);
                return self.b.store(addr, a, f);
            }
        };
        self.vec.push(v);
        if self.rng.below(2) == 0 {
            let ty = self.b.block.ty(v);
            let s = self.vslot(ty);
            self.b.set(s, v);
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
pub enum What {
    Integers,
    Vectors,
    /// Floating point with one or both regimes.
    Fp(u32),
}

pub fn random_block(seed: u64, what: What, limit: u32) -> Block {
    let mut b = Builder::new(0x1000, 0, &LAYOUT);
    b.insn_start(0x1000, 0);
    let mut w = Vec::new();
    let mut x = Vec::new();
    let vec = Vec::new();
    for k in 0..3 {
        w.push(b.get(Slot::new(k * 4, Ty::I32)));
        x.push(b.get(Slot::new(128 + k * 8, Ty::I64)));
    }
    let mut rng = Rng(seed);
    let n = (5 + rng.below(70)).min(limit);
    let mut m = Make {
        b,
        rng,
        w,
        x,
        cc: Vec::new(),
        vec,
        in_region: false,
        calls_allowed: true,
        pc: 0x1000,
        vectors: what != What::Integers,
        fp: if let What::Fp(n) = what {
            Some(n)
        } else {
            None
        },
    };
    for _ in 0..n {
        m.step();
    }
    m.leave();
    m.b.finish()
}
