//! What the generated decoders call, for chosen instructions.

use super::FeatureSet;

/// Handlers that return their call as text.
struct Recorder {
    features: FeatureSet,
}

super::recording_handlers!(Recorder);
super::dispatch_a32!(fn a32, Recorder, String);

impl Recorder {
    fn features(&self) -> FeatureSet {
        self.features
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
fn a32_row_is_hidden_without_its_feature() {
    let movw = 0xe301_0234;
    assert_eq!(a32_call(movw), "movw Movw { imm: 4660, rd: 0 }");
    let mut old = Recorder {
        features: FeatureSet::NONE,
    };
    assert_eq!(a32(&mut old, movw), "undecoded 0xe3010234");
}
