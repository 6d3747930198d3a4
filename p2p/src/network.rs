//! Starting a network.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use libp2p::core::transport::TransportError;
use libp2p::identity::Keypair;
use libp2p::swarm::{Config as SwarmConfig, SwarmEvent};
use libp2p::{Multiaddr, Swarm, SwarmBuilder, noise, tcp, yamux};
use prometheus_client::registry::Registry;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::behaviour::{Behaviour, BehaviourEvent};
use crate::check::ConfigError;
use crate::config::{Config, ms};
use crate::events::{Events, queues};
use crate::genesis::Genesis;
use crate::handle::Handle;
use crate::message::{Decode, Opaque};
use crate::metrics::Metrics;
use crate::service::{Parts, Service};
use crate::tasks::Tasks;

/// How long the system may take to give us our addresses.
const LISTEN_TIME: Duration = Duration::from_secs(10);

/// Why a network does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration cannot work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// An address cannot be listened on.
    #[error("cannot listen on {address} (p2p.listen): {why}")]
    Listen {
        /// The address.
        address: Multiaddr,
        /// What the system says.
        why: String,
    },
    /// libp2p refuses.
    #[error("{0}")]
    Setup(String),
}

/// A network that is to be started.
#[derive(Debug)]
pub struct Network;

/// What a network is started with; see [Network::builder].
pub struct Builder<'a> {
    config: Config,
    keypair: Keypair,
    genesis: Genesis,
    decoder: Arc<dyn Decode>,
    registry: Option<&'a mut Registry>,
}

impl Network {
    /// Starts a network that takes every block, piece of evidence and announcement for well formed, and whose metrics are
    /// seen through the handle alone.
    ///
    /// # Errors
    /// When the configuration cannot work or an address cannot be listened on.
    pub async fn start(config: Config, keypair: Keypair, genesis: Genesis) -> Result<(Handle, Events), StartError> {
        Self::builder(config, keypair, genesis).start().await
    }

    /// A network with more to choose.
    pub fn builder<'a>(config: Config, keypair: Keypair, genesis: Genesis) -> Builder<'a> {
        Builder {
            config,
            keypair,
            genesis,
            decoder: Arc::new(Opaque),
            registry: None,
        }
    }
}

impl<'a> Builder<'a> {
    /// What knows the node's formats.
    pub fn decoder(mut self, decoder: Arc<dyn Decode>) -> Self {
        self.decoder = decoder;
        self
    }

    /// Where the metrics are registered, with gossipsub's own under `gossip`.
    pub fn registry(mut self, registry: &'a mut Registry) -> Self {
        self.registry = Some(registry);
        self
    }

    /// Starts the network: when this returns, it listens.
    ///
    /// # Errors
    /// When the configuration cannot work or an address cannot be listened on.
    pub async fn start(self) -> Result<(Handle, Events), StartError> {
        let Self {
            config,
            keypair,
            genesis,
            decoder,
            mut registry,
        } = self;
        config.check()?;
        let metrics = Metrics::default();
        if let Some(registry) = &mut registry {
            metrics.register(registry);
        }
        let tasks = Tasks::default();
        let behaviour = Behaviour::new(&config, &keypair, &genesis, registry)
            .map_err(|error| StartError::Setup(error.to_string()))?;
        let mut swarm = swarm(&config, keypair, behaviour, tasks.clone())?;
        let early = match listen(&mut swarm, &config).await {
            Ok(early) => early,
            Err(error) => {
                drop(swarm);
                tasks.shutdown().await;
                return Err(error);
            }
        };
        for address in &config.external {
            swarm.add_external_address(address.clone());
        }

        let (commands, inbox) = mpsc::channel(config.queues.commands);
        let (senders, events) = queues(&config.queues);
        let handle = Handle {
            commands,
            peer: *swarm.local_peer_id(),
            metrics: metrics.clone(),
        };
        let service = Service::new(Parts {
            swarm,
            config,
            genesis,
            decoder,
            metrics,
            events: senders,
            commands: inbox,
            tasks,
        });
        tokio::spawn(service.run(early));
        Ok((handle, events))
    }
}

fn swarm(
    config: &Config,
    keypair: Keypair,
    behaviour: Behaviour,
    tasks: Tasks,
) -> Result<Swarm<Behaviour>, StartError> {
    let connections = &config.connections;
    let streams = connections.streams;
    let multiplexer = || {
        let mut multiplexer = yamux::Config::default();
        multiplexer.set_max_num_streams(streams);
        multiplexer
    };
    let swarm = SwarmBuilder::with_existing_identity(keypair)
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, multiplexer)
        .map_err(|error| StartError::Setup(error.to_string()))?
        .with_quic_config(|mut quic| {
            quic.handshake_timeout = ms(connections.handshake_ms);
            quic.max_concurrent_stream_limit = u32::try_from(streams).unwrap_or(u32::MAX);
            // As much unread as a stream of the other multiplexer may hold, and a few large answers at once.
            quic.max_stream_data = 1024 * 1024;
            quic.max_connection_data = 8 * 1024 * 1024;
            quic
        })
        .with_behaviour(|_| behaviour)
        .map_err(|error| StartError::Setup(error.to_string()))?
        .with_swarm_config(|_| {
            SwarmConfig::with_executor(tasks)
                .with_idle_connection_timeout(ms(connections.idle_s.saturating_mul(1_000)))
                .with_max_negotiating_inbound_streams(streams)
        })
        .with_connection_timeout(ms(connections.handshake_ms))
        .build();
    Ok(swarm)
}

/// Listens on every address, and waits until the system has said which they are. Gives what else happened meanwhile: a peer
/// may be faster than the system.
async fn listen(swarm: &mut Swarm<Behaviour>, config: &Config) -> Result<Vec<SwarmEvent<BehaviourEvent>>, StartError> {
    let mut waiting = HashSet::new();
    for address in &config.listen {
        let error = |why: String| StartError::Listen {
            address: address.clone(),
            why,
        };
        let listener = swarm.listen_on(address.clone()).map_err(|failure| match failure {
            TransportError::MultiaddrNotSupported(_) => error("neither TCP nor QUIC".to_owned()),
            TransportError::Other(source) => error(source.to_string()),
        })?;
        waiting.insert(listener);
    }
    let first = config.listen.first().cloned().unwrap_or_else(Multiaddr::empty);
    let mut early = Vec::new();
    let ready = async {
        while !waiting.is_empty() {
            match swarm.select_next_some().await {
                SwarmEvent::NewListenAddr { listener_id, .. } => {
                    waiting.remove(&listener_id);
                }
                SwarmEvent::ListenerClosed { reason: Err(why), .. } => return Err(why),
                event => early.push(event),
            }
        }
        Ok::<(), io::Error>(())
    };
    let why = match timeout(LISTEN_TIME, ready).await {
        Ok(Ok(())) => return Ok(early),
        Ok(Err(why)) => why.to_string(),
        Err(_) => "the system gives no address".to_owned(),
    };
    Err(StartError::Listen { address: first, why })
}
