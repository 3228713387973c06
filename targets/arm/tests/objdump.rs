//! Random instructions of every table, disassembled by us and by GNU objdump.
//!
//! Known differences are in `objdump-differences.txt`, each with its reason. Without objdump the
//! test prints why it is skipped; with `EMU_REQUIRE_TOOLS=1` it fails.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;
use target_arm::decode::{FeatureSet, a32, neon, t16, t32, vfp};
use target_arm::disasm::{Context, disassemble_a32, disassemble_t16, disassemble_t32};
use tcg_decode::rt::{self, RowInfo, Rows};

const OBJDUMP: &str = "arm-linux-gnueabihf-objdump";
/// Instructions per table, spread over its rows.
const COUNT: usize = 120_000;

struct Space {
    name: &'static str,
    rows: &'static Rows,
    thumb: bool,
    find: fn(u32) -> Option<u16>,
    text: fn(u32, Context) -> Option<String>,
}

const A32: Space = Space {
    name: "a32",
    rows: &a32::ROWS,
    thumb: false,
    find: |insn| a32::find(FeatureSet::ALL, insn),
    text: disassemble_a32,
};
const T16: Space = Space {
    name: "t16",
    rows: &t16::ROWS,
    thumb: true,
    find: |insn| t16::find(FeatureSet::ALL, insn),
    text: |insn, context| disassemble_t16(insn as u16, context),
};
const T32: Space = Space {
    name: "t32",
    rows: &t32::ROWS,
    thumb: true,
    find: |insn| t32::find(FeatureSet::ALL, insn),
    text: disassemble_t32,
};

const VFP: Space = Space {
    name: "vfp",
    rows: &vfp::ROWS,
    thumb: false,
    find: |insn| vfp::find(FeatureSet::ALL, insn),
    text: disassemble_a32,
};
/// In A32 form; T32's differs in bits that the table does not have.
const NEON: Space = Space {
    name: "neon",
    rows: &neon::ROWS,
    thumb: false,
    find: |insn| neon::find(FeatureSet::ALL, insn),
    text: disassemble_a32,
};

/// xorshift64*: small, and the same on every run.
fn rng(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed | 1;
    move || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

/// One instruction: its bits and its row.
type Sample = (u32, &'static RowInfo);

fn samples(space: &Space) -> Vec<Sample> {
    let mut next = rng(0x5eed);
    let mut out = Vec::new();
    let each = COUNT.div_ceil(space.rows.len());
    for (index, row) in space.rows.iter().enumerate() {
        // An IT instruction would make those after it conditional.
        if row.name == "it" {
            continue;
        }
        for i in 0..each {
            // objdump knows what other coprocessors once were.
            let coprocessor = if i % 2 == 0 { 7 } else { 14 };
            let decodes = |insn: u64| (space.find)(insn as u32) == Some(index as u16);
            let insn = rt::random_insn(row, &mut next, &[("coproc", coprocessor)], &decodes);
            let insn = insn.unwrap_or_else(|| {
                panic!("{}: no random instruction for {}", space.name, row.name)
            });
            out.push((insn as u32, row));
        }
    }
    out
}

/// Text of each instruction by address, from objdump; `None` when there is no objdump.
fn objdump(space: &Space, what: &str, words: &[(u32, u32)]) -> Option<BTreeMap<u32, String>> {
    let mut bytes = Vec::new();
    for (insn, width) in words {
        match (space.thumb, width) {
            (true, 32) => {
                bytes.extend(((insn >> 16) as u16).to_le_bytes());
                bytes.extend((*insn as u16).to_le_bytes());
            }
            (true, _) => bytes.extend((*insn as u16).to_le_bytes()),
            _ => bytes.extend(insn.to_le_bytes()),
        }
    }
    let path = std::env::temp_dir().join(format!(
        "emu-objdump-{}-{what}-{}.bin",
        space.name,
        std::process::id()
    ));
    std::fs::write(&path, bytes).expect("write the instructions");
    let mode: &[&str] = if space.thumb {
        &["-M", "force-thumb"]
    } else {
        &[]
    };
    let result = Command::new(OBJDUMP)
        .args(["-D", "-z", "-b", "binary", "-m", "arm"])
        .args(mode)
        .arg(&path)
        .output();
    let _ = std::fs::remove_file(&path);
    let output = match result {
        Ok(output) => output,
        Err(e) => {
            let require = std::env::var_os("EMU_REQUIRE_TOOLS").is_some_and(|v| v == "1");
            assert!(!require, "{OBJDUMP}: {e}");
            eprintln!("SKIPPED: {} is not compared, {OBJDUMP}: {e}", space.name);
            return None;
        }
    };
    assert!(
        output.status.success(),
        "objdump failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut lines = BTreeMap::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let mut parts = line.splitn(3, '\t');
        let (Some(address), Some(_), Some(text)) = (parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        if let Ok(address) = u32::from_str_radix(address.trim().trim_end_matches(':'), 16) {
            lines.insert(address, text.to_string());
        }
    }
    Some(lines)
}

/// Light normalisation: comments, width suffixes, white space, case, number bases, the optional
/// `ia` of LDM and STM, register aliases, and zero offsets.
fn normal(text: &str) -> String {
    let text = text
        .split([';', '@'])
        .next()
        .unwrap_or("")
        .trim()
        .to_lowercase();
    let (mnemonic, operands) = text.split_once(char::is_whitespace).unwrap_or((&text, ""));
    let mnemonic = mnemonic.trim_end_matches(".w").trim_end_matches(".n");
    let mnemonic = mnemonic.replace("ldmia", "ldm").replace("stmia", "stm");
    let operands: Vec<String> = operands
        .split(',')
        .map(|word| alias(&number(word.trim())))
        .collect();
    let operands = operands
        .join(",")
        .replace(",#0]", "]")
        .replace(",#-0]", "]")
        .replace("],#-0", "],#0");
    format!("{mnemonic} {operands}")
}

/// `r13` and `sp` become one, also in brackets.
fn alias(word: &str) -> String {
    let start = word.find(|c: char| c.is_ascii_alphanumeric()).unwrap_or(0);
    let (head, rest) = word.split_at(start);
    let end = rest
        .find(|c: char| !c.is_ascii_alphanumeric())
        .unwrap_or(rest.len());
    let (register, tail) = rest.split_at(end);
    let register = match register {
        "r10" => "sl",
        "r11" => "fp",
        "r12" => "ip",
        "r13" => "sp",
        "r14" => "lr",
        "r15" => "pc",
        other => other,
    };
    format!("{head}{register}{tail}")
}

/// `#0xff` and `#255` become one; negative immediates as unsigned words.
fn number(word: &str) -> String {
    let Some((head, digits)) = word.split_once('#') else {
        return hex(word);
    };
    let end = digits
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '-')
        .unwrap_or(digits.len());
    let (digits, tail) = digits.split_at(end);
    let value = match digits.strip_prefix("0x") {
        Some(h) => i64::from_str_radix(h, 16).ok(),
        None => digits.parse::<i64>().ok(),
    };
    match value {
        Some(0) if digits.starts_with('-') => format!("{head}#-0{tail}"),
        Some(v) if v < 0 && head.is_empty() && tail.is_empty() && v < -4096 => {
            format!("#{}", v as u32)
        }
        Some(v) => format!("{head}#{v}{tail}"),
        None => word.to_string(),
    }
}

fn hex(word: &str) -> String {
    match word
        .strip_prefix("0x")
        .and_then(|h| u64::from_str_radix(h, 16).ok())
    {
        Some(v) => format!("{:#x}", v as u32),
        None => word.to_string(),
    }
}

/// Rows with known differences in this table, and how many of a run may differ.
fn known(space: &Space) -> BTreeMap<&'static str, u32> {
    include_str!("objdump-differences.txt")
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter_map(|words| match words.as_slice() {
            [table, row, limit, _reason, ..] if *table == space.name => {
                Some((*row, limit.parse().unwrap_or(u32::MAX)))
            }
            _ => None,
        })
        .collect()
}

fn compare(space: &Space) {
    let samples = samples(space);
    let words: Vec<(u32, u32)> = samples
        .iter()
        .map(|(insn, row)| (*insn, row.width))
        .collect();
    let Some(theirs) = objdump(space, "rows", &words) else {
        return;
    };
    let mut differ: BTreeMap<&str, (u32, String)> = BTreeMap::new();
    let mut pc = 0;
    for (insn, row) in &samples {
        let ours = (space.text)(*insn, Context { pc, it_cond: None }).unwrap_or_default();
        let their = theirs.get(&pc).cloned().unwrap_or_default();
        if normal(&ours) != normal(&their) {
            let entry = differ.entry(row.name).or_default();
            entry.0 += 1;
            if entry.0 <= 3 {
                let _ = write!(
                    entry.1,
                    "\n    {insn:08x}  {:<40} objdump: {}",
                    normal(&ours),
                    normal(&their)
                );
            }
        }
        pc += row.width / 8;
    }
    let known = known(space);
    let report: Vec<String> = differ
        .iter()
        .filter(|(name, (count, _))| known.get(**name).is_none_or(|limit| count > limit))
        .map(|(name, (count, examples))| {
            format!("{}: {name}: {count} differ{examples}", space.name)
        })
        .collect();
    assert!(
        report.is_empty(),
        "{} rows differ:\n{}",
        report.len(),
        report.join("\n")
    );
    let unlimited = known.iter().filter(|(_, limit)| **limit == u32::MAX);
    let stale: Vec<&&str> = unlimited
        .map(|(name, _)| name)
        .filter(|name| !differ.contains_key(**name))
        .collect();
    assert!(
        stale.is_empty(),
        "{}: listed as different but equal: {stale:?}",
        space.name
    );
    println!(
        "{}: {} instructions compared with objdump",
        space.name,
        samples.len()
    );
}

#[test]
fn a32_disassembly_agrees_with_objdump() {
    compare(&A32);
}

#[test]
fn t16_disassembly_agrees_with_objdump() {
    compare(&T16);
}

#[test]
fn t32_disassembly_agrees_with_objdump() {
    compare(&T32);
}

#[test]
fn vfp_disassembly_agrees_with_objdump() {
    compare(&VFP);
}

#[test]
fn simd_disassembly_agrees_with_objdump() {
    compare(&NEON);
}

/// What objdump prints for words that the manual leaves undefined, and why that is no gap.
const NOT_IN_THE_MANUAL: [(&str, &[&str]); 2] = [
    // It ignores the S bit of compares (bits 24:23 = 10 with S = 0 are other instructions), bit 4
    // of memory hints, and should-be bits that the manual fixes in MSR and SETEND.
    (
        "a32",
        &[
            "cmp", "cmn", "tst", "teq", "pld", "pldw", "pli", "msr", "setend",
        ],
    ),
    // ARMv8.1-M branches and loops; stores with the base pc; register offsets with bits 10:6 set.
    (
        "t32",
        &[
            "bf", "bfl", "bfx", "bflx", "bfcsel", "le", "letp", "wls", "wlstp", "strt", "strbt",
            "strht", "ldr", "ldrb", "ldrh", "ldrsb", "ldrsh", "str", "strb", "strh", "pld", "pldw",
            "pli",
        ],
    ),
];

/// Random words that no row matches, outside of the coprocessor, VFP and Advanced SIMD spaces:
/// objdump may know only what [`NOT_IN_THE_MANUAL`] lists.
fn undecoded(space: &Space, prefix: fn(u32) -> u32, elsewhere: fn(u32) -> bool) {
    let mut next = rng(0xdead);
    let words: Vec<(u32, u32)> = std::iter::repeat_with(|| prefix(next() as u32))
        .filter(|insn| (space.find)(*insn).is_none() && !elsewhere(*insn))
        .take(100_000)
        .map(|insn| (insn, 32))
        .collect();
    let Some(theirs) = objdump(space, "undecoded", &words) else {
        return;
    };
    assert_eq!(theirs.len(), words.len(), "objdump's lines");
    let allowed = NOT_IN_THE_MANUAL
        .iter()
        .find(|(name, _)| *name == space.name)
        .map_or(&[][..], |(_, list)| list);
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    for ((insn, _), text) in words.iter().zip(theirs.values()) {
        let code = text.split('@').next().unwrap_or("").trim();
        let unknown = ["<und", "undefined", "??", "<illegal"]
            .iter()
            .any(|mark| text.to_lowercase().contains(mark));
        let mnemonic = code.split([' ', '\t', '.']).next().unwrap_or("");
        let with_condition = |base: &str| {
            mnemonic
                .strip_prefix(base)
                .is_some_and(|rest| rest.is_empty() || (rest.len() == 2 && space.name == "a32"))
        };
        if !code.is_empty() && !unknown && !allowed.iter().any(|base| with_condition(base)) {
            found
                .entry(mnemonic.to_string())
                .or_insert_with(|| format!("{insn:08x} {code}"));
        }
    }
    assert!(
        found.is_empty(),
        "{}: objdump knows what no row matches: {found:#?}",
        space.name
    );
    println!(
        "{}: {} words without a row compared with objdump",
        space.name,
        words.len()
    );
}

#[test]
fn a32_words_without_row_are_unknown_to_objdump() {
    let coprocessor = |insn: u32| insn >> 28 == 15 || (12..=14).contains(&((insn >> 24) & 15));
    undecoded(&A32, |random| random, coprocessor);
    undecoded(
        &A32,
        |random| random | 0xf000_0000,
        // Advanced SIMD: 1111 001x and 1111 0100 xxx0.
        |insn| {
            (insn >> 26) & 3 == 3
                || insn >> 25 == 0x79
                || (insn >> 24 == 0xf4 && (insn >> 20) & 1 == 0)
        },
    );
}

#[test]
fn t32_words_without_row_are_unknown_to_objdump() {
    undecoded(
        &T32,
        |random| {
            random
                | if random & 1 == 0 {
                    0xe800_0000
                } else {
                    0xf000_0000
                }
        },
        |insn| (insn >> 26) & 3 == 3 || (insn >> 24 == 0xf9 && (insn >> 20) & 1 == 0),
    );
}
