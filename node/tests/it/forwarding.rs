//! What a node passes on: nothing that it has not executed, and what came before its time when that has come.

use starling_node::block::{Block, Opening};
use starling_node::l1::L1;
use starling_node::l1::deploy::Parameters;
use starling_node::l1::staking::Staking;
use starling_p2p::message::Message;
use starling_rollup::transaction::{Operation, SignedTransaction, Transaction};

use crate::cluster::{Cluster, Node};
use crate::history::History;
use crate::strangers::Stranger;

/// A node between two peers that do not know each other.
struct Between<'a> {
    cluster: &'a Cluster,
    node: Node,
    sends: Stranger,
    hears: Stranger,
    /// The next nonce of the user whose transactions say that what was sent before them has been judged.
    fence: u32,
}

impl<'a> Between<'a> {
    async fn start(cluster: &'a Cluster) -> Self {
        let (sends, hears) = (
            Stranger::start(cluster, false).await,
            Stranger::start(cluster, false).await,
        );
        let peers = [sends.address.clone(), hears.address.clone()];
        // What waits may wait for as long as a slow machine takes.
        let long = "[p2p.gossip]\nhistory = 200\nverdict_ms = 120000\n[p2p.discovery]";
        let node = cluster.node_with("between", "full", None, &peers, &[("[p2p.discovery]", long)]);
        let mut between = Self {
            cluster,
            node,
            sends,
            hears,
            fence: 0,
        };
        cluster
            .until("the accounts are there", &[&between.node], async || {
                between.node.status().await.accounts > 3
            })
            .await;
        between.judged().await;
        between
    }

    async fn send(&self, message: Message) {
        self.cluster
            .until("it is sent", &[&self.node], async || {
                self.sends.handle.publish(message.clone()).await.is_ok()
            })
            .await;
    }

    async fn heard(&self, what: &str, message: &Message) {
        self.cluster
            .until(what, &[&self.node], async || self.hears.heard(message))
            .await;
    }

    fn transfer(&self, from: usize, nonce: u32, amount: u64) -> SignedTransaction {
        let operation = Operation::Transfer {
            to: 0,
            address: self.cluster.address(0),
            amount,
        };
        let transaction = Transaction {
            from: from as u32,
            nonce,
            fee: 1,
            operation,
        };
        let word = self.cluster.rollup().word();
        transaction.sign(&word, &self.cluster.keys[from], self.cluster.owner)
    }

    /// Waits until everything that was sent is judged: four messages are at once.
    async fn judged(&mut self) {
        for _ in 0..8 {
            let message = Message::Transaction(Box::new(self.transfer(3, self.fence, 1)));
            self.fence += 1;
            self.send(message.clone()).await;
            self.heard("what comes later is passed on", &message).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_is_passed_on_when_its_nonce_has_come() {
    let cluster = Cluster::new(1, &Parameters::patient()).await;
    let history = History::begin(&cluster, "author").await;
    history.at_pace().await;
    let mut between = Between::start(&cluster).await;
    // Of two with one nonce one may wait; and whatever an account cannot pay does not.
    let ahead = [5, 6].map(|amount| Message::Transaction(Box::new(between.transfer(1, 1, amount))));
    let again = match &ahead[0] {
        Message::Transaction(signed) => Message::Again(signed.clone(), std::num::NonZeroU8::MIN),
        _ => unreachable!("it is one"),
    };
    let dear = Message::Transaction(Box::new(between.transfer(2, 1, 1 << 50)));
    for message in ahead.iter().chain([&again, &dear]) {
        between.send(message.clone()).await;
    }
    between.judged().await;
    let of = |messages: &[Message]| messages.iter().filter(|message| between.hears.heard(message)).count();
    assert_eq!(
        of(&ahead) + of(&[again.clone(), dear.clone()]),
        0,
        "nobody pays for these"
    );
    for user in [1, 2] {
        let before = Message::Transaction(Box::new(between.transfer(user, 0, 1)));
        between.send(before.clone()).await;
        between.heard("what was missing is passed on", &before).await;
    }
    cluster
        .until("its turn has come", &[&between.node], async || of(&ahead) > 0)
        .await;
    between.judged().await;
    let of = |messages: &[Message]| messages.iter().filter(|message| between.hears.heard(message)).count();
    assert_eq!(of(&ahead) + of(&[again, dear]), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_is_passed_on_when_it_was_executed() {
    let cluster = Cluster::new(1, &Parameters::patient()).await;
    let mut author = History::begin(&cluster, "author").await;
    author.at_pace().await;
    let mut between = Between::start(&cluster).await;
    let staking = Staking::new(&cluster.l1, cluster.deployment.staking);
    let clock = staking.constants().await.unwrap().clock;
    let mut sealed = Vec::new();
    for _ in 0..2 {
        let number = author.seal_alone().await;
        let (batch, parent) = author.sealed(number).await;
        sealed.push((batch.headers(parent).unwrap()[0], batch));
    }
    // Both blocks as the builder of this slot makes them.
    let slot = clock.slot_at(cluster.l1.head().await.unwrap().timestamp);
    let mut parent = sealed[0].0.parent;
    let blocks: Vec<Message> = sealed
        .iter_mut()
        .map(|(header, batch)| {
            (header.slot, header.parent) = (slot, parent);
            parent = header.hash();
            let key = cluster.chain.key(0).unwrap();
            let block = Block {
                signed: header.sign(&cluster.rollup(), &key).unwrap(),
                opening: Some(Opening {
                    entries: 0,
                    fee_account: batch.data().fee_account,
                }),
                transactions: batch.transactions().to_vec(),
            };
            Message::Block(block.to_bytes())
        })
        .collect();
    // Somebody else was faster, with other bodies under the builder's headers.
    let entries = false_body(&blocks[0], |block| block.opening.as_mut().unwrap().entries += 1);
    let transactions = false_body(&blocks[1], |block| block.transactions = vec![between.transfer(2, 0, 9)]);
    between.send(transactions.clone()).await;
    between.send(entries.clone()).await;
    between.judged().await;
    between.send(blocks[1].clone()).await;
    between.judged().await;
    let waits = [&transactions, &entries, &blocks[1]];
    assert!(
        !waits.iter().any(|block| between.hears.heard(block)),
        "entry and parent are not here"
    );
    between.send(blocks[0].clone()).await;
    for block in &blocks {
        between.heard("both are executed", block).await;
    }
    between.judged().await;
    assert!(![&transactions, &entries].iter().any(|block| between.hears.heard(block)));
}

/// Another body under the header of a block.
fn false_body(message: &Message, change: impl FnOnce(&mut Block)) -> Message {
    let Message::Block(bytes) = message else {
        unreachable!("it is a block");
    };
    let mut block = Block::from_bytes(bytes).unwrap();
    change(&mut block);
    Message::Block(block.to_bytes())
}
