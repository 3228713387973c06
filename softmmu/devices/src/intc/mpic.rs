//! Freescale's interrupt controller MPIC, an OpenPIC with messages [MPC8544 10].
//!
//! UNIMPL: the output for an external controller; resetting CPUs; cascaded timers.

use super::mpic_regs::*;
use crate::class::{Build, TimerSlot};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use softmmu_core::cpu::{Acknowledge, current};
use softmmu_core::device::{Device, Mmio, StateError, Widths, load_state, save_state};
use softmmu_core::irq::{Irq, IrqSink};
use softmmu_core::log;
use softmmu_core::timer::Alarm;
use std::sync::{Arc, Weak};
use tcg_mem::BusError;

const NAME: &str = "fsl-mpic";
const MAX_CPUS: usize = 32;
const TIMERS_ALL: usize = 8;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Source {
    vpr: u32,
    /// Destination: a bit for each CPU.
    dr: u32,
    /// Level of the input.
    line: bool,
    /// CPUs that have yet to take it.
    pending: u32,
    /// CPUs that are at it.
    serving: u32,
}

impl Source {
    fn new() -> Source {
        Source {
            vpr: VPR_MASK,
            dr: 1,
            line: false,
            pending: 0,
            serving: 0,
        }
    }

    fn priority(&self) -> u32 {
        self.vpr >> 16 & 0xf
    }

    fn is_level(&self) -> bool {
        self.vpr & VPR_LEVEL != 0
    }

    fn shown(&self) -> u32 {
        let active = if self.pending | self.serving != 0 {
            VPR_ACTIVITY
        } else {
            0
        };
        self.vpr | active
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Cpu {
    priority: u32,
    /// Sources that it is at, the most urgent last.
    serving: Vec<u16>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Countdown {
    base: u32,
    /// Of the count register: flips at each expiry.
    toggle: bool,
    /// When it expires next.
    at_ns: Option<u64>,
    /// What it showed when it was stopped.
    left: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct State {
    gcr: u32,
    spurious: u32,
    sources: Vec<Source>,
    cpus: Vec<Cpu>,
    messages: [u32; 4],
    message_enable: u32,
    message_status: u32,
    msi: [u32; 8],
    timers: Vec<Countdown>,
    frequency: [u32; 2],
    timer_control: [u32; 2],
}

impl State {
    fn new(cpus: usize) -> State {
        State {
            gcr: 0,
            spurious: 0xffff,
            sources: vec![Source::new(); ALL],
            cpus: vec![
                Cpu {
                    priority: 15,
                    serving: Vec::new()
                };
                cpus
            ],
            messages: [0; 4],
            message_enable: 0,
            message_status: 0,
            msi: [0; 8],
            timers: vec![
                Countdown {
                    base: 1 << 31,
                    ..Countdown::default()
                };
                TIMERS_ALL
            ],
            frequency: [0; 2],
            timer_control: [0; 2],
        }
    }

    /// CPUs that exist among those of a mask.
    fn mask(&self) -> u32 {
        u32::MAX >> (32 - self.cpus.len().clamp(1, MAX_CPUS))
    }

    /// The most urgent source that this CPU would take, above the priority that it is at.
    fn best(&self, cpu: usize) -> Option<usize> {
        let own = self.cpus.get(cpu)?;
        let serving = own
            .serving
            .last()
            .and_then(|s| self.sources.get(usize::from(*s)));
        let floor = own.priority.max(serving.map_or(0, Source::priority));
        let bit = 1 << cpu;
        let candidates = self.sources.iter().enumerate();
        candidates
            .filter(|(_, s)| s.pending & bit != 0 && s.vpr & VPR_MASK == 0)
            .filter(|(_, s)| s.dr & DR_CRITICAL == 0 && s.priority() > floor)
            .max_by_key(|(n, s)| (s.priority(), std::cmp::Reverse(*n)))
            .map(|(n, _)| n)
    }

    fn critical(&self, cpu: usize) -> bool {
        let bit = 1 << cpu;
        let routed = |s: &&Source| s.dr & DR_CRITICAL != 0 && s.vpr & VPR_MASK == 0;
        self.sources
            .iter()
            .filter(routed)
            .any(|s| s.pending & bit != 0)
    }

    /// One of the CPUs that a source may go to. Timers and interrupts between CPUs go to all.
    fn destination(&self, n: usize) -> u32 {
        let Some(source) = self.sources.get(n) else {
            return 0;
        };
        let all = source.dr & self.mask();
        if n >= IPIS || all.count_ones() <= 1 {
            return all;
        }
        let bits = (0..self.cpus.len()).filter(|c| all >> c & 1 != 0);
        let load = |c: &usize| self.cpus.get(*c).map_or(0, |cpu| cpu.serving.len());
        bits.min_by_key(load).map_or(0, |c| 1 << c)
    }

    /// An event at an edge-triggered source, or at one without an input.
    fn trigger(&mut self, n: usize) {
        let to = self.destination(n);
        if let Some(source) = self.sources.get_mut(n) {
            source.pending |= to;
        }
    }

    fn input(&mut self, n: usize, level: bool) {
        let to = self.destination(n);
        let Some(source) = self.sources.get_mut(n) else {
            return;
        };
        let rises = level && !source.line;
        source.line = level;
        if source.is_level() {
            source.pending = if level { to } else { 0 };
        } else if rises {
            source.pending |= to;
        }
    }

    fn set_vpr(&mut self, n: usize, value: u32) {
        let Some(source) = self.sources.get_mut(n) else {
            return;
        };
        source.vpr = value & VPR_WRITABLE;
        if n < IPIS {
            let line = source.line;
            if source.is_level() || !line {
                source.pending = 0;
            }
            if source.is_level() {
                self.input(n, line);
            }
        }
    }

    fn set_destination(&mut self, n: usize, value: u32) {
        let mask = self.mask();
        let Some(source) = self.sources.get_mut(n) else {
            return;
        };
        source.dr = value & (DR_EXTERNAL | DR_CRITICAL | mask);
        if source.pending != 0 {
            source.pending = 0;
            self.trigger(n);
        }
        if value & DR_EXTERNAL != 0 {
            log::unimp(NAME, || {
                format!("source {n} is routed to the external output")
            });
        }
    }

    fn acknowledge(&mut self, cpu: usize) -> u32 {
        let Some(n) = self.best(cpu) else {
            return self.spurious;
        };
        let Some(source) = self.sources.get_mut(n) else {
            return self.spurious;
        };
        source.serving |= 1 << cpu;
        if !source.is_level() || n >= IPIS {
            source.pending &= !(1 << cpu);
        }
        let vector = source.vpr & 0xffff;
        if let Some(own) = self.cpus.get_mut(cpu) {
            own.serving.push(n as u16);
        }
        vector
    }

    fn end(&mut self, cpu: usize) {
        let done = self.cpus.get_mut(cpu).and_then(|own| own.serving.pop());
        match done.and_then(|n| self.sources.get_mut(usize::from(n))) {
            Some(source) => source.serving &= !(1 << cpu),
            None => log::guest_error(NAME, || format!("end of no interrupt on CPU {cpu}")),
        }
    }
}

/// The controller.
pub struct Mpic {
    state: Mutex<State>,
    int: Vec<Irq>,
    critical: Vec<Irq>,
    timer: TimerSlot,
    sources: u32,
    proxy: bool,
    clock_hz: u64,
    widths: Widths,
}

pub(super) fn create(build: &mut Build<'_>) -> Result<(), String> {
    let cpus = build.host.cpu_count;
    if cpus as usize > MAX_CPUS {
        return Err(format!("serves {MAX_CPUS} CPUs, not {cpus}"));
    }
    let mpic = Arc::new(Mpic {
        state: Mutex::new(State::new(cpus as usize)),
        int: (0..cpus).map(|n| build.output("int", n)).collect(),
        critical: (0..cpus).map(|n| build.output("cint", n)).collect(),
        timer: TimerSlot::default(),
        sources: build.values.number_or_0("sources").max(1) as u32,
        proxy: build.values.switch("proxy"),
        clock_hz: build.values.number_or_0("clock").max(1),
        widths: match build.values.text("endianness") {
            Some("little") => Widths::LE32,
            _ => Widths::BE32,
        },
    });
    let owner: Arc<dyn Alarm> = mpic.clone();
    mpic.timer.fill(build.timer(Arc::downgrade(&owner), 0));
    build.map(0, 0x4_0000, mpic.clone())?;
    build.parts.device = Some(mpic.clone());
    build.parts.acknowledge = Some(mpic.clone());
    build.parts.sink = Some(Arc::new(Inputs(Arc::downgrade(&mpic))));
    Ok(())
}

impl Mpic {
    fn update(&self, state: &State) {
        for (cpu, irq) in self.int.iter().enumerate() {
            irq.set(state.best(cpu).is_some());
        }
        for (cpu, irq) in self.critical.iter().enumerate() {
            irq.set(state.critical(cpu));
        }
    }

    fn plan(&self, state: &State) {
        self.timer
            .follow(state.timers.iter().filter_map(|t| t.at_ns).min());
    }

    fn period_ns(&self, state: &State, n: usize, count: u32) -> u64 {
        let divider = 8u64 << (state.timer_control.get(n / 4).map_or(0, |c| c >> 8 & 3));
        let ticks = u64::from(count & 0x7fff_ffff).max(1);
        ticks.saturating_mul(1_000_000_000).saturating_mul(divider) / self.clock_hz
    }

    fn count(&self, state: &State, n: usize) -> u32 {
        let Some(timer) = state.timers.get(n) else {
            return 0;
        };
        let left = match timer.at_ns {
            None => timer.left,
            Some(at) => {
                let unit = self.period_ns(state, n, 1).max(1);
                (at.saturating_sub(self.timer.now_ns()) / unit) as u32 & 0x7fff_ffff
            }
        };
        left | u32::from(timer.toggle) << 31
    }

    /// Registers of a timer: which, and which of the four.
    fn timer_register(offset: u64) -> Option<(usize, u64)> {
        let (group, rest) = match offset {
            0x1100..0x1200 => (0, offset - TIMERS),
            0x2100..0x2200 => (4, offset - TIMERS - 0x1000),
            _ => return None,
        };
        Some((group + (rest / 0x40) as usize, rest % 0x40))
    }

    fn timer_read(&self, state: &State, n: usize, register: u64) -> u32 {
        let source = state.sources.get(TIMER_SOURCES + n);
        match register {
            0 => self.count(state, n),
            0x10 => state.timers.get(n).map_or(0, |t| t.base),
            0x20 => source.map_or(0, Source::shown),
            _ => source.map_or(0, |s| s.dr),
        }
    }

    fn timer_write(&self, state: &mut State, n: usize, register: u64, value: u32) {
        match register {
            0x10 => {
                let period = self.period_ns(state, n, value);
                let left = self.count(state, n) & 0x7fff_ffff;
                let now = self.timer.now_ns();
                let Some(timer) = state.timers.get_mut(n) else {
                    return;
                };
                let starts = timer.base >> 31 != 0 && value >> 31 == 0;
                if value >> 31 != 0 {
                    timer.at_ns = None;
                    timer.left = left;
                } else if starts {
                    timer.toggle = false;
                    timer.at_ns = (value != 0).then(|| now.saturating_add(period));
                }
                timer.base = value;
                self.plan(state);
            }
            0x20 => state.set_vpr(TIMER_SOURCES + n, value),
            0x30 => state.set_destination(TIMER_SOURCES + n, value),
            _ => {}
        }
    }

    fn cpu_read(&self, state: &mut State, cpu: usize, register: u64) -> u32 {
        match register {
            CPU_CTPR => state.cpus.get(cpu).map_or(0, |c| c.priority),
            CPU_WHOAMI => cpu as u32,
            CPU_IACK => state.acknowledge(cpu),
            _ => 0,
        }
    }

    fn cpu_write(&self, state: &mut State, cpu: usize, register: u64, value: u32) {
        match register {
            CPU_IPIDR..0x80 => {
                let n = IPIS + ((register - CPU_IPIDR) / 0x10) as usize;
                let to = value & state.mask();
                if let Some(source) = state.sources.get_mut(n) {
                    source.pending |= to;
                }
            }
            CPU_CTPR => {
                if let Some(own) = state.cpus.get_mut(cpu) {
                    own.priority = value & 0xf;
                }
            }
            CPU_EOI => state.end(cpu),
            _ => {}
        }
    }

    fn global_read(&self, state: &mut State, offset: u64) -> u32 {
        let step = ((offset & 0xff) / 0x10) as usize;
        match offset {
            FRR => (self.sources - 1) << 16 | (self.int.len() as u32).saturating_sub(1) << 8 | 2,
            GCR => state.gcr,
            VIR | PIR => 0,
            IPIVPR..SPURIOUS => {
                let n = ((offset - IPIVPR) / 0x10) as usize;
                state.sources.get(IPIS + n).map_or(0, Source::shown)
            }
            SPURIOUS => state.spurious,
            TFRR => state.frequency[0],
            0x20f0 => state.frequency[1],
            TCR => state.timer_control[0],
            0x2300 => state.timer_control[1],
            MSGR..0x1440 => {
                state.message_status &= !(1 << step);
                state.messages.get(step).copied().unwrap_or(0)
            }
            MER => state.message_enable,
            MSR => state.message_status,
            MSIR..0x1680 => {
                let value = state.msi.get_mut(step).map_or(0, std::mem::take);
                state.input(MSI_SOURCE + step, false);
                value
            }
            MSISR => {
                let pending = state.msi.iter().enumerate().filter(|(_, m)| **m != 0);
                pending.map(|(n, _)| 1 << n).sum()
            }
            _ => {
                log::unimp(NAME, || format!("read of register {offset:#x}"));
                0
            }
        }
    }

    fn global_write(&self, state: &mut State, offset: u64, value: u32) {
        let step = ((offset & 0xff) / 0x10) as usize;
        match offset {
            GCR if value & GCR_RESET != 0 => self.reset_state(state),
            GCR => {
                let known = if self.proxy { GCR_PROXY } else { GCR_MIXED };
                state.gcr = value & known;
            }
            IPIVPR..SPURIOUS => {
                state.set_vpr(IPIS + ((offset - IPIVPR) / 0x10) as usize, value);
            }
            SPURIOUS => state.spurious = value & 0xffff,
            TFRR => state.frequency[0] = value,
            0x20f0 => state.frequency[1] = value,
            TCR => state.timer_control[0] = value,
            0x2300 => state.timer_control[1] = value,
            MSGR..0x1440 => {
                if let Some(message) = state.messages.get_mut(step) {
                    *message = value;
                }
                if state.message_enable >> step & 1 != 0 {
                    state.message_status |= 1 << step;
                    state.trigger(MSG_SOURCE + step);
                }
            }
            MER => state.message_enable = value & 0xf,
            MSR => state.message_status &= !value,
            MSIIR => {
                let register = (value >> 29) as usize;
                if let Some(msi) = state.msi.get_mut(register) {
                    *msi |= 1 << (value >> 24 & 31);
                }
                // As a level, so that a message while another is served is not lost.
                state.input(MSI_SOURCE + register, false);
                state.input(MSI_SOURCE + register, true);
            }
            VIR | FRR | MSIR..0x1680 | MSISR => {}
            _ => log::unimp(NAME, || {
                format!("write of register {offset:#x}: {value:#x}")
            }),
        }
    }

    fn reset_state(&self, state: &mut State) {
        let lines: Vec<bool> = state.sources.iter().map(|s| s.line).collect();
        *state = State::new(self.int.len());
        for (source, line) in state.sources.iter_mut().zip(lines) {
            source.line = line;
        }
        self.plan(state);
    }
}

impl Mmio for Mpic {
    fn widths(&self) -> Widths {
        self.widths
    }

    fn read(&self, offset: u64, _size: u32) -> Result<u64, BusError> {
        let mut state = self.state.lock();
        let state = &mut *state;
        let value = match offset {
            BRR1 => {
                if self.proxy {
                    BRR1_4_2
                } else {
                    BRR1_2_0
                }
            }
            1..0x1000 => self.cpu_read(state, current() as usize, offset),
            SOURCES..CPUS => {
                let source = state.sources.get(((offset - SOURCES) / 0x20) as usize);
                let source = source.filter(|_| offset < SOURCES + 256 * 0x20);
                match (source, offset & 0x1f) {
                    (Some(s), 0) => s.shown(),
                    (Some(s), 0x10) => s.dr,
                    _ => 0,
                }
            }
            CPUS.. => {
                let cpu = ((offset - CPUS) / 0x1000) as usize;
                self.cpu_read(state, cpu, offset & 0xfff)
            }
            _ => match Mpic::timer_register(offset) {
                Some((n, register)) => self.timer_read(state, n, register),
                None => self.global_read(state, offset),
            },
        };
        self.update(state);
        Ok(u64::from(value))
    }

    fn write(&self, offset: u64, _size: u32, value: u64) -> Result<(), BusError> {
        let value = value as u32;
        let mut state = self.state.lock();
        let state = &mut *state;
        match offset {
            0..0x1000 => self.cpu_write(state, current() as usize, offset, value),
            SOURCES..CPUS => {
                let n = ((offset - SOURCES) / 0x20) as usize;
                match offset & 0x1f {
                    _ if n >= 256 => {}
                    0 => state.set_vpr(n, value),
                    0x10 => state.set_destination(n, value),
                    _ => {}
                }
            }
            CPUS.. => {
                let cpu = ((offset - CPUS) / 0x1000) as usize;
                if cpu < self.int.len() {
                    self.cpu_write(state, cpu, offset & 0xfff, value);
                }
            }
            _ => match Mpic::timer_register(offset) {
                Some((n, register)) => self.timer_write(state, n, register, value),
                None => self.global_write(state, offset, value),
            },
        }
        self.update(state);
        Ok(())
    }

    fn takes_messages(&self, offset: u64) -> bool {
        offset == MSIIR
    }
}

/// The inputs as a sink. They know the controller weakly: it owns what is connected to it.
struct Inputs(Weak<Mpic>);

impl IrqSink for Inputs {
    fn set_input(&self, input: u32, level: bool) {
        let Some(mpic) = self.0.upgrade().filter(|_| (input as usize) < IPIS) else {
            return;
        };
        let mut state = mpic.state.lock();
        state.input(input as usize, level);
        mpic.update(&state);
    }
}

impl Acknowledge for Mpic {
    fn acknowledge(&self, cpu: u32) -> u32 {
        let mut state = self.state.lock();
        if state.gcr & GCR_MODE != GCR_PROXY {
            return 0;
        }
        let vector = state.acknowledge(cpu as usize);
        self.update(&state);
        vector
    }
}

impl Alarm for Mpic {
    fn alarm(&self, _tag: u32) {
        let mut state = self.state.lock();
        let now = self.timer.now_ns();
        for n in 0..TIMERS_ALL {
            let base = state.timers.get(n).map_or(0, |t| t.base);
            // Never faster than the host can follow.
            let period = self.period_ns(&state, n, base).max(10_000);
            let Some(timer) = state.timers.get_mut(n) else {
                continue;
            };
            if timer.at_ns.is_some_and(|at| at <= now) {
                timer.toggle = !timer.toggle;
                timer.at_ns = Some(now.saturating_add(period));
                state.trigger(TIMER_SOURCES + n);
            }
        }
        self.plan(&state);
        self.update(&state);
    }
}

impl Device for Mpic {
    fn reset(&self) {
        let mut state = self.state.lock();
        *state = State::new(self.int.len());
        self.plan(&state);
        self.update(&state);
    }

    fn save(&self) -> Vec<u8> {
        save_state(&*self.state.lock())
    }

    fn load(&self, bytes: &[u8]) -> Result<(), StateError> {
        let loaded: State = load_state(bytes)?;
        let fits = loaded.sources.len() == ALL
            && loaded.cpus.len() == self.int.len()
            && loaded.timers.len() == TIMERS_ALL;
        if !fits {
            return Err(StateError("made for another number of CPUs".into()));
        }
        *self.state.lock() = loaded;
        Ok(())
    }

    fn resume(&self) {
        let state = self.state.lock();
        self.plan(&state);
        self.update(&state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Rig, Space, device_tests};

    device_tests!("fsl-mpic", |rig: &mut Rig| rig.prop("proxy", "on"));

    const AT: u64 = Rig::AT;

    fn rig() -> (Rig, Space) {
        let mut rig = Rig::new();
        rig.make("fsl-mpic", &[("proxy", "on")]);
        let space = rig.space();
        space.put(AT + CPUS + CPU_CTPR, 0);
        (rig, space)
    }

    fn sink(rig: &Rig) -> Arc<dyn IrqSink> {
        rig.parts.sink.clone().unwrap()
    }

    #[test]
    fn urgent_interrupts_interrupt_others() {
        let (rig, space) = rig();
        let (int, sink) = (rig.output("int"), sink(&rig));
        for (n, priority) in [(42, 5), (43, 9)] {
            space.put(
                AT + SOURCES + n * 0x20,
                (priority as u32) << 16 | VPR_LEVEL | n as u32,
            );
        }
        sink.set_input(42, true);
        assert!(int.level());
        assert_eq!(space.get(AT + CPUS + CPU_IACK), 42);
        assert!(!int.level(), "the same one does not interrupt itself");
        sink.set_input(43, true);
        assert!(int.level());
        assert_eq!(space.get(AT + CPUS + CPU_IACK), 43);
        assert_eq!(space.get(AT + CPUS + CPU_IACK), 0xffff);
        sink.set_input(43, false);
        space.put(AT + CPUS + CPU_EOI, 0);
        assert!(!int.level());
        space.put(AT + CPUS + CPU_EOI, 0);
        assert!(int.level(), "the level is still there");
        space.put(AT + CPUS + CPU_CTPR, 5);
        assert!(!int.level());
    }

    #[test]
    fn messages_between_cpus_and_from_devices() {
        let (rig, space) = rig();
        let int1 = rig
            .parts
            .outputs
            .iter()
            .find(|(n, i, _)| (*n, *i) == ("int", 1));
        let int1 = int1.unwrap().2.clone();
        space.put(AT + CPUS + 0x1000 + CPU_CTPR, 0);
        space.put(AT + IPIVPR + 0x10, 0xa << 16 | 251);
        space.put(AT + CPUS + CPU_IPIDR + 0x10, 2);
        assert!(int1.level() && !rig.output("int").level());
        assert_eq!(space.get(AT + CPUS + 0x1000 + CPU_IACK), 251);
        space.put(AT + CPUS + 0x1000 + CPU_EOI, 0);
        assert!(!int1.level());
        space.put(AT + SOURCES + 225 * 0x20, 7 << 16 | 225);
        rig.host.dma.message(AT + MSIIR, 0x21);
        assert!(rig.output("int").level());
        assert_eq!(space.get(AT + MSISR), 2);
        assert_eq!(space.get(AT + MSIR + 0x10), 2);
        assert_eq!(space.get(AT + MSISR), 0);
        assert_eq!(space.get(AT + CPUS + CPU_IACK), 225);
    }

    #[test]
    fn proxy_gives_vectors_to_cpus() {
        let (rig, space) = rig();
        let acknowledge = rig.parts.acknowledge.clone().unwrap();
        space.put(AT + SOURCES + 7 * 0x20, 5 << 16 | 7);
        sink(&rig).set_input(7, true);
        assert_eq!(
            acknowledge.acknowledge(0),
            0,
            "software asks itself in this mode"
        );
        assert_eq!(space.get(AT + BRR1), BRR1_4_2, "which Linux asks for");
        assert_eq!(space.get(AT + CPUS + BRR1), 0);
        space.put(AT + GCR, GCR_PROXY);
        assert_eq!(acknowledge.acknowledge(0), 7);
        assert_eq!(acknowledge.acknowledge(0), 0xffff);
        assert_eq!(acknowledge.acknowledge(99), 0xffff);
    }

    #[test]
    fn apples_is_little_endian() {
        let mut rig = Rig::new();
        rig.make("openpic", &[]);
        let space = rig.space();
        let features = space.get(AT + FRR).swap_bytes();
        assert_eq!(features >> 16, 63);
        space.put(AT + SOURCES + 0x20, (5u32 << 16 | 33).swap_bytes());
        space.put(AT + CPUS + CPU_CTPR, 0);
        sink(&rig).set_input(1, true);
        assert_eq!(space.get(AT + CPUS + CPU_IACK).swap_bytes(), 33);
    }

    #[test]
    fn timers_count() {
        let (rig, space) = rig();
        space.put(AT + TIMERS + 0x20, 5 << 16 | 99);
        space.put(AT + TIMERS + 0x10, 25_000_000 / 8);
        rig.clock.set(999_000_000);
        rig.host.timers.run_due();
        assert!(!rig.output("int").level());
        rig.clock.set(1_000_000_000);
        rig.host.timers.run_due();
        assert_eq!(space.get(AT + CPUS + CPU_IACK), 99);
        assert_ne!(space.get(AT + TIMERS) & 1 << 31, 0, "it has toggled");
    }
}
