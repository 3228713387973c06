//! Developer commands, run as `cargo xtask COMMAND`.
//!
//! `deps` checks the edges between the workspace's crates, `lint` checks the files themselves.
//! Neither changes anything; both end with status 1 when they find something.
#![forbid(unsafe_code)]

mod deps;
mod lint;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const HELP: &str = "usage: cargo xtask COMMAND

  deps   check the dependency edges between the crates of the workspace
  lint   check the files: length, heads, unsafe islands, ISA names, citations, forbidden words
";

/// The workspace's folder: the parent of this crate's.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn main() -> ExitCode {
    let command = std::env::args().nth(1).unwrap_or_default();
    let outcome = match command.as_str() {
        "deps" => deps::check(&root()),
        "lint" => lint::check(&root()),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprint!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(findings) if findings.is_empty() => ExitCode::SUCCESS,
        Ok(findings) => {
            for finding in &findings {
                println!("{finding}");
            }
            println!("cargo xtask {command}: {} finding(s)", findings.len());
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("cargo xtask {command}: {error:#}");
            ExitCode::from(2)
        }
    }
}
