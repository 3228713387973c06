//! A board file's `[tree]` as a device tree.
//!
//! A table is a node. `true` is a property without a value, a number a cell, a string a string, an
//! array cells or strings; `"&label"` is a reference to the node that has `"$label" = "label"`.
//! `{ parent, slots, lines }` is the map of a PCI bus's rotated interrupt pins.

use softmmu_core::fdt::{Cell, Node, Value as Prop};
use toml::Value;

/// What is wrong: names of the nodes on the way and the key, and the text.
pub type TreeFault = (Vec<String>, String);

/// A fault for a message.
pub fn show((path, text): &TreeFault) -> String {
    format!("{}: {text}", path.join("."))
}

/// The node that a table describes.
pub fn node(table: &toml::Table) -> Result<Node, TreeFault> {
    let mut node = Node::default();
    for (key, value) in table {
        match value {
            Value::String(label) if key == "$label" => node.label = Some(label.clone()),
            Value::Boolean(false) => {}
            Value::Table(map) if map.contains_key("lines") => {
                let cells = pci_map(map).ok_or_else(|| fault(key, "broken interrupt map"))?;
                node.set(key, Prop::Cells(cells));
            }
            Value::Table(inner) => {
                *node.child(key) = self::node(inner).map_err(|(mut path, text)| {
                    path.insert(0, key.clone());
                    (path, text)
                })?;
            }
            _ => node.set(key, property(key, value)?),
        }
    }
    Ok(node)
}

fn fault(key: &str, text: &str) -> TreeFault {
    (vec![key.to_owned()], text.to_owned())
}

fn property(key: &str, value: &Value) -> Result<Prop, TreeFault> {
    match value {
        Value::Boolean(_) => Ok(Prop::Empty),
        Value::String(text) if !text.starts_with('&') => Ok(Prop::Strings(vec![text.clone()])),
        Value::Array(items) if items.iter().all(is_text) && !items.is_empty() => {
            let texts = items.iter().filter_map(Value::as_str).map(str::to_owned);
            Ok(Prop::Strings(texts.collect()))
        }
        Value::Array(items) => {
            let cells: Result<Vec<Cell>, TreeFault> = items.iter().map(|v| cell(key, v)).collect();
            Ok(Prop::Cells(cells?))
        }
        other => Ok(Prop::Cells(vec![cell(key, other)?])),
    }
}

fn is_text(value: &Value) -> bool {
    value.as_str().is_some_and(|s| !s.starts_with('&'))
}

fn cell(key: &str, value: &Value) -> Result<Cell, TreeFault> {
    match value {
        Value::Integer(n) => u32::try_from(*n)
            .map(Cell::Number)
            .map_err(|_| fault(key, "a cell has 32 bits; write a longer number as two")),
        Value::String(text) => match text.strip_prefix('&') {
            Some(label) => Ok(Cell::Reference(label.to_owned())),
            None => Err(fault(key, "text among cells")),
        },
        _ => Err(fault(key, "expected a number, text or a reference")),
    }
}

/// Rows of (slot, pin) to (parent, specifier): the pins rotate from slot to slot.
fn pci_map(map: &toml::Table) -> Option<Vec<Cell>> {
    let parent = map.get("parent")?.as_str()?.strip_prefix('&')?;
    let slots = u32::try_from(map.get("slots")?.as_integer()?)
        .ok()
        .filter(|n| *n <= 32)?;
    let lines = map.get("lines")?.as_array()?;
    let mut cells = Vec::new();
    for slot in 0..slots {
        for pin in 1..=4u32 {
            let line = lines.get(((slot + pin - 1) % lines.len() as u32) as usize)?;
            cells.extend([slot << 11, 0, 0, pin].map(Cell::Number));
            cells.push(Cell::Reference(parent.to_owned()));
            for part in line.as_array()? {
                cells.push(Cell::Number(u32::try_from(part.as_integer()?).ok()?));
            }
        }
    }
    Some(cells)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_maps() {
        let table: toml::Table = r#"
            a = true
            b = [1, "&x"]
            c = ["t", "u"]
            [d]
            "$label" = "x"
            map = { parent = "&x", slots = 2, lines = [[7, 1], [8, 1]] }
        "#
        .parse()
        .unwrap();
        let node = node(&table).unwrap();
        assert_eq!(node.props.len(), 3);
        let (name, child) = &node.children[0];
        assert_eq!((name.as_str(), child.label.as_deref()), ("d", Some("x")));
        let Prop::Cells(map) = &child.props[0].1 else {
            panic!("cells")
        };
        assert_eq!(map.len(), 2 * 4 * 7);
        assert_eq!(map[28..], {
            let mut second = map[..28].to_vec();
            for (n, row) in second.chunks_mut(7).enumerate() {
                row[0] = Cell::Number(0x800);
                row[5] = Cell::Number(if n % 2 == 0 { 8 } else { 7 });
            }
            second
        });
        let wide: toml::Table = "a = 0x1_0000_0000".parse().unwrap();
        assert_eq!(self::node(&wide).unwrap_err().0, ["a"]);
        let deep: toml::Table = "[a.b]\nc = [1, 'x']".parse().unwrap();
        let fault = self::node(&deep).unwrap_err();
        assert_eq!(show(&fault), "a.b.c: text among cells");
    }
}
