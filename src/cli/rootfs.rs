//! `emu run --rootfs DIR -- COMMAND`: a command in a foreign root, without binfmt_misc and without privileges.

use super::Failure;
use super::detect::{guest_of, reason};
use super::user::{self, Parsed};
use crate::launch;
use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint};
use rootfs::{Bind, Plan, User};
use std::ffi::{OsStr, OsString};
use std::os::fd::IntoRawFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Where programs are inside.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The words after `emu run`, for the parser, the help, the man page and the completions.
pub fn command() -> Command {
    let with =
        |name: &'static str, value, help| Arg::new(name).long(name).value_name(value).help(help);
    Command::new("run")
        .about("run a command in a foreign root folder, everything that it starts emulated too")
        .after_help(
            "Needs no privileges where the host has user namespaces, and no binfmt_misc. Options of the \
             emulator itself are given in the environment (EMU_CPU, EMU_STRACE, ...).",
        )
        .arg(
            with("rootfs", "DIR", "the root folder")
                .required(true)
                .value_hint(ValueHint::DirPath),
        )
        .arg(
            with("bind", "FROM[:TO[:ro]]", "show a folder or file of the host inside (more than once)")
                .action(ArgAction::Append)
                .value_hint(ValueHint::AnyPath),
        )
        .arg(with("user", "USER", "name, or UID[:GID] (default: root)"))
        .arg(with("workdir", "DIR", "folder inside to start in (default: the user's home)"))
        .arg(
            with("env", "VAR=VALUE", "set a variable (more than once)")
                .short('E')
                .action(ArgAction::Append),
        )
        .arg(
            Arg::new("no-network-files")
                .long("no-network-files")
                .action(ArgAction::SetTrue)
                .help("leave the root's own /etc/resolv.conf and /etc/hosts"),
        )
        .arg(
            Arg::new("COMMAND")
                .required(true)
                .num_args(1..)
                .last(true)
                .value_parser(clap::value_parser!(OsString)),
        )
}

/// Runs `emu run WORDS`.
pub fn run(words: &[OsString]) -> Result<ExitCode, Failure> {
    let words = std::iter::once(OsString::from("emu run")).chain(words.iter().cloned());
    let m = match command().try_get_matches_from(words) {
        Ok(matches) => matches,
        Err(e) if !e.use_stderr() => {
            print!("{e}");
            return Ok(ExitCode::SUCCESS);
        }
        Err(e) => {
            let text = e.to_string();
            let line = text
                .lines()
                .map(str::trim)
                .filter(|l| !l.is_empty())
                .take(2);
            let line = line.collect::<Vec<_>>().join(" ");
            let line = line.strip_prefix("error: ").unwrap_or(&line);
            return Err(Failure::usage(format!("run: {line} (emu run --help)")));
        }
    };
    // What is wrong in the environment shows before the root changes.
    let mut options = user::parse(&[], |name| std::env::var_os(name))?.options;
    // For the programs that the command starts: inside there may be no /proc.
    options.exec_fd = std::fs::File::open("/proc/self/exe")
        .ok()
        .map(IntoRawFd::into_raw_fd);
    let plan = plan(&m)?;
    let fail = |e: rootfs::EnterError| {
        let text = e.to_string();
        // Without Rust's "(os error N)".
        let text = text.split(" (os error").next().unwrap_or_default();
        Failure::program(format!("run: {text}"), 126)
    };
    let entered = rootfs::enter(&plan, register_inside).map_err(fail)?;
    if entered.single_id {
        let user = &entered.user;
        options.ids = Some(linux_user::Ids {
            uid: [user.uid; 3],
            gid: [user.gid; 3],
            groups: user.groups.clone(),
        });
    }
    let words: Vec<OsString> = m
        .get_many("COMMAND")
        .into_iter()
        .flatten()
        .cloned()
        .collect();
    let mut parsed = Parsed {
        options,
        command: words,
    };
    parsed
        .options
        .environment
        .extend(environment(&entered.user, &m)?);
    execute(parsed)
}

/// A binfmt_misc of the namespace's own, so that native programs inside can start foreign ones, too (Linux 6.7 or newer).
/// Without it everything else works: foreign programs start each other without the kernel's help.
fn register_inside(root: &Path) {
    let kernel = binfmt::Kernel::at(&root.join("proc/sys/fs/binfmt_misc"));
    // What is mounted there belongs to the host's namespace.
    if kernel.mount_new().is_err() {
        return;
    }
    let flags: binfmt::Flags = binfmt::Flags::default();
    for guest in super::binfmt::all_guests() {
        // The kernel opens the emulator now; it finds the guest by the program's header.
        let entry = binfmt::Entry::of(&guest, Path::new("/proc/self/exe"), flags);
        if kernel.register(&entry, true).is_err() {
            return;
        }
    }
}

fn plan(m: &ArgMatches) -> Result<Plan, Failure> {
    let text = |name: &str| m.get_one::<String>(name).cloned();
    let binds = m.get_many::<String>("bind").into_iter().flatten();
    let bind = |b: &String| {
        b.parse::<Bind>()
            .map_err(|e| Failure::usage(format!("run: --bind {e}")))
    };
    Ok(Plan {
        root: PathBuf::from(text("rootfs").unwrap_or_default()),
        binds: binds.map(bind).collect::<Result<_, _>>()?,
        user: text("user"),
        folder: text("workdir").map(PathBuf::from),
        network_files: !m.get_flag("no-network-files"),
    })
}

/// Variables of the host that would be wrong inside, and those that were asked for.
fn environment(user: &User, m: &ArgMatches) -> Result<Vec<(String, Option<String>)>, Failure> {
    let set = |name: &str, value: &Path| {
        let value = value.to_string_lossy().into_owned();
        (name.to_string(), Some(value))
    };
    let name = Path::new(&user.name);
    let mut all = vec![
        set("PATH", Path::new(PATH)),
        set("HOME", &user.home),
        set("USER", name),
        set("LOGNAME", name),
        set("SHELL", &user.shell),
        ("LD_PRELOAD".into(), None),
        ("LD_LIBRARY_PATH".into(), None),
    ];
    for pair in m.get_many::<String>("env").into_iter().flatten() {
        let Some((name, value)) = pair.split_once('=') else {
            return Err(Failure::usage(format!(
                "run: --env {pair}: is not VAR=VALUE"
            )));
        };
        all.push((name.into(), Some(value.into())));
    }
    Ok(all)
}

/// Finds the command as a shell does.
fn find(name: &OsStr, path: &str) -> Option<PathBuf> {
    if name.as_encoded_bytes().contains(&b'/') {
        return Some(name.into());
    }
    path.split(':')
        .map(|dir| Path::new(dir).join(name))
        .find(|p| p.metadata().is_ok_and(|m| m.is_file()))
}

/// Runs the command in this process: a foreign program, a script for one, or a program of the host.
fn execute(mut parsed: Parsed) -> Result<ExitCode, Failure> {
    let name = parsed.command[0].clone();
    let shown = name.to_string_lossy().into_owned();
    let set = &parsed.options.environment;
    let path = set.iter().rev().find(|(n, _)| n == "PATH");
    let path = path.and_then(|(_, v)| v.clone()).unwrap_or_default();
    let missing = || Failure::program(format!("run: {shown}: command not found in the root"), 127);
    let program = find(&name, &path).ok_or_else(missing)?;
    let (program, mut argv) =
        linux_user::follow_scripts(&program, parsed.command).map_err(|e| {
            let status = if e.kind() == std::io::ErrorKind::NotFound {
                127
            } else {
                126
            };
            Failure::program(format!("run: {shown}: {}", reason(&e)), status)
        })?;
    if is_native(&program) {
        return Err(execute_native(&program, &argv, &parsed.options.environment));
    }
    let guest = guest_of(program.as_os_str())?;
    parsed.options.argv0 = Some(std::mem::replace(&mut argv[0], program.into_os_string()));
    parsed.command = argv;
    launch::run(guest, parsed, None)
}

fn is_native(program: &Path) -> bool {
    let mut head = [0; 20];
    let read =
        std::fs::File::open(program).and_then(|mut f| std::io::Read::read_exact(&mut f, &mut head));
    read.is_ok() && crate::guests::elf_machine(&head).is_some_and(|m| binfmt::NATIVE.contains(&m))
}

fn execute_native(program: &Path, argv: &[OsString], set: &[(String, Option<String>)]) -> Failure {
    let mut command = std::process::Command::new(program);
    command.arg0(&argv[0]).args(&argv[1..]);
    for (name, value) in set {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let e = command.exec();
    Failure::program(format!("run: {}: {}", program.display(), reason(&e)), 126)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(line: &str) -> Result<ArgMatches, clap::Error> {
        command().try_get_matches_from(std::iter::once("run").chain(line.split(' ')))
    }

    #[test]
    fn the_command_comes_after_two_dashes() {
        let m = matches("--rootfs /r --bind /a --bind /b:/c:ro --user 5 -- ls --bind x").unwrap();
        let words: Vec<&OsString> = m.get_many("COMMAND").unwrap().collect();
        assert_eq!(words, ["ls", "--bind", "x"]);
        let plan = plan(&m).unwrap();
        assert_eq!((plan.binds.len(), plan.user.as_deref()), (2, Some("5")));
        assert!(matches("--rootfs /r ls").is_err());
        assert!(matches("-- ls").is_err());
        assert!(super::plan(&matches("--rootfs /r --bind a:b -- ls").unwrap()).is_err());
    }

    #[test]
    fn the_environment_is_the_users() {
        let m = matches("--rootfs /r -E A=b=c -- ls").unwrap();
        let all = environment(&User::root(), &m).unwrap();
        let of = |name: &str| {
            all.iter()
                .rev()
                .find(|(n, _)| n == name)
                .and_then(|(_, v)| v.clone())
        };
        assert_eq!(of("HOME").as_deref(), Some("/root"));
        assert_eq!(of("A").as_deref(), Some("b=c"));
        assert!(environment(&User::root(), &matches("--rootfs /r -E A -- ls").unwrap()).is_err());
    }
}
