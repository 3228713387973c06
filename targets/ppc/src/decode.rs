//! The decoders, generated from the tables in `isa/`: one by primary opcode 4 (`altivec`), one for 59 and 63 (`fp`),
//! one for 60 (`vsx`) and one for the rest (`base`).

include!(concat!(env!("OUT_DIR"), "/decode.rs"));
