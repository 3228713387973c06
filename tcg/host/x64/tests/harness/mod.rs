//! A runtime just large enough to run compiled blocks: environment, code buffer, guest window, entry and exit stubs,
//! fault handler.
#![allow(dead_code)]

pub mod ram;

use std::arch::global_asm;
use std::mem::{offset_of, size_of};
use std::sync::atomic::Ordering;
use tcg_ir::{Block, HelperDef, HelperFn, StateLayout};
use tcg_target::system::MMU_INDEXES;
use tcg_target::{
    EnvHeader, GUESS_BYTES, GUESS_CHUNK, GUESS_CHUNKS, Guess, JUMP_CACHE_ENTRIES, JumpCacheEntry,
    RUNTIME_ENTRIES, TLB_BYTES, TLB_ENTRIES, TLB_INVALID, TlbEntry, tlb_index,
};
use tcg_x64::{CompiledBlock, Features, Opts, Pins, restore_state, want};

const fn hdr(off: usize) -> i32 {
    off as i32 - size_of::<EnvHeader>() as i32
}

global_asm!(
    ".global x64_test_enter",
    "x64_test_enter:",
    "push rbx",
    "push rbp",
    "push r12",
    "push r13",
    "push r14",
    "push r15",
    "sub rsp, 8",
    "mov [rdi + {host}], rsp",
    "mov rbp, rdi",
    "mov r10, [rbp + {gprs} + 80]",
    "mov r11, [rbp + {gprs} + 88]",
    "mov r12, [rbp + {gprs} + 96]",
    "mov r13, [rbp + {gprs} + 104]",
    "mov r14, [rbp + {gprs} + 112]",
    "mov r15, [rbp + {gprs} + 120]",
    "mov rsp, [rdi + {jit}]",
    "jmp rsi",
    ".global x64_test_exit",
    "x64_test_exit:",
    "mov [rbp + {gprs} + 80], r10",
    "mov [rbp + {gprs} + 88], r11",
    "mov [rbp + {gprs} + 96], r12",
    "mov [rbp + {gprs} + 104], r13",
    "mov [rbp + {gprs} + 112], r14",
    "mov [rbp + {gprs} + 120], r15",
    "mov [rbp + {jit}], rsp",
    "mov rsp, [rbp + {host}]",
    "add rsp, 8",
    "pop r15",
    "pop r14",
    "pop r13",
    "pop r12",
    "pop rbp",
    "pop rbx",
    "ret",
    ".global x64_test_lookup",
    "x64_test_lookup:",
    "mov dword ptr [rbp + {kind}], 100",
    "jmp x64_test_exit",
    // Called by the stub of a direct link, or of an interrupt on the way there.
    ".global x64_test_link",
    "x64_test_link:",
    "pop rax",
    "mov [rbp + {info}], rax",
    "mov dword ptr [rbp + {kind}], 102",
    "jmp x64_test_exit",
    // Target in rax, mode in edx.
    ".global x64_test_probe",
    "x64_test_probe:",
    "mov [rbp + {pc}], rax",
    "mov [rbp + {mode}], edx",
    "jmp x64_test_lookup",
    // A memory access that the soft TLB has no entry for.
    ".global x64_test_memory",
    "x64_test_memory:",
    "mov [rbp + {gprs} + 8], rcx",
    "mov [rbp + {gprs} + 16], rdx",
    "mov [rbp + {gprs} + 24], rbx",
    "mov [rbp + {gprs} + 48], rsi",
    "mov [rbp + {gprs} + 56], rdi",
    "mov [rbp + {gprs} + 64], r8",
    "mov [rbp + {gprs} + 72], r9",
    "mov [rbp + {gprs} + 80], r10",
    "mov [rbp + {gprs} + 88], r11",
    "mov [rbp + {gprs} + 96], r12",
    "mov [rbp + {gprs} + 104], r13",
    "mov [rbp + {gprs} + 112], r14",
    "mov [rbp + {gprs} + 120], r15",
    "movaps [rbp + {xmms} + 0], xmm0",
    "movaps [rbp + {xmms} + 16], xmm1",
    "movaps [rbp + {xmms} + 32], xmm2",
    "movaps [rbp + {xmms} + 48], xmm3",
    "movaps [rbp + {xmms} + 64], xmm4",
    "movaps [rbp + {xmms} + 80], xmm5",
    "movaps [rbp + {xmms} + 96], xmm6",
    "movaps [rbp + {xmms} + 112], xmm7",
    "movaps [rbp + {xmms} + 128], xmm8",
    "movaps [rbp + {xmms} + 144], xmm9",
    "movaps [rbp + {xmms} + 160], xmm10",
    "movaps [rbp + {xmms} + 176], xmm11",
    "movaps [rbp + {xmms} + 192], xmm12",
    "movaps [rbp + {xmms} + 208], xmm13",
    "movaps [rbp + {xmms} + 224], xmm14",
    "movaps [rbp + {xmms} + 240], xmm15",
    "mov rdi, rbp",
    "mov rsi, rax",
    "mov rdx, [rsp]",
    "mov rcx, [rsp + 8]",
    "stmxcsr [rbp + {mxcsr}]",
    "mov [rbp + {jit}], rsp",
    "mov rsp, [rbp + {host}]",
    "call {memory}",
    "mov rsp, [rbp + {jit}]",
    "ldmxcsr [rbp + {mxcsr}]",
    "test rax, rax",
    "jz x64_test_exit",
    "mov rcx, [rbp + {gprs} + 8]",
    "mov rdx, [rbp + {gprs} + 16]",
    "mov rbx, [rbp + {gprs} + 24]",
    "mov rsi, [rbp + {gprs} + 48]",
    "mov rdi, [rbp + {gprs} + 56]",
    "mov r8, [rbp + {gprs} + 64]",
    "mov r9, [rbp + {gprs} + 72]",
    "mov r10, [rbp + {gprs} + 80]",
    "mov r11, [rbp + {gprs} + 88]",
    "mov r12, [rbp + {gprs} + 96]",
    "mov r13, [rbp + {gprs} + 104]",
    "mov r14, [rbp + {gprs} + 112]",
    "mov r15, [rbp + {gprs} + 120]",
    "movaps xmm0, [rbp + {xmms} + 0]",
    "movaps xmm1, [rbp + {xmms} + 16]",
    "movaps xmm2, [rbp + {xmms} + 32]",
    "movaps xmm3, [rbp + {xmms} + 48]",
    "movaps xmm4, [rbp + {xmms} + 64]",
    "movaps xmm5, [rbp + {xmms} + 80]",
    "movaps xmm6, [rbp + {xmms} + 96]",
    "movaps xmm7, [rbp + {xmms} + 112]",
    "movaps xmm8, [rbp + {xmms} + 128]",
    "movaps xmm9, [rbp + {xmms} + 144]",
    "movaps xmm10, [rbp + {xmms} + 160]",
    "movaps xmm11, [rbp + {xmms} + 176]",
    "movaps xmm12, [rbp + {xmms} + 192]",
    "movaps xmm13, [rbp + {xmms} + 208]",
    "movaps xmm14, [rbp + {xmms} + 224]",
    "movaps xmm15, [rbp + {xmms} + 240]",
    "ret 8",
    gprs = const hdr(offset_of!(EnvHeader, saved_gprs)),
    xmms = const hdr(offset_of!(EnvHeader, saved_xmms)),
    mxcsr = const hdr(offset_of!(EnvHeader, saved_mxcsr)),
    memory = sym memory,
    pc = const hdr(offset_of!(EnvHeader, pc)),
    mode = const hdr(offset_of!(EnvHeader, mode)),
    info = const hdr(offset_of!(EnvHeader, exit_info)),
    host = const hdr(offset_of!(EnvHeader, host_rsp)),
    jit = const hdr(offset_of!(EnvHeader, jit_rsp)),
    kind = const hdr(offset_of!(EnvHeader, exit_kind)),
);

unsafe extern "C" {
    fn x64_test_enter(env: *mut u8, code: *const u8);
    fn x64_test_exit();
    fn x64_test_lookup();
    fn x64_test_link();
    fn x64_test_probe();
    fn x64_test_memory();
}

/// `exit_kind` that the harness gives for jumps to other blocks.
pub const KIND_JUMP: u32 = 100;
/// `exit_kind` that the harness gives for host faults.
pub const KIND_HOST_FAULT: u32 = 101;
/// The same for direct links, whose targets are looked up in the block's list.
const KIND_LINK: u32 = 102;

const JIT_STACK: usize = 64 << 10;
const CODE_BYTES: usize = 1 << 20;
/// Size of the guest window in bytes (guest addresses wrap at 4 GiB).
const WINDOW: usize = (1 << 32) + (1 << 20);

/// Why the block was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    pub kind: u32,
    pub code: u32,
    pub info: u64,
    pub pc: u64,
    pub mode: u32,
}

/// One virtual CPU with memory.
pub struct Machine {
    env: *mut u8,
    code: *mut u8,
    pub guest: *mut u8,
    helpers: Vec<HelperFn>,
    state_bytes: usize,
    mapped: (u32, usize),
    /// The slots that the blocks to be run have in registers.
    pub pins: Pins,
}

#[derive(Clone, Copy)]
struct Current {
    code: *const u8,
    len: usize,
    maps: *const u8,
    maps_len: usize,
    env: *mut u8,
    state_bytes: usize,
    guest: *mut u8,
    mapped: (u32, usize),
    pins: Pins,
}

/// The soft TLB that the tests use.
pub const MMU: u8 = 2;

/// Handles an access beside the soft TLB: within the mapped guest memory it succeeds, elsewhere it is a fault.
extern "C" fn memory(env: *mut u8, va: u64, ret: u64, what: u64) -> u64 {
    let Some(cur) = CURRENT.get() else {
        std::process::abort()
    };
    // SAFETY: the header of the machine that runs.
    let header = unsafe { &mut *env.cast::<EnvHeader>().sub(1) };
    let (start, len) = (u64::from(cur.mapped.0), cur.mapped.1 as u64);
    let bytes = 1u64 << (what & 15);
    assert_eq!(what >> want::MMU & 7, u64::from(MMU));
    for (k, r) in want::HELD.into_iter().enumerate() {
        // As if more than memory had been reached.
        if what >> (want::HELD_BITS + k as u32) & 1 != 0 && va & 4 != 0 {
            header.saved_gprs[usize::from(r)] = 0;
        }
    }
    if va < start || va + bytes > start + len {
        let off = ret - cur.code as u64;
        // SAFETY: the maps and the state of the machine that runs.
        let (maps, state) = unsafe {
            (
                std::slice::from_raw_parts(cur.maps, cur.maps_len),
                std::slice::from_raw_parts_mut(cur.env, cur.state_bytes),
            )
        };
        let (gprs, xmms) = (&header.saved_gprs, &header.saved_xmms);
        let at = restore_state(maps, off as u32, gprs, xmms, &header.spill, state, cur.pins);
        let Some((pc, mode)) = at else {
            std::process::abort()
        };
        (header.pc, header.mode) = (pc, mode);
        header.exit_kind = KIND_HOST_FAULT;
        header.jit_rsp += 16;
        return 0;
    }
    let host = cur.guest as u64 + va;
    // Every other time the page gets an entry.
    if va & 8 != 0 {
        let entry = TLBS + usize::from(MMU) * TLB_BYTES + tlb_index(va) * size_of::<TlbEntry>();
        let below = CACHE + size_of::<EnvHeader>() + MMU_INDEXES * TLB_BYTES;
        // SAFETY: the machine's environment begins with the soft TLBs.
        let entry = unsafe { &*env.sub(below).add(entry).cast::<TlbEntry>() };
        let page = va & !0xfff;
        entry.host.store(cur.guest as u64 + page, Ordering::Relaxed);
        entry.read.store(page, Ordering::Relaxed);
        entry.write.store(page, Ordering::Relaxed);
    }
    let scratch = &raw mut header.scratch[0];
    // SAFETY: the guest's memory is mapped there; the scratch area has 16 bytes.
    unsafe {
        match what & 0xf0 {
            0 => {
                // Through the scratch area, as for devices.
                *scratch = 0;
                std::ptr::copy_nonoverlapping(host as *const u8, scratch.cast(), bytes as usize);
                scratch as u64
            }
            16 => {
                std::ptr::copy_nonoverlapping(scratch.cast(), host as *mut u8, bytes as usize);
                scratch as u64
            }
            _ => host,
        }
    }
}

const TLBS: usize = 0;
/// The jump cache, and the guesses in front of it.
const CACHE: usize = GUESS_BYTES + JUMP_CACHE_ENTRIES * size_of::<JumpCacheEntry>();

thread_local! {
    static CURRENT: std::cell::Cell<Option<Current>> = const { std::cell::Cell::new(None) };
}

fn map(len: usize, prot: i32) -> *mut u8 {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: a fresh anonymous mapping.
    let p = unsafe { libc::mmap(std::ptr::null_mut(), len, prot, flags, -1, 0) };
    assert_ne!(p, libc::MAP_FAILED);
    p.cast()
}

const RW: i32 = libc::PROT_READ | libc::PROT_WRITE;

impl Machine {
    pub fn new(state_bytes: usize, helpers: &[HelperDef]) -> Machine {
        let cache = CACHE;
        let tlbs = map(
            MMU_INDEXES * TLB_BYTES + cache + size_of::<EnvHeader>() + state_bytes + 4096,
            RW,
        );
        // SAFETY: within the mapping.
        let base = unsafe { tlbs.add(MMU_INDEXES * TLB_BYTES) };
        // SAFETY: within the mapping.
        let env = unsafe { base.add(cache + size_of::<EnvHeader>()) };
        for k in 0..JUMP_CACHE_ENTRIES {
            // SAFETY: within the mapping.
            unsafe {
                base.add(GUESS_BYTES)
                    .cast::<JumpCacheEntry>()
                    .add(k)
                    .write(JumpCacheEntry {
                        tag: u64::MAX,
                        code: 0,
                    })
            };
        }
        let mut fns: Vec<HelperFn> = helpers.iter().map(|h| h.func).collect();
        fns.push(counting_fallback);
        let look = x64_test_lookup as *const () as u64;
        let exit = x64_test_exit as *const () as u64;
        let mut m = Machine {
            env,
            code: map(CODE_BYTES, RW | libc::PROT_EXEC),
            guest: map(WINDOW, libc::PROT_NONE),
            helpers: fns,
            state_bytes,
            mapped: (0, 0),
            pins: Pins::NONE,
        };
        let stack = map(JIT_STACK, RW);
        let helpers = m.helpers.as_ptr();
        let guest = m.guest as u64;
        let h = m.header();
        h.helpers = helpers;
        h.runtime = [exit; RUNTIME_ENTRIES];
        h.runtime[1..=4].fill(look);
        h.runtime[9] = x64_test_probe as *const () as u64;
        h.runtime[10..=11].fill(x64_test_memory as *const () as u64);
        h.lookup_direct = x64_test_link as *const () as u64;
        h.guest_base = guest;
        h.fp_flags = 0;
        // SAFETY: the end of the mapping, with room for the sentinel entry.
        let top = unsafe { stack.add(JIT_STACK - 64) };
        // SAFETY: within the mapping.
        unsafe { top.cast::<[u64; 2]>().write([0, u64::MAX]) };
        h.jit_base = top as u64;
        h.mxcsr_guest = [0x1f80, 0x9fc0];
        h.jit_rsp = top as u64;
        install_handler();
        m
    }

    pub fn header(&mut self) -> &mut EnvHeader {
        // SAFETY: the header lies below the state block.
        unsafe { &mut *self.env.cast::<EnvHeader>().sub(1) }
    }

    pub fn state(&mut self) -> &mut [u8] {
        // SAFETY: the state block.
        unsafe { std::slice::from_raw_parts_mut(self.env, self.state_bytes) }
    }

    /// Makes guest pages readable and writable.
    pub fn map_guest(&mut self, va: u32, len: usize) {
        self.mapped = (va, len);
        // SAFETY: within the window.
        let r = unsafe { libc::mprotect(self.guest.add(va as usize).cast(), len, RW) };
        assert_eq!(r, 0);
    }

    /// Guest memory that has been mapped.
    pub fn guest_mem(&mut self, va: u32, len: usize) -> &mut [u8] {
        // SAFETY: the caller mapped it.
        unsafe { std::slice::from_raw_parts_mut(self.guest.add(va as usize), len) }
    }

    /// No entry in the soft TLB.
    fn empty_tlb(&mut self) {
        let below = CACHE + size_of::<EnvHeader>() + MMU_INDEXES * TLB_BYTES;
        // SAFETY: the environment begins with the soft TLBs.
        let entries = unsafe {
            std::slice::from_raw_parts(
                self.env.sub(below).cast::<TlbEntry>(),
                MMU_INDEXES * TLB_ENTRIES,
            )
        };
        for e in entries {
            e.read.store(TLB_INVALID, Ordering::Relaxed);
            e.write.store(TLB_INVALID, Ordering::Relaxed);
        }
        // SAFETY: as above.
        let guesses = unsafe {
            let first = self.env.sub(CACHE + size_of::<EnvHeader>()).cast::<Guess>();
            std::slice::from_raw_parts(first, GUESS_CHUNKS * GUESS_CHUNK)
        };
        for g in guesses.iter().flat_map(|g| &g.0) {
            g.store(TLB_INVALID, Ordering::Relaxed);
        }
    }

    /// Runs a compiled block once.
    pub fn run(&mut self, c: &CompiledBlock) -> Left {
        assert!(c.code.len() <= CODE_BYTES);
        // SAFETY: within the code buffer; nothing runs there.
        unsafe { std::ptr::copy_nonoverlapping(c.code.as_ptr(), self.code, c.code.len()) };
        let h = self.header();
        h.exit_kind = 0;
        h.exit_code = 0;
        h.exit_info = 0;
        h.jit_rsp = h.jit_base;
        CURRENT.set(Some(Current {
            code: self.code,
            len: c.code.len(),
            maps: c.maps.as_ptr(),
            maps_len: c.maps.len(),
            env: self.env,
            state_bytes: self.state_bytes,
            guest: self.guest,
            mapped: self.mapped,
            pins: self.pins,
        }));
        self.empty_tlb();
        // SAFETY: sets this thread's gs base, which nothing else uses; the code was made for this environment.
        unsafe {
            libc::syscall(libc::SYS_arch_prctl, 0x1001, self.guest);
            let host = get_mxcsr();
            set_mxcsr(self.header().mxcsr_guest[0]);
            let state = std::slice::from_raw_parts_mut(self.env, self.state_bytes);
            self.pins.to_registers(state, &mut self.header().saved_gprs);
            x64_test_enter(self.env, self.code);
            self.pins.to_state(&self.header().saved_gprs, state);
            self.header().mxcsr_sticky = get_mxcsr() & 0x3f;
            set_mxcsr(host);
        }
        CURRENT.set(None);
        let code = self.code as u64;
        let h = self.header();
        if h.exit_kind == KIND_LINK {
            let stub = h.exit_info.wrapping_sub(code) as u32;
            let link = c.links.iter().find(|l| l.stub == stub);
            let link = link.expect("a link of the block");
            (h.exit_kind, h.exit_info) = (KIND_JUMP, 0);
            (h.pc, h.mode) = (link.pc, link.mode);
        }
        Left {
            kind: h.exit_kind,
            code: h.exit_code,
            info: h.exit_info,
            pc: h.pc,
            mode: h.mode,
        }
    }
}

thread_local! {
    static FALLBACKS: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

/// How often generated code has called the evaluator since the last call of this function.
pub fn fallbacks() -> u32 {
    FALLBACKS.replace(0)
}

unsafe extern "C" fn counting_fallback(env: *mut u8, a: u64, b: u64, c: u64, d: u64) -> u64 {
    FALLBACKS.set(FALLBACKS.get() + 1);
    // SAFETY: the caller's contract.
    unsafe { tcg_x64::fallback(env, a, b, c, d) }
}

fn get_mxcsr() -> u32 {
    let mut x = 0u32;
    // SAFETY: stores a register.
    unsafe { std::arch::asm!("stmxcsr [{}]", in(reg) &mut x) };
    x
}

fn set_mxcsr(x: u32) {
    // SAFETY: restored before other code computes.
    unsafe { std::arch::asm!("ldmxcsr [{}]", in(reg) &x) };
}

fn install_handler() {
    let stack = map(64 << 10, RW);
    let ss = libc::stack_t {
        ss_sp: stack.cast(),
        ss_flags: 0,
        ss_size: 64 << 10,
    };
    // SAFETY: plain signal set-up.
    unsafe {
        libc::sigaltstack(&ss, std::ptr::null_mut());
        let mut sa: libc::sigaction = std::mem::zeroed();
        sa.sa_sigaction = on_fault as *const () as usize;
        sa.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        libc::sigaction(libc::SIGSEGV, &sa, std::ptr::null_mut());
        libc::sigaction(libc::SIGBUS, &sa, std::ptr::null_mut());
    }
}

extern "C" fn on_fault(_sig: i32, _info: *mut libc::siginfo_t, uc: *mut libc::ucontext_t) {
    // SAFETY: the kernel's context of this thread; the current machine is this thread's.
    unsafe {
        let uc = &mut *uc;
        let rip = uc.uc_mcontext.gregs[libc::REG_RIP as usize] as u64;
        let Some(cur) = CURRENT.get() else {
            libc::abort()
        };
        let off = rip.wrapping_sub(cur.code as u64);
        if off >= cur.len as u64 {
            libc::abort();
        }
        const ORDER: [i32; 16] = [
            libc::REG_RAX,
            libc::REG_RCX,
            libc::REG_RDX,
            libc::REG_RBX,
            libc::REG_RSP,
            libc::REG_RBP,
            libc::REG_RSI,
            libc::REG_RDI,
            libc::REG_R8,
            libc::REG_R9,
            libc::REG_R10,
            libc::REG_R11,
            libc::REG_R12,
            libc::REG_R13,
            libc::REG_R14,
            libc::REG_R15,
        ];
        let mut gprs = [0u64; 16];
        for (g, r) in gprs.iter_mut().zip(ORDER) {
            *g = uc.uc_mcontext.gregs[r as usize] as u64;
        }
        let mut xmms = [0u128; 16];
        for (x, f) in xmms.iter_mut().zip((*uc.uc_mcontext.fpregs)._xmm) {
            let e = f.element;
            *x = u128::from(e[0])
                | u128::from(e[1]) << 32
                | u128::from(e[2]) << 64
                | u128::from(e[3]) << 96;
        }
        let header = &mut *cur.env.cast::<EnvHeader>().sub(1);
        let state = std::slice::from_raw_parts_mut(cur.env, cur.state_bytes);
        let maps = std::slice::from_raw_parts(cur.maps, cur.maps_len);
        let off = off as u32;
        match restore_state(maps, off, &gprs, &xmms, &header.spill, state, cur.pins) {
            Some((pc, mode)) => {
                cur.pins.to_registers(state, &mut gprs);
                for (g, r) in gprs.iter().zip(ORDER) {
                    uc.uc_mcontext.gregs[r as usize] = *g as i64;
                }
                header.pc = pc;
                header.mode = mode;
                header.exit_kind = KIND_HOST_FAULT;
            }
            None => libc::abort(),
        }
        uc.uc_mcontext.gregs[libc::REG_RIP as usize] = x64_test_exit as *const () as i64;
    }
}

/// Compiles with the given features.
pub fn compile(
    b: &Block,
    layout: &StateLayout,
    helpers: &[HelperDef],
    f: Features,
    opts: Opts,
) -> CompiledBlock {
    tcg_x64::compile(b, layout, helpers, &f, &opts).expect("the block compiles")
}

/// Disassembly, for looking at code quality.
pub fn disassemble(c: &CompiledBlock) -> String {
    use iced_x86::{Decoder, DecoderOptions, Formatter, IntelFormatter};
    let mut out = String::new();
    let mut f = IntelFormatter::new();
    for i in &mut Decoder::new(64, &c.code, DecoderOptions::NONE) {
        out += &format!("{:4x} ", i.ip());
        f.format(&i, &mut out);
        out.push('\n');
    }
    out
}

/// The feature sets to test: this machine's, and the least.
pub fn feature_sets() -> [Features; 2] {
    [Features::detect(), Features::baseline()]
}
