//! The machine: names, memory figures, random numbers, processor number, logs, quotas, keys and modules.

use super::SysResult;
use super::args::{Out, Path, Ptr};
use crate::abi::{Long, ULong};
use crate::errno::Errno;
use crate::rows;
use crate::sys::{addr_mut, blocking, call, zeroed};
use crate::task::Task;
use crate::uapi::system::{Sysinfo, Utsname};

rows! { SYSTEM:
    uname(out: Out<Utsname>) = Full;
    sethostname(name: Ptr, len: i32) = Full;
    setdomainname(name: Ptr, len: i32) = Full;
    sysinfo(out: Out<Sysinfo>) = Full;
    getrandom(buf: Ptr, count: u64, flags: u32) = Full;
    getcpu(cpu: Out<u32>, node: Out<u32>) = Full;
    syslog(kind: i32, buf: Ptr, len: i32) = Full;
    reboot(magic: u32, magic2: u32, command: u32, text: Ptr) = Full;
    vhangup() = Full;
    delete_module(name: Path, flags: u32) = Full;
    add_key(kind: Path, description: Path, payload: Ptr, len: u64, ring: i32) = Full;
    request_key(kind: Path, description: Path, info: Ptr, ring: i32) = Full;
}

fn field(text: &[u8]) -> [u8; 65] {
    let mut out = [0u8; 65];
    out.iter_mut()
        .zip(text.iter().take(64))
        .for_each(|(to, from)| *to = *from);
    out
}

fn uname(t: &mut Task, out: Out<Utsname>) -> SysResult {
    let mut host = [[0u8; 65]; 6];
    call(libc::SYS_uname, [addr_mut(&mut host)])?;
    let [sysname, nodename, release, version, _, domainname] = host;
    let config = &t.process.config;
    let release = config.release.as_ref().map_or(release, |r| field(r));
    let machine = field(config.machine.as_bytes());
    out.put(
        t,
        &Utsname {
            sysname,
            nodename,
            release,
            version,
            machine,
            domainname,
        },
    )?;
    Ok(0)
}

fn set_name(t: &Task, nr: i64, name: Ptr, len: i32) -> SysResult {
    let len = u64::try_from(len).map_err(|_| Errno::EINVAL)?;
    call(nr, [t.host_in(name.0, len)?, len])
}

fn sethostname(t: &mut Task, name: Ptr, len: i32) -> SysResult {
    set_name(t, libc::SYS_sethostname, name, len)
}

fn setdomainname(t: &mut Task, name: Ptr, len: i32) -> SysResult {
    set_name(t, libc::SYS_setdomainname, name, len)
}

fn sysinfo(t: &mut Task, out: Out<Sysinfo>) -> SysResult {
    let mut h: libc::sysinfo = zeroed();
    call(libc::SYS_sysinfo, [addr_mut(&mut h)])?;
    let mut unit = u64::from(h.mem_unit.max(1));
    let mut sizes = [
        h.totalram,
        h.freeram,
        h.sharedram,
        h.bufferram,
        h.totalswap,
        h.freeswap,
        h.totalhigh,
        h.freehigh,
    ];
    // As the kernel does for a 32-bit caller: a larger unit until the totals fit.
    if !t.abi.is_64() {
        let big = |s: &[u64; 8]| s[0].max(s[4]) > u64::from(u32::MAX);
        if big(&sizes) {
            let mut shift = 0;
            while unit < 4096 || big(&sizes.map(|s| s >> shift)) {
                (unit, shift) = (unit << 1, shift + 1);
            }
            sizes = sizes.map(|s| s >> shift);
        }
    }
    let [
        totalram,
        freeram,
        sharedram,
        bufferram,
        totalswap,
        freeswap,
        totalhigh,
        freehigh,
    ] = sizes.map(ULong);
    #[allow(clippy::unnecessary_cast, reason = "unsigned with musl")]
    let uptime = h.uptime as i64;
    let v = Sysinfo {
        uptime: Long(uptime),
        loads: h.loads.map(ULong),
        totalram,
        freeram,
        sharedram,
        bufferram,
        totalswap,
        freeswap,
        procs: h.procs,
        pad: 0,
        totalhigh,
        freehigh,
        unit: unit as u32,
    };
    out.put(t, &v)?;
    Ok(0)
}

fn getrandom(t: &mut Task, buf: Ptr, count: u64, flags: u32) -> SysResult {
    let to = t.host_out(buf.0, count)?;
    blocking(t, libc::SYS_getrandom, [to, count, flags.into(), 0, 0, 0]).map_err(Errno::restart)
}

fn getcpu(t: &mut Task, cpu: Out<u32>, node: Out<u32>) -> SysResult {
    let mut host = [0u32; 2];
    let [c, n] = &mut host;
    call(libc::SYS_getcpu, [addr_mut(c), addr_mut(n), 0])?;
    cpu.put_opt(t, &host[0])?;
    node.put_opt(t, &host[1])?;
    Ok(0)
}

fn syslog(t: &mut Task, kind: i32, buf: Ptr, len: i32) -> SysResult {
    let room = u64::try_from(len).map_err(|_| Errno::EINVAL)?;
    let to = t.host_out_opt(buf.0, room)?;
    blocking(t, libc::SYS_syslog, [kind as u64, to, room, 0, 0, 0]).map_err(Errno::restart)
}

fn reboot(t: &mut Task, magic: u32, magic2: u32, command: u32, text: Ptr) -> SysResult {
    call(
        libc::SYS_reboot,
        [
            magic.into(),
            magic2.into(),
            command.into(),
            t.host_in_opt(text.0, 1)?,
        ],
    )
}

fn vhangup(_: &mut Task) -> SysResult {
    call(libc::SYS_vhangup, [])
}

fn delete_module(_: &mut Task, name: Path, flags: u32) -> SysResult {
    call(
        libc::SYS_delete_module,
        [name.0.as_ptr() as u64, flags.into()],
    )
}

fn add_key(
    t: &mut Task,
    kind: Path,
    description: Path,
    payload: Ptr,
    len: u64,
    ring: i32,
) -> SysResult {
    let from = t.host_in_opt(payload.0, len)?;
    let args = [
        kind.0.as_ptr() as u64,
        description.0.as_ptr() as u64,
        from,
        len,
        ring as u64,
    ];
    call(libc::SYS_add_key, args)
}

fn request_key(t: &mut Task, kind: Path, description: Path, info: Ptr, ring: i32) -> SysResult {
    let from = t.host_in_opt(info.0, 1)?;
    call(
        libc::SYS_request_key,
        [
            kind.0.as_ptr() as u64,
            description.0.as_ptr() as u64,
            from,
            ring as u64,
        ],
    )
}
