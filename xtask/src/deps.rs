//! `cargo xtask deps`: which crate of the workspace may depend on which.
//!
//! Dependencies point down only: `emu` → front ends → guest ISAs → core. Every allowed edge is a
//! word in [`ALLOWED`]; any other edge, and any crate without a row, is a finding. Crates from
//! outside of the workspace are not judged here.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// One crate and what it may depend on, from the bottom up. A row may only name rows above it,
/// which keeps the graph free of cycles and of upward edges.
struct Row {
    name: &'static str,
    deps: &'static [&'static str],
    /// More edges, for its tests and benches only.
    dev: &'static [&'static str],
}

const fn row(
    name: &'static str,
    deps: &'static [&'static str],
    dev: &'static [&'static str],
) -> Row {
    Row { name, deps, dev }
}

const ALLOWED: &[Row] = &[
    row("xtask", &[], &[]),
    // The core: knows no guest ISA, no operating system, no device.
    row("tcg-mem", &[], &[]),
    row("tcg-softfloat", &[], &[]),
    row("tcg-crypto", &[], &[]),
    row("tcg-decode", &[], &[]),
    row("tcg-ir", &["tcg-crypto", "tcg-mem", "tcg-softfloat"], &[]),
    row("tcg-opt", &["tcg-ir"], &[]),
    row("tcg-target", &["tcg-ir", "tcg-mem", "tcg-softfloat"], &[]),
    row(
        "tcg-x64",
        &["tcg-ir", "tcg-mem", "tcg-opt", "tcg-target"],
        &["tcg-softfloat"],
    ),
    row("tcg-debug", &["tcg-mem", "tcg-ir", "tcg-target"], &[]),
    row(
        "tcg-exec",
        &[
            "tcg-mem",
            "tcg-ir",
            "tcg-opt",
            "tcg-target",
            "tcg-x64",
            "tcg-debug",
            "tcg-softfloat",
        ],
        &[],
    ),
    row("tcg-uspace", &["tcg-mem", "tcg-target"], &[]),
    // Guest ISAs: no operating system, no board, no other ISA.
    row(
        "target-arm",
        &[
            "tcg-ir",
            "tcg-mem",
            "tcg-target",
            "tcg-crypto",
            "tcg-softfloat",
            "tcg-decode",
        ],
        &["tcg-opt", "tcg-x64", "tcg-exec", "tcg-debug"],
    ),
    row(
        "target-aarch64",
        &[
            "tcg-ir",
            "tcg-mem",
            "tcg-target",
            "tcg-crypto",
            "tcg-softfloat",
            "tcg-decode",
        ],
        &["tcg-opt", "tcg-x64", "tcg-exec", "tcg-debug"],
    ),
    row(
        "target-ppc",
        &[
            "tcg-ir",
            "tcg-mem",
            "tcg-target",
            "tcg-crypto",
            "tcg-softfloat",
            "tcg-decode",
        ],
        &["tcg-opt", "tcg-x64", "tcg-exec", "tcg-debug"],
    ),
    row(
        "target-riscv",
        &[
            "tcg-ir",
            "tcg-mem",
            "tcg-target",
            "tcg-softfloat",
            "tcg-decode",
        ],
        &[],
    ),
    // Whole machines: no instruction set is named here.
    row("softmmu-opts", &[], &[]),
    row("softmmu-core", &["softmmu-opts", "tcg-mem"], &[]),
    row(
        "softmmu-devices",
        &["softmmu-core", "softmmu-opts", "tcg-mem"],
        &[],
    ),
    row(
        "softmmu-boards",
        &["softmmu-core", "softmmu-devices", "softmmu-opts"],
        &["tcg-mem"],
    ),
    row(
        "softmmu-cpu",
        &["softmmu-core", "tcg-exec", "tcg-mem", "tcg-target"],
        &[],
    ),
    // CPUs and devices together: one small file for each instruction set.
    row(
        "softmmu-machine",
        &[
            "softmmu-boards",
            "softmmu-core",
            "softmmu-cpu",
            "tcg-debug",
            "tcg-mem",
            "tcg-target",
            "tcg-exec",
            "target-ppc",
        ],
        &[],
    ),
    // Registration with the host's kernel: knows guests as values only.
    row("binfmt", &[], &[]),
    // Front ends: the core, the ISAs that they have an ABI for, never each other.
    row(
        "linux-user",
        &[
            "tcg-mem",
            "tcg-ir",
            "tcg-target",
            "tcg-exec",
            "tcg-uspace",
            "tcg-debug",
            "target-arm",
            "target-aarch64",
            "target-riscv",
            "target-ppc",
        ],
        &[],
    ),
    // System mode's host side: no guest ISA, no device.
    row("softmmu-hostio", &[], &[]),
    row("softmmu-block", &["softmmu-core", "softmmu-opts"], &[]),
    row(
        "softmmu-net",
        &["softmmu-core", "softmmu-opts", "softmmu-hostio"],
        &[],
    ),
    row(
        "softmmu-chardev",
        &["softmmu-core", "softmmu-opts", "softmmu-hostio"],
        &[],
    ),
    row(
        "softmmu-monitor",
        &[
            "softmmu-core",
            "softmmu-opts",
            "softmmu-chardev",
            "softmmu-block",
            "softmmu-net",
        ],
        &[],
    ),
    // Entering a foreign root: namespaces and mounts of the host.
    row("rootfs", &[], &[]),
    // The executable: front ends only.
    row(
        "emu",
        &[
            "binfmt",
            "linux-user",
            "rootfs",
            "softmmu-boards",
            "softmmu-chardev",
            "softmmu-core",
            "softmmu-devices",
            "softmmu-machine",
            "softmmu-block",
            "softmmu-monitor",
            "softmmu-net",
            "softmmu-opts",
        ],
        &[],
    ),
    // Random accesses to the devices of whole machines.
    row(
        "emu-fuzz",
        &[
            "softmmu-boards",
            "softmmu-core",
            "softmmu-devices",
            "tcg-mem",
        ],
        &[],
    ),
    // Tests that make programs out of decode tables.
    row(
        "emu-diff",
        &[
            "tcg-decode",
            "tcg-target",
            "target-arm",
            "target-aarch64",
            "target-ppc",
            "target-riscv",
        ],
        &[],
    ),
    // Tests of what guest instructions become.
    row(
        "emu-golden",
        &[],
        &[
            "target-arm",
            "target-aarch64",
            "target-ppc",
            "target-riscv",
            "tcg-mem",
            "tcg-target",
            "tcg-x64",
        ],
    ),
];

/// Reads `cargo metadata` and returns every edge that is not allowed.
pub fn check(root: &Path) -> Result<Vec<String>> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args([
            "metadata",
            "--no-deps",
            "--format-version",
            "1",
            "--manifest-path",
        ])
        .arg(root.join("Cargo.toml"))
        .output()
        .context("cannot run cargo metadata")?;
    if !output.status.success() {
        bail!(
            "cargo metadata failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    let metadata: Value =
        serde_json::from_slice(&output.stdout).context("cargo metadata's output")?;
    judge(&metadata, ALLOWED)
}

fn judge(metadata: &Value, allowed: &[Row]) -> Result<Vec<String>> {
    let packages = metadata["packages"]
        .as_array()
        .context("cargo metadata lists no packages")?;
    let ours: BTreeSet<&str> = packages.iter().filter_map(|p| p["name"].as_str()).collect();
    let rows: BTreeMap<&str, &Row> = allowed.iter().map(|r| (r.name, r)).collect();
    let mut findings = order(allowed);
    for package in packages {
        let name = package["name"]
            .as_str()
            .context("a package without a name")?;
        let Some(row) = rows.get(name) else {
            findings.push(format!(
                "{name}: no row in xtask/src/deps.rs says what it may depend on"
            ));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let to = dependency["name"].as_str().unwrap_or_default();
            if !ours.contains(to) || to == name {
                continue;
            }
            let dev = dependency["kind"].as_str() == Some("dev");
            if !(row.deps.contains(&to) || dev && row.dev.contains(&to)) {
                let kind = if dev { " (for its tests)" } else { "" };
                findings.push(format!("{name} -> {to}{kind}: not an allowed edge"));
            }
        }
    }
    for row in allowed.iter().filter(|r| !ours.contains(r.name)) {
        findings.push(format!(
            "{}: a row in xtask/src/deps.rs but no such crate",
            row.name
        ));
    }
    Ok(findings)
}

/// The table itself must be in order from the bottom up.
fn order(allowed: &[Row]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut findings = Vec::new();
    for row in allowed {
        for to in row.deps.iter().chain(row.dev) {
            if !seen.contains(to) {
                findings.push(format!(
                    "{} -> {to}: the allow-list itself has an upward edge",
                    row.name
                ));
            }
        }
        seen.insert(row.name);
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn package(name: &str, deps: &[(&str, Option<&str>)]) -> Value {
        let deps: Vec<Value> = deps
            .iter()
            .map(|(n, k)| json!({ "name": n, "kind": k }))
            .collect();
        json!({ "name": name, "dependencies": deps })
    }

    const TABLE: &[Row] = &[
        row("low", &[], &[]),
        row("mid", &["low"], &[]),
        row("top", &["mid"], &["low"]),
    ];

    #[test]
    fn allowed_edges_pass() {
        let m = json!({ "packages": [package("low", &[("libc", None)]), package("mid", &[("low", None)]),
            package("top", &[("mid", Some("build")), ("low", Some("dev"))])] });
        assert!(judge(&m, TABLE).unwrap().is_empty());
    }

    #[test]
    fn upward_and_dev_only_edges_are_found() {
        let m = json!({ "packages": [package("low", &[("top", None)]), package("mid", &[]), package("top", &[("low", None)])] });
        let found = judge(&m, TABLE).unwrap();
        assert_eq!(
            found,
            [
                "low -> top: not an allowed edge",
                "top -> low: not an allowed edge"
            ]
        );
    }

    #[test]
    fn unknown_and_vanished_crates_are_found() {
        let m =
            json!({ "packages": [package("low", &[]), package("new", &[]), package("mid", &[])] });
        let found = judge(&m, TABLE).unwrap();
        assert_eq!(found.len(), 2);
        assert!(found[0].starts_with("new: no row") && found[1].starts_with("top: a row"));
    }

    #[test]
    fn table_is_ordered() {
        assert!(order(ALLOWED).is_empty());
        assert_eq!(order(&[row("a", &["b"], &[]), row("b", &[], &[])]).len(), 1);
    }
}
