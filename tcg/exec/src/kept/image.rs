//! All kept translations of a program as bytes: a head, the owner, the records, an index.
//!
//! Offsets: 0 the magic number; 8 bytes in all; 16 offset of the index; 24 its capacity, a power of two; 28 records;
//! 32 bytes of the owner; 40 checksum of what stands before it, the owner and where records begin. The index has offsets of
//! records in units of eight bytes, by a hash of address and mode, with linear probing; 0: free.
//!
//! An image may be damaged or cut short: every offset is checked, and every record has a checksum. It may not be
//! forged, as it holds host code: who stores images lets nobody else write them.

use super::record::{self, BRIEF, Entry, PARALLEL};
use std::collections::HashMap;

const MAGIC: u64 = u64::from_le_bytes(*b"emucode1");
const HEAD: usize = 48;

/// An image whose head is as it was written; the default one is empty.
#[derive(Clone, Copy, Default)]
pub(super) struct Image<'a> {
    bytes: &'a [u8],
    /// Where the records start.
    first: usize,
    index: &'a [u8],
    count: usize,
}

fn hash(pc: u64, mode: u32) -> u32 {
    let h = (pc ^ u64::from(mode) << 40).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (h >> 32) as u32
}

fn head_sum(bytes: &[u8], owner: &[u8]) -> Option<u64> {
    Some(record::checksum(bytes.get(..HEAD - 8)?) ^ record::checksum(owner).rotate_left(1))
}

impl<'a> Image<'a> {
    /// The image, if it is one of this owner's.
    pub(super) fn new(bytes: &'a [u8], owner: &[u8]) -> Option<Image<'a>> {
        let number = |at: usize| record::u64_at(bytes, at).and_then(|n| usize::try_from(n).ok());
        let sound = record::u64_at(bytes, 0)? == MAGIC
            && number(8)? == bytes.len()
            && number(32)? == owner.len()
            && bytes.get(HEAD..HEAD + owner.len())? == owner
            && record::u64_at(bytes, 40)? == head_sum(bytes, owner)?;
        let capacity = record::u32_at(bytes, 24)? as usize;
        if !sound || !capacity.is_power_of_two() {
            return None;
        }
        let index = number(16)?;
        Some(Image {
            bytes: bytes.get(..index)?,
            first: HEAD + owner.len().next_multiple_of(8),
            index: bytes.get(index..index.checked_add(capacity.checked_mul(4)?)?)?,
            count: record::u32_at(bytes, 28)? as usize,
        })
    }

    /// Number of translations.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// The translation of a block: a full one, or a brief one where that will do.
    pub(super) fn find(
        &self,
        pc: u64,
        mode: u32,
        parallel: bool,
        brief: bool,
    ) -> Option<Entry<'a>> {
        let mask = (self.index.len() / 4).checked_sub(1)?;
        let mut at = hash(pc, mode) as usize & mask;
        let mut found = None;
        for _ in 0..=mask {
            let offset = record::u32_at(self.index, at * 4)? as usize * 8;
            if offset == 0 {
                break;
            }
            let record = record::extent(self.bytes.get(offset..)?)?;
            let (p, m, flags) = record::key(record)?;
            let fits = (p, m) == (pc, mode) && (flags & PARALLEL != 0) == parallel;
            if fits && flags & BRIEF == 0 {
                found = Some(record);
                break;
            }
            if fits && brief {
                found = Some(record);
            }
            at = (at + 1) & mask;
        }
        Entry::read(found?)
    }

    fn records(&self) -> Records<'a> {
        Records(self.bytes.get(self.first..).unwrap_or_default())
    }

    /// An image of these translations and of newer ones.
    pub(super) fn with(&self, owner: &[u8], newer: &[u8]) -> Vec<u8> {
        // Of each block the newest of its kind, and no brief one if there is a full one.
        let mut chosen: HashMap<(u64, u32, u32), &[u8]> = HashMap::new();
        for r in self.records().chain(Records(newer)) {
            if let Some((pc, mode, flags)) = record::key(r) {
                let kind = flags & PARALLEL;
                if flags & BRIEF == 0 {
                    chosen.remove(&(pc, mode, kind | BRIEF));
                    chosen.insert((pc, mode, kind), r);
                } else if !chosen.contains_key(&(pc, mode, kind)) {
                    chosen.insert((pc, mode, kind | BRIEF), r);
                }
            }
        }
        let mut chosen: Vec<_> = chosen.into_iter().collect();
        chosen.sort_unstable_by_key(|(key, _)| *key);
        let size: usize = chosen.iter().map(|(_, r)| r.len()).sum();
        let mut out = Vec::with_capacity(size + size / 16 + HEAD + owner.len() + 64);
        out.resize(HEAD, 0);
        out.extend_from_slice(owner);
        out.resize(out.len().next_multiple_of(8), 0);
        let capacity = (chosen.len() * 2 + 1).next_power_of_two();
        let mut index = vec![0u32; capacity];
        for ((pc, mode, _), r) in &chosen {
            let mut at = hash(*pc, *mode) as usize & (capacity - 1);
            while index[at] != 0 {
                at = (at + 1) & (capacity - 1);
            }
            index[at] = (out.len() / 8) as u32;
            out.extend_from_slice(r);
        }
        let index_at = out.len() as u64;
        index.iter().for_each(|n| out.extend(n.to_le_bytes()));
        let total = out.len() as u64;
        let mut put = |at: usize, n: u64| out[at..at + 8].copy_from_slice(&n.to_le_bytes());
        put(0, MAGIC);
        put(8, total);
        put(16, index_at);
        put(24, capacity as u64 | (chosen.len() as u64) << 32);
        put(32, owner.len() as u64);
        let sum = head_sum(&out, owner).unwrap_or(0);
        out[40..48].copy_from_slice(&sum.to_le_bytes());
        out
    }
}

/// Records one behind the other, up to the first that cannot be one.
struct Records<'a>(&'a [u8]);

impl<'a> Iterator for Records<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let record = record::extent(self.0)?;
        self.0 = self.0.get(record.len()..)?;
        Some(record)
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::Record;
    use super::*;
    use crate::block::{DirectLink, Piece};

    fn one(out: &mut Vec<u8>, pc: u64, flags: u32, code: &[u8]) {
        let piece = Piece {
            va: pc,
            bytes: vec![1, 2, 3],
        };
        let link = DirectLink {
            stub: 5,
            site: 6,
            pc: 7,
            mode: 8,
        };
        Record {
            pc,
            mode: 1,
            flags,
            pages: &[pc >> 12],
            links: &[link],
            fp_sites: &[],
            pieces: &[piece],
            code,
            maps: &[9],
        }
        .append_to(out);
    }

    fn sample() -> Vec<u8> {
        let mut records = Vec::new();
        one(&mut records, 0x1000, BRIEF, &[1]);
        one(&mut records, 0x2000, BRIEF, &[2]);
        let old = Image::default().with(b"me", &records);
        let mut newer = Vec::new();
        one(&mut newer, 0x1000, 0, &[3, 3]);
        one(&mut newer, 0x1000, PARALLEL, &[4]);
        Image::new(&old, b"me").unwrap().with(b"me", &newer)
    }

    #[test]
    fn image_gives_back_what_was_kept() {
        let bytes = sample();
        let image = Image::new(&bytes, b"me").unwrap();
        assert_eq!(image.count(), 3);
        let e = image.find(0x1000, 1, false, true).unwrap();
        assert_eq!((e.code, e.maps), (&[3u8, 3][..], &[9u8][..]));
        assert_eq!(e.pieces().collect::<Vec<_>>(), [(0x1000, &[1u8, 2, 3][..])]);
        assert_eq!(e.pages().collect::<Vec<_>>(), [1]);
        assert_eq!(e.links().get(0).map(|l| (l.stub, l.mode)), Some((5, 8)));
        assert_eq!(image.find(0x1000, 1, true, true).unwrap().code, [4]);
        assert_eq!(image.find(0x2000, 1, false, true).unwrap().code, [2]);
        assert!(image.find(0x2000, 1, false, false).is_none());
        assert!(image.find(0x1000, 2, false, true).is_none());
        assert!(Image::new(&bytes, b"us").is_none());
    }

    #[test]
    fn damaged_image_gives_nothing_or_what_was_kept() {
        let good = sample();
        for at in 0..good.len() {
            let mut bytes = good.clone();
            bytes[at] ^= 0x41;
            let Some(image) = Image::new(&bytes, b"me") else {
                continue;
            };
            for pc in [0x1000, 0x2000] {
                if let Some(e) = image.find(pc, 1, false, true) {
                    let code: &[u8] = if pc == 0x1000 { &[3, 3] } else { &[2] };
                    assert_eq!(e.code, code, "byte {at}");
                }
            }
            let _ = image.with(b"me", &[]);
        }
        for len in 0..good.len() {
            assert!(Image::new(&good[..len], b"me").is_none());
        }
    }
}
