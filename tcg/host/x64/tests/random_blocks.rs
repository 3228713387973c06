//! Random blocks: generated code against the reference interpreter, with few and many registers, with and without
//! AVX2/BMI2, including faults at arbitrary sites with exact guest state.

mod harness;

use harness::*;
use tcg_ir::interp::{HelperCall, HelperResult, Helpers, Interp, Memory, Outcome};
use tcg_ir::*;
use tcg_mem::{Access, FaultKind, GuestVa, MemFault};
use tcg_target::EnvHeader;
use tcg_x64::Opts;

const STATE: usize = 512;
const FLAGS: [Slot; 4] = [
    Slot::new(64, Ty::I32),
    Slot::new(68, Ty::I32),
    Slot::new(72, Ty::I32),
    Slot::new(76, Ty::I32),
];
const MEM: u32 = 0x1_0000;
const MEM_LEN: usize = 0x1000;

static LAYOUT: StateLayout = StateLayout {
    bytes: STATE,
    peek: &FLAGS,
    names: &[],
};

// ---- helpers, once for the host and once for the interpreter ----

fn pure_math(a: u32, b: u64) -> u64 {
    u64::from(a).wrapping_mul(3) ^ b.rotate_left(7)
}

unsafe extern "C" fn h_pure(_env: *mut u8, a: u64, b: u64, _c: u64, _d: u64) -> u64 {
    assert!(a <= u64::from(u32::MAX));
    pure_math(a as u32, b)
}

fn touch(state: &mut [u8], a: u32) -> u32 {
    let old = u32::from_le_bytes(state[20..24].try_into().unwrap());
    state[20..24].copy_from_slice(&(old ^ a).to_le_bytes());
    old.wrapping_add(a)
}

unsafe extern "C" fn h_state(env: *mut u8, a: u64, _b: u64, _c: u64, _d: u64) -> u64 {
    // SAFETY: the state block.
    u64::from(touch(
        unsafe { std::slice::from_raw_parts_mut(env, STATE) },
        a as u32,
    ))
}

unsafe extern "C" fn h_exit(env: *mut u8, a: u64, _b: u64, _c: u64, _d: u64) -> u64 {
    // SAFETY: the state block and the header below it.
    unsafe {
        touch(std::slice::from_raw_parts_mut(env, STATE), a as u32);
        if a & 7 == 0 {
            (*env.cast::<EnvHeader>().sub(1)).exit_kind = 9;
        }
    }
    0
}

static HELPERS: [HelperDef; 3] = [
    HelperDef {
        name: "pure",
        args: &[Ty::I32, Ty::I64],
        ret: Ty::I64,
        effects: Effects::Pure,
        func: h_pure,
    },
    HelperDef {
        name: "state",
        args: &[Ty::I32],
        ret: Ty::I32,
        effects: Effects::State,
        func: h_state,
    },
    HelperDef {
        name: "exit",
        args: &[Ty::I32],
        ret: Ty::Void,
        effects: Effects::StateMayExit,
        func: h_exit,
    },
];

struct Calls;

impl Helpers for Calls {
    fn call(&mut self, c: HelperCall<'_>) -> Result<HelperResult, String> {
        let a = c.args[0].1 as u32;
        Ok(match c.id.0 {
            0 => HelperResult::Value(u128::from(pure_math(a, c.args[1].1 as u64))),
            1 => HelperResult::Value(u128::from(touch(c.state, a))),
            _ => {
                touch(c.state, a);
                if a & 7 == 0 {
                    return Ok(HelperResult::Leave);
                }
                HelperResult::Value(0)
            }
        })
    }
}

struct Ram(Vec<u8>);

impl Ram {
    fn at(&self, va: GuestVa, len: usize, access: Access) -> Result<usize, MemFault> {
        let fault = MemFault {
            va,
            access,
            kind: FaultKind::Unmapped,
        };
        let off = va.0.checked_sub(u64::from(MEM)).ok_or(fault)? as usize;
        if off + len <= MEM_LEN {
            Ok(off)
        } else {
            Err(fault)
        }
    }
}

impl Memory for Ram {
    fn load(&mut self, va: GuestVa, bytes: &mut [u8]) -> Result<(), MemFault> {
        let o = self.at(va, bytes.len(), Access::Read)?;
        bytes.copy_from_slice(&self.0[o..o + bytes.len()]);
        Ok(())
    }

    fn store(&mut self, va: GuestVa, bytes: &[u8]) -> Result<(), MemFault> {
        let o = self.at(va, bytes.len(), Access::Write)?;
        self.0[o..o + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }
}

// ---- random blocks ----

struct Rng(u64);

impl Rng {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn below(&mut self, n: u32) -> u32 {
        ((self.bits() >> 32) * u64::from(n) >> 32) as u32
    }

    fn pick<T: Copy>(&mut self, s: &[T]) -> T {
        s[self.below(s.len() as u32) as usize]
    }

    fn word(&mut self) -> u64 {
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

struct Make<'a> {
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
}

const BIN: &[Op] = &[
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
const SHIFT: &[Op] = &[
    Op::Shl,
    Op::Shr,
    Op::Sar,
    Op::Rotr,
    Op::ShlSat,
    Op::ShrSat,
    Op::SarSat,
];
const UN: &[Op] = &[
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
            12..=15 => self.memory(),
            16 => self.call(),
            17 if !self.in_region => self.region(),
            18 if self.vectors => self.vector(),
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

    fn vector(&mut self) {}
}

fn random_block(seed: u64, vectors: bool, limit: u32) -> Block {
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
        vectors,
    };
    for _ in 0..n {
        m.step();
    }
    m.leave();
    m.b.finish()
}

/// What both sides have to agree on.
#[derive(Debug, PartialEq)]
struct End {
    what: String,
    state: Vec<u8>,
    mem: Vec<u8>,
}

fn interpret(block: &Block, state: &[u8], mem: &[u8]) -> (End, u32) {
    let mut state = state.to_vec();
    let mut ram = Ram(mem.to_vec());
    let mut i = Interp {
        state: &mut state,
        mem: &mut ram,
        helpers: &mut Calls,
        fp_flags: 0,
    };
    let out = i.run(block).unwrap_or_else(|e| {
        for (k, i) in block.insts.iter().enumerate().take(70) {
            println!(
                "{k}: {:?} {:?} lane {} aux {} {:?} imm {:x}",
                i.op,
                i.ty,
                i.lane,
                i.aux,
                i.args.map(|v| v.0 as i32),
                i.imm
            );
        }
        panic!("unsound block: {e:?}")
    });
    let mut dead = 0;
    let what = match out {
        Outcome::Jump { exit, pc, mode } => {
            dead = block.exits[exit].dead;
            format!("jump {pc:x} {mode:x}")
        }
        Outcome::Trap {
            exit,
            code,
            info,
            pc,
            mode,
        } => {
            dead = block.exits[exit].dead;
            format!("trap {code} {info:x} {pc:x} {mode:x}")
        }
        Outcome::Fault { fault, pc, mode } if fault.kind == FaultKind::Alignment => {
            let w = (fault.access == Access::Write) as u32;
            format!("misaligned {:x} {w} {pc:x} {mode:x}", fault.va.0)
        }
        Outcome::Fault { pc, mode, .. } => format!("fault {pc:x} {mode:x}"),
        Outcome::Left { pc, mode } => format!("left {pc:x} {mode:x}"),
    };
    (
        End {
            what,
            state,
            mem: ram.0,
        },
        dead,
    )
}

fn execute(
    m: &mut Machine,
    block: &Block,
    f: tcg_x64::Features,
    opts: Opts,
    state: &[u8],
    mem: &[u8],
) -> Option<(End, String)> {
    let c = match tcg_x64::compile(block, &LAYOUT, &HELPERS, &f, &opts) {
        Ok(c) => c,
        // Long chains of conditions need more registers than some tests allow.
        Err(tcg_x64::TooComplex) if opts.max_regs != 0 => return None,
        Err(e) => panic!("{e:?}"),
    };
    m.state().copy_from_slice(state);
    m.guest_mem(MEM, MEM_LEN).copy_from_slice(mem);
    let l = m.run(&c);
    let what = match l.kind {
        KIND_JUMP => format!("jump {:x} {:x}", l.pc, l.mode),
        1 => format!("trap {} {:x} {:x} {:x}", l.code, l.info, l.pc, l.mode),
        2 => format!(
            "misaligned {:x} {} {:x} {:x}",
            l.info,
            l.code >> 8,
            l.pc,
            l.mode
        ),
        9 => format!("left {:x} {:x}", l.pc, l.mode),
        KIND_HOST_FAULT => format!("fault {:x} {:x}", l.pc, l.mode),
        k => format!("kind {k}"),
    };
    let end = End {
        what,
        state: m.state().to_vec(),
        mem: m.guest_mem(MEM, MEM_LEN).to_vec(),
    };
    Some((end, disassemble(&c)))
}

fn clear_dead(e: &mut End, dead: u32) {
    for (k, s) in FLAGS.iter().enumerate() {
        if dead >> k & 1 != 0 {
            e.state[s.off as usize..s.off as usize + 4].fill(0);
        }
    }
}

fn check(seeds: std::ops::Range<u64>, vectors: bool) {
    let mut m = Machine::new(STATE, &HELPERS);
    m.map_guest(MEM, MEM_LEN);
    let (mut runs, mut refused) = (0, 0);
    let mut kinds = std::collections::BTreeMap::new();
    for seed in seeds {
        let block = random_block(seed, vectors, u32::MAX);
        let mut rng = Rng(seed ^ 0x5555);
        let state: Vec<u8> = (0..STATE / 8)
            .flat_map(|_| rng.word().to_le_bytes())
            .collect();
        let mem: Vec<u8> = (0..MEM_LEN / 8)
            .flat_map(|_| rng.word().to_le_bytes())
            .collect();
        let (mut want, dead) = interpret(&block, &state, &mem);
        clear_dead(&mut want, dead);
        *kinds
            .entry(want.what.split(' ').next().unwrap_or("").to_string())
            .or_insert(0) += 1;
        for f in feature_sets() {
            for max_regs in [0, 8] {
                let opts = Opts {
                    parallel: seed & 1 == 0,
                    max_regs,
                };
                if std::env::var("X64_TRACE").is_ok() {
                    eprintln!("seed {seed} regs {max_regs} avx {}", f.avx2);
                }
                runs += 1;
                let Some((mut got, _)) = execute(&mut m, &block, f, opts, &state, &mem) else {
                    refused += 1;
                    continue;
                };
                clear_dead(&mut got, dead);
                if got != want {
                    let small = (0..80).map(|n| random_block(seed, vectors, n)).find(|b| {
                        let (mut want, dead) = interpret(b, &state, &mem);
                        let Some((mut got, _)) = execute(&mut m, b, f, opts, &state, &mem) else {
                            return false;
                        };
                        clear_dead(&mut want, dead);
                        clear_dead(&mut got, dead);
                        got != want
                    });
                    let block = small.unwrap_or(block);
                    let (mut want, dead) = interpret(&block, &state, &mem);
                    let Some((mut got, asm)) = execute(&mut m, &block, f, opts, &state, &mem)
                    else {
                        panic!()
                    };
                    clear_dead(&mut want, dead);
                    clear_dead(&mut got, dead);
                    for (k, i) in block.insts.iter().enumerate() {
                        let a: Vec<String> = i
                            .args
                            .iter()
                            .filter(|v| v.is_some())
                            .map(|v| format!("v{}", v.0))
                            .collect();
                        println!(
                            "{k}: {:?} {:?} lane {} aux {} {} imm {:x}",
                            i.op,
                            i.ty,
                            i.lane,
                            i.aux,
                            a.join(" "),
                            i.imm
                        );
                    }
                    println!("{asm}");
                    for o in (0..STATE).step_by(4) {
                        let w = |s: &[u8]| u32::from_le_bytes(s[o..o + 4].try_into().unwrap());
                        if w(&want.state) != w(&got.state) {
                            println!(
                                "state {o}: want {:x} got {:x}",
                                w(&want.state),
                                w(&got.state)
                            );
                        }
                    }
                    panic!(
                        "seed {seed} regs {max_regs} avx2 {}: want {} got {}",
                        f.avx2, want.what, got.what
                    );
                }
            }
        }
    }
    println!("{kinds:?}, {refused} of {runs} refused");
    assert!(refused * 50 < runs);
    assert!(kinds.len() >= 4, "the blocks end in too few ways");
}

#[test]
fn random_integer_blocks_agree_with_interpreter() {
    let first = std::env::var("X64_SEED")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(0);
    let n = std::env::var("X64_COUNT")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(3000);
    check(first..first + n, false);
}
