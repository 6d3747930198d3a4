//! `starling-bench-miden LOG_ROWS BITS`: proves a Fibonacci loop of 2^LOG_ROWS rows on Miden VM with its own options for
//! BITS (96 or 128) conjectured bits, verifies the proof, and prints one JSON object. `make bench` runs it.
//!
//! One proof a process, so that the peak memory is that proof's.

use std::error::Error;
use std::time::Instant;

use miden_vm::crypto::{Blake3_192, Blake3_256};
use miden_vm::math::Felt;
use miden_vm::{
    AdviceInputs, Assembler, DefaultHost, ExecutionProof, HashFunction, Program, ProgramInfo, ProvingOptions,
    StackInputs,
};
use serde_json::{Value, json};

#[path = "../../src/process.rs"]
mod process;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Fibonacci steps in a turn: as many as keep the loop's body within one batch of operations, so that the decoder's
/// hashing of the body stays below the cycles and the trace is as long as the run.
const STEPS: usize = 16;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [log_rows, bits] = &args[..] else {
        return Err("usage: starling-bench-miden LOG_ROWS 96|128".into());
    };
    println!("{}", prove_once(log_rows.parse()?, bits.parse()?)?);
    Ok(())
}

// WORKLOAD
// ================================================================================================================

/// Starts with 0, 1 on the stack and leaves the Fibonacci number of index `STEPS * turns + 1` on top.
fn fibonacci(turns: usize) -> Result<Program> {
    let source = format!(
        "begin
            push.{turns} push.1
            while.true
                movdn.2 repeat.{STEPS} swap dup.1 add end
                movup.2 sub.1 dup neq.0
            end
            drop
        end"
    );
    Assembler::default()
        .assemble_program(source)
        .map_err(|error| error.to_string().into())
}

fn inputs() -> Result<StackInputs> {
    Ok(StackInputs::try_from_ints([0, 1])?)
}

/// Cycles of a run, and rows of its trace.
fn lengths(program: &Program) -> Result<(usize, usize)> {
    let trace = miden_vm::execute(
        program,
        inputs()?,
        AdviceInputs::default(),
        &mut DefaultHost::default(),
        Default::default(),
    )?;
    let summary = trace.trace_len_summary();
    Ok((summary.main_trace_len(), summary.padded_trace_len()))
}

struct Workload {
    program: Program,
    turns: usize,
    cycles: usize,
}

/// The longest run in a trace of 2^`log_rows` rows.
fn workload(log_rows: u32) -> Result<Workload> {
    let length = 1usize << log_rows;
    // From the second turn on (a counter of 1 is pushed by a cheaper instruction) every turn costs the same.
    let (two, three) = (lengths(&fibonacci(2)?)?.0, lengths(&fibonacci(3)?)?.0);
    let turns = 2 + length.saturating_sub(two) / (three - two);
    // The trace may need some rows beyond the cycles, so the estimate can be a turn too long.
    for turns in [turns, turns - 1] {
        let program = fibonacci(turns)?;
        let (cycles, rows) = lengths(&program)?;
        if rows == length {
            return Ok(Workload { program, turns, cycles });
        }
    }
    Err(format!("no Fibonacci loop fills 2^{log_rows} rows").into())
}

// MEASUREMENT
// ================================================================================================================

fn options(bits: u32) -> Result<ProvingOptions> {
    // The hash functions that Miden's verifier accepts with these options.
    match bits {
        96 => Ok(ProvingOptions::with_96_bit_security(HashFunction::Blake3_192)),
        128 => Ok(ProvingOptions::with_128_bit_security(HashFunction::Blake3_256)),
        _ => Err(format!("Miden has options for 96 and 128 bits, not for {bits}").into()),
    }
}

fn prove_once(log_rows: u32, bits: u32) -> Result<Value> {
    let Workload { program, turns, cycles } = workload(log_rows)?;
    let (started, cpu) = (Instant::now(), process::cpu_seconds()?);
    let (outputs, proof) = miden_vm::prove(
        &program,
        inputs()?,
        AdviceInputs::default(),
        &mut DefaultHost::default(),
        options(bits)?,
    )?;
    let seconds = started.elapsed().as_secs_f64();
    let cpu_seconds = process::cpu_seconds()? - cpu;

    let mut pair = [Felt::new(0), Felt::new(1)];
    for _ in 0..STEPS * turns {
        pair = [pair[1], pair[0] + pair[1]];
    }
    if outputs.stack_truncated(1)[0] != pair[1] {
        return Err("the run's output is not the Fibonacci number".into());
    }
    let rows = proof.stark_proof().trace_info().length();
    if rows != 1 << log_rows {
        return Err(format!("the trace has {rows} rows, not 2^{log_rows}").into());
    }

    let bytes = proof.to_bytes();
    let info = ProgramInfo::from(program);
    let mut conjectured = 0;
    // The best of several: verification is short, and the machine is shared.
    let mut verify_ms = f64::MAX;
    for _ in 0..10 {
        let (info, outputs) = (info.clone(), outputs.clone());
        let started = Instant::now();
        conjectured = miden_vm::verify(info, inputs()?, outputs, ExecutionProof::from_bytes(&bytes)?)?;
        verify_ms = verify_ms.min(started.elapsed().as_secs_f64() * 1e3);
    }
    let proven = match proof.hash_fn() {
        HashFunction::Blake3_192 => proof.stark_proof().proven_security::<Blake3_192>(),
        _ => proof.stark_proof().proven_security::<Blake3_256>(),
    };
    let info = proof.stark_proof().trace_info();
    let options = proof.stark_proof().options();
    Ok(json!({
        "rows": rows,
        "cycles": cycles,
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "rows_per_s": rows as f64 / seconds,
        "peak_gb": process::peak_gb()?,
        "proof_bytes": bytes.len(),
        "verify_ms": verify_ms,
        "proven_bits": proven.ldr_bits(),
        "conjectured_bits": conjectured,
        "width": info.main_trace_width() + options.field_extension().degree() as usize * info.aux_segment_width(),
        "build": process::build(),
    }))
}
