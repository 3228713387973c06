//! From a guest's path to the host's: the -L prefix and the names in /proc that mean the guest itself.

use super::args::Path;
use crate::task::Task;
use std::borrow::Cow;
use std::ffi::{CStr, CString};

/// A path of the host, ready for a host call.
pub struct HostPath<'a>(Cow<'a, CStr>);

impl HostPath<'_> {
    /// Its address for the host's kernel.
    pub fn ptr(&self) -> u64 {
        self.0.as_ptr() as u64
    }

    /// The path itself.
    pub fn path(&self) -> &CStr {
        &self.0
    }
}

/// `path` if it names a file of the guest's own process in /proc: the part behind /proc/PID/.
pub fn own_proc(path: &CStr) -> Option<&[u8]> {
    let rest = path.to_bytes().strip_prefix(b"/proc/")?;
    let slash = rest.iter().position(|&b| b == b'/')?;
    let (who, file) = (rest.get(..slash)?, rest.get(slash + 1..)?);
    let own = || std::process::id().to_string();
    (who == b"self" || who == b"thread-self" || who == own().as_bytes()).then_some(file)
}

impl Task {
    /// The host's path for a path that is followed to its end.
    pub fn host_path<'a>(&self, path: &'a Path) -> HostPath<'a> {
        let given: &CStr = &path.0;
        if own_proc(given) == Some(b"exe")
            && let Ok(exe) = CString::new(self.process.exe.clone())
        {
            return HostPath(Cow::Owned(exe));
        }
        self.host_link(path)
    }

    /// The host's path for a path whose last component is not followed.
    pub fn host_link<'a>(&self, path: &'a Path) -> HostPath<'a> {
        let given: &CStr = &path.0;
        if let Some(prefix) = &self.process.config.prefix
            && given.to_bytes().first() == Some(&b'/')
        {
            let mut joined = prefix.clone();
            joined.extend_from_slice(given.to_bytes());
            if let Ok(joined) = CString::new(joined) {
                let args = [libc::AT_FDCWD as u64, joined.as_ptr() as u64, 0];
                if crate::sys::call(libc::SYS_faccessat, args).is_ok() {
                    return HostPath(Cow::Owned(joined));
                }
            }
        }
        HostPath(Cow::Borrowed(given))
    }
}

#[cfg(test)]
mod tests {
    use super::own_proc;

    #[test]
    fn own_files_of_proc_are_known_by_every_name_of_the_process() {
        assert_eq!(own_proc(c"/proc/self/maps"), Some(&b"maps"[..]));
        assert_eq!(own_proc(c"/proc/thread-self/exe"), Some(&b"exe"[..]));
        let own = std::ffi::CString::new(format!("/proc/{}/stat", std::process::id())).unwrap();
        assert_eq!(own_proc(&own), Some(&b"stat"[..]));
        assert_eq!(own_proc(c"/proc/1/maps"), None);
        assert_eq!(own_proc(c"/proc/selfish/maps"), None);
        assert_eq!(own_proc(c"/proc/self"), None);
    }
}
