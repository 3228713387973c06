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

fn main() {
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
