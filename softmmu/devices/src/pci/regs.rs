//! Configuration space of type 0 [PCI 6].

/// Vendor and device.
pub const VENDOR: usize = 0x00;
/// Command.
pub const COMMAND: usize = 0x04;
/// Answers in I/O space.
pub const COMMAND_IO: u16 = 1;
/// Answers in memory space.
pub const COMMAND_MEMORY: u16 = 2;
/// May reach memory on its own.
pub const COMMAND_MASTER: u16 = 4;
/// The interrupt pin is quiet.
pub const COMMAND_INTX_OFF: u16 = 0x400;
/// Bits of the command that software sets.
pub const COMMAND_WRITABLE: u16 = 0x547;
/// Status, low byte.
pub const STATUS: usize = 0x06;
/// The interrupt pin would be asserted.
pub const STATUS_INTERRUPT: u8 = 8;
/// There are capabilities.
pub const STATUS_CAPABILITIES: u8 = 0x10;
/// Revision and class.
pub const REVISION: usize = 0x08;
/// First base address.
pub const BAR0: usize = 0x10;
/// Subsystem.
pub const SUBSYSTEM: usize = 0x2c;
/// First capability.
pub const CAPABILITIES: usize = 0x34;
/// Interrupt line and pin.
pub const INTERRUPT: usize = 0x3c;

/// Capability: messages from a table.
pub const CAP_MSIX: u8 = 0x11;
