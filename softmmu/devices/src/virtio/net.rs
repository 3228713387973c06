//! The virtio network card [VIRTIO 5.1], without offloads.

use super::{Broken, Chain, Model, QueueIo, Transport, VERSION_1};
use crate::class::Build;
use softmmu_core::device::Endian;
use softmmu_core::net::{NetBackend, NetFrontend};
use std::sync::{Arc, OnceLock, Weak};

const F_MAC: u64 = 1 << 5;
const F_MERGE: u64 = 1 << 15;
const F_STATUS: u64 = 1 << 16;
const RX: usize = 0;
/// No frame is larger.
const FRAME: usize = 65536;

struct Net {
    mac: [u8; 6],
    network: Option<Arc<dyn NetBackend>>,
    transport: OnceLock<Weak<dyn Transport>>,
}

pub(super) fn create(build: &mut Build<'_>) -> Result<(), String> {
    let network = build.net("netdev")?;
    let mac = build.values.mac("mac").unwrap_or_default();
    let model = Arc::new(Net {
        mac,
        network: network.clone(),
        transport: OnceLock::new(),
    });
    super::plug(build, model.clone(), 0x02_0000)?;
    if let Some(network) = network {
        network.set_frontend(Some(Arc::new(Card(Arc::downgrade(&model)))));
    }
    Ok(())
}

/// Bytes of the header before each frame. The one with a count of buffers is the longer.
fn header_len(features: u64) -> usize {
    if features & (VERSION_1 | F_MERGE) != 0 {
        12
    } else {
        10
    }
}

impl Net {
    fn send(&self, io: &QueueIo<'_>, chain: &Chain) -> Result<(), Broken> {
        let header = header_len(io.features) as u64;
        let len = chain.readable_len().saturating_sub(header) as usize;
        let mut frame = vec![0; len.min(FRAME)];
        chain.read(io.dma, header, &mut frame)?;
        if let Some(network) = self.network.as_ref().filter(|_| frame.len() >= 14) {
            network.send(&frame);
        }
        Ok(())
    }

    /// Puts a frame into the driver's buffers; false: it has not given enough.
    fn deliver(io: &mut QueueIo<'_>, frame: &[u8]) -> Result<bool, Broken> {
        let len = header_len(io.features);
        let merge = io.features & F_MERGE != 0;
        let start = io.queue.clone();
        let mut chains: Vec<(Chain, usize)> = Vec::new();
        let mut left = len + frame.len();
        while left > 0 {
            let Some(chain) = io.pop()? else {
                *io.queue = start;
                return Ok(false);
            };
            let room = chain.writable_len() as usize;
            if room < len || chains.len() > 63 || !merge && room < left {
                // It does not fit at all: it is lost, the buffer comes back empty.
                io.push(&chain, 0)?;
                return Ok(true);
            }
            let part = room.min(left);
            left -= part;
            chains.push((chain, part));
        }
        let mut packet = vec![0; len];
        if len == 12 {
            let count = (chains.len() as u16).to_le_bytes();
            let at = if io.endian == Endian::Big {
                [11, 10]
            } else {
                [10, 11]
            };
            at.iter().zip(count).for_each(|(at, b)| packet[*at] = b);
        }
        packet.extend_from_slice(frame);
        let mut done = 0;
        for (chain, part) in &chains {
            let bytes = packet.get(done..done + part).unwrap_or_default();
            chain.write(io.dma, 0, bytes)?;
            io.push(chain, *part as u32)?;
            done += part;
        }
        Ok(true)
    }
}

impl Model for Net {
    fn id(&self) -> u16 {
        1
    }

    fn features(&self) -> u64 {
        F_MAC | F_STATUS | F_MERGE
    }

    fn queues(&self) -> &[u16] {
        &[256, 256]
    }

    fn attach(&self, transport: Weak<dyn Transport>) {
        let _ = self.transport.set(transport);
    }

    fn run(&self, queue: usize, io: &mut QueueIo<'_>) -> Result<(), Broken> {
        if queue == RX {
            if let Some(network) = &self.network {
                network.accept_input();
            }
            return Ok(());
        }
        while let Some(chain) = io.pop()? {
            self.send(io, &chain)?;
            io.push(&chain, 0)?;
        }
        Ok(())
    }

    fn config(&self, endian: Endian) -> Vec<u8> {
        let mut config = self.mac.to_vec();
        // The link is up.
        config.extend(match endian {
            Endian::Big => [0, 1],
            Endian::Little => [1, 0],
        });
        // Pairs of queues, and the largest frame.
        config.extend([0; 4]);
        config
    }

    fn describe(&self) -> String {
        let network = self.network.as_ref().map(|n| n.describe());
        network.unwrap_or_else(|| "not connected".into())
    }
}

/// The card as its network sees it.
struct Card(Weak<Net>);

impl NetFrontend for Card {
    fn receive(&self, frame: &[u8]) -> bool {
        let Some(net) = self.0.upgrade() else {
            return true;
        };
        let Some(transport) = net.transport.get().and_then(Weak::upgrade) else {
            return true;
        };
        let mut taken = true;
        transport.with_queue(RX, &mut |io| {
            taken = Net::deliver(io, frame.get(..FRAME).unwrap_or(frame))?;
            Ok(())
        });
        taken
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{Rig, device_tests};

    device_tests!("virtio-net-pci", |rig: &mut Rig| rig.netdev());

    /// A driver of before version 1 on a big-endian guest.
    #[test]
    fn frames_go_through_the_old_interface() {
        let mut rig = Rig::new();
        rig.netdev();
        rig.make_with_offers("virtio-net-pci");
        let io = rig.pci.io().clone();
        rig.pci.config_write(64, 0x10, 4, 0x1000);
        rig.pci.config_write(64, 4, 2, 5);
        let put = |at: u64, size: u32, value: u64| {
            tcg_mem::Bus::write(&*io, 0x1000 + at, size, value).unwrap();
        };
        put(18, 1, 3);
        put(4, 4, 0);
        for (queue, page) in [(0, 0x10), (1, 0x20)] {
            put(14, 2, queue);
            put(8, 4, page);
        }
        put(18, 1, 7);
        let space = rig.space();
        let be = |at: u64, size: u32, value: u64| {
            space.write_device(at, size, value.swap_bytes() >> (64 - 8 * size));
        };
        for queue in [0x1_0000, 0x2_0000] {
            be(queue, 8, 0x4_0000);
            be(queue + 8, 4, 100);
            be(queue + 12, 2, if queue == 0x1_0000 { 2 } else { 0 });
            be(queue + 0x1002, 2, 1);
        }
        put(16, 2, 1);
        assert_eq!(rig.fake.frames.lock().first().map(Vec::len), Some(90));
        let card = rig.fake.card.lock().clone().unwrap();
        assert!(card.receive(&[0xab; 60]));
        assert_eq!(space.read_device(0x4_000a, 4), 0xabab_abab);
        assert_eq!(space.read_device(0x1_2002, 2), 0x0100);
        assert!(!card.receive(&[0xab; 60]), "no more buffers");
    }
}
