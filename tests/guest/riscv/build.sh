#!/bin/sh
# Builds hello.elf again (needs gcc-riscv64-linux-gnu); the result is committed.
set -e
cd "$(dirname "$0")"
riscv64-linux-gnu-gcc -Os -march=rv64gc -mabi=lp64d -ffreestanding -fno-builtin -fno-optimize-sibling-calls \
    -nostdlib -static -s -Wl,--build-id=none,-z,max-page-size=4096,-z,noseparate-code \
    -fno-asynchronous-unwind-tables -o hello.elf hello.c
