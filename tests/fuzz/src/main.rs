//! `emu-fuzz SECONDS [SEED]`: machines of every built-in board with every card that fits, and random accesses to all that
//! a guest can reach: registers, configuration space, base addresses, device control registers, virtqueues in memory, with
//! time passing, input coming in, resets and snapshots in between. No CPU runs. Nothing may panic or hang.
//!
//! It prints the round's seed at a failure, which repeats the round: `emu-fuzz 0 SEED`. Rounds run in processes of a
//! few, as a machine's parts hold each other and are never freed.
#![forbid(unsafe_code)]

mod backends;
mod machine;
mod queues;

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Random numbers (xorshift).
pub struct Dice(u64);

impl Dice {
    /// From a seed.
    pub fn new(seed: u64) -> Dice {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        (0..8).for_each(|_| _ = dice.word());
        dice
    }

    /// Any number.
    pub fn word(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Less than `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        (self.word() >> 8) % n.max(1)
    }

    /// A value that means something to a register: small, a bit, an address in memory, or anything.
    pub fn value(&mut self) -> u64 {
        match self.below(6) {
            0 => self.below(16),
            1 => 1 << self.below(32),
            2 => self.below(1 << 20) & !0xf,
            3 => u64::MAX,
            4 => self.below(0x10000),
            _ => self.word(),
        }
    }
}

/// Things done to a machine.
const ACTIONS: u64 = 20_000;
/// Machines of a process: each leaves some 30 MiB.
const BATCH: u64 = 25;

/// The seed of the current round, for the message.
static ROUND: AtomicU64 = AtomicU64::new(0);
/// What has been done so far.
static DONE: AtomicU64 = AtomicU64::new(0);

/// One machine and some thousand things done to it.
fn round(seed: u64) {
    ROUND.store(seed, Ordering::Relaxed);
    let mut dice = Dice::new(seed);
    let mut machine = machine::Machine::any(&mut dice);
    for _ in 0..ACTIONS {
        machine.act(&mut dice);
        DONE.fetch_add(1, Ordering::Relaxed);
    }
}

/// Ends the program if nothing happens for a minute.
fn watch() {
    let mut last = (0, Instant::now());
    loop {
        std::thread::sleep(Duration::from_secs(5));
        let done = DONE.load(Ordering::Relaxed);
        if done != last.0 {
            last = (done, Instant::now());
        } else if last.1.elapsed() > Duration::from_secs(60) {
            eprintln!("emu-fuzz: hangs, seed {}", ROUND.load(Ordering::Relaxed));
            std::process::exit(3);
        }
    }
}

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1).map(|w| w.parse::<u64>());
    let (Some(Ok(seconds)), seed) = (words.next(), words.next()) else {
        eprintln!("emu-fuzz SECONDS [SEED]");
        return ExitCode::from(2);
    };
    let rounds = words.next().and_then(Result::ok).unwrap_or(1);
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        hook(info);
        eprintln!("emu-fuzz: seed {}", ROUND.load(Ordering::Relaxed));
    }));
    let first = match seed {
        Some(Ok(seed)) => seed,
        _ => std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(1, |t| t.as_secs() << 20),
    };
    if seconds == 0 {
        // Not in the process that only waits for others.
        std::thread::spawn(watch);
        (first..first + rounds).for_each(round);
        return ExitCode::SUCCESS;
    }
    match storm(first, Duration::from_secs(seconds)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            eprintln!("emu-fuzz: {what}");
            ExitCode::FAILURE
        }
    }
}

/// Process after process, until the time is over or one fails.
fn storm(first: u64, span: Duration) -> Result<(), String> {
    let program = std::env::current_exe().map_err(|e| e.to_string())?;
    let start = Instant::now();
    let mut seed = first;
    while start.elapsed() < span {
        let words = ["0".to_owned(), seed.to_string(), BATCH.to_string()];
        let status = std::process::Command::new(&program).args(words).status();
        let status = status.map_err(|e| e.to_string())?;
        if !status.success() {
            return Err(format!("{status} (seeds from {seed} on)"));
        }
        seed += BATCH;
        println!(
            "{} s: {} machines (seeds {first} to {}), {} accesses and events, no panic, no hang",
            start.elapsed().as_secs(),
            seed - first,
            seed - 1,
            (seed - first) * ACTIONS,
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_few_machines_take_whatever_comes() {
        for seed in 1..=4 {
            super::round(seed);
        }
    }
}
