//! Answers between nodes: the bytes of an account, an operation or a proof as peers ask for them, and how each is checked.
//!
//! [account], [operation] and [proof] hold one answer each: what a node that has the data sends ([account::account_body],
//! [operation::operation_body], [proof::proof_body]: pure functions, for the task that serves requests), how it is read, and what it
//! must agree with. Reading is canonical: what `from_bytes` takes, `to_bytes` gives back. The page is `specs/light.md`.
//!
//! ```
//! use starling_node::answers::account::{AccountProof, Origin, StateView, account_body};
//! use starling_p2p::request::StateAt;
//! use starling_rollup::account::Account;
//! use starling_rollup::address::{Address, L1Address};
//! use starling_rollup::state::State;
//! use starling_vm::schnorr::SecretKey;
//!
//! let address = Address::new(SecretKey::derive(b"an example").public_key(), L1Address([7; 20]));
//! let state = State::from_accounts(vec![Account::new(address, 1_000)]);
//! let view = StateView { state: &state, origin: Origin::Proven { batch: 3 } };
//! let body = account_body(&view, 0).unwrap();
//! let answer = AccountProof::from_bytes(0, StateAt::Proven, &body).unwrap();
//! assert!(answer.check_root(&state.root()).is_ok());
//! ```

pub mod account;
pub mod operation;
pub mod proof;

use starling_p2p::wire::WireError;
use starling_rollup::address::{Address, L1Address};
use starling_rollup::block_header::HeaderError;
use starling_rollup::l1_key::L1SignatureError;
use starling_vm::field::Word;

use crate::l1::{Hash, hex};

/// Why bytes are not an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// They end too soon, go on too long, or hold a number above its limit.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A header is none.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// A digest is not four canonical elements.
    #[error("{0} is not a digest: an element is not below the field's modulus")]
    Digest(&'static str),
    /// The path has not the length of the position.
    #[error("position {position} is behind the end of a tree with a path of {levels}")]
    Position {
        /// The position that was asked for.
        position: u32,
        /// Siblings in the path.
        levels: usize,
    },
    /// A run of batches that ends before it starts.
    #[error("batches {first} to {last} are no run")]
    Run {
        /// The first.
        first: u64,
        /// The last.
        last: u64,
    },
}

/// Why an answer is wrong. No honest peer sends such a one, unless it follows another L1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// It is none.
    #[error("malformed: {0}")]
    Body(#[from] BodyError),
    /// The path leads elsewhere.
    #[error("its path leads to the state root {found}, the state root is {expected}")]
    Root {
        /// The root it was checked against.
        expected: String,
        /// Where it leads.
        found: String,
    },
    /// The header is not the one whose hash L1 keeps.
    #[error("the header's hash is {found}, L1 keeps {expected} for batch {batch}")]
    Head {
        /// The batch.
        batch: u64,
        /// L1's.
        expected: String,
        /// The header's.
        found: String,
    },
    /// It is of another kind of state.
    #[error("it is of another kind of state than was asked for")]
    Kind,
    /// The header is of another batch.
    #[error("the header is of batch {found}, batch {expected} is meant")]
    Batch {
        /// The batch that is meant.
        expected: u64,
        /// The header's.
        found: u64,
    },
    /// No key gives the signature.
    #[error("the header's signature: {0}")]
    Signature(#[from] L1SignatureError),
    /// Somebody else signed.
    #[error("the header of slot {slot} is signed by {found}, the slot's leader is {expected}")]
    Signer {
        /// The slot.
        slot: u64,
        /// The leader.
        expected: L1Address,
        /// Who signed.
        found: L1Address,
    },
    /// The operation's path leads elsewhere.
    #[error("its path leads to the operations root {found}, L1 has {expected}")]
    Operations {
        /// L1's.
        expected: String,
        /// Where it leads.
        found: String,
    },
    /// It answers another question.
    #[error("it is of the batches {} to {}, the proof of batches {} to {} was asked for", found.0, found.1, asked.0, asked.1)]
    Range {
        /// First and last batch that were asked for.
        asked: (u64, u64),
        /// Its own.
        found: (u64, u64),
    },
    /// The proof does not prove what comes with it.
    #[error("the proof of batches {first} to {last} does not verify: {reason}")]
    Proof {
        /// The first batch.
        first: u64,
        /// The last.
        last: u64,
        /// What the verifier says.
        reason: String,
    },
}

// BYTES
// ================================================================================================================

/// Reads an answer from the front.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, field: &'static str, length: usize) -> Result<&'a [u8], WireError> {
        let (head, rest) = self.0.split_at_checked(length).ok_or(WireError::Short {
            field,
            expected: length,
            found: self.0.len(),
        })?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], WireError> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(field, N)?);
        Ok(array)
    }

    fn u8(&mut self, field: &'static str) -> Result<u8, WireError> {
        Ok(self.array::<1>(field)?[0])
    }

    fn u32(&mut self, field: &'static str) -> Result<u32, WireError> {
        self.array(field).map(u32::from_be_bytes)
    }

    /// A number of at most `limit`.
    fn u64(&mut self, field: &'static str, limit: u64) -> Result<u64, WireError> {
        let found = u64::from_be_bytes(self.array(field)?);
        if found > limit {
            return Err(WireError::Limit { field, limit, found });
        }
        Ok(found)
    }

    fn word(&mut self, field: &'static str) -> Result<Word, BodyError> {
        let address = Address::from_bytes(&self.array(field)?).ok_or(BodyError::Digest(field))?;
        Ok(address.to_word())
    }

    fn end(self) -> Result<(), WireError> {
        match self.0.len() {
            0 => Ok(()),
            found => Err(WireError::Trailing { found }),
        }
    }
}

fn hex_hash(hash: &Hash) -> String {
    format!("0x{}", hex(hash))
}
