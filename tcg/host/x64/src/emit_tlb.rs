//! Guest memory of a whole machine: the look into the soft TLB in front of every access, and the way out where it has no
//! entry.
//!
//! The address is combined by exclusive or with the entry's tag. If the page is the right one, what remains is the offset in
//! it; if not, or if the access would cross the page's end, it is larger than any offset that is allowed. So one comparison
//! decides, and the host address is that offset from the page's.
//!
//! [`Runtime::Memory`] is called with the address in `rax`, behind a push of what is wanted ([`want`]: log2 of the size and the
//! kind; the soft TLB's number from bit 8). A load and an atomic access get a host address in `rax`, where the instruction then does its work; a store has
//! put its value into the header's scratch area and is done on return. All other registers are kept. If the access fails,
//! the call does not return: the state is rebuilt from the location map of the return address.

use crate::Runtime;
use crate::abi::*;
use crate::cc::NO_FLAGS;
use crate::compiler::Gen;
use crate::emit_branch::Snapshot;
use crate::enc::{Alu, Mem, Opc, Rm, Sh, x86cc};
use std::mem::offset_of;
use tcg_ir::Ty;
use tcg_target::{TLB_BYTES, TLB_ENTRIES, TlbEntry};

/// log2 of the size of an entry.
const ENTRY_BITS: u8 = size_of::<TlbEntry>().trailing_zeros() as u8;
/// log2 of the size of a page.
const PAGE_BITS: u8 = 12;

/// Where the cold part of an access begins, and where it comes back to.
struct Miss {
    cold: u32,
    back: u32,
}

impl Gen<'_> {
    /// A field of the entry whose offset in the soft TLB is in `rax`.
    fn entry(mmu: u8, field: usize) -> Mem {
        Mem {
            index: RAX,
            ..Mem::env(TLBS + i32::from(mmu) * TLB_BYTES as i32 + field as i32)
        }
    }

    /// The address of an operand into `r`.
    fn address_into(&mut self, m: Mem, r: u8) {
        let flat = Mem {
            gs: false,
            a32: false,
            ..m
        };
        if m.base == NOREG && m.index == NOREG {
            self.a.mov_imm(r, u64::from(m.disp as u32));
        } else if m.index == NOREG && m.disp == 0 {
            self.a.mov(!m.a32, r, Rm::R(m.base));
        } else {
            self.a.lea(!m.a32, r, flat);
        }
    }

    /// Looks the page of `m` up. Behind it, `t` is the offset in the page and `rax` that of the entry.
    fn find_entry(&mut self, mmu: u8, m: Mem, log2: u8, write: bool, t: u8) -> Miss {
        self.address_into(m, t);
        let shift = PAGE_BITS - ENTRY_BITS;
        if self.f.bmi2 {
            const RORX: Opc = Opc(0xf2, 3, 0xf0);
            self.a.vex_i8(RORX, false, RAX, 0, Rm::R(t), shift);
        } else {
            self.a.mov(false, RAX, Rm::R(t));
            self.a.shift_imm(Sh::Shr, false, Rm::R(RAX), shift);
        }
        let mask = (TLB_ENTRIES as i32 - 1) << ENTRY_BITS;
        self.a.alu_imm(Alu::And, false, Rm::R(RAX), mask);
        let tag = match write {
            false => offset_of!(TlbEntry, read),
            true => offset_of!(TlbEntry, write),
        };
        self.a.alu(Alu::Xor, true, t, Rm::M(Self::entry(mmu, tag)));
        let last = (1 << PAGE_BITS) - (1 << log2);
        self.a.alu_imm(Alu::Cmp, true, Rm::R(t), last);
        self.flags = NO_FLAGS;
        let miss = Miss {
            cold: self.new_label(),
            back: self.new_label(),
        };
        self.jcc(x86cc::A, miss.cold);
        miss
    }

    /// Calls the runtime for the address in `rax`.
    fn call_memory(&mut self, mmu: u8, what: i32) {
        self.a.push_imm(i32::from(mmu) << 8 | what);
        let m = Mem::env(RUNTIME + Runtime::Memory as i32 * 8);
        self.a.op(Opc(0, 0, 0xff), false, 2, Rm::M(m));
        self.map_site();
    }

    fn host_of_entry(mmu: u8) -> Mem {
        Self::entry(mmu, offset_of!(TlbEntry, host))
    }

    fn end_miss(&mut self, snap: Snapshot, back: u32) {
        self.jmp(back);
        self.end_cold(snap);
    }

    /// The host memory operand of a load from `m`; `t` is a register that is free for it, and may be one of `m`'s.
    pub fn load_operand(&mut self, mmu: u8, m: Mem, log2: u8, t: u8) -> Mem {
        let miss = self.find_entry(mmu, m, log2, false, t);
        let snap = self.begin_cold(miss.cold);
        // The address again: only this thread makes entries for loads.
        let tag = Self::entry(mmu, offset_of!(TlbEntry, read));
        self.a.alu(Alu::Xor, true, t, Rm::M(tag));
        self.a.mov(true, RAX, Rm::R(t));
        self.call_memory(mmu, want::LOAD | i32::from(log2));
        self.a.alu(Alu::Xor, false, t, Rm::R(t));
        self.end_miss(snap, miss.back);
        self.a.mov(true, RAX, Rm::M(Self::host_of_entry(mmu)));
        self.bind_label(miss.back);
        Mem {
            index: t,
            ..Mem::base(RAX, 0)
        }
    }

    /// A store to `m`; `put` stores the value to an operand, all of it in registers already.
    pub fn store_operand(
        &mut self,
        mmu: u8,
        m: Mem,
        log2: u8,
        put: &mut dyn FnMut(&mut Self, Mem),
    ) {
        let t = self.alloc(Ty::I64);
        let miss = self.find_entry(mmu, m, log2, true, t);
        let snap = self.begin_cold(miss.cold);
        put(self, Mem::env(SCRATCH));
        self.address_into(m, RAX);
        self.call_memory(mmu, want::STORE | i32::from(log2));
        self.end_miss(snap, miss.back);
        self.a
            .alu(Alu::Add, true, t, Rm::M(Self::host_of_entry(mmu)));
        put(self, Mem::base(t, 0));
        self.bind_label(miss.back);
    }

    /// The host memory operand of an atomic access to `m`, or `m` itself if there is no soft TLB.
    pub fn atomic_operand(&mut self, m: Mem, log2: u8) -> Mem {
        let Some(mmu) = self.opts.mmu else { return m };
        let t = self.alloc(Ty::I64);
        let miss = self.find_entry(mmu, m, log2, true, t);
        let snap = self.begin_cold(miss.cold);
        self.address_into(m, RAX);
        self.call_memory(mmu, want::ATOMIC | i32::from(log2));
        self.a.mov(true, t, Rm::R(RAX));
        self.end_miss(snap, miss.back);
        self.a
            .alu(Alu::Add, true, t, Rm::M(Self::host_of_entry(mmu)));
        self.bind_label(miss.back);
        Mem::base(t, 0)
    }
}
