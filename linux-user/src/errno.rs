//! Error numbers as the guest sees them, and the kernel-internal ones that ask for a restart.
//!
//! The numbers are those of asm-generic/errno.h, which the host and most guests share; an ABI with others maps them
//! when the result is put into the guest's registers.

use tcg_mem::MemFault;

/// Why a system call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(pub i32);

macro_rules! errnos {
    ($($name:ident),* $(,)?) => {
        impl Errno {
            $(#[allow(missing_docs)] pub const $name: Errno = Errno(libc::$name);)*
        }
        const NAMES: &[(i32, &str)] = &[$((libc::$name, stringify!($name))),*];
    };
}

errnos!(
    EPERM,
    ENOENT,
    ESRCH,
    EINTR,
    EIO,
    ENXIO,
    E2BIG,
    ENOEXEC,
    EBADF,
    ECHILD,
    EAGAIN,
    ENOMEM,
    EACCES,
    EFAULT,
    ENOTBLK,
    EBUSY,
    EEXIST,
    EXDEV,
    ENODEV,
    ENOTDIR,
    EISDIR,
    EINVAL,
    ENFILE,
    EMFILE,
    ENOTTY,
    ETXTBSY,
    EFBIG,
    ENOSPC,
    ESPIPE,
    EROFS,
    EMLINK,
    EPIPE,
    EDOM,
    ERANGE,
    EDEADLK,
    ENAMETOOLONG,
    ENOLCK,
    ENOSYS,
    ENOTEMPTY,
    ELOOP,
    ENOMSG,
    EIDRM,
    ENODATA,
    ETIME,
    EOVERFLOW,
    EILSEQ,
    EUSERS,
    ENOTSOCK,
    EDESTADDRREQ,
    EMSGSIZE,
    EPROTOTYPE,
    ENOPROTOOPT,
    EPROTONOSUPPORT,
    ESOCKTNOSUPPORT,
    EOPNOTSUPP,
    EPFNOSUPPORT,
    EAFNOSUPPORT,
    EADDRINUSE,
    EADDRNOTAVAIL,
    ENETDOWN,
    ENETUNREACH,
    ENETRESET,
    ECONNABORTED,
    ECONNRESET,
    ENOBUFS,
    EISCONN,
    ENOTCONN,
    ESHUTDOWN,
    ETIMEDOUT,
    ECONNREFUSED,
    EHOSTDOWN,
    EHOSTUNREACH,
    EALREADY,
    EINPROGRESS,
    ESTALE,
    EDQUOT,
    ECANCELED,
    EOWNERDEAD,
    ENOTRECOVERABLE,
    EREMOTEIO,
    EBADMSG,
    EPROTO,
    ENOKEY,
    EKEYEXPIRED,
    EKEYREVOKED,
);

impl Errno {
    /// Restart the call if the handler has SA_RESTART or there is none; else EINTR.
    pub const ERESTARTSYS: Errno = Errno(512);
    /// Restart the call always.
    pub const ERESTARTNOINTR: Errno = Errno(513);
    /// Restart the call only if no handler runs; else EINTR.
    pub const ERESTARTNOHAND: Errno = Errno(514);
    /// Restart through `restart_syscall` if no handler runs; else EINTR.
    pub const ERESTART_RESTARTBLOCK: Errno = Errno(516);
    /// Not an error: the registers are already what they should be (sigreturn, execve, a finished exit).
    pub const KEEP_REGS: Errno = Errno(1 << 20);

    /// What a slow call gives when a signal came: ERESTARTSYS as [`crate::sys::blocking`] found it. An EINTR of the
    /// host's stays, since the host's handlers have SA_RESTART: the kernel means never to restart this call (a
    /// receive with a timeout, for example).
    pub fn restart(self) -> Errno {
        self
    }

    /// For calls that a handler always interrupts: EINTR becomes [`Errno::ERESTARTNOHAND`].
    pub fn no_hand(self) -> Errno {
        if self == Errno::EINTR {
            Errno::ERESTARTNOHAND
        } else {
            self
        }
    }

    /// `ENOENT` and so on.
    pub fn name(self) -> Option<&'static str> {
        match self.0 {
            512 => Some("ERESTARTSYS"),
            513 => Some("ERESTARTNOINTR"),
            514 => Some("ERESTARTNOHAND"),
            516 => Some("ERESTART_RESTARTBLOCK"),
            n => NAMES.iter().find(|(k, _)| *k == n).map(|(_, name)| *name),
        }
    }
}

impl From<MemFault> for Errno {
    fn from(_: MemFault) -> Errno {
        Errno::EFAULT
    }
}

impl From<std::io::Error> for Errno {
    fn from(e: std::io::Error) -> Errno {
        Errno(e.raw_os_error().unwrap_or(libc::EIO))
    }
}
