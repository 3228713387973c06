//! A 64-bit guest in the host's own address space: what is the emulator's stays untouched.

use tcg_mem::{Endian, GuestVa, UserMem};
use tcg_uspace::{AddressSpace, Errno, Geometry, MapRequest, Prot};

const ANON: i32 = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
const FIXED: i32 = ANON | libc::MAP_FIXED;
const NOREPLACE: i32 = ANON | libc::MAP_FIXED_NOREPLACE;

/// Each test has a stack top and so a mapping area of its own, since they share the process.
fn space(number: u64) -> AddressSpace {
    let geometry = Geometry {
        stack_top: (1 << 44) + (number << 40),
        ..Geometry::wide()
    };
    AddressSpace::new(UserMem::identity(), geometry, 8 << 20)
}

fn request(addr: u64, len: u64, flags: i32) -> MapRequest {
    MapRequest {
        addr,
        len,
        prot: Prot::RW,
        flags,
        file: None,
    }
}

/// A page of the emulator's own, at a place of its choice.
fn own_page(at: u64) -> u64 {
    let (prot, flags) = (libc::PROT_READ | libc::PROT_WRITE, NOREPLACE);
    // SAFETY: a new mapping that replaces nothing.
    let got = unsafe { libc::mmap(at as *mut libc::c_void, 4096, prot, flags, -1, 0) };
    assert_ne!(got, libc::MAP_FAILED);
    // SAFETY: the page is ours.
    unsafe { *got.cast::<u64>() = 0x1234 };
    got as u64
}

fn unharmed(page: u64) -> bool {
    // SAFETY: a page of `own_page`.
    unsafe { *(page as *const u64) == 0x1234 }
}

#[test]
fn fixed_mapping_over_the_emulator_fails_and_changes_nothing() {
    let s = space(0);
    let page = own_page(0x2000_0001_0000);
    for flags in [FIXED, NOREPLACE] {
        for (at, len) in [(page, 0x1000), (page - 0x3000, 0x8000)] {
            let want = match flags {
                FIXED => Errno::ENOMEM,
                _ => Errno::EEXIST,
            };
            assert_eq!(s.mmap(&request(at, len, flags)), Err(want));
        }
    }
    // Over a mapping of the guest's that ends before it: the guest's stays what it was.
    s.mmap(&request(page - 0x4000, 0x2000, FIXED)).unwrap();
    s.mem()
        .store_u64(GuestVa(page - 0x4000), Endian::Little, 9)
        .unwrap();
    assert_eq!(
        s.mmap(&request(page - 0x4000, 0x8000, FIXED)),
        Err(Errno::ENOMEM)
    );
    assert_eq!(
        s.mem().load_u64(GuestVa(page - 0x4000), Endian::Little),
        Ok(9)
    );
    s.mmap(&request(page - 0x2000, 0x2000, FIXED)).unwrap();
    // Nor do the calls that change mappings reach it.
    s.munmap(GuestVa(page - 0x1000), 0x3000).unwrap();
    assert_eq!(
        s.mprotect(GuestVa(page), 0x1000, Prot::NONE),
        Err(Errno::ENOMEM)
    );
    assert!(
        s.madvise(GuestVa(page), 0x1000, libc::MADV_DONTNEED)
            .is_err()
    );
    let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
    let moved = s.mremap(GuestVa(page - 0x4000), 0x1000, 0x1000, flags, GuestVa(page));
    assert_eq!(moved, Err(Errno::ENOMEM));
    assert!(unharmed(page));
}

#[test]
fn hint_at_the_emulator_goes_elsewhere() {
    let s = space(1);
    let page = own_page(0x2001_0000_0000);
    let got = s.mmap(&request(page, 0x2000, ANON)).unwrap();
    assert_ne!(got.0, page);
    s.mem().store_u64(got, Endian::Little, 1).unwrap();
    assert!(unharmed(page));
    let code = fixed_mapping_over_the_emulator_fails_and_changes_nothing as *const () as u64;
    let got = s.mmap(&request(code & !0xfff, 0x1000, ANON)).unwrap();
    assert_ne!(got.0, code & !0xfff);
}

#[test]
fn search_steps_aside_where_the_emulator_is() {
    let s = space(2);
    let first = s.mmap(&request(0, 0x1000, ANON)).unwrap().0;
    let page = own_page(first - 0x1000);
    let second = s.mmap(&request(0, 0x1000, ANON)).unwrap().0;
    assert!(second < page);
    s.mem()
        .store_u64(GuestVa(second), Endian::Little, 1)
        .unwrap();
    assert!(unharmed(page));
}

#[test]
fn memory_goes_back_to_the_host_and_can_be_mapped_again() {
    let s = space(3);
    let at = s.mmap(&request(0, 0x5000, ANON)).unwrap();
    s.mem().store_u64(at, Endian::Little, 5).unwrap();
    s.munmap(GuestVa(at.0 + 0x1000), 0x1000).unwrap();
    // A hole: the whole range over it again, partly taken, partly free.
    s.mmap(&request(at.0, 0x5000, FIXED)).unwrap();
    assert_eq!(s.mem().load_u64(at, Endian::Little), Ok(0));
    s.munmap(at, 0x5000).unwrap();
    // SAFETY: asks only whether something is mapped there.
    let rc = unsafe { libc::msync(at.0 as *mut libc::c_void, 0x5000, libc::MS_ASYNC) };
    assert_eq!(rc, -1);
}

#[test]
fn moves_and_growth_keep_contents() {
    let s = space(4);
    let at = s.mmap(&request(0, 0x2000, ANON)).unwrap();
    s.mem().store_u64(at, Endian::Little, 77).unwrap();
    // Something behind it, so that it has to move (unless the stack's gap is there).
    let _ = s.mmap(&request(at.0 + 0x2000, 0x1000, NOREPLACE));
    let grown = s
        .mremap(at, 0x2000, 0x10_0000, libc::MREMAP_MAYMOVE, GuestVa(0))
        .unwrap();
    assert_eq!(s.mem().load_u64(grown, Endian::Little), Ok(77));
    s.mem()
        .store_u64(GuestVa(grown.0 + 0xf_f000), Endian::Little, 1)
        .unwrap();
    let shared = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
    let a = s.mmap(&request(0x2100_0000_0000, 0x1000, shared)).unwrap();
    s.mem().store_u64(a, Endian::Little, 6).unwrap();
    let b = s.mremap(a, 0x1000, 0x3000, 0, GuestVa(0)).unwrap();
    assert_eq!((b, s.mem().load_u64(b, Endian::Little)), (a, Ok(6)));
}

#[test]
fn stack_break_and_low_programs_have_their_places() {
    let s = space(5);
    let low = s.map_stack(64 << 20).unwrap();
    assert_eq!(low.0 + (64 << 20), s.geometry().stack_top);
    s.mem()
        .store_u64(GuestVa(s.geometry().stack_top - 8), Endian::Big, 1)
        .unwrap();
    for at in [0x1_0000, 0x40_0000, 0x1000_0000] {
        s.mmap(&request(at, 0x1000, FIXED)).unwrap();
    }
    s.set_brk_start(GuestVa(0x1000_1000));
    let top = s.brk(GuestVa(0x1000_1000 + (16 << 20)));
    assert_eq!(top.0, 0x1000_1000 + (16 << 20));
    s.mem()
        .store_u64(GuestVa(top.0 - 8), Endian::Big, 1)
        .unwrap();
    assert_eq!(s.brk(GuestVa(0x1000_2000)).0, 0x1000_2000);
    // A program of terabytes costs a few words of page flags.
    let huge = s
        .mmap(&request(0, 8 << 40, ANON | libc::MAP_NORESERVE))
        .unwrap();
    s.munmap(huge, 8 << 40).unwrap();
    assert!(s.maps_text().contains("[heap]"));
}
