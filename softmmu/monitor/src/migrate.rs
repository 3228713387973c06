//! A machine goes on in another process: `migrate` here, `-incoming` there. It stands still meanwhile.

use crate::args::Args;
use crate::{Context, Session, snapshot};
use serde_json::{Value, json};
use softmmu_core::control::RunState;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};

fn unknown(place: &str) -> String {
    format!("{place}: expected file:PATH, unix:PATH or tcp:HOST:PORT")
}

fn connect(place: &str) -> Result<Box<dyn Write>, String> {
    let (kind, rest) = place.split_once(':').ok_or_else(|| unknown(place))?;
    let stream: std::io::Result<Box<dyn Write>> = match kind {
        "file" => File::create(rest).map(|f| Box::new(f) as _),
        "unix" => UnixStream::connect(rest).map(|s| Box::new(s) as _),
        "tcp" => TcpStream::connect(rest).map(|s| Box::new(s) as _),
        _ => return Err(unknown(place)),
    };
    stream.map_err(|e| format!("{place}: {e}"))
}

fn accept(place: &str) -> Result<Box<dyn Read>, String> {
    let (kind, rest) = place.split_once(':').ok_or_else(|| unknown(place))?;
    let stream: std::io::Result<Box<dyn Read>> = match kind {
        "file" => File::open(rest).map(|f| Box::new(f) as _),
        "unix" => {
            // One that a former run left behind.
            let stale = UnixStream::connect(rest);
            if stale.is_err_and(|e| e.kind() == std::io::ErrorKind::ConnectionRefused) {
                let _ = std::fs::remove_file(rest);
            }
            UnixListener::bind(rest)
                .and_then(|l| l.accept())
                .map(|(s, _)| Box::new(s) as _)
        }
        "tcp" => TcpListener::bind(rest)
            .and_then(|l| l.accept())
            .map(|(s, _)| Box::new(s) as _),
        _ => return Err(unknown(place)),
    };
    stream.map_err(|e| format!("{place}: {e}"))
}

/// Sends the machine to a place. If that fails it goes on here.
fn send(context: &Context, place: &str) -> Result<(), String> {
    let machine = &context.machine;
    let running = machine.state() == RunState::Running;
    if running {
        machine.stop();
    }
    let sent = context
        .drives
        .flush()
        .map_err(|e| e.to_string())
        .and_then(|()| machine.save())
        .and_then(|sections| {
            let to = connect(place)?;
            snapshot::send(to, &sections).map_err(|e| format!("{place}: {e}"))
        });
    match &sent {
        Ok(()) => machine.stand(RunState::PostMigrate),
        Err(_) if running => machine.cont(),
        Err(_) => {}
    }
    sent
}

/// Waits for a machine from a place, which then runs here, too, if `run`.
pub fn receive(context: &Context, place: &str, run: bool) -> Result<(), String> {
    let machine = &context.machine;
    machine.stand(RunState::InMigrate);
    let sections = snapshot::receive(accept(place)?).map_err(|e| format!("{place}: {e}"))?;
    machine
        .load(&sections)
        .map_err(|e| format!("{place}: {e}"))?;
    machine.stand(RunState::Paused);
    if run {
        machine.cont();
    }
    Ok(())
}

/// Loads a saved machine by its name or path.
pub fn load(context: &Context, name: &str) -> Result<(), String> {
    let path = snapshot::path_of(name);
    let sections = snapshot::read(&path)?;
    let loaded = context.machine.load(&sections);
    loaded.map_err(|e| format!("{}: {e}", path.display()))
}

/// The command `migrate`.
pub fn migrate(session: &Session, args: &Args) -> Result<Value, String> {
    let place = args.text("uri").unwrap_or("");
    // HMP's -d: do not wait. There is nothing to wait for.
    let place = place.strip_prefix("-d ").unwrap_or(place).trim();
    send(&session.context, place).map(|()| json!({}))
}

/// The command `query-migrate`.
pub fn query(session: &Session, _: &Args) -> Result<Value, String> {
    Ok(match session.context.machine.state() {
        RunState::PostMigrate => json!({ "status": "completed" }),
        RunState::InMigrate => json!({ "status": "setup" }),
        _ => json!({}),
    })
}
