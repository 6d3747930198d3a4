//! Settings that cannot work together.

use libp2p::Multiaddr;

use crate::config::Config;
use crate::message::Topic;
use crate::names::{Beginning, beginning};
use crate::quota::Rate;
use crate::request::Kind;

/// A setting that cannot work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("p2p.{field} {problem}")]
pub struct ConfigError {
    /// The field to change.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: String,
}

impl Config {
    /// Checks what the fields' types do not say.
    ///
    /// # Errors
    /// With the first field that cannot work.
    pub fn check(&self) -> Result<(), ConfigError> {
        let Self {
            connections,
            gossip,
            sync,
            quotas,
            score,
            bans,
            queues,
            ..
        } = self;
        let require = |holds: bool, field: &'static str, problem: &str| {
            let problem = problem.to_owned();
            if holds {
                Ok(())
            } else {
                Err(ConfigError { field, problem })
            }
        };
        let named = |address: &Multiaddr| crate::discovery::peer_of(address).is_some();
        require(
            self.bootstrap.iter().all(named),
            "bootstrap",
            "needs /p2p/<peer id> at every address's end",
        )?;
        let dialled = |address: &Multiaddr| beginning(address) != Beginning::Other;
        require(
            self.bootstrap.iter().all(dialled),
            "bootstrap",
            "needs addresses that begin with /ip4, /ip6, /dns, /dns4 or /dns6",
        )?;
        let ip = |address: &Multiaddr| beginning(address) == Beginning::Ip;
        require(
            self.listen.iter().all(ip),
            "listen",
            "needs addresses that begin with /ip4 or /ip6",
        )?;
        require(
            self.external.iter().all(ip),
            "external",
            "needs addresses that begin with /ip4 or /ip6: peers resolve no names that others tell them",
        )?;
        require(
            self.discovery.outbound_target <= connections.outbound as usize,
            "discovery.outbound_target",
            "is above connections.outbound",
        )?;
        require(
            connections.streams >= 32,
            "connections.streams",
            "is below 32: gossip and requests would starve each other",
        )?;
        require(
            (gossip.mesh_outbound <= gossip.mesh_low && gossip.mesh_low <= gossip.mesh)
                && gossip.mesh <= gossip.mesh_high
                && 2 * gossip.mesh_outbound <= gossip.mesh,
            "gossip.mesh",
            "does not lie between mesh_low and mesh_high, or mesh_outbound is above half of it",
        )?;
        require(
            22 * gossip.control_ids + 200 <= gossip.control_bytes,
            "gossip.control_ids",
            "is too large: 22 bytes each and 200 more must fit into control_bytes",
        )?;
        require(
            gossip.verdict_ms
                < gossip
                    .heartbeat_ms
                    .saturating_mul(gossip.history.saturating_sub(1) as u64),
            "gossip.verdict_ms",
            "is not below heartbeat_ms times (history - 1): the message would be gone before its verdict",
        )?;
        require(gossip.heartbeat_ms >= 100, "gossip.heartbeat_ms", "is below 100")?;
        let smallest = Topic::ALL.into_iter().map(|topic| gossip.bytes(topic)).min();
        require(
            smallest.unwrap_or(0) >= 400,
            "gossip.transaction_bytes",
            "or another topic's size is below 400: a transaction and its topic's name would not fit",
        )?;
        require(sync.tries >= 1, "sync.tries", "is 0")?;
        require(
            (1..=sync.serving).contains(&sync.serving_address),
            "sync.serving_address",
            "is 0 or above sync.serving: one address could take every place",
        )?;
        require(
            quotas.own_share > 0.0 && quotas.own_share <= 1.0,
            "quotas.own_share",
            "is not above 0 and at most 1",
        )?;
        let kinds = Kind::ALL.into_iter().map(|kind| quotas.kind(kind));
        let topics = Topic::ALL.into_iter().map(|topic| quotas.topic(topic));
        let others = [quotas.frames, connections.per_address_rate, gossip.slow];
        let possible = |rate: Rate| rate.per_second.is_finite() && rate.per_second >= 0.0 && rate.burst > 0;
        require(
            kinds.chain(topics).chain(others).all(possible),
            "quotas",
            "or another rate is below 0, no number, or has a burst of 0",
        )?;
        require(
            score.graylist <= score.publish && score.publish <= score.gossip && score.gossip <= 0.0,
            "score.graylist",
            "is not below publish, or publish not below gossip, or gossip above 0",
        )?;
        require(
            score.graylist <= score.ban && score.ban < 0.0,
            "score.ban",
            "is below graylist, where nothing is read that could cost more, or not below 0",
        )?;
        let costs = [
            score.invalid_transaction,
            score.invalid_other,
            score.behaviour,
            score.over_quota,
            score.frame,
            score.malformed,
            score.slow,
        ];
        require(
            costs.iter().all(|cost| *cost <= 0.0),
            "score",
            "has a cost above 0: costs are negative",
        )?;
        require(score.decay_ms >= 1_000, "score.decay_ms", "is below 1000")?;
        require(
            bans.peer_ms >= 4 * score.decay_ms,
            "bans.peer_ms",
            "is below four times score.decay_ms: the score would outlive the ban",
        )?;
        let lengths = [
            queues.transactions,
            queues.blocks,
            queues.evidence,
            queues.proofs,
            queues.requests,
            queues.peers,
            queues.commands,
        ];
        require(lengths.iter().all(|length| *length > 0), "queues", "has a length of 0")
    }
}
