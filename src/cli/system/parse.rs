//! QEMU's way of reading system mode's command line: options with one dash (two are taken, too)
//! anywhere; a word that is not one is a disk image.

use super::options::{OPTIONS, SystemOptions};
use crate::cli::Failure;
use crate::cli::nearest::hint;
use std::ffi::OsString;

/// Reads the command line after the applet's name.
pub fn parse(words: &[OsString]) -> Result<SystemOptions, Failure> {
    let mut options = SystemOptions::default();
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        let text = word
            .to_str()
            .ok_or_else(|| Failure::usage(format!("{}: not UTF-8", word.to_string_lossy())))?;
        let Some(name) = text.strip_prefix("--").or_else(|| text.strip_prefix('-')) else {
            options
                .drives
                .push(format!("file={}", text.replace(',', ",,")));
            continue;
        };
        let Some(option) = OPTIONS.iter().find(|o| o.names.contains(&name)) else {
            let known = OPTIONS.iter().flat_map(|o| o.names.iter().copied());
            let hint = hint(name, known);
            return Err(Failure::usage(format!(
                "there is no option -{name}{hint} (-h prints them)"
            )));
        };
        let argument = match option.arg {
            None => "",
            Some(what) => rest.next().and_then(|w| w.to_str()).ok_or_else(|| {
                Failure::usage(format!("-{name}: its argument {what} is missing"))
            })?,
        };
        (option.set)(&mut options, argument)?;
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<SystemOptions, String> {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        parse(&words).map_err(|f| f.message)
    }

    #[test]
    fn options_and_images() {
        let o = read("-M ppce500 --smp 2 a,b.img -m 64 -nographic").unwrap();
        assert_eq!(o.machine.as_deref(), Some("ppce500"));
        assert_eq!(
            (o.cpus, o.memory, o.no_graphic),
            (Some(2), Some(64 << 20), true)
        );
        assert_eq!(o.drives, ["file=a,,b.img"]);
        assert!(
            read("-kernle x")
                .unwrap_err()
                .contains("did you mean 'kernel'?")
        );
        assert!(read("-M").unwrap_err().contains("is missing"));
        assert_eq!(read("-icount 1").unwrap().icount, Some(1));
        assert_eq!(
            read("-icount shift=auto,sleep=off").unwrap().icount,
            Some(3)
        );
        assert!(read("-icount 11").is_err());
        assert!(
            read("-icount 1,rr=record")
                .unwrap_err()
                .contains("not there yet")
        );
    }
}
