//! What L1 says, from one endpoint or several. Answers of several are compared, never averaged.
//!
//! [Endpoints::look] asks each endpoint how far it is and compares what all of them must have; [Endpoints::ask] puts one question
//! to all of them and takes an answer only if they agree. An endpoint that is silent is left out and named in the status; one
//! that is merely behind holds the numbers back: only what all have counts.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use starling_rollup::address::L1Address;
use starling_rollup::schedule::Clock;
use starling_rollup::transaction::RollupId;
use starling_vm::field::Word;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{debug, warn};

use super::error::{Disagreement, LightError};
use crate::l1::ethers::{EthersL1, Settings};
use crate::l1::rollup::{BatchInfo, Rollup};
use crate::l1::staking::Staking;
use crate::l1::{L1, L1Error, hex};
use crate::operator::hex_word;

/// How long an endpoint may take for one question.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long the number before the last one is still taken from peers: a proof or commit is not seen by all at once.
const GRACE: Duration = Duration::from_secs(30);

// QUESTIONS
// ================================================================================================================

/// A question to L1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// The state root after a batch with which a proof ended.
    Root(u64),
    /// A committed batch.
    Batch(u64),
    /// Who builds a slot.
    Builder(u64),
    /// Whether an address is a validator's, or was.
    Validator(L1Address),
}

/// Who builds a slot, as far as L1 says so now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Builder {
    /// `None` if nobody does.
    pub(super) who: Option<L1Address>,
    /// Whether honest nodes that looked at L1 earlier found the same: the leader was in office all along. A validator that leaves or is
    /// jailed in its slot has built a part of it, and those who stand in for it may be others from one L1 block to the next.
    pub(super) settled: bool,
}

/// What L1 says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fact {
    Root(Option<Word>),
    Batch(BatchInfo),
    Builder(Builder),
    Validator(bool),
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root(batch) => write!(f, "the state root after batch {batch}"),
            Self::Batch(batch) => write!(f, "digest, header and operations of batch {batch}"),
            Self::Builder(slot) => write!(f, "the builder of slot {slot}"),
            Self::Validator(address) => write!(f, "whether {address} is a validator"),
        }
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root(None) => f.write_str("none"),
            Self::Root(Some(root)) => f.write_str(&hex_word(root)),
            Self::Batch(batch) => write!(
                f,
                "digest {}, header 0x{}, operations 0x{}",
                hex_word(&batch.digest),
                hex(&batch.head),
                hex(&batch.operations_root)
            ),
            Self::Builder(Builder { who: None, .. }) => f.write_str("none"),
            Self::Builder(Builder { who: Some(builder), .. }) => builder.fmt(f),
            Self::Validator(is) => is.fmt(f),
        }
    }
}

async fn read(l1: &dyn L1, place: Place, question: Question) -> Result<Fact, L1Error> {
    let rollup = Rollup::new(l1, place.rollup);
    Ok(match question {
        Question::Root(batch) => Fact::Root(rollup.root(batch).await?),
        Question::Batch(batch) => Fact::Batch(rollup.batch(batch).await?),
        Question::Builder(slot) => {
            let staking = Staking::new(l1, place.staking);
            let (constants, time) = (staking.constants().await?, l1.head().await?.timestamp);
            let least = constants.min_stake;
            let drawn = match staking.leader(slot).await {
                Ok(drawn) => drawn,
                Err(L1Error::Reverted { .. }) => None,
                Err(error) => return Err(error),
            };
            // The draw's leader is asked about alone first: most often it is in office.
            if let Some(leader) = drawn
                && let Some(found) = staking.validator(leader).await?
                && found.in_office(least, time)
            {
                // Nodes decide who builds a slot in the one before.
                let decided = constants.clock.slot_start(slot.saturating_sub(1));
                return Ok(Fact::Builder(Builder {
                    who: drawn,
                    settled: found.jailed_until <= decided,
                }));
            }
            let office = staking.in_office(staking.first_operators().await?, least, time).await?;
            Fact::Builder(Builder {
                who: staking.builder(slot, &office, least, time).await?,
                settled: false,
            })
        }
        Question::Validator(address) => {
            let found = Staking::new(l1, place.staking).validator(address).await?;
            Fact::Validator(found.is_some())
        }
    })
}

// ENDPOINTS
// ================================================================================================================

/// Where the contracts are.
#[derive(Clone, Copy, Debug)]
struct Place {
    rollup: L1Address,
    staking: L1Address,
}

/// How far an endpoint is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) block: u64,
    pub(super) time: u64,
    pub(super) committed: u64,
    pub(super) proven: u64,
    pub(super) frozen: bool,
}

/// An endpoint as it was at the last look.
#[derive(Clone, Debug)]
pub(super) struct EndpointState {
    pub(super) url: String,
    pub(super) seen: Option<Seen>,
    pub(super) trouble: Option<String>,
}

/// A number that grows, and the one before for a short while.
#[derive(Clone, Copy, Debug, Default)]
struct Recent {
    now: Option<u64>,
    /// And until when it is taken.
    before: Option<(u64, Instant)>,
}

impl Recent {
    fn learn(&mut self, number: u64) {
        if self.now == Some(number) {
            return;
        }
        self.before = self.now.map(|before| (before, Instant::now() + GRACE));
        self.now = Some(number);
    }

    fn admits(&self, number: u64) -> bool {
        let late = |(before, until)| before == number && Instant::now() < until;
        self.now
            .is_some_and(|now| now == number || number < now && self.before.is_some_and(late))
    }
}

#[derive(Debug, Default)]
struct Sight {
    endpoints: Vec<EndpointState>,
    proven: Recent,
    committed: Recent,
    disagreement: Option<Disagreement>,
}

/// How far L1 is by all endpoints that answer.
#[derive(Clone, Debug)]
pub(super) struct Common {
    /// The last batch that all of them have as proven.
    pub(super) proven: u64,
    /// The last batch that all of them have.
    pub(super) committed: u64,
    /// The newest block's time.
    pub(super) time: u64,
    /// Who was asked: endpoint and its newest block.
    pub(super) l1: Vec<(String, u64)>,
    /// Whether the rollup is frozen by any of them.
    pub(super) frozen: bool,
}

/// What does not change about the rollup.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ground {
    pub(super) rollup: RollupId,
    pub(super) kernel: Word,
    pub(super) clock: Clock,
}

/// All endpoints.
pub(super) struct Endpoints {
    clients: Vec<Arc<dyn L1>>,
    place: Place,
    sight: Mutex<Sight>,
}

impl Endpoints {
    /// Connects to every endpoint; all of them must answer once, be on the wanted chain, and mean the same rollup.
    pub(super) async fn connect(
        urls: &[String],
        chain_id: Option<u64>,
        contract: L1Address,
    ) -> Result<(Self, Ground), LightError> {
        let mut clients: Vec<Arc<dyn L1>> = Vec::new();
        let mut ground: Option<(Ground, L1Address)> = None;
        for url in urls {
            let l1 = EthersL1::connect(url, chain_id, None, Settings::default()).await?;
            let chain_id = l1.chain_id().await?;
            let constants = Rollup::new(&l1, contract).constants().await?;
            let rollup = RollupId { chain_id, contract };
            let other = |what: &'static str, first: String, found: String| LightError::OtherRollup {
                url: url.clone(),
                what,
                expected: first,
                found,
            };
            if constants.domain != rollup.word() {
                let found = hex_word(&constants.domain);
                return Err(other("domain", hex_word(&rollup.word()), found));
            }
            match &ground {
                None => {
                    let clock = Staking::new(&l1, constants.staking).constants().await?.clock;
                    let kernel = constants.kernel;
                    let found = Ground { rollup, kernel, clock };
                    ground = Some((found, constants.staking));
                }
                Some((ground, _)) if ground.rollup != rollup => {
                    let chains = [ground.rollup.chain_id, chain_id].map(|id| id.to_string());
                    let [first, found] = chains;
                    return Err(other("chain id", first, found));
                }
                Some((ground, staking)) if ground.kernel != constants.kernel || *staking != constants.staking => {
                    let show = |kernel: &Word, staking: &L1Address| format!("{} with {staking}", hex_word(kernel));
                    let first = show(&ground.kernel, staking);
                    let found = show(&constants.kernel, &constants.staking);
                    return Err(other("kernel or staking contract", first, found));
                }
                Some(_) => {}
            }
            clients.push(Arc::new(l1));
        }
        let (ground, staking) = ground.ok_or(LightError::NoEndpoint)?;
        let states = urls.iter().map(|url| EndpointState {
            url: url.clone(),
            seen: None,
            trouble: None,
        });
        let sight = Sight {
            endpoints: states.collect(),
            ..Sight::default()
        };
        let rollup = contract;
        let endpoints = Self {
            clients,
            place: Place { rollup, staking },
            sight: Mutex::new(sight),
        };
        Ok((endpoints, ground))
    }

    fn sight(&self) -> MutexGuard<'_, Sight> {
        // Nothing that holds it can panic half-way through a change.
        self.sight.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks how far each endpoint is, and compares what all of them have.
    pub(super) async fn look(&self) -> Result<Common, LightError> {
        let mut looks = JoinSet::new();
        for (number, l1) in self.clients.iter().cloned().enumerate() {
            let contract = self.place.rollup;
            looks.spawn(async move {
                let seen = async {
                    let head = l1.head().await?;
                    let progress = Rollup::new(&*l1, contract).progress().await?;
                    Ok::<_, L1Error>(Seen {
                        block: head.number,
                        time: head.timestamp,
                        committed: progress.committed,
                        proven: progress.proven,
                        frozen: progress.frozen,
                    })
                };
                (number, timeout(PATIENCE, seen).await)
            });
        }
        while let Some(joined) = looks.join_next().await {
            let Ok((number, outcome)) = joined else { continue };
            let mut sight = self.sight();
            let endpoint = &mut sight.endpoints[number];
            match outcome {
                Ok(Ok(seen)) => (endpoint.seen, endpoint.trouble) = (Some(seen), None),
                Ok(Err(error)) => (endpoint.seen, endpoint.trouble) = (None, Some(error.to_string())),
                Err(_) => (endpoint.seen, endpoint.trouble) = (None, Some(silent())),
            }
        }
        let common = self.common()?;
        {
            let mut sight = self.sight();
            sight.proven.learn(common.proven);
            sight.committed.learn(common.committed);
        }
        let mut disagreement = None;
        if self.clients.len() > 1 {
            let questions = [
                Question::Root(common.proven),
                Question::Batch(common.proven),
                Question::Batch(common.committed),
            ];
            for question in questions {
                match self.fact(question).await {
                    Err(LightError::Disagreement(found)) => disagreement = Some(found),
                    Err(error) => debug!(%error, "L1"),
                    Ok(_) => continue,
                }
                break;
            }
        }
        let mut sight = self.sight();
        match (&disagreement, &sight.disagreement) {
            (Some(found), None) => warn!(%found, "L1 endpoints disagree"),
            (None, Some(_)) => warn!("L1 endpoints agree again"),
            _ => {}
        }
        sight.disagreement = disagreement;
        drop(sight);
        self.agreed()
    }

    /// How far L1 was at the last look.
    ///
    /// # Errors
    /// When the endpoints disagree, or none answers.
    pub(super) fn agreed(&self) -> Result<Common, LightError> {
        if let Some(disagreement) = &self.sight().disagreement {
            return Err(LightError::Disagreement(disagreement.clone()));
        }
        self.common()
    }

    fn common(&self) -> Result<Common, LightError> {
        let sight = self.sight();
        let live = || {
            sight
                .endpoints
                .iter()
                .filter_map(|endpoint| Some((&endpoint.url, endpoint.seen?)))
        };
        let least = |of: fn(&Seen) -> u64| live().map(|(_, seen)| of(&seen)).min();
        let (Some(proven), Some(committed)) = (least(|seen| seen.proven), least(|seen| seen.committed)) else {
            let troubles = sight.endpoints.iter().filter_map(|endpoint| endpoint.trouble.clone());
            return Err(LightError::Silent(troubles.collect::<Vec<_>>().join("; ")));
        };
        Ok(Common {
            proven,
            committed,
            time: live().map(|(_, seen)| seen.time).max().unwrap_or(0),
            l1: live().map(|(url, seen)| (url.clone(), seen.block)).collect(),
            frozen: live().any(|(_, seen)| seen.frozen),
        })
    }

    /// Every endpoint, and what they disagree about.
    pub(super) fn report(&self) -> (Vec<EndpointState>, Option<Disagreement>) {
        let sight = self.sight();
        (sight.endpoints.clone(), sight.disagreement.clone())
    }

    /// Whether the batch is the proven one, or was it a moment ago.
    pub(super) fn admits_proven(&self, batch: u64) -> bool {
        self.sight().proven.admits(batch)
    }

    /// Whether the batch is the committed one, or was it a moment ago.
    pub(super) fn admits_committed(&self, batch: u64) -> bool {
        self.sight().committed.admits(batch)
    }

    fn leave_out(&self, number: usize, trouble: String) {
        let mut sight = self.sight();
        let endpoint = &mut sight.endpoints[number];
        (endpoint.seen, endpoint.trouble) = (None, Some(trouble));
    }

    // ASKING
    // ============================================================================================================

    /// The state root after a batch with which a proof ended.
    pub(super) async fn root(&self, batch: u64) -> Result<Option<Word>, LightError> {
        match self.fact(Question::Root(batch)).await? {
            Fact::Root(root) => Ok(root),
            _ => Err(LightError::NoEndpoint),
        }
    }

    /// A committed batch.
    pub(super) async fn batch(&self, batch: u64) -> Result<BatchInfo, LightError> {
        match self.fact(Question::Batch(batch)).await? {
            Fact::Batch(info) => Ok(info),
            _ => Err(LightError::NoEndpoint),
        }
    }

    /// Who builds a slot: the draw's leader, or who stands in for it.
    pub(super) async fn builder(&self, slot: u64) -> Result<Builder, LightError> {
        match self.fact(Question::Builder(slot)).await? {
            Fact::Builder(builder) => Ok(builder),
            _ => Err(LightError::NoEndpoint),
        }
    }

    /// Whether an address is a validator's, or was.
    pub(super) async fn is_validator(&self, address: L1Address) -> Result<bool, LightError> {
        match self.fact(Question::Validator(address)).await? {
            Fact::Validator(is) => Ok(is),
            _ => Err(LightError::NoEndpoint),
        }
    }

    /// What all endpoints say that answered the last look. One that fails now is left out.
    async fn fact(&self, question: Question) -> Result<Fact, LightError> {
        let live: Vec<(usize, String)> = {
            let sight = self.sight();
            let numbered = sight.endpoints.iter().enumerate();
            let live = numbered.filter(|(_, endpoint)| endpoint.seen.is_some());
            live.map(|(number, endpoint)| (number, endpoint.url.clone())).collect()
        };
        let mut questions = JoinSet::new();
        for (number, url) in live {
            let (l1, place) = (self.clients[number].clone(), self.place);
            questions.spawn(async move { (number, url, timeout(PATIENCE, read(&*l1, place, question)).await) });
        }
        let (mut facts, mut troubles) = (Vec::new(), Vec::new());
        while let Some(joined) = questions.join_next().await {
            let Ok((number, url, outcome)) = joined else { continue };
            let trouble = match outcome {
                Ok(Ok(fact)) => {
                    facts.push((number, url, fact));
                    continue;
                }
                Ok(Err(error)) => error.to_string(),
                Err(_) => silent(),
            };
            // It is left out of what is said to have been checked, too.
            self.leave_out(number, trouble.clone());
            troubles.push(trouble);
        }
        facts.sort_by_key(|(number, ..)| *number);
        let Some((_, _, first)) = facts.first() else {
            return Err(LightError::Silent(troubles.join("; ")));
        };
        if facts.iter().all(|(_, _, fact)| fact == first) {
            return Ok(*first);
        }
        Err(LightError::Disagreement(Disagreement {
            about: question.to_string(),
            said: facts
                .iter()
                .map(|(_, url, fact)| (url.clone(), fact.to_string()))
                .collect(),
        }))
    }
}

fn silent() -> String {
    format!("no answer within {} s", PATIENCE.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_before_is_taken_for_a_while() {
        let mut recent = Recent::default();
        assert!(!recent.admits(0), "nothing was seen yet");
        recent.learn(4);
        assert!(recent.admits(4) && !recent.admits(3) && !recent.admits(5));
        recent.learn(6);
        assert!(recent.admits(6) && recent.admits(4) && !recent.admits(5));
        // L1 went back: what is gone is not taken.
        recent.learn(3);
        assert!(recent.admits(3) && !recent.admits(6) && !recent.admits(4));
        recent.learn(4);
        recent.before = recent.before.map(|(number, _)| (number, Instant::now()));
        assert!(recent.admits(4) && !recent.admits(3));
    }
}
