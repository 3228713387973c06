//! Disk and CD behind the controller.

use super::*;
use crate::ide::regs::*;
use crate::testing::{Rig, device_tests};

device_tests!("macio-ide", |rig: &mut Rig| {
    rig.other("dbdma", "mac-dbdma", &[]);
    rig.prop("dbdma", "dbdma");
    rig.prop("channel", "22");
});

mod disk {
    use super::*;
    device_tests!("ide-hd", |rig: &mut Rig| {
        rig.other("ide.0", "macio-ide", &[]);
        rig.drive();
    });
}

mod cd {
    use super::*;
    device_tests!("ide-cd", |rig: &mut Rig| {
        rig.other("ide.0", "macio-ide", &[]);
        rig.drive();
    });
}

/// A controller with a disk of a MiB, or a CD of the same.
struct Setup(Rig, Arc<Dbdma>);

const CHANNEL: u64 = 0xd000_0000;

impl Setup {
    fn new(class: &str) -> Setup {
        let mut rig = Rig::new();
        rig.make("mac-dbdma", &[]);
        let service = rig.parts.service.clone().unwrap();
        let dbdma = service.clone().downcast::<Dbdma>().unwrap();
        rig.services.push(("dbdma".into(), service));
        for id in rig.parts.regions.drain(..) {
            rig.host.space.remove(id);
        }
        let region = softmmu_core::space::Region::io("dbdma", CHANNEL, 0x1000, dbdma.clone());
        rig.host.space.add(region);
        rig.make("macio-ide", &[("dbdma", "dbdma"), ("channel", "1")]);
        let controller = std::mem::take(&mut rig.parts);
        rig.services
            .push(("ide.0".into(), controller.service.clone().unwrap()));
        rig.drive();
        for (n, byte) in rig.fake.disk.lock().iter_mut().enumerate() {
            *byte = (n / 512) as u8;
        }
        rig.make(class, &[("drive", "d0")]);
        rig.parts.outputs = controller.outputs;
        Setup(rig, dbdma)
    }

    fn put(&self, register: u8, value: u8) {
        let at = Rig::AT + u64::from(register) * STRIDE;
        self.0.space().write_device(at, 1, u64::from(value));
    }

    fn get(&self, register: u8) -> u8 {
        let at = Rig::AT + u64::from(register) * STRIDE;
        self.0.space().read_device(at, 1) as u8
    }

    fn word(&self) -> u16 {
        self.0.space().read_device(Rig::AT, 2) as u16
    }

    fn start(&self, command: u8, lba: u32, count: u8) {
        let [a, b, c, d] = lba.to_le_bytes();
        for (register, value) in [
            (COUNT, count),
            (LBA_LOW, a),
            (LBA_MID, b),
            (LBA_HIGH, c),
            (DEVICE, DEVICE_LBA | d),
            (STATUS, command),
        ] {
            self.put(register, value);
        }
    }

    fn irq(&self) -> bool {
        self.0.output("irq").level()
    }
}

#[test]
fn a_disk_tells_of_itself() {
    let s = Setup::new("ide-hd");
    assert_eq!([s.get(COUNT), s.get(LBA_MID), s.get(LBA_HIGH)], [1, 0, 0]);
    s.put(STATUS, 0xec);
    assert!(s.irq());
    assert_eq!(s.get(STATUS), READY | DSC | DRQ);
    assert!(!s.irq(), "reading the status takes it back");
    let words: Vec<u16> = (0..256).map(|_| s.word()).collect();
    assert_eq!(words[27], u16::from_be_bytes(*b"EM"));
    assert_eq!((words[60], words[100]), (2048, 2048));
    assert_eq!(s.get(STATUS), READY | DSC);
    s.put(DEVICE, DEVICE_1);
    assert_eq!(s.get(STATUS), 0, "no second drive");
    s.put(STATUS, 0xec);
    assert_eq!(s.get(STATUS), 0);
}

#[test]
fn sectors_by_the_processor() {
    let s = Setup::new("ide-hd");
    s.start(0x20, 7, 2);
    for sector in [7, 8] {
        assert!(s.irq());
        assert_eq!(s.get(STATUS) & DRQ, DRQ);
        for _ in 0..256 {
            assert_eq!(s.word(), sector * 0x101);
        }
    }
    assert!(!s.irq());
    s.start(0x30, 9, 1);
    assert!(!s.irq());
    for _ in 0..256 {
        s.0.space().write_device(Rig::AT, 2, 0x1234);
    }
    assert!(s.irq());
    assert_eq!(s.0.fake.disk.lock()[9 * 512..][..2], [0x34, 0x12]);
    s.start(0x20, 2047, 2);
    assert_eq!((s.get(STATUS) & ERR, s.get(ERROR)), (ERR, NOT_FOUND));
}

#[test]
fn sectors_by_dma() {
    let s = Setup::new("ide-hd");
    let space = s.0.space();
    let put = |at: u64, v: u32| space.put(at, v.swap_bytes());
    for (n, word) in [0x3000_0400, 0x4000, 0, 0, 0x7000_0000]
        .into_iter()
        .enumerate()
    {
        put(0x1000 + 4 * n as u64, word);
    }
    put(CHANNEL + 0x80 + 0xc, 0x1000);
    s.start(0xc8, 3, 2);
    assert!(!s.irq());
    put(CHANNEL + 0x80, 0x8000_8000);
    assert!(s.irq());
    assert_eq!(space.get(0x4000), 0x0303_0303);
    assert_eq!(space.get(0x43fc), 0x0404_0404);
    // The other way round, with the channel first.
    put(CHANNEL + 0x80, 0x8000_0000);
    put(0x1000, 0x1000_0200);
    put(CHANNEL + 0x80 + 0xc, 0x1000);
    put(CHANNEL + 0x80, 0x8000_8000);
    s.start(0xca, 100, 1);
    assert_eq!(s.0.fake.disk.lock()[100 * 512], 3);
    assert!(s.irq());
    assert_eq!(s.1.save(), s.1.save());
}

#[test]
fn a_cd_answers_packets() {
    let s = Setup::new("ide-cd");
    assert_eq!([s.get(LBA_MID), s.get(LBA_HIGH)], [0x14, 0xeb]);
    let packet = |bytes: [u8; 12]| {
        s.put(LBA_MID, 0);
        s.put(LBA_HIGH, 8);
        s.put(STATUS, 0xa0);
        assert_eq!(s.get(COUNT), 1);
        for pair in bytes.chunks(2) {
            let word = u64::from(pair[0]) | u64::from(pair[1]) << 8;
            s.0.space().write_device(Rig::AT, 2, word);
        }
    };
    packet([0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!((s.get(COUNT), s.get(LBA_MID)), (2, 8));
    assert_eq!([s.word(), s.word()], [0, 511u16.swap_bytes()]);
    s.word();
    s.word();
    assert_eq!(s.get(COUNT), 3);
    // Two sectors in two pieces.
    packet([0x28, 0, 0, 0, 0, 1, 0, 0, 2, 0, 0, 0]);
    for _ in 0..2048 {
        s.word();
    }
    assert_eq!(s.get(STATUS), READY | DSC);
    packet([0x28, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0]);
    assert_eq!(s.get(STATUS) & ERR, ERR);
    packet([0x03, 0, 0, 0, 18, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!([s.word(), s.word()], [0x70, 5]);
}
