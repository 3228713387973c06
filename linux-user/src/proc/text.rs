//! Texts of /proc about a process: the host's, with the guest's addresses, sizes, signals and limits. [man7 proc_pid_stat,
//! proc_pid_status, proc_pid_maps, proc_pid_smaps]

use super::subject::{Published, STAT_STATE, range_of};
use crate::signal;
use crate::task::Task;
use std::fmt::Write;
use std::fs::File;
use std::os::unix::fs::FileExt;
use tcg_mem::{GuestVa, PAGE};

/// What of the host's numbers is different for the guest.
pub struct Figures {
    /// What is taken off addresses.
    pub base: u64,
    /// Bytes of address space.
    pub size: u64,
    /// Bytes of stack, if known.
    pub stack: Option<u64>,
    /// Pending for the thread, blocked, ignored and caught signals, if known.
    pub signals: Option<[u64; 4]>,
    /// Where the initial stack begins, if the kernel was not told.
    pub stack_start: Option<u64>,
}

/// The calling process's.
pub fn own_figures(t: &Task) -> Figures {
    let (mut ignored, mut caught) = (0, 0);
    for sig in 1..=64 {
        match t.process.actions.get(sig).handler {
            signal::SIG_DFL => {}
            signal::SIG_IGN => ignored |= signal::bit(sig),
            _ => caught |= signal::bit(sig),
        }
    }
    let pending = signal::pending(t);
    Figures {
        base: t.mem.base() as u64,
        size: t.process.space.mapped_bytes(),
        stack: Some(t.process.space.stack_bytes()),
        signals: Some([pending, t.signals.mask, ignored, caught]),
        stack_start: Some(t.process.stack_start()),
    }
}

/// `stat`: addresses, the size, masks.
pub fn stat(host: &str, f: &Figures) -> Option<String> {
    let (head, tail) = host.rsplit_once(')')?;
    let fields = tail.split_whitespace().enumerate().map(|(i, text)| {
        let field = i + STAT_STATE;
        let value = text.parse::<u64>().unwrap_or(0);
        match field {
            23 => f.size.to_string(),
            28 if f.stack_start.is_some() => f.stack_start.unwrap_or(0).to_string(),
            // startcode, endcode, startstack; arg and env. The data's addresses are a marker of ours.
            26 | 27 | 28 | 48..=51 if value > f.base => (value - f.base).to_string(),
            // kstkesp and kstkeip are the emulator's.
            29 | 30 | 45..=47 => "0".to_string(),
            _ => text.to_string(),
        }
    });
    let fields: Vec<String> = fields.collect();
    Some(format!("{head}) {}\n", fields.join(" ")))
}

/// `statm`: the first number is the size.
pub fn statm(host: &str, f: &Figures) -> String {
    let rest = host.split_once(' ').map_or("", |(_, rest)| rest);
    format!("{} {rest}", f.size / PAGE)
}

/// `status`: sizes and signals.
pub fn status(host: &str, f: &Figures) -> String {
    let mut out = String::with_capacity(host.len());
    for line in host.lines() {
        let name = line.split(':').next().unwrap_or_default();
        let kb = |bytes: u64| format!("{name}:\t{:>8} kB", bytes / 1024);
        let mask = |i: usize| {
            let signals = f.signals.as_ref().and_then(|s| s.get(i));
            signals.map(|m| format!("{name}:\t{m:016x}"))
        };
        let new = match name {
            "VmPeak" | "VmSize" => Some(kb(f.size)),
            "VmStk" => f.stack.map(kb),
            "SigPnd" => mask(0),
            "SigBlk" => mask(1),
            "SigIgn" => mask(2),
            "SigCgt" => mask(3),
            _ => None,
        };
        let _ = writeln!(out, "{}", new.as_deref().unwrap_or(line));
    }
    out
}

/// `limits`: those that are kept for the guest.
pub fn limits(t: &Task, host: &str) -> String {
    let kept = t.process.limits.lock().unwrap_or_else(|e| e.into_inner());
    let rows = [
        ("Max data size", crate::sys::RLIMIT_DATA),
        ("Max stack size", crate::sys::RLIMIT_STACK),
        ("Max address space", crate::sys::RLIMIT_AS),
    ];
    let mut out = String::with_capacity(host.len());
    for line in host.lines() {
        let row = rows.iter().find(|(name, _)| line.starts_with(name));
        match row.and_then(|(name, r)| Some((name, kept.get(r)?))) {
            Some((name, [soft, hard])) => {
                let text = |v: &u64| match *v {
                    u64::MAX => "unlimited".to_string(),
                    v => v.to_string(),
                };
                let _ = writeln!(
                    out,
                    "{name:<25} {:<20} {:<20} {:<10}",
                    text(soft),
                    text(hard),
                    "bytes"
                );
            }
            None => {
                let _ = writeln!(out, "{line}");
            }
        }
    }
    out
}

/// Names of the emulator's own mappings, which a guest does not see.
const OWN: &[&str] = &["[heap]", "[vvar]", "[vvar_vclock]", "[vdso]", "[vsyscall]"];
/// Guests that share the host's addresses have theirs below this (`Geometry::wide`).
const WIDE_TOP: u64 = 1 << 45;

/// `maps` or `smaps` of another emulated process, from the host's: its emulator's own mappings left out, the rest as the
/// guest addresses it.
///
/// DEVIATES: what can be executed is not seen, since the emulator reads it only; and pages with translations are read-only.
pub fn foreign_maps(host: &str, p: &Published) -> (String, u64) {
    let (mut out, mut size, mut keep) = (String::new(), 0, false);
    for line in host.lines() {
        let Some((start, end)) = range_of(line.as_bytes()) else {
            if keep {
                let _ = writeln!(out, "{line}");
            }
            continue;
        };
        let rest = line.split_once(' ').map_or("", |(_, rest)| rest);
        let name = rest.split_whitespace().nth(4).unwrap_or_default();
        let inside = match p.base {
            0 => end <= WIDE_TOP,
            base => start >= base && end - base <= 1 << 32,
        };
        // What is reserved for a 32-bit guest is nobody's yet.
        let reserved = p.base != 0 && rest.starts_with("---p") && name.is_empty();
        keep = inside && !reserved && !OWN.contains(&name);
        if keep {
            size += end - start;
            // The kernel was told where the stack is, and may have named it.
            let is_stack = start <= p.stack && p.stack < end && name.is_empty();
            let label = if is_stack { "[stack]" } else { "" };
            let (start, end) = (start - p.base, end - p.base);
            let _ = writeln!(out, "{start:08x}-{end:08x} {}{label}", rest);
        }
    }
    (out, size)
}

/// Bits of /proc/PID/pagemap. [Linux Documentation/admin-guide/mm/pagemap.rst]
const PRESENT: u64 = 1 << 63;
const SWAPPED: u64 = 1 << 62;
const OF_FILE: u64 = 1 << 61;
const EXCLUSIVE: u64 = 1 << 56;

/// Counts of pages of a mapping.
#[derive(Default)]
struct Pages {
    present: u64,
    swapped: u64,
    shared: u64,
    file: u64,
}

fn count_pages(map: &File, host: u64, len: u64) -> Pages {
    let mut pages = Pages::default();
    let mut raw = [0u8; 4096];
    let (mut at, end) = (host / PAGE * 8, (host + len) / PAGE * 8);
    while at < end {
        let want = (end - at).min(raw.len() as u64) as usize;
        let Ok(got) = map.read_at(raw.get_mut(..want).unwrap_or_default(), at) else {
            break;
        };
        if got == 0 {
            break;
        }
        for entry in raw.get(..got).unwrap_or_default().as_chunks::<8>().0 {
            let entry = u64::from_ne_bytes(*entry);
            if entry & PRESENT != 0 {
                pages.present += 1;
                pages.file += u64::from(entry & OF_FILE != 0);
                pages.shared += u64::from(entry & EXCLUSIVE == 0);
            }
            pages.swapped += u64::from(entry & SWAPPED != 0);
        }
        at += got as u64;
    }
    pages
}

/// `smaps` of the calling process: the guest's map, with what the host tells of its pages. Shared pages are divided in two.
pub fn own_smaps(t: &Task) -> Option<Vec<u8>> {
    let map = File::open("/proc/self/pagemap").ok()?;
    let mut out = String::new();
    for line in t.process.space.maps_text().lines() {
        let _ = writeln!(out, "{line}");
        let (start, end) = range_of(line.as_bytes())?;
        let host = t.mem.host(GuestVa(start), 0).unwrap_or(0) as u64;
        let p = count_pages(&map, host, end - start);
        let prot = line.split(' ').nth(1).unwrap_or_default();
        let kb = PAGE / 1024;
        let exclusive = p.present - p.shared;
        // Pages of files are taken for clean, all others for dirty.
        let clean = exclusive.min(p.file);
        let rows = [
            ("Size", (end - start) / 1024),
            ("KernelPageSize", kb),
            ("MMUPageSize", kb),
            ("Rss", p.present * kb),
            ("Pss", (exclusive + p.shared / 2) * kb),
            ("Pss_Dirty", (exclusive - clean) * kb),
            ("Shared_Clean", p.shared * kb),
            ("Shared_Dirty", 0),
            ("Private_Clean", clean * kb),
            ("Private_Dirty", (exclusive - clean) * kb),
            ("Referenced", p.present * kb),
            ("Anonymous", (p.present - p.file) * kb),
            ("KSM", 0),
            ("LazyFree", 0),
            ("AnonHugePages", 0),
            ("ShmemPmdMapped", 0),
            ("FilePmdMapped", 0),
            ("Shared_Hugetlb", 0),
            ("Private_Hugetlb", 0),
            ("Swap", p.swapped * kb),
            ("SwapPss", p.swapped * kb),
            ("Locked", 0),
        ];
        for (name, value) in rows {
            let _ = writeln!(out, "{:<16}{value:>8} kB", format!("{name}:"));
        }
        let _ = writeln!(
            out,
            "THPeligible:           0\nVmFlags: {}",
            vm_flags(prot, line)
        );
    }
    Some(out.into_bytes())
}

/// The flags that follow from a mapping's protection and kind.
fn vm_flags(prot: &str, line: &str) -> String {
    let bits = prot.bytes().zip(["rd ", "wr ", "ex ", "sh "]);
    let mut out: String = bits
        .filter(|(b, _)| matches!(b, b'r' | b'w' | b'x' | b's'))
        .map(|(_, name)| name)
        .collect();
    out.push_str("mr mw me ");
    if line.ends_with("[stack]") {
        out.push_str("gd ");
    }
    out.push_str("ac");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIGURES: Figures = Figures {
        base: 0x10000,
        size: 8 * 4096,
        stack: Some(4096),
        signals: Some([0, 1, 2, 0x8000_0000_0000_0000]),
        stack_start: None,
    };

    #[test]
    fn stat_has_the_guests_addresses_and_a_name_with_anything_in_it() {
        let rest: Vec<String> = (4..=52).map(|n| (n * 65_536).to_string()).collect();
        let host = format!("7 (a ) b) S {}\n", rest.join(" "));
        let out = stat(&host, &FIGURES).unwrap();
        let fields: Vec<&str> = out.rsplit_once(')').unwrap().1.split_whitespace().collect();
        let field = |n: usize| fields[n - STAT_STATE].parse::<u64>();
        assert!(out.starts_with("7 (a ) b) S "));
        assert_eq!(field(23), Ok(8 * 4096));
        assert_eq!(field(28), Ok(28 * 65_536 - 0x10000));
        assert_eq!(field(51), Ok(51 * 65_536 - 0x10000));
        assert_eq!(field(45), Ok(0));
        assert_eq!(field(52), Ok(52 * 65_536));
    }

    #[test]
    fn status_has_the_guests_sizes_and_signals() {
        let host = "Name:\tx\nVmSize:\t   999 kB\nVmRSS:\t 5 kB\nSigCgt:\t00\nSigBlk:\tff\n";
        let out = status(host, &FIGURES);
        assert_eq!(
            out,
            "Name:\tx\nVmSize:\t      32 kB\nVmRSS:\t 5 kB\nSigCgt:\t8000000000000000\nSigBlk:\t0000000000000001\n"
        );
    }

    #[test]
    fn other_processes_show_their_guest_only() {
        let host = "7f0000010000-7f0000012000 r--p 0 08:00 5 /bin/x\nRss: 4 kB\n\
                    7f0000020000-7f0000021000 ---p 0 00:00 0 \nRss: 0 kB\n\
                    7f0000030000-7f0000031000 rw-p 0 00:00 0 \n\
                    7ffff0000000-7ffff0001000 r-xp 0 08:00 9 /emu\nRss: 8 kB\n";
        let p = Published {
            base: 0x7f00_0000_0000,
            code: 0,
            stack: 0x7f00_0003_0800,
        };
        let (text, size) = foreign_maps(host, &p);
        assert_eq!(
            text,
            "00010000-00012000 r--p 0 08:00 5 /bin/x\nRss: 4 kB\n00030000-00031000 rw-p 0 00:00 0 [stack]\n"
        );
        assert_eq!(size, 0x3000);
    }
}
