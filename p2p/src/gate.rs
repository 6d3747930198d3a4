//! Who may connect from where: addresses that are banned, hold too many connections, or open them too fast.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::task::{Context, Poll};
use std::time::Instant;

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
    dummy,
};
use libp2p::{Multiaddr, PeerId};

use crate::address::Place;
use crate::config::Connections;
use crate::quota::{Bucket, Rate};

/// Why a connection is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("the address is banned")]
    Banned,
    #[error("the address has its {limit} connections")]
    Full { limit: usize },
    #[error("the address connects too often")]
    Fast,
}

/// Counts connections by [Place]. Addresses that name no IP address are not limited; our transports have none.
pub(crate) struct Gate {
    limit: usize,
    rate: Rate,
    places: HashMap<ConnectionId, Place>,
    counts: HashMap<Place, usize>,
    arrivals: HashMap<Place, Bucket>,
    banned: HashSet<Place>,
}

impl Gate {
    pub(crate) fn new(connections: &Connections) -> Self {
        Self {
            limit: connections.per_address,
            rate: connections.per_address_rate,
            places: HashMap::new(),
            counts: HashMap::new(),
            arrivals: HashMap::new(),
            banned: HashSet::new(),
        }
    }

    /// Keeps an address out, or lets it in again. Connections that stand are the caller's business.
    pub(crate) fn set_banned(&mut self, place: Place, banned: bool) {
        if banned {
            self.banned.insert(place);
        } else {
            self.banned.remove(&place);
        }
    }

    /// Forgets addresses that have rested.
    pub(crate) fn tidy(&mut self, now: Instant) {
        let rate = self.rate;
        self.arrivals.retain(|_, bucket| !bucket.is_full(rate, now));
    }

    fn enter(&mut self, connection: ConnectionId, place: Place) -> Result<(), Refused> {
        if self.banned.contains(&place) {
            return Err(Refused::Banned);
        }
        let count = self.counts.entry(place).or_insert(0);
        if *count >= self.limit {
            return Err(Refused::Full { limit: self.limit });
        }
        if self.places.insert(connection, place).is_none() {
            *count += 1;
        }
        Ok(())
    }

    fn leave(&mut self, connection: ConnectionId) {
        let Some(place) = self.places.remove(&connection) else {
            return;
        };
        if let Some(count) = self.counts.get_mut(&place) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.counts.remove(&place);
            }
        }
    }
}

impl NetworkBehaviour for Gate {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        let Some(place) = Place::of(remote) else {
            return Ok(());
        };
        let (rate, now) = (self.rate, Instant::now());
        let arrivals = self.arrivals.entry(place).or_insert_with(|| Bucket::new(rate, now));
        if arrivals.take(rate, now).is_err() {
            return Err(ConnectionDenied::new(Refused::Fast));
        }
        self.enter(connection, place).map_err(ConnectionDenied::new)
    }

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        _: PeerId,
        remote: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        if let Some(place) = Place::of(remote) {
            self.enter(connection, place).map_err(ConnectionDenied::new)?;
        }
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionClosed(closed) => self.leave(closed.connection_id),
            FromSwarm::ListenFailure(failure) => self.leave(failure.connection_id),
            FromSwarm::DialFailure(failure) => self.leave(failure.connection_id),
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Infallible, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}
