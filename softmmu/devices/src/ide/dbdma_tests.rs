//! Lists of commands.

use super::*;
use crate::testing::{Rig, device_tests};

device_tests!("mac-dbdma", |_: &mut Rig| {});

/// A device that counts up, and remembers what it got.
#[derive(Default)]
struct Counter {
    ready: Mutex<usize>,
    next: Mutex<u8>,
    got: Mutex<Vec<u8>>,
}

impl DmaPort for Counter {
    fn pull(&self, buf: &mut [u8]) -> usize {
        let mut ready = self.ready.lock();
        let count = buf.len().min(*ready);
        *ready -= count;
        for byte in buf.iter_mut().take(count) {
            let mut next = self.next.lock();
            *byte = *next;
            *next = next.wrapping_add(1);
        }
        count
    }

    fn push(&self, data: &[u8]) -> usize {
        self.got.lock().extend_from_slice(data);
        data.len()
    }

    fn settle(&self) {}
}

struct Setup {
    rig: Rig,
    port: Arc<Counter>,
    dbdma: Arc<Dbdma>,
}

const AT: u64 = Rig::AT + 3 * STRIDE;

fn setup() -> Setup {
    let mut rig = Rig::new();
    rig.make("mac-dbdma", &[]);
    let port = Arc::new(Counter::default());
    let service = rig.parts.service.clone().unwrap();
    let dbdma = service.downcast::<Dbdma>().unwrap();
    assert!(dbdma.connect(3, port.clone(), Irq::new()));
    assert!(!dbdma.connect(3, port.clone(), Irq::new()));
    Setup { rig, port, dbdma }
}

impl Setup {
    fn put(&self, at: u64, value: u32) {
        self.rig.space().put(at, value.swap_bytes());
    }

    fn get(&self, at: u64) -> u32 {
        self.rig.space().get(at).swap_bytes()
    }

    fn command(&self, at: u64, code: u32, count: u32, address: u32, argument: u32) {
        for (n, word) in [code << 16 | count, address, argument, 0]
            .into_iter()
            .enumerate()
        {
            self.put(at + 4 * n as u64, word);
        }
    }

    fn run(&self) {
        self.put(AT + COMMAND_LOW, 0x1000);
        self.put(AT + CONTROL, RUN << 16 | RUN);
    }
}

#[test]
fn input_waits_for_the_device() {
    let s = setup();
    s.command(0x1000, 0x2000, 4, 0x2000, 0);
    s.command(0x1010, 0x3000, 4, 0x2004, 0);
    s.command(0x1020, 0x7000, 0, 0, 0);
    s.run();
    assert_eq!(s.get(AT + STATUS), RUN | ACTIVE);
    *s.port.ready.lock() = 6;
    s.dbdma.kick(3);
    assert_eq!(s.get(AT + COMMAND_LOW), 0x1010);
    *s.port.ready.lock() = 2;
    s.dbdma.kick(3);
    assert_eq!(s.get(AT + STATUS), RUN);
    assert_eq!(s.get(0x2004), 0x0706_0504);
    assert_eq!(s.get(0x101c), (RUN | ACTIVE) << 16, "status, nothing left");
    s.put(AT + CONTROL, RUN << 16);
    assert_eq!(s.get(AT + STATUS), 0);
}

#[test]
fn output_branches_and_constants() {
    let s = setup();
    s.put(0x2000, 0x0403_0201);
    s.command(0x1000, 0x100c, 4, 0x2000, 0x1100);
    s.command(0x1100, 0x4000, 4, 0x3000, 0xaabb_ccdd);
    s.command(0x1110, 0x7000, 0, 0, 0);
    s.run();
    assert_eq!(*s.port.got.lock(), [1, 2, 3, 4]);
    assert_eq!(s.get(0x3000), 0xaabb_ccdd);
    assert_eq!(s.get(AT + STATUS) & (RUN | ACTIVE | DEAD), RUN);
}

#[test]
fn broken_lists_kill_the_channel() {
    let s = setup();
    // Goes round for ever.
    s.command(0x1000, 0x600c, 0, 0, 0x1000);
    s.run();
    assert_eq!(s.get(AT + STATUS) & (DEAD | ACTIVE), DEAD);
    s.put(AT + CONTROL, RUN << 16);
    s.command(0x1000, 0x1000, 4, 0xffff_0000, 0);
    s.run();
    assert_eq!(
        s.get(AT + STATUS) & (DEAD | ACTIVE),
        DEAD,
        "no memory there"
    );
}

#[test]
fn a_condition_holds_a_channel_up_behind_the_command() {
    let s = setup();
    // Waits while bit 0 is clear.
    s.put(AT + WAIT_SELECT, 1 << 16);
    s.command(0x1000, 0x2001, 2, 0x2000, 0);
    s.command(0x1010, 0x7000, 0, 0, 0);
    *s.port.ready.lock() = 8;
    s.run();
    for _ in 0..3 {
        s.dbdma.kick(3);
        assert_eq!(s.get(AT + STATUS), RUN | ACTIVE);
        assert_eq!(s.get(AT + COMMAND_LOW), 0x1000);
    }
    assert_eq!(*s.port.ready.lock(), 6, "the command is not repeated");
    let saved = s.dbdma.save();
    assert!(s.dbdma.load(&saved).is_ok());
    s.put(AT + CONTROL, 1 << 16 | 1);
    assert_eq!(s.get(AT + STATUS), RUN | 1);
    assert_eq!(*s.port.ready.lock(), 6);
}
