//! Sun's GEM Ethernet controller as Apple builds it into UniNorth [GEM-Linux]: rings of descriptors
//! for both directions, sums of packets, and a BCM5201 as its transceiver.
//!
//! UNIMPL: PCS (fibre), statistics, pause frames, waking by packets.

use super::sungem_regs::*;
use crate::class::Build;
use crate::pci::{Bar, BarBacking, BarKind, Identity, PciFunction};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use softmmu_core::device::{Device, Endian, Mmio, StateError, Widths, load_state, save_state};
use softmmu_core::dma::Dma;
use softmmu_core::log;
use softmmu_core::net::{NetBackend, NetFrontend};
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use tcg_mem::BusError;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct State {
    regs: BTreeMap<u32, u32>,
    /// Bits of the interrupt status without the number of descriptors.
    status: u32,
    phy: Vec<u16>,
    /// The packet in the making.
    packet: Vec<u8>,
    /// Where its sum starts and goes.
    sum: Option<(u32, u32)>,
}

impl State {
    fn new(mac: [u8; 6]) -> State {
        let mut state = State {
            regs: BTreeMap::new(),
            status: 0,
            phy: vec![0; 32],
            packet: Vec::new(),
            sum: None,
        };
        for (n, value) in PHY {
            if let Some(place) = state.phy.get_mut(*n) {
                *place = *value;
            }
        }
        for (at, value) in FIRST {
            state.set(*at, *value);
        }
        for (n, pair) in mac.chunks_exact(2).rev().enumerate() {
            let value = u32::from(pair[0]) << 8 | u32::from(pair[1]);
            state.set(MAC_ADDRESS + 4 * n as u64, value);
        }
        state
    }

    fn get(&self, at: u64) -> u32 {
        self.regs.get(&(at as u32)).copied().unwrap_or(0)
    }

    fn set(&mut self, at: u64, value: u32) {
        self.regs.insert(at as u32, value);
    }

    /// Entries of a ring, by the field in its configuration.
    fn entries(config: u32) -> u32 {
        32 << (config >> 1 & 15).min(8)
    }

    fn shown_status(&self) -> u32 {
        self.status | self.get(TX_DONE) << STAT_TX_NUMBER
    }

    fn wants(&self, frame: &[u8]) -> bool {
        let config = self.get(MAC_RX_CONFIG);
        let Some(to) = frame.get(..6) else {
            return false;
        };
        if config & RX_PROMISCUOUS != 0 || to == [0xff; 6] {
            return true;
        }
        if to[0] & 1 == 0 {
            let mut own = to.chunks_exact(2).rev().enumerate();
            return own.all(|(n, pair)| {
                self.get(MAC_ADDRESS + 4 * n as u64) == u32::from(pair[0]) << 8 | u32::from(pair[1])
            });
        }
        if config & RX_ALL_GROUPS != 0 {
            return true;
        }
        // The upper eight bits of the address's check sum choose a bit of sixteen registers.
        let bit = crc(to) >> 24;
        let word = self.get(MAC_HASH + 4 * u64::from(bit >> 4));
        config & RX_HASH != 0 && word >> (15 - (bit & 15)) & 1 != 0
    }
}

/// Ethernet's check sum before its last inversion.
fn crc(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |c, _| {
            c >> 1 ^ if c & 1 != 0 { 0xedb8_8320 } else { 0 }
        })
    })
}

/// The sum of 16-bit words, folded, inverted.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes
        .chunks(2)
        .map(|w| u64::from(w[0]) << 8 | w.get(1).copied().map_or(0, u64::from));
    let mut sum: u64 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

struct Gem {
    state: Mutex<State>,
    function: Arc<PciFunction>,
    network: Option<Arc<dyn NetBackend>>,
    mac: [u8; 6],
}

/// The end of the network's cable.
struct Card(Weak<Gem>);

pub(super) fn create(build: &mut Build<'_>) -> Result<(), String> {
    let (bus, slot) = build.pci.clone().ok_or("needs a PCI bus")?;
    let identity = Identity {
        vendor: 0x106b,
        device: 0x0021,
        class: 0x02_0000,
        pin: 1,
        ..Identity::default()
    };
    let function = PciFunction::new(build.id, &bus, bus.place(slot)?, identity);
    let mac = build.values.mac("mac").unwrap_or_default();
    let gem = Arc::new(Gem {
        state: Mutex::new(State::new(mac)),
        function: function.clone(),
        network: build.net("netdev")?,
        mac,
    });
    let bar = Bar {
        kind: BarKind::Memory,
        prefetch: false,
        size: 0x20_0000,
        backing: BarBacking::Mmio(gem.clone()),
    };
    function.add_bar(0, bar);
    function.plug(None);
    if let Some(network) = &gem.network {
        network.set_frontend(Some(Arc::new(Card(Arc::downgrade(&gem)))));
    }
    build.parts.device = Some(gem);
    Ok(())
}

/// A descriptor: two words of 64 bits.
fn descriptor(dma: &Dma, base: u64, n: u32) -> Result<(u64, u64, u64), BusError> {
    let at = base.wrapping_add(16 * u64::from(n));
    let control = dma.load(at, 8, Endian::Little)?;
    Ok((
        at,
        control,
        dma.load(at.wrapping_add(8), 8, Endian::Little)?,
    ))
}

impl Gem {
    fn update(&self, state: &State) {
        let level = state.shown_status() & !state.get(INT_MASK) & STAT_ALL != 0;
        self.function.set_intx(level);
    }

    fn base(state: &State, low: u64) -> u64 {
        u64::from(state.get(low + 4)) << 32 | u64::from(state.get(low) & !0x7ff)
    }

    /// Sends what the ring holds; frames to be sent without the lock.
    fn transmit(&self, state: &mut State) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        let config = state.get(TX_CONFIG);
        let Some(dma) = self.function.dma() else {
            return frames;
        };
        if config & DMA_ON == 0 || state.get(MAC_TX_CONFIG) & 1 == 0 {
            return frames;
        }
        let entries = State::entries(config);
        let (kick, base) = (state.get(TX_KICK) % entries, Gem::base(state, TX_BASE));
        let mut done = state.get(TX_DONE) % entries;
        while done != kick {
            match self.take(state, &dma, base, done) {
                Ok(frame) => frames.extend(frame),
                Err(BusError) => {
                    log::guest_error("sungem", || format!("descriptor {done} is in no memory"));
                }
            }
            done = (done + 1) % entries;
            state.set(TX_DONE, done);
            state.status |= STAT_TX_DONE;
        }
        if !frames.is_empty() {
            state.status |= STAT_TX_ALL;
        }
        frames
    }

    /// Takes a descriptor of a packet; the packet if it was the last.
    fn take(
        &self,
        state: &mut State,
        dma: &Dma,
        base: u64,
        n: u32,
    ) -> Result<Option<Vec<u8>>, BusError> {
        let (_, control, buffer) = descriptor(dma, base, n)?;
        if control & TX_FIRST != 0 {
            state.packet.clear();
            state.sum = (control & TX_SUM != 0)
                .then_some(((control >> 15 & 63) as u32, (control >> 21 & 255) as u32));
        }
        let from = state.packet.len();
        let len = (control & 0x7fff) as usize;
        if from + len > LARGEST_FRAME {
            log::guest_error("sungem", || "a packet that is too long".into());
            return Ok(None);
        }
        state.packet.resize(from + len, 0);
        dma.read(buffer, state.packet.get_mut(from..).unwrap_or_default())?;
        if control & TX_INTERRUPT != 0 {
            state.status |= STAT_TX_INTERRUPT;
        }
        if control & TX_LAST == 0 {
            return Ok(None);
        }
        if let Some((start, place)) = state.sum {
            let sum = checksum(state.packet.get(start as usize..).unwrap_or_default());
            let place = place as usize;
            if let Some(to) = state.packet.get_mut(place..place + 2) {
                to.copy_from_slice(&sum.to_be_bytes());
            }
        }
        Ok(Some(std::mem::take(&mut state.packet)))
    }

    fn deliver(&self, state: &mut State, frame: &[u8]) -> bool {
        let config = state.get(RX_CONFIG);
        let mac = state.get(MAC_RX_CONFIG);
        let Some(dma) = self.function.dma() else {
            return true;
        };
        if config & DMA_ON == 0 || mac & 1 == 0 || !state.wants(frame) {
            return true;
        }
        let entries = State::entries(config);
        let (kick, done) = (state.get(RX_KICK) % entries, state.get(RX_DONE) % entries);
        // One is always left: where both are the same, all are the controller's.
        if kick == (done + 1) % entries {
            state.status |= STAT_RX_NO_BUFFER;
            self.update(state);
            return false;
        }
        let mut bytes = frame.to_vec();
        // Shorter ones do not exist on a cable.
        bytes.resize(bytes.len().max(60), 0);
        let sum = checksum(
            bytes
                .get((config >> 13 & 0x7f) as usize..)
                .unwrap_or_default(),
        );
        if mac & RX_STRIP == 0 {
            let check = !crc(&bytes);
            bytes.extend(check.to_le_bytes());
        }
        let base = Gem::base(state, RX_BASE);
        if self.store(&dma, base, done, &bytes, config, sum).is_err() {
            log::guest_error("sungem", || format!("descriptor {done} is in no memory"));
        }
        state.set(RX_DONE, (done + 1) % entries);
        state.status |= STAT_RX_DONE;
        self.update(state);
        true
    }

    fn store(
        &self,
        dma: &Dma,
        base: u64,
        n: u32,
        bytes: &[u8],
        config: u32,
        sum: u16,
    ) -> Result<(), BusError> {
        let (at, control, buffer) = descriptor(dma, base, n)?;
        let room = (control >> 16 & 0x7fff) as usize;
        if control & RX_OWN == 0 {
            log::guest_error("sungem", || format!("descriptor {n} is the driver's"));
        }
        let skip = u64::from(config >> 10 & 7);
        let part = bytes.get(..bytes.len().min(room)).unwrap_or_default();
        dma.write(buffer.wrapping_add(skip), part)?;
        let result = u64::from(sum) | (part.len() as u64) << 16;
        dma.store(at, 8, Endian::Little, result)
    }

    /// A frame of the transceiver's management: an operation, an address, a register, data.
    fn manage(&self, state: &mut State, value: u32) {
        let (phy, register) = (value >> 23 & 31, (value >> 18 & 31) as usize);
        let own = phy == 0;
        let place = state.phy.get_mut(register).filter(|_| own);
        let data = match (value >> 28 & 3, place) {
            (MII_READ, Some(place)) => u32::from(*place),
            (MII_WRITE, Some(place)) => {
                if !PHY_FIXED.contains(&register) {
                    // Resets and new negotiations are over at once.
                    let done = if register == 0 { 0x8200 } else { 0 };
                    *place = value as u16 & !done;
                }
                value & 0xffff
            }
            _ => 0xffff,
        };
        state.set(MIF_FRAME, value & 0xffff_0000 | MIF_DONE | data);
    }

    fn register_read(&self, state: &mut State, at: u64) -> u32 {
        match at {
            STATUS => {
                let value = state.shown_status();
                state.status &= !STAT_CLEARED;
                value
            }
            STATUS_AGAIN => state.shown_status(),
            RESET => 0,
            _ => state.get(at),
        }
    }

    fn register_write(&self, state: &mut State, at: u64, value: u32) -> Vec<Vec<u8>> {
        match at {
            INT_ACK => state.status &= !(value & STAT_CLEARED),
            RESET => self.soft_reset(state, value),
            MAC_TX_RESET | MAC_RX_RESET => {}
            MIF_FRAME => self.manage(state, value),
            TX_DONE | RX_DONE | TX_FIFO | RX_FIFO | STATUS | STATUS_AGAIN => {}
            TX_KICK | RX_KICK => {
                state.set(at, value & 0x1fff);
                return self.transmit(state);
            }
            TX_CONFIG | MAC_TX_CONFIG => {
                state.set(at, value);
                return self.transmit(state);
            }
            _ if KEPT.iter().any(|r| r.contains(&at)) => state.set(at, value),
            _ => log::unimp("sungem", || {
                format!("write of register {at:#x}: {value:#x}")
            }),
        }
        Vec::new()
    }

    fn soft_reset(&self, state: &mut State, value: u32) {
        if value & RESET_TX != 0 {
            for at in [TX_KICK, TX_DONE, TX_CONFIG] {
                state.set(at, 0);
            }
            state.packet.clear();
        }
        if value & RESET_RX != 0 {
            for at in [RX_KICK, RX_DONE, RX_CONFIG] {
                state.set(at, 0);
            }
        }
        state.status = 0;
        state.set(INT_MASK, u32::MAX);
    }
}

impl Mmio for Gem {
    fn widths(&self) -> Widths {
        Widths::LE32
    }

    fn read(&self, offset: u64, _size: u32) -> Result<u64, BusError> {
        let mut state = self.state.lock();
        let value = self.register_read(&mut state, offset);
        self.update(&state);
        Ok(u64::from(value))
    }

    fn write(&self, offset: u64, _size: u32, value: u64) -> Result<(), BusError> {
        let mut state = self.state.lock();
        let frames = self.register_write(&mut state, offset, value as u32);
        self.update(&state);
        drop(state);
        let Some(network) = &self.network else {
            return Ok(());
        };
        frames.iter().for_each(|f| network.send(f));
        if matches!(offset, RX_KICK | RX_CONFIG | MAC_RX_CONFIG) {
            network.accept_input();
        }
        Ok(())
    }
}

impl NetFrontend for Card {
    fn receive(&self, frame: &[u8]) -> bool {
        self.0.upgrade().is_none_or(|gem| {
            let frame = frame.get(..LARGEST_FRAME).unwrap_or(frame);
            gem.deliver(&mut gem.state.lock(), frame)
        })
    }
}

impl Device for Gem {
    fn reset(&self) {
        *self.state.lock() = State::new(self.mac);
        self.function.reset();
    }

    fn save(&self) -> Vec<u8> {
        save_state(&(&*self.state.lock(), self.function.save()))
    }

    fn load(&self, bytes: &[u8]) -> Result<(), StateError> {
        let (mut loaded, function): (State, Vec<u8>) = load_state(bytes)?;
        loaded.phy.resize(32, 0);
        loaded.packet.truncate(LARGEST_FRAME);
        self.function.load(&function)?;
        *self.state.lock() = loaded;
        Ok(())
    }

    fn resume(&self) {
        self.function.resume();
        self.update(&self.state.lock());
        if let Some(network) = &self.network {
            network.accept_input();
        }
    }

    fn describe(&self) -> String {
        let network = self.network.as_ref().map(|n| n.describe());
        network.unwrap_or_else(|| "not connected".into())
    }
}

#[cfg(test)]
#[path = "sungem_tests.rs"]
mod tests;
