//! Virtio random numbers [VIRTIO 5.4]: the host's, or such as follow from a seed if runs are to be the same.

use super::{Broken, Model, QueueIo};
use crate::class::Build;
use softmmu_core::device::{Endian, StateError, load_state, save_state};
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

struct Rng {
    /// Where a sequence of our own is, if it is one.
    sequence: Option<AtomicU64>,
}

/// A step of the sequence, an odd number without a pattern.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl Rng {
    fn fill(&self, out: &mut [u8]) -> bool {
        let Some(sequence) = &self.sequence else {
            let source = std::fs::File::open("/dev/urandom");
            return source.and_then(|mut f| f.read_exact(out)).is_ok();
        };
        for piece in out.chunks_mut(8) {
            let mut word = sequence.fetch_add(STEP, Ordering::Relaxed);
            for shift in [31, 27, 33] {
                word = (word ^ word >> shift).wrapping_mul(0x2545_f491_4f6c_dd1d);
            }
            piece.copy_from_slice(&word.to_le_bytes()[..piece.len()]);
        }
        true
    }
}

pub(super) fn create(build: &mut Build<'_>) -> Result<(), String> {
    let sequence = build.host.seed.map(AtomicU64::new);
    super::plug(build, Arc::new(Rng { sequence }), 0x00_ff00)
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
            let count = match self.fill(&mut random) {
                true => chain.write(io.dma, 0, &random)?,
                false => 0,
            };
            io.push(&chain, count as u32)?;
        }
        Ok(())
    }

    fn config(&self, _endian: Endian) -> Vec<u8> {
        Vec::new()
    }

    fn save(&self) -> Vec<u8> {
        let at = self.sequence.as_ref().map(|s| s.load(Ordering::Relaxed));
        save_state(&at)
    }

    fn load(&self, bytes: &[u8]) -> Result<(), StateError> {
        let at: Option<u64> = load_state(bytes)?;
        if let (Some(sequence), Some(at)) = (&self.sequence, at) {
            sequence.store(at, Ordering::Relaxed);
        }
        Ok(())
    }

    fn describe(&self) -> String {
        match self.sequence {
            Some(_) => "-seed".into(),
            None => "/dev/urandom".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Rig, device_tests};

    device_tests!("virtio-rng-pci", |_: &mut Rig| {});

    #[test]
    fn a_seed_gives_the_same_numbers_and_a_snapshot_goes_on() {
        let rng = |seed| Rng {
            sequence: Some(AtomicU64::new(seed)),
        };
        let take = |r: &Rng, n: usize| {
            let mut out = vec![0; n];
            assert!(r.fill(&mut out));
            out
        };
        let (a, b, c) = (rng(5), rng(5), rng(6));
        let first = take(&a, 37);
        assert_eq!(first, take(&b, 37));
        assert_ne!(first, take(&c, 37));
        assert!(c.load(&a.save()).is_ok());
        assert_eq!(take(&a, 11), take(&c, 11));
        assert_ne!(take(&a, 37), first);
    }
}
