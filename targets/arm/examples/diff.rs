//! Random instructions from the decode tables under the IR interpreter and under another emulator, compared.
//!
//! `cargo run -p target-arm --example diff -- EMULATOR [-cpu MODEL] [seed] [cases]`: makes a static ELF program that
//! runs each case on given registers and writes all results, runs it under EMULATOR, and runs the same cases
//! through the translator and the reference interpreter. Registers, APSR and the scratch memory are compared.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::Command;

use target_arm::decode::{Feature, FeatureSet, a32, neon, t16, t32, vfp};
use target_arm::{Arm, ArmState, CpuModel, Mode};
use tcg_decode::rt::{RowInfo, random_insn};
use tcg_ir::interp::{HelperCall, HelperResult, Helpers, Interp, Memory, Outcome};
use tcg_mem::{Access, FaultKind, GuestVa, MemFault};
use tcg_target::{Isa, TranslateCtx};

const BASE: u32 = 0x0010_0000;
const HEADER: usize = 0x54;
const SCRATCH: u32 = 0x0180_0000;
const SCRATCH_LEN: usize = 0x4000;
/// R0 to R14, APSR, FPSCR, D0 to D31.
const WORDS: usize = 17 + 64;
/// The most code that a case takes.
const CASE_LEN: usize = 240;
const APSR_MASK: u32 = 0xf80f_0000;

/// Rows that leave the straight line, trap, depend on the machine, or are nothing to compare.
const SKIP: &[&str] = &[
    "b",
    "bl",
    "blx_imm",
    "blx_reg",
    "bx",
    "bxj",
    "b_cond",
    "cbz",
    "tbb",
    "svc",
    "bkpt",
    "hlt",
    "udf",
    "hvc",
    "smc",
    "eret",
    "mrs_banked",
    "msr_banked",
    "cps",
    "setend",
    "setpan",
    "srs",
    "rfe",
    "wfe",
    "wfi",
    "yield_",
    "it",
    "cdp",
    "cdp2",
    "mcr",
    "mcr2",
    "mrc",
    "mrc2",
    "mcrr",
    "mcrr2",
    "mrrc",
    "mrrc2",
    "ldc",
    "ldc2",
    "stc",
    "stc2",
    "stm_user",
    "ldm_user",
    "ldm_return",
    "sb",
    "esb",
    "dbg",
    "hint",
    "mrs",
    "vmsr",
    "vmrs",
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

    /// A pair of single-precision numbers or a double, often special.
    fn double(&mut self) -> u64 {
        const SINGLE: [u32; 16] = [
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
        const DOUBLE: [u64; 14] = [
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
        let sign = self.next();
        let mut single = || match self.below(3) {
            0 => self.next() as u32,
            1 => 0x3f00_0000 + (self.next() as u32 & 0x01ff_ffff),
            _ => SINGLE[self.below(SINGLE.len())] | (self.next() as u32 & 1 << 31),
        };
        let (low, high) = (single(), single());
        match self.below(3) {
            0 => u64::from(high) << 32 | u64::from(low),
            1 => DOUBLE[self.below(DOUBLE.len())] | (sign & 1 << 63),
            _ => (0x3fe0_0000_0000_0000 + (self.next() >> 10)) | (sign & 1 << 63),
        }
    }

    fn word(&mut self) -> u32 {
        const SPECIAL: [u32; 10] = [
            0,
            1,
            2,
            31,
            32,
            0x7fff_ffff,
            0x8000_0000,
            0xffff_ffff,
            0x8000_7fff,
            0xff00_8001,
        ];
        match self.below(4) {
            0 => SPECIAL[self.below(SPECIAL.len())],
            1 => self.next() as u32 & 0xff,
            _ => (self.next() >> 32) as u32,
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Set {
    A32,
    T16,
    T32,
    Vfp,
    Neon,
}

/// An instruction of a case.
#[derive(Clone, Copy)]
struct Piece {
    set: Set,
    row: &'static RowInfo,
    insn: u32,
    it: Option<u16>,
}

impl Piece {
    /// As halfwords, in order.
    fn halves(self) -> Vec<u16> {
        let (low, high) = (self.insn as u16, (self.insn >> 16) as u16);
        let mut out: Vec<u16> = self.it.into_iter().collect();
        match self.set {
            Set::A32 | Set::Vfp | Set::Neon => out.extend([low, high]),
            Set::T16 => out.push(low),
            Set::T32 => out.extend([high, low]),
        }
        out
    }
}

struct Case {
    set: Set,
    row: &'static RowInfo,
    insn: u32,
    /// The IT instruction before it.
    it: Option<u16>,
    /// Instructions that follow it.
    tail: Vec<Piece>,
    input: [u32; WORDS],
    /// Guest address of what is translated.
    at: u32,
    got: [u32; WORDS],
    want: Option<[u32; WORDS]>,
}

impl Case {
    /// All instructions.
    fn pieces(&self) -> impl Iterator<Item = Piece> + '_ {
        let first = Piece {
            set: self.set,
            row: self.row,
            insn: self.insn,
            it: self.it,
        };
        std::iter::once(first).chain(self.tail.iter().copied())
    }
}

/// Scratch memory and code.
struct Guest {
    code: Vec<u8>,
    /// Where the code starts.
    base: u32,
    scratch: Vec<u8>,
    /// An access was not aligned.
    unaligned: bool,
}

impl Guest {
    fn at(&mut self, va: GuestVa, len: usize, access: Access) -> Result<&mut [u8], MemFault> {
        let fault = MemFault {
            va,
            access,
            kind: FaultKind::Unmapped,
        };
        self.unaligned |= !va.0.is_multiple_of(len.min(4) as u64);
        let scratch = (va.0 as u32).wrapping_sub(SCRATCH) as usize;
        if scratch < SCRATCH_LEN {
            return self.scratch.get_mut(scratch..scratch + len).ok_or(fault);
        }
        let code = (va.0 as u32).wrapping_sub(self.base) as usize;
        if access == Access::Write {
            return Err(fault);
        }
        self.code
            .get_mut(code..code.saturating_add(len))
            .ok_or(fault)
    }
}

impl Memory for Guest {
    fn load(&mut self, va: GuestVa, bytes: &mut [u8]) -> Result<(), MemFault> {
        bytes.copy_from_slice(self.at(va, bytes.len(), Access::Read)?);
        Ok(())
    }

    fn store(&mut self, va: GuestVa, bytes: &[u8]) -> Result<(), MemFault> {
        self.at(va, bytes.len(), Access::Write)?
            .copy_from_slice(bytes);
        Ok(())
    }
}

struct ArmHelpers;

impl Helpers for ArmHelpers {
    fn call(&mut self, call: HelperCall<'_>) -> Result<HelperResult, String> {
        let a: Vec<u64> = call.args.iter().map(|x| x.1 as u64).chain([0; 4]).collect();
        let def = target_arm::helper::def(call.id);
        if def.effects != tcg_ir::Effects::Pure || call.args.iter().any(|x| x.0.bytes() > 8) {
            return Err(format!("helper {} needs an environment", def.name));
        }
        // SAFETY: a pure helper on integers does not look at the environment.
        let v = unsafe { (def.func)(std::ptr::null_mut(), a[0], a[1], a[2], a[3]) };
        Ok(HelperResult::Value(u128::from(v)))
    }
}

fn rows(set: Set) -> &'static [RowInfo] {
    match set {
        Set::A32 => &a32::ROWS,
        Set::T16 => &t16::ROWS,
        Set::T32 => &t32::ROWS,
        Set::Vfp => &vfp::ROWS,
        Set::Neon => &neon::ROWS,
    }
}

fn find(set: Set, features: FeatureSet, insn: u32) -> Option<u16> {
    match set {
        Set::A32 => a32::find(features, insn),
        Set::T16 => t16::find(features, insn),
        Set::T32 => t32::find(features, insn),
        Set::Vfp => vfp::find(features, insn),
        Set::Neon => neon::find(features, insn),
    }
}

fn thumb(set: Set) -> bool {
    matches!(set, Set::T16 | Set::T32)
}

/// Whether cases have floating-point registers.
fn fp(features: FeatureSet) -> bool {
    features.has(Feature::D32)
}

/// Every register number that the instruction names is not R15, unless it is only read.
fn usable(row: &RowInfo, insn: u32) -> bool {
    let value = |k: &str| row.field(k).map(|f| f.value(u64::from(insn)));
    let regs = value("regs").unwrap_or(0);
    // UNPREDICTABLE: a permutation of a register with itself.
    if ["vuzp", "vzip", "vtrn"].contains(&row.handler()) && value("vd") == value("vm") {
        return false;
    }
    // T16 POP has R15 in a field of its own.
    let pop_pc = row.name == "ldm.pop" && value("e") == Some(1);
    let writes_pc = ["rd", "rt", "rt2"].iter().any(|k| value(k) == Some(15));
    !pop_pc && !writes_pc && regs >> 15 == 0
}

/// A random instruction of a set, under the given condition.
fn random_piece(rng: &mut Rng, features: FeatureSet, set: Set, cond: u64) -> Option<Piece> {
    let index = rng.below(rows(set).len());
    let row = &rows(set)[index];
    let crypto = ["aes", "sha"].iter().any(|p| row.name.starts_with(p));
    if crypto || SKIP.contains(&row.handler()) {
        return None;
    }
    let decodes = |insn: u64| find(set, features, insn as u32) == Some(index as u16);
    let insn = random_insn(row, &mut || rng.next(), &[("cond", cond)], &decodes)? as u32;
    let it = (thumb(set) && cond != 14).then_some(0xbf08 | (cond as u16) << 4);
    usable(row, insn).then_some(Piece { set, row, insn, it })
}

/// Up to three instructions behind the first, half of them under the same condition.
fn random_tail(rng: &mut Rng, features: FeatureSet, set: Set, cond: u64) -> Vec<Piece> {
    let mut tail = Vec::new();
    let count = rng.below(4);
    for _ in 0..8 * count {
        let cond = match rng.below(4) {
            0 => rng.below(14) as u64,
            1 => 14,
            _ => cond,
        };
        let set = match set {
            Set::T16 | Set::T32 => [Set::T16, Set::T32][rng.below(2)],
            _ => [Set::A32, Set::Vfp, Set::Neon][rng.below(if fp(features) { 3 } else { 1 })],
        };
        // An exclusive store without a monitor need not fault if it is not aligned.
        let aligned = |p: &Piece| !p.row.handler().contains("ex");
        tail.extend(random_piece(rng, features, set, cond).filter(aligned));
        if tail.len() >= count {
            break;
        }
    }
    tail
}

fn random_case(rng: &mut Rng, features: FeatureSet) -> Option<Case> {
    let sets = [Set::A32, Set::T16, Set::T32, Set::Vfp, Set::Neon, Set::Neon];
    let set = sets[rng.below(if fp(features) { 6 } else { 3 })];
    let cond = match rng.below(3) {
        0 => rng.below(14) as u64,
        _ => 14,
    };
    let Piece { row, insn, it, .. } = random_piece(rng, features, set, cond)?;
    let tail = random_tail(rng, features, set, cond);
    let mut input: [u32; WORDS] = std::array::from_fn(|_| rng.word());
    input[15] &= if features.has(Feature::V6) {
        APSR_MASK
    } else {
        0xf800_0000
    };
    input[16] =
        (rng.next() as u32 & 0x0f << 22 | rng.next() as u32 & 0xf << 28) * rng.below(2) as u32;
    for pair in input[17..].chunks_exact_mut(2) {
        let d = rng.double();
        pair.copy_from_slice(&[d as u32, (d >> 32) as u32]);
    }
    let vector = row.name.starts_with("vld") || row.name.starts_with("vst");
    let memory = vector
        || row.syntax.contains("addr")
        || row.syntax.contains("indirect")
        || row.handler().starts_with("ldm")
        || row.handler().starts_with("stm");
    if memory {
        // Any register may be the base; the index is small.
        for r in &mut input[..15] {
            *r = SCRATCH + 0x2000 + (rng.next() as u32 & if vector { 0x1e0 } else { 0x1f8 });
        }
        // Before ARMv6 unaligned words rotate, which not every emulator does.
        let rotates = !features.has(Feature::V6);
        let imm = row.field("imm").map_or(0, |f| f.value(u64::from(insn)));
        if rotates && imm & 3 != 0 {
            return None;
        }
        let loose = row.syntax.contains("addr") && !rotates && !vector;
        if let Some(f) = row.field("rm") {
            let m = f.value(u64::from(insn)) as usize;
            let n = row.field("rn").map(|f| f.value(u64::from(insn)) as usize);
            if m < 15 && Some(m) != n {
                input[m] = rng.next() as u32 & if rotates { 0x3c } else { 0x3f };
            }
        }
        if loose && rng.below(4) == 0 && !row.handler().contains("ex") {
            for r in &mut input[..15] {
                *r = r.wrapping_add(rng.next() as u32 & 3);
            }
        }
    }
    Some(Case {
        set,
        row,
        insn,
        it,
        tail,
        input,
        at: 0,
        got: [0; WORDS],
        want: None,
    })
}

/// The program: code, then tables.
struct Program {
    bytes: Vec<u8>,
    fp: bool,
}

impl Program {
    fn pc(&self) -> u32 {
        BASE + self.bytes.len() as u32
    }

    fn arm(&mut self, insn: u32) {
        self.bytes.extend_from_slice(&insn.to_le_bytes());
    }

    fn half(&mut self, insn: u16) {
        self.bytes.extend_from_slice(&insn.to_le_bytes());
    }

    /// One case: loads the registers, runs the instruction, stores the registers.
    fn case(&mut self, case: &mut Case, input: u32, output: u32) -> usize {
        self.arm(0xe59f_0000); // ldr r0, [pc]
        self.arm(0xea00_0000); // b over the literal
        self.arm(input);
        if self.fp {
            self.arm(0xe590_1040); // ldr r1, [r0, #64]
            self.arm(0xeee1_1a10); // vmsr fpscr, r1
            self.arm(0xe280_1044); // add r1, r0, #68
            self.arm(0xecb1_0b20); // vldm r1!, {d0-d15}
            self.arm(0xecf1_0b20); // vldm r1!, {d16-d31}
        }
        self.arm(0xe590_103c); // ldr r1, [r0, #60]
        self.arm(0xe12c_f001); // msr APSR_nzcvqg, r1
        self.arm(0xe890_7fff); // ldm r0, {r0-r14}
        case.at = self.pc();
        let mut halves: Vec<u16> = case.pieces().flat_map(Piece::halves).collect();
        if thumb(case.set) {
            self.arm(0xe51f_f004); // ldr pc, [pc, #-4]
            let at = self.pc() + 4;
            self.arm(at | 1);
            case.at = at;
            if halves.len() % 2 == 1 {
                halves.push(0x46c0); // nop
            }
            halves.extend([0x4778, 0x46c0]); // bx pc; nop
        }
        halves.iter().for_each(|h| self.half(*h));
        self.arm(0xe58f_0014); // str r0, [pc, #20]
        self.arm(0xe59f_0014); // ldr r0, [pc, #20]
        self.arm(0xe980_7ffe); // stmib r0, {r1-r14}
        self.arm(0xe59f_1008); // ldr r1, [pc, #8]
        self.arm(0xe580_1000); // str r1, [r0]
        self.arm(0xe10f_1000); // mrs r1, cpsr
        self.arm(0xea00_0001); // b over the literals
        let literals = self.bytes.len();
        self.arm(0);
        self.arm(output);
        self.arm(0xe580_103c); // str r1, [r0, #60]
        if self.fp {
            self.arm(0xeef1_1a10); // vmrs r1, fpscr
            self.arm(0xe580_1040); // str r1, [r0, #64]
            self.arm(0xe280_1044); // add r1, r0, #68
            self.arm(0xeca1_0b20); // vstm r1!, {d0-d15}
            self.arm(0xece1_0b20); // vstm r1!, {d16-d31}
        }
        literals
    }
}

/// Where the tables start: behind the code of `count` cases.
fn tables(count: usize) -> u32 {
    (BASE + (HEADER + 64 + CASE_LEN * count) as u32 + 0xfff) & !0xfff
}

/// The bytes of one case's table entry.
fn entries(count: usize) -> u32 {
    (count * WORDS * 4) as u32
}

/// Completes the program: writes the results and ends.
fn build(mut p: Program, cases: &[Case], scratch: &[u8]) -> Vec<u8> {
    let tables = tables(cases.len());
    let outputs = tables + entries(cases.len());
    let write = |p: &mut Program, from: u32, len: u32| {
        for word in [
            0xe3a0_0001,
            0xe59f_1008,
            0xe59f_2008,
            0xe3a0_7004,
            0xea00_0001,
            from,
            len,
            0xef00_0000,
        ] {
            p.arm(word); // mov r0, #1; ldr r1; ldr r2; mov r7, #4; b; literals; svc
        }
    };
    write(&mut p, outputs, (cases.len() * WORDS * 4) as u32);
    write(&mut p, SCRATCH, SCRATCH_LEN as u32);
    for word in [0xe3a0_0000, 0xe3a0_7001, 0xef00_0000] {
        p.arm(word); // exit(0)
    }
    assert!(p.pc() <= tables);
    p.bytes.resize((tables - BASE) as usize, 0);
    for case in cases.iter() {
        case.input.iter().for_each(|w| p.arm(*w));
    }
    p.bytes.resize(p.bytes.len() + cases.len() * WORDS * 4, 0);
    assert!(p.pc() <= SCRATCH);
    p.bytes.resize((SCRATCH - BASE) as usize, 0);
    p.bytes.extend_from_slice(scratch);
    let len = p.bytes.len() as u32;
    let header: Vec<u32> = [
        [0x464c_457f, 0x0001_0101, 0, 0].as_slice(),
        &[
            0x0028_0002,
            1,
            BASE + HEADER as u32,
            0x34,
            0,
            0x0500_0000,
            0x0020_0034,
            0x0028_0001,
            0,
        ],
        &[1, 0, BASE, BASE, len, len, 7, 0x1000],
    ]
    .concat();
    for (i, w) in header.iter().enumerate() {
        p.bytes[4 * i..4 * i + 4].copy_from_slice(&w.to_le_bytes());
    }
    p.bytes
}

/// Runs one case through the translator and the interpreter.
fn run(
    isa: &Arm,
    state: &mut ArmState,
    guest: &mut Guest,
    case: &Case,
) -> Result<[u32; WORDS], String> {
    state.r.copy_from_slice(&case.input[..15]);
    state.set_apsr(case.input[15]);
    let sticky = state.set_fpscr(case.input[16]);
    let mode = Mode(0).with_fpscr(case.input[16]).0;
    for (d, w) in state.vfp.iter_mut().zip(case.input[17..].chunks_exact(2)) {
        *d = u64::from(w[1]) << 32 | u64::from(w[0]);
    }
    let pc = u64::from(case.at) | u64::from(thumb(case.set));
    let at = (case.at - guest.base) as usize;
    let code = guest.code[at..guest.code.len().min(at + 256)].to_vec();
    let base = case.at;
    let mut fetch = |va: GuestVa, buf: &mut [u8]| {
        let at = (va.0 - u64::from(base)) as usize;
        let n = buf.len().min(code.len() - at);
        buf[..n].copy_from_slice(&code[at..at + n]);
        Ok(n)
    };
    let max_insns = case.pieces().map(|p| 1 + u32::from(p.it.is_some())).sum();
    let mut ctx = TranslateCtx {
        fetch: &mut fetch,
        max_insns,
        parallel: true,
    };
    let block = isa
        .translate(pc, mode, &mut ctx)
        .map_err(|f| format!("{f:?}"))?;
    // SAFETY: the state is plain integers.
    let bytes = unsafe {
        std::slice::from_raw_parts_mut((&raw mut *state).cast::<u8>(), size_of::<ArmState>())
    };
    let mut interp = Interp {
        state: bytes,
        mem: guest,
        helpers: &mut ArmHelpers,
        fp_flags: sticky,
    };
    let outcome = interp.run(&block).map_err(|b| {
        format!(
            "broken block: {b:?}
{}",
            text(&block)
        )
    })?;
    let len = block.end_pc - u64::from(case.at);
    match outcome {
        Outcome::Jump { mode: now, .. } if mode != now => return Err("Fault: byte order".into()),
        Outcome::Jump { pc: to, .. } if to == pc + len => {}
        other => return Err(format!("{other:?}")),
    }
    let sticky = interp.fp_flags;
    let mut out = [0; WORDS];
    out[..15].copy_from_slice(&state.r);
    out[15] = state.cpsr(0, Mode(0)) & APSR_MASK;
    out[16] = state.fpscr(sticky);
    for (w, d) in out[17..].chunks_exact_mut(2).zip(state.vfp) {
        w.copy_from_slice(&[d as u32, (d >> 32) as u32]);
    }
    Ok(out)
}

/// A block for the reader.
fn text(block: &tcg_ir::Block) -> String {
    let mut out = String::new();
    for (i, inst) in block.insts.iter().enumerate() {
        let args: Vec<String> = inst.operands().map(|v| format!("v{}", v.0)).collect();
        let (op, ty) = (inst.op.name(), inst.ty.name());
        out += &format!("  v{i} = {op}.{ty} lane {} aux {} ", inst.lane, inst.aux);
        out += &format!("{} imm {:#x}\n", args.join(", "), inst.imm);
    }
    out
}

/// Instructions that want aligned addresses.
fn multiple(handler: &str) -> bool {
    ["ldm", "stm", "ldrd", "strd", "vld", "vst"]
        .iter()
        .any(|p| handler.starts_with(p))
}

fn main() {
    let mut args = std::env::args().skip(1);
    let emulator = args
        .next()
        .expect("usage: diff EMULATOR MODEL [seed] [cases]");
    let model = args
        .next()
        .and_then(|m| CpuModel::find(&m))
        .expect("unknown CPU model");
    let mut number = |default: u64| {
        args.next()
            .map_or(default, |s| s.parse().expect("a number"))
    };
    let mut rng = Rng(number(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let count = number(20_000) as usize;
    let isa = Arm {
        model,
        big_endian: false,
        platform_code: None,
    };

    let initial: Vec<u8> = (0..SCRATCH_LEN).map(|_| rng.next() as u8).collect();
    let mut scratch = initial.clone();
    let mut state = ArmState::new();
    let mut cases = Vec::new();
    let mut left_out: BTreeMap<String, u32> = BTreeMap::new();
    let mut p = Program {
        bytes: vec![0; HEADER],
        fp: fp(model.features),
    };
    while cases.len() < count {
        let Some(mut case) = random_case(&mut rng, model.features) else {
            continue;
        };
        // Dry run at the case's place in the program: cases that fault are left out.
        let start = p.bytes.len();
        let step = entries(cases.len());
        let inputs = tables(count);
        let literals = p.case(&mut case, inputs + step, inputs + entries(count) + step);
        let end = p.bytes.len();
        let mut guest = Guest {
            // Without the literals that change.
            code: p.bytes[start..literals].to_vec(),
            base: BASE + start as u32,
            scratch: scratch.clone(),
            unaligned: false,
        };
        let kept = cases.len();
        let mut after = state.clone();
        match run(&isa, &mut after, &mut guest, &case) {
            // The kernel would fix these up; an emulator may raise SIGBUS.
            Ok(_) if guest.unaligned && case.pieces().any(|p| multiple(p.row.handler())) => {
                *left_out.entry(case.row.name.into()).or_default() += 1
            }
            Ok(got) => {
                case.got = got;
                cases.push(case);
                p.bytes.truncate(end);
                scratch = guest.scratch;
                state = after;
            }
            Err(why) if why.starts_with("Fault") || why.starts_with("Trap") => {
                *left_out.entry(case.row.name.into()).or_default() += 1;
            }
            Err(why) => panic!("{} {:08x}: {why}", case.row.name, case.insn),
        }
        if cases.len() == kept {
            p.bytes.truncate(start);
        }
    }
    let image = build(p, &cases, &initial);
    let path = std::env::temp_dir().join(format!("arm-diff-{}", std::process::id()));
    std::fs::File::create(&path)
        .and_then(|mut f| f.write_all(&image))
        .expect("write the program");
    let _ = Command::new("chmod").arg("755").arg(&path).status();
    let result = Command::new(&emulator)
        .args(["-cpu", model.name])
        .arg(&path)
        .output()
        .expect("run the emulator");
    let _ = std::fs::remove_file(&path);
    assert!(
        result.status.success(),
        "{:?}: {}",
        result.status,
        String::from_utf8_lossy(&result.stderr)
    );
    let words: Vec<u32> = result
        .stdout
        .chunks_exact(4)
        .map(|c| u32::from_le_bytes([c[0], c[1], c[2], c[3]]))
        .collect();
    for (case, out) in cases.iter_mut().zip(words.chunks_exact(WORDS)) {
        let mut want: [u32; WORDS] = std::array::from_fn(|i| out[i]);
        want[15] &= APSR_MASK;
        if !fp(model.features) {
            want[16..].copy_from_slice(&case.input[16..]);
        }
        case.want = Some(want);
    }

    let mut bad: BTreeMap<&str, u32> = BTreeMap::new();
    for case in &cases {
        if Some(case.got) == case.want {
            continue;
        }
        let n = bad.entry(case.row.name).or_default();
        *n += 1;
        if *n <= 2 {
            report(&isa, case);
        }
    }
    let end = &result.stdout[result.stdout.len() - SCRATCH_LEN..];
    let memory = end.iter().zip(&scratch).filter(|(a, b)| a != b).count();
    println!(
        "{} cases, {} rows differ {bad:?}, {memory} bytes of memory differ",
        cases.len(),
        bad.len()
    );
    let ran: std::collections::BTreeSet<&str> = cases
        .iter()
        .flat_map(Case::pieces)
        .map(|p| p.row.name)
        .collect();
    let sets = [Set::A32, Set::T16, Set::T32, Set::Vfp, Set::Neon];
    let missing: Vec<&str> = sets
        .iter()
        .flat_map(|set| rows(*set))
        .filter(|r| !ran.contains(r.name) && !SKIP.contains(&r.handler()))
        .map(|r| r.name)
        .collect();
    println!("rows that never ran: {missing:?}");
    println!("left out because they fault, trap or change the byte order: {left_out:?}");
    if !bad.is_empty() || memory != 0 {
        std::process::exit(1);
    }
}

fn report(isa: &Arm, case: &Case) {
    println!("{} at {:#x}:", case.row.name, case.at);
    for piece in case.pieces() {
        let halves = Piece { it: None, ..piece }.halves();
        let bytes: Vec<u8> = halves.iter().flat_map(|h| h.to_le_bytes()).collect();
        let thumb = u64::from(thumb(piece.set));
        let (text, _) = isa.disassemble(u64::from(case.at) | thumb, 0, &bytes);
        println!("   {:08x} {text} (IT {:04x?})", piece.insn, piece.it);
    }
    let got = &case.got;
    for (i, input) in case.input.iter().enumerate() {
        let want = case.want.map_or(0, |w| w[i]);
        if got[i] != want {
            println!("   r{i}: in {input:08x} got {:08x} want {want:08x}", got[i]);
        }
    }
    println!("   in: {:08x?}", case.input);
}
