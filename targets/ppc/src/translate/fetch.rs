//! Reads guest code in pieces.

use tcg_mem::{Access, FaultKind, GuestVa, MemFault};

type FetchFn<'a> = dyn FnMut(GuestVa, &mut [u8]) -> Result<usize, MemFault> + 'a;

/// Guest code with a small read-ahead.
pub(super) struct Fetcher<'a, 'b> {
    fetch: &'a mut FetchFn<'b>,
    little: bool,
    buf: [u8; 128],
    base: u64,
    len: usize,
}

impl<'a, 'b> Fetcher<'a, 'b> {
    pub(super) fn new(fetch: &'a mut FetchFn<'b>, little: bool) -> Fetcher<'a, 'b> {
        Fetcher {
            fetch,
            little,
            buf: [0; 128],
            base: 0,
            len: 0,
        }
    }

    /// The instruction at `pc`.
    pub(super) fn insn(&mut self, pc: u64) -> Result<u32, MemFault> {
        if let Some(found) = self.buffered(pc) {
            return Ok(found);
        }
        // If it fails, what is in the buffer is not from there.
        self.len = 0;
        self.len = (self.fetch)(super::va(pc), &mut self.buf)?.min(self.buf.len());
        self.base = pc;
        self.buffered(pc).ok_or(MemFault {
            va: GuestVa(pc.wrapping_add(self.len as u64)),
            access: Access::Exec,
            kind: FaultKind::Unmapped,
        })
    }

    fn buffered(&self, pc: u64) -> Option<u32> {
        let at = usize::try_from(pc.wrapping_sub(self.base)).ok()?;
        let have = self.buf.get(..self.len)?;
        let bytes: [u8; 4] = have.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(match self.little {
            true => u32::from_le_bytes(bytes),
            false => u32::from_be_bytes(bytes),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_fetch_leaves_nothing_to_read_again() {
        let mut fetch = |va: GuestVa, buf: &mut [u8]| match va.0 {
            0xff8 => {
                buf[..8].copy_from_slice(&[1; 8]);
                Ok(8)
            }
            _ => Err(MemFault {
                va,
                access: Access::Exec,
                kind: FaultKind::Unmapped,
            }),
        };
        let mut fetcher = Fetcher::new(&mut fetch, false);
        assert_eq!(fetcher.insn(0xff8), Ok(0x0101_0101));
        assert_eq!(fetcher.insn(0xffc), Ok(0x0101_0101));
        // Twice: the second time is a look at the successor.
        assert!(fetcher.insn(0x1000).is_err());
        assert!(fetcher.insn(0x1000).is_err());
    }
}
