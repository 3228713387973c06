//! The guest in gdbstub's terms: gdbstub asks, [`Debuggee`] answers.

use super::arch::{self, AnyGuest, Bytes, Number};
use super::files::Files;
use super::signals;
use super::{Debuggee, Resume, Run, Watch};
use gdbstub::common::{Pid, Signal, Tid};
use gdbstub::target::ext::auxv::{Auxv, AuxvOps};
use gdbstub::target::ext::base::BaseOps;
use gdbstub::target::ext::base::multithread::*;
use gdbstub::target::ext::base::single_register_access::{
    SingleRegisterAccess, SingleRegisterAccessOps,
};
use gdbstub::target::ext::breakpoints::*;
use gdbstub::target::ext::catch_syscalls::{CatchSyscalls, CatchSyscallsOps, SyscallNumbers};
use gdbstub::target::ext::exec_file::{ExecFile, ExecFileOps};
use gdbstub::target::ext::host_io::HostIoOps;
use gdbstub::target::ext::monitor_cmd::{ConsoleOutput, MonitorCmd, MonitorCmdOps};
use gdbstub::target::ext::target_description_xml_override::*;
use gdbstub::target::ext::thread_extra_info::{ThreadExtraInfo, ThreadExtraInfoOps};
use gdbstub::target::{TargetError, TargetResult};
use std::collections::BTreeMap;

/// gdb's view of the guest, and what it has asked for.
pub(super) struct Target<'a, D> {
    pub guest: &'a D,
    pub files: Files,
    /// Bytes that go into one packet.
    pub payload: usize,
    /// Software and hardware breakpoints; they work alike.
    soft: Vec<u64>,
    pub hard: Vec<u64>,
    watches: Vec<Watch>,
    threads: BTreeMap<u32, Resume>,
    others: Run,
    /// A stop has still to be reported: do not really go on.
    pub hold: bool,
}

impl<'a, D: Debuggee> Target<'a, D> {
    pub(super) fn new(guest: &'a D, payload: usize) -> Target<'a, D> {
        Target {
            guest,
            files: Files::default(),
            payload,
            soft: Vec::new(),
            hard: Vec::new(),
            watches: Vec::new(),
            threads: BTreeMap::new(),
            others: Run::Continue,
            hold: false,
        }
    }

    /// This, if the guest is a process.
    fn process(&mut self) -> Option<&mut Self> {
        match self.guest.process() {
            Some(_) => Some(self),
            None => None,
        }
    }

    fn tell_stops(&self) {
        let breaks: Vec<u64> = self.soft.iter().chain(&self.hard).copied().collect();
        self.guest.set_stops(&breaks, &self.watches);
    }

    fn plan(&mut self, tid: Tid, run: Run, signal: Option<Signal>) {
        let signal = signal.and_then(|s| signals::from_gdb(s.0));
        if let Ok(tid) = u32::try_from(tid.get()) {
            // The first action that names a thread is its.
            self.threads.entry(tid).or_insert(Resume { run, signal });
        }
    }
}

/// The numbers of threads and of gdb's are the same.
fn number(tid: Tid) -> u32 {
    u32::try_from(tid.get()).unwrap_or(0)
}

/// The part of `data` that gdb asks for.
pub(super) fn part(data: &[u8], offset: u64, length: usize, buf: &mut [u8]) -> usize {
    let from = usize::try_from(offset).map_or(data.len(), |o| o.min(data.len()));
    let rest = data.get(from..).unwrap_or_default();
    let n = rest.len().min(length).min(buf.len());
    buf.iter_mut()
        .zip(rest.iter().take(n))
        .for_each(|(to, from)| *to = *from);
    n
}

fn check(done: bool) -> Result<(), TargetError<&'static str>> {
    if done {
        Ok(())
    } else {
        Err(TargetError::NonFatal)
    }
}

impl<D: Debuggee> gdbstub::target::Target for Target<'_, D> {
    type Arch = AnyGuest;
    type Error = &'static str;

    fn base_ops(&mut self) -> BaseOps<'_, AnyGuest, &'static str> {
        BaseOps::MultiThread(self)
    }
    fn use_rle(&self) -> bool {
        // What is sent has to stay readable for `wire`.
        false
    }
    fn use_lldb_register_info(&self) -> bool {
        false
    }
    fn use_fork_stop_reason(&self) -> bool {
        false
    }
    fn use_vfork_stop_reason(&self) -> bool {
        false
    }
    fn use_vforkdone_stop_reason(&self) -> bool {
        false
    }
    fn guard_rail_implicit_sw_breakpoints(&self) -> bool {
        true
    }
    fn support_breakpoints(&mut self) -> Option<BreakpointsOps<'_, Self>> {
        Some(self)
    }
    fn support_catch_syscalls(&mut self) -> Option<CatchSyscallsOps<'_, Self>> {
        self.process().map(|t| t as _)
    }
    fn support_target_description_xml_override(
        &mut self,
    ) -> Option<TargetDescriptionXmlOverrideOps<'_, Self>> {
        Some(self)
    }
    fn support_exec_file(&mut self) -> Option<ExecFileOps<'_, Self>> {
        self.process().map(|t| t as _)
    }
    fn support_auxv(&mut self) -> Option<AuxvOps<'_, Self>> {
        self.process().map(|t| t as _)
    }
    fn support_host_io(&mut self) -> Option<HostIoOps<'_, Self>> {
        self.process().map(|t| t as _)
    }
    fn support_monitor_cmd(&mut self) -> Option<MonitorCmdOps<'_, Self>> {
        match self.guest.machine() {
            Some(_) => Some(self),
            None => None,
        }
    }
}

impl<D: Debuggee> MultiThreadBase for Target<'_, D> {
    fn read_registers(&mut self, regs: &mut Bytes, tid: Tid) -> TargetResult<(), Self> {
        let d = self.guest.description();
        check(self.guest.registers(number(tid), false, &mut |r| {
            *regs = arch::get_all(d, r);
        }))
    }

    fn write_registers(&mut self, regs: &Bytes, tid: Tid) -> TargetResult<(), Self> {
        let d = self.guest.description();
        check(self.guest.registers(number(tid), true, &mut |r| {
            arch::set_all(d, r, regs);
        }))
    }

    fn support_single_register_access(&mut self) -> Option<SingleRegisterAccessOps<'_, Tid, Self>> {
        Some(self)
    }

    fn read_addrs(&mut self, start: u64, data: &mut [u8], tid: Tid) -> TargetResult<usize, Self> {
        match self.guest.read_memory(number(tid), start, data) {
            0 if !data.is_empty() => Err(TargetError::Errno(EFAULT)),
            n => Ok(n),
        }
    }

    fn write_addrs(&mut self, start: u64, data: &[u8], tid: Tid) -> TargetResult<(), Self> {
        match self.guest.write_memory(number(tid), start, data) {
            true => Ok(()),
            false => Err(TargetError::Errno(EFAULT)),
        }
    }

    fn list_active_threads(&mut self, f: &mut dyn FnMut(Tid)) -> Result<(), &'static str> {
        for tid in self.guest.threads() {
            if let Some(tid) = Tid::new(tid as usize) {
                f(tid);
            }
        }
        Ok(())
    }

    fn support_resume(&mut self) -> Option<MultiThreadResumeOps<'_, Self>> {
        Some(self)
    }

    fn support_thread_extra_info(&mut self) -> Option<ThreadExtraInfoOps<'_, Self>> {
        Some(self)
    }
}

/// The error number of the protocol, which is Linux's.
const EFAULT: u8 = 14;

impl<D: Debuggee> SingleRegisterAccess<Tid> for Target<'_, D> {
    fn read_register(&mut self, tid: Tid, n: Number, buf: &mut [u8]) -> TargetResult<usize, Self> {
        let d = self.guest.description();
        let mut value = None;
        self.guest
            .registers(number(tid), false, &mut |r| value = arch::get(d, r, n.0));
        let value = value.ok_or(TargetError::NonFatal)?;
        Ok(part(&value, 0, value.len(), buf))
    }

    fn write_register(&mut self, tid: Tid, n: Number, value: &[u8]) -> TargetResult<(), Self> {
        let d = self.guest.description();
        let mut done = false;
        self.guest.registers(number(tid), true, &mut |r| {
            done = arch::set(d, r, n.0, value)
        });
        check(done)
    }
}

impl<D: Debuggee> MultiThreadResume for Target<'_, D> {
    fn resume(&mut self) -> Result<(), &'static str> {
        if !self.hold {
            self.guest.resume(&self.threads, self.others);
        }
        Ok(())
    }

    fn clear_resume_actions(&mut self) -> Result<(), &'static str> {
        self.threads.clear();
        self.others = Run::Continue;
        Ok(())
    }

    fn set_resume_action_continue(
        &mut self,
        tid: Tid,
        signal: Option<Signal>,
    ) -> Result<(), &'static str> {
        self.plan(tid, Run::Continue, signal);
        Ok(())
    }

    fn support_single_step(&mut self) -> Option<MultiThreadSingleStepOps<'_, Self>> {
        Some(self)
    }

    fn support_range_step(&mut self) -> Option<MultiThreadRangeSteppingOps<'_, Self>> {
        Some(self)
    }

    fn support_scheduler_locking(&mut self) -> Option<MultiThreadSchedulerLockingOps<'_, Self>> {
        Some(self)
    }
}

impl<D: Debuggee> MultiThreadSingleStep for Target<'_, D> {
    fn set_resume_action_step(
        &mut self,
        tid: Tid,
        signal: Option<Signal>,
    ) -> Result<(), &'static str> {
        self.plan(tid, Run::Step, signal);
        Ok(())
    }
}

impl<D: Debuggee> MultiThreadRangeStepping for Target<'_, D> {
    fn set_resume_action_range_step(
        &mut self,
        tid: Tid,
        start: u64,
        end: u64,
    ) -> Result<(), &'static str> {
        self.plan(tid, Run::Range(start, end), None);
        Ok(())
    }
}

impl<D: Debuggee> MultiThreadSchedulerLocking for Target<'_, D> {
    fn set_resume_action_scheduler_lock(&mut self) -> Result<(), &'static str> {
        self.others = Run::Frozen;
        Ok(())
    }
}

impl<D: Debuggee> Breakpoints for Target<'_, D> {
    fn support_sw_breakpoint(&mut self) -> Option<SwBreakpointOps<'_, Self>> {
        Some(self)
    }
    fn support_hw_breakpoint(&mut self) -> Option<HwBreakpointOps<'_, Self>> {
        Some(self)
    }
    fn support_hw_watchpoint(&mut self) -> Option<HwWatchpointOps<'_, Self>> {
        Some(self)
    }
}

fn remove<T: PartialEq>(list: &mut Vec<T>, item: &T) -> bool {
    let at = list.iter().position(|x| x == item);
    at.map(|at| list.remove(at)).is_some()
}

impl<D: Debuggee> SwBreakpoint for Target<'_, D> {
    fn add_sw_breakpoint(&mut self, addr: u64, _kind: usize) -> TargetResult<bool, Self> {
        self.soft.push(addr);
        self.tell_stops();
        Ok(true)
    }

    fn remove_sw_breakpoint(&mut self, addr: u64, _kind: usize) -> TargetResult<bool, Self> {
        let there = remove(&mut self.soft, &addr);
        self.tell_stops();
        Ok(there)
    }
}

impl<D: Debuggee> HwBreakpoint for Target<'_, D> {
    fn add_hw_breakpoint(&mut self, addr: u64, _kind: usize) -> TargetResult<bool, Self> {
        self.hard.push(addr);
        self.tell_stops();
        Ok(true)
    }

    fn remove_hw_breakpoint(&mut self, addr: u64, _kind: usize) -> TargetResult<bool, Self> {
        let there = remove(&mut self.hard, &addr);
        self.tell_stops();
        Ok(there)
    }
}

fn watch(start: u64, len: u64, kind: WatchKind) -> Watch {
    Watch {
        start,
        len,
        read: kind != WatchKind::Write,
        write: kind != WatchKind::Read,
    }
}

impl<D: Debuggee> HwWatchpoint for Target<'_, D> {
    fn add_hw_watchpoint(
        &mut self,
        addr: u64,
        len: u64,
        kind: WatchKind,
    ) -> TargetResult<bool, Self> {
        self.watches.push(watch(addr, len, kind));
        self.tell_stops();
        Ok(true)
    }

    fn remove_hw_watchpoint(
        &mut self,
        addr: u64,
        len: u64,
        kind: WatchKind,
    ) -> TargetResult<bool, Self> {
        let there = remove(&mut self.watches, &watch(addr, len, kind));
        self.tell_stops();
        Ok(there)
    }
}

impl<D: Debuggee> CatchSyscalls for Target<'_, D> {
    fn enable_catch_syscalls(
        &mut self,
        filter: Option<SyscallNumbers<'_, u64>>,
    ) -> TargetResult<(), Self> {
        let numbers = filter.map(Iterator::collect).unwrap_or_default();
        if let Some(process) = self.guest.process() {
            process.catch_syscalls(Some(numbers));
        }
        Ok(())
    }

    fn disable_catch_syscalls(&mut self) -> TargetResult<(), Self> {
        if let Some(process) = self.guest.process() {
            process.catch_syscalls(None);
        }
        Ok(())
    }
}

impl<D: Debuggee> TargetDescriptionXmlOverride for Target<'_, D> {
    fn target_description_xml(
        &self,
        annex: &[u8],
        offset: u64,
        length: usize,
        buf: &mut [u8],
    ) -> TargetResult<usize, Self> {
        if annex != b"target.xml" {
            return Err(TargetError::NonFatal);
        }
        let osabi = self.guest.process().map_or("none", |_| "GNU/Linux");
        let xml = self.guest.description().xml(osabi);
        Ok(part(xml.as_bytes(), offset, length, buf))
    }
}

impl<D: Debuggee> ExecFile for Target<'_, D> {
    fn get_exec_file(
        &self,
        _pid: Option<Pid>,
        offset: u64,
        length: usize,
        buf: &mut [u8],
    ) -> TargetResult<usize, Self> {
        let file = self.guest.process().map(|p| p.exec_file());
        Ok(part(&file.unwrap_or_default(), offset, length, buf))
    }
}

impl<D: Debuggee> Auxv for Target<'_, D> {
    fn get_auxv(&self, offset: u64, length: usize, buf: &mut [u8]) -> TargetResult<usize, Self> {
        let auxv = self.guest.process().map(|p| p.auxv());
        Ok(part(&auxv.unwrap_or_default(), offset, length, buf))
    }
}

impl<D: Debuggee> ThreadExtraInfo for Target<'_, D> {
    fn thread_extra_info(&self, tid: Tid, buf: &mut [u8]) -> Result<usize, &'static str> {
        let name = self.guest.thread_name(number(tid));
        Ok(part(name.as_bytes(), 0, name.len(), buf))
    }
}

impl<D: Debuggee> MonitorCmd for Target<'_, D> {
    fn handle_monitor_cmd(
        &mut self,
        command: &[u8],
        mut out: ConsoleOutput<'_>,
    ) -> Result<(), &'static str> {
        if let Some(machine) = self.guest.machine() {
            let text = machine.monitor(&String::from_utf8_lossy(command));
            // Each piece goes out as one packet.
            for piece in text.as_bytes().chunks(2048) {
                out.write_raw(piece);
                out.flush();
            }
        }
        Ok(())
    }
}
