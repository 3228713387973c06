//! The usual two registers through which a host bridge reaches configuration space [PCI 3.2.2.3.2]:
//! an address, and the data there. Both are little-endian.

use super::bus::PciBus;

/// Bytes that the two registers take.
pub(super) const SIZE: u64 = 8;
const DATA: u64 = 4;
const ENABLE: u32 = 1 << 31;

/// The function and register that the address register selects. Only one bus exists.
fn selected(address: u32) -> Option<(u8, u16)> {
    let on = address & ENABLE != 0 && address >> 16 & 0x7f == 0;
    on.then_some(((address >> 8) as u8, (address & 0xfc) as u16))
}

fn mask(size: u32) -> u32 {
    u32::MAX >> (32 - 8 * size.clamp(1, 4))
}

/// Reads one of the registers.
pub(super) fn read(bus: &PciBus, address: u32, offset: u64, size: u32) -> u32 {
    let low = (offset & 3) as u32;
    if offset < DATA {
        return address >> (8 * low) & mask(size);
    }
    match selected(address) {
        Some((devfn, register)) => bus.config_read(devfn, register | low as u16, size),
        None => mask(size),
    }
}

/// Writes one of the registers.
pub(super) fn write(bus: &PciBus, address: &mut u32, offset: u64, size: u32, value: u32) {
    let low = (offset & 3) as u32;
    if offset < DATA {
        let mask = mask(size) << (8 * low);
        *address = *address & !mask | value << (8 * low) & mask;
    } else if let Some((devfn, register)) = selected(*address) {
        bus.config_write(devfn, register | low as u16, size, value);
    }
}
