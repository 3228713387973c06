//! Help texts, made from the tables of options and guests.

use super::options::{OPTIONS, Opt};
use crate::guests::{GUESTS, Guest};
use std::fmt::Write;

/// The sub-commands that are not guests: name, arguments, what it does.
pub const COMMANDS: &[(&str, &str, &str)] = &[
    (
        "links",
        "DIR",
        "make a hard link to this executable for every name (emu-arm, ...)",
    ),
    (
        "run",
        "--rootfs DIR -- CMD",
        "run a command in a foreign root folder (emu run --help)",
    ),
    (
        "system",
        "ISA -M BOARD ...",
        "run a whole machine (emu system ppc -h)",
    ),
    (
        "binfmt",
        "COMMAND",
        "register guests with the kernel (install, remove, status, print, doctor)",
    ),
    (
        "img",
        "COMMAND",
        "disk images, as emu-img (create, info, convert, resize, check, map)",
    ),
    (
        "completions",
        "SHELL",
        "print completions for bash, zsh, fish, elvish or powershell",
    ),
    ("man", "DIR", "write the man pages into DIR"),
    ("help", "", "print this help"),
];

/// `emu 0.1.0`.
pub fn version() -> String {
    format!("emu {}", env!("CARGO_PKG_VERSION"))
}

/// `emu help`.
pub fn general() -> String {
    let mut text = String::from(
        "usage: emu [OPTION...] PROGRAM [ARGUMENT...]        find the guest by the ELF header\n       \
         emu GUEST [OPTION...] PROGRAM [ARGUMENT...]  same as emu-GUEST\n       emu COMMAND\n\nGuests:\n",
    );
    for guest in GUESTS {
        let names: Vec<&str> = guest.names().collect();
        let _ = writeln!(text, "  {:<22}{}", names.join(", "), guest.title);
    }
    text.push_str("\nCommands:\n");
    for (name, argument, what) in COMMANDS {
        let _ = writeln!(text, "  {:<22}{what}", format!("{name} {argument}"));
    }
    text.push_str("\nOptions (QEMU's names and meanings; -name and --name are the same):\n");
    options(&mut text);
    text
}

/// `emu-GUEST -h`.
pub fn guest(guest: &Guest) -> String {
    let mut text = format!(
        "usage: emu-{} [OPTION...] PROGRAM [ARGUMENT...]\nRuns a Linux program for {}.\n\n\
         Options, with the environment variables that set them (EMU_NAME, or QEMU_NAME):\n",
        guest.name, guest.title
    );
    options(&mut text);
    text
}

fn options(text: &mut String) {
    for option in OPTIONS {
        let env = option.env.map(|e| format!("EMU_{e}")).unwrap_or_default();
        let _ = writeln!(text, "  {:<20}{env:<21}{}", spelling(option), option.help);
    }
}

/// `-h, -help`, `-L path`.
fn spelling(option: &Opt) -> String {
    let names: Vec<String> = option.names.iter().map(|n| format!("-{n}")).collect();
    let argument = option.arg.map(|a| format!(" {a}")).unwrap_or_default();
    names.join(", ") + &argument
}

/// `-cpu help`.
pub fn cpus(guest: &Guest) -> String {
    let mut models = guest.cpus.to_vec();
    models.sort_unstable();
    format!(
        "Available CPUs:\n{}",
        models
            .iter()
            .map(|m| format!("  {m}\n"))
            .collect::<String>()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_guest_and_command_is_in_the_help() {
        let text = general();
        for option in OPTIONS {
            assert!(text.contains(&spelling(option)) && text.contains(option.help));
        }
        assert!(GUESTS.iter().all(|g| text.contains(g.title)));
        assert!(COMMANDS.iter().all(|(n, _, _)| text.contains(n)));
        assert!(text.lines().all(|l| l.len() <= 132), "a line is too long");
    }
}
