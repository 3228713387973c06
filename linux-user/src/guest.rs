//! What a guest ISA's Linux port supplies besides numbers and structures: registers of system calls, start-up,
//! traps. One implementation per ISA, in `abi/<isa>/`.

use crate::abi::Abi;
use crate::errno::Errno;
use crate::signal::{Action, SigInfo};
use crate::task::Task;
use crate::vdso::Vdso;
use tcg_exec::Vcpu;
use tcg_mem::MemFault;
use tcg_target::Isa;
use tcg_uspace::Geometry;

/// What a trap of the translated code means to Linux.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrapAction {
    /// A system call.
    Syscall,
    /// Nothing to do: go on at the program counter.
    Continue,
    /// A synchronous signal: number, si_code and si_addr.
    Signal {
        /// Signal number.
        sig: i32,
        /// si_code.
        code: i32,
        /// si_addr.
        addr: u64,
    },
}

/// Facts for the auxiliary vector and `uname`.
#[derive(Clone, Copy, Debug, Default)]
pub struct AuxFacts {
    /// AT_HWCAP.
    pub hwcap: u64,
    /// AT_HWCAP2.
    pub hwcap2: u64,
    /// AT_PLATFORM.
    pub platform: &'static str,
    /// `utsname.machine`.
    pub machine: &'static str,
    /// AT_BASE_PLATFORM, unless empty.
    pub base_platform: &'static str,
    /// Further entries: (type, value).
    pub more: &'static [(u64, u64)],
}

/// What a new program starts with.
#[derive(Clone, Copy, Debug, Default)]
pub struct StartFacts {
    /// Where the first instruction is (in the interpreter, if there is one), as the ELF header says.
    pub entry: u64,
    /// What was added to the addresses in that file.
    pub bias: u64,
    /// `e_flags` of that file.
    pub flags: u32,
    /// The stack pointer: argc lies there.
    pub sp: u64,
    /// What random numbers of the CPU are to follow from (`-seed`).
    pub seed: Option<u64>,
}

/// Registers as a core file has them.
#[derive(Clone, Debug)]
pub struct CoreRegisters {
    /// `elf_gregset_t`, word by word.
    pub general: Vec<u64>,
    /// Other register sets: name and type of the note, contents in the guest's form.
    pub sets: Vec<(&'static str, u32, Vec<u8>)>,
    /// Bytes of a user id in `elf_prpsinfo`.
    pub id_bytes: usize,
}

/// A guest ISA's Linux port.
pub trait GuestPort: Sync {
    /// The name on the command line, such as `arm`.
    fn name(&self) -> &'static str;

    /// `e_machine` of its programs.
    fn elf_machine(&self) -> u16;

    /// The class of its programs: 32 or 64. A 64-bit guest shares the host's address space, a 32-bit guest has 4 GiB of
    /// its own.
    fn elf_class(&self) -> u8;

    /// The ISA with a CPU model (`None`: the default) and a byte order.
    fn isa(&self, cpu: Option<&str>, big_endian: bool) -> Result<&'static dyn Isa, String>;

    /// Numbers and structures.
    fn abi(&self, big_endian: bool) -> Abi;

    /// Facts that depend on the CPU model.
    fn aux(&self, cpu: Option<&str>, big_endian: bool) -> AuxFacts;

    /// Where things go in the address space ([`Geometry::wide`] for 64-bit guests).
    fn geometry(&self) -> Geometry;

    /// The thread pointer.
    fn tls(&self, cpu: &Vcpu) -> u64;

    /// Builds a signal frame on the guest's stack and sets the registers to run the handler.
    fn push_frame(
        &self,
        t: &mut Task,
        info: &SigInfo,
        action: &Action,
        old_mask: u64,
    ) -> Result<(), Errno>;

    /// Takes registers and mask back from the frame of a handler that returned; `rt` as the system call says.
    fn pop_frame(&self, t: &mut Task, rt: bool) -> Result<u64, Errno>;

    /// Makes the pages that the kernel provides at fixed addresses.
    fn map_kernel_pages(&self, _t: &mut Task) -> Result<(), Errno> {
        Ok(())
    }

    /// The vDSO, if there is one. A handler without sa_restorer returns to a function of it:
    /// `t.process.vdso.get().and_then(|v| v.symbol(NAME))`.
    fn vdso(&self, _big_endian: bool) -> Option<&'static Vdso> {
        None
    }

    /// Trap number and error code of a memory fault, for the machine-dependent part of the frame (`SigInfo::trap`).
    fn fault_details(&self, _fault: &MemFault) -> [u32; 2] {
        [0; 2]
    }

    /// Sets the registers that a new program starts with. Its image and stack are in memory.
    fn start(&self, t: &mut Task, facts: &StartFacts) -> Result<(), Errno>;

    /// Number and arguments of the system call that the program asks for.
    fn syscall(&self, cpu: &Vcpu) -> (u32, [u64; 7]);

    /// Puts a system call's result into the registers, as a value or an error.
    fn set_result(&self, cpu: &mut Vcpu, result: Result<u64, Errno>);

    /// Sets the program counter back to the system call instruction, to run it again with its first argument
    /// restored.
    fn restart(&self, cpu: &mut Vcpu, first_arg: u64, nr: Option<u32>);

    /// Sets the stack pointer (clone).
    fn set_sp(&self, cpu: &mut Vcpu, sp: u64);

    /// The stack pointer.
    fn sp(&self, cpu: &Vcpu) -> u64;

    /// Sets the thread pointer (clone with CLONE_SETTLS).
    fn set_tls(&self, cpu: &mut Vcpu, tls: u64);

    /// The registers for a core file; nothing if cores are not supported.
    fn core_registers(&self, _cpu: &Vcpu) -> Option<CoreRegisters> {
        None
    }

    /// `e_flags` of a core file.
    fn elf_flags(&self, _cpu: &Vcpu) -> u64 {
        0
    }

    /// What a trap means.
    fn trap(&self, cpu: &mut Vcpu, code: u32, info: u64) -> TrapAction;
}

/// The port for an ELF machine number and class (32 or 64).
pub fn port_for_machine(machine: u16, class: u8) -> Option<&'static dyn GuestPort> {
    crate::guests::PORTS
        .iter()
        .copied()
        .find(|p| p.elf_machine() == machine && p.elf_class() == class)
}
