//! Typed properties of devices: what a board file and `-device CLASS,NAME=VALUE` may say.

use softmmu_opts::{hint, integer, size, switch};
use std::collections::BTreeMap;

/// What a property's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `on` or `off`.
    Switch,
    /// A whole number up to this.
    Number(u64),
    /// A number of bytes, with a suffix.
    Size,
    /// Any text.
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
    /// An Ethernet address.
    Mac,
    /// Name of a `-drive` or block node.
    Drive,
    /// Name of a `-netdev`.
    Netdev,
    /// Name of a `-chardev`.
    Chardev,
}

/// A property.
#[derive(Clone, Copy, Debug)]
pub struct Prop {
    /// As QEMU spells it.
    pub name: &'static str,
    /// Type.
    pub kind: Kind,
    /// What it is if nobody says; empty: nothing.
    pub default: &'static str,
    /// One line.
    pub help: &'static str,
}

impl Prop {
    /// A row of a device's table.
    pub const fn new(
        name: &'static str,
        kind: Kind,
        default: &'static str,
        help: &'static str,
    ) -> Prop {
        Prop {
            name,
            kind,
            default,
            help,
        }
    }
}

/// What is wrong with a value: one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct PropError {
    /// The property.
    pub name: String,
    /// For people.
    pub text: String,
}

/// The properties of one device, checked.
#[derive(Clone, Debug, Default)]
pub struct Values(BTreeMap<&'static str, String>);

impl Values {
    /// Checks what was given against the device's table and fills in the rest.
    pub fn check<'a>(
        class: &str,
        table: &[Prop],
        given: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Values, PropError> {
        let defaults = table.iter().filter(|p| !p.default.is_empty());
        let mut values = Values(defaults.map(|p| (p.name, p.default.to_owned())).collect());
        for (name, value) in given {
            let Some(prop) = table.iter().find(|p| p.name == name) else {
                let hint = hint(name, table.iter().map(|p| p.name));
                let text = format!("{class} has no property '{name}'{hint}");
                return Err(PropError {
                    name: name.to_owned(),
                    text,
                });
            };
            if let Err(expected) = check(prop.kind, value) {
                let text = format!("{class}: {name}={value}: expected {expected}");
                return Err(PropError {
                    name: name.to_owned(),
                    text,
                });
            }
            values.0.insert(prop.name, value.to_owned());
        }
        Ok(values)
    }

    /// The text of a property, if it has any.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A switch; off if there is nothing.
    pub fn switch(&self, name: &str) -> bool {
        self.text(name).and_then(switch).unwrap_or(false)
    }

    /// A number or a size, if it is there.
    pub fn number(&self, name: &str) -> Option<u64> {
        let text = self.text(name)?;
        integer(text).or_else(|| size(text))
    }

    /// A number or a size; 0 if there is none.
    pub fn number_or_0(&self, name: &str) -> u64 {
        self.number(name).unwrap_or(0)
    }

    /// An Ethernet address, if it is there.
    pub fn mac(&self, name: &str) -> Option<[u8; 6]> {
        self.text(name).and_then(mac)
    }

    /// Every value, for `info qtree`.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(k, v)| (*k, v.as_str()))
    }
}

fn check(kind: Kind, value: &str) -> Result<(), String> {
    let (good, expected) = match kind {
        Kind::Switch => (switch(value).is_some(), "on or off".to_owned()),
        Kind::Number(max) => (
            integer(value).is_some_and(|n| n <= max),
            format!("a number up to {max}"),
        ),
        Kind::Size => (size(value).is_some(), "a size".to_owned()),
        Kind::Word(words) => (
            words.contains(&value),
            format!("one of {}", words.join(", ")),
        ),
        Kind::Mac => (
            mac(value).is_some(),
            "an Ethernet address such as 52:54:00:12:34:56".to_owned(),
        ),
        Kind::Text => (true, String::new()),
        Kind::Drive | Kind::Netdev | Kind::Chardev => (!value.is_empty(), "a name".to_owned()),
    };
    if good { Ok(()) } else { Err(expected) }
}

/// `52:54:00:12:34:56`, with `-` too.
pub fn mac(text: &str) -> Option<[u8; 6]> {
    let mut bytes = [0; 6];
    let mut parts = text.split([':', '-']);
    for byte in &mut bytes {
        *byte = u8::from_str_radix(parts.next()?, 16).ok()?;
    }
    parts.next().is_none().then_some(bytes)
}

/// The table as text, for `-device CLASS,help`.
pub fn describe(class: &str, table: &[Prop]) -> String {
    use std::fmt::Write;
    let mut out = format!("{class} options:\n");
    for prop in table {
        let kind = match prop.kind {
            Kind::Switch => "bool".to_owned(),
            Kind::Number(_) => "number".to_owned(),
            Kind::Size => "size".to_owned(),
            Kind::Text => "str".to_owned(),
            Kind::Word(words) => words.join("|"),
            Kind::Mac => "MAC".to_owned(),
            Kind::Drive => "drive".to_owned(),
            Kind::Netdev => "netdev".to_owned(),
            Kind::Chardev => "chardev".to_owned(),
        };
        let head = format!("  {}=<{kind}>", prop.name);
        let _ = write!(out, "{head:<28} - {}", prop.help);
        if !prop.default.is_empty() {
            let _ = write!(out, " (default: {})", prop.default);
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[Prop] = &[
        Prop::new("irq", Kind::Number(15), "3", "input"),
        Prop::new("mac", Kind::Mac, "", "address"),
        Prop::new("msi", Kind::Switch, "on", "messages"),
        Prop::new("mode", Kind::Word(&["a", "b"]), "", "mode"),
    ];

    fn check(given: &[(&str, &str)]) -> Result<Values, String> {
        Values::check("x", TABLE, given.iter().copied()).map_err(|e| e.text)
    }

    #[test]
    fn values_are_checked_and_default() {
        let values = check(&[("mac", "52:54:00:12:34:56"), ("irq", "0xf")]).unwrap();
        assert_eq!(values.number("irq"), Some(15));
        assert_eq!(values.mac("mac"), Some([0x52, 0x54, 0, 0x12, 0x34, 0x56]));
        assert!(values.switch("msi"));
        assert_eq!(check(&[]).unwrap().number_or_0("irq"), 3);
        assert_eq!(
            check(&[("irqs", "1")]).unwrap_err(),
            "x has no property 'irqs'; did you mean 'irq'?"
        );
        assert_eq!(
            check(&[("irq", "16")]).unwrap_err(),
            "x: irq=16: expected a number up to 15"
        );
        assert!(check(&[("mode", "c")]).is_err() && check(&[("mac", "1:2")]).is_err());
        assert!(describe("x", TABLE).contains("irq=<number>"));
    }
}
