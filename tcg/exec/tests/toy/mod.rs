//! A toy instruction set, a guest memory with code pages, and a signal handler: what the tests of the engine run on.
//!
//! Instructions are 32-bit words: operation, a (4 bits), b (4 bits), 16-bit signed immediate. Eight registers; r7
//! is the link register, r6 the stack pointer by convention.

#![allow(dead_code)]

use std::cell::Cell;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Once};
use tcg_exec::{Backend, Engine, EngineConfig, Exit, Vcpu, handle_host_fault};
use tcg_ir::{
    Addr, Block, Builder, Cond, Effects, ExitInfo, ExitKind, FpMode, HelperDef, HelperId,
    IndirectHint, MemFlags, Op, Slot, StateLayout, Ty, Value,
};
use tcg_mem::{Access, Endian, FaultKind, GuestVa, HostProt, MapSource, MemFault, PAGE, UserMem};
use tcg_target::{CodeMemory, EnvHeader, Isa, StateBlock, TranslateCtx, WriteFault};

/// Guest registers.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Regs {
    pub r: [u32; 8],
    /// The block mode: 1 makes `addi` add twice.
    pub mode: u32,
    pub pad: [u32; 7],
}

// SAFETY: repr(C), plain integers.
unsafe impl StateBlock for Regs {}

const MODE: Slot = Slot::new(32, Ty::I32);

static LAYOUT: StateLayout = StateLayout {
    pinned: &[Slot::new(0, Ty::I32), Slot::new(8, Ty::I32)],
    bytes: 64,
    peek: &[],
    bits: &[],
    names: &[],
};

/// Traps with code 77 if the argument is odd, otherwise gives three times the argument.
unsafe extern "C" fn triple_even(env: *mut u8, a: u64, _: u64, _: u64, _: u64) -> u64 {
    if a & 1 != 0 {
        // SAFETY: the header lies below the state block.
        let h = unsafe { &mut *env.sub(size_of::<EnvHeader>()).cast::<EnvHeader>() };
        (h.exit_kind, h.exit_code, h.exit_info) = (1, 77, a);
    }
    u64::from((a as u32).wrapping_mul(3))
}

static HELPERS: [HelperDef; 1] = [HelperDef {
    name: "triple_even",
    args: &[Ty::I32],
    ret: Ty::I32,
    effects: Effects::StateMayExit,
    func: triple_even,
}];

/// The instruction set.
pub struct Toy;

/// Translated guest instructions of all tests (for seeing that something was translated again).
pub static TRANSLATED: AtomicU32 = AtomicU32::new(0);

fn reg(n: u32) -> Slot {
    Slot::new((n & 7) as usize * 4, Ty::I32)
}

struct Word {
    op: u32,
    a: u32,
    b: u32,
    imm: i32,
}

fn split(w: u32) -> Word {
    Word {
        op: w >> 24,
        a: w >> 20 & 15,
        b: w >> 16 & 15,
        imm: i32::from(w as u16 as i16),
    }
}

struct Tr<'a> {
    b: Builder<'a>,
    pc: u32,
    mode: u32,
}

impl Tr<'_> {
    fn to(&self, kind: ExitKind, pc: u32) -> ExitInfo {
        ExitInfo {
            kind,
            pc: pc.into(),
            mode: self.mode,
            mode_dynamic: false,
            ret_pc: u64::from(self.pc.wrapping_add(4)),
            dead: 0,
            check: matches!(kind, ExitKind::DirectCall | ExitKind::Indirect(_)) || pc <= self.pc,
        }
    }

    /// Emits one instruction; true if the block ends.
    fn insn(&mut self, i: &Word) -> bool {
        let next = self.pc.wrapping_add(4);
        let rel = self.pc.wrapping_add((i.imm as u32).wrapping_mul(4));
        let (a, b) = (reg(i.a), reg(i.b));
        let word = MemFlags::size(2);
        match i.op {
            1 => {
                let times = if self.mode & 1 != 0 { 2 } else { 1 };
                let k = self.b.i32((i.imm * times) as u32);
                let x = self.b.get(b);
                let v = self.b.bin(Op::Add, Ty::I32, x, k);
                self.b.set(a, v);
            }
            2 => {
                let (x, y) = (self.b.get(a), self.b.get(b));
                let v = self.b.bin(Op::Add, Ty::I32, x, y);
                self.b.set(a, v);
            }
            3 => {
                let base = self.b.get(b);
                let v = self.b.load(Ty::I32, Addr::base_disp(base, i.imm), word);
                self.b.set(a, v);
            }
            4 => {
                let (base, v) = (self.b.get(b), self.b.get(a));
                self.b.store(Addr::base_disp(base, i.imm), v, word);
            }
            5 => {
                let x = self.b.get(a);
                let zero = self.b.i32(0);
                let c = self.b.icmp(Cond::Ne, x, zero);
                let taken = self.to(ExitKind::Direct, rel);
                self.b.exit_if(c, taken, Value::NONE);
                let fall = self.to(ExitKind::Direct, next);
                self.b.exit(fall, Value::NONE);
                return true;
            }
            6 => {
                let e = self.to(ExitKind::Direct, rel);
                self.b.exit(e, Value::NONE);
                return true;
            }
            7 | 10 => {
                let target = self.b.get(a);
                let ret = self.b.i32(next);
                self.b.set(reg(7), ret);
                let (kind, operand) = match i.op {
                    7 => (ExitKind::DirectCall, Value::NONE),
                    _ => (ExitKind::Indirect(IndirectHint::Call), target),
                };
                let e = self.to(kind, rel);
                self.b.exit(e, operand);
                return true;
            }
            8 | 9 | 13 => {
                let hint = match i.op {
                    8 => IndirectHint::Return,
                    9 => IndirectHint::Jump,
                    _ => IndirectHint::Table,
                };
                let target = self.b.get(if i.op == 8 { reg(7) } else { a });
                let e = self.to(ExitKind::Indirect(hint), 0);
                self.b.exit(e, target);
                return true;
            }
            11 => {
                let x = self.b.get(b);
                let v = self.b.call(HelperId(0), &HELPERS[0], &[x]);
                self.b.set(a, v);
            }
            12 => {
                let v = self.b.i32((i.imm as u32) << 16);
                self.b.set(a, v);
            }
            14 => {
                let m = self.b.i32(i.imm as u32);
                self.b.set(MODE, m);
                let target = self.b.i32(next);
                let mut e = self.to(ExitKind::Indirect(IndirectHint::Table), 0);
                e.mode_dynamic = true;
                self.b.exit(e, target);
                return true;
            }
            15 => {
                let x = self.b.get(a);
                let y = self.b.get(b);
                let v = self.b.bin(Op::Xor, Ty::I32, x, y);
                self.b.set(a, v);
            }
            _ => {
                let code = if i.op == 0 { i.imm as u32 } else { 999 };
                let x = self.b.get(a);
                let e = self.to(ExitKind::Trap { code, info: 0 }, next);
                self.b.exit(e, x);
                return true;
            }
        }
        false
    }
}

impl Isa for Toy {
    fn name(&self) -> &'static str {
        "toy"
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
        &HELPERS
    }
    fn mode(&self, state: &[u8], _current: u32) -> u32 {
        u32::from(state[32] & 1)
    }
    fn fp_modes(&self, _mode: u32) -> [FpMode; 2] {
        [FpMode::IEEE, FpMode::FLUSHING]
    }
    fn translate(&self, pc: u64, mode: u32, ctx: &mut TranslateCtx<'_>) -> Result<Block, MemFault> {
        let mut t = Tr {
            b: Builder::new(pc, mode, &LAYOUT),
            pc: pc as u32,
            mode,
        };
        let mut n = 0;
        let mut ended = false;
        while !ended && !ctx.limits.reached(n, t.b.block.exits.len()) {
            let mut w = [0; 4];
            let got = (ctx.fetch)(GuestVa(t.pc.into()), &mut w);
            match got {
                Ok(4) => {}
                Err(f) if n == 0 => return Err(f),
                _ => break,
            }
            t.b.insn_start(t.pc.into(), mode);
            TRANSLATED.fetch_add(1, Ordering::Relaxed);
            ended = t.insn(&split(u32::from_le_bytes(w)));
            t.pc = t.pc.wrapping_add(4);
            n += 1;
        }
        if !ended {
            let mut e = t.to(ExitKind::Direct, t.pc);
            e.check = false;
            t.b.exit(e, Value::NONE);
        }
        let end = t.pc;
        let mut block = t.b.finish();
        block.end_pc = end.into();
        Ok(block)
    }
    fn disassemble(&self, _pc: u64, _mode: u32, bytes: &[u8]) -> (String, usize) {
        (format!("{bytes:x?}"), 4)
    }
    fn dump(&self, _state: &[u8], pc: u64, _mode: u32) -> String {
        format!("pc={pc:x}")
    }
}

// ---- a small assembler ----

fn enc(op: u32, a: u32, b: u32, imm: i32) -> u32 {
    op << 24 | a << 20 | b << 16 | (imm as u32 & 0xffff)
}
pub fn trap(code: i32, a: u32) -> u32 {
    enc(0, a, 0, code)
}
pub fn addi(a: u32, b: u32, imm: i32) -> u32 {
    enc(1, a, b, imm)
}
pub fn add(a: u32, b: u32) -> u32 {
    enc(2, a, b, 0)
}
pub fn ld(a: u32, b: u32, imm: i32) -> u32 {
    enc(3, a, b, imm)
}
pub fn st(a: u32, b: u32, imm: i32) -> u32 {
    enc(4, a, b, imm)
}
pub fn bnz(a: u32, words: i32) -> u32 {
    enc(5, a, 0, words)
}
pub fn jmp(words: i32) -> u32 {
    enc(6, 0, 0, words)
}
pub fn call(words: i32) -> u32 {
    enc(7, 0, 0, words)
}
pub fn ret() -> u32 {
    enc(8, 0, 0, 0)
}
pub fn jr(a: u32) -> u32 {
    enc(9, a, 0, 0)
}
pub fn callr(a: u32) -> u32 {
    enc(10, a, 0, 0)
}
pub fn triple(a: u32, b: u32) -> u32 {
    enc(11, a, b, 0)
}
pub fn lui(a: u32, imm: i32) -> u32 {
    enc(12, a, 0, imm)
}
pub fn jt(a: u32) -> u32 {
    enc(13, a, 0, 0)
}
pub fn set_mode(m: i32) -> u32 {
    enc(14, 0, 0, m)
}
pub fn xor(a: u32, b: u32) -> u32 {
    enc(15, a, b, 0)
}

// ---- memory ----

const NONE: u8 = 0;
const WRITABLE: u8 = 1;
const CODE: u8 = 2;
const READ_ONLY: u8 = 3;

/// Guest memory of 1 MiB with a state for each page.
pub struct ToyMemory {
    pub mem: UserMem,
    pages: Vec<AtomicU8>,
}

pub const LIMIT: u64 = 1 << 20;
/// Where tests put code.
pub const TEXT: u64 = 0x1_0000;
/// A second code area.
pub const TEXT2: u64 = 0x2_0000;
/// Writable data.
pub const DATA: u64 = 0x4_0000;
/// The guest's stack (top).
pub const STACK: u64 = 0x9_0000;
/// A read-only page.
pub const RODATA: u64 = 0xa_0000;
/// Nothing is mapped here.
pub const HOLE: u64 = 0xb_0000;

impl ToyMemory {
    fn new() -> ToyMemory {
        let mem = UserMem::reserve(LIMIT).unwrap();
        let m = ToyMemory {
            mem,
            pages: (0..LIMIT / PAGE).map(|_| AtomicU8::new(NONE)).collect(),
        };
        for (start, len, prot) in [
            (TEXT, 0x2_0000, WRITABLE),
            (DATA, 0x1_0000, WRITABLE),
            (0x5_0000, 0x4_0000, WRITABLE),
            (RODATA, PAGE, READ_ONLY),
        ] {
            let host = if prot == WRITABLE {
                HostProt::ReadWrite
            } else {
                HostProt::Read
            };
            let src = MapSource::Anonymous;
            mem.map(GuestVa(start), len, host, false, 0, src).unwrap();
            for p in start / PAGE..(start + len) / PAGE {
                m.pages[p as usize].store(prot, Ordering::SeqCst);
            }
        }
        m
    }

    pub fn is_protected(&self, va: u64) -> bool {
        self.pages[(va / PAGE) as usize].load(Ordering::SeqCst) == CODE
    }
}

impl CodeMemory for ToyMemory {
    fn fetch(&self, va: GuestVa, buf: &mut [u8]) -> Result<usize, MemFault> {
        self.mem
            .read(va, buf)
            .map(|()| buf.len())
            .map_err(|f| MemFault {
                access: Access::Exec,
                ..f
            })
    }

    fn protect_code(&self, va: GuestVa, len: u64) -> bool {
        assert_eq!(len, PAGE);
        let page = &self.pages[(va.0 / PAGE) as usize];
        let was = page.load(Ordering::SeqCst);
        if was == WRITABLE {
            // The state first, so that a fault finds it.
            page.store(CODE, Ordering::SeqCst);
            self.mem.protect(va, len, HostProt::Read).unwrap();
        }
        true
    }

    fn classify(&self, va: GuestVa, access: Access) -> WriteFault {
        let fault = |kind| WriteFault::Fault(MemFault { va, access, kind });
        let Some(page) = self.pages.get((va.0 / PAGE) as usize) else {
            return fault(FaultKind::Unmapped);
        };
        let start = GuestVa(va.0 & !(PAGE - 1));
        match (page.load(Ordering::SeqCst), access) {
            (NONE, _) => fault(FaultKind::Unmapped),
            (CODE, Access::Write) => WriteFault::Code(start),
            (READ_ONLY, Access::Write) => fault(FaultKind::Protection),
            _ => WriteFault::Retry,
        }
    }

    fn release_code(&self, page: GuestVa, stale: &mut dyn FnMut(GuestVa, u64)) {
        let state = &self.pages[(page.0 / PAGE) as usize];
        stale(page, PAGE);
        if state.load(Ordering::SeqCst) == CODE {
            self.mem.protect(page, PAGE, HostProt::ReadWrite).unwrap();
            state.store(WRITABLE, Ordering::SeqCst);
        }
    }
}

// ---- the host side ----

extern "C" fn on_fault(sig: i32, info: *mut libc::siginfo_t, uc: *mut libc::c_void) {
    // SAFETY: the arguments are the handler's own.
    if !unsafe { handle_host_fault(sig, info, uc.cast()) } {
        // Falls into the default action at the second try.
        // SAFETY: resets a handler.
        unsafe { libc::signal(sig, libc::SIG_DFL) };
    }
}

/// The handler for the process and a signal stack for this thread.
pub fn prepare_thread() {
    static HANDLER: Once = Once::new();
    thread_local!(static DONE: Cell<bool> = const { Cell::new(false) });
    HANDLER.call_once(|| {
        // SAFETY: installs a handler that only deals with faults of the engine.
        unsafe {
            let mut sa: libc::sigaction = std::mem::zeroed();
            sa.sa_sigaction = on_fault as *const () as usize;
            sa.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            assert_eq!(libc::sigaction(libc::SIGSEGV, &sa, std::ptr::null_mut()), 0);
            assert_eq!(libc::sigaction(libc::SIGBUS, &sa, std::ptr::null_mut()), 0);
        }
    });
    if !DONE.replace(true) {
        let stack = Box::leak(vec![0u8; 128 << 10].into_boxed_slice());
        let ss = libc::stack_t {
            ss_sp: stack.as_mut_ptr().cast(),
            ss_flags: 0,
            ss_size: stack.len(),
        };
        // SAFETY: the memory is leaked, so it stays.
        assert_eq!(unsafe { libc::sigaltstack(&ss, std::ptr::null_mut()) }, 0);
    }
}

/// A guest: memory, engine, one virtual CPU.
pub struct Guest {
    pub memory: Arc<ToyMemory>,
    pub engine: Arc<Engine>,
    pub cpu: Vcpu,
}

impl Guest {
    pub fn new(cfg: EngineConfig) -> Guest {
        prepare_thread();
        let memory = Arc::new(ToyMemory::new());
        let mem = memory.mem;
        let code: Arc<dyn CodeMemory> = Arc::clone(&memory) as _;
        let engine = Engine::new(&Toy, mem, code, cfg).unwrap();
        let mut cpu = Vcpu::new(Arc::clone(&engine)).unwrap();
        cpu.set_pc(TEXT);
        cpu.state_mut::<Regs>().r[6] = STACK as u32;
        Guest {
            memory,
            engine,
            cpu,
        }
    }

    pub fn with(backend: Backend) -> Guest {
        Guest::new(config(backend))
    }

    /// Puts code into memory as the front end would.
    pub fn write(&self, at: u64, words: &[u32]) {
        for (k, w) in words.iter().enumerate() {
            let va = GuestVa(at + 4 * k as u64);
            self.memory.mem.store_u32(va, Endian::Little, *w).unwrap();
        }
    }

    pub fn word(&self, at: u64) -> u32 {
        self.memory
            .mem
            .load_u32(GuestVa(at), Endian::Little)
            .unwrap()
    }

    pub fn r(&self, n: usize) -> u32 {
        self.cpu.state::<Regs>().r[n]
    }

    pub fn set(&mut self, n: usize, v: u32) {
        self.cpu.state_mut::<Regs>().r[n] = v;
    }

    /// Runs from an address until a trap with this code; gives its argument.
    pub fn run_to(&mut self, pc: u64, code: u32) -> u64 {
        self.cpu.set_pc(pc);
        match self.cpu.run() {
            Exit::Trap { code: c, info } if c == code => info,
            other => panic!("{other:?} at {:#x}", self.cpu.pc()),
        }
    }
}

pub fn config(backend: Backend) -> EngineConfig {
    EngineConfig {
        backend,
        // Counts of blocks and links are those of full translations unless a test is about the others.
        brief_runs: 0,
        ..EngineConfig::default()
    }
}

/// What every test runs on.
pub const BACKENDS: &[Backend] = &[Backend::Interp, Backend::Jit];
