//! Reads guest code in pieces.

use tcg_mem::{Access, FaultKind, GuestVa, MemFault};

type FetchFn<'a> = dyn FnMut(GuestVa, &mut [u8]) -> Result<usize, MemFault> + 'a;

/// Guest code with a small read-ahead.
pub(super) struct Fetcher<'a, 'b> {
    fetch: &'a mut FetchFn<'b>,
    buf: [u8; 128],
    base: u32,
    len: usize,
}

impl<'a, 'b> Fetcher<'a, 'b> {
    pub(super) fn new(fetch: &'a mut FetchFn<'b>) -> Fetcher<'a, 'b> {
        Fetcher {
            fetch,
            buf: [0; 128],
            base: 0,
            len: 0,
        }
    }

    /// The instruction at `pc` and its length. Instructions are little-endian (also with BE-8 data).
    pub(super) fn insn(&mut self, pc: u32, thumb: bool) -> Result<(u32, u32), MemFault> {
        if !thumb {
            return Ok((u32::from_le_bytes(self.bytes(pc)?), 4));
        }
        let first = u32::from(u16::from_le_bytes(self.bytes(pc)?));
        // [ARMv7 A6.1]
        if first >> 11 < 0b11101 {
            return Ok((first, 2));
        }
        let second = u16::from_le_bytes(self.bytes(pc.wrapping_add(2))?);
        Ok((first << 16 | u32::from(second), 4))
    }

    fn bytes<const N: usize>(&mut self, pc: u32) -> Result<[u8; N], MemFault> {
        if let Some(found) = self.buffered(pc) {
            return Ok(found);
        }
        // If it fails, what is in the buffer is not from there.
        self.len = 0;
        self.base = pc;
        self.len = (self.fetch)(super::va(pc), &mut self.buf)?.min(self.buf.len());
        self.buffered(pc).ok_or(MemFault {
            va: GuestVa(u64::from(pc) + self.len as u64),
            access: Access::Exec,
            kind: FaultKind::Unmapped,
        })
    }

    fn buffered<const N: usize>(&self, pc: u32) -> Option<[u8; N]> {
        let at = pc.wrapping_sub(self.base) as usize;
        let have = self.buf.get(..self.len)?;
        have.get(at..at.checked_add(N)?)?.try_into().ok()
    }
}
