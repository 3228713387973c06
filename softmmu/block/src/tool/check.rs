//! `check`: whether the reference counts of a qcow2 file agree with what its tables refer to.
//! Reference: QEMU's docs/interop/qcow2, "Host cluster management", "Cluster mapping".

use super::Header;
use crate::Error;
use std::fs::File;
use std::os::unix::fs::FileExt;

const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;
const COMPRESSED: u64 = 1 << 62;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// What is wrong with the data: one line each, the first hundred.
    pub errors: Vec<String>,
    /// How many there are.
    pub corruptions: u64,
    /// Clusters that are counted but not used.
    pub leaks: u64,
    /// Clusters of the disk.
    pub total_clusters: u64,
    /// Clusters of the disk that are in the file.
    pub allocated_clusters: u64,
    /// Compressed ones among them.
    pub compressed_clusters: u64,
    /// Where the file's last used cluster ends.
    pub image_end: u64,
}

struct Checker<'a> {
    file: &'a File,
    header: Header,
    length: u64,
    /// How often each cluster of the file is referred to.
    seen: Vec<u32>,
    findings: Findings,
}

/// Checks a qcow2 file. Internal snapshots, external data files and extended tables are not known.
pub fn check(path: &str) -> Result<Findings, Error> {
    let failed = |e: std::io::Error| Error(format!("{path}: {e}"));
    let file = File::open(path).map_err(failed)?;
    crate::lock::lock(&file, path, false)?;
    let header = Header::read(&file, path)?;
    let length = file.metadata().map_err(failed)?.len();
    if header.snapshots != 0 || header.data_file || header.extended_l2 {
        return Err(Error(format!(
            "{path}: checking images with internal snapshots, an external data file or extended \
             tables is not supported"
        )));
    }
    // A file of more clusters than that would need too much memory here.
    let clusters = length.div_ceil(header.cluster());
    let clusters = usize::try_from(clusters).ok().filter(|c| *c <= 1 << 30);
    let clusters = clusters.ok_or_else(|| Error(format!("{path}: too large to be checked")))?;
    let mut checker = Checker {
        file: &file,
        length,
        seen: vec![0; clusters],
        findings: Findings::default(),
        header,
    };
    checker.run();
    Ok(checker.findings)
}

impl Checker<'_> {
    fn run(&mut self) {
        let header = self.header.clone();
        let cluster = header.cluster();
        self.findings.total_clusters = header.size.div_ceil(cluster);
        self.refer(0, cluster, "header");
        let (l1, entries) = header.l1;
        self.refer(l1, u64::from(entries) * 8, "L1 table");
        let (counts, count_clusters) = header.refcounts;
        let count_bytes = u64::from(count_clusters).saturating_mul(cluster);
        self.refer(counts, count_bytes, "refcount table");
        for (index, entry) in self
            .table(l1, u64::from(entries) * 8)
            .into_iter()
            .enumerate()
        {
            if entry & OFFSET != 0 {
                self.l2(entry & OFFSET, index);
            }
        }
        let blocks = self.table(counts, count_bytes);
        for block in &blocks {
            if block & OFFSET != 0 {
                self.refer(block & OFFSET, cluster, "refcount block");
            }
        }
        self.compare(&blocks);
        let used = self.seen.iter().rposition(|n| *n > 0);
        self.findings.image_end = used.map_or(0, |u| (u as u64 + 1) * cluster);
    }

    fn error(&mut self, text: String) {
        self.findings.corruptions += 1;
        if self.findings.errors.len() < 100 {
            self.findings.errors.push(text);
        }
    }

    /// Counts a reference to a stretch of the file.
    fn refer(&mut self, at: u64, bytes: u64, what: &str) {
        let bits = self.header.cluster_bits;
        if bytes == 0 {
            return;
        }
        let end = at.saturating_add(bytes - 1);
        if end >= self.length.next_multiple_of(self.header.cluster()) {
            return self.error(format!("{what} at {at:#x} lies beyond the end of the file"));
        }
        for cluster in at >> bits..=end >> bits {
            let seen = usize::try_from(cluster).ok();
            if let Some(seen) = seen.and_then(|c| self.seen.get_mut(c)) {
                *seen = seen.saturating_add(1);
            }
        }
    }

    /// The big-endian words of a stretch; what is beyond the end is not there.
    fn table(&self, at: u64, bytes: u64) -> Vec<u64> {
        let end = at.saturating_add(bytes).min(self.length);
        let size = usize::try_from(end.saturating_sub(at)).unwrap_or(0);
        let mut buf = vec![0; size];
        if self.file.read_exact_at(&mut buf, at).is_err() {
            return Vec::new();
        }
        let words = buf.as_chunks::<8>().0;
        words.iter().map(|w| u64::from_be_bytes(*w)).collect()
    }

    fn l2(&mut self, at: u64, index: usize) {
        let cluster = self.header.cluster();
        if !at.is_multiple_of(cluster) {
            return self.error(format!("L2 table {index} at {at:#x} is not aligned"));
        }
        self.refer(at, cluster, "L2 table");
        for entry in self.table(at, cluster) {
            if entry & COMPRESSED != 0 {
                self.compressed(entry);
                continue;
            }
            let data = entry & OFFSET;
            if data == 0 {
                continue;
            }
            if !data.is_multiple_of(cluster) {
                self.error(format!("data cluster at {data:#x} is not aligned"));
                continue;
            }
            self.refer(data, cluster, "data cluster");
            // A cluster of zeroes may keep its place.
            if entry & 1 == 0 {
                self.findings.allocated_clusters += 1;
            }
        }
    }

    fn compressed(&mut self, entry: u64) {
        let bits = 62 - (self.header.cluster_bits - 8);
        let at = entry & ((1 << bits) - 1);
        let sectors = (entry & (COMPRESSED - 1)) >> bits;
        let end = (at & !511) + (sectors + 1) * 512;
        self.findings.allocated_clusters += 1;
        self.findings.compressed_clusters += 1;
        let end = end.min(self.length.next_multiple_of(512));
        self.refer(at, end.saturating_sub(at).max(1), "compressed cluster");
    }

    /// Compares the counts in the file with the references.
    fn compare(&mut self, blocks: &[u64]) {
        let cluster = self.header.cluster();
        let order = self.header.refcount_order;
        let per_block = (cluster * 8) >> order;
        let mut buf = vec![0; cluster as usize];
        let mut loaded = u64::MAX;
        for index in 0..self.seen.len() {
            let number = index as u64 / per_block;
            if number != loaded {
                loaded = number;
                buf.fill(0);
                let at = blocks.get(number as usize).copied().unwrap_or(0) & OFFSET;
                // A block that is not there counts nothing; one beyond the end was told already.
                if at != 0 && self.file.read_exact_at(&mut buf, at).is_err() {
                    buf.fill(0);
                }
            }
            let counted = count(&buf, index as u64 % per_block, order);
            let seen = u64::from(self.seen.get(index).copied().unwrap_or(0));
            if counted < seen {
                self.error(format!(
                    "cluster {index} refcount={counted} reference={seen}"
                ));
            } else if counted > seen {
                self.findings.leaks += 1;
            }
        }
    }
}

/// The count at `index` of a block; counts have 2^order bits, the small ones from the low bits up.
fn count(block: &[u8], index: u64, order: u32) -> u64 {
    let bits = 1u64 << order;
    let at = (index * bits / 8) as usize;
    if order < 3 {
        let byte = u64::from(block.get(at).copied().unwrap_or(0));
        return byte >> (index * bits % 8) & ((1 << bits) - 1);
    }
    let bytes = block.get(at..at + (bits / 8) as usize).unwrap_or_default();
    bytes.iter().fold(0, |n, b| n << 8 | u64::from(*b))
}
