//! Registers and bits of IDE drives [ATA 6, ATA 7].

/// Registers of the command block.
pub const DATA: u8 = 0;
/// Features; error.
pub const ERROR: u8 = 1;
/// Sectors; interrupt reason of ATAPI.
pub const COUNT: u8 = 2;
/// Address.
#[cfg(test)]
pub const LBA_LOW: u8 = 3;
/// Its middle; low byte of ATAPI's byte count.
#[cfg(test)]
pub const LBA_MID: u8 = 4;
/// Its upper part; high byte of ATAPI's byte count.
pub const LBA_HIGH: u8 = 5;
/// Device and the rest of a short address.
pub const DEVICE: u8 = 6;
/// Status; command.
pub const STATUS: u8 = 7;

/// Device register: an address, not cylinder, head and sector.
pub const DEVICE_LBA: u8 = 0x40;
/// Device register: the second drive.
pub const DEVICE_1: u8 = 0x10;

/// Status: error.
pub const ERR: u8 = 0x01;
/// Status: data to be moved.
pub const DRQ: u8 = 0x08;
/// Status: seek complete.
pub const DSC: u8 = 0x10;
/// Status: ready.
pub const READY: u8 = 0x40;

/// Error: command aborted.
pub const ABORTED: u8 = 0x04;
/// Error: no such sector.
pub const NOT_FOUND: u8 = 0x10;
/// Error: data cannot be read or written.
pub const UNCORRECTABLE: u8 = 0x40;

/// Control register: no interrupts.
pub const NO_INTERRUPT: u8 = 2;
/// Control register: both drives are held in reset.
pub const SOFT_RESET: u8 = 4;
/// Control register: the former contents of the registers are read.
pub const HIGH_ORDER: u8 = 0x80;

/// Bytes of a disk's sector.
pub const SECTOR: usize = 512;
/// Bytes of a CD's.
pub const CD_SECTOR: usize = 2048;
