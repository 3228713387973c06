//! CUDA as a driver talks to it.

use super::*;
use crate::testing::{Rig, device_tests};

device_tests!("cuda", |_: &mut Rig| {});

struct Driver(Rig);

impl Driver {
    fn new() -> Driver {
        let mut rig = Rig::new();
        rig.make("cuda", &[]);
        Driver(rig)
    }

    fn get(&self, register: u8) -> u8 {
        let at = Rig::AT + u64::from(register) * STRIDE;
        self.0.space().read_device(at, 1) as u8
    }

    fn put(&self, register: u8, value: u8) {
        let at = Rig::AT + u64::from(register) * STRIDE;
        self.0.space().write_device(at, 1, u64::from(value));
    }

    /// Waits for a byte to be shifted; false: it never is.
    fn wait(&self) -> bool {
        for _ in 0..10 {
            if self.get(via::FLAGS) & via::FLAG_SHIFT != 0 {
                self.put(via::FLAGS, 0x7f);
                return true;
            }
            self.0.clock.set(self.0.clock.now_ns() + BYTE_NS / 2);
            self.0.host.timers.run_due();
        }
        false
    }

    fn send(&self, packet: &[u8]) {
        self.put(via::CONTROL, via::CONTROL_SHIFT_OUT | 0x0c);
        for (n, byte) in packet.iter().enumerate() {
            self.put(via::SHIFT, *byte);
            let b = self.get(via::B);
            self.put(via::B, if n == 0 { b & !TIP } else { b ^ TACK });
            assert!(self.wait());
        }
        self.put(via::CONTROL, 0x0c);
        self.get(via::SHIFT);
        self.put(via::B, self.get(via::B) | TIP | TACK);
        assert!(self.wait());
    }

    fn fetch(&self) -> Vec<u8> {
        assert_eq!(self.get(via::B) & TREQ, 0, "it has something to tell");
        self.get(via::SHIFT);
        self.put(via::B, self.get(via::B) & !TIP);
        let mut out = Vec::new();
        loop {
            assert!(self.wait());
            out.push(self.get(via::SHIFT));
            if self.get(via::B) & TREQ != 0 {
                break;
            }
            self.put(via::B, self.get(via::B) ^ TACK);
        }
        self.put(via::B, self.get(via::B) | TIP | TACK);
        assert!(self.wait());
        out
    }

    fn ask(&self, packet: &[u8]) -> Vec<u8> {
        self.send(packet);
        self.fetch()
    }
}

#[test]
fn the_time_is_told_and_set() {
    let driver = Driver::new();
    let reply = driver.ask(&[1, 3]);
    let now = 1_000_000 + 2_082_844_800_u32;
    assert_eq!(reply[..3], [1, 0, 3]);
    assert_eq!(reply[3..], now.to_be_bytes());
    driver.ask(&[1, 9, 0, 0, 1, 0]);
    assert_eq!(driver.ask(&[1, 3]), [1, 0, 3, 0, 0, 1, 0]);
    driver.0.device().reset();
    assert_eq!(
        driver.ask(&[1, 3]),
        [1, 0, 3, 0, 0, 1, 0],
        "after a reset, too"
    );
}

#[test]
fn the_bus_is_asked() {
    let driver = Driver::new();
    assert_eq!(driver.ask(&[0, 0x2f]), [0, 2, 0x2f], "nobody there");
    assert_eq!(driver.ask(&[1, 0x7e]), [2, 2, 1, 0x7e]);
    assert_eq!(driver.ask(&[1, 0x0c, 0, 9, 5, 6]), [1, 0, 0x0c]);
    assert_eq!(driver.ask(&[1, 7, 0, 9])[..5], [1, 0, 7, 5, 6]);
}

#[test]
fn power_and_interrupts() {
    let driver = Driver::new();
    driver.put(via::ENABLE, 0x80 | via::FLAG_SHIFT);
    driver.put(via::CONTROL, via::CONTROL_SHIFT_OUT);
    driver.put(via::B, driver.get(via::B) & !TIP);
    let irq = driver.0.output("irq");
    assert!(!irq.level());
    driver.0.clock.set(driver.0.clock.now_ns() + BYTE_NS);
    driver.0.host.timers.run_due();
    assert!(irq.level());
    driver.put(via::FLAGS, via::FLAG_SHIFT);
    assert!(!irq.level());
}
