//! The guest's vDSO: a small shared object that the "kernel" maps into every program. It holds the code that handlers
//! return to and functions that the C library finds by name through AT_SYSINFO_EHDR.
//! [System V ABI chapter 5; Linux Documentation/ABI/stable/vdso]
//!
//! A port gives instructions and names ([`Vdso`]); this file makes the ELF image around them, in either class and byte
//! order: one readable and executable segment with a dynamic section, symbols, a hash table and one symbol version.

use crate::abi::{Abi, Layout, ULong, Writer};
use crate::errno::Errno;
use crate::task::Task;
use tcg_mem::PAGE;

/// What a port puts into its vDSO.
pub struct Vdso {
    /// DT_SONAME, such as `linux-vdso.so.1`.
    pub soname: &'static str,
    /// The version of all symbols, such as `LINUX_2.6`.
    pub version: &'static str,
    /// Instructions of 32 bits.
    pub code: &'static [u32],
    /// Whether instructions are big-endian in memory.
    pub code_big_endian: bool,
    /// Functions: name, index of the first instruction, number of instructions.
    pub symbols: &'static [(&'static str, usize, usize)],
    /// `e_flags`.
    pub flags: u32,
    /// How unwinders get from a handler to what it interrupted, where the code alone does not tell them.
    pub unwind: Option<Unwind>,
}

/// Unwind information of the code that handlers return to. [DWARF 6.4]
pub struct Unwind {
    /// DWARF number of the stack pointer.
    pub stack_pointer: u8,
    /// DWARF number of the column that holds the return address.
    pub return_column: u8,
    /// One for each kind of frame.
    pub frames: &'static [SignalFrame],
}

/// The places of the interrupted program's registers, from the stack pointer that a handler starts with.
pub struct SignalFrame {
    /// First instruction: the one before what handlers return to, as unwinders look for the call.
    pub first: usize,
    /// Number of instructions.
    pub len: usize,
    /// Registers saved one behind the other: first DWARF number, how many, offset of the first, bytes of each.
    pub saved: &'static [(u8, u8, u32, u32)],
}

/// Where a process has it.
#[derive(Clone, Copy)]
pub struct Mapped {
    /// Address of the image (AT_SYSINFO_EHDR).
    pub base: u64,
    what: &'static Vdso,
}

impl Mapped {
    /// The address of a function.
    pub fn symbol(&self, name: &str) -> Option<u64> {
        let row = self.what.symbols.iter().find(|(n, ..)| *n == name)?;
        Some(self.base + code_offset() + 4 * row.1 as u64)
    }
}

/// The code starts here; everything else lies before it in one page.
const CODE_AT: usize = 0x800;

fn code_offset() -> u64 {
    CODE_AT as u64
}

// Dynamic tags and their like. [System V ABI; Linux include/uapi/linux/elf.h]
const DT_HASH: u64 = 4;
const DT_STRTAB: u64 = 5;
const DT_SYMTAB: u64 = 6;
const DT_STRSZ: u64 = 10;
const DT_SYMENT: u64 = 11;
const DT_SONAME: u64 = 14;
const DT_VERSYM: u64 = 0x6fff_fff0;
const DT_VERDEF: u64 = 0x6fff_fffc;
const DT_VERDEFNUM: u64 = 0x6fff_fffd;
const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const PT_GNU_EH_FRAME: u32 = 0x6474_e550;
const READ: u32 = 4;
const EXEC: u32 = 1;

/// The ELF hash of a name. [System V ABI chapter 5]
fn elf_hash(name: &str) -> u32 {
    name.bytes().fold(0u32, |h, c| {
        let h = (h << 4).wrapping_add(c.into());
        let top = h & 0xf000_0000;
        (h ^ top >> 24) & !top
    })
}

/// Strings one after the other, each with its NUL; the first is empty.
struct Strings(Vec<u8>);

impl Strings {
    fn add(&mut self, text: &str) -> u32 {
        let at = self.0.len() as u32;
        self.0.extend_from_slice(text.as_bytes());
        self.0.push(0);
        at
    }
}

/// The parts of the image that are not code, in order.
struct Parts {
    symbols: Vec<u8>,
    hash: Vec<u8>,
    versions: Vec<u8>,
    definitions: Vec<u8>,
    strings: Vec<u8>,
    soname: u32,
}

impl Vdso {
    /// The image: less than two pages.
    pub fn image(&self, abi: &Abi, machine: u16) -> Vec<u8> {
        let parts = self.parts(abi);
        let headers = 2 + usize::from(self.unwind.is_some());
        let heads = if abi.is_64() {
            64 + headers * 56
        } else {
            52 + headers * 32
        };
        let dynamic_size = 10 * 2 * abi.word;
        let mut at = heads + dynamic_size;
        let mut place = |len: usize| {
            let here = at.next_multiple_of(8);
            at = here + len;
            here
        };
        let symbols = place(parts.symbols.len());
        let hash = place(parts.hash.len());
        let versions = place(parts.versions.len());
        let definitions = place(parts.definitions.len());
        let strings = place(parts.strings.len());
        assert!(at <= CODE_AT, "a vDSO with too many names");
        // Behind the code, each aligned to 8.
        let frames_at = (CODE_AT + 4 * self.code.len()).next_multiple_of(8);
        let frames = self.unwind.as_ref().map(|u| u.frames(abi, frames_at));
        let index_at = (frames_at + frames.as_ref().map_or(0, Vec::len)).next_multiple_of(8);
        let size = match self.unwind {
            Some(_) => index_at + INDEX_BYTES,
            None => CODE_AT + 4 * self.code.len(),
        };
        let dynamic = [
            (DT_HASH, hash),
            (DT_SYMTAB, symbols),
            (DT_STRTAB, strings),
            (DT_STRSZ, parts.strings.len()),
            (DT_SYMENT, if abi.is_64() { 24 } else { 16 }),
            (DT_SONAME, parts.soname as usize),
            (DT_VERSYM, versions),
            (DT_VERDEF, definitions),
            (DT_VERDEFNUM, 2),
            (0, 0),
        ];
        let mut out = self.heads(abi, machine, (heads, dynamic_size), (size, index_at));
        let mut w = Writer::new(*abi);
        for (tag, value) in dynamic {
            [ULong(tag), ULong(value as u64)].put(&mut w);
        }
        out.extend_from_slice(w.done());
        for (at, part) in [
            (symbols, &parts.symbols),
            (hash, &parts.hash),
            (versions, &parts.versions),
            (definitions, &parts.definitions),
            (strings, &parts.strings),
        ] {
            out.resize(at, 0);
            out.extend_from_slice(part);
        }
        out.resize(CODE_AT, 0);
        for word in self.code {
            out.extend_from_slice(&match self.code_big_endian {
                true => word.to_be_bytes(),
                false => word.to_le_bytes(),
            });
        }
        if let Some(frames) = frames {
            out.resize(frames_at, 0);
            out.extend_from_slice(&frames);
            out.resize(index_at, 0);
            out.extend_from_slice(&index(abi, frames_at, index_at));
        }
        out
    }

    fn parts(&self, abi: &Abi) -> Parts {
        let mut strings = Strings(vec![0]);
        let soname = strings.add(self.soname);
        let version = strings.add(self.version);
        let count = self.symbols.len() as u32 + 1;
        let (mut symbols, mut versions) = (Writer::new(*abi), Writer::new(*abi));
        put_symbol(&mut symbols, 0, 0, 0);
        0u16.put(&mut versions);
        for (name, first, len) in self.symbols {
            let value = CODE_AT + 4 * first;
            put_symbol(
                &mut symbols,
                strings.add(name),
                value as u64,
                4 * *len as u64,
            );
            2u16.put(&mut versions);
        }
        // One bucket and one chain through all symbols.
        let mut hash = Writer::new(*abi);
        [1, count, u32::from(count > 1)].put(&mut hash);
        for k in 0..count {
            let next = if k > 0 && k + 1 < count { k + 1 } else { 0 };
            next.put(&mut hash);
        }
        // The object itself (base), then the symbols' version.
        let mut definitions = Writer::new(*abi);
        for (k, (name, text)) in [(soname, self.soname), (version, self.version)]
            .into_iter()
            .enumerate()
        {
            let base = u16::from(k == 0);
            [1, base, k as u16 + 1, 1].put(&mut definitions);
            [elf_hash(text), 20, if k == 0 { 28 } else { 0 }, name, 0].put(&mut definitions);
        }
        Parts {
            symbols: symbols.done().to_vec(),
            hash: hash.done().to_vec(),
            versions: versions.done().to_vec(),
            definitions: definitions.done().to_vec(),
            strings: strings.0,
            soname,
        }
    }

    /// ELF header and program headers.
    fn heads(
        &self,
        abi: &Abi,
        machine: u16,
        (heads, dynamic_size): (usize, usize),
        (size, index_at): (usize, usize),
    ) -> Vec<u8> {
        let (class, big) = (abi.is_64(), abi.endian == crate::abi::Endian::Big);
        let mut w = Writer::new(*abi);
        w.bytes(b"\x7fELF");
        w.bytes(&[1 + u8::from(class), 1 + u8::from(big), 1, 0]);
        w.bytes(&[0; 8]);
        let (header, entry) = if class { (64u16, 56u16) } else { (52, 32) };
        // ET_DYN; no entry point, no sections.
        [3, machine].put(&mut w);
        1u32.put(&mut w);
        [ULong(0), ULong(header.into()), ULong(0)].put(&mut w);
        self.flags.put(&mut w);
        let count = 2 + u16::from(self.unwind.is_some());
        [header, entry, count, 0, 0, 0].put(&mut w);
        let dynamic = (heads, dynamic_size, READ, 8u64);
        let segments = [
            (PT_LOAD, (0, size, READ | EXEC, PAGE)),
            (PT_DYNAMIC, dynamic),
            (PT_GNU_EH_FRAME, (index_at, INDEX_BYTES, READ, 4)),
        ];
        for (kind, (at, len, access, align)) in segments.into_iter().take(count.into()) {
            kind.put(&mut w);
            if class {
                access.put(&mut w);
            }
            let (at, len) = (ULong(at as u64), ULong(len as u64));
            [at, at, at, len, len].put(&mut w);
            if !class {
                access.put(&mut w);
            }
            ULong(align).put(&mut w);
        }
        w.done().to_vec()
    }
}

// [DWARF 7.24]
const CFA_EXPRESSION: u8 = 0x0f;
const REGISTER_EXPRESSION: u8 = 0x10;
const DEF_CFA: u8 = 0x0c;
const OP_BREG0: u8 = 0x70;
const OP_DEREF: u8 = 0x06;
const PC_RELATIVE_32: u8 = 0x1b;
const OMITTED: u8 = 0xff;
/// `.eh_frame_hdr`: version, encodings, pointer; no search table.
const INDEX_BYTES: usize = 8;

/// A number as signed LEB128.
fn leb(v: u32) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = v;
    loop {
        let byte = (rest & 0x7f) as u8;
        rest >>= 7;
        if rest == 0 && byte & 0x40 == 0 {
            out.push(byte);
            return out;
        }
        out.push(byte | 0x80);
    }
}

/// A length in front of some bytes, which are padded with `DW_CFA_nop`.
fn record(abi: &Abi, mut body: Vec<u8>) -> Vec<u8> {
    body.resize(body.len().next_multiple_of(4), 0);
    let mut w = Writer::new(*abi);
    (body.len() as u32).put(&mut w);
    w.bytes(&body);
    w.done().to_vec()
}

fn word(abi: &Abi, v: u32) -> Vec<u8> {
    let mut w = Writer::new(*abi);
    v.put(&mut w);
    w.done().to_vec()
}

impl Unwind {
    /// `.eh_frame` at an offset of the image.
    fn frames(&self, abi: &Abi, at: usize) -> Vec<u8> {
        let mut head = word(abi, 0);
        head.extend(b"\x01zRS\0\x04\x78");
        head.extend([self.return_column, 1, PC_RELATIVE_32]);
        head.extend([DEF_CFA, self.stack_pointer, 0]);
        let mut out = record(abi, head);
        for f in self.frames {
            let here = at + out.len();
            let mut body = word(abi, (out.len() + 4) as u32);
            let code = CODE_AT + 4 * f.first;
            body.extend(word(abi, (code as u32).wrapping_sub(here as u32 + 8)));
            body.extend(word(abi, 4 * f.len as u32));
            body.push(0);
            body.extend(self.rules(f));
            out.extend(record(abi, body));
        }
        out.extend([0; 4]);
        out
    }

    /// Where each register is; the frame's address is the interrupted stack pointer.
    fn rules(&self, f: &SignalFrame) -> Vec<u8> {
        let address = |offset: u32| [&[OP_BREG0 + self.stack_pointer][..], &leb(offset)].concat();
        let mut out = Vec::new();
        for &(first, count, offset, bytes) in f.saved {
            for k in 0..u32::from(count) {
                let (register, at) = (first + k as u8, address(offset + k * bytes));
                if register == self.stack_pointer {
                    out.extend([CFA_EXPRESSION, at.len() as u8 + 1]);
                    out.extend(&at);
                    out.push(OP_DEREF);
                    continue;
                }
                out.extend([REGISTER_EXPRESSION, register, at.len() as u8]);
                out.extend(at);
            }
        }
        out
    }
}

/// `.eh_frame_hdr`, which only points to the frames.
fn index(abi: &Abi, frames_at: usize, at: usize) -> Vec<u8> {
    let mut out = vec![1, PC_RELATIVE_32, OMITTED, OMITTED];
    out.extend(word(abi, (frames_at as u32).wrapping_sub(at as u32 + 4)));
    out
}

/// A global function of section 1 (which only must not be "undefined").
fn put_symbol(w: &mut Writer, name: u32, value: u64, size: u64) {
    const GLOBAL_FUNCTION: u8 = 0x12;
    let (info, section) = if name == 0 {
        (0, 0u16)
    } else {
        (GLOBAL_FUNCTION, 1)
    };
    name.put(w);
    if w.abi().is_64() {
        [info, 0u8].put(w);
        section.put(w);
        [value, size].put(w);
    } else {
        [value as u32, size as u32].put(w);
        [info, 0u8].put(w);
        section.put(w);
    }
}

/// Maps a port's vDSO into a new process.
pub fn map(t: &mut Task) -> Result<(), Errno> {
    let Some(what) = t.port.vdso(t.abi.endian == crate::abi::Endian::Big) else {
        return Ok(());
    };
    let mut image = what.image(&t.abi, t.port.elf_machine());
    image.resize(image.len().next_multiple_of(PAGE as usize), 0);
    let base = t.process.space.suggest(image.len() as u64)?;
    t.map_kernel_page(base, &image, "[vdso]")?;
    let _ = t.process.vdso.set(Mapped { base: base.0, what });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::Endian;

    static SPEC: Vdso = Vdso {
        soname: "linux-vdso.so.1",
        version: "LINUX_4.15",
        code: &[0x1111_1111, 0x2222_2222, 0x3333_3333],
        code_big_endian: false,
        symbols: &[("__vdso_rt_sigreturn", 0, 2), ("__vdso_getcpu", 2, 1)],
        flags: 5,
        unwind: Some(Unwind {
            stack_pointer: 2,
            return_column: 64,
            frames: &[SignalFrame {
                first: 0,
                len: 2,
                saved: &[(1, 3, 200, 8), (64, 1, 192, 8)],
            }],
        }),
    };

    fn abi(word: usize, endian: Endian) -> Abi {
        Abi {
            endian,
            ..Abi::generic(word, &crate::guests::generic64::CALLS)
        }
    }

    #[test]
    fn image_is_what_readelf_takes_it_for() {
        for word in [4, 8] {
            for endian in [Endian::Little, Endian::Big] {
                let image = SPEC.image(&abi(word, endian), 243);
                let path = std::env::temp_dir().join(format!("emu-vdso-{word}-{endian:?}"));
                std::fs::write(&path, &image).unwrap();
                let run = std::process::Command::new("readelf")
                    .args(["--use-dynamic", "--syms", "-hldW", "--debug-dump=frames"])
                    .arg(&path)
                    .output();
                let Ok(out) = run else {
                    eprintln!("readelf is not there: only the size is checked");
                    assert!(image.len() > CODE_AT + 12);
                    return;
                };
                std::fs::remove_file(&path).unwrap();
                let text = String::from_utf8_lossy(&out.stdout).into_owned();
                assert!(
                    out.stderr.is_empty(),
                    "{}",
                    String::from_utf8_lossy(&out.stderr)
                );
                for want in [
                    "DYN (Shared object",
                    "RISC-V",
                    "[linux-vdso.so.1]",
                    "0x5",
                    "EH_FRAME",
                ] {
                    assert!(text.contains(want), "{want}: {text}");
                }
                let symbol = |name: &str, value: usize| {
                    text.lines()
                        .any(|l| l.contains(name) && l.contains(&format!("{value:08x}")))
                };
                assert!(symbol("__vdso_rt_sigreturn", CODE_AT), "{text}");
                assert!(symbol("__vdso_getcpu", CODE_AT + 8), "{text}");
            }
        }
    }

    #[test]
    fn hash_of_a_version_is_the_known_one() {
        // As every glibc has it for GLIBC_2.0.
        assert_eq!(elf_hash("GLIBC_2.0"), 0x0d69_6910);
    }

    #[test]
    fn functions_are_found_by_name() {
        let m = Mapped {
            base: 0x1000,
            what: &SPEC,
        };
        assert_eq!(m.symbol("__vdso_getcpu"), Some(0x1000 + 0x808));
        assert_eq!(m.symbol("__vdso_getcp"), None);
    }
}
