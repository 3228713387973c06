//! Compiles the decode tables in `isa/`.

fn main() {
    tcg_decode::Family::new("decode")
        .features("isa/ppc.features")
        .table("isa/base.decode")
        .table("isa/fp.decode")
        .table("isa/altivec.decode")
        .table("isa/vsx.decode")
        .build("decode.rs");
}
