//! The flag that makes a virtual CPU come back from guest code.
#![allow(unsafe_code)]

use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

/// A virtual CPU's interrupt flag, once it is known.
#[derive(Default)]
pub struct Kick(AtomicPtr<AtomicU32>);

impl Kick {
    /// Takes a virtual CPU out of its owner's hands, so that it lives as long as the process, and
    /// its flag with it.
    pub fn adopt(&self, cpu: tcg_exec::Vcpu) -> &'static mut tcg_exec::Vcpu {
        let cpu = Box::leak(Box::new(cpu));
        self.0
            .store(cpu.interrupt_flag().cast_mut(), Ordering::Release);
        cpu
    }

    /// Makes it come back soon.
    pub fn kick(&self) {
        let flag = self.0.load(Ordering::Acquire);
        if !flag.is_null() {
            // SAFETY: the flag is good while its virtual CPU lives, which is for ever.
            unsafe { (*flag).fetch_or(1, Ordering::SeqCst) };
        }
    }
}
