//! Passes over the intermediate representation: liveness, dead code, next use.
