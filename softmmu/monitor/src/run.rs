//! What the commands do, apart from those that look at memory.

use crate::args::Args;
use crate::table::{COMMANDS, hmp};
use crate::{Session, migrate, schema, snapshot};
use serde_json::{Value, json};
use softmmu_core::control::{Control, RunState};
use softmmu_opts::Opts;
use std::net::{Ipv4Addr, SocketAddrV4};

type Outcome = Result<Value, String>;

fn done() -> Outcome {
    Ok(json!({}))
}

/// Says something about a session.
type Topic = fn(&Session) -> String;

/// Topics of `info` that monitors answer themselves; the machine has more.
const TOPICS: &[(&str, Topic)] = &[
    ("status", status),
    ("version", |_| format!("{}\n", env!("CARGO_PKG_VERSION"))),
    ("name", |s| {
        format!("{}\n", s.context.machine.vm_name().unwrap_or_default())
    }),
    ("chardev", |s| {
        pairs(s.context.chardevs.list(), ": filename=")
    }),
    ("block", |s| pairs(s.context.drives.list(), ": ")),
    ("network", |s| pairs(s.context.nets.list(), ": ")),
    ("usernet", usernet),
    ("cpus", cpus),
    ("snapshots", |_| snapshot::list()),
    ("migrate", |s| match s.context.machine.state() {
        RunState::PostMigrate => "Status: completed\n".to_owned(),
        _ => String::new(),
    }),
];

/// Topics that machines have.
const MACHINE_TOPICS: &[&str] = &["registers", "mtree", "qtree", "pci"];

fn pairs(list: Vec<(String, String)>, between: &str) -> String {
    let line = |(a, b): (String, String)| format!("{a}{between}{b}\n");
    list.into_iter().map(line).collect()
}

fn usernet(session: &Session) -> String {
    let user = session.context.nets.user(None);
    let lines = user.map(|u| u.list()).unwrap_or_default();
    lines.into_iter().map(|l| l + "\n").collect()
}

fn status(session: &Session) -> String {
    let state = session.context.machine.state();
    match state {
        RunState::Running => "VM status: running\n".to_owned(),
        RunState::Paused => "VM status: paused\n".to_owned(),
        other => format!("VM status: paused ({})\n", other.word()),
    }
}

fn cpus(session: &Session) -> String {
    let machine = &session.context.machine;
    if let Some(text) = machine.info("cpus", session.cpu()) {
        return text;
    }
    let one = |n: u32| {
        let mark = if n == session.cpu() { '*' } else { ' ' };
        format!("{mark} CPU #{n}: pc={:#x}\n", machine.pc(n))
    };
    (0..machine.cpu_count()).map(one).collect()
}

pub fn help(_: &Session, args: &Args) -> Outcome {
    let line = |c: &crate::table::Command| format!("{} {}\n", c.hmp.join("|"), c.help);
    if let Some(name) = args.text("command") {
        let command = hmp(name).ok_or_else(|| format!("unknown command: '{name}'"))?;
        return Ok(line(command).into());
    }
    let human = COMMANDS.iter().filter(|c| !c.hmp.is_empty());
    Ok(human.map(line).collect::<String>().into())
}

pub fn info(session: &Session, args: &Args) -> Outcome {
    let Some(topic) = args.text("topic") else {
        let own = TOPICS.iter().map(|(name, _)| *name);
        let all = own.chain(MACHINE_TOPICS.iter().copied());
        return Ok(all
            .map(|t| format!("info {t}\n"))
            .collect::<String>()
            .into());
    };
    if let Some((_, text)) = TOPICS.iter().find(|(name, _)| *name == topic) {
        return Ok(text(session).into());
    }
    let machine = &session.context.machine;
    let rest = args.text("rest").unwrap_or("");
    if topic == "registers" && rest == "-a" {
        let all = (0..machine.cpu_count()).filter_map(|n| {
            let text = machine.info(topic, n)?;
            Some(format!("CPU#{n}\n{text}"))
        });
        return Ok(all.collect::<String>().into());
    }
    let found = machine.info(topic, session.cpu());
    found.map(Value::from).ok_or_else(|| {
        let known = TOPICS.iter().map(|(name, _)| *name);
        let hint = softmmu_opts::hint(topic, known.chain(MACHINE_TOPICS.iter().copied()));
        format!("unknown topic: '{topic}'{hint}")
    })
}

fn machine(session: &Session) -> &dyn Control {
    &*session.context.machine
}

pub fn stop(session: &Session, _: &Args) -> Outcome {
    machine(session).stop();
    done()
}

pub fn cont(session: &Session, _: &Args) -> Outcome {
    match machine(session).state() {
        RunState::Shutdown => return Err("Resetting the Virtual Machine is required".to_owned()),
        RunState::InternalError => {
            return Err("The machine has run into an error; a reset is required".to_owned());
        }
        _ => {}
    }
    machine(session).cont();
    done()
}

pub fn quit(session: &Session, _: &Args) -> Outcome {
    // The answer goes out before the machine is gone.
    session.at_end.lock().quit = true;
    done()
}

pub fn reset(session: &Session, _: &Args) -> Outcome {
    machine(session).system_reset();
    done()
}

pub fn powerdown(session: &Session, _: &Args) -> Outcome {
    machine(session).system_powerdown();
    done()
}

pub fn nmi(session: &Session, _: &Args) -> Outcome {
    machine(session).nmi();
    done()
}

pub fn cpu(session: &Session, args: &Args) -> Outcome {
    let index = args.number("index").unwrap_or(0);
    let count = machine(session).cpu_count();
    let index = u32::try_from(index).ok().filter(|i| *i < count);
    let index = index.ok_or_else(|| format!("there are {count} vCPUs, from 0"))?;
    session.at_end.lock().cpu = index;
    done()
}

pub fn savevm(session: &Session, args: &Args) -> Outcome {
    let running = machine(session).state() == RunState::Running;
    if running {
        machine(session).stop();
    }
    let flushed = session.context.drives.flush().map_err(|e| e.to_string());
    let saved = machine(session).save();
    let path = snapshot::path_of(args.text("file").unwrap_or(""));
    let result = flushed
        .and(saved)
        .and_then(|sections| snapshot::write(&path, &sections));
    if running {
        machine(session).cont();
    }
    result.and_then(|()| done())
}

pub fn loadvm(session: &Session, args: &Args) -> Outcome {
    let running = machine(session).state() == RunState::Running;
    machine(session).stop();
    // After a failure the machine stays stopped: it may be neither the old nor the new one.
    migrate::load(&session.context, args.text("file").unwrap_or(""))?;
    if running {
        machine(session).cont();
    }
    done()
}

pub fn delvm(_: &Session, args: &Args) -> Outcome {
    let path = snapshot::path_of(args.text("file").unwrap_or(""));
    // Nothing but what `savevm` has made.
    snapshot::read(&path)?;
    let removed = std::fs::remove_file(&path);
    removed.map_err(|e| format!("{}: {e}", path.display()))?;
    done()
}

pub fn commit(session: &Session, _: &Args) -> Outcome {
    let flushed = session.context.drives.flush();
    flushed.map_err(|e| e.to_string()).and_then(|()| done())
}

pub fn chardev_add(session: &Session, args: &Args) -> Outcome {
    let text = args.text("args").unwrap_or("");
    let added = session.context.chardevs.add(text);
    added.map_err(|e| e.to_string()).and_then(|()| done())
}

pub fn chardev_remove(session: &Session, args: &Args) -> Outcome {
    let id = args.text("id").unwrap_or("");
    let removed = session.context.chardevs.remove(id);
    removed.map_err(|e| e.to_string()).and_then(|()| done())
}

fn add_device(session: &Session, class: &str, props: &[(String, String)]) -> Outcome {
    let added = machine(session).device_add(class, props);
    added.and_then(|()| done())
}

pub fn device_add(session: &Session, args: &Args) -> Outcome {
    let mut props = args.all()?;
    props.retain(|(key, _)| key != "driver");
    add_device(session, args.text("driver").unwrap_or(""), &props)
}

pub fn device_add_line(session: &Session, args: &Args) -> Outcome {
    let text = args.text("device").unwrap_or("");
    let mut opts = Opts::parse(text, Some("driver")).map_err(|e| e.to_string())?;
    let class = opts.need("driver").map_err(|e| e.to_string())?;
    let own = |(k, v): (&str, &str)| (k.to_owned(), v.to_owned());
    let props: Vec<_> = opts.rest().map(own).collect();
    add_device(session, &class, &props)
}

pub fn device_del(session: &Session, args: &Args) -> Outcome {
    let gone = machine(session).device_del(args.text("id").unwrap_or(""));
    gone.and_then(|()| done())
}

pub fn screendump(session: &Session, args: &Args) -> Outcome {
    if let Some(other) = args.text("format").filter(|f| *f != "ppm") {
        return Err(format!("format {other}: only ppm is there"));
    }
    let picture = machine(session).screen();
    let picture = picture.ok_or("the machine has no screen")?;
    let path = args.text("filename").unwrap_or("");
    let written = std::fs::write(path, picture.ppm());
    written.map_err(|e| format!("{path}: {e}"))?;
    done()
}

pub fn ringbuf_read(session: &Session, args: &Args) -> Outcome {
    if args.text("format").is_some_and(|f| f != "utf8") {
        return Err("format: only utf8 is supported".to_owned());
    }
    let size = usize::try_from(args.number("size").unwrap_or(0)).unwrap_or(usize::MAX);
    let id = args.text("device").unwrap_or("");
    let bytes = session.context.chardevs.ring_read(id, size);
    let bytes = bytes.map_err(|e| e.to_string())?;
    Ok(String::from_utf8_lossy(&bytes).into())
}

fn rule(args: &Args) -> (Option<&str>, &str) {
    let text = args.text("rule").unwrap_or("").trim();
    match text.split_once(' ') {
        Some((netdev, rule)) => (Some(netdev), rule.trim()),
        None => (None, text),
    }
}

pub fn hostfwd_add(session: &Session, args: &Args) -> Outcome {
    let (netdev, rule) = rule(args);
    let added = session.context.nets.hostfwd_add(netdev, rule);
    let at = added.map_err(|e| e.to_string())?;
    // Worth telling only if the host chose.
    let chosen = rule.contains(":0-");
    if chosen {
        return Ok(format!("listening on {at}\n").into());
    }
    done()
}

pub fn hostfwd_remove(session: &Session, args: &Args) -> Outcome {
    let (netdev, rule) = rule(args);
    let wrong = || format!("{rule}: expected tcp:[hostaddr]:hostport");
    let place = rule.strip_prefix("tcp:").ok_or_else(wrong)?;
    let (host, port) = place.rsplit_once(':').ok_or_else(wrong)?;
    let host = match host {
        "" => Ipv4Addr::UNSPECIFIED,
        other => other.parse().map_err(|_| wrong())?,
    };
    let at = SocketAddrV4::new(host, port.parse().map_err(|_| wrong())?);
    let user = session.context.nets.user(netdev);
    let user = user.ok_or("there is no such user network")?;
    if user.remove_forward(at) {
        return Ok(format!("host forwarding rule for {rule} removed\n").into());
    }
    Err(format!("host forwarding rule for {rule} not found"))
}

pub fn human(session: &Session, args: &Args) -> Outcome {
    let mut cpu = session.cpu();
    if let Some(index) = args.number("cpu-index") {
        let count = machine(session).cpu_count();
        let index = u32::try_from(index).ok().filter(|i| *i < count);
        cpu = index
            .ok_or_else(|| format!("Parameter 'cpu-index' expects a CPU number below {count}"))?;
    }
    let inner = Session::new(session.context.clone());
    inner.at_end.lock().cpu = cpu;
    let text = crate::hmp::execute(&inner, args.text("command-line").unwrap_or(""));
    session.at_end.lock().quit |= inner.at_end.lock().quit;
    Ok(text.into())
}

pub fn capabilities(_: &Session, _: &Args) -> Outcome {
    Err("Capabilities negotiation is already complete, command ignored".to_owned())
}

pub fn query_status(session: &Session, _: &Args) -> Outcome {
    let state = machine(session).state();
    Ok(json!({ "running": state == RunState::Running, "status": state.word() }))
}

/// The version in QMP's form.
pub fn version() -> Value {
    let part = |text: &str| text.parse::<u64>().unwrap_or(0);
    json!({
        "qemu": {
            "major": part(env!("CARGO_PKG_VERSION_MAJOR")),
            "minor": part(env!("CARGO_PKG_VERSION_MINOR")),
            "micro": part(env!("CARGO_PKG_VERSION_PATCH")),
        },
        "package": "emu",
    })
}

pub fn query_version(_: &Session, _: &Args) -> Outcome {
    Ok(version())
}

pub fn query_name(session: &Session, _: &Args) -> Outcome {
    let name = machine(session).vm_name();
    Ok(name.map_or_else(|| json!({}), |name| json!({ "name": name })))
}

pub fn query_kvm(_: &Session, _: &Args) -> Outcome {
    Ok(json!({ "enabled": false, "present": false }))
}

pub fn query_commands(_: &Session, _: &Args) -> Outcome {
    let names = COMMANDS.iter().filter_map(|c| c.qmp);
    Ok(names.map(|name| json!({ "name": name })).collect())
}

pub fn query_cpus(session: &Session, _: &Args) -> Outcome {
    let count = machine(session).cpu_count();
    let one = |n: u32| {
        json!({
            "cpu-index": n,
            "qom-path": format!("/machine/unattached/device[{n}]"),
            "thread-id": std::process::id(),
            "target": session.context.target,
        })
    };
    Ok((0..count).map(one).collect())
}

pub fn query_chardev(session: &Session, _: &Args) -> Outcome {
    let one = |(label, filename): (String, String)| {
        let open = !filename.starts_with("disconnected:");
        json!({ "label": label, "filename": filename, "frontend-open": open })
    };
    Ok(session
        .context
        .chardevs
        .list()
        .into_iter()
        .map(one)
        .collect())
}

pub fn query_block(session: &Session, _: &Args) -> Outcome {
    let one = |drive: softmmu_block::drive::Drive| {
        let mut value = json!({
            "device": drive.id, "type": "unknown", "removable": drive.cdrom, "locked": false });
        if let (Some(map), Some(file)) = (value.as_object_mut(), &drive.file) {
            let how = drive.how;
            let inserted = json!({
                "file": file, "ro": !how.write,
                "drv": drive.format.map_or("raw", |f| f.word()),
                "backing_file_depth": 0, "encrypted": false, "detect_zeroes": "off",
                "bps": 0, "bps_rd": 0, "bps_wr": 0, "iops": 0, "iops_rd": 0, "iops_wr": 0,
                "write_threshold": 0,
                "image": { "filename": file,
                    "virtual-size": session.context.drives.size(&drive.id),
                    "format": drive.format.map_or("raw", |f| f.word()) },
                "cache": { "writeback": !how.write_through, "direct": how.direct,
                    "no-flush": how.no_flush } });
            map.insert("inserted".to_owned(), inserted);
        }
        value
    };
    Ok(session.context.drives.all().into_iter().map(one).collect())
}

pub fn query_schema(_: &Session, _: &Args) -> Outcome {
    Ok(schema::schema())
}
