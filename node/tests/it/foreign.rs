//! A node driven from a libp2p that is not ours: js-libp2p, with our formats written anew from the page (`p2p/tests/js`).

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use starling_node::l1::deploy::Parameters;
use starling_node::rpc::Stage;
use starling_rollup::chain::word_bytes;
use starling_rollup::envelope::TransactionId;
use starling_rollup::kernel;
use starling_rollup::transaction::{Operation, SignedTransaction, Transaction};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::cluster::{Cluster, Node};

const PATIENCE: Duration = Duration::from_secs(60);

/// Ends when it is dropped.
struct Js {
    _child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../p2p/tests/js")
}

impl Js {
    async fn start(cluster: &Cluster, address: &str) -> Self {
        assert!(
            folder().join("node_modules/libp2p/package.json").exists(),
            "js-libp2p is not installed: `make p2p-js`, or `npm install --no-save` in p2p/tests/js"
        );
        let rollup = cluster.rollup();
        let mut child = Command::new("node")
            .current_dir(folder())
            .arg("peer.mjs")
            .arg(address)
            .arg(rollup.chain_id.to_string())
            .arg(rollup.contract.to_string())
            .arg(hex(&word_bytes(&kernel::program().hash())))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node runs");
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut js = Self {
            _child: child,
            input,
            output,
        };
        js.hear("ready").await;
        js
    }

    /// A peer of a node, once the users have their accounts there.
    async fn beside(cluster: &Cluster, node: &Node) -> Self {
        cluster
            .until("the accounts are open", &[node], async || {
                cluster.user(node, 1).account().await.is_ok() && cluster.user(node, 2).account().await.is_ok()
            })
            .await;
        Self::start(cluster, &node.peers[0]).await
    }

    /// The next event of a kind.
    async fn hear(&mut self, event: &str) -> Value {
        loop {
            let line = timeout(PATIENCE, self.output.next_line()).await;
            let line = line.expect("it says nothing").unwrap().expect("it has ended");
            let said: Value = serde_json::from_str(&line).unwrap();
            if said["event"] == event {
                return said;
            }
        }
    }

    /// Publishes a transaction.
    async fn publish(&mut self, signed: &SignedTransaction) {
        let order = json!({ "topic": 0, "data": hex(&signed.to_bytes()) });
        self.input.write_all(format!("{order}\n").as_bytes()).await.unwrap();
        self.hear("published").await;
    }
}

/// From user 1 to user 2. Users have the indices in which they deposited.
fn payment(cluster: &Cluster, nonce: u32, amount: u64) -> Transaction {
    Transaction {
        from: 1,
        nonce,
        fee: 1,
        operation: Operation::Transfer {
            to: 2,
            address: cluster.address(2),
            amount,
        },
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_from_js_libp2p_is_proven_and_forged_ones_cost_the_peer_its_place() {
    let cluster = Cluster::new(1, &Parameters::devnet()).await;
    let node = cluster.node("operator-0", "operator", Some(0), &[]);
    let mut js = Js::beside(&cluster, &node).await;
    let word = cluster.rollup().word();
    let transaction = |nonce, amount| payment(&cluster, nonce, amount);
    let valid = transaction(0, 1_234).sign(&word, &cluster.keys[1], cluster.owner);
    js.publish(&valid).await;
    let id = TransactionId::new(&valid.transaction, &word).to_string();
    cluster
        .until("the transaction is proven", &[&node], async || {
            node.stage(&id).await == Stage::Proven
        })
        .await;
    // The leader's blocks came to js as well.
    while js.hear("message").await["topic"] != 1 {}
    // Of what comes too early as much waits as its sender could have in the pool; what is further ahead is not kept.
    let ahead = |nonce| transaction(nonce, 1).sign(&word, &cluster.keys[1], cluster.owner);
    let known = async |nonce| {
        let id = TransactionId::new(&ahead(nonce).transaction, &word);
        node.stage(&id.to_string()).await
    };
    for nonce in [90, 65].into_iter().chain(1..=64) {
        js.publish(&ahead(nonce)).await;
    }
    cluster
        .until("what waited for the others is proven", &[&node], async || {
            known(65).await == Stage::Proven
        })
        .await;
    assert_eq!(known(90).await, Stage::Unknown);
    // Another's signature under it: refused, and the peer that keeps sending such things is disconnected.
    for amount in 0..8u64 {
        let mut forged = transaction(66, amount).sign(&word, &cluster.keys[1], cluster.owner);
        forged.signature = transaction(66, amount + 100)
            .sign(&word, &cluster.keys[1], cluster.owner)
            .signature;
        let order = json!({ "topic": 0, "data": hex(&forged.to_bytes()) });
        let sent = js.input.write_all(format!("{order}\n").as_bytes()).await;
        if sent.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    js.hear("disconnected").await;
    let status = node.status().await;
    assert_eq!((status.peers, status.waiting), (Some(0), 0));
}

/// A sender may have two transactions in the pool. What comes to it beyond those is passed on once, and taken when a block has made room.
#[tokio::test(flavor = "multi_thread")]
async fn what_finds_no_room_waits_for_the_block_that_makes_some() {
    let cluster = Cluster::new(1, &Parameters::devnet()).await;
    let few = [
        ("[prover]\n", "[mempool]\nper_sender = 2\n[prover]\n"),
        ("block_ms = 300", "block_ms = 3000"),
    ];
    let node = cluster.node_with("operator-0", "operator", Some(0), &[], &few);
    let mut js = Js::beside(&cluster, &node).await;
    let word = cluster.rollup().word();
    let all: Vec<SignedTransaction> = (0..7)
        .map(|nonce| payment(&cluster, nonce, 5).sign(&word, &cluster.keys[1], cluster.owner))
        .collect();
    for signed in &all {
        js.publish(signed).await;
    }
    let ids = all
        .iter()
        .map(|signed| TransactionId::new(&signed.transaction, &word).to_string());
    let ids: Vec<String> = ids.collect();
    assert_eq!(node.stage(&ids[6]).await, Stage::Unknown, "there was room for all");
    for id in &ids {
        cluster
            .until("each is in a block", &[&node], async || {
                node.stage(id).await >= Stage::Soft
            })
            .await;
    }
}
