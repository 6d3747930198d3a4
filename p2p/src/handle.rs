//! What the node tells the network. Every call waits for room in one bounded queue, and most for the answer.

use std::time::Duration;

use libp2p::{Multiaddr, PeerId};
use tokio::sync::{mpsc, oneshot};

use crate::conduct::Offence;
use crate::events::{PeerInfo, Responder};
use crate::message::{DecodeError, Message, MessageId, Topic, Verdict};
use crate::metrics::Metrics;
use crate::request::{Refusal, Request, Response};
use crate::status::Heads;

/// The network has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the network has ended")]
pub struct Ended;

/// Why a message was not published.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The network has ended.
    #[error(transparent)]
    Ended(#[from] Ended),
    /// It is not well formed.
    #[error("the message is not well formed: {0}")]
    Malformed(#[from] DecodeError),
    /// It is larger than its topic allows.
    #[error("{found} bytes on the topic {}: at most {limit} are sent", .topic.name())]
    TooLarge {
        /// The topic.
        topic: Topic,
        /// The most that is allowed, without the topic's name and framing.
        limit: usize,
        /// The message's bytes.
        found: usize,
    },
    /// We have published too much: peers would punish us.
    #[error("our own quota is used up; try again in {} ms", .retry.as_millis())]
    OverQuota {
        /// When to try again.
        retry: Duration,
    },
    /// No peer listens to the topic.
    #[error("no peer listens to the topic {}", .topic.name())]
    NoPeers {
        /// The topic.
        topic: Topic,
    },
    /// It is known: published before, or came from others.
    #[error("the message is known already")]
    Known,
    /// No peer could take it.
    #[error("the queues to all {peers} peers are full")]
    Full {
        /// How many there are.
        peers: usize,
    },
    /// Something that gossip should not meet.
    #[error("gossip failed: {0}")]
    Gossip(String),
}

/// Why a verdict had no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// The network has ended.
    #[error(transparent)]
    Ended(#[from] Ended),
    /// The message does not wait for a verdict: it had one, or waited too long and was ignored.
    #[error("the message {0} does not wait for a verdict")]
    Decided(MessageId),
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The network has ended.
    #[error(transparent)]
    Ended(#[from] Ended),
    /// The peer is not connected, or not introduced.
    #[error("{0} is not connected")]
    NotConnected(PeerId),
    /// There is no peer to ask, or none is left that was not asked.
    #[error("no peer is left to ask; the last one: {last:?}")]
    NoPeers {
        /// How the last one failed, if any was asked.
        last: Option<Box<RequestError>>,
    },
    /// We have asked this peer too much: it would punish us.
    #[error("our quota with {peer} is used up; try again in {} ms", .retry.as_millis())]
    OverQuota {
        /// The peer.
        peer: PeerId,
        /// When to try again.
        retry: Duration,
    },
    /// Too many of our requests are under way.
    #[error("{limit} requests are under way already (p2p.sync.asking)")]
    Busy {
        /// The most that may be.
        limit: usize,
    },
    /// The peer refuses.
    #[error("{peer} does not answer: {refusal}")]
    Refused {
        /// The peer.
        peer: PeerId,
        /// Why.
        refusal: Refusal,
    },
    /// The peer's answer is not one.
    #[error("{peer} answered what is no answer: {why}")]
    Malformed {
        /// The peer.
        peer: PeerId,
        /// What is wrong.
        why: String,
    },
    /// The connection or the stream ended, or it took too long.
    #[error("{peer} did not answer: {why}")]
    Failed {
        /// The peer.
        peer: PeerId,
        /// What happened.
        why: String,
    },
}

/// Why an answer was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RespondError {
    /// The network has ended.
    #[error(transparent)]
    Ended(#[from] Ended),
    /// It answers another question.
    #[error("the answer does not fit the question")]
    Misfit,
    /// It is too large.
    #[error("the answer is {found} bytes, at most {limit} are sent")]
    TooLarge {
        /// The most that is allowed.
        limit: usize,
        /// The answer's bytes.
        found: usize,
    },
    /// Nobody waits for it any more.
    #[error("the question is no longer open")]
    Late,
}

/// What a handle asks of the network's task.
pub(crate) enum Command {
    Publish(Message, oneshot::Sender<Result<MessageId, PublishError>>),
    Report(MessageId, Verdict, oneshot::Sender<Result<(), ReportError>>),
    Request(
        Option<PeerId>,
        Request,
        oneshot::Sender<Result<(PeerId, Response), RequestError>>,
    ),
    Respond(Responder, Response, oneshot::Sender<Result<(), RespondError>>),
    Peers(oneshot::Sender<Vec<PeerInfo>>),
    Addresses(oneshot::Sender<Vec<Multiaddr>>),
    Dial(Multiaddr),
    SetHeads(Box<Heads>),
    Note(PeerId, Offence),
    Ban(PeerId),
    Shutdown(oneshot::Sender<()>),
}

/// The network. Copies speak to the same one; when the last is dropped, it ends.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) peer: PeerId,
    pub(crate) metrics: Metrics,
}

impl Handle {
    /// Our own id.
    pub fn peer_id(&self) -> PeerId {
        self.peer
    }

    /// What the network counts.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Sends a message to the topic's peers. It must be one that every honest node accepts: whoever gets it judges us by it.
    ///
    /// # Errors
    /// When it is malformed, too large or known, or nobody can take it now.
    pub async fn publish(&self, message: Message) -> Result<MessageId, PublishError> {
        self.ask(|reply| Command::Publish(message, reply)).await?
    }

    /// Gives the verdict on a message. Once for each; there are [crate::config::Gossip::verdict_ms] for it.
    ///
    /// # Errors
    /// When the message does not wait for one.
    pub async fn report(&self, id: MessageId, verdict: Verdict) -> Result<(), ReportError> {
        self.ask(|reply| Command::Report(id, verdict, reply)).await?
    }

    /// Asks a peer. The answer is of the question's kind and within its size; whether it is true is for the caller to check,
    /// and to [Handle::note] if not.
    ///
    /// # Errors
    /// When the peer gives no answer.
    pub async fn request(&self, peer: PeerId, request: Request) -> Result<Response, RequestError> {
        let (_, response) = self.ask(|reply| Command::Request(Some(peer), request, reply)).await??;
        Ok(response)
    }

    /// Asks peers one after the other, the best first, until one answers.
    ///
    /// # Errors
    /// When none of [crate::config::Sync::tries] peers does.
    pub async fn request_any(&self, request: Request) -> Result<(PeerId, Response), RequestError> {
        self.ask(|reply| Command::Request(None, request, reply)).await?
    }

    /// Answers a question.
    ///
    /// # Errors
    /// When the answer does not fit, is too large, or comes too late.
    pub async fn respond(&self, responder: Responder, response: Response) -> Result<(), RespondError> {
        self.ask(|reply| Command::Respond(responder, response, reply)).await?
    }

    /// The introduced peers.
    ///
    /// # Errors
    /// When the network has ended.
    pub async fn peers(&self) -> Result<Vec<PeerInfo>, Ended> {
        self.ask(Command::Peers).await
    }

    /// The addresses that the node listens on.
    ///
    /// # Errors
    /// When the network has ended.
    pub async fn addresses(&self) -> Result<Vec<Multiaddr>, Ended> {
        self.ask(Command::Addresses).await
    }

    /// Connects to an address. Whether it worked shows in the events.
    ///
    /// # Errors
    /// When the network has ended.
    pub async fn dial(&self, address: Multiaddr) -> Result<(), Ended> {
        self.tell(Command::Dial(address)).await
    }

    /// Says how far the node has come; peers hear of it with the next introduction.
    ///
    /// # Errors
    /// When the network has ended.
    pub async fn set_heads(&self, heads: Heads) -> Result<(), Ended> {
        self.tell(Command::SetHeads(Box::new(heads))).await
    }

    /// Holds something against a peer: an answer that was not true is [Offence::Malformed].
    ///
    /// # Errors
    /// When the network has ended.
    pub async fn note(&self, peer: PeerId, offence: Offence) -> Result<(), Ended> {
        self.tell(Command::Note(peer, offence)).await
    }

    /// Disconnects a peer and keeps it out for a while.
    ///
    /// # Errors
    /// When the network has ended.
    pub async fn ban(&self, peer: PeerId) -> Result<(), Ended> {
        self.tell(Command::Ban(peer)).await
    }

    /// Ends the network: connections are closed and every task is done when this returns.
    ///
    /// # Errors
    /// When it has ended before.
    pub async fn shutdown(&self) -> Result<(), Ended> {
        self.ask(Command::Shutdown).await
    }

    async fn tell(&self, command: Command) -> Result<(), Ended> {
        self.commands.send(command).await.map_err(|_| Ended)
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, Ended> {
        let (reply, answer) = oneshot::channel();
        self.tell(command(reply)).await?;
        answer.await.map_err(|_| Ended)
    }
}
