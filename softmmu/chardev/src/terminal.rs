//! The terminal of standard input: raw while a back end uses it, and as it was on every way out of
//! the process, a fatal signal among them. Reference: termios(3), signal-safety(7).
//!
//! Handlers are installed only for signals that nobody has claimed: who ends in an orderly way on
//! SIGTERM, say, installs its own handler first. SIGSEGV and SIGBUS are taken in any case, because
//! the standard library has claimed them to report stack overflows; its handler runs after ours.

use nix::libc;
use nix::sys::termios::{
    ControlFlags, InputFlags, LocalFlags, OutputFlags, SetArg, SpecialCharacterIndices, Termios,
    cfmakeraw, tcgetattr, tcsetattr,
};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicPtr, Ordering};

/// The settings to go back to; null: none. Never freed, because a handler may read them.
static SAVED: AtomicPtr<libc::termios> = AtomicPtr::new(std::ptr::null_mut());
/// The raw settings, for when the process is continued.
static RAW: AtomicPtr<libc::termios> = AtomicPtr::new(std::ptr::null_mut());

/// Signals that are taken although somebody has claimed them, and what to go back to.
static CLAIMED: [(libc::c_int, AtomicPtr<libc::sigaction>); 2] = [
    (libc::SIGSEGV, AtomicPtr::new(std::ptr::null_mut())),
    (libc::SIGBUS, AtomicPtr::new(std::ptr::null_mut())),
];

const FATAL: &[libc::c_int] = &[
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGILL,
    libc::SIGABRT,
    libc::SIGFPE,
    libc::SIGBUS,
    libc::SIGSEGV,
    libc::SIGTERM,
    libc::SIGTSTP,
];

/// The terminal is raw while this lives.
pub struct Raw(());

impl Raw {
    /// Makes the terminal of standard input raw; `None` if it is not one. With `signals` its
    /// interrupt characters still raise signals.
    pub fn enter(signals: bool) -> Option<Raw> {
        let stdin = std::io::stdin();
        let before = tcgetattr(stdin.as_fd()).ok()?;
        let raw = raw_settings(before.clone(), signals);
        RAW.store(leak(&raw), Ordering::SeqCst);
        if SAVED.swap(leak(&before), Ordering::SeqCst).is_null() {
            install();
        }
        tcsetattr(stdin.as_fd(), SetArg::TCSANOW, &raw).ok()?;
        Some(Raw(()))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        restore();
    }
}

/// Puts the terminal back as it was; may be called at any time, more than once, and by a handler.
pub fn restore() {
    apply(&SAVED);
}

fn raw_settings(mut t: Termios, signals: bool) -> Termios {
    let had_signals = t.local_flags.contains(LocalFlags::ISIG);
    cfmakeraw(&mut t);
    // What the emulator itself prints has plain newlines.
    t.output_flags |= OutputFlags::OPOST | OutputFlags::ONLCR;
    t.local_flags.set(LocalFlags::ISIG, signals && had_signals);
    t.control_flags |= ControlFlags::CS8;
    t.input_flags.remove(InputFlags::IXON);
    t.control_chars[SpecialCharacterIndices::VMIN as usize] = 1;
    t.control_chars[SpecialCharacterIndices::VTIME as usize] = 0;
    t
}

fn leak(settings: &Termios) -> *mut libc::termios {
    Box::into_raw(Box::new(libc::termios::from(settings.clone())))
}

fn apply(settings: &AtomicPtr<libc::termios>) {
    let settings = settings.load(Ordering::SeqCst);
    if !settings.is_null() {
        // SAFETY: the pointer comes from `leak`, is never freed and never written through.
        unsafe { libc::tcsetattr(0, libc::TCSANOW, settings) };
    }
}

extern "C" fn at_exit() {
    restore();
}

extern "C" fn on_signal(signal: libc::c_int) {
    if signal == libc::SIGCONT {
        apply(&RAW);
        return;
    }
    restore();
    let claimed = CLAIMED.iter().find(|(s, _)| *s == signal);
    let before = claimed.map_or(std::ptr::null_mut(), |(_, b)| b.load(Ordering::SeqCst));
    let again = if signal == libc::SIGTSTP {
        libc::SIGSTOP
    } else if !before.is_null() {
        // SAFETY: the pointer comes from `install`, is never freed and never written through.
        unsafe { libc::sigaction(signal, before, std::ptr::null_mut()) };
        signal
    } else {
        // SAFETY: both calls are allowed in handlers; the default action is a valid disposition.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
        signal
    };
    // SAFETY: raise is allowed in handlers. The signal is delivered when the handler returns.
    unsafe { libc::raise(again) };
}

fn install() {
    // SAFETY: the function is `extern "C"`, takes nothing and may run at any time.
    unsafe { libc::atexit(at_exit) };
    for &signal in FATAL.iter().chain(&[libc::SIGCONT]) {
        // SAFETY: both structures are valid for the calls; an all-zero sigaction is one. The
        // handler calls only functions that are allowed in handlers.
        unsafe {
            let mut before: libc::sigaction = std::mem::zeroed();
            libc::sigaction(signal, std::ptr::null(), &mut before);
            let claimed = CLAIMED.iter().find(|(s, _)| *s == signal);
            match claimed {
                Some((_, place)) => place.store(Box::into_raw(Box::new(before)), Ordering::SeqCst),
                None if before.sa_sigaction != libc::SIG_DFL => continue,
                None => {}
            }
            let mut action: libc::sigaction = std::mem::zeroed();
            let handler: extern "C" fn(libc::c_int) = on_signal;
            action.sa_sigaction = handler as *const () as usize;
            action.sa_flags = libc::SA_RESTART | libc::SA_ONSTACK;
            libc::sigaction(signal, &action, std::ptr::null_mut());
        }
    }
}
