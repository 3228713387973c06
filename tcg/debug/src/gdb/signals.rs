//! gdb's numbers of signals. [GDB include/gdb/signals.def, as gdbstub has it]

/// gdb's numbers of Linux signals 1 to 31, in Linux's order; 0 for the one that gdb does not know.
const TO_GDB: [u8; 31] = [
    1, 2, 3, 4, 5, 6, 10, 8, 9, 30, 11, 31, 13, 14, 15, 0, 20, 19, 17, 18, 21, 22, 16, 24, 25, 26,
    27, 28, 23, 32, 12,
];

/// gdb's number of the first real-time signal that it counts from, 33.
const REALTIME_33: u8 = 45;
/// Those that it added later.
const REALTIME_32: u8 = 77;
const REALTIME_64: u8 = 78;
/// "Unknown signal".
const UNKNOWN: u8 = 143;

/// gdb's number of a Linux signal.
pub(super) fn to_gdb(sig: i32) -> u8 {
    match sig {
        1..=31 => match TO_GDB.get(sig as usize - 1) {
            Some(0) | None => UNKNOWN,
            Some(n) => *n,
        },
        32 => REALTIME_32,
        33..=63 => REALTIME_33 + (sig - 33) as u8,
        64 => REALTIME_64,
        _ => UNKNOWN,
    }
}

/// The Linux signal for gdb's number; none for 0 and for those that Linux does not have.
pub(super) fn from_gdb(number: u8) -> Option<i32> {
    (1..=64).find(|sig| number != UNKNOWN && to_gdb(*sig) == number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gdbstub::common::Signal;

    #[test]
    fn numbers_agree_with_the_protocol() {
        for (linux, gdb) in [
            (7, Signal::SIGBUS),
            (10, Signal::SIGUSR1),
            (12, Signal::SIGUSR2),
            (17, Signal::SIGCHLD),
            (20, Signal::SIGTSTP),
            (29, Signal::SIGIO),
            (31, Signal::SIGSYS),
            (34, Signal::SIG34),
            (63, Signal::SIG63),
        ] {
            assert_eq!(to_gdb(linux), gdb.0);
        }
        let there = (1..=64).filter(|s| from_gdb(to_gdb(*s)) == Some(*s));
        assert_eq!(there.count(), 63);
        assert_eq!((from_gdb(0), from_gdb(UNKNOWN)), (None, None));
    }
}
