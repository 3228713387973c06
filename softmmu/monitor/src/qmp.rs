//! The monitor for programs: JSON objects one after the other, a handshake, events.
//! Reference: QEMU's docs/interop/qmp-spec.

use crate::args::Args;
use crate::table::{COMMANDS, Members, Type, qmp};
use crate::{Context, Session, run};
use serde_json::{Deserializer, Map, Value, json};
use softmmu_core::control::{Cause, MachineEvent};
use std::time::{SystemTime, UNIX_EPOCH};

const CAUSE: Members = &[("guest", Type::Switch), ("reason", Type::Text)];

/// Events and what they tell.
pub const EVENTS: &[(&str, Members)] = &[
    ("STOP", &[]),
    ("RESUME", &[]),
    ("SHUTDOWN", CAUSE),
    ("RESET", CAUSE),
    ("POWERDOWN", &[]),
    (
        "DEVICE_DELETED",
        &[("device", Type::Text), ("path", Type::Text)],
    ),
];

/// What a client may send without the end of an object.
const INPUT: usize = 1 << 20;

/// A connection.
pub struct Qmp {
    session: Session,
    input: Vec<u8>,
    negotiated: bool,
}

fn line(value: &Value) -> String {
    format!("{value}\r\n")
}

fn error(class: &str, text: &str) -> Value {
    json!({ "error": { "class": class, "desc": text } })
}

impl Qmp {
    /// A connection that has just been made.
    pub fn new(context: Context) -> Qmp {
        Qmp {
            session: Session::new(context),
            input: Vec::new(),
            negotiated: false,
        }
    }

    /// What the server says first.
    pub fn greeting(&self) -> String {
        line(&json!({ "QMP": { "version": run::version(), "capabilities": [] } }))
    }

    /// Whether the emulator is to end.
    pub fn quits(&self) -> bool {
        self.session.quits()
    }

    /// Takes input; returns answers.
    pub fn input(&mut self, bytes: &[u8]) -> String {
        self.input.extend(bytes);
        let mut out = String::new();
        loop {
            let start = self.input.iter().position(|b| !b.is_ascii_whitespace());
            self.input.drain(..start.unwrap_or(self.input.len()));
            let mut values = Deserializer::from_slice(&self.input).into_iter::<Value>();
            match values.next() {
                None => return out,
                Some(Ok(value)) => {
                    let used = values.byte_offset();
                    self.input.drain(..used);
                    out.push_str(&line(&self.request(&value)));
                    if self.quits() {
                        return out;
                    }
                }
                Some(Err(e)) if e.is_eof() && self.input.len() < INPUT => return out,
                Some(Err(_)) => {
                    out.push_str(&line(&error("GenericError", "JSON parse error")));
                    // The next line is a new chance.
                    let end = self.input.iter().position(|b| *b == b'\n');
                    let end = end.unwrap_or(self.input.len());
                    self.input.drain(..end);
                }
            }
        }
    }

    fn request(&mut self, value: &Value) -> Value {
        let answer = match value {
            Value::Object(object) => self.object(object),
            _ => Err(("GenericError", "QMP input must be a JSON object".to_owned())),
        };
        let mut answer = match answer {
            Ok(result) => json!({ "return": result }),
            Err((class, text)) => error(class, &text),
        };
        if let (Some(id), Some(map)) = (value.get("id"), answer.as_object_mut()) {
            map.insert("id".to_owned(), id.clone());
        }
        answer
    }

    fn object(&mut self, object: &Map<String, Value>) -> Result<Value, (&'static str, String)> {
        let generic = |text: String| ("GenericError", text);
        for key in object.keys() {
            if !["execute", "arguments", "id"].contains(&key.as_str()) {
                return Err(generic(format!("QMP input member '{key}' is unexpected")));
            }
        }
        let Some(name) = object.get("execute") else {
            return Err(generic("QMP input lacks member 'execute'".to_owned()));
        };
        let name = name.as_str();
        let name =
            name.ok_or_else(|| generic("QMP input member 'execute' must be a string".into()))?;
        if !self.negotiated && name != "qmp_capabilities" {
            let text = "Expecting capabilities negotiation with 'qmp_capabilities'";
            return Err(("CommandNotFound", text.to_owned()));
        }
        let Some(command) = qmp(name) else {
            let hint = softmmu_opts::hint(name, COMMANDS.iter().filter_map(|c| c.qmp));
            let text = format!("The command {name} has not been found{hint}");
            return Err(("CommandNotFound", text));
        };
        let args = Args::of_object(command.args, object.get("arguments")).map_err(generic)?;
        if !self.negotiated {
            let wants = object.get("arguments").and_then(|a| a.get("enable"));
            if wants
                .and_then(Value::as_array)
                .is_some_and(|w| !w.is_empty())
            {
                return Err(generic("there are no capabilities to enable".to_owned()));
            }
            self.negotiated = true;
            return Ok(json!({}));
        }
        (command.run)(&self.session, &args).map_err(generic)
    }

    /// What the client is told about an event.
    pub fn event(&self, event: &MachineEvent) -> String {
        if !self.negotiated {
            return String::new();
        }
        let of = |cause: &Cause| Some(json!({ "guest": cause.guest, "reason": cause.reason }));
        let (name, data) = match event {
            MachineEvent::Stop => ("STOP", None),
            MachineEvent::Resume => ("RESUME", None),
            MachineEvent::Powerdown => ("POWERDOWN", None),
            MachineEvent::Shutdown(cause) => ("SHUTDOWN", of(cause)),
            MachineEvent::Reset(cause) => ("RESET", of(cause)),
            MachineEvent::DeviceDeleted(id) => {
                let path = format!("/machine/peripheral/{id}");
                (
                    "DEVICE_DELETED",
                    Some(json!({ "device": id, "path": path })),
                )
            }
        };
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let mut value = json!({
            "event": name,
            "timestamp": { "seconds": now.as_secs(), "microseconds": now.subsec_micros() },
        });
        if let (Some(data), Some(map)) = (data, value.as_object_mut()) {
            map.insert("data".to_owned(), data);
        }
        line(&value)
    }
}
