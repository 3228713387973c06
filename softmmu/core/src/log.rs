//! What `-d guest_errors` and `-d unimp` show of devices. Limited: a guest in a loop does not fill
//! the disk.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::io::Write;
use std::sync::atomic::{AtomicU32, Ordering};

/// `-d guest_errors`: the guest does what no manual allows.
pub const GUEST_ERRORS: u32 = 1;
/// `-d unimp`: the guest uses what is missing here.
pub const UNIMP: u32 = 2;

/// Messages of one device and kind in one run.
const LIMIT: u32 = 200;

static MASK: AtomicU32 = AtomicU32::new(0);
static OUT: Mutex<Option<Box<dyn Write + Send>>> = Mutex::new(None);
static COUNTS: Mutex<Option<HashMap<(u32, String), u32>>> = Mutex::new(None);

/// Chooses what is shown and where; `None`: standard error.
pub fn set(mask: u32, out: Option<Box<dyn Write + Send>>) {
    *OUT.lock() = out;
    MASK.store(mask, Ordering::Relaxed);
}

/// The guest does what no manual allows.
pub fn guest_error(device: &str, text: impl FnOnce() -> String) {
    say(GUEST_ERRORS, device, text);
}

/// The guest uses what is missing here.
pub fn unimp(device: &str, text: impl FnOnce() -> String) {
    say(UNIMP, device, text);
}

fn say(kind: u32, device: &str, text: impl FnOnce() -> String) {
    if MASK.load(Ordering::Relaxed) & kind == 0 {
        return;
    }
    let mut counts = COUNTS.lock();
    let counts = counts.get_or_insert_default();
    let count = counts.entry((kind, device.to_owned())).or_default();
    *count = count.saturating_add(1);
    let line = match (*count).cmp(&LIMIT) {
        std::cmp::Ordering::Less => format!("{device}: {}\n", text()),
        std::cmp::Ordering::Equal => format!("{device}: further messages are not shown\n"),
        std::cmp::Ordering::Greater => return,
    };
    match OUT.lock().as_mut() {
        Some(out) => drop(out.write_all(line.as_bytes())),
        None => eprint!("{line}"),
    }
}
