//! What devices are to the rest of a machine: registers on a bus, state that can be reset, saved
//! and loaded, and text for people.
//!
//! Locks: every device has one lock around its state and may hold it while it sets interrupt lines
//! and accesses memory by DMA. DMA reaches memory only, never a device's registers (messages of
//! interrupts apart, which only interrupt controllers take), and interrupt lines lead from devices
//! through controllers to CPUs; so no thread can come back to a device whose lock it holds. A
//! device calls back ends without holding its lock where they may answer on the same thread.

use serde::Serialize;
use serde::de::DeserializeOwned;
use tcg_mem::BusError;

/// Which byte of a register is at the lowest address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endian {
    /// The least significant.
    Little,
    /// The most significant.
    Big,
}

/// Which accesses a device's registers know: 1, 2, 4 or 8 bytes from `min` to `max`. The bus makes
/// all others out of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Widths {
    /// Byte order.
    pub endian: Endian,
    /// Narrowest.
    pub min: u32,
    /// Widest.
    pub max: u32,
}

impl Widths {
    /// Big-endian registers of 32 bits.
    pub const BE32: Widths = Widths {
        endian: Endian::Big,
        min: 4,
        max: 4,
    };
    /// Little-endian registers of 32 bits.
    pub const LE32: Widths = Widths {
        endian: Endian::Little,
        min: 4,
        max: 4,
    };
    /// Registers of one byte.
    pub const BYTE: Widths = Widths {
        endian: Endian::Little,
        min: 1,
        max: 1,
    };
}

/// Registers in an address space.
pub trait Mmio: Send + Sync {
    /// Which accesses it knows.
    fn widths(&self) -> Widths;

    /// Reads a register. `offset` is anything within the region.
    fn read(&self, offset: u64, size: u32) -> Result<u64, BusError>;

    /// Writes a register.
    fn write(&self, offset: u64, size: u32, value: u64) -> Result<(), BusError>;

    /// Writes here are interrupt messages that other devices may send. Its `write` must not send
    /// any on its part.
    fn takes_messages(&self, _offset: u64) -> bool {
        false
    }
}

/// State that cannot be loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StateError(pub String);

/// A device's life. Reset, save and load happen while CPUs stand still.
pub trait Device: Send + Sync {
    /// As the machine's reset line.
    fn reset(&self);

    /// Everything that the guest could notice if it were lost.
    fn save(&self) -> Vec<u8>;

    /// The opposite of [`Device::save`]; leaves the device as it was if it fails.
    fn load(&self, state: &[u8]) -> Result<(), StateError>;

    /// All devices have their state: interrupt lines and timers follow it.
    fn resume(&self) {}

    /// For `info qtree`: what is worth seeing.
    fn describe(&self) -> String {
        String::new()
    }
}

/// Plain data as bytes.
pub fn save_state<T: Serialize>(state: &T) -> Vec<u8> {
    // Postcard fails on maps of unknown length only, which states do not have.
    postcard::to_allocvec(state).unwrap_or_default()
}

/// Bytes as plain data; all of them.
pub fn load_state<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StateError> {
    match postcard::take_from_bytes(bytes) {
        Ok((state, [])) => Ok(state),
        Ok((_, rest)) => Err(StateError(format!("{} bytes too many", rest.len()))),
        Err(e) => Err(StateError(e.to_string())),
    }
}
