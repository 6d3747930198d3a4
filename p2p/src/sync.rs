//! Requests: others' to the node, and the node's to others.

use std::io;
use std::time::Instant;

use libp2p::PeerId;
use libp2p::request_response::{self, InboundFailure, InboundRequestId, OutboundFailure, ResponseChannel};
use libp2p::swarm::ConnectionId;
use tokio::sync::oneshot;
use tracing::debug;

use crate::address::Place;
use crate::codec::Unread;
use crate::conduct::Offence;
use crate::events::{Event, Responder};
use crate::handle::{RequestError, RespondError};
use crate::metrics::{Closed, Served};
use crate::request::{Answer, Kind, Question, Refusal, Request, Response};
use crate::service::Service;

pub(crate) type RequestEvent = request_response::Event<Question, Answer>;

/// A request of ours that is under way.
#[derive(Debug)]
pub(crate) struct Asked {
    request: Request,
    /// Whom it went to; the last is the one that has it now.
    peers: Vec<PeerId>,
    /// Whether another may be tried.
    any: bool,
    reply: oneshot::Sender<Result<(PeerId, Response), RequestError>>,
}

/// Whom a request that is being answered came from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asker {
    peer: PeerId,
    /// None if the address names no IP address; then only the peer's own places count.
    place: Option<Place>,
}

impl Service {
    pub(crate) fn on_request_event(&mut self, kind: Kind, event: RequestEvent) {
        match event {
            RequestEvent::Message {
                peer,
                connection_id,
                message,
            } => match message {
                request_response::Message::Request {
                    request_id,
                    request,
                    channel,
                } => self.on_question((peer, connection_id), kind, request_id, request, channel),
                request_response::Message::Response { request_id, response } => match response {
                    Answer::Status(status) => {
                        if !self.on_status(peer, *status) {
                            self.close(peer, Closed::Genesis);
                        }
                    }
                    Answer::Tell(response) => {
                        let outcome = match response {
                            Response::Refused(refusal) => Err(RequestError::Refused { peer, refusal }),
                            response => Ok((peer, response)),
                        };
                        self.finish(kind, request_id, outcome);
                    }
                },
            },
            RequestEvent::OutboundFailure {
                peer,
                request_id,
                error,
                ..
            } => self.on_no_answer(peer, kind, request_id, &error),
            RequestEvent::InboundFailure {
                peer,
                request_id,
                error,
                ..
            } => {
                self.served(kind, request_id);
                debug!(%peer, kind = kind.name(), %error, "a request failed");
                self.metrics.request(kind, Served::Unanswered).inc();
                // Not for a mere timeout: there it may be our own node that did not answer.
                if matches!(&error, InboundFailure::Io(error) if Unread::is(error)) {
                    self.blame(peer, Offence::Slow);
                }
            }
            RequestEvent::ResponseSent { request_id, .. } => self.served(kind, request_id),
        }
    }

    // Others' requests
    // ------------------------------------------------------------------------------------------------------------

    fn on_question(
        &mut self,
        (peer, link): (PeerId, ConnectionId),
        kind: Kind,
        id: InboundRequestId,
        question: Question,
        channel: ResponseChannel<Answer>,
    ) {
        if !self.conducts.may_ask(peer, kind, Instant::now()) {
            self.metrics.request(kind, Served::OverQuota).inc();
            if kind != Kind::Status {
                self.refuse(kind, channel, Refusal::OverQuota);
            }
            return self.blame(peer, Offence::OverQuota);
        }
        let request = match question {
            Question::Status(status) => {
                let ours = Answer::Status(Box::new(self.status()));
                let sent = self.swarm.behaviour_mut().requests(kind).send_response(channel, ours);
                if !self.on_status(peer, *status) {
                    // It should hear why before it is gone; if the answer cannot go, nothing is lost.
                    match sent {
                        Ok(()) => self.close_after_answer(peer, Closed::Genesis),
                        Err(_) => self.close(peer, Closed::Genesis),
                    }
                }
                return;
            }
            Question::Ask(request) => request,
            Question::Malformed(why) => {
                debug!(%peer, kind = kind.name(), why, "a malformed question");
                self.metrics.request(kind, Served::Malformed).inc();
                // The channel is dropped, and with it the stream ends.
                return self.blame(peer, Offence::Malformed);
            }
        };
        let stranger = self.peers.get(&peer).is_none_or(|peer| peer.status.is_none());
        let place = self.peers.get(&peer).and_then(|peer| peer.place(link));
        let asker = Asker { peer, place };
        if stranger || self.is_full_for(asker) || !self.events.has_room_for_request() {
            self.metrics.request(kind, Served::Busy).inc();
            return self.refuse(kind, channel, Refusal::Busy);
        }
        self.events.request(Event::Request {
            from: peer,
            request,
            responder: Responder { channel, kind },
        });
        self.metrics.request(kind, Served::Asked).inc();
        self.serving.insert((kind, id), asker);
        self.metrics.serving.set(self.serving.len() as u64);
    }

    /// Whether everybody, the peer, or those at its address have as many answers under way as they may.
    fn is_full_for(&self, asker: Asker) -> bool {
        let sync = &self.config.sync;
        let of = |same: &dyn Fn(&Asker) -> bool| self.serving.values().filter(|other| same(other)).count();
        self.serving.len() >= sync.serving
            || of(&|other| other.peer == asker.peer) >= sync.serving_peer
            || asker.place.is_some() && of(&|other| other.place == asker.place) >= sync.serving_address
    }

    fn refuse(&mut self, kind: Kind, channel: ResponseChannel<Answer>, refusal: Refusal) {
        let answer = Answer::Tell(Response::Refused(refusal));
        // An error says that nobody waits any more.
        let _ = self.swarm.behaviour_mut().requests(kind).send_response(channel, answer);
    }

    fn served(&mut self, kind: Kind, id: InboundRequestId) {
        self.serving.remove(&(kind, id));
        self.metrics.serving.set(self.serving.len() as u64);
    }

    pub(crate) fn respond(&mut self, responder: Responder, response: Response) -> Result<(), RespondError> {
        let Responder { channel, kind } = responder;
        if !response.fits(kind) {
            return Err(RespondError::Misfit);
        }
        let (limit, found) = (self.config.sync.bytes(kind), response.bytes());
        if found > limit {
            return Err(RespondError::TooLarge { limit, found });
        }
        let requests = self.swarm.behaviour_mut().requests(kind);
        requests
            .send_response(channel, Answer::Tell(response))
            .map_err(|_| RespondError::Late)
    }

    // Our requests
    // ------------------------------------------------------------------------------------------------------------

    pub(crate) fn request(
        &mut self,
        peer: Option<PeerId>,
        request: Request,
        reply: oneshot::Sender<Result<(PeerId, Response), RequestError>>,
    ) {
        let asked = Asked {
            request,
            peers: Vec::new(),
            any: peer.is_none(),
            reply,
        };
        match peer {
            Some(peer) => self.send(peer, asked),
            None => self.ask_next(asked, None),
        }
    }

    /// Asks the best peer that was not asked yet.
    fn ask_next(&mut self, asked: Asked, last: Option<RequestError>) {
        let left = asked.peers.len() < self.config.sync.tries;
        let best = self
            .infos()
            .into_iter()
            .filter(|info| left && !asked.peers.contains(&info.peer))
            // Whoever has less to do for us comes first among equals.
            .map(|info| {
                let load = self
                    .asked
                    .values()
                    .filter(|other| other.peers.last() == Some(&info.peer));
                (info.score, load.count(), info.peer)
            })
            .min_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        match best {
            Some((_, _, peer)) => self.send(peer, asked),
            None => {
                let last = last.map(Box::new);
                let _ = asked.reply.send(Err(RequestError::NoPeers { last }));
            }
        }
    }

    fn send(&mut self, peer: PeerId, mut asked: Asked) {
        let kind = asked.request.kind();
        asked.peers.push(peer);
        let limit = self.config.sync.asking;
        if self.asked.len() >= limit {
            let _ = asked.reply.send(Err(RequestError::Busy { limit }));
            return;
        }
        let introduced = self.peers.get(&peer).is_some_and(|peer| peer.status.is_some());
        let outcome = if introduced {
            let quota = self.conducts.may_we_ask(peer, kind, Instant::now());
            quota.map_err(|retry| RequestError::OverQuota { peer, retry })
        } else {
            Err(RequestError::NotConnected(peer))
        };
        if let Err(error) = outcome {
            return self.fail(asked, error);
        }
        let question = Question::Ask(asked.request);
        let id = self.swarm.behaviour_mut().requests(kind).send_request(&peer, question);
        self.asked.insert((kind, id), asked);
    }

    fn finish(
        &mut self,
        kind: Kind,
        id: request_response::OutboundRequestId,
        outcome: Result<(PeerId, Response), RequestError>,
    ) {
        let Some(asked) = self.asked.remove(&(kind, id)) else {
            return;
        };
        match outcome {
            Ok(answer) => {
                let _ = asked.reply.send(Ok(answer));
            }
            Err(error) => self.fail(asked, error),
        }
    }

    fn fail(&mut self, asked: Asked, error: RequestError) {
        if asked.any {
            self.ask_next(asked, Some(error));
        } else {
            let _ = asked.reply.send(Err(error));
        }
    }

    fn on_no_answer(
        &mut self,
        peer: PeerId,
        kind: Kind,
        id: request_response::OutboundRequestId,
        error: &OutboundFailure,
    ) {
        debug!(%peer, kind = kind.name(), %error, "no answer");
        let malformed = matches!(error, OutboundFailure::Io(error) if error.kind() == io::ErrorKind::InvalidData);
        if malformed {
            self.blame(peer, Offence::Malformed);
        }
        if kind == Kind::Status {
            let reason = match error {
                OutboundFailure::UnsupportedProtocols => Closed::Version,
                _ => Closed::Silent,
            };
            // An old friend that misses one introduction may have the next.
            let stranger = self.peers.get(&peer).is_some_and(|peer| peer.status.is_none());
            if stranger {
                self.close(peer, reason);
            }
            return;
        }
        let why = error.to_string();
        let error = if malformed {
            RequestError::Malformed { peer, why }
        } else {
            RequestError::Failed { peer, why }
        };
        self.finish(kind, id, Err(error));
    }
}
