//! Programs: code, its hash, and where it came from.

use crate::field::{Felt, Word};
use crate::isa::{DecodeError, Instruction, Op};
use crate::poseidon2::Sponge;

/// Sponge domain of program code: the ASCII bytes of "starling", cut to 63 bits.
pub const PROGRAM_DOMAIN: u64 = 0x7374_6172_6c69_6e67;

/// Most instructions a program may have.
pub const MAX_INSTRUCTIONS: usize = 1 << 18;

/// A program: instructions, the first of which is `halt`, at address 0. The run starts at address 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    instructions: Vec<Instruction>,
    hash: Word,
    debug: DebugInfo,
}

/// Where the instructions of a program came from. Not part of the program: the hash does not cover it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DebugInfo {
    /// Names of the source files.
    pub files: Vec<String>,
    /// For each instruction, where it stands, if known.
    pub spans: Vec<Option<SourceSpan>>,
    /// Addresses that have names, in order of address.
    pub labels: Vec<(u64, String)>,
}

/// A place in a source file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceSpan {
    /// Index into [DebugInfo::files].
    pub file: u32,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
}

/// Why code is not a program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProgramError {
    /// There is nothing to run.
    #[error("the program is empty: it needs at least one instruction after the leading halt")]
    Empty,
    /// There is too much.
    #[error("the program has {count} instructions, at most {MAX_INSTRUCTIONS} are allowed")]
    TooLong {
        /// Number of instructions.
        count: usize,
    },
    /// Address 0 does not hold `halt`.
    #[error("the instruction at address 0 is not halt")]
    NoHalt,
    /// A pair of elements is not an instruction.
    #[error("instruction {address}: {source}")]
    Decode {
        /// The instruction's address.
        address: usize,
        /// What is wrong with it.
        source: DecodeError,
    },
}

impl Program {
    /// The instruction at address 0 of every program.
    pub fn halt() -> Instruction {
        Instruction {
            use_imm: true,
            ..Instruction::new(Op::Jmp)
        }
    }

    /// A program of `body`, which will stand at address 1 and after: the leading `halt` is added here.
    ///
    /// # Errors
    /// When `body` is empty or too long, or one of its instructions is malformed.
    pub fn new(body: Vec<Instruction>) -> Result<Self, ProgramError> {
        let mut instructions = body;
        instructions.insert(0, Self::halt());
        Self::from_instructions(instructions)
    }

    /// A program of `instructions`, the first of which is `halt`.
    ///
    /// # Errors
    /// When there are none after the leading `halt`, or too many, or one is malformed.
    pub fn from_instructions(instructions: Vec<Instruction>) -> Result<Self, ProgramError> {
        if instructions.first() != Some(&Self::halt()) {
            return Err(ProgramError::NoHalt);
        }
        if instructions.len() < 2 {
            return Err(ProgramError::Empty);
        }
        if instructions.len() > MAX_INSTRUCTIONS {
            return Err(ProgramError::TooLong {
                count: instructions.len(),
            });
        }
        for (address, instruction) in instructions.iter().enumerate() {
            instruction
                .validate()
                .map_err(|source| ProgramError::Decode { address, source })?;
        }
        let hash = hash_code(&instructions);
        Ok(Self {
            instructions,
            hash,
            debug: DebugInfo::default(),
        })
    }

    /// Decodes a program from its elements, op word and immediate in turn.
    ///
    /// # Errors
    /// When the elements are not what [Program::to_elements] gives for some program.
    pub fn from_elements(elements: &[(u64, Felt)]) -> Result<Self, ProgramError> {
        if elements.len() > MAX_INSTRUCTIONS {
            return Err(ProgramError::TooLong { count: elements.len() });
        }
        let instructions = elements
            .iter()
            .enumerate()
            .map(|(address, &(word, imm))| {
                Instruction::decode(word, imm).map_err(|source| ProgramError::Decode { address, source })
            })
            .collect::<Result<Vec<_>, _>>()?;
        Self::from_instructions(instructions)
    }

    /// The program's elements, op word and immediate of each instruction.
    pub fn to_elements(&self) -> Vec<(u64, Felt)> {
        self.instructions.iter().map(Instruction::encode).collect()
    }

    /// The same program with debug information.
    pub fn with_debug(mut self, debug: DebugInfo) -> Self {
        self.debug = debug;
        self
    }

    /// The instructions, from address 0.
    pub fn instructions(&self) -> &[Instruction] {
        &self.instructions
    }

    /// The program's hash: the name by which provers, verifiers and contracts know it.
    pub fn hash(&self) -> Word {
        self.hash
    }

    /// Where the instructions came from.
    pub fn debug(&self) -> &DebugInfo {
        &self.debug
    }
}

/// The blocks that the program's hash absorbs: the header (length, 0, 0, 0), then two instructions a block.
pub fn code_blocks(instructions: &[Instruction]) -> Vec<Word> {
    let zero = Felt::new(0);
    let mut blocks = vec![[Felt::new(instructions.len() as u64), zero, zero, zero]];
    for pair in instructions.chunks(2) {
        let mut block = [zero; 4];
        for (i, instruction) in pair.iter().enumerate() {
            let (word, imm) = instruction.encode();
            block[2 * i] = Felt::new(word);
            block[2 * i + 1] = imm;
        }
        blocks.push(block);
    }
    blocks
}

fn hash_code(instructions: &[Instruction]) -> Word {
    let mut sponge = Sponge::new(PROGRAM_DOMAIN, 0);
    for block in code_blocks(instructions) {
        sponge.absorb(block);
    }
    sponge.digest()
}
