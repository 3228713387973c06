//! The machine: CPUs and devices together, and the main loop.

use crate::isa::IsaPort;
use parking_lot::Mutex;
use softmmu_boards::assemble::Assembly;
use softmmu_boards::boot::Loaded;
use softmmu_core::control::{Cause, EventSink, MachineEvent, RunState};
use softmmu_core::requests::{DebugStop, Request, Requests};
use softmmu_cpu::{CpuSet, Parts};
use std::sync::{Arc, OnceLock};
use tcg_exec::{EngineConfig, Vcpu};
use tcg_target::Isa;

/// What the command line says about running.
#[derive(Clone, Default)]
pub struct Config {
    /// `-no-reboot`: a reset ends the emulator.
    pub no_reboot: bool,
    /// `-no-shutdown`: power off only stops the machine.
    pub no_shutdown: bool,
    /// `-name`.
    pub name: Option<String>,
    /// Name of the board.
    pub board: String,
    /// Name of the CPU model.
    pub cpu: String,
    /// Number of CPUs.
    pub cpus: u32,
    /// The engine's.
    pub engine: EngineConfig,
}

/// See the head of the file.
pub struct Machine {
    pub(crate) assembly: Assembly,
    pub(crate) cpus: Arc<CpuSet>,
    pub(crate) isa: &'static dyn Isa,
    pub(crate) config: Config,
    loaded: Loaded,
    pub(crate) state: Mutex<RunState>,
    /// Held while the machine comes to run or to stand still: nobody may stop it (and save it) half-way to running.
    changes: Mutex<()>,
    pub(crate) sinks: Mutex<Vec<EventSink>>,
    /// Who hears of stops for a debugger, and of the end.
    pub(crate) debugger: OnceLock<Box<dyn DebugEvents>>,
}

/// A debugger's server as the main loop sees it.
pub(crate) trait DebugEvents: Send + Sync {
    /// A CPU has stopped; all stand still.
    fn stopped(&self, cpu: u32, why: DebugStop);
    /// The emulator ends with this status.
    fn ended(&self, status: u8);
}

/// Its memory goes with it, so nobody may run in it.
impl Drop for Machine {
    fn drop(&mut self) {
        self.cpus.quit();
    }
}

impl Machine {
    /// Puts everything together. The machine stands still.
    pub fn new(
        mut assembly: Assembly,
        loaded: Loaded,
        port: &'static IsaPort,
        isa: &'static dyn Isa,
        config: Config,
    ) -> Result<Arc<Machine>, String> {
        let parts = Parts {
            bus: assembly.space.clone(),
            clock: assembly.clock.clone(),
            timers: assembly.timers.clone(),
            requests: assembly.requests.clone(),
            dcr: std::mem::take(&mut assembly.dcr),
            acknowledge: assembly.acknowledge.clone(),
        };
        let starter = Box::new(port.start);
        let engine = EngineConfig {
            counted: assembly.clock.is_counted(),
            ..config.engine
        };
        let cpus = CpuSet::new(isa, engine, config.cpus, parts, starter)
            .map_err(|e| format!("no CPUs: {e}"))?;
        assembly.cpus.fill(cpus.clone());
        let _ = assembly.watch.set(cpus.watch());
        let machine = Arc::new(Machine {
            assembly,
            cpus,
            isa,
            config,
            loaded,
            state: Mutex::new(RunState::Prelaunch),
            changes: Mutex::default(),
            sinks: Mutex::default(),
            debugger: OnceLock::new(),
        });
        machine.reset_now();
        Ok(machine)
    }

    /// Where requests to the main loop go.
    pub fn requests(&self) -> &Arc<Requests> {
        &self.assembly.requests
    }

    /// The CPUs.
    pub fn cpus(&self) -> &Arc<CpuSet> {
        &self.cpus
    }

    pub(crate) fn tell(&self, event: &MachineEvent) {
        let sinks = self.sinks.lock().clone();
        sinks.iter().for_each(|s| s(event));
    }

    /// Lets it run.
    pub fn go(&self) {
        let changes = self.changes.lock();
        if std::mem::replace(&mut *self.state.lock(), RunState::Running) == RunState::Running {
            return;
        }
        self.assembly.clock.start();
        self.resume();
        self.assembly.timers.kick();
        drop(changes);
        self.tell(&MachineEvent::Resume);
    }

    /// Lets the CPUs go on. Before the guest's own reset or end they do not.
    fn resume(&self) {
        if self.requests().of_guest().is_empty() {
            self.cpus.resume();
        }
    }

    /// Makes it stand still; returns when it does.
    pub fn halt(&self, why: RunState) {
        let changes = self.changes.lock();
        let was = std::mem::replace(&mut *self.state.lock(), why);
        self.cpus.stop();
        self.assembly.clock.stop();
        drop(changes);
        if was == RunState::Running {
            self.tell(&MachineEvent::Stop);
        }
    }

    /// Resets a machine that stands still.
    fn reset_now(&self) {
        self.assembly.reset();
        self.loaded.place(&self.assembly);
        // What was translated of the memory's former contents is wrong.
        self.cpus.engine().flush();
        self.cpus.reset(self.loaded.start.clone());
    }

    fn reset(&self, cause: Cause) {
        let before = *self.state.lock();
        self.halt(RunState::Paused);
        self.reset_now();
        self.requests().served();
        self.tell(&MachineEvent::Reset(cause));
        match before {
            RunState::Running => self.go(),
            other => *self.state.lock() = other,
        }
    }

    /// The main loop; returns the status to end with.
    pub fn run(&self) -> u8 {
        loop {
            if !self.assembly.clock.is_counted() {
                self.assembly.timers.run_due();
            }
            for request in self.assembly.requests.take() {
                if let Some(status) = self.serve(request) {
                    if let Some(debugger) = self.debugger.get() {
                        debugger.ended(status);
                    }
                    return status;
                }
            }
            self.assembly.timers.wait();
        }
    }

    fn serve(&self, request: Request) -> Option<u8> {
        match request {
            Request::Reset(cause) if !self.config.no_reboot => {
                self.reset(cause);
                return None;
            }
            Request::Reset(cause) | Request::Shutdown(cause) => {
                self.tell(&MachineEvent::Shutdown(cause));
                if !self.config.no_shutdown {
                    return Some(0);
                }
                self.halt(RunState::Shutdown);
            }
            Request::Quit(status) => return Some(status),
            Request::Debug(cpu, why) => {
                self.halt(RunState::Debug);
                if let Some(debugger) = self.debugger.get() {
                    debugger.stopped(cpu, why);
                }
            }
            Request::Stuck(text) => {
                self.halt(RunState::InternalError);
                eprintln!("emu: the machine cannot go on: {text}");
                for cpu in 0..self.config.cpus {
                    eprint!("{}", self.registers(cpu).unwrap_or_default());
                }
                return Some(1);
            }
        }
        self.requests().served();
        None
    }

    /// Looks at a CPU, which stands still meanwhile.
    pub(crate) fn with_cpu<R>(&self, cpu: u32, f: impl FnOnce(&mut Vcpu) -> R) -> Option<R> {
        let state = self.state.lock();
        if *state != RunState::Running {
            return self.cpus.with(cpu, f);
        }
        self.cpus.stop();
        let result = self.cpus.with(cpu, f);
        self.resume();
        result
    }

    /// The registers of a CPU as text.
    pub fn registers(&self, cpu: u32) -> Option<String> {
        self.with_cpu(cpu, |v| self.isa.dump(v.state_bytes(), v.pc(), v.mode()))
    }
}
