//! Packets that gdbstub does not know, handled beside it: QPassSignals, qXfer:siginfo:read, those about machines, the answer
//! to vKill.
//!
//! What gdb sends is taken apart into packets; those of ours are answered here, the others go to gdbstub as they
//! came. gdbstub's answer to qSupported gets the names of ours added.

use gdbstub::conn::Connection;
use std::io::{self, Write};

/// What is added to the answer to qSupported.
pub(super) fn features(process: bool) -> &'static [u8] {
    match process {
        true => b";QPassSignals+;qXfer:siginfo:read+",
        false => b"",
    }
}

/// The way to gdb. A packet is sent in one piece.
pub(super) struct Wire {
    out: Box<dyn Write + Send>,
    packet: Vec<u8>,
    features: &'static [u8],
}

impl Wire {
    pub(super) fn new(out: Box<dyn Write + Send>, features: &'static [u8]) -> Wire {
        Wire {
            out,
            packet: Vec::new(),
            features,
        }
    }

    /// Sends an answer of ours.
    pub(super) fn answer(&mut self, acknowledge: bool, body: &[u8]) -> io::Result<()> {
        let mut bytes = if acknowledge {
            b"+".to_vec()
        } else {
            Vec::new()
        };
        bytes.extend(framed(body));
        self.out.write_all(&bytes)?;
        self.out.flush()
    }
}

/// A packet around a body.
fn framed(body: &[u8]) -> Vec<u8> {
    let sum = body.iter().fold(0u8, |s, b| s.wrapping_add(*b));
    let mut out = vec![b'$'];
    out.extend_from_slice(body);
    out.extend(format!("#{sum:02x}").into_bytes());
    out
}

/// Binary data as it goes into a packet.
pub(super) fn escaped(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len());
    for b in data {
        match b {
            b'#' | b'$' | b'}' | b'*' => out.extend([b'}', b ^ 0x20]),
            _ => out.push(*b),
        }
    }
    out
}

impl Connection for Wire {
    type Error = io::Error;

    fn write(&mut self, byte: u8) -> io::Result<()> {
        if self.packet.is_empty() && byte == b'+' {
            // An acknowledgement: it may be long until an answer follows.
            return self.out.write_all(b"+").and_then(|()| self.out.flush());
        }
        self.packet.push(byte);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut packet = std::mem::take(&mut self.packet);
        let body = packet
            .strip_prefix(b"$")
            .and_then(|p| p.split_last_chunk::<3>());
        if let Some((body, _)) = body.filter(|(b, _)| b.starts_with(b"PacketSize=")) {
            packet = framed(&[body, self.features].concat());
        }
        self.out.write_all(&packet)?;
        self.out.flush()
    }
}

/// A piece of what gdb sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// For gdbstub.
    Pass(Vec<u8>),
    /// QPassSignals with gdb's numbers; acknowledge if true.
    PassSignals(Vec<u8>, bool),
    /// qXfer:siginfo:read of so many bytes from an offset; acknowledge if true.
    SigInfo(u64, usize, bool),
    /// One of QEMU's about machines; acknowledge if true.
    Machine(String, bool),
    /// vKill, which gdbstub leaves without an answer; acknowledge if true.
    Kill(bool),
}

/// Takes apart what gdb sends.
pub(super) struct Splitter {
    packet: Vec<u8>,
    /// Bytes of the checksum still to come.
    tail: Option<u8>,
    acknowledge: bool,
}

impl Splitter {
    pub(super) fn new() -> Splitter {
        Splitter {
            packet: Vec::new(),
            tail: None,
            acknowledge: true,
        }
    }

    /// The pieces that are complete now.
    pub(super) fn feed(&mut self, data: &[u8]) -> Vec<Piece> {
        let mut out = Vec::new();
        for b in data {
            if self.packet.is_empty() && *b != b'$' {
                out.push(Piece::Pass(vec![*b]));
                continue;
            }
            self.packet.push(*b);
            match (self.tail, b) {
                (Some(2), _) => self.tail = Some(1),
                (Some(_), _) => {
                    self.tail = None;
                    let packet = std::mem::take(&mut self.packet);
                    out.push(self.classify(packet));
                }
                (None, b'#') => self.tail = Some(2),
                _ => {}
            }
        }
        out
    }

    fn classify(&mut self, packet: Vec<u8>) -> Piece {
        let body = packet.get(1..packet.len() - 3).unwrap_or_default();
        let ours = ours(body, self.acknowledge);
        if body == b"QStartNoAckMode" {
            self.acknowledge = false;
        }
        ours.unwrap_or(Piece::Pass(packet))
    }
}

fn ours(body: &[u8], acknowledge: bool) -> Option<Piece> {
    let text = std::str::from_utf8(body).ok()?;
    if text.starts_with("vKill;") {
        return Some(Piece::Kill(acknowledge));
    }
    let machine = text.strip_prefix("qqemu").filter(|t| t.starts_with('.'));
    let order = text.strip_prefix("Qqemu.").map(|t| format!("={t}"));
    if let Some(text) = machine.map(str::to_owned).or(order) {
        return Some(Piece::Machine(text, acknowledge));
    }
    if let Some(list) = text.strip_prefix("QPassSignals:") {
        let numbers = list.split(';').filter(|n| !n.is_empty());
        let numbers = numbers.filter_map(|n| u8::from_str_radix(n, 16).ok());
        return Some(Piece::PassSignals(numbers.collect(), acknowledge));
    }
    let (offset, len) = text.strip_prefix("qXfer:siginfo:read::")?.split_once(',')?;
    let offset = u64::from_str_radix(offset, 16).ok()?;
    let len = usize::from_str_radix(len, 16).ok()?;
    Some(Piece::SigInfo(offset, len, acknowledge))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, data: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(data);
            Ok(data.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn packets_of_ours_are_taken_out_even_in_parts() {
        let mut s = Splitter::new();
        assert_eq!(s.feed(b"+$QPassSi"), [Piece::Pass(b"+".to_vec())]);
        assert_eq!(
            s.feed(b"gnals:e;1f;#00"),
            [Piece::PassSignals(vec![14, 31], true)]
        );
        assert_eq!(
            s.feed(b"$QStartNoAckMode#b0\x03$g#67$qXfer:siginfo:read::10,80#00"),
            [
                Piece::Pass(b"$QStartNoAckMode#b0".to_vec()),
                Piece::Pass(vec![3]),
                Piece::Pass(b"$g#67".to_vec()),
                Piece::SigInfo(16, 128, false)
            ]
        );
    }

    #[test]
    fn features_are_added_to_the_answer() {
        let sink = Sink::default();
        let mut w = Wire::new(Box::new(sink.clone()), features(true));
        for b in b"+$PacketSize=1000;x+#00" {
            w.write(*b).unwrap();
        }
        w.flush().unwrap();
        w.answer(true, &escaped(b"l#")).unwrap();
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        let want = "+$PacketSize=1000;x+;QPassSignals+;qXfer:siginfo:read+#";
        assert!(text.starts_with(want), "{text}");
        assert!(text.ends_with("+$l}\u{3}#ec"), "{text:?}");
    }
}
