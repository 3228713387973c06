//! A runtime just large enough to run compiled blocks: environment, code buffer, guest window, entry and exit stubs,
//! fault handler.
#![allow(dead_code)]

pub mod ram;

use std::arch::global_asm;
use std::mem::{offset_of, size_of};
use tcg_ir::{Block, HelperDef, HelperFn, StateLayout};
use tcg_target::{EnvHeader, JUMP_CACHE_ENTRIES, JumpCacheEntry, RUNTIME_ENTRIES};
use tcg_x64::{CompiledBlock, Features, Opts, restore_state};

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
    "mov rsp, [rdi + {jit}]",
    "jmp rsi",
    ".global x64_test_exit",
    "x64_test_exit:",
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
}

#[derive(Clone, Copy)]
struct Current {
    code: *const u8,
    len: usize,
    maps: *const u8,
    maps_len: usize,
    env: *mut u8,
    state_bytes: usize,
}

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
        let cache = JUMP_CACHE_ENTRIES * size_of::<JumpCacheEntry>();
        let base = map(cache + size_of::<EnvHeader>() + state_bytes + 4096, RW);
        // SAFETY: within the mapping.
        let env = unsafe { base.add(cache + size_of::<EnvHeader>()) };
        for k in 0..JUMP_CACHE_ENTRIES {
            // SAFETY: within the mapping.
            unsafe {
                base.cast::<JumpCacheEntry>().add(k).write(JumpCacheEntry {
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
        };
        let stack = map(JIT_STACK, RW);
        let helpers = m.helpers.as_ptr();
        let guest = m.guest as u64;
        let h = m.header();
        h.helpers = helpers;
        h.runtime = [exit; RUNTIME_ENTRIES];
        h.runtime[1..=4].fill(look);
        h.runtime[9..=10].fill(x64_test_probe as *const () as u64);
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
        // SAFETY: within the window.
        let r = unsafe { libc::mprotect(self.guest.add(va as usize).cast(), len, RW) };
        assert_eq!(r, 0);
    }

    /// Guest memory that has been mapped.
    pub fn guest_mem(&mut self, va: u32, len: usize) -> &mut [u8] {
        // SAFETY: the caller mapped it.
        unsafe { std::slice::from_raw_parts_mut(self.guest.add(va as usize), len) }
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
        }));
        // SAFETY: sets this thread's gs base, which nothing else uses; the code was made for this environment.
        unsafe {
            libc::syscall(libc::SYS_arch_prctl, 0x1001, self.guest);
            let host = get_mxcsr();
            set_mxcsr(self.header().mxcsr_guest[0]);
            x64_test_enter(self.env, self.code);
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
        match restore_state(maps, off as u32, &gprs, &xmms, &header.spill, state) {
            Some((pc, mode)) => {
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
