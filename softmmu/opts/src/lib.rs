//! Option lists as QEMU's command line writes them: `first,key=value,flag,other=a,,b`.
//!
//! A list is parsed once, its reader takes the keys it knows, and [`Opts::finish`] complains about
//! what nobody took, with the nearest known key. Reference: QEMU's system emulation manual,
//! "Invocation". Leaves out: JSON (`-device '{…}'`), nested keys as structure (`a.b=c` is a key).
#![forbid(unsafe_code)]

mod nearest;
mod number;

pub use nearest::{hint, nearest};
pub use number::{integer, size};

/// What is wrong with an option list: one line for the user, without the option's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct OptError(pub String);

impl OptError {
    /// An error with this text.
    pub fn new(text: impl Into<String>) -> OptError {
        OptError(text.into())
    }
}

/// A parsed list. Keys are taken out by whoever knows them.
#[derive(Debug, Clone, Default)]
pub struct Opts {
    pairs: Vec<(String, String)>,
    /// Every key that was asked for: what `finish` can suggest.
    known: Vec<&'static str>,
}

impl Opts {
    /// Parses `text`. A first word without `=` is the value of `implied` (if there is one); any
    /// other word without `=` means `word=on`. A comma in a value is written twice.
    pub fn parse(text: &str, implied: Option<&'static str>) -> Result<Opts, OptError> {
        let mut opts = Opts::default();
        for (index, word) in split(text).into_iter().enumerate() {
            let (key, value) = match (word.split_once('='), implied) {
                (None, Some(implied)) if index == 0 => (implied.to_owned(), word),
                (Some((key, value)), _) => (key.to_owned(), value.to_owned()),
                (None, _) => (word, "on".to_owned()),
            };
            if key.is_empty() {
                return Err(OptError::new(format!("an option is missing in '{text}'")));
            }
            opts.pairs.push((key, value));
        }
        Ok(opts)
    }

    /// Puts a pair in front of what the list says, so that the list has the last word.
    pub fn set_default(&mut self, key: &str, value: &str) {
        self.pairs.insert(0, (key.to_owned(), value.to_owned()));
    }

    /// Puts a pair behind what the list says.
    pub fn push(&mut self, key: &str, value: &str) {
        self.pairs.push((key.to_owned(), value.to_owned()));
    }

    /// The value of `key`, without taking it.
    pub fn peek(&self, key: &str) -> Option<&str> {
        let found = self.pairs.iter().rev().find(|(k, _)| k == key);
        found.map(|(_, v)| v.as_str())
    }

    /// Takes `key`; the last one counts, as in QEMU.
    pub fn text(&mut self, key: &'static str) -> Option<String> {
        self.all(key).pop()
    }

    /// Takes every value of `key`, in order.
    pub fn all(&mut self, key: &'static str) -> Vec<String> {
        self.known.push(key);
        let mut values = Vec::new();
        self.pairs.retain_mut(|(k, v)| {
            let take = k == key;
            if take {
                values.push(std::mem::take(v));
            }
            !take
        });
        values
    }

    /// Takes `key`, which must be there.
    pub fn need(&mut self, key: &'static str) -> Result<String, OptError> {
        self.text(key)
            .ok_or_else(|| OptError::new(format!("'{key}=' is missing")))
    }

    /// Takes a switch: `on`/`off` and their synonyms.
    pub fn switch(&mut self, key: &'static str) -> Result<Option<bool>, OptError> {
        let Some(value) = self.text(key) else {
            return Ok(None);
        };
        switch(&value)
            .map(Some)
            .ok_or_else(|| OptError::new(format!("{key}={value}: expected 'on' or 'off'")))
    }

    /// Takes a whole number, decimal, 0x hexadecimal or 0 octal.
    pub fn number(&mut self, key: &'static str) -> Result<Option<u64>, OptError> {
        self.parsed(key, integer, "a number")
    }

    /// Takes a whole number that must lie in `range`.
    pub fn number_in(
        &mut self,
        key: &'static str,
        range: std::ops::RangeInclusive<u64>,
    ) -> Result<Option<u64>, OptError> {
        let number = self.number(key)?;
        match number {
            Some(n) if !range.contains(&n) => Err(OptError::new(format!(
                "{key}={n}: expected {} to {}",
                range.start(),
                range.end()
            ))),
            other => Ok(other),
        }
    }

    /// Takes a size in bytes, with a suffix (`k`, `M`, `G`, `T`).
    pub fn size(&mut self, key: &'static str) -> Result<Option<u64>, OptError> {
        self.parsed(key, size, "a size (suffix k, M, G, T)")
    }

    /// Takes one of `words`.
    pub fn word<T: Copy>(
        &mut self,
        key: &'static str,
        words: &[(&'static str, T)],
    ) -> Result<Option<T>, OptError> {
        let Some(value) = self.text(key) else {
            return Ok(None);
        };
        if let Some((_, found)) = words.iter().find(|(w, _)| *w == value) {
            return Ok(Some(*found));
        }
        let list: Vec<&str> = words.iter().map(|(w, _)| *w).collect();
        let list = list.join(", ");
        Err(OptError::new(format!(
            "{key}={value}: expected one of {list}"
        )))
    }

    fn parsed(
        &mut self,
        key: &'static str,
        parse: fn(&str) -> Option<u64>,
        what: &str,
    ) -> Result<Option<u64>, OptError> {
        let Some(value) = self.text(key) else {
            return Ok(None);
        };
        parse(&value)
            .map(Some)
            .ok_or_else(|| OptError::new(format!("{key}={value}: expected {what}")))
    }

    /// What nobody has taken yet, in order.
    pub fn rest(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(k, v)| (k.as_str(), v.as_str()))
    }

    /// Says what is left over.
    pub fn finish(self) -> Result<(), OptError> {
        let Some((key, _)) = self.pairs.first() else {
            return Ok(());
        };
        let hint = hint(key, self.known.iter().copied());
        Err(OptError::new(format!("there is no option '{key}'{hint}")))
    }
}

/// `on` and `off`, `yes`, `no`, `true`, `false`, `y`, `n`.
pub fn switch(value: &str) -> Option<bool> {
    match value {
        "on" | "yes" | "true" | "y" => Some(true),
        "off" | "no" | "false" | "n" => Some(false),
        _ => None,
    }
}

/// Splits at single commas; a double one is a comma of the value.
fn split(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    if text.is_empty() {
        return words;
    }
    let mut word = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != ',' {
            word.push(c);
        } else if chars.next_if_eq(&',').is_some() {
            word.push(',');
        } else {
            words.push(std::mem::take(&mut word));
        }
    }
    // A comma at the end adds nothing.
    if !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests;
