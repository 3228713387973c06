//! Fixed-point loads and stores, with and without byte reversal; pairs of doublewords. [PowerISA I.3.3.2 to I.3.3.5]

use tcg_ir::{Addr, MemFlags, Op, Ty, Value};

use super::{Out, Translator};
use crate::decode::args;
use crate::state::slot;

/// Size, extension and update of an access.
#[derive(Clone, Copy)]
struct Item {
    size: u32,
    signed: bool,
    update: bool,
}

impl Translator<'_> {
    /// The type that an access of this size has in a register.
    fn access_type(&self, size: u32) -> Ty {
        if size == 3 { Ty::I64 } else { self.w }
    }

    fn load_item(&mut self, rt: u32, ra: u32, addr: Addr, item: Item) -> Out {
        let mut flags = self.mem(item.size as u8);
        if item.signed {
            flags = flags.signed();
        }
        let new_base = item.update.then(|| self.ea_value(addr));
        let addr = new_base.map_or(addr, |v| Addr::base_disp(v, 0));
        let v = self.b.load(self.access_type(item.size), addr, flags);
        if let Some(base) = new_base {
            self.set_gpr(ra, base);
        }
        self.put(rt, v, false)
    }

    fn store_item(&mut self, rs: u32, ra: u32, addr: Addr, item: Item) -> Out {
        let v = self.gpr(rs);
        let flags = self.mem(item.size as u8);
        let new_base = item.update.then(|| self.ea_value(addr));
        let addr = new_base.map_or(addr, |v| Addr::base_disp(v, 0));
        self.store_value(addr, v, flags);
        if let Some(base) = new_base {
            self.set_gpr(ra, base);
        }
        Out::Next
    }

    /// Stores the low part of a register value.
    fn store_value(&mut self, addr: Addr, v: Value, flags: MemFlags) {
        let v = if flags.log2() < 3 { self.low32(v) } else { v };
        self.b.store(addr, v, flags);
    }

    pub(super) fn load(&mut self, a: args::Load) -> Out {
        let addr = self.ea_disp(a.ra, a.imm as i64);
        let item = Item {
            size: a.size,
            signed: a.signed,
            update: a.update && a.ra != 0,
        };
        self.load_item(a.rt, a.ra, addr, item)
    }

    pub(super) fn loadx(&mut self, a: args::Loadx) -> Out {
        let addr = self.ea_index(a.ra, a.rb);
        let item = Item {
            size: a.size,
            signed: a.signed,
            update: a.update && a.ra != 0,
        };
        self.load_item(a.rt, a.ra, addr, item)
    }

    pub(super) fn store(&mut self, a: args::Store) -> Out {
        let addr = self.ea_disp(a.ra, a.imm as i64);
        let item = Item {
            size: a.size,
            signed: false,
            update: a.update && a.ra != 0,
        };
        self.store_item(a.rs, a.ra, addr, item)
    }

    pub(super) fn storex(&mut self, a: args::Storex) -> Out {
        let addr = self.ea_index(a.ra, a.rb);
        let item = Item {
            size: a.size,
            signed: false,
            update: a.update && a.ra != 0,
        };
        self.store_item(a.rs, a.ra, addr, item)
    }

    pub(super) fn load_reversed(&mut self, a: args::LoadReversed) -> Out {
        let addr = self.ea_index(a.ra, a.rb);
        let flags = self.mem_reversed(a.size as u8);
        let v = self.b.load(self.access_type(a.size), addr, flags);
        self.put(a.rt, v, false)
    }

    pub(super) fn store_reversed(&mut self, a: args::StoreReversed) -> Out {
        let addr = self.ea_index(a.ra, a.rb);
        let v = self.gpr(a.rs);
        let flags = self.mem_reversed(a.size as u8);
        self.store_value(addr, v, flags);
        Out::Next
    }

    // ---- quadwords ----

    /// The registers of the doublewords at the lower and the higher address.
    pub(super) fn quad_registers(&self, even: u32) -> (u32, u32) {
        let (first, second) = (even & !1, even | 1);
        match self.mode.has(crate::state::Mode::LE) {
            true => (second, first),
            false => (first, second),
        }
    }

    pub(super) fn lq(&mut self, a: args::Lq) -> Out {
        // UNPREDICTABLE: the invalid forms, an odd RT and RT = RA.
        if a.rt & 1 != 0 || a.rt == a.ra {
            return self.illegal();
        }
        let addr = self.ea_disp(a.ra, a.imm as i64);
        self.load_quad(a.rt, addr)
    }

    /// Linux carries out misaligned accesses of programs (arch/powerpc/kernel/align.c); other systems see the interrupt.
    fn quad_flags(&self) -> MemFlags {
        match self.system {
            Some(_) => self.mem(4).align(4),
            None => self.mem(4),
        }
    }

    fn load_quad(&mut self, rt: u32, addr: Addr) -> Out {
        let flags = self.quad_flags();
        let v = self.b.load(Ty::V128, addr, flags);
        // A big-endian access makes the first doubleword the upper half in either order.
        let hi = self.b.vun(Op::VGet, Ty::I64, 3, v, 1);
        let lo = self.b.vun(Op::VGet, Ty::I64, 3, v, 0);
        self.set_gpr(rt & !1, hi);
        self.set_gpr(rt | 1, lo);
        Out::Next
    }

    pub(super) fn stq(&mut self, a: args::Stq) -> Out {
        if a.rs & 1 != 0 {
            return self.illegal();
        }
        let addr = self.ea_disp(a.ra, a.imm as i64);
        let (hi, lo) = (self.gpr(a.rs & !1), self.gpr(a.rs | 1));
        let v = self.pair(lo, hi);
        let flags = self.quad_flags();
        self.b.store(addr, v, flags);
        Out::Next
    }

    /// A 128-bit value from two doublewords.
    pub(super) fn pair(&mut self, lo: Value, hi: Value) -> Value {
        let lo = self.b.bitcast(Ty::V64, lo);
        let hi = self.b.bitcast(Ty::V64, hi);
        self.b.bin(Op::VConcat, Ty::V128, lo, hi)
    }

    // ---- floating point ----

    pub(super) fn lf(&mut self, a: args::Lf) -> Out {
        let addr = self.ea_disp(a.ra, a.imm as i64);
        self.load_float(a.rt, a.ra, addr, a.double, a.update && a.ra != 0)
    }

    pub(super) fn lfx(&mut self, a: args::Lfx) -> Out {
        let addr = self.ea_index(a.ra, a.rb);
        self.load_float(a.rt, a.ra, addr, a.double, a.update && a.ra != 0)
    }

    pub(super) fn stf(&mut self, a: args::Stf) -> Out {
        let addr = self.ea_disp(a.ra, a.imm as i64);
        self.store_float(a.rs, a.ra, addr, a.double, a.update && a.ra != 0)
    }

    pub(super) fn stfx(&mut self, a: args::Stfx) -> Out {
        let addr = self.ea_index(a.ra, a.rb);
        self.store_float(a.rs, a.ra, addr, a.double, a.update && a.ra != 0)
    }

    fn load_float(&mut self, frt: u32, ra: u32, addr: Addr, double: bool, update: bool) -> Out {
        if let Some(out) = self.need_fp() {
            return out;
        }
        let new_base = update.then(|| self.ea_value(addr));
        let addr = new_base.map_or(addr, |v| Addr::base_disp(v, 0));
        let v = if double {
            let flags = self.mem(3);
            self.b.load(Ty::F64, addr, flags)
        } else {
            self.load_single(addr)
        };
        if let Some(base) = new_base {
            self.set_gpr(ra, base);
        }
        self.set_fpr(frt, v);
        Out::Next
    }

    /// A binary32 in memory as a double.
    pub(super) fn load_single(&mut self, addr: Addr) -> Value {
        let flags = self.mem(2);
        let v = self.b.load(Ty::F32, addr, flags);
        self.b.un(Op::FWiden, Ty::F64, v)
    }

    fn store_float(&mut self, frs: u32, ra: u32, addr: Addr, double: bool, update: bool) -> Out {
        if let Some(out) = self.need_fp() {
            return out;
        }
        let new_base = update.then(|| self.ea_value(addr));
        let addr = new_base.map_or(addr, |v| Addr::base_disp(v, 0));
        let v = self.fpr(frs);
        if double {
            let flags = self.mem(3);
            self.b.store(addr, v, flags);
        } else {
            self.store_single(addr, v);
        }
        if let Some(base) = new_base {
            self.set_gpr(ra, base);
        }
        Out::Next
    }

    /// A double as a binary32 in memory, without rounding.
    pub(super) fn store_single(&mut self, addr: Addr, v: Value) {
        let v = self.b.un(Op::FNarrow, Ty::F32, v);
        let flags = self.mem(2);
        self.b.store(addr, v, flags);
    }

    pub(super) fn stfiwx(&mut self, a: args::Stfiwx) -> Out {
        if let Some(out) = self.need_fp() {
            return out;
        }
        let addr = self.ea_index(a.ra, a.rb);
        let v = self.fpr(a.rs);
        let v = self.b.bitcast(Ty::I64, v);
        let flags = self.mem(2);
        self.store_value(addr, v, flags);
        Out::Next
    }

    fn load_float_word(&mut self, frt: u32, ra: u32, rb: u32, signed: bool) -> Out {
        if let Some(out) = self.need_fp() {
            return out;
        }
        let addr = self.ea_index(ra, rb);
        let mut flags = self.mem(2);
        if signed {
            flags = flags.signed();
        }
        let v = self.b.load(Ty::I64, addr, flags);
        let v = self.b.bitcast(Ty::F64, v);
        self.set_fpr(frt, v);
        Out::Next
    }

    pub(super) fn lfiwax(&mut self, a: args::Lfiwax) -> Out {
        self.load_float_word(a.rt, a.ra, a.rb, true)
    }

    pub(super) fn lfiwzx(&mut self, a: args::Lfiwzx) -> Out {
        self.load_float_word(a.rt, a.ra, a.rb, false)
    }

    fn load_float_pair(&mut self, frt: u32, addr: Addr) -> Out {
        if let Some(out) = self.need_fp() {
            return out;
        }
        let (first, second) = self.quad_registers(frt);
        let flags = self.mem(3);
        let ea = self.ea_value(addr);
        let x = self.b.load(Ty::F64, Addr::base_disp(ea, 0), flags);
        let y = self.b.load(Ty::F64, Addr::base_disp(ea, 8), flags);
        self.set_fpr(first, x);
        self.set_fpr(second, y);
        Out::Next
    }

    fn store_float_pair(&mut self, frs: u32, addr: Addr) -> Out {
        if let Some(out) = self.need_fp() {
            return out;
        }
        let (first, second) = self.quad_registers(frs);
        let flags = self.mem(3);
        let ea = self.ea_value(addr);
        for (reg, disp) in [(first, 0), (second, 8)] {
            let v = self.fpr(reg);
            self.b.store(Addr::base_disp(ea, disp), v, flags);
        }
        Out::Next
    }

    pub(super) fn lfdp(&mut self, a: args::Lfdp) -> Out {
        let addr = self.ea_disp(a.ra, a.imm as i64);
        self.load_float_pair(a.rt, addr)
    }

    pub(super) fn lfdpx(&mut self, a: args::Lfdpx) -> Out {
        let addr = self.ea_index(a.ra, a.rb);
        self.load_float_pair(a.rt, addr)
    }

    pub(super) fn stfdp(&mut self, a: args::Stfdp) -> Out {
        let addr = self.ea_disp(a.ra, a.imm as i64);
        self.store_float_pair(a.rs, addr)
    }

    pub(super) fn stfdpx(&mut self, a: args::Stfdpx) -> Out {
        let addr = self.ea_index(a.ra, a.rb);
        self.store_float_pair(a.rs, addr)
    }

    /// The value of LR's or another 64-bit slot's register part.
    pub(super) fn special(&mut self, place: tcg_ir::Slot) -> Value {
        self.b.get(slot::low(place, self.w))
    }
}
