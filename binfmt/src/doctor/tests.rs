//! Each cause that the diagnosis knows, made in a root and a binfmt_misc of files.

use super::*;
use crate::magic::ARM;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicU32, Ordering};

/// A root and a binfmt_misc, gone with the value.
struct Place {
    at: PathBuf,
}

impl Place {
    fn new() -> Place {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let at = std::env::temp_dir().join(format!("emu-doctor-{}-{n}", std::process::id()));
        for dir in ["misc", "root/bin", "root/lib"] {
            fs::create_dir_all(at.join(dir)).unwrap();
        }
        fs::write(at.join("misc/register"), "").unwrap();
        fs::write(at.join("misc/status"), "enabled\n").unwrap();
        Place { at }
    }

    /// An entry for ARM as the kernel shows it; the emulator is a static file.
    fn entry(&self, state: &str, flags: &str, interp: Option<&str>) {
        let emu = self.at.join("emu-arm");
        fs::write(&emu, image(62, 2, 2, interp)).unwrap();
        let text = format!(
            "{state}\ninterpreter {}\nflags: {flags}\noffset 0\nmagic 7f454c4601010100000000000000000002002800\n\
             mask fffffffffffffffc00fffffffffffffffeffffff\n",
            emu.display()
        );
        fs::write(self.at.join("misc/emu-arm"), text).unwrap();
    }

    fn file(&self, name: &str, mode: u32, bytes: &[u8]) {
        let path = self.at.join("root").join(name);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn examine(&self, program: &str) -> Vec<Finding> {
        let kernel = Kernel::at(&self.at.join("misc"));
        let program = (!program.is_empty()).then(|| Path::new(program));
        examine(program, &self.at.join("root"), &kernel, &[ARM])
    }

    /// What was found wrong, and that each has a text.
    fn problems(&self, program: &str) -> Vec<String> {
        self.of(program, Verdict::Problem)
    }

    fn of(&self, program: &str, verdict: Verdict) -> Vec<String> {
        let all = self.examine(program);
        assert!(!all.is_empty());
        let hits = all.into_iter().filter(|f| f.verdict == verdict);
        hits.map(|f| f.what).collect()
    }

    fn one_problem(&self, program: &str, text: &str) {
        let all = self.problems(program);
        assert_eq!(all.len(), 1, "{all:?}");
        assert!(all[0].contains(text), "{all:?}");
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.at);
    }
}

/// A small ELF file, with a PT_INTERP if wanted.
fn image(machine: u16, class: u8, kind: u16, interp: Option<&str>) -> Vec<u8> {
    let (head, entry) = if class == 1 { (52u16, 32u16) } else { (64, 56) };
    let mut b = b"\x7fELF".to_vec();
    b.extend([class, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    b.extend(kind.to_le_bytes());
    b.extend(machine.to_le_bytes());
    b.extend(1u32.to_le_bytes());
    let word = |b: &mut Vec<u8>, v: u64| match class {
        1 => b.extend((v as u32).to_le_bytes()),
        _ => b.extend(v.to_le_bytes()),
    };
    word(&mut b, 0);
    word(&mut b, head.into());
    word(&mut b, 0);
    b.extend(0u32.to_le_bytes());
    for v in [head, entry, u16::from(interp.is_some()), 0, 0, 0] {
        b.extend(v.to_le_bytes());
    }
    let name = interp.unwrap_or_default();
    let at = u64::from(head + entry);
    b.extend(3u32.to_le_bytes());
    if class == 2 {
        b.extend(4u32.to_le_bytes());
    }
    for v in [at, 0, 0, name.len() as u64 + 1] {
        word(&mut b, v);
    }
    b.resize(at as usize, 0);
    b.extend(name.bytes());
    b.push(0);
    b
}

#[test]
fn a_static_program_with_an_entry_is_fine() {
    let p = Place::new();
    p.entry("enabled", "POF", None);
    p.file("bin/x", 0o755, &image(40, 1, 2, None));
    assert_eq!(p.problems("/bin/x"), [""; 0]);
    assert!(p.of("/bin/x", Verdict::Note).is_empty());
}

#[test]
fn binfmt_misc_missing_or_not_mounted() {
    let p = Place::new();
    p.file("bin/x", 0o755, &image(40, 1, 2, None));
    fs::remove_file(p.at.join("misc/register")).unwrap();
    p.one_problem("/bin/x", "is not mounted");
    fs::remove_file(p.at.join("misc/status")).unwrap();
    fs::remove_dir(p.at.join("misc")).unwrap();
    p.one_problem("/bin/x", "does not exist");
    p.one_problem("", "does not exist");
}

#[test]
fn entries_missing_switched_off_or_all_off() {
    let p = Place::new();
    p.file("bin/x", 0o755, &image(40, 1, 3, None));
    p.one_problem("/bin/x", "no entry of binfmt_misc starts programs for arm");
    p.entry("disabled", "POF", None);
    p.one_problem("/bin/x", "'emu-arm' would start it, but is switched off");
    p.entry("enabled", "POF", None);
    fs::write(p.at.join("misc/status"), "disabled\n").unwrap();
    p.one_problem("/bin/x", "binfmt_misc is switched off");
}

#[test]
fn without_f_the_emulator_must_be_in_the_root() {
    let p = Place::new();
    p.entry("enabled", "P", None);
    p.file("bin/x", 0o755, &image(40, 1, 2, None));
    p.one_problem("/bin/x", "has no flag F");
    let inside = p.at.join("root").join(p.at.strip_prefix("/").unwrap());
    fs::create_dir_all(&inside).unwrap();
    fs::write(inside.join("emu-arm"), "x").unwrap();
    assert!(p.problems("/bin/x").is_empty());
}

#[test]
fn without_p_argv0_is_lost() {
    let p = Place::new();
    p.entry("enabled", "F", None);
    p.file("bin/x", 0o755, &image(40, 1, 2, None));
    assert!(p.of("/bin/x", Verdict::Note)[0].contains("no flag P"));
}

#[test]
fn a_dynamic_emulator_needs_its_loader_in_the_root() {
    let p = Place::new();
    p.entry("enabled", "POF", Some("/lib/ld-host.so"));
    p.file("bin/x", 0o755, &image(40, 1, 2, None));
    p.one_problem("/bin/x", "is not static");
    p.file("lib/ld-host.so", 0o755, b"x");
    assert!(p.problems("/bin/x").is_empty());
}

#[test]
fn two_entries_for_the_same_programs() {
    let p = Place::new();
    p.entry("enabled", "POF", None);
    fs::copy(p.at.join("misc/emu-arm"), p.at.join("misc/qemu-arm")).unwrap();
    p.file("bin/x", 0o755, &image(40, 1, 2, None));
    assert!(p.of("/bin/x", Verdict::Note)[0].contains("registered last"));
}

#[test]
fn the_programs_interpreter_is_missing_or_of_another_abi() {
    let p = Place::new();
    p.entry("enabled", "POF", None);
    p.file(
        "bin/x",
        0o755,
        &image(40, 1, 3, Some("/lib/ld-linux-armhf.so.3")),
    );
    p.one_problem("/bin/x", "needs the interpreter /lib/ld-linux-armhf.so.3");
    p.file("lib/ld-linux.so.3", 0o755, b"x");
    p.one_problem("/bin/x", "another ABI?");
    symlink(
        "/lib/ld-linux.so.3",
        p.at.join("root/lib/ld-linux-armhf.so.3"),
    )
    .unwrap();
    assert!(p.problems("/bin/x").is_empty());
}

#[test]
fn files_that_cannot_be_executed() {
    let p = Place::new();
    p.entry("enabled", "POF", None);
    p.one_problem("/bin/absent", "No such file");
    p.one_problem("/bin", "is not a regular file");
    p.file("bin/mode", 0o644, &image(40, 1, 2, None));
    p.one_problem("/bin/mode", "is not executable");
    p.file("bin/object", 0o755, &image(40, 1, 1, None));
    p.one_problem("/bin/object", "not a program (type 1)");
    p.file("bin/short", 0o755, &image(40, 1, 2, None)[..40]);
    p.one_problem("/bin/short", "damaged or cut off");
    p.file("bin/text", 0o755, b"hello\n");
    p.one_problem("/bin/text", "neither an ELF");
    p.file("bin/other", 0o755, &image(9999, 1, 2, None));
    p.one_problem("/bin/other", "ELF machine 9999");
    p.file("bin/suid", 0o4755, &image(40, 1, 2, None));
    assert!(p.of("/bin/suid", Verdict::Note)[0].contains("set-user-id"));
    symlink("loop", p.at.join("root/bin/loop")).unwrap();
    p.one_problem("/bin/loop", "too many levels");
}

#[test]
fn scripts_are_followed() {
    let p = Place::new();
    p.entry("enabled", "POF", None);
    p.file("bin/sh", 0o755, &image(40, 1, 2, None));
    p.file("bin/good", 0o755, b"#! /bin/sh -e\n");
    assert!(p.problems("/bin/good").is_empty());
    p.file("bin/missing", 0o755, b"#!/bin/bash\n");
    p.one_problem("/bin/missing", "/bin/bash: No such file");
    p.file("bin/dos", 0o755, b"#!/bin/sh\r\n");
    p.one_problem("/bin/dos", "carriage return");
    p.file("bin/self", 0o755, b"#!/bin/self\n");
    p.one_problem("/bin/self", "too often");
}

#[test]
fn links_stay_inside_of_the_root() {
    let p = Place::new();
    p.entry("enabled", "POF", None);
    p.file("bin/x", 0o755, &image(40, 1, 2, None));
    symlink("/bin/x", p.at.join("root/lib/abs")).unwrap();
    symlink("../../../../bin/x", p.at.join("root/lib/up")).unwrap();
    assert!(p.problems("/lib/abs").is_empty());
    assert!(p.problems("/lib/up").is_empty());
}

#[test]
fn native_programs_need_no_emulator() {
    let p = Place::new();
    p.file("bin/x", 0o755, &image(62, 2, 2, None));
    assert!(p.problems("/bin/x").is_empty());
}

#[test]
fn the_overview_names_what_is_missing() {
    let p = Place::new();
    assert!(p.of("", Verdict::Note)[0].contains("arm: no entry"));
    p.entry("enabled", "POF", None);
    assert!(
        p.of("", Verdict::Fine)
            .iter()
            .any(|f| f.contains("arm: entry 'emu-arm'"))
    );
}
