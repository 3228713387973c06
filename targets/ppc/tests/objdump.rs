//! Random instructions of every table, disassembled by us and by GNU objdump without its extended mnemonics.
//!
//! Without the cross tools the test prints why it is skipped; with `EMU_REQUIRE_TOOLS=1` it fails.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;
use target_ppc::decode::{FeatureSet, altivec, base, fp, vsx};
use target_ppc::disasm;
use tcg_decode::rt::{self, RowInfo};

const OBJDUMP: &str = "powerpc64-linux-gnu-objdump";
/// Instructions for each row.
const EACH: usize = 100;

/// Rows (with all that share the part before the point) that are printed differently, and why.
const DIFFERENT: &[(&str, &str)] = &[
    (
        "cmp",
        "cmpw and cmpd are its names everywhere, raw ones have L",
    ),
    ("cmpi", "the same"),
    ("cmpl", "the same"),
    ("cmpli", "the same"),
    ("dcbf", "hints are not printed"),
    ("dcblc", "the same"),
    ("dcbt", "the same"),
    ("dcbtls", "the same"),
    ("dcbtst", "the same"),
    ("dcbtstls", "the same"),
    ("icblc", "the same"),
    ("icbt", "the same"),
    ("icbtls", "the same; dcread to it"),
    ("larx", "the same"),
    ("lqarx", "the same"),
    ("paste", "the bit L, of which only 1 is told to it"),
    (
        "dss",
        "it has names for the forms with A or T, with other fields",
    ),
    ("dst", "the same"),
    ("dstst", "the same"),
    ("lswi", "0 bytes are 32"),
    ("mfcr", "the raw form has the mask of mfocrf"),
    ("mfspr", "registers have names"),
    ("mtspr", "the same"),
    ("mtfsf", "L and W, left out where they are 0"),
    ("mtfsfi", "the same"),
    ("mtmsr", "L is left out"),
    ("mtmsrd", "the same"),
    ("wait", "WC is left out"),
    ("sync", "L is left out where it is 0"),
    (
        "vspltb",
        "fields too large for a vector are paired singles to it",
    ),
    ("vsplth", "the same"),
    ("vspltw", "the same"),
    ("addi", "li is its name without a base"),
    ("addis", "lis, the same"),
    ("b", "absolute targets below 0 have 32 bits to it"),
    ("bc", "the same"),
    ("bcctr", "BH is left out where it is 0"),
    ("bclr", "the same"),
    ("bctar", "the same"),
    ("dfp", "decimal floating point is known by its names only"),
    (
        "dccci",
        "instructions of embedded and privileged kinds that are known by their names only",
    ),
    ("dcread", "the same"),
    ("iccci", "the same"),
    ("icread", "the same"),
    ("mfdcr", "the same"),
    ("mfdcrx", "the same"),
    ("mfpmr", "the same"),
    ("mfsr", "the same"),
    ("mfsrin", "the same"),
    ("mtdcr", "the same"),
    ("mtdcrx", "the same"),
    ("mtpmr", "the same"),
    ("mtsr", "the same"),
    ("mtsrin", "the same"),
    ("privileged", "the same"),
    ("tlbia", "the same"),
    ("tlbie", "the same"),
    ("tlbli", "the same"),
    ("tlbre", "the same"),
    ("tlbsx", "the same"),
    ("tlbwe", "the same"),
    (
        "tabort",
        "transactions fail at once and are known by their names only",
    ),
    ("tabortdc", "the same"),
    ("tabortdci", "the same"),
    ("tabortwc", "the same"),
    ("tabortwci", "the same"),
    ("tbegin", "the same"),
    ("tcheck", "the same"),
    ("tend", "the same"),
    ("trechkpt", "the same"),
    ("treclaim", "the same"),
    ("tsr", "the same"),
    ("mftb", "the number of the register is printed"),
    (
        "rfci",
        "reserved bits, with which it does not know the instruction",
    ),
    ("rfi", "the same"),
    ("rfmci", "the same"),
    ("tlbsync", "the same"),
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

fn samples(rows: &'static [RowInfo], find: fn(FeatureSet, u32) -> Option<u16>) -> Vec<Sample> {
    let mut next = rng(0x5eed);
    let mut out = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let decodes = |insn: u64| find(FeatureSet::ALL, insn as u32) == Some(index as u16);
        let all = (0..EACH).filter_map(|_| rt::random_insn(row, &mut next, &[], &decodes));
        out.extend(all.map(|insn| (insn as u32, row)));
    }
    out
}

/// Text of each instruction, from objdump; `None` when there is no objdump.
fn objdump(samples: &[Sample]) -> Option<Vec<String>> {
    let file = std::env::temp_dir().join(format!("emu-objdump-ppc-{}.bin", std::process::id()));
    let bytes: Vec<u8> = samples.iter().flat_map(|(i, _)| i.to_be_bytes()).collect();
    std::fs::write(&file, bytes).expect("write the instructions");
    let result = Command::new(OBJDUMP)
        .args(["-D", "-z", "-b", "binary", "-m", "powerpc:common64", "-EB"])
        .args(["-M", "raw,power9,any"])
        .arg(&file)
        .output();
    let _ = std::fs::remove_file(&file);
    let output = match result {
        Ok(output) => output,
        Err(e) => {
            let require = std::env::var_os("EMU_REQUIRE_TOOLS").is_some_and(|v| v == "1");
            assert!(!require, "{OBJDUMP}: {e}");
            eprintln!("SKIPPED: not compared, {OBJDUMP}: {e}");
            return None;
        }
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = text.lines().filter_map(|line| {
        let mut parts = line.splitn(3, '\t');
        let address = parts.next()?.trim().strip_suffix(':')?;
        u64::from_str_radix(address, 16).ok()?;
        parts.nth(1).map(str::to_string)
    });
    Some(lines.collect())
}

/// One space behind the name, numbers without a prefix, no hint signs.
fn normal(text: &str) -> String {
    let text = text.split('<').next().unwrap_or("").trim();
    let (name, operands) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let number = |word: &str| match word.trim().strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).map_or(word.into(), |v| v.to_string()),
        None => word.trim().to_string(),
    };
    let operands: Vec<String> = operands.split(',').map(number).collect();
    format!("{name} {}", operands.join(","))
}

#[test]
fn disassembly_agrees_with_objdump() {
    let mut all = samples(&base::ROWS, base::find);
    all.extend(samples(&fp::ROWS, fp::find));
    all.extend(samples(&altivec::ROWS, altivec::find));
    all.extend(samples(&vsx::ROWS, vsx::find));
    let Some(theirs) = objdump(&all) else {
        return;
    };
    assert_eq!(theirs.len(), all.len(), "lines of objdump");
    let mut differ: BTreeMap<&str, (u32, String)> = BTreeMap::new();
    let mut known = 0;
    for (k, ((insn, row), theirs)) in all.iter().zip(&theirs).enumerate() {
        let ours = disasm::disassemble(*insn, 4 * k as u64, true);
        let (ours, theirs) = (normal(&ours.unwrap_or_default()), normal(theirs));
        // Invalid forms: another field than the manual's, or a reserved bit.
        let unknown = theirs.starts_with(".long");
        known += u32::from(!unknown);
        if ours != theirs && !unknown {
            let entry = differ.entry(row.name).or_default();
            entry.0 += 1;
            if entry.0 <= 3 {
                let _ = write!(entry.1, "\n    {insn:08x}  {ours:<40} objdump: {theirs}");
            }
        }
    }
    let excused = |name: &str| {
        let family = name.split('.').next();
        DIFFERENT.iter().any(|(n, _)| Some(*n) == family)
    };
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
    println!(
        "{known} of {} instructions compared with objdump",
        all.len()
    );
    assert!(
        known as usize > all.len() * 3 / 4,
        "objdump knows only {known}"
    );
}
