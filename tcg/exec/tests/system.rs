//! System mode of the engine on a tiny machine: address translation, devices, code that changes, several CPUs; everything with
//! generated code and with the interpreter.

mod machine;

use machine::toy::{self, *};
use machine::*;
use std::sync::atomic::Ordering;
use tcg_exec::{Backend, EngineConfig, Event, Exit};
use tcg_mem::{Access, PAGE, RamWatch};
use tcg_target::TLB_ENTRIES;
use tcg_target::system::BUS_ERROR;

fn each(test: impl Fn(Machine)) {
    for backend in toy::BACKENDS {
        println!("{backend:?}");
        test(Machine::new(*backend));
    }
    println!("full");
    // Blocks in full from the start.
    test(Machine::with(EngineConfig {
        brief_runs: 0,
        code_bytes: 4 << 20,
        ..EngineConfig::default()
    }));
}

/// Code at physical and virtual address 0x1000; data page at virtual 0x8000, physical 0x9000.
const CODE: u64 = 0x1000;
const DATA: u64 = 0x8000;
const DATA_PA: u64 = 0x9000;

fn with_data(m: &Machine) {
    m.isa.map(CODE, CODE, false);
    m.isa.map(DATA, DATA_PA, true);
}

#[test]
fn loads_and_stores_go_through_the_mmu() {
    each(|mut m| {
        with_data(&m);
        m.bus.put(DATA_PA, &[0x1111, 0x2222]);
        m.bus.put(
            CODE,
            &[ld(1, 2, 0), ld(3, 2, 4), add(1, 3), st(1, 2, 8), trap(7, 1)],
        );
        m.set(2, DATA as u32);
        assert_eq!(m.run_to(CODE, 7), 0x3333);
        assert_eq!(m.bus.word(DATA_PA + 8), 0x3333);
        // Everything again, with entries: no further walk.
        let walks = m.isa.walks.load(Ordering::Relaxed);
        assert_eq!(m.run_to(CODE, 7), 0x3333);
        assert_eq!(m.isa.walks.load(Ordering::Relaxed), walks);
    });
}

#[test]
fn what_is_flushed_is_walked_again() {
    each(|mut m| {
        with_data(&m);
        m.bus.put(DATA_PA, &[1]);
        m.bus.put(DATA_PA + PAGE, &[2]);
        m.bus.put(
            CODE,
            &[
                ld(1, 2, 0),
                trap(TODO as i32, 0),
                ld(3, 2, 0),
                trap(FLUSH_PAGE as i32, 2),
                ld(4, 2, 0),
                trap(7, 4),
            ],
        );
        m.set(2, DATA as u32);
        let moved = Map {
            pa: DATA_PA + PAGE,
            write: true,
            swap: false,
            bytes: PAGE,
        };
        m.isa.todo.lock().unwrap().push(((0, DATA), Some(moved)));
        assert_eq!(m.run_to(CODE, 7), 2);
        // In between the old entry was still good.
        assert_eq!((m.r(1), m.r(3)), (1, 1));
    });
}

#[test]
fn another_address_space_is_another_place_and_the_first_one_is_kept() {
    each(|mut m| {
        with_data(&m);
        let next = CODE + PAGE;
        // In the other space the data and the second page of code are elsewhere.
        for (key, pa) in [
            ((0, next), next),
            ((2, CODE), CODE),
            ((2, next), next + PAGE),
            ((2, DATA), DATA_PA + PAGE),
        ] {
            let map = Map {
                pa,
                write: true,
                swap: false,
                bytes: PAGE,
            };
            m.isa.maps.lock().unwrap().insert(key, map);
        }
        m.bus.put(DATA_PA, &[1]);
        m.bus.put(DATA_PA + PAGE, &[10]);
        m.bus.put(next, &[add(4, 1), ret()]);
        m.bus.put(next + PAGE, &[add(4, 1), add(4, 1), ret()]);
        let turn = |to| [ld(1, 2, 0), callr(6), trap(SWITCH as i32, to)];
        let mut code = [turn(5), turn(0), turn(5), turn(0)].concat();
        code.push(trap(7, 4));
        m.bus.put(CODE, &code);
        m.set(2, DATA as u32);
        m.set(5, 1);
        m.set(6, next as u32);
        assert_eq!(m.run_to(CODE, 7), 1 + 20 + 1 + 20);
        // Three pages in each.
        assert_eq!(m.isa.walks.load(Ordering::Relaxed), 6);
    });
}

#[test]
fn pages_that_share_a_place_are_both_quick() {
    each(|mut m| {
        with_data(&m);
        let far = DATA + TLB_ENTRIES as u64 * PAGE;
        m.isa.map(far, DATA_PA + PAGE, true);
        m.bus.put(
            CODE,
            &[
                ld(1, 2, 0),
                st(1, 3, 4),
                ld(4, 3, 4),
                addi(4, 4, 3),
                st(4, 2, 0),
                addi(6, 6, -1),
                bnz(6, -6),
                trap(7, 4),
            ],
        );
        m.set(2, DATA as u32);
        m.set(3, far as u32);
        m.set(6, 2000);
        assert_eq!(m.run_to(CODE, 7), 6000);
        assert_eq!(m.bus.word(DATA_PA + PAGE + 4), 5997);
        assert!(m.cpu.stats().slow_accesses < 400);
    });
}

#[test]
fn devices_see_every_access_once() {
    each(|mut m| {
        with_data(&m);
        m.isa.map(0xf000, IO, true);
        m.set(2, 0xf000);
        m.set(1, 0xabcd_1234);
        m.bus.put(
            CODE,
            &[st(1, 2, 0x10), ld(3, 2, 0x20), ld(4, 2, 0x20), trap(7, 3)],
        );
        assert_eq!(m.run_to(CODE, 7), 0x4433_2211 ^ 0x20);
        let value = 0x8877_6655_4433_2211 ^ 0x20;
        assert_eq!(
            *m.bus.log.lock().unwrap(),
            [
                (true, IO + 0x10, 4, 0xabcd_1234),
                (false, IO + 0x20, 4, value),
                (false, IO + 0x20, 4, value)
            ]
        );
    });
}

#[test]
fn rom_is_read_directly_and_written_through_the_bus() {
    each(|mut m| {
        with_data(&m);
        m.bus.put(ROM, &[0x77]);
        m.isa.map(0xe000, ROM, true);
        m.set(2, 0xe000);
        m.bus
            .put(CODE, &[ld(1, 2, 0), st(2, 2, 0), ld(3, 2, 0), trap(7, 3)]);
        assert_eq!(m.run_to(CODE, 7), 0x77);
        assert_eq!(*m.bus.log.lock().unwrap(), [(true, ROM, 4, 0xe000)]);
    });
}

#[test]
fn accesses_across_pages_take_both() {
    each(|mut m| {
        with_data(&m);
        m.isa.map(DATA + PAGE, DATA_PA + 4 * PAGE, true);
        m.set(1, 0x4433_2211);
        m.set(2, (DATA + PAGE - 2) as u32);
        m.bus.put(
            CODE,
            &[
                st(1, 2, 0),
                ld(3, 2, 0),
                st(1, 2, -2),
                ld(4, 2, -1),
                trap(7, 3),
            ],
        );
        assert_eq!(m.run_to(CODE, 7), 0x4433_2211);
        assert_eq!(m.bus.word(DATA_PA + PAGE - 4), 0x4433_2211);
        assert_eq!(m.bus.word(DATA_PA + 4 * PAGE), 0x4433);
        assert_eq!(m.r(4), 0x3344_3322);
        // The second page refuses: nothing is written.
        m.isa.map(DATA + PAGE, DATA_PA + 4 * PAGE, false);
        m.cpu.flush_tlb();
        m.set(1, 0);
        match m.run(CODE) {
            Seen::Fault { pc, fault, .. } => {
                assert_eq!((pc, fault.code, fault.va), (CODE, FORBIDDEN, DATA + PAGE));
                assert_eq!(fault.access, Access::Write);
            }
            other => panic!("{other:x?}"),
        }
        assert_eq!(m.bus.word(DATA_PA + PAGE - 4), 0x4433_2211);
    });
}

#[test]
fn pages_of_the_other_byte_order_swap() {
    each(|mut m| {
        with_data(&m);
        let swapped = Map {
            pa: DATA_PA,
            write: true,
            swap: true,
            bytes: PAGE,
        };
        m.isa.maps.lock().unwrap().insert((0, 0xd000), swapped);
        m.set(1, 0x1122_3344);
        m.set(2, 0xd000);
        m.bus.put(CODE, &[st(1, 2, 0), ld(3, 2, 0), trap(7, 3)]);
        assert_eq!(m.run_to(CODE, 7), 0x1122_3344);
        assert_eq!(m.bus.word(DATA_PA), 0x4433_2211);
    });
}

#[test]
fn faults_are_precise_and_the_handler_goes_on() {
    each(|mut m| {
        with_data(&m);
        m.set(2, DATA as u32);
        m.set(3, 0x5_5000);
        let code = [
            addi(1, 1, 1),
            st(1, 2, 0),
            addi(1, 1, 1),
            ld(4, 3, 4),
            addi(1, 1, 1),
            trap(7, 1),
        ];
        m.bus.put(CODE, &code);
        m.bus.put(CODE + 0x800, &[addi(5, 5, 1), trap(8, 5)]);
        m.isa.vector.store(CODE + 0x800, Ordering::Relaxed);
        assert_eq!(m.run_to(CODE, 8), 1);
        let seen = m.isa.seen.lock().unwrap().clone();
        match &seen[0] {
            Seen::Fault { pc, fault, regs } => {
                assert_eq!((*pc, fault.va, fault.code), (CODE + 12, 0x5_5004, MISS));
                assert_eq!((regs[1], regs[4]), (2, 0));
            }
            other => panic!("{other:x?}"),
        }
        assert_eq!(m.bus.word(DATA_PA), 1);
    });
}

#[test]
fn nobody_at_an_address_is_a_bus_error() {
    each(|mut m| {
        with_data(&m);
        m.isa.map(0xc000, NOBODY, true);
        m.set(2, 0xc000);
        m.bus.put(CODE, &[st(1, 2, 8), trap(7, 1)]);
        match m.run(CODE) {
            Seen::Fault { fault, .. } => assert_eq!(
                (fault.code, fault.info, fault.va),
                (BUS_ERROR, NOBODY + 8, 0xc008)
            ),
            other => panic!("{other:x?}"),
        }
        // And so is code there.
        match m.run(0xc000) {
            Seen::Fault { fault, .. } => {
                assert_eq!((fault.code, fault.access), (BUS_ERROR, Access::Exec))
            }
            other => panic!("{other:x?}"),
        }
    });
}

#[test]
fn code_in_a_device_runs_one_by_one() {
    each(|mut m| {
        // What the device answers is no instruction: the trap of an unknown one.
        m.isa.map(0xf000, IO, true);
        match m.run(0xf000) {
            Seen::Trap { code, .. } => assert_eq!(code, 999),
            other => panic!("{other:x?}"),
        }
        assert_eq!(m.bus.log.lock().unwrap().len(), 1);
    });
}

#[test]
fn code_written_through_another_address_is_seen() {
    each(|mut m| {
        with_data(&m);
        m.isa.map(0x2_0000, ALIAS + CODE, true);
        // Write the instruction in r1 over the one behind, by the alias.
        m.bus.put(CODE, &[st(1, 2, 0x100), jmp(63)]);
        m.bus.put(CODE + 0x100, &[addi(3, 3, 1), trap(7, 3)]);
        m.set(2, 0x2_0000);
        m.set(1, addi(3, 3, 1));
        for round in 1..20 {
            assert_eq!(m.run_to(CODE, 7), round);
        }
        m.set(1, addi(3, 3, 100));
        assert_eq!(m.run_to(CODE, 7), 119);
        assert!(m.engine.stats().invalidated > 0);
        // Data in the same page does not cost the translation.
        m.bus.put(CODE, &[st(1, 2, 0x200), jmp(63)]);
        m.engine.ram_written(m.bus.host(CODE), 8);
        m.run_to(CODE, 7);
        let before = m.engine.stats().invalidated;
        m.run_to(CODE, 7);
        m.run_to(CODE, 7);
        assert_eq!(m.engine.stats().invalidated, before);
    });
}

#[test]
fn a_block_that_changes_itself_stops_there() {
    each(|mut m| {
        m.isa.map(CODE, CODE, true);
        m.set(2, CODE as u32);
        m.set(1, addi(3, 3, 50));
        for _ in 0..12 {
            m.bus.put(
                CODE,
                &[addi(4, 4, 0), st(1, 2, 8), addi(3, 3, 1), trap(7, 3)],
            );
            m.engine.ram_written(m.bus.host(CODE), 16);
            m.set(3, 0);
            assert_eq!(m.run_to(CODE, 7), 50);
        }
    });
}

#[test]
fn dma_is_noticed() {
    each(|mut m| {
        with_data(&m);
        m.bus.put(CODE, &[addi(3, 3, 1), trap(7, 3)]);
        for round in 1..12 {
            assert_eq!(m.run_to(CODE, 7), round);
        }
        m.bus.put(CODE, &[addi(3, 3, 9), trap(7, 3)]);
        m.engine.ram_written(m.bus.host(CODE) - 100, 200);
        assert_eq!(m.run_to(CODE, 7), 20);
    });
}

#[test]
fn another_address_space_keeps_translations() {
    each(|mut m| {
        m.isa.map(CODE, CODE, false);
        // Two tasks with the same addresses; a call across pages and back.
        let user = 0x2_0000;
        let code = |k| [addi(3, 3, k), ret()];
        m.bus.put(0x2000, &code(1));
        m.bus.put(0x3000, &code(10));
        m.bus.put(
            CODE,
            &[lui(1, 2), callr(1), addi(5, 5, -1), bnz(5, -3), trap(7, 3)],
        );
        let maps = [0x2000, 0x3000];
        let mut sum = 0;
        for round in 0..200 {
            m.isa.map(user, maps[round % 2], false);
            m.cpu.flush_tlb();
            m.set(5, 30);
            sum += 30 * [1, 10][round % 2];
            assert_eq!(m.run_to(CODE, 7), sum);
        }
        let blocks = m.engine.stats().blocks;
        for round in 0..20 {
            m.isa.map(user, maps[round % 2], false);
            m.cpu.flush_tlb();
            m.set(5, 30);
            m.run_to(CODE, 7);
        }
        assert_eq!(m.engine.stats().blocks, blocks);
    });
}

#[test]
fn jumps_within_and_across_pages_follow_remapping() {
    each(|mut m| {
        m.isa.map(CODE, CODE, false);
        m.isa.map(CODE + PAGE, 0x5000, false);
        m.bus.put(CODE + PAGE - 8, &[addi(3, 3, 1), jmp(1)]);
        m.bus.put(0x5000, &[addi(3, 3, 10), trap(7, 3)]);
        m.bus.put(0x6000, &[addi(3, 3, 100), trap(7, 3)]);
        for k in 1..12 {
            assert_eq!(m.run_to(CODE + PAGE - 8, 7), 11 * k);
        }
        m.isa.map(CODE + PAGE, 0x6000, false);
        m.cpu
            .with_system(|_, cpu| cpu.host.flush_tlb_page(CODE + PAGE))
            .unwrap();
        m.set(3, 0);
        assert_eq!(m.run_to(CODE + PAGE - 8, 7), 101);
    });
}

#[test]
fn a_changed_memory_map_is_followed_at_once() {
    each(|mut m| {
        with_data(&m);
        m.isa.map(0xf000, IO, true);
        m.isa.map(0xb000, ALIAS + DATA_PA, true);
        m.bus.put(DATA_PA, &[5]);
        m.set(2, 0xb000);
        m.set(1, 0xf000);
        m.set(4, 0x50_0000);
        m.bus.put(
            CODE,
            &[ld(3, 2, 0), st(4, 1, 0xff0), ld(5, 2, 0), trap(7, 5)],
        );
        match m.run(CODE) {
            Seen::Fault { pc, fault, .. } => assert_eq!((pc, fault.code), (CODE + 8, BUS_ERROR)),
            other => panic!("{other:x?}"),
        }
        assert_eq!(m.r(3), 5);
    });
}

#[test]
fn interrupts_are_taken_in_loops_and_halts_end_the_run() {
    each(|mut m| {
        m.isa.map(CODE, CODE, false);
        m.bus.put(CODE, &[addi(3, 3, 1), jmp(-1)]);
        m.bus.put(CODE + 0x100, &[trap(HALT as i32, 0), trap(7, 3)]);
        m.isa.vector.store(CODE + 0x100, Ordering::Relaxed);
        m.cpu.set_pc(CODE);
        let flag = m.cpu.interrupt_flag() as usize;
        let socket = std::sync::Arc::clone(&m.socket);
        let kicker = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(20));
            socket.lines.store(1, Ordering::SeqCst);
            // SAFETY: the virtual CPU lives until the thread is joined.
            let flag = unsafe { &*(flag as *const std::sync::atomic::AtomicU32) };
            flag.store(1, Ordering::SeqCst);
        });
        assert_eq!(m.cpu.run(), Exit::Interrupt);
        kicker.join().unwrap();
        assert!(m.r(3) > 10);
        assert_eq!(m.cpu.run(), Exit::Machine(Event::Halt));
        assert!(matches!(
            m.isa.seen.lock().unwrap()[0],
            Seen::Interrupt { .. }
        ));
        assert_eq!(m.cpu.pc(), CODE + 0x104);
    });
}

#[test]
fn mmu_indexes_are_kept_apart() {
    each(|mut m| {
        m.isa.map(CODE, CODE, false);
        m.isa.map(DATA, DATA_PA, true);
        let mut maps = m.isa.maps.lock().unwrap();
        maps.get_mut(&(1, DATA)).unwrap().pa = DATA_PA + PAGE;
        drop(maps);
        m.bus.put(DATA_PA, &[1]);
        m.bus.put(DATA_PA + PAGE, &[2]);
        m.set(2, DATA as u32);
        m.bus.put(
            CODE,
            &[
                ld(1, 2, 0),
                set_mode(1),
                ld(3, 2, 0),
                set_mode(0),
                ld(4, 2, 0),
                trap(7, 3),
            ],
        );
        for _ in 0..12 {
            assert_eq!(m.run_to(CODE, 7), 2);
            assert_eq!((m.r(1), m.r(4)), (1, 1));
        }
    });
}

#[test]
fn other_cpus_flush_before_the_next_block() {
    for backend in toy::BACKENDS {
        let mut m = Machine::new(*backend);
        m.engine.set_parallel();
        with_data(&m);
        m.isa.map(CODE + PAGE, CODE + PAGE, false);
        m.bus.put(DATA_PA, &[0]);
        // The other CPU looks at the data page until it is not 0: it sees the new page when its TLB is flushed.
        m.bus
            .put(CODE, &[ld(1, 2, 0), bnz(1, 2), jmp(-2), trap(7, 1)]);
        m.bus.put(DATA_PA + PAGE, &[5]);
        let mut other = m.another(1);
        other.set_pc(CODE);
        other.state_mut::<Regs>().r[2] = DATA as u32;
        let thread = std::thread::spawn(move || {
            loop {
                match other.run() {
                    Exit::Interrupt => {}
                    exit => break exit,
                }
            }
        });
        std::thread::sleep(std::time::Duration::from_millis(30));
        m.isa.map(DATA, DATA_PA + PAGE, true);
        std::thread::sleep(std::time::Duration::from_millis(10));
        assert!(!thread.is_finished());
        m.bus
            .put(CODE + PAGE, &[trap(FLUSH_OTHERS as i32, 0), trap(8, 0)]);
        m.run(CODE + PAGE);
        assert_eq!(thread.join().unwrap(), Exit::Machine(Event::Shutdown));
    }
}

/// Random code and memory on both backends: the same faults with the same registers, the same memory at the end.
#[test]
fn random_programs_end_alike() {
    let mut seed = 0x1234_5678_9abc_def1u64;
    let mut rand = move |n: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed >> 11) % n
    };
    for _ in 0..150 {
        let words: Vec<u32> = (0..2048).map(|_| random_insn(&mut rand)).collect();
        let values: Vec<u32> = (0..8)
            .map(|_| (rand(14) * PAGE + rand(PAGE)) as u32)
            .collect();
        let ends: Vec<_> = toy::BACKENDS
            .iter()
            .map(|b| {
                let mut m = Machine::with(EngineConfig {
                    backend: *b,
                    brief_runs: 0,
                    code_bytes: 4 << 20,
                    ..EngineConfig::default()
                });
                // Code is writable at another address; some pages are read-only, devices or nothing at all.
                for (page, pa, write) in [
                    (1, 0x1000, false),
                    (2, 0x2000, false),
                    (3, 0x8000, true),
                    (4, 0x9000, true),
                    (5, 0x9000, true),
                    (6, ALIAS + 0x1000, true),
                    (7, IO, true),
                    (8, 0xa000, false),
                    (9, NOBODY, true),
                    (10, 0xb000, true),
                    (11, ROM, true),
                ] {
                    m.isa.map(page * PAGE, pa, write);
                }
                m.bus.put(0x1000, &words);
                m.isa.vector.store(0x1004, Ordering::Relaxed);
                for (k, v) in values.iter().enumerate() {
                    m.set(k, *v);
                }
                m.cpu.set_pc(0x1000);
                // Each fault goes on at the start; a bounded number of steps between two of them is not promised, so
                // the run is ended from outside by the number of faults and traps.
                for _ in 0..40 {
                    match m.cpu.run() {
                        Exit::Machine(Event::Shutdown) => {
                            m.cpu.set_pc(0x1000 + (u64::from(m.r(1)) & 0x7fc))
                        }
                        other => panic!("{other:?}"),
                    }
                    if m.faults() > 200 {
                        break;
                    }
                }
                let seen = m.isa.seen.lock().unwrap().clone();
                let log = m.bus.log.lock().unwrap().clone();
                (seen, log, m.bus.ram())
            })
            .collect();
        let n = ends[0]
            .0
            .iter()
            .zip(&ends[1].0)
            .take_while(|(a, b)| a == b)
            .count();
        assert_eq!(ends[0].0.get(n), ends[1].0.get(n), "event {n}");
        assert!(ends[0] == ends[1], "memory or devices differ");
    }
}

/// No backward branches, so that every program ends.
fn random_insn(rand: &mut dyn FnMut(u64) -> u64) -> u32 {
    let (a, b) = (rand(8) as u32, rand(8) as u32);
    let near = (rand(64) * 4) as i32 - 128 + i32::from(rand(8) == 0);
    match rand(16) {
        0..3 => ld(a, b, near),
        3..6 => st(a, b, near),
        6 | 7 => addi(a, b, near),
        8 => add(a, b),
        9 => xor(a, b),
        10 => bnz(a, 1 + rand(20) as i32),
        11 => jmp(1 + rand(30) as i32),
        12 => triple(a, b),
        13 => lui(a, rand(2) as i32),
        14 => addi(a, b, (rand(3) * PAGE) as i32),
        _ => trap(if rand(3) == 0 { FLUSH as i32 } else { 5 }, a),
    }
}

#[test]
fn backends_are_what_they_say() {
    let m = Machine::new(Backend::Jit);
    assert_eq!(m.engine.stats().blocks, 0);
}
