//! What a full node answers to light ones: accounts, operations and proofs, in the bodies of [crate::answers].
//!
//! A state is made from the newest one once for each batch that is asked about, and kept while the answers are about it.

use std::sync::Arc;

use async_trait::async_trait;
use starling_p2p::request::{Request, StateAt};
use starling_rollup::state::State;
use starling_rollup::transaction::RollupId;
use starling_vm::field::Word;
use tokio::sync::{Mutex, watch};

use crate::answers::account::{Origin, StateView, account_body};
use crate::answers::operation::operation_body;
use crate::answers::proof::{Point, ProofAnswer, proof_body};
use crate::network::Answers;
use crate::operator::journal::{Journal, JournalError, Sealed};
use crate::operator::sequencer::SharedSequencer;
use crate::operator::settler::Status;

/// Answers from the journal and the chain.
pub struct Served {
    sequencer: SharedSequencer,
    journal: Journal,
    status: watch::Receiver<Status>,
    /// The states that were asked about last: proven, committed, soft.
    kept: [Mutex<Option<Kept>>; 3],
}

struct Kept {
    origin: Origin,
    state: Arc<State>,
}

impl Served {
    /// Answers about this chain.
    pub fn new(sequencer: SharedSequencer, journal: Journal, status: watch::Receiver<Status>) -> Self {
        Self {
            sequencer,
            journal,
            status,
            kept: Default::default(),
        }
    }

    /// What is asked about now.
    async fn origin(&self, at: StateAt) -> Result<Option<Origin>, JournalError> {
        let (proven, committed, unverified) = {
            let status = self.status.borrow();
            (status.proven, status.committed, status.unverified)
        };
        if unverified.is_some() && at != StateAt::Proven {
            // A light node takes the signature of a leader, or L1's order, for a node's word that the state follows from signed
            // transactions, which nobody can give now.
            return Ok(None);
        }
        Ok(match at {
            StateAt::Proven => Some(Origin::Proven { batch: proven }),
            StateAt::Committed => {
                let Some(sealed) = self.journal.sealed(committed)? else {
                    return Ok(None);
                };
                let parent = self.head_before(&sealed)?;
                let headers = sealed.headers(parent).ok();
                headers
                    .and_then(|headers| headers.last().copied())
                    .map(Origin::Committed)
            }
            StateAt::Soft => self.sequencer.lock().await.last_signed()?.map(Origin::Soft),
        })
    }

    fn head_before(&self, sealed: &Sealed) -> Result<[u8; 32], JournalError> {
        let before = self.journal.sealed(sealed.number.saturating_sub(1))?;
        Ok(before.map_or([0; 32], |before| before.head))
    }

    async fn account(&self, index: u32, at: StateAt) -> Result<Option<Vec<u8>>, JournalError> {
        let Some(origin) = self.origin(at).await? else {
            return Ok(None);
        };
        let mut kept = self.kept[at as usize].lock().await;
        if kept.as_ref().is_none_or(|kept| kept.origin != origin) {
            let state = match origin {
                Origin::Soft(_) => self.sequencer.lock().await.soft_state(),
                _ => {
                    let sequencer = self.sequencer.lock().await;
                    if sequencer.last() < origin.batch() {
                        return Ok(None);
                    }
                    self.journal
                        .rewind(sequencer.state(), sequencer.last(), origin.batch())?
                }
            };
            *kept = Some(Kept {
                origin,
                state: Arc::new(state),
            });
        }
        let Some(kept) = kept.as_ref() else {
            return Ok(None);
        };
        let (state, origin) = (&*kept.state, kept.origin);
        Ok(account_body(&StateView { state, origin }, index))
    }

    fn operation(&self, batch: u64, position: u32) -> Result<Option<Vec<u8>>, JournalError> {
        let sealed = self.journal.sealed(batch)?;
        Ok(sealed.and_then(|sealed| operation_body(&sealed.data(), position)))
    }

    fn proof(&self, first: u64, last: u64) -> Result<Option<Vec<u8>>, JournalError> {
        let Some(proof) = self.journal.proof(first, last)? else {
            return Ok(None);
        };
        let Some((before, after)) = points(&self.journal, first, last)? else {
            return Ok(None);
        };
        // A proof of batches that were taken back proves nothing any more.
        if after.root != proof.root {
            return Ok(None);
        }
        Ok(Some(proof_body(&proof, before.root, before.digest, after.digest)))
    }
}

/// The points before and after a run of batches, as the journal has them.
///
/// # Errors
/// When the journal cannot be read.
pub fn points(journal: &Journal, first: u64, last: u64) -> Result<Option<(Point, Point)>, JournalError> {
    let root_before = match first.saturating_sub(1) {
        0 => Some(Point::genesis().root),
        number => journal.sealed(number)?.map(|sealed| sealed.root),
    };
    let (Some(root), Some(begun), Some(ended)) = (root_before, journal.sealed(first)?, journal.sealed(last)?) else {
        return Ok(None);
    };
    let before = Point {
        batch: first - 1,
        root,
        digest: begun.parent_digest,
    };
    let after = Point {
        batch: last,
        root: ended.root,
        digest: ended.digest,
    };
    Ok(Some((before, after)))
}

/// A proof that a peer answers with and the rows of its trace, if it is of these batches and verifies. It takes milliseconds.
pub fn proof_of(
    body: &[u8],
    rollup: &RollupId,
    kernel: Word,
    before: Point,
    after: Point,
) -> Option<(ProofAnswer, u64)> {
    let answer = ProofAnswer::from_bytes(body).ok()?;
    if answer.before != before || answer.after != after {
        return None;
    }
    let verified = answer.verify(rollup, kernel).ok()?;
    Some((answer, 1 << verified.log_length))
}

#[async_trait]
impl Answers for Served {
    async fn answer(&self, request: Request) -> Option<Vec<u8>> {
        let found = match request {
            Request::Account { index, at } => self.account(index, at).await,
            Request::Operation { batch, position } => self.operation(batch, position),
            Request::Proof { first, last } => self.proof(first, last),
            Request::BlocksByRange { .. } | Request::Batch { .. } => Ok(None),
        };
        found.unwrap_or_else(|error| {
            tracing::warn!(%error, "a question is not answered");
            None
        })
    }
}
