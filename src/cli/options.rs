//! The options of user mode, one row each: spelling, environment variable, argument, help, effect.
//!
//! Names and meanings are QEMU's (its user-mode manual), so that a script works after renaming the
//! program. The parser, the help, the man page and the completions all read this table.

use super::user::UserOptions;
use super::{Failure, log_items, quantity};

/// One option.
pub struct Opt {
    /// Spelling without the dash; more spellings of the same option follow.
    pub names: &'static [&'static str],
    /// Environment variable without its `EMU_` or `QEMU_`.
    pub env: Option<&'static str>,
    /// Name of the argument, if there is one.
    pub arg: Option<&'static str>,
    /// One line.
    pub help: &'static str,
    /// Applies it (the argument is empty if there is none).
    pub set: fn(&mut UserOptions, &str) -> Result<(), Failure>,
}

type Set = fn(&mut UserOptions, &str) -> Result<(), Failure>;

const fn flag(
    names: &'static [&'static str],
    env: Option<&'static str>,
    help: &'static str,
    set: Set,
) -> Opt {
    Opt {
        names,
        env,
        arg: None,
        help,
        set,
    }
}

const fn with(
    names: &'static [&'static str],
    env: &'static str,
    arg: &'static str,
    help: &'static str,
    set: Set,
) -> Opt {
    Opt {
        names,
        env: Some(env),
        arg: Some(arg),
        help,
        set,
    }
}

/// Every option of user mode.
pub const OPTIONS: &[Opt] = &[
    flag(&["h", "help"], None, "print this help and end", |o, _| {
        o.show_help = true;
        Ok(())
    }),
    flag(&["version"], None, "print the version and end", |o, _| {
        o.show_version = true;
        Ok(())
    }),
    with(
        &["L"],
        "LD_PREFIX",
        "path",
        "look for the guest's interpreter and libraries below 'path'",
        |o, a| {
            o.ld_prefix = Some(a.into());
            Ok(())
        },
    ),
    with(
        &["E"],
        "SET_ENV",
        "var=value",
        "set variables of the guest's environment (a,b: several)",
        set_env,
    ),
    with(
        &["U"],
        "UNSET_ENV",
        "var",
        "remove variables of the guest's environment (a,b: several)",
        unset_env,
    ),
    with(
        &["0"],
        "ARGV0",
        "argv0",
        "let the guest see 'argv0' as its name",
        |o, a| {
            o.argv0 = Some(a.into());
            Ok(())
        },
    ),
    with(
        &["cpu"],
        "CPU",
        "model",
        "CPU model ('-cpu help' lists them)",
        |o, a| {
            o.cpu = Some(a.into());
            Ok(())
        },
    ),
    with(
        &["g"],
        "GDB",
        "port|path",
        "wait for gdb on this TCP port or socket (%d: process; ',suspend=n': run on)",
        |o, a| {
            o.gdb = Some(a.into());
            Ok(())
        },
    ),
    with(
        &["s"],
        "STACK_SIZE",
        "size",
        "size of the guest's main stack (suffix k, M, G)",
        |o, a| {
            o.stack_size = Some(number("-s", a)?).filter(|s| *s != 0);
            o.stack_size
                .map(|_| ())
                .ok_or_else(|| Failure::usage("-s: the stack needs a size above 0"))
        },
    ),
    with(
        &["B"],
        "GUEST_BASE",
        "address",
        "host address where the guest's address 0 is (32-bit guests)",
        |o, a| {
            o.guest_base = Some(number("-B", a)?);
            Ok(())
        },
    ),
    with(
        &["R"],
        "RESERVED_VA",
        "size",
        "let the guest have addresses below 'size' only (suffix k, M, G)",
        |o, a| {
            o.reserved_va = Some(number("-R", a)?);
            Ok(())
        },
    ),
    with(
        &["p"],
        "PAGESIZE",
        "size",
        "accepted for QEMU's sake; the page size is the guest's own, 4096",
        |_, a| match number("-p", a)? {
            4096 => Ok(()),
            other => Err(Failure::usage(format!(
                "-p: a page size of {other} is not supported, only 4096"
            ))),
        },
    ),
    with(
        &["r"],
        "UNAME",
        "release",
        "kernel release that uname tells the guest",
        |o, a| {
            o.uname_release = Some(a.into());
            Ok(())
        },
    ),
    with(
        &["seed"],
        "RAND_SEED",
        "number",
        "make the random numbers given to the guest repeatable",
        |o, a| {
            o.seed = Some(number("-seed", a)?);
            Ok(())
        },
    ),
    flag(&["strace"], Some("STRACE"), "log system calls", |o, _| {
        o.strace = true;
        Ok(())
    }),
    with(
        &["d"],
        "LOG",
        "item[,...]",
        "log these items ('-d help' lists them)",
        |o, a| {
            if a == "help" {
                o.show_log_items = true;
                return Ok(());
            }
            for item in log_items::parse(a)? {
                if item == "strace" {
                    o.strace = true;
                } else if !o.log.contains(&item) {
                    o.log.push(item);
                }
            }
            Ok(())
        },
    ),
    with(
        &["dfilter"],
        "DFILTER",
        "range[,...]",
        "log only for guest code in these ranges (start..end, start+len, start-len)",
        |o, a| {
            o.log_ranges = a.split(',').map(range).collect::<Result<_, _>>()?;
            Ok(())
        },
    ),
    with(
        &["D"],
        "LOG_FILENAME",
        "file",
        "write the log to 'file' (%d: the process's number), not to stderr",
        |o, a| {
            o.log_file = Some(a.into());
            Ok(())
        },
    ),
    flag(
        &["one-insn-per-tb"],
        Some("ONE_INSN_PER_TB"),
        "translate one guest instruction per block",
        |o, _| {
            o.one_insn_per_tb = true;
            Ok(())
        },
    ),
    with(
        &["tb-size"],
        "TB_SIZE",
        "size",
        "most memory for translated code, in MiB",
        |o, a| {
            o.tb_size_mib = Some(number("-tb-size", a)?);
            Ok(())
        },
    ),
    with(
        &["code-cache"],
        "CODE_CACHE",
        "folder",
        "keep translated code for a program's next run there, or 'off'",
        |o, a| {
            o.code_cache = Some(a.into());
            Ok(())
        },
    ),
    Opt {
        names: &["exec-fd"],
        env: None,
        arg: Some("fd"),
        help: "internal: inherited descriptor of this executable",
        set: |o, a| {
            o.exec_fd = a.parse().ok();
            Ok(())
        },
    },
    Opt {
        names: &["program-fd"],
        env: None,
        arg: Some("fd"),
        help: "internal: inherited descriptor of the program",
        set: |o, a| {
            o.program_fd = a.parse().ok();
            Ok(())
        },
    },
    Opt {
        names: &["ids"],
        env: None,
        arg: Some("list"),
        help: "internal: ids of a guest for which owners are remembered",
        set: |o, a| {
            o.ids = linux_user::Ids::parse(a);
            Ok(())
        },
    },
    Opt {
        names: &["limits"],
        env: None,
        arg: Some("list"),
        help: "internal: resource limits that are kept for the guest",
        set: |o, a| {
            o.limits = linux_user::parse_limits(a);
            Ok(())
        },
    },
    flag(
        &["perfmap"],
        Some("PERFMAP"),
        "write /tmp/perf-PID.map, so that perf can name translated code",
        |o, _| {
            o.perfmap = true;
            Ok(())
        },
    ),
    flag(
        &["jitdump"],
        Some("JITDUMP"),
        "write jit-PID.dump for 'perf inject --jit' (perf record -k 1)",
        |o, _| {
            o.jitdump = true;
            Ok(())
        },
    ),
    Opt {
        names: &["test"],
        env: Some("TEST"),
        arg: Some("what[,...]"),
        help: "internal: interpreter, baseline_host, verify_ir, load=, interp=, mmap=, stack=address",
        set: |o, a| a.split(',').try_for_each(|item| test(o, item)),
    },
    flag(
        &["stats"],
        Some("STATS"),
        "print counters of the emulator when the guest ends",
        |o, _| {
            o.stats = true;
            Ok(())
        },
    ),
];

/// The option with this spelling.
pub fn find(name: &str) -> Option<&'static Opt> {
    OPTIONS.iter().find(|o| o.names.contains(&name))
}

fn number(option: &str, text: &str) -> Result<u64, Failure> {
    quantity::parse(text)
        .ok_or_else(|| Failure::usage(format!("{option}: '{text}' is not a number")))
}

/// One item of `-test`.
fn test(options: &mut UserOptions, item: &str) -> Result<(), Failure> {
    let t = &mut options.test;
    let (name, value) = item.split_once('=').unwrap_or((item, ""));
    let place = match name {
        "interpreter" | "baseline_host" | "verify_ir" if value.is_empty() => {
            t.interpreter |= name == "interpreter";
            t.baseline_host |= name == "baseline_host";
            t.verify_ir |= name == "verify_ir";
            return Ok(());
        }
        "load" => &mut t.load,
        "interp" => &mut t.interp,
        "mmap" => &mut t.mmap,
        "stack" => &mut t.stack,
        _ => return Err(Failure::usage(format!("-test: there is no '{item}'"))),
    };
    *place = Some(number("-test", value)?);
    Ok(())
}

fn set_env(options: &mut UserOptions, list: &str) -> Result<(), Failure> {
    for pair in list.split(',') {
        let (name, value) = pair
            .split_once('=')
            .filter(|(name, _)| !name.is_empty())
            .ok_or_else(|| Failure::usage(format!("-E: '{pair}' is not of the form var=value")))?;
        options
            .environment
            .push((name.to_owned(), Some(value.to_owned())));
    }
    Ok(())
}

fn unset_env(options: &mut UserOptions, list: &str) -> Result<(), Failure> {
    for name in list.split(',') {
        if name.is_empty() || name.contains('=') {
            return Err(Failure::usage(format!(
                "-U: '{name}' is not the name of a variable"
            )));
        }
        options.environment.push((name.to_owned(), None));
    }
    Ok(())
}

/// `start..end` (inclusive), `start+length`, `start-length` (ending at start).
fn range(text: &str) -> Result<(u64, u64), Failure> {
    let bad = || {
        Failure::usage(format!(
            "-dfilter: '{text}' is not start..end, start+length or start-length"
        ))
    };
    let (first, second, kind) = if let Some((a, b)) = text.split_once("..") {
        (a, b, '.')
    } else if let Some((a, b)) = text.split_once('+') {
        (a, b, '+')
    } else {
        let (a, b) = text.split_once('-').ok_or_else(bad)?;
        (a, b, '-')
    };
    let a = quantity::parse(first).ok_or_else(bad)?;
    let b = quantity::parse(second).ok_or_else(bad)?;
    let (low, high) = match kind {
        '.' => (a, b),
        '+' => (
            a,
            a.checked_add(b.checked_sub(1).ok_or_else(bad)?)
                .ok_or_else(bad)?,
        ),
        _ => (
            a.checked_sub(b.checked_sub(1).ok_or_else(bad)?)
                .ok_or_else(bad)?,
            a,
        ),
    };
    if low > high {
        Err(bad())
    } else {
        Ok((low, high))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_and_variables_are_unique() {
        let mut names: Vec<_> = OPTIONS.iter().flat_map(|o| o.names).collect();
        let mut envs: Vec<_> = OPTIONS.iter().filter_map(|o| o.env).collect();
        let counts = (names.len(), envs.len());
        names.sort();
        names.dedup();
        envs.sort();
        envs.dedup();
        assert_eq!(counts, (names.len(), envs.len()));
    }

    #[test]
    fn ranges() {
        assert_eq!(range("0x1000..0x1fff"), Ok((0x1000, 0x1fff)));
        assert_eq!(range("0x1000+0x10"), Ok((0x1000, 0x100f)));
        assert_eq!(range("0x100f-0x10"), Ok((0x1000, 0x100f)));
        for bad in [
            "",
            "5",
            "9..1",
            "1+0",
            "1-9",
            "a..b",
            "0xffffffffffffffff+2",
        ] {
            assert!(range(bad).is_err(), "{bad}");
        }
    }
}
