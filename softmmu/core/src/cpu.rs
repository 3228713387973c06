//! The CPUs as devices see them, and the device control registers of some embedded CPUs.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// The state in which a board starts a CPU. Registers have the names that a debugger uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CpuStart {
    /// Address of the first instruction.
    pub pc: u64,
    /// Registers; all others are as after a reset.
    pub regs: Vec<(String, u64)>,
    /// A mapping that the MMU has at the start: virtual address, physical address, bytes (a power
    /// of two).
    pub map: Option<(u64, u64, u64)>,
}

/// All CPUs of a machine.
pub trait Cpus: Send + Sync {
    /// How many.
    fn count(&self) -> u32;
    /// The level of an input; which is which is the ISA's.
    fn set_line(&self, cpu: u32, line: u32, level: bool);
    /// Lets a CPU that waits for it start here.
    fn start(&self, cpu: u32, start: &CpuStart);
}

/// Filled when the CPUs exist: they come last.
#[derive(Clone, Default)]
pub struct CpuSlot(Arc<OnceLock<Arc<dyn Cpus>>>);

impl CpuSlot {
    /// Once and for all.
    pub fn fill(&self, cpus: Arc<dyn Cpus>) {
        let _ = self.0.set(cpus);
    }

    /// The CPUs, if they exist.
    pub fn get(&self) -> Option<&Arc<dyn Cpus>> {
        self.0.get()
    }
}

/// One CPU's inputs as the sink of interrupt lines.
pub struct CpuInputs {
    /// The CPUs.
    pub cpus: CpuSlot,
    /// Which one.
    pub cpu: u32,
}

impl crate::irq::IrqSink for CpuInputs {
    fn set_input(&self, input: u32, level: bool) {
        if let Some(cpus) = self.cpus.get() {
            cpus.set_line(self.cpu, input, level);
        }
    }
}

thread_local! {
    static CURRENT: Cell<u32> = const { Cell::new(0) };
}

/// The CPU on whose thread this runs; 0 on others. For registers that answer each CPU differently.
pub fn current() -> u32 {
    CURRENT.get()
}

/// This thread is that of a CPU.
pub fn set_current(index: u32) {
    CURRENT.set(index);
}

/// A controller that a CPU asks for the vector of an interrupt that it is about to take.
pub trait Acknowledge: Send + Sync {
    /// The vector; 0 if the controller leaves it to software.
    fn acknowledge(&self, cpu: u32) -> u32;
}

/// Device control registers.
pub trait Dcr: Send + Sync {
    /// Reads a register, by its number from the device's first on.
    fn dcr_read(&self, n: u32) -> u32;
    /// Writes a register.
    fn dcr_write(&self, n: u32, value: u32);
}

/// The bus of device control registers, filled while a machine is built.
#[derive(Default)]
pub struct DcrBus(BTreeMap<u32, (u32, Arc<dyn Dcr>)>);

impl DcrBus {
    /// Numbers from `first` on, `count` of them, are this device's.
    /// False: another device has some of them.
    pub fn add(&mut self, first: u32, count: u32, device: &Arc<dyn Dcr>) -> bool {
        let numbers = first..first.saturating_add(count);
        let free = self.0.range(numbers.clone()).next().is_none();
        for n in numbers.filter(|_| free) {
            self.0.insert(n, (n - first, device.clone()));
        }
        free
    }

    /// Reads; `None`: nobody answers.
    pub fn read(&self, n: u32) -> Option<u32> {
        self.0.get(&n).map(|(n, d)| d.dcr_read(*n))
    }

    /// Writes; false: nobody answers.
    pub fn write(&self, n: u32, value: u32) -> bool {
        let found = self.0.get(&n);
        found.map(|(n, d)| d.dcr_write(*n, value)).is_some()
    }
}
