//! The loop of a CPU's thread.

use crate::gate::{Plan, Wish};
use crate::{Cpu, Parts, Starter};
use softmmu_core::cpu::CpuStart;
use softmmu_core::requests::{DebugStop, Request};
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

const TIMER_SLACK_NS: u64 = 5_000;

/// Runs a CPU until it is told to end.
pub(crate) fn run(cpu: &Cpu, parts: &Parts, starter: &Starter) {
    softmmu_core::cpu::set_current(cpu.gate.index);
    // Waits of drivers are often shorter than the host's usual slack. Without it they are only longer.
    let _ = nix::sys::prctl::set_timerslack(TIMER_SLACK_NS);
    let mut state = State::Parked;
    cpu.gate.connect(cpu.vcpu.lock().kick_handle());
    loop {
        cpu.gate.look();
        let (next, plan) = serve(cpu, starter, state);
        state = next;
        if state == State::Ended {
            return;
        }
        if parts.clock.is_counted() && state != State::Parked {
            let timers = &parts.timers;
            timers.run_due();
            parts
                .clock
                .look_at(timers.next_due().unwrap_or(u64::MAX), false);
        }
        let mut vcpu = cpu.vcpu.lock();
        if cpu.gate.take_deadline() {
            vcpu.timer();
        }
        if state != State::Parked {
            state = match plan {
                Plan::Run => {
                    let exit = vcpu.run();
                    after(cpu, &vcpu, parts, exit)
                }
                _ => steps(cpu, &mut vcpu, parts, plan),
            };
        }
        drop(vcpu);
        if state != State::Running {
            let counted = parts.clock.is_counted() && state == State::Halted;
            match counted.then(|| parts.timers.next_due()).flatten() {
                // The machine's time is not the host's: what the CPU waits for comes at once.
                Some(at) => parts.clock.skip_to(at),
                None => {
                    let mut inside = cpu.gate.inside.lock();
                    cpu.gate.sleep(&mut inside, state == State::Halted);
                }
            }
        }
    }
}

/// Does what was asked for, and stands still as long as that is asked for.
fn serve(cpu: &Cpu, starter: &Starter, mut state: State) -> (State, Plan) {
    loop {
        let mut inside = cpu.gate.inside.lock();
        let wishes = std::mem::take(&mut inside.wishes);
        if wishes.is_empty() {
            if !inside.stop && inside.plan != Plan::Frozen {
                cpu.gate.set_stopped(&mut inside, false);
                return (state, inside.plan);
            }
            inside.parked = state == State::Parked;
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
            return (state, Plan::Run);
        }
    }
}

/// Runs a debugger's steps; interrupts are not taken meanwhile.
fn steps(cpu: &Cpu, vcpu: &mut Vcpu, parts: &Parts, plan: Plan) -> State {
    if !vcpu.wake() {
        return State::Halted;
    }
    while !cpu.gate.is_kicked() {
        let state = match vcpu.step() {
            Exit::Step => State::Running,
            exit => after(cpu, vcpu, parts, exit),
        };
        let in_range = matches!(plan, Plan::Range(from, to) if (from..to).contains(&vcpu.pc()));
        if !in_range && !cpu.gate.inside.lock().stop {
            stop(cpu, parts, DebugStop::Step);
        }
        if !in_range || state != State::Running {
            return state;
        }
    }
    State::Running
}

/// The CPU stands still, and a debugger hears of it.
fn stop(cpu: &Cpu, parts: &Parts, why: DebugStop) {
    cpu.gate.stop_here();
    parts.requests.ask(Request::Debug(cpu.gate.index, why));
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
        Wish::Park(true) => State::Parked,
        Wish::Park(false) => State::Running,
        Wish::Quit => State::Ended,
    }
}

fn begin(vcpu: &mut Vcpu, starter: &Starter, start: &CpuStart) {
    vcpu.with_system(|_, cpu| starter(cpu, start));
    vcpu.flush_tlb();
}

/// What an exit means.
fn after(cpu: &Cpu, vcpu: &Vcpu, parts: &Parts, exit: Exit) -> State {
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
        Exit::Break => {
            stop(cpu, parts, DebugStop::Break);
            State::Running
        }
        Exit::Watch(hit) => {
            let p = hit.point;
            let (start, len, read, write) = (p.start, p.len, p.read, p.write);
            let why = DebugStop::Watch {
                start,
                len,
                read,
                write,
            };
            stop(cpu, parts, why);
            State::Running
        }
        Exit::Trap { .. } | Exit::Fault(_) => {
            let message = format!("{exit:?} at {:#x}", vcpu.pc());
            parts.requests.ask(Request::Stuck(message));
            State::Parked
        }
    }
}
