//! Hand-computed results, family by family.
