//! Commands that look at memory and compute: `x`, `xp`, `print`, `memsave`, `pmemsave`.

use crate::Session;
use crate::args::Args;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::Write as _;

type Outcome = Result<Value, String>;

/// `/COUNT FORMAT SIZE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Format {
    count: u64,
    how: char,
    bytes: usize,
}

/// Splits `/FMT EXPRESSION`.
fn split(text: &str) -> Result<(Format, &str), String> {
    let mut format = Format {
        count: 1,
        how: 'x',
        bytes: 4,
    };
    let Some(rest) = text.trim().strip_prefix('/') else {
        return Ok((format, text.trim()));
    };
    let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
    let (word, rest) = rest.split_at(end);
    let letters = word.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = word.strip_suffix(letters).unwrap_or("");
    if !digits.is_empty() {
        let count = digits.parse().ok().filter(|c| *c <= 1 << 20);
        format.count = count.ok_or_else(|| format!("/{word}: at most {} items", 1 << 20))?;
    }
    for letter in letters.chars() {
        match letter {
            'x' | 'd' | 'u' | 'o' | 'c' => format.how = letter,
            'b' => format.bytes = 1,
            'h' => format.bytes = 2,
            'w' => format.bytes = 4,
            'g' => format.bytes = 8,
            'i' => return Err("instructions cannot be shown here; a debugger can".to_owned()),
            _ => return Err(format!("/{word}: there is no format '{letter}'")),
        }
    }
    if format.how == 'c' {
        format.bytes = 1;
    }
    Ok((format, rest.trim()))
}

pub fn examine_virtual(session: &Session, args: &Args) -> Outcome {
    let (machine, cpu) = (&session.context.machine, session.cpu());
    examine(session, args, &|at, buf| machine.read_virt(cpu, at, buf))
}

pub fn examine_physical(session: &Session, args: &Args) -> Outcome {
    let machine = &session.context.machine;
    examine(session, args, &|at, buf| machine.read_phys(at, buf))
}

fn examine(session: &Session, args: &Args, read: &dyn Fn(u64, &mut [u8]) -> bool) -> Outcome {
    let (format, rest) = split(args.text("what").unwrap_or(""))?;
    let start = evaluate(session, rest)?;
    let per_line = 16 / format.bytes as u64;
    let mut text = String::new();
    for index in 0..format.count {
        let at = start.wrapping_add(index.wrapping_mul(format.bytes as u64));
        if index % per_line == 0 {
            // Writing into a string cannot fail.
            let _ = write!(text, "{}{at:016x}:", if index > 0 { "\n" } else { "" });
        }
        let mut buf = [0; 8];
        let buf = buf.get_mut(..format.bytes).unwrap_or_default();
        if !read(at, buf) {
            let _ = writeln!(text, " Cannot access memory");
            return Ok(text.into());
        }
        let _ = write!(
            text,
            " {}",
            show(number(buf, session.context.big_endian), format)
        );
    }
    Ok((text + "\n").into())
}

fn number(bytes: &[u8], big_endian: bool) -> u64 {
    let add = |n: u64, b: &u8| n << 8 | u64::from(*b);
    if big_endian {
        bytes.iter().fold(0, add)
    } else {
        bytes.iter().rev().fold(0, add)
    }
}

fn show(value: u64, format: Format) -> String {
    let digits = format.bytes * 2;
    let unused = 64 - format.bytes as u32 * 8;
    match format.how {
        'd' => ((value << unused).cast_signed() >> unused).to_string(),
        'u' => value.to_string(),
        'o' => format!("{value:#o}"),
        'c' => match u8::try_from(value) {
            Ok(byte) if byte.is_ascii_graphic() || byte == b' ' => {
                format!("'{}'", char::from(byte))
            }
            _ => format!("'\\x{value:02x}'"),
        },
        _ => format!("0x{value:0digits$x}"),
    }
}

pub fn print(session: &Session, args: &Args) -> Outcome {
    let (mut format, rest) = split(args.text("what").unwrap_or(""))?;
    format.bytes = 8;
    let value = evaluate(session, rest)?;
    let text = match format.how {
        'x' => format!("{value:#x}"),
        _ => show(value, format),
    };
    Ok((text + "\n").into())
}

pub fn save_virtual(session: &Session, args: &Args) -> Outcome {
    let machine = &session.context.machine;
    let cpu = args.number("cpu-index").and_then(|n| u32::try_from(n).ok());
    let cpu = cpu.unwrap_or_else(|| session.cpu());
    if cpu >= machine.cpu_count() {
        return Err(format!("there is no vCPU {cpu}"));
    }
    save(args, &|at, buf| machine.read_virt(cpu, at, buf))
}

pub fn save_physical(session: &Session, args: &Args) -> Outcome {
    let machine = &session.context.machine;
    save(args, &|at, buf| machine.read_phys(at, buf))
}

fn save(args: &Args, read: &dyn Fn(u64, &mut [u8]) -> bool) -> Outcome {
    let (start, size) = (
        args.number("val").unwrap_or(0),
        args.number("size").unwrap_or(0),
    );
    let path = args.text("filename").unwrap_or("");
    let failed = |e: std::io::Error| format!("{path}: {e}");
    let mut file = std::fs::File::create(path).map_err(failed)?;
    let mut done = 0;
    while done < size {
        let mut buf = [0; 4096];
        let length = (size - done).min(4096) as usize;
        let buf = buf.get_mut(..length).unwrap_or_default();
        let at = start.wrapping_add(done);
        if !read(at, buf) {
            return Err(format!(
                "Invalid addr {at:#018x}/size {} specified",
                size - done
            ));
        }
        file.write_all(buf).map_err(failed)?;
        done += length as u64;
    }
    Ok(json!({}))
}

/// Computes an expression.
pub fn evaluate(session: &Session, text: &str) -> Result<u64, String> {
    let machine = &session.context.machine;
    let register = |name: &str| machine.register(session.cpu(), name);
    Parser {
        rest: text,
        depth: 0,
        register: &register,
    }
    .whole()
}

struct Parser<'a> {
    rest: &'a str,
    depth: u32,
    register: &'a dyn Fn(&str) -> Option<u64>,
}

impl Parser<'_> {
    fn whole(mut self) -> Result<u64, String> {
        let value = self.sum()?;
        if self.rest.trim().is_empty() {
            return Ok(value);
        }
        Err(format!("'{}' is not understood", self.rest.trim()))
    }

    fn operator(&mut self, of: &str) -> Option<char> {
        self.rest = self.rest.trim_start();
        let next = self.rest.chars().next().filter(|c| of.contains(*c))?;
        self.rest = self.rest.strip_prefix(next)?;
        Some(next)
    }

    fn sum(&mut self) -> Result<u64, String> {
        let mut value = self.bits()?;
        while let Some(operator) = self.operator("+-") {
            let right = self.bits()?;
            value = match operator {
                '+' => value.wrapping_add(right),
                _ => value.wrapping_sub(right),
            };
        }
        Ok(value)
    }

    fn bits(&mut self) -> Result<u64, String> {
        let mut value = self.product()?;
        while let Some(operator) = self.operator("&|^") {
            let right = self.product()?;
            value = match operator {
                '&' => value & right,
                '|' => value | right,
                _ => value ^ right,
            };
        }
        Ok(value)
    }

    fn product(&mut self) -> Result<u64, String> {
        let mut value = self.unary()?;
        while let Some(operator) = self.operator("*/%") {
            let right = self.unary()?;
            value = match operator {
                '*' => value.wrapping_mul(right),
                '/' => value.checked_div(right).ok_or("division by zero")?,
                _ => value.checked_rem(right).ok_or("division by zero")?,
            };
        }
        Ok(value)
    }

    fn unary(&mut self) -> Result<u64, String> {
        self.depth += 1;
        if self.depth > 100 {
            return Err("too many parentheses or signs".to_owned());
        }
        let value = match self.operator("+-~(") {
            Some('+') => self.unary(),
            Some('-') => self.unary().map(u64::wrapping_neg),
            Some('~') => self.unary().map(|v| !v),
            Some(_) => {
                let value = self.sum()?;
                self.operator(")")
                    .map(|_| value)
                    .ok_or_else(|| "')' is missing".to_owned())
            }
            None => self.value(),
        };
        self.depth -= 1;
        value
    }

    fn value(&mut self) -> Result<u64, String> {
        let text = self.rest.trim_start();
        let ends = |c: char| !c.is_alphanumeric() && c != '_' && c != '$' && c != '.';
        let (word, rest) = text.split_at(text.find(ends).unwrap_or(text.len()));
        self.rest = rest;
        if let Some(name) = word.strip_prefix('$') {
            let value = (self.register)(name);
            return value.ok_or_else(|| format!("there is no register '{name}'"));
        }
        let value = softmmu_opts::integer(word);
        value.ok_or_else(|| match word {
            "" => "an expression is missing".to_owned(),
            word => format!("'{word}' is not a number"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Result<u64, String> {
        let register = |name: &str| (name == "r1").then_some(0x100);
        Parser {
            rest: text,
            depth: 0,
            register: &register,
        }
        .whole()
    }

    #[test]
    fn expressions() {
        for (text, expected) in [
            ("0x10", 16),
            ("1 + 2 * 3", 7),
            ("(1+2)*3", 9),
            ("$r1+4", 0x104),
            ("-1", u64::MAX),
            ("~0 & 0xff", 255),
            ("7/2", 3),
        ] {
            assert_eq!(value(text), Ok(expected), "{text}");
        }
        let deep = "(".repeat(100_000);
        for text in ["", "1/0", "(1", "1 2", "$pc", "x", deep.as_str()] {
            assert!(value(text).is_err());
        }
    }

    #[test]
    fn formats() {
        let (format, rest) = split("/4xh 0x100").unwrap();
        assert_eq!(
            (format.count, format.how, format.bytes, rest),
            (4, 'x', 2, "0x100")
        );
        assert_eq!(show(0xfffe, format), "0xfffe");
        assert_eq!(show(0xfffe, Format { how: 'd', ..format }), "-2");
        assert!(split("/99999999x 0").is_err() && split("/4z 0").is_err());
        assert_eq!(number(&[1, 2], true), 0x102);
        assert_eq!(number(&[1, 2], false), 0x201);
    }
}
