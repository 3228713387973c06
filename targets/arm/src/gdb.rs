//! The registers as gdb names them: features `org.gnu.gdb.arm.core`, `.vfp`, `.neon` and `.tls`. [GDB ARM Features]

use crate::features::CpuModel;
use crate::state::{ArmState, Mode};
use std::mem::offset_of;
use tcg_target::gdb::{CpuRegs, GdbDescription, GdbFeature, GdbReg};

/// Thumb state: bit 0 of the program counter.
const THUMB: u64 = 1;

fn pc(r: &CpuRegs<'_>) -> u64 {
    *r.pc & !THUMB
}

/// The instruction set stays what it is: CPSR decides that.
fn set_pc(r: &mut CpuRegs<'_>, value: u64) {
    *r.pc = value & 0xffff_ffff & !THUMB | *r.pc & THUMB;
}

fn cpsr(r: &CpuRegs<'_>) -> u64 {
    let psr = ArmState::from_bytes(r.state).map_or(0, |s| s.cpsr(*r.pc, Mode(*r.mode)));
    u64::from(psr)
}

fn set_cpsr(r: &mut CpuRegs<'_>, value: u64) {
    if let Some(s) = ArmState::from_bytes_mut(r.state) {
        let (mode, thumb) = s.set_cpsr(value as u32, Mode(*r.mode));
        *r.mode = mode.0;
        *r.pc = *r.pc & !THUMB | u64::from(thumb);
    }
}

fn fpscr(r: &CpuRegs<'_>) -> u64 {
    let value = ArmState::from_bytes(r.state).map_or(0, |s| s.fpscr(*r.fp_flags));
    u64::from(value)
}

fn set_fpscr(r: &mut CpuRegs<'_>, value: u64) {
    if let Some(s) = ArmState::from_bytes_mut(r.state) {
        *r.fp_flags = s.set_fpscr(value as u32);
        *r.mode = Mode(*r.mode).with_fpscr(value as u32).0;
    }
}

/// The description for a CPU model.
pub fn describe(model: &CpuModel, big_endian: bool) -> GdbDescription {
    let core = (0..13)
        .map(|n| GdbReg::at(format!("r{n}"), 32, "uint32", 4 * n))
        .chain([
            GdbReg::at("sp", 32, "data_ptr", 4 * 13),
            GdbReg::at("lr", 32, "uint32", 4 * 14),
            GdbReg::made("pc", 32, "code_ptr", pc, set_pc),
            GdbReg::made("cpsr", 32, "uint32", cpsr, set_cpsr),
        ]);
    let mut features = vec![GdbFeature {
        name: "org.gnu.gdb.arm.core",
        types: "",
        regs: core.collect(),
    }];
    let has = |bit: u32| model.hwcap()[0] >> bit & 1 != 0;
    if has(HWCAP_VFP) {
        let count = if has(HWCAP_VFPD32) { 32 } else { 16 };
        let vfp = offset_of!(ArmState, vfp);
        let doubles =
            (0..count).map(|n| GdbReg::at(format!("d{n}"), 64, "ieee_double", vfp + 8 * n));
        let control = GdbReg::made("fpscr", 32, "int", fpscr, set_fpscr).in_group("float");
        features.push(GdbFeature {
            name: "org.gnu.gdb.arm.vfp",
            types: "",
            regs: doubles.chain([control]).collect(),
        });
    }
    if has(HWCAP_NEON) {
        // gdb makes the quadword registers itself.
        features.push(GdbFeature {
            name: "org.gnu.gdb.arm.neon",
            types: "",
            regs: Vec::new(),
        });
    }
    features.push(GdbFeature {
        name: "org.gnu.gdb.arm.tls",
        types: "",
        regs: vec![GdbReg::at(
            "tpidruro",
            32,
            "data_ptr",
            offset_of!(ArmState, tpidruro),
        )],
    });
    GdbDescription {
        architecture: "arm",
        big_endian,
        watch_stops_before: true,
        features,
    }
}

/// Bits of AT_HWCAP. [Linux arch/arm/include/uapi/asm/hwcap.h]
const HWCAP_VFP: u32 = 6;
const HWCAP_NEON: u32 = 12;
const HWCAP_VFPD32: u32 = 19;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MODELS;
    use tcg_target::StateCopy;

    #[test]
    fn registers_go_to_and_fro() {
        let d = describe(&MODELS[0], false);
        let mut state = StateCopy::new(size_of::<ArmState>());
        let (mut pc, mut mode, mut fp_flags) = (0x8001, 0, 0);
        let mut r = CpuRegs {
            state: state.bytes_mut(),
            pc: &mut pc,
            mode: &mut mode,
            fp_flags: &mut fp_flags,
            now_ns: 0,
        };
        let find = |name: &str| d.regs().find(|r| r.name == name).unwrap();
        assert_eq!(find("pc").read(&r), Some(vec![0, 0x80, 0, 0]));
        assert!(find("pc").write(&mut r, &[0, 0x90, 0, 0]));
        assert_eq!(*r.pc, 0x9001);
        // Z, T and mode bits; then out of Thumb state.
        assert_eq!(find("cpsr").read(&r).unwrap()[0], 0x30);
        assert!(find("cpsr").write(&mut r, &[0x10, 0, 0, 0x40]));
        assert_eq!(*r.pc, 0x9000);
        assert!(find("fpscr").write(&mut r, &[0x9f, 0, 0xc0, 0]));
        assert_eq!(find("fpscr").read(&r), Some(vec![0x9f, 0, 0xc0, 0]));
        assert_eq!(Mode(*r.mode).fpscr_bits(), 0x00c0_0000);
        assert!(find("d31").write(&mut r, &[1, 2, 3, 4, 5, 6, 7, 8]));
        let s = ArmState::from_bytes(r.state).unwrap();
        assert_eq!((s.vfp[31], s.z), (0x0807_0605_0403_0201, 1));
    }
}
