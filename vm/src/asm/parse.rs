//! Tokens to the syntax tree, line by line. A line with an error is dropped, so that one mistake is one error.

use std::collections::HashMap;

use super::error::{Diagnostics, Span};
use super::lex::{Kind, Token, lex_line};
use super::syntax::{Argument, ArgumentKind, Constant, Expr, File, Import, Line, Operator, Path, Procedure, Statement};

/// How deeply expressions may be nested.
const MAX_DEPTH: u32 = 64;

/// How many names, integers and minus signs one line may have.
const MAX_ATOMS: u32 = 512;

const KEYWORDS: [&str; 7] = ["use", "as", "const", "reg", "pub", "proc", "end"];

/// Parses the file that [Diagnostics] knows by `file`.
pub(super) fn parse(text: &str, file: u32, diagnostics: &mut Diagnostics) -> File {
    let mut parser = Parser {
        file: File::default(),
        open: None,
        aliases: HashMap::new(),
        local_aliases: HashMap::new(),
    };
    for (number, line) in text.lines().enumerate() {
        let Ok(number) = u32::try_from(number + 1) else { break };
        let Some(tokens) = lex_line(line, file, number, diagnostics) else {
            continue;
        };
        let mut cursor = Cursor {
            tokens: &tokens,
            at: 0,
            end: Span {
                file,
                line: number,
                column: line.chars().count() as u32 + 1,
                width: 1,
            },
            depth: 0,
            atoms: 0,
        };
        if let Err(refusal) = parser.line(&mut cursor) {
            diagnostics.push(refusal.span, refusal.message, refusal.help);
        }
    }
    if let Some(open) = parser.open {
        diagnostics.error_help(
            open.span,
            format!("`proc {}` has no `end`", open.name),
            "close it with `end`",
        );
        parser.file.procedures.push(open);
    }
    parser.file
}

struct Refusal {
    span: Span,
    message: String,
    help: Option<String>,
}

type Parsed<T> = Result<T, Refusal>;

fn refuse<T>(span: Span, message: impl Into<String>, help: impl Into<String>) -> Parsed<T> {
    Err(Refusal {
        span,
        message: message.into(),
        help: Some(help.into()),
    })
}

// CURSOR
// ================================================================================================================

struct Cursor<'a> {
    tokens: &'a [Token],
    at: usize,
    end: Span,
    depth: u32,
    atoms: u32,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<&Kind> {
        self.tokens.get(self.at).map(|token| &token.kind)
    }

    /// Where the next token stands, or the end of the line.
    fn span(&self) -> Span {
        self.tokens.get(self.at).map_or(self.end, |token| token.span)
    }

    /// Where the last taken token stands.
    fn last_span(&self) -> Span {
        self.at
            .checked_sub(1)
            .and_then(|at| self.tokens.get(at))
            .map_or(self.end, |token| token.span)
    }

    fn take_sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Some(Kind::Sign(s)) if *s == sign);
        self.at += usize::from(found);
        found
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Some(Kind::Word(w)) if w == word);
        self.at += usize::from(found);
        found
    }

    fn word(&mut self) -> Option<String> {
        let Some(Kind::Word(word)) = self.peek() else {
            return None;
        };
        let word = word.clone();
        self.at += 1;
        Some(word)
    }

    /// A name that may be defined: not a register, not a keyword, without a dot.
    fn new_name(&mut self, of: &str) -> Parsed<(String, Span)> {
        let span = self.span();
        let Some(name) = self.word() else {
            return refuse(
                span,
                format!("the name of a {of} is missing here"),
                "names are letters, digits and `_`",
            );
        };
        check_name(&name, span)?;
        Ok((name, span))
    }

    fn finish(&self) -> Parsed<()> {
        match self.peek() {
            None => Ok(()),
            Some(_) => refuse(
                self.span(),
                "this is one thing too many on the line",
                "one statement a line; operands are separated by `,`",
            ),
        }
    }
}

fn check_name(name: &str, span: Span) -> Parsed<()> {
    if name.contains('.') {
        return refuse(
            span,
            format!("the name `{name}` has a dot in it"),
            "names are letters, digits and `_`",
        );
    }
    if register(name).is_some() || KEYWORDS.contains(&name) {
        return refuse(span, format!("`{name}` is reserved"), "choose another name");
    }
    Ok(())
}

/// The register, pair or quad of this name.
fn register(name: &str) -> Option<ArgumentKind> {
    let number = |digits: &str| {
        let plain = digits == "0" || !digits.starts_with('0');
        digits
            .parse::<u8>()
            .ok()
            .filter(|_| plain && digits.bytes().all(|b| b.is_ascii_digit()))
    };
    let (family, digits) = name.split_at_checked(1)?;
    let n = number(digits)?;
    match family {
        "r" if n < 16 => Some(ArgumentKind::Register(n)),
        "p" if n < 8 => Some(ArgumentKind::Pair(2 * n)),
        "q" if n < 4 => Some(ArgumentKind::Quad(4 * n)),
        _ => None,
    }
}

// PARSER
// ================================================================================================================

struct Parser {
    file: File,
    /// The procedure whose `end` has not come yet.
    open: Option<Procedure>,
    aliases: HashMap<String, ArgumentKind>,
    local_aliases: HashMap<String, ArgumentKind>,
}

impl Parser {
    fn line(&mut self, c: &mut Cursor) -> Parsed<()> {
        let start = c.span();
        if c.peek().is_none() {
            return Ok(());
        }
        let public = c.take_word("pub");
        if c.take_word("proc") {
            return self.procedure(c, public);
        }
        if c.take_word("const") {
            return self.constant(c, public);
        }
        if public {
            return refuse(
                start,
                "`pub` stands before `proc` or `const`",
                "write `pub proc NAME` or `pub const NAME = ...`",
            );
        }
        if c.take_word("use") {
            return self.import(c);
        }
        if c.take_word("reg") {
            return self.alias(c);
        }
        if c.take_word("end") {
            c.finish()?;
            let Some(procedure) = self.open.take() else {
                return refuse(
                    start,
                    "this `end` closes nothing",
                    "remove it, or open a procedure with `proc NAME`",
                );
            };
            self.local_aliases.clear();
            self.file.procedures.push(procedure);
            return Ok(());
        }
        self.label_or_instruction(c)
    }

    fn procedure(&mut self, c: &mut Cursor, public: bool) -> Parsed<()> {
        let (name, span) = c.new_name("procedure")?;
        if let Some(open) = &self.open {
            return refuse(
                span,
                format!("`proc {name}` begins inside `proc {}`", open.name),
                "procedures do not nest: write `end` first",
            );
        }
        self.open = Some(Procedure {
            name,
            public,
            span,
            constants: Vec::new(),
            statements: Vec::new(),
        });
        c.finish()
    }

    fn constant(&mut self, c: &mut Cursor, public: bool) -> Parsed<()> {
        let (name, span) = c.new_name("constant")?;
        if !c.take_sign("=") {
            return refuse(c.span(), "`=` is missing here", "write `const NAME = 1 + 2`");
        }
        let value = self.expression(c)?;
        c.finish()?;
        let constant = Constant {
            name,
            public,
            value,
            span,
        };
        match &mut self.open {
            Some(_) if public => refuse(
                span,
                "a constant inside a procedure cannot be public",
                "move it out of the procedure",
            ),
            Some(procedure) => {
                procedure.constants.push(constant);
                Ok(())
            }
            None => {
                self.file.constants.push(constant);
                Ok(())
            }
        }
    }

    fn import(&mut self, c: &mut Cursor) -> Parsed<()> {
        let start = c.span();
        if self.open.is_some() {
            return refuse(start, "`use` inside a procedure", "move it to the top of the file");
        }
        let path = self.path(c)?;
        let alias = if c.take_word("as") {
            c.new_name("module")?.0
        } else {
            path.segments.last().cloned().unwrap_or_default()
        };
        c.finish()?;
        self.file.imports.push(Import {
            path: path.segments.join("::"),
            alias,
            span: path.span,
        });
        Ok(())
    }

    fn alias(&mut self, c: &mut Cursor) -> Parsed<()> {
        let (name, span) = c.new_name("register alias")?;
        let help = "write `reg NAME = r5`, with r0 to r15, p0 to p7 or q0 to q3";
        if !c.take_sign("=") {
            return refuse(c.span(), "`=` is missing here", help);
        }
        let at = c.span();
        let Some(kind) = c.word().and_then(|word| self.register(&word)) else {
            return refuse(at, "a register is missing here", help);
        };
        c.finish()?;
        let scope = if self.open.is_some() {
            &mut self.local_aliases
        } else {
            &mut self.aliases
        };
        if scope.insert(name.clone(), kind).is_some() {
            return refuse(
                span,
                format!("the alias `{name}` is defined twice"),
                "choose another name",
            );
        }
        Ok(())
    }

    fn register(&self, name: &str) -> Option<ArgumentKind> {
        register(name)
            .or_else(|| self.local_aliases.get(name).cloned())
            .or_else(|| self.aliases.get(name).cloned())
    }

    fn body(&mut self, span: Span) -> &mut Procedure {
        match &mut self.open {
            Some(procedure) => procedure,
            None => self.file.flat.get_or_insert_with(|| Procedure {
                name: String::from("main"),
                public: false,
                span,
                constants: Vec::new(),
                statements: Vec::new(),
            }),
        }
    }

    fn label_or_instruction(&mut self, c: &mut Cursor) -> Parsed<()> {
        let span = c.span();
        let Some(word) = c.word() else {
            return refuse(
                span,
                "a statement begins with a word",
                "write an instruction, a label `NAME:` or a keyword",
            );
        };
        if c.take_sign(":") {
            check_name(&word, span)?;
            self.body(span).statements.push(Statement::Label(word, span));
            if c.peek().is_none() {
                return Ok(());
            }
            return self.label_or_instruction(c);
        }
        let mut arguments = Vec::new();
        if c.peek().is_some() {
            loop {
                arguments.push(self.argument(c)?);
                if !c.take_sign(",") {
                    break;
                }
            }
        }
        c.finish()?;
        self.body(span).statements.push(Statement::Line(Line {
            mnemonic: word,
            span,
            arguments,
        }));
        Ok(())
    }

    fn argument(&mut self, c: &mut Cursor) -> Parsed<Argument> {
        let span = c.span();
        if c.take_sign("[") {
            let kind = self.memory(c)?;
            return Ok(Argument {
                kind,
                span: span.to(c.last_span()),
            });
        }
        if let Some(Kind::Word(word)) = c.peek()
            && let Some(kind) = self.register(word)
        {
            c.at += 1;
            return Ok(Argument { kind, span });
        }
        let kind = ArgumentKind::Value(self.expression(c)?);
        Ok(Argument {
            kind,
            span: span.to(c.last_span()),
        })
    }

    fn memory(&mut self, c: &mut Cursor) -> Parsed<ArgumentKind> {
        let help = "memory operands are written [r3], [r3 + 8] or [100]";
        let span = c.span();
        let mut base = None;
        if let Some(Kind::Word(word)) = c.peek()
            && let Some(kind) = self.register(word)
        {
            let ArgumentKind::Register(register) = kind else {
                return refuse(span, "an address is in one register", help);
            };
            c.at += 1;
            base = Some(register);
        }
        let offset = if base.is_none() || matches!(c.peek(), Some(Kind::Sign("+" | "-"))) {
            if base.is_some() {
                // `+ 1 - 2` after the register is the expression `0 + 1 - 2`.
                self.sum(c, Expr::Int(0))?
            } else {
                self.expression(c)?
            }
        } else {
            Expr::Int(0)
        };
        if !c.take_sign("]") {
            return refuse(c.span(), "`]` is missing here", help);
        }
        Ok(ArgumentKind::Memory { base, offset })
    }

    // Expressions: `<<` binds weakest, then `+` and `-`, then `*`, then the minus sign, as in Rust.

    fn expression(&mut self, c: &mut Cursor) -> Parsed<Expr> {
        c.depth += 1;
        if c.depth > MAX_DEPTH {
            return refuse(
                c.span(),
                "this expression is nested too deeply",
                "name its parts with `const`",
            );
        }
        let first = self.product(c)?;
        let mut left = self.sum(c, first)?;
        while c.take_sign("<<") {
            let first = self.product(c)?;
            let right = self.sum(c, first)?;
            left = Expr::Binary(Box::new(left), Operator::ShiftLeft, Box::new(right));
        }
        c.depth -= 1;
        Ok(left)
    }

    fn sum(&mut self, c: &mut Cursor, first: Expr) -> Parsed<Expr> {
        let mut left = first;
        loop {
            let operator = if c.take_sign("+") {
                Operator::Add
            } else if c.take_sign("-") {
                Operator::Subtract
            } else {
                return Ok(left);
            };
            let right = self.product(c)?;
            left = Expr::Binary(Box::new(left), operator, Box::new(right));
        }
    }

    fn product(&mut self, c: &mut Cursor) -> Parsed<Expr> {
        let mut left = self.atom(c)?;
        while c.take_sign("*") {
            let right = self.atom(c)?;
            left = Expr::Binary(Box::new(left), Operator::Multiply, Box::new(right));
        }
        Ok(left)
    }

    fn atom(&mut self, c: &mut Cursor) -> Parsed<Expr> {
        let span = c.span();
        c.atoms += 1;
        if c.atoms > MAX_ATOMS {
            return refuse(span, "this line is too long", "name its parts with `const`");
        }
        if c.take_sign("-") {
            c.depth += 1;
            if c.depth > MAX_DEPTH {
                return refuse(
                    span,
                    "this expression is nested too deeply",
                    "name its parts with `const`",
                );
            }
            let inner = self.atom(c)?;
            c.depth -= 1;
            return Ok(Expr::Negative(Box::new(inner)));
        }
        if c.take_sign("(") {
            let inner = self.expression(c)?;
            if !c.take_sign(")") {
                return refuse(c.span(), "`)` is missing here", "close the parenthesis");
            }
            return Ok(inner);
        }
        match c.peek() {
            Some(Kind::Int(value)) => {
                let value = *value;
                c.at += 1;
                Ok(Expr::Int(value))
            }
            Some(Kind::Word(word)) if self.register(word).is_some() => refuse(
                span,
                format!("`{word}` is a register; a constant is needed here"),
                "compute with registers in instructions, not in expressions",
            ),
            Some(Kind::Word(_)) => Ok(Expr::Name(self.path(c)?)),
            _ => refuse(
                span,
                "an operand is missing here",
                "write a register, an integer, a constant or a label",
            ),
        }
    }

    fn path(&mut self, c: &mut Cursor) -> Parsed<Path> {
        let start = c.span();
        let mut segments = Vec::new();
        loop {
            let span = c.span();
            let Some(segment) = c.word() else {
                return refuse(span, "a name is missing here", "paths are written module::name");
            };
            check_name(&segment, span)?;
            segments.push(segment);
            if !c.take_sign("::") {
                break;
            }
        }
        Ok(Path {
            segments,
            span: start.to(c.last_span()),
        })
    }
}
