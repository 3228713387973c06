//! Translation speed: prints nanoseconds per guest instruction (run with --release --nocapture to judge).

mod harness;

use std::time::Instant;
use tcg_ir::*;
use tcg_x64::{Compiler, Features, Opts};

static LAYOUT: StateLayout = StateLayout {
    pinned: &[],
    bytes: 512,
    peek: &[],
    bits: &[],
    names: &[],
};

/// A block like compiled C: loads, stores, arithmetic, a comparison with a side exit every eight instructions.
fn typical(n: usize) -> Block {
    let r = |k: usize| Slot::new(k % 14 * 4, Ty::I32);
    let mut b = Builder::new(0x1000, 0, &LAYOUT);
    let exit = |pc| ExitInfo {
        kind: ExitKind::Direct,
        pc,
        mode: 0,
        mode_dynamic: false,
        ret_pc: 0,
        dead: 0,
        check: false,
    };
    for k in 0..n {
        b.insn_start(0x1000 + 4 * k as u64, 0);
        let x = b.get(r(k));
        let y = b.get(r(k * 5 + 3));
        match k % 8 {
            0 | 4 => {
                let v = b.load(Ty::I32, Addr::base_disp(x, 8), MemFlags::size(2));
                b.set(r(k + 2), v);
            }
            2 => b.store(Addr::base_disp(x, 4), y, MemFlags::size(2)),
            7 => {
                let cc = b.bin(Op::CcSub, Ty::Cc, x, y);
                for (j, c) in [Cond::Mi, Cond::Eq, Cond::Hs, Cond::Vs]
                    .into_iter()
                    .enumerate()
                {
                    let t = b.cc_test(cc, c);
                    b.set(Slot::new(64 + 4 * j, Ty::I32), t);
                }
                let t = b.cc_test(cc, Cond::Ne);
                b.exit_if(t, exit(0x2000), Value::NONE);
            }
            j => {
                let op = [Op::Add, Op::Sub, Op::And, Op::Xor][j % 4];
                let v = b.bin(op, Ty::I32, x, y);
                b.set(r(k + 1), v);
            }
        }
    }
    b.exit(exit(0x3000), Value::NONE);
    b.finish()
}

#[test]
fn compiling_is_fast() {
    let block = typical(48);
    let mut c = Compiler::new(Features::detect());
    let rounds = 4000;
    let mut best = f64::MAX;
    let mut sizes = (0, 0);
    for _ in 0..5 {
        let t = Instant::now();
        for _ in 0..rounds {
            let out = c
                .compile(&block, &LAYOUT, &[], &Opts::default())
                .expect("compiles");
            sizes = (out.code.len(), out.maps.len());
        }
        best = best.min(t.elapsed().as_nanos() as f64 / f64::from(rounds * 48));
    }
    println!(
        "{best:.0} ns per guest instruction, code {} maps {} bytes",
        sizes.0, sizes.1
    );
    if std::env::var_os("X64_ASM").is_some() {
        println!("{}", harness::disassemble(c.result()));
    }
    // Generous: debug builds and busy machines.
    assert!(best < 20_000.0);
}
