//! What two nodes tell each other first: who they are and how far they have come.

use serde::{Deserialize, Serialize};
use starling_rollup::address::L1Address;
use starling_rollup::transaction::RollupId;

use crate::genesis::Genesis;
use crate::wire::{Reader, WireError};

/// The version of the encoding.
const VERSION: u8 = 1;

/// What a node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Keeps the state and serves it.
    Full = 0,
    /// Keeps no state.
    Light = 1,
    /// Orders transactions and signs blocks.
    Operator = 2,
    /// Proves batches.
    Prover = 3,
}

/// A point of the history: zeros before there is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Head {
    /// The batch's or block's number.
    pub number: u64,
    /// Its digest.
    pub digest: [u8; 32],
}

/// How far a node has come. It is the node's word; a peer that answers for it is checked answer by answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Heads {
    /// The newest batch that L1 has verified.
    pub proven: Head,
    /// The newest batch on L1.
    pub committed: Head,
    /// The newest signed block.
    pub soft: Head,
}

/// A node's introduction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Its network.
    pub genesis: Genesis,
    /// What it does.
    pub role: Role,
    /// How far it has come.
    pub heads: Heads,
}

impl Status {
    /// Bytes of the encoding.
    pub const BYTES: usize = 1 + 8 + 20 + 32 + 1 + 3 * 40;

    /// Version, chain id, rollup, kernel, role, proven, committed and soft head.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Self::BYTES);
        bytes.push(VERSION);
        bytes.extend(self.genesis.rollup.chain_id.to_be_bytes());
        bytes.extend(self.genesis.rollup.contract.0);
        bytes.extend(self.genesis.kernel);
        bytes.push(self.role as u8);
        for head in [self.heads.proven, self.heads.committed, self.heads.soft] {
            bytes.extend(head.number.to_be_bytes());
            bytes.extend(head.digest);
        }
        bytes
    }

    /// The status with these bytes.
    ///
    /// # Errors
    /// When they are not what [Status::to_bytes] gives for some status.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        let version = reader.u8("version")?;
        if version != VERSION {
            return Err(WireError::Tag {
                field: "version",
                found: version,
            });
        }
        let genesis = Genesis {
            rollup: RollupId {
                chain_id: reader.u64("chain id")?,
                contract: L1Address(reader.array("rollup")?),
            },
            kernel: reader.array("kernel")?,
        };
        let role = match reader.u8("role")? {
            0 => Role::Full,
            1 => Role::Light,
            2 => Role::Operator,
            3 => Role::Prover,
            found => return Err(WireError::Tag { field: "role", found }),
        };
        let mut head = || -> Result<Head, WireError> {
            Ok(Head {
                number: reader.u64("a head's number")?,
                digest: reader.array("a head's digest")?,
            })
        };
        let heads = Heads {
            proven: head()?,
            committed: head()?,
            soft: head()?,
        };
        reader.end()?;
        Ok(Self { genesis, role, heads })
    }
}
