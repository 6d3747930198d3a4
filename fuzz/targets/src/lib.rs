//! What the fuzzers try: every reader of data from outside, on any bytes.
//!
//! Each target is a function of bytes that panics when a reader does what it must never do: panic itself, accept what is
//! false, or read two encodings as one value. It returns whether the bytes were read as what they should be, so that a
//! corpus can be told to hold something of each kind. `fuzz/fuzz_targets` hands them to libFuzzer; the tests replay the
//! corpus, `fuzz/corpus`, through the same functions.
//!
//! ```
//! use starling_fuzz_targets::{TARGETS, assembler};
//!
//! assert!(assembler(b"mov r0, 5\nhalt"));
//! assert!(!assembler(b"mov r0"));
//! for target in TARGETS {
//!     assert!(!(target.run)(b"\xff"));
//! }
//! ```

use std::sync::LazyLock;

use starling_air::check::Statement;
use starling_air::preset::Preset;
use starling_air::settlement::sections;
use starling_air::verifier::{Header, VerifyError, verify};
use starling_air::wire;
use starling_rollup::batch::Batch;
use starling_rollup::data::{self, BatchData};
use starling_rollup::transaction::SignedTransaction;
use starling_vm::asm::{Source, assemble, disassemble};
use starling_vm::executor::{RunInputs, run};
use starling_vm::field::Felt;
use starling_vm::program::Program;
use starling_vm::program_file;

/// A target: its name, which is that of its corpus, and what it does with bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The name.
    pub name: &'static str,
    /// The function; whether the bytes were read.
    pub run: fn(&[u8]) -> bool,
}

/// All of them.
pub const TARGETS: [Target; 6] = [
    Target {
        name: "assembler",
        run: assembler,
    },
    Target {
        name: "program_file",
        run: program_file,
    },
    Target {
        name: "proof",
        run: proof,
    },
    Target {
        name: "settle_proof",
        run: settle_proof,
    },
    Target {
        name: "envelope",
        run: envelope,
    },
    Target {
        name: "batch_data",
        run: batch_data,
    },
];

// PROGRAMS
// ================================================================================================================

/// Cycles after which a run is stopped.
const CYCLES: u64 = 5_000;

/// The program survives both of its forms, and its run ends in outputs or a trap.
fn round_trip(program: &Program) {
    let text = disassemble(program);
    let again = assemble(&[Source::new("again.sasm", text)]).expect("what the disassembler writes assembles");
    assert_eq!(again.to_elements(), program.to_elements());
    let bytes = program_file::to_bytes(program);
    let again = program_file::from_bytes(&bytes).expect("a program's own bytes");
    assert_eq!(again.to_elements(), program.to_elements());
    let inputs = RunInputs {
        public: (0..4).map(Felt::new).collect(),
        advice: (0..32).map(Felt::new).collect(),
    };
    if let Err(trap) = run(program, &inputs, CYCLES) {
        assert!(!trap.to_string().is_empty());
    }
}

/// Source text: errors that can be shown, or a program.
pub fn assembler(bytes: &[u8]) -> bool {
    let Ok(text) = core::str::from_utf8(bytes) else {
        return false;
    };
    match assemble(&[Source::new("main.sasm", text)]) {
        Ok(program) => {
            round_trip(&program);
            true
        }
        Err(errors) => {
            assert!(!errors.is_empty(), "refused without a reason");
            assert!(errors.iter().all(|error| !error.to_string().is_empty()));
            false
        }
    }
}

/// An assembled program's file: one program, one encoding.
pub fn program_file(bytes: &[u8]) -> bool {
    let Ok(program) = program_file::from_bytes(bytes) else {
        return false;
    };
    assert_eq!(program_file::to_bytes(&program), bytes);
    round_trip(&program);
    true
}

// PROOFS
// ================================================================================================================

/// What nobody has proven, and the corpus' honest proofs do not prove: `in r0, 0; out r0, 0; halt` that is given 1 and
/// gives 2.
pub static FALSE_STATEMENT: LazyLock<Statement> = LazyLock::new(|| Statement {
    outputs: vec![Felt::new(2)],
    ..TRUE_STATEMENT.clone()
});

/// What the corpus' honest proofs prove: the same program gives what it is given.
pub static TRUE_STATEMENT: LazyLock<Statement> = LazyLock::new(|| Statement {
    program: echo().hash(),
    inputs: vec![Felt::new(1)],
    outputs: vec![Felt::new(1)],
});

/// The program of [TRUE_STATEMENT].
pub fn echo() -> Program {
    assemble(&[Source::new("echo.sasm", "in r0, 0\nout r0, 0\nhalt")]).expect("a program")
}

/// The honest proofs of [TRUE_STATEMENT] in the corpus, with `dev-fast` and with the chips of the core and of the kernel.
pub const HONEST: [&[u8]; 2] = [
    include_bytes!("../../corpus/proof/honest-core"),
    include_bytes!("../../corpus/proof/honest-kernel"),
];

/// A proof with any preset: never accepted for a false statement, and for a true one only if it is an honest one of the
/// corpus. Whether it is that.
pub fn proof(bytes: &[u8]) -> bool {
    let refused = verify(&FALSE_STATEMENT, &Preset::ALL, bytes);
    assert!(refused.is_err(), "a false statement is accepted");
    match verify(&TRUE_STATEMENT, &Preset::ALL, bytes) {
        Ok(verified) => {
            // One proof has one encoding, so the header says what was verified.
            let header = Header::read(bytes).expect("it was read").0;
            assert_eq!((header.preset, header.chips), (verified.preset, verified.chips));
            assert!(HONEST.contains(&bytes), "a proof that nobody made is accepted");
            true
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            false
        }
    }
}

/// The encoding in which proofs go to L1: what is read as sections is their concatenation, and nothing is left over.
pub fn settle_proof(bytes: &[u8]) -> bool {
    assert!(
        verify(&FALSE_STATEMENT, &Preset::SECURE, bytes).is_err(),
        "a false statement is accepted"
    );
    match sections(&TRUE_STATEMENT, bytes) {
        Ok(sections) => {
            assert_eq!(sections.concat(), bytes[Header::LEN..]);
            true
        }
        Err(VerifyError::Refused(wire::VerifyError::Wire(error))) => {
            assert!(!error.to_string().is_empty());
            false
        }
        Err(_) => false,
    }
}

// THE ROLLUP
// ================================================================================================================

/// A signed transaction, as bytes and as text: one transaction, one encoding.
pub fn envelope(bytes: &[u8]) -> bool {
    if let Some(text) = core::str::from_utf8(bytes).ok()
        && let Ok(signed) = SignedTransaction::from_hex(text)
    {
        assert_eq!(signed.to_hex(), text);
    }
    let Ok(signed) = SignedTransaction::from_bytes(bytes) else {
        return false;
    };
    assert_eq!(signed.to_bytes(), bytes);
    let text = signed.to_hex();
    let again = SignedTransaction::from_hex(&text).expect("a transaction's own text");
    assert_eq!(again.to_bytes(), bytes);
    true
}

/// A batch as L1 publishes it and as a node keeps it.
pub fn batch_data(bytes: &[u8]) -> bool {
    let mut read = false;
    if let Ok(batch) = Batch::from_bytes(bytes) {
        assert_eq!(batch.to_bytes(), bytes);
        read = true;
    }
    if let Ok(words) = data::from_calldata(bytes) {
        assert_eq!(data::to_calldata(&words), bytes);
        if let Ok(batch) = BatchData::from_words(&words) {
            // A transfer that fits the short form may come in the long one; what is written is the short one.
            let written = batch.to_words();
            assert!(written.len() <= words.len());
            assert_eq!(BatchData::from_words(&written).as_ref(), Ok(&batch));
            data::claim(&words);
            read = true;
        }
    }
    read
}
