//! The thread between gdb and the guest: one event after the other.

use super::target::{Target, part};
use super::wire::{self, Piece, Splitter, Wire, escaped};
use super::{Debuggee, Event, Run, Watch, Why, signals};
use gdbstub::common::{Signal, Tid};
use gdbstub::stub::state_machine::GdbStubStateMachine as Machine;
use gdbstub::stub::{DisconnectReason, GdbStubBuilder, MultiThreadStopReason as Reason};
use gdbstub::target::ext::breakpoints::WatchKind;
use gdbstub::target::ext::catch_syscalls::CatchSyscallPosition;
use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc::Receiver;

/// Longest packet.
const PACKET: usize = 16 << 10;

type Stub<'a, D> = Machine<'static, Target<'a, D>, Wire>;

/// One debugger.
struct Session<'a, D: Debuggee> {
    stub: Option<Stub<'a, D>>,
    target: Target<'a, D>,
    splitter: Splitter,
    /// Stops that came while gdb believed the guest to be stopped already.
    pending: VecDeque<(u32, Why)>,
}

/// Serves debuggers until the guest ends or `events` has no more senders.
pub fn serve<D: Debuggee>(guest: &D, events: &Receiver<Event>) {
    let mut session: Option<Session<'_, D>> = None;
    while let Ok(event) = events.recv() {
        match event {
            Event::Connected(out) => {
                guest.attach(true);
                guest.stop_all();
                guest.settle();
                let features = wire::features(guest.process().is_some());
                session = Session::new(guest, Wire::new(out, features));
            }
            Event::Data(data) => {
                let goes_on = session.as_mut().is_none_or(|s| s.data(&data).is_some());
                if !goes_on {
                    session = None;
                    detach(guest);
                }
            }
            Event::Closed => {
                if session.take().is_some() {
                    detach(guest);
                }
            }
            Event::Stopped(tid, why) => {
                let goes_on = session.as_mut().map(|s| s.stopped(tid, why).is_some());
                if goes_on != Some(true) {
                    session = None;
                    detach(guest);
                }
            }
            Event::Exited(status, done) => {
                if let Some(mut s) = session.take() {
                    s.report(Reason::Exited(status));
                }
                let _ = done.send(());
            }
            Event::Killed(sig, done) => {
                if let Some(mut s) = session.take() {
                    s.report(Reason::Terminated(Signal(signals::to_gdb(sig))));
                }
                let _ = done.send(());
            }
        }
    }
}

/// The guest goes on without a debugger.
fn detach<D: Debuggee>(guest: &D) {
    guest.stop_all();
    guest.settle();
    guest.set_stops(&[], &[]);
    if let Some(process) = guest.process() {
        process.catch_syscalls(None);
        process.pass_signals(0);
    }
    if let Some(machine) = guest.machine() {
        machine.set_physical(false);
    }
    guest.attach(false);
    guest.resume(&BTreeMap::new(), Run::Continue);
}

fn tid_of(tid: u32) -> Tid {
    Tid::new(tid as usize).unwrap_or(Tid::MIN)
}

fn watch_kind(w: Watch) -> WatchKind {
    match (w.read, w.write) {
        (true, true) => WatchKind::ReadWrite,
        (true, false) => WatchKind::Read,
        _ => WatchKind::Write,
    }
}

impl<'a, D: Debuggee> Session<'a, D> {
    fn new(guest: &'a D, wire: Wire) -> Option<Session<'a, D>> {
        let mut target = Target::new(guest, PACKET / 2);
        let stub = GdbStubBuilder::new(wire)
            .packet_buffer_size(PACKET)
            .build()
            .ok()?
            .run_state_machine(&mut target)
            .ok()?;
        Some(Session {
            stub: Some(stub),
            target,
            splitter: Splitter::new(),
            pending: VecDeque::new(),
        })
    }

    /// Something from gdb. `None`: the session is over.
    fn data(&mut self, data: &[u8]) -> Option<()> {
        for piece in self.splitter.feed(data) {
            match piece {
                Piece::Pass(bytes) => bytes.iter().try_for_each(|b| self.byte(*b))?,
                Piece::PassSignals(numbers, ack) => {
                    let known = numbers.iter().filter_map(|n| signals::from_gdb(*n));
                    let mask = known.fold(0, |m, s| m | 1u64 << (s - 1));
                    if let Some(process) = self.target.guest.process() {
                        process.pass_signals(mask);
                    }
                    self.answer(ack, b"OK")?;
                }
                Piece::Kill(ack) => {
                    self.answer(ack, b"OK")?;
                    self.target.guest.kill();
                }
                Piece::Machine(text, ack) => {
                    let body = self.machine_query(&text);
                    self.answer(ack, body.as_bytes())?;
                }
                Piece::SigInfo(offset, len, ack) => {
                    let body = self.siginfo(offset, len);
                    self.answer(ack, &body)?;
                }
            }
        }
        Some(())
    }

    /// The signal information of the thread that stopped last.
    fn siginfo(&self, offset: u64, len: usize) -> Vec<u8> {
        let threads = self.target.guest.threads();
        let process = self.target.guest.process();
        let found = process.and_then(|p| threads.iter().find_map(|tid| p.siginfo(*tid)));
        let Some(info) = found else {
            return b"E01".to_vec();
        };
        let mut buf = vec![0; len.min(PACKET / 4)];
        let n = part(&info, offset, len, &mut buf);
        buf.truncate(n);
        let end = offset.saturating_add(n as u64) >= info.len() as u64;
        let mut body = if end { b"l".to_vec() } else { b"m".to_vec() };
        body.extend(escaped(&buf));
        body
    }

    /// QEMU's packets about whole machines, without their prefix: `.` and a question, `=` and an order. [QEMU-GDB]
    fn machine_query(&self, text: &str) -> &'static str {
        let Some(machine) = self.target.guest.machine() else {
            return "";
        };
        match text {
            ".Supported" => "PhyMemMode",
            ".PhyMemMode" if machine.physical() => "1",
            ".PhyMemMode" => "0",
            _ => match text.strip_prefix("=PhyMemMode:") {
                Some(on @ ("0" | "1")) => {
                    machine.set_physical(on == "1");
                    "OK"
                }
                Some(_) => "E22",
                None => "",
            },
        }
    }

    fn answer(&mut self, ack: bool, body: &[u8]) -> Option<()> {
        let wire = match self.stub.as_mut()? {
            Machine::Idle(m) => m.borrow_conn(),
            Machine::Running(m) => m.borrow_conn(),
            Machine::CtrlCInterrupt(m) => m.borrow_conn(),
            Machine::Disconnected(m) => m.borrow_conn(),
        };
        wire.answer(ack, body).ok()
    }

    fn byte(&mut self, byte: u8) -> Option<()> {
        self.target.hold = !self.pending.is_empty();
        let (stub, was_running) = match self.stub.take()? {
            Machine::Idle(m) => (m.incoming_data(&mut self.target, byte), false),
            Machine::Running(m) => (m.incoming_data(&mut self.target, byte), true),
            _ => return None,
        };
        match stub.ok()? {
            Machine::CtrlCInterrupt(m) => {
                let none: Option<Reason<u64>> = None;
                self.stub = Some(m.interrupt_handled(&mut self.target, none).ok()?);
                if was_running {
                    self.interrupt()
                } else {
                    Some(())
                }
            }
            Machine::Disconnected(m) => {
                if m.get_reason() == DisconnectReason::Kill {
                    self.target.guest.kill();
                }
                None
            }
            stub => {
                let runs = matches!(stub, Machine::Running(_));
                self.stub = Some(stub);
                match self.pending.front() {
                    Some(_) if runs && !was_running => {
                        let (tid, why) = self.pending.pop_front()?;
                        self.stopped(tid, why)
                    }
                    _ => Some(()),
                }
            }
        }
    }

    /// Ctrl-C.
    fn interrupt(&mut self) -> Option<()> {
        if self.target.guest.stop_all() {
            // A thread had stopped just before: its event is on the way and serves as well.
            return Some(());
        }
        self.target.guest.settle();
        let tid = tid_of(self.target.guest.threads().first().copied().unwrap_or(1));
        let signal = Signal::SIGINT;
        self.report(Reason::SignalWithThread { tid, signal })
    }

    /// A thread stopped by itself.
    fn stopped(&mut self, tid: u32, why: Why) -> Option<()> {
        if !matches!(self.stub, Some(Machine::Running(_))) {
            self.pending.push_back((tid, why));
            return Some(());
        }
        self.target.guest.settle();
        let reason = self.reason(tid, why);
        self.report(reason)
    }

    fn reason(&self, tid: u32, why: Why) -> Reason<u64> {
        let thread = tid_of(tid);
        let syscall = |number, position| Reason::CatchSyscall {
            tid: Some(thread),
            number,
            position,
        };
        match why {
            Why::Break => {
                let mut pc = 0;
                self.target
                    .guest
                    .registers(tid, false, &mut |r| pc = *r.pc & !1);
                if self.target.hard.contains(&pc) {
                    Reason::HwBreak(thread)
                } else {
                    Reason::SwBreak(thread)
                }
            }
            Why::Step => Reason::SignalWithThread {
                tid: thread,
                signal: Signal::SIGTRAP,
            },
            Why::Watch(w) => Reason::Watch {
                tid: thread,
                kind: watch_kind(w),
                addr: w.start,
            },
            Why::Signal(sig) => Reason::SignalWithThread {
                tid: thread,
                signal: Signal(signals::to_gdb(sig)),
            },
            Why::SyscallEntry(nr) => syscall(nr, CatchSyscallPosition::Entry),
            Why::SyscallReturn(nr) => syscall(nr, CatchSyscallPosition::Return),
        }
    }

    /// Tells gdb why the guest stopped; `None` if the session is over.
    fn report(&mut self, reason: Reason<u64>) -> Option<()> {
        let Some(Machine::Running(m)) = self.stub.take_if(|s| matches!(s, Machine::Running(_)))
        else {
            return Some(());
        };
        match m.report_stop(&mut self.target, reason).ok()? {
            Machine::Disconnected(_) => None,
            stub => {
                self.stub = Some(stub);
                Some(())
            }
        }
    }
}
