//! Helper calls: arguments, saving what lives on, switching to the Rust stack, results.

use crate::Runtime;
use crate::abi::*;
use crate::cc::NO_FLAGS;
use crate::compiler::Gen;
use crate::enc::{Alu, Mem, Opc, Rm, x86cc};
use tcg_ir::{Effects, Inst, Ty, Value};
use tcg_opt::NONE;

/// Integer argument registers behind the environment.
const ARGS: [u8; 4] = [RSI, RDX, RCX, R8];

impl Gen<'_> {
    pub fn emit_call(&mut self, v: Value, i: &Inst) {
        let b = self.b;
        let (start, len) = (i.args[0].0 as usize, i.args[1].0 as usize);
        let args = &b.pool[start..start + len];
        let has_state = i.calls_with_state();
        self.restore_regime();
        for a in args {
            self.pin(*a);
        }
        for a in args {
            self.settle_test(*a);
        }
        if has_state {
            self.flush();
            self.keep_from = self.pos + 1;
            self.rescue_homes();
        }
        self.save_live();
        self.load_args(args);
        self.drop_caller_saved();
        if has_state {
            // The program counter is exact for helpers that look at it; arguments stay untouched.
            self.store_pc_keeping_args();
            self.store_mode(self.guest_mode);
            self.forget_homes();
            self.pins_to_memory();
        }
        self.call_helper(i.imm as i32);
        if has_state {
            self.pins_from_memory();
        }
        if i.lane == Effects::StateMayExit as u8 {
            self.a
                .alu_imm(Alu::Cmp, false, Rm::M(Mem::env(EXIT_KIND)), 0);
            let l = self.new_label();
            self.jcc(x86cc::NE, l);
            let snap = self.begin_cold(l);
            self.jump_runtime(Runtime::CheckExit);
            self.end_cold(snap);
        }
        self.flags = NO_FLAGS;
        self.pinned = self.region.pins;
        for a in args {
            self.done_with(*a);
        }
        self.take_result(v, i.ty);
    }

    fn store_pc_keeping_args(&mut self) {
        let pc = self.guest_pc;
        let m = Mem::env(PC);
        if pc as i64 == pc as i32 as i64 {
            self.a.store_imm(true, m, pc as i32);
        } else {
            self.a.mov_imm(RAX, pc);
            self.a.store(true, m, RAX);
        }
    }

    /// Arguments into their registers. One whose register is itself an argument register goes through memory.
    fn load_args(&mut self, args: &[Value]) {
        for (k, a) in args.iter().enumerate() {
            let ty = self.ty(*a);
            if matches!(ty, Ty::V64 | Ty::V128) {
                self.vec_to_scratch(k, *a);
                continue;
            }
            let r = self.reg_of(*a);
            if r < 16 && ARGS.contains(&r) && self.place_of(*a).is_none() {
                self.spill(*a);
            }
        }
        // Constants and memory last: sources in other registers are not touched.
        for (k, a) in args.iter().take(4).enumerate() {
            let ty = self.ty(*a);
            let dst = ARGS[k];
            let r = self.reg_of(*a);
            match ty {
                Ty::V64 | Ty::V128 => {}
                Ty::F32 | Ty::F64 => {
                    if r != NOREG {
                        self.mov_gx(false, ty == Ty::F64, r, dst);
                    } else if let Some(place) = self.place_of(*a) {
                        self.a.mov(ty == Ty::F64, dst, place);
                    } else {
                        self.load_into(*a, XMM15);
                        self.mov_gx(false, ty == Ty::F64, XMM15, dst);
                    }
                }
                _ if r != NOREG && !ARGS.contains(&r) => self.move_reg(ty, dst, r),
                _ => match self.place_of(*a) {
                    Some(place) => self.load_place(ty, dst, place),
                    None => self.load_into(*a, dst),
                },
            }
            // The register's old value must be found in memory from now on.
            self.displace(dst);
        }
    }

    /// The value in register `r` has been overwritten: it must have been saved before.
    fn displace(&mut self, r: u8) {
        let v = self.regs[r as usize];
        if v != NONE {
            self.unbind(Value(v));
        }
        self.pinned |= 1 << r;
    }

    /// Stores a vector operand to the header's scratch area.
    pub fn vec_to_scratch(&mut self, k: usize, a: Value) {
        let ty = self.ty(a);
        let m = Mem::env(SCRATCH + 16 * k as i32);
        let r = self.reg_of(a);
        let r = if r != NOREG {
            r
        } else {
            self.load_into(a, XMM15);
            XMM15
        };
        self.store_reg(ty, m, r);
    }

    /// Everything that lives on and that a call would destroy is also in memory afterwards.
    pub fn save_live(&mut self) {
        for r in 0..32u8 {
            let v = self.regs[r as usize];
            if CALLEE_SAVED >> r & 1 == 0 && v != NONE && self.next_use(Value(v)) != 0 {
                self.save(Value(v));
            }
        }
    }

    /// Registers that a call destroys hold nothing any more.
    pub fn drop_caller_saved(&mut self) {
        for r in 0..32u8 {
            let v = self.regs[r as usize];
            if CALLEE_SAVED >> r & 1 == 0 && v != NONE {
                self.unbind(Value(v));
            }
        }
    }

    pub fn call_helper(&mut self, id: i32) {
        self.keep_pins(false);
        self.a.mov(true, RDI, Rm::R(RBP));
        self.a.store(true, Mem::env(JIT_RSP), RSP);
        self.a.mov(true, RSP, Rm::M(Mem::env(HOST_RSP)));
        self.a.mov(true, RAX, Rm::M(Mem::env(HELPERS)));
        self.a
            .op(Opc(0, 0, 0xff), false, 2, Rm::M(Mem::base(RAX, id * 8)));
        self.a.mov(true, RSP, Rm::M(Mem::env(JIT_RSP)));
        self.keep_pins(true);
    }

    fn take_result(&mut self, v: Value, ty: Ty) {
        if ty == Ty::Void || self.dies(v) {
            return;
        }
        let d = self.def(v);
        match ty {
            Ty::F32 | Ty::F64 => self.mov_gx(true, ty == Ty::F64, d, RAX),
            Ty::V64 | Ty::V128 => self.load_reg(ty, d, Mem::env(SCRATCH)),
            _ => self.a.mov(ty == Ty::I64, d, Rm::R(RAX)),
        }
    }
}
