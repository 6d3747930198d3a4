//! `starling vm verify --onchain`: programs of any author settle through one contract, which nobody told of them.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use starling_air::check::Statement;
use starling_air::machine::ChipSet;
use starling_air::preset::Preset;
use starling_air::prover::{ProveError, prove};
use starling_air::settlement::sections;
use starling_air::trace::TraceError;
use starling_node::l1::L1Error;
use starling_node::l1::rollup::Verifier;
use starling_rollup::address::L1Address;
use starling_vm::asm::{Source, assemble};
use starling_vm::executor::RunInputs;
use starling_vm::field::{Felt, Word};

use crate::l1::{anvil, sender};
use crate::vm::{Folder, code, json, starling};

/// Every example of the machine, by name. None of them uses a bitwise instruction, so all can settle.
fn examples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vm/examples");
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|file| file.extension().is_some_and(|extension| extension == "sasm"))
        .collect();
    files.sort();
    files
}

/// The elements of a list in the CLI's JSON: numbers, or strings of large ones.
fn elements(list: &Value) -> Vec<Felt> {
    let element = |value: &Value| match value {
        Value::String(text) => text.parse().unwrap(),
        other => other.as_u64().unwrap(),
    };
    list.as_array()
        .unwrap()
        .iter()
        .map(|value| Felt::new(element(value)))
        .collect()
}

/// What the CLI says it proved.
fn statement(report: &Value) -> Statement {
    let hash = report["program_hash"].as_str().unwrap();
    let program: Word =
        core::array::from_fn(|i| Felt::new(u64::from_str_radix(&hash[16 * i..16 * i + 16], 16).unwrap()));
    Statement {
        program,
        inputs: elements(&report["inputs"]),
        outputs: elements(&report["outputs"]),
    }
}

/// A statement that differs in an output, or in their number.
fn other_outputs(statement: &Statement) -> Statement {
    let mut other = statement.clone();
    match other.outputs.last_mut() {
        Some(last) => *last += Felt::new(1),
        None => other.outputs.push(Felt::new(0)),
    }
    other
}

fn assert_reverted<T: std::fmt::Debug>(result: Result<T, L1Error>, what: &str) {
    assert!(matches!(result, Err(L1Error::Reverted { .. })), "{what}: {result:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_settles_through_one_verifier() {
    let chain = anvil();
    let l1 = sender(&chain, 1).await;
    let folder = Folder::new("onchain");
    let proof = folder.path("example.proof");
    let mut deployed: Option<String> = None;
    let mut names = Vec::new();
    for file in examples() {
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        let (source, io) = (file.to_str().unwrap().to_owned(), file.with_extension("json"));
        let made = json(&[
            "vm",
            "prove",
            &source,
            "--io",
            io.to_str().unwrap(),
            "--preset",
            "settle-100",
            "--out",
            &proof,
            "--json",
        ]);
        let hash = made["program_hash"].as_str().unwrap();

        // The first call deploys the verifier, all others use it.
        let mut verify = vec!["vm", "verify", &proof, "--program", hash, "--io", io.to_str().unwrap()];
        verify.extend(["--json", "--onchain", "--l1", chain.url()]);
        let known = deployed.clone();
        if let Some(verifier) = &known {
            verify.extend(["--verifier", verifier]);
        }
        let accepted = json(&verify);
        let onchain = &accepted["onchain"];
        assert_eq!(onchain["accepted"], true, "{name}");
        assert_eq!(onchain["known_before"], false, "{name}");
        assert_eq!(onchain["transactions"], 3, "{name}");
        let verifier = deployed.get_or_insert_with(|| onchain["verifier"].as_str().unwrap().to_owned());
        assert_eq!(onchain["verifier"], verifier.as_str(), "{name}");

        // The contract has the fact, and has it of this statement only.
        let address: L1Address = verifier.parse().unwrap();
        let contract = Verifier::new(&l1, address);
        let (proven, bytes) = (statement(&made), fs::read(&proof).unwrap());
        let other = other_outputs(&proven);
        assert!(contract.is_proven(&proven).await.unwrap(), "{name}");
        let sections = sections(&proven, &bytes).unwrap();
        let whole = sections.concat();
        contract.check(&proven, &whole).await.unwrap();
        assert_reverted(contract.check(&other, &whole).await, &name);
        assert_reverted(contract.submit(&other, &sections).await, &name);
        assert!(!contract.is_proven(&other).await.unwrap(), "{name}");
        let mut changed = whole.clone();
        let at = whole.len() * (names.len() + 1) / 10;
        changed[at] ^= 1;
        assert_reverted(contract.check(&proven, &changed).await, &format!("{name}, byte {at}"));

        // The CLI refuses the same before it asks the chain.
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        let changed = folder.file("changed.proof", &changed);
        verify[2] = &changed;
        assert_eq!(code(&verify), 1, "{name}");
        names.push(name);
    }
    assert_eq!(
        names,
        [
            "fibonacci",
            "gcd",
            "ledger",
            "merkle",
            "prime",
            "range",
            "signature",
            "sorted"
        ]
    );
}

/// The contract verifies one AIR, which has no bitwise chip.
#[test]
fn a_bitwise_program_cannot_settle() {
    let text = "proc main\n    in r0, 0\n    u32.and r1, r0, 12\n    out r1, 0\n    halt\nend\n";
    let program = assemble(&[Source::new("main.sasm", text)]).unwrap();
    let inputs = RunInputs {
        public: vec![Felt::new(10)],
        ..RunInputs::default()
    };
    match prove(&program, &inputs, Preset::Settle100).map(|proven| proven.bytes.len()) {
        Err(ProveError::Trace(TraceError::Chips {
            needed: ChipSet::Bitwise,
            given: ChipSet::Kernel,
        })) => {}
        other => panic!("{other:?}"),
    }
    let folder = Folder::new("bitwise");
    let file = folder.file("and.sasm", text);
    let proof = folder.path("and.proof");
    let output = starling(&[
        "vm",
        "prove",
        &file,
        "--inputs",
        "10",
        "--preset",
        "settle-100",
        "--out",
        &proof,
    ]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(
        error.contains("a proof for L1 has the chips core and signature"),
        "{error}"
    );
    assert!(!Path::new(&proof).exists());
    // Off L1 the same run is provable.
    assert_eq!(
        code(&[
            "vm",
            "prove",
            &file,
            "--inputs",
            "10",
            "--outputs",
            "8",
            "--out",
            &proof
        ]),
        0
    );
}
