//! Limits by topic and by kind of request.

use crate::config::{Gossip, Queues, Quotas, Sync};
use crate::message::Topic;
use crate::quota::Rate;
use crate::request::Kind;
use crate::status::Status;

impl Gossip {
    /// The size limit of a topic's messages, topic name and framing included.
    pub fn bytes(&self, topic: Topic) -> usize {
        match topic {
            Topic::Transactions => self.transaction_bytes,
            Topic::Blocks => self.block_bytes,
            Topic::Evidence => self.evidence_bytes,
            Topic::Proofs => self.proof_bytes,
        }
    }

    /// The largest frame: the largest message, and what the reader may already have of the next frame.
    pub(crate) fn frame_bytes(&self) -> usize {
        let message = Topic::ALL.into_iter().map(|topic| self.bytes(topic)).max();
        message.unwrap_or(0) + self.control_bytes + 16 * 1024
    }
}

impl Sync {
    /// The size limit of an answer.
    pub fn bytes(&self, kind: Kind) -> usize {
        match kind {
            Kind::Status => Status::BYTES,
            Kind::Blocks => self.blocks_bytes,
            Kind::Batch => self.batch_bytes,
            Kind::Proof => self.proof_bytes,
            Kind::Account | Kind::Operation => self.state_bytes,
        }
    }
}

impl Quotas {
    /// The quota of a topic.
    pub fn topic(&self, topic: Topic) -> Rate {
        match topic {
            Topic::Transactions => self.transactions,
            Topic::Blocks => self.blocks,
            Topic::Evidence => self.evidence,
            Topic::Proofs => self.proofs,
        }
    }

    /// The quota of a request protocol.
    pub fn kind(&self, kind: Kind) -> Rate {
        match kind {
            Kind::Status => self.status_requests,
            Kind::Blocks => self.blocks_requests,
            Kind::Batch => self.batch_requests,
            Kind::Proof => self.proof_requests,
            Kind::Account => self.account_requests,
            Kind::Operation => self.operation_requests,
        }
    }
}

impl Queues {
    /// The place of a topic's messages.
    pub fn topic(&self, topic: Topic) -> usize {
        match topic {
            Topic::Transactions => self.transactions,
            Topic::Blocks => self.blocks,
            Topic::Evidence => self.evidence,
            Topic::Proofs => self.proofs,
        }
    }
}
