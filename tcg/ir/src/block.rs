//! A translated piece of guest code in IR.

use crate::{FpMode, Inst, Ty, Value};
use std::cell::Cell;

/// How control leaves a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitKind {
    /// To a known guest address: chained to the target block.
    Direct,
    /// A call to a known address. The return address is `ret_pc`; the host return stack gets an entry.
    DirectCall,
    /// To the address in the exit's operand.
    Indirect(IndirectHint),
    /// To the front end: `code` is one of the ISA's trap constants, the operand (if any) or `info` its argument.
    Trap {
        /// The ISA's code.
        code: u32,
        /// Argument when the exit instruction has no operand.
        info: u64,
    },
}

/// What kind of indirect jump it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndirectHint {
    /// A jump that tends to go to one place (a PLT stub).
    Jump,
    /// A jump with many targets (a switch table).
    Table,
    /// A call through a register; the return address is `ret_pc`.
    Call,
    /// A function return: popped from the host return stack.
    Return,
}

/// Everything about one exit. An exit instruction's `imm` is its index in [`Block::exits`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExitInfo {
    /// The way out.
    pub kind: ExitKind,
    /// Target address (direct), or the program counter to report (trap).
    pub pc: u64,
    /// The target's block mode. For indirect exits the mode at the target, unless `mode_dynamic`.
    pub mode: u32,
    /// The mode has to be asked from the ISA (`Isa::mode`) because it changed in an unknown way; paired
    /// returns are dropped. Not for direct calls.
    pub mode_dynamic: bool,
    /// Return address of a call, with the mode of the caller.
    pub ret_pc: u64,
    /// Bit k set: slot k of [`crate::StateLayout::peek`] is dead at the target, so it need not be stored.
    pub dead: u32,
    /// Whether an interrupt check is needed (backward jumps, calls).
    pub check: bool,
}

/// A straight line of guest code in IR.
#[derive(Clone, Debug)]
pub struct Block {
    /// Guest address of the first instruction (with the ISA's tag bits, such as Arm's Thumb bit).
    pub pc: u64,
    /// Mode bits that the translation depends on.
    pub mode: u32,
    /// The instructions.
    pub insts: Vec<Inst>,
    /// Exits, by index.
    pub exits: Vec<ExitInfo>,
    /// 128-bit constants of `ConstV`.
    pub consts: Vec<u128>,
    /// Argument lists of `Call`.
    pub pool: Vec<Value>,
    /// The floating-point regimes of this block. An operation's `aux` selects one.
    pub fp: [FpMode; 2],
    /// Lowest guest address of an instruction: that of the first, unless a jump back has been followed.
    pub start_pc: u64,
    /// First guest byte behind the block, for self-modification checks (includes peeked bytes).
    pub end_pc: u64,
    /// Number of guest instructions.
    pub guest_insns: u32,
}

thread_local! {
    /// Of a block that is no longer needed.
    static SPARE: Cell<Option<(Vec<Inst>, Vec<ExitInfo>)>> = const { Cell::new(None) };
}

impl Block {
    /// An empty block.
    pub fn new(pc: u64, mode: u32) -> Block {
        let (mut insts, mut exits) = SPARE.take().unwrap_or_default();
        insts.reserve(384);
        exits.reserve(2);
        Block {
            pc,
            mode,
            insts,
            exits,
            consts: Vec::new(),
            pool: Vec::new(),
            fp: [FpMode::IEEE, FpMode::FLUSHING],
            start_pc: pc,
            end_pc: pc,
            guest_insns: 0,
        }
    }

    /// Gives its memory to the next block of this thread.
    pub fn recycle(mut self) {
        self.insts.clear();
        self.exits.clear();
        SPARE.set(Some((self.insts, self.exits)));
    }

    /// The instruction that defines `v`.
    pub fn def(&self, v: Value) -> &Inst {
        &self.insts[v.index()]
    }

    /// The type of `v`.
    pub fn ty(&self, v: Value) -> Ty {
        self.insts[v.index()].ty
    }

    /// The integer constant that `v` is, zero-extended from its type, if it is one.
    pub fn as_const(&self, v: Value) -> Option<u64> {
        let i = self.def(v);
        (i.op == crate::Op::Const).then(|| {
            if i.ty == Ty::I32 {
                i.imm as u32 as u64
            } else {
                i.imm as u64
            }
        })
    }
}
