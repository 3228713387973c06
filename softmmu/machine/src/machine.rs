//! The machine: CPUs and devices together, and the main loop.

use crate::cpu::CpuThread;
use crate::isa::IsaPort;
use crate::socket::{Parts, Socket};
use parking_lot::Mutex;
use softmmu_boards::assemble::Assembly;
use softmmu_boards::boot::Loaded;
use softmmu_core::control::{Cause, EventSink, MachineEvent, RunState};
use softmmu_core::cpu::{CpuStart, Cpus};
use softmmu_core::requests::Request;
use std::sync::Arc;
use tcg_exec::{Engine, EngineConfig, Vcpu};
use tcg_target::Isa;

/// What the command line says about running.
#[derive(Clone, Default)]
pub struct Config {
    /// `-no-reboot`: a reset ends the emulator.
    pub no_reboot: bool,
    /// `-no-shutdown`: power off only stops the machine.
    pub no_shutdown: bool,
    /// Other CPUs than the first wait to be started.
    pub others_wait: bool,
    /// `-name`.
    pub name: Option<String>,
    /// Name of the board.
    pub board: String,
    /// The engine's.
    pub engine: EngineConfig,
}

/// See the head of the file.
pub struct Machine {
    pub(crate) assembly: Assembly,
    pub(crate) cpus: Vec<Arc<CpuThread>>,
    pub(crate) isa: &'static dyn Isa,
    pub(crate) port: &'static IsaPort,
    pub(crate) config: Config,
    pub(crate) loaded: Loaded,
    pub(crate) state: Mutex<RunState>,
    pub(crate) sinks: Mutex<Vec<EventSink>>,
    pub(crate) engine: Arc<Engine>,
}

/// The CPUs as devices see them.
struct Handles {
    cpus: Vec<Arc<CpuThread>>,
    port: &'static IsaPort,
}

impl Cpus for Handles {
    fn count(&self) -> u32 {
        self.cpus.len() as u32
    }

    fn set_line(&self, cpu: u32, line: u32, level: bool) {
        if let Some(cpu) = self.cpus.get(cpu as usize) {
            cpu.set_line(line, level);
        }
    }

    fn start(&self, cpu: u32, start: &CpuStart) {
        if let Some(cpu) = self.cpus.get(cpu as usize) {
            let (port, start) = (self.port, start.clone());
            cpu.post(move |vcpu| begin(port, vcpu, Some(&start)));
            cpu.set_powered(true);
        }
    }
}

/// Resets a CPU and lets it start somewhere.
fn begin(port: &IsaPort, vcpu: &mut Vcpu, start: Option<&CpuStart>) {
    vcpu.reset();
    if let Some(start) = start
        && let Err(e) = (port.start)(vcpu, start)
    {
        // A board file's word that is looked at here only.
        eprintln!("emu: {e}");
    }
    vcpu.flush_tlb();
}

impl Machine {
    /// Puts everything together. The machine stands still.
    pub fn new(
        mut assembly: Assembly,
        loaded: Loaded,
        port: &'static IsaPort,
        isa: &'static dyn Isa,
        cpus: u32,
        config: Config,
    ) -> Result<Arc<Machine>, String> {
        let engine = Engine::new_system(isa, config.engine.clone()).map_err(|e| e.to_string())?;
        if cpus > 1 {
            engine.set_parallel();
        }
        let _ = assembly.watch.set(engine.clone());
        let parts = Arc::new(Parts {
            space: assembly.space.clone(),
            clock: assembly.clock.clone(),
            dcr: std::mem::take(&mut assembly.dcr),
            acknowledge: assembly.acknowledge.clone(),
            requests: assembly.requests.clone(),
        });
        let make = |n| CpuThread::new(n, &assembly.timers, assembly.requests.clone());
        let threads: Vec<Arc<CpuThread>> = (0..cpus).map(make).collect();
        assembly.cpus.fill(Arc::new(Handles {
            cpus: threads.clone(),
            port,
        }));
        for cpu in &threads {
            let socket = Arc::new(Socket {
                parts: parts.clone(),
                cpu: cpu.clone(),
            });
            let vcpu = Vcpu::new_system(engine.clone(), socket);
            let cpu = cpu.clone();
            std::thread::Builder::new()
                .name(format!("cpu{}", cpu.index()))
                .stack_size(8 << 20)
                .spawn(move || cpu.run(vcpu))
                .map_err(|e| format!("no thread for a CPU: {e}"))?;
        }
        let machine = Arc::new(Machine {
            assembly,
            cpus: threads,
            isa,
            port,
            config,
            loaded,
            state: Mutex::new(RunState::Prelaunch),
            sinks: Mutex::default(),
            engine,
        });
        machine.reset_now();
        Ok(machine)
    }

    /// Where requests to the main loop go.
    pub fn requests(&self) -> &Arc<softmmu_core::requests::Requests> {
        &self.assembly.requests
    }

    pub(crate) fn tell(&self, event: &MachineEvent) {
        let sinks = self.sinks.lock().clone();
        sinks.iter().for_each(|s| s(event));
    }

    /// Lets it run.
    pub fn go(&self) {
        let mut state = self.state.lock();
        if *state == RunState::Running {
            return;
        }
        *state = RunState::Running;
        drop(state);
        self.assembly.clock.start();
        self.cpus.iter().for_each(|c| c.set_running(true));
        self.assembly.timers.kick();
        self.tell(&MachineEvent::Resume);
    }

    /// Makes it stand still; returns when it does.
    pub fn halt(&self, why: RunState) {
        let was = std::mem::replace(&mut *self.state.lock(), why);
        self.cpus.iter().for_each(|c| c.set_running(false));
        self.cpus.iter().for_each(|c| c.wait_parked());
        self.assembly.clock.stop();
        if was == RunState::Running {
            self.tell(&MachineEvent::Stop);
        }
    }

    /// Resets a machine that stands still.
    fn reset_now(&self) {
        self.assembly.reset();
        self.loaded.place(&self.assembly);
        // What was translated of the memory's former contents is wrong.
        self.engine.flush();
        for cpu in &self.cpus {
            let first = cpu.index() == 0;
            let (port, start) = (self.port, self.loaded.start.clone().filter(|_| first));
            cpu.post(move |vcpu| begin(port, vcpu, start.as_ref()));
            cpu.set_powered(first || !self.config.others_wait);
        }
    }

    fn reset(&self, cause: Cause) {
        let before = *self.state.lock();
        self.halt(RunState::Paused);
        self.reset_now();
        self.tell(&MachineEvent::Reset(cause));
        match before {
            RunState::Running => self.go(),
            other => *self.state.lock() = other,
        }
    }

    /// The main loop; returns the status to end with.
    pub fn run(&self) -> u8 {
        loop {
            self.assembly.timers.run_due();
            for request in self.assembly.requests.take() {
                if let Some(status) = self.serve(request) {
                    return status;
                }
            }
            self.assembly.timers.wait();
        }
    }

    fn serve(&self, request: Request) -> Option<u8> {
        match request {
            Request::Reset(cause) if !self.config.no_reboot => self.reset(cause),
            Request::Reset(cause) | Request::Shutdown(cause) => {
                self.tell(&MachineEvent::Shutdown(cause));
                if !self.config.no_shutdown {
                    return Some(0);
                }
                self.halt(RunState::Shutdown);
            }
            Request::Quit(status) => return Some(status),
            Request::Stuck(text) => {
                eprintln!("emu: {text}");
                self.halt(RunState::InternalError);
                return Some(1);
            }
        }
        None
    }

    /// The registers of all CPUs as text.
    pub fn registers(&self, cpu: u32) -> Option<String> {
        let isa = self.isa;
        self.cpus
            .get(cpu as usize)?
            .ask(move |v| isa.dump(v.state_bytes(), v.pc(), v.mode()))
    }
}
