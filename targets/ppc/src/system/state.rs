//! The state block of a whole CPU: the registers of user mode first, then what only privileged code sees.
//!
//! Special registers that are plain storage lie in an array by number, so that the data table of `spr` needs no
//! second table of places, and a snapshot is the block's bytes.

use std::mem::offset_of;

use tcg_ir::{Slot, StateLayout, Ty};
use tcg_target::StateBlock;

use crate::state::{LAYOUT, PpcState};

/// Entries of the largest software-visible TLB: the e500v2's TLB0 and TLB1.
pub const TLB_ENTRIES: usize = 512 + 16;

/// Registers and other state of a whole CPU.
#[repr(C, align(16))]
#[derive(Clone, Debug)]
pub struct SystemState {
    /// What user mode has, with MSR and PVR.
    pub user: PpcState,
    /// Special registers by number, as far as they are storage.
    pub spr: [u64; 1024],
    /// The TLB that software writes. Each kind of MMU has its own layout of the words.
    pub tlb: [[u32; 4]; TLB_ENTRIES],
    /// Next victim of each set (e500 TLB0, 603).
    pub victim: [u8; 128],
    /// Segment registers.
    pub sr: [u32; 16],
    /// The other copies of GPR 0 to 3 (603: MSR.TGPR selects).
    pub tgpr: [u64; 4],
    /// Added to the clock to make the time base.
    pub tb_offset: u64,
    /// The clock's value while it stands still.
    pub clock_held: u64,
    /// Ticks that the clock has lost while it stood still.
    pub clock_lost: u64,
    /// The clock when the decrementer reaches zero.
    pub dec_due: u64,
    /// The clock at the next event of the fixed-interval timer; `u64::MAX` if none.
    pub fit_due: u64,
    /// The same of the watchdog.
    pub wdt_due: u64,
    /// Ticks of the clock in a second.
    pub tb_hz: u64,
    /// Broadcast invalidations that were carried out ([`super::broadcast`]).
    pub seen: u64,
    /// 1 while the clock stands still (HID0.TBEN).
    pub clock_stopped: u32,
    /// 1 while the decrementer counts (Book E: it stops at zero).
    pub dec_running: u32,
    /// Interrupts that wait, whether MSR masks them or not ([`super::interrupt::source`]).
    pub pending: u32,
    /// Interrupts that are remembered until they are taken, the same bits.
    pub latched: u32,
    /// 1 while the CPU waits for an interrupt.
    pub halted: u32,
    /// 1 if an instruction was executed since execution began where each ends in an interrupt.
    pub stepped: u32,
    /// [`super::model::family`] bits of the CPU model.
    pub family: u32,
    /// The bits of MSR that the model has.
    pub msr_mask: u32,
    /// Ways of TLB0 (e500).
    pub ways: u32,
    /// Pairs of BATs (classic).
    pub bats: u32,
    /// Not used.
    pub reserved: u32,
}

// SAFETY: repr(C), integers only, no implicit padding (the fields are ordered by size), 16-byte aligned.
unsafe impl StateBlock for SystemState {}

/// Slots for the IR builder.
pub mod slot {
    use super::{Slot, SystemState, Ty, offset_of};

    /// The low half of a special register.
    pub const fn spr(n: u32) -> Slot {
        Slot::new(
            offset_of!(SystemState, spr) + 8 * (n as usize & 1023),
            Ty::I32,
        )
    }

    /// MSR's low half.
    pub const MSR: Slot = Slot::new(offset_of!(SystemState, user.msr), Ty::I32);

    /// Whether an instruction was executed where each ends in an interrupt.
    pub const STEPPED: Slot = Slot::new(offset_of!(SystemState, stepped), Ty::I32);

    /// Interrupts that wait.
    pub const PENDING: Slot = Slot::new(offset_of!(SystemState, pending), Ty::I32);

    /// Segment register `n`.
    pub const fn sr(n: u32) -> Slot {
        Slot::new(offset_of!(SystemState, sr) + 4 * (n as usize & 15), Ty::I32)
    }
}

/// Layout of the state block: that of user mode, and more bytes.
pub static SYSTEM_LAYOUT: StateLayout = StateLayout {
    pinned: &[],
    bytes: size_of::<SystemState>(),
    peek: LAYOUT.peek,
    bits: LAYOUT.bits,
    names: LAYOUT.names,
};

impl SystemState {
    /// All zero but for the reservation.
    pub const fn new() -> SystemState {
        SystemState {
            user: PpcState::new(),
            spr: [0; 1024],
            tlb: [[0; 4]; TLB_ENTRIES],
            victim: [0; 128],
            sr: [0; 16],
            tgpr: [0; 4],
            tb_offset: 0,
            clock_held: 0,
            clock_lost: 0,
            dec_due: 0,
            fit_due: u64::MAX,
            wdt_due: u64::MAX,
            tb_hz: 1,
            seen: 0,
            clock_stopped: 0,
            dec_running: 0,
            pending: 0,
            latched: 0,
            halted: 0,
            stepped: 0,
            family: 0,
            msr_mask: 0,
            ways: 0,
            bats: 0,
            reserved: 0,
        }
    }

    /// Whether the model is of one of these families.
    pub const fn is(&self, family: u32) -> bool {
        self.family & family != 0
    }

    /// MSR's low half.
    pub const fn msr(&self) -> u32 {
        self.user.msr as u32
    }

    /// Special register `n`.
    pub const fn spr(&self, n: u32) -> u32 {
        self.spr[n as usize & 1023] as u32
    }

    /// Sets special register `n`.
    pub const fn set_spr(&mut self, n: u32, v: u32) {
        self.spr[n as usize & 1023] = v as u64;
    }

    /// Sets bits of special register `n`.
    pub const fn or_spr(&mut self, n: u32, v: u32) {
        self.spr[n as usize & 1023] |= v as u64;
    }

    /// General register `n`, 32 bits.
    pub const fn gpr(&self, n: u32) -> u32 {
        self.user.gpr[n as usize & 31] as u32
    }

    /// Sets the low half of general register `n`; SPE's upper half stays.
    pub const fn set_gpr(&mut self, n: u32, v: u32) {
        let r = &mut self.user.gpr[n as usize & 31];
        *r = *r & 0xffff_ffff_0000_0000 | v as u64;
    }

    /// A view of a state block's bytes; `None` if they are too few or misaligned.
    pub fn from_bytes(bytes: &[u8]) -> Option<&SystemState> {
        let p = bytes.as_ptr().cast::<SystemState>();
        // SAFETY: aligned and long enough as checked; every bit pattern is valid; same lifetime.
        (bytes.len() >= size_of::<SystemState>() && p.is_aligned()).then(|| unsafe { &*p })
    }

    /// The same, to write.
    pub fn from_bytes_mut(bytes: &mut [u8]) -> Option<&mut SystemState> {
        let p = bytes.as_mut_ptr().cast::<SystemState>();
        // SAFETY: aligned and long enough as checked; every bit pattern is valid; same lifetime.
        (bytes.len() >= size_of::<SystemState>() && p.is_aligned()).then(|| unsafe { &mut *p })
    }

    /// The bytes of the block.
    pub fn as_bytes_mut(&mut self) -> &mut [u8] {
        let p = (&raw mut *self).cast::<u8>();
        // SAFETY: integers without padding; same lifetime; every bit pattern is valid.
        unsafe { std::slice::from_raw_parts_mut(p, size_of::<SystemState>()) }
    }
}

impl Default for SystemState {
    fn default() -> SystemState {
        SystemState::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_of_user_mode_come_first() {
        assert_eq!(offset_of!(SystemState, user), 0);
        assert_eq!(slot::spr(3).off, slot::spr(0).off + 24);
        assert_eq!(size_of::<SystemState>() % 16, 0);
    }

    #[test]
    fn low_half_of_a_register_leaves_the_upper_half() {
        let mut s = SystemState::new();
        s.user.gpr[5] = 0x1122_3344_5566_7788;
        s.set_gpr(5, 9);
        assert_eq!(s.user.gpr[5], 0x1122_3344_0000_0009);
    }
}
