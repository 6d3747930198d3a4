//! Leaving a rollup without its operators: what one can still get out, from L1 alone.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use starling_rollup::account::Account;
use starling_rollup::address::{Address, L1Address};
use starling_rollup::data::BatchData;
use starling_rollup::entry::{Entry, Kind};
use starling_rollup::operations::{operations, path};
use starling_rollup::record::Body;
use starling_rollup::transaction::RollupId;
use starling_rollup::tree::Path;
use starling_vm::schnorr::PublicKey;

use crate::l1::rollup::{Event, Progress, Rollup};
use crate::l1::{Hash, L1, L1Error, Receipt};
use crate::rebuild::{RebuildError, replay};

/// An account that can leave with its proven balance.
#[derive(Clone, Debug)]
pub struct Exit {
    /// The account.
    pub account: Account,
    /// Its path in the proven state.
    pub path: Path,
    /// The proven state's next free index.
    pub next: u64,
}

/// A payment of a proven batch that nobody has claimed.
#[derive(Clone, Debug)]
pub struct Payment {
    /// The batch.
    pub batch: u64,
    /// The operation's position.
    pub position: u64,
    /// Gwei.
    pub amount: u64,
    /// The operation's words.
    pub words: Vec<u64>,
    /// Its path in the tree of operations.
    pub path: Vec<Hash>,
}

/// What somebody can get out.
#[derive(Clone, Debug)]
pub struct Assets {
    /// How far the rollup has come.
    pub progress: Progress,
    /// Accounts: they leave once the rollup is frozen.
    pub exits: Vec<Exit>,
    /// Withdrawals, exits and refused deposits: they can be claimed in any case.
    pub payments: Vec<Payment>,
    /// Entries of the queue that no proven batch consumed: they are given back once the rollup is frozen.
    pub refunds: Vec<(u64, Entry)>,
    /// Wei that the contract owes.
    pub owed: u128,
}

/// What an operation pays on L1, as the contract sees it: whom, and gwei.
fn payment(data: &BatchData, position: usize) -> Option<(L1Address, u64)> {
    if let Some((entry, moved)) = data.entries.get(position) {
        let amount = match entry.kind {
            Kind::Exit { .. } => *moved,
            Kind::Deposit { amount, .. } | Kind::DepositNew { amount } if *moved == 0 => amount,
            Kind::Deposit { .. } | Kind::DepositNew { .. } => 0,
        };
        return Some((entry.sender, amount));
    }
    match data.records.get(position - data.entries.len())?.body {
        Body::Withdraw { recipient, amount } => Some((recipient, amount)),
        _ => None,
    }
}

/// Finds what belongs to an L1 owner: accounts under `key`, and all payments, refunds and debts. L1 is all that it asks, and every
/// batch is replayed and compared with the proven roots.
///
/// `progress` is told the batch and the last one.
///
/// # Errors
/// When L1 does not answer, or what it says does not fit together.
pub async fn assets(
    l1: &dyn L1,
    rollup: &RollupId,
    deployed: u64,
    key: Option<&PublicKey>,
    owner: L1Address,
    mut progress: impl FnMut(u64, u64),
) -> Result<Assets, RebuildError> {
    let mut payments = Vec::new();
    let rebuilt = replay(l1, rollup, deployed, |batch, last, data| {
        progress(batch, last);
        let all = operations(data);
        for position in 0..all.len() {
            let amount = payment(data, position)
                .filter(|(to, amount)| *to == owner && *amount != 0)
                .map(|(_, amount)| amount);
            if let (Some(amount), Some(path)) = (amount, path(&all, position)) {
                payments.push(Payment {
                    batch,
                    position: position as u64,
                    amount,
                    words: all[position].clone(),
                    path,
                });
            }
        }
    })
    .await?;
    let contract = Rollup::new(l1, rollup.contract);
    let (mut claimed, mut escaped, mut refunded) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for (_, event) in rebuilt.follower.events() {
        match event {
            Event::Claimed { batch, position } => drop(claimed.insert((*batch, *position))),
            Event::Escaped { index } => drop(escaped.insert(*index)),
            Event::Refunded { number } => drop(refunded.insert(*number)),
            _ => {}
        }
    }
    payments.retain(|payment| !claimed.contains(&(payment.batch, payment.position)));
    let state = &rebuilt.state;
    let address = key.map(|key| Address::new(key, owner));
    let exits = (0u32..)
        .zip(state.accounts())
        .filter(|(index, account)| Some(account.address) == address && account.balance != 0 && !escaped.contains(index))
        .map(|(index, account)| Exit {
            account: *account,
            path: state.tree().path(index),
            next: state.next(),
        })
        .collect();
    let consumed = contract.batch(rebuilt.batch).await?.queue_end;
    let refunds = (0u64..)
        .zip(rebuilt.follower.entries(u64::MAX))
        .filter(|(number, entry)| *number >= consumed && entry.sender == owner && !refunded.contains(number))
        .map(|(number, entry)| (number, *entry))
        .collect();
    Ok(Assets {
        progress: contract.progress().await?,
        exits,
        payments,
        refunds,
        owed: contract.owed(owner).await?,
    })
}

/// Something that was got out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// What it was.
    pub what: String,
    /// Wei, as far as it is known beforehand.
    pub wei: u128,
    /// Gas.
    pub gas: u64,
}

/// Something that was not got out.
#[derive(Clone, Debug)]
pub struct Left {
    /// What it is.
    pub what: String,
    /// Wei.
    pub wei: u128,
    /// Why it was left.
    pub why: Why,
}

/// Why something was not got out.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Why {
    /// It pays less than its gas costs. Anybody can pay a gwei to anybody: whoever fetched all of that would have no ether left to
    /// fetch what is worth it.
    #[error("it pays less than the {cost} wei that its gas costs now")]
    Dust {
        /// Wei that its gas costs.
        cost: u128,
    },
    /// L1 did not take it.
    #[error(transparent)]
    Failed(L1Error),
    /// What was tried before it failed in a way in which this would have failed, too.
    #[error("not tried after that")]
    NotTried,
}

/// What came of leaving.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What was got out, in this order.
    pub done: Vec<Done>,
    /// What was not.
    pub left: Vec<Left>,
}

impl Outcome {
    /// What was not got out although it is worth its gas.
    pub fn failed(&self) -> impl Iterator<Item = &Left> {
        self.left.iter().filter(|left| !matches!(left.why, Why::Dust { .. }))
    }
}

/// Gas of the calls that get something out, measured (`specs/l1.md`): the dearest of each.
mod gas {
    pub(super) const ESCAPE: u64 = 678_000;
    pub(super) const REFUND: u64 = 42_000;
    pub(super) const COLLECT: u64 = 58_000;
    pub(super) const CLAIM: u64 = 91_000;
}

/// Whether an error would meet every other transaction, too.
fn meets_all(error: &L1Error) -> bool {
    matches!(
        error,
        L1Error::Unreachable { .. }
            | L1Error::NoFunds { .. }
            | L1Error::Stuck { .. }
            | L1Error::NoKey
            | L1Error::Signature(_)
    )
}

/// Fetches one thing after the other.
struct Leaving<T> {
    outcome: Outcome,
    /// Wei a gas below which nothing is fetched.
    price: u128,
    /// Whether the last error meets all that is left.
    stopped: bool,
    told: T,
}

impl<T: FnMut(&Done)> Leaving<T> {
    fn leave(&mut self, what: String, wei: u128, why: Why) {
        self.outcome.left.push(Left { what, wei, why });
    }

    fn fail(&mut self, what: String, wei: u128, error: L1Error) {
        self.stopped |= meets_all(&error);
        self.leave(what, wei, Why::Failed(error));
    }

    /// Sends `send`, unless it costs more than it pays. What somebody else has fetched is neither done nor left.
    async fn fetch(&mut self, what: String, wei: u128, gas: u64, send: impl AsyncFn() -> Result<Receipt, L1Error>) {
        let cost = u128::from(gas).saturating_mul(self.price);
        if wei < cost {
            return self.leave(what, wei, Why::Dust { cost });
        }
        if self.stopped {
            return self.leave(what, wei, Why::NotTried);
        }
        let mut sent = send().await;
        if matches!(sent, Err(L1Error::Failed { .. })) {
            // Somebody else's was in a block before ours, most likely: asked once more, L1 says why.
            sent = send().await;
        }
        match sent {
            Ok(receipt) => {
                let gas = receipt.gas;
                let done = Done { what, wei, gas };
                (self.told)(&done);
                self.outcome.done.push(done);
            }
            Err(L1Error::Reverted { error, .. }) if is_fetched(&error) => {}
            Err(error) => self.fail(what, wei, error),
        }
    }

    /// Collects what the contract owes, if that is more than `before`; gives what it owes then.
    ///
    /// # Arguments
    /// `known`: what it owed when it was asked last.
    async fn collect(&mut self, contract: &Rollup<'_>, owner: L1Address, known: u128, before: u128) -> u128 {
        const WHAT: &str = "what the contract owed";
        let asked = match self.stopped {
            true => Ok(known),
            false => contract.owed(owner).await,
        };
        let owed = match asked {
            Ok(owed) => owed,
            Err(error) => {
                self.fail(WHAT.to_owned(), known, error);
                return before;
            }
        };
        if owed <= before {
            return before;
        }
        self.outcome.left.retain(|left| left.what != WHAT);
        let left = self.outcome.left.len();
        let send = async || contract.collect(owner).await;
        self.fetch(WHAT.to_owned(), owed, gas::COLLECT, send).await;
        if self.outcome.left.len() > left { owed } else { 0 }
    }
}

/// Whether the contract's error says that somebody has fetched it: anybody may, to whom it belongs does not change. An entry is
/// compared with the one that L1 announced: it is not what stands there when nothing does.
fn is_fetched(error: &str) -> bool {
    ["Rollup__AlreadyPaid", "Inbox__Entry", "Ledger__NothingOwed"]
        .iter()
        .any(|known| error.starts_with(known))
}

/// Gets everything out that can be: payments and debts always, accounts and entries of a frozen rollup. What is most certain to be the
/// owner's own comes first, accounts before what anybody can have paid, and the largest of each first: an attacker who pays many
/// small sums must not use up the sender's ether. What somebody else has fetched meanwhile is passed over.
///
/// # Arguments
/// `dust`: whether that is fetched, too, which pays less than its gas costs.
///
/// # Errors
/// When L1 does not say what gas costs: nothing was tried then. What fails later is in the outcome, and the rest is tried.
pub async fn leave(
    contract: &Rollup<'_>,
    assets: &Assets,
    key: Option<&PublicKey>,
    owner: L1Address,
    queue_fee: u128,
    dust: bool,
    told: impl FnMut(&Done),
) -> Result<Outcome, L1Error> {
    const GWEI: u128 = crate::l1::rollup::GWEI;
    let mut leaving = Leaving {
        outcome: Outcome::default(),
        price: if dust { 0 } else { contract.gas_price().await? },
        stopped: false,
        told,
    };
    if assets.progress.frozen {
        if let Some(key) = key {
            let mut exits: Vec<&Exit> = assets.exits.iter().collect();
            exits.sort_by_key(|exit| Reverse(exit.account.balance));
            for exit in exits {
                let what = format!("account {}", exit.path.index);
                let wei = u128::from(exit.account.balance) * GWEI;
                let send = async || contract.escape(key, owner, &exit.account, exit.next, &exit.path).await;
                leaving.fetch(what, wei, gas::ESCAPE, send).await;
            }
        }
        let amount = |entry: &Entry| match entry.kind {
            Kind::Deposit { amount, .. } | Kind::DepositNew { amount } => amount,
            Kind::Exit { .. } => 0,
        };
        let mut refunds: Vec<&(u64, Entry)> = assets.refunds.iter().collect();
        refunds.sort_by_key(|(_, entry)| Reverse(amount(entry)));
        for (number, entry) in refunds {
            let what = format!("entry {number} of the queue");
            let wei = u128::from(amount(entry)) * GWEI + queue_fee;
            let send = async || contract.refund(*number, entry).await;
            leaving.fetch(what, wei, gas::REFUND, send).await;
        }
    }
    let kept = leaving.collect(contract, owner, assets.owed, 0).await;
    let mut payments: Vec<&Payment> = assets.payments.iter().collect();
    payments.sort_by_key(|payment| Reverse(payment.amount));
    for payment in payments {
        let (batch, position) = (payment.batch, payment.position);
        let what = format!("operation {position} of batch {batch}");
        let wei = u128::from(payment.amount) * GWEI;
        let send = async || contract.claim(batch, position, &payment.words, &payment.path).await;
        leaving.fetch(what, wei, gas::CLAIM, send).await;
    }
    // What the owner, a contract, refused above is owed now.
    leaving.collect(contract, owner, kept, kept).await;
    Ok(leaving.outcome)
}
