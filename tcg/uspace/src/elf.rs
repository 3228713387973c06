//! Loading ELF images: the header checks, the plan of a load, and the mapping of the segments.
//!
//! goblin parses the header fields; every size and address is checked here, since files may be damaged.

use crate::mmap::MapRequest;
use crate::space::AddressSpace;
use crate::vma::Prot;
use crate::{Backing, Errno};
use goblin::container::{Container, Ctx, Endian as GoblinEndian};
use goblin::elf::program_header::{
    PF_R, PF_W, PF_X, PT_GNU_STACK, PT_INTERP, PT_LOAD, PT_PHDR, ProgramHeader,
};
use goblin::elf::{Header, header};
use std::fs::File;
use std::os::unix::fs::FileExt;
use tcg_mem::{GuestVa, PAGE};

/// Why a file cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum ElfError {
    /// The file does not begin as an ELF file.
    #[error("not an ELF file")]
    NotElf,
    /// It ends too early.
    #[error("damaged ELF file: {0} lies beyond the end of the file")]
    Truncated(&'static str),
    /// A field makes no sense.
    #[error("damaged ELF file: {0}")]
    Damaged(&'static str),
    /// Not an executable or shared object.
    #[error("not an executable ELF file (type {0})")]
    NotExecutable(u16),
    /// It cannot be read.
    #[error("cannot read: {0}")]
    Read(#[from] std::io::Error),
    /// Its segments cannot be mapped.
    #[error("cannot map a segment at {at:#x}: {errno}")]
    Map {
        /// Guest address.
        at: u64,
        /// The reason.
        errno: Errno,
    },
    /// There is no place for it.
    #[error("no room in the guest's address space for {0:#x} bytes")]
    NoRoom(u64),
}

/// What the headers of an image say.
#[derive(Clone, Debug)]
pub struct ElfHeader {
    /// `e_machine`.
    pub machine: u16,
    /// `e_flags`.
    pub flags: u32,
    /// 64-bit class.
    pub is_64: bool,
    /// Big-endian data.
    pub big_endian: bool,
    /// ET_DYN: may be loaded anywhere.
    pub relocatable: bool,
    /// Entry point, not yet relocated.
    pub entry: u64,
    /// PT_INTERP.
    pub interp: Option<Vec<u8>>,
    /// PT_GNU_STACK: whether the stack is executable; `None` if there is no such header.
    pub exec_stack: Option<bool>,
    phoff: u64,
    phnum: u64,
    phentsize: u64,
    phdr_va: Option<u64>,
    loads: Vec<ProgramHeader>,
    file_len: u64,
}

/// Where an image goes.
#[derive(Clone, Copy, Debug)]
pub enum LoadPlan {
    /// A relocatable image is placed so that its lowest page is here.
    At(u64),
    /// A relocatable image goes where the next mapping would.
    Anywhere,
}

/// A loaded image.
#[derive(Clone, Copy, Debug)]
pub struct Loaded {
    /// What was added to the addresses in the file.
    pub bias: u64,
    /// Entry point.
    pub entry: GuestVa,
    /// Address of the program headers, 0 if they are not loaded.
    pub phdr: GuestVa,
    /// Size of one.
    pub phent: u64,
    /// Their number.
    pub phnum: u64,
    /// Lowest mapped address.
    pub start: GuestVa,
    /// First address behind the highest segment.
    pub end: GuestVa,
}

const MAX_PHNUM: u64 = 0x1000;
const MAX_INTERP: u64 = 4096;

fn read_at(
    file: &File,
    offset: u64,
    len: u64,
    what: &'static str,
    file_len: u64,
) -> Result<Vec<u8>, ElfError> {
    if offset.checked_add(len).is_none_or(|end| end > file_len) {
        return Err(ElfError::Truncated(what));
    }
    let mut buf = vec![0; len as usize];
    file.read_exact_at(&mut buf, offset)?;
    Ok(buf)
}

/// Reads and checks the headers of an image.
pub fn read_header(file: &File) -> Result<ElfHeader, ElfError> {
    let file_len = file.metadata()?.len();
    let mut start = vec![0u8; 64.min(file_len as usize)];
    file.read_exact_at(&mut start, 0)?;
    if !start.starts_with(b"\x7fELF") {
        return Err(ElfError::NotElf);
    }
    let class = start.get(header::EI_CLASS).copied().unwrap_or(0);
    let data = start.get(header::EI_DATA).copied().unwrap_or(0);
    let is_64 = match class {
        header::ELFCLASS32 => false,
        header::ELFCLASS64 => true,
        _ => return Err(ElfError::Damaged("unknown class (neither 32 nor 64 bits)")),
    };
    let big_endian = match data {
        header::ELFDATA2LSB => false,
        header::ELFDATA2MSB => true,
        _ => return Err(ElfError::Damaged("unknown byte order")),
    };
    start.resize(64, 0);
    if file_len < if is_64 { 64 } else { 52 } {
        return Err(ElfError::Truncated("the ELF header"));
    }
    let head = Elf::parse_header(&start)?;
    if head.e_type != header::ET_EXEC && head.e_type != header::ET_DYN {
        return Err(ElfError::NotExecutable(head.e_type));
    }
    let want = if is_64 { 56 } else { 32 };
    let (phentsize, phnum) = (u64::from(head.e_phentsize), u64::from(head.e_phnum));
    if phentsize != want {
        return Err(ElfError::Damaged("wrong size of program headers"));
    }
    if phnum == 0 || phnum > MAX_PHNUM {
        return Err(ElfError::Damaged("no program headers, or too many"));
    }
    let table = read_at(
        file,
        head.e_phoff,
        phnum * phentsize,
        "the program header table",
        file_len,
    )?;
    let container = if is_64 {
        Container::Big
    } else {
        Container::Little
    };
    let order = if big_endian {
        GoblinEndian::Big
    } else {
        GoblinEndian::Little
    };
    let list = ProgramHeader::parse(&table, 0, phnum as usize, Ctx::new(container, order))
        .map_err(|_| ElfError::Damaged("program headers"))?;
    let mut out = ElfHeader {
        machine: head.e_machine,
        flags: head.e_flags,
        is_64,
        big_endian,
        relocatable: head.e_type == header::ET_DYN,
        entry: head.e_entry,
        interp: None,
        exec_stack: None,
        phoff: head.e_phoff,
        phnum,
        phentsize,
        phdr_va: None,
        loads: Vec::new(),
        file_len,
    };
    out.take_headers(file, list)?;
    Ok(out)
}

struct Elf;

impl Elf {
    fn parse_header(bytes: &[u8]) -> Result<Header, ElfError> {
        goblin::elf::Elf::parse_header(bytes).map_err(|_| ElfError::Damaged("the ELF header"))
    }
}

impl ElfHeader {
    fn take_headers(&mut self, file: &File, list: Vec<ProgramHeader>) -> Result<(), ElfError> {
        for ph in list {
            match ph.p_type {
                PT_LOAD if ph.p_memsz > 0 => {
                    self.check_load(&ph)?;
                    self.loads.push(ph);
                }
                PT_INTERP => {
                    if ph.p_filesz < 2 || ph.p_filesz > MAX_INTERP {
                        return Err(ElfError::Damaged("length of the interpreter's name"));
                    }
                    let mut name = read_at(
                        file,
                        ph.p_offset,
                        ph.p_filesz,
                        "the interpreter's name",
                        self.file_len,
                    )?;
                    if name.pop() != Some(0) {
                        return Err(ElfError::Damaged("the interpreter's name has no end"));
                    }
                    name.truncate(name.iter().position(|&b| b == 0).unwrap_or(name.len()));
                    self.interp = Some(name);
                }
                PT_GNU_STACK => self.exec_stack = Some(ph.p_flags & PF_X != 0),
                PT_PHDR => self.phdr_va = Some(ph.p_vaddr),
                _ => {}
            }
        }
        if self.loads.is_empty() {
            Err(ElfError::Damaged("nothing to load"))
        } else {
            Ok(())
        }
    }

    fn check_load(&self, ph: &ProgramHeader) -> Result<(), ElfError> {
        if ph.p_filesz > ph.p_memsz {
            return Err(ElfError::Damaged(
                "a segment is longer in the file than in memory",
            ));
        }
        if ph.p_filesz > 0 && ph.p_offset % PAGE != ph.p_vaddr % PAGE {
            return Err(ElfError::Damaged(
                "a segment's address does not match its offset",
            ));
        }
        let limit = if self.is_64 { 1 << 47 } else { 1u64 << 32 };
        if ph
            .p_vaddr
            .checked_add(ph.p_memsz)
            .is_none_or(|end| end > limit)
        {
            return Err(ElfError::Damaged(
                "a segment lies outside of the address space",
            ));
        }
        if ph
            .p_offset
            .checked_add(ph.p_filesz)
            .is_none_or(|end| end > self.file_len)
        {
            return Err(ElfError::Truncated("a segment"));
        }
        Ok(())
    }

    /// Lowest page and end of the segments, not relocated.
    fn span(&self) -> (u64, u64) {
        let low = self
            .loads
            .iter()
            .map(|p| p.p_vaddr & !(PAGE - 1))
            .min()
            .unwrap_or(0);
        let high = self
            .loads
            .iter()
            .map(|p| p.p_vaddr + p.p_memsz)
            .max()
            .unwrap_or(0);
        (low, high)
    }

    /// Largest alignment that a segment asks for.
    fn alignment(&self) -> u64 {
        let aligns = self
            .loads
            .iter()
            .map(|p| p.p_align)
            .filter(|a| a.is_power_of_two() && *a <= 1 << 30);
        aligns.max().unwrap_or(PAGE).max(PAGE)
    }
}

fn prot_of(ph: &ProgramHeader, read_implies_exec: bool) -> Prot {
    let bit = |flag, value| if ph.p_flags & flag != 0 { value } else { 0 };
    let mut prot = bit(PF_R, 1) | bit(PF_W, 2) | bit(PF_X, 4);
    if read_implies_exec && prot & 1 != 0 {
        prot |= 4;
    }
    Prot(prot)
}

/// Maps an image. `backing` describes the file (its offset is ignored); `read_implies_exec` is the personality of
/// programs without PT_GNU_STACK.
pub fn load(
    space: &AddressSpace,
    file: &File,
    head: &ElfHeader,
    plan: LoadPlan,
    backing: &Backing,
    read_implies_exec: bool,
) -> Result<Loaded, ElfError> {
    let (low, high) = head.span();
    let size = high - low;
    let bias = if head.relocatable {
        choose_bias(space, head, plan, low, size)?
    } else {
        0
    };
    for ph in &head.loads {
        map_segment(space, file, ph, bias, backing, read_implies_exec)?;
    }
    let phdr = head.phdr_va.map(|va| va.wrapping_add(bias)).or_else(|| {
        let end = head.phoff + head.phnum * head.phentsize;
        let holder = head
            .loads
            .iter()
            .find(|p| p.p_offset <= head.phoff && end <= p.p_offset + p.p_filesz)?;
        Some(head.phoff - holder.p_offset + holder.p_vaddr + bias)
    });
    Ok(Loaded {
        bias,
        entry: GuestVa(head.entry.wrapping_add(bias)),
        phdr: GuestVa(phdr.unwrap_or(0)),
        phent: head.phentsize,
        phnum: head.phnum,
        start: GuestVa(low + bias),
        end: GuestVa(high + bias),
    })
}

fn choose_bias(
    space: &AddressSpace,
    head: &ElfHeader,
    plan: LoadPlan,
    low: u64,
    size: u64,
) -> Result<u64, ElfError> {
    let align = head.alignment();
    let at = match plan {
        LoadPlan::At(at) => at & !(align - 1),
        LoadPlan::Anywhere => {
            let slack = align - PAGE;
            let at = space
                .suggest(size + slack)
                .map_err(|_| ElfError::NoRoom(size))?
                .0;
            at.next_multiple_of(align)
        }
    };
    let top = space.geometry().task_size;
    if at.checked_add(size).is_none_or(|end| end > top) {
        return Err(ElfError::NoRoom(size));
    }
    Ok(at.wrapping_sub(low & !(align - 1)))
}

fn map_segment(
    space: &AddressSpace,
    file: &File,
    ph: &ProgramHeader,
    bias: u64,
    backing: &Backing,
    rie: bool,
) -> Result<(), ElfError> {
    use std::os::fd::AsRawFd;
    let va = ph.p_vaddr.wrapping_add(bias);
    let (page, skew) = (va & !(PAGE - 1), va % PAGE);
    let prot = prot_of(ph, rie);
    let map_error = |at| move |errno| ElfError::Map { at, errno };
    let mut mapped_to = page;
    if ph.p_filesz > 0 {
        let file_pages = (skew + ph.p_filesz).next_multiple_of(PAGE);
        let here = Backing {
            offset: ph.p_offset - skew,
            ..backing.clone()
        };
        let req = MapRequest {
            addr: page,
            len: file_pages,
            prot,
            flags: libc::MAP_PRIVATE | libc::MAP_FIXED,
            file: Some((file.as_raw_fd(), here)),
        };
        space.mmap(&req).map_err(map_error(page))?;
        mapped_to = page + file_pages;
    }
    let end = va + ph.p_memsz;
    let file_end = va + ph.p_filesz;
    if end > mapped_to {
        let len = (end - mapped_to).next_multiple_of(PAGE);
        let flags = libc::MAP_PRIVATE | libc::MAP_FIXED | libc::MAP_ANONYMOUS;
        let req = MapRequest {
            addr: mapped_to,
            len,
            prot,
            flags,
            file: None,
        };
        space.mmap(&req).map_err(map_error(mapped_to))?;
    }
    // The rest of the last page of the file is part of the BSS. As in the kernel, a read-only segment keeps it.
    if ph.p_memsz > ph.p_filesz && ph.p_filesz > 0 && file_end < mapped_to && prot.writable() {
        let _ = space.mem().fill(
            GuestVa(file_end),
            0,
            mapped_to.min(end.next_multiple_of(PAGE)) - file_end,
        );
    }
    Ok(())
}
