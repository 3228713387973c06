//! Location maps: where each dirty state slot is at every instruction that may fault, and rebuilding the state from
//! them.
//!
//! Format: the offset of the cold section u32; then, for each site, what is different from the site before it: a byte of
//! flags, the distance from the last site in the same section, the distance of the guest's pc (if it is another), the mode
//! (likewise), the number of entries, the number of changed ones, and these: index, slot's offset / 4, location. Numbers
//! are little-endian or, where not said, LEB128.

use crate::abi::*;
use crate::cc::{FlagKind, flag_kind};
use crate::compiler::Gen;
use crate::pins::Pins;
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

// Flags of a site.
const COLD: u8 = 1;
const NEW_PC: u8 = 2;
const NEW_MODE: u8 = 4;

/// What the next site is compared with.
#[derive(Default)]
pub struct MapWriter {
    pub bytes: Vec<u8>,
    /// The entries: slot, and what says whether its location is another one.
    entries: Vec<(u16, u128)>,
    /// Offset of the last site in the hot and in the cold section.
    last: [u32; 2],
    pc: u64,
    mode: u16,
}

/// No location is like it.
const UNLIKE: u128 = u128::MAX;

impl MapWriter {
    pub fn start(&mut self) {
        self.bytes.clear();
        self.entries.clear();
        self.last = [0; 2];
        self.pc = 0;
        self.mode = 0;
    }

    fn number(&mut self, mut n: u64) {
        while n >= 0x80 {
            self.bytes.push(n as u8 | 0x80);
            n >>= 7;
        }
        self.bytes.push(n as u8);
    }

    /// Ends the head of the map.
    pub fn finish(&mut self, cold_base: u32) {
        if let Some(head) = self.bytes.get_mut(..4) {
            head.copy_from_slice(&cold_base.to_le_bytes());
        }
    }
}

impl Gen<'_> {
    /// The instruction emitted next may fault, unless memory is reached through a soft TLB.
    pub fn site(&mut self) {
        if self.opts.mmu.is_none() {
            self.map_site();
        }
    }

    /// The state at this place in the code may be asked for.
    pub fn map_site(&mut self) {
        let m = &mut self.maps;
        if m.bytes.is_empty() {
            m.bytes.extend_from_slice(&[0; 4]);
        }
        let section = usize::from(self.in_cold);
        let mode = self.guest_mode as u16;
        let mut flags = if self.in_cold { COLD } else { 0 };
        flags |= if self.guest_pc != m.pc { NEW_PC } else { 0 };
        flags |= if mode != m.mode { NEW_MODE } else { 0 };
        m.bytes.push(flags);
        let off = self.a.pos();
        m.number(u64::from(off - m.last[section]));
        m.last[section] = off;
        if flags & NEW_PC != 0 {
            let step = self.guest_pc.wrapping_sub(m.pc) as i64;
            m.number((step << 1 ^ step >> 63) as u64);
            m.pc = self.guest_pc;
        }
        if flags & NEW_MODE != 0 {
            m.bytes.extend_from_slice(&mode.to_le_bytes());
            m.mode = mode;
        }
        self.changed_entries();
    }

    fn changed_entries(&mut self) {
        let n = self.dirty.len();
        self.maps.entries.resize(n, (0, UNLIKE));
        self.maps.number(n as u64);
        let count_at = self.maps.bytes.len();
        // Nearly always less than 128, so one byte.
        self.maps.bytes.push(0);
        let mut changed = 0u64;
        for k in 0..n {
            let d = self.dirty[k];
            let key = self.location_key(d.value);
            if key != UNLIKE && self.maps.entries[k] == (d.off, key) {
                continue;
            }
            self.maps.entries[k] = (d.off, key);
            changed += 1;
            self.maps.number(k as u64);
            self.maps.number(u64::from(d.off / 4));
            self.location(d.value);
        }
        if changed < 128 {
            self.maps.bytes[count_at] = changed as u8;
        } else {
            // More dirty slots than any block has registers for.
            self.give_up();
        }
    }

    /// A simple place of a value in 32 bits.
    fn place_key(&self, v: Value) -> Option<u32> {
        let val = self.val[v.index()];
        Some(match (val.reg, val.spill, val.home) {
            (NOREG, 0xff, 0xffff) => match self.b.def(v).op {
                Op::Const | Op::ConstV => 1 << 31 | v.0,
                _ => return None,
            },
            (NOREG, 0xff, home) => 1 << 16 | u32::from(home),
            (NOREG, spill, _) => 1 << 17 | u32::from(spill),
            (reg, ..) => 1 << 18 | u32::from(reg),
        })
    }

    /// Equal for values whose locations are written alike.
    fn location_key(&self, v: Value) -> u128 {
        let size = u128::from(self.ty(v).bytes()) << 120;
        if let Some(k) = self.place_key(v) {
            return size | u128::from(k);
        }
        let i = self.b.def(v);
        let (head, args) = match flag_use(self.b, v) {
            Some(FlagUse::Packed(c)) => (1u8, [c, Value::NONE, Value::NONE]),
            Some(FlagUse::Holder(h)) => {
                let h = self.b.def(h);
                let wide = (self.ty(h.args[0]) == Ty::I64) as u8;
                (2 + 2 * flag_kind(h.op) as u8 + wide, h.args)
            }
            None => return UNLIKE,
        };
        let mut key = size | u128::from(head) << 104 | u128::from(i.lane) << 96;
        for (k, a) in args.into_iter().enumerate() {
            if a.is_some() {
                match self.place_key(a) {
                    Some(p) => key |= u128::from(p) << (32 * k),
                    None => return UNLIKE,
                }
            }
        }
        key
    }

    fn location(&mut self, v: Value) {
        let ty = self.ty(v);
        let size = (ty.bytes().trailing_zeros() as u8) << 5;
        let val = self.val[v.index()];
        if val.reg != NOREG {
            let kind = if val.reg >= 16 { XMM } else { GPR };
            return self
                .maps
                .bytes
                .extend_from_slice(&[size | kind, val.reg & 15]);
        }
        if val.spill != 0xff {
            return self.maps.bytes.extend_from_slice(&[size | SLOT, val.spill]);
        }
        if val.home != 0xffff {
            self.maps.bytes.push(size | HOME);
            return self.maps.bytes.extend_from_slice(&val.home.to_le_bytes());
        }
        let i = *self.b.def(v);
        match (i.op, flag_use(self.b, v)) {
            (Op::Const, _) => {
                self.maps.bytes.push(size | CONST);
                let c = self.b.as_const(v).unwrap_or(0);
                self.maps.bytes.extend_from_slice(&c.to_le_bytes());
            }
            (Op::ConstV, _) => {
                self.maps.bytes.push(size | CONST_V);
                let c = self.b.consts[i.imm as usize];
                self.maps.bytes.extend_from_slice(&c.to_le_bytes());
            }
            (_, Some(FlagUse::Packed(c))) => {
                self.maps.bytes.extend_from_slice(&[size | PACKED, i.lane]);
                self.location(c);
            }
            (_, Some(FlagUse::Holder(h))) => {
                let h = *self.b.def(h);
                let wide = (self.ty(h.args[0]) == Ty::I64) as u8;
                self.maps.bytes.extend_from_slice(&[
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

    fn number(&mut self) -> Option<u64> {
        let mut n = 0;
        for shift in (0..64).step_by(7) {
            let b = self.u8()?;
            n |= u64::from(b & 0x7f) << shift;
            if b & 0x80 == 0 {
                return Some(n);
            }
        }
        None
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
/// code, `pins` the slots that registers hold. Gives the guest's program counter and mode, or `None` if no instruction there was expected to fault.
pub fn restore_state(
    maps: &[u8],
    code_offset: u32,
    gprs: &[u64; 16],
    xmms: &[u128; 16],
    spill: &[u128; SPILL_SLOTS],
    state: &mut [u8],
    pins: Pins,
) -> Option<(u64, u32)> {
    let mut r = Reader { bytes: maps, at: 0 };
    pins.to_state(gprs, state);
    let old = state.to_vec();
    let m = Machine {
        gprs,
        xmms,
        spill,
        state: &old,
    };
    let base = [0, u32::from_le_bytes(r.take()?)];
    let mut last = [0u32; 2];
    let (mut pc, mut mode) = (0u64, 0);
    // Slot and position of the location.
    let mut entries: Vec<(usize, usize)> = Vec::new();
    loop {
        let flags = r.u8()?;
        let section = usize::from(flags & COLD);
        last[section] = last[section].wrapping_add(r.number()? as u32);
        if flags & NEW_PC != 0 {
            let step = r.number()?;
            pc = pc.wrapping_add((step >> 1) ^ (step & 1).wrapping_neg());
        }
        if flags & NEW_MODE != 0 {
            mode = r.u16()?;
        }
        entries.resize(r.number()? as usize, (0, 0));
        for _ in 0..r.number()? {
            let k = r.number()? as usize;
            let slot = 4 * r.number()? as usize;
            *entries.get_mut(k)? = (slot, r.at);
            m.eval(&mut r)?;
        }
        if base[section].wrapping_add(last[section]) == code_offset {
            break;
        }
    }
    for (slot, at) in entries {
        let (bits, log2) = m.eval(&mut Reader { bytes: maps, at })?;
        let len = 1usize << log2;
        state
            .get_mut(slot..slot + len)?
            .copy_from_slice(bits.to_le_bytes().get(..len)?);
    }
    Some((pc, u32::from(mode)))
}
