//! Writes the generated Rust: features, argument types, row data, decoders and dispatch macros.

use crate::diag::Diags;
use crate::expr::{Expr, RustStyle};
use crate::features::Feature;
use crate::parse::{Declared, Row, Table};
use crate::rt::{FIELD, PART};
use crate::tree;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The argument type of one handler.
struct Args {
    /// Name and Rust type of each argument.
    list: Vec<(String, String)>,
    file: String,
    line: u32,
    doc: String,
}

pub(crate) fn family(
    module: &str,
    features: &[Feature],
    tables: &[Table],
    diags: &mut Diags,
) -> String {
    let mut out = String::from("// Generated from the decode tables; do not edit.\n\n");
    feature_enum(&mut out, features);
    let args = collect_args(tables, diags);
    arg_types(&mut out, &args);
    for table in tables {
        table_module(&mut out, table);
        dispatch_macro(&mut out, module, table, &args);
    }
    recording_macro(&mut out, module, &args);
    out
}

fn feature_enum(out: &mut String, features: &[Feature]) {
    out.push_str("/// Architecture features that rows may need.\n");
    out.push_str(
        "#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]\n#[repr(u8)]\npub enum Feature {\n",
    );
    for f in features {
        let _ = writeln!(out, "    /// {}.\n    {},", f.doc, f.variant());
    }
    out.push_str(
        "}\n\nimpl Feature {\n    /// All features with their names and what each brings.\n",
    );
    let _ = writeln!(
        out,
        "    pub const ALL: [(Feature, &'static str, FeatureSet); {}] = [",
        features.len()
    );
    for f in features {
        let _ = writeln!(
            out,
            "        (Feature::{}, {:?}, FeatureSet({:#x})),",
            f.variant(),
            f.name,
            f.closure
        );
    }
    out.push_str("    ];\n}\n\n");
    out.push_str(FEATURE_SET);
}

const FEATURE_SET: &str = "\
/// A set of features.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FeatureSet(pub u64);

impl FeatureSet {
    /// Every feature.
    pub const ALL: FeatureSet = FeatureSet(u64::MAX);
    /// No feature.
    pub const NONE: FeatureSet = FeatureSet(0);

    /// Whether the feature is in the set.
    #[inline]
    pub const fn has(self, feature: Feature) -> bool {
        self.0 & (1 << feature as u8) != 0
    }

    /// The set with a feature and all that it implies.
    #[must_use]
    pub const fn with(self, feature: Feature) -> FeatureSet {
        FeatureSet(self.0 | Feature::ALL[feature as usize].2.0)
    }

    /// The set without a feature; those that imply it stay.
    #[must_use]
    pub const fn without(self, feature: Feature) -> FeatureSet {
        FeatureSet(self.0 & !(1 << feature as u8))
    }

    /// The features of a list of names, with all that they imply; or the name that is unknown.
    pub fn parse<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<FeatureSet, &'a str> {
        names.into_iter().try_fold(FeatureSet::NONE, |set, name| {
            let found = Feature::ALL.iter().find(|(_, n, _)| *n == name);
            found.map(|(f, ..)| set.with(*f)).ok_or(name)
        })
    }
}

";

/// `add_imm` → `AddImm`.
fn camel(name: &str) -> String {
    crate::features::variant(name)
}

/// The type of a computed argument.
fn type_of(table: &Table, row: &Row, e: &Expr) -> String {
    let declared =
        |list: &[Declared], name: &str| list.iter().find(|d| d.name == name).map(|d| d.ty.clone());
    match e {
        _ if e.is_bool() => "bool".into(),
        Expr::Field(key) if row.field(key).is_some_and(|f| f.width == 1) => "bool".into(),
        Expr::Call(name, _) if name == "sext" => {
            if table.width > 32 { "i64" } else { "i32" }.into()
        }
        Expr::Call(name, _) => {
            declared(&table.functions, name).unwrap_or_else(|| table.word().into())
        }
        Expr::Context(name) => {
            declared(&table.context, name).unwrap_or_else(|| table.word().into())
        }
        _ => table.word().into(),
    }
}

/// Arguments of a row: name, Rust type, Rust text of the value.
fn row_args(table: &Table, row: &Row) -> Vec<(String, String, String)> {
    let mut computed: Vec<&str> = Vec::new();
    let mut used: Vec<String> = Vec::new();
    for (name, e) in &row.sets {
        computed.push(name);
        e.fields(&mut |key| used.push(key.to_string()));
    }
    let field_text = |key: &str| {
        row.field(key)
            .map_or(String::new(), |f| tree::extract(f, "insn"))
    };
    let call = |name: &str| {
        table
            .functions
            .iter()
            .find(|d| d.name == name)
            .map_or(name.to_string(), |d| d.path.replace("crate::", "$crate::"))
    };
    let style = RustStyle {
        word: table.word(),
        field: &field_text,
        call: &call,
    };
    let mut out = Vec::new();
    for f in &row.fields {
        if f.hidden || used.contains(&f.key) || computed.contains(&f.name.as_str()) {
            continue;
        }
        let e = Expr::Field(f.key.clone());
        let ty = type_of(table, row, &e);
        let text = tree::extract(f, "insn");
        out.push((
            f.name.clone(),
            ty.clone(),
            if ty == "bool" {
                format!("{text} != 0")
            } else {
                text
            },
        ));
    }
    for (name, e) in &row.sets {
        let ty = type_of(table, row, e);
        let single = matches!(e, Expr::Field(_)) && ty == "bool";
        let text = e.rust(&style);
        out.push((
            name.clone(),
            ty,
            if single { format!("{text} != 0") } else { text },
        ));
    }
    out
}

fn collect_args(tables: &[Table], diags: &mut Diags) -> BTreeMap<String, Args> {
    let mut all: BTreeMap<String, Args> = BTreeMap::new();
    for table in tables {
        for row in &table.rows {
            let list: Vec<(String, String)> = row_args(table, row)
                .into_iter()
                .map(|(n, t, _)| (n, t))
                .collect();
            let mut names: Vec<&str> = list.iter().map(|(n, _)| n.as_str()).collect();
            names.sort_unstable();
            if let Some(twice) = names.windows(2).find(|w| w.first() == w.last()) {
                diags.push(
                    &table.file,
                    row.line,
                    format!("argument `{}` appears twice", twice.concat()),
                );
            }
            let Some(first) = all.get(row.handler()) else {
                let doc = format!(
                    "`{}`: {} [{} {}]",
                    row.handler(),
                    row.syntax,
                    table.manual,
                    row.section
                );
                let args = Args {
                    list,
                    file: table.file.clone(),
                    line: row.line,
                    doc,
                };
                all.insert(row.handler().to_string(), args);
                continue;
            };
            let sorted = |list: &[(String, String)]| {
                let mut list: Vec<String> = list.iter().map(|(n, t)| format!("{n}: {t}")).collect();
                list.sort_unstable();
                list.join(", ")
            };
            let (here, there) = (sorted(&list), sorted(&first.list));
            if here != there {
                let message = format!(
                    "`{}` has arguments ({here}), but ({there}) in {}:{}",
                    row.handler(),
                    first.file,
                    first.line
                );
                diags.push(&table.file, row.line, message);
            }
        }
    }
    all
}

fn arg_types(out: &mut String, all: &BTreeMap<String, Args>) {
    out.push_str("/// Arguments of the handlers, one type for each.\npub mod args {\n");
    for (name, args) in all.iter().filter(|(_, args)| !args.list.is_empty()) {
        let _ = writeln!(out, "    /// {}", args.doc.replace(['[', ']'], "|"));
        out.push_str(
            "    #[allow(missing_docs)]\n    #[derive(Clone, Copy, Debug, PartialEq, Eq)]\n",
        );
        let _ = writeln!(out, "    pub struct {} {{", camel(name));
        for (field, ty) in &args.list {
            let _ = writeln!(out, "        pub {field}: {ty},");
        }
        out.push_str("    }\n");
    }
    out.push_str("}\n\n");
}

fn table_module(out: &mut String, table: &Table) {
    let (name, word) = (&table.name, table.word());
    let _ = writeln!(
        out,
        "/// The `{name}` encoding space.\n#[allow(unused_parens, clippy::all)]\npub mod {name} {{"
    );
    out.push_str("    #[allow(unused_imports)]\n    use super::{Feature, FeatureSet};\n");
    out.push_str("    use tcg_decode::rt::Rows;\n\n");
    let _ = writeln!(
        out,
        "    /// The index in [`ROWS`] of the row that decodes an instruction."
    );
    out.push_str("    #[allow(unused_variables, clippy::all)]\n");
    let _ = writeln!(
        out,
        "    pub fn find(features: FeatureSet, insn: {word}) -> Option<u16> {{"
    );
    for line in tree::body(table).lines() {
        let _ = writeln!(out, "    {line}");
    }
    let _ = writeln!(out, "    }}\n\n    /// The rows in matching order.");
    out.push_str("    pub static ROWS: Rows = Rows::new(\n        concat!(\n");
    for row in &table.rows {
        let _ = writeln!(out, "            {:?},", row_text(table, row));
    }
    out.push_str("        ),\n        accepts,\n        constraints,\n    );\n\n");
    tests(out, table, "accepts", &|row| &row.matches);
    tests(out, table, "constraints", &|row| &row.predictable);
    out.push_str("}\n\n");
}

/// The row as the run-time part reads it.
pub(crate) fn row_text(table: &Table, row: &Row) -> String {
    let features: Vec<String> = row.features.iter().map(|all| all.join("+")).collect();
    let features = match features.is_empty() {
        true => "-".to_string(),
        false => features.join("|"),
    };
    let mut fields = String::new();
    for f in &row.fields {
        let _ = write!(fields, "{} {} {}", f.key, f.name, f.width);
        for p in &f.pieces {
            let _ = write!(fields, " {} {} {}", p.at, p.len, p.to);
        }
        fields.push(FIELD);
    }
    let numbers = [
        u64::from(row.line),
        u64::from(table.width),
        row.mask,
        row.value,
        row.should_mask,
        row.should_value,
    ];
    let mut parts: Vec<String> = numbers.iter().map(|n| format!("{n:x}")).collect();
    let section = format!("{} {}", table.manual, row.section);
    parts.extend([row.name.clone(), row.syntax.clone(), features, section]);
    parts.push(fields);
    let joined = parts.join(&PART.to_string());
    debug_assert!(!joined.contains('\n') && joined.matches(PART).count() == parts.len() - 1);
    joined + "\n"
}

/// The function that tells whether one kind of constraints of a row holds.
fn tests(out: &mut String, table: &Table, name: &str, of: &dyn Fn(&Row) -> &[Expr]) {
    let _ = writeln!(
        out,
        "    #[allow(unused_variables, unused_parens, clippy::all)]\n    fn {name}(row: u16, insn: u64) -> bool {{\n        match row {{"
    );
    for (number, row) in table.rows.iter().enumerate() {
        let tests: Vec<String> = of(row)
            .iter()
            .map(|e| tree::test_text(row, e, "u64"))
            .collect();
        if !tests.is_empty() {
            let _ = writeln!(out, "            {number} => {},", tests.join(" && "));
        }
    }
    out.push_str("            _ => true,\n        }\n    }\n\n");
}

/// `dispatch_<table>!(pub fn name, Translator, Out);` defines the function that decodes one
/// instruction and calls the handler, an inherent method of the row's name.
fn dispatch_macro(out: &mut String, module: &str, table: &Table, args: &BTreeMap<String, Args>) {
    let (name, word) = (&table.name, table.word());
    let _ = writeln!(
        out,
        "#[allow(unused_macros)]\nmacro_rules! dispatch_{name} {{"
    );
    out.push_str("    ($(#[$attr:meta])* $vis:vis fn $name:ident, $ty:ty, $out:ty) => {\n        $(#[$attr])*\n");
    let _ = writeln!(
        out,
        "        #[allow(unused_parens, clippy::all)]\n        $vis fn $name(t: &mut $ty, insn: {word}) -> $out {{"
    );
    let _ = writeln!(
        out,
        "            match $crate::{module}::{name}::find(t.features(), insn) {{"
    );
    // Rows that give the same call share an arm.
    let mut arms: Vec<(String, Vec<String>)> = Vec::new();
    for (i, row) in table.rows.iter().enumerate() {
        let handler = row.handler();
        let list: Vec<String> = row_args(table, row)
            .into_iter()
            .map(|(n, _, text)| format!("{n}: {text}"))
            .collect();
        let call = if args.get(handler).is_none_or(|a| a.list.is_empty()) {
            format!("t.{handler}()")
        } else {
            let ty = camel(handler);
            format!(
                "{{ let a = $crate::{module}::args::{ty} {{ {} }}; t.{handler}(a) }}",
                list.join(", ")
            )
        };
        match arms.iter_mut().find(|(text, _)| *text == call) {
            Some((_, rows)) => rows.push(format!("Some({i})")),
            None => arms.push((call, vec![format!("Some({i})")])),
        }
    }
    for (call, rows) in arms {
        let _ = writeln!(out, "                {} => {call},", rows.join(" | "));
    }
    out.push_str("                _ => t.undecoded(insn),\n            }\n        }\n    };\n}\n");
    let _ = writeln!(
        out,
        "#[allow(unused_imports)]\npub(crate) use dispatch_{name};\n"
    );
}

/// `recording_handlers!(Type);` gives a type all handlers, each returning its name and arguments
/// as text; tests use it to see what the decoders call.
fn recording_macro(out: &mut String, module: &str, all: &BTreeMap<String, Args>) {
    out.push_str("#[allow(unused_macros)]\nmacro_rules! recording_handlers {\n    ($ty:ty) => {\n        #[allow(dead_code)]\n        impl $ty {\n");
    for (name, args) in all {
        let _ = if args.list.is_empty() {
            writeln!(
                out,
                "            fn {name}(&mut self) -> String {{ {name:?}.to_string() }}"
            )
        } else {
            let ty = format!("$crate::{module}::args::{}", camel(name));
            writeln!(
                out,
                "            fn {name}(&mut self, a: {ty}) -> String {{ format!(\"{name} {{a:?}}\") }}"
            )
        };
    }
    out.push_str(
        "        }\n    };\n}\n#[allow(unused_imports)]\npub(crate) use recording_handlers;\n",
    );
}
