//! A chain that several make: leaders sign blocks, others execute them, L1 decides between them.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use starling_node::batch_body::BatchBody;
use starling_node::block::{Block, BlockError, Opening};
use starling_node::gossip::{Evidence, GossipError, ProofNotice, contradiction};
use starling_node::mempool::{Limits, Mempool};
use starling_node::operator::chain::{Adopted, BlockFault, Commit, Grounds, ReceiveError, Received};
use starling_node::operator::journal::Journal;
use starling_node::operator::sequencer::{Making, Place, Sealing, Sequencer, Turn};
use starling_node::operator::signing::Signer;
use starling_node::store::{self, Backend};
use starling_rollup::address::{Address, L1Address};
use starling_rollup::block_header::{BlockHeader, SignedHeader};
use starling_rollup::chain;
use starling_rollup::entry::{Entry, Kind};
use starling_rollup::envelope::TransactionId;
use starling_rollup::l1_key::L1Key;
use starling_rollup::transaction::{Operation, RollupId, SignedTransaction, Transaction};
use starling_vm::schnorr::SecretKey;

pub(crate) const ROLLUP: RollupId = RollupId {
    chain_id: 31_337,
    contract: L1Address([0x42; 20]),
};
pub(crate) const OWNER: L1Address = L1Address([9; 20]);
const DEPOSIT: u64 = 1_000_000;
/// The age at which a batch is sealed, if that is to be never.
const LONG: Duration = Duration::from_secs(3_600);
/// Accounts; the first gets the fees.
const ACCOUNTS: u8 = 6;

pub(crate) fn key(number: u8) -> SecretKey {
    SecretKey::derive(&[number, 0x63])
}

fn address(number: u8) -> Address {
    Address::new(key(number).public_key(), OWNER)
}

pub(crate) fn entries() -> Vec<Entry> {
    let entry = |number| Entry {
        kind: Kind::DepositNew { amount: DEPOSIT },
        sender: OWNER,
        address: address(number),
    };
    (0..ACCOUNTS).map(entry).collect()
}

pub(crate) fn pay(from: u8, nonce: u32, to: u8, amount: u64) -> SignedTransaction {
    let transaction = Transaction {
        from: u32::from(from),
        nonce,
        fee: 1,
        operation: Operation::Transfer {
            to: u32::from(to),
            address: address(to),
            amount,
        },
    };
    transaction.sign(&ROLLUP.word(), &key(from), OWNER)
}

fn leader_key(number: u8) -> L1Key {
    L1Key::from_bytes(&[number; 32]).unwrap()
}

/// A node: a leader if `signs`, with key `number`.
pub(crate) struct Node {
    number: u8,
    signs: bool,
    folder: tempfile::TempDir,
    pub(crate) sequencer: Sequencer,
}

fn open(folder: &std::path::Path, number: u8, signs: bool, age: Duration) -> Sequencer {
    let store: Arc<dyn store::Store> =
        Arc::from(store::open(folder, Backend::Redb, &store::Options::default()).unwrap());
    let journal = Journal::open(store.clone(), ROLLUP).unwrap();
    let sealing = Sealing { operations: 64, age };
    let mut sequencer = Sequencer::recover(journal, sealing, address(0), Mempool::new(Limits::default())).unwrap();
    sequencer.make(match signs {
        true => Making::Signed(Arc::new(Signer::new(store, ROLLUP, leader_key(number))), Duration::ZERO),
        false => Making::Followed,
    });
    sequencer
}

impl Node {
    fn new(number: u8, signs: bool, age: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sequencer = open(folder.path(), number, signs, age);
        let mut node = Self {
            number,
            signs,
            folder,
            sequencer,
        };
        node.look();
        node
    }

    pub(crate) fn leader(number: u8) -> Self {
        Self::new(number, true, LONG)
    }

    /// One that seals whatever there is at once.
    pub(crate) fn hasty_leader(number: u8) -> Self {
        Self::new(number, true, Duration::ZERO)
    }

    pub(crate) fn follower() -> Self {
        Self::new(0xee, false, LONG)
    }

    /// What a look at L1 brings.
    pub(crate) fn look(&mut self) {
        self.sequencer.foresee(&entries());
        self.sequencer.learn(&entries());
        self.sequencer.apply_held().unwrap();
    }

    pub(crate) fn restarted(self) -> Self {
        let Self {
            number,
            signs,
            folder,
            sequencer,
        } = self;
        drop(sequencer);
        let sequencer = open(folder.path(), number, signs, LONG);
        Self {
            number,
            signs,
            folder,
            sequencer,
        }
    }

    /// The blocks that it makes in a slot of all that waits.
    pub(crate) fn build(&mut self, slot: u64) -> Vec<Block> {
        self.sequencer.take_turn(Turn { slot, builds: true });
        self.sequencer.tick().unwrap();
        // The first tick may only have closed the batch of a slot before.
        self.sequencer.tick().unwrap();
        self.sequencer.take_turn(Turn { slot, builds: false });
        self.sequencer.made()
    }

    pub(crate) fn submit(&mut self, signed: SignedTransaction) -> TransactionId {
        self.sequencer.submit(signed).unwrap()
    }

    fn receive(&mut self, block: &Block) -> Result<Received, ReceiveError> {
        self.sequencer.receive(block)
    }

    pub(crate) fn take(&mut self, blocks: &[Block]) {
        for block in blocks {
            assert_eq!(self.receive(block).unwrap(), Received::Applied);
        }
    }

    /// The commit of a batch that it has sealed.
    pub(crate) fn commit(&self, number: u64) -> Commit {
        let sealed = self.sequencer.journal().sealed(number).unwrap().unwrap();
        Commit {
            number,
            digest: sealed.digest,
            head: sealed.head,
            slot: sealed.slot,
            blocks: sealed.blocks.clone(),
            words: sealed.data().to_words(),
        }
    }

    pub(crate) fn place(&self, id: &TransactionId) -> Option<Place> {
        self.sequencer.place(id).unwrap()
    }

    fn balance(&self, account: u32) -> u64 {
        self.sequencer.soft_account(account).unwrap().0.balance
    }
}

/// A leader with an open first batch: the deposits in its first block, a payment in each of two more.
pub(crate) fn begun() -> (Node, Vec<Block>) {
    let mut leader = Node::leader(1);
    let mut blocks = leader.build(5);
    for nonce in 0..2 {
        leader.submit(pay(1, nonce, 2, 10));
        blocks.extend(leader.build(5));
    }
    assert_eq!(blocks.len(), 3);
    (leader, blocks)
}

// BLOCKS
// ================================================================================================================

#[test]
fn followers_execute_what_leaders_sign() {
    let (mut leader, blocks) = begun();
    let mut follower = Node::follower();
    follower.take(&blocks);
    assert_eq!(follower.sequencer.tip(), leader.sequencer.tip());
    let id = follower.sequencer.journal().id(&blocks[2].transactions[0]);
    let expected = Place::Sealed {
        batch: 1,
        position: 1,
        entries: u32::from(ACCOUNTS),
    };
    assert_eq!(follower.place(&id), Some(expected.clone()));
    assert_eq!(follower.balance(2), DEPOSIT + 20);
    assert_eq!(follower.receive(&blocks[1]).unwrap(), Received::Known);
    // The next slot's leader builds on the last block, which closes the batch.
    let mut next = Node::leader(2);
    next.take(&blocks);
    let late = next.submit(pay(3, 0, 4, 7));
    let more = next.build(6);
    assert_eq!((more.len(), more[0].header().batch, more[0].header().index), (1, 2, 0));
    for node in [&mut leader, &mut follower] {
        node.take(&more);
        assert_eq!(node.sequencer.last(), 1);
        assert_eq!(node.commit(1), next.commit(1));
        assert_eq!(node.sequencer.tip(), next.sequencer.tip());
    }
    assert_eq!(follower.place(&id), Some(expected));
    assert!(matches!(follower.place(&late), Some(Place::Sealed { batch: 2, .. })));
    // The fees are in the state of each block already.
    let sealed = follower.sequencer.journal().sealed(1).unwrap().unwrap();
    assert_eq!(sealed.blocks.last().unwrap().state, blocks[2].header().state);
    assert_eq!(chain::word_bytes(&sealed.root), blocks[2].header().state);
}

#[test]
fn blocks_come_in_any_order() {
    let (leader, mut blocks) = begun();
    let mut follower = Node::follower();
    blocks.reverse();
    for block in &blocks[..2] {
        assert_eq!(follower.receive(block).unwrap(), Received::Elsewhere);
    }
    assert_eq!(follower.receive(&blocks[2]).unwrap(), Received::Applied);
    assert_eq!(follower.sequencer.tip(), leader.sequencer.tip());
}

#[test]
fn a_block_waits_for_the_entries_that_it_takes() {
    let (leader, blocks) = begun();
    let mut follower = Node::follower();
    follower.sequencer.foresee(&entries()[..3]);
    assert_eq!(follower.receive(&blocks[0]).unwrap(), Received::Early);
    assert_eq!(follower.receive(&blocks[1]).unwrap(), Received::Elsewhere);
    // A reorganisation gave the queue other entries for a moment.
    let mut other = entries();
    other.swap(1, 2);
    follower.sequencer.foresee(&other);
    follower.sequencer.apply_held().unwrap();
    assert_eq!(follower.sequencer.open_blocks(), 0);
    follower.look();
    assert_eq!(follower.sequencer.open_blocks(), 2);
    follower.take(&blocks[2..]);
    assert_eq!(follower.sequencer.tip(), leader.sequencer.tip());
}

/// The builder before signs a block with entries that do not exist: nobody knows that yet, and nobody waits for it for long.
#[test]
fn a_block_that_can_never_be_applied_keeps_nobody_from_building() {
    let (mut liar, blocks) = begun();
    let mut next = Node::leader(2);
    next.take(&blocks);
    liar.sequencer.close_before(6).unwrap();
    let mut beyond = signed(&blocks[2], |header| {
        (header.batch, header.index, header.parent) = (2, 0, blocks[2].header().hash());
    });
    let opening = |entries| {
        Some(Opening {
            entries,
            fee_account: 0,
        })
    };
    beyond.opening = opening(u16::MAX);
    let refused = next.receive(&beyond);
    assert!(
        matches!(refused, Err(ReceiveError::Fault(BlockFault::TooLong { .. }))),
        "{refused:?}"
    );
    beyond.opening = opening(500);
    assert_eq!(next.receive(&beyond).unwrap(), Received::Early);
    next.submit(pay(3, 0, 4, 7));
    assert_eq!(next.build(6).len(), 0, "it may come true in a moment");
    std::thread::sleep(Duration::from_millis(2_100));
    next.look();
    // The next one that may come true is not waited for anew.
    let mut anew = signed(&beyond, |header| header.state = [7; 32]);
    assert_eq!(next.receive(&anew).unwrap(), Received::Early);
    // Of bodies under one header some wait, and no more are looked at.
    for entries in 501..504 {
        anew.opening = opening(entries);
        assert!(!next.sequencer.is_crowded(&anew));
        assert_eq!(next.receive(&anew).unwrap(), Received::Early);
    }
    anew.opening = opening(504);
    assert!(next.sequencer.is_crowded(&anew));
    assert_eq!(next.receive(&anew).unwrap(), Received::Crowded);
    let more = next.build(6);
    assert_eq!((more.len(), more[0].header().batch, more[0].header().index), (1, 2, 0));
    liar.take(&more);
    // Another one that follows it has no better claim, and both are forgotten in time.
    let again = signed(&beyond, |header| header.parent = [9; 32]);
    assert_eq!(next.receive(&again).unwrap(), Received::Elsewhere);
    next.sequencer.take_turn(Turn {
        slot: 10,
        builds: false,
    });
    let third = signed(&beyond, |header| (header.slot, header.parent) = (10, [8; 32]));
    assert_eq!(next.receive(&third).unwrap(), Received::Elsewhere);
    let waits = |next: &Node, block: &Block| next.sequencer.holds_block(&block.digest());
    assert!(!waits(&next, &beyond) && !waits(&next, &again));
    assert!(waits(&next, &third));
    assert_eq!(next.receive(&again).unwrap(), Received::Crowded);
    assert!(!waits(&next, &again), "it is of a slot that is long over");
    // One slot's blocks leave room for others'.
    let of = |slot: u64, place: u8| {
        signed(&beyond, |header| {
            (header.slot, header.parent) = (slot, [place; 32]);
        })
    };
    let held = (10..100).filter(|place| next.receive(&of(11, *place)).unwrap() == Received::Elsewhere);
    assert_eq!(held.count(), 40);
    assert_eq!(next.receive(&of(10, 1)).unwrap(), Received::Elsewhere);
}

/// L1 has replaced the entries of an operator's own open blocks while it was away: it builds on without them.
#[test]
fn a_restart_over_blocks_whose_entries_are_gone_builds_again() {
    let (leader, blocks) = begun();
    let mut leader = leader.restarted();
    let mut other = entries();
    other.swap(1, 2);
    assert_eq!(leader.build(5).len(), 0);
    leader.sequencer.foresee(&other);
    leader.sequencer.learn(&other);
    leader.sequencer.apply_held().unwrap();
    assert_eq!(leader.build(5).len(), 0, "the queue may be seen too early");
    std::thread::sleep(Duration::from_millis(2_100));
    let more = leader.build(6);
    assert_eq!((more.len(), more[0].header().batch, more[0].header().index), (1, 1, 0));
    assert_ne!(more[0].header().hash(), blocks[0].header().hash());
}

/// Whoever built an earlier slot does not end the batch of the one who builds now.
#[test]
fn slots_do_not_go_back() {
    let (mut leader, blocks) = begun();
    let mut before = Node::leader(3);
    before.take(&blocks);
    before.submit(pay(3, 0, 4, 7));
    let late = before.build(4);
    assert_eq!((late[0].header().batch, late[0].header().index), (2, 0));
    let mut follower = Node::follower();
    follower.take(&blocks);
    assert_eq!(follower.receive(&late[0]).unwrap(), Received::Late);
    assert_eq!(
        (follower.sequencer.last(), follower.sequencer.open_blocks()),
        (0, 3),
        "the batch is open still"
    );
    leader.submit(pay(1, 2, 2, 10));
    follower.take(&leader.build(5));
    // Nor does it follow one that is closed.
    assert!(follower.sequencer.close_before(6).unwrap());
    let late = signed(&late[0], |header| header.parent = follower.sequencer.tip());
    assert_eq!(follower.receive(&late).unwrap(), Received::Late);
}

/// A block with another header, signed by the leader as if it were honest.
fn signed(block: &Block, change: impl FnOnce(&mut BlockHeader)) -> Block {
    let mut header = *block.header();
    change(&mut header);
    Block {
        signed: header.sign(&ROLLUP, &leader_key(1)).unwrap(),
        ..block.clone()
    }
}

#[test]
fn a_lying_leader_convinces_nobody() {
    let (_, blocks) = begun();
    let mut follower = Node::follower();
    follower.take(&blocks[..1]);
    let tip = follower.sequencer.tip();
    let honest = &blocks[1];
    let with = |transactions: Vec<SignedTransaction>| Block {
        transactions,
        ..honest.clone()
    };
    type Expected = fn(&BlockFault) -> bool;
    let cases: [(&str, Block, Expected); 9] = [
        (
            "a state that is not so",
            signed(honest, |header| header.state[0] ^= 1),
            |fault| *fault == BlockFault::State,
        ),
        (
            "other operations",
            signed(honest, |header| header.operations[3] ^= 1),
            |fault| *fault == BlockFault::Operations,
        ),
        (
            "a transaction that is not in the header",
            with(vec![pay(1, 0, 2, 11)]),
            |fault| *fault == BlockFault::Operations,
        ),
        (
            "a used nonce",
            with(vec![pay(1, 0, 2, 10), pay(1, 0, 2, 10)]),
            |fault| matches!(fault, BlockFault::Refused { number: 1, .. }),
        ),
        ("money that is not there", with(vec![pay(1, 0, 2, DEPOSIT)]), |fault| {
            matches!(fault, BlockFault::Refused { number: 0, .. })
        }),
        (
            "another's account",
            with(vec![SignedTransaction {
                key: *key(2).public_key(),
                ..pay(1, 0, 2, 10)
            }]),
            |fault| matches!(fault, BlockFault::Refused { number: 0, .. }),
        ),
        (
            "another slot in the same batch",
            signed(honest, |header| header.slot = 6),
            |fault| *fault == BlockFault::Slot { expected: 5, found: 6 },
        ),
        (
            "a number that does not follow",
            signed(honest, |header| header.index = 2),
            |fault| *fault == BlockFault::Operations,
        ),
        (
            "a batch that does not follow",
            signed(honest, |header| (header.batch, header.index) = (3, 0)),
            |fault| *fault == BlockFault::Operations,
        ),
    ];
    for (lie, block, expected) in cases {
        match follower.receive(&block) {
            Err(ReceiveError::Fault(fault)) => assert!(expected(&fault), "{lie}: {fault}"),
            other => panic!("{lie}: {other:?}"),
        }
        assert_eq!(
            (follower.sequencer.tip(), follower.sequencer.open_blocks()),
            (tip, 1),
            "{lie}"
        );
    }
    // Fees without an account to take them.
    let mut newcomer = Node::follower();
    let opening = Some(Opening {
        entries: u16::from(ACCOUNTS),
        fee_account: 77,
    });
    let mut first = signed(&blocks[0], |_| ());
    (first.opening, first.transactions) = (opening, vec![pay(1, 0, 2, 10)]);
    // With entries it could be that L1 has changed them: it waits, and is never applied.
    assert_eq!(newcomer.receive(&first).unwrap(), Received::Early);
    newcomer.look();
    assert_eq!(newcomer.sequencer.open_blocks(), 0);
    follower.take(&blocks[1..]);
}

#[test]
fn a_restart_finds_the_blocks_that_were_signed() {
    let (leader, blocks) = begun();
    let (tip, waiting) = (leader.sequencer.tip(), pay(3, 0, 4, 7));
    let mut leader = leader;
    let id = leader.submit(waiting);
    let mut leader = leader.restarted();
    assert_eq!(
        leader.build(5).len(),
        0,
        "nothing is signed before the signed blocks are back"
    );
    leader.look();
    assert_eq!(leader.sequencer.tip(), tip);
    let sent = leader.sequencer.journal().id(&blocks[1].transactions[0]);
    assert!(matches!(leader.place(&sent), Some(Place::Sealed { batch: 1, .. })));
    assert_eq!(leader.place(&id), Some(Place::Pending));
    let more = leader.build(5);
    assert_eq!((more.len(), more[0].header().index), (1, 3));
    let mut follower = Node::follower();
    follower.take(&blocks);
    follower.take(&more);
}

// L1 DECIDES
// ================================================================================================================

#[test]
fn a_commit_of_the_open_batch_seals_it() {
    let (mut leader, blocks) = begun();
    let mut follower = Node::follower();
    follower.take(&blocks);
    assert!(leader.sequencer.close_before(6).unwrap());
    let commit = leader.commit(1);
    assert!(!follower.sequencer.has_commit(1, &commit.digest, &[1; 32]).unwrap());
    assert!(follower.sequencer.has_commit(1, &commit.digest, &commit.head).unwrap());
    assert_eq!((follower.sequencer.last(), follower.sequencer.open_blocks()), (1, 0));
    assert!(follower.sequencer.has_commit(1, &commit.digest, &commit.head).unwrap());
}

/// L1 has only a part of the leader's blocks, from somebody who saw no more: the rest is revoked and waits again.
#[test]
fn a_commit_of_a_part_takes_the_rest_back() {
    let (mut leader, blocks) = begun();
    let mut helper = Node::leader(2);
    helper.take(&blocks[..2]);
    assert!(helper.sequencer.close_before(6).unwrap());
    let commit = helper.commit(1);
    let revoked = leader.sequencer.journal().id(&blocks[2].transactions[0]);
    assert!(!leader.sequencer.has_commit(1, &commit.digest, &commit.head).unwrap());
    let adopted = leader
        .sequencer
        .adopt(&commit, Vec::new(), Grounds::Signatures)
        .unwrap();
    assert_eq!(adopted, Adopted::Done);
    assert_eq!((leader.sequencer.last(), leader.sequencer.tip()), (1, commit.head));
    assert_eq!(leader.place(&revoked), Some(Place::Pending));
    assert_eq!(leader.sequencer.revoked(), 3);
    // In the same slot the leader signs the next batch, whose place it has not signed.
    let more = leader.build(5);
    assert_eq!((more[0].header().batch, more[0].header().index), (2, 0));
    helper.take(&more);
    assert!(matches!(helper.place(&revoked), Some(Place::Sealed { batch: 2, .. })));
}

/// The leader's blocks are orphaned by L1 in the middle of its slot: it signs nothing twice, waits, and builds again in the next slot.
#[test]
fn a_leader_whose_blocks_are_orphaned_loses_the_slot_and_nothing_else() {
    let mut base = Node::leader(3);
    let first = base.build(4);
    let mut leader = Node::leader(1);
    let mut rival = Node::leader(2);
    leader.take(&first);
    rival.take(&first);
    let kept = leader.submit(pay(1, 0, 2, 10));
    // Both build batch 2; L1 takes the rival's, with whose signatures the leader is given.
    assert_eq!(leader.build(5).len(), 1);
    rival.submit(pay(3, 0, 4, 7));
    let theirs = rival.build(5);
    rival.sequencer.close_before(6).unwrap();
    let given = theirs[0].transactions.clone();
    assert_eq!(
        leader
            .sequencer
            .adopt(&rival.commit(2), given, Grounds::Signatures)
            .unwrap(),
        Adopted::Done
    );
    assert_eq!(leader.place(&kept), Some(Place::Pending));
    // Batch 3 of slot 5 was never signed: it may be built. A second time batch 2 may not.
    let more = leader.build(5);
    assert_eq!((more.len(), more[0].header().batch), (1, 3));
    rival.take(&more);
    leader.sequencer.take_back_unless(0, |_, _| false).unwrap();
    leader.look();
    let again = leader.build(5);
    assert!(again.iter().all(|block| block.header().batch == 1), "{again:?}");
    assert_eq!(leader.build(5).len(), 0);
    assert!(matches!(
        leader.place(&kept),
        Some(Place::Pending | Place::Waiting(_) | Place::Sealed { .. })
    ));
}

/// Everybody gets the signatures of all batches.
fn reveal(nodes: &mut [Node], signed: &[Vec<SignedTransaction>]) {
    for node in nodes {
        for (number, given) in (1..).zip(signed) {
            assert!(node.sequencer.add_signatures(number, given.clone()).unwrap());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Leaders take turns, blocks are lost or late, and L1 takes what one of them has, which some show nobody for a while: all agree
    /// with L1 afterwards, every payment is executed once, and none that was accepted is refused.
    #[test]
    fn everybody_ends_where_l1_is(rounds in prop::collection::vec((0u8..3, 0u8..3, any::<u16>()), 4..16)) {
        let mut nodes: Vec<Node> = (1..=3).map(Node::leader).collect();
        let mut nonces = [0u32; ACCOUNTS as usize];
        let (mut committed, mut slot) = (0u64, 0u64);
        let mut commits: Vec<Commit> = Vec::new();
        let mut signed: Vec<Vec<SignedTransaction>> = Vec::new();
        let mut payments: Vec<(usize, TransactionId)> = Vec::new();
        for (builder, committer, losses) in rounds {
            slot += 1;
            if slot > 1 {
                let from = 1 + (losses % 5) as u8;
                let payment = pay(from, nonces[usize::from(from)], 1 + (from % 5), 3);
                // Everybody hears of it who can take it; the first is asked to keep it.
                if nodes[usize::from(builder)].sequencer.submit(payment.clone()).is_ok() {
                    nonces[usize::from(from)] += 1;
                    payments.push((usize::from(builder), nodes[0].sequencer.journal().id(&payment)));
                    for node in &mut nodes {
                        let _ = node.sequencer.hear(payment.clone());
                    }
                }
            }
            let blocks = nodes[usize::from(builder)].build(slot);
            for (number, node) in nodes.iter_mut().enumerate() {
                for (at, block) in blocks.iter().enumerate() {
                    if losses >> (2 + (3 * at + number) % 14) & 1 == 0 {
                        node.receive(block).unwrap();
                    }
                }
            }
            // L1 takes the next batch of one of them.
            let chosen = &mut nodes[usize::from(committer)];
            if chosen.sequencer.last() == committed {
                chosen.sequencer.close_before(slot + 1).unwrap();
            }
            if chosen.sequencer.last() > committed {
                committed += 1;
                let commit = chosen.commit(committed);
                let given = chosen.sequencer.journal().sealed(committed).unwrap().unwrap().transactions().to_vec();
                let withheld = losses >> 15 == 1;
                for node in &mut nodes {
                    if !node.sequencer.has_commit(committed, &commit.digest, &commit.head).unwrap() {
                        let (given, grounds) = match withheld {
                            true => (Vec::new(), Grounds::Patience),
                            false => (given.clone(), Grounds::Signatures),
                        };
                        prop_assert_eq!(node.sequencer.adopt(&commit, given, grounds).unwrap(), Adopted::Done);
                    }
                    node.look();
                }
                commits.push(commit);
                signed.push(given);
            }
            if losses >> 14 & 1 == 1 {
                reveal(&mut nodes, &signed);
            }
            for node in &mut nodes {
                node.sequencer.reached(committed, 0).unwrap();
                prop_assert_eq!(node.sequencer.unverified(), node.sequencer.unsigned(0).unwrap());
            }
        }
        reveal(&mut nodes, &signed);
        for node in &mut nodes {
            node.sequencer.reached(committed, 0).unwrap();
            node.sequencer.tick().unwrap();
            prop_assert_eq!(node.sequencer.unverified(), None);
        }
        for (builder, id) in &payments {
            let place = nodes[*builder].place(id);
            prop_assert!(place.is_some() && !matches!(place, Some(Place::Refused(_))), "{:?}", place);
        }
        for node in &nodes {
            for commit in &commits {
                prop_assert_eq!(&node.commit(commit.number), commit);
            }
            let total: u64 = (0..u32::from(ACCOUNTS)).filter_map(|index| node.sequencer.soft_account(index)).map(|(account, _)| account.balance).sum();
            // Fees of the open batch are not credited before it is sealed.
            prop_assert!(total == 0 || total + 64 >= DEPOSIT * u64::from(ACCOUNTS) && total <= DEPOSIT * u64::from(ACCOUNTS));
            let mut seen = std::collections::HashSet::new();
            for number in 1..=committed {
                let sealed = node.sequencer.journal().sealed(number).unwrap().unwrap();
                for id in node.sequencer.journal().ids(&sealed) {
                    prop_assert!(seen.insert(id.0), "executed twice");
                }
            }
        }
    }
}

// BYTES
// ================================================================================================================

#[test]
fn one_block_has_one_encoding() {
    let (_, blocks) = begun();
    for block in &blocks {
        let bytes = block.to_bytes();
        let read = Block::from_bytes(&bytes).unwrap();
        assert_eq!(read.to_bytes(), bytes);
        assert_eq!((read.header(), read.opening), (block.header(), block.opening));
        for length in 0..bytes.len() {
            assert!(Block::from_bytes(&bytes[..length]).is_err(), "{length}");
        }
        for at in 0..bytes.len() {
            for bit in [1, 0x80] {
                let mut changed = bytes.clone();
                changed[at] ^= bit;
                if let Ok(read) = Block::from_bytes(&changed) {
                    assert_eq!(read.to_bytes(), changed, "byte {at}");
                }
            }
        }
        let longer = [bytes.clone(), vec![0]].concat();
        assert_eq!(Block::from_bytes(&longer).unwrap_err(), BlockError::Trailing(1));
    }
    let empty = Block {
        transactions: Vec::new(),
        ..blocks[1].clone()
    };
    assert_eq!(Block::from_bytes(&empty.to_bytes()).unwrap_err(), BlockError::Empty);
    assert_eq!(Block::from_bytes(&[9]).unwrap_err(), BlockError::Version(9));
}

#[test]
fn evidence_has_one_encoding_and_one_signer() {
    let (_, blocks) = begun();
    let one = blocks[1].signed;
    let other = signed(&blocks[1], |header| header.state[0] ^= 1).signed;
    let evidence = Evidence::new(one, other).unwrap();
    assert_eq!(Evidence::new(other, one).unwrap(), evidence);
    assert_eq!(evidence.guilty(&ROLLUP).unwrap(), leader_key(1).address());
    let bytes = evidence.to_bytes();
    assert_eq!(Evidence::from_bytes(&bytes).unwrap(), evidence);
    let swapped = [
        &bytes[..1],
        &bytes[1 + SignedHeader::BYTES..],
        &bytes[1..1 + SignedHeader::BYTES],
    ]
    .concat();
    assert_eq!(Evidence::from_bytes(&swapped).unwrap_err(), GossipError::Order);
    for length in 0..bytes.len() {
        assert!(Evidence::from_bytes(&bytes[..length]).is_err());
    }
    assert_eq!(Evidence::new(one, one).unwrap_err(), GossipError::NoContradiction);
    assert_eq!(
        Evidence::new(one, blocks[2].signed).unwrap_err(),
        GossipError::NoContradiction
    );
    let mut header = *blocks[1].header();
    header.state[0] ^= 1;
    let stranger = header.sign(&ROLLUP, &leader_key(2)).unwrap();
    let framed = Evidence::new(one, stranger).unwrap();
    assert_eq!(framed.guilty(&ROLLUP).unwrap_err(), GossipError::Signers);
}

/// What L1 is shown of a commit that contradicts a signed header: from the place on, or the last header if there is no such place.
#[test]
fn a_commit_is_held_against_what_was_signed() {
    let (mut leader, blocks) = begun();
    leader.sequencer.close_before(6).unwrap();
    let sealed = leader.sequencer.journal().sealed(1).unwrap().unwrap();
    let committed = sealed.headers([0; 32]).unwrap();
    for block in &blocks {
        assert_eq!(contradiction(block.header(), &committed), None);
    }
    let other = signed(&blocks[1], |header| header.state[0] ^= 1);
    assert_eq!(contradiction(other.header(), &committed), Some(committed[1..].to_vec()));
    let beyond = signed(&blocks[2], |header| header.index = 3);
    assert_eq!(
        contradiction(beyond.header(), &committed),
        Some(committed[2..].to_vec())
    );
    // What was seen is found again by slot, batch and signer, and the first header of a place stays.
    let journal = leader.sequencer.journal();
    let signer = leader_key(1).address();
    assert_eq!(journal.see_header(&blocks[1].signed, signer).unwrap(), None);
    assert_eq!(journal.see_header(&blocks[1].signed, signer).unwrap(), None);
    assert_eq!(
        journal.see_header(&other.signed, signer).unwrap(),
        Some(blocks[1].signed)
    );
    assert_eq!(journal.headers_seen(5, 1, signer).unwrap(), [blocks[1].signed]);
    assert_eq!(journal.headers_seen(5, 1, leader_key(2).address()).unwrap(), []);
    assert_eq!(journal.headers_seen(5, 2, signer).unwrap(), []);
    journal.forget_headers(5).unwrap();
    assert_eq!(journal.headers_seen(5, 1, signer).unwrap().len(), 1);
    journal.forget_headers(6).unwrap();
    assert_eq!(journal.headers_seen(5, 1, signer).unwrap(), []);
}

#[test]
fn announcements_have_one_encoding() {
    let (leader, _) = begun();
    let root = leader.sequencer.state().root();
    let notice = ProofNotice {
        first: 3,
        last: 9,
        root,
    };
    let bytes = notice.to_bytes();
    assert_eq!(ProofNotice::from_bytes(&bytes).unwrap(), notice);
    for length in 0..bytes.len() {
        assert!(ProofNotice::from_bytes(&bytes[..length]).is_err());
    }
    let run = |first: u64, last: u64| ProofNotice { first, last, root }.to_bytes();
    for (first, last) in [(0, 3), (4, 3)] {
        assert_eq!(
            ProofNotice::from_bytes(&run(first, last)).unwrap_err(),
            GossipError::Run { first, last }
        );
    }
    let mut wild = bytes.clone();
    wild[17..25].fill(0xff);
    assert_eq!(ProofNotice::from_bytes(&wild).unwrap_err(), GossipError::Root);
}

#[test]
fn batches_from_peers_have_one_encoding() {
    let (mut leader, _) = begun();
    leader.sequencer.close_before(6).unwrap();
    let sealed = leader.sequencer.journal().sealed(1).unwrap().unwrap();
    let bytes = BatchBody::of(&sealed);
    let read = BatchBody::from_bytes(&bytes).unwrap();
    assert_eq!(
        (read.slot, &read.blocks, &read.data),
        (sealed.slot, &sealed.blocks, &sealed.data())
    );
    assert_eq!(read.batch.unwrap().to_bytes(), sealed.batch().unwrap().to_bytes());
    for length in 0..bytes.len() {
        assert!(BatchBody::from_bytes(&bytes[..length]).is_err(), "{length}");
    }
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 0x11;
        let _ = BatchBody::from_bytes(&changed);
    }
}
