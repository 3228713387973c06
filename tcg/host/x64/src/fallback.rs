//! Operations without inline code: called out of line, operands and result through the header's scratch area.

use crate::abi::*;
use crate::cc::NO_FLAGS;
use crate::compiler::Gen;
use crate::enc::{Alu, Mem, Rm};
use tcg_ir::eval::OpDesc;
use tcg_ir::{Inst, Op, Ty, Value};
use tcg_target::EnvHeader;

/// The generic evaluator: the engine puts it into its helper table directly behind the ISA's own helpers.
///
/// `a`, `b`: the packed [`OpDesc`]. Operands are in `scratch[0..3]`, the result comes back in `scratch[0]` and (low 64
/// bits) as the return value. Sticky flags are added to `header.fp_flags`.
///
/// # Safety
/// `env` points at the state block of a live environment.
pub unsafe extern "C" fn fallback(env: *mut u8, a: u64, b: u64, _c: u64, _d: u64) -> u64 {
    // SAFETY: the header lies directly below the state block (contract of the environment).
    let header = unsafe { &mut *env.cast::<EnvHeader>().sub(1) };
    let Some(desc) = OpDesc::unpack([a, b]) else {
        return 0;
    };
    let mut args = [0; 3];
    for (k, x) in args.iter_mut().enumerate() {
        *x = header.scratch[k] & mask(desc.arg_ty[k]);
    }
    let mut flags = 0;
    let r = desc.run(args, &mut flags);
    header.fp_flags |= flags;
    header.scratch[0] = r;
    r as u64
}

fn mask(ty: Ty) -> u128 {
    match ty.bytes() {
        4 => u128::from(u32::MAX),
        8 => u128::from(u64::MAX),
        16 => u128::MAX,
        // Condition codes: a nibble.
        _ => 15,
    }
}

impl Gen<'_> {
    /// Calls the evaluator for `i`.
    pub fn emit_fallback(&mut self, v: Value, i: &Inst) {
        let Some(desc) = OpDesc::of(self.b, i) else {
            debug_assert!(false, "no code for {}", i.op.name());
            self.give_up();
            return;
        };
        self.restore_regime();
        for a in i.args {
            if a.is_some() {
                self.settle_test(a);
            }
        }
        for (k, a) in i.args.iter().enumerate() {
            if a.is_some() {
                self.operand_to_scratch(k, *a);
            }
        }
        self.save_live();
        self.drop_caller_saved();
        let [w0, w1] = desc.pack();
        self.a.mov_imm(RSI, w0);
        self.a.mov_imm(RDX, w1);
        self.call_helper(self.helpers.len() as i32);
        self.flags = NO_FLAGS;
        self.pinned = self.region.pins;
        let d = self.def(v);
        let ty = self.ty(v);
        if ty.is_vec_class() {
            self.load_reg(ty, d, Mem::env(SCRATCH));
        } else {
            self.a.mov(ty == Ty::I64, d, Rm::R(RAX));
        }
    }

    fn operand_to_scratch(&mut self, k: usize, a: Value) {
        let ty = self.ty(a);
        if ty.is_vec_class() {
            return self.vec_to_scratch(k, a);
        }
        let m = Mem::env(SCRATCH + 16 * k as i32);
        let r = self.reg_of(a);
        if r == NOREG {
            self.load_scratch(a);
            return self.store_reg(ty, m, RAX);
        }
        self.store_reg(ty, m, r);
    }

    /// Before Rust code or the end of the block: MXCSR back to regime 0.
    pub fn restore_regime(&mut self) {
        debug_assert_eq!(self.regime, 0);
    }

    pub fn emit_fp_flags(&mut self, v: Value, i: &Inst) {
        let m = Mem::env(FP_FLAGS);
        if i.op == Op::FpFlagsGet {
            let d = self.def(v);
            return self.a.mov(false, d, Rm::M(m));
        }
        let r = self.reg(i.args[0]);
        self.a.store(false, m, r);
        let _ = Alu::And;
    }
}
