//! Device trees as values, and their flattened form [DTSPEC 5].

use std::collections::BTreeMap;

/// A property's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// It is there.
    Empty,
    /// Strings, each with a NUL.
    Strings(Vec<String>),
    /// 32-bit cells and references.
    Cells(Vec<Cell>),
    /// Anything.
    Bytes(Vec<u8>),
}

/// A part of a value of cells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// A number.
    Number(u32),
    /// The phandle of the node with this label.
    Reference(String),
}

/// A node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// Name for references.
    pub label: Option<String>,
    /// Properties.
    pub props: Vec<(String, Value)>,
    /// Name with unit address, and the node.
    pub children: Vec<(String, Node)>,
}

/// A tree that cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("device tree: {0}")]
pub struct TreeError(pub String);

impl Node {
    /// Sets a property.
    pub fn set(&mut self, name: &str, value: Value) {
        match self.props.iter_mut().find(|(n, _)| n == name) {
            Some((_, old)) => *old = value,
            None => self.props.push((name.to_owned(), value)),
        }
    }

    /// Sets a string.
    pub fn set_str(&mut self, name: &str, text: &str) {
        self.set(name, Value::Strings(vec![text.to_owned()]));
    }

    /// Sets numbers.
    pub fn set_cells(&mut self, name: &str, cells: &[u32]) {
        let cells = cells.iter().copied().map(Cell::Number).collect();
        self.set(name, Value::Cells(cells));
    }

    /// A child, made if it is not there.
    pub fn child(&mut self, name: &str) -> &mut Node {
        let at = self.children.iter().position(|(n, _)| n == name);
        let at = at.unwrap_or_else(|| {
            self.children.push((name.to_owned(), Node::default()));
            self.children.len() - 1
        });
        // `at` was just found or made.
        &mut self.children[at].1
    }

    fn labels(&self, found: &mut BTreeMap<String, u32>) {
        if let Some(label) = &self.label {
            let next = found.len() as u32 + 1;
            found.entry(label.clone()).or_insert(next);
        }
        self.children.iter().for_each(|(_, c)| c.labels(found));
    }

    /// The flattened tree.
    pub fn flatten(&self) -> Result<Vec<u8>, TreeError> {
        let mut labels = BTreeMap::new();
        self.labels(&mut labels);
        let mut writer = vm_fdt::FdtWriter::new().map_err(|e| TreeError(e.to_string()))?;
        self.write("", &labels, &mut writer)?;
        writer.finish().map_err(|e| TreeError(e.to_string()))
    }

    fn write(
        &self,
        name: &str,
        labels: &BTreeMap<String, u32>,
        out: &mut vm_fdt::FdtWriter,
    ) -> Result<(), TreeError> {
        let failed = |e: vm_fdt::Error| TreeError(format!("{name}: {e}"));
        let node = out.begin_node(name).map_err(failed)?;
        for (key, value) in &self.props {
            let bytes = bytes_of(value, labels)?;
            out.property(key, &bytes).map_err(failed)?;
        }
        if let Some(handle) = self.label.as_ref().and_then(|l| labels.get(l)) {
            out.property_u32("phandle", *handle).map_err(failed)?;
            out.property_u32("linux,phandle", *handle).map_err(failed)?;
        }
        for (name, child) in &self.children {
            child.write(name, labels, out)?;
        }
        out.end_node(node).map_err(failed)
    }
}

fn bytes_of(value: &Value, labels: &BTreeMap<String, u32>) -> Result<Vec<u8>, TreeError> {
    let mut bytes = Vec::new();
    match value {
        Value::Empty => {}
        Value::Bytes(b) => bytes.extend_from_slice(b),
        Value::Strings(strings) => {
            for text in strings {
                bytes.extend_from_slice(text.as_bytes());
                bytes.push(0);
            }
        }
        Value::Cells(cells) => {
            for cell in cells {
                let number = match cell {
                    Cell::Number(n) => *n,
                    Cell::Reference(label) => *labels
                        .get(label)
                        .ok_or_else(|| TreeError(format!("no node is labelled '{label}'")))?,
                };
                bytes.extend_from_slice(&number.to_be_bytes());
            }
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_become_handles() {
        let mut root = Node::default();
        root.set_str("model", "x");
        let reference = vec![Cell::Reference("pic".into()), Cell::Number(7)];
        root.child("dev@1")
            .set("interrupts-extended", Value::Cells(reference));
        assert!(root.flatten().is_err());
        let pic = root.child("pic@2");
        pic.label = Some("pic".into());
        pic.set("interrupt-controller", Value::Empty);
        let blob = root.flatten().unwrap();
        assert_eq!(blob[..4], [0xd0, 0x0d, 0xfe, 0xed]);
        let wanted = [0, 0, 0, 1, 0, 0, 0, 7];
        assert!(blob.windows(8).any(|w| w == wanted));
    }
}
