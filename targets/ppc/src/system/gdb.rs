//! The special registers of a whole CPU as a debugger sees them, by the manuals' names in lower case.

use std::mem::offset_of;

use tcg_target::gdb::{CpuRegs, GdbDescription, GdbFeature, GdbReg};

use crate::features::CpuModel;
use crate::gdb::Side;

use super::model::family;
use super::spr::{Func, How, TABLE};
use super::state::SystemState;
use super::time;

fn time_of(r: &CpuRegs<'_>) -> u64 {
    SystemState::from_bytes(r.state).map_or(0, |s| time::time_base(s, r.now_ns))
}

fn tb_low(r: &CpuRegs<'_>) -> u64 {
    time_of(r) & 0xffff_ffff
}

fn tb_high(r: &CpuRegs<'_>) -> u64 {
    time_of(r) >> 32
}

fn dec(r: &CpuRegs<'_>) -> u64 {
    SystemState::from_bytes(r.state).map_or(0, |s| time::dec(s, r.now_ns).into())
}

/// Timers are set by the CPU only: a debugger's value would be old when it is there.
fn refuse(_: &mut CpuRegs<'_>, _: u64) {}

fn made(name: &'static str, get: fn(&CpuRegs<'_>) -> u64) -> GdbReg {
    GdbReg::made(name, 32, "uint32", get, refuse).in_group("system")
}

fn kept(name: String, off: usize) -> GdbReg {
    GdbReg::at(name, 32, "uint32", off).in_group("system")
}

/// Those of user mode, and the special registers of a family.
pub(super) fn describe(model: &CpuModel, families: u32) -> GdbDescription {
    let mut description = crate::gdb::describe(model, false, false, Side::Cpu);
    let known: Vec<String> = description.regs().map(|r| r.name.to_string()).collect();
    let mut regs = Vec::new();
    for row in TABLE.iter().filter(|r| r.family & families != 0) {
        let name = row.name.to_lowercase();
        match row.how {
            How::Alias(_) | How::Special(Func::Mmucsr0 | Func::Pvr) => {}
            How::Special(Func::Dec | Func::Pit | Func::TbLow | Func::TbHigh) => {}
            _ if known.contains(&name) || regs.iter().any(|r: &GdbReg| r.name == name) => {}
            _ => {
                let at = offset_of!(SystemState, spr) + 8 * usize::from(row.number);
                regs.push(kept(name, at));
            }
        }
    }
    regs.extend([
        kept("pvr".into(), offset_of!(SystemState, user.pvr)),
        made("tbl", tb_low),
        made("tbu", tb_high),
        made("dec", dec),
    ]);
    if families & family::CLASSIC != 0 {
        let at = |n: usize| kept(format!("sr{n}"), offset_of!(SystemState, sr) + 4 * n);
        regs.extend((0..16).map(at));
    }
    description.features.push(GdbFeature {
        name: "emu.power.spr",
        types: "",
        regs,
    });
    description
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_has_each_name_once_and_its_own_registers() {
        for (name, families, there) in [
            ("e500v2", family::E500, "mas1"),
            ("750", family::CLASSIC, "sr15"),
            ("440", family::BOOKE | family::P440, "ivor0"),
        ] {
            let model = crate::CpuModel::find(name).unwrap_or_else(|| panic!("no {name}"));
            let d = describe(model, families);
            let mut names: Vec<_> = d.regs().map(|r| r.name.clone()).collect();
            assert!(names.iter().any(|n| n == there), "{there}");
            assert!(names.iter().any(|n| n == "srr0"));
            let count = names.len();
            names.sort();
            names.dedup();
            assert_eq!(names.len(), count, "{name}");
        }
    }
}
