//! Translations kept from one run of a program to the next (ADR 6).
//!
//! A translation follows from the bytes of guest code that were read for it, the block's address and mode, and the
//! emulator, its options and the host's features. So each is kept with the bytes, and taken again only where guest memory
//! holds the same; everything else is the *owner* text of the whole image, which has to be equal. What an image says
//! besides is not believed: [`image`] has what is checked.
//!
//! Nothing here touches files: an image comes from the front end as bytes, and goes to it as bytes.

mod image;
mod record;

use crate::block::{Links, Piece, TransBlock};
use crate::engine::{Backend, Engine};
use crate::jit::{self, Compiled};
use crate::lock::Lock;
use crate::source::{Guarded, Source};
use crate::translate::{Failed, Origin, wrapped};
use image::Image;
pub(crate) use record::LinkRows;
use record::{BRIEF, Entry, LOOPS, PARALLEL, Record};
use std::borrow::Cow;
use std::sync::atomic::Ordering;
use tcg_mem::GuestVa;
use tcg_target::BlockLimits;

/// Most bytes of new translations that are remembered.
const MOST_PENDING: usize = 64 << 20;
/// Most bytes of an image: what is older is given up.
const MOST_KEPT: usize = 128 << 20;
/// An image is written again for so many new translations, or for this part of what it has.
const LEAST_NEW: usize = 16;
const PART_NEW: usize = 32;

/// What is kept of the runs before, and what is new in this one.
pub(crate) struct Kept {
    owner: Vec<u8>,
    image: Image<'static>,
    new: Lock<New>,
}

#[derive(Default)]
struct New {
    records: Vec<u8>,
    count: usize,
}

impl Engine {
    /// Keeps translations from now on, and takes those of `image`, which [`Engine::kept_image`] gave in an earlier run with
    /// an equal `owner`: that has to tell apart all that translations depend on and the engine does not know, which
    /// is the build of the emulator and how the ISA was configured. Only the first call counts, before any code runs.
    pub fn keep(&self, owner: &[u8], image: &'static [u8]) {
        let cfg = &self.cfg;
        let usable = cfg.backend == Backend::Jit && !cfg.one_insn_per_tb && !cfg.verify_ir;
        if !usable || self.machine.is_some() {
            return;
        }
        let own = format!(
            "{} {:?} {:?} identity={}",
            self.isa.name(),
            jit::host_features(cfg),
            cfg,
            self.mem.is_identity()
        );
        let owner = [own.as_bytes(), &[0], owner].concat();
        let _ = self.kept.set(Kept {
            image: Image::new(image, &owner).unwrap_or_default(),
            owner,
            new: Lock::new(New::default()),
        });
    }

    /// Everything kept, if enough of it is new to be worth writing. `current` gives the image as others may have written it
    /// meanwhile.
    pub fn kept_image<'a>(&self, current: impl FnOnce() -> &'a [u8]) -> Option<Vec<u8>> {
        let kept = self.kept.get()?;
        let mut new = kept.new.lock();
        if new.count < LEAST_NEW {
            return None;
        }
        let current = current();
        let room = current.len() + new.records.len() <= MOST_KEPT;
        let current = Image::new(current, &kept.owner).filter(|_| room);
        let current = current.unwrap_or_default();
        let least = LEAST_NEW.max(current.count() / PART_NEW);
        let enough = new.count >= least;
        enough.then(|| {
            new.count = 0;
            current.with(&kept.owner, &new.records)
        })
    }

    /// Before a fork.
    pub(crate) fn hold_kept(&self) {
        if let Some(kept) = self.kept.get() {
            std::mem::forget(kept.new.lock());
        }
    }

    /// After a fork.
    ///
    /// # Safety
    /// The calling thread has called [`Engine::hold_kept`].
    pub(crate) unsafe fn release_kept(&self) {
        if let Some(kept) = self.kept.get() {
            // SAFETY: that took the lock.
            unsafe { kept.new.force_unlock() };
        }
    }

    /// The child of a fork leaves what is new so far to its parent.
    pub(crate) fn forget_kept(&self) {
        if let Some(kept) = self.kept.get() {
            *kept.new.lock() = New::default();
        }
    }

    /// The store of translations, unless translations are of a kind that is not kept at present.
    pub(crate) fn keeps(&self, guarded: Guarded) -> Option<&Kept> {
        let kept = self.kept.get()?;
        let plain = !self.stops.breaking() && !self.stops.watching() && !self.hooks.has(u32::MAX);
        (plain && guarded == Guarded::Yes).then_some(kept)
    }

    /// Remembers a translation that is about to be published.
    pub(crate) fn note_kept(&self, source: &Source, c: &Compiled<'_>, limits: BlockLimits) {
        let Some(kept) = self.keeps(Guarded::Yes) else {
            return;
        };
        let Some(pieces) = source.whole.as_deref().filter(|p| !p.is_empty()) else {
            return;
        };
        let lasting = |page: &u64| self.code_memory.is_lasting(GuestVa(page << 12));
        if !source.verify.is_empty() || !source.pages.iter().all(lasting) {
            return;
        }
        let flag = |on: bool, bit: u32| if on { bit } else { 0 };
        let record = Record {
            pc: source.ir.pc,
            mode: source.ir.mode,
            flags: flag(self.is_parallel(), PARALLEL)
                | flag(limits.brief, BRIEF)
                | flag(c.loops, LOOPS),
            pages: &source.pages,
            links: &c.links,
            fp_sites: c.fp_sites,
            pieces,
            code: c.code,
            maps: c.maps,
        };
        let mut new = kept.new.lock();
        if new.records.len() < MOST_PENDING {
            record.append_to(&mut new.records);
            new.count += 1;
        }
    }

    /// The kept translation of the block at `pc`, published. `None` if there is none for what is in memory now.
    pub(crate) fn revive(
        &self,
        pc: u64,
        mode: u32,
        guarded: Guarded,
        brief: bool,
    ) -> Option<Result<&TransBlock, Failed>> {
        let kept = self.keeps(guarded)?;
        let parallel = self.is_parallel();
        let since = self.invalidations.load(Ordering::Acquire);
        let entry = kept.image.find(pc, mode, parallel, brief)?;
        if !self.holds(&entry) {
            return None;
        }
        let mut block = TransBlock::bare(pc, mode);
        let is_brief = entry.flags & BRIEF != 0;
        block.loops = entry.flags & LOOPS != 0;
        block.maps = Cow::Borrowed(entry.maps);
        block.fp_sites = entry.fp_sites().collect();
        block.links = Links::Kept(entry.links());
        block.pages = entry.pages().collect();
        let wrapped = wrapped(&[], is_brief, entry.code);
        match self.publish(block, Origin::Kept, entry.code, wrapped.as_ref(), since) {
            Ok(Some(block)) => Some(Ok(block)),
            // The code changed a moment ago: translate.
            Ok(None) => None,
            Err(failed) => Some(Err(failed)),
        }
    }

    /// Whether guest memory has the code that a kept translation was made of. From here on its pages are protected.
    fn holds(&self, entry: &Entry<'_>) -> bool {
        let memory = &self.code_memory;
        for page in entry.pages() {
            let verified = self.inner.lock().pages.is_verified(page);
            if verified || !memory.protect_code(GuestVa(page << 12), 1 << 12) {
                return false;
            }
        }
        let mut have = [0; record::PIECE];
        entry.pieces().all(|(va, want)| {
            let Some(have) = have.get_mut(..want.len()) else {
                return false;
            };
            // Code that goes on in the next page.
            let mut done = 0;
            while done < want.len() {
                match memory.fetch(GuestVa(va.wrapping_add(done as u64)), &mut have[done..]) {
                    Ok(n) if n != 0 => done += n,
                    _ => return false,
                }
            }
            have == want
        })
    }
}

/// Adds bytes that a translation has read; gives up on ones that are read in large pieces.
pub(crate) fn note_read(whole: &mut Option<Vec<Piece>>, va: u64, bytes: &[u8]) {
    if let Some(pieces) = whole {
        match bytes.len() <= record::PIECE {
            true => pieces.push(Piece {
                va,
                bytes: bytes.to_vec(),
            }),
            false => *whole = None,
        }
    }
}
