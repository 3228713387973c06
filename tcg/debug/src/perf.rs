//! Names of translated code for perf: the map `/tmp/perf-PID.map`, and the dump that `perf inject --jit` reads.
//! [Linux tools/perf/Documentation/jit-interface.txt and jitdump-specification.txt]

use crate::Observer;
use std::fmt::{Debug, Write as _};
use std::fs::File;
use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tcg_ir::Block;
use tcg_target::Isa;

/// The name of the guest code at an address.
pub type Namer = Box<dyn Fn(u64) -> Option<String> + Send + Sync>;

fn name_of(isa: &dyn Isa, namer: &Namer, pc: u64) -> String {
    let pc = pc & !1;
    let name = namer(pc).unwrap_or_else(|| format!("{}_{pc:#x}", isa.name()));
    // One line, one word for what follows the numbers: perf takes the rest of the line.
    name.replace(['\n', '\0'], "?")
}

fn locked<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The map: a line for each block, appended as they come.
pub struct PerfMap {
    file: Mutex<(u32, File)>,
    open: fn(u32) -> io::Result<File>,
    namer: Namer,
}

impl PerfMap {
    /// Where perf looks for the map of a process.
    pub fn path(pid: u32) -> String {
        format!("/tmp/perf-{pid}.map")
    }

    /// The map of this process; `open` opens that of a process to append to.
    pub fn new(open: fn(u32) -> io::Result<File>, namer: Namer) -> io::Result<PerfMap> {
        let pid = std::process::id();
        Ok(PerfMap {
            file: Mutex::new((pid, open(pid)?)),
            open,
            namer,
        })
    }
}

impl Observer for PerfMap {
    fn translated(&self, _: &dyn Isa, _: &Block, _: &[u8], _: &[u8], _: &[u8]) {}
    fn entered(&self, _: &dyn Isa, _: u64, _: u32, _: &[u8]) {}
    fn left(&self, _: &dyn Isa, _: u64, _: u32, _: &[u8], _: &dyn Debug) {}

    fn published(&self, isa: &dyn Isa, pc: u64, host: usize, code: &[u8]) {
        let name = name_of(isa, &self.namer, pc);
        let mut line = String::new();
        let _ = writeln!(line, "{host:x} {:x} {name}", code.len());
        // A map that cannot be written must not stop the guest.
        let _ = locked(&self.file).1.write_all(line.as_bytes());
    }

    /// The child has the parent's translations, so it begins with the parent's map.
    fn forked_child(&self) {
        let mut file = locked(&self.file);
        let pid = std::process::id();
        let before = std::fs::read(Self::path(file.0)).unwrap_or_default();
        if let Ok(mut own) = (self.open)(pid) {
            let _ = own.write_all(&before);
            *file = (pid, own);
        }
    }
}

/// The dump: every block's code, with the time from which on it is there.
pub struct JitDump {
    file: Mutex<Dump>,
    open: fn(u32) -> io::Result<File>,
    now: fn() -> u64,
    namer: Namer,
}

struct Dump {
    file: File,
    blocks: u64,
}

/// "JiTD" in the host's byte order.
const MAGIC: u32 = 0x4a69_5444;
const VERSION: u32 = 1;
const HEADER_BYTES: u32 = 40;
/// ELF machine of the host.
const EM_X86_64: u32 = 62;
const JIT_CODE_LOAD: u32 = 0;

impl JitDump {
    /// The dump of this process. `open` opens that of a process, empty, and maps it executable so that perf notices
    /// it; `now` is the clock that perf records with (monotonic, nanoseconds).
    pub fn new(
        open: fn(u32) -> io::Result<File>,
        now: fn() -> u64,
        namer: Namer,
    ) -> io::Result<JitDump> {
        Ok(JitDump {
            file: Mutex::new(begin(open, now)?),
            open,
            now,
            namer,
        })
    }
}

fn begin(open: fn(u32) -> io::Result<File>, now: fn() -> u64) -> io::Result<Dump> {
    let pid = std::process::id();
    let mut file = open(pid)?;
    let mut head = Vec::new();
    for n in [MAGIC, VERSION, HEADER_BYTES, EM_X86_64, 0, pid] {
        head.extend(n.to_ne_bytes());
    }
    head.extend(now().to_ne_bytes());
    head.extend(0u64.to_ne_bytes());
    file.write_all(&head)?;
    Ok(Dump { file, blocks: 0 })
}

/// One record.
fn code_load(now: u64, index: u64, host: u64, name: &str, code: &[u8]) -> Vec<u8> {
    const FIXED: usize = 56;
    let size = FIXED + name.len() + 1 + code.len();
    let mut out = Vec::with_capacity(size);
    out.extend(JIT_CODE_LOAD.to_ne_bytes());
    out.extend((size as u32).to_ne_bytes());
    out.extend(now.to_ne_bytes());
    let pid = std::process::id();
    // perf does not look at the thread.
    out.extend(pid.to_ne_bytes());
    out.extend(pid.to_ne_bytes());
    for n in [host, host, code.len() as u64, index] {
        out.extend(n.to_ne_bytes());
    }
    out.extend(name.as_bytes());
    out.push(0);
    out.extend(code);
    out
}

impl Observer for JitDump {
    fn translated(&self, _: &dyn Isa, _: &Block, _: &[u8], _: &[u8], _: &[u8]) {}
    fn entered(&self, _: &dyn Isa, _: u64, _: u32, _: &[u8]) {}
    fn left(&self, _: &dyn Isa, _: u64, _: u32, _: &[u8], _: &dyn Debug) {}

    fn published(&self, isa: &dyn Isa, pc: u64, host: usize, code: &[u8]) {
        let name = name_of(isa, &self.namer, pc);
        let mut dump = locked(&self.file);
        let record = code_load((self.now)(), dump.blocks, host as u64, &name, code);
        dump.blocks += 1;
        let _ = dump.file.write_all(&record);
    }

    /// The child has a dump of its own, for what it translates itself.
    fn forked_child(&self) {
        if let Ok(new) = begin(self.open, self.now) {
            *locked(&self.file) = new;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_has_its_size_and_its_parts() {
        let r = code_load(5, 7, 0x1000, "f+0x4", &[0x90, 0xc3]);
        assert_eq!(r.len(), 56 + 6 + 2);
        assert_eq!(r[4..8], (r.len() as u32).to_ne_bytes());
        assert_eq!(r[24..32], 0x1000u64.to_ne_bytes());
        assert_eq!(r[40..48], 2u64.to_ne_bytes());
        assert_eq!(r[48..56], 7u64.to_ne_bytes());
        assert_eq!(&r[56..], b"f+0x4\0\x90\xc3");
    }
}
