//! Rules for every text file: its length, and nothing that belongs to one machine.

use super::{File, excused};

/// Longest file that is not a table.
const MAX_LINES: usize = 1000;

/// Folders of somebody's machine; in pieces, since this file is linted too.
const MACHINE_PATHS: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ho", "me/"),
    concat!("/ro", "ot/"),
    concat!("/Us", "ers/"),
];

/// Tables are data: their length is not a matter of style.
fn is_table(file: &File) -> bool {
    let by_name = [".decode", ".tbl", ".lock", ".out"]
        .iter()
        .any(|e| file.path.ends_with(e));
    by_name || file.text.lines().take(5).any(|l| l.contains("lint: table"))
}

/// Appends what `file` breaks.
pub fn check(file: &File, findings: &mut Vec<String>) {
    let count = file.text.lines().count();
    if count > MAX_LINES && !is_table(file) {
        findings.push(file.finding(
            count - 1,
            format_args!("{count} lines; {MAX_LINES} is the limit, split the file"),
        ));
    }
    for (number, line) in file.text.lines().enumerate() {
        if excused(line, "machine") {
            continue;
        }
        if let Some(path) = MACHINE_PATHS.iter().find(|p| line.contains(*p)) {
            findings.push(file.finding(number, format_args!("a path of one machine ({path})")));
        }
        if let Some(address) = foreign_address(line) {
            findings.push(file.finding(
                number,
                format_args!("an address of one network ({address})"),
            ));
        }
    }
}

/// The first IPv4 address in `line` that is not a loopback, wildcard, documentation, multicast or
/// user-network one.
fn foreign_address(line: &str) -> Option<&str> {
    line.split(|c: char| !(c.is_ascii_alphanumeric() || c == '.'))
        .find(|word| {
            let parts: Vec<&str> = word.split('.').collect();
            let Some(octets) = parts
                .iter()
                .map(|p| p.parse::<u8>().ok())
                .collect::<Option<Vec<u8>>>()
            else {
                return false;
            };
            let padded = parts.iter().any(|p| p.len() > 1 && p.starts_with('0'));
            octets.len() == 4
                && !padded
                && !matches!(
                    octets[..],
                    [0 | 127 | 224..=255, ..]
                        | [192, 0, 2, _]
                        | [198, 51, 100, _]
                        | [203, 0, 113, _]
                        | [10, 0, 2, _]
                        | [_, 0, 0, _]
                )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        let mut findings = Vec::new();
        check(
            &File {
                path: path.into(),
                text: text.into(),
            },
            &mut findings,
        );
        findings
    }

    #[test]
    fn machine_paths_are_found_with_their_line() {
        let text = format!("ok\ncd {}x", MACHINE_PATHS[0]);
        assert!(found("a.sh", &text)[0].starts_with("a.sh:2: a path"));
        assert!(found("a.sh", "HOME=/root/").len() == 1); // lint: allow machine, the rule's own test
        assert!(found("a.sh", "HOME=/root sh").is_empty());
    }

    #[test]
    fn addresses() {
        assert_eq!(foreign_address("at 172.17.3.4:80"), Some("172.17.3.4")); // lint: allow machine, the rule's own test
        for fine in [
            "127.0.0.1",
            "0.0.0.0",
            "v1.2.3",
            "A8.8.165.1",
            "192.0.2.7",
            "10.0.2.15",
            "1.0.0.1",
        ] {
            assert_eq!(foreign_address(fine), None, "{fine}");
        }
    }

    #[test]
    fn long_files_are_found_tables_are_not() {
        let long = "x\n".repeat(MAX_LINES + 1);
        assert_eq!(found("a.rs", &long).len(), 1);
        assert!(found("a.decode", &long).is_empty());
        assert!(found("a.rs", &format!("//! lint: table\n{long}")).is_empty());
        assert!(found("a.rs", &"x\n".repeat(MAX_LINES)).is_empty());
    }
}
