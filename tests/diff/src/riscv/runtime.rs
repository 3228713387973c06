//! The program around the cases: reads a record, loads the registers, runs a case, stores the registers, writes the
//! record. gp points at the record throughout. Linux's system calls and signal frames. [uapi asm-generic/unistd.h]

use super::{AREA, DATA, F, FCSR, RECORD, RESERVED, Riscv, SIGNAL, X};
use crate::guest::{Case, Program};
use target_riscv::decode::Feature;

/// Variables: which case is next, the alternate stack, the action of the signals.
const NEXT: u64 = DATA + 8;
const ALTSTACK: u64 = DATA + 0x20;
const ACTION: u64 = DATA + 0x40;
const STACK: u64 = DATA + 0x2_0000;
const STACK_LEN: u64 = 0x1_0000;
/// The addresses of the cases.
const CASES: u64 = DATA + 0x4_0000;
/// The runtime's room at the end of the code.
const ROOM: u64 = 0x800;

const SIGNALS: [u32; 5] = [4, 5, 7, 8, 11];
/// With siginfo, on the alternate stack, not blocking itself.
const ACTION_FLAGS: u64 = 4 | 0x0800_0000 | 0x4000_0000;

/// Registers.
const T0: u32 = 5;
const T1: u32 = 6;
const A0: u32 = 10;
const A1: u32 = 11;
const A2: u32 = 12;
const A3: u32 = 13;
const A7: u32 = 17;
const GP: u32 = RESERVED as u32;

struct Asm {
    at: u64,
    words: Vec<u32>,
    wide: bool,
}

impl Asm {
    fn pc(&self) -> u64 {
        self.at + 4 * self.words.len() as u64
    }

    fn put(&mut self, word: u32) {
        self.words.push(word);
    }

    fn addi(&mut self, d: u32, s: u32, imm: i32) {
        self.put((imm as u32) << 20 | s << 15 | d << 7 | 0x13);
    }

    /// d = a constant below 2^31.
    fn set(&mut self, d: u32, value: u64) {
        let value = value as u32;
        let low = (value << 20) as i32 >> 20;
        self.put(value.wrapping_sub(low as u32) & 0xffff_f000 | d << 7 | 0x37); // lui
        self.addi(d, d, low);
    }

    /// Loads (or stores) a register of the machine's width.
    fn load(&mut self, d: u32, base: u32, offset: usize) {
        let size = if self.wide { 3 } else { 2 };
        self.put((offset as u32) << 20 | base << 15 | size << 12 | d << 7 | 0x03);
    }

    fn store_op(&mut self, opcode: u32, size: u32, s: u32, base: u32, offset: usize) {
        let offset = offset as u32;
        let (high, low) = (offset >> 5 & 0x7f, offset & 31);
        self.put(high << 25 | s << 20 | base << 15 | size << 12 | low << 7 | opcode);
    }

    fn store(&mut self, s: u32, base: u32, offset: usize) {
        let size = if self.wide { 3 } else { 2 };
        self.store_op(0x23, size, s, base, offset);
    }

    /// A system call with its number.
    fn call(&mut self, number: i32) {
        self.addi(A7, 0, number);
        self.put(0x73);
    }

    fn jump(&mut self, target: u64) {
        let word = jal(self.pc(), target);
        self.put(word);
    }
}

/// A jump without link.
pub fn jal(at: u64, target: u64) -> u32 {
    let d = target.wrapping_sub(at) as u32;
    (d >> 20 & 1) << 31
        | (d >> 1 & 0x3ff) << 21
        | (d >> 11 & 1) << 20
        | (d >> 12 & 0xff) << 12
        | 0x6f
}

/// The addresses that other code needs.
struct Entries {
    start: u64,
    /// Where a case goes when it is done.
    done: u64,
    handler: u64,
}

fn start(a: &mut Asm) {
    a.set(GP, AREA);
    a.set(A0, ALTSTACK);
    a.addi(A1, 0, 0);
    a.call(132);
    for signal in SIGNALS {
        a.addi(A0, 0, signal as i32);
        a.set(A1, ACTION);
        a.addi(A2, 0, 0);
        a.addi(A3, 0, 8);
        a.call(134);
    }
}

/// Reads a record and goes to the next case.
fn next(a: &mut Asm, guest: &Riscv) {
    a.addi(A0, 0, 0);
    a.addi(A1, GP, 0);
    a.set(A2, RECORD as u64);
    a.call(63);
    a.put(0x0005_1863); // bnez a0, +16
    a.addi(A0, 0, 0);
    a.call(93);
    a.set(T0, NEXT);
    let word = if a.wide { 8 } else { 4 };
    a.load(T1, T0, 0);
    a.load(A0, T1, 0);
    a.addi(T1, T1, word);
    a.store(T1, T0, 0);
    a.store(A0, GP, X); // the place of x0: the program counter
    if guest.features.has(Feature::D) {
        for n in 0..32 {
            a.put(((F + 8 * n) as u32) << 20 | GP << 15 | 3 << 12 | (n as u32) << 7 | 0x07); // fld
        }
        a.put((FCSR as u32) << 20 | GP << 15 | 2 << 12 | T0 << 7 | 0x03); // lw t0
        a.put(0x0032_9073); // fscsr t0
    }
}

/// Jumps to the case with its registers: its address goes through an unused place, the return address register last.
fn enter(a: &mut Asm) {
    // t6 (x31) takes the address; the case reloads it first.
    a.load(31, GP, X);
    for n in (1..31).filter(|n| *n != GP) {
        a.load(n, GP, X + 8 * n as usize);
    }
    a.put(31 << 15 | 0x67); // jr t6
}

fn leave(a: &mut Asm) {
    for n in (1..32).filter(|n| *n != GP) {
        a.store(n, GP, X + 8 * n as usize);
    }
    a.store(0, GP, X);
}

fn write(a: &mut Asm, guest: &Riscv) {
    if guest.features.has(Feature::D) {
        for n in 0..32 {
            a.store_op(0x27, 3, n, GP, F + 8 * n as usize); // fsd
        }
        a.put(0x0030_22f3); // frcsr t0
        a.store_op(0x23, 2, T0, GP, FCSR);
        a.put(0x0000_1073 | 3 << 20); // fscsr zero
    }
    // No reservation is left: a store-conditional to our own memory ends it.
    if guest.features.has(Feature::A) {
        a.addi(T0, GP, SIGNAL as i32 + 4);
        a.put(0x1802_a02f | T0 << 15); // sc.w zero, zero, (t0)
    }
    a.addi(A0, 0, 1);
    a.addi(A1, GP, 0);
    a.set(A2, RECORD as u64);
    a.call(64);
}

/// The handler: signal, code and address, then the registers from the frame.
fn handler(a: &mut Asm) {
    a.set(GP, AREA);
    a.store_op(0x23, 2, A0, GP, SIGNAL);
    a.put(8 << 20 | A1 << 15 | 2 << 12 | T0 << 7 | 0x03); // lw t0, 8(a1)
    a.store_op(0x23, 2, T0, GP, SIGNAL + 8);
    // si_addr
    a.load(T0, A1, if a.wide { 16 } else { 12 });
    a.store(T0, GP, SIGNAL + 16);
    let (regs, word) = if a.wide { (176, 8) } else { (160, 4) };
    for n in 0..32 {
        if n as u32 != GP {
            a.load(T0, A2, regs + word * n);
            a.store(T0, GP, X + 8 * n);
        }
    }
}

/// The floating-point registers come from the frame, too: a handler starts with them, so they are stored as they are.
fn runtime(guest: &Riscv, at: u64) -> (Vec<u32>, Entries) {
    let mut a = Asm {
        at,
        words: Vec::new(),
        wide: guest.isa.cpu.is_64(),
    };
    start(&mut a);
    let again = a.pc();
    next(&mut a, guest);
    enter(&mut a);
    let done = a.pc();
    leave(&mut a);
    let both = a.pc();
    write(&mut a, guest);
    a.jump(again);
    let on_signal = a.pc();
    handler(&mut a);
    a.jump(both);
    let entries = Entries {
        start: at,
        done,
        handler: on_signal,
    };
    assert!(a.pc() <= DATA);
    (a.words, entries)
}

/// The program for these cases. A case starts by loading t6 and ends in a jump.
pub fn program(guest: &Riscv, cases: &[Case]) -> Program {
    let (words, entries) = runtime(guest, DATA - ROOM);
    let room = |case: &Case| {
        let own: u64 = case.pieces.iter().map(|p| u64::from(p.row.width / 8)).sum();
        (own + 3).next_multiple_of(4) + 16
    };
    let total: u64 = cases.iter().map(room).sum();
    let code_at = (DATA - ROOM - total) & !0xfff;
    let wide = guest.isa.cpu.is_64();
    let mut code: Vec<u8> = Vec::new();
    let mut entered = Vec::new();
    let mut starts = Vec::new();
    for case in cases {
        let mut at = code_at + code.len() as u64;
        let end = at + room(case);
        entered.push(at);
        let mut head = Asm {
            at,
            words: Vec::new(),
            wide,
        };
        head.load(31, GP, X + 8 * 31);
        code.extend(head.words.iter().flat_map(|w| w.to_le_bytes()));
        at += 4;
        starts.push(at);
        for p in &case.pieces {
            let len = p.row.width as usize / 8;
            code.extend(&(p.insn as u32).to_le_bytes()[..len]);
            at += len as u64;
        }
        // Branches of the case may jump over the last instructions: what follows does nothing.
        if !at.is_multiple_of(4) {
            code.extend([1, 0]); // c.nop
            at += 2;
        }
        code.extend(jal(at, entries.done).to_le_bytes());
        code.resize((end - code_at) as usize, 0);
    }
    code.resize((DATA - ROOM - code_at) as usize, 0);
    code.extend(words.iter().flat_map(|w| w.to_le_bytes()));
    code.resize((DATA - code_at) as usize, 0);
    Program {
        entry: entries.start,
        code_at,
        code,
        data_at: DATA,
        data: data(wide, &entries, &entered),
        data_len: CASES - DATA + 8 * cases.len() as u64,
        cases: starts,
    }
}

fn data(wide: bool, entries: &Entries, entered: &[u64]) -> Vec<u8> {
    let word = if wide { 8 } else { 4 };
    let mut data = vec![0; (CASES - DATA) as usize + word * entered.len()];
    let mut put = |at: u64, value: u64| {
        let at = (at - DATA) as usize;
        data[at..at + word].copy_from_slice(&value.to_le_bytes()[..word]);
    };
    put(NEXT, CASES);
    put(ALTSTACK, STACK);
    put(ALTSTACK + 2 * word as u64, STACK_LEN);
    put(ACTION, entries.handler);
    put(ACTION + word as u64, ACTION_FLAGS);
    for (i, at) in entered.iter().enumerate() {
        put(CASES + (word * i) as u64, *at);
    }
    data
}
