//! The opcode table of `specs/vm.md`, from [OPCODES].

use super::{OPCODES, OpInfo, Operand};

fn syntax(operand: Operand) -> &'static str {
    match operand {
        Operand::D => "rD",
        Operand::Dp => "pD",
        Operand::Dq => "qD",
        Operand::A => "rA",
        Operand::Aq => "qA",
        Operand::B => "rB",
        Operand::Bq => "qB",
        Operand::BImm => "rB|imm",
        Operand::Mem => "[rA + imm]|[imm]",
        Operand::Imm => "imm",
    }
}

impl OpInfo {
    /// The instruction as it is written, for instance `add rD, rA, rB|imm`.
    pub fn syntax(&self) -> String {
        let operands: Vec<_> = self.operands.iter().map(|o| syntax(*o)).collect();
        format!("{} {}", self.mnemonic, operands.join(", "))
            .trim_end()
            .to_string()
    }
}

/// The table as Markdown, one row an opcode.
pub fn opcode_table() -> String {
    let mut out =
        String::from("| instruction | flags | does | traps | cost beside one cpu row |\n|---|---|---|---|---|\n");
    for info in &OPCODES {
        out.push_str(&format!(
            "| `{}` | {:#x} | {} | {} | {} |\n",
            info.syntax().replace('|', "\\|"),
            info.flags,
            info.semantics.replace('|', "\\|"),
            info.traps.replace('|', "\\|"),
            info.cost,
        ));
    }
    out
}
