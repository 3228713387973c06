//! The virtio console [VIRTIO 5.3] with one port: `virtio-serial-pci` is the card, `virtconsole` what is plugged into it.

use super::{Broken, Model, QueueIo, Transport};
use crate::class::Build;
use parking_lot::Mutex;
use softmmu_core::chardev::{CharBackend, CharFrontend};
use softmmu_core::device::{Endian, StateError, load_state, save_state};
use std::sync::{Arc, OnceLock, Weak};

const RX: usize = 0;
/// Bytes that wait until the guest has room.
const WAITING: usize = 4096;
/// The most that is handed on at once.
const PIECE: u64 = 65536;

pub(super) struct Console {
    line: OnceLock<Arc<dyn CharBackend>>,
    waiting: Mutex<Vec<u8>>,
    transport: OnceLock<Weak<dyn Transport>>,
}

pub(super) fn create(build: &mut Build<'_>) -> Result<(), String> {
    let model = Arc::new(Console {
        line: OnceLock::new(),
        waiting: Mutex::default(),
        transport: OnceLock::new(),
    });
    super::plug(build, model.clone(), 0x07_8000)?;
    build.parts.service = Some(model);
    Ok(())
}

/// What is plugged into the card.
pub(super) fn create_port(build: &mut Build<'_>) -> Result<(), String> {
    let console = build.bus::<Console>()?;
    let line = build.chardev("chardev")?;
    let line = line.ok_or("needs a character device (chardev=ID)")?;
    if console.line.set(line.clone()).is_err() {
        return Err("the card has one port only, and it is taken".into());
    }
    line.set_frontend(Some(Arc::new(Port(Arc::downgrade(&console)))));
    Ok(())
}

impl Console {
    /// Puts what waits into the driver's buffers.
    fn deliver(&self, io: &mut QueueIo<'_>) -> Result<(), Broken> {
        let mut waiting = self.waiting.lock();
        while !waiting.is_empty() {
            let Some(chain) = io.pop()? else {
                break;
            };
            let count = chain.write(io.dma, 0, &waiting)?;
            io.push(&chain, count as u32)?;
            let taken = count.min(waiting.len());
            waiting.drain(..taken);
        }
        Ok(())
    }
}

impl Model for Console {
    fn id(&self) -> u16 {
        3
    }

    fn features(&self) -> u64 {
        0
    }

    fn queues(&self) -> &[u16] {
        &[128, 128]
    }

    fn attach(&self, transport: Weak<dyn Transport>) {
        let _ = self.transport.set(transport);
    }

    fn run(&self, queue: usize, io: &mut QueueIo<'_>) -> Result<(), Broken> {
        if queue == RX {
            self.deliver(io)?;
            if let Some(line) = self.line.get() {
                line.accept_input();
            }
            return Ok(());
        }
        while let Some(chain) = io.pop()? {
            let mut bytes = vec![0; chain.readable_len().min(PIECE) as usize];
            let count = chain.read(io.dma, 0, &mut bytes)?;
            if let Some(line) = self.line.get() {
                line.write(bytes.get(..count).unwrap_or_default());
            }
            io.push(&chain, 0)?;
        }
        Ok(())
    }

    fn config(&self, endian: Endian) -> Vec<u8> {
        // Columns and rows, which are not offered; the number of ports.
        let ports = match endian {
            Endian::Big => 1u32.to_be_bytes(),
            Endian::Little => 1u32.to_le_bytes(),
        };
        let mut config = vec![0; 4];
        config.extend(ports);
        config
    }

    fn reset(&self) {
        self.waiting.lock().clear();
    }

    fn save(&self) -> Vec<u8> {
        save_state(&*self.waiting.lock())
    }

    fn load(&self, bytes: &[u8]) -> Result<(), StateError> {
        let mut loaded: Vec<u8> = load_state(bytes)?;
        loaded.truncate(WAITING);
        *self.waiting.lock() = loaded;
        Ok(())
    }

    fn describe(&self) -> String {
        let line = self.line.get().map(|l| l.describe());
        line.unwrap_or_else(|| "nothing is plugged in".into())
    }
}

/// The console as its character device sees it.
struct Port(Weak<Console>);

impl CharFrontend for Port {
    fn room(&self) -> usize {
        let console = self.0.upgrade();
        console.map_or(0, |c| WAITING.saturating_sub(c.waiting.lock().len()))
    }

    fn receive(&self, bytes: &[u8]) {
        let Some(console) = self.0.upgrade() else {
            return;
        };
        console.waiting.lock().extend_from_slice(bytes);
        if let Some(transport) = console.transport.get().and_then(Weak::upgrade) {
            transport.with_queue(RX, &mut |io| console.deliver(io));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{Rig, device_tests};

    device_tests!("virtio-serial-pci", |_: &mut Rig| {});

    #[test]
    fn bytes_go_both_ways() {
        let mut rig = Rig::new();
        rig.chardev();
        rig.make("virtio-serial-pci", &[]);
        let service = rig.parts.service.take().unwrap();
        rig.services.push(("card".into(), service));
        let card = std::mem::take(&mut rig.parts);
        rig.make("virtconsole", &[("chardev", "c0")]);
        // The interface of version 1, with little-endian rings at 0x10000 and 0x20000.
        rig.pci.config_write(64, 0x20, 4, 0x9000_0000);
        rig.pci.config_write(64, 4, 2, 6);
        let space = rig.space();
        let put =
            |at: u64, size: u32, value: u64| space.write_device(0x9000_0000 + at, size, value);
        put(0x14, 1, 3);
        put(0x08, 4, 1);
        put(0x0c, 4, 1);
        put(0x14, 1, 11);
        for queue in 0..2u64 {
            let at = 0x1_0000 + queue * 0x1_0000;
            put(0x16, 2, queue);
            for (register, part) in [(0x20, at), (0x28, at + 0x1000), (0x30, at + 0x2000)] {
                put(register, 4, part);
            }
            put(0x1c, 2, 1);
            let ram = |at: u64, size: u32, value: u64| space.write_device(at, size, value);
            ram(at, 8, 0x4_0000 + queue * 0x100);
            ram(at + 8, 4, 5);
            ram(at + 12, 2, if queue == 0 { 2 } else { 0 });
            ram(at + 0x1002, 2, 1);
        }
        space.write_device(0x4_0100, 4, u64::from(u32::from_le_bytes(*b"hell")));
        space.write_device(0x4_0104, 1, u64::from(b'o'));
        // What was given before the driver is ready counts, too.
        put(0x14, 1, 15);
        assert_eq!(rig.sent(), b"hello");
        rig.receive(b"abcdefg");
        assert_eq!(
            space.read_device(0x4_0000, 4),
            u64::from(u32::from_le_bytes(*b"abcd"))
        );
        assert_eq!(space.read_device(0x1_2004 + 4, 4), 5);
        // The rest waits for another buffer, also in a snapshot.
        let state = card.device.as_ref().unwrap().save();
        card.device.as_ref().unwrap().load(&state).unwrap();
        assert_eq!(rig.room(), 4096 - 2);
    }
}
