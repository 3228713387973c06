//! Signal frames of 32-bit ARM: what a handler finds on its stack, and the way back.
//! [Linux arch/arm/include/uapi/asm/{sigcontext,ucontext}.h, arch/arm/kernel/signal.c]
//!
//! A frame is `struct sigframe` (ucontext, return code) or, with SA_SIGINFO, `struct rt_sigframe` (siginfo before
//! it). Behind the ucontext's mask follow 128 unused-mask bytes and the coprocessor area, which holds one VFP record.

use super::kuser;
use crate::abi::{Layout, Reader, ULong, Writer};
use crate::errno::Errno;
use crate::signal::{self, Action, AltStack, SA_SIGINFO, SIGINFO_SIZE, SigInfo};
use crate::task::Task;
use target_arm::{ArmState, Mode};
use tcg_mem::{Endian, GuestVa};

/// Offset of the signal mask in the ucontext: flags, link, stack (3 words), sigcontext (21 words).
const MASK_AT: usize = 4 + 4 + 12 + 21 * 4;
/// Offset of the coprocessor area: 128 bytes are reserved for the mask, then 8-byte alignment.
const REGSPACE_AT: usize = MASK_AT + 128;
/// The coprocessor area: 128 words.
const UCONTEXT_BYTES: usize = REGSPACE_AT + 512;
/// Two instructions each to return from the two kinds of frame, in either instruction set.
const RETCODE_BYTES: usize = 16;

/// `VFP_MAGIC` and the size of its record: header, 32 registers, FPSCR and padding, exception registers.
const VFP_MAGIC: u32 = 0x5646_5001;
const VFP_BYTES: u32 = 8 + 264 + 16;
/// FPEXC.EN.
const FPEXC_ENABLED: u32 = 1 << 30;
/// uc_flags of a frame without siginfo.
const OLD_FRAME: u32 = 0x5ac3_c35a;

/// No exclusive monitor: an address that no exclusive access has.
const NO_MONITOR: u32 = u32::MAX;

const SP: usize = 13;
const LR: usize = 14;
/// NZCVQ and the top of the IT state: a handler starts without them.
const PSR_FLAGS: u32 = 0xff00_0000;
const PSR_T: u32 = 1 << 5;
const PSR_E: u32 = 1 << 9;
const PSR_IT_LOW: u32 = 0xfc00;
/// sa_flags: sa_restorer is valid.
const SA_RESTORER: u64 = 0x0400_0000;

fn state(t: &Task) -> &ArmState {
    t.vcpu.state::<ArmState>()
}

/// Builds the frame of a handler and points the registers at it.
pub fn push(t: &mut Task, info: &SigInfo, action: &Action, old_mask: u64) -> Result<(), Errno> {
    let rt = action.flags & SA_SIGINFO != 0;
    let before = if rt { SIGINFO_SIZE } else { 0 };
    let size = (before + UCONTEXT_BYTES + RETCODE_BYTES) as u64;
    let old_sp = u64::from(state(t).r[SP]);
    let sp = signal::frame_top(t, action, old_sp)
        .checked_sub(size)
        .ok_or(Errno::EFAULT)?
        & !7;
    let mut w = Writer::new(t.abi);
    if rt {
        info.put(&mut w);
    }
    put_ucontext(t, &mut w, (info, old_mask), if rt { 0 } else { OLD_FRAME });
    let thumb = action.handler & 1 != 0;
    let code = kuser::return_code(rt, thumb);
    // Instructions are little-endian whatever the data order.
    code.words
        .iter()
        .for_each(|word| w.bytes(&word.to_le_bytes()));
    w.bytes(&vec![0; (size as usize).saturating_sub(w.done().len())]);
    t.put_bytes(GuestVa(sp), w.done())?;
    let lr = if action.flags & SA_RESTORER != 0 {
        action.restorer
    } else {
        code.address
    };
    enter_handler(t, (info.signo, action.handler), sp, lr as u32);
    if rt {
        let r = &mut t.vcpu.state_mut::<ArmState>().r;
        r[1] = sp as u32;
        r[2] = (sp + SIGINFO_SIZE as u64) as u32;
    }
    Ok(())
}

fn enter_handler(t: &mut Task, (signo, handler): (i32, u64), sp: u64, lr: u32) {
    let thumb = handler & 1;
    let (pc, mode) = (t.vcpu.pc(), Mode(t.vcpu.mode()));
    let big = t.abi.endian == Endian::Big;
    let s = t.vcpu.state_mut::<ArmState>();
    let cpsr = s.cpsr(pc, mode) & !(PSR_FLAGS | PSR_E | PSR_T | PSR_IT_LOW);
    let cpsr = cpsr | if thumb != 0 { PSR_T } else { 0 } | if big { PSR_E } else { 0 };
    let (mode, _) = s.set_cpsr(cpsr, mode);
    s.r[0] = signo as u32;
    s.r[SP] = sp as u32;
    s.r[LR] = lr;
    s.excl_addr = NO_MONITOR;
    t.vcpu.set_mode(mode.0);
    t.vcpu.set_pc(if thumb != 0 {
        handler | 1
    } else {
        handler & !3
    });
}

fn put_ucontext(t: &Task, w: &mut Writer, (info, old_mask): (&SigInfo, u64), flags: u32) {
    let start = w.done().len();
    let s = state(t);
    let (pc, mode) = (t.vcpu.pc(), Mode(t.vcpu.mode()));
    flags.put(w);
    0u32.put(w); // uc_link
    let alt = t.signals.alt_stack.reported(u64::from(s.r[SP]));
    ULong(alt.sp).put(w);
    alt.flags.put(w);
    ULong(alt.size).put(w);
    for word in [info.trap[0], info.trap[1], old_mask as u32] {
        word.put(w);
    }
    s.r.iter().for_each(|r| r.put(w));
    (pc as u32 & !1).put(w);
    s.cpsr(pc, mode).put(w);
    let fault_address = if info.trap == [0; 2] {
        0
    } else {
        info.addr as u32
    };
    fault_address.put(w);
    signal::put_mask(w, old_mask);
    w.bytes(&[0; 128][8..]);
    put_vfp(t, w);
    let used = w.done().len() - start;
    w.bytes(&[0; UCONTEXT_BYTES][used.min(UCONTEXT_BYTES)..]);
}

fn put_vfp(t: &Task, w: &mut Writer) {
    let s = state(t);
    VFP_MAGIC.put(w);
    VFP_BYTES.put(w);
    s.vfp.iter().for_each(|d| d.put(w));
    s.fpscr(t.vcpu.fp_flags()).put(w);
    0u32.put(w);
    for word in [FPEXC_ENABLED, 0, 0, 0] {
        word.put(w);
    }
}

/// The registers of a frame.
struct Saved {
    alt: AltStack,
    r: [u32; 15],
    pc: u32,
    cpsr: u32,
    mask: u64,
    vfp: Option<([u64; 32], u32)>,
}

fn read(t: &Task, at: u64) -> Result<Saved, Errno> {
    let mut buf = [0u8; UCONTEXT_BYTES];
    t.mem.read(GuestVa(at), &mut buf)?;
    let mut r = Reader::new(t.abi, &buf);
    let _ = [u32::get(&mut r), u32::get(&mut r)];
    let alt = AltStack {
        sp: u32::get(&mut r).into(),
        flags: u32::get(&mut r),
        size: u32::get(&mut r).into(),
    };
    let _ = [u32::get(&mut r), u32::get(&mut r), u32::get(&mut r)];
    let regs = <[u32; 15]>::get(&mut r);
    let (pc, cpsr, _) = (u32::get(&mut r), u32::get(&mut r), u32::get(&mut r));
    let mask = signal::get_mask(&mut r);
    let mut r = Reader::new(t.abi, buf.get(REGSPACE_AT..).unwrap_or_default());
    let (magic, size) = (u32::get(&mut r), u32::get(&mut r));
    let vfp = (magic == VFP_MAGIC && size == VFP_BYTES)
        .then(|| (<[u64; 32]>::get(&mut r), u32::get(&mut r)));
    Ok(Saved {
        alt,
        r: regs,
        pc,
        cpsr,
        mask,
        vfp,
    })
}

/// sigreturn and rt_sigreturn: the registers of the frame at the stack pointer come back; gives the mask to set.
pub fn pop(t: &mut Task, rt: bool) -> Result<u64, Errno> {
    let sp = u64::from(state(t).r[SP]);
    if sp & 7 != 0 {
        return Err(Errno::EFAULT);
    }
    let saved = read(t, sp + if rt { SIGINFO_SIZE as u64 } else { 0 })?;
    let mode = Mode(t.vcpu.mode());
    let s = t.vcpu.state_mut::<ArmState>();
    s.r = saved.r;
    let (mut mode, thumb) = s.set_cpsr(saved.cpsr, mode);
    s.excl_addr = NO_MONITOR;
    if let Some((vfp, fpscr)) = saved.vfp {
        s.vfp = vfp;
        let sticky = s.set_fpscr(fpscr);
        mode = mode.with_fpscr(fpscr);
        t.vcpu.set_fp_flags(sticky);
    }
    let pc = u64::from(saved.pc);
    t.vcpu.set_mode(mode.0);
    t.vcpu.set_pc(if thumb { pc | 1 } else { pc & !3 });
    if rt {
        t.signals
            .alt_stack
            .restore(saved.alt, u64::from(saved.r[SP]));
    }
    Ok(saved.mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_matches_the_kernels_offsets() {
        // offsetof in gcc for arm-linux-gnueabihf: uc_sigmask 104, uc_regspace 232, sizeof(ucontext_t) 744.
        assert_eq!((MASK_AT, REGSPACE_AT, UCONTEXT_BYTES), (104, 232, 744));
        assert_eq!(VFP_BYTES, 288);
    }
}
