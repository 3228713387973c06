//! termbits.h: `struct termios`, whose flags, control characters and order of members differ between ABIs.

use crate::abi::{Abi, Layout, Reader, Writer};

/// A flag, or one value of a field: (guest mask, guest value, host mask, host value). Values of 0 need no row.
pub type FlagRow = (u32, u32, u32, u32);

/// How an ABI's terminal settings differ from asm-generic's, which the host has.
pub struct TermiosMap {
    /// c_iflag, c_oflag, c_cflag and c_lflag: what differs.
    pub flags: [&'static [FlagRow]; 4],
    /// For each of the guest's control characters its place in the host's c_cc, or 255.
    pub cc: [u8; 19],
    /// c_cc lies before c_line, and c_ispeed and c_ospeed follow.
    pub with_speeds: bool,
}

/// The kernel's `struct termios` in the host's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Termios {
    /// c_iflag, c_oflag, c_cflag, c_lflag.
    pub flags: [u32; 4],
    /// c_line.
    pub line: u8,
    /// c_cc.
    pub cc: [u8; 19],
}

/// Translates the bits that rows name; the others are the same in both.
fn translate(value: u32, rows: &[FlagRow], to_guest: bool) -> u32 {
    let side = |r: &FlagRow| match to_guest {
        false => (r.0, r.1, r.3),
        true => (r.2, r.3, r.1),
    };
    let masks = rows.iter().fold(0, |m, r| m | r.0 | r.2);
    let hits = rows
        .iter()
        .map(side)
        .filter(|(mask, v, _)| value & mask == *v && *v != 0);
    hits.fold(value & !masks, |out, (_, _, to)| out | to)
}

/// asm-generic/termbits.h: CBAUD with the host's codes, as numbers.
fn speed(cflag: u32) -> u32 {
    const LOW: [u32; 16] = [
        0, 50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19200, 38400,
    ];
    const HIGH: [u32; 16] = [
        0, 57600, 115_200, 230_400, 460_800, 500_000, 576_000, 921_600, 1_000_000, 1_152_000,
        1_500_000, 2_000_000, 2_500_000, 3_000_000, 3_500_000, 4_000_000,
    ];
    let table = if cflag & 0o10000 != 0 { HIGH } else { LOW };
    table.get((cflag & 15) as usize).copied().unwrap_or(0)
}

impl Layout for Termios {
    fn align(_: &Abi) -> usize {
        4
    }
    fn size(abi: &Abi) -> usize {
        match abi.termios {
            Some(map) if map.with_speeds => 44,
            _ => 36,
        }
    }
    fn get(r: &mut Reader) -> Self {
        let mut flags = <[u32; 4]>::get(r);
        let Some(map) = r.abi().termios else {
            let (line, cc) = (u8::get(r), Layout::get(r));
            return Termios { flags, line, cc };
        };
        for (value, rows) in flags.iter_mut().zip(map.flags) {
            *value = translate(*value, rows, false);
        }
        let (line, given) = if map.with_speeds {
            let cc = <[u8; 19]>::get(r);
            let line = u8::get(r);
            let _ = <[u32; 2]>::get(r);
            (line, cc)
        } else {
            (u8::get(r), <[u8; 19]>::get(r))
        };
        let mut cc = [0; 19];
        for (value, place) in given.iter().zip(map.cc) {
            if let Some(to) = cc.get_mut(usize::from(place)) {
                *to = *value;
            }
        }
        Termios { flags, line, cc }
    }
    fn put(&self, w: &mut Writer) {
        let Some(map) = w.abi().termios else {
            self.flags.put(w);
            self.line.put(w);
            return self.cc.put(w);
        };
        for (value, rows) in self.flags.iter().zip(map.flags) {
            translate(*value, rows, true).put(w);
        }
        let cc = map
            .cc
            .map(|place| self.cc.get(usize::from(place)).copied().unwrap_or(0));
        if map.with_speeds {
            cc.put(w);
            self.line.put(w);
            [speed(self.flags[2]); 2].put(w);
        } else {
            self.line.put(w);
            cc.put(w);
        }
    }
    fn show(&self, out: &mut String) {
        let [i, o, c, l] = self.flags;
        out.push_str(&format!(
            "{{iflag={i:#x}, oflag={o:#x}, cflag={c:#x}, lflag={l:#x}}}"
        ));
    }
}
