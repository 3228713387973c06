//! One architecture for gdbstub that is all of ours: what it is comes from a [`GdbDescription`] at run time.

use gdbstub::arch::{Arch, RegId, Registers};
use std::num::NonZeroUsize;
use tcg_target::gdb::{CpuRegs, GdbDescription};

/// Any guest.
pub(super) enum AnyGuest {}

impl Arch for AnyGuest {
    type Usize = u64;
    type Registers = Bytes;
    type BreakpointKind = usize;
    type RegId = Number;
}

/// The registers as they go over the wire; nothing for those that are not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Bytes(pub Vec<Option<u8>>);

impl Registers for Bytes {
    type ProgramCounter = u64;

    /// gdbstub does not ask.
    fn pc(&self) -> u64 {
        0
    }

    fn gdb_serialize(&self, mut write_byte: impl FnMut(Option<u8>)) {
        self.0.iter().for_each(|b| write_byte(*b));
    }

    fn gdb_deserialize(&mut self, bytes: &[u8]) -> Result<(), ()> {
        self.0 = bytes.iter().map(|b| Some(*b)).collect();
        Ok(())
    }
}

/// A register's number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number(pub usize);

impl RegId for Number {
    fn from_raw_id(id: usize) -> Option<(Number, Option<NonZeroUsize>)> {
        Some((Number(id), None))
    }

    fn to_raw_id(&self) -> Option<usize> {
        Some(self.0)
    }
}

/// Turns a number into the guest's byte order, or back.
fn order(d: &GdbDescription, mut value: Vec<u8>) -> Vec<u8> {
    if d.big_endian {
        value.reverse();
    }
    value
}

/// One register as it goes over the wire.
pub(super) fn get(d: &GdbDescription, r: &CpuRegs<'_>, n: usize) -> Option<Vec<u8>> {
    Some(order(d, d.regs().nth(n)?.read(r)?))
}

/// Sets one register.
pub(super) fn set(d: &GdbDescription, r: &mut CpuRegs<'_>, n: usize, value: &[u8]) -> bool {
    let reg = d.regs().nth(n);
    reg.is_some_and(|reg| reg.write(r, &order(d, value.to_vec())))
}

/// All registers.
pub(super) fn get_all(d: &GdbDescription, r: &CpuRegs<'_>) -> Bytes {
    let mut out = Vec::new();
    for reg in d.regs() {
        match reg.read(r) {
            Some(value) => out.extend(order(d, value).into_iter().map(Some)),
            None => out.extend(std::iter::repeat_n(None, reg.bytes())),
        }
    }
    Bytes(out)
}

/// Sets all registers, as far as the bytes go.
pub(super) fn set_all(d: &GdbDescription, r: &mut CpuRegs<'_>, bytes: &Bytes) {
    let mut rest = bytes.0.as_slice();
    for reg in d.regs() {
        let Some((value, more)) = rest.split_at_checked(reg.bytes()) else {
            return;
        };
        rest = more;
        let value: Option<Vec<u8>> = value.iter().copied().collect();
        if let Some(value) = value {
            reg.write(r, &order(d, value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tcg_target::gdb::{GdbFeature, GdbReg};

    #[test]
    fn values_are_in_the_guests_order() {
        let reg = |name: &'static str, off| GdbReg::at(name, 16, "uint16", off);
        let d = GdbDescription {
            architecture: "toy",
            big_endian: true,
            watch_stops_before: false,
            features: vec![GdbFeature {
                name: "f",
                types: "",
                regs: vec![reg("a", 0), reg("none", 9), reg("b", 2)],
            }],
        };
        let (mut state, mut pc, mut mode, mut fp_flags) = ([1, 2, 3, 4], 0, 0, 0);
        let mut r = CpuRegs {
            state: &mut state,
            pc: &mut pc,
            mode: &mut mode,
            fp_flags: &mut fp_flags,
            now_ns: 0,
        };
        let all = get_all(&d, &r);
        assert_eq!(all.0, [Some(2), Some(1), None, None, Some(4), Some(3)]);
        assert!(set(&d, &mut r, 2, &[9, 8]));
        assert!(!set(&d, &mut r, 3, &[9, 8]));
        assert_eq!(r.state, [1, 2, 8, 9]);
        set_all(&d, &mut r, &all);
        assert_eq!(r.state, [1, 2, 3, 4]);
    }
}
