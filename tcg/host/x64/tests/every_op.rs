//! Every form of every operation that only computes, one at a time: generated code against the evaluator on special and
//! random operands, with and without AVX2, with few and many registers; and how often it has to ask the evaluator.
//!
//! `X64_OP` restricts it to operations whose name contains this, `X64_ROUNDS` says how many operands each form gets.

mod harness;

use std::collections::BTreeMap;

use harness::*;
use tcg_ir::eval::OpDesc;
use tcg_ir::random::Prng;
use tcg_ir::sig::{Arg, Imm, Lane, Sig};
use tcg_ir::{
    Block, Builder, ExitInfo, ExitKind, FpMode, FpNan, FpRound, Inst, Op, OpClass, Slot,
    StateLayout, Ty, Value,
};
use tcg_x64::{CompiledBlock, Opts};

const STATE: usize = 128;
/// Where the result goes; operands are below, 16 bytes each.
const RESULT: usize = 64;

static LAYOUT: StateLayout = StateLayout {
    pinned: &[],
    bytes: STATE,
    peek: &[],
    bits: &[],
    names: &[],
};

/// One form of an operation.
#[derive(Clone, Copy, Debug)]
struct Form {
    inst: Inst,
    types: [Ty; 3],
}

/// All forms that the signature allows, with a choice of immediates.
fn forms(op: Op) -> Vec<Form> {
    let Some(sig) = Sig::of(op) else {
        return vec![];
    };
    let mut out = Vec::new();
    for ty in sig.result.iter() {
        for types in operand_types(&sig, ty) {
            if sig.check_types(op, ty, types).is_err() {
                continue;
            }
            for lane in 0..lanes(sig.lane) {
                for imm in immediates(sig.imm, ty, lane) {
                    for aux in 0..=sig.aux.min(1) {
                        let inst = Inst {
                            op,
                            ty,
                            lane,
                            aux,
                            args: [Value::NONE; 3],
                            imm,
                        };
                        if sig.check_parameters(&inst, types).is_ok() {
                            out.push(Form { inst, types });
                        }
                    }
                }
            }
        }
    }
    out
}

fn operand_types(sig: &Sig, ty: Ty) -> Vec<[Ty; 3]> {
    let mut all = vec![[Ty::Void; 3]];
    for (k, arg) in sig.args.iter().enumerate() {
        let mut next = Vec::new();
        for types in &all {
            let choice: Vec<Ty> = match arg {
                Arg::None => vec![Ty::Void],
                Arg::Result => vec![ty],
                Arg::First => vec![types[0]],
                Arg::Of(set) => set.iter().collect(),
            };
            for c in choice {
                let mut t = *types;
                t[k] = c;
                next.push(t);
            }
        }
        all = next;
    }
    all
}

fn lanes(lane: Lane) -> u8 {
    match lane {
        Lane::Unused | Lane::Ignored => 1,
        Lane::Size(..) | Lane::ZeroOrThree => 4,
        Lane::Cond => 14,
        Lane::Round => 6,
        Lane::Flag => 2,
    }
}

fn immediates(imm: Imm, ty: Ty, lane: u8) -> Vec<i64> {
    let element = 8i64 << lane.min(3);
    let fractions = [0, 1, 7, 15, 16, 31, 32, 63, 64];
    let both_signs = |f: &[i64]| f.iter().flat_map(|f| [*f, *f | 0x100]).collect::<Vec<_>>();
    match imm {
        Imm::Unused => vec![0],
        Imm::Any => vec![0, 1, -1, i64::MIN],
        Imm::Field => {
            let bits = i64::from(ty.bytes()) * 8;
            let mut v = Vec::new();
            for lsb in [0, 1, 7, 8, 15, 16, 31, bits - 1] {
                for len in [1, 8, 16, 31, 32, bits - lsb] {
                    v.push(lsb | len << 8);
                }
            }
            v
        }
        Imm::Element | Imm::Byte => (0..16).collect(),
        Imm::Left => (0..element).collect(),
        Imm::Right => (1..=element).collect(),
        Imm::Group => (1..=4).collect(),
        Imm::Below(n) | Imm::Precision(n) => (0..n).collect(),
        Imm::Fused => vec![0, 2, 4, 6],
        Imm::ToInt => both_signs(&fractions)
            .into_iter()
            .flat_map(|f| [16, 32, 64].map(|w| f | w << 16))
            .collect(),
        Imm::FromInt => both_signs(&fractions),
        Imm::Lanes => both_signs(&fractions)
            .into_iter()
            .flat_map(|f| [0, 1, 2, 3, 4, 5].map(|r| f | r << 12))
            .collect(),
        Imm::Rounding => (0..6).flat_map(|r| [r << 12, r << 12 | 1]).collect(),
    }
}

/// Reads the operands, computes, sets the result.
fn block(form: &Form, fp: [FpMode; 2]) -> Block {
    let mut b = Builder::new(0x8000, 0, &LAYOUT);
    b.block.fp = fp;
    b.insn_start(0x8000, 0);
    let mut inst = form.inst;
    for (k, ty) in form.types.into_iter().enumerate() {
        inst.args[k] = match ty {
            Ty::Void => Value::NONE,
            _ => b.get(Slot::new(16 * k, ty)),
        };
    }
    let v = b.push(inst);
    b.set(Slot::new(RESULT, inst.ty), v);
    let info = ExitInfo {
        kind: ExitKind::Direct,
        pc: 0x9000,
        mode: 0,
        mode_dynamic: false,
        ret_pc: 0,
        dead: 0,
        check: false,
    };
    b.exit(info, Value::NONE);
    b.finish()
}

/// Operands: special, plain floating-point numbers, or plain small integers.
fn operand(rng: &mut Prng, float: bool, plain: bool) -> u128 {
    match (float, plain) {
        (true, true) => {
            let bits = [16, 32, 64][rng.below(3) as usize];
            (0..128 / bits).fold(0, |v, k| {
                v | u128::from(rng.plain_float(bits)) << (k * bits)
            })
        }
        (true, false) => match rng.below(4) {
            0 => rng.value(),
            _ => rng.floats(),
        },
        _ => rng.value(),
    }
}

/// A plain operand of the types that a floating-point operation takes.
fn plain_operand(rng: &mut Prng, form: &Form, k: usize) -> u128 {
    let bits = match (form.inst.op, form.types[k]) {
        (Op::FFromHalf | Op::VFFromHalf, _) => 16,
        (Op::FFromI | Op::VFFromI, _) => return u128::from(rng.bits() >> 40) * ((1 << 64) + 1),
        (_, Ty::F64) => 64,
        (_, Ty::V64 | Ty::V128) if form.inst.lane == 3 => 64,
        _ => 32,
    };
    (0..128 / bits).fold(0, |v, n| {
        v | u128::from(rng.plain_float(bits)) << (n * bits)
    })
}

/// What a run gives: the result's bits and the sticky flags.
fn run(m: &mut Machine, c: &CompiledBlock, form: &Form, args: [u128; 3]) -> (u128, u32) {
    for (k, a) in args.into_iter().enumerate() {
        m.state()[16 * k..16 * k + 16].copy_from_slice(&a.to_le_bytes());
    }
    m.state()[RESULT..RESULT + 16].fill(0xa5);
    m.header().fp_flags = 0;
    let left = m.run(c);
    assert_eq!((left.kind, left.pc), (KIND_JUMP, 0x9000));
    let h = m.header();
    let flags = h.fp_flags | h.mxcsr_sticky & 1 | h.mxcsr_sticky >> 1 & 0x1e;
    let n = form.inst.ty.bytes() as usize;
    let mut bytes = [0; 16];
    bytes[..n].copy_from_slice(&m.state()[RESULT..RESULT + n]);
    (u128::from_le_bytes(bytes), flags)
}

/// MXCSR for a regime: all exceptions masked, no sticky flags.
fn mxcsr(fp: FpMode) -> u32 {
    let round = match fp.round {
        FpRound::Down => 0x2000,
        FpRound::Up => 0x4000,
        FpRound::Zero => 0x6000,
        _ => 0,
    };
    0x1f80 | round | if fp.flush { 0x8040 } else { 0 }
}

/// Pairs of regimes to try.
fn regimes() -> [[FpMode; 2]; 4] {
    let ieee = FpMode::IEEE;
    let with = |round, fp| FpMode { round, ..fp };
    let other = FpMode {
        nan: FpNan::First,
        tiny_before: false,
        ..ieee
    };
    let addend = FpMode {
        nan: FpNan::FirstThenAddend,
        ..ieee
    };
    let silent = FpMode {
        silent: true,
        ..addend
    };
    [
        [ieee, FpMode::FLUSHING],
        [addend, silent],
        [with(FpRound::Up, ieee), with(FpRound::Down, other)],
        [
            with(FpRound::Zero, FpMode::FLUSHING),
            FpMode {
                alt_half: true,
                ..other
            },
        ],
    ]
}

/// The flags that are exact: see `emit_fp.rs`.
fn exact_flags(form: &Form, fp: &[FpMode; 2]) -> u32 {
    match fp[usize::from(form.inst.aux & 1)].flush {
        true => 7,
        false => 0x17,
    }
}

fn mask(ty: Ty) -> u128 {
    match ty {
        Ty::Void => 0,
        Ty::Cc => 15,
        t => u128::MAX >> (128 - t.bytes() * 8),
    }
}

struct Count {
    forms: u32,
    runs: u32,
    asked: u32,
}

fn check(
    m: &mut Machine,
    form: &Form,
    fp: [FpMode; 2],
    rounds: u32,
    asked: &mut BTreeMap<String, Count>,
) {
    let b = block(form, fp);
    let float = form.inst.op.class() == OpClass::Fp || form.inst.op.name().starts_with("vfr");
    let desc = OpDesc::of(
        &b,
        b.insts
            .iter()
            .find(|i| i.op == form.inst.op && i.lane == form.inst.lane && i.args[0].is_some())
            .unwrap(),
    )
    .unwrap();
    let mut rng = Prng::new(
        form.inst.imm as u64 ^ u64::from(form.inst.lane) << 32 ^ (form.inst.op as u64) << 40,
    );
    let mut cases = Vec::new();
    for n in 0..rounds {
        let plain = n % 4 == 3;
        let args = [0, 1, 2].map(|k| {
            let a = match float && plain {
                true => plain_operand(&mut rng, form, k),
                false => operand(&mut rng, float, false),
            };
            // Carries are 0 or 1.
            let carry = k == 2 && matches!(form.inst.op, Op::Adc | Op::Sbc);
            if carry { a & 1 } else { a }
        });
        let mut flags = 0;
        let masked = [0, 1, 2].map(|k| args[k] & mask(form.types[k]));
        let want = desc.run(masked, &mut flags);
        cases.push((args, want, flags, plain || !float));
    }
    let exact = exact_flags(form, &fp);
    for f in feature_sets() {
        for max_regs in [0, 8] {
            let opts = Opts {
                parallel: false,
                max_regs,
                ..Opts::default()
            };
            let c = compile(&b, &LAYOUT, &[], f, opts);
            let key = format!("{} avx2={}", form.inst.op.name(), f.avx2);
            let count = asked.entry(key).or_insert(Count {
                forms: 0,
                runs: 0,
                asked: 0,
            });
            count.forms += 1;
            let mut asks = 0;
            for (args, want, flags, plain) in &cases {
                fallbacks();
                let (got, got_flags) = run(m, &c, form, *args);
                if *plain {
                    count.runs += 1;
                    let n = fallbacks();
                    count.asked += n;
                    asks += n;
                }
                if got != *want || got_flags & exact != flags & exact {
                    panic!(
                        "{form:?} {fp:?} regs {max_regs} avx2 {}\n{args:x?}\nwant {want:x} {flags:x}\ngot  {got:x} {got_flags:x}\n{}",
                        f.avx2,
                        disassemble(&c)
                    );
                }
            }
            if asks > 0 && std::env::var_os("X64_ASKS").is_some() {
                println!(
                    "asks {asks}: {} {:?} lane {} imm {:x} {:?} avx2 {}",
                    form.inst.op.name(),
                    form.inst.ty,
                    form.inst.lane,
                    form.inst.imm,
                    form.types,
                    f.avx2
                );
            }
        }
    }
}

#[test]
fn every_form_of_every_operation_agrees_with_evaluator() {
    let only = std::env::var("X64_OP").unwrap_or_default();
    let rounds = std::env::var("X64_ROUNDS")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(24);
    let mut m = Machine::new(STATE, &[]);
    let mut asked = BTreeMap::new();
    for op in Op::ALL {
        let skip = matches!(op, Op::Const | Op::CcTest)
            || matches!(
                op,
                Op::CcAdd | Op::CcSub | Op::CcAdc | Op::CcSbc | Op::CcLogic | Op::CcFcmp
            );
        if skip || !op.name().contains(&only) {
            continue;
        }
        let float = op.class() == OpClass::Fp;
        for fp in regimes().into_iter().take(if float { 3 } else { 1 }) {
            m.header().mxcsr_guest = fp.map(mxcsr);
            for form in forms(*op) {
                check(&mut m, &form, fp, rounds, &mut asked);
            }
        }
    }
    for (key, c) in &asked {
        if c.asked > 0 {
            println!(
                "{key}: {} forms, {} of {} runs ask the evaluator",
                c.forms, c.asked, c.runs
            );
        }
    }
}
