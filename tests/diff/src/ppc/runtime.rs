//! The program around the cases: reads a record, loads the registers, runs a case, stores the registers, writes the
//! record. r2 points at the record throughout. Linux's system calls and signal frames.
//! (Linux arch/powerpc/include/uapi/asm/{ptrace,sigcontext,ucontext}.h)

use super::asm::{Asm, branch};
use super::{
    ADDRESS, AREA, CODE, CR, CTR, DATA, FPSCR, LR, NIP, Ppc, RECORD, RESERVED, SIGNAL, V, VSCR, X,
    XER,
};
use crate::guest::{Case, Program};
use target_ppc::decode::Feature;

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

const SIGNALS: [i64; 5] = [4, 5, 7, 8, 11];
/// With siginfo, on the alternate stack, not blocking itself.
const ACTION_FLAGS: u64 = 4 | 0x0800_0000 | 0x4000_0000;

const AREA_REG: u32 = RESERVED as u32;
const SPR_XER: u32 = 1;
const SPR_LR: u32 = 8;
const SPR_CTR: u32 = 9;
/// Instructions before a case's own: CTR and the register that it came through.
const HEAD: u64 = 3;

/// The addresses that other code needs.
struct Entries {
    start: u64,
    /// Where a case goes when it is done.
    done: u64,
    handler: u64,
}

fn start(a: &mut Asm) {
    a.set(AREA_REG, AREA);
    a.set(3, ALTSTACK);
    a.li(4, 0);
    a.call(185);
    for signal in SIGNALS {
        a.li(3, signal);
        a.set(4, ACTION);
        a.li(5, 0);
        a.li(6, 8);
        a.call(173);
    }
}

/// Loads (or stores) the vector and floating-point registers, through r3.
fn vectors(a: &mut Asm, guest: &Ppc, store: bool) {
    let pick = |load: u32, save: u32| if store { save } else { load };
    if guest.has(Feature::Vsx) {
        for n in 0..64u32 {
            a.li(3, (V + 16 * n as usize) as i64);
            // lxvd2x, stxvd2x
            let word = pick(844, 972) << 1 | n >> 5;
            a.put(31 << 26 | (n & 31) << 21 | 3 << 16 | AREA_REG << 11 | word);
        }
        return;
    }
    if guest.has(Feature::Fp) {
        for n in 0..32u32 {
            a.d(pick(50, 54), n, AREA_REG, (V + 8 * n as usize) as i64); // lfd, stfd
        }
    }
    if guest.has(Feature::Altivec) {
        for n in 0..32u32 {
            a.li(3, (V + 512 + 16 * n as usize) as i64);
            a.x(pick(103, 231), n, 3, AREA_REG); // lvx, stvx
        }
    }
}

/// Reads a record and goes to the next case.
fn next(a: &mut Asm, guest: &Ppc) {
    a.li(3, 0);
    a.x(444, AREA_REG, 4, AREA_REG); // mr r4, r2
    a.set(5, RECORD as u64);
    a.call(3);
    a.d(11, 0, 3, 0); // cmpwi r3, 0
    a.put(0x4181_000c); // bgt +12
    a.li(3, 0);
    a.call(1);
    a.set(4, NEXT);
    let word = guest.word();
    a.load(5, 4, 0);
    a.load(3, 5, 0);
    a.d(14, 5, 5, word as i64);
    a.store(5, 4, 0);
    a.mtspr(SPR_CTR, 3);
    if guest.has(Feature::Altivec) {
        a.li(3, VSCR as i64);
        a.x(103, 0, 3, AREA_REG); // lvx v0
        a.put(4 << 26 | 1604); // mtvscr v0
    }
    if guest.has(Feature::Fp) {
        a.d(50, 0, AREA_REG, FPSCR as i64);
        // mtfsf 0xff, f0; all of the register, with decimal rounding, where there is more than a word.
        let whole = guest.isa.wide && guest.has(Feature::Vsx);
        a.put(if whole { 0xfffe_058e } else { 0xfdfe_058e });
    }
    vectors(a, guest, false);
    a.load(3, AREA_REG, LR);
    a.mtspr(SPR_LR, 3);
    a.lwz(3, AREA_REG, XER);
    a.mtspr(SPR_XER, 3);
    a.lwz(3, AREA_REG, CR);
    a.put(0x7c6f_f120); // mtcr r3
    for n in (0..32).filter(|n| *n != AREA_REG) {
        a.load(n, AREA_REG, X + 8 * n as usize);
    }
    a.put(0x4e80_0420); // bctr
}

fn leave(a: &mut Asm) {
    for n in (0..32).filter(|n| *n != AREA_REG) {
        a.store(n, AREA_REG, X + 8 * n as usize);
    }
    a.put(0x7c60_0026); // mfcr r3
    a.stw(3, AREA_REG, CR);
    for (spr, at) in [(SPR_LR, LR), (SPR_CTR, CTR)] {
        a.mfspr(3, spr);
        a.store(3, AREA_REG, at);
    }
    a.mfspr(3, SPR_XER);
    a.stw(3, AREA_REG, XER);
    if a.wide {
        a.li(3, 0);
        a.store(3, AREA_REG, NIP);
    }
}

/// The vector registers, FPSCR (unless the handler has it already) and VSCR; then the record goes out.
fn write(a: &mut Asm, guest: &Ppc) {
    if guest.has(Feature::Altivec) {
        a.put(4 << 26 | 1540); // mfvscr v0
        a.li(3, VSCR as i64);
        a.x(231, 0, 3, AREA_REG); // stvx v0
    }
    if guest.has(Feature::Fp) {
        a.put(0xfc00_048e); // mffs f0
        a.d(54, 0, AREA_REG, FPSCR as i64);
    }
}

fn send(a: &mut Asm) {
    // No reservation is left: a conditional store to our own memory ends it.
    a.li(4, SIGNAL as i64 + 4);
    a.li(3, 0);
    a.put(31 << 26 | 3 << 21 | 4 << 16 | AREA_REG << 11 | 150 << 1 | 1); // stwcx. r3, r4, r2
    a.li(3, 1);
    a.x(444, AREA_REG, 4, AREA_REG);
    a.set(5, RECORD as u64);
    a.call(4);
}

/// The handler: signal, code and address, then the registers from the frame. r3 to r5: signal, siginfo, ucontext.
fn handler(a: &mut Asm, guest: &Ppc) {
    a.set(AREA_REG, AREA);
    a.stw(3, AREA_REG, SIGNAL);
    a.lwz(6, 4, 8);
    a.stw(6, AREA_REG, CODE);
    a.load(6, 4, if a.wide { 16 } else { 12 });
    a.store(6, AREA_REG, ADDRESS);
    let (regs, fpscr) = match a.wide {
        true => (232, 616 + 256),
        false => {
            a.lwz(5, 5, 48);
            (0, 192 + 256)
        }
    };
    let word = guest.word();
    for n in (0..32).filter(|n| *n != AREA_REG as usize) {
        a.load(6, 5, regs + word * n);
        a.store(6, AREA_REG, X + 8 * n);
    }
    for (index, at) in [(32, NIP), (35, CTR), (36, LR)] {
        a.load(6, 5, regs + word * index);
        a.store(6, AREA_REG, at);
    }
    for (index, at) in [(37, XER), (38, CR)] {
        a.load(6, 5, regs + word * index);
        a.stw(6, AREA_REG, at);
    }
    // The vector registers are as they were; f0 and v0 are stored before they are used.
    vectors(a, guest, true);
    if guest.has(Feature::Altivec) {
        a.put(4 << 26 | 1540);
        a.li(3, VSCR as i64);
        a.x(231, 0, 3, AREA_REG);
    }
    if guest.has(Feature::Fp) {
        a.d(50, 0, 5, fpscr as i64);
        a.d(54, 0, AREA_REG, FPSCR as i64);
    }
}

fn runtime(guest: &Ppc, at: u64) -> (Vec<u32>, Entries) {
    let mut a = Asm {
        at,
        words: Vec::new(),
        wide: guest.isa.wide,
    };
    start(&mut a);
    let again = a.pc();
    next(&mut a, guest);
    let done = a.pc();
    leave(&mut a);
    vectors(&mut a, guest, true);
    write(&mut a, guest);
    let both = a.pc();
    send(&mut a);
    a.jump(again);
    let on_signal = a.pc();
    handler(&mut a, guest);
    a.jump(both);
    let entries = Entries {
        start: at,
        done,
        handler: on_signal,
    };
    assert!(a.pc() <= DATA);
    (a.words, entries)
}

/// The program for these cases. A case starts by loading CTR and r3, and ends in a jump.
pub fn program(guest: &Ppc, cases: &[Case]) -> Program {
    let (words, entries) = runtime(guest, DATA - ROOM);
    let total: u64 = cases
        .iter()
        .map(|c| 4 * (HEAD + 1 + c.pieces.len() as u64))
        .sum();
    let code_at = (DATA - ROOM - total) & !0xfff;
    let mut code: Vec<u8> = Vec::new();
    let mut entered = Vec::new();
    let mut starts = Vec::new();
    let put = |code: &mut Vec<u8>, w: u32| code.extend(guest.bytes(w.into(), 4));
    for case in cases {
        let at = code_at + code.len() as u64;
        entered.push(at);
        let mut head = Asm {
            at,
            words: Vec::new(),
            wide: guest.isa.wide,
        };
        head.load(3, AREA_REG, CTR);
        head.mtspr(SPR_CTR, 3);
        head.load(3, AREA_REG, X + 24);
        starts.push(head.pc());
        head.words.extend(case.pieces.iter().map(|p| p.insn as u32));
        let end = branch(head.pc(), entries.done);
        head.put(end);
        head.words.iter().for_each(|w| put(&mut code, *w));
    }
    code.resize((DATA - ROOM - code_at) as usize, 0);
    words.iter().for_each(|w| put(&mut code, *w));
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

fn data(guest: &Ppc, entries: &Entries, entered: &[u64]) -> Vec<u8> {
    let word = guest.word();
    let mut data = vec![0; (CASES - DATA) as usize + word * entered.len()];
    let mut put = |at: u64, value: u64| {
        let at = (at - DATA) as usize;
        data[at..at + word].copy_from_slice(&guest.bytes(value, word));
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
