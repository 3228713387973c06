//! The loop of a guest thread: run guest code until it needs Linux, serve it, go on.

use crate::guest::TrapAction;
use crate::signal;
use crate::stats;
use crate::syscall::{self, SysExit};
use crate::task::Task;
use tcg_exec::Exit;
use tcg_mem::{FaultKind, MemFault};

/// si_code values of faults.
const SEGV_MAPERR: i32 = 1;
const SEGV_ACCERR: i32 = 2;
const BUS_ADRALN: i32 = 1;
const BUS_ADRERR: i32 = 2;

/// Runs a guest thread to its end.
pub fn thread_main(t: &mut Task) {
    let status = run(t);
    signal::detach();
    crate::process::exit_thread(t, status);
}

/// Runs until the thread exits; gives its exit status.
pub fn run(t: &mut Task) -> i32 {
    signal::attach(t);
    t.counters = t.process.stats.get().map(|s| s.thread());
    if let Some(d) = t.process.debug.get().cloned()
        && let Some(status) = crate::debug::run(t, &d)
    {
        return status;
    }
    loop {
        if let Some(status) = t.exiting {
            return status;
        }
        let delivered = t.signals.delivered;
        signal::deliver_pending(t);
        if t.exiting.is_some() {
            continue;
        }
        if let Some(counters) = t.counters.clone() {
            stats::count_signals(t, delivered);
            stats::run_and_serve(t, &counters);
            continue;
        }
        let exit = t.vcpu.run();
        serve(t, exit);
    }
}

/// Does what guest code came back for.
pub fn serve(t: &mut Task, exit: Exit) {
    match exit {
        Exit::Trap { code, info } => trap(t, code, info),
        Exit::Fault(fault) => memory_fault(t, fault),
        Exit::Interrupt | Exit::Step | Exit::Machine(_) => {}
        // A child that shares its memory with a process under a debugger: these are not for it.
        Exit::Break | Exit::Watch(_) => {
            let exit = t.vcpu.step_through();
            serve(t, exit);
        }
    }
}

/// The number of the system call that guest code came back for.
pub fn system_call_number(t: &mut Task, exit: &Exit) -> Option<u32> {
    let Exit::Trap { code, info } = *exit else {
        return None;
    };
    let port = t.port;
    let is_call = matches!(port.trap(&mut t.vcpu, code, info), TrapAction::Syscall);
    is_call.then(|| port.syscall(&t.vcpu).0)
}

fn trap(t: &mut Task, code: u32, info: u64) {
    let port = t.port;
    match port.trap(&mut t.vcpu, code, info) {
        TrapAction::Syscall => system_call(t),
        TrapAction::Continue => {}
        TrapAction::Signal { sig, code, addr } => signal::force(t, sig, code, addr),
    }
}

fn system_call(t: &mut Task) {
    let port = t.port;
    let (nr, args) = port.syscall(&t.vcpu);
    match syscall::dispatch(t, nr, args) {
        SysExit::Return(value) => port.set_result(&mut t.vcpu, Ok(value)),
        SysExit::Error(errno) if errno.0 >= 512 => signal::restart(t, errno, args[0]),
        SysExit::Error(errno) => port.set_result(&mut t.vcpu, Err(errno)),
        SysExit::KeepRegs => {}
    }
}

fn memory_fault(t: &mut Task, fault: MemFault) {
    let (sig, code) = match fault.kind {
        FaultKind::Unmapped => (libc::SIGSEGV, SEGV_MAPERR),
        FaultKind::Protection => (libc::SIGSEGV, SEGV_ACCERR),
        FaultKind::Bus => (libc::SIGBUS, BUS_ADRERR),
        FaultKind::Alignment => (libc::SIGBUS, BUS_ADRALN),
    };
    let details = t.port.fault_details(&fault);
    signal::force_trap(t, sig, code, fault.va.0, details);
}
