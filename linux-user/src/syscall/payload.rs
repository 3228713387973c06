//! Data of known shape but free length, as in socket options and control messages, from one ABI's form to another's.

use crate::abi::{Abi, Endian};

/// What a run of bytes is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Integers of the same width in every ABI: (width, count) in order; the last width goes on to the end.
    Fixed(&'static [(usize, usize)]),
    /// A list of `long`: also the old `struct timeval` and `struct timespec`.
    Longs,
    /// A socket address.
    Address,
}

/// Bytes.
pub const RAW: Shape = Shape::Fixed(&[(1, 0)]);
/// 16-bit numbers.
pub const SHORTS: Shape = Shape::Fixed(&[(2, 0)]);
/// 32-bit numbers.
pub const INTS: Shape = Shape::Fixed(&[(4, 0)]);
/// 64-bit numbers.
pub const QUADS: Shape = Shape::Fixed(&[(8, 0)]);

impl Shape {
    /// `data` of ABI `from` in the form of ABI `to`. An incomplete element at the end stays as it is, or is left out
    /// where its size differs.
    pub fn recode(self, from: &Abi, to: &Abi, data: &[u8]) -> Vec<u8> {
        match self {
            Shape::Longs => longs(from, to, data),
            Shape::Fixed(runs) => {
                let mut out = data.to_vec();
                if from.endian != to.endian {
                    swap_runs(runs, &mut out);
                }
                out
            }
            Shape::Address => {
                let mut out = data.to_vec();
                if from.endian != to.endian {
                    swap_address(from.endian, &mut out);
                }
                out
            }
        }
    }

    /// The size in ABI `to` of what takes `len` bytes in ABI `from`.
    pub fn resize(self, from: &Abi, to: &Abi, len: usize) -> usize {
        match self {
            Shape::Longs => len / from.word * to.word,
            _ => len,
        }
    }
}

fn longs(from: &Abi, to: &Abi, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len() / from.word * to.word);
    for word in data.chunks_exact(from.word) {
        let mut r = crate::abi::Reader::new(*from, word);
        let value = from.sign(r.uint(from.word)) as u64;
        match to.endian {
            Endian::Little => out.extend(value.to_le_bytes().iter().take(to.word)),
            Endian::Big => out.extend(value.to_be_bytes().iter().skip(8 - to.word)),
        }
    }
    out
}

fn swap_runs(runs: &[(usize, usize)], data: &mut [u8]) {
    let mut rest = data;
    for (i, &(width, count)) in runs.iter().enumerate() {
        let len = if i + 1 == runs.len() {
            rest.len()
        } else {
            (width * count).min(rest.len())
        };
        let (head, tail) = rest.split_at_mut(len);
        head.chunks_exact_mut(width.max(1))
            .for_each(<[u8]>::reverse);
        rest = tail;
    }
}

/// Members of socket addresses in the machine's byte order, behind the family.
const ADDRESSES: &[(i32, &[(usize, usize)])] = &[
    (libc::AF_INET6, &[(1, 22), (4, 0)]),
    (libc::AF_NETLINK, &[(2, 1), (4, 0)]),
    (libc::AF_PACKET, &[(1, 2), (4, 1), (2, 1), (1, 0)]),
    (libc::AF_VSOCK, &[(2, 1), (4, 2), (1, 0)]),
    (libc::AF_CAN, &[(2, 1), (4, 0)]),
    (libc::AF_XDP, &[(2, 1), (4, 0)]),
    (libc::AF_TIPC, &[(1, 2), (4, 0)]),
];

fn swap_address(from: Endian, data: &mut [u8]) {
    let Some((head, tail)) = data.split_at_mut_checked(2) else {
        return;
    };
    let raw = head.try_into().unwrap_or([0; 2]);
    let family = match from {
        Endian::Little => u16::from_le_bytes(raw),
        Endian::Big => u16::from_be_bytes(raw),
    };
    head.reverse();
    if let Some((_, runs)) = ADDRESSES.iter().find(|(f, _)| *f == i32::from(family)) {
        swap_runs(runs, tail);
    }
}
