//! Verifying a proof: program hash, inputs, outputs and the proof's bytes are all it needs.

use starling_vm::field::Felt;
use winter_crypto::{ElementHasher, RandomCoin};

use crate::adapter::{PublicInputs, seed_words};
use crate::blake::{Blake, LocalCoin};
use crate::check::Statement;
use crate::keccak::{Keccak, KeccakCoin};
use crate::machine::{ChipSet, Machine};
use crate::preset::{Flavour, Preset, Security};
use crate::wire::{self, Codec};

/// First bytes of every proof: what it is, and the version of the AIR and of the encoding.
pub const MAGIC: [u8; 4] = *b"STP1";

/// Most public inputs, and most public outputs, of a statement: the verifier's work is linear in them.
pub const MAX_PUBLIC_WORDS: usize = 1 << 16;

/// An accepted proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The preset it was made with.
    pub preset: Preset,
    /// Its chips.
    pub chips: ChipSet,
    /// Rows of its trace, as a power of two.
    pub log_length: u32,
    /// Its security.
    pub security: Security,
}

/// Why a proof was refused.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The bytes do not start like a proof.
    #[error(
        "these bytes are not a Starling proof of this version: they start with {found:02x?} instead of {MAGIC:02x?}"
    )]
    NotAProof {
        /// The first bytes.
        found: Vec<u8>,
    },
    /// The preset is unknown.
    #[error("the proof names preset number {0}, which does not exist")]
    UnknownPreset(u8),
    /// The preset is not among those accepted.
    #[error("the proof was made with preset {found}, which is not accepted here")]
    PresetNotAccepted {
        /// The proof's preset.
        found: Preset,
    },
    /// The chip set is unknown.
    #[error("the proof names chip set number {0}, which does not exist")]
    UnknownChips(u8),
    /// The preset fixes other chips.
    #[error("the proof has the chips {found}, {preset} fixes {expected}")]
    ChipsNotAccepted {
        /// The proof's chips.
        found: ChipSet,
        /// The preset's.
        expected: ChipSet,
        /// The preset.
        preset: Preset,
    },
    /// The statement is too long.
    #[error("the statement has {inputs} inputs and {outputs} outputs, at most {MAX_PUBLIC_WORDS} of each are allowed")]
    StatementTooLong {
        /// Number of inputs.
        inputs: usize,
        /// Number of outputs.
        outputs: usize,
    },
    /// The proof is malformed, or does not prove the statement.
    #[error(transparent)]
    Refused(#[from] wire::VerifyError),
}

/// What stands before the encoded proof: magic, preset, chip set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The preset.
    pub preset: Preset,
    /// The chips.
    pub chips: ChipSet,
}

impl Header {
    /// Length in bytes.
    pub const LEN: usize = 6;

    /// The header's bytes.
    pub fn to_bytes(self) -> [u8; Self::LEN] {
        let [a, b, c, d] = MAGIC;
        [a, b, c, d, self.preset.id(), self.chips.id()]
    }

    /// Reads the header and returns the rest of `bytes`.
    ///
    /// # Errors
    /// When the magic, the preset or the chip set is unknown.
    pub fn read(bytes: &[u8]) -> Result<(Self, &[u8]), VerifyError> {
        let Some((&[a, b, c, d, preset, chips], rest)) = bytes.split_first_chunk::<{ Self::LEN }>() else {
            return Err(VerifyError::NotAProof {
                found: bytes.iter().take(4).copied().collect(),
            });
        };
        if [a, b, c, d] != MAGIC {
            return Err(VerifyError::NotAProof {
                found: vec![a, b, c, d],
            });
        }
        let preset = Preset::from_id(preset).ok_or(VerifyError::UnknownPreset(preset))?;
        let chips = ChipSet::from_id(chips).ok_or(VerifyError::UnknownChips(chips))?;
        Ok((Self { preset, chips }, rest))
    }
}

/// Verifies that a run of the program with hash `statement.program` takes the inputs to the outputs.
///
/// Nothing but `accepted` decides which option sets are good enough: the proof only names one of them.
///
/// # Errors
/// When the proof is malformed, was made with a preset that is not accepted or with chips that its preset does not
/// admit, or does not prove the statement.
pub fn verify(statement: &Statement, accepted: &[Preset], bytes: &[u8]) -> Result<Verified, VerifyError> {
    let (header, rest) = Header::read(bytes)?;
    let Header { preset, chips } = header;
    if !accepted.contains(&preset) {
        return Err(VerifyError::PresetNotAccepted { found: preset });
    }
    check_chips(preset, chips)?;
    let (inputs, outputs) = (statement.inputs.len(), statement.outputs.len());
    if inputs > MAX_PUBLIC_WORDS || outputs > MAX_PUBLIC_WORDS {
        return Err(VerifyError::StatementTooLong { inputs, outputs });
    }
    let log_length = match preset.flavour() {
        Flavour::Blake3 => verify_with::<Blake, LocalCoin>(statement, header, rest),
        Flavour::Keccak200 => verify_with::<Keccak<25>, KeccakCoin<25>>(statement, header, rest),
        Flavour::Keccak256 => verify_with::<Keccak<32>, KeccakCoin<32>>(statement, header, rest),
    }?;
    Ok(Verified {
        preset,
        chips,
        log_length,
        security: preset.security(chips, log_length),
    })
}

fn verify_with<H, R>(statement: &Statement, header: Header, bytes: &[u8]) -> Result<u32, wire::VerifyError>
where
    H: ElementHasher<BaseField = Felt> + Sync,
    R: RandomCoin<BaseField = Felt, Hasher = H>,
{
    let public = public_inputs(statement, header.chips, header.preset);
    let shape = header.preset.shape(header.chips);
    let codec = Codec::<_, H, R>::new(&shape, &public)?;
    let log_length = codec.read(bytes)?.log_length;
    codec.verify(bytes)?;
    Ok(log_length)
}

fn check_chips(preset: Preset, found: ChipSet) -> Result<(), VerifyError> {
    match preset.chips() {
        Some(expected) if expected != found => Err(VerifyError::ChipsNotAccepted {
            found,
            expected,
            preset,
        }),
        _ => Ok(()),
    }
}

/// What the transcript absorbs and what the verifier puts on the buses for `statement`.
pub fn public_inputs(statement: &Statement, chips: ChipSet, preset: Preset) -> PublicInputs<Machine> {
    let definition = Machine::new(chips);
    let mut words = statement.program.to_vec();
    words.push(Felt::new(u64::from(chips.id())));
    for list in [&statement.inputs, &statement.outputs] {
        words.push(Felt::new(list.len() as u64));
        words.extend_from_slice(list);
    }
    PublicInputs {
        seed: seed_words(&definition.identity(), &preset.options(), &words),
        messages: statement.messages(),
        definition,
    }
}
