//! Errors of the table compiler: always a file, a line and a message.

use std::fmt;

/// One error in a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diag {
    /// The table file, as given to the compiler.
    pub file: String,
    /// Line number, from 1; 0 when the error is about the whole file.
    pub line: u32,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Diag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: error: {}", self.file, self.line, self.message)
    }
}

/// All errors found in one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diags(pub Vec<Diag>);

impl Diags {
    pub(crate) fn push(&mut self, file: &str, line: u32, message: impl Into<String>) {
        self.0.push(Diag {
            file: file.to_string(),
            line,
            message: message.into(),
        });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Diags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for d in &self.0 {
            writeln!(f, "{d}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Diags {}
