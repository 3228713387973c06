//! Registers of a VGA [VGA] with Bochs' display extensions [VBE-Bochs].

use serde::{Deserialize, Serialize};

/// The extensions' registers.
pub const VBE_ID: usize = 0;
pub const VBE_WIDTH: usize = 1;
pub const VBE_HEIGHT: usize = 2;
pub const VBE_DEPTH: usize = 3;
pub const VBE_ENABLE: usize = 4;
pub const VBE_VIRTUAL_WIDTH: usize = 6;
pub const VBE_VIRTUAL_HEIGHT: usize = 7;
pub const VBE_X: usize = 8;
pub const VBE_Y: usize = 9;
pub const VBE_MEMORY: usize = 10;

/// The newest version of the extensions.
const VBE_VERSION: u16 = 0xb0c5;
/// [`VBE_ENABLE`]: on.
pub const VBE_ON: u16 = 1;
/// [`VBE_ENABLE`]: the registers tell the most that is possible.
const VBE_CAPABILITIES: u16 = 2;
/// [`VBE_ENABLE`]: colours have eight bits.
const VBE_DAC_8: u16 = 0x20;
/// The largest picture.
pub const LARGEST: (u16, u16) = (4096, 4096);

/// Ports from 0x3c0 on.
const ATTRIBUTE: u16 = 0x00;
const ATTRIBUTE_READ: u16 = 0x01;
const MISC_WRITE: u16 = 0x02;
const SEQUENCER: u16 = 0x04;
const DAC_MASK: u16 = 0x06;
const DAC_READ_INDEX: u16 = 0x07;
const DAC_INDEX: u16 = 0x08;
const DAC_DATA: u16 = 0x09;
const MISC_READ: u16 = 0x0c;
const GRAPHICS: u16 = 0x0e;
const CRTC: u16 = 0x14;
const STATUS: u16 = 0x1a;

/// A group of registers behind an index.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Group {
    index: u8,
    cells: [u8; 32],
}

impl Group {
    fn read(&self) -> u8 {
        self.cells
            .get(usize::from(self.index))
            .copied()
            .unwrap_or(0)
    }

    fn write(&mut self, value: u8) {
        if let Some(cell) = self.cells.get_mut(usize::from(self.index)) {
            *cell = value;
        }
    }
}

fn is_depth(bits: u16) -> bool {
    matches!(bits, 8 | 15 | 16 | 24 | 32)
}

/// All registers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Registers {
    attribute: Group,
    /// The next write to the attribute port is one of data.
    attribute_data: bool,
    sequencer: Group,
    graphics: Group,
    crtc: Group,
    misc: u8,
    dac_mask: u8,
    dac_index: u8,
    dac_read: u8,
    dac_part: u8,
    /// Red, green, blue of each colour, as they were written.
    pub palette: Vec<[u8; 3]>,
    /// Bochs' registers.
    pub vbe: [u16; 11],
    vbe_index: u16,
    /// Pixels have their most significant byte first.
    pub big_endian: bool,
}

impl Registers {
    /// As after a reset.
    pub fn new(memory_bytes: u64, big_endian: bool) -> Registers {
        let mut vbe = [0; 11];
        vbe[VBE_ID] = VBE_VERSION;
        vbe[VBE_DEPTH] = 8;
        vbe[VBE_MEMORY] = (memory_bytes >> 16) as u16;
        Registers {
            attribute: Group::default(),
            attribute_data: false,
            sequencer: Group::default(),
            graphics: Group::default(),
            crtc: Group::default(),
            misc: 0,
            dac_mask: 0xff,
            dac_index: 0,
            dac_read: 0,
            dac_part: 0,
            palette: vec![[0; 3]; 256],
            vbe,
            vbe_index: 0,
            big_endian,
        }
    }

    /// Whether a picture can be made with them, wherever they come from.
    pub fn is_sound(&self) -> bool {
        let (width, height) = (self.vbe[VBE_WIDTH], self.vbe[VBE_HEIGHT]);
        is_depth(self.vbe[VBE_DEPTH]) && width <= LARGEST.0 && height <= LARGEST.1
    }

    /// Bits of a colour's part.
    pub fn dac_bits(&self) -> u32 {
        if self.vbe[VBE_ENABLE] & VBE_DAC_8 != 0 {
            8
        } else {
            6
        }
    }

    /// Reads a port; `port` counts from 0x3c0.
    pub fn port_read(&mut self, port: u16) -> u8 {
        match port {
            ATTRIBUTE => self.attribute.index,
            ATTRIBUTE_READ => self.attribute.read(),
            SEQUENCER => self.sequencer.index,
            0x05 => self.sequencer.read(),
            DAC_MASK => self.dac_mask,
            DAC_INDEX => self.dac_index,
            DAC_DATA => {
                let colour = self.palette.get(usize::from(self.dac_read));
                let part = colour.and_then(|c| c.get(usize::from(self.dac_part)));
                let value = part.copied().unwrap_or(0);
                self.dac_part = (self.dac_part + 1) % 3;
                if self.dac_part == 0 {
                    self.dac_read = self.dac_read.wrapping_add(1);
                }
                value
            }
            MISC_READ => self.misc,
            GRAPHICS => self.graphics.index,
            0x0f => self.graphics.read(),
            CRTC => self.crtc.index,
            0x15 => self.crtc.read(),
            STATUS => {
                self.attribute_data = false;
                // Retrace: the guest that waits for it never waits for long.
                self.misc & 0x08 | 0x09
            }
            _ => 0,
        }
    }

    /// Writes a port.
    pub fn port_write(&mut self, port: u16, value: u8) {
        match port {
            ATTRIBUTE => {
                if self.attribute_data {
                    self.attribute.write(value);
                } else {
                    self.attribute.index = value & 0x3f;
                }
                self.attribute_data = !self.attribute_data;
            }
            MISC_WRITE => self.misc = value,
            SEQUENCER => self.sequencer.index = value & 31,
            0x05 => self.sequencer.write(value),
            DAC_MASK => self.dac_mask = value,
            DAC_READ_INDEX => (self.dac_read, self.dac_part) = (value, 0),
            DAC_INDEX => (self.dac_index, self.dac_part) = (value, 0),
            DAC_DATA => {
                let colour = self.palette.get_mut(usize::from(self.dac_index));
                if let Some(part) = colour.and_then(|c| c.get_mut(usize::from(self.dac_part))) {
                    *part = value;
                }
                self.dac_part = (self.dac_part + 1) % 3;
                if self.dac_part == 0 {
                    self.dac_index = self.dac_index.wrapping_add(1);
                }
            }
            GRAPHICS => self.graphics.index = value & 31,
            0x0f => self.graphics.write(value),
            CRTC => self.crtc.index = value & 31,
            0x15 => self.crtc.write(value),
            _ => {}
        }
    }

    /// Chooses one of Bochs' registers for VGA's ports.
    pub fn set_vbe_index(&mut self, index: u16) {
        self.vbe_index = index;
    }

    /// The one that was chosen.
    pub fn vbe_index(&self) -> u16 {
        self.vbe_index
    }

    /// Reads one of Bochs' registers.
    pub fn vbe_read(&self, index: usize) -> u16 {
        let capabilities = self.vbe[VBE_ENABLE] & VBE_CAPABILITIES != 0;
        match index {
            VBE_WIDTH if capabilities => LARGEST.0,
            VBE_HEIGHT if capabilities => LARGEST.1,
            VBE_DEPTH if capabilities => 32,
            _ => self.vbe.get(index).copied().unwrap_or(0),
        }
    }

    /// Writes one of Bochs' registers.
    pub fn vbe_write(&mut self, index: usize, value: u16) {
        let on = self.vbe[VBE_ENABLE] & VBE_ON != 0;
        match index {
            VBE_ID if (0xb0c0..=VBE_VERSION).contains(&value) => self.vbe[VBE_ID] = value,
            VBE_WIDTH if !on && value <= LARGEST.0 => self.vbe[VBE_WIDTH] = value & !7,
            VBE_HEIGHT if !on && value <= LARGEST.1 => self.vbe[VBE_HEIGHT] = value,
            VBE_DEPTH if !on && is_depth(value) => {
                self.vbe[VBE_DEPTH] = value;
            }
            VBE_ENABLE => {
                if value & VBE_ON != 0 && !on {
                    self.vbe[VBE_VIRTUAL_WIDTH] = self.vbe[VBE_WIDTH];
                    self.vbe[VBE_VIRTUAL_HEIGHT] = self.vbe[VBE_HEIGHT];
                    (self.vbe[VBE_X], self.vbe[VBE_Y]) = (0, 0);
                }
                self.vbe[VBE_ENABLE] = value;
            }
            5 | VBE_X | VBE_Y => self.vbe[index] = value,
            VBE_VIRTUAL_WIDTH if value >= self.vbe[VBE_WIDTH] => {
                self.vbe[VBE_VIRTUAL_WIDTH] = value;
            }
            _ => {}
        }
    }
}
