//! The small expression language of constraints and computed arguments.
//!
//! All values are unsigned words with wrapping arithmetic; comparisons and `&& || !` are boolean.
//! Precedence, low to high: `||`, `&&`, comparison, `|`, `^`, `&`, shifts, `+ -`, `* %`, unary.

use std::collections::BTreeMap;

/// An expression over the fields of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expr {
    Num(u64),
    Bool(bool),
    /// A field, by its key (letter or long name).
    Field(String),
    Unary(&'static str, Box<Expr>),
    Binary(&'static str, Box<Expr>, Box<Expr>),
    /// `ones(x)`, `sext(x)` or a function declared with `%fn`.
    Call(String, Vec<Expr>),
    /// `@name`: a value that only the translator knows, declared with `%ctx`.
    Context(String),
}

/// Operators by precedence level, longest spelling first within the scanner.
const LEVELS: &[&[&str]] = &[
    &["||"],
    &["&&"],
    &["==", "!=", "<=", ">=", "<", ">"],
    &["|"],
    &["^"],
    &["&"],
    &["<<", ">>"],
    &["+", "-"],
    &["*", "%"],
];
const OPERATORS: &[&str] = &[
    "||", "&&", "==", "!=", "<=", ">=", "<<", ">>", "<", ">", "|", "^", "&", "+", "-", "*", "%",
    "~", "!", "(", ")", ",",
];

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Num(u64),
    Name(String),
    Context(String),
    Op(&'static str),
}

fn number(text: &str) -> Option<u64> {
    if let Some(hex) = text.strip_prefix("0x") {
        u64::from_str_radix(hex, 16).ok()
    } else if let Some(bin) = text.strip_prefix("0b") {
        u64::from_str_radix(bin, 2).ok()
    } else {
        text.parse().ok()
    }
}

fn scan(text: &str) -> Result<Vec<Token>, String> {
    let mut rest = text;
    let mut out = Vec::new();
    while let Some(first) = rest.chars().next() {
        if first.is_whitespace() {
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let word_end = |s: &str| {
            s.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .unwrap_or(s.len())
        };
        if first.is_ascii_digit() {
            let end = word_end(rest);
            let digits = &rest[..end];
            out.push(Token::Num(
                number(digits).ok_or_else(|| format!("bad number `{digits}`"))?,
            ));
            rest = &rest[end..];
        } else if first.is_ascii_alphabetic() || first == '_' {
            let end = word_end(rest);
            out.push(Token::Name(rest[..end].to_string()));
            rest = &rest[end..];
        } else if first == '@' {
            let tail = &rest[1..];
            let end = word_end(tail);
            out.push(Token::Context(tail[..end].to_string()));
            rest = &tail[end..];
        } else if let Some(op) = OPERATORS.iter().find(|op| rest.starts_with(**op)) {
            out.push(Token::Op(op));
            rest = &rest[op.len()..];
        } else {
            return Err(format!("unexpected `{first}` in expression `{text}`"));
        }
    }
    Ok(out)
}

struct Parser<'a> {
    tokens: Vec<Token>,
    at: usize,
    text: &'a str,
}

impl Parser<'_> {
    fn peek_op(&self) -> Option<&'static str> {
        match self.tokens.get(self.at) {
            Some(Token::Op(op)) => Some(op),
            _ => None,
        }
    }

    fn expect(&mut self, op: &str) -> Result<(), String> {
        if self.peek_op() == Some(OPERATORS.iter().find(|o| **o == op).copied().unwrap_or("")) {
            self.at += 1;
            Ok(())
        } else {
            Err(format!("expected `{op}` in expression `{}`", self.text))
        }
    }

    fn level(&mut self, level: usize) -> Result<Expr, String> {
        let Some(ops) = LEVELS.get(level) else {
            return self.unary();
        };
        let mut left = self.level(level + 1)?;
        while let Some(op) = self.peek_op().filter(|op| ops.contains(op)) {
            self.at += 1;
            let right = self.level(level + 1)?;
            left = Expr::Binary(op, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expr, String> {
        if let Some(op) = self.peek_op().filter(|op| *op == "~" || *op == "!") {
            self.at += 1;
            return Ok(Expr::Unary(op, Box::new(self.unary()?)));
        }
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        match token {
            Some(Token::Num(n)) => Ok(Expr::Num(n)),
            Some(Token::Context(name)) => Ok(Expr::Context(name)),
            Some(Token::Op("(")) => {
                let inner = self.level(0)?;
                self.expect(")")?;
                Ok(inner)
            }
            Some(Token::Name(name)) if self.peek_op() == Some("(") => self.call(name),
            Some(Token::Name(name)) if name == "true" => Ok(Expr::Bool(true)),
            Some(Token::Name(name)) if name == "false" => Ok(Expr::Bool(false)),
            Some(Token::Name(name)) => Ok(Expr::Field(name)),
            _ => Err(format!("incomplete expression `{}`", self.text)),
        }
    }

    fn call(&mut self, name: String) -> Result<Expr, String> {
        self.expect("(")?;
        let mut args = vec![self.level(0)?];
        while self.peek_op() == Some(",") {
            self.at += 1;
            args.push(self.level(0)?);
        }
        self.expect(")")?;
        Ok(Expr::Call(name, args))
    }
}

pub(crate) fn parse(text: &str) -> Result<Expr, String> {
    let mut parser = Parser {
        tokens: scan(text)?,
        at: 0,
        text,
    };
    let expr = parser.level(0)?;
    if parser.at != parser.tokens.len() {
        return Err(format!("left over text in expression `{text}`"));
    }
    Ok(expr)
}

impl Expr {
    /// Calls `f` for each field key used.
    pub(crate) fn fields(&self, f: &mut dyn FnMut(&str)) {
        match self {
            Expr::Field(key) => f(key),
            Expr::Unary(_, a) => a.fields(f),
            Expr::Binary(_, a, b) => {
                a.fields(f);
                b.fields(f);
            }
            Expr::Call(_, args) => args.iter().for_each(|a| a.fields(f)),
            Expr::Num(_) | Expr::Bool(_) | Expr::Context(_) => {}
        }
    }

    /// Calls `f` for each function (true) and each context value (false) used.
    pub(crate) fn callees(&self, f: &mut dyn FnMut(&str, bool)) {
        match self {
            Expr::Unary(_, a) => a.callees(f),
            Expr::Binary(_, a, b) => {
                a.callees(f);
                b.callees(f);
            }
            Expr::Call(name, args) => {
                f(name, true);
                args.iter().for_each(|a| a.callees(f));
            }
            Expr::Context(name) => f(name, false),
            Expr::Num(_) | Expr::Bool(_) | Expr::Field(_) => {}
        }
    }

    /// Whether the value is a truth value.
    pub(crate) fn is_bool(&self) -> bool {
        match self {
            Expr::Bool(_) | Expr::Unary("!", _) => true,
            Expr::Binary(op, ..) => {
                matches!(*op, "||" | "&&" | "==" | "!=" | "<=" | ">=" | "<" | ">")
            }
            _ => false,
        }
    }

    /// `field == constant` (true) or `field != constant` (false), the forms the reachability
    /// analysis understands.
    pub(crate) fn simple_test(&self) -> Option<(&str, u64, bool)> {
        match self {
            Expr::Binary(op @ ("==" | "!="), a, b) => match (a.as_ref(), b.as_ref()) {
                (Expr::Field(key), Expr::Num(n)) => Some((key, *n, *op == "==")),
                _ => None,
            },
            _ => None,
        }
    }

    /// The value for the given field values; `None` when it needs the translator.
    pub(crate) fn eval(&self, fields: &BTreeMap<&str, u64>) -> Option<u64> {
        Some(match self {
            Expr::Num(n) => *n,
            Expr::Bool(b) => u64::from(*b),
            Expr::Field(key) => *fields.get(key.as_str())?,
            Expr::Unary("~", a) => !a.eval(fields)?,
            Expr::Unary(_, a) => u64::from(a.eval(fields)? == 0),
            Expr::Binary(op, a, b) => binary(op, a.eval(fields)?, b.eval(fields)?),
            Expr::Call(name, args) if name == "ones" => {
                u64::from(args.first()?.eval(fields)?.count_ones())
            }
            Expr::Call(..) | Expr::Context(_) => return None,
        })
    }

    /// Rust text in the given style.
    pub(crate) fn rust(&self, style: &RustStyle<'_>) -> String {
        let sub = |e: &Expr| e.rust(style);
        match self {
            Expr::Num(n) => format!("{n}{}", style.word),
            Expr::Bool(b) => format!("{b}"),
            Expr::Field(key) => (style.field)(key),
            Expr::Unary("~", a) => format!("(!{})", sub(a)),
            Expr::Unary(_, a) if a.is_bool() => format!("(!{})", sub(a)),
            Expr::Unary(_, a) => format!("({} == 0)", sub(a)),
            Expr::Binary(op, a, b) => rust_binary(op, &sub(a), &sub(b)),
            Expr::Call(name, args) => {
                let args: Vec<String> = args.iter().map(sub).collect();
                match name.as_str() {
                    "ones" => format!("{}::from(({}).count_ones())", style.word, args.concat()),
                    "sext" => {
                        let value = args.first().map_or("", String::as_str);
                        let bits = args.get(1).map_or("", String::as_str);
                        format!(
                            "(tcg_decode::rt::sext(u64::from({value}), {bits} as u32) as {})",
                            style.signed()
                        )
                    }
                    _ => format!("{}({})", (style.call)(name), args.join(", ")),
                }
            }
            Expr::Context(name) => format!("t.{name}()"),
        }
    }
}

/// How expressions become Rust text.
pub(crate) struct RustStyle<'a> {
    /// The unsigned word type.
    pub word: &'static str,
    /// The text of a field's value.
    pub field: &'a dyn Fn(&str) -> String,
    /// The path of a declared function.
    pub call: &'a dyn Fn(&str) -> String,
}

impl RustStyle<'_> {
    fn signed(&self) -> &'static str {
        if self.word == "u64" { "i64" } else { "i32" }
    }
}

fn binary(op: &str, a: u64, b: u64) -> u64 {
    let truth = u64::from;
    match op {
        "||" => truth(a != 0 || b != 0),
        "&&" => truth(a != 0 && b != 0),
        "==" => truth(a == b),
        "!=" => truth(a != b),
        "<=" => truth(a <= b),
        ">=" => truth(a >= b),
        "<" => truth(a < b),
        ">" => truth(a > b),
        "|" => a | b,
        "^" => a ^ b,
        "&" => a & b,
        "<<" => a.checked_shl(b as u32).unwrap_or(0),
        ">>" => a.checked_shr(b as u32).unwrap_or(0),
        "+" => a.wrapping_add(b),
        "-" => a.wrapping_sub(b),
        "*" => a.wrapping_mul(b),
        _ => a.checked_rem(b).unwrap_or(0),
    }
}

fn rust_binary(op: &str, a: &str, b: &str) -> String {
    let method = match op {
        "+" => "wrapping_add",
        "-" => "wrapping_sub",
        "*" => "wrapping_mul",
        _ => return format!("({a} {op} {b})"),
    };
    format!("({a}).{method}({b})")
}
