//! Packets through the rings.

use super::*;
use crate::testing::{Rig, device_tests};

device_tests!("sungem", |rig: &mut Rig| rig.netdev());

const BAR: u64 = 0x8420_0000;

struct Setup(Rig);

impl Setup {
    fn new() -> Setup {
        let mut rig = Rig::new();
        rig.netdev();
        rig.make("sungem", &[("netdev", "n0"), ("mac", "52:54:00:12:34:56")]);
        rig.pci.config_write(64, 0x10, 4, BAR as u32);
        rig.pci.config_write(64, 4, 2, 6);
        Setup(rig)
    }

    fn put(&self, at: u64, value: u32) {
        self.0.space().write_device(BAR + at, 4, u64::from(value));
    }

    fn get(&self, at: u64) -> u32 {
        self.0.space().read_device(BAR + at, 4) as u32
    }
}

#[test]
fn address_and_transceiver() {
    let s = Setup::new();
    assert_eq!(
        [s.get(MAC_ADDRESS), s.get(MAC_ADDRESS + 8)],
        [0x3456, 0x5254]
    );
    s.put(MIF_FRAME, 1 << 30 | 2 << 28 | 3 << 18 | 1 << 17);
    assert_eq!(s.get(MIF_FRAME) & 0x1_ffff, 0x1_6212);
    s.put(MIF_FRAME, 1 << 30 | 2 << 28 | 5 << 23 | 3 << 18);
    assert_eq!(s.get(MIF_FRAME) & 0xffff, 0xffff, "no other transceiver");
    assert_eq!(s.get(RESET), 0);
}

#[test]
fn a_packet_in_two_pieces_with_a_sum() {
    let s = Setup::new();
    let space = s.0.space();
    space.0.load_bytes_at(0x3000, &[1; 20]).unwrap();
    space.0.load_bytes_at(0x4000, &[0; 44]).unwrap();
    // Sum from byte 14 on, put at 20.
    let first = 20 | 14 << 15 | 20 << 21 | TX_SUM | TX_FIRST | TX_INTERRUPT;
    for (at, control, buffer) in [(0x1000, first, 0x3000), (0x1010, 44 | TX_LAST, 0x4000)] {
        space.write_device(at, 8, control);
        space.write_device(at + 8, 8, buffer);
    }
    s.put(TX_BASE, 0x1000);
    s.put(TX_CONFIG, DMA_ON);
    s.put(MAC_TX_CONFIG, 1);
    s.put(INT_MASK, 0);
    s.put(TX_KICK, 2);
    let frames = s.0.fake.frames.lock().clone();
    assert_eq!((frames.len(), frames[0].len()), (1, 64));
    assert_eq!(frames[0][20..22], (!0x0303u16).to_be_bytes());
    assert_eq!(s.get(STATUS_AGAIN) >> STAT_TX_NUMBER, 2);
    assert_eq!(s.get(STATUS) & 7, 7);
    assert_eq!(s.get(STATUS) & 7, 0);
}

#[test]
fn frames_are_chosen_and_received() {
    let s = Setup::new();
    let card = s.0.fake.card.lock().clone().unwrap();
    let space = s.0.space();
    let mut frame = vec![0x52, 0x54, 0, 0x12, 0x34, 0x56];
    frame.resize(64, 7);
    assert!(card.receive(&frame), "switched off: lost");
    for n in 0..4 {
        space.write_device(0x1000 + 16 * n, 8, 1536 << 16 | RX_OWN);
        space.write_device(0x1008 + 16 * n, 8, 0x5000 + 0x800 * n);
    }
    s.put(RX_BASE, 0x1000);
    s.put(RX_CONFIG, DMA_ON | 2 << 10 | 14 << 13);
    s.put(MAC_RX_CONFIG, 1 | RX_STRIP);
    s.put(RX_KICK, 1);
    assert!(!card.receive(&frame), "no buffer yet: kept");
    s.put(RX_KICK, 4);
    assert!(card.receive(&frame));
    let result = space.read_device(0x1000, 8);
    assert_eq!((result >> 16 & 0x7fff, result & RX_OWN), (64, 0));
    assert_eq!(result & 0xffff, u64::from(checksum(&frame[14..])));
    assert_eq!(space.get(0x5002), 0x5254_0012);
    frame[5] = 0;
    assert!(card.receive(&frame));
    assert_eq!(s.get(RX_DONE), 1, "somebody else's");
    s.put(MAC_RX_CONFIG, 1);
    frame[..6].fill(0xff);
    assert!(card.receive(&frame));
    assert_eq!(
        space.read_device(0x1010, 8) >> 16 & 0x7fff,
        68,
        "with its check sum"
    );
    // 01:00:5e:00:00:01 is bit 0x2d of the hash.
    let group = [1, 0, 0x5e, 0, 0, 1];
    frame[..6].copy_from_slice(&group);
    let bit = crc(&group) >> 24;
    s.put(MAC_RX_CONFIG, 1 | RX_HASH);
    assert!(card.receive(&frame));
    assert_eq!(s.get(RX_DONE), 2);
    s.put(MAC_HASH + 4 * u64::from(bit >> 4), 1 << (15 - (bit & 15)));
    assert!(card.receive(&frame));
    assert_eq!(s.get(RX_DONE), 3);
    assert!(!card.receive(&frame), "the last one is left");
    // Linux gives buffers back in fours: the next may be the one that the controller is at.
    space.write_device(0x1030, 8, 1536 << 16 | RX_OWN);
    s.put(RX_KICK, 3);
    assert!(card.receive(&frame), "all of the ring");
    assert_eq!(s.get(RX_DONE), 4);
}
