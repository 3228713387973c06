//! x86-64 code generation: register allocation and emission.
