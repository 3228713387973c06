//! Reading guest code for a translation: which pages it depends on, and protecting or recording them.

use crate::block::{PAGE_BITS, Piece};
use crate::engine::Engine;
use crate::kept;
use tcg_ir::{Block, Op, OpClass};
use tcg_mem::{Access, FaultKind, GuestVa, MemFault, UserMem};
use tcg_target::{BlockLimits, TranslateCtx};

const PAGE: u64 = 1 << PAGE_BITS;

/// How the code that is read is kept from changing unnoticed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guarded {
    /// Its pages are write-protected, or its bytes recorded where protection does not pay.
    Yes,
    /// Not at all: the translation is used at once and only once.
    No,
    /// System mode: it is in the page at this host address, which is marked. Nothing beyond the page can be read.
    Page(usize),
}

impl Guarded {
    /// The part of a block's key.
    pub(crate) fn phys(self) -> u64 {
        match self {
            Guarded::Page(host) => host as u64,
            _ => 0,
        }
    }
}

/// IR and what it was made from.
pub(crate) struct Source {
    pub ir: Block,
    pub pages: Vec<u64>,
    /// Recorded bytes of unprotected pages.
    pub verify: Vec<Piece>,
    /// System mode: the range of bytes of the page that it may depend on.
    pub read: (u16, u16),
    /// All bytes that it was made from and that may have had a say, if the translation may be kept.
    pub whole: Option<Vec<Piece>>,
}

/// What has been read so far.
struct Reader<'a> {
    engine: &'a Engine,
    guarded: Guarded,
    pages: Vec<u64>,
    recorded: Vec<Piece>,
    /// Where the block starts.
    pc: u64,
    /// System mode: the range of bytes of the page that has been read, also to look ahead.
    read: (u16, u16),
    /// Everything read, if the translation may be kept.
    whole: Option<Vec<Piece>>,
}

impl Reader<'_> {
    fn fetch(&mut self, va: GuestVa, buf: &mut [u8]) -> Result<usize, MemFault> {
        if let Guarded::Page(host) = self.guarded {
            let n = fetch_from(host, self.pc, va, buf)?;
            let from = (va.0 % PAGE) as u16;
            self.read.0 = self.read.0.min(from);
            self.read.1 = self.read.1.max(from + n as u16);
            return Ok(n);
        }
        let mut done = 0;
        while done < buf.len() {
            let Some(at) = va.0.checked_add(done as u64) else {
                break;
            };
            let end = buf.len().min(done + (PAGE - at % PAGE) as usize);
            match self.fetch_in_page(at, &mut buf[done..end]) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(fault) if done == 0 => return Err(fault),
                Err(_) => break,
            }
        }
        kept::note_read(&mut self.whole, va.0, &buf[..done]);
        Ok(done)
    }

    fn fetch_in_page(&mut self, at: u64, buf: &mut [u8]) -> Result<usize, MemFault> {
        if let Some(n) = self.recall(at, buf) {
            return Ok(n);
        }
        let memory = &self.engine.code_memory;
        let n = memory.fetch(GuestVa(at), buf)?;
        let page = at >> PAGE_BITS;
        if self.guarded == Guarded::No {
            return Ok(n);
        }
        let known = self.pages.contains(&page);
        if !known {
            self.pages.push(page);
        }
        // Its own statement: the lock must not be held over what follows.
        let verified = self.engine.inner.lock().pages.is_verified(page);
        if verified || !memory.protect_code(GuestVa(page << PAGE_BITS), PAGE) {
            self.recorded.push(Piece {
                va: at,
                bytes: buf[..n].to_vec(),
            });
        } else if !known {
            // Again, now that no change can go unnoticed.
            return memory.fetch(GuestVa(at), buf);
        }
        Ok(n)
    }

    /// Bytes read before are the same when they are read again.
    fn recall(&self, at: u64, buf: &mut [u8]) -> Option<usize> {
        self.recorded.iter().find_map(|p| {
            let from = usize::try_from(at.checked_sub(p.va)?).ok()?;
            let have = p.bytes.get(from..).filter(|b| !b.is_empty())?;
            let n = have.len().min(buf.len());
            buf[..n].copy_from_slice(&have[..n]);
            Some(n)
        })
    }

    fn translate(&mut self, pc: u64, mode: u32, limits: BlockLimits) -> Result<Block, MemFault> {
        let engine = self.engine;
        let mut fetch = |va: GuestVa, buf: &mut [u8]| self.fetch(va, buf);
        let mut ctx = TranslateCtx {
            fetch: &mut fetch,
            limits,
            parallel: engine.is_parallel(),
            forward: engine.machine.is_none() && !engine.stops.watching(),
        };
        engine.isa.translate(pc, mode, &mut ctx)
    }
}

/// Bytes of the page at `host`, which is that of the block at `pc`.
pub(crate) fn fetch_from(
    host: usize,
    pc: u64,
    va: GuestVa,
    buf: &mut [u8],
) -> Result<usize, MemFault> {
    if (va.0 ^ pc) >> PAGE_BITS != 0 {
        return Err(MemFault {
            va,
            access: Access::Exec,
            kind: FaultKind::Unmapped,
        });
    }
    let offset = va.0 % PAGE;
    let n = buf.len().min((PAGE - offset) as usize);
    let at = GuestVa(host as u64 + offset);
    UserMem::identity().read(at, &mut buf[..n])?;
    Ok(n)
}

impl Engine {
    /// Translates to IR.
    pub(crate) fn source(
        &self,
        pc: u64,
        mode: u32,
        limits: BlockLimits,
        guarded: Guarded,
    ) -> Result<Source, MemFault> {
        let mut reader = Reader {
            engine: self,
            guarded,
            pages: Vec::with_capacity(1),
            recorded: Vec::new(),
            pc,
            read: (u16::MAX, 0),
            whole: self.keeps(guarded).map(|_| Vec::new()),
        };
        if let Guarded::Page(host) = guarded {
            reader.pages.push((host >> PAGE_BITS) as u64);
            let mut ir = reader.translate(pc, mode, limits)?;
            // An interrupt may be taken at any exit, and its handler looks at everything.
            ir.exits.iter_mut().for_each(|e| e.dead = 0);
            return Ok(Source {
                verify: Vec::new(),
                pages: reader.pages,
                read: reader.read,
                whole: None,
                ir,
            });
        }
        let mut ir = reader.translate(pc, mode, limits)?;
        if !reader.recorded.is_empty() {
            // Such a block must not run on after a store of its own to itself.
            let until = insns_until_write(&ir);
            if until < ir.guest_insns {
                let limits = BlockLimits {
                    max_insns: until,
                    ..limits
                };
                ir = reader.translate(pc, mode, limits)?;
            }
        }
        // What was read ahead does not count.
        let (start, end) = (ir.start_pc.min(ir.pc) & !1, ir.end_pc.max(ir.pc + 1));
        let touched = (start >> PAGE_BITS)..=((end - 1) >> PAGE_BITS);
        reader.pages.retain(|p| touched.contains(p));
        let verify = reader.recorded;
        let verify = verify.into_iter().filter_map(|p| clip(p, start, end));
        Ok(Source {
            verify: verify.collect(),
            pages: reader.pages,
            read: (0, 0),
            whole: reader.whole,
            ir,
        })
    }
}

/// The part of a piece inside `start..end`.
fn clip(p: Piece, start: u64, end: u64) -> Option<Piece> {
    let from = start.max(p.va);
    let to = end.min(p.va.saturating_add(p.bytes.len() as u64));
    let range = from.checked_sub(p.va)? as usize..to.checked_sub(p.va)? as usize;
    let bytes = p.bytes.get(range)?.to_vec();
    (!bytes.is_empty()).then_some(Piece { va: from, bytes })
}

/// The number of guest instructions up to and including the first that may write memory.
fn insns_until_write(ir: &Block) -> u32 {
    let mut n = 0;
    for i in &ir.insts {
        match i.op {
            Op::InsnStart => n += 1,
            Op::Call if !i.calls_with_state() => {}
            Op::Call => return n.max(1),
            op if op.class() == OpClass::Store => return n.max(1),
            _ => {}
        }
    }
    n.max(1)
}
