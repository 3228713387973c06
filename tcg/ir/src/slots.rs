//! Where guest registers lie in the state block.

use crate::Ty;

/// A piece of the guest state block: a register or a view of one. Views overlap by lying at overlapping
/// offsets (Arm's S, D and Q registers); the builder converts between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Byte offset from the start of the state block, a multiple of 4 (and of the size up to 8).
    pub off: u16,
    /// The type of the value; its size is the slot's.
    pub ty: Ty,
}

impl Slot {
    /// A slot.
    pub const fn new(off: usize, ty: Ty) -> Slot {
        Slot {
            off: off as u16,
            ty,
        }
    }

    /// Index of the first 4-byte unit.
    pub const fn unit(self) -> usize {
        self.off as usize / 4
    }

    /// Number of 4-byte units.
    pub const fn units(self) -> usize {
        self.ty.bytes() as usize / 4
    }
}

/// An ISA's state block.
#[derive(Debug)]
pub struct StateLayout {
    /// Size in bytes of the part that slots may name (a multiple of 16).
    pub bytes: usize,
    /// Slots that the successor peek may declare dead at an exit (flags), at most 32.
    pub peek: &'static [Slot],
    /// Slots of type I32 that only ever hold 0 or 1 (flags): every `set` of them, every helper and the front ends see to
    /// it. A backend may store such a slot by its first byte alone.
    pub bits: &'static [Slot],
    /// General registers, the most used first, that a backend may keep in host registers from block to block of user mode (as
    /// many of them as it likes). Of type I32 or I64; accesses that are not of the whole slot and do not read its low half are slow.
    pub pinned: &'static [Slot],
    /// Names for the text form: slot and name.
    pub names: &'static [(Slot, &'static str)],
}

impl StateLayout {
    /// The name of a slot, or its offset and type.
    pub fn name(&self, slot: Slot) -> String {
        match self.names.iter().find(|(s, _)| *s == slot) {
            Some((_, n)) => (*n).to_string(),
            None => format!("s{:x}.{}", slot.off, slot.ty.name()),
        }
    }
}
