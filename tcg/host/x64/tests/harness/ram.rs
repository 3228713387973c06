//! Guest memory of the reference interpreter: one window, faults outside of it.

use tcg_ir::interp::Memory;
use tcg_mem::{Access, FaultKind, GuestVa, MemFault};

/// Bytes from the guest address `base` on.
pub struct Ram {
    pub base: u32,
    pub bytes: Vec<u8>,
}

impl Ram {
    fn at(&self, va: GuestVa, len: usize, access: Access) -> Result<usize, MemFault> {
        let kind = FaultKind::Unmapped;
        let fault = MemFault { va, access, kind };
        let off = va.0.checked_sub(u64::from(self.base)).ok_or(fault)?;
        let end = off.checked_add(len as u64).ok_or(fault)?;
        if end <= self.bytes.len() as u64 {
            Ok(off as usize)
        } else {
            Err(fault)
        }
    }
}

impl Memory for Ram {
    fn load(&mut self, va: GuestVa, bytes: &mut [u8]) -> Result<(), MemFault> {
        let o = self.at(va, bytes.len(), Access::Read)?;
        bytes.copy_from_slice(&self.bytes[o..o + bytes.len()]);
        Ok(())
    }

    fn store(&mut self, va: GuestVa, bytes: &[u8]) -> Result<(), MemFault> {
        let o = self.at(va, bytes.len(), Access::Write)?;
        self.bytes[o..o + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }
}
