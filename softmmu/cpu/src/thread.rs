//! The loop of a CPU's thread.

use crate::gate::Wish;
use crate::{Cpu, Parts, Starter};
use softmmu_core::cpu::CpuStart;
use softmmu_core::requests::Request;
use tcg_exec::{Event, Exit, Vcpu};

/// What a CPU does between two looks at what is asked of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    /// Waits for an interrupt.
    Halted,
    /// Waits for a reset or to be started.
    Parked,
    Ended,
}

/// Runs a CPU until it is told to end.
pub(crate) fn run(cpu: &Cpu, parts: &Parts, starter: &Starter) {
    softmmu_core::cpu::set_current(cpu.gate.index);
    let mut state = State::Parked;
    cpu.gate.connect(cpu.vcpu.lock().kick_handle());
    loop {
        cpu.gate.look();
        state = serve(cpu, starter, state);
        if state == State::Ended {
            return;
        }
        let mut vcpu = cpu.vcpu.lock();
        if cpu.gate.take_deadline() {
            vcpu.timer();
        }
        if state != State::Parked {
            let exit = vcpu.run();
            state = after(&vcpu, parts, exit);
        }
        drop(vcpu);
        if state != State::Running {
            let mut inside = cpu.gate.inside.lock();
            cpu.gate.sleep(&mut inside, state == State::Halted);
        }
    }
}

/// Does what was asked for, and stands still as long as that is asked for.
fn serve(cpu: &Cpu, starter: &Starter, mut state: State) -> State {
    loop {
        let mut inside = cpu.gate.inside.lock();
        let wishes = std::mem::take(&mut inside.wishes);
        if wishes.is_empty() {
            if !inside.stop {
                cpu.gate.set_stopped(&mut inside, false);
                return state;
            }
            cpu.gate.set_stopped(&mut inside, true);
            cpu.gate.sleep(&mut inside, false);
            cpu.gate.look();
            continue;
        }
        drop(inside);
        let mut vcpu = cpu.vcpu.lock();
        for wish in wishes {
            state = grant(&mut vcpu, starter, wish, state);
        }
        if state == State::Ended {
            return state;
        }
    }
}

fn grant(vcpu: &mut Vcpu, starter: &Starter, wish: Wish, state: State) -> State {
    match wish {
        Wish::Reset { start, wait } => {
            vcpu.reset();
            if let Some(start) = start {
                begin(vcpu, starter, &start);
            }
            match wait {
                true => State::Parked,
                false => State::Running,
            }
        }
        Wish::Start(start) if state == State::Parked => {
            vcpu.reset();
            begin(vcpu, starter, &start);
            State::Running
        }
        Wish::Start(_) => state,
        Wish::Quit => State::Ended,
    }
}

fn begin(vcpu: &mut Vcpu, starter: &Starter, start: &CpuStart) {
    vcpu.with_system(|_, cpu| starter(cpu, start));
    vcpu.flush_tlb();
}

/// What an exit means.
fn after(vcpu: &Vcpu, parts: &Parts, exit: Exit) -> State {
    match exit {
        Exit::Interrupt | Exit::Step => State::Running,
        Exit::Machine(Event::Halt) => State::Halted,
        Exit::Machine(Event::Reset) => {
            parts.requests.reset();
            State::Parked
        }
        Exit::Machine(Event::Shutdown) => {
            parts.requests.shutdown();
            State::Parked
        }
        Exit::Machine(Event::Stuck) => {
            parts.requests.ask(Request::Stuck(vcpu.message()));
            State::Parked
        }
        Exit::Trap { .. } | Exit::Fault(_) | Exit::Break | Exit::Watch(_) => {
            let message = format!("{exit:?} at {:#x}", vcpu.pc());
            parts.requests.ask(Request::Stuck(message));
            State::Parked
        }
    }
}
