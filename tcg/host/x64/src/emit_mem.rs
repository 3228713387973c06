//! Guest memory: addresses, loads, stores, alignment checks, barriers.

use crate::abi::*;
use crate::cc::NO_FLAGS;
use crate::compiler::Gen;
use crate::enc::{Alu, Mem, Opc, RIP, Rm, Sh, x86cc};
use tcg_ir::{Inst, MemFlags, Order, Ty, Value};

impl Gen<'_> {
    /// The address operand of a memory instruction; its registers are pinned.
    pub fn guest_addr(&mut self, i: &Inst, has_index: bool) -> Mem {
        let [base, index, _] = i.args;
        let mut m = Mem {
            base: NOREG,
            index: NOREG,
            scale: i.index_shift(),
            disp: i.disp(),
            gs: self.opts.window,
            a32: true,
        };
        if base.is_some() {
            m.a32 = self.ty(base) != Ty::I64;
            m.base = self.read_reg(base);
        }
        if has_index && index.is_some() {
            m.index = self.read_reg(index);
            if !base.is_some() {
                m.a32 = self.ty(index) != Ty::I64;
            }
        }
        m
    }

    /// The effective guest address into `rax`.
    pub fn lea_addr(&mut self, m: Mem) {
        if m.base == NOREG && m.index == NOREG {
            self.a.mov_imm(RAX, u64::from(m.disp as u32));
        } else {
            let flat = Mem {
                gs: false,
                a32: false,
                ..m
            };
            self.a.lea(!m.a32, RAX, flat);
        }
    }

    /// Leaves with an alignment fault unless the address is a multiple of `1 << log2`.
    pub fn check_alignment(&mut self, m: Mem, log2: u8, write: bool) {
        if log2 == 0 {
            return;
        }
        let mask = (1u8 << log2) - 1;
        let simple = m.index == NOREG && m.base != NOREG && m.disp & i32::from(mask) == 0;
        if !simple {
            self.lea_addr(m);
        }
        let r = if simple { m.base } else { RAX };
        if r >= 4 || r == RAX {
            let rex = r >= 4;
            if rex {
                self.a.byte(0x40 | r >> 3);
            }
            self.a.byte(0xf6);
            self.a.byte(0xc0 | (r & 7));
        } else {
            self.a.byte(0xf6);
            self.a.byte(0xc0 | r);
        }
        self.a.byte(mask);
        self.flags = NO_FLAGS;
        let cold = self.new_label();
        self.jcc(x86cc::NE, cold);
        let snap = self.begin_cold(cold);
        self.lea_addr(m);
        self.a.store(true, Mem::env(EXIT_INFO), RAX);
        self.store_dirty(0);
        let code = FAULT_ALIGNMENT | i32::from(write) << 8;
        self.leave(KIND_FAULT, code, self.guest_pc, self.guest_mode);
        self.end_cold(snap);
    }

    pub fn barrier(&mut self) {
        if self.opts.parallel {
            // lock or dword [rsp], 0
            self.a.byte(0xf0);
            self.a.alu_imm(Alu::Or, false, Rm::M(Mem::base(RSP, 0)), 0);
            self.flags = NO_FLAGS;
        }
    }

    pub fn emit_fence(&mut self) {
        self.barrier();
    }

    /// The result register of a load: an address register that dies, unless the guest state still needs it here.
    fn def_load(&mut self, v: Value, i: &Inst) -> u8 {
        for a in [i.args[0], i.args[1]] {
            if a.is_some()
                && self.reg_of(a) != NOREG
                && self.live.info[a.index()].live_to < self.pos
                && self.dies(a)
                && !i.ty.is_vec_class()
            {
                return self.def_reuse(v, a);
            }
        }
        self.def(v)
    }

    pub fn emit_load(&mut self, v: Value, i: &Inst) {
        let m = self.guest_addr(i, true);
        let f = i.mem();
        self.check_alignment(m, f.align_log2(), false);
        if i.args[2].is_some() && self.opts.mmu.is_none() && m.disp < i32::MAX - 4 {
            return self.load_guess(v, i, m);
        }
        let mut m = m;
        let d = self.def_load(v, i);
        if let Some(mmu) = self.opts.mmu {
            if let Some(part) = self.range_part() {
                let what = want::LOAD | i32::from(f.log2());
                let load = &mut |g: &mut Self, m: Mem| g.load_from(i, d, m, f);
                return self.range_access(mmu, m, what, part, load);
            }
            let t = if i.ty.is_vec_class() {
                self.alloc(Ty::I64)
            } else {
                d
            };
            m = self.load_operand(mmu, m, f.log2(), t);
        }
        self.site();
        self.load_from(i, d, m, f);
    }

    /// Loads eight bytes with a guess: two words are loaded and compared with it. What depends on the result need not wait
    /// for them.
    fn load_guess(&mut self, v: Value, i: &Inst, m: Mem) {
        let f = i.mem();
        let guess = self.reg(i.args[2]);
        let low = self.alloc(Ty::I64);
        let d = self.def_reuse(v, i.args[2]);
        let second = Mem {
            disp: m.disp + 4,
            ..m
        };
        let be = f.is_big_endian();
        let word = MemFlags::size(2).big_endian(be);
        let (low_at, high_at) = if be { (second, m) } else { (m, second) };
        self.site();
        self.load_int(false, RAX, high_at, word);
        self.site();
        self.load_int(false, low, low_at, word);
        self.a.shift_imm(Sh::Shl, true, Rm::R(RAX), 32);
        self.a.alu(Alu::Or, true, RAX, Rm::R(low));
        self.a.alu(Alu::Cmp, true, RAX, Rm::R(guess));
        self.flags = NO_FLAGS;
        let (cold, back) = (self.new_label(), self.new_label());
        self.jcc(x86cc::NE, cold);
        if i.ty.is_vec_class() {
            self.mov_gx(true, true, d, guess);
        } else {
            self.a.mov(true, d, Rm::R(guess));
        }
        self.bind_label(back);
        let snap = self.begin_cold(cold);
        self.site();
        self.load_from(i, d, m, f);
        self.jmp(back);
        self.end_cold(snap);
    }

    fn load_from(&mut self, i: &Inst, d: u8, m: Mem, f: MemFlags) {
        if i.ty.is_vec_class() {
            self.load_vec(i.ty, d, m, f);
        } else {
            self.load_int(i.ty == Ty::I64, d, m, f);
        }
    }

    fn load_int(&mut self, w: bool, d: u8, m: Mem, f: MemFlags) {
        let rm = Rm::M(m);
        let (be, signed) = (f.is_big_endian(), f.is_signed());
        match f.log2() {
            0 if signed => self.a.op(Opc(0, 1, 0xbe), w, d, rm),
            0 => self.a.op(Opc(0, 1, 0xb6), false, d, rm),
            1 if be => {
                self.a.op(Opc(0, 1, 0xb7), false, d, rm);
                self.rol16(d);
                if signed {
                    self.a.op(Opc(0, 1, 0xbf), w, d, Rm::R(d));
                }
            }
            1 if signed => self.a.op(Opc(0, 1, 0xbf), w, d, rm),
            1 => self.a.op(Opc(0, 1, 0xb7), false, d, rm),
            2 if be => {
                self.load_be(false, d, m);
                if signed && w {
                    self.a.op(Opc(0, 0, 0x63), true, d, Rm::R(d));
                }
            }
            2 if signed && w => self.a.op(Opc(0, 0, 0x63), true, d, rm),
            2 => self.a.mov(false, d, rm),
            _ if be => self.load_be(true, d, m),
            _ => self.a.mov(true, d, rm),
        }
    }

    /// Swaps the bytes of the low half-word.
    fn rol16(&mut self, r: u8) {
        self.a
            .op_i8(Opc(0x66, 0, 0xc1), false, Sh::Rol as u8, Rm::R(r), 8);
    }

    fn load_be(&mut self, w: bool, d: u8, m: Mem) {
        if self.f.movbe {
            self.a.op(Opc(0, 2, 0xf0), w, d, Rm::M(m));
        } else {
            self.a.mov(w, d, Rm::M(m));
            self.bswap(w, d);
        }
    }

    fn load_vec(&mut self, ty: Ty, d: u8, m: Mem, f: MemFlags) {
        let log2 = f.log2();
        if log2 < 4 && (f.is_big_endian() || log2 < 2) {
            self.load_int(log2 == 3, RAX, m, f);
            return self.mov_gx(true, log2 == 3, d, RAX);
        }
        match log2 {
            2 => self.load_reg(Ty::F32, d, m),
            3 => self.load_reg(Ty::F64, d, m),
            _ => self.load_reg(Ty::V128, d, m),
        }
        if f.is_big_endian() {
            self.reverse_vec(d, d);
        }
        debug_assert!(ty.bytes() >= f.bytes());
    }

    /// All 16 bytes reversed.
    fn reverse_vec(&mut self, d: u8, s: u8) {
        let label = self.const_mem(0x0001_0203_0405_0607_0809_0a0b_0c0d_0e0f);
        let o = Opc(0x66, 2, 0x00);
        let m = Rm::M(Mem::base(RIP, 0));
        if self.f.avx2 {
            self.a.vex(o, false, d, s & 15, m);
        } else {
            self.vmov(Opc(0, 1, 0x10), XMM14, m);
            self.fix_rip(label, 0);
            if d != s {
                self.vmov(Opc(0, 1, 0x28), d, Rm::R(s));
            }
            return self.a.op(o, false, d & 15, Rm::R(XMM14 & 15));
        }
        self.fix_rip(label, 0);
    }

    pub fn emit_store(&mut self, i: &Inst) {
        let v = i.args[2];
        self.settle_test(v);
        let m = self.guest_addr(i, true);
        let f = i.mem();
        self.check_alignment(m, f.align_log2(), true);
        if let Some(mmu) = self.opts.mmu {
            if !self.is_imm_store(v, f) {
                self.reg(v);
            }
            let put = &mut |g: &mut Self, m: Mem| g.put(v, m, f);
            if let Some(part) = self.range_part() {
                let what = want::STORE | i32::from(f.log2());
                self.range_access(mmu, m, what, part, put);
            } else {
                self.store_operand(mmu, m, f.log2(), put);
            }
        } else {
            self.put(v, m, f);
        }
        if f.get_order() == Order::SeqCst {
            self.barrier();
        }
    }

    fn put(&mut self, v: Value, m: Mem, f: MemFlags) {
        if self.ty(v).is_vec_class() {
            self.store_vec(v, m, f);
        } else {
            self.store_int(v, m, f);
        }
    }

    /// Whether the value of a store is an immediate of its instruction.
    fn is_imm_store(&self, v: Value, f: MemFlags) -> bool {
        let Some(c) = self.b.as_const(v).filter(|_| !self.ty(v).is_vec_class()) else {
            return false;
        };
        f.log2() < 3 || c == 0 || self.imm32(v).is_some() && !f.is_big_endian()
    }

    fn store_int(&mut self, v: Value, m: Mem, f: MemFlags) {
        let log2 = f.log2();
        if let (Some(c), false) = (self.b.as_const(v), log2 == 3 && self.imm32(v).is_none()) {
            let swapped = match (f.is_big_endian(), log2) {
                (false, _) | (_, 0) => c,
                (_, 1) => u64::from((c as u16).swap_bytes()),
                (_, 2) => u64::from((c as u32).swap_bytes()),
                _ => c.swap_bytes(),
            };
            if log2 < 3 || swapped as i64 == swapped as i32 as i64 {
                return self.store_imm(m, log2, swapped as i32);
            }
        }
        let mut r = self.read_reg(v);
        if f.is_big_endian() && log2 > 0 {
            if self.f.movbe && log2 > 1 {
                self.site();
                return self.a.op(Opc(0, 2, 0xf1), log2 == 3, r, Rm::M(m));
            }
            self.a.mov(log2 == 3, RAX, Rm::R(r));
            if log2 == 1 {
                self.rol16(RAX);
            } else {
                self.bswap(log2 == 3, RAX);
            }
            r = RAX;
        }
        self.site();
        self.store_sized(m, log2, r);
    }

    fn store_imm(&mut self, m: Mem, log2: u8, imm: i32) {
        self.site();
        match log2 {
            0 => self.a.op_i8(Opc(0, 0, 0xc6), false, 0, Rm::M(m), imm as u8),
            1 => {
                self.a
                    .op_i8(Opc(0x66, 0, 0xc7), false, 0, Rm::M(m), imm as u8);
                self.a.byte((imm >> 8) as u8);
            }
            2 => self.a.store_imm(false, m, imm),
            _ => self.a.store_imm(true, m, imm),
        }
    }

    /// Plain store of `1 << log2` bytes of a general register.
    pub fn store_sized(&mut self, m: Mem, log2: u8, r: u8) {
        match log2 {
            0 => self.a.op_byte(Opc(0, 0, 0x88), r, Rm::M(m)),
            1 => self.a.op(Opc(0x66, 0, 0x89), false, r, Rm::M(m)),
            2 => self.a.store(false, m, r),
            _ => self.a.store(true, m, r),
        }
    }

    fn store_vec(&mut self, v: Value, m: Mem, f: MemFlags) {
        let r = self.reg(v);
        let log2 = f.log2();
        if log2 < 4 && (f.is_big_endian() || log2 < 2) {
            self.mov_gx(false, log2 == 3, r, RAX);
            match (f.is_big_endian(), log2) {
                (true, 1) => self.rol16(RAX),
                (true, 2) => self.bswap(false, RAX),
                (true, 3) => self.bswap(true, RAX),
                _ => {}
            }
            self.site();
            return self.store_sized(m, log2, RAX);
        }
        let mut r = r;
        if f.is_big_endian() {
            self.reverse_vec(XMM15, r);
            r = XMM15;
        }
        self.site();
        let ty = match log2 {
            2 => Ty::F32,
            3 => Ty::F64,
            _ => Ty::V128,
        };
        self.store_reg(ty, m, r);
    }
}
