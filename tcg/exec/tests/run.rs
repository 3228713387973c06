//! The engine on a toy instruction set: control flow, interrupts, faults, changing code, threads, flushes.

mod toy;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tcg_exec::{Backend, EngineConfig, Exit, Vcpu};
use tcg_mem::{Access, Endian, FaultKind, GuestVa, MemFault};
use toy::*;

fn each(test: impl Fn(Backend)) {
    for b in BACKENDS {
        test(*b);
    }
}

/// With a call of `TEXT2` from `TEXT` that is linked, and one through register 5.
fn each_call(test: impl Fn(Backend, u32)) {
    each(|b| {
        test(b, call(0x4000));
        test(b, callr(5));
    });
}

/// Function at `at` words from here: fib(r0) in r0, recursive, uses r1 and the stack.
fn fib() -> Vec<u32> {
    vec![
        addi(1, 0, -1),  // 0: r1 = n - 1
        bnz(0, 2),       // 1: n == 0 -> return 0
        ret(),           // 2
        bnz(1, 2),       // 3: n == 1 -> return 1
        ret(),           // 4
        addi(6, 6, -12), // 5
        st(7, 6, 0),     // 6
        st(0, 6, 4),     // 7
        addi(0, 1, 0),   // 8
        call(-9),        // 9: fib(n - 1)
        st(0, 6, 8),     // 10
        ld(0, 6, 4),     // 11
        addi(0, 0, -2),  // 12
        call(-13),       // 13: fib(n - 2)
        ld(1, 6, 8),     // 14
        add(0, 1),       // 15
        ld(7, 6, 0),     // 16
        addi(6, 6, 12),  // 17
        ret(),           // 18
    ]
}

#[test]
fn loop_of_direct_branches_counts() {
    each(|b| {
        let mut g = Guest::with(b);
        g.write(
            TEXT,
            &[
                addi(0, 0, 1000),
                addi(1, 1, 3),
                addi(0, 0, -1),
                bnz(0, -2),
                trap(5, 1),
            ],
        );
        assert_eq!(g.run_to(TEXT, 5), 3000);
        assert_eq!(g.cpu.pc(), TEXT + 20);
    });
}

#[test]
fn recursion_with_paired_returns_gives_the_right_answer() {
    each(|b| {
        let mut g = Guest::with(b);
        g.write(TEXT, &[call(2), trap(1, 0)]);
        g.write(TEXT + 8, &fib());
        g.set(0, 15);
        assert_eq!(g.run_to(TEXT, 1), 610);
        assert_eq!(g.r(6), STACK as u32);
        if b == Backend::Jit {
            // Linked once and for all: nearly two thousand calls, but a handful of lookups.
            let s = (g.engine.stats(), g.cpu.stats());
            assert!(s.0.links > 8 && s.1.lookups < 40, "{s:?}");
            assert_eq!(s.1.indirect_lookups, 0, "{s:?}");
            g.set(0, 15);
            assert_eq!(g.run_to(TEXT, 1), 610);
            assert!(g.cpu.stats().lookups <= s.1.lookups + 4);
        }
    });
}

#[test]
fn brief_translations_give_way_to_full_ones() {
    let mut g = Guest::new(EngineConfig {
        brief_runs: 4,
        ..config(Backend::Jit)
    });
    g.write(TEXT, &[call(2), trap(1, 0)]);
    g.write(TEXT + 8, &fib());
    g.set(0, 3);
    assert_eq!(g.run_to(TEXT, 1), 2);
    let few = g.engine.stats();
    assert_eq!(few.invalidations, 0, "{few:?}");
    assert!(few.links == 0 || few.extended > 0, "{few:?}");
    for _ in 0..8 {
        g.set(0, 15);
        assert_eq!(g.run_to(TEXT, 1), 610);
        assert_eq!(g.r(6), STACK as u32);
    }
    let (many, lookups) = (g.engine.stats(), g.cpu.stats().lookups);
    assert!(many.extended > 4 && many.links > 8, "{many:?}");
    g.set(0, 15);
    assert_eq!(g.run_to(TEXT, 1), 610);
    assert_eq!(g.engine.stats().extended, many.extended);
    assert!(g.cpu.stats().lookups <= lookups + 4);
}

#[test]
fn recursion_deeper_than_the_return_stack_comes_back() {
    each(|b| {
        let mut g = Guest::new(EngineConfig {
            return_stack_bytes: 4096,
            ..config(b)
        });
        // sum(n) = n + sum(n - 1), 10,000 deep: 16 bytes of return stack each, 256 entries.
        g.write(
            TEXT,
            &[
                call(2),
                trap(1, 1),
                addi(6, 6, -8), // 2
                st(7, 6, 0),
                st(0, 6, 4),
                addi(0, 0, -1),
                bnz(0, 2),
                jmp(2),
                call(-6), // 8
                ld(0, 6, 4),
                add(1, 0),
                ld(7, 6, 0),
                addi(6, 6, 8),
                ret(),
            ],
        );
        g.set(0, 10_000);
        assert_eq!(g.run_to(TEXT, 1), 50_005_000);
        let overflows = g.cpu.stats().return_overflows;
        assert_eq!(overflows > 30, b == Backend::Jit, "{overflows}");
    });
}

#[test]
fn return_to_another_place_misses_its_pair_and_arrives() {
    each(|b| {
        let mut g = Guest::with(b);
        // The callee returns one instruction further than it was called from, 100 times.
        g.write(
            TEXT,
            &[
                addi(0, 0, 100),
                call(6),
                trap(9, 0),
                addi(2, 2, 1),
                addi(0, 0, -1),
                bnz(0, -4),
                trap(1, 2),
            ],
        );
        g.write(TEXT + 28, &[addi(7, 7, 4), ret()]);
        assert_eq!(g.run_to(TEXT, 1), 100);
    });
}

#[test]
fn indirect_jumps_and_calls_go_where_the_register_says() {
    each(|b| {
        let mut g = Guest::with(b);
        // r1, r2: two targets, swapped each time; jump, table jump and call through them.
        g.write(
            TEXT,
            &[
                addi(3, 1, 0), // 0: swap
                addi(1, 2, 0),
                addi(2, 3, 0),
                callr(1),
                callr(5), // the same target always
                addi(0, 0, -1),
                bnz(0, -6),
                trap(1, 4),
            ],
        );
        g.write(TEXT2, &[addi(4, 4, 1), ret()]);
        g.write(TEXT2 + 0x100, &[addi(4, 4, 10), addi(3, 7, 0), jr(3)]);
        g.write(TEXT2 + 0x200, &[addi(4, 4, 100), addi(3, 7, 0), jt(3)]);
        g.set(0, 400);
        g.set(1, TEXT2 as u32);
        g.set(2, TEXT2 as u32 + 0x100);
        g.set(5, TEXT2 as u32 + 0x200);
        assert_eq!(g.run_to(TEXT, 1), 200 + 2000 + 40000);
        if b == Backend::Jit {
            // Both targets of the first call, that of the second, the jump's and the table jump's.
            let s = (g.engine.stats(), g.cpu.stats());
            assert_eq!(s.0.inline_caches, 5, "{s:?}");
            assert!(s.1.indirect_lookups < 12, "{s:?}");
        }
    });
}

#[test]
fn mode_switch_selects_other_translations() {
    each(|b| {
        let mut g = Guest::with(b);
        g.write(
            TEXT,
            &[
                addi(0, 0, 1),
                set_mode(1),
                addi(0, 0, 10),
                set_mode(0),
                addi(0, 0, 100),
                trap(1, 0),
            ],
        );
        assert_eq!(g.run_to(TEXT, 1), 121);
        assert_eq!(g.cpu.mode(), 0);
        g.set(0, 0);
        // The front end changes a register that the mode follows.
        g.cpu.state_mut::<Regs>().mode = 1;
        assert_eq!(g.run_to(TEXT, 1), 2 + 20 + 100);
    });
}

#[test]
fn helper_that_leaves_stops_at_its_instruction() {
    each(|b| {
        let mut g = Guest::with(b);
        g.write(
            TEXT,
            &[
                triple(0, 1),
                addi(2, 2, 1),
                triple(0, 0),
                addi(2, 2, 1),
                trap(1, 0),
            ],
        );
        g.set(1, 4);
        assert_eq!(g.run_to(TEXT, 1), 36);
        g.set(1, 5);
        assert_eq!(g.run_to(TEXT, 77), 5);
        assert_eq!(g.cpu.pc(), TEXT);
        assert_eq!(g.r(2), 2);
    });
}

#[test]
fn step_runs_one_instruction() {
    each(|b| {
        let mut g = Guest::with(b);
        g.write(TEXT, &[addi(0, 0, 1), jmp(2), trap(9, 0), trap(3, 0)]);
        assert_eq!(g.cpu.step(), Exit::Step);
        assert_eq!((g.cpu.pc(), g.r(0)), (TEXT + 4, 1));
        assert_eq!(g.cpu.step(), Exit::Step);
        assert_eq!(g.cpu.pc(), TEXT + 12);
        assert_eq!(g.cpu.step(), Exit::Trap { code: 3, info: 1 });
    });
}

#[test]
fn one_instruction_blocks_give_the_same_result() {
    each(|b| {
        let mut g = Guest::new(EngineConfig {
            one_insn_per_tb: true,
            ..config(b)
        });
        g.write(TEXT, &[call(2), trap(1, 0)]);
        g.write(TEXT + 8, &fib());
        g.set(0, 10);
        assert_eq!(g.run_to(TEXT, 1), 55);
    });
}

fn fault_at(g: &mut Guest, pc: u64, want: MemFault) {
    assert_eq!(g.cpu.run(), Exit::Fault(want));
    assert_eq!(g.cpu.pc(), pc);
}

#[test]
fn faults_are_precise() {
    each(|b| {
        let mut g = Guest::with(b);
        let bad = |va, access, kind| MemFault {
            va: GuestVa(va),
            access,
            kind,
        };
        // Registers are changed before and after each access: exactly those before must be seen.
        g.write(
            TEXT,
            &[
                addi(0, 0, 1),
                addi(1, 1, 2),
                ld(2, 3, 8),
                addi(0, 0, 10),
                st(1, 4, 4),
                addi(0, 0, 100),
                trap(1, 0),
            ],
        );
        g.set(3, HOLE as u32);
        g.set(4, RODATA as u32);
        fault_at(
            &mut g,
            TEXT + 8,
            bad(HOLE + 8, Access::Read, FaultKind::Unmapped),
        );
        assert_eq!((g.r(0), g.r(1), g.r(2)), (1, 2, 0));
        // The front end repairs it and goes on at the instruction.
        g.set(3, DATA as u32);
        fault_at(
            &mut g,
            TEXT + 16,
            bad(RODATA + 4, Access::Write, FaultKind::Protection),
        );
        assert_eq!(g.r(0), 11);
        g.set(4, DATA as u32);
        assert_eq!(g.cpu.run(), Exit::Trap { code: 1, info: 111 });
        assert_eq!(g.word(DATA + 4), 2);
        // Fetching: through a jump, and at the start.
        g.write(TEXT, &[addi(0, 0, 1), jr(3)]);
        g.set(3, HOLE as u32);
        g.cpu.set_pc(TEXT);
        fault_at(&mut g, HOLE, bad(HOLE, Access::Exec, FaultKind::Unmapped));
        fault_at(&mut g, HOLE, bad(HOLE, Access::Exec, FaultKind::Unmapped));
        assert_eq!(g.r(0), 112);
    });
}

#[test]
fn code_written_by_the_guest_is_translated_again() {
    each(|b| {
        let mut g = Guest::with(b);
        // A loop that changes the immediate of a function on another page before each call.
        g.write(
            TEXT,
            &[
                st(1, 2, 0),
                call(0x4000 - 1),
                addi(1, 1, 1),
                addi(0, 0, -1),
                bnz(0, -4),
                trap(1, 3),
            ],
        );
        g.write(TEXT2, &[addi(3, 3, 0), ret()]);
        g.set(0, 50);
        g.set(1, addi(3, 3, 1));
        g.set(2, TEXT2 as u32);
        assert_eq!(g.run_to(TEXT, 1), (1..=50).sum::<u64>());
        let s = g.engine.stats();
        // At first by write protection, then by verification at entry.
        assert_eq!(s.code_write_faults, 8, "{s:?}");
        assert!(s.verify_misses >= 41, "{s:?}");
    });
}

#[test]
fn block_that_changes_its_own_next_instruction_sees_it() {
    each(|b| {
        let mut g = Guest::with(b);
        g.write(
            TEXT,
            &[
                addi(4, 4, 1),
                st(1, 2, 0),
                addi(3, 3, 1),
                addi(4, 4, 1),
                trap(1, 3),
            ],
        );
        g.set(1, addi(3, 3, 500));
        g.set(2, TEXT as u32 + 8);
        assert_eq!(g.run_to(TEXT, 1), 500);
        assert_eq!(g.r(4), 2);
        // The same again, now that the page is known: back to 7.
        g.set(1, addi(3, 3, 7));
        assert_eq!(g.run_to(TEXT, 1), 507);
        assert_eq!(g.r(4), 4);
    });
}

#[test]
fn data_beside_code_stays_correct() {
    each(|b| {
        let mut g = Guest::with(b);
        // A counter in the code's own page.
        g.write(
            TEXT,
            &[
                ld(1, 2, 0),
                addi(1, 1, 1),
                st(1, 2, 0),
                addi(0, 0, -1),
                bnz(0, -4),
                trap(1, 1),
            ],
        );
        g.set(0, 200);
        g.set(2, TEXT as u32 + 0x800);
        assert_eq!(g.run_to(TEXT, 1), 200);
        // After a few faults the page is left writable and its blocks check themselves.
        let s = g.engine.stats();
        assert!(s.code_write_faults <= 10, "{s:?}");
        assert!(!g.memory.is_protected(TEXT));
        // The checks see a change by the host, a change by another block, and one just ahead.
        g.write(TEXT + 4, &[addi(1, 1, 3)]);
        g.set(0, 10);
        assert_eq!(g.run_to(TEXT, 1), 230);
        let ahead = [
            addi(4, 4, 1),
            st(1, 2, 0),
            addi(3, 3, 1),
            addi(4, 4, 1),
            trap(1, 3),
        ];
        g.write(TEXT + 0x100, &ahead);
        for k in 1..20 {
            g.set(1, addi(3, 3, k));
            g.set(2, TEXT as u32 + 0x108);
            g.set(3, 0);
            assert_eq!(g.run_to(TEXT + 0x100, 1), k as u64);
        }
        let t = g.engine.stats();
        assert_eq!(s.code_write_faults, t.code_write_faults);
        assert!(t.verify_misses >= 19, "{t:?}");
        // A new mapping starts afresh.
        g.engine.invalidate(GuestVa(TEXT), 0x1000);
        assert_eq!(g.run_to(TEXT + 0x100, 1), 38);
        assert!(g.memory.is_protected(TEXT));
    });
}

#[test]
fn faults_in_verified_blocks_are_precise() {
    each(|b| {
        let mut g = Guest::with(b);
        // The counter loop makes the page a verified one; then the same page holds a faulting load.
        g.write(
            TEXT,
            &[
                ld(1, 2, 0),
                addi(1, 1, 1),
                st(1, 2, 0),
                addi(0, 0, -1),
                bnz(0, -4),
                trap(1, 1),
            ],
        );
        g.set(0, 50);
        g.set(2, TEXT as u32 + 0x800);
        assert_eq!(g.run_to(TEXT, 1), 50);
        g.write(
            TEXT + 0x200,
            &[addi(3, 3, 5), ld(4, 5, 0), addi(3, 3, 5), trap(1, 3)],
        );
        g.set(5, HOLE as u32);
        g.cpu.set_pc(TEXT + 0x200);
        let fault = MemFault {
            va: GuestVa(HOLE),
            access: Access::Read,
            kind: FaultKind::Unmapped,
        };
        fault_at(&mut g, TEXT + 0x204, fault);
        assert_eq!(g.r(3), 5);
        assert!(!g.memory.is_protected(TEXT));
    });
}

#[test]
fn invalidation_reaches_linked_blocks() {
    each_call(|b, call| {
        let mut g = Guest::with(b);
        g.write(TEXT, &[call, addi(0, 0, -1), bnz(0, -2), trap(1, 3)]);
        g.write(TEXT2, &[addi(3, 3, 1), ret()]);
        g.set(5, TEXT2 as u32);
        for k in 1..=5 {
            g.set(0, 10);
            g.set(3, 0);
            assert_eq!(g.run_to(TEXT, 1), 10 * k);
            // The host writes the code, as a system call would: the front end says so first.
            let page = GuestVa(TEXT2);
            g.engine.invalidate(page, 4);
            g.write(TEXT2, &[addi(3, 3, k as i32 + 1)]);
        }
        assert!(g.engine.stats().invalidated >= 5);
    });
}

/// Runs a guest loop that never ends in another thread and interrupts it `times` times.
fn interrupt(mut g: Guest, times: u32) {
    struct Flag(*const std::sync::atomic::AtomicU32);
    // SAFETY: the flag is atomic and the virtual CPU outlives the thread that sets it.
    unsafe impl Send for Flag {}
    let flag = Flag(g.cpu.interrupt_flag());
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let setter = std::thread::spawn(move || {
        let flag = flag;
        while !stopped.load(Ordering::SeqCst) {
            // SAFETY: as above.
            unsafe { (*flag.0).store(1, Ordering::SeqCst) };
            std::thread::sleep(Duration::from_micros(300));
        }
    });
    let start = Instant::now();
    for _ in 0..times {
        assert_eq!(g.cpu.run(), Exit::Interrupt);
    }
    assert!(start.elapsed() < Duration::from_secs(20));
    stop.store(true, Ordering::SeqCst);
    setter.join().unwrap();
}

#[test]
fn interrupt_ends_every_kind_of_loop() {
    each(|b| {
        let tight = [jmp(0)];
        let branch = [addi(0, 0, 2), bnz(0, -1), jmp(-2)];
        let inline_cache = [addi(1, 1, 1), jr(5)];
        let table = [addi(1, 1, 1), jt(5)];
        let calls = [call(2), jmp(-1), addi(1, 1, 1), ret()];
        // Mutual recursion that never returns.
        let recursion = [call(1), call(-1)];
        for code in [
            &tight[..],
            &branch,
            &inline_cache,
            &table,
            &calls,
            &recursion,
        ] {
            let mut g = Guest::with(b);
            g.write(TEXT, code);
            g.set(5, TEXT as u32);
            interrupt(g, 30);
        }
    });
}

#[test]
fn interrupt_set_before_the_run_is_seen_at_once() {
    each(|b| {
        let mut g = Guest::with(b);
        g.write(TEXT, &[addi(0, 0, 1), trap(1, 0)]);
        // SAFETY: the virtual CPU lives.
        unsafe { (*g.cpu.interrupt_flag()).store(7, Ordering::SeqCst) };
        assert_eq!(g.cpu.run(), Exit::Interrupt);
        assert_eq!((g.r(0), g.cpu.pc()), (0, TEXT));
        assert_eq!(g.cpu.run(), Exit::Trap { code: 1, info: 1 });
    });
}

#[test]
fn threads_share_translations() {
    each(|b| {
        let g = Guest::with(b);
        g.write(TEXT, &[call(2), trap(1, 0)]);
        g.write(TEXT + 8, &fib());
        g.engine.set_parallel();
        let threads: Vec<_> = (0..4u32)
            .map(|k| {
                let mut cpu = g.cpu.fork_state().unwrap();
                std::thread::spawn(move || {
                    prepare_thread();
                    for n in 0..20 {
                        let s = cpu.state_mut::<Regs>();
                        s.r[0] = 12;
                        s.r[6] = STACK as u32 - k * 0x1_0000 / 4;
                        cpu.set_pc(TEXT);
                        assert_eq!(cpu.run(), Exit::Trap { code: 1, info: 144 }, "run {n}");
                    }
                })
            })
            .collect();
        for t in threads {
            t.join().unwrap();
        }
        // All of fib's blocks once each, whoever made them.
        let s = g.engine.stats();
        assert!(s.blocks <= 16, "{s:?}");
        assert_eq!(s.exits_trap, 80);
    });
}

#[test]
fn full_buffer_is_flushed_while_others_run() {
    each(|b| {
        let g = Guest::new(EngineConfig {
            code_bytes: 64 << 10,
            ..config(b)
        });
        // 4,000 functions of three instructions, called in turn: more than fits.
        let n = 0x1_0000 / 16 - 4;
        let mut code = Vec::new();
        for k in 0..n {
            code.extend([addi(3, 3, 1), addi(3, 3, k & 1), jmp(2), 0]);
        }
        code.push(ret());
        g.write(TEXT2 - 0x1_0000 + 64, &code);
        g.write(TEXT, &[call(16), addi(0, 0, -1), bnz(0, -2), trap(1, 3)]);
        g.engine.set_parallel();
        let run = |mut cpu: Vcpu| {
            prepare_thread();
            cpu.state_mut::<Regs>().r[0] = 5;
            cpu.set_pc(TEXT);
            let want = 5 * (n + n / 2) as u64;
            assert_eq!(
                cpu.run(),
                Exit::Trap {
                    code: 1,
                    info: want
                }
            );
        };
        std::thread::scope(|s| {
            for _ in 0..3 {
                let cpu = g.cpu.fork_state().unwrap();
                s.spawn(move || run(cpu));
            }
        });
        let s = g.engine.stats();
        assert!(s.flushes >= 3, "{s:?}");
    });
}

#[test]
fn threads_survive_code_that_changes_under_them() {
    each_call(|b, call| {
        let mut g = Guest::with(b);
        g.engine.set_parallel();
        g.write(TEXT, &[call, addi(0, 0, -1), bnz(0, -2), trap(1, 3)]);
        g.write(TEXT2, &[addi(3, 3, 1), ret()]);
        g.set(5, TEXT2 as u32);
        let stop = AtomicBool::new(false);
        let (mem, engine, stop) = (g.memory.mem, &g.engine, &stop);
        std::thread::scope(|s| {
            let runs: Vec<_> = (0..2)
                .map(|_| {
                    let mut cpu = g.cpu.fork_state().unwrap();
                    s.spawn(move || {
                        prepare_thread();
                        while !stop.load(Ordering::SeqCst) {
                            let r = &mut cpu.state_mut::<Regs>().r;
                            (r[0], r[3]) = (100, 0);
                            cpu.set_pc(TEXT);
                            let Exit::Trap { code: 1, info } = cpu.run() else {
                                panic!("{:#x}", cpu.pc())
                            };
                            assert!((100..=200).contains(&info), "{info}");
                        }
                    })
                })
                .collect();
            s.spawn(move || {
                prepare_thread();
                // Often enough that the others have met it, whenever they get a CPU.
                let end = Instant::now() + Duration::from_secs(60);
                let met = || {
                    let s = engine.stats();
                    s.code_write_faults > 10 && s.verify_misses > 10
                };
                for k in 0.. {
                    if k >= 400 && (met() || Instant::now() > end) {
                        break;
                    }
                    // An ordinary write by the host: faults on the protected page, in the accessor.
                    let insn = addi(3, 3, 1 + (k & 1));
                    if k % 32 == 0 {
                        // Back to write protection.
                        engine.invalidate(GuestVa(TEXT2), 4);
                    }
                    mem.store_u32(GuestVa(TEXT2), Endian::Little, insn).unwrap();
                    std::thread::sleep(Duration::from_micros(50));
                }
                stop.store(true, Ordering::SeqCst);
            });
            for r in runs {
                r.join().unwrap();
            }
        });
        let s = g.engine.stats();
        assert!(s.code_write_faults > 10 && s.verify_misses > 10, "{s:?}");
    });
}

#[test]
fn fork_child_goes_on_alone() {
    each(|b| {
        let mut g = Guest::with(b);
        g.write(TEXT, &[call(2), trap(1, 0)]);
        g.write(TEXT + 8, &fib());
        g.set(0, 10);
        assert_eq!(g.run_to(TEXT, 1), 55);
        g.engine.before_fork();
        // SAFETY: the child runs the guest, and ends by _exit.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            g.engine.after_fork_child();
            g.set(0, 11);
            g.cpu.set_pc(TEXT);
            let ok = g.cpu.run() == Exit::Trap { code: 1, info: 89 };
            g.engine.flush();
            g.set(0, 9);
            g.cpu.set_pc(TEXT);
            let ok = ok && g.cpu.run() == Exit::Trap { code: 1, info: 34 };
            // SAFETY: ends the child.
            unsafe { libc::_exit(i32::from(!ok)) };
        }
        g.engine.after_fork_parent();
        let mut status = -1;
        // SAFETY: waits for our own child.
        assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
        assert_eq!(status, 0);
        g.set(0, 12);
        assert_eq!(g.run_to(TEXT, 1), 144);
    });
}
