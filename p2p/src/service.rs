//! The network's task: libp2p's events, the node's calls, and the clock, one at a time.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use libp2p::connection_limits::Exceeded;
use libp2p::gossipsub::TopicHash;
use libp2p::request_response::{InboundRequestId, OutboundRequestId};
use libp2p::swarm::{ConnectionDenied, DialError, ListenError, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Swarm};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::debug;

use crate::bans::Bans;
use crate::behaviour::{Behaviour, BehaviourEvent};
use crate::conduct::Conducts;
use crate::config::{Config, ms};
use crate::events::Senders;
use crate::gate::Refused;
use crate::genesis::Genesis;
use crate::gossip::Undecided;
use crate::handle::Command;
use crate::message::{Decode, Topic};
use crate::metrics::{Closed, Metrics};
use crate::names::NameError;
use crate::peers::Peer;
use crate::quota::Bucket;
use crate::request::Kind;
use crate::status::{Heads, Status};
use crate::sync::{Asked, Asker};
use crate::tasks::Tasks;

/// Time between two looks at what time brings.
const TICK: Duration = Duration::from_millis(100);

/// How long connections have to close when the network ends.
const FAREWELL: Duration = Duration::from_secs(2);

/// Everything that the network knows. What it does with it is in the files named after the thing.
pub(crate) struct Service {
    pub(crate) swarm: Swarm<Behaviour>,
    pub(crate) peer: PeerId,
    pub(crate) config: Config,
    pub(crate) genesis: Genesis,
    pub(crate) heads: Heads,
    pub(crate) topics: [TopicHash; Topic::ALL.len()],
    pub(crate) decoder: Arc<dyn Decode>,
    pub(crate) metrics: Metrics,
    pub(crate) events: Senders,
    commands: mpsc::Receiver<Command>,
    pub(crate) peers: HashMap<PeerId, Peer>,
    pub(crate) conducts: Conducts,
    pub(crate) bans: Bans,
    pub(crate) undecided: Undecided,
    /// What is left of what we may publish.
    pub(crate) publishing: [Bucket; Topic::ALL.len()],
    pub(crate) asked: HashMap<(Kind, OutboundRequestId), Asked>,
    pub(crate) serving: HashMap<(Kind, InboundRequestId), Asker>,
    /// When peers were last looked for.
    pub(crate) discovered: Option<Instant>,
    /// Addresses whose names are being resolved, and what comes of it.
    pub(crate) resolving: HashSet<Multiaddr>,
    pub(crate) resolved: JoinSet<(Multiaddr, Result<Vec<Multiaddr>, NameError>)>,
    /// Those whose names had no address the last time.
    pub(crate) unresolved: HashSet<Multiaddr>,
    looked: Instant,
    tasks: Tasks,
}

/// What [Service::new] needs from outside.
pub(crate) struct Parts {
    pub(crate) swarm: Swarm<Behaviour>,
    pub(crate) config: Config,
    pub(crate) genesis: Genesis,
    pub(crate) decoder: Arc<dyn Decode>,
    pub(crate) metrics: Metrics,
    pub(crate) events: Senders,
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) tasks: Tasks,
}

impl Service {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts {
            swarm,
            config,
            genesis,
            decoder,
            metrics,
            events,
            commands,
            tasks,
        } = parts;
        let now = Instant::now();
        let quotas = &config.quotas;
        Self {
            peer: *swarm.local_peer_id(),
            swarm,
            heads: Heads::default(),
            topics: Topic::ALL.map(|topic| genesis.topic(topic)),
            decoder,
            metrics,
            events,
            commands,
            peers: HashMap::new(),
            conducts: Conducts::new(quotas.clone(), config.score.clone()),
            bans: Bans::new(config.bans.clone()),
            undecided: Undecided::default(),
            publishing: Topic::ALL.map(|topic| Bucket::new(quotas.topic(topic).share(quotas.own_share), now)),
            asked: HashMap::new(),
            serving: HashMap::new(),
            discovered: None,
            resolving: HashSet::new(),
            resolved: JoinSet::new(),
            unresolved: HashSet::new(),
            looked: now,
            tasks,
            genesis,
            config,
        }
    }

    /// Runs until somebody ends it, or nobody holds a handle any more, beginning with what has happened already.
    pub(crate) async fn run(mut self, early: Vec<SwarmEvent<BehaviourEvent>>) {
        for event in early {
            self.on_event(event);
        }
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let reply = loop {
            tokio::select! {
                event = self.swarm.select_next_some() => self.on_event(event),
                command = self.commands.recv() => match command {
                    Some(Command::Shutdown(reply)) => break Some(reply),
                    Some(command) => self.on_command(command),
                    None => break None,
                },
                Some(Ok((address, found))) = self.resolved.join_next() => self.on_resolved(address, found),
                _ = tick.tick() => self.on_tick(),
            }
        };
        self.end(reply).await;
    }

    async fn end(mut self, reply: Option<oneshot::Sender<()>>) {
        for peer in self.swarm.connected_peers().copied().collect::<Vec<_>>() {
            let _ = self.swarm.disconnect_peer_id(peer);
        }
        let gone = async {
            while self.swarm.network_info().connection_counters().num_connections() > 0 {
                self.swarm.select_next_some().await;
            }
        };
        if timeout(FAREWELL, gone).await.is_err() {
            debug!("connections did not close in time");
        }
        // The swarm owns the sockets: it goes first, then what it spawned.
        let Self { swarm, tasks, .. } = self;
        drop(swarm);
        tasks.shutdown().await;
        if let Some(reply) = reply {
            let _ = reply.send(());
        }
    }

    pub(crate) fn status(&self) -> Status {
        Status {
            genesis: self.genesis,
            role: self.config.role,
            heads: self.heads,
        }
    }

    fn on_tick(&mut self) {
        let now = Instant::now();
        self.expire(now);
        self.refresh(now);
        self.discover(now);
        if self.looked + ms(self.config.bans.look_ms) <= now {
            self.looked = now;
            self.look(now);
        }
    }

    fn on_command(&mut self, command: Command) {
        // Whoever asked may have stopped waiting; that is no error.
        match command {
            Command::Publish(message, reply) => drop(reply.send(self.publish(&message))),
            Command::Report(id, verdict, reply) => drop(reply.send(self.report(id, verdict))),
            Command::Request(peer, request, reply) => self.request(peer, request, reply),
            Command::Respond(responder, response, reply) => drop(reply.send(self.respond(responder, response))),
            Command::Peers(reply) => drop(reply.send(self.infos())),
            Command::Addresses(reply) => drop(reply.send(self.swarm.listeners().cloned().collect())),
            Command::Dial(address) => self.dial(address),
            Command::SetHeads(heads) => self.heads = *heads,
            Command::Note(peer, offence) => self.blame(peer, offence),
            Command::Ban(peer) => self.ban(peer),
            Command::Shutdown(reply) => drop(reply.send(())),
        }
    }

    fn on_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(event) => self.on_behaviour(event),
            SwarmEvent::ConnectionEstablished {
                peer_id,
                connection_id,
                endpoint,
                ..
            } => {
                let address = endpoint.get_remote_address().clone();
                self.on_connected(peer_id, connection_id, address, endpoint.is_dialer());
            }
            SwarmEvent::ConnectionClosed {
                peer_id, connection_id, ..
            } => self.on_disconnected(peer_id, connection_id),
            SwarmEvent::IncomingConnectionError {
                error: ListenError::Denied { cause },
                ..
            } => self.on_denied(&cause),
            SwarmEvent::OutgoingConnectionError { error, peer_id, .. } => {
                debug!(?peer_id, %error, "a dial failed");
                if let DialError::Denied { cause } = &error {
                    self.on_denied(cause);
                }
            }
            SwarmEvent::ListenerError { error, .. } => debug!(%error, "a listener stumbled"),
            _ => {}
        }
    }

    fn on_denied(&self, cause: &ConnectionDenied) {
        let reason = match cause.downcast_ref::<Refused>() {
            Some(Refused::Banned) => Closed::Banned,
            Some(Refused::Busy { .. } | Refused::Full { .. } | Refused::Fast) => Closed::Limit,
            None if cause.downcast_ref::<Exceeded>().is_some() => Closed::Limit,
            // The lists of peers.
            None => Closed::Banned,
        };
        self.metrics.close(reason).inc();
    }

    fn on_behaviour(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Gossip(event) => self.on_gossip(event),
            BehaviourEvent::Identify(event) => self.on_identify(event),
            BehaviourEvent::Kad(event) => self.on_kad(event),
            BehaviourEvent::Status(event) => self.on_request_event(Kind::Status, event),
            BehaviourEvent::Blocks(event) => self.on_request_event(Kind::Blocks, event),
            BehaviourEvent::Batch(event) => self.on_request_event(Kind::Batch, event),
            BehaviourEvent::Proof(event) => self.on_request_event(Kind::Proof, event),
            BehaviourEvent::Account(event) => self.on_request_event(Kind::Account, event),
            BehaviourEvent::Operation(event) => self.on_request_event(Kind::Operation, event),
        }
    }
}
