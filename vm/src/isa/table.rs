//! The opcode table of `specs/vm.md`, from [OPCODES].

use super::{OPCODES, Operand};

fn syntax(operand: Operand) -> &'static str {
    match operand {
        Operand::D => "rD",
        Operand::Dp => "pD",
        Operand::Dq => "qD",
        Operand::A => "rA",
        Operand::Aq => "qA",
        Operand::B => "rB",
        Operand::Bq => "qB",
        Operand::BImm => "rB\\|imm",
        Operand::Mem => "[rA + imm]\\|[imm]",
        Operand::Imm => "imm",
    }
}

/// The table as Markdown, one row an opcode.
pub fn opcode_table() -> String {
    let mut out =
        String::from("| instruction | flags | does | traps | cost beside one cpu row |\n|---|---|---|---|---|\n");
    for info in &OPCODES {
        let operands: Vec<_> = info.operands.iter().map(|o| syntax(*o)).collect();
        let instruction = format!("{} {}", info.mnemonic, operands.join(", "));
        out.push_str(&format!(
            "| `{}` | {:#x} | {} | {} | {} |\n",
            instruction.trim(),
            info.flags,
            info.semantics.replace('|', "\\|"),
            info.traps.replace('|', "\\|"),
            info.cost,
        ));
    }
    out
}
