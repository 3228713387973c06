#!/bin/sh
# Builds hello.elf again (needs gcc-arm-linux-gnueabihf); the result is committed.
set -e
cd "$(dirname "$0")"
arm-linux-gnueabihf-gcc -Os -march=armv7-a -mfpu=vfpv3-d16 -marm -ffreestanding -fno-builtin -fno-optimize-sibling-calls \
    -nostdlib -static -s -Wl,--build-id=none,-z,max-page-size=4096,-z,noseparate-code \
    -fno-asynchronous-unwind-tables -o hello.elf hello.c
