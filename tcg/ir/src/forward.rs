//! Loads of what the block itself has stored a moment ago: they become the stored value.
//!
//! Programs pass values between register files through memory (an integer stored in two halves and loaded as a double):
//! the host can forward only what one store wrote. A load behind a store of the same bytes cannot fault, and a thread
//! may always see its own stores. Only the latest stores are known, addressed by the same values; any other store, atomic
//! access, fence or call makes all forgotten, and so does a load that orders what follows it. Behind a real load that may
//! be of the same bytes nothing is forwarded, since it may have seen another thread's later store. But a doubleword whose
//! halves were stored is then loaded with a guess ([`Op::Load`]).
//!
//! DEVIATES: the two halves of such a load are looked at one after the other. If both are as guessed, that is what was there
//! behind the stores; but a load in between by another address may have seen a half changed that another thread has
//! changed back since.

use crate::{Addr, Builder, MemFlags, Op, Order, Ty, Value};

/// Stores that are known.
const MOST: usize = 4;
/// Addresses further apart than this may be the same memory, mapped twice: the smallest page less the largest access.
const NEAR: u32 = 4096 - 32;

#[derive(Clone, Copy)]
struct Stored {
    addr: Addr,
    value: Value,
    mem: MemFlags,
    /// A load since may have seen a later store to the same bytes.
    doubtful: bool,
}

/// The latest stores of a block that is being built.
#[derive(Default)]
pub(crate) struct Recent {
    on: bool,
    /// Some of them happened in the predicated region that is open.
    conditional: bool,
    stores: Vec<Stored>,
}

impl Recent {
    /// An instruction is appended that is not a store.
    pub(crate) fn passes(&mut self, op: Op) {
        if self.stores.is_empty() && !self.conditional {
            return;
        }
        match op {
            Op::AtomicRmw | Op::AtomicCas | Op::Fence | Op::Call => self.stores.clear(),
            Op::CondEnd if self.conditional => {
                self.stores.clear();
                self.conditional = false;
            }
            _ => {}
        }
    }
}

impl Stored {
    /// The offset of `addr` from this store, if they are addressed alike.
    fn offset_of(&self, addr: Addr) -> Option<u32> {
        let a = self.addr;
        let alike = (a.base, a.index, a.shift) == (addr.base, addr.index, addr.shift);
        alike.then_some(addr.disp.wrapping_sub(a.disp) as u32)
    }

    fn is_apart(&self, addr: Addr, bytes: u32) -> bool {
        self.offset_of(addr).is_some_and(|by| {
            let away = by.wrapping_neg();
            by >= self.mem.bytes() && away >= bytes && by.min(away) <= NEAR
        })
    }
}

impl Builder<'_> {
    /// Whether loads may give what was stored before in the block. Not if loads themselves are to be seen: devices,
    /// watched memory.
    pub fn forward_stores(&mut self, on: bool) {
        self.recent.on = on;
    }

    /// Notes a store.
    pub(crate) fn note_store(&mut self, addr: Addr, value: Value, mem: MemFlags) {
        if !self.recent.on {
            return;
        }
        let conditional = self.in_region();
        let r = &mut self.recent;
        r.conditional |= conditional;
        if mem.get_order() != Order::Relaxed {
            return r.stores.clear();
        }
        r.stores.retain(|s| s.is_apart(addr, mem.bytes()));
        if r.stores.len() == MOST {
            r.stores.remove(0);
        }
        r.stores.push(Stored {
            addr,
            value,
            mem,
            doubtful: false,
        });
    }

    /// Notes a load that is not forwarded.
    pub(crate) fn note_load(&mut self, addr: Addr, mem: MemFlags) {
        if mem.get_order() != Order::Relaxed {
            return self.recent.stores.clear();
        }
        for s in &mut self.recent.stores {
            s.doubtful |= !s.is_apart(addr, mem.bytes());
        }
    }

    /// What a load of eight bytes gives unless another thread has stored there: both halves were stored here.
    pub(crate) fn guess(&mut self, addr: Addr, mem: MemFlags) -> Value {
        let plain = mem.get_order() == Order::Relaxed && mem.align_log2() == 0;
        if self.recent.stores.is_empty() || !plain || mem.bytes() != 8 {
            return Value::NONE;
        }
        self.of_halves(addr, mem, true).unwrap_or(Value::NONE)
    }

    /// What a load gives, if that is known.
    pub(crate) fn forwarded(&mut self, ty: Ty, addr: Addr, mem: MemFlags) -> Option<Value> {
        if self.recent.stores.is_empty() || mem.get_order() != Order::Relaxed {
            return None;
        }
        let at = |by: u32, bytes: u32| self.stored(addr, mem, by, bytes).filter(|s| !s.doubtful);
        let bytes = mem.bytes();
        if let Some(s) = at(0, bytes) {
            let aligned = mem.align_log2() <= s.mem.align_log2();
            return if aligned {
                self.as_loaded(ty, s.value, mem)
            } else {
                None
            };
        }
        if mem.align_log2() != 0 {
            return None;
        }
        match bytes {
            8 => {
                let whole = self.of_halves(addr, mem, false)?;
                self.as_loaded(ty, whole, mem)
            }
            4 => {
                // Half of a doubleword.
                let (s, first) = match at(0, 8) {
                    Some(s) => (s, true),
                    None => (at(0u32.wrapping_sub(4), 8)?, false),
                };
                if !matches!(self.block.ty(s.value), Ty::I64 | Ty::F64 | Ty::V64) {
                    return None;
                }
                let whole = self.bitcast(Ty::I64, s.value);
                let low = first != mem.is_big_endian();
                let half = self.un(if low { Op::Trunc } else { Op::Hi32 }, Ty::I32, whole);
                self.as_loaded(ty, half, mem)
            }
            _ => None,
        }
    }

    /// The store of `bytes` bytes at `by` behind `addr`, in the byte order of `mem`.
    fn stored(&self, addr: Addr, mem: MemFlags, by: u32, bytes: u32) -> Option<Stored> {
        let mut alike = (self.recent.stores.iter())
            .filter(|s| s.mem.is_big_endian() == mem.is_big_endian() && s.mem.bytes() == bytes);
        let found = alike.find(|s| s.offset_of(addr).map(|o| o.wrapping_add(by)) == Some(0));
        found.copied()
    }

    /// The doubleword whose halves were stored.
    fn of_halves(&mut self, addr: Addr, mem: MemFlags, doubtful: bool) -> Option<Value> {
        let [first, second] = [0, 4].map(|by| {
            self.stored(addr, mem, by, 4)
                .filter(|s| doubtful || !s.doubtful)
        });
        let (first, second) = (first?, second?);
        let (a, b) = (self.word_of(first.value)?, self.word_of(second.value)?);
        let (low, high) = if mem.is_big_endian() { (b, a) } else { (a, b) };
        Some(self.bin(Op::Concat, Ty::I64, low, high))
    }

    /// The low 32 bits of a stored value.
    fn word_of(&mut self, v: Value) -> Option<Value> {
        match self.block.ty(v) {
            Ty::I32 => Some(v),
            Ty::I64 => Some(self.un(Op::Trunc, Ty::I32, v)),
            Ty::F32 => Some(self.bitcast(Ty::I32, v)),
            _ => None,
        }
    }

    /// A value that was stored with the size of `mem`, as a load with it gives it.
    fn as_loaded(&mut self, ty: Ty, v: Value, mem: MemFlags) -> Option<Value> {
        let own = self.block.ty(v);
        if mem.bytes() >= 8 {
            let same = own.bytes() == mem.bytes() && ty.bytes() == mem.bytes();
            return same.then(|| self.bitcast(ty, v));
        }
        if mem.bytes() == 4 && ty == Ty::F32 {
            let word = self.word_of(v)?;
            return Some(self.bitcast(Ty::F32, word));
        }
        if !matches!(ty, Ty::I32 | Ty::I64) {
            return None;
        }
        let word = self.word_of(v)?;
        let extend = match (mem.bytes(), mem.is_signed()) {
            (1, false) => Some(Op::Zext8),
            (1, true) => Some(Op::Sext8),
            (2, false) => Some(Op::Zext16),
            (2, true) => Some(Op::Sext16),
            _ => None,
        };
        let word = match extend {
            Some(op) => self.un(op, Ty::I32, word),
            None => word,
        };
        Some(match (ty, mem.is_signed()) {
            (Ty::I32, _) => word,
            (_, false) => self.un(Op::ZextI64, Ty::I64, word),
            (_, true) => self.un(Op::SextI64, Ty::I64, word),
        })
    }
}
