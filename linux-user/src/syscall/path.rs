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

impl Task {
    /// The host's path for a path that is followed to its end.
    pub fn host_path<'a>(&self, path: &'a Path) -> HostPath<'a> {
        let given: &CStr = &path.0;
        if let Some(exe) = crate::proc::subject::exe(self, given)
            && let Ok(exe) = CString::new(exe)
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
