//! Loads and stores of registers and pairs, core and vector. [ARMv8 C4.1.4]

use tcg_ir::{Addr, MemFlags, Op, Ty, Value};

use super::operand::R31;
use super::{Out, Translator};
use crate::decode::args;
use crate::state::slot;

/// How the base register changes: the index field's values.
const POST: u32 = 1;
const PRE: u32 = 3;

/// A load or store of one core register: log2 of its size and the opc field.
#[derive(Clone, Copy)]
struct Kind {
    size: u32,
    opc: u32,
}

impl Translator<'_> {
    /// A data access of `1 << size` bytes.
    pub(super) fn mem(&self, size: u32) -> MemFlags {
        MemFlags::size(size as u8).big_endian(self.big_endian())
    }

    /// The store or load of a core register. opc: 0 store, 1 load, 2 load signed to 64 bits, 3 to 32 bits.
    fn transfer(&mut self, k: Kind, rt: u32, addr: Addr) {
        self.transfer_as(k, rt, addr, self.mem(k.size));
    }

    fn transfer_as(&mut self, k: Kind, rt: u32, addr: Addr, mut flags: MemFlags) {
        let ty = match (k.size, k.opc) {
            (3, _) | (_, 2) => Ty::I64,
            _ => Ty::I32,
        };
        if k.opc >= 2 {
            flags = flags.signed();
        }
        if k.opc == 0 {
            let v = self.reg(ty == Ty::I64, rt);
            self.b.store(addr, v, flags);
        } else {
            let v = self.b.load(ty, addr, flags);
            self.set_reg(rt, v);
        }
    }

    /// Base and displacement by the index field, and what the base becomes.
    fn indexed(&mut self, rn: u32, index: u32, offset: i32) -> (Addr, Option<Value>) {
        let base = self.reg_sp(true, rn);
        let at = self.address(base);
        let addr = Addr::base_disp(at, if index == POST { 0 } else { offset });
        let new = (index == POST || index == PRE)
            .then(|| self.with_const(Op::Add, Ty::I64, base, i64::from(offset) as u64));
        (addr, new)
    }

    fn write_back(&mut self, rn: u32, new: Option<Value>) {
        if let Some(v) = new {
            self.b.set(slot::x(rn), v);
        }
    }

    pub(super) fn ldst_uimm(&mut self, a: args::LdstUimm) -> Out {
        let base = self.base(a.rn);
        let addr = Addr::base_disp(base, (a.imm << a.size) as i32);
        let kind = Kind {
            size: a.size,
            opc: a.opc,
        };
        self.transfer(kind, a.rt, addr);
        Out::Next
    }

    /// UNPREDICTABLE: a written-back base that is also transferred: the store sees the old value, and of a load
    /// the loaded value stays.
    pub(super) fn ldst_simm(&mut self, a: args::LdstSimm) -> Out {
        let (addr, new) = self.indexed(a.rn, a.index, a.offset);
        let kind = Kind {
            size: a.size,
            opc: a.opc,
        };
        if a.opc == 0 {
            self.transfer(kind, a.rt, addr);
            self.write_back(a.rn, new);
        } else {
            self.transfer(kind, a.rt, addr);
            if a.rt != a.rn || a.rn == R31 {
                self.write_back(a.rn, new);
            }
        }
        Out::Next
    }

    pub(super) fn ldapur(&mut self, a: args::Ldapur) -> Out {
        let base = self.base(a.rn);
        let addr = Addr::base_disp(base, a.offset);
        let kind = Kind {
            size: a.size,
            opc: a.opc,
        };
        if a.opc == 0 {
            self.transfer_ordered(kind.size, a.rt, addr, true);
        } else {
            // The host's loads are acquiring.
            let flags = self.mem(a.size).align(a.size as u8);
            self.transfer_as(kind, a.rt, addr, flags);
        }
        Out::Next
    }

    /// The address [rn, rm extended and shifted].
    fn register_address(&mut self, rn: u32, rm: u32, option: u32, shift: u32) -> Addr {
        if self.ignores_tags() {
            // The sum is what has a tag.
            let base = self.reg_sp(true, rn);
            let index = self.extended(true, rm, option, shift);
            let sum = self.b.bin(Op::Add, Ty::I64, base, index);
            return Addr::base_disp(self.address(sum), 0);
        }
        let base = self.base(rn);
        let index = self.extended(true, rm, option, 0);
        if shift > 3 {
            let index = self.shifted(Ty::I64, index, 0, shift);
            return Addr::base_index(base, index, 0);
        }
        Addr::base_index(base, index, shift as u8)
    }

    pub(super) fn ldst_reg(&mut self, a: args::LdstReg) -> Out {
        let shift = if a.shifted { a.size } else { 0 };
        let addr = self.register_address(a.rn, a.rm, a.option, shift);
        let kind = Kind {
            size: a.size,
            opc: a.opc,
        };
        self.transfer(kind, a.rt, addr);
        Out::Next
    }

    fn literal(&mut self, offset: i32) -> Addr {
        let at = self.pc.wrapping_add_signed(i64::from(offset) * 4);
        let base = self.b.i64(at);
        Addr::base_disp(base, 0)
    }

    pub(super) fn ldr_lit(&mut self, a: args::LdrLit) -> Out {
        let addr = self.literal(a.offset);
        let kind = match a.opc {
            0 => Kind { size: 2, opc: 1 },
            1 => Kind { size: 3, opc: 1 },
            _ => Kind { size: 2, opc: 2 },
        };
        self.transfer(kind, a.rt, addr);
        Out::Next
    }

    // ---- prefetch: nothing happens, whatever the address ----

    pub(super) fn prfm_lit(&mut self, _: args::PrfmLit) -> Out {
        Out::Next
    }

    pub(super) fn prfum(&mut self, _: args::Prfum) -> Out {
        Out::Next
    }

    pub(super) fn prfm_reg(&mut self, _: args::PrfmReg) -> Out {
        Out::Next
    }

    pub(super) fn prfm_imm(&mut self, _: args::PrfmImm) -> Out {
        Out::Next
    }

    // ---- pairs ----

    /// Both loads happen before a register changes: a fault at the second must find the base.
    pub(super) fn ldp(&mut self, a: args::Ldp) -> Out {
        let size = if a.opc == 2 { 3 } else { 2 };
        let offset = a.offset << size;
        let (addr, new) = self.indexed(a.rn, a.index, offset);
        let second = addr.plus(1 << size);
        let mut flags = self.mem(size);
        if !a.load {
            let v = self.reg(size == 3, a.rt);
            let w = self.reg(size == 3, a.rt2);
            self.b.store(addr, v, flags);
            self.b.store(second, w, flags);
            self.write_back(a.rn, new);
            return Out::Next;
        }
        let ty = if a.opc == 0 { Ty::I32 } else { Ty::I64 };
        if a.opc == 1 {
            flags = flags.signed();
        }
        let v = self.b.load(ty, addr, flags);
        let w = self.b.load(ty, second, flags);
        self.write_back(a.rn, new);
        self.set_reg(a.rt, v);
        self.set_reg(a.rt2, w);
        Out::Next
    }

    pub(super) fn ldp_v(&mut self, a: args::LdpV) -> Out {
        let size = a.opc + 2;
        let (addr, new) = self.indexed(a.rn, a.index, a.offset << size);
        let second = addr.plus(1 << size);
        if !a.load {
            let v = self.vector_part(size, a.rt);
            let w = self.vector_part(size, a.rt2);
            self.store_vector(size, v, addr);
            self.store_vector(size, w, second);
        } else {
            let v = self.load_vector(size, addr);
            let w = self.load_vector(size, second);
            self.set_scalar(a.rt, v);
            self.set_scalar(a.rt2, w);
        }
        self.write_back(a.rn, new);
        Out::Next
    }

    // ---- vector registers ----

    /// The low `1 << size` bytes of Vn, to be stored.
    fn vector_part(&mut self, size: u32, n: u32) -> Value {
        let ty = match size {
            0..=2 => Ty::F32,
            3 => Ty::F64,
            _ => Ty::V128,
        };
        let v = self.b.get(slot::part(n, ty));
        match size {
            0 | 1 => self.b.bitcast(Ty::I32, v),
            _ => v,
        }
    }

    fn store_vector(&mut self, size: u32, v: Value, addr: Addr) {
        let flags = self.mem(size);
        self.b.store(addr, v, flags);
    }

    fn load_vector(&mut self, size: u32, addr: Addr) -> Value {
        let flags = self.mem(size);
        let ty = match size {
            0 | 1 => Ty::I32,
            2 => Ty::F32,
            3 => Ty::F64,
            _ => Ty::V128,
        };
        self.b.load(ty, addr, flags)
    }

    fn transfer_v(&mut self, size: u32, opc: u32, rt: u32, addr: Addr) {
        let size = if opc & 2 != 0 { 4 } else { size };
        if opc & 1 == 0 {
            let v = self.vector_part(size, rt);
            self.store_vector(size, v, addr);
        } else {
            let v = self.load_vector(size, addr);
            self.set_scalar(rt, v);
        }
    }

    pub(super) fn ldst_v_uimm(&mut self, a: args::LdstVUimm) -> Out {
        let scale = if a.opc & 2 != 0 { 4 } else { a.size };
        let base = self.base(a.rn);
        let addr = Addr::base_disp(base, (a.imm << scale) as i32);
        self.transfer_v(a.size, a.opc, a.rt, addr);
        Out::Next
    }

    pub(super) fn ldst_v_simm(&mut self, a: args::LdstVSimm) -> Out {
        let (addr, new) = self.indexed(a.rn, a.index, a.offset);
        self.transfer_v(a.size, a.opc, a.rt, addr);
        self.write_back(a.rn, new);
        Out::Next
    }

    pub(super) fn ldst_v_reg(&mut self, a: args::LdstVReg) -> Out {
        let scale = if a.opc & 2 != 0 { 4 } else { a.size };
        let shift = if a.shifted { scale } else { 0 };
        let addr = self.register_address(a.rn, a.rm, a.option, shift);
        self.transfer_v(a.size, a.opc, a.rt, addr);
        Out::Next
    }

    pub(super) fn ldr_lit_v(&mut self, a: args::LdrLitV) -> Out {
        let addr = self.literal(a.offset);
        let v = self.load_vector(a.opc + 2, addr);
        self.set_scalar(a.rt, v);
        Out::Next
    }
}
