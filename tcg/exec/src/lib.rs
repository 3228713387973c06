//! Execution: code buffer, block cache, chaining, dispatch, faults, invalidation.
