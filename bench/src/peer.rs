//! The peer: Miden VM's last release on winterfell, measured by a program of its own (`bench/miden`).
//!
//! It proves other work than ours (a Fibonacci loop) on another machine, with another instruction set: what a row costs
//! is comparable, what a program costs is not. Its options promise conjectured bits, ours proven ones; the comparison
//! prints both of each, from the same estimator.

use std::env;
use std::process::Command;

use serde_json::Value;

use crate::{Result, fastest, parse};

/// `cargo SUBCOMMAND` on the peer, by the cargo that runs this program, and with the flags of `.cargo/config.toml`, since
/// the current folder is the same.
fn cargo(subcommand: &str) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
    command
        .args([subcommand, "--release", "--locked", "--quiet"])
        .args(["--manifest-path", "bench/miden/Cargo.toml"]);
    command
}

/// Builds the peer.
pub(crate) fn compile() -> Result<()> {
    eprintln!("building the peer: bench/miden");
    let status = cargo("build").status()?;
    if !status.success() {
        return Err("the peer does not build".into());
    }
    Ok(())
}

/// Proves in a process of its own, several times; the fastest counts.
pub(crate) fn measure(log_rows: u32, bits: u32, times: usize) -> Result<Value> {
    fastest(times, || {
        let arguments = [log_rows.to_string(), bits.to_string()];
        eprintln!("measuring: miden {}", arguments.join(" "));
        parse(cargo("run").arg("--").args(arguments))
    })
}

/// The peer's rows of `target/bench.json`: name, key of the report, unit.
pub(crate) const ROWS: [(&str, &str, &str); 8] = [
    ("prove_s", "seconds", "s"),
    ("cpu_s", "cpu_seconds", "s"),
    ("rows_per_s", "rows_per_s", "rows/s"),
    ("verify_ms", "verify_ms", "ms"),
    ("memory_gb", "peak_gb", "GB"),
    ("proof_bytes", "proof_bytes", "bytes"),
    ("proven_bits", "proven_bits", "bits"),
    ("conjectured_bits", "conjectured_bits", "bits"),
];

/// Columns of the comparison, in the order of the reports.
const COLUMNS: [&str; 6] = [
    "small: ours",
    "small: Miden 96",
    "ours, all chips",
    "ours, core chips",
    "Miden 96",
    "Miden 128",
];

/// The table of ours and the peer's, and what it rests on.
///
/// # Errors
/// When the two were built or run unlike each other.
pub(crate) fn comparison(reports: [&Value; 6]) -> Result<String> {
    let build = &reports[0]["build"];
    if let Some(other) = reports.iter().find(|report| report["build"] != *build) {
        return Err(format!("not comparable: one ran with {build}, one with {}", other["build"]).into());
    }
    let mut text = format!(
        "Starling (local-100) and Miden VM 0.20.6, one run; threads and target features of both: {build}\n\
         Miden proves a Fibonacci loop and always carries all its chips. \"Miden 96\" is its default, 96 conjectured bits:\n\
         quadratic extension, 27 queries at blowup 8, BLAKE3 of 192 bits; \"Miden 128\": cubic, 27 queries at blowup 16, BLAKE3\n\
         of 256. local-100 is 100 proven bits: cubic, 55 queries at blowup 8. Conjectured bits rest on a refuted conjecture.\n\
         On a machine that does other work beside it the processor time of a proof tells more than its clock.\n"
    );
    text += &format!("| {:<16} |", "");
    for column in COLUMNS {
        text += &format!(" {column:>16} |");
    }
    text += &format!("\n|{:-<18}|", "");
    text += &format!("{:->18}|", "").repeat(COLUMNS.len());
    text += "\n";
    for (name, key, digits) in [
        ("rows", "rows", 0),
        ("cycles", "cycles", 0),
        ("columns", "width", 0),
        ("prove, s", "seconds", 3),
        ("processor, s", "cpu_seconds", 2),
        ("rows/s", "rows_per_s", 0),
        ("verify, ms", "verify_ms", 2),
        ("peak memory, GB", "peak_gb", 3),
        ("proof, bytes", "proof_bytes", 0),
        ("proven bits", "proven_bits", 0),
        ("conjectured bits", "conjectured_bits", 0),
    ] {
        text += &format!("| {name:<16} |");
        for report in reports {
            let value = report[key].as_f64().ok_or_else(|| format!("a report lacks {key}"))?;
            text += &format!(" {value:>16.digits$} |");
        }
        text += "\n";
    }
    Ok(text)
}
