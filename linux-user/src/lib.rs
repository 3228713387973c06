//! Linux system calls, signals and processes for foreign programs.
