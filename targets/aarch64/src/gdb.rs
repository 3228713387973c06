//! The registers as gdb names them: features `org.gnu.gdb.aarch64.core`, `.fpu` and `.tls`. (GDB manual, "AArch64 Features".)

use crate::state::{A64State, Mode, SP};
use std::mem::offset_of;
use tcg_target::gdb::{CpuRegs, GdbDescription, GdbFeature, GdbReg};

fn cpsr(r: &CpuRegs<'_>) -> u64 {
    A64State::from_bytes(r.state).map_or(0, |s| u64::from(s.pstate()))
}

fn set_cpsr(r: &mut CpuRegs<'_>, value: u64) {
    if let Some(s) = A64State::from_bytes_mut(r.state) {
        s.set_nzcv(value as u32);
    }
}

fn fpsr(r: &CpuRegs<'_>) -> u64 {
    A64State::from_bytes(r.state).map_or(0, |s| u64::from(s.fpsr(*r.fp_flags)))
}

fn set_fpsr(r: &mut CpuRegs<'_>, value: u64) {
    if let Some(s) = A64State::from_bytes_mut(r.state) {
        *r.fp_flags = s.set_fpsr(value as u32);
    }
}

fn fpcr(r: &CpuRegs<'_>) -> u64 {
    A64State::from_bytes(r.state).map_or(0, |s| u64::from(s.fpcr))
}

fn set_fpcr(r: &mut CpuRegs<'_>, value: u64) {
    if let Some(s) = A64State::from_bytes_mut(r.state) {
        s.fpcr = value as u32 & crate::state::FPCR_BITS;
        *r.mode = Mode(*r.mode).with_fpcr(s.fpcr).0;
    }
}

/// The views of a vector register.
const TYPES: &str = "<vector id=\"v2d\" type=\"ieee_double\" count=\"2\"/>\n\
    <vector id=\"v2u\" type=\"uint64\" count=\"2\"/>\n\
    <vector id=\"v4f\" type=\"ieee_single\" count=\"4\"/>\n\
    <vector id=\"v4u\" type=\"uint32\" count=\"4\"/>\n\
    <vector id=\"v8u\" type=\"uint16\" count=\"8\"/>\n\
    <vector id=\"v16u\" type=\"uint8\" count=\"16\"/>\n\
    <union id=\"aarch64v\"><field name=\"d\" type=\"v2d\"/><field name=\"s\" type=\"v4f\"/>\
    <field name=\"u64\" type=\"v2u\"/><field name=\"u32\" type=\"v4u\"/>\
    <field name=\"u16\" type=\"v8u\"/><field name=\"u8\" type=\"v16u\"/></union>\n";

/// The description.
pub fn describe(big_endian: bool) -> GdbDescription {
    let core = (0..31)
        .map(|n| GdbReg::at(format!("x{n}"), 64, "int", 8 * n))
        .chain([
            GdbReg::at("sp", 64, "data_ptr", 8 * SP),
            GdbReg::made("pc", 64, "code_ptr", |r| *r.pc, |r, v| *r.pc = v),
            GdbReg::made("cpsr", 32, "uint32", cpsr, set_cpsr),
        ]);
    let vec = offset_of!(A64State, vec);
    let fpu = (0..32)
        .map(|n| GdbReg::at(format!("v{n}"), 128, "aarch64v", vec + 16 * n))
        .chain([
            GdbReg::made("fpsr", 32, "int", fpsr, set_fpsr),
            GdbReg::made("fpcr", 32, "int", fpcr, set_fpcr),
        ]);
    let tls = GdbReg::at("tpidr", 64, "data_ptr", offset_of!(A64State, tpidr));
    GdbDescription {
        architecture: "aarch64",
        big_endian,
        watch_stops_before: true,
        features: vec![
            GdbFeature {
                name: "org.gnu.gdb.aarch64.core",
                types: "",
                regs: core.collect(),
            },
            GdbFeature {
                name: "org.gnu.gdb.aarch64.fpu",
                types: TYPES,
                regs: fpu.collect(),
            },
            GdbFeature {
                name: "org.gnu.gdb.aarch64.tls",
                types: "",
                regs: vec![tls],
            },
        ],
    }
}
