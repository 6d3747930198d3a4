//! How a peer has behaved: what it has left of its quotas, and what it did wrong lately. It outlives connections, or
//! connecting anew would wipe it clean.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use libp2p::PeerId;

use crate::config::{Quotas, Score};
use crate::message::Topic;
use crate::quota::Bucket;
use crate::request::Kind;

/// Peers that are remembered without a connection; beyond it, those that did least are forgotten.
const REMEMBERED: usize = 4_096;

/// What a peer did wrong, outside of what gossip itself counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Offence {
    /// A request over its quota.
    OverQuota,
    /// Gossip frames over its quota.
    Frames(u32),
    /// A request or answer that is malformed, too large, or wrong.
    Malformed,
    /// It did not read what it was sent, gossip or an answer.
    Slow,
}

impl Offence {
    fn cost(self, score: &Score) -> f64 {
        match self {
            Self::OverQuota => score.over_quota,
            Self::Frames(frames) => score.frame * f64::from(frames),
            Self::Malformed => score.malformed,
            Self::Slow => score.slow,
        }
    }
}

/// One peer's conduct.
#[derive(Debug)]
struct Conduct {
    topics: [Bucket; Topic::ALL.len()],
    kinds: [Bucket; Kind::ALL.len()],
    /// What we have left of what it grants us.
    ours: [Bucket; Kind::ALL.len()],
    points: f64,
    at: Instant,
}

/// Everybody's.
#[derive(Debug)]
pub(crate) struct Conducts {
    quotas: Quotas,
    score: Score,
    peers: HashMap<PeerId, Conduct>,
}

impl Conducts {
    pub(crate) fn new(quotas: Quotas, score: Score) -> Self {
        Self {
            quotas,
            score,
            peers: HashMap::new(),
        }
    }

    /// Whether a new message of the peer is within its quota.
    pub(crate) fn may_send(&mut self, peer: PeerId, topic: Topic, now: Instant) -> bool {
        let rate = self.quotas.topic(topic);
        self.of(peer, now).topics[topic as usize].take(rate, now).is_ok()
    }

    /// Whether a request of the peer is within its quota.
    pub(crate) fn may_ask(&mut self, peer: PeerId, kind: Kind, now: Instant) -> bool {
        let rate = self.quotas.kind(kind);
        self.of(peer, now).kinds[kind as usize].take(rate, now).is_ok()
    }

    /// Whether we may ask the peer, or how long to wait.
    pub(crate) fn may_we_ask(&mut self, peer: PeerId, kind: Kind, now: Instant) -> Result<(), Duration> {
        let rate = self.quotas.kind(kind).share(self.quotas.own_share);
        self.of(peer, now).ours[kind as usize].take(rate, now)
    }

    /// Notes what the peer did.
    pub(crate) fn note(&mut self, peer: PeerId, offence: Offence, now: Instant) {
        let cost = offence.cost(&self.score);
        let half_life = self.score.half_life_s;
        let conduct = self.of(peer, now);
        conduct.decay(half_life, now);
        conduct.points += cost;
    }

    /// The peer's points, zero or below.
    pub(crate) fn points(&mut self, peer: &PeerId, now: Instant) -> f64 {
        let half_life = self.score.half_life_s;
        self.peers.get_mut(peer).map_or(0.0, |conduct| {
            conduct.decay(half_life, now);
            conduct.points
        })
    }

    /// A ban pays for everything.
    pub(crate) fn forgive(&mut self, peer: &PeerId) {
        if let Some(conduct) = self.peers.get_mut(peer) {
            conduct.points = 0.0;
        }
    }

    /// Forgets peers that are not connected and did nothing worth remembering.
    pub(crate) fn tidy(&mut self, connected: impl Fn(&PeerId) -> bool, now: Instant) {
        let (half_life, quotas) = (self.score.half_life_s, &self.quotas);
        self.peers.retain(|peer, conduct| {
            conduct.decay(half_life, now);
            connected(peer) || conduct.points < -0.5 || !conduct.is_rested(quotas, now)
        });
        if self.peers.len() > REMEMBERED {
            let mut absent: Vec<(f64, PeerId)> = self
                .peers
                .iter()
                .filter(|(peer, _)| !connected(peer))
                .map(|(peer, conduct)| (conduct.points, *peer))
                .collect();
            absent.sort_by(|a, b| b.0.total_cmp(&a.0));
            for (_, peer) in absent.into_iter().take(self.peers.len() - REMEMBERED) {
                self.peers.remove(&peer);
            }
        }
    }

    fn of(&mut self, peer: PeerId, now: Instant) -> &mut Conduct {
        let quotas = &self.quotas;
        self.peers.entry(peer).or_insert_with(|| Conduct {
            topics: Topic::ALL.map(|topic| Bucket::new(quotas.topic(topic), now)),
            kinds: Kind::ALL.map(|kind| Bucket::new(quotas.kind(kind), now)),
            ours: Kind::ALL.map(|kind| Bucket::new(quotas.kind(kind).share(quotas.own_share), now)),
            points: 0.0,
            at: now,
        })
    }
}

impl Conduct {
    fn decay(&mut self, half_life_s: u64, now: Instant) {
        let elapsed = now.saturating_duration_since(self.at).as_secs_f64();
        self.points *= 0.5_f64.powf(elapsed / (half_life_s.max(1) as f64));
        self.at = now;
    }

    fn is_rested(&mut self, quotas: &Quotas, now: Instant) -> bool {
        let Self { topics, kinds, .. } = self;
        let mut full = true;
        for (topic, bucket) in Topic::ALL.into_iter().zip(topics) {
            full &= bucket.is_full(quotas.topic(topic), now);
        }
        for (kind, bucket) in Kind::ALL.into_iter().zip(kinds) {
            full &= bucket.is_full(quotas.kind(kind), now);
        }
        full
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_halve_and_small_ones_are_forgotten() {
        let (start, peer) = (Instant::now(), PeerId::random());
        let mut conducts = Conducts::new(Quotas::default(), Score::default());
        conducts.note(peer, Offence::Malformed, start);
        conducts.note(peer, Offence::Frames(100), start);
        let later = start + Duration::from_secs(Score::default().half_life_s);
        assert!((conducts.points(&peer, later) + 10.0).abs() < 1e-6);
        conducts.tidy(|_| false, later);
        assert_eq!(conducts.peers.len(), 1);
        conducts.tidy(|_| false, later + Duration::from_secs(3_600));
        assert!(conducts.peers.is_empty());
    }

    #[test]
    fn we_ask_less_than_we_grant() {
        let (start, peer) = (Instant::now(), PeerId::random());
        let mut conducts = Conducts::new(Quotas::default(), Score::default());
        let mut grant = 0;
        while conducts.may_ask(peer, Kind::Proof, start) {
            grant += 1;
        }
        let mut own = 0;
        while conducts.may_we_ask(peer, Kind::Proof, start).is_ok() {
            own += 1;
        }
        assert!(own < grant && own > 0, "{own} {grant}");
    }
}
