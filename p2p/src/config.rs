//! What an operator sets: addresses, and every limit with its reason and what happens if it is lowered.
//!
//! Times are milliseconds (`_ms`) or seconds (`_s`), sizes bytes. [Config::check] refuses what cannot work.

use std::time::Duration;

use libp2p::{Multiaddr, PeerId};
use serde::{Deserialize, Serialize};

use crate::quota::Rate;
use crate::status::Role;

/// The whole `[p2p]` table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the node listens; a port of 0 lets the system choose.
    pub listen: Vec<Multiaddr>,
    /// Addresses under which others reach it, if they are not those it listens on.
    pub external: Vec<Multiaddr>,
    /// Peers to start from, each with `/p2p/<peer id>` at its end. They may have names: `/dns4/boot.example.org/tcp/9645/p2p/...`.
    pub bootstrap: Vec<Multiaddr>,
    /// If it names any, no other peer may connect: a private network.
    pub allow: Vec<PeerId>,
    /// Peers that may never connect.
    pub block: Vec<PeerId>,
    /// What the node tells others that it does.
    pub role: Role,
    /// Connections.
    pub connections: Connections,
    /// Finding peers.
    pub discovery: Discovery,
    /// Gossip.
    pub gossip: Gossip,
    /// Requests.
    pub sync: Sync,
    /// What a peer may send.
    pub quotas: Quotas,
    /// What lowers a peer's score.
    pub score: Score,
    /// Who is kept out, and for how long.
    pub bans: Bans,
    /// Queues between the network and the node.
    pub queues: Queues,
}

impl Default for Config {
    fn default() -> Self {
        let listen = ["/ip4/0.0.0.0/tcp/9645", "/ip4/0.0.0.0/udp/9645/quic-v1"];
        Self {
            listen: listen.iter().filter_map(|address| address.parse().ok()).collect(),
            external: Vec::new(),
            bootstrap: Vec::new(),
            allow: Vec::new(),
            block: Vec::new(),
            role: Role::Full,
            connections: Connections::default(),
            discovery: Discovery::default(),
            gossip: Gossip::default(),
            sync: Sync::default(),
            quotas: Quotas::default(),
            score: Score::default(),
            bans: Bans::default(),
            queues: Queues::default(),
        }
    }
}

// CONNECTIONS
// ================================================================================================================

/// `[p2p.connections]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Connections {
    /// Connections that others opened. Lower: newcomers find fewer nodes that take them in.
    pub inbound: u32,
    /// Connections that we opened, never given to others: whoever fills all inbound places still cannot surround the node.
    /// Lower: easier to surround.
    pub outbound: u32,
    /// Inbound handshakes under way over TCP. Each holds a socket before anybody has shown a key. Lower: slow honest peers are
    /// turned away when many knock at once.
    pub pending_inbound: u32,
    /// The same over QUIC, where a first packet may name any address as its sender's: whoever forges them can take all of these
    /// places, and none of TCP's. Lower: that takes fewer packets.
    pub pending_quic: u32,
    /// Outbound handshakes under way. Lower: peers are found more slowly.
    pub pending_outbound: u32,
    /// Connections to one peer: two, because both may dial at once. Lower: such pairs lose each other.
    pub per_peer: u32,
    /// Connections to one address (IPv6: one /64), both ways, TCP's handshakes included; QUIC's may be as many again, since they
    /// may be forged. Identities are free, addresses are not: this is what a crowd from one machine meets. Lower: nodes behind
    /// one NAT shut each other out.
    pub per_address: usize,
    /// New connections from one address, over QUIC once the handshake is done. Lower: restarts behind one NAT wait for each
    /// other.
    pub per_address_rate: Rate,
    /// Time for a connection's encryption. Higher: idle handshakes hold their places longer.
    pub handshake_ms: u64,
    /// Time for the introduction, counted from the connection on. Lower: slow peers never get in.
    pub status_ms: u64,
    /// Time between two introductions with a peer. Lower: heads are fresher, more small requests.
    pub refresh_ms: u64,
    /// A connection that nothing uses is closed after this.
    pub idle_s: u64,
    /// Streams on one connection, both ways. Each may hold 256 KiB that nobody has read. Lower: below 32, honest peers' requests
    /// and gossip get in each other's way.
    pub streams: usize,
}

impl Default for Connections {
    fn default() -> Self {
        Self {
            inbound: 48,
            outbound: 24,
            pending_inbound: 32,
            pending_quic: 32,
            pending_outbound: 16,
            per_peer: 2,
            per_address: 8,
            per_address_rate: Rate::new(0.5, 16),
            handshake_ms: 10_000,
            status_ms: 10_000,
            refresh_ms: 30_000,
            idle_s: 600,
            streams: 128,
        }
    }
}

/// `[p2p.discovery]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Discovery {
    /// Whether peers are looked for; the bootstrap peers are dialled either way.
    pub enabled: bool,
    /// Peers that we dialled to keep; at most `connections.outbound`. Lower: easier to surround, slower gossip.
    pub outbound_target: usize,
    /// Time between two looks for more.
    pub interval_ms: u64,
    /// Whether private and loopback addresses are believed and dialled. On the open network they only make us knock on our
    /// own neighbours' doors.
    pub private: bool,
    /// Addresses kept of what a peer says about itself. Lower: peers with many interfaces are harder to reach.
    pub addresses: usize,
}

impl Default for Discovery {
    fn default() -> Self {
        Self {
            enabled: true,
            outbound_target: 12,
            interval_ms: 10_000,
            private: false,
            addresses: 8,
        }
    }
}

// GOSSIP
// ================================================================================================================

/// `[p2p.gossip]`. Sizes must not differ between nodes: one that takes less punishes peers for what the others forward.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Gossip {
    /// A transaction's envelope is 202 bytes at most. Every size has room for the topic's name and gossip's framing.
    pub transaction_bytes: usize,
    /// A block.
    pub block_bytes: usize,
    /// Evidence: two signed headers.
    pub evidence_bytes: usize,
    /// A proof's announcement.
    pub proof_bytes: usize,
    /// Control messages of one frame: 380 message ids. It bounds the work that one small frame can ask for. Lower: our own
    /// announcements must shrink with it.
    pub control_bytes: usize,
    /// Message ids that we announce to or ask from a peer in one heartbeat; they must fit into `control_bytes`. Lower: peers
    /// outside the mesh miss messages when there are many.
    pub control_ids: usize,
    /// Announcements that we read from one peer in one heartbeat. Lower: late messages are found later.
    pub announcements: usize,
    /// Peers that every message is sent to on each topic. Lower: messages take more hops and are easier to censor.
    pub mesh: usize,
    /// Below this many, peers are added.
    pub mesh_low: usize,
    /// Above this many, peers are dropped. Higher: more copies of everything.
    pub mesh_high: usize,
    /// Mesh peers that we dialled. Lower: those who dial us can fill the mesh.
    pub mesh_outbound: usize,
    /// Time between two repairs of the mesh and two announcements.
    pub heartbeat_ms: u64,
    /// Heartbeats that a message is kept, for those who ask and for the verdict; `verdict_ms` must end before. Lower: verdicts
    /// come too late.
    pub history: usize,
    /// How long a message is known. Lower: old messages come round again, and the node judges them again; higher: each peer
    /// that sends as much as it may takes 100 KB for each second of it.
    pub duplicate_s: u64,
    /// Time that the node has for its verdict; then the message is ignored. Lower: a busy node forwards less.
    pub verdict_ms: u64,
    /// Messages that wait for verdicts, all together. When full, new ones are ignored. Lower: bursts are lost.
    pub undecided: usize,
    /// Messages that wait to be sent to one peer. When full, the newest is not sent. Lower: peers with slow lines lose bursts;
    /// higher: each of them may hold so many times the largest message.
    pub send_queue: usize,
    /// A message that could not be sent to a peer for so long is not sent.
    pub send_ms: u64,
    /// Messages of a peer whose introduction is not finished that are kept for it. Lower: the first messages after a
    /// connection are lost.
    pub held: usize,
    /// Messages that a peer may leave unread, in the long run, before it is disconnected as too slow.
    pub slow: Rate,
}

impl Default for Gossip {
    fn default() -> Self {
        Self {
            transaction_bytes: 512,
            block_bytes: 128 * 1024,
            evidence_bytes: 16 * 1024,
            proof_bytes: 4 * 1024,
            control_bytes: 8 * 1024,
            control_ids: 300,
            announcements: 10,
            mesh: 8,
            mesh_low: 6,
            mesh_high: 12,
            mesh_outbound: 3,
            heartbeat_ms: 700,
            history: 8,
            duplicate_s: 120,
            verdict_ms: 3_000,
            undecided: 4_096,
            send_queue: 512,
            send_ms: 3_000,
            held: 64,
            slow: Rate::new(1.0, 512),
        }
    }
}

// REQUESTS
// ================================================================================================================

/// `[p2p.sync]`. Sizes must not differ between nodes, as for gossip.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sync {
    /// An answer with blocks.
    pub blocks_bytes: usize,
    /// A batch.
    pub batch_bytes: usize,
    /// A proof.
    pub proof_bytes: usize,
    /// An account or an operation with its path.
    pub state_bytes: usize,
    /// Time for a request, answer included. Whoever takes nothing of its answer for half of it loses the answer, and is charged
    /// as too slow. Lower: large answers fail on slow lines, and a line that pauses costs an honest peer its score.
    pub timeout_ms: u64,
    /// Streams of one request protocol on one connection. More are dropped unread.
    pub streams: usize,
    /// Requests of one peer that are being answered; more are refused as busy.
    pub serving_peer: usize,
    /// Requests from one address (IPv6: one /64) that are being answered, at most `serving`; more are refused as busy. A crowd of
    /// identities at one address that does not read its answers holds no more than these. Lower: nodes behind one NAT find us
    /// busy; higher: fewer addresses keep us busy for everybody.
    pub serving_address: usize,
    /// Requests that are being answered, all together: times the largest answer, this is the memory that answers take.
    pub serving: usize,
    /// Our own requests under way; more fail at once. Lower: slower sync.
    pub asking: usize,
    /// Peers that one [crate::Handle::request_any] tries.
    pub tries: usize,
}

impl Default for Sync {
    fn default() -> Self {
        Self {
            blocks_bytes: 4 * 1024 * 1024,
            batch_bytes: 1024 * 1024,
            proof_bytes: 1024 * 1024 + 1024,
            state_bytes: 8 * 1024,
            timeout_ms: 10_000,
            streams: 8,
            serving_peer: 4,
            serving_address: 8,
            serving: 32,
            asking: 64,
            tries: 3,
        }
    }
}

/// `[p2p.quotas]`: what one peer may send us. What is over a quota is not looked at. Lower: honest peers are cut off when
/// the network is busy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quotas {
    /// Gossip frames of every content, duplicates and control messages too. A mesh peer forwards nearly everything, so this is
    /// twice what the network may carry. Each message that the node accepts gives one back, up to the burst: in the end only
    /// useless frames count.
    pub frames: Rate,
    /// Transactions that nobody sent before. More are ignored.
    pub transactions: Rate,
    /// The same for blocks.
    pub blocks: Rate,
    /// The same for evidence.
    pub evidence: Rate,
    /// The same for announcements of proofs.
    pub proofs: Rate,
    /// Introductions, and what identify says of a peer.
    pub status_requests: Rate,
    /// Requests for runs of blocks.
    pub blocks_requests: Rate,
    /// Requests for batches.
    pub batch_requests: Rate,
    /// Requests for proofs.
    pub proof_requests: Rate,
    /// Requests for accounts.
    pub account_requests: Rate,
    /// Requests for operations.
    pub operation_requests: Rate,
    /// The part of these quotas that we use ourselves, with each peer for requests and in all for publishing: the rest covers
    /// that two clocks do not agree. Higher than 1: peers that grant the same will punish us.
    pub own_share: f64,
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            frames: Rate::new(1_000.0, 2_000),
            transactions: Rate::new(400.0, 1_000),
            blocks: Rate::new(4.0, 64),
            evidence: Rate::new(1.0, 16),
            proofs: Rate::new(2.0, 32),
            status_requests: Rate::new(0.2, 8),
            blocks_requests: Rate::new(2.0, 16),
            batch_requests: Rate::new(5.0, 32),
            proof_requests: Rate::new(1.0, 8),
            account_requests: Rate::new(20.0, 60),
            operation_requests: Rate::new(20.0, 60),
            own_share: 0.8,
        }
    }
}

// SCORES AND BANS
// ================================================================================================================

/// `[p2p.score]`: a peer's score is zero or below. Nothing is earned: on topics as quiet as ours nobody can be blamed for
/// not delivering, and where silence costs nothing, credit would only pay for a later attack.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Score {
    /// Below it, announcements are neither sent nor believed. Nearer to zero: one mistake costs an honest peer its gossip.
    pub gossip: f64,
    /// Below it, our own messages are not sent to the peer.
    pub publish: f64,
    /// Below it, the peer's gossip is not read at all.
    pub graylist: f64,
    /// Below it, the peer is disconnected and banned. Not below `graylist`: what is not read cannot cost more.
    pub ban: f64,
    /// Cost of n invalid transactions is this times n²: the fifth bans. Nearer to zero: more garbage before the ban.
    pub invalid_transaction: f64,
    /// The same for the other topics, where few messages are sent and each is looked at with more work: the third bans.
    pub invalid_other: f64,
    /// Time in which one invalid message is forgotten to a tenth. Lower: garbage at a steady trickle is free.
    pub invalid_s: u64,
    /// Broken rules of the mesh (joining before the agreed time, announcing what is never sent): n above
    /// `behaviour_threshold` cost this times the excess squared.
    pub behaviour: f64,
    /// What two nodes with different clocks may do by accident.
    pub behaviour_threshold: f64,
    /// Time in which a broken rule is forgotten to a tenth.
    pub behaviour_s: u64,
    /// Cost of a request over quota.
    pub over_quota: f64,
    /// Cost of a gossip frame over quota.
    pub frame: f64,
    /// Cost of a request or answer that is malformed or too large, and of an answer that the node found to be wrong.
    pub malformed: f64,
    /// Cost of being disconnected as too slow, and of taking nothing of an answer.
    pub slow: f64,
    /// Half-life of these four.
    pub half_life_s: u64,
    /// Time between two forgettings; a second at least.
    pub decay_ms: u64,
}

impl Default for Score {
    fn default() -> Self {
        Self {
            gossip: -20.0,
            publish: -40.0,
            graylist: -80.0,
            ban: -80.0,
            invalid_transaction: -5.0,
            invalid_other: -10.0,
            invalid_s: 600,
            behaviour: -1.0,
            behaviour_threshold: 6.0,
            behaviour_s: 60,
            over_quota: -1.0,
            frame: -0.1,
            malformed: -10.0,
            slow: -25.0,
            half_life_s: 120,
            decay_ms: 1_000,
        }
    }
}

/// `[p2p.bans]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Bans {
    /// The first ban of a peer; each further one while the last is remembered is twice as long. Lower: an attacker waits less.
    pub peer_ms: u64,
    /// The longest.
    pub peer_max_ms: u64,
    /// An ended ban is remembered for so many times its length.
    pub memory: u32,
    /// Banned peers at one address (IPv6: /64) that are remembered before the address itself is banned. Lower: one bad peer
    /// costs its neighbours behind a NAT their access; higher: more free identities to burn.
    pub address_peers: usize,
    /// How long an address is banned.
    pub address_ms: u64,
    /// Peers and addresses remembered. When full, the one whose memory ends first is forgotten.
    pub remembered: usize,
    /// Time between two looks at the scores.
    pub look_ms: u64,
}

impl Default for Bans {
    fn default() -> Self {
        Self {
            peer_ms: 600_000,
            peer_max_ms: 24 * 3_600_000,
            memory: 4,
            address_peers: 4,
            address_ms: 3_600_000,
            remembered: 4_096,
            look_ms: 500,
        }
    }
}

/// `[p2p.queues]`: between the network and the node. When one is full the newest is turned away: a message is ignored, a
/// request answered as busy, a notice about a peer dropped. Each has its own place, so that transactions cannot crowd out
/// blocks. Lower: a node that pauses loses more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Queues {
    /// Transactions.
    pub transactions: usize,
    /// Blocks.
    pub blocks: usize,
    /// Evidence.
    pub evidence: usize,
    /// Announcements of proofs.
    pub proofs: usize,
    /// Requests.
    pub requests: usize,
    /// Notices about peers.
    pub peers: usize,
    /// Calls of the handle; when full, callers wait.
    pub commands: usize,
}

impl Default for Queues {
    fn default() -> Self {
        Self {
            transactions: 2_048,
            blocks: 64,
            evidence: 64,
            proofs: 64,
            requests: 64,
            peers: 256,
            commands: 256,
        }
    }
}

pub(crate) fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}
