//! Location maps: where each dirty state slot is at every instruction that may fault, and rebuilding the state from
//! them.
//!
//! Format of a site: code offset u32, guest pc u64, mode u16, number of entries u16; an entry is the slot's offset u16
//! and a location. Little-endian.

use crate::abi::*;
use crate::cc::{FlagKind, flag_kind};
use crate::compiler::Gen;
use tcg_ir::{Cond, Op, Ty, Value};
use tcg_opt::{FlagUse, flag_use};
use tcg_target::SPILL_SLOTS;

// Location kinds; the low 5 bits of the first byte. The upper 3 bits are log2 of the size.
const GPR: u8 = 0;
const XMM: u8 = 1;
const SLOT: u8 = 2;
const HOME: u8 = 3;
const CONST: u8 = 4;
const CONST_V: u8 = 5;
const TEST: u8 = 6;
const PACKED: u8 = 7;

impl Gen<'_> {
    /// The instruction emitted next may fault.
    pub fn site(&mut self) {
        if self.in_cold {
            self.cold_sites.push(self.maps.len() as u32);
        }
        let off = self.a.pos();
        self.maps.extend_from_slice(&off.to_le_bytes());
        self.maps.extend_from_slice(&self.guest_pc.to_le_bytes());
        self.maps
            .extend_from_slice(&(self.guest_mode as u16).to_le_bytes());
        self.maps
            .extend_from_slice(&(self.dirty.len() as u16).to_le_bytes());
        for k in 0..self.dirty.len() {
            let d = self.dirty[k];
            self.maps.extend_from_slice(&d.off.to_le_bytes());
            self.location(d.value);
        }
    }

    fn location(&mut self, v: Value) {
        let ty = self.ty(v);
        let size = (ty.bytes().trailing_zeros() as u8) << 5;
        let val = self.val[v.index()];
        if val.reg != NOREG {
            let kind = if val.reg >= 16 { XMM } else { GPR };
            return self.maps.extend_from_slice(&[size | kind, val.reg & 15]);
        }
        if val.spill != 0xff {
            return self.maps.extend_from_slice(&[size | SLOT, val.spill]);
        }
        if val.home != 0xffff {
            self.maps.push(size | HOME);
            return self.maps.extend_from_slice(&val.home.to_le_bytes());
        }
        let i = *self.b.def(v);
        match (i.op, flag_use(self.b, v)) {
            (Op::Const, _) => {
                self.maps.push(size | CONST);
                let c = self.b.as_const(v).unwrap_or(0);
                self.maps.extend_from_slice(&c.to_le_bytes());
            }
            (Op::ConstV, _) => {
                self.maps.push(size | CONST_V);
                let c = self.b.consts[i.imm as usize];
                self.maps.extend_from_slice(&c.to_le_bytes());
            }
            (_, Some(FlagUse::Packed(c))) => {
                self.maps.extend_from_slice(&[size | PACKED, i.lane]);
                self.location(c);
            }
            (_, Some(FlagUse::Holder(h))) => {
                let h = *self.b.def(h);
                let wide = (self.ty(h.args[0]) == Ty::I64) as u8;
                self.maps.extend_from_slice(&[
                    size | TEST,
                    i.lane,
                    flag_kind(h.op) as u8 | wide << 7,
                ]);
                for a in h.args {
                    if a.is_some() {
                        self.location(a);
                    }
                }
            }
            _ => {
                debug_assert!(
                    false,
                    "v{} ({}) has no location at {}; needed to {}",
                    v.0,
                    i.op.name(),
                    self.pos,
                    self.live.info[v.index()].live_to
                );
                self.give_up();
            }
        }
    }
}

/// Reads a map.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let s = self.bytes.get(self.at..self.at + N)?;
        self.at += N;
        s.try_into().ok()
    }

    fn u8(&mut self) -> Option<u8> {
        self.take::<1>().map(|b| b[0])
    }

    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }
}

/// The machine at the fault.
struct Machine<'a> {
    gprs: &'a [u64; 16],
    xmms: &'a [u128; 16],
    spill: &'a [u128; SPILL_SLOTS],
    state: &'a [u8],
}

fn mask(log2: u8) -> u128 {
    match log2 {
        4.. => u128::MAX,
        n => (1u128 << (8u32 << n)) - 1,
    }
}

impl Machine<'_> {
    /// Evaluates a location: its bits and log2 of its size.
    fn eval(&self, r: &mut Reader<'_>) -> Option<(u128, u8)> {
        let head = r.u8()?;
        let log2 = head >> 5;
        let bits = match head & 31 {
            GPR => u128::from(*self.gprs.get(r.u8()? as usize)?),
            XMM => *self.xmms.get(r.u8()? as usize)?,
            SLOT => *self.spill.get(r.u8()? as usize)?,
            HOME => {
                let off = r.u16()? as usize;
                let mut b = [0; 16];
                let n = 1usize << log2;
                b.get_mut(..n)?
                    .copy_from_slice(self.state.get(off..off + n)?);
                u128::from_le_bytes(b)
            }
            CONST => u128::from(u64::from_le_bytes(r.take()?)),
            CONST_V => u128::from_le_bytes(r.take()?),
            TEST => self.test(r)?,
            PACKED => {
                let cond = Cond::from_index(r.u8()?)?;
                let n = self.eval(r)?.0;
                let bit = |k: u32| n >> k & 1 != 0;
                u128::from(cond.eval(bit(3), bit(2), bit(1), bit(0)))
            }
            _ => return None,
        };
        Some((bits & mask(log2), log2))
    }

    fn test(&self, r: &mut Reader<'_>) -> Option<u128> {
        let cond = Cond::from_index(r.u8()?)?;
        let kind = r.u8()?;
        let wide = kind & 0x80 != 0;
        let kind = kind & 0x7f;
        let a = self.eval(r)?.0 as u64;
        let is = |k: FlagKind| kind == k as u8;
        let mut b = 0;
        if !is(FlagKind::Logic) {
            b = self.eval(r)?.0 as u64;
        }
        let mut c = is(FlagKind::Sub);
        if is(FlagKind::Adc) || is(FlagKind::Sbc) {
            c = self.eval(r)?.0 != 0;
        }
        let (n, z, cf, vf) = if is(FlagKind::Logic) {
            let n = if wide { a >> 63 } else { a >> 31 & 1 };
            (n != 0, a == 0, false, false)
        } else {
            if is(FlagKind::Sub) || is(FlagKind::Sbc) {
                b = !b;
            }
            add_flags(a, b, c, wide)
        };
        Some(u128::from(cond.eval(n, z, cf, vf)))
    }
}

/// N, Z, C, V of a + b + c.
fn add_flags(a: u64, b: u64, c: bool, wide: bool) -> (bool, bool, bool, bool) {
    let m = if wide {
        u128::from(u64::MAX)
    } else {
        u128::from(u32::MAX)
    };
    let top = if wide { 63 } else { 31 };
    let (a, b) = (u128::from(a) & m, u128::from(b) & m);
    let sum = a + b + u128::from(c);
    let r = sum & m;
    let v = (a ^ r) & (b ^ r);
    (r >> top & 1 != 0, r == 0, sum > m, v >> top & 1 != 0)
}

/// Rebuilds the guest state at a faulting instruction: `code_offset` is the offset of the instruction in the block's
/// code. Gives the guest's program counter and mode, or `None` if no instruction there was expected to fault.
pub fn restore_state(
    maps: &[u8],
    code_offset: u32,
    gprs: &[u64; 16],
    xmms: &[u128; 16],
    spill: &[u128; SPILL_SLOTS],
    state: &mut [u8],
) -> Option<(u64, u32)> {
    let mut r = Reader { bytes: maps, at: 0 };
    let old = state.to_vec();
    let m = Machine {
        gprs,
        xmms,
        spill,
        state: &old,
    };
    loop {
        let off = u32::from_le_bytes(r.take()?);
        let pc = u64::from_le_bytes(r.take()?);
        let mode = r.u16()?;
        let n = r.u16()?;
        let here = off == code_offset;
        for _ in 0..n {
            let slot = r.u16()? as usize;
            let (bits, log2) = m.eval(&mut r)?;
            if here {
                let len = 1usize << log2;
                state
                    .get_mut(slot..slot + len)?
                    .copy_from_slice(bits.to_le_bytes().get(..len)?);
            }
        }
        if here {
            return Some((pc, u32::from(mode)));
        }
    }
}
