//! The monitor for people: a line editor, and commands by the table.

use crate::args::Args;
use crate::table::{COMMANDS, hmp};
use crate::{Context, Session};
use serde_json::Value;

/// What stands before each line. Scripts that drive QEMU's monitor wait for this.
pub const PROMPT: &str = "(qemu) ";

/// Carries a line out and returns what there is to print.
pub fn execute(session: &Session, line: &str) -> String {
    let line = line.trim();
    // `x/4x` is the command `x` with a format.
    let end = line.find(|c: char| c.is_whitespace() || c == '/');
    let (name, rest) = line.split_at(end.unwrap_or(line.len()));
    if name.is_empty() {
        return String::new();
    }
    let Some(command) = hmp(name) else {
        let names = COMMANDS.iter().flat_map(|c| c.hmp.iter().copied());
        return format!(
            "unknown command: '{name}'{}\n",
            softmmu_opts::hint(name, names)
        );
    };
    let result = Args::of_line(command.args, rest).and_then(|args| (command.run)(session, &args));
    match result {
        Ok(Value::String(text)) => text,
        Ok(_) => String::new(),
        Err(error) => format!("Error: {error}\n"),
    }
}

/// A line editor's keys.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Escape {
    #[default]
    None,
    Begun,
    Bracket,
}

/// The monitor on a terminal: takes bytes, gives what is to be shown.
pub struct Hmp {
    session: Session,
    line: String,
    history: Vec<String>,
    /// Where in the history; its length: the line itself.
    at: usize,
    escape: Escape,
    last_return: bool,
}

/// The longest line.
const LINE: usize = 4096;

impl Hmp {
    /// A monitor.
    pub fn new(context: Context) -> Hmp {
        Hmp {
            session: Session::new(context),
            line: String::new(),
            history: Vec::new(),
            at: 0,
            escape: Escape::None,
            last_return: false,
        }
    }

    /// What is shown first.
    pub fn greeting(&self) -> String {
        let version = env!("CARGO_PKG_VERSION");
        format!("emu {version} monitor - type 'help' for more information\r\n{PROMPT}")
    }

    /// Whether the emulator is to end.
    pub fn quits(&self) -> bool {
        self.session.quits()
    }

    /// Takes input; returns output.
    pub fn input(&mut self, bytes: &[u8]) -> String {
        let mut out = String::new();
        for &byte in bytes {
            self.key(byte, &mut out);
            if self.quits() {
                break;
            }
        }
        out
    }

    fn key(&mut self, byte: u8, out: &mut String) {
        let after_return = std::mem::replace(&mut self.last_return, byte == b'\r');
        match (self.escape, byte) {
            (Escape::Begun, b'[' | b'O') => return self.escape = Escape::Bracket,
            (Escape::Bracket, b'A') => self.recall(self.at.saturating_sub(1), out),
            (Escape::Bracket, b'B') => self.recall(self.at + 1, out),
            (Escape::None, 27) => return self.escape = Escape::Begun,
            (Escape::None, b'\n') if after_return => {}
            (Escape::None, b'\r' | b'\n') => self.enter(out),
            (Escape::None, 8 | 127) => {
                let erased = self.line.pop().map(|_| "\x08 \x08");
                out.push_str(erased.unwrap_or_default());
            }
            (Escape::None, 21) => self.replace(String::new(), out),
            (Escape::None, 23) => {
                let kept = self.line.trim_end().rsplit_once(' ');
                let kept = kept.map_or_else(String::new, |(kept, _)| format!("{kept} "));
                self.replace(kept, out);
            }
            (Escape::None, b'\t') => self.complete(out),
            (Escape::None, 32..=126) if self.line.len() < LINE => {
                self.line.push(char::from(byte));
                out.push(char::from(byte));
            }
            _ => {}
        }
        self.escape = Escape::None;
    }

    fn enter(&mut self, out: &mut String) {
        out.push_str("\r\n");
        let line = std::mem::take(&mut self.line);
        let text = execute(&self.session, &line);
        out.push_str(&text.replace('\n', "\r\n"));
        if !line.trim().is_empty() && self.history.last() != Some(&line) {
            self.history.push(line);
            let surplus = self.history.len().saturating_sub(100);
            self.history.drain(..surplus);
        }
        self.at = self.history.len();
        out.push_str(PROMPT);
    }

    fn replace(&mut self, line: String, out: &mut String) {
        out.push_str("\r\x1b[K");
        out.push_str(PROMPT);
        out.push_str(&line);
        self.line = line;
    }

    fn recall(&mut self, at: usize, out: &mut String) {
        self.at = at.min(self.history.len());
        let line = self.history.get(self.at).cloned().unwrap_or_default();
        self.replace(line, out);
    }

    fn complete(&mut self, out: &mut String) {
        let line = self.line.clone();
        let names = COMMANDS.iter().flat_map(|c| c.hmp.iter().copied());
        let fitting: Vec<&str> = names
            .filter(|n| n.starts_with(&line) && n.len() > 1)
            .collect();
        match fitting.as_slice() {
            [] => {}
            [one] => self.replace(format!("{one} "), out),
            several => {
                out.push_str("\r\n");
                out.push_str(&several.join("  "));
                out.push_str("\r\n");
                self.replace(line, out);
            }
        }
    }
}
