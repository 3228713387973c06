//! Images against qemu-img, where it is installed; locks, snapshots, and a writer that is killed.

use softmmu_block::drive::{Drives, drive};
use softmmu_block::format::Format;
use softmmu_block::image::{How, Image};
use softmmu_block::tool::{self, Creation};
use softmmu_core::block::BlockBackend;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

fn folder(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("emu-block-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

fn text(path: &std::path::Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Runs qemu-img; says loudly when there is none.
fn qemu_img(arguments: &[&str]) -> Option<(bool, String)> {
    let program = std::env::var("QEMU_IMG").unwrap_or_else(|_| "qemu-img".to_owned());
    match Command::new(program).args(arguments).output() {
        Ok(output) => {
            let both = [output.stdout, output.stderr].concat();
            Some((
                output.status.success(),
                String::from_utf8_lossy(&both).into_owned(),
            ))
        }
        Err(e) => {
            eprintln!("NOT TESTED AGAINST qemu-img: {e} (install qemu-utils, or set QEMU_IMG)");
            None
        }
    }
}

#[track_caller]
fn accepted(path: &str) {
    let own = tool::check(path).unwrap();
    assert_eq!((own.corruptions, own.leaks), (0, 0), "{:?}", own.errors);
    if let Some((good, text)) = qemu_img(&["check", path]) {
        assert!(good, "{text}");
    }
}

const RW: How = How {
    write: true,
    snapshot: false,
    direct: false,
    no_flush: false,
    write_through: false,
    discard: true,
    unlocked: false,
};

fn create(path: &str, format: Format, size: u64) {
    let mut what = Creation::new(format);
    what.size = Some(size);
    tool::create(path, &what).unwrap();
}

struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 33) % n
    }
}

#[test]
fn random_accesses_agree_with_memory() {
    let dir = folder("random");
    for format in [Format::Raw, Format::Qcow2] {
        let path = text(&dir.join(format.word()));
        let size = 8 << 20;
        create(&path, format, size);
        let mut model = vec![0u8; size as usize];
        let mut random = Random(7);
        {
            let image = Image::open(&path, Some(format), RW).unwrap();
            for step in 0..400 {
                let at = random.below(size - 200_000);
                let len = 1 + random.below(if step % 4 == 0 { 200_000 } else { 5000 });
                let range = at as usize..(at + len) as usize;
                match random.below(8) {
                    0..=3 => {
                        let data: Vec<u8> = (0..len).map(|i| (i * 31 + at + step) as u8).collect();
                        image.write(at, &data).unwrap();
                        model[range].copy_from_slice(&data);
                    }
                    4 => {
                        image.write_zeroes(at, len).unwrap();
                        model[range].fill(0);
                    }
                    5 => {
                        image.discard(at, len).unwrap();
                        let mut after = vec![0; len as usize];
                        image.read(at, &mut after).unwrap();
                        for (new, old) in after.iter().zip(&model[range.clone()]) {
                            assert!(*new == 0 || new == old);
                        }
                        model[range].copy_from_slice(&after);
                    }
                    6 => image.flush().unwrap(),
                    _ => {
                        let mut data = vec![1; len as usize];
                        image.read(at, &mut data).unwrap();
                        assert!(data == model[range], "{format:?} at {at}");
                    }
                }
            }
            for (at, len) in [(size, 1), (size - 1, 2), (u64::MAX, 1)] {
                assert!(image.read(at, &mut vec![0; len]).is_err());
                assert!(image.write(at, &vec![0; len]).is_err());
                assert!(image.discard(at, len as u64).is_err());
            }
            image.flush().unwrap();
        }
        let image = Image::open(&path, None, How::default()).unwrap();
        assert_eq!(image.format(), (format, format == Format::Raw));
        let mut all = vec![1; size as usize];
        image.read(0, &mut all).unwrap();
        assert!(all == model, "{format:?} after closing");
        assert!(image.write(0, &[1]).is_err(), "read-only");
        drop(image);
        if format == Format::Qcow2 {
            accepted(&path);
        }
    }
}

#[test]
fn what_qemu_img_makes_is_read_and_the_other_way_round() {
    let dir = folder("interop");
    let (raw, theirs) = (text(&dir.join("raw")), text(&dir.join("theirs")));
    let mut data: Vec<u8> = (0..3u32 << 20).map(|i| (i >> 9) as u8).collect();
    data[1 << 20..2 << 20].fill(0);
    std::fs::write(&raw, &data).unwrap();
    let quiet = &mut |_| {};
    let own = text(&dir.join("own"));
    tool::convert(
        (&raw, Some(Format::Raw)),
        &own,
        &Creation::new(Format::Qcow2),
        quiet,
    )
    .unwrap();
    accepted(&own);
    let back = text(&dir.join("back"));
    tool::convert((&own, None), &back, &Creation::new(Format::Raw), quiet).unwrap();
    assert!(std::fs::read(&back).unwrap() == data);
    let Some((made, said)) = qemu_img(&["convert", "-c", "-O", "qcow2", &raw, &theirs]) else {
        return;
    };
    assert!(made, "{said}");
    assert!(qemu_img(&["compare", &raw, &own]).unwrap().0);
    tool::convert((&theirs, None), &back, &Creation::new(Format::Raw), quiet).unwrap();
    assert!(std::fs::read(&back).unwrap() == data);
    let findings = tool::check(&theirs).unwrap();
    assert_eq!((findings.corruptions, findings.leaks), (0, 0));
    assert!(findings.compressed_clusters > 0);
    for path in [&own, &theirs, &raw] {
        let (_, said) = qemu_img(&["info", "--output=json", path]).unwrap();
        let theirs: serde_json::Value = serde_json::from_str(&said).unwrap();
        let ours = tool::info(path, None, false).unwrap().json();
        for (key, value) in ours.as_object().unwrap() {
            assert_eq!(
                Some(value),
                theirs.get(key).or(Some(value)),
                "{key} of {path}"
            );
        }
        for key in ["virtual-size", "format", "format-specific", "cluster-size"] {
            if key != "format-specific" || *path != raw {
                assert_eq!(ours.get(key), theirs.get(key), "{key} of {path}");
            }
        }
        let (_, said) = qemu_img(&["info", path]).unwrap();
        let text = tool::info(path, None, false).unwrap().text();
        let theirs: Vec<&str> = said.lines().collect();
        for line in text.lines().filter(|l| !l.starts_with("disk size")) {
            assert!(theirs.contains(&line), "'{line}' in\n{said}");
        }
    }
}

#[test]
fn broken_reference_counts_are_found() {
    let path = text(&folder("broken").join("q"));
    create(&path, Format::Qcow2, 1 << 20);
    let image = Image::open(&path, None, RW).unwrap();
    image.write(0, &[1; 65536]).unwrap();
    drop(image);
    accepted(&path);
    let mut bytes = std::fs::read(&path).unwrap();
    // The reference counts' block is the third cluster; the first data follows the tables.
    let counts = 2 * 65536;
    let last = bytes.len() / 65536 - 1;
    bytes[counts + last * 2 + 1] = 0;
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(tool::check(&path).unwrap().corruptions, 1);
    bytes[counts + last * 2 + 1] = 2;
    std::fs::write(&path, &bytes).unwrap();
    let findings = tool::check(&path).unwrap();
    assert_eq!((findings.corruptions, findings.leaks), (0, 1));
    let mut random = Random(3);
    for _ in 0..600 {
        let mut bad = bytes.clone();
        for _ in 0..1 + random.below(4) {
            let header = random.below(2) == 0;
            let end = if header { 112 } else { bytes.len() as u64 };
            let at = random.below(end);
            bad[at as usize] = random.below(256) as u8;
        }
        std::fs::write(&path, &bad).unwrap();
        // Any result will do, as long as there is one.
        let _ = tool::check(&path);
        let _ = tool::info(&path, None, false);
        if let Ok(image) = Image::open(&path, None, How::default()) {
            let _ = image.read(0, &mut [0; 512]);
        }
    }
}

#[test]
fn the_page_cache_can_be_passed_by() {
    // Not where the file system cannot do it.
    let dir = std::env::current_dir()
        .unwrap()
        .join(format!("direct-{}.tmp", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let path = text(&dir.join("q"));
    create(&path, Format::Qcow2, 1 << 20);
    let how = How { direct: true, ..RW };
    match Image::open(&path, None, how) {
        Ok(image) => {
            image.write(1001, &[5; 3000]).unwrap();
            let mut got = [0; 3002];
            image.read(1000, &mut got).unwrap();
            assert!(got[0] == 0 && got[1..3001] == [5; 3000] && got[3001] == 0);
            drop(image);
            accepted(&path);
        }
        Err(e) => eprintln!("NOT TESTED: O_DIRECT: {e}"),
    }
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn sizes_change() {
    let dir = folder("resize");
    for format in [Format::Raw, Format::Qcow2] {
        let path = text(&dir.join(format.word()));
        create(&path, format, 1 << 20);
        let none = imago::format::PreallocateMode::None;
        let resize = |size: &str, shrink| tool::resize(&path, Some(format), size, shrink, none);
        assert_eq!(resize("+3M", false), Ok(4 << 20));
        assert!(resize("2M", false).unwrap_err().0.contains("--shrink"));
        assert_eq!(resize("-1M", true), Ok(3 << 20));
        assert!(resize("-9M", true).is_err() && resize("x", true).is_err());
        assert_eq!(
            Image::open(&path, Some(format), How::default())
                .unwrap()
                .size(),
            3 << 20
        );
        if format == Format::Qcow2 {
            accepted(&path);
        }
    }
}

#[test]
fn a_backing_file_shows_through_and_stays_as_it_is() {
    let dir = folder("backing");
    let (base, top) = (text(&dir.join("base")), text(&dir.join("top")));
    std::fs::write(&base, vec![7; 1 << 20]).unwrap();
    let mut what = Creation::new(Format::Qcow2);
    what.backing = Some(("base".to_owned(), Format::Raw));
    assert_eq!(tool::create(&top, &what), Ok(1 << 20));
    let image = Image::open(&top, None, RW).unwrap();
    image.write(100, &[9; 10]).unwrap();
    let mut got = [0; 12];
    image.read(99, &mut got).unwrap();
    assert_eq!(got, [7, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 7]);
    drop(image);
    accepted(&top);
    assert!(std::fs::read(&base).unwrap() == vec![7; 1 << 20]);
    let info = tool::info(&top, None, false).unwrap().json();
    assert_eq!(info["backing-filename"], "base");
    assert_eq!(info["backing-filename-format"], "raw");
    let extents = tool::map(&top, None).unwrap();
    assert_eq!(extents.iter().map(|(_, e)| e.length).sum::<u64>(), 1 << 20);
    assert!(extents.iter().all(|(_, e)| !e.zero));
}

#[test]
fn snapshots_take_all_writes_and_vanish() {
    let dir = folder("snapshot");
    for format in [Format::Raw, Format::Qcow2] {
        let path = text(&dir.join(format.word()));
        create(&path, format, 1 << 20);
        Image::open(&path, Some(format), RW)
            .unwrap()
            .write(0, &[3; 4096])
            .unwrap();
        let before = std::fs::read(&path).unwrap();
        let how = How {
            snapshot: true,
            ..RW
        };
        let image = Image::open(&path, Some(format), how).unwrap();
        image.write(1000, &[4; 100_000]).unwrap();
        image.discard(0, 512).unwrap();
        image.flush().unwrap();
        let mut got = [0; 2];
        image.read(999, &mut got).unwrap();
        assert_eq!(got, [3, 4]);
        assert!(std::fs::read(&path).unwrap() == before);
    }
}

#[test]
fn two_writers_are_refused() {
    let dir = folder("locks");
    let path = text(&dir.join("q"));
    create(&path, Format::Qcow2, 1 << 20);
    let first = Image::open(&path, None, RW).unwrap();
    for how in [RW, How::default()] {
        let error = Image::open(&path, None, how).err().unwrap().0;
        assert!(
            error.contains("Is another process using the image?"),
            "{error}"
        );
    }
    assert!(
        Image::open(
            &path,
            None,
            How {
                unlocked: true,
                ..RW
            }
        )
        .is_ok()
    );
    if let Some((good, said)) = qemu_img(&["info", &path]) {
        assert!(!good && said.contains("lock"), "{said}");
    }
    drop(first);
    let readers = [(); 2].map(|()| Image::open(&path, None, How::default()).unwrap());
    assert!(Image::open(&path, None, RW).is_err());
    if let Some((good, said)) = qemu_img(&["resize", &path, "2M"]) {
        assert!(!good && said.contains("lock"), "{said}");
    }
    drop(readers);
    Image::open(&path, None, RW).unwrap();
}

/// Not a test by itself: what [`a_killed_writer_leaves_a_sound_image`] kills.
#[test]
fn child_writer() {
    let Ok(path) = std::env::var("EMU_TEST_WRITE_TO") else {
        return;
    };
    let image = Image::open(&path, None, RW).unwrap();
    let mut random = Random(std::process::id().into());
    let end = std::time::Instant::now() + Duration::from_secs(60);
    while std::time::Instant::now() < end {
        let at = random.below(image.size() - (1 << 20));
        let len = 1 + random.below(300_000);
        match random.below(16) {
            0 => image.flush().unwrap(),
            1 => image.discard(at, len).unwrap(),
            2 => image.write_zeroes(at, len).unwrap(),
            _ => image.write(at, &vec![0x55; len as usize]).unwrap(),
        }
    }
}

#[test]
fn a_killed_writer_leaves_a_sound_image() {
    let dir = folder("kill");
    let mut random = Random(99);
    for round in 0..12 {
        let path = text(&dir.join(format!("q{round}")));
        let mut what = Creation::new(Format::Qcow2);
        what.size = Some(256 << 20);
        // Small clusters have many tables.
        what.cluster = if round % 2 == 0 { 4096 } else { 65536 };
        tool::create(&path, &what).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_writer", "--nocapture"])
            .env("EMU_TEST_WRITE_TO", &path)
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(60 + random.below(200)));
        assert!(
            child.try_wait().unwrap().is_none(),
            "the writer ended by itself"
        );
        child.kill().unwrap();
        child.wait().unwrap();
        let own = tool::check(&path).unwrap();
        assert_eq!(own.corruptions, 0, "round {round}: {:?}", own.errors);
        if let Some((_, said)) = qemu_img(&["check", &path]) {
            // Leaks may be there; they can be repaired.
            let clean = said.contains("No errors were found on the image");
            let leaks = said.contains("leaked clusters") && !said.contains("ERROR");
            assert!(clean || leaks, "round {round}: {said}");
        }
    }
}

#[test]
fn what_was_not_flushed_is_there_after_a_good_end() {
    for no_flush in [false, true] {
        let path = text(&folder("end").join("q"));
        let mut what = Creation::new(Format::Qcow2);
        what.size = Some(1 << 30);
        tool::create(&path, &what).unwrap();
        let how = How { no_flush, ..RW };
        for (at, flushed) in [(0, false), (700 << 20, true)] {
            let image = Image::open(&path, None, how).unwrap();
            image.write(at, &[0x77; 5000]).unwrap();
            if flushed {
                // As before the end of a process that drops nothing.
                image.flush().unwrap();
                std::mem::forget(image);
            }
        }
        let copy = format!("{path}.copy");
        std::fs::copy(&path, &copy).unwrap();
        let image = Image::open(&copy, None, How::default()).unwrap();
        for at in [0, 700 << 20] {
            let mut seen = [0; 5001];
            image.read(at, &mut seen).unwrap();
            assert!(seen[..5000].iter().all(|b| *b == 0x77), "at {at}");
            assert_eq!(seen[5000], 0);
        }
        drop(image);
        assert_eq!(tool::check(&copy).unwrap().corruptions, 0);
    }
}

#[test]
fn a_guessed_raw_image_cannot_turn_into_another() {
    let path = text(&folder("guess").join("raw"));
    std::fs::write(&path, [0; 1024]).unwrap();
    let how = How {
        write: true,
        ..How::default()
    };
    let guessed = Image::open(&path, None, how).unwrap();
    assert!(guessed.write(0, b"QFI\xfb and more").is_err());
    guessed.write(0, b"anything else").unwrap();
    drop(guessed);
    let named = Image::open(&path, Some(Format::Raw), how).unwrap();
    named.write(0, b"QFI\xfb and more").unwrap();
    drop(named);
    std::fs::write(&path, b"KDMV and a disk").unwrap();
    assert!(
        Image::open(&path, None, how)
            .err()
            .unwrap()
            .0
            .contains("vmdk")
    );
}

#[test]
fn drives_are_read_as_qemu_reads_them() {
    let d = drive(
        "file=a,,b.img,if=virtio,format=raw,cache=none,discard=unmap,id=x,index=1",
        "n",
    );
    let d = d.unwrap();
    assert_eq!((d.id.as_str(), d.file.as_deref()), ("x", Some("a,b.img")));
    assert_eq!((d.interface.as_deref(), d.index), (Some("virtio"), Some(1)));
    assert!(d.how.write && d.how.direct && d.how.discard && !d.how.snapshot);
    let d = drive("file=x.iso,media=cdrom", "n").unwrap();
    assert!(d.cdrom && !d.how.write && d.id == "n");
    let d = drive("file=x,readonly=on,cache=unsafe,snapshot=on", "n").unwrap();
    assert!(!d.how.write && d.how.no_flush && d.how.snapshot);
    for (text, word) in [
        ("file=x,if=virtoi", "did you mean 'virtio'"),
        ("file=x,cache=fast", "cache=fast"),
        ("file=x,format=qcow", "did you mean 'qcow2'"),
        ("file=x,index=1,unit=0", "exclude"),
        ("if=virtio", "'file='"),
        ("file=x,fromat=raw", "did you mean 'format'"),
        ("file=x,werror=stop", "not supported"),
    ] {
        let error = drive(text, "n").unwrap_err().0;
        assert!(error.contains(word), "{text}: {error}");
    }
    let path = text(&folder("drives").join("q"));
    create(&path, Format::Qcow2, 1 << 20);
    let drives = Drives::default();
    drives.add(&format!("file={path},if=none,id=hd")).unwrap();
    assert!(
        drives
            .add("file=/nonexistent,id=y")
            .unwrap_err()
            .0
            .contains("Could not open")
    );
    assert!(
        drives
            .add(&format!("file={path},id=z"))
            .unwrap_err()
            .0
            .contains("another process")
    );
    drives.add_blockdev(&format!(
        "driver=qcow2,node-name=ro,file.driver=file,file.filename={path},read-only=on,locking=off"
    )).unwrap();
    assert!(drives.claim("hd").unwrap().is_some());
    assert!(drives.claim("hd").err().unwrap().0.contains("in use"));
    assert!(
        drives
            .claim("hdd")
            .err()
            .unwrap()
            .0
            .contains("did you mean 'hd'")
    );
    drives.flush().unwrap();
}
