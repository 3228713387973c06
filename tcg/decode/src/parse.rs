//! Reads a decode table into rows. The format is described in `FORMAT.md`.

use crate::diag::Diags;
use crate::expr::{self, Expr};
use std::collections::BTreeMap;

/// A run of instruction bits that is part of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Lowest instruction bit.
    pub at: u32,
    /// Number of bits.
    pub len: u32,
    /// Lowest bit within the field's value.
    pub to: u32,
}

/// A field of one row.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    /// As written in the bit string: a letter, or a longer name.
    pub key: String,
    /// The argument's name.
    pub name: String,
    /// Most significant first.
    pub pieces: Vec<Piece>,
    /// Width of the value.
    pub width: u32,
    /// Never passed to the handler.
    pub hidden: bool,
}

impl Field {
    pub(crate) fn value(&self, word: u64) -> u64 {
        self.pieces
            .iter()
            .fold(0, |v, p| v | (((word >> p.at) & ones(p.len)) << p.to))
    }

    pub(crate) fn mask(&self) -> u64 {
        self.pieces.iter().fold(0, |m, p| m | (ones(p.len) << p.at))
    }

    /// The instruction bits that hold `value` in this field.
    pub(crate) fn place(&self, value: u64) -> u64 {
        self.pieces
            .iter()
            .fold(0, |w, p| w | (((value >> p.to) & ones(p.len)) << p.at))
    }
}

pub(crate) fn ones(len: u32) -> u64 {
    if len >= 64 { u64::MAX } else { (1 << len) - 1 }
}

/// Features a row needs: any of these sets of names.
pub(crate) type FeatureTest = Vec<Vec<String>>;

/// One row: an instruction encoding.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub name: String,
    pub line: u32,
    pub mask: u64,
    pub value: u64,
    pub should_mask: u64,
    pub should_value: u64,
    pub fields: Vec<Field>,
    pub syntax: String,
    pub features: FeatureTest,
    pub section: String,
    /// All must hold for the row to match.
    pub matches: Vec<Expr>,
    /// All should hold; the instruction is unpredictable otherwise.
    pub predictable: Vec<Expr>,
    /// Computed arguments: name and value.
    pub sets: Vec<(String, Expr)>,
    /// Rows that win over this one.
    pub see: Vec<String>,
}

impl Row {
    /// The name of the translator's function: the row's name up to the first dot.
    pub(crate) fn handler(&self) -> &str {
        self.name.split('.').next().unwrap_or(&self.name)
    }

    pub(crate) fn field(&self, key: &str) -> Option<&Field> {
        self.fields.iter().find(|f| f.key == key)
    }

    /// Evaluates the match constraints.
    pub(crate) fn accepts(&self, word: u64) -> bool {
        let values: BTreeMap<&str, u64> = self
            .fields
            .iter()
            .map(|f| (f.key.as_str(), f.value(word)))
            .collect();
        word & self.mask == self.value && self.matches.iter().all(|e| e.eval(&values) != Some(0))
    }
}

/// A declared external function or context value.
#[derive(Clone, Debug)]
pub(crate) struct Declared {
    pub name: String,
    pub path: String,
    /// Rust type of the result.
    pub ty: String,
}

/// A whole table.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    pub file: String,
    pub name: String,
    pub width: u32,
    pub manual: String,
    pub rows: Vec<Row>,
    pub functions: Vec<Declared>,
    pub context: Vec<Declared>,
    /// Declared fields by key.
    names: BTreeMap<String, Declaration>,
}

/// `%key name [hidden] [constraint…]`.
#[derive(Clone, Debug)]
struct Declaration {
    name: String,
    hidden: bool,
    /// Match constraints of every row that has the field.
    matches: Vec<Expr>,
}

impl Table {
    /// The unsigned Rust type that holds an instruction.
    pub(crate) fn word(&self) -> &'static str {
        if self.width > 32 { "u64" } else { "u32" }
    }
}

/// Reads a table; what is wrong goes to `diags`.
pub(crate) fn table(file: &str, text: &str, diags: &mut Diags) -> Table {
    let mut table = Table {
        file: file.to_string(),
        ..Table::default()
    };
    for (line, content) in logical_lines(text) {
        let result = match content.strip_prefix('%') {
            Some(directive) => directive_line(&mut table, directive),
            None => row_line(&table, line, &content).map(|row| table.rows.push(row)),
        };
        if let Err(message) = result {
            diags.push(file, line, message);
        }
    }
    if table.width == 0 && diags.is_empty() {
        diags.push(file, 0, "no `%table NAME WIDTH` line");
    }
    let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
    for row in &table.rows {
        if let Some(first) = seen.insert(&row.name, row.line) {
            diags.push(
                file,
                row.line,
                format!("row `{}` is already defined in line {first}", row.name),
            );
        }
    }
    table
}

/// Lines without comments; a backslash at the end continues a line.
fn logical_lines(text: &str) -> Vec<(u32, String)> {
    let mut out: Vec<(u32, String)> = Vec::new();
    let mut continued = false;
    for (line, raw) in (1u32..).zip(text.lines()) {
        let code = strip_comment(raw).trim_end();
        let (code, more) = match code.strip_suffix('\\') {
            Some(start) => (start.trim_end(), true),
            None => (code, false),
        };
        match out.last_mut() {
            Some((_, last)) if continued => {
                last.push(' ');
                last.push_str(code.trim());
            }
            _ if code.trim().is_empty() => {}
            _ => out.push((line, code.trim().to_string())),
        }
        continued = more;
    }
    out
}

/// A `#` outside of quotes starts a comment.
fn strip_comment(line: &str) -> &str {
    let mut quoted = false;
    for (i, c) in line.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '#' if !quoted => return &line[..i],
            _ => {}
        }
    }
    line
}

fn directive_line(table: &mut Table, text: &str) -> Result<(), String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        ["table", name, width] => {
            table.name = (*name).to_string();
            table.width = width
                .parse()
                .ok()
                .filter(|w| (1..=64).contains(w))
                .ok_or("width must be 1 to 64")?;
        }
        ["manual", key] => table.manual = (*key).to_string(),
        ["fn", name, path, ty] => table.functions.push(declared(name, path, ty)?),
        ["ctx", name, ty] => table.context.push(declared(name, "", ty)?),
        [key, name, rest @ ..] if is_identifier(name) => {
            let hidden = rest.first() == Some(&"hidden");
            let matches = rest
                .iter()
                .skip(usize::from(hidden))
                .map(|e| truth(e))
                .collect::<Result<_, _>>()?;
            let entry = Declaration {
                name: (*name).to_string(),
                hidden,
                matches,
            };
            if table.names.insert((*key).to_string(), entry).is_some() {
                return Err(format!("field `{key}` is declared twice"));
            }
        }
        _ => return Err(format!("unknown declaration `%{text}`")),
    }
    Ok(())
}

fn declared(name: &str, path: &str, ty: &str) -> Result<Declared, String> {
    if !["bool", "u32", "u64", "i32", "i64"].contains(&ty) {
        return Err(format!(
            "`{ty}` is not a type of arguments (bool, u32, u64, i32, i64)"
        ));
    }
    Ok(Declared {
        name: name.to_string(),
        path: path.to_string(),
        ty: ty.to_string(),
    })
}

fn is_identifier(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

fn row_line(table: &Table, line: u32, text: &str) -> Result<Row, String> {
    if table.width == 0 {
        return Err("`%table NAME WIDTH` must come first".into());
    }
    let mut parts = text.splitn(3, '"');
    let (head, syntax, tail) = match (parts.next(), parts.next(), parts.next()) {
        (Some(head), Some(syntax), Some(tail)) => (head, syntax, tail),
        _ => return Err("a row is: name bits \"syntax\" features section [constraints]".into()),
    };
    let (name, bits) = head
        .trim()
        .split_once(char::is_whitespace)
        .ok_or("a row needs a name and a bit string")?;
    if !name
        .split('.')
        .all(|part| !part.is_empty() && is_identifier(&format!("x{part}")))
        || !is_identifier(&name[..1])
    {
        return Err(format!(
            "`{name}` is not a row name (lower case, digits, `_`, and `.` before a variant)"
        ));
    }
    let mut row = Row {
        name: name.to_string(),
        line,
        mask: 0,
        value: 0,
        should_mask: 0,
        should_value: 0,
        fields: Vec::new(),
        syntax: syntax.to_string(),
        features: Vec::new(),
        section: String::new(),
        matches: Vec::new(),
        predictable: Vec::new(),
        sets: Vec::new(),
        see: Vec::new(),
    };
    bit_string(table, &mut row, bits)?;
    let mut words = tail.split_whitespace();
    row.features = features(words.next().ok_or("no feature (write `-` for none)")?);
    row.section = words
        .next()
        .ok_or("no manual section (write `-` for none)")?
        .to_string();
    for word in words {
        option(&mut row, word)?;
    }
    check_names(table, &row)?;
    Ok(row)
}

fn features(text: &str) -> FeatureTest {
    if text == "-" {
        return Vec::new();
    }
    text.split('|')
        .map(|all| all.split('+').map(str::to_string).collect())
        .collect()
}

fn option(row: &mut Row, word: &str) -> Result<(), String> {
    if let Some(names) = word.strip_prefix("see:") {
        row.see.extend(names.split(',').map(str::to_string));
    } else if let Some((name, value)) = word.split_once(":=") {
        if !is_identifier(name) {
            return Err(format!("`{name}` is not an argument name"));
        }
        row.sets.push((name.to_string(), expr::parse(value)?));
    } else if let Some(test) = word.strip_prefix('?') {
        row.predictable.push(truth(test)?);
    } else {
        row.matches.push(truth(word)?);
    }
    Ok(())
}

fn truth(text: &str) -> Result<Expr, String> {
    let e = expr::parse(text)?;
    if e.is_bool() {
        Ok(e)
    } else {
        Err(format!("`{text}` is not a test"))
    }
}

/// All names that the row's expressions use must exist.
fn check_names(table: &Table, row: &Row) -> Result<(), String> {
    let mut bad = None;
    let sets = row.sets.iter().map(|(_, e)| (e, true));
    let tests = row
        .matches
        .iter()
        .chain(&row.predictable)
        .map(|e| (e, false));
    for (e, computed) in sets.chain(tests) {
        e.fields(&mut |key| {
            if row.field(key).is_none() {
                bad = Some(format!("the row has no field `{key}`"));
            }
        });
        e.callees(&mut |name, function| {
            let list = if function {
                &table.functions
            } else {
                &table.context
            };
            let builtin = function && (name == "ones" || (name == "sext" && computed));
            let declared = computed && list.iter().any(|d| d.name == name);
            if !(builtin || declared) {
                bad = Some(format!("`{name}` is not declared or not usable here"));
            }
        });
    }
    bad.map_or(Ok(()), Err)
}

/// One element of a bit string, before positions are known.
enum Bit {
    Fixed(bool),
    Should(bool),
    Any,
    /// Field key and, if written with brackets, the bit of the value.
    Field(String, Option<u32>),
}

fn bit_string(table: &Table, row: &mut Row, text: &str) -> Result<(), String> {
    let mut bits = Vec::new();
    for token in text.split_whitespace() {
        if token.contains(':') || token.contains('[') {
            named_field(token, &mut bits)?;
        } else {
            letters(token, &mut bits)?;
        }
    }
    if bits.len() as u32 != table.width {
        return Err(format!(
            "the bit string has {} bits, not {}",
            bits.len(),
            table.width
        ));
    }
    let mut order: Vec<String> = Vec::new();
    let mut places: BTreeMap<String, Vec<(u32, Option<u32>)>> = BTreeMap::new();
    for (bit, at) in bits.iter().zip((0..table.width).rev()) {
        match bit {
            Bit::Fixed(one) => {
                row.mask |= 1 << at;
                row.value |= u64::from(*one) << at;
            }
            Bit::Should(one) => {
                row.should_mask |= 1 << at;
                row.should_value |= u64::from(*one) << at;
            }
            Bit::Any => {}
            Bit::Field(key, to) => {
                if !order.contains(key) {
                    order.push(key.clone());
                }
                places.entry(key.clone()).or_default().push((at, *to));
            }
        }
    }
    for key in order {
        let (name, hidden) = match table.names.get(&key) {
            Some(d) => {
                row.matches.extend(d.matches.iter().cloned());
                (d.name.clone(), d.hidden)
            }
            None if key.len() > 1 => (key.clone(), false),
            None => {
                return Err(format!(
                    "field letter `{key}` is not declared (`%{key} name`)"
                ));
            }
        };
        let (pieces, width) = pieces(&key, places.get(&key).map_or(&[], Vec::as_slice))?;
        row.fields.push(Field {
            key,
            name,
            pieces,
            width,
            hidden,
        });
    }
    Ok(())
}

/// A token of single characters: `0`, `1`, `-`, field letters, and `(0)` or `(1)`.
fn letters(token: &str, bits: &mut Vec<Bit>) -> Result<(), String> {
    let mut should = false;
    for c in token.chars() {
        match c {
            '(' if !should => should = true,
            ')' if should => should = false,
            '0' | '1' if should => bits.push(Bit::Should(c == '1')),
            '0' | '1' => bits.push(Bit::Fixed(c == '1')),
            '-' if !should => bits.push(Bit::Any),
            _ if c.is_ascii_alphabetic() && !should => bits.push(Bit::Field(c.to_string(), None)),
            _ => return Err(format!("unexpected `{c}` in bit string `{token}`")),
        }
    }
    if should {
        Err(format!("`(` without `)` in bit string `{token}`"))
    } else {
        Ok(())
    }
}

/// `name:width`, or `name[hi:lo|bit|…]` with explicit places of the value.
fn named_field(token: &str, bits: &mut Vec<Bit>) -> Result<(), String> {
    let bad = || format!("`{token}` is not name:width or name[hi:lo|…]");
    if let Some((name, rest)) = token.split_once('[') {
        let list = rest
            .strip_suffix(']')
            .filter(|_| is_identifier(name))
            .ok_or_else(bad)?;
        for part in list.split('|') {
            let (hi, lo) = part.split_once(':').unwrap_or((part, part));
            let hi: u32 = hi.parse().map_err(|_| bad())?;
            let lo: u32 = lo.parse().map_err(|_| bad())?;
            if hi < lo || hi > 63 {
                return Err(bad());
            }
            bits.extend(
                (lo..=hi)
                    .rev()
                    .map(|to| Bit::Field(name.to_string(), Some(to))),
            );
        }
        return Ok(());
    }
    let (name, width) = token
        .split_once(':')
        .filter(|(name, _)| is_identifier(name))
        .ok_or_else(bad)?;
    let width: u32 = width
        .parse()
        .ok()
        .filter(|w| (1..=64).contains(w))
        .ok_or_else(bad)?;
    bits.extend((0..width).map(|_| Bit::Field(name.to_string(), None)));
    Ok(())
}

/// Joins single bits (most significant first) into runs.
fn pieces(key: &str, places: &[(u32, Option<u32>)]) -> Result<(Vec<Piece>, u32), String> {
    let explicit = places.iter().filter(|(_, to)| to.is_some()).count();
    if (1..places.len()).contains(&explicit) {
        return Err(format!(
            "field `{key}` has places both with and without brackets"
        ));
    }
    let count = places.len() as u32;
    let mut used = 0u64;
    let mut out: Vec<Piece> = Vec::new();
    for (&(at, to), implicit) in places.iter().zip((0..count).rev()) {
        let to = to.unwrap_or(implicit);
        if used & (1 << to) != 0 {
            return Err(format!("field `{key}` has bit {to} twice"));
        }
        used |= 1 << to;
        match out.last_mut() {
            Some(p) if p.at == at + 1 && p.to == to + 1 => {
                *p = Piece {
                    at,
                    len: p.len + 1,
                    to,
                }
            }
            _ => out.push(Piece { at, len: 1, to }),
        }
    }
    Ok((out, 64 - used.leading_zeros()))
}
