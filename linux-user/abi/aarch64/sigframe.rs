//! Signal frames of 64-bit ARM: what a handler finds on its stack, and the way back.
//! Reference: the kernel's arch/arm64/include/uapi/asm/{sigcontext,ucontext}.h and arch/arm64/kernel/signal.c.
//!
//! A frame is `struct rt_sigframe` (siginfo, ucontext) and above it a frame record (x29, x30). The ucontext ends in 4096
//! bytes for records: `fpsimd_context`, `esr_context` if a fault is reported, and an empty one at the end.

use super::vdso::return_code;
use crate::abi::{Layout, Reader, ULong, Writer};
use crate::errno::Errno;
use crate::signal::{self, Action, AltStack, SA_SIGINFO, SIGINFO_SIZE, SigInfo};
use crate::task::Task;
use target_aarch64::state::EXCLUSIVE_OPEN;
use target_aarch64::{A64State, Mode};
use tcg_mem::{Endian, GuestVa};

/// Offset of the machine context in the ucontext: flags, link, stack, mask and its reserve, alignment.
const MCONTEXT_AT: usize = 176;
/// Offset of the records in the machine context: fault address, 31 registers, SP, PC, PSTATE, alignment.
const RECORDS_AT: usize = 288;
const RECORDS_BYTES: usize = 4096;
const FRAME_BYTES: usize = SIGINFO_SIZE + MCONTEXT_AT + RECORDS_AT + RECORDS_BYTES;

const FPSIMD_MAGIC: u32 = 0x4650_8001;
const FPSIMD_BYTES: u32 = 528;
const ESR_MAGIC: u32 = 0x4553_5201;
const ESR_BYTES: u32 = 16;

const SP: usize = 31;
const LR: usize = 30;
const FP: usize = 29;
/// sa_flags: sa_restorer is valid.
const SA_RESTORER: u64 = 0x0400_0000;

/// Bits of a syndrome: a data abort or instruction abort from EL0, a write, translation and permission faults.
const ESR_DATA_ABORT: u64 = 0x24 << 26 | 1 << 25;
const ESR_INSN_ABORT: u64 = 0x20 << 26 | 1 << 25;

fn state(t: &Task) -> &A64State {
    t.vcpu.state::<A64State>()
}

/// Builds the frame of a handler and points the registers at it.
pub fn push(t: &mut Task, info: &SigInfo, action: &Action, old_mask: u64) -> Result<(), Errno> {
    let old_sp = state(t).x[SP];
    let record = (signal::frame_top(t, action, old_sp) & !15)
        .checked_sub(16)
        .ok_or(Errno::EFAULT)?;
    let sp = record
        .checked_sub(FRAME_BYTES as u64)
        .ok_or(Errno::EFAULT)?;
    let mut w = Writer::new(t.abi);
    if action.flags & SA_SIGINFO != 0 {
        info.put(&mut w);
    } else {
        w.bytes(&[0; SIGINFO_SIZE]);
    }
    put_context(t, &mut w, info, old_mask);
    t.put_bytes(GuestVa(sp), w.done())?;
    let mut w = Writer::new(t.abi);
    put_records(t, &mut w, info);
    let records = sp + (SIGINFO_SIZE + MCONTEXT_AT + RECORDS_AT) as u64;
    t.put_bytes(GuestVa(records), w.done())?;
    let mut w = Writer::new(t.abi);
    state(t).x[FP].put(&mut w);
    state(t).x[LR].put(&mut w);
    t.put_bytes(GuestVa(record), w.done())?;
    let lr = if action.flags & SA_RESTORER != 0 {
        action.restorer
    } else {
        return_code(t)
    };
    let big = t.abi.endian == Endian::Big;
    let mode = Mode(t.vcpu.mode()).with_big_endian(big);
    let s = t.vcpu.state_mut::<A64State>();
    s.x[0] = info.signo as u64;
    if action.flags & SA_SIGINFO != 0 {
        s.x[1] = sp;
        s.x[2] = sp + SIGINFO_SIZE as u64;
    }
    s.x[SP] = sp;
    s.x[FP] = record;
    s.x[LR] = lr;
    s.excl_addr = EXCLUSIVE_OPEN;
    t.vcpu.set_mode(mode.0);
    t.vcpu.set_pc(action.handler);
    Ok(())
}

fn put_context(t: &Task, w: &mut Writer, info: &SigInfo, old_mask: u64) {
    let s = state(t);
    ULong(0).put(w);
    ULong(0).put(w);
    let alt = t.signals.alt_stack.reported(s.x[SP]);
    ULong(alt.sp).put(w);
    alt.flags.put(w);
    ULong(alt.size).put(w);
    signal::put_mask(w, old_mask);
    w.bytes(&[0; 120]);
    w.align(16);
    let fault = if is_fault(info) { info.addr } else { 0 };
    fault.put(w);
    w.uints(8, &s.x);
    t.vcpu.pc().put(w);
    u64::from(s.pstate()).put(w);
    w.align(16);
    w.bytes(&[]);
}

/// A synchronous fault of memory.
fn is_fault(info: &SigInfo) -> bool {
    info.trap != [0; 2] && matches!(info.signo, libc::SIGSEGV | libc::SIGBUS)
}

fn put_records(t: &Task, w: &mut Writer, info: &SigInfo) {
    let s = state(t);
    FPSIMD_MAGIC.put(w);
    FPSIMD_BYTES.put(w);
    s.fpsr(t.vcpu.fp_flags()).put(w);
    s.fpcr.put(w);
    for v in s.vec {
        put_vector(w, v);
    }
    if is_fault(info) {
        ESR_MAGIC.put(w);
        ESR_BYTES.put(w);
        syndrome(t, info).put(w);
    }
    0u32.put(w);
    0u32.put(w);
}

/// The syndrome register of a fault. [ARMv8 D17.2.37]
fn syndrome(t: &Task, info: &SigInfo) -> u64 {
    let kind = match (info.signo, info.code) {
        (libc::SIGBUS, 1) => 0x21,
        (libc::SIGBUS, _) => 0x10,
        (_, 2) => 0x0f,
        _ => 0x07,
    };
    if info.addr == t.vcpu.pc() {
        return ESR_INSN_ABORT | kind;
    }
    // The error code of the trap has the write bit where the fault report puts it.
    let write = u64::from(info.trap[1] >> 11 & 1) << 6;
    ESR_DATA_ABORT | kind | write
}

fn put_vector(w: &mut Writer, v: u128) {
    let (lo, hi) = (v as u64, (v >> 64) as u64);
    let order = match w.abi().endian {
        Endian::Little => [lo, hi],
        Endian::Big => [hi, lo],
    };
    w.uints(8, &order);
}

fn get_vector(r: &mut Reader) -> u128 {
    let [first, second] = <[u64; 2]>::get(r);
    let (lo, hi) = match r.abi().endian {
        Endian::Little => (first, second),
        Endian::Big => (second, first),
    };
    u128::from(lo) | u128::from(hi) << 64
}

/// The records of a frame.
#[derive(Default)]
struct Records {
    vec: Option<([u128; 32], u32, u32)>,
}

/// Reads the records up to the empty one; what is malformed makes the return fail.
fn read_records(t: &Task, at: u64) -> Result<Records, Errno> {
    let mut out = Records::default();
    let mut offset = 0u64;
    while offset + 8 <= RECORDS_BYTES as u64 {
        let mut head = [0u8; 8];
        t.mem.read(GuestVa(at + offset), &mut head)?;
        let mut r = Reader::new(t.abi, &head);
        let (magic, size) = (u32::get(&mut r), u32::get(&mut r));
        if magic == 0 {
            return Ok(out);
        }
        if size < 16 || u64::from(size) > RECORDS_BYTES as u64 - offset {
            return Err(Errno::EINVAL);
        }
        if magic == FPSIMD_MAGIC {
            if size != FPSIMD_BYTES {
                return Err(Errno::EINVAL);
            }
            let mut body = [0u8; FPSIMD_BYTES as usize - 8];
            t.mem.read(GuestVa(at + offset + 8), &mut body)?;
            let mut r = Reader::new(t.abi, &body);
            let (fpsr, fpcr) = (u32::get(&mut r), u32::get(&mut r));
            let mut vec = [0; 32];
            for v in &mut vec {
                *v = get_vector(&mut r);
            }
            out.vec = Some((vec, fpsr, fpcr));
        }
        offset += u64::from(size).next_multiple_of(16);
    }
    Ok(out)
}

/// rt_sigreturn: the registers of the frame at the stack pointer come back; gives the mask to set.
pub fn pop(t: &mut Task) -> Result<u64, Errno> {
    let sp = state(t).x[SP];
    if sp & 15 != 0 {
        return Err(Errno::EFAULT);
    }
    let at = sp + SIGINFO_SIZE as u64;
    let mut buf = [0u8; MCONTEXT_AT + RECORDS_AT];
    t.mem.read(GuestVa(at), &mut buf)?;
    let mut r = Reader::new(t.abi, &buf);
    let _ = (ULong::get(&mut r), ULong::get(&mut r));
    let alt = AltStack {
        sp: ULong::get(&mut r).0,
        flags: u32::get(&mut r),
        size: ULong::get(&mut r).0,
    };
    let mask = signal::get_mask(&mut r);
    let mut r = Reader::new(t.abi, buf.get(MCONTEXT_AT..).unwrap_or_default());
    let _fault = u64::get(&mut r);
    let mut x = [0; 32];
    r.uints(8, &mut x);
    let (pc, pstate) = (u64::get(&mut r), u64::get(&mut r));
    let records = read_records(t, at + (MCONTEXT_AT + RECORDS_AT) as u64)?;
    let mut mode = Mode(t.vcpu.mode());
    let s = t.vcpu.state_mut::<A64State>();
    s.x = x;
    s.set_nzcv(pstate as u32);
    s.dit = (pstate >> 24) as u32 & 1;
    s.ssbs = (pstate >> 12) as u32 & 1;
    s.excl_addr = EXCLUSIVE_OPEN;
    if let Some((vec, fpsr, fpcr)) = records.vec {
        s.vec = vec;
        s.fpcr = fpcr & target_aarch64::state::FPCR_BITS;
        mode = mode.with_fpcr(s.fpcr);
        let sticky = s.set_fpsr(fpsr);
        t.vcpu.set_fp_flags(sticky);
    }
    t.vcpu.set_mode(mode.0);
    t.vcpu.set_pc(pc);
    t.signals.alt_stack.restore(alt, x[SP]);
    Ok(mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_matches_the_kernels_offsets() {
        // offsetof in gcc for aarch64-linux-gnu: uc_mcontext 176, __reserved 288; sizeof(ucontext_t) 4560.
        assert_eq!(FRAME_BYTES - SIGINFO_SIZE, 4560);
        assert_eq!(FPSIMD_BYTES as usize, 16 + 32 * 16);
    }
}
