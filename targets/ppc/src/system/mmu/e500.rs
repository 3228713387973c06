//! The MMU of the e500v1 and e500v2: TLB0 with 4 KiB pages in sets, TLB1 with 16 pages of any size, both read, written and
//! searched through the MAS registers. [E500RM 12]
//!
//! A TLB entry is kept as the four words MAS1, MAS2, MAS3 and MAS7.

use tcg_mem::Access;
use tcg_target::{CpuHost, Mapping, SysFault};

use super::{fault, is_problem, is_relocated, refuse};
use crate::system::model::family;
use crate::system::spr::{HID0_EN_MAS7_UPDATE, num};
use crate::system::state::SystemState;

/// Sets of TLB0.
const SETS: u32 = 128;
/// Where TLB1 begins in the state's array.
const TLB1: usize = 512;
/// Entries of TLB1.
const TLB1_ENTRIES: u32 = 16;

/// MAS1.
const VALID: u32 = 1 << 31;
const IPROT: u32 = 1 << 30;
const TS_SHIFT: u32 = 12;
/// MAS0.TLBSEL, MAS4.TLBSELD.
const TLBSEL: u32 = 1 << 28;
/// MAS2.E.
const LITTLE: u32 = 1;

/// Values of the read-only configuration registers. [E500RM 2.12]
pub mod config {
    /// TLB0CFG and TLB1CFG of the e500v1.
    pub const TLB_V1: [u32; 2] = [0x0211_0100, 0x1019_c010];
    /// The same of the e500v2.
    pub const TLB_V2: [u32; 2] = [0x0411_0200, 0x101b_c010];
    /// MMUCFG: three process identifiers of 8 bits, two TLBs.
    pub const MMUCFG: u32 = 0x0000_19c4;
    /// L1CFG0 and L1CFG1: 32 KiB, 8 ways, lines of 32 bytes, pseudo-LRU, locking, parity.
    pub const L1CFG: u32 = 0x0038_3820;
}

/// An entry's place: TLB and index in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    tlb1: bool,
    set: u32,
    way: u32,
}

impl Place {
    fn at(self) -> usize {
        match self.tlb1 {
            true => TLB1 + (self.way % TLB1_ENTRIES) as usize,
            false => (self.set % SETS * 4 + self.way % 4) as usize,
        }
    }
}

fn set_of(va: u32) -> u32 {
    va >> 12 & (SETS - 1)
}

/// The bits of an address within the page of an entry.
const fn offset_mask(entry: &[u32; 4]) -> u32 {
    let bits = 10 + 2 * (entry[0] >> 8 & 0xf);
    match bits {
        0..32 => (1 << bits) - 1,
        _ => u32::MAX,
    }
}

fn matches(entry: &[u32; 4], va: u32, space: u32, pids: &[u32]) -> bool {
    let [mas1, mas2, ..] = *entry;
    let tid = mas1 >> 16 & 0xff;
    mas1 & VALID != 0
        && mas1 >> TS_SHIFT & 1 == space
        && (tid == 0 || pids.contains(&tid))
        && (va ^ mas2) & !offset_mask(entry) == 0
}

fn find(s: &SystemState, va: u32, space: u32, pids: &[u32]) -> Option<Place> {
    let set = set_of(va);
    let zero = (0..s.ways).map(|way| Place {
        tlb1: false,
        set,
        way,
    });
    let one = (0..TLB1_ENTRIES).map(|way| Place {
        tlb1: true,
        set: 0,
        way,
    });
    zero.chain(one).find(|p| {
        s.tlb
            .get(p.at())
            .is_some_and(|e| matches(e, va, space, pids))
    })
}

/// Translates an address.
pub fn walk(s: &SystemState, va: u32, access: Access, index: u8) -> Result<Mapping, SysFault> {
    let pids = [s.spr(num::PID), s.spr(num::PID1), s.spr(num::PID2)];
    let space = u32::from(is_relocated(index));
    let found = find(s, va, space, &pids).and_then(|p| s.tlb.get(p.at()));
    let Some(entry) = found else {
        return Err(refuse(fault::MISS, va, access));
    };
    // UX SX UW SW UR SR
    let bits = match is_problem(index) {
        true => entry[2] >> 1,
        false => entry[2],
    };
    let (read, write, exec) = (bits & 1 != 0, bits & 4 != 0, bits & 16 != 0);
    let allowed = match access {
        Access::Read => read,
        Access::Write => write,
        Access::Exec => exec,
    };
    if !allowed {
        return Err(refuse(fault::PROTECTION, va, access));
    }
    let mask = offset_mask(entry);
    let page = u64::from(entry[3] & 0xf) << 32 | u64::from(entry[2] & 0xffff_f000 & !mask);
    Ok(Mapping {
        pa: page | u64::from(va & mask),
        page_bytes: u64::from(mask) + 1,
        read,
        write,
        exec,
        swap: entry[1] & LITTLE != 0,
        global: mask > 0xfff && entry[0] >> 16 & 0xff == 0,
    })
}

/// MAS0 for the entry that a miss should be written to: the set's next victim, and the one after it. [E500RM 12.3.2]
fn victim(s: &SystemState, va: u32) -> u32 {
    let mas4 = s.spr(num::MAS4);
    if mas4 & TLBSEL != 0 {
        return TLBSEL;
    }
    let now = u32::from(s.victim[set_of(va) as usize]) % s.ways.max(1);
    (now << 16) | ((now + 1) % s.ways.max(1))
}

/// The MAS registers after a TLB miss. [E500RM 12.7.2]
pub fn load_mas(s: &mut SystemState, va: u32, space: u32) {
    let mas4 = s.spr(num::MAS4);
    let pid = s.spr(num::PID);
    let tid = match mas4 >> 16 & 3 {
        0 => pid,
        1 => s.spr(num::PID1),
        2 => s.spr(num::PID2),
        _ => 0,
    };
    s.set_spr(num::MAS0, victim(s, va));
    s.set_spr(
        num::MAS1,
        VALID | tid << 16 | space << TS_SHIFT | mas4 & 0xf00,
    );
    s.set_spr(num::MAS2, va & 0xffff_f000 | mas4 & 0x7f);
    s.set_spr(num::MAS3, 0);
    s.set_spr(num::MAS6, pid << 16 | space);
    if s.spr(num::HID0) & HID0_EN_MAS7_UPDATE != 0 {
        s.set_spr(num::MAS7, 0);
    }
}

/// The entry that MAS0 and MAS2 name.
fn selected(s: &SystemState) -> Place {
    let mas0 = s.spr(num::MAS0);
    let tlb1 = mas0 & TLBSEL != 0;
    let way = mas0 >> 16 & 0xf;
    Place {
        tlb1,
        set: set_of(s.spr(num::MAS2)),
        way: if tlb1 { way } else { way % s.ways.max(1) },
    }
}

/// An entry is no longer what it was.
fn drop_mapping(host: &dyn CpuHost, entry: &[u32; 4]) {
    if entry[0] & VALID == 0 {
        return;
    }
    match offset_mask(entry) {
        0xfff => host.flush_tlb_page(u64::from(entry[1] & 0xffff_f000)),
        _ => host.flush_tlb(),
    }
}

/// `tlbwe`. [E500RM 12.4.2]
pub fn write(s: &mut SystemState, host: &dyn CpuHost) {
    let place = selected(s);
    let mut new = [
        s.spr(num::MAS1),
        s.spr(num::MAS2),
        s.spr(num::MAS3),
        s.spr(num::MAS7),
    ];
    if !place.tlb1 {
        // TLB0 has 4 KiB pages and no protection from invalidation.
        new[0] = new[0] & !(IPROT | 0xf00) | 0x100;
        s.victim[place.set as usize % SETS as usize] = (s.spr(num::MAS0) & 3) as u8;
    }
    if !s.is(family::E500V2) {
        new[3] = 0;
    }
    if let Some(entry) = s.tlb.get_mut(place.at()) {
        if *entry != new {
            drop_mapping(host, entry);
        }
        *entry = new;
    }
}

/// MAS1 to MAS3 and MAS7 from an entry.
fn to_mas(s: &mut SystemState, entry: [u32; 4]) {
    s.set_spr(num::MAS1, entry[0]);
    s.set_spr(num::MAS2, entry[1]);
    s.set_spr(num::MAS3, entry[2]);
    if s.is(family::E500V2) && s.spr(num::HID0) & HID0_EN_MAS7_UPDATE != 0 {
        s.set_spr(num::MAS7, entry[3]);
    }
}

/// `tlbre`. [E500RM 12.4.1]
pub fn read(s: &mut SystemState) {
    let place = selected(s);
    let entry = s.tlb.get(place.at()).copied().unwrap_or_default();
    if !place.tlb1 {
        let next = u32::from(s.victim[place.set as usize % SETS as usize]);
        s.set_spr(num::MAS0, s.spr(num::MAS0) & !3 | next);
    }
    to_mas(s, entry);
}

/// `tlbsx`. [E500RM 12.4.3]
pub fn search(s: &mut SystemState, va: u32) {
    let mas6 = s.spr(num::MAS6);
    let (pid, space) = (mas6 >> 16 & 0xff, mas6 & 1);
    if let Some(place) = find(s, va, space, &[pid]) {
        let next = match place.tlb1 {
            true => 0,
            false => u32::from(s.victim[place.set as usize % SETS as usize]),
        };
        let tlb = u32::from(place.tlb1) * TLBSEL;
        s.set_spr(num::MAS0, tlb | place.way << 16 | next);
        let entry = s.tlb.get(place.at()).copied().unwrap_or_default();
        to_mas(s, entry);
        return;
    }
    let mas4 = s.spr(num::MAS4);
    s.set_spr(num::MAS0, victim(s, va));
    s.set_spr(num::MAS1, pid << 16 | space << TS_SHIFT | mas4 & 0xf00);
    s.set_spr(num::MAS2, s.spr(num::MAS2) & 0xffff_f000 | mas4 & 0x7f);
    s.set_spr(num::MAS3, 0);
    if s.spr(num::HID0) & HID0_EN_MAS7_UPDATE != 0 {
        s.set_spr(num::MAS7, 0);
    }
}

/// What `tlbivax` does to the TLBs of one CPU: bit 3 of the address selects TLB1, bit 2 all entries; otherwise those of the
/// page go, whatever their identifier and space. [E500RM 12.4.4]
pub fn invalidate(s: &mut SystemState, host: &dyn CpuHost, ea: u32) {
    let tlb1 = ea & 8 != 0;
    if ea & 4 != 0 {
        clear(s, tlb1);
        host.flush_tlb();
        return;
    }
    let set = set_of(ea);
    let ways = if tlb1 { TLB1_ENTRIES } else { s.ways };
    for way in 0..ways {
        let place = Place { tlb1, set, way };
        let Some(entry) = s.tlb.get_mut(place.at()) else {
            continue;
        };
        let hit = (ea ^ entry[1]) & !offset_mask(entry) & 0xffff_f000 == 0;
        if hit && entry[0] & VALID != 0 && entry[0] & IPROT == 0 {
            drop_mapping(host, entry);
            entry[0] &= !VALID;
        }
    }
}

fn clear(s: &mut SystemState, tlb1: bool) {
    let range = match tlb1 {
        true => TLB1..TLB1 + TLB1_ENTRIES as usize,
        false => 0..TLB1,
    };
    for entry in s.tlb.get_mut(range).into_iter().flatten() {
        if entry[0] & IPROT == 0 {
            entry[0] &= !VALID;
        }
    }
}

/// Drops all that may be dropped (broadcasts were missed).
pub fn clear_all(s: &mut SystemState, host: &dyn CpuHost) {
    clear(s, false);
    clear(s, true);
    host.flush_tlb();
}

/// A write of MMUCSR0. [E500RM 2.12.3]
pub fn flash_invalidate(s: &mut SystemState, host: &dyn CpuHost, v: u32) {
    if v & 4 != 0 {
        clear(s, false);
    }
    if v & 2 != 0 {
        clear(s, true);
    }
    host.flush_tlb();
}

/// Writes an entry of TLB1, for reset and for boards that start programs without firmware.
pub fn set_tlb1(s: &mut SystemState, n: u32, entry: [u32; 4]) {
    let place = Place {
        tlb1: true,
        set: 0,
        way: n,
    };
    if let Some(e) = s.tlb.get_mut(place.at()) {
        *e = entry;
    }
}

/// The TLB after reset: the last page of the address space, for the first instruction. [E500RM 12.6]
pub fn reset(s: &mut SystemState) {
    let (v, i, sx_sw_sr) = (VALID | IPROT | 0x100, 8, 0x15);
    set_tlb1(s, 0, [v, 0xffff_f000 | i, 0xffff_f000 | sx_sw_sr, 0]);
}
