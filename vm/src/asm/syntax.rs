//! The syntax tree.

use super::error::Span;

/// A name, perhaps of another module: `name` or `module::name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) segments: Vec<String>,
    pub(super) span: Span,
}

/// An integer expression.
#[derive(Clone, Debug)]
pub(super) enum Expr {
    Int(i128),
    Name(Path),
    Negative(Box<Expr>),
    Binary(Box<Expr>, Operator, Box<Expr>),
}

/// What a binary expression does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    ShiftLeft,
}

/// One operand as written.
#[derive(Clone, Debug)]
pub(super) struct Argument {
    pub(super) kind: ArgumentKind,
    pub(super) span: Span,
}

#[derive(Clone, Debug)]
pub(super) enum ArgumentKind {
    Register(u8),
    /// A pair, by its first register.
    Pair(u8),
    /// A quad, by its first register.
    Quad(u8),
    Memory {
        base: Option<u8>,
        offset: Expr,
    },
    Value(Expr),
}

/// An instruction as written.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) mnemonic: String,
    pub(super) span: Span,
    pub(super) arguments: Vec<Argument>,
}

#[derive(Clone, Debug)]
pub(super) enum Statement {
    Label(String, Span),
    Line(Line),
}

#[derive(Clone, Debug)]
pub(super) struct Constant {
    pub(super) name: String,
    pub(super) public: bool,
    pub(super) value: Expr,
    pub(super) span: Span,
}

/// A procedure, or the code outside procedures.
#[derive(Clone, Debug)]
pub(super) struct Procedure {
    pub(super) name: String,
    pub(super) public: bool,
    pub(super) span: Span,
    pub(super) constants: Vec<Constant>,
    pub(super) statements: Vec<Statement>,
}

#[derive(Clone, Debug)]
pub(super) struct Import {
    pub(super) path: String,
    pub(super) alias: String,
    pub(super) span: Span,
}

/// A parsed file.
#[derive(Clone, Debug, Default)]
pub(super) struct File {
    pub(super) imports: Vec<Import>,
    pub(super) constants: Vec<Constant>,
    pub(super) procedures: Vec<Procedure>,
    /// Code outside procedures, if there is any.
    pub(super) flat: Option<Procedure>,
}
