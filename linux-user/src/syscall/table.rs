//! An ABI's system call table: number to handler, worked out while the emulator is compiled.
//!
//! The source is the text file `abi/<guest>/syscall.tbl`: number, the kernel's name, and the handler's name if that
//! differs. Names without a handler stay in the table, so that -strace can name what is missing.

use super::SysDesc;

/// One system call of an ABI.
#[derive(Clone, Copy)]
pub struct Entry {
    /// Number in the guest's ABI.
    pub nr: u32,
    /// Name for -strace.
    pub name: &'static str,
    /// How to run it; `None` answers ENOSYS.
    pub desc: Option<&'static SysDesc>,
}

/// An entry as it is kept: positions instead of references, which would be relocated at every start of the emulator.
#[derive(Clone, Copy)]
struct Slot {
    nr: u32,
    /// Which of the table's texts it comes from.
    source: u8,
    /// Where its name is in that text; no name if the number is free.
    name: (u16, u8),
    /// Position among the source's families and in the family.
    row: Option<(u8, u8)>,
}

/// A text and the families that its handlers are in.
#[derive(Clone, Copy)]
struct Source {
    text: &'static str,
    families: &'static [&'static [SysDesc]],
}

const FREE: Slot = Slot {
    nr: 0,
    source: 0,
    name: (0, 0),
    row: None,
};
const NO_SOURCE: Source = Source {
    text: "",
    families: &[],
};
const LOW: usize = 512;
const HIGH: usize = 16;

/// Every system call of an ABI.
pub struct CallTable {
    low: [Slot; LOW],
    /// Numbers from [`LOW`] on: calls private to an architecture.
    high: [Slot; HIGH],
    /// The generic calls' and the architecture's own.
    sources: [Source; 2],
}

impl CallTable {
    /// The entry of a number, if the ABI has one.
    pub fn get(&self, nr: u32) -> Option<Entry> {
        match self.low.get(nr as usize) {
            Some(slot) => self.entry(slot),
            None => self
                .high
                .iter()
                .find(|s| s.nr == nr)
                .and_then(|s| self.entry(s)),
        }
    }

    fn entry(&self, slot: &Slot) -> Option<Entry> {
        let source = self.sources.get(usize::from(slot.source))?;
        let start = usize::from(slot.name.0);
        let name = source.text.get(start..start + usize::from(slot.name.1))?;
        let desc = slot.row.and_then(|(family, row)| {
            let family = source.families.get(usize::from(family))?;
            family.get(usize::from(row))
        });
        let entry = Entry {
            nr: slot.nr,
            name,
            desc,
        };
        Some(entry).filter(|_| !name.is_empty())
    }

    /// All entries.
    pub fn iter(&self) -> impl Iterator<Item = Entry> {
        let slots = self.low.iter().chain(&self.high);
        slots.filter_map(|slot| self.entry(slot))
    }

    /// The number of the call with the kernel's name `name`.
    pub fn number(&self, name: &str) -> Option<u32> {
        self.iter().find(|e| e.name == name).map(|e| e.nr)
    }

    /// Reads the table's text; malformed text does not compile.
    pub const fn parse(text: &'static str, families: &'static [&'static [SysDesc]]) -> CallTable {
        let table = CallTable {
            low: [FREE; LOW],
            high: [FREE; HIGH],
            sources: [NO_SOURCE; 2],
        };
        table.read(0, Source { text, families })
    }

    /// The same table with more rows: those that an architecture adds to the generic ones.
    pub const fn with(
        self,
        text: &'static str,
        families: &'static [&'static [SysDesc]],
    ) -> CallTable {
        self.read(1, Source { text, families })
    }

    const fn read(self, index: usize, source: Source) -> CallTable {
        let mut table = self;
        table.sources[index] = source;
        let all = source.text.as_bytes();
        assert!(all.len() < 1 << 16, "a system call table of 64 KiB");
        let mut highs = 0;
        while highs < HIGH && table.high[highs].name.1 > 0 {
            highs += 1;
        }
        let mut at = 0;
        while at < all.len() {
            let end = until(all, at, all.len(), b'\n');
            if end > at && all[at] != b'#' {
                let nr_end = until(all, at, end, b'\t');
                let name_end = until(all, nr_end + 1, end, b'\t');
                let name = part(all, nr_end + 1, name_end);
                let handler = part(all, name_end + 1, end);
                assert!(name.len() < 256, "a system call's name is too long");
                let slot = Slot {
                    nr: number(part(all, at, nr_end)),
                    source: index as u8,
                    name: (nr_end as u16 + 1, name.len() as u8),
                    row: find(
                        source.families,
                        if handler.is_empty() { name } else { handler },
                    ),
                };
                if (slot.nr as usize) < LOW {
                    table.low[slot.nr as usize] = slot;
                } else {
                    table.high[highs] = slot;
                    highs += 1;
                }
            }
            at = end + 1;
        }
        table
    }
}

/// Where `what` is next in `text` from `at` on; `end` if it is not before that.
const fn until(text: &[u8], at: usize, end: usize, what: u8) -> usize {
    let mut i = at;
    while i < end && text[i] != what {
        i += 1;
    }
    if i < end { i } else { end }
}

const fn part(text: &[u8], from: usize, to: usize) -> &[u8] {
    if from < to {
        text.split_at(to).0.split_at(from).1
    } else {
        &[]
    }
}

const fn number(text: &[u8]) -> u32 {
    let mut value = 0;
    let mut i = 0;
    while i < text.len() {
        assert!(
            text[i].is_ascii_digit(),
            "a line of a system call table starts with a number"
        );
        value = value * 10 + (text[i] - b'0') as u32;
        i += 1;
    }
    value
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut i = a.len();
    while i > 0 {
        i -= 1;
        if a[i] != b[i] {
            return false;
        }
    }
    true
}

/// Position of a handler: family and row.
const fn find(families: &[&[SysDesc]], name: &[u8]) -> Option<(u8, u8)> {
    let mut f = 0;
    while f < families.len() {
        let rows = families[f];
        let mut i = 0;
        while i < rows.len() {
            if same(rows[i].name.as_bytes(), name) {
                assert!(f < 256 && i < 256, "positions have a byte each");
                return Some((f as u8, i as u8));
            }
            i += 1;
        }
        f += 1;
    }
    None
}
