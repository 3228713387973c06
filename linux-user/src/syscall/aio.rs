//! Linux AIO: contexts, submission, completion. [man7 io_setup, io_submit, io_getevents]
//!
//! The guest's requests are copied: their buffers are addresses of the guest's, and the kernel names a finished request by
//! the address it was submitted from. A context's id is the address of an empty page, as the kernel's is that of its ring,
//! so that libraries that look for the ring's events by themselves find that there is no ring.

use super::SysResult;
use super::args::{In, Out, Ptr, SLong};
use crate::abi::{Endian, ULong};
use crate::errno::Errno;
use crate::layout;
use crate::rows;
use crate::sys::{addr, addr_mut, blocking, call};
use crate::task::Task;
use crate::uapi::time::{HostTime, Timespec, Timespec64};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tcg_mem::{GuestVa, PAGE};
use tcg_uspace::{MapRequest, Prot};

rows! { AIO:
    io_setup(count: u32, context: Out<ULong>) = Full;
    io_destroy(context: Ptr) = Full;
    io_submit(context: Ptr, count: SLong, requests: Ptr) = Full;
    io_cancel(context: Ptr, request: Ptr, event: Ptr) = Full;
    io_getevents(context: Ptr, least: SLong, most: SLong, events: Ptr, timeout: In<Timespec>) = Full;
    io_pgetevents(context: Ptr, least: SLong, most: SLong, events: Ptr, timeout: In<Timespec>, mask: In<AioMask>) = Full;
    io_pgetevents_time64(context: Ptr, least: SLong, most: SLong, events: Ptr, timeout: In<Timespec64>, mask: In<AioMask>) = Full;
}

layout! {
    /// `struct iocb` without its second and third word, whose order depends on the byte order.
    pub struct Iocb {
        data: u64, words: [u32; 2], opcode: u16, priority: i16, fd: u32, buf: u64, bytes: u64, offset: i64, reserved: u64,
        flags: u32, result_fd: u32
    }

    /// `struct io_event`.
    pub struct IoEvent { data: u64, request: u64, result: i64, result2: i64 }

    /// `struct __aio_sigset`.
    pub struct AioMask { mask: ULong, size: ULong }
}

const PREAD: u16 = 0;
const PWRITE: u16 = 1;
const PREADV: u16 = 7;
const PWRITEV: u16 = 8;

const SYS_IO_PGETEVENTS: i64 = 333;

/// `struct iocb` and `struct io_event` on the host.
type HostRequest = [u64; 8];
type HostEvent = [u64; 4];

/// A request that was submitted.
struct Pending {
    /// The kernel's view; its address names it.
    host: Box<HostRequest>,
    /// The guest's `struct iocb` and its `aio_data`.
    va: u64,
    data: u64,
}

#[derive(Default)]
struct Context {
    host: u64,
    pending: HashMap<u64, Pending>,
}

static CONTEXTS: Mutex<Option<HashMap<u64, Context>>> = Mutex::new(None);

fn contexts() -> MutexGuard<'static, Option<HashMap<u64, Context>>> {
    CONTEXTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps the contexts still while the process forks.
pub fn hold_contexts() -> impl Drop {
    contexts()
}

/// In the child of a fork: contexts are not inherited.
pub fn forget_contexts() {
    *contexts() = None;
}

fn host_context(id: Ptr) -> Result<u64, Errno> {
    let all = contexts();
    let found = all.as_ref().and_then(|c| c.get(&id.0.0));
    found.map(|c| c.host).ok_or(Errno::EINVAL)
}

fn io_setup(t: &mut Task, count: u32, context: Out<ULong>) -> SysResult {
    if t.get::<ULong>(context.va())?.0 != 0 {
        return Err(Errno::EINVAL);
    }
    let mut host = 0u64;
    call(libc::SYS_io_setup, [count.into(), addr_mut(&mut host)])?;
    let page = MapRequest {
        addr: 0,
        len: PAGE,
        prot: Prot::R,
        flags: libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
        file: None,
    };
    let id = match t.process.space.mmap(&page) {
        Ok(id) => id,
        Err(e) => {
            call(libc::SYS_io_destroy, [host])?;
            return Err(e.into());
        }
    };
    let new = Context {
        host,
        pending: HashMap::new(),
    };
    contexts().get_or_insert_default().insert(id.0, new);
    context.put(t, &ULong(id.0))?;
    Ok(0)
}

fn io_destroy(t: &mut Task, context: Ptr) -> SysResult {
    let gone = contexts()
        .as_mut()
        .and_then(|c| c.remove(&context.0.0))
        .ok_or(Errno::EINVAL)?;
    // Waits for the requests that cannot be cancelled; their memory is ours until then.
    let result = call(libc::SYS_io_destroy, [gone.host]);
    t.process.space.munmap(context.0, PAGE)?;
    result
}

/// The host's form of a request: key and flags in the host's order, its buffer as the host's kernel sees it. Vectors are
/// read when it is submitted, so the copy is needed until then only.
fn translate(t: &Task, v: &Iocb) -> Result<(HostRequest, Vec<libc::iovec>), Errno> {
    let mut vector = Vec::new();
    let (mut buf, mut bytes) = (v.buf, v.bytes);
    match v.opcode {
        PREAD => buf = t.host_out(GuestVa(buf), bytes)?,
        PWRITE => buf = t.host_in(GuestVa(buf), bytes)?,
        PREADV | PWRITEV => {
            vector = t.iovec(GuestVa(buf), bytes, v.opcode == PREADV)?;
            (buf, bytes) = (vector.as_ptr() as u64, vector.len() as u64);
        }
        _ => {}
    }
    let rw_flags = match t.abi.endian {
        Endian::Little => v.words[1],
        Endian::Big => v.words[0],
    };
    let kind = u64::from(v.opcode) | u64::from(v.priority as u16) << 16 | u64::from(v.fd) << 32;
    let flags = u64::from(v.flags) | u64::from(v.result_fd) << 32;
    let key_and_flags = u64::from(rw_flags) << 32;
    let host = [
        0,
        key_and_flags,
        kind,
        buf,
        bytes,
        v.offset as u64,
        v.reserved,
        flags,
    ];
    Ok((host, vector))
}

fn submit_one(t: &mut Task, context: Ptr, va: GuestVa) -> Result<(), Errno> {
    let v: Iocb = t.get(va)?;
    // The kernel fills in the key.
    let key_at = match t.abi.endian {
        Endian::Little => 8,
        Endian::Big => 12,
    };
    t.put(GuestVa(va.0 + key_at), &0u32)?;
    let (host, _vector) = translate(t, &v)?;
    let mut host = Box::new(host);
    let key = addr(&*host);
    host[0] = key;
    let context_of_host = host_context(context)?;
    let pending = Pending {
        host,
        va: va.0,
        data: v.data,
    };
    let remember = |p: Pending| {
        let mut all = contexts();
        let found = all.as_mut().and_then(|c| c.get_mut(&context.0.0));
        found.map(|c| c.pending.insert(key, p))
    };
    remember(pending).ok_or(Errno::EINVAL)?;
    let list = [key];
    let result = call(libc::SYS_io_submit, [context_of_host, 1, addr(&list)]);
    if result != Ok(1) {
        take(context, key);
    }
    match result? {
        1 => Ok(()),
        _ => Err(Errno::EAGAIN),
    }
}

fn take(context: Ptr, key: u64) -> Option<Pending> {
    let mut all = contexts();
    all.as_mut()?.get_mut(&context.0.0)?.pending.remove(&key)
}

fn io_submit(t: &mut Task, context: Ptr, count: SLong, requests: Ptr) -> SysResult {
    host_context(context)?;
    let count = u64::try_from(count.0).map_err(|_| Errno::EINVAL)?;
    let word = t.abi.word as u64;
    for i in 0..count {
        let one = t
            .get::<ULong>(GuestVa(requests.0.0.wrapping_add(i * word)))
            .and_then(|p| submit_one(t, context, GuestVa(p.0)));
        if let Err(e) = one {
            return if i == 0 { Err(e) } else { Ok(i) };
        }
    }
    Ok(count)
}

fn io_cancel(t: &mut Task, context: Ptr, request: Ptr, event: Ptr) -> SysResult {
    let host = host_context(context)?;
    let key = {
        let all = contexts();
        let found = all.as_ref().and_then(|c| c.get(&context.0.0));
        let hit = found.and_then(|c| c.pending.iter().find(|(_, p)| p.va == request.0.0));
        hit.map(|(_, p)| addr(&*p.host)).ok_or(Errno::EINVAL)?
    };
    let mut result: HostEvent = [0; 4];
    let answer = call(libc::SYS_io_cancel, [host, key, addr_mut(&mut result)]);
    if answer.is_ok() && event.0.0 != 0 {
        put_event(t, context, &result, event.0)?;
    }
    answer
}

/// An event with the guest's names for its request.
fn put_event(t: &Task, context: Ptr, event: &HostEvent, va: GuestVa) -> Result<(), Errno> {
    let [key, _, result, result2] = *event;
    let (request, data) = take(context, key).map_or((0, 0), |p| (p.va, p.data));
    let (result, result2) = (result as i64, result2 as i64);
    t.put(
        va,
        &IoEvent {
            data,
            request,
            result,
            result2,
        },
    )
}

/// Where events go: context, how many at least and at most, the array.
type Wanted = (Ptr, i64, i64, Ptr);

fn events(
    t: &mut Task,
    wanted: Wanted,
    time: Option<libc::timespec>,
    mask: Option<u64>,
) -> SysResult {
    /// More are not asked for at once.
    const MOST: i64 = 1 << 12;
    const EVENT: u64 = 32;
    let (context, least, most, to) = wanted;
    let host = host_context(context)?;
    if least < 0 || most < least {
        return Err(Errno::EINVAL);
    }
    let (least, most) = (least.min(MOST), most.min(MOST));
    let mut list: Vec<HostEvent> = vec![[0; 4]; most as usize];
    let mut time = time;
    let time = time.as_mut().map_or(0, addr_mut);
    let sigset = mask.as_ref().map(|m| [addr(m), 8]);
    let args = [
        host,
        least as u64,
        most as u64,
        list.as_mut_ptr() as u64,
        time,
        sigset.as_ref().map_or(0, addr),
    ];
    let got = t.with_mask(mask, |t| blocking(t, SYS_IO_PGETEVENTS, args))?;
    for (i, event) in list.iter().take(got as usize).enumerate() {
        put_event(
            t,
            context,
            event,
            GuestVa(to.0.0.wrapping_add(i as u64 * EVENT)),
        )?;
    }
    Ok(got)
}

fn io_getevents(
    t: &mut Task,
    context: Ptr,
    least: SLong,
    most: SLong,
    to: Ptr,
    timeout: In<Timespec>,
) -> SysResult {
    let time = timeout.opt(t)?.map(|v| v.to_host());
    events(t, (context, least.0, most.0, to), time, None)
}

fn signal_mask(t: &Task, mask: In<AioMask>) -> Result<Option<u64>, Errno> {
    match mask.opt(t)? {
        Some(v) => t.signal_mask(GuestVa(v.mask.0), v.size.0),
        None => Ok(None),
    }
}

fn io_pgetevents(
    t: &mut Task,
    context: Ptr,
    least: SLong,
    most: SLong,
    to: Ptr,
    timeout: In<Timespec>,
    mask: In<AioMask>,
) -> SysResult {
    let time = timeout.opt(t)?.map(|v| v.to_host());
    let mask = signal_mask(t, mask)?;
    events(t, (context, least.0, most.0, to), time, mask)
}

fn io_pgetevents_time64(
    t: &mut Task,
    context: Ptr,
    least: SLong,
    most: SLong,
    to: Ptr,
    timeout: In<Timespec64>,
    mask: In<AioMask>,
) -> SysResult {
    let time = timeout.opt(t)?.map(|v| v.to_host());
    let mask = signal_mask(t, mask)?;
    events(t, (context, least.0, most.0, to), time, mask)
}
