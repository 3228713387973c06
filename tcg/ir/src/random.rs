//! Random numbers and random blocks for differential tests.
//!
//! A block uses every operation of the signature table, overlapping views of the state, regions of all kinds, side
//! exits, memory in and around a small window, and calls of whatever helpers it is given.

use crate::sig::{Arg, Imm, Lane, Sig};
use crate::{
    Addr, Block, Builder, Cond, ExitInfo, ExitKind, HelperDef, HelperId, IndirectHint, Inst,
    MemFlags, Op, Order, RegionKind, Slot, StateLayout, Ty, Value,
};

/// A small seeded generator (splitmix64).
#[derive(Clone, Debug)]
pub struct Prng(u64);

impl Prng {
    /// A generator; equal seeds give equal sequences.
    pub const fn new(seed: u64) -> Prng {
        Prng(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number below `n` (0 if n is 0).
    pub fn below(&mut self, n: u32) -> u32 {
        (((self.bits() >> 32) * u64::from(n)) >> 32) as u32
    }

    /// True once in `n`.
    pub fn one_in(&mut self, n: u32) -> bool {
        self.below(n) == 0
    }

    /// 128 bits, often with structure: zeros, ones, sign bits, small numbers, repeated words.
    pub fn value(&mut self) -> u128 {
        let random = u128::from(self.bits()) << 64 | u128::from(self.bits());
        let word = |w: u64| u128::from(w) << 64 | u128::from(w);
        match self.below(8) {
            0 => 0,
            1 => u128::MAX,
            2 => word(0x8000_0000_8000_0000),
            3 => word(0x7fff_ffff_7fff_ffff),
            4 => u128::from(self.below(70)),
            5 => word(u64::from(self.below(8)).wrapping_sub(4)),
            6 => word(0x8080_7f7f_0001_ff80),
            _ => random,
        }
    }
}

/// Floating-point numbers worth trying, as binary64: around zero, one, halves, the limits of integers and of formats.
const NUMBERS: [f64; 40] = [
    0.0,
    0.25,
    0.5,
    0.75,
    0.999_999_9,
    1.0,
    1.5,
    2.0,
    2.5,
    3.0,
    3.5,
    5.5,
    7.999_999,
    100.0,
    255.0,
    255.5,
    32767.0,
    32767.5,
    32768.0,
    65504.0,
    65519.0,
    65520.0,
    65535.5,
    65536.0,
    8_388_607.5,
    16_777_217.0,
    2_147_483_647.0,
    2_147_483_647.5,
    2_147_483_648.0,
    4_294_967_295.0,
    4_294_967_295.5,
    4_294_967_296.0,
    9_223_372_036_854_775_807.0,
    18_446_744_073_709_551_615.0,
    1e30,
    3.402_823_5e38,
    6e-8,
    6.1e-5,
    1.2e-38,
    1e-300,
];

impl Prng {
    /// One of the numbers above with either sign, an ordinary number, or anything, in a format with this many bits
    /// (16, 32 or 64).
    pub fn float(&mut self, bits: u32) -> u64 {
        let sign = u64::from(self.below(2)) << (bits - 1);
        let (exponent, fraction) = match bits {
            16 => (5, 10),
            32 => (8, 23),
            _ => (11, 52),
        };
        let top = (1u64 << exponent) - 1;
        let noise = self.bits() & ((1 << fraction) - 1);
        sign | match self.below(16) {
            0 => 0,
            1 => top << fraction,
            2 => top << fraction | noise | 1 << (fraction - 1),
            3 => top << fraction | 1 | noise & !(1 << (fraction - 1)),
            4 => noise,
            5 => (top - 1) << fraction | noise,
            6 => self.bits() & ((1 << (bits - 1)) - 1),
            7..=11 if bits > 16 => {
                let x = NUMBERS[self.below(NUMBERS.len() as u32) as usize];
                match bits {
                    32 => u64::from((x as f32).to_bits()),
                    _ => x.to_bits(),
                }
            }
            _ => self.plain_float(bits),
        }
    }

    /// A positive normal number near one.
    pub fn plain_float(&mut self, bits: u32) -> u64 {
        let (bias, fraction) = match bits {
            16 => (15, 10),
            32 => (127, 23),
            _ => (1023, 52),
        };
        let exponent = bias - 3 + u64::from(self.below(8));
        // Short fractions now and then: exact results.
        let noise = self.bits() & ((1 << fraction) - 1);
        let keep = if self.one_in(3) { 3 } else { fraction };
        exponent << fraction | noise >> (fraction - keep) << (fraction - keep)
    }

    /// 128 bits of floating-point numbers of one of the formats.
    pub fn floats(&mut self) -> u128 {
        let bits = [16, 32, 32, 64, 64][self.below(5) as usize];
        (0..128 / bits).fold(0, |v, k| v | u128::from(self.float(bits)) << (k * bits))
    }
}

/// What a random block may use.
#[derive(Clone, Copy)]
pub struct Config<'a> {
    /// The state block. Slots of all types are put anywhere in it.
    pub layout: &'a StateLayout,
    /// Helpers that may be called.
    pub helpers: &'a [HelperDef],
    /// Guest address of a window of memory of at least 4 KiB. One access in some tens goes elsewhere.
    pub memory: u32,
    /// Operations that may be used, of those in the signature table.
    pub allow: fn(Op) -> bool,
    /// Whether the sticky floating-point flags are read and replaced.
    pub sticky: bool,
    /// Number of steps; fewer steps with the same seed give a prefix of the block.
    pub steps: u32,
}

const DATA: [Ty; 6] = [Ty::I32, Ty::I64, Ty::F32, Ty::F64, Ty::V64, Ty::V128];

/// A random block that the verifier accepts.
pub fn block(seed: u64, config: &Config<'_>) -> Block {
    let g = Generator {
        b: Builder::new(0x8000, 0, config.layout),
        rng: Prng::new(seed),
        config,
        ops: Op::ALL
            .iter()
            .copied()
            .filter(|o| (config.allow)(*o) && Sig::of(*o).is_some())
            .collect(),
        pools: Default::default(),
        pc: 0x8000,
        calls: true,
    };
    g.run()
}

struct Generator<'a> {
    b: Builder<'a>,
    rng: Prng,
    config: &'a Config<'a>,
    ops: Vec<Op>,
    /// Values by type.
    pools: [Vec<Value>; 8],
    pc: u64,
    /// Helpers that touch the state are allowed.
    calls: bool,
}

impl Generator<'_> {
    fn run(mut self) -> Block {
        self.next_insn();
        for _ in 0..self.config.steps {
            match self.rng.below(24) {
                0 => self.next_insn(),
                1 | 2 => self.region(),
                _ => self.step(),
            }
        }
        self.leave();
        self.b.block.end_pc = self.pc + 4;
        self.b.finish()
    }

    fn next_insn(&mut self) {
        self.pc += 4;
        let mode = self.rng.below(1 << 16);
        self.b.insn_start(self.pc, mode);
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.rng.below(from.len() as u32) as usize]
    }

    fn step(&mut self) {
        match self.rng.below(32) {
            0..=15 => self.operation(),
            16..=19 => self.set_slot(),
            20..=22 => self.flags(),
            23..=25 => self.access(),
            26 => self.halves(),
            27..=28 => self.atomic(),
            29 => self.call(),
            30 if self.config.sticky => self.sticky(),
            30 => self.set_slot(),
            _ => self.b.fence(),
        }
    }

    // ---- values ----

    fn constant(&mut self, ty: Ty) -> Value {
        let bits = self.rng.value();
        match ty {
            Ty::I32 | Ty::I64 => self.b.iconst(ty, bits as u64),
            _ => self.b.vconst(ty, bits),
        }
    }

    fn slot(&mut self, ty: Ty) -> Slot {
        let pinned = self.config.layout.pinned;
        if !pinned.is_empty() && self.rng.one_in(3) {
            let slot = self.pick(pinned);
            if slot.ty == ty {
                return slot;
            }
        }
        let slot = self.slot_anywhere(ty);
        let (from, to) = (u32::from(slot.off), u32::from(slot.off) + ty.bytes());
        let overlaps = |s: &Slot| from < u32::from(s.off) + s.ty.bytes() && u32::from(s.off) < to;
        // Those are mostly accessed whole.
        if pinned.iter().any(|s| *s != slot && overlaps(s)) && !self.rng.one_in(8) {
            return Slot::new(0, ty);
        }
        slot
    }

    /// A slot to read: often the low half of a pinned one.
    fn slot_to_read(&mut self, ty: Ty) -> Slot {
        let pinned = self.config.layout.pinned;
        if ty == Ty::I32 && !pinned.is_empty() && self.rng.one_in(4) {
            let slot = self.pick(pinned);
            return Slot { ty, ..slot };
        }
        self.slot(ty)
    }

    fn slot_anywhere(&mut self, ty: Ty) -> Slot {
        let size = ty.bytes();
        let count = self.config.layout.bytes as u32 / size;
        // Often the same few, so that views overlap.
        let near = if self.rng.one_in(2) {
            count.min(32 / size + 1)
        } else {
            count
        };
        let at = self.rng.below(near) * size;
        let bits = self.config.layout.bits;
        let taken = |s: &Slot| at < u32::from(s.off) + 4 && u32::from(s.off) < at + size;
        // Those have rules of their own.
        Slot::new(if bits.iter().any(taken) { 0 } else { at } as usize, ty)
    }

    /// A slot that holds 0 or 1.
    fn bit_slot(&mut self) -> Option<Slot> {
        let bits = self.config.layout.bits;
        (!bits.is_empty()).then(|| self.pick(bits))
    }

    /// A value of this type to be used here.
    fn value(&mut self, ty: Ty) -> Value {
        if ty == Ty::Cc {
            return self.condition_code();
        }
        let have = self.pools[ty as usize].len() as u32;
        match self.rng.below(8) {
            0 => self.constant(ty),
            1..=5 if have > 0 => {
                // Mostly the latest.
                let back = self.rng.below(have.min(12));
                self.pools[ty as usize][(have - 1 - back) as usize]
            }
            _ => {
                let slot = self.slot_to_read(ty);
                self.b.get(slot)
            }
        }
    }

    fn condition_code(&mut self) -> Value {
        let pool = &self.pools[Ty::Cc as usize];
        match pool.last() {
            Some(last) if !self.rng.one_in(3) => *last,
            Some(_) => self.pick(&self.pools[Ty::Cc as usize].clone()),
            None => self.compare(),
        }
    }

    /// A new condition-code value.
    fn compare(&mut self) -> Value {
        let ty = self.pick(&[Ty::I32, Ty::I32, Ty::I64]);
        let (a, b) = (self.value(ty), self.value(ty));
        let v = self.b.bin(Op::CcSub, Ty::Cc, a, b);
        self.pools[Ty::Cc as usize].push(v);
        v
    }

    /// 0 or 1, from flags or a comparison.
    fn truth(&mut self) -> Value {
        let cond = self.pick(&Cond::ALL);
        if self.rng.one_in(3) {
            if let (Some(slot), true) = (self.bit_slot(), self.rng.one_in(2)) {
                return self.b.get(slot);
            }
            let (a, b) = (self.value(Ty::I32), self.value(Ty::I32));
            return self.b.icmp(cond, a, b);
        }
        let cc = self.condition_code();
        self.b.cc_test(cc, cond)
    }

    /// Keeps a value, and often makes the state depend on it.
    fn keep(&mut self, ty: Ty, v: Value) {
        self.pools[ty as usize].push(v);
        if ty != Ty::Cc && self.rng.one_in(2) {
            let slot = self.slot(ty);
            self.b.set(slot, v);
        }
    }

    // ---- operations ----

    fn operation(&mut self) {
        let op = self.pick(&self.ops.clone());
        let Some(sig) = Sig::of(op) else { return };
        let results: Vec<Ty> = sig.result.iter().collect();
        for _ in 0..64 {
            let ty = self.pick(&results);
            let mut types = [Ty::Void; 3];
            for (k, arg) in sig.args.iter().enumerate() {
                types[k] = match arg {
                    Arg::None => Ty::Void,
                    Arg::Result => ty,
                    Arg::First => types[0],
                    Arg::Of(set) => self.pick(&set.iter().collect::<Vec<_>>()),
                };
            }
            let mut inst = Inst {
                op,
                ty,
                lane: self.lane(sig.lane),
                aux: self.rng.below(u32::from(sig.aux) + 1) as u8,
                args: [Value::NONE; 3],
                imm: 0,
            };
            let element = 8 << inst.lane.min(3);
            inst.imm = self.immediate(sig.imm, ty, element);
            let fits = sig.check_types(op, ty, types).is_ok();
            if fits && sig.check_parameters(&inst, types).is_ok() {
                return self.emit(inst, types);
            }
        }
    }

    fn emit(&mut self, mut inst: Inst, types: [Ty; 3]) {
        for (v, ty) in inst.args.iter_mut().zip(types) {
            if ty != Ty::Void {
                *v = self.value(ty);
            }
        }
        // A carry has to be 0 or 1.
        if matches!(inst.op, Op::Adc | Op::Sbc | Op::CcAdc | Op::CcSbc) {
            inst.args[2] = self.truth();
        }
        // Constants keep their canonical form; otherwise half of the time without folding.
        let v = if inst.op == Op::Const {
            self.b.iconst(inst.ty, inst.imm as u64)
        } else if self.rng.one_in(2) {
            self.b.push(inst)
        } else {
            self.b
                .op(inst.op, inst.ty, inst.lane, inst.aux, inst.args, inst.imm)
        };
        self.keep(inst.ty, v);
    }

    fn lane(&mut self, lane: Lane) -> u8 {
        let below = match lane {
            Lane::Unused | Lane::Ignored => 1,
            Lane::Size(..) | Lane::ZeroOrThree => 4,
            Lane::Cond => 14,
            Lane::Round => 6,
            Lane::Flag => 2,
        };
        self.rng.below(below) as u8
    }

    /// An immediate that is often allowed.
    fn immediate(&mut self, imm: Imm, ty: Ty, element: u32) -> i64 {
        let bits = ty.bytes() * 8;
        let sign = self.rng.below(2) << 8;
        let n = match imm {
            Imm::Unused => 0,
            Imm::Any => return self.rng.value() as i64,
            Imm::Field => {
                let lsb = self.rng.below(bits);
                lsb | (1 + self.rng.below(bits - lsb)) << 8
            }
            Imm::Element | Imm::Byte => self.rng.below(16),
            Imm::Left => self.rng.below(element),
            Imm::Right => 1 + self.rng.below(element),
            Imm::Group => 1 + self.rng.below(4),
            Imm::Below(n) | Imm::Precision(n) => self.rng.below(n as u32),
            Imm::Fused => 2 * self.rng.below(4),
            Imm::ToInt => {
                let width = self.pick(&[16, 32, 64]);
                self.fraction(width) | sign | self.rng.below(2) << 9 | width << 16
            }
            Imm::FromInt => self.fraction(32) | sign,
            Imm::Lanes => self.fraction(element) | sign | self.rng.below(6) << 12,
            Imm::Rounding => self.rng.below(2) | self.rng.below(6) << 12,
        };
        i64::from(n)
    }

    fn fraction(&mut self, width: u32) -> u32 {
        if self.rng.one_in(2) {
            0
        } else {
            self.rng.below(width + 1)
        }
    }

    fn set_slot(&mut self) {
        let ty = self.pick(&DATA);
        let (slot, v) = (self.slot(ty), self.value(ty));
        self.b.set(slot, v);
    }

    /// Flag-setting arithmetic with its readers.
    fn flags(&mut self) {
        let ty = self.pick(&[Ty::I32, Ty::I32, Ty::I64]);
        let (a, b) = (self.value(ty), self.value(ty));
        let forms = [
            (Op::Add, Op::CcAdd),
            (Op::Sub, Op::CcSub),
            (Op::Adc, Op::CcAdc),
            (Op::Sbc, Op::CcSbc),
            (Op::And, Op::CcLogic),
        ];
        let (op, flags) = self.pick(&forms);
        let carry = match op {
            Op::Adc | Op::Sbc => self.truth(),
            _ => Value::NONE,
        };
        let result = self.b.tri(op, ty, a, b, carry);
        let cc = match op {
            Op::And => self.b.un(flags, Ty::Cc, result),
            _ => self.b.tri(flags, Ty::Cc, a, b, carry),
        };
        self.keep(ty, result);
        self.pools[Ty::Cc as usize].push(cc);
        if self.rng.one_in(2) && self.config.layout.bits.len() >= 2 {
            let bits = self.config.layout.bits;
            let all = [Cond::Mi, Cond::Eq, Cond::Hs, Cond::Vs];
            let flags: Vec<(Slot, Cond)> = bits.iter().copied().zip(all).collect();
            let from = self.rng.below(2) as usize;
            self.b.set_flags(cc, &flags[from..]);
        }
        for cond in [Cond::Mi, Cond::Eq, Cond::Hs, Cond::Vs] {
            if self.rng.one_in(2) {
                let t = self.b.cc_test(cc, cond);
                self.keep(Ty::I32, t);
                if let Some(slot) = self.bit_slot() {
                    self.b.set(slot, t);
                }
            }
        }
    }

    fn sticky(&mut self) {
        if self.rng.one_in(4) {
            let v = self.value(Ty::I32);
            self.b.push(Inst {
                op: Op::FpFlagsSet,
                ty: Ty::Void,
                lane: 0,
                aux: 0,
                args: [v, Value::NONE, Value::NONE],
                imm: 0,
            });
        }
        let v = self.b.push(Inst {
            op: Op::FpFlagsGet,
            ty: Ty::I32,
            lane: 0,
            aux: 0,
            args: [Value::NONE; 3],
            imm: 0,
        });
        self.keep(Ty::I32, v);
    }

    // ---- memory ----

    /// An address, and the type of its base.
    fn address(&mut self) -> (Addr, Ty) {
        let ty = self.pick(&[Ty::I32, Ty::I32, Ty::I64]);
        let any = self.value(ty);
        let wild = self.rng.one_in(40);
        // Not above 4 GiB: harnesses reserve that much.
        let mask = self.b.iconst(ty, if wild { 0xffff_ffff } else { 0x7ff });
        let mut addr = Addr::base_disp(
            self.b.bin(Op::And, ty, any, mask),
            self.config.memory as i32,
        );
        addr.disp = addr.disp.wrapping_add(self.rng.below(64) as i32);
        if self.rng.one_in(3) {
            let any = self.value(ty);
            let mask = self.b.iconst(ty, 0x3f);
            addr.index = self.b.bin(Op::And, ty, any, mask);
            addr.shift = self.rng.below(4) as u8;
        }
        if ty == Ty::I32 && self.rng.one_in(8) {
            addr.base = Value::NONE;
        }
        (addr, ty)
    }

    fn mem_flags(&mut self, ty: Ty) -> MemFlags {
        let most = ty.bytes().trailing_zeros();
        let size = match ty.is_int() {
            true => self.rng.below(most + 1),
            false => most,
        };
        let mut flags = MemFlags::size(size as u8).big_endian(self.rng.one_in(4));
        if self.rng.one_in(48) {
            flags = flags.align(1 + self.rng.below(3) as u8);
        }
        if self.rng.one_in(8) && ty.is_int() {
            flags = flags.order(self.pick(&[Order::AcqRel, Order::SeqCst]));
        }
        flags
    }

    /// An access, or several to what is close together.
    fn access(&mut self) {
        let (first, ty) = self.address();
        self.access_at(first);
        if first.index.is_some() || !first.base.is_some() || self.rng.one_in(2) {
            return;
        }
        for _ in 0..=self.rng.below(5) {
            let mut addr = first;
            addr.disp = addr.disp.wrapping_add(self.rng.below(200) as i32 - 100);
            if self.rng.one_in(4) {
                let step = self.b.iconst(ty, u64::from(self.rng.below(16)));
                addr.base = self.b.bin(Op::Add, ty, addr.base, step);
            }
            self.access_at(addr);
        }
    }

    fn access_at(&mut self, addr: Addr) {
        let ty = self.pick(&DATA);
        let flags = self.mem_flags(ty);
        if self.rng.one_in(2) {
            let v = self.value(ty);
            return self.b.store(addr, v, flags);
        }
        let signed = ty.is_int() && self.rng.one_in(3);
        let flags = if signed { flags.signed() } else { flags };
        let v = self.b.load(ty, addr, flags);
        self.keep(ty, v);
    }

    /// Two words stored, and a load of both with a guess that is mostly right.
    fn halves(&mut self) {
        let (addr, _) = self.address();
        let be = self.rng.one_in(2);
        let [first, second, wrong] = [(); 3].map(|()| self.value(Ty::I32));
        let word = MemFlags::size(2).big_endian(be);
        let behind = Addr {
            disp: addr.disp.wrapping_add(4),
            ..addr
        };
        self.b.store(addr, first, word);
        self.b.store(behind, second, word);
        let (low, high) = if be { (second, first) } else { (first, second) };
        let low = if self.rng.one_in(4) { wrong } else { low };
        let guess = self.b.bin(Op::Concat, Ty::I64, low, high);
        let ty = self.pick(&[Ty::I64, Ty::F64, Ty::V64]);
        let double = MemFlags::size(3).big_endian(be);
        let v = self.b.load_guessed(ty, addr, double, guess);
        self.keep(ty, v);
    }

    fn atomic(&mut self) {
        let (addr, _) = self.address();
        if !addr.base.is_some() {
            return;
        }
        let ty = self.pick(&[Ty::I32, Ty::I64]);
        let flags = self.mem_flags(ty);
        let v = self.value(ty);
        let old = if self.rng.one_in(2) {
            let what = self.rng.below(10) as u8;
            self.b.atomic_rmw(what, ty, addr.base, addr.disp, v, flags)
        } else {
            let expected = self.value(ty);
            self.b
                .atomic_cas(ty, addr.base, addr.disp, expected, v, flags)
        };
        self.keep(ty, old);
    }

    // ---- control ----

    fn call(&mut self) {
        let n = self.config.helpers.len() as u32;
        if n == 0 {
            return;
        }
        let id = self.rng.below(n);
        let helper = &self.config.helpers[id as usize];
        if helper.effects.touch_state() && !self.calls {
            return;
        }
        let args: Vec<Value> = helper.args.iter().map(|ty| self.value(*ty)).collect();
        let v = self.b.call(HelperId(id as u16), helper, &args);
        if helper.ret != Ty::Void {
            self.keep(helper.ret, v);
        }
    }

    fn region(&mut self) {
        let cond = self.truth();
        let kind = self.pick(&[RegionKind::Leaves, RegionKind::Simple, RegionKind::Calls]);
        let outside = self.pools.each_ref().map(Vec::len);
        self.b.begin_if(cond, kind);
        self.calls = kind != RegionKind::Simple;
        for _ in 0..self.rng.below(6) {
            self.step();
        }
        if kind == RegionKind::Leaves {
            self.leave();
        }
        self.b.end_if();
        self.calls = true;
        for (pool, len) in self.pools.iter_mut().zip(outside) {
            pool.truncate(len);
        }
    }

    fn leave(&mut self) {
        let indirect = [
            IndirectHint::Jump,
            IndirectHint::Table,
            IndirectHint::Call,
            IndirectHint::Return,
        ];
        let mut operand = Value::NONE;
        let kind = match self.rng.below(4) {
            0 => ExitKind::Direct,
            1 => ExitKind::DirectCall,
            2 => {
                operand = self.value(Ty::I32);
                ExitKind::Indirect(self.pick(&indirect))
            }
            _ => {
                if self.rng.one_in(2) {
                    operand = self.value(Ty::I32);
                }
                let code = self.rng.below(100);
                let info = self.rng.bits() & 0xffff_ffff;
                ExitKind::Trap { code, info }
            }
        };
        let peek = self.config.layout.peek.len() as u32;
        let known = 1u64.checked_shl(peek).map_or(u32::MAX, |b| (b - 1) as u32);
        let dead = self.rng.bits() as u32 & known;
        let info = ExitInfo {
            kind,
            pc: self.rng.bits() & 0xffff_fffe,
            mode: self.rng.below(1 << 16),
            mode_dynamic: false,
            ret_pc: self.rng.bits() & 0xffff_fffe,
            dead: if self.rng.one_in(2) { dead } else { 0 },
            check: self.rng.one_in(2),
        };
        self.b.exit(info, operand);
    }
}

#[cfg(test)]
#[path = "random_tests.rs"]
pub(crate) mod tests;
