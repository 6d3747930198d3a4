//! Asking peers until an answer holds: the best first, another beside it when that one takes its time.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use starling_p2p::conduct::Offence;
use starling_p2p::events::PeerInfo;
use starling_p2p::handle::RequestError;
use starling_p2p::request::{Refusal, Request, Response};
use starling_p2p::status::{Heads, Role};
use starling_p2p::{Handle, PeerId};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use super::error::LightError;
use crate::answers::Wrong;

/// Between two rounds through all peers.
const PAUSE: Duration = Duration::from_millis(250);

/// How long a peer has before another is asked beside it. Longer: peers that are silent on purpose use up the patience of whoever asks.
const ALONE: Duration = Duration::from_secs(1);

/// How long a peer that let that pass comes after all others.
const SILENT: Duration = Duration::from_secs(60);

/// Peers that are asked at once. Each may answer with a proof, a megabyte at most.
const AT_ONCE: usize = 8;

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
    /// Who let a question wait, and when.
    silent: Arc<Mutex<HashMap<PeerId, Instant>>>,
}

impl Peers {
    pub(super) fn new(handle: Handle, patience: Duration) -> Self {
        Self {
            handle,
            patience,
            banned: Arc::default(),
            silent: Arc::default(),
        }
    }

    fn silent(&self) -> MutexGuard<'_, HashMap<PeerId, Instant>> {
        // Nothing that holds it can panic half-way through a change.
        self.silent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Peers whose lies were found since the start.
    pub(super) fn banned(&self) -> u64 {
        self.banned.load(Ordering::Relaxed)
    }

    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    /// Starts asking; those come first that say they are furthest by `head`, and of whoever says more than `most`, which is as far as
    /// one can be, that is believed.
    pub(super) fn asking(&self, request: Request, head: fn(&Heads) -> u64, most: u64) -> Asking<'_> {
        Asking {
            peers: self,
            request,
            head,
            most,
            pending: JoinSet::new(),
            under_way: HashSet::new(),
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
    most: u64,
    pending: JoinSet<(PeerId, Result<Response, RequestError>)>,
    /// Who is being asked.
    under_way: HashSet<PeerId>,
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
        loop {
            let left = self.until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            // Whoever comes here has nobody that answers in time.
            let mut alone = ALONE;
            if self.pending.len() < AT_ONCE {
                match self.candidate().await? {
                    Some(peer) => self.ask(peer),
                    None if self.pending.is_empty() => {
                        // With nobody asked, somebody may still come; after a round of honest ignorance nothing will change.
                        if !self.round.is_empty() && !self.again {
                            return Ok(None);
                        }
                        self.round.clear();
                        self.again = false;
                        sleep(PAUSE.min(left)).await;
                        continue;
                    }
                    None => alone = left,
                }
            } else {
                alone = left;
            }
            match timeout(alone.min(left), self.pending.join_next()).await {
                Ok(Some(Ok((peer, outcome)))) => {
                    self.under_way.remove(&peer);
                    if let Some(body) = self.answer(peer, outcome)? {
                        return Ok(Some((peer, body)));
                    }
                }
                Ok(_) => {}
                Err(_) => {
                    let now = Instant::now();
                    let mut silent = self.peers.silent();
                    silent.retain(|_, at| at.elapsed() < SILENT);
                    silent.extend(self.under_way.iter().map(|peer| (*peer, now)));
                    self.again = true;
                    self.last = format!("{} peers let the question wait", self.under_way.len());
                }
            }
        }
    }

    fn ask(&mut self, peer: PeerId) {
        self.round.insert(peer);
        self.under_way.insert(peer);
        let (handle, request) = (self.peers.handle.clone(), self.request);
        self.pending
            .spawn(async move { (peer, handle.request(peer, request).await) });
    }

    /// What a peer has said, if it is an answer.
    fn answer(&mut self, peer: PeerId, outcome: Result<Response, RequestError>) -> Result<Option<Vec<u8>>, LightError> {
        match outcome {
            Ok(Response::Found(body)) => {
                self.peers.silent().remove(&peer);
                self.answers += 1;
                return Ok(Some(body));
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
        Ok(None)
    }

    async fn candidate(&self) -> Result<Option<PeerId>, LightError> {
        let peers = self.peers.handle.peers().await.map_err(|_| LightError::Ended)?;
        let candidates = peers
            .iter()
            .filter(|info| info.status.role != Role::Light && !self.round.contains(&info.peer));
        let silent = self.peers.silent();
        let rank = |info: &PeerInfo| {
            let speaks = silent.get(&info.peer).is_none_or(|at| at.elapsed() >= SILENT);
            (speaks, (self.head)(&info.status.heads).min(self.most))
        };
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
