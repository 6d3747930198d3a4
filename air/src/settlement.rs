//! What settling on L1 needs of the proof system: the verifier contract's parameters, and a proof cut for its transactions.

use crate::bus::{Side, tag};
use crate::check::Statement;
use crate::codegen::{PublicBuses, Recording, VerifierParameters};
use crate::keccak::{Keccak, KeccakCoin};
use crate::machine::{ChipSet, Machine};
use crate::preset::Preset;
use crate::verifier::{Header, VerifyError, public_inputs};
use crate::wire::{Codec, Sections};

/// The preset of proofs that settle on L1.
pub const PRESET: Preset = Preset::Settle100;

/// The chips of proofs that settle on L1.
pub const CHIPS: ChipSet = ChipSet::Kernel;

/// What the verifier contract of these proofs is built with.
pub fn verifier_parameters() -> VerifierParameters {
    let machine = Machine::new(CHIPS);
    let buses = PublicBuses([
        (tag::PROGRAM, Side::Plus),
        (tag::INPUT, Side::Minus),
        (tag::OUTPUT, Side::Minus),
    ]);
    let recording = Recording::new(&machine);
    let id = u64::from(CHIPS.id());
    VerifierParameters::new(&recording, &PRESET.shape(CHIPS), machine.identity(), id, buses)
}

/// The sections of a proof of `statement`, as the verifier contract takes them. That it is accepted is not checked.
///
/// # Errors
/// When the bytes are not a proof with this preset and these chips.
pub fn sections(statement: &Statement, proof: &[u8]) -> Result<Sections, VerifyError> {
    let (header, bytes) = Header::read(proof)?;
    if header.preset != PRESET {
        return Err(VerifyError::PresetNotAccepted { found: header.preset });
    }
    if header.chips != CHIPS {
        return Err(VerifyError::ChipsNotAccepted {
            found: header.chips,
            expected: CHIPS,
            preset: PRESET,
        });
    }
    let public = public_inputs(statement, CHIPS, PRESET);
    let shape = PRESET.shape(CHIPS);
    let codec = Codec::<_, Keccak<25>, KeccakCoin<25>>::new(&shape, &public).map_err(crate::wire::VerifyError::from)?;
    let parts = codec.read(bytes).map_err(crate::wire::VerifyError::from)?;
    Ok(parts.to_sections())
}
