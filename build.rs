//! Turns `targets/targets.toml` into the static table that `src/guests.rs` includes, so that the
//! running program reads no file and parses nothing to find out what it is.

use std::fmt::Write;
use std::path::Path;

fn text<'a>(row: &'a toml::Table, key: &str) -> &'a str {
    row.get(key)
        .and_then(toml::Value::as_str)
        .unwrap_or_else(|| panic!("targets.toml: a guest without `{key}`"))
}

fn number(row: &toml::Table, key: &str) -> i64 {
    row.get(key)
        .and_then(toml::Value::as_integer)
        .unwrap_or_else(|| panic!("targets.toml: a guest without `{key}`"))
}

fn list(row: &toml::Table, key: &str) -> Vec<String> {
    let values = row.get(key).and_then(toml::Value::as_array);
    let values = values.unwrap_or_else(|| panic!("targets.toml: a guest without `{key}`"));
    values
        .iter()
        .map(|v| v.as_str().expect("a string").to_owned())
        .collect()
}

/// Pointers in constant tables are relocated when a position-independent executable starts. Packed, they are a twentieth
/// of the bytes to read. The C library that is linked in has to know the form, as the musl that Rust brings does.
fn pack_relocations() {
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|v| v == value);
    if !is("CARGO_CFG_TARGET_OS", "linux") {
        return;
    }
    println!("cargo::rustc-link-arg-bins=-Wl,--build-id");
    if !is("CARGO_CFG_TARGET_ARCH", "x86_64") {
        return;
    }
    if is("CARGO_CFG_TARGET_ENV", "musl") {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
        return;
    }
    let version = std::process::Command::new("getconf")
        .arg("GNU_LIBC_VERSION")
        .output();
    let version = version.map(|o| String::from_utf8_lossy(&o.stdout).into_owned());
    let minor = version.ok().and_then(|v| {
        let minor = v.trim().strip_prefix("glibc 2.")?.split('.').next()?;
        minor.parse::<u32>().ok()
    });
    if minor.is_some_and(|m| m >= 36) {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

fn main() {
    pack_relocations();
    let source = "targets/targets.toml";
    println!("cargo::rerun-if-changed={source}");
    println!("cargo::rerun-if-changed=build.rs");
    let table: toml::Table = std::fs::read_to_string(source)
        .expect(source)
        .parse()
        .expect(source);
    let rows = table["guest"]
        .as_array()
        .expect("targets.toml: no [[guest]]");
    let mut names = Vec::new();
    let mut out = String::from("pub static GUESTS: &[Guest] = &[\n");
    for row in rows {
        let row = row.as_table().expect("a table");
        let (name, aliases) = (text(row, "name"), list(row, "aliases"));
        names.push(name.to_owned());
        names.extend(aliases.iter().cloned());
        let big = match text(row, "data") {
            "little" => false,
            "big" => true,
            other => panic!("targets.toml: {name}: data = {other:?}"),
        };
        let _ = writeln!(
            out,
            "    Guest {{ name: {name:?}, aliases: &{aliases:?}, title: {:?}, machine: {}, class: {}, big_endian: {big}, cpus: &{:?} }},",
            text(row, "title"),
            number(row, "machine"),
            number(row, "class"),
            list(row, "cpus"),
        );
    }
    out.push_str("];\n");
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(count, names.len(), "targets.toml: two guests share a name");
    let folder = std::env::var_os("OUT_DIR").expect("OUT_DIR");
    std::fs::write(Path::new(&folder).join("guests.rs"), out).expect("guests.rs");
}
