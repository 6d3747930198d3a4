//! Our scores in gossipsub's words.
//!
//! What costs: invalid messages (P4), broken rules of the mesh (P7), and what [crate::conduct] counts (P5). What is not
//! used: time in the mesh and first deliveries (P1, P2), because nothing is earned where delivery cannot be demanded (P3); peers
//! at one address (P6), because a hard limit stands there; slow peers, which are disconnected instead of dragged along.

use libp2p::gossipsub::{
    PeerScoreParams, PeerScoreThresholds, TopicScoreParams, score_parameter_decay_with_base as decay,
};

use crate::config::{Config, ms};
use crate::genesis::Genesis;
use crate::message::Topic;

/// Below it, a counter is zero.
const DECAY_TO_ZERO: f64 = 0.1;

pub(crate) fn parameters(config: &Config, genesis: &Genesis) -> PeerScoreParams {
    let score = &config.score;
    let interval = ms(score.decay_ms);
    let factor = |seconds: u64| {
        // One step must neither forget everything nor nothing.
        let time = ms(seconds.saturating_mul(1_000)).max(interval);
        decay(time, interval, DECAY_TO_ZERO).clamp(0.01, 0.999_999)
    };
    let topics = Topic::ALL.into_iter().map(|topic| {
        let cost = match topic {
            Topic::Transactions => score.invalid_transaction,
            Topic::Blocks | Topic::Evidence | Topic::Proofs => score.invalid_other,
        };
        let parameters = TopicScoreParams {
            topic_weight: 1.0,
            time_in_mesh_weight: 0.0,
            first_message_deliveries_weight: 0.0,
            mesh_message_deliveries_weight: 0.0,
            mesh_failure_penalty_weight: 0.0,
            invalid_message_deliveries_weight: cost,
            invalid_message_deliveries_decay: factor(score.invalid_s),
            ..TopicScoreParams::default()
        };
        (genesis.topic(topic), parameters)
    });
    PeerScoreParams {
        topics: topics.collect(),
        topic_score_cap: 0.0,
        app_specific_weight: 1.0,
        ip_colocation_factor_weight: 0.0,
        behaviour_penalty_weight: score.behaviour,
        behaviour_penalty_threshold: score.behaviour_threshold,
        behaviour_penalty_decay: factor(score.behaviour_s),
        slow_peer_weight: 0.0,
        decay_interval: interval,
        decay_to_zero: DECAY_TO_ZERO,
        // Gossipsub keeps scores of the absent as they are. A ban pays for them, so they must be gone before it ends.
        retain_score: ms(config.bans.peer_ms / 2),
        ..PeerScoreParams::default()
    }
}

pub(crate) fn thresholds(config: &Config) -> PeerScoreThresholds {
    PeerScoreThresholds {
        gossip_threshold: config.score.gossip,
        publish_threshold: config.score.publish,
        graylist_threshold: config.score.graylist,
        // Peers are not exchanged in the mesh, and nobody's score is above zero.
        accept_px_threshold: 1.0,
        opportunistic_graft_threshold: 0.0,
    }
}
