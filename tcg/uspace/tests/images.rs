//! Loading ELF images: where segments go, what the BSS holds, and that no damaged file makes the loader panic.

use std::fs::File;
use std::io::Write;
use std::os::fd::FromRawFd;
use tcg_mem::{Endian, GuestVa, UserMem};
use tcg_uspace::{AddressSpace, Backing, ElfError, Geometry, LoadPlan, load, read_header};

fn space() -> AddressSpace {
    let mem = UserMem::reserve_32().unwrap();
    let geometry = Geometry {
        task_size: 0xffff_0000,
        stack_top: 0xfffe_f000,
        pie_base: 0x40_0000,
        min_addr: 0x1_0000,
    };
    AddressSpace::new(mem, geometry, 8 << 20)
}

fn file(bytes: &[u8]) -> File {
    let name = c"image";
    // SAFETY: makes a descriptor that the File then owns.
    let mut f = unsafe { File::from_raw_fd(libc::memfd_create(name.as_ptr(), 0)) };
    f.write_all(bytes).unwrap();
    f
}

struct Segment {
    kind: u32,
    offset: u32,
    va: u32,
    file: u32,
    mem: u32,
    flags: u32,
}

fn load_segment(offset: u32, va: u32, file: u32, mem: u32, flags: u32) -> Segment {
    Segment {
        kind: 1,
        offset,
        va,
        file,
        mem,
        flags,
    }
}

/// A little-endian 32-bit image of `len` bytes, filled with 0xaa behind its headers.
fn image(kind: u16, entry: u32, segments: &[Segment], len: usize) -> Vec<u8> {
    let mut out = b"\x7fELF\x01\x01\x01".to_vec();
    out.resize(16, 0);
    let half = |v: u16, out: &mut Vec<u8>| out.extend_from_slice(&v.to_le_bytes());
    half(kind, &mut out);
    half(40, &mut out);
    for word in [1, entry, 52, 0, 0x0500_0200] {
        out.extend_from_slice(&u32::to_le_bytes(word));
    }
    for v in [52, 32, segments.len() as u16, 0, 0, 0] {
        half(v, &mut out);
    }
    for s in segments {
        for word in [s.kind, s.offset, s.va, s.va, s.file, s.mem, s.flags, 0x1000] {
            out.extend_from_slice(&word.to_le_bytes());
        }
    }
    out.resize(len.max(out.len()), 0xaa);
    out
}

fn backing() -> Backing {
    Backing {
        dev: 0,
        ino: 0,
        offset: 0,
        name: "/image".into(),
    }
}

fn load_bytes(
    s: &AddressSpace,
    bytes: &[u8],
    plan: LoadPlan,
) -> Result<tcg_uspace::Loaded, ElfError> {
    let f = file(bytes);
    let head = read_header(&f)?;
    load(s, &f, &head, plan, &backing(), false)
}

#[test]
fn fixed_image_goes_to_its_address_with_a_clean_bss() {
    let s = space();
    let segments = [
        load_segment(0, 0x2_0000, 0x300, 0x300, 5),
        load_segment(0x300, 0x2_1300, 0x100, 0x3000, 6),
    ];
    let l = load_bytes(
        &s,
        &image(2, 0x2_0100, &segments, 0x2000),
        LoadPlan::Anywhere,
    )
    .unwrap();
    assert_eq!(
        (l.bias, l.entry, l.phdr, l.phnum),
        (0, GuestVa(0x2_0100), GuestVa(0x2_0034), 2)
    );
    assert_eq!((l.start, l.end), (GuestVa(0x2_0000), GuestVa(0x2_4300)));
    let load = |va| s.mem().load_u32(GuestVa(va), Endian::Little).unwrap();
    assert_eq!(load(0x2_13fc), 0xaaaa_aaaa);
    assert_eq!(
        load(0x2_1400),
        0,
        "the file's next bytes are not part of the program"
    );
    assert_eq!(load(0x2_42fc), 0);
    let maps = s.maps_text();
    assert!(maps.contains("00020000-00021000 r-xp 00000000"), "{maps}");
    assert!(maps.contains("00021000-00022000 rw-p 00000000"), "{maps}");
    assert!(maps.contains("00022000-00025000 rw-p"), "{maps}");
}

#[test]
fn relocatable_image_goes_where_it_is_told_or_where_there_is_room() {
    let s = space();
    let segments = [
        load_segment(0, 0, 0x300, 0x300, 5),
        load_segment(0x1000, 0x1000, 0x10, 0x10, 6),
    ];
    let bytes = image(3, 0x100, &segments, 0x2000);
    let at = load_bytes(&s, &bytes, LoadPlan::At(0x40_0000)).unwrap();
    assert_eq!(
        (at.bias, at.entry, at.phdr),
        (0x40_0000, GuestVa(0x40_0100), GuestVa(0x40_0034))
    );
    let any = load_bytes(&s, &bytes, LoadPlan::Anywhere).unwrap();
    assert!(
        any.start.0 > 0x8000_0000 && any.end.0 < 0xfffe_f000,
        "{any:?}"
    );
}

#[test]
fn damaged_headers_are_told_apart() {
    let seg = || [load_segment(0, 0x2_0000, 0x300, 0x300, 5)];
    let good = image(2, 0x2_0100, &seg(), 0x1000);
    let header = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        read_header(&file(&bytes)).unwrap_err()
    };
    assert!(matches!(header(&|b| b.clear()), ElfError::NotElf));
    assert!(matches!(header(&|b| b[0] = 0), ElfError::NotElf));
    assert!(matches!(header(&|b| b[4] = 7), ElfError::Damaged(_)));
    assert!(matches!(header(&|b| b[16] = 1), ElfError::NotExecutable(1)));
    assert!(matches!(
        header(&|b| b.truncate(40)),
        ElfError::Truncated(_)
    ));
    assert!(matches!(
        header(&|b| b.truncate(60)),
        ElfError::Truncated(_)
    ));
    assert!(matches!(header(&|b| b[44] = 0), ElfError::Damaged(_)));
    assert!(matches!(header(&|b| b[42] = 31), ElfError::Damaged(_)));
    let one = |s: Segment| read_header(&file(&image(2, 0, &[s], 0x1000))).unwrap_err();
    assert!(matches!(
        one(load_segment(0, 0x2_0000, 0x300, 0x200, 5)),
        ElfError::Damaged(_)
    ));
    assert!(matches!(
        one(load_segment(1, 0x2_0000, 0x300, 0x300, 5)),
        ElfError::Damaged(_)
    ));
    assert!(matches!(
        one(load_segment(0, 0xffff_f000, 0x300, 0x3000, 5)),
        ElfError::Damaged(_)
    ));
    assert!(matches!(
        one(load_segment(0, 0x2_0000, 0x3000, 0x3000, 5)),
        ElfError::Truncated(_)
    ));
    assert!(matches!(
        one(Segment {
            kind: 3,
            offset: 0x34,
            va: 0,
            file: 0x10,
            mem: 0x10,
            flags: 4
        }),
        ElfError::Damaged(_)
    ));
}

#[test]
fn image_beyond_the_address_space_is_refused() {
    let s = space();
    let top = [load_segment(0, 0xffff_0000, 0x300, 0x300, 5)];
    assert!(matches!(
        load_bytes(&s, &image(2, 0, &top, 0x1000), LoadPlan::Anywhere),
        Err(ElfError::Map { .. })
    ));
    let low = [load_segment(0, 0, 0x300, 0x300, 5)];
    assert!(matches!(
        load_bytes(&s, &image(2, 0, &low, 0x1000), LoadPlan::Anywhere),
        Err(ElfError::Map { .. })
    ));
    let huge = [load_segment(0, 0, 0x300, 0xffff_f000, 5)];
    assert!(load_bytes(&s, &image(3, 0, &huge, 0x1000), LoadPlan::Anywhere).is_err());
}

/// Every byte of the headers with several values, and random changes of several bytes: errors are fine, panics not.
#[test]
fn no_change_of_the_headers_makes_the_loader_panic() {
    let segments = [
        load_segment(0, 0x2_0000, 0x300, 0x300, 5),
        load_segment(0x300, 0x2_1300, 0x100, 0x3000, 6),
        Segment {
            kind: 3,
            offset: 0x200,
            va: 0,
            file: 0x10,
            mem: 0x10,
            flags: 4,
        },
    ];
    let s = space();
    let mut good = image(3, 0x100, &segments, 0x1000);
    good[0x20f] = 0;
    assert!(load_bytes(&s, &good, LoadPlan::Anywhere).is_ok());
    let headers = 52 + 32 * segments.len();
    let (mut loaded, mut refused) = (0, 0);
    let mut attempt = |bytes: &[u8]| match load_bytes(&s, bytes, LoadPlan::Anywhere) {
        Ok(l) => {
            loaded += 1;
            let len = (l.end.0 - l.start.0).next_multiple_of(4096);
            s.munmap(l.start, len).unwrap();
        }
        Err(_) => refused += 1,
    };
    for at in 0..headers {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut bytes = good.clone();
            bytes[at] = value;
            attempt(&bytes);
        }
    }
    let mut x = 1u64;
    for _ in 0..1000 {
        let mut bytes = good.clone();
        for _ in 0..4 {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            bytes[(x >> 33) as usize % headers] = (x >> 56) as u8;
        }
        attempt(&bytes);
    }
    assert!(
        loaded > 100 && refused > 100,
        "{loaded} loaded, {refused} refused"
    );
}
