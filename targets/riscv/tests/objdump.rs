//! Random instructions of every table, disassembled by us and by GNU objdump.
//!
//! Without the cross tools the test prints why it is skipped; with `EMU_REQUIRE_TOOLS=1` it fails.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;
use target_riscv::Cpu;
use target_riscv::decode::{base, compressed, float};
use tcg_decode::rt::{self, RowInfo};

const TOOLS: &str = "riscv64-linux-gnu-";
/// Instructions for each row.
const EACH: usize = 200;

/// Extensions that the tools of 2023 do not know.
const NEWER: [&str; 7] = ["zfa", "zicond", "zcb", "zacas", "zabha", "zimop", "zcmop"];
const MARCH: &str = "rv64imafdc_zicsr_zifencei_zba_zbb_zbc_zbs_zbkb_zbkc_zbkx_zfh_zicbom_zicbop_zicboz_zawrs_zihintpause";

/// Rows that are printed differently, and why.
const DIFFERENT: &[(&str, &str)] = &[
    (
        "addi.c_nop",
        "hints print as c.nop with the operand in another form",
    ),
    ("fence", "reserved sets and registers"),
    ("add.c", "hints (x0 as the destination) print with c."),
    ("add.c_mv", "the same"),
    ("addi.c_li", "the same"),
    ("lui.c", "the same"),
    ("slli.c", "shifts by 0 are hints, too"),
    ("srli.c", "the same"),
    ("srai.c", "the same"),
    (
        "fcvt_float.d_s",
        "a rounding mode in exact conversions is unknown to it",
    ),
    ("fcvt_float.s_h", "the same"),
    ("fcvt_float.d_h", "the same"),
    ("fcvt_from_int.d_w", "the same"),
    ("fcvt_from_int.d_wu", "the same"),
    ("csrrw", "names of privileged registers"),
    ("csrrw.w", "the same"),
    ("csrrs", "the same"),
    ("csrrs.r", "the same"),
    ("csrrs.s", "the same"),
    ("csrrc", "the same"),
    ("csrrc.c", "the same"),
    ("csrrwi", "the same"),
    ("csrrwi.w", "the same"),
    ("csrrsi", "the same"),
    ("csrrsi.s", "the same"),
    ("csrrci", "the same"),
    ("csrrci.c", "the same"),
];

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

fn known_to_tools(row: &RowInfo) -> bool {
    let mut words = row.features.split(['+', '|']);
    words.all(|w| !NEWER.contains(&w) && w != "rv32")
}

fn samples(rows: &'static [RowInfo], find: &dyn Fn(u32) -> Option<u16>) -> Vec<Sample> {
    let mut next = rng(0x5eed);
    let mut out = Vec::new();
    for (index, row) in rows.iter().enumerate().filter(|(_, r)| known_to_tools(r)) {
        let decodes = |insn: u64| find(insn as u32) == Some(index as u16);
        let all = (0..EACH).filter_map(|_| rt::random_insn(row, &mut next, &[], &decodes));
        out.extend(all.map(|insn| (insn as u32, row)));
    }
    out
}

/// Text of each instruction by address, from objdump; `None` when the tools are not there.
fn objdump(samples: &[Sample]) -> Option<BTreeMap<u64, String>> {
    let folder = std::env::temp_dir().join(format!("emu-objdump-riscv-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let (source, object) = (folder.join("a.s"), folder.join("a.o"));
    let mut text = String::from(".text\n");
    for (insn, row) in samples {
        let _ = writeln!(text, ".insn {}, {insn:#x}", row.width / 8);
    }
    std::fs::write(&source, text).expect("write the instructions");
    let run = |tool: &str, args: &[&std::ffi::OsStr]| {
        Command::new(format!("{TOOLS}{tool}")).args(args).output()
    };
    let march = format!("-march={MARCH}");
    let assembled = run(
        "as",
        &[
            march.as_ref(),
            "-o".as_ref(),
            object.as_ref(),
            source.as_ref(),
        ],
    );
    let result = assembled.and_then(|o| {
        let errors = String::from_utf8_lossy(&o.stderr).into_owned();
        assert!(o.status.success(), "as: {errors}");
        run("objdump", &["-d".as_ref(), "-z".as_ref(), object.as_ref()])
    });
    let _ = std::fs::remove_dir_all(&folder);
    let output = match result {
        Ok(output) => output,
        Err(e) => {
            let require = std::env::var_os("EMU_REQUIRE_TOOLS").is_some_and(|v| v == "1");
            assert!(!require, "{TOOLS}objdump: {e}");
            eprintln!("SKIPPED: not compared, {TOOLS}objdump: {e}");
            return None;
        }
    };
    let mut lines = BTreeMap::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let mut parts = line.splitn(3, '\t');
        let (Some(address), Some(_), Some(text)) = (parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        if let Ok(address) = u64::from_str_radix(address.trim().trim_end_matches(':'), 16) {
            lines.insert(address, text.to_string());
        }
    }
    Some(lines)
}

/// Without comments and symbols, one space, numbers in one form.
fn normal(text: &str) -> String {
    let text = text.split(['#', '<']).next().unwrap_or("").trim();
    let (name, operands) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let operand = |word: &str| {
        let word = word.trim();
        match word.strip_prefix("0x").map(|h| u64::from_str_radix(h, 16)) {
            Some(Ok(v)) => v.to_string(),
            _ => word.to_string(),
        }
    };
    let operands: Vec<String> = operands.split(',').map(operand).collect();
    format!("{name} {}", operands.join(","))
}

/// A target that objdump prints in hexadecimal without a prefix.
fn target(theirs: &str, ours: &str) -> bool {
    let last = |text: &str| text.rsplit([',', ' ']).next().unwrap_or("").to_string();
    let (a, b) = (last(theirs), last(ours));
    let same_head = theirs.strip_suffix(&a) == ours.strip_suffix(&b);
    same_head && u64::from_str_radix(&a, 16).ok() == b.parse().ok()
}

/// Instructions with an immediate that it prints by the name of the register form.
fn immediate_form(theirs: &str, ours: &str) -> bool {
    let (Some((a, x)), Some((b, y))) = (theirs.split_once(' '), ours.split_once(' ')) else {
        return false;
    };
    let word = b.strip_suffix("iw").map(|n| format!("{n}w"));
    x == y && (b.strip_suffix('i') == Some(a) || word.as_deref() == Some(a))
}

#[test]
fn disassembly_agrees_with_objdump() {
    let features = Cpu::parse(Some("max,zcb=off,zcmop=off,zimop=off"), 64)
        .expect("a CPU")
        .features;
    let find_compressed = |insn: u32| compressed::find(features, insn);
    let mut all = samples(&base::ROWS, &|insn| base::find(features, insn));
    all.extend(samples(&float::ROWS, &|insn| float::find(features, insn)));
    all.extend(samples(&compressed::ROWS, &find_compressed));
    let Some(theirs) = objdump(&all) else {
        return;
    };
    let mut differ: BTreeMap<&str, (u32, String)> = BTreeMap::new();
    let mut pc = 0;
    for (insn, row) in &all {
        let ours = match row.width {
            16 => target_riscv::disasm::compressed(features, *insn as u16, pc),
            _ => target_riscv::disasm::full(features, *insn, pc),
        };
        let (ours, theirs) = (
            normal(&ours.unwrap_or_default()),
            normal(theirs.get(&pc).map_or("", |t| t)),
        );
        let jump = row.syntax.contains("{rel");
        let same = ours == theirs || immediate_form(&theirs, &ours);
        if !(same || jump && target(&theirs, &ours)) {
            let entry = differ.entry(row.name).or_default();
            entry.0 += 1;
            if entry.0 <= 3 {
                let _ = write!(entry.1, "\n    {insn:08x}  {ours:<40} objdump: {theirs}");
            }
        }
        pc += u64::from(row.width / 8);
    }
    let excused = |name: &str| DIFFERENT.iter().any(|(n, _)| *n == name);
    let report: Vec<String> = differ
        .iter()
        .filter(|(name, _)| !excused(name))
        .map(|(name, (count, examples))| format!("{name}: {count} differ{examples}"))
        .collect();
    assert!(
        report.is_empty(),
        "{} rows differ:\n{}",
        report.len(),
        report.join("\n")
    );
    println!("{} instructions compared with objdump", all.len());
}
