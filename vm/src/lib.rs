//! The Starling machine: a register machine whose runs can be proven.
//!
//! Everything that the rollup proves is a program of this machine, and so is every circuit that an author writes: text
//! in, a program with a hash out, and a run that says why it stopped. The proof of a run lives in `starling-air`; this
//! crate is what that proof is about, and it depends on nothing of the proof.
//!
//! The whole machine on one page is `specs/vm.md`. The parts of the crate, in reading order:
//!
//! - [field]: Goldilocks, and the word of four elements; [algebra]: what formulas are written over, once.
//! - [isa]: the instruction set. One table, [isa::OPCODES], gives encoder, decoder, assembler, executor and the spec.
//! - [program]: code, its canonical form, its hash, and where it came from.
//! - [executor]: runs programs, with a [executor::Recorder] for whoever wants every row; [memory], [hint], [trap].
//! - [asm]: the assembler and the disassembler; [stdlib]: the standard library, in assembly.
//! - [poseidon2]: the permutation and the hash functions built on it.
//! - [ecgfp5] and [schnorr]: the curve and the signatures that the instruction `sig` checks.
//!
//! # Example
//!
//! A program that knows a square root of its public input, without saying which:
//!
//! ```
//! use starling_vm::asm::{Source, assemble};
//! use starling_vm::executor::{RunInputs, run};
//! use starling_vm::field::Felt;
//!
//! let source = "
//! proc main
//!     in r1, 0                # public input 0
//!     adv r2                  # the prover's advice: anything at all
//!     mul r2, r2, r2
//!     assert.eq r1, r2, 7     # so it is checked; 7 is the error code
//!     halt
//! end";
//! let program = assemble(&[Source::new("root.sasm", source)])?;
//!
//! let inputs = RunInputs { public: vec![Felt::new(49)], advice: vec![Felt::new(7)] };
//! assert_eq!(run(&program, &inputs, 1_000).unwrap().cycles, 5);
//!
//! let inputs = RunInputs { public: vec![Felt::new(50)], advice: vec![Felt::new(7)] };
//! let trap = run(&program, &inputs, 1_000).unwrap_err();
//! assert!(trap.to_string().starts_with("assertion failed with code 7: 50 is not 49"));
//! # Ok::<(), Vec<starling_vm::asm::AsmError>>(())
//! ```

pub mod algebra;
pub mod asm;
pub mod ecgfp5;
pub mod executor;
pub mod field;
pub mod hint;
pub mod isa;
pub mod memory;
pub mod poseidon2;
pub mod program;
pub mod program_file;
pub mod schnorr;
pub mod stdlib;
pub mod trap;
