//! One character device for several front ends: what is typed goes to one of them, and an escape
//! character (C-a) changes to the next, among other things.
//!
//! Every port has a small queue, so that the escape character is seen even while the front end
//! that has the keyboard takes nothing.

use parking_lot::Mutex;
use softmmu_core::chardev::{CharBackend, CharEvent, CharFrontend, LineParams};
use softmmu_hostio::{Interest, Loop, Ready, Source};
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Weak};
use std::time::Instant;

/// Bytes that wait for a front end without room.
const QUEUE: usize = 256;

/// The escape character of all multiplexers (`-echr`).
static ESCAPE: AtomicU8 = AtomicU8::new(1);

/// Sets the escape character; 0 stands for C-a.
pub fn set_escape(byte: u8) {
    ESCAPE.store(if byte == 0 { 1 } else { byte }, Ordering::Relaxed);
}

/// What the escape character's commands ask of the emulator.
#[derive(Clone, Default)]
pub struct Hooks {
    /// `x`: end.
    pub exit: Option<Arc<dyn Fn() + Send + Sync>>,
    /// `s`: write all disks' data back.
    pub save_disks: Option<Arc<dyn Fn() + Send + Sync>>,
}

struct PortState {
    frontend: Option<Arc<dyn CharFrontend>>,
    queue: VecDeque<u8>,
    told_open: bool,
}

struct State {
    ports: Vec<PortState>,
    focus: usize,
    escaped: bool,
    timestamps: Option<Instant>,
    line_start: bool,
    open: bool,
    hooks: Hooks,
    /// Events that wait for the loop.
    events: Vec<(usize, CharEvent)>,
}

/// The multiplexer.
pub struct Mux {
    backend: Arc<dyn CharBackend>,
    state: Mutex<State>,
}

/// One front end's back end. The first one has the keyboard at first.
struct Port {
    mux: Arc<Mux>,
    index: usize,
}

/// The multiplexer as the front end of its back end.
struct Keyboard(Weak<Mux>);

impl Mux {
    /// Puts a multiplexer on `backend`.
    pub fn new(backend: Arc<dyn CharBackend>) -> Arc<Mux> {
        let this = Arc::new(Mux {
            backend,
            state: Mutex::new(State {
                ports: Vec::new(),
                focus: 0,
                escaped: false,
                timestamps: None,
                line_start: true,
                open: false,
                hooks: Hooks::default(),
                events: Vec::new(),
            }),
        });
        let source: Arc<dyn Source> = this.clone();
        Loop::shared().add(Arc::downgrade(&source));
        let keyboard = Keyboard(Arc::downgrade(&this));
        this.backend.set_frontend(Some(Arc::new(keyboard)));
        this
    }

    /// A place for one more front end.
    pub fn port(self: &Arc<Mux>) -> Arc<dyn CharBackend> {
        let mut state = self.state.lock();
        state.ports.push(PortState {
            frontend: None,
            queue: VecDeque::new(),
            told_open: false,
        });
        Arc::new(Port {
            mux: Arc::clone(self),
            index: state.ports.len() - 1,
        })
    }

    /// What the commands do.
    pub fn set_hooks(&self, hooks: Hooks) {
        self.state.lock().hooks = hooks;
    }

    /// Takes what was typed; returns what the commands in it have to say.
    fn typed(&self, bytes: &[u8]) -> String {
        let escape = ESCAPE.load(Ordering::Relaxed);
        let mut says = String::new();
        for &byte in bytes {
            let mut state = self.state.lock();
            let escaped = std::mem::take(&mut state.escaped);
            match (escaped, byte == escape) {
                (false, true) => state.escaped = true,
                (true, false) => self.command(state, byte, &mut says),
                // A pair stands for itself.
                _ => state.enqueue(byte),
            }
        }
        says
    }

    fn command(&self, mut state: parking_lot::MutexGuard<'_, State>, byte: u8, says: &mut String) {
        match byte {
            b'h' | b'?' => says.push_str(&help()),
            b'b' => {
                let focus = state.focus;
                state.events.push((focus, CharEvent::Break));
            }
            b'c' => state.switch_focus(),
            b't' => {
                state.timestamps = match state.timestamps {
                    Some(_) => None,
                    None => Some(Instant::now()),
                };
                state.line_start = true;
            }
            b's' | b'x' => {
                let hooks = state.hooks.clone();
                // Hooks stop machines: nothing may be locked.
                drop(state);
                let hook = if byte == b's' {
                    hooks.save_disks
                } else {
                    self.backend.write(b"emu: terminated\r\n");
                    hooks.exit
                };
                if let Some(hook) = hook {
                    hook();
                }
            }
            _ => {}
        }
    }

    /// Hands queued bytes and events to the front ends. On the loop's thread only.
    fn drain(&self) {
        let mut freed = false;
        let (count, events) = {
            let mut state = self.state.lock();
            (state.ports.len(), std::mem::take(&mut state.events))
        };
        for index in 0..count {
            freed |= self.drain_port(index, &events);
        }
        if freed {
            self.backend.accept_input();
        }
    }

    fn drain_port(&self, index: usize, events: &[(usize, CharEvent)]) -> bool {
        let Some((frontend, news)) = self.state.lock().port_news(index) else {
            return false;
        };
        if let Some(event) = news {
            frontend.event(event);
        }
        for (_, event) in events.iter().filter(|(i, _)| *i == index) {
            frontend.event(*event);
        }
        let mut freed = false;
        loop {
            let room = frontend.room();
            let bytes = self.state.lock().dequeue(index, room);
            if bytes.is_empty() {
                return freed;
            }
            frontend.receive(&bytes);
            freed = true;
        }
    }

    fn output(&self, bytes: &[u8]) -> usize {
        let mut state = self.state.lock();
        let Some(since) = state.timestamps else {
            drop(state);
            return self.backend.write(bytes);
        };
        let mut out = Vec::with_capacity(bytes.len() + 32);
        for &byte in bytes {
            if std::mem::take(&mut state.line_start) {
                out.extend(stamp(since).into_bytes());
            }
            out.push(byte);
            state.line_start = byte == b'\n';
        }
        drop(state);
        self.backend.write(&out);
        bytes.len()
    }
}

impl State {
    fn enqueue(&mut self, byte: u8) {
        let focus = self.focus;
        if let Some(port) = self.ports.get_mut(focus)
            && port.queue.len() < QUEUE
        {
            port.queue.push_back(byte);
        }
    }

    fn dequeue(&mut self, index: usize, max: usize) -> Vec<u8> {
        let Some(port) = self.ports.get_mut(index) else {
            return Vec::new();
        };
        let n = max.min(port.queue.len());
        port.queue.drain(..n).collect()
    }

    fn switch_focus(&mut self) {
        let count = self.ports.len();
        let next = (self.focus + 1).checked_rem(count).unwrap_or(0);
        self.events.push((self.focus, CharEvent::FocusOut));
        self.events.push((next, CharEvent::FocusIn));
        self.focus = next;
    }

    /// The front end at a port, and what it has not been told about the other end.
    fn port_news(&mut self, index: usize) -> Option<(Arc<dyn CharFrontend>, Option<CharEvent>)> {
        let open = self.open;
        let port = self.ports.get_mut(index)?;
        let frontend = port.frontend.clone()?;
        let news = (port.told_open != open).then_some(if open {
            CharEvent::Opened
        } else {
            CharEvent::Closed
        });
        port.told_open = open;
        Some((frontend, news))
    }
}

fn stamp(since: Instant) -> String {
    let ms = since.elapsed().as_millis();
    let (s, ms) = (ms / 1000, ms % 1000);
    format!(
        "[{:02}:{:02}:{:02}.{ms:03}] ",
        s / 3600,
        s / 60 % 60,
        s % 60
    )
}

fn help() -> String {
    let escape = ESCAPE.load(Ordering::Relaxed);
    let name = if escape < 32 {
        format!("C-{}", char::from(escape + 96))
    } else {
        char::from(escape).to_string()
    };
    let mut text = String::from("\r\n");
    for (key, does) in [
        ("h", "this help"),
        ("x", "end the emulator"),
        ("s", "write disk data back to files"),
        ("t", "time stamps on or off"),
        ("b", "send a break"),
        ("c", "change to the next console or monitor"),
        (name.as_str(), "send the escape character itself"),
    ] {
        // Writing into a string cannot fail.
        let _ = write!(text, "{name} {key:<4} {does}\r\n");
    }
    text
}

impl CharFrontend for Keyboard {
    fn room(&self) -> usize {
        let Some(mux) = self.0.upgrade() else {
            return 0;
        };
        let state = mux.state.lock();
        let used = state.ports.get(state.focus).map_or(0, |p| p.queue.len());
        QUEUE.saturating_sub(used)
    }

    fn receive(&self, bytes: &[u8]) {
        if let Some(mux) = self.0.upgrade() {
            let says = mux.typed(bytes);
            if !says.is_empty() {
                mux.backend.write(says.as_bytes());
            }
            mux.drain();
        }
    }

    fn event(&self, event: CharEvent) {
        let Some(mux) = self.0.upgrade() else {
            return;
        };
        let mut state = mux.state.lock();
        match event {
            CharEvent::Opened => state.open = true,
            CharEvent::Closed => state.open = false,
            CharEvent::Break => {
                let focus = state.focus;
                state.events.push((focus, CharEvent::Break));
            }
            CharEvent::FocusIn | CharEvent::FocusOut => {}
        }
        drop(state);
        mux.drain();
    }
}

impl Source for Mux {
    fn interests(&self, _out: &mut Vec<Interest>) {
        self.drain();
    }

    fn ready(&self, _token: u64, _ready: Ready) {}
}

impl CharBackend for Port {
    fn write(&self, bytes: &[u8]) -> usize {
        self.mux.output(bytes)
    }

    fn set_frontend(&self, frontend: Option<Arc<dyn CharFrontend>>) {
        let mut state = self.mux.state.lock();
        if let Some(port) = state.ports.get_mut(self.index) {
            port.frontend = frontend;
            port.told_open = false;
        }
        if state.focus == self.index {
            state.events.push((self.index, CharEvent::FocusIn));
        }
        drop(state);
        Loop::shared().wake();
    }

    fn accept_input(&self) {
        let waits = |state: &State| {
            let port = state.ports.get(self.index);
            port.is_some_and(|p| !p.queue.is_empty())
        };
        if waits(&self.mux.state.lock()) {
            Loop::shared().wake();
        }
    }

    fn send_break(&self) {
        self.mux.backend.send_break();
    }

    fn set_params(&self, params: LineParams) {
        self.mux.backend.set_params(params);
    }

    fn describe(&self) -> String {
        format!("mux:{}", self.mux.backend.describe())
    }
}
