//! The registers as gdb names them: features `org.gnu.gdb.riscv.cpu` and `.fpu`. [RSP "RISC-V Features"]

use crate::features::Cpu;
use crate::state::{F_NAMES, Mode, RiscvState, X_NAMES};
use std::mem::offset_of;
use tcg_target::gdb::{CpuRegs, GdbDescription, GdbFeature, GdbReg};

fn pc(r: &CpuRegs<'_>) -> u64 {
    *r.pc
}

fn set_pc(r: &mut CpuRegs<'_>, value: u64) {
    *r.pc = value & !1;
}

/// fflags is the soft float's set of flags the other way round. [RISC-V f.2]
fn flags(r: &CpuRegs<'_>) -> u64 {
    (0..5).fold(0, |f, k| f | u64::from(*r.fp_flags >> k & 1) << (4 - k))
}

fn set_flags(r: &mut CpuRegs<'_>, value: u64) {
    let new = (0..5).fold(0, |f, k| f | (value as u32 >> k & 1) << (4 - k));
    *r.fp_flags = *r.fp_flags & !0x1f | new;
}

fn rounding(r: &CpuRegs<'_>) -> u64 {
    RiscvState::from_bytes(r.state).map_or(0, |s| u64::from(s.frm & 7))
}

fn set_rounding(r: &mut CpuRegs<'_>, value: u64) {
    if let Some(s) = RiscvState::from_bytes_mut(r.state) {
        s.frm = value as u32 & 7;
        *r.mode = Mode(*r.mode).with_frm(s.frm).0;
    }
}

fn control(r: &CpuRegs<'_>) -> u64 {
    rounding(r) << 5 | flags(r)
}

fn set_control(r: &mut CpuRegs<'_>, value: u64) {
    set_flags(r, value);
    set_rounding(r, value >> 5);
}

/// x0 stays 0.
fn zero(_: &CpuRegs<'_>) -> u64 {
    0
}

fn keep_zero(_: &mut CpuRegs<'_>, _: u64) {}

/// The description for a CPU.
pub fn describe(cpu: &Cpu) -> GdbDescription {
    let bits = if cpu.is_64() { 64 } else { 32 };
    let x = X_NAMES.iter().enumerate().skip(1).map(|(n, name)| {
        let ty = match *name {
            "ra" => "code_ptr",
            "sp" | "gp" | "tp" => "data_ptr",
            _ => "int",
        };
        GdbReg::at(*name, bits, ty, offset_of!(RiscvState, x) + 8 * n)
    });
    let core = [GdbReg::made(X_NAMES[0], bits, "int", zero, keep_zero)]
        .into_iter()
        .chain(x)
        .chain([GdbReg::made("pc", bits, "code_ptr", pc, set_pc)]);
    let f = F_NAMES
        .iter()
        .enumerate()
        .map(|(n, name)| GdbReg::at(*name, 64, "ieee_double", offset_of!(RiscvState, f) + 8 * n));
    let float = |name, get, set| GdbReg::made(name, 32, "int", get, set).in_group("float");
    let control = [
        float("fflags", flags, set_flags),
        float("frm", rounding, set_rounding),
        float("fcsr", control, set_control),
    ];
    GdbDescription {
        architecture: if cpu.is_64() {
            "riscv:rv64"
        } else {
            "riscv:rv32"
        },
        big_endian: false,
        watch_stops_before: false,
        features: vec![
            GdbFeature {
                name: "org.gnu.gdb.riscv.cpu",
                types: "",
                regs: core.collect(),
            },
            GdbFeature {
                name: "org.gnu.gdb.riscv.fpu",
                types: "",
                regs: f.chain(control).collect(),
            },
        ],
    }
}
