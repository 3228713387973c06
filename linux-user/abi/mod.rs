//! The ABIs of the guests: one folder each.

pub mod arm;
