//! Asking peers, one after the other, until an answer holds.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use starling_p2p::conduct::Offence;
use starling_p2p::events::PeerInfo;
use starling_p2p::handle::RequestError;
use starling_p2p::request::{Refusal, Request, Response};
use starling_p2p::status::{Heads, Role};
use starling_p2p::{Handle, PeerId};
use tokio::time::sleep;
use tracing::{debug, warn};

use super::error::LightError;
use crate::answers::Wrong;

/// Between two rounds through all peers.
const PAUSE: Duration = Duration::from_millis(250);

/// What is wrong with an answer.
#[derive(Debug)]
pub(super) enum Fault {
    /// No honest peer gives it: the peer is banned.
    Lie(Wrong),
    /// It may be honest on another fork of L1, or of one that tries something: it costs, and often enough it bans.
    Odd(String),
    /// It was true before, or will be soon.
    Stale(String),
    /// Not the peer's fault: there is no answer.
    Ours(LightError),
}

impl From<Wrong> for Fault {
    fn from(wrong: Wrong) -> Self {
        Self::Lie(wrong)
    }
}

impl From<LightError> for Fault {
    fn from(error: LightError) -> Self {
        Self::Ours(error)
    }
}

/// The peers that can be asked.
#[derive(Clone, Debug)]
pub(super) struct Peers {
    pub(super) handle: Handle,
    /// How long is looked for a peer whose answer holds.
    patience: Duration,
    banned: Arc<AtomicU64>,
}

impl Peers {
    pub(super) fn new(handle: Handle, patience: Duration) -> Self {
        let banned = Arc::default();
        Self {
            handle,
            patience,
            banned,
        }
    }

    /// Peers whose lies were found since the start.
    pub(super) fn banned(&self) -> u64 {
        self.banned.load(Ordering::Relaxed)
    }

    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    /// Starts asking; those come first that say they are furthest by `head`.
    pub(super) fn asking(&self, request: Request, head: fn(&Heads) -> u64) -> Asking<'_> {
        Asking {
            peers: self,
            request,
            head,
            until: Instant::now() + self.patience,
            round: HashSet::new(),
            again: false,
            answers: 0,
            last: "there is no peer".to_owned(),
        }
    }
}

/// A question on its way through the peers.
pub(super) struct Asking<'a> {
    peers: &'a Peers,
    request: Request,
    head: fn(&Heads) -> u64,
    until: Instant,
    /// Who was asked in this round.
    round: HashSet<PeerId>,
    /// Whether another round may bring something else.
    again: bool,
    answers: usize,
    last: String,
}

impl Asking<'_> {
    /// The next answer; `None` when nobody is left to ask, or it has taken too long.
    pub(super) async fn next(&mut self) -> Result<Option<(PeerId, Vec<u8>)>, LightError> {
        while Instant::now() < self.until {
            let Some(peer) = self.candidate().await? else {
                // With nobody asked, somebody may still come; after a round of honest ignorance nothing will change.
                if !self.round.is_empty() && !self.again {
                    return Ok(None);
                }
                self.round.clear();
                self.again = false;
                sleep(PAUSE).await;
                continue;
            };
            self.round.insert(peer);
            match self.peers.handle.request(peer, self.request).await {
                Ok(Response::Found(body)) => {
                    self.answers += 1;
                    return Ok(Some((peer, body)));
                }
                Ok(_) => self.last = format!("{peer} answered another question"),
                Err(RequestError::Ended(_)) => return Err(LightError::Ended),
                Err(error) => {
                    debug!(%peer, %error, "no answer");
                    let unknown = Refusal::Unknown;
                    self.again |= !matches!(&error, RequestError::Refused { refusal, .. } if *refusal == unknown);
                    self.last = error.to_string();
                }
            }
        }
        Ok(None)
    }

    async fn candidate(&self) -> Result<Option<PeerId>, LightError> {
        let peers = self.peers.handle.peers().await.map_err(|_| LightError::Ended)?;
        let candidates = peers
            .iter()
            .filter(|info| info.status.role != Role::Light && !self.round.contains(&info.peer));
        let rank = |info: &PeerInfo| (self.head)(&info.status.heads);
        let best = candidates.max_by(|a, b| rank(a).cmp(&rank(b)).then(a.score.total_cmp(&b.score)));
        Ok(best.map(|info| info.peer))
    }

    /// Holds a fault against the peer; the next one is to be asked then.
    ///
    /// # Errors
    /// When it is not a peer's fault.
    pub(super) async fn fault(&mut self, peer: PeerId, fault: Fault) -> Result<(), LightError> {
        self.again = true;
        let handle = &self.peers.handle;
        let told = match fault {
            Fault::Lie(wrong) => {
                warn!(%peer, %wrong, request = ?self.request, "a peer's answer is wrong: it is banned");
                self.peers.banned.fetch_add(1, Ordering::Relaxed);
                self.last = format!("{peer}: {wrong}");
                handle.ban(peer).await
            }
            Fault::Odd(why) => {
                debug!(%peer, why, request = ?self.request, "a peer's answer does not fit");
                self.last = format!("{peer}: {why}");
                handle.note(peer, Offence::Malformed).await
            }
            Fault::Stale(why) => {
                debug!(%peer, why, request = ?self.request, "a peer's answer is of another time");
                self.last = format!("{peer}: {why}");
                Ok(())
            }
            Fault::Ours(error) => return Err(error),
        };
        told.map_err(|_| LightError::Ended)
    }

    /// What to say when nothing came of it.
    pub(super) fn failure(self) -> LightError {
        LightError::NoPeer {
            asked: self.answers,
            last: self.last,
        }
    }
}
