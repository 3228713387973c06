//! Guest memory: address types and fault-recovering access.
