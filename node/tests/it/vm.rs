//! `starling vm`: what a circuit author types, and what goes wrong.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const SQUARE: &str = "proc main\n    in r0, 0\n    mul r1, r0, r0\n    out r1, 0\n    halt\nend\n";

/// A folder of this test's own, removed at the end.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("starling-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn starling(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_starling"))
        .args(args)
        .output()
        .unwrap()
}

pub(crate) fn code(args: &[&str]) -> i32 {
    starling(args).status.code().unwrap()
}

pub(crate) fn json(args: &[&str]) -> serde_json::Value {
    let output = starling(args);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn hash(file: &str) -> String {
    json(&["vm", "asm", file, "--json"])["program_hash"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn a_run_prints_its_outputs() {
    let folder = Folder::new("run");
    let file = folder.file("square.sasm", SQUARE);
    let report = json(&["vm", "run", &file, "--inputs", "5", "--outputs", "25", "--json"]);
    assert_eq!(report["outputs"], serde_json::json!([25]));
    assert_eq!(report["cycles"], 4);
    let io = folder.file("io.json", r#"{"inputs": ["18446744069414584320"], "outputs": [1]}"#);
    assert_eq!(code(&["vm", "run", &file, "--io", &io]), 0);
}

#[test]
fn exit_codes_tell_a_no_from_a_mistake() {
    let folder = Folder::new("codes");
    let file = folder.file("square.sasm", SQUARE);
    // No: a trap, other outputs.
    assert_eq!(code(&["vm", "run", &file]), 1);
    assert_eq!(code(&["vm", "run", &file, "--inputs", "5", "--outputs", "26"]), 1);
    // Mistakes: wrong usage, no such file, no program, no element.
    assert_eq!(code(&["vm", "run"]), 2);
    assert_eq!(code(&["vm", "run", &folder.path("missing.sasm")]), 2);
    let broken = folder.file("broken.sasm", "proc main\n    mull r0, r1, r2\nend\n");
    let output = starling(&["vm", "run", &broken]);
    assert_eq!(output.status.code(), Some(2));
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        message.contains("mull r0, r1, r2") && message.contains("mul"),
        "{message}"
    );
    assert_eq!(code(&["vm", "run", &file, "--inputs", "18446744069414584321"]), 2);
    let io = folder.file("io.json", r#"{"input": [5]}"#);
    assert_eq!(code(&["vm", "run", &file, "--io", &io]), 2);
}

#[test]
fn a_proof_verifies_without_the_program() {
    let folder = Folder::new("prove");
    let file = folder.file("square.sasm", SQUARE);
    let proof = folder.path("square.proof");
    let report = json(&[
        "vm",
        "prove",
        &file,
        "--inputs",
        "5",
        "--outputs",
        "25",
        "--out",
        &proof,
        "--json",
    ]);
    for key in [
        "program_hash",
        "cycles",
        "rows",
        "seconds",
        "peak_memory_mb",
        "proof_bytes",
        "proven_bits",
    ] {
        assert!(!report[key].is_null(), "{key}");
    }
    assert!(report["proven_bits"].as_u64() >= Some(100));
    let hash = hash(&file);
    fs::remove_file(&file).unwrap();
    let verify = |proof: &str, hash: &str, inputs: &str, outputs: &str| {
        code(&[
            "vm",
            "verify",
            proof,
            "--program",
            hash,
            "--inputs",
            inputs,
            "--outputs",
            outputs,
        ])
    };
    assert_eq!(verify(&proof, &hash, "5", "25"), 0);
    assert_eq!(verify(&proof, &hash, "6", "25"), 1);
    assert_eq!(verify(&proof, &hash, "5", "26"), 1);
    assert_eq!(verify(&proof, &hash, "5", "25,25"), 1);
    let other = hash.replacen(&hash[..1], if hash.starts_with('0') { "1" } else { "0" }, 1);
    assert_eq!(verify(&proof, &other, "5", "25"), 1);
    let mut bytes = fs::read(&proof).unwrap();
    for at in [0, 5, 100, bytes.len() / 2, bytes.len() - 1] {
        bytes[at] ^= 1;
        let changed = folder.file("changed.proof", &bytes);
        let output = starling(&[
            "vm",
            "verify",
            &changed,
            "--program",
            &hash,
            "--inputs",
            "5",
            "--outputs",
            "25",
        ]);
        assert_eq!(output.status.code(), Some(1), "byte {at}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("the proof is refused"));
        bytes[at] ^= 1;
    }
}

#[test]
fn an_insecure_proof_must_be_asked_for() {
    let folder = Folder::new("insecure");
    let file = folder.file("square.sasm", SQUARE);
    let proof = folder.path("square.proof");
    let prove = starling(&[
        "vm", "prove", &file, "--inputs", "5", "--preset", "dev-fast", "--out", &proof,
    ]);
    assert!(String::from_utf8_lossy(&prove.stdout).contains("INSECURE"));
    let hash = hash(&file);
    let verify = [
        "vm",
        "verify",
        &proof,
        "--program",
        &hash,
        "--inputs",
        "5",
        "--outputs",
        "25",
    ];
    assert_eq!(code(&verify), 1);
    let output = starling(&[&verify[..], &["--preset", "dev-fast"]].concat());
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stdout).contains("INSECURE"));
}

#[test]
fn a_program_survives_assembly_and_disassembly() {
    let folder = Folder::new("asm");
    let file = folder.file("square.sasm", SQUARE);
    let binary = folder.path("square.svm");
    let report = json(&["vm", "asm", &file, "--out", &binary, "--json"]);
    assert_eq!(report["program_hash"], hash(&binary));
    let text = starling(&["vm", "disasm", &binary]).stdout;
    let again = folder.file("again.sasm", text);
    assert_eq!(report["program_hash"], hash(&again));
    assert_eq!(code(&["vm", "run", &binary, "--inputs", "5", "--outputs", "25"]), 0);
    let bytes = fs::read(Path::new(&binary)).unwrap();
    for cut in [0, 7, 11, bytes.len() - 1] {
        let short = folder.file("short.svm", &bytes[..cut]);
        assert_eq!(code(&["vm", "run", &short]), 2, "{cut} bytes");
    }
    let long = folder.file("long.svm", [&bytes[..], &[0]].concat());
    assert_eq!(code(&["vm", "run", &long]), 2);
}

/// Every example runs, proves and verifies; and no proof passes for another output.
#[test]
fn every_example_proves_and_verifies() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vm/examples");
    let folder = Folder::new("examples");
    let mut count = 0;
    for entry in fs::read_dir(examples).unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_none_or(|extension| extension != "sasm") {
            continue;
        }
        count += 1;
        let (source, io) = (file.to_str().unwrap(), file.with_extension("json"));
        let io = io.to_str().unwrap();
        let proof = folder.path("example.proof");
        let report = json(&["vm", "prove", source, "--io", io, "--out", &proof, "--json"]);
        let hash = report["program_hash"].as_str().unwrap();
        assert_eq!(
            code(&["vm", "verify", &proof, "--program", hash, "--io", io]),
            0,
            "{source}"
        );
        let mut statement: serde_json::Value = serde_json::from_slice(&fs::read(io).unwrap()).unwrap();
        let outputs = statement["outputs"].as_array_mut().unwrap();
        if let Some(first) = outputs.first_mut() {
            *first = serde_json::json!(if *first == serde_json::json!(7) { 8 } else { 7 });
        } else {
            outputs.push(serde_json::json!(0));
        }
        let changed = folder.file("changed.json", statement.to_string());
        assert_eq!(
            code(&["vm", "verify", &proof, "--program", hash, "--io", &changed]),
            1,
            "{source}"
        );
    }
    assert!(count >= 8, "{count} examples");
}

/// Who closes the pipe has seen enough; an answer that cannot be written otherwise is not given.
#[test]
fn a_closed_pipe_is_no_error_and_a_full_disk_is() {
    let folder = Folder::new("pipes");
    let file = folder.file("square.sasm", SQUARE);
    let run = |stdout: Stdio| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_starling"));
        command.args(["vm", "run", &file, "--inputs", "5"]);
        command.stdout(stdout).stderr(Stdio::piped()).output().unwrap()
    };
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let closed = run(writer.into());
    assert_eq!(String::from_utf8_lossy(&closed.stderr), "");
    assert_eq!(closed.status.code(), Some(0));
    let full = run(fs::File::options().write(true).open("/dev/full").unwrap().into());
    let said = String::from_utf8_lossy(&full.stderr);
    assert!(said.starts_with("error: standard output: "), "{said}");
    assert_eq!(full.status.code(), Some(2));
}
