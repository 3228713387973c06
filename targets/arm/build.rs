//! Compiles the decode tables in `isa/`.

fn main() {
    tcg_decode::Family::new("decode")
        .features("isa/arm.features")
        .table("isa/a32.decode")
        .table("isa/t16.decode")
        .table("isa/t32.decode")
        .table("isa/vfp.decode")
        .table("isa/neon.decode")
        .build("decode.rs");
}
