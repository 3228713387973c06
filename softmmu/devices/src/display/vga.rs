//! The standard graphics card of QEMU and Bochs (PCI 1234:1111): a frame buffer in a base address,
//! registers in another and at VGA's own ports [QEMU-stdvga].
//!
//! UNIMPL: text and planar modes (the screen is black in them), the window at 0xa0000, EDID.

use super::vga_registers::*;
use crate::class::Build;
use crate::pci::{Bar, BarBacking, BarKind, Identity, PciFunction};
use parking_lot::Mutex;
use softmmu_core::device::{Device, Endian, Mmio, StateError, Widths, load_state, save_state};
use softmmu_core::display::{Display, Picture};
use softmmu_core::ram::Ram;
use softmmu_core::space::Region;
use std::sync::Arc;
use tcg_mem::BusError;

/// Offsets of the registers: ports from 0x3c0, Bochs' registers, the order of bytes.
const PORTS: std::ops::Range<u64> = 0x400..0x420;
const VBE: std::ops::Range<u64> = 0x500..0x516;
const EXTENSION_SIZE: u64 = 0x600;
const EXTENSION_ENDIAN: u64 = 0x604;
const BIG: u64 = 0xbebe_bebe;
const LITTLE: u64 = 0x1e1e_1e1e;

/// VGA's own ports.
const LEGACY: u64 = 0x3c0;
const LEGACY_VBE: u64 = 0x1ce;

const PAGE: usize = 4096;

struct Vga {
    registers: Mutex<Registers>,
    memory: Arc<Ram>,
    function: Arc<PciFunction>,
    big_endian: bool,
}

/// The registers behind a base address.
struct Window(Arc<Vga>);
/// The same at VGA's ports.
struct Ports(Arc<Vga>);
/// Bochs' index and data ports.
struct VbePorts(Arc<Vga>);

pub(super) fn create(build: &mut Build<'_>) -> Result<(), String> {
    let Some((bus, asked)) = build.pci.clone() else {
        return Err("needs a PCI bus".into());
    };
    let mib = build
        .values
        .number_or_0("vgamem_mb")
        .max(1)
        .next_power_of_two();
    let memory = Ram::new(mib << 20).map_err(|e| format!("{mib} MiB of video memory: {e}"))?;
    let memory = Arc::new(memory);
    let identity = Identity {
        vendor: 0x1234,
        device: 0x1111,
        class: 0x03_0000,
        revision: 2,
        subsystem: (0x1af4, 0x1100),
        pin: 0,
    };
    let function = PciFunction::new(build.id, &bus, bus.place(asked)?, identity);
    let big_endian = build.host.guest_endian == Endian::Big;
    let vga = Arc::new(Vga {
        registers: Mutex::new(Registers::new(memory.len(), big_endian)),
        memory: memory.clone(),
        function: function.clone(),
        big_endian,
    });
    let bar = |prefetch, size, backing| Bar {
        kind: BarKind::Memory,
        prefetch,
        size,
        backing,
    };
    function.add_bar(0, bar(true, memory.len(), BarBacking::Ram(memory)));
    let window = Arc::new(Window(vga.clone()));
    function.add_bar(2, bar(false, 0x1000, BarBacking::Mmio(window)));
    function.plug(None);
    let io = bus.io();
    io.add(Region::io(
        "vga",
        LEGACY,
        0x20,
        Arc::new(Ports(vga.clone())),
    ));
    io.add(Region::io(
        "vbe",
        LEGACY_VBE,
        4,
        Arc::new(VbePorts(vga.clone())),
    ));
    build.parts.display = Some(vga.clone());
    build.parts.device = Some(vga);
    Ok(())
}

impl Mmio for Window {
    fn widths(&self) -> Widths {
        Widths {
            endian: Endian::Little,
            min: 1,
            max: 4,
        }
    }

    fn read(&self, offset: u64, size: u32) -> Result<u64, BusError> {
        let mut registers = self.0.registers.lock();
        Ok(match offset {
            _ if PORTS.contains(&offset) => (0..size).fold(0, |n, i| {
                let port = (offset - PORTS.start) as u16 + i as u16;
                n | u64::from(registers.port_read(port)) << (8 * i)
            }),
            _ if VBE.contains(&offset) => {
                let value = registers.vbe_read(((offset - VBE.start) / 2) as usize);
                u64::from(value >> (8 * (offset & 1)))
            }
            EXTENSION_SIZE => 8,
            EXTENSION_ENDIAN if registers.big_endian => BIG,
            EXTENSION_ENDIAN => LITTLE,
            _ => 0,
        })
    }

    fn write(&self, offset: u64, size: u32, value: u64) -> Result<(), BusError> {
        let mut registers = self.0.registers.lock();
        match offset {
            _ if PORTS.contains(&offset) => {
                for (i, byte) in value
                    .to_le_bytes()
                    .into_iter()
                    .take(size as usize)
                    .enumerate()
                {
                    registers.port_write((offset - PORTS.start) as u16 + i as u16, byte);
                }
            }
            _ if VBE.contains(&offset) && size >= 2 => {
                registers.vbe_write(((offset - VBE.start) / 2) as usize, value as u16);
            }
            EXTENSION_ENDIAN if value == BIG => registers.big_endian = true,
            EXTENSION_ENDIAN if value == LITTLE => registers.big_endian = false,
            _ => {}
        }
        Ok(())
    }
}

impl Mmio for Ports {
    fn widths(&self) -> Widths {
        Widths::BYTE
    }

    fn read(&self, offset: u64, _size: u32) -> Result<u64, BusError> {
        Ok(u64::from(self.0.registers.lock().port_read(offset as u16)))
    }

    fn write(&self, offset: u64, _size: u32, value: u64) -> Result<(), BusError> {
        let mut registers = self.0.registers.lock();
        registers.port_write(offset as u16, value as u8);
        Ok(())
    }
}

impl Mmio for VbePorts {
    fn widths(&self) -> Widths {
        Widths {
            endian: Endian::Little,
            min: 2,
            max: 2,
        }
    }

    fn read(&self, offset: u64, _size: u32) -> Result<u64, BusError> {
        let registers = self.0.registers.lock();
        let index = registers.vbe_index();
        Ok(u64::from(match offset {
            0 => index,
            _ => registers.vbe_read(usize::from(index)),
        }))
    }

    fn write(&self, offset: u64, _size: u32, value: u64) -> Result<(), BusError> {
        let mut registers = self.0.registers.lock();
        match offset {
            0 => registers.set_vbe_index(value as u16),
            _ => {
                let index = usize::from(registers.vbe_index());
                registers.vbe_write(index, value as u16);
            }
        }
        Ok(())
    }
}

impl Vga {
    /// Red, green, blue of a pixel.
    fn colour(registers: &Registers, depth: u16, bytes: &[u8]) -> [u8; 3] {
        let number = if registers.big_endian {
            bytes.iter().fold(0u32, |n, b| n << 8 | u32::from(*b))
        } else {
            bytes.iter().rev().fold(0u32, |n, b| n << 8 | u32::from(*b))
        };
        // The upper bits fill the lower ones.
        let part = |shift: u32, bits: u32| {
            let value = number >> shift & ((1 << bits) - 1);
            (value << (8 - bits) | value >> (2 * bits).saturating_sub(8)) as u8
        };
        match depth {
            8 => {
                let colour = registers.palette.get(number as usize).copied();
                let left = 8 - registers.dac_bits();
                colour.unwrap_or_default().map(|p| p << left)
            }
            15 => [part(10, 5), part(5, 5), part(0, 5)],
            16 => [part(11, 5), part(5, 6), part(0, 5)],
            _ => [(number >> 16) as u8, (number >> 8) as u8, number as u8],
        }
    }
}

impl Display for Vga {
    fn picture(&self) -> Picture {
        let registers = self.registers.lock();
        let vbe = &registers.vbe;
        if vbe[VBE_ENABLE] & VBE_ON == 0 || vbe[VBE_WIDTH] == 0 || vbe[VBE_HEIGHT] == 0 {
            return Picture::black(640, 480);
        }
        let (width, height) = (u32::from(vbe[VBE_WIDTH]), u32::from(vbe[VBE_HEIGHT]));
        let depth = vbe[VBE_DEPTH];
        let bytes = u64::from(depth.div_ceil(8));
        let line = u64::from(vbe[VBE_VIRTUAL_WIDTH].max(vbe[VBE_WIDTH])) * bytes;
        let first = u64::from(vbe[VBE_Y]) * line + u64::from(vbe[VBE_X]) * bytes;
        let mut picture = Picture::black(width, height);
        let mut row = vec![0; width as usize * bytes as usize];
        for (y, out) in picture.rgb.chunks_exact_mut(width as usize * 3).enumerate() {
            if !self.memory.read(first + y as u64 * line, &mut row) {
                break;
            }
            let pixels = row.chunks_exact(bytes as usize);
            for (to, pixel) in out.chunks_exact_mut(3).zip(pixels) {
                to.copy_from_slice(&Vga::colour(&registers, depth, pixel));
            }
        }
        picture
    }
}

type Pages = Vec<(u32, Vec<u8>)>;

impl Device for Vga {
    fn reset(&self) {
        *self.registers.lock() = Registers::new(self.memory.len(), self.big_endian);
        self.memory.clear();
        self.function.reset();
    }

    fn save(&self) -> Vec<u8> {
        let mut pages: Pages = Vec::new();
        let mut page = vec![0; PAGE];
        for n in 0..(self.memory.len() / PAGE as u64) as u32 {
            self.memory.read(u64::from(n) * PAGE as u64, &mut page);
            if page.iter().any(|b| *b != 0) {
                pages.push((n, page.clone()));
            }
        }
        save_state(&(&*self.registers.lock(), self.function.save(), pages))
    }

    fn load(&self, bytes: &[u8]) -> Result<(), StateError> {
        let (registers, function, pages): (Registers, Vec<u8>, Pages) = load_state(bytes)?;
        if registers.palette.len() != 256 || !registers.is_sound() {
            return Err(StateError("registers that no software can set".into()));
        }
        self.function.load(&function)?;
        self.memory.clear();
        for (n, page) in pages {
            self.memory.write(u64::from(n) * PAGE as u64, &page);
        }
        *self.registers.lock() = registers;
        Ok(())
    }

    fn resume(&self) {
        self.function.resume();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Rig, device_tests};

    device_tests!("VGA", |rig: &mut Rig| rig.prop("vgamem_mb", "1"));

    fn picture(depth: u16, bytes: &[u8]) -> Picture {
        let rig = common_rig();
        for (at, value) in [(0x10, 0x8400_0000), (0x18, 0x8500_0000)] {
            rig.pci.config_write(64, at, 4, value);
        }
        rig.pci.config_write(64, 4, 2, 3);
        let space = rig.space();
        for (n, value) in [(1, 8), (2, 2), (3, depth), (4, 1)] {
            space.write_device(0x8500_0500 + 2 * n, 2, u64::from(value));
        }
        space.write_device(0x8500_0408, 1, 5);
        for part in [63, 0, 1] {
            space.write_device(0x8500_0409, 1, part);
        }
        space.0.load_bytes_at(0x8400_0000, bytes).unwrap();
        rig.parts.display.clone().unwrap().picture()
    }

    #[test]
    fn pixels_of_every_depth() {
        let first = |p: Picture| [p.rgb[0], p.rgb[1], p.rgb[2]];
        let small = picture(32, &[0, 1, 2, 3]);
        assert_eq!((small.width, small.height, small.rgb.len()), (8, 2, 48));
        assert_eq!(first(small), [1, 2, 3]);
        assert_eq!(first(picture(24, &[1, 2, 3])), [1, 2, 3]);
        assert_eq!(first(picture(16, &[0xf8, 0x1f])), [255, 0, 255]);
        assert_eq!(first(picture(15, &[0x7c, 0])), [255, 0, 0]);
        assert_eq!(first(picture(8, &[5])), [252, 0, 4]);
    }

    #[test]
    fn ports_are_the_same_registers() {
        let rig = common_rig();
        let io = rig.pci.io();
        use tcg_mem::Bus;
        io.write(0x1ce, 2, 0).unwrap();
        assert_eq!(io.read(0x1d0, 2), Ok(0xb0c5));
        io.write(0x3d4, 1, 0x11).unwrap();
        io.write(0x3d5, 1, 0x7e).unwrap();
        assert_eq!(io.read(0x3d5, 1), Ok(0x7e));
    }
}
