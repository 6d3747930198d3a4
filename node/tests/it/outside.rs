//! Accepted transactions that no batch takes any more: what is tried again and when, and what is said of the others.

use std::sync::Arc;
use std::time::Duration;

use starling_node::mempool::{Limits, Mempool};
use starling_node::operator::fate::Cause;
use starling_node::operator::journal::Journal;
use starling_node::operator::sequencer::{Place, Sealing, Sequencer};
use starling_node::store::{self, Backend};
use starling_rollup::address::{Address, L1Address};
use starling_rollup::entry::{Entry, Kind};
use starling_rollup::envelope::TransactionId;
use starling_rollup::transaction::{Operation, RollupId, SignedTransaction, Transaction};
use starling_vm::schnorr::SecretKey;

const ROLLUP: RollupId = RollupId {
    chain_id: 31_337,
    contract: L1Address([0x42; 20]),
};
const OWNER: L1Address = L1Address([9; 20]);
const DEPOSIT: u64 = 1_000;

fn key(number: u8) -> SecretKey {
    SecretKey::derive(&[number, 0x6f])
}

fn address(number: u8) -> Address {
    Address::new(key(number).public_key(), OWNER)
}

/// A deposit that opens the account of key `number`.
fn entry(number: u8) -> Entry {
    Entry {
        kind: Kind::DepositNew { amount: DEPOSIT },
        sender: OWNER,
        address: address(number),
    }
}

fn entries(numbers: std::ops::Range<u8>) -> Vec<Entry> {
    numbers.map(entry).collect()
}

fn sign(signer: u8, from: u32, nonce: u32, fee: u64, operation: Operation) -> SignedTransaction {
    let transaction = Transaction {
        from,
        nonce,
        fee,
        operation,
    };
    transaction.sign(&ROLLUP.word(), &key(signer), OWNER)
}

fn withdrawal(amount: u64) -> Operation {
    let recipient = OWNER;
    Operation::Withdraw { recipient, amount }
}

fn transfer(to: u32, owner: u8) -> Operation {
    Operation::Transfer {
        to,
        address: address(owner),
        amount: 1,
    }
}

/// A sequencer over a folder; every tick seals what there is, up to so many operations.
struct Node {
    folder: tempfile::TempDir,
    sequencer: Sequencer,
    operations: usize,
    limits: Limits,
}

fn recover(folder: &std::path::Path, operations: usize, limits: Limits) -> Sequencer {
    let store = store::open(folder, Backend::Redb, &store::Options::default()).unwrap();
    let journal = Journal::open(Arc::from(store), ROLLUP).unwrap();
    let age = Duration::ZERO;
    let sealing = Sealing { operations, age };
    Sequencer::recover(journal, sealing, address(0), Mempool::new(limits)).unwrap()
}

impl Node {
    fn new(operations: usize, limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sequencer = recover(folder.path(), operations, limits);
        Self {
            folder,
            sequencer,
            operations,
            limits,
        }
    }

    fn restarted(self) -> Self {
        drop(self.sequencer);
        Self {
            sequencer: recover(self.folder.path(), self.operations, self.limits),
            ..self
        }
    }

    /// Lets the queue have these entries, and seals all of them.
    fn enter(&mut self, entries: &[Entry]) {
        self.sequencer.learn(entries);
        while self.sequencer.tick().unwrap().is_some() {}
    }

    fn submit(&mut self, signed: SignedTransaction) -> TransactionId {
        self.sequencer.submit(signed).unwrap()
    }

    /// Submits a transaction, which goes into the next batch.
    fn seal(&mut self, signed: SignedTransaction) -> TransactionId {
        let id = self.submit(signed);
        let batch = self.sequencer.tick().unwrap().unwrap();
        assert!(matches!(self.place(&id), Some(Place::Sealed { batch: found, .. }) if found == batch));
        id
    }

    /// L1's queue ends before entry `number`, and has nothing else.
    fn cut(&mut self, committed: u64, number: u64) {
        let stands = |at, _: &Entry| at < number;
        self.sequencer.take_back_unless(committed, stands).unwrap();
    }

    fn place(&self, id: &TransactionId) -> Option<Place> {
        self.sequencer.place(id).unwrap()
    }

    fn waits(&self, id: &TransactionId) -> Option<Cause> {
        match self.place(id)? {
            Place::Waiting(reason) => Some(reason.code),
            _ => None,
        }
    }

    fn refused(&self, id: &TransactionId) -> Option<(Cause, String)> {
        match self.place(id)? {
            Place::Refused(reason) => Some((reason.code, reason.message)),
            _ => None,
        }
    }
}

/// Three accounts, and a fourth whose deposit L1 takes back after it has paid.
fn without_an_account(limits: Limits) -> (Node, TransactionId) {
    let mut node = Node::new(1_000, limits);
    node.enter(&entries(0..3));
    node.enter(&entries(0..4));
    let id = node.seal(sign(3, 3, 0, 1, transfer(1, 1)));
    node.cut(1, 3);
    assert_eq!(node.sequencer.last(), 1);
    (node, id)
}

#[test]
fn what_waits_is_tried_when_something_has_changed_and_only_then() {
    let (mut node, id) = without_an_account(Limits::default());
    assert_eq!(node.waits(&id), Some(Cause::NoAccount));
    let tries = node.sequencer.tries();
    for _ in 0..20 {
        assert_eq!(node.sequencer.tick().unwrap(), None);
    }
    assert_eq!(node.sequencer.tries(), tries, "nothing has changed");
    node.seal(sign(1, 1, 0, 1, withdrawal(1)));
    assert_eq!(node.sequencer.tries(), tries + 1, "a batch was sealed");
    assert_eq!(node.waits(&id), Some(Cause::NoAccount));
    // The deposit comes again: what needs it goes into the same batch.
    node.sequencer.learn(&entries(0..4));
    let batch = node.sequencer.tick().unwrap().unwrap();
    let entries = 1;
    let position = 0;
    let expected = Place::Sealed {
        batch,
        position,
        entries,
    };
    assert_eq!(node.place(&id), Some(expected));
    assert_eq!(node.sequencer.outside(), 0);
}

#[test]
fn what_waits_too_long_is_refused_and_restarts_do_not_begin_again() {
    let limits = Limits {
        retry_batches: 3,
        ..Limits::default()
    };
    let (mut node, id) = without_an_account(limits);
    for nonce in 0..2 {
        node = node.restarted();
        assert_eq!(node.waits(&id), Some(Cause::NoAccount));
        node.seal(sign(1, 1, nonce, 1, withdrawal(1)));
        assert_eq!(node.waits(&id), Some(Cause::NoAccount));
    }
    node = node.restarted();
    node.seal(sign(1, 1, 2, 1, withdrawal(1)));
    let (code, message) = node.refused(&id).unwrap();
    assert!(
        code == Cause::NoAccount && message.contains("account 3") && message.contains("3 batches"),
        "{message}"
    );
    assert_eq!(node.restarted().refused(&id), Some((code, message)));
}

#[test]
fn what_nothing_can_mend_is_refused_at_once() {
    // Another has the account.
    let (mut node, id) = without_an_account(Limits::default());
    let behind = node.sequencer.journal().accepted(&id).unwrap().unwrap();
    let mut others = entries(0..3);
    others.push(entry(7));
    node.enter(&others);
    assert_eq!(node.refused(&id).unwrap().0, Cause::NotTheOwner);
    assert!(node.sequencer.submit(behind).is_err(), "it cannot be sent again");
    // Another transaction has its nonce, as a crash between accepting the one and dropping the other leaves them.
    let mut node = Node::new(1_000, Limits::default());
    node.enter(&entries(0..3));
    let two = [1, 2].map(|amount| sign(1, 1, 0, 5, withdrawal(amount)));
    let ids = two.each_ref().map(|signed| {
        node.sequencer.journal().accept(signed).unwrap();
        node.sequencer.journal().id(signed)
    });
    let mut node = node.restarted();
    let waiting = ids.iter().position(|id| node.waits(id).is_some()).unwrap();
    assert_eq!(node.waits(&ids[waiting]), Some(Cause::Underpriced));
    assert_eq!(node.place(&ids[1 - waiting]), Some(Place::Pending));
    node.sequencer.tick().unwrap().unwrap();
    assert!(matches!(node.place(&ids[1 - waiting]), Some(Place::Sealed { .. })));
    assert_eq!(node.refused(&ids[waiting]).unwrap().0, Cause::NonceUsed);
}

#[test]
fn a_sender_may_put_another_in_the_place_of_what_waits() {
    let mut node = Node::new(1_000, Limits::default());
    node.enter(&entries(0..3));
    node.enter(&entries(0..4));
    // Account 1 pays account 3, which L1 takes back: the payment waits, and what comes after it.
    let first = node.seal(sign(1, 1, 0, 1, transfer(3, 3)));
    let second = node.seal(sign(1, 1, 1, 1, withdrawal(2)));
    node.cut(1, 3);
    assert_eq!(
        (node.waits(&first), node.waits(&second)),
        (Some(Cause::Recipient), Some(Cause::NonceGap))
    );
    let other = node.seal(sign(1, 1, 0, 1, withdrawal(5)));
    let (code, message) = node.refused(&first).unwrap();
    assert!(
        code == Cause::Replaced && message.contains(&other.to_string()),
        "{message}"
    );
    assert_eq!(
        node.place(&second).map(|place| matches!(place, Place::Sealed { .. })),
        Some(true)
    );
    // What waits may be sent again itself.
    let mut node = Node::new(1_000, Limits::default());
    node.enter(&entries(0..4));
    node.sequencer.learn(&entries(0..4));
    let signed = sign(1, 1, 0, 1, withdrawal(5));
    let id = node.submit(signed.clone());
    assert!(node.sequencer.submit(signed).is_err(), "it is known");
    assert_eq!(node.place(&id), Some(Place::Pending));
}

/// A change of the key and what the new key signs, with one operation a batch, and another's before them: neither is lost.
#[test]
fn what_a_new_key_signed_waits_for_the_change_of_the_key() {
    let mut node = Node::new(1, Limits::default());
    node.enter(&entries(0..3));
    node.enter(&entries(0..4));
    let rekey = node.seal(sign(1, 1, 0, 1, Operation::Rekey { address: address(9) }));
    let with_it = node.seal(sign(9, 1, 1, 1, withdrawal(2)));
    let dearer = node.seal(sign(2, 2, 0, 100, withdrawal(2)));
    node.cut(3, 3);
    for (batch, id) in (4..).zip([dearer, rekey, with_it]) {
        assert_eq!(node.sequencer.tick().unwrap(), Some(batch));
        assert!(
            matches!(node.place(&id), Some(Place::Sealed { batch: found, .. }) if found == batch),
            "batch {batch}"
        );
    }
}

/// The same over a restart, which forgets the order of the batch that was being filled.
#[test]
fn what_pays_a_new_account_waits_until_it_is_opened() {
    let mut node = Node::new(1, Limits::default());
    node.enter(&entries(0..3));
    let more = Entry {
        kind: Kind::Deposit { index: 0, amount: 5 },
        ..entry(0)
    };
    let queue = [entries(0..3), vec![more]].concat();
    node.enter(&queue);
    let opened = node.seal(sign(
        1,
        1,
        0,
        1,
        Operation::Open {
            address: address(9),
            amount: 10,
        },
    ));
    let paid = node.seal(sign(2, 2, 0, 100, transfer(3, 9)));
    node.cut(3, 3);
    assert_eq!(node.waits(&paid), Some(Cause::Recipient));
    let mut node = node.restarted();
    assert_eq!(node.waits(&paid), Some(Cause::Recipient));
    for (batch, id) in (4..).zip([opened, paid]) {
        assert_eq!(node.sequencer.tick().unwrap(), Some(batch));
        assert!(
            matches!(node.place(&id), Some(Place::Sealed { batch: found, .. }) if found == batch),
            "batch {batch}"
        );
    }
}

#[test]
fn what_is_replaced_or_pushed_out_says_so() {
    let limits = Limits {
        transactions: 2,
        refusals: 2,
        ..Limits::default()
    };
    let mut node = Node::new(1_000, limits);
    node.enter(&entries(0..3));
    let cheap = node.submit(sign(1, 1, 0, 10, withdrawal(1)));
    let dearer = node.submit(sign(1, 1, 0, 20, withdrawal(1)));
    let (code, message) = node.refused(&cheap).unwrap();
    assert!(
        code == Cause::Replaced && message.contains(&dearer.to_string()),
        "{message}"
    );
    let signed = sign(2, 2, 0, 15, withdrawal(1));
    let last = node.submit(signed.clone());
    node.submit(sign(0, 0, 0, 50, withdrawal(1)));
    assert_eq!(node.refused(&last).unwrap().0, Cause::NoRoom);
    let mut node = node.restarted();
    assert_eq!(node.refused(&last).unwrap().0, Cause::NoRoom);
    assert_eq!(node.refused(&cheap).unwrap().0, Cause::Replaced);
    node.sequencer.tick().unwrap().unwrap();
    // Sent again, it is refused no more.
    assert_eq!(node.submit(signed), last);
    assert_eq!(node.place(&last), Some(Place::Pending));
    // Only so many refusals are kept: the oldest is forgotten, and what was sent again is not among them.
    let mut gone = Vec::new();
    for fee in [20, 30, 40] {
        gone.push(node.submit(sign(1, 1, 1, fee, withdrawal(1))));
    }
    assert_eq!(node.place(&cheap), None);
    assert!(node.refused(&gone[0]).is_some() && node.refused(&gone[1]).is_some());
    node.sequencer.tick().unwrap().unwrap();
    assert!(matches!(node.place(&last), Some(Place::Sealed { .. })));
}
