//! Reads an ELF program into a load plan: what to map where, and what the start code needs to know. Nothing is
//! mapped here, and no field of the file is trusted. [System V gABI, chapters 4 and 5]

use std::fmt;

use goblin::elf::program_header::{
    PF_R, PF_W, PF_X, PT_GNU_STACK, PT_INTERP, PT_LOAD, PT_PHDR, ProgramHeader,
};
use goblin::elf::{Elf, header};

/// The guest page size that segment offsets are checked against.
const PAGE: u64 = 4096;

/// One segment to map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Virtual address, not necessarily page-aligned; relative to the load bias for position-independent files.
    pub vaddr: u64,
    /// Bytes in memory.
    pub mem_size: u64,
    /// Bytes from the file.
    pub file_size: u64,
    /// Where in the file; congruent to `vaddr` modulo the page size.
    pub offset: u64,
    /// Readable.
    pub read: bool,
    /// Writable.
    pub write: bool,
    /// Executable.
    pub exec: bool,
}

/// What a program file asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElfPlan {
    /// `e_machine`.
    pub machine: u16,
    /// 64-bit class.
    pub is_64: bool,
    /// Big-endian data.
    pub big_endian: bool,
    /// `e_flags`.
    pub flags: u32,
    /// Position-independent (ET_DYN): addresses are relative to a bias of the loader's choice.
    pub relocatable: bool,
    /// Entry point.
    pub entry: u64,
    /// The program interpreter's path.
    pub interpreter: Option<Vec<u8>>,
    /// Address of the program headers in memory, if a segment holds them.
    pub phdr: Option<u64>,
    /// Number of program headers.
    pub phnum: u16,
    /// Size of one program header.
    pub phentsize: u16,
    /// Segments in order of address; they do not overlap.
    pub segments: Vec<Segment>,
    /// Whether the stack is to be executable (PT_GNU_STACK); None: the file does not say.
    pub exec_stack: Option<bool>,
}

impl ElfPlan {
    /// Lowest page address of the segments.
    pub fn low(&self) -> u64 {
        self.segments.first().map_or(0, |s| s.vaddr & !(PAGE - 1))
    }

    /// First page address behind the segments.
    pub fn high(&self) -> u64 {
        self.segments
            .last()
            .map_or(0, |s| (s.vaddr + s.mem_size).next_multiple_of(PAGE))
    }

    /// Reads the headers of a program file.
    pub fn parse(file: &[u8]) -> Result<ElfPlan, ElfError> {
        let ident = file
            .get(..header::SIZEOF_IDENT)
            .ok_or(ElfError::Truncated)?;
        if !ident.starts_with(header::ELFMAG) {
            return Err(ElfError::NotElf);
        }
        let head = Elf::parse_header(file).map_err(|e| ElfError::Damaged(e.to_string()))?;
        let relocatable = match head.e_type {
            header::ET_EXEC => false,
            header::ET_DYN => true,
            other => return Err(ElfError::Type(other)),
        };
        let phdrs = program_headers(file, &head)?;
        let mut plan = ElfPlan {
            machine: head.e_machine,
            is_64: ident[header::EI_CLASS] == header::ELFCLASS64,
            big_endian: ident[header::EI_DATA] == header::ELFDATA2MSB,
            flags: head.e_flags,
            relocatable,
            entry: head.e_entry,
            interpreter: None,
            phdr: None,
            phnum: head.e_phnum,
            phentsize: head.e_phentsize,
            segments: Vec::new(),
            exec_stack: None,
        };
        for ph in &phdrs {
            plan.note_header(file, ph)?;
        }
        plan.finish(head.e_phoff)?;
        Ok(plan)
    }

    fn note_header(&mut self, file: &[u8], ph: &ProgramHeader) -> Result<(), ElfError> {
        match ph.p_type {
            PT_LOAD if ph.p_memsz > 0 => self.segments.push(segment(file, ph, self.is_64)?),
            PT_INTERP if self.interpreter.is_none() => {
                self.interpreter = Some(interpreter(file, ph)?)
            }
            PT_PHDR => self.phdr = Some(ph.p_vaddr),
            PT_GNU_STACK => self.exec_stack = Some(ph.p_flags & PF_X != 0),
            _ => {}
        }
        Ok(())
    }

    fn finish(&mut self, phoff: u64) -> Result<(), ElfError> {
        if self.segments.is_empty() {
            return Err(ElfError::Damaged("it has no loadable segment".into()));
        }
        self.segments.sort_by_key(|s| s.vaddr);
        for pair in self.segments.windows(2) {
            if pair[0].vaddr + pair[0].mem_size > pair[1].vaddr {
                return Err(ElfError::Damaged("loadable segments overlap".into()));
            }
        }
        if self.phdr.is_none() {
            let holder = self
                .segments
                .iter()
                .find(|s| s.offset <= phoff && phoff - s.offset < s.file_size);
            self.phdr = holder.map(|s| s.vaddr + (phoff - s.offset));
        }
        Ok(())
    }
}

fn program_headers(file: &[u8], head: &header::Header) -> Result<Vec<ProgramHeader>, ElfError> {
    use goblin::container::Ctx;
    let container = head
        .container()
        .map_err(|e| ElfError::Damaged(e.to_string()))?;
    let endian = head
        .endianness()
        .map_err(|e| ElfError::Damaged(e.to_string()))?;
    let count = usize::from(head.e_phnum);
    let size = usize::from(head.e_phentsize);
    let expected = ProgramHeader::size(Ctx::new(container, endian));
    if count == 0 || size != expected {
        return Err(ElfError::Damaged(
            "its program header table is missing or has entries of another size".into(),
        ));
    }
    let start = usize::try_from(head.e_phoff).map_err(|_| ElfError::Truncated)?;
    let end = start.checked_add(count * size).ok_or(ElfError::Truncated)?;
    if end > file.len() {
        return Err(ElfError::Truncated);
    }
    ProgramHeader::parse(file, start, count, Ctx::new(container, endian))
        .map_err(|e| ElfError::Damaged(e.to_string()))
}

fn segment(file: &[u8], ph: &ProgramHeader, is_64: bool) -> Result<Segment, ElfError> {
    let limit = if is_64 { 1 << 48 } else { 1 << 32 };
    let end = ph
        .p_vaddr
        .checked_add(ph.p_memsz)
        .filter(|&end| end <= limit);
    if end.is_none() {
        return Err(ElfError::Damaged(
            "a segment lies outside of the address space".into(),
        ));
    }
    if ph.p_filesz > ph.p_memsz {
        return Err(ElfError::Damaged(
            "a segment is larger in the file than in memory".into(),
        ));
    }
    if ph.p_filesz > 0 && (ph.p_vaddr ^ ph.p_offset) & (PAGE - 1) != 0 {
        return Err(ElfError::Damaged(
            "a segment's file offset does not fit its address".into(),
        ));
    }
    // The kernel maps beyond the end of the file without complaint; the access faults. But the offset itself has
    // to be representable.
    if ph
        .p_offset
        .checked_add(ph.p_filesz)
        .is_none_or(|end| end > i64::MAX as u64)
        || file.is_empty()
    {
        return Err(ElfError::Truncated);
    }
    Ok(Segment {
        vaddr: ph.p_vaddr,
        mem_size: ph.p_memsz,
        file_size: ph.p_filesz,
        offset: ph.p_offset,
        read: ph.p_flags & PF_R != 0,
        write: ph.p_flags & PF_W != 0,
        exec: ph.p_flags & PF_X != 0,
    })
}

/// The interpreter's path: at most PATH_MAX bytes with a final zero, as the kernel demands.
fn interpreter(file: &[u8], ph: &ProgramHeader) -> Result<Vec<u8>, ElfError> {
    let bad = || ElfError::Damaged("the name of its program interpreter is damaged".into());
    let start = usize::try_from(ph.p_offset).map_err(|_| bad())?;
    let len = usize::try_from(ph.p_filesz)
        .ok()
        .filter(|len| (2..=4096).contains(len))
        .ok_or_else(bad)?;
    let bytes = start
        .checked_add(len)
        .and_then(|end| file.get(start..end))
        .ok_or_else(bad)?;
    match bytes.split(|&b| b == 0).next() {
        Some(path) if path.len() < bytes.len() && !path.is_empty() => Ok(path.to_vec()),
        _ => Err(bad()),
    }
}

/// Why a file is not a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ElfError {
    /// No ELF magic.
    NotElf,
    /// The file ends before its headers.
    Truncated,
    /// An ELF file of another type (`e_type`) than a program.
    Type(u16),
    /// Headers that contradict themselves.
    Damaged(String),
}

impl fmt::Display for ElfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ElfError::NotElf => write!(f, "not an ELF program"),
            ElfError::Truncated => write!(f, "truncated ELF file"),
            ElfError::Type(header::ET_REL) => write!(f, "an object file, not a program"),
            ElfError::Type(header::ET_CORE) => write!(f, "a core dump, not a program"),
            ElfError::Type(t) => write!(f, "an ELF file of type {t}, not a program"),
            ElfError::Damaged(why) => write!(f, "damaged ELF file: {why}"),
        }
    }
}

impl std::error::Error for ElfError {}

#[cfg(test)]
mod tests {
    use super::*;

    /// A minimal 32-bit little-endian program: header, one program header.
    fn sample() -> Vec<u8> {
        let mut f = vec![0u8; 0x1000];
        f[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', 1, 1, 1]);
        let mut put = |at: usize, bytes: &[u8]| f[at..at + bytes.len()].copy_from_slice(bytes);
        put(16, &2u16.to_le_bytes());
        put(18, &40u16.to_le_bytes());
        put(20, &1u32.to_le_bytes());
        put(24, &0x10074u32.to_le_bytes());
        put(28, &52u32.to_le_bytes());
        put(40, &52u16.to_le_bytes());
        put(42, &32u16.to_le_bytes());
        put(44, &1u16.to_le_bytes());
        for (k, word) in [1u32, 0, 0x10000, 0x10000, 0x1000, 0x2000, 5, 0x1000]
            .into_iter()
            .enumerate()
        {
            put(52 + 4 * k, &word.to_le_bytes());
        }
        f
    }

    #[test]
    fn sample_parses() {
        let plan = ElfPlan::parse(&sample()).expect("a good file");
        assert_eq!(
            (plan.low(), plan.high(), plan.entry),
            (0x10000, 0x12000, 0x10074)
        );
        assert_eq!(plan.phdr, Some(0x10034));
        assert!(plan.segments[0].exec && !plan.segments[0].write);
    }

    #[test]
    fn damage_never_panics() {
        let good = sample();
        for at in 0..84 {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut bad = good.clone();
                bad[at] = value;
                let _ = ElfPlan::parse(&bad);
            }
        }
        for len in 0..100 {
            assert!(len >= 84 || ElfPlan::parse(&good[..len]).is_err());
        }
    }

    #[test]
    fn segment_beyond_address_space_is_refused() {
        let mut bad = sample();
        bad[52 + 20..52 + 24].copy_from_slice(&0xffff_ffffu32.to_le_bytes());
        assert!(matches!(ElfPlan::parse(&bad), Err(ElfError::Damaged(_))));
    }
}
