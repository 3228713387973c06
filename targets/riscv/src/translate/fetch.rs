//! Reads guest code in pieces.

use tcg_mem::{Access, FaultKind, GuestVa, MemFault};
use tcg_target::Fetch;

/// Guest code with a small read-ahead.
pub(super) struct Fetcher<'a, 'b> {
    fetch: &'a mut Fetch<'b>,
    buf: [u8; 128],
    base: u64,
    len: usize,
}

impl<'a, 'b> Fetcher<'a, 'b> {
    pub(super) fn new(fetch: &'a mut Fetch<'b>) -> Fetcher<'a, 'b> {
        Fetcher {
            fetch,
            buf: [0; 128],
            base: 0,
            len: 0,
        }
    }

    /// The instruction at `pc` and its length. Longer formats than 32 bits are not used by any extension.
    pub(super) fn insn(&mut self, pc: u64) -> Result<(u32, u64), MemFault> {
        let first = u32::from(u16::from_le_bytes(self.bytes(pc)?));
        if first & 3 != 3 {
            return Ok((first, 2));
        }
        let second = u16::from_le_bytes(self.bytes(pc.wrapping_add(2))?);
        Ok((u32::from(second) << 16 | first, 4))
    }

    fn bytes(&mut self, pc: u64) -> Result<[u8; 2], MemFault> {
        if let Some(found) = self.buffered(pc) {
            return Ok(found);
        }
        // If it fails, what is in the buffer is not from there.
        self.len = 0;
        self.base = pc;
        self.len = (self.fetch)(GuestVa(pc), &mut self.buf)?.min(self.buf.len());
        self.buffered(pc).ok_or(MemFault {
            va: GuestVa(pc.wrapping_add(self.len as u64)),
            access: Access::Exec,
            kind: FaultKind::Unmapped,
        })
    }

    fn buffered(&self, pc: u64) -> Option<[u8; 2]> {
        let at = usize::try_from(pc.wrapping_sub(self.base)).ok()?;
        let have = self.buf.get(..self.len)?;
        have.get(at..at.checked_add(2)?)?.try_into().ok()
    }
}
