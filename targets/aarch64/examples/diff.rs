//! Random instructions from the decode tables under two emulators, compared.
//!
//! `cargo run -p target-aarch64 --example diff -- OURS REFERENCE [SEED] [CASES] [TABLE|ROW]`: makes a static ELF
//! program that runs each case on given registers and writes out all registers and a window of memory; runs it under
//! both commands (words separated by spaces), and compares what they wrote. EMU_INTERP=1 in the environment selects
//! the interpreter of the first.

use std::collections::BTreeMap;
use std::process::Command;

use target_aarch64::decode::{FeatureSet, branch, dpimm, dpreg, fp, ldst, simd, simdscalar};
use tcg_decode::rt::{RowInfo, random_insn};

const BASE: u64 = 0x1000_0000;
const HEADER: usize = 0x1000;
/// X0 to X30, SP, NZCV, FPSR, FPCR, link; V0 to V31.
const STATE: usize = 36 * 8 + 512;
const WINDOW: usize = 512;
const OUTPUT: usize = STATE + WINDOW;
/// Keeps the pointers of the frame around a case; no case uses it.
const POINTER: u32 = 28;
/// Registers of a load that precedes an exclusive store.
const SPARE: [u32; 2] = [25, 26];

type Find = fn(FeatureSet, u32) -> Option<u16>;

/// A decode table: name, rows, decoder.
struct Table(&'static str, &'static [RowInfo], Find);

static TABLES: &[Table] = &[
    Table("dpimm", &dpimm::ROWS, dpimm::find),
    Table("branch", &branch::ROWS, branch::find),
    Table("ldst", &ldst::ROWS, ldst::find),
    Table("dpreg", &dpreg::ROWS, dpreg::find),
    Table("fp", &fp::ROWS, fp::find),
    Table("simd", &simd::ROWS, simd::find),
    Table("simdscalar", &simdscalar::ROWS, simdscalar::find),
];

/// Handlers that leave the straight line, trap, or depend on the machine (keys, cache sizes, the clock).
const SKIP: &[&str] = &[
    "b", "bl", "cbz", "tbz", "b_cond", "svc", "hvc", "smc", "brk", "hlt", "hint", "br", "blr",
    "ret", "br_aut", "blr_aut", "ret_aut", "pac", "pac_zero", "pac_hint", "pac_1716", "xpac",
    "xpaclri", "pacga", "ldr_aut", "sys", "sysl", "msr", "mrs", "msr_dit", "msr_ssbs",
];

struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() >> 33) as usize % n
    }

    fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }

    fn integer(&mut self) -> u64 {
        const EDGES: [u64; 10] = [
            0,
            1,
            u64::MAX,
            0x7fff_ffff,
            0x8000_0000,
            0xffff_ffff,
            i64::MAX as u64,
            1 << 63,
            0x80,
            0x7fff,
        ];
        match self.below(4) {
            0 => self.pick(&EDGES),
            1 => self.next() & 0xff,
            _ => self.next(),
        }
    }

    fn half(&mut self) -> u16 {
        const HALVES: [u16; 14] = [
            0, 1, 0x3ff, 0x400, 0x3c00, 0x3c01, 0x7bff, 0x7c00, 0x7c01, 0x7e01, 0x3800, 0x4248,
            0x5640, 0x0200,
        ];
        match self.below(3) {
            0 => self.next() as u16,
            1 => 0x3800 + (self.next() as u16 & 0xfff),
            _ => self.pick(&HALVES) | (self.next() as u16 & 0x8000),
        }
    }

    fn single(&mut self) -> u32 {
        const SINGLES: [u32; 16] = [
            0,
            1,
            0x007f_ffff,
            0x0080_0000,
            0x3f80_0000,
            0x3f80_0001,
            0x4f00_0000,
            0x7f7f_ffff,
            0x7f80_0000,
            0x7f80_0001,
            0x7fc0_0001,
            0x3f00_0000,
            0x5f00_0000,
            0x3400_0000,
            0x4b00_0001,
            0x4020_0000,
        ];
        match self.below(3) {
            0 => self.next() as u32,
            1 => 0x3f00_0000 + (self.next() as u32 & 0x01ff_ffff),
            _ => self.pick(&SINGLES) | (self.next() as u32 & 1 << 31),
        }
    }

    fn double(&mut self) -> u64 {
        const DOUBLES: [u64; 14] = [
            0,
            1,
            0x000f_ffff_ffff_ffff,
            0x0010_0000_0000_0000,
            0x3ff0_0000_0000_0000,
            0x3ff0_0000_0000_0001,
            0x41e0_0000_0000_0000,
            0x7fef_ffff_ffff_ffff,
            0x7ff0_0000_0000_0000,
            0x7ff0_0000_0000_0001,
            0x7ff8_0000_0000_0001,
            0x3fe0_0000_0000_0000,
            0x3810_0000_0000_0000,
            0x47ef_ffff_f000_0000,
        ];
        match self.below(3) {
            0 => self.next(),
            1 => 0x3fe0_0000_0000_0000 + (self.next() & 0x003f_ffff_ffff_ffff),
            _ => self.pick(&DOUBLES) | (self.next() & 1 << 63),
        }
    }

    fn doubleword(&mut self) -> u64 {
        match self.below(4) {
            0 => self.double(),
            1 => u64::from(self.single()) | u64::from(self.single()) << 32,
            2 => (0..4).fold(0, |v, _| v << 16 | u64::from(self.half())),
            _ => self.integer(),
        }
    }
}

/// One case: its row, code and input.
struct Case {
    row: &'static RowInfo,
    code: Vec<u32>,
    x: [u64; 32],
    v: [u64; 64],
    nzcv: u64,
    fpcr: u64,
}

/// Finds an instruction of a row that the frame can hold.
fn instruction(rng: &mut Rng, table: &Table, row: &'static RowInfo) -> Option<u32> {
    for _ in 0..200 {
        let mut next = || rng.next();
        // Literals lie in the code that follows.
        let near: &[(&str, u64)] = if row.name.contains("_lit") {
            &[("off", 1)]
        } else {
            &[]
        };
        let insn = random_insn(row, &mut next, near, &|w| {
            table.2(FeatureSet::ALL, w as u32)
                .is_some_and(|k| std::ptr::eq(&table.1[usize::from(k)], row))
        })?;
        if registers_ok(row, insn) && (table.0 != "ldst" || access_ok(row, insn)) {
            return Some(insn as u32);
        }
    }
    None
}

fn value(row: &RowInfo, insn: u64, name: &str) -> Option<u64> {
    row.field(name).map(|f| f.value(insn))
}

fn registers_ok(row: &RowInfo, insn: u64) -> bool {
    if let (Some(n), Some(r), Some(s), true) = (
        value(row, insn, "N"),
        value(row, insn, "immr"),
        value(row, insn, "imms"),
        row.name.ends_with("_imm"),
    ) {
        // Reserved masks are undefined.
        let wide = insn >> 31 & 1 != 0;
        if target_aarch64::decode::bitmask(wide, n != 0, r as u32, s as u32).is_none() {
            return false;
        }
    }
    let exclusive = row.name.starts_with("stx");
    ["rd", "rn", "rm", "ra", "rt", "rt2", "rs"]
        .iter()
        .all(|name| {
            let Some(r) = value(row, insn, name) else {
                return true;
            };
            let r = r as u32;
            let pair = matches!(*name, "rs" | "rt") && row.name == "casp";
            r != POINTER && !(pair && r + 1 >= POINTER) && !(exclusive && SPARE.contains(&r))
        })
}

/// Accesses have to stay in the window, and their registers apart where the manual leaves the outcome open.
fn access_ok(row: &RowInfo, insn: u64) -> bool {
    let get = |name: &str| value(row, insn, name);
    let handler = row.handler();
    let (rn, rt, rt2, rs, rm) = (get("rn"), get("rt"), get("rt2"), get("rs"), get("rm"));
    let vector = handler.contains("_v")
        || handler.starts_with("ldst_m")
        || handler.starts_with("ldst_si") && handler != "ldst_simm";
    if handler.contains("_lit") {
        return true;
    }
    if !vector && (rt == rn || rt2.is_some() && rt2 == rn || rs.is_some() && rs == rn) {
        return false;
    }
    if rt2.is_some() && rt2 == rt || rs.is_some() && (rs == rt || rs == rt2) {
        return false;
    }
    if rm.is_some() && (rm == rn || rm == Some(31) && !vector) {
        return false;
    }
    let offset = match handler {
        "ldst_uimm" => get("imm").unwrap_or(0) << get("size").unwrap_or(0),
        "ldst_v_uimm" => get("imm").unwrap_or(0) << 4,
        "ldp" | "ldp_v" => {
            let imm = tcg_decode::rt::sext(get("imm").unwrap_or(0), 7);
            imm.unsigned_abs() << (get("opc").unwrap_or(0) + 2).max(3)
        }
        "ldst_simm" | "ldst_v_simm" | "ldapur" => {
            tcg_decode::rt::sext(get("imm").unwrap_or(0), 9).unsigned_abs()
        }
        _ => 0,
    };
    offset < 190
}

fn make_case(rng: &mut Rng, table: &Table, row: &'static RowInfo, center: u64) -> Option<Case> {
    let insn = instruction(rng, table, row)?;
    let mut x: [u64; 32] = std::array::from_fn(|_| rng.integer());
    let v = std::array::from_fn(|_| rng.doubleword());
    let mut code = vec![insn];
    if table.0 == "ldst" {
        let word = u64::from(insn);
        let handler = row.handler();
        let ordered = ["x", "cas", "ldar", "stl", "ldap", "atomic", "swp"];
        let aligned = ordered.iter().any(|p| handler.contains(p)) && !handler.contains("simm");
        let slack = if aligned { 0 } else { rng.next() & 15 };
        if let Some(rm) = value(row, word, "rm") {
            x[rm as usize] = rng.next() & 3;
        }
        if let Some(rn) = value(row, word, "rn") {
            x[rn as usize] = center + slack;
        }
        if handler == "stxr" || handler == "stxp" {
            let load = if handler == "stxr" {
                insn & 0xc000_0000 | 0x085f_7c00 | SPARE[0]
            } else {
                insn & 0xc000_0000 | 0x087f_0000 | SPARE[1] << 10 | SPARE[0]
            };
            code.insert(0, load | insn & 0x3e0);
        }
        if handler == "cas" && rng.below(2) == 0 {
            // Often an expectation that holds: load it first.
            let size = insn & 0xc000_0000;
            code.insert(0, size | 0x3940_0000 | insn & 0x3e0 | insn >> 16 & 31);
        }
    }
    let fpcr = match rng.below(3) {
        0 => rng.next() & 0x07c8_0000,
        _ => 0,
    };
    Some(Case {
        row,
        code,
        x,
        v,
        nzcv: (rng.next() & 15) << 28,
        fpcr,
    })
}

/// Writes machine code.
struct Code {
    words: Vec<u32>,
    at: u64,
}

impl Code {
    fn here(&self) -> u64 {
        self.at + 4 * self.words.len() as u64
    }

    fn push(&mut self, w: u32) {
        self.words.push(w);
    }

    /// mov xr, #value (32 bits).
    fn constant(&mut self, r: u32, value: u64) {
        self.push(0xd280_0000 | (value as u32 & 0xffff) << 5 | r);
        self.push(0xf2a0_0000 | (value as u32 >> 16) << 5 | r);
    }

    fn branch(&mut self, to: u64) {
        let offset = (to.wrapping_sub(self.here()) >> 2) as u32 & 0x03ff_ffff;
        self.push(0x1400_0000 | offset);
    }
}

const P: u32 = POINTER << 5;

/// Loads everything from the block at the pointer and jumps to its link.
fn emit_load(c: &mut Code) {
    c.push(0x9104_8000 | P | 1); // add x1, pointer, #288
    for n in 0..32 {
        c.push(0x3dc0_0000 | n << 10 | 1 << 5 | n); // ldr qn, [x1, #16n]
    }
    for (k, op) in [
        (31, 0x9100_0000u32 | 31),
        (32, 0xd51b_4200),
        (33, 0xd51b_4420),
        (34, 0xd51b_4400),
    ] {
        c.push(0xf940_0000 | k << 10 | P); // ldr x0, [pointer, #8k]
        c.push(op); // mov sp, x0; msr nzcv, fpsr, fpcr
    }
    for n in (0..31).filter(|n| *n != POINTER) {
        c.push(0xf940_0000 | n << 10 | P | n);
    }
    c.push(0xf940_0000 | 35 << 10 | P | POINTER);
    c.push(0xd61f_0000 | P); // br pointer
}

/// Stores everything to the block at the pointer, and the window; jumps to the link that is there.
fn emit_store(c: &mut Code, window: u64) {
    for n in (0..31).filter(|n| *n != POINTER) {
        c.push(0xf900_0000 | n << 10 | P | n);
    }
    for (k, op) in [
        (31, 0x9100_03e0),
        (32, 0xd53b_4200),
        (33, 0xd53b_4420),
        (34, 0xd53b_4400),
    ] {
        c.push(op);
        c.push(0xf900_0000 | k << 10 | P);
    }
    c.push(0x9104_8000 | P | 1);
    for n in 0..32 {
        c.push(0x3d80_0000 | n << 10 | 1 << 5 | n);
    }
    c.constant(2, window);
    for n in 0..(WINDOW / 16) as u32 {
        c.push(0x3dc0_0000 | n << 10 | 2 << 5); // ldr q0, [x2, #16n]
        c.push(0x3d80_0000 | (n + 32) << 10 | 1 << 5);
    }
    c.push(0xf940_0000 | 35 << 10 | P);
    c.push(0xd61f_0000); // br x0
}

fn put(image: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    if image.len() < at + bytes.len() {
        image.resize(at + bytes.len(), 0);
    }
    image[at..at + bytes.len()].copy_from_slice(bytes);
}

/// The program: header, memory window, blocks, code.
fn program(cases: &[Case], rng: &mut Rng) -> (Vec<u8>, u64) {
    let window = BASE + HEADER as u64;
    let inputs = window + 0x1000;
    let outputs = inputs + (cases.len() * STATE) as u64;
    let mut code = Code {
        words: Vec::new(),
        at: outputs + (cases.len() * OUTPUT) as u64,
    };
    let load = code.here();
    emit_load(&mut code);
    let store = code.here();
    emit_store(&mut code, window + 0x800 - 256);
    let entry = code.here();
    let mut image = vec![0; HEADER];
    let filling: Vec<u8> = (0..0x1000).map(|_| rng.next() as u8).collect();
    put(&mut image, HEADER, &filling);
    for (k, case) in cases.iter().enumerate() {
        let (input, output) = (inputs + (k * STATE) as u64, outputs + (k * OUTPUT) as u64);
        code.constant(POINTER, input);
        code.branch(load);
        let link = code.here();
        for w in &case.code {
            code.push(*w);
        }
        code.constant(POINTER, output);
        code.branch(store);
        let next = code.here();
        let mut block: Vec<u64> = case.x.to_vec();
        block.extend([case.nzcv, 0, case.fpcr, link]);
        block.extend(case.v);
        let bytes: Vec<u8> = block.iter().flat_map(|w| w.to_le_bytes()).collect();
        put(&mut image, (input - BASE) as usize, &bytes);
        put(
            &mut image,
            (output - BASE) as usize + 35 * 8,
            &next.to_le_bytes(),
        );
    }
    // write(1, outputs, size) until all is out; exit(0).
    code.constant(19, outputs);
    code.constant(20, (cases.len() * OUTPUT) as u64);
    for w in [
        0xd280_0020, // mov x0, #1
        0xaa13_03e1, // mov x1, x19
        0xaa14_03e2, // mov x2, x20
        0xd280_0808, // mov x8, #64
        0xd400_0001,
        0x8b00_0273, // add x19, x19, x0
        0xeb00_0294, // subs x20, x20, x0
        0x54ff_ff21, // b.ne
        0xd280_0000,
        0xd280_0ba8, // mov x8, #93
        0xd400_0001,
    ] {
        code.push(w);
    }
    let bytes: Vec<u8> = code.words.iter().flat_map(|w| w.to_le_bytes()).collect();
    put(&mut image, (code.at - BASE) as usize, &bytes);
    elf_header(&mut image, entry);
    (image, outputs)
}

fn elf_header(image: &mut Vec<u8>, entry: u64) {
    let len = image.len() as u64;
    let mut h: Vec<u8> = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let half = |h: &mut Vec<u8>, v: u16| h.extend(v.to_le_bytes());
    half(&mut h, 2);
    half(&mut h, 183);
    h.extend(1u32.to_le_bytes());
    for v in [entry, 64, 0] {
        h.extend(v.to_le_bytes());
    }
    h.extend(0u32.to_le_bytes());
    for v in [64, 56, 1, 64, 0, 0] {
        half(&mut h, v);
    }
    h.extend(1u32.to_le_bytes());
    h.extend(7u32.to_le_bytes());
    for v in [0, BASE, BASE, len, len, 0x1000] {
        h.extend(v.to_le_bytes());
    }
    put(image, 0, &h);
}

fn run(command: &str, path: &std::path::Path) -> Vec<u8> {
    let mut words = command.split(' ');
    let program = words.next().unwrap_or("");
    match Command::new(program).args(words).arg(path).output() {
        Ok(o) => {
            if !o.status.success() {
                println!(
                    "{command}: {} {}",
                    o.status,
                    String::from_utf8_lossy(&o.stderr)
                );
            }
            o.stdout
        }
        Err(e) => {
            println!("{command}: {e}");
            Vec::new()
        }
    }
}

/// The places of a block that differ, as text.
fn differences(ours: &[u8], theirs: &[u8]) -> String {
    let mut out = String::new();
    for (k, (a, b)) in ours.chunks(8).zip(theirs.chunks(8)).enumerate() {
        if a == b || k as u32 == POINTER || k == 35 {
            continue;
        }
        let name = match k {
            31 => "sp".to_string(),
            32 => "nzcv".to_string(),
            33 => "fpsr".to_string(),
            34 => "fpcr".to_string(),
            36.. if k < 100 => format!("v{}.d[{}]", (k - 36) / 2, k & 1),
            100.. => format!("mem+{:#x}", (k - 100) * 8),
            _ => format!("x{k}"),
        };
        let word = |x: &[u8]| x.try_into().map_or(0, u64::from_le_bytes);
        out += &format!(" {name}: {:016x} for {:016x};", word(a), word(b));
    }
    out
}

fn operands(case: &Case) -> String {
    let insn = u64::from(*case.code.last().unwrap_or(&0));
    let mut out = format!("fpcr {:x} nzcv {:x}", case.fpcr, case.nzcv >> 28);
    for name in ["rn", "rm", "ra", "rd", "rt", "rs"] {
        if let Some(r) = value(case.row, insn, name) {
            let r = r as usize;
            out += &format!(
                " {name}={r} (x {:x}, v {:016x}_{:016x})",
                case.x[r],
                case.v[2 * r + 1],
                case.v[2 * r]
            );
        }
    }
    out
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [ours, theirs, rest @ ..] = args.as_slice() else {
        println!("usage: diff OURS REFERENCE [SEED] [CASES] [TABLE|ROW]");
        return;
    };
    let number = |k: usize, or: u64| rest.get(k).and_then(|s| s.parse().ok()).unwrap_or(or);
    let (seed, total) = (number(0, 1), number(1, 20_000) as usize);
    let only = rest.get(2).map(String::as_str);
    let rows: Vec<(&Table, &RowInfo)> = TABLES
        .iter()
        .flat_map(|t| t.1.iter().map(move |r| (t, r)))
        .filter(|(_, r)| !SKIP.contains(&r.handler()))
        .filter(|(t, r)| only.is_none_or(|o| o == t.0 || o == r.handler() || o == r.name))
        .collect();
    let mut rng = Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let center = BASE + HEADER as u64 + 0x800;
    let (mut bad, mut done): (BTreeMap<&str, u32>, usize) = (BTreeMap::new(), 0);
    let path = std::env::temp_dir().join(format!("a64diff-{}-{seed}", std::process::id()));
    while done < total && !rows.is_empty() {
        let mut cases = Vec::new();
        while cases.len() < 4000.min(total) {
            let (table, row) = rows[rng.below(rows.len())];
            cases.extend(make_case(&mut rng, table, row, center));
        }
        let (image, _) = program(&cases, &mut rng);
        if std::fs::write(&path, image).is_err() || !executable(&path) {
            println!("cannot write {}", path.display());
            return;
        }
        let (a, b) = (run(ours, &path), run(theirs, &path));
        if a.len() != b.len() {
            println!("{} bytes for {}", a.len(), b.len());
        }
        for ((case, x), y) in cases.iter().zip(a.chunks(OUTPUT)).zip(b.chunks(OUTPUT)) {
            let text = differences(x, y);
            if text.is_empty() {
                continue;
            }
            let count = bad.entry(case.row.name).or_default();
            *count += 1;
            if *count <= 2 {
                println!(
                    "{} {:08x?}:{text}\n    {}",
                    case.row.name,
                    case.code,
                    operands(case)
                );
            }
        }
        done += cases.len();
        if a.is_empty() || b.is_empty() {
            break;
        }
    }
    let _ = std::fs::remove_file(&path);
    println!(
        "{done} cases of {} rows, {} rows differ: {bad:?}",
        rows.len(),
        bad.len()
    );
}

fn executable(path: &std::path::Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).is_ok()
}
