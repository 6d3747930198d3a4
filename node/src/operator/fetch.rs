//! Gets batches that L1 has: from L1 itself, and what L1 does not have any more from peers.
//!
//! L1's contract keeps of a batch its chain digest and the hash of its last header. That is enough to know the batch when somebody shows
//! it: the digest fixes the words, the hash fixes slot and blocks. So a peer is never believed, whatever it sends.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use starling_p2p::conduct::Offence;
use starling_p2p::handle::RequestError;
use starling_p2p::request::{Refusal, Request, Response};
use starling_p2p::{Handle, PeerId};
use starling_rollup::block_header::{self, BlocksError};
use starling_rollup::chain;
use starling_rollup::transaction::{RollupId, SignedTransaction};
use starling_vm::field::Word;
use tokio::time::sleep;
use tracing::{debug, warn};

use super::chain::Commit;
use crate::batch_body::BatchBody;
use crate::l1::rollup::{CommitSent, Rollup};
use crate::l1::{Hash, L1, L1Error, hex};

/// Peers that are asked for a batch before L1 is looked at again. Fewer: so many that have nothing keep a node waiting for longer.
const ASKED: usize = 16;

/// How long peers are asked before L1 is looked at again: some may be silent.
const PATIENCE: Duration = Duration::from_secs(20);

/// Times that peers are asked again that had no time for us.
const ROUNDS: usize = 4;

/// The longest wait before that.
const PAUSE: Duration = Duration::from_secs(1);

/// Time until peers are asked again for a batch that none of them had, if nothing has changed; doubled each time. What nobody has, such as
/// the signatures of a transaction that nobody signed, is wanted with every look at L1.
const AGAIN: Duration = Duration::from_secs(1);

/// The longest such time.
const AGAIN_MOST: Duration = Duration::from_secs(8);

/// Peers whose silence is remembered.
const REMEMBERED: usize = 1_024;

/// What L1 has of a batch, and what is before it: enough to know the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// The batch's number.
    pub number: u64,
    /// Chain digest before it.
    pub parent_digest: Word,
    /// Hash of the last header before it.
    pub parent_head: [u8; 32],
    /// Chain digest after it, as L1 has it.
    pub digest: Word,
    /// Hash of its last header, as L1 has it.
    pub head: [u8; 32],
}

/// Why what a peer sends is not the batch that L1 has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// Its words, with their claim, do not lead to L1's chain digest.
    #[error("its words lead to the chain digest {found}, L1 has {expected}")]
    Digest {
        /// L1's.
        expected: String,
        /// Where they lead.
        found: String,
    },
    /// Its blocks do not cut its words.
    #[error(transparent)]
    Blocks(#[from] BlocksError),
    /// Its headers do not lead to L1's.
    #[error("its last header is {found}, L1 has {expected}")]
    Head {
        /// Hash of L1's last header.
        expected: String,
        /// Where the headers lead.
        found: String,
    },
    /// A signature does not verify.
    #[error("the signature of its transaction {0} does not verify")]
    Signature(usize),
}

impl Misfit {
    /// Whether no honest node sends it. Another batch than L1's is what an honest one has that L1 has left behind, or not reached.
    fn is_lie(&self) -> bool {
        match self {
            Self::Digest { .. } | Self::Head { .. } => false,
            Self::Blocks(_) | Self::Signature(_) => true,
        }
    }
}

impl Anchor {
    /// The batch as L1 would have given it.
    pub fn commit(&self, sent: CommitSent) -> Commit {
        Commit {
            number: self.number,
            digest: self.digest,
            head: self.head,
            slot: sent.slot,
            blocks: sent.blocks,
            words: sent.words,
        }
    }

    /// The commit that a batch from a peer is, if it is the one that L1 has.
    ///
    /// # Errors
    /// When its words do not extend the parent's chain digest to L1's, or its headers do not lead to L1's.
    pub fn check(&self, rollup: &RollupId, body: &BatchBody) -> Result<Commit, Misfit> {
        let words = body.data.to_words();
        let found = chain::next(&self.parent_digest, &words, rollup, self.number);
        if found != self.digest {
            return Err(Misfit::Digest {
                expected: super::hex_word(&self.digest),
                found: super::hex_word(&found),
            });
        }
        let headers = block_header::headers(self.parent_head, body.slot, self.number, &words, &body.blocks)?;
        let found = headers.last().map_or(self.parent_head, |header| header.hash());
        if found != self.head {
            return Err(Misfit::Head {
                expected: format!("0x{}", hex(&self.head)),
                found: format!("0x{}", hex(&found)),
            });
        }
        Ok(self.commit(CommitSent {
            slot: body.slot,
            blocks: body.blocks.clone(),
            words,
        }))
    }
}

/// The signed transactions that come with a batch, each verified; `None` if the peer has none.
///
/// # Errors
/// When a signature does not verify.
pub fn verified(rollup: &RollupId, body: BatchBody) -> Result<Option<Vec<SignedTransaction>>, Misfit> {
    let word = rollup.word();
    let Some(batch) = body.batch else {
        return Ok(None);
    };
    match batch
        .transactions
        .iter()
        .position(|signed| signed.verify(&word).is_err())
    {
        Some(number) => Err(Misfit::Signature(number)),
        None => Ok(Some(batch.transactions)),
    }
}

/// How it was that no peer showed a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Silence {
    /// Peers that were asked.
    pub asked: usize,
    /// Those that sent something else.
    pub wrong: usize,
}

impl std::fmt::Display for Silence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self { asked: 0, .. } => write!(f, "no peer could be asked"),
            Self { asked, wrong: 0 } => write!(f, "none of {asked} peers shows it"),
            Self { asked, wrong } => write!(
                f,
                "none of {asked} peers shows it, and {wrong} of them sent what is not L1's batch"
            ),
        }
    }
}

/// A batch that L1 has, with as many of its signatures as came with it.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The batch.
    pub commit: Commit,
    /// Its transactions, each signature verified; none if it came from L1, or from a peer that has none.
    pub signed: Option<Vec<SignedTransaction>>,
}

/// A batch's transactions, each signature verified, and who has shown them.
pub type Shown = (PeerId, Vec<SignedTransaction>);

/// Gets batches of one rollup.
pub struct Fetch {
    rollup: RollupId,
    network: Option<Handle>,
    /// How often peers had nothing for us, so that others come first the next time.
    idle: HashMap<PeerId, u32>,
    /// Peers that have shown signatures of other keys.
    liars: HashSet<PeerId>,
    /// What nobody had the last time.
    missed: Option<Missed>,
}

/// A batch that nobody had.
#[derive(Clone, Copy)]
struct Missed {
    /// The batch, and how many peers there were.
    what: (Word, usize),
    silence: Silence,
    at: Instant,
    pause: Duration,
}

/// What became of a question.
enum Asked<T> {
    Had(T),
    /// It has nothing, or is gone.
    Nothing,
    /// It sent another batch than L1's, or none at all.
    Wrong,
    /// It, or our quota with it, has no room now.
    Later(Duration),
}

impl Fetch {
    /// Gets batches of `rollup`, from L1 and from the network, if there is one.
    pub fn new(rollup: RollupId, network: Option<Handle>) -> Self {
        Self {
            rollup,
            network,
            idle: HashMap::new(),
            liars: HashSet::new(),
            missed: None,
        }
    }

    /// A batch that L1 has, from the transaction of its commit, or from peers when that cannot be read; what is missing, and what
    /// helps, when nobody has it.
    ///
    /// # Errors
    /// When L1 does not answer: then nobody is asked.
    pub async fn batch(
        &mut self,
        l1: &Arc<dyn L1>,
        anchor: &Anchor,
        transaction: Hash,
        proven: bool,
    ) -> Result<Result<Fetched, String>, L1Error> {
        let gone = match Rollup::new(&**l1, self.rollup.contract).commit_sent(transaction).await {
            Ok(sent) => {
                let (commit, signed) = (anchor.commit(sent), None);
                return Ok(Ok(Fetched { commit, signed }));
            }
            Err(gone @ L1Error::NoData { .. }) => gone,
            Err(error) => return Err(error),
        };
        debug!(batch = anchor.number, %gone, "peers are asked");
        Ok(match self.from_peers(anchor, proven).await {
            Ok(fetched) => Ok(fetched),
            Err(silence) => {
                let number = anchor.number;
                warn!(batch = number, %gone, %silence, "a batch on L1 cannot be had");
                Err(format!(
                    "the data of batch {number} is missing: {gone}; {silence}. Connect a node that has the batch \
                     (`p2p.bootstrap`), or set `l1.url` to an endpoint that keeps old transactions; it is tried again"
                ))
            }
        })
    }

    /// A batch that L1 has, from peers.
    ///
    /// # Errors
    /// When none of them shows it.
    pub async fn from_peers(&mut self, anchor: &Anchor, proven: bool) -> Result<Fetched, Silence> {
        let (anchor, rollup) = (*anchor, self.rollup);
        let judge = move |body: BatchBody| {
            let commit = anchor.check(&rollup, &body)?;
            // Whoever proved it has seen to the signatures.
            let signed = if proven { None } else { verified(&rollup, body)? };
            Ok(Some(Fetched { commit, signed }))
        };
        self.ask(&anchor, judge).await.map(|(_, fetched)| fetched)
    }

    /// What a peer has shown as a batch's signatures is of other keys than the accounts': no honest node keeps such. It is noted, and
    /// not asked any more.
    pub async fn caught(&mut self, peer: PeerId) {
        if let Some(network) = &self.network {
            let _ = network.note(peer, Offence::Malformed).await;
        }
        if self.liars.len() >= REMEMBERED {
            self.liars.clear();
        }
        self.liars.insert(peer);
        self.missed = None;
    }

    /// The signed transactions of a batch, each verified, from peers.
    ///
    /// # Errors
    /// When none of them shows them.
    pub async fn signatures(&mut self, anchor: &Anchor) -> Result<Shown, Silence> {
        let (anchor, rollup) = (*anchor, self.rollup);
        let judge = move |body: BatchBody| {
            anchor.check(&rollup, &body)?;
            verified(&rollup, body)
        };
        self.ask(&anchor, judge).await
    }

    /// Asks peers for a batch, one after the other, until `judge` takes what one sends. Those that have just shown that they do not have
    /// it are left alone for a while, unless there are others.
    async fn ask<T: Send + 'static>(
        &mut self,
        anchor: &Anchor,
        judge: impl Fn(BatchBody) -> Result<Option<T>, Misfit> + Clone + Send + 'static,
    ) -> Result<(PeerId, T), Silence> {
        let Some(network) = self.network.clone() else {
            return Err(Silence::default());
        };
        let mut peers = network.peers().await.unwrap_or_default();
        peers.retain(|peer| !self.liars.contains(&peer.peer));
        let what = (anchor.digest, peers.len());
        let before = self.missed.filter(|missed| missed.what == what);
        if let Some(missed) = before
            && missed.at.elapsed() < missed.pause
        {
            return Err(missed.silence);
        }
        let idle = |peer: &PeerId| self.idle.get(peer).copied().unwrap_or(0);
        peers.sort_by(|a, b| idle(&a.peer).cmp(&idle(&b.peer)).then(b.score.total_cmp(&a.score)));
        let peers = peers.into_iter().take(ASKED).map(|info| info.peer).collect();
        let found = self.ask_each(&network, peers, anchor.number, judge).await;
        self.missed = None;
        if let Err(silence) = found {
            let pause = before.map_or(AGAIN, |missed| AGAIN_MOST.min(2 * missed.pause));
            let at = Instant::now();
            self.missed = Some(Missed {
                what,
                silence,
                at,
                pause,
            });
        }
        found
    }

    async fn ask_each<T: Send + 'static>(
        &mut self,
        network: &Handle,
        mut peers: Vec<PeerId>,
        number: u64,
        judge: impl Fn(BatchBody) -> Result<Option<T>, Misfit> + Clone + Send + 'static,
    ) -> Result<(PeerId, T), Silence> {
        let mut silence = Silence::default();
        let began = Instant::now();
        for round in 0..ROUNDS {
            let mut pause = PAUSE;
            for peer in std::mem::take(&mut peers) {
                if began.elapsed() > PATIENCE {
                    return Err(silence);
                }
                silence.asked += usize::from(round == 0);
                // Before it has answered: whoever waits for it may have enough of that.
                self.note_idle(peer);
                match ask_one(network, peer, number, judge.clone()).await {
                    Asked::Had(found) => {
                        self.idle.remove(&peer);
                        return Ok((peer, found));
                    }
                    Asked::Nothing => {}
                    Asked::Wrong => silence.wrong += 1,
                    Asked::Later(retry) => {
                        self.idle.entry(peer).and_modify(|times| *times -= 1);
                        pause = pause.min(retry);
                        peers.push(peer);
                    }
                }
            }
            if peers.is_empty() {
                break;
            }
            sleep(pause).await;
        }
        Err(silence)
    }

    fn note_idle(&mut self, peer: PeerId) {
        if self.idle.len() >= REMEMBERED {
            self.idle.clear();
        }
        *self.idle.entry(peer).or_default() += 1;
    }
}

async fn ask_one<T: Send + 'static>(
    network: &Handle,
    peer: PeerId,
    number: u64,
    judge: impl Fn(BatchBody) -> Result<Option<T>, Misfit> + Send + 'static,
) -> Asked<T> {
    let bytes = match network.request(peer, Request::Batch { number }).await {
        Ok(Response::Found(bytes)) => bytes,
        Err(RequestError::OverQuota { retry, .. }) => return Asked::Later(retry),
        Err(
            RequestError::Busy { .. }
            | RequestError::Refused {
                refusal: Refusal::Busy | Refusal::OverQuota,
                ..
            },
        ) => return Asked::Later(PAUSE),
        _ => return Asked::Nothing,
    };
    let judged = tokio::task::spawn_blocking(move || match BatchBody::from_bytes(&bytes) {
        Ok(body) => judge(body).map_err(|misfit| (misfit.to_string(), misfit.is_lie())),
        Err(error) => Err((error.to_string(), true)),
    });
    match judged.await {
        Ok(Ok(Some(found))) => Asked::Had(found),
        Ok(Err((why, is_lie))) => {
            debug!(%peer, batch = number, why, is_lie, "not the batch that L1 has");
            if is_lie {
                let _ = network.note(peer, Offence::Malformed).await;
            }
            Asked::Wrong
        }
        _ => Asked::Nothing,
    }
}
