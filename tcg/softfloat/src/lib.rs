//! Exact IEEE 754 arithmetic in integers, with every mode a guest can ask for.
