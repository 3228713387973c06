//! Registers, start-up and traps of RISC-V Linux.

use crate::abi::Abi;
use crate::errno::Errno;
use crate::guest::{AuxFacts, CoreRegisters, GuestPort, StartFacts, TrapAction};
use crate::signal::{Action, CoreBytes, SigInfo};
use crate::task::Task;
use crate::vdso::Vdso;
use std::sync::OnceLock;
use target_riscv::{Cpu, Mode, Riscv, RiscvState, trap};
use tcg_exec::Vcpu;
use tcg_target::Isa;
use tcg_uspace::Geometry;

/// The port for registers of 64 or 32 bits.
pub struct RiscvPort {
    /// 64 or 32.
    pub bits: u32,
}

/// Register numbers of the procedure call standard. [RISC-V-ABI]
const SP: usize = 2;
const TP: usize = 4;
const A0: usize = 10;
const A7: usize = 17;

/// ECALL has 4 bytes in any case.
const ECALL_SIZE: u64 = 4;

/// si_code values.
const ILL_ILLOPC: i32 = 1;
const TRAP_BRKPT: i32 = 1;
const BUS_ADRALN: i32 = 1;

/// The CPU that was chosen when the program started, for what has no task at hand.
static CHOSEN: OnceLock<Cpu> = OnceLock::new();

/// The chosen CPU, or the default.
pub fn chosen(bits: u32) -> Cpu {
    let default = || Cpu::parse(None, bits).ok();
    let chosen = CHOSEN.get().copied().or_else(default);
    chosen.unwrap_or_else(|| unreachable!("the default CPU model is in the table"))
}

/// The CPU of a task.
pub fn cpu_of(t: &Task) -> Cpu {
    chosen(8 * t.abi.word as u32)
}

impl GuestPort for RiscvPort {
    fn name(&self) -> &'static str {
        if self.bits == 64 {
            "riscv64"
        } else {
            "riscv32"
        }
    }

    fn elf_machine(&self) -> u16 {
        243
    }

    fn elf_class(&self) -> u8 {
        self.bits as u8
    }

    fn isa(&self, cpu: Option<&str>, _big_endian: bool) -> Result<&'static dyn Isa, String> {
        let cpu = Cpu::parse(cpu, self.bits)?;
        let _ = CHOSEN.set(cpu);
        Ok(Box::leak(Box::new(Riscv { cpu })))
    }

    fn abi(&self, _big_endian: bool) -> Abi {
        super::abi(self.bits as usize / 8)
    }

    fn aux(&self, cpu: Option<&str>, _big_endian: bool) -> AuxFacts {
        let cpu = Cpu::parse(cpu, self.bits).unwrap_or_else(|_| chosen(self.bits));
        AuxFacts {
            hwcap: cpu.hwcap(),
            machine: self.name(),
            ..AuxFacts::default()
        }
    }

    fn geometry(&self) -> Geometry {
        if self.bits == 64 {
            return Geometry::wide();
        }
        // TASK_SIZE of 32-bit kernels; the highest page is the kernel's.
        Geometry {
            task_size: 0x9dc0_0000,
            stack_top: 0x9dbf_f000,
            pie_base: 0x5555_5000,
            min_addr: 0x1_0000,
        }
    }

    fn tls(&self, cpu: &Vcpu) -> u64 {
        cpu.state::<RiscvState>().x[TP]
    }

    fn push_frame(
        &self,
        t: &mut Task,
        info: &SigInfo,
        action: &Action,
        old_mask: u64,
    ) -> Result<(), Errno> {
        super::sigframe::push(t, info, action, old_mask)
    }

    fn pop_frame(&self, t: &mut Task, _rt: bool) -> Result<u64, Errno> {
        super::sigframe::pop(t)
    }

    fn vdso(&self, _big_endian: bool) -> Option<&'static Vdso> {
        Some(super::vdso::image(self.bits == 64))
    }

    fn start(&self, t: &mut Task, facts: &StartFacts) -> Result<(), Errno> {
        let s = t.vcpu.state_mut::<RiscvState>();
        *s = RiscvState::new();
        s.x[SP] = facts.sp;
        t.vcpu.set_fp_flags(0);
        t.vcpu.set_mode(Mode(0).0);
        t.vcpu.set_pc(facts.entry);
        Ok(())
    }

    fn syscall(&self, cpu: &Vcpu) -> (u32, [u64; 7]) {
        let x = &cpu.state::<RiscvState>().x;
        // A number that does not fit is none.
        let nr = match self.bits {
            64 => u32::try_from(x[A7]).unwrap_or(u32::MAX),
            _ => x[A7] as u32,
        };
        (nr, std::array::from_fn(|k| x[A0 + k]))
    }

    fn set_result(&self, cpu: &mut Vcpu, result: Result<u64, Errno>) {
        let value = result.unwrap_or_else(|e| i64::from(e.0).wrapping_neg() as u64);
        cpu.state_mut::<RiscvState>().x[A0] = value;
    }

    fn restart(&self, cpu: &mut Vcpu, first_arg: u64, nr: Option<u32>) {
        let pc = cpu.pc();
        let s = cpu.state_mut::<RiscvState>();
        s.x[A0] = first_arg;
        if let Some(nr) = nr {
            s.x[A7] = u64::from(nr);
        }
        cpu.set_pc(pc.wrapping_sub(ECALL_SIZE));
    }

    fn set_sp(&self, cpu: &mut Vcpu, sp: u64) {
        cpu.state_mut::<RiscvState>().x[SP] = sp;
    }

    fn sp(&self, cpu: &Vcpu) -> u64 {
        let sp = cpu.state::<RiscvState>().x[SP];
        if self.bits == 64 {
            sp
        } else {
            sp & 0xffff_ffff
        }
    }

    fn set_tls(&self, cpu: &mut Vcpu, tls: u64) {
        cpu.state_mut::<RiscvState>().x[TP] = tls;
    }

    /// PC and x1 to x31; f0 to f31 with fcsr. [Linux arch/riscv/kernel/ptrace.c]
    fn core_registers(&self, cpu: &Vcpu) -> Option<CoreRegisters> {
        const NT_FPREGSET: u32 = 2;
        let s = cpu.state::<RiscvState>();
        let mut fp = CoreBytes::new(self.abi(false));
        s.f.iter().for_each(|f| fp.uint(8, *f));
        fp.uint(8, u64::from(s.fcsr(cpu.fp_flags())));
        let pc = std::iter::once(cpu.pc());
        Some(CoreRegisters {
            general: pc.chain(s.x.iter().skip(1).copied()).collect(),
            sets: vec![("CORE", NT_FPREGSET, fp.done().to_vec())],
            id_bytes: 4,
        })
    }

    /// EF_RISCV_RVC and the ABI with doubles in registers.
    fn elf_flags(&self, _cpu: &Vcpu) -> u64 {
        5
    }

    fn trap(&self, cpu: &mut Vcpu, code: u32, info: u64) -> TrapAction {
        let pc = cpu.pc();
        let signal = |sig, code, addr| TrapAction::Signal { sig, code, addr };
        match code {
            trap::ECALL => TrapAction::Syscall,
            trap::WAIT => {
                std::thread::yield_now();
                TrapAction::Continue
            }
            trap::EBREAK => signal(libc::SIGTRAP, TRAP_BRKPT, pc),
            trap::MISALIGNED => signal(libc::SIGBUS, BUS_ADRALN, info),
            _ => signal(libc::SIGILL, ILL_ILLOPC, pc),
        }
    }
}
