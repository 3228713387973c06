//! ELF executables, loaded at their physical addresses.

use super::{Image, Segment};
use goblin::elf::Elf;
use goblin::elf::program_header::PT_LOAD;

/// More than any machine has: a size beyond it is a broken file.
const LIMIT: u64 = 1 << 40;

pub(super) fn parse(bytes: &[u8]) -> Result<Image, String> {
    let elf = Elf::parse(bytes).map_err(|e| format!("broken ELF file: {e}"))?;
    let mut segments = Vec::new();
    let mut entry = elf.entry;
    for header in elf
        .program_headers
        .iter()
        .filter(|h| h.p_type == PT_LOAD && h.p_memsz > 0)
    {
        let from = usize::try_from(header.p_offset).unwrap_or(usize::MAX);
        let len = usize::try_from(header.p_filesz).unwrap_or(usize::MAX);
        let data = from
            .checked_add(len)
            .and_then(|end| bytes.get(from..end))
            .ok_or("broken ELF file: a segment is beyond its end")?;
        if header.p_memsz > LIMIT {
            return Err("broken ELF file: a segment is too large".into());
        }
        // The entry is a virtual address; the segment that it is in tells the physical one.
        if header.vm_range().contains(&(elf.entry as usize)) {
            entry = (elf.entry - header.p_vaddr).wrapping_add(header.p_paddr);
        }
        let size = header.p_memsz.max(header.p_filesz);
        segments.push(Segment {
            at: header.p_paddr,
            data: data.to_vec(),
            size,
        });
    }
    if segments.is_empty() {
        return Err("an ELF file without anything to load".into());
    }
    segments.sort_by_key(|s| s.at);
    Ok(Image {
        kind: "elf",
        segments,
        entry,
        big_endian: Some(!elf.little_endian),
        machine: Some(elf.header.e_machine),
    })
}
