//! From sources to a program: loads modules, lowers every procedure, and lays out those that main reaches.

use std::collections::HashMap;

use super::Source;
use super::error::{Diagnostics, Span};
use super::lower::{Code, lower};
use super::names::{Address, Module, Names};
use super::parse::parse;
use super::syntax::{File, Procedure};
use crate::field::Felt;
use crate::isa::ENTRY;
use crate::program::{DebugInfo, MAX_INSTRUCTIONS, Program, SourceSpan};

/// Modules that one program may load.
const MAX_MODULES: usize = 1_000;

/// Assembles `main` and the modules that `load` supplies.
pub(super) fn link(
    main: Source,
    load: &mut dyn FnMut(&str) -> Option<Source>,
    diagnostics: &mut Diagnostics,
) -> Option<Program> {
    let (mut names, files) = load_all(main, load, diagnostics);
    let mut units: Vec<Unit> = Vec::new();
    for (index, file) in files.iter().enumerate() {
        names.enter_procedures(index, file, units.len(), diagnostics);
        units.extend(file.procedures.iter().map(|procedure| Unit {
            module: index,
            procedure,
            code: Code::default(),
            flat: false,
        }));
    }
    names.enter_constants(&files.iter().collect::<Vec<_>>(), diagnostics);
    let main = find_main(&names, &files, &mut units, diagnostics);
    for unit in &mut units {
        let scope = names.scope(unit.module, unit.procedure, diagnostics);
        unit.code = lower(unit.procedure, &scope, &names, diagnostics);
        if !unit.flat {
            check_end(unit, diagnostics);
        }
    }
    let order = reachable(&units, main?);
    if order.len() > 1 && units[main?].flat {
        check_end(&units[main?], diagnostics);
    }
    if !diagnostics.is_clean() {
        return None;
    }
    layout(&units, &order, &names, diagnostics)
}

struct Unit<'a> {
    module: usize,
    procedure: &'a Procedure,
    code: Code,
    /// Code outside procedures.
    flat: bool,
}

// LOADING
// ================================================================================================================

fn load_all(
    main: Source,
    load: &mut dyn FnMut(&str) -> Option<Source>,
    diagnostics: &mut Diagnostics,
) -> (Names, Vec<File>) {
    let mut names = Names::default();
    let mut files: Vec<File> = Vec::new();
    let mut known: HashMap<String, Option<usize>> = HashMap::new();
    let mut queue = vec![(String::new(), main)];
    let mut next = 0;
    while next < queue.len() {
        let (path, source) = core::mem::take(&mut queue[next]);
        next += 1;
        let file = diagnostics.add_file(source.name, source.text.clone());
        let parsed = parse(&source.text, file, diagnostics);
        let mut module = Module::new(path);
        for import in &parsed.imports {
            let found = match known.get(&import.path) {
                Some(found) => *found,
                None if queue.len() >= MAX_MODULES => {
                    diagnostics.error(import.span, format!("a program has at most {MAX_MODULES} modules"));
                    None
                }
                None => {
                    let found = load(&import.path).map(|source| {
                        queue.push((import.path.clone(), source));
                        queue.len() - 1
                    });
                    if found.is_none() {
                        not_found(&import.path, import.span, diagnostics);
                    }
                    known.insert(import.path.clone(), found);
                    found
                }
            };
            if module.imports.insert(import.alias.clone(), found).is_some() {
                diagnostics.error_help(
                    import.span,
                    format!("two modules are called `{}` here", import.alias),
                    "name one of them otherwise: `use PATH as NAME`",
                );
            }
        }
        names.modules.push(module);
        files.push(parsed);
    }
    (names, files)
}

fn not_found(path: &str, span: Span, diagnostics: &mut Diagnostics) {
    let help = if path.starts_with("std::") {
        let names: Vec<_> = crate::stdlib::MODULES
            .iter()
            .map(|m| format!("std::{}", m.name))
            .collect();
        format!("the standard library has {}", names.join(", "))
    } else {
        format!(
            "it would be the file {}.sasm beside the main file",
            path.replace("::", "/")
        )
    };
    diagnostics.error_help(span, format!("there is no module `{path}`"), help);
}

fn find_main<'a>(
    names: &Names,
    files: &'a [File],
    units: &mut Vec<Unit<'a>>,
    diagnostics: &mut Diagnostics,
) -> Option<usize> {
    for (index, file) in files.iter().enumerate().skip(1) {
        if let Some(flat) = &file.flat {
            diagnostics.error_help(
                flat.span,
                format!("module `{}` has code outside procedures", names.modules[index].path),
                "only the main file may have that: wrap it in `proc NAME` and `end`",
            );
        }
    }
    let declared = names.procedure(0, "main");
    match (&files[0].flat, declared) {
        (Some(flat), None) => {
            units.push(Unit {
                module: 0,
                procedure: flat,
                code: Code::default(),
                flat: true,
            });
            Some(units.len() - 1)
        }
        (None, Some(main)) => Some(main),
        (Some(flat), Some(_)) => {
            diagnostics.error_help(
                flat.span,
                "there is code outside procedures beside `proc main`",
                "move it into a procedure",
            );
            None
        }
        (None, None) => {
            let start = Span {
                file: 0,
                line: 1,
                column: 1,
                width: 1,
            };
            diagnostics.error_help(start, "there is no `proc main`", "a program begins at `proc main`");
            None
        }
    }
}

// LAYOUT
// ================================================================================================================

fn check_end(unit: &Unit, diagnostics: &mut Diagnostics) {
    if !unit.code.closed {
        diagnostics.error_help(
            unit.procedure.span,
            format!("control can run past the end of `{}`", unit.procedure.name),
            "end it with `ret`, `halt`, `jmp` or `fail`",
        );
    }
}

/// The procedures that `main` reaches, itself first, in the order in which they are first named.
fn reachable(units: &[Unit], main: usize) -> Vec<usize> {
    let mut order = vec![main];
    let mut seen = vec![false; units.len()];
    seen[main] = true;
    let mut next = 0;
    while let Some(&unit) = order.get(next) {
        next += 1;
        for emitted in &units[unit].code.emitted {
            if let Some(Address::Procedure(target)) = emitted.fix
                && !core::mem::replace(&mut seen[target], true)
            {
                order.push(target);
            }
        }
    }
    order
}

fn layout(units: &[Unit], order: &[usize], names: &Names, diagnostics: &mut Diagnostics) -> Option<Program> {
    let mut starts = vec![0; units.len()];
    let mut end = ENTRY;
    for &unit in order {
        starts[unit] = end;
        end += units[unit].code.emitted.len() as u64;
    }
    let whole = units[order[0]].procedure.span;
    if end as usize > MAX_INSTRUCTIONS {
        diagnostics.error(
            whole,
            format!("the program has {end} instructions, at most {MAX_INSTRUCTIONS} are allowed"),
        );
        return None;
    }
    let mut instructions = Vec::new();
    let mut debug = DebugInfo {
        files: diagnostics.files().iter().map(|(name, _)| name.clone()).collect(),
        spans: vec![None],
        labels: vec![(0, String::from("halt"))],
    };
    for &index in order {
        let unit = &units[index];
        let start = starts[index];
        let path = &names.modules[unit.module].path;
        let name = if path.is_empty() {
            unit.procedure.name.clone()
        } else {
            format!("{path}::{}", unit.procedure.name)
        };
        for (label, offset) in &unit.code.labels {
            debug.labels.push((start + *offset as u64, format!("{name}.{label}")));
        }
        debug.labels.push((start, name));
        for emitted in &unit.code.emitted {
            let mut instruction = emitted.instruction;
            match emitted.fix {
                Some(Address::Label(label)) => {
                    instruction.imm = Felt::new(start + unit.code.labels[label].1 as u64);
                }
                Some(Address::Procedure(target)) => instruction.imm = Felt::new(starts[target]),
                None => {}
            }
            instructions.push(instruction);
            debug.spans.push(Some(SourceSpan {
                file: emitted.span.file,
                line: emitted.span.line,
                column: emitted.span.column,
            }));
        }
    }
    debug.labels.sort();
    match Program::new(instructions) {
        Ok(program) => Some(program.with_debug(debug)),
        Err(error) => {
            diagnostics.error(whole, error.to_string());
            None
        }
    }
}
