//! Names for guest addresses: the symbol tables of ELF files. [System V ABI, ELF]
//!
//! Files are the guest's, so nothing in them is believed: what does not fit is left out.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A function and the distance from its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// The function's name.
    pub name: String,
    /// Bytes behind its start.
    pub offset: u64,
}

impl std::fmt::Display for Symbol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.offset {
            0 => f.write_str(&self.name),
            n => write!(f, "{}+{n:#x}", self.name),
        }
    }
}

struct Function {
    start: u64,
    size: u64,
    name: String,
}

/// The functions of one file.
#[derive(Default)]
pub struct Functions {
    /// Loaded parts: offset in the file, bytes, address.
    segments: Vec<(u64, u64, u64)>,
    /// By address.
    functions: Vec<Function>,
}

/// Largest table that is read.
const MOST: u64 = 256 << 20;

const SHT_SYMTAB: u64 = 2;
const SHT_DYNSYM: u64 = 11;
const PT_LOAD: u64 = 1;
const STT_NOTYPE: u8 = 0;
const STT_FUNC: u8 = 2;
const STT_GNU_IFUNC: u8 = 10;

/// Reads numbers of the file's class and byte order.
struct Elf<'a> {
    file: &'a File,
    wide: bool,
    big: bool,
}

impl Elf<'_> {
    fn bytes(&self, at: u64, len: u64) -> Option<Vec<u8>> {
        if len > MOST {
            return None;
        }
        let mut out = vec![0; usize::try_from(len).ok()?];
        self.file.read_exact_at(&mut out, at).ok()?;
        Some(out)
    }

    fn number(&self, data: &[u8], at: usize, size: usize) -> Option<u64> {
        let raw = data.get(at..at.checked_add(size)?)?;
        let add = |n: u64, b: &u8| n << 8 | u64::from(*b);
        Some(match self.big {
            true => raw.iter().fold(0, add),
            false => raw.iter().rev().fold(0, add),
        })
    }

    /// A number at one of two places, by class: (offset, size) in 32-bit files, in 64-bit ones.
    fn field(&self, data: &[u8], narrow: (usize, usize), wide: (usize, usize)) -> Option<u64> {
        let (at, size) = if self.wide { wide } else { narrow };
        self.number(data, at, size)
    }

    /// A table of the header: records of one size.
    fn table(&self, at: u64, count: u64, size: u64) -> Option<Vec<u8>> {
        self.bytes(at, count.checked_mul(size)?)
    }
}

/// A section header, what matters of it.
struct Section {
    kind: u64,
    at: u64,
    len: u64,
    link: usize,
    record: u64,
}

impl Functions {
    /// Reads a file's. Nothing if it is no ELF file or has no symbols.
    pub fn read(path: &Path) -> Option<Functions> {
        let file = File::open(path).ok()?;
        let mut ident = [0; 64];
        let n = file.read_at(&mut ident, 0).ok()?;
        let head = ident.get(..n)?;
        if head.get(..4)? != b"\x7fELF" {
            return None;
        }
        let elf = Elf {
            file: &file,
            wide: head.get(4)? == &2,
            big: head.get(5)? == &2,
        };
        let mut out = Functions {
            segments: segments(&elf, head)?,
            functions: Vec::new(),
        };
        let sections = sections(&elf, head)?;
        // The full table if there is one.
        let table = [SHT_SYMTAB, SHT_DYNSYM]
            .iter()
            .find_map(|kind| sections.iter().find(|s| s.kind == *kind))?;
        let strings = sections.get(table.link)?;
        let strings = elf.bytes(strings.at, strings.len)?;
        let symbols = elf.bytes(table.at, table.len)?;
        let record = usize::try_from(table.record).ok().filter(|r| *r >= 16)?;
        let each = symbols.chunks_exact(record);
        out.functions = each.filter_map(|s| function(&elf, s, &strings)).collect();
        out.functions.sort_by_key(|f| (f.start, f.size));
        Some(out)
    }

    /// The function at an offset in the file.
    pub fn at(&self, file_offset: u64) -> Option<Symbol> {
        let (from, _, address) = self.segments.iter().find(|(from, len, _)| {
            file_offset
                .checked_sub(*from)
                .is_some_and(|within| within < *len)
        })?;
        let at = address.checked_add(file_offset - from)?;
        let behind = self.functions.partition_point(|f| f.start <= at);
        let candidates = self.functions.get(..behind)?.iter().rev();
        // A function without a size reaches up to the next one.
        let start = candidates.clone().next()?.start;
        let mut same = candidates.take(8);
        let f = same.find(|f| at - f.start < f.size || f.size == 0 && f.start == start)?;
        Some(Symbol {
            name: f.name.clone(),
            offset: at - f.start,
        })
    }
}

fn segments(elf: &Elf<'_>, head: &[u8]) -> Option<Vec<(u64, u64, u64)>> {
    let at = elf.field(head, (28, 4), (32, 8))?;
    let size = elf.field(head, (42, 2), (54, 2))?;
    let count = elf.field(head, (44, 2), (56, 2))?;
    let table = elf.table(at, count, size)?;
    let each = table.chunks_exact(usize::try_from(size).ok().filter(|s| *s >= 32)?);
    let loads = each.filter(|p| elf.number(p, 0, 4) == Some(PT_LOAD));
    Some(
        loads
            .filter_map(|p| {
                let offset = elf.field(p, (4, 4), (8, 8))?;
                let address = elf.field(p, (8, 4), (16, 8))?;
                let len = elf.field(p, (16, 4), (32, 8))?;
                Some((offset, len, address))
            })
            .collect(),
    )
}

fn sections(elf: &Elf<'_>, head: &[u8]) -> Option<Vec<Section>> {
    let at = elf.field(head, (32, 4), (40, 8))?;
    let size = elf.field(head, (46, 2), (58, 2))?;
    let count = elf.field(head, (48, 2), (60, 2))?;
    let table = elf.table(at, count, size)?;
    let each = table.chunks_exact(usize::try_from(size).ok().filter(|s| *s >= 40)?);
    each.map(|s| {
        Some(Section {
            kind: elf.number(s, 4, 4)?,
            at: elf.field(s, (16, 4), (24, 8))?,
            len: elf.field(s, (20, 4), (32, 8))?,
            link: elf.field(s, (24, 4), (40, 4))? as usize,
            record: elf.field(s, (36, 4), (56, 8))?,
        })
    })
    .collect()
}

fn function(elf: &Elf<'_>, s: &[u8], strings: &[u8]) -> Option<Function> {
    let name = elf.number(s, 0, 4)? as usize;
    let value = elf.field(s, (4, 4), (8, 8))?;
    let size = elf.field(s, (8, 4), (16, 8))?;
    let info = elf.field(s, (12, 1), (4, 1))? as u8;
    let section = elf.field(s, (14, 2), (6, 2))?;
    let name = strings.get(name..)?.split(|b| *b == 0).next()?;
    // Undefined symbols, and marks inside of functions (`$a` and the like).
    let wanted = matches!(info & 15, STT_NOTYPE | STT_FUNC | STT_GNU_IFUNC);
    if section == 0 || !wanted || name.is_empty() || name.first() == Some(&b'$') {
        return None;
    }
    Some(Function {
        // Bit 0 marks an instruction set, as in addresses of blocks.
        start: value & !1,
        size,
        name: String::from_utf8_lossy(name).into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_functions_are_found_by_their_place_in_the_file() {
        let f = Functions::read(Path::new("/proc/self/exe")).unwrap();
        assert!(f.functions.len() > 100);
        // A sized function of this executable: its middle is found under its name.
        let own = f
            .functions
            .iter()
            .find(|f| f.name.contains("own_functions_are_found") && f.size > 8)
            .unwrap();
        let segment = f
            .segments
            .iter()
            .find(|(_, len, at)| (*at..at + len).contains(&own.start))
            .unwrap();
        let symbol = f.at(own.start - segment.2 + segment.0 + 4).unwrap();
        assert_eq!(symbol.name, own.name);
        assert_eq!(symbol.offset, 4);
        assert!(symbol.to_string().ends_with("+0x4"));
    }

    #[test]
    fn damaged_files_give_nothing() {
        let dir = std::env::temp_dir().join(format!("emu-symbols-{}", std::process::id()));
        let own = std::fs::read("/proc/self/exe").unwrap();
        for cut in [0, 3, 20, 52, 64, 100, 4096] {
            std::fs::write(&dir, &own[..cut]).unwrap();
            assert!(Functions::read(&dir).is_none(), "{cut}");
        }
        let mut bytes = own[..4096].to_vec();
        for at in 16..64 {
            let old = std::mem::replace(&mut bytes[at], 0xff);
            std::fs::write(&dir, &bytes).unwrap();
            let _ = Functions::read(&dir).map(|f| f.at(0));
            bytes[at] = old;
        }
        std::fs::remove_file(&dir).unwrap();
    }
}
