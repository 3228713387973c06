//! Access to mapped, unmapped and half-mapped guest memory, with a handler as the engine's.

use super::*;
use crate::{HostProt, MapSource, recover};
use std::sync::Once;

extern "C" fn on_fault(_sig: i32, _info: *mut libc::siginfo_t, uc: *mut libc::c_void) {
    // SAFETY: the kernel passes a valid context.
    let regs = unsafe { &mut (*uc.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
    let rip = &mut regs[libc::REG_RIP as usize];
    match recover(*rip as usize) {
        Some(land) => *rip = land as i64,
        None => std::process::abort(),
    }
}

fn window() -> UserMem {
    static HANDLER: Once = Once::new();
    HANDLER.call_once(|| {
        // SAFETY: plain installation of a handler that touches its context only.
        unsafe {
            let mut sa: libc::sigaction = std::mem::zeroed();
            sa.sa_sigaction = on_fault as *const () as usize;
            sa.sa_flags = libc::SA_SIGINFO;
            assert_eq!(libc::sigaction(libc::SIGSEGV, &sa, std::ptr::null_mut()), 0);
        }
    });
    let mem = UserMem::reserve(1 << 20).unwrap();
    mem.map(
        GuestVa(0x1000),
        0x1000,
        HostProt::ReadWrite,
        false,
        0,
        MapSource::Anonymous,
    )
    .unwrap();
    mem
}

#[test]
fn copy_across_the_end_names_the_first_bad_byte() {
    let mem = window();
    let fault = mem.write(GuestVa(0x1ff0), &[1; 32]).unwrap_err();
    assert_eq!((fault.va, fault.access), (GuestVa(0x2000), Access::Write));
    let mut back = [0; 16];
    mem.read(GuestVa(0x1ff0), &mut back).unwrap();
    assert_eq!(back, [1; 16]);
    let fault = mem.read(GuestVa(0x0ff8), &mut back).unwrap_err();
    assert_eq!((fault.va, fault.access), (GuestVa(0x0ff8), Access::Read));
    assert_eq!(mem.read_some(GuestVa(0x1ffa), &mut [0; 16]), 6);
    assert_eq!(
        mem.fill(GuestVa(0x1fff), 7, 2).unwrap_err().va,
        GuestVa(0x2000)
    );
}

#[test]
fn small_accesses_keep_order_and_report_faults() {
    let mem = window();
    mem.store(GuestVa(0x1001), 4, Endian::Big, 0x0102_0304)
        .unwrap();
    assert_eq!(
        mem.load_u32(GuestVa(0x1001), Endian::Little).unwrap(),
        0x0403_0201
    );
    assert_eq!(mem.load_u16(GuestVa(0x1001), Endian::Big).unwrap(), 0x0102);
    mem.store_u64(GuestVa(0x1010), Endian::Big, 0x1122_3344_5566_7788)
        .unwrap();
    assert_eq!(mem.load_u8(GuestVa(0x1010)).unwrap(), 0x11);
    assert_eq!(
        mem.load_u64(GuestVa(0x1010), Endian::Big).unwrap(),
        0x1122_3344_5566_7788
    );
    for size in [1, 2, 4, 8] {
        assert!(mem.load(GuestVa(0x3000), size, Endian::Little).is_err());
        assert!(mem.store(GuestVa(0x3000), size, Endian::Little, 0).is_err());
    }
    assert!(mem.load_u32(GuestVa(u64::MAX), Endian::Little).is_err());
    assert!(
        mem.load_u32(GuestVa((1 << 20) - 2), Endian::Little)
            .is_err()
    );
}

#[test]
fn compare_and_swap_tells_what_was_there() {
    let mem = window();
    mem.store_u32(GuestVa(0x1000), Endian::Big, 5).unwrap();
    assert_eq!(mem.cas_u32(GuestVa(0x1000), Endian::Big, 4, 9).unwrap(), 5);
    assert_eq!(mem.cas_u32(GuestVa(0x1000), Endian::Big, 5, 9).unwrap(), 5);
    assert_eq!(mem.load_u32(GuestVa(0x1000), Endian::Big).unwrap(), 9);
    assert_eq!(
        mem.cas_u64(GuestVa(0x1008), Endian::Little, 0, 1 << 40)
            .unwrap(),
        0
    );
    assert_eq!(
        mem.load_u64(GuestVa(0x1008), Endian::Little).unwrap(),
        1 << 40
    );
    assert!(mem.cas_u32(GuestVa(0x4000), Endian::Little, 0, 1).is_err());
}

#[test]
fn strings_stop_at_the_nul_and_the_limit() {
    let mem = window();
    mem.write(GuestVa(0x1ffd), b"ab\0").unwrap();
    assert_eq!(mem.read_cstr(GuestVa(0x1ffd), 100).unwrap().unwrap(), b"ab");
    assert_eq!(mem.read_cstr(GuestVa(0x1ffd), 2).unwrap(), None);
    mem.write(GuestVa(0x1ffd), b"abc").unwrap();
    assert!(mem.read_cstr(GuestVa(0x1ffd), 100).is_err());
}

#[test]
fn host_ranges_outside_the_window_are_refused() {
    let mem = window();
    assert!(
        mem.protect(GuestVa(0xf_f000), 0x2000, HostProt::Read)
            .is_err()
    );
    assert!(mem.unmap(GuestVa(0x800), 0x1000).is_err());
    assert!(mem.unmap(GuestVa(0), !0xfff).is_err());
}
