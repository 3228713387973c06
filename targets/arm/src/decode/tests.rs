//! What the generated decoders call, for chosen instructions.

use super::FeatureSet;

/// Handlers that return their call as text.
struct Recorder {
    features: FeatureSet,
}

super::recording_handlers!(Recorder);
super::dispatch_a32!(fn a32, Recorder, String);
super::dispatch_t16!(fn t16, Recorder, String);
super::dispatch_t32!(fn t32, Recorder, String);

impl Recorder {
    fn features(&self) -> FeatureSet {
        self.features
    }

    fn outside_it(&self) -> bool {
        true
    }

    fn undecoded(&mut self, insn: u32) -> String {
        format!("undecoded {insn:#x}")
    }
}

fn a32_call(insn: u32) -> String {
    a32(
        &mut Recorder {
            features: FeatureSet::ALL,
        },
        insn,
    )
}

#[test]
fn a32_add_immediate_is_expanded() {
    // add r1, r2, #0xff000000
    assert_eq!(
        a32_call(0xe282_14ff),
        "add_imm AddImm { s: false, rn: 2, rd: 1, imm: 4278190080 }"
    );
}

#[test]
fn a32_branch_offset_is_signed() {
    assert_eq!(a32_call(0xeaff_fffe), "b B { offset: -8 }");
}

#[test]
fn thumb_branches_join_their_offset() {
    let mut all = Recorder {
        features: FeatureSet::ALL,
    };
    assert_eq!(t32(&mut all, 0xf7ff_fffe), "bl Bl { offset: -4 }");
    assert_eq!(t32(&mut all, 0xf000_f800), "bl Bl { offset: 0 }");
    assert_eq!(
        t32(&mut all, 0xf43f_affe),
        "b_cond BCond { cond: 0, offset: -4 }"
    );
    assert_eq!(
        t16(&mut all, 0xd0fe),
        "b_cond BCond { cond: 0, offset: -4 }"
    );
}

#[test]
fn t16_flags_follow_the_it_block() {
    let mut all = Recorder {
        features: FeatureSet::ALL,
    };
    assert_eq!(
        t16(&mut all, 0x3001),
        "add_imm AddImm { s: true, rn: 0, rd: 0, imm: 1 }"
    );
}

#[test]
fn a32_row_is_hidden_without_its_feature() {
    let movw = 0xe301_0234;
    assert_eq!(a32_call(movw), "movw Movw { imm: 4660, rd: 0 }");
    let mut old = Recorder {
        features: FeatureSet::NONE,
    };
    assert_eq!(a32(&mut old, movw), "undecoded 0xe3010234");
}

/// The rows' own tests, in order, against the decision tree.
fn tree_agrees(
    find: fn(FeatureSet, u32) -> Option<u16>,
    rows: &[tcg_decode::rt::RowInfo],
    insn: u32,
) {
    let expected = rows.iter().position(|row| row.matches(u64::from(insn)));
    let found = find(FeatureSet::ALL, insn).map(usize::from);
    assert_eq!(found, expected, "{insn:#x}");
}

#[test]
fn decision_tree_agrees_with_the_rows() {
    for insn in 0..=0xffff {
        tree_agrees(super::t16::find, &super::t16::ROWS, insn);
    }
    let mut state = 1u32;
    for _ in 0..300_000 {
        // xorshift32
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        tree_agrees(super::a32::find, &super::a32::ROWS, state);
        tree_agrees(super::a32::find, &super::a32::ROWS, state | 0xf000_0000);
        tree_agrees(super::t32::find, &super::t32::ROWS, state | 0xe800_0000);
        tree_agrees(super::t32::find, &super::t32::ROWS, state | 0xf000_0000);
    }
}
