//! Memory accesses of a virtual CPU in system mode: the slow path of generated code, and the interpreter's and helpers' way.
//!
//! Memory of the guest is reached by host address through the recovering accessors of tcg-mem, so that there is no Rust
//! reference to it and aligned accesses are single ones.

use crate::block::TransBlock;
use crate::env::kind;
use crate::jit;
use crate::lookup::{cpu_of, go_on};
use crate::sys::{Sys, bus_error};
use crate::vcpu::Cpu;
use crate::walks::Walked;
use tcg_mem::{Access, BusError, Endian, GuestVa, MemFault, PAGE, PhysPage, UserMem};
use tcg_target::SysFault;
use tcg_target::system::MMU_INDEXES;
use tcg_x64::{Pins, want};

/// What the slow path gives back to its stub.
#[repr(C)]
pub(crate) struct Answer {
    /// Host address for the access, which goes on; or 0.
    address: usize,
    /// If that is 0: code to go on at, or 0 to go back to the dispatch loop.
    code: usize,
}

/// Why an access does not go on.
enum Stop {
    Fault(SysFault),
    /// Its instruction has to be run alone.
    Alone,
}

impl From<SysFault> for Stop {
    fn from(fault: SysFault) -> Stop {
        Stop::Fault(fault)
    }
}

/// An access of generated code that its soft TLB has no entry for: `ret` is the address behind the call, `what` as pushed
/// ([`want`]).
pub(crate) unsafe extern "C" fn memory(state: *mut u8, va: u64, ret: usize, what: u64) -> Answer {
    // SAFETY: called by the entry stub only.
    let cpu = unsafe { cpu_of(state) };
    let Some(sys) = &cpu.sys else {
        panic!("no machine");
    };
    cpu.count(|s| &s.slow_accesses);
    if let Some(address) = cpu.known_access(sys, va, what as i32) {
        return Answer { address, code: 0 };
    }
    let Some(block) = cpu.engine.block_at(ret - 1) else {
        panic!("no block at {ret:#x}");
    };
    let stack = cpu.return_stack();
    let done = cpu.slow_access(sys, block, va, what as i32);
    cpu.let_go(what);
    // A flush has emptied it.
    let kept = cpu.return_stack() == stack;
    match done {
        Ok(address) => {
            if !kept {
                cpu.returns.push(ret, what);
                cpu.set_return_stack(cpu.return_stack() - 16);
            }
            Answer { address, code: 0 }
        }
        Err(stop) => {
            if kept {
                cpu.set_return_stack(stack + 16);
            }
            cpu.make_precise(block, ret);
            let code = cpu.after_stop(sys, &stop);
            Answer { address: 0, code }
        }
    }
}

/// The MMU index of an access of generated code.
fn mmu_of(what: i32) -> u8 {
    (what >> want::MMU) as u8 % MMU_INDEXES as u8
}

/// See `EnvHeader`: swapping two entries in every access would cost more than it gains.
const PATIENCE: u32 = 64;

/// Whether an access crosses into the next page.
fn crosses(va: u64, len: usize) -> bool {
    va % PAGE + len as u64 > PAGE
}

/// Copies from memory at a host address, by one access if it is an aligned word.
fn copy_from(host: usize, out: &mut [u8]) -> Result<(), MemFault> {
    let mem = UserMem::identity();
    let at = GuestVa(host as u64);
    match out.len() {
        n @ (1 | 2 | 4 | 8) => {
            let v = mem.load(at, n as u32, Endian::Little)?;
            out.copy_from_slice(&v.to_le_bytes()[..n]);
            Ok(())
        }
        _ => mem.read(at, out),
    }
}

/// Copies to memory at a host address, likewise.
fn copy_to(host: usize, data: &[u8]) -> Result<(), MemFault> {
    let mem = UserMem::identity();
    let at = GuestVa(host as u64);
    match data.len() {
        n @ (1 | 2 | 4 | 8) => {
            let mut word = [0; 8];
            word[..n].copy_from_slice(data);
            mem.store(at, n as u32, Endian::Little, u64::from_le_bytes(word))
        }
        _ => mem.write(at, data),
    }
}

impl Cpu {
    /// The page of an address that allows an access.
    pub(crate) fn walk(
        &self,
        sys: &Sys,
        va: u64,
        access: Access,
        mmu: u8,
    ) -> Result<Walked, SysFault> {
        if let Some(known) = sys.walks.get(va, access, mmu) {
            return Ok(known);
        }
        self.check_bus(sys);
        if !sys.walks.is_ready() {
            self.enter_context(sys);
            if let Some(known) = sys.walks.get(va, access, mmu) {
                return Ok(known);
            }
        }
        self.count(|s| &s.walks);
        let m = self.with_system(sys, |system, cpu| system.walk(cpu, va, access, mmu))?;
        // It may have found that all is to be flushed.
        self.enter_context(sys);
        let walked = Walked::new(va, &m, self.phys_page(sys, m.pa));
        if walked.whole {
            sys.walks.put(mmu, walked, m.page_bytes);
        }
        Ok(walked)
    }

    /// Finds out which address space is in use.
    fn enter_context(&self, sys: &Sys) {
        if !sys.walks.is_ready() {
            sys.walks.choose(&sys.system.context(self.state()));
        }
    }

    /// What is at a physical address.
    fn phys_page(&self, sys: &Sys, pa: u64) -> PhysPage {
        let page = pa & !(PAGE - 1);
        sys.pages.get(page, || sys.socket.bus().page(page))
    }

    /// Words of memory, for walks.
    pub(crate) fn read_words(&self, sys: &Sys, pa: u64, words: &mut [u64]) -> Result<(), BusError> {
        if let PhysPage::Ram { host, .. } = self.phys_page(sys, pa)
            && !crosses(pa, words.len() * 8)
        {
            let mem = UserMem::identity();
            let mut at = host as u64 + pa % PAGE;
            for word in words {
                let v = mem.load(GuestVa(at), 8, Endian::Little);
                *word = v.map_err(|_| BusError)?;
                at += 8;
            }
            return Ok(());
        }
        for (n, word) in words.iter_mut().enumerate() {
            *word = sys.socket.bus().read(pa + 8 * n as u64, 8)?;
        }
        Ok(())
    }

    /// Makes an entry for generated code, if it may access the page by itself.
    fn enter_page(&self, sys: &Sys, w: &Walked, mmu: u8) {
        let PhysPage::Ram { host, writable } = w.place else {
            return;
        };
        if w.swap || !w.whole || self.engine.stops.watches_page(w.page) {
            return;
        }
        let write = || {
            let free = |m| !self.engine.is_marked(m, host);
            writable && w.allows(Access::Write) && self.engine.machine.as_ref().is_some_and(free)
        };
        sys.tlb.put(mmu, w, host, write);
    }

    /// The shortest way: the host address to go on with if the page is known, and is memory that needs no attention.
    fn known_access(&self, sys: &Sys, va: u64, what: i32) -> Option<usize> {
        let (mmu, len) = (mmu_of(what), 1usize << (what & 15));
        if crosses(va, len) || self.engine.stops.watching() {
            return None;
        }
        let load = what & 0xf0 == want::LOAD;
        let access = if load { Access::Read } else { Access::Write };
        let w = sys.walks.get(va, access, mmu)?;
        let PhysPage::Ram { host, writable } = w.place else {
            return None;
        };
        let marked = |m| self.engine.is_marked(m, host);
        if w.swap || !load && (!writable || self.engine.machine.as_ref().is_none_or(marked)) {
            return None;
        }
        self.enter_page(sys, &w, mmu);
        // SAFETY: the header is live, and only this thread uses this field.
        unsafe { (*self.env.header()).patience = PATIENCE };
        let at = host + (va % PAGE) as usize;
        if what & 0xf0 != want::STORE {
            return Some(at);
        }
        // SAFETY: the header is live, and only this thread uses its scratch area.
        let scratch = unsafe { &mut (*self.env.header()).scratch[0] };
        copy_to(at, &scratch.to_le_bytes()[..len]).ok()?;
        // As for the others: between the look and the store a translation may have been made.
        if let Some(machine) = &self.engine.machine {
            self.engine.page_written(machine, at, len);
        }
        Some(std::ptr::from_mut(scratch) as usize)
    }

    /// An access may have changed what is where: generated code may not go on with addresses of pages that it holds.
    fn let_go(&self, what: u64) {
        // SAFETY: this thread's header; generated code is not running.
        let saved = unsafe { &mut (*self.env.header()).saved_gprs };
        for (k, r) in want::HELD.into_iter().enumerate() {
            if what >> (want::HELD_BITS + k as u32) & 1 != 0 {
                saved[usize::from(r)] = 0;
            }
        }
    }

    /// The slow path: the host address to go on with.
    fn slow_access(
        &self,
        sys: &Sys,
        block: &TransBlock,
        va: u64,
        what: i32,
    ) -> Result<usize, Stop> {
        let mmu = mmu_of(what);
        let len = 1usize << (what & 15);
        // SAFETY: the header is live, and only this thread uses its scratch area.
        let scratch = unsafe { &mut (*self.env.header()).scratch[0] };
        let buffer = std::ptr::from_mut(scratch) as usize;
        let access = match what & 0xf0 {
            want::LOAD => Access::Read,
            _ => Access::Write,
        };
        if self.is_watched(va, len, access) {
            return Err(Stop::Alone);
        }
        if sys.counter.is_some() && !self.is_memory(sys, va, len, access, mmu)? {
            // A device may ask for a timer or an interrupt: no other instruction of the block comes before.
            return Err(Stop::Alone);
        }
        match what & 0xf0 {
            want::LOAD => {
                if !crosses(va, len) {
                    let w = self.walk(sys, va, Access::Read, mmu)?;
                    if let (PhysPage::Ram { host, .. }, false) = (w.place, w.swap) {
                        self.enter_page(sys, &w, mmu);
                        return Ok(host + (va % PAGE) as usize);
                    }
                }
                let mut bytes = [0; 16];
                self.load_bytes(sys, va, &mut bytes[..len], mmu)?;
                *scratch = u128::from_le_bytes(bytes);
                Ok(buffer)
            }
            want::STORE => {
                if self.writes_block(sys, block, va, len, mmu)? {
                    return Err(Stop::Alone);
                }
                let bytes = scratch.to_le_bytes();
                self.store_bytes(sys, va, &bytes[..len], mmu)?;
                Ok(buffer)
            }
            _ => self.atomic_address(sys, va, len, mmu),
        }
    }

    /// Whether an access reaches nothing but memory.
    fn is_memory(
        &self,
        sys: &Sys,
        va: u64,
        len: usize,
        access: Access,
        mmu: u8,
    ) -> Result<bool, SysFault> {
        let is_ram = |va: u64| {
            let w = self.walk(sys, va, access, mmu)?;
            Ok(matches!(w.place, PhysPage::Ram { .. }))
        };
        if !is_ram(va)? {
            return Ok(false);
        }
        match crosses(va, len) {
            true => is_ram(va.wrapping_add(len as u64 - 1)),
            false => Ok(true),
        }
    }

    /// Whether a store changes the block that it is in.
    fn writes_block(
        &self,
        sys: &Sys,
        block: &TransBlock,
        va: u64,
        len: usize,
        mmu: u8,
    ) -> Result<bool, SysFault> {
        let hits = |va: u64, len: usize| {
            let w = self.walk(sys, va, Access::Write, mmu)?;
            Ok(match w.place {
                PhysPage::Ram { host, .. } => block.is_made_of(host + (va % PAGE) as usize, len),
                _ => false,
            })
        };
        if !crosses(va, len) {
            return hits(va, len);
        }
        let first = (PAGE - va % PAGE) as usize;
        let next = va.wrapping_add(first as u64);
        Ok(hits(va, first)? | hits(next, len - first)?)
    }

    /// Whether a store goes to a page with translations.
    pub(crate) fn writes_code(&self, sys: &Sys, va: u64, len: usize, mmu: u8) -> bool {
        let marked = |va: u64| {
            let place = self.walk(sys, va, Access::Write, mmu).map(|w| w.place);
            let (Ok(PhysPage::Ram { host, .. }), Some(m)) = (place, &self.engine.machine) else {
                return false;
            };
            self.engine.is_marked(m, host)
        };
        marked(va) || crosses(va, len) && marked(va.wrapping_add(len as u64 - 1))
    }

    fn atomic_address(&self, sys: &Sys, va: u64, len: usize, mmu: u8) -> Result<usize, Stop> {
        if crosses(va, len) {
            return Err(Stop::Alone);
        }
        let w = self.walk(sys, va, Access::Write, mmu)?;
        let PhysPage::Ram {
            host,
            writable: true,
        } = w.place
        else {
            return Err(Stop::Alone);
        };
        let marked = |m| self.engine.is_marked(m, host);
        if w.swap || self.engine.machine.as_ref().is_none_or(marked) {
            return Err(Stop::Alone);
        }
        self.enter_page(sys, &w, mmu);
        Ok(host + (va % PAGE) as usize)
    }

    /// Loads through a soft TLB.
    pub(crate) fn load_bytes(
        &self,
        sys: &Sys,
        va: u64,
        out: &mut [u8],
        mmu: u8,
    ) -> Result<(), SysFault> {
        let swap = self.walk(sys, va, Access::Read, mmu)?.swap;
        if crosses(va, out.len()) {
            let (low, high) = out.split_at_mut((PAGE - va % PAGE) as usize);
            let next = va.wrapping_add(low.len() as u64);
            // The second page's fault comes before the first one's device is asked.
            self.walk(sys, next, Access::Read, mmu)?;
            self.read_page(sys, va, low, Access::Read, mmu)?;
            self.read_page(sys, next, high, Access::Read, mmu)?;
        } else {
            self.read_page(sys, va, out, Access::Read, mmu)?;
        }
        if swap {
            out.reverse();
        }
        Ok(())
    }

    /// Reads inside of one page, as it is in memory.
    pub(crate) fn read_page(
        &self,
        sys: &Sys,
        va: u64,
        out: &mut [u8],
        access: Access,
        mmu: u8,
    ) -> Result<(), SysFault> {
        let w = self.walk(sys, va, access, mmu)?;
        let offset = va % PAGE;
        let error = |_| bus_error(va, w.pa + offset, access);
        if let PhysPage::Ram { host, .. } = w.place {
            if access == Access::Read {
                self.enter_page(sys, &w, mmu);
            }
            let fault = |_| bus_error(va, w.pa + offset, access);
            return copy_from(host + offset as usize, out).map_err(fault);
        }
        let mut at = 0;
        for n in pieces(out.len()) {
            let v = sys.socket.bus().read(w.pa + offset + at as u64, n as u32);
            let v = v.map_err(error)?;
            out[at..at + n].copy_from_slice(&v.to_le_bytes()[..n]);
            at += n;
        }
        Ok(())
    }

    /// Stores through a soft TLB: all of it, or nothing if a page refuses.
    pub(crate) fn store_bytes(
        &self,
        sys: &Sys,
        va: u64,
        data: &[u8],
        mmu: u8,
    ) -> Result<(), SysFault> {
        let swap = self.walk(sys, va, Access::Write, mmu)?.swap;
        let mut swapped = [0; 16];
        let mut data = data;
        if swap {
            let s = &mut swapped[..data.len()];
            s.copy_from_slice(data);
            s.reverse();
            data = s;
        }
        if crosses(va, data.len()) {
            let (low, high) = data.split_at((PAGE - va % PAGE) as usize);
            let next = va.wrapping_add(low.len() as u64);
            self.walk(sys, next, Access::Write, mmu)?;
            self.write_page(sys, va, low, mmu)?;
            return self.write_page(sys, next, high, mmu);
        }
        self.write_page(sys, va, data, mmu)
    }

    /// Writes inside of one page.
    fn write_page(&self, sys: &Sys, va: u64, data: &[u8], mmu: u8) -> Result<(), SysFault> {
        let w = self.walk(sys, va, Access::Write, mmu)?;
        let offset = va % PAGE;
        if let PhysPage::Ram {
            host,
            writable: true,
        } = w.place
        {
            let at = host + offset as usize;
            let fault = |_| bus_error(va, w.pa + offset, Access::Write);
            copy_to(at, data).map_err(fault)?;
            if let Some(machine) = &self.engine.machine {
                // Behind the write: who reads the code in between will find its translation dropped.
                self.engine.page_written(machine, at, data.len());
            }
            self.enter_page(sys, &w, mmu);
            return Ok(());
        }
        let mut at = 0;
        for n in pieces(data.len()) {
            let mut word = [0; 8];
            word[..n].copy_from_slice(&data[at..at + n]);
            let pa = w.pa + offset + at as u64;
            let done = sys
                .socket
                .bus()
                .write(pa, n as u32, u64::from_le_bytes(word));
            done.map_err(|_| bus_error(va, pa, Access::Write))?;
            at += n;
        }
        // What was written may have moved something.
        self.check_bus(sys);
        Ok(())
    }

    /// Replaces bytes as one access, where that is possible; elsewhere as a load and a store.
    pub(crate) fn update_bytes(
        &self,
        sys: &Sys,
        va: u64,
        bytes: &mut [u8],
        f: &mut dyn FnMut(&mut [u8]),
        mmu: u8,
    ) -> Result<(), SysFault> {
        let w = self.walk(sys, va, Access::Write, mmu)?;
        let n = bytes.len();
        if let (
            PhysPage::Ram {
                host,
                writable: true,
            },
            false,
            false,
        ) = (w.place, w.swap, crosses(va, n))
        {
            let at = host + (va % PAGE) as usize;
            let fault = |_| bus_error(va, w.pa + va % PAGE, Access::Write);
            let mem = UserMem::identity();
            crate::interp::update(&mem, GuestVa(at as u64), bytes, f).map_err(fault)?;
            if let Some(machine) = &self.engine.machine {
                self.engine.page_written(machine, at, n);
            }
            return Ok(());
        }
        let as_write = |fault| SysFault {
            access: Access::Write,
            ..fault
        };
        self.load_bytes(sys, va, bytes, mmu).map_err(as_write)?;
        let mut new = [0; 16];
        let new = &mut new[..n.min(16)];
        new.copy_from_slice(bytes);
        f(new);
        self.store_bytes(sys, va, new, mmu)
    }

    /// Rebuilds the state at an access of generated code from the registers that its stub saved.
    fn make_precise(&self, block: &TransBlock, ret: usize) {
        // SAFETY: this thread's header; generated code is not running.
        let h = unsafe { &*self.env.header() };
        let offset = ret - block.entry - block.body;
        let (gprs, xmms) = (&h.saved_gprs, &h.saved_xmms);
        let at = jit::restore(&block.maps, offset, gprs, xmms, h, self.state(), Pins::NONE);
        let Some((pc, mode)) = at else {
            panic!(
                "no location map at offset {offset:#x} of the block at {:#x}",
                block.pc
            );
        };
        self.set_pc(pc);
        self.set_mode(mode);
    }

    /// Code to go on at after an access that failed, or 0 with the exit fields set.
    fn after_stop(&self, sys: &Sys, stop: &Stop) -> usize {
        match stop {
            Stop::Alone => {
                self.count_insns(-1);
                self.set_exit_kind(kind::ONE_INSN);
                0
            }
            Stop::Fault(fault) => {
                if !self.deliver_fault(sys, fault) {
                    return 0;
                }
                go_on(self)
            }
        }
    }
}

/// Sizes of the accesses to a device that make up one of `n` bytes.
fn pieces(n: usize) -> impl Iterator<Item = usize> {
    let mut left = n;
    std::iter::from_fn(move || {
        let take = [8, 4, 2, 1].into_iter().find(|s| *s <= left)?;
        left -= take;
        Some(take)
    })
}
