//! What the head of a guest's program looks like: bytes and a mask, as binfmt_misc compares them.

/// A guest as far as program files tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guest {
    /// Name of the guest; its emulator is `emu-NAME`.
    pub name: &'static str,
    /// ELF `e_machine`.
    pub machine: u16,
    /// Word size: 32 or 64.
    pub class: u8,
    /// Big-endian data.
    pub big_endian: bool,
}

/// Bytes at the beginning of a file, and which of their bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Magic {
    /// What the bits that count are.
    pub value: [u8; LEN],
    /// One bits count.
    pub mask: [u8; LEN],
}

/// e_ident, e_type and e_machine.
pub const LEN: usize = 20;

const EI_CLASS: usize = 4;
const EI_DATA: usize = 5;
const EI_VERSION: usize = 6;
const EI_OSABI: usize = 7;
const EI_ABIVERSION: usize = 8;
const E_TYPE: usize = 16;
const E_MACHINE: usize = 18;
const ET_EXEC: u16 = 2;

impl Guest {
    /// Programs of this guest: executable or shared (position-independent) files for Linux. The system ABI byte may be
    /// 0 to 3 (System V, GNU), the ABI's version anything.
    pub fn magic(&self) -> Magic {
        let mut m = Magic {
            value: [0; LEN],
            mask: [0xff; LEN],
        };
        let half = |v: u16| match self.big_endian {
            true => v.to_be_bytes(),
            false => v.to_le_bytes(),
        };
        m.value[..EI_CLASS].copy_from_slice(b"\x7fELF");
        m.value[EI_CLASS] = self.class / 32;
        m.value[EI_DATA] = 1 + u8::from(self.big_endian);
        m.value[EI_VERSION] = 1;
        m.value[E_TYPE..E_MACHINE].copy_from_slice(&half(ET_EXEC));
        m.value[E_MACHINE..].copy_from_slice(&half(self.machine));
        m.mask[EI_OSABI] = 0xfc;
        m.mask[EI_ABIVERSION] = 0;
        m.mask[E_TYPE..E_MACHINE].copy_from_slice(&half(0xfffe));
        m
    }
}

impl Magic {
    /// Whether a file with this head is meant.
    pub fn matches(&self, head: &[u8]) -> bool {
        matches(&self.value, &self.mask, head)
    }
}

/// The comparison of binfmt_misc.
pub(crate) fn matches(value: &[u8], mask: &[u8], head: &[u8]) -> bool {
    let bits = value.iter().zip(mask).zip(head);
    head.len() >= value.len() && bits.into_iter().all(|((v, m), h)| (v ^ h) & m == 0)
}

#[cfg(test)]
pub(crate) const ARM: Guest = Guest {
    name: "arm",
    machine: 40,
    class: 32,
    big_endian: false,
};

#[cfg(test)]
mod tests {
    use super::*;

    fn head(class: u8, data: u8, osabi: u8, kind: [u8; 2], machine: [u8; 2]) -> Vec<u8> {
        let mut h = b"\x7fELF".to_vec();
        h.extend([class, data, 1, osabi, 7, 0, 0, 0, 0, 0, 0, 0]);
        h.extend(kind);
        h.extend(machine);
        h
    }

    #[test]
    fn executables_and_pie_match_whatever_the_abi_version() {
        let m = ARM.magic();
        assert!(m.matches(&head(1, 1, 0, [2, 0], [40, 0])));
        assert!(m.matches(&head(1, 1, 3, [3, 0], [40, 0])));
    }

    #[test]
    fn others_do_not() {
        let m = ARM.magic();
        for other in [
            head(2, 1, 0, [2, 0], [40, 0]),
            head(1, 2, 0, [0, 2], [0, 40]),
            head(1, 1, 9, [2, 0], [40, 0]), // FreeBSD
            head(1, 1, 0, [1, 0], [40, 0]), // relocatable
            head(1, 1, 0, [4, 0], [40, 0]), // core dump
            head(1, 1, 0, [2, 0], [183, 0]),
            head(1, 1, 0, [2, 0], [40, 0])[..19].to_vec(),
        ] {
            assert!(!m.matches(&other), "{other:x?}");
        }
    }

    #[test]
    fn big_endian_halves_are_swapped() {
        let ppc64 = Guest {
            name: "ppc64",
            machine: 21,
            class: 64,
            big_endian: true,
        };
        assert!(ppc64.magic().matches(&head(2, 2, 0, [0, 3], [0, 21])));
        assert!(!ppc64.magic().matches(&head(2, 1, 0, [3, 0], [21, 0])));
    }
}
