//! Signal frames of 32-bit PowerPC: what a handler finds on its stack, and the way back; and the pieces that the
//! 64-bit frames share. (Linux arch/powerpc/kernel/signal_32.c, include/uapi/asm/{ucontext,sigcontext}.h)

use super::vdso;
use crate::abi::{Abi, Endian, Layout, Reader, ULong, Writer};
use crate::errno::Errno;
use crate::signal::{self, Action, AltStack, SA_SIGINFO, SIGINFO_SIZE, SigInfo};
use crate::task::Task;
use target_ppc::state::{Mode, RESERVATION_NONE};
use target_ppc::{PpcState, fpscr};
use tcg_exec::Vcpu;
use tcg_mem::GuestVa;

/// `struct mcontext`, offset of the doubles: general registers (48 words), floating point (33 doubles), 2 words, vectors (33 of 16 bytes).
pub const FREGS_AT: usize = 48 * 4;
const VREGS_AT: usize = FREGS_AT + 33 * 8 + 8;
const MCONTEXT_BYTES: usize = VREGS_AT + 33 * 16;
/// `struct ucontext`: flags, link, stack (3 words), 7 words, pointer to the registers, mask, 30 and 3 words.
const UC_REGS_AT: usize = 48;
const UC_MCONTEXT_AT: usize = 192;
const UCONTEXT_BYTES: usize = UC_MCONTEXT_AT + MCONTEXT_BYTES;
/// `struct sigcontext` of frames without siginfo.
const SIGCONTEXT_BYTES: usize = 32;
/// Red zone of programs of other systems, above the frame.
const ABI_GAP: usize = 56 * 4;
/// What the kernel leaves for the handler's own frame.
const DUMMY_FRAME: u64 = 64;
/// Where the registers are, from the stack pointer that a handler starts with: with siginfo and without.
pub const RT_GREGS: usize = DUMMY_FRAME as usize + 16 + SIGINFO_SIZE + UC_MCONTEXT_AT;
/// See [`RT_GREGS`].
pub const OLD_GREGS: usize = DUMMY_FRAME as usize + SIGCONTEXT_BYTES;

const SP: usize = 1;

/// A structure under construction, of any size, in the guest's byte order.
pub struct Image {
    endian: Endian,
    /// The bytes so far.
    pub bytes: Vec<u8>,
}

impl Image {
    /// An empty one.
    pub fn new(abi: &Abi) -> Image {
        Image {
            endian: abi.endian,
            bytes: Vec::new(),
        }
    }

    /// A word of 4 bytes.
    pub fn u32(&mut self, v: u32) {
        match self.endian {
            Endian::Little => self.bytes.extend(v.to_le_bytes()),
            Endian::Big => self.bytes.extend(v.to_be_bytes()),
        }
    }

    /// A word of 8 bytes.
    pub fn u64(&mut self, v: u64) {
        match self.endian {
            Endian::Little => self.bytes.extend(v.to_le_bytes()),
            Endian::Big => self.bytes.extend(v.to_be_bytes()),
        }
    }

    /// A vector register.
    pub fn u128(&mut self, v: u128) {
        match self.endian {
            Endian::Little => self.bytes.extend(v.to_le_bytes()),
            Endian::Big => self.bytes.extend(v.to_be_bytes()),
        }
    }

    /// Zeros up to an offset.
    pub fn pad_to(&mut self, at: usize) {
        self.bytes.resize(at.max(self.bytes.len()), 0);
    }
}

/// A structure of any size being read; what lies behind its end is zero.
pub struct View<'a> {
    /// Byte order.
    pub endian: Endian,
    /// The bytes.
    pub bytes: &'a [u8],
}

impl View<'_> {
    fn raw<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut raw = [0; N];
        if let Some(from) = self.bytes.get(at..at.saturating_add(N)) {
            raw.copy_from_slice(from);
        }
        raw
    }

    /// The word of 4 bytes at an offset.
    pub fn u32(&self, at: usize) -> u32 {
        match self.endian {
            Endian::Little => u32::from_le_bytes(self.raw(at)),
            Endian::Big => u32::from_be_bytes(self.raw(at)),
        }
    }

    /// The word of 8 bytes at an offset.
    pub fn u64(&self, at: usize) -> u64 {
        match self.endian {
            Endian::Little => u64::from_le_bytes(self.raw(at)),
            Endian::Big => u64::from_be_bytes(self.raw(at)),
        }
    }

    /// The vector register at an offset.
    pub fn u128(&self, at: usize) -> u128 {
        match self.endian {
            Endian::Little => u128::from_le_bytes(self.raw(at)),
            Endian::Big => u128::from_be_bytes(self.raw(at)),
        }
    }
}

/// `elf_gregset_t` of a task: r0 to r31, nip, msr, the first argument, ctr, link, xer, ccr, soft enable, trap, dar,
/// dsisr, result; 48 words.
pub fn general_registers(t: &Task, info: &SigInfo) -> [u64; 48] {
    registers(&t.vcpu, info)
}

/// The same of a virtual CPU.
pub fn registers(cpu: &Vcpu, info: &SigInfo) -> [u64; 48] {
    let s = cpu.state::<PpcState>();
    let mut r = [0; 48];
    r[..32].copy_from_slice(&s.gpr);
    r[32] = cpu.pc();
    r[33] = s.msr;
    r[34] = s.gpr[3];
    r[35] = s.ctr;
    r[36] = s.lr;
    r[37] = s.xer();
    r[38] = u64::from(s.cr());
    r[40] = 0xc01;
    if matches!(info.signo, libc::SIGSEGV | libc::SIGBUS) {
        r[40] = 0x300;
        r[41] = info.addr;
    }
    r
}

/// Takes the registers back. LR, CTR, CR, XER come with the general ones; MSR does not.
pub fn set_general_registers(t: &mut Task, r: impl Fn(usize) -> u64) {
    let s = t.vcpu.state_mut::<PpcState>();
    for (k, g) in s.gpr.iter_mut().enumerate() {
        *g = r(k);
    }
    s.ctr = r(35);
    s.lr = r(36);
    // The 32-bit flags are there on all models that a program can tell apart by them.
    s.set_xer(r(37), true);
    s.set_cr(r(38) as u32);
    s.resv_addr = RESERVATION_NONE;
    let pc = r(32) & !3;
    t.vcpu.set_pc(pc);
}

/// FPSCR of a task.
pub fn read_fpscr(t: &Task) -> u64 {
    fpscr::read(t.vcpu.state::<PpcState>(), t.vcpu.fp_flags())
}

/// Replaces FPSCR, and lets the block mode follow the state.
pub fn set_fpscr(t: &mut Task, value: u64) {
    fpscr::write(t.vcpu.state_mut::<PpcState>(), value);
    t.vcpu.set_fp_flags(0);
    let mode = Mode::of(t.vcpu.state::<PpcState>());
    t.vcpu.set_mode(mode.0);
}

/// Points the registers at a handler: arguments, stack, return address.
pub fn enter(t: &mut Task, handler: u64, sp: u64, args: [u64; 4], rt: bool) {
    let link = vdso::return_code(t, rt);
    let s = t.vcpu.state_mut::<PpcState>();
    s.gpr[SP] = sp;
    s.gpr[3..7].copy_from_slice(&args);
    s.lr = link;
    s.resv_addr = RESERVATION_NONE;
    set_fpscr(t, 0);
    t.vcpu.set_pc(handler);
}

fn mcontext(t: &Task, info: &SigInfo) -> Image {
    let s = t.vcpu.state::<PpcState>();
    let mut m = Image::new(&t.abi);
    for r in general_registers(t, info) {
        m.u32(r as u32);
    }
    for k in 0..32 {
        m.u64(s.fpr(k));
    }
    m.u64(read_fpscr(t));
    m.pad_to(VREGS_AT);
    for v in &s.vsr[32..] {
        m.u128(*v);
    }
    // VRSAVE shares the last vector with VSCR: its first and last word.
    m.u128(u128::from(s.vrsave) << 96 | u128::from(s.vscr()));
    m
}

/// Builds the frame of a handler and points the registers at it.
pub fn push(t: &mut Task, info: &SigInfo, action: &Action, old_mask: u64) -> Result<(), Errno> {
    let rt = action.flags & SA_SIGINFO != 0;
    let old_sp = t.vcpu.state::<PpcState>().gpr[SP] & 0xffff_ffff;
    let size = match rt {
        true => SIGINFO_SIZE + UCONTEXT_BYTES + ABI_GAP,
        false => SIGCONTEXT_BYTES + MCONTEXT_BYTES + ABI_GAP,
    };
    let frame = signal::frame_top(t, action, old_sp)
        .checked_sub(size as u64)
        .ok_or(Errno::EFAULT)?
        & !15;
    // The dummy frame, with the back chain.
    let sp = frame
        .checked_sub(DUMMY_FRAME + if rt { 16 } else { 0 })
        .ok_or(Errno::EFAULT)?;
    let image = match rt {
        true => rt_frame(t, info, old_mask, frame),
        false => old_frame(t, (info, action.handler), old_mask, frame),
    };
    t.put_bytes(GuestVa(frame), &image.bytes)?;
    let mut chain = Image::new(&t.abi);
    chain.u32(old_sp as u32);
    t.put_bytes(GuestVa(sp), &chain.bytes)?;
    let signo = info.signo as u64;
    let args = match rt {
        true => [signo, frame, frame + SIGINFO_SIZE as u64, frame],
        false => [signo, frame, 0, 0],
    };
    enter(t, action.handler & !3, sp, args, rt);
    Ok(())
}

fn rt_frame(t: &Task, info: &SigInfo, old_mask: u64, frame: u64) -> Image {
    let mut w = Writer::new(t.abi);
    info.put(&mut w);
    let mut f = Image::new(&t.abi);
    f.bytes.extend(w.done());
    f.pad_to(SIGINFO_SIZE);
    let uc = frame + SIGINFO_SIZE as u64;
    let mut w = Writer::new(t.abi);
    0u32.put(&mut w);
    0u32.put(&mut w);
    let alt = t
        .signals
        .alt_stack
        .reported(t.vcpu.state::<PpcState>().gpr[SP] & 0xffff_ffff);
    ULong(alt.sp).put(&mut w);
    alt.flags.put(&mut w);
    ULong(alt.size).put(&mut w);
    f.bytes.extend(w.done());
    f.pad_to(SIGINFO_SIZE + UC_REGS_AT);
    f.u32((uc + UC_MCONTEXT_AT as u64) as u32);
    f.u32(old_mask as u32);
    f.u32((old_mask >> 32) as u32);
    f.pad_to(SIGINFO_SIZE + UC_MCONTEXT_AT);
    f.bytes.extend(mcontext(t, info).bytes);
    f
}

fn old_frame(t: &Task, (info, handler): (&SigInfo, u64), old_mask: u64, frame: u64) -> Image {
    let mut f = Image::new(&t.abi);
    let regs = (frame + SIGCONTEXT_BYTES as u64) as u32;
    let words = [
        0,
        0,
        0,
        (old_mask >> 32) as u32,
        info.signo as u32,
        handler as u32,
        old_mask as u32,
        regs,
    ];
    words.into_iter().for_each(|w| f.u32(w));
    f.bytes.extend(mcontext(t, info).bytes);
    f
}

/// sigreturn and rt_sigreturn: the registers of the frame above the dummy frame come back; gives the mask to set.
pub fn pop(t: &mut Task, rt: bool) -> Result<u64, Errno> {
    let sp = t.vcpu.state::<PpcState>().gpr[SP] & 0xffff_ffff;
    let frame = sp + DUMMY_FRAME + if rt { 16 } else { 0 };
    let head = if rt {
        SIGINFO_SIZE + UC_MCONTEXT_AT
    } else {
        SIGCONTEXT_BYTES
    };
    let mut bytes = vec![0; head + MCONTEXT_BYTES];
    t.mem.read(GuestVa(frame), &mut bytes)?;
    let v = View {
        endian: t.abi.endian,
        bytes: &bytes,
    };
    let (mask, alt) = match rt {
        false => (u64::from(v.u32(24)) | u64::from(v.u32(12)) << 32, None),
        true => {
            let at = SIGINFO_SIZE + UC_REGS_AT + 4;
            let mask = u64::from(v.u32(at)) | u64::from(v.u32(at + 4)) << 32;
            let stack = bytes.get(SIGINFO_SIZE + 8..).unwrap_or_default();
            (mask, Some(alt_stack(t.abi, stack)))
        }
    };
    let m = View {
        endian: t.abi.endian,
        bytes: bytes.get(head..).unwrap_or_default(),
    };
    set_general_registers(t, |k| u64::from(m.u32(4 * k)));
    let s = t.vcpu.state_mut::<PpcState>();
    for k in 0..32 {
        s.set_fpr(k, m.u64(FREGS_AT + 8 * k));
        s.vsr[32 + k] = m.u128(VREGS_AT + 16 * k);
    }
    let last = m.u128(VREGS_AT + 16 * 32);
    s.vrsave = (last >> 96) as u32;
    s.set_vscr(last as u32);
    let sp = s.gpr[SP];
    set_fpscr(t, m.u64(FREGS_AT + 8 * 32));
    if let Some(alt) = alt {
        t.signals.alt_stack.restore(alt, sp);
    }
    Ok(mask)
}

/// `stack_t` at the start of some bytes.
pub fn alt_stack(abi: Abi, bytes: &[u8]) -> AltStack {
    let mut r = Reader::new(abi, bytes);
    AltStack {
        sp: ULong::get(&mut r).0,
        flags: u32::get(&mut r),
        size: ULong::get(&mut r).0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_matches_the_kernels_offsets() {
        // offsetof in gcc for powerpc-linux-gnu: mc_vregs in mcontext_t, sizeof(mcontext_t), uc_mcontext's place.
        assert_eq!((VREGS_AT, MCONTEXT_BYTES), (464, 992));
        assert_eq!(UCONTEXT_BYTES, 1184);
    }
}
