//! `emu-img`: disk images without a machine. Options and output are qemu-img's.
//!
//! Leaves out: `commit`, `rebase`, `snapshot`, `dd`, `compare`, `bench`, `amend`, compression.

use super::Failure;
use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint};
use softmmu_block::format::Format;
use softmmu_block::tool::{self, Creation, Progress};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::process::ExitCode;

/// The words after `emu-img`, for the parser, the help, the man page and the completions.
pub fn command() -> Command {
    let file = |name: &'static str| {
        Arg::new(name)
            .required(true)
            .value_hint(ValueHint::FilePath)
            .help("an image file")
    };
    let format = || option('f', "format", "FMT", "format of the image (raw, qcow2)");
    let output = || {
        option('\0', "output", "HOW", "human or json")
            .value_parser(["human", "json"])
            .default_value("human")
    };
    let unlocked = || switch('U', "force-share", "also while somebody writes to it");
    let quiet = || switch('q', "quiet", "print nothing but errors");
    let progress = || switch('p', "progress", "show how far it is");
    let more = |help| option('o', "options", "KEY=VALUE,...", help).action(ArgAction::Append);
    Command::new("emu-img")
        .about("create, look at and convert disk images")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            Command::new("create")
                .about("make an image")
                .arg(format())
                .arg(option('b', "backing", "FILE", "the image below"))
                .arg(option('F', "backing-format", "FMT", "its format"))
                .arg(more(
                    "cluster_size, preallocation, refcount_bits, backing_file, backing_fmt",
                ))
                .arg(quiet())
                .arg(file("FILE"))
                .arg(Arg::new("SIZE").help("bytes, with a suffix (k, M, G, T)")),
        )
        .subcommand(
            Command::new("info")
                .about("tell about an image")
                .arg(format())
                .arg(output())
                .arg(unlocked())
                .arg(file("FILE")),
        )
        .subcommand(
            Command::new("convert")
                .about("copy the disk of one image into a new one")
                .arg(format())
                .arg(option(
                    'O',
                    "target-format",
                    "FMT",
                    "format of the new image (raw)",
                ))
                .arg(more("as for create"))
                .arg(switch('c', "compress", "not supported"))
                .arg(progress())
                .arg(quiet())
                .arg(file("FROM"))
                .arg(file("TO")),
        )
        .subcommand(
            Command::new("resize")
                .about("change the size of a disk")
                .arg(format())
                .arg(switch('\0', "shrink", "data may be lost"))
                .arg(option(
                    '\0',
                    "preallocation",
                    "MODE",
                    "what is allocated at once",
                ))
                .arg(quiet())
                .arg(file("FILE"))
                .arg(
                    Arg::new("SIZE")
                        .required(true)
                        .allow_hyphen_values(true)
                        .help("SIZE, +SIZE or -SIZE"),
                ),
        )
        .subcommand(
            Command::new("check")
                .about("look for damage in a qcow2 image")
                .arg(format())
                .arg(output())
                .arg(quiet())
                .arg(file("FILE")),
        )
        .subcommand(
            Command::new("map")
                .about("tell where the parts of a disk are")
                .arg(format())
                .arg(output())
                .arg(file("FILE")),
        )
}

fn option(short: char, long: &'static str, value: &'static str, help: &'static str) -> Arg {
    let arg = Arg::new(long).long(long).value_name(value).help(help);
    if short == '\0' { arg } else { arg.short(short) }
}

fn switch(short: char, long: &'static str, help: &'static str) -> Arg {
    let arg = Arg::new(long).long(long).action(ArgAction::SetTrue);
    let arg = arg.help(help);
    if short == '\0' { arg } else { arg.short(short) }
}

/// Carries it out.
pub fn run(words: &[OsString]) -> Result<ExitCode, Failure> {
    let all = std::iter::once(OsString::from("emu-img")).chain(words.iter().cloned());
    let matches = match command().try_get_matches_from(all) {
        Ok(matches) => matches,
        Err(e) => {
            let status = u8::from(e.use_stderr());
            // Nobody is left to be told if this fails.
            let _ = e.print();
            return Ok(ExitCode::from(status));
        }
    };
    let outcome = match matches.subcommand() {
        Some(("create", m)) => create(m),
        Some(("info", m)) => info(m),
        Some(("convert", m)) => convert(m),
        Some(("resize", m)) => resize(m),
        Some(("check", m)) => check(m),
        Some(("map", m)) => map(m),
        _ => Ok(ExitCode::FAILURE),
    };
    outcome.map_err(|e| Failure::usage(format!("img: {}", e.0)))
}

type Outcome = Result<ExitCode, softmmu_block::Error>;

fn text<'a>(m: &'a ArgMatches, name: &str) -> Option<&'a str> {
    m.get_one::<String>(name).map(String::as_str)
}

fn needed<'a>(m: &'a ArgMatches, name: &str) -> &'a str {
    // clap has seen to it.
    text(m, name).unwrap_or_default()
}

fn format(m: &ArgMatches, name: &str) -> Result<Option<Format>, softmmu_block::Error> {
    text(m, name).map(Format::named).transpose()
}

fn json(m: &ArgMatches) -> bool {
    text(m, "output") == Some("json")
}

fn wrong(text: impl Into<String>) -> softmmu_block::Error {
    softmmu_block::Error(text.into())
}

fn creation(m: &ArgMatches, format: Format) -> Result<Creation, softmmu_block::Error> {
    let mut what = Creation::new(format);
    for options in m.get_many::<String>("options").into_iter().flatten() {
        if options == "help" || options == "?" {
            let known = match format {
                Format::Raw => "preallocation=off|falloc|full, size=SIZE",
                Format::Qcow2 => {
                    "cluster_size=SIZE, preallocation=off|metadata|falloc|full, refcount_bits=N, \
                     backing_file=FILE, backing_fmt=FMT, size=SIZE"
                }
            };
            return Err(wrong(format!("options of {}: {known}", format.word())));
        }
        what.options(options)?;
    }
    Ok(what)
}

fn create(m: &ArgMatches) -> Outcome {
    let format = format(m, "format")?.unwrap_or(Format::Raw);
    let mut what = creation(m, format)?;
    if let Some(size) = text(m, "SIZE") {
        let bytes = softmmu_opts::size(size);
        what.size = Some(bytes.ok_or_else(|| wrong(format!("{size}: expected a size")))?);
    }
    if let Some(backing) = text(m, "backing") {
        let format = self::format(m, "backing-format")?;
        let format = format.ok_or_else(|| {
            wrong("-b needs the format of the backing file (-F), as guessing it is dangerous")
        })?;
        what.backing = Some((backing.to_owned(), format));
    }
    let path = needed(m, "FILE");
    let size = tool::create(path, &what)?;
    if !m.get_flag("quiet") {
        let cluster = match format {
            Format::Raw => String::new(),
            Format::Qcow2 => format!(
                " cluster_size={} compression_type=zlib lazy_refcounts=off refcount_bits={}",
                what.cluster, what.refcount_bits
            ),
        };
        println!(
            "Formatting '{path}', fmt={}{cluster} size={size}",
            format.word()
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn info(m: &ArgMatches) -> Outcome {
    let unlocked = m.get_flag("force-share");
    let info = tool::info(needed(m, "FILE"), format(m, "format")?, unlocked)?;
    if json(m) {
        println!("{:#}", info.json());
    } else {
        print!("{}", info.text());
    }
    Ok(ExitCode::SUCCESS)
}

fn convert(m: &ArgMatches) -> Outcome {
    if m.get_flag("compress") {
        return Err(wrong("-c: writing compressed clusters is not supported"));
    }
    let target = format(m, "target-format")?.unwrap_or(Format::Raw);
    let what = creation(m, target)?;
    let from = (needed(m, "FROM"), format(m, "format")?);
    let shown = m.get_flag("progress") && !m.get_flag("quiet");
    let mut last = u32::MAX;
    let progress: Progress<'_> = &mut |thousandths| {
        // A terminal gets every step, a log only whole percents.
        let step = if std::io::stdout().is_terminal() {
            1
        } else {
            10
        };
        if shown && thousandths / step != last {
            last = thousandths / step;
            print!(
                "    ({}.{:02}/100%)\r",
                thousandths / 10,
                thousandths % 10 * 10
            );
            // Progress that cannot be shown is no reason to stop.
            let _ = std::io::stdout().flush();
        }
    };
    tool::convert(from, needed(m, "TO"), &what, progress)?;
    if shown {
        println!("    (100.00/100%)");
    }
    Ok(ExitCode::SUCCESS)
}

fn resize(m: &ArgMatches) -> Outcome {
    let mut what = Creation::new(Format::Raw);
    if let Some(mode) = text(m, "preallocation") {
        what.options(&format!("preallocation={mode}"))?;
    }
    let path = needed(m, "FILE");
    let format = format(m, "format")?;
    let shrink = m.get_flag("shrink");
    tool::resize(path, format, needed(m, "SIZE"), shrink, what.preallocation)?;
    if !m.get_flag("quiet") {
        println!("Image resized.");
    }
    Ok(ExitCode::SUCCESS)
}

/// As qemu-img's: 0 sound, 2 damaged, 3 leaks only, 63 not for this format.
fn check(m: &ArgMatches) -> Outcome {
    let path = needed(m, "FILE");
    let raw = format(m, "format")? == Some(Format::Raw);
    if raw || tool::info(path, None, false)?.json()["format"] == "raw" {
        eprintln!("emu: img: this image format does not support checks");
        return Ok(ExitCode::from(63));
    }
    let found = tool::check(path)?;
    let status = match (found.corruptions, found.leaks) {
        (0, 0) => 0,
        (0, _) => 3,
        _ => 2,
    };
    if json(m) {
        println!("{:#}", found.json(path));
        return Ok(ExitCode::from(status));
    }
    for error in &found.errors {
        eprintln!("ERROR {error}");
    }
    let mut said = String::new();
    // Writing into a string cannot fail.
    let _ = match status {
        0 => writeln!(said, "No errors were found on the image."),
        2 => writeln!(
            said,
            "\n{} errors were found on the image.",
            found.corruptions
        ),
        _ => writeln!(
            said,
            "\n{} leaked clusters were found on the image.",
            found.leaks
        ),
    };
    let total = found.total_clusters.max(1) as f64;
    let allocated = found.allocated_clusters as f64;
    let compressed = found.compressed_clusters as f64 * 100.0 / allocated.max(1.0);
    let _ = writeln!(
        said,
        "{}/{} = {:.2}% allocated, {compressed:.2}% compressed clusters\nImage end offset: {}",
        found.allocated_clusters,
        found.total_clusters,
        allocated * 100.0 / total,
        found.image_end
    );
    if !m.get_flag("quiet") {
        print!("{said}");
    }
    Ok(ExitCode::from(status))
}

fn map(m: &ArgMatches) -> Outcome {
    let path = needed(m, "FILE");
    let extents = tool::map(path, format(m, "format")?)?;
    if json(m) {
        println!("{:#}", tool::map_json(&extents));
        return Ok(ExitCode::SUCCESS);
    }
    println!("{:<16}{:<16}{:<16}File", "Offset", "Length", "Mapped to");
    for (at, extent) in extents.iter().filter(|(_, e)| !e.zero) {
        let host = extent
            .host
            .map_or_else(|| "-".to_owned(), |h| format!("{h:#x}"));
        let (at, length) = (format!("{at:#x}"), format!("{:#x}", extent.length));
        println!("{at:<16}{length:<16}{host:<16}{path}");
    }
    Ok(ExitCode::SUCCESS)
}
