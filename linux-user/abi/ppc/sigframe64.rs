//! Signal frames of 64-bit PowerPC, for handlers of both ABI versions: under ELFv1 a handler's address is that of a
//! descriptor. (Linux arch/powerpc/kernel/signal_64.c, include/uapi/asm/{ucontext,sigcontext}.h)

use super::port::descriptor;
use super::sigframe::{
    Image, View, alt_stack, enter, general_registers, read_fpscr, set_fpscr, set_general_registers,
};
use crate::abi::{Layout, ULong, Writer};
use crate::errno::Errno;
use crate::signal::{self, Action, SA_SIGINFO, SIGINFO_SIZE, SigInfo};
use crate::task::Task;
use target_ppc::PpcState;
use tcg_mem::GuestVa;

/// `struct ucontext`: flags, link, stack, mask, 15 doublewords, then `struct sigcontext`.
const MASK_AT: usize = 40;
const SIGCONTEXT_AT: usize = 168;
/// `struct sigcontext`: 4 unused doublewords, signal, handler, old mask, pointer to the registers, registers, floating
/// point, pointer to the vectors, room for those.
const GREGS_AT: usize = SIGCONTEXT_AT + 64;
const FREGS_AT: usize = GREGS_AT + 48 * 8;
const VREGS_PTR_AT: usize = FREGS_AT + 33 * 8;
const RESERVE_AT: usize = VREGS_PTR_AT + 8;
const UCONTEXT_BYTES: usize = RESERVE_AT + 101 * 8;
/// Two doublewords, the trampoline, pointers to siginfo and ucontext, siginfo.
const PINFO_AT: usize = UCONTEXT_BYTES + 16 + 24;
const INFO_AT: usize = PINFO_AT + 16;
/// With the red zone.
const FRAME_BYTES: usize = INFO_AT + SIGINFO_SIZE + 512;
/// What the kernel leaves for the handler's own frame.
const DUMMY_FRAME: u64 = 128;
/// Where the registers are, from the stack pointer that a handler starts with.
pub const GREGS: usize = DUMMY_FRAME as usize + GREGS_AT;
/// The same for the doubles.
pub const FREGS: usize = DUMMY_FRAME as usize + FREGS_AT;

const SP: usize = 1;
const TOC: usize = 2;

/// Offset of the vectors in the frame: aligned by the address.
fn vectors_at(frame: u64) -> usize {
    let at = frame + RESERVE_AT as u64;
    (((at + 15) & !15) - frame) as usize
}

fn build(t: &Task, (info, handler): (&SigInfo, u64), old_mask: u64, frame: u64) -> Image {
    let s = t.vcpu.state::<PpcState>();
    let mut f = Image::new(&t.abi);
    f.u64(0);
    f.u64(0);
    let alt = t.signals.alt_stack.reported(s.gpr[SP]);
    let mut w = Writer::new(t.abi);
    ULong(alt.sp).put(&mut w);
    alt.flags.put(&mut w);
    ULong(alt.size).put(&mut w);
    f.bytes.extend(w.done());
    f.pad_to(MASK_AT);
    f.u64(old_mask);
    f.pad_to(SIGCONTEXT_AT + 32);
    f.u32(info.signo as u32);
    f.u32(0);
    f.u64(handler);
    f.u64(old_mask);
    f.u64(frame + GREGS_AT as u64);
    general_registers(t, info)
        .into_iter()
        .for_each(|r| f.u64(r));
    (0..32).for_each(|k| f.u64(s.fpr(k)));
    f.u64(read_fpscr(t));
    let vectors = vectors_at(frame);
    f.u64(frame + vectors as u64);
    f.pad_to(vectors);
    s.vsr[32..].iter().for_each(|v| f.u128(*v));
    f.u128(u128::from(s.vscr()));
    // VRSAVE is the first word in memory.
    f.u32(s.vrsave);
    f.pad_to(vectors + 34 * 16);
    // The lower halves of VSR 0 to 31.
    s.vsr[..32].iter().for_each(|v| f.u64(*v as u64));
    f.pad_to(PINFO_AT);
    f.u64(frame + INFO_AT as u64);
    f.u64(frame);
    let mut w = Writer::new(t.abi);
    info.put(&mut w);
    f.bytes.extend(w.done());
    f.pad_to(INFO_AT + SIGINFO_SIZE);
    f
}

/// Builds the frame of a handler and points the registers at it.
pub fn push(t: &mut Task, info: &SigInfo, action: &Action, old_mask: u64) -> Result<(), Errno> {
    let (old_sp, elfv2) = {
        let s = t.vcpu.state::<PpcState>();
        (s.gpr[SP], s.elfv2 != 0)
    };
    let frame = signal::frame_top(t, action, old_sp)
        .checked_sub(FRAME_BYTES as u64)
        .ok_or(Errno::EFAULT)?
        & !15;
    let sp = frame.checked_sub(DUMMY_FRAME).ok_or(Errno::EFAULT)?;
    let [entry, toc] = match elfv2 {
        true => [action.handler, 0],
        false => descriptor(t, action.handler)?,
    };
    let image = build(t, (info, action.handler), old_mask, frame);
    t.put_bytes(GuestVa(frame), &image.bytes)?;
    let mut chain = Image::new(&t.abi);
    chain.u64(old_sp);
    t.put_bytes(GuestVa(sp), &chain.bytes)?;
    let second = match action.flags & SA_SIGINFO != 0 {
        true => INFO_AT,
        false => SIGCONTEXT_AT,
    };
    let args = [info.signo as u64, frame + second as u64, frame, frame];
    enter(t, entry & !3, sp, args, true);
    let s = t.vcpu.state_mut::<PpcState>();
    match elfv2 {
        true => s.gpr[12] = action.handler,
        false => s.gpr[TOC] = toc,
    }
    Ok(())
}

/// rt_sigreturn: the trampoline has dropped the dummy frame; gives the mask to set.
pub fn pop(t: &mut Task) -> Result<u64, Errno> {
    let frame = t.vcpu.state::<PpcState>().gpr[SP];
    let mut bytes = vec![0; UCONTEXT_BYTES];
    t.mem.read(GuestVa(frame), &mut bytes)?;
    let v = View {
        endian: t.abi.endian,
        bytes: &bytes,
    };
    let mask = v.u64(MASK_AT);
    let alt = alt_stack(t.abi, bytes.get(16..).unwrap_or_default());
    set_general_registers(t, |k| v.u64(GREGS_AT + 8 * k));
    let vectors = v.u64(VREGS_PTR_AT);
    let mut raw = vec![0; 34 * 16 + 32 * 8];
    let with_vectors = vectors != 0;
    if with_vectors {
        t.mem.read(GuestVa(vectors), &mut raw)?;
    }
    let w = View {
        endian: t.abi.endian,
        bytes: &raw,
    };
    let s = t.vcpu.state_mut::<PpcState>();
    for k in 0..32 {
        s.set_fpr(k, v.u64(FREGS_AT + 8 * k));
    }
    if with_vectors {
        for k in 0..32 {
            s.vsr[32 + k] = w.u128(16 * k);
            let low = w.u64(34 * 16 + 8 * k);
            s.vsr[k] = u128::from(s.fpr(k)) << 64 | u128::from(low);
        }
        s.set_vscr(w.u128(16 * 32) as u32);
        s.vrsave = w.u32(16 * 33);
    }
    let sp = s.gpr[SP];
    set_fpscr(t, v.u64(FREGS_AT + 8 * 32));
    t.signals.alt_stack.restore(alt, sp);
    Ok(mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_matches_the_kernels_offsets() {
        // offsetof in gcc for powerpc64le-linux-gnu: gp_regs, fp_regs, v_regs, vmx_reserve in the ucontext.
        assert_eq!((GREGS_AT, FREGS_AT), (232, 616));
        assert_eq!((VREGS_PTR_AT, RESERVE_AT, UCONTEXT_BYTES), (880, 888, 1696));
    }
}
