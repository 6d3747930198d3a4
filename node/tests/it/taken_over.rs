//! Batches that L1 has and the chain has not: which of them take the place of ours, on what grounds, and what that may not cost.

use std::time::{Duration, Instant};

use starling_node::batch_body::BatchBody;
use starling_node::operator::chain::{Adopted, Commit, Garbage, Grounds};
use starling_node::operator::fate::Cause;
use starling_node::operator::feed::Standing;
use starling_node::operator::fetch::Anchor;
use starling_node::operator::journal::Body;
use starling_node::operator::sequencer::{Place, SubmitError};
use starling_node::operator::take_over::Patience;
use starling_rollup::batch::OpenBatch;
use starling_rollup::block_header::{self, BlockEnd};
use starling_rollup::chain;
use starling_rollup::envelope::TransactionId;
use starling_rollup::operations;
use starling_rollup::state::State;
use starling_rollup::transaction::SignedTransaction;

use crate::chain::{Node, OWNER, ROLLUP, begun, entries, key, pay};

#[test]
fn another_batch_takes_the_place_of_ours_when_its_signatures_are_there() {
    let (mut ours, blocks) = begun();
    assert!(ours.sequencer.close_before(6).unwrap());
    let mut other = Node::leader(2);
    other.build(6);
    other.submit(pay(3, 0, 4, 7));
    let theirs = other.build(6);
    other.sequencer.close_before(7).unwrap();
    let commit = other.commit(1);
    let payment = theirs[0].transactions[0].clone();
    let adopted = ours.sequencer.adopt(&commit, Vec::new(), Grounds::Signatures).unwrap();
    assert_eq!(adopted, Adopted::Unsigned(1), "nobody builds on what cannot be proven");
    assert_eq!(
        (ours.sequencer.last(), ours.sequencer.tip()),
        (1, blocks[2].header().hash())
    );
    let adopted = ours
        .sequencer
        .adopt(&commit, vec![payment.clone()], Grounds::Signatures)
        .unwrap();
    assert_eq!(adopted, Adopted::Done);
    assert_eq!(ours.sequencer.state().root(), other.sequencer.state().root());
    let waiting = ours.sequencer.journal().id(&blocks[1].transactions[0]);
    assert_eq!(ours.place(&waiting), Some(Place::Pending));
    // Proven, it is taken without signatures, which then cannot be had from this node.
    let mut newcomer = Node::follower();
    assert_eq!(
        newcomer.sequencer.adopt(&commit, Vec::new(), Grounds::Proof).unwrap(),
        Adopted::Done
    );
    let sealed = newcomer.sequencer.journal().sealed(1).unwrap().unwrap();
    assert!(matches!(&sealed.body, Body::Public { ids, .. } if ids.len() == 1));
    assert!(matches!(
        newcomer.place(&newcomer.sequencer.journal().id(&payment)),
        Some(Place::Sealed {
            batch: 1,
            position: 0,
            ..
        })
    ));
    let mut newcomer = newcomer.restarted();
    newcomer.look();
    assert_eq!(newcomer.sequencer.state().root(), other.sequencer.state().root());
    let body = BatchBody::from_bytes(&BatchBody::of(&sealed)).unwrap();
    assert!(body.batch.is_none() && body.data == sealed.data());
}

#[test]
fn garbage_on_l1_moves_nobody() {
    let (mut ours, blocks) = begun();
    ours.sequencer.close_before(6).unwrap();
    let honest = ours.commit(1);
    let tip = ours.sequencer.tip();
    let digest = |commit: &Commit| chain::next(&chain::GENESIS, &commit.words, &ROLLUP, 1);
    let mut headers = honest.clone();
    headers.head[0] ^= 1;
    let mut claim = honest.clone();
    claim.digest[0] += starling_vm::field::Felt::new(1);
    for commit in [headers, claim] {
        let adopted = ours.sequencer.adopt(&commit, Vec::new(), Grounds::Signatures).unwrap();
        assert!(matches!(adopted, Adopted::Garbage(Garbage::Differs(_))), "{adopted:?}");
    }
    // Each bit of the last payment's words, with digest and headers to match: L1 takes all of it, and nobody else does.
    let (mut rules, mut data, mut unsigned) = (0, 0, 0);
    let length = honest.words.len();
    for (at, bit) in (length - 2..length).flat_map(|at| (0..63).map(move |bit| (at, bit))) {
        let mut commit = honest.clone();
        commit.words[at] ^= 1 << bit;
        commit.digest = digest(&commit);
        let all =
            starling_rollup::block_header::headers([0; 32], commit.slot, 1, &commit.words, &commit.blocks).unwrap();
        commit.head = all.last().unwrap().hash();
        match ours.sequencer.adopt(&commit, Vec::new(), Grounds::Signatures).unwrap() {
            Adopted::Garbage(Garbage::Replay(_)) => rules += 1,
            Adopted::Garbage(Garbage::Data(_)) => data += 1,
            Adopted::Unsigned(1) => unsigned += 1,
            other => panic!("word {at}, bit {bit}: {other:?}"),
        }
        assert_eq!((ours.sequencer.last(), ours.sequencer.tip()), (1, tip));
    }
    assert!(rules > 20 && data > 3 && unsigned > 20, "{rules} {data} {unsigned}");
    let id = ours.sequencer.journal().id(&blocks[1].transactions[0]);
    assert!(matches!(ours.place(&id), Some(Place::Sealed { .. })));
}

/// The commit of the first batch of a leader, with its last transfer of two words in four of them.
fn spelled_out(leader: &Node) -> Commit {
    let mut commit = leader.commit(1);
    let Some(&[sender, _]) = commit.words.last_chunk() else {
        panic!("it ends with a transfer");
    };
    commit.words.pop();
    commit.words.extend([2, 10, 1]);
    commit.words[0] += 2;
    commit.blocks.last_mut().unwrap().end += 2;
    assert_eq!(commit.words[commit.words.len() - 4], sender);
    commit.digest = chain::next(&chain::GENESIS, &commit.words, &ROLLUP, 1);
    let all = starling_rollup::block_header::headers([0; 32], commit.slot, 1, &commit.words, &commit.blocks).unwrap();
    commit.head = all.last().unwrap().hash();
    commit
}

/// The rules and the kernel take the long form of a short transfer, and no prover here would find the digest that L1 has. Once it is
/// proven, it is kept as L1 has it: what is said of it and of its operations must lead to what the contract holds.
#[test]
fn a_batch_in_a_form_that_nobody_else_proves_is_kept_word_for_word_once_it_is_proven() {
    let (mut leader, _) = begun();
    leader.sequencer.close_before(6).unwrap();
    let commit = spelled_out(&leader);
    let tip = leader.sequencer.tip();
    let adopted = leader
        .sequencer
        .adopt(&commit, Vec::new(), Grounds::Signatures)
        .unwrap();
    assert_eq!(adopted, Adopted::Garbage(Garbage::Form));
    assert_eq!(leader.sequencer.tip(), tip);
    assert_eq!(
        leader.sequencer.adopt(&commit, Vec::new(), Grounds::Proof).unwrap(),
        Adopted::Done
    );
    assert_eq!(leader.sequencer.tip(), commit.head);
    let mut leader = leader.restarted();
    assert!(leader.sequencer.has_commit(1, &commit.digest, &commit.head).unwrap());
    let kept = leader.commit(1);
    assert_eq!(
        (&kept.words, kept.digest, kept.head),
        (&commit.words, commit.digest, commit.head)
    );
    let sealed = leader.sequencer.journal().sealed(1).unwrap().unwrap();
    assert_eq!(sealed.headers([0; 32]).unwrap().last().unwrap().hash(), commit.head);
    // All signatures are known, and still nobody here can prove it.
    assert!(sealed.batch().is_none() && sealed.operations() == 2);
    let last = commit.words.last_chunk::<4>().unwrap();
    assert_eq!(operations::operations(&sealed.data()).last().unwrap(), last);
    // A peer gets what L1 has.
    let body = BatchBody::from_bytes(&BatchBody::of(&sealed)).unwrap();
    let anchor = Anchor {
        number: 1,
        parent_digest: chain::GENESIS,
        parent_head: [0; 32],
        digest: commit.digest,
        head: commit.head,
    };
    assert_eq!(anchor.check(&ROLLUP, &body).unwrap().words, commit.words);
    // L1 loses it: what was accepted here is not lost with it.
    let ids = leader.sequencer.journal().ids(&sealed);
    assert_eq!(sealed.transactions().len(), 2);
    leader.sequencer.give_up(1).unwrap();
    for id in &ids {
        let place = leader.place(id);
        assert!(
            place.is_some() && !matches!(place, Some(Place::Sealed { .. })),
            "{place:?}"
        );
    }
    let mut leader = leader.restarted();
    leader.look();
    leader.build(7);
    leader.sequencer.close_before(8).unwrap();
    for id in &ids {
        assert!(matches!(leader.place(id), Some(Place::Sealed { .. })), "{id}");
    }
}

/// The first batch of somebody who fills it with so many operations, and their signatures.
fn crowded(operations: u32) -> (Commit, Vec<SignedTransaction>) {
    let state = State::default();
    let mut open = OpenBatch::new(&state, 0);
    for entry in entries() {
        open.enter(&state, entry).unwrap();
    }
    let entered = entries().len() as u32;
    let signed: Vec<SignedTransaction> = (0..operations - entered).map(|nonce| pay(1, nonce, 2, 1)).collect();
    for signed in &signed {
        open.apply_verified(&state, signed).unwrap();
    }
    let (batch, _) = open.finish(&state).unwrap();
    let words = batch.data().to_words();
    let blocks = vec![BlockEnd {
        end: words.len() as u16,
        state: [0; 32],
    }];
    let all = block_header::headers([0; 32], 5, 1, &words, &blocks).unwrap();
    let commit = Commit {
        number: 1,
        digest: chain::next(&chain::GENESIS, &words, &ROLLUP, 1),
        head: all.last().unwrap().hash(),
        slot: 5,
        blocks,
        words,
    };
    (commit, signed)
}

/// L1 takes batches that no prover's memory is for. They are not everybody's work, whoever shows their signatures.
#[test]
fn a_batch_that_is_too_long_for_provers_is_its_committers() {
    let (commit, given) = crowded(512);
    let mut follower = Node::follower();
    let adopted = follower.sequencer.adopt(&commit, given, Grounds::Signatures).unwrap();
    assert_eq!(adopted, Adopted::Done);
    assert_eq!(follower.sequencer.unsigned(0).unwrap(), None);
    let (commit, given) = crowded(513);
    for grounds in [Grounds::Patience, Grounds::Proof] {
        let mut follower = Node::follower();
        let adopted = follower.sequencer.adopt(&commit, given.clone(), Grounds::Signatures);
        let (found, limit) = (513, 512);
        assert_eq!(adopted.unwrap(), Adopted::Garbage(Garbage::Size { found, limit }));
        assert_eq!(follower.sequencer.last(), 0);
        let adopted = follower.sequencer.adopt(&commit, given.clone(), grounds).unwrap();
        assert_eq!(adopted, Adopted::Done);
        assert_eq!(
            follower.sequencer.unverified(),
            (grounds == Grounds::Patience).then_some(1)
        );
        // A proof that L1 loses makes nobody here prove it.
        assert!(!follower.sequencer.add_signatures(1, given.clone()).unwrap());
        assert_eq!(follower.sequencer.unsigned(0).unwrap(), Some(1));
        assert_eq!(follower.sequencer.unproven_to(0, 1).unwrap(), 0);
    }
}

/// L1 loses a batch that was taken over because it was proven: who would commit it again could not prove it.
#[test]
fn a_batch_whose_signatures_are_not_here_goes_when_l1_loses_it() {
    let (mut leader, blocks) = begun();
    leader.sequencer.close_before(6).unwrap();
    let commit = leader.commit(1);
    let mut other = Node::follower();
    assert_eq!(
        other.sequencer.adopt(&commit, Vec::new(), Grounds::Proof).unwrap(),
        Adopted::Done
    );
    assert_eq!(other.sequencer.unsigned(1).unwrap(), None);
    assert_eq!(other.sequencer.unsigned(0).unwrap(), Some(1));
    other.sequencer.give_up(1).unwrap();
    assert_eq!((other.sequencer.last(), other.sequencer.tip()), (0, [0; 32]));
    assert_eq!(other.sequencer.unsigned(0).unwrap(), None);
    // One that has the signatures keeps it, and commits it again if it is its turn.
    assert_eq!(leader.sequencer.unsigned(0).unwrap(), None);
    // The other goes on as if it had never been.
    other.look();
    other.take(&blocks);
    assert_eq!(other.sequencer.tip(), leader.sequencer.tip());
}

// GROUNDS: PATIENCE
// ================================================================================================================

/// A node with the first batch, in which everybody has an account, and a transaction that it has accepted; and a second batch on L1 that
/// takes the sender's nonce, with its transactions.
fn robbed() -> (Node, TransactionId, Commit, Vec<SignedTransaction>) {
    robbed_of(Node::leader(1))
}

fn robbed_of(mut ours: Node) -> (Node, TransactionId, Commit, Vec<SignedTransaction>) {
    let blocks = ours.build(5);
    let mut thief = Node::leader(2);
    thief.take(&blocks);
    for node in [&mut ours, &mut thief] {
        node.sequencer.close_before(6).unwrap();
        assert_eq!(node.sequencer.last(), 1);
    }
    let accepted = ours.submit(pay(1, 0, 2, 10));
    let taken = vec![pay(1, 0, 3, 999), pay(4, 0, 5, 1)];
    let heard = ours.sequencer.hear(pay(4, 0, 2, 3)).unwrap();
    for signed in &taken {
        thief.submit(signed.clone());
    }
    thief.build(6);
    assert!(thief.sequencer.close_before(7).unwrap());
    let commit = thief.commit(2);
    let first = ours.sequencer.adopt(&commit, Vec::new(), Grounds::Signatures).unwrap();
    assert_eq!((first, ours.sequencer.last()), (Adopted::Unsigned(2), 1));
    assert_eq!(ours.sequencer.unverified(), None);
    // Somebody else's signature under the same operation is known: what is shown later counts before it.
    let other_key = taken[0].transaction.sign(&ROLLUP.word(), &key(2), OWNER);
    let second = ours
        .sequencer
        .adopt(&commit, vec![other_key], Grounds::Patience)
        .unwrap();
    assert_eq!((second, ours.sequencer.last()), (Adopted::Done, 2));
    // What this node has promised a place waits; of what it has only heard, anybody could make as much as there is memory.
    assert!(!matches!(ours.place(&heard), Some(Place::Pending)));
    assert_eq!(ours.sequencer.outside(), 1);
    (ours, accepted, commit, taken)
}

/// Why a node keeps a transaction waiting.
fn waits_for(node: &Node, id: &TransactionId) -> Cause {
    match node.place(id) {
        Some(Place::Waiting(reason)) => reason.code,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_a_batch_that_nobody_vouches_for_does_costs_no_accepted_transaction() {
    let (mut ours, accepted, commit, _) = robbed();
    let refused = ours.sequencer.submit(pay(4, 1, 2, 10));
    assert!(
        matches!(refused, Err(SubmitError::Doubtful { index: 4, batch: 2 })),
        "{refused:?}"
    );
    assert_eq!(ours.sequencer.unverified(), Some(2));
    assert_eq!(waits_for(&ours, &accepted), Cause::NonceUsed);
    // Nor does a restart: it knows as much.
    let mut ours = ours.restarted();
    ours.look();
    assert_eq!(ours.sequencer.unverified(), Some(2));
    assert_eq!(waits_for(&ours, &accepted), Cause::NonceUsed);
    // Its sender is told why no more can be signed for the account; others pay as always.
    ours.sequencer.reached(2, 1).unwrap();
    let refused = ours.sequencer.submit(pay(4, 1, 2, 10));
    assert!(
        matches!(refused, Err(SubmitError::Doubtful { index: 4, batch: 2 })),
        "{refused:?}"
    );
    // It is built on.
    let more = ours.submit(pay(5, 0, 2, 3));
    let blocks = ours.build(7);
    assert_eq!(blocks[0].header().parent, commit.head);
    ours.sequencer.close_before(8).unwrap();
    ours.sequencer.reached(2, 1).unwrap();
    assert!(matches!(ours.place(&more), Some(Place::Sealed { batch: 3, .. })));
    assert_eq!(ours.sequencer.unverified(), Some(2));
    assert_eq!(
        ours.sequencer.unproven_to(1, 3).unwrap(),
        1,
        "provers have no work with what they cannot prove"
    );
    ours.sequencer.note_proven_ahead([3]);
    assert_eq!(ours.sequencer.unproven_to(1, 3).unwrap(), 0);
    // L1 prunes it: both are executed, as if it had never been.
    ours.sequencer.give_up(2).unwrap();
    assert_eq!((ours.sequencer.last(), ours.sequencer.unverified()), (1, None));
    let next = ours.submit(pay(1, 1, 2, 10));
    assert_eq!(ours.place(&accepted), Some(Place::Pending));
    ours.build(8);
    ours.sequencer.close_before(9).unwrap();
    for id in [&accepted, &more, &next] {
        assert!(matches!(ours.place(id), Some(Place::Sealed { batch: 2, .. })));
    }
    assert_eq!(ours.sequencer.unproven_to(1, 2).unwrap(), 3);
}

/// As with what waited in the pool.
#[test]
fn what_was_in_a_batch_in_its_place_is_not_refused_either() {
    let mut ours = Node::leader(1);
    let blocks = ours.build(5);
    let mut thief = Node::leader(2);
    thief.take(&blocks);
    ours.sequencer.close_before(6).unwrap();
    thief.sequencer.close_before(6).unwrap();
    let accepted = ours.submit(pay(1, 0, 2, 10));
    ours.build(6);
    ours.sequencer.close_before(7).unwrap();
    assert!(matches!(ours.place(&accepted), Some(Place::Sealed { batch: 2, .. })));
    thief.submit(pay(1, 0, 3, 999));
    thief.build(6);
    thief.sequencer.close_before(7).unwrap();
    let commit = thief.commit(2);
    let adopted = ours.sequencer.adopt(&commit, Vec::new(), Grounds::Patience).unwrap();
    assert_eq!(adopted, Adopted::Done);
    assert_eq!(waits_for(&ours, &accepted), Cause::NonceUsed);
    ours.sequencer.give_up(2).unwrap();
    assert_eq!(ours.place(&accepted), Some(Place::Pending));
}

#[test]
fn once_it_is_proven_what_it_has_done_counts() {
    let (mut ours, accepted, ..) = robbed();
    ours.sequencer.reached(2, 2).unwrap();
    assert_eq!(ours.sequencer.unverified(), None);
    ours.sequencer.tick().unwrap();
    let place = ours.place(&accepted);
    assert!(
        matches!(&place, Some(Place::Refused(reason)) if reason.code == Cause::NonceUsed),
        "{place:?}"
    );
}

#[test]
fn signatures_that_come_late_make_it_whole_in_its_place() {
    let (mut ours, accepted, commit, taken) = robbed();
    let mut told = ours.sequencer.feed().batches();
    let more = ours.submit(pay(5, 0, 2, 3));
    ours.build(7);
    ours.sequencer.close_before(8).unwrap();
    ours.sequencer.reached(2, 1).unwrap();
    let (tip, root) = (ours.sequencer.tip(), ours.sequencer.state().root());
    let other_key = taken[0].transaction.sign(&ROLLUP.word(), &key(2), OWNER);
    for given in [vec![], vec![taken[0].clone()], vec![other_key, taken[1].clone()]] {
        assert!(!ours.sequencer.add_signatures(2, given).unwrap());
        assert_eq!(ours.sequencer.unsigned(1).unwrap(), Some(2));
    }
    assert!(!ours.sequencer.add_signatures(9, taken.clone()).unwrap());
    assert!(ours.sequencer.add_signatures(2, taken.clone()).unwrap());
    assert!(ours.sequencer.add_signatures(2, Vec::new()).unwrap());
    ours.sequencer.reached(2, 1).unwrap();
    assert!(ours.sequencer.check(&pay(4, 1, 2, 10)).is_ok());
    assert_eq!(ours.sequencer.unverified(), None);
    let told: Vec<(u64, Standing)> = std::iter::from_fn(|| told.try_recv().ok())
        .map(|change| (change.number, change.standing))
        .collect();
    assert_eq!(
        told,
        [
            (3, Standing::Unverified),
            (2, Standing::Sealed),
            (2, Standing::Committed),
            (3, Standing::Sealed)
        ],
        "what nobody vouches for is called neither soft nor committed"
    );
    // Nothing else has changed, and peers can have it whole.
    assert_eq!((ours.sequencer.tip(), ours.sequencer.state().root()), (tip, root));
    assert!(matches!(ours.place(&more), Some(Place::Sealed { batch: 3, .. })));
    assert!(ours.sequencer.has_commit(2, &commit.digest, &commit.head).unwrap());
    let sealed = ours.sequencer.journal().sealed(2).unwrap().unwrap();
    let body = BatchBody::from_bytes(&BatchBody::of(&sealed)).unwrap();
    let bytes = |signed: &[SignedTransaction]| signed.iter().map(SignedTransaction::to_bytes).collect::<Vec<_>>();
    assert_eq!(bytes(&body.batch.unwrap().transactions), bytes(&taken));
    ours.sequencer.tick().unwrap();
    assert!(matches!(ours.place(&accepted), Some(Place::Refused(_))));
    let ours = ours.restarted();
    assert_eq!(
        (ours.sequencer.unverified(), ours.sequencer.state().root()),
        (None, root_of(&ours))
    );
}

fn root_of(node: &Node) -> starling_vm::field::Word {
    let last = node.sequencer.last();
    node.sequencer.journal().sealed(last).unwrap().unwrap().root
}

/// Each batch takes one of the places that L1 has for those without a proof.
#[test]
fn behind_it_there_is_one_batch_a_slot() {
    let (mut ours, ..) = robbed_of(Node::hasty_leader(1));
    let pay_in = |ours: &mut Node, slot, nonce| {
        ours.submit(pay(5, nonce, 2, 3));
        (ours.build(slot).len(), ours.sequencer.last())
    };
    // In its slot, so that the leader commits in it, too.
    assert_eq!(pay_in(&mut ours, 7, 0), (1, 3));
    assert_eq!(pay_in(&mut ours, 7, 1), (0, 3));
    assert_eq!(pay_in(&mut ours, 8, 2), (1, 4));
    assert_eq!(pay_in(&mut ours, 8, 3), (0, 4));
    // Once it is proven there are as many as ever.
    ours.sequencer.reached(2, 2).unwrap();
    assert_eq!(pay_in(&mut ours, 8, 4), (1, 5));
    assert_eq!(pay_in(&mut ours, 8, 5), (1, 6));
}

/// However somebody times batches and proofs, there is half a slot of waiting, and another when there was nothing to wait for in between.
#[test]
fn patience_does_not_begin_again_for_whoever_goes_on() {
    let slot = Duration::from_secs(10);
    let begun = Instant::now();
    let mut patience = Patience::default();
    let at = |tenths: u64| begun + Duration::from_millis(100 * tenths);
    let mut missing = |tenths: u64| patience.is_over(at(tenths), at(tenths), slot);
    assert_eq!([0, 1, 25, 49].map(&mut missing), [false; 4]);
    // A leader that waits for what came before its slot has half of it left.
    assert!(missing(50));
    // The next batch is committed in the block that proves this one; or there is one now and then.
    assert_eq!([51, 100, 299, 498].map(&mut missing), [true; 4]);
    // Two slots without any.
    assert_eq!([698, 747].map(&mut missing), [false; 2]);
    assert!(missing(748));
    // The time in which it was asked for counts, and no other.
    let mut patience = Patience::default();
    assert_eq!(patience.left(begun, slot), Duration::from_secs(5));
    assert!(!patience.is_over(at(10), at(40), slot));
    assert_eq!(patience.left(at(50), slot), Duration::from_secs(1));
    assert!(patience.is_over(at(50), at(60), slot));
    assert_eq!(patience.left(at(61), slot), Duration::ZERO);
    assert_eq!(patience.left(at(261), slot), Duration::from_secs(5));
}

#[test]
fn patience_takes_nothing_that_cannot_be_executed() {
    let (mut ours, _) = begun();
    ours.sequencer.close_before(6).unwrap();
    let tip = ours.sequencer.tip();
    let mut refused = 0;
    for bit in 0..63 {
        let mut commit = ours.commit(1);
        *commit.words.last_mut().unwrap() ^= 1 << bit;
        commit.digest = chain::next(&chain::GENESIS, &commit.words, &ROLLUP, 1);
        let all =
            starling_rollup::block_header::headers([0; 32], commit.slot, 1, &commit.words, &commit.blocks).unwrap();
        commit.head = all.last().unwrap().hash();
        let before = ours.sequencer.adopt(&commit, Vec::new(), Grounds::Signatures).unwrap();
        let Adopted::Garbage(garbage) = before else { continue };
        let now = ours.sequencer.adopt(&commit, Vec::new(), Grounds::Patience).unwrap();
        assert_eq!(now, Adopted::Garbage(garbage));
        assert_eq!((ours.sequencer.last(), ours.sequencer.tip()), (1, tip));
        refused += 1;
    }
    assert!(refused > 10, "{refused}");
    // The needless form can be: its signatures are known, and still nobody here can prove it.
    let commit = spelled_out(&ours);
    assert_eq!(
        ours.sequencer.adopt(&commit, Vec::new(), Grounds::Patience).unwrap(),
        Adopted::Done
    );
    assert!(!ours.sequencer.add_signatures(1, Vec::new()).unwrap());
    assert_eq!(
        (ours.sequencer.tip(), ours.sequencer.unverified()),
        (commit.head, Some(1))
    );
}
