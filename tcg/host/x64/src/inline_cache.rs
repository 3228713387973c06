//! Inline caches of indirect jumps and calls: compares with the first few targets that were seen, each with a direct jump
//! behind it, then the jump cache.
//!
//! Hosts guess conditional branches far better than the targets of indirect ones, and a compare is done some ten
//! cycles before a jump through the jump cache is: a call of one of several methods, in an order that repeats, takes a third of the time.
//!
//! A way is `cmp target, [word]; je block`, of [`WAY_BYTES`]. What the runtime has to know to fill it lies behind the block's code,
//! at a multiple of 8, all little-endian:
//!
//! | offset | field |
//! |---|---|
//! | 0 | first way's rel32 field |
//! | 4 | rel32 field of the jump behind the ways, which leads to `LookupIc` |
//! | 8 | where that jump is to lead when all ways are taken |
//! | 12 | number of ways |
//! | 16 | for each way the target as a 64-bit word; [`EMPTY`]: free |
//!
//! The first three as distances from the end of the field.

use crate::compiler::{Fixup, Gen, Place};
use crate::enc::{Mem, Opc, RIP, Rm, x86cc};
use crate::link::{Stub, Target};

/// Bytes from one way's rel32 field to the next one's.
pub const WAY_BYTES: u32 = 16;
/// The word of a way that is free. No code has this address: it is not aligned to any ISA's instructions.
pub const EMPTY: u64 = u64::MAX;
/// Offset of the first word.
pub const WORDS: usize = 16;

/// Ways of a call.
pub(crate) const CALL_WAYS: u32 = 2;
/// Ways of a jump that tends to go to one place.
pub(crate) const JUMP_WAYS: u32 = 1;
/// Ways of a jump with many targets. A copy of an interpreter's dispatch has a few that are frequent.
pub(crate) const TABLE_WAYS: u32 = 2;

/// Labels of what a block tells about one of its caches.
pub struct InlineCache {
    /// Where it is told.
    at: u32,
    /// The words.
    words: u32,
    first: u32,
    behind: u32,
    full: u32,
    ways: u32,
}

impl Gen<'_> {
    /// To the target, through a cache of so many ways.
    pub(crate) fn inline_cache(&mut self, ways: u32, mode: u32, target: Target) {
        if self.opts.mmu.is_some() {
            return self.probe(mode, target);
        }
        let at = self.new_label();
        let words = self.labels.len() as u32;
        for _ in 0..ways {
            self.new_label();
        }
        let full = self.stub(Stub::CacheFull { mode, target });
        let miss = self.stub(Stub::CacheFill {
            cache: at,
            full,
            mode,
            target,
        });
        let (first, behind) = (self.new_label(), self.new_label());
        let pad = self.a.pos().wrapping_neg() & 7;
        self.a.nops(pad);
        for way in 0..ways {
            let start = self.a.pos();
            let word = Rm::M(Mem::base(RIP, 0));
            self.a.op(Opc(0, 0, 0x3b), target.wide, target.reg, word);
            self.fix_rip(words + way, 0);
            self.a.byte(0x0f);
            self.a.byte(0x80 | x86cc::E);
            if way == 0 {
                self.bind_label(first);
            }
            self.rel32(miss);
            let end = if way + 1 < ways { WAY_BYTES } else { 15 };
            self.a.nops(start + end - self.a.pos());
        }
        self.a.byte(0xe9);
        self.bind_label(behind);
        self.rel32(miss);
        self.caches.push(InlineCache {
            at,
            words,
            first,
            behind,
            full,
            ways,
        });
    }

    /// Writes behind the code what is told about the caches.
    pub(crate) fn place_caches(&mut self, code: &mut Vec<u8>) {
        let caches = std::mem::take(&mut self.caches);
        for c in &caches {
            code.resize(code.len().next_multiple_of(8), 0xcc);
            let here = |code: &Vec<u8>| Place {
                cold: false,
                off: code.len() as u32,
            };
            self.labels[c.at as usize] = here(code);
            for label in [c.first, c.behind, c.full] {
                let at = here(code);
                self.fixups.push(Fixup { at, label });
                code.extend_from_slice(&[0; 4]);
            }
            code.extend_from_slice(&c.ways.to_le_bytes());
            for way in 0..c.ways {
                self.labels[(c.words + way) as usize] = here(code);
                code.extend_from_slice(&EMPTY.to_le_bytes());
            }
        }
        self.caches = caches;
    }
}
