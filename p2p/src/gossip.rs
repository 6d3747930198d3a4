//! Messages: from a peer to the node, its verdict, and the node's own.
//!
//! A message passes these in order: topic, introduction, quota, form, room. Whatever stops it, gossipsub hears exactly one
//! verdict for it, and hears it while it still has the message.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use libp2p::PeerId;
use libp2p::gossipsub::{self, MessageAcceptance, PublishError as GossipError};
use tracing::debug;

use crate::conduct::Offence;
use crate::config::ms;
use crate::events::Event;
use crate::handle::{PublishError, ReportError};
use crate::message::{Message, MessageId, Topic, Verdict};
use crate::meter::MeterEvent;
use crate::metrics::Fate;
use crate::service::Service;

/// Bytes of framing around data and topic's name: two tags, two lengths.
const FRAMING: usize = 10;

/// A message as it came.
#[derive(Debug)]
pub(crate) struct Arrival {
    id: MessageId,
    from: PeerId,
    topic: Topic,
    data: Vec<u8>,
    at: Instant,
}

/// Messages that wait for verdicts.
#[derive(Debug, Default)]
pub(crate) struct Undecided {
    messages: HashMap<MessageId, (PeerId, Topic)>,
    /// All have the same time to wait, so the first to come is the first to go. Ids that have their verdict stay until then.
    order: VecDeque<(Instant, MessageId)>,
}

impl Service {
    pub(crate) fn on_gossip(&mut self, event: MeterEvent) {
        match event {
            MeterEvent::Gossip(gossipsub::Event::Message {
                propagation_source: from,
                message_id,
                message,
            }) => {
                let topic = Topic::ALL
                    .into_iter()
                    .find(|topic| self.topics[*topic as usize] == message.topic);
                let (Some(topic), Some(id)) = (topic, MessageId::from_gossip(&message_id)) else {
                    // We subscribe to nothing else, and all ids are ours.
                    return debug!(%from, topic = %message.topic, "a message that nobody asked for");
                };
                self.on_arrival(Arrival {
                    id,
                    from,
                    topic,
                    data: message.data,
                    at: Instant::now(),
                });
            }
            MeterEvent::Gossip(gossipsub::Event::SlowPeer {
                peer_id,
                failed_messages,
            }) => self.on_slow(peer_id, failed_messages.priority + failed_messages.non_priority),
            MeterEvent::Gossip(_) => {}
            MeterEvent::Over { peer, frames } => {
                self.metrics.frames_over_quota.inc_by(u64::from(frames));
                self.blame(peer, Offence::Frames(frames));
            }
        }
    }

    pub(crate) fn on_arrival(&mut self, arrival: Arrival) {
        let now = Instant::now();
        let held = self.config.gossip.held;
        match self.peers.get_mut(&arrival.from) {
            Some(peer) if peer.status.is_none() && peer.held.len() < held => return peer.held.push(arrival),
            Some(peer) if peer.status.is_some() => {}
            _ => return self.stranger(&arrival),
        }
        let Arrival {
            id, from, topic, data, ..
        } = arrival;
        if !self.conducts.may_send(from, topic, now) {
            return self.decide(id, from, topic, Fate::OverQuota);
        }
        let message = match Message::from_bytes(topic, data, &*self.decoder) {
            Ok(message) => message,
            Err(error) => {
                debug!(%from, topic = topic.name(), %error, "malformed message");
                return self.decide(id, from, topic, Fate::Malformed);
            }
        };
        if self.undecided.messages.len() >= self.config.gossip.undecided {
            return self.decide(id, from, topic, Fate::QueueFull);
        }
        if !self.events.message(topic, Event::Message { id, from, message }) {
            return self.decide(id, from, topic, Fate::QueueFull);
        }
        self.undecided.messages.insert(id, (from, topic));
        self.undecided.order.push_back((now, id));
        self.metrics.undecided.set(self.undecided.messages.len() as u64);
    }

    pub(crate) fn stranger(&mut self, arrival: &Arrival) {
        self.decide(arrival.id, arrival.from, arrival.topic, Fate::Stranger);
    }

    pub(crate) fn report(&mut self, id: MessageId, verdict: Verdict) -> Result<(), ReportError> {
        let Some((from, topic)) = self.undecided.messages.remove(&id) else {
            self.metrics.late_verdicts.inc();
            return Err(ReportError::Decided(id));
        };
        let fate = match verdict {
            Verdict::Accept => Fate::Accepted,
            Verdict::Reject => Fate::Rejected,
            Verdict::Ignore => Fate::Ignored,
        };
        self.decide(id, from, topic, fate);
        Ok(())
    }

    /// Ignores what has waited too long: for its verdict, or for its sender's introduction.
    pub(crate) fn expire(&mut self, now: Instant) {
        let patience = ms(self.config.gossip.verdict_ms);
        while let Some((_, id)) = self.undecided.order.pop_front_if(|(at, _)| *at + patience <= now) {
            if let Some((from, topic)) = self.undecided.messages.remove(&id) {
                self.decide(id, from, topic, Fate::Expired);
            }
        }
        let mut late = Vec::new();
        for peer in self.peers.values_mut() {
            late.extend(peer.held.extract_if(.., |arrival| arrival.at + patience <= now));
        }
        for arrival in late {
            self.stranger(&arrival);
        }
    }

    fn decide(&mut self, id: MessageId, from: PeerId, topic: Topic, fate: Fate) {
        let acceptance = match fate {
            Fate::Accepted => MessageAcceptance::Accept,
            Fate::Rejected | Fate::Malformed => MessageAcceptance::Reject,
            Fate::Ignored | Fate::Expired | Fate::OverQuota | Fate::QueueFull | Fate::Stranger => {
                MessageAcceptance::Ignore
            }
        };
        self.metrics.message(topic, fate).inc();
        self.metrics.undecided.set(self.undecided.messages.len() as u64);
        let meter = &mut self.swarm.behaviour_mut().gossip;
        if fate == Fate::Accepted {
            meter.give_back(&from);
        }
        let gossip = &mut meter.gossip;
        if !gossip.report_message_validation_result(&id.to_gossip(), &from, acceptance) {
            debug!(%id, ?fate, "gossip has forgotten the message");
        }
    }

    pub(crate) fn publish(&mut self, message: &Message) -> Result<MessageId, PublishError> {
        let (topic, data) = (message.topic(), message.to_bytes());
        let name = &self.topics[topic as usize];
        let limit = self
            .config
            .gossip
            .bytes(topic)
            .saturating_sub(name.as_str().len() + FRAMING);
        if data.len() > limit {
            let found = data.len();
            return Err(PublishError::TooLarge { topic, limit, found });
        }
        if !matches!(message, Message::Transaction(_) | Message::Again(..)) {
            self.decoder.check(topic, &data)?;
        }
        let id = MessageId::new(name.as_str(), &data);
        let rate = self.config.quotas.topic(topic).share(self.config.quotas.own_share);
        self.publishing[topic as usize]
            .take(rate, Instant::now())
            .map_err(|retry| PublishError::OverQuota { retry })?;
        let name = name.clone();
        let gossip = &mut self.swarm.behaviour_mut().gossip.gossip;
        match gossip.publish(name, data) {
            Ok(_) => Ok(id),
            Err(GossipError::Duplicate) => Err(PublishError::Known),
            Err(GossipError::NoPeersSubscribedToTopic) => Err(PublishError::NoPeers { topic }),
            Err(GossipError::AllQueuesFull(peers)) => Err(PublishError::Full { peers }),
            Err(error) => Err(PublishError::Gossip(error.to_string())),
        }
    }
}
