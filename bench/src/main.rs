//! `make bench`: measures what has a budget, prints a table, and writes `target/bench.json`. Beside the machine and its
//! proofs stand those of Miden VM (`bench/miden`), a crate outside this workspace that is built and run from here.
//!
//! Every proof is made in a process of its own, so that its peak memory is its own. The machines that run this are shared
//! and noisy: compare within one run.

use std::error::Error;
use std::fs;
use std::process::Command;
use std::time::Instant;

use serde_json::{Value, json};
use starling_air::definition::Definition;
use starling_air::machine::{ChipSet, Machine};
use starling_air::preset::Preset;
use starling_air::prover::prove;
use starling_air::verifier::verify;
use starling_vm::executor::RunInputs;
use starling_vm::field::Felt;
use starling_vm::isa::{Instruction, Op};
use starling_vm::program::Program;
use starling_vm::schnorr::{SecretKey, Signature};

mod l1;
mod network;
mod peer;
mod process;
mod rollup;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["prove", log_rows, chips, preset] => {
            println!("{}", prove_once(log_rows.parse()?, chips, preset.parse()?)?);
            Ok(())
        }
        ["rollup"] => {
            println!("{}", rollup::measure()?);
            Ok(())
        }
        ["l1"] => {
            println!("{}", tokio::runtime::Runtime::new()?.block_on(l1::measure())?);
            Ok(())
        }
        _ => all(),
    }
}

// WORKLOADS
// ================================================================================================================

fn ins(op: Op, d: u8, a: u8, b: u8) -> Instruction {
    Instruction {
        d,
        a,
        b,
        ..Instruction::new(op)
    }
}

fn imm(op: Op, d: u8, a: u8, value: u64) -> Instruction {
    Instruction {
        d,
        a,
        use_imm: true,
        imm: Felt::new(value),
        ..Instruction::new(op)
    }
}

/// A loop of 24 instructions: three hashes, nine memory accesses, three u32 operations; with signatures, one every ninth
/// turn, and with all chips a bitwise call a turn. The run takes about 2^`log_rows` rows.
fn workload(log_rows: u32, all_chips: bool, bitwise: bool) -> Result<(Program, RunInputs)> {
    let length = 1u64 << log_rows;
    let mut code = Vec::new();
    let mut advice = Vec::new();
    let mut turns = (length - 200) / 24;
    if all_chips {
        let key = SecretKey::derive(b"benchmark");
        let message = [1, 2, 3, 4].map(Felt::new);
        code.extend(
            key.public_key()
                .to_elements()
                .iter()
                .zip(0..)
                .map(|(x, r)| imm(Op::Mov, r, 0, x.as_int())),
        );
        code.extend(message.iter().zip(8..).map(|(x, r)| imm(Op::Mov, r, 0, x.as_int())));
        let signatures = length / 200;
        advice = key.sign(&message).to_elements().repeat(signatures as usize);
        assert_eq!(advice.len(), Signature::ELEMENTS * signatures as usize);
        let first = code.len() as u64 + 2;
        code.push(imm(Op::Mov, 12, 0, signatures));
        code.push(Instruction::new(Op::Sig));
        code.push(imm(Op::Sub, 12, 12, 1));
        code.push(Instruction {
            a: 12,
            imm: Felt::new(first),
            ..Instruction::new(Op::Bnz)
        });
        // Each signature takes three permutations of its own.
        turns = (length / 8 - 3 * signatures - 64).min(length - 4 * signatures) / 3 * 9 / 10;
        turns = turns.min((length - 4 * signatures - 64) / 25);
    }
    code.push(imm(Op::Mov, 12, 0, turns));
    let first = code.len() as u64 + 1;
    for _ in 0..3 {
        code.push(Instruction {
            d: 0,
            a: 12,
            imm: Felt::new(5),
            ..Instruction::new(Op::St)
        });
        code.push(Instruction {
            d: 4,
            a: 12,
            imm: Felt::new(4),
            ..Instruction::new(Op::Ld)
        });
        code.push(Instruction {
            d: 8,
            a: 12,
            imm: Felt::new(5),
            ..Instruction::new(Op::Ld)
        });
        code.push(ins(Op::Hash, 0, 4, 8));
        code.push(imm(Op::U32addw, 13, 12, 3));
        code.push(ins(Op::Mul, 14, 13, 12));
        code.push(ins(Op::Add, 14, 14, 13));
    }
    if bitwise {
        code.push(imm(Op::U32and, 13, 12, 0xff));
    }
    code.push(ins(Op::Mov, 14, 0, 13));
    code.push(imm(Op::Sub, 12, 12, 1));
    code.push(Instruction {
        a: 12,
        imm: Felt::new(first),
        ..Instruction::new(Op::Bnz)
    });
    code.push(imm(Op::Out, 0, 0, 0));
    code.push(Program::halt());
    Ok((
        Program::new(code)?,
        RunInputs {
            public: Vec::new(),
            advice,
        },
    ))
}

fn prove_once(log_rows: u32, chips: &str, preset: Preset) -> Result<Value> {
    let (program, inputs) = workload(log_rows, chips != "core", chips == "all")?;
    let cpu = process::cpu_seconds()?;
    let proven = prove(&program, &inputs, preset)?;
    let cpu_seconds = process::cpu_seconds()? - cpu;
    // The best of several: verification is short, and the machine is shared.
    let mut verify_ms = f64::MAX;
    for _ in 0..10 {
        let started = Instant::now();
        verify(&proven.statement, &[preset], &proven.bytes)?;
        verify_ms = verify_ms.min(started.elapsed().as_secs_f64() * 1e3);
    }
    let seconds = proven.trace_seconds + proven.prove_seconds;
    let security = preset.security(proven.chips, proven.trace_length.ilog2());
    Ok(json!({
        "rows": proven.trace_length,
        "cycles": proven.cycles,
        "chips": format!("{:?}", proven.chips),
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "rows_per_s": proven.trace_length as f64 / seconds,
        "peak_gb": process::peak_gb()?,
        "proof_bytes": proven.bytes.len(),
        "verify_ms": verify_ms,
        "proven_bits": security.proven,
        "conjectured_bits": security.conjectured,
        "width": width(proven.chips),
        "build": process::build(),
    }))
}

/// Columns of a trace in base field elements.
fn width(chips: ChipSet) -> usize {
    let machine = Machine::new(chips);
    machine.main_width() + 3 * machine.aux_width()
}

/// What this program prints with these arguments, in a process of its own.
fn report(arguments: &[&str]) -> Result<Value> {
    eprintln!("measuring: {}", arguments.join(" "));
    parse(Command::new(std::env::current_exe()?).args(arguments))
}

/// The JSON value that a command prints; its error output, where it fails.
fn parse(command: &mut Command) -> Result<Value> {
    let output = command.output()?;
    if !output.status.success() {
        return Err(format!(
            "{command:?}: {}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        )
        .into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Writes `table` between the markers of the page.
fn write_table(page: &str, marker: &str, table: &str) -> Result<()> {
    let text = fs::read_to_string(page)?;
    let (start, end) = (format!("<!-- {marker} -->\n"), format!("<!-- /{marker} -->"));
    let (before, rest) = text.split_once(&start).ok_or("the page lacks the marker")?;
    let (_, after) = rest.split_once(&end).ok_or("the page lacks the end marker")?;
    Ok(fs::write(page, format!("{before}{start}{table}{end}{after}"))?)
}

/// Proves in a process of its own, several times; the fastest counts.
fn measure(log_rows: u32, chips: &str, preset: &str, times: usize) -> Result<Value> {
    fastest(times, || report(&["prove", &log_rows.to_string(), chips, preset]))
}

fn fastest(times: usize, once: impl Fn() -> Result<Value>) -> Result<Value> {
    let mut best = Value::Null;
    for _ in 0..times {
        let report = once()?;
        if best.is_null() || report["seconds"].as_f64() < best["seconds"].as_f64() {
            best = report;
        }
    }
    Ok(best)
}

// REPORT
// ================================================================================================================

struct Row {
    area: &'static str,
    name: String,
    value: f64,
    unit: &'static str,
    /// The budget, and whether the value must stay below it.
    budget: Option<(f64, bool)>,
}

fn all() -> Result<()> {
    // First, so that a peer that does not build fails at once.
    peer::compile()?;
    let number = |report: &Value, key: &str| report[key].as_f64().unwrap_or(f64::NAN);
    // Ours and the peer's of each kind follow one another, so that they meet the same machine.
    let small = measure(9, "core", "local-100", 5)?;
    let peer_small = peer::measure(9, 96, 5)?;
    let local = measure(18, "all", "local-100", 1)?;
    let peer_96 = peer::measure(18, 96, 1)?;
    let peer_128 = peer::measure(18, 128, 1)?;
    // The settle presets fix the kernel's chips: all but the bitwise one.
    let settle = measure(18, "kernel", "settle-100", 1)?;
    let core = measure(18, "core", "local-100", 1)?;
    let transfers = report(&["rollup"])?;
    let on_l1 = report(&["l1"])?;
    let draw_gas = network::draw_gas()?;
    let loopback = network::propagation("plain")?;
    let lossy = network::propagation("lossy")?;
    let operators = network::operators()?;
    write_table("specs/l1.md", "gas-table", &l1::table(&on_l1))?;
    let many = &transfers["sizes"][2];
    let largest = on_l1["rows"]
        .as_array()
        .and_then(|rows| rows.last())
        .cloned()
        .unwrap_or_default();
    let row = |area, name: &str, value, unit, budget| Row {
        area,
        name: name.to_owned(),
        value,
        unit,
        budget,
    };
    let mut rows = vec![
        row(
            "vm",
            "vm.small_prove_s",
            number(&small, "seconds"),
            "s",
            Some((0.3, true)),
        ),
        row(
            "vm",
            "vm.small_verify_ms",
            number(&small, "verify_ms"),
            "ms",
            Some((5.0, true)),
        ),
        row(
            "air",
            "air.width_kernel",
            width(ChipSet::Kernel) as f64,
            "columns",
            Some((150.0, true)),
        ),
        row(
            "air",
            "air.width_core",
            width(ChipSet::Core) as f64,
            "columns",
            Some((105.0, true)),
        ),
        row(
            "air",
            "air.rows_per_s_local",
            number(&local, "rows_per_s"),
            "rows/s",
            Some((15_000.0, false)),
        ),
        row(
            "air",
            "air.rows_per_s_settle",
            number(&settle, "rows_per_s"),
            "rows/s",
            Some((8_000.0, false)),
        ),
        row(
            "air",
            "air.memory_gb_local",
            number(&local, "peak_gb"),
            "GB",
            Some((8.0, true)),
        ),
        row(
            "air",
            "air.memory_gb_settle",
            number(&settle, "peak_gb"),
            "GB",
            Some((14.0, true)),
        ),
        row(
            "air",
            "air.rows_per_s_local_core",
            number(&core, "rows_per_s"),
            "rows/s",
            None,
        ),
        row(
            "air",
            "air.proof_bytes_local",
            number(&local, "proof_bytes"),
            "bytes",
            None,
        ),
        row(
            "air",
            "air.proof_bytes_settle",
            number(&settle, "proof_bytes"),
            "bytes",
            None,
        ),
        row("air", "air.cpu_s_local", number(&local, "cpu_seconds"), "s", None),
        row("air", "air.verify_ms_local", number(&local, "verify_ms"), "ms", None),
        row(
            "rollup",
            "rollup.rows_per_transfer",
            number(many, "rows_per_transfer"),
            "rows",
            Some((700.0, true)),
        ),
        row(
            "rollup",
            "rollup.bytes_per_transfer",
            number(many, "bytes_per_transfer"),
            "bytes",
            Some((16.0, true)),
        ),
        row(
            "rollup",
            "rollup.native_tps",
            number(&transfers, "native_tps"),
            "/s",
            Some((2_000.0, false)),
        ),
        row(
            "l1",
            "l1.prove_gas",
            number(&largest, "prove_gas"),
            "gas",
            Some((10_000_000.0, true)),
        ),
        row(
            "l1",
            "l1.gas_per_transfer",
            number(&largest, "gas_per_transfer"),
            "gas",
            None,
        ),
        row("l1", "l1.deploy_gas", number(&on_l1, "deploy_gas"), "gas", None),
        row("pos", "pos.draw_gas_10000", draw_gas, "gas", None),
        row("pos", "pos.commit_gas", number(&largest, "commit_gas"), "gas", None),
        row(
            "p2p",
            "p2p.propagation_ms_p50",
            number(&loopback, "median_ms"),
            "ms",
            Some((1_000.0, true)),
        ),
        row(
            "p2p",
            "p2p.propagation_lossy_ms_p50",
            number(&lossy, "median_ms"),
            "ms",
            Some((3_000.0, true)),
        ),
        row(
            "p2p",
            "p2p.duplicates",
            number(&loopback, "duplicates_per_message_and_node"),
            "/message",
            None,
        ),
        row(
            "light",
            "light.start_s",
            number(&operators, "light_start_s"),
            "s",
            Some((2.0, true)),
        ),
        row(
            "light",
            "light.memory_mb",
            number(&operators, "light_memory_mb"),
            "MB",
            Some((50.0, true)),
        ),
        row(
            "node",
            "node.sustained_tps",
            number(&operators, "sustained_tps"),
            "/s",
            None,
        ),
        row(
            "node",
            "node.soft_p50_ms",
            number(&operators, "soft_p50_ms"),
            "ms",
            Some((2_000.0, true)),
        ),
        row(
            "node",
            "node.soft_p99_ms",
            number(&operators, "soft_p99_ms"),
            "ms",
            None,
        ),
    ];
    for (suffix, report) in [("small", &peer_small), ("96", &peer_96), ("128", &peer_128)] {
        for (name, key, unit) in peer::ROWS {
            let name = format!("peer.miden_{name}_{suffix}");
            rows.push(row("peer", &name, number(report, key), unit, None));
        }
    }
    println!(
        "| {:<33} | {:>12} | {:<8} | {:>10} | {:<4} |",
        "measurement", "value", "unit", "budget", "met"
    );
    println!("|{:-<35}|{:->14}|{:-<10}|{:->12}|{:-<6}|", "", "", "", "", "");
    let mut report = Vec::new();
    for Row {
        area,
        name,
        value,
        unit,
        budget,
    } in rows
    {
        let met = budget.map(|(limit, below)| if below { value <= limit } else { value >= limit });
        let limit = budget.map_or(String::from("-"), |(limit, _)| limit.to_string());
        let word = met.map_or("-", |met| if met { "yes" } else { "NO" });
        println!("| {name:<33} | {value:>12.2} | {unit:<8} | {limit:>10} | {word:<4} |");
        report.push(json!({
            "area": area, "name": name, "value": value, "unit": unit, "budget": budget.map(|(limit, _)| limit), "met": met,
        }));
    }
    fs::create_dir_all("target")?;
    fs::write("target/bench.json", serde_json::to_string_pretty(&report)? + "\n")?;
    print!(
        "\n{}",
        peer::comparison([&small, &peer_small, &local, &core, &peer_96, &peer_128])?
    );
    Ok(())
}
