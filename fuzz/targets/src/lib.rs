//! What the fuzzers try: every reader of data from outside, on any bytes.
//!
//! Each target is a function of bytes that panics when a reader does what it must never do: panic itself, accept what is
//! false, or read two encodings as one value. It returns whether the bytes were read as what they should be, so that a
//! corpus can be told to hold something of each kind. `fuzz/fuzz_targets` hands them to libFuzzer; the tests replay the
//! corpus, `fuzz/corpus`, through the same functions.
//!
//! In reading order: here are the targets that one reads alone, programs, proofs and the rollup's bytes; [network] has what nodes read
//! from each other, [honest] what their answers are held against.
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

use serde_json::Value;
use starling_air::check::Statement;
use starling_air::preset::Preset;
use starling_air::settlement::sections;
use starling_air::verifier::{Header, VerifyError, verify};
use starling_air::wire;
use starling_rollup::batch::Batch;
use starling_rollup::block_header::{BlockHeader, SignedHeader, decode_blocks, encode_blocks, headers};
use starling_rollup::data::{self, BatchData};
use starling_rollup::keyfile::{Cost, Holder, KeyFile, KeyFileError};
use starling_rollup::l1_key::L1Signature;
use starling_rollup::transaction::{RollupId, SignedTransaction};
use starling_vm::asm::{Source, assemble, disassemble};
use starling_vm::executor::{RunInputs, run};
use starling_vm::field::Felt;
use starling_vm::program::Program;
use starling_vm::program_file;

pub mod honest;
pub mod network;

pub use network::{batch_body, block, evidence, light_answers, p2p_frames, proof_notice};

use honest::ROLLUP;

/// A target: its name, which is that of its corpus, and what it does with bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The name.
    pub name: &'static str,
    /// The function; whether the bytes were read.
    pub run: fn(&[u8]) -> bool,
}

/// All of them.
pub const TARGETS: [Target; 14] = [
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
    Target {
        name: "commit_blocks",
        run: commit_blocks,
    },
    Target {
        name: "keyfile",
        run: keyfile,
    },
    Target {
        name: "block",
        run: block,
    },
    Target {
        name: "evidence",
        run: evidence,
    },
    Target {
        name: "proof_notice",
        run: proof_notice,
    },
    Target {
        name: "p2p_frames",
        run: p2p_frames,
    },
    Target {
        name: "batch_body",
        run: batch_body,
    },
    Target {
        name: "light_answers",
        run: light_answers,
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
            assert_eq!(batch.to_words(), words);
            data::claim(&words);
            read = true;
        }
    }
    read
}

/// What a commit says of its blocks, and what a leader signs. The first byte says which: the words of a batch (their number, 2 bytes, then
/// 8 each) and the list of its blocks; a signed header; a signature as text.
pub fn commit_blocks(bytes: &[u8]) -> bool {
    match bytes.split_first() {
        Some((0, rest)) => blocks(rest),
        Some((1, rest)) => signed_header(rest),
        Some((2, rest)) => core::str::from_utf8(rest).is_ok_and(signature),
        _ => false,
    }
}

/// The list cuts the words from the first to the last, and each header names the one before.
fn blocks(bytes: &[u8]) -> bool {
    let Some((count, rest)) = bytes.split_first_chunk() else {
        return false;
    };
    let Some((words, list)) = rest.split_at_checked(8 * usize::from(u16::from_be_bytes(*count))) else {
        return false;
    };
    let words: Vec<u64> = words
        .as_chunks()
        .0
        .iter()
        .map(|word| u64::from_be_bytes(*word))
        .collect();
    let blocks = match decode_blocks(list) {
        Ok(blocks) => blocks,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return false;
        }
    };
    assert_eq!(encode_blocks(&blocks), list);
    let ends: Vec<usize> = blocks.iter().map(|block| usize::from(block.end)).collect();
    let from = [&[1], &ends[..]].concat();
    let cuts = from.is_sorted_by(|one, other| one < other) && ends.last() == Some(&words.len());
    let (slot, batch, mut parent) = (9, 4, [1; 32]);
    match headers(parent, slot, batch, &words, &blocks) {
        Ok(headers) => {
            assert!(cuts, "blocks that do not cut their batch are accepted");
            assert_eq!(headers.len(), blocks.len());
            for ((index, header), block) in (0..).zip(headers).zip(&blocks) {
                assert_eq!((header.slot, header.batch, header.index), (slot, batch, index));
                assert_eq!((header.parent, header.state), (parent, block.state));
                assert_eq!(BlockHeader::from_bytes(&header.to_bytes()).as_ref(), Ok(&header));
                parent = header.hash();
            }
            true
        }
        Err(error) => {
            assert!(!cuts, "blocks that cut their batch are refused: {error}");
            false
        }
    }
}

/// One signed header, one encoding; what is signed for one rollup is not signed for another.
fn signed_header(bytes: &[u8]) -> bool {
    let signed = match SignedHeader::from_bytes(bytes) {
        Ok(signed) => signed,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return false;
        }
    };
    assert_eq!(signed.to_bytes()[..], *bytes);
    let other = RollupId { chain_id: 1, ..ROLLUP };
    match (signed.signer(&ROLLUP), signed.signer(&other)) {
        (Ok(one), Ok(other)) => assert_ne!(one, other, "a signature for two rollups"),
        (Err(error), _) | (_, Err(error)) => assert!(!error.to_string().is_empty()),
    }
    true
}

/// A wallet's signature may come in several forms; what is written has one.
fn signature(text: &str) -> bool {
    match L1Signature::from_hex(text) {
        Ok(signature) => {
            assert_eq!(L1Signature::from_bytes(&signature.to_bytes()), Ok(signature));
            true
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            false
        }
    }
}

// KEY FILES
// ================================================================================================================

/// A key file, as it is and with its checksum mended, as whoever writes one on purpose would do it. It may be laid out in several ways; what
/// is written has one. No key is made of a password here: that takes memory.
pub fn keyfile(bytes: &[u8]) -> bool {
    let Ok(text) = core::str::from_utf8(bytes) else {
        return false;
    };
    let mended = mend(text).is_some_and(|mended| key_file(&mended));
    key_file(text) | mended
}

fn key_file(text: &str) -> bool {
    let file = match KeyFile::from_json(text) {
        Ok(file) => file,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return false;
        }
    };
    let written = file.to_json();
    let again = KeyFile::from_json(&written).expect("a key file's own text");
    assert_eq!(again, file);
    assert_eq!(again.to_json(), written);
    assert_eq!(
        mend(&written).map(|mended| KeyFile::from_json(&mended).is_ok()),
        Some(true)
    );
    let fields: Value = serde_json::from_str(&written).expect("JSON");
    let given: Value = serde_json::from_str(text).expect("it was read");
    assert_eq!(fields["owner"].is_null(), given["owner"].is_null(), "an owner is lost");
    for (name, low, high) in [
        ("memory_kib", Cost::MINIMUM.memory_kib, Cost::MAXIMUM.memory_kib),
        ("iterations", Cost::MINIMUM.iterations, Cost::MAXIMUM.iterations),
        ("lanes", Cost::MINIMUM.lanes, Cost::MAXIMUM.lanes),
    ] {
        let cost = fields["cost"][name].as_u64().expect("a number");
        assert!((u64::from(low)..=u64::from(high)).contains(&cost), "{name}: {cost}");
    }
    let other = match file.holder() {
        Holder::Account { .. } => file.open_l1("").map(drop),
        Holder::L1(_) => file.open_account("").map(drop),
    };
    assert!(
        matches!(other, Err(KeyFileError::Kind { .. })),
        "opened as another kind: {other:?}"
    );
    true
}

/// The text with the checksum that its fields have; `None` if it lacks one.
fn mend(text: &str) -> Option<String> {
    let mut fields: Value = serde_json::from_str(text).ok()?;
    let mut hasher = blake3::Hasher::new_derive_key("starling 2026 key file checksum");
    let cost = &fields["cost"];
    for number in [
        &fields["version"],
        &cost["memory_kib"],
        &cost["iterations"],
        &cost["lanes"],
    ] {
        hasher.update(&u32::try_from(number.as_u64()?).ok()?.to_le_bytes());
    }
    for name in ["kind", "address", "owner", "kdf", "salt", "cipher", "nonce", "secret"] {
        let text = match &fields[name] {
            Value::Null if name == "owner" => "",
            text => text.as_str()?,
        };
        hasher
            .update(&(text.len() as u64).to_le_bytes())
            .update(text.as_bytes());
    }
    let checksum = hasher.finalize().to_hex().to_string();
    *fields.get_mut("checksum")? = Value::String(checksum);
    Some(fields.to_string())
}
