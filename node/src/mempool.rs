//! Transactions that wait for a batch.
//!
//! Each sender has a queue by nonce. Across senders the one whose next transaction pays most goes first, of equals the one that
//! came first. A transaction replaces one of the same nonce if its fee is a tenth higher.
//!
//! What a transaction is worth to the pool is the least fee among it and those before it in its queue, since none of them can be
//! left out, and 0 behind a missing nonce. A full pool gives up the last transaction of the queue where that is least for one
//! that is worth more. All bounds are hard, so a flood costs memory up to [Limits] and nothing else.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use starling_rollup::account::Account;
use starling_rollup::address::Address;
use starling_rollup::envelope::TransactionId;
use starling_rollup::transaction::{Operation, SignedTransaction};

mod error;

pub use error::PoolError;

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
    /// Batches that are sealed before a transaction that was taken back, and still does not fit, is refused. Fewer give up what
    /// an account that comes back late would have paid.
    pub retry_batches: u64,
    /// Refused transactions whose reason is kept; of older ones nothing is known any more.
    pub refusals: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            transactions: 16_384,
            per_sender: 64,
            min_fee: 0,
            retry_batches: 256,
            refusals: 65_536,
        }
    }
}

/// What an insertion has pushed out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inserted {
    /// The transaction with the same nonce that was replaced.
    pub replaced: Option<TransactionId>,
    /// The transaction that had to make room.
    pub evicted: Option<TransactionId>,
}

impl Inserted {
    /// All of them.
    pub fn gone(&self) -> Vec<TransactionId> {
        self.replaced.iter().chain(&self.evicted).copied().collect()
    }
}

/// A transaction that [Mempool::revalidate] took out.
#[derive(Clone, Debug)]
pub struct Unfit {
    /// Its id.
    pub id: TransactionId,
    /// The transaction.
    pub signed: SignedTransaction,
    /// Why it cannot be executed.
    pub reason: PoolError,
}

#[derive(Clone, Debug)]
struct Waiting {
    id: TransactionId,
    signed: SignedTransaction,
    /// When it came: of equal fees the earlier is first.
    arrival: u64,
}

impl Waiting {
    fn fee(&self) -> u64 {
        self.signed.transaction.fee
    }
}

/// Gwei that a transaction takes from its sender.
pub(crate) fn cost(signed: &SignedTransaction) -> u128 {
    u128::from(signed.transaction.fee) + u128::from(signed.transaction.operation.amount())
}

/// A queue's place in the order of taking: the best fee first, of equals the one that came first.
type Head = (Reverse<u64>, u64, u32);

/// A queue's place in the order of eviction: the least worth goes first, of equals the one that came last.
type Tail = (u64, Reverse<u64>, u32);

#[derive(Clone, Debug, Default)]
struct Queue {
    waiting: BTreeMap<u32, Waiting>,
    /// The account's next nonce, as of the last insertion, taking or [Mempool::revalidate].
    next: u32,
    head: Option<Head>,
    tail: Option<Tail>,
}

impl Queue {
    /// The least fee up to `nonce`, were `fee` the one there; 0 behind a missing nonce.
    fn worth(&self, next: u32, nonce: u32, fee: u64) -> u64 {
        if self.free(next).is_some_and(|free| free < nonce) {
            return 0;
        }
        let before = self.waiting.range(next.min(nonce)..nonce);
        before.map(|(_, waiting)| waiting.fee()).fold(fee, u64::min)
    }

    /// The first nonce from `next` on that nothing waits with.
    fn free(&self, next: u32) -> Option<u32> {
        let mut free = Some(next);
        for nonce in self.waiting.range(next..).map(|(nonce, _)| *nonce) {
            if free != Some(nonce) {
                break;
            }
            free = nonce.checked_add(1);
        }
        free
    }
}

/// The pool.
#[derive(Clone, Debug, Default)]
pub struct Mempool {
    limits: Limits,
    queues: BTreeMap<u32, Queue>,
    heads: BTreeSet<Head>,
    tails: BTreeSet<Tail>,
    ids: HashMap<TransactionId, (u32, u32)>,
    arrivals: u64,
}

impl Mempool {
    /// An empty pool.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// Its bounds.
    pub fn limits(&self) -> &Limits {
        &self.limits
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

    /// A transaction that waits.
    pub fn get(&self, id: &TransactionId) -> Option<&SignedTransaction> {
        let (sender, nonce) = self.ids.get(id)?;
        let waiting = self.queues.get(sender)?.waiting.get(nonce)?;
        Some(&waiting.signed)
    }

    /// The addresses that a sender's transactions with nonces below `nonce` change its account to.
    pub fn addresses_before(&self, sender: u32, nonce: u32) -> impl Iterator<Item = Address> {
        let queue = self.queues.get(&sender);
        let before = queue.into_iter().flat_map(move |queue| queue.waiting.range(..nonce));
        before.filter_map(|(_, waiting)| rekeyed(&waiting.signed))
    }

    /// All transactions, by sender and nonce.
    pub fn iter(&self) -> impl Iterator<Item = &SignedTransaction> {
        let queues = self.queues.values();
        queues.flat_map(|queue| queue.waiting.values().map(|waiting| &waiting.signed))
    }

    /// The nonce that the next transaction of a sender whose account is at `nonce` needs: past all that wait without a gap.
    pub fn next_nonce(&self, sender: u32, nonce: u32) -> Option<u32> {
        self.queues.get(&sender).map_or(Some(nonce), |queue| queue.free(nonce))
    }

    /// What [Mempool::insert] would do.
    ///
    /// # Errors
    /// Why the transaction would not be taken.
    pub fn check(
        &self,
        id: &TransactionId,
        signed: &SignedTransaction,
        view: &dyn AccountView,
    ) -> Result<Inserted, PoolError> {
        if self.contains(id) {
            return Err(PoolError::Known);
        }
        let (index, found, fee) = (
            signed.transaction.from,
            signed.transaction.nonce,
            signed.transaction.fee,
        );
        let account = view.account(index).ok_or(PoolError::NoSuchAccount(index))?;
        if found < account.nonce {
            let next = account.nonce;
            return Err(PoolError::NonceUsed { index, found, next });
        }
        let empty = Queue::default();
        let queue = self.queues.get(&index).unwrap_or(&empty);
        let old = queue.waiting.get(&found);
        let next = queue.free(account.nonce).unwrap_or(u32::MAX);
        if fee < self.limits.min_fee {
            let needed = self.limits.min_fee;
            return Err(PoolError::Fee {
                found: fee,
                needed,
                full: false,
            });
        }
        if let Some(old) = old {
            let needed = old.fee().saturating_add(old.fee().div_ceil(10).max(1));
            if fee < needed {
                return Err(PoolError::Underpriced { needed });
            }
        }
        let others = queue.waiting.iter().filter(|(nonce, _)| **nonce != found);
        let needed = cost(signed) + others.map(|(_, waiting)| cost(&waiting.signed)).sum::<u128>();
        if needed > u128::from(account.balance) {
            let balance = account.balance;
            return Err(PoolError::Funds { index, balance, needed });
        }
        // Last of what is the transaction's own: whoever keeps it until its nonce comes need not ask the rest again.
        if found > next && old.is_none() {
            return Err(PoolError::NonceGap { index, found, next });
        }
        let mut inserted = Inserted {
            replaced: old.map(|old| old.id),
            evicted: None,
        };
        if old.is_some() {
            return Ok(inserted);
        }
        let limit = self.limits.per_sender;
        if queue.waiting.len() >= limit {
            // What fills a gap goes before what waits behind it.
            let last = queue.waiting.last_key_value();
            inserted.evicted = last.filter(|(nonce, _)| **nonce > found).map(|(_, last)| last.id);
            if inserted.evicted.is_none() {
                return Err(PoolError::TooMany { index, limit });
            }
        } else if self.len() >= self.limits.transactions {
            // Of another sender: an own one would only open a gap before this.
            let cheapest = self.tails.iter().find(|(.., sender)| *sender != index);
            let worth = queue.worth(account.nonce, found, fee);
            let last = |sender: &u32| self.queues.get(sender)?.waiting.last_key_value();
            match cheapest {
                Some((least, _, sender)) if *least < worth => {
                    inserted.evicted = last(sender).map(|(_, last)| last.id);
                }
                cheapest => {
                    let needed = cheapest.map_or(u64::MAX, |(least, ..)| least.saturating_add(1));
                    return Err(PoolError::Fee {
                        found: worth,
                        needed,
                        full: true,
                    });
                }
            }
        }
        Ok(inserted)
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
        let inserted = self.check(&id, &signed, view)?;
        for gone in inserted.gone() {
            self.remove(&gone);
        }
        let (sender, nonce) = (signed.transaction.from, signed.transaction.nonce);
        let next = view.account(sender).map_or(nonce, |account| account.nonce);
        let arrival = self.arrivals;
        self.arrivals += 1;
        self.ids.insert(id, (sender, nonce));
        self.change(sender, |queue| {
            queue.next = next;
            queue.waiting.insert(nonce, Waiting { id, signed, arrival })
        });
        Ok(inserted)
    }

    /// Takes out the best transaction that can be executed next. It is for the caller to execute it.
    pub fn pop(&mut self, view: &dyn AccountView) -> Option<(TransactionId, SignedTransaction)> {
        let ready = self.heads.iter().find(|(.., sender)| {
            let head = self
                .queues
                .get(sender)
                .and_then(|queue| queue.waiting.first_key_value());
            let account = view.account(*sender);
            head.zip(account).is_some_and(|((nonce, waiting), account)| {
                account.nonce == *nonce && cost(&waiting.signed) <= u128::from(account.balance)
            })
        });
        let (.., sender) = *ready?;
        let (_, waiting) = self.change(sender, |queue| {
            let first = queue.waiting.pop_first();
            queue.next = first.as_ref().map_or(queue.next, |(nonce, _)| nonce.saturating_add(1));
            first
        })?;
        self.ids.remove(&waiting.id);
        Some((waiting.id, waiting.signed))
    }

    /// Takes out a transaction; those of its sender that come after it wait until another has its nonce.
    pub fn remove(&mut self, id: &TransactionId) -> Option<SignedTransaction> {
        let (sender, nonce) = self.ids.remove(id)?;
        let waiting = self.change(sender, |queue| queue.waiting.remove(&nonce))?;
        Some(waiting.signed)
    }

    /// Takes out everything, by sender and nonce.
    pub fn take_all(&mut self) -> Vec<SignedTransaction> {
        let queues = std::mem::replace(self, Self::new(self.limits)).queues;
        let waiting = queues.into_values().flat_map(|queue| queue.waiting.into_values());
        waiting.map(|waiting| waiting.signed).collect()
    }

    /// Looks through the pool after the accounts have changed and takes out what cannot be executed any more: used nonces, keys
    /// and recipients that changed, and what a sender's balance does not cover.
    pub fn revalidate(&mut self, view: &dyn AccountView) -> Vec<Unfit> {
        let mut gone = Vec::new();
        for sender in self.queues.keys().copied().collect::<Vec<_>>() {
            let account = view.account(sender);
            self.change(sender, |queue| {
                queue.next = account.map_or(0, |account| account.nonce);
                let (mut spent, mut address) = (0, account.map(|account| account.address));
                for (nonce, waiting) in std::mem::take(&mut queue.waiting) {
                    let needed = spent + cost(&waiting.signed);
                    match unfit(sender, &waiting.signed, account.zip(address), needed, view) {
                        None => {
                            spent = needed;
                            // What waits behind a change of the key is signed with the new one.
                            address = rekeyed(&waiting.signed).or(address);
                            queue.waiting.insert(nonce, waiting);
                        }
                        Some(reason) => gone.push(Unfit {
                            id: waiting.id,
                            signed: waiting.signed,
                            reason,
                        }),
                    }
                }
            });
        }
        for unfit in &gone {
            self.ids.remove(&unfit.id);
        }
        gone
    }

    /// Changes a queue, and its places in the orders with it.
    fn change<T>(&mut self, sender: u32, change: impl FnOnce(&mut Queue) -> T) -> T {
        let queue = self.queues.entry(sender).or_default();
        if let Some(head) = queue.head.take() {
            self.heads.remove(&head);
        }
        if let Some(tail) = queue.tail.take() {
            self.tails.remove(&tail);
        }
        let result = change(queue);
        if let Some((_, first)) = queue.waiting.first_key_value() {
            queue.head = Some((Reverse(first.fee()), first.arrival, sender));
        }
        if let Some((nonce, last)) = queue.waiting.last_key_value() {
            let worth = queue.worth(queue.next, *nonce, last.fee());
            queue.tail = Some((worth, Reverse(last.arrival), sender));
        }
        self.heads.extend(queue.head);
        self.tails.extend(queue.tail);
        if queue.waiting.is_empty() {
            self.queues.remove(&sender);
        }
        result
    }
}

/// Whether a transfer's recipient is who was signed.
pub fn recipient_stands(signed: &SignedTransaction, view: &dyn AccountView) -> bool {
    let Operation::Transfer { to, address, .. } = signed.transaction.operation else {
        return true;
    };
    view.account(to).is_some_and(|account| account.address == address)
}

/// The address that a transaction changes its sender's account to.
pub(crate) fn rekeyed(signed: &SignedTransaction) -> Option<Address> {
    match signed.transaction.operation {
        Operation::Rekey { address } => Some(address),
        _ => None,
    }
}

/// Why a transaction cannot be executed; `sender` is its account and the address that it has by then, `needed` all that it and
/// those before it take.
fn unfit(
    index: u32,
    signed: &SignedTransaction,
    sender: Option<(Account, Address)>,
    needed: u128,
    view: &dyn AccountView,
) -> Option<PoolError> {
    let (found, (account, address)) = match sender {
        Some(sender) => (signed.transaction.nonce, sender),
        None => return Some(PoolError::NoSuchAccount(index)),
    };
    let (next, balance) = (account.nonce, account.balance);
    if found < next {
        return Some(PoolError::NonceUsed { index, found, next });
    }
    if signed.sender() != address {
        return Some(PoolError::NotTheOwner(index));
    }
    if needed > u128::from(balance) {
        return Some(PoolError::Funds { index, balance, needed });
    }
    match signed.transaction.operation {
        Operation::Transfer { to, .. } if !recipient_stands(signed, view) => Some(PoolError::Recipient(to)),
        _ => None,
    }
}
