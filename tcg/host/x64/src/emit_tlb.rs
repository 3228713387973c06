//! Guest memory of a whole machine: the look into the soft TLB in front of every access, and the way out where it has no
//! entry.
//!
//! The first look is at the instruction's *guess*: the page where it went the last time. So the host address of the page is
//! there before the guest's address is known, and the next load of a list waits for this one only. If it is another
//! page, it is looked up as elsewhere, and becomes the guess. Where other CPUs may forbid stores, page by page in
//! the soft TLB, there are no guesses for them. Several accesses to what is close together share a look (`ranges`).
//!
//! The address is combined by exclusive or with the tag. If the page is the right one, what remains is the offset in
//! it; if not, or if the access would cross the page's end, it is larger than any offset that is allowed. So one comparison
//! decides, and the host address is that offset from the page's.
//!
//! [`Runtime::Memory`] and [`Runtime::Access`] are called with the address in `rax`, behind a push of what is wanted ([`want`]:
//! log2 of the size and the kind; the soft TLB's number; what is held). A load and an atomic access get a host
//! address in `rax`, where the instruction then does its work; a store has
//! put its value into the header's scratch area and is done on return. All other registers are kept. If the access fails,
//! the call does not return: the state is rebuilt from the location map of the return address.

use crate::Runtime;
use crate::abi::*;
use crate::cc::NO_FLAGS;
use crate::compiler::Gen;
use crate::emit_branch::Snapshot;
use crate::enc::{Alu, Mem, Opc, Rm, Sh, x86cc};
use crate::ranges::{Part, Range};
use std::mem::offset_of;
use tcg_ir::Ty;
use tcg_target::{GUESS_CHUNK, Guess, TLB_BYTES, TLB_ENTRIES, TlbEntry, guess_index};

/// log2 of the size of an entry.
const ENTRY_BITS: u8 = size_of::<TlbEntry>().trailing_zeros() as u8;
/// log2 of the size of a page.
const PAGE_BITS: u8 = 12;

/// Where the cold part of an access begins, and where it comes back to.
struct Miss {
    cold: u32,
    back: u32,
}

/// What becomes of a page's host address.
#[derive(Clone, Copy)]
enum Take {
    /// It goes to `rax`.
    Rax,
    /// The offset is added to it.
    Add,
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

    /// Looks the page of `m` up. Behind it, `t` is the offset in the page, and `take` has done something with the operand that
    /// has the page's host address; in the cold section, `rax` is the offset of an entry of the soft TLB that is another
    /// page's, and `t` the combination with its tag.
    fn look(&mut self, mmu: u8, m: Mem, (bytes, write): (i32, bool), t: u8, take: Take) -> Miss {
        self.address_into(m, t);
        if write && !self.guesses_stores() {
            let miss = self.look_at_entry(mmu, bytes, write, t);
            self.take_host(Self::host_of_entry(mmu), t, take);
            return miss;
        }
        let n = guess_index(mmu, write, self.guest_pc);
        let guess = Mem::env(GUESSES_AT + (n * size_of::<Guess>()) as i32);
        let second = Mem {
            disp: guess.disp + 8,
            ..guess
        };
        let (tag, host) = match write {
            false => (guess, second),
            true => (second, guess),
        };
        let other = self.compare(tag, bytes, t);
        let snap = self.begin_cold(other.cold);
        // The address again: only this thread makes guesses.
        self.a.alu(Alu::Xor, true, t, Rm::M(tag));
        let miss = self.look_at_entry(mmu, bytes, write, t);
        let first = match write {
            false => offset_of!(TlbEntry, read),
            true => offset_of!(TlbEntry, host),
        };
        self.load_reg(Ty::V128, XMM15, Self::entry(mmu, first));
        self.store_reg(Ty::V128, guess, XMM15);
        let chunk = CHUNKS_AT + (n / GUESS_CHUNK) as i32;
        self.a
            .op_i8(Opc(0, 0, 0xc6), false, 0, Rm::M(Mem::env(chunk)), 1);
        // Not from the new guess: the access would wait for the way through memory.
        self.take_host(Self::host_of_entry(mmu), t, take);
        self.end_miss(snap, other.back);
        self.take_host(host, t, take);
        self.bind_label(other.back);
        miss
    }

    fn take_host(&mut self, host: Mem, t: u8, take: Take) {
        match take {
            Take::Rax => self.a.mov(true, RAX, Rm::M(host)),
            Take::Add => self.a.alu(Alu::Add, true, t, Rm::M(host)),
        }
    }

    /// Looks into the soft TLB for the address in `t`.
    fn look_at_entry(&mut self, mmu: u8, bytes: i32, write: bool, t: u8) -> Miss {
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
        self.compare(Self::tag_of_entry(mmu, write), bytes, t)
    }

    fn tag_of_entry(mmu: u8, write: bool) -> Mem {
        let tag = match write {
            false => offset_of!(TlbEntry, read),
            true => offset_of!(TlbEntry, write),
        };
        Self::entry(mmu, tag)
    }

    /// Makes the address in `t` the offset in the page of a tag, and goes away if that is too large.
    fn compare(&mut self, tag: Mem, bytes: i32, t: u8) -> Miss {
        self.a.alu(Alu::Xor, true, t, Rm::M(tag));
        let last = (1 << PAGE_BITS) - bytes;
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
    fn call_memory(&mut self, entry: Runtime, mmu: u8, what: i32) {
        let what = what | i32::from(mmu) << want::MMU | self.ranges.held_bits();
        self.a.push_imm(what);
        let m = Mem::env(RUNTIME + entry as i32 * 8);
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
        let miss = self.look(mmu, m, (1 << log2, false), t, Take::Rax);
        let snap = self.begin_cold(miss.cold);
        // The address again: only this thread makes entries for loads.
        let tag = Self::tag_of_entry(mmu, false);
        self.a.alu(Alu::Xor, true, t, Rm::M(tag));
        self.a.mov(true, RAX, Rm::R(t));
        self.call_memory(Runtime::Memory, mmu, want::LOAD | i32::from(log2));
        self.a.alu(Alu::Xor, false, t, Rm::R(t));
        self.end_miss(snap, miss.back);
        self.bind_label(miss.back);
        Mem {
            index: t,
            ..Mem::base(RAX, 0)
        }
    }

    /// Whether stores have guesses.
    pub fn guesses_stores(&self) -> bool {
        !self.opts.parallel
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
        let miss = self.look(mmu, m, (1 << log2, true), t, Take::Add);
        let snap = self.begin_cold(miss.cold);
        put(self, Mem::env(SCRATCH));
        self.address_into(m, RAX);
        self.call_memory(Runtime::Memory, mmu, want::STORE | i32::from(log2));
        self.end_miss(snap, miss.back);
        put(self, Mem::base(t, 0));
        self.bind_label(miss.back);
    }

    /// The host memory operand of an atomic access to `m`, or `m` itself if there is no soft TLB.
    pub fn atomic_operand(&mut self, m: Mem, log2: u8) -> Mem {
        let Some(mmu) = self.opts.mmu else { return m };
        let t = self.alloc(Ty::I64);
        self.address_into(m, t);
        let miss = self.look_at_entry(mmu, 1 << log2, true, t);
        let snap = self.begin_cold(miss.cold);
        self.address_into(m, RAX);
        self.call_memory(Runtime::Memory, mmu, want::ATOMIC | i32::from(log2));
        self.a.mov(true, t, Rm::R(RAX));
        self.end_miss(snap, miss.back);
        self.a
            .alu(Alu::Add, true, t, Rm::M(Self::host_of_entry(mmu)));
        self.bind_label(miss.back);
        Mem::base(t, 0)
    }

    /// The access `what` to `m` as a part of a range; `access` does it at an operand.
    pub fn range_access(
        &mut self,
        mmu: u8,
        m: Mem,
        what: i32,
        (range, part): (Range, Part),
        access: &mut dyn FnMut(&mut Self, Mem),
    ) {
        let (r, store) = (range.reg, what & 0xf0 == want::STORE);
        let (cold, done) = (self.new_label(), self.new_label());
        if part.first {
            let start = Mem {
                disp: m.disp.wrapping_sub(part.at),
                ..m
            };
            let what = (range.bytes(), range.write);
            let miss = self.look(mmu, start, what, r, Take::Add);
            let snap = self.begin_cold(miss.cold);
            self.a.alu(Alu::Xor, false, r, Rm::R(r));
            self.end_miss(snap, cold);
        } else {
            self.a.test(true, r, Rm::R(r));
            self.flags = NO_FLAGS;
            self.jcc(x86cc::E, cold);
        }
        let snap = self.begin_cold(cold);
        if store {
            access(self, Mem::env(SCRATCH));
        }
        self.address_into(m, RAX);
        self.call_memory(Runtime::Access, mmu, what);
        if !store {
            access(self, Mem::base(RAX, 0));
        }
        self.end_miss(snap, done);
        access(self, Mem::base(r, part.at));
        self.bind_label(done);
    }
}
