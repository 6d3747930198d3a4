//! The kernel: the state transition as a program of the machine, and what a run of it is given.
//!
//! The program's text is in `rollup/kernel/`; [parser] prints the part of it that reads records, [witness] makes the advice.

pub mod parser;
pub mod witness;

use std::sync::LazyLock;

use starling_vm::asm::{Source, assemble};
use starling_vm::program::Program;

const SOURCES: [(&str, &str); 9] = [
    ("kernel.sasm", include_str!("../../kernel/kernel.sasm")),
    ("accounts.sasm", include_str!("../../kernel/accounts.sasm")),
    ("binding.sasm", include_str!("../../kernel/binding.sasm")),
    ("codes.sasm", include_str!("../../kernel/codes.sasm")),
    ("entries.sasm", include_str!("../../kernel/entries.sasm")),
    ("layout.sasm", include_str!("../../kernel/layout.sasm")),
    ("operations.sasm", include_str!("../../kernel/operations.sasm")),
    ("records.sasm", include_str!("../../kernel/records.sasm")),
    ("walk.sasm", include_str!("../../kernel/walk.sasm")),
];

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let sources = SOURCES.map(|(name, text)| Source::new(name, text));
    assemble(&sources).unwrap_or_else(|errors| {
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        panic!("the kernel does not assemble:\n{}", errors.join("\n"))
    })
});

/// The kernel.
pub fn program() -> &'static Program {
    &PROGRAM
}
