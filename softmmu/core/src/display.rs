//! Screens: what a monitor's `screendump` and whatever shows a machine see of a graphics card.

/// A picture: pixels in rows from the top, three bytes each: red, green, blue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picture {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// All pixels.
    pub rgb: Vec<u8>,
}

impl Picture {
    /// A black one.
    pub fn black(width: u32, height: u32) -> Picture {
        let rgb = vec![0; width as usize * height as usize * 3];
        Picture { width, height, rgb }
    }

    /// As a portable pixmap (PPM, binary).
    pub fn ppm(&self) -> Vec<u8> {
        let mut out = format!("P6\n{} {}\n255\n", self.width, self.height).into_bytes();
        out.extend(&self.rgb);
        out
    }
}

/// Something with a screen.
pub trait Display: Send + Sync {
    /// What it shows.
    fn picture(&self) -> Picture;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pixmap_has_head_and_pixels() {
        assert_eq!(Picture::black(2, 1).ppm(), b"P6\n2 1\n255\n\0\0\0\0\0\0");
    }
}
