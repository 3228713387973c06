//! The 603's TLBs, which software fills: 32 sets of two entries for code, and as many for data. [MPC603e 5.4]
//!
//! An entry is kept as: first and second word of the page table entry, the page's address, 1 if valid.

use tcg_mem::Access;
use tcg_target::{CpuHost, Mapping, SysFault};

use super::{fault, hash, refuse};
use crate::system::spr::num;
use crate::system::state::SystemState;

/// Sets of each TLB.
const SETS: u32 = 32;
/// The changed bit.
const PTE_C: u32 = 0x80;
/// SRR1: the way to replace.
pub const SRR1_WAY: u32 = 1 << 17;

const fn set_of(va: u32) -> u32 {
    va >> 12 & (SETS - 1)
}

/// Index of an entry in the state's array: data first.
const fn place(va: u32, way: u32, access: Access) -> usize {
    let code = matches!(access, Access::Exec) as u32;
    (code * 2 * SETS + set_of(va) * 2 + (way & 1)) as usize
}

const fn victim(va: u32, access: Access) -> usize {
    (matches!(access, Access::Exec) as u32 * SETS + set_of(va)) as usize
}

/// Translates an address.
pub fn walk(s: &SystemState, va: u32, access: Access, index: u8) -> Result<Mapping, SysFault> {
    if let Some(found) = hash::before_pages(s, va, access, index) {
        return found;
    }
    let want = hash::compare_word(s, va);
    let found = (0..2)
        .filter_map(|way| s.tlb.get(place(va, way, access)))
        .find(|e| {
            let [word0, _, page, valid] = **e;
            valid != 0 && page == va & 0xffff_f000 && (word0 ^ want) & 0xffff_ffbf == 0
        });
    let Some(entry) = found else {
        return Err(refuse(fault::MISS, va, access));
    };
    let rights = hash::page_rights(entry[1], hash::key(s, va, index));
    let mut mapping = hash::page(va, entry[1], rights, entry[1] & PTE_C != 0);
    let allowed = match access {
        Access::Exec if entry[1] & 8 != 0 => {
            return Err(refuse(fault::NO_EXECUTE, va, access));
        }
        Access::Exec | Access::Read => mapping.read,
        Access::Write if mapping.write => true,
        Access::Write if hash::page(va, entry[1], rights, true).write => {
            return Err(refuse(fault::UNCHANGED, va, access));
        }
        Access::Write => false,
    };
    if !allowed {
        return Err(refuse(fault::PROTECTION, va, access));
    }
    mapping.exec &= access == Access::Exec;
    Ok(mapping)
}

/// The registers that software refills a TLB from, and the bits of SRR1. [MPC603e 5.5.2]
pub fn prepare(s: &mut SystemState, va: u32, access: Access, index: u8) -> u32 {
    let want = hash::compare_word(s, va);
    let groups = hash::groups(s, va);
    let (miss, compare) = match access {
        Access::Exec => (num::IMISS, num::ICMP),
        _ => (num::DMISS, num::DCMP),
    };
    s.set_spr(miss, va);
    s.set_spr(compare, want);
    s.set_spr(num::HASH1, groups[0]);
    s.set_spr(num::HASH2, groups[1]);
    let way = u32::from(s.victim[victim(va, access)]);
    let cr0 = s.user.cr() >> 28;
    let mut why = (cr0 << 28) | (way * SRR1_WAY);
    why |= u32::from(hash::key(s, va, index)) << 19;
    why |= u32::from(access == Access::Exec) << 18;
    why |= u32::from(access == Access::Write) << 16;
    why
}

/// `tlbld` and `tlbli`.
pub fn load(s: &mut SystemState, host: &dyn CpuHost, va: u32, access: Access) {
    let compare = match access {
        Access::Exec => num::ICMP,
        _ => num::DCMP,
    };
    let way = u32::from(s.spr(num::SRR1) & SRR1_WAY != 0);
    let new = [
        s.spr(compare) | 1 << 31,
        s.spr(num::RPA),
        va & 0xffff_f000,
        1,
    ];
    if let Some(old) = s.tlb.get_mut(place(va, way, access)) {
        if old[3] != 0 {
            host.flush_tlb_page(u64::from(old[2]));
        }
        *old = new;
    }
    // The other way is the least recently used now.
    s.victim[victim(va, access)] = (way ^ 1) as u8;
}

/// `tlbie`: the sets of both TLBs that the address selects.
pub fn invalidate(s: &mut SystemState, va: u32) {
    if !s.is(crate::system::model::family::P603) {
        return;
    }
    for access in [Access::Read, Access::Exec] {
        for way in 0..2 {
            if let Some(e) = s.tlb.get_mut(place(va, way, access)) {
                e[3] = 0;
            }
        }
    }
}

/// `tlbia`.
pub fn invalidate_all(s: &mut SystemState) {
    if s.is(crate::system::model::family::P603) {
        s.tlb.iter_mut().for_each(|e| e[3] = 0);
    }
}
