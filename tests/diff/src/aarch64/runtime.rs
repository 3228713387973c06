//! The program around the cases: reads a record, loads the registers, runs a case, stores the registers, writes the
//! record. x28 points at the record throughout. Linux's system calls and signal frames.
//! (Linux arch/arm64/include/uapi/asm/{sigcontext,ucontext}.h)

use super::{
    ADDRESS, AREA, Aarch64, CODE, DATA, FPCR, FPSR, NZCV, PC, RECORD, RESERVED, SIGNAL, V, X,
};
use crate::guest::{Case, Program};

/// Variables: which case is next, the alternate stack, the action of the signals.
const NEXT: u64 = DATA + 8;
const ALTSTACK: u64 = DATA + 0x20;
const ACTION: u64 = DATA + 0x40;
const STACK: u64 = DATA + 0x2_0000;
const STACK_LEN: u64 = 0x1_0000;
/// The addresses of the cases.
const CASES: u64 = DATA + 0x4_0000;
/// The runtime's room at the end of the code.
const ROOM: u64 = 0x1000;

const SIGNALS: [u64; 5] = [4, 5, 7, 8, 11];
/// With siginfo, on the alternate stack, not blocking itself.
const ACTION_FLAGS: u64 = 4 | 0x0800_0000 | 0x4000_0000;

/// The register that points to the record.
const P: u32 = RESERVED as u32;
/// Instructions before a case's own: the pointer again.
const HEAD: u64 = 2;

/// In a signal's ucontext: general registers, SP, PC, flags; FPSR, FPCR, vector registers.
const FRAME_X: usize = 176 + 8;
const FRAME_PC: usize = FRAME_X + 256;
const FRAME_FPSR: usize = 464 + 8;
const FRAME_V: usize = 464 + 16;

/// Moves of flags, FPSR and FPCR to x3 (and with bit 21 clear from it), and their places.
const STATUS: [(u32, usize); 3] = [
    (0xd53b_4203, NZCV),
    (0xd53b_4423, FPSR),
    (0xd53b_4403, FPCR),
];

struct Asm {
    at: u64,
    words: Vec<u32>,
}

impl Asm {
    fn pc(&self) -> u64 {
        self.at + 4 * self.words.len() as u64
    }

    fn put(&mut self, word: u32) {
        self.words.push(word);
    }

    /// A constant below 2^32.
    fn set(&mut self, d: u32, value: u64) {
        self.put(0xd280_0000 | (value as u32 & 0xffff) << 5 | d);
        self.put(0xf2a0_0000 | (value as u32 >> 16) << 5 | d);
    }

    fn load(&mut self, t: u32, base: u32, offset: usize) {
        self.put(0xf940_0000 | (offset as u32 / 8) << 10 | base << 5 | t);
    }

    fn store(&mut self, t: u32, base: u32, offset: usize) {
        self.put(0xf900_0000 | (offset as u32 / 8) << 10 | base << 5 | t);
    }

    /// ldr w3, [base, #offset]
    fn load_word(&mut self, base: u32, offset: usize) {
        self.put(0xb940_0000 | (offset as u32 / 4) << 10 | base << 5 | 3);
    }

    /// mov d, s; also for the stack pointer.
    fn copy(&mut self, d: u32, s: u32) {
        self.put(0x9100_0000 | s << 5 | d);
    }

    /// A system call with its number.
    fn call(&mut self, number: u64) {
        self.set(8, number);
        self.put(0xd400_0001);
    }

    fn jump(&mut self, target: u64) {
        let word = branch(self.pc(), target);
        self.put(word);
    }

    /// The vector registers to (or from) the record as doublewords in the guest's byte order, through x3.
    fn vectors(&mut self, store: bool) {
        self.put(0x9100_0000 | (V as u32) << 10 | P << 5 | 3); // add x3, x28, #V
        let op = if store { 0x4c9f_7c00 } else { 0x4cdf_7c00 }; // st1, ld1 {v.2d}, [x3], #16
        for n in 0..32 {
            self.put(op | 3 << 5 | n);
        }
    }
}

fn branch(at: u64, target: u64) -> u32 {
    0x1400_0000 | (target.wrapping_sub(at) >> 2) as u32 & 0x03ff_ffff
}

/// The addresses that other code needs.
struct Entries {
    start: u64,
    /// Where a case goes when it is done.
    done: u64,
    handler: u64,
}

fn start(a: &mut Asm) {
    a.set(P, AREA);
    a.set(0, ALTSTACK);
    a.set(1, 0);
    a.call(132);
    for signal in SIGNALS {
        a.set(0, signal);
        a.set(1, ACTION);
        a.set(2, 0);
        a.set(3, 8);
        a.call(134);
    }
}

/// Reads a record and goes to the next case.
fn next(a: &mut Asm) {
    a.set(0, 0);
    a.copy(1, P);
    a.set(2, RECORD as u64);
    a.call(63);
    a.put(0xf100_001f); // cmp x0, #0
    a.put(0x5400_00cc); // b.gt +24
    a.set(0, 0);
    a.call(93);
    a.set(4, NEXT);
    a.load(5, 4, 0);
    a.load(6, 5, 0);
    a.put(0x9100_2000 | 5 << 5 | 5); // add x5, x5, #8
    a.store(5, 4, 0);
    a.store(6, P, PC);
    a.vectors(false);
    for (read, at) in STATUS {
        a.load(3, P, at);
        a.put(read & !(1 << 21));
    }
    a.load(3, P, X + 8 * 31);
    a.copy(31, 3);
    a.put(0xd503_3f5f); // clrex
    for n in (0..31).filter(|n| *n != P) {
        a.load(n, P, X + 8 * n as usize);
    }
    a.load(P, P, PC);
    a.put(0xd61f_0000 | P << 5); // br
}

fn leave(a: &mut Asm) {
    for n in (0..31).filter(|n| *n != P) {
        a.store(n, P, X + 8 * n as usize);
    }
    a.copy(3, 31);
    a.store(3, P, X + 8 * 31);
    for (read, at) in STATUS {
        a.put(read);
        a.store(3, P, at);
    }
    a.store(31, P, PC); // xzr
    a.vectors(true);
}

fn send(a: &mut Asm) {
    a.set(0, 1);
    a.copy(1, P);
    a.set(2, RECORD as u64);
    a.call(64);
}

/// The handler: signal, code and address, then the registers from the frame. x0 to x2: signal, siginfo, ucontext.
fn handler(a: &mut Asm) {
    a.set(P, AREA);
    // A doubleword holds the signal; its word that is compared is the low one.
    a.put(0xb900_0000 | (SIGNAL as u32 / 4) << 10 | P << 5); // str w0
    a.load_word(1, 8);
    a.store(3, P, CODE);
    a.load(3, 1, 16);
    a.store(3, P, ADDRESS);
    for n in (0..32).filter(|n| *n != P as usize) {
        a.load(3, 2, FRAME_X + 8 * n);
        a.store(3, P, X + 8 * n);
    }
    a.load(3, 2, FRAME_PC);
    a.store(3, P, PC);
    a.load(3, 2, FRAME_PC + 8);
    a.store(3, P, NZCV);
    for (offset, at) in [(FRAME_FPSR, FPSR), (FRAME_FPSR + 4, FPCR)] {
        a.load_word(2, offset);
        a.store(3, P, at);
    }
    a.put(0x9100_0000 | (V as u32) << 10 | P << 5 | 3);
    for n in 0..32 {
        a.put(0x3dc0_0000 | ((FRAME_V as u32 + 16 * n) / 16) << 10 | 2 << 5); // ldr q0, [x2, #n]
        a.put(0x4c9f_7c00 | 3 << 5); // st1 {v0.2d}, [x3], #16
    }
}

fn runtime(at: u64) -> (Vec<u32>, Entries) {
    let mut a = Asm {
        at,
        words: Vec::new(),
    };
    start(&mut a);
    let again = a.pc();
    next(&mut a);
    let done = a.pc();
    leave(&mut a);
    let both = a.pc();
    send(&mut a);
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

/// The program for these cases. A case starts by setting the pointer again, and ends in a jump.
pub fn program(guest: &Aarch64, cases: &[Case]) -> Program {
    let (words, entries) = runtime(DATA - ROOM);
    let lens = cases.iter().map(|c| 4 * (HEAD + 1 + c.pieces.len() as u64));
    let code_at = (DATA - ROOM - lens.sum::<u64>()) & !0xfff;
    let mut code: Vec<u8> = Vec::new();
    let mut entered = Vec::new();
    let mut starts = Vec::new();
    // Instructions are little-endian in either byte order.
    let put = |code: &mut Vec<u8>, w: &u32| code.extend(w.to_le_bytes());
    for case in cases {
        let at = code_at + code.len() as u64;
        entered.push(at);
        let mut a = Asm {
            at,
            words: Vec::new(),
        };
        a.set(P, AREA);
        starts.push(a.pc());
        a.words.extend(case.pieces.iter().map(|p| p.insn as u32));
        a.jump(entries.done);
        a.words.iter().for_each(|w| put(&mut code, w));
    }
    code.resize((DATA - ROOM - code_at) as usize, 0);
    words.iter().for_each(|w| put(&mut code, w));
    code.resize((DATA - code_at) as usize, 0);
    Program {
        entry: entries.start,
        code_at,
        code,
        data_at: DATA,
        data: data(guest, &entries, &entered),
        data_len: CASES - DATA + 8 * cases.len() as u64,
        cases: starts,
    }
}

fn data(guest: &Aarch64, entries: &Entries, entered: &[u64]) -> Vec<u8> {
    let mut data = vec![0; (CASES - DATA) as usize + 8 * entered.len()];
    let mut put = |at: u64, value: u64| {
        let at = (at - DATA) as usize;
        data[at..at + 8].copy_from_slice(&guest.bytes(value));
    };
    put(NEXT, CASES);
    put(ALTSTACK, STACK);
    put(ALTSTACK + 16, STACK_LEN);
    put(ACTION, entries.handler);
    put(ACTION + 8, ACTION_FLAGS);
    for (i, at) in entered.iter().enumerate() {
        put(CASES + 8 * i as u64, *at);
    }
    data
}
