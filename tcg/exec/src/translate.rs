//! Making a block: fetch, translate and compile without locks, then publish under the engine's lock.
//!
//! Pages are write-protected *before* their bytes are read. A write that comes in between faults, is entered in
//! the list of recent invalidations, and publishing notices that and starts again.

use crate::block::{PAGE_BITS, TransBlock};
use crate::engine::{Backend, Engine};
use crate::jit::Compiler;
use crate::observe::log_mask;
use crate::stats::Counters;
use std::sync::atomic::Ordering;
use std::time::Instant;
use tcg_ir::Block;
use tcg_mem::{GuestVa, MemFault};
use tcg_target::TranslateCtx;

/// Why there is no block.
pub(crate) enum Failed {
    /// The first instruction cannot be fetched.
    Fetch(MemFault),
    /// There is no room: a flush is needed.
    Full,
}

/// IR and the pages it was made from.
struct Front {
    ir: Block,
    pages: Vec<u64>,
}

impl Engine {
    /// Fetches guest code, piece by piece within pages; notes the pages in `pages`, each protected if `protect`.
    fn fetch(
        &self,
        va: GuestVa,
        buf: &mut [u8],
        pages: &mut Vec<u64>,
        protect: bool,
    ) -> Result<usize, MemFault> {
        const PAGE: u64 = 1 << PAGE_BITS;
        let mut done = 0;
        while done < buf.len() {
            let Some(at) = va.0.checked_add(done as u64) else {
                break;
            };
            let room = (PAGE - at % PAGE) as usize;
            let end = buf.len().min(done + room);
            let piece = &mut buf[done..end];
            let mut got = match self.code_memory.fetch(GuestVa(at), piece) {
                Ok(n) => n,
                Err(fault) if done == 0 => return Err(fault),
                Err(_) => break,
            };
            let page = at >> PAGE_BITS;
            if !pages.contains(&page) {
                pages.push(page);
                if protect {
                    self.code_memory
                        .protect_code(GuestVa(page << PAGE_BITS), PAGE);
                    // Again, now that no change can go unnoticed.
                    got = match self.code_memory.fetch(GuestVa(at), piece) {
                        Ok(n) => n,
                        Err(fault) if done == 0 => return Err(fault),
                        Err(_) => break,
                    };
                }
            }
            done += got;
            if done < end || got == 0 {
                break;
            }
        }
        Ok(done)
    }

    fn front(&self, pc: u64, mode: u32, max_insns: u32, protect: bool) -> Result<Front, MemFault> {
        let mut pages = Vec::with_capacity(2);
        let mut fetch = |va: GuestVa, buf: &mut [u8]| self.fetch(va, buf, &mut pages, protect);
        let mut ctx = TranslateCtx {
            fetch: &mut fetch,
            max_insns,
            parallel: self.is_parallel(),
        };
        let ir = self.isa.translate(pc, mode, &mut ctx)?;
        Ok(Front { ir, pages })
    }

    /// One instruction in IR, not kept and not protected.
    pub(crate) fn one_insn(&self, pc: u64, mode: u32) -> Result<Block, MemFault> {
        Ok(self.front(pc, mode, 1, false)?.ir)
    }

    /// Translates the block at `pc` and enters it in the table.
    #[cold]
    pub(crate) fn translate(
        &self,
        pc: u64,
        mode: u32,
        compiler: &mut Compiler,
    ) -> Result<&TransBlock, Failed> {
        let start = Instant::now();
        let mut max_insns = match self.cfg.one_insn_per_tb {
            true => 1,
            false => self.cfg.max_insns.max(1),
        };
        let block = loop {
            let since = self.invalidations.load(Ordering::Acquire);
            let front = self
                .front(pc, mode, max_insns, true)
                .map_err(Failed::Fetch)?;
            let made = match self.cfg.backend {
                Backend::Interp => self.publish_ir(front, since),
                Backend::Jit => match compiler.compile(&front.ir, self.isa, self.is_parallel()) {
                    Some(c) => {
                        self.report(&front.ir, c.code);
                        self.publish_code(&front, c.code, c.maps, since)
                    }
                    None => {
                        assert!(max_insns > 1, "one instruction at {pc:#x} is too complex");
                        max_insns = (front.ir.guest_insns / 2).clamp(1, max_insns - 1);
                        continue;
                    }
                },
            };
            match made {
                Ok(Some(block)) => break block,
                Ok(None) => Counters::bump(&self.counters.dropped),
                Err(full) => return Err(full),
            }
        };
        let ns = start.elapsed().as_nanos() as u64;
        self.counters.translate_ns.fetch_add(ns, Ordering::Relaxed);
        Ok(block)
    }

    fn publish_ir(&self, front: Front, since: u64) -> Result<Option<&TransBlock>, Failed> {
        self.report(&front.ir, &[]);
        let bytes = 256 + front.ir.insts.len() * size_of::<tcg_ir::Inst>();
        if self.ir_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes > self.cfg.code_bytes {
            return Err(Failed::Full);
        }
        let mut block = TransBlock::bare(front.ir.pc, front.ir.mode);
        let insns = front.ir.guest_insns;
        block.pages = front.pages.into();
        block.ir = Some(Box::new(front.ir));
        self.publish(block, insns, &[], since)
    }

    fn publish_code(
        &self,
        front: &Front,
        code: &[u8],
        maps: &[u8],
        since: u64,
    ) -> Result<Option<&TransBlock>, Failed> {
        let mut block = TransBlock::bare(front.ir.pc, front.ir.mode);
        block.code_len = code.len();
        block.maps = maps.into();
        block.pages = front.pages.as_slice().into();
        self.publish(block, front.ir.guest_insns, code, since)
    }

    /// Enters a block, or gives the one that another thread entered first, or `None` if its guest code changed since
    /// invalidation number `since`.
    fn publish(
        &self,
        mut block: TransBlock,
        insns: u32,
        code: &[u8],
        since: u64,
    ) -> Result<Option<&TransBlock>, Failed> {
        let mut inner = self.inner.lock();
        let now = self.invalidations.load(Ordering::Relaxed);
        if inner.changed(&block.pages, since, now) {
            return Ok(None);
        }
        if let Some(first) = self.table.get(block.pc, block.mode) {
            Counters::bump(&self.counters.dropped);
            return Ok(Some(first));
        }
        if !code.is_empty() {
            if self.code_map.is_full() {
                return Err(Failed::Full);
            }
            block.entry = self.code.append(code).ok_or(Failed::Full)?;
        }
        let raw = Box::into_raw(Box::new(block));
        inner.blocks.push(raw);
        // SAFETY: just made; freed at a flush only.
        let block = unsafe { &*raw };
        if block.entry != 0 {
            self.code_map.push(raw);
        }
        inner.pages.insert(raw, &block.pages);
        self.table.insert(&mut inner.table, raw);
        let c = &self.counters;
        Counters::bump(&c.blocks);
        c.guest_insns.fetch_add(u64::from(insns), Ordering::Relaxed);
        c.code_bytes.fetch_add(code.len() as u64, Ordering::Relaxed);
        Ok(Some(block))
    }

    fn report(&self, ir: &Block, code: &[u8]) {
        let wanted = log_mask::IN_ASM | log_mask::OP | log_mask::OUT_ASM;
        let Some(observer) = self.hooks.on(wanted) else {
            return;
        };
        let start = ir.pc & !1;
        let len = ir.end_pc.saturating_sub(start).min(4096) as usize;
        let mut bytes = vec![0; len];
        let got = self
            .code_memory
            .fetch(GuestVa(start), &mut bytes)
            .unwrap_or(0);
        bytes.truncate(got);
        observer.translated(self.isa, ir, &bytes, code);
    }
}
