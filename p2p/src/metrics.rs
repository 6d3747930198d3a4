//! Numbers for whoever watches the network.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::message::Topic;
use crate::request::Kind;

/// A gauge of whole numbers.
pub type Number = Gauge<u64, AtomicU64>;

/// What became of a message that somebody sent us, duplicates not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Fate {
    /// Forwarded.
    Accepted,
    /// Rejected by the node.
    Rejected,
    /// Ignored by the node.
    Ignored,
    /// Rejected here: it is not well formed.
    Malformed,
    /// Ignored: the node gave no verdict in time.
    Expired,
    /// Ignored: the peer was over its quota.
    OverQuota,
    /// Ignored: a queue was full.
    QueueFull,
    /// Ignored: the peer was not introduced.
    Stranger,
}

impl Fate {
    const ALL: [Self; 8] = [
        Self::Accepted,
        Self::Rejected,
        Self::Ignored,
        Self::Malformed,
        Self::Expired,
        Self::OverQuota,
        Self::QueueFull,
        Self::Stranger,
    ];
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Served {
    /// Handed to the node.
    Asked,
    /// Refused: over quota.
    OverQuota,
    /// Refused: too much to do.
    Busy,
    /// Not read: malformed or too large.
    Malformed,
    /// Not answered, or not in time.
    Unanswered,
}

impl Served {
    const ALL: [Self; 5] = [
        Self::Asked,
        Self::OverQuota,
        Self::Busy,
        Self::Malformed,
        Self::Unanswered,
    ];
}

/// Why we closed a connection or refused it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Closed {
    /// A limit of connections, ours or an address's.
    Limit,
    /// Another network, another kernel.
    Genesis,
    /// It speaks none of our protocols.
    Version,
    /// It did not introduce itself in time.
    Silent,
    /// It did not read.
    Slow,
    /// Its score.
    Banned,
}

impl Closed {
    const ALL: [Self; 6] = [
        Self::Limit,
        Self::Genesis,
        Self::Version,
        Self::Silent,
        Self::Slow,
        Self::Banned,
    ];
}

/// `topic` and `fate`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct MessageLabel {
    /// The topic's name.
    pub topic: &'static str,
    /// What became of the message.
    pub fate: Fate,
}

/// `kind` and `outcome`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabel {
    /// The protocol's name.
    pub kind: &'static str,
    /// What became of the request.
    pub outcome: Served,
}

/// `reason`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ClosedLabel {
    /// Why.
    pub reason: Closed,
}

/// The network's metrics. Copies count together.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// Introduced peers.
    pub peers: Number,
    /// Messages from others.
    pub messages: Family<MessageLabel, Counter>,
    /// Messages that wait for verdicts.
    pub undecided: Number,
    /// Verdicts that came too late, or twice.
    pub late_verdicts: Counter,
    /// Messages that could not be sent to a peer in time.
    pub unsent: Counter,
    /// Gossip frames over quota.
    pub frames_over_quota: Counter,
    /// Requests of others.
    pub requests: Family<RequestLabel, Counter>,
    /// Requests that are being answered.
    pub serving: Number,
    /// Connections that we closed or refused.
    pub closed: Family<ClosedLabel, Counter>,
    /// Bans of peers.
    pub bans: Counter,
    /// Bans of addresses.
    pub address_bans: Counter,
    /// Peers that are banned now.
    pub banned: Number,
    /// Notices about peers that the node did not take.
    pub lost_notices: Counter,
}

impl Metrics {
    /// Registers them under `p2p`.
    pub(crate) fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("p2p");
        registry.register("peers", "Introduced peers", self.peers.clone());
        registry.register("messages", "Messages from others, by fate", self.messages.clone());
        let help = "Messages that wait for verdicts";
        registry.register("undecided_messages", help, self.undecided.clone());
        let help = "Verdicts that came too late or twice";
        registry.register("late_verdicts", help, self.late_verdicts.clone());
        let help = "Messages that could not be sent to a peer in time";
        registry.register("unsent_messages", help, self.unsent.clone());
        let help = "Gossip frames over a peer's quota";
        registry.register("frames_over_quota", help, self.frames_over_quota.clone());
        registry.register("requests", "Requests of others, by outcome", self.requests.clone());
        let help = "Requests that are being answered";
        registry.register("serving_requests", help, self.serving.clone());
        let help = "Connections closed or refused, by reason";
        registry.register("closed_connections", help, self.closed.clone());
        registry.register("bans", "Bans of peers", self.bans.clone());
        registry.register("address_bans", "Bans of addresses", self.address_bans.clone());
        registry.register("banned_peers", "Peers that are banned now", self.banned.clone());
        let help = "Notices about peers that the node did not take";
        registry.register("lost_notices", help, self.lost_notices.clone());
        // All stand at 0 from the start.
        for (topic, fate) in Topic::ALL
            .into_iter()
            .flat_map(|topic| Fate::ALL.map(|fate| (topic, fate)))
        {
            drop(self.message(topic, fate));
        }
        for (kind, outcome) in Kind::ALL
            .into_iter()
            .flat_map(|kind| Served::ALL.map(|outcome| (kind, outcome)))
        {
            drop(self.request(kind, outcome));
        }
        for reason in Closed::ALL {
            drop(self.close(reason));
        }
    }

    /// The counter of a topic's messages with a fate.
    pub fn message(&self, topic: Topic, fate: Fate) -> Counter {
        let topic = topic.name();
        self.messages.get_or_create_owned(&MessageLabel { topic, fate })
    }

    /// The counter of a protocol's requests with an outcome.
    pub fn request(&self, kind: Kind, outcome: Served) -> Counter {
        let kind = kind.name();
        self.requests.get_or_create_owned(&RequestLabel { kind, outcome })
    }

    /// The counter of connections closed for a reason.
    pub fn close(&self, reason: Closed) -> Counter {
        self.closed.get_or_create_owned(&ClosedLabel { reason })
    }
}
