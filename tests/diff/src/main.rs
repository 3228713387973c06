//! Random instructions under emu and under another emulator, compared: registers, flags, memory, signals.
//!
//! `emu-diff GUEST [--ref COMMAND] [--emu PATH] [--cpu MODEL] [--set TABLE,...] [--modes MODE,...] [--seed N]
//! [--insns N] [--batch N] [--known FILE]`. Everything follows from the seed. README.md says how a guest is added.

#![forbid(unsafe_code)]

mod aarch64;
mod arm;
mod compare;
mod elf;
mod guest;
mod known;
mod pick;
mod ppc;
mod riscv;
mod rng;
mod run;

use compare::Counts;
use guest::{Case, Guest};
use known::Known;
use rng::Rng;
use run::{Batch, Emulator};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// An instruction set that can be tested.
struct Entry {
    name: &'static str,
    /// Makes it for a CPU model.
    make: fn(&str) -> Result<Box<dyn Guest>, String>,
}

const GUESTS: &[Entry] = &[
    Entry {
        name: "aarch64",
        make: |cpu| aarch64::new(cpu, false),
    },
    Entry {
        name: "aarch64_be",
        make: |cpu| aarch64::new(cpu, true),
    },
    Entry {
        name: "arm",
        make: |cpu| arm::new(cpu, false),
    },
    Entry {
        name: "armeb",
        make: |cpu| arm::new(cpu, true),
    },
    Entry {
        name: "ppc",
        make: |cpu| ppc::new(cpu, false, false),
    },
    Entry {
        name: "ppc64",
        make: |cpu| ppc::new(cpu, true, false),
    },
    Entry {
        name: "ppc64le",
        make: |cpu| ppc::new(cpu, true, true),
    },
    Entry {
        name: "riscv64",
        make: |cpu| riscv::new(cpu, 64),
    },
    Entry {
        name: "riscv32",
        make: |cpu| riscv::new(cpu, 32),
    },
];

/// A way to run emu.
struct Mode {
    name: &'static str,
    /// An environment variable that is set.
    env: Option<(&'static str, &'static str)>,
    option: Option<&'static str>,
}

const fn mode(
    name: &'static str,
    env: Option<(&'static str, &'static str)>,
    option: Option<&'static str>,
) -> Mode {
    Mode { name, env, option }
}

const MODES: &[Mode] = &[
    mode("jit", Some(("EMU_TEST", "verify_ir")), None),
    mode("sse", Some(("EMU_TEST", "baseline_host")), None),
    mode("interp", Some(("EMU_TEST", "interpreter")), None),
    mode("one", None, Some("-one-insn-per-tb")),
];

struct Options {
    guest: String,
    reference: Option<String>,
    emu: Option<PathBuf>,
    cpu: String,
    sets: Option<Vec<String>>,
    modes: Vec<String>,
    seed: u64,
    insns: u64,
    batch: usize,
    known: PathBuf,
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::to_owned).collect()
}

fn number(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("'{text}' is not a number"))
}

fn options() -> Result<Options, String> {
    let mut args = std::env::args().skip(1);
    let names: Vec<&str> = GUESTS.iter().map(|g| g.name).collect();
    let guest = args.next().ok_or(format!("which guest? {names:?}"))?;
    // The CPU models of ppc have no `max`.
    let cpu = match guest.as_str() {
        "ppc" => "7447a",
        "ppc64" | "ppc64le" => "power9",
        _ => "max",
    };
    let mut o = Options {
        known: Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("known/{guest}.txt")),
        guest,
        reference: None,
        emu: None,
        cpu: cpu.into(),
        sets: None,
        modes: vec!["jit".into()],
        seed: 1,
        insns: 20_000,
        batch: 1_000,
    };
    while let Some(word) = args.next() {
        let value = args.next().ok_or(format!("{word} needs a value"))?;
        match word.as_str() {
            "--ref" => o.reference = Some(value),
            "--emu" => o.emu = Some(value.into()),
            "--cpu" => o.cpu = value,
            "--set" => o.sets = Some(list(&value)),
            "--modes" => o.modes = list(&value),
            "--seed" => o.seed = number(&value)?,
            "--insns" => o.insns = number(&value)?,
            "--batch" => o.batch = number(&value)?.max(1) as usize,
            "--known" => o.known = value.into(),
            _ => return Err(format!("unknown option {word}")),
        }
    }
    Ok(o)
}

/// The reference and the ways to run emu.
fn emulators(o: &Options) -> Result<(Emulator, Vec<Emulator>), String> {
    let command = |words: &[&str]| -> Vec<String> {
        let head = ["timeout", "-k", "2", "20"];
        head.iter().chain(words).map(|w| (*w).to_owned()).collect()
    };
    let qemu = format!("qemu-{}", o.guest);
    let reference = o.reference.as_deref().unwrap_or(&qemu);
    let words: Vec<&str> = reference
        .split_whitespace()
        .chain(["-cpu", &o.cpu])
        .collect();
    let reference = Emulator {
        name: reference.to_owned(),
        command: command(&words),
        env: Vec::new(),
    };
    let here = std::env::current_exe().map_err(|e| e.to_string())?;
    let emu = o.emu.clone().unwrap_or_else(|| here.with_file_name("emu"));
    let emu = emu.to_str().ok_or("a path that is not text")?;
    let mut ours = Vec::new();
    for name in &o.modes {
        let mode = MODES
            .iter()
            .find(|m| m.name == name)
            .ok_or(format!("there is no mode {name}"))?;
        let head = [emu, &o.guest, "-cpu", &o.cpu];
        let words: Vec<&str> = head.iter().chain(&mode.option).copied().collect();
        ours.push(Emulator {
            name: name.clone(),
            command: command(&words),
            env: mode
                .env
                .iter()
                .map(|(k, v)| ((*k).into(), (*v).into()))
                .collect(),
        });
    }
    Ok((reference, ours))
}

/// So many cases of a batch that differ only behind others mean that the program around them was overwritten.
const SPOILT: usize = 3;

/// What ran.
#[derive(Default)]
struct Totals {
    cases: u64,
    insns: u64,
    /// Signals of the reference.
    signals: BTreeMap<u64, u64>,
    /// Names of rows that ran.
    ran: BTreeSet<(usize, &'static str)>,
    counts: BTreeMap<String, Counts>,
    /// Batches that an emulator did not finish.
    broken: u32,
    /// Cases that overwrote variables of the program around them.
    spoilt: u32,
}

struct Session<'a> {
    guest: &'a dyn Guest,
    reference: Emulator,
    ours: Vec<Emulator>,
    known: Vec<Known>,
    cpu: String,
    folder: PathBuf,
    totals: Totals,
}

impl Session<'_> {
    /// Tallies a batch as the reference ran it.
    fn tally(&mut self, cases: &[Case], want: &[Vec<u8>]) {
        let signal = self.guest.compared().iter().find(|f| f.name == "signal");
        for (case, record) in cases.iter().zip(want) {
            self.totals.cases += 1;
            self.totals.insns += case.pieces.len() as u64;
            let all = case.pieces.iter().map(|p| (p.table, p.row.name));
            self.totals.ran.extend(all);
            if let Some(f) = signal {
                let n = compare::value(record, f, self.guest.machine().big);
                *self.totals.signals.entry(n).or_default() += 1;
            }
        }
    }

    fn batch(&mut self, mut cases: &[Case]) -> Result<(), Error> {
        while !cases.is_empty() {
            let done = self.run(cases)?;
            cases = cases.get(done..).unwrap_or_default();
        }
        Ok(())
    }

    /// Runs cases in one process for each emulator; gives how many count. A case that overwrites the runtime's own
    /// variables spoils what follows it: that has to run again, without it.
    fn run(&mut self, cases: &[Case]) -> Result<usize, Error> {
        let batch = Batch::new(self.guest, cases, &self.folder)?;
        let (want, mut why) = batch.run(&self.reference)?;
        let mut ends = vec![(self.reference.name.clone(), want.len(), why.clone())];
        let apart = self.folder.join("shrink");
        std::fs::create_dir_all(&apart)?;
        let mut all = Vec::new();
        let mut cut = cases.len();
        for ours in self.ours.clone() {
            let got;
            (got, why) = batch.run(&ours)?;
            ends.push((ours.name.clone(), got.len(), why));
            let pairs = cases.iter().zip(&want).zip(&got).enumerate();
            let failing: Vec<compare::Failing> = pairs
                .map(|(index, ((case, want), got))| compare::Failing {
                    index,
                    case,
                    want,
                    differences: compare::differences(self.guest, want, got),
                })
                .filter(|f| !f.differences.is_empty())
                .collect();
            let found = compare::shrink(self.guest, &failing, &self.reference, &ours, &apart)?;
            let known = |f: &compare::Finding| {
                compare::reason(self.guest, f, &self.known, &self.cpu).is_some()
            };
            let behind = |f: &&compare::Finding| !f.alone && f.index > 0 && !known(f);
            if found.iter().filter(behind).count() >= SPOILT {
                cut = cut.min(found.iter().find(behind).map_or(cut, |f| f.index));
            }
            all.push((ours, found));
        }
        self.totals.spoilt += u32::from(cut < cases.len());
        for (name, done, why) in ends
            .iter()
            .filter(|e| !e.2.is_empty() && cut == cases.len())
        {
            println!("{name}: {why}");
            self.broken_at(cases, *done);
        }
        self.tally(&cases[..cut], &want);
        for (ours, found) in all {
            self.count(cases, &ours, found.into_iter().filter(|f| f.index < cut))?;
        }
        Ok(cut)
    }

    fn count(
        &mut self,
        cases: &[Case],
        ours: &Emulator,
        found: impl Iterator<Item = compare::Finding>,
    ) -> Result<(), Error> {
        let counts = self.totals.counts.entry(ours.name.clone()).or_default();
        let apart = self.folder.join("shrink");
        for mut f in found {
            let known = compare::reason(self.guest, &f, &self.known, &self.cpu);
            if compare::astray(self.guest, &f.differences) {
                counts.astray += 1;
                continue;
            }
            if known.is_none() && f.alone {
                let reference = &self.reference;
                f.alone = compare::differs_alone(self.guest, &f.case, reference, ours, &apart)?;
            }
            if counts.add(&f, known) {
                compare::report(self.guest, &f, cases, ours);
            }
        }
        Ok(())
    }

    /// Shows the case that an emulator did not survive.
    fn broken_at(&mut self, cases: &[Case], done: usize) {
        self.totals.broken += 1;
        if let Some(case) = cases.get(done) {
            for line in self.guest.text(case, 0) {
                println!("    {line}");
            }
        }
    }

    /// Prints the totals; true if all is well.
    fn close(&self, tables: &[usize]) -> bool {
        let t = &self.totals;
        println!(
            "{} instructions in {} cases; signals of the reference {:?}",
            t.insns, t.cases, t.signals
        );
        for (i, table) in self.guest.tables().iter().enumerate() {
            let (rows, ran) = (table.rows, &t.ran);
            let missing: Vec<&str> = rows
                .iter()
                .filter(|r| !table.skips(r) && !ran.contains(&(i, r.name)))
                .map(|r| r.name)
                .collect();
            if tables.contains(&i) && !missing.is_empty() {
                println!("{}: rows that never ran: {missing:?}", table.name);
            }
        }
        if t.spoilt != 0 {
            println!("cases that overwrote the runtime: {}", t.spoilt);
        }
        let mut good = t.broken == 0;
        for (name, c) in &t.counts {
            println!("{name}: unexplained {:?}", c.unexplained);
            println!("{name}: only behind other cases {:?}", c.behind);
            println!("{name}: accesses outside of the program: {}", c.astray);
            for (reason, n) in &c.explained {
                println!("{name}: known, {n} times: {reason}");
            }
            good &= c.unexplained.is_empty();
        }
        good
    }
}

fn chosen(guest: &dyn Guest, o: &Options) -> Result<Vec<usize>, String> {
    let tables = guest.tables();
    let Some(names) = &o.sets else {
        return Ok((0..tables.len()).collect());
    };
    let index = |name: &String| {
        let found = tables.iter().position(|t| t.name == name);
        found.ok_or(format!("there is no table {name}"))
    };
    names.iter().map(index).collect()
}

fn test() -> Result<bool, String> {
    let o = options()?;
    let make = GUESTS
        .iter()
        .find(|g| g.name == o.guest)
        .ok_or(format!("there is no guest {}", o.guest))?;
    let guest = (make.make)(&o.cpu)?;
    let tables = chosen(guest.as_ref(), &o)?;
    let (reference, ours) = emulators(&o)?;
    let known = match std::fs::read_to_string(&o.known) {
        Ok(text) => known::parse(&text)?,
        Err(_) => Vec::new(),
    };
    let folder = std::env::temp_dir().join(format!("emu-diff-{}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
    let mut s = Session {
        guest: guest.as_ref(),
        reference,
        ours,
        known,
        cpu: o.cpu.clone(),
        folder: folder.clone(),
        totals: Totals::default(),
    };
    let mut seed = o.seed << 32;
    let mut result = Ok(());
    while s.totals.insns < o.insns && result.is_ok() && s.totals.broken < 8 {
        // Every batch has a seed of its own.
        let mut rng = Rng::new(seed);
        let table = tables[seed as usize % tables.len()];
        let mut cases = Vec::new();
        while cases.len() < o.batch {
            cases.extend(s.guest.case(&mut rng, table));
        }
        seed += 1;
        result = s.batch(&cases);
    }
    if std::env::var_os("EMU_DIFF_KEEP").is_none() {
        let _ = std::fs::remove_dir_all(&folder);
    }
    result.map_err(|e| e.to_string())?;
    Ok(s.close(&tables))
}

fn main() -> ExitCode {
    match test() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("emu-diff: {why}");
            ExitCode::from(2)
        }
    }
}
