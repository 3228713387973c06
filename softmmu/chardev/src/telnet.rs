//! The telnet protocol, as much as a serial line over it needs: echo and line mode off, binary,
//! break. Reference: RFC 854 to 858.

const IAC: u8 = 255;
const SB: u8 = 250;
const SE: u8 = 240;
const BREAK: u8 = 243;
const WILL: u8 = 251;
const DO: u8 = 253;
const BINARY: u8 = 0;
const ECHO: u8 = 1;
const SUPPRESS_GO_AHEAD: u8 = 3;

/// What a server says first: it echoes, nobody waits for the other, eight bits both ways.
pub const GREETING: &[u8] = &[
    IAC,
    WILL,
    ECHO,
    IAC,
    WILL,
    SUPPRESS_GO_AHEAD,
    IAC,
    WILL,
    BINARY,
    IAC,
    DO,
    BINARY,
];

/// Where in a command the input is.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
enum State {
    #[default]
    Data,
    Command,
    Option,
    Sub,
    SubCommand,
}

/// Takes commands out of what a client sends.
#[derive(Default, Debug)]
pub struct Decoder {
    state: State,
}

impl Decoder {
    /// Appends the data in `input` to `data`; returns whether there was a break.
    pub fn decode(&mut self, input: &[u8], data: &mut Vec<u8>) -> bool {
        let mut broke = false;
        for &byte in input {
            self.state = match (self.state, byte) {
                (State::Data, IAC) => State::Command,
                (State::Data, _) => {
                    data.push(byte);
                    State::Data
                }
                (State::Command, IAC) => {
                    data.push(IAC);
                    State::Data
                }
                (State::Command, BREAK) => {
                    broke = true;
                    State::Data
                }
                (State::Command, SB) => State::Sub,
                (State::Command, 251..=254) => State::Option,
                (State::Command | State::Option, _) => State::Data,
                (State::Sub, IAC) => State::SubCommand,
                (State::Sub, _) => State::Sub,
                (State::SubCommand, SE) => State::Data,
                (State::SubCommand, _) => State::Sub,
            };
        }
        broke
    }
}

/// What to send for `data`.
pub fn encode(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len() + 8);
    for &byte in data {
        out.push(byte);
        if byte == IAC {
            out.push(IAC);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_vanish_wherever_they_are_cut() {
        let input = [
            b'a', IAC, DO, BINARY, b'b', IAC, IAC, IAC, SB, 24, IAC, 1, IAC, SE, b'c', IAC, 241,
            b'd',
        ];
        for cut in 0..=input.len() {
            let mut decoder = Decoder::default();
            let mut data = Vec::new();
            assert!(!decoder.decode(&input[..cut], &mut data));
            assert!(!decoder.decode(&input[cut..], &mut data));
            assert_eq!(data, [b'a', b'b', IAC, b'c', b'd'], "cut at {cut}");
        }
    }

    #[test]
    fn a_break_is_told() {
        let mut data = Vec::new();
        assert!(Decoder::default().decode(&[IAC, BREAK, b'x'], &mut data));
        assert_eq!(data, b"x");
    }

    #[test]
    fn data_that_looks_like_a_command_is_doubled() {
        assert_eq!(encode(&[1, IAC, 2]), [1, IAC, IAC, 2]);
    }
}
