//! What a guest instruction set must supply.
