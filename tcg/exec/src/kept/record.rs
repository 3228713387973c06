//! One kept translation as bytes: numbers in the host's order, every part at a multiple of eight.
//!
//! Offsets: 0 checksum of all that follows; 8 bytes in all; 12 mode; 16 pc; 24 flags; 28 pages; 32 links; 36 sites of
//! arithmetic; 40 pieces of guest code; 44 bytes of host code; 48 bytes of location maps; 56 the parts in this order.

use crate::block::{DirectLink, Piece};
use tcg_x64::FpSite;

/// Made while other threads ran.
pub(super) const PARALLEL: u32 = 1;
/// A brief translation.
pub(super) const BRIEF: u32 = 2;
/// It goes round inside.
pub(super) const LOOPS: u32 = 4;
/// Longest piece of guest code.
pub(super) const PIECE: usize = 256;

const HEAD: usize = 56;
const LINK: usize = 24;
const SITE: usize = 12;
const PIECE_HEAD: usize = 16;

/// A translation to be kept.
pub(super) struct Record<'a> {
    pub pc: u64,
    pub mode: u32,
    pub flags: u32,
    pub pages: &'a [u64],
    pub links: &'a [DirectLink],
    pub fp_sites: &'a [FpSite],
    pub pieces: &'a [Piece],
    pub code: &'a [u8],
    pub maps: &'a [u8],
}

/// A kept translation, whose parts are inside the bytes that it was read from.
pub(super) struct Entry<'a> {
    pub flags: u32,
    pub code: &'a [u8],
    pub maps: &'a [u8],
    pages: &'a [u8],
    links: &'a [u8],
    sites: &'a [u8],
    pieces: Pieces<'a>,
}

/// A checksum: for damage, not against forgery.
pub(super) fn checksum(bytes: &[u8]) -> u64 {
    let mix = |h: u64, w: u64| (h ^ w).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    // Four at a time: each waits for its product.
    let mut sums = [0x243f_6a88_85a3_08d3u64, bytes.len() as u64, 1, 2];
    let mut words = bytes.chunks_exact(32);
    for w in &mut words {
        for (k, sum) in sums.iter_mut().enumerate() {
            *sum = mix(*sum, u64_at(w, 8 * k).unwrap_or(0));
        }
    }
    let [first, rest @ ..] = sums;
    let rest = rest.into_iter().fold(first, mix);
    let all = words
        .remainder()
        .iter()
        .fold(rest, |h, b| mix(h, u64::from(*b)));
    mix(all, all >> 31)
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    let part = bytes.get(at..at.checked_add(8)?)?;
    Some(u64::from_le_bytes(part.try_into().ok()?))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let part = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(part.try_into().ok()?))
}

fn align(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(8), 0);
}

impl Record<'_> {
    /// Appends it; `out` is at a multiple of eight before and behind.
    pub(super) fn append_to(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.resize(start + HEAD, 0);
        self.pages.iter().for_each(|p| out.extend(p.to_le_bytes()));
        for l in self.links {
            out.extend(l.stub.to_le_bytes());
            out.extend(l.site.to_le_bytes());
            out.extend(l.pc.to_le_bytes());
            out.extend(u64::from(l.mode).to_le_bytes());
        }
        for s in self.fp_sites {
            [s.start, s.end, s.slow]
                .iter()
                .for_each(|n| out.extend(n.to_le_bytes()));
        }
        align(out);
        for p in self.pieces {
            out.extend(p.va.to_le_bytes());
            out.extend((p.bytes.len() as u64).to_le_bytes());
            out.extend_from_slice(&p.bytes);
            align(out);
        }
        out.extend_from_slice(self.code);
        align(out);
        out.extend_from_slice(self.maps);
        align(out);
        let total = (out.len() - start) as u32;
        let head = &mut out[start..];
        let mut put = |at: usize, n: u32| head[at..at + 4].copy_from_slice(&n.to_le_bytes());
        put(8, total);
        put(12, self.mode);
        put(16, self.pc as u32);
        put(20, (self.pc >> 32) as u32);
        put(24, self.flags);
        put(28, self.pages.len() as u32);
        put(32, self.links.len() as u32);
        put(36, self.fp_sites.len() as u32);
        put(40, self.pieces.len() as u32);
        put(44, self.code.len() as u32);
        put(48, self.maps.len() as u32);
        let sum = checksum(&head[8..]);
        head[..8].copy_from_slice(&sum.to_le_bytes());
    }
}

/// The bytes of the record at the start of `bytes`.
pub(super) fn extent(bytes: &[u8]) -> Option<&[u8]> {
    let len = u32_at(bytes, 8)? as usize;
    if len < HEAD || !len.is_multiple_of(8) {
        return None;
    }
    bytes.get(..len)
}

/// Address, mode and flags of a record.
pub(super) fn key(record: &[u8]) -> Option<(u64, u32, u32)> {
    Some((
        u64_at(record, 16)?,
        u32_at(record, 12)?,
        u32_at(record, 24)?,
    ))
}

/// Takes parts off the front.
#[derive(Clone, Copy)]
struct Parts<'a>(&'a [u8]);

/// So many pieces of guest code, with their addresses; ends early if one is not whole.
#[derive(Clone, Copy)]
struct Pieces<'a>(usize, Parts<'a>);

impl<'a> Iterator for Pieces<'a> {
    type Item = (u64, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        self.0 = self.0.checked_sub(1)?;
        let head = self.1.take(PIECE_HEAD)?;
        let len = usize::try_from(u64_at(head, 8)?).ok()?;
        Some((u64_at(head, 0)?, self.1.take(len)?))
    }
}

impl<'a> Parts<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (part, rest) = self.0.split_at_checked(len)?;
        let pad = (len.next_multiple_of(8) - len).min(rest.len());
        self.0 = &rest[pad..];
        Some(part)
    }
}

impl<'a> Entry<'a> {
    /// The record, if it is as it was written.
    pub(super) fn read(record: &'a [u8]) -> Option<Entry<'a>> {
        if u64_at(record, 0)? != checksum(record.get(8..)?) {
            return None;
        }
        let (_, _, flags) = key(record)?;
        let count = |at: usize| u32_at(record, at).map(|n| n as usize);
        let mut parts = Parts(record.get(HEAD..)?);
        let pages = parts.take(count(28)?.checked_mul(8)?)?;
        let links = parts.take(count(32)?.checked_mul(LINK)?)?;
        let sites = parts.take(count(36)?.checked_mul(SITE)?)?;
        let pieces = Pieces(count(40)?, parts);
        let mut behind = pieces;
        while behind.0 > 0 {
            behind.next()?;
        }
        let mut parts = behind.1;
        Some(Entry {
            flags,
            pages,
            links,
            sites,
            pieces,
            code: parts.take(count(44)?)?,
            maps: parts.take(count(48)?)?,
        })
    }

    pub(super) fn pages(&self) -> impl ExactSizeIterator<Item = u64> {
        self.pages.chunks_exact(8).map(|c| wide(c, 0))
    }

    pub(super) fn pieces(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.pieces
    }

    pub(super) fn links(&self) -> LinkRows<'a> {
        LinkRows(self.links)
    }

    pub(super) fn fp_sites(&self) -> impl ExactSizeIterator<Item = FpSite> {
        self.sites.chunks_exact(SITE).map(|c| FpSite {
            start: word(c, 0),
            end: word(c, 4),
            slow: word(c, 8),
        })
    }
}

/// The direct links of a kept translation, where they are.
pub(crate) struct LinkRows<'a>(&'a [u8]);

impl LinkRows<'_> {
    pub(crate) fn len(&self) -> usize {
        self.0.len() / LINK
    }

    pub(crate) fn get(&self, k: usize) -> Option<DirectLink> {
        let row = self.0.get(k * LINK..(k + 1) * LINK)?;
        Some(DirectLink {
            stub: word(row, 0),
            site: word(row, 4),
            pc: wide(row, 8),
            mode: word(row, 16),
        })
    }
}

/// A number in a row that is known to be long enough.
fn word(row: &[u8], at: usize) -> u32 {
    u32_at(row, at).unwrap_or(0)
}

fn wide(row: &[u8], at: usize) -> u64 {
    u64_at(row, at).unwrap_or(0)
}
