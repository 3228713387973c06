//! What the user is told when a guest dies by a fault: signal, place, instruction, registers.

use super::{SigInfo, host};
use crate::task::Task;
use tcg_mem::GuestVa;

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
    let mut out = format!(
        "emu: {exe}: killed by signal {name} (si_code {}, si_addr {:#x}) at {pc:#x}: {text}\n",
        info.code, info.addr
    );
    out.push_str(&isa.dump(t.vcpu.state_bytes(), pc, mode));
    if !out.ends_with('\n') {
        out.push('\n');
    }
    eprint!("{out}");
}
