//! The threads that run a machine's CPUs: one each. They hand exceptions and timers to the ISA's system level (inside of the
//! engine), sleep while their CPU waits for an interrupt, and stand still between two instructions when they are asked to.
//!
//! How a thread is reached: whoever wants something writes it down and *kicks* the CPU. That sets the interrupt flag, which
//! running code looks at in every loop, and wakes a thread that sleeps.
#![forbid(unsafe_code)]

mod gate;
mod socket;
mod thread;
mod waiting;

pub use gate::Plan;
use gate::{Gate, Wish};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use socket::Socket;
use softmmu_core::clock::Clock;
use softmmu_core::cpu::{Acknowledge, CpuStart, Cpus, DcrBus};
use softmmu_core::device::{load_state, save_state};
use softmmu_core::requests::Requests;
use softmmu_core::timer::Timers;
use std::io;
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use tcg_exec::{Engine, EngineConfig, Saved, Vcpu};
use tcg_mem::{Bus, RamWatch};
use tcg_target::{Isa, SysCpu};

/// Puts a CPU into the state in which a board starts it; what it says of a register that does not exist goes to the log.
pub type Starter = Box<dyn Fn(&mut SysCpu<'_>, &CpuStart) + Send + Sync>;

/// What the CPUs are plugged into.
pub struct Parts {
    /// Physical memory.
    pub bus: Arc<dyn Bus>,
    /// The virtual clock.
    pub clock: Arc<Clock>,
    /// The machine's timers: they fire on the main loop's thread.
    pub timers: Arc<Timers>,
    /// Where resets and the end are asked for.
    pub requests: Arc<Requests>,
    /// Device control registers.
    pub dcr: DcrBus,
    /// Who is asked for vectors.
    pub acknowledge: Option<Arc<dyn Acknowledge>>,
}

/// One CPU.
pub(crate) struct Cpu {
    pub gate: Arc<Gate>,
    /// Held by its thread while it runs.
    pub vcpu: Mutex<Vcpu>,
}

/// A CPU in a snapshot.
#[derive(Serialize, Deserialize)]
struct CpuState {
    state: Vec<u8>,
    pc: u64,
    mode: u32,
    fp_flags: u32,
    lines: u32,
    parked: bool,
}

/// The CPUs of a machine. They stand still at first.
pub struct CpuSet {
    engine: Arc<Engine>,
    cpus: Vec<Arc<Cpu>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// How the first CPU starts after a reset.
    boot: Mutex<Option<CpuStart>>,
}

impl CpuSet {
    /// `count` CPUs of an ISA that has a system level, with their threads.
    pub fn new(
        isa: &'static dyn Isa,
        config: EngineConfig,
        count: u32,
        parts: Parts,
        starter: Starter,
    ) -> io::Result<Arc<CpuSet>> {
        let engine = Engine::new_system(isa, config)?;
        if count > 1 {
            engine.set_parallel();
        }
        let parts = Arc::new(parts);
        let requests = Arc::clone(&parts.requests);
        let starter: Arc<Starter> = Arc::new(starter);
        let mut set = CpuSet {
            engine: Arc::clone(&engine),
            cpus: Vec::new(),
            threads: Mutex::default(),
            boot: Mutex::default(),
        };
        for index in 0..count.max(1) {
            let gate = Gate::new(index, &parts.timers);
            let socket = Socket::new(Arc::clone(&gate), Arc::clone(&parts));
            let vcpu = Mutex::new(Vcpu::new_system(Arc::clone(&engine), Arc::new(socket)));
            set.cpus.push(Arc::new(Cpu { gate, vcpu }));
        }
        for cpu in &set.cpus {
            let (cpu, parts, starter) = (cpu.clone(), parts.clone(), starter.clone());
            let name = format!("cpu{}", cpu.gate.index);
            let run = move || thread::run(&cpu, &parts, &starter);
            let thread = std::thread::Builder::new().name(name).spawn(run)?;
            set.threads.lock().push(thread);
        }
        let gates: Vec<_> = set.cpus.iter().map(|c| Arc::clone(&c.gate)).collect();
        requests.set_hold(Box::new(move || gates.iter().for_each(|g| g.ask_to_stop())));
        Ok(Arc::new(set))
    }

    /// The engine, for logs, statistics, breakpoints.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// Resets all CPUs, before they run on. The first starts as told or else as the ISA says; the others then, if `boot` says
    /// how the first one does, wait for [`Cpus::start`].
    pub fn reset(&self, boot: Option<CpuStart>) {
        for cpu in &self.cpus {
            let first = cpu.gate.index == 0;
            cpu.gate.wish(Wish::Reset {
                start: boot.clone().filter(|_| first),
                wait: boot.is_some() && !first,
            });
        }
        *self.boot.lock() = boot;
    }

    /// Resets all CPUs to what the last [`CpuSet::reset`] said.
    pub fn reset_again(&self) {
        let boot = self.boot.lock().clone();
        self.reset(boot);
    }

    /// Lets them run.
    pub fn resume(&self) {
        self.cpus.iter().for_each(|c| c.gate.resume());
    }

    /// How a CPU, which stands still, runs when they are resumed.
    pub fn plan(&self, cpu: u32, plan: Plan) {
        if let Some(cpu) = self.cpus.get(cpu as usize) {
            cpu.gate.inside.lock().plan = plan;
        }
    }

    /// Stops them; returns when all stand still. Not to be called on a CPU's thread.
    pub fn stop(&self) {
        self.cpus.iter().for_each(|c| c.gate.ask_to_stop());
        self.cpus.iter().for_each(|c| c.gate.wait_until_stopped());
    }

    /// Whether a CPU waits for an interrupt or to be started.
    pub fn is_halted(&self, cpu: u32) -> bool {
        self.cpus
            .get(cpu as usize)
            .is_some_and(|c| c.gate.is_idle())
    }

    /// Whether a CPU that stands still waits for an interrupt.
    pub fn is_waiting(&self, cpu: u32) -> bool {
        let waits = |v: &mut Vcpu| v.with_system(|s, c| s.is_halted(c.state));
        self.with(cpu, waits).flatten().unwrap_or(false)
    }

    /// Looks at or changes a CPU that stands still ([`CpuSet::stop`]), in its precise state.
    pub fn with<R>(&self, cpu: u32, f: impl FnOnce(&mut Vcpu) -> R) -> Option<R> {
        Some(f(&mut self.cpus.get(cpu as usize)?.vcpu.lock()))
    }

    /// The state of a CPU that stands still.
    pub fn save(&self, cpu: u32) -> Option<Vec<u8>> {
        let cpu = self.cpus.get(cpu as usize)?;
        let saved = cpu.vcpu.lock().save();
        Some(save_state(&CpuState {
            state: saved.state,
            pc: saved.pc,
            mode: saved.mode,
            fp_flags: saved.fp_flags,
            lines: cpu.gate.lines(),
            parked: cpu.gate.inside.lock().parked,
        }))
    }

    /// The opposite. When the whole machine is loaded, [`CpuSet::loaded`] has to be called.
    pub fn load_state(&self, cpu: u32, bytes: &[u8]) -> Result<(), String> {
        let cpu = self.cpus.get(cpu as usize).ok_or("there is no such CPU")?;
        let s: CpuState = load_state(bytes).map_err(|e| e.to_string())?;
        let saved = Saved {
            state: s.state,
            pc: s.pc,
            mode: s.mode,
            fp_flags: s.fp_flags,
        };
        if !cpu.vcpu.lock().load(&saved) {
            return Err("the state of another kind of CPU".into());
        }
        cpu.gate.set_lines(s.lines);
        cpu.gate.wish(Wish::Park(s.parked));
        Ok(())
    }

    /// All state has been loaded.
    pub fn loaded(&self) {
        self.cpus.iter().for_each(|c| c.vcpu.lock().after_load());
    }

    /// The map of physical memory has changed: the CPUs look at it again before they go on.
    pub fn bus_changed(&self) {
        self.cpus.iter().for_each(|c| c.gate.kick());
    }

    /// Ends the threads.
    pub fn quit(&self) {
        self.cpus.iter().for_each(|c| c.gate.wish(Wish::Quit));
        for thread in self.threads.lock().drain(..) {
            // A panic of that thread has been reported by itself.
            let _ = thread.join();
        }
    }

    /// Who is to be told of writes by devices.
    pub fn watch(self: &Arc<Self>) -> Arc<dyn RamWatch> {
        self.engine.clone()
    }
}

impl Cpus for CpuSet {
    fn count(&self) -> u32 {
        self.cpus.len() as u32
    }

    fn set_line(&self, cpu: u32, line: u32, level: bool) {
        if let Some(cpu) = self.cpus.get(cpu as usize) {
            cpu.gate.set_line(line, level);
        }
    }

    fn start(&self, cpu: u32, start: &CpuStart) {
        if let Some(cpu) = self.cpus.get(cpu as usize) {
            cpu.gate.wish(Wish::Start(start.clone()));
        }
    }
}

impl Drop for CpuSet {
    fn drop(&mut self) {
        self.quit();
    }
}

/// A gate for its timer, which must not keep it alive.
pub(crate) fn weak(gate: &Weak<Gate>) -> Weak<dyn softmmu_core::timer::Alarm> {
    gate.clone()
}
