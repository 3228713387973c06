//! Registers, start-up, traps and the kernel's page of 64-bit ARM Linux.

use crate::abi::{Abi, Endian};
use crate::errno::Errno;
use crate::guest::{AuxFacts, CoreRegisters, GuestPort, StartFacts, TrapAction};
use crate::signal::{Action, CoreBytes, SigInfo};
use crate::task::Task;
use crate::vdso::Vdso;
use target_aarch64::{A64State, Aarch64, CpuModel, MODELS, trap};
use tcg_exec::Vcpu;
use tcg_target::Isa;
use tcg_uspace::Geometry;

/// The port.
pub struct Aarch64Port;

/// Register numbers of the procedure call standard.
const X8: usize = 8;
const SP: usize = 31;

/// si_code values.
const ILL_ILLOPC: i32 = 1;
const TRAP_BRKPT: i32 = 1;

/// AT_MINSIGSTKSZ: a frame without SVE state, and what the kernel adds.
const MORE: &[(u64, u64)] = &[(51, 4720)];

impl GuestPort for Aarch64Port {
    fn name(&self) -> &'static str {
        "aarch64"
    }

    fn elf_machine(&self) -> u16 {
        183
    }

    fn elf_class(&self) -> u8 {
        64
    }

    fn isa(&self, cpu: Option<&str>, big_endian: bool) -> Result<&'static dyn Isa, String> {
        let name = cpu.unwrap_or("max");
        let model = CpuModel::find(name)
            .ok_or_else(|| format!("unknown CPU model '{name}' (-cpu help lists them)"))?;
        Ok(Box::leak(Box::new(Aarch64 { model, big_endian })))
    }

    fn abi(&self, big_endian: bool) -> Abi {
        super::abi(if big_endian {
            Endian::Big
        } else {
            Endian::Little
        })
    }

    fn aux(&self, cpu: Option<&str>, big_endian: bool) -> AuxFacts {
        let model = cpu.and_then(CpuModel::find).unwrap_or(&MODELS[0]);
        let [hwcap, hwcap2] = model.hwcap();
        let name = if big_endian { "aarch64_be" } else { "aarch64" };
        AuxFacts {
            hwcap,
            hwcap2,
            platform: name,
            machine: name,
            more: MORE,
            ..AuxFacts::default()
        }
    }

    fn geometry(&self) -> Geometry {
        Geometry::wide()
    }

    fn tls(&self, cpu: &Vcpu) -> u64 {
        cpu.state::<A64State>().tpidr
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

    /// There is only rt_sigreturn.
    fn pop_frame(&self, t: &mut Task, _rt: bool) -> Result<u64, Errno> {
        super::sigframe::pop(t)
    }

    fn vdso(&self, _big_endian: bool) -> Option<&'static Vdso> {
        Some(&super::vdso::VDSO)
    }

    fn start(&self, t: &mut Task, facts: &StartFacts) -> Result<(), Errno> {
        let mut keys = [0u8; 80];
        crate::sys::random(None, &mut keys);
        let big = t.abi.endian == Endian::Big;
        let s = t.vcpu.state_mut::<A64State>();
        *s = A64State::new();
        for (key, bytes) in s.keys.iter_mut().flatten().zip(keys.chunks_exact(8)) {
            *key = bytes.iter().fold(0, |k, &b| k << 8 | u64::from(b));
        }
        s.x[SP] = facts.sp;
        t.vcpu
            .set_mode(target_aarch64::Mode(0).with_big_endian(big).0);
        t.vcpu.set_pc(facts.entry);
        Ok(())
    }

    fn syscall(&self, cpu: &Vcpu) -> (u32, [u64; 7]) {
        let x = &cpu.state::<A64State>().x;
        (x[X8] as u32, std::array::from_fn(|k| x[k]))
    }

    fn set_result(&self, cpu: &mut Vcpu, result: Result<u64, Errno>) {
        let value = result.unwrap_or_else(|e| i64::from(e.0).wrapping_neg() as u64);
        cpu.state_mut::<A64State>().x[0] = value;
    }

    fn restart(&self, cpu: &mut Vcpu, first_arg: u64, nr: Option<u32>) {
        let pc = cpu.pc();
        let s = cpu.state_mut::<A64State>();
        s.x[0] = first_arg;
        if let Some(nr) = nr {
            s.x[X8] = nr.into();
        }
        cpu.set_pc(pc.wrapping_sub(4));
    }

    fn set_sp(&self, cpu: &mut Vcpu, sp: u64) {
        cpu.state_mut::<A64State>().x[SP] = sp;
    }

    fn sp(&self, cpu: &Vcpu) -> u64 {
        cpu.state::<A64State>().x[SP]
    }

    fn set_tls(&self, cpu: &mut Vcpu, tls: u64) {
        cpu.state_mut::<A64State>().tpidr = tls;
    }

    /// X0 to X30, SP, PC, PSTATE; the vectors with FPSR and FPCR; the thread pointer. (Linux arch/arm64/kernel/ptrace.c)
    fn core_registers(&self, cpu: &Vcpu) -> Option<CoreRegisters> {
        const NT_FPREGSET: u32 = 2;
        const NT_ARM_TLS: u32 = 0x401;
        let s = cpu.state::<A64State>();
        let abi = self.abi(target_aarch64::Mode(cpu.mode()).big_endian());
        let rest = [cpu.pc(), u64::from(s.pstate())];
        let mut fp = CoreBytes::new(abi);
        for v in s.vec {
            fp.wide(v);
        }
        let status = [s.fpsr(cpu.fp_flags()), s.fpcr, 0, 0];
        status.into_iter().for_each(|w| fp.uint(4, w.into()));
        let mut tls = CoreBytes::new(abi);
        tls.uint(8, s.tpidr);
        Some(CoreRegisters {
            general: s.x.iter().copied().chain(rest).collect(),
            sets: vec![
                ("CORE", NT_FPREGSET, fp.done().to_vec()),
                ("LINUX", NT_ARM_TLS, tls.done().to_vec()),
            ],
            id_bytes: 4,
        })
    }

    fn trap(&self, cpu: &mut Vcpu, code: u32, _info: u64) -> TrapAction {
        let addr = cpu.pc();
        match code {
            trap::SVC => TrapAction::Syscall,
            trap::WAIT => TrapAction::Continue,
            trap::BRK => TrapAction::Signal {
                sig: libc::SIGTRAP,
                code: TRAP_BRKPT,
                addr,
            },
            _ => TrapAction::Signal {
                sig: libc::SIGILL,
                code: ILL_ILLOPC,
                addr,
            },
        }
    }
}
