//! The interpreter's paths that depend on memory, helpers and the way out, on blocks written as text.

use super::*;
use crate::random::tests::{LAYOUT, Ram, Table, WINDOW, helpers};
use crate::text::parse;
use crate::verify;

/// What a run left behind.
struct Ran {
    outcome: Outcome,
    state: Vec<u8>,
    mem: Vec<u8>,
    fp_flags: u32,
}

impl Ran {
    fn word(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.state[at..at + 4].try_into().unwrap())
    }

    fn long(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.state[at..at + 8].try_into().unwrap())
    }
}

/// Runs a block on zero state, and memory that counts 0x80, 0x81, …
fn run(text: &str) -> Ran {
    let helpers = helpers();
    let text = format!("vw = const.i32 {WINDOW:#x}\n{text}\nexit direct pc=0x4444 mode=2");
    let block = parse(&text, &LAYOUT, &helpers).unwrap();
    verify(&block, &LAYOUT, &helpers).unwrap();
    let mut state = vec![0; LAYOUT.bytes];
    let mut mem = Ram((0..0x1000).map(|i| i as u8 ^ 0x80).collect());
    let mut interp = Interp {
        state: &mut state,
        mem: &mut mem,
        helpers: &mut Table,
        fp_flags: 0,
    };
    let outcome = interp.run(&block).unwrap();
    let fp_flags = interp.fp_flags;
    Ran {
        outcome,
        state,
        mem: mem.0,
        fp_flags,
    }
}

const OUT: usize = 0x40;

/// Bytes at slot 0x40 after `vr` of this type was set there.
fn result(ty: &str, text: &str) -> u64 {
    run(&format!("{text}\nset s40.{ty}, vr")).long(OUT)
}

#[test]
fn load_sizes_signs_and_byte_orders() {
    assert_eq!(result("i32", "vr = load.i32 u8 [vw]"), 0x80);
    assert_eq!(result("i32", "vr = load.i32 s8 [vw]"), 0xffff_ff80);
    assert_eq!(result("i32", "vr = load.i32 u16 [vw]"), 0x8180);
    assert_eq!(result("i32", "vr = load.i32 u16.be [vw]"), 0x8081);
    assert_eq!(result("i32", "vr = load.i32 s16.be [vw + 1]"), 0xffff_8182);
    assert_eq!(
        result("i64", "vr = load.i64 s32 [vw]"),
        0xffff_ffff_8382_8180
    );
    assert_eq!(result("i64", "vr = load.i64 u32 [vw]"), 0x8382_8180);
    assert_eq!(
        result("i64", "vr = load.i64 u64.be [vw + 8]"),
        0x8889_8a8b_8c8d_8e8f
    );
    // The rest of a vector is zero.
    assert_eq!(result("v64", "vr = load.v64 u16 [vw]"), 0x8180);
    assert_eq!(run("vr = load.v128 u32 [vw]\nset q0, vr").long(0x18), 0);
}

#[test]
fn addresses_scale_and_wrap() {
    assert_eq!(
        result("i32", "vi = const.i32 3\nvr = load.i32 u8 [vw + vi<<2 - 8]"),
        0x84
    );
    assert_eq!(result("i32", "vr = load.i32 u8 [0x10007]"), 0x87);
    let wraps = "va = const.i32 0xffffffff\nvr = load.i32 u8 [va + 0x10003]";
    assert_eq!(result("i32", wraps), 0x82);
    // 64-bit addresses do not wrap at 32 bits; the displacement is signed.
    let wide = "va = const.i64 0x10010\nvr = load.i32 u8 [va - 0x8]";
    assert_eq!(result("i32", wide), 0x88);
    let outside = run("va = const.i64 0xffffffff\nvr = load.i32 u8 [va + 0x10003]");
    let Outcome::Fault { fault, .. } = outside.outcome else {
        panic!("{:?}", outside.outcome);
    };
    assert_eq!(fault.va, GuestVa(0x1_0001_0002));
}

#[test]
fn store_writes_the_low_part_only() {
    let v = "vv = const.i64 0x1122334455667788\n";
    assert_eq!(
        run(&format!("{v}store u16 [vw + 1], vv")).mem[..4],
        [0x80, 0x88, 0x77, 0x83]
    );
    assert_eq!(
        run(&format!("{v}store u32.be [vw], vv")).mem[..5],
        [0x55, 0x66, 0x77, 0x88, 0x84]
    );
    let vector = run("vv = constv.v128 0x0f0e0d0c0b0a09080706050403020100\nstore u128 [vw], vv");
    assert_eq!(vector.mem[..16], (0..16).collect::<Vec<u8>>()[..]);
}

#[test]
fn atomics_give_the_old_value_and_store_the_new() {
    // Old 0x8180 as 16 bits; the operand has more bits than the access.
    let cases: [(&str, u16); 10] = [
        ("swap", 0xff03),
        ("add", 0x8083),
        ("and", 0x8100),
        ("or", 0xff83),
        ("xor", 0x7e83),
        ("andnot", 0x0080),
        ("smax", 0xff03),
        ("smin", 0x8180),
        ("umax", 0xff03),
        ("umin", 0x8180),
    ];
    for (what, want) in cases {
        let text = format!(
            "vv = const.i32 0x1234ff03\nvr = rmw.i32 u16 [vw], vv what={what}\nset s40.i32, vr"
        );
        let ran = run(&text);
        assert_eq!(ran.word(OUT), 0x8180, "{what}");
        assert_eq!(u16::from_le_bytes([ran.mem[0], ran.mem[1]]), want, "{what}");
        assert_eq!(ran.mem[2], 0x82, "{what}");
    }
    let be = run("vv = const.i32 1\nvr = rmw.i32 u32.be [vw], vv what=add\nset s40.i32, vr");
    assert_eq!(
        (be.word(OUT), &be.mem[..4]),
        (0x8081_8283, &[0x80, 0x81, 0x82, 0x84][..])
    );
}

#[test]
fn compare_and_swap_stores_on_equality_only() {
    // The expected value is cut to the access.
    let hit = "ve = const.i32 0xabcd8180\nvn = const.i32 0x7654\n";
    let ran = run(&format!(
        "{hit}vr = cas.i32 u16 [vw], ve, vn\nset s40.i32, vr"
    ));
    assert_eq!(
        (ran.word(OUT), &ran.mem[..3]),
        (0x8180, &[0x54, 0x76, 0x82][..])
    );
    let miss = "ve = const.i32 0x8181\nvn = const.i32 0x7654\n";
    let ran = run(&format!(
        "{miss}vr = cas.i32 u16 [vw], ve, vn\nset s40.i32, vr"
    ));
    assert_eq!(
        (ran.word(OUT), &ran.mem[..3]),
        (0x8180, &[0x80, 0x81, 0x82][..])
    );
}

#[test]
fn fault_reports_site_and_keeps_earlier_state() {
    let lines = "insn 0x8000 mode=1\nset n, vw\ninsn 0x8002 mode=0x102\n";
    let ran = run(&format!("{lines}vr = load.i32 u32 [0x20000]\nset z, vr"));
    let fault = MemFault {
        va: GuestVa(0x2_0000),
        access: Access::Read,
        kind: FaultKind::Unmapped,
    };
    let (pc, mode) = (0x8002, 0x102);
    assert_eq!(ran.outcome, Outcome::Fault { fault, pc, mode });
    assert_eq!((ran.word(0), ran.word(4)), (WINDOW, 0));
    // Atomics fault as writes; a store that faults writes nothing, even in part.
    let atomic = run(&format!(
        "{lines}vr = rmw.i32 u32 [vw + 0x1000], vw what=add"
    ));
    let Outcome::Fault { fault, .. } = atomic.outcome else {
        panic!("{:?}", atomic.outcome);
    };
    assert_eq!(
        (fault.access, fault.kind),
        (Access::Write, FaultKind::Unmapped)
    );
    let store = run(&format!("{lines}store u32 [vw + 0xffe], vw"));
    assert!(matches!(store.outcome, Outcome::Fault { .. }));
    assert_eq!(store.mem[0xffe..], [0x7e, 0x7f]);
}

#[test]
fn alignment_faults_before_the_access() {
    let ran = run("vr = load.i32 u16.a4 [vw + 0x2]");
    let fault = MemFault {
        va: GuestVa(u64::from(WINDOW) + 2),
        access: Access::Read,
        kind: FaultKind::Alignment,
    };
    assert_eq!(
        ran.outcome,
        Outcome::Fault {
            fault,
            pc: 0,
            mode: 0
        }
    );
    // Also where nothing is mapped.
    let ran = run("store u32.a4 [0x2], vw");
    let Outcome::Fault { fault, .. } = ran.outcome else {
        panic!("{:?}", ran.outcome);
    };
    assert_eq!(
        (fault.access, fault.kind),
        (Access::Write, FaultKind::Alignment)
    );
    assert!(matches!(
        run("vr = load.i32 u8.a4 [vw + 0x4]").outcome,
        Outcome::Jump { .. }
    ));
}

/// Runs one exit that is taken, or not.
fn leave(exit: &str) -> Outcome {
    run(&format!("vc = const.i32 1\nif vc leaves\n{exit}\nendif")).outcome
}

#[test]
fn exits_give_target_mode_and_argument() {
    let jump = |pc, mode| Outcome::Jump { exit: 0, pc, mode };
    assert_eq!(leave("exit direct pc=0x9000 mode=3"), jump(0x9000, 3));
    assert_eq!(leave("exit call pc=0x9000 ret=0x8004"), jump(0x9000, 0));
    assert_eq!(leave("exit return vw mode=7"), jump(u64::from(WINDOW), 7));
    let trap = |info| Outcome::Trap {
        exit: 0,
        code: 5,
        info,
        pc: 0x8004,
        mode: 0,
    };
    assert_eq!(leave("exit trap code=5 info=0x77 pc=0x8004"), trap(0x77));
    assert_eq!(
        leave("exit trap vw code=5 info=0x77 pc=0x8004"),
        trap(u64::from(WINDOW))
    );
    let last = Outcome::Jump {
        exit: 1,
        pc: 0x4444,
        mode: 2,
    };
    let passed = run("vc = const.i32 0\nif vc leaves\nset n, vw\nexit direct pc=1\nendif");
    assert_eq!((passed.outcome, passed.word(0)), (last, 0));
}

#[test]
fn calls_pass_arguments_and_may_leave() {
    let pure = run(
        "va = const.i32 5\nvq = constv.v128 0x10000\nvr = call.i64 mix(va, vq)\nset s40.i64, vr",
    );
    assert_eq!(pure.long(OUT), 5 ^ 0x10000 >> 7);
    // The state that the helper changes is read again, and its result is cut to its type.
    let state = run(
        "va = const.i32 0x80000002\nsync s14.i32, va\nvr = call.i32 bump(va)\nvs = get s14.i32\nset s40.i32, vr\nset s44.i32, vs",
    );
    assert_eq!(
        (state.word(OUT), state.word(0x44)),
        (0x8000_0006, 0x8000_0004)
    );
    let site = "insn 0x8008 mode=3\n";
    let left = run(&format!(
        "{site}va = const.i64 8\ncall maybe(va)\nset n, vw"
    ));
    assert_eq!(
        left.outcome,
        Outcome::Left {
            pc: 0x8008,
            mode: 3
        }
    );
    assert_eq!(left.word(0), 0);
    let stayed = run(&format!(
        "{site}va = const.i64 9\ncall maybe(va)\nset n, vw"
    ));
    assert_eq!(stayed.word(0), WINDOW);
}

#[test]
fn region_with_call_runs_or_not() {
    for taken in 0..2 {
        let ran = run(&format!(
            "va = const.i32 {taken}\nsync s14.i32, vw\nif va\nvr = call.i32 bump(va)\nendif\n\
             vm = merge.i32 vw, vr\nvs = get s14.i32\nset s40.i32, vm\nset s44.i32, vs"
        ));
        let want = if taken == 1 {
            (3, WINDOW + 1)
        } else {
            (WINDOW, WINDOW)
        };
        assert_eq!((ran.word(OUT), ran.word(0x44)), want);
    }
}

#[test]
fn sticky_flags_accumulate_and_are_replaced() {
    let divide = "va = constv.f32 0x3f800000\nvb = constv.f32 0x40400000\nvq = fdiv.f32 va, vb\n";
    let inexact = run(divide).fp_flags;
    assert_ne!(inexact, 0);
    let read = run(&format!("{divide}vr = fpflags.get.i32\nset s40.i32, vr"));
    assert_eq!(read.word(OUT), inexact);
    assert_eq!(
        run(&format!("{divide}vz = const.i32 0\nfpflags.set vz")).fp_flags,
        0
    );
}

#[test]
fn broken_blocks_are_told_of() {
    let mut state = [0; 16];
    let mut mem = Ram(Vec::new());
    let mut interp = Interp {
        state: &mut state,
        mem: &mut mem,
        helpers: &mut NoHelpers,
        fp_flags: 0,
    };
    let mut why = |text: &str| {
        let block = parse(text, &LAYOUT, &helpers()).unwrap();
        interp.run(&block).unwrap_err().why
    };
    assert_eq!(why("va = const.i32 1"), "the block does not end in an exit");
    assert_eq!(
        why("va = get s10.i32\nexit direct"),
        "slot 16 is outside of the state"
    );
    assert_eq!(
        why("va = const.i32 1\nvb = call.i32 bump(va)"),
        "helper 1 is not available"
    );
}
