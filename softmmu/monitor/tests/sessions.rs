//! Scripted sessions with a pretended machine: QMP, HMP, through sockets, with PyPI's qemu.qmp.

use parking_lot::Mutex;
use serde_json::{Value, json};
use softmmu_chardev::Chardevs;
use softmmu_core::control::{Cause, Control, EventSink, MachineEvent, RunState};
use softmmu_monitor::{Context, Hmp, Mode, Qmp, start};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

struct Machine {
    state: Mutex<RunState>,
    sinks: Mutex<Vec<EventSink>>,
    calls: Mutex<Vec<String>>,
    memory: Mutex<Vec<u8>>,
}

impl Machine {
    fn tell(&self, event: MachineEvent) {
        for sink in self.sinks.lock().iter() {
            sink(&event);
        }
    }

    fn call(&self, what: &str) {
        self.calls.lock().push(what.to_owned());
    }
}

impl Control for Machine {
    fn state(&self) -> RunState {
        *self.state.lock()
    }

    fn stop(&self) {
        *self.state.lock() = RunState::Paused;
        self.tell(MachineEvent::Stop);
    }

    fn cont(&self) {
        *self.state.lock() = RunState::Running;
        self.tell(MachineEvent::Resume);
    }

    fn system_reset(&self) {
        let reason = "host-qmp-system-reset";
        self.tell(MachineEvent::Reset(Cause {
            guest: false,
            reason,
        }));
    }

    fn system_powerdown(&self) {
        self.tell(MachineEvent::Powerdown);
    }

    fn nmi(&self) {
        self.call("nmi");
    }

    fn quit(&self, status: u8) {
        self.call(&format!("quit {status}"));
    }

    fn subscribe(&self, sink: EventSink) {
        self.sinks.lock().push(sink);
    }

    fn board(&self) -> String {
        "toy".to_owned()
    }

    fn cpu_count(&self) -> u32 {
        2
    }

    fn vm_name(&self) -> Option<String> {
        Some("vm".to_owned())
    }

    fn info(&self, topic: &str, cpu: u32) -> Option<String> {
        (topic == "registers").then(|| format!("r1 of {cpu}\n"))
    }

    fn read_phys(&self, pa: u64, buf: &mut [u8]) -> bool {
        let memory = self.memory.lock();
        let range = usize::try_from(pa)
            .ok()
            .and_then(|at| memory.get(at..at.checked_add(buf.len())?));
        range.map(|bytes| buf.copy_from_slice(bytes)).is_some()
    }

    fn write_phys(&self, _pa: u64, _data: &[u8]) -> bool {
        false
    }

    fn read_virt(&self, _cpu: u32, va: u64, buf: &mut [u8]) -> bool {
        self.read_phys(va.wrapping_sub(0xc000_0000), buf)
    }

    fn pc(&self, cpu: u32) -> u64 {
        0x1000 + u64::from(cpu)
    }

    fn register(&self, cpu: u32, name: &str) -> Option<u64> {
        (name == "r1").then_some(u64::from(cpu) + 0xc000_0000)
    }

    fn stand(&self, why: RunState) {
        *self.state.lock() = why;
    }

    fn save(&self) -> Result<Vec<(String, Vec<u8>)>, String> {
        assert_ne!(self.state(), RunState::Running, "saved while it runs");
        Ok(vec![("ram".to_owned(), self.memory.lock().clone())])
    }

    fn load(&self, sections: &[(String, Vec<u8>)]) -> Result<(), String> {
        let (_, ram) = sections.first().ok_or("no RAM")?;
        *self.memory.lock() = ram.clone();
        Ok(())
    }
}

fn context() -> (Arc<Machine>, Context) {
    let machine = Arc::new(Machine {
        state: Mutex::new(RunState::Running),
        sinks: Mutex::default(),
        calls: Mutex::default(),
        memory: Mutex::new((0..=255).collect()),
    });
    let chardevs = Arc::new(Chardevs::default());
    chardevs.add("ringbuf,id=ring").unwrap();
    let context = Context {
        machine: machine.clone(),
        chardevs,
        drives: Arc::default(),
        nets: Arc::default(),
        big_endian: true,
        target: "ppc",
    };
    (machine, context)
}

fn qmp() -> (Arc<Machine>, Qmp) {
    let (machine, context) = context();
    let mut qmp = Qmp::new(context);
    assert!(qmp.greeting().starts_with("{\"QMP\":"));
    assert_eq!(
        ask(&mut qmp, json!({ "execute": "qmp_capabilities" })),
        json!({ "return": {} })
    );
    (machine, qmp)
}

fn ask(qmp: &mut Qmp, request: Value) -> Value {
    serde_json::from_str(&qmp.input(request.to_string().as_bytes())).unwrap()
}

#[test]
fn nothing_works_before_the_handshake() {
    let (_, context) = context();
    let mut qmp = Qmp::new(context);
    let refused = ask(&mut qmp, json!({ "execute": "stop", "id": 5 }));
    assert_eq!(
        (&refused["error"]["class"], &refused["id"]),
        (&json!("CommandNotFound"), &json!(5))
    );
    assert_eq!(qmp.event(&MachineEvent::Stop), "");
    let oob = json!({ "execute": "qmp_capabilities", "arguments": { "enable": ["oob"] } });
    assert!(ask(&mut qmp, oob).get("error").is_some());
    ask(&mut qmp, json!({ "execute": "qmp_capabilities" }));
    assert!(
        qmp.event(&MachineEvent::Stop)
            .contains("\"event\":\"STOP\"")
    );
    let again = ask(&mut qmp, json!({ "execute": "qmp_capabilities" }));
    assert!(again.get("error").is_some());
}

#[test]
fn the_machine_is_driven() {
    let (machine, mut qmp) = qmp();
    let status = |qmp: &mut Qmp| ask(qmp, json!({ "execute": "query-status" }))["return"].clone();
    assert_eq!(
        status(&mut qmp),
        json!({ "running": true, "status": "running" })
    );
    ask(&mut qmp, json!({ "execute": "stop" }));
    assert_eq!(
        status(&mut qmp),
        json!({ "running": false, "status": "paused" })
    );
    ask(&mut qmp, json!({ "execute": "cont" }));
    assert_eq!(machine.state(), RunState::Running);
    *machine.state.lock() = RunState::Shutdown;
    assert!(
        ask(&mut qmp, json!({ "execute": "cont" }))
            .get("error")
            .is_some()
    );
    let cpus = ask(&mut qmp, json!({ "execute": "query-cpus-fast" }));
    assert_eq!(cpus["return"].as_array().unwrap().len(), 2);
    ask(&mut qmp, json!({ "execute": "inject-nmi" }));
    assert_eq!(*machine.calls.lock(), ["nmi"]);
    assert!(!qmp.quits());
    ask(&mut qmp, json!({ "execute": "quit" }));
    assert!(qmp.quits());
}

#[test]
fn mistakes_are_answered() {
    let (_, mut qmp) = qmp();
    for (request, word) in [
        (json!({ "execute": "quite" }), "did you mean 'quit'"),
        (json!({ "execute": 3 }), "must be a string"),
        (json!({ "exec": "x" }), "'exec' is unexpected"),
        (json!({}), "lacks member 'execute'"),
        (json!([]), "must be a JSON object"),
        (json!({ "execute": "pmemsave" }), "'val' is missing"),
        (
            json!({ "execute": "stop", "arguments": { "x": 1 } }),
            "'x' is unexpected",
        ),
        (
            json!({ "execute": "stop", "arguments": 1 }),
            "must be an object",
        ),
        (
            json!({ "execute": "human-monitor-command", "arguments": { "command-line": 3 } }),
            "expected: string",
        ),
    ] {
        let answer = ask(&mut qmp, request.clone());
        let text = answer["error"]["desc"].as_str().unwrap();
        assert!(text.contains(word), "{request}: {text}");
    }
}

#[test]
fn input_may_be_cut_anywhere_and_may_be_rubbish() {
    let (_, mut qmp) = qmp();
    let text =
        b" {\"execute\":\"query-name\",\"id\":\"\\u00e4}\"}\r\n{\"execute\":\"query-kvm\"}\n";
    let mut out = String::new();
    for byte in text {
        out.push_str(&qmp.input(&[*byte]));
    }
    assert_eq!(out.lines().count(), 2, "{out}");
    assert!(out.contains("\"name\":\"vm\"") && out.contains("\u{e4}}"));
    assert!(qmp.input(b"}}} what\n").contains("JSON parse error"));
    assert!(qmp.input(&[0xff, 0xfe, b'\n']).contains("JSON parse error"));
    assert!(qmp.input("[".repeat(100_000).as_bytes()).contains("error"));
    qmp.input(b"\n");
    assert!(
        qmp.input(b"\n{\"execute\":\"query-kvm\"}")
            .contains("return")
    );
    // An object without an end is given up some day.
    let endless = vec![b'"'; 1];
    qmp.input(&endless);
    let mut said = String::new();
    for _ in 0..300 {
        said.push_str(&qmp.input(&[b'a'; 4096]));
    }
    assert!(said.contains("JSON parse error"));
}

#[test]
fn the_schema_describes_every_command_and_type() {
    let (_, mut qmp) = qmp();
    let schema = ask(&mut qmp, json!({ "execute": "query-qmp-schema" }))["return"].clone();
    let entries = schema.as_array().unwrap();
    let names: Vec<&str> = entries
        .iter()
        .map(|e| e["name"].as_str().unwrap())
        .collect();
    let mut unique = names.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), names.len(), "names are unique");
    let mut types = Vec::new();
    for entry in entries {
        for key in ["arg-type", "ret-type", "element-type"] {
            types.extend(entry.get(key).and_then(Value::as_str));
        }
        for member in entry
            .get("members")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            types.push(member["type"].as_str().unwrap());
        }
    }
    assert!(
        types.iter().all(|t| names.contains(t)),
        "every type is described"
    );
    let commands = ask(&mut qmp, json!({ "execute": "query-commands" }))["return"].clone();
    for command in commands.as_array().unwrap() {
        let name = command["name"].as_str().unwrap();
        assert!(names.contains(&name), "{name}");
        // What takes no arguments and changes nothing gives what the schema says.
        if !name.starts_with("query-") || name == "query-qmp-schema" {
            continue;
        }
        let entry = entries.iter().find(|e| e["name"] == name).unwrap();
        let result = ask(&mut qmp, json!({ "execute": name }))["return"].clone();
        fits(entries, entry["ret-type"].as_str().unwrap(), &result, name);
    }
}

fn fits(schema: &[Value], kind: &str, value: &Value, what: &str) {
    let entry = schema.iter().find(|e| e["name"] == kind).unwrap();
    match entry["meta-type"].as_str().unwrap() {
        "array" => {
            for element in value.as_array().unwrap() {
                fits(
                    schema,
                    entry["element-type"].as_str().unwrap(),
                    element,
                    what,
                );
            }
        }
        "object" => {
            let members = entry["members"].as_array().unwrap();
            for member in members {
                let name = member["name"].as_str().unwrap();
                let Some(value) = value.get(name) else {
                    assert!(member.get("default").is_some(), "{what}: no {name}");
                    continue;
                };
                fits(schema, member["type"].as_str().unwrap(), value, name);
            }
        }
        _ => match kind {
            "str" => assert!(value.is_string(), "{what}"),
            "int" => assert!(value.is_u64(), "{what}"),
            "bool" => assert!(value.is_boolean(), "{what}"),
            _ => {}
        },
    }
}

fn hmp(qmp: &mut Qmp, line: &str) -> String {
    let request =
        json!({ "execute": "human-monitor-command", "arguments": { "command-line": line } });
    ask(qmp, request)["return"].as_str().unwrap().to_owned()
}

#[test]
fn people_s_commands_work() {
    let (machine, mut q) = qmp();
    let file = std::env::temp_dir().join(format!("emu-monitor-{}", std::process::id()));
    let f = file.display();
    for (line, answer) in [
        ("info status", "VM status: running\n"),
        (
            "xp/4xh 0x10",
            "0000000000000010: 0x1011 0x1213 0x1415 0x1617\n",
        ),
        ("x/2dw $r1+4", "00000000c0000004: 67438087 134810123\n"),
        ("xp/3c 0x41", "0000000000000041: 'A' 'B' 'C'\n"),
        ("xp 300", "000000000000012c: Cannot access memory\n"),
        ("print 2*(3+4)", "0xe\n"),
        ("p/d $r1", "3221225472\n"),
        ("info registers", "r1 of 0\n"),
        ("info registers -a", "CPU#0\nr1 of 0\nCPU#1\nr1 of 1\n"),
        ("info cpus", "* CPU #0: pc=0x1000\n  CPU #1: pc=0x1001\n"),
        ("info name", "vm\n"),
        ("info chardev", "ring: filename=ringbuf\n"),
        ("stop", ""),
        ("info status", "VM status: paused\n"),
        ("c", ""),
        ("", ""),
        (
            "info statsu",
            "Error: unknown topic: 'statsu'; did you mean 'status'?\n",
        ),
        ("infp", "unknown command: 'infp'; did you mean 'info'?\n"),
        ("cpu 7", "Error: there are 2 vCPUs, from 0\n"),
        ("stop now", "Error: 'now' is too much\n"),
        ("pmemsave x 1 f", "Error: val: 'x' is no integer\n"),
    ] {
        assert_eq!(hmp(&mut q, line), answer, "{line}");
    }
    assert_eq!(hmp(&mut q, &format!("pmemsave 16 4 \"{f}\"")), "");
    assert_eq!(std::fs::read(&file).unwrap(), [16, 17, 18, 19]);
    assert_eq!(hmp(&mut q, &format!("savevm {f}")), "");
    assert_eq!(machine.state(), RunState::Running);
    machine.memory.lock()[5] = 77;
    assert_eq!(hmp(&mut q, &format!("loadvm {f}")), "");
    assert_eq!(machine.memory.lock()[5], 5);
    assert_eq!(hmp(&mut q, "c"), "");
    machine.memory.lock()[5] = 78;
    assert_eq!(hmp(&mut q, &format!("migrate file:{f}")), "");
    assert_eq!(machine.state(), RunState::PostMigrate);
    assert_eq!(hmp(&mut q, "info migrate"), "Status: completed\n");
    machine.memory.lock()[5] = 5;
    assert_eq!(hmp(&mut q, &format!("loadvm {f}")), "");
    assert_eq!(machine.memory.lock()[5], 78);
    assert!(hmp(&mut q, "migrate exec:x").contains("expected file:PATH"));
    assert_eq!(hmp(&mut q, &format!("delvm {f}")), "");
    assert!(!file.exists());
    std::fs::write(&file, b"EMUSNAP1 and rubbish").unwrap();
    assert!(hmp(&mut q, &format!("loadvm {f}")).contains("damaged"));
    assert!(hmp(&mut q, &format!("delvm {f}")).contains("damaged"));
    std::fs::write(&file, b"rubbish").unwrap();
    assert!(hmp(&mut q, &format!("loadvm {f}")).contains("not a saved machine"));
    std::fs::remove_file(&file).unwrap();
    for topic in ["help", "info"] {
        assert!(hmp(&mut q, topic).lines().count() > 10);
    }
}

#[test]
fn the_line_editor_edits() {
    let (machine, context) = context();
    let mut hmp = Hmp::new(context);
    assert!(hmp.greeting().ends_with("(qemu) "));
    let plain = |text: String| text.replace("\r\n", "\n");
    assert!(plain(hmp.input(b"stpo\x08\x08op\r\n")).ends_with("\n(qemu) "));
    assert_eq!(machine.state(), RunState::Paused);
    hmp.input(b"rubbish\x15cont\n");
    assert_eq!(machine.state(), RunState::Running);
    // Twice back in the history.
    hmp.input(b"\x1b[A\x1b[A\r");
    assert_eq!(machine.state(), RunState::Paused);
    assert!(hmp.input(b"system_r\t").contains("system_reset "));
    assert!(
        hmp.input(b"\x15system\t")
            .contains("system_reset  system_powerdown")
    );
    hmp.input(b"\x15\x1b[A\x1b[B\x1b[B\x1b[Z\x17\x00\xff");
    hmp.input(&[b'x'; 100_000]);
    hmp.input(b"\x15cpu 1\r");
    assert!(hmp.input(b"info registers\r").contains("r1 of 1"));
    hmp.input(b"quit\rstop\r");
    assert!(hmp.quits());
}

#[test]
fn clients_come_and_go_at_a_socket() {
    let (machine, context) = context();
    let path = std::env::temp_dir().join(format!("emu-qmp-{}", std::process::id()));
    let text = format!("unix:{},server=on,wait=off", path.display());
    let backend = context.chardevs.short(&text, "qmp0").unwrap().unwrap();
    start(context, backend, Mode::Control).unwrap();
    for round in 0..3 {
        let mut client = UnixStream::connect(&path).unwrap();
        client
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let mut lines = BufReader::new(client.try_clone().unwrap()).lines();
        let mut next =
            || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
        assert!(next()["QMP"]["version"]["qemu"]["major"].is_u64());
        client
            .write_all(b"{\"execute\":\"qmp_capabilities\"}\n")
            .unwrap();
        assert_eq!(next(), json!({ "return": {} }));
        client
            .write_all(b"{\"execute\":\"stop\"}{\"execute\":\"system_reset\"}")
            .unwrap();
        let got: Vec<Value> = (0..4).map(|_| next()).collect();
        let events: Vec<&Value> = got.iter().filter(|v| v.get("event").is_some()).collect();
        assert_eq!(events[0]["event"], "STOP", "round {round}: {got:?}");
        assert_eq!(events[1]["data"]["reason"], "host-qmp-system-reset");
        assert!(events[0]["timestamp"]["seconds"].is_u64());
    }
    let mut client = UnixStream::connect(&path).unwrap();
    client
        .write_all(b"{\"execute\":\"qmp_capabilities\"}{\"execute\":\"quit\"}")
        .unwrap();
    let end = std::time::Instant::now() + Duration::from_secs(20);
    while machine.calls.lock().is_empty() {
        assert!(std::time::Instant::now() < end);
        std::thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(*machine.calls.lock(), ["quit 0"]);
}

#[test]
fn pypi_s_client_is_content() {
    let dir = std::env::temp_dir().join("emu-test-qemu-qmp");
    let pip = std::process::Command::new("python3")
        .args([
            "-m",
            "pip",
            "install",
            "-q",
            "--disable-pip-version-check",
            "--target",
        ])
        .arg(&dir)
        .arg("qemu.qmp")
        .output();
    let installed = pip.as_ref().is_ok_and(|o| o.status.success());
    if !installed {
        eprintln!("NOT TESTED: qemu.qmp cannot be installed with pip: {pip:?}");
        return;
    }
    let (_, context) = context();
    let path = std::env::temp_dir().join(format!("emu-qmp-py-{}", std::process::id()));
    let text = format!("unix:{},server=on,wait=off", path.display());
    let backend = context.chardevs.short(&text, "qmp0").unwrap().unwrap();
    start(context, backend, Mode::Control).unwrap();
    let script = r#"
import asyncio, sys
from qemu.qmp import QMPClient, ExecuteError
async def main():
    client = QMPClient('test')
    await client.connect(sys.argv[1])
    assert (await client.execute('query-status'))['running']
    with client.listener('STOP') as listener:
        await client.execute('stop')
        assert (await listener.get())['event'] == 'STOP'
    assert not (await client.execute('query-status'))['running']
    text = await client.execute('human-monitor-command', {'command-line': 'info status'})
    assert 'paused' in text, text
    try:
        await client.execute('no-such-command')
        raise SystemExit('no error')
    except ExecuteError as error:
        assert error.error_class == 'CommandNotFound', error
    await client.disconnect()
    print('content')
asyncio.run(main())
"#;
    let run = std::process::Command::new("python3")
        .args(["-c", script])
        .arg(&path)
        .env("PYTHONPATH", &dir)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    assert_eq!(
        said.trim(),
        "content",
        "{}",
        String::from_utf8_lossy(&run.stderr)
    );
}

#[test]
fn the_qapi_crate_is_content() {
    let (_, context) = context();
    let image = std::env::temp_dir().join(format!("emu-qapi-{}.img", std::process::id()));
    std::fs::write(&image, [0; 4096]).unwrap();
    let drive = format!("file={},format=raw,if=none,id=d", image.display());
    context.drives.add(&drive).unwrap();
    let path = std::env::temp_dir().join(format!("emu-qapi-{}", std::process::id()));
    let text = format!("unix:{},server=on,wait=off", path.display());
    let backend = context.chardevs.short(&text, "qmp0").unwrap().unwrap();
    start(context, backend, Mode::Control).unwrap();
    let stream = UnixStream::connect(&path).unwrap();
    let mut client = qapi::Qmp::from_stream(&stream);
    client.handshake().unwrap();
    assert!(client.execute(&qapi::qmp::query_status {}).unwrap().running);
    client.execute(&qapi::qmp::stop {}).unwrap();
    client.nop().unwrap();
    let mut events = client.events();
    assert!(events.any(|e| matches!(e, qapi::qmp::Event::STOP { .. })));
    drop(events);
    assert!(!client.execute(&qapi::qmp::query_status {}).unwrap().running);
    // The results have the types of QEMU's schema, and so has the schema itself.
    client.execute(&qapi::qmp::query_version {}).unwrap();
    client.execute(&qapi::qmp::query_name {}).unwrap();
    client.execute(&qapi::qmp::query_kvm {}).unwrap();
    let blocks = client.execute(&qapi::qmp::query_block {}).unwrap();
    let inserted = blocks[0].inserted.as_ref().unwrap();
    assert_eq!(inserted.image.base.virtual_size, 4096);
    std::fs::remove_file(&image).unwrap();
    let commands = client.execute(&qapi::qmp::query_commands {}).unwrap();
    assert!(commands.iter().any(|c| c.name == "device_add"));
    let cpus = client.execute(&qapi::qmp::query_cpus_fast {}).unwrap();
    assert_eq!(cpus.len(), 2);
    let chardevs = client.execute(&qapi::qmp::query_chardev {}).unwrap();
    assert!(chardevs.iter().any(|c| c.label == "ring"));
    let schema = client.execute(&qapi::qmp::query_qmp_schema {}).unwrap();
    assert!(schema.len() > commands.len());
    let gone = qapi::qmp::device_del { id: "x".into() };
    assert!(client.execute(&gone).is_err());
    client.execute(&qapi::qmp::system_reset {}).unwrap();
}
