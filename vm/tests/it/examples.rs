//! Every example runs, does what the same computation does natively, and refuses what is false.
//!
//! `vm/examples/NAME.json` holds what the example is run with: it is computed here, natively, and rewritten with
//! `UPDATE_SPECS=1`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;
use starling_vm::asm::{Source, assemble, disassemble};
use starling_vm::executor::{Outcome, RunInputs, run};
use starling_vm::field::{Felt, Word};
use starling_vm::poseidon2::{compress, hash_elements};
use starling_vm::program::Program;
use starling_vm::schnorr::SecretKey;
use starling_vm::trap::Trap;

use crate::support::{felts, ints};

/// More cycles than any example should take.
const LIMIT: u64 = 1_000;

/// What an example is run with and what it leaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Io {
    inputs: Vec<u64>,
    advice: Vec<u64>,
    outputs: Vec<u64>,
}

// THE EXAMPLES, NATIVELY
// ================================================================================================================

fn natively(name: &str) -> Io {
    match name {
        "fibonacci" => fibonacci(90),
        "gcd" => Io {
            inputs: vec![1_071_000, 462_000],
            outputs: vec![21_000],
            ..Io::default()
        },
        // 786433 = 3 * 2^18 + 1, and 10 generates the group.
        "prime" => Io {
            inputs: vec![786_433],
            advice: vec![10, 2, 2, 3],
            ..Io::default()
        },
        "merkle" => membership(),
        "sorted" => sorted(&[3, 14, 15, 15, 92, 653, 1 << 40, 1 << 62, (1 << 63) - 1]),
        "range" => range(1_500_000_000, 1_000_000_000, 2_000_000_000),
        "signature" => signature(),
        "ledger" => ledger(
            [1_000, 0, 250, 0, 0, 31, 7, 1 << 62],
            &[(0, 1, 400), (1, 7, 150), (7, 3, 1 << 61), (5, 5, 31)],
        ),
        _ => panic!("{name} has no native counterpart: add it here"),
    }
}

fn fibonacci(n: u64) -> Io {
    let (mut a, mut b) = (0_u64, 1_u64);
    for _ in 0..n {
        (a, b) = (b, a + b);
    }
    Io {
        inputs: vec![n],
        outputs: vec![a],
        ..Io::default()
    }
}

fn membership() -> Io {
    let secret = felts(&[31, 41, 59, 26]);
    let index = 0b1010_0110_0001_0111_u64;
    let siblings: Vec<Word> = (0..16).map(|level| hash_elements(99, &felts(&[level]))).collect();
    let leaf = hash_elements(1, &secret);
    let root = siblings
        .iter()
        .enumerate()
        .fold(leaf, |node, (level, sibling)| match index >> level & 1 {
            0 => compress(node, *sibling),
            _ => compress(*sibling, node),
        });
    let mut advice = ints(&secret);
    advice.push(index);
    advice.extend(siblings.iter().flat_map(|s| ints(s)));
    Io {
        inputs: ints(&root),
        advice,
        outputs: ints(&hash_elements(2, &secret)),
    }
}

fn sorted(list: &[u64]) -> Io {
    let mut inputs = ints(&hash_elements(7, &felts(list)));
    inputs.push(list.len() as u64);
    Io {
        inputs,
        advice: list.to_vec(),
        outputs: vec![list[0], list[list.len() - 1]],
    }
}

fn range(value: u64, low: u64, high: u64) -> Io {
    let committed = [value, 11, 22, 33];
    let mut inputs = ints(&compress(committed.map(Felt::new), [Felt::new(0); 4]));
    inputs.extend([low, high]);
    Io {
        inputs,
        advice: committed.to_vec(),
        outputs: vec![],
    }
}

fn signature() -> Io {
    let key = SecretKey::derive(b"an example, and no secret at all");
    let message: Word = hash_elements(1, &felts(&[1, 2, 3]));
    let mut inputs = ints(&key.public_key().to_elements());
    inputs.extend(ints(&message));
    Io {
        inputs,
        advice: ints(&key.sign(&message).to_elements()),
        outputs: vec![],
    }
}

fn ledger(before: [u64; 8], transfers: &[(u64, u64, u64)]) -> Io {
    let mut balances = before;
    for &(from, to, amount) in transfers {
        balances[from as usize] -= amount;
        balances[to as usize] += amount;
    }
    let mut inputs = ints(&hash_elements(5, &felts(&before)));
    inputs.push(transfers.len() as u64);
    let mut advice = before.to_vec();
    advice.extend(transfers.iter().flat_map(|(from, to, amount)| [*from, *to, *amount]));
    let mut outputs = ints(&hash_elements(5, &felts(&balances)));
    outputs.push(before.iter().sum());
    Io {
        inputs,
        advice,
        outputs,
    }
}

// FILES
// ================================================================================================================

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

fn names() -> BTreeSet<String> {
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let names = files.filter(|path| path.extension().is_some_and(|e| e == "sasm"));
    names
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect()
}

fn load(name: &str) -> Program {
    let text = std::fs::read_to_string(folder().join(format!("{name}.sasm"))).unwrap();
    assemble(&[Source::new(format!("{name}.sasm"), text)]).unwrap_or_else(|errors| {
        let all: Vec<_> = errors.iter().map(ToString::to_string).collect();
        panic!("{}", all.join("\n\n"));
    })
}

/// Elements above 2^53 are strings: JSON readers in other languages round larger numbers.
fn to_json(values: &[u64]) -> String {
    let shown: Vec<_> = values
        .iter()
        .map(|v| {
            if *v < 1 << 53 {
                v.to_string()
            } else {
                format!("\"{v}\"")
            }
        })
        .collect();
    format!("[{}]", shown.join(", "))
}

fn from_json(value: &Value) -> Vec<u64> {
    let elements = value.as_array().unwrap().iter();
    elements
        .map(|e| e.as_u64().unwrap_or_else(|| e.as_str().unwrap().parse().unwrap()))
        .collect()
}

fn saved(name: &str) -> Io {
    let path = folder().join(format!("{name}.json"));
    if std::env::var_os("UPDATE_SPECS").is_some() {
        let io = natively(name);
        let (inputs, advice, outputs) = (to_json(&io.inputs), to_json(&io.advice), to_json(&io.outputs));
        let text = format!("{{\n  \"inputs\": {inputs},\n  \"advice\": {advice},\n  \"outputs\": {outputs}\n}}\n");
        std::fs::write(&path, text).unwrap();
    }
    let value: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(value.as_object().unwrap().len(), 3);
    Io {
        inputs: from_json(&value["inputs"]),
        advice: from_json(&value["advice"]),
        outputs: from_json(&value["outputs"]),
    }
}

fn execute(name: &str, io: &Io) -> Result<Outcome, Box<Trap>> {
    let inputs = RunInputs {
        public: felts(&io.inputs),
        advice: felts(&io.advice),
    };
    run(&load(name), &inputs, LIMIT)
}

/// The table of examples for `specs/vm.md`; what an example shows is the first line of its source.
pub(crate) fn example_table() -> String {
    let mut table = String::from("| example | what it shows | instructions | cycles |\n|---|---|---|---|\n");
    for name in names() {
        let text = std::fs::read_to_string(folder().join(format!("{name}.sasm"))).unwrap();
        let about = text.lines().next().unwrap().trim_start_matches("# ");
        let cycles = execute(&name, &natively(&name)).unwrap().cycles;
        let length = load(&name).instructions().len();
        table.push_str(&format!("| `{name}` | {about} | {length} | {cycles} |\n"));
    }
    table
}

// TESTS
// ================================================================================================================

#[test]
fn every_example_runs_as_its_native_counterpart() {
    let names = names();
    for expected in [
        "fibonacci",
        "gcd",
        "ledger",
        "merkle",
        "prime",
        "range",
        "signature",
        "sorted",
    ] {
        assert!(names.contains(expected), "{expected} is missing");
    }
    for name in names {
        let io = saved(&name);
        assert_eq!(io, natively(&name), "{name}.json is stale: run with UPDATE_SPECS=1");
        let outcome = execute(&name, &io).unwrap_or_else(|trap| panic!("{name}: {trap}"));
        assert_eq!(ints(&outcome.outputs), io.outputs, "{name}");
        assert_eq!(outcome.advice_left, 0, "{name}");
    }
}

#[test]
fn every_example_survives_disassembly() {
    for name in names() {
        let program = load(&name);
        let again = assemble(&[Source::new("again.sasm", disassemble(&program))]).unwrap();
        assert_eq!(again.instructions(), program.instructions(), "{name}");
        assert_eq!(again.hash(), program.hash(), "{name}");
        assert!(program.debug().spans.iter().skip(1).all(Option::is_some), "{name}");
    }
}

/// One more in any public input, or in any element of advice, is refused or gives other outputs.
#[test]
fn no_element_is_idle() {
    for name in names() {
        let io = saved(&name);
        for i in 0..io.inputs.len() + io.advice.len() {
            let mut other = io.clone();
            let element = match i.checked_sub(io.inputs.len()) {
                None => &mut other.inputs[i],
                Some(k) => &mut other.advice[k],
            };
            *element = (Felt::new(*element) + Felt::new(1)).as_int();
            let same = execute(&name, &other).is_ok_and(|outcome| ints(&outcome.outputs) == io.outputs);
            // Another generator may do as well, and a value lies within other bounds too.
            let harmless = name == "prime" && other.advice[0] == 11 || name == "range" && (i == 4 || i == 5);
            assert!(!same || harmless, "{name}: element {i} can be changed");
        }
    }
}

#[test]
fn examples_refuse_what_is_false() {
    let traps = |name: &str, io: Io, part: &str| {
        let trap = execute(name, &io).expect_err(name);
        assert!(trap.to_string().contains(part), "{name}: {trap}");
    };
    traps("range", range(999_999_999, 1_000_000_000, 2_000_000_000), "code 1");
    traps("range", range(2_000_000_001, 1_000_000_000, 2_000_000_000), "code 2");
    traps("range", range(u64::MAX - (1 << 33), 0, 2_000_000_000), "63-bit");
    traps("sorted", sorted(&[1, 3, 2]), "code 1005");
    assert!(execute("sorted", &sorted(&[5])).is_ok());
    assert!(execute("sorted", &sorted(&(0..40).collect::<Vec<_>>())).is_ok());
    let prime = |n, advice| Io {
        inputs: vec![n],
        advice,
        ..Io::default()
    };
    traps("prime", prime(561, vec![2, 3, 2, 5, 7]), "code 1"); // a Carmichael number
    traps("prime", prime(786_433, vec![10, 1, 2]), "code 2"); // a prime factor left out
    traps("prime", prime(786_433, vec![10, 2, 6, 2]), "code 2"); // 6 is no prime
    traps("prime", prime(786_433, vec![1, 2, 2, 3]), "code 1"); // 1 generates nothing
    assert!(execute("prime", &prime(11, vec![2, 2, 2, 5])).is_ok());
    let good = ledger([1_000, 0, 250, 0, 0, 31, 7, 1 << 62], &[(0, 1, 400)]);
    for (transfer, part) in [
        ([0, 1, 1_001], "63-bit"),
        ([1, 0, 1], "63-bit"),
        ([8, 1, 0], "code 2"),
        ([0, 8, 1], "code 2"),
        ([0, u64::MAX - (1 << 32), 1], "u32 operation"),
        ([0, 1, u64::MAX - (1 << 32)], "63-bit"),
    ] {
        let mut io = good.clone();
        io.advice.truncate(8);
        io.advice.extend(transfer);
        traps("ledger", io, part);
    }
    let mut overflow = good;
    overflow.advice[0] = 1 << 62;
    overflow.inputs[..4].copy_from_slice(&ints(&hash_elements(5, &felts(&overflow.advice[..8]))));
    traps("ledger", overflow, "63-bit");
}
