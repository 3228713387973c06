//! User namespaces and the ids in them. See user_namespaces(7) and subuid(5).
//!
//! Best first: 65,536 ids mapped one to one (a privileged process without CAP_SYS_ADMIN), the ranges that /etc/subuid
//! and /etc/subgid grant (through newuidmap and newgidmap), the caller's own id as root and nothing else.

use crate::EnterError;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getgid, getuid};
use std::fs;
use std::io::Write;
use std::process::{Child, Command, Stdio};

/// A range of ids: first inside, first outside, how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    inside: u32,
    outside: u32,
    count: u32,
}

/// The ids of an ordinary system.
const ALL: u32 = 65_536;

/// Enters a user and mount namespace of its own; whether only one id is mapped.
pub(crate) fn unshare_user() -> Result<bool, EnterError> {
    let (uid, gid) = (getuid().as_raw(), getgid().as_raw());
    let mappers = [by_root(uid), by_subids(uid, gid)];
    let mut mappers: Vec<Child> = mappers.into_iter().flatten().collect();
    unshare(CloneFlags::CLONE_NEWUSER).map_err(EnterError::UserNamespace)?;
    let mut mapped = false;
    for child in &mut mappers {
        mapped = release(child, !mapped) || mapped;
    }
    if !mapped {
        only_own(uid, gid)?;
    }
    unshare(CloneFlags::CLONE_NEWNS).map_err(EnterError::MountNamespace)?;
    Ok(!mapped)
}

/// A process outside of the namespace that waits for a line, then runs `script`.
fn mapper(script: &str) -> Option<Child> {
    let script = format!("read go && [ \"$go\" = go ] || exit 1; {script}");
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", &script]);
    shell
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    shell.spawn().ok()
}

/// Lets a mapper go (or end); whether it succeeded.
fn release(child: &mut Child, go: bool) -> bool {
    if let (Some(mut pipe), true) = (child.stdin.take(), go) {
        let _ = pipe.write_all(b"go\n");
    }
    child.wait().is_ok_and(|s| s.success())
}

fn by_root(uid: u32) -> Option<Child> {
    let pid = std::process::id();
    (uid == 0).then(|| {
        mapper(&format!(
            "echo 0 0 {ALL} >/proc/{pid}/uid_map && echo 0 0 {ALL} >/proc/{pid}/gid_map"
        ))
    })?
}

fn by_subids(uid: u32, gid: u32) -> Option<Child> {
    let name = user_name(uid);
    let ids = |file, own| {
        let text = fs::read_to_string(file).ok()?;
        let granted = granted(&text, name.as_deref(), uid)?;
        let own = Range {
            inside: 0,
            outside: own,
            count: 1,
        };
        let more = Range {
            inside: 1,
            outside: granted.0,
            count: granted.1.min(ALL - 1),
        };
        Some(
            [own, more]
                .map(|r| format!("{} {} {}", r.inside, r.outside, r.count))
                .join(" "),
        )
    };
    let pid = std::process::id();
    let users = ids("/etc/subuid", uid)?;
    let groups = ids("/etc/subgid", gid)?;
    mapper(&format!(
        "newuidmap {pid} {users} && newgidmap {pid} {groups}"
    ))
}

/// The first range of a user: first id and how many.
fn granted(text: &str, name: Option<&str>, uid: u32) -> Option<(u32, u32)> {
    let number = uid.to_string();
    text.lines().find_map(|line| {
        let mut fields = line.trim().split(':');
        let who = fields.next()?;
        let mine = Some(who) == name || who == number;
        let first = fields.next()?.parse().ok()?;
        let count = fields.next()?.parse().ok()?;
        (mine && count > 0).then_some((first, count))
    })
}

fn user_name(uid: u32) -> Option<String> {
    let user = nix::unistd::User::from_uid(uid.into()).ok()??;
    Some(user.name)
}

/// The caller is root inside, and there is nobody else.
fn only_own(uid: u32, gid: u32) -> Result<(), EnterError> {
    let put = |file: &str, text: String| {
        fs::write(format!("/proc/self/{file}"), text)
            .map_err(|e| EnterError::IdMap(format!("/proc/self/{file}: {e}")))
    };
    put("setgroups", "deny".into())?;
    put("uid_map", format!("0 {uid} 1"))?;
    put("gid_map", format!("0 {gid} 1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_found_by_name_and_by_number() {
        let text = "other:1:2\nme:100000:65536\n1000:7:8\nbad\nme:x:y\n";
        assert_eq!(granted(text, Some("me"), 5), Some((100_000, 65_536)));
        assert_eq!(granted(text, None, 1000), Some((7, 8)));
        assert_eq!(granted(text, Some("nobody"), 3), None);
        assert_eq!(granted("me:5:0\n", Some("me"), 3), None);
    }
}
