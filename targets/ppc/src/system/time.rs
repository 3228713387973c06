//! Time base, decrementer, fixed-interval timer, watchdog, and the 405's interval timer.
//! [PowerISA III.7, E500RM 9, PPC440 7, PPC405 11]
//!
//! The clock counts ticks of the time base's frequency and may be stopped (HID0.TBEN); the time base is the clock plus
//! an offset. What the timers have done is worked out when somebody looks or when a deadline passes.

use tcg_target::CpuHost;

use super::interrupt::source;
use super::model::family;
use super::spr::num;
use super::state::SystemState;

/// Bits of TCR. [E500RM 2.6.1]
pub mod tcr {
    /// Watchdog interrupt enable.
    pub const WIE: u32 = 1 << 27;
    /// Decrementer (405: PIT) interrupt enable.
    pub const DIE: u32 = 1 << 26;
    /// Fixed-interval timer interrupt enable.
    pub const FIE: u32 = 1 << 23;
    /// Decrementer auto-reload enable.
    pub const ARE: u32 = 1 << 22;
    /// Watchdog reset control.
    pub const WRC: u32 = 3 << 28;
}

/// Bits of TSR. [E500RM 2.6.2]
pub mod tsr {
    /// Enable next watchdog.
    pub const ENW: u32 = 1 << 31;
    /// Watchdog interrupt status.
    pub const WIS: u32 = 1 << 30;
    /// Decrementer (405: PIT) interrupt status.
    pub const DIS: u32 = 1 << 27;
    /// Fixed-interval timer interrupt status.
    pub const FIS: u32 = 1 << 26;
}

const BOOKE_TIMERS: u32 = family::BOOKE | family::P405;
const NS: u128 = 1_000_000_000;

fn tcr_number(s: &SystemState) -> u32 {
    match s.is(family::P405) {
        true => num::TCR_405,
        false => num::TCR,
    }
}

fn tsr_number(s: &SystemState) -> u32 {
    match s.is(family::P405) {
        true => num::TSR_405,
        false => num::TSR,
    }
}

/// TCR.
pub fn tcr_of(s: &SystemState) -> u32 {
    s.spr(tcr_number(s))
}

/// TSR as of the last look.
pub fn tsr_of(s: &SystemState) -> u32 {
    s.spr(tsr_number(s))
}

/// The clock.
pub fn clock(s: &SystemState, now_ns: u64) -> u64 {
    if s.clock_stopped != 0 {
        return s.clock_held;
    }
    ticks(now_ns, s.tb_hz).wrapping_sub(s.clock_lost)
}

/// Ticks in a time, rounded down. Systems ask for it in loops: seconds apart, so that the rest fits into a word.
fn ticks(now_ns: u64, hz: u64) -> u64 {
    const SECOND: u64 = NS as u64;
    let (seconds, rest) = (now_ns / SECOND, now_ns % SECOND);
    let part = match rest.checked_mul(hz) {
        Some(product) => product / SECOND,
        None => (u128::from(rest) * u128::from(hz) / NS) as u64,
    };
    seconds.wrapping_mul(hz).wrapping_add(part)
}

/// When the clock reaches a value, in nanoseconds, rounded up.
fn when(s: &SystemState, clock: u64) -> u64 {
    let ticks = u128::from(clock.saturating_add(s.clock_lost));
    let ns = (ticks * NS).div_ceil(u128::from(s.tb_hz.max(1)));
    u64::try_from(ns).unwrap_or(u64::MAX)
}

/// Stops the clock or lets it run.
pub fn run_clock(s: &mut SystemState, host: &dyn CpuHost, run: bool) {
    let now = host.now_ns();
    if run == (s.clock_stopped == 0) {
        return;
    }
    advance(s, now);
    if run {
        let held = s.clock_held;
        s.clock_stopped = 0;
        s.clock_lost = 0;
        s.clock_lost = clock(s, now).wrapping_sub(held);
    } else {
        s.clock_held = clock(s, now);
        s.clock_stopped = 1;
    }
    arm(s, host);
}

/// The time base.
pub fn time_base(s: &SystemState, now_ns: u64) -> u64 {
    clock(s, now_ns).wrapping_add(s.tb_offset)
}

/// Sets the time base.
pub fn set_time_base(s: &mut SystemState, host: &dyn CpuHost, value: u64) {
    let now = host.now_ns();
    advance(s, now);
    s.tb_offset = value.wrapping_sub(clock(s, now));
    restart_periods(s, now);
    arm(s, host);
}

/// The decrementer.
pub fn dec(s: &SystemState, now_ns: u64) -> u32 {
    if s.dec_running == 0 {
        return 0;
    }
    s.dec_due.wrapping_sub(clock(s, now_ns)) as u32
}

/// Sets the decrementer.
pub fn set_dec(s: &mut SystemState, host: &dyn CpuHost, value: u32) {
    let now = host.now_ns();
    advance(s, now);
    let old = dec(s, now);
    s.dec_due = clock(s, now).wrapping_add(u64::from(value));
    s.dec_running = 1;
    if s.is(BOOKE_TIMERS) {
        // Book E: a written zero stays and raises nothing.
        s.dec_running = u32::from(value != 0);
    } else if value >> 31 != 0 && old >> 31 == 0 {
        // The exception comes when the sign bit becomes 1, by whatever cause. [PEM 2.3.14]
        s.latched |= source::DEC;
    }
    arm(s, host);
}

/// The 405's interval timer: as the decrementer, with its own reload value.
pub fn set_pit(s: &mut SystemState, host: &dyn CpuHost, value: u32) {
    s.set_spr(num::PIT, value);
    set_dec(s, host, value);
}

/// What a decrementer of Book E reloads.
fn reload(s: &SystemState) -> u64 {
    if tcr_of(s) & tcr::ARE == 0 {
        return 0;
    }
    u64::from(match s.is(family::P405) {
        true => s.spr(num::PIT),
        false => s.spr(num::DECAR),
    })
}

/// Lets the timers do what they have done until now.
pub fn advance(s: &mut SystemState, now_ns: u64) {
    let clock = clock(s, now_ns);
    if !s.is(BOOKE_TIMERS) {
        // 0 to -1 is what counts, so one tick later; once in a round of the counter.
        let past = clock.wrapping_sub(s.dec_due);
        if s.dec_running != 0 && (past as i64) > 0 {
            s.latched |= source::DEC;
            s.dec_due = s.dec_due.wrapping_add((past.div_ceil(1 << 32)) << 32);
        }
        return;
    }
    let mut raised = 0;
    let past = clock.wrapping_sub(s.dec_due);
    if s.dec_running != 0 && (past as i64) >= 0 {
        raised |= tsr::DIS;
        match reload(s) {
            0 => s.dec_running = 0,
            period => s.dec_due = clock + period - past % period,
        }
    }
    if clock >= s.fit_due {
        raised |= tsr::FIS;
    }
    s.or_spr(tsr_number(s), raised);
    if clock >= s.wdt_due {
        watchdog_events(s, clock);
    }
    restart_periods(s, now_ns);
}

/// The watchdog's own steps: enabled, interrupt, reset. [E500RM 9.5]
fn watchdog_events(s: &mut SystemState, clock: u64) {
    let period = watchdog_bit(s).map_or(u64::MAX, |b| 2 << b.min(62));
    let mut events = 1 + (clock - s.wdt_due) / period;
    while events > 0 {
        let status = tsr_of(s);
        if status & tsr::ENW == 0 {
            s.or_spr(tsr_number(s), tsr::ENW);
        } else if status & tsr::WIS == 0 {
            s.or_spr(tsr_number(s), tsr::WIS);
        } else {
            let wrc = tcr_of(s) & tcr::WRC;
            if wrc != 0 {
                // TSR.WRS says why.
                s.or_spr(tsr_number(s), wrc);
                s.latched |= source::WATCHDOG_RESET;
            }
            return;
        }
        events -= 1;
    }
}

/// The bit of the time base whose rise is an event.
fn fit_bit(s: &SystemState) -> Option<u32> {
    let tcr = tcr_of(s);
    let field = tcr >> 24 & 3;
    Some(match s.family {
        f if f & family::E500 != 0 => 63 - (field | (tcr >> 13 & 0xf) << 2),
        f if f & family::P440 != 0 => 12 + 4 * field,
        _ => 8 + 4 * field,
    })
}

fn watchdog_bit(s: &SystemState) -> Option<u32> {
    let tcr = tcr_of(s);
    let field = tcr >> 30;
    Some(match s.family {
        f if f & family::E500 != 0 => 63 - (field | (tcr >> 17 & 0xf) << 2),
        f if f & family::P440 != 0 => 20 + 4 * field,
        _ => 16 + 4 * field,
    })
}

/// The clock when a bit of the time base rises next.
fn next_rise(s: &SystemState, clock: u64, bit: u32) -> u64 {
    let tb = clock.wrapping_add(s.tb_offset);
    let half = 1u64 << bit;
    let round = half.wrapping_mul(2);
    // Distance to the next value of the form half + n * round.
    let phase = tb.wrapping_sub(half) & round.wrapping_sub(1);
    clock.saturating_add(round.wrapping_sub(phase))
}

/// Works out the next events of the periodic timers.
fn restart_periods(s: &mut SystemState, now_ns: u64) {
    let clock = clock(s, now_ns);
    s.fit_due = fit_bit(s).map_or(u64::MAX, |b| next_rise(s, clock, b));
    s.wdt_due = watchdog_bit(s).map_or(u64::MAX, |b| next_rise(s, clock, b));
}

/// TCR was written.
pub fn write_tcr(s: &mut SystemState, host: &dyn CpuHost, value: u32) {
    let now = host.now_ns();
    advance(s, now);
    // WRC can be set only, until a reset. [E500RM 2.6.1]
    let value = value | tcr_of(s) & tcr::WRC;
    s.set_spr(tcr_number(s), value);
    restart_periods(s, now);
    arm(s, host);
}

/// TSR was written: ones clear.
pub fn write_tsr(s: &mut SystemState, host: &dyn CpuHost, value: u32) {
    advance(s, host.now_ns());
    let n = tsr_number(s);
    s.set_spr(n, s.spr(n) & !value);
    arm(s, host);
}

/// TSR as it is now.
pub fn read_tsr(s: &mut SystemState, host: &dyn CpuHost) -> u32 {
    advance(s, host.now_ns());
    tsr_of(s)
}

/// Sets the deadline for the next event that somebody would notice.
pub fn arm(s: &SystemState, host: &dyn CpuHost) {
    let mut due = u64::MAX;
    if s.clock_stopped == 0 {
        let book_e = s.is(BOOKE_TIMERS);
        let (tcr, tsr) = (tcr_of(s), tsr_of(s));
        if s.dec_running != 0 {
            if !book_e {
                due = s.dec_due.wrapping_add(1);
            } else if tcr & tcr::DIE != 0 && tsr & tsr::DIS == 0 {
                due = s.dec_due;
            }
        }
        if book_e && tcr & tcr::FIE != 0 && tsr & tsr::FIS == 0 {
            due = due.min(s.fit_due);
        }
        let watched = tcr & tcr::WIE != 0 && tsr & tsr::WIS == 0 || tcr & tcr::WRC != 0;
        if book_e && watched {
            due = due.min(s.wdt_due);
        }
    }
    host.set_deadline(match due {
        u64::MAX => u64::MAX,
        clock => when(s, clock),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_exact_for_every_frequency() {
        let times = [0, 1, 999_999_999, 1_000_000_000, 12_345_678_987, u64::MAX];
        for hz in [1, 16_600_000, 400_000_000, 3_999_999_999, 1 << 40, u64::MAX] {
            for now in times {
                let exact = (u128::from(now) * u128::from(hz) / NS) as u64;
                assert_eq!(ticks(now, hz), exact, "{now} ns at {hz} Hz");
            }
        }
    }
}
