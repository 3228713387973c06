//! One refused block for each rule, written as text.

use super::*;
use crate::random::tests::{LAYOUT, helpers};
use crate::text::parse;

/// The verifier's answer on instructions that stand between nothing and an exit.
fn answer(text: &str) -> String {
    let helpers = helpers();
    let whole = format!("{text}\nexit direct\n");
    let block = parse(&whole, &LAYOUT, &helpers).unwrap();
    match verify(&block, &LAYOUT, &helpers) {
        Ok(()) => "accepted".to_string(),
        Err(broken) => format!("v{}: {}", broken.at.0, broken.why),
    }
}

fn refused(cases: &[(&str, &str)]) {
    for (text, want) in cases {
        assert_eq!(answer(text), *want, "{text}");
    }
}

#[test]
fn verify_types_and_parameters_are_checked() {
    refused(&[
        (
            "va = const.i64 1\nvb = add.i32 va, va",
            "v1: add: operand 0 is i64 where i32 is needed",
        ),
        (
            "va = const.i32 1\nvb = add.i32 va",
            "v1: add: operand 1 is void where i32 is needed",
        ),
        (
            "va = const.i32 1\nvb = not.i32 va, va",
            "v1: not: operand 1 is i32 where void is needed",
        ),
        (
            "va = const.f32 1",
            "v0: const: the result is i32 or i64, not f32",
        ),
        ("va = constv.i32 0x1", "v0: constv: a constant of type i32"),
        (
            "va = constv.v64 0x1\nvb = sel.v64 va, va, va",
            "v1: sel: operand 0 is v64 where i32 is needed",
        ),
        (
            "va = const.i32 1\nvb = bitcast.f64 va",
            "v1: bitcast: no such form: i32 to f64",
        ),
        (
            "va = const.i64 1\nvb = bitcast.i32 va",
            "v1: bitcast: no such form: i64 to i32",
        ),
        (
            "va = constv.v64 0x1\nvb = vhigh.v64 va",
            "v1: vhigh: no such form: v64 to v64",
        ),
        (
            "va = const.i32 1\nvb = icmp.i32 va, va lane=14",
            "v1: icmp: lane 14 is not allowed",
        ),
        (
            "va = const.i32 1\nvb = add.i32 va, va aux=1",
            "v1: add: aux 1 is not allowed",
        ),
        (
            "va = const.i32 1\nvb = add.i32 va, va imm=3",
            "v1: add: immediate 0x3 is not allowed",
        ),
        (
            "va = const.i32 1\nvb = extractu.i32 va lsb=30 len=3",
            "v1: extractu: immediate 0x31e is not allowed",
        ),
        (
            "va = constv.v64 0x1\nvb = vget.i32 va e64",
            "v1: vget: lane 3 is not allowed",
        ),
        (
            "va = constv.v64 0x1\nvb = vget.i32 va e16 imm=4",
            "v1: vget: immediate 0x4 is not allowed",
        ),
        (
            "va = constv.v64 0x1\nvb = vshri.v64 va e16",
            "v1: vshri: immediate 0x0 is not allowed",
        ),
        (
            "va = constv.v64 0x1\nvb = vshli.v64 va e16 imm=16",
            "v1: vshli: immediate 0x10 is not allowed",
        ),
        (
            "va = constv.v64 0x1\nvb = vpadd.v64 va, va e64",
            "v1: vpadd: lane 3 is not allowed",
        ),
        (
            "va = const.i32 0\nvb = vdup.v128 va e64",
            "v1: vdup: lane 3 is not allowed",
        ),
        (
            "va = const.i32 0\nvb = cc.logic va\nvc = add.i32 vb, vb",
            "v2: add: operand 0 is cc where i32 is needed",
        ),
        (
            "va = const.i32 0\nvb = cc.logic va\nvc = cc.test.i32 vb cond=eq",
            "accepted",
        ),
    ]);
}

#[test]
fn verify_memory_is_checked() {
    let a = "va = const.i32 0\nvb = const.i64 0\nvf = constv.f32 0x0\n";
    let with = |line: &str| answer(&format!("{a}{line}"));
    assert_eq!(with("vc = load.i64 s32.be [va + va<<3 - 4]"), "accepted");
    assert_eq!(
        with("vc = load.i32 u64 [va]"),
        "v3: load: an access of u64 with a value of type i32"
    );
    assert_eq!(
        with("vc = load.f32 s32 [va]"),
        "v3: load: an access of s32 with a value of type f32"
    );
    assert_eq!(
        with("store s32 [va], va"),
        "v3: store: an access of s32 with a value of type i32"
    );
    assert_eq!(
        with("store u32 [va + vb<<0], va"),
        "v3: store: address of i32 and i64"
    );
    assert_eq!(
        with("vc = load.i32 u32 [vf]"),
        "v3: load: address of f32 and void"
    );
    assert_eq!(
        with("vc = rmw.i32 u32 [0x10], va what=add"),
        "v3: rmw: address of void and void"
    );
    assert_eq!(
        with("vc = rmw.i64 u32 [va], va what=add"),
        "v3: rmw: void and i32 to i64"
    );
    assert_eq!(
        with("vc = cas.i32 u32 [va], vb, va"),
        "v3: cas: i64 and i32 to i32"
    );
    // Order 3 does not exist; neither does a shift in bits 34 and up.
    for imm in ["0x30200000000_00", "0x20400000000"] {
        let imm = imm.replace('_', "");
        let want = format!("v3: store: immediate {imm} is not allowed");
        assert_eq!(with(&format!("store u32 [va], va imm={imm}")), want);
    }
}

#[test]
fn verify_regions_are_checked() {
    let c = "vc = const.i32 1\n";
    let with = |lines: &str| answer(&format!("{c}{lines}"));
    assert_eq!(
        with("if vc\nif vc"),
        "v2: if: predicated regions do not nest"
    );
    assert_eq!(with("endif"), "v1: endif: no predicated region is open");
    assert_eq!(
        with("if vc"),
        "v2: exit: in a region that is marked as falling through"
    );
    assert_eq!(
        with("if vc leaves"),
        "v2: exit: not at the end of its region"
    );
    assert_eq!(
        with("if vc leaves\nendif"),
        "v2: endif: a region that leaves does not end in an exit"
    );
    assert_eq!(
        with("if vc leaves\nexit direct\nfence\nendif"),
        "v2: exit: not at the end of its region"
    );
    assert_eq!(
        with("if vc\nexit direct\nendif"),
        "v2: exit: in a region that is marked as falling through"
    );
    assert_eq!(
        with("exit direct"),
        "v1: exit: instructions behind the exit"
    );
    assert_eq!(
        with("if vc\nva = const.i32 2\nendif\nvb = neg.i32 va"),
        "v4: neg: v2 belongs to a region that has ended"
    );
    assert_eq!(
        with("if vc\nva = const.i32 2\nendif\nvb = merge.i32 vc, va"),
        "accepted"
    );
    assert_eq!(
        with("if vc\nva = const.i32 2\nendif\nvb = merge.i32 va, vc"),
        "v4: merge: v2 belongs to a region that has ended"
    );
    let late = "merge: not directly behind the end of a region that falls through";
    assert_eq!(
        with("if vc\nva = const.i32 2\nendif\nfence\nvb = merge.i32 vc, va"),
        format!("v5: {late}")
    );
    assert_eq!(
        with("if vc leaves\nexit direct\nendif\nvb = merge.i32 vc, vc"),
        format!("v4: {late}")
    );
    assert_eq!(
        with("if vc\nendif\nva = merge.i32 vc, vc\nvb = merge.i32 va, vc"),
        "v4: merge: v3 is not defined before the end of the region"
    );
    assert_eq!(
        with("vw = const.i64 0\nif vc\nendif\nva = merge.i32 vc, vw"),
        "v4: merge: i32 and i64 to i32"
    );
}

#[test]
fn verify_state_is_checked() {
    let c = "vc = const.i32 1\nvq = constv.v128 0x5\n";
    let with = |lines: &str| answer(&format!("{c}{lines}"));
    let dirty = "get: the slot at 0x10 overlaps 0x10..0x20, which is dirty";
    assert_eq!(with("set q0, vq\nvd = get d0"), format!("v3: {dirty}"));
    assert_eq!(with("sync q0, vq\nvd = get d0"), "accepted");
    assert_eq!(with("set q0, vq\nsync q0, vq\nvd = get d0"), "accepted");
    assert_eq!(
        with("set q0, vq\nvb = call.i32 bump(vc)\nvd = get d0"),
        "accepted"
    );
    assert_eq!(
        with("set q0, vq\nsync s14.i32, vc\nvd = get d0"),
        "v4: get: the slot at 0x10 overlaps 0x10..0x14, which is dirty"
    );
    assert_eq!(with("set q0, vc"), "v2: set: i32 into a slot of type v128");
    assert_eq!(
        with("set s100.i32, vc"),
        "v2: set: the slot at 0x100 is misaligned or outside of the state"
    );
    assert_eq!(
        with("set s2.i32, vc"),
        "v2: set: the slot at 0x2 is misaligned or outside of the state"
    );
    // A region that leaves has its own idea of what is dirty.
    assert_eq!(
        with("if vc leaves\nset q0, vq\nexit direct\nendif\nvd = get d0"),
        "accepted"
    );
    assert_eq!(
        with("set q0, vq\nif vc\nendif\nvd = get d0"),
        format!("v5: {dirty}")
    );
    assert_eq!(
        with("if vc\nset n, vc\nendif"),
        "v5: exit: the slot at 0x0 was set in the region and is not merged behind it"
    );
    assert_eq!(
        with("if vc\nset n, vc\nendif\nvm = merge.i32 vc, vc\nset n, vm"),
        "accepted"
    );
    assert_eq!(
        with("set n, vc\nif vc\nsync n, vc\nendif"),
        "v4: sync: the slot at 0x0 is dirty before the region"
    );
    assert_eq!(
        with("set n, vc\nif vc\nvb = call.i32 bump(vc)\nendif"),
        "v4: call: the slot at 0x0 is dirty before the region"
    );
}

#[test]
fn verify_calls_and_exits_are_checked() {
    let helpers = helpers();
    let c = "vc = const.i32 1\n";
    let with = |lines: &str| answer(&format!("{c}{lines}"));
    assert_eq!(
        with("vb = call.i32 bump()"),
        "v1: call: bump takes 1 arguments, not 0"
    );
    assert_eq!(
        with("vb = call.i64 bump(vc)"),
        "v1: call: bump is State and gives i32"
    );
    assert_eq!(
        with("vb = call.i32 bump(vc) lane=0"),
        "v1: call: bump is State and gives i32"
    );
    assert_eq!(
        with("call maybe(vc)"),
        "v1: call: argument 0 of maybe is i32, not i64"
    );
    assert_eq!(with("call helper9(vc)"), "v1: call: there is no helper 9");
    let ends = |text: &str| {
        let block = parse(text, &LAYOUT, &helpers).unwrap();
        let broken = verify(&block, &LAYOUT, &helpers).unwrap_err();
        format!("v{}: {}", broken.at.0, broken.why)
    };
    assert_eq!(
        ends("vc = const.i32 1"),
        "v1: the block does not end in an exit"
    );
    assert_eq!(
        ends("exit jump"),
        "v0: exit: operand void of Indirect(Jump)"
    );
    assert_eq!(
        ends("vc = const.i32 1\nexit direct vc"),
        "v1: exit: operand i32 of Direct"
    );
    assert_eq!(
        ends("exit call pc=0x8000 ret=0x4 dynamic"),
        "v0: exit: a direct call with a dynamic mode"
    );
    assert_eq!(ends("exit direct dead=4"), "v0: exit: dead slots 0x4 of 2");
    let mut block = parse("exit direct", &LAYOUT, &helpers).unwrap();
    block.exits.clear();
    let broken = verify(&block, &LAYOUT, &helpers).unwrap_err();
    assert_eq!(broken.why, "exit: there is no exit 0");
}

#[test]
fn verify_operand_defined_later_is_refused() {
    let text = "va = const.i32 1\nvb = neg.i32 va\nvc = neg.i32 vb\nexit direct";
    let mut block = parse(text, &LAYOUT, &[]).unwrap();
    block.insts[1].args[0] = Value(2);
    let broken = verify(&block, &LAYOUT, &[]).unwrap_err();
    assert_eq!(
        (broken.at, broken.why.as_str()),
        (Value(1), "neg: v2 is used before it is defined")
    );
}
