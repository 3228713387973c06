//! Numbers on the command line, as C's `strtoul` with base 0 reads them, with a size suffix.

/// `4096`, `0x1000`, `010000` (octal), with `k`/`K`, `M`, `G` after it. None if anything else is
/// there or the value does not fit.
pub fn parse(text: &str) -> Option<u64> {
    let (digits, shift) = match text.as_bytes().last()? {
        b'k' | b'K' => (&text[..text.len() - 1], 10),
        b'M' => (&text[..text.len() - 1], 20),
        b'G' => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    let (digits, radix) = match digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"))
    {
        Some(hex) => (hex, 16),
        None if digits.len() > 1 && digits.starts_with('0') => (&digits[1..], 8),
        None => (digits, 10),
    };
    // from_str_radix would take a sign.
    if digits.starts_with(['+', '-']) {
        return None;
    }
    u64::from_str_radix(digits, radix)
        .ok()?
        .checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn numbers_and_suffixes() {
        for (text, value) in [
            ("0", 0),
            ("4096", 4096),
            ("0x10", 16),
            ("010", 8),
            ("8M", 8 << 20),
            ("0x10k", 16 << 10),
            ("2G", 2 << 30),
        ] {
            assert_eq!(parse(text), Some(value), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "M",
            "-1",
            "+1",
            "1x",
            "0x",
            "09",
            "18446744073709551615k",
            "18446744073709551616",
            "1 ",
            "é",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
