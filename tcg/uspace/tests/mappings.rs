//! The mapping calls against what Linux answers for the same requests.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use tcg_mem::{Access, Endian, FaultKind, GuestVa, UserMem};
use tcg_target::{CodeMemory, CodeUser, WriteFault};
use tcg_uspace::{AddressSpace, Backing, Errno, Geometry, MapRequest, Prot};

const ANON: i32 = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
const FIXED: i32 = ANON | libc::MAP_FIXED;

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

fn request(addr: u64, len: u64, prot: Prot, flags: i32) -> MapRequest {
    MapRequest {
        addr,
        len,
        prot,
        flags,
        file: None,
    }
}

fn put(s: &AddressSpace, addr: u64, len: u64) {
    s.mmap(&request(addr, len, Prot::RW, FIXED)).unwrap();
}

#[test]
fn mmap_without_address_goes_top_down_and_adjoins() {
    let s = space();
    let a = s.mmap(&request(0, 0x3000, Prot::RW, ANON)).unwrap();
    let b = s.mmap(&request(0, 0x1000, Prot::RW, ANON)).unwrap();
    assert_eq!(b.0, a.0 - 0x1000);
    assert_eq!(
        s.maps_text().lines().count(),
        1,
        "adjoining equal mappings are one"
    );
    s.munmap(GuestVa(a.0 + 0x1000), 0x1000).unwrap();
    assert_eq!(s.maps_text().lines().count(), 2);
    let c = s.mmap(&request(0, 0x1000, Prot::R, ANON)).unwrap();
    assert_eq!(c.0, a.0 + 0x1000, "the highest hole that is large enough");
}

#[test]
fn mmap_refuses_as_linux_does() {
    let s = space();
    let err = |addr, len, flags| s.mmap(&request(addr, len, Prot::RW, flags)).unwrap_err();
    assert_eq!(err(0, 0, ANON), Errno::EINVAL);
    assert_eq!(err(0, 0x1000, libc::MAP_ANONYMOUS), Errno::EINVAL);
    assert_eq!(err(0x123, 0x1000, FIXED), Errno::EINVAL);
    assert_eq!(err(0x1000, 0x1000, FIXED), Errno::EPERM);
    assert_eq!(err(0xffff_0000, 0x1000, FIXED), Errno::ENOMEM);
    assert_eq!(err(0, u64::MAX - 10, ANON), Errno::ENOMEM);
    assert_eq!(err(0, 0xffff_f000, ANON), Errno::ENOMEM);
    put(&s, 0x20_0000, 0x2000);
    assert_eq!(
        err(0x20_1000, 0x1000, ANON | libc::MAP_FIXED_NOREPLACE),
        Errno::EEXIST
    );
    let hint = s.mmap(&request(0x20_1000, 0x1000, Prot::RW, ANON)).unwrap();
    assert_ne!(hint.0, 0x20_1000);
    assert_eq!(
        s.mmap(&request(0x20_2000, 0x1000, Prot::RW, ANON))
            .unwrap()
            .0,
        0x20_2000
    );
}

#[test]
fn mprotect_covers_until_the_first_hole_and_says_enomem() {
    let s = space();
    put(&s, 0x20_0000, 0x1000);
    put(&s, 0x20_2000, 0x1000);
    assert_eq!(
        s.mprotect(GuestVa(0x20_0000), 0x3000, Prot::R).unwrap_err(),
        Errno::ENOMEM
    );
    let text = s.maps_text();
    assert!(text.contains("00200000-00201000 r--p"), "{text}");
    assert!(text.contains("00202000-00203000 rw-p"), "{text}");
    assert_eq!(
        s.mprotect(GuestVa(0x20_0001), 1, Prot::R).unwrap_err(),
        Errno::EINVAL
    );
}

#[test]
fn mremap_of_unmapped_page_is_efault_and_of_blocked_growth_enomem() {
    let s = space();
    put(&s, 0x20_0000, 0x2000);
    // What musl's pthread_getattr_np does: grow one page in place, all through the stack.
    let grow = |at| s.mremap(GuestVa(at), 0x1000, 0x2000, 0, GuestVa(0));
    assert_eq!(grow(0x20_0000).unwrap_err(), Errno::ENOMEM);
    assert_eq!(grow(0x1f_f000).unwrap_err(), Errno::EFAULT);
    assert_eq!(
        s.mremap(GuestVa(0x20_0000), 0x3000, 0x4000, 1, GuestVa(0))
            .unwrap_err(),
        Errno::EFAULT
    );
    assert_eq!(
        s.mremap(GuestVa(0x20_0000), 0x1000, 0, 1, GuestVa(0))
            .unwrap_err(),
        Errno::EINVAL
    );
    assert_eq!(
        s.mremap(GuestVa(0x20_0000), 0x1000, 0x1000, 8, GuestVa(0))
            .unwrap_err(),
        Errno::EINVAL
    );
}

#[test]
fn mremap_grows_in_place_moves_and_keeps_contents() {
    let s = space();
    put(&s, 0x20_0000, 0x2000);
    let mem = s.mem();
    mem.store_u32(GuestVa(0x20_1000), Endian::Little, 77)
        .unwrap();
    assert_eq!(
        s.mremap(GuestVa(0x20_0000), 0x2000, 0x4000, 0, GuestVa(0))
            .unwrap()
            .0,
        0x20_0000
    );
    mem.store_u32(GuestVa(0x20_3ffc), Endian::Little, 78)
        .unwrap();
    put(&s, 0x20_4000, 0x1000);
    s.mprotect(GuestVa(0x20_4000), 0x1000, Prot::R).unwrap();
    let to = s
        .mremap(
            GuestVa(0x20_0000),
            0x4000,
            0x6000,
            libc::MREMAP_MAYMOVE,
            GuestVa(0),
        )
        .unwrap();
    assert_ne!(to.0, 0x20_0000);
    assert_eq!(
        mem.load_u32(GuestVa(to.0 + 0x1000), Endian::Little)
            .unwrap(),
        77
    );
    assert_eq!(
        mem.load_u32(GuestVa(to.0 + 0x3ffc), Endian::Little)
            .unwrap(),
        78
    );
    assert_eq!(
        s.fault_kind(GuestVa(0x20_0000), Access::Read),
        FaultKind::Unmapped
    );
    let fixed = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
    assert_eq!(
        s.mremap(to, 0x6000, 0x1000, fixed, GuestVa(0x30_0000))
            .unwrap()
            .0,
        0x30_0000
    );
    assert_eq!(s.mapped_bytes(), 0x2000);
}

#[test]
fn shared_anonymous_mapping_grows_in_place() {
    let s = space();
    let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
    s.mmap(&request(0x20_0000, 0x2000, Prot::RW, flags))
        .unwrap();
    s.mem()
        .store_u32(GuestVa(0x20_0000), Endian::Little, 5)
        .unwrap();
    assert_eq!(
        s.mremap(GuestVa(0x20_0000), 0x1000, 0x1000, 0, GuestVa(0))
            .unwrap()
            .0,
        0x20_0000
    );
    s.munmap(GuestVa(0x20_1000), 0x1000).unwrap();
    assert_eq!(
        s.mremap(GuestVa(0x20_0000), 0x1000, 0x2000, 0, GuestVa(0))
            .unwrap()
            .0,
        0x20_0000
    );
    assert_eq!(
        s.mem()
            .load_u32(GuestVa(0x20_0000), Endian::Little)
            .unwrap(),
        5
    );
    assert_eq!(s.maps_text().lines().count(), 1);
}

#[test]
fn brk_grows_shrinks_and_stops_at_mappings_and_limits() {
    let s = space();
    s.set_brk_start(GuestVa(0x50_0123));
    assert_eq!(s.brk(GuestVa(0)).0, 0x50_1000);
    assert_eq!(s.brk(GuestVa(0x50_1801)).0, 0x50_1801);
    s.mem()
        .store_u32(GuestVa(0x50_1800), Endian::Little, 9)
        .unwrap();
    assert_eq!(
        s.maps_text(),
        format!("{:49}[heap]\n", "00501000-00502000 rw-p 00000000 00:00 0")
    );
    put(&s, 0x60_0000, 0x1000);
    assert_eq!(
        s.brk(GuestVa(0x60_0000)).0,
        0x50_1801,
        "it would touch the next mapping"
    );
    assert_eq!(s.brk(GuestVa(0x50_1000)).0, 0x50_1000);
    assert_eq!(
        s.fault_kind(GuestVa(0x50_1800), Access::Read),
        FaultKind::Unmapped
    );
    s.set_limits(u64::MAX, 0x1000);
    assert_eq!(s.brk(GuestVa(0x50_3000)).0, 0x50_1000);
}

#[test]
fn limit_on_address_space_is_emulated() {
    let s = space();
    s.set_limits(0x4000, u64::MAX);
    put(&s, 0x20_0000, 0x3000);
    assert_eq!(
        s.mmap(&request(0, 0x2000, Prot::RW, ANON)).unwrap_err(),
        Errno::ENOMEM
    );
    put(&s, 0x20_0000, 0x4000);
    assert_eq!(
        s.mremap(GuestVa(0x20_0000), 0x4000, 0x5000, 1, GuestVa(0))
            .unwrap_err(),
        Errno::ENOMEM
    );
}

#[test]
fn stack_is_extended_as_far_as_there_is_room() {
    let s = space();
    assert_eq!(s.map_stack(0x10_0000).unwrap().0, 0xfffe_f000 - 0x10_0000);
    s.grow_stack(0x20_0000);
    s.mem()
        .store_u32(GuestVa(0xfffe_f000 - 0x20_0000), Endian::Little, 1)
        .unwrap();
    put(&s, 0xfffe_f000 - 0x30_0000, 0x1000);
    s.grow_stack(0x40_0000);
    assert!(s.maps_text().contains("[stack]"));
}

#[test]
fn madvise_msync_and_mincore_report_holes_as_enomem() {
    let s = space();
    put(&s, 0x20_0000, 0x1000);
    put(&s, 0x20_2000, 0x1000);
    s.mem()
        .store_u32(GuestVa(0x20_2000), Endian::Little, 1)
        .unwrap();
    assert_eq!(
        s.madvise(GuestVa(0x20_0000), 0x3000, libc::MADV_DONTNEED)
            .unwrap_err(),
        Errno::ENOMEM
    );
    assert_eq!(
        s.mem()
            .load_u32(GuestVa(0x20_2000), Endian::Little)
            .unwrap(),
        0,
        "the rest is done all the same"
    );
    assert_eq!(
        s.msync(GuestVa(0x20_0000), 0x3000, libc::MS_SYNC)
            .unwrap_err(),
        Errno::ENOMEM
    );
    assert_eq!(
        s.msync(GuestVa(0x20_0000), 0x1000, libc::MS_SYNC | libc::MS_ASYNC)
            .unwrap_err(),
        Errno::EINVAL
    );
    assert_eq!(
        s.mincore(GuestVa(0x20_0000), 0x3000).unwrap_err(),
        Errno::ENOMEM
    );
    assert_eq!(s.mincore(GuestVa(0x20_2000), 0x1000).unwrap().len(), 1);
}

/// Notes which page was last told to be stale.
struct User(Weak<AddressSpace>, Arc<AtomicU64>);

impl CodeUser for User {
    fn invalidate(&self, va: GuestVa, _: u64) {
        self.1.store(va.0, Ordering::Relaxed);
    }
    fn release(&self, page: GuestVa) {
        if let Some(space) = self.0.upgrade() {
            space.release_code(page, &mut |va, len| self.invalidate(va, len));
        }
    }
}

#[test]
fn writers_that_race_for_a_code_page_never_fault() {
    let s = space();
    let page = GuestVa(0x20_0000);
    s.mmap(&request(page.0, 0x1000, Prot(7), FIXED)).unwrap();
    let rounds = 20_000;
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..rounds {
                    match s.classify(GuestVa(page.0 + 8), Access::Write) {
                        WriteFault::Code(p) => s.release_code(p, &mut |_, _| {}),
                        WriteFault::Retry => {}
                        WriteFault::Fault(f) => panic!("{f:?}"),
                    }
                }
            });
        }
        scope.spawn(|| (0..rounds).for_each(|_| assert!(s.protect_code(page, 4))));
    });
    s.release_code(page, &mut |_, _| {});
    s.mem().write(page, &[1]).unwrap();
}

#[test]
fn code_pages_are_released_by_writes_and_by_system_calls() {
    let s = Arc::new(space());
    let stale = Arc::new(AtomicU64::new(0));
    s.set_code_user(Arc::new(User(Arc::downgrade(&s), Arc::clone(&stale))));
    s.mmap(&request(0x20_0000, 0x2000, Prot(7), FIXED)).unwrap();
    s.mem().write(GuestVa(0x20_0000), &[1, 2, 3, 4]).unwrap();
    let mut code = [0; 8];
    assert_eq!(
        s.fetch(GuestVa(0x20_1ffc), &mut code).unwrap(),
        4,
        "stops at the end of the mapping"
    );
    assert!(s.protect_code(GuestVa(0x20_0000), 4));
    assert_eq!(
        s.classify(GuestVa(0x20_0002), Access::Write),
        WriteFault::Code(GuestVa(0x20_0000))
    );
    assert!(s.protect_code(GuestVa(0x20_0000), 4));
    s.prepare_write(GuestVa(0x20_0ffe), 4);
    assert_eq!(stale.load(Ordering::Relaxed), 0x20_0000);
    s.mem().write(GuestVa(0x20_0000), &[9]).unwrap();
    assert!(s.protect_code(GuestVa(0x20_1000), 4));
    s.munmap(GuestVa(0x20_1000), 0x1000).unwrap();
    assert_eq!(stale.load(Ordering::Relaxed), 0x20_1000);
    assert!(s.fetch(GuestVa(0x20_1000), &mut code).is_err());
}

#[test]
fn twins_of_a_translated_page_are_protected_and_released_together() {
    let s = Arc::new(space());
    let stale = Arc::new(AtomicU64::new(0));
    s.set_code_user(Arc::new(User(Arc::downgrade(&s), Arc::clone(&stale))));
    let name = c"twins";
    // SAFETY: creates a descriptor, nothing else.
    let fd = unsafe { libc::memfd_create(name.as_ptr(), 0) };
    // SAFETY: as above.
    assert_eq!(unsafe { libc::ftruncate(fd, 0x2000) }, 0);
    let map = |addr, prot, offset| {
        let file = Backing {
            dev: 1,
            ino: 2,
            offset,
            name: "memfd".into(),
        };
        let flags = libc::MAP_SHARED | libc::MAP_FIXED;
        s.mmap(&MapRequest {
            addr,
            len: 0x1000,
            prot,
            flags,
            file: Some((fd, file)),
        })
        .unwrap();
    };
    map(0x20_0000, Prot::RX, 0x1000);
    map(0x30_0000, Prot::RW, 0x1000);
    assert!(s.protect_code(GuestVa(0x20_0000), 4));
    stale.store(u64::MAX, Ordering::Relaxed);
    assert_eq!(
        s.classify(GuestVa(0x30_0010), Access::Write),
        WriteFault::Code(GuestVa(0x30_0000))
    );
    s.release_code(GuestVa(0x30_0000), &mut |va, _| {
        stale.fetch_min(va.0, Ordering::Relaxed);
    });
    assert_eq!(stale.load(Ordering::Relaxed), 0x20_0000);
    s.mem().write(GuestVa(0x30_0010), &[1]).unwrap();
    // A twin that is made later is protected from the start.
    s.protect_code(GuestVa(0x20_0000), 4);
    map(0x40_0000, Prot::RW, 0x1000);
    assert_eq!(
        s.classify(GuestVa(0x40_0000), Access::Write),
        WriteFault::Code(GuestVa(0x40_0000))
    );
}

#[test]
fn fault_kinds_follow_the_guests_map() {
    let s = space();
    s.mmap(&request(0x20_0000, 0x1000, Prot::R, FIXED)).unwrap();
    assert_eq!(
        s.fault_kind(GuestVa(0x20_0000), Access::Write),
        FaultKind::Protection
    );
    assert_eq!(
        s.fault_kind(GuestVa(0x20_0000), Access::Exec),
        FaultKind::Protection
    );
    assert_eq!(
        s.fault_kind(GuestVa(0x20_1000), Access::Read),
        FaultKind::Unmapped
    );
    assert_eq!(
        s.fault_kind(GuestVa(0x20_0000), Access::Read),
        FaultKind::Bus
    );
    assert!(
        matches!(s.classify(GuestVa(0x20_0000), Access::Write), WriteFault::Fault(f) if f.kind == FaultKind::Protection)
    );
}
