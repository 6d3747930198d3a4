//! Prover speed on a loop of arithmetic, memory and hashing: `cargo run --release --example speed -- LOG_ROWS PRESET`.

use starling_air::preset::Preset;
use starling_air::prover::prove;
use starling_air::verifier::verify;
use starling_vm::executor::RunInputs;
use starling_vm::field::Felt;
use starling_vm::isa::{Instruction, Op};
use starling_vm::program::Program;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let log: u32 = args.next().unwrap_or_default().parse().unwrap_or(16);
    let preset: Preset = args.next().unwrap_or_else(|| "local-100".into()).parse()?;
    let ins = |op, d, a, b| Instruction {
        d,
        a,
        b,
        ..Instruction::new(op)
    };
    let imm = |op, d, a, v| Instruction {
        d,
        a,
        use_imm: true,
        imm: Felt::new(v),
        ..Instruction::new(op)
    };
    // Eight instructions a turn: one hash, three memory accesses, one u32 operation.
    let turns = (1u64 << log) / 8 - 20;
    let code = vec![
        imm(Op::Mov, 12, 0, turns),
        Instruction {
            d: 0,
            a: 12,
            imm: Felt::new(5),
            ..Instruction::new(Op::St)
        },
        Instruction {
            d: 4,
            a: 12,
            imm: Felt::new(4),
            ..Instruction::new(Op::Ld)
        },
        Instruction {
            d: 8,
            a: 12,
            imm: Felt::new(5),
            ..Instruction::new(Op::Ld)
        },
        ins(Op::Hash, 0, 4, 8),
        imm(Op::U32addw, 13, 12, 3),
        ins(Op::Mul, 14, 13, 12),
        imm(Op::Sub, 12, 12, 1),
        Instruction {
            a: 12,
            imm: Felt::new(2),
            ..Instruction::new(Op::Bnz)
        },
        imm(Op::Out, 0, 0, 0),
        Program::halt(),
    ];
    let program = Program::new(code)?;
    let proven = prove(&program, &RunInputs::default(), preset)?;
    println!(
        "{preset}: {} cycles, {:?}, 2^{} rows, trace {:.2}s, prove {:.2}s, {:.0} rows/s, {} bytes",
        proven.cycles,
        proven.rows,
        proven.trace_length.ilog2(),
        proven.trace_seconds,
        proven.prove_seconds,
        proven.trace_length as f64 / proven.prove_seconds,
        proven.bytes.len()
    );
    let started = std::time::Instant::now();
    verify(&proven.statement, &[preset], &proven.bytes)?;
    println!("verify {:.2} ms", started.elapsed().as_secs_f64() * 1e3);
    let status = std::fs::read_to_string("/proc/self/status")?;
    println!(
        "{}",
        status.lines().find(|l| l.starts_with("VmHWM")).unwrap_or_default()
    );
    Ok(())
}
