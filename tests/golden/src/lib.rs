//! Golden host instruction counts: how many host instructions each of a list of guest instructions becomes, and how it is
//! disassembled. The lists are `GUEST.txt` beside this folder, one block a line: host instructions up to the jump that
//! leaves the block, guest instruction words, their disassembly. What changes there is to be looked at: fewer is
//! better. `EMU_GOLDEN=write cargo test -p emu-golden` writes the lists anew.

#![forbid(unsafe_code)]

#[cfg(test)]
mod measure;

#[cfg(test)]
mod tests {
    use super::measure::{Guest, guests, measure};
    use std::path::{Path, PathBuf};

    fn list(guest: &Guest) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("{}.txt", guest.name))
    }

    /// The words of a line: behind the count, hexadecimal numbers of eight digits.
    fn words(line: &str) -> Vec<u32> {
        let fields = line.split_whitespace().skip(1).filter(|w| w.len() == 8);
        fields
            .map_while(|w| u32::from_str_radix(w, 16).ok())
            .collect()
    }

    /// The list as it has to be now.
    fn anew(guest: &Guest, text: &str) -> String {
        let line = |line: &str| match line.starts_with('#') || line.is_empty() {
            true => format!("{line}\n"),
            false => format!("{}\n", measure(guest, &words(line))),
        };
        text.lines().map(line).collect()
    }

    #[test]
    fn host_instructions_are_as_listed() {
        let write = std::env::var_os("EMU_GOLDEN").is_some_and(|v| v == "write");
        let mut changed = Vec::new();
        for guest in guests() {
            let path = list(&guest);
            let text = std::fs::read_to_string(&path).unwrap();
            let now = anew(&guest, &text);
            if write {
                std::fs::write(&path, &now).unwrap();
            }
            let pairs = text.lines().zip(now.lines()).filter(|(a, b)| a != b);
            changed.extend(pairs.map(|(a, b)| format!("{}:\n  {a}\n  {b}", guest.name)));
        }
        assert!(write || changed.is_empty(), "{}", changed.join("\n"));
    }

    #[test]
    fn lists_have_lines_of_words() {
        for guest in guests() {
            let text = std::fs::read_to_string(list(&guest)).unwrap();
            let lines: Vec<&str> = text.lines().filter(|l| !l.starts_with('#')).collect();
            assert!(lines.len() > 20 && lines.iter().all(|l| !words(l).is_empty()));
        }
    }
}
