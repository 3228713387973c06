//! Core files of guest programs, in the guest's own ELF format, so that its debugger reads them. [gABI; Linux fs/binfmt_elf.c,
//! fs/coredump.c, include/uapi/linux/elfcore.h]
//!
//! DEVIATES: only the thread that dies is described, and a pattern that pipes cores to a program gives a file `core.PID`.

use super::{SigInfo, bit};
use crate::abi::{Abi, Layout};
use crate::guest::CoreRegisters;
use crate::sys;
use crate::task::Task;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use tcg_mem::{Endian, GuestVa, PAGE};
use tcg_uspace::Region;

/// Signals whose default action leaves a core. [man7 signal]
pub const CORE: u64 = bit(libc::SIGQUIT)
    | bit(libc::SIGILL)
    | bit(libc::SIGTRAP)
    | bit(libc::SIGABRT)
    | bit(libc::SIGBUS)
    | bit(libc::SIGFPE)
    | bit(libc::SIGSEGV)
    | bit(libc::SIGXCPU)
    | bit(libc::SIGXFSZ)
    | bit(libc::SIGSYS);

/// A part of the file, of any length, in the guest's byte order.
pub struct Bytes {
    abi: Abi,
    data: Vec<u8>,
}

impl Bytes {
    /// Nothing so far.
    pub fn new(abi: Abi) -> Bytes {
        Bytes {
            abi,
            data: Vec::new(),
        }
    }

    fn abi(&self) -> Abi {
        self.abi
    }

    /// An unsigned integer of up to 8 bytes.
    pub fn uint(&mut self, size: usize, value: u64) {
        let (le, be) = (value.to_le_bytes(), value.to_be_bytes());
        let bytes = match self.abi.endian {
            Endian::Little => le.get(..size),
            Endian::Big => be.get(8 - size.min(8)..),
        };
        self.bytes(bytes.unwrap_or_default());
    }

    /// A number of 128 bits.
    pub fn wide(&mut self, value: u128) {
        let bytes = match self.abi.endian {
            Endian::Little => value.to_le_bytes(),
            Endian::Big => value.to_be_bytes(),
        };
        self.bytes(&bytes);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.data.extend_from_slice(bytes);
    }

    fn align(&mut self, to: usize) {
        let len = self.data.len().next_multiple_of(to);
        self.data.resize(len, 0);
    }

    /// What was written.
    pub fn done(&self) -> &[u8] {
        &self.data
    }
}

/// Whether a core is wanted: the most bytes of it, 0 for none.
pub fn limit() -> u64 {
    sys::soft_limit(sys::RLIMIT_CORE).unwrap_or(0)
}

/// Writes the core, if one is wanted. The host's own core of the emulator is not wanted in any case.
pub fn dump(t: &Task, info: &SigInfo) {
    let limit = limit();
    sys::no_core_of_ours();
    if CORE & bit(info.signo) == 0 || limit == 0 {
        return;
    }
    let Some(registers) = t.port.core_registers(&t.vcpu) else {
        eprintln!("emu: no core file: not implemented for {}", t.port.name());
        return;
    };
    let path = file_name(t, info.signo);
    match write(t, info, &registers, &path, limit) {
        Ok(()) => eprintln!("emu: core file {}", path.display()),
        Err(e) => eprintln!("emu: no core file: {}: {e}", path.display()),
    }
}

/// The name by the kernel's pattern. [man5 core]
fn file_name(t: &Task, sig: i32) -> PathBuf {
    let read = |name: &str| std::fs::read_to_string(format!("/proc/sys/kernel/{name}"));
    let pattern = read("core_pattern").unwrap_or_default();
    let pattern = pattern.trim_end();
    let pid = std::process::id().to_string();
    if pattern.starts_with('|') || pattern.is_empty() {
        return PathBuf::from(format!("core.{pid}"));
    }
    let exe = Path::new(std::ffi::OsStr::from_bytes(&t.process.exe));
    let base = exe.file_name().unwrap_or_default().to_string_lossy();
    let mut out = String::new();
    let mut letters = pattern.chars();
    while let Some(c) = letters.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        match letters.next() {
            Some('%') => out.push('%'),
            Some('p' | 'P') => out.push_str(&pid),
            Some('i' | 'I') => out.push_str(&t.tid.to_string()),
            Some('s') => out.push_str(&sig.to_string()),
            Some('u') => out.push_str(&sys::ids()[0].to_string()),
            Some('g') => out.push_str(&sys::ids()[2].to_string()),
            Some('e' | 'f') => out.push_str(&base),
            Some('E') => out.push_str(&exe.to_string_lossy().replace('/', "!")),
            Some('h') => {
                out.push_str(read("hostname").unwrap_or_default().trim_end());
            }
            Some('t') => {
                let now = std::time::SystemTime::UNIX_EPOCH.elapsed();
                out.push_str(&now.map_or(0, |d| d.as_secs()).to_string());
            }
            _ => {}
        }
    }
    if !pattern.contains("%p") && read("core_uses_pid").is_ok_and(|s| s.trim() != "0") {
        out.push('.');
        out.push_str(&pid);
    }
    PathBuf::from(out)
}

const ET_CORE: u64 = 4;
const PT_LOAD: u64 = 1;
const PT_NOTE: u64 = 4;
const NT_PRSTATUS: u64 = 1;
const NT_PRPSINFO: u64 = 3;
const NT_AUXV: u64 = 6;
const NT_SIGINFO: u64 = 0x5349_4749;
const NT_FILE: u64 = 0x4649_4c45;

fn write(
    t: &Task,
    info: &SigInfo,
    registers: &CoreRegisters,
    path: &Path,
    limit: u64,
) -> io::Result<()> {
    // Never through a link, and never what others may read.
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .custom_flags(libc::O_NOFOLLOW)
        .mode(0o600)
        .open(path)?;
    let regions = t.process.space.regions();
    let notes = notes(t, info, registers, &regions);
    let (header, record) = if t.abi.is_64() { (64, 56) } else { (52, 32) };
    let notes_at = header + record * (regions.len() as u64 + 1);
    let mut at = (notes_at + notes.len() as u64).next_multiple_of(PAGE);
    let first = at;
    let mut w = Bytes::new(t.abi);
    elf_header(&mut w, t, regions.len() + 1);
    program_header(&mut w, [PT_NOTE, 0, notes_at, 0, notes.len() as u64, 0, 4]);
    for r in &regions {
        let len = r.end - r.start;
        let kept = if is_kept(r) { len } else { 0 };
        program_header(&mut w, [PT_LOAD, flags(r), at, r.start, kept, len, PAGE]);
        at += kept;
    }
    let head = [w.done(), &notes].concat();
    (&file).write_all(&head)?;
    file.set_len(at.min(limit))?;
    contents(t, &file, &regions, first, limit)
}

fn elf_header(w: &mut Bytes, t: &Task, count: usize) {
    let abi = t.abi;
    let wide = abi.is_64();
    let order = if abi.endian == Endian::Big { 2 } else { 1 };
    w.bytes(&[0x7f, b'E', b'L', b'F', if wide { 2 } else { 1 }, order, 1]);
    w.bytes(&[0; 9]);
    for (size, value) in [(2, ET_CORE), (2, u64::from(t.port.elf_machine())), (4, 1)] {
        w.uint(size, value);
    }
    let (header, record) = if wide { (64, 56) } else { (52, 32) };
    // Entry, program headers, section headers.
    for value in [0, header, 0] {
        w.uint(abi.word, value);
    }
    w.uint(4, t.port.elf_flags(&t.vcpu));
    for value in [header, record, count as u64, 0, 0, 0] {
        w.uint(2, value);
    }
}

/// Type, flags, offset, address, bytes in the file and in memory, alignment.
fn program_header(w: &mut Bytes, [kind, flags, at, va, in_file, in_memory, align]: [u64; 7]) {
    let abi = w.abi();
    w.uint(4, kind);
    if abi.is_64() {
        w.uint(4, flags);
    }
    for value in [at, va, 0, in_file, in_memory] {
        w.uint(abi.word, value);
    }
    if !abi.is_64() {
        w.uint(4, flags);
    }
    w.uint(abi.word, align);
}

/// PF_X is 1, PF_R 4: the other way round from the protection of a mapping.
fn flags(r: &Region) -> u64 {
    let p = u64::from(r.prot.0);
    (p & 1) << 2 | p & 2 | (p & 4) >> 2
}

/// Files that cannot have changed are found by the debugger itself.
fn is_kept(r: &Region) -> bool {
    r.prot.0 & 1 != 0 && (r.file.is_none() || r.prot.0 & 2 != 0)
}

fn contents(t: &Task, file: &File, regions: &[Region], first: u64, limit: u64) -> io::Result<()> {
    let mut at = first;
    let mut buf = vec![0; 64 << 10];
    for r in regions.iter().filter(|r| is_kept(r)) {
        let mut va = r.start;
        while va < r.end {
            let n = (r.end - va).min(buf.len() as u64);
            if at + n > limit {
                return Ok(());
            }
            let part = buf.get_mut(..n as usize).unwrap_or_default();
            part.fill(0);
            // What cannot be read (beyond the end of a file) stays zero.
            t.mem.read_some(GuestVa(va), part);
            if part.iter().any(|b| *b != 0) {
                file.write_all_at(part, at)?;
            }
            (va, at) = (va + n, at + n);
        }
    }
    Ok(())
}

fn notes(t: &Task, info: &SigInfo, registers: &CoreRegisters, regions: &[Region]) -> Vec<u8> {
    let mut w = Bytes::new(t.abi);
    note(&mut w, "CORE", NT_PRSTATUS, &status(t, info, registers));
    note(&mut w, "CORE", NT_PRPSINFO, &program(t, registers));
    let mut raw = crate::abi::Writer::new(t.abi);
    info.put(&mut raw);
    note(&mut w, "CORE", NT_SIGINFO, raw.done());
    note(&mut w, "CORE", NT_AUXV, t.process.auxv());
    note(&mut w, "CORE", NT_FILE, &files(t.abi, regions));
    for (name, kind, set) in &registers.sets {
        note(&mut w, name, u64::from(*kind), set);
    }
    w.done().to_vec()
}

fn note(w: &mut Bytes, name: &str, kind: u64, data: &[u8]) {
    for value in [name.len() as u64 + 1, data.len() as u64, kind] {
        w.uint(4, value);
    }
    w.bytes(name.as_bytes());
    w.bytes(&[0]);
    w.align(4);
    w.bytes(data);
    w.align(4);
}

/// struct elf_prstatus.
fn status(t: &Task, info: &SigInfo, registers: &CoreRegisters) -> Vec<u8> {
    let word = t.abi.word;
    let mut w = Bytes::new(t.abi);
    for value in [info.signo, info.code, info.errno] {
        w.uint(4, value as u32 as u64);
    }
    w.uint(2, info.signo as u64);
    w.align(word);
    w.uint(word, super::pending(t));
    w.uint(word, t.signals.mask);
    for id in [u64::from(t.tid)].into_iter().chain(sys::family()) {
        w.uint(4, id);
    }
    // User, system and children's times are not told.
    for _ in 0..8 {
        w.uint(word, 0);
    }
    for value in &registers.general {
        w.uint(word, *value);
    }
    w.uint(4, u64::from(!registers.sets.is_empty()));
    w.align(word);
    w.done().to_vec()
}

/// struct elf_prpsinfo.
fn program(t: &Task, registers: &CoreRegisters) -> Vec<u8> {
    let word = t.abi.word;
    let mut w = Bytes::new(t.abi);
    // Running, not a zombie, nice 0.
    w.bytes(&[0, b'R', 0, 0]);
    w.align(word);
    w.uint(word, 0);
    let ids = sys::ids();
    w.uint(registers.id_bytes, u64::from(ids[0]));
    w.uint(registers.id_bytes, u64::from(ids[2]));
    let pid = u64::from(std::process::id());
    for id in [pid].into_iter().chain(sys::family()) {
        w.uint(4, id);
    }
    let exe = Path::new(std::ffi::OsStr::from_bytes(&t.process.exe));
    let name = exe.file_name().unwrap_or_default().as_bytes();
    text(&mut w, name, 16);
    let line: Vec<u8> = t.process.cmdline.iter().map(|b| (*b).max(b' ')).collect();
    text(&mut w, line.trim_ascii_end(), 80);
    w.align(word);
    w.done().to_vec()
}

/// Text in a field of a fixed size that ends with a zero.
fn text(w: &mut Bytes, text: &[u8], size: usize) {
    let n = text.len().min(size - 1);
    w.bytes(text.get(..n).unwrap_or_default());
    w.bytes(&vec![0; size - n]);
}

/// Which files are mapped where.
fn files(abi: Abi, regions: &[Region]) -> Vec<u8> {
    let mut w = Bytes::new(abi);
    let mapped = || regions.iter().filter(|r| r.file.is_some());
    w.uint(abi.word, mapped().count() as u64);
    w.uint(abi.word, PAGE);
    for r in mapped() {
        let offset = r.file.as_ref().map_or(0, |f| f.offset);
        for value in [r.start, r.end, offset / PAGE] {
            w.uint(abi.word, value);
        }
    }
    for f in mapped().filter_map(|r| r.file.as_ref()) {
        w.bytes(f.name.as_bytes());
        w.bytes(&[0]);
    }
    w.done().to_vec()
}
