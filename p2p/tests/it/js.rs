//! A peer that shares no code with ours: js-libp2p, with our formats written anew from the page.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};
use starling_p2p::message::{Message, Topic, Verdict};
use starling_p2p::metrics::Fate;
use starling_p2p::{Event, PeerId};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::world::{GENESIS, Node, PATIENCE, config, forged, message, transaction, until, verdict};

/// Ends when it is dropped.
struct Js {
    _child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    id: PeerId,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/js")
}

impl Js {
    async fn start(node: &Node) -> Self {
        let installed = folder().join("node_modules/libp2p/package.json");
        assert!(
            installed.exists(),
            "js-libp2p is not installed: `make p2p-js`, or `npm install --no-save` in p2p/tests/js"
        );
        let kernel: String = GENESIS.kernel.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut child = Command::new("node")
            .current_dir(folder())
            .arg("peer.mjs")
            .arg(node.address.to_string())
            .arg(GENESIS.rollup.chain_id.to_string())
            .arg(GENESIS.rollup.contract.to_string())
            .arg(kernel)
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
            id: PeerId::random(),
        };
        let ready = js.hear("ready").await;
        js.id = ready["peer"].as_str().unwrap().parse().unwrap();
        js
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

    /// Publishes, and gives the id that it computed.
    async fn publish(&mut self, message: &Message) -> String {
        let order = json!({ "topic": message.topic() as usize, "data": hex(&message.to_bytes()) });
        self.input.write_all(format!("{order}\n").as_bytes()).await.unwrap();
        let published = self.hear("published").await;
        assert_eq!(published["recipients"], 1);
        published["id"].as_str().unwrap().to_owned()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Node {
    /// The next message, judged as a node does.
    async fn judge_as_a_node(&mut self, from: PeerId) -> (String, Message, Verdict) {
        let (id, sender, message) = self.message().await;
        assert_eq!(sender, from);
        let judged = verdict(&message);
        self.handle.report(id, judged).await.unwrap();
        (id.to_string(), message, judged)
    }
}

#[tokio::test]
async fn a_peer_on_js_libp2p_is_judged_by_what_it_sends() {
    let mut node = Node::start(config()).await;
    let mut far = Node::start(config()).await;
    far.connect(&mut node).await;
    let mut js = Js::start(&node).await;
    let info = node.joined(js.id).await;
    assert!(!info.outbound);
    assert_eq!(info.status.genesis, GENESIS);

    // A valid transaction: accepted, and forwarded to a node that js has never met.
    let valid = Message::Transaction(Box::new(transaction(1)));
    let named = js.publish(&valid).await;
    let (id, heard, judged) = node.judge_as_a_node(js.id).await;
    assert_eq!(
        (id, heard.to_bytes(), judged),
        (named, valid.to_bytes(), Verdict::Accept)
    );
    let (_, forwarded, _) = far.judge_as_a_node(node.id()).await;
    assert_eq!(forwarded.to_bytes(), valid.to_bytes());
    assert_eq!(node.score(js.id).await, 0.0);

    // A forged one: refused, not forwarded, and it costs.
    js.publish(&Message::Transaction(Box::new(forged(2)))).await;
    let (_, _, judged) = node.judge_as_a_node(js.id).await;
    assert_eq!(judged, Verdict::Reject);
    let score = node.score(js.id).await;
    assert!((-5.0..-4.0).contains(&score), "{score}");

    // One that is not even an envelope: the node never sees it, and it costs more.
    let mut long = transaction(3).to_bytes();
    long.push(0);
    let order = json!({ "topic": Topic::Transactions as usize, "data": hex(&long) });
    js.input.write_all(format!("{order}\n").as_bytes()).await.unwrap();
    let malformed = node.handle.metrics().message(Topic::Transactions, Fate::Malformed);
    until("it is refused", async || malformed.get() == 1).await;
    assert!(node.score(js.id).await < score - 10.0);

    // And the other way: what the far node publishes reaches js through ours, under the same name.
    let block = message(Topic::Blocks, 7);
    let id = far.publish(block.clone()).await.to_string();
    node.judge_as_a_node(far.id()).await;
    let heard = js.hear("message").await;
    assert_eq!(heard["id"], id);
    assert_eq!(heard["topic"], Topic::Blocks as usize);
    assert_eq!(heard["data"], hex(&block.to_bytes()));

    // More of the same ends it.
    for number in 10..20 {
        let order = json!({ "topic": 0, "data": hex(&forged(number).to_bytes()) });
        if js.input.write_all(format!("{order}\n").as_bytes()).await.is_err() {
            break;
        }
    }
    let id = js.id;
    loop {
        let event = timeout(PATIENCE, node.events.next())
            .await
            .expect("it is not disconnected");
        match event.unwrap() {
            Event::Message { id, message, .. } => {
                assert_eq!(verdict(&message), Verdict::Reject);
                let _ = node.handle.report(id, Verdict::Reject).await;
            }
            Event::Gone(gone) if gone == id => break,
            _ => {}
        }
    }
    assert_eq!(node.handle.metrics().bans.get(), 1);
    // Of all that js sent, the far node heard of the one valid transaction.
    let last = message(Topic::Blocks, 8);
    node.publish(last.clone()).await;
    let (_, _, heard) = far.message().await;
    assert_eq!(heard.to_bytes(), last.to_bytes());
}
