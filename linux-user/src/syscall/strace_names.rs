//! Names of flags and numbers for -strace, by call and argument. Values are the host's.

use super::args::Names;

macro_rules! names {
    ($($(#[$doc:meta])* $table:ident $kind:ident: $($name:ident)*;)*) => {$(
        static $table: Names = Names {
            flags: names!(@ $kind),
            rows: &[$((libc::$name as u64, stringify!($name))),*],
        };
    )*};
    (@ flags) => { true };
    (@ number) => { false };
}

names! {
    PROT flags: PROT_READ PROT_WRITE PROT_EXEC PROT_GROWSDOWN PROT_GROWSUP PROT_NONE;
    MAP flags: MAP_SHARED_VALIDATE MAP_SHARED MAP_PRIVATE MAP_FIXED MAP_ANONYMOUS MAP_GROWSDOWN MAP_DENYWRITE MAP_LOCKED
        MAP_NORESERVE MAP_POPULATE MAP_NONBLOCK MAP_STACK MAP_HUGETLB MAP_SYNC MAP_FIXED_NOREPLACE;
    REMAP flags: MREMAP_MAYMOVE MREMAP_FIXED MREMAP_DONTUNMAP;
    ADVICE number: MADV_NORMAL MADV_RANDOM MADV_SEQUENTIAL MADV_WILLNEED MADV_DONTNEED MADV_FREE MADV_REMOVE MADV_DONTFORK
        MADV_DOFORK MADV_MERGEABLE MADV_UNMERGEABLE MADV_HUGEPAGE MADV_NOHUGEPAGE MADV_DONTDUMP MADV_DODUMP MADV_WIPEONFORK
        MADV_KEEPONFORK MADV_COLD MADV_PAGEOUT;
    CLONE flags: CLONE_VM CLONE_FS CLONE_FILES CLONE_SIGHAND CLONE_PIDFD CLONE_PTRACE CLONE_VFORK CLONE_PARENT CLONE_THREAD
        CLONE_NEWNS CLONE_SYSVSEM CLONE_SETTLS CLONE_PARENT_SETTID CLONE_CHILD_CLEARTID CLONE_DETACHED CLONE_UNTRACED
        CLONE_CHILD_SETTID CLONE_NEWCGROUP CLONE_NEWUTS CLONE_NEWIPC CLONE_NEWUSER CLONE_NEWPID CLONE_NEWNET CLONE_IO;
    AT flags: AT_SYMLINK_NOFOLLOW AT_REMOVEDIR AT_SYMLINK_FOLLOW AT_NO_AUTOMOUNT AT_EMPTY_PATH AT_RECURSIVE;
    FCNTL number: F_DUPFD F_GETFD F_SETFD F_GETFL F_SETFL F_GETLK F_SETLK F_SETLKW F_SETOWN F_GETOWN F_OFD_GETLK F_OFD_SETLK
        F_OFD_SETLKW F_SETLEASE F_GETLEASE F_NOTIFY F_DUPFD_CLOEXEC F_SETPIPE_SZ F_GETPIPE_SZ F_ADD_SEALS F_GET_SEALS;
    FUTEX flags: FUTEX_PRIVATE_FLAG FUTEX_CLOCK_REALTIME;
    CLOCK number: CLOCK_REALTIME CLOCK_MONOTONIC CLOCK_PROCESS_CPUTIME_ID CLOCK_THREAD_CPUTIME_ID CLOCK_MONOTONIC_RAW
        CLOCK_REALTIME_COARSE CLOCK_MONOTONIC_COARSE CLOCK_BOOTTIME CLOCK_REALTIME_ALARM CLOCK_BOOTTIME_ALARM CLOCK_TAI;
    SIGNAL number: SIGHUP SIGINT SIGQUIT SIGILL SIGTRAP SIGABRT SIGBUS SIGFPE SIGKILL SIGUSR1 SIGSEGV SIGUSR2 SIGPIPE SIGALRM
        SIGTERM SIGSTKFLT SIGCHLD SIGCONT SIGSTOP SIGTSTP SIGTTIN SIGTTOU SIGURG SIGXCPU SIGXFSZ SIGVTALRM SIGPROF SIGWINCH
        SIGIO SIGPWR SIGSYS;
    HOW number: SIG_BLOCK SIG_UNBLOCK SIG_SETMASK;
    WHENCE number: SEEK_SET SEEK_CUR SEEK_END SEEK_DATA SEEK_HOLE;
    FAMILY number: AF_UNSPEC AF_UNIX AF_INET AF_INET6 AF_NETLINK AF_PACKET AF_VSOCK AF_ALG AF_CAN;
    SOCKET flags: SOCK_NONBLOCK SOCK_CLOEXEC;
    MESSAGE flags: MSG_OOB MSG_PEEK MSG_DONTROUTE MSG_CTRUNC MSG_TRUNC MSG_DONTWAIT MSG_EOR MSG_WAITALL MSG_NOSIGNAL MSG_MORE
        MSG_WAITFORONE MSG_FASTOPEN MSG_CMSG_CLOEXEC MSG_ERRQUEUE;
    OPEN flags: O_NONBLOCK O_CLOEXEC O_DIRECT;
    EPOLL flags: EPOLL_CLOEXEC;
    EPOLL_OP number: EPOLL_CTL_ADD EPOLL_CTL_DEL EPOLL_CTL_MOD;
    WAIT flags: WNOHANG WUNTRACED WSTOPPED WEXITED WCONTINUED WNOWAIT __WNOTHREAD __WALL __WCLONE;
    WAIT_ID number: P_ALL P_PID P_PGID P_PIDFD;
    RESOURCE number: RLIMIT_CPU RLIMIT_FSIZE RLIMIT_DATA RLIMIT_STACK RLIMIT_CORE RLIMIT_RSS RLIMIT_NPROC RLIMIT_NOFILE
        RLIMIT_MEMLOCK RLIMIT_AS RLIMIT_LOCKS RLIMIT_SIGPENDING RLIMIT_MSGQUEUE RLIMIT_NICE RLIMIT_RTPRIO RLIMIT_RTTIME;
    WHO number: RUSAGE_SELF RUSAGE_CHILDREN RUSAGE_THREAD;
    MEMFD flags: MFD_CLOEXEC MFD_ALLOW_SEALING MFD_HUGETLB;
    RANDOM flags: GRND_NONBLOCK GRND_RANDOM;
    MOUNT flags: MS_RDONLY MS_NOSUID MS_NODEV MS_NOEXEC MS_SYNCHRONOUS MS_REMOUNT MS_MANDLOCK MS_DIRSYNC MS_NOATIME
        MS_NODIRATIME MS_BIND MS_MOVE MS_REC MS_SILENT MS_POSIXACL MS_UNBINDABLE MS_PRIVATE MS_SLAVE MS_SHARED MS_RELATIME
        MS_STRICTATIME MS_LAZYTIME;
    UMOUNT flags: MNT_FORCE MNT_DETACH MNT_EXPIRE UMOUNT_NOFOLLOW;
    RENAME flags: RENAME_NOREPLACE RENAME_EXCHANGE RENAME_WHITEOUT;
    ACCESS flags: R_OK W_OK X_OK F_OK;
    LOCK flags: LOCK_SH LOCK_EX LOCK_NB LOCK_UN;
    SHUTDOWN number: SHUT_RD SHUT_WR SHUT_RDWR;
    STATX flags: STATX_TYPE STATX_MODE STATX_NLINK STATX_UID STATX_GID STATX_ATIME STATX_MTIME STATX_CTIME STATX_INO
        STATX_SIZE STATX_BLOCKS STATX_BTIME STATX_MNT_ID;
    PRCTL number: PR_SET_PDEATHSIG PR_GET_PDEATHSIG PR_GET_DUMPABLE PR_SET_DUMPABLE PR_GET_KEEPCAPS PR_SET_KEEPCAPS
        PR_SET_NAME PR_GET_NAME PR_GET_SECCOMP PR_SET_SECCOMP PR_CAPBSET_READ PR_CAPBSET_DROP PR_GET_SECUREBITS
        PR_SET_SECUREBITS PR_SET_TIMERSLACK PR_GET_TIMERSLACK PR_SET_CHILD_SUBREAPER PR_GET_CHILD_SUBREAPER
        PR_SET_NO_NEW_PRIVS PR_GET_NO_NEW_PRIVS PR_GET_TID_ADDRESS PR_SET_THP_DISABLE PR_GET_THP_DISABLE PR_CAP_AMBIENT
        PR_SET_VMA PR_SET_MM PR_SET_PTRACER;
}

/// Call, or nothing for every call that has no row of its own; argument; names.
static ROWS: &[(&str, &str, &Names)] = &[
    ("", "prot", &PROT),
    ("mmap", "flags", &MAP),
    ("mmap2", "flags", &MAP),
    ("mremap", "flags", &REMAP),
    ("", "advice", &ADVICE),
    ("clone", "flags", &CLONE),
    ("unshare", "flags", &CLONE),
    ("setns", "kind", &CLONE),
    ("fcntl", "command", &FCNTL),
    ("fcntl64", "command", &FCNTL),
    ("futex", "op", &FUTEX),
    ("futex_time64", "op", &FUTEX),
    ("", "clock", &CLOCK),
    ("", "sig", &SIGNAL),
    ("", "signal", &SIGNAL),
    ("", "how", &HOW),
    ("", "whence", &WHENCE),
    ("", "family", &FAMILY),
    ("socket", "kind", &SOCKET),
    ("socketpair", "kind", &SOCKET),
    ("accept4", "flags", &SOCKET),
    ("sendto", "flags", &MESSAGE),
    ("recvfrom", "flags", &MESSAGE),
    ("sendmsg", "flags", &MESSAGE),
    ("recvmsg", "flags", &MESSAGE),
    ("sendmmsg", "flags", &MESSAGE),
    ("recvmmsg", "flags", &MESSAGE),
    ("pipe2", "flags", &OPEN),
    ("dup3", "flags", &OPEN),
    ("eventfd2", "flags", &OPEN),
    ("inotify_init1", "flags", &OPEN),
    ("signalfd4", "flags", &OPEN),
    ("timerfd_create", "flags", &OPEN),
    ("epoll_create1", "flags", &EPOLL),
    ("epoll_ctl", "op", &EPOLL_OP),
    ("wait4", "options", &WAIT),
    ("waitid", "options", &WAIT),
    ("waitid", "which", &WAIT_ID),
    ("", "resource", &RESOURCE),
    ("getrusage", "who", &WHO),
    ("memfd_create", "flags", &MEMFD),
    ("getrandom", "flags", &RANDOM),
    ("mount", "flags", &MOUNT),
    ("umount2", "flags", &UMOUNT),
    ("renameat2", "flags", &RENAME),
    ("access", "mode", &ACCESS),
    ("faccessat", "mode", &ACCESS),
    ("faccessat2", "mode", &ACCESS),
    ("faccessat2", "flags", &AT),
    ("flock", "operation", &LOCK),
    ("shutdown", "how", &SHUTDOWN),
    ("statx", "mask", &STATX),
    ("statx", "flags", &AT),
    ("newfstatat", "flags", &AT),
    ("fstatat64", "flags", &AT),
    ("unlinkat", "flags", &AT),
    ("linkat", "flags", &AT),
    ("fchownat", "flags", &AT),
    ("fchmodat2", "flags", &AT),
    ("utimensat", "flags", &AT),
    ("execveat", "flags", &AT),
    ("prctl", "option", &PRCTL),
];

/// The names of a call's argument, if it has some.
pub fn names_of(call: &str, arg: &str) -> Option<&'static Names> {
    let own = ROWS.iter().find(|r| r.0 == call && r.1 == arg);
    let row = own.or_else(|| ROWS.iter().find(|r| r.0.is_empty() && r.1 == arg));
    row.map(|r| r.2)
}
