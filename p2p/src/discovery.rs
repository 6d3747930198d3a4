//! Finding peers: those we are told of first, then whom they know.

use std::time::Instant;

use libp2p::multiaddr::Protocol;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::{Multiaddr, PeerId, identify, kad};
use tracing::{debug, warn};

use crate::address::Place;
use crate::conduct::Offence;
use crate::config::ms;
use crate::metrics::Closed;
use crate::names::{self, Beginning, NameError};
use crate::request::Kind;
use crate::service::Service;

/// The peer that an address ends with.
pub(crate) fn peer_of(address: &Multiaddr) -> Option<PeerId> {
    match address.iter().last() {
        Some(Protocol::P2p(peer)) => Some(peer),
        _ => None,
    }
}

impl Service {
    /// Dials bootstrap peers that are not there, and looks for others while we have too few.
    pub(crate) fn discover(&mut self, now: Instant) {
        if self
            .discovered
            .is_some_and(|at| now < at + ms(self.config.discovery.interval_ms))
        {
            return;
        }
        self.discovered = Some(now);
        let outbound = self.peers.values().filter(|peer| peer.is_outbound()).count();
        for address in self.config.bootstrap.clone() {
            let known = peer_of(&address).is_some_and(|peer| self.peers.contains_key(&peer) || peer == self.peer);
            if !known {
                self.dial(address);
            }
        }
        if !self.config.discovery.enabled || outbound >= self.config.discovery.outbound_target {
            return;
        }
        self.swarm.behaviour_mut().kad.get_closest_peers(PeerId::random());
    }

    /// Dials an address, once its name is resolved if it has one; a peer that is connected or being dialled is left alone.
    pub(crate) fn dial(&mut self, address: Multiaddr) {
        match names::beginning(&address) {
            Beginning::Name(..) if self.resolving.insert(address.clone()) => {
                self.resolved.spawn(async move {
                    let found = names::resolve(&address).await;
                    (address, found)
                });
            }
            // The resolver has its own patience.
            Beginning::Name(..) => {}
            Beginning::Ip | Beginning::Other => self.dial_any(peer_of(&address), vec![address]),
        }
    }

    /// Dials what a name was resolved to.
    pub(crate) fn on_resolved(&mut self, address: Multiaddr, found: Result<Vec<Multiaddr>, NameError>) {
        self.resolving.remove(&address);
        match found {
            Ok(found) => {
                self.unresolved.remove(&address);
                self.dial_any(peer_of(&address), found);
            }
            // Once: it is tried again and again.
            Err(error) if self.unresolved.insert(address.clone()) => warn!(%address, %error, "a peer is not dialled"),
            Err(error) => debug!(%address, %error, "a peer is not dialled"),
        }
    }

    /// Dials a peer at one of these addresses, or whoever is at the first.
    fn dial_any(&mut self, peer: Option<PeerId>, addresses: Vec<Multiaddr>) {
        let Some(first) = addresses.first().cloned() else {
            return;
        };
        let options = match peer {
            Some(peer) => DialOpts::peer_id(peer)
                .condition(PeerCondition::DisconnectedAndNotDialing)
                .addresses(addresses)
                .build(),
            None => DialOpts::unknown_peer_id().address(first.clone()).build(),
        };
        if let Err(error) = self.swarm.dial(options) {
            debug!(address = %first, %error, "not dialled");
        }
    }

    pub(crate) fn on_kad(&mut self, event: kad::Event) {
        let kad::Event::OutboundQueryProgressed {
            result: kad::QueryResult::GetClosestPeers(result),
            ..
        } = event
        else {
            return;
        };
        let found = match result {
            Ok(found) => found.peers,
            Err(kad::GetClosestPeersError::Timeout { peers, .. }) => peers,
        };
        let outbound = self.peers.values().filter(|peer| peer.is_outbound()).count();
        let wanted = self.config.discovery.outbound_target.saturating_sub(outbound);
        let strangers = found
            .into_iter()
            .filter(|found| !self.peers.contains_key(&found.peer_id) && found.peer_id != self.peer)
            .filter(|found| !self.bans.is_banned(&found.peer_id))
            .take(wanted)
            .collect::<Vec<_>>();
        for found in strangers {
            let addresses = self.believable(found.addrs);
            self.dial_any(Some(found.peer_id), addresses);
        }
    }

    pub(crate) fn on_identify(&mut self, event: identify::Event) {
        let identify::Event::Received { peer_id, info, .. } = event else {
            return;
        };
        if !info.protocols.contains(&self.genesis.protocol(Kind::Status)) {
            debug!(peer = %peer_id, agent = info.agent_version, "speaks another version or of another rollup");
            return self.close(peer_id, Closed::Version);
        }
        let addresses = self.believable(info.listen_addrs);
        let rate = self.config.quotas.status_requests;
        let Some(peer) = self.peers.get_mut(&peer_id) else {
            return;
        };
        if peer.identified.take(rate, Instant::now()).is_err() {
            return self.blame(peer_id, Offence::OverQuota);
        }
        peer.listens = addresses;
        self.publish_route(peer_id);
    }

    /// Puts an introduced peer into the table that others ask us for.
    pub(crate) fn publish_route(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get(&id) else {
            return;
        };
        if peer.status.is_none() {
            return;
        }
        let kad = &mut self.swarm.behaviour_mut().kad;
        // What it said before may be wrong by now, and must not pile up.
        kad.remove_peer(&id);
        for address in &peer.listens {
            kad.add_address(&id, address.clone());
        }
    }

    fn believable(&self, addresses: Vec<Multiaddr>) -> Vec<Multiaddr> {
        let settings = &self.config.discovery;
        let believable =
            |address: &Multiaddr| Place::of(address).is_some_and(|place| settings.private || place.is_public());
        addresses
            .into_iter()
            .filter(believable)
            .take(settings.addresses)
            .collect()
    }
}
