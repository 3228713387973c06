//! Threads and processes: clone in all its forms, and their end.

use crate::errno::Errno;
use crate::sys;
use crate::task::Task;
use std::sync::Arc;
use std::sync::mpsc;
use tcg_mem::GuestVa;

/// The arguments of clone, clone3, fork and vfork in one shape.
#[derive(Clone, Copy, Debug, Default)]
pub struct CloneArgs {
    /// CLONE_* without the exit signal.
    pub flags: u64,
    /// Signal to the parent when the child ends.
    pub exit_signal: u32,
    /// New stack pointer, 0 to keep the parent's.
    pub sp: u64,
    /// CLONE_PARENT_SETTID.
    pub parent_tid: u64,
    /// CLONE_CHILD_SETTID and CLONE_CHILD_CLEARTID.
    pub child_tid: u64,
    /// CLONE_SETTLS.
    pub tls: u64,
    /// CLONE_PIDFD (clone3; clone shares `parent_tid`).
    pub pidfd: u64,
}

const VM: u64 = libc::CLONE_VM as u64;
const VFORK: u64 = libc::CLONE_VFORK as u64;
const THREAD: u64 = libc::CLONE_THREAD as u64;
const SIGHAND: u64 = libc::CLONE_SIGHAND as u64;
const SETTLS: u64 = libc::CLONE_SETTLS as u64;
const PARENT_SETTID: u64 = libc::CLONE_PARENT_SETTID as u64;
const CHILD_SETTID: u64 = libc::CLONE_CHILD_SETTID as u64;
const CHILD_CLEARTID: u64 = libc::CLONE_CHILD_CLEARTID as u64;
const PIDFD: u64 = libc::CLONE_PIDFD as u64;

/// Namespaces and the like, which a new process takes from the host.
const PASSED_ON: u64 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_IO
    | libc::CLONE_PARENT
    | libc::CLONE_FS
    | libc::CLONE_FILES) as u32 as u64;

/// Makes a thread or a process.
pub fn clone(t: &mut Task, a: CloneArgs) -> Result<u64, Errno> {
    let f = a.flags;
    if f & SIGHAND != 0 && f & VM == 0 || f & THREAD != 0 && f & SIGHAND == 0 {
        return Err(Errno::EINVAL);
    }
    if f & THREAD != 0 {
        return thread(t, a);
    }
    if f & libc::CLONE_FILES as u64 != 0 {
        // Each opens for the other.
        t.process.numbers.expect();
    }
    if f & VM != 0 && f & VFORK == 0 {
        return beside(t, a);
    }
    if f & VM != 0 {
        return vfork(t, a);
    }
    fork(t, a)
}

/// Registers of the child: result 0, its stack and thread pointer.
fn child_registers(child: &mut Task, a: &CloneArgs) {
    let port = child.port;
    port.set_result(&mut child.vcpu, Ok(0));
    if a.sp != 0 {
        port.set_sp(&mut child.vcpu, a.sp);
    }
    if a.flags & SETTLS != 0 {
        port.set_tls(&mut child.vcpu, a.tls);
    }
    child.clear_child_tid = if a.flags & CHILD_CLEARTID != 0 {
        a.child_tid
    } else {
        0
    };
}

fn store_tid(t: &Task, va: u64, tid: u64) {
    // As in the kernel: a bad address is not an error here.
    let _ = t.put_bytes(GuestVa(va), &tid_bytes(t, tid));
}

fn tid_bytes(t: &Task, tid: u64) -> [u8; 4] {
    match t.abi.endian {
        tcg_mem::Endian::Little => (tid as u32).to_le_bytes(),
        tcg_mem::Endian::Big => (tid as u32).to_be_bytes(),
    }
}

/// A thread: a host thread with its own virtual CPU on the same engine.
fn thread(t: &mut Task, a: CloneArgs) -> Result<u64, Errno> {
    t.process.engine.set_parallel();
    t.process.space.set_threads();
    let mut child = t.sibling(Arc::clone(&t.process))?;
    child_registers(&mut child, &a);
    child.is_leader = false;
    let handlers = sys::HandlerStack::new()?;
    let (report, tid) = mpsc::channel();
    // The child starts with all signals blocked, until it knows who it is.
    let mask = sys::block_all_signals();
    let spawned = std::thread::Builder::new()
        .stack_size(THREAD_STACK)
        .spawn(move || {
            let tid = sys::gettid();
            child.tid = tid as u32;
            if a.flags & CHILD_SETTID != 0 {
                store_tid(&child, a.child_tid, tid);
            }
            if a.flags & PARENT_SETTID != 0 {
                store_tid(&child, a.parent_tid, tid);
            }
            let _stack = handlers.enter();
            let _ = report.send(tid);
            drop(report);
            sys::restore_signals(&mask);
            crate::run::thread_main(&mut child);
        });
    let result = match spawned {
        Ok(_) => tid.recv().map_err(|_| Errno::EAGAIN),
        Err(_) => Err(Errno::EAGAIN),
    };
    sys::restore_signals(&mask);
    result
}

/// Host stack of a guest thread: the translator and the system calls need no more.
const THREAD_STACK: usize = 1 << 20;

/// A child process with a copy of the memory.
fn fork(t: &mut Task, a: CloneArgs) -> Result<u64, Errno> {
    let mut passed = a.flags & (PASSED_ON | PIDFD) | u64::from(a.exit_signal);
    // The descriptor can be had afterwards, and then the C library forks: other threads may hold its locks.
    if passed == PIDFD | libc::SIGCHLD as u64 {
        passed &= !PIDFD;
    }
    let mut pidfd = -1i32;
    // Nobody may hold the locks of shared structures at the moment of the fork.
    let process = Arc::clone(&t.process);
    let actions = process.actions.guard();
    let dirs = process.dirs.hold();
    let limits = process.limits.lock().unwrap_or_else(|e| e.into_inner());
    let segments = crate::syscall::hold_segments();
    let contexts = crate::syscall::hold_contexts();
    process.engine.before_fork();
    let space = process.space.hold();
    let result = sys::fork(passed, &mut pidfd);
    drop(space);
    match result {
        Ok(0) => process.engine.after_fork_child(),
        _ => process.engine.after_fork_parent(),
    }
    drop((contexts, segments, limits, dirs, actions));
    match result? {
        0 => {
            t.tid = sys::gettid() as u32;
            t.is_leader = true;
            if let Some(d) = process.debug.get() {
                d.forked_child(t);
            }
            t.counters = process.stats.get().map(|s| s.forked_child());
            process.engine.forked_child();
            process.space.settle_after_fork();
            crate::syscall::forget_contexts();
            child_registers(t, &a);
            if a.flags & CHILD_SETTID != 0 {
                store_tid(t, a.child_tid, sys::gettid());
            }
            Ok(0)
        }
        pid => {
            parent_stores(t, &a, pid, pidfd);
            Ok(pid)
        }
    }
}

/// `pidfd` is -1 if the descriptor is still to be made.
fn parent_stores(t: &Task, a: &CloneArgs, pid: u64, mut pidfd: i32) {
    if a.flags & PARENT_SETTID != 0 {
        store_tid(t, a.parent_tid, pid);
    }
    if a.flags & PIDFD != 0 {
        if pidfd < 0 {
            pidfd = sys::call(libc::SYS_pidfd_open, [pid, 0]).map_or(-1, |fd| fd as i32);
        }
        store_tid(t, a.pidfd, u64::from(pidfd as u32));
    }
}

/// A child that shares the memory while this thread waits for its execve or exit. It is a real shared-memory
/// child: posix_spawn reports a failed execve through memory.
fn vfork(t: &mut Task, a: CloneArgs) -> Result<u64, Errno> {
    let mut child = t.sibling(Arc::new(t.process.for_vfork()))?;
    // The alternate stack stays, too, until the child is on its own. [Linux kernel/fork.c]
    child.signals = t.signals.for_child(false);
    child_registers(&mut child, &a);
    child.is_leader = true;
    let passed = a.flags & PASSED_ON | VM | VFORK | u64::from(a.exit_signal);
    let parked = crate::signal::park();
    let mask = parked.mask();
    // The task stays this thread's: a child that executes never comes back to drop it.
    let child = &mut child;
    let pid = sys::vfork(passed, || {
        crate::signal::enter_vfork_child(child, mask);
        start_leader(child, &a);
    })?;
    parent_stores(t, &a, pid, -1);
    Ok(pid)
}

/// The first and only thread of a process that shares its memory with another.
fn start_leader(child: &mut Task, a: &CloneArgs) {
    child.tid = sys::gettid() as u32;
    if a.flags & CHILD_SETTID != 0 {
        store_tid(child, a.child_tid, sys::gettid());
    }
    crate::run::thread_main(child);
}

/// A process that shares the memory and runs on beside its parent. The emulator's own code needs thread-local storage of
/// its own for it: a host thread lends its, and waits in the kernel, as in vfork, until the process executes or ends.
///
/// DEVIATES: that thread shows in the parent's /proc/PID/task.
fn beside(t: &mut Task, a: CloneArgs) -> Result<u64, Errno> {
    t.process.engine.set_parallel();
    t.process.space.set_threads();
    let process = match a.flags & SIGHAND {
        0 => Arc::new(t.process.for_vfork()),
        _ => Arc::clone(&t.process),
    };
    let mut child = t.sibling(process)?;
    child_registers(&mut child, &a);
    child.is_leader = true;
    let handlers = sys::HandlerStack::new()?;
    let passed = a.flags & (PASSED_ON | SIGHAND) | VM | VFORK | u64::from(a.exit_signal);
    let (report, answer) = mpsc::channel();
    let mask = sys::block_all_signals();
    let spawned = std::thread::Builder::new()
        .stack_size(THREAD_STACK)
        .spawn(move || {
            let _stack = handlers.enter();
            let started = report.clone();
            let child = &mut child;
            let made = sys::vfork(passed, || {
                let _ = started.send(Ok(sys::gettid()));
                crate::signal::enter_vfork_child(child, mask);
                start_leader(child, &a);
            });
            if let Err(e) = made {
                let _ = report.send(Err(e));
            }
        });
    let result = match spawned {
        Ok(_) => answer.recv().unwrap_or(Err(Errno::EAGAIN)),
        Err(_) => Err(Errno::EAGAIN),
    };
    sys::restore_signals(&mask);
    let pid = result?;
    parent_stores(t, &a, pid, -1);
    Ok(pid)
}

/// The end of one thread: its robust futexes, its "clear child tid" word, its host thread.
pub fn exit_thread(t: &mut Task, status: i32) {
    crate::stats::finish_thread(t);
    crate::syscall::futex::release_robust_list(t);
    if t.clear_child_tid != 0 {
        let va = GuestVa(std::mem::take(&mut t.clear_child_tid));
        if t.put_bytes(va, &[0; 4]).is_ok() {
            crate::syscall::futex::wake_all(t, va);
        }
    }
    if t.is_leader {
        // Other threads may live on: the host's leader waits for them in the same way as the guest's.
        sys::exit_thread(status);
    }
}

/// The end of the process.
pub fn end(t: &mut Task, status: i32) -> ! {
    if let Some(d) = t.process.debug.get().cloned() {
        d.exited(t, status);
    }
    if let Some(keep) = &t.process.keep {
        keep.finish(&t.process.engine);
    }
    crate::stats::finish(t);
    sys::exit_group(status)
}
