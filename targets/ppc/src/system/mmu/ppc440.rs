//! The 440's unified TLB of 64 entries, which software reads and writes word by word. [PPC440 5]
//!
//! An entry is kept as its three words and the identifier.

use tcg_mem::Access;
use tcg_target::{CpuHost, Mapping, SysFault};

use super::{fault, is_problem, is_relocated, refuse};
use crate::system::spr::num;
use crate::system::state::SystemState;

/// Entries.
const ENTRIES: usize = 64;
/// Word 0: valid, address space.
const VALID: u32 = 0x200;
const TS_SHIFT: u32 = 8;
/// Word 2: little-endian.
const LITTLE: u32 = 0x80;
/// MMUCR: identifier and space of searches and writes.
const STS_SHIFT: u32 = 16;

const fn offset_mask(entry: &[u32; 4]) -> u32 {
    match 10 + 2 * (entry[0] >> 4 & 0xf) {
        bits @ 0..32 => (1 << bits) - 1,
        _ => u32::MAX,
    }
}

fn find(s: &SystemState, va: u32, space: u32, pid: u32) -> Option<usize> {
    s.tlb.get(..ENTRIES)?.iter().position(|e| {
        e[0] & VALID != 0
            && e[0] >> TS_SHIFT & 1 == space
            && (e[3] == 0 || e[3] == pid)
            && (e[0] ^ va) & !offset_mask(e) & 0xffff_fc00 == 0
    })
}

/// Translates an address.
pub fn walk(s: &SystemState, va: u32, access: Access, index: u8) -> Result<Mapping, SysFault> {
    let space = u32::from(is_relocated(index));
    let entry = find(s, va, space, s.spr(num::PID)).and_then(|n| s.tlb.get(n));
    let Some(entry) = entry else {
        return Err(refuse(fault::MISS, va, access));
    };
    // UX UW UR SX SW SR
    let bits = match is_problem(index) {
        true => entry[2] >> 3,
        false => entry[2],
    };
    let (read, write, exec) = (bits & 1 != 0, bits & 2 != 0, bits & 4 != 0);
    let allowed = match access {
        Access::Read => read,
        Access::Write => write,
        Access::Exec => exec,
    };
    if !allowed {
        return Err(refuse(fault::PROTECTION, va, access));
    }
    let mask = offset_mask(entry);
    let upper = u64::from(entry[1] & 0xf) << 32;
    Ok(Mapping {
        pa: upper | u64::from(entry[1] & 0xffff_fc00 & !mask | va & mask),
        page_bytes: u64::from(mask) + 1,
        read,
        write,
        exec,
        swap: entry[2] & LITTLE != 0,
        global: mask > 0xfff && entry[3] == 0,
    })
}

/// `tlbsx`: the index.
pub fn search(s: &SystemState, va: u32) -> Option<u32> {
    let mmucr = s.spr(num::MMUCR);
    let n = find(s, va, mmucr >> STS_SHIFT & 1, mmucr & 0xff)?;
    Some(n as u32)
}

/// `tlbre`. Reading word 0 puts the identifier into MMUCR.
pub fn read(s: &mut SystemState, n: u32, word: u32) -> u32 {
    let entry = s.tlb.get(n as usize % ENTRIES).copied().unwrap_or_default();
    if word == 0 {
        s.set_spr(num::MMUCR, s.spr(num::MMUCR) & !0xff | entry[3]);
    }
    entry
        .get(..3)
        .and_then(|e| e.get(word as usize))
        .copied()
        .unwrap_or(0)
}

/// `tlbwe`. Word 0 takes the identifier from MMUCR.
pub fn write(s: &mut SystemState, host: &dyn CpuHost, n: u32, word: u32, v: u32) {
    let pid = s.spr(num::MMUCR) & 0xff;
    let Some(entry) = s.tlb.get_mut(n as usize % ENTRIES) else {
        return;
    };
    if entry[0] & VALID != 0 {
        match offset_mask(entry) {
            0..=0xfff => host.flush_tlb_page(u64::from(entry[0] & 0xffff_fc00)),
            _ => host.flush_tlb(),
        }
    }
    match word {
        0 => {
            entry[0] = v & 0xffff_fff0;
            entry[3] = pid;
        }
        1 => entry[1] = v & 0xffff_fc0f,
        2 => entry[2] = v & 0x0000_ffff,
        _ => {}
    }
}

/// Writes an entry whole, for reset and for boards that start programs without firmware.
pub fn set_entry(s: &mut SystemState, n: u32, words: [u32; 3], pid: u32) {
    if let Some(entry) = s.tlb.get_mut(n as usize % ENTRIES) {
        *entry = [words[0], words[1], words[2], pid];
    }
}

/// The TLB after reset: the last page of the address space, in the last page of physical memory's first 4 GiB as the
/// 440EP has its ROM. [PPC440 3.1]
pub fn reset(s: &mut SystemState) {
    set_entry(s, 0, [0xffff_f000 | VALID | 0x10, 0xffff_f001, 0x507], 0);
}
