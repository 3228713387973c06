//! The guests this executable knows, from `targets/targets.toml`: their names, aliases, CPU models
//! and how an ELF header names them.

/// One guest: an instruction set with its byte order, as a user names it.
#[derive(Debug)]
pub struct Guest {
    /// Its name; the applet is `emu-NAME`.
    pub name: &'static str,
    /// Other names of the same guest.
    pub aliases: &'static [&'static str],
    /// What it is, in words.
    pub title: &'static str,
    /// `e_machine`.
    pub machine: u16,
    /// Word size by the ELF identification: 32 or 64.
    pub class: u8,
    /// Byte order by the ELF identification.
    pub big_endian: bool,
    /// Models for `-cpu`, the default first.
    pub cpus: &'static [&'static str],
}

include!(concat!(env!("OUT_DIR"), "/guests.rs"));

impl Guest {
    /// The guest of this exact name or alias.
    pub fn named(name: &str) -> Option<&'static Guest> {
        GUESTS
            .iter()
            .find(|g| g.name == name || g.aliases.contains(&name))
    }

    /// All its names, the main one first.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }

    /// The guest whose programs carry this ELF header (its first 20 bytes or more).
    pub fn of_elf(header: &[u8]) -> Option<&'static Guest> {
        let machine = elf_machine(header)?;
        let (class, big) = (header[4], header[5] == 2);
        GUESTS
            .iter()
            .find(|g| g.machine == machine && g.class == class * 32 && g.big_endian == big)
    }
}

/// `e_machine` of an ELF header with a valid identification.
pub fn elf_machine(header: &[u8]) -> Option<u16> {
    let ident = header.get(..20).filter(|h| h.starts_with(b"\x7fELF"))?;
    let bytes = [ident[18], ident[19]];
    match (ident[4], ident[5]) {
        (1 | 2, 1) => Some(u16::from_le_bytes(bytes)),
        (1 | 2, 2) => Some(u16::from_be_bytes(bytes)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(class: u8, data: u8, machine: [u8; 2]) -> Vec<u8> {
        let mut h = b"\x7fELF".to_vec();
        h.extend([class, data, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0]);
        h.extend(machine);
        h
    }

    #[test]
    fn names_and_aliases_are_exact() {
        assert_eq!(Guest::named("arm").map(|g| g.name), Some("arm"));
        assert_eq!(Guest::named("armhf").map(|g| g.name), Some("arm"));
        for wrong in ["ar", "armv7", "Arm", ""] {
            assert!(Guest::named(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn elf_headers_choose_by_machine_class_and_order() {
        assert_eq!(
            Guest::of_elf(&header(1, 1, [40, 0])).map(|g| g.name),
            Some("arm")
        );
        assert_eq!(
            Guest::of_elf(&header(1, 2, [0, 40])).map(|g| g.name),
            Some("armeb")
        );
        assert!(Guest::of_elf(&header(2, 1, [40, 0])).is_none());
        assert!(Guest::of_elf(&header(9, 9, [40, 0])).is_none());
        assert!(Guest::of_elf(&header(1, 1, [40, 0])[..19]).is_none());
        assert!(Guest::of_elf(b"#!/bin/sh").is_none());
    }

    #[test]
    fn every_guest_has_a_default_cpu() {
        assert!(GUESTS.iter().all(|g| !g.cpus.is_empty()));
    }
}
