//! The options of system mode, one row each: spelling, argument, help, effect. Names and meanings
//! are QEMU's [QEMU-system].

use crate::cli::Failure;
use softmmu_core::clock::RtcClock;
use softmmu_opts::{Opts, integer, size};
use std::path::PathBuf;
use std::time::Duration;

/// Everything that the command line says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SystemOptions {
    pub show_help: bool,
    pub show_version: bool,
    pub machine: Option<String>,
    pub cpu: Option<String>,
    pub memory: Option<u64>,
    pub cpus: Option<u32>,
    pub kernel: Option<PathBuf>,
    pub initrd: Option<PathBuf>,
    pub append: String,
    pub dtb: Option<PathBuf>,
    pub firmware: Option<PathBuf>,
    pub data: Vec<PathBuf>,
    pub drives: Vec<String>,
    pub devices: Vec<String>,
    pub netdevs: Vec<String>,
    pub nics: Vec<String>,
    pub serials: Vec<String>,
    pub chardevs: Vec<String>,
    pub monitors: Vec<String>,
    pub qmps: Vec<String>,
    pub no_graphic: bool,
    pub no_defaults: bool,
    pub no_reboot: bool,
    pub no_shutdown: bool,
    pub stopped: bool,
    pub loadvm: Option<String>,
    /// Instructions take 2 to the power of this nanoseconds.
    pub icount: Option<u32>,
    pub seed: Option<u64>,
    pub incoming: Option<String>,
    /// `PORT`, `HOST:PORT` or a path.
    pub gdb: Option<String>,
    pub name: Option<String>,
    pub rtc_virtual: bool,
    pub rtc_base: Option<Duration>,
    pub snapshot: bool,
    pub vga: Option<String>,
    pub boot_order: Option<String>,
    pub firmware_env: Vec<String>,
    pub screen: Option<(u32, u32, u32)>,
    pub log: Vec<String>,
    pub log_file: Option<PathBuf>,
}

impl SystemOptions {
    /// What real-time clocks follow.
    pub fn rtc_clock(&self) -> RtcClock {
        if self.rtc_virtual {
            RtcClock::Virtual
        } else {
            RtcClock::Host
        }
    }
}

/// One option.
pub struct Opt {
    /// Spellings without the dash.
    pub names: &'static [&'static str],
    /// Name of the argument, if there is one.
    pub arg: Option<&'static str>,
    /// One line.
    pub help: &'static str,
    /// Applies it.
    pub set: Set,
}

type Set = fn(&mut SystemOptions, &str) -> Result<(), Failure>;

const fn flag(names: &'static [&'static str], help: &'static str, set: Set) -> Opt {
    Opt {
        names,
        arg: None,
        help,
        set,
    }
}

const fn with(
    names: &'static [&'static str],
    arg: &'static str,
    help: &'static str,
    set: Set,
) -> Opt {
    Opt {
        names,
        arg: Some(arg),
        help,
        set,
    }
}

macro_rules! text {
    ($field:ident) => {
        |o, a| {
            o.$field = Some(a.into());
            Ok(())
        }
    };
}

macro_rules! push {
    ($field:ident) => {
        |o, a| {
            o.$field.push(a.into());
            Ok(())
        }
    };
}

macro_rules! on {
    ($field:ident) => {
        |o, _| {
            o.$field = true;
            Ok(())
        }
    };
}

const NOTHING: Set = |_, _| Ok(());

fn missing(what: &str) -> Result<(), Failure> {
    Err(Failure::usage(format!(
        "{what} is not there yet in system mode"
    )))
}

/// Every option of system mode.
pub const OPTIONS: &[Opt] = &[
    flag(&["h", "help"], "print this help and end", on!(show_help)),
    flag(&["version"], "print the version and end", on!(show_version)),
    with(
        &["M", "machine"],
        "BOARD[,K=V]",
        "board, or a board file; 'help' lists them",
        text!(machine),
    ),
    with(
        &["cpu"],
        "MODEL",
        "CPU model; 'help' lists them",
        text!(cpu),
    ),
    with(&["m"], "SIZE", "memory, in MiB or with a suffix", |o, a| {
        o.memory = Some(memory(a)?);
        Ok(())
    }),
    with(&["smp"], "N", "number of CPUs", |o, a| {
        o.cpus = Some(cpus(a)?);
        Ok(())
    }),
    with(
        &["accel"],
        "tcg",
        "accelerator; there is one",
        |_, a| match a.split(',').next() {
            Some("tcg") => Ok(()),
            _ => Err(Failure::usage(format!("-accel {a}: only tcg"))),
        },
    ),
    with(
        &["kernel"],
        "FILE",
        "kernel: ELF, uImage, raw",
        text!(kernel),
    ),
    with(&["initrd"], "FILE", "initial RAM disk", text!(initrd)),
    with(&["append"], "TEXT", "the kernel's command line", |o, a| {
        o.append = a.to_owned();
        Ok(())
    }),
    with(
        &["dtb"],
        "FILE",
        "device tree instead of the board's",
        text!(dtb),
    ),
    with(&["bios"], "FILE", "firmware", text!(firmware)),
    with(&["L"], "FOLDER", "look for firmware here", push!(data)),
    with(
        &["drive"],
        "K=V,...",
        "a disk: file=, format=, if=, id=, readonly=",
        push!(drives),
    ),
    with(&["hda"], "FILE", "the first disk", |o, a| {
        o.drives
            .push(format!("file={},index=0", a.replace(',', ",,")));
        Ok(())
    }),
    with(&["hdb"], "FILE", "the second disk", |o, a| {
        o.drives
            .push(format!("file={},index=1", a.replace(',', ",,")));
        Ok(())
    }),
    with(
        &["device"],
        "CLASS[,K=V]",
        "a device; 'help' and 'CLASS,help' list",
        push!(devices),
    ),
    with(
        &["netdev"],
        "KIND,id=ID",
        "a network for a card",
        push!(netdevs),
    ),
    with(
        &["nic"],
        "KIND[,model=CLASS]",
        "a card and its network; 'none'",
        push!(nics),
    ),
    with(
        &["net"],
        "none",
        "old spelling of -nic none",
        |o, a| match a {
            "none" => {
                o.nics.push("none".into());
                Ok(())
            }
            _ => Err(Failure::usage("-net: use -nic or -netdev")),
        },
    ),
    with(
        &["serial"],
        "CHARDEV",
        "where the next serial port leads",
        push!(serials),
    ),
    with(
        &["chardev"],
        "KIND,id=ID",
        "a character device",
        push!(chardevs),
    ),
    with(
        &["monitor"],
        "CHARDEV",
        "where the monitor is",
        push!(monitors),
    ),
    flag(
        &["nographic"],
        "serial port and monitor on this terminal",
        on!(no_graphic),
    ),
    with(
        &["display"],
        "none",
        "what the screen is shown on",
        |_, a| match a {
            "none" => Ok(()),
            _ => missing(&format!("-display {a}")),
        },
    ),
    with(
        &["vga"],
        "KIND",
        "the board's graphics card: std, none",
        text!(vga),
    ),
    with(
        &["g"],
        "WxH[xDEPTH]",
        "the screen that firmware sets up",
        |o, a| {
            o.screen = Some(screen(a)?);
            Ok(())
        },
    ),
    with(
        &["boot"],
        "LETTERS",
        "what firmware starts: c disk, d CD; order=, menu=, strict=",
        |o, a| {
            o.boot_order = boot_order(a)?.or(o.boot_order.take());
            Ok(())
        },
    ),
    with(
        &["prom-env"],
        "NAME=VALUE",
        "a variable of firmware",
        |o, a| match a.contains('=') {
            true => {
                o.firmware_env.push(a.to_owned());
                Ok(())
            }
            false => Err(Failure::usage(format!(
                "-prom-env {a}: expected NAME=VALUE"
            ))),
        },
    ),
    with(&["cdrom"], "FILE", "a CD", |o, a| {
        let file = a.replace(',', ",,");
        o.drives.push(format!("file={file},index=2,media=cdrom"));
        Ok(())
    }),
    flag(
        &["nodefaults"],
        "no devices but the board's and those asked for",
        on!(no_defaults),
    ),
    flag(
        &["no-user-config"],
        "there is no configuration file",
        NOTHING,
    ),
    flag(&["no-reboot"], "a reset ends the emulator", on!(no_reboot)),
    flag(
        &["no-shutdown"],
        "power off stops the machine only",
        on!(no_shutdown),
    ),
    with(
        &["action"],
        "EVENT=ACTION",
        "what reboot and shutdown do",
        |o, a| {
            match a {
                "reboot=shutdown" => o.no_reboot = true,
                "shutdown=pause" => o.no_shutdown = true,
                "reboot=reset" | "shutdown=poweroff" => {}
                _ => return missing(&format!("-action {a}")),
            }
            Ok(())
        },
    ),
    flag(&["S"], "do not start yet", on!(stopped)),
    flag(&["s"], "as -gdb tcp::1234", |o, _| {
        o.gdb = Some("1234".into());
        Ok(())
    }),
    with(
        &["gdb"],
        "tcp::PORT|unix:PATH",
        "wait for a debugger; with -S before anything runs",
        |o, a| {
            o.gdb = gdb_place(a)?;
            Ok(())
        },
    ),
    with(
        &["loadvm"],
        "NAME",
        "start from a machine that savevm saved",
        text!(loadvm),
    ),
    with(
        &["incoming"],
        "file:PATH|unix:PATH|tcp:HOST:PORT",
        "wait for a machine that migrate sends",
        text!(incoming),
    ),
    with(&["name"], "TEXT", "name of the machine", text!(name)),
    with(
        &["rtc"],
        "K=V,...",
        "base=utc|localtime|DATE, clock=host|vm",
        rtc,
    ),
    with(
        &["icount"],
        "shift=N,...",
        "time is counted in instructions of 2^N ns: every run is the same",
        icount,
    ),
    with(
        &["seed"],
        "N",
        "what is random to the guest follows from this number",
        |o, a| {
            let wrong = || Failure::usage(format!("-seed {a}: expected a number"));
            o.seed = Some(integer(a).ok_or_else(wrong)?);
            Ok(())
        },
    ),
    with(&["qmp"], "CHARDEV", "where QMP is", push!(qmps)),
    flag(&["snapshot"], "disks are not written", on!(snapshot)),
    with(&["d"], "ITEM,...", "log: guest_errors, unimp", push!(log)),
    with(&["D"], "FILE", "log to here", text!(log_file)),
];

/// `800x600` or `800x600x32`.
fn screen(text: &str) -> Result<(u32, u32, u32), Failure> {
    let numbers: Option<Vec<u32>> = text.split('x').map(|n| n.parse().ok()).collect();
    match numbers.as_deref() {
        Some([w, h, rest @ ..])
            if (16..=4096).contains(w)
                && (16..=4096).contains(h)
                && matches!(rest, [] | [8 | 15 | 16 | 24 | 32]) =>
        {
            Ok((*w, *h, rest.first().copied().unwrap_or(32)))
        }
        _ => Err(Failure::usage(format!(
            "-g {text}: expected 800x600 or 800x600x32 (8, 15, 16, 24, 32 bits)"
        ))),
    }
}

/// The letters of `-boot`; what is not about the order is taken and does nothing.
fn boot_order(text: &str) -> Result<Option<String>, Failure> {
    let usage = |e: softmmu_opts::OptError| Failure::usage(format!("-boot: {e}"));
    let mut opts = Opts::parse(text, Some("order")).map_err(usage)?;
    let order = opts.text("order");
    let order = opts.text("once").or(order);
    let _ = (
        opts.text("menu"),
        opts.text("strict"),
        opts.text("splash-time"),
    );
    opts.finish().map_err(usage)?;
    match &order {
        Some(letters) if !letters.bytes().all(|b| (b'a'..=b'p').contains(&b)) => Err(
            Failure::usage(format!("-boot {letters}: expected letters from a to p")),
        ),
        _ => Ok(order),
    }
}

fn memory(text: &str) -> Result<u64, Failure> {
    let broken = || Failure::usage(format!("-m {text}: expected a size"));
    let mut opts =
        Opts::parse(text, Some("size")).map_err(|e| Failure::usage(format!("-m: {e}")))?;
    let value = opts.text("size").ok_or_else(broken)?;
    // Slots are for memory that is plugged in later.
    let _ = (opts.text("slots"), opts.text("maxmem"));
    opts.finish()
        .map_err(|e| Failure::usage(format!("-m: {e}")))?;
    let mib = integer(&value).and_then(|n| n.checked_mul(1 << 20));
    mib.or_else(|| size(&value)).ok_or_else(broken)
}

fn cpus(text: &str) -> Result<u32, Failure> {
    let usage = |e: softmmu_opts::OptError| Failure::usage(format!("-smp: {e}"));
    let mut opts = Opts::parse(text, Some("cpus")).map_err(usage)?;
    let cpus = opts.number_in("cpus", 1..=1024).map_err(usage)?;
    let mut product = 1;
    for key in ["sockets", "dies", "cores", "threads"] {
        product *= opts.number_in(key, 1..=1024).map_err(usage)?.unwrap_or(1);
    }
    opts.number("maxcpus").map_err(usage)?;
    opts.finish().map_err(usage)?;
    let count = cpus.unwrap_or(product);
    u32::try_from(count).map_err(|_| Failure::usage(format!("-smp {text}: too many CPUs")))
}

fn icount(o: &mut SystemOptions, text: &str) -> Result<(), Failure> {
    let usage = |e: softmmu_opts::OptError| Failure::usage(format!("-icount: {e}"));
    let mut opts = Opts::parse(text, Some("shift")).map_err(usage)?;
    let shift = opts.need("shift").map_err(usage)?;
    for (key, only) in [("sleep", "off"), ("align", "off")] {
        if opts.text(key).is_some_and(|v| v != only) {
            return missing(&format!("-icount {key}= other than {only}"));
        }
    }
    if opts.text("rr").is_some() {
        return missing("-icount rr= (recording)");
    }
    opts.finish().map_err(usage)?;
    // DEVIATES: `auto` does not follow the host's speed, so that runs are the same.
    let shift = match shift.as_str() {
        "auto" => Some(3),
        n => n.parse().ok().filter(|n| *n <= 10),
    };
    let wrong = || Failure::usage("-icount shift: expected 0 to 10, or auto");
    o.icount = Some(shift.ok_or_else(wrong)?);
    Ok(())
}

/// The place of the gdb server in a character device's words. DEVIATES: without a host it is this machine only, as
/// whoever connects may do anything.
fn gdb_place(text: &str) -> Result<Option<String>, Failure> {
    let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
    let place = rest.split(',').next().unwrap_or_default();
    let words = rest.split(',').skip(1);
    let known = ["server", "server=on", "nowait", "wait=off", "nodelay"];
    let fits = words
        .clone()
        .all(|w| known.contains(&w) || w.starts_with("nodelay="));
    let place = match (kind, place.split_once(':')) {
        ("none", None) if rest.is_empty() => return Ok(None),
        ("tcp", Some(("", port))) => port.parse::<u16>().ok().map(|p| p.to_string()),
        ("tcp", Some((_, port))) => port.parse::<u16>().ok().map(|_| place.to_owned()),
        ("unix", None) if !place.is_empty() => Some(place.to_owned()),
        _ => None,
    };
    let wrong = || {
        Failure::usage(format!(
            "-gdb {text}: expected tcp:[HOST]:PORT, unix:PATH or none"
        ))
    };
    place.filter(|_| fits).map(Some).ok_or_else(wrong)
}

fn rtc(o: &mut SystemOptions, text: &str) -> Result<(), Failure> {
    let usage = |e: softmmu_opts::OptError| Failure::usage(format!("-rtc: {e}"));
    let mut opts = Opts::parse(text, None).map_err(usage)?;
    let clocks = [("host", false), ("rt", false), ("vm", true)];
    o.rtc_virtual = opts.word("clock", &clocks).map_err(usage)?.unwrap_or(false);
    match opts.text("base").as_deref() {
        None | Some("utc") => {}
        Some("localtime") => return missing("-rtc base=localtime"),
        Some(date) => {
            let seconds = date_seconds(date).ok_or_else(|| {
                Failure::usage(format!("-rtc base={date}: expected 2026-01-31T12:00:00"))
            })?;
            o.rtc_base = Some(Duration::from_secs(seconds));
        }
    }
    let _ = opts.text("driftfix");
    opts.finish().map_err(usage)
}

/// `YYYY-MM-DD` or `YYYY-MM-DDTHH:MM:SS` as seconds since 1970.
fn date_seconds(text: &str) -> Option<u64> {
    let (date, time) = text.split_once('T').unwrap_or((text, "0:0:0"));
    let numbers = |t: &str, by: char| -> Option<[u64; 3]> {
        let parts: Option<Vec<u64>> = t.split(by).map(|p| p.parse().ok()).collect();
        parts?.try_into().ok()
    };
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(time, ':')?;
    if !(1970..3000).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let leap = |y: u64| y.is_multiple_of(4) && !y.is_multiple_of(100) || y.is_multiple_of(400);
    let lengths = [
        31,
        28 + u64::from(leap(year)),
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ];
    let years: u64 = (1970..year).map(|y| 365 + u64::from(leap(y))).sum();
    let months: u64 = lengths.iter().take(month as usize - 1).sum();
    (hour < 24 && minute < 60 && second < 60)
        .then_some((years + months + day - 1) * 86400 + hour * 3600 + minute * 60 + second)
}

/// `-h`.
pub fn help(isa: &str) -> String {
    use std::fmt::Write;
    let mut out = format!("usage: emu-system-{isa} -M BOARD [OPTIONS]\n\n");
    for option in OPTIONS {
        let names: Vec<String> = option.names.iter().map(|n| format!("-{n}")).collect();
        let head = match option.arg {
            Some(arg) => format!("{} {arg}", names.join(", ")),
            None => names.join(", "),
        };
        let _ = writeln!(out, "  {head:<28} {}", option.help);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_counts_and_dates() {
        assert_eq!(memory("256").ok(), Some(256 << 20));
        assert_eq!(memory("size=1G,slots=2").ok(), Some(1 << 30));
        assert!(memory("x").is_err() && memory("1G,sloots=1").is_err());
        assert_eq!(cpus("2").ok(), Some(2));
        assert_eq!(cpus("sockets=2,cores=2").ok(), Some(4));
        assert!(cpus("0").is_err());
        let place = |t| gdb_place(t).ok().flatten();
        assert_eq!(place("tcp::1234").as_deref(), Some("1234"));
        assert_eq!(
            place("tcp:0.0.0.0:1,server=on,wait=off").as_deref(),
            Some("0.0.0.0:1")
        );
        assert_eq!(place("unix:/tmp/x,server").as_deref(), Some("/tmp/x"));
        assert!(gdb_place("tcp:1234").is_err() && gdb_place("pty").is_err());
        assert_eq!(date_seconds("1970-01-02"), Some(86400));
        assert_eq!(date_seconds("2000-03-01T00:00:01"), Some(951_868_801));
        assert_eq!(date_seconds("2000-13-01"), None);
    }

    #[test]
    fn no_two_options_share_a_name() {
        let mut names: Vec<&str> = OPTIONS
            .iter()
            .flat_map(|o| o.names.iter().copied())
            .collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|w| w[0] != w[1]));
    }
}
