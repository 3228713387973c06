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
        let heads = if abi.is_64() {
            64 + 2 * 56
        } else {
            52 + 2 * 32
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
        let size = CODE_AT + 4 * self.code.len();
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
        let mut out = self.heads(abi, machine, (heads, dynamic_size), size);
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
        size: usize,
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
        [header, entry, 2, 0, 0, 0].put(&mut w);
        let dynamic = (heads, dynamic_size, READ, 8u64);
        for (kind, (at, len, access, align)) in [
            (PT_LOAD, (0, size, READ | EXEC, PAGE)),
            (PT_DYNAMIC, dynamic),
        ] {
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
                    .args(["--use-dynamic", "--syms", "-hldW"])
                    .arg(&path)
                    .output();
                let Ok(out) = run else {
                    eprintln!("readelf is not there: only the size is checked");
                    assert_eq!(image.len(), CODE_AT + 12);
                    return;
                };
                std::fs::remove_file(&path).unwrap();
                let text = String::from_utf8_lossy(&out.stdout).into_owned();
                assert!(
                    out.stderr.is_empty(),
                    "{}",
                    String::from_utf8_lossy(&out.stderr)
                );
                for want in ["DYN (Shared object", "RISC-V", "[linux-vdso.so.1]", "0x5"] {
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
