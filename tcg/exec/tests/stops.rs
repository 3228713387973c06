//! Breakpoints and watchpoints of the engine, on the toy instruction set.

mod toy;

use tcg_exec::{Exit, Watchpoint};
use tcg_mem::Access;
use toy::*;

/// 1000 rounds of r1 += 3, then trap 5.
fn counting() -> [u32; 5] {
    [
        addi(0, 0, 1000),
        addi(1, 1, 3),
        addi(0, 0, -1),
        bnz(0, -2),
        trap(5, 1),
    ]
}

#[test]
fn breakpoint_in_a_linked_loop_stops_before_its_instruction() {
    for b in BACKENDS {
        let mut g = Guest::with(*b);
        g.write(TEXT, &counting());
        assert_eq!(g.run_to(TEXT, 5), 3000);
        // The loop is translated and linked by now.
        g.engine.set_breakpoints(&[TEXT + 8]);
        g.set(1, 0);
        g.cpu.set_pc(TEXT);
        for round in 1..4 {
            assert_eq!(g.cpu.run(), Exit::Break);
            assert_eq!((g.cpu.pc(), g.r(1)), (TEXT + 8, 3 * round));
            // It stays there until it is stepped over.
            assert_eq!(g.cpu.run(), Exit::Break);
            assert_eq!(g.cpu.step(), Exit::Step);
            assert_eq!(g.cpu.pc(), TEXT + 12);
        }
        g.engine.set_breakpoints(&[]);
        assert!(matches!(g.cpu.run(), Exit::Trap { code: 5, .. }));
        assert_eq!(g.r(1), 3000);
    }
}

fn point(start: u64, read: bool, write: bool) -> Watchpoint {
    Watchpoint {
        start,
        len: 4,
        read,
        write,
    }
}

#[test]
fn watchpoint_stops_before_or_behind_the_access() {
    for b in BACKENDS {
        for before in [true, false] {
            let mut g = Guest::with(*b);
            // r2 = [r6 - 8]; [r6 - 8] = r1; the same at another place.
            let code = [
                addi(6, 6, -8),
                addi(1, 1, 7),
                st(1, 6, 4),
                ld(2, 6, 0),
                st(1, 6, 0),
                trap(5, 1),
            ];
            g.write(TEXT, &code);
            let at = STACK - 8;
            g.cpu.set_pc(TEXT);
            g.engine.set_watchpoints(&[point(at, false, true)], before);
            let Exit::Watch(hit) = g.cpu.run() else {
                panic!("no stop")
            };
            assert_eq!(
                (hit.point, hit.access),
                (point(at, false, true), Access::Write)
            );
            let behind = if before { TEXT + 16 } else { TEXT + 20 };
            assert_eq!(g.cpu.pc(), behind);
            let mut now = [0; 4];
            g.engine.mem().read(tcg_mem::GuestVa(at), &mut now).unwrap();
            assert_eq!(now, if before { [0; 4] } else { [7, 0, 0, 0] });
            assert!(!before || matches!(g.cpu.run(), Exit::Watch(_)));
            assert!(!before || g.cpu.step_through() == Exit::Step);
            assert!(matches!(g.cpu.run(), Exit::Trap { code: 5, .. }));
            // Loads, and none at all.
            g.set(6, STACK as u32);
            g.cpu.set_pc(TEXT);
            g.engine.set_watchpoints(&[point(at, true, false)], before);
            let Exit::Watch(hit) = g.cpu.run() else {
                panic!("no stop")
            };
            assert_eq!(hit.access, Access::Read);
            g.engine.set_watchpoints(&[], before);
            assert!(matches!(g.cpu.run(), Exit::Trap { code: 5, .. }));
        }
    }
}
