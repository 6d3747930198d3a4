//! The bytes of answers: one value has one encoding, and nothing in them can be changed unseen.

use proptest::prelude::*;
use starling_node::answers::account::{AccountProof, Leaf, Origin, StateView, account_body};
use starling_node::answers::operation::{MAX_OPERATION_WORDS, OperationProof, operation_body};
use starling_node::answers::proof::{Point, ProofAnswer};
use starling_node::answers::{BodyError, Wrong};
use starling_p2p::request::StateAt;
use starling_rollup::account::{AMOUNT_LIMIT, Account};
use starling_rollup::address::{Address, L1Address};
use starling_rollup::block_header::{BlockHeader, SignedHeader};
use starling_rollup::chain::word_bytes;
use starling_rollup::data::BatchData;
use starling_rollup::entry::{Entry, Kind};
use starling_rollup::l1_key::L1Key;
use starling_rollup::operations;
use starling_rollup::record::LAYOUTS;
use starling_rollup::state::State;
use starling_rollup::transaction::RollupId;
use starling_vm::field::{Felt, Word};

use super::scene::forged;

const ROLLUP: RollupId = RollupId {
    chain_id: 31_337,
    contract: L1Address([0x42; 20]),
};

fn word(seed: u64) -> Word {
    [1, 2, 3, 4].map(|k| Felt::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(k) >> 1))
}

fn state(accounts: u64) -> State {
    let account = |seed: u64| Account {
        address: Address::from_word(word(seed)),
        nonce: seed as u32,
        balance: seed << 20,
    };
    State::from_accounts((1..=accounts).map(account).collect())
}

fn header(state: &State) -> BlockHeader {
    BlockHeader {
        slot: 7,
        batch: 5,
        index: 2,
        parent: [1; 32],
        operations: [2; 32],
        state: word_bytes(&state.root()),
    }
}

fn key() -> L1Key {
    L1Key::from_bytes(&[3; 32]).unwrap()
}

fn signed(state: &State) -> SignedHeader {
    header(state).sign(&ROLLUP, &key()).unwrap()
}

fn origins(state: &State) -> [(StateAt, Origin); 3] {
    [
        (StateAt::Proven, Origin::Proven { batch: 5 }),
        (StateAt::Committed, Origin::Committed(header(state))),
        (StateAt::Soft, Origin::Soft(signed(state))),
    ]
}

/// Whether an answer holds against what L1 would say.
fn holds(state: &State, proof: &AccountProof) -> bool {
    let batch = proof.origin.batch() == 5;
    batch
        && match &proof.origin {
            Origin::Proven { .. } => proof.check_root(&state.root()).is_ok(),
            Origin::Committed(_) => proof.check_head(5, &header(state).hash()).is_ok(),
            Origin::Soft(_) => proof.check_leader(&ROLLUP, key().address()).is_ok(),
        }
}

#[test]
fn accounts_are_read_as_written_and_hold() {
    let state = state(5);
    for (at, origin) in origins(&state) {
        for index in [0, 3, 4, 5, 6, u32::MAX] {
            let bytes = account_body(&StateView { state: &state, origin }, index).unwrap();
            let proof = AccountProof::from_bytes(index, at, &bytes).unwrap();
            assert_eq!(proof.to_bytes(), bytes);
            assert_eq!((proof.origin, proof.next, proof.root()), (origin, 5, state.root()));
            match &proof.leaf {
                Leaf::Account { account, .. } => assert_eq!(Some(account), state.account(index)),
                Leaf::Absent { .. } => assert!(index >= 5),
            }
            assert!(holds(&state, &proof), "{at:?} {index}");
        }
    }
}

/// Whatever byte is changed, the answer is refused; whatever is missing or added, too.
#[test]
fn no_byte_of_an_account_can_be_changed_unseen() {
    let state = state(5);
    for (at, origin) in origins(&state) {
        for index in [3, 5] {
            let bytes = account_body(&StateView { state: &state, origin }, index).unwrap();
            for place in 0..bytes.len() {
                assert!(AccountProof::from_bytes(index, at, &bytes[..place]).is_err(), "{place}");
                for change in [1, 0x80, 0xff] {
                    let mut changed = bytes.clone();
                    changed[place] ^= change;
                    let read = AccountProof::from_bytes(index, at, &changed);
                    let believed = read.as_ref().is_ok_and(|proof| holds(&state, proof));
                    assert!(!believed, "{at:?} {index}: byte {place} by {change:#x}: {read:?}");
                    if let Ok(proof) = read {
                        assert_eq!(proof.to_bytes(), changed, "one value, one encoding");
                    }
                }
            }
            assert!(AccountProof::from_bytes(index, at, &[&bytes[..], &[0]].concat()).is_err());
        }
    }
}

/// Numbers that mean another one in the field.
#[test]
fn numbers_above_their_limits_are_refused() {
    let state = state(2);
    let origin = Origin::Proven { batch: 5 };
    let bytes = account_body(&StateView { state: &state, origin }, 1).unwrap();
    let with = |at: usize, number: u64| {
        let mut changed = bytes.clone();
        changed[at..at + 8].copy_from_slice(&number.to_be_bytes());
        AccountProof::from_bytes(1, StateAt::Proven, &changed)
    };
    let balance = state.account(1).unwrap().balance;
    let modulus = 0xffff_ffff_0000_0001_u64;
    assert!(matches!(with(52, modulus + balance), Err(BodyError::Wire(_))));
    assert!(matches!(with(52, AMOUNT_LIMIT), Err(BodyError::Wire(_))));
    assert!(matches!(with(8, (1 << 32) + 1), Err(BodyError::Wire(_))));
    assert!(matches!(with(8, modulus + 2), Err(BodyError::Wire(_))));
    assert!(matches!(with(16, modulus), Err(BodyError::Digest(_))));
    assert!(matches!(with(60, u64::MAX), Err(BodyError::Digest(_))));
}

/// A node whose state is another than the header claims has nothing to answer.
#[test]
fn nobody_answers_for_a_header_that_claims_another_state() {
    let (state, other) = (state(5), state(4));
    for (at, origin) in origins(&state) {
        let body = account_body(&StateView { state: &other, origin }, 1);
        assert_eq!(body.is_none(), at != StateAt::Proven);
    }
}

#[test]
fn wrong_answers_are_told_apart() {
    let (state, other) = (state(5), state(4));
    let proof = |state: &State, origin, at| AccountProof::from_bytes(1, at, &forged(state, origin, 1)).unwrap();
    let [(proven, p), (committed, c), (soft, s)] = origins(&state);
    let found = proof(&other, p, proven).check_root(&state.root());
    assert!(matches!(found, Err(Wrong::Root { .. })), "{found:?}");
    let found = proof(&state, p, proven).check_head(5, &[0; 32]);
    assert_eq!(found, Err(Wrong::Kind));
    let found = proof(&state, c, committed).check_head(6, &header(&state).hash());
    assert!(
        matches!(found, Err(Wrong::Batch { expected: 6, found: 5 })),
        "{found:?}"
    );
    let found = proof(&state, c, committed).check_head(5, &header(&other).hash());
    assert!(matches!(found, Err(Wrong::Head { .. })), "{found:?}");
    let found = proof(&other, c, committed).check_head(5, &header(&state).hash());
    assert!(matches!(found, Err(Wrong::Root { .. })), "{found:?}");
    let found = proof(&state, c, committed).check_leader(&ROLLUP, key().address());
    assert_eq!(found, Err(Wrong::Kind));
    let found = proof(&state, s, soft).check_leader(&ROLLUP, L1Address([9; 20]));
    assert!(matches!(found, Err(Wrong::Signer { slot: 7, .. })), "{found:?}");
    let found = proof(&other, s, soft).check_leader(&ROLLUP, key().address());
    assert!(matches!(found, Err(Wrong::Root { .. })), "{found:?}");
    let elsewhere = RollupId { chain_id: 1, ..ROLLUP };
    assert!(
        proof(&state, s, soft)
            .check_leader(&elsewhere, key().address())
            .is_err()
    );
}

fn batch(entries: u64) -> BatchData {
    let entry = |seed: u64| Entry {
        kind: Kind::DepositNew { amount: seed },
        sender: L1Address([seed as u8; 20]),
        address: Address::from_word(word(seed)),
    };
    BatchData {
        fee_account: 1,
        entries: (1..=entries).map(|seed| (entry(seed), seed)).collect(),
        records: Vec::new(),
    }
}

#[test]
fn operations_are_read_as_written_and_hold() {
    assert!(LAYOUTS.iter().all(|layout| layout.words.len() <= MAX_OPERATION_WORDS));
    for entries in [1, 2, 3, 7, 8, 9, 40] {
        let data = batch(entries);
        let root = operations::root(&operations::operations(&data));
        assert_eq!(operation_body(&data, entries as u32), None);
        for position in 0..entries as u32 {
            let bytes = operation_body(&data, position).unwrap();
            let proof = OperationProof::from_bytes(position, &bytes).unwrap();
            assert_eq!(proof.to_bytes(), bytes);
            assert_eq!(proof.check(position, &root), Ok(()));
            for other in 0..64 {
                let elsewhere = OperationProof::from_bytes(other, &bytes);
                let holds = elsewhere.is_ok_and(|proof| proof.check(other, &root).is_ok());
                assert_eq!(holds, other == position, "{entries} {position} {other}");
            }
        }
    }
}

#[test]
fn no_byte_of_an_operation_can_be_changed_unseen() {
    let data = batch(5);
    let root = operations::root(&operations::operations(&data));
    let bytes = operation_body(&data, 3).unwrap();
    for place in 0..bytes.len() {
        assert!(OperationProof::from_bytes(3, &bytes[..place]).is_err(), "{place}");
        for change in 1..=255 {
            let mut changed = bytes.clone();
            changed[place] ^= change;
            if let Ok(proof) = OperationProof::from_bytes(3, &changed) {
                assert_eq!(proof.to_bytes(), changed);
                assert!(proof.check(3, &root).is_err(), "byte {place} by {change:#x}");
            }
        }
    }
    assert!(OperationProof::from_bytes(3, &[&bytes[..], &[0]].concat()).is_err());
    assert!(
        OperationProof::from_bytes(0, &[0, 0]).is_err(),
        "no words are no operation"
    );
}

fn answer() -> ProofAnswer {
    let point = |batch, seed| Point {
        batch,
        root: word(seed),
        digest: word(seed + 1),
    };
    ProofAnswer {
        before: point(4, 10),
        after: point(9, 20),
        payee: L1Address([5; 20]),
        bytes: vec![1, 2, 3, 4, 5],
    }
}

#[test]
fn proofs_are_read_as_written() {
    let answer = answer();
    let bytes = answer.to_bytes();
    assert_eq!(ProofAnswer::from_bytes(&bytes), Ok(answer.clone()));
    assert_eq!(answer.first(), 5);
    let statement = answer.statement(&ROLLUP, word(1));
    assert_eq!((statement.inputs.len(), statement.outputs.len()), (19, 4));
    for place in 0..bytes.len() {
        for change in 1..=255 {
            let mut changed = bytes.clone();
            changed[place] ^= change;
            if let Ok(read) = ProofAnswer::from_bytes(&changed) {
                assert_ne!(read, answer);
                assert_eq!(read.to_bytes(), changed);
            }
        }
        let cut = ProofAnswer::from_bytes(&bytes[..place]);
        assert!(cut.map_or(true, |cut| cut.bytes.len() < 5), "{place}");
    }
    assert!(
        ProofAnswer::from_bytes(&bytes[..bytes.len() - 5]).is_err(),
        "no proof at all"
    );
    let long = ProofAnswer {
        bytes: vec![0; (1 << 20) + 1],
        ..answer.clone()
    };
    assert!(ProofAnswer::from_bytes(&long.to_bytes()).is_err());
    assert!(matches!(
        answer.verify(&ROLLUP, word(1)),
        Err(Wrong::Proof { first: 5, last: 9, .. })
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever bytes come: no panic, and what is read is written so.
    #[test]
    fn bytes_are_read_or_refused(index: u32, at in 0..3usize, bytes in prop::collection::vec(any::<u8>(), 0..1_400)) {
        let at = [StateAt::Proven, StateAt::Committed, StateAt::Soft][at];
        if let Ok(proof) = AccountProof::from_bytes(index, at, &bytes) {
            prop_assert_eq!(proof.to_bytes(), bytes.clone());
            let _ = (proof.check_root(&word(1)), proof.check_head(1, &[0; 32]), proof.check_leader(&ROLLUP, L1Address([0; 20])));
        }
        if let Ok(proof) = OperationProof::from_bytes(index, &bytes) {
            prop_assert_eq!(proof.to_bytes(), bytes.clone());
            let _ = proof.check(index, &[0; 32]);
        }
        if let Ok(proof) = ProofAnswer::from_bytes(&bytes) {
            prop_assert_eq!(proof.to_bytes(), bytes);
            prop_assert!(proof.verify(&ROLLUP, word(1)).is_err());
        }
    }

    /// Every account of every state.
    #[test]
    fn accounts_of_any_state_hold(accounts in 0..40u64, index in 0..48u32) {
        let state = state(accounts);
        for (at, origin) in origins(&state) {
            let bytes = account_body(&StateView { state: &state, origin }, index).unwrap();
            let proof = AccountProof::from_bytes(index, at, &bytes).unwrap();
            prop_assert!(holds(&state, &proof));
            prop_assert_eq!(matches!(proof.leaf, Leaf::Account { .. }), u64::from(index) < accounts);
        }
    }
}
