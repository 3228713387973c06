//! A tiny machine for the tests of system mode: the toy instruction set with an MMU that the test fills, memory that appears
//! at two physical addresses, a ROM, and a device that logs what it is asked.

#![allow(dead_code)]

#[path = "../toy/mod.rs"]
pub mod toy;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tcg_exec::{Backend, Engine, EngineConfig, Event, Exit, Vcpu};
use tcg_ir::{Block, FpMode, HelperDef, StateLayout};
use tcg_mem::{Access, Bus, BusError, Endian, GuestVa, MemFault, PAGE, PhysPage, UserMem};
use tcg_target::system::{BUS_ERROR, ContextKey};
use tcg_target::{CpuSocket, Isa, Mapping, Outcome, SysCpu, SysFault, System, TranslateCtx};
use toy::{Regs, Toy};

/// Memory at physical address 0, and again at [`ALIAS`].
pub const RAM_BYTES: u64 = 256 << 10;
pub const ALIAS: u64 = 0x10_0000;
/// A page of ROM, with the device's registers written to instead.
pub const ROM: u64 = 0x20_0000;
/// The device.
pub const IO: u64 = 0x30_0000;
/// Nobody.
pub const NOBODY: u64 = 0x40_0000;

/// Codes of faults.
pub const MISS: u32 = 1;
pub const FORBIDDEN: u32 = 2;
pub const MISALIGNED: u32 = 3;

/// Traps that the machine's system level handles itself; the argument is the address for [`FLUSH_PAGE`].
pub const FLUSH: u32 = 900;
pub const FLUSH_PAGE: u32 = 901;
/// Changes to another address space.
pub const SWITCH: u32 = 905;
pub const FLUSH_OTHERS: u32 = 902;
/// The next event in [`SysToy::todo`].
pub const TODO: u32 = 903;
pub const HALT: u32 = 904;

/// What the machine saw: everything that must be the same on every backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    Fault {
        pc: u64,
        fault: SysFault,
        regs: [u32; 8],
    },
    Trap {
        pc: u64,
        code: u32,
        info: u64,
        regs: [u32; 8],
    },
    Interrupt {
        pc: u64,
    },
}

/// One page's mapping.
#[derive(Clone, Copy, Debug)]
pub struct Map {
    pub pa: u64,
    pub write: bool,
    pub swap: bool,
    pub bytes: u64,
}

/// What becomes of an MMU index and page.
pub type Change = ((u8, u64), Option<Map>);

/// The instruction set with a system level.
pub struct SysToy {
    /// By MMU index and page.
    pub maps: Mutex<HashMap<(u8, u64), Map>>,
    pub seen: Mutex<Vec<Seen>>,
    /// Where faults go on; otherwise the machine is switched off.
    pub vector: AtomicU64,
    /// Changes of the maps that traps bring about, in order.
    pub todo: Mutex<Vec<Change>>,
    pub walks: AtomicU32,
    /// The address space: the maps of MMU index `m` are those of `m + 2 * context`.
    pub context: AtomicU32,
}

fn regs(cpu: &SysCpu<'_>) -> [u32; 8] {
    let word = |k: usize| u32::from_le_bytes(cpu.state[4 * k..4 * k + 4].try_into().unwrap());
    std::array::from_fn(word)
}

impl SysToy {
    pub fn new() -> &'static SysToy {
        Box::leak(Box::new(SysToy {
            maps: Mutex::default(),
            seen: Mutex::default(),
            vector: AtomicU64::new(u64::MAX),
            todo: Mutex::default(),
            walks: AtomicU32::new(0),
            context: AtomicU32::new(0),
        }))
    }

    pub fn map(&self, va: u64, pa: u64, write: bool) {
        let m = Map {
            pa,
            write,
            swap: false,
            bytes: PAGE,
        };
        for mmu in [0, 1] {
            self.maps.lock().unwrap().insert((mmu, va), m);
        }
    }

    pub fn unmap(&self, va: u64) {
        for mmu in [0, 1] {
            self.maps.lock().unwrap().remove(&(mmu, va));
        }
    }

    fn lookup(&self, va: u64, mmu: u8) -> Option<Map> {
        let mmu = mmu + 2 * self.context.load(Ordering::Relaxed) as u8;
        self.maps
            .lock()
            .unwrap()
            .get(&(mmu, va & !(PAGE - 1)))
            .copied()
    }

    fn to_vector(&self, cpu: &mut SysCpu<'_>) -> Outcome {
        let many = self.seen.lock().unwrap().len() > 300;
        match self.vector.load(Ordering::Relaxed) {
            _ if many => Outcome::Shutdown,
            u64::MAX => Outcome::Shutdown,
            at => {
                *cpu.pc = at;
                Outcome::Go
            }
        }
    }

    fn saw(&self, what: Seen) {
        self.seen.lock().unwrap().push(what);
    }
}

impl Isa for SysToy {
    fn name(&self) -> &'static str {
        "systoy"
    }
    fn layout(&self) -> &'static StateLayout {
        Toy.layout()
    }
    fn state_bytes(&self) -> usize {
        Toy.state_bytes()
    }
    fn reset(&self, state: &mut [u8]) {
        Toy.reset(state);
    }
    fn helpers(&self) -> &'static [HelperDef] {
        Toy.helpers()
    }
    fn mode(&self, state: &[u8], current: u32) -> u32 {
        Toy.mode(state, current)
    }
    fn fp_modes(&self, mode: u32) -> [FpMode; 2] {
        Toy.fp_modes(mode)
    }
    fn translate(&self, pc: u64, mode: u32, ctx: &mut TranslateCtx<'_>) -> Result<Block, MemFault> {
        Toy.translate(pc, mode, ctx)
    }
    fn disassemble(&self, pc: u64, mode: u32, bytes: &[u8]) -> (String, usize) {
        Toy.disassemble(pc, mode, bytes)
    }
    fn dump(&self, state: &[u8], pc: u64, mode: u32) -> String {
        Toy.dump(state, pc, mode)
    }
    fn system(&self) -> Option<&dyn System> {
        Some(self)
    }
}

impl System for SysToy {
    fn after_load(&self, _: &mut SysCpu<'_>) {}

    fn mmu_index(&self, mode: u32, _exec: bool) -> u8 {
        (mode & 1) as u8
    }

    fn walk(
        &self,
        _cpu: &mut SysCpu<'_>,
        va: u64,
        access: Access,
        mmu: u8,
    ) -> Result<Mapping, SysFault> {
        self.walks.fetch_add(1, Ordering::Relaxed);
        let fault = |code| SysFault {
            code,
            info: u64::from(mmu),
            va,
            access,
        };
        let m = self.lookup(va, mmu).ok_or(fault(MISS))?;
        if access == Access::Write && !m.write {
            return Err(fault(FORBIDDEN));
        }
        Ok(Mapping {
            pa: m.pa + va % PAGE,
            page_bytes: m.bytes,
            read: true,
            write: m.write,
            exec: true,
            swap: m.swap,
            global: false,
        })
    }

    fn context(&self, _state: &[u8]) -> ContextKey {
        [self.context.load(Ordering::Relaxed).into(); 8]
    }

    fn peek(&self, _cpu: &mut SysCpu<'_>, va: u64, mmu: u8) -> Option<Mapping> {
        let m = self.lookup(va, mmu)?;
        Some(Mapping {
            pa: m.pa + va % PAGE,
            page_bytes: m.bytes,
            read: true,
            write: m.write,
            exec: true,
            swap: m.swap,
            global: false,
        })
    }

    fn fault(&self, cpu: &mut SysCpu<'_>, fault: &SysFault) -> Outcome {
        self.saw(Seen::Fault {
            pc: *cpu.pc,
            fault: *fault,
            regs: regs(cpu),
        });
        self.to_vector(cpu)
    }

    fn bus_error(&self, cpu: &mut SysCpu<'_>, va: u64, pa: u64, access: Access) -> Outcome {
        let fault = SysFault {
            code: BUS_ERROR,
            info: pa,
            va,
            access,
        };
        self.fault(cpu, &fault)
    }

    fn alignment(&self, cpu: &mut SysCpu<'_>, va: u64, access: Access) -> Outcome {
        let fault = SysFault {
            code: MISALIGNED,
            info: 0,
            va,
            access,
        };
        self.fault(cpu, &fault)
    }

    fn trap(&self, cpu: &mut SysCpu<'_>, code: u32, info: u64) -> Outcome {
        let regs = regs(cpu);
        self.saw(Seen::Trap {
            pc: *cpu.pc,
            code,
            info,
            regs,
        });
        match code {
            FLUSH => cpu.host.flush_tlb(),
            FLUSH_PAGE => cpu.host.flush_tlb_page(info),
            SWITCH => {
                self.context.store(info as u32, Ordering::Relaxed);
                cpu.host.context_changed();
            }
            FLUSH_OTHERS => cpu.host.flush_tlb_others(),
            TODO => {
                let (key, new) = self.todo.lock().unwrap().remove(0);
                let mut maps = self.maps.lock().unwrap();
                match new {
                    Some(m) => maps.insert(key, m),
                    None => maps.remove(&key),
                };
            }
            HALT => return Outcome::Halt,
            _ => return Outcome::Shutdown,
        }
        Outcome::Go
    }

    fn interrupt(&self, cpu: &mut SysCpu<'_>) -> bool {
        if cpu.host.lines() & 1 == 0 || cpu.state[36] != 0 {
            return false;
        }
        // Masked from now on.
        cpu.state[36] = 1;
        self.saw(Seen::Interrupt { pc: *cpu.pc });
        *cpu.pc = self.vector.load(Ordering::Relaxed);
        true
    }

    fn timer(&self, _cpu: &mut SysCpu<'_>) {}

    fn is_halted(&self, _state: &[u8]) -> bool {
        false
    }

    fn reset(&self, cpu: &mut SysCpu<'_>, _index: u32) {
        *cpu.pc = 0;
    }
}

/// Physical memory.
pub struct ToyBus {
    ram: usize,
    rom: usize,
    pub generation: AtomicU64,
    /// Moves the alias away.
    pub alias_at: AtomicU64,
    pub log: Mutex<Vec<(bool, u64, u32, u64)>>,
}

fn pages(bytes: u64) -> usize {
    // SAFETY: a mapping of the test's own, never freed.
    let at = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            bytes as usize,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    assert_ne!(at, libc::MAP_FAILED);
    at as usize
}

impl ToyBus {
    pub fn new() -> Arc<ToyBus> {
        Arc::new(ToyBus {
            ram: pages(RAM_BYTES),
            rom: pages(PAGE),
            generation: AtomicU64::new(1),
            alias_at: AtomicU64::new(ALIAS),
            log: Mutex::default(),
        })
    }

    /// Host address of a byte of memory.
    pub fn host(&self, pa: u64) -> usize {
        assert!(pa < RAM_BYTES);
        self.ram + pa as usize
    }

    pub fn put(&self, pa: u64, words: &[u32]) {
        for (k, w) in words.iter().enumerate() {
            let at = match pa {
                ROM.. => self.rom,
                _ => self.host(pa),
            };
            let at = GuestVa((at + 4 * k) as u64);
            let mem = UserMem::identity();
            mem.store_u32(at, Endian::Little, *w).unwrap();
        }
    }

    pub fn word(&self, pa: u64) -> u32 {
        let at = GuestVa(self.host(pa) as u64);
        UserMem::identity().load_u32(at, Endian::Little).unwrap()
    }

    pub fn ram(&self) -> Vec<u8> {
        let mut out = vec![0; RAM_BYTES as usize];
        let at = GuestVa(self.ram as u64);
        UserMem::identity().read(at, &mut out).unwrap();
        out
    }
}

impl Bus for ToyBus {
    fn page(&self, pa: u64) -> PhysPage {
        let ram = |host| PhysPage::Ram {
            host,
            writable: true,
        };
        let alias = self.alias_at.load(Ordering::SeqCst);
        match pa {
            0..RAM_BYTES => ram(self.ram + pa as usize),
            _ if (alias..alias + RAM_BYTES).contains(&pa) => ram(self.ram + (pa - alias) as usize),
            ROM => PhysPage::Ram {
                host: self.rom,
                writable: false,
            },
            IO => PhysPage::Io,
            _ => PhysPage::None,
        }
    }

    fn read(&self, pa: u64, size: u32) -> Result<u64, BusError> {
        if pa & !(PAGE - 1) != IO {
            return Err(BusError);
        }
        let value = 0x8877_6655_4433_2211 ^ (pa & 0xff);
        self.log.lock().unwrap().push((false, pa, size, value));
        Ok(value)
    }

    fn write(&self, pa: u64, size: u32, value: u64) -> Result<(), BusError> {
        if !matches!(pa & !(PAGE - 1), IO | ROM) {
            return Err(BusError);
        }
        let value = match size {
            8 => value,
            n => value & ((1 << (8 * n)) - 1),
        };
        self.log.lock().unwrap().push((true, pa, size, value));
        if pa == IO + 0xff0 {
            self.alias_at.store(value, Ordering::SeqCst);
            self.generation.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    }

    fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }
}

/// The socket.
pub struct Socket {
    pub index: u32,
    pub bus: Arc<ToyBus>,
    pub lines: AtomicU32,
}

impl CpuSocket for Socket {
    fn cpu_index(&self) -> u32 {
        self.index
    }
    fn now_ns(&self) -> u64 {
        0
    }
    fn set_deadline(&self, _: u64) {}
    fn lines(&self) -> u32 {
        self.lines.load(Ordering::SeqCst)
    }
    fn bus(&self) -> &dyn Bus {
        &*self.bus
    }
}

/// A machine with one CPU.
pub struct Machine {
    pub isa: &'static SysToy,
    pub bus: Arc<ToyBus>,
    pub engine: Arc<Engine>,
    pub socket: Arc<Socket>,
    pub cpu: Vcpu,
}

impl Machine {
    pub fn new(backend: Backend) -> Machine {
        Machine::with(EngineConfig {
            backend,
            code_bytes: 4 << 20,
            verify_ir: true,
            ..EngineConfig::default()
        })
    }

    pub fn with(cfg: EngineConfig) -> Machine {
        let isa = SysToy::new();
        let bus = ToyBus::new();
        let engine = Engine::new_system(isa, cfg).unwrap();
        let socket = Arc::new(Socket {
            index: 0,
            bus: Arc::clone(&bus),
            lines: AtomicU32::new(0),
        });
        let cpu = Vcpu::new_system(Arc::clone(&engine), Arc::clone(&socket) as _);
        Machine {
            isa,
            bus,
            engine,
            socket,
            cpu,
        }
    }

    /// Another CPU of the same machine.
    pub fn another(&self, index: u32) -> Vcpu {
        let socket = Arc::new(Socket {
            index,
            bus: Arc::clone(&self.bus),
            lines: AtomicU32::new(0),
        });
        Vcpu::new_system(Arc::clone(&self.engine), socket)
    }

    /// Maps all of memory where it is, writable.
    pub fn map_all(&self) {
        for pa in (0..RAM_BYTES).step_by(PAGE as usize) {
            self.isa.map(pa, pa, true);
        }
    }

    pub fn r(&self, n: usize) -> u32 {
        self.cpu.state::<Regs>().r[n]
    }

    pub fn set(&mut self, n: usize, v: u32) {
        self.cpu.state_mut::<Regs>().r[n] = v;
    }

    /// Runs from an address until the machine is switched off; gives the last thing it saw.
    pub fn run(&mut self, pc: u64) -> Seen {
        self.cpu.set_pc(pc);
        let exit = self.cpu.run();
        assert_eq!(
            exit,
            Exit::Machine(Event::Shutdown),
            "{}",
            self.cpu.message()
        );
        self.isa.seen.lock().unwrap().last().unwrap().clone()
    }

    /// The same to a trap with this code; its argument.
    pub fn run_to(&mut self, pc: u64, want: u32) -> u64 {
        match self.run(pc) {
            Seen::Trap { code, info, .. } if code == want => info,
            other => panic!("{other:x?}"),
        }
    }

    pub fn faults(&self) -> usize {
        let seen = self.isa.seen.lock().unwrap();
        seen.iter()
            .filter(|s| matches!(s, Seen::Fault { .. }))
            .count()
    }
}
