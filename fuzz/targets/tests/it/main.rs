//! Replays the fuzzers' corpus, so that what they once found stays found, and changes its files at random.
//!
//! Counts are those of a quick run; `STARLING_SOAK=1` multiplies them by ten.
#![allow(missing_docs)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use starling_air::preset::Preset;
use starling_air::verifier::verify;
use starling_fuzz_targets::{HONEST, TARGETS, TRUE_STATEMENT, Target};

fn soak(count: usize) -> usize {
    match std::env::var_os("STARLING_SOAK") {
        Some(_) => 10 * count,
        None => count,
    }
}

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// A target's files, by name.
fn corpus(target: Target) -> BTreeMap<String, Vec<u8>> {
    let folder = fuzz().join("corpus").join(target.name);
    names(&folder)
        .into_iter()
        .map(|name| (name.clone(), fs::read(folder.join(name)).unwrap()))
        .collect()
}

#[test]
fn every_target_has_a_fuzzer_and_a_corpus() {
    let mut expected: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    expected.sort_unstable();
    assert_eq!(names(&fuzz().join("corpus")), expected);
    let files: Vec<String> = expected.iter().map(|name| format!("{name}.rs")).collect();
    assert_eq!(names(&fuzz().join("fuzz_targets")), files);
    for name in expected {
        let text = fs::read_to_string(fuzz().join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(text.contains(&format!("starling_fuzz_targets::{name}(data)")), "{name}");
    }
}

/// Each corpus has files that are read and files that are refused: else its target would look at one side only.
#[test]
fn the_corpus_is_replayed() {
    let mut size = 0;
    for target in TARGETS {
        let (mut read, mut refused) = (0, 0);
        for (name, bytes) in corpus(target) {
            size += bytes.len();
            println!("{}/{name}", target.name);
            *(if (target.run)(&bytes) { &mut read } else { &mut refused }) += 1;
        }
        let name = target.name;
        assert!(
            read > 0,
            "{name}: nothing is read; `cargo run -p starling-fuzz-targets --example seed`"
        );
        assert!(refused > 0, "{name}: nothing is refused");
    }
    assert!(size < 250_000, "the corpus has {size} bytes");
}

/// The seeds are what the targets take them for: proofs that the verifier accepts.
#[test]
fn the_honest_proofs_are_accepted() {
    for bytes in HONEST {
        verify(&TRUE_STATEMENT, &[Preset::DevFast], bytes).unwrap_or_else(|error| {
            panic!("{error}; after a change of the AIR: `cargo run -p starling-fuzz-targets --example seed`")
        });
    }
}

/// Some bytes of the file, changed in one of the ways in which bytes go wrong.
fn changed(rng: &mut ChaCha8Rng, files: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = files.choose(rng).unwrap().clone();
    for _ in 0..rng.random_range(1..4) {
        let at = rng.random_range(0..=bytes.len());
        let end = (at + rng.random_range(0..40)).min(bytes.len());
        match rng.random_range(0..6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << rng.random_range(0..8),
            1 if at < bytes.len() => bytes[at] = *[0, 1, 0x7f, 0x80, 0xff].choose(rng).unwrap(),
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(at..end)),
            4 => {
                let piece = bytes[at..end].to_vec();
                let to = rng.random_range(0..=bytes.len());
                bytes.splice(to..to, piece);
            }
            _ => {
                let other = files.choose(rng).unwrap();
                let from = rng.random_range(0..=other.len());
                bytes.truncate(at);
                bytes.extend(&other[from..]);
            }
        }
    }
    bytes
}

#[test]
fn changed_files_are_read_or_refused() {
    for (seed, target) in (0..).zip(TARGETS) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let files: Vec<Vec<u8>> = corpus(target).into_values().collect();
        for _ in 0..soak(2_000) {
            (target.run)(&changed(&mut rng, &files));
        }
    }
}
