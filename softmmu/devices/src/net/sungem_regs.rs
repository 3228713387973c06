//! Registers of the GEM [GEM-Linux]: offsets, bits, and what they hold after a reset.

/// Interrupt status; reading takes the low bits back.
pub const STATUS: u64 = 0x0c;
/// Interrupts that are kept from the processor.
pub const INT_MASK: u64 = 0x10;
/// Takes interrupts back.
pub const INT_ACK: u64 = 0x14;
/// Interrupt status without an effect.
pub const STATUS_AGAIN: u64 = 0x1c;
/// Software reset.
pub const RESET: u64 = 0x1010;
/// See [`RESET`].
pub const RESET_TX: u32 = 1;
/// See [`RESET`].
pub const RESET_RX: u32 = 2;

/// A packet whose descriptor asked for it has been sent.
pub const STAT_TX_INTERRUPT: u32 = 1;
/// All packets have been sent.
pub const STAT_TX_ALL: u32 = 2;
/// A packet has been sent.
pub const STAT_TX_DONE: u32 = 4;
/// A packet has been received.
pub const STAT_RX_DONE: u32 = 0x10;
/// There is no buffer.
pub const STAT_RX_NO_BUFFER: u32 = 0x20;
/// What reading the status takes back.
pub const STAT_CLEARED: u32 = 0x7f;
/// Everything that interrupts.
pub const STAT_ALL: u32 = 0x7_e077;
/// Place of the number of the next descriptor to be sent.
pub const STAT_TX_NUMBER: u32 = 19;

/// The descriptor behind the last valid one.
pub const TX_KICK: u64 = 0x2000;
/// Ring to be sent.
pub const TX_CONFIG: u64 = 0x2004;
/// Its base, low half first.
pub const TX_BASE: u64 = 0x2008;
/// The next descriptor to be sent.
pub const TX_DONE: u64 = 0x2100;
/// Size of the buffer in the chip.
pub const TX_FIFO: u64 = 0x2118;
/// Ring of buffers.
pub const RX_CONFIG: u64 = 0x4000;
/// Its base, low half first.
pub const RX_BASE: u64 = 0x4004;
/// The descriptor behind the last valid one.
pub const RX_KICK: u64 = 0x4100;
/// The next descriptor to be filled.
pub const RX_DONE: u64 = 0x4104;
/// Size of the buffer in the chip.
pub const RX_FIFO: u64 = 0x4120;
/// A ring is in use.
pub const DMA_ON: u32 = 1;

/// Reset of the sender.
pub const MAC_TX_RESET: u64 = 0x6000;
/// Reset of the receiver.
pub const MAC_RX_RESET: u64 = 0x6004;
/// The sender; bit 0: on.
pub const MAC_TX_CONFIG: u64 = 0x6030;
/// The receiver; bit 0: on.
pub const MAC_RX_CONFIG: u64 = 0x6034;
/// The check sum is not kept.
pub const RX_STRIP: u32 = 4;
/// Everything is received.
pub const RX_PROMISCUOUS: u32 = 8;
/// Everything to groups is received.
pub const RX_ALL_GROUPS: u32 = 0x10;
/// What the hash registers say of groups.
pub const RX_HASH: u32 = 0x20;
/// Its own address in three registers, the last bytes first.
pub const MAC_ADDRESS: u64 = 0x6080;
/// Hash registers.
pub const MAC_HASH: u64 = 0x60c0;
/// Management of the transceiver.
pub const MIF_FRAME: u64 = 0x620c;
/// See [`MIF_FRAME`]: it is over.
pub const MIF_DONE: u32 = 1 << 16;
/// Operations of [`MIF_FRAME`].
pub const MII_WRITE: u32 = 1;
/// See [`MII_WRITE`].
pub const MII_READ: u32 = 2;

/// Registers that keep what is written and do nothing here.
pub const KEPT: &[std::ops::Range<u64>] = &[
    0x04..0x08,
    0x10..0x14,
    0x1000..0x1010,
    0x2004..0x2040,
    0x3000..0x3014,
    0x4000..0x4030,
    0x4108..0x410c,
    0x6008..0x6120,
    0x6200..0x6220,
    0x9000..0x9060,
];

/// Bits of a descriptor to be sent.
pub const TX_SUM: u64 = 1 << 29;
/// See [`TX_SUM`].
pub const TX_LAST: u64 = 1 << 30;
/// See [`TX_SUM`].
pub const TX_FIRST: u64 = 1 << 31;
/// See [`TX_SUM`].
pub const TX_INTERRUPT: u64 = 1 << 32;
/// A buffer's descriptor: it is the controller's.
pub const RX_OWN: u64 = 1 << 31;

/// The longest frame.
pub const LARGEST_FRAME: usize = 9216;

/// What registers hold after a reset, apart from zeroes.
pub const FIRST: &[(u64, u32)] = &[
    (INT_MASK, u32::MAX),
    // Buffers of 9 and 20 KiB, in units of 64 bytes.
    (TX_FIFO, 0x90),
    (RX_FIFO, 0x140),
];

/// The transceiver: 100 Mbit/s negotiated; a BCM5201.
pub const PHY: &[(usize, u16)] = &[
    (0, 0x1000),
    (1, 0x782d),
    (2, 0x0040),
    (3, 0x6212),
    (4, 0x01e1),
    (5, 0x41e1),
    (6, 0x0001),
];
/// Its registers that software cannot write.
pub const PHY_FIXED: &[usize] = &[1, 2, 3, 5, 6];
