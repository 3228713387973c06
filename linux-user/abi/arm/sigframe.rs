//! Signal frames of 32-bit ARM: struct sigframe and rt_sigframe with the VFP record.
//! [Linux arch/arm/include/uapi/asm/{sigcontext,ucontext}.h, arch/arm/kernel/signal.c]

use crate::abi::{Reader, Writer};
use crate::errno::Errno;
use crate::signal::{self, Action, SA_ONSTACK, SA_SIGINFO, SIGINFO_SIZE, SigInfo};
use crate::task::Task;
use target_arm::{ArmState, Mode};
use tcg_mem::GuestVa;

/// Size of struct ucontext: flags, link, stack, registers, mask with its reserve, 128 words for coprocessors.
const UCONTEXT: u64 = 744;
/// Offset of uc_mcontext.
const MCONTEXT: u64 = 20;
/// Offset of uc_sigmask.
const SIGMASK: u64 = 104;
/// Offset of uc_regspace.
const REGSPACE: u64 = 232;
/// The two words behind ucontext in struct sigframe hold return code when there is no sa_restorer.
const RETCODE: u64 = 16;

const VFP_MAGIC: u64 = 0x5646_5001;
/// Size of struct vfp_sigframe.
const VFP_SIZE: u64 = 288;

/// sa_flags: sa_restorer is valid.
const SA_RESTORER: u64 = 0x0400_0000;

const SP: usize = 13;
const LR: usize = 14;
const THUMB: u64 = 1;

/// Builds the frame and sets the registers.
pub fn push(t: &mut Task, info: &SigInfo, action: &Action, old_mask: u64) -> Result<(), Errno> {
    let rt = action.flags & SA_SIGINFO != 0;
    let size = UCONTEXT + RETCODE + if rt { SIGINFO_SIZE as u64 } else { 0 };
    let sp = u64::from(t.vcpu.state::<ArmState>().r[SP]);
    let alt = t.signals.alt_stack;
    let top = match action.flags & SA_ONSTACK != 0 && alt.size != 0 && !alt.contains(sp) {
        true => alt.sp + alt.size,
        false => sp,
    };
    let frame = top.wrapping_sub(size) & 0xffff_fff8;
    let uc = frame + if rt { SIGINFO_SIZE as u64 } else { 0 };
    if rt {
        t.put_siginfo(GuestVa(frame), info)?;
    }
    let context = context(t, info, old_mask, rt);
    t.put_bytes(GuestVa(uc), &context)?;
    let restorer = match action.flags & SA_RESTORER != 0 {
        true => action.restorer,
        false => super::kuser::sigreturn_code(rt, action.handler & THUMB != 0),
    };
    let big = t.abi.endian == tcg_mem::Endian::Big;
    let mode = Mode(t.vcpu.mode()).with_it(0).with_big_endian(big);
    let s = t.vcpu.state_mut::<ArmState>();
    s.r[0] = info.signo as u32;
    if rt {
        s.r[1] = frame as u32;
        s.r[2] = uc as u32;
    }
    s.r[SP] = frame as u32;
    s.r[LR] = restorer as u32;
    t.vcpu.set_pc(action.handler);
    t.vcpu.set_mode(mode.0);
    Ok(())
}

/// struct ucontext.
fn context(t: &Task, info: &SigInfo, old_mask: u64, rt: bool) -> Vec<u8> {
    let (pc, mode) = (t.vcpu.pc(), Mode(t.vcpu.mode()));
    let s = t.vcpu.state::<ArmState>();
    let mut w = Writer::new(t.abi);
    // A frame of the old kind is marked, as sigreturn expects its mask in another place.
    w.uint(4, if rt { 0 } else { 0x5ac3_c35a });
    w.uint(4, 0);
    let alt = t.signals.alt_stack;
    w.uint(4, alt.sp);
    w.uint(4, u64::from(signal::alt_stack_flags(t)));
    w.uint(4, alt.size);
    w.uint(4, 0); // trap_no
    w.uint(4, 0); // error_code
    w.uint(4, old_mask & 0xffff_ffff);
    for r in s.r {
        w.uint(4, u64::from(r));
    }
    w.uint(4, pc & !THUMB);
    w.uint(4, u64::from(s.cpsr(pc, mode)));
    w.uint(4, info.addr);
    w.uint(4, old_mask & 0xffff_ffff);
    w.uint(4, old_mask >> 32);
    w.bytes(&[0; (REGSPACE - SIGMASK - 8) as usize]);
    w.uint(4, VFP_MAGIC);
    w.uint(4, VFP_SIZE);
    for d in s.vfp {
        w.uint(8, d);
    }
    w.uint(4, u64::from(s.fpscr(t.vcpu.fp_flags())));
    w.uint(4, 0);
    w.uint(4, 1 << 30); // fpexc: enabled
    w.bytes(&[0; 12]); // fpinst, fpinst2, padding
    w.uint(4, 0); // end
    let mut bytes = w.done().to_vec();
    bytes.resize((UCONTEXT + RETCODE) as usize, 0);
    bytes
}

/// Takes everything back; the result is what r0 becomes.
pub fn pop(t: &mut Task, rt: bool) -> Result<u64, Errno> {
    let sp = u64::from(t.vcpu.state::<ArmState>().r[SP]);
    if sp % 8 != 0 {
        return Err(Errno::EFAULT);
    }
    let uc = sp + if rt { SIGINFO_SIZE as u64 } else { 0 };
    let mut bytes = vec![0; UCONTEXT as usize];
    t.mem.read(GuestVa(uc), &mut bytes)?;
    let mut r = Reader::new(t.abi, bytes.get(MCONTEXT as usize..).unwrap_or_default());
    let _ = (r.uint(4), r.uint(4), r.uint(4));
    let mut regs = [0u32; 16];
    for reg in &mut regs {
        *reg = r.uint(4) as u32;
    }
    let cpsr = r.uint(4) as u32;
    let mut r = Reader::new(t.abi, bytes.get(SIGMASK as usize..).unwrap_or_default());
    let mask = r.uint(4) | r.uint(4) << 32;
    let mode = Mode(t.vcpu.mode());
    let s = t.vcpu.state_mut::<ArmState>();
    s.r.copy_from_slice(&regs[..15]);
    let (mut mode, thumb) = s.set_cpsr(cpsr, mode);
    let mut r = Reader::new(t.abi, bytes.get(REGSPACE as usize..).unwrap_or_default());
    if r.uint(4) == VFP_MAGIC && r.uint(4) == VFP_SIZE {
        for d in &mut s.vfp {
            *d = r.uint(8);
        }
        let fpscr = r.uint(4) as u32;
        let sticky = s.set_fpscr(fpscr);
        mode = mode.with_fpscr(fpscr);
        t.vcpu.set_fp_flags(sticky);
    }
    t.vcpu.set_pc(u64::from(regs[15]) & !THUMB | u64::from(thumb));
    t.vcpu.set_mode(mode.0);
    t.vcpu.mode_changed();
    signal::set_mask(t, mask);
    if rt {
        let mut r = Reader::new(t.abi, bytes.get(8..).unwrap_or_default());
        let (sp, flags, size) = (r.uint(4), r.uint(4), r.uint(4));
        let _ = signal::set_alt_stack(t, sp, flags as u32, size);
    }
    Ok(u64::from(regs[0]))
}
