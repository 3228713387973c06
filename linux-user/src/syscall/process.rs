//! Processes and threads: clone, fork, vfork, execve, exit, wait, ids, prctl, resource limits.

use super::SysResult;
use super::args::{DirFd, Hex, Path, Ptr};
use crate::abi::Layout;
use crate::errno::Errno;
use crate::exec::{self, Place, Request};
use crate::process::{self, CloneArgs};
use crate::rows;
use crate::signal::SigInfo;
use crate::sys;
use crate::task::Task;
use std::ffi::CString;
use tcg_mem::GuestVa;

rows! { PROCESS:
    exit(status: i32) = Full;
    exit_group(status: i32) = Full;
    fork() = Full;
    vfork() = Full;
    clone(flags: Hex, sp: Ptr, parent_tid: Ptr, tls: Ptr, child_tid: Ptr) = Full;
    clone3(args: Ptr, size: Hex) = Partial;
    execve(path: Path, argv: Ptr, envp: Ptr) = Full;
    execveat(dir: DirFd, path: Path, argv: Ptr, envp: Ptr, flags: i32) = Full;
    wait4(pid: i32, status: Ptr, options: i32, usage: Ptr) = Full;
    waitid(which: i32, id: i32, info: Ptr, options: i32, usage: Ptr) = Full;
    set_tid_address(tid: Ptr) = Full;
    gettid() = Full;
    getpid() = Full;
    getppid() = Full;
    getpgrp() = Full;
    getpgid(pid: i32) = Full;
    setpgid(pid: i32, pgid: i32) = Full;
    getsid(pid: i32) = Full;
    setsid() = Full;
    sched_yield() = Full;
    set_thread_area(tls: Ptr) = Full;
    set_tls(tls: Ptr) = Full;
    get_tls() = Full;
    cacheflush(start: Ptr, end: Ptr, flags: u32) = Full;
    getrlimit(resource: i32, limit: Ptr) = Full;
    ugetrlimit(resource: i32, limit: Ptr) = Full;
    setrlimit(resource: i32, limit: Ptr) = Full;
    prlimit64(pid: i32, resource: i32, new: Ptr, old: Ptr) = Full;
    getrusage(who: i32, usage: Ptr) = Full;
    prctl(option: i32, a2: Hex, a3: Hex, a4: Hex, a5: Hex) = Partial;
    getpriority(which: i32, who: i32) = Full;
    setpriority(which: i32, who: i32, prio: i32) = Full;
    personality(persona: u32) = Full;
    nice(inc: i32) = Full;
    sched_getaffinity(pid: i32, len: u32, mask: Ptr) = Full;
    sched_setaffinity(pid: i32, len: u32, mask: Ptr) = Full;
    sched_getparam(pid: i32, param: Ptr) = Full;
    sched_setparam(pid: i32, param: Ptr) = Full;
    sched_getscheduler(pid: i32) = Full;
    sched_setscheduler(pid: i32, policy: i32, param: Ptr) = Full;
    sched_get_priority_max(policy: i32) = Full;
    sched_get_priority_min(policy: i32) = Full;
    getcpu(cpu: Ptr, node: Ptr) = Full;
    pidfd_open(pid: i32, flags: u32) = Full;
    kcmp(a: i32, b: i32, what: i32, x: Hex, y: Hex) = Full;
    membarrier(cmd: i32, flags: u32, cpu: i32) = Full;
}

fn exit(t: &mut Task, status: i32) -> SysResult {
    t.exiting = Some(status);
    Err(Errno::KEEP_REGS)
}

fn exit_group(t: &mut Task, status: i32) -> SysResult {
    process::end(t, status)
}

fn fork(t: &mut Task) -> SysResult {
    process::clone(
        t,
        CloneArgs {
            exit_signal: libc::SIGCHLD as u32,
            ..CloneArgs::default()
        },
    )
}

fn vfork(t: &mut Task) -> SysResult {
    let flags = (libc::CLONE_VFORK | libc::CLONE_VM) as u64;
    process::clone(
        t,
        CloneArgs {
            flags,
            exit_signal: libc::SIGCHLD as u32,
            ..CloneArgs::default()
        },
    )
}

fn clone(
    t: &mut Task,
    flags: Hex,
    sp: Ptr,
    parent_tid: Ptr,
    tls: Ptr,
    child_tid: Ptr,
) -> SysResult {
    let a = CloneArgs {
        flags: flags.0 & !0xff,
        exit_signal: flags.0 as u32 & 0xff,
        sp: sp.0.0,
        parent_tid: parent_tid.0.0,
        child_tid: child_tid.0.0,
        tls: tls.0.0,
        pidfd: parent_tid.0.0,
    };
    process::clone(t, a)
}

/// struct clone_args: 64-bit members in every ABI.
fn clone3(t: &mut Task, args: Ptr, size: Hex) -> SysResult {
    if size.0 < 64 || size.0 > 4096 {
        return Err(if size.0 > 4096 {
            Errno::E2BIG
        } else {
            Errno::EINVAL
        });
    }
    let mut words = [0u64; 11];
    for (k, w) in words.iter_mut().enumerate().take((size.0 / 8) as usize) {
        *w = t
            .mem
            .load_u64(GuestVa(args.0.0 + 8 * k as u64), t.abi.endian)?;
    }
    let [
        flags,
        pidfd,
        child_tid,
        parent_tid,
        exit_signal,
        stack,
        stack_size,
        tls,
        set_tid,
        _,
        cgroup,
    ] = words;
    if set_tid != 0 || cgroup != 0 {
        t.unimplemented(format_args!("clone3 with set_tid or cgroup"));
        return Err(Errno::EINVAL);
    }
    let sp = if stack == 0 {
        0
    } else {
        stack.wrapping_add(stack_size)
    };
    let exit_signal = exit_signal as u32;
    process::clone(
        t,
        CloneArgs {
            flags,
            exit_signal,
            sp,
            parent_tid,
            child_tid,
            tls,
            pidfd,
        },
    )
}

/// A NULL-terminated array of strings.
fn strings(t: &Task, va: GuestVa) -> Result<Vec<CString>, Errno> {
    const MAX_STRING: usize = 128 << 10;
    let mut all = Vec::new();
    if va.0 == 0 {
        return Ok(all);
    }
    for k in 0.. {
        let at = GuestVa(va.0 + k * t.abi.word as u64);
        let p = t.mem.load(at, t.abi.word as u32, t.abi.endian)?;
        if p == 0 {
            break;
        }
        let bytes = t
            .mem
            .read_cstr(GuestVa(p), MAX_STRING)?
            .ok_or(Errno::E2BIG)?;
        all.push(CString::new(bytes).map_err(|_| Errno::EINVAL)?);
        if all.len() > 1 << 20 {
            return Err(Errno::E2BIG);
        }
    }
    Ok(all)
}

fn execve(t: &mut Task, path: Path, argv: Ptr, envp: Ptr) -> SysResult {
    let place = Place::at(t.host_path(&path).path().to_owned());
    execute(t, place, path, argv, envp)
}

fn execute(t: &mut Task, place: Place, path: Path, argv: Ptr, envp: Ptr) -> SysResult {
    let request = Request {
        place,
        argv: strings(t, argv.0)?,
        envp: strings(t, envp.0)?,
        path: path.0,
    };
    Err(exec::execute(t, request))
}

fn execveat(t: &mut Task, dir: DirFd, path: Path, argv: Ptr, envp: Ptr, flags: i32) -> SysResult {
    let at_dir = path.0.as_bytes().first() != Some(&b'/') && dir.0 != libc::AT_FDCWD;
    if flags & !(libc::AT_EMPTY_PATH | libc::AT_SYMLINK_NOFOLLOW) != 0 {
        return Err(Errno::EINVAL);
    }
    if !at_dir {
        let mut place = Place::at(t.host_path(&path).path().to_owned());
        place.flags = flags;
        return execute(t, place, path, argv, envp);
    }
    // As the kernel names a program that is executed by descriptor.
    let mut name = format!("/dev/fd/{}", dir.0).into_bytes();
    if path.0.as_bytes().is_empty() {
        if flags & libc::AT_EMPTY_PATH == 0 {
            return Err(Errno::ENOENT);
        }
    } else {
        name.push(b'/');
        name.extend_from_slice(path.0.as_bytes());
    }
    let name = Path(CString::new(name).map_err(|_| Errno::EINVAL)?);
    let place = Place {
        dir: dir.0,
        path: path.0,
        flags,
    };
    execute(t, place, name, argv, envp)
}

/// The host's struct rusage as longs: two timevals and 14 counters.
type HostUsage = [i64; 18];

fn put_usage(t: &Task, va: GuestVa, usage: &HostUsage) -> Result<(), Errno> {
    if va.0 == 0 {
        return Ok(());
    }
    let mut w = crate::abi::Writer::new(t.abi);
    for v in usage {
        w.uint(t.abi.word, *v as u64);
    }
    t.put_bytes(va, w.done())
}

fn wait4(t: &mut Task, pid: i32, status: Ptr, options: i32, usage: Ptr) -> SysResult {
    let mut host_status = 0i32;
    let mut host_usage: HostUsage = [0; 18];
    let args = [
        pid as u64,
        sys::addr_mut(&mut host_status),
        options as u64,
        sys::addr_mut(&mut host_usage),
        0,
        0,
    ];
    let got = sys::blocking(t, libc::SYS_wait4, args).map_err(Errno::restart)?;
    if got != 0 {
        if status.0.0 != 0 {
            t.put(status.0, &host_status)?;
        }
        put_usage(t, usage.0, &host_usage)?;
    }
    Ok(got)
}

fn waitid(t: &mut Task, which: i32, id: i32, info: Ptr, options: i32, usage: Ptr) -> SysResult {
    let mut raw = [0u8; 128];
    let mut host_usage: HostUsage = [0; 18];
    let args = [
        which as u64,
        id as u64,
        sys::addr_mut(&mut raw),
        options as u64,
        sys::addr_mut(&mut host_usage),
        0,
    ];
    let got = sys::blocking(t, libc::SYS_waitid, args).map_err(Errno::restart)?;
    if info.0.0 != 0 {
        t.put_siginfo(info.0, &SigInfo::from_host(&raw))?;
    }
    put_usage(t, usage.0, &host_usage)?;
    Ok(got)
}

fn set_tid_address(t: &mut Task, tid: Ptr) -> SysResult {
    t.clear_child_tid = tid.0.0;
    Ok(sys::gettid())
}

macro_rules! pass {
    ($($name:ident($($arg:ident: $ty:ty),*) = $nr:ident;)*) => {$(
        fn $name(_: &mut Task, $($arg: $ty),*) -> SysResult {
            sys::call(libc::$nr, [$($arg as i64 as u64,)* 0])
        }
    )*};
}

pass! {
    gettid() = SYS_gettid;
    getpid() = SYS_getpid;
    getppid() = SYS_getppid;
    getpgrp() = SYS_getpgrp;
    getpgid(pid: i32) = SYS_getpgid;
    setpgid(pid: i32, pgid: i32) = SYS_setpgid;
    getsid(pid: i32) = SYS_getsid;
    setsid() = SYS_setsid;
    sched_yield() = SYS_sched_yield;
    getpriority(which: i32, who: i32) = SYS_getpriority;
    setpriority(which: i32, who: i32, prio: i32) = SYS_setpriority;
    sched_getscheduler(pid: i32) = SYS_sched_getscheduler;
    sched_get_priority_max(policy: i32) = SYS_sched_get_priority_max;
    sched_get_priority_min(policy: i32) = SYS_sched_get_priority_min;
    pidfd_open(pid: i32, flags: u32) = SYS_pidfd_open;
    membarrier(cmd: i32, flags: u32, cpu: i32) = SYS_membarrier;
}

fn nice(_: &mut Task, inc: i32) -> SysResult {
    let now = 20 - sys::call(libc::SYS_getpriority, [0, 0])? as i64;
    let want = (now + i64::from(inc)).clamp(-20, 19);
    sys::call(libc::SYS_setpriority, [0, 0, want as u64])
}

fn kcmp(_: &mut Task, a: i32, b: i32, what: i32, x: Hex, y: Hex) -> SysResult {
    sys::call(libc::SYS_kcmp, [a as u64, b as u64, what as u64, x.0, y.0])
}

/// The persona of the emulator's host process is not the guest's; it is remembered and reported only. What programs
/// that are executed from here on have to know of it is whether addresses are random.
fn personality(t: &mut Task, persona: u32) -> SysResult {
    let old = t.personality;
    if persona != u32::MAX {
        t.personality = persona;
        sys::randomize_addresses(persona & libc::ADDR_NO_RANDOMIZE as u32 == 0);
    }
    Ok(u64::from(old))
}

fn set_thread_area(t: &mut Task, tls: Ptr) -> SysResult {
    let port = t.port;
    port.set_tls(&mut t.vcpu, tls.0.0);
    Ok(0)
}

fn set_tls(t: &mut Task, tls: Ptr) -> SysResult {
    set_thread_area(t, tls)
}

fn get_tls(t: &mut Task) -> SysResult {
    Ok(t.port.tls(&t.vcpu))
}

/// Translations follow writes by themselves; the call is a hint that needs no work.
fn cacheflush(_: &mut Task, start: Ptr, end: Ptr, flags: u32) -> SysResult {
    if end.0 < start.0 || flags != 0 {
        Err(Errno::EINVAL)
    } else {
        Ok(0)
    }
}

// ---- limits ----

/// RLIM_INFINITY as a word of the guest.
fn limit_out(t: &Task, v: u64) -> u64 {
    let max = if t.abi.is_64() { u64::MAX } else { 0xffff_ffff };
    v.min(max)
}

fn limit_in(t: &Task, v: u64) -> u64 {
    if !t.abi.is_64() && v == 0xffff_ffff {
        u64::MAX
    } else {
        v
    }
}

fn host_limits(pid: i32, resource: i32, new: Option<&[u64; 2]>) -> Result<[u64; 2], Errno> {
    let mut old = [0u64; 2];
    let new = new.map_or(0, sys::addr);
    sys::call(
        libc::SYS_prlimit64,
        [pid as u64, resource as u64, new, sys::addr_mut(&mut old)],
    )?;
    Ok(old)
}

fn limits(t: &mut Task, pid: i32, resource: i32, new: Option<[u64; 2]>) -> Result<[u64; 2], Errno> {
    let own = pid == 0 || pid as u32 == std::process::id();
    if !own || !crate::limits::is_kept(resource) {
        let old = host_limits(pid, resource, new.as_ref());
        if own && new.is_some() && resource == sys::RLIMIT_CORE {
            crate::signal::catch_cores(t);
        }
        return old;
    }
    let host = host_limits(0, resource, None)?;
    let process = std::sync::Arc::clone(&t.process);
    let mut kept = process.limits.lock().unwrap_or_else(|e| e.into_inner());
    let place = kept.entry(resource).or_insert(host);
    let old = *place;
    if let Some(new) = new {
        if new[0] > new[1] {
            return Err(Errno::EINVAL);
        }
        if new[1] > old[1] && sys::ids()[1] != 0 {
            return Err(Errno::EPERM);
        }
        *place = new;
        let get = |r: i32| kept.get(&r).map_or(u64::MAX, |l| l[0]);
        process
            .space
            .set_limits(get(sys::RLIMIT_AS), get(sys::RLIMIT_DATA));
        if resource == sys::RLIMIT_STACK {
            process.space.set_stack_limit(new[0]);
            if new[0] < 1 << 31 {
                process.space.grow_stack(new[0]);
            }
        }
    }
    Ok(old)
}

fn put_limits(t: &Task, va: GuestVa, l: [u64; 2]) -> SysResult {
    let mut w = crate::abi::Writer::new(t.abi);
    for v in l {
        w.uint(t.abi.word, limit_out(t, v));
    }
    t.put_bytes(va, w.done())?;
    Ok(0)
}

fn ugetrlimit(t: &mut Task, resource: i32, limit: Ptr) -> SysResult {
    let l = limits(t, 0, resource, None)?;
    put_limits(t, limit.0, l)
}

/// The old call: infinity is the largest signed number.
fn getrlimit(t: &mut Task, resource: i32, limit: Ptr) -> SysResult {
    let l = limits(t, 0, resource, None)?;
    let top = if t.abi.is_64() { u64::MAX } else { 0x7fff_ffff };
    put_limits(t, limit.0, l.map(|v| v.min(top)))
}

fn setrlimit(t: &mut Task, resource: i32, limit: Ptr) -> SysResult {
    let word = t.abi.word as u32;
    let soft = t.mem.load(limit.0, word, t.abi.endian)?;
    let hard = t
        .mem
        .load(GuestVa(limit.0.0 + u64::from(word)), word, t.abi.endian)?;
    let new = [limit_in(t, soft), limit_in(t, hard)];
    limits(t, 0, resource, Some(new))?;
    Ok(0)
}

fn prlimit64(t: &mut Task, pid: i32, resource: i32, new: Ptr, old: Ptr) -> SysResult {
    let new = match new.0.0 {
        0 => None,
        _ => Some([
            t.mem.load_u64(new.0, t.abi.endian)?,
            t.mem.load_u64(GuestVa(new.0.0 + 8), t.abi.endian)?,
        ]),
    };
    let l = limits(t, pid, resource, new)?;
    if old.0.0 != 0 {
        t.will_write(old.0, 16);
        t.mem.store_u64(old.0, t.abi.endian, l[0])?;
        t.mem.store_u64(GuestVa(old.0.0 + 8), t.abi.endian, l[1])?;
    }
    Ok(0)
}

fn getrusage(t: &mut Task, who: i32, usage: Ptr) -> SysResult {
    let mut host: HostUsage = [0; 18];
    sys::call(libc::SYS_getrusage, [who as u64, sys::addr_mut(&mut host)])?;
    put_usage(t, usage.0, &host)?;
    Ok(0)
}

// ---- prctl ----

fn prctl(t: &mut Task, option: i32, a2: Hex, a3: Hex, a4: Hex, a5: Hex) -> SysResult {
    const NAME_LEN: u64 = 16;
    match option {
        libc::PR_SET_NAME => {
            let mut name = [0u8; NAME_LEN as usize];
            let text = t.mem.read_cstr(GuestVa(a2.0), NAME_LEN as usize - 1)?;
            let text = match text {
                Some(text) => text,
                None => {
                    let mut cut = vec![0; NAME_LEN as usize - 1];
                    t.mem.read(GuestVa(a2.0), &mut cut)?;
                    cut
                }
            };
            name[..text.len()].copy_from_slice(&text);
            sys::call(libc::SYS_prctl, [option as u64, sys::addr(&name)])
        }
        libc::PR_GET_NAME => {
            let mut name = [0u8; NAME_LEN as usize];
            sys::call(libc::SYS_prctl, [option as u64, sys::addr_mut(&mut name)])?;
            t.put_bytes(GuestVa(a2.0), &name)?;
            Ok(0)
        }
        libc::PR_GET_PDEATHSIG | libc::PR_GET_CHILD_SUBREAPER => {
            let mut value = 0i32;
            sys::call(libc::SYS_prctl, [option as u64, sys::addr_mut(&mut value)])?;
            t.put(GuestVa(a2.0), &value)?;
            Ok(0)
        }
        // Numbers only: the host does it for this process.
        libc::PR_SET_PDEATHSIG
        | libc::PR_GET_DUMPABLE
        | libc::PR_SET_DUMPABLE
        | libc::PR_GET_KEEPCAPS
        | libc::PR_SET_KEEPCAPS
        | libc::PR_SET_CHILD_SUBREAPER
        | libc::PR_SET_NO_NEW_PRIVS
        | libc::PR_GET_NO_NEW_PRIVS
        | libc::PR_CAPBSET_READ
        | libc::PR_CAPBSET_DROP
        | libc::PR_GET_SECUREBITS
        | libc::PR_SET_SECUREBITS
        | libc::PR_CAP_AMBIENT
        | libc::PR_SET_TIMERSLACK
        | libc::PR_GET_TIMERSLACK
        | libc::PR_SET_THP_DISABLE
        | libc::PR_GET_THP_DISABLE
        | libc::PR_SET_PTRACER
        | libc::PR_GET_TID_ADDRESS => {
            sys::call(libc::SYS_prctl, [option as u64, a2.0, a3.0, a4.0, a5.0])
        }
        // Names a mapping for /proc; nothing depends on it.
        libc::PR_SET_VMA => Err(Errno::EINVAL),
        _ => {
            t.unimplemented(format_args!("prctl option {option}"));
            Err(Errno::EINVAL)
        }
    }
}

// ---- scheduling ----

/// CPU masks are arrays of longs; little-endian bytes are the same in both word sizes.
fn sched_getaffinity(t: &mut Task, pid: i32, len: u32, mask: Ptr) -> SysResult {
    if !(len as usize).is_multiple_of(t.abi.word) {
        return Err(Errno::EINVAL);
    }
    let mut host = [0u8; 1024];
    let got = sys::call(
        libc::SYS_sched_getaffinity,
        [pid as u64, host.len() as u64, sys::addr_mut(&mut host)],
    )?;
    let used = host
        .iter()
        .rposition(|&b| b != 0)
        .map_or(1, |p| p + 1)
        .next_multiple_of(t.abi.word);
    if (len as usize) < used {
        return Err(Errno::EINVAL);
    }
    let n = (got as usize)
        .min(len as usize)
        .next_multiple_of(t.abi.word)
        .min(len as usize);
    let mut out = host[..n].to_vec();
    if t.abi.endian == tcg_mem::Endian::Big {
        out.chunks_mut(t.abi.word).for_each(<[u8]>::reverse);
    }
    t.put_bytes(mask.0, &out)?;
    Ok(n as u64)
}

fn sched_setaffinity(t: &mut Task, pid: i32, len: u32, mask: Ptr) -> SysResult {
    let mut host = t.get_bytes(mask.0, u64::from(len).min(1024), 1024)?;
    if t.abi.endian == tcg_mem::Endian::Big {
        host.chunks_mut(t.abi.word).for_each(<[u8]>::reverse);
    }
    host.resize(host.len().next_multiple_of(8), 0);
    sys::call(
        libc::SYS_sched_setaffinity,
        [pid as u64, host.len() as u64, host.as_ptr() as u64],
    )
}

fn sched_getparam(t: &mut Task, pid: i32, param: Ptr) -> SysResult {
    let mut prio = 0i32;
    sys::call(
        libc::SYS_sched_getparam,
        [pid as u64, sys::addr_mut(&mut prio)],
    )?;
    t.put(param.0, &prio)?;
    Ok(0)
}

fn sched_setparam(t: &mut Task, pid: i32, param: Ptr) -> SysResult {
    let prio: i32 = t.get(param.0)?;
    sys::call(libc::SYS_sched_setparam, [pid as u64, sys::addr(&prio)])
}

fn sched_setscheduler(t: &mut Task, pid: i32, policy: i32, param: Ptr) -> SysResult {
    let prio: i32 = t.get(param.0)?;
    sys::call(
        libc::SYS_sched_setscheduler,
        [pid as u64, policy as u64, sys::addr(&prio)],
    )
}

fn getcpu(t: &mut Task, cpu: Ptr, node: Ptr) -> SysResult {
    let mut host = [0u32; 2];
    let at = sys::addr_mut(&mut host);
    sys::call(libc::SYS_getcpu, [at, at + 4, 0])?;
    for (p, v) in [cpu, node].into_iter().zip(host) {
        if p.0.0 != 0 {
            t.put(p.0, &v)?;
        }
    }
    Ok(0)
}

/// Keeps the trait in scope for `put` and `get` of plain integers.
const _: fn(&crate::abi::Abi) -> usize = <i32 as Layout>::size;
