//! Monitors of a machine: QMP for programs and HMP for people, by one table of commands.
//!
//! A monitor sits at a character device. Its commands run on a thread of its own, because they may
//! wait for vCPUs.
#![forbid(unsafe_code)]

mod args;
mod hmp;
mod memory;
pub mod migrate;
mod qmp;
mod run;
mod schema;
pub mod snapshot;
mod table;

pub use hmp::Hmp;
pub use qmp::Qmp;

use parking_lot::Mutex;
use softmmu_block::Drives;
use softmmu_chardev::Chardevs;
use softmmu_core::chardev::{CharBackend, CharEvent, CharFrontend};
use softmmu_core::control::{Control, MachineEvent};
use softmmu_net::Nets;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

/// What commands work on.
#[derive(Clone)]
pub struct Context {
    /// The machine.
    pub machine: Arc<dyn Control>,
    /// Its character devices.
    pub chardevs: Arc<Chardevs>,
    /// Its disks.
    pub drives: Arc<Drives>,
    /// Its networks.
    pub nets: Arc<Nets>,
    /// The guest's byte order, for `x`.
    pub big_endian: bool,
    /// The guest's name (`ppc`).
    pub target: &'static str,
}

/// What a command changes about its session.
#[derive(Default)]
struct AtEnd {
    quit: bool,
    cpu: u32,
}

/// A client's place.
pub struct Session {
    context: Context,
    at_end: Mutex<AtEnd>,
}

impl Session {
    fn new(context: Context) -> Session {
        Session {
            context,
            at_end: Mutex::default(),
        }
    }

    fn cpu(&self) -> u32 {
        self.at_end.lock().cpu
    }

    fn quits(&self) -> bool {
        self.at_end.lock().quit
    }
}

/// The two languages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// For people (`mode=readline`).
    Readline,
    /// For programs (`mode=control`).
    Control,
}

enum Message {
    Bytes(Vec<u8>),
    Line(CharEvent),
    Machine(MachineEvent),
}

/// The front end: hands everything to the monitor's thread.
struct Inbox(Mutex<Sender<Message>>);

impl CharFrontend for Inbox {
    fn room(&self) -> usize {
        4096
    }

    fn receive(&self, bytes: &[u8]) {
        // A monitor that is gone hears nothing.
        let _ = self.0.lock().send(Message::Bytes(bytes.to_vec()));
    }

    fn event(&self, event: CharEvent) {
        let _ = self.0.lock().send(Message::Line(event));
    }
}

/// A monitor for people without a device: runs a command, gives what it prints.
pub fn runner(context: Context) -> Box<dyn Fn(&str) -> String + Send> {
    let session = Session::new(context);
    Box::new(move |line| {
        let text = hmp::execute(&session, line).replace("\r\n", "\n");
        if session.quits() {
            session.context.machine.quit(0);
        }
        text
    })
}

/// Starts a monitor at `backend`.
pub fn start(context: Context, backend: Arc<dyn CharBackend>, mode: Mode) -> std::io::Result<()> {
    let (sender, receiver) = channel();
    if mode == Mode::Control {
        let events = Mutex::new(sender.clone());
        context.machine.subscribe(Arc::new(move |event| {
            let _ = events.lock().send(Message::Machine(event.clone()));
        }));
    }
    let device = Arc::clone(&backend);
    let thread = std::thread::Builder::new().name("monitor".to_owned());
    thread.spawn(move || match mode {
        Mode::Readline => readline(&context, &*device, &receiver),
        Mode::Control => control(&context, &*device, &receiver),
    })?;
    backend.set_frontend(Some(Arc::new(Inbox(Mutex::new(sender)))));
    Ok(())
}

/// Writes everything, or what a client that reads at all takes.
fn write(device: &dyn CharBackend, text: &str) {
    let mut rest = text.as_bytes();
    for _ in 0..100 {
        let taken = device.write(rest);
        rest = rest.get(taken..).unwrap_or_default();
        if rest.is_empty() {
            return;
        }
    }
}

fn readline(context: &Context, device: &dyn CharBackend, inbox: &Receiver<Message>) {
    let mut hmp = Hmp::new(context.clone());
    let mut greeted = false;
    for message in inbox {
        let text = match message {
            Message::Bytes(bytes) => hmp.input(&bytes),
            // Behind a multiplexer, people see it when they come to it.
            Message::Line(CharEvent::FocusIn) if greeted => format!("\r\n{}", hmp::PROMPT),
            Message::Line(CharEvent::FocusIn) => {
                greeted = true;
                hmp.greeting()
            }
            Message::Line(CharEvent::Opened) if !device.describe().starts_with("mux:") => {
                hmp = Hmp::new(context.clone());
                hmp.greeting()
            }
            _ => continue,
        };
        write(device, &text);
        if hmp.quits() {
            return context.machine.quit(0);
        }
    }
}

fn control(context: &Context, device: &dyn CharBackend, inbox: &Receiver<Message>) {
    let mut client: Option<Qmp> = None;
    for message in inbox {
        let text = match (message, &mut client) {
            (Message::Line(CharEvent::Opened), client) => {
                client.insert(Qmp::new(context.clone())).greeting()
            }
            (Message::Line(CharEvent::Closed), client) => {
                *client = None;
                continue;
            }
            (Message::Bytes(bytes), Some(qmp)) => qmp.input(&bytes),
            (Message::Machine(event), Some(qmp)) => qmp.event(&event),
            _ => continue,
        };
        write(device, &text);
        if client.as_ref().is_some_and(Qmp::quits) {
            return context.machine.quit(0);
        }
    }
}
