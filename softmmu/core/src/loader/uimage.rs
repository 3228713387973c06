//! U-Boot's legacy image format: a header of 64 bytes, all numbers big-endian.

use super::{Image, Segment};

/// What an image starts with.
pub(super) const MAGIC: [u8; 4] = [0x27, 0x05, 0x19, 0x56];

const HEADER: usize = 64;
/// Nothing that is unpacked may be larger.
const LIMIT: usize = 1 << 30;

fn word(bytes: &[u8], at: usize) -> u32 {
    let part = bytes.get(at..at + 4).and_then(|b| b.try_into().ok());
    part.map_or(0, u32::from_be_bytes)
}

pub(super) fn parse(bytes: &[u8]) -> Result<Image, String> {
    let (size, load, entry) = (word(bytes, 12), word(bytes, 16), word(bytes, 20));
    let kind = bytes.get(30).copied().unwrap_or(0);
    let packing = bytes.get(31).copied().unwrap_or(0);
    let data = HEADER
        .checked_add(size as usize)
        .and_then(|end| bytes.get(HEADER..end))
        .ok_or("broken uImage: it is shorter than its header says")?;
    // 2: kernel, 5: firmware, 14: a kernel that may run anywhere. Others need U-Boot to load them.
    if !matches!(kind, 1 | 2 | 5 | 14) {
        return Err(format!("a uImage of type {kind}, which is not a kernel"));
    }
    let data = match packing {
        0 => data.to_vec(),
        1 => gunzip(data)?,
        other => {
            return Err(format!(
                "a uImage with compression {other}; only gzip is known"
            ));
        }
    };
    let size = data.len() as u64;
    let segments = vec![Segment {
        at: u64::from(load),
        data,
        size,
    }];
    Ok(Image {
        kind: "uimage",
        segments,
        entry: u64::from(entry),
        big_endian: None,
        machine: None,
    })
}

/// Unpacks gzip [RFC1952].
pub(super) fn gunzip(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let broken = || "broken gzip data".to_owned();
    let &[0x1f, 0x8b, 8, flags, ..] = bytes else {
        return Err("not gzip data".into());
    };
    let mut at = 10;
    if flags & 4 != 0 {
        let extra = bytes.get(at..at + 2).ok_or_else(broken)?;
        at += 2 + usize::from(extra[0]) + (usize::from(extra[1]) << 8);
    }
    for _ in 0..(flags >> 3 & 1) + (flags >> 4 & 1) {
        let text = bytes.get(at..).ok_or_else(broken)?;
        at += text.iter().position(|b| *b == 0).ok_or_else(broken)? + 1;
    }
    at += usize::from(flags & 2);
    let packed = bytes.get(at..).ok_or_else(broken)?;
    miniz_oxide::inflate::decompress_to_vec_with_limit(packed, LIMIT)
        .map_err(|e| format!("broken gzip data: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(packing: u8, data: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[12..16].copy_from_slice(&(data.len() as u32).to_be_bytes());
        bytes[16..20].copy_from_slice(&0x10_0000_u32.to_be_bytes());
        bytes[20..24].copy_from_slice(&0x10_0040_u32.to_be_bytes());
        (bytes[30], bytes[31]) = (2, packing);
        bytes.extend_from_slice(data);
        bytes
    }

    #[test]
    fn plain_and_packed() {
        let plain = parse(&image(0, b"hello")).unwrap();
        assert_eq!((plain.entry, plain.end()), (0x10_0040, 0x10_0005));
        let mut gzip = vec![0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 3];
        gzip.extend_from_slice(b"name\0");
        gzip.extend(miniz_oxide::deflate::compress_to_vec(b"hello", 6));
        gzip.extend_from_slice(&[0; 8]);
        assert_eq!(parse(&image(1, &gzip)).unwrap().segments, plain.segments);
        assert!(parse(&image(1, b"hello")).is_err());
        assert!(parse(&image(0, b"hello")[..66]).is_err());
        assert!(parse(&MAGIC).is_err());
    }
}
