//! What a network card sees of its network, and the other way round. The rules of
//! [`crate::chardev`] about calls hold here, too.

use std::sync::Arc;

/// The host side of a network card: a user network, a tap, a socket.
pub trait NetBackend: Send + Sync {
    /// Sends an Ethernet frame, without its checksum. Never waits; what cannot be sent is lost.
    fn send(&self, frame: &[u8]);

    /// Who gets the frames that come in; `None`: they are thrown away.
    fn set_frontend(&self, frontend: Option<Arc<dyn NetFrontend>>);

    /// The front end has room again after [`NetFrontend::receive`] refused a frame.
    fn accept_input(&self) {}

    /// For `info network`: the kind and its parameters.
    fn describe(&self) -> String;
}

/// The card at a network.
pub trait NetFrontend: Send + Sync {
    /// Takes an Ethernet frame without its checksum, or refuses it for the moment (`false`): the
    /// back end keeps it (and those behind it, within reason) until
    /// [`NetBackend::accept_input`]. A card that is switched off takes frames and forgets them.
    fn receive(&self, frame: &[u8]) -> bool;

    /// The cable is plugged in or out (`set_link`).
    fn link(&self, _up: bool) {}
}
