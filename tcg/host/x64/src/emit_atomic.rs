//! Atomic read-modify-write and compare-and-swap. Without other threads the lock prefix is left out.

use crate::abi::*;
use crate::cc::NO_FLAGS;
use crate::compiler::Gen;
use crate::enc::{Alu, Mem, Opc, Rm, Sh, x86cc};
use tcg_ir::{Inst, Ty, Value};

impl Gen<'_> {
    fn lock(&mut self) {
        if self.opts.parallel {
            self.a.byte(0xf0);
        }
    }

    /// `opcode [m], r` of `1 << log2` bytes; `o8` and `o` are the byte and the other form.
    fn sized(&mut self, map: u8, o8: u8, o: u8, log2: u8, m: Mem, r: u8) {
        match log2 {
            0 => self.a.op_byte(Opc(0, map, o8), r, Rm::M(m)),
            1 => self.a.op(Opc(0x66, map, o), false, r, Rm::M(m)),
            _ => self.a.op(Opc(0, map, o), log2 == 3, r, Rm::M(m)),
        }
    }

    /// Zero-extends `1 << log2` bytes of `r` in place.
    fn zext(&mut self, log2: u8, d: u8, r: u8) {
        match log2 {
            0 => self.a.movzx8(d, Rm::R(r)),
            1 => self.a.op(Opc(0, 1, 0xb7), false, d, Rm::R(r)),
            2 => self.a.mov(false, d, Rm::R(r)),
            _ => self.a.mov(true, d, Rm::R(r)),
        }
    }

    /// Reverses the low `1 << log2` bytes (the rest is undefined).
    fn swap_bytes(&mut self, log2: u8, r: u8) {
        match log2 {
            0 => {}
            1 => self
                .a
                .op_i8(Opc(0x66, 0, 0xc1), false, Sh::Rol as u8, Rm::R(r), 8),
            2 => self.bswap(false, r),
            _ => self.bswap(true, r),
        }
    }

    pub fn emit_rmw(&mut self, v: Value, i: &Inst) {
        let f = i.mem();
        let log2 = f.log2();
        let val = i.args[2];
        self.settle_test(val);
        let m = self.guest_addr(i, false);
        let rv = self.reg(val);
        self.check_alignment(m, f.align_log2(), true);
        let m = self.atomic_operand(m, log2);
        let d = self.alloc(i.ty);
        let be = f.is_big_endian() && log2 > 0;
        match i.lane {
            // An exchange locks by itself.
            0 if !be && !self.opts.parallel => {
                self.site();
                match log2 {
                    0 => self.a.op(Opc(0, 1, 0xb6), false, d, Rm::M(m)),
                    1 => self.a.op(Opc(0, 1, 0xb7), false, d, Rm::M(m)),
                    _ => self.a.mov(log2 == 3, d, Rm::M(m)),
                }
                self.site();
                self.sized(0, 0x88, 0x89, log2, m, rv);
            }
            0 | 1 if !be => {
                self.a.mov(true, d, Rm::R(rv));
                self.site();
                if i.lane == 0 {
                    self.sized(0, 0x86, 0x87, log2, m, d);
                } else {
                    self.lock();
                    self.sized(1, 0xc0, 0xc1, log2, m, d);
                }
                self.zext(log2, d, d);
            }
            _ => self.rmw_loop(i.lane, log2, be, m, rv, d),
        }
        self.flags = NO_FLAGS;
        self.bind(v, d);
    }

    /// old = load; retry: new = f(old, value); cmpxchg.
    fn rmw_loop(&mut self, what: u8, log2: u8, be: bool, m: Mem, rv: u8, d: u8) {
        let old = self.alloc(Ty::I64);
        self.site();
        match log2 {
            0 => self.a.op(Opc(0, 1, 0xb6), false, RAX, Rm::M(m)),
            1 => self.a.op(Opc(0, 1, 0xb7), false, RAX, Rm::M(m)),
            _ => self.a.mov(log2 == 3, RAX, Rm::M(m)),
        }
        let top = self.a.pos();
        self.a.mov(true, old, Rm::R(RAX));
        if be {
            self.swap_bytes(log2, old);
        }
        self.zext(log2, old, old);
        self.rmw_new(what, log2, old, rv, d);
        if be {
            self.swap_bytes(log2, d);
        }
        self.site();
        self.lock();
        self.sized(1, 0xb0, 0xb1, log2, m, d);
        let back = top as i64 - (self.a.pos() as i64 + 2);
        self.a.byte(0x70 | x86cc::NE);
        self.a.byte(back as u8);
        self.a.mov(true, d, Rm::R(old));
    }

    /// `d` = the new value; only its low `1 << log2` bytes matter.
    fn rmw_new(&mut self, what: u8, log2: u8, old: u8, rv: u8, d: u8) {
        self.a.mov(true, d, Rm::R(rv));
        let alu = match what {
            0 => return,
            1 => Alu::Add,
            2 => Alu::And,
            3 => Alu::Or,
            4 => Alu::Xor,
            5 => {
                self.a.op(Opc(0, 0, 0xf7), true, 2, Rm::R(d));
                Alu::And
            }
            _ => return self.rmw_minmax(what, log2, old, d),
        };
        self.a.alu(alu, true, d, Rm::R(old));
    }

    fn rmw_minmax(&mut self, what: u8, log2: u8, old: u8, d: u8) {
        let (signed, max) = match what {
            6 => (true, true),
            7 => (true, false),
            8 => (false, true),
            _ => (false, false),
        };
        // Compare at the top of a 64-bit register, where narrow signs are real ones: shift both up and back.
        let up = 64 - (8 << log2) as u8;
        let ext = if signed { Sh::Sar } else { Sh::Shr };
        for r in [old, d] {
            if up != 0 {
                self.a.shift_imm(Sh::Shl, true, Rm::R(r), up);
                self.a.shift_imm(ext, true, Rm::R(r), up);
            }
        }
        self.a.alu(Alu::Cmp, true, old, Rm::R(d));
        let take_old = match (signed, max) {
            (true, true) => x86cc::G,
            (true, false) => x86cc::L,
            (false, true) => x86cc::A,
            (false, false) => x86cc::B,
        };
        self.a.cmov(take_old, true, d, Rm::R(old));
        self.zext(log2, old, old);
    }

    /// 16 bytes: `cmpxchg16b` compares with rdx:rax and stores rcx:rbx.
    fn emit_cas_wide(&mut self, v: Value, i: &Inst) {
        const RBX: u8 = 3;
        const MOVQ_HIGH: Opc = Opc(0x66, 3, 0x16);
        const INSERT_HIGH: Opc = Opc(0x66, 3, 0x22);
        for r in [RBX, RCX, RDX] {
            self.take_reg(r);
        }
        let m = self.guest_addr(i, false);
        let (exp, new) = (self.reg(i.args[1]), self.reg(i.args[2]));
        self.check_alignment(m, i.mem().align_log2(), true);
        let m = self.atomic_operand(m, 4);
        self.mov_gx(false, true, exp, RAX);
        self.a.op_i8(MOVQ_HIGH, true, exp & 15, Rm::R(RDX), 1);
        self.mov_gx(false, true, new, RBX);
        self.a.op_i8(MOVQ_HIGH, true, new & 15, Rm::R(RCX), 1);
        self.site();
        self.lock();
        self.a.op(Opc(0, 1, 0xc7), true, 1, Rm::M(m));
        self.flags = NO_FLAGS;
        let d = self.def(v);
        self.mov_gx(true, true, d, RAX);
        self.a.op_i8(INSERT_HIGH, true, d & 15, Rm::R(RDX), 1);
    }

    pub fn emit_cas(&mut self, v: Value, i: &Inst) {
        if i.ty == Ty::V128 {
            return self.emit_cas_wide(v, i);
        }
        let f = i.mem();
        let log2 = f.log2();
        let (exp, new) = (i.args[1], i.args[2]);
        self.settle_test(exp);
        self.settle_test(new);
        let m = self.guest_addr(i, false);
        let mut rn = self.reg(new);
        self.check_alignment(m, f.align_log2(), true);
        let m = self.atomic_operand(m, log2);
        let d = self.alloc(i.ty);
        let be = f.is_big_endian() && log2 > 0;
        if be {
            self.a.mov(true, d, Rm::R(rn));
            self.swap_bytes(log2, d);
            rn = d;
        }
        self.load_scratch(exp);
        if be {
            self.swap_bytes(log2, RAX);
        }
        self.site();
        self.lock();
        self.sized(1, 0xb0, 0xb1, log2, m, rn);
        if be {
            self.swap_bytes(log2, RAX);
        }
        self.zext(log2, d, RAX);
        self.flags = NO_FLAGS;
        self.bind(v, d);
    }
}
