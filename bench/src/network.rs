//! The network and the stake: how fast a transaction reaches twenty nodes, and what the draw of a leader costs on L1.

use std::process::Command;

use serde_json::Value;

use crate::{Result, parse};

/// Propagation among twenty nodes over a kind of line (`p2p/examples/propagation.rs`): a program of the workspace's release build.
pub(crate) fn propagation(line: &str) -> Result<Value> {
    eprintln!("measuring: propagation {line}");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    parse(Command::new(cargo).args([
        "run",
        "--release",
        "--locked",
        "--quiet",
        "--package",
        "starling-p2p",
        "--example",
        "propagation",
        "--",
        "--line",
        line,
    ]))
}

/// Gas of `Staking.leader` with 10,000 validators, every word of the tree cold, as the contracts' own test measures it.
pub(crate) fn draw_gas() -> Result<f64> {
    eprintln!("measuring: the draw among 10,000 validators");
    let output = Command::new("tools/foundry")
        .current_dir("contracts")
        .args(["forge", "test", "-vv", "--match-test", "test_ADrawCostsTheSameForAnyNumberOfValidators"])
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find(|line| line.contains("gas of leader, 10,000 validators"));
    let gas = line.and_then(|line| line.split_whitespace().last()?.replace(',', "").parse().ok());
    gas.ok_or_else(|| {
        let errors = String::from_utf8_lossy(&output.stderr);
        format!("forge does not say what the draw costs:\n{text}\n{errors}").into()
    })
}
