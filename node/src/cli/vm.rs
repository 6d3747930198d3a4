//! `starling vm`: tools for circuit authors.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, Subcommand};
use serde_json::json;
use starling_air::check::Statement;
use starling_air::preset::{Preset, Security};
use starling_air::prover::{ProveError, prove};
use starling_air::trace::{ChipRows, TraceError};
use starling_air::verifier::{VerifyError, verify};
use starling_vm::asm::disassemble;
use starling_vm::executor::run as execute;
use starling_vm::field::{Felt, Word};
use starling_vm::program_file;

use super::CliError;
use super::io::{IoArgs, json_elements, parse_hash, read_bytes, read_program, show_elements, show_hash};
use super::onchain::{OnchainArgs, verify_onchain};
use super::progress::with_progress;
use crate::cli::out::{self, say};

const RUN_EXAMPLES: &str = "Examples:
  starling vm run vm/examples/fibonacci.sasm --io vm/examples/fibonacci.json
  starling vm run my.sasm --inputs 1,2 --outputs 3 --json";
const PROVE_EXAMPLES: &str = "Examples:
  starling vm prove vm/examples/gcd.sasm --io vm/examples/gcd.json --out gcd.proof
  starling vm prove my.sasm --inputs 5 --preset settle-100 --out my.proof --json";
const VERIFY_EXAMPLES: &str = "Examples:
  starling vm verify gcd.proof --program HASH --io vm/examples/gcd.json
  starling vm verify my.proof --program HASH --inputs 5 --outputs 25 --preset settle-100
  starling vm verify my.proof --program HASH --outputs 25 --onchain --l1 http://127.0.0.1:8545
The program hash is printed by `starling vm asm FILE`. Neither the program nor the advice is needed.";

/// Assemble, run, prove and verify programs of the machine.
#[derive(Debug, Subcommand)]
pub(crate) enum VmCommand {
    /// Run a program.
    #[command(after_help = RUN_EXAMPLES)]
    Run(RunArgs),
    /// Run a program and prove the run.
    #[command(after_help = PROVE_EXAMPLES)]
    Prove(ProveArgs),
    /// Verify a proof.
    #[command(after_help = VERIFY_EXAMPLES)]
    Verify(VerifyArgs),
    /// Assemble a program and print its hash.
    Asm(AsmArgs),
    /// Disassemble a program, assembled or in source.
    Disasm(DisasmArgs),
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The program, in source or assembled.
    file: PathBuf,
    #[command(flatten)]
    io: IoArgs,
    /// Instructions after which the run is stopped.
    #[arg(long, default_value_t = 1 << 24)]
    cycle_limit: u64,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ProveArgs {
    /// The program, in source or assembled.
    file: PathBuf,
    #[command(flatten)]
    io: IoArgs,
    /// Where the proof goes.
    #[arg(long, value_name = "PROOF")]
    out: PathBuf,
    /// dev-fast (INSECURE), local-100, settle-100 or settle-128.
    #[arg(long, default_value = "local-100")]
    preset: Preset,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The proof.
    proof: PathBuf,
    /// Hash of the program whose run it proves.
    #[arg(long, value_name = "HASH", value_parser = parse_hash)]
    program: Word,
    #[command(flatten)]
    io: IoArgs,
    /// Presets that are accepted; may be given several times. All of 96 proven bits and more by default.
    #[arg(long)]
    preset: Vec<Preset>,
    #[command(flatten)]
    onchain: OnchainArgs,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AsmArgs {
    /// The program's source.
    file: PathBuf,
    /// Where the assembled program goes.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DisasmArgs {
    /// The program, assembled or in source.
    file: PathBuf,
}

/// Runs the command.
pub(crate) fn run(command: VmCommand) -> Result<(), CliError> {
    match command {
        VmCommand::Run(args) => run_program(args),
        VmCommand::Prove(args) => prove_program(args),
        VmCommand::Verify(args) => verify_proof(args),
        VmCommand::Asm(args) => assemble(&args),
        VmCommand::Disasm(args) => {
            out::to_stdout(format_args!("{}", disassemble(&read_program(&args.file)?)));
            Ok(())
        }
    }
}

fn write(path: &PathBuf, bytes: &[u8]) -> Result<(), CliError> {
    fs::write(path, bytes).map_err(|error| CliError::Unusable(format!("{}: {error}", path.display())))
}

fn check_outputs(expected: Option<&[Felt]>, found: &[Felt]) -> Result<(), CliError> {
    match expected {
        Some(expected) if expected != found => Err(CliError::Rejected(format!(
            "the run's outputs are not the expected ones\n  expected: {}\n  found:    {}",
            show_elements(expected),
            show_elements(found)
        ))),
        _ => Ok(()),
    }
}

fn run_program(args: RunArgs) -> Result<(), CliError> {
    let program = read_program(&args.file)?;
    let io = args.io.read()?;
    let started = Instant::now();
    let outcome = execute(&program, &io.run, args.cycle_limit).map_err(|trap| CliError::Rejected(trap.to_string()))?;
    let seconds = started.elapsed().as_secs_f64();
    let hash = show_hash(&program.hash());
    if args.json {
        let report = json!({
            "program_hash": hash,
            "inputs": json_elements(&io.run.public),
            "outputs": json_elements(&outcome.outputs),
            "cycles": outcome.cycles,
            "advice_left": outcome.advice_left,
            "seconds": seconds,
        });
        say!("{report}");
    } else {
        say!("program  {hash}");
        say!("outputs  {}", show_elements(&outcome.outputs));
        say!("cycles   {}", outcome.cycles);
    }
    check_outputs(io.outputs.as_deref(), &outcome.outputs)
}

fn rows_json(rows: &ChipRows, length: usize) -> serde_json::Value {
    json!({
        "cpu": rows.cpu,
        "memory": rows.memory,
        "range": rows.range,
        "hash": rows.hash,
        "bitwise": rows.bitwise,
        "signature": rows.signature,
        "trace": length,
    })
}

fn security_line(preset: Preset, security: &Security) -> String {
    let warning = if Preset::SECURE.contains(&preset) {
        ""
    } else {
        "   INSECURE: for development only"
    };
    format!(
        "{preset}: {} bits proven, {} conjectured{warning}",
        security.proven, security.conjectured
    )
}

fn prove_program(args: ProveArgs) -> Result<(), CliError> {
    let program = read_program(&args.file)?;
    let io = args.io.read()?;
    let proven = with_progress(!args.json, || prove(&program, &io.run, args.preset)).map_err(|error| match error {
        ProveError::Trace(TraceError::Trap(trap)) => CliError::Rejected(trap.to_string()),
        other => CliError::Rejected(other.to_string()),
    })?;
    check_outputs(io.outputs.as_deref(), &proven.statement.outputs)?;
    write(&args.out, &proven.bytes)?;
    let security = args.preset.security(proven.chips, proven.trace_length.ilog2());
    let hash = show_hash(&program.hash());
    let memory = peak_memory_mb();
    if args.json {
        let report = json!({
            "program_hash": hash,
            "inputs": json_elements(&proven.statement.inputs),
            "outputs": json_elements(&proven.statement.outputs),
            "cycles": proven.cycles,
            "rows": rows_json(&proven.rows, proven.trace_length),
            "seconds": proven.trace_seconds + proven.prove_seconds,
            "peak_memory_mb": memory,
            "proof_bytes": proven.bytes.len(),
            "preset": args.preset.name(),
            "proven_bits": security.proven,
            "conjectured_bits": security.conjectured,
        });
        say!("{report}");
    } else {
        say!("program  {hash}");
        say!("outputs  {}", show_elements(&proven.statement.outputs));
        say!("cycles   {}", proven.cycles);
        let rows = &proven.rows;
        say!(
            "rows     cpu {}, memory {}, range {}, hash {}, bitwise {}, signature {}; trace 2^{}",
            rows.cpu,
            rows.memory,
            rows.range,
            rows.hash,
            rows.bitwise,
            rows.signature,
            proven.trace_length.ilog2()
        );
        say!("seconds  {:.3}", proven.trace_seconds + proven.prove_seconds);
        if let Some(memory) = memory {
            say!("memory   {memory} MB at most");
        }
        say!("proof    {} bytes in {}", proven.bytes.len(), args.out.display());
        say!("preset   {}", security_line(args.preset, &security));
    }
    Ok(())
}

fn verify_proof(args: VerifyArgs) -> Result<(), CliError> {
    let io = args.io.read()?;
    let bytes = read_bytes(&args.proof)?;
    let accepted = if args.preset.is_empty() {
        Preset::SECURE.to_vec()
    } else {
        args.preset
    };
    let statement = Statement {
        program: args.program,
        inputs: io.run.public,
        outputs: io.outputs.unwrap_or_default(),
    };
    let started = Instant::now();
    let result = verify(&statement, &accepted, &bytes);
    let seconds = started.elapsed().as_secs_f64();
    let mut report = json!({
        "accepted": result.is_ok(),
        "program_hash": show_hash(&statement.program),
        "inputs": json_elements(&statement.inputs),
        "outputs": json_elements(&statement.outputs),
        "seconds": seconds,
        "proof_bytes": bytes.len(),
    });
    let verified = match result {
        Ok(verified) => verified,
        Err(error) => {
            if args.json {
                report["reason"] = json!(error.to_string());
                say!("{report}");
            }
            // The transcript decides where the proof is opened: after any change of a byte or of a public word, the
            // first check that fails says little about what was changed.
            let hint = match error {
                VerifyError::Refused(_) => {
                    "\n  either its bytes were changed, or it proves another statement than the one below"
                }
                _ => "",
            };
            return Err(CliError::Rejected(format!(
                "the proof is refused: {error}{hint}\n  statement: program {}, inputs {}, outputs {}",
                show_hash(&statement.program),
                show_elements(&statement.inputs),
                show_elements(&statement.outputs)
            )));
        }
    };
    let onchain = match args.onchain.wanted() {
        true => Some(verify_onchain(&args.onchain, &statement, &bytes)?),
        false => None,
    };
    if args.json {
        if let Some(onchain) = &onchain {
            report["onchain"] = onchain.json();
        }
        report["preset"] = json!(verified.preset.name());
        report["proven_bits"] = json!(verified.security.proven);
        report["conjectured_bits"] = json!(verified.security.conjectured);
        report["trace_length"] = json!(1u64 << verified.log_length);
        say!("{report}");
    } else {
        say!("accepted in {:.1} ms", seconds * 1e3);
        say!("preset   {}", security_line(verified.preset, &verified.security));
        if let Some(onchain) = &onchain {
            say!("{onchain}");
        }
    }
    Ok(())
}

fn assemble(args: &AsmArgs) -> Result<(), CliError> {
    let program = read_program(&args.file)?;
    let bytes = program_file::to_bytes(&program);
    if let Some(out) = &args.out {
        write(out, &bytes)?;
    }
    let (hash, count) = (show_hash(&program.hash()), program.instructions().len());
    if args.json {
        say!(
            "{}",
            json!({ "program_hash": hash, "instructions": count, "bytes": bytes.len() })
        );
    } else {
        say!("program       {hash}");
        say!("instructions  {count}");
    }
    Ok(())
}

/// Peak memory of this process, where the system tells.
fn peak_memory_mb() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().split(' ').next()?.parse::<u64>().ok().map(|kb| kb / 1024)
}
