//! Why a light node does not answer.

use std::fmt;

use serde::{Deserialize, Serialize};
use starling_p2p::network::StartError;

use crate::l1::L1Error;

/// What L1 endpoints say differently.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disagreement {
    /// What was asked.
    pub about: String,
    /// Each endpoint and what it says.
    pub said: Vec<(String, String)>,
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said: Vec<String> = self
            .said
            .iter()
            .map(|(url, what)| format!("{url} says {what}"))
            .collect();
        write!(f, "{}: {}", self.about, said.join(", "))
    }
}

/// A proof that verifies and leads elsewhere than L1 says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contradiction {
    /// The batch.
    pub batch: u64,
    /// State root or chain digest.
    pub what: String,
    /// What the endpoints say.
    pub l1: String,
    /// Where the proofs lead.
    pub proofs: String,
}

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            batch,
            what,
            l1,
            proofs,
        } = self;
        write!(
            f,
            "the {what} after batch {batch} is {l1} by L1, and {proofs} by proofs that verify"
        )
    }
}

/// Why there is no answer, or no node.
#[derive(Debug, thiserror::Error)]
pub enum LightError {
    /// L1 failed while the node started.
    #[error(transparent)]
    L1(#[from] L1Error),
    /// No endpoint was named.
    #[error("no L1 endpoint is named: give one with --l1, better two")]
    NoEndpoint,
    /// An endpoint's rollup is not that of the others.
    #[error("the {what} of the rollup is {found} by {url}, expected is {expected}: check --l1 and --rollup")]
    OtherRollup {
        /// The endpoint.
        url: String,
        /// What differs.
        what: &'static str,
        /// What the others say, or what it must be.
        expected: String,
        /// What it says.
        found: String,
    },
    /// The rollup runs another kernel than this program knows.
    #[error(
        "the rollup on L1 runs another kernel than this program: its proofs cannot be verified here; use the version that it was deployed with"
    )]
    OtherKernel,
    /// The network cannot start.
    #[error(transparent)]
    Network(#[from] StartError),
    /// Nothing can listen.
    #[error("nothing can listen at {at}: {source}; change --listen, or `rpc.listen` in the file")]
    Listen {
        /// The address.
        at: std::net::SocketAddr,
        /// What happened.
        source: std::io::Error,
    },
    /// No endpoint answers.
    #[error("no L1 endpoint answers: {0}")]
    Silent(String),
    /// The endpoints do not say the same.
    #[error("the L1 endpoints disagree, and nothing is answered until they do not: {0}")]
    Disagreement(Disagreement),
    /// L1's word is not what the proofs say.
    #[error("L1 is contradicted, and nothing is answered until it is not: {0}")]
    Contradiction(Contradiction),
    /// No peer gave an answer that holds.
    #[error(
        "no peer gave an answer that holds, {asked} were asked: {last}; name more with --peer, or in `p2p.bootstrap`"
    )]
    NoPeer {
        /// Answers that were asked for.
        asked: usize,
        /// What was wrong with the last one.
        last: String,
    },
    /// The batch is not on L1.
    #[error("batch {batch} is not on L1 yet: the last one there is {committed}")]
    NotCommitted {
        /// The batch.
        batch: u64,
        /// The last committed one.
        committed: u64,
    },
    /// Only whoever has the state can say.
    #[error(
        "{0} needs the state, which a light node does not keep: ask a full node, and check what it says with starling_account here"
    )]
    NeedsState(&'static str),
    /// The transaction was not published.
    #[error("the transaction was not passed on: {0}")]
    Publish(String),
    /// The transaction is refused.
    #[error("{0}")]
    Refused(String),
    /// The question is malformed.
    #[error("{0}")]
    Malformed(String),
    /// The network has ended.
    #[error("the network has ended: the node is shutting down")]
    Ended,
}
