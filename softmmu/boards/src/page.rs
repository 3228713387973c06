//! A board's page of documentation, made of its file: `docs/boards/NAME.md`.

use crate::assemble::text_of;
use crate::board::{DeviceRow, OneOrMore, Source, When};
use softmmu_devices::class::find;
use std::fmt::Write;

fn code(words: &[String]) -> String {
    let quoted: Vec<String> = words.iter().map(|w| format!("`{w}`")).collect();
    quoted.join(", ")
}

fn conditions(when: &When) -> Vec<String> {
    let one = |(option, values): (&String, &Vec<String>)| {
        format!("only with `{option}={}`", values.join("` or `"))
    };
    when.iter().map(one).collect()
}

/// Where a device is: addresses, bus, device control registers.
fn place(row: &DeviceRow) -> String {
    let addresses = row.at.list();
    let mut parts: Vec<String> = addresses.iter().map(|at| format!("{at:#x}")).collect();
    if let Some(first) = row.dcr {
        parts.push(format!("DCR {first:#x}"));
    }
    if let Some(on) = &row.on {
        parts.push(format!("on `{}`", on.get_ref()));
    }
    parts.join(", ")
}

fn wires(row: &DeviceRow) -> String {
    let one = |(output, to): (&toml::Spanned<String>, &toml::Spanned<OneOrMore>)| {
        let to = match to.get_ref() {
            OneOrMore::One(word) => word.clone(),
            OneOrMore::More(words) => words.join(", "),
        };
        format!("{} to {to}", output.get_ref())
    };
    let all: Vec<String> = row.wires.iter().map(one).collect();
    all.join("; ")
}

/// Serial ports, properties, conditions.
fn more(row: &DeviceRow) -> String {
    let mut parts: Vec<String> = row
        .serial
        .list()
        .iter()
        .map(|(_, n)| format!("`-serial` {n}"))
        .collect();
    parts.extend(row.props.iter().map(|(key, value)| {
        let value = match value.get_ref() {
            toml::Value::Integer(n) if *n > 9 => format!("{n:#x}"),
            other => text_of(other).unwrap_or_default(),
        };
        format!("{}={value}", key.get_ref())
    }));
    parts.extend(conditions(&row.when));
    parts.join(", ")
}

/// The page.
pub fn page(source: &Source) -> String {
    let board = &source.board;
    let mut out = format!(
        "# {}: {}\n\n<!-- Made of the board file; `EMU_WRITE_PAGES=1 cargo test -p softmmu-boards --test pages` writes it. -->\n\n| | |\n|---|---|\n",
        board.name, board.title
    );
    let mut row = |name: &str, text: String| {
        if !text.is_empty() {
            let _ = writeln!(out, "| {name} | {text} |");
        }
    };
    row(
        "CPU",
        format!("`{}`, at most {}", board.cpu, board.max_cpus),
    );
    row("other CPUs", code(&board.cpus));
    row("time base", format!("{} Hz", board.clock_hz));
    let max = board.memory.max.as_ref();
    let max = max.map_or(String::new(), |m| format!(", at most {m}"));
    let memory = &board.memory;
    row(
        "memory",
        format!("{}{max}, at {:#x}", memory.default, memory.at),
    );
    row("card of `-nic`", code(board.nic.as_slice()));
    row("buses of `-drive if=ide`", code(&board.ide));
    row("device of `-drive if=mtd`", code(board.mtd.as_slice()));
    let firmware = board.boot.firmware.as_ref().map(|file| {
        let package = board.boot.firmware_package.as_ref();
        let package = package.map_or(String::new(), |p| format!(", of Debian's package `{p}`"));
        format!("`{file}`{package}")
    });
    row(
        "firmware",
        firmware.unwrap_or_else(|| "none needed for `-kernel`".into()),
    );
    for (name, option) in &board.options {
        row(
            &format!("`-M {},{name}=`", board.name),
            format!("{}: {}", code(&option.values), option.help),
        );
    }
    out.push_str("\n| device | class | what it is | where | interrupts and other wires | more |\n|---|---|---|---|---|---|\n");
    for device in board.devices.iter().map(toml::Spanned::get_ref) {
        let class = device.class.get_ref();
        let title = find(class).map_or("", |c| c.title);
        let _ = writeln!(
            out,
            "| {} | `{class}` | {title} | {} | {} | {} |",
            device.id,
            place(device),
            wires(device),
            more(device)
        );
    }
    out
}
