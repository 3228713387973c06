//! Registers, start-up, traps and the kernel's page of 32-bit ARM Linux.

use crate::abi::{Abi, Endian};
use crate::errno::Errno;
use crate::guest::{AuxFacts, CoreRegisters, GuestPort, StartFacts, TrapAction};
use crate::signal::{Action, SigInfo};
use crate::task::Task;
use crate::vdso::Vdso;
use target_arm::ArmState;
use target_arm::{Arm, CpuModel, MODELS, Mode, trap};
use tcg_exec::Vcpu;
use tcg_mem::{Access, FaultKind, MemFault};
use tcg_target::Isa;
use tcg_uspace::Geometry;

/// The port.
pub struct ArmPort;

/// Register numbers of the procedure call standard.
const R7: usize = 7;
const SP: usize = 13;

/// Type of the core note with the VFP's registers. [uapi elf.h]
const NT_ARM_VFP: u32 = 0x400;
/// [ARM-ELF 4.1.1]
const EF_ARM_EABI_VER5: u64 = 0x0500_0000;

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

    fn elf_class(&self) -> u8 {
        32
    }

    fn isa(&self, cpu: Option<&str>, big_endian: bool) -> Result<&'static dyn Isa, String> {
        let name = cpu.unwrap_or("max");
        let model = CpuModel::find(name)
            .ok_or_else(|| format!("unknown CPU model '{name}' (-cpu help lists them)"))?;
        // The kernel's page uses the exclusive instructions and the thread register, which old models lack.
        let platform_code = Some(super::kuser::VECTORS);
        Ok(Box::leak(Box::new(Arm {
            model,
            big_endian,
            platform_code,
        })))
    }

    fn abi(&self, big_endian: bool) -> Abi {
        super::abi(if big_endian {
            Endian::Big
        } else {
            Endian::Little
        })
    }

    fn aux(&self, cpu: Option<&str>, _big_endian: bool) -> AuxFacts {
        let model = cpu.and_then(CpuModel::find).unwrap_or(&MODELS[0]);
        let [hwcap, hwcap2] = model.hwcap();
        let names = match model.platform {
            "v5" => ("v5l", "armv5tejl"),
            "v6" => ("v6l", "armv6l"),
            "v8" => ("v8l", "armv7l"),
            _ => ("v7l", "armv7l"),
        };
        AuxFacts {
            hwcap: u64::from(hwcap),
            hwcap2: u64::from(hwcap2),
            platform: names.0,
            machine: names.1,
            ..AuxFacts::default()
        }
    }

    fn geometry(&self) -> Geometry {
        Geometry {
            task_size: 0xffff_0000,
            stack_top: 0xfffe_f000,
            pie_base: 0x0040_0000,
            min_addr: 0x1_0000,
        }
    }

    fn tls(&self, cpu: &Vcpu) -> u64 {
        u64::from(cpu.state::<ArmState>().tpidruro)
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

    fn pop_frame(&self, t: &mut Task, rt: bool) -> Result<u64, Errno> {
        super::sigframe::pop(t, rt)
    }

    fn map_kernel_pages(&self, t: &mut Task) -> Result<(), Errno> {
        super::kuser::map(t)
    }

    fn vdso(&self, big_endian: bool) -> Option<&'static Vdso> {
        // Its numbers are data among instructions, so it is for one byte order.
        (!big_endian).then_some(&super::vdso::VDSO)
    }

    fn fault_details(&self, fault: &MemFault) -> [u32; 2] {
        // Page fault; translation or permission fault of a page in domain 1, written to or not. [ARMv7 B3.13.3]
        let status = match fault.kind {
            FaultKind::Unmapped => 0x17,
            FaultKind::Protection => 0x1f,
            FaultKind::Bus => 0x18,
            FaultKind::Alignment => 0x11,
        };
        let write = match fault.access {
            Access::Write => 1 << 11,
            Access::Read | Access::Exec => 0,
        };
        [14, status | write]
    }

    fn start(&self, t: &mut Task, facts: &StartFacts) -> Result<(), Errno> {
        let s = t.vcpu.state_mut::<ArmState>();
        s.r = [0; 15];
        s.r[SP] = facts.sp as u32;
        let big = t.abi.endian == Endian::Big;
        t.vcpu.set_mode(Mode(0).with_big_endian(big).0);
        t.vcpu.set_pc(facts.entry);
        Ok(())
    }

    fn syscall(&self, cpu: &Vcpu) -> (u32, [u64; 7]) {
        let r = &cpu.state::<ArmState>().r;
        (r[R7], std::array::from_fn(|k| u64::from(r[k])))
    }

    fn set_result(&self, cpu: &mut Vcpu, result: Result<u64, Errno>) {
        let value = result.map_or_else(|e| e.0.wrapping_neg() as u32, |v| v as u32);
        cpu.state_mut::<ArmState>().r[0] = value;
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

    /// R0 to R15, CPSR and the first argument of a system call; the VFP's registers.
    fn core_registers(&self, cpu: &Vcpu) -> Option<CoreRegisters> {
        let s = cpu.state::<ArmState>();
        let pc = cpu.pc() as u32 & !(THUMB as u32);
        let cpsr = s.cpsr(cpu.pc(), Mode(cpu.mode()));
        let general = s.r.iter().copied().chain([pc, cpsr, s.r[0]]);
        let mut vfp = crate::signal::CoreBytes::new(self.abi(Mode(cpu.mode()).big_endian()));
        s.vfp.iter().for_each(|d| vfp.uint(8, *d));
        vfp.uint(4, u64::from(s.fpscr(cpu.fp_flags())));
        Some(CoreRegisters {
            general: general.map(u64::from).collect(),
            sets: vec![("LINUX", NT_ARM_VFP, vfp.done().to_vec())],
            id_bytes: 2,
        })
    }

    fn elf_flags(&self, _cpu: &Vcpu) -> u64 {
        EF_ARM_EABI_VER5
    }

    fn trap(&self, cpu: &mut Vcpu, code: u32, info: u64) -> TrapAction {
        let pc = cpu.pc() & !THUMB;
        match code {
            // EABI only: a non-zero immediate is the old ABI's way, which kernels without OABI support refuse.
            trap::SVC if info == 0 => TrapAction::Syscall,
            trap::WAIT => TrapAction::Continue,
            trap::BKPT => TrapAction::Signal {
                sig: libc::SIGTRAP,
                code: TRAP_BRKPT,
                addr: pc,
            },
            trap::UNDEFINED if is_breakpoint(cpu.pc(), info) => TrapAction::Signal {
                sig: libc::SIGTRAP,
                code: TRAP_BRKPT,
                addr: pc,
            },
            _ => TrapAction::Signal {
                sig: libc::SIGILL,
                code: ILL_ILLOPC,
                addr: pc,
            },
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
