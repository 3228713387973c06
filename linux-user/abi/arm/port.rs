//! Registers, start-up, traps and the kernel's page of 32-bit ARM Linux.

use crate::abi::{Abi, Endian};
use crate::errno::Errno;
use crate::guest::{AuxFacts, GuestPort, TrapAction};
use crate::task::Task;
use std::sync::OnceLock;
use target_arm::state::ArmState;
use target_arm::{Arm, trap};
use tcg_exec::Vcpu;
use tcg_mem::GuestVa;
use tcg_target::Isa;

/// The port.
pub struct ArmPort;

/// Register numbers of the procedure call standard.
const R7: usize = 7;
const SP: usize = 13;
const LR: usize = 14;

/// Thumb state: bit 0 of the program counter.
const THUMB: u64 = 1;

/// si_code values.
const ILL_ILLOPC: i32 = 1;
const TRAP_BRKPT: i32 = 1;

impl GuestPort for ArmPort {
    fn name(&self) -> &'static str {
        "arm"
    }

    fn elf_machine(&self) -> u16 {
        40
    }

    fn isa(&self, cpu: Option<&str>, big_endian: bool) -> Result<&'static dyn Isa, String> {
        static ISA: OnceLock<Arm> = OnceLock::new();
        let arm = Arm::new(cpu.unwrap_or("max"), big_endian).map_err(|e| e.to_string())?;
        Ok(ISA.get_or_init(|| arm))
    }

    fn abi(&self, big_endian: bool) -> Abi {
        super::abi(if big_endian { Endian::Big } else { Endian::Little })
    }

    fn aux(&self, isa: &dyn Isa) -> AuxFacts {
        let _ = isa;
        let (hwcap, hwcap2) = target_arm::hwcaps();
        AuxFacts { hwcap: u64::from(hwcap), hwcap2: u64::from(hwcap2), platform: "v7l", machine: "armv7l" }
    }

    fn map_kernel_pages(&self, t: &mut Task) -> Result<(), Errno> {
        super::kuser::map(t)
    }

    fn start(&self, cpu: &mut Vcpu, entry: u64, sp: u64) {
        let s = cpu.state_mut::<ArmState>();
        s.r = [0; 15];
        s.r[SP] = sp as u32;
        cpu.set_pc(entry);
    }

    fn syscall(&self, cpu: &Vcpu) -> (u32, [u64; 7]) {
        let r = &cpu.state::<ArmState>().r;
        (r[R7], std::array::from_fn(|k| u64::from(r[k])))
    }

    fn set_result(&self, cpu: &mut Vcpu, value: u64) {
        cpu.state_mut::<ArmState>().r[0] = value as u32;
    }

    fn restart(&self, cpu: &mut Vcpu, first_arg: u64, nr: Option<u32>) {
        let pc = cpu.pc();
        let s = cpu.state_mut::<ArmState>();
        s.r[0] = first_arg as u32;
        if let Some(nr) = nr {
            s.r[R7] = nr;
        }
        let size = if pc & THUMB != 0 { 2 } else { 4 };
        cpu.set_pc(pc.wrapping_sub(size) & 0xffff_ffff);
    }

    fn set_sp(&self, cpu: &mut Vcpu, sp: u64) {
        cpu.state_mut::<ArmState>().r[SP] = sp as u32;
    }

    fn sp(&self, cpu: &Vcpu) -> u64 {
        u64::from(cpu.state::<ArmState>().r[SP])
    }

    fn set_tls(&self, cpu: &mut Vcpu, tls: u64) {
        cpu.state_mut::<ArmState>().tpidruro = tls as u32;
    }

    fn trap(&self, cpu: &mut Vcpu, code: u32, info: u64) -> TrapAction {
        let pc = cpu.pc() & !THUMB;
        match code {
            // EABI only: a non-zero immediate is the old ABI's way, which kernels without OABI support refuse.
            trap::SVC if info == 0 => TrapAction::Syscall,
            trap::WAIT => TrapAction::Continue,
            trap::BKPT => TrapAction::Signal { sig: libc::SIGTRAP, code: TRAP_BRKPT, addr: pc },
            trap::UNDEFINED if is_breakpoint(cpu.pc(), info) => {
                TrapAction::Signal { sig: libc::SIGTRAP, code: TRAP_BRKPT, addr: pc }
            }
            _ => TrapAction::Signal { sig: libc::SIGILL, code: ILL_ILLOPC, addr: pc },
        }
    }
}

/// The undefined instructions that Linux takes as breakpoints. [Linux arch/arm/kernel/ptrace.c]
fn is_breakpoint(pc: u64, opcode: u64) -> bool {
    if pc & THUMB != 0 {
        opcode == 0xde01 || opcode == 0xf7f0_a000
    } else {
        opcode & 0x0fff_ffff == 0x07f0_01f0
    }
}

/// The link register, for the vDSO and sigreturn code.
pub fn set_lr(cpu: &mut Vcpu, lr: u32) {
    cpu.state_mut::<ArmState>().r[LR] = lr;
}

/// __ARM_NR calls: private to this architecture.
pub fn thread_pointer(t: &Task) -> GuestVa {
    GuestVa(u64::from(t.vcpu.state::<ArmState>().tpidruro))
}
