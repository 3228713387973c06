//! Instructions and what they are made of.

use crate::{Effects, Op, Ty};

/// An SSA value: the index of the instruction that defines it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct Value(pub u32);

impl Value {
    /// No value (an absent operand).
    pub const NONE: Value = Value(u32::MAX);

    /// Whether this is a value at all.
    pub const fn is_some(self) -> bool {
        self.0 != u32::MAX
    }

    /// The index of the defining instruction.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// One instruction. The meaning of `lane`, `aux` and `imm` depends on the operation; see [`Op`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Inst {
    /// The operation.
    pub op: Op,
    /// The type of the result, `Void` if there is none.
    pub ty: Ty,
    /// Element size as log2 of bytes (vector operations), or a [`Cond`] (comparisons).
    pub lane: u8,
    /// A further small parameter: floating-point regime, rounding mode, signedness.
    pub aux: u8,
    /// Operands; absent ones are [`Value::NONE`].
    pub args: [Value; 3],
    /// Immediate.
    pub imm: i64,
}

impl Inst {
    /// Whether it calls a helper that looks at the guest state.
    #[inline]
    pub fn calls_with_state(&self) -> bool {
        self.op == Op::Call && Effects::from_index(self.lane).is_some_and(Effects::touch_state)
    }

    /// The operands that are present.
    pub fn operands(&self) -> impl Iterator<Item = Value> + '_ {
        self.args.iter().copied().filter(|v| v.is_some())
    }

    /// For loads, stores and atomics: the displacement of the address.
    pub const fn disp(&self) -> i32 {
        self.imm as i32
    }

    /// For loads and stores: the left shift of the index operand.
    pub const fn index_shift(&self) -> u8 {
        (self.imm >> 32) as u8 & 3
    }

    /// For loads, stores and atomics: how memory is accessed.
    pub const fn mem(&self) -> MemFlags {
        MemFlags((self.imm >> 40) as u16)
    }

    /// Packs the immediate of a memory operation.
    pub const fn pack_mem(disp: i32, shift: u8, flags: MemFlags) -> i64 {
        (disp as u32 as i64) | ((shift & 3) as i64) << 32 | (flags.0 as i64) << 40
    }
}

/// Memory order of an access, in C11 terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Order {
    /// No order beyond single-copy atomicity of aligned accesses.
    Relaxed,
    /// Load-acquire or store-release.
    AcqRel,
    /// Sequentially consistent (Arm's LDA and STL among themselves).
    SeqCst,
}

/// How a memory operation accesses memory: size, extension, byte order, alignment, ordering.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MemFlags(pub u16);

impl MemFlags {
    /// An access of `1 << size` bytes, zero-extended, little-endian, any alignment, relaxed.
    pub const fn size(log2: u8) -> Self {
        MemFlags(log2 as u16 & 7)
    }

    /// The same, sign-extended to the result's type.
    pub const fn signed(self) -> Self {
        MemFlags(self.0 | 1 << 3)
    }

    /// Big-endian if `be`. For vectors the whole access is reversed only when `size` says so; element-wise
    /// byte order is the front end's business.
    pub const fn big_endian(self, be: bool) -> Self {
        MemFlags(self.0 | (be as u16) << 4)
    }

    /// Faults unless the address is a multiple of `1 << log2`.
    pub const fn align(self, log2: u8) -> Self {
        MemFlags(self.0 | (log2 as u16 & 7) << 5)
    }

    /// With this memory order.
    pub const fn order(self, order: Order) -> Self {
        MemFlags(self.0 | (order as u16) << 8)
    }

    /// Access size as log2 of bytes.
    pub const fn log2(self) -> u8 {
        self.0 as u8 & 7
    }

    /// Access size in bytes.
    pub const fn bytes(self) -> u32 {
        1 << self.log2()
    }

    /// Whether a load sign-extends.
    pub const fn is_signed(self) -> bool {
        self.0 & 1 << 3 != 0
    }

    /// Whether the access is big-endian.
    pub const fn is_big_endian(self) -> bool {
        self.0 & 1 << 4 != 0
    }

    /// The alignment demanded, as log2 of bytes (0: none).
    pub const fn align_log2(self) -> u8 {
        (self.0 >> 5) as u8 & 7
    }

    /// The memory order.
    pub const fn get_order(self) -> Order {
        match (self.0 >> 8) & 3 {
            0 => Order::Relaxed,
            1 => Order::AcqRel,
            _ => Order::SeqCst,
        }
    }
}

impl std::fmt::Debug for MemFlags {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}{}",
            if self.is_signed() { "s" } else { "u" },
            8 * self.bytes()
        )?;
        if self.is_big_endian() {
            write!(f, ".be")?;
        }
        if self.align_log2() != 0 {
            write!(f, ".a{}", 1 << self.align_log2())?;
        }
        match self.get_order() {
            Order::Relaxed => Ok(()),
            Order::AcqRel => write!(f, ".acqrel"),
            Order::SeqCst => write!(f, ".seqcst"),
        }
    }
}

/// Conditions, of integer comparisons (`ICmp`) and of condition-code values (`CcTest`). Values and meaning of
/// the first fourteen are those of an N, Z, C, V machine with C = no borrow after a subtraction; each odd one
/// is the negation of the even one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Cond {
    /// Z: equal.
    Eq = 0,
    /// !Z: not equal.
    Ne = 1,
    /// C: unsigned higher or same; for `CcAdd`, carry out.
    Hs = 2,
    /// !C: unsigned lower.
    Lo = 3,
    /// N: negative.
    Mi = 4,
    /// !N: positive or zero.
    Pl = 5,
    /// V: signed overflow; for `CcFcmp`, unordered.
    Vs = 6,
    /// !V.
    Vc = 7,
    /// C and !Z: unsigned higher.
    Hi = 8,
    /// !C or Z: unsigned lower or same.
    Ls = 9,
    /// N == V: signed greater or equal.
    Ge = 10,
    /// N != V: signed less.
    Lt = 11,
    /// !Z and N == V: signed greater.
    Gt = 12,
    /// Z or N != V: signed less or equal.
    Le = 13,
}

impl Cond {
    /// All of them, by value.
    pub const ALL: [Cond; 14] = [
        Cond::Eq,
        Cond::Ne,
        Cond::Hs,
        Cond::Lo,
        Cond::Mi,
        Cond::Pl,
        Cond::Vs,
        Cond::Vc,
        Cond::Hi,
        Cond::Ls,
        Cond::Ge,
        Cond::Lt,
        Cond::Gt,
        Cond::Le,
    ];

    /// The condition with this number (0 to 13).
    pub fn from_index(n: u8) -> Option<Cond> {
        Self::ALL.get(n as usize).copied()
    }

    /// The opposite condition.
    pub fn negate(self) -> Cond {
        Self::ALL[(self as usize) ^ 1]
    }

    /// Evaluates the condition on flags.
    pub const fn eval(self, n: bool, z: bool, c: bool, v: bool) -> bool {
        match self {
            Cond::Eq => z,
            Cond::Ne => !z,
            Cond::Hs => c,
            Cond::Lo => !c,
            Cond::Mi => n,
            Cond::Pl => !n,
            Cond::Vs => v,
            Cond::Vc => !v,
            Cond::Hi => c && !z,
            Cond::Ls => !c || z,
            Cond::Ge => n == v,
            Cond::Lt => n != v,
            Cond::Gt => !z && n == v,
            Cond::Le => z || n != v,
        }
    }
}
