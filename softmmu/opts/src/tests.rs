//! Tests of option lists.

use super::*;

fn parse(text: &str) -> Opts {
    Opts::parse(text, Some("kind")).unwrap()
}

fn rest(text: &str) -> Vec<(String, String)> {
    let opts = parse(text);
    opts.rest().map(|(k, v)| (k.into(), v.into())).collect()
}

#[test]
fn words_pairs_and_doubled_commas() {
    let expected: Vec<(String, String)> = [
        ("kind", "virtio"),
        ("id", "a,b"),
        ("ro", "on"),
        ("x", "1=2"),
        ("y", ""),
    ]
    .map(|(k, v)| (k.into(), v.into()))
    .to_vec();
    assert_eq!(rest("virtio,id=a,,b,ro,x=1=2,y="), expected);
    assert_eq!(rest("kind=virtio,id=a,,b,ro,x=1=2,y=,"), expected);
    assert_eq!(rest(""), []);
}

#[test]
fn a_missing_key_is_an_error() {
    assert!(Opts::parse("a,=b", None).is_err());
    assert!(Opts::parse("a,,,b", None).is_ok(), "a value with a comma");
}

#[test]
fn the_last_one_counts_and_defaults_come_first() {
    let mut opts = parse("x,a=1,a=2");
    opts.set_default("a", "0");
    opts.set_default("b", "7");
    assert_eq!(opts.peek("a"), Some("2"));
    assert_eq!(opts.number("a").unwrap(), Some(2));
    assert_eq!(opts.number("b").unwrap(), Some(7));
    assert_eq!(opts.text("a"), None);
    assert_eq!(opts.need("kind").unwrap(), "x");
    assert!(opts.need("path").unwrap_err().0.contains("'path='"));
    opts.finish().unwrap();
}

#[test]
fn values_are_checked() {
    let mut opts = parse("x,s=maybe,n=12x,z=1.5M,w=three,p=70000");
    assert!(opts.switch("s").unwrap_err().0.contains("s=maybe"));
    assert!(opts.number("n").unwrap_err().0.contains("n=12x"));
    assert_eq!(opts.size("z").unwrap(), Some(3 << 19));
    let error = opts.word("w", &[("one", 1), ("two", 2)]).unwrap_err();
    assert_eq!(error.0, "w=three: expected one of one, two");
    assert!(opts.number_in("p", 1..=65535).is_err());
}

#[test]
fn left_over_keys_are_named_with_the_nearest_known_one() {
    let mut opts = parse("x,servr=on");
    opts.text("kind");
    assert_eq!(opts.switch("server").unwrap(), None);
    let error = opts.finish().unwrap_err();
    assert_eq!(
        error.0,
        "there is no option 'servr'; did you mean 'server'?"
    );
}
