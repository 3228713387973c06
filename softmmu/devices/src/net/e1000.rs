//! Intel's 82540EM gigabit card [8254x]: legacy and extended transmit descriptors with checksums
//! and segmentation, legacy receive descriptors, EEPROM and PHY as drivers need them.
//!
//! UNIMPL: interrupt delays and throttling (interrupts come at once), VLAN tags, wake-up.

use super::e1000_regs::*;
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

const DESCRIPTOR: u64 = 16;
/// No packet is larger, before it is segmented.
const PACKET: usize = 1 << 18;

/// The offload parameters of a context descriptor.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Context {
    ip_start: u8,
    ip_sum: u8,
    ip_end: u16,
    sum_start: u8,
    sum_at: u8,
    sum_end: u16,
    command: u8,
    header: u8,
    segment: u16,
}

/// The EEPROM's serial interface.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Serial {
    bits_in: u32,
    word: u16,
    /// The next bit that goes out, if it reads.
    out: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct State {
    /// Plain registers by offset; those that are not there are 0.
    regs: BTreeMap<u32, u32>,
    phy: Vec<u16>,
    cause: u32,
    mask: u32,
    eecd: u32,
    serial: Serial,
    context: Context,
    packet: Vec<u8>,
    /// Options of the packet's first descriptor.
    options: u8,
    segmented: bool,
    io_address: u32,
}

impl State {
    fn new(mac: [u8; 6]) -> State {
        let mut phy = vec![0; 32];
        for (n, value) in PHY {
            if let Some(r) = phy.get_mut(*n) {
                *r = *value;
            }
        }
        let mut state = State {
            regs: BTreeMap::new(),
            phy,
            cause: 0,
            mask: 0,
            eecd: EECD_PRESENT,
            serial: Serial::default(),
            context: Context::default(),
            packet: Vec::new(),
            options: 0,
            segmented: false,
            io_address: 0,
        };
        let [a, b, c, d, e, f] = mac;
        state.set(RAL, u32::from_le_bytes([a, b, c, d]));
        state.set(RAL + 4, RAH_VALID | u32::from(e) | u32::from(f) << 8);
        state.set(PBA, 0x10_0030);
        state
    }

    fn get(&self, offset: u64) -> u32 {
        self.regs.get(&(offset as u32)).copied().unwrap_or(0)
    }

    fn set(&mut self, offset: u64, value: u32) {
        self.regs.insert(offset as u32, value);
    }

    fn add(&mut self, offset: u64, amount: u32) {
        let value = self.get(offset).saturating_add(amount);
        self.set(offset, value);
    }

    /// Base address and entries of a ring.
    fn ring(&self, low: u64) -> (u64, u32) {
        let base = u64::from(self.get(low + 4)) << 32 | u64::from(self.get(low) & !15);
        (base, (self.get(low + 8) & 0xf_ff80) / DESCRIPTOR as u32)
    }

    fn buffer_bytes(&self) -> u32 {
        let control = self.get(RCTL);
        match (control >> 16 & 3, control & RCTL_EXTEND != 0) {
            (n, false) => 2048 >> n,
            (0, true) => 2048,
            (n, true) => 32768 >> n,
        }
    }

    fn wants(&self, frame: &[u8]) -> bool {
        let control = self.get(RCTL);
        let Some(to) = frame.get(..6) else {
            return false;
        };
        if to == [0xff; 6] && control & RCTL_BROADCAST != 0 {
            return true;
        }
        if control
            & if to[0] & 1 != 0 {
                RCTL_MULTICAST
            } else {
                RCTL_UNICAST
            }
            != 0
        {
            return true;
        }
        let own = (0..16).map(|n| (self.get(RAL + 8 * n), self.get(RAL + 8 * n + 4)));
        let low = u32::from_le_bytes([to[0], to[1], to[2], to[3]]);
        let high = u32::from(to[4]) | u32::from(to[5]) << 8;
        for (ral, rah) in own {
            if rah & RAH_VALID != 0 && ral == low && rah & 0xffff == high {
                return true;
            }
        }
        if to[0] & 1 == 0 {
            return false;
        }
        let shift = [4, 3, 2, 0][(control >> 12 & 3) as usize];
        let hash = high >> shift & 0xfff;
        self.get(MTA + u64::from(hash >> 5) * 4) >> (hash & 31) & 1 != 0
    }
}

struct E1000 {
    state: Mutex<State>,
    function: Arc<PciFunction>,
    network: Option<Arc<dyn NetBackend>>,
    mac: [u8; 6],
    eeprom: [u16; EEPROM_WORDS],
}

pub(super) fn create(build: &mut Build<'_>) -> Result<(), String> {
    let (bus, slot) = build.pci.clone().ok_or("needs a PCI bus")?;
    let devfn = bus.place(slot)?;
    let identity = Identity {
        vendor: 0x8086,
        device: 0x100e,
        class: 0x02_0000,
        revision: 3,
        subsystem: (0x8086, 0x001e),
        pin: 1,
    };
    let function = PciFunction::new(build.id, &bus, devfn, identity);
    let mac = build.values.mac("mac").unwrap_or_default();
    let device = Arc::new(E1000 {
        state: Mutex::new(State::new(mac)),
        function: function.clone(),
        network: build.net("netdev")?,
        mac,
        eeprom: eeprom(mac),
    });
    let backing = BarBacking::Mmio(device.clone());
    let kind = BarKind::Memory;
    function.add_bar(
        0,
        Bar {
            kind,
            prefetch: false,
            size: 0x2_0000,
            backing,
        },
    );
    let backing = BarBacking::Mmio(Arc::new(IoDoor(Arc::downgrade(&device))));
    let kind = BarKind::Io;
    function.add_bar(
        1,
        Bar {
            kind,
            prefetch: false,
            size: 64,
            backing,
        },
    );
    function.plug(None);
    if let Some(network) = &device.network {
        network.set_frontend(Some(Arc::new(Card(Arc::downgrade(&device)))));
    }
    build.parts.device = Some(device);
    Ok(())
}

fn eeprom(mac: [u8; 6]) -> [u16; EEPROM_WORDS] {
    let mut words = [0; EEPROM_WORDS];
    let [a, b, c, d, e, f] = mac;
    let given = [
        (0, u16::from_le_bytes([a, b])),
        (1, u16::from_le_bytes([c, d])),
        (2, u16::from_le_bytes([e, f])),
        (3, 0xffff),
        (10, 0x4408),
        (11, 0x001e),
        (12, 0x8086),
        (13, 0x100e),
        (14, 0x8086),
        (15, 0x3040),
    ];
    for (n, word) in given {
        words[n] = word;
    }
    let sum = words.iter().fold(0u16, |n, w| n.wrapping_add(*w));
    words[EEPROM_WORDS - 1] = EEPROM_SUM.wrapping_sub(sum);
    words
}

/// The Internet checksum of bytes.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| match pair {
        [a, b] => u64::from(u16::from_be_bytes([*a, *b])),
        [a] => u64::from(*a) << 8,
        _ => 0,
    });
    let mut sum: u64 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// Inserts a checksum over `start..=end` (0: to the end) at `at`.
fn insert_sum(packet: &mut [u8], start: usize, at: usize, end: usize) {
    let stop = if end == 0 {
        packet.len()
    } else {
        (end + 1).min(packet.len())
    };
    let Some(sum) = packet.get(start..stop).map(checksum) else {
        return;
    };
    if let Some(to) = packet.get_mut(at..at + 2) {
        to.copy_from_slice(&sum.to_be_bytes());
    }
}

fn get16(bytes: &[u8], at: usize) -> u16 {
    let part = bytes.get(at..at + 2).and_then(|b| b.try_into().ok());
    part.map_or(0, u16::from_be_bytes)
}

fn put16(bytes: &mut [u8], at: usize, value: u16) {
    if let Some(to) = bytes.get_mut(at..at + 2) {
        to.copy_from_slice(&value.to_be_bytes());
    }
}

fn put32(bytes: &mut [u8], at: usize, value: u32) {
    if let Some(to) = bytes.get_mut(at..at + 4) {
        to.copy_from_slice(&value.to_be_bytes());
    }
}

impl Context {
    fn parse(raw: &[u8; 16]) -> Context {
        let two = |at: usize| u16::from_le_bytes([raw[at], raw[at + 1]]);
        Context {
            ip_start: raw[0],
            ip_sum: raw[1],
            ip_end: two(2),
            sum_start: raw[4],
            sum_at: raw[5],
            sum_end: two(6),
            command: raw[11],
            header: raw[13],
            segment: two(14),
        }
    }

    fn sums(&self, packet: &mut [u8], options: u8) {
        if options & TX_TCP_SUM != 0 {
            let end = usize::from(self.sum_end);
            insert_sum(packet, self.sum_start.into(), self.sum_at.into(), end);
        }
        if options & TX_IP_SUM != 0 {
            let end = usize::from(self.ip_end);
            insert_sum(packet, self.ip_start.into(), self.ip_sum.into(), end);
        }
    }

    /// Cuts a packet into pieces of at most `segment` bytes behind copies of its header.
    fn cut(&self, packet: &[u8], options: u8) -> Vec<Vec<u8>> {
        let header = usize::from(self.header).min(packet.len());
        let (head, data) = packet.split_at(header);
        let step = usize::from(self.segment).max(64);
        let (ip, tcp) = (usize::from(self.ip_start), usize::from(self.sum_start));
        let sequence = u32::from(get16(head, tcp + 4)) << 16 | u32::from(get16(head, tcp + 6));
        let pieces = data.len().div_ceil(step).max(1);
        (0..pieces)
            .map(|n| {
                let from = n * step;
                let part = data
                    .get(from..data.len().min(from + step))
                    .unwrap_or_default();
                let mut piece = head.to_vec();
                piece.extend_from_slice(part);
                let len = piece.len();
                if self.command & TX_IS_IPV4 != 0 {
                    put16(&mut piece, ip + 2, len.saturating_sub(ip) as u16);
                    let id = get16(head, ip + 4).wrapping_add(n as u16);
                    put16(&mut piece, ip + 4, id);
                } else {
                    put16(&mut piece, ip + 4, len.saturating_sub(ip + 40) as u16);
                }
                if self.command & TX_IS_TCP != 0 {
                    put32(&mut piece, tcp + 4, sequence.wrapping_add(from as u32));
                    // Only the last one pushes and ends.
                    if n + 1 < pieces
                        && let Some(flags) = piece.get_mut(tcp + 13)
                    {
                        *flags &= !9;
                    }
                } else {
                    put16(&mut piece, tcp + 4, len.saturating_sub(tcp) as u16);
                }
                // The sum that the driver has put there lacks the length.
                if options & TX_TCP_SUM != 0 {
                    let at = usize::from(self.sum_at);
                    let sum = u32::from(get16(&piece, at)) + len.saturating_sub(tcp) as u32;
                    put16(&mut piece, at, ((sum & 0xffff) + (sum >> 16)) as u16);
                }
                self.sums(&mut piece, options);
                piece
            })
            .collect()
    }
}

impl E1000 {
    fn update(&self, state: &State) {
        self.function.set_intx(state.cause & state.mask != 0);
    }

    fn raise(&self, state: &mut State, cause: u32) {
        state.cause |= cause;
        self.update(state);
    }

    fn emit(&self, state: &mut State, frame: &mut Vec<u8>) {
        state.add(GPTC, 1);
        state.add(TPT, 1);
        if frame.len() < 60 {
            frame.resize(60, 0);
        }
        if let Some(network) = &self.network {
            network.send(frame);
        }
    }

    /// The packet is complete.
    fn finish(&self, state: &mut State, legacy: Option<[u8; 16]>) {
        let mut packet = std::mem::take(&mut state.packet);
        if packet.len() < 14 {
            return;
        }
        if let Some(raw) = legacy {
            if raw[11] & TX_SUM != 0 {
                insert_sum(&mut packet, raw[13].into(), raw[10].into(), 0);
            }
            self.emit(state, &mut packet);
        } else if state.segmented {
            for mut piece in state.context.cut(&packet, state.options) {
                self.emit(state, &mut piece);
            }
        } else {
            state.context.sums(&mut packet, state.options);
            self.emit(state, &mut packet);
        }
    }

    fn transmit_one(&self, state: &mut State, dma: &Dma, raw: &[u8; 16]) -> Result<(), BusError> {
        let command = raw[11];
        let extended = command & TX_EXTENDED != 0;
        let kind = raw[10] >> 4;
        if extended && kind == 0 {
            state.context = Context::parse(raw);
            return Ok(());
        }
        let [a, b, c, d, e, f, g, h, ..] = *raw;
        let address = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        let len = if extended {
            u32::from_le_bytes([raw[8], raw[9], raw[10], 0]) & 0xf_ffff
        } else {
            u32::from(u16::from_le_bytes([raw[8], raw[9]]))
        };
        if state.packet.is_empty() {
            state.options = raw[13];
            state.segmented = extended && command & TX_SEGMENT != 0;
        }
        let start = state.packet.len();
        let end = (start + len as usize).min(PACKET);
        state.packet.resize(end, 0);
        if let Some(to) = state.packet.get_mut(start..) {
            dma.read(address, to)?;
        }
        if command & TX_END != 0 {
            self.finish(state, (!extended).then_some(*raw));
        }
        Ok(())
    }

    fn transmit(&self, state: &mut State) {
        let Some(dma) = self.function.dma() else {
            return;
        };
        if state.get(TCTL) & TCTL_ON == 0 {
            return;
        }
        let (base, entries) = state.ring(TDBAL);
        let mut cause = 0;
        // A guest that keeps the ring full of rubbish is not served for ever.
        for _ in 0..entries {
            let head = state.get(TDH);
            if head == state.get(TDT) || head >= entries {
                break;
            }
            let at = base.wrapping_add(u64::from(head) * DESCRIPTOR);
            let mut raw = [0; 16];
            if dma.read(at, &mut raw).is_err() || self.transmit_one(state, &dma, &raw).is_err() {
                log::guest_error("e1000", || "transmit descriptors outside of memory".into());
                state.packet.clear();
            }
            if raw[11] & TX_REPORT != 0 {
                let _ = dma.write(at.wrapping_add(12), &[raw[12] | 1]);
                cause |= INT_TX_DONE;
            }
            state.set(TDH, (head + 1) % entries);
        }
        self.raise(state, cause | INT_TX_EMPTY);
    }

    /// Puts a frame into the ring; false: there is no room.
    fn deliver(&self, state: &mut State, frame: &[u8]) -> bool {
        if state.get(RCTL) & RCTL_ON == 0 {
            return true;
        }
        let Some(dma) = self.function.dma() else {
            return true;
        };
        if !state.wants(frame) {
            return true;
        }
        let (base, entries) = state.ring(RDBAL);
        let mut data = frame.to_vec();
        data.resize(data.len().max(60), 0);
        if state.get(RCTL) & RCTL_STRIP == 0 {
            data.extend([0; 4]);
        }
        let size = state.buffer_bytes() as usize;
        let (mut head, tail) = (state.get(RDH), state.get(RDT));
        if head >= entries || tail >= entries {
            return false;
        }
        let free = (tail + entries - head) % entries;
        if (free as usize) < data.len().div_ceil(size) {
            self.raise(state, INT_RX_OVERRUN);
            return false;
        }
        let pieces = data.chunks(size).count();
        for (n, part) in data.chunks(size).enumerate() {
            let at = base.wrapping_add(u64::from(head) * DESCRIPTOR);
            let last = if n + 1 == pieces { RX_END } else { 0 };
            let mut tail = [0; 8];
            tail[..2].copy_from_slice(&(part.len() as u16).to_le_bytes());
            tail[4] = RX_DONE | RX_NO_SUMS | last;
            let stored = dma
                .load(at, 8, Endian::Little)
                .and_then(|address| dma.write(address, part))
                .and_then(|()| dma.write(at.wrapping_add(8), &tail));
            if stored.is_err() {
                log::guest_error("e1000", || "receive descriptors outside of memory".into());
            }
            head = (head + 1) % entries;
        }
        state.set(RDH, head);
        state.add(GPRC, 1);
        state.add(TPR, 1);
        let left = (tail + entries - head) % entries;
        let low = left <= entries >> (1 + (state.get(RCTL) >> 8 & 3));
        self.raise(state, INT_RX | if low { INT_RX_LOW } else { 0 });
        true
    }

    fn mdio(&self, state: &mut State, value: u32) {
        let register = (value >> 16 & 31) as usize;
        let mut answer = value & !MDIC_ERROR;
        match (value >> 21 & 31, value >> 26 & 3) {
            (1, 2) => {
                let data = state.phy.get(register).copied().unwrap_or(0);
                answer = answer & !0xffff | u32::from(data);
            }
            // The reset and restart bits take themselves back.
            (1, 1) if register == 0 => state.phy[0] = value as u16 & !0x8200,
            (1, 1) if matches!(register, 4 | 9 | 16 | 18 | 20 | 24 | 29 | 30) => {
                state.phy[register] = value as u16;
            }
            (1, 1) => {}
            _ => answer |= MDIC_ERROR,
        }
        state.set(MDIC, answer | MDIC_READY);
        if value & MDIC_INTERRUPT != 0 {
            self.raise(state, INT_MDIO);
        }
    }

    fn serial(&self, state: &mut State, value: u32) {
        let before = state.eecd;
        let grant = if value & EECD_REQUEST != 0 {
            EECD_GRANT
        } else {
            0
        };
        state.eecd = value & 0x77 | EECD_PRESENT | grant;
        let serial = &mut state.serial;
        if value & EECD_SELECT == 0 {
            *serial = Serial::default();
            return;
        }
        match (before & EECD_CLOCK, value & EECD_CLOCK) {
            // A start bit, two bits of operation, six of address.
            (0, 1) if serial.out.is_none() => {
                serial.word = serial.word << 1 | u16::from(value & EECD_IN != 0);
                serial.bits_in += 1;
                if serial.bits_in == 9 && serial.word >> 6 & 7 == 6 {
                    // A dummy zero bit comes first: it is the clock that the last address bit has.
                    serial.out = Some((serial.word & 0x3f) << 4);
                    serial.bits_in = 0;
                }
            }
            (1, 0) => {
                if let Some(out) = &mut serial.out {
                    if serial.bits_in == 0 {
                        serial.bits_in = 1;
                    } else {
                        *out = out.wrapping_add(1) & 0x3ff;
                    }
                }
            }
            _ => {}
        }
    }

    fn eecd(&self, state: &State) -> u32 {
        let bit = state.serial.out.map_or(1, |out| {
            let word = self.eeprom[usize::from(out >> 4) % EEPROM_WORDS];
            word >> (15 - (out & 15)) & 1
        });
        state.eecd | if bit != 0 { EECD_OUT } else { 0 }
    }

    fn register_read(&self, offset: u64) -> u32 {
        let mut state = self.state.lock();
        match offset {
            STATUS => STATUS_VALUE,
            EECD => self.eecd(&state),
            ICR => {
                let value = std::mem::take(&mut state.cause);
                self.update(&state);
                value
            }
            ICS | IMC => 0,
            IMS => state.mask,
            _ if STATS.contains(&offset) => state.regs.remove(&(offset as u32)).unwrap_or(0),
            _ => state.get(offset),
        }
    }

    fn register_write(&self, offset: u64, value: u32) {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let mut room = false;
        match offset {
            CTRL if value & CTRL_RESET != 0 => {
                *state = State::new(self.mac);
                self.update(state);
            }
            CTRL | 0x4 => state.set(CTRL, value & !CTRL_PHY_RESET),
            EECD => self.serial(state, value),
            EERD => {
                let word = self.eeprom[(value >> 8 & 0xff) as usize % EEPROM_WORDS];
                state.set(EERD, u32::from(word) << 16 | value & 0xff00 | 0x10);
            }
            MDIC => self.mdio(state, value),
            ICR => {
                state.cause &= !value;
                self.update(state);
            }
            ICS => self.raise(state, value),
            IMS => {
                let fresh = state.mask | value;
                state.mask = fresh;
                self.update(state);
            }
            IMC => {
                state.mask &= !value;
                self.update(state);
            }
            RCTL => {
                let starts = value & !state.get(RCTL) & RCTL_ON != 0;
                state.set(RCTL, value);
                room = true;
                if starts {
                    self.raise(state, INT_LINK);
                }
            }
            TCTL => {
                state.set(TCTL, value);
                self.transmit(state);
            }
            RDT => {
                state.set(RDT, value & 0xffff);
                room = true;
            }
            TDT => {
                state.set(TDT, value & 0xffff);
                self.transmit(state);
            }
            RDBAL..=RDBAH | TDBAL..=TDBAH => state.set(offset, value),
            RDLEN | TDLEN => state.set(offset, value & 0xf_ff80),
            RDH | TDH => state.set(offset, value & 0xffff),
            _ if PLAIN.iter().any(|(a, b)| (*a..=*b).contains(&offset)) => state.set(offset, value),
            _ if STATS.contains(&offset) => {}
            _ => log::unimp("e1000", || {
                format!("write of register {offset:#x}: {value:#x}")
            }),
        }
        drop(guard);
        if room && let Some(network) = &self.network {
            network.accept_input();
        }
    }
}

impl Mmio for E1000 {
    fn widths(&self) -> Widths {
        Widths::LE32
    }

    fn read(&self, offset: u64, _size: u32) -> Result<u64, BusError> {
        Ok(u64::from(self.register_read(offset)))
    }

    fn write(&self, offset: u64, _size: u32, value: u64) -> Result<(), BusError> {
        self.register_write(offset, value as u32);
        Ok(())
    }
}

/// The registers through I/O space: an address, then data.
struct IoDoor(Weak<E1000>);

impl Mmio for IoDoor {
    fn widths(&self) -> Widths {
        Widths::LE32
    }

    fn read(&self, offset: u64, _size: u32) -> Result<u64, BusError> {
        let Some(card) = self.0.upgrade() else {
            return Ok(0);
        };
        let address = card.state.lock().io_address;
        Ok(u64::from(match offset {
            0 => address,
            4 => card.register_read(u64::from(address & 0x1_fffc)),
            _ => 0,
        }))
    }

    fn write(&self, offset: u64, _size: u32, value: u64) -> Result<(), BusError> {
        let Some(card) = self.0.upgrade() else {
            return Ok(());
        };
        match offset {
            0 => card.state.lock().io_address = value as u32,
            4 => {
                let address = card.state.lock().io_address;
                card.register_write(u64::from(address & 0x1_fffc), value as u32);
            }
            _ => {}
        }
        Ok(())
    }
}

/// The card as its network sees it.
struct Card(Weak<E1000>);

impl NetFrontend for Card {
    fn receive(&self, frame: &[u8]) -> bool {
        let Some(card) = self.0.upgrade() else {
            return true;
        };
        let frame = frame.get(..16000).unwrap_or(frame);
        card.deliver(&mut card.state.lock(), frame)
    }
}

impl Device for E1000 {
    fn reset(&self) {
        *self.state.lock() = State::new(self.mac);
        self.function.reset();
    }

    fn save(&self) -> Vec<u8> {
        save_state(&(&*self.state.lock(), self.function.save()))
    }

    fn load(&self, bytes: &[u8]) -> Result<(), StateError> {
        let (mut loaded, function): (State, Vec<u8>) = load_state(bytes)?;
        self.function.load(&function)?;
        loaded.phy.resize(32, 0);
        *self.state.lock() = loaded;
        Ok(())
    }

    fn resume(&self) {
        self.function.resume();
        self.update(&self.state.lock());
    }

    fn describe(&self) -> String {
        let network = self.network.as_ref().map(|n| n.describe());
        network.unwrap_or_else(|| "not connected".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Rig, device_tests};

    device_tests!("e1000", |rig: &mut Rig| rig.netdev());

    const AT: u64 = 0x9000_0000;

    fn started() -> Rig {
        let mut rig = Rig::new();
        rig.netdev();
        rig.make_with_offers("e1000");
        rig.pci.config_write(64, 0x10, 4, AT as u32);
        rig.pci.config_write(64, 4, 2, 6);
        rig
    }

    #[test]
    fn the_eeprom_is_read_bit_by_bit() {
        let rig = started();
        let space = rig.space();
        let mut sum = 0u16;
        for word in 0..64u32 {
            let put = |v: u32| space.write_device(AT + EECD, 4, u64::from(v | EECD_REQUEST));
            put(EECD_SELECT);
            for bit in (0..9).rev() {
                let data = if (6 << 6 | word) >> bit & 1 != 0 {
                    EECD_IN
                } else {
                    0
                };
                put(EECD_SELECT | data);
                put(EECD_SELECT | data | EECD_CLOCK);
                put(EECD_SELECT | data);
            }
            let mut value = 0u16;
            for _ in 0..16 {
                put(EECD_SELECT | EECD_CLOCK);
                let bit = space.read_device(AT + EECD, 4) as u32 & EECD_OUT;
                value = value << 1 | u16::from(bit != 0);
                put(EECD_SELECT);
            }
            put(0);
            if word == 0 {
                assert_eq!(value, 0x5452);
            }
            sum = sum.wrapping_add(value);
        }
        assert_eq!(sum, EEPROM_SUM);
    }

    #[test]
    fn frames_out_and_in() {
        let rig = started();
        let space = rig.space();
        let reg = |r: u64, v: u64| space.write_device(AT + r, 4, v);
        reg(IMS, 0xff);
        for (r, v) in [
            (TDBAL, 0x1000),
            (TDLEN, 128),
            (TCTL, 2),
            (RDBAL, 0x2000),
            (RDLEN, 128),
        ] {
            reg(r, v);
        }
        space.write_device(0x1000, 8, 0x8000);
        space.write_device(0x1008, 4, 0x0b00_0040);
        space.write_device(0x8000, 8, 0x1122_3344_5566_7788);
        reg(TDT, 1);
        assert_eq!(
            rig.fake.frames.lock().first().map(|f| (f.len(), f[0])),
            Some((64, 0x88))
        );
        assert_eq!(space.read_device(0x100c, 1), 1);
        assert_eq!(space.read_device(AT + ICR, 4) & 1, 1);
        reg(RCTL, 0x8002);
        space.write_device(0x2000, 8, 0x9000);
        let card = rig.fake.card.lock().clone().unwrap();
        assert!(!card.receive(&[0xff; 60]), "no room");
        reg(RDT, 4);
        assert!(card.receive(&[0xff; 60]));
        assert_eq!(space.read_device(0x2008, 2), 64);
        assert_eq!(space.read_device(0x200c, 1), 7);
        assert_eq!(space.read_device(0x9000, 4), 0xffff_ffff);
        assert!(card.receive(&[2; 60]), "not for this card");
        assert_eq!(space.read_device(AT + RDH, 4), 1);
        assert_eq!(space.read_device(AT + ICR, 4) & 0xc4, 0xc4);
    }

    #[test]
    fn segments_have_their_own_headers() {
        let context = Context {
            ip_start: 14,
            ip_sum: 24,
            ip_end: 33,
            sum_start: 34,
            sum_at: 50,
            command: TX_IS_TCP | TX_IS_IPV4,
            header: 54,
            segment: 100,
            ..Context::default()
        };
        let mut packet = vec![0u8; 54 + 250];
        packet[14] = 0x45;
        packet[38..42].copy_from_slice(&1000u32.to_be_bytes());
        packet[47] = 0x19;
        let pieces = context.cut(&packet, TX_IP_SUM | TX_TCP_SUM);
        assert_eq!(
            pieces.iter().map(Vec::len).collect::<Vec<_>>(),
            [154, 154, 104]
        );
        assert_eq!(get16(&pieces[2], 16), 90);
        assert_eq!(get16(&pieces[2], 40), 1200);
        assert_eq!((pieces[0][47], pieces[2][47]), (0x10, 0x19));
        for piece in &pieces {
            assert_eq!(checksum(&piece[14..34]), 0);
        }
    }
}
