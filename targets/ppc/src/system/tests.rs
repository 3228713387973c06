//! Walks, exceptions and timers as transitions of the state, against a machine of 64 KiB of memory.

use std::cell::{Cell, RefCell};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use tcg_mem::{Access, GuestVa};
use tcg_mem::{Bus, BusError, PhysPage};
use tcg_target::BlockLimits;
use tcg_target::{CpuHost, CpuSocket, Isa, Outcome, SysCpu, SysFault, System, TranslateCtx};

use super::interrupt::{esr, source};
use super::mmu::{fault, index};
use super::model::family;
use super::op::{self, Op};
use super::spr::{self, num};
use super::state::SystemState;
use super::{Config, PpcSystem, msr, time};
use crate::trap;

struct Memory(Mutex<Vec<u8>>);

impl Bus for Memory {
    fn page(&self, _: u64) -> PhysPage {
        PhysPage::Io
    }
    fn read(&self, pa: u64, size: u32) -> Result<u64, BusError> {
        let m = self.0.lock().map_err(|_| BusError)?;
        let at = pa as usize;
        let bytes = m.get(at..at + size as usize).ok_or(BusError)?;
        Ok(bytes.iter().rev().fold(0, |v, b| v << 8 | u64::from(*b)))
    }
    fn write(&self, pa: u64, size: u32, value: u64) -> Result<(), BusError> {
        let mut m = self.0.lock().map_err(|_| BusError)?;
        let at = pa as usize;
        let bytes = m.get_mut(at..at + size as usize).ok_or(BusError)?;
        bytes.copy_from_slice(&value.to_le_bytes()[..size as usize]);
        Ok(())
    }
    fn generation(&self) -> u64 {
        0
    }
}

struct Socket {
    memory: Memory,
    now: AtomicU64,
    deadline: AtomicU64,
    lines: AtomicU32,
    dcr: AtomicU32,
    resets: AtomicU32,
}

impl CpuSocket for Socket {
    fn cpu_index(&self) -> u32 {
        0
    }
    fn now_ns(&self) -> u64 {
        self.now.load(Ordering::Relaxed)
    }
    fn set_deadline(&self, at_ns: u64) {
        self.deadline.store(at_ns, Ordering::Relaxed);
    }
    fn lines(&self) -> u32 {
        self.lines.load(Ordering::Relaxed)
    }
    fn bus(&self) -> &dyn Bus {
        &self.memory
    }
    fn dcr_read(&self, n: u32) -> Option<u32> {
        (n == 0xc0).then(|| self.dcr.load(Ordering::Relaxed))
    }
    fn dcr_write(&self, n: u32, value: u32) -> bool {
        self.dcr.store(value, Ordering::Relaxed);
        n == 0xc0
    }
    fn acknowledge(&self) -> u32 {
        42
    }
    fn reset_system(&self) {
        self.resets.fetch_add(1, Ordering::Relaxed);
    }
}

struct Host {
    socket: Socket,
    flushes: Cell<u32>,
    contexts: Cell<u32>,
    pages: RefCell<Vec<u64>>,
    others: Cell<u32>,
}

impl CpuHost for Host {
    fn socket(&self) -> &dyn CpuSocket {
        &self.socket
    }
    fn flush_tlb(&self) {
        self.flushes.set(self.flushes.get() + 1);
    }
    fn flush_tlb_page(&self, va: u64) {
        self.pages.borrow_mut().push(va);
    }
    fn flush_tlb_set(&self, va: u64, sets: u64) {
        self.pages.borrow_mut().push(va & (sets * 4096 - 1));
    }
    fn context_changed(&self) {
        self.contexts.set(self.contexts.get() + 1);
    }
    fn flush_tlb_others(&self) {
        self.others.set(self.others.get() + 1);
    }
    fn read_virt(&self, va: u64, size: u32, _: bool, _: u8) -> Result<u64, SysFault> {
        let fault = super::mmu::refuse(fault::MISS, va as u32, Access::Read);
        self.socket.memory.read(va, size).map_err(|_| fault)
    }
    fn write_virt(&self, va: u64, _: u32, _: bool, _: u64, _: u8) -> Result<(), SysFault> {
        Err(super::mmu::refuse(fault::MISS, va as u32, Access::Write))
    }
    fn raise(&self, _: SysFault) {}
}

/// A CPU and its machine; the time base ticks once in a nanosecond.
struct Machine {
    isa: PpcSystem,
    host: Host,
    state: Box<SystemState>,
    pc: u64,
    mode: u32,
    flags: u32,
}

impl Machine {
    fn new(cpu: &str) -> Machine {
        let config = Config {
            tb_hz: 1_000_000_000,
            svr: 0x8034_0120,
        };
        let Some(isa) = PpcSystem::new(cpu, config) else {
            panic!("no {cpu}");
        };
        let socket = Socket {
            memory: Memory(Mutex::new(vec![0; 0x40000])),
            now: AtomicU64::new(0),
            deadline: AtomicU64::new(u64::MAX),
            lines: AtomicU32::new(0),
            dcr: AtomicU32::new(0),
            resets: AtomicU32::new(0),
        };
        let mut m = Machine {
            isa,
            host: Host {
                socket,
                flushes: Cell::new(0),
                contexts: Cell::new(0),
                pages: RefCell::default(),
                others: Cell::new(0),
            },
            state: Box::new(SystemState::new()),
            pc: 0,
            mode: 0,
            flags: 0,
        };
        m.with(|isa, cpu| isa.reset(cpu, 0));
        m
    }

    fn with<T>(&mut self, f: impl FnOnce(&dyn System, &mut SysCpu<'_>) -> T) -> T {
        let mut cpu = SysCpu {
            state: self.state.as_bytes_mut(),
            pc: &mut self.pc,
            mode: &mut self.mode,
            fp_flags: &mut self.flags,
            host: &self.host,
        };
        f(&self.isa, &mut cpu)
    }

    fn walk(&mut self, va: u32, access: Access, index: u8) -> Result<u64, u32> {
        let found = self.with(|isa, cpu| isa.walk(cpu, u64::from(va), access, index));
        found.map(|m| m.pa).map_err(|f| f.code)
    }

    fn fault(&mut self, va: u32, access: Access, index: u8) -> Outcome {
        self.with(
            |isa, cpu| match isa.walk(cpu, u64::from(va), access, index) {
                Err(f) => isa.fault(cpu, &f),
                Ok(_) => panic!("no fault"),
            },
        )
    }

    fn op(&mut self, op: Op, insn: u32) {
        op::run(&mut self.state, &self.host, op, insn);
    }

    fn set(&mut self, n: u32, v: u32) {
        spr::write(&mut self.state, &self.host, n, v);
    }

    fn msr(&mut self, v: u32) {
        op::set_msr(&mut self.state, &self.host, v);
    }

    fn at(&mut self, ns: u64) {
        self.host.socket.now.store(ns, Ordering::Relaxed);
    }

    fn word(&self, pa: u64, v: u32) {
        let _ = self
            .host
            .socket
            .memory
            .write(pa, 4, u64::from(v.swap_bytes()));
    }
}

const KERNEL: u8 = index(false, false);
const USER: u8 = index(true, false);

fn e500_entry(m: &mut Machine, mas: [u32; 4], mas7: u32) {
    for (n, v) in [num::MAS0, num::MAS1, num::MAS2, num::MAS3]
        .into_iter()
        .zip(mas)
    {
        m.set(n, v);
    }
    m.set(num::MAS7, mas7);
    m.op(Op::Tlbwe, 0);
}

#[test]
fn e500_starts_in_the_last_page() {
    let mut m = Machine::new("e500v2");
    assert_eq!(m.pc, 0xffff_fffc);
    assert_eq!(m.walk(0xffff_fffc, Access::Exec, KERNEL), Ok(0xffff_fffc));
    assert_eq!(m.walk(0x1000, Access::Read, KERNEL), Err(fault::MISS));
    assert_eq!(m.state.user.pvr, 0x8021_0030);
}

#[test]
fn e500_tlb1_maps_large_pages_to_36_bits() {
    let mut m = Machine::new("e500v2");
    // 16 MiB, supervisor all, user read.
    e500_entry(
        &mut m,
        [0x1003_0000, 0xc000_0700, 0xc000_0000, 0x0000_0017],
        0xf,
    );
    assert_eq!(
        m.walk(0xc012_3456, Access::Write, KERNEL),
        Ok(0xf_0012_3456)
    );
    assert_eq!(m.walk(0xc0ff_ffff, Access::Read, USER), Ok(0xf_00ff_ffff));
    assert_eq!(
        m.walk(0xc000_0000, Access::Write, USER),
        Err(fault::PROTECTION)
    );
    assert_eq!(m.walk(0xc100_0000, Access::Read, KERNEL), Err(fault::MISS));
    // The other address space.
    assert_eq!(
        m.walk(0xc000_0000, Access::Read, index(false, true)),
        Err(fault::MISS)
    );
}

#[test]
fn e500_tlb0_matches_process_identifiers() {
    let mut m = Machine::new("e500v2");
    e500_entry(
        &mut m,
        [0x0002_0003, 0x8007_0100, 0x1000_5000, 0x0002_003f],
        0,
    );
    assert_eq!(m.walk(0x1000_5678, Access::Read, USER), Err(fault::MISS));
    let before = m.host.contexts.get();
    let context = m.isa.context(m.state.as_bytes_mut());
    m.set(num::PID, 7);
    assert_eq!(m.host.contexts.get(), before + 1);
    assert_ne!(m.isa.context(m.state.as_bytes_mut()), context);
    assert_eq!(m.walk(0x1000_5678, Access::Read, USER), Ok(0x2_0678));
    assert_eq!(m.state.victim[5], 3);
    // Writing over it tells the engine of the old page.
    e500_entry(&mut m, [0x0002_0000, 0, 0x1000_5000, 0], 0);
    assert_eq!(m.host.pages.borrow().as_slice(), [0x1000_5000]);
    assert_eq!(m.walk(0x1000_5678, Access::Read, USER), Err(fault::MISS));
}

#[test]
fn e500_miss_loads_the_mas_registers_and_rotates_victims() {
    let mut m = Machine::new("e500v2");
    m.set(num::IVPR, 0xc000_0000);
    m.set(num::IVOR0 + 13, 0x2340);
    m.set(num::MAS4, 0x0000_0104);
    m.set(num::PID, 9);
    m.msr(msr::PR | msr::EE | msr::CE | msr::ME | msr::DR);
    m.pc = 0x1000_0000;
    assert_eq!(
        m.fault(0x2000_3abc, Access::Write, index(true, true)),
        Outcome::Go
    );
    assert_eq!(m.pc, 0xc000_2340);
    assert_eq!(m.state.spr(num::SRR0), 0x1000_0000);
    assert_eq!(
        m.state.spr(num::SRR1),
        msr::PR | msr::EE | msr::CE | msr::ME | msr::DR
    );
    assert_eq!(m.state.msr(), msr::CE | msr::ME);
    assert_eq!(m.state.spr(num::DEAR), 0x2000_3abc);
    assert_eq!(m.state.spr(num::ESR), esr::ST);
    assert_eq!(m.state.spr(num::MAS0), 0x0000_0001);
    assert_eq!(m.state.spr(num::MAS1), 0x8009_1100);
    assert_eq!(m.state.spr(num::MAS2), 0x2000_3004);
    assert_eq!(m.state.spr(num::MAS6), 0x0009_0001);
    m.set(num::MAS3, 0x0001_003f);
    m.op(Op::Tlbwe, 0);
    assert_eq!(
        m.walk(0x2000_3abc, Access::Write, index(true, true)),
        Ok(0x1_0abc)
    );
    // The next miss of the set gets the next way.
    m.fault(0x2008_3000, Access::Read, index(true, true));
    assert_eq!(m.state.spr(num::MAS0), 0x0001_0002);
}

#[test]
fn e500_search_and_read_give_the_entry_back() {
    let mut m = Machine::new("e500v2");
    m.set(num::HID0, spr::HID0_EN_MAS7_UPDATE);
    e500_entry(
        &mut m,
        [0x1005_0000, 0xc000_0900, 0xd000_0000, 0x8000_003f],
        1,
    );
    m.set(num::MAS6, 0);
    m.state.set_gpr(4, 0xd123_4567);
    m.op(Op::Tlbsx, 4 << 11);
    assert_eq!(m.state.spr(num::MAS0), 0x1005_0000);
    assert_eq!(m.state.spr(num::MAS1), 0xc000_0900);
    assert_eq!(m.state.spr(num::MAS3), 0x8000_003f);
    assert_eq!(m.state.spr(num::MAS7), 1);
    m.state.set_gpr(4, 0x0123_4567);
    m.op(Op::Tlbsx, 4 << 11);
    assert_eq!(m.state.spr(num::MAS1) >> 31, 0);
}

#[test]
fn e500_broadcast_reaches_a_second_cpu() {
    let mut m = Machine::new("e500v2");
    e500_entry(
        &mut m,
        [0x0000_0000, 0x8007_0100, 0x1000_5000, 0x0002_003f],
        0,
    );
    m.set(num::PID, 7);
    // Another CPU of the same machine asks; this one sees it at its next walk.
    m.isa.broadcasts.publish(0x1000_5000);
    assert_eq!(m.walk(0x1000_5678, Access::Read, USER), Err(fault::MISS));
    // TLB1 with protection stays.
    e500_entry(&mut m, [0x1003_0000, 0xc000_0700, 0xc000_0000, 0x17], 0);
    m.with(|isa, cpu| isa.trap(cpu, trap::TLBIVAX, 0xc));
    assert_eq!(m.walk(0xc000_0000, Access::Read, KERNEL), Ok(0));
    assert_eq!(m.host.others.get(), 1);
}

#[test]
fn e500_timers_raise_and_reload() {
    let mut m = Machine::new("e500v2");
    m.set(num::HID0, spr::HID0_TBEN);
    m.set(num::DECAR, 1000);
    m.set(num::TCR, time::tcr::DIE | time::tcr::ARE);
    m.set(22, 500);
    assert_eq!(m.host.socket.deadline.load(Ordering::Relaxed), 500);
    m.at(500);
    m.with(|isa, cpu| isa.timer(cpu));
    assert_eq!(m.state.pending, source::DEC);
    assert!(!m.with(|isa, cpu| isa.interrupt(cpu)), "MSR.EE is 0");
    m.set(num::IVOR0 + 10, 0x500);
    m.msr(msr::EE);
    m.pc = 0x4444;
    assert!(m.with(|isa, cpu| isa.interrupt(cpu)));
    assert_eq!((m.pc, m.state.spr(num::SRR0)), (0x500, 0x4444));
    m.set(num::TSR, time::tsr::DIS);
    assert_eq!(m.state.pending, 0);
    assert_eq!(m.host.socket.deadline.load(Ordering::Relaxed), 1500);
    m.at(700);
    assert_eq!(spr::read(&mut m.state, &m.host, 22), 800);
    assert_eq!(spr::read(&mut m.state, &m.host, 268), 700);
}

#[test]
fn e500_clock_stands_still_without_tben() {
    let mut m = Machine::new("e500v2");
    m.set(num::HID0, 0);
    m.at(1000);
    assert_eq!(spr::read(&mut m.state, &m.host, 268), 0);
    m.set(num::HID0, spr::HID0_TBEN);
    m.at(1200);
    assert_eq!(spr::read(&mut m.state, &m.host, 268), 200);
    m.set(285, 1);
    assert_eq!(spr::read(&mut m.state, &m.host, 269), 1);
    assert_eq!(spr::read(&mut m.state, &m.host, 268), 200);
}

#[test]
fn watchdog_warns_and_then_resets() {
    let mut m = Machine::new("e500v2");
    m.set(num::HID0, spr::HID0_TBEN);
    // Bit 53 of 0 to 63: period 2048. WRC 2.
    m.set(num::TCR, 1 << 30 | 2 << 28 | 13 << 17);
    m.at(1024);
    assert_eq!(
        spr::read(&mut m.state, &m.host, num::TSR) & time::tsr::ENW,
        time::tsr::ENW
    );
    m.at(3 * 1024);
    assert_eq!(
        spr::read(&mut m.state, &m.host, num::TSR) & time::tsr::WIS,
        time::tsr::WIS
    );
    m.at(5 * 1024);
    m.with(|isa, cpu| {
        isa.timer(cpu);
        isa.interrupt(cpu);
    });
    assert_eq!(m.host.socket.resets.load(Ordering::Relaxed), 1);
}

#[test]
fn external_interrupt_fetches_its_vector() {
    let mut m = Machine::new("e500v2");
    m.host
        .socket
        .lines
        .store(source::EXTERNAL | source::CRITICAL, Ordering::Relaxed);
    m.set(num::IVOR0, 0x100);
    m.set(num::IVOR0 + 4, 0x400);
    m.msr(msr::EE | msr::CE | msr::ME);
    m.pc = 0x8000;
    assert!(m.with(|isa, cpu| isa.interrupt(cpu)));
    assert_eq!((m.pc, m.state.spr(num::CSRR0)), (0x100, 0x8000));
    assert_eq!(m.state.msr(), msr::ME);
    assert_eq!(op::return_from(&mut m.state, &m.host, 1), 0x8000);
    m.host
        .socket
        .lines
        .store(source::EXTERNAL, Ordering::Relaxed);
    m.pc = 0x8000;
    assert!(m.with(|isa, cpu| isa.interrupt(cpu)));
    assert_eq!((m.pc, m.state.spr(num::EPR)), (0x400, 42));
}

#[test]
fn wait_state_ends_with_an_interrupt() {
    let mut m = Machine::new("e500v2");
    m.msr(msr::WE | msr::EE);
    assert!(!m.isa.is_halted(m.state.as_bytes_mut()), "HID0 has no mode");
    m.set(num::HID0, 1 << 23);
    m.msr(msr::WE | msr::EE);
    assert!(m.isa.is_halted(m.state.as_bytes_mut()));
    m.host
        .socket
        .lines
        .store(source::EXTERNAL, Ordering::Relaxed);
    assert!(m.with(|isa, cpu| isa.interrupt(cpu)));
    assert!(!m.isa.is_halted(m.state.as_bytes_mut()));
    assert_eq!(m.state.spr(num::SRR1), msr::WE | msr::EE);
}

#[test]
fn vector_without_code_stops_the_machine() {
    let mut m = Machine::new("e500v2");
    m.pc = 0;
    assert!(matches!(
        m.fault(0, Access::Exec, KERNEL),
        Outcome::Stuck(_)
    ));
}

#[test]
fn program_interrupts_say_why() {
    let mut m = Machine::new("e500v2");
    m.set(num::IVOR0 + 6, 0x700);
    for (code, bits) in [
        (trap::ILLEGAL, esr::PIL),
        (trap::PRIVILEGED, esr::PPR),
        (trap::TRAP, esr::PTR),
    ] {
        m.pc = 0x1234;
        m.with(|isa, cpu| isa.trap(cpu, code, 0));
        assert_eq!((m.pc, m.state.spr(num::ESR)), (0x700, bits));
    }
    let mut m = Machine::new("750");
    m.msr(msr::IR);
    m.pc = 0x1234;
    m.with(|isa, cpu| isa.trap(cpu, trap::ILLEGAL, 0));
    assert_eq!(
        (m.pc, m.state.spr(num::SRR1)),
        (0x700, 0x0008_0000 | msr::IR)
    );
}

#[test]
fn classic_starts_at_the_high_vector_in_real_mode() {
    let mut m = Machine::new("750");
    assert_eq!(m.pc, 0xfff0_0100);
    assert_eq!(m.walk(0x1234_5678, Access::Write, KERNEL), Ok(0x1234_5678));
}

#[test]
fn blocks_translate_before_pages() {
    let mut m = Machine::new("750");
    // 256 KiB at 0xc0000000, supervisor only, read and write.
    m.set(num::DBAT0U, 0xc000_0000 | 1 << 2 | 2);
    m.set(num::DBAT0U + 1, 0x0004_0002);
    let kernel = index(false, true);
    assert_eq!(m.walk(0xc003_ffff, Access::Write, kernel), Ok(0x7_ffff));
    assert_eq!(
        m.walk(0xc000_0000, Access::Read, index(true, true)),
        Err(fault::NO_PTE)
    );
    assert_eq!(
        m.walk(0xc004_0000, Access::Read, kernel),
        Err(fault::NO_PTE)
    );
    m.set(num::DBAT0U + 1, 0x0004_0001);
    assert_eq!(
        m.walk(0xc000_0000, Access::Write, kernel),
        Err(fault::PROTECTION)
    );
}

#[test]
fn page_table_walk_sets_referenced_and_changed() {
    let mut m = Machine::new("750");
    m.set(num::SDR1, 0x0001_0000);
    m.state.sr[1] = 0x2000_0123;
    let va = 0x1000_5678;
    let kernel = index(false, true);
    let group = u64::from(super::mmu::hash::groups(&m.state, va)[1]);
    // The third entry of the secondary group; page 0x3000, user rights 1 with key: read only.
    m.word(
        group + 16,
        super::mmu::hash::compare_word(&m.state, va) | 0x40,
    );
    m.word(group + 20, 0x0000_3001);
    assert_eq!(m.walk(va, Access::Read, kernel), Ok(0x3678));
    let pte = |m: &Machine| {
        m.host
            .socket
            .memory
            .read(group + 20, 4)
            .map(|v| (v as u32).swap_bytes())
    };
    assert_eq!(pte(&m), Ok(0x3101));
    assert_eq!(
        m.walk(va, Access::Write, index(true, true)),
        Err(fault::PROTECTION)
    );
    assert_eq!(m.walk(va, Access::Write, kernel), Ok(0x3678));
    assert_eq!(pte(&m), Ok(0x3181));
    // Storage interrupt of a store.
    m.msr(msr::DR | msr::PR);
    m.fault(va, Access::Write, index(true, true));
    assert_eq!((m.pc, m.state.spr(num::DSISR)), (0x300, 0x0a00_0000));
    assert_eq!(m.state.spr(num::DAR), va);
}

#[test]
fn registers_are_in_order() {
    use super::spr::{TABLE, find};
    assert!(TABLE.is_sorted_by_key(|s| s.number));
    for s in TABLE {
        let found = find(s.number.into(), s.family).expect("itself");
        assert_eq!((found.name, found.number), (s.name, s.number));
    }
}

#[test]
fn invalidation_empties_a_set() {
    let mut m = Machine::new("750");
    m.state.set_gpr(4, 0x1234_5678);
    m.op(Op::Tlbie, 4 << 11);
    assert_eq!(m.host.pages.borrow()[..], [0x5678]);
}

#[test]
fn segment_registers_are_the_address_space() {
    let mut m = Machine::new("750");
    m.set(num::SDR1, 0x0001_0000);
    let load = |m: &mut Machine, n: u32, v: u32| {
        m.state.set_gpr(3, v);
        let before = m.host.contexts.get();
        let context = m.isa.context(m.state.as_bytes_mut());
        m.op(Op::Mtsr, 3 << 21 | n << 16);
        assert_eq!(m.state.sr[n as usize], v);
        let changed = m.host.contexts.get() - before;
        assert_eq!(
            m.isa.context(m.state.as_bytes_mut()) != context,
            changed == 1
        );
        changed
    };
    assert_eq!(load(&mut m, 1, 0x123), 1);
    let group = u64::from(super::mmu::hash::groups(&m.state, 0x1000_5678)[0]);
    m.word(group, super::mmu::hash::compare_word(&m.state, 0x1000_5678));
    m.word(group + 4, 0x0000_3002);
    let kernel = index(false, true);
    assert_eq!(m.walk(0x1000_5678, Access::Read, kernel), Ok(0x3678));
    assert_eq!(load(&mut m, 15, 0x124), 1);
    assert_eq!(load(&mut m, 1, 0x123), 0, "the same value");
    assert_eq!(load(&mut m, 1, 0x125), 1);
    assert_eq!(load(&mut m, 14, 0x124), 1);
}

#[test]
fn software_fills_the_603() {
    let mut m = Machine::new("603e");
    m.set(num::SDR1, 0x0001_0000);
    m.state.sr[1] = 0x456;
    let kernel = index(false, true);
    m.msr(msr::DR | msr::IR);
    m.state.set_gpr(1, 0x1111);
    m.fault(0x1000_5678, Access::Read, kernel);
    assert_eq!(m.pc, 0x1100);
    assert_ne!(m.state.msr() & msr::TGPR, 0);
    assert_eq!(m.state.gpr(1), 0, "temporary registers");
    assert_eq!(m.state.spr(num::DMISS), 0x1000_5678);
    m.set(num::RPA, 0x0000_9182);
    m.state.set_gpr(2, 0x1000_5678);
    m.op(Op::Tlbld, 2 << 11);
    assert_eq!(m.walk(0x1000_5678, Access::Write, kernel), Ok(0x9678));
    op::return_from(&mut m.state, &m.host, 0);
    assert_eq!(m.state.gpr(1), 0x1111);
    // Way 1 is next.
    m.fault(0x1002_5000, Access::Write, kernel);
    assert_eq!(m.pc, 0x1200);
    assert_ne!(m.state.spr(num::SRR1) & super::mmu::soft603::SRR1_WAY, 0);
}

#[test]
fn p440_entries_are_written_word_by_word() {
    let mut m = Machine::new("440ep");
    assert_eq!(m.walk(0xffff_fffc, Access::Exec, KERNEL), Ok(0x1_ffff_fffc));
    m.set(num::MMUCR, 5);
    m.state.set_gpr(3, 7);
    for (word, v) in [(0u32, 0xc000_0290u32), (1, 0x1000_0002), (2, 0x3f)] {
        m.state.set_gpr(4, v);
        m.op(Op::Tlbwe, 4 << 21 | 3 << 16 | word << 11);
    }
    assert_eq!(m.walk(0xc123_4567, Access::Read, KERNEL), Err(fault::MISS));
    m.set(num::PID, 5);
    assert_eq!(m.walk(0xc123_4567, Access::Read, KERNEL), Ok(0x2_1123_4567));
    m.state.set_gpr(6, 0xc000_0000);
    m.op(Op::Tlbsx, 8 << 21 | 6 << 11 | 1);
    assert_eq!((m.state.gpr(8), m.state.user.cr[0][2]), (7, 1));
    m.set(num::MMUCR, 0);
    m.op(Op::Tlbre, 9 << 21 | 3 << 16);
    assert_eq!((m.state.gpr(9), m.state.spr(num::MMUCR)), (0xc000_0290, 5));
}

#[test]
fn p405_zones_and_device_registers() {
    let mut m = Machine::new("405");
    m.msr(msr::DR);
    m.state.set_gpr(3, 1);
    for (word, v) in [(0u32, 0x4000_0040 | 1 << 7), (1, 0x0000_8000 | 0x10)] {
        m.state.set_gpr(4, v);
        m.op(Op::Tlbwe, 4 << 21 | 3 << 16 | word << 11);
    }
    let (kernel, user) = (index(false, true), index(true, true));
    assert_eq!(m.walk(0x4000_0123, Access::Read, kernel), Ok(0x8123));
    assert_eq!(
        m.walk(0x4000_0123, Access::Write, kernel),
        Err(fault::PROTECTION)
    );
    assert_eq!(m.walk(0x4000_0123, Access::Read, user), Err(fault::ZONE));
    m.set(num::ZPR, 3 << 28);
    assert_eq!(m.walk(0x4000_0123, Access::Write, user), Ok(0x8123));
    m.state.set_gpr(5, 0xabcd);
    // mtdcr 0xc0, r5; mfdcr r6, 0xc0
    // DCR 0xc0: the halves of its number are swapped.
    let dcr = 6 << 11;
    m.op(Op::Mtdcr, 5 << 21 | dcr);
    m.op(Op::Mfdcr, 6 << 21 | dcr);
    assert_eq!(m.state.gpr(6), 0xabcd);
}

#[test]
fn classic_decrementer_counts_through_zero() {
    let mut m = Machine::new("750");
    m.set(22, 100);
    m.at(100);
    m.with(|isa, cpu| isa.timer(cpu));
    assert_eq!(m.state.pending & source::DEC, 0);
    m.at(101);
    m.with(|isa, cpu| isa.timer(cpu));
    assert_eq!(m.state.pending & source::DEC, source::DEC);
    assert_eq!(spr::read(&mut m.state, &m.host, 22), u32::MAX);
    m.msr(msr::EE);
    assert!(m.with(|isa, cpu| isa.interrupt(cpu)));
    assert_eq!((m.pc, m.state.latched), (0x900, 0));
}

fn translate(m: &Machine, mode: u32, insns: &[u32]) -> String {
    let bytes: Vec<u8> = insns.iter().flat_map(|i| i.to_be_bytes()).collect();
    let mut fetch = |va: GuestVa, buf: &mut [u8]| {
        let at = (va.0 - 0x1000) as usize;
        let n = buf.len().min(bytes.len() - at);
        buf[..n].copy_from_slice(&bytes[at..at + n]);
        Ok(n)
    };
    let mut ctx = TranslateCtx {
        fetch: &mut fetch,
        limits: BlockLimits::full(insns.len() as u32),
        parallel: false,
        forward: true,
    };
    match m.isa.translate(0x1000, mode, &mut ctx) {
        Ok(block) => {
            assert!(tcg_ir::verify(&block, m.isa.layout(), m.isa.helpers()).is_ok());
            tcg_ir::text::print(&block, m.isa.layout(), m.isa.helpers())
        }
        Err(e) => panic!("{e:?}"),
    }
}

#[test]
fn privileged_instructions_trap_in_problem_state_only() {
    let m = Machine::new("e500v2");
    let user = crate::Mode::PR;
    // tlbwe, mfmsr r3, mtspr MAS0 r3, wrteei 1, rfi
    for insn in [
        0x7c00_07a4,
        0x7c60_00a6,
        0x7c70_9ba6,
        0x7c00_8146,
        0x4c00_0064,
    ] {
        let code = format!("code={}", trap::PRIVILEGED);
        assert!(translate(&m, user, &[insn]).contains(&code), "{insn:#x}");
        assert!(!translate(&m, 0, &[insn]).contains(&code), "{insn:#x}");
    }
    // mfspr of a register that the e500 does not have (DSISR, which is privileged).
    let code = format!("code={}", trap::BAD_SPR);
    assert!(translate(&m, 0, &[0x7c72_02a6]).contains(&code));
    // rfid does not exist in 32 bits.
    let code = format!("code={}", trap::ILLEGAL);
    assert!(translate(&m, 0, &[0x4c00_0024]).contains(&code));
    assert_eq!(m.state.family & family::CLASSIC, 0);
}

#[test]
fn plain_registers_need_no_helper() {
    let m = Machine::new("e500v2");
    // mtspr SPRG0 r3; mfspr r4 SPRG0; mtspr IVOR4 r3
    let text = translate(&m, 0, &[0x7c70_43a6, 0x7c90_42a6, 0x7c74_63a6]);
    assert!(!text.contains("call"), "{text}");
}

#[test]
fn every_model_has_a_system_level_or_says_so() {
    for name in PpcSystem::names() {
        let config = Config { tb_hz: 1, svr: 0 };
        assert!(PpcSystem::new(name, config).is_some(), "{name}");
    }
    assert!(PpcSystem::new("power9", Config { tb_hz: 1, svr: 0 }).is_none());
}

#[test]
fn changes_of_the_mode_leave_by_an_indirect_jump() {
    // Direct jumps do not ask for the mode.
    let m = Machine::new("440ep");
    // mtmsr r5; isync
    let text = translate(&m, 0, &[0x7ca0_0124, 0x4c00_012c]);
    assert!(text.contains("exit jump"), "{text}");
    assert!(text.contains("dynamic"), "{text}");
    // wrteei 1: only if an interrupt waits.
    let text = translate(&m, 0, &[0x7c00_8146]);
    assert!(text.contains("exit jump"), "{text}");
}
