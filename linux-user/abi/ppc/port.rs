//! Registers, start-up and traps of PowerPC Linux: 32 bits, 64 bits with function descriptors (ELFv1) and without
//! (ELFv2).

use super::{abi32, abi64, sigframe, sigframe64, vdso};
use crate::abi::{Abi, Endian};
use crate::errno::Errno;
use crate::guest::{AuxFacts, CoreRegisters, GuestPort, StartFacts, TrapAction};
use crate::signal::{Action, CoreBytes, SigInfo};
use crate::task::Task;
use crate::vdso::Vdso;
use target_ppc::{CpuModel, Ppc, PpcState, fpscr, trap};
use tcg_exec::Vcpu;
use tcg_mem::GuestVa;
use tcg_target::Isa;
use tcg_uspace::Geometry;

/// The port of 32-bit or 64-bit programs.
pub struct PpcPort {
    /// 64 bits.
    pub wide: bool,
}

const SP: usize = 1;
/// Error: CR0.SO.
const CR0_SO: usize = 3;
/// EF_PPC64_ABI: 2 is ELFv2.
const ABI_VERSION: u32 = 3;

/// si_code values.
const ILL_ILLOPC: i32 = 1;
const ILL_PRVOPC: i32 = 5;
const TRAP_BRKPT: i32 = 1;
const BUS_ADRALN: i32 = 1;
const FPE_CODES: [(u32, i32); 5] = [
    (fpscr::VX, 7),
    (fpscr::OX, 4),
    (fpscr::UX, 5),
    (fpscr::ZX, 3),
    (fpscr::XX, 6),
];

/// AT_IGNOREPPC twice, as the kernel pads; cache block sizes: data, instructions, unified.
const fn cache_blocks(bytes: u64) -> [(u64, u64); 5] {
    [(22, 22), (22, 22), (19, bytes), (20, bytes), (21, 0)]
}
static BLOCKS_32: [(u64, u64); 5] = cache_blocks(32);
static BLOCKS_128: [(u64, u64); 5] = cache_blocks(128);

impl PpcPort {
    fn model(&self, cpu: Option<&str>) -> Result<&'static CpuModel, String> {
        let Some(name) = cpu else {
            return Ok(CpuModel::default_for(self.wide));
        };
        let model = CpuModel::find(name)
            .ok_or_else(|| format!("unknown CPU model '{name}' (-cpu help lists them)"))?;
        if model.is_wide() != self.wide {
            let bits = if self.wide { 64 } else { 32 };
            return Err(format!(
                "CPU model '{name}' does not run {bits}-bit programs here"
            ));
        }
        Ok(model)
    }

    fn register(&self, v: u64) -> u64 {
        if self.wide { v } else { v & 0xffff_ffff }
    }
}

fn state(cpu: &Vcpu) -> &PpcState {
    cpu.state::<PpcState>()
}

impl GuestPort for PpcPort {
    fn name(&self) -> &'static str {
        if self.wide { "ppc64" } else { "ppc" }
    }

    fn elf_machine(&self) -> u16 {
        if self.wide { 21 } else { 20 }
    }

    fn elf_class(&self) -> u8 {
        if self.wide { 64 } else { 32 }
    }

    fn isa(&self, cpu: Option<&str>, big_endian: bool) -> Result<&'static dyn Isa, String> {
        let model = self.model(cpu)?;
        Ok(Box::leak(Box::new(Ppc {
            model,
            wide: self.wide,
            little_endian: !big_endian,
        })))
    }

    fn abi(&self, big_endian: bool) -> Abi {
        let endian = if big_endian {
            Endian::Big
        } else {
            Endian::Little
        };
        if self.wide {
            abi64(endian)
        } else {
            abi32(endian)
        }
    }

    fn aux(&self, cpu: Option<&str>, big_endian: bool) -> AuxFacts {
        let model = self.model(cpu).unwrap_or(CpuModel::default_for(self.wide));
        let [mut hwcap, hwcap2] = model.hwcap();
        if !big_endian {
            // PPC_FEATURE_TRUE_LE.
            hwcap |= 2;
        }
        AuxFacts {
            hwcap: u64::from(hwcap),
            hwcap2: u64::from(hwcap2),
            platform: model.platform,
            base_platform: model.platform,
            machine: match (self.wide, big_endian) {
                (false, _) => "ppc",
                (true, true) => "ppc64",
                (true, false) => "ppc64le",
            },
            more: if model.dcbz == 32 {
                &BLOCKS_32
            } else {
                &BLOCKS_128
            },
        }
    }

    fn geometry(&self) -> Geometry {
        if self.wide {
            return Geometry::wide();
        }
        Geometry {
            task_size: 0xffff_0000,
            stack_top: 0xfffe_f000,
            pie_base: 0x0040_0000,
            min_addr: 0x1_0000,
        }
    }

    fn tls(&self, cpu: &Vcpu) -> u64 {
        state(cpu).gpr[if self.wide { 13 } else { 2 }]
    }

    fn push_frame(
        &self,
        t: &mut Task,
        info: &SigInfo,
        action: &Action,
        old_mask: u64,
    ) -> Result<(), Errno> {
        match self.wide {
            false => sigframe::push(t, info, action, old_mask),
            true => sigframe64::push(t, info, action, old_mask),
        }
    }

    fn pop_frame(&self, t: &mut Task, rt: bool) -> Result<u64, Errno> {
        match self.wide {
            false => sigframe::pop(t, rt),
            true => sigframe64::pop(t),
        }
    }

    fn vdso(&self, big_endian: bool) -> Option<&'static Vdso> {
        Some(vdso::image(self.wide, big_endian))
    }

    fn start(&self, t: &mut Task, facts: &StartFacts) -> Result<(), Errno> {
        let (mut entry, mut toc) = (facts.entry, 0);
        if self.wide && facts.flags & ABI_VERSION != 2 {
            // The entry is a descriptor: address and table of contents.
            [entry, toc] = descriptor(t, facts.entry)?;
            entry = entry.wrapping_add(facts.bias);
            toc = toc.wrapping_add(facts.bias);
        }
        let s = t.vcpu.state_mut::<PpcState>();
        let elfv2 = self.wide && facts.flags & ABI_VERSION == 2;
        s.elfv2 = u32::from(elfv2);
        s.gpr = [0; 32];
        s.gpr[SP] = facts.sp;
        s.random = facts.seed.map_or(0, |seed| seed.max(1));
        s.gpr[2] = toc;
        if elfv2 {
            s.gpr[12] = entry;
        }
        t.vcpu.set_pc(entry);
        Ok(())
    }

    fn syscall(&self, cpu: &Vcpu) -> (u32, [u64; 7]) {
        let r = &state(cpu).gpr;
        (
            r[0] as u32,
            std::array::from_fn(|k| self.register(r[3 + k])),
        )
    }

    fn set_result(&self, cpu: &mut Vcpu, result: Result<u64, Errno>) {
        let s = cpu.state_mut::<PpcState>();
        if s.by_scv != 0 {
            s.gpr[3] = result.unwrap_or_else(|e| i64::from(e.0).wrapping_neg() as u64);
            return;
        }
        s.cr[0][CR0_SO] = u32::from(result.is_err());
        s.gpr[3] = self.register(result.unwrap_or_else(|e| e.0 as u64));
    }

    fn restart(&self, cpu: &mut Vcpu, first_arg: u64, nr: Option<u32>) {
        let pc = cpu.pc();
        let s = cpu.state_mut::<PpcState>();
        s.gpr[3] = first_arg;
        if let Some(nr) = nr {
            s.gpr[0] = u64::from(nr);
        }
        cpu.set_pc(self.register(pc.wrapping_sub(4)));
    }

    fn set_sp(&self, cpu: &mut Vcpu, sp: u64) {
        cpu.state_mut::<PpcState>().gpr[SP] = sp;
    }

    fn sp(&self, cpu: &Vcpu) -> u64 {
        self.register(state(cpu).gpr[SP])
    }

    fn set_tls(&self, cpu: &mut Vcpu, tls: u64) {
        cpu.state_mut::<PpcState>().gpr[if self.wide { 13 } else { 2 }] = tls;
    }

    /// As in signal frames; floating point with FPSCR; vectors with VSCR and VRSAVE; the lower halves of VSR 0 to 31.
    /// [Linux arch/powerpc/kernel/ptrace/ptrace-view.c]
    fn core_registers(&self, cpu: &Vcpu) -> Option<CoreRegisters> {
        const NT_FPREGSET: u32 = 2;
        const NT_PPC_VMX: u32 = 0x100;
        const NT_PPC_VSX: u32 = 0x102;
        let s = cpu.state::<PpcState>();
        let abi = self.abi(cpu.mode() & target_ppc::Mode::LE == 0);
        let mut fp = CoreBytes::new(abi);
        (0..32).for_each(|k| fp.uint(8, s.fpr(k)));
        fp.uint(8, fpscr::read(s, cpu.fp_flags()));
        let mut vectors = CoreBytes::new(abi);
        s.vsr[32..].iter().for_each(|v| vectors.wide(*v));
        vectors.wide(u128::from(s.vscr()));
        vectors.uint(4, u64::from(s.vrsave));
        vectors.uint(4, 0);
        vectors.uint(8, 0);
        let mut halves = CoreBytes::new(abi);
        s.vsr[..32].iter().for_each(|v| halves.uint(8, *v as u64));
        let mut sets = vec![
            ("CORE", NT_FPREGSET, fp.done().to_vec()),
            ("LINUX", NT_PPC_VMX, vectors.done().to_vec()),
        ];
        if self.wide {
            sets.push(("LINUX", NT_PPC_VSX, halves.done().to_vec()));
        }
        Some(CoreRegisters {
            general: sigframe::registers(cpu, &SigInfo::default()).to_vec(),
            sets,
            id_bytes: 4,
        })
    }

    /// EF_PPC64_ABI.
    fn elf_flags(&self, cpu: &Vcpu) -> u64 {
        match (self.wide, cpu.state::<PpcState>().elfv2 != 0) {
            (false, _) => 0,
            (true, v2) => 1 + u64::from(v2),
        }
    }

    fn trap(&self, cpu: &mut Vcpu, code: u32, info: u64) -> TrapAction {
        let pc = cpu.pc();
        let signal = |sig, code| TrapAction::Signal {
            sig,
            code,
            addr: pc,
        };
        match code {
            trap::SC | trap::SCV => {
                cpu.state_mut::<PpcState>().by_scv = u32::from(code == trap::SCV);
                TrapAction::Syscall
            }
            trap::WAIT => TrapAction::Continue,
            trap::TRAP => signal(libc::SIGTRAP, TRAP_BRKPT),
            trap::PRIVILEGED => signal(libc::SIGILL, ILL_PRVOPC),
            trap::ALIGNMENT => signal(libc::SIGBUS, BUS_ADRALN),
            trap::FP_EXCEPTION => {
                let hit = |bit| info as u32 & bit != 0 && enabled(info as u32, bit);
                let code = FPE_CODES.iter().find(|(bit, _)| hit(*bit));
                signal(libc::SIGFPE, code.map_or(0, |c| c.1))
            }
            trap::UNIMPLEMENTED => {
                let insn = info as u32;
                let text = target_ppc::disasm::disassemble(insn, pc, self.wide);
                eprintln!(
                    "emu: instruction not implemented at {pc:#x}: {} ({insn:#010x})",
                    text.unwrap_or_default()
                );
                signal(libc::SIGILL, ILL_ILLOPC)
            }
            _ => signal(libc::SIGILL, ILL_ILLOPC),
        }
    }
}

/// Whether the enable of an exception summary bit is set.
fn enabled(fpscr: u32, bit: u32) -> bool {
    fpscr & bit >> 22 != 0
}

/// The first two words of a function descriptor.
pub fn descriptor(t: &Task, at: u64) -> Result<[u64; 2], Errno> {
    let mut raw = [[0u8; 8]; 2];
    for (k, word) in raw.iter_mut().enumerate() {
        t.mem.read(GuestVa(at.wrapping_add(8 * k as u64)), word)?;
    }
    Ok(raw.map(|word| match t.abi.endian {
        Endian::Little => u64::from_le_bytes(word),
        Endian::Big => u64::from_be_bytes(word),
    }))
}
