//! The 405's unified TLB of 64 entries, and zones. [PPC405 7]
//!
//! An entry is kept as TLBHI, TLBLO and the identifier.

use tcg_mem::Access;
use tcg_target::{CpuHost, Mapping, SysFault};

use super::{fault, hash, is_problem, is_relocated, refuse};
use crate::system::spr::num;
use crate::system::state::SystemState;

/// Entries.
const ENTRIES: usize = 64;
/// TLBHI: valid, little-endian.
const VALID: u32 = 0x40;
const LITTLE: u32 = 0x20;
/// TLBLO: execution and writing.
const EX: u32 = 0x200;
const WR: u32 = 0x100;

const fn offset_mask(entry: &[u32; 4]) -> u32 {
    (1 << (10 + 2 * (entry[0] >> 7 & 7))) - 1
}

fn find(s: &SystemState, va: u32) -> Option<usize> {
    let pid = s.spr(num::PID_405);
    s.tlb.get(..ENTRIES)?.iter().position(|e| {
        e[0] & VALID != 0
            && (e[2] == 0 || e[2] == pid)
            && (e[0] ^ va) & !offset_mask(e) & 0xffff_fc00 == 0
    })
}

/// Translates an address.
pub fn walk(s: &SystemState, va: u32, access: Access, index: u8) -> Result<Mapping, SysFault> {
    if !is_relocated(index) {
        return Ok(hash::real(va));
    }
    let Some(entry) = find(s, va).and_then(|n| s.tlb.get(n)) else {
        return Err(refuse(fault::MISS, va, access));
    };
    // Two bits of ZPR for each zone: none, by the entry, by the entry (supervisor: all), all. [PPC405 7.4.2]
    let zone = entry[1] >> 4 & 0xf;
    let rule = s.spr(num::ZPR) >> (30 - 2 * zone) & 3;
    let problem = is_problem(index);
    if problem && rule == 0 {
        return Err(refuse(fault::ZONE, va, access));
    }
    let all = rule == 3 || rule == 2 && !problem;
    let write = all || entry[1] & WR != 0;
    let exec = all || entry[1] & EX != 0;
    let allowed = match access {
        Access::Read => true,
        Access::Write => write,
        Access::Exec => exec,
    };
    if !allowed {
        return Err(refuse(fault::PROTECTION, va, access));
    }
    let mask = offset_mask(entry);
    Ok(Mapping {
        pa: u64::from(entry[1] & 0xffff_fc00 & !mask | va & mask),
        page_bytes: u64::from(mask) + 1,
        read: true,
        write,
        exec,
        swap: entry[0] & LITTLE != 0,
        global: false,
    })
}

/// `tlbsx`: the index.
pub fn search(s: &SystemState, va: u32) -> Option<u32> {
    find(s, va).map(|n| n as u32)
}

/// `tlbre`. Reading TLBHI puts the identifier into PID.
pub fn read(s: &mut SystemState, n: u32, word: u32) -> u32 {
    let entry = s.tlb.get(n as usize % ENTRIES).copied().unwrap_or_default();
    match word {
        0 => {
            s.set_spr(num::PID_405, entry[2]);
            entry[0]
        }
        _ => entry[1],
    }
}

/// `tlbwe`.
pub fn write(s: &mut SystemState, host: &dyn CpuHost, n: u32, word: u32, v: u32) {
    let pid = s.spr(num::PID_405);
    let Some(entry) = s.tlb.get_mut(n as usize % ENTRIES) else {
        return;
    };
    host.flush_tlb();
    match word {
        0 => {
            entry[0] = v;
            entry[2] = pid;
        }
        _ => entry[1] = v,
    }
}

/// `tlbia`.
pub fn invalidate_all(s: &mut SystemState) {
    s.tlb.iter_mut().for_each(|e| e[0] &= !VALID);
}
