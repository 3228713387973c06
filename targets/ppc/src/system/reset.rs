//! The state of a CPU after reset, and the states that boards start programs in without firmware.

use tcg_target::CpuHost;

use super::Config;
use super::mmu::{e500, ppc440};
use super::model::{Mmu, SystemModel, family};
use super::spr::{HID0_EN_MAS7_UPDATE, HID0_TBEN, num};
use super::state::SystemState;
use super::time;

/// The reset state. [E500RM 2, PEM 6.4.1, PPC440 3.1]
pub fn reset(s: &mut SystemState, model: &SystemModel, config: &Config) {
    *s = SystemState::new();
    s.family = model.family;
    s.msr_mask = model.msr;
    s.tb_hz = config.tb_hz.max(1);
    s.user.msr = u64::from(model.msr_reset);
    match model.mmu {
        Mmu::E500 { ways } => {
            s.ways = u32::from(ways);
            let tlbs = match ways {
                4 => e500::config::TLB_V2,
                _ => e500::config::TLB_V1,
            };
            s.set_spr(num::TLB0CFG, tlbs[0]);
            s.set_spr(num::TLB1CFG, tlbs[1]);
            s.set_spr(num::MMUCFG, e500::config::MMUCFG);
            s.set_spr(num::L1CFG0, e500::config::L1CFG);
            s.set_spr(num::L1CFG1, e500::config::L1CFG);
            s.set_spr(num::SVR, config.svr);
            // DEVIATES: HID0 is 0 after reset. QUIRK: U-Boot for the ppce500 board never sets it, and Linux started
            // without firmware relies on both: the time base runs, and MAS7 is loaded as the other MAS registers are.
            s.set_spr(num::HID0, HID0_TBEN | HID0_EN_MAS7_UPDATE);
            e500::reset(s);
        }
        Mmu::Ppc440 => ppc440::reset(s),
        Mmu::Hash { bats } => s.bats = u32::from(bats),
        Mmu::Soft603 => s.bats = 4,
        Mmu::Ppc405 => {}
    }
    if model.is(family::P7450) {
        s.set_spr(num::SVR_7450, config.svr);
    }
}

/// Tells a CPU its number.
pub fn number(s: &mut SystemState, index: u32) {
    if s.is(family::BOOKE) {
        s.set_spr(num::PIR, index);
    } else if s.is(family::CLASSIC) {
        s.set_spr(num::PIR_CLASSIC, index);
    }
}

/// The decrementer of classic CPUs runs from the start. The time base is the machine's clock: the CPUs of a machine, whenever
/// each is started, agree about it, as boot programs see to. [EPAPR 5.5]
pub fn start_timers(s: &mut SystemState, host: &dyn CpuHost) {
    let now = time::clock(s, host.now_ns());
    s.tb_offset = 0;
    if s.is(family::CLASSIC) {
        s.dec_running = 1;
        s.dec_due = now + 0xffff_ffff;
    }
    time::advance(s, host.now_ns());
    time::arm(s, host);
}

/// How a program is started without firmware: what a boot program would have left behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BootState {
    /// General registers by number, and their values.
    pub registers: Vec<(u32, u32)>,
    /// A page that maps effective to physical addresses: both, and the size in bytes (a power of 4 from 4 KiB). Book E.
    pub mapping: Option<(u32, u64, u64)>,
}

impl BootState {
    /// Changes a CPU's reset state.
    pub fn apply(&self, state: &mut [u8], host: &dyn CpuHost) {
        let Some(s) = SystemState::from_bytes_mut(state) else {
            return;
        };
        for &(n, v) in &self.registers {
            s.set_gpr(n, v);
        }
        if let Some((va, pa, bytes)) = self.mapping {
            map(s, va, pa, bytes);
        }
        host.flush_tlb();
    }
}

/// Puts one mapping for supervisor code and data into the TLB, in the place of the one of the reset state.
fn map(s: &mut SystemState, va: u32, pa: u64, bytes: u64) {
    let kib = bytes.max(1024) / 1024;
    let size = kib.ilog2() / 2;
    if s.is(family::E500) {
        let mas1 = 1 << 31 | 1 << 30 | size << 8;
        // M; SX SW SR.
        let entry = [
            mas1,
            va | 4,
            pa as u32 & 0xffff_f000 | 0x15,
            (pa >> 32) as u32 & 0xf,
        ];
        e500::set_tlb1(s, 0, entry);
    } else if s.is(family::P440) {
        let word0 = va & 0xffff_fc00 | 0x200 | size << 4;
        let word1 = pa as u32 & 0xffff_fc00 | (pa >> 32) as u32 & 0xf;
        ppc440::set_entry(s, 0, [word0, word1, 0x207], 0);
    }
}
