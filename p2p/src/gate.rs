//! Who may connect from where: addresses that are banned, hold too many connections, or open them too fast.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::task::{Context, Poll};
use std::time::Instant;

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::multiaddr::Protocol;
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
    #[error("{limit} handshakes are under way already")]
    Busy { limit: u32 },
    #[error("the address has its {limit} connections")]
    Full { limit: usize },
    #[error("the address connects too often")]
    Fast,
}

/// An inbound handshake that is under way.
#[derive(Clone, Copy, Debug)]
struct Handshake {
    quic: bool,
    place: Option<Place>,
}

impl Handshake {
    fn of(remote: &Multiaddr) -> Self {
        Self {
            quic: remote.iter().any(|part| part == Protocol::QuicV1),
            place: Place::of(remote),
        }
    }
}

/// Counts connections by [Place]. Addresses that name no IP address are not limited; our transports have none.
///
/// Whoever opens a TCP connection has answered at its address. The first packet of QUIC comes from whatever address its sender
/// wrote into it, and libp2p has no way to ask for an answer first. So before a QUIC handshake is done, nothing is held against
/// its address but that the handshake is under way, and QUIC's handshakes have places of their own.
pub(crate) struct Gate {
    limit: usize,
    rate: Rate,
    pending_tcp: u32,
    pending_quic: u32,
    pending: HashMap<ConnectionId, Handshake>,
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
            pending_tcp: connections.pending_inbound,
            pending_quic: connections.pending_quic,
            pending: HashMap::new(),
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

    /// Begins a handshake, if there is room for it.
    fn knock(&mut self, connection: ConnectionId, remote: &Multiaddr, now: Instant) -> Result<(), Refused> {
        let handshake = Handshake::of(remote);
        if handshake.place.is_some_and(|place| self.banned.contains(&place)) {
            return Err(Refused::Banned);
        }
        let limit = if handshake.quic {
            self.pending_quic
        } else {
            self.pending_tcp
        };
        let alike = |other: &&Handshake| other.quic == handshake.quic;
        if self.pending.values().filter(alike).count() >= limit as usize {
            return Err(Refused::Busy { limit });
        }
        if let Some(place) = handshake.place {
            if handshake.quic {
                self.may_knock(place, now)?;
            } else {
                self.arrive(connection, place, now)?;
            }
        }
        self.pending.insert(connection, handshake);
        Ok(())
    }

    /// Whether an address that somebody wrote into a packet may begin a handshake. Takes nothing from it: what counts is what was
    /// done from there before, and what is under way.
    fn may_knock(&self, place: Place, now: Instant) -> Result<(), Refused> {
        let here = |other: &&Handshake| other.quic && other.place == Some(place);
        let standing = self.counts.get(&place).copied().unwrap_or(0);
        if standing.max(self.pending.values().filter(here).count()) >= self.limit {
            return Err(Refused::Full { limit: self.limit });
        }
        let arrivals = self.arrivals.get(&place).copied();
        if arrivals.is_some_and(|mut copy| copy.take(self.rate, now).is_err()) {
            return Err(Refused::Fast);
        }
        Ok(())
    }

    /// Takes in a connection whose other end has answered at its address.
    fn arrive(&mut self, connection: ConnectionId, place: Place, now: Instant) -> Result<(), Refused> {
        let rate = self.rate;
        let arrivals = self.arrivals.entry(place).or_insert_with(|| Bucket::new(rate, now));
        if arrivals.take(rate, now).is_err() {
            return Err(Refused::Fast);
        }
        self.enter(connection, place)
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

    /// Forgets a connection, or a handshake that came to nothing. One that was never taken in is no error.
    fn leave(&mut self, connection: ConnectionId) {
        self.pending.remove(&connection);
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
        self.knock(connection, remote, Instant::now())
            .map_err(ConnectionDenied::new)
    }

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.pending.remove(&connection);
        if let Handshake {
            quic: true,
            place: Some(place),
        } = Handshake::of(remote)
        {
            self.arrive(connection, place, Instant::now())
                .map_err(ConnectionDenied::new)?;
        }
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

#[cfg(test)]
mod tests {
    use libp2p::core::ConnectedPoint;
    use libp2p::swarm::ListenError;
    use libp2p::swarm::behaviour::{ConnectionClosed, ListenFailure};

    use super::*;

    const TCP: &str = "/ip4/1.2.3.4/tcp/9";
    const QUIC: &str = "/ip4/1.2.3.4/udp/9/quic-v1";

    /// The gate, and the connections that were made so far.
    struct World {
        gate: Gate,
        made: usize,
    }

    impl World {
        fn new(connections: Connections) -> Self {
            let gate = Gate::new(&connections);
            Self { gate, made: 0 }
        }

        fn knock(&mut self, remote: &str) -> Result<ConnectionId, Refused> {
            self.made += 1;
            let (id, remote) = (ConnectionId::new_unchecked(self.made), remote.parse().unwrap());
            let outcome = self.gate.handle_pending_inbound_connection(id, &remote, &remote);
            outcome.map(|()| id).map_err(|cause| cause.downcast().unwrap())
        }

        fn establish(&mut self, id: ConnectionId, remote: &str) -> Result<(), Refused> {
            let remote = remote.parse().unwrap();
            let outcome = self
                .gate
                .handle_established_inbound_connection(id, PeerId::random(), &remote, &remote);
            outcome.map(|_| ()).map_err(|cause| cause.downcast().unwrap())
        }

        fn fail(&mut self, id: ConnectionId, remote: &str) {
            let remote = remote.parse().unwrap();
            self.gate.on_swarm_event(FromSwarm::ListenFailure(ListenFailure {
                local_addr: &remote,
                send_back_addr: &remote,
                error: &ListenError::Aborted,
                connection_id: id,
                peer_id: None,
            }));
        }

        fn close(&mut self, id: ConnectionId, remote: &str) {
            let remote: Multiaddr = remote.parse().unwrap();
            self.gate.on_swarm_event(FromSwarm::ConnectionClosed(ConnectionClosed {
                peer_id: PeerId::random(),
                connection_id: id,
                endpoint: &ConnectedPoint::Listener {
                    local_addr: remote.clone(),
                    send_back_addr: remote,
                },
                cause: None,
                remaining_established: 0,
            }));
        }

        fn is_empty(&self) -> bool {
            let Gate {
                pending,
                places,
                counts,
                ..
            } = &self.gate;
            pending.is_empty() && places.is_empty() && counts.is_empty()
        }
    }

    #[test]
    fn handshakes_of_quic_leave_those_of_tcp_their_places() {
        let mut world = World::new(Connections {
            pending_inbound: 2,
            pending_quic: 3,
            per_address: 100,
            per_address_rate: Rate::new(0.0, 100),
            ..Connections::default()
        });
        assert!((0..3).all(|_| world.knock(QUIC).is_ok()));
        assert_eq!(
            world.knock("/ip4/9.9.9.9/udp/1/quic-v1"),
            Err(Refused::Busy { limit: 3 })
        );
        let first = world.knock(TCP).unwrap();
        assert!(world.knock(TCP).is_ok());
        assert_eq!(world.knock(TCP), Err(Refused::Busy { limit: 2 }));
        // A handshake that is done makes room.
        assert_eq!(world.establish(first, TCP), Ok(()));
        assert!(world.knock(TCP).is_ok());
    }

    #[test]
    fn what_a_packet_says_of_its_sender_costs_that_address_nothing() {
        let mut world = World::new(Connections {
            per_address: 2,
            per_address_rate: Rate::new(0.0, 2),
            ..Connections::default()
        });
        for _ in 0..10 {
            let id = world.knock(QUIC).unwrap();
            world.fail(id, QUIC);
        }
        // Those that are under way hold no more than their own share.
        assert!((0..2).all(|_| world.knock(QUIC).is_ok()));
        assert_eq!(world.knock(QUIC), Err(Refused::Full { limit: 2 }));
        let standing = [world.knock(TCP).unwrap(), world.knock(TCP).unwrap()];
        assert!(standing.into_iter().all(|id| world.establish(id, TCP).is_ok()));
    }

    #[test]
    fn whoever_answers_at_its_address_is_counted_there() {
        let mut world = World::new(Connections {
            per_address: 2,
            per_address_rate: Rate::new(0.0, 3),
            ..Connections::default()
        });
        let [first, second] = [(); 2].map(|()| world.knock(QUIC).unwrap());
        let tcp = world.knock(TCP).unwrap();
        assert_eq!(world.establish(first, QUIC), Ok(()));
        assert_eq!(world.establish(second, QUIC), Err(Refused::Full { limit: 2 }));
        world.fail(second, QUIC);
        // It is known now, so that not even its handshakes are begun.
        assert_eq!(world.knock(QUIC), Err(Refused::Full { limit: 2 }));
        world.fail(tcp, TCP);
        assert_eq!(world.knock(QUIC), Err(Refused::Fast));
        assert_eq!(world.knock(TCP), Err(Refused::Fast));
        world.close(first, QUIC);
        assert!(world.is_empty());
    }

    #[test]
    fn a_banned_address_does_not_even_begin() {
        let mut world = World::new(Connections::default());
        let early = world.knock(QUIC).unwrap();
        world.gate.set_banned(Place::of(&TCP.parse().unwrap()).unwrap(), true);
        assert_eq!(world.knock(QUIC), Err(Refused::Banned));
        assert_eq!(world.knock(TCP), Err(Refused::Banned));
        assert_eq!(world.establish(early, QUIC), Err(Refused::Banned));
        world.fail(early, QUIC);
        assert!(world.is_empty());
    }

    #[test]
    fn every_end_of_a_connection_gives_its_places_back() {
        let mut world = World::new(Connections {
            per_address_rate: Rate::new(0.0, 100),
            ..Connections::default()
        });
        for remote in [TCP, QUIC] {
            let failed = world.knock(remote).unwrap();
            world.fail(failed, remote);
            assert!(world.is_empty(), "{remote}");
            let closed = world.knock(remote).unwrap();
            world.establish(closed, remote).unwrap();
            assert!(world.gate.pending.is_empty(), "{remote}");
            let refused_by_others = world.knock(remote).unwrap();
            world.establish(refused_by_others, remote).unwrap();
            world.fail(refused_by_others, remote);
            assert_eq!(world.gate.counts.values().sum::<usize>(), 1, "{remote}");
            world.close(closed, remote);
            assert!(world.is_empty(), "{remote}");
        }
    }
}
