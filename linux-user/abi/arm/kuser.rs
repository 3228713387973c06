//! The page that the kernel gives every process at 0xffff0000: helper functions for old cores.
//! [Linux Documentation/arch/arm/kernel_user_helpers.rst]

use crate::errno::Errno;
use crate::task::Task;
use tcg_mem::GuestVa;

/// Where the page lies.
pub const VECTORS: u64 = 0xffff_0000;

/// Machine code of a helper and its offset in the page.
struct Helper {
    offset: usize,
    code: &'static [u32],
}

/// The helpers, written for ARMv6K and later: they use the exclusive instructions themselves.
const HELPERS: &[Helper] = &[
    // __kuser_cmpxchg64(r0 = old, r1 = new, r2 = ptr): r0 = 0 and C set on success
    Helper {
        offset: 0xf60,
        code: &[
            0xe92d_40f0, // push  {r4, r5, r6, r7, lr}
            0xe1c0_40d0, // ldrd  r4, r5, [r0]
            0xe1c1_60d0, // ldrd  r6, r7, [r1]
            0xf57f_f05b, // dmb   ish
            0xe1b2_0f9f, // 1: ldrexd r0, r1, [r2]
            0xe030_3004, // eors  r3, r0, r4
            0x0031_3005, // eorseq r3, r1, r5
            0x01a2_3f96, // strexdeq r3, r6, r7, [r2]
            0x0333_0001, // teqeq r3, #1
            0x0aff_fff9, // beq   1b
            0xf57f_f05b, // dmb   ish
            0xe273_0000, // rsbs  r0, r3, #0
            0xe8bd_80f0, // pop   {r4, r5, r6, r7, pc}
        ],
    },
    // __kuser_memory_barrier
    Helper {
        offset: 0xfa0,
        code: &[0xf57f_f05b, 0xe12f_ff1e],
    },
    // __kuser_cmpxchg(r0 = old, r1 = new, r2 = ptr)
    Helper {
        offset: 0xfc0,
        code: &[
            0xf57f_f05b, // dmb   ish
            0xe192_3f9f, // 1: ldrex r3, [r2]
            0xe053_3000, // subs  r3, r3, r0
            0x0182_3f91, // strexeq r3, r1, [r2]
            0x0333_0001, // teqeq r3, #1
            0x0aff_fffa, // beq   1b
            0xe273_0000, // rsbs  r0, r3, #0
            0xeaff_ffef, // b     __kuser_memory_barrier
        ],
    },
    // __kuser_get_tls: r0 = TPIDRURO
    Helper {
        offset: 0xfe0,
        code: &[0xee1d_0f70, 0xe12f_ff1e],
    },
    // __kuser_helper_version
    Helper {
        offset: 0xffc,
        code: &[5],
    },
];

/// Maps the page, readable and executable. Instructions are little-endian whatever the data order.
pub fn map(t: &mut Task) -> Result<(), Errno> {
    let mut page = vec![0u8; 0x1000];
    for h in HELPERS {
        for (k, word) in h.code.iter().enumerate() {
            page[h.offset + 4 * k..][..4].copy_from_slice(&word.to_le_bytes());
        }
    }
    for rt in [false, true] {
        for thumb in [false, true] {
            let code = return_code(rt, thumb);
            let at = (code.address & !1) as usize - VECTORS as usize;
            for (k, word) in code.words.iter().enumerate() {
                page[at + 4 * k..][..4].copy_from_slice(&word.to_le_bytes());
            }
        }
    }
    t.map_kernel_page(GuestVa(VECTORS), &page, "[vectors]")
}

/// The code that a handler without sa_restorer returns to: a copy lies in the page and, for debuggers, in the frame.
pub struct ReturnCode {
    /// Where it lies, with the Thumb bit.
    pub address: u64,
    /// The instructions.
    pub words: &'static [u32],
}

/// The code to return from a frame with or without siginfo, in either instruction set.
pub fn return_code(rt: bool, thumb: bool) -> ReturnCode {
    let (offset, words): (u64, &'static [u32]) = match (rt, thumb) {
        (false, false) => (0x500, &[0xe3a0_7077, 0xef00_0000]), // mov r7, #119; svc 0
        (false, true) => (0x508, &[0xdf00_2777]),               // movs r7, #119; svc 0
        (true, false) => (0x510, &[0xe3a0_70ad, 0xef00_0000]),  // mov r7, #173; svc 0
        (true, true) => (0x518, &[0xdf00_27ad]),                // movs r7, #173; svc 0
    };
    ReturnCode {
        address: VECTORS + offset + u64::from(thumb),
        words,
    }
}
