//! The registers as gdb names them: features `org.gnu.gdb.riscv.cpu`, `.fpu` and `.csr`. [GDB RISC-V Features]

use crate::decode::Feature;
use crate::features::Cpu;
use crate::state::{F_NAMES, Mode, RiscvState, X_NAMES, fflags, sticky};
use std::mem::offset_of;
use tcg_target::gdb::{CpuRegs, GdbDescription, GdbFeature, GdbReg};

fn pc(r: &CpuRegs<'_>) -> u64 {
    *r.pc
}

fn set_pc(r: &mut CpuRegs<'_>, value: u64) {
    *r.pc = value & !1;
}

fn get_fflags(r: &CpuRegs<'_>) -> u64 {
    u64::from(fflags(*r.fp_flags))
}

fn set_fflags(r: &mut CpuRegs<'_>, value: u64) {
    *r.fp_flags = sticky(value as u32);
}

fn get_frm(r: &CpuRegs<'_>) -> u64 {
    u64::from(RiscvState::from_bytes(r.state).map_or(0, |s| s.frm))
}

fn set_frm(r: &mut CpuRegs<'_>, value: u64) {
    if let Some(s) = RiscvState::from_bytes_mut(r.state) {
        s.frm = value as u32 & 7;
        *r.mode = Mode(*r.mode).with_frm(s.frm).0;
    }
}

fn get_fcsr(r: &CpuRegs<'_>) -> u64 {
    get_fflags(r) | get_frm(r) << 5
}

fn set_fcsr(r: &mut CpuRegs<'_>, value: u64) {
    set_fflags(r, value & 31);
    set_frm(r, value >> 5);
}

/// x0 cannot be written.
fn zero(_: &CpuRegs<'_>) -> u64 {
    0
}

fn set_zero(_: &mut CpuRegs<'_>, _: u64) {}

/// The description for a CPU.
pub fn describe(cpu: &Cpu) -> GdbDescription {
    let bits = if cpu.is_64() { 64 } else { 32 };
    let general = (0..32).map(|n| {
        let ty = match n {
            1 => "code_ptr",
            2..=4 => "data_ptr",
            _ => "int",
        };
        match n {
            0 => GdbReg::made("zero", bits, "int", zero, set_zero),
            _ => GdbReg::at(X_NAMES[n], bits, ty, 8 * n),
        }
    });
    let counter = GdbReg::made("pc", bits, "code_ptr", pc, set_pc);
    let mut features = vec![GdbFeature {
        name: "org.gnu.gdb.riscv.cpu",
        types: "",
        regs: general.chain([counter]).collect(),
    }];
    if cpu.has(Feature::F) {
        let (width, ty) = if cpu.has(Feature::D) {
            (64, "riscv_double")
        } else {
            (32, "ieee_single")
        };
        let at = offset_of!(RiscvState, f);
        let regs = (0..32).map(|n| GdbReg::at(F_NAMES[n], width, ty, at + 8 * n));
        let control = [
            GdbReg::made("fflags", 32, "int", get_fflags, set_fflags),
            GdbReg::made("frm", 32, "int", get_frm, set_frm),
            GdbReg::made("fcsr", 32, "int", get_fcsr, set_fcsr),
        ];
        features.push(GdbFeature {
            name: "org.gnu.gdb.riscv.fpu",
            types: DOUBLE,
            regs: regs.chain(control).collect(),
        });
    }
    GdbDescription {
        architecture: if cpu.is_64() {
            "riscv:rv64"
        } else {
            "riscv:rv32"
        },
        big_endian: false,
        watch_stops_before: true,
        features,
    }
}

/// A register as a single or a double.
const DOUBLE: &str = "<union id=\"riscv_double\"><field name=\"float\" type=\"ieee_single\"/>\
    <field name=\"double\" type=\"ieee_double\"/></union>\n";

#[cfg(test)]
mod tests {
    use super::*;
    use tcg_target::StateCopy;

    #[test]
    fn registers_go_to_and_fro() {
        let cpu = Cpu::parse(None, 64).expect("the default");
        let d = describe(&cpu);
        let mut state = StateCopy::new(size_of::<RiscvState>());
        let (mut pc, mut mode, mut fp_flags) = (0x1_0000, 0, 0);
        let mut r = CpuRegs {
            state: state.bytes_mut(),
            pc: &mut pc,
            mode: &mut mode,
            fp_flags: &mut fp_flags,
        };
        for reg in d.regs().filter(|r| r.name != "zero") {
            let value: Vec<u8> = (0..reg.bytes() as u8).map(|k| 2 * k).collect();
            assert!(reg.write(&mut r, &value), "{}", reg.name);
            let mask = |v: Vec<u8>| match &*reg.name {
                "fflags" | "frm" | "fcsr" => Vec::new(),
                _ => v,
            };
            let read = reg.read(&r).expect("a register that is there");
            assert_eq!(mask(read), mask(value), "{}", reg.name);
        }
        let fcsr = d.regs().last().expect("a register");
        assert!(fcsr.write(&mut r, &[0x6a, 0, 0, 0]));
        assert_eq!(fcsr.read(&r), Some(vec![0x6a, 0, 0, 0]));
        assert_eq!((mode, sticky(10)), (3, fp_flags));
    }
}
