//! Loads and stores of integer registers. [RISC-V rv32.2.6, rv64.4.3]
//!
//! Any alignment works, as Linux promises to user mode.

use tcg_ir::{Addr, MemFlags, Ty, Value};

use super::{Out, Translator};
use crate::decode::args;

macro_rules! loads {
    ($($name:ident $Name:ident = $flags:expr;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            let addr = self.addr(a.rs1, a.imm);
            let v = self.b.load(self.ty, addr, $flags);
            self.set_x(a.rd, v);
            Out::Next
        }
    )*};
}

macro_rules! stores {
    ($($name:ident $Name:ident = $size:expr;)*) => {$(
        pub(super) fn $name(&mut self, a: args::$Name) -> Out {
            let addr = self.addr(a.rs1, a.imm);
            let v = self.x(a.rs2);
            self.b.store(addr, v, MemFlags::size($size));
            Out::Next
        }
    )*};
}

impl Translator<'_> {
    loads! {
        lb Lb = MemFlags::size(0).signed();
        lh Lh = MemFlags::size(1).signed();
        lw Lw = MemFlags::size(2).signed();
        ld Ld = MemFlags::size(3);
        lbu Lbu = MemFlags::size(0);
        lhu Lhu = MemFlags::size(1);
        lwu Lwu = MemFlags::size(2);
    }

    stores! {
        sb Sb = 0;
        sh Sh = 1;
        sw Sw = 2;
        sd Sd = 3;
    }

    /// rs1 + imm.
    pub(super) fn addr(&mut self, rs1: u32, imm: i32) -> Addr {
        let base = self.x(rs1);
        self.addr_of(base, imm)
    }

    /// base + imm; a constant address of 64 bits that fits 32 needs no register.
    fn addr_of(&mut self, base: Value, imm: i32) -> Addr {
        if self.ty == Ty::I64
            && let Some(c) = self.b.as_const(base)
        {
            let sum = c.wrapping_add_signed(i64::from(imm));
            return match u32::try_from(sum) {
                Ok(low) => Addr::absolute(low),
                Err(_) => Addr::base_disp(self.b.i64(sum), 0),
            };
        }
        Addr::base_disp(base, imm)
    }
}
