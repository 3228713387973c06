//! VFP data processing on short vectors: FPSCR.Len registers of a bank, FPSCR.Stride apart. [ARMv7 AppxK.1]
//!
//! A bank is eight S or four D registers. A destination in the first bank (D16 to D19 count as one, too) makes the
//! operation scalar; a last operand there is the same for all elements. Comparisons, conversions and moves to and from
//! core registers are always scalar and do not come here.
//! UNPREDICTABLE: vectors longer than a bank wrap around and meet themselves.

use tcg_softfloat::{Flags, FloatStatus, f32, f64};

use crate::state::{ArmState, Mode};

/// What is done with an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    /// ±vd ± vn * vm: whether vd and the product are negated.
    Mac(bool, bool),
    Mul(bool),
    Add,
    Sub,
    Div,
    Immediate(u64),
    Move,
    Abs,
    Neg,
    Sqrt,
}

/// Whether an instruction of the coprocessors 10 and 11 works on short vectors.
pub const fn vectorised(insn: u32) -> bool {
    operation(insn).is_some()
}

/// The opcode is in the bits 23, 21, 20 and 6, that of one operand in 19 to 16 and 7. [ARMv7 A7.5]
const fn operation(insn: u32) -> Option<Operation> {
    let data = insn >> 24 & 15 == 14 && insn & 0x10 == 0 && insn >> 28 != 15;
    if !data || insn >> 9 & 7 != 5 {
        return None;
    }
    let double = insn & 0x100 != 0;
    Some(match (insn >> 23 & 1, insn >> 20 & 3, insn >> 6 & 1) {
        (0, 0, 0) => Operation::Mac(false, false),
        (0, 0, _) => Operation::Mac(false, true),
        (0, 1, 0) => Operation::Mac(true, false),
        (0, 1, _) => Operation::Mac(true, true),
        (0, 2, s) => Operation::Mul(s != 0),
        (0, 3, 0) => Operation::Add,
        (0, 3, _) => Operation::Sub,
        (_, 0, 0) => Operation::Div,
        (_, 3, 0) => {
            let imm = insn >> 12 & 0xf0 | insn & 15;
            Operation::Immediate(crate::translate::expand_imm(double, imm))
        }
        (_, 3, _) => match (insn >> 16 & 15, insn >> 7 & 1) {
            (0, 0) => Operation::Move,
            (0, _) => Operation::Abs,
            (1, 0) => Operation::Neg,
            (1, _) => Operation::Sqrt,
            _ => return None,
        },
        _ => return None,
    })
}

/// Registers of one precision.
#[derive(Clone, Copy, Debug)]
struct File {
    double: bool,
}

impl File {
    /// Register number from its four bits and its single one.
    const fn number(self, four: u32, one: u32) -> u32 {
        let (four, one) = (four & 15, one & 1);
        if self.double {
            one << 4 | four
        } else {
            four << 1 | one
        }
    }

    const fn bank(self) -> u32 {
        if self.double { 4 } else { 8 }
    }

    /// Whether it is in a bank of scalars.
    const fn scalar(self, n: u32) -> bool {
        let mask = if self.double { 0xc } else { 0x18 };
        n & mask == 0
    }

    /// The next register of a vector.
    const fn step(self, n: u32, stride: u32) -> u32 {
        let inside = self.bank() - 1;
        n & !inside | (n + stride) & inside
    }

    fn get(self, s: &ArmState, n: u32) -> u64 {
        let d = |i: u32| s.vfp.get(i as usize).copied().unwrap_or(0);
        match self.double {
            true => d(n),
            false => d(n / 2) >> (32 * (n & 1)) & 0xffff_ffff,
        }
    }

    fn set(self, s: &mut ArmState, n: u32, v: u64) {
        let (index, shift) = match self.double {
            true => (n, 0),
            false => (n / 2, 32 * (n & 1)),
        };
        let Some(d) = s.vfp.get_mut(index as usize) else {
            return;
        };
        *d = match self.double {
            true => v,
            false => *d & !(0xffff_ffff << shift) | (v & 0xffff_ffff) << shift,
        };
    }

    fn sign(self) -> u64 {
        1 << if self.double { 63 } else { 31 }
    }
}

type Two32 = fn(u32, u32, &mut FloatStatus) -> u32;
type Two64 = fn(u64, u64, &mut FloatStatus) -> u64;

fn two(file: File, (single, double): (Two32, Two64), x: u64, y: u64, st: &mut FloatStatus) -> u64 {
    match file.double {
        true => double(x, y, st),
        false => u64::from(single(x as u32, y as u32, st)),
    }
}

/// Computes all elements; gives the flags that they raised.
pub fn run(insn: u32, s: &mut ArmState) -> Flags {
    let Some(operation) = operation(insn) else {
        return Flags::empty();
    };
    let file = File {
        double: insn & 0x100 != 0,
    };
    let mut d = file.number(insn >> 12, insn >> 22);
    let mut n = file.number(insn >> 16, insn >> 7);
    let mut m = file.number(insn, insn >> 5);
    let mut count = (s.fpscr >> 16 & 7) + 1;
    let stride = if s.fpscr >> 20 & 3 == 0 { 1 } else { 2 };
    if file.scalar(d) {
        count = 1;
    }
    let fixed = file.scalar(m);
    let mut st = Mode(0).with_fpscr(s.fpscr).status();
    for _ in 0..count {
        let r = element(operation, file, [d, n, m].map(|r| file.get(s, r)), &mut st);
        file.set(s, d, r);
        d = file.step(d, stride);
        n = file.step(n, stride);
        if !fixed {
            m = file.step(m, stride);
        }
    }
    st.flags
}

fn element(operation: Operation, file: File, [d, x, y]: [u64; 3], st: &mut FloatStatus) -> u64 {
    let sign = file.sign();
    let negated = |yes: bool, v: u64| if yes { v ^ sign } else { v };
    match operation {
        Operation::Mac(acc, product) => {
            let p = two(file, (f32::mul, f64::mul), x, y, st);
            let (a, p) = (negated(acc, d), negated(product, p));
            two(file, (f32::add, f64::add), a, p, st)
        }
        Operation::Mul(negate) => negated(negate, two(file, (f32::mul, f64::mul), x, y, st)),
        Operation::Add => two(file, (f32::add, f64::add), x, y, st),
        Operation::Sub => two(file, (f32::sub, f64::sub), x, y, st),
        Operation::Div => two(file, (f32::div, f64::div), x, y, st),
        Operation::Immediate(v) => v,
        Operation::Move => y,
        Operation::Abs => y & !sign,
        Operation::Neg => y ^ sign,
        Operation::Sqrt => match file.double {
            true => f64::sqrt(y, st),
            false => u64::from(f32::sqrt(y as u32, st)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(fpscr: u32) -> ArmState {
        let mut s = ArmState::new();
        s.fpscr = fpscr;
        for n in 0..32u32 {
            File { double: false }.set(&mut s, n, u64::from((n as core::primitive::f32).to_bits()));
        }
        s
    }

    fn single(s: &ArmState, n: u32) -> core::primitive::f32 {
        core::primitive::f32::from_bits(File { double: false }.get(s, n) as u32)
    }

    #[test]
    fn vectors_wrap_around_in_their_bank() {
        // fadds s14, s8, s22 with length 3: s14 s15 s8 = s8 s9 s10 + s22 s23 s16
        let mut s = state(2 << 16);
        run(0xee34_7a0b, &mut s);
        assert_eq!([14, 15, 8].map(|n| single(&s, n)), [30.0, 32.0, 26.0]);
        assert_eq!(single(&s, 9), 9.0);
    }

    #[test]
    fn first_bank_is_scalar() {
        // fmuls s8, s16, s3 with length 2, stride 2: s8 s10 = s16 s18 * s3
        let mut s = state(1 << 16 | 3 << 20);
        run(0xee28_4a21, &mut s);
        assert_eq!([8, 9, 10].map(|n| single(&s, n)), [48.0, 9.0, 54.0]);
        // fadds s0, s8, s9: one element
        let mut s = state(3 << 16);
        run(0xee34_0a24, &mut s);
        assert_eq!([0, 1].map(|n| single(&s, n)), [17.0, 1.0]);
    }

    #[test]
    fn comparisons_and_conversions_are_scalar() {
        // fcmps s0, s1; fuitos s0, s1; fmrs r0, s0
        for insn in [0xeeb4_0a60, 0xeeb8_0a60, 0xee10_0a10] {
            assert!(!vectorised(insn));
        }
        // fcpys s0, s1
        assert!(vectorised(0xeeb0_0a60));
    }
}
