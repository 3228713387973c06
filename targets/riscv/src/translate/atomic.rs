//! Load-reserved and store-conditional, atomic memory operations, compare-and-swap. [RISC-V a, zacas, zabha]
//!
//! A load-reserved notes its address and value; a store-conditional is a compare-and-swap against that value.
//! Where the program loads more in between, the engine runs the window alone (ADR 5). All of them are sequentially
//! consistent, whatever aq and rl say.

use tcg_ir::{Addr, Cond, MemFlags, Op, Order, RegionKind, Ty, Value};

use super::{Out, Translator};
use crate::decode::args;
use crate::state::{NO_RESERVATION, slot};

macro_rules! operations {
    ($($name:ident $Name:ident = $what:expr;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            self.operation($what, a.rd, a.rs1, a.rs2, a.size)
        }
    )*};
}

const fn flags(size: u32) -> MemFlags {
    MemFlags::size(size as u8)
        .align(size as u8)
        .order(Order::SeqCst)
}

impl Translator<'_> {
    operations! {
        amoswap Amoswap = 0;
        amoadd Amoadd = 1;
        amoand Amoand = 2;
        amoor Amoor = 3;
        amoxor Amoxor = 4;
        amomax Amomax = 6;
        amomin Amomin = 7;
        amomaxu Amomaxu = 8;
        amominu Amominu = 9;
    }

    /// Type of an access.
    const fn access_type(size: u32) -> Ty {
        if size == 3 { Ty::I64 } else { Ty::I32 }
    }

    /// A register as an operand of an access: its low part.
    fn operand(&mut self, n: u32, size: u32) -> Value {
        let v = self.x(n);
        if size == 3 { v } else { self.low(v) }
    }

    /// The value of memory, sign-extended to a register's.
    fn loaded(&mut self, v: Value, size: u32) -> Value {
        match size {
            0 => {
                let v = self.b.un(Op::Sext8, Ty::I32, v);
                self.extended(v)
            }
            1 => {
                let v = self.b.un(Op::Sext16, Ty::I32, v);
                self.extended(v)
            }
            2 => self.extended(v),
            _ => v,
        }
    }

    fn operation(&mut self, what: u8, rd: u32, rs1: u32, rs2: u32, size: u32) -> Out {
        let base = self.x(rs1);
        let value = self.operand(rs2, size);
        let ty = Self::access_type(size);
        let old = self.b.atomic_rmw(what, ty, base, 0, value, flags(size));
        let old = self.loaded(old, size);
        self.set_x(rd, old);
        Out::Next
    }

    pub(super) fn lr_w(&mut self, a: args::LrW) -> Out {
        self.load_reserved(a.rd, a.rs1, 2)
    }

    pub(super) fn lr_d(&mut self, a: args::LrD) -> Out {
        self.load_reserved(a.rd, a.rs1, 3)
    }

    pub(super) fn sc_w(&mut self, a: args::ScW) -> Out {
        self.store_conditional(a.rd, a.rs1, a.rs2, 2)
    }

    pub(super) fn sc_d(&mut self, a: args::ScD) -> Out {
        self.store_conditional(a.rd, a.rs1, a.rs2, 3)
    }

    fn load_reserved(&mut self, rd: u32, rs1: u32, size: u32) -> Out {
        let base = self.x(rs1);
        let ty = Self::access_type(size);
        let v = self.b.load(ty, Addr::base_disp(base, 0), flags(size));
        let addr = self.as_i64(base);
        let noted = match size {
            3 => v,
            _ => self.b.un(Op::ZextI64, Ty::I64, v),
        };
        self.b.set(slot::RESERVED_ADDR, addr);
        self.b.set(slot::RESERVED_VAL, noted);
        let v = self.loaded(v, size);
        self.set_x(rd, v);
        Out::Next
    }

    /// The store happens in a region of its own; the result and the reservation change behind it, so that a fault finds
    /// them as they were.
    fn store_conditional(&mut self, rd: u32, rs1: u32, rs2: u32, size: u32) -> Out {
        let base = self.x(rs1);
        let value = self.operand(rs2, size);
        let ty = Self::access_type(size);
        let addr = self.as_i64(base);
        let noted = self.b.get(slot::RESERVED_ADDR);
        let mut expected = self.b.get(slot::RESERVED_VAL);
        if ty == Ty::I32 {
            expected = self.b.un(Op::Trunc, ty, expected);
        }
        let matches = self.b.icmp(Cond::Eq, noted, addr);
        // The outcome goes through a slot that is free to be overwritten: the reservation's value.
        let one = self.b.i64(1);
        self.b.begin_if(matches, RegionKind::Simple);
        let found = self.b.atomic_cas(ty, base, 0, expected, value, flags(size));
        let failed = self.b.icmp(Cond::Ne, found, expected);
        let failed = self.b.un(Op::ZextI64, Ty::I64, failed);
        self.b.set(slot::RESERVED_VAL, failed);
        self.b.end_if();
        let result = self.b.get(slot::RESERVED_VAL);
        // No match: failed, too.
        let status = self.b.sel(matches, result, one);
        let status = self.narrowed(status);
        self.set_x(rd, status);
        let none = self.b.i64(NO_RESERVATION);
        self.b.set(slot::RESERVED_ADDR, none);
        Out::Next
    }

    pub(super) fn amocas(&mut self, a: args::Amocas) -> Out {
        let pair = a.size == 3 && !self.is_64();
        let base = self.x(a.rs1);
        if a.size == 4 {
            return self.amocas_quad(base, a.rd, a.rs2);
        }
        if pair {
            if a.rd & 1 != 0 || a.rs2 & 1 != 0 {
                return self.illegal();
            }
            let (expected, new) = (self.pair(a.rd), self.pair(a.rs2));
            let old = self.b.atomic_cas(Ty::I64, base, 0, expected, new, flags(3));
            let low = self.b.un(Op::Trunc, Ty::I32, old);
            let high = self.b.un(Op::Hi32, Ty::I32, old);
            if a.rd != 0 {
                self.set_x(a.rd, low);
                self.set_x(a.rd + 1, high);
            }
            return Out::Next;
        }
        let ty = Self::access_type(a.size);
        let expected = self.narrow(a.rd, a.size);
        let new = self.narrow(a.rs2, a.size);
        let old = self.b.atomic_cas(ty, base, 0, expected, new, flags(a.size));
        let old = self.loaded(old, a.size);
        self.set_x(a.rd, old);
        Out::Next
    }

    /// 16 bytes in pairs of registers (RV64).
    fn amocas_quad(&mut self, base: Value, rd: u32, rs2: u32) -> Out {
        if rd & 1 != 0 || rs2 & 1 != 0 {
            return self.illegal();
        }
        let [expected, new] = [rd, rs2].map(|n| {
            let (low, high) = match n {
                0 => (self.b.i64(0), self.b.i64(0)),
                _ => (self.x(n), self.x(n + 1)),
            };
            let low = self.b.bitcast(Ty::V64, low);
            let high = self.b.bitcast(Ty::V64, high);
            self.b.bin(Op::VConcat, Ty::V128, low, high)
        });
        let old = self
            .b
            .atomic_cas(Ty::V128, base, 0, expected, new, flags(4));
        if rd != 0 {
            let low = self.b.vun(Op::VGet, Ty::I64, 3, old, 0);
            let high = self.b.vun(Op::VGet, Ty::I64, 3, old, 1);
            self.set_x(rd, low);
            self.set_x(rd + 1, high);
        }
        Out::Next
    }

    /// The operand with nothing above its size.
    fn narrow(&mut self, n: u32, size: u32) -> Value {
        let v = self.operand(n, size);
        match size {
            0 => self.b.un(Op::Zext8, Ty::I32, v),
            1 => self.b.un(Op::Zext16, Ty::I32, v),
            _ => v,
        }
    }

    /// A register pair (RV32); x0 as the first is zero.
    fn pair(&mut self, n: u32) -> Value {
        if n == 0 {
            return self.b.i64(0);
        }
        let (low, high) = (self.x(n), self.x(n + 1));
        self.b.bin(Op::Concat, Ty::I64, low, high)
    }
}
