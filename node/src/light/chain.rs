//! The chain of proofs, verified here: from the genesis or a checkpoint, each proof leads from one point to the next.
//!
//! L1 says only which batches a proof ends with, and the chain digests of the data that it holds; the roots follow from the
//! proofs. If a proof verifies on L1's own digest and leads to another root than L1 says, L1's word is false.

use std::collections::VecDeque;
use std::str::FromStr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use starling_p2p::request::Request;
use starling_rollup::address::Address;
use starling_rollup::kernel;
use starling_vm::field::Word;
use tracing::{info, warn};

use super::endpoints::{Endpoints, Ground};
use super::error::{Contradiction, LightError};
use super::peers::{Fault, Peers};
use crate::answers::Wrong;
use crate::answers::proof::{Point, ProofAnswer};
use crate::l1::abi::from_hex;
use crate::operator::hex_word;

/// Points that are kept, for peers that are a proof behind and for reorganisations of L1.
const KEPT: usize = 64;

/// Text that is not a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not a checkpoint: {reason}; it is BATCH:ROOT:DIGEST, the batch that a proof ended with, and 0x and 64 hexadecimal digits each"
)]
pub struct CheckpointError {
    text: String,
    reason: &'static str,
}

/// A point that the user trusts, as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint(pub Point);

impl FromStr for Checkpoint {
    type Err = CheckpointError;

    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        let error = |reason| CheckpointError {
            text: text.to_owned(),
            reason,
        };
        let word = |digits: &str, reason| {
            let bytes = from_hex(digits).and_then(|bytes| bytes.try_into().ok());
            let word = bytes.and_then(|bytes: [u8; 32]| Address::from_bytes(&bytes));
            word.map(Address::to_word).ok_or_else(|| error(reason))
        };
        let parts: Vec<&str> = text.split(':').collect();
        let [batch, root, digest] = parts[..] else {
            return Err(error("it has not three parts"));
        };
        Ok(Self(Point {
            batch: batch.parse().map_err(|_| error("the batch is no number"))?,
            root: word(root, "the root is no digest")?,
            digest: word(digest, "the chain digest is none")?,
        }))
    }
}

/// What has been verified.
#[derive(Debug)]
struct Verified {
    /// Where the chain starts for us.
    base: Point,
    /// The last points behind it, in order.
    points: VecDeque<Point>,
    contradiction: Option<Contradiction>,
}

impl Verified {
    fn tip(&self) -> Point {
        self.points.back().copied().unwrap_or(self.base)
    }
}

/// The verified chain.
#[derive(Debug)]
pub(super) struct Chain {
    kernel: Word,
    verified: Mutex<Verified>,
}

impl Chain {
    /// Starts at `base`.
    pub(super) fn new(ground: &Ground, base: Point) -> Result<Self, LightError> {
        let kernel = kernel::program().hash();
        if kernel != ground.kernel {
            return Err(LightError::OtherKernel);
        }
        let points = VecDeque::new();
        let verified = Verified {
            base,
            points,
            contradiction: None,
        };
        Ok(Self {
            kernel,
            verified: Mutex::new(verified),
        })
    }

    fn verified(&self) -> MutexGuard<'_, Verified> {
        // Nothing that holds it can panic half-way through a change.
        self.verified.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last verified batch.
    pub(super) fn tip(&self) -> u64 {
        self.verified().tip().batch
    }

    /// What L1 says against the proofs.
    pub(super) fn contradiction(&self) -> Option<Contradiction> {
        self.verified().contradiction.clone()
    }

    /// The verified root after the last batch, or the one that was the last before it.
    pub(super) fn root(&self, batch: u64) -> Option<Word> {
        let verified = self.verified();
        let last = [verified.base].into_iter().chain(verified.points.iter().copied());
        let last = last.collect::<Vec<_>>();
        let recent = last.iter().rev().take(2).find(|point| point.batch == batch);
        recent.map(|point| point.root)
    }

    /// Verifies the next proof, if L1 has one that is not verified; whether it did.
    pub(super) async fn advance(
        &self,
        endpoints: &Endpoints,
        peers: &Peers,
        ground: &Ground,
    ) -> Result<bool, LightError> {
        let proven = endpoints.agreed()?.proven;
        let tip = self.settle_on(endpoints, proven).await?;
        let mut last = None;
        for batch in tip.batch + 1..=proven {
            if let Some(root) = endpoints.root(batch).await? {
                last = Some((batch, root));
                break;
            }
        }
        let Some((last, root)) = last else {
            self.verified().contradiction = None;
            return Ok(false);
        };
        let digest = endpoints.batch(last).await?.digest;
        let after = Point {
            batch: last,
            root,
            digest,
        };
        let first = tip.batch + 1;
        let mut asking = peers.asking(Request::Proof { first, last }, |heads| heads.proven.number, proven);
        while let Some((peer, body)) = asking.next().await? {
            match self.check(ground, &tip, &after, body).await {
                Ok(point) => {
                    info!(batch = point.batch, root = %hex_word(&point.root), "verified");
                    let mut verified = self.verified();
                    verified.contradiction = None;
                    verified.points.push_back(point);
                    if verified.points.len() > KEPT
                        && let Some(oldest) = verified.points.pop_front()
                    {
                        verified.base = oldest;
                    }
                    return Ok(true);
                }
                Err(Fault::Ours(LightError::Contradiction(found))) => {
                    self.contradict(found.clone());
                    return Err(LightError::Contradiction(found));
                }
                Err(fault) => asking.fault(peer, fault).await?,
            }
        }
        Err(asking.failure())
    }

    fn contradict(&self, found: Contradiction) {
        let mut verified = self.verified();
        if verified.contradiction.as_ref() != Some(&found) {
            warn!(%found, "L1 is contradicted");
        }
        verified.contradiction = Some(found);
    }

    /// The last verified point that L1 has too. After a reorganisation of L1 that is an earlier one; that the first is not there
    /// is a contradiction.
    async fn settle_on(&self, endpoints: &Endpoints, proven: u64) -> Result<Point, LightError> {
        loop {
            let tip = self.verified().tip();
            if tip.batch > proven {
                // An endpoint is behind, or L1 went back: what it has then is looked at when it has come as far.
                return Ok(tip);
            }
            let (root, digest) = (
                endpoints.root(tip.batch).await?,
                endpoints.batch(tip.batch).await?.digest,
            );
            if root == Some(tip.root) && digest == tip.digest {
                return Ok(tip);
            }
            if self.verified().points.pop_back().is_some() {
                warn!(batch = tip.batch, "L1 does not have what the proofs led to: going back");
                continue;
            }
            let (what, l1, proofs) = match root {
                Some(root) if root == tip.root => ("chain digest", hex_word(&digest), hex_word(&tip.digest)),
                Some(root) => ("state root", hex_word(&root), hex_word(&tip.root)),
                None => ("state root", "none".to_owned(), hex_word(&tip.root)),
            };
            let found = Contradiction {
                batch: tip.batch,
                what: what.to_owned(),
                l1,
                proofs,
            };
            self.contradict(found.clone());
            return Err(LightError::Contradiction(found));
        }
    }

    /// Checks an answer: a proof from `tip` to the point that L1 claims. Whoever sends a proof that verifies, of other data or
    /// from another point, has not lied: it, or our L1, is on another fork.
    async fn check(&self, ground: &Ground, tip: &Point, claimed: &Point, body: Vec<u8>) -> Result<Point, Fault> {
        let answer = ProofAnswer::from_bytes(&body).map_err(Wrong::from)?;
        drop(body);
        let (asked, found) = ((tip.batch + 1, claimed.batch), (answer.first(), answer.after.batch));
        if asked != found {
            return Err(Fault::Lie(Wrong::Range { asked, found }));
        }
        let (rollup, kernel) = (ground.rollup, self.kernel);
        let judged = tokio::task::spawn_blocking(move || {
            let verified = answer.verify(&rollup, kernel);
            verified.map(|_| (answer.before, answer.after))
        });
        // The verifier ends with an error on whatever it is given; if its thread ends otherwise, nothing was verified.
        let (before, after) = judged.await.map_err(|_| Fault::Ours(LightError::Ended))??;
        if before != *tip {
            return Err(Fault::Stale(format!(
                "its proof starts at another point after batch {} than the one that is verified here",
                tip.batch
            )));
        }
        if after.digest != claimed.digest {
            return Err(Fault::Stale(format!(
                "its proof is of other data: the chain digest after batch {} is {}, L1 has {}",
                after.batch,
                hex_word(&after.digest),
                hex_word(&claimed.digest)
            )));
        }
        if after.root != claimed.root {
            return Err(Fault::Ours(LightError::Contradiction(Contradiction {
                batch: after.batch,
                what: "state root".to_owned(),
                l1: hex_word(&claimed.root),
                proofs: hex_word(&after.root),
            })));
        }
        Ok(after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_are_texts() {
        let genesis = Point::genesis();
        let text = format!("0:{}:{}", hex_word(&genesis.root), hex_word(&genesis.digest));
        assert_eq!(text.parse(), Ok(Checkpoint(genesis)));
        let (root, high) = (hex_word(&genesis.root), format!("0x{}", "f".repeat(64)));
        let others = [
            String::new(),
            format!("0:{root}"),
            format!("-1:{root}:{root}"),
            format!("0:{root}:{root}:"),
            format!("0:{root}:{}", &root[..64]),
            format!("0:{root}:{high}"),
            format!("0:{}:{root}", &root[2..]),
        ];
        for other in others {
            assert!(other.parse::<Checkpoint>().is_err(), "{other}");
        }
    }
}
