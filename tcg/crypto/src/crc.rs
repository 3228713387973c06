//! CRC-32 and CRC-32C (Castagnoli) of up to eight bytes, with reflected bits and without complement.

/// Polynomials with their bits reversed, as the instructions' bit order wants them.
const CRC32: u32 = 0x04c1_1db7u32.reverse_bits();
const CRC32C: u32 = 0x1edc_6f41u32.reverse_bits();

/// Remainders of all bytes.
const fn table(polynomial: u32) -> [u32; 256] {
    let mut out = [0; 256];
    let mut i = 0;
    while i < 256 {
        let mut r = i as u32;
        let mut bit = 0;
        while bit < 8 {
            r = r >> 1 ^ if r & 1 != 0 { polynomial } else { 0 };
            bit += 1;
        }
        out[i] = r;
        i += 1;
    }
    out
}

static TABLE: [u32; 256] = table(CRC32);
static TABLE_C: [u32; 256] = table(CRC32C);

fn update(table: &[u32; 256], acc: u32, data: u64, bytes: u32) -> u32 {
    let data = data.to_le_bytes();
    let bytes = data.iter().take(bytes as usize);
    bytes.fold(acc, |crc, byte| {
        crc >> 8 ^ table[usize::from(crc as u8 ^ byte)]
    })
}

/// CRC-32 of the low `bytes` bytes of `data`, from `acc` on.
pub fn crc32(acc: u32, data: u64, bytes: u32) -> u32 {
    update(&TABLE, acc, data, bytes)
}

/// The same with the Castagnoli polynomial.
pub fn crc32c(acc: u32, data: u64, bytes: u32) -> u32 {
    update(&TABLE_C, acc, data, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check value of both codes: CRC of "123456789", initially all ones, complemented.
    #[test]
    fn crc_of_check_string() {
        for (table, want) in [(&TABLE, 0xcbf4_3926), (&TABLE_C, 0xe306_9283u32)] {
            let crc = b"12345678".chunks(4).fold(0xffff_ffff, |crc, word| {
                let data = u64::from(u32::from_le_bytes([word[0], word[1], word[2], word[3]]));
                update(table, crc, data, 4)
            });
            assert_eq!(update(table, crc, u64::from(b'9'), 1) ^ 0xffff_ffff, want);
        }
    }
}
