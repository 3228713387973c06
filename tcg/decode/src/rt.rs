//! Run-time part: rows as data, the table-driven disassembler and the instruction generator.

use std::ops::Deref;
use std::sync::OnceLock;

/// A run of instruction bits that is part of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PieceInfo {
    /// Lowest instruction bit.
    pub at: u32,
    /// Number of bits.
    pub len: u32,
    /// Lowest bit within the field's value.
    pub to: u32,
}

/// A field of a row.
#[derive(Debug)]
pub struct FieldInfo {
    /// As written in the table's bit string.
    pub key: &'static str,
    /// The argument's name.
    pub name: &'static str,
    /// Where the bits are, most significant first.
    pub pieces: Box<[PieceInfo]>,
    /// Width of the value in bits.
    pub width: u32,
}

impl FieldInfo {
    /// The field's value in an instruction.
    pub fn value(&self, insn: u64) -> u64 {
        self.pieces
            .iter()
            .fold(0, |v, p| v | (((insn >> p.at) & ones(p.len)) << p.to))
    }

    /// The instruction with the field replaced.
    pub fn insert(&self, insn: u64, value: u64) -> u64 {
        self.pieces.iter().fold(insn, |w, p| {
            (w & !(ones(p.len) << p.at)) | (((value >> p.to) & ones(p.len)) << p.at)
        })
    }
}

/// One row of a decode table.
#[derive(Debug)]
pub struct RowInfo {
    /// Unique name within the table; the handler's name is the part before the first dot.
    pub name: &'static str,
    /// Line in the table.
    pub line: u32,
    /// Width of the instruction in bits.
    pub width: u32,
    /// Fixed bits.
    pub mask: u64,
    /// Values of the fixed bits.
    pub value: u64,
    /// Bits that should have a value.
    pub should_mask: u64,
    /// The value they should have.
    pub should_value: u64,
    /// The fields, in the order of their first bit.
    pub fields: Box<[FieldInfo]>,
    /// Assembly syntax: text with `{…}` operands.
    pub syntax: &'static str,
    /// Features needed, as in the table; `-` for none.
    pub features: &'static str,
    /// Manual and section.
    pub section: &'static str,
    number: u16,
    accepts: Test,
    constraints: Test,
}

impl RowInfo {
    /// Whether the fixed bits and the match constraints agree with the instruction.
    pub fn matches(&self, insn: u64) -> bool {
        insn & self.mask == self.value && (self.accepts)(self.number, insn)
    }

    /// Whether the should-be bits and the constraints on predictable instructions hold.
    pub fn predictable(&self, insn: u64) -> bool {
        insn & self.should_mask == self.should_value && (self.constraints)(self.number, insn)
    }

    /// The field with this key or name.
    pub fn field(&self, key: &str) -> Option<&FieldInfo> {
        self.fields
            .iter()
            .find(|f| f.key == key)
            .or_else(|| self.fields.iter().find(|f| f.name == key))
    }

    /// The name of the translator's function.
    pub fn handler(&self) -> &'static str {
        self.name.split('.').next().unwrap_or(self.name)
    }
}

/// Whether constraints of a row, known by its number in its table, hold for an instruction.
pub type Test = fn(u16, u64) -> bool;

/// The rows of a table. Kept as one text and parsed when they are first looked at, which running programs never do: as a
/// table of structures with pointers they would have to be relocated whenever the emulator starts.
pub struct Rows {
    text: &'static str,
    accepts: Test,
    constraints: Test,
    parsed: OnceLock<Box<[RowInfo]>>,
}

/// Between the parts of a row's text.
pub(crate) const PART: char = '\t';
/// Between its fields.
pub(crate) const FIELD: char = ';';

impl Rows {
    /// Rows in the form that the compiler of the tables writes: one a line.
    pub const fn new(text: &'static str, accepts: Test, constraints: Test) -> Rows {
        Rows {
            text,
            accepts,
            constraints,
            parsed: OnceLock::new(),
        }
    }

    fn row(&self, number: usize, line: &'static str) -> Option<RowInfo> {
        let mut parts = line.split(PART);
        let mut word = || u64::from_str_radix(parts.next()?, 16).ok();
        let (at, width, mask, value) = (word()?, word()?, word()?, word()?);
        let (should_mask, should_value) = (word()?, word()?);
        Some(RowInfo {
            name: parts.next()?,
            line: at as u32,
            width: width as u32,
            mask,
            value,
            should_mask,
            should_value,
            syntax: parts.next()?,
            features: parts.next()?,
            section: parts.next()?,
            fields: parts
                .next()?
                .split_terminator(FIELD)
                .map(field)
                .collect::<Option<_>>()?,
            number: number as u16,
            accepts: self.accepts,
            constraints: self.constraints,
        })
    }
}

/// `key name width` and for each piece `at len to`.
fn field(text: &'static str) -> Option<FieldInfo> {
    let mut words = text.split(' ');
    let (key, name) = (words.next()?, words.next()?);
    let numbers: Vec<u32> = words.map(|w| w.parse().ok()).collect::<Option<_>>()?;
    let (width, pieces) = numbers.split_first()?;
    let pieces = pieces.chunks(3).map(|p| match *p {
        [at, len, to] => Some(PieceInfo { at, len, to }),
        _ => None,
    });
    Some(FieldInfo {
        key,
        name,
        pieces: pieces.collect::<Option<_>>()?,
        width: *width,
    })
}

impl Deref for Rows {
    type Target = [RowInfo];

    fn deref(&self) -> &[RowInfo] {
        self.parsed.get_or_init(|| {
            let lines = self.text.lines().enumerate();
            let rows = lines.map(|(number, line)| self.row(number, line));
            // Written by this crate's own compiler: `every_row_is_read_back`.
            rows.collect::<Option<_>>().unwrap_or_default()
        })
    }
}

impl<'a> IntoIterator for &'a Rows {
    type Item = &'a RowInfo;
    type IntoIter = std::slice::Iter<'a, RowInfo>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

fn ones(len: u32) -> u64 {
    if len >= 64 { u64::MAX } else { (1 << len) - 1 }
}

/// Sign-extends the low `bits` bits.
pub const fn sext(value: u64, bits: u32) -> i64 {
    if bits == 0 || bits > 63 {
        return value as i64;
    }
    ((value << (64 - bits)) as i64) >> (64 - bits)
}

/// Prints operands for one ISA.
pub trait Printer {
    /// Appends the operand `{kind arg…}`. A plain `{key}` comes as the field's name with its
    /// value. Returns false when the kind is unknown.
    fn operand(&self, out: &mut String, kind: &str, args: &[u64], insn: u64) -> bool;
}

/// The text of an instruction that `row` matches; `None` when the row's syntax names an operand
/// that the printer doesn't know.
pub fn disassemble(row: &RowInfo, insn: u64, printer: &dyn Printer) -> Option<String> {
    let mut out = String::new();
    let mut rest = row.syntax;
    while let Some((text, tail)) = rest.split_once('{') {
        out.push_str(text);
        let (operand, tail) = tail.split_once('}')?;
        rest = tail;
        // `{K?text}` and `{K?text:other}` choose by a field.
        if let Some((key, choice)) = operand.split_once('?') {
            let (yes, no) = choice.split_once(':').unwrap_or((choice, ""));
            out.push_str(if row.field(key)?.value(insn) != 0 {
                yes
            } else {
                no
            });
            continue;
        }
        let mut words = operand.split_whitespace();
        let kind = words.next()?;
        let mut args = [0u64; MAX_ARGS];
        let mut count = 0;
        for word in words {
            *args.get_mut(count)? = match word.parse() {
                Ok(number) => number,
                Err(_) => row.field(word)?.value(insn),
            };
            count += 1;
        }
        let known = match row.field(kind) {
            Some(field) if count == 0 => {
                printer.operand(&mut out, field.name, &[field.value(insn)], insn)
            }
            _ => printer.operand(&mut out, kind, args.get(..count)?, insn),
        };
        if !known {
            return None;
        }
    }
    out.push_str(rest);
    Some(out)
}

/// Operands take at most this many arguments.
pub const MAX_ARGS: usize = 8;

/// Tries before a row counts as impossible to fill at random.
const ATTEMPTS: u32 = 10_000;

/// A random instruction that `row` matches, with its should-be bits and constraints; fields named
/// in `fixed` get those values. `decodes` tells whether the whole decoder chooses this row too.
/// `None` when no attempt fits.
pub fn random_insn(
    row: &RowInfo,
    rng: &mut dyn FnMut() -> u64,
    fixed: &[(&str, u64)],
    decodes: &dyn Fn(u64) -> bool,
) -> Option<u64> {
    for _ in 0..ATTEMPTS {
        let mut insn = rng() & ones(row.width) & !row.mask & !row.should_mask;
        insn |= row.value | row.should_value;
        for (key, value) in fixed {
            if let Some(field) = row.field(key) {
                insn = field.insert(insn, *value);
            }
        }
        if row.matches(insn) && row.predictable(insn) && decodes(insn) {
            return Some(insn);
        }
    }
    None
}
