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
