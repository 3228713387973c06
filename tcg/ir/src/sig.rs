//! What each evaluable operation takes and gives: the verifier checks it, the random generator draws from it.
//! Reference: [`crate::Op`], whose comments this table repeats in a form that programs can read.

use crate::{Inst, Op, Ty};

/// A set of types, one bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Types(u8);

impl Types {
    /// The set of these types.
    pub const fn of(types: &[Ty]) -> Types {
        let (mut set, mut k) = (0, 0);
        while k < types.len() {
            set |= 1 << types[k] as u8;
            k += 1;
        }
        Types(set)
    }

    /// Whether the type is in the set.
    pub const fn has(self, ty: Ty) -> bool {
        self.0 >> ty as u8 & 1 != 0
    }

    /// Its members.
    pub fn iter(self) -> impl Iterator<Item = Ty> {
        Ty::ALL.into_iter().filter(move |t| self.has(*t))
    }
}

impl std::fmt::Display for Types {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.iter().map(Ty::name).collect();
        f.write_str(&names.join(" or "))
    }
}

const I32: Types = Types::of(&[Ty::I32]);
const I64: Types = Types::of(&[Ty::I64]);
const INT: Types = Types::of(&[Ty::I32, Ty::I64]);
const F32: Types = Types::of(&[Ty::F32]);
const F64: Types = Types::of(&[Ty::F64]);
const FLOAT: Types = Types::of(&[Ty::F32, Ty::F64]);
const V64: Types = Types::of(&[Ty::V64]);
const V128: Types = Types::of(&[Ty::V128]);
const VEC: Types = Types::of(&[Ty::V64, Ty::V128]);
const CC: Types = Types::of(&[Ty::Cc]);
/// Everything that has bits of its own.
const DATA: Types = Types::of(&[Ty::I32, Ty::I64, Ty::F32, Ty::F64, Ty::V64, Ty::V128]);
const VOID: Types = Types::of(&[Ty::Void]);

/// What an operand has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arg {
    /// Absent.
    None,
    /// Of the result's type.
    Result,
    /// Of the first operand's type.
    First,
    /// One of these types.
    Of(Types),
}

/// What `lane` means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Nothing: 0.
    Unused,
    /// Nothing, whatever it is: operations on all bits, or of one element size.
    Ignored,
    /// log2 of the element size, from the first to the last. The named number of elements has to fit.
    Size(u8, u8, u32),
    /// Element size 0 or 3 (carry-less products).
    ZeroOrThree,
    /// A `Cond`.
    Cond,
    /// An `FpRound`.
    Round,
    /// 0 or 1.
    Flag,
}

/// What `imm` means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Imm {
    /// Nothing: 0.
    Unused,
    /// Anything.
    Any,
    /// Lowest bit and length of a bit field.
    Field,
    /// Number of an element of the first operand.
    Element,
    /// Number of a byte of the result.
    Byte,
    /// Shift left by less than the element size.
    Left,
    /// Shift right by 1 up to the element size.
    Right,
    /// log2 of a group of elements in bytes.
    Group,
    /// Below this number.
    Below(i64),
    /// Fraction bits, signedness, NaN rule and width of `FToI`.
    ToInt,
    /// Below this number; bit 0 (rounding to single precision) with F64 only.
    Precision(i64),
    /// The signs of a fused multiply-add: 0, 2, 4 or 6.
    Fused,
    /// Fraction bits and signedness of `FFromI`.
    FromInt,
    /// The same of vectors, with the rounding mode.
    Lanes,
    /// Rounding mode and exactness of `VFRound`.
    Rounding,
}

/// What an operation takes and gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sig {
    /// Types that the result may have.
    pub result: Types,
    /// Operands.
    pub args: [Arg; 3],
    /// Meaning of `lane`.
    pub lane: Lane,
    /// The greatest `aux`.
    pub aux: u8,
    /// Meaning of `imm`.
    pub imm: Imm,
}

const R: Arg = Arg::Result;
const N: Arg = Arg::None;

const fn sig(result: Types, args: [Arg; 3], lane: Lane, aux: u8, imm: Imm) -> Sig {
    Sig {
        result,
        args,
        lane,
        aux,
        imm,
    }
}

/// An integer operation without parameters.
const fn plain(result: Types, args: [Arg; 3]) -> Sig {
    sig(result, args, Lane::Unused, 0, Imm::Unused)
}

/// A vector operation on elements of `1 << first` to `1 << last` bytes.
const fn vec(args: [Arg; 3], first: u8, last: u8) -> Sig {
    sig(VEC, args, Lane::Size(first, last, 1), 0, Imm::Unused)
}

/// A vector operation on pairs of elements.
const fn pairs(last: u8) -> Sig {
    sig(VEC, [R, R, N], Lane::Size(0, last, 2), 0, Imm::Unused)
}

impl Sig {
    const fn imm(self, imm: Imm) -> Sig {
        Sig { imm, ..self }
    }

    const fn lane(self, lane: Lane) -> Sig {
        Sig { lane, ..self }
    }

    const fn aux(self, aux: u8) -> Sig {
        Sig { aux, ..self }
    }

    const fn gives(self, result: Types) -> Sig {
        Sig { result, ..self }
    }

    /// The signature of an operation that depends on nothing but its operands and parameters; `None` for state,
    /// memory and control.
    pub const fn of(op: Op) -> Option<Sig> {
        match integer(op) {
            Some(s) => Some(s),
            None => match float(op) {
                Some(s) => Some(s),
                None => match structure(op) {
                    Some(s) => Some(s),
                    None => match vector(op) {
                        Some(s) => Some(s),
                        None => vector_float(op),
                    },
                },
            },
        }
    }

    /// Whether the types of operands (`Void`: absent) and result fit together; the text says what would.
    pub fn check_types(&self, op: Op, ty: Ty, args: [Ty; 3]) -> Result<(), String> {
        if !self.result.has(ty) {
            return Err(format!("the result is {}, not {}", self.result, ty.name()));
        }
        for (k, (want, got)) in self.args.iter().zip(args).enumerate() {
            let want = match want {
                Arg::None => VOID,
                Arg::Result => Types::of(&[ty]),
                Arg::First => Types::of(&[args[0]]),
                Arg::Of(set) => *set,
            };
            if !want.has(got) {
                let got = got.name();
                return Err(format!("operand {k} is {got} where {want} is needed"));
            }
        }
        match relation(op, ty, args) {
            true => Ok(()),
            false => Err(format!("no such form: {} to {}", args[0].name(), ty.name())),
        }
    }

    /// Whether `lane`, `aux` and `imm` make sense for these types.
    pub fn check_parameters(&self, inst: &Inst, args: [Ty; 3]) -> Result<(), String> {
        let first = args[0];
        let lane_ok = match self.lane {
            Lane::Unused => inst.lane == 0,
            Lane::Ignored => true,
            Lane::Size(lo, hi, n) => {
                let ty = if inst.ty.is_int() { first } else { inst.ty };
                (lo..=hi).contains(&inst.lane) && n << inst.lane <= ty.bytes()
            }
            Lane::ZeroOrThree => inst.lane == 0 || inst.lane == 3,
            Lane::Cond => inst.lane < 14,
            Lane::Round => inst.lane < 6,
            Lane::Flag => inst.lane < 2,
        };
        // An element has to fit into the integer that it goes to or comes from.
        let integer = match inst.op {
            Op::VGet => inst.ty,
            Op::VDup => first,
            Op::VSet => args[1],
            _ => Ty::V128,
        };
        if !lane_ok || 1 << inst.lane.min(4) > integer.bytes() && integer != Ty::V128 {
            return Err(format!("lane {} is not allowed", inst.lane));
        }
        if inst.aux > self.aux {
            return Err(format!("aux {} is not allowed", inst.aux));
        }
        match self.imm_ok(inst, first) {
            true => Ok(()),
            false => Err(format!("immediate {:#x} is not allowed", inst.imm)),
        }
    }

    fn imm_ok(&self, inst: &Inst, first: Ty) -> bool {
        let imm = inst.imm;
        let element = 8i64 << inst.lane.min(3);
        let result = i64::from(inst.ty.bytes());
        let fraction = imm & 0xff;
        match self.imm {
            Imm::Unused => imm == 0,
            Imm::Any => true,
            Imm::Field => {
                let (lsb, len) = (imm & 0xff, imm >> 8);
                imm >= 0 && len >= 1 && lsb + len <= result * 8
            }
            Imm::Element => (0..i64::from(first.bytes()) * 8 / element).contains(&imm),
            Imm::Byte => (0..result).contains(&imm),
            Imm::Left => (0..element).contains(&imm),
            Imm::Right => (1..=element).contains(&imm),
            Imm::Group => imm > i64::from(inst.lane) && imm <= 4 && 1 << imm <= result,
            Imm::Below(n) => (0..n).contains(&imm),
            Imm::Precision(n) => (0..n).contains(&imm) && (imm & 1 == 0 || inst.ty == Ty::F64),
            Imm::Fused => imm & !6 == 0,
            Imm::ToInt => {
                let width = imm >> 16;
                imm & 0xfc00 == 0
                    && matches!(width, 16 | 32 | 64)
                    && width <= result * 8
                    && fraction <= width
            }
            Imm::FromInt => imm >> 9 == 0 && fraction <= i64::from(first.bytes()) * 8,
            Imm::Lanes => imm & 0xe00 == 0 && (0..6).contains(&(imm >> 12)) && fraction <= element,
            Imm::Rounding => imm & 0xffe == 0 && (0..6).contains(&(imm >> 12)),
        }
    }
}

/// Relations between types that the signature cannot say.
fn relation(op: Op, ty: Ty, args: [Ty; 3]) -> bool {
    let (from, to) = (args[0].bytes(), ty.bytes());
    match op {
        Op::Bitcast => match from.cmp(&to) {
            std::cmp::Ordering::Equal => true,
            std::cmp::Ordering::Greater => matches!(args[0], Ty::F64 | Ty::V64 | Ty::V128),
            std::cmp::Ordering::Less => VEC.has(ty),
        },
        Op::FCvt => from != to,
        Op::VConcat => to == 2 * from && (ty == Ty::V64 || args[0] == Ty::V64),
        Op::VHigh => 2 * to == from,
        _ => true,
    }
}

const fn integer(op: Op) -> Option<Sig> {
    Some(match op {
        Op::Const => plain(INT, [N, N, N]).imm(Imm::Any),
        Op::Add | Op::Sub | Op::Mul | Op::MulHiU | Op::MulHiS | Op::DivU | Op::DivS => {
            plain(INT, [R, R, N])
        }
        Op::And | Op::Or | Op::Xor | Op::AndNot => plain(INT, [R, R, N]),
        Op::MinS | Op::MaxS | Op::MinU | Op::MaxU => plain(INT, [R, R, N]),
        Op::Adc | Op::Sbc => plain(INT, [R, R, Arg::Of(I32)]),
        Op::MulWideU | Op::MulWideS | Op::Concat => plain(I64, [Arg::Of(I32), Arg::Of(I32), N]),
        Op::Not | Op::Neg | Op::Clz | Op::Ctz | Op::Popcnt => plain(INT, [R, N, N]),
        Op::Bswap | Op::Bswap16 | Op::Rbit => plain(INT, [R, N, N]),
        Op::Sext8 | Op::Sext16 | Op::Zext8 | Op::Zext16 => plain(INT, [R, N, N]),
        Op::Shl | Op::Shr | Op::Sar | Op::Rotr => plain(INT, [R, Arg::Of(I32), N]),
        Op::ShlSat | Op::ShrSat | Op::SarSat => plain(INT, [R, Arg::Of(I32), N]),
        Op::ExtractU | Op::ExtractS => plain(INT, [R, N, N]).imm(Imm::Field),
        Op::Deposit => plain(INT, [R, R, N]).imm(Imm::Field),
        Op::SextI64 | Op::ZextI64 => plain(I64, [Arg::Of(I32), N, N]),
        Op::Trunc | Op::Hi32 => plain(I32, [Arg::Of(I64), N, N]),
        Op::ICmp => plain(I32, [Arg::Of(INT), Arg::First, N]).lane(Lane::Cond),
        Op::Sel => plain(DATA, [Arg::Of(I32), R, R]),
        Op::CcAdd | Op::CcSub => plain(CC, [Arg::Of(INT), Arg::First, N]),
        Op::CcAdc | Op::CcSbc => plain(CC, [Arg::Of(INT), Arg::First, Arg::Of(I32)]),
        Op::CcLogic => plain(CC, [Arg::Of(INT), N, N]),
        Op::CcTest => plain(I32, [Arg::Of(CC), N, N]).lane(Lane::Cond),
        _ => return None,
    })
}

const fn float(op: Op) -> Option<Sig> {
    Some(match op {
        Op::FAdd | Op::FSub | Op::FMul | Op::FDiv => {
            plain(FLOAT, [R, R, N]).aux(1).imm(Imm::Precision(2))
        }
        Op::FMin | Op::FMax => plain(FLOAT, [R, R, N]).aux(1),
        Op::FMinNum | Op::FMaxNum => plain(FLOAT, [R, R, N]).aux(1).imm(Imm::Below(2)),
        Op::FNeg | Op::FAbs => plain(FLOAT, [R, N, N]).aux(1),
        Op::FSqrt => plain(FLOAT, [R, N, N]).aux(1).imm(Imm::Precision(2)),
        Op::FMulAdd => plain(FLOAT, [R, R, R]).aux(1).imm(Imm::Precision(8)),
        Op::FWiden => plain(F64, [Arg::Of(F32), N, N]),
        Op::FNarrow => plain(F32, [Arg::Of(F64), N, N]),
        Op::FMla => plain(FLOAT, [R, R, R]).aux(1).imm(Imm::Below(4)),
        Op::FRound => sig(FLOAT, [R, N, N], Lane::Round, 1, Imm::Below(2)),
        Op::FCvt => plain(FLOAT, [Arg::Of(FLOAT), N, N]).aux(1),
        Op::FFromHalf => plain(FLOAT, [Arg::Of(I32), N, N]).aux(1),
        Op::FToHalf => plain(I32, [Arg::Of(FLOAT), N, N]).aux(1),
        Op::FToI => sig(INT, [Arg::Of(FLOAT), N, N], Lane::Round, 1, Imm::ToInt),
        Op::FFromI => sig(FLOAT, [Arg::Of(INT), N, N], Lane::Round, 1, Imm::FromInt),
        Op::CcFcmp => plain(CC, [Arg::Of(FLOAT), Arg::First, N])
            .lane(Lane::Flag)
            .aux(1),
        _ => return None,
    })
}

const fn structure(op: Op) -> Option<Sig> {
    let halves = Types::of(&[Ty::I32, Ty::F32, Ty::V64]);
    let wholes = Types::of(&[Ty::F64, Ty::V64, Ty::V128]);
    Some(match op {
        Op::Bitcast => plain(DATA, [Arg::Of(DATA), N, N]),
        Op::VConcat => plain(VEC, [Arg::Of(halves), Arg::First, N]).lane(Lane::Ignored),
        Op::VHigh => {
            let results = Types::of(&[Ty::V64, Ty::F32]);
            plain(results, [Arg::Of(wholes), N, N]).lane(Lane::Ignored)
        }
        Op::VDup => vec([Arg::Of(INT), N, N], 0, 3),
        Op::VDupLane => vec([Arg::Of(VEC), N, N], 0, 3).imm(Imm::Element),
        Op::VGet => vec([Arg::Of(VEC), N, N], 0, 3)
            .gives(INT)
            .aux(1)
            .imm(Imm::Element),
        Op::VSet => vec([R, Arg::Of(INT), N], 0, 3).imm(Imm::Element),
        Op::VExt => vec([R, R, N], 0, 3).lane(Lane::Ignored).imm(Imm::Byte),
        Op::VZipLo | Op::VZipHi | Op::VUzpEven | Op::VUzpOdd => pairs(3),
        Op::VTrnEven | Op::VTrnOdd => pairs(3),
        Op::VRev => vec([R, N, N], 0, 2).imm(Imm::Group),
        Op::VTbl => plain(VEC, [Arg::Of(V128), R, R]).lane(Lane::Ignored),
        Op::VAnd | Op::VOr | Op::VXor | Op::VAndNot => vec([R, R, N], 0, 3).lane(Lane::Ignored),
        Op::VNot | Op::VCnt => vec([R, N, N], 0, 3).lane(Lane::Ignored),
        Op::VBsl => vec([R, R, R], 0, 3).lane(Lane::Ignored),
        Op::VClz | Op::VCls => vec([R, N, N], 0, 3),
        Op::VAesSub | Op::VAesSubInv | Op::VAesMix | Op::VAesMixInv => {
            plain(V128, [Arg::Of(V128), N, N])
        }
        Op::VSha256 => plain(V128, [R, R, R]).imm(Imm::Below(2)),
        Op::VSha256Low => plain(V128, [R, R, N]),
        Op::VSha256High => plain(V128, [R, R, R]),
        _ => return None,
    })
}

const fn vector(op: Op) -> Option<Sig> {
    let long = vec([Arg::Of(V64), Arg::Of(V64), N], 0, 2).gives(V128);
    let narrow = vec([Arg::Of(V128), N, N], 0, 2).gives(V64);
    Some(match op {
        Op::VAdd | Op::VSub | Op::VMul => vec([R, R, N], 0, 3),
        Op::VPmul => vec([R, R, N], 0, 3).lane(Lane::Ignored),
        Op::VAbdS | Op::VAbdU | Op::VMinS | Op::VMaxS => vec([R, R, N], 0, 3),
        Op::VMinU | Op::VMaxU | Op::VCmpEq | Op::VCmpGtS => vec([R, R, N], 0, 3),
        Op::VCmpGeS | Op::VCmpGtU | Op::VCmpGeU | Op::VTst => vec([R, R, N], 0, 3),
        Op::VAddSatS | Op::VAddSatU | Op::VSubSatS | Op::VSubSatU => vec([R, R, N], 0, 3),
        Op::VHaddS | Op::VHaddU | Op::VRhaddS | Op::VRhaddU => vec([R, R, N], 0, 3),
        Op::VHsubS | Op::VHsubU => vec([R, R, N], 0, 3),
        Op::VNeg | Op::VAbs | Op::VAddAcross => vec([R, N, N], 0, 3),
        Op::VMullS | Op::VMullU => long,
        Op::VPmull => long.lane(Lane::ZeroOrThree),
        Op::VQdmull => long.lane(Lane::Size(1, 2, 1)),
        Op::VQdmulh => vec([R, R, N], 1, 2).imm(Imm::Below(2)),
        Op::VShlI => vec([R, N, N], 0, 3).imm(Imm::Left),
        Op::VShrI | Op::VSarI | Op::VRshrI | Op::VRsarI => vec([R, N, N], 0, 3).imm(Imm::Right),
        Op::VShlV => vec([R, R, N], 0, 3).imm(Imm::Below(16)),
        Op::VWidenS | Op::VWidenU => vec([Arg::Of(V64), N, N], 0, 2).gives(V128),
        Op::VNarrow | Op::VNarrowSatS | Op::VNarrowSatU | Op::VNarrowSatSU => narrow,
        Op::VPaddlS | Op::VPaddlU => vec([R, N, N], 0, 2),
        Op::VPadd | Op::VPminS | Op::VPmaxS | Op::VPminU | Op::VPmaxU => pairs(3),
        Op::VURecpe | Op::VURsqrte => vec([R, N, N], 2, 2).aux(1),
        _ => return None,
    })
}

const fn vector_float(op: Op) -> Option<Sig> {
    let pair = sig(VEC, [R, R, N], Lane::Size(2, 3, 2), 1, Imm::Unused);
    Some(match op {
        Op::VFAdd | Op::VFSub | Op::VFMul | Op::VFDiv => vec([R, R, N], 2, 3).aux(1),
        Op::VFMin | Op::VFMax | Op::VFMinNum | Op::VFMaxNum => vec([R, R, N], 2, 3).aux(1),
        Op::VFAbd | Op::VFRecps | Op::VFRsqrts => vec([R, R, N], 2, 3).aux(1),
        Op::VFCmpEq | Op::VFCmpGe | Op::VFCmpGt => vec([R, R, N], 2, 3).aux(1),
        Op::VFMulAdd => vec([R, R, R], 2, 3).aux(1).imm(Imm::Fused),
        Op::VFMla => vec([R, R, R], 2, 3).aux(1).imm(Imm::Below(4)),
        Op::VFSqrt | Op::VFNeg | Op::VFAbs | Op::VFRecpe | Op::VFRsqrte => {
            vec([R, N, N], 2, 3).aux(1)
        }
        Op::VFPadd | Op::VFPmin | Op::VFPmax => pair,
        Op::VFToI | Op::VFFromI => vec([R, N, N], 2, 3).aux(1).imm(Imm::Lanes),
        Op::VFRound => vec([R, N, N], 2, 3).aux(1).imm(Imm::Rounding),
        Op::VFFromHalf => sig(V128, [Arg::Of(V64), N, N], Lane::Ignored, 1, Imm::Unused),
        Op::VFToHalf => sig(V64, [Arg::Of(V128), N, N], Lane::Ignored, 1, Imm::Unused),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::is_evaluable;

    #[test]
    fn sig_every_evaluable_operation_has_one() {
        for op in Op::ALL {
            assert_eq!(Sig::of(*op).is_some(), is_evaluable(*op), "{op:?}");
        }
    }
}
