//! The `emu` executable: finds out which applet was called, by its own name or by its first
//! argument, from one exact table, and hands over. No emulation here.
#![forbid(unsafe_code)]

mod cli;
mod guests;
mod launch;

use cli::{Failure, describe, detect, help, links, nearest, user};
use guests::Guest;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

/// What the command line asks for.
#[derive(Debug, PartialEq)]
enum Call {
    /// Run a program for this guest, or for the one that the program's header names.
    User(Option<&'static str>),
    /// A machine with CPUs of this instruction set.
    System(&'static str),
    /// One of [`help::COMMANDS`].
    Command(&'static str),
}

/// The applet, and how many words of the command line it took (argv[0] among them).
fn dispatch(words: &[OsString]) -> (Call, usize) {
    let own = words
        .first()
        .and_then(|w| Path::new(w).file_name())
        .and_then(|n| n.to_str());
    if let Some(isa) = own
        .and_then(|n| n.strip_prefix("emu-system-"))
        .and_then(cli::system::named)
    {
        return (Call::System(isa), 1);
    }
    if let Some(guest) = own
        .and_then(|n| n.strip_prefix("emu-"))
        .and_then(Guest::named)
    {
        return (Call::User(Some(guest.name)), 1);
    }
    if own == Some("emu-img") {
        return (Call::Command("img"), 1);
    }
    let first = words.get(1).and_then(|w| w.to_str()).unwrap_or("");
    if let Some(guest) = Guest::named(first) {
        return (Call::User(Some(guest.name)), 2);
    }
    let second = words.get(2).and_then(|w| w.to_str()).unwrap_or("");
    if let Some(isa) = (first == "system")
        .then_some(second)
        .and_then(cli::system::named)
    {
        return (Call::System(isa), 3);
    }
    if let Some((name, _, _)) = help::COMMANDS.iter().find(|(name, _, _)| *name == first) {
        return (Call::Command(name), 2);
    }
    (Call::User(None), 1.min(words.len()))
}

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    let (call, used) = match dispatch(&words) {
        // The kernel names the program behind our own name, whatever it is called.
        (_, 2) if linux_user::binfmt_start().is_some() => (Call::User(None), 1),
        other => other,
    };
    let rest = words.get(used..).unwrap_or_default();
    let outcome = match call {
        Call::User(guest) => run_user(guest.and_then(Guest::named), rest),
        Call::System(isa) => cli::system::run(isa, rest),
        Call::Command(name) => run_command(name, rest),
    };
    outcome.unwrap_or_else(|failure| {
        eprintln!("emu: {}", failure.message);
        ExitCode::from(failure.status)
    })
}

fn run_command(name: &str, rest: &[OsString]) -> Result<ExitCode, Failure> {
    if name == "binfmt" {
        return cli::binfmt::run(rest);
    }
    if name == "img" {
        return cli::img::run(rest);
    }
    if name == "run" {
        return cli::rootfs::run(rest);
    }
    if name == "system" {
        return Err(Failure::usage(
            "system: which instruction set? emu system ppc -h",
        ));
    }
    let argument = match rest {
        [] => None,
        [one] => Some(one),
        _ => return Err(Failure::usage(format!("{name}: too many arguments"))),
    };
    let needed = || {
        argument.ok_or_else(|| Failure::usage(format!("{name}: an argument is missing (emu help)")))
    };
    let done = match name {
        "links" => links::make(Path::new(needed()?)),
        "man" => describe::man(Path::new(needed()?)),
        "completions" => describe::completions(&needed()?.to_string_lossy()),
        _ => {
            print!("{}", help::general());
            Ok(())
        }
    };
    done.map(|()| ExitCode::SUCCESS)
        .map_err(|e| Failure::usage(format!("{name}: {e:#}")))
}

fn run_user(guest: Option<&'static Guest>, words: &[OsString]) -> Result<ExitCode, Failure> {
    let environment = |name: &str| std::env::var_os(name);
    let binfmt = linux_user::binfmt_start();
    let parsed = match binfmt {
        Some(start) => user::parse_binfmt(words, start.argv0, environment)?,
        None => user::parse(words, environment)?,
    };
    let options = &parsed.options;
    let text = if options.show_version {
        Some(help::version() + "\n")
    } else if options.show_help {
        Some(guest.map_or_else(help::general, help::guest))
    } else if options.show_log_items {
        Some(cli::log_items::help())
    } else {
        None
    };
    if let Some(text) = text {
        print!("{text}");
        return Ok(ExitCode::SUCCESS);
    }
    let program = parsed.command.first();
    let guest = match (guest, program) {
        (Some(guest), _) => guest,
        (None, Some(program)) => detect::guest_of(program)?,
        (None, None) if options.cpu.as_deref() == Some("help") => {
            return Err(Failure::usage(
                "-cpu help: which guest? emu GUEST -cpu help",
            ));
        }
        (None, None) => return Err(Failure::usage("no program given (emu help)")),
    };
    match options.cpu.as_deref() {
        Some("help") => {
            print!("{}", help::cpus(guest));
            return Ok(ExitCode::SUCCESS);
        }
        Some(model) if !guest.cpus.contains(&model) => {
            let hint = nearest::hint(model, guest.cpus.iter().copied());
            let message = format!(
                "emu-{} has no CPU model '{model}'{hint} (-cpu help lists them)",
                guest.name
            );
            return Err(Failure::usage(message));
        }
        _ => {}
    }
    if program.is_none() {
        return Err(Failure::usage("no program given (-h prints the options)"));
    }
    launch::run(guest, parsed, binfmt.and_then(|b| b.program))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(line: &str) -> (Call, usize) {
        dispatch(&line.split(' ').map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn own_name_decides_first() {
        assert_eq!(call("/usr/bin/emu-arm arm"), (Call::User(Some("arm")), 1));
        assert_eq!(call("emu-armhf x"), (Call::User(Some("arm")), 1));
        assert_eq!(call("emu-system-ppc -h"), (Call::System("ppc"), 1));
        assert_eq!(call("emu-armeb links"), (Call::User(Some("armeb")), 1));
    }

    #[test]
    fn then_the_first_argument() {
        assert_eq!(call("emu arm -L /x p"), (Call::User(Some("arm")), 2));
        assert_eq!(call("emu links /tmp"), (Call::Command("links"), 2));
        assert_eq!(call("emu system ppc -h"), (Call::System("ppc"), 3));
        assert_eq!(call("emu system x"), (Call::Command("system"), 2));
        assert_eq!(call("emu-img info x"), (Call::Command("img"), 1));
        assert_eq!(call("emu img info x"), (Call::Command("img"), 2));
        assert_eq!(call("emu ./arm"), (Call::User(None), 1));
        assert_eq!(call("emu -strace arm"), (Call::User(None), 1));
        assert_eq!(call("other-name arm"), (Call::User(Some("arm")), 2));
        assert_eq!(dispatch(&[]), (Call::User(None), 0));
    }

    #[test]
    fn no_guest_is_called_like_a_command() {
        assert!(
            help::COMMANDS
                .iter()
                .all(|(name, _, _)| Guest::named(name).is_none())
        );
    }
}
