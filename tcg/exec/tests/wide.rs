//! A 64-bit guest whose addresses are the host's: faults at unmapped, not canonical and tagged addresses, and the ISA's
//! wish to run an instruction again with addresses masked.

#![allow(dead_code)]

mod toy;

use std::sync::Arc;
use tcg_exec::{Backend, Engine, Exit, Vcpu};
use tcg_ir::{
    Addr, Block, Builder, ExitInfo, ExitKind, FpMode, HelperDef, MemFlags, Op, Slot, StateLayout,
    Ty, Value,
};
use tcg_mem::{Access, Endian, FaultKind, GuestVa, HostProt, MapSource, MemFault, PAGE, UserMem};
use tcg_target::{CodeMemory, Isa, StateBlock, TranslateCtx, WriteFault};

/// Where the code lies: far above 4 GiB.
const TEXT: u64 = 0x1234_5678_9000;
const DATA: u64 = 0x1300_0000_0000;

#[repr(C)]
struct Regs {
    r: [u64; 8],
}

// SAFETY: repr(C), plain integers.
unsafe impl StateBlock for Regs {}

static LAYOUT: StateLayout = StateLayout {
    pinned: &[],
    bytes: 64,
    peek: &[],
    names: &[],
    bits: &[],
};

/// In this mode the top byte of addresses is ignored.
const MASKED: u32 = 1;

/// Words: operation (0 trap, 1 load, 2 store), register, base register, displacement.
struct Wide {
    tags: bool,
}

fn word(op: u32, reg: u32, base: u32, disp: i16) -> u32 {
    op << 24 | reg << 20 | base << 16 | u32::from(disp as u16)
}

impl Isa for Wide {
    fn name(&self) -> &'static str {
        "wide"
    }
    fn layout(&self) -> &'static StateLayout {
        &LAYOUT
    }
    fn state_bytes(&self) -> usize {
        size_of::<Regs>()
    }
    fn reset(&self, state: &mut [u8]) {
        state.fill(0);
    }
    fn helpers(&self) -> &'static [HelperDef] {
        &[]
    }
    fn mode(&self, _state: &[u8], current: u32) -> u32 {
        current
    }
    fn fp_modes(&self, _mode: u32) -> [FpMode; 2] {
        [FpMode::IEEE, FpMode::IEEE]
    }
    fn retry_fault(&self, mode: u32, _fault: &MemFault) -> Option<u32> {
        self.tags.then_some(mode | MASKED)
    }
    fn translate(&self, pc: u64, mode: u32, ctx: &mut TranslateCtx<'_>) -> Result<Block, MemFault> {
        let mut b = Builder::new(pc, mode, &LAYOUT);
        let mut at = pc;
        loop {
            let mut raw = [0; 4];
            (ctx.fetch)(GuestVa(at), &mut raw)?;
            let w = u32::from_le_bytes(raw);
            let slot = |n: u32| Slot::new((n & 7) as usize * 8, Ty::I64);
            b.insn_start(at, mode);
            at += 4;
            if w >> 24 == 0 {
                break;
            }
            let mut base = b.get(slot(w >> 16));
            if mode & MASKED != 0 {
                let mask = b.i64(!0 >> 8);
                base = b.bin(Op::And, Ty::I64, base, mask);
            }
            let addr = Addr::base_disp(base, i32::from(w as u16 as i16));
            if w >> 24 == 1 {
                let v = b.load(Ty::I64, addr, MemFlags::size(3));
                b.set(slot(w >> 20), v);
            } else {
                let v = b.get(slot(w >> 20));
                b.store(addr, v, MemFlags::size(3));
            }
        }
        let exit = ExitInfo {
            kind: ExitKind::Trap { code: 1, info: 0 },
            pc: at,
            mode,
            mode_dynamic: false,
            ret_pc: 0,
            dead: 0,
            check: false,
        };
        b.exit(exit, Value::NONE);
        let mut block = b.finish();
        block.end_pc = at;
        Ok(block)
    }
    fn disassemble(&self, _pc: u64, _mode: u32, _bytes: &[u8]) -> (String, usize) {
        (String::new(), 4)
    }
    fn dump(&self, _state: &[u8], _pc: u64, _mode: u32) -> String {
        String::new()
    }
}

struct Memory(UserMem);

impl CodeMemory for Memory {
    fn fetch(&self, va: GuestVa, buf: &mut [u8]) -> Result<usize, MemFault> {
        self.0.read(va, buf).map(|()| buf.len())
    }
    fn protect_code(&self, _va: GuestVa, _len: u64) -> bool {
        false
    }
    fn classify(&self, va: GuestVa, access: Access) -> WriteFault {
        let kind = FaultKind::Unmapped;
        WriteFault::Fault(MemFault { va, access, kind })
    }
    fn release_code(&self, _page: GuestVa, _stale: &mut dyn FnMut(GuestVa, u64)) {}
}

/// Runs the words with r1 = `base`, r2 = 42; what came of it.
fn run(backend: Backend, tags: bool, base: u64, words: &[u32]) -> (Exit, Vcpu) {
    static ONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _one_at_a_time = ONE.lock().unwrap_or_else(|e| e.into_inner());
    toy::prepare_thread();
    let mem = UserMem::identity();
    assert_eq!(mem.base(), 0);
    for at in [TEXT, DATA] {
        let source = MapSource::Anonymous;
        mem.map(
            GuestVa(at),
            PAGE,
            HostProt::ReadWrite,
            false,
            libc::MAP_FIXED_NOREPLACE,
            source,
        )
        .unwrap();
    }
    let all = words.iter().chain(&[0]);
    for (k, w) in all.enumerate() {
        let va = GuestVa(TEXT + 4 * k as u64);
        mem.store_u32(va, Endian::Little, *w).unwrap();
    }
    mem.store_u64(GuestVa(DATA + 8), Endian::Little, 7).unwrap();
    let isa: &'static Wide = Box::leak(Box::new(Wide { tags }));
    let engine = Engine::new(isa, mem, Arc::new(Memory(mem)), toy::config(backend)).unwrap();
    let mut cpu = Vcpu::new(engine).unwrap();
    cpu.set_pc(TEXT);
    let r = &mut cpu.state_mut::<Regs>().r;
    (r[1], r[2]) = (base, 42);
    let exit = cpu.run();
    for at in [TEXT, DATA] {
        mem.unmap(GuestVa(at), PAGE).unwrap();
    }
    (exit, cpu)
}

const LOAD: u32 = 1;
const STORE: u32 = 2;

fn fault(va: u64, access: Access) -> Exit {
    let kind = FaultKind::Unmapped;
    let va = GuestVa(va);
    Exit::Fault(MemFault { va, access, kind })
}

#[test]
fn memory_far_above_four_gigabytes_is_reached() {
    for b in toy::BACKENDS {
        let code = [
            word(STORE, 2, 1, 0),
            word(LOAD, 3, 1, 0),
            word(LOAD, 4, 1, 8),
        ];
        let (exit, cpu) = run(*b, false, DATA, &code);
        assert_eq!(exit, Exit::Trap { code: 1, info: 0 });
        assert_eq!(cpu.state::<Regs>().r[3..5], [42, 7]);
    }
}

#[test]
fn bad_addresses_are_told_exactly_and_the_state_before_is_kept() {
    for b in toy::BACKENDS {
        // Not mapped; the kernel's half; not canonical; the end of the user's half; wrapping around.
        for base in [
            DATA + PAGE,
            0xffff_8000_0000_0000,
            0x0000_8000_0000_0000,
            0x8000_0000_0000_1230,
            0xff00_0000_0000_0000 | DATA,
            (1 << 47) - PAGE,
            u64::MAX - 3,
        ] {
            for (op, access) in [(LOAD, Access::Read), (STORE, Access::Write)] {
                let (exit, cpu) = run(*b, false, base, &[word(op, 2, 1, 0)]);
                assert_eq!(exit, fault(base, access), "{b:?}");
                assert_eq!(cpu.pc(), TEXT);
                assert_eq!(cpu.state::<Regs>().r[2], 42);
            }
        }
        let (exit, _) = run(*b, false, 0x7fff_ffff_ffff_fff8, &[word(LOAD, 2, 1, 16)]);
        assert_eq!(exit, fault(0x8000_0000_0000_0008, Access::Read));
    }
}

#[test]
fn tagged_addresses_work_from_the_first_fault_on_where_the_isa_ignores_tags() {
    for b in toy::BACKENDS {
        let tagged = 0xa5 << 56 | DATA;
        let code = [word(STORE, 2, 1, 0), word(LOAD, 3, 1, 0)];
        let (exit, cpu) = run(*b, true, tagged, &code);
        assert_eq!(exit, Exit::Trap { code: 1, info: 0 });
        assert_eq!((cpu.state::<Regs>().r[3], cpu.mode()), (42, MASKED));
        // Without the tag it is as bad as ever, and there is no way round.
        let (exit, _) = run(*b, true, tagged + PAGE, &code);
        assert_eq!(exit, fault(DATA + PAGE, Access::Write));
    }
}
