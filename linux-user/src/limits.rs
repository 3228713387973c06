//! Resource limits that are kept for the guest instead of being passed on, because they would hit the emulator: how the
//! next program inherits them.

use crate::sys;
use crate::task::Task;

/// Whether a limit is kept.
pub fn is_kept(resource: i32) -> bool {
    matches!(
        resource,
        sys::RLIMIT_AS | sys::RLIMIT_DATA | sys::RLIMIT_STACK
    )
}

/// Those of a task that differ from the host's.
fn kept(t: &Task) -> Vec<(i32, [u64; 2])> {
    let all = t.process.limits.lock().unwrap_or_else(|e| e.into_inner());
    let mut list: Vec<(i32, [u64; 2])> = all.iter().map(|(r, l)| (*r, *l)).collect();
    list.retain(|(r, l)| sys::limit(*r, None).is_ok_and(|host| host != *l));
    list
}

/// The argument of `-limits` for the emulator of the next program; nothing if there is nothing to say.
pub fn text(t: &Task) -> Option<String> {
    let list = kept(t);
    let words = list
        .iter()
        .map(|(r, [soft, hard])| format!("{r}={soft}:{hard}"));
    (!list.is_empty()).then(|| words.collect::<Vec<_>>().join(","))
}

/// Reads it.
pub fn parse(text: &str) -> Vec<(i32, [u64; 2])> {
    let one = |word: &str| {
        let (resource, limits) = word.split_once('=')?;
        let (soft, hard) = limits.split_once(':')?;
        let resource = resource.parse().ok().filter(|r| is_kept(*r))?;
        Some((resource, [soft.parse().ok()?, hard.parse().ok()?]))
    };
    text.split(',').filter_map(one).collect()
}

/// Before a native program is executed: it gets them as its own. Gives what to put back if it does not start.
pub fn pass_on(t: &Task) -> Vec<(i32, [u64; 2])> {
    let pass = |(r, l): (i32, [u64; 2])| Some((r, sys::limit(r, Some(&l)).ok()?));
    kept(t).into_iter().filter_map(pass).collect()
}

/// Puts them back.
pub fn take_back(before: &[(i32, [u64; 2])]) {
    for (resource, limits) in before {
        let _ = sys::limit(*resource, Some(limits));
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn limits_are_read_and_others_left_out() {
        let stack = crate::sys::RLIMIT_STACK;
        let text = format!("{stack}=1:18446744073709551615,0=5:5,x,{stack}=a:b");
        assert_eq!(super::parse(&text), [(stack, [1, u64::MAX])]);
    }
}
