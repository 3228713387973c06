//! What a diagnosis needs to know of an ELF file.

use goblin::container::Ctx;
use goblin::elf::Elf;
use goblin::elf::program_header::{PT_INTERP, ProgramHeader};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// A program's headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// e_machine.
    pub machine: u16,
    /// 32 or 64.
    pub class: u8,
    /// Big-endian data.
    pub big_endian: bool,
    /// e_type: 2 and 3 can be executed.
    pub kind: u16,
    /// PT_INTERP.
    pub interpreter: Option<PathBuf>,
}

/// The first bytes of a file, at most `len`.
pub fn head(path: &Path, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(len as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads the headers of an ELF file; the error says what is wrong with it.
pub fn read(path: &Path) -> Result<Image, String> {
    let text = |e: io::Error| e.to_string();
    let file = File::open(path).map_err(text)?;
    let mut start = [0; 64];
    let got = file.read_at(&mut start, 0).map_err(text)?;
    let damaged = |_| "its ELF header is damaged or cut off".to_string();
    let header = Elf::parse_header(start.get(..got).unwrap_or_default()).map_err(damaged)?;
    let (container, order) = (header.container(), header.endianness());
    let ctx = Ctx::new(container.map_err(damaged)?, order.map_err(damaged)?);
    let mut image = Image {
        machine: header.e_machine,
        class: if ctx.is_big() { 64 } else { 32 },
        big_endian: !ctx.is_little_endian(),
        kind: header.e_type,
        interpreter: None,
    };
    let len = usize::from(header.e_phentsize) * usize::from(header.e_phnum);
    let mut table = vec![0; len];
    let cut = |_| "its program headers are cut off".to_string();
    file.read_exact_at(&mut table, header.e_phoff)
        .map_err(cut)?;
    for i in 0..usize::from(header.e_phnum) {
        let at = i * usize::from(header.e_phentsize);
        let damaged = |_| "its program headers are damaged".to_string();
        let ph = ProgramHeader::parse(&table, at, 1, ctx).map_err(damaged)?;
        if let Some(ph) = ph.first().filter(|ph| ph.p_type == PT_INTERP) {
            let mut name = vec![0; ph.p_filesz.min(4096) as usize];
            let cut = |_| "its interpreter's name is cut off".to_string();
            file.read_exact_at(&mut name, ph.p_offset).map_err(cut)?;
            name.truncate(name.iter().position(|b| *b == 0).unwrap_or(name.len()));
            image.interpreter = Some(OsString::from_vec(name).into());
        }
    }
    Ok(image)
}
