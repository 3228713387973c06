//! The command line as clap sees it, for shell completions and man pages only: made from the same
//! tables as the parser, so that they cannot disagree.

use super::help::COMMANDS;
use super::options::OPTIONS;
use crate::guests::{GUESTS, Guest};
use anyhow::{Context, Result, bail};
use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, Command, ValueHint};
use clap_complete::Shell;
use std::path::Path;

/// Arguments of user mode, with `cpus` as the values of `-cpu`.
fn arguments(command: Command, cpus: &[&'static str]) -> Command {
    let options = OPTIONS.iter().map(|option| {
        let name = option.names[option.names.len() - 1];
        let mut arg = Arg::new(name).help(option.help);
        for spelling in option.names {
            let mut letters = spelling.chars();
            arg = match (letters.next(), letters.next()) {
                (Some(letter), None) => arg.short(letter),
                _ => arg.long(*spelling),
            };
        }
        let Some(value) = option.arg else {
            return arg.action(ArgAction::SetTrue);
        };
        arg = arg.value_name(value).action(ArgAction::Append);
        match name {
            "cpu" => arg.value_parser(PossibleValuesParser::new(cpus.to_vec())),
            "L" => arg.value_hint(ValueHint::DirPath),
            "D" => arg.value_hint(ValueHint::FilePath),
            _ => arg,
        }
    });
    command
        .disable_help_flag(true)
        .disable_version_flag(true)
        .args(options)
        .arg(
            Arg::new("PROGRAM")
                .value_hint(ValueHint::FilePath)
                .help("the program to run"),
        )
        .arg(
            Arg::new("ARGUMENT")
                .num_args(0..)
                .trailing_var_arg(true)
                .value_hint(ValueHint::AnyPath),
        )
}

/// `emu-GUEST`.
fn applet(guest: &Guest) -> Command {
    let about = format!("Run a Linux program for {}", guest.title);
    let more = "Options may be written with one dash or with two. Each can be given in the environment \
        as EMU_NAME or QEMU_NAME. Options end at the first word that is not one. \
        The exit status is the program's; 126 or 127 if it cannot be run, 1 for a bad option.";
    arguments(Command::new(format!("emu-{}", guest.name)), guest.cpus)
        .version(env!("CARGO_PKG_VERSION"))
        .about(about)
        .after_help(more)
}

/// `emu` with its commands and guests.
fn top() -> Command {
    let mut cpus: Vec<&str> = GUESTS.iter().flat_map(|g| g.cpus).copied().collect();
    cpus.sort_unstable();
    cpus.dedup();
    let mut command = arguments(Command::new("emu"), &cpus)
        .version(env!("CARGO_PKG_VERSION"))
        .about("Run programs for other processors")
        .disable_help_subcommand(true);
    for (name, argument, what) in COMMANDS {
        // These have a parser of clap's.
        let own = match *name {
            "binfmt" => Some(super::binfmt::command()),
            "run" => Some(super::rootfs::command()),
            "img" => Some(super::img::command().name("img")),
            _ => None,
        };
        if let Some(own) = own {
            command = command.subcommand(own);
            continue;
        }
        let mut sub = Command::new(*name).about(*what);
        if !argument.is_empty() {
            sub = sub.arg(Arg::new(*argument).value_hint(ValueHint::DirPath));
        }
        command = command.subcommand(sub);
    }
    for guest in GUESTS {
        let sub = arguments(Command::new(guest.name), guest.cpus)
            .about(format!("Same as emu-{}", guest.name));
        command = command.subcommand(sub.visible_aliases(guest.aliases.to_vec()));
    }
    command
}

/// `emu completions SHELL`: for `emu` and every `emu-GUEST`.
pub fn completions(shell: &str) -> Result<()> {
    let Ok(shell) = shell.parse::<Shell>() else {
        bail!("no completions for '{shell}': bash, zsh, fish, elvish or powershell");
    };
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut top(), "emu", &mut text);
    for guest in GUESTS {
        for name in guest.names().map(|n| format!("emu-{n}")) {
            clap_complete::generate(shell, &mut applet(guest), name, &mut text);
        }
    }
    clap_complete::generate(shell, &mut super::img::command(), "emu-img", &mut text);
    std::io::Write::write_all(&mut std::io::stdout(), &text).context("standard output")
}

/// `emu man DIR`: emu.1 and emu-GUEST.1; aliases refer to their guest's page.
pub fn man(folder: &Path) -> Result<()> {
    let img = super::img::command();
    for command in [top(), img].into_iter().chain(GUESTS.iter().map(applet)) {
        let path = folder.join(format!("{}.1", command.get_name()));
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page)?;
        std::fs::write(&path, page).with_context(|| path.display().to_string())?;
    }
    for (guest, alias) in GUESTS
        .iter()
        .flat_map(|g| g.aliases.iter().map(move |a| (g, a)))
    {
        let path = folder.join(format!("emu-{alias}.1"));
        std::fs::write(&path, format!(".so man1/emu-{}.1\n", guest.name))
            .with_context(|| path.display().to_string())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clap_accepts_the_description() {
        top().debug_assert();
        GUESTS.iter().map(applet).for_each(Command::debug_assert);
    }
}
