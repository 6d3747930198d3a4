//! Assembled programs as bytes: magic, number of instructions, then op word and immediate of each, little-endian.
//!
//! One program has one encoding, and reading checks it: trailing bytes, non-canonical immediates and words that are not
//! instructions are refused.

use crate::field::{Felt, canonical};
use crate::program::{MAX_INSTRUCTIONS, Program, ProgramError};

/// First bytes of a program file, the last of them its version.
pub const MAGIC: [u8; 8] = *b"STARVM\x00\x01";

const HEADER: usize = MAGIC.len() + 4;
const INSTRUCTION: usize = 4 + 8;

/// Why bytes are not a program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProgramFileError {
    /// The bytes do not start like a program file.
    #[error("these bytes are not a Starling program of this version")]
    Magic,
    /// The length does not follow from the number of instructions.
    #[error("a program file of {count} instructions has {expected} bytes, this one has {found}")]
    Length {
        /// Instructions that the file announces.
        count: usize,
        /// Bytes that they take.
        expected: usize,
        /// Bytes that there are.
        found: usize,
    },
    /// An immediate is not below the modulus.
    #[error("the immediate of instruction {address} is not a canonical field element: {value}")]
    Immediate {
        /// The instruction's address.
        address: usize,
        /// The immediate.
        value: u64,
    },
    /// The instructions are not a program.
    #[error(transparent)]
    Program(#[from] ProgramError),
}

/// The program's bytes. Debug information is left out.
pub fn to_bytes(program: &Program) -> Vec<u8> {
    let elements = program.to_elements();
    let mut out = Vec::with_capacity(HEADER + INSTRUCTION * elements.len());
    out.extend(MAGIC);
    out.extend((elements.len() as u32).to_le_bytes());
    for (word, imm) in elements {
        out.extend((word as u32).to_le_bytes());
        out.extend(imm.as_int().to_le_bytes());
    }
    out
}

/// Reads a program.
///
/// # Errors
/// When the bytes are not exactly what [to_bytes] gives for some program.
pub fn from_bytes(bytes: &[u8]) -> Result<Program, ProgramFileError> {
    let Some((magic, rest)) = bytes.split_first_chunk::<8>() else {
        return Err(ProgramFileError::Magic);
    };
    if *magic != MAGIC {
        return Err(ProgramFileError::Magic);
    }
    let Some((count, rest)) = rest.split_first_chunk::<4>() else {
        return Err(ProgramFileError::Magic);
    };
    let count = u32::from_le_bytes(*count) as usize;
    if count > MAX_INSTRUCTIONS {
        return Err(ProgramError::TooLong { count }.into());
    }
    let expected = HEADER + INSTRUCTION * count;
    if bytes.len() != expected {
        return Err(ProgramFileError::Length {
            count,
            expected,
            found: bytes.len(),
        });
    }
    let mut elements: Vec<(u64, Felt)> = Vec::with_capacity(count);
    for (address, instruction) in rest.chunks_exact(INSTRUCTION).enumerate() {
        let mut word = [0; 4];
        word.copy_from_slice(&instruction[..4]);
        let mut imm = [0; 8];
        imm.copy_from_slice(&instruction[4..]);
        let value = u64::from_le_bytes(imm);
        let imm = canonical(value).ok_or(ProgramFileError::Immediate { address, value })?;
        elements.push((u64::from(u32::from_le_bytes(word)), imm));
    }
    Ok(Program::from_elements(&elements)?)
}
