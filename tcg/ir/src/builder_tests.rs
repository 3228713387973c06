//! Random use of the builder against a plain array of bytes, and folding against evaluation.

use tcg_mem::{GuestVa, MemFault};

use crate::interp::{Interp, Memory, NoHelpers};
use crate::random::Prng;
use crate::{
    Block, Builder, Cond, ExitInfo, ExitKind, Op, RegionKind, Slot, StateLayout, Ty, Value,
};

const BYTES: usize = 96;
/// Slots from here on hold no tested register: results are written there.
const PROBE: usize = 64;

static LAYOUT: StateLayout = StateLayout {
    pinned: &[],
    bytes: BYTES,
    peek: &[],
    bits: &[],
    names: &[],
};

struct NoMemory;

impl Memory for NoMemory {
    fn load(&mut self, _: GuestVa, _: &mut [u8]) -> Result<(), MemFault> {
        unreachable!()
    }
    fn store(&mut self, _: GuestVa, _: &[u8]) -> Result<(), MemFault> {
        unreachable!()
    }
}

fn leave() -> ExitInfo {
    ExitInfo {
        kind: ExitKind::Direct,
        pc: 0,
        mode: 0,
        mode_dynamic: false,
        ret_pc: 0,
        dead: 0,
        check: false,
    }
}

fn execute(block: &Block, state: &mut [u8]) {
    let mut interp = Interp {
        state,
        mem: &mut NoMemory,
        helpers: &mut NoHelpers,
        fp_flags: 0,
    };
    if let Err(broken) = interp.run(block) {
        panic!("{broken:?} in {}", lines(block));
    }
}

fn random_slot(rng: &mut Prng) -> Slot {
    let types = [Ty::I32, Ty::F32, Ty::I64, Ty::F64, Ty::V64, Ty::V128];
    let ty = types[rng.below(6) as usize];
    let size = ty.bytes();
    Slot::new((rng.below(48 / size) * size) as usize, ty)
}

fn constant(b: &mut Builder<'_>, ty: Ty, bits: u128) -> Value {
    match ty {
        Ty::I32 | Ty::I64 => b.iconst(ty, bits as u64),
        _ => b.vconst(ty, bits),
    }
}

/// A region that is open: the model's bytes on the other way.
struct Open {
    taken: bool,
    kind: RegionKind,
    other: Vec<u8>,
}

/// Which units were set since the state block last had them: what a backend would hold as dirty. The interpreter
/// stores at once, so a read of a stale state block is found here.
fn check_laziness(block: &Block) {
    let mut dirty: Vec<(i64, i64)> = Vec::new();
    let mut before: Vec<(i64, i64)> = Vec::new();
    let mut leaves = false;
    for (i, inst) in block.insts.iter().enumerate() {
        let bytes = |v: Value| i64::from(block.ty(v).bytes());
        match inst.op {
            Op::CondBegin => {
                before = dirty.clone();
                leaves = inst.aux == 1;
            }
            Op::CondEnd if leaves => dirty = before.clone(),
            // What was dirty on the way around is dirty still.
            Op::CondEnd => dirty.extend(before.iter().copied()),
            Op::Get => {
                let (lo, hi) = (inst.imm, inst.imm + i64::from(inst.ty.bytes()));
                let stale = dirty.iter().find(|(a, b)| *a < hi && lo < *b);
                assert_eq!(stale, None, "v{i} reads a dirty slot in {}", lines(block));
            }
            Op::Set | Op::Sync => {
                let (lo, hi) = (inst.imm, inst.imm + bytes(inst.args[0]));
                let cut = std::mem::take(&mut dirty);
                for (a, b) in cut {
                    dirty.extend(
                        [(a, b.min(lo)), (a.max(hi), b)]
                            .iter()
                            .filter(|r| r.0 < r.1),
                    );
                }
                if inst.op == Op::Set {
                    dirty.push((lo, hi));
                }
            }
            _ => {}
        }
    }
}

fn one_round(seed: u64) {
    let mut rng = Prng::new(seed);
    let mut model: Vec<u8> = (0..BYTES).map(|_| rng.bits() as u8).collect();
    let mut state = model.clone();
    let mut b = Builder::new(0, 0, &LAYOUT);
    let mut open: Option<Open> = None;
    for _ in 0..rng.below(40) {
        let slot = random_slot(&mut rng);
        let (at, n) = (usize::from(slot.off), slot.ty.bytes() as usize);
        match rng.below(8) {
            0..=2 => {
                let bits = rng.value();
                let v = constant(&mut b, slot.ty, bits);
                b.set(slot, v);
                model[at..at + n].copy_from_slice(&bits.to_le_bytes()[..n]);
            }
            3..=4 => {
                let v = b.get(slot);
                let to = Slot::new(PROBE + 16 * rng.below(2) as usize, slot.ty);
                b.set(to, v);
                let from = model[at..at + n].to_vec();
                model[usize::from(to.off)..][..n].copy_from_slice(&from);
            }
            5 => {
                let mut other = random_slot(&mut rng);
                other.off &= !(n as u16 - 1);
                let v = b.get(slot);
                b.set(
                    Slot {
                        ty: slot.ty,
                        ..other
                    },
                    v,
                );
                let from = model[at..at + n].to_vec();
                model[usize::from(other.off)..][..n].copy_from_slice(&from);
            }
            _ => match open.take() {
                Some(region) => {
                    close(&mut b, region, &mut model);
                }
                None => {
                    let kinds = [RegionKind::Leaves, RegionKind::Simple, RegionKind::Calls];
                    let mut kind = kinds[rng.below(3) as usize];
                    let taken = rng.one_in(2);
                    // The test follows one way only: a region that leaves is passed by.
                    if taken && kind == RegionKind::Leaves {
                        kind = RegionKind::Simple;
                    }
                    let cond = b.i32(u32::from(taken));
                    b.begin_if(cond, kind);
                    let other = model.clone();
                    open = Some(Open { taken, kind, other });
                }
            },
        }
    }
    if let Some(region) = open.take() {
        close(&mut b, region, &mut model);
    }
    b.exit(leave(), Value::NONE);
    let block = b.finish();
    check_laziness(&block);
    execute(&block, &mut state);
    assert_eq!(state, model, "seed {seed}: {}", lines(&block));
}

fn close(b: &mut Builder<'_>, region: Open, model: &mut Vec<u8>) {
    if region.kind == RegionKind::Leaves {
        b.exit(leave(), Value::NONE);
    }
    b.end_if();
    if !region.taken {
        *model = region.other;
    }
}

#[test]
fn slots_random_views_and_regions_equal_bytes() {
    for seed in 0..20_000 {
        one_round(seed);
    }
}

/// Builds one operation twice, on constants (folded) and on slots (not folded), and compares.
fn fold_round(op: Op, rng: &mut Prng) {
    let ty = if rng.one_in(2) { Ty::I32 } else { Ty::I64 };
    let n = ty.bytes() * 8;
    let (ty, from) = match op {
        Op::SextI64 | Op::ZextI64 | Op::Concat | Op::MulWideU | Op::MulWideS => (Ty::I64, Ty::I32),
        Op::Trunc | Op::Hi32 => (Ty::I32, Ty::I64),
        Op::ICmp => (Ty::I32, ty),
        _ => (ty, ty),
    };
    let shift = matches!(
        op,
        Op::Shl | Op::Shr | Op::Sar | Op::Rotr | Op::ShlSat | Op::ShrSat | Op::SarSat
    );
    let len = 1 + rng.below(n);
    let imm = match op {
        Op::ExtractU | Op::ExtractS | Op::Deposit => i64::from(len << 8 | rng.below(n - len + 1)),
        _ => 0,
    };
    let lane = if op == Op::ICmp {
        rng.below(14) as u8
    } else {
        0
    };
    let types = match op {
        Op::Sel => [Ty::I32, ty, ty],
        Op::Adc | Op::Sbc => [ty, ty, Ty::I32],
        _ if shift => [ty, Ty::I32, Ty::Void],
        _ => [from, from, Ty::Void],
    };
    let mut values = [rng.value() as u64, rng.value() as u64, rng.value() as u64];
    if rng.one_in(4) {
        values[1] = values[0];
    }
    let mut state = [0; BYTES];
    let mut b = Builder::new(0, 0, &LAYOUT);
    // Each operand is a constant or a register in the one build, always a register in the other.
    let fixed = rng.bits();
    let mut results = [Value::NONE; 2];
    for (k, result) in results.iter_mut().enumerate() {
        let mut args = [Value::NONE; 3];
        for j in 0..3 {
            if types[j] == Ty::Void {
                continue;
            }
            let at = 16 * j;
            state[at..at + 8].copy_from_slice(&values[j].to_le_bytes());
            args[j] = if k == 0 && fixed >> j & 1 != 0 {
                b.iconst(types[j], values[j])
            } else {
                b.get(Slot::new(at, types[j]))
            };
        }
        if k == 0 {
            *result = b.op(op, ty, lane, 0, args, imm);
        } else {
            let inst = crate::Inst {
                op,
                ty,
                lane,
                aux: 0,
                args,
                imm,
            };
            *result = b.push(inst);
        }
    }
    b.set(Slot::new(PROBE, ty), results[0]);
    b.set(Slot::new(PROBE + 16, ty), results[1]);
    b.exit(leave(), Value::NONE);
    let block = b.finish();
    execute(&block, &mut state);
    let got = state[PROBE..PROBE + 8].to_vec();
    let want = state[PROBE + 16..PROBE + 24].to_vec();
    assert_eq!(got, want, "{op:?} {ty:?} {values:x?} {lane} {imm:#x}");
}

#[test]
fn fold_random_operands_equals_eval() {
    let mut rng = Prng::new(7);
    let first = Op::ALL.iter().position(|o| *o == Op::Add).unwrap_or(0);
    let last = Op::ALL.iter().position(|o| *o == Op::Sel).unwrap_or(0);
    assert!(first < last);
    for op in &Op::ALL[first..=last] {
        for _ in 0..3_000 {
            fold_round(*op, &mut rng);
        }
    }
}

#[test]
fn fold_icmp_knows_all_conditions() {
    let mut b = Builder::new(0, 0, &LAYOUT);
    let (minus_one, one) = (b.i32(u32::MAX), b.i32(1));
    let holds: Vec<u64> = Cond::ALL
        .iter()
        .map(|c| {
            let v = b.icmp(*c, minus_one, one);
            b.as_const(v).unwrap_or(9)
        })
        .collect();
    // eq ne hs lo mi pl vs vc hi ls ge lt gt le
    assert_eq!(holds, [0, 1, 1, 0, 1, 0, 0, 1, 1, 0, 0, 1, 0, 1]);
}

#[test]
fn a_test_that_is_complemented_is_the_opposite_test() {
    let mut b = Builder::new(0, 0, &LAYOUT);
    let (x, y) = (b.get(Slot::new(0, Ty::I32)), b.get(Slot::new(4, Ty::I32)));
    let (zero, one) = (b.i32(0), b.i32(1));
    let cc = b.bin(Op::CcSub, Ty::Cc, x, y);
    for cond in Cond::ALL {
        for test in [b.icmp(cond, x, y), b.cc_test(cc, cond)] {
            let opposite = [
                b.bin(Op::Xor, Ty::I32, one, test),
                b.icmp(Cond::Eq, test, zero),
            ];
            for o in opposite.map(|o| *b.block.def(o)) {
                let t = *b.block.def(test);
                assert_eq!((o.op, o.args, o.lane), (t.op, t.args, cond.negate() as u8));
            }
            assert_eq!(b.icmp(Cond::Ne, test, zero), test);
        }
    }
    // What is not a test may be any number.
    let v = b.bin(Op::Xor, Ty::I32, x, one);
    assert_eq!(b.block.def(v).op, Op::Xor);
}

/// A block in one line per instruction, for failures.
fn lines(block: &Block) -> String {
    let line = |(k, i): (usize, &crate::Inst)| {
        let args: Vec<i32> = i.operands().map(|v| v.0 as i32).collect();
        format!(
            "\nv{k} = {}.{} {args:?} {:#x}",
            i.op.name(),
            i.ty.name(),
            i.imm
        )
    };
    block.insts.iter().enumerate().map(line).collect()
}
