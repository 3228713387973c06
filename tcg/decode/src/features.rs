//! The list of architecture features: `name implies,… description` lines, one feature each.

use crate::diag::Diags;

/// One feature of the ISA.
#[derive(Clone, Debug)]
pub(crate) struct Feature {
    pub name: String,
    /// Bits of all features that this one brings, itself included.
    pub closure: u64,
    pub doc: String,
}

impl Feature {
    /// The name of the enum variant.
    pub(crate) fn variant(&self) -> String {
        variant(&self.name)
    }
}

/// `v6_t2` → `V6T2`.
pub(crate) fn variant(name: &str) -> String {
    name.split(['_', '.'])
        .map(|part| {
            let mut chars = part.chars();
            chars.next().map_or(String::new(), |c| {
                c.to_ascii_uppercase().to_string() + chars.as_str()
            })
        })
        .collect()
}

/// Reads a feature list. A feature may only imply features of earlier lines.
pub(crate) fn parse(file: &str, text: &str, diags: &mut Diags) -> Vec<Feature> {
    let mut out: Vec<Feature> = Vec::new();
    for (line, raw) in (1u32..).zip(text.lines()) {
        let code = raw.split('#').next().unwrap_or("").trim();
        if code.is_empty() {
            continue;
        }
        let mut words = code.split_whitespace();
        let name = words.next().unwrap_or("").to_string();
        let implied = words.next().unwrap_or("-");
        let doc = words.collect::<Vec<_>>().join(" ");
        if out.len() == 64 || out.iter().any(|f| f.name == name) || doc.is_empty() {
            diags.push(
                file,
                line,
                format!("`{name}`: repeated, more than 64, or not `name implies description`"),
            );
            continue;
        }
        let mut closure = 1u64 << out.len();
        for other in implied.split(',').filter(|o| *o != "-") {
            match out.iter().find(|f| f.name == other) {
                Some(f) => closure |= f.closure,
                None => diags.push(
                    file,
                    line,
                    format!("`{name}` implies `{other}`, which no earlier line defines"),
                ),
            }
        }
        out.push(Feature { name, closure, doc });
    }
    out
}
