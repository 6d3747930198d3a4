//! Statements to instructions: operands are matched against the tables of instructions and pseudo-instructions.

use super::error::{Diagnostics, Span, closest};
use super::names::{Address, Names, Scope};
use super::pseudo::{self, PSEUDO, Part, Pseudo, Slot};
use super::syntax::{ArgumentKind, Line, Procedure, Statement};
use crate::field::{Felt, MODULUS};
use crate::isa::{Instruction, OPCODES, Op, Operand};

/// An instruction whose immediate may wait for the layout.
#[derive(Clone, Debug)]
pub(super) struct Emitted {
    pub(super) instruction: Instruction,
    pub(super) fix: Option<Address>,
    pub(super) span: Span,
}

/// A procedure's code, not yet at an address.
#[derive(Clone, Debug, Default)]
pub(super) struct Code {
    pub(super) emitted: Vec<Emitted>,
    /// For each label of the procedure, the number of the instruction that it stands before.
    pub(super) labels: Vec<(String, usize)>,
    /// Whether control cannot leave at the end.
    pub(super) closed: bool,
}

/// An immediate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Immediate {
    Value(i128),
    Address(Address),
}

/// An operand with its names resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Resolved {
    Register(u8),
    Pair(u8),
    Quad(u8),
    Memory(Option<u8>, Immediate),
    Value(Immediate),
}

/// Lowers one procedure.
pub(super) fn lower(procedure: &Procedure, scope: &Scope, names: &Names, diagnostics: &mut Diagnostics) -> Code {
    let mut code = Code::default();
    for statement in &procedure.statements {
        match statement {
            Statement::Label(name, _) => {
                code.closed = false;
                code.labels.push((name.clone(), code.emitted.len()));
            }
            Statement::Line(line) => {
                code.closed = matches!(line.mnemonic.as_str(), "jmp" | "halt" | "ret" | "fail");
                lower_line(line, scope, names, diagnostics, &mut code.emitted);
            }
        }
    }
    code
}

fn lower_line(line: &Line, scope: &Scope, names: &Names, diagnostics: &mut Diagnostics, out: &mut Vec<Emitted>) {
    let op = Op::from_mnemonic(&line.mnemonic);
    if op.is_none() && pseudo::forms(&line.mnemonic).next().is_none() {
        let known = OPCODES
            .iter()
            .map(|info| info.mnemonic)
            .chain(PSEUDO.iter().map(|p| p.mnemonic));
        let help = closest(&line.mnemonic, known).map(|close| format!("did you mean `{close}`?"));
        diagnostics.push(line.span, format!("there is no instruction `{}`", line.mnemonic), help);
        return;
    }
    let mut resolved = Vec::with_capacity(line.arguments.len());
    for argument in &line.arguments {
        let immediate = |expr, diagnostics: &mut Diagnostics| names.immediate(expr, scope, argument.span, diagnostics);
        let one = match &argument.kind {
            ArgumentKind::Register(n) => Some(Resolved::Register(*n)),
            ArgumentKind::Pair(n) => Some(Resolved::Pair(*n)),
            ArgumentKind::Quad(n) => Some(Resolved::Quad(*n)),
            ArgumentKind::Memory { base, offset } => {
                immediate(offset, diagnostics).map(|offset| Resolved::Memory(*base, offset))
            }
            ArgumentKind::Value(expr) => immediate(expr, diagnostics).map(Resolved::Value),
        };
        match one {
            Some(one) => resolved.push(one),
            // The error is told; nothing more can be said of the line.
            None => return,
        }
    }
    let end = line.arguments.last().map_or(line.span, |last| line.span.to(last.span));
    match op {
        Some(op) => match build(op, &resolved) {
            Ok((instruction, fix)) => {
                if let Err(error) = instruction.validate() {
                    diagnostics.error_help(
                        end,
                        error.to_string(),
                        format!("see `{}` in specs/vm.md", op.info().mnemonic),
                    );
                    return;
                }
                out.push(Emitted {
                    instruction,
                    fix,
                    span: line.span,
                });
            }
            Err(misfit) => {
                let span = misfit
                    .argument
                    .and_then(|i| line.arguments.get(i))
                    .map_or(end, |argument| argument.span);
                diagnostics.error_help(span, misfit.message, format!("it is written `{}`", op.info().syntax()));
            }
        },
        None => expand(line, end, &resolved, diagnostics, out),
    }
}

// INSTRUCTIONS
// ================================================================================================================

struct Misfit {
    argument: Option<usize>,
    message: String,
}

fn felt(value: i128) -> Felt {
    // Values are checked to lie within the modulus of zero when they are resolved.
    Felt::new(value.rem_euclid(i128::from(MODULUS)) as u64)
}

fn build(op: Op, arguments: &[Resolved]) -> Result<(Instruction, Option<Address>), Misfit> {
    let info = op.info();
    if arguments.len() != info.operands.len() {
        return Err(Misfit {
            argument: None,
            message: format!(
                "`{}` takes {} operands, {} are given",
                info.mnemonic,
                info.operands.len(),
                arguments.len()
            ),
        });
    }
    let mut instruction = Instruction::new(op);
    let mut fix = None;
    let mut set = |instruction: &mut Instruction, immediate: Immediate| match immediate {
        Immediate::Value(value) => instruction.imm = felt(value),
        Immediate::Address(address) => fix = Some(address),
    };
    for (i, (operand, argument)) in info.operands.iter().zip(arguments).enumerate() {
        let expected = match (operand, *argument) {
            (Operand::D, Resolved::Register(n))
            | (Operand::Dp, Resolved::Pair(n))
            | (Operand::Dq, Resolved::Quad(n)) => {
                instruction.d = n;
                continue;
            }
            (Operand::A, Resolved::Register(n)) | (Operand::Aq, Resolved::Quad(n)) => {
                instruction.a = n;
                continue;
            }
            (Operand::B | Operand::BImm, Resolved::Register(n)) | (Operand::Bq, Resolved::Quad(n)) => {
                instruction.b = n;
                continue;
            }
            (Operand::BImm, Resolved::Value(immediate)) => {
                instruction.use_imm = true;
                set(&mut instruction, immediate);
                continue;
            }
            (Operand::Imm, Resolved::Value(immediate)) => {
                set(&mut instruction, immediate);
                continue;
            }
            (Operand::Mem, Resolved::Memory(base, immediate)) => {
                instruction.use_imm = base.is_none();
                instruction.a = base.unwrap_or(0);
                set(&mut instruction, immediate);
                continue;
            }
            (Operand::D | Operand::A | Operand::B, _) => "a register, r0 to r15,",
            (Operand::Dp, _) => "a pair, p0 to p7,",
            (Operand::Dq | Operand::Aq | Operand::Bq, _) => "a quad, q0 to q3,",
            (Operand::BImm, _) => "a register or a constant",
            (Operand::Imm, _) => "a label or a constant",
            (Operand::Mem, _) => "a memory address, [r3 + 8] or [100],",
        };
        return Err(Misfit {
            argument: Some(i),
            message: format!("{expected} is needed as operand {} of `{}`", i + 1, info.mnemonic),
        });
    }
    Ok((instruction, fix))
}

// PSEUDO-INSTRUCTIONS
// ================================================================================================================

fn fits(slot: Slot, argument: Resolved) -> bool {
    match slot {
        Slot::Register(_) => matches!(argument, Resolved::Register(_)),
        Slot::Pair(_) => matches!(argument, Resolved::Pair(_)),
        Slot::Either(_) => matches!(argument, Resolved::Register(_) | Resolved::Value(_)),
        Slot::Target(_) => matches!(argument, Resolved::Value(_)),
        Slot::Shift(_) => matches!(argument, Resolved::Value(Immediate::Value(0..=31))),
    }
}

/// The first register of a register or a pair.
fn first_register(argument: Resolved) -> Option<u8> {
    match argument {
        Resolved::Register(n) | Resolved::Pair(n) | Resolved::Quad(n) => Some(n),
        Resolved::Memory(..) | Resolved::Value(_) => None,
    }
}

fn expand(line: &Line, end: Span, arguments: &[Resolved], diagnostics: &mut Diagnostics, out: &mut Vec<Emitted>) {
    let fitting = pseudo::forms(&line.mnemonic).find(|form| {
        form.slots.len() == arguments.len() && form.slots.iter().zip(arguments).all(|(slot, a)| fits(*slot, *a))
    });
    let Some(form) = fitting else {
        let shift_too_large = pseudo::forms(&line.mnemonic).any(|form| {
            form.slots.len() == arguments.len()
                && matches!(form.slots.last(), Some(Slot::Shift(_)))
                && matches!(arguments.last(), Some(Resolved::Value(_)))
        });
        let message = if shift_too_large {
            format!("`{}` shifts by a constant from 0 to 31", line.mnemonic)
        } else {
            format!("these are not the operands of `{}`", line.mnemonic)
        };
        let forms: Vec<_> = pseudo::forms(&line.mnemonic)
            .map(|form| format!("`{}`", pseudo::syntax(form)))
            .collect();
        diagnostics.error_help(end, message, format!("it is written {}", forms.join(" or ")));
        return;
    };
    for &(i, j) in form.distinct {
        if first_register(arguments[i]) == first_register(arguments[j]) {
            diagnostics.error_help(
                end,
                format!(
                    "`{}` needs different registers for operands {} and {}",
                    line.mnemonic,
                    i + 1,
                    j + 1
                ),
                "the first is written before the second is read",
            );
            return;
        }
    }
    for (op, parts) in form.code {
        let resolved: Vec<_> = parts.iter().map(|part| substitute(form, *part, arguments)).collect();
        match build(*op, &resolved) {
            Ok((instruction, fix)) => out.push(Emitted {
                instruction,
                fix,
                span: line.span,
            }),
            // A fault of the table, which a test excludes; told rather than dropped.
            Err(misfit) => diagnostics.error(end, misfit.message),
        }
    }
}

fn substitute(form: &Pseudo, part: Part, arguments: &[Resolved]) -> Resolved {
    let shift = |i: usize| match arguments[i] {
        Resolved::Value(Immediate::Value(n)) if matches!(form.slots[i], Slot::Shift(_)) => n as u32,
        _ => 0,
    };
    let register = |i: usize| first_register(arguments[i]).unwrap_or(0);
    match part {
        Part::Arg(i) => arguments[i],
        Part::First(i) => Resolved::Register(register(i)),
        Part::Second(i) => Resolved::Register(register(i) + 1),
        Part::Register(n) => Resolved::Register(n),
        Part::Value(value) => Resolved::Value(Immediate::Value(value)),
        Part::Power(i) => Resolved::Value(Immediate::Value(1 << shift(i))),
        Part::PowerBack(i) => Resolved::Value(Immediate::Value(1 << (32 - shift(i)))),
    }
}
