//! QEMU's way of reading the user-mode command line: first the environment variables, then options
//! with one dash (two are taken too) up to the first word that is not one, which is the program.
//! Arguments that name files, the program and its arguments need not be UTF-8.

use super::Failure;
use super::nearest::hint;
use super::options::{OPTIONS, Opt, find};
use linux_user::config::TestOptions;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Everything that the options and the environment say.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct UserOptions {
    /// `-h`.
    pub show_help: bool,
    /// `-version`.
    pub show_version: bool,
    /// `-d help`.
    pub show_log_items: bool,
    /// `-L`.
    pub ld_prefix: Option<PathBuf>,
    /// `-E` and `-U` in their order: a name, and a value or none to remove it.
    pub environment: Vec<(String, Option<String>)>,
    /// `-0`.
    pub argv0: Option<OsString>,
    /// `-cpu`.
    pub cpu: Option<String>,
    /// `-g`.
    pub gdb: Option<String>,
    /// `-s`, in bytes.
    pub stack_size: Option<u64>,
    /// `-B`.
    pub guest_base: Option<u64>,
    /// `-R`, in bytes.
    pub reserved_va: Option<u64>,
    /// `-r`.
    pub uname_release: Option<String>,
    /// `-seed`.
    pub seed: Option<u64>,
    /// `-strace` or `-d strace`.
    pub strace: bool,
    /// `-d`, without `strace`.
    pub log: Vec<&'static str>,
    /// `-dfilter`: first and last address of each range.
    pub log_ranges: Vec<(u64, u64)>,
    /// `-D`.
    pub log_file: Option<PathBuf>,
    /// `-one-insn-per-tb`.
    pub one_insn_per_tb: bool,
    /// `-tb-size`.
    pub tb_size_mib: Option<u64>,
    /// `-exec-fd`, between the emulators of a program and its children.
    pub exec_fd: Option<i32>,
    /// `-program-fd`, likewise.
    pub program_fd: Option<i32>,
    /// `-ids`, likewise.
    pub ids: Option<linux_user::Ids>,
    /// `-limits`, likewise.
    pub limits: Vec<(i32, [u64; 2])>,
    /// `-perfmap`.
    pub perfmap: bool,
    /// `-jitdump`.
    pub jitdump: bool,
    /// `-test`.
    pub test: TestOptions,
    /// `-code-cache`.
    pub code_cache: Option<std::path::PathBuf>,
    /// `-stats`.
    pub stats: bool,
}

/// The program and its arguments, and the options before it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    /// What the options say.
    pub options: UserOptions,
    /// The program, then its arguments; empty if there is no program.
    pub command: Vec<OsString>,
}

/// The options that the environment sets.
fn from_environment(env: impl Fn(&str) -> Option<OsString>) -> Result<UserOptions, Failure> {
    let mut options = UserOptions::default();
    for option in OPTIONS {
        let Some(name) = option.env else { continue };
        let found = ["EMU", "QEMU"].into_iter().find_map(|prefix| {
            let variable = format!("{prefix}_{name}");
            env(&variable).map(|value| (variable, value))
        });
        if let Some((variable, value)) = found {
            apply(option, &mut options, &value).map_err(|f| Failure {
                message: format!("{variable}: {}", f.message),
                ..f
            })?;
        }
    }
    Ok(options)
}

/// What binfmt_misc passes: the program's path, its own argv[0] if `argv0`, then its arguments. Options can only come
/// from the environment.
pub fn parse_binfmt(
    words: &[OsString],
    argv0: bool,
    env: impl Fn(&str) -> Option<OsString>,
) -> Result<Parsed, Failure> {
    let mut options = from_environment(env)?;
    let mut command = words.to_vec();
    if argv0 && command.len() > 1 {
        options.argv0 = Some(command.remove(1));
    }
    Ok(Parsed { options, command })
}

/// Reads the environment (through `env`), then `words`, the command line after the applet's name.
pub fn parse(
    words: &[OsString],
    env: impl Fn(&str) -> Option<OsString>,
) -> Result<Parsed, Failure> {
    let mut options = from_environment(env)?;
    let mut rest = words.iter();
    let mut command = Vec::new();
    while let Some(word) = rest.next() {
        let Some(name) = word.as_bytes().strip_prefix(b"-") else {
            command.push(word.clone());
            break;
        };
        if name == b"-" {
            break;
        }
        let name = String::from_utf8_lossy(name.strip_prefix(b"-").unwrap_or(name));
        let Some(option) = find(&name) else {
            let hint = hint(&name, OPTIONS.iter().flat_map(|o| o.names).copied());
            return Err(Failure::usage(format!(
                "unknown option '-{name}'{hint} (-h lists the options)"
            )));
        };
        let missing = || Failure::usage(format!("option '-{name}' needs an argument"));
        let argument = match option.arg {
            Some(_) => rest.next().ok_or_else(missing)?.as_os_str(),
            None => OsStr::new(""),
        };
        apply(option, &mut options, argument)?;
    }
    command.extend(rest.cloned());
    Ok(Parsed { options, command })
}

/// Sets `option`. Only paths may be other than UTF-8, and those go around the text.
fn apply(option: &Opt, options: &mut UserOptions, value: &OsStr) -> Result<(), Failure> {
    match (option.names[0], value.to_str()) {
        ("L", None) => options.ld_prefix = Some(value.into()),
        ("0", None) => options.argv0 = Some(value.into()),
        ("D", None) => options.log_file = Some(value.into()),
        (name, None) => {
            return Err(Failure::usage(format!(
                "-{name}: the argument is not UTF-8"
            )));
        }
        (_, Some(text)) => return (option.set)(options, text),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ')
            .filter(|w| !w.is_empty())
            .map(OsString::from)
            .collect()
    }

    fn plain(line: &str) -> Result<Parsed, Failure> {
        parse(&words(line), |_| None)
    }

    #[test]
    fn options_end_at_the_program() {
        let p = plain("-L /r -strace --cpu max prog -L x -- -strace").unwrap();
        assert_eq!(p.command, words("prog -L x -- -strace"));
        assert_eq!(p.options.ld_prefix.as_deref(), Some("/r".as_ref()));
        assert!(p.options.strace);
        assert_eq!(p.options.cpu.as_deref(), Some("max"));
    }

    #[test]
    fn binfmt_passes_no_options() {
        let binfmt = |line: &str, argv0| parse_binfmt(&words(line), argv0, |_| None).unwrap();
        let p = binfmt("/bin/x -sh -L y", true);
        assert_eq!(p.options.argv0.as_deref(), Some("-sh".as_ref()));
        assert_eq!(p.command, words("/bin/x -L y"));
        let p = binfmt("-x -L y", false);
        assert_eq!((p.options.argv0, p.command), (None, words("-x -L y")));
    }

    #[test]
    fn two_dashes_end_the_options() {
        assert_eq!(plain("-- -prog").unwrap().command, words("-prog"));
        assert!(plain("-strace").unwrap().command.is_empty());
    }

    #[test]
    fn mistakes_are_one_line_with_status_1() {
        for (line, text) in [
            (
                "-stracce x",
                "unknown option '-stracce'; did you mean '-strace'?",
            ),
            ("-cpu", "option '-cpu' needs an argument"),
            ("-s 1x p", "-s: '1x' is not a number"),
            ("-s 0 p", "-s: the stack needs"),
            ("-E novalue p", "-E: 'novalue'"),
            ("-U a=b p", "-U: 'a=b'"),
            ("-p 8192 p", "-p: a page size of 8192"),
            ("- p", "unknown option '-'"),
        ] {
            let f = plain(line).unwrap_err();
            assert!(
                f.message.replace("'strace'", "'-strace'").starts_with(text),
                "{line}: {}",
                f.message
            );
            assert_eq!((f.status, f.message.contains('\n')), (1, false));
        }
    }

    #[test]
    fn environment_comes_first_and_ours_wins() {
        let env = |name: &str| {
            let value = match name {
                "EMU_CPU" => "a",
                "QEMU_CPU" => "b",
                "QEMU_LD_PREFIX" => "/q",
                "QEMU_STRACE" => "",
                "EMU_SET_ENV" => "A=1,B=2",
                _ => return None,
            };
            Some(OsString::from(value))
        };
        let o = parse(&words("-L /mine -U A p"), env).unwrap().options;
        assert_eq!((o.cpu.as_deref(), o.strace), (Some("a"), true));
        assert_eq!(o.ld_prefix.as_deref(), Some("/mine".as_ref()));
        let names: Vec<_> = o
            .environment
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_deref()))
            .collect();
        assert_eq!(names, [("A", Some("1")), ("B", Some("2")), ("A", None)]);
    }

    #[test]
    fn a_bad_variable_is_named() {
        let f = parse(&[], |n| (n == "QEMU_STACK_SIZE").then(|| "big".into())).unwrap_err();
        assert_eq!(f.message, "QEMU_STACK_SIZE: -s: 'big' is not a number");
    }

    #[test]
    fn paths_need_not_be_utf8() {
        let odd = OsString::from(OsStr::from_bytes(b"/\xff"));
        let p = parse(&["-L".into(), odd.clone(), odd.clone()], |_| None).unwrap();
        assert_eq!(
            (p.options.ld_prefix, p.command),
            (Some(odd.clone().into()), vec![odd.clone()])
        );
        assert!(parse(&["-cpu".into(), odd], |_| None).is_err());
    }

    #[test]
    fn log_items_add_up_and_strace_is_apart() {
        let o = plain("-d in_asm,strace -d exec,in_asm -dfilter 0x10+4 p")
            .unwrap()
            .options;
        assert_eq!(
            (o.log, o.strace, o.log_ranges),
            (vec!["in_asm", "exec"], true, vec![(16, 19)])
        );
        assert!(plain("-d help").unwrap().options.show_log_items);
    }
}
