//! Speed of translation, front end and code generation apart, over the code of a 32-bit Arm ELF file.
//!
//! `cargo run --release -p target-arm --example speed -- FILE [first block] [rounds]`: translates the executable segment
//! from its start to its end as T32 code, block behind block, and prints nanoseconds for each guest instruction.

use std::time::{Duration, Instant};
use target_arm::{Arm, CpuModel};
use tcg_ir::Block;
use tcg_mem::{Access, FaultKind, GuestVa, MemFault};
use tcg_target::{Isa, TranslateCtx};
use tcg_x64::{Compiler, Features, Opts};

/// The executable segment: address and bytes.
fn text(elf: &[u8]) -> Option<(u64, &[u8])> {
    let u32_at = |at: usize| Some(u32::from_le_bytes(elf.get(at..at + 4)?.try_into().ok()?));
    let u16_at = |at: usize| Some(u16::from_le_bytes(elf.get(at..at + 2)?.try_into().ok()?));
    let (phoff, phnum) = (u32_at(28)? as usize, u16_at(44)? as usize);
    for k in 0..phnum {
        let p = phoff + 32 * k;
        if u32_at(p)? == 1 && u32_at(p + 24)? & 1 != 0 {
            let (off, va, len) = (u32_at(p + 4)?, u32_at(p + 8)?, u32_at(p + 16)?);
            let bytes = elf.get(off as usize..(off + len) as usize)?;
            return Some((u64::from(va), bytes));
        }
    }
    None
}

/// Blocks from `pc` on, up to so many that they stay in the caches.
fn blocks(isa: &Arm, start: u64, bytes: &[u8], pc: &mut u64) -> (Vec<Block>, Duration) {
    const MOST: usize = 64;
    let end = start + bytes.len() as u64;
    let mut fetch = |va: GuestVa, buf: &mut [u8]| {
        let fault = MemFault {
            va,
            access: Access::Exec,
            kind: FaultKind::Unmapped,
        };
        let at = va.0.checked_sub(start).ok_or(fault)? as usize;
        let have = bytes.get(at..).filter(|b| !b.is_empty()).ok_or(fault)?;
        let n = have.len().min(buf.len());
        buf[..n].copy_from_slice(&have[..n]);
        Ok(n)
    };
    let mut out = Vec::new();
    let begin = Instant::now();
    while *pc + 4 < end && out.len() < MOST {
        let mut ctx = TranslateCtx {
            fetch: &mut fetch,
            limits: tcg_target::BlockLimits::full(64),
            parallel: false,
            forward: true,
        };
        match isa.translate(*pc | 1, 0, &mut ctx) {
            Ok(b) => {
                *pc = b.end_pc.max(*pc + 2);
                out.push(b);
            }
            Err(_) => *pc += 2,
        }
    }
    (out, begin.elapsed())
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let number = |k: usize, d: u64| args.get(k).and_then(|a| a.parse().ok()).unwrap_or(d);
    let elf = args.get(1).and_then(|f| std::fs::read(f).ok());
    let Some((start, bytes)) = elf.as_deref().and_then(text) else {
        eprintln!("speed FILE [first byte] [rounds]: FILE is not a 32-bit ELF file with code");
        std::process::exit(1);
    };
    let Some(model) = CpuModel::find("cortex-a15") else {
        return eprintln!("no such model");
    };
    let isa = Arm {
        model,
        big_endian: false,
        platform_code: None,
    };
    let mut compiler = Compiler::new(Features::detect());
    let opts = Opts {
        parallel: false,
        max_regs: 0,
        ..Opts::default()
    };
    for _ in 0..number(3, 1) {
        let (mut front, mut back) = (Duration::ZERO, Duration::ZERO);
        let (mut count, mut insns, mut ops, mut code, mut maps) = (0, 0, 0, 0, 0);
        let mut pc = start + (number(2, 0) & !1);
        loop {
            let (made, took) = blocks(&isa, start, bytes, &mut pc);
            if made.is_empty() {
                break;
            }
            front += took;
            count += made.len();
            let begin = Instant::now();
            for b in &made {
                insns += u64::from(b.guest_insns);
                ops += b.insts.len();
                if let Ok(c) = compiler.compile(b, isa.layout(), isa.helpers(), &opts) {
                    code += c.code.len();
                    maps += c.maps.len();
                }
            }
            back += begin.elapsed();
        }
        let per = |x: f64| x / insns as f64;
        println!(
            "{} blocks, {insns} instructions: front end {:.1} ns, code generation {:.1} ns, {:.2} IR operations, \
             {:.1} bytes of code, {:.1} of maps per instruction",
            count,
            per(front.as_nanos() as f64),
            per(back.as_nanos() as f64),
            per(ops as f64),
            per(code as f64),
            per(maps as f64),
        );
    }
}
