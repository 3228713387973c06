//! Random blocks: generated code against the reference interpreter, with few and many registers, with and without
//! AVX2/BMI2, including faults at arbitrary sites with exact guest state.

mod harness;
mod make;

use harness::ram::Ram;
use harness::*;
use make::*;
use tcg_ir::interp::{HelperCall, HelperResult, Helpers, Interp, Outcome};
use tcg_ir::*;
use tcg_mem::{Access, FaultKind};
use tcg_target::EnvHeader;
use tcg_x64::Opts;

const STATE: usize = 512;
const FLAGS: [Slot; 4] = [
    Slot::new(64, Ty::I32),
    Slot::new(68, Ty::I32),
    Slot::new(72, Ty::I32),
    Slot::new(76, Ty::I32),
];
const MEM: u32 = 0x1_0000;
const MEM_LEN: usize = 0x1000;

static LAYOUT: StateLayout = StateLayout {
    pinned: &[],
    bytes: STATE,
    peek: &FLAGS,
    bits: &[],
    names: &[],
};

// ---- helpers, once for the host and once for the interpreter ----

fn pure_math(a: u32, b: u64) -> u64 {
    u64::from(a).wrapping_mul(3) ^ b.rotate_left(7)
}

unsafe extern "C" fn h_pure(_env: *mut u8, a: u64, b: u64, _c: u64, _d: u64) -> u64 {
    assert!(a <= u64::from(u32::MAX));
    pure_math(a as u32, b)
}

fn touch(state: &mut [u8], a: u32) -> u32 {
    let old = u32::from_le_bytes(state[20..24].try_into().unwrap());
    state[20..24].copy_from_slice(&(old ^ a).to_le_bytes());
    old.wrapping_add(a)
}

unsafe extern "C" fn h_state(env: *mut u8, a: u64, _b: u64, _c: u64, _d: u64) -> u64 {
    // SAFETY: the state block.
    u64::from(touch(
        unsafe { std::slice::from_raw_parts_mut(env, STATE) },
        a as u32,
    ))
}

unsafe extern "C" fn h_exit(env: *mut u8, a: u64, _b: u64, _c: u64, _d: u64) -> u64 {
    // SAFETY: the state block and the header below it.
    unsafe {
        touch(std::slice::from_raw_parts_mut(env, STATE), a as u32);
        if a & 7 == 0 {
            (*env.cast::<EnvHeader>().sub(1)).exit_kind = 9;
        }
    }
    0
}

static HELPERS: [HelperDef; 3] = [
    HelperDef {
        name: "pure",
        args: &[Ty::I32, Ty::I64],
        ret: Ty::I64,
        effects: Effects::Pure,
        func: h_pure,
    },
    HelperDef {
        name: "state",
        args: &[Ty::I32],
        ret: Ty::I32,
        effects: Effects::State,
        func: h_state,
    },
    HelperDef {
        name: "exit",
        args: &[Ty::I32],
        ret: Ty::Void,
        effects: Effects::StateMayExit,
        func: h_exit,
    },
];

struct Calls;

impl Helpers for Calls {
    fn call(&mut self, c: HelperCall<'_>) -> Result<HelperResult, String> {
        let a = c.args[0].1 as u32;
        Ok(match c.id.0 {
            0 => HelperResult::Value(u128::from(pure_math(a, c.args[1].1 as u64))),
            1 => HelperResult::Value(u128::from(touch(c.state, a))),
            _ => {
                touch(c.state, a);
                if a & 7 == 0 {
                    return Ok(HelperResult::Leave);
                }
                HelperResult::Value(0)
            }
        })
    }
}

// ---- random blocks ----

/// What both sides have to agree on.
#[derive(Debug, PartialEq)]
struct End {
    what: String,
    fp_flags: u32,
    state: Vec<u8>,
    mem: Vec<u8>,
}

fn interpret(block: &Block, state: &[u8], mem: &[u8]) -> (End, u32) {
    let mut state = state.to_vec();
    let mut ram = Ram {
        base: MEM,
        bytes: mem.to_vec(),
    };
    let mut i = Interp {
        state: &mut state,
        mem: &mut ram,
        helpers: &mut Calls,
        fp_flags: 0,
    };
    let out = i.run(block).unwrap_or_else(|e| {
        for (k, i) in block.insts.iter().enumerate().take(70) {
            println!(
                "{k}: {:?} {:?} lane {} aux {} {:?} imm {:x}",
                i.op,
                i.ty,
                i.lane,
                i.aux,
                i.args.map(|v| v.0 as i32),
                i.imm
            );
        }
        panic!("unsound block: {e:?}")
    });
    let fp_flags = i.fp_flags;
    let mut dead = 0;
    let what = match out {
        Outcome::Jump { exit, pc, mode } => {
            dead = block.exits[exit].dead;
            format!("jump {pc:x} {mode:x}")
        }
        Outcome::Trap {
            exit,
            code,
            info,
            pc,
            mode,
        } => {
            dead = block.exits[exit].dead;
            format!("trap {code} {info:x} {pc:x} {mode:x}")
        }
        Outcome::Fault { fault, pc, mode } if fault.kind == FaultKind::Alignment => {
            let w = (fault.access == Access::Write) as u32;
            format!("misaligned {:x} {w} {pc:x} {mode:x}", fault.va.0)
        }
        Outcome::Fault { pc, mode, .. } => format!("fault {pc:x} {mode:x}"),
        Outcome::Left { pc, mode } => format!("left {pc:x} {mode:x}"),
    };
    (
        End {
            what,
            fp_flags,
            state,
            mem: ram.bytes,
        },
        dead,
    )
}

fn execute(
    m: &mut Machine,
    block: &Block,
    f: tcg_x64::Features,
    opts: Opts,
    state: &[u8],
    mem: &[u8],
) -> Option<(End, String)> {
    let c = match tcg_x64::compile(block, &LAYOUT, &HELPERS, &f, &opts) {
        Ok(c) => c,
        // Long chains of conditions need more registers than some tests allow.
        Err(tcg_x64::TooComplex) if opts.max_regs != 0 => return None,
        Err(e) => panic!("{e:?}"),
    };
    m.header().fp_flags = 0;
    m.state().copy_from_slice(state);
    m.guest_mem(MEM, MEM_LEN).copy_from_slice(mem);
    let l = m.run(&c);
    let what = match l.kind {
        KIND_JUMP => format!("jump {:x} {:x}", l.pc, l.mode),
        1 => format!("trap {} {:x} {:x} {:x}", l.code, l.info, l.pc, l.mode),
        2 => format!(
            "misaligned {:x} {} {:x} {:x}",
            l.info,
            l.code >> 8,
            l.pc,
            l.mode
        ),
        9 => format!("left {:x} {:x}", l.pc, l.mode),
        KIND_HOST_FAULT => format!("fault {:x} {:x}", l.pc, l.mode),
        k => format!("kind {k}"),
    };
    let x = m.header().mxcsr_sticky;
    let fp_flags = m.header().fp_flags | x & 1 | x >> 1 & 0x1e;
    let end = End {
        what,
        fp_flags,
        state: m.state().to_vec(),
        mem: m.guest_mem(MEM, MEM_LEN).to_vec(),
    };
    Some((end, disassemble(&c)))
}

fn clear_dead(e: &mut End, dead: u32) {
    for (k, s) in FLAGS.iter().enumerate() {
        if dead >> k & 1 != 0 {
            e.state[s.off as usize..s.off as usize + 4].fill(0);
        }
    }
}

fn check(seeds: std::ops::Range<u64>, vectors: What) {
    let mut m = Machine::new(STATE, &HELPERS);
    m.map_guest(MEM, MEM_LEN);
    let (mut runs, mut refused) = (0, 0);
    let mut kinds = std::collections::BTreeMap::new();
    for seed in seeds {
        let block = random_block(seed, vectors, u32::MAX);
        let mut rng = Rng(seed ^ 0x5555);
        let state: Vec<u8> = (0..STATE / 8)
            .flat_map(|_| rng.word().to_le_bytes())
            .collect();
        let mem: Vec<u8> = (0..MEM_LEN / 8)
            .flat_map(|_| rng.word().to_le_bytes())
            .collect();
        let (mut want, dead) = interpret(&block, &state, &mem);
        clear_dead(&mut want, dead);
        // Flushing: inexact, underflow and input denormal differ (see emit_fp.rs).
        let flags = if vectors == What::Fp(2) { 7 } else { 0x1f };
        want.fp_flags &= flags;
        *kinds
            .entry(want.what.split(' ').next().unwrap_or("").to_string())
            .or_insert(0) += 1;
        for f in feature_sets() {
            for max_regs in [0, 8] {
                let opts = Opts {
                    parallel: seed & 1 == 0,
                    max_regs,
                    ..Opts::default()
                };
                if std::env::var("X64_TRACE").is_ok() {
                    eprintln!("seed {seed} regs {max_regs} avx {}", f.avx2);
                }
                runs += 1;
                let Some((mut got, _)) = execute(&mut m, &block, f, opts, &state, &mem) else {
                    refused += 1;
                    continue;
                };
                clear_dead(&mut got, dead);
                got.fp_flags &= flags;
                if got != want {
                    let small = (0..80).map(|n| random_block(seed, vectors, n)).find(|b| {
                        let (mut want, dead) = interpret(b, &state, &mem);
                        let Some((mut got, _)) = execute(&mut m, b, f, opts, &state, &mem) else {
                            return false;
                        };
                        clear_dead(&mut want, dead);
                        clear_dead(&mut got, dead);
                        got.fp_flags &= flags;
                        want.fp_flags &= flags;
                        got != want
                    });
                    let block = small.unwrap_or(block);
                    let (mut want, dead) = interpret(&block, &state, &mem);
                    let Some((mut got, asm)) = execute(&mut m, &block, f, opts, &state, &mem)
                    else {
                        panic!()
                    };
                    clear_dead(&mut want, dead);
                    clear_dead(&mut got, dead);
                    for (k, i) in block.insts.iter().enumerate() {
                        let a: Vec<String> = i
                            .args
                            .iter()
                            .filter(|v| v.is_some())
                            .map(|v| format!("v{}", v.0))
                            .collect();
                        println!(
                            "{k}: {:?} {:?} lane {} aux {} {} imm {:x}",
                            i.op,
                            i.ty,
                            i.lane,
                            i.aux,
                            a.join(" "),
                            i.imm
                        );
                    }
                    println!("{asm}");
                    for o in (0..STATE).step_by(4) {
                        let w = |s: &[u8]| u32::from_le_bytes(s[o..o + 4].try_into().unwrap());
                        if w(&want.state) != w(&got.state) {
                            println!(
                                "state {o}: want {:x} got {:x}",
                                w(&want.state),
                                w(&got.state)
                            );
                        }
                    }
                    panic!(
                        "seed {seed} regs {max_regs} avx2 {}: want {} got {}, flags {:x} {:x}",
                        f.avx2, want.what, got.what, want.fp_flags, got.fp_flags
                    );
                }
            }
        }
    }
    println!("{kinds:?}, {refused} of {runs} refused");
    assert!(refused * 50 < runs);
    assert!(kinds.len() >= 4, "the blocks end in too few ways");
}

#[test]
fn random_integer_blocks_agree_with_interpreter() {
    let first = std::env::var("X64_SEED")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(0);
    let n = std::env::var("X64_COUNT")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(3000);
    check(first..first + n, What::Integers);
}

#[test]
fn random_vector_blocks_agree_with_interpreter() {
    let first = std::env::var("X64_SEED")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(0);
    let n = std::env::var("X64_COUNT")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(3000);
    check(first..first + n, What::Vectors);
}

#[test]
fn random_fp_blocks_agree_with_interpreter() {
    let first = std::env::var("X64_SEED")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(0);
    let n = std::env::var("X64_COUNT")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(2000);
    check(first..first + n, What::Fp(1));
    check(first..first + n, What::Fp(2));
}
