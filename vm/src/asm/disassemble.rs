//! Programs to text that assembles to the same program.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::isa::{ENTRY, Instruction, Op, Operand};
use crate::program::Program;

/// Assembly text that gives the very same program: same instructions, same hash.
///
/// Jump targets inside the program get labels `L12:`, named after their addresses. Where debug information names an
/// address, its name stands in a comment.
pub fn disassemble(program: &Program) -> String {
    let code = program.instructions();
    let targets: BTreeSet<u64> = code.iter().filter_map(|i| target(i, code.len())).collect();
    let mut out = String::new();
    let hash = program
        .hash()
        .map(|element| format!("{:016x}", element.as_int()))
        .concat();
    // Writing to a String does not fail.
    let _ = writeln!(out, "# {} instructions, hash {hash}", code.len());
    for (address, instruction) in code.iter().enumerate().skip(ENTRY as usize) {
        let address = address as u64;
        let labels = &program.debug().labels;
        let first = labels.partition_point(|(at, _)| *at < address);
        for (_, name) in labels[first..].iter().take_while(|(at, _)| *at == address) {
            let printable: String = name.chars().filter(|c| !c.is_control()).collect();
            let _ = writeln!(out, "# {printable}");
        }
        if targets.contains(&address) {
            let _ = writeln!(out, "L{address}:");
        }
        let _ = writeln!(out, "    {}", line(instruction, code.len()));
    }
    out
}

/// The address inside the program that a jump or a branch names.
fn target(instruction: &Instruction, length: usize) -> Option<u64> {
    let names_address = match instruction.op {
        Op::Jmp | Op::Jal => instruction.use_imm,
        Op::Beq | Op::Bne | Op::Bz | Op::Bnz | Op::Blt | Op::Bge => true,
        _ => false,
    };
    let address = instruction.imm.as_int();
    (names_address && (ENTRY..length as u64).contains(&address)).then_some(address)
}

fn line(instruction: &Instruction, length: usize) -> String {
    if *instruction == Program::halt() {
        return String::from("halt");
    }
    let text = instruction.to_string();
    match target(instruction, length) {
        // The target is the last operand of all of these.
        Some(address) => {
            debug_assert!(matches!(
                instruction.op.info().operands.last(),
                Some(Operand::Imm | Operand::BImm)
            ));
            let cut = text.rfind(' ').map_or(0, |at| at + 1);
            format!("{}L{address}", &text[..cut])
        }
        None => text,
    }
}
