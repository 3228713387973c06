//! Compiles the decode tables in `isa/`.

fn main() {
    tcg_decode::Family::new("decode")
        .features("isa/riscv.features")
        .table("isa/base.decode")
        .table("isa/float.decode")
        .table("isa/compressed.decode")
        .build("decode.rs");
}
