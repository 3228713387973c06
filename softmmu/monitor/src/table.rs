//! The commands of all monitors, one row each: names, arguments, result, help, and what it does.
//! QMP's dispatch and schema and HMP's dispatch and help follow from it.

use crate::args::{Arg, Args, Kind, may, need};
use crate::{Session, memory, migrate, run};
use serde_json::Value;

/// What a command gives back: named members, for the schema.
pub type Members = &'static [(&'static str, Type)];

/// A type of a result.
#[derive(Clone, Copy, Debug)]
pub enum Type {
    /// Text.
    Text,
    /// A whole number.
    Number,
    /// A switch.
    Switch,
    /// An object.
    Object(Members),
    /// A list of objects.
    List(Members),
    /// Anything (the schema itself).
    Any,
    /// A member of an object that is not always there.
    Optional(&'static Type),
}

/// A command.
pub struct Command {
    /// QMP's name, if programs may use it.
    pub qmp: Option<&'static str>,
    /// HMP's names, the first one for the help.
    pub hmp: &'static [&'static str],
    /// Arguments.
    pub args: &'static [Arg],
    /// QMP's result.
    pub returns: Type,
    /// One line.
    pub help: &'static str,
    /// Does it. HMP prints the result if it is text.
    pub run: fn(&Session, &Args) -> Result<Value, String>,
}

const NOTHING: Type = Type::Object(&[]);

type Run = fn(&Session, &Args) -> Result<Value, String>;

const fn both(
    qmp: &'static str,
    hmp: &'static [&'static str],
    args: &'static [Arg],
    help: &'static str,
    run: Run,
) -> Command {
    Command {
        qmp: Some(qmp),
        hmp,
        args,
        returns: NOTHING,
        help,
        run,
    }
}

const fn query(qmp: &'static str, returns: Type, help: &'static str, run: Run) -> Command {
    Command {
        qmp: Some(qmp),
        hmp: &[],
        args: &[],
        returns,
        help,
        run,
    }
}

const fn human(
    hmp: &'static [&'static str],
    args: &'static [Arg],
    help: &'static str,
    run: Run,
) -> Command {
    Command {
        qmp: None,
        hmp,
        args,
        returns: NOTHING,
        help,
        run,
    }
}

const VERSION: Members = &[
    (
        "qemu",
        Type::Object(&[
            ("major", Type::Number),
            ("minor", Type::Number),
            ("micro", Type::Number),
        ]),
    ),
    ("package", Type::Text),
];

const STATUS: Members = &[("running", Type::Switch), ("status", Type::Text)];
const CHARDEV: Members = &[
    ("label", Type::Text),
    ("filename", Type::Text),
    ("frontend-open", Type::Switch),
];
const CPU: Members = &[
    ("cpu-index", Type::Number),
    ("qom-path", Type::Text),
    ("thread-id", Type::Number),
    ("target", Type::Text),
];
const BLOCK: Members = &[
    ("device", Type::Text),
    ("type", Type::Text),
    ("removable", Type::Switch),
    ("locked", Type::Switch),
];

const LABEL: Arg = need("id", Kind::Text);
const FILE: Arg = need("filename", Kind::Text);
const START: Arg = need("val", Kind::Number);
const SIZE: Arg = need("size", Kind::Number);

/// Every command.
pub const COMMANDS: &[Command] = &[
    human(
        &["help", "?"],
        &[may("command", Kind::Text)],
        "[COMMAND]: this list, or one line of it",
        run::help,
    ),
    human(
        &["info"],
        &[may("topic", Kind::Text), may("rest", Kind::Rest)],
        "TOPIC: about the machine; without a topic, the list of topics",
        run::info,
    ),
    both(
        "stop",
        &["stop", "s"],
        &[],
        "stops the vCPUs and virtual time",
        run::stop,
    ),
    both("cont", &["cont", "c"], &[], "goes on", run::cont),
    both("quit", &["quit", "q"], &[], "ends the emulator", run::quit),
    both(
        "system_reset",
        &["system_reset"],
        &[],
        "resets the machine",
        run::reset,
    ),
    both(
        "system_powerdown",
        &["system_powerdown"],
        &[],
        "presses the power button",
        run::powerdown,
    ),
    both(
        "inject-nmi",
        &["nmi"],
        &[],
        "sends a non-maskable interrupt to all vCPUs",
        run::nmi,
    ),
    human(
        &["cpu"],
        &[need("index", Kind::Number)],
        "N: the vCPU that other commands look at",
        run::cpu,
    ),
    human(
        &["x"],
        &[need("what", Kind::Rest)],
        "/FMT ADDRESS: memory as the vCPU sees it (count, x d u o c, b h w g)",
        memory::examine_virtual,
    ),
    human(
        &["xp"],
        &[need("what", Kind::Rest)],
        "/FMT ADDRESS: physical memory",
        memory::examine_physical,
    ),
    human(
        &["print", "p"],
        &[need("what", Kind::Rest)],
        "[/FMT] EXPRESSION: numbers, $registers, + - * / & | ^ ~ ( )",
        memory::print,
    ),
    both(
        "memsave",
        &["memsave"],
        &[START, SIZE, FILE, may("cpu-index", Kind::Number)],
        "ADDRESS SIZE FILE: saves memory as the vCPU sees it",
        memory::save_virtual,
    ),
    both(
        "pmemsave",
        &["pmemsave"],
        &[START, SIZE, FILE],
        "ADDRESS SIZE FILE: saves physical memory",
        memory::save_physical,
    ),
    human(
        &["savevm"],
        &[need("file", Kind::Text)],
        "NAME: saves the whole state of the machine to NAME.emusnap, or to a path",
        run::savevm,
    ),
    human(
        &["loadvm"],
        &[need("file", Kind::Text)],
        "NAME: brings a saved state back",
        run::loadvm,
    ),
    human(
        &["delvm"],
        &[need("file", Kind::Text)],
        "NAME: removes a saved state",
        run::delvm,
    ),
    both(
        "migrate",
        &["migrate"],
        &[need("uri", Kind::Rest)],
        "file:PATH|unix:PATH|tcp:HOST:PORT: the machine goes on there (-incoming)",
        migrate::migrate,
    ),
    query(
        "query-migrate",
        Type::Object(&[("status", Type::Optional(&Type::Text))]),
        "how the last migration ended",
        migrate::query,
    ),
    human(
        &["commit"],
        &[may("device", Kind::Text)],
        "writes all disks' data to their files",
        run::commit,
    ),
    human(
        &["chardev-add"],
        &[need("args", Kind::Rest)],
        "BACKEND,id=ID,...: a new character device",
        run::chardev_add,
    ),
    both(
        "chardev-remove",
        &["chardev-remove"],
        &[LABEL],
        "ID: removes a character device that nobody uses",
        run::chardev_remove,
    ),
    Command {
        qmp: Some("ringbuf-read"),
        hmp: &["ringbuf_read"],
        args: &[
            need("device", Kind::Text),
            need("size", Kind::Number),
            may("format", Kind::Text),
        ],
        returns: Type::Text,
        help: "ID SIZE: takes bytes out of a ring buffer",
        run: run::ringbuf_read,
    },
    human(
        &["hostfwd_add"],
        &[need("rule", Kind::Rest)],
        "[NETDEV] tcp|udp:[A]:PORT-[A]:PORT: a port of the host's leads to the guest",
        run::hostfwd_add,
    ),
    human(
        &["hostfwd_remove"],
        &[need("rule", Kind::Rest)],
        "[NETDEV] tcp:[A]:PORT: no longer",
        run::hostfwd_remove,
    ),
    Command {
        qmp: Some("human-monitor-command"),
        hmp: &[],
        args: &[
            need("command-line", Kind::Text),
            may("cpu-index", Kind::Number),
        ],
        returns: Type::Text,
        help: "an HMP command; returns what it prints",
        run: run::human,
    },
    both(
        "qmp_capabilities",
        &[],
        &[may("enable", Kind::Texts)],
        "ends the handshake",
        run::capabilities,
    ),
    human(
        &["device_add"],
        &[need("device", Kind::Rest)],
        "CLASS,id=ID,PROPERTY=VALUE,...: a new PCI card",
        run::device_add_line,
    ),
    both(
        "device_add",
        &[],
        &[
            need("driver", Kind::Text),
            may("id", Kind::Text),
            may("bus", Kind::Text),
            may("properties", Kind::Others),
        ],
        "a new PCI card",
        run::device_add,
    ),
    both(
        "device_del",
        &["device_del"],
        &[LABEL],
        "ID: takes a card out that was added",
        run::device_del,
    ),
    both(
        "screendump",
        &["screendump"],
        &[
            need("filename", Kind::Text),
            may("device", Kind::Text),
            may("format", Kind::Text),
        ],
        "FILE: saves what the screen shows as PPM",
        run::screendump,
    ),
    query(
        "query-status",
        Type::Object(STATUS),
        "whether the machine runs",
        run::query_status,
    ),
    query(
        "query-version",
        Type::Object(VERSION),
        "this program's version",
        run::query_version,
    ),
    query(
        "query-name",
        Type::Object(&[("name", Type::Text)]),
        "the machine's name",
        run::query_name,
    ),
    query(
        "query-kvm",
        Type::Object(&[("enabled", Type::Switch), ("present", Type::Switch)]),
        "whether the host's processor runs the guest's code",
        run::query_kvm,
    ),
    query(
        "query-commands",
        Type::List(&[("name", Type::Text)]),
        "all commands",
        run::query_commands,
    ),
    query(
        "query-cpus-fast",
        Type::List(CPU),
        "the vCPUs",
        run::query_cpus,
    ),
    query(
        "query-chardev",
        Type::List(CHARDEV),
        "the character devices",
        run::query_chardev,
    ),
    query(
        "query-block",
        Type::List(BLOCK),
        "the disks",
        run::query_block,
    ),
    query(
        "query-qmp-schema",
        Type::Any,
        "this table, for programs",
        run::query_schema,
    ),
];

/// The command with this QMP name.
pub fn qmp(name: &str) -> Option<&'static Command> {
    COMMANDS.iter().find(|c| c.qmp == Some(name))
}

/// The command with this HMP name.
pub fn hmp(name: &str) -> Option<&'static Command> {
    COMMANDS.iter().find(|c| c.hmp.contains(&name))
}
