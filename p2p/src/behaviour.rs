//! What libp2p runs for us, put together.

use libp2p::allow_block_list::{self, AllowedPeers, BlockedPeers};
use libp2p::connection_limits::{self, ConnectionLimits};
use libp2p::gossipsub::{self, IdentTopic, MessageAuthenticity, ValidationMode};
use libp2p::identity::Keypair;
use libp2p::kad::store::MemoryStore;
use libp2p::request_response::{self, ProtocolSupport};
use libp2p::swarm::NetworkBehaviour;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::{identify, kad};
use prometheus_client::registry::Registry;

use crate::codec::Codec;
use crate::config::{Config, ms};
use crate::gate::Gate;
use crate::genesis::Genesis;
use crate::message::{MessageId, Topic};
use crate::meter::{Gossipsub, Meter};
use crate::request::{Kind, Request};
use crate::score;
use crate::status::Status;

/// Requests of one [Kind].
pub(crate) type Requests = request_response::Behaviour<Codec>;

/// The limits stand before everything that takes memory: libp2p asks in this order, and what is refused goes no further.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    pub(crate) gate: Gate,
    limits: connection_limits::Behaviour,
    pub(crate) blocked: allow_block_list::Behaviour<BlockedPeers>,
    allowed: Toggle<allow_block_list::Behaviour<AllowedPeers>>,
    pub(crate) gossip: Meter,
    identify: identify::Behaviour,
    pub(crate) kad: kad::Behaviour<MemoryStore>,
    status: Requests,
    blocks: Requests,
    batch: Requests,
    proof: Requests,
    account: Requests,
    operation: Requests,
}

/// Why the behaviour cannot be made: a setting that libp2p refuses.
#[derive(Debug, thiserror::Error)]
#[error("libp2p refuses {what}: {why}")]
pub(crate) struct SetupError {
    what: &'static str,
    why: String,
}

impl Behaviour {
    pub(crate) fn new(
        config: &Config,
        keypair: &Keypair,
        genesis: &Genesis,
        registry: Option<&mut Registry>,
    ) -> Result<Self, SetupError> {
        let peer = keypair.public().to_peer_id();
        let connections = &config.connections;
        // Inbound handshakes are counted by the gate, which keeps those of TCP and QUIC apart.
        let limits = ConnectionLimits::default()
            .with_max_pending_outgoing(Some(connections.pending_outbound))
            .with_max_established_incoming(Some(connections.inbound))
            .with_max_established_outgoing(Some(connections.outbound))
            .with_max_established_per_peer(Some(connections.per_peer));
        let mut blocked = allow_block_list::Behaviour::<BlockedPeers>::default();
        for peer in &config.block {
            blocked.block_peer(*peer);
        }
        let allowed = (!config.allow.is_empty()).then(|| {
            let mut allowed = allow_block_list::Behaviour::<AllowedPeers>::default();
            for peer in &config.allow {
                allowed.allow_peer(*peer);
            }
            allowed
        });
        let identify = identify::Config::new(genesis.network(), keypair.public())
            .with_agent_version(concat!("starling/", env!("CARGO_PKG_VERSION")).to_owned());

        let mut discovery = kad::Config::new(genesis.discovery());
        discovery
            // Only what we put in, and nobody's records: the table is for finding peers.
            .set_kbucket_inserts(kad::BucketInserts::Manual)
            .set_record_filtering(kad::StoreInserts::FilterBoth)
            .set_provider_publication_interval(None)
            .set_periodic_bootstrap_interval(None);
        let mut kad = kad::Behaviour::with_config(peer, MemoryStore::new(peer), discovery);
        kad.set_mode(Some(kad::Mode::Server));

        let requests = |kind: Kind| {
            let codec = Codec {
                kind,
                question_bytes: match kind {
                    Kind::Status => Status::BYTES,
                    _ => Request::MAX_BYTES,
                },
                answer_bytes: config.sync.bytes(kind),
                patience: ms(config.sync.timeout_ms / 2),
            };
            let settings = request_response::Config::default()
                .with_request_timeout(ms(config.sync.timeout_ms))
                .with_max_concurrent_streams(config.sync.streams);
            Requests::with_codec(codec, [(genesis.protocol(kind), ProtocolSupport::Full)], settings)
        };

        Ok(Self {
            gate: Gate::new(connections),
            limits: connection_limits::Behaviour::new(limits),
            blocked,
            allowed: allowed.into(),
            gossip: Meter::new(gossip(config, genesis, registry)?, config.quotas.frames),
            identify: identify::Behaviour::new(identify),
            kad,
            status: requests(Kind::Status),
            blocks: requests(Kind::Blocks),
            batch: requests(Kind::Batch),
            proof: requests(Kind::Proof),
            account: requests(Kind::Account),
            operation: requests(Kind::Operation),
        })
    }

    /// The requests of a kind.
    pub(crate) fn requests(&mut self, kind: Kind) -> &mut Requests {
        match kind {
            Kind::Status => &mut self.status,
            Kind::Blocks => &mut self.blocks,
            Kind::Batch => &mut self.batch,
            Kind::Proof => &mut self.proof,
            Kind::Account => &mut self.account,
            Kind::Operation => &mut self.operation,
        }
    }
}

fn gossip(config: &Config, genesis: &Genesis, registry: Option<&mut Registry>) -> Result<Gossipsub, SetupError> {
    let settings = &config.gossip;
    let mut builder = gossipsub::ConfigBuilder::default();
    builder
        // Anonymous: a message is what it says, whoever sent it. Nobody's address hangs on a transaction.
        .validation_mode(ValidationMode::Anonymous)
        .validate_messages()
        .message_id_fn(|message| MessageId::new(message.topic.as_str(), &message.data).to_gossip())
        .max_transmit_size(settings.frame_bytes())
        .max_control_message_size(settings.control_bytes)
        .max_control_messages_sent(settings.control_ids)
        .max_ihave_messages_heartbeat(settings.announcements)
        .max_publish_messages(64)
        .mesh_n(settings.mesh)
        .mesh_n_low(settings.mesh_low)
        .mesh_n_high(settings.mesh_high)
        .mesh_outbound_min(settings.mesh_outbound)
        .gossip_lazy(settings.mesh_low)
        .heartbeat_interval(ms(settings.heartbeat_ms))
        .heartbeat_initial_delay(ms(settings.heartbeat_ms))
        .history_length(settings.history)
        .history_gossip(settings.history.saturating_sub(2).max(1))
        .duplicate_cache_time(ms(settings.duplicate_s.saturating_mul(1_000)))
        .connection_handler_queue_len(settings.send_queue)
        .publish_queue_duration(ms(settings.send_ms))
        .forward_queue_duration(ms(settings.send_ms))
        // The mesh carries our own messages as it carries others': the same number of copies.
        .flood_publish(false);
    for topic in Topic::ALL {
        builder.max_transmit_size_for_topic(settings.bytes(topic), genesis.topic(topic));
    }
    let error = |what| move |why: String| SetupError { what, why };
    let gossip_config = builder
        .build()
        .map_err(|why| error("the gossip settings")(why.to_string()))?;

    let names = Topic::ALL.into_iter().map(|topic| genesis.topic(topic)).collect();
    let filter = gossipsub::MaxCountSubscriptionFilter {
        filter: gossipsub::WhitelistSubscriptionFilter(names),
        max_subscribed_topics: Topic::ALL.len(),
        max_subscriptions_per_request: 4 * Topic::ALL.len(),
    };
    let mut gossip = Gossipsub::new_with_subscription_filter(MessageAuthenticity::Anonymous, gossip_config, filter)
        .map_err(|why| error("anonymous gossip")(why.to_owned()))?;
    if let Some(registry) = registry {
        let registry = registry.sub_registry_with_prefix("gossip");
        gossip = gossip.with_metrics(registry, gossipsub::MetricsConfig::default());
    }
    gossip
        .with_peer_score(score::parameters(config, genesis), score::thresholds(config))
        .map_err(error("the scores"))?;
    for topic in Topic::ALL {
        gossip
            .subscribe(&IdentTopic::new(genesis.topic(topic).into_string()))
            .map_err(|why| error("a topic")(why.to_string()))?;
    }
    Ok(gossip)
}
