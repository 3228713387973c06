//! What the runtime entry points of generated code do: find or translate the target, link it, go on there.
//!
//! These run on the thread's stack while the virtual CPU is inside generated code. Each gives the host address
//! to go on at, or 0 to go back to the dispatch loop with `exit_kind` set.

use crate::asm;
use crate::block::TransBlock;
use crate::engine::Inner;
use crate::env::{header_of, kind};
use crate::stats::Counters;
use crate::translate::Failed;
use crate::vcpu::Cpu;
use std::sync::atomic::Ordering;
use tcg_x64::inline_cache;

/// The virtual CPU of a state block.
///
/// # Safety
/// `state` is the state block of a live virtual CPU that this thread runs.
pub(crate) unsafe fn cpu_of<'a>(state: *mut u8) -> &'a Cpu {
    // SAFETY: the engine stored the pointer when it made the environment; the Cpu outlives the run.
    unsafe { &*(*header_of(state)).vcpu.cast::<Cpu>() }
}

/// What an unlinked jump counts for among the runs of a brief translation, as its cost is so many times a linked one's.
const UNLINKED: i32 = 8;

/// Of so many jumps that miss their inline caches, one takes a way: what is jumped to often does so soon, and the rest is not
/// worth a change of code.
const CACHE_PATIENCE: u32 = 32;

/// The block at the header's pc and mode, or `None` with the exit fields set. `from_brief`: a brief translation asks,
/// which may be linked to another. Full ones are not linked to brief ones, so that none of their links is a detour later.
pub(crate) fn target(cpu: &Cpu, from_brief: bool) -> Option<&TransBlock> {
    if cpu.env.interrupt().load(Ordering::Relaxed) != 0 {
        cpu.set_exit_kind(kind::INTERRUPT);
        return None;
    }
    let found = cpu.find(cpu.pc(), cpu.mode());
    found_or_exit(cpu, found, from_brief)
}

/// Where to go on at the header's pc and mode, or 0 with the exit fields set.
pub(crate) fn go_on(cpu: &Cpu) -> usize {
    if let Some(code) = cached(cpu) {
        return code;
    }
    let Some(block) = target(cpu, false) else {
        return 0;
    };
    if may_link(cpu, block) {
        cpu.cache_jump(block.pc, block.mode, block.entry as u64);
    }
    cpu.enter_block(block)
}

/// The same if the jump cache knows it and nobody wants the CPU. Without links the cache is empty.
pub(crate) fn cached(cpu: &Cpu) -> Option<usize> {
    let flag = cpu.env.interrupt();
    if flag.load(Ordering::Relaxed) != 0 {
        return None;
    }
    Some(cpu.env.cached(cpu.pc(), cpu.mode())? as usize)
}

/// A found block, extended if it has run often enough.
fn found_or_exit<'a>(
    cpu: &'a Cpu,
    found: Result<&'a TransBlock, Failed>,
    from_brief: bool,
) -> Option<&'a TransBlock> {
    let enough = |b: &TransBlock| !from_brief && b.runs_left.is_some_and(|r| r.take(UNLINKED));
    let found = match found {
        Ok(block) if enough(block) => cpu.extend(block),
        found => found,
    };
    match (found, &cpu.sys) {
        (Ok(block), _) => return Some(block),
        (Err(Failed::Full), _) => cpu.set_exit_kind(kind::FLUSH),
        (Err(Failed::Fetch(fault)), _) => cpu.set_fault(&fault),
        (Err(Failed::Refused(fault)), Some(sys)) => {
            if cpu.deliver_fault(sys, &fault) {
                cpu.set_exit_kind(kind::AGAIN);
            }
        }
        (Err(Failed::Alone | Failed::Refused(_)), _) => cpu.set_exit_kind(kind::ONE_INSN),
    }
    None
}

/// Whether code may be linked so that this runtime is not asked again.
pub(crate) fn may_link(cpu: &Cpu, to: &TransBlock) -> bool {
    !to.is_brief() && !cpu.engine.no_chain()
}

/// A direct link that is not patched yet, or the interrupt flag is set on the way to it; `stub` is the address behind
/// the call in the link's stub.
pub(crate) unsafe extern "C" fn direct(state: *mut u8, stub: usize) -> usize {
    // SAFETY: called by the entry stub only.
    let cpu = unsafe { cpu_of(state) };
    let from = cpu.engine.block_at(stub - 1);
    let Some((from, link)) = from.and_then(|b| Some((b, b.link_of(stub)?))) else {
        panic!("no link at {stub:#x}");
    };
    cpu.set_pc(link.pc);
    cpu.set_mode(link.mode);
    let site = from.entry + from.body + link.site as usize;
    let Some(block) = target(cpu, from.is_brief()) else {
        return 0;
    };
    if may_link(cpu, block) || from.is_brief() && !cpu.engine.no_chain() {
        cpu.engine.code.patch_rel32(site, block.entry);
        Counters::bump(&cpu.engine.counters.links);
    }
    cpu.enter_block(block)
}

/// An indirect jump that missed the jump cache.
pub(crate) unsafe extern "C" fn indirect(state: *mut u8) -> usize {
    // SAFETY: called by the entry stub only.
    let cpu = unsafe { cpu_of(state) };
    cpu.count(|s| &s.indirect_lookups);
    go_on(cpu)
}

/// An indirect jump whose inline cache, told about at `told`, has not got its target.
pub(crate) unsafe extern "C" fn inline_cache(state: *mut u8, told: usize) -> usize {
    // SAFETY: called by the entry stub only.
    let cpu = unsafe { cpu_of(state) };
    // SAFETY: the header of this CPU, which is in this function.
    unsafe { (*header_of(state)).cache_patience = CACHE_PATIENCE };
    cpu.count(|s| &s.indirect_lookups);
    let Some(block) = target(cpu, false) else {
        return 0;
    };
    if may_link(cpu, block) {
        cpu.engine.fill_inline_cache(told, block);
        cpu.cache_jump(block.pc, block.mode, block.entry as u64);
    }
    cpu.enter_block(block)
}

/// As `indirect`, but the mode has to be asked from the ISA.
pub(crate) unsafe extern "C" fn dynamic(state: *mut u8) -> usize {
    // SAFETY: called by the entry stub only.
    let cpu = unsafe { cpu_of(state) };
    cpu.give_pins();
    cpu.update_mode();
    if let Some(sys) = &cpu.sys
        && !cpu.take_interrupts(sys)
    {
        return 0;
    }
    go_on(cpu)
}

/// The entry of an invalid block was reached by an old link.
pub(crate) unsafe extern "C" fn invalid(state: *mut u8, entry: usize) -> usize {
    // SAFETY: called by the entry stub only.
    let cpu = unsafe { cpu_of(state) };
    let Some(old) = cpu.engine.block_at(entry) else {
        debug_assert!(false, "no block at {entry:#x}");
        cpu.set_exit_kind(kind::AGAIN);
        return 0;
    };
    cpu.set_pc(old.pc);
    cpu.set_mode(old.mode);
    let Some(block) = target(cpu, false) else {
        return 0;
    };
    if may_link(cpu, block) && block.entry != entry && block.phys == old.phys {
        cpu.engine.forward(old, block);
    }
    cpu.enter_block(block)
}

/// The block around `addr` found its guest code changed, or has run often enough to be worth a full translation.
pub(crate) unsafe extern "C" fn changed(state: *mut u8, addr: usize) -> usize {
    // SAFETY: called by the entry stub only.
    let cpu = unsafe { cpu_of(state) };
    let Some(old) = cpu.engine.block_at(addr) else {
        debug_assert!(false, "no block at {addr:#x}");
        cpu.set_exit_kind(kind::AGAIN);
        return 0;
    };
    cpu.set_pc(old.pc);
    cpu.set_mode(old.mode);
    let found = match old.is_brief() {
        true => cpu.extend(old),
        false => {
            cpu.engine.invalidate_block(old);
            cpu.find(old.pc, old.mode)
        }
    };
    match found_or_exit(cpu, found, true) {
        Some(block) => cpu.enter_block(block),
        None => 0,
    }
}

/// A return to the sentinel's tag.
pub(crate) unsafe extern "C" fn sentinel(state: *mut u8) -> usize {
    // SAFETY: called by the entry stub only.
    let cpu = unsafe { cpu_of(state) };
    // The tag is that of no code: the low 48 bits of all ones as the address.
    cpu.set_pc(cpu.engine.mem.limit().wrapping_sub(1));
    cpu.set_exit_kind(kind::AGAIN);
    0
}

/// Opcode of `jmp rel32`.
const JMP: u8 = 0xe9;
/// Opcode of `call rel32`.
const CALL: u8 = 0xe8;

impl crate::Engine {
    /// The entry of an invalid block leads to a lookup from now on, and so do those that led to it: however
    /// often code changes, an old link is at most one jump away from the newest translation.
    pub(crate) fn detour(&self, block: &TransBlock, _locked: &mut Inner) {
        let to = self.invalid_trampoline();
        self.code.patch_entry(block.entry, CALL, to);
        for old in block.forwarders.lock().drain(..) {
            self.code.patch_entry(old, CALL, to);
        }
    }

    /// The entry of the invalid block `old` leads to its successor.
    fn forward(&self, old: &TransBlock, new: &TransBlock) {
        let _locked = self.inner.lock();
        if new.is_valid() {
            new.forwarders.lock().push(old.entry);
            self.code.patch_entry(old.entry, JMP, new.entry);
        }
    }

    /// Takes a way of an inline cache for the block, if one is free: first where to jump, then for which target, so that a
    /// thread in between sees a miss. The lock keeps two threads from mixing their targets.
    fn fill_inline_cache(&self, told: usize, block: &TransBlock) {
        let _one_at_a_time = self.inline_caches.lock();
        let code = &self.code;
        let field = |n: usize| code.rel32_target(told + 4 * n);
        let (first, behind, full) = (field(0), field(1), field(2));
        let ways = code.peek32(told + 12);
        for way in 0..ways as usize {
            let word = code.word(told + inline_cache::WORDS + 8 * way);
            match word.load(Ordering::Relaxed) {
                inline_cache::EMPTY => {
                    code.patch_rel32(first + way * inline_cache::WAY_BYTES as usize, block.entry);
                    word.store(block.pc, Ordering::Release);
                    if way + 1 == ways as usize {
                        code.patch_rel32(behind, full);
                    }
                    Counters::bump(&self.counters.inline_caches);
                    return;
                }
                known if known == block.pc => return,
                _ => {}
            }
        }
    }

    /// The block whose code holds a host address. Async-signal-safe.
    pub(crate) fn block_at(&self, host: usize) -> Option<&TransBlock> {
        // SAFETY: blocks in the map live until the next flush, which waits for this thread to leave.
        let start = |b: *const TransBlock| unsafe { (*b).entry };
        let block = self.code_map.find(host, start)?;
        // SAFETY: as above.
        Some(unsafe { &*block }).filter(|b| b.contains(host))
    }

    /// Puts the trampolines that blocks are patched to into the empty code buffer.
    pub(crate) fn write_trampolines(&self) -> std::io::Result<()> {
        let full = || std::io::Error::other("the code buffer is too small");
        let at = |n| self.code.append(&asm::trampoline(n)).ok_or_else(full);
        let invalid = at(asm::RT_INVALID)?;
        let sentinel = at(asm::RT_SENTINEL)?;
        let changed = at(asm::RT_CHANGED)?;
        debug_assert_eq!(changed, self.changed_trampoline());
        debug_assert_eq!(invalid, self.invalid_trampoline());
        debug_assert_eq!(sentinel, self.sentinel_trampoline());
        Ok(())
    }

    /// Where the entries of invalid blocks jump.
    pub(crate) fn invalid_trampoline(&self) -> usize {
        self.code.base()
    }

    /// Where a block calls that found its guest code changed.
    pub(crate) fn changed_trampoline(&self) -> usize {
        self.code.base() + 2 * crate::codebuf::ALIGN
    }

    /// Where the sentinel of a return stack points.
    pub(crate) fn sentinel_trampoline(&self) -> usize {
        self.code.base() + crate::codebuf::ALIGN
    }
}
