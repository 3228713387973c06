//! Environment calls, fences, hints, cache-block operations, may-be-operations.
//! [RISC-V rv32.2.7, rv32.2.8, zifencei, zihintpause, zawrs, cmo, zimop]

use tcg_ir::{Addr, MemFlags, Op};

use super::{Out, Translator};
use crate::decode::args;
use crate::trap;

/// Size of a cache block, as AT_HWCAP's companion riscv_hwprobe tells it.
const CACHE_BLOCK: i64 = 64;

/// Bits of fence sets.
const READ: u32 = 2;
const WRITE: u32 = 1;

impl Translator<'_> {
    pub(super) fn ecall(&mut self) -> Out {
        self.trap(trap::ECALL, 0, self.next)
    }

    pub(super) fn ebreak(&mut self) -> Out {
        self.trap(trap::EBREAK, 0, self.pc)
    }

    /// Only a store before a load asks anything of a host whose memory model forbids all other reordering.
    pub(super) fn fence(&mut self, a: args::Fence) -> Out {
        if self.parallel && a.pred & WRITE != 0 && a.succ & READ != 0 {
            self.b.fence();
        }
        Out::Next
    }

    pub(super) fn fence_i(&mut self) -> Out {
        // Changed code is found by its pages: nothing to flush.
        Out::Next
    }

    pub(super) fn pause(&mut self) -> Out {
        self.trap(trap::WAIT, 0, self.next)
    }

    pub(super) fn wrs_nto(&mut self) -> Out {
        self.trap(trap::WAIT, 0, self.next)
    }

    pub(super) fn wrs_sto(&mut self) -> Out {
        self.trap(trap::WAIT, 0, self.next)
    }

    pub(super) fn prefetch(&mut self, _: args::Prefetch) -> Out {
        Out::Next
    }

    /// A cache-block operation in a coherent memory: only its faults are left.
    fn touch_block(&mut self, rs1: u32) -> Out {
        let base = self.x(rs1);
        let _ = self
            .b
            .load(self.ty, Addr::base_disp(base, 0), MemFlags::size(0));
        Out::Next
    }

    pub(super) fn cbo_inval(&mut self, _: args::CboInval) -> Out {
        // Linux does not let user mode invalidate.
        self.illegal()
    }

    pub(super) fn cbo_clean(&mut self, a: args::CboClean) -> Out {
        self.touch_block(a.rs1)
    }

    pub(super) fn cbo_flush(&mut self, a: args::CboFlush) -> Out {
        self.touch_block(a.rs1)
    }

    pub(super) fn cbo_zero(&mut self, a: args::CboZero) -> Out {
        let base = self.x(a.rs1);
        let base = self.with_const(Op::AndNot, base, CACHE_BLOCK - 1);
        let zero = self.b.i64(0);
        for k in 0..8 {
            self.b
                .store(Addr::base_disp(base, 8 * k), zero, MemFlags::size(3));
        }
        Out::Next
    }

    /// A may-be-operation that no extension gives a meaning: rd is zero. [RISC-V zimop]
    pub(super) fn mop_r(&mut self, a: args::MopR) -> Out {
        let zero = self.konst(0);
        self.set_x(a.rd, zero);
        Out::Next
    }

    pub(super) fn mop_rr(&mut self, a: args::MopRr) -> Out {
        let zero = self.konst(0);
        self.set_x(a.rd, zero);
        Out::Next
    }

    pub(super) fn c_mop(&mut self, _: args::CMop) -> Out {
        Out::Next
    }
}
