//! Lines to tokens.

use super::error::{Diagnostics, Span};

/// What a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A word: a name, a mnemonic, a register or a keyword.
    Word(String),
    /// An integer.
    Int(i128),
    /// Punctuation.
    Sign(&'static str),
}

/// A token and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) span: Span,
}

/// Punctuation, the longer ones first.
const SIGNS: [&str; 12] = ["::", "<<", ",", ":", "[", "]", "(", ")", "+", "-", "*", "="];

/// The tokens of one line. Nothing of a line with an error in it is used, so the error is the only one.
pub(super) fn lex_line(text: &str, file: u32, line: u32, diagnostics: &mut Diagnostics) -> Option<Vec<Token>> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let rest = &chars[at..];
        let span = |width: usize| Span {
            file,
            line,
            column: at as u32 + 1,
            width: width as u32,
        };
        let first = rest[0];
        if first == '#' {
            break;
        }
        if first.is_whitespace() {
            at += 1;
            continue;
        }
        if first.is_ascii_alphabetic() || first == '_' {
            let width = rest.iter().take_while(|c| is_word(**c)).count();
            tokens.push(Token {
                kind: Kind::Word(rest[..width].iter().collect()),
                span: span(width),
            });
            at += width;
            continue;
        }
        if first.is_ascii_digit() {
            let width = rest.iter().take_while(|c| is_word(**c)).count();
            let digits: String = rest[..width].iter().collect();
            let Some(value) = integer(&digits) else {
                diagnostics.error_help(
                    span(width),
                    format!("`{digits}` is not an integer below 2^64"),
                    "integers are written 12, 0x1f or 0b101, with `_` between digits as you like",
                );
                return None;
            };
            tokens.push(Token {
                kind: Kind::Int(value),
                span: span(width),
            });
            at += width;
            continue;
        }
        let Some(sign) = SIGNS
            .iter()
            .find(|sign| sign.chars().eq(rest.iter().copied().take(sign.len())))
        else {
            diagnostics.error_help(
                span(1),
                format!("`{}` means nothing here", first.escape_debug()),
                "comments begin with `#`",
            );
            return None;
        };
        tokens.push(Token {
            kind: Kind::Sign(sign),
            span: span(sign.len()),
        });
        at += sign.len();
    }
    Some(tokens)
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '.'
}

fn integer(digits: &str) -> Option<i128> {
    let plain: String = digits.chars().filter(|c| *c != '_').collect();
    let (radix, body) = match plain.get(..2) {
        Some("0x" | "0X") => (16, &plain[2..]),
        Some("0b" | "0B") => (2, &plain[2..]),
        _ => (10, plain.as_str()),
    };
    u64::from_str_radix(body, radix)
        .ok()
        .filter(|_| !body.starts_with('+'))
        .map(i128::from)
}
