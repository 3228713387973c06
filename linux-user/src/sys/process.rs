//! Raw process and thread calls: fork, vfork, exec, exit, signal masks, alternate stacks.

use super::{RLIMIT_CORE, addr, addr_mut, call, limit, raw, result};
use crate::errno::Errno;
use std::ffi::CString;
use std::fmt;
use std::sync::atomic::{AtomicI32, Ordering};

/// Real and effective user and group ids: uid, euid, gid, egid.
pub fn ids() -> [u32; 4] {
    [
        libc::SYS_getuid,
        libc::SYS_geteuid,
        libc::SYS_getgid,
        libc::SYS_getegid,
    ]
    .map(|nr| raw(nr, [0; 6]) as u32)
}

/// The calling thread's id.
pub fn gettid() -> u64 {
    raw(libc::SYS_gettid, [0; 6]) as u64
}

/// A signal mask as the kernel has it.
#[derive(Clone, Copy)]
pub struct HostMask(u64);

/// Blocks every signal, those that the C library keeps for itself included.
pub fn block_all_signals() -> HostMask {
    let all = u64::MAX;
    let mut old = 0u64;
    let args = [libc::SIG_SETMASK as u64, addr(&all), addr_mut(&mut old), 8];
    let _ = call(libc::SYS_rt_sigprocmask, args);
    HostMask(old)
}

/// Puts a mask back.
pub fn restore_signals(mask: &HostMask) {
    let _ = call(
        libc::SYS_rt_sigprocmask,
        [libc::SIG_SETMASK as u64, addr(&mask.0), 0, 8],
    );
}

/// Ends the calling thread alone.
pub fn exit_thread(status: i32) -> ! {
    loop {
        raw(libc::SYS_exit, [status as u64, 0, 0, 0, 0, 0]);
    }
}

/// Ends the process.
pub fn exit_group(status: i32) -> ! {
    loop {
        raw(libc::SYS_exit_group, [status as u64, 0, 0, 0, 0, 0]);
    }
}

/// Forks with these clone flags (exit signal in the low byte, CLONE_PIDFD and namespaces allowed).
pub fn fork(flags: u64, pidfd: &mut i32) -> Result<u64, Errno> {
    #[cfg(target_env = "musl")]
    let _heap = super::alloc::hold();
    if flags == libc::SIGCHLD as u64 {
        // SAFETY: the child has one thread and goes on in Rust; locks are held by this thread (see the caller),
        // the C library's own are handled by its fork.
        return match unsafe { libc::fork() } {
            -1 => Err(std::io::Error::last_os_error().into()),
            pid => Ok(pid as u64),
        };
    }
    // Without the C library's fork handlers: its locks are not held by anybody else as long as the guest has one
    // thread, and the child of a threaded guest that unshares namespaces only executes.
    let args = [flags, 0, addr_mut(pidfd), 0, 0, 0];
    result(raw(libc::SYS_clone, args))
}

/// The stack that a vfork child runs on.
const VFORK_STACK: usize = 1 << 20;

/// Makes a child that shares the memory and runs `body` on a stack of its own, while this thread waits until the
/// child executes or exits. `body` must not return to a caller: the process ends behind it.
pub fn vfork<F: FnOnce()>(flags: u64, body: F) -> Result<u64, Errno> {
    extern "C" fn start<F: FnOnce()>(arg: *mut libc::c_void) -> libc::c_int {
        // SAFETY: the argument is the Option below, which outlives the child's use of it: the parent waits.
        let body = unsafe { (*arg.cast::<Option<F>>()).take() };
        if let Some(body) = body {
            body();
        }
        exit_group(0)
    }
    let mut body = Some(body);
    let mut stack: Vec<u128> = Vec::with_capacity(VFORK_STACK / 16);
    // SAFETY: the stack is live until the child has left it, since the parent is suspended (CLONE_VFORK); the
    // child shares this thread's thread-local storage, which nobody else uses meanwhile.
    let pid = unsafe {
        let top = stack.as_mut_ptr().add(VFORK_STACK / 16);
        libc::clone(
            start::<F>,
            top.cast(),
            flags as libc::c_int,
            (&raw mut body).cast(),
        )
    };
    match pid {
        -1 => Err(std::io::Error::last_os_error().into()),
        pid => Ok(pid as u64),
    }
}

/// execveat with host strings; comes back only with an error.
pub fn execveat(place: &crate::exec::Place, argv: &[CString], envp: &[CString]) -> Errno {
    let (argv, envp) = (pointers(argv), pointers(envp));
    let args = [
        place.dir as u64,
        place.path.as_ptr() as u64,
        argv.as_ptr() as u64,
        envp.as_ptr() as u64,
        place.flags as u64,
        0,
    ];
    match result(raw(libc::SYS_execveat, args)) {
        Err(e) => e,
        Ok(_) => Errno::EINVAL,
    }
}

fn pointers(strings: &[CString]) -> Vec<u64> {
    strings
        .iter()
        .map(|s| s.as_ptr() as u64)
        .chain([0])
        .collect()
}

/// A stack for the emulator's signal handlers.
pub struct HandlerStack(Vec<u8>);

impl HandlerStack {
    const SIZE: usize = 64 << 10;

    /// Memory for one; EAGAIN if there is none.
    pub fn new() -> Result<HandlerStack, Errno> {
        let mut memory = Vec::new();
        memory
            .try_reserve_exact(Self::SIZE)
            .map_err(|_| Errno::EAGAIN)?;
        Ok(HandlerStack(memory))
    }

    /// The calling host thread uses it from now on, until the result is dropped, which has to happen in that thread.
    pub fn enter(mut self) -> EnteredStack {
        set_handler_stack(self.0.as_mut_ptr(), 0);
        EnteredStack(self)
    }
}

/// A thread's stack for handlers, while it is in use.
pub struct EnteredStack(#[allow(dead_code)] HandlerStack);

impl Drop for EnteredStack {
    fn drop(&mut self) {
        set_handler_stack(std::ptr::null_mut(), libc::SS_DISABLE);
    }
}

fn set_handler_stack(at: *mut u8, flags: i32) {
    let ss = libc::stack_t {
        ss_sp: at.cast(),
        ss_flags: flags,
        ss_size: HandlerStack::SIZE,
    };
    let _ = call(libc::SYS_sigaltstack, [addr(&ss), 0]);
}

/// Gives the calling host thread a stack for the emulator's signal handlers.
pub fn enter_thread() {
    if let Ok(stack) = HandlerStack::new() {
        std::mem::forget(stack.enter());
    }
}

/// Stops this process as a stop signal's default action would.
pub fn stop_self() {
    let _ = call(
        libc::SYS_kill,
        [u64::from(std::process::id()), libc::SIGSTOP as u64],
    );
}

/// Host addresses of the guest's things, each first and behind the last.
pub struct Places {
    /// The program.
    pub code: [u64; 2],
    /// Data.
    pub data: [u64; 2],
    /// The initial stack pointer.
    pub stack: u64,
    /// Argument strings.
    pub args: [u64; 2],
    /// Environment strings.
    pub env: [u64; 2],
}

/// Tells the kernel what it shows in /proc of this process; false if it does not take that. [man7 PR_SET_MM]
pub fn publish(p: &Places, auxv: &[u8]) -> bool {
    const PR_SET_MM: u64 = 35;
    const PR_SET_MM_MAP: u64 = 14;
    // The break is the emulator's own, and stays.
    let brk = raw(libc::SYS_brk, [0; 6]) as u64;
    let auxv_at = if auxv.is_empty() { 0 } else { addr(auxv) };
    let no_file = u64::from(u32::MAX) << 32;
    let map: [u64; 13] = [
        p.code[0],
        p.code[1],
        p.data[0],
        p.data[1],
        brk,
        brk,
        p.stack,
        p.args[0],
        p.args[1],
        p.env[0],
        p.env[1],
        auxv_at,
        auxv.len() as u64 | no_file,
    ];
    let size = size_of_val(&map) as u64;
    call(
        libc::SYS_prctl,
        [PR_SET_MM, PR_SET_MM_MAP, addr(&map), size, 0],
    )
    .is_ok()
}

/// Whether this process may have its addresses chosen at random.
pub fn randomizes_addresses() -> bool {
    let query = u64::from(u32::MAX);
    call(libc::SYS_personality, [query]).is_ok_and(|p| p & libc::ADDR_NO_RANDOMIZE as u64 == 0)
}

/// Passes on to programs that this process executes whether their addresses are chosen at random.
pub fn randomize_addresses(on: bool) {
    let query = u64::from(u32::MAX);
    if let Ok(now) = call(libc::SYS_personality, [query]) {
        let bit = libc::ADDR_NO_RANDOMIZE as u64;
        let new = if on { now & !bit } else { now | bit };
        let _ = call(libc::SYS_personality, [new]);
    }
}

/// Maps the first page of a file executable: perf notes such mappings.
pub fn map_executable(file: &std::fs::File) -> std::io::Result<()> {
    let fd = std::os::fd::AsRawFd::as_raw_fd(file);
    let prot = libc::PROT_READ | libc::PROT_EXEC;
    let args = [0, 4096, prot as u64, libc::MAP_PRIVATE as u64, fd as u64, 0];
    match call(libc::SYS_mmap, args) {
        Ok(_) => Ok(()),
        Err(e) => Err(std::io::Error::from_raw_os_error(e.0)),
    }
}

/// The monotonic clock in nanoseconds.
pub fn monotonic_ns() -> u64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    super::vdso_clock(libc::CLOCK_MONOTONIC, &mut now);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// Process, parent, process group and session of the caller, without the first.
pub fn family() -> [u64; 3] {
    [
        raw(libc::SYS_getppid, [0; 6]) as u64,
        raw(libc::SYS_getpgid, [0; 6]) as u64,
        raw(libc::SYS_getsid, [0; 6]) as u64,
    ]
}

/// The host is not to write a core of the emulator.
pub fn no_core_of_ours() {
    let hard = limit(RLIMIT_CORE, None).map_or(0, |l| l[1]);
    let _ = limit(RLIMIT_CORE, Some(&[0, hard]));
}

/// Kills this process.
pub fn kill_self() {
    let pid = u64::from(std::process::id());
    let _ = call(libc::SYS_kill, [pid, libc::SIGKILL as u64]);
}

/// Lets this thread have the signals of faults, its own among them, and no others.
pub fn open_fault_signals() {
    let faults = [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE];
    let mask = faults.iter().fold(u64::MAX, |m, s| m & !(1 << (s - 1)));
    restore_signals(&HostMask(mask));
}

/// What distinguishes a kick from a signal of the guest's: its address.
static KICK: u8 = 0;

/// The raw siginfo of a signal that was queued: number, errno, code, padding, pid and uid, value.
#[repr(C)]
struct Queued {
    signo: i32,
    errno: i32,
    code: i32,
    pad: i32,
    pid: i32,
    uid: u32,
    value: u64,
    rest: [u64; 12],
}

/// Makes another thread of this process come back from guest code or a waiting system call.
pub fn kick(tid: u32) {
    let pid = std::process::id();
    let info = Queued {
        signo: libc::SIGTRAP,
        errno: 0,
        code: libc::SI_QUEUE,
        pad: 0,
        pid: pid as i32,
        uid: 0,
        value: &raw const KICK as u64,
        rest: [0; 12],
    };
    let args = [pid.into(), tid.into(), libc::SIGTRAP as u64, addr(&info)];
    // The thread may have ended.
    let _ = call(libc::SYS_rt_tgsigqueueinfo, args);
}

/// Whether a signal is a [`kick`].
///
/// # Safety
/// `info` is what the kernel gave a signal handler.
pub unsafe fn is_kick(info: *const libc::siginfo_t) -> bool {
    // SAFETY: as promised; the structure has 128 bytes, as `Queued` has.
    let info = unsafe { &*info.cast::<Queued>() };
    info.signo == libc::SIGTRAP
        && info.code == libc::SI_QUEUE
        && info.value == &raw const KICK as u64
}

/// Fills `out` with random bytes, or with bytes that follow from the seed.
pub fn random(seed: Option<u64>, out: &mut [u8]) {
    match seed {
        None => {
            let _ = call(
                libc::SYS_getrandom,
                [out.as_mut_ptr() as u64, out.len() as u64, 0],
            );
        }
        Some(mut x) => {
            for byte in out {
                x = x
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                *byte = (x >> 56) as u8;
            }
        }
    }
}

/// Formats into a buffer without allocating; gives the length.
pub fn format_into(buf: &mut [u8], args: fmt::Arguments<'_>) -> usize {
    struct Out<'a>(&'a mut [u8], usize);
    impl fmt::Write for Out<'_> {
        fn write_str(&mut self, s: &str) -> fmt::Result {
            let n = s.len().min(self.0.len() - self.1);
            self.0[self.1..self.1 + n].copy_from_slice(&s.as_bytes()[..n]);
            self.1 += n;
            Ok(())
        }
    }
    let mut out = Out(buf, 0);
    let _ = fmt::write(&mut out, args);
    out.1
}

/// Descriptor of the emulator's own executable, for execution of guest programs by guest programs.
static EXEC_FD: AtomicI32 = AtomicI32::new(-1);

/// Remembers the inherited descriptor, or opens the executable while /proc is certainly there.
pub fn open_self(inherited: Option<i32>) {
    let fd = inherited.or_else(|| {
        let path = c"/proc/self/exe";
        let args = [
            libc::AT_FDCWD as u64,
            path.as_ptr() as u64,
            (libc::O_PATH | libc::O_CLOEXEC) as u64,
            0,
        ];
        call(libc::SYS_openat, args)
            .ok()
            .or_else(open_by_auxv)
            .map(|fd| fd as i32)
    });
    if let Some(fd) = fd {
        EXEC_FD.store(super::fd::out_of_the_way(fd), Ordering::Relaxed);
    }
}

/// Without /proc (a bare chroot): the path that this program was executed by. If binfmt_misc started it, that names the
/// guest's program instead, and the emulator need not even be in this root: so the file is compared with what runs.
fn open_by_auxv() -> Option<u64> {
    // SAFETY: getauxval has no preconditions; AT_EXECFN is a string on the initial stack, or 0.
    let path = unsafe { libc::getauxval(libc::AT_EXECFN) };
    if path == 0 {
        return None;
    }
    let flags = (libc::O_RDONLY | libc::O_CLOEXEC) as u64;
    let fd = call(libc::SYS_openat, [libc::AT_FDCWD as u64, path, flags]).ok()?;
    let file = take_fd(fd as i32);
    is_self(&file).then(|| std::os::fd::IntoRawFd::into_raw_fd(file) as u64)
}

/// Whether a file has the program headers of this process's executable.
fn is_self(file: &std::fs::File) -> bool {
    use std::os::unix::fs::FileExt;
    // SAFETY: AT_PHDR and AT_PHNUM describe the executable's own headers, which stay where the kernel mapped them.
    let own = unsafe {
        let (at, count) = (
            libc::getauxval(libc::AT_PHDR),
            libc::getauxval(libc::AT_PHNUM),
        );
        if at == 0 {
            return false;
        }
        let len = count as usize * size_of::<libc::Elf64_Phdr>();
        std::slice::from_raw_parts(at as *const u8, len)
    };
    let mut offset = [0; 8];
    let mut theirs = vec![0; own.len()];
    // Where e_phoff is in the header of a 64-bit file.
    file.read_exact_at(&mut offset, 32).is_ok()
        && file
            .read_exact_at(&mut theirs, u64::from_le_bytes(offset))
            .is_ok()
        && theirs == own
}

/// Whether the guest must not see this descriptor.
pub fn is_hidden(fd: i32) -> bool {
    hidden_fds().any(|h| h == fd)
}

/// All descriptors of the emulator's own.
pub fn hidden_fds() -> impl Iterator<Item = i32> {
    let exec = Some(exec_fd()).filter(|fd| *fd >= 0);
    exec.into_iter().chain(super::fd::hidden())
}

/// The hidden descriptor, to be named to the next emulator.
pub fn exec_fd() -> i32 {
    EXEC_FD.load(Ordering::Relaxed)
}

/// Executes this executable again; comes back only with an error.
pub fn execve_self(argv: &[CString], envp: &[CString]) -> Errno {
    let fd = exec_fd();
    if fd < 0 {
        return Errno::ENOENT;
    }
    let (argv, envp) = (pointers(argv), pointers(envp));
    let empty = c"";
    let args = [
        fd as u64,
        empty.as_ptr() as u64,
        argv.as_ptr() as u64,
        envp.as_ptr() as u64,
        libc::AT_EMPTY_PATH as u64,
        0,
    ];
    // The next emulator needs it, a native program must not have it.
    let close_on_exec = |on: bool| {
        let args = [fd as u64, libc::F_SETFD as u64, u64::from(on)];
        let _ = call(libc::SYS_fcntl, args);
    };
    close_on_exec(false);
    let r = result(raw(libc::SYS_execveat, args));
    close_on_exec(true);
    match r {
        Err(e) => e,
        Ok(_) => Errno::EINVAL,
    }
}

/// Device and inode of a descriptor's file.
pub fn fstat(fd: i32) -> Result<(u64, u64), Errno> {
    let mut st = std::mem::MaybeUninit::<libc::stat>::uninit();
    call(libc::SYS_fstat, [fd as u64, st.as_mut_ptr() as u64])?;
    // SAFETY: the call succeeded, so the kernel has filled it.
    let st = unsafe { st.assume_init() };
    Ok((st.st_dev, st.st_ino))
}

/// How binfmt_misc started this process. [Linux fs/binfmt_misc.c, Documentation/admin-guide/binfmt-misc.rst]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BinfmtStart {
    /// The program, open (flag O).
    pub program: Option<i32>,
    /// The program's own argv[0] follows its path (flag P).
    pub argv0: bool,
}

/// Whether binfmt_misc started this process: as the auxiliary vector tells, not the arguments.
pub fn binfmt_start() -> Option<BinfmtStart> {
    const AT_EXECFD: u64 = 2;
    const AT_FLAGS: u64 = 8;
    const PRESERVE_ARGV0: u64 = 1;
    // SAFETY: reads the process's own auxiliary vector; an absent entry is 0 and ENOENT.
    let get = |kind: u64| unsafe {
        *libc::__errno_location() = 0;
        let value = libc::getauxval(kind);
        (*libc::__errno_location() == 0).then_some(value)
    };
    let start = BinfmtStart {
        program: get(AT_EXECFD).and_then(|fd| i32::try_from(fd).ok()),
        argv0: get(AT_FLAGS).unwrap_or(0) & PRESERVE_ARGV0 != 0,
    };
    (start.argv0 || start.program.is_some()).then_some(start)
}

/// Takes over a descriptor that the kernel opened for this process.
pub fn take_fd(fd: i32) -> std::fs::File {
    use std::os::fd::FromRawFd;
    // SAFETY: the descriptor of AT_EXECFD belongs to nobody else in this process.
    unsafe { std::fs::File::from_raw_fd(fd) }
}

/// Names the calling thread, as execve does: /proc/self/comm. The kernel keeps 15 bytes.
pub fn set_comm(name: &[u8]) {
    if let Ok(name) = CString::new(name) {
        let _ = call(
            libc::SYS_prctl,
            [libc::PR_SET_NAME as u64, name.as_ptr() as u64],
        );
    }
}

/// The user whose rights this process has.
pub fn effective_user() -> u32 {
    call(libc::SYS_geteuid, []).unwrap_or(0) as u32
}

/// Whether the kernel says that whoever started this program must not have a say in it (setuid and the like).
pub fn is_secure_start() -> bool {
    // SAFETY: no preconditions.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// A file's contents, mapped for good. The file must never be written again, only replaced. `meta` is its own.
pub fn map_whole(file: &std::fs::File, meta: &std::fs::Metadata) -> std::io::Result<&'static [u8]> {
    let len = meta.len() as usize;
    if len == 0 {
        return Ok(&[]);
    }
    let fd = std::os::fd::AsRawFd::as_raw_fd(file) as u64;
    let (prot, flags) = (libc::PROT_READ as u64, libc::MAP_PRIVATE as u64);
    match call(libc::SYS_mmap, [0, len as u64, prot, flags, fd, 0]) {
        // SAFETY: a new mapping of that length that is never unmapped, of a file that nobody changes (see above).
        Ok(at) => Ok(unsafe { std::slice::from_raw_parts(at as *const u8, len) }),
        Err(e) => Err(std::io::Error::from_raw_os_error(e.0)),
    }
}

/// The linker's hash of this executable (the note NT_GNU_BUILD_ID), in hexadecimal.
pub fn build_id() -> Option<String> {
    const NT_GNU_BUILD_ID: u32 = 3;
    unsafe extern "C" fn first(
        info: *mut libc::dl_phdr_info,
        _: usize,
        out: *mut libc::c_void,
    ) -> i32 {
        // SAFETY: the C library passes a valid structure, and the caller below a pointer to a Vec.
        let (info, out) = unsafe { (&*info, &mut *out.cast::<Vec<u8>>()) };
        for k in 0..usize::from(info.dlpi_phnum) {
            // SAFETY: inside the program header table.
            let p = unsafe { &*info.dlpi_phdr.add(k) };
            if p.p_type == libc::PT_NOTE {
                let at = (info.dlpi_addr + p.p_vaddr) as *const u8;
                // SAFETY: a loaded segment of this executable.
                out.extend_from_slice(unsafe {
                    std::slice::from_raw_parts(at, p.p_memsz as usize)
                });
            }
        }
        // The first one is the executable; no more are wanted.
        1
    }
    let mut notes: Vec<u8> = Vec::new();
    // SAFETY: the callback's argument is the vector.
    unsafe { libc::dl_iterate_phdr(Some(first), (&raw mut notes).cast()) };
    let mut rest = notes.as_slice();
    let number = |at: &[u8]| Some(u32::from_le_bytes(at.get(..4)?.try_into().ok()?));
    loop {
        let (name, desc) = (number(rest)? as usize, number(rest.get(4..)?)? as usize);
        let kind = number(rest.get(8..)?)?;
        let desc_at = 12 + name.next_multiple_of(4);
        if kind == NT_GNU_BUILD_ID && rest.get(12..12 + name)? == b"GNU\0" {
            let id = rest.get(desc_at..desc_at + desc)?;
            return Some(id.iter().map(|b| format!("{b:02x}")).collect());
        }
        rest = rest.get(desc_at + desc.next_multiple_of(4)..)?;
    }
}
