//! QMP's description of itself (`query-qmp-schema`), made from the table of commands.
//! Reference: QEMU's docs/devel/qapi-code-gen, "Client JSON Protocol introspection".

use crate::args::{Arg, Kind};
use crate::qmp::EVENTS;
use crate::table::{COMMANDS, Members, Type};
use serde_json::{Value, json};

/// The schema.
pub fn schema() -> Value {
    let mut types = Types(Vec::new());
    for (name, json_type) in [
        ("str", "string"),
        ("int", "int"),
        ("bool", "boolean"),
        ("any", "value"),
    ] {
        types
            .0
            .push(json!({ "name": name, "meta-type": "builtin", "json-type": json_type }));
    }
    types
        .0
        .push(json!({ "name": "[str]", "meta-type": "array", "element-type": "str" }));
    types
        .0
        .push(json!({ "name": "0", "meta-type": "object", "members": [] }));
    for command in COMMANDS {
        let Some(name) = command.qmp else {
            continue;
        };
        let arguments = types.arguments(command.args);
        let returns = types.of(command.returns);
        types.0.push(json!({
            "name": name,
            "meta-type": "command",
            "arg-type": arguments,
            "ret-type": returns,
            "allow-oob": false,
        }));
    }
    for (name, members) in EVENTS {
        let data = types.object(members);
        types
            .0
            .push(json!({ "name": name, "meta-type": "event", "arg-type": data }));
    }
    Value::Array(types.0)
}

struct Types(Vec<Value>);

impl Types {
    fn name(&self) -> String {
        self.0.len().to_string()
    }

    fn arguments(&mut self, args: &[Arg]) -> String {
        if args.is_empty() {
            return "0".to_owned();
        }
        let args = args.iter().filter(|a| a.kind != Kind::Others);
        let member = |arg: &Arg| {
            let kind = match arg.kind {
                Kind::Text | Kind::Rest => "str",
                Kind::Number => "int",
                Kind::Texts => "[str]",
                Kind::Others => "any",
            };
            let mut member = json!({ "name": arg.name, "type": kind });
            if arg.optional
                && let Some(map) = member.as_object_mut()
            {
                // No value stands for "none".
                map.insert("default".to_owned(), Value::Null);
            }
            member
        };
        let members: Vec<Value> = args.map(member).collect();
        self.push(members)
    }

    fn push(&mut self, members: Vec<Value>) -> String {
        let name = self.name();
        self.0
            .push(json!({ "name": name, "meta-type": "object", "members": members }));
        name
    }

    fn object(&mut self, members: Members) -> String {
        if members.is_empty() {
            return "0".to_owned();
        }
        let mut list = Vec::new();
        for (name, kind) in members {
            let of = self.of(*kind);
            let mut member = json!({ "name": name, "type": of });
            if matches!(kind, Type::Optional(_))
                && let Some(map) = member.as_object_mut()
            {
                map.insert("default".to_owned(), Value::Null);
            }
            list.push(member);
        }
        self.push(list)
    }

    fn of(&mut self, kind: Type) -> String {
        match kind {
            Type::Text => "str".to_owned(),
            Type::Number => "int".to_owned(),
            Type::Switch => "bool".to_owned(),
            Type::Any => "any".to_owned(),
            Type::Optional(there) => self.of(*there),
            Type::Object(members) => self.object(members),
            Type::List(members) => {
                let element = self.object(members);
                let name = format!("[{element}]");
                self.0.push(json!({
                    "name": name, "meta-type": "array", "element-type": element }));
                name
            }
        }
    }
}
