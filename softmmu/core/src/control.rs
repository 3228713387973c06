//! What a monitor (HMP, QMP) and a debugger ask of a running machine.

use crate::display::Picture;
use std::sync::Arc;

/// Whether the machine runs, and if not, why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// Not started yet (`-S`).
    Prelaunch,
    /// vCPUs run.
    Running,
    /// Stopped by a monitor.
    Paused,
    /// Stopped by a debugger.
    Debug,
    /// The guest has switched itself off.
    Shutdown,
    /// Waits for a migration stream.
    InMigrate,
    /// Goes on in another process.
    PostMigrate,
    /// A vCPU cannot go on.
    InternalError,
}

impl RunState {
    /// QMP's word.
    pub fn word(self) -> &'static str {
        match self {
            RunState::Prelaunch => "prelaunch",
            RunState::Running => "running",
            RunState::Paused => "paused",
            RunState::Debug => "debug",
            RunState::Shutdown => "shutdown",
            RunState::InMigrate => "inmigrate",
            RunState::PostMigrate => "postmigrate",
            RunState::InternalError => "internal-error",
        }
    }
}

/// Who caused a reset or the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The guest itself.
    pub guest: bool,
    /// QMP's word: `guest-reset`, `host-qmp-quit`, ...
    pub reason: &'static str,
}

/// Something that clients of QMP are told about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MachineEvent {
    /// The machine has stopped.
    Stop,
    /// The machine goes on.
    Resume,
    /// Power off, and why.
    Shutdown(Cause),
    /// Reset, and why.
    Reset(Cause),
    /// Somebody pressed the power button.
    Powerdown,
    /// A device of this name is gone.
    DeviceDeleted(String),
}

/// Hears of events. Called on the thread that causes them: it hands on and returns.
pub type EventSink = Arc<dyn Fn(&MachineEvent) + Send + Sync>;

/// A running machine as a monitor sees it. Every call may come from any thread but a vCPU's.
pub trait Control: Send + Sync {
    /// Whether it runs.
    fn state(&self) -> RunState;
    /// Stops the vCPUs and the virtual clock; returns when they stand still.
    fn stop(&self);
    /// Goes on.
    fn cont(&self);
    /// Stands still for another reason than before ([`Control::stop`] was called).
    fn stand(&self, why: RunState);
    /// As the reset button.
    fn system_reset(&self);
    /// As the power button: the guest may act on it.
    fn system_powerdown(&self);
    /// A non-maskable interrupt to all vCPUs.
    fn nmi(&self);
    /// Ends the emulator with this status.
    fn quit(&self, status: u8);
    /// Tells `sink` of every event from now on.
    fn subscribe(&self, sink: EventSink);

    /// Name of the board.
    fn board(&self) -> String;
    /// Number of vCPUs.
    fn cpu_count(&self) -> u32;
    /// `-name`.
    fn vm_name(&self) -> Option<String>;

    /// `info TOPIC`: text for people. Topics at least: `mtree`, `qtree`, `registers`, `cpus`,
    /// `irq`, `pci`, `tlb`. `None`: no such topic.
    fn info(&self, topic: &str, cpu: u32) -> Option<String>;

    /// Reads guest-physical memory (RAM and ROM; devices read as the bus allows). `false`: nobody
    /// answers there.
    fn read_phys(&self, pa: u64, buf: &mut [u8]) -> bool;
    /// Writes guest-physical memory.
    fn write_phys(&self, pa: u64, data: &[u8]) -> bool;
    /// Reads memory as this vCPU sees it, through its MMU.
    fn read_virt(&self, cpu: u32, va: u64, buf: &mut [u8]) -> bool;
    /// Address of the instruction that this (stopped) vCPU executes next.
    fn pc(&self, cpu: u32) -> u64;
    /// A register or a few of them by name, for `print $name`.
    fn register(&self, cpu: u32, name: &str) -> Option<u64>;

    /// What the first screen shows; `None`: there is none.
    fn screen(&self) -> Option<Picture> {
        None
    }
    /// Adds a device of a class, with properties (`id` and `bus` among them).
    fn device_add(&self, class: &str, _props: &[(String, String)]) -> Result<(), String> {
        Err(format!("{class}: this machine takes no devices"))
    }
    /// Takes a device out that was added.
    fn device_del(&self, id: &str) -> Result<(), String> {
        Err(format!("Device '{id}' not found"))
    }

    /// Everything that the machine is, as sections of bytes by name (`savevm`, migration). The
    /// machine must be stopped.
    fn save(&self) -> Result<Vec<(String, Vec<u8>)>, String>;
    /// The opposite of [`Control::save`] on a machine of the same configuration.
    fn load(&self, sections: &[(String, Vec<u8>)]) -> Result<(), String>;
}
