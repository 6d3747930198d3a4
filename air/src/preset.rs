//! Proof presets: the only option sets that provers use and verifiers accept.
//!
//! Security is stated as proven bits first, from winterfell's estimator (eprint 2024/1553, Theorems 2 and 3); the
//! conjectured figure rests on a conjecture up to capacity that was refuted in November 2025 and is printed beside it for
//! comparison with other systems only.

use core::fmt;
use core::str::FromStr;

use winter_air::proof::{Context, Proof};
use winter_air::{BatchingMethod, FieldExtension, ProofOptions};
use winter_crypto::Hasher;

use crate::adapter::Shape;
use crate::blake::Blake;
use crate::keccak::Keccak;
use crate::machine::{ChipSet, MAX_LENGTH, MIN_LENGTH, Machine};

/// A proof preset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Preset {
    /// For tests and for working on circuits: INSECURE, a proof costs minutes to forge.
    DevFast = 0,
    /// BLAKE3, 100 proven bits: 55 queries at blowup 8. Fewer queries lose about 1.5 bits each.
    Local100 = 1,
    /// Keccak with 25-byte digests, 100 proven bits: 41 queries at blowup 16. Fewer queries lose about 2 bits each;
    /// shorter digests lose 4 bits a byte.
    Settle100 = 2,
    /// Keccak with full digests, as many proven bits as the cubic extension carries at every admitted length.
    Settle128 = 3,
}

/// The hash function of a preset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// BLAKE3: local proofs and gossip.
    Blake3,
    /// Keccak256 cut to 25 bytes: L1.
    Keccak200,
    /// Keccak256 in full: L1.
    Keccak256,
}

/// Security of a preset, in bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Security {
    /// Proven, in the list-decoding regime.
    pub proven: u32,
    /// Proven, in the unique-decoding regime.
    pub proven_unique: u32,
    /// Under the refuted conjecture up to capacity.
    pub conjectured: u32,
}

impl Preset {
    /// All presets.
    pub const ALL: [Self; 4] = [Self::DevFast, Self::Local100, Self::Settle100, Self::Settle128];

    /// The presets of at least 96 proven bits.
    pub const SECURE: [Self; 3] = [Self::Local100, Self::Settle100, Self::Settle128];

    /// The preset with this number.
    pub fn from_id(id: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|preset| preset.id() == id)
    }

    /// The number that proofs carry.
    pub fn id(self) -> u8 {
        self as u8
    }

    /// The preset's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::DevFast => "dev-fast",
            Self::Local100 => "local-100",
            Self::Settle100 => "settle-100",
            Self::Settle128 => "settle-128",
        }
    }

    /// Proven bits that the preset claims at every length it admits.
    pub fn claimed_bits(self) -> u32 {
        match self {
            Self::DevFast => 0,
            Self::Local100 | Self::Settle100 => 100,
            Self::Settle128 => 128,
        }
    }

    /// The hash function.
    pub fn flavour(self) -> Flavour {
        match self {
            Self::DevFast | Self::Local100 => Flavour::Blake3,
            Self::Settle100 => Flavour::Keccak200,
            Self::Settle128 => Flavour::Keccak256,
        }
    }

    /// The chips of every proof, where the preset fixes them: the contract on L1 verifies one AIR, the kernel's, and a
    /// program that uses fewer chips pays for idle ones. `None` where a proof has the chips that its run uses.
    pub fn chips(self) -> Option<ChipSet> {
        match self {
            Self::DevFast | Self::Local100 => None,
            Self::Settle100 | Self::Settle128 => Some(ChipSet::Kernel),
        }
    }

    /// winterfell's options.
    pub fn options(self) -> ProofOptions {
        let (queries, blowup, grinding) = match self {
            Self::DevFast => (4, 8, 0),
            Self::Local100 => (55, 8, 20),
            Self::Settle100 => (41, 16, 20),
            Self::Settle128 => (60, 16, 20),
        };
        let batching = BatchingMethod::Linear;
        ProofOptions::new(
            queries,
            blowup,
            grinding,
            FieldExtension::Cubic,
            8,
            127,
            batching,
            batching,
        )
    }

    /// The shortest and the longest trace, as powers of two.
    pub fn log_lengths(self) -> (u32, u32) {
        let longest = match self {
            Self::DevFast => MAX_LENGTH,
            Self::Local100 | Self::Settle100 => 1 << 20,
            Self::Settle128 => 1 << 18,
        };
        (MIN_LENGTH.ilog2(), longest.ilog2())
    }

    /// The shape of this preset's proofs of runs with the chips of `chips`.
    pub fn shape(self, chips: ChipSet) -> Shape {
        Shape::new(&Machine::new(chips), &self.options(), self.log_lengths())
    }

    /// Security at a trace length, as winterfell's estimator gives it.
    pub fn security(self, chips: ChipSet, log_length: u32) -> Security {
        let context = self.shape(chips).context(log_length);
        match self.flavour() {
            Flavour::Blake3 => estimate::<Blake>(context),
            Flavour::Keccak200 => estimate::<Keccak<25>>(context),
            Flavour::Keccak256 => estimate::<Keccak<32>>(context),
        }
    }
}

fn estimate<H: Hasher>(context: Context) -> Security {
    // The estimator looks at a proof's context only.
    let proof = Proof {
        context,
        ..Proof::new_dummy()
    };
    let proven = proof.proven_security::<H>();
    Security {
        proven: proven.ldr_bits(),
        proven_unique: proven.udr_bits(),
        conjectured: proof.conjectured_security::<H>().bits(),
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that no preset has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no preset {0:?}; use dev-fast (insecure), local-100, settle-100 or settle-128")]
pub struct UnknownPreset(String);

impl FromStr for Preset {
    type Err = UnknownPreset;

    fn from_str(name: &str) -> Result<Self, UnknownPreset> {
        Self::ALL
            .into_iter()
            .find(|preset| preset.name() == name)
            .ok_or_else(|| UnknownPreset(name.to_owned()))
    }
}
