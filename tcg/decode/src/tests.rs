//! The compiler on small tables: what it accepts, orders and refuses.

use crate::diag::Diags;
use crate::emit;
use crate::family::Family;
use crate::order;
use crate::parse::{self, Piece, Row};
use crate::rt::Rows;

const HEAD: &str =
    "%table toy 8\n%manual TOY\n%n rn\n%d rd\n%i imm\n%c cond hidden c!=3\n%fn f crate::f u32\n";

/// Errors of a table with the given rows, as `line: message`; the rows start in line 8.
fn errors(rows: &str) -> Vec<String> {
    let result = Family::new("decode")
        .features_text("toy.features", "one - First\ntwo one Second\n")
        .table_text("toy.decode", &format!("{HEAD}{rows}"))
        .compile();
    match result {
        Ok(_) => Vec::new(),
        Err(Diags(list)) => list
            .into_iter()
            .map(|d| format!("{}: {}", d.line, d.message))
            .collect(),
    }
}

fn parsed(rows: &str) -> Vec<Row> {
    let mut diags = Diags::default();
    let mut table = parse::table("toy.decode", &format!("{HEAD}{rows}"), &mut diags);
    assert_eq!(diags, Diags::default());
    order::order(&mut table, &mut diags);
    assert_eq!(diags, Diags::default());
    table.rows
}

#[track_caller]
fn refused(rows: &str, part: &str) {
    let list = errors(rows);
    assert!(
        list.iter().any(|e| e.contains(part)),
        "no error with `{part}` in {list:?}"
    );
}

#[test]
fn runs_of_one_letter_join_most_significant_first() {
    let rows = parsed("a i 0 iii (1) nn \"a\" - -\n");
    let imm = rows[0].field("i").expect("field i");
    assert_eq!(
        imm.pieces,
        [
            Piece {
                at: 7,
                len: 1,
                to: 3
            },
            Piece {
                at: 3,
                len: 3,
                to: 0
            }
        ]
    );
    assert_eq!(imm.value(0b1000_1000), 0b1001);
    assert_eq!(imm.place(0b1001), 0b1000_1000);
    assert_eq!((rows[0].mask, rows[0].value), (0x40, 0));
    assert_eq!((rows[0].should_mask, rows[0].should_value), (4, 4));
}

#[test]
fn bracketed_places_scatter_the_value() {
    let rows = parsed("a imm[1|4:3] 0 imm[2] 1 -- \"a\" - -\n");
    let imm = rows[0].field("imm").expect("field imm");
    assert_eq!(imm.width, 5);
    assert_eq!(imm.value(0b1110_1000), 0b11110);
}

#[test]
fn specific_row_wins_wherever_it_stands() {
    let rows = parsed("general 0 iiiiiii \"g\" - -\nspecial 0 iiii 111 \"s\" - -\n");
    assert_eq!(
        rows.iter().map(|r| r.name.as_str()).collect::<Vec<_>>(),
        ["special", "general"]
    );
}

#[test]
fn see_decides_between_rows_of_equal_rank() {
    let rows = "left 00 iiiiii \"l\" - - see:right\nright i 00 iiiii \"r\" - -\n";
    let rows = parsed(rows);
    assert_eq!(rows[0].name, "right");
    refused(
        "left 00 iiiiii \"l\" - - see:nothing\n",
        "no such row overlaps",
    );
}

#[test]
fn ambiguous_rows_are_refused_with_a_witness() {
    let list = errors("left 00 iiiiii \"l\" - -\nright i 00 iiiii \"r\" - -\n");
    assert_eq!(list.len(), 1);
    assert!(
        list[0].starts_with("9: rows `right` and `left` (line 8) both match 0x0"),
        "{list:?}"
    );
}

#[test]
fn constraints_keep_rows_apart() {
    assert_eq!(
        errors("a nn 000000 \"a\" - - n!=3\nb nn 000000 \"b\" - - n==3\n"),
        [""; 0]
    );
    refused(
        "a nn 000000 \"a\" - - n!=3\nb nn 000000 \"b\" - - n>=2\n",
        "both match 0x80",
    );
}

#[test]
fn declared_constraint_applies_to_every_row_with_the_field() {
    let rows = parsed("a cc 000000 \"a\" - -\n");
    assert!(rows[0].accepts(0x80));
    assert!(!rows[0].accepts(0xc0));
}

#[test]
fn unreachable_row_is_reported_with_the_rows_that_take_it() {
    let list = errors(
        "low 0 iiiiiii \"l\" - - see:half0,half1\nhalf0 -0 iiiiii \"h\" - -\nhalf1 -1 iiiiii \"h\" - -\n",
    );
    assert!(
        list.iter()
            .any(|e| e == "8: row `low` is unreachable, taken by: half0, half1"),
        "{list:?}"
    );
    refused("a nn 000000 \"a\" - - n!=3 n==3\n", "can never hold");
}

#[test]
fn row_that_a_feature_hides_does_not_make_others_unreachable() {
    assert_eq!(
        errors("a 0 iii iiii \"a\" - -\nb 00 -- ---- \"b\" one -\nc 01 -- ---- \"c\" - -\n"),
        [""; 0]
    );
}

#[test]
fn mistakes_in_rows_are_named() {
    refused("a 0000 \"a\" - -\n", "8: the bit string has 4 bits, not 8");
    refused("a 0000000q \"a\" - -\n", "field letter `q` is not declared");
    refused("a 0000000( \"a\" - -\n", "`(` without `)`");
    refused("A 00000000 \"a\" - -\n", "is not a row name");
    refused("a 00000000 - -\n", "a row is:");
    refused("a 00000000 \"a\"\n", "no feature");
    refused("a 00000000 \"a\" -\n", "no manual section");
    refused("a 00000000 \"a\" three -\n", "unknown feature `three`");
    refused(
        "a 00000000 \"a {n}\" - -\na 11111111 \"a\" - -\n",
        "already defined in line 8",
    );
    refused("a 0000000n \"a\" - - d!=1\n", "the row has no field `d`");
    refused("a 0000000n \"a\" - - n\n", "is not a test");
    refused("a 0000000n \"a\" - - n==(1\n", "expected `)`");
    refused("a 0000000n \"a\" - - x:=g(n)\n", "`g` is not declared");
    refused("a 0000000n \"a {reg q}\" - -\n", "the syntax names `q`");
    refused("a 0000000n \"a {n\" - -\n", "`{` without `}`");
    refused(
        "a imm[3] imm:1 000000 \"a\" - -\n",
        "both with and without brackets",
    );
    refused("a imm[3] imm[3] 000000 \"a\" - -\n", "has bit 3 twice");
    refused("%n again\n", "declared twice");
    refused("%fn g path text\n", "not a type of arguments");
}

#[test]
fn rows_of_one_handler_must_agree_on_arguments() {
    let list = errors("a.one 0000 nnnn \"a\" - -\na.two 0001 dddd \"a\" - -\n");
    assert_eq!(
        list,
        ["9: `a` has arguments (rd: u32), but (rn: u32) in toy.decode:8"]
    );
    assert_eq!(
        errors("a.one 0000 nnnn \"a\" - -\na.two 0001 dddd \"a\" - - rn:=d\n"),
        [""; 0]
    );
}

#[test]
fn feature_list_mistakes_are_named() {
    let result = Family::new("d")
        .features_text("f", "one two First\none - Again\n")
        .table_text("t", HEAD)
        .compile();
    let text = result.expect_err("a bad list").to_string();
    assert!(text.contains("f:1: error: `one` implies `two`"), "{text}");
    assert!(text.contains("f:2: error: `one`: repeated"), "{text}");
}

#[test]
fn missing_file_is_an_error() {
    let text = Family::new("d")
        .table("no/such.decode")
        .compile()
        .expect_err("no file")
        .to_string();
    assert!(text.starts_with("no/such.decode:0: error:"), "{text}");
}

#[test]
fn generated_text_has_the_parts() {
    let text = Family::new("decode")
        .features_text("toy.features", "one - First\n")
        .table_text(
            "toy.decode",
            &format!("{HEAD}add_imm 0 nnn iiii \"add {{n}}\" one A.1 imm:=f(i) big:=i>3\n"),
        )
        .compile()
        .expect("a good table");
    for part in [
        "pub struct AddImm {",
        "pub rn: u32,",
        "pub big: bool,",
        "features.has(Feature::One)",
        "macro_rules! dispatch_toy",
        "$crate::f((insn & 0xf))",
    ] {
        assert!(text.contains(part), "no `{part}` in:\n{text}");
    }
}

#[test]
fn every_row_is_read_back() {
    let text = "a i 00 iiiii \"a {i}, {n}\" one|two 1.2 i!=3\nb.x nn 000000 \"b\" - 1.3 n==3\n";
    let mut diags = Diags::default();
    let table = parse::table("toy.decode", &format!("{HEAD}{text}"), &mut diags);
    let lines: String = table
        .rows
        .iter()
        .map(|r| emit::row_text(&table, r))
        .collect();
    fn accepts(row: u16, insn: u64) -> bool {
        row != 1 || insn == 0xc0
    }
    let rows = Rows::new(lines.leak(), accepts, |_, _| true);
    assert_eq!(rows.len(), table.rows.len());
    for (read, row) in rows.iter().zip(&table.rows) {
        assert_eq!(
            (read.name, read.mask, read.value),
            (&*row.name, row.mask, row.value)
        );
        assert_eq!((read.line, read.syntax), (row.line, &*row.syntax));
        assert_eq!(read.fields.len(), row.fields.len());
    }
    let i = rows[0].field("imm").unwrap();
    assert_eq!(
        (i.key, i.width, i.value(0x9f), i.pieces.len()),
        ("i", 6, 0x3f, 2)
    );
    assert_eq!((rows[0].features, rows[1].handler()), ("one|two", "b"));
    assert!(rows[1].matches(0xc0) && !rows[1].matches(0x80));
}
