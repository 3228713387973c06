//! The alternate signal stack of a thread. [Linux kernel/signal.c, do_sigaltstack]

use crate::errno::Errno;

/// The alternate signal stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AltStack {
    /// Lowest address.
    pub sp: u64,
    /// SS_ flags.
    pub flags: u32,
    /// Bytes.
    pub size: u64,
}

const SS_ONSTACK: u32 = 1;
const SS_DISABLE: u32 = 2;
const SS_AUTODISARM: u32 = 1 << 31;

impl Default for AltStack {
    fn default() -> AltStack {
        AltStack {
            sp: 0,
            flags: SS_DISABLE,
            size: 0,
        }
    }
}

impl AltStack {
    /// Whether code with this stack pointer runs on it. One that disarms itself is never "in use".
    pub fn in_use(&self, sp: u64) -> bool {
        self.flags & SS_AUTODISARM == 0 && sp > self.sp && sp - self.sp <= self.size
    }

    /// As sigaltstack and signal frames tell it.
    pub fn reported(&self, sp: u64) -> AltStack {
        let state = match self.size {
            0 => SS_DISABLE,
            _ if self.in_use(sp) => SS_ONSTACK,
            _ => 0,
        };
        AltStack {
            flags: state | self.flags & SS_AUTODISARM,
            ..*self
        }
    }

    /// The sigaltstack call.
    pub fn set(&mut self, new: AltStack, sp: u64, min_size: u64) -> Result<(), Errno> {
        if self.in_use(sp) {
            return Err(Errno::EPERM);
        }
        let mode = new.flags & !SS_AUTODISARM;
        match mode {
            SS_DISABLE => {
                *self = AltStack {
                    sp: 0,
                    size: 0,
                    flags: new.flags,
                }
            }
            0 | SS_ONSTACK if new.size < min_size => return Err(Errno::ENOMEM),
            0 | SS_ONSTACK => *self = new,
            _ => return Err(Errno::EINVAL),
        }
        Ok(())
    }

    /// What sigreturn does with the frame's copy: errors do not matter.
    pub fn restore(&mut self, saved: AltStack, sp: u64) {
        let _ = self.set(saved, sp, 0);
    }

    /// SS_AUTODISARM: forgotten while the handler runs; the frame has it.
    pub fn disarm_for_handler(&mut self) {
        if self.flags & SS_AUTODISARM != 0 {
            *self = AltStack::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_on_the_stack_itself_is_refused() {
        let mut s = AltStack::default();
        s.set(
            AltStack {
                sp: 0x1000,
                flags: 0,
                size: 0x2000,
            },
            0x9000,
            2048,
        )
        .unwrap();
        assert_eq!(s.set(AltStack::default(), 0x1800, 2048), Err(Errno::EPERM));
        assert_eq!(s.reported(0x1800).flags, SS_ONSTACK);
        assert_eq!(s.reported(0x9000).flags, 0);
        s.set(AltStack::default(), 0x9000, 2048).unwrap();
        assert_eq!(s.reported(0x1800).flags, SS_DISABLE);
    }

    #[test]
    fn set_refuses_small_stacks_and_unknown_flags() {
        let mut s = AltStack::default();
        assert_eq!(
            s.set(
                AltStack {
                    sp: 0,
                    flags: 0,
                    size: 2047
                },
                1,
                2048
            ),
            Err(Errno::ENOMEM)
        );
        assert_eq!(
            s.set(
                AltStack {
                    sp: 0,
                    flags: 4,
                    size: 4096
                },
                1,
                2048
            ),
            Err(Errno::EINVAL)
        );
    }

    #[test]
    fn autodisarm_stack_is_never_in_use_and_forgotten_for_the_handler() {
        let mut s = AltStack::default();
        s.set(
            AltStack {
                sp: 0x1000,
                flags: SS_AUTODISARM,
                size: 0x2000,
            },
            0x9000,
            2048,
        )
        .unwrap();
        assert!(!s.in_use(0x1800));
        let saved = s.reported(0x1800);
        s.disarm_for_handler();
        assert_eq!(s.size, 0);
        s.restore(saved, 0x9000);
        assert_eq!((s.sp, s.size), (0x1000, 0x2000));
    }
}
