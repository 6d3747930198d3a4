//! What an operator must not forget: round trips on both backends, damage, and batches taken back.

use std::sync::Arc;

use proptest::prelude::*;
use starling_node::operator::fate::{Cause, Changes, Fate, Reason};
use starling_node::operator::journal::{Body, Journal, JournalError, Sealed, StoredProof};
use starling_node::store::{self, Backend, Options, Scan, Store, Table, WriteBatch, number_key};
use starling_rollup::address::{Address, L1Address};
use starling_rollup::batch::OpenBatch;
use starling_rollup::block_header::BlockEnd;
use starling_rollup::chain;
use starling_rollup::entry::{Entry, Kind};
use starling_rollup::state::State;
use starling_rollup::transaction::{Operation, RollupId, SignedTransaction, Transaction};
use starling_vm::schnorr::SecretKey;

const ROLLUP: RollupId = RollupId {
    chain_id: 31_337,
    contract: L1Address([0x42; 20]),
};
const OWNER: L1Address = L1Address([9; 20]);

fn key(number: u8) -> SecretKey {
    SecretKey::derive(&[number, 0x6a])
}

fn address(number: u8) -> Address {
    Address::new(key(number).public_key(), OWNER)
}

/// A chain of sealed batches, and the states between them.
struct Chain {
    store: Arc<dyn Store>,
    journal: Journal,
    states: Vec<State>,
    sealed: Vec<Sealed>,
    /// One signature, which nothing here checks.
    signed: SignedTransaction,
    folder: tempfile::TempDir,
}

impl Chain {
    fn new(backend: Backend) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::from(store::open(folder.path(), backend, &Options::default()).unwrap());
        let journal = Journal::open(store.clone(), ROLLUP).unwrap();
        let operation = Operation::Withdraw {
            recipient: OWNER,
            amount: 1,
        };
        let transaction = Transaction {
            from: 0,
            nonce: 0,
            fee: 0,
            operation,
        };
        Self {
            store,
            journal,
            states: vec![State::default()],
            sealed: Vec::new(),
            signed: transaction.sign(&ROLLUP.word(), &key(0), OWNER),
            folder,
        }
    }

    fn state(&self) -> &State {
        self.states.last().unwrap()
    }

    /// Seals a batch of deposits to new accounts and payments (from, to, amount); payments that do not go are left out.
    fn seal(&mut self, deposits: &[u64], payments: &[(u32, u32, u64)]) {
        let state = self.state().clone();
        let mut open = OpenBatch::new(&state, 0);
        for amount in deposits {
            let number = open.overlay().next() as u8;
            let (kind, address) = (Kind::DepositNew { amount: *amount }, address(number));
            let entry = Entry {
                kind,
                sender: OWNER,
                address,
            };
            open.enter(&state, entry).unwrap();
        }
        for (from, to, amount) in payments {
            let (Some(sender), Some(to_account)) = (
                open.overlay().account(&state, *from),
                open.overlay().account(&state, *to),
            ) else {
                continue;
            };
            let operation = Operation::Transfer {
                to: *to,
                address: to_account.address,
                amount: *amount,
            };
            let transaction = Transaction {
                from: *from,
                nonce: sender.nonce,
                fee: 3,
                operation,
            };
            // The key must be the sender's; the signature is not looked at.
            let signed = SignedTransaction {
                transaction,
                key: *key(*from as u8).public_key(),
                ..self.signed.clone()
            };
            let _ = open.apply_verified(&state, &signed);
        }
        let (batch, after) = open.finish(&state).unwrap();
        let number = self.sealed.len() as u64 + 1;
        let before = self.sealed.last();
        let parent_digest = before.map_or(chain::GENESIS, |before| before.digest);
        let sealed = Sealed {
            number,
            root: state.root_with(&after),
            parent_digest,
            digest: chain::next(&parent_digest, &batch.data().to_words(), &ROLLUP, number),
            queue_end: before.map_or(0, |before| before.queue_end) + batch.entries.len() as u64,
            sealed_at: 1_700_000_000 + number,
            undo: after
                .touched()
                .keys()
                .map(|index| (*index, state.account(*index).copied()))
                .collect(),
            slot: number,
            blocks: vec![BlockEnd {
                end: batch.data().to_words().len() as u16,
                state: [number as u8; 32],
            }],
            head: [number as u8; 32],
            signed: None,
            body: Body::Signed(batch),
        };
        for signed in sealed.transactions() {
            self.journal.accept(signed).unwrap();
        }
        self.journal.seal(&sealed, &after).unwrap();
        let mut state = state;
        state.absorb(&after);
        self.states.push(state);
        self.sealed.push(sealed);
    }

    /// What a restart finds.
    fn check(&self) {
        let found = self.journal.recover().unwrap();
        assert_eq!(found.state.accounts(), self.state().accounts());
        assert_eq!(found.state.root(), self.state().root());
        assert_eq!(found.last, self.sealed.len() as u64);
        let last = self.sealed.last();
        assert_eq!(found.digest, last.map_or(chain::GENESIS, |last| last.digest));
        assert_eq!(found.queue_end, last.map_or(0, |last| last.queue_end));
    }
}

type Batches = Vec<(Vec<u64>, Vec<(u32, u32, u64)>)>;

fn batches() -> impl Strategy<Value = Batches> {
    let deposits = proptest::collection::vec(1..1_000u64, 0..3);
    let payments = proptest::collection::vec((0..6u32, 0..6u32, 0..400u64), 0..6);
    proptest::collection::vec((deposits, payments), 1..6)
}

/// Whatever is sealed comes back after a restart, and taking it back restores the accounts exactly, batch by batch.
fn round_trip(backend: Backend, batches: &Batches) {
    let mut chain = Chain::new(backend);
    chain.seal(&[10_000], &[]);
    for (deposits, payments) in batches {
        chain.seal(deposits, payments);
        chain.check();
    }
    let last = chain.sealed.len() as u64;
    for number in 0..=last {
        let rewound = chain.journal.rewind(chain.state(), last, number).unwrap();
        assert_eq!(rewound.accounts(), chain.states[number as usize].accounts());
        assert_eq!(rewound.root(), chain.states[number as usize].root());
    }
    while let Some(sealed) = chain.sealed.last().cloned() {
        let found = chain.journal.sealed(sealed.number).unwrap().unwrap();
        assert_eq!(format!("{found:?}"), format!("{sealed:?}"));
        chain.journal.unseal(&found).unwrap();
        chain.sealed.pop();
        chain.states.pop();
        chain.check();
        let ids = chain.journal.ids(&sealed);
        for id in &ids {
            assert!(chain.journal.accepted(id).unwrap().is_some(), "it waits again");
            assert_eq!(chain.journal.place(id).unwrap(), None);
        }
        let gone = Changes {
            gone: ids,
            ..Changes::default()
        };
        chain.journal.change(&gone).unwrap();
    }
    assert!(chain.journal.recover().unwrap().pool.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if std::env::var_os("STARLING_SOAK").is_some() { 120 } else { 12 }))]

    #[test]
    fn batches_are_kept_and_taken_back_exactly(batches in batches()) {
        for backend in Backend::ALL {
            round_trip(backend, &batches);
        }
    }
}

fn proof(first: u64, last: u64, chain: &Chain) -> StoredProof {
    StoredProof {
        first,
        last,
        root: chain.state().root(),
        payee: OWNER,
        rows: 1 << 17,
        prove_ms: 6_500,
        peak_bytes: 1 << 31,
        bytes: vec![0xab; 90_000],
    }
}

#[test]
fn proofs_and_places_survive_a_restart() {
    for backend in Backend::ALL {
        let mut chain = Chain::new(backend);
        chain.seal(&[10_000, 20_000], &[]);
        chain.seal(&[], &[(0, 1, 7), (1, 0, 5)]);
        // In whatever order they come; two runs may end with one batch.
        let kept = [(1, 1), (1, 2), (2, 2)].map(|(first, last)| proof(first, last, &chain));
        kept.iter()
            .rev()
            .for_each(|proof| chain.journal.keep_proof(proof).unwrap());
        let sealed = chain.sealed.clone();
        let Chain {
            folder, store, journal, ..
        } = chain;
        drop((store, journal));
        let store: Arc<dyn Store> = Arc::from(store::open(folder.path(), backend, &Options::default()).unwrap());
        let journal = Journal::open(store.clone(), ROLLUP).unwrap();
        assert_eq!(journal.proofs(0, usize::MAX).unwrap(), kept);
        assert_eq!(journal.proofs(2, usize::MAX).unwrap(), kept[1..]);
        assert!(journal.proofs(3, usize::MAX).unwrap().is_empty());
        assert_eq!(journal.proofs(0, 1).unwrap(), kept[..1]);
        for proof in &kept {
            assert_eq!(journal.proof(proof.first, proof.last).unwrap().as_ref(), Some(proof));
            assert!(journal.has_proof(proof.first, proof.last).unwrap());
        }
        for (first, last) in [(2, 1), (1, 3), (3, 3)] {
            assert_eq!(journal.proof(first, last).unwrap(), None);
            assert!(!journal.has_proof(first, last).unwrap());
        }
        assert_eq!([1, 2, 3].map(|last| journal.proofs_to(last).unwrap()), [1, 2, 0]);
        for from in 0..4 {
            let mut all = Vec::new();
            let each = |proof| {
                all.push(proof);
                Ok(())
            };
            journal.each_proof(from, each).unwrap();
            assert_eq!(all, journal.proofs(from, usize::MAX).unwrap());
        }
        for (signed, place) in sealed[1].transactions().iter().zip(0..) {
            let id = journal.id(signed);
            assert_eq!(journal.place(&id).unwrap(), Some((2, place)));
            assert!(journal.accepted(&id).unwrap().is_none());
        }
        assert_eq!(sealed[1].transactions().len(), 2);
        assert!(journal.sealed(3).unwrap().is_none());
        // A batch that is taken back takes its proofs with it.
        journal.unseal(&sealed[1]).unwrap();
        assert_eq!(journal.proofs(0, usize::MAX).unwrap(), kept[..1]);
        let other = RollupId { chain_id: 1, ..ROLLUP };
        let error = Journal::open(store, other).unwrap_err();
        assert!(
            matches!(&error, JournalError::OtherRollup { .. }) && error.to_string().contains("31337"),
            "{error}"
        );
    }
}

/// Every record, cut short, emptied, and with bytes that do not belong: an error that says which one, never a panic and never
/// another state.
#[test]
fn damage_is_told_and_named() {
    for backend in Backend::ALL {
        let mut chain = Chain::new(backend);
        chain.seal(&[10_000, 20_000], &[]);
        chain.seal(&[500], &[(0, 1, 7)]);
        chain.journal.keep_proof(&proof(2, 2, &chain)).unwrap();
        let sealed = chain.sealed[1].transactions()[0].clone();
        let mut waiting = sealed.clone();
        waiting.transaction.nonce = 1;
        chain.journal.accept(&waiting).unwrap();
        let mut changes = Changes::default();
        let reason = Reason {
            code: Cause::Funds,
            message: "too dear".to_owned(),
        };
        let fate = Fate::Refused { number: 7, reason };
        changes.fates.insert(chain.journal.id(&waiting), Some(fate.clone()));
        chain.journal.change(&changes).unwrap();
        assert_eq!(chain.journal.fate(&chain.journal.id(&waiting)).unwrap(), Some(fate));
        let (place, pool) = (chain.journal.id(&sealed), chain.journal.id(&waiting));
        let records: [(Table, Vec<u8>, &str); 6] = [
            (Table::Accounts, 1u32.to_be_bytes().to_vec(), "account"),
            (Table::Batches, number_key(2).to_vec(), "batch 2"),
            (Table::Proofs, [number_key(2), number_key(2)].concat(), "proof"),
            (Table::Transactions, place.0.to_vec(), "place"),
            (Table::Pool, pool.0.to_vec(), "transaction"),
            (Table::Fates, pool.0.to_vec(), "what became of transaction"),
        ];
        for (table, key, what) in records {
            let whole = chain.store.get(table, &key).unwrap().unwrap();
            let mut flipped = whole.clone();
            flipped[..8].fill(0xff);
            let mut wrong = vec![whole[..whole.len().min(30)].to_vec(), Vec::new()];
            // A place may be any number, a proof's length is not fixed.
            wrong.extend((table != Table::Transactions).then_some(flipped));
            for damaged in wrong {
                if damaged == whole {
                    continue;
                }
                put(&chain, table, &key, &damaged);
                let journal = &chain.journal;
                let error = match table {
                    Table::Proofs => journal.proofs(0, usize::MAX).unwrap_err(),
                    Table::Transactions if damaged.len() == 12 => continue,
                    Table::Transactions => journal.place(&place).unwrap_err(),
                    _ => journal.recover().unwrap_err(),
                };
                assert!(matches!(error, JournalError::Damaged { .. }), "{table:?}: {error}");
                let text = error.to_string();
                assert!(text.contains(what) && text.contains("rebuild"), "{text}");
            }
            put(&chain, table, &key, &whole);
        }
        chain.check();
        // An account that is missing, and one that is another's.
        let (first, second) = (0u32.to_be_bytes(), 1u32.to_be_bytes());
        let whole = chain.store.get(Table::Accounts, &first).unwrap().unwrap();
        let other = chain.store.get(Table::Accounts, &second).unwrap().unwrap();
        put(&chain, Table::Accounts, &first, &other);
        let error = chain.journal.recover().unwrap_err();
        assert!(error.to_string().contains("root"), "{error}");
        let mut batch = WriteBatch::default();
        batch.delete(Table::Accounts, first);
        chain.store.write(batch).unwrap();
        let error = chain.journal.recover().unwrap_err();
        assert!(error.to_string().contains("account 0"), "{error}");
        put(&chain, Table::Accounts, &first, &whole);
        chain.check();
        assert_eq!(chain.store.scan(&Scan::all(Table::Accounts)).unwrap().len(), 3);
    }
}

fn put(chain: &Chain, table: Table, key: &[u8], value: &[u8]) {
    let mut batch = WriteBatch::default();
    batch.put(table, key, value);
    chain.store.write(batch).unwrap();
}
