//! The peers: introductions, scores, and leave-taking.

use std::collections::HashMap;
use std::time::Instant;

use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId};
use tracing::{debug, info};

use crate::address::Place;
use crate::conduct::Offence;
use crate::config::ms;
use crate::events::{Event, PeerInfo};
use crate::gossip::Arrival;
use crate::metrics::Closed;
use crate::quota::Bucket;
use crate::request::{Kind, Question};
use crate::service::Service;
use crate::status::Status;

/// A connection of a peer.
#[derive(Debug)]
pub(crate) struct Link {
    address: Multiaddr,
    outbound: bool,
}

/// A connected peer.
#[derive(Debug)]
pub(crate) struct Peer {
    links: HashMap<ConnectionId, Link>,
    since: Instant,
    /// What it said of itself. Without it, it is a stranger.
    pub(crate) status: Option<Status>,
    refreshed: Instant,
    /// When it is disconnected, if an answer is still on its way to it.
    closing: Option<Instant>,
    /// What it sent before it was introduced.
    pub(crate) held: Vec<Arrival>,
    /// Where it says that it listens.
    pub(crate) listens: Vec<Multiaddr>,
    /// What it may leave unread.
    slow: Bucket,
    /// How often it may say anew who it is.
    pub(crate) identified: Bucket,
}

impl Peer {
    pub(crate) fn is_outbound(&self) -> bool {
        self.links.values().any(|link| link.outbound)
    }

    fn address(&self) -> Option<&Multiaddr> {
        self.links.values().next().map(|link| &link.address)
    }

    /// Where one of its connections comes from.
    pub(crate) fn place(&self, link: ConnectionId) -> Option<Place> {
        self.links.get(&link).and_then(|link| Place::of(&link.address))
    }
}

impl Service {
    pub(crate) fn on_connected(&mut self, id: PeerId, link: ConnectionId, address: Multiaddr, outbound: bool) {
        let now = Instant::now();
        let slow = self.config.gossip.slow;
        let identified = self.config.quotas.status_requests;
        let peer = self.peers.entry(id).or_insert_with(|| Peer {
            links: HashMap::new(),
            since: now,
            status: None,
            refreshed: now,
            closing: None,
            held: Vec::new(),
            listens: Vec::new(),
            slow: Bucket::new(slow, now),
            identified: Bucket::new(identified, now),
        });
        peer.links.insert(link, Link { address, outbound });
        // Whoever dialled speaks first; the other answers.
        if outbound && peer.status.is_none() {
            self.introduce(id);
        }
    }

    pub(crate) fn on_disconnected(&mut self, id: PeerId, link: ConnectionId) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        peer.links.remove(&link);
        if !peer.links.is_empty() {
            return;
        }
        let Some(peer) = self.peers.remove(&id) else {
            return;
        };
        for arrival in peer.held {
            self.stranger(&arrival);
        }
        if peer.status.is_some() {
            self.metrics.peers.dec();
            self.notice(Event::Gone(id));
        }
    }

    /// Sends our status; the answer comes to [Service::on_status].
    pub(crate) fn introduce(&mut self, id: PeerId) {
        let status = Question::Status(Box::new(self.status()));
        self.swarm
            .behaviour_mut()
            .requests(Kind::Status)
            .send_request(&id, status);
    }

    /// Takes in what a peer says of itself. False if it belongs elsewhere.
    pub(crate) fn on_status(&mut self, id: PeerId, status: Status) -> bool {
        if status.genesis != self.genesis {
            info!(peer = %id, theirs = ?status.genesis, ours = ?self.genesis, "a peer of another network or kernel");
            return false;
        }
        let Some(peer) = self.peers.get_mut(&id) else {
            return true;
        };
        let first = peer.status.replace(status).is_none();
        peer.refreshed = Instant::now();
        let held = std::mem::take(&mut peer.held);
        if first {
            self.metrics.peers.inc();
        }
        if let Some(info) = self.info(&id) {
            self.notice(Event::Peer(Box::new(info)));
        }
        for arrival in held {
            self.on_arrival(arrival);
        }
        if first {
            self.publish_route(id);
        }
        true
    }

    /// Disconnects a peer in a second. It is getting an answer that says why, and an answer that a closing connection overtakes
    /// is never read.
    pub(crate) fn close_after_answer(&mut self, id: PeerId, reason: Closed) {
        self.metrics.close(reason).inc();
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.closing = Some(Instant::now() + ms(1_000));
        }
    }

    /// Disconnects a peer now.
    pub(crate) fn close(&mut self, id: PeerId, reason: Closed) {
        if self.peers.contains_key(&id) {
            debug!(peer = %id, ?reason, "disconnected");
            self.metrics.close(reason).inc();
            self.disconnect(id);
        }
    }

    fn disconnect(&mut self, id: PeerId) {
        // An error says that it is not connected, which is what we want.
        let _ = self.swarm.disconnect_peer_id(id);
    }

    // Scores
    // ------------------------------------------------------------------------------------------------------------

    /// Holds something against a peer, and draws the consequence.
    pub(crate) fn blame(&mut self, id: PeerId, offence: Offence) {
        let now = Instant::now();
        self.conducts.note(id, offence, now);
        self.judge(id, now);
    }

    /// The peer's score, with what we count ourselves brought up to date.
    fn score(&mut self, id: &PeerId, now: Instant) -> f64 {
        let points = self.conducts.points(id, now);
        let gossip = &mut self.swarm.behaviour_mut().gossip.gossip;
        gossip.set_application_score(id, points);
        gossip.peer_score(id).unwrap_or(0.0)
    }

    fn judge(&mut self, id: PeerId, now: Instant) {
        let score = self.score(&id, now);
        if score < self.config.score.ban && self.peers.contains_key(&id) {
            info!(peer = %id, score, "banned for its score");
            self.ban(id);
        }
    }

    /// Disconnects a peer and keeps it out.
    pub(crate) fn ban(&mut self, id: PeerId) {
        if self.bans.is_banned(&id) {
            return;
        }
        let now = Instant::now();
        let place = self.peers.get(&id).and_then(Peer::address).and_then(Place::of);
        let bad_place = self.bans.ban(id, place, now);
        self.metrics.bans.inc();
        self.close(id, Closed::Banned);
        let behaviour = self.swarm.behaviour_mut();
        behaviour.blocked.block_peer(id);
        behaviour.kad.remove_peer(&id);
        if let Some(place) = bad_place {
            info!(?place, "the address is banned: too many bad peers");
            self.metrics.address_bans.inc();
            self.swarm.behaviour_mut().gate.set_banned(place, true);
            let there = |peer: &Peer| peer.links.values().any(|link| Place::of(&link.address) == Some(place));
            let neighbours: Vec<PeerId> = self
                .peers
                .iter()
                .filter(|(_, peer)| there(peer))
                .map(|(id, _)| *id)
                .collect();
            for neighbour in neighbours {
                self.close(neighbour, Closed::Banned);
            }
        }
        self.metrics.banned.set(self.bans.counts().0 as u64);
    }

    // What time brings
    // ------------------------------------------------------------------------------------------------------------

    /// Looks at scores and lets in whose ban is over.
    pub(crate) fn look(&mut self, now: Instant) {
        for id in self.peers.keys().copied().collect::<Vec<_>>() {
            self.judge(id, now);
        }
        let ended = self.bans.look(now);
        for peer in ended.peers {
            self.conducts.forgive(&peer);
            if !self.config.block.contains(&peer) {
                self.swarm.behaviour_mut().blocked.unblock_peer(peer);
            }
        }
        for place in ended.places {
            self.swarm.behaviour_mut().gate.set_banned(place, false);
        }
        self.metrics.banned.set(self.bans.counts().0 as u64);
        let peers = &self.peers;
        self.conducts.tidy(|peer| peers.contains_key(peer), now);
        self.swarm.behaviour_mut().gate.tidy(now);
    }

    /// Disconnects strangers that stay strangers, and introduces us again to old friends.
    pub(crate) fn refresh(&mut self, now: Instant) {
        let (patience, pause) = (
            ms(self.config.connections.status_ms),
            ms(self.config.connections.refresh_ms),
        );
        let (mut silent, mut closing, mut old) = (Vec::new(), Vec::new(), Vec::new());
        for (id, peer) in &mut self.peers {
            if peer.closing.is_some_and(|at| at <= now) {
                closing.push(*id);
            } else if peer.status.is_none() && peer.since + patience <= now {
                silent.push(*id);
            } else if peer.status.is_some() && peer.is_outbound() && peer.refreshed + pause <= now {
                // Counted from here on, or a peer that does not answer is asked at every look.
                peer.refreshed = now;
                old.push(*id);
            }
        }
        for id in closing {
            self.disconnect(id);
        }
        for id in silent {
            self.close(id, Closed::Silent);
        }
        for id in old {
            self.introduce(id);
        }
    }

    /// A peer left messages unread.
    pub(crate) fn on_slow(&mut self, id: PeerId, unsent: usize) {
        self.metrics.unsent.inc_by(unsent as u64);
        let (rate, now) = (self.config.gossip.slow, Instant::now());
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        // One more than the whole bucket empties it for certain.
        let taken = unsent.min(rate.burst as usize + 1);
        if (0..taken).any(|_| peer.slow.take(rate, now).is_err()) {
            self.close(id, Closed::Slow);
            self.blame(id, Offence::Slow);
        }
    }

    // What the node sees
    // ------------------------------------------------------------------------------------------------------------

    /// What we know of an introduced peer.
    pub(crate) fn info(&mut self, id: &PeerId) -> Option<PeerInfo> {
        let score = self.score(id, Instant::now());
        let peer = self.peers.get(id)?;
        Some(PeerInfo {
            peer: *id,
            address: peer.address()?.clone(),
            outbound: peer.is_outbound(),
            status: peer.status?,
            score,
        })
    }

    pub(crate) fn infos(&mut self) -> Vec<PeerInfo> {
        let ids: Vec<PeerId> = self.peers.keys().copied().collect();
        ids.iter().filter_map(|id| self.info(id)).collect()
    }

    fn notice(&self, event: Event) {
        if !self.events.notice(event) {
            self.metrics.lost_notices.inc();
        }
    }
}
