//! Translation of the Power ISA to the IR: the loop over a block's instructions, and what all chapters use:
//! registers, addresses, CR and XER, ways out of the block. One file per chapter has the handlers that the decode
//! tables name.

mod altivec;
mod arith;
mod branch;
mod compare;
mod convert;
mod crypto;
mod decimal;
mod exits;
mod fetch;
mod fp;
mod fpregs;
mod load_store;
mod logical;
mod multiple;
mod peek;
mod permute;
mod privileged;
mod reserve;
mod rotate;
mod status;
mod storage;
mod system;
mod vector_mem;
mod vsx;
mod vsx_vector;
mod whole;

use tcg_ir::{Addr, Block, Builder, Cond, ExitInfo, ExitKind, MemFlags, Op, Ty, Value};
use tcg_mem::{GuestVa, MemFault};
use tcg_target::{BlockLimits, Follow, TranslateCtx};

use crate::decode::{self, Feature, FeatureSet};
use crate::features::CpuModel;
use crate::state::{LAYOUT, Mode, slot};
use crate::system::state::SYSTEM_LAYOUT;
use crate::trap;
use fetch::Fetcher;
use fpregs::FpRecord;

/// What a handler says of the instruction that it translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Out {
    /// The next instruction follows.
    Next,
    /// The block is ended by an exit.
    End,
}

const NONE: Value = Value::NONE;

/// The translation of one block in progress.
pub(crate) struct Translator<'a> {
    pub(crate) b: Builder<'a>,
    model: &'static CpuModel,
    /// System mode: the families of the CPU (`system::model::family`).
    system: Option<u32>,
    parallel: bool,
    mode: Mode,
    /// The type of a general register: I64 on 64-bit implementations.
    w: Ty,
    /// Address of the current instruction.
    pc: u64,
    /// Address of the instruction that follows.
    next: u64,
    /// The current instruction's code.
    insn: u32,
    /// Floating-point operations that FPSCR does not know of yet.
    fp: FpRecord,
    /// The general register that CTR was last set from, to tell calls through the linkage table from switches.
    ctr_from: Option<u32>,
    follow: Follow,
}

decode::dispatch_base!(fn decode_base, Translator<'_>, Out);
decode::dispatch_fp!(fn decode_fp, Translator<'_>, Out);
decode::dispatch_altivec!(fn decode_altivec, Translator<'_>, Out);
decode::dispatch_vsx!(fn decode_vsx, Translator<'_>, Out);

/// Translates the block at `pc`.
pub(crate) fn translate(
    model: &'static CpuModel,
    system: Option<u32>,
    pc: u64,
    mode: u32,
    ctx: &mut TranslateCtx<'_>,
) -> Result<Block, MemFault> {
    let mode = Mode(mode);
    let start = pc & !3;
    let layout = match system {
        Some(_) => &SYSTEM_LAYOUT,
        None => &LAYOUT,
    };
    let limits = match mode.has(Mode::STEP) {
        true => BlockLimits::full(1),
        false => ctx.limits,
    };
    let whole = system.is_some();
    let mut t = Translator {
        b: Builder::new(pc, mode.0, layout),
        model,
        system,
        parallel: ctx.parallel,
        mode,
        w: if model.is_wide() { Ty::I64 } else { Ty::I32 },
        pc: start,
        next: start,
        insn: 0,
        fp: FpRecord::default(),
        ctr_from: None,
        follow: Follow::new(start, limits),
    };
    t.b.forward_stores(ctx.forward);
    t.b.block.fp = mode.fp_modes();
    let mut fetcher = Fetcher::new(ctx.fetch, mode.has(Mode::LE));
    let mut end = start;
    let mut count = 0;
    let out = loop {
        let insn = match fetcher.insn(t.next) {
            Ok(found) => found,
            Err(fault) if count == 0 => return Err(fault),
            Err(_) => break Out::Next,
        };
        t.pc = t.next;
        t.next = t.wrap(t.pc.wrapping_add(4));
        t.insn = insn;
        end = end.max(t.pc.wrapping_add(4));
        count += 1;
        t.b.insn_start(t.pc, mode.0);
        if mode.has(Mode::STEP) {
            t.step();
        }
        let out = t.instruction(insn);
        let full = limits.reached(count, t.b.block.exits.len());
        if out == Out::End || full || t.follow.ends(t.next) {
            break out;
        }
    };
    if out == Out::Next {
        let info = t.direct(t.next);
        t.leave(info, NONE);
    }
    (t.b.block.start_pc, t.b.block.end_pc) = (t.follow.start(), end);
    let mut block = t.b.finish();
    // Interrupts may be taken at any exit of a whole CPU, and their handlers look at everything.
    if limits.may_peek() && !whole {
        peek::mark_dead_flags(
            &mut block,
            &mut fetcher,
            model.features.has(Feature::Isa300),
        );
    }
    Ok(block)
}

impl Translator<'_> {
    fn instruction(&mut self, insn: u32) -> Out {
        match insn >> 26 {
            4 if self.has(Feature::Spe) => self.trap_at(trap::SPE_UNAVAILABLE, u64::from(insn)),
            4 => decode_altivec(self, insn),
            59 | 63 => decode_fp(self, insn),
            60 => decode_vsx(self, insn),
            _ => decode_base(self, insn),
        }
    }

    // ---- what the decoders ask ----

    /// The features of the CPU model.
    pub(crate) fn features(&self) -> FeatureSet {
        self.model.features
    }

    /// Whether the CPU model has a feature.
    fn has(&self, feature: Feature) -> bool {
        self.model.features.has(feature)
    }

    /// No row matches.
    fn undecoded(&mut self, _insn: u32) -> Out {
        self.illegal()
    }

    // ---- modes ----

    /// Whether the program runs in 64-bit mode.
    fn sf(&self) -> bool {
        self.mode.has(Mode::SF)
    }

    /// An address of the current mode.
    fn wrap(&self, pc: u64) -> u64 {
        if self.sf() { pc } else { pc & 0xffff_ffff }
    }

    /// Whether registers have 64 bits.
    fn is_wide(&self) -> bool {
        self.w == Ty::I64
    }

    // ---- general registers ----

    /// General register `n`.
    fn gpr(&mut self, n: u32) -> Value {
        self.b.get(slot::gpr(n, self.w))
    }

    /// General register `n`, or 0 if it is register 0.
    fn gpr_or_zero(&mut self, n: u32) -> Value {
        if n == 0 { self.konst(0) } else { self.gpr(n) }
    }

    /// Low half of general register `n`.
    fn gpr32(&mut self, n: u32) -> Value {
        let v = self.gpr(n);
        self.low32(v)
    }

    /// The low 32 bits of a register value.
    fn low32(&mut self, v: Value) -> Value {
        match self.b.block.ty(v) {
            Ty::I64 => self.b.un(Op::Trunc, Ty::I32, v),
            _ => v,
        }
    }

    /// Sets general register `n`; a 32-bit value is zero-extended.
    fn set_gpr(&mut self, n: u32, v: Value) {
        let v = self.widen_z(v);
        self.b.set(slot::gpr(n, self.w), v);
    }

    /// A register value from a zero-extended 32-bit value.
    fn widen_z(&mut self, v: Value) -> Value {
        match (self.b.block.ty(v), self.w) {
            (Ty::I32, Ty::I64) => self.b.un(Op::ZextI64, Ty::I64, v),
            (Ty::I64, Ty::I32) => self.b.un(Op::Trunc, Ty::I32, v),
            _ => v,
        }
    }

    /// A register value from a sign-extended 32-bit value.
    fn widen_s(&mut self, v: Value) -> Value {
        match (self.b.block.ty(v), self.w) {
            (Ty::I32, Ty::I64) => self.b.un(Op::SextI64, Ty::I64, v),
            _ => v,
        }
    }

    /// A constant of register type.
    fn konst(&mut self, v: i64) -> Value {
        self.b.iconst(self.w, v as u64)
    }

    /// An operation on registers.
    fn bin(&mut self, op: Op, a: Value, b: Value) -> Value {
        let ty = self.b.block.ty(a);
        self.b.bin(op, ty, a, b)
    }

    /// An operation with a constant of the operand's type.
    fn bin_const(&mut self, op: Op, a: Value, c: u64) -> Value {
        let ty = self.b.block.ty(a);
        let c = self.b.iconst(ty, c);
        self.b.bin(op, ty, a, c)
    }

    /// A shift by a constant.
    fn shift(&mut self, op: Op, a: Value, by: u32) -> Value {
        let ty = self.b.block.ty(a);
        let by = self.b.i32(by);
        self.b.bin(op, ty, a, by)
    }

    /// A one-operand operation.
    fn un(&mut self, op: Op, a: Value) -> Value {
        let ty = self.b.block.ty(a);
        self.b.un(op, ty, a)
    }

    // ---- addresses ----

    /// Memory flags with the guest's byte order.
    fn mem(&self, log2: u8) -> MemFlags {
        MemFlags::size(log2).big_endian(!self.mode.has(Mode::LE))
    }

    /// The same with the other byte order.
    fn mem_reversed(&self, log2: u8) -> MemFlags {
        MemFlags::size(log2).big_endian(self.mode.has(Mode::LE))
    }

    /// The value of an address in 32-bit mode has no upper half.
    fn wrap_address(&mut self, v: Value) -> Value {
        if self.sf() || !self.is_wide() {
            return v;
        }
        let low = self.b.un(Op::Trunc, Ty::I32, v);
        self.b.un(Op::ZextI64, Ty::I64, low)
    }

    /// `disp(ra)`.
    fn ea_disp(&mut self, ra: u32, disp: i64) -> Addr {
        if ra == 0 {
            let v = self.konst(self.wrap(disp as u64) as i64);
            return Addr::base_disp(v, 0);
        }
        let base = self.gpr(ra);
        if self.sf() == self.is_wide() {
            return Addr::base_disp(base, disp as i32);
        }
        let sum = self.bin_const(Op::Add, base, disp as u64);
        Addr::base_disp(self.wrap_address(sum), 0)
    }

    /// `ra, rb`.
    fn ea_index(&mut self, ra: u32, rb: u32) -> Addr {
        let index = self.gpr(rb);
        if ra == 0 {
            return Addr::base_disp(self.wrap_address(index), 0);
        }
        let base = self.gpr(ra);
        if self.sf() == self.is_wide() {
            return Addr::base_index(base, index, 0);
        }
        let sum = self.bin(Op::Add, base, index);
        Addr::base_disp(self.wrap_address(sum), 0)
    }

    /// An effective address as a value.
    fn ea_value(&mut self, addr: Addr) -> Value {
        let mut v = addr.base;
        if addr.index.is_some() {
            v = self.bin(Op::Add, v, addr.index);
        }
        if addr.disp != 0 {
            v = self.bin_const(Op::Add, v, i64::from(addr.disp) as u64);
        }
        v
    }

    // ---- CR ----

    /// Bit `bit` of CR: 0 or 1.
    fn cr_bit(&mut self, bit: u32) -> Value {
        self.b.get(slot::cr_bit(bit))
    }

    /// Sets a CR field from LT, GT, EQ.
    fn set_cr(&mut self, field: u32, bits: [Value; 3]) {
        for (k, v) in bits.into_iter().enumerate() {
            self.b.set(slot::cr_bit(4 * field + k as u32), v);
        }
        let so = self.b.get(slot::SO);
        self.b.set(slot::cr_bit(4 * field + 3), so);
    }

    /// Sets a CR field from the flags of a comparison.
    fn set_cr_cc(&mut self, field: u32, cc: Value, [lt, gt, eq]: [Cond; 3]) {
        let lt = self.b.cc_test(cc, lt);
        let gt = self.b.cc_test(cc, gt);
        let eq = self.b.cc_test(cc, eq);
        self.set_cr(field, [lt, gt, eq]);
    }

    /// Record form: CR0 from a result.
    fn record(&mut self, rec: bool, v: Value) {
        if !rec {
            return;
        }
        let v = if self.sf() { v } else { self.low32(v) };
        let cc = self.cc(Op::CcLogic, [v, NONE, NONE]);
        self.set_cr_cc(0, cc, [Cond::Mi, Cond::Gt, Cond::Eq]);
    }

    /// Sets a register and, in the record form, CR0.
    fn put(&mut self, n: u32, v: Value, rec: bool) -> Out {
        self.set_gpr(n, v);
        if rec {
            let v = self.gpr(n);
            self.record(rec, v);
        }
        Out::Next
    }

    /// A condition-code value.
    fn cc(&mut self, op: Op, args: [Value; 3]) -> Value {
        self.b.op(op, Ty::Cc, 0, 0, args, 0)
    }

    // ---- ways out ----

    /// An exit to an address in the current mode.
    fn direct(&self, target: u64) -> ExitInfo {
        ExitInfo {
            kind: ExitKind::Direct,
            pc: target,
            mode: self.mode.0,
            mode_dynamic: false,
            ret_pc: 0,
            dead: 0,
            check: self.follow.turned(),
        }
    }
}

/// The first address of what a fetch needs.
const fn va(pc: u64) -> GuestVa {
    GuestVa(pc)
}
