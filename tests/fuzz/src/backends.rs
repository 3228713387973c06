//! Host sides that are memory.

use parking_lot::Mutex;
use softmmu_core::block::BlockBackend;
use softmmu_core::chardev::{CharBackend, CharFrontend};
use softmmu_core::net::{NetBackend, NetFrontend};
use softmmu_devices::class::Backends;
use std::io;
use std::sync::Arc;

/// A disk's bytes.
const DISK: usize = 1 << 20;

/// A disk, a line and a network that keep what they got last.
pub struct Fake {
    disk: Mutex<Vec<u8>>,
    line: Mutex<Option<Arc<dyn CharFrontend>>>,
    card: Mutex<Option<Arc<dyn NetFrontend>>>,
}

impl Fake {
    fn new() -> Arc<Fake> {
        Arc::new(Fake {
            disk: Mutex::new(vec![0; DISK]),
            line: Mutex::default(),
            card: Mutex::default(),
        })
    }

    /// Something comes in.
    pub fn input(&self, bytes: &[u8]) {
        let line = self.line.lock().clone();
        if let Some(line) = line {
            let room = line.room().min(bytes.len());
            line.receive(bytes.get(..room).unwrap_or_default());
        }
        let card = self.card.lock().clone();
        if let Some(card) = card {
            card.receive(bytes);
        }
    }
}

impl CharBackend for Fake {
    fn write(&self, bytes: &[u8]) -> usize {
        bytes.len()
    }
    fn set_frontend(&self, frontend: Option<Arc<dyn CharFrontend>>) {
        *self.line.lock() = frontend;
    }
    fn describe(&self) -> String {
        "memory".into()
    }
}

impl NetBackend for Fake {
    fn send(&self, _frame: &[u8]) {}
    fn set_frontend(&self, frontend: Option<Arc<dyn NetFrontend>>) {
        *self.card.lock() = frontend;
    }
    fn describe(&self) -> String {
        "memory".into()
    }
}

impl BlockBackend for Fake {
    fn size(&self) -> u64 {
        DISK as u64
    }
    fn read_only(&self) -> bool {
        false
    }
    fn read(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let disk = self.disk.lock();
        let end = (offset as usize).checked_add(buf.len());
        let from = end.and_then(|end| disk.get(offset as usize..end));
        buf.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut disk = self.disk.lock();
        let end = (offset as usize).checked_add(data.len());
        let to = end.and_then(|end| disk.get_mut(offset as usize..end));
        to.ok_or(io::ErrorKind::UnexpectedEof)?
            .copy_from_slice(data);
        Ok(())
    }
    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
    fn discard(&self, _offset: u64, _len: u64) -> io::Result<()> {
        Ok(())
    }
    fn write_zeroes(&self, offset: u64, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).ok().filter(|len| *len <= DISK);
        let len = len.ok_or(io::ErrorKind::UnexpectedEof)?;
        BlockBackend::write(self, offset, &vec![0; len])
    }
    fn describe(&self) -> String {
        "memory".into()
    }
}

/// Whatever is asked for.
#[derive(Default)]
pub struct Fakes(pub Mutex<Vec<Arc<Fake>>>);

impl Fakes {
    fn make(&self) -> Arc<Fake> {
        let fake = Fake::new();
        self.0.lock().push(fake.clone());
        fake
    }
}

impl Backends for Fakes {
    fn block(&self, _name: &str) -> Result<Arc<dyn BlockBackend>, String> {
        Ok(self.make())
    }
    fn net(&self, _name: &str) -> Result<Arc<dyn NetBackend>, String> {
        Ok(self.make())
    }
    fn chardev(&self, _name: &str) -> Result<Arc<dyn CharBackend>, String> {
        Ok(self.make())
    }
}
