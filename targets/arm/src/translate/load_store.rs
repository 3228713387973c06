//! Loads and stores of one register or a pair. [ARMv7 A5.2.8, A5.3, A6.3.7 to A6.3.10]
//!
//! User mode on Linux: unaligned words and halfwords work from ARMv6; before it, loads of words rotate and
//! stores ignore the low address bits. Pairs that the hardware would fault are fixed up by the kernel, so they
//! simply work. The unprivileged variants (LDRT and its kin) are the plain ones in user mode.

use tcg_ir::{Addr, IndirectHint, MemFlags, Op, Ty, Value};

use super::operand::LSL;
use super::{Out, Translator};
use crate::decode::{Feature, args};

/// How an instruction addresses memory.
#[derive(Clone, Copy)]
struct Index {
    p: bool,
    u: bool,
    w: bool,
    rn: u32,
    offset: Offset,
}

#[derive(Clone, Copy)]
enum Offset {
    Imm(u32),
    Reg { rm: u32, shift: u32, amount: u32 },
}

/// An access's address, and the base register's new value.
struct Place {
    addr: Addr,
    writeback: Option<Value>,
}

/// Size and extension of a load or store.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Item {
    Word,
    Byte,
    Half,
    SignedByte,
    SignedHalf,
}

impl Item {
    const fn flags(self) -> MemFlags {
        match self {
            Item::Word => MemFlags::size(2),
            Item::Byte => MemFlags::size(0),
            Item::Half => MemFlags::size(1),
            Item::SignedByte => MemFlags::size(0).signed(),
            Item::SignedHalf => MemFlags::size(1).signed(),
        }
    }
}

macro_rules! imm_index {
    ($a:ident) => {
        Index {
            p: $a.p,
            u: $a.u,
            w: $a.w,
            rn: $a.rn,
            offset: Offset::Imm($a.imm),
        }
    };
}

macro_rules! reg_index {
    ($a:ident, $shift:expr, $amount:expr) => {
        Index {
            p: $a.p,
            u: $a.u,
            w: $a.w,
            rn: $a.rn,
            offset: Offset::Reg {
                rm: $a.rm,
                shift: $shift,
                amount: $amount,
            },
        }
    };
}

/// Handlers with immediate and register offset. `shifted`: the register's row has a shift.
macro_rules! accesses {
    ($($do:ident $item:ident: $imm:ident $Imm:ident, $reg:ident $Reg:ident $kind:ident;)*) => {$(
        pub(super) fn $imm(&mut self, a: args::$Imm) -> Out {
            self.$do(Item::$item, imm_index!(a), a.rt)
        }
        pub(super) fn $reg(&mut self, a: args::$Reg) -> Out {
            self.$do(Item::$item, accesses!(@ $kind a), a.rt)
        }
    )*};
    (@ shifted $a:ident) => { reg_index!($a, $a.shift, $a.amount) };
    (@ plain $a:ident) => { reg_index!($a, 0, 0) };
}

impl Translator<'_> {
    accesses! {
        load Word: ldr_imm LdrImm, ldr_reg LdrReg shifted;
        load Word: ldrt_imm LdrtImm, ldrt_reg LdrtReg shifted;
        load Byte: ldrb_imm LdrbImm, ldrb_reg LdrbReg shifted;
        load Byte: ldrbt_imm LdrbtImm, ldrbt_reg LdrbtReg shifted;
        load Half: ldrh_imm LdrhImm, ldrh_reg LdrhReg shifted;
        load Half: ldrht_imm LdrhtImm, ldrht_reg LdrhtReg plain;
        load SignedByte: ldrsb_imm LdrsbImm, ldrsb_reg LdrsbReg shifted;
        load SignedByte: ldrsbt_imm LdrsbtImm, ldrsbt_reg LdrsbtReg plain;
        load SignedHalf: ldrsh_imm LdrshImm, ldrsh_reg LdrshReg shifted;
        load SignedHalf: ldrsht_imm LdrshtImm, ldrsht_reg LdrshtReg plain;
        store Word: str_imm StrImm, str_reg StrReg shifted;
        store Word: strt_imm StrtImm, strt_reg StrtReg shifted;
        store Byte: strb_imm StrbImm, strb_reg StrbReg shifted;
        store Byte: strbt_imm StrbtImm, strbt_reg StrbtReg shifted;
        store Half: strh_imm StrhImm, strh_reg StrhReg shifted;
        store Half: strht_imm StrhtImm, strht_reg StrhtReg plain;
    }

    pub(super) fn ldrd_imm(&mut self, a: args::LdrdImm) -> Out {
        self.load_pair(imm_index!(a), a.rt, a.rt2)
    }

    pub(super) fn ldrd_reg(&mut self, a: args::LdrdReg) -> Out {
        self.load_pair(reg_index!(a, 0, 0), a.rt, a.rt2)
    }

    pub(super) fn strd_imm(&mut self, a: args::StrdImm) -> Out {
        self.store_pair(imm_index!(a), a.rt, a.rt2)
    }

    pub(super) fn strd_reg(&mut self, a: args::StrdReg) -> Out {
        self.store_pair(reg_index!(a, 0, 0), a.rt, a.rt2)
    }

    /// base + offset as an address expression.
    fn offset_addr(&mut self, base: Value, u: bool, offset: Offset) -> Addr {
        match offset {
            Offset::Imm(imm) if u => Addr::base_disp(base, imm as i32),
            Offset::Imm(imm) => Addr::base_disp(base, (imm as i32).wrapping_neg()),
            Offset::Reg { rm, shift, amount } => {
                let m = self.reg(rm);
                if u && shift == LSL && amount <= 3 {
                    return Addr::base_index(base, m, amount as u8);
                }
                let m = self.shift_imm(m, shift, amount, false).value;
                if u {
                    return Addr::base_index(base, m, 0);
                }
                Addr::base_disp(self.b.bin(Op::Sub, Ty::I32, base, m), 0)
            }
        }
    }

    /// base + offset as a value.
    fn offset_value(&mut self, base: Value, u: bool, offset: Offset) -> Value {
        let op = if u { Op::Add } else { Op::Sub };
        match offset {
            Offset::Imm(imm) => {
                let delta = if u { imm } else { imm.wrapping_neg() };
                self.with_const(Op::Add, base, delta)
            }
            Offset::Reg { rm, shift, amount } => {
                let m = self.reg(rm);
                let m = self.shift_imm(m, shift, amount, false).value;
                self.b.bin(op, Ty::I32, base, m)
            }
        }
    }

    fn place(&mut self, x: Index) -> Place {
        let base = if x.rn == 15 {
            let pc = self.read_pc() & !3;
            self.b.i32(pc)
        } else {
            self.reg(x.rn)
        };
        let writeback = (!x.p || x.w).then(|| self.offset_value(base, x.u, x.offset));
        let addr = match (x.p, writeback, x.offset) {
            (false, ..) => Addr::base_disp(base, 0),
            // The sum is needed anyway.
            (true, Some(sum), Offset::Reg { .. }) => Addr::base_disp(sum, 0),
            (true, ..) => self.offset_addr(base, x.u, x.offset),
        };
        Place { addr, writeback }
    }

    fn write_back(&mut self, rn: u32, place: &Place) {
        if let Some(v) = place.writeback {
            self.set_reg(rn, v);
        }
    }

    /// Flags of an access in the current byte order.
    pub(super) fn mem(&self, flags: MemFlags) -> MemFlags {
        flags.big_endian(self.big_endian())
    }

    /// The address as one value.
    fn flat(&mut self, addr: Addr) -> Value {
        let mut v = addr.base;
        if addr.index.is_some() {
            let index = self.with_const(Op::Shl, addr.index, u32::from(addr.shift));
            v = self.b.bin(Op::Add, Ty::I32, v, index);
        }
        self.with_const(Op::Add, v, addr.disp as u32)
    }

    /// Whether a word access before ARMv6 may be taken for aligned: on the stack or from a literal pool.
    fn assumed_aligned(&self, x: Index) -> bool {
        let imm = matches!(x.offset, Offset::Imm(i) if i & 3 == 0);
        self.has(Feature::V6) || (imm && (x.rn == 13 || x.rn == 15))
    }

    fn load_word_rotated(&mut self, addr: Addr) -> Value {
        let a = self.flat(addr);
        let aligned = self.with_const(Op::AndNot, a, 3);
        let flags = self.mem(MemFlags::size(2));
        let word = self.b.load(Ty::I32, Addr::base_disp(aligned, 0), flags);
        let low = self.with_const(Op::And, a, 3);
        let by = self.with_const(Op::Shl, low, 3);
        self.b.bin(Op::Rotr, Ty::I32, word, by)
    }

    fn load(&mut self, item: Item, x: Index, rt: u32) -> Out {
        let place = self.place(x);
        let value = if item == Item::Word && !self.assumed_aligned(x) {
            self.load_word_rotated(place.addr)
        } else {
            let flags = self.mem(item.flags());
            self.b.load(Ty::I32, place.addr, flags)
        };
        self.write_back(x.rn, &place);
        if rt != 15 {
            self.set_reg(rt, value);
            return Out::Next;
        }
        if item != Item::Word {
            // UNPREDICTABLE: byte and halfword loads to R15 (where they are no hints).
            return Out::Next;
        }
        let hint = match x.offset {
            Offset::Imm(_) if x.rn == 13 => IndirectHint::Return,
            Offset::Imm(_) => IndirectHint::Jump,
            Offset::Reg { .. } => IndirectHint::Table,
        };
        self.jump_loaded(value, hint)
    }

    fn store(&mut self, item: Item, x: Index, rt: u32) -> Out {
        let mut place = self.place(x);
        let value = self.reg(rt);
        if item == Item::Word && !self.assumed_aligned(x) {
            let a = self.flat(place.addr);
            place.addr = Addr::base_disp(self.with_const(Op::AndNot, a, 3), 0);
        }
        let flags = self.mem(item.flags());
        self.b.store(place.addr, value, flags);
        self.write_back(x.rn, &place);
        Out::Next
    }

    fn load_pair(&mut self, x: Index, rt: u32, rt2: u32) -> Out {
        if rt2 >= 15 || rt == 15 {
            // UNPREDICTABLE: R15 in a pair.
            return self.undefined();
        }
        let place = self.place(x);
        let flags = self.mem(MemFlags::size(2));
        let first = self.b.load(Ty::I32, place.addr, flags);
        let second = self.b.load(Ty::I32, place.addr.plus(4), flags);
        self.write_back(x.rn, &place);
        self.set_reg(rt, first);
        self.set_reg(rt2, second);
        Out::Next
    }

    fn store_pair(&mut self, x: Index, rt: u32, rt2: u32) -> Out {
        if rt2 >= 15 || rt == 15 {
            // UNPREDICTABLE: R15 in a pair.
            return self.undefined();
        }
        let place = self.place(x);
        let flags = self.mem(MemFlags::size(2));
        let first = self.reg(rt);
        let second = self.reg(rt2);
        self.b.store(place.addr, first, flags);
        self.b.store(place.addr.plus(4), second, flags);
        self.write_back(x.rn, &place);
        Out::Next
    }
}
