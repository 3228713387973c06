//! Compiles the decode tables in `isa/`.

fn main() {
    tcg_decode::Family::new("decode")
        .features("isa/aarch64.features")
        .table("isa/dpimm.decode")
        .table("isa/branch.decode")
        .table("isa/ldst.decode")
        .table("isa/dpreg.decode")
        .table("isa/fp.decode")
        .table("isa/simd.decode")
        .table("isa/simdscalar.decode")
        .build("decode.rs");
}
