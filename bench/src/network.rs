//! The network and the stake: how fast a transaction reaches twenty nodes, what operators confirm, what a light node takes, and what the
//! draw of a leader costs on L1.

use std::process::Command;

use serde_json::Value;

use crate::{Result, parse};

/// A program of this package, built as this one is.
fn program(name: &str, arguments: &[&str]) -> Result<Value> {
    eprintln!("measuring: {name} {}", arguments.join(" "));
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let build = [
        "run",
        "--release",
        "--locked",
        "--quiet",
        "--manifest-path",
        manifest,
        "--bin",
        name,
        "--",
    ];
    parse(Command::new(cargo).args(build).args(arguments))
}

/// Propagation among twenty nodes over a kind of line (`p2p/examples/propagation.rs`).
pub(crate) fn propagation(line: &str) -> Result<Value> {
    program("propagation", &["--line", line])
}

/// Four operators, a prover, a full and a light node on a development chain: 200 transfers one after the other, then as many as the
/// operators take for half a minute.
pub(crate) fn operators() -> Result<Value> {
    program(
        "starling",
        &[
            "devnet",
            "--operators",
            "4",
            "--transfers",
            "200",
            "--batch",
            "512",
            "--load",
            "30",
            "--json",
        ],
    )
}

/// Gas of `Staking.leader` with 10,000 validators, every word of the tree cold, as the contracts' own test measures it.
pub(crate) fn draw_gas() -> Result<f64> {
    eprintln!("measuring: the draw among 10,000 validators");
    let output = Command::new("tools/foundry")
        .current_dir("contracts")
        .args([
            "forge",
            "test",
            "-vv",
            "--match-test",
            "test_ADrawCostsTheSameForAnyNumberOfValidators",
        ])
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text
        .lines()
        .find(|line| line.contains("gas of leader, 10,000 validators"));
    let gas = line.and_then(|line| line.split_whitespace().last()?.replace(',', "").parse().ok());
    gas.ok_or_else(|| {
        let errors = String::from_utf8_lossy(&output.stderr);
        format!("forge does not say what the draw costs:\n{text}\n{errors}").into()
    })
}
