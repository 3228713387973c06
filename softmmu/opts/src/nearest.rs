//! The nearest known name to a mistyped one.

/// The known name that is at most two edits (and less than half of the word) away from `word`.
pub fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|name| (distance(word, name), name))
        .filter(|(d, _)| *d <= 2 && d * 2 < word.chars().count().max(2))
        .min_by_key(|(d, _)| *d)
        .map(|(_, name)| name)
}

/// `; did you mean 'x'?` or nothing.
pub fn hint<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> String {
    nearest(word, known)
        .map(|n| format!("; did you mean '{n}'?"))
        .unwrap_or_default()
}

/// Levenshtein's distance, one row at a time.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let substitute = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = substitute.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_name() {
        let known = ["strace", "seed", "cpu", "L"];
        assert_eq!(nearest("stracce", known.into_iter()), Some("strace"));
        assert_eq!(nearest("cup", known.into_iter()), None);
        assert_eq!(nearest("sed", known.into_iter()), Some("seed"));
        assert_eq!(nearest("x", known.into_iter()), None);
        assert_eq!(hint("zzz", known.into_iter()), "");
    }

    #[test]
    fn distances() {
        for (a, b, d) in [
            ("", "", 0),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("a", "b", 1),
        ] {
            assert_eq!(distance(a, b), d);
        }
    }
}
