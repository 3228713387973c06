//! The architecture's own system calls: riscv_hwprobe, riscv_flush_icache.
//! [Linux Documentation/arch/riscv/hwprobe.rst]

use super::port::cpu_of;
use crate::abi::{Layout, Reader, Writer};
use crate::errno::Errno;
use crate::rows;
use crate::syscall::SysResult;
use crate::syscall::args::Ptr;
use crate::task::Task;
use target_riscv::Cpu;
use target_riscv::decode::Feature as F;
use tcg_mem::GuestVa;

rows! { CALLS:
    hwprobe(pairs: Ptr, count: u64, cpu_bytes: u64, cpus: Ptr, flags: u32) = Full;
    flush_icache(start: Ptr, end: Ptr, flags: u64) = Full;
}

/// Changed code is found by its pages: there is nothing to flush.
fn flush_icache(_: &mut Task, _: Ptr, _: Ptr, flags: u64) -> SysResult {
    // SYS_RISCV_FLUSH_ICACHE_LOCAL
    if flags & !1 != 0 {
        return Err(Errno::EINVAL);
    }
    Ok(0)
}

/// Flag: which CPUs have these values.
const WHICH_CPUS: u32 = 1;

/// Keys.
const VENDOR: i64 = 0;
const IMPLEMENTATION: i64 = 2;
const BASE_BEHAVIOR: i64 = 3;
const EXTENSIONS: i64 = 4;
const PERFORMANCE: i64 = 5;
const ZICBOZ_BLOCK: i64 = 6;
const HIGHEST_ADDRESS: i64 = 7;
const TIME_FREQUENCY: i64 = 8;
const MISALIGNED_SCALAR: i64 = 9;
const MISALIGNED_VECTOR: i64 = 10;
const ZICBOM_BLOCK: i64 = 12;

/// Bits of [`EXTENSIONS`].
const BITS: &[(F, u32)] = &[
    (F::D, 0),
    (F::C, 1),
    (F::Zba, 3),
    (F::Zbb, 4),
    (F::Zbs, 5),
    (F::Zicboz, 6),
    (F::Zbc, 7),
    (F::Zbkb, 8),
    (F::Zbkc, 9),
    (F::Zbkx, 10),
    (F::Zfh, 27),
    (F::Zfhmin, 28),
    (F::Zihintntl, 29),
    (F::Zfa, 32),
    (F::Zacas, 34),
    (F::Zicond, 35),
    (F::Zihintpause, 36),
    (F::Zimop, 42),
    (F::C, 43),
    (F::Zcb, 44),
    (F::Zcmop, 47),
    (F::Zawrs, 48),
    (F::Zicntr, 50),
    (F::Zihpm, 51),
    (F::Zicbom, 55),
    (F::A, 56),
    (F::A, 57),
    (F::Zabha, 58),
];

/// The value of a key; `None`: unknown.
fn value(cpu: &Cpu, key: i64, highest: u64) -> Option<u64> {
    let block = |f: F| if cpu.has(f) { 64 } else { 0 };
    Some(match key {
        VENDOR..=IMPLEMENTATION => cpu.ids[key as usize],
        BASE_BEHAVIOR => u64::from(cpu.has(F::M) && cpu.has(F::A)),
        EXTENSIONS => BITS
            .iter()
            .filter(|(f, _)| cpu.has(*f))
            .fold(0, |set, (_, bit)| set | 1 << bit),
        // Misaligned scalars are fast; there are no vectors.
        PERFORMANCE | MISALIGNED_SCALAR => 3,
        MISALIGNED_VECTOR => 4,
        ZICBOZ_BLOCK => block(F::Zicboz),
        ZICBOM_BLOCK => block(F::Zicbom),
        HIGHEST_ADDRESS => highest,
        TIME_FREQUENCY => 10_000_000,
        _ => return None,
    })
}

/// Size of a pair: key and value.
const PAIR: u64 = 16;

fn hwprobe(
    t: &mut Task,
    pairs: Ptr,
    count: u64,
    cpu_bytes: u64,
    cpus: Ptr,
    flags: u32,
) -> SysResult {
    if flags & !WHICH_CPUS != 0 {
        return Err(Errno::EINVAL);
    }
    // All CPUs are the same, so which of them are asked about does not matter, but some have to be named.
    let named = cpu_bytes != 0 && cpus.0.0 != 0;
    if flags == 0 && (cpu_bytes == 0) != (cpus.0.0 == 0) {
        return Err(Errno::EINVAL);
    }
    if flags == WHICH_CPUS && !named {
        return Err(Errno::EINVAL);
    }
    let cpu = cpu_of(t);
    let highest = t.port.geometry().task_size - 1;
    let mut all = true;
    for k in 0..count {
        let at = GuestVa(pairs.0.0.wrapping_add(k.wrapping_mul(PAIR)));
        let mut raw = [0u8; PAIR as usize];
        t.mem.read(at, &mut raw)?;
        let mut r = Reader::new(t.abi, &raw);
        let (key, wanted) = (i64::get(&mut r), u64::get(&mut r));
        let found = value(&cpu, key, highest);
        if flags == WHICH_CPUS {
            all &= matches(key, wanted, found);
            if found.is_some() {
                continue;
            }
        }
        let mut w = Writer::new(t.abi);
        found.map_or(-1, |_| key).put(&mut w);
        found.unwrap_or(0).put(&mut w);
        t.put_bytes(at, w.done())?;
    }
    if flags == WHICH_CPUS && !all {
        let zeros = vec![0; cpu_bytes.min(4096) as usize];
        t.put_bytes(cpus.0, &zeros)?;
    }
    Ok(0)
}

/// Whether a CPU's value agrees with the wanted one: sets by inclusion, others exactly.
fn matches(key: i64, wanted: u64, found: Option<u64>) -> bool {
    match found {
        None => false,
        Some(v) if key == EXTENSIONS || key == BASE_BEHAVIOR => v & wanted == wanted,
        Some(v) => v == wanted,
    }
}
