//! The program around the cases, in A32: reads a record, loads the registers, runs a case, stores the registers,
//! writes the record. Linux's system calls and signal frames. [uapi asm/unistd.h, asm/sigcontext.h]

use super::{AREA, Arm, CPSR, DATA, FPSCR, PC, RECORD, layout};
use crate::guest::{Case, Program};
use target_arm::decode::Feature;

/// Variables: where R0 is put, which case is next, the alternate stack, the action of the signals.
const SAVED: u32 = DATA;
const NEXT: u32 = DATA + 4;
const ALTSTACK: u32 = DATA + 0x20;
const ACTION: u32 = DATA + 0x40;
const STACK: u32 = DATA + 0x2_0000;
const STACK_LEN: u32 = 0x1_0000;
/// The addresses of the cases.
const CASES: u32 = DATA + 0x4_0000;
/// The runtime's room at the end of the code.
const ROOM: u32 = 0x400;

const SIGNALS: [u32; 5] = [4, 5, 7, 8, 11];
/// With siginfo, on the alternate stack, not blocking itself, with a restorer.
const ACTION_FLAGS: u32 = 4 | 0x0800_0000 | 0x4000_0000 | 0x0400_0000;

struct Asm {
    at: u32,
    words: Vec<u32>,
}

impl Asm {
    fn pc(&self) -> u32 {
        self.at + 4 * self.words.len() as u32
    }

    fn put(&mut self, words: &[u32]) {
        self.words.extend_from_slice(words);
    }

    /// rX = a constant.
    fn set(&mut self, r: u32, value: u32) {
        // ldr rX, [pc]; b over the literal
        self.put(&[0xe59f_0000 | r << 12, 0xea00_0000, value]);
    }

    /// A system call with its number.
    fn call(&mut self, number: u32) {
        self.put(&[0xe3a0_7000 | number, 0xef00_0000]); // mov r7, #n; svc 0
    }

    fn branch(&mut self, cond: u32, target: u32) {
        let offset = target.wrapping_sub(self.pc() + 8) >> 2 & 0x00ff_ffff;
        self.put(&[cond << 28 | 0x0a00_0000 | offset]);
    }
}

/// The addresses that other code needs.
struct Entries {
    start: u32,
    /// Where a case goes when it is done.
    done: u32,
    handler: u32,
}

fn start(a: &mut Asm) {
    a.set(0, ALTSTACK);
    a.put(&[0xe3a0_1000]); // mov r1, #0
    a.call(186);
    for signal in SIGNALS {
        a.put(&[0xe3a0_0000 | signal]); // mov r0, #signal
        a.set(1, ACTION);
        a.put(&[0xe3a0_2000, 0xe3a0_3008]); // mov r2, #0; mov r3, #8
        a.call(174);
    }
}

/// Reads a record and goes to the next case.
fn next(a: &mut Asm, fp: bool) {
    a.put(&[0xe3a0_0000]); // mov r0, #0
    a.set(1, AREA);
    a.set(2, RECORD as u32);
    a.call(3);
    a.put(&[0xe350_0000, 0x1a00_0002]); // cmp r0, #0; bne over the exit
    a.put(&[0xe3a0_0000]); // mov r0, #0
    a.call(248);
    a.set(1, NEXT);
    a.put(&[0xe591_2000, 0xe492_3004, 0xe581_2000]); // ldr r2, [r1]; ldr r3, [r2], #4; str r2, [r1]
    a.set(0, AREA);
    a.put(&[0xe580_3000 | PC as u32]); // str r3, [r0, #PC]
    if fp {
        // ldr r1, [r0, #FPSCR]; vmsr fpscr, r1; add r1, r0, #DREGS; vldm r1!, {d0-d15}
        a.put(&[0xe590_1000 | FPSCR as u32, 0xeee1_1a10]);
        a.put(&[0xe280_1000 | super::DREGS as u32, 0xecb1_0b20]);
    }
}

fn load_core(a: &mut Asm) {
    // ldr r1, [r0, #CPSR]; msr APSR_nzcvqg, r1; add r0, r0, #REGS; ldm r0, {r0-pc}
    a.put(&[0xe590_1000 | CPSR as u32, 0xe12c_f001]);
    a.put(&[0xe280_0000 | super::REGS as u32, 0xe890_ffff]);
}

fn store_core(a: &mut Asm, guest: &Arm) {
    if guest.has(Feature::V6) {
        a.put(&[if guest.big { 0xf101_0200 } else { 0xf101_0000 }]); // setend
    }
    let distance = SAVED - (a.pc() + 8);
    a.put(&[0xe58f_0000 | distance]); // str r0, [pc, #distance]
    a.set(0, AREA + super::REGS as u32);
    a.put(&[0xe980_7ffe]); // stmib r0, {r1-lr}
    a.set(1, SAVED);
    a.put(&[0xe591_1000, 0xe580_1000]); // ldr r1, [r1]; str r1, [r0]
    a.put(&[0xe10f_1000, 0xe580_1040]); // mrs r1, cpsr; str r1, [r0, #64]
    a.put(&[0xe3a0_1000, 0xe580_103c]); // mov r1, #0; str r1, [r0, #60]
}

/// R0: the registers' place. Stores the floating-point registers and writes the record.
fn write(a: &mut Asm, guest: &Arm) {
    if guest.fp() {
        // vmrs r1, fpscr; str r1, [r0, #68]; add r1, r0, #72; vstm r1!, {d0-d15}
        a.put(&[0xeef1_1a10, 0xe580_1044, 0xe280_1048, 0xeca1_0b20]);
        if guest.has(Feature::D32) {
            a.put(&[0xece1_0b20]); // vstm r1!, {d16-d31}
        }
    }
    if guest.has(Feature::V6k) {
        a.put(&[0xf57f_f01f]); // clrex
    }
    a.put(&[0xe3a0_0001]); // mov r0, #1
    a.set(1, AREA);
    a.set(2, RECORD as u32);
    a.call(4);
}

/// The handler: signal, code and address, then the registers from the frame, where they are at offset 32.
fn handler(a: &mut Asm) {
    a.set(3, AREA);
    // str r0, [r3]; ldr r4, [r1, #8]; str r4, [r3, #4]; ldr r4, [r1, #12]; str r4, [r3, #8]
    a.put(&[
        0xe583_0000,
        0xe591_4008,
        0xe583_4004,
        0xe591_400c,
        0xe583_4008,
    ]);
    a.put(&[0xe283_0010, 0xe283_3010, 0xe282_2020]); // add r0, r3, #16; add r3, r3, #16; add r2, r2, #32
    for _ in 0..2 {
        a.put(&[0xe8b2_0ff0, 0xe8a3_0ff0]); // ldm r2!, {r4-r11}; stm r3!, {r4-r11}
    }
    a.put(&[0xe592_4000, 0xe583_4000]); // ldr r4, [r2]; str r4, [r3]
}

fn runtime(guest: &Arm, at: u32) -> (Vec<u32>, Entries) {
    let mut a = Asm {
        at,
        words: Vec::new(),
    };
    start(&mut a);
    let again = a.pc();
    next(&mut a, guest.fp());
    if guest.has(Feature::D32) {
        a.put(&[0xecf1_0b20]); // vldm r1!, {d16-d31}
    }
    load_core(&mut a);
    let done = a.pc();
    store_core(&mut a, guest);
    let both = a.pc();
    write(&mut a, guest);
    a.branch(14, again);
    let on_signal = a.pc();
    handler(&mut a);
    a.branch(14, both);
    let entries = Entries {
        start: at,
        done,
        handler: on_signal,
    };
    assert!(a.pc() <= DATA);
    (a.words, entries)
}

/// The program for these cases.
pub fn program(guest: &Arm, cases: &[Case]) -> Program {
    let (words, entries) = runtime(guest, DATA - ROOM);
    // The cases' code, as halfwords from `code_at` on; the start is known when the length is.
    let rooms: Vec<u32> = cases.iter().map(room).collect();
    let total: u32 = rooms.iter().sum();
    let code_at = (DATA - ROOM - total) & !0xfff;
    let mut halves: Vec<u16> = Vec::new();
    let mut at = code_at;
    let mut starts = Vec::new();
    for (case, room) in cases.iter().zip(&rooms) {
        starts.push(at);
        halves.extend(layout::pieces(case, at).concat());
        if layout::thumb(case) {
            if !halves.len().is_multiple_of(2) {
                halves.push(0x46c0); // nop
            }
            halves.extend([0x4778, 0x46c0]); // bx pc; nop
        }
        let done = entries.done;
        halves.extend([0xf004, 0xe51f, done as u16, (done >> 16) as u16]); // ldr pc, [pc, #-4]
        at += room;
        halves.resize((at - code_at) as usize / 2, 0);
    }
    let mut code: Vec<u8> = halves.iter().flat_map(|h| h.to_le_bytes()).collect();
    code.resize((DATA - ROOM - code_at) as usize, 0);
    code.extend(words.iter().flat_map(|w| w.to_le_bytes()));
    code.resize((DATA - code_at) as usize, 0);
    let target = |(case, at): (&Case, &u32)| at | u32::from(layout::thumb(case));
    let targets: Vec<u32> = cases.iter().zip(&starts).map(target).collect();
    Program {
        entry: entries.start.into(),
        code_at: code_at.into(),
        code,
        data_at: DATA.into(),
        data: data(guest, &entries, &targets),
        data_len: u64::from(CASES - DATA) + 4 * cases.len() as u64,
        cases: starts.iter().map(|s| u64::from(*s)).collect(),
    }
}

/// Bytes that a case may take, with its end.
fn room(case: &Case) -> u32 {
    let halves: usize = layout::pieces(case, 0).iter().map(Vec::len).sum();
    (2 * halves as u32).next_multiple_of(4) + 12
}

fn data(guest: &Arm, entries: &Entries, targets: &[u32]) -> Vec<u8> {
    let mut data = vec![0; (CASES - DATA) as usize];
    let mut put = |at: u32, value: u32| {
        let bytes = if guest.big {
            value.to_be_bytes()
        } else {
            value.to_le_bytes()
        };
        let at = (at - DATA) as usize;
        if data.len() < at + 4 {
            data.resize(at + 4, 0);
        }
        data[at..at + 4].copy_from_slice(&bytes);
    };
    put(NEXT, CASES);
    put(ALTSTACK, STACK);
    put(ALTSTACK + 8, STACK_LEN);
    put(ACTION, entries.handler);
    put(ACTION + 4, ACTION_FLAGS);
    put(ACTION + 8, entries.handler);
    for (i, target) in targets.iter().enumerate() {
        put(CASES + 4 * i as u32, *target);
    }
    data
}
