//! What a serial port sees of its character device, and the other way round.
//!
//! Calls go both ways between a device (the front end) and a host side (the back end), on any
//! thread. Two rules keep that free of deadlocks: a back end never calls its front end from within
//! a call of the front end's, and it holds no lock of its own while it calls the front end.

use std::sync::Arc;

/// Something that happened to a character device besides bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CharEvent {
    /// Somebody is at the other end.
    Opened,
    /// Nobody is at the other end any more.
    Closed,
    /// The line was held low for longer than a character.
    Break,
    /// A multiplexed front end has the keyboard now.
    FocusIn,
    /// A multiplexed front end has lost the keyboard.
    FocusOut,
}

/// The settings of a serial line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineParams {
    /// Bits per second.
    pub speed: u32,
    /// 5 to 8.
    pub data_bits: u8,
    /// 1 or 2.
    pub stop_bits: u8,
    /// `b'N'`, `b'E'` or `b'O'`.
    pub parity: u8,
}

/// The host side of a character device.
pub trait CharBackend: Send + Sync {
    /// Sends bytes out and returns how many were taken. It may wait for a slow reader for a moment
    /// but not for ever; bytes that nobody can take are dropped and count as taken.
    fn write(&self, bytes: &[u8]) -> usize;

    /// Who gets the bytes that come in; `None`: they are thrown away.
    fn set_frontend(&self, frontend: Option<Arc<dyn CharFrontend>>);

    /// The front end has room again after [`CharFrontend::room`] was 0.
    fn accept_input(&self) {}

    /// Sends a break.
    fn send_break(&self) {}

    /// The guest has set up its line; a real serial port follows.
    fn set_params(&self, _params: LineParams) {}

    /// For `info chardev`: the kind and where it leads, as the option gave it.
    fn describe(&self) -> String;
}

/// The device at a character device.
pub trait CharFrontend: Send + Sync {
    /// How many bytes it takes at the moment. After 0 it calls [`CharBackend::accept_input`] as
    /// soon as there is room.
    fn room(&self) -> usize;

    /// Takes bytes, at most [`CharFrontend::room`].
    fn receive(&self, bytes: &[u8]);

    /// Something else has happened.
    fn event(&self, _event: CharEvent) {}
}
