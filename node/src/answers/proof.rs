//! A proof with the statement that it is of: two points of the chain and who is paid.
//!
//! | bytes | what |
//! |---|---|
//! | 8, 8 | first and last batch |
//! | 32, 32 | state root and chain digest before the first |
//! | 32, 32 | state root and chain digest after the last |
//! | 20 | payee |
//! | the rest, 1 MiB at most | the proof |
//!
//! The points are the sender's claim, so that a proof can be judged before anything else is known: one that does not prove its
//! own statement is the sender's fault, one that proves another than L1's is a difference to look into.

use starling_air::check::Statement;
use starling_air::settlement;
use starling_air::verifier::{Verified, verify};
use starling_p2p::wire::WireError;
use starling_rollup::address::L1Address;
use starling_rollup::chain::{GENESIS, word_bytes};
use starling_rollup::state::State;
use starling_rollup::transaction::RollupId;
use starling_vm::field::Word;

use super::{BodyError, Reader, Wrong};
use crate::operator::journal::StoredProof;

/// Bytes of a proof at most.
pub const MAX_PROOF_BYTES: usize = 1 << 20;

/// A point of the chain: what a proof leads from or to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// The batch after which it is.
    pub batch: u64,
    /// The state root.
    pub root: Word,
    /// The chain digest.
    pub digest: Word,
}

impl Point {
    /// The point before the first batch: the same for every rollup.
    pub fn genesis() -> Self {
        Self {
            batch: 0,
            root: State::default().root(),
            digest: GENESIS,
        }
    }
}

/// The body of the answer about a proof that a node has.
///
/// # Arguments
/// `root`, `digest`: state root and chain digest before the proof's first batch. `after`: chain digest after its last.
pub fn proof_body(proof: &StoredProof, root: Word, digest: Word, after: Word) -> Vec<u8> {
    ProofAnswer {
        before: Point {
            batch: proof.first.saturating_sub(1),
            root,
            digest,
        },
        after: Point {
            batch: proof.last,
            root: proof.root,
            digest: after,
        },
        payee: proof.payee,
        bytes: proof.bytes.clone(),
    }
    .to_bytes()
}

/// An answer with a proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofAnswer {
    /// Where it starts.
    pub before: Point,
    /// Where it leads.
    pub after: Point,
    /// The payee of the statement.
    pub payee: L1Address,
    /// The proof.
    pub bytes: Vec<u8>,
}

impl ProofAnswer {
    /// The first batch that it covers.
    pub fn first(&self) -> u64 {
        self.before.batch.saturating_add(1)
    }

    /// Its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(164 + self.bytes.len());
        bytes.extend(self.first().to_be_bytes());
        bytes.extend(self.after.batch.to_be_bytes());
        for point in [&self.before, &self.after] {
            bytes.extend(word_bytes(&point.root));
            bytes.extend(word_bytes(&point.digest));
        }
        bytes.extend(self.payee.0);
        bytes.extend(&self.bytes);
        bytes
    }

    /// The answer with these bytes.
    ///
    /// # Errors
    /// When they are not what [ProofAnswer::to_bytes] gives for some answer. The proof itself is not looked at.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BodyError> {
        let mut reader = Reader(bytes);
        let first = reader.u64("the first batch", u64::MAX)?;
        let last = reader.u64("the last batch", u64::MAX)?;
        if first == 0 || last < first {
            return Err(BodyError::Run { first, last });
        }
        let mut point = |batch| -> Result<Point, BodyError> {
            Ok(Point {
                batch,
                root: reader.word("a state root")?,
                digest: reader.word("a chain digest")?,
            })
        };
        let (before, after) = (point(first - 1)?, point(last)?);
        let payee = L1Address(reader.array("the payee")?);
        let proof = reader.0;
        if proof.is_empty() || proof.len() > MAX_PROOF_BYTES {
            let (limit, found) = (MAX_PROOF_BYTES as u64, proof.len() as u64);
            let field = "the proof's length";
            return Err(WireError::Limit { field, limit, found }.into());
        }
        Ok(Self {
            before,
            after,
            payee,
            bytes: proof.to_vec(),
        })
    }

    /// What the proof must prove in this rollup, whose kernel has the hash `kernel`.
    pub fn statement(&self, rollup: &RollupId, kernel: Word) -> Statement {
        let words = [self.before.root, self.before.digest, rollup.word()].concat();
        Statement {
            program: kernel,
            inputs: [&words[..], &self.payee.to_elements(), &self.after.digest].concat(),
            outputs: self.after.root.to_vec(),
        }
    }

    /// Verifies the proof: whoever runs the kernel from `before` on data of the digest in `after` gets the root in `after`. It
    /// takes tens of milliseconds.
    ///
    /// # Errors
    /// [Wrong::Proof] when it is not accepted.
    pub fn verify(&self, rollup: &RollupId, kernel: Word) -> Result<Verified, Wrong> {
        let statement = self.statement(rollup, kernel);
        verify(&statement, &[settlement::PRESET], &self.bytes).map_err(|error| Wrong::Proof {
            first: self.first(),
            last: self.after.batch,
            reason: error.to_string(),
        })
    }
}
