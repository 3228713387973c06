//! Terminals and consoles: asm/ioctls.h, kd.h, vt.h.

use super::{Convert, Fd, GuestVa, ioctls};
use crate::syscall::SysResult;
use crate::task::Task;
use crate::uapi::ioctl::{Serial, Termio, Termios2, VtMode, Winsize};
use crate::uapi::termios::Termios;

const INT: Convert = Convert::of::<i32>();
const TERMIOS: Convert = Convert::of::<Termios>();
const TERMIOS2: Convert = Convert::of::<Termios2>();
const TERMIO: Convert = Convert::of::<Termio>();

ioctls! { TTY:
    Fixed(0x5401) TCGETS: Read(TERMIOS);
    Fixed(0x5402) TCSETS: Write(TERMIOS);
    Fixed(0x5403) TCSETSW: Write(TERMIOS);
    Fixed(0x5404) TCSETSF: Write(TERMIOS);
    Fixed(0x802c_542a) TCGETS2: Read(TERMIOS2);
    Fixed(0x402c_542b) TCSETS2: Write(TERMIOS2);
    Fixed(0x402c_542c) TCSETSW2: Write(TERMIOS2);
    Fixed(0x402c_542d) TCSETSF2: Write(TERMIOS2);
    Fixed(0x5405) TCGETA: Read(TERMIO);
    Fixed(0x5406) TCSETA: Write(TERMIO);
    Fixed(0x5407) TCSETAW: Write(TERMIO);
    Fixed(0x5408) TCSETAF: Write(TERMIO);
    Fixed(0x5409) TCSBRK: Int;
    Fixed(0x540a) TCXONC: Int;
    Fixed(0x540b) TCFLSH: Int;
    Fixed(0x540c) TIOCEXCL: Int;
    Fixed(0x540d) TIOCNXCL: Int;
    Fixed(0x540e) TIOCSCTTY: Int;
    Fixed(0x540f) TIOCGPGRP: Read(INT);
    Fixed(0x5410) TIOCSPGRP: Write(INT);
    Fixed(0x5411) TIOCOUTQ: Read(INT);
    Fixed(0x5412) TIOCSTI: Write(Convert::of::<u8>());
    Fixed(0x5413) TIOCGWINSZ: Read(Convert::of::<Winsize>());
    Fixed(0x5414) TIOCSWINSZ: Write(Convert::of::<Winsize>());
    Fixed(0x5415) TIOCMGET: Read(INT);
    Fixed(0x5416) TIOCMBIS: Write(INT);
    Fixed(0x5417) TIOCMBIC: Write(INT);
    Fixed(0x5418) TIOCMSET: Write(INT);
    Fixed(0x5419) TIOCGSOFTCAR: Read(INT);
    Fixed(0x541a) TIOCSSOFTCAR: Write(INT);
    Fixed(0x541b) FIONREAD: Read(INT);
    Fixed(0x541d) TIOCCONS: Int;
    Fixed(0x541e) TIOCGSERIAL: Read(Convert::of::<Serial>());
    Fixed(0x541f) TIOCSSERIAL: Write(Convert::of::<Serial>());
    Fixed(0x5420) TIOCPKT: Write(INT);
    Fixed(0x5421) FIONBIO: Write(INT);
    Fixed(0x5422) TIOCNOTTY: Int;
    Fixed(0x5423) TIOCSETD: Write(INT);
    Fixed(0x5424) TIOCGETD: Read(INT);
    Fixed(0x5425) TCSBRKP: Int;
    Fixed(0x5427) TIOCSBRK: Int;
    Fixed(0x5428) TIOCCBRK: Int;
    Fixed(0x5429) TIOCGSID: Read(INT);
    Fixed(0x8004_5430) TIOCGPTN: Read(INT);
    Fixed(0x4004_5431) TIOCSPTLCK: Write(INT);
    Fixed(0x8004_5432) TIOCGDEV: Read(INT);
    Fixed(0x5437) TIOCVHANGUP: Int;
    Fixed(0x4004_5436) TIOCSIG: Int;
    Fixed(0x8004_5438) TIOCGPKT: Read(INT);
    Fixed(0x8004_5439) TIOCGPTLCK: Read(INT);
    Fixed(0x8004_5440) TIOCGEXCL: Read(INT);
    Fixed(0x5441) TIOCGPTPEER: Custom(pty_peer);
    Fixed(0x5450) FIONCLEX: Int;
    Fixed(0x5451) FIOCLEX: Int;
    Fixed(0x5452) FIOASYNC: Write(INT);
    Fixed(0x5456) TIOCGLCKTRMIOS: Read(TERMIOS);
    Fixed(0x5457) TIOCSLCKTRMIOS: Write(TERMIOS);
    Fixed(0x545c) TIOCMIWAIT: Int;
    Fixed(0x4b2f) KIOCSOUND: Int;
    Fixed(0x4b30) KDMKTONE: Int;
    Fixed(0x4b31) KDGETLED: Read(Convert::of::<u8>());
    Fixed(0x4b32) KDSETLED: Int;
    Fixed(0x4b33) KDGKBTYPE: Read(Convert::of::<u8>());
    Fixed(0x4b3a) KDSETMODE: Int;
    Fixed(0x4b3b) KDGETMODE: Read(INT);
    Fixed(0x4b44) KDGKBMODE: Read(INT);
    Fixed(0x4b45) KDSKBMODE: Int;
    Fixed(0x4b62) KDGKBMETA: Read(INT);
    Fixed(0x4b63) KDSKBMETA: Int;
    Fixed(0x5600) VT_OPENQRY: Read(INT);
    Fixed(0x5601) VT_GETMODE: Read(Convert::of::<VtMode>());
    Fixed(0x5602) VT_SETMODE: Write(Convert::of::<VtMode>());
    Fixed(0x5603) VT_GETSTATE: Read(Convert::of::<[u16; 3]>());
    Fixed(0x5605) VT_RELDISP: Int;
    Fixed(0x5606) VT_ACTIVATE: Int;
    Fixed(0x5607) VT_WAITACTIVE: Int;
    Fixed(0x5608) VT_DISALLOCATE: Int;
}

/// The argument has the flags of open.
fn pty_peer(t: &mut Task, fd: Fd, nr: u32, flags: GuestVa) -> SysResult {
    let flags = t.abi.open_to_host(flags.0 as u32);
    super::host_ioctl(t, fd, nr, flags.into())
}
