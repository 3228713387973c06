//! What the user is told when a guest dies by a fault: signal, place, instruction, registers.

use super::{SigInfo, host};
use crate::names::Names;
use crate::task::Task;
use std::fmt::Write;
use std::sync::Arc;
use tcg_debug::symbols::Symbol;
use tcg_mem::GuestVa;
use tcg_target::StateCopy;
use tcg_target::gdb::CpuRegs;

/// Prints the report to standard error.
pub fn report(t: &Task, info: &SigInfo) {
    let isa = t.process.engine.isa();
    let (pc, mode) = (t.vcpu.pc(), t.vcpu.mode());
    let mut code = [0; 16];
    let n = t.mem.read_some(GuestVa(pc & !1), &mut code);
    let text = match code.get(..n) {
        Some(bytes) if n > 0 => isa.disassemble(pc, mode, bytes).0,
        _ => "(no code there)".to_string(),
    };
    let exe = String::from_utf8_lossy(&t.process.exe);
    let name = host::signal_name(info.signo);
    let names = Names::new(Arc::clone(&t.process.space));
    let place = named(&names, pc & !1);
    let mut out = format!(
        "emu: {exe}: killed by signal {name} (si_code {}, si_addr {:#x}) at {place}: {text}\n",
        info.code, info.addr
    );
    out.push_str(&isa.dump(t.vcpu.state_bytes(), pc, mode));
    if !out.ends_with('\n') {
        out.push('\n');
    }
    out.push_str(&callers(t, &names));
    eprint!("{out}");
}

/// An address with its function, if that has a name.
fn named(names: &Names, va: u64) -> String {
    match names.find(va) {
        Some(symbol) => format!("{va:#x} <{symbol}>"),
        None => format!("{va:#x}"),
    }
}

/// Words of the stack that are looked at, and callers that are named.
const WORDS: usize = 512;
const CALLERS: usize = 12;

/// Who may have called: the link register, and words on the stack that are addresses inside of functions. Without unwind
/// information nobody knows which of them are stale.
fn callers(t: &Task, names: &Names) -> String {
    let mut found: Vec<(u64, Symbol)> = Vec::new();
    let mut consider = |va: u64| {
        let va = va & !1;
        // A return address is behind a call, so never the start of a function.
        let symbol = names.find(va).filter(|s| s.offset != 0);
        if let Some(symbol) = symbol.filter(|_| found.len() < CALLERS) {
            found.push((va, symbol));
        }
    };
    link_register(t).into_iter().for_each(&mut consider);
    let word = t.abi.word.max(1);
    let mut raw = vec![0; WORDS * word];
    let n = t.mem.read_some(GuestVa(t.port.sp(&t.vcpu)), &mut raw);
    for chunk in raw.get(..n).unwrap_or_default().chunks_exact(word) {
        let add = |n: u64, b: &u8| n << 8 | u64::from(*b);
        consider(match t.abi.endian {
            tcg_mem::Endian::Big => chunk.iter().fold(0, add),
            tcg_mem::Endian::Little => chunk.iter().rev().fold(0, add),
        });
    }
    found.dedup();
    let mut out = String::new();
    if !found.is_empty() {
        out.push_str("possible callers, from the stack:\n");
    }
    for (va, symbol) in found {
        let _ = writeln!(out, "  {va:#x} <{symbol}>");
    }
    out
}

/// The register that holds a return address, on ISAs that have one, by gdb's name of it.
fn link_register(t: &Task) -> Option<u64> {
    let description = t.process.engine.isa().gdb()?;
    let reg = description
        .regs()
        .find(|r| matches!(&*r.name, "lr" | "ra" | "x30"))?;
    let mut state = StateCopy::default();
    state.copy_from(t.vcpu.state_bytes());
    let (mut pc, mut mode, mut fp_flags) = (t.vcpu.pc(), t.vcpu.mode(), 0);
    let value = reg.read(&CpuRegs {
        state: state.bytes_mut(),
        pc: &mut pc,
        mode: &mut mode,
        fp_flags: &mut fp_flags,
        now_ns: 0,
    })?;
    Some(value.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b)))
}
