//! Times the engine's paths on the toy instruction set: loops, calls and returns, indirect jumps.
//! `cargo run --release -p tcg-exec --example toybench`

#[path = "../tests/toy/mod.rs"]
mod toy;

use std::time::Instant;
use tcg_exec::Backend;
use toy::*;

fn time(name: &str, per: &str, count: u64, code: &[u32], setup: impl Fn(&mut Guest)) {
    let mut g = Guest::with(Backend::Jit);
    g.write(TEXT, code);
    setup(&mut g);
    g.cpu.set_pc(TEXT);
    let start = Instant::now();
    let exit = g.cpu.run();
    let ns = start.elapsed().as_nanos() as f64 / count as f64;
    println!("{name:24} {ns:7.2} ns per {per}   {exit:?}");
}

fn main() {
    const N: u32 = 50_000_000;
    let n = u64::from(N);
    let all = |g: &mut Guest| {
        g.set(0, N);
        g.set(5, TEXT as u32);
    };
    time(
        "loop",
        "turn",
        n,
        &[addi(0, 0, -1), bnz(0, -1), trap(1, 0)],
        all,
    );
    let code = [
        call(4),
        addi(0, 0, -1),
        bnz(0, -2),
        trap(1, 1),
        addi(1, 1, 1),
        ret(),
    ];
    time("call and return", "pair", n, &code, all);
    let code = [addi(0, 0, -1), bnz(0, 2), trap(1, 0), jr(5)];
    time("jump by inline cache", "jump", n, &code, all);
    let code = [addi(0, 0, -1), bnz(0, 2), trap(1, 0), jt(5)];
    time("jump by jump cache", "jump", n, &code, all);
    let mut code = vec![call(2), trap(1, 0)];
    code.extend(fib());
    time("fib(35)", "call", 29_860_703, &code, |g| g.set(0, 35));
}

fn fib() -> Vec<u32> {
    vec![
        addi(1, 0, -1),
        bnz(0, 2),
        ret(),
        bnz(1, 2),
        ret(),
        addi(6, 6, -12),
        st(7, 6, 0),
        st(0, 6, 4),
        addi(0, 1, 0),
        call(-9),
        st(0, 6, 8),
        ld(0, 6, 4),
        addi(0, 0, -2),
        call(-13),
        ld(1, 6, 8),
        add(0, 1),
        ld(7, 6, 0),
        addi(6, 6, 12),
        ret(),
    ]
}
