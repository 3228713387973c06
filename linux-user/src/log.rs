//! What is written about a run besides the guest's own output: the log of `-d`, names for perf, statistics. To the file of
//! `-D`, or to a descriptor of our own for standard error, which the guest may close.

use crate::StartError;
use crate::config::RunConfig;
use crate::names::Names;
use crate::sys;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use tcg_debug::perf::{JitDump, Namer, PerfMap};
use tcg_debug::{Observer, Several, TextLog, log_mask};
use tcg_exec::Engine;
use tcg_uspace::AddressSpace;

fn fail(what: String) -> StartError {
    StartError { what, status: 1 }
}

/// The place that the log goes to.
pub fn open(cfg: &RunConfig) -> Result<File, StartError> {
    let file = match &cfg.log_file {
        Some(path) => {
            // As QEMU: %d is the process.
            let path = path.to_string_lossy();
            let path = path.replacen("%d", &std::process::id().to_string(), 1);
            OpenOptions::new().create(true).append(true).open(path)
        }
        None => io::stderr().as_fd().try_clone_to_owned().map(File::from),
    };
    let file = file.map_err(|e| fail(format!("-D: cannot write the log: {e}")))?;
    Ok(hidden(file))
}

fn hidden(file: File) -> File {
    File::from(sys::hide(file.into()))
}

/// Appends to perf's map of a process.
fn open_map(pid: u32) -> io::Result<File> {
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(PerfMap::path(pid))?;
    Ok(hidden(file))
}

/// A new dump, where the process is; perf finds it by its executable mapping.
fn open_dump(pid: u32) -> io::Result<File> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .read(true)
        .write(true)
        .open(format!("jit-{pid}.dump"))?;
    sys::map_executable(&file)?;
    Ok(hidden(file))
}

/// Sets up what the engine reports.
pub fn start(
    cfg: &RunConfig,
    engine: &Engine,
    space: &Arc<AddressSpace>,
) -> Result<(), StartError> {
    let mut mask = log_mask::of_words(cfg.log.iter().copied());
    let mut all: Vec<Box<dyn Observer>> = Vec::new();
    if mask != 0 {
        let out = Box::new(open(cfg)?);
        all.push(Box::new(TextLog::new(mask, cfg.log_ranges.clone(), out)));
    }
    let names = Arc::new(Names::new(Arc::clone(space)));
    let namer = || -> Namer {
        let names = Arc::clone(&names);
        Box::new(move |va| names.find(va).map(|s| s.to_string()))
    };
    if cfg.perfmap {
        let map = PerfMap::new(open_map, namer());
        all.push(Box::new(map.map_err(|e| fail(format!("-perfmap: {e}")))?));
        mask |= log_mask::PUBLISHED;
    }
    if cfg.jitdump {
        let dump = JitDump::new(open_dump, sys::monotonic_ns, namer());
        all.push(Box::new(dump.map_err(|e| fail(format!("-jitdump: {e}")))?));
        mask |= log_mask::PUBLISHED;
    }
    if mask != 0 {
        engine.set_observer(Box::new(Several(all)));
        engine.set_log_mask(mask);
    }
    Ok(())
}
