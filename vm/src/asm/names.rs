//! Modules, their names, and what expressions mean.

use std::collections::HashMap;

use super::error::{Diagnostics, Span, closest};
use super::lower::Immediate;
use super::syntax::{Constant, Expr, File, Operator, Path, Procedure, Statement};
use crate::field::MODULUS;

/// How far constants may refer to constants that are not evaluated yet.
const MAX_CHAIN: u32 = 16;

/// What stands for an address until the layout is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// Label of this number in the procedure itself.
    Label(usize),
    /// Entry of the procedure of this number.
    Procedure(usize),
}

/// A loaded module.
#[derive(Debug, Default)]
pub(super) struct Module {
    pub(super) path: String,
    pub(super) imports: HashMap<String, Option<usize>>,
    constants: HashMap<String, (bool, Option<i128>)>,
    procedures: HashMap<String, (bool, usize)>,
}

impl Module {
    pub(super) fn new(path: String) -> Self {
        Self {
            path,
            ..Self::default()
        }
    }
}

/// All modules and what their names mean.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) modules: Vec<Module>,
}

/// The names that one procedure sees beside those of its module.
#[derive(Debug)]
pub(super) struct Scope {
    module: usize,
    labels: HashMap<String, usize>,
    constants: HashMap<String, Option<i128>>,
}

/// Constants of a module that are not evaluated yet.
struct Pending<'a> {
    definitions: HashMap<&'a str, &'a Constant>,
}

impl Names {
    /// Enters the procedures of module `index`; the first of them gets the number `first`.
    pub(super) fn enter_procedures(&mut self, index: usize, file: &File, first: usize, diagnostics: &mut Diagnostics) {
        for (i, procedure) in file.procedures.iter().enumerate() {
            let entry = (procedure.public, first + i);
            if self.modules[index]
                .procedures
                .insert(procedure.name.clone(), entry)
                .is_some()
            {
                defined_twice(&procedure.name, procedure.span, diagnostics);
            }
        }
    }

    /// Evaluates the constants of every module.
    pub(super) fn enter_constants(&mut self, files: &[&File], diagnostics: &mut Diagnostics) {
        let mut pending: Vec<Pending> = Vec::new();
        for (index, file) in files.iter().enumerate() {
            let mut definitions = HashMap::new();
            for constant in &file.constants {
                let twice = definitions.insert(constant.name.as_str(), constant).is_some()
                    || self.modules[index].procedures.contains_key(&constant.name);
                if twice {
                    defined_twice(&constant.name, constant.span, diagnostics);
                }
            }
            pending.push(Pending { definitions });
        }
        for (index, file) in files.iter().enumerate() {
            for constant in &file.constants {
                self.force(index, &constant.name, &pending, 0, diagnostics);
            }
        }
    }

    /// Evaluates a constant of a module if that has not been done.
    fn force(&mut self, module: usize, name: &str, pending: &[Pending], chain: u32, diagnostics: &mut Diagnostics) {
        if self.modules[module].constants.contains_key(name) {
            return;
        }
        let Some(constant) = pending[module].definitions.get(name) else {
            return;
        };
        if chain > MAX_CHAIN {
            diagnostics.error_help(
                constant.span,
                format!("`{name}` is defined by itself, or by a long chain of later constants"),
                "define constants above the constants that use them",
            );
            self.modules[module]
                .constants
                .insert(name.to_string(), (constant.public, None));
            return;
        }
        let mut paths = Vec::new();
        collect_paths(&constant.value, &mut paths);
        for path in paths {
            match path.segments.as_slice() {
                [local] => self.force(module, local, pending, chain + 1, diagnostics),
                [alias, member] => {
                    if let Some(Some(other)) = self.modules[module].imports.get(alias).copied() {
                        self.force(other, member, pending, chain + 1, diagnostics);
                    }
                }
                _ => {}
            }
        }
        if self.modules[module].constants.contains_key(name) {
            return;
        }
        let scope = Scope {
            module,
            labels: HashMap::new(),
            constants: HashMap::new(),
        };
        let value = self.value(&constant.value, &scope, constant.span, diagnostics);
        self.modules[module]
            .constants
            .insert(name.to_string(), (constant.public, value));
    }

    /// The scope of a procedure of module `module`.
    pub(super) fn scope(&self, module: usize, procedure: &Procedure, diagnostics: &mut Diagnostics) -> Scope {
        let mut scope = Scope {
            module,
            labels: HashMap::new(),
            constants: HashMap::new(),
        };
        let mut labels = 0;
        let names = &self.modules[module];
        let taken = |name: &str| names.procedures.contains_key(name) || names.constants.contains_key(name);
        for statement in &procedure.statements {
            let Statement::Label(name, span) = statement else {
                continue;
            };
            if taken(name) || scope.labels.insert(name.clone(), labels).is_some() {
                defined_twice(name, *span, diagnostics);
            }
            labels += 1;
        }
        for constant in &procedure.constants {
            let value = self.value(&constant.value, &scope, constant.span, diagnostics);
            let clash = taken(&constant.name) || scope.labels.contains_key(&constant.name);
            if clash || scope.constants.insert(constant.name.clone(), value).is_some() {
                defined_twice(&constant.name, constant.span, diagnostics);
            }
        }
        scope
    }

    /// The number of the procedure `name` of module `module`.
    pub(super) fn procedure(&self, module: usize, name: &str) -> Option<usize> {
        self.modules[module].procedures.get(name).map(|(_, index)| *index)
    }

    /// What an operand means: an address where it is a name alone, else a value. `None` when the error is told.
    pub(super) fn immediate(
        &self,
        expr: &Expr,
        scope: &Scope,
        span: Span,
        diagnostics: &mut Diagnostics,
    ) -> Option<Immediate> {
        if let Expr::Name(path) = expr {
            return match self.lookup(path, scope, diagnostics)? {
                Immediate::Value(value) => in_field(value, span, diagnostics).map(Immediate::Value),
                address => Some(address),
            };
        }
        let value = self.value(expr, scope, span, diagnostics)?;
        in_field(value, span, diagnostics).map(Immediate::Value)
    }

    fn value(&self, expr: &Expr, scope: &Scope, span: Span, diagnostics: &mut Diagnostics) -> Option<i128> {
        // Long sums lean to the left: their spine is walked, not recursed into.
        let mut spine = Vec::new();
        let mut leftmost = expr;
        while let Expr::Binary(left, operator, right) = leftmost {
            spine.push((*operator, right));
            leftmost = left;
        }
        let mut value = match leftmost {
            Expr::Int(value) => *value,
            Expr::Negative(inner) => -self.value(inner, scope, span, diagnostics)?,
            Expr::Name(path) => match self.lookup(path, scope, diagnostics)? {
                Immediate::Value(value) => value,
                Immediate::Address(_) => {
                    diagnostics.error_help(
                        path.span,
                        "there is no arithmetic on addresses",
                        "use a label alone as an operand",
                    );
                    return None;
                }
            },
            Expr::Binary(..) => return None,
        };
        for (operator, right) in spine.into_iter().rev() {
            let right = self.value(right, scope, span, diagnostics)?;
            let result = match operator {
                Operator::Add => value.checked_add(right),
                Operator::Subtract => value.checked_sub(right),
                Operator::Multiply => value.checked_mul(right),
                Operator::ShiftLeft => (0..100)
                    .contains(&right)
                    .then(|| value.checked_mul(1 << right))
                    .flatten(),
            }
            // Symmetric bounds, so that negation is safe.
            .filter(|value| value.unsigned_abs() < 1 << 126);
            let Some(result) = result else {
                diagnostics.error_help(
                    span,
                    "this expression overflows",
                    "values end up within the modulus of zero",
                );
                return None;
            };
            value = result;
        }
        Some(value)
    }

    fn lookup(&self, path: &Path, scope: &Scope, diagnostics: &mut Diagnostics) -> Option<Immediate> {
        match path.segments.as_slice() {
            [name] => self.lookup_local(name, path.span, scope, diagnostics),
            [alias, member] => self.lookup_member(alias, member, path.span, scope, diagnostics),
            _ => {
                diagnostics.error_help(
                    path.span,
                    "a path has one `::`",
                    "write `use a::b` at the top of the file, and b::name here",
                );
                None
            }
        }
    }

    fn lookup_local(&self, name: &str, span: Span, scope: &Scope, diagnostics: &mut Diagnostics) -> Option<Immediate> {
        let module = &self.modules[scope.module];
        if let Some(&label) = scope.labels.get(name) {
            return Some(Immediate::Address(Address::Label(label)));
        }
        if let Some(value) = scope.constants.get(name) {
            return value.map(Immediate::Value);
        }
        if let Some((_, value)) = module.constants.get(name) {
            return value.map(Immediate::Value);
        }
        if let Some(&(_, index)) = module.procedures.get(name) {
            return Some(Immediate::Address(Address::Procedure(index)));
        }
        let known = scope.labels.keys().chain(scope.constants.keys());
        let known = known.chain(module.constants.keys()).chain(module.procedures.keys());
        let help = match closest(name, known.map(String::as_str)) {
            Some(close) => format!("did you mean `{close}`?"),
            None => String::from(
                "labels are written `NAME:` and are known in their procedure only; constants are `const NAME = ...`",
            ),
        };
        diagnostics.error_help(span, format!("nothing is called `{name}`"), help);
        None
    }

    fn lookup_member(
        &self,
        alias: &str,
        member: &str,
        span: Span,
        scope: &Scope,
        diagnostics: &mut Diagnostics,
    ) -> Option<Immediate> {
        let imports = &self.modules[scope.module].imports;
        let Some(module) = imports.get(alias) else {
            let help = match closest(alias, imports.keys().map(String::as_str)) {
                Some(close) => format!("did you mean `{close}`?"),
                None => format!("write `use std::{alias}` or `use {alias}` at the top of the file"),
            };
            diagnostics.error_help(span, format!("no module `{alias}` is in use here"), help);
            return None;
        };
        // A module that could not be loaded has been told of where it is imported.
        let module = &self.modules[(*module)?];
        let (public, found) = if let Some(&(public, value)) = module.constants.get(member) {
            (public, value.map(Immediate::Value))
        } else if let Some(&(public, index)) = module.procedures.get(member) {
            (public, Some(Immediate::Address(Address::Procedure(index))))
        } else {
            let constants = module
                .constants
                .iter()
                .filter(|(_, (public, _))| *public)
                .map(|(name, _)| name);
            let procedures = module
                .procedures
                .iter()
                .filter(|(_, (public, _))| *public)
                .map(|(name, _)| name);
            let help = match closest(member, constants.chain(procedures).map(String::as_str)) {
                Some(close) => format!("did you mean `{alias}::{close}`?"),
                None => format!("look into the source of `{}`", module.path),
            };
            diagnostics.error_help(span, format!("module `{}` has no `{member}`", module.path), help);
            return None;
        };
        if !public {
            diagnostics.error_help(
                span,
                format!("`{member}` is private to module `{}`", module.path),
                "write `pub` before its definition",
            );
            return None;
        }
        found
    }
}

fn collect_paths<'a>(expr: &'a Expr, out: &mut Vec<&'a Path>) {
    let mut leftmost = expr;
    while let Expr::Binary(left, _, right) = leftmost {
        collect_paths(right, out);
        leftmost = left;
    }
    match leftmost {
        Expr::Name(path) => out.push(path),
        Expr::Negative(inner) => collect_paths(inner, out),
        Expr::Int(_) | Expr::Binary(..) => {}
    }
}

fn in_field(value: i128, span: Span, diagnostics: &mut Diagnostics) -> Option<i128> {
    if value.unsigned_abs() < u128::from(MODULUS) {
        return Some(value);
    }
    diagnostics.error_help(
        span,
        format!("{value} does not fit a field element"),
        format!("values lie between -(p-1) and p-1, p = {MODULUS}; wider integers are split into u32 limbs"),
    );
    None
}

fn defined_twice(name: &str, span: Span, diagnostics: &mut Diagnostics) {
    diagnostics.error_help(
        span,
        format!("`{name}` is defined twice"),
        "a name means one thing in a file: rename one of them",
    );
}
