//! Numbers and sizes in option values.

/// `12`, `0x1f`, `017`; nothing else.
pub fn integer(text: &str) -> Option<u64> {
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => (hex, 16),
        None if text.len() > 1 && text.starts_with('0') => (text.get(1..)?, 8),
        None => (text, 10),
    };
    // from_str_radix would take a sign.
    if digits.starts_with(['+', '-']) {
        return None;
    }
    u64::from_str_radix(digits, radix).ok()
}

/// A size in bytes: `4096`, `64k`, `1.5G`, `0x1000`. Suffixes of either case; `B` is bytes.
pub fn size(text: &str) -> Option<u64> {
    let last = text.chars().last()?;
    // A hexadecimal number may end in a digit that looks like a suffix.
    let hex = text.starts_with("0x") || text.starts_with("0X");
    let shift = match last.to_ascii_lowercase() {
        'b' if !hex => 0,
        'k' => 10,
        'm' => 20,
        'g' => 30,
        't' => 40,
        'p' => 50,
        'e' if !hex => 60,
        _ => return size_of(text, 0),
    };
    size_of(text.strip_suffix(last)?, shift)
}

fn size_of(digits: &str, shift: u32) -> Option<u64> {
    let Some((whole, fraction)) = digits.split_once('.') else {
        return integer(digits)?.checked_mul(1u64 << shift);
    };
    let plain = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    // Twelve decimals are more than a size can tell, and fit an integer.
    if !plain(whole) || !plain(fraction) || fraction.len() > 12 || shift == 0 {
        return None;
    }
    let scale = 10u128.pow(u32::try_from(fraction.len()).ok()?);
    let value = whole.parse::<u128>().ok()? * scale + fraction.parse::<u128>().ok()?;
    u64::try_from(value.checked_mul(1 << shift)? / scale).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers() {
        for (text, value) in [("0", 0), ("42", 42), ("0x1F", 31), ("017", 15)] {
            assert_eq!(integer(text), Some(value), "{text}");
        }
        for text in [
            "",
            "-1",
            "+1",
            "0x",
            "08",
            "1k",
            " 1",
            "18446744073709551616",
        ] {
            assert_eq!(integer(text), None, "{text}");
        }
    }

    #[test]
    fn sizes() {
        for (text, value) in [
            ("512", 512),
            ("64k", 65536),
            ("64K", 65536),
            ("1.5G", 3 << 29),
            ("0x1b", 0x1b),
            ("10b", 10),
            ("2T", 2 << 40),
        ] {
            assert_eq!(size(text), Some(value), "{text}");
        }
        for text in ["", "k", "1.", ".5k", "1.5", "-1k", "1kk", "16e", "1.2.3k"] {
            assert_eq!(size(text), None, "{text}");
        }
    }
}
