//! What is put into memory before a machine starts, and how its first CPU starts.

use crate::assemble::{Assembly, Wanted};
use crate::board::{BoardError, Source, StartMap, StartValue};
use crate::tree;
use softmmu_core::cpu::CpuStart;
use softmmu_core::fdt::{Node, Value};
use softmmu_core::loader::{self, Image};
use std::path::PathBuf;

/// The images of the command line.
#[derive(Clone, Debug, Default)]
pub struct Images {
    /// `-kernel`.
    pub kernel: Option<PathBuf>,
    /// `-initrd`.
    pub initrd: Option<PathBuf>,
    /// `-append`.
    pub append: String,
    /// `-dtb`.
    pub dtb: Option<PathBuf>,
    /// `-bios`, found already.
    pub firmware: Option<PathBuf>,
    /// `-device loader`: file, and an address for raw ones.
    pub loaders: Vec<(PathBuf, Option<u64>)>,
    /// Bytes for the guest's random numbers at the start.
    pub seed: Vec<u8>,
    /// `-boot`: letters of devices, the first that is tried first.
    pub order: String,
    /// `-nographic`.
    pub no_graphic: bool,
    /// `-g`: width, height, bits of a pixel.
    pub screen: Option<(u32, u32, u32)>,
}

/// What was loaded. It is put into memory again at each reset.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// Address and bytes.
    pub blobs: Vec<(u64, Vec<u8>)>,
    /// How the first CPU starts; none: as its reset says.
    pub start: Option<CpuStart>,
    /// The device tree that the guest gets.
    pub dtb: Option<Vec<u8>>,
    /// What firmware is told, by number.
    pub items: Vec<(u16, Vec<u8>)>,
}

/// A kernel that was loaded for firmware to start.
#[derive(Clone, Copy, Debug, Default)]
struct Prepared {
    kernel: (u64, u64),
    initrd: (u64, u64),
    command: u64,
}

struct Plan<'a> {
    source: &'a Source,
    out: Loaded,
    /// The first address behind what was loaded.
    end: u64,
    limit: u64,
}

/// Loads everything.
pub fn load(
    source: &Source,
    machine: &Assembly,
    wanted: &Wanted,
    images: &Images,
) -> Result<Loaded, BoardError> {
    let boot = &source.board.boot;
    let limit = machine.ram.1 + machine.ram.0.len();
    let mut plan = Plan {
        source,
        out: Loaded::default(),
        end: machine.ram.1,
        limit,
    };
    let mut entry = None;
    let mut payload = None;
    if let Some(path) = &images.firmware {
        let image = loader::open(path, boot.firmware_at).map_err(|e| plan.user(e))?;
        entry = Some(boot.start.unwrap_or(plan.image(&image, path)?));
        if let Some(base) = boot.kernel_base {
            let prepared = plan.prepare(images, base)?;
            plan.out.items = plan.items(wanted, images, &prepared);
            plan.out.start = Some(plan.start(entry.unwrap_or(0), None, None, None)?);
            plan.check(machine)?;
            return Ok(plan.out);
        }
        if let (Some(path), Some(at)) = (&images.kernel, boot.payload_at) {
            let bytes = loader::read_file(path).map_err(|e| plan.user(e))?;
            payload = Some((at, bytes.len() as u64));
            plan.out.blobs.push((at, bytes));
        }
    } else if let Some(path) = &images.kernel {
        let image = loader::open(path, boot.raw_at).map_err(|e| plan.user(e))?;
        entry = Some(plan.image(&image, path)?);
    }
    for (path, at) in &images.loaders {
        let image = loader::open(path, *at).map_err(|e| plan.user(e))?;
        let start = plan.image(&image, path)?;
        entry = entry.or(Some(start).filter(|_| image.kind != "raw"));
    }
    let initrd = plan.initrd(images, payload)?;
    let mut dtb = None;
    let tree = plan.tree(machine, wanted, images, initrd, payload)?;
    if let Some(bytes) = tree {
        let at = align(plan.end.saturating_add(boot.dtb_gap), 0x10_0000);
        let at = at.min(plan.limit.saturating_sub(bytes.len() as u64)) & !0xfff;
        dtb = Some((at, bytes.len() as u64));
        plan.out.blobs.push((at, bytes.clone()));
        plan.out.dtb = Some(bytes);
    }
    if let Some(pc) = entry {
        plan.out.start = Some(plan.start(pc, dtb, initrd, payload)?);
    }
    plan.check(machine)?;
    Ok(plan.out)
}

fn align(value: u64, to: u64) -> u64 {
    value.checked_next_multiple_of(to).unwrap_or(value)
}

impl Plan<'_> {
    fn user(&self, error: impl std::fmt::Display) -> BoardError {
        BoardError {
            file: self.source.board.name.clone(),
            line: None,
            text: error.to_string(),
        }
    }

    fn image(&mut self, image: &Image, path: &std::path::Path) -> Result<u64, BoardError> {
        for segment in &image.segments {
            let end = segment.at.checked_add(segment.size);
            if end.is_none_or(|end| end > self.limit) && segment.at < self.limit {
                let text = format!(
                    "{} does not fit into memory ({:#x} bytes at {:#x})",
                    path.display(),
                    segment.size,
                    segment.at
                );
                return Err(self.user(text));
            }
            let mut data = segment.data.clone();
            let size = usize::try_from(segment.size).unwrap_or(data.len());
            data.resize(size.max(data.len()), 0);
            self.out.blobs.push((segment.at, data));
        }
        self.end = self.end.max(image.end());
        Ok(image.entry)
    }

    /// Puts kernel, initial RAM disk and command line where firmware finds them already loaded.
    fn prepare(&mut self, images: &Images, base: u64) -> Result<Prepared, BoardError> {
        let mut out = Prepared::default();
        let Some(path) = &images.kernel else {
            return Ok(out);
        };
        let mut image = loader::open(path, Some(base)).map_err(|e| self.user(e))?;
        if image.kind != "raw" {
            let first = image.segments.first().map_or(0, |s| s.at);
            for segment in &mut image.segments {
                segment.at = base + (segment.at - first);
            }
        }
        self.end = base;
        self.image(&image, path)?;
        out.kernel = (base, self.end - base);
        let mut free = page(self.end.saturating_add(self.source.board.boot.initrd_gap));
        if let Some(path) = &images.initrd {
            let bytes = loader::read_file(path).map_err(|e| self.user(e))?;
            out.initrd = (free, bytes.len() as u64);
            free = page(free.saturating_add(bytes.len() as u64));
            self.out.blobs.push((out.initrd.0, bytes));
        }
        let mut command = images.append.clone().into_bytes();
        command.push(0);
        out.command = free;
        let end = free.saturating_add(command.len() as u64);
        if end > self.limit {
            return Err(
                self.user("kernel and initial RAM disk do not fit into memory (try a larger -m)")
            );
        }
        self.out.blobs.push((free, command));
        Ok(out)
    }

    /// What firmware is told.
    fn items(&self, wanted: &Wanted, images: &Images, loaded: &Prepared) -> Vec<(u16, Vec<u8>)> {
        let board = &self.source.board;
        let (width, height, depth) = images.screen.unwrap_or((800, 600, 32));
        let device = match &images.kernel {
            Some(_) => b'm',
            None => images
                .order
                .bytes()
                .find(|b| (b'c'..=b'n').contains(b))
                .unwrap_or(b'c'),
        };
        let number = |value: &StartValue| match value {
            StartValue::Number(n) => *n,
            StartValue::Word(word) => match word.as_str() {
                "ram-size" => wanted.ram,
                "cpus" => u64::from(wanted.cpus),
                "max-cpus" => u64::from(board.max_cpus),
                "kernel" => loaded.kernel.0,
                "kernel-size" => loaded.kernel.1,
                "initrd" => loaded.initrd.0,
                "initrd-size" => loaded.initrd.1,
                "cmdline" => loaded.command,
                "boot-device" => u64::from(device),
                "no-graphic" => u64::from(images.no_graphic),
                "width" => u64::from(width),
                "height" => u64::from(height),
                "depth" => u64::from(depth),
                // The board's check has refused others.
                _ => 0,
            },
        };
        let items = board.fw_cfg.iter().map(toml::Spanned::get_ref);
        let items = items.filter(|i| board.applies(&i.when, &wanted.options));
        items
            .map(|i| {
                let bytes = number(&i.value).to_le_bytes();
                (i.key, bytes.into_iter().take(i.bits as usize / 8).collect())
            })
            .collect()
    }

    fn initrd(
        &mut self,
        images: &Images,
        payload: Option<(u64, u64)>,
    ) -> Result<Option<(u64, u64)>, BoardError> {
        let Some(path) = &images.initrd else {
            return Ok(None);
        };
        let bytes = loader::read_file(path).map_err(|e| self.user(e))?;
        let size = bytes.len() as u64;
        let end = payload.map_or(self.end, |(at, len)| self.end.max(at + len));
        let at = align(
            end.saturating_add(self.source.board.boot.initrd_gap),
            0x10_0000,
        );
        if at.checked_add(size).is_none_or(|end| end > self.limit) {
            let text = format!(
                "{} does not fit into memory (try a larger -m)",
                path.display()
            );
            return Err(self.user(text));
        }
        self.out.blobs.push((at, bytes));
        Ok(Some((at, size)))
    }

    fn tree(
        &self,
        machine: &Assembly,
        wanted: &Wanted,
        images: &Images,
        initrd: Option<(u64, u64)>,
        payload: Option<(u64, u64)>,
    ) -> Result<Option<Vec<u8>>, BoardError> {
        if let Some(path) = &images.dtb {
            return loader::read_file(path).map(Some).map_err(|e| self.user(e));
        }
        let Some(table) = &self.source.board.tree else {
            return Ok(None);
        };
        let wrong = |fault: tree::TreeFault| {
            let text = format!("tree: {}", tree::show(&fault));
            self.source.error(table.span(), text)
        };
        let mut root = tree::node(table.get_ref()).map_err(wrong)?;
        self.cpus(&mut root, wanted).map_err(wrong)?;
        let memory = root.child("memory");
        memory.set_str("device_type", "memory");
        let (at, size) = (machine.ram.1, wanted.ram);
        memory.set("reg", wide(&root_cells(table.get_ref()), at, size));
        let chosen = root.child("chosen");
        chosen.set_str("bootargs", &images.append);
        if !images.seed.is_empty() {
            chosen.set("rng-seed", Value::Bytes(images.seed.clone()));
        }
        if let Some((at, size)) = initrd {
            chosen.set_cells("linux,initrd-start", &[at as u32]);
            chosen.set_cells("linux,initrd-end", &[at.saturating_add(size) as u32]);
        }
        if let Some((at, size)) = payload {
            let bytes = [at.to_be_bytes(), size.to_be_bytes()].concat();
            chosen.set("qemu,boot-kernel", Value::Bytes(bytes));
        }
        root.flatten().map(Some).map_err(|e| self.user(e))
    }

    fn cpus(&self, root: &mut Node, wanted: &Wanted) -> Result<(), tree::TreeFault> {
        let Some(nodes) = &self.source.board.cpu_nodes else {
            return Ok(());
        };
        let cpus = root.child("cpus");
        cpus.set_cells("#address-cells", &[1]);
        cpus.set_cells("#size-cells", &[0]);
        for n in 0..wanted.cpus {
            let mut node = tree::node(&nodes.props)?;
            node.set_cells("reg", &[n]);
            node.set_str("status", if n == 0 { "okay" } else { "disabled" });
            if let Some(table) = nodes.spin_table.filter(|_| n > 0) {
                let at = table + 32 * u64::from(n);
                node.set_str("enable-method", "spin-table");
                node.set("cpu-release-addr", Value::Bytes(at.to_be_bytes().to_vec()));
            }
            *cpus.child(&nodes.name.replace("{n}", &format!("{n:x}"))) = node;
        }
        Ok(())
    }

    fn start(
        &self,
        pc: u64,
        dtb: Option<(u64, u64)>,
        initrd: Option<(u64, u64)>,
        payload: Option<(u64, u64)>,
    ) -> Result<CpuStart, BoardError> {
        let boot = &self.source.board.boot;
        let end = dtb.map_or(self.end, |(at, size)| at + size);
        let map = match &boot.map {
            Some(StartMap::Fixed([va, pa, size])) => Some((*va, *pa, *size)),
            Some(StartMap::Word(word)) if word == "image" => {
                // A power of four from 4 KiB, as page sizes of embedded Power are.
                let bits = end.max(4096).next_power_of_two().trailing_zeros();
                Some((0, 0, 1 << bits.next_multiple_of(2)))
            }
            Some(StartMap::Word(word)) => {
                return Err(self.user(format!(
                    "boot: map: '{word}' is neither 'image' nor addresses"
                )));
            }
            None => None,
        };
        let mut regs = Vec::new();
        for (name, value) in &boot.regs {
            let number = match value {
                StartValue::Number(n) => *n,
                StartValue::Word(word) => match word.as_str() {
                    "dtb" => dtb.map_or(0, |d| d.0),
                    "initrd" => initrd.map_or(0, |i| i.0),
                    "initrd-size" => initrd.map_or(0, |i| i.1),
                    "kernel" => payload.map_or(0, |p| p.0),
                    "map-size" => map.map_or(0, |m| m.2),
                    other => {
                        return Err(
                            self.user(format!("boot: regs: {name}: unknown word '{other}'"))
                        );
                    }
                },
            };
            regs.push((name.clone(), number));
        }
        Ok(CpuStart { pc, regs, map })
    }

    /// Nothing may overlap, and everything must be in memory.
    fn check(&self, machine: &Assembly) -> Result<(), BoardError> {
        let mut ranges: Vec<(u64, u64)> = self
            .out
            .blobs
            .iter()
            .filter(|(_, data)| !data.is_empty())
            .map(|(at, data)| (*at, at.saturating_add(data.len() as u64)))
            .collect();
        ranges.sort_unstable();
        for pair in ranges.windows(2) {
            if let [(a, end), (b, _)] = pair
                && end > b
            {
                let text = format!(
                    "images overlap: one at {a:#x} to {end:#x}, one at {b:#x} (try a larger -m)"
                );
                return Err(self.user(text));
            }
        }
        for (start, _) in ranges {
            if machine.space.memory(start).is_none() {
                return Err(self.user(format!("an image goes to {start:#x}, where no memory is")));
            }
        }
        Ok(())
    }
}

fn page(at: u64) -> u64 {
    align(at, 0x1000)
}

fn root_cells(table: &toml::Table) -> (i64, i64) {
    let cells = |key| {
        table
            .get(key)
            .and_then(toml::Value::as_integer)
            .unwrap_or(1)
    };
    (cells("#address-cells"), cells("#size-cells"))
}

fn wide(&(address, size): &(i64, i64), at: u64, len: u64) -> Value {
    let mut bytes = Vec::new();
    for (cells, number) in [(address, at), (size, len)] {
        let all = number.to_be_bytes();
        bytes.extend_from_slice(if cells == 2 { &all } else { &all[4..] });
    }
    Value::Bytes(bytes)
}

impl Loaded {
    /// Puts everything into memory.
    pub fn place(&self, machine: &Assembly) {
        for (at, data) in &self.blobs {
            // Checked when it was loaded.
            let _ = machine.space.load_bytes_at(*at, data);
        }
        if let Some(firmware) = &machine.firmware {
            for (key, bytes) in &self.items {
                firmware.set_item(*key, bytes.clone());
            }
        }
    }
}
