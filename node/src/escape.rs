//! Leaving a rollup without its operators: what one can still get out, from L1 alone.

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

/// Gets everything out that can be: payments and debts always, accounts and entries of a frozen rollup. What somebody else has
/// fetched meanwhile is left out.
///
/// # Errors
/// When L1 does not take something; what came before is done.
pub async fn leave(
    contract: &Rollup<'_>,
    assets: &Assets,
    key: Option<&PublicKey>,
    owner: L1Address,
    queue_fee: u128,
    mut told: impl FnMut(&Done),
) -> Result<Vec<Done>, L1Error> {
    const GWEI: u128 = crate::l1::rollup::GWEI;
    let mut all = Vec::new();
    let mut note = |what: String, wei: u128, receipt: Result<Receipt, L1Error>| -> Result<(), L1Error> {
        match receipt {
            Ok(receipt) => {
                let done = Done {
                    what,
                    wei,
                    gas: receipt.gas,
                };
                told(&done);
                all.push(done);
                Ok(())
            }
            Err(L1Error::Reverted { error, .. }) if error.starts_with("Rollup__AlreadyPaid") => Ok(()),
            Err(error) => Err(error),
        }
    };
    for payment in &assets.payments {
        let Payment {
            batch,
            position,
            amount,
            words,
            path,
        } = payment;
        let receipt = contract.claim(*batch, *position, words, path).await;
        note(
            format!("operation {position} of batch {batch}"),
            u128::from(*amount) * GWEI,
            receipt,
        )?;
    }
    if assets.progress.frozen {
        if let Some(key) = key {
            for exit in &assets.exits {
                let receipt = contract.escape(key, owner, &exit.account, exit.next, &exit.path).await;
                let what = format!("account {}", exit.path.index);
                note(what, u128::from(exit.account.balance) * GWEI, receipt)?;
            }
        }
        for (number, entry) in &assets.refunds {
            let amount = match entry.kind {
                Kind::Deposit { amount, .. } | Kind::DepositNew { amount } => amount,
                Kind::Exit { .. } => 0,
            };
            let receipt = contract.refund(*number, entry).await;
            note(
                format!("entry {number} of the queue"),
                u128::from(amount) * GWEI + queue_fee,
                receipt,
            )?;
        }
    }
    // What a receiver refused above is owed now, too.
    let owed = contract.owed(owner).await?;
    if owed != 0 {
        note("what the contract owed".to_owned(), owed, contract.collect(owner).await)?;
    }
    Ok(all)
}
