//! Advanced SIMD of ARMv8.1 to 8.6 that has no operations of the IR: rounding doubling multiplication with
//! accumulation, dot and matrix products, complex numbers, widening half and bfloat16 arithmetic. [ARMv8 F6.1]

use tcg_softfloat::{Flags, FloatStatus, NanRule, Round, f16, f32};

use crate::state::ArmState;

/// What to compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum SimdOp {
    /// VQRDMLAH.
    Rdmlah,
    /// VQRDMLSH.
    Rdmlsh,
    /// Dot product, signed by signed.
    DotSS,
    /// Unsigned by unsigned.
    DotUU,
    /// Unsigned by signed.
    DotUS,
    /// Signed by unsigned.
    DotSU,
    /// Matrix product, signed by signed.
    MatSS,
    /// Unsigned by unsigned.
    MatUU,
    /// Unsigned by signed.
    MatUS,
    /// VCMLA; the rotation is in the index's upper bits.
    Cmla,
    /// VCADD.
    Cadd,
    /// VFMAL.
    Fmal,
    /// VFMSL.
    Fmsl,
    /// VDOT.BF16.
    DotBf,
    /// VMMLA.BF16.
    MatBf,
    /// VFMAB.
    FmaBottom,
    /// VFMAT.
    FmaTop,
    /// VCVT.BF16.F32 of a vector.
    CvtBf,
}

impl SimdOp {
    const ALL: [SimdOp; 18] = [
        SimdOp::Rdmlah,
        SimdOp::Rdmlsh,
        SimdOp::DotSS,
        SimdOp::DotUU,
        SimdOp::DotUS,
        SimdOp::DotSU,
        SimdOp::MatSS,
        SimdOp::MatUU,
        SimdOp::MatUS,
        SimdOp::Cmla,
        SimdOp::Cadd,
        SimdOp::Fmal,
        SimdOp::Fmsl,
        SimdOp::DotBf,
        SimdOp::MatBf,
        SimdOp::FmaBottom,
        SimdOp::FmaTop,
        SimdOp::CvtBf,
    ];
}

/// Registers and shape of an instruction, packed into the helper's arguments.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shape {
    /// Bytes of the destination (8 or 16).
    pub bytes: u32,
    /// First byte of each operand in the register file.
    pub d: u32,
    /// The second.
    pub n: u32,
    /// The third.
    pub m: u32,
    /// log2 of an element's bytes.
    pub size: u32,
    /// The element of `m` that is used for all, if there is one.
    pub lane: Option<u32>,
    /// Quarter turns of complex numbers.
    pub rot: u32,
}

impl Shape {
    /// As two arguments.
    pub fn pack(self) -> (u32, u32) {
        let regs = self.d | self.n << 8 | self.m << 16 | self.bytes << 24;
        let lane = self.lane.map_or(0, |l| l << 1 | 1);
        (regs, self.size | lane << 8 | self.rot << 16)
    }

    /// From them.
    pub fn unpack(regs: u32, rest: u32) -> Shape {
        let lane = rest >> 8 & 0xff;
        Shape {
            d: regs & 0xff,
            n: regs >> 8 & 0xff,
            m: regs >> 16 & 0xff,
            bytes: regs >> 24 & 0x1f,
            size: rest & 3,
            lane: (lane & 1 != 0).then_some(lane >> 1),
            rot: rest >> 16 & 3,
        }
    }
}

/// 16 bytes of the register file from `at` on.
fn read(s: &ArmState, at: u32) -> [u8; 16] {
    let mut out = [0; 16];
    for (i, b) in out.iter_mut().enumerate() {
        let at = at as usize + i;
        let d = s.vfp.get(at / 8).copied().unwrap_or(0);
        *b = (d >> (at % 8 * 8)) as u8;
    }
    out
}

fn write(s: &mut ArmState, at: u32, bytes: &[u8]) {
    for (i, b) in bytes.iter().enumerate() {
        let at = at as usize + i;
        if let Some(d) = s.vfp.get_mut(at / 8) {
            let shift = at % 8 * 8;
            *d = *d & !(0xff << shift) | u64::from(*b) << shift;
        }
    }
}

/// Element `i` of `1 << size` bytes, zero-extended.
fn elem(v: &[u8; 16], size: u32, i: u32) -> u32 {
    let len = 1usize << size;
    let at = (i as usize * len) & (16 - len);
    (0..len).rev().fold(0, |x, k| x << 8 | u32::from(v[at + k]))
}

fn put(v: &mut [u8; 16], size: u32, i: u32, x: u32) {
    let len = 1usize << size;
    let at = (i as usize * len) & (16 - len);
    v[at..at + len].copy_from_slice(&x.to_le_bytes()[..len]);
}

fn sext(x: u32, size: u32) -> i64 {
    let unused = 32 - (8 << size);
    i64::from((x << unused) as i32 >> unused)
}

fn byte(x: u8, signed: bool) -> i32 {
    if signed {
        i32::from(x as i8)
    } else {
        i32::from(x)
    }
}

/// The arithmetic of Advanced SIMD under this FPSCR: the standard one, with FZ16. [ARMv8 StandardFPSCRValue]
fn standard(fpscr: u32) -> FloatStatus {
    FloatStatus::arm_neon_standard().with_arm_half(fpscr & 1 << 19 != 0, fpscr & 1 << 26 != 0)
}

/// The operands of an instruction.
struct Operands {
    shape: Shape,
    d: [u8; 16],
    n: [u8; 16],
    m: [u8; 16],
}

impl Operands {
    fn lanes(&self, size: u32) -> u32 {
        self.shape.bytes >> size
    }

    /// Element `i` of m, or the one for all.
    fn m(&self, size: u32, i: u32) -> u32 {
        elem(&self.m, size, self.shape.lane.unwrap_or(i))
    }

    /// True if it saturated.
    fn rdml(&mut self, sub: bool) -> bool {
        let size = self.shape.size;
        let bits = 8 << size;
        let mut saturated = false;
        for i in 0..self.lanes(size) {
            let acc = i128::from(sext(elem(&self.d, size, i), size)) << bits;
            let product =
                2 * i128::from(sext(elem(&self.n, size, i), size) * sext(self.m(size, i), size));
            let sum = acc + if sub { -product } else { product } + (1 << (bits - 1));
            let exact = sum >> bits;
            let limit = 1i128 << (bits - 1);
            let result = exact.clamp(-limit, limit - 1);
            saturated |= result != exact;
            put(&mut self.d, size, i, result as u32);
        }
        saturated
    }

    fn dot(&mut self, n_signed: bool, m_signed: bool) {
        for i in 0..self.lanes(2) {
            let (n, m) = (
                elem(&self.n, 2, i).to_le_bytes(),
                self.m(2, i).to_le_bytes(),
            );
            let products = n
                .iter()
                .zip(m)
                .map(|(n, m)| byte(*n, n_signed) * byte(m, m_signed));
            let sum = products.fold(elem(&self.d, 2, i), |s, p| s.wrapping_add(p as u32));
            put(&mut self.d, 2, i, sum);
        }
    }

    fn matrix(&mut self, n_signed: bool, m_signed: bool) {
        for i in 0..4 {
            let row = (i as usize / 2) * 8;
            let column = (i as usize % 2) * 8;
            let products = (0..8)
                .map(|k| byte(self.n[row + k], n_signed) * byte(self.m[column + k], m_signed));
            let sum = products.fold(elem(&self.d, 2, i), |s, p| s.wrapping_add(p as u32));
            put(&mut self.d, 2, i, sum);
        }
    }

    /// The pair of m that belongs to pair `i`, turned: what is added to or multiplied into the real and the
    /// imaginary part.
    fn turned(&self, i: u32) -> (u32, u32) {
        let size = self.shape.size;
        let sign = 1 << ((8 << size) - 1);
        let pair = self.shape.lane.unwrap_or(i);
        let (re, im) = (
            elem(&self.m, size, 2 * pair),
            elem(&self.m, size, 2 * pair + 1),
        );
        match self.shape.rot {
            0 => (re, im),
            1 => (im ^ sign, re),
            2 => (re ^ sign, im ^ sign),
            _ => (im, re ^ sign),
        }
    }

    fn complex_multiply(&mut self, st: &mut FloatStatus) {
        let size = self.shape.size;
        for i in 0..self.lanes(size) / 2 {
            let (a, b) = self.turned(i);
            let x = elem(&self.n, size, 2 * i + (self.shape.rot & 1));
            for (lane, y) in [(2 * i, a), (2 * i + 1, b)] {
                let acc = elem(&self.d, size, lane);
                let r = match size {
                    1 => u32::from(f16::mul_add(x as u16, y as u16, acc as u16, st)),
                    _ => f32::mul_add(x, y, acc, st),
                };
                put(&mut self.d, size, lane, r);
            }
        }
    }

    fn complex_add(&mut self, st: &mut FloatStatus) {
        let size = self.shape.size;
        for i in 0..self.lanes(size) / 2 {
            let (a, b) = self.turned(i);
            for (lane, y) in [(2 * i, a), (2 * i + 1, b)] {
                let x = elem(&self.n, size, lane);
                let r = match size {
                    1 => u32::from(f16::add(x as u16, y as u16, st)),
                    _ => f32::add(x, y, st),
                };
                put(&mut self.d, size, lane, r);
            }
        }
    }

    /// Halves of n and m, multiplied and added to singles with one rounding.
    fn widening(&mut self, sub: bool, st: &mut FloatStatus) {
        for i in 0..self.lanes(2) {
            let n = elem(&self.n, 1, i) as u16 ^ if sub { 0x8000 } else { 0 };
            let m = self.m(1, i) as u16;
            let acc = elem(&self.d, 2, i);
            let r = f32::mul_add(half(n, st), half(m, st), acc, st);
            put(&mut self.d, 2, i, r);
        }
    }

    fn bf_fma(&mut self, top: u32, st: &mut FloatStatus) {
        for i in 0..self.lanes(2) {
            let n = elem(&self.n, 1, 2 * i + top) << 16;
            let m = match self.shape.lane {
                Some(lane) => elem(&self.m, 1, lane) << 16,
                None => elem(&self.m, 1, 2 * i + top) << 16,
            };
            let r = f32::mul_add(n, m, elem(&self.d, 2, i), st);
            put(&mut self.d, 2, i, r);
        }
    }

    fn bf_dot(&mut self) {
        for i in 0..self.lanes(2) {
            let r = bf_dot_add(elem(&self.d, 2, i), elem(&self.n, 2, i), self.m(2, i));
            put(&mut self.d, 2, i, r);
        }
    }

    fn bf_matrix(&mut self) {
        for i in 0..4 {
            let (row, column) = (2 * (i / 2), 2 * (i % 2));
            let mut sum = elem(&self.d, 2, i);
            for k in 0..2 {
                sum = bf_dot_add(sum, elem(&self.n, 2, row + k), elem(&self.m, 2, column + k));
            }
            put(&mut self.d, 2, i, sum);
        }
    }
}

/// A half as a single with the same value; a NaN keeps its kind.
fn half(x: u16, st: &FloatStatus) -> u32 {
    let sign = u32::from(x & 0x8000) << 16;
    match (x >> 10 & 31, x & 0x3ff) {
        (31, fraction) => sign | 0x7f80_0000 | u32::from(fraction) << 13,
        (0, fraction) if fraction != 0 && st.flush_f16 => sign,
        _ => f16::to_f32(x, &mut FloatStatus::default()),
    }
}

/// sum + a pair of products, each operation rounded to odd (but an overflow is infinite), without flags.
/// [ARMv8 BFDotAdd, BFRound]
fn bf_dot_add(sum: u32, n: u32, m: u32) -> u32 {
    let high = |x: u32| x & 0xffff_0000;
    let low = odd(f32::mul, n << 16, m << 16);
    let top = odd(f32::mul, high(n), high(m));
    odd(f32::add, sum, odd(f32::add, low, top))
}

fn odd(op: fn(u32, u32, &mut FloatStatus) -> u32, a: u32, b: u32) -> u32 {
    let mut st = FloatStatus {
        round: Round::Odd,
        flush_inputs: true,
        flush_outputs: true,
        default_nan: true,
        nan_rule: NanRule::Arm,
        tininess_before: true,
        ..FloatStatus::default()
    };
    let r = op(a, b, &mut st);
    match st.flags.contains(Flags::OVERFLOW) {
        true => r & 1 << 31 | 0x7f80_0000,
        false => r,
    }
}

/// A single as bfloat16 under a status.
pub fn to_bf16(x: u32, st: &mut FloatStatus) -> u16 {
    f32::to_bf16(x, st)
}

/// Computes; gives the floating-point flags that it raised.
pub fn run(op: u32, regs: u32, rest: u32, s: &mut ArmState) -> Flags {
    let Some(op) = SimdOp::ALL.get(op as usize) else {
        return Flags::empty();
    };
    let shape = Shape::unpack(regs, rest);
    let mut st = standard(s.fpscr);
    let mut o = Operands {
        d: read(s, shape.d),
        n: read(s, shape.n),
        m: read(s, shape.m),
        shape,
    };
    let mut saturated = false;
    let mut bytes = shape.bytes;
    match op {
        SimdOp::Rdmlah => saturated = o.rdml(false),
        SimdOp::Rdmlsh => saturated = o.rdml(true),
        SimdOp::DotSS => o.dot(true, true),
        SimdOp::DotUU => o.dot(false, false),
        SimdOp::DotUS => o.dot(false, true),
        SimdOp::DotSU => o.dot(true, false),
        SimdOp::MatSS => o.matrix(true, true),
        SimdOp::MatUU => o.matrix(false, false),
        SimdOp::MatUS => o.matrix(false, true),
        SimdOp::Cmla => o.complex_multiply(&mut st),
        SimdOp::Cadd => o.complex_add(&mut st),
        SimdOp::Fmal => o.widening(false, &mut st),
        SimdOp::Fmsl => o.widening(true, &mut st),
        SimdOp::DotBf => o.bf_dot(),
        SimdOp::MatBf => o.bf_matrix(),
        SimdOp::FmaBottom => o.bf_fma(0, &mut st),
        SimdOp::FmaTop => o.bf_fma(1, &mut st),
        SimdOp::CvtBf => {
            for i in 0..4 {
                let x = to_bf16(elem(&o.m, 2, i), &mut st);
                put(&mut o.d, 1, i, u32::from(x));
            }
            bytes = 8;
        }
    }
    s.qc |= u128::from(saturated);
    let len = (bytes as usize).min(16);
    write(s, shape.d, &o.d[..len]);
    st.flags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shape_round_trip() {
        let shape = Shape {
            bytes: 16,
            d: 0xf0,
            n: 4,
            m: 8,
            size: 2,
            lane: Some(3),
            rot: 2,
        };
        let (a, b) = shape.pack();
        let back = Shape::unpack(a, b);
        assert_eq!((back.bytes, back.d, back.n, back.m), (16, 0xf0, 4, 8));
        assert_eq!((back.size, back.lane, back.rot), (2, Some(3), 2));
    }

    #[test]
    fn dot_of_signed_bytes_adds_four_products() {
        let mut s = ArmState::new();
        s.vfp[1] = 0x0102_03ff;
        s.vfp[2] = 0x0203_0405;
        let shape = Shape {
            bytes: 8,
            n: 8,
            m: 16,
            size: 2,
            ..Shape::default()
        };
        let (a, b) = shape.pack();
        run(SimdOp::DotSS as u32, a, b, &mut s);
        // 1 * 2 + 2 * 3 + 3 * 4 - 1 * 5
        assert_eq!(s.vfp[0], 15);
    }

    #[test]
    fn bf16_products_that_overflow_are_infinite() {
        assert_eq!(bf_dot_add(0, 0x7f7f, 0x7f7f), 0x7f80_0000);
        assert_eq!(bf_dot_add(0x3f80_0000, 0x4000, 0x4040), 0x40e0_0000);
    }
}
