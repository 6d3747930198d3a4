//! Gossip behind a quota of frames: libp2p's gossipsub looks at every frame that a peer sends, and asking is cheaper than
//! answering. What is over the quota never reaches it.

use std::collections::HashMap;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::gossipsub;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};

use crate::quota::{Bucket, Rate};

/// Gossip, limited to our topics.
pub(crate) type Gossipsub = gossipsub::Behaviour<
    gossipsub::IdentityTransform,
    gossipsub::MaxCountSubscriptionFilter<gossipsub::WhitelistSubscriptionFilter>,
>;

/// What [Meter] tells.
#[derive(Debug)]
pub(crate) enum MeterEvent {
    /// Gossipsub's own.
    Gossip(gossipsub::Event),
    /// A peer sent frames over its quota; they were dropped.
    Over { peer: PeerId, frames: u32 },
}

/// [Gossipsub] with the quota around it.
pub(crate) struct Meter {
    pub(crate) gossip: Gossipsub,
    rate: Rate,
    buckets: HashMap<PeerId, Bucket>,
    over: HashMap<PeerId, u32>,
    waker: Option<Waker>,
}

impl Meter {
    pub(crate) fn new(gossip: Gossipsub, rate: Rate) -> Self {
        Self {
            gossip,
            rate,
            buckets: HashMap::new(),
            over: HashMap::new(),
            waker: None,
        }
    }

    /// A message of the peer was worth its frame, so the frame is not counted. Whoever passes on what others send it does not
    /// choose how much that is; how many messages we take of it is bounded by the topics' quotas.
    pub(crate) fn give_back(&mut self, peer: &PeerId) {
        if let Some(bucket) = self.buckets.get_mut(peer) {
            bucket.give(self.rate);
        }
    }
}

impl NetworkBehaviour for Meter {
    type ConnectionHandler = <Gossipsub as NetworkBehaviour>::ConnectionHandler;
    type ToSwarm = MeterEvent;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.gossip.handle_pending_inbound_connection(connection, local, remote)
    }

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.gossip
            .handle_established_inbound_connection(connection, peer, local, remote)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        self.gossip
            .handle_pending_outbound_connection(connection, peer, addresses, role)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.gossip
            .handle_established_outbound_connection(connection, peer, address, role, port)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        if let FromSwarm::ConnectionClosed(closed) = &event
            && closed.remaining_established == 0
        {
            self.buckets.remove(&closed.peer_id);
        }
        self.gossip.on_swarm_event(event);
    }

    // The handler's events are frames, but for one at a connection's start and one for each message that we could not
    // send: the latter are few against the quota, and whoever causes them is being dropped as too slow.
    fn on_connection_handler_event(&mut self, peer: PeerId, connection: ConnectionId, event: THandlerOutEvent<Self>) {
        let (rate, now) = (self.rate, Instant::now());
        let bucket = self.buckets.entry(peer).or_insert_with(|| Bucket::new(rate, now));
        if bucket.take(rate, now).is_ok() {
            return self.gossip.on_connection_handler_event(peer, connection, event);
        }
        let frames = self.over.entry(peer).or_insert(0);
        *frames = frames.saturating_add(1);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<ToSwarm<MeterEvent, THandlerInEvent<Self>>> {
        if let Some(peer) = self.over.keys().next().copied() {
            let frames = self.over.remove(&peer).unwrap_or(0);
            return Poll::Ready(ToSwarm::GenerateEvent(MeterEvent::Over { peer, frames }));
        }
        match self.gossip.poll(context) {
            Poll::Ready(event) => Poll::Ready(event.map_out(MeterEvent::Gossip)),
            Poll::Pending => {
                self.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}
