//! The classic MMU: block address translation, segments, and the page table that hardware walks. [PEM 7]

use tcg_mem::Access;
use tcg_target::{CpuHost, Mapping, SysFault};

use super::{fault, is_problem, is_relocated, refuse};
use crate::system::spr::num;
use crate::system::state::SystemState;

/// Segment register: a direct-store segment, keys, no execution.
const SR_T: u32 = 1 << 31;
const SR_KS: u32 = 1 << 30;
const SR_KP: u32 = 1 << 29;
const SR_N: u32 = 1 << 28;
/// Second word of a page table entry.
const PTE_R: u32 = 0x100;
const PTE_C: u32 = 0x80;
const PTE_G: u32 = 8;
/// First word.
const PTE_V: u32 = 1 << 31;
const PTE_H: u32 = 1 << 6;

/// What a page or block allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights {
    read: bool,
    write: bool,
}

/// Rights by the protection bits and the segment's key. [PEM 7.4.2]
pub const fn page_rights(pp: u32, key: bool) -> Rights {
    let (read, write) = match (pp & 3, key) {
        (0..=2, false) | (2, true) => (true, true),
        (3, _) | (1, true) => (true, false),
        _ => (false, false),
    };
    Rights { read, write }
}

const fn block_rights(pp: u32) -> Rights {
    Rights {
        read: pp & 3 != 0,
        write: pp & 3 == 2,
    }
}

fn allows(rights: Rights, access: Access) -> bool {
    match access {
        Access::Read | Access::Exec => rights.read,
        Access::Write => rights.write,
    }
}

/// The block that covers an address. [PEM 7.3]
fn block(s: &SystemState, va: u32, access: Access, problem: bool) -> Option<(u32, u32, u32)> {
    let firsts = match access {
        Access::Exec => [num::IBAT0U, num::IBAT4U],
        _ => [num::DBAT0U, num::DBAT4U],
    };
    for n in 0..s.bats {
        let first = if n < 4 {
            firsts[0] + 2 * n
        } else {
            firsts[1] + 2 * (n - 4)
        };
        let (upper, lower) = (s.spr(first), s.spr(first + 1));
        let valid = if problem { upper & 1 } else { upper & 2 };
        let mask = (upper >> 2 & 0x7ff) << 17 | 0x1_ffff;
        if valid != 0 && (va ^ upper) & !mask & 0xfffe_0000 == 0 {
            return Some((upper, lower, mask));
        }
    }
    None
}

/// Addresses that are not relocated are physical.
pub fn real(va: u32) -> Mapping {
    Mapping {
        pa: u64::from(va),
        page_bytes: PAGE_BYTES,
        read: true,
        write: true,
        exec: true,
        swap: false,
        global: true,
    }
}

/// What comes before page tables: real mode, blocks, direct-store segments.
pub fn before_pages(
    s: &SystemState,
    va: u32,
    access: Access,
    index: u8,
) -> Option<Result<Mapping, SysFault>> {
    if !is_relocated(index) {
        return Some(Ok(real(va)));
    }
    if let Some((_, lower, mask)) = block(s, va, access, is_problem(index)) {
        let rights = block_rights(lower);
        if !allows(rights, access) {
            return Some(Err(refuse(fault::PROTECTION, va, access)));
        }
        if access == Access::Exec && lower & PTE_G != 0 {
            return Some(Err(refuse(fault::NO_EXECUTE, va, access)));
        }
        return Some(Ok(Mapping {
            pa: u64::from(lower & !mask & 0xfffe_0000 | va & mask),
            page_bytes: PAGE_BYTES,
            read: rights.read,
            write: rights.write,
            // A page of data may have other rights for fetches: those have BATs of their own.
            exec: access == Access::Exec,
            swap: false,
            global: true,
        }));
    }
    let sr = s.sr[(va >> 28) as usize];
    if sr & SR_T != 0 {
        return Some(Err(refuse(fault::DIRECT_STORE, va, access)));
    }
    if access == Access::Exec && sr & SR_N != 0 {
        return Some(Err(refuse(fault::NO_EXECUTE, va, access)));
    }
    None
}

/// The segment's key for an access.
pub fn key(s: &SystemState, va: u32, index: u8) -> bool {
    let bit = if is_problem(index) { SR_KP } else { SR_KS };
    s.sr[(va >> 28) as usize] & bit != 0
}

/// The first word of the entry that would translate an address.
pub fn compare_word(s: &SystemState, va: u32) -> u32 {
    let vsid = s.sr[(va >> 28) as usize] & 0xff_ffff;
    PTE_V | vsid << 7 | va >> 22 & 0x3f
}

/// The physical addresses of the two groups of entries. [PEM 7.6.1]
pub fn groups(s: &SystemState, va: u32) -> [u32; 2] {
    let sdr1 = s.spr(num::SDR1);
    let vsid = s.sr[(va >> 28) as usize] & 0x7_ffff;
    let hash = vsid ^ va >> 12 & 0xffff;
    [hash, !hash].map(|h| {
        let upper = (h >> 10 & sdr1 & 0x1ff) << 16;
        sdr1 & 0xffff_0000 | upper | (h & 0x3ff) << 6
    })
}

/// Looks an address up in the page table: the place of the entry's second word, and the word.
fn lookup(s: &SystemState, host: &dyn CpuHost, va: u32) -> Option<(u64, u32)> {
    let want = compare_word(s, va);
    for (group, h) in groups(s, va).into_iter().zip([0, PTE_H]) {
        let mut entries = [0; 8];
        if host.read_table(group.into(), &mut entries).is_err() {
            continue;
        }
        let words = entries.map(u64::swap_bytes);
        if let Some(n) = words.iter().position(|w| (w >> 32) as u32 == want | h) {
            return Some((u64::from(group) + 8 * n as u64 + 4, words[n] as u32));
        }
    }
    None
}

/// Bytes of a page. Larger mappings are pages of this size, too: none of the instructions that invalidate pages has an
/// effect on those.
const PAGE_BYTES: u64 = 4096;

/// Makes a mapping of a page of 4 KiB; `changed`: stores need not be noticed.
pub fn page(va: u32, pte1: u32, rights: Rights, changed: bool) -> Mapping {
    Mapping {
        pa: u64::from(pte1 & 0xffff_f000 | va & 0xfff),
        page_bytes: PAGE_BYTES,
        read: rights.read,
        write: rights.write && changed,
        exec: rights.read && pte1 & PTE_G == 0,
        swap: false,
        global: false,
    }
}

/// Translates an address; sets R and C unless it is only a look (`quiet`).
pub fn walk(
    s: &SystemState,
    host: &dyn CpuHost,
    va: u32,
    access: Access,
    index: u8,
    quiet: bool,
) -> Result<Mapping, SysFault> {
    if let Some(found) = before_pages(s, va, access, index) {
        return found;
    }
    let Some((place, pte1)) = lookup(s, host, va) else {
        return Err(refuse(fault::NO_PTE, va, access));
    };
    let rights = page_rights(pte1, key(s, va, index));
    if access == Access::Exec && pte1 & PTE_G != 0 {
        return Err(refuse(fault::NO_EXECUTE, va, access));
    }
    if !allows(rights, access) {
        return Err(refuse(fault::PROTECTION, va, access));
    }
    let mut new = pte1 | PTE_R;
    if access == Access::Write {
        new |= PTE_C;
    }
    if new != pte1 && !quiet {
        // A page table in ROM cannot be changed: the access goes on.
        let _ = host.bus().write(place, 4, u64::from(new.swap_bytes()));
    }
    let mut mapping = page(va, pte1, rights, new & PTE_C != 0);
    // A segment that code may not be in: fetches have to be refused by their own walk.
    mapping.exec &= access == Access::Exec;
    Ok(mapping)
}
