//! Special registers: what the table means, and those that do more than keep a value. [PowerISA III.5.4]

mod table;

use tcg_target::CpuHost;

use super::mmu::e500;
use super::model::family;
use super::state::SystemState;
use super::{interrupt, time};
pub use table::TABLE;

/// Which directions exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// Both.
    ReadWrite,
    /// Reads only; a write does nothing.
    Read,
    /// Writes only.
    Write,
}

/// How a register is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Plain storage.
    Keep,
    /// Storage of these bits.
    Mask(u32),
    /// Ones that are written clear.
    Clear,
    /// Storage; these bits start something that is done at once, and read as 0.
    SelfClear(u32),
    /// Another name of the register with this number.
    Alias(u16),
    /// See [`Func`].
    Special(Func),
}

/// Registers that do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Func {
    /// Decrementer.
    Dec,
    /// The 405's interval timer.
    Pit,
    /// Lower half of the time base.
    TbLow,
    /// Upper half of the time base.
    TbHigh,
    /// Timer control.
    Tcr,
    /// Timer status.
    Tsr,
    /// A process identifier: addresses mean something else now.
    Pid,
    /// The same of the page table's place, BATs, zones.
    Translation,
    /// HID0 of the e500: stops the clock.
    Hid0,
    /// Invalidates TLBs.
    Mmucsr0,
    /// Debug control 0: resets (4xx).
    Dbcr0,
    /// Processor version.
    Pvr,
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Spr {
    /// Its number.
    pub number: u16,
    /// Its name as in the manuals.
    pub name: &'static str,
    /// Directions.
    pub rights: Rights,
    /// The CPU families that have it.
    pub family: u32,
    /// How it is kept.
    pub how: How,
}

/// Numbers that the rest of the crate uses.
pub mod num {
    #![allow(missing_docs, reason = "the names are those of the table")]
    pub const DSISR: u32 = 18;
    pub const DAR: u32 = 19;
    pub const SDR1: u32 = 25;
    pub const SRR0: u32 = 26;
    pub const SRR1: u32 = 27;
    pub const PID: u32 = 48;
    pub const DECAR: u32 = 54;
    pub const CSRR0: u32 = 58;
    pub const CSRR1: u32 = 59;
    pub const DEAR: u32 = 61;
    pub const ESR: u32 = 62;
    pub const IVPR: u32 = 63;
    pub const SVR_7450: u32 = 286;
    pub const PIR: u32 = 286;
    pub const DBSR: u32 = 304;
    pub const DBCR0: u32 = 308;
    pub const TSR: u32 = 336;
    pub const TCR: u32 = 340;
    pub const IVOR0: u32 = 400;
    pub const L1CFG0: u32 = 515;
    pub const L1CFG1: u32 = 516;
    pub const IVOR32: u32 = 528;
    pub const IBAT0U: u32 = 528;
    pub const DBAT0U: u32 = 536;
    pub const IBAT4U: u32 = 560;
    pub const DBAT4U: u32 = 568;
    pub const MCARU: u32 = 569;
    pub const MCSRR0: u32 = 570;
    pub const MCSRR1: u32 = 571;
    pub const MCSR: u32 = 572;
    pub const MCAR: u32 = 573;
    pub const MAS0: u32 = 624;
    pub const MAS1: u32 = 625;
    pub const MAS2: u32 = 626;
    pub const MAS3: u32 = 627;
    pub const MAS4: u32 = 628;
    pub const MAS6: u32 = 630;
    pub const PID1: u32 = 633;
    pub const PID2: u32 = 634;
    pub const TLB0CFG: u32 = 688;
    pub const TLB1CFG: u32 = 689;
    pub const EPR: u32 = 702;
    pub const RSTCFG: u32 = 923;
    pub const MAS7: u32 = 944;
    pub const ZPR: u32 = 944;
    pub const PID_405: u32 = 945;
    pub const MMUCR: u32 = 946;
    pub const DMISS: u32 = 976;
    pub const DCMP: u32 = 977;
    pub const HASH1: u32 = 978;
    pub const HASH2: u32 = 979;
    pub const IMISS: u32 = 980;
    pub const ICMP: u32 = 981;
    pub const RPA: u32 = 982;
    pub const ESR_405: u32 = 980;
    pub const DEAR_405: u32 = 981;
    pub const EVPR: u32 = 982;
    pub const TSR_405: u32 = 984;
    pub const TCR_405: u32 = 986;
    pub const PIT: u32 = 987;
    pub const SRR2: u32 = 990;
    pub const SRR3: u32 = 991;
    pub const HID0: u32 = 1008;
    pub const MMUCFG: u32 = 1015;
    pub const SVR: u32 = 1023;
    pub const PIR_CLASSIC: u32 = 1023;
}

/// Where the rows of a number begin in the table.
static FIRST: [u16; 1024] = {
    let mut first = [0; 1024];
    let (mut row, mut number) = (0, 0);
    while number < first.len() {
        while row < TABLE.len() && (TABLE[row].number as usize) < number {
            row += 1;
        }
        first[number] = row as u16;
        number += 1;
    }
    first
};

/// The register with a number, of a family; for writing, that which may be written.
pub fn find(number: u32, families: u32) -> Option<&'static Spr> {
    let first = *FIRST.get(number as usize)?;
    TABLE
        .get(first.into()..)?
        .iter()
        .take_while(|s| u32::from(s.number) == number)
        .find(|s| s.family & families != 0)
}

/// Whatever a number means on some CPU, for messages.
pub fn name(number: u32) -> &'static str {
    find(number, family::ALL).map_or("unknown", |s| s.name)
}

/// Reads a register that is not plain storage.
pub fn read(s: &mut SystemState, host: &dyn CpuHost, number: u32) -> u32 {
    let Some(spr) = find(number, s.family) else {
        return 0;
    };
    match spr.how {
        How::Keep | How::Mask(_) | How::Clear | How::SelfClear(_) => s.spr(number),
        How::Alias(n) => s.spr(u32::from(n)),
        How::Special(func) => match func {
            Func::Dec | Func::Pit => {
                time::advance(s, host.now_ns());
                time::dec(s, host.now_ns())
            }
            Func::TbLow => {
                let now = host.now_ns();
                host.socket().clock_polled(now);
                time::time_base(s, now) as u32
            }
            Func::TbHigh => (time::time_base(s, host.now_ns()) >> 32) as u32,
            Func::Tsr => time::read_tsr(s, host),
            Func::Mmucsr0 => 0,
            Func::Pvr => s.user.pvr as u32,
            Func::Tcr | Func::Pid | Func::Translation | Func::Hid0 | Func::Dbcr0 => s.spr(number),
        },
    }
}

/// Writes a register that is not plain storage.
pub fn write(s: &mut SystemState, host: &dyn CpuHost, number: u32, v: u32) {
    let Some(spr) = find(number, s.family) else {
        return;
    };
    if spr.rights == Rights::Read {
        let line = || {
            format!(
                "{} (SPR {number}) is read-only: {v:#x} is not written",
                spr.name
            )
        };
        host.socket().guest_error(&line);
        return;
    }
    match spr.how {
        How::Keep => s.set_spr(number, v),
        How::Alias(n) => s.set_spr(u32::from(n), v),
        How::Mask(mask) => s.set_spr(number, v & mask),
        How::Clear => s.set_spr(number, s.spr(number) & !v),
        How::SelfClear(bits) => s.set_spr(number, v & !bits),
        How::Special(func) => act(s, host, func, number, v),
    }
}

fn act(s: &mut SystemState, host: &dyn CpuHost, func: Func, number: u32, v: u32) {
    match func {
        Func::Dec => time::set_dec(s, host, v),
        Func::Pit => time::set_pit(s, host, v),
        Func::TbLow | Func::TbHigh => {
            let old = time::time_base(s, host.now_ns());
            let new = match func {
                Func::TbLow => old & !0xffff_ffff | u64::from(v),
                _ => old & 0xffff_ffff | u64::from(v) << 32,
            };
            time::set_time_base(s, host, new);
        }
        Func::Tcr => time::write_tcr(s, host, v),
        Func::Tsr => time::write_tsr(s, host, v),
        Func::Pid => {
            let v = v & 0xff;
            if s.spr(number) != v {
                s.set_spr(number, v);
                host.context_changed();
            }
        }
        Func::Translation => {
            if s.spr(number) != v {
                s.set_spr(number, v);
                host.flush_tlb();
            }
        }
        Func::Hid0 => {
            s.set_spr(number, v);
            time::run_clock(s, host, v & HID0_TBEN != 0);
        }
        Func::Mmucsr0 => e500::flash_invalidate(s, host, v),
        Func::Dbcr0 => {
            s.set_spr(number, v);
            // DBCR0.RST: core, chip or system reset. On a machine with one kind of reset they are the same. [PPC440 8.6.1]
            if s.is(family::P4XX) && v >> 28 & 3 != 0 {
                host.socket().reset_system();
            }
        }
        Func::Pvr => {}
    }
    interrupt::refresh(s, host);
}

/// HID0.TBEN of the e500: the time base counts. [E500RM 2.10.1]
pub const HID0_TBEN: u32 = 1 << 14;
/// HID0.EN_MAS7_UPDATE.
pub const HID0_EN_MAS7_UPDATE: u32 = 1 << 7;
/// HID0.DOZE, NAP and SLEEP: what MSR.WE does.
pub const HID0_DOZE_NAP_SLEEP: u32 = 7 << 21;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_sorted_and_has_no_register_twice() {
        for pair in TABLE.windows(2) {
            let [a, b] = pair else { unreachable!() };
            assert!(a.number <= b.number, "{}", b.name);
        }
        for (i, a) in TABLE.iter().enumerate() {
            for b in &TABLE[i + 1..] {
                assert!(
                    a.number != b.number || a.family & b.family == 0 || a.family == family::ALL,
                    "{} and {}",
                    a.name,
                    b.name
                );
            }
        }
    }

    #[test]
    fn registers_depend_on_the_family() {
        assert_eq!(find(1008, family::P405).map(|s| s.name), Some("DBSR"));
        assert_eq!(find(1008, family::E500).map(|s| s.name), Some("HID0"));
        assert!(find(624, family::CLASSIC).is_none());
        assert!(find(5, family::ALL).is_none());
    }
}
