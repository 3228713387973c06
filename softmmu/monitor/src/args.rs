//! Arguments of commands: one description for QMP's objects, HMP's words and the schema.

use serde_json::{Map, Value};

/// What an argument may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// A whole number.
    Number,
    /// A list of text.
    Texts,
    /// In HMP, everything up to the end of the line; in QMP, text.
    Rest,
    /// QMP: whatever other members there are.
    Others,
}

/// An argument.
#[derive(Clone, Copy, Debug)]
pub struct Arg {
    /// Its name.
    pub name: &'static str,
    /// What it may be.
    pub kind: Kind,
    /// It may be left out.
    pub optional: bool,
}

/// An argument that must be there.
pub const fn need(name: &'static str, kind: Kind) -> Arg {
    Arg {
        name,
        kind,
        optional: false,
    }
}

/// An argument that may be left out.
pub const fn may(name: &'static str, kind: Kind) -> Arg {
    Arg {
        name,
        kind,
        optional: true,
    }
}

/// What a command was given.
#[derive(Debug, Default)]
pub struct Args(Map<String, Value>);

impl Args {
    /// Checks what a QMP client sent.
    pub fn of_object(table: &[Arg], object: Option<&Value>) -> Result<Args, String> {
        let empty = Map::new();
        let given = match object {
            None => &empty,
            Some(Value::Object(map)) => map,
            Some(_) => return Err("QMP input member 'arguments' must be an object".to_owned()),
        };
        for key in given.keys() {
            if !table
                .iter()
                .any(|a| a.name == key || a.kind == Kind::Others)
            {
                let hint = softmmu_opts::hint(key, table.iter().map(|a| a.name));
                return Err(format!("Parameter '{key}' is unexpected{hint}"));
            }
        }
        for arg in table {
            match given.get(arg.name) {
                None if !arg.optional => {
                    return Err(format!("Parameter '{}' is missing", arg.name));
                }
                _ if arg.kind == Kind::Others => {}
                Some(value) if !arg.kind.fits(value) => {
                    let wanted = arg.kind.word();
                    return Err(format!(
                        "Invalid parameter type for '{}', expected: {wanted}",
                        arg.name
                    ));
                }
                _ => {}
            }
        }
        Ok(Args(given.clone()))
    }

    /// Reads the words of an HMP command in the order of the table.
    pub fn of_line(table: &[Arg], line: &str) -> Result<Args, String> {
        let mut rest = line.trim();
        let mut map = Map::new();
        for arg in table {
            if rest.is_empty() {
                if arg.optional {
                    continue;
                }
                return Err(format!("'{}' is missing", arg.name));
            }
            let (word, tail) = if arg.kind == Kind::Rest {
                (rest.to_owned(), "")
            } else {
                word(rest)
            };
            let value = arg.kind.parse(&word);
            let wanted = arg.kind.word();
            let value = value.ok_or_else(|| format!("{}: '{word}' is no {wanted}", arg.name))?;
            map.insert(arg.name.to_owned(), value);
            rest = tail.trim_start();
        }
        if rest.is_empty() {
            return Ok(Args(map));
        }
        Err(format!("'{rest}' is too much"))
    }

    /// Text, or nothing if it was not given.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    /// Everything that was given, as text; a switch is `on` or `off`.
    pub fn all(&self) -> Result<Vec<(String, String)>, String> {
        let text = |(key, value): (&String, &Value)| {
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Number(n) => n.to_string(),
                Value::Bool(on) => if *on { "on" } else { "off" }.to_owned(),
                _ => return Err(format!("Invalid parameter type for '{key}'")),
            };
            Ok((key.clone(), text))
        };
        self.0.iter().map(text).collect()
    }

    /// A number.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.0.get(name).and_then(Value::as_u64)
    }
}

/// The first word of a line, which may be in quotes.
fn word(line: &str) -> (String, &str) {
    if let Some(quoted) = line.strip_prefix('"')
        && let Some((word, rest)) = quoted.split_once('"')
    {
        return (word.to_owned(), rest);
    }
    let end = line.find(char::is_whitespace).unwrap_or(line.len());
    let (word, rest) = line.split_at(end);
    (word.to_owned(), rest)
}

impl Kind {
    fn fits(self, value: &Value) -> bool {
        match self {
            Kind::Text | Kind::Rest => value.is_string(),
            Kind::Number => value.is_u64(),
            Kind::Texts => value
                .as_array()
                .is_some_and(|a| a.iter().all(Value::is_string)),
            Kind::Others => true,
        }
    }

    fn parse(self, word: &str) -> Option<Value> {
        match self {
            Kind::Text | Kind::Rest | Kind::Others => Some(word.into()),
            Kind::Number => softmmu_opts::size(word).map(Value::from),
            Kind::Texts => Some(vec![word].into()),
        }
    }

    /// The schema's name of the type.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Text | Kind::Rest => "string",
            Kind::Number => "integer",
            Kind::Texts => "array",
            Kind::Others => "value",
        }
    }
}
