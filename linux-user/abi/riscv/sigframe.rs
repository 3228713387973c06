//! Signal frames of RISC-V: what a handler finds on its stack, and the way back.
//! [Linux arch/riscv/include/uapi/asm/{ptrace,sigcontext,ucontext}.h, arch/riscv/kernel/signal.c]
//!
//! A frame is siginfo and ucontext: flags, link, stack, mask (with room for 1,024 signals), general registers with the
//! program counter in the place of x0, and floating-point state, whose last words say that no further record follows.

use super::vdso::return_code;
use crate::abi::{Layout, Reader, ULong, Writer};
use crate::errno::Errno;
use crate::signal::{self, Action, AltStack, SIGINFO_SIZE, SigInfo};
use crate::task::Task;
use target_riscv::{Mode, RiscvState};
use tcg_mem::GuestVa;

/// The mask's bytes and those reserved behind it.
const MASK_BYTES: usize = 128;
/// Size and alignment of the floating-point state: that of quadruple precision.
const FP_BYTES: usize = 528;
const FP_ALIGN: usize = 16;

const RA: usize = 1;
const SP: usize = 2;
const A0: usize = 10;

/// Offsets in the ucontext for a word size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Offsets {
    mask: usize,
    regs: usize,
    fp: usize,
    end: usize,
}

const fn offsets(word: usize) -> Offsets {
    // flags, link; stack: pointer, flags (padded), size.
    let mask = 5 * word;
    let regs = (mask + MASK_BYTES).next_multiple_of(FP_ALIGN);
    let fp = (regs + 32 * word).next_multiple_of(FP_ALIGN);
    Offsets {
        mask,
        regs,
        fp,
        end: fp + FP_BYTES,
    }
}

/// Offsets of the general and the floating-point registers from the stack pointer that a handler starts with, of 32-bit
/// and 64-bit programs.
pub const REGS_AT: [u32; 2] = [
    (SIGINFO_SIZE + offsets(4).regs) as u32,
    (SIGINFO_SIZE + offsets(8).regs) as u32,
];
/// See [`REGS_AT`].
pub const FP_AT: [u32; 2] = [
    (SIGINFO_SIZE + offsets(4).fp) as u32,
    (SIGINFO_SIZE + offsets(8).fp) as u32,
];

/// Builds the frame of a handler and points the registers at it.
pub fn push(t: &mut Task, info: &SigInfo, action: &Action, old_mask: u64) -> Result<(), Errno> {
    let at = offsets(t.abi.word);
    let old_sp = t.port.sp(&t.vcpu);
    let size = (SIGINFO_SIZE + at.end) as u64;
    let sp = signal::frame_top(t, action, old_sp)
        .checked_sub(size)
        .ok_or(Errno::EFAULT)?
        & !15;
    let mut w = Writer::new(t.abi);
    info.put(&mut w);
    w.zeros_to(SIGINFO_SIZE);
    t.put_bytes(GuestVa(sp), w.done())?;
    let mut w = Writer::new(t.abi);
    put_ucontext(t, &mut w, at, (old_mask, old_sp));
    let context = sp + SIGINFO_SIZE as u64;
    t.put_bytes(GuestVa(context), w.done())?;
    let back = return_code(t);
    let s = t.vcpu.state_mut::<RiscvState>();
    s.x[RA] = back;
    s.x[SP] = sp;
    s.x[A0] = info.signo as u64;
    s.x[A0 + 1] = sp;
    s.x[A0 + 2] = context;
    t.vcpu.set_pc(action.handler & !1);
    Ok(())
}

fn put_ucontext(t: &Task, w: &mut Writer, at: Offsets, (mask, sp): (u64, u64)) {
    let s = t.vcpu.state::<RiscvState>();
    ULong(0).put(w);
    ULong(0).put(w);
    let alt = t.signals.alt_stack.reported(sp);
    ULong(alt.sp).put(w);
    alt.flags.put(w);
    ULong(alt.size).put(w);
    signal::put_mask(w, mask);
    w.zeros_to(at.regs);
    let mut regs = s.x;
    regs[0] = t.vcpu.pc();
    w.uints(t.abi.word, &regs);
    w.zeros_to(at.fp);
    w.uints(8, &s.f);
    s.fcsr(t.vcpu.fp_flags()).put(w);
    w.zeros_to(at.end);
}

/// rt_sigreturn: the registers of the frame at the stack pointer come back; gives the mask to set.
pub fn pop(t: &mut Task) -> Result<u64, Errno> {
    let at = offsets(t.abi.word);
    let context = t.port.sp(&t.vcpu).wrapping_add(SIGINFO_SIZE as u64);
    let mut buf = [0u8; offsets(8).end];
    let buf = buf.get_mut(..at.end).ok_or(Errno::EFAULT)?;
    t.mem.read(GuestVa(context), buf)?;
    let part = |from: usize| Reader::new(t.abi, buf.get(from..).unwrap_or_default());
    let mut r = part(2 * t.abi.word);
    let alt = AltStack {
        sp: ULong::get(&mut r).0,
        flags: u32::get(&mut r),
        size: ULong::get(&mut r).0,
    };
    let mask = signal::get_mask(&mut part(at.mask));
    let (mut regs, mut f) = ([0; 32], [0; 32]);
    part(at.regs).uints(t.abi.word, &mut regs);
    let mut r = part(at.fp);
    r.uints(8, &mut f);
    let fcsr = u32::get(&mut r);
    // What follows the floating-point state has to be the end of the records.
    let mut r = part(at.end - 12);
    if [u32::get(&mut r), u32::get(&mut r), u32::get(&mut r)] != [0; 3] {
        return Err(Errno::EFAULT);
    }
    let s = t.vcpu.state_mut::<RiscvState>();
    s.x = regs;
    s.x[0] = 0;
    s.f = f;
    let sticky = s.set_fcsr(fcsr);
    let mode = Mode(0).with_frm(s.frm).0;
    let sp = s.x[SP];
    t.vcpu.set_fp_flags(sticky);
    t.vcpu.set_mode(mode);
    t.vcpu.set_pc(regs[0] & !1);
    t.signals.alt_stack.restore(alt, sp);
    Ok(mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_matches_the_kernels_offsets() {
        // offsetof in gcc for riscv64-linux-gnu; sizeof(struct ucontext) is 960.
        let wide = Offsets {
            mask: 40,
            regs: 176,
            fp: 432,
            end: 960,
        };
        assert_eq!(offsets(8), wide);
        // uc_mcontext is aligned to 16 bytes in 32-bit programs, too.
        let narrow = Offsets {
            mask: 20,
            regs: 160,
            fp: 288,
            end: 816,
        };
        assert_eq!(offsets(4), narrow);
    }
}
