//! Running blocks by the IR interpreter: guest memory and helpers for `tcg_ir::interp`, and its part of the
//! dispatch loop.

use crate::Exit;
use crate::block::Piece;
use crate::env::{header_of, kind};
use crate::sys::Sys;
use crate::vcpu::{Cpu, Next};
use std::sync::atomic::Ordering;
use tcg_debug::log_mask;
use tcg_ir::interp::{HelperCall, HelperResult, Helpers, Interp, Memory, Outcome};
use tcg_ir::{Block, Ty};
use tcg_mem::{Access, Endian, FaultKind, GuestVa, MemFault, UserMem};
use tcg_target::SysFault;

/// Guest memory through the recovering accessors.
struct GuestMemory<'a>(&'a Cpu, Option<(&'a Sys, u8)>);

impl GuestMemory<'_> {
    /// The result of an access in system mode: its fault is kept for the dispatch loop.
    fn system(
        sys: &Sys,
        va: GuestVa,
        access: Access,
        r: Result<(), SysFault>,
    ) -> Result<(), MemFault> {
        r.map_err(|fault| {
            sys.fault.set(Some(fault));
            let kind = FaultKind::Unmapped;
            MemFault { va, access, kind }
        })
    }

    /// Calls a store to a page with translations off, so that its instruction is run alone: the block may be one of them.
    fn check_code(&self, sys: &Sys, va: GuestVa, len: usize, mmu: u8) -> Result<(), MemFault> {
        if self.0.alone.get() || !self.0.writes_code(sys, va.0, len, mmu) {
            return Ok(());
        }
        self.0.self_modified.set(true);
        let (access, kind) = (Access::Write, FaultKind::Protection);
        Err(MemFault { va, access, kind })
    }

    fn mem(&self) -> &UserMem {
        &self.0.engine.mem
    }

    /// The fault as the handler classified it; the accessors only know that there was one.
    fn refine<T>(&self, r: Result<T, MemFault>) -> Result<T, MemFault> {
        r.map_err(|f| self.0.host_fault.take().unwrap_or(f))
    }
}

impl Memory for GuestMemory<'_> {
    fn load(&mut self, va: GuestVa, bytes: &mut [u8]) -> Result<(), MemFault> {
        self.0.watch(va, bytes.len(), Access::Read)?;
        if let Some((sys, mmu)) = self.1 {
            let r = self.0.load_bytes(sys, va.0, bytes, mmu);
            return Self::system(sys, va, Access::Read, r);
        }
        let mem = self.mem();
        let r = match bytes.len() {
            1 | 2 | 4 | 8 => mem.load(va, bytes.len() as u32, Endian::Little).map(|v| {
                let n = bytes.len();
                bytes.copy_from_slice(&v.to_le_bytes()[..n]);
            }),
            _ => mem.read(va, bytes),
        };
        self.refine(r)
    }

    fn store(&mut self, va: GuestVa, bytes: &[u8]) -> Result<(), MemFault> {
        self.0.watch(va, bytes.len(), Access::Write)?;
        if let Some((sys, mmu)) = self.1 {
            self.check_code(sys, va, bytes.len(), mmu)?;
            let r = self.0.store_bytes(sys, va.0, bytes, mmu);
            return Self::system(sys, va, Access::Write, r);
        }
        let mut word = [0; 8];
        let r = match bytes.len() {
            1 | 2 | 4 | 8 => {
                word[..bytes.len()].copy_from_slice(bytes);
                let value = u64::from_le_bytes(word);
                let size = bytes.len() as u32;
                self.mem().store(va, size, Endian::Little, value)
            }
            n => {
                // The upper half first: when it faults, nothing has been written.
                let half = n / 2;
                let high = GuestVa(va.0.wrapping_add(half as u64));
                self.mem()
                    .write(high, &bytes[half..])
                    .and_then(|()| self.mem().write(va, &bytes[..half]))
            }
        };
        self.refine(r)
    }

    fn update(
        &mut self,
        va: GuestVa,
        bytes: &mut [u8],
        f: &mut dyn FnMut(&mut [u8]),
    ) -> Result<(), MemFault> {
        self.0.watch(va, bytes.len(), Access::Write)?;
        if let Some((sys, mmu)) = self.1 {
            self.check_code(sys, va, bytes.len(), mmu)?;
            let r = self.0.update_bytes(sys, va.0, bytes, f, mmu);
            return Self::system(sys, va, Access::Write, r);
        }
        let r = update(self.mem(), va, bytes, f);
        self.refine(r)
    }
}

/// An atomic replacement of up to 8 bytes by compare-and-swap of the aligned word or doubleword around them.
/// DEVIATES: 16 bytes are replaced without atomicity (no guest of the interpreter relies on it).
pub(crate) fn update(
    mem: &UserMem,
    va: GuestVa,
    bytes: &mut [u8],
    f: &mut dyn FnMut(&mut [u8]),
) -> Result<(), MemFault> {
    let n = bytes.len();
    let within = (va.0 & 7) as usize;
    // An access that crosses doublewords is swapped as it is (the host locks the bus for it).
    let (base, at, width) = match () {
        () if within + n <= 8 => (GuestVa(va.0 & !7), within, 8),
        () if n == 8 || n == 4 => (va, 0, n),
        () => {
            mem.read(va, bytes)?;
            let mut new = [0; 16];
            let new = &mut new[..n.min(16)];
            new.copy_from_slice(bytes);
            f(new);
            return mem.write(va, new);
        }
    };
    loop {
        let old = mem.load(base, width as u32, Endian::Little)?;
        let mut word = old.to_le_bytes();
        bytes.copy_from_slice(&word[at..at + n]);
        f(&mut word[at..at + n]);
        let new = u64::from_le_bytes(word);
        let seen = match width {
            8 => mem.cas_u64(base, Endian::Little, old, new)?,
            _ => mem
                .cas_u32(base, Endian::Little, old as u32, new as u32)?
                .into(),
        };
        if seen == old {
            return Ok(());
        }
    }
}

/// Helpers called by their C interface, as generated code does.
struct NativeHelpers<'a>(&'a Cpu);

impl Helpers for NativeHelpers<'_> {
    fn call(&mut self, call: HelperCall<'_>) -> Result<HelperResult, String> {
        let cpu = self.0;
        let state = cpu.env.state();
        let func = *cpu
            .engine
            .helpers
            .get(usize::from(call.id.0))
            .ok_or("no such helper")?;
        cpu.set_fp_flags(*call.fp_flags);
        cpu.set_pc(call.at.0);
        cpu.set_mode(call.at.1);
        cpu.set_exit_kind(0);
        let mut args = [0; 4];
        // SAFETY: the environment is live, this thread owns it, and the helper follows the convention that it
        // was declared with.
        let value = unsafe {
            for (k, (ty, v)) in call.args.iter().take(4).enumerate() {
                match ty {
                    Ty::V64 | Ty::V128 => (*header_of(state)).scratch[k] = *v,
                    _ => args[k] = *v as u64,
                }
            }
            let low = func(state, args[0], args[1], args[2], args[3]);
            match call.ret {
                Ty::V64 | Ty::V128 => (*header_of(state)).scratch[0],
                _ => u128::from(low),
            }
        };
        *call.fp_flags = cpu.take_fp_flags();
        Ok(match cpu.exit_kind() {
            0 => HelperResult::Value(value),
            _ => HelperResult::Leave,
        })
    }
}

impl Cpu {
    /// The dispatch loop of the interpreter: runs blocks until something happens.
    pub(crate) fn interpret(&self) -> Next {
        while self.env.interrupt().load(Ordering::Relaxed) == 0 {
            if self.is_at_limit() {
                return Next::Again;
            }
            let (pc, mode) = (self.pc(), self.mode());
            let block = match self.env.cached(pc, mode) {
                // SAFETY: cached blocks are of this generation, so they live.
                Some(at) => unsafe { &*(at as *const crate::block::TransBlock) },
                None => match self.find(pc, mode) {
                    Ok(block) => block,
                    Err(failed) => return self.after_failed(failed),
                },
            };
            if !block.is_valid() {
                self.env.cache(pc, mode, 0);
                continue;
            }
            if !block.verify.is_empty() && !self.is_unchanged(&block.verify) {
                self.engine.invalidate_block(block);
                continue;
            }
            self.cache_jump(pc, mode, &raw const *block as u64);
            if self.engine.hooks.has(log_mask::EXEC | log_mask::CPU) {
                self.enter_block(block);
            }
            let Some(ir) = &block.ir else {
                unreachable!("a block without IR in the interpreter")
            };
            self.count_insns(1);
            match self.interpret_block(ir) {
                Next::Again => {}
                next => return next,
            }
        }
        Next::Again
    }

    /// Whether guest code is what it was.
    fn is_unchanged(&self, pieces: &[Piece]) -> bool {
        pieces.iter().all(|p| {
            let mut now = vec![0; p.bytes.len()];
            let read = self.engine.code_memory.fetch(GuestVa(p.va), &mut now);
            read == Ok(now.len()) && now == p.bytes
        })
    }

    /// Runs one block; `Again` means that pc and mode are those of the next one.
    pub(crate) fn interpret_block(&self, ir: &Block) -> Next {
        let system = self.sys.as_deref();
        let system = system.map(|s| (s, s.system.mmu_index(ir.mode, false)));
        let mut run = Interp {
            state: self.state(),
            mem: &mut GuestMemory(self, system),
            helpers: &mut NativeHelpers(self),
            fp_flags: self.take_fp_flags(),
        };
        let outcome = run.run(ir);
        let fp_flags = run.fp_flags;
        self.set_fp_flags(fp_flags);
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(broken) => panic!("IR of {:#x} is broken: {broken:?}", ir.pc),
        };
        self.finish(ir, outcome)
    }

    fn finish(&self, ir: &Block, outcome: Outcome) -> Next {
        let (pc, mode) = match outcome {
            Outcome::Jump { pc, mode, .. }
            | Outcome::Trap { pc, mode, .. }
            | Outcome::Fault { pc, mode, .. }
            | Outcome::Left { pc, mode } => (pc, mode),
        };
        self.set_pc(pc);
        self.set_mode(mode);
        match outcome {
            Outcome::Jump { exit, .. } => {
                if ir.exits[exit].mode_dynamic {
                    self.update_mode();
                    if let Some(sys) = &self.sys
                        && !self.take_interrupts(sys)
                    {
                        return self.event_exit(sys);
                    }
                }
                Next::Again
            }
            Outcome::Trap {
                exit, code, info, ..
            } => {
                if ir.exits[exit].mode_dynamic {
                    self.update_mode();
                }
                self.trapped(code, info)
            }
            Outcome::Fault { .. } if self.self_modified.take() => Next::OneInsn,
            // Called off: no fault of the guest's.
            Outcome::Fault { fault, .. } if self.watch_hit.get().is_some() => {
                Next::Leave(Exit::Fault(fault))
            }
            Outcome::Fault { fault, .. } => self.leave(Exit::Fault(fault)),
            Outcome::Left { .. } => match self.exit_kind() {
                kind::INTERRUPT => Next::Again,
                _ => self.after_exit(),
            },
        }
    }
}
