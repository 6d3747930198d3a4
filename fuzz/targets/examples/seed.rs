//! Writes the seeds of the corpus: `cargo run -p starling-fuzz-targets --example seed`. To be run again when the AIR or an
//! encoding changes; what the fuzzers found stands beside the seeds and stays.

use std::error::Error;
use std::fs;
use std::num::NonZeroU8;
use std::path::{Path, PathBuf};

use starling_air::check::Statement;
use starling_air::machine::ChipSet;
use starling_air::preset::Preset;
use starling_air::prover::{prove, prove_trace};
use starling_air::trace::build_with;
use starling_fuzz_targets::honest::{BATCH, HEADER, OWNER, ROLLUP, STATE, TRANSACTIONS, account_key, l1_key};
use starling_fuzz_targets::network::view;
use starling_fuzz_targets::{TRUE_STATEMENT, echo};
use starling_node::answers::account::account_body;
use starling_node::answers::operation::operation_body;
use starling_node::answers::proof::{Point, ProofAnswer};
use starling_node::block::{Block, Opening};
use starling_node::gossip::{Evidence, ProofNotice};
use starling_p2p::Genesis;
use starling_p2p::message::Message;
use starling_p2p::request::{Refusal, Request, Response, StateAt};
use starling_p2p::status::{Heads, Role, Status};
use starling_rollup::batch::Batch;
use starling_rollup::block_header::{BlockEnd, BlockHeader, SignedHeader, encode_blocks};
use starling_rollup::chain::word_bytes;
use starling_rollup::data::to_calldata;
use starling_rollup::keyfile::{Cost, KeyFile};
use starling_vm::asm::{Source, assemble};
use starling_vm::executor::RunInputs;
use starling_vm::program_file;

type Written = Result<(), Box<dyn Error>>;

fn path(target: &str, name: &str) -> PathBuf {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus");
    corpus.join(target).join(name)
}

fn write(target: &str, name: &str, bytes: impl AsRef<[u8]>) -> Written {
    let path = path(target, name);
    fs::create_dir_all(path.parent().ok_or("no folder")?)?;
    Ok(fs::write(path, bytes)?)
}

fn main() -> Written {
    programs()?;
    proofs()?;
    rollup()?;
    commits()?;
    key_files()?;
    gossip()?;
    frames()?;
    bodies()?;
    answers()
}

fn programs() -> Written {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vm/examples");
    for entry in fs::read_dir(examples)? {
        let path = entry?.path();
        let (Some(name), Some(extension)) = (path.file_stem().and_then(|name| name.to_str()), path.extension()) else {
            continue;
        };
        if extension == "sasm" {
            let text = fs::read_to_string(&path)?;
            write("assembler", name, &text)?;
            let program = assemble(&[Source::new("main.sasm", text)]).map_err(|errors| errors[0].to_string())?;
            write("program_file", name, program_file::to_bytes(&program))?;
        }
    }
    write(
        "assembler",
        "unfinished",
        "use std::u64\nconst A = (1 << 63) * -2\nproc main\n  reg x = r5\n  mov x, A\n",
    )
}

fn proofs() -> Written {
    let inputs = RunInputs {
        public: TRUE_STATEMENT.inputs.clone(),
        ..RunInputs::default()
    };
    let program = echo();
    for (name, chips) in [("honest-core", ChipSet::Core), ("honest-kernel", ChipSet::Kernel)] {
        let trace = build_with(&program, &inputs, 1_000, Some(chips))?;
        let statement: &Statement = &TRUE_STATEMENT;
        write(
            "proof",
            name,
            prove_trace(trace.columns, statement, chips, Preset::DevFast)?,
        )?;
    }
    let settling = prove(&program, &inputs, Preset::Settle100)?;
    write("settle_proof", "honest", settling.bytes)
}

fn rollup() -> Written {
    for (name, signed) in ["transfer", "open", "withdraw", "rekey"].iter().zip(&*TRANSACTIONS) {
        write("envelope", name, signed.to_bytes())?;
    }
    write("envelope", "text", TRANSACTIONS[0].to_hex())?;
    write("batch_data", "calldata", to_calldata(&BATCH.data().to_words()))?;
    // A transfer that has the short form, in the long one.
    write("batch_data", "long-form", to_calldata(&[7, 0, 0, 1 << 32, 2, 10, 3]))?;
    write("batch_data", "file", BATCH.to_bytes())
}

/// A batch of one transaction: short, and complete.
fn small_batch() -> Batch {
    Batch {
        transactions: TRANSACTIONS[..1].to_vec(),
        ..Batch::default()
    }
}

/// The list of its blocks; there is one.
fn list(batch: &Batch) -> Vec<u8> {
    encode_blocks(&[BlockEnd {
        end: batch.data().to_words().len() as u16,
        state: [3; 32],
    }])
}

fn words_of(batch: &Batch) -> Vec<u8> {
    let words = batch.data().to_words();
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// Signs another header of [HEADER]'s place, or one of the block after.
fn signed(key: u8, header: BlockHeader) -> Result<SignedHeader, Box<dyn Error>> {
    Ok(header.sign(&ROLLUP, &l1_key(key))?)
}

fn commits() -> Written {
    let (words, list) = (words_of(&small_batch()), list(&small_batch()));
    let count = (words.len() / 8) as u16;
    let blocks = [&[0][..], &count.to_be_bytes(), &words, &list].concat();
    write("commit_blocks", "blocks", &blocks)?;
    write("commit_blocks", "behind-the-end", [&blocks[..], &list].concat())?;
    write("commit_blocks", "none", [0, 0, 0])?;
    let more = [&[0][..], &(count + 1).to_be_bytes(), &words, &[0; 8], &list].concat();
    write("commit_blocks", "a-word-left", more)?;
    let header = HEADER.to_bytes();
    write("commit_blocks", "header", [&[1], &header[..]].concat())?;
    let mut wallet = header;
    wallet[SignedHeader::BYTES - 1] -= 27;
    write("commit_blocks", "wallet-header", [&[1], &wallet[..]].concat())?;
    let digits: String = header[BlockHeader::BYTES..]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    write("commit_blocks", "signature", format!("\x020x{digits}"))?;
    write(
        "commit_blocks",
        "compact-signature",
        format!("\x020x{}", &digits[..128]),
    )
}

/// Salt and nonce of a key file are random, so one that is there stays.
fn key_files() -> Written {
    let account = KeyFile::seal_account(&account_key(1), OWNER, "a password", Cost::MINIMUM)?;
    let l1 = KeyFile::seal_l1(&l1_key(1), "a password", Cost::MINIMUM)?;
    for (name, file) in [("account", account), ("l1", l1)] {
        if !path("keyfile", name).exists() {
            write("keyfile", name, file.to_json())?;
        }
    }
    let l1: serde_json::Value = serde_json::from_slice(&fs::read(path("keyfile", "l1"))?)?;
    let mut owned = l1.clone();
    owned["owner"] = OWNER.to_string().into();
    write("keyfile", "l1-with-an-owner", owned.to_string())?;
    let mut cheap = l1;
    cheap["cost"]["memory_kib"] = (Cost::MINIMUM.memory_kib - 1).into();
    write("keyfile", "too-cheap", cheap.to_string())?;
    write("keyfile", "version", "{\"version\":2}")
}

fn gossip() -> Written {
    let block = |signed: SignedHeader, entries: u16, transactions: &[usize]| {
        let opening = Opening {
            entries,
            fee_account: 1,
        };
        Block {
            signed,
            opening: (signed.header.index == 0).then_some(opening),
            transactions: transactions
                .iter()
                .map(|number| TRANSACTIONS[*number].clone())
                .collect(),
        }
    };
    let first = HEADER.header;
    let second = BlockHeader {
        index: 1,
        parent: first.hash(),
        ..first
    };
    write("block", "opening", block(signed(3, first)?, 2, &[0, 1]).to_bytes())?;
    let entries = block(signed(3, first)?, 2, &[]).to_bytes();
    write("block", "entries", &entries)?;
    write("block", "trailing", [&entries[..], &[0]].concat())?;
    write("block", "empty", block(signed(3, first)?, 0, &[]).to_bytes())?;
    write("block", "cut", &entries[..100])?;
    write("block", "second", block(signed(3, second)?, 0, &[2]).to_bytes())?;
    let last = BlockHeader {
        batch: u64::MAX,
        ..second
    };
    write("block", "last-position", block(signed(3, last)?, 0, &[3]).to_bytes())?;

    let other = BlockHeader {
        operations: [4; 32],
        ..first
    };
    let evidence = Evidence::new(signed(2, first)?, signed(2, other)?)?;
    write("evidence", "guilty", evidence.to_bytes())?;
    write(
        "evidence",
        "two-signers",
        Evidence::new(*HEADER, evidence.one)?.to_bytes(),
    )?;
    let swapped = Evidence {
        one: evidence.other,
        other: evidence.one,
    };
    write("evidence", "other-order", swapped.to_bytes())?;
    write("evidence", "cut", &evidence.to_bytes()[..182])?;

    let notice = ProofNotice {
        first: 3,
        last: 4,
        root: STATE.root(),
    };
    write("proof_notice", "honest", notice.to_bytes())?;
    write("proof_notice", "no-run", ProofNotice { last: 2, ..notice }.to_bytes())?;
    write(
        "proof_notice",
        "not-canonical",
        [&notice.to_bytes()[..17], &[0xff; 32]].concat(),
    )?;

    let transaction = Box::new(TRANSACTIONS[0].clone());
    let never = [&[12, 0, 0], &transaction.to_bytes()[..]].concat();
    write("p2p_frames", "again-never", never)?;
    let again = Message::Again(transaction, NonZeroU8::MIN);
    for (name, message) in [
        ("again", again),
        ("block", Message::Block(entries)),
        ("notice", Message::Proof(notice.to_bytes())),
    ] {
        let which = 12 + message.topic() as u8;
        write("p2p_frames", name, [&[which], &message.to_bytes()[..]].concat())?;
    }
    Ok(())
}

fn frames() -> Written {
    let kernel = word_bytes(&echo().hash());
    let status = Status {
        genesis: Genesis { rollup: ROLLUP, kernel },
        role: Role::Operator,
        heads: Heads::default(),
    };
    let mut status = [&[0], &status.to_bytes()[..]].concat();
    write("p2p_frames", "status", &status)?;
    status[1 + 1 + 8 + 20 + 32] = 4;
    write("p2p_frames", "no-role", &status)?;
    let at = StateAt::Soft;
    let questions = [
        ("ask-blocks", Request::BlocksByRange { first: 7, count: 64 }),
        ("ask-too-much", Request::BlocksByRange { first: 7, count: 65 }),
        ("ask-batch", Request::Batch { number: 7 }),
        ("ask-proof", Request::Proof { first: 3, last: 7 }),
        ("ask-account", Request::Account { index: 7, at }),
        ("ask-operation", Request::Operation { batch: 7, position: 1 }),
    ];
    for (name, request) in questions {
        let which = request.kind() as u8;
        write("p2p_frames", name, [&[which], &request.to_bytes()[..]].concat())?;
    }
    let blocks = vec![b"one".to_vec(), Vec::new()];
    for (name, which, response) in [
        ("tell-blocks", 7, Response::Blocks(blocks)),
        ("tell-no-blocks", 7, Response::Blocks(Vec::new())),
        ("tell-proof", 9, Response::Found(b"a proof".to_vec())),
        ("tell-refusal", 10, Response::Refused(Refusal::Busy)),
    ] {
        write("p2p_frames", name, [&[which], &response.to_bytes()[..]].concat())?;
    }
    Ok(())
}

fn bodies() -> Written {
    let (batch, head) = (small_batch(), [1, 0, 0, 0, 0, 0, 0, 0, 9]);
    let list = [&[0, 1], &list(&batch)[..]].concat();
    let signed = [&head, &list[..], &[0], &batch.to_bytes()].concat();
    write("batch_body", "signed", &signed)?;
    write(
        "batch_body",
        "public",
        [&head, &list[..], &[1], &words_of(&batch)].concat(),
    )?;
    write("batch_body", "cut", &signed[..60])?;
    // The transfer that the batch has in the short form, in the long one.
    let long = [7, 0, 0, 1 << 32, 2, 10, 3].map(u64::to_be_bytes).concat();
    write("batch_body", "long-form", [&head, &[0, 0, 1][..], &long].concat())
}

fn answers() -> Written {
    let account = |at, index| account_body(&view(at), index).ok_or("another state than the header claims");
    for (name, at, index) in [
        ("account", StateAt::Proven, 1),
        ("absent-committed", StateAt::Committed, 2),
        ("absent-soft", StateAt::Soft, 2),
    ] {
        let question = [at as u8, index as u8];
        write("light_answers", name, [&question, &account(at, index)?[..]].concat())?;
    }
    let operation = operation_body(&BATCH.data(), 3).ok_or("no such operation")?;
    write("light_answers", "operation", [&[3, 3], &operation[..]].concat())?;
    write("light_answers", "behind-the-end", [&[3, 11], &operation[..]].concat())?;
    let (before, root) = (Point::genesis(), STATE.root());
    let proof = ProofAnswer {
        before,
        after: Point {
            batch: 4,
            root,
            digest: root,
        },
        payee: OWNER,
        bytes: b"a proof".to_vec(),
    };
    let proof = [&[4, 0], &proof.to_bytes()[..]].concat();
    write("light_answers", "proof", &proof)?;
    write("light_answers", "no-proof", &proof[..166])
}
