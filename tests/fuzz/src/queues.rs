//! Drives virtio cards as a driver would that is out of its mind: queues are set up properly, what is in them is random.

use crate::Dice;
use crate::machine::Machine;
use softmmu_core::space::AddressSpace;
use std::sync::Arc;
use tcg_mem::Bus;

/// Where the rings and buffers of a queue are, from the start of memory on.
const RINGS: u64 = 0x10_0000;
const ROOM: u64 = 0x1_0000;

/// One card of a random bus, if it is of that kind.
pub fn drive(machine: &Machine, dice: &mut Dice) {
    let buses = &machine.parts.pci;
    let n = dice.below(buses.len() as u64) as usize;
    let Some((_, bus)) = buses.get(n) else { return };
    for slot in 0..32u8 {
        let devfn = slot << 3;
        if bus.config_read(devfn, 0, 2) != 0x1af4 || dice.below(3) == 0 {
            continue;
        }
        // The common configuration is at the start of base address 4.
        bus.config_write(devfn, 4, 2, 6);
        let at = 0x9000_0000 + (u32::from(slot) << 20);
        bus.config_write(devfn, 0x20, 4, at);
        bus.config_write(devfn, 0x24, 4, 0);
        let ram = machine.parts.ram.1;
        card(machine, bus.memory(), u64::from(at), ram, dice);
    }
}

fn card(machine: &Machine, space: &Arc<AddressSpace>, at: u64, ram: u64, dice: &mut Dice) {
    let put = |register: u64, size: u32, value: u64| _ = space.write(at + register, size, value);
    if dice.below(3) == 0 {
        // Reset, features, queues, ready [VIRTIO 4.1.4, the common configuration].
        put(0x14, 1, 0);
        put(0x14, 1, 3);
        for half in 0..2 {
            put(0, 4, half);
            let offered = space.read(at + 4, 4).unwrap_or(0);
            put(8, 4, half);
            put(
                12,
                4,
                if dice.below(2) == 0 {
                    offered
                } else {
                    offered & dice.word()
                },
            );
        }
        put(0x14, 1, 11);
        for queue in 0..4 {
            put(0x16, 2, queue);
            let size = [1, 2, 4, 16, 64, 256][dice.below(6) as usize];
            let base = ram + RINGS + queue * ROOM;
            put(0x18, 2, size);
            put(0x1a, 2, dice.below(4));
            for (register, address) in [(0x20, base), (0x28, base + 0x4000), (0x30, base + 0x6000)]
            {
                put(register, 4, address & 0xffff_ffff);
                put(register + 4, 4, address >> 32);
            }
            put(0x1c, 2, 1);
        }
        put(0x14, 1, 15);
    }
    let queue = dice.below(4);
    put(0x16, 2, queue);
    let size = space.read(at + 0x18, 2).unwrap_or(1).max(1);
    fill(machine, ram + RINGS + queue * ROOM, size, dice);
    // The doorbell.
    put(0x3000 + 4 * space.read(at + 0x1e, 2).unwrap_or(0), 2, queue);
}

/// Random descriptors, most of which make some sense, and chains that begin with them.
fn fill(machine: &Machine, base: u64, size: u64, dice: &mut Dice) {
    let write = |at: u64, bytes: &[u8]| _ = machine.parts.dma.write(at, bytes);
    for n in 0..size.min(32) {
        let flags = match dice.below(16) {
            0 => dice.word() as u16,
            1..3 => 4,
            k => (k & 3) as u16,
        };
        let len = match dice.below(8) {
            0 => dice.word() as u32,
            1 => 16 * dice.below(40) as u32,
            2..4 => 512 * dice.below(9) as u32,
            _ => [1, 10, 12, 16][dice.below(4) as usize],
        };
        let address = match dice.below(12) {
            0 => dice.word(),
            _ => base + 0x8000 + dice.below(0x7000),
        };
        let next = if dice.below(8) == 0 {
            dice.word() as u16
        } else {
            (n + 1) as u16
        };
        let at = base + 16 * n;
        write(at, &address.to_le_bytes());
        write(at + 8, &len.to_le_bytes());
        write(at + 12, &flags.to_le_bytes());
        write(at + 14, &next.to_le_bytes());
    }
    for _ in 0..64 {
        // Headers of requests: small numbers.
        write(
            base + 0x8000 + dice.below(0x7000),
            &dice.below(16).to_le_bytes(),
        );
    }
    // The available ring: a few more than before.
    let mut index = [0; 2];
    let _ = machine.parts.dma.read(base + 0x4002, &mut index);
    let index = u16::from_le_bytes(index);
    let more = dice.below(4) as u16;
    for n in 0..u64::from(more) {
        let slot = (u64::from(index) + n) % size;
        let head = if dice.below(16) == 0 {
            dice.word() as u16
        } else {
            dice.below(size.min(32)) as u16
        };
        write(base + 0x4004 + 2 * slot, &head.to_le_bytes());
    }
    let index = if dice.below(64) == 0 {
        dice.word() as u16
    } else {
        index.wrapping_add(more)
    };
    write(base + 0x4002, &index.to_le_bytes());
}
