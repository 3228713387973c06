//! A new program: image, stack with arguments, environment and auxiliary vector. [System V ABI; Linux fs/binfmt_elf.c]

use crate::errno::Errno;
use crate::guest::AuxFacts;
use crate::task::Task;
use tcg_mem::GuestVa;

/// Auxiliary vector types. [Linux include/uapi/linux/auxvec.h]
#[allow(missing_docs)]
pub mod at {
    pub const NULL: u64 = 0;
    pub const PHDR: u64 = 3;
    pub const PHENT: u64 = 4;
    pub const PHNUM: u64 = 5;
    pub const PAGESZ: u64 = 6;
    pub const BASE: u64 = 7;
    pub const FLAGS: u64 = 8;
    pub const ENTRY: u64 = 9;
    pub const UID: u64 = 11;
    pub const EUID: u64 = 12;
    pub const GID: u64 = 13;
    pub const EGID: u64 = 14;
    pub const PLATFORM: u64 = 15;
    pub const HWCAP: u64 = 16;
    pub const CLKTCK: u64 = 17;
    pub const SECURE: u64 = 23;
    pub const RANDOM: u64 = 25;
    pub const HWCAP2: u64 = 26;
    pub const BASE_PLATFORM: u64 = 24;
    pub const EXECFN: u64 = 31;
    pub const SYSINFO_EHDR: u64 = 33;
}

/// Where the loader put things.
#[derive(Clone, Copy, Debug, Default)]
pub struct ImageFacts {
    /// Program headers in memory.
    pub phdr: u64,
    /// Size of one.
    pub phent: u64,
    /// Their number.
    pub phnum: u64,
    /// The interpreter's load address, 0 without one.
    pub base: u64,
    /// The program's own entry point.
    pub entry: u64,
}

/// Everything that goes onto the initial stack.
pub struct StackImage<'a> {
    /// Arguments.
    pub argv: &'a [Vec<u8>],
    /// Environment.
    pub envp: &'a [Vec<u8>],
    /// The path that was executed (AT_EXECFN).
    pub execfn: &'a [u8],
    /// Where the image lies.
    pub image: ImageFacts,
    /// Facts of the CPU.
    pub cpu: AuxFacts,
    /// 16 bytes for AT_RANDOM.
    pub random: [u8; 16],
}

/// What the stack builder reports, for /proc/self.
#[derive(Clone, Debug, Default)]
pub struct StackFacts {
    /// Stack pointer at the start.
    pub sp: u64,
    /// Argument strings: first and last address (exclusive).
    pub arg_start: u64,
    /// End of the argument strings.
    pub arg_end: u64,
    /// Environment strings.
    pub env_start: u64,
    /// End of the environment strings.
    pub env_end: u64,
    /// The auxiliary vector as the guest sees it.
    pub auxv: Vec<u8>,
}

/// Builds the stack below `top` and gives the stack pointer.
pub fn build(t: &Task, top: u64, s: &StackImage) -> Result<StackFacts, Errno> {
    let word = t.abi.word as u64;
    let mut facts = StackFacts::default();
    let mut at = top - word; // the last word stays zero
    let put = |at: &mut u64, bytes: &[u8]| -> Result<u64, Errno> {
        *at = at.checked_sub(bytes.len() as u64 + 1).ok_or(Errno::E2BIG)?;
        t.mem.write(GuestVa(*at), bytes).map_err(|_| Errno::E2BIG)?;
        t.mem
            .fill(GuestVa(*at + bytes.len() as u64), 0, 1)
            .map_err(|_| Errno::E2BIG)?;
        Ok(*at)
    };
    let execfn = put(&mut at, s.execfn)?;
    facts.env_end = at;
    // The last string lies highest, as the kernel copies them.
    let mut envp: Vec<u64> = s
        .envp
        .iter()
        .rev()
        .map(|e| put(&mut at, e))
        .collect::<Result<_, _>>()?;
    envp.reverse();
    facts.env_start = at;
    facts.arg_end = at;
    let mut argv: Vec<u64> = s
        .argv
        .iter()
        .rev()
        .map(|a| put(&mut at, a))
        .collect::<Result<_, _>>()?;
    argv.reverse();
    facts.arg_start = at;
    let platform = put(&mut at, s.cpu.platform.as_bytes())?;
    let base_platform = put(&mut at, s.cpu.base_platform.as_bytes())?;
    at = (at - 16) & !15;
    let random = at;
    t.mem
        .write(GuestVa(random), &s.random)
        .map_err(|_| Errno::E2BIG)?;
    let mut aux = aux_vector(s, execfn, random, ids_of(t));
    if !s.cpu.platform.is_empty() {
        aux.push((at::PLATFORM, platform));
    }
    if let Some(vdso) = t.process.vdso.get() {
        aux.push((at::SYSINFO_EHDR, vdso.base));
    }
    if !s.cpu.base_platform.is_empty() {
        aux.push((at::BASE_PLATFORM, base_platform));
    }
    aux.push((at::NULL, 0));
    let words = 1 + argv.len() + 1 + envp.len() + 1 + 2 * aux.len();
    let sp = at.checked_sub(words as u64 * word).ok_or(Errno::E2BIG)? & !15;
    let all = std::iter::once(argv.len() as u64)
        .chain(argv)
        .chain([0])
        .chain(envp)
        .chain([0])
        .chain(aux.iter().flat_map(|&(k, v)| [k, v]));
    let mut bytes = Vec::with_capacity(words * t.abi.word);
    for value in all {
        put_word(t, &mut bytes, value);
    }
    t.mem.write(GuestVa(sp), &bytes).map_err(|_| Errno::E2BIG)?;
    facts.auxv = bytes.split_off(bytes.len() - 2 * aux.len() * t.abi.word);
    facts.sp = sp;
    Ok(facts)
}

fn put_word(t: &Task, out: &mut Vec<u8>, value: u64) {
    let mut w = crate::abi::Writer::new(t.abi);
    w.uint(t.abi.word, value);
    out.extend_from_slice(w.done());
}

/// Real and effective user and group.
fn ids_of(t: &Task) -> [u32; 4] {
    match &t.ids {
        Some(i) => [i.uid[0], i.uid[1], i.gid[0], i.gid[1]],
        None => crate::sys::ids(),
    }
}

fn aux_vector(s: &StackImage, execfn: u64, random: u64, ids: [u32; 4]) -> Vec<(u64, u64)> {
    let mut v = vec![
        (at::PHDR, s.image.phdr),
        (at::PHENT, s.image.phent),
        (at::PHNUM, s.image.phnum),
        (at::PAGESZ, 4096),
        (at::BASE, s.image.base),
        (at::FLAGS, 0),
        (at::ENTRY, s.image.entry),
        (at::UID, u64::from(ids[0])),
        (at::EUID, u64::from(ids[1])),
        (at::GID, u64::from(ids[2])),
        (at::EGID, u64::from(ids[3])),
        (at::HWCAP, s.cpu.hwcap),
        (at::HWCAP2, s.cpu.hwcap2),
        (at::CLKTCK, 100),
        (at::RANDOM, random),
        (at::SECURE, u64::from(ids[0] != ids[1] || ids[2] != ids[3])),
        (at::EXECFN, execfn),
    ];
    v.extend_from_slice(s.cpu.more);
    v
}
