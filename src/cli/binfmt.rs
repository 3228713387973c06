//! `emu binfmt`: registering the guests with the kernel, and finding out why a foreign program does not start.

use super::Failure;
use super::nearest::hint;
use crate::guests::GUESTS;
use binfmt::{Change, Entry, Flags, Format, Guest, Kernel, Persistent, Verdict};
use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The words after `emu binfmt`, for the parser, the help, the man page and the completions.
pub fn command() -> Command {
    let guests = || {
        Arg::new("GUEST")
            .action(ArgAction::Append)
            .help("guests, or 'all'")
    };
    let root = |help| {
        Arg::new("root")
            .long("root")
            .value_name("DIR")
            .value_hint(ValueHint::DirPath)
            .help(help)
    };
    let flags = Arg::new("flags")
        .long("flags")
        .value_name("POCF")
        .default_value("POF")
        .help("P: pass argv[0], O: pass the program open, C: set-user-id counts, F: open the emulator now");
    let interpreter = Arg::new("interpreter")
        .long("interpreter")
        .value_name("DIR")
        .value_hint(ValueHint::DirPath)
        .help("folder of emu-GUEST as the entries name it (default: that of this executable)");
    let switch = |name, help| {
        Arg::new(name)
            .long(name)
            .action(ArgAction::SetTrue)
            .help(help)
    };
    Command::new("binfmt")
        .about("register guests with binfmt_misc, or find out why a foreign program does not start")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            Command::new("install")
                .about("register guests, and mount binfmt_misc if it is not mounted")
                .arg(switch(
                    "persistent",
                    "write files for systemd-binfmt too (/etc/binfmt.d)",
                ))
                .arg(switch(
                    "force",
                    "also if another emulator's entry starts the same programs",
                ))
                .arg(root(
                    "write the files for systemd-binfmt below DIR only; register nothing here",
                ))
                .args([flags.clone(), interpreter.clone(), guests()]),
        )
        .subcommand(
            Command::new("remove")
                .about("remove the entries of guests, or entries by name")
                .arg(root("remove the files for systemd-binfmt below DIR only"))
                .arg(guests()),
        )
        .subcommand(
            Command::new("status")
                .about("list the entries of foreign programs")
                .arg(guests()),
        )
        .subcommand(
            Command::new("print")
                .about("print entries instead of registering them")
                .arg(
                    Arg::new("format")
                        .long("format")
                        .value_parser(PossibleValuesParser::new(["systemd", "debian"]))
                        .default_value("systemd")
                        .help("systemd: lines of binfmt.d; debian: files for update-binfmts"),
                )
                .args([flags, interpreter, guests()]),
        )
        .subcommand(
            Command::new("doctor")
                .about("say why a foreign program does not start here, and what to do")
                .arg(root("as seen by a process whose root is DIR"))
                .arg(Arg::new("PROGRAM").value_hint(ValueHint::FilePath)),
        )
}

/// Runs `emu binfmt WORDS`.
pub fn run(words: &[OsString]) -> Result<ExitCode, Failure> {
    let words = std::iter::once(OsString::from("emu binfmt")).chain(words.iter().cloned());
    let matches = match command().try_get_matches_from(words) {
        Ok(matches) => matches,
        Err(e) if !e.use_stderr() => {
            print!("{e}");
            return Ok(ExitCode::SUCCESS);
        }
        Err(e) => {
            let text = e.to_string();
            let line = text.lines().next().unwrap_or_default();
            let line = line.strip_prefix("error: ").unwrap_or(line);
            return Err(Failure::usage(format!(
                "binfmt: {line} (emu binfmt --help)"
            )));
        }
    };
    match matches.subcommand() {
        Some(("install", m)) => install(m),
        Some(("remove", m)) => remove(m),
        Some(("status", m)) => status(m),
        Some(("print", m)) => print(m),
        Some(("doctor", m)) => doctor(m),
        _ => Err(Failure::usage("binfmt: no command (emu binfmt --help)")),
    }
}

fn failed(e: impl std::fmt::Display) -> Failure {
    Failure::usage(format!("binfmt: {e}"))
}

/// The guests of this executable, as binfmt knows them.
pub fn all_guests() -> Vec<Guest> {
    let of = |g: &crate::guests::Guest| Guest {
        name: g.name,
        machine: g.machine,
        class: g.class,
        big_endian: g.big_endian,
    };
    GUESTS.iter().map(of).collect()
}

/// The guests that were named; none or `all`: every guest.
fn guests(m: &ArgMatches) -> Result<Vec<Guest>, Failure> {
    let named: Vec<&String> = m.get_many("GUEST").into_iter().flatten().collect();
    if named.is_empty() || named.iter().any(|n| *n == "all") {
        return Ok(all_guests());
    }
    let find = |name: &&String| {
        let of = crate::guests::Guest::named(name).map(|g| g.name);
        all_guests()
            .into_iter()
            .find(|g| Some(g.name) == of)
            .ok_or_else(|| {
                let hint = hint(name, GUESTS.iter().flat_map(|g| g.names()));
                failed(format!("no guest '{name}'{hint} (emu help lists them)"))
            })
    };
    named.iter().map(find).collect()
}

/// The entries for the guests that were named.
fn entries(m: &ArgMatches) -> Result<Vec<Entry>, Failure> {
    let flags: Flags = m
        .get_one::<String>("flags")
        .map_or(Ok(Flags::default()), |f| f.parse())
        .map_err(failed)?;
    let folder = match m.get_one::<String>("interpreter") {
        Some(folder) => PathBuf::from(folder),
        None => own_folder()?,
    };
    let of = |g: Guest| Entry::of(&g, &folder.join(format!("emu-{}", g.name)), flags);
    Ok(guests(m)?.into_iter().map(of).collect())
}

fn own_folder() -> Result<PathBuf, Failure> {
    let own =
        std::env::current_exe().map_err(|e| failed(format!("cannot find this executable: {e}")))?;
    Ok(own.parent().unwrap_or(Path::new("/")).to_path_buf())
}

/// The kernel starts the emulator by its name, so that has to exist.
fn check_interpreter(entry: &Entry) -> Result<(), Failure> {
    if entry.interpreter.exists() {
        return Ok(());
    }
    let folder = entry.interpreter.parent().unwrap_or(Path::new("/"));
    Err(failed(format!(
        "{} does not exist; make the names first: emu links {}",
        entry.interpreter.display(),
        folder.display()
    )))
}

fn install(m: &ArgMatches) -> Result<ExitCode, Failure> {
    let entries = entries(m)?;
    if let Some(root) = m.get_one::<String>("root") {
        return write_files(Path::new(root), &entries);
    }
    let kernel = Kernel::default();
    kernel.mount().map_err(failed)?;
    for entry in &entries {
        check_interpreter(entry)?;
        let how = match kernel
            .register(entry, m.get_flag("force"))
            .map_err(failed)?
        {
            Change::Made => "registered",
            Change::Replaced => "replaced",
            Change::Kept => "was registered already",
        };
        println!(
            "{}: {how} ({}, flags {})",
            entry.name,
            entry.interpreter.display(),
            entry.flags
        );
    }
    match m.get_flag("persistent") {
        true => write_files(Path::new("/"), &entries),
        false => Ok(ExitCode::SUCCESS),
    }
}

fn write_files(root: &Path, entries: &[Entry]) -> Result<ExitCode, Failure> {
    let place = Persistent::below(root);
    for entry in entries {
        println!("{}", place.write(entry).map_err(failed)?.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Names of entries: a guest's name or alias stands for its entry, `all` for those of all guests.
fn entry_names(m: &ArgMatches) -> Result<Vec<String>, Failure> {
    let named: Vec<&String> = m.get_many("GUEST").into_iter().flatten().collect();
    if named.is_empty() {
        return Err(failed("remove: which guests? (or 'all')"));
    }
    let of = |guest: &str| format!("emu-{guest}");
    if named.iter().any(|n| *n == "all") {
        return Ok(all_guests().iter().map(|g| of(g.name)).collect());
    }
    let name = |n: &&String| crate::guests::Guest::named(n).map_or((*n).clone(), |g| of(g.name));
    Ok(named.iter().map(name).collect())
}

fn remove(m: &ArgMatches) -> Result<ExitCode, Failure> {
    let names = entry_names(m)?;
    let all = m
        .get_many::<String>("GUEST")
        .into_iter()
        .flatten()
        .any(|n| n == "all");
    let root = m.get_one::<String>("root");
    let place = Persistent::below(Path::new(root.map_or("/", String::as_str)));
    for name in &names {
        let mut gone = place.remove(name).map_err(failed)?;
        if root.is_none() {
            match Kernel::default().unregister(name) {
                Ok(()) => gone = true,
                // The file was all there was, or everything that exists was asked for.
                Err(binfmt::KernelError::NoEntry(_)) if gone || all => {}
                Err(e) => return Err(failed(e)),
            }
        }
        match gone {
            true => println!("{name}: removed"),
            false if all => {}
            false => return Err(failed(format!("there is no entry '{name}'"))),
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn status(m: &ArgMatches) -> Result<ExitCode, Failure> {
    let kernel = Kernel::default();
    let wanted = guests(m)?;
    let every = m.get_many::<String>("GUEST").is_none();
    let entries = kernel.entries().map_err(failed)?;
    let switch = if kernel.is_enabled() {
        "enabled"
    } else {
        "disabled"
    };
    println!("binfmt_misc at {}: {switch}", kernel.dir().display());
    for r in &entries {
        let guest = wanted.iter().find(|g| r.entry.matches(&g.magic().value));
        if guest.is_none() && !every {
            continue;
        }
        println!(
            "{:<20} {:<9} {:<10} flags {:<5} {}",
            r.entry.name,
            if r.enabled { "enabled" } else { "disabled" },
            guest.map_or("-", |g| g.name),
            r.entry.flags.to_string(),
            r.entry.interpreter.display()
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn print(m: &ArgMatches) -> Result<ExitCode, Failure> {
    let format = match m.get_one::<String>("format").map(String::as_str) {
        Some("debian") => Format::Debian,
        _ => Format::Systemd,
    };
    let texts: Vec<String> = entries(m)?.iter().map(|e| format.text(e)).collect();
    print!(
        "{}",
        texts.join(if format == Format::Debian { "\n" } else { "" })
    );
    Ok(ExitCode::SUCCESS)
}

/// Status 1 if something is wrong.
fn doctor(m: &ArgMatches) -> Result<ExitCode, Failure> {
    let root = PathBuf::from(m.get_one::<String>("root").map_or("/", String::as_str));
    let root = root
        .canonicalize()
        .map_err(|e| failed(format!("{}: {}", root.display(), super::detect::reason(&e))))?;
    let program = m.get_one::<String>("PROGRAM").map(PathBuf::from);
    let found = binfmt::examine(program.as_deref(), &root, &Kernel::default(), &all_guests());
    let mut sick = false;
    for f in found {
        let mark = match f.verdict {
            Verdict::Fine => "ok",
            Verdict::Note => "note",
            Verdict::Problem => "problem",
        };
        sick |= f.verdict == Verdict::Problem;
        println!("{mark:<8} {}", f.what);
        if !f.remedy.is_empty() {
            println!("{:<8} -> {}", "", f.remedy);
        }
    }
    Ok(ExitCode::from(u8::from(sick)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> ArgMatches {
        let words = std::iter::once("binfmt").chain(line.split(' '));
        command().try_get_matches_from(words).unwrap()
    }

    #[test]
    fn guests_are_found_by_name_and_alias() {
        let of = |line: &str| guests(parsed(line).subcommand().unwrap().1);
        let names = |line: &str| of(line).unwrap().iter().map(|g| g.name).collect::<Vec<_>>();
        assert_eq!(names("install armhf"), ["arm"]);
        assert_eq!(names("install arm armeb"), ["arm", "armeb"]);
        assert_eq!(names("install all").len(), GUESTS.len());
        let wrong = of("install arn").unwrap_err().message;
        assert!(wrong.contains("did you mean 'arm'"), "{wrong}");
    }

    #[test]
    fn no_two_guests_collide() {
        let all: Vec<Entry> = all_guests()
            .iter()
            .map(|g| Entry::of(g, Path::new("/x"), Flags::default()))
            .collect();
        for (i, a) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|b| !a.collides(b)), "{}", a.name);
        }
    }

    #[test]
    fn names_of_others_entries_are_taken_as_they_are() {
        let of = |line: &str| entry_names(parsed(line).subcommand().unwrap().1);
        assert_eq!(
            of("remove armhf qemu-arm").unwrap(),
            ["emu-arm", "qemu-arm"]
        );
        assert!(of("remove").is_err());
    }
}
