//! Transactions that wait for a batch.
//!
//! The pool knows senders' queues: for each sender the transactions with consecutive nonces from the account's next one on. Across
//! senders the best fee goes first. A transaction replaces one of the same nonce if its fee is a tenth higher. When the pool is
//! full, the cheapest last transaction of a queue makes room for a better one. All bounds are hard, so a flood costs memory up to
//! [Limits] and nothing else.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use starling_rollup::account::Account;
use starling_rollup::envelope::TransactionId;
use starling_rollup::transaction::SignedTransaction;

/// What the pool asks of the state: accounts as the batch that is being filled leaves them.
pub trait AccountView {
    /// The account at `index`.
    fn account(&self, index: u32) -> Option<Account>;
}

/// Bounds of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Transactions in all.
    pub transactions: usize,
    /// Transactions of one sender.
    pub per_sender: usize,
    /// The lowest fee, in gwei.
    pub min_fee: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            transactions: 16_384,
            per_sender: 64,
            min_fee: 0,
        }
    }
}

/// Why the pool does not take a transaction.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// It is there already.
    #[error("the transaction is known already")]
    Known,
    /// There is no such sender.
    #[error("there is no account {0}")]
    NoSuchAccount(u32),
    /// The nonce is used up.
    #[error("nonce {found} of account {index} is used; the next one is {next}")]
    NonceUsed {
        /// The sender.
        index: u32,
        /// The transaction's nonce.
        found: u32,
        /// The account's next.
        next: u32,
    },
    /// A nonce before it is missing.
    #[error("nonce {found} of account {index} leaves a gap; the next one is {next}")]
    NonceGap {
        /// The sender.
        index: u32,
        /// The transaction's nonce.
        found: u32,
        /// The one that must come first.
        next: u32,
    },
    /// Another with its nonce is there, and this one does not pay enough more.
    #[error("a transaction with this nonce waits already; to replace it, pay a fee of {needed} gwei at least")]
    Underpriced {
        /// The fee that would do.
        needed: u64,
    },
    /// The fee is too low.
    #[error("the fee is {found} gwei, at least {needed} are asked{}", if *.full { ": the pool is full" } else { "" })]
    Fee {
        /// The transaction's.
        found: u64,
        /// The lowest that is taken now.
        needed: u64,
        /// Whether only because the pool is full.
        full: bool,
    },
    /// The sender cannot pay all that it has in the pool.
    #[error("account {index} has {balance} gwei, what it sent already and this take {needed}")]
    Funds {
        /// The sender.
        index: u32,
        /// Its balance.
        balance: u64,
        /// Amounts and fees together.
        needed: u128,
    },
    /// The sender has too many.
    #[error("account {index} has {limit} transactions waiting, which is the most")]
    TooMany {
        /// The sender.
        index: u32,
        /// The limit.
        limit: usize,
    },
}

/// What an insertion has pushed out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inserted {
    /// The transaction with the same nonce that was replaced.
    pub replaced: Option<TransactionId>,
    /// Transactions that had to make room.
    pub evicted: Vec<TransactionId>,
}

#[derive(Clone, Debug)]
struct Waiting {
    id: TransactionId,
    signed: SignedTransaction,
}

impl Waiting {
    fn fee(&self) -> u64 {
        self.signed.transaction.fee
    }

    fn cost(&self) -> u128 {
        let transaction = &self.signed.transaction;
        u128::from(transaction.fee) + u128::from(transaction.operation.amount())
    }
}

/// The pool.
#[derive(Clone, Debug, Default)]
pub struct Mempool {
    limits: Limits,
    /// By sender, then by nonce, without gaps.
    queues: BTreeMap<u32, BTreeMap<u32, Waiting>>,
    /// The first of each queue: best fee first, then lowest sender.
    heads: BTreeSet<(Reverse<u64>, u32)>,
    /// The last of each queue: lowest fee first.
    tails: BTreeSet<(u64, u32)>,
    ids: HashMap<TransactionId, (u32, u32)>,
}

impl Mempool {
    /// An empty pool.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// Transactions in the pool.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether the pool is empty.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Whether a transaction waits.
    pub fn contains(&self, id: &TransactionId) -> bool {
        self.ids.contains_key(id)
    }

    /// The nonce after the last that waits for a sender; `None` if nothing does.
    pub fn next_nonce(&self, sender: u32) -> Option<u32> {
        let (nonce, _) = self.queues.get(&sender)?.last_key_value()?;
        nonce.checked_add(1)
    }

    /// Takes a transaction whose signature has been verified.
    ///
    /// # Errors
    /// Why not; the pool is then as it was.
    pub fn insert(
        &mut self,
        id: TransactionId,
        signed: SignedTransaction,
        view: &dyn AccountView,
    ) -> Result<Inserted, PoolError> {
        if self.contains(&id) {
            return Err(PoolError::Known);
        }
        let waiting = Waiting { id, signed };
        let (index, found) = (waiting.signed.transaction.from, waiting.signed.transaction.nonce);
        let account = view.account(index).ok_or(PoolError::NoSuchAccount(index))?;
        let queue = self.queues.get(&index);
        let next = account.nonce.max(self.next_nonce(index).unwrap_or(0));
        if found < account.nonce {
            let next = account.nonce;
            return Err(PoolError::NonceUsed { index, found, next });
        }
        if found > next {
            return Err(PoolError::NonceGap { index, found, next });
        }
        let old = queue.and_then(|queue| queue.get(&found));
        let (fee, min) = (waiting.fee(), self.limits.min_fee);
        if fee < min {
            return Err(PoolError::Fee {
                found: fee,
                needed: min,
                full: false,
            });
        }
        if let Some(old) = old {
            let needed = old.fee().saturating_add((old.fee() / 10).max(1));
            if fee < needed {
                return Err(PoolError::Underpriced { needed });
            }
        }
        let others = queue.into_iter().flatten().filter(|(nonce, _)| **nonce != found);
        let needed = waiting.cost() + others.map(|(_, waiting)| waiting.cost()).sum::<u128>();
        if needed > u128::from(account.balance) {
            let balance = account.balance;
            return Err(PoolError::Funds { index, balance, needed });
        }
        let mut inserted = Inserted {
            replaced: old.map(|old| old.id),
            ..Inserted::default()
        };
        if old.is_none() {
            let limit = self.limits.per_sender;
            if queue.is_some_and(|queue| queue.len() >= limit) {
                return Err(PoolError::TooMany { index, limit });
            }
            if self.len() >= self.limits.transactions {
                // The cheapest last one of another sender goes; an own one would only open a gap before this.
                let cheapest = self.tails.iter().find(|(_, sender)| *sender != index).copied();
                match cheapest {
                    Some((cheapest, sender)) if cheapest < fee => inserted.evicted.extend(self.evict(sender)),
                    cheapest => {
                        let needed = cheapest.map_or(u64::MAX, |(cheapest, _)| cheapest.saturating_add(1));
                        return Err(PoolError::Fee {
                            found: fee,
                            needed,
                            full: true,
                        });
                    }
                }
            }
        }
        self.change(index, |queue| queue.insert(found, waiting));
        if let Some(old) = &inserted.replaced {
            self.ids.remove(old);
        }
        self.ids.insert(id, (index, found));
        Ok(inserted)
    }

    /// Takes out the best transaction that can be executed next. It is for the caller to execute it.
    pub fn pop(&mut self, view: &dyn AccountView) -> Option<(TransactionId, SignedTransaction)> {
        let ready = self.heads.iter().find(|(_, sender)| {
            let head = self.queues.get(sender).and_then(|queue| queue.first_key_value());
            let account = view.account(*sender);
            head.zip(account).is_some_and(|((nonce, waiting), account)| {
                account.nonce == *nonce && waiting.cost() <= u128::from(account.balance)
            })
        });
        let (_, sender) = *ready?;
        let (_, waiting) = self.change(sender, BTreeMap::pop_first)?;
        self.ids.remove(&waiting.id);
        Some((waiting.id, waiting.signed))
    }

    /// Takes out a transaction, and those of its sender that come after it: they would wait for a nonce that never comes.
    pub fn remove(&mut self, id: &TransactionId) -> Vec<TransactionId> {
        let Some((sender, nonce)) = self.ids.get(id).copied() else {
            return Vec::new();
        };
        let gone = self.change(sender, |queue| queue.split_off(&nonce));
        self.forget(gone)
    }

    fn forget(&mut self, gone: BTreeMap<u32, Waiting>) -> Vec<TransactionId> {
        let ids = gone.into_values().map(|waiting| waiting.id);
        let ids: Vec<TransactionId> = ids.collect();
        for id in &ids {
            self.ids.remove(id);
        }
        ids
    }

    /// Takes out what can never be executed over the accounts as they are now: used nonces, and senders whose key changed.
    pub fn revalidate(&mut self, view: &dyn AccountView) -> Vec<TransactionId> {
        let mut gone = Vec::new();
        for sender in self.queues.keys().copied().collect::<Vec<_>>() {
            let account = view.account(sender);
            let dead = self.change(sender, |queue| match account {
                None => std::mem::take(queue),
                Some(account) => {
                    let live = queue.split_off(&account.nonce);
                    let mut dead = std::mem::replace(queue, live);
                    let stale = queue.values().any(|waiting| waiting.signed.sender() != account.address);
                    let gap = queue
                        .first_key_value()
                        .is_some_and(|(nonce, _)| *nonce != account.nonce);
                    if stale || gap {
                        dead.append(queue);
                    }
                    dead
                }
            });
            gone.extend(self.forget(dead));
        }
        gone
    }

    /// Takes out the last transaction of a sender.
    fn evict(&mut self, sender: u32) -> Option<TransactionId> {
        let (_, waiting) = self.change(sender, BTreeMap::pop_last)?;
        self.ids.remove(&waiting.id);
        Some(waiting.id)
    }

    /// Changes a queue, and the orders by fee with it.
    fn change<T>(&mut self, sender: u32, change: impl FnOnce(&mut BTreeMap<u32, Waiting>) -> T) -> T {
        let queue = self.queues.entry(sender).or_default();
        let ends = |queue: &BTreeMap<u32, Waiting>| {
            let head = queue
                .first_key_value()
                .map(|(_, waiting)| (Reverse(waiting.fee()), sender));
            let tail = queue.last_key_value().map(|(_, waiting)| (waiting.fee(), sender));
            (head, tail)
        };
        let (head, tail) = ends(queue);
        if let (Some(head), Some(tail)) = (head, tail) {
            self.heads.remove(&head);
            self.tails.remove(&tail);
        }
        let result = change(queue);
        let (head, tail) = ends(queue);
        self.heads.extend(head);
        self.tails.extend(tail);
        if queue.is_empty() {
            self.queues.remove(&sender);
        }
        result
    }
}
