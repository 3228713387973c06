//! Machines of built-in boards, and what is wrong with broken ones.

use super::*;
use crate::boot::{Images, load};
use softmmu_core::block::BlockBackend;
use softmmu_core::chardev::CharBackend;
use softmmu_core::clock::RtcClock;
use softmmu_core::net::NetBackend;

struct Nothing;
impl Backends for Nothing {
    fn block(&self, name: &str) -> Result<Arc<dyn BlockBackend>, String> {
        Err(format!("no {name}"))
    }
    fn net(&self, name: &str) -> Result<Arc<dyn NetBackend>, String> {
        Err(format!("no {name}"))
    }
    fn chardev(&self, name: &str) -> Result<Arc<dyn CharBackend>, String> {
        Err(format!("no {name}"))
    }
}

fn wanted(devices: &[(&str, &[(&str, &str)])]) -> Wanted {
    let own = |(k, v): &(&str, &str)| ((*k).to_owned(), (*v).to_owned());
    Wanted {
        ram: 64 << 20,
        cpus: 2,
        endian: Endian::Big,
        options: BTreeMap::new(),
        firmware_env: Vec::new(),
        seed: None,
        devices: devices
            .iter()
            .map(|(c, p)| ((*c).to_owned(), p.iter().map(own).collect()))
            .collect(),
    }
}

fn make(source: &Source, wanted: &Wanted) -> Result<Assembly, BoardError> {
    let clock = Arc::new(Clock::new(RtcClock::Virtual, None));
    assemble(source, wanted, clock, Arc::new(Nothing))
}

#[test]
fn every_board_comes_up_and_its_state_goes_round() {
    for source in Source::built_in("ppc").unwrap() {
        let rng: &[(&str, &[(&str, &str)])] = &[("virtio-rng-pci", &[("addr", "3")])];
        let mut wanted_here = wanted(rng);
        wanted_here.cpus = source.board.max_cpus.min(2);
        let machine = make(&source, &wanted_here).unwrap();
        machine.reset();
        let state: BTreeMap<_, _> = machine.save().into_iter().collect();
        let board = &source.board;
        let there =
            |r: &&toml::Spanned<DeviceRow>| board.applies(&r.get_ref().when, &BTreeMap::new());
        assert_eq!(state.len(), board.devices.iter().filter(there).count() + 1);
        machine.load(&state).unwrap();
        assert_eq!(state, machine.save().into_iter().collect());
        assert!(machine.describe().contains("virtio-rng-pci"));
        let tree = load(&source, &machine, &wanted(&[]), &Images::default()).unwrap();
        assert!(tree.start.is_none(), "nothing to start without an image");
    }
}

#[test]
fn every_option_of_every_board_can_be_chosen() {
    for source in Source::built_in("ppc").unwrap() {
        for (name, option) in &source.board.options {
            for value in &option.values {
                let mut wanted = wanted(&[]);
                wanted.options.insert(name.clone(), value.clone());
                make(&source, &wanted).unwrap();
            }
            let mut wanted = wanted(&[]);
            wanted.options.insert(name.clone(), "nonsense".into());
            let error = make(&source, &wanted).err().unwrap().to_string();
            assert!(error.contains("expected one of"), "{error}");
        }
    }
}

#[test]
fn wrong_devices_are_named() {
    let source = Source::find("ppc", "ppce500").unwrap();
    type Words = &'static [(&'static str, &'static str)];
    let cases: &[(&str, Words, &str)] = &[
        ("virtio-blk-pcii", &[], "did you mean 'virtio-blk-pci'?"),
        (
            "virtio-rng-pci",
            &[("vectorss", "1")],
            "did you mean 'vectors'?",
        ),
        ("virtio-rng-pci", &[("bus", "x")], "no bus 'x'"),
        ("virtio-rng-pci", &[("addr", "40")], "addr=40"),
        ("virtio-rng-pci", &[("addr", "0")], "is taken"),
        ("virtio-blk-pci", &[], "needs a disk"),
        ("fsl-mpic", &[], "only a board file"),
    ];
    for (class, props, text) in cases {
        let shown = make(&source, &wanted(&[(class, props)]))
            .err()
            .expect(class)
            .to_string();
        assert!(shown.contains(text), "{shown}");
    }
}

#[test]
fn wrong_board_files_are_explained() {
    let text = include_str!("../ppc/ppce500.toml");
    let cases = [
        (
            "class = \"fsl-mpic\"",
            "class = \"fsl-mpicc\"",
            "did you mean 'fsl-mpic'?",
        ),
        (
            "props = { proxy = true }",
            "props = { proxi = true }",
            "did you mean 'proxy'?",
        ),
        (
            "int = \"cpu*:0\"",
            "int = \"cpu*\"",
            "expected DEVICE:INPUT",
        ),
        (
            "irq = \"mpic:42\"",
            "irq = \"mpicc:42\"",
            "did you mean 'mpic'?",
        ),
        (
            "irq = \"mpic:42\"",
            "irqq = \"mpic:42\"",
            "no output 'irqq'",
        ),
        ("on = \"i2c\"", "on = \"i2d\"", "makes a bus"),
        (
            "props = { address = 0x68 }",
            "props = { address = 0x100 }",
            "expected a number up to 127",
        ),
        ("id = \"serial1\"", "id = \"serial0\"", "two devices"),
        ("at = 0xf_e00e_0000\n", "", "needs an address"),
    ];
    for (good, bad, expected) in cases {
        let broken = text.replacen(good, bad, 1);
        let shown = Source::parse("my.toml", &broken)
            .and_then(|s| make(&s, &wanted(&[])))
            .err()
            .expect(bad)
            .to_string();
        assert!(
            shown.starts_with("my.toml:") && shown.contains(expected),
            "{shown}"
        );
    }
}

#[test]
fn the_example_of_a_board_file_is_a_machine() {
    let text = include_str!("../examples/e500-led.toml");
    let source = Source::parse("e500-led.toml", text).unwrap();
    let mut wanted = wanted(&[]);
    wanted.cpus = 1;
    let machine = make(&source, &wanted).unwrap();
    machine.reset();
    let light = || machine.describe().contains("green light on");
    assert!(!light());
    for register in [0, 8] {
        let pin_1 = 0x4000_0000_u32.swap_bytes();
        tcg_mem::Bus::write(&*machine.space, 0xd00f_f000 + register, 4, pin_1.into()).unwrap();
    }
    assert!(light() && source.describe().contains("e500v2"));
    let tree = load(&source, &machine, &wanted, &Images::default()).unwrap();
    assert!(tree.dtb.is_some());
}

#[test]
fn words_without_a_meaning_are_found_in_the_file() {
    let text = include_str!("../examples/e500-led.toml");
    for (good, bad, line, expected) in [
        (
            "\"map-size\"",
            "\"map-sice\"",
            24,
            "did you mean 'map-size'?",
        ),
        ("\"&gpio\"", "\"&gpi\"", 176, "did you mean 'gpio'?"),
    ] {
        let error = Source::parse("x.toml", &text.replace(good, bad)).unwrap_err();
        assert!(error.line.is_some_and(|l| l.abs_diff(line) < 20), "{error}");
        assert!(error.text.contains(expected), "{error}");
    }
}
