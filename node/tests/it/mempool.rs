//! The pool against a naive model, and its rules one by one.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;
use starling_node::mempool::{AccountView, Inserted, Limits, Mempool, PoolError};
use starling_rollup::account::Account;
use starling_rollup::address::{Address, L1Address};
use starling_rollup::envelope::TransactionId;
use starling_rollup::transaction::{Operation, RollupId, SignedTransaction, Transaction};
use starling_vm::schnorr::SecretKey;

const ROLLUP: RollupId = RollupId {
    chain_id: 31_337,
    contract: L1Address([0x42; 20]),
};
const OWNER: L1Address = L1Address([9; 20]);

thread_local! {
    /// Any signature of each sender: the pool does not look at it, and they take their time.
    static SIGNED: RefCell<HashMap<u32, SignedTransaction>> = RefCell::default();
    static IDS: RefCell<HashMap<(u32, u32, u64, u64), TransactionId>> = RefCell::default();
}

fn withdrawal(amount: u64) -> Operation {
    let recipient = L1Address([1; 20]);
    Operation::Withdraw { recipient, amount }
}

fn sign(from: u32, nonce: u32, fee: u64, operation: Operation) -> (TransactionId, SignedTransaction) {
    let transaction = Transaction {
        from,
        nonce,
        fee,
        operation,
    };
    let signed = SIGNED.with_borrow_mut(|known| {
        let make = || {
            let key = SecretKey::derive(&[&from.to_be_bytes()[..], b"mempool"].concat());
            transaction.sign(&ROLLUP.word(), &key, OWNER)
        };
        SignedTransaction {
            transaction,
            ..known.entry(from).or_insert_with(make).clone()
        }
    });
    if !matches!(operation, Operation::Withdraw { .. }) {
        return (TransactionId::new(&transaction, &ROLLUP.word()), signed);
    }
    let id = IDS.with_borrow_mut(|known| {
        let make = || TransactionId::new(&transaction, &ROLLUP.word());
        *known.entry(plain(&signed)).or_insert_with(make)
    });
    (id, signed)
}

fn address(index: u32) -> Address {
    sign(index, 0, 0, withdrawal(0)).1.sender()
}

#[derive(Clone, Debug, Default)]
struct State(BTreeMap<u32, Account>);

impl AccountView for State {
    fn account(&self, index: u32) -> Option<Account> {
        self.0.get(&index).copied()
    }
}

impl State {
    fn new(balances: &[u64]) -> Self {
        let account = |(index, balance): (u32, &u64)| (index, Account::new(address(index), *balance));
        Self((0..).zip(balances).map(account).collect())
    }

    fn execute(&mut self, signed: &SignedTransaction) {
        let transaction = signed.transaction;
        let account = self.0.get_mut(&transaction.from).unwrap();
        assert_eq!(account.nonce, transaction.nonce);
        account.nonce += 1;
        account.balance -= transaction.fee + transaction.operation.amount();
    }
}

fn insert(pool: &mut Mempool, state: &State, (from, nonce, fee): (u32, u32, u64)) -> Result<Inserted, PoolError> {
    let (id, signed) = sign(from, nonce, fee, withdrawal(1));
    pool.insert(id, signed, state)
}

// THE MODEL
// ================================================================================================================

/// Sender, nonce, fee, amount.
type Plain = (u32, u32, u64, u64);

/// A list in the order of arrival, and everything computed from it anew.
#[derive(Debug, Default)]
struct Model {
    waiting: Vec<Plain>,
    total: usize,
    per_sender: usize,
    /// The accounts' nonces when each sender's queue was last looked at.
    seen: BTreeMap<u32, u32>,
}

impl Model {
    fn find(&self, sender: u32, nonce: u32) -> Option<usize> {
        self.waiting.iter().position(|t| (t.0, t.1) == (sender, nonce))
    }

    fn worth(&self, sender: u32, next: u32, nonce: u32) -> u64 {
        let fees = (next.min(nonce)..=nonce).map(|step| self.find(sender, step).map_or(0, |at| self.waiting[at].2));
        fees.min().unwrap_or(0)
    }

    fn last_of(&self, sender: u32) -> Option<usize> {
        let own = (0..self.waiting.len()).filter(|at| self.waiting[*at].0 == sender);
        own.max_by_key(|at| self.waiting[*at].1)
    }

    /// Whether the transaction is taken.
    fn insert(&mut self, new: Plain, state: &State) -> bool {
        let (sender, nonce, fee, amount) = new;
        let Some(account) = state.0.get(&sender) else {
            return false;
        };
        let old = self.find(sender, nonce);
        let gap = (account.nonce..nonce).any(|step| self.find(sender, step).is_none());
        if nonce < account.nonce || (gap && old.is_none()) {
            return false;
        }
        if old.is_some_and(|at| fee * 10 < self.waiting[at].2 * 11 || fee == self.waiting[at].2) {
            return false;
        }
        let others = self.waiting.iter().filter(|t| t.0 == sender && t.1 != nonce);
        if others.map(|t| t.2 + t.3).sum::<u64>() + fee + amount > account.balance {
            return false;
        }
        let own = self.waiting.iter().filter(|t| t.0 == sender).count();
        let gone = if old.is_some() {
            old
        } else if own >= self.per_sender {
            let last = self.last_of(sender).filter(|at| self.waiting[*at].1 > nonce);
            if last.is_none() {
                return false;
            }
            last
        } else if self.waiting.len() >= self.total {
            let others = state.0.keys().filter(|other| **other != sender);
            let worth = |at: &usize| {
                let (other, last, ..) = self.waiting[*at];
                (self.worth(other, self.seen[&other], last), std::cmp::Reverse(*at))
            };
            let victim = others.filter_map(|other| self.last_of(*other)).min_by_key(worth);
            let Some(victim) = victim else {
                return false;
            };
            let least = worth(&victim).0;
            self.waiting.push(new);
            let own = self.worth(sender, account.nonce, nonce);
            self.waiting.pop();
            if own <= least {
                return false;
            }
            Some(victim)
        } else {
            None
        };
        if let Some(gone) = gone {
            self.waiting.remove(gone);
        }
        self.waiting.push(new);
        self.seen.insert(sender, account.nonce);
        true
    }

    fn pop(&mut self, state: &State) -> Option<Plain> {
        let ready = |at: &usize| {
            let (sender, nonce, fee, amount) = self.waiting[*at];
            let account = state.0[&sender];
            // A used nonce before it hides it until the pool is looked through.
            let first = !self.waiting.iter().any(|t| t.0 == sender && t.1 < nonce);
            first && account.nonce == nonce && fee + amount <= account.balance
        };
        let best = (0..self.waiting.len()).filter(ready);
        let best = best.max_by_key(|at| (self.waiting[*at].2, std::cmp::Reverse(*at)))?;
        let taken = self.waiting.remove(best);
        self.seen.insert(taken.0, taken.1 + 1);
        Some(taken)
    }

    fn revalidate(&mut self, state: &State) {
        let mut kept = Vec::new();
        let mut spent: BTreeMap<u32, u64> = BTreeMap::new();
        let mut sorted = self.waiting.clone();
        sorted.sort_unstable();
        for t in sorted {
            let account = state.0[&t.0];
            let spent = spent.entry(t.0).or_default();
            if t.1 >= account.nonce && *spent + t.2 + t.3 <= account.balance {
                *spent += t.2 + t.3;
                kept.push((t.0, t.1));
            }
        }
        self.waiting.retain(|t| kept.contains(&(t.0, t.1)));
        self.seen
            .extend(state.0.iter().map(|(index, account)| (*index, account.nonce)));
    }
}

#[derive(Clone, Debug)]
enum Step {
    Insert(Plain),
    /// A batch takes this many of the best; of so many of them, the first is refused instead of executed.
    Batch(usize, bool),
    /// The accounts go back by so many nonces, and balances change.
    Back(u32, u64),
    /// Everything is taken out and put in again, as after a reorganisation.
    Again,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let insert = (0..4u32, 0..8u32, 0..24u64, 0..3u64);
    let insert = insert.prop_map(|(from, nonce, fee, amount)| Step::Insert((from, nonce, fee, amount * 40)));
    let step = prop_oneof![
        24 => insert,
        2 => (0..4usize, any::<bool>()).prop_map(|(count, refused)| Step::Batch(count, refused)),
        1 => (0..3u32, 50..300u64).prop_map(|(back, balance)| Step::Back(back, balance)),
        1 => Just(Step::Again),
    ];
    proptest::collection::vec(step, 1..80)
}

fn plain(signed: &SignedTransaction) -> Plain {
    let t = signed.transaction;
    (t.from, t.nonce, t.fee, t.operation.amount())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if std::env::var_os("STARLING_SOAK").is_some() { 5_000 } else { 500 }))]

    #[test]
    fn the_pool_is_its_model(steps in steps(), total in 1..12usize, per_sender in 1..6usize) {
        let mut state = State::new(&[300, 200, 120]);
        let mut pool = Mempool::new(Limits { transactions: total, per_sender, ..Limits::default() });
        let mut model = Model { total, per_sender, ..Model::default() };
        for step in steps {
            match step {
                Step::Insert(new) => {
                    let (id, signed) = sign(new.0, new.1, new.2, withdrawal(new.3));
                    let planned = pool.check(&id, &signed, &state);
                    let result = pool.insert(id, signed, &state);
                    prop_assert_eq!(&planned, &result);
                    prop_assert_eq!(result.is_ok(), model.insert(new, &state), "{:?} {:?}", new, result);
                    for gone in result.map(|inserted| inserted.gone()).unwrap_or_default() {
                        prop_assert!(!pool.contains(&gone));
                    }
                }
                Step::Batch(count, refused) => {
                    for number in 0..count {
                        let taken = pool.pop(&state);
                        prop_assert_eq!(taken.as_ref().map(|(_, signed)| plain(signed)), model.pop(&state));
                        if let Some((_, signed)) = taken.filter(|_| number > 0 || !refused) {
                            state.execute(&signed);
                        }
                    }
                    pool.revalidate(&state);
                    model.revalidate(&state);
                }
                Step::Back(back, balance) => {
                    for account in state.0.values_mut() {
                        account.nonce = account.nonce.saturating_sub(back);
                        account.balance = balance;
                    }
                    pool.revalidate(&state);
                    model.revalidate(&state);
                }
                Step::Again => {
                    model.waiting.sort_unstable();
                    for new in std::mem::take(&mut model.waiting) {
                        model.insert(new, &state);
                    }
                    for signed in pool.take_all() {
                        let id = TransactionId::new(&signed.transaction, &ROLLUP.word());
                        let _ = pool.insert(id, signed, &state);
                    }
                }
            }
            let mut expected = model.waiting.clone();
            expected.sort_unstable();
            prop_assert_eq!(pool.iter().map(plain).collect::<Vec<_>>(), expected);
            prop_assert!(pool.len() == model.waiting.len() && pool.len() <= total);
            for (index, account) in &state.0 {
                let free = (account.nonce..).find(|nonce| model.find(*index, *nonce).is_none());
                prop_assert_eq!(pool.next_nonce(*index, account.nonce), free);
            }
        }
    }
}

// RULES, ONE BY ONE
// ================================================================================================================

#[test]
fn every_refusal_has_its_reason() {
    let state = State::new(&[1_000, 1_000]);
    let limits = Limits {
        min_fee: 5,
        per_sender: 2,
        transactions: 3,
        ..Limits::default()
    };
    let mut pool = Mempool::new(limits);
    let mut take = |new| insert(&mut pool, &state, new);
    let fee = |found, needed, full| Err(PoolError::Fee { found, needed, full });
    assert_eq!(take((0, 0, 4)), fee(4, 5, false));
    assert_eq!(take((7, 0, 5)), Err(PoolError::NoSuchAccount(7)));
    assert_eq!(
        take((0, 1, 5)),
        Err(PoolError::NonceGap {
            index: 0,
            found: 1,
            next: 0
        })
    );
    assert_eq!(
        take((0, 0, 1_000)),
        Err(PoolError::Funds {
            index: 0,
            balance: 1_000,
            needed: 1_001
        })
    );
    // A gap is the last reason: whoever waits for it to close knows that nothing else is wrong.
    assert_eq!(take((0, 1, 4)), fee(4, 5, false));
    assert!(matches!(take((0, 1, 1_000)), Err(PoolError::Funds { .. })));
    take((0, 0, 50)).unwrap();
    assert_eq!(take((0, 0, 50)), Err(PoolError::Known));
    assert_eq!(take((0, 0, 54)), Err(PoolError::Underpriced { needed: 55 }));
    assert!(take((0, 0, 55)).unwrap().replaced.is_some());
    take((0, 1, 5)).unwrap();
    assert_eq!(take((0, 2, 5)), Err(PoolError::TooMany { index: 0, limit: 2 }));
    take((1, 0, 5)).unwrap();
    assert_eq!(take((1, 1, 5)), fee(5, 6, true));
    let mut later = state.clone();
    later.0.get_mut(&0).unwrap().nonce = 1;
    assert_eq!(
        insert(&mut pool, &later, (0, 0, 99)),
        Err(PoolError::NonceUsed {
            index: 0,
            found: 0,
            next: 1
        })
    );
}

#[test]
fn amounts_at_the_limit_do_not_overflow() {
    let state = State::new(&[u64::MAX >> 1]);
    let mut pool = Mempool::new(Limits::default());
    let most = (u64::MAX >> 1) - 1;
    let (id, signed) = sign(0, 0, 1, withdrawal(most));
    pool.insert(id, signed, &state).unwrap();
    let (id, signed) = sign(0, 1, most, withdrawal(most));
    assert!(matches!(pool.insert(id, signed, &state), Err(PoolError::Funds { .. })));
    let (id, signed) = sign(0, 0, u64::MAX >> 1, withdrawal(0));
    assert!(pool.insert(id, signed, &state).is_ok());
}

#[test]
fn a_full_pool_gives_up_the_cheapest_tail_and_not_for_as_little() {
    let state = State::new(&[10_000; 4]);
    let mut pool = Mempool::new(Limits {
        transactions: 3,
        ..Limits::default()
    });
    insert(&mut pool, &state, (0, 0, 10)).unwrap();
    // Worth 10 only: the one before it has to go with it.
    insert(&mut pool, &state, (0, 1, 90)).unwrap();
    let (tail, _) = sign(0, 1, 90, withdrawal(1));
    insert(&mut pool, &state, (1, 0, 20)).unwrap();
    let full = PoolError::Fee {
        found: 10,
        needed: 11,
        full: true,
    };
    assert_eq!(insert(&mut pool, &state, (2, 0, 10)), Err(full));
    assert_eq!(insert(&mut pool, &state, (2, 0, 11)).unwrap().evicted, Some(tail));
    assert_eq!(pool.len(), 3);
    // A replacement needs no room.
    assert_eq!(insert(&mut pool, &state, (1, 0, 22)).unwrap().evicted, None);
}

#[test]
fn of_equal_fees_the_earlier_goes_first() {
    let mut state = State::new(&[1_000; 3]);
    let mut pool = Mempool::new(Limits::default());
    for new in [(2, 0, 5), (0, 0, 5), (1, 0, 5), (2, 1, 5)] {
        insert(&mut pool, &state, new).unwrap();
    }
    let mut order = Vec::new();
    while let Some((_, signed)) = pool.pop(&state) {
        state.execute(&signed);
        order.push((signed.transaction.from, signed.transaction.nonce));
    }
    assert_eq!(order, [(2, 0), (0, 0), (1, 0), (2, 1)]);
}

/// A transaction that the rules refuse, although it was accepted, must not leave its sender stuck.
#[test]
fn what_waits_behind_a_gap_goes_on_once_it_is_filled() {
    let mut state = State::new(&[1_000]);
    let mut pool = Mempool::new(Limits {
        per_sender: 3,
        ..Limits::default()
    });
    for nonce in 0..3 {
        insert(&mut pool, &state, (0, nonce, 5)).unwrap();
    }
    let (refused, _) = pool.pop(&state).unwrap();
    assert!(pool.pop(&state).is_none(), "nonce 0 is missing");
    assert_eq!(pool.next_nonce(0, 0), Some(0));
    insert(&mut pool, &state, (0, 0, 6)).unwrap();
    assert!(!pool.contains(&refused));
    assert_eq!(pool.next_nonce(0, 0), Some(3));
    for nonce in 0..3 {
        let (_, signed) = pool.pop(&state).unwrap();
        assert_eq!(signed.transaction.nonce, nonce);
        state.execute(&signed);
    }
}

#[test]
fn a_new_key_drops_what_the_old_one_signed() {
    let mut state = State::new(&[1_000, 1_000]);
    let mut pool = Mempool::new(Limits::default());
    insert(&mut pool, &state, (0, 0, 5)).unwrap();
    let to = Operation::Transfer {
        to: 0,
        address: address(0),
        amount: 1,
    };
    let (id, signed) = sign(1, 0, 5, to);
    pool.insert(id, signed, &state).unwrap();
    assert!(pool.revalidate(&state).is_empty());
    state.0.get_mut(&0).unwrap().address = address(5);
    let dropped = pool.revalidate(&state);
    assert!(
        dropped.len() == 2 && dropped.iter().any(|unfit| unfit.id == id),
        "the sender's and the one to it"
    );
    assert!(pool.is_empty() && pool.pop(&state).is_none());
}
