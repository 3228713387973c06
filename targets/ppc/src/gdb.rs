//! The registers as gdb names them: features `org.gnu.gdb.power.core`, `.fpu`, `.altivec`, `.vsx`, and the special
//! registers of a whole CPU. [RSP "PowerPC Features"]

use std::borrow::Cow;
use std::mem::offset_of;

use tcg_target::gdb::{CpuRegs, GdbDescription, GdbFeature, GdbReg};

use crate::decode::Feature;
use crate::features::CpuModel;
use crate::fpscr;
use crate::state::PpcState;

fn state<T>(r: &CpuRegs<'_>, f: impl FnOnce(&PpcState) -> T) -> Option<T> {
    PpcState::from_bytes(r.state).map(f)
}

fn change(r: &mut CpuRegs<'_>, f: impl FnOnce(&mut PpcState)) {
    if let Some(s) = PpcState::from_bytes_mut(r.state) {
        f(s);
    }
}

fn pc(r: &CpuRegs<'_>) -> u64 {
    *r.pc
}

fn set_pc(r: &mut CpuRegs<'_>, value: u64) {
    *r.pc = value & !3;
}

fn cr(r: &CpuRegs<'_>) -> u64 {
    state(r, |s| u64::from(s.cr())).unwrap_or(0)
}

fn set_cr(r: &mut CpuRegs<'_>, value: u64) {
    change(r, |s| s.set_cr(value as u32));
}

fn xer(r: &CpuRegs<'_>) -> u64 {
    state(r, PpcState::xer).unwrap_or(0)
}

fn set_xer(r: &mut CpuRegs<'_>, value: u64) {
    change(r, |s| s.set_xer(value, false));
}

/// In user mode most of MSR is the operating system's.
fn keep(_: &mut CpuRegs<'_>, _: u64) {}

fn msr(r: &CpuRegs<'_>) -> u64 {
    state(r, |s| s.msr).unwrap_or(0)
}

fn set_msr(r: &mut CpuRegs<'_>, value: u64) {
    change(r, |s| s.msr = value);
}

fn status(r: &CpuRegs<'_>) -> u64 {
    state(r, |s| fpscr::read(s, *r.fp_flags)).unwrap_or(0)
}

fn set_status(r: &mut CpuRegs<'_>, value: u64) {
    *r.fp_flags = 0;
    change(r, |s| fpscr::write(s, value));
}

fn vscr(r: &CpuRegs<'_>) -> u64 {
    state(r, |s| u64::from(s.vscr())).unwrap_or(0)
}

fn set_vscr(r: &mut CpuRegs<'_>, value: u64) {
    change(r, |s| s.set_vscr(value as u32));
}

/// gdb's views of a vector register.
const VECTOR: &str = "<vector id=\"v4f\" type=\"ieee_single\" count=\"4\"/>\
<vector id=\"v4i32\" type=\"int32\" count=\"4\"/><vector id=\"v8i16\" type=\"int16\" count=\"8\"/>\
<vector id=\"v16i8\" type=\"int8\" count=\"16\"/><union id=\"vec128\">\
<field name=\"uint128\" type=\"uint128\"/><field name=\"v4_float\" type=\"v4f\"/>\
<field name=\"v4_int32\" type=\"v4i32\"/><field name=\"v8_int16\" type=\"v8i16\"/>\
<field name=\"v16_int8\" type=\"v16i8\"/></union>\n";

fn numbered(prefix: &str, n: usize) -> Cow<'static, str> {
    format!("{prefix}{n}").into()
}

/// What surrounds the registers: a program, or nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// User mode.
    Program,
    /// A whole CPU.
    Cpu,
}

/// What is the same in user mode and of a whole CPU.
pub(crate) fn describe(
    model: &CpuModel,
    wide: bool,
    little_endian: bool,
    side: Side,
) -> GdbDescription {
    let (bits, word) = if wide { (64, "uint64") } else { (32, "uint32") };
    let at = |name, ty, off| GdbReg::at(name, bits, ty, off);
    let general = (0..32).map(|n| at(numbered("r", n), word, offset_of!(PpcState, gpr) + 8 * n));
    let set_machine = match side {
        Side::Program => keep,
        Side::Cpu => set_msr,
    };
    let core = general.chain([
        GdbReg::made("pc", bits, "code_ptr", pc, set_pc),
        GdbReg::made("msr", bits, word, msr, set_machine),
        GdbReg::made("cr", 32, "uint32", cr, set_cr),
        at("lr".into(), "code_ptr", offset_of!(PpcState, lr)),
        at("ctr".into(), word, offset_of!(PpcState, ctr)),
        GdbReg::made("xer", 32, "uint32", xer, set_xer),
    ]);
    let feature = |name, types, regs| GdbFeature { name, types, regs };
    let mut features = vec![feature("org.gnu.gdb.power.core", "", core.collect())];
    let vsr = offset_of!(PpcState, vsr);
    if model.features.has(Feature::Fp) {
        let regs = (0..32)
            .map(|n| GdbReg::at(numbered("f", n), 64, "ieee_double", vsr + 16 * n + 8))
            .chain([GdbReg::made("fpscr", 64, "uint64", status, set_status).in_group("float")]);
        features.push(feature("org.gnu.gdb.power.fpu", "", regs.collect()));
    }
    if model.features.has(Feature::Altivec) {
        let regs = (0..32)
            .map(|n| GdbReg::at(numbered("vr", n), 128, "vec128", vsr + 16 * (32 + n)))
            .chain([
                GdbReg::made("vscr", 32, "uint32", vscr, set_vscr).in_group("vector"),
                GdbReg::at("vrsave", 32, "uint32", offset_of!(PpcState, vrsave)).in_group("vector"),
            ]);
        features.push(feature("org.gnu.gdb.power.altivec", VECTOR, regs.collect()));
    }
    if model.features.has(Feature::Vsx) {
        let regs = (0..32).map(|n| GdbReg::at(format!("vs{n}h"), 64, "uint64", vsr + 16 * n));
        features.push(feature("org.gnu.gdb.power.vsx", "", regs.collect()));
    }
    GdbDescription {
        architecture: if wide {
            "powerpc:common64"
        } else {
            "powerpc:common"
        },
        big_endian: !little_endian,
        // gdb steps over the access by itself.
        watch_stops_before: true,
        features,
    }
}
