//! The unsafe island that touches guest memory: copy, load, store and compare-and-swap routines in assembly whose
//! host faults are recoverable, and the table that tells the SIGSEGV handler where to go on.
//!
//! Every routine has one range of instructions that may fault and one landing. The handler asks [`recover`]; the
//! landing makes the routine return "failed". No Rust frame is ever unwound.

use std::arch::global_asm;

// Each routine: rdi = host address, rsi = value or other address, rdx = length. The results are rax (value or the
// bytes that were not copied) and rdx (1 = faulted).
global_asm!(
    ".pushsection .text.emu_uaccess,\"ax\",@progbits",
    ".p2align 4",
    ".globl emu_uaccess_copy",
    "emu_uaccess_copy:",
    "mov rcx, rdx",
    ".globl emu_uaccess_copy_first",
    "emu_uaccess_copy_first:",
    "rep movsb",
    ".globl emu_uaccess_copy_land",
    "emu_uaccess_copy_land:",
    "mov rax, rcx",
    "ret",
    ".p2align 4",
    ".globl emu_uaccess_fill",
    "emu_uaccess_fill:",
    "mov rcx, rdx",
    "mov eax, esi",
    ".globl emu_uaccess_fill_first",
    "emu_uaccess_fill_first:",
    "rep stosb",
    ".globl emu_uaccess_fill_land",
    "emu_uaccess_fill_land:",
    "mov rax, rcx",
    "ret",
    // Everything from here to emu_uaccess_small_last lands at emu_uaccess_small_land.
    ".p2align 4",
    ".globl emu_uaccess_small_first",
    "emu_uaccess_small_first:",
    ".globl emu_uaccess_ld1",
    "emu_uaccess_ld1:",
    "xor edx, edx",
    "movzx eax, byte ptr [rdi]",
    "ret",
    ".globl emu_uaccess_ld2",
    "emu_uaccess_ld2:",
    "xor edx, edx",
    "movzx eax, word ptr [rdi]",
    "ret",
    ".globl emu_uaccess_ld4",
    "emu_uaccess_ld4:",
    "xor edx, edx",
    "mov eax, dword ptr [rdi]",
    "ret",
    ".globl emu_uaccess_ld8",
    "emu_uaccess_ld8:",
    "xor edx, edx",
    "mov rax, qword ptr [rdi]",
    "ret",
    ".globl emu_uaccess_st1",
    "emu_uaccess_st1:",
    "xor edx, edx",
    "mov byte ptr [rdi], sil",
    "ret",
    ".globl emu_uaccess_st2",
    "emu_uaccess_st2:",
    "xor edx, edx",
    "mov word ptr [rdi], si",
    "ret",
    ".globl emu_uaccess_st4",
    "emu_uaccess_st4:",
    "xor edx, edx",
    "mov dword ptr [rdi], esi",
    "ret",
    ".globl emu_uaccess_st8",
    "emu_uaccess_st8:",
    "xor edx, edx",
    "mov qword ptr [rdi], rsi",
    "ret",
    ".globl emu_uaccess_cas4",
    "emu_uaccess_cas4:",
    "mov eax, esi",
    "mov ecx, edx",
    "xor edx, edx",
    "lock cmpxchg dword ptr [rdi], ecx",
    "ret",
    ".globl emu_uaccess_cas8",
    "emu_uaccess_cas8:",
    "mov rax, rsi",
    "mov rcx, rdx",
    "xor edx, edx",
    "lock cmpxchg qword ptr [rdi], rcx",
    "ret",
    ".globl emu_uaccess_small_last",
    "emu_uaccess_small_last:",
    "nop",
    ".globl emu_uaccess_small_land",
    "emu_uaccess_small_land:",
    "mov edx, 1",
    "ret",
    ".popsection",
);

/// A value and whether the access failed (nonzero).
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Checked {
    pub value: u64,
    pub failed: u64,
}

unsafe extern "C" {
    // The order of the parameters is that of the registers named above: destination, source, length.
    pub(crate) fn emu_uaccess_copy(dst: usize, src: usize, len: usize) -> usize;
    pub(crate) fn emu_uaccess_fill(dst: usize, byte: u32, len: usize) -> usize;
    pub(crate) fn emu_uaccess_ld1(at: usize) -> Checked;
    pub(crate) fn emu_uaccess_ld2(at: usize) -> Checked;
    pub(crate) fn emu_uaccess_ld4(at: usize) -> Checked;
    pub(crate) fn emu_uaccess_ld8(at: usize) -> Checked;
    pub(crate) fn emu_uaccess_st1(at: usize, value: u64) -> Checked;
    pub(crate) fn emu_uaccess_st2(at: usize, value: u64) -> Checked;
    pub(crate) fn emu_uaccess_st4(at: usize, value: u64) -> Checked;
    pub(crate) fn emu_uaccess_st8(at: usize, value: u64) -> Checked;
    pub(crate) fn emu_uaccess_cas4(at: usize, old: u64, new: u64) -> Checked;
    pub(crate) fn emu_uaccess_cas8(at: usize, old: u64, new: u64) -> Checked;

    static emu_uaccess_copy_first: u8;
    static emu_uaccess_copy_land: u8;
    static emu_uaccess_fill_first: u8;
    static emu_uaccess_fill_land: u8;
    static emu_uaccess_small_first: u8;
    static emu_uaccess_small_last: u8;
    static emu_uaccess_small_land: u8;
}

/// Where to go on when the instruction at `rip` faulted: the landing of the guest access it belongs to, or `None`
/// when it is not one. Async-signal-safe.
pub fn recover(rip: usize) -> Option<usize> {
    let ranges = [
        (
            &raw const emu_uaccess_copy_first,
            &raw const emu_uaccess_copy_land,
            &raw const emu_uaccess_copy_land,
        ),
        (
            &raw const emu_uaccess_fill_first,
            &raw const emu_uaccess_fill_land,
            &raw const emu_uaccess_fill_land,
        ),
        (
            &raw const emu_uaccess_small_first,
            &raw const emu_uaccess_small_last,
            &raw const emu_uaccess_small_land,
        ),
    ];
    ranges
        .iter()
        .find(|(first, last, _)| (*first as usize..*last as usize).contains(&rip))
        .map(|r| r.2 as usize)
}
