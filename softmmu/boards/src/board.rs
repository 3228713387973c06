//! The board file: what it may say, where errors in it are, and the boards that are built in.

use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Value};

use crate::tree;

/// A board.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Board {
    /// For `-M`.
    pub name: String,
    /// One line.
    pub title: String,
    /// Instruction set: the word in `emu-system-WORD`.
    pub isa: String,
    /// The CPU model that it has if nobody asks for another.
    pub cpu: String,
    /// All models that fit; empty: all of the instruction set's.
    #[serde(default)]
    pub cpus: Vec<String>,
    /// The most CPUs.
    #[serde(default = "one")]
    pub max_cpus: u32,
    /// Frequency of the CPUs' time base.
    #[serde(default)]
    pub clock_hz: u64,
    /// The network card of `-nic` without a model.
    pub nic: Option<String>,
    /// What `-M NAME,OPTION=VALUE` may choose.
    #[serde(default)]
    pub options: BTreeMap<String, BoardOption>,
    /// Buses of `-drive if=ide`, two drives on each.
    #[serde(default)]
    pub ide: Vec<String>,
    /// The device that keeps its contents in the disk of `-drive if=mtd`, by its property `drive`.
    pub mtd: Option<String>,
    /// What firmware is told.
    #[serde(default)]
    pub fw_cfg: Vec<Spanned<FirmwareItem>>,
    /// Memory.
    pub memory: Memory,
    /// How it starts.
    pub boot: Boot,
    /// Devices, those that others are connected to first.
    #[serde(default, rename = "device")]
    pub devices: Vec<Spanned<DeviceRow>>,
    /// Nodes of the CPUs in the device tree.
    pub cpu_nodes: Option<CpuNodes>,
    /// The device tree; none: the machine has none but that of `-dtb`.
    pub tree: Option<Spanned<toml::Table>>,
}

/// A choice.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct BoardOption {
    /// What it may be; the first is what it is if nobody says.
    pub values: Vec<String>,
    /// One line.
    pub help: String,
}

/// Something that firmware is told by number.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FirmwareItem {
    /// Its number.
    pub key: u16,
    /// 16, 32 or 64 (little-endian).
    pub bits: u32,
    /// A number, or what boot knows by name.
    pub value: StartValue,
    /// Options that must have one of these values.
    #[serde(default)]
    pub when: When,
}

/// Options and the values of each that are meant.
pub type When = BTreeMap<String, Vec<String>>;

impl Board {
    /// Whether options have the values that are meant.
    pub fn applies(&self, when: &When, given: &BTreeMap<String, String>) -> bool {
        when.iter().all(|(option, values)| {
            let default = self.options.get(option).and_then(|o| o.values.first());
            given
                .get(option)
                .or(default)
                .is_some_and(|v| values.contains(v))
        })
    }
}

fn one() -> u32 {
    1
}

/// Main memory.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Memory {
    /// Size without `-m`, with a suffix.
    pub default: String,
    /// The most.
    pub max: Option<String>,
    /// Address.
    #[serde(default)]
    pub at: u64,
}

/// A value of a register, or of part of the start.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum StartValue {
    /// As it is.
    Number(u64),
    /// `dtb`, `initrd`, `initrd-size`, `kernel`, `map-size`; for firmware also `kernel-size`,
    /// `cmdline`, `ram-size`, `cpus`, `max-cpus`, `boot-device`, `no-graphic`, `width`, `height`,
    /// `depth`.
    Word(String),
}

/// How the machine starts.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Boot {
    /// Where a raw kernel goes.
    pub raw_at: Option<u64>,
    /// Where a raw firmware image ends or starts.
    pub firmware_at: Option<u64>,
    /// Where the kernel goes, as a file, if there is firmware.
    pub payload_at: Option<u64>,
    /// Where the kernel goes, taken apart, if there is firmware.
    pub kernel_base: Option<u64>,
    /// The firmware if nobody gives another.
    pub firmware: Option<String>,
    /// The Debian package that it is in.
    pub firmware_package: Option<String>,
    /// Where the CPU starts, whatever firmware's file says.
    pub start: Option<u64>,
    /// Bytes between the end of the image and the device tree.
    #[serde(default)]
    pub dtb_gap: u64,
    /// Bytes between the end of the image and the initial RAM disk.
    #[serde(default)]
    pub initrd_gap: u64,
    /// What the MMU has mapped at the start.
    pub map: Option<StartMap>,
    /// Registers at the start.
    #[serde(default)]
    pub regs: BTreeMap<String, StartValue>,
}

/// The mapping at the start.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum StartMap {
    /// `image`: from 0 to the end of everything that was loaded, a power of four.
    Word(String),
    /// Virtual and physical address, bytes.
    Fixed([u64; 3]),
}

/// A device of the board.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DeviceRow {
    /// Its name.
    pub id: String,
    /// Its class.
    pub class: Spanned<String>,
    /// Address or addresses of its registers.
    #[serde(default)]
    pub at: Addresses,
    /// The device whose bus it is on.
    pub on: Option<Spanned<String>>,
    /// Where its interrupt outputs lead: `DEVICE:INPUT`, `cpu*:INPUT` (each to its CPU), `reset`,
    /// `power-off`.
    #[serde(default)]
    pub wires: BTreeMap<Spanned<String>, Spanned<OneOrMore>>,
    /// It is the serial port of the `n`th `-serial`; or which of its ports (properties) are.
    #[serde(default)]
    pub serial: Serials,
    /// Options of the board that must have one of these values; otherwise the device is not there.
    #[serde(default)]
    pub when: When,
    /// Number of its first device control register.
    pub dcr: Option<u32>,
    /// Its properties.
    #[serde(default)]
    pub props: BTreeMap<Spanned<String>, Spanned<Value>>,
}

/// Serial ports of a device.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(untagged)]
pub enum Serials {
    /// None.
    #[default]
    None,
    /// One: its property `chardev`.
    One(u32),
    /// Several, by property.
    More(BTreeMap<String, u32>),
}

impl Serials {
    /// Properties and numbers.
    pub fn list(&self) -> Vec<(&str, u32)> {
        match self {
            Serials::None => Vec::new(),
            Serials::One(n) => vec![("chardev", *n)],
            Serials::More(all) => all.iter().map(|(p, n)| (p.as_str(), *n)).collect(),
        }
    }
}

/// Addresses.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(untagged)]
pub enum Addresses {
    /// None.
    #[default]
    None,
    /// One.
    One(u64),
    /// Several, in the class's order.
    More(Vec<u64>),
}

impl Addresses {
    /// All of them.
    pub fn list(&self) -> Vec<u64> {
        match self {
            Addresses::None => Vec::new(),
            Addresses::One(at) => vec![*at],
            Addresses::More(all) => all.clone(),
        }
    }
}

/// One word or several.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum OneOrMore {
    /// One.
    One(String),
    /// Several.
    More(Vec<String>),
}

impl OneOrMore {
    /// The `n`th; if there is only one, it is the 0th.
    pub fn get(&self, n: usize) -> Option<&str> {
        match self {
            OneOrMore::One(word) if n == 0 || word.starts_with("cpu*") => Some(word),
            OneOrMore::One(_) => None,
            OneOrMore::More(words) => words.get(n).map(String::as_str),
        }
    }
}

/// The CPUs in the device tree.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CpuNodes {
    /// Name of a node; `{n}` is the number.
    pub name: String,
    /// Address of the spin table, 32 bytes for each, where others than the first wait.
    pub spin_table: Option<u64>,
    /// Properties of each.
    #[serde(default)]
    pub props: toml::Table,
}

/// What is wrong with a board, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}{}: {text}", line.map(|l| format!(":{l}")).unwrap_or_default())]
pub struct BoardError {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: Option<usize>,
    /// What is wrong.
    pub text: String,
}

/// A board with its text, for error messages.
#[derive(Clone, Debug)]
pub struct Source {
    /// Name of the file.
    pub file: String,
    text: String,
    /// The board.
    pub board: Board,
}

/// What [`StartValue::Word`] may be.
const START_WORDS: &[&str] = &["dtb", "initrd", "initrd-size", "kernel", "map-size"];

/// Words that stand for numbers that firmware is told.
const FIRMWARE_WORDS: &[&str] = &[
    "ram-size",
    "cpus",
    "max-cpus",
    "kernel",
    "kernel-size",
    "initrd",
    "initrd-size",
    "cmdline",
    "boot-device",
    "no-graphic",
    "width",
    "height",
    "depth",
];

const BUILT_IN: &[(&str, &str)] = &[
    ("ppc/ppce500.toml", include_str!("../ppc/ppce500.toml")),
    ("ppc/g3beige.toml", include_str!("../ppc/g3beige.toml")),
    ("ppc/mac99.toml", include_str!("../ppc/mac99.toml")),
    ("ppc/mpc8544ds.toml", include_str!("../ppc/mpc8544ds.toml")),
    ("ppc/bamboo.toml", include_str!("../ppc/bamboo.toml")),
    ("ppc/sam460ex.toml", include_str!("../ppc/sam460ex.toml")),
];

fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().iter().take(offset);
    1 + before.filter(|b| **b == b'\n').count()
}

impl Source {
    /// Reads a board file's text.
    pub fn parse(file: &str, text: &str) -> Result<Source, BoardError> {
        let board: Board = toml::from_str(text).map_err(|e| {
            // The message may go on with what was expected, on lines of its own.
            let message = e.message().replace('\n', "; ");
            BoardError {
                file: file.to_owned(),
                line: e.span().map(|s| line_of(text, s.start)),
                text: key_at(text, e.span()).map_or(message.clone(), |k| format!("{k}: {message}")),
            }
        })?;
        let source = Source {
            file: file.to_owned(),
            text: text.to_owned(),
            board,
        };
        source.check()?;
        Ok(source)
    }

    /// An error at a place in the file.
    pub fn error(&self, at: std::ops::Range<usize>, text: impl Into<String>) -> BoardError {
        let line = Some(line_of(&self.text, at.start));
        BoardError {
            file: self.file.clone(),
            line,
            text: text.into(),
        }
    }

    fn check(&self) -> Result<(), BoardError> {
        let mut ids = BTreeSet::new();
        for row in &self.board.devices {
            let id = &row.get_ref().id;
            // Of devices that are there under conditions, one is.
            if !ids.insert(id) && row.get_ref().when.is_empty() {
                return Err(self.error(row.span(), format!("id: there are two devices '{id}'")));
            }
        }
        for item in &self.board.fw_cfg {
            let value = &item.get_ref().value;
            let known = match value {
                StartValue::Number(_) => true,
                StartValue::Word(word) => FIRMWARE_WORDS.contains(&word.as_str()),
            };
            if !known || ![16, 32, 64].contains(&item.get_ref().bits) {
                let text = format!(
                    "fw-cfg: bits are 16, 32 or 64, value a number or one of {}",
                    FIRMWARE_WORDS.join(", ")
                );
                return Err(self.error(item.span(), text));
            }
        }
        self.check_words()
    }

    /// Words that only mean something when the machine is started: registers' values, references
    /// in the device tree.
    fn check_words(&self) -> Result<(), BoardError> {
        for (name, value) in &self.board.boot.regs {
            if let StartValue::Word(word) = value
                && !START_WORDS.contains(&word.as_str())
            {
                let hint = softmmu_opts::hint(word, START_WORDS.iter().copied());
                let text = format!("regs: {name}: unknown word '{word}'{hint}");
                return Err(self.error(self.place_of(word), text));
            }
        }
        let tree = self.board.tree.iter().map(|t| (&["tree"][..], t.get_ref()));
        let nodes = self.board.cpu_nodes.iter();
        let nodes = nodes.map(|n| (&["cpu-nodes", "props"][..], &n.props));
        let tables: Vec<_> = tree.chain(nodes).collect();
        for (way, table) in &tables {
            if let Err(fault) = tree::node(table) {
                let inner = fault.0.iter().map(String::as_str);
                let at = self.span_of(way.iter().copied().chain(inner));
                return Err(self.error(at, format!("tree: {}", tree::show(&fault))));
            }
        }
        let tables = tables.into_iter().map(|(_, table)| table);
        let (mut labels, mut used) = (BTreeSet::new(), Vec::new());
        tables.for_each(|table| references(table, &mut labels, &mut used));
        for (key, label) in used {
            if !labels.contains(label) {
                let hint = softmmu_opts::hint(label, labels.iter().copied());
                let text = format!("{key}: no node is labelled '{label}'{hint}");
                return Err(self.error(self.place_of(&format!("&{label}")), text));
            }
        }
        Ok(())
    }

    /// Whether options of a command line are the board's.
    pub fn check_options(&self, given: &BTreeMap<String, String>) -> Result<(), BoardError> {
        let fail = |text: String| BoardError {
            file: self.board.name.clone(),
            line: None,
            text,
        };
        for (name, value) in given {
            let known = self.board.options.keys().map(String::as_str);
            let Some(option) = self.board.options.get(name) else {
                let hint = softmmu_opts::hint(name, known);
                return Err(fail(format!("there is no option '{name}'{hint}")));
            };
            if !option.values.contains(value) {
                let values = option.values.join(", ");
                return Err(fail(format!("{name}={value}: expected one of {values}")));
            }
        }
        Ok(())
    }

    /// Where a text stands in the file, in quotes.
    fn place_of(&self, text: &str) -> std::ops::Range<usize> {
        let quoted = |q: char| self.text.find(&format!("{q}{text}{q}"));
        let at = quoted('"').or_else(|| quoted('\'')).unwrap_or(0);
        at..at
    }

    /// Where a key stands, by the tables on the way to it.
    fn span_of<'a>(&self, way: impl Iterator<Item = &'a str>) -> std::ops::Range<usize> {
        let Ok(root) = DeTable::parse(&self.text) else {
            return 0..0;
        };
        let (mut table, mut at) = (root.get_ref(), 0..0);
        for key in way {
            let Some((found, value)) = table.iter().find(|(k, _)| k.get_ref() == key) else {
                break;
            };
            at = found.span();
            match value.get_ref() {
                DeValue::Table(inner) => table = inner,
                _ => break,
            }
        }
        at
    }

    /// For `-M NAME,help`.
    pub fn describe(&self) -> String {
        let board = &self.board;
        let max = board.memory.max.as_deref();
        let max = max.map_or(String::new(), |m| format!(", at most {m}"));
        let others = match board.cpus.as_slice() {
            [] => "any".to_owned(),
            all => all.join(" "),
        };
        let classes: BTreeSet<&str> = board
            .devices
            .iter()
            .map(|d| d.get_ref().class.get_ref().as_str())
            .collect();
        let classes: Vec<&str> = classes.into_iter().collect();
        let options: String = board
            .options
            .iter()
            .map(|(name, o)| {
                let head = format!("  {name}={}", o.values.join("|"));
                format!("{head:<28} - {}\n", o.help)
            })
            .collect();
        format!(
            "{}: {}\n  CPU: {} ({others}), at most {}\n  memory: {}{max}\n  network card: {}\n  \
             devices: {}\n{} options:\n  dumpdtb=FILE               - writes the device tree and ends\n{options}",
            board.name,
            board.title,
            board.cpu,
            board.max_cpus,
            board.memory.default,
            board.nic.as_deref().unwrap_or("none"),
            classes.join(" "),
            board.name,
        )
    }

    /// The board that `-M` names: one that is built in for this instruction set, or a file.
    pub fn find(isa: &str, name: &str) -> Result<Source, BoardError> {
        if name.contains('/') || name.ends_with(".toml") {
            let path = Path::new(name);
            let text = std::fs::read_to_string(path).map_err(|e| BoardError {
                file: name.to_owned(),
                line: None,
                text: e.to_string(),
            })?;
            return Source::parse(name, &text);
        }
        let all = Source::built_in(isa)?;
        let names: Vec<String> = all.iter().map(|s| s.board.name.clone()).collect();
        all.into_iter()
            .find(|s| s.board.name == name)
            .ok_or_else(|| {
                let hint = softmmu_opts::hint(name, names.iter().map(String::as_str));
                let text = format!("there is no such board{hint} (-M help lists them)");
                BoardError {
                    file: name.to_owned(),
                    line: None,
                    text,
                }
            })
    }

    /// All built-in boards of an instruction set.
    pub fn built_in(isa: &str) -> Result<Vec<Source>, BoardError> {
        let all = BUILT_IN
            .iter()
            .map(|(file, text)| Source::parse(file, text));
        let all: Result<Vec<Source>, BoardError> = all.collect();
        Ok(all?.into_iter().filter(|s| s.board.isa == isa).collect())
    }
}

/// Labels of nodes, and what refers to which.
fn references<'a>(
    table: &'a toml::Table,
    labels: &mut BTreeSet<&'a str>,
    used: &mut Vec<(&'a str, &'a str)>,
) {
    for (key, value) in table {
        match value {
            Value::Table(inner) => references(inner, labels, used),
            Value::String(label) if key == "$label" => drop(labels.insert(label)),
            Value::Array(items) => used.extend(
                items
                    .iter()
                    .filter_map(|i| Some((key.as_str(), i.as_str()?.strip_prefix('&')?))),
            ),
            _ => used.extend(
                value
                    .as_str()
                    .and_then(|s| s.strip_prefix('&'))
                    .map(|label| (key.as_str(), label)),
            ),
        }
    }
}

/// The key on the line of an error, if the message would not show it.
fn key_at(text: &str, span: Option<std::ops::Range<usize>>) -> Option<String> {
    let start = span?.start;
    let line = text.get(..start)?.rfind('\n').map_or(0, |n| n + 1);
    let line = text.get(line..)?.lines().next()?;
    let (key, _) = line.split_once('=')?;
    Some(key.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_board_is_well_formed() {
        for (file, text) in BUILT_IN {
            let source = Source::parse(file, text).expect(file);
            assert!(file.ends_with(&format!("{}/{}.toml", source.board.isa, source.board.name)));
        }
        assert!(Source::built_in("ppc").unwrap().len() >= 2);
    }

    #[test]
    fn errors_name_file_line_and_key() {
        let good = "name = 'x'\ntitle = 'x'\nisa = 'ppc'\ncpu = 'e500v2'\n[memory]\ndefault = '1M'\n[boot]\n";
        assert!(Source::parse("x.toml", good).is_ok());
        let broken = [
            ("nmae = 'x'\n", 1, "nmae"),
            (&good.replace("'1M'", "1"), 6, "default"),
            (&good.replace("cpu = 'e500v2'", "cpu = "), 4, "cpu"),
            (
                &format!("{good}[[device]]\nid = 'a'\nclass = 'b'\nat = 'c'\n"),
                11,
                "at",
            ),
            (&format!("{good}[[device]]\nid = 'a'\n"), 8, "class"),
            (
                &format!("{good}[[device]]\nid = 'a'\nclass = 'b'\nirq = 1\n"),
                11,
                "irq",
            ),
        ];
        for (text, line, key) in broken {
            let error = Source::parse("x.toml", text).unwrap_err();
            let shown = error.to_string();
            assert_eq!(error.line, Some(line), "{shown}");
            assert!(
                shown.starts_with(&format!("x.toml:{line}: ")) && shown.contains(key),
                "{shown}"
            );
        }
        let error = Source::find("ppc", "ppce50").unwrap_err().to_string();
        assert!(error.contains("did you mean 'ppce500'?"), "{error}");
    }
}
