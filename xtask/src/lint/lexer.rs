//! Splits Rust text into code and comments, line by line.
//!
//! Only as much of the grammar as that needs: comments nest, strings (plain, byte, C, raw) and
//! character literals hide what looks like a comment, a lifetime is not a character.
//! Reference: <https://doc.rust-lang.org/reference/tokens.html>.

/// One line's code (string contents apart), its strings' contents, and its comments.
#[derive(Default, Clone)]
pub struct Line {
    /// Code, string and character literals emptied.
    pub code: String,
    /// What was inside of the literals.
    pub strings: String,
    /// Text of the comments, with their marks.
    pub comment: String,
}

enum State {
    Code,
    LineComment,
    BlockComment(u32),
    Str,
    RawStr(usize),
}

/// Splits `text`; the result has one entry per line.
pub fn split(text: &str) -> Vec<Line> {
    let chars: Vec<char> = text.chars().collect();
    let mut lines = Vec::new();
    let mut line = Line::default();
    let mut state = State::Code;
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        if c == '\n' {
            lines.push(std::mem::take(&mut line));
            if matches!(state, State::LineComment) {
                state = State::Code;
            }
            at += 1;
            continue;
        }
        let rest = chars.get(at..).unwrap_or_default();
        let used = match state {
            State::Code => code(rest, &mut line, &mut state),
            State::LineComment => {
                line.comment.push(c);
                1
            }
            State::BlockComment(depth) => block_comment(rest, depth, &mut line, &mut state),
            State::Str => string(rest, &mut line, &mut state),
            State::RawStr(hashes) => raw_string(rest, hashes, &mut line, &mut state),
        };
        at += used;
    }
    lines.push(line);
    lines
}

fn starts(rest: &[char], with: &str) -> bool {
    with.chars()
        .enumerate()
        .all(|(i, c)| rest.get(i) == Some(&c))
}

fn code(rest: &[char], line: &mut Line, state: &mut State) -> usize {
    if starts(rest, "//") {
        *state = State::LineComment;
        return 0;
    }
    if starts(rest, "/*") {
        *state = State::BlockComment(1);
        line.comment.push_str("/*");
        return 2;
    }
    let c = rest[0];
    let in_word = line
        .code
        .ends_with(|p: char| p.is_alphanumeric() || p == '_');
    if let Some((used, hashes)) = raw_start(rest).filter(|_| !in_word) {
        *state = State::RawStr(hashes);
        line.code.push('"');
        return used;
    }
    if c == '"' {
        *state = State::Str;
    } else if c == '\''
        && let Some(length) = char_literal(rest)
    {
        line.code.push_str("''");
        return length;
    }
    line.code.push(c);
    1
}

/// `r"`, `br#"`, `cr##"`: characters up to and with the quote, and the number of hashes.
fn raw_start(rest: &[char]) -> Option<(usize, usize)> {
    let prefix = ["r", "br", "cr"]
        .into_iter()
        .find(|p| starts(rest, p) && matches!(rest.get(p.len()), Some('"' | '#')))?;
    let hashes = rest
        .iter()
        .skip(prefix.len())
        .take_while(|&&c| c == '#')
        .count();
    (rest.get(prefix.len() + hashes) == Some(&'"')).then_some((prefix.len() + hashes + 1, hashes))
}

/// Length of a character literal at `rest`, or none for a lifetime.
fn char_literal(rest: &[char]) -> Option<usize> {
    if rest.get(1) == Some(&'\\') {
        return rest.iter().skip(3).position(|&c| c == '\'').map(|p| p + 4);
    }
    (rest.get(2) == Some(&'\'')).then_some(3)
}

fn block_comment(rest: &[char], depth: u32, line: &mut Line, state: &mut State) -> usize {
    let (open, close) = (starts(rest, "/*"), starts(rest, "*/"));
    if open || close {
        line.comment.push_str(if open { "/*" } else { "*/" });
        *state = match (open, depth) {
            (true, _) => State::BlockComment(depth + 1),
            (false, 1) => State::Code,
            (false, _) => State::BlockComment(depth - 1),
        };
        return 2;
    }
    line.comment.push(rest[0]);
    1
}

fn string(rest: &[char], line: &mut Line, state: &mut State) -> usize {
    match rest[0] {
        '\\' if rest.len() > 1 && rest[1] != '\n' => {
            line.strings.extend(&rest[..2]);
            2
        }
        '"' => {
            *state = State::Code;
            line.code.push('"');
            line.strings.push(' ');
            1
        }
        c => {
            line.strings.push(c);
            1
        }
    }
}

fn raw_string(rest: &[char], hashes: usize, line: &mut Line, state: &mut State) -> usize {
    if rest[0] == '"' && rest.iter().skip(1).take_while(|&&c| c == '#').count() >= hashes {
        *state = State::Code;
        line.code.push('"');
        line.strings.push(' ');
        return 1 + hashes;
    }
    line.strings.push(rest[0]);
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_strings_are_taken_apart() {
        let l = split("let a = \"// no\"; // yes\nb /* one /* two */ still\n more */ c");
        assert_eq!(
            (l[0].code.as_str(), l[0].strings.trim()),
            ("let a = \"\"; ", "// no")
        );
        assert_eq!(l[0].comment, "// yes");
        assert_eq!(l[1].code.trim(), "b");
        assert_eq!(l[2].code.trim(), "c");
        assert!(l[2].comment.contains("more"));
    }

    #[test]
    fn raw_strings_escapes_and_lifetimes() {
        let l = split(r##"x(r#"a " // b"#, '"', '\'', "\"//"); fn f<'a>(x: &'a str) {} // end"##);
        assert_eq!(l[0].comment, "// end");
        assert!(l[0].code.contains("fn f<'a>(x: &'a str)"));
        assert!(l[0].strings.contains("a \" // b"));
    }

    #[test]
    fn string_over_lines_keeps_line_numbers() {
        let l = split("a(\"one\n two // x\n\"); unsafe");
        assert_eq!(l.len(), 3);
        assert!(l[1].comment.is_empty() && l[2].code.contains("unsafe"));
    }
}
