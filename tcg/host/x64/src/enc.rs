//! Instruction encoding: prefixes, REX/VEX, ModRM, SIB, displacement, immediate [Intel SDM vol. 2, chapter 2].

use crate::abi::NOREG;
use dynasmrt::SimpleAssembler;

/// A memory operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mem {
    pub base: u8,
    pub index: u8,
    /// log2 of the scale.
    pub scale: u8,
    pub disp: i32,
    /// Guest memory: `gs` segment.
    pub gs: bool,
    /// 32-bit address arithmetic.
    pub a32: bool,
}

/// `Mem::base` of a rip-relative operand.
pub const RIP: u8 = 0xfe;

impl Mem {
    /// `[base + disp]`.
    pub const fn base(base: u8, disp: i32) -> Mem {
        Mem {
            base,
            index: NOREG,
            scale: 0,
            disp,
            gs: false,
            a32: false,
        }
    }

    /// `[rbp + disp]`: state slots, header fields, spill slots.
    pub const fn env(disp: i32) -> Mem {
        Mem::base(crate::abi::RBP, disp)
    }
}

/// A register or memory operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rm {
    R(u8),
    M(Mem),
}

/// The eight classic ALU operations, numbered as the hardware does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Alu {
    Add = 0,
    Or = 1,
    Adc = 2,
    Sbb = 3,
    And = 4,
    Sub = 5,
    Xor = 6,
    Cmp = 7,
}

/// Shift and rotate numbers of opcode group 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Sh {
    Rol = 0,
    Ror = 1,
    Shl = 4,
    Shr = 5,
    Sar = 7,
}

/// Condition numbers.
pub mod x86cc {
    pub const O: u8 = 0;
    pub const B: u8 = 2;
    pub const AE: u8 = 3;
    pub const E: u8 = 4;
    pub const NE: u8 = 5;
    pub const BE: u8 = 6;
    pub const A: u8 = 7;
    pub const S: u8 = 8;
    pub const P: u8 = 10;
    pub const L: u8 = 12;
    pub const GE: u8 = 13;
    pub const LE: u8 = 14;
    pub const G: u8 = 15;
}

/// An opcode: mandatory prefix (0, 0x66, 0xf2, 0xf3), map (0: one byte, 1: 0f, 2: 0f38, 3: 0f3a), byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opc(pub u8, pub u8, pub u8);

/// Most bytes that one instruction (or `nops` step) takes, with room to store whole words.
const WINDOW: usize = 32;

/// An instruction being written, in place.
struct Ins<'a> {
    b: &'a mut [u8; WINDOW],
    n: usize,
}

impl Ins<'_> {
    #[inline(always)]
    fn p(&mut self, x: u8) {
        // The masks say what the compiler cannot see: an instruction has at most 15 bytes.
        self.b[self.n & 15] = x;
        self.n += 1;
    }

    #[inline(always)]
    fn d(&mut self, x: i32) {
        let at = self.n & 15;
        self.b[at..at + 4].copy_from_slice(&x.to_le_bytes());
        self.n += 4;
    }

    /// ModRM and what follows it.
    #[inline(always)]
    fn modrm(&mut self, reg: u8, rm: Rm) {
        let reg = (reg & 7) << 3;
        let m = match rm {
            Rm::R(r) => return self.p(0xc0 | reg | (r & 7)),
            Rm::M(m) => m,
        };
        if m.base == RIP {
            self.p(reg | 5);
            return self.d(m.disp);
        }
        let sib_index = if m.index == NOREG { 4 } else { m.index & 7 };
        if m.base == NOREG {
            self.p(reg | 4);
            self.p(m.scale << 6 | sib_index << 3 | 5);
            return self.d(m.disp);
        }
        let low = m.base & 7;
        let short = m.disp == m.disp as i8 as i32;
        let md = match (m.disp, short) {
            (0, _) if low != 5 => 0,
            (_, true) => 0x40,
            _ => 0x80,
        };
        if m.index != NOREG || low == 4 {
            self.p(md | reg | 4);
            self.p(m.scale << 6 | sib_index << 3 | low);
        } else {
            self.p(md | reg | low);
        }
        match md {
            0 => {}
            0x40 => self.p(m.disp as u8),
            _ => self.d(m.disp),
        }
    }

    #[inline(always)]
    fn segment(&mut self, rm: Rm) {
        if let Rm::M(m) = rm {
            if m.gs {
                self.p(0x65);
            }
            if m.a32 {
                self.p(0x67);
            }
        }
    }

    /// Prefixes, opcode and operands in legacy encoding.
    #[inline(always)]
    fn legacy(&mut self, o: Opc, w: bool, byte: bool, reg: u8, rm: Rm) {
        self.segment(rm);
        if o.0 != 0 {
            self.p(o.0);
        }
        let (x, b) = high_bits(rm);
        let mut rex = (w as u8) << 3 | (reg >> 3 & 1) << 2 | x << 1 | b;
        // spl, bpl, sil and dil need a prefix.
        let low = |r: u8| (4..8).contains(&r);
        if byte && (low(reg) || matches!(rm, Rm::R(r) if low(r))) {
            rex |= 0x40;
        }
        if rex != 0 {
            self.p(0x40 | rex);
        }
        match o.1 {
            0 => {}
            1 => self.p(0x0f),
            2 => {
                self.p(0x0f);
                self.p(0x38);
            }
            _ => {
                self.p(0x0f);
                self.p(0x3a);
            }
        }
        self.p(o.2);
        self.modrm(reg, rm);
    }

    fn vex(&mut self, o: Opc, w: bool, l: bool, reg: u8, vvvv: u8, rm: Rm) {
        self.segment(rm);
        let (x, b) = high_bits(rm);
        let pp = match o.0 {
            0x66 => 1,
            0xf3 => 2,
            0xf2 => 3,
            _ => 0,
        };
        let r = (!(reg >> 3) & 1) << 7;
        let tail = (!vvvv & 15) << 3 | (l as u8) << 2 | pp;
        if x == 0 && b == 0 && !w && o.1 == 1 {
            self.p(0xc5);
            self.p(r | tail);
        } else {
            self.p(0xc4);
            self.p(r | (!x & 1) << 6 | (!b & 1) << 5 | o.1);
            self.p((w as u8) << 7 | tail);
        }
        self.p(o.2);
        self.modrm(reg, rm);
    }
}

/// Bits 3 of index and base: (X, B).
#[inline(always)]
fn high_bits(rm: Rm) -> (u8, u8) {
    match rm {
        Rm::R(r) => (0, r >> 3 & 1),
        Rm::M(m) => (
            if m.index == NOREG {
                0
            } else {
                m.index >> 3 & 1
            },
            if m.base >= RIP { 0 } else { m.base >> 3 & 1 },
        ),
    }
}

/// Emits one piece of code.
pub struct Asm {
    /// The assembler's buffer, longer than the code: instructions are written in place.
    buf: SimpleAssembler,
    /// Bytes of code.
    len: usize,
}

impl Asm {
    pub fn new() -> Asm {
        Asm {
            buf: SimpleAssembler::new(),
            len: 0,
        }
    }

    #[inline]
    pub fn pos(&self) -> u32 {
        self.len as u32
    }

    /// The code so far.
    pub fn code(&self) -> &[u8] {
        &self.buf.ops[..self.len]
    }

    /// Starts anew.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Replaces a byte.
    pub fn set_byte(&mut self, at: u32, b: u8) {
        debug_assert!((at as usize) < self.len);
        self.buf.ops[at as usize] = b;
    }

    #[cold]
    fn grow(&mut self) {
        let len = (2 * self.buf.ops.len()).max(4096);
        self.buf.ops.resize(len, 0);
    }

    /// Writes one instruction.
    #[inline(always)]
    fn put(&mut self, write: impl FnOnce(&mut Ins<'_>)) {
        if self.buf.ops.len() < self.len + WINDOW {
            self.grow();
        }
        if let Some(b) = self.buf.ops[self.len..].first_chunk_mut::<WINDOW>() {
            let mut i = Ins { b, n: 0 };
            write(&mut i);
            debug_assert!(i.n <= 15);
            self.len += i.n;
        }
    }

    #[inline]
    pub fn byte(&mut self, b: u8) {
        self.put(|i| i.p(b));
    }

    #[inline]
    pub fn dword(&mut self, d: i32) {
        self.put(|i| i.d(d));
    }

    /// Multi-byte nop of `n` bytes.
    pub fn nops(&mut self, n: u32) {
        const NOPS: [[u8; 8]; 8] = [
            [0; 8],
            [0x90, 0, 0, 0, 0, 0, 0, 0],
            [0x66, 0x90, 0, 0, 0, 0, 0, 0],
            [0x0f, 0x1f, 0x00, 0, 0, 0, 0, 0],
            [0x0f, 0x1f, 0x40, 0x00, 0, 0, 0, 0],
            [0x0f, 0x1f, 0x44, 0x00, 0x00, 0, 0, 0],
            [0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00, 0, 0],
            [0x0f, 0x1f, 0x80, 0, 0, 0, 0, 0],
        ];
        let mut n = n as usize;
        while n > 0 {
            let k = n.min(7);
            self.put(|i| {
                i.b[..8].copy_from_slice(&NOPS[k]);
                i.n = k;
            });
            n -= k;
        }
    }

    /// `opcode reg, rm` in legacy encoding.
    pub fn op(&mut self, o: Opc, w: bool, reg: u8, rm: Rm) {
        self.put(|i| i.legacy(o, w, false, reg, rm));
    }

    /// The same with 8-bit registers.
    pub fn op_byte(&mut self, o: Opc, reg: u8, rm: Rm) {
        self.put(|i| i.legacy(o, false, true, reg, rm));
    }

    /// The same with an 8-bit immediate.
    pub fn op_i8(&mut self, o: Opc, w: bool, reg: u8, rm: Rm, imm: u8) {
        self.put(|i| {
            i.legacy(o, w, false, reg, rm);
            i.p(imm);
        });
    }

    /// The same with a 32-bit immediate.
    pub fn op_i32(&mut self, o: Opc, w: bool, reg: u8, rm: Rm, imm: i32) {
        self.put(|i| {
            i.legacy(o, w, false, reg, rm);
            i.d(imm);
        });
    }

    /// VEX encoding, 128 bits (or general registers): `opcode reg, vvvv, rm`.
    pub fn vex(&mut self, o: Opc, w: bool, reg: u8, vvvv: u8, rm: Rm) {
        self.put(|i| i.vex(o, w, false, reg & 15, vvvv, rm));
    }

    /// The same with an 8-bit immediate.
    pub fn vex_i8(&mut self, o: Opc, w: bool, reg: u8, vvvv: u8, rm: Rm, imm: u8) {
        self.put(|i| {
            i.vex(o, w, false, reg & 15, vvvv, rm);
            i.p(imm);
        });
    }

    // ---- general instructions ----

    /// `mov dst, src` of 4 or 8 bytes.
    pub fn mov(&mut self, w: bool, dst: u8, src: Rm) {
        if src == Rm::R(dst) && w {
            return;
        }
        self.op(Opc(0, 0, 0x8b), w, dst, src);
    }

    /// `mov [mem], src`.
    pub fn store(&mut self, w: bool, mem: Mem, src: u8) {
        self.op(Opc(0, 0, 0x89), w, src, Rm::M(mem));
    }

    /// A constant into a register, flags unchanged.
    pub fn mov_imm(&mut self, dst: u8, imm: u64) {
        if imm == imm as u32 as u64 {
            self.put(|i| {
                if dst >= 8 {
                    i.p(0x41);
                }
                i.p(0xb8 | (dst & 7));
                i.d(imm as i32);
            });
        } else if imm == imm as i32 as i64 as u64 {
            self.op_i32(Opc(0, 0, 0xc7), true, 0, Rm::R(dst), imm as i32);
        } else {
            self.put(|i| {
                i.p(0x48 | (dst >> 3));
                i.p(0xb8 | (dst & 7));
                i.d(imm as i32);
                i.d((imm >> 32) as i32);
            });
        }
    }

    /// `mov dword/qword [mem], imm32` (sign-extended).
    pub fn store_imm(&mut self, w: bool, mem: Mem, imm: i32) {
        self.op_i32(Opc(0, 0, 0xc7), w, 0, Rm::M(mem), imm);
    }

    /// `op dst, rm`.
    pub fn alu(&mut self, op: Alu, w: bool, dst: u8, rm: Rm) {
        self.op(Opc(0, 0, (op as u8) << 3 | 3), w, dst, rm);
    }

    /// `op rm, imm`.
    pub fn alu_imm(&mut self, op: Alu, w: bool, rm: Rm, imm: i32) {
        if imm == imm as i8 as i32 {
            self.op_i8(Opc(0, 0, 0x83), w, op as u8, rm, imm as u8);
        } else {
            self.op_i32(Opc(0, 0, 0x81), w, op as u8, rm, imm);
        }
    }

    /// `test rm, reg`.
    pub fn test(&mut self, w: bool, reg: u8, rm: Rm) {
        self.op(Opc(0, 0, 0x85), w, reg, rm);
    }

    /// `lea dst, [mem]`.
    pub fn lea(&mut self, w: bool, dst: u8, mem: Mem) {
        self.op(Opc(0, 0, 0x8d), w, dst, Rm::M(mem));
    }

    /// Shift or rotate by a constant.
    pub fn shift_imm(&mut self, s: Sh, w: bool, rm: Rm, n: u8) {
        self.op_i8(Opc(0, 0, 0xc1), w, s as u8, rm, n);
    }

    /// Shift or rotate by cl.
    pub fn shift_cl(&mut self, s: Sh, w: bool, rm: Rm) {
        self.op(Opc(0, 0, 0xd3), w, s as u8, rm);
    }

    /// `setcc r8`.
    pub fn setcc(&mut self, cc: u8, rm: Rm) {
        self.op_byte(Opc(0, 1, 0x90 | cc), 0, rm);
    }

    /// `movzx dst, r8`.
    pub fn movzx8(&mut self, dst: u8, rm: Rm) {
        self.op_byte(Opc(0, 1, 0xb6), dst, rm);
    }

    /// `cmovcc dst, rm`.
    pub fn cmov(&mut self, cc: u8, w: bool, dst: u8, rm: Rm) {
        self.op(Opc(0, 1, 0x40 | cc), w, dst, rm);
    }

    /// `push imm32` (sign-extended).
    pub fn push_imm(&mut self, imm: i32) {
        self.byte(0x68);
        self.dword(imm);
    }

    /// `push r64`.
    pub fn push(&mut self, r: u8) {
        if r >= 8 {
            self.byte(0x41);
        }
        self.byte(0x50 | (r & 7));
    }

    /// `xchg`-free register exchange is never needed; `cmc` inverts the carry.
    pub fn cmc(&mut self) {
        self.byte(0xf5);
    }
}
