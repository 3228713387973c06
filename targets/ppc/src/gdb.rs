//! The registers as gdb names them: features `org.gnu.gdb.power.core`, `.fpu`, `.altivec` and `.vsx`.
//! [RSP "PowerPC Features"]

use crate::decode::Feature;
use crate::fpscr;
use crate::isa::Ppc;
use crate::state::{Mode, PpcState};
use std::mem::offset_of;
use tcg_target::gdb::{CpuRegs, GdbDescription, GdbFeature, GdbReg};

/// Reads from the state.
fn look(r: &CpuRegs<'_>, get: impl Fn(&PpcState) -> u64) -> u64 {
    PpcState::from_bytes(r.state).map_or(0, get)
}

/// Changes the state, and lets the mode follow.
fn change(r: &mut CpuRegs<'_>, set: impl Fn(&mut PpcState)) {
    if let Some(s) = PpcState::from_bytes_mut(r.state) {
        set(s);
        *r.mode = Mode::of(s).0;
    }
}

fn pc(r: &CpuRegs<'_>) -> u64 {
    *r.pc
}

fn set_pc(r: &mut CpuRegs<'_>, value: u64) {
    *r.pc = value & !3;
}

fn machine(r: &CpuRegs<'_>) -> u64 {
    look(r, |s| s.msr)
}

/// The machine state is the kernel's.
fn keep_machine(_: &mut CpuRegs<'_>, _: u64) {}

fn cr(r: &CpuRegs<'_>) -> u64 {
    look(r, |s| s.cr().into())
}

fn set_cr(r: &mut CpuRegs<'_>, value: u64) {
    change(r, |s| s.set_cr(value as u32));
}

fn xer(r: &CpuRegs<'_>) -> u64 {
    look(r, PpcState::xer)
}

fn set_xer(r: &mut CpuRegs<'_>, value: u64) {
    change(r, |s| s.set_xer(value, true));
}

fn status(r: &CpuRegs<'_>) -> u64 {
    look(r, |s| fpscr::read(s, *r.fp_flags) & 0xffff_ffff)
}

fn set_status(r: &mut CpuRegs<'_>, value: u64) {
    change(r, |s| fpscr::write(s, value));
    *r.fp_flags = 0;
}

fn vscr(r: &CpuRegs<'_>) -> u64 {
    look(r, |s| s.vscr().into())
}

fn set_vscr(r: &mut CpuRegs<'_>, value: u64) {
    change(r, |s| s.set_vscr(value as u32));
}

/// The views of a vector register.
const TYPES: &str = "<vector id=\"v4f\" type=\"ieee_single\" count=\"4\"/>\n\
    <vector id=\"v4i32\" type=\"int32\" count=\"4\"/>\n\
    <vector id=\"v8i16\" type=\"int16\" count=\"8\"/>\n\
    <vector id=\"v16i8\" type=\"int8\" count=\"16\"/>\n\
    <union id=\"vec128\"><field name=\"uint128\" type=\"uint128\"/>\
    <field name=\"v4_float\" type=\"v4f\"/><field name=\"v4_int32\" type=\"v4i32\"/>\
    <field name=\"v8_int16\" type=\"v8i16\"/><field name=\"v16_int8\" type=\"v16i8\"/></union>\n";

const VSR: usize = offset_of!(PpcState, vsr);

fn core(wide: bool) -> GdbFeature {
    let (bits, count) = if wide { (64, "uint64") } else { (32, "uint32") };
    let int = if wide { "uint64" } else { "uint32" };
    let general = (0..32).map(|n| GdbReg::at(format!("r{n}"), bits, int, 8 * n));
    let special = [
        GdbReg::made("pc", bits, "code_ptr", pc, set_pc),
        GdbReg::made("msr", bits, int, machine, keep_machine),
        GdbReg::made("cr", 32, "uint32", cr, set_cr),
        GdbReg::at("lr", bits, "code_ptr", offset_of!(PpcState, lr)),
        GdbReg::at("ctr", bits, count, offset_of!(PpcState, ctr)),
        GdbReg::made("xer", 32, "uint32", xer, set_xer),
    ];
    GdbFeature {
        name: "org.gnu.gdb.power.core",
        types: "",
        regs: general.chain(special).collect(),
    }
}

fn float() -> GdbFeature {
    let all = (0..32).map(|n| GdbReg::at(format!("f{n}"), 64, "ieee_double", VSR + 16 * n + 8));
    let status = GdbReg::made("fpscr", 32, "int", status, set_status).in_group("float");
    GdbFeature {
        name: "org.gnu.gdb.power.fpu",
        types: "",
        regs: all.chain([status]).collect(),
    }
}

fn altivec() -> GdbFeature {
    let all = (0..32).map(|n| GdbReg::at(format!("vr{n}"), 128, "vec128", VSR + 16 * (32 + n)));
    let control = [
        GdbReg::made("vscr", 32, "int", vscr, set_vscr).in_group("vector"),
        GdbReg::at("vrsave", 32, "int", offset_of!(PpcState, vrsave)).in_group("vector"),
    ];
    GdbFeature {
        name: "org.gnu.gdb.power.altivec",
        types: TYPES,
        regs: all.chain(control).collect(),
    }
}

/// The lower halves of the registers whose upper halves are the floating-point ones.
fn vsx() -> GdbFeature {
    let all = (0..32).map(|n| GdbReg::at(format!("vs{n}h"), 64, "uint64", VSR + 16 * n));
    GdbFeature {
        name: "org.gnu.gdb.power.vsx",
        types: "",
        regs: all.collect(),
    }
}

/// The description for a CPU.
pub fn describe(isa: &Ppc) -> GdbDescription {
    let has = |feature| isa.model.features.has(feature);
    let mut features = vec![core(isa.wide)];
    for (needs, make) in [
        (Feature::Fp, float as fn() -> GdbFeature),
        (Feature::Altivec, altivec),
        (Feature::Vsx, vsx),
    ] {
        features.extend(has(needs).then(make));
    }
    GdbDescription {
        architecture: if isa.wide {
            "powerpc:common64"
        } else {
            "powerpc:common"
        },
        big_endian: !isa.little_endian,
        watch_stops_before: true,
        features,
    }
}
