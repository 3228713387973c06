//! What stands in front of a block's code where something has to be looked at whenever it runs.
//!
//! Verification: code that compares guest code with what was translated, for pages that are written so often that
//! protecting them does not pay. Such a block is: a 5-byte nop (the patchable entry), comparisons that jump behind the
//! body if something differs, the body, and there a call of the runtime.
//!
//! Counting: a brief translation counts its runs, and calls the runtime when there have been enough.

use crate::block::Piece;
use crate::codebuf::ALIGN;
use std::borrow::Cow;

/// What is around the code of a block, its body.
pub(crate) struct Wrapped {
    /// In front of it.
    pub head: Cow<'static, [u8]>,
    /// Behind it.
    pub tail: &'static [u8],
    /// Offset of the rel32 of the call to the runtime, to be filled in.
    pub call: usize,
    /// Offset of the rel32 of the counter, to be filled in; an immediate byte follows it.
    pub counter: Option<usize>,
}

const NOP5: [u8; 5] = [0x0f, 0x1f, 0x44, 0x00, 0x00];
const CALL: [u8; 5] = [0xe8, 0, 0, 0, 0];

/// Comparisons with `pieces` in front of a body of this length.
pub(crate) fn verifying(pieces: &[Piece], body: usize) -> Wrapped {
    let mut code = NOP5.to_vec();
    let mut jumps = Vec::new();
    for p in pieces {
        // mov rcx, va
        code.extend([0x48, 0xb9]);
        code.extend(p.va.to_le_bytes());
        let mut at = 0;
        while at < p.bytes.len() {
            at += compare(&mut code, at, &p.bytes[at..]);
            // jne behind
            code.extend([0x0f, 0x85, 0, 0, 0, 0]);
            jumps.push(code.len() - 4);
        }
    }
    code.resize(code.len().next_multiple_of(ALIGN), 0x90);
    let behind = code.len() + body;
    for at in jumps {
        let rel = (behind - (at + 4)) as u32;
        code[at..at + 4].copy_from_slice(&rel.to_le_bytes());
    }
    Wrapped {
        head: code.into(),
        tail: &CALL,
        call: behind + 1,
        counter: None,
    }
}

/// A count of runs in front of a body.
pub(crate) fn counting() -> Wrapped {
    // sub dword ptr [rip + counter], 1; jns over the call; call the runtime; two bytes of nop
    const HEAD: [u8; ALIGN] = [
        0x83, 0x2d, 0, 0, 0, 0, 1, 0x79, 5, 0xe8, 0, 0, 0, 0, 0x66, 0x90,
    ];
    Wrapped {
        head: Cow::Borrowed(&HEAD),
        tail: &[],
        call: 10,
        counter: Some(2),
    }
}

/// Compares the bytes at gs:[rcx + disp] with the first 8, 4 or 1 of `want`; how many.
fn compare(code: &mut Vec<u8>, disp: usize, want: &[u8]) -> usize {
    let disp = (disp as u32).to_le_bytes();
    match *want {
        [a, b, c, d, e, f, g, h, ..] => {
            // mov rax, imm64; cmp rax, gs:[rcx + disp32]
            code.extend([0x48, 0xb8, a, b, c, d, e, f, g, h]);
            code.extend([0x65, 0x48, 0x3b, 0x81]);
            code.extend(disp);
            8
        }
        [a, b, c, d, ..] => {
            // cmp dword ptr gs:[rcx + disp32], imm32
            code.extend([0x65, 0x81, 0xb9]);
            code.extend(disp);
            code.extend([a, b, c, d]);
            4
        }
        [a, ..] => {
            // cmp byte ptr gs:[rcx + disp32], imm8
            code.extend([0x65, 0x80, 0xb9]);
            code.extend(disp);
            code.push(a);
            1
        }
        [] => 1,
    }
}
