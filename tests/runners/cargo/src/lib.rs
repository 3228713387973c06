//! A library whose tests tell which machine they ran on.
#![forbid(unsafe_code)]

/// Sum of the squares up to `n`.
pub fn squares(n: u64) -> u64 {
    (1..=n).map(|k| k * k).sum()
}

#[cfg(test)]
mod tests {
    #[test]
    fn squares_are_summed() {
        assert_eq!(super::squares(100), 338_350);
    }

    #[test]
    fn threads_see_the_same_memory() {
        let total = std::sync::atomic::AtomicU64::new(0);
        std::thread::scope(|s| {
            for _ in 0..8 {
                s.spawn(|| (0..1000).for_each(|_| drop(total.fetch_add(1, std::sync::atomic::Ordering::Relaxed))));
            }
        });
        assert_eq!(total.into_inner(), 8000);
    }

    #[test]
    fn children_run_on_the_same_machine() {
        let exe = std::env::current_exe().unwrap();
        let out = std::process::Command::new(exe).arg("--list").output().unwrap();
        assert!(String::from_utf8_lossy(&out.stdout).contains("squares_are_summed"));
    }

    #[test]
    fn the_machine_is_the_target() {
        let machine = std::fs::read_to_string("/proc/cpuinfo").unwrap();
        assert_eq!(cfg!(target_arch = "x86_64"), machine.contains("GenuineIntel") || machine.contains("AuthenticAMD"));
    }
}
