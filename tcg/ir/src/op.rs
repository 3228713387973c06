//! The operation table.
//!
//! Unless said otherwise: operands and result have the instruction's type; `lane` is the element size of a
//! vector operation as log2 of bytes; floating-point operations take the regime `Block::fp[aux]` and set
//! sticky exception flags; integer operations wrap.

/// What an operation may do, which decides how passes treat it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpClass {
    /// A function of its operands: may be dropped, merged, moved.
    Pure,
    /// Pure but sets sticky floating-point flags; may not be dropped.
    Fp,
    /// Reads guest memory; may fault.
    Load,
    /// Writes guest memory; may fault.
    Store,
    /// Reads or writes state slots or the environment.
    State,
    /// Control flow and markers.
    Control,
}

macro_rules! ops {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal $class:ident;)*) => {
        /// An operation. See the module's head for the conventions.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum Op { $($(#[doc = $doc])+ $name,)* }

        impl Op {
            /// All operations.
            pub const ALL: &'static [Op] = &[$(Op::$name,)*];

            /// The name in the text form.
            pub const fn name(self) -> &'static str {
                match self { $(Op::$name => $text,)* }
            }

            /// What the operation may do.
            #[inline]
            pub const fn class(self) -> OpClass {
                const CLASSES: [OpClass; Op::ALL.len()] = [$(OpClass::$class,)*];
                CLASSES[self as usize]
            }
        }
    };
}

ops! {
    // ---- markers and control ----
    /// Start of a guest instruction: `imm` is its address, `args` none, the block mode at it is `lane | aux << 8`
    /// for the low 16 bits (modes have at most 16 bits).
    InsnStart = "insn" Control;
    /// Leaves the block by `Block::exits[imm]`; `args[0]` is the target (indirect) or argument (trap).
    Exit = "exit" Control;
    /// Start of a predicated region: what follows up to `CondEnd` runs only if `args[0]` (I32) is not 0.
    /// `aux` 1: the region ends in an exit (it never falls through). Regions do not nest. Values defined in the region
    /// may be used outside only through `Merge`.
    CondBegin = "if" Control;
    /// End of a predicated region.
    CondEnd = "endif" Control;
    /// Directly behind `CondEnd` (several may follow each other): `args[1]` if the region ran, else `args[0]`.
    Merge = "merge" Control;
    /// Full barrier: no later access before an earlier one (StoreLoad included).
    Fence = "fence" Control;

    // ---- state ----
    /// Reads the slot at offset `imm` from the state block. No overlapping slot may be dirty.
    Get = "get" State;
    /// The slot at offset `imm` now has value `args[0]` (of the operand's type). Stored lazily; becomes "dirty".
    Set = "set" State;
    /// Stores `args[0]` to the slot at offset `imm` at once; the slot becomes clean.
    Sync = "sync" State;
    /// Calls helper `imm`; `args[0].0` is the index in `Block::pool` of the first argument, `args[1].0` their number
    /// (raw numbers, not values).
    Call = "call" State;
    /// The sticky floating-point flags accumulated so far, in the layout of the softfloat crate's `Flags`: I32.
    FpFlagsGet = "fpflags.get" State;
    /// Replaces the sticky floating-point flags by `args[0]`: I32.
    FpFlagsSet = "fpflags.set" State;

    // ---- constants, integers ----
    /// Integer constant `imm` (I32: low 32 bits).
    Const = "const" Pure;
    /// Floating-point or vector constant `Block::consts[imm]`.
    ConstV = "constv" Pure;
    /// a + b.
    Add = "add" Pure;
    /// a - b.
    Sub = "sub" Pure;
    /// a + b + c, where c is an I32 that is 0 or 1.
    Adc = "adc" Pure;
    /// a + !b + c: Arm's subtract with carry (c = 1: no borrow).
    Sbc = "sbc" Pure;
    /// a * b, low half.
    Mul = "mul" Pure;
    /// High half of the unsigned product.
    MulHiU = "mulhiu" Pure;
    /// High half of the signed product.
    MulHiS = "mulhis" Pure;
    /// I32 × I32 → I64, unsigned.
    MulWideU = "mulwideu" Pure;
    /// I32 × I32 → I64, signed.
    MulWideS = "mulwides" Pure;
    /// Unsigned quotient; 0 if b is 0.
    DivU = "divu" Pure;
    /// Signed quotient, truncated; 0 if b is 0; the most negative number divided by -1 is itself.
    DivS = "divs" Pure;
    /// And.
    And = "and" Pure;
    /// Or.
    Or = "or" Pure;
    /// Exclusive or.
    Xor = "xor" Pure;
    /// a & !b.
    AndNot = "andnot" Pure;
    /// Complement.
    Not = "not" Pure;
    /// Negation.
    Neg = "neg" Pure;
    /// a << b; the amount b (I32) is taken modulo the width.
    Shl = "shl" Pure;
    /// Unsigned a >> b, amount (I32) modulo the width.
    Shr = "shr" Pure;
    /// Signed a >> b, amount (I32) modulo the width.
    Sar = "sar" Pure;
    /// Rotate right, amount (I32) modulo the width.
    Rotr = "rotr" Pure;
    /// a << b with b any unsigned I32: 0 if b >= width.
    ShlSat = "shlsat" Pure;
    /// Unsigned a >> b with b any unsigned I32: 0 if b >= width.
    ShrSat = "shrsat" Pure;
    /// Signed a >> b with b any unsigned I32: all sign bits if b >= width.
    SarSat = "sarsat" Pure;
    /// Leading zeros; the width if a is 0.
    Clz = "clz" Pure;
    /// Trailing zeros; the width if a is 0.
    Ctz = "ctz" Pure;
    /// Number of one bits.
    Popcnt = "popcnt" Pure;
    /// Bytes reversed.
    Bswap = "bswap" Pure;
    /// Bytes reversed in each 16-bit half.
    Bswap16 = "bswap16" Pure;
    /// Bits reversed.
    Rbit = "rbit" Pure;
    /// Low 8 bits sign-extended.
    Sext8 = "sext8" Pure;
    /// Low 16 bits sign-extended.
    Sext16 = "sext16" Pure;
    /// Low 8 bits.
    Zext8 = "zext8" Pure;
    /// Low 16 bits.
    Zext16 = "zext16" Pure;
    /// Bits `imm & 0xff` (lsb) upward, `imm >> 8` of them (1 to width), zero-extended.
    ExtractU = "extractu" Pure;
    /// The same, sign-extended.
    ExtractS = "extracts" Pure;
    /// a with the field (lsb `imm & 0xff`, length `imm >> 8`) replaced by the low bits of b.
    Deposit = "deposit" Pure;
    /// I32 → I64, sign-extended.
    SextI64 = "sext.i64" Pure;
    /// I32 → I64, zero-extended.
    ZextI64 = "zext.i64" Pure;
    /// I64 → I32, low half.
    Trunc = "trunc" Pure;
    /// I64 → I32, high half.
    Hi32 = "hi32" Pure;
    /// I32 a (low), I32 b (high) → I64.
    Concat = "concat" Pure;
    /// Smaller, signed.
    MinS = "mins" Pure;
    /// Larger, signed.
    MaxS = "maxs" Pure;
    /// Smaller, unsigned.
    MinU = "minu" Pure;
    /// Larger, unsigned.
    MaxU = "maxu" Pure;
    /// 1 if a `lane` b else 0 (I32), where `lane` is a `Cond` on the flags of a - b. Operands I32 or I64.
    ICmp = "icmp" Pure;
    /// args[0] (I32) not 0: args[1], else args[2]. Any type.
    Sel = "sel" Pure;

    // ---- condition codes ----
    /// Flags of a + b.
    CcAdd = "cc.add" Pure;
    /// Flags of a - b (C = no borrow).
    CcSub = "cc.sub" Pure;
    /// Flags of `Adc`.
    CcAdc = "cc.adc" Pure;
    /// Flags of `Sbc`.
    CcSbc = "cc.sbc" Pure;
    /// N and Z of a; C and V are 0.
    CcLogic = "cc.logic" Pure;
    /// Floating-point comparison of a and b (F32 or F64): less: N; equal: Z and C; greater: C; unordered: C and V.
    /// `lane` 1: signalling (any NaN is invalid), 0: quiet. Inputs are flushed as the regime `aux` says.
    CcFcmp = "cc.fcmp" Fp;
    /// 1 if condition `lane` holds in args[0] (Cc), else 0: I32.
    CcTest = "cc.test" Pure;

    // ---- memory: args[0] base (integer or absent), args[1] index or absent, imm packed by Inst::pack_mem ----
    /// Loads; the result type may be wider than the access (extension by the flags; floating-point and vector: the upper part is 0).
    /// args[2]: absent, or a guess for an unordered access of 8 bytes without demands: an I64 that is probably there, as two
    /// words that were stored one by one. A host that forwards only what one store wrote would wait for both to reach
    /// its cache; it may look at the two words instead, and take the guess if they are as guessed.
    Load = "load" Load;
    /// Stores the low part of args[2].
    Store = "store" Store;
    /// Atomic read-modify-write of [args[0] + disp] with args[2]; `lane`: 0 swap, 1 add, 2 and, 3 or, 4 xor, 5 andnot,
    /// 6 smax, 7 smin, 8 umax, 9 umin. Gives the old value, zero-extended. Sequentially consistent.
    AtomicRmw = "rmw" Store;
    /// Compare and swap at [args[0] + disp]: expected args[1], new args[2]; gives the old value, zero-extended. Integers,
    /// or V128 with an access of 16 bytes, which has to demand alignment.
    AtomicCas = "cas" Store;

    // ---- scalar floating point (F32, F64) ----
    // Sum, difference, product, quotient, root and fused multiply-add of F64 with `imm` bit 0: the result is rounded
    // once, to single precision and range, and given as F64.
    /// a + b.
    FAdd = "fadd" Fp;
    /// a - b.
    FSub = "fsub" Fp;
    /// a * b.
    FMul = "fmul" Fp;
    /// a / b.
    FDiv = "fdiv" Fp;
    /// Square root.
    FSqrt = "fsqrt" Fp;
    /// args[0] * args[1] + args[2], rounded once. `imm` bit 1: args[2] is subtracted; bit 2: the rounded result is
    /// negated. NaNs are not negated by either.
    FMulAdd = "fmuladd" Fp;
    /// args[2] + args[0] * args[1], the product rounded by itself. `imm` bit 0: the product's sign is flipped, bit 1: that
    /// of args[2] (NaNs included).
    FMla = "fmla" Fp;
    /// Sign flipped (bits only).
    FNeg = "fneg" Pure;
    /// Sign cleared (bits only).
    FAbs = "fabs" Pure;
    /// Arm FMIN: NaN propagates, -0 < +0.
    FMin = "fmin" Fp;
    /// Arm FMAX.
    FMax = "fmax" Fp;
    /// IEEE 754-2008 minNum: a quiet NaN loses to a number. `imm` 1: IEEE 754-2019 minimumNumber: any NaN does.
    FMinNum = "fminnum" Fp;
    /// IEEE 754-2008 maxNum.
    FMaxNum = "fmaxnum" Fp;
    /// To an integral value, rounding mode `lane` (an `FpRound`); `imm` 1: inexact is signalled.
    FRound = "fround" Fp;
    /// F32 → F64, the same number; a NaN keeps its bits, quiet or not; no flags.
    FWiden = "fwiden" Pure;
    /// F64 → F32 by dropping bits: what does not fit is truncated (denormalised if it is small, else nonsense), a NaN
    /// keeps its upper bits; no flags.
    FNarrow = "fnarrow" Pure;
    /// F32 → F64 or F64 → F32 (by result type).
    FCvt = "fcvt" Fp;
    /// Half precision (low 16 bits of an I32) → F32 or F64.
    FFromHalf = "fromhalf" Fp;
    /// F32 or F64 → half precision in the low 16 bits of an I32.
    FToHalf = "tohalf" Fp;
    /// Float → integer, saturating, NaN gives 0 (Arm rule). `lane`: rounding mode (`FpRound`); `imm` low 8 bits: fraction bits;
    /// bit 8: signed; bit 9: a NaN gives the largest number instead; bits 16..: width in bits of the integer (16, 32, 64), extended to the result type by signedness.
    FToI = "ftoi" Fp;
    /// Integer → float; `imm` low 8 bits: fraction bits; bit 8: signed. Rounding: `lane` (`FpRound`).
    FFromI = "fromi" Fp;
    /// Reinterprets bits between types of the same size (I32/F32, I64/F64/V64), or the low part of a vector
    /// (V128 → V64, F64, F32; V64 → F32, I32…), or a smaller type zero-extended to a vector.
    Bitcast = "bitcast" Pure;

    // ---- vectors (V64, V128): structure ----
    /// V64 a (low), V64 b (high) → V128; or F32/I32 a, b → V64.
    VConcat = "vconcat" Pure;
    /// High half of a V128 → V64, or of a V64 or F64 → F32.
    VHigh = "vhigh" Pure;
    /// Low element of the integer args[0] in every lane.
    VDup = "vdup" Pure;
    /// Lane `imm` of a (V64 or V128, whatever the result's type) in every lane.
    VDupLane = "vduplane" Pure;
    /// Lane `imm` → I32 or I64, zero-extended (`aux` 1: sign-extended).
    VGet = "vget" Pure;
    /// a with lane `imm` replaced by integer b.
    VSet = "vset" Pure;
    /// Bytes `imm` upward of the concatenation a (low), b (high).
    VExt = "vext" Pure;
    /// Interleaved low halves: a0 b0 a1 b1 …
    VZipLo = "vziplo" Pure;
    /// Interleaved high halves.
    VZipHi = "vziphi" Pure;
    /// Even lanes of a, then even lanes of b.
    VUzpEven = "vuzpe" Pure;
    /// Odd lanes of a, then odd lanes of b.
    VUzpOdd = "vuzpo" Pure;
    /// Transpose: even lanes of a and b interleaved.
    VTrnEven = "vtrne" Pure;
    /// Transpose: odd lanes of a and b interleaved.
    VTrnOdd = "vtrno" Pure;
    /// Elements of `lane` size reversed within each group of `1 << imm` bytes.
    VRev = "vrev" Pure;
    /// Bytes of table a (V128, 16 bytes) chosen by the bytes of b; an index of 16 or more takes the byte of c.
    VTbl = "vtbl" Pure;

    // ---- vectors: bits ----
    /// And.
    VAnd = "vand" Pure;
    /// Or.
    VOr = "vor" Pure;
    /// Exclusive or.
    VXor = "vxor" Pure;
    /// a & !b.
    VAndNot = "vandnot" Pure;
    /// Complement.
    VNot = "vnot" Pure;
    /// Bits of b where a is 1, of c where a is 0.
    VBsl = "vbsl" Pure;
    /// One bits of each byte.
    VCnt = "vcnt" Pure;
    /// Leading zeros of each lane.
    VClz = "vclz" Pure;
    /// Leading bits equal to the sign bit, not counting it.
    VCls = "vcls" Pure;

    // ---- vectors: a cipher ----
    /// AES: ShiftRows of SubBytes. Byte k of a, from the least significant, is byte k of the state.
    VAesSub = "vaessub" Pure;
    /// AES: InvShiftRows of InvSubBytes.
    VAesSubInv = "vaessubinv" Pure;
    /// AES: MixColumns.
    VAesMix = "vaesmix" Pure;
    /// AES: InvMixColumns.
    VAesMixInv = "vaesmixinv" Pure;
    /// SHA-256: four rounds on the words (A, B, C, D) of a and (E, F, G, H) of b, the least significant first, with the
    /// sums of message and constants in c. Gives the new (A, B, C, D), or with imm 1 the new (E, F, G, H).
    VSha256 = "vsha256" Pure;
    /// SHA-256's schedule, first half: the words of a, each plus sigma 0 of the next one, which for the last is b's first.
    VSha256Low = "vsha256lo" Pure;
    /// SHA-256's schedule, second half: a, the first half, plus the words 9 to 12 and sigma 1 of the words 14 to 17, where b
    /// has the words 8 to 11 and c those from 12 to 15.
    VSha256High = "vsha256hi" Pure;

    // ---- vectors: integers ----
    /// a + b.
    VAdd = "vadd" Pure;
    /// a - b.
    VSub = "vsub" Pure;
    /// a * b, low half.
    VMul = "vmul" Pure;
    /// Carry-less (polynomial) product of 8-bit lanes, low half.
    VPmul = "vpmul" Pure;
    /// V64 × V64 → V128: full products, signed.
    VMullS = "vmulls" Pure;
    /// V64 × V64 → V128: full products, unsigned.
    VMullU = "vmullu" Pure;
    /// V64 × V64 → V128: carry-less products of lanes of size `lane` (0 or 3).
    VPmull = "vpmull" Pure;
    /// Negation.
    VNeg = "vneg" Pure;
    /// Absolute value (wraps for the most negative).
    VAbs = "vabs" Pure;
    /// |a - b| of signed lanes, exact in the unsigned lane.
    VAbdS = "vabds" Pure;
    /// |a - b| of unsigned lanes.
    VAbdU = "vabdu" Pure;
    /// Smaller, signed.
    VMinS = "vmins" Pure;
    /// Larger, signed.
    VMaxS = "vmaxs" Pure;
    /// Smaller, unsigned.
    VMinU = "vminu" Pure;
    /// Larger, unsigned.
    VMaxU = "vmaxu" Pure;
    /// All ones where equal.
    VCmpEq = "vcmpeq" Pure;
    /// All ones where a > b, signed.
    VCmpGtS = "vcmpgts" Pure;
    /// All ones where a >= b, signed.
    VCmpGeS = "vcmpges" Pure;
    /// All ones where a > b, unsigned.
    VCmpGtU = "vcmpgtu" Pure;
    /// All ones where a >= b, unsigned.
    VCmpGeU = "vcmpgeu" Pure;
    /// All ones where a & b is not 0.
    VTst = "vtst" Pure;
    /// Saturating add, signed.
    VAddSatS = "vaddsats" Pure;
    /// Saturating add, unsigned.
    VAddSatU = "vaddsatu" Pure;
    /// Saturating subtract, signed.
    VSubSatS = "vsubsats" Pure;
    /// Saturating subtract, unsigned.
    VSubSatU = "vsubsatu" Pure;
    /// (a + b) >> 1 without overflow, signed.
    VHaddS = "vhadds" Pure;
    /// (a + b) >> 1, unsigned.
    VHaddU = "vhaddu" Pure;
    /// (a + b + 1) >> 1, signed.
    VRhaddS = "vrhadds" Pure;
    /// (a + b + 1) >> 1, unsigned.
    VRhaddU = "vrhaddu" Pure;
    /// (a - b) >> 1, signed.
    VHsubS = "vhsubs" Pure;
    /// (a - b) >> 1, unsigned.
    VHsubU = "vhsubu" Pure;
    /// Shift left by `imm` (0 to lane bits - 1).
    VShlI = "vshli" Pure;
    /// Unsigned shift right by `imm` (1 to lane bits).
    VShrI = "vshri" Pure;
    /// Signed shift right by `imm` (1 to lane bits).
    VSarI = "vsari" Pure;
    /// Unsigned rounding shift right by `imm` (1 to lane bits).
    VRshrI = "vrshri" Pure;
    /// Signed rounding shift right by `imm`.
    VRsarI = "vrsari" Pure;
    /// Shift by the signed low byte of each lane of b (left if positive): `imm` bit 0 signed data, bit 1 rounding,
    /// bit 2 saturating (Arm VSHL, VRSHL, VQSHL, VQRSHL); bit 3: the result is instead all ones in the lanes that
    /// saturated, else 0.
    VShlV = "vshlv" Pure;
    /// V64 → V128, each lane (of size `lane`) sign-extended to twice its size.
    VWidenS = "vwidens" Pure;
    /// V64 → V128, zero-extended.
    VWidenU = "vwidenu" Pure;
    /// V128 → V64, each lane of size `lane + 1` truncated to `lane`.
    VNarrow = "vnarrow" Pure;
    /// V128 → V64, signed to signed with saturation.
    VNarrowSatS = "vnarrowsats" Pure;
    /// V128 → V64, unsigned to unsigned with saturation.
    VNarrowSatU = "vnarrowsatu" Pure;
    /// V128 → V64, signed to unsigned with saturation.
    VNarrowSatSU = "vnarrowsatsu" Pure;
    /// Pairwise sums: pairs of a, then pairs of b.
    VPadd = "vpadd" Pure;
    /// Sums of adjacent lanes, signed, each of twice the lane size.
    VPaddlS = "vpaddls" Pure;
    /// Sums of adjacent lanes, unsigned, each of twice the lane size.
    VPaddlU = "vpaddlu" Pure;
    /// Pairwise minimum, signed.
    VPminS = "vpmins" Pure;
    /// Pairwise maximum, signed.
    VPmaxS = "vpmaxs" Pure;
    /// Pairwise minimum, unsigned.
    VPminU = "vpminu" Pure;
    /// Pairwise maximum, unsigned.
    VPmaxU = "vpmaxu" Pure;
    /// Saturating doubling product, high half (lane 1 or 2); `imm` 1: rounding.
    VQdmulh = "vqdmulh" Pure;
    /// V64 × V64 → V128: saturating doubling full products (lane 1 or 2).
    VQdmull = "vqdmull" Pure;
    /// Sum over all lanes of a, in lane 0 of the result, other lanes 0.
    VAddAcross = "vaddv" Pure;

    // ---- vectors: floating point (lane 2: F32, lane 3: F64) ----
    /// a + b.
    VFAdd = "vfadd" Fp;
    /// a - b.
    VFSub = "vfsub" Fp;
    /// a * b.
    VFMul = "vfmul" Fp;
    /// a / b.
    VFDiv = "vfdiv" Fp;
    /// Square root.
    VFSqrt = "vfsqrt" Fp;
    /// a * b + c, rounded once; `imm` bits 1 and 2 as in `FMulAdd`.
    VFMulAdd = "vfmuladd" Fp;
    /// As scalar `FMla` per lane.
    VFMla = "vfmla" Fp;
    /// Arm FMIN per lane.
    VFMin = "vfmin" Fp;
    /// Arm FMAX per lane.
    VFMax = "vfmax" Fp;
    /// minNum per lane.
    VFMinNum = "vfminnum" Fp;
    /// maxNum per lane.
    VFMaxNum = "vfmaxnum" Fp;
    /// |a - b|.
    VFAbd = "vfabd" Fp;
    /// Pairwise sums.
    VFPadd = "vfpadd" Fp;
    /// Pairwise minimum (FMIN).
    VFPmin = "vfpmin" Fp;
    /// Pairwise maximum (FMAX).
    VFPmax = "vfpmax" Fp;
    /// Sign flipped.
    VFNeg = "vfneg" Pure;
    /// Sign cleared.
    VFAbs = "vfabs" Pure;
    /// All ones where equal (quiet).
    VFCmpEq = "vfcmpeq" Fp;
    /// All ones where a >= b (signalling).
    VFCmpGe = "vfcmpge" Fp;
    /// All ones where a > b (signalling).
    VFCmpGt = "vfcmpgt" Fp;
    /// As scalar `FToI` per lane, integer of the lane's size; the rounding mode is in bits 12 to 15 of `imm`.
    VFToI = "vftoi" Fp;
    /// As scalar `FFromI` per lane; the rounding mode is in bits 12 to 15 of `imm`.
    VFFromI = "vfromi" Fp;
    /// As scalar `FRound` per lane; the rounding mode is in bits 12 to 15 of `imm`, "exact" in bit 0.
    VFRound = "vfround" Fp;
    /// V64 of four half precision lanes → V128 of four F32.
    VFFromHalf = "vfromhalf" Fp;
    /// V128 of four F32 → V64 of four half precision lanes.
    VFToHalf = "vtohalf" Fp;
    /// Arm FRECPE (float) estimate.
    VFRecpe = "vfrecpe" Fp;
    /// Arm FRSQRTE (float) estimate.
    VFRsqrte = "vfrsqrte" Fp;
    /// Arm A32 VRECPS: 2 - a * b, rounded twice.
    VFRecps = "vfrecps" Fp;
    /// Arm A32 VRSQRTS: (3 - a * b) / 2, rounded twice.
    VFRsqrts = "vfrsqrts" Fp;
    /// Arm URECPE.
    VURecpe = "vurecpe" Pure;
    /// Arm URSQRTE.
    VURsqrte = "vursqrte" Pure;
}

impl Op {
    /// Whether the operation ends the straight line when not inside a predicated region.
    pub const fn is_exit(self) -> bool {
        matches!(self, Op::Exit)
    }

    /// Whether it may raise a memory fault.
    #[inline]
    pub const fn may_fault(self) -> bool {
        matches!(self.class(), OpClass::Load | OpClass::Store)
    }

    /// Whether a result that nobody uses may be dropped.
    #[inline]
    pub const fn is_droppable(self) -> bool {
        matches!(self.class(), OpClass::Pure)
            || matches!(self, Op::Get | Op::Merge | Op::FpFlagsGet)
    }
}
