//! Reads guest code in pieces.

use tcg_mem::{Access, FaultKind, GuestVa, MemFault};

type FetchFn<'a> = dyn FnMut(GuestVa, &mut [u8]) -> Result<usize, MemFault> + 'a;

/// Guest code with a small read-ahead.
pub(super) struct Fetcher<'a, 'b> {
    fetch: &'a mut FetchFn<'b>,
    buf: [u8; 128],
    base: u64,
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

    /// The instruction at `pc`; instructions are little-endian, whatever the data are.
    pub(super) fn insn(&mut self, pc: u64) -> Result<u32, MemFault> {
        if pc & 3 != 0 {
            return Err(MemFault {
                va: GuestVa(pc),
                access: Access::Exec,
                kind: FaultKind::Alignment,
            });
        }
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

    fn buffered(&self, pc: u64) -> Option<u32> {
        let at = usize::try_from(pc.wrapping_sub(self.base)).ok()?;
        let have = self.buf.get(..self.len)?;
        let bytes = have.get(at..at.checked_add(4)?)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    }
}
