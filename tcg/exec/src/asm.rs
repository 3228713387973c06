//! Entry into generated code, the way out, and the runtime entry points that generated code jumps to.
//!
//! Generated code runs on the paired-return stack with the guest's MXCSR; Rust runs on the thread's stack with
//! the host's. Every way between the two is here. The contract is at the head of tcg-x64.

use std::arch::global_asm;
use std::mem::offset_of;
use tcg_target::system::MMU_INDEXES;
use tcg_target::{
    EnvHeader, GUESS_BYTES, JUMP_CACHE_ENTRIES, JumpCacheEntry, RUNTIME_ENTRIES, TLB_BYTES,
    TLB_ENTRIES, TlbEntry, VICTIM_BYTES, VICTIM_HASH, VICTIMS,
};
use tcg_x64::want;

/// Displacement of a header field from the state block (`rbp`).
const fn hdr(offset: usize) -> i32 {
    offset as i32 - size_of::<EnvHeader>() as i32
}

/// Entry points beyond those that tcg-x64 knows, used by code that the engine itself writes.
pub(crate) const RT_INVALID: usize = 6;
/// The sentinel at the base of the paired-return stack was popped.
pub(crate) const RT_SENTINEL: usize = 7;
/// A block's guest code has changed.
pub(crate) const RT_CHANGED: usize = 8;
/// Size of the runtime table.
pub(crate) const RT_COUNT: usize = 12;
/// Bits of the jump cache's index, as the index of a byte in it.
const CACHE_MASK: i32 = (JUMP_CACHE_ENTRIES as i32 - 1) << 4;
/// Displacement of the jump cache from the state block.
const CACHE: i32 =
    -((JUMP_CACHE_ENTRIES * size_of::<JumpCacheEntry>() + size_of::<EnvHeader>()) as i32);
/// The same of the soft TLBs and of the victims, each of which has 32 bytes.
const TLBS_AT: i32 = CACHE - (GUESS_BYTES + MMU_INDEXES * TLB_BYTES) as i32;
const VICTIMS_AT: i32 = TLBS_AT - (MMU_INDEXES * VICTIM_BYTES) as i32;
const _: () = assert!(size_of::<TlbEntry>() == 32);

global_asm!(
    ".pushsection .text.emu_rt,\"ax\",@progbits",
    // extern "C" fn(env: rdi, code: rsi)
    ".p2align 4",
    ".globl emu_rt_enter",
    "emu_rt_enter:",
    "push rbp",
    "push rbx",
    "push r12",
    "push r13",
    "push r14",
    "push r15",
    "sub rsp, 8",
    "mov rbp, rdi",
    "mov rax, rsi",
    "stmxcsr dword ptr [rbp + {mxcsr_host}]",
    "mov [rbp + {host_rsp}], rsp",
    // Back to generated code at rax.
    ".globl emu_rt_resume",
    "emu_rt_resume:",
    "mov ecx, [rbp + {mxcsr_guest}]",
    "or ecx, [rbp + {mxcsr_sticky}]",
    "mov [rbp + {mxcsr_tmp}], ecx",
    "ldmxcsr dword ptr [rbp + {mxcsr_tmp}]",
    // Pinned slots.
    "mov r10, [rbp + {gprs} + 80]",
    "mov r11, [rbp + {gprs} + 88]",
    "mov r12, [rbp + {gprs} + 96]",
    "mov r13, [rbp + {gprs} + 104]",
    "mov r14, [rbp + {gprs} + 112]",
    "mov r15, [rbp + {gprs} + 120]",
    "mov rsp, [rbp + {jit_rsp}]",
    "jmp rax",
    ".p2align 4",
    ".globl emu_rt_exit",
    "emu_rt_exit:",
    "mov [rbp + {gprs} + 80], r10",
    "mov [rbp + {gprs} + 88], r11",
    "mov [rbp + {gprs} + 96], r12",
    "mov [rbp + {gprs} + 104], r13",
    "mov [rbp + {gprs} + 112], r14",
    "mov [rbp + {gprs} + 120], r15",
    "mov [rbp + {jit_rsp}], rsp",
    "mov rsp, [rbp + {host_rsp}]",
    "stmxcsr dword ptr [rbp + {mxcsr_tmp}]",
    "mov ecx, [rbp + {mxcsr_tmp}]",
    "and ecx, 0x3f",
    "mov [rbp + {mxcsr_sticky}], ecx",
    "ldmxcsr dword ptr [rbp + {mxcsr_host}]",
    // The same with the Rust stack and MXCSR in place.
    "emu_rt_leave:",
    "add rsp, 8",
    "pop r15",
    "pop r14",
    "pop r13",
    "pop r12",
    "pop rbx",
    "pop rbp",
    "ret",
    // The lookups: rax and rdx are arguments. r8: the function, which gives the code to go on at, or 0 to leave.
    ".p2align 4",
    // A return that does not match its call: target in rax, mode in edx.
    ".globl emu_rt_return_miss",
    "emu_rt_return_miss:",
    "mov rsp, [rbp + {jit_base}]",
    "mov ecx, eax",
    "shl ecx, 2",
    "and ecx, {cache_mask}",
    "mov r8d, edx",
    "shl r8, 48",
    "xor r8, rax",
    "cmp [rbp + rcx + {cache}], r8",
    "jne 1f",
    "jmp [rbp + rcx + {cache} + 8]",
    "1:",
    "mov [rbp + {pc}], rax",
    "mov [rbp + {mode}], edx",
    "jmp emu_rt_lookup_indirect",
    ".globl emu_rt_lookup_direct",
    "emu_rt_lookup_direct:",
    "pop rax",
    "lea r8, [rip + {direct}]",
    "jmp 2f",
    ".globl emu_rt_lookup_indirect",
    "emu_rt_lookup_indirect:",
    "lea r8, [rip + {indirect}]",
    "jmp 2f",
    ".globl emu_rt_lookup_ic",
    "emu_rt_lookup_ic:",
    "lea r8, [rip + {ic}]",
    "jmp 2f",
    ".globl emu_rt_lookup_dynamic",
    "emu_rt_lookup_dynamic:",
    "mov rsp, [rbp + {jit_base}]",
    "lea r8, [rip + {dynamic}]",
    "jmp 2f",
    // An invalid block's entry is a call to here: the return address tells which.
    ".globl emu_rt_invalid",
    "emu_rt_invalid:",
    "pop rax",
    "sub rax, 5",
    "lea r8, [rip + {invalid}]",
    "jmp 2f",
    // Called by a block that found its guest code changed: the return address tells which.
    ".globl emu_rt_changed",
    "emu_rt_changed:",
    "pop rax",
    "sub rax, 5",
    "lea r8, [rip + {changed}]",
    "jmp 2f",
    // The same for a machine, where paired returns are dropped when address translation changes, and only then.
    ".globl emu_rt_system_dynamic",
    "emu_rt_system_dynamic:",
    "lea r8, [rip + {dynamic}]",
    "jmp 2f",
    // A return to an address equal to the sentinel's tag: no such code, but the lookup has to say so.
    ".globl emu_rt_sentinel",
    "emu_rt_sentinel:",
    "mov rsp, [rbp + {jit_base}]",
    "lea r8, [rip + {sentinel}]",
    "2:",
    "mov [rbp + {gprs} + 80], r10",
    "mov [rbp + {gprs} + 88], r11",
    "mov [rbp + {gprs} + 96], r12",
    "mov [rbp + {gprs} + 104], r13",
    "mov [rbp + {gprs} + 112], r14",
    "mov [rbp + {gprs} + 120], r15",
    "mov [rbp + {jit_rsp}], rsp",
    "mov rsp, [rbp + {host_rsp}]",
    "stmxcsr dword ptr [rbp + {mxcsr_tmp}]",
    "mov ecx, [rbp + {mxcsr_tmp}]",
    "and ecx, 0x3f",
    "mov [rbp + {mxcsr_sticky}], ecx",
    "ldmxcsr dword ptr [rbp + {mxcsr_host}]",
    "mov rdi, rbp",
    "mov rsi, rax",
    "call r8",
    "test rax, rax",
    "jnz emu_rt_resume",
    "jmp emu_rt_leave",
    // A memory access that has not looked into the soft TLB, called: its address in rax, what is wanted pushed before the
    // return address.
    ".p2align 4",
    ".globl emu_rt_access",
    "emu_rt_access:",
    "mov [rbp + {gprs} + 8], rcx",
    "mov [rbp + {gprs} + 16], rdx",
    "mov rcx, rax",
    "shr rcx, 12",
    "and ecx, {tlb_entries} - 1",
    "movzx edx, byte ptr [rsp + 9]",
    "and edx, {mmu_indexes} - 1",
    "imul edx, edx, {tlb_entries}",
    "add ecx, edx",
    "shl ecx, 5",
    "lea rcx, [rbp + rcx + {tlbs_at}]",
    "mov rdx, rax",
    "test byte ptr [rsp + 8], 0xf0",
    "jnz 2f",
    "xor rdx, [rcx + {tlb_read}]",
    "cmp rdx, 4080",
    "ja 3f",
    "add rdx, [rcx + {tlb_host}]",
    "jmp 6f",
    "2:",
    "xor rdx, [rcx + {tlb_write}]",
    "cmp rdx, 4080",
    "jbe 22f",
    "jmp 3f",
    // One that is not in the soft TLB, called likewise: its address in rax, what is wanted pushed before the return address.
    ".p2align 4",
    ".globl emu_rt_memory",
    "emu_rt_memory:",
    "mov [rbp + {gprs} + 8], rcx",
    "mov [rbp + {gprs} + 16], rdx",
    "3:",
    // A victim? What crosses the end of a page is not looked at.
    "mov rcx, rax",
    "shr rcx, 12",
    "imul rcx, rcx, {victim_factor}",
    "shr rcx, {victim_shift}",
    "and ecx, {victims} - 1",
    "movzx edx, byte ptr [rsp + 9]",
    "and edx, {mmu_indexes} - 1",
    "imul edx, edx, {victims}",
    "add ecx, edx",
    "shl ecx, 5",
    "lea rcx, [rbp + rcx + {victims_at}]",
    "mov rdx, rax",
    "test byte ptr [rsp + 8], 0xf0",
    "jnz 4f",
    "xor rdx, [rcx + {tlb_read}]",
    "cmp rdx, 4080",
    "ja 5f",
    "dec dword ptr [rbp + {patience}]",
    "js 5f",
    "add rdx, [rcx + {tlb_host}]",
    "6:",
    "mov rax, rdx",
    "7:",
    "mov rcx, [rbp + {gprs} + 8]",
    "mov rdx, [rbp + {gprs} + 16]",
    "ret 8",
    "4:",
    "xor rdx, [rcx + {tlb_write}]",
    "cmp rdx, 4080",
    "ja 5f",
    "dec dword ptr [rbp + {patience}]",
    "js 5f",
    "22:",
    "add rdx, [rcx + {tlb_host}]",
    "movzx ecx, byte ptr [rsp + 8]",
    "cmp ecx, {want_atomic}",
    "jae 6b",
    "cmp ecx, {want_store} + 3",
    "ja 5f",
    // As many bytes as have just been stored there: more would have to wait.
    "je 8f",
    "cmp ecx, {want_store} + 1",
    "jb 9f",
    "je 2f",
    "mov eax, [rbp + {scratch}]",
    "mov [rdx], eax",
    "jmp 7b",
    "2:",
    "movzx eax, word ptr [rbp + {scratch}]",
    "mov [rdx], ax",
    "jmp 7b",
    "8:",
    "mov rax, [rbp + {scratch}]",
    "mov [rdx], rax",
    "jmp 7b",
    "9:",
    "movzx eax, byte ptr [rbp + {scratch}]",
    "mov [rdx], al",
    "jmp 7b",
    "5:",
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
    "movaps [rbp + {xmms}], xmm0",
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
    "mov rdx, [rsp]",
    "mov rcx, [rsp + 8]",
    "mov rdi, rbp",
    "mov rsi, rax",
    "mov [rbp + {jit_rsp}], rsp",
    "mov rsp, [rbp + {host_rsp}]",
    "stmxcsr dword ptr [rbp + {mxcsr_tmp}]",
    "mov r8d, [rbp + {mxcsr_tmp}]",
    // The control bits are put back as they are: a block may be in either of its regimes.
    "mov [rbp + {saved_mxcsr}], r8d",
    "and r8d, 0x3f",
    "mov [rbp + {mxcsr_sticky}], r8d",
    "ldmxcsr dword ptr [rbp + {mxcsr_host}]",
    "call {memory}",
    "test rax, rax",
    "jz 3f",
    // Flags of softfloat's that Rust has taken over are gone from the sticky ones.
    "mov ecx, [rbp + {saved_mxcsr}]",
    "and ecx, -64",
    "or ecx, [rbp + {mxcsr_sticky}]",
    "mov [rbp + {mxcsr_tmp}], ecx",
    "ldmxcsr dword ptr [rbp + {mxcsr_tmp}]",
    "mov rsp, [rbp + {jit_rsp}]",
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
    "movaps xmm0, [rbp + {xmms}]",
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
    "3:",
    "mov rax, rdx",
    "test rax, rax",
    "jnz emu_rt_resume",
    "jmp emu_rt_leave",
    ".popsection",
    host_rsp = const hdr(offset_of!(EnvHeader, host_rsp)),
    jit_rsp = const hdr(offset_of!(EnvHeader, jit_rsp)),
    jit_base = const hdr(offset_of!(EnvHeader, jit_base)),
    pc = const hdr(offset_of!(EnvHeader, pc)),
    mode = const hdr(offset_of!(EnvHeader, mode)),
    cache = const CACHE,
    cache_mask = const CACHE_MASK,
    mxcsr_host = const hdr(offset_of!(EnvHeader, mxcsr_host)),
    mxcsr_guest = const hdr(offset_of!(EnvHeader, mxcsr_guest)),
    mxcsr_sticky = const hdr(offset_of!(EnvHeader, mxcsr_sticky)),
    mxcsr_tmp = const hdr(offset_of!(EnvHeader, mxcsr_tmp)),
    gprs = const hdr(offset_of!(EnvHeader, saved_gprs)),
    xmms = const hdr(offset_of!(EnvHeader, saved_xmms)),
    saved_mxcsr = const hdr(offset_of!(EnvHeader, saved_mxcsr)),
    memory = sym crate::sysmem::memory,
    tlb_entries = const TLB_ENTRIES,
    mmu_indexes = const MMU_INDEXES,
    tlbs_at = const TLBS_AT,
    victim_factor = const VICTIM_HASH.0,
    victim_shift = const VICTIM_HASH.1,
    victims = const VICTIMS,
    victims_at = const VICTIMS_AT,
    tlb_read = const offset_of!(TlbEntry, read),
    tlb_write = const offset_of!(TlbEntry, write),
    tlb_host = const offset_of!(TlbEntry, host),
    patience = const hdr(offset_of!(EnvHeader, patience)),
    scratch = const hdr(offset_of!(EnvHeader, scratch)),
    want_store = const want::STORE,
    want_atomic = const want::ATOMIC,
    direct = sym crate::lookup::direct,
    indirect = sym crate::lookup::indirect,
    ic = sym crate::lookup::inline_cache,
    dynamic = sym crate::lookup::dynamic,
    invalid = sym crate::lookup::invalid,
    changed = sym crate::lookup::changed,
    sentinel = sym crate::lookup::sentinel,
);

unsafe extern "C" {
    /// Runs generated code until it leaves.
    pub(crate) fn emu_rt_enter(env: *mut u8, code: usize);
    fn emu_rt_exit();
    fn emu_rt_lookup_direct();
    fn emu_rt_lookup_indirect();
    fn emu_rt_lookup_ic();
    fn emu_rt_lookup_dynamic();
    fn emu_rt_invalid();
    fn emu_rt_sentinel();
    fn emu_rt_changed();
    fn emu_rt_return_miss();
    fn emu_rt_system_dynamic();
    fn emu_rt_memory();
    fn emu_rt_access();
}

/// Host address of the EXIT entry point, where the fault handler resumes.
pub(crate) fn exit_stub() -> usize {
    emu_rt_exit as *const () as usize
}

/// The contents of `EnvHeader::runtime`.
pub(crate) fn runtime_table(system: bool) -> [u64; RUNTIME_ENTRIES] {
    let exit = exit_stub() as u64;
    let known: [u64; RT_COUNT] = [
        exit,
        emu_rt_lookup_direct as *const () as u64,
        emu_rt_lookup_indirect as *const () as u64,
        emu_rt_lookup_ic as *const () as u64,
        match system {
            true => emu_rt_system_dynamic as *const () as u64,
            false => emu_rt_lookup_dynamic as *const () as u64,
        },
        exit,
        emu_rt_invalid as *const () as u64,
        emu_rt_sentinel as *const () as u64,
        emu_rt_changed as *const () as u64,
        emu_rt_return_miss as *const () as u64,
        emu_rt_memory as *const () as u64,
        emu_rt_access as *const () as u64,
    ];
    let mut table = [exit; RUNTIME_ENTRIES];
    table[..RT_COUNT].copy_from_slice(&known);
    table
}

/// Code for the code buffer that goes to a runtime entry point (within rel32 reach of all blocks):
/// `jmp [rbp + runtime + 8 * n]`.
pub(crate) fn trampoline(n: usize) -> Vec<u8> {
    let entry = hdr(offset_of!(EnvHeader, runtime)) + 8 * n as i32;
    let mut code = vec![0xff, 0xa5];
    code.extend_from_slice(&entry.to_le_bytes());
    code
}

thread_local! {
    /// The gs base that this thread has.
    static GS_BASE: std::cell::Cell<u64> = const { std::cell::Cell::new(u64::MAX) };
}

/// Sets this thread's gs base, which addresses guest memory. glibc does not use gs on x86-64; signal handlers
/// and forks keep it.
pub(crate) fn set_gs_base(base: u64) {
    if GS_BASE.get() == base {
        return;
    }
    const HWCAP2_FSGSBASE: u64 = 2;
    const ARCH_SET_GS: i32 = 0x1001;
    // SAFETY: nothing else in the process uses gs; the instruction exists when the kernel says so.
    unsafe {
        if libc::getauxval(libc::AT_HWCAP2) & HWCAP2_FSGSBASE != 0 {
            std::arch::asm!("wrgsbase {}", in(reg) base, options(nostack, preserves_flags));
        } else {
            let rc = libc::syscall(libc::SYS_arch_prctl, ARCH_SET_GS, base);
            assert_eq!(rc, 0, "arch_prctl(ARCH_SET_GS)");
        }
    }
    GS_BASE.set(base);
}
