//! `-stats`: counters of the emulator, printed when the process ends. Without the option a thread pays one comparison for
//! each return from guest code.

use crate::task::Task;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tcg_exec::{Engine, Exit};

/// What a thread counts. Written by it alone.
#[derive(Default)]
pub struct ThreadCounters {
    system_calls: AtomicU64,
    signals: AtomicU64,
    run_ns: AtomicU64,
    serve_ns: AtomicU64,
}

/// The process's.
pub struct Stats {
    threads: Mutex<Vec<Arc<ThreadCounters>>>,
    started: Mutex<Instant>,
    out: File,
    printed: AtomicBool,
    /// Threads that have not ended.
    living: AtomicU64,
}

fn add(counter: &AtomicU64, n: u64) {
    counter.store(counter.load(Ordering::Relaxed) + n, Ordering::Relaxed);
}

impl Stats {
    /// Counts from now on, and prints to `out`.
    pub fn new(out: File) -> Stats {
        Stats {
            threads: Mutex::default(),
            started: Mutex::new(Instant::now()),
            out,
            printed: AtomicBool::new(false),
            living: AtomicU64::new(0),
        }
    }

    /// The counters of a new thread.
    pub fn thread(&self) -> Arc<ThreadCounters> {
        self.living.fetch_add(1, Ordering::Relaxed);
        let new = Arc::new(ThreadCounters::default());
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        threads.push(Arc::clone(&new));
        new
    }

    /// In the child of a fork: it counts for itself. Gives the counters of its thread.
    pub fn forked_child(&self) -> Arc<ThreadCounters> {
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        threads.clear();
        drop(threads);
        self.living.store(0, Ordering::Relaxed);
        *self.started.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.thread()
    }

    /// Prints, the first time.
    pub fn print(&self, engine: &Engine) {
        if self.printed.swap(true, Ordering::Relaxed) {
            return;
        }
        let wall = self
            .started
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .elapsed();
        let text = self.text(engine, wall.as_nanos() as u64);
        // There is nobody left to tell about a failure.
        let _ = (&self.out).write_all(text.as_bytes());
    }

    fn text(&self, engine: &Engine, wall_ns: u64) -> String {
        let s = engine.stats_of_all();
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = |pick: fn(&ThreadCounters) -> &AtomicU64| -> u64 {
            threads
                .iter()
                .map(|t| pick(t).load(Ordering::Relaxed))
                .sum()
        };
        let run_ns = sum(|t| &t.run_ns);
        let ms = |ns: u64| format!("{}.{:03} ms", ns / 1_000_000, ns / 1000 % 1000);
        let per = |a: u64, b: u64| format!("{:.1}", a as f64 / b.max(1) as f64);
        let rows: Vec<(&str, String)> = vec![
            ("time, process", ms(wall_ns)),
            ("time, translation", ms(s.translate_ns)),
            ("time, execution", ms(run_ns.saturating_sub(s.translate_ns))),
            ("time, system calls and signals", ms(sum(|t| &t.serve_ns))),
            ("threads", threads.len().to_string()),
            ("blocks translated", s.blocks.to_string()),
            ("blocks kept from earlier runs", s.revived.to_string()),
            ("blocks translated again in full", s.extended.to_string()),
            ("blocks translated in vain", s.dropped.to_string()),
            ("guest instructions translated", s.guest_insns.to_string()),
            ("host bytes", s.code_bytes.to_string()),
            (
                "host bytes per guest instruction",
                per(s.code_bytes, s.guest_insns),
            ),
            (
                "ns per guest instruction translated",
                per(s.translate_ns, s.guest_insns),
            ),
            ("full flushes", s.flushes.to_string()),
            ("direct links", s.links.to_string()),
            ("inline caches filled", s.inline_caches.to_string()),
            ("block lookups", s.lookups.to_string()),
            (
                "block lookups, hits",
                s.lookups
                    .saturating_sub(s.blocks + s.revived + s.dropped)
                    .to_string(),
            ),
            (
                "block lookups, misses",
                (s.blocks + s.revived + s.dropped).to_string(),
            ),
            ("jump cache misses", s.indirect_lookups.to_string()),
            ("return stack overflows", s.return_overflows.to_string()),
            ("floating-point exceptions", s.fp_faults.to_string()),
            ("exits, traps", s.exits_trap.to_string()),
            ("exits, faults", s.exits_fault.to_string()),
            ("exits, interrupts", s.exits_interrupt.to_string()),
            ("exits, steps", s.steps.to_string()),
            ("exits, break- and watchpoints", s.stops.to_string()),
            (
                "code changes, writes to code pages",
                s.code_write_faults.to_string(),
            ),
            ("code changes, invalidations", s.invalidations.to_string()),
            (
                "code changes, blocks invalidated",
                s.invalidated.to_string(),
            ),
            ("code changes, found at entry", s.verify_misses.to_string()),
            (
                "code changes, of the own block",
                s.self_modified.to_string(),
            ),
            ("system calls", sum(|t| &t.system_calls).to_string()),
            ("signals handled", sum(|t| &t.signals).to_string()),
        ];
        let mut out = format!("emu: statistics of process {}\n", std::process::id());
        for (name, value) in rows {
            let _ = writeln!(out, "  {name:<36} {value:>16}");
        }
        out
    }
}

/// Runs guest code and serves what it came back for, with the time taken.
pub fn run_and_serve(t: &mut Task, counters: &ThreadCounters) {
    let start = Instant::now();
    let exit = t.vcpu.run();
    let back = Instant::now();
    add(&counters.run_ns, (back - start).as_nanos() as u64);
    let is_call = crate::run::system_call_number(t, &exit).is_some();
    add(&counters.system_calls, u64::from(is_call));
    let waits_for_nobody = !matches!(exit, Exit::Interrupt);
    let delivered = t.signals.delivered;
    crate::run::serve(t, exit);
    // A thread that is the only one left of a fork has counters of its own.
    let counters = t.counters.clone();
    if let Some(c) = counters.filter(|_| waits_for_nobody) {
        add(&c.serve_ns, back.elapsed().as_nanos() as u64);
        add(&c.signals, t.signals.delivered - delivered);
    }
}

/// Counts handlers that were begun at a safe point.
pub fn count_signals(t: &Task, before: u64) {
    if let Some(c) = &t.counters {
        add(&c.signals, t.signals.delivered - before);
    }
}

/// A thread is about to end, and the process with it if it is the last one.
pub fn finish_thread(t: &Task) {
    let stats = t.process.stats.get();
    if stats.is_some_and(|s| s.living.fetch_sub(1, Ordering::Relaxed) == 1) {
        finish(t);
    }
}

/// The process is about to end.
pub fn finish(t: &Task) {
    if let Some(stats) = t.process.stats.get() {
        stats.print(&t.process.engine);
    }
}
