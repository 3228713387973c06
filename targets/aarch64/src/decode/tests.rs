//! What the decode tables call.

use super::*;

#[test]
fn bitmask_known_values() {
    assert_eq!(bitmask(true, true, 0, 0), Some(1));
    assert_eq!(bitmask(true, true, 0, 63), None);
    assert_eq!(
        bitmask(true, false, 0, 0b111100),
        Some(0x5555_5555_5555_5555)
    );
    assert_eq!(bitmask(false, false, 1, 0), Some(0x8000_0000));
    assert_eq!(
        bitmask(true, false, 0, 0b000111),
        Some(0x0000_00ff_0000_00ff)
    );
    assert_eq!(bitmask(false, true, 0, 0), None);
}

#[test]
fn fp_imm_known_values() {
    assert_eq!(fp_imm(3, 0x70), 1.0f64.to_bits());
    assert_eq!(fp_imm(2, 0x70), u64::from(1.0f32.to_bits()));
    assert_eq!(fp_imm(2, 0x80), u64::from((-2.0f32).to_bits()));
    assert_eq!(fp_imm(1, 0x70), 0x3c00);
}
