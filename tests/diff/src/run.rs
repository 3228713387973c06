//! Runs the program of a batch under an emulator.

use crate::elf::{self, Image};
use crate::guest::{Case, Guest, Program};
use std::fs::File;
use std::io::{Error, Read};
use std::path::{Path, PathBuf};
use std::process::Command;

/// An emulator: a command, and environment variables for it.
#[derive(Clone, Debug)]
pub struct Emulator {
    /// For the report.
    pub name: String,
    /// The command and its first arguments.
    pub command: Vec<String>,
    /// Variables to set.
    pub env: Vec<(String, String)>,
}

/// A batch on disk.
pub struct Batch {
    /// The program, for addresses.
    pub program: Program,
    folder: PathBuf,
    record: usize,
    count: usize,
}

impl Batch {
    /// Writes the program and its input to a folder.
    pub fn new(guest: &dyn Guest, cases: &[Case], folder: &Path) -> Result<Batch, Error> {
        let program = guest.program(cases);
        let image = Image {
            entry: program.entry,
            code_at: program.code_at,
            code: &program.code,
            data_at: program.data_at,
            data: &program.data,
            data_len: program.data_len,
        };
        let path = folder.join("program");
        let _ = std::fs::remove_file(&path);
        std::fs::write(&path, elf::file(guest.machine(), &image))?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
        }
        let input: Vec<u8> = cases.iter().flat_map(|c| c.input.clone()).collect();
        std::fs::write(folder.join("input"), input)?;
        Ok(Batch {
            program,
            folder: folder.to_owned(),
            record: guest.record(),
            count: cases.len(),
        })
    }

    /// The records that the program writes under an emulator; fewer than cases if it ended early, with the reason.
    pub fn run(&self, emulator: &Emulator) -> Result<(Vec<Vec<u8>>, String), Error> {
        let out = self.folder.join("output");
        let errors = self.folder.join("errors");
        let (program, args) = emulator
            .command
            .split_first()
            .ok_or_else(|| Error::other("an emulator without a command"))?;
        let status = Command::new(program)
            .args(args)
            .arg(self.folder.join("program"))
            .envs(emulator.env.iter().map(|(k, v)| (k, v)))
            .stdin(File::open(self.folder.join("input"))?)
            .stdout(File::create(&out)?)
            .stderr(File::create(&errors)?)
            .status()?;
        let mut bytes = Vec::new();
        File::open(&out)?.read_to_end(&mut bytes)?;
        let records: Vec<Vec<u8>> = bytes
            .chunks_exact(self.record)
            .map(<[u8]>::to_vec)
            .collect();
        let mut why = String::new();
        if !status.success() || records.len() != self.count {
            let text = std::fs::read(&errors).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            let tail: Vec<&str> = text.lines().take(12).collect();
            why = format!(
                "{status} after {} of {} cases: {}",
                records.len(),
                self.count,
                tail.join("\n")
            );
        }
        Ok((records, why))
    }
}
