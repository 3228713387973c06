//! System mode's applets: `emu-system-ppc`, `emu system ppc`. Options to a machine, which then runs.

mod backends;
mod options;
mod parse;

use super::Failure;
use super::nearest::hint;
use backends::Hosts;
use options::SystemOptions;
use softmmu_boards::assemble::{Wanted, assemble};
use softmmu_boards::board::{Board, Source};
use softmmu_boards::boot::{Images, load};
use softmmu_core::clock::Clock;
use softmmu_core::control::Control;
use softmmu_core::device::Endian;
use softmmu_core::requests::Request;
use softmmu_core::{log, props};
use softmmu_devices::class::{Place, all, find};
use softmmu_machine::isa::{self, IsaPort};
use softmmu_machine::{Config, Machine};
use softmmu_monitor::migrate;
use softmmu_opts::size;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// The instruction set of an applet's name: `system-ppc`.
pub fn named(name: &str) -> Option<&'static str> {
    isa::find(name).map(|port| port.name)
}

/// Runs the applet of an instruction set.
pub fn run(isa: &str, words: &[OsString]) -> Result<ExitCode, Failure> {
    let port = isa::find(isa).ok_or_else(|| Failure::usage(format!("no system mode for {isa}")))?;
    let options = parse::parse(words)?;
    if let Some(text) = help(port, &options)? {
        print!("{text}");
        return Ok(ExitCode::SUCCESS);
    }
    start_log(&options)?;
    let status = boot(port, &options)?;
    softmmu_chardev::terminal::restore();
    // CPUs' threads are not waited for: nothing of theirs is worth it.
    std::process::exit(i32::from(status))
}

fn help(port: &IsaPort, options: &SystemOptions) -> Result<Option<String>, Failure> {
    if options.show_version {
        return Ok(Some(super::help::version() + "\n"));
    }
    if options.show_help {
        return Ok(Some(options::help(port.name)));
    }
    if options.cpu.as_deref() == Some("help") {
        let lines = (port.cpus)().into_iter().map(|c| format!("  {c}\n"));
        return Ok(Some(format!("CPU models:\n{}", lines.collect::<String>())));
    }
    if options.machine.as_deref() == Some("help") {
        let boards = Source::built_in(port.name).map_err(|e| Failure::usage(e.to_string()))?;
        let lines = boards
            .iter()
            .map(|s| format!("  {:<20} {}\n", s.board.name, s.board.title));
        return Ok(Some(format!(
            "Boards (or a file, ./my-board.toml):\n{}",
            lines.collect::<String>()
        )));
    }
    let machine = options.machine.as_deref().and_then(|m| m.split_once(','));
    if let Some((name, words)) = machine
        && words.split(',').any(|w| w == "help")
    {
        let source = Source::find(port.name, name);
        let source = source.map_err(|e| Failure::usage(format!("-M {e}")))?;
        return Ok(Some(source.describe()));
    }
    for text in &options.devices {
        let (name, rest) = text.split_once(',').unwrap_or((text, ""));
        if name == "help" {
            let extra = all().filter(|c| c.place != Place::System);
            let lines = extra.map(|c| format!("  {:<20} {}\n", c.name, c.title));
            return Ok(Some(format!("Devices:\n{}", lines.collect::<String>())));
        }
        if rest == "help" {
            let class = find(name).ok_or_else(|| unknown_device(name))?;
            return Ok(Some(props::describe(class.name, class.props)));
        }
    }
    Ok(None)
}

fn unknown_device(name: &str) -> Failure {
    let hint = hint(name, all().map(|c| c.name));
    Failure::usage(format!(
        "-device {name}: there is no such device{hint} (-device help lists them)"
    ))
}

fn start_log(options: &SystemOptions) -> Result<(), Failure> {
    let mut mask = 0;
    for word in options.log.iter().flat_map(|w| w.split(',')) {
        mask |= match word {
            "guest_errors" => log::GUEST_ERRORS,
            "unimp" => log::UNIMP,
            other => {
                let hint = hint(other, ["guest_errors", "unimp"].into_iter());
                let text = format!("-d {other}: system mode logs guest_errors and unimp{hint}");
                return Err(Failure::usage(text));
            }
        };
    }
    let out: Option<Box<dyn std::io::Write + Send>> = match &options.log_file {
        None => None,
        Some(path) => {
            let file = std::fs::File::create(path);
            let named = |e: std::io::Error| Failure::usage(format!("-D {}: {e}", path.display()));
            Some(Box::new(file.map_err(named)?))
        }
    };
    log::set(mask, out);
    Ok(())
}

/// The option of boards that `-vga` sets.
const VGA: &str = "vga";

/// What `-M NAME,KEY=VALUE,...` says besides the name.
#[derive(Default)]
struct MachineWords {
    dump_dtb: Option<PathBuf>,
    /// Options of the board.
    options: BTreeMap<String, String>,
}

fn machine_words(
    source: &Source,
    rest: &str,
    options: &SystemOptions,
) -> Result<MachineWords, Failure> {
    let mut words = MachineWords::default();
    let mut opts =
        softmmu_opts::Opts::parse(rest, None).map_err(|e| Failure::usage(e.to_string()))?;
    words.dump_dtb = opts.text("dumpdtb").map(PathBuf::from);
    // Taken for scripts' sake: there is one accelerator, and it is always on.
    let _ = (opts.text("accel"), opts.text("usb"), opts.text("graphics"));
    // The board's own options; it says which it has.
    let own = |(k, v): (&str, &str)| (k.to_owned(), v.to_owned());
    words.options = opts.rest().map(own).collect();
    match options.vga.as_deref() {
        Some(kind) if source.board.options.contains_key(VGA) => {
            words.options.insert(VGA.into(), kind.into());
        }
        None | Some("none") => {}
        Some(kind) => {
            let text = format!(
                "-vga {kind}: board {} has no graphics card",
                source.board.name
            );
            return Err(Failure::usage(text));
        }
    }
    let checked = source.check_options(&words.options);
    checked.map_err(|e| Failure::usage(format!("-M {e}")))?;
    Ok(words)
}

fn ram_bytes(source: &Source, options: &SystemOptions) -> Result<u64, Failure> {
    let memory = &source.board.memory;
    let of = |text: &str| size(text).ok_or_else(|| Failure::usage(format!("memory size '{text}'")));
    let bytes = match options.memory {
        Some(bytes) => bytes,
        None => of(&memory.default)?,
    };
    match &memory.max {
        Some(max) if bytes > of(max)? => Err(Failure::usage(format!(
            "-m: board {} has at most {max}",
            source.board.name
        ))),
        _ if bytes < 1 << 20 => Err(Failure::usage("-m: less than 1 MiB")),
        _ => Ok(bytes),
    }
}

fn cpu_model<'a>(
    port: &IsaPort,
    source: &'a Source,
    options: &'a SystemOptions,
) -> Result<&'a str, Failure> {
    let board = &source.board;
    let Some(wanted) = options.cpu.as_deref() else {
        return Ok(&board.cpu);
    };
    let known = (port.cpus)();
    if !known.iter().any(|c| c.eq_ignore_ascii_case(wanted)) {
        let hint = hint(wanted, known.iter().copied());
        let text = format!("-cpu {wanted}: no such model{hint} (-cpu help lists them)");
        return Err(Failure::usage(text));
    }
    Ok(wanted)
}

/// Where images without a folder are looked for.
const DATA_FOLDERS: &[&str] = &[
    "/usr/share/qemu",
    "/usr/share/openbios",
    "/usr/share/seabios",
];

fn firmware(options: &SystemOptions, board: &Board) -> Result<Option<PathBuf>, Failure> {
    let own = board.boot.firmware.as_ref().map(PathBuf::from);
    let Some(name) = options.firmware.as_ref().or(own.as_ref()) else {
        return Ok(None);
    };
    if options.firmware.is_some() && name.exists() {
        return Ok(Some(name.clone()));
    }
    let folders = options.data.iter().map(PathBuf::as_path);
    let folders = folders.chain(DATA_FOLDERS.iter().map(Path::new));
    let found = folders.map(|f| f.join(name)).find(|p| p.exists());
    let missing = || {
        let package = board.boot.firmware_package.as_ref();
        let package = package.map(|p| format!("; Debian has it in the package {p}"));
        Failure::usage(format!(
            "firmware {}: there is no such file (-bios names another, -L adds folders{})",
            name.display(),
            package.unwrap_or_default()
        ))
    };
    found.map(Some).ok_or_else(missing)
}

/// Makes the machine and runs it; the status to end with.
fn boot(port: &'static IsaPort, options: &SystemOptions) -> Result<u8, Failure> {
    let usage = |e: &dyn std::fmt::Display| Failure::usage(e.to_string());
    let named = options
        .machine
        .as_deref()
        .ok_or_else(|| Failure::usage("no board: give one with -M (-M help lists them)"))?;
    let (name, rest) = named.split_once(',').unwrap_or((named, ""));
    let source = Source::find(port.name, name).map_err(|e| usage(&format!("-M {e}")))?;
    let words = machine_words(&source, rest, options)?;
    let board = &source.board;
    if board.isa != port.name {
        return Err(Failure::usage(format!(
            "-M {name}: a board for {}",
            board.isa
        )));
    }
    let cpus = options.cpus.unwrap_or(1);
    if cpus == 0 || cpus > board.max_cpus {
        return Err(Failure::usage(format!(
            "-smp {cpus}: board {name} has 1 to {}",
            board.max_cpus
        )));
    }
    let model = cpu_model(port, &source, options)?;
    let isa = (port.make)(model, board.clock_hz).ok_or_else(|| {
        Failure::usage(format!("-cpu {model}: no system mode for this model yet"))
    })?;
    let hosts = Arc::new(Hosts::open(options)?);
    let (devices, loaders) = hosts.devices(options, board)?;
    let endian = if port.big_endian {
        Endian::Big
    } else {
        Endian::Little
    };
    let wanted = Wanted {
        ram: ram_bytes(&source, options)?,
        cpus,
        endian,
        options: words.options.clone(),
        firmware_env: options.firmware_env.clone(),
        seed: fixed_seed(options),
        devices,
    };
    if options.icount.is_some() && cpus > 1 {
        return Err(Failure::usage("-icount: one CPU only, so far"));
    }
    let clock = Arc::new(match options.icount {
        None => Clock::new(options.rtc_clock(), options.rtc_base),
        Some(shift) => Clock::counted(shift, options.rtc_base),
    });
    let assembly = assemble(&source, &wanted, clock, hosts.clone()).map_err(|e| usage(&e))?;
    let images = Images {
        kernel: options.kernel.clone(),
        initrd: options.initrd.clone(),
        append: options.append.clone(),
        dtb: options.dtb.clone(),
        firmware: firmware(options, board)?,
        loaders,
        seed: seed(options),
        order: options.boot_order.clone().unwrap_or_else(|| "cd".into()),
        no_graphic: options.no_graphic,
        screen: options.screen,
    };
    let loaded = load(&source, &assembly, &wanted, &images).map_err(|e| usage(&e))?;
    if let Some(path) = words.dump_dtb {
        let bytes = loaded
            .dtb
            .ok_or_else(|| usage(&"this machine has no device tree"))?;
        std::fs::write(&path, bytes).map_err(|e| usage(&format!("{}: {e}", path.display())))?;
        return Ok(0);
    }
    if loaded.start.is_none() && !options.stopped {
        return Err(Failure::usage(
            "nothing to start: give -kernel, -bios or -device loader",
        ));
    }
    let config = Config {
        no_reboot: options.no_reboot,
        no_shutdown: options.no_shutdown,
        name: options.name.clone(),
        board: board.name.clone(),
        cpu: model.to_owned(),
        cpus,
        ..Config::default()
    };
    let machine = Machine::new(assembly, loaded, port, isa, config).map_err(|e| usage(&e))?;
    let requests = machine.requests().clone();
    hosts.on_exit(Arc::new(move || requests.ask(Request::Quit(0))));
    let control: Arc<dyn Control> = machine.clone();
    let context = hosts.context(&control, port.big_endian, port.name);
    hosts.start_monitors(&context)?;
    if let Some(name) = &options.loadvm {
        migrate::load(&context, name).map_err(|e| usage(&format!("-loadvm {e}")))?;
    }
    if let Some(place) = options.incoming.clone() {
        let (context, run) = (context.clone(), !options.stopped);
        let receive = move || {
            if let Err(e) = migrate::receive(&context, &place, run) {
                eprintln!("emu: -incoming {e}");
                context.machine.quit(1);
            }
        };
        let thread = std::thread::Builder::new().name("incoming".into());
        thread.spawn(receive).map_err(|e| usage(&e))?;
    }
    if let Some(place) = &options.gdb {
        let run = softmmu_monitor::runner(context);
        softmmu_machine::gdb::start(&machine, place, run)
            .map_err(|e| usage(&format!("-gdb: {e}")))?;
    }
    if !options.stopped && options.incoming.is_none() {
        machine.cont();
    }
    let status = machine.run();
    machine.stop();
    // What the guest wrote without a flush is not lost when it ends in good order.
    hosts.write_back()?;
    Ok(status)
}

/// Where random numbers come from if they are the same each time: with counted instructions that is so.
fn fixed_seed(options: &SystemOptions) -> Option<u64> {
    options.seed.or(options.icount.map(|_| 0))
}

/// Random bytes for the guest's own.
fn seed(options: &SystemOptions) -> Vec<u8> {
    let mut bytes = vec![0; 32];
    if let Some(seed) = fixed_seed(options) {
        let mut word = seed;
        for piece in bytes.chunks_mut(8) {
            // Knuth's multiplier: neighbouring seeds give other bytes.
            word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            piece.copy_from_slice(&word.to_le_bytes());
        }
        return bytes;
    }
    let filled = std::fs::File::open("/dev/urandom")
        .and_then(|mut f| std::io::Read::read_exact(&mut f, &mut bytes));
    filled.map(|()| bytes).unwrap_or_default()
}
