//! Registers, descriptors and bits of the 82540EM [8254x 13].
#![allow(missing_docs)]

pub const CTRL: u64 = 0x0000;
pub const CTRL_RESET: u32 = 1 << 26;
pub const CTRL_PHY_RESET: u32 = 1 << 31;
pub const STATUS: u64 = 0x0008;
/// Full duplex, link up, 1000 Mb/s, and what firmware leaves.
pub const STATUS_VALUE: u32 = 0x8008_0783 & !0x700;
pub const EECD: u64 = 0x0010;
pub const EECD_CLOCK: u32 = 1;
pub const EECD_SELECT: u32 = 2;
pub const EECD_IN: u32 = 4;
pub const EECD_OUT: u32 = 8;
pub const EECD_REQUEST: u32 = 0x40;
pub const EECD_GRANT: u32 = 0x80;
pub const EECD_PRESENT: u32 = 0x100;
pub const EERD: u64 = 0x0014;
pub const MDIC: u64 = 0x0020;
pub const MDIC_READY: u32 = 1 << 28;
pub const MDIC_INTERRUPT: u32 = 1 << 29;
pub const MDIC_ERROR: u32 = 1 << 30;
pub const ICR: u64 = 0x00c0;
pub const ICS: u64 = 0x00c8;
pub const IMS: u64 = 0x00d0;
pub const IMC: u64 = 0x00d8;
pub const INT_TX_DONE: u32 = 1;
pub const INT_TX_EMPTY: u32 = 2;
pub const INT_LINK: u32 = 4;
pub const INT_RX_LOW: u32 = 0x10;
pub const INT_RX_OVERRUN: u32 = 0x40;
pub const INT_RX: u32 = 0x80;
pub const INT_MDIO: u32 = 0x200;
pub const RCTL: u64 = 0x0100;
pub const RCTL_ON: u32 = 2;
pub const RCTL_UNICAST: u32 = 8;
pub const RCTL_MULTICAST: u32 = 0x10;
pub const RCTL_BROADCAST: u32 = 0x8000;
pub const RCTL_STRIP: u32 = 1 << 26;
pub const RCTL_EXTEND: u32 = 1 << 25;
pub const TCTL: u64 = 0x0400;
pub const TCTL_ON: u32 = 2;
pub const PBA: u64 = 0x1000;
pub const RDBAL: u64 = 0x2800;
pub const RDBAH: u64 = 0x2804;
pub const RDLEN: u64 = 0x2808;
pub const RDH: u64 = 0x2810;
pub const RDT: u64 = 0x2818;
pub const TDBAL: u64 = 0x3800;
pub const TDBAH: u64 = 0x3804;
pub const TDLEN: u64 = 0x3808;
pub const TDH: u64 = 0x3810;
pub const TDT: u64 = 0x3818;
/// Statistics: reading clears.
pub const STATS: std::ops::Range<u64> = 0x4000..0x4100;
pub const GPRC: u64 = 0x4074;
pub const GPTC: u64 = 0x4080;
pub const TPR: u64 = 0x40d0;
pub const TPT: u64 = 0x40d4;
pub const MTA: u64 = 0x5200;
pub const RAL: u64 = 0x5400;
pub const RAH_VALID: u32 = 1 << 31;

/// Registers that only hold what is written: first and last.
pub const PLAIN: &[(u64, u64)] = &[
    (0x18, 0x18),
    (0x28, 0x38),
    (0xc4, 0xc4),
    (0x170, 0x178),
    (0x410, 0x410),
    (0xe00, 0xe00),
    (0x1000, 0x1010),
    (0x2160, 0x2168),
    (0x2820, 0x282c),
    (0x3000, 0x3000),
    (0x3820, 0x382c),
    (0x5000, 0x5000),
    (0x5200, 0x53fc),
    (0x5400, 0x547c),
    (0x5600, 0x57fc),
    (0x5800, 0x5838),
    (0x5b50, 0x5b50),
    (0x5f00, 0x5ffc),
];

/// Receive descriptor, status: done, end of packet, checksums not looked at.
pub const RX_DONE: u8 = 1;
pub const RX_END: u8 = 2;
pub const RX_NO_SUMS: u8 = 4;

/// Transmit descriptor, command byte.
pub const TX_END: u8 = 1;
/// Legacy: insert a checksum.
pub const TX_SUM: u8 = 4;
/// Extended data: segment.
pub const TX_SEGMENT: u8 = 4;
pub const TX_REPORT: u8 = 8;
pub const TX_EXTENDED: u8 = 0x20;
/// Extended data, options: insert the IP header's checksum, the packet's.
pub const TX_IP_SUM: u8 = 1;
pub const TX_TCP_SUM: u8 = 2;
/// Context, command: TCP, IPv4.
pub const TX_IS_TCP: u8 = 1;
pub const TX_IS_IPV4: u8 = 2;

/// Words of the EEPROM.
pub const EEPROM_WORDS: usize = 64;
/// All words of the EEPROM add up to this.
pub const EEPROM_SUM: u16 = 0xbaba;

/// Registers of the PHY after its reset: number and value. Auto-negotiation is done, at 1000 Mb/s.
pub const PHY: &[(usize, u16)] = &[
    (0, 0x1140),
    (1, 0x796d),
    (2, 0x0141),
    (3, 0x0c20),
    (4, 0x0de1),
    (5, 0x45e1),
    (9, 0x0e00),
    (10, 0x3c00),
    (16, 0x0360),
    (17, 0xac00),
    (20, 0x0d60),
];
