//! Looking inside: log masks, gdb server, perf map, statistics.

#![forbid(unsafe_code)]
