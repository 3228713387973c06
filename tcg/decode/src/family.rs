//! The entry point of build scripts: the tables of one ISA, compiled together.

use crate::diag::Diags;
use crate::features::{self, Feature};
use crate::parse::{self, Table};
use crate::{emit, order};
use std::path::Path;

/// The tables of one ISA. Rows of the same handler name share one argument type across tables.
#[derive(Debug, Default)]
pub struct Family {
    module: String,
    features: Option<(String, String)>,
    tables: Vec<(String, String)>,
    unreadable: Diags,
}

impl Family {
    /// `module` is the path, below the crate's root, of the module that includes the result.
    pub fn new(module: &str) -> Family {
        Family {
            module: module.to_string(),
            ..Family::default()
        }
    }

    /// Adds the feature list.
    #[must_use]
    pub fn features(mut self, file: &str) -> Family {
        let text = self.read(file);
        self.features = Some((file.to_string(), text));
        self
    }

    /// Adds a table.
    #[must_use]
    pub fn table(mut self, file: &str) -> Family {
        let text = self.read(file);
        self.tables.push((file.to_string(), text));
        self
    }

    /// Adds a table given as text; `name` stands for the file in messages.
    #[must_use]
    pub fn table_text(mut self, name: &str, text: &str) -> Family {
        self.tables.push((name.to_string(), text.to_string()));
        self
    }

    /// Gives the feature list as text.
    #[must_use]
    pub fn features_text(mut self, name: &str, text: &str) -> Family {
        self.features = Some((name.to_string(), text.to_string()));
        self
    }

    fn read(&mut self, file: &str) -> String {
        match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(e) => {
                self.unreadable.push(file, 0, e.to_string());
                String::new()
            }
        }
    }

    /// Compiles the tables to Rust text.
    ///
    /// # Errors
    /// All errors of all tables.
    pub fn compile(self) -> Result<String, Diags> {
        let mut diags = self.unreadable;
        if !diags.is_empty() {
            return Err(diags);
        }
        let (features_file, features_text) = self.features.unwrap_or_default();
        let features = features::parse(&features_file, &features_text, &mut diags);
        let mut tables: Vec<Table> = Vec::new();
        for (file, text) in &self.tables {
            let mut table = parse::table(file, text, &mut diags);
            check_features(&table, &features, &mut diags);
            check_syntax(&table, &mut diags);
            let before = diags.0.len();
            order::order(&mut table, &mut diags);
            if diags.0.len() == before {
                order::unreachable(&table, &mut diags);
            }
            tables.push(table);
        }
        let text = emit::family(&self.module, &features, &tables, &mut diags);
        if diags.is_empty() {
            Ok(text)
        } else {
            Err(diags)
        }
    }

    /// For a build script: writes `$OUT_DIR/<name>`, or prints the errors and ends the build.
    pub fn build(self, name: &str) {
        let files: Vec<String> = self
            .tables
            .iter()
            .chain(&self.features)
            .map(|(file, _)| file.clone())
            .collect();
        for file in files {
            println!("cargo:rerun-if-changed={file}");
        }
        let out_dir = std::env::var_os("OUT_DIR").unwrap_or_default();
        let result = self.compile().map_err(|e| e.to_string()).and_then(|text| {
            let path = Path::new(&out_dir).join(name);
            std::fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))
        });
        if let Err(message) = result {
            eprintln!("{message}");
            std::process::exit(1);
        }
    }
}

fn check_features(table: &Table, features: &[Feature], diags: &mut Diags) {
    for row in &table.rows {
        for name in row.features.iter().flatten() {
            if !features.iter().any(|f| f.name == *name) {
                diags.push(&table.file, row.line, format!("unknown feature `{name}`"));
            }
        }
    }
}

/// The operands in a syntax string must name fields of the row.
fn check_syntax(table: &Table, diags: &mut Diags) {
    for row in &table.rows {
        let mut rest = row.syntax.as_str();
        while let Some((_, tail)) = rest.split_once('{') {
            let Some((operand, tail)) = tail.split_once('}') else {
                diags.push(&table.file, row.line, "`{` without `}` in the syntax");
                break;
            };
            rest = tail;
            let known = |key: &str| row.fields.iter().any(|f| f.key == key || f.name == key);
            let bad = match operand.split_once('?') {
                Some((key, _)) => (!known(key)).then_some(key),
                None => operand
                    .split_whitespace()
                    .skip(1)
                    .find(|w| w.parse::<u64>().is_err() && !known(w)),
            };
            if let Some(key) = bad {
                diags.push(
                    &table.file,
                    row.line,
                    format!("the syntax names `{key}`, which is no field of the row"),
                );
            }
            if operand.split_whitespace().count() > crate::rt::MAX_ARGS {
                diags.push(
                    &table.file,
                    row.line,
                    format!("too many arguments in `{{{operand}}}`"),
                );
            }
        }
    }
}
