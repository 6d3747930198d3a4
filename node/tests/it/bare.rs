//! A long run's proof in a process that has nothing but the proof and the statement.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use starling_vm::field::Felt;

use crate::vm::{Folder, json};

/// Rounds of the loop below, four cycles each: more than 2^17, so the trace has 2^18 rows.
const ROUNDS: u64 = 33_000;

/// "I know a start from which so many rounds of r -> r^2 + 3 lead to this end." The start is advice.
const ROUNDS_OF_SQUARING: &str = "proc main
    in r0, 0
    adv r1
again:
    mul r1, r1, r1
    add r1, r1, 3
    sub r0, r0, 1
    bnz r0, again
    out r1, 0
    halt
end
";
const START: u64 = 0x0123_4567_89ab_cdef;

/// `starling vm verify` with no environment, in a folder that holds the proof and nothing else.
fn verify(folder: &Path, hash: &str, inputs: &str, outputs: &str) -> Output {
    let files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(files, ["proof"], "the folder holds the proof alone");
    Command::new(env!("CARGO_BIN_EXE_starling"))
        .args(["vm", "verify", "proof", "--program", hash])
        .args(["--inputs", inputs, "--outputs", outputs, "--json"])
        .env_clear()
        .current_dir(folder)
        .output()
        .unwrap()
}

/// The verifier says no, and which statement it was asked about.
fn assert_refused(output: &Output, what: &str, hash: &str, inputs: &str, outputs: &str) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{what}: {error}");
    let statement = format!("statement: program {hash}, inputs {inputs}, outputs {outputs}");
    assert!(
        error.contains("the proof is refused: ") && error.contains(&statement),
        "{what}: {error}"
    );
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["accepted"], false, "{what}");
    assert!(report["trace_length"].is_null(), "{what}");
}

#[test]
fn a_bare_process_verifies_2_18_rows() {
    let maker = Folder::new("bare-maker");
    let source = maker.file("rounds.sasm", ROUNDS_OF_SQUARING);
    let io = maker.file("io.json", format!(r#"{{"inputs": [{ROUNDS}], "advice": ["{START}"]}}"#));
    let proof = maker.path("rounds.proof");
    let made = json(&[
        "vm",
        "prove",
        &source,
        "--io",
        &io,
        "--preset",
        "local-100",
        "--out",
        &proof,
        "--json",
    ]);
    assert!(made["rows"]["cpu"].as_u64() > Some(1 << 17));
    assert_eq!(made["rows"]["trace"], 1 << 18);
    let end = (0..ROUNDS).fold(Felt::new(START), |r, _| r * r + Felt::new(3));
    assert_eq!(made["outputs"], serde_json::json!([end.as_int().to_string()]));
    let hash = made["program_hash"].as_str().unwrap().to_owned();
    let bytes = fs::read(&proof).unwrap();
    // The program and the advice are gone before anybody verifies.
    drop(maker);

    let bare = tempfile::tempdir().unwrap();
    let write = |bytes: &[u8]| fs::write(bare.path().join("proof"), bytes).unwrap();
    write(&bytes);
    let (inputs, outputs) = (ROUNDS.to_string(), end.as_int().to_string());
    let accepted = verify(bare.path(), &hash, &inputs, &outputs);
    assert!(
        accepted.status.success(),
        "{}",
        String::from_utf8_lossy(&accepted.stderr)
    );
    let report: serde_json::Value = serde_json::from_slice(&accepted.stdout).unwrap();
    assert_eq!(report["accepted"], true);
    assert_eq!(report["trace_length"], 1 << 18);
    assert_eq!(report["preset"], "local-100");
    assert!(report["proven_bits"].as_u64() >= Some(100));

    let other_digit = if hash.starts_with('0') { "1" } else { "0" };
    let other_hash = format!("{other_digit}{}", &hash[1..]);
    let (fewer, next) = ((ROUNDS - 1).to_string(), (end + Felt::new(1)).as_int().to_string());
    for (what, hash, inputs, outputs) in [
        ("another program", &other_hash, &inputs, &outputs),
        ("another input", &hash, &fewer, &outputs),
        ("another output", &hash, &inputs, &next),
    ] {
        assert_refused(&verify(bare.path(), hash, inputs, outputs), what, hash, inputs, outputs);
    }
    for at in [4, 6, bytes.len() / 3, bytes.len() - 1] {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        write(&changed);
        let output = verify(bare.path(), &hash, &inputs, &outputs);
        assert_refused(&output, &format!("byte {at}"), &hash, &inputs, &outputs);
    }
}
