//! What the network tells the node: one bounded queue for each thing, the urgent ones first.

use libp2p::request_response::ResponseChannel;
use libp2p::{Multiaddr, PeerId};
use tokio::sync::mpsc;

use crate::config::Queues;
use crate::message::{Message, MessageId, Topic};
use crate::request::{Answer, Kind, Request};
use crate::status::Status;

/// An introduced peer.
#[derive(Clone, Debug, PartialEq)]
pub struct PeerInfo {
    /// Its id.
    pub peer: PeerId,
    /// Where it is.
    pub address: Multiaddr,
    /// Whether we dialled it.
    pub outbound: bool,
    /// What it last said of itself.
    pub status: Status,
    /// Its score, zero or below.
    pub score: f64,
}

/// What happens.
#[derive(Debug)]
pub enum Event {
    /// A peer has introduced itself, for the first time since it connected or again.
    Peer(Box<PeerInfo>),
    /// A peer has gone.
    Gone(PeerId),
    /// A message: [crate::Handle::report] must follow, once.
    Message {
        /// Its name, for the verdict.
        id: MessageId,
        /// Who sent it to us; not who made it.
        from: PeerId,
        /// What it says.
        message: Message,
    },
    /// A question: [crate::Handle::respond] should follow; a dropped responder closes the stream.
    Request {
        /// Who asks.
        from: PeerId,
        /// What.
        request: Request,
        /// Where the answer goes.
        responder: Responder,
    },
}

/// The way back to whoever asked.
#[derive(Debug)]
pub struct Responder {
    pub(crate) channel: ResponseChannel<Answer>,
    pub(crate) kind: Kind,
}

impl Responder {
    /// The kind of the question.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether the answer is still awaited.
    pub fn is_open(&self) -> bool {
        self.channel.is_open()
    }
}

/// What the node reads. If it does not, queues fill and new things are turned away ([crate::config::Queues]).
#[derive(Debug)]
pub struct Events {
    peers: mpsc::Receiver<Event>,
    topics: [mpsc::Receiver<Event>; Topic::ALL.len()],
    requests: mpsc::Receiver<Event>,
}

impl Events {
    /// The next event: notices about peers first, then evidence, blocks, announcements of proofs, requests, transactions.
    /// None when the network has ended.
    pub async fn next(&mut self) -> Option<Event> {
        let [transactions, blocks, evidence, proofs] = &mut self.topics;
        tokio::select! {
            biased;
            Some(event) = self.peers.recv() => Some(event),
            Some(event) = evidence.recv() => Some(event),
            Some(event) = blocks.recv() => Some(event),
            Some(event) = proofs.recv() => Some(event),
            Some(event) = self.requests.recv() => Some(event),
            Some(event) = transactions.recv() => Some(event),
            else => None,
        }
    }
}

/// The network's ends of the queues. Nothing waits here: what does not fit comes back.
#[derive(Debug)]
pub(crate) struct Senders {
    peers: mpsc::Sender<Event>,
    topics: [mpsc::Sender<Event>; Topic::ALL.len()],
    requests: mpsc::Sender<Event>,
}

impl Senders {
    pub(crate) fn notice(&self, event: Event) -> bool {
        self.peers.try_send(event).is_ok()
    }

    pub(crate) fn message(&self, topic: Topic, event: Event) -> bool {
        self.topics[topic as usize].try_send(event).is_ok()
    }

    /// Nobody else sends, so what has room now has it until the next call.
    pub(crate) fn has_room_for_request(&self) -> bool {
        self.requests.capacity() > 0 && !self.requests.is_closed()
    }

    /// A node that is gone takes the way back with it: whoever asked sees the stream end.
    pub(crate) fn request(&self, event: Event) {
        let _ = self.requests.try_send(event);
    }
}

pub(crate) fn queues(lengths: &Queues) -> (Senders, Events) {
    let (peers, peers_out) = mpsc::channel(lengths.peers);
    let (requests, requests_out) = mpsc::channel(lengths.requests);
    let [(t, t_out), (b, b_out), (e, e_out), (p, p_out)] = Topic::ALL.map(|topic| mpsc::channel(lengths.topic(topic)));
    let senders = Senders {
        peers,
        topics: [t, b, e, p],
        requests,
    };
    let events = Events {
        peers: peers_out,
        topics: [t_out, b_out, e_out, p_out],
        requests: requests_out,
    };
    (senders, events)
}
