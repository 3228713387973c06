//! Virtio random numbers [VIRTIO 5.4].

use super::{Broken, Model, QueueIo};
use crate::class::Build;
use softmmu_core::device::Endian;
use std::io::Read;
use std::sync::Arc;

struct Rng;

pub(super) fn create(build: &mut Build<'_>) -> Result<(), String> {
    super::create_pci(build, Arc::new(Rng), 0x00_ff00)
}

impl Model for Rng {
    fn id(&self) -> u16 {
        4
    }

    fn features(&self) -> u64 {
        0
    }

    fn queues(&self) -> &[u16] {
        &[8]
    }

    fn run(&self, _queue: usize, io: &mut QueueIo<'_>) -> Result<(), Broken> {
        while let Some(chain) = io.pop()? {
            let mut random = vec![0; chain.writable_len().min(65536) as usize];
            let source = std::fs::File::open("/dev/urandom");
            let filled = source.and_then(|mut f| f.read_exact(&mut random));
            let count = match filled {
                Ok(()) => chain.write(io.dma, 0, &random)?,
                Err(_) => 0,
            };
            io.push(&chain, count as u32)?;
        }
        Ok(())
    }

    fn config(&self, _endian: Endian) -> Vec<u8> {
        Vec::new()
    }

    fn describe(&self) -> String {
        "/dev/urandom".into()
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{Rig, device_tests};

    device_tests!("virtio-rng-pci", |_: &mut Rig| {});
}
