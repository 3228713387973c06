//! Build-time compiler from decode tables to decoders, disassemblers and instruction generators.
