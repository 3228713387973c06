//! The translator's intermediate representation: types, operations, builder, text form, verifier, interpreter.
