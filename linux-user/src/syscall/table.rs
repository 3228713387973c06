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
    /// Name for -strace; empty when the number is free.
    pub name: &'static str,
    /// How to run it; `None` answers ENOSYS.
    pub desc: Option<&'static SysDesc>,
}

const FREE: Entry = Entry {
    nr: 0,
    name: "",
    desc: None,
};
const LOW: usize = 512;
const HIGH: usize = 16;

/// Every system call of an ABI.
pub struct CallTable {
    low: [Entry; LOW],
    /// Numbers from [`LOW`] on: calls private to an architecture.
    high: [Entry; HIGH],
}

impl CallTable {
    /// The entry of a number, if the ABI has one.
    pub fn get(&self, nr: u32) -> Option<&Entry> {
        match self.low.get(nr as usize) {
            Some(entry) => Some(entry).filter(|e| !e.name.is_empty()),
            None => self.high.iter().find(|e| e.nr == nr && !e.name.is_empty()),
        }
    }

    /// All entries.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.low
            .iter()
            .chain(&self.high)
            .filter(|e| !e.name.is_empty())
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
        };
        table.with(text, families)
    }

    /// The same table with more rows: those that an architecture adds to the generic ones.
    pub const fn with(
        self,
        text: &'static str,
        families: &'static [&'static [SysDesc]],
    ) -> CallTable {
        let mut table = self;
        let mut rest = text.as_bytes();
        let mut highs = 0;
        while highs < HIGH && !table.high[highs].name.is_empty() {
            highs += 1;
        }
        while !rest.is_empty() {
            let (line, tail) = cut(rest, b'\n');
            rest = tail;
            if line.is_empty() || line[0] == b'#' {
                continue;
            }
            let (nr, tail) = cut(line, b'\t');
            let (name, handler) = cut(tail, b'\t');
            let nr = number(nr);
            let desc = find(families, if handler.is_empty() { name } else { handler });
            let name = match core::str::from_utf8(name) {
                Ok(name) => name,
                Err(_) => panic!("a system call's name is not text"),
            };
            let entry = Entry { nr, name, desc };
            if (nr as usize) < LOW {
                table.low[nr as usize] = entry;
            } else {
                table.high[highs] = entry;
                highs += 1;
            }
        }
        table
    }
}

const fn cut(text: &'static [u8], at: u8) -> (&'static [u8], &'static [u8]) {
    let mut i = 0;
    while i < text.len() && text[i] != at {
        i += 1;
    }
    let (head, tail) = text.split_at(i);
    if tail.is_empty() {
        (head, tail)
    } else {
        (head, tail.split_at(1).1)
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

const fn find(families: &'static [&'static [SysDesc]], name: &[u8]) -> Option<&'static SysDesc> {
    let mut f = 0;
    while f < families.len() {
        let rows = families[f];
        let mut i = 0;
        while i < rows.len() {
            if same(rows[i].name.as_bytes(), name) {
                return Some(&rows[i]);
            }
            i += 1;
        }
        f += 1;
    }
    None
}
