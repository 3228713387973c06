//! Value types.

/// The type of an SSA value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Ty {
    /// No value.
    Void,
    /// 32-bit integer; also booleans (0 or 1).
    I32,
    /// 64-bit integer.
    I64,
    /// IEEE binary32, as bits.
    F32,
    /// IEEE binary64, as bits.
    F64,
    /// 64-bit vector.
    V64,
    /// 128-bit vector.
    V128,
    /// A condition-code value: the flags N, Z, C and V of an operation. It has no representation of its own
    /// and can be read by `CcTest` only.
    Cc,
}

impl Ty {
    /// All of them, by number.
    pub const ALL: [Ty; 8] = [
        Ty::Void,
        Ty::I32,
        Ty::I64,
        Ty::F32,
        Ty::F64,
        Ty::V64,
        Ty::V128,
        Ty::Cc,
    ];

    /// Size of a value in bytes; 0 for `Void` and `Cc`.
    pub const fn bytes(self) -> u32 {
        match self {
            Ty::Void | Ty::Cc => 0,
            Ty::I32 | Ty::F32 => 4,
            Ty::I64 | Ty::F64 | Ty::V64 => 8,
            Ty::V128 => 16,
        }
    }

    /// Whether values live in general-purpose (integer) registers.
    pub const fn is_int(self) -> bool {
        matches!(self, Ty::I32 | Ty::I64)
    }

    /// Whether values live in vector registers.
    pub const fn is_vec_class(self) -> bool {
        matches!(self, Ty::F32 | Ty::F64 | Ty::V64 | Ty::V128)
    }

    /// The name used in the text form.
    pub const fn name(self) -> &'static str {
        match self {
            Ty::Void => "void",
            Ty::I32 => "i32",
            Ty::I64 => "i64",
            Ty::F32 => "f32",
            Ty::F64 => "f64",
            Ty::V64 => "v64",
            Ty::V128 => "v128",
            Ty::Cc => "cc",
        }
    }
}
