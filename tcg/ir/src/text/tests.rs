//! The text form there and back.

use super::*;
use crate::random::tests::{LAYOUT, helpers};
use crate::random::{Config, block};
use crate::verify;

#[test]
fn text_random_blocks_come_back_equal() {
    let helpers = helpers();
    let config = Config {
        layout: &LAYOUT,
        helpers: &helpers,
        memory: 0x1_0000,
        allow: |_| true,
        sticky: true,
        steps: 60,
    };
    for seed in 0..2_000 {
        let block = block(seed, &config);
        let text = print(&block, &LAYOUT, &helpers);
        let back = match parse(&text, &LAYOUT, &helpers) {
            Ok(back) => back,
            Err(e) => panic!(
                "seed {seed}: {e}: {}",
                text.lines().nth(e.line - 1).unwrap_or("")
            ),
        };
        for (k, (a, b)) in block.insts.iter().zip(&back.insts).enumerate() {
            assert_eq!(
                a,
                b,
                "seed {seed} v{k}: {}",
                text.lines().nth(k + 1).unwrap_or("")
            );
        }
        assert_eq!(format!("{block:?}"), format!("{back:?}"), "seed {seed}");
    }
}

const SAMPLE: &str = "\
block 0x8000 mode=1 end=0x8008 insns=2
fp1 round=zero flush first_nan
insn 0x8000 mode=0x101
v1 = get d0
v2 = get s40.i32
v3 = const.i32 0xffffffff
v4 = cc.sub v2, v3
v5 = cc.test.i32 v4 cond=lo
if v5 leaves
exit direct pc=0x9000 mode=1 dead=3 check
endif
if v5
v10 = load.i32 s8.a4.acqrel [v2 + v3<<2 - 0x10]
endif
v12 = merge.i32 v3, v10
v13 = fadd.f64 v1, v1 fp=1
v14 = bitcast.v128 v13
v15 = vadd.v128 v14, v14 e16
v16 = vget.i32 v15 e16 aux=1 imm=7
v17 = extracts.i32 v16 lsb=4 len=8
store u16.be [0x10000], v17
v19 = rmw.i32 u32 [v2 + 0x8], v17 what=umax
v20 = cas.i32 u32.seqcst [v2], v17, v19
v21 = call.i64 mix(v20, v15)
v22 = ftoi.i32 v13 round=down imm=0x200100
set n, v22
exit trap v20 code=7 info=9 pc=0x8004
";

#[test]
fn text_sample_prints_as_written() {
    let helpers = helpers();
    let block = parse(SAMPLE, &LAYOUT, &helpers).unwrap();
    verify(&block, &LAYOUT, &helpers).unwrap();
    assert_eq!(print(&block, &LAYOUT, &helpers), SAMPLE);
    assert_eq!(block.insts[10].mem().align_log2(), 2);
    assert_eq!(block.insts[10].disp(), -16);
    assert!(block.insts[18].mem().is_big_endian());
    assert_eq!(block.exits[1].kind, ExitKind::Trap { code: 7, info: 9 });
}

#[test]
fn text_names_and_comments_are_free() {
    let text = "block 0\n\n  va = const.i32 5 ; five\nset n, va\nexit direct";
    let block = parse(text, &LAYOUT, &[]).unwrap();
    assert_eq!(
        print(&block, &LAYOUT, &[]),
        "block 0x0\nv0 = const.i32 0x5\nset n, v0\nexit direct\n"
    );
}

#[test]
fn text_errors_name_line_and_word() {
    let cases = [
        ("v0 = const.i32 5\nset q9, v0", "line 2: no slot `q9`"),
        ("v0 = plus.i32 v1", "line 1: no operation `plus.i32`"),
        ("v0 = neg.i32 v7", "line 1: `v7` is not defined"),
        (
            "v0 = load.i32 u33 [0x0]",
            "line 1: `u33` is not a kind of access",
        ),
        ("exit sideways", "line 1: no way out `sideways`"),
        ("v0 = call.i32 nobody()", "line 1: no helper `nobody`"),
        ("const.i32 1", "line 1: the i32 has no name"),
        ("v0 = fence", "line 1: fence gives no value"),
        (
            "v0 = const.i32 1\nv0 = const.i32 2",
            "line 2: v0 is defined twice",
        ),
        ("v0 = const.i32 x", "line 1: `x` is not a number"),
    ];
    for (text, want) in cases {
        let got = parse(text, &LAYOUT, &[]).map(|_| ()).unwrap_err();
        assert_eq!(got.to_string(), want);
    }
}
