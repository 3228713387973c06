//! Virtio over memory-mapped registers: the common tests with every device in it, and a driver of either interface.

use crate::testing::Rig;
use softmmu_core::device::Device;
use std::sync::Arc;

/// A slot with a device in it.
fn rig(slot: &[(&str, &str)], class: &str, offers: &[(&str, &str)]) -> (Rig, Arc<dyn Device>) {
    let mut rig = Rig::new();
    rig.chardev();
    rig.drive();
    rig.netdev();
    rig.make("virtio-mmio", slot);
    let service = rig.parts.service.take().expect("it is a slot");
    rig.services.push(("slot".into(), service));
    let parts = std::mem::take(&mut rig.parts);
    if !class.is_empty() {
        rig.make(class, offers);
    }
    rig.parts = parts;
    let device = rig.device().clone();
    (rig, device)
}

const ALL: [(&str, &[(&str, &str)]); 5] = [
    ("", &[]),
    ("virtio-blk-device", &[("drive", "d0")]),
    ("virtio-net-device", &[("netdev", "n0")]),
    ("virtio-serial-device", &[]),
    ("virtio-rng-device", &[]),
];

const BOTH: [&str; 2] = ["on", "off"];

#[test]
fn random_accesses_and_reset() {
    for (class, offers) in ALL {
        for legacy in BOTH {
            let (rig, device) = rig(&[("force-legacy", legacy)], class, offers);
            device.reset();
            let fresh = device.save();
            for seed in 1..8 {
                rig.storm(seed * 7919, 3000);
                device.reset();
                assert!(device.save() == fresh, "{class}: reset after seed {seed}");
            }
        }
    }
}

#[test]
fn state_is_saved_and_loaded() {
    for (class, offers) in ALL {
        for legacy in BOTH {
            let make = || rig(&[("force-legacy", legacy)], class, offers);
            let ((one, saved), (two, loaded)) = (make(), make());
            one.storm(4711, 3000);
            let state = saved.save();
            loaded.load(&state).expect("a state of the same device");
            loaded.resume();
            assert!(loaded.save() == state, "{class}");
            for cut in [0, state.len() / 2, state.len().saturating_sub(1)] {
                let _ = loaded.load(&state[..cut]);
            }
            loaded.resume();
            two.storm(42, 500);
        }
    }
    let (_a, blk) = rig(&[], "virtio-blk-device", &[("drive", "d0")]);
    let (_b, net) = rig(&[], "virtio-net-device", &[("netdev", "n0")]);
    assert!(net.load(&blk.save()).is_err(), "another device's");
}

/// Numbers in memory at an address, least or most significant byte first.
fn put(rig: &Rig, big: bool, at: u64, size: u32, value: u64) {
    let value = match big {
        true => value.swap_bytes() >> (64 - 8 * size),
        false => value,
    };
    rig.space().write_device(at, size, value);
}

/// A driver reads sector 3 of a disk.
fn reads_a_sector(legacy: bool) {
    let (rig, _) = rig(
        &[("force-legacy", if legacy { "on" } else { "off" })],
        "virtio-blk-device",
        &[("drive", "d0")],
    );
    rig.fake.disk.lock()[3 * 512..][..4].copy_from_slice(&[1, 2, 3, 4]);
    let space = rig.space();
    let get = |at: u64| space.read_device(Rig::AT + at, 4);
    let set = |at: u64, value: u64| space.write_device(Rig::AT + at, 4, value);
    assert_eq!(get(0), 0x7472_6976);
    assert_eq!((get(4), get(8)), (if legacy { 1 } else { 2 }, 2));
    let sectors =
        space.read_device(Rig::AT + 0x100, 1) << 8 | space.read_device(Rig::AT + 0x101, 1);
    assert_eq!(
        sectors,
        if legacy { 0 } else { 0x0008 },
        "1 MiB, in the guest's order or little-endian"
    );
    if legacy {
        set(0x28, 4096);
    }
    set(0x70, 0);
    set(0x70, 3);
    set(0x24, 1);
    set(0x20, u64::from(!legacy));
    set(0x70, if legacy { 3 } else { 11 });
    set(0x30, 0);
    assert_eq!(get(0x34), 256);
    set(0x38, 8);
    let (desc, avail, used) = if legacy {
        set(0x3c, 4096);
        set(0x40, 1);
        assert_eq!(get(0x40), 1);
        (0x1000, 0x1080, 0x2000)
    } else {
        for (at, value) in [(0x80, 0x1000), (0x90, 0x3000), (0xa0, 0x4000)] {
            set(at, value);
        }
        set(0x44, 1);
        (0x1000, 0x3000, 0x4000)
    };
    set(0x70, if legacy { 7 } else { 15 });
    let chain = [(0x5000, 16, 1, 1), (0x6000, 512, 3, 2), (0x7000, 1, 2, 0)];
    for (n, (addr, len, flags, next)) in chain.into_iter().enumerate() {
        let at = desc + 16 * n as u64;
        put(&rig, legacy, at, 8, addr);
        put(&rig, legacy, at + 8, 4, len);
        put(&rig, legacy, at + 12, 2, flags);
        put(&rig, legacy, at + 14, 2, next);
    }
    put(&rig, legacy, 0x5008, 8, 3);
    put(&rig, legacy, avail + 2, 2, 1);
    space.write_device(0x7000, 1, 0xff);
    let irq = rig.output("irq");
    assert!(!irq.level());
    set(0x50, 0);
    assert_eq!(space.read_device(0x7000, 1), 0, "done");
    assert_eq!(space.read_device(0x6000, 4), 0x0403_0201);
    let index = space.read_device(used + 2, 2);
    assert_eq!(index, if legacy { 0x100 } else { 1 });
    assert!(irq.level() && get(0x60) == 1);
    set(0x64, 1);
    assert!(!irq.level() && get(0x60) == 0);
    // What no driver may do: a chain that goes in circles.
    put(&rig, legacy, desc + 14, 2, 0);
    put(&rig, legacy, avail + 2, 2, 2);
    set(0x50, 0);
    assert!(get(0x70) & 0x40 != 0 && irq.level(), "it wants a reset");
    set(0x70, 0);
    assert!(get(0x70) == 0 && !irq.level());
}

#[test]
fn a_driver_of_version_1_reads_a_sector() {
    reads_a_sector(false);
}

#[test]
fn a_driver_of_before_reads_a_sector() {
    reads_a_sector(true);
}

#[test]
fn an_empty_slot_says_so() {
    let (rig, _) = rig(&[], "", &[]);
    assert_eq!(rig.space().read_device(Rig::AT, 4), 0x7472_6976);
    assert_eq!(rig.space().read_device(Rig::AT + 8, 4), 0);
}
