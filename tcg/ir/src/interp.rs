//! The reference interpreter: runs a block on a state buffer and says how it ended.
//!
//! It is the oracle of the backends and knows nothing of speed. Guest registers are written at once, so the state
//! is exact at every fault. Stores to slots that an exit declares dead are made all the same: whoever compares
//! states leaves those slots out. Reference: [`crate::Op`].

use tcg_mem::{Access, FaultKind, GuestVa, MemFault};

use crate::eval::OpDesc;
use crate::{Block, Effects, ExitKind, HelperId, Inst, Op, Ty, Value};

/// Guest memory.
pub trait Memory {
    /// Fills `bytes` from `va`.
    fn load(&mut self, va: GuestVa, bytes: &mut [u8]) -> Result<(), MemFault>;

    /// Writes `bytes` at `va`: all of them or, on a fault, none.
    fn store(&mut self, va: GuestVa, bytes: &[u8]) -> Result<(), MemFault>;

    /// Replaces `bytes.len()` bytes at `va` by `f` of them, as one atomic access; `bytes` receives the old ones.
    /// The default is for memory that nobody else uses.
    fn update(
        &mut self,
        va: GuestVa,
        bytes: &mut [u8],
        f: &mut dyn FnMut(&mut [u8]),
    ) -> Result<(), MemFault> {
        let as_write = |fault: MemFault| MemFault {
            access: Access::Write,
            ..fault
        };
        self.load(va, bytes).map_err(as_write)?;
        let mut old = [0; 16];
        let n = bytes.len().min(16);
        old[..n].copy_from_slice(&bytes[..n]);
        f(&mut old[..n]);
        self.store(va, &old[..n])
    }
}

/// A helper's arguments and what it may change.
pub struct HelperCall<'a> {
    /// Which helper.
    pub id: HelperId,
    /// Its declared effects.
    pub effects: Effects,
    /// Arguments with their types.
    pub args: &'a [(Ty, u128)],
    /// Type of the result.
    pub ret: Ty,
    /// The guest state.
    pub state: &'a mut [u8],
    /// Sticky floating-point flags.
    pub fp_flags: &'a mut u32,
    /// Guest address and mode of the current instruction.
    pub at: (u64, u32),
}

/// What a helper did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HelperResult {
    /// It returned this.
    Value(u128),
    /// It asks to leave the block (a `StateMayExit` helper that filled the header's exit fields).
    Leave,
}

/// Runs helpers.
pub trait Helpers {
    /// Calls a helper; `Err` says why it cannot be called.
    fn call(&mut self, call: HelperCall<'_>) -> Result<HelperResult, String>;
}

/// For blocks without calls.
pub struct NoHelpers;

impl Helpers for NoHelpers {
    fn call(&mut self, call: HelperCall<'_>) -> Result<HelperResult, String> {
        Err(format!("helper {} is not available", call.id.0))
    }
}

/// How a block ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome {
    /// A direct or indirect exit was taken.
    Jump {
        /// Index in [`Block::exits`].
        exit: usize,
        /// Where to.
        pc: u64,
        /// The mode there (before `mode_dynamic` is looked at).
        mode: u32,
    },
    /// A trap exit was taken.
    Trap {
        /// Index in [`Block::exits`].
        exit: usize,
        /// The ISA's code.
        code: u32,
        /// The operand, or the exit's own argument if there is none.
        info: u64,
        /// The program counter to report.
        pc: u64,
        /// The mode there.
        mode: u32,
    },
    /// A memory access failed.
    Fault {
        /// How.
        fault: MemFault,
        /// Address of the guest instruction.
        pc: u64,
        /// Its mode.
        mode: u32,
    },
    /// A helper asked to leave.
    Left {
        /// Address of the guest instruction.
        pc: u64,
        /// Its mode.
        mode: u32,
    },
}

/// A block that the verifier would have refused, or a helper that could not be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The instruction.
    pub at: Value,
    /// What is wrong with it.
    pub why: String,
}

/// What an instruction did to the flow of control.
enum Step {
    /// It gave a value.
    Value(u128),
    /// It gave nothing.
    Done,
    /// The block ends.
    Ends(Outcome),
}

/// Everything a block runs on.
pub struct Interp<'a> {
    /// The guest state block.
    pub state: &'a mut [u8],
    /// Guest memory.
    pub mem: &'a mut dyn Memory,
    /// Helpers.
    pub helpers: &'a mut dyn Helpers,
    /// Sticky floating-point flags, in the layout of `tcg_softfloat::Flags`.
    pub fp_flags: u32,
}

/// One run of a block.
struct Run<'r, 'a> {
    env: &'r mut Interp<'a>,
    block: &'r Block,
    values: Vec<Option<u128>>,
    /// The instruction being run.
    now: usize,
    /// Address and mode of the guest instruction being run.
    at: (u64, u32),
    /// Whether the latest predicated region ran.
    ran: bool,
    /// The region being skipped.
    skipping: bool,
}

impl Interp<'_> {
    /// Runs a block to its end.
    pub fn run(&mut self, block: &Block) -> Result<Outcome, Broken> {
        let mut run = Run {
            env: self,
            block,
            values: vec![None; block.insts.len()],
            now: 0,
            at: (block.pc, block.mode),
            ran: false,
            skipping: false,
        };
        for (i, inst) in block.insts.iter().enumerate() {
            run.now = i;
            if run.skipping && inst.op != Op::CondEnd {
                continue;
            }
            match run.step(inst) {
                Ok(Step::Done) => {}
                Ok(Step::Value(v)) => run.values[i] = Some(v),
                Ok(Step::Ends(outcome)) => return Ok(outcome),
                Err(why) => {
                    let at = Value(i as u32);
                    return Err(Broken { at, why });
                }
            }
        }
        Err(Broken {
            at: Value(block.insts.len() as u32),
            why: "the block does not end in an exit".to_string(),
        })
    }
}

impl Run<'_, '_> {
    fn value(&self, v: Value) -> Result<u128, String> {
        match self.values.get(v.index()) {
            Some(Some(x)) => Ok(*x),
            _ => Err(format!("v{} has no value here", v.0 as i32)),
        }
    }

    fn value_ty(&self, v: Value) -> Ty {
        self.block.insts.get(v.index()).map_or(Ty::Void, |i| i.ty)
    }

    fn step(&mut self, inst: &Inst) -> Result<Step, String> {
        match inst.op {
            Op::InsnStart => {
                let mode = u32::from(inst.lane) | u32::from(inst.aux) << 8;
                self.at = (inst.imm as u64, mode);
            }
            Op::Exit => return self.exit(inst).map(Step::Ends),
            Op::CondBegin => {
                self.ran = self.value(inst.args[0])? != 0;
                self.skipping = !self.ran;
            }
            Op::CondEnd => self.skipping = false,
            Op::Merge => {
                let way = usize::from(self.ran);
                return self.value(inst.args[way]).map(Step::Value);
            }
            Op::Fence => {}
            Op::Get => return self.read_slot(inst).map(Step::Value),
            Op::Set | Op::Sync => self.write_slot(inst)?,
            Op::Call => return self.call(inst),
            Op::FpFlagsGet => return Ok(Step::Value(u128::from(self.env.fp_flags))),
            Op::FpFlagsSet => self.env.fp_flags = self.value(inst.args[0])? as u32,
            Op::ConstV => {
                let index = usize::try_from(inst.imm).unwrap_or(usize::MAX);
                let bits = self.block.consts.get(index).ok_or("no such constant")?;
                return Ok(Step::Value(truncate(*bits, inst.ty.bytes())));
            }
            Op::Load | Op::Store | Op::AtomicRmw | Op::AtomicCas => return self.access(inst),
            _ => return self.evaluate(inst).map(Step::Value),
        }
        Ok(Step::Done)
    }

    fn evaluate(&mut self, inst: &Inst) -> Result<u128, String> {
        let desc = OpDesc::of(self.block, inst).ok_or("not an operation with a value")?;
        let mut args = [0; 3];
        for (x, v) in args.iter_mut().zip(inst.args) {
            if v.is_some() {
                *x = self.value(v)?;
            }
        }
        Ok(desc.run(args, &mut self.env.fp_flags))
    }

    fn exit(&self, inst: &Inst) -> Result<Outcome, String> {
        let exit = usize::try_from(inst.imm).unwrap_or(usize::MAX);
        let info = self.block.exits.get(exit).ok_or("no such exit")?;
        let mode = info.mode;
        let operand = inst.args[0];
        Ok(match info.kind {
            ExitKind::Direct | ExitKind::DirectCall => Outcome::Jump {
                exit,
                pc: info.pc,
                mode,
            },
            ExitKind::Indirect(_) => Outcome::Jump {
                exit,
                pc: self.value(operand)? as u64,
                mode,
            },
            ExitKind::Trap { code, info: own } => Outcome::Trap {
                exit,
                code,
                info: match operand.is_some() {
                    true => self.value(operand)? as u64,
                    false => own,
                },
                pc: info.pc,
                mode,
            },
        })
    }

    fn slot(&mut self, off: i64, bytes: u32) -> Result<&mut [u8], String> {
        let start = usize::try_from(off).unwrap_or(usize::MAX);
        let end = start.saturating_add(bytes as usize);
        self.env
            .state
            .get_mut(start..end)
            .ok_or_else(|| format!("slot {off} is outside of the state"))
    }

    fn read_slot(&mut self, inst: &Inst) -> Result<u128, String> {
        Ok(from_le(self.slot(inst.imm, inst.ty.bytes())?))
    }

    fn write_slot(&mut self, inst: &Inst) -> Result<(), String> {
        let value = self.value(inst.args[0])?;
        let bytes = self.value_ty(inst.args[0]).bytes();
        let slot = self.slot(inst.imm, bytes)?;
        slot.copy_from_slice(&value.to_le_bytes()[..bytes as usize]);
        Ok(())
    }

    fn call(&mut self, inst: &Inst) -> Result<Step, String> {
        let (start, count) = (inst.args[0].0 as usize, inst.args[1].0 as usize);
        let args = start
            .checked_add(count)
            .and_then(|end| self.block.pool.get(start..end))
            .ok_or("arguments outside of the pool")?;
        let args: Vec<(Ty, u128)> = args
            .iter()
            .map(|v| Ok((self.value_ty(*v), self.value(*v)?)))
            .collect::<Result<_, String>>()?;
        let call = HelperCall {
            id: HelperId(inst.imm as u16),
            effects: Effects::from_index(inst.lane).ok_or("no such effects")?,
            args: &args,
            ret: inst.ty,
            state: self.env.state,
            fp_flags: &mut self.env.fp_flags,
            at: self.at,
        };
        Ok(match self.env.helpers.call(call)? {
            HelperResult::Leave => Step::Ends(Outcome::Left {
                pc: self.at.0,
                mode: self.at.1,
            }),
            HelperResult::Value(_) if inst.ty == Ty::Void => Step::Done,
            HelperResult::Value(v) => Step::Value(truncate(v, inst.ty.bytes())),
        })
    }

    /// The address of a memory operation: base + (index << shift) + disp, wrapping at the width of its operands.
    fn address(&self, inst: &Inst) -> Result<GuestVa, String> {
        let indexed = matches!(inst.op, Op::Load | Op::Store);
        let index = if indexed { inst.args[1] } else { Value::NONE };
        let mut sum = inst.disp() as i64 as u64;
        let mut wide = false;
        if inst.args[0].is_some() {
            sum = sum.wrapping_add(self.value(inst.args[0])? as u64);
            wide |= self.value_ty(inst.args[0]) == Ty::I64;
        }
        if index.is_some() {
            sum = sum.wrapping_add((self.value(index)? as u64) << inst.index_shift());
            wide |= self.value_ty(index) == Ty::I64;
        }
        Ok(GuestVa(if wide { sum } else { u64::from(sum as u32) }))
    }

    fn access(&mut self, inst: &Inst) -> Result<Step, String> {
        let va = self.address(inst)?;
        let flags = inst.mem();
        let size = flags.bytes() as usize;
        if size > 16 {
            return Err("access of more than 16 bytes".to_string());
        }
        let write = inst.op != Op::Load;
        let done = if va.0 & ((1 << flags.align_log2()) - 1) != 0 {
            Err(MemFault {
                va,
                access: if write { Access::Write } else { Access::Read },
                kind: FaultKind::Alignment,
            })
        } else {
            self.perform(inst, va, size)?
        };
        Ok(match done {
            Ok(step) => step,
            Err(fault) => Step::Ends(Outcome::Fault {
                fault,
                pc: self.at.0,
                mode: self.at.1,
            }),
        })
    }

    /// The access proper. The outer result tells of broken blocks, the inner one of faults.
    fn perform(
        &mut self,
        inst: &Inst,
        va: GuestVa,
        size: usize,
    ) -> Result<Result<Step, MemFault>, String> {
        let be = inst.mem().is_big_endian();
        let mut buf = [0u8; 16];
        let bytes = &mut buf[..size];
        let done = match inst.op {
            Op::Load => self.env.mem.load(va, bytes),
            Op::Store => {
                put(bytes, self.value(inst.args[2])?, be);
                return Ok(self.env.mem.store(va, bytes).map(|()| Step::Done));
            }
            Op::AtomicRmw => {
                let operand = self.value(inst.args[2])?;
                let what = inst.lane;
                self.env.mem.update(va, bytes, &mut |b| {
                    let old = fetch(b, be);
                    put(b, rmw(what, old, operand, b.len() as u32 * 8), be);
                })
            }
            _ => {
                let expected = truncate(self.value(inst.args[1])?, size as u32);
                let new = self.value(inst.args[2])?;
                self.env.mem.update(va, bytes, &mut |b| {
                    if fetch(b, be) == expected {
                        put(b, new, be);
                    }
                })
            }
        };
        if let Err(fault) = done {
            return Ok(Err(fault));
        }
        let raw = fetch(bytes, be);
        let extend = inst.op == Op::Load && inst.mem().is_signed() && inst.ty.is_int();
        let value = if extend {
            sign_extend(raw, size as u32)
        } else {
            raw
        };
        Ok(Ok(Step::Value(truncate(value, inst.ty.bytes()))))
    }
}

/// The new value of an atomic read-modify-write of `n` bits.
fn rmw(what: u8, old: u128, operand: u128, n: u32) -> u128 {
    let b = truncate(operand, n / 8);
    let signed = |v: u128| sign_extend(v, n / 8) as i128;
    match what {
        0 => b,
        1 => old.wrapping_add(b),
        2 => old & b,
        3 => old | b,
        4 => old ^ b,
        5 => old & !b,
        6 => signed(old).max(signed(b)) as u128,
        7 => signed(old).min(signed(b)) as u128,
        8 => old.max(b),
        _ => old.min(b),
    }
}

/// The low bytes.
fn truncate(v: u128, bytes: u32) -> u128 {
    match bytes {
        0..=15 => v & ((1 << (bytes * 8)) - 1),
        _ => v,
    }
}

fn sign_extend(v: u128, bytes: u32) -> u128 {
    let unused = 128 - bytes.clamp(1, 16) * 8;
    ((v << unused) as i128 >> unused) as u128
}

fn from_le(bytes: &[u8]) -> u128 {
    bytes.iter().rev().fold(0, |v, b| v << 8 | u128::from(*b))
}

/// The number that memory bytes hold.
fn fetch(bytes: &[u8], be: bool) -> u128 {
    match be {
        true => bytes.iter().fold(0, |v, b| v << 8 | u128::from(*b)),
        false => from_le(bytes),
    }
}

/// The low bytes of a number in memory order.
fn put(bytes: &mut [u8], v: u128, be: bool) {
    let n = bytes.len();
    bytes.copy_from_slice(&v.to_le_bytes()[..n]);
    if be {
        bytes.reverse();
    }
}

#[cfg(test)]
#[path = "interp_tests.rs"]
mod tests;
