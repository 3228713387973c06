//! What a debugger has to be told about an instruction set: its registers as data, in the order of gdb's `g` packet.
//! The names of features, registers and types are gdb's. [GDB Target Descriptions]

use std::borrow::Cow;

/// A virtual CPU's registers outside of [`crate::EnvHeader`], to look at and to change.
#[derive(Debug)]
pub struct CpuRegs<'a> {
    /// The state block.
    pub state: &'a mut [u8],
    /// The program counter with the ISA's tag bits.
    pub pc: &'a mut u64,
    /// The block mode.
    pub mode: &'a mut u32,
    /// Sticky floating-point flags, in softfloat's layout.
    pub fp_flags: &'a mut u32,
    /// The machine's clock, for registers that count; 0 in user mode.
    pub now_ns: u64,
}

/// Where a register is.
#[derive(Clone, Copy, Debug)]
pub enum RegPlace {
    /// At this offset in the state block, as a number in the host's byte order.
    State(usize),
    /// Put together from several places; at most 64 bits.
    Made {
        /// Reads it.
        get: fn(&CpuRegs<'_>) -> u64,
        /// Writes it.
        set: fn(&mut CpuRegs<'_>, u64),
    },
}

/// One register.
#[derive(Clone, Debug)]
pub struct GdbReg {
    /// gdb's name of it.
    pub name: Cow<'static, str>,
    /// Its size, a multiple of 8.
    pub bits: u32,
    /// gdb's type: `uint32`, `data_ptr`, `ieee_double`, or one of the feature's own.
    pub ty: &'static str,
    /// Register group, if it is not the usual one of its type.
    pub group: Option<&'static str>,
    /// Where it is.
    pub place: RegPlace,
}

impl GdbReg {
    /// A register that lies in the state block.
    pub fn at(
        name: impl Into<Cow<'static, str>>,
        bits: u32,
        ty: &'static str,
        off: usize,
    ) -> GdbReg {
        GdbReg {
            name: name.into(),
            bits,
            ty,
            group: None,
            place: RegPlace::State(off),
        }
    }

    /// A register that is put together.
    pub fn made(
        name: &'static str,
        bits: u32,
        ty: &'static str,
        get: fn(&CpuRegs<'_>) -> u64,
        set: fn(&mut CpuRegs<'_>, u64),
    ) -> GdbReg {
        GdbReg {
            name: name.into(),
            bits,
            ty,
            group: None,
            place: RegPlace::Made { get, set },
        }
    }

    /// The same in another group.
    #[must_use]
    pub fn in_group(mut self, group: &'static str) -> GdbReg {
        self.group = Some(group);
        self
    }

    /// Bytes of the register in the protocol.
    pub fn bytes(&self) -> usize {
        self.bits as usize / 8
    }

    /// The value, least significant byte first; nothing if the state block does not hold it.
    pub fn read(&self, regs: &CpuRegs<'_>) -> Option<Vec<u8>> {
        let n = self.bytes();
        match self.place {
            RegPlace::State(off) => regs.state.get(off..off.checked_add(n)?).map(<[u8]>::to_vec),
            RegPlace::Made { get, .. } => {
                let mut value = get(regs).to_le_bytes().to_vec();
                value.resize(n, 0);
                Some(value)
            }
        }
    }

    /// Takes a value, least significant byte first; whether it could be stored.
    pub fn write(&self, regs: &mut CpuRegs<'_>, value: &[u8]) -> bool {
        if value.len() != self.bytes() {
            return false;
        }
        match self.place {
            RegPlace::State(off) => {
                let to = off
                    .checked_add(value.len())
                    .and_then(|end| regs.state.get_mut(off..end));
                to.map(|to| to.copy_from_slice(value)).is_some()
            }
            RegPlace::Made { set, .. } => {
                let mut word = [0; 8];
                word.iter_mut()
                    .zip(value)
                    .for_each(|(to, from)| *to = *from);
                set(regs, u64::from_le_bytes(word));
                true
            }
        }
    }
}

/// A named group of registers that gdb knows as one thing.
#[derive(Clone, Debug)]
pub struct GdbFeature {
    /// Such as `org.gnu.gdb.arm.core`.
    pub name: &'static str,
    /// Definitions of types that its registers have, as XML.
    pub types: &'static str,
    /// Its registers; numbers run on from feature to feature.
    pub regs: Vec<GdbReg>,
}

/// Everything.
#[derive(Clone, Debug)]
pub struct GdbDescription {
    /// gdb's name of the architecture (`set architecture`).
    pub architecture: &'static str,
    /// Values of registers go over the wire most significant byte first.
    pub big_endian: bool,
    /// gdb expects a watchpoint to stop in front of the access, not behind it.
    pub watch_stops_before: bool,
    /// The features, in the order of their numbers.
    pub features: Vec<GdbFeature>,
}

impl GdbDescription {
    /// All registers by number.
    pub fn regs(&self) -> impl Iterator<Item = &GdbReg> {
        self.features.iter().flat_map(|f| &f.regs)
    }

    /// The target description as gdb reads it. `osabi` is gdb's name of what runs there: `GNU/Linux`, `none`.
    pub fn xml(&self, osabi: &str) -> String {
        use std::fmt::Write;
        let mut out = format!(
            "<?xml version=\"1.0\"?>\n<!DOCTYPE target SYSTEM \"gdb-target.dtd\">\n<target>\n\
             <architecture>{}</architecture>\n<osabi>{osabi}</osabi>\n",
            self.architecture
        );
        let mut number = 0;
        for f in &self.features {
            let _ = writeln!(out, "<feature name=\"{}\">", f.name);
            out.push_str(f.types);
            for r in &f.regs {
                let _ = write!(
                    out,
                    "<reg name=\"{}\" bitsize=\"{}\" type=\"{}\" regnum=\"{number}\"",
                    r.name, r.bits, r.ty
                );
                if let Some(group) = r.group {
                    let _ = write!(out, " group=\"{group}\"");
                }
                out.push_str("/>\n");
                number += 1;
            }
            out.push_str("</feature>\n");
        }
        out.push_str("</target>\n");
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn description() -> GdbDescription {
        let swap = GdbReg::made(
            "sum",
            32,
            "uint32",
            |r| *r.pc + u64::from(*r.mode),
            |r, v| *r.pc = v - u64::from(*r.mode),
        );
        GdbDescription {
            architecture: "toy",
            big_endian: false,
            watch_stops_before: false,
            features: vec![GdbFeature {
                name: "f",
                types: "",
                regs: vec![
                    GdbReg::at("a", 32, "uint32", 4),
                    swap.in_group("g"),
                    GdbReg::at("b", 64, "uint64", 8),
                ],
            }],
        }
    }

    #[test]
    fn registers_are_read_and_written_where_they_are() {
        let (mut state, mut pc, mut mode, mut fp_flags) = ([7u8; 12], 100, 5, 0);
        let mut r = CpuRegs {
            state: &mut state,
            pc: &mut pc,
            mode: &mut mode,
            fp_flags: &mut fp_flags,
            now_ns: 0,
        };
        let d = description();
        let regs: Vec<_> = d.regs().collect();
        assert!(regs[0].write(&mut r, &[1, 2, 3, 4]));
        assert!(!regs[0].write(&mut r, &[1, 2, 3]));
        assert_eq!(r.state[3..9], [7, 1, 2, 3, 4, 7]);
        assert_eq!(regs[1].read(&r), Some(vec![105, 0, 0, 0]));
        assert!(regs[1].write(&mut r, &[25, 0, 0, 0]));
        // The state block is too short for the last one.
        assert_eq!(regs[2].read(&r), None);
        assert!(!regs[2].write(&mut r, &[0; 8]));
        assert_eq!(pc, 20);
    }

    #[test]
    fn numbers_run_through_the_description() {
        let xml = description().xml("none");
        assert!(
            xml.contains(
                "<reg name=\"sum\" bitsize=\"32\" type=\"uint32\" regnum=\"1\" group=\"g\"/>"
            ),
            "{xml}"
        );
    }
}
