//! The assembler: text to programs, and programs to text.
//!
//! The language is described in `specs/vm.md`. In short:
//!
//! ```text
//! use std::u64                    # module u64 of the standard library
//!
//! const LIMIT = 1 << 20           # integers, hexadecimal too; + - * <<; negative ones are field elements
//!
//! proc main                       # the run starts here
//!     reg index = r5              # another name for a register
//!     mov index, 0
//! loop:                           # a label, known inside its procedure
//!     add index, index, 1
//!     bne index, r6, loop
//!     call double                 # r15 = return address
//!     halt
//! end
//!
//! proc double                     # `pub proc` is seen by other modules
//!     add r0, r0, r0
//!     ret
//! end
//! ```
//!
//! Only procedures that `main` reaches become part of the program: every instruction costs the proof four rows of
//! hashing. A file without procedures is a program of just the lines in it.
//!
//! In reading order: `lex` makes tokens of a line, `parse` a syntax tree of the lines, `names` gives names their
//! meaning, `lower` makes instructions (`pseudo` holds what stands for several of them), `link` puts procedures at
//! addresses. `error` collects what is wrong and renders it; nothing panics, whatever the text.

mod disassemble;
mod error;
mod lex;
mod link;
mod lower;
mod names;
mod parse;
mod pseudo;
mod syntax;

pub use disassemble::disassemble;
pub use error::AsmError;
pub use pseudo::pseudo_table;

use crate::program::Program;
use crate::stdlib;
use error::Diagnostics;

/// The ending of source files.
pub const EXTENSION: &str = "sasm";

/// A source file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// Its name in messages, and, without its ending, its path as a module: `lib/fee.sasm` is `lib::fee`.
    pub name: String,
    /// What it says.
    pub text: String,
}

impl Source {
    /// A source of this name and text.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            text: text.into(),
        }
    }

    /// The path by which other files `use` this one.
    fn module_path(&self) -> String {
        let stem = self.name.strip_suffix(".sasm").unwrap_or(&self.name);
        stem.replace('/', "::")
    }
}

/// Assembles a program from its main file, the first of `sources`, and the modules that it uses, looked for in the
/// standard library (`std::...`) and in the rest of `sources`.
///
/// # Errors
/// Everything that is wrong with the sources, in the order of files and lines.
///
/// # Example
/// ```
/// use starling_vm::asm::{Source, assemble};
///
/// let program = assemble(&[Source::new("main.sasm", "in r1, 0\n mul r1, r1, r1\n out r1, 0\n halt")])?;
/// assert_eq!(program.instructions().len(), 5); // with the leading halt
///
/// let errors = assemble(&[Source::new("main.sasm", "u32.ad r1, r1, 1")]).unwrap_err();
/// assert!(errors[0].to_string().contains("did you mean `u32.add`?"));
/// # Ok::<(), Vec<starling_vm::asm::AsmError>>(())
/// ```
pub fn assemble(sources: &[Source]) -> Result<Program, Vec<AsmError>> {
    let main = sources.first().cloned().unwrap_or_default();
    assemble_with(main, |path| {
        sources
            .iter()
            .skip(1)
            .find(|source| source.module_path() == path)
            .cloned()
    })
}

/// As [assemble], with modules beside the standard library supplied by `load`, which is given a path such as `lib::fee`.
///
/// # Errors
/// As [assemble].
pub fn assemble_with(main: Source, mut load: impl FnMut(&str) -> Option<Source>) -> Result<Program, Vec<AsmError>> {
    let mut diagnostics = Diagnostics::default();
    let mut find = |path: &str| match path.strip_prefix("std::") {
        Some(name) => stdlib::module(name).map(|m| Source::new(format!("std/{}.{EXTENSION}", m.name), m.text)),
        None => load(path),
    };
    match link::link(main, &mut find, &mut diagnostics) {
        Some(program) if diagnostics.is_clean() => Ok(program),
        _ => Err(diagnostics.finish()),
    }
}
