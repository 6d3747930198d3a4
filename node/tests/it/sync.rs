//! A node that joins late: two hundred batches while the chain moves on, and an L1 that has forgotten them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use starling_node::l1::deploy::Parameters;
use starling_node::l1::ethers::EthersL1;
use starling_node::l1::follow::Follower;
use starling_node::l1::{L1, L1Error};
use starling_node::operator::fetch::{Anchor, Fetch};
use starling_node::operator::hex_word;
use starling_node::rebuild::commits;
use starling_node::rpc::{ApiClient, Stage};
use starling_rollup::data::BatchData;
use starling_rollup::state::State;
use tokio::time::sleep;

use crate::cluster::{Cluster, Node, USERS, settings};
use crate::history::History;
use crate::light::proxy::Proxy;

/// An operator that leaves proofs to others, and closes a batch twice a second.
pub(crate) const PROVES_NOTHING: [(&str, &str); 2] = [
    ("[prover]\n", "[prover]\nenabled = false\n"),
    ("age_ms = 2000", "age_ms = 500"),
];

/// Waits until a node has all that L1 has, and L1 all that it has; the last batch, and the last proven one.
async fn level(cluster: &Cluster, nodes: &[&Node]) -> (u64, u64) {
    let (mut last, mut proven) = (0, 0);
    cluster
        .until("everybody has what L1 has", nodes, async || {
            let progress = cluster.contract().progress().await.unwrap();
            (last, proven) = (progress.committed, progress.proven);
            for node in nodes {
                let status = node.status().await;
                let its = (status.sealed, status.committed, status.proven, status.open_blocks);
                if its != (last, last, proven, 0) || status.trouble.is_some() {
                    return false;
                }
            }
            true
        })
        .await;
    (last, proven)
}

/// The state after the last batch, from L1's data alone.
async fn replayed(cluster: &Cluster, last: u64) -> State {
    let contract = cluster.contract();
    let mut follower = Follower::new(cluster.deployment.block);
    follower.look(&cluster.l1, &contract).await.unwrap();
    let commits = commits(follower.events());
    let mut state = State::default();
    for number in 1..=last {
        let words = contract.batch_words(commits[&number]).await.unwrap();
        state.replay(&BatchData::from_words(&words).unwrap()).unwrap();
    }
    state
}

/// The nodes have the same chain as L1: every batch up to the last, and every account.
pub(crate) async fn agree(cluster: &Cluster, nodes: &[&Node]) {
    let (last, proven) = level(cluster, nodes).await;
    let contract = cluster.contract();
    let state = replayed(cluster, last).await;
    for node in nodes {
        let name = &node.name;
        for number in 1..=last {
            let batch = node.rpc.batch(number).await.unwrap().unwrap();
            let on_l1 = contract.batch(number).await.unwrap();
            assert_eq!(batch.digest, hex_word(&on_l1.digest), "{name}, batch {number}");
            let expected = if number <= proven {
                Stage::Proven
            } else {
                Stage::Committed
            };
            assert_eq!(batch.stage, expected, "{name}, batch {number}");
            if let Some(root) = contract.root(number).await.unwrap() {
                assert_eq!(batch.root, hex_word(&root), "{name}, batch {number}");
            }
        }
        let status = node.status().await;
        assert_eq!(status.root, hex_word(&state.root()), "{name}");
        assert_eq!((status.committed, status.proven), (last, proven), "{name}");
        for (index, account) in state.accounts().iter().enumerate() {
            let found = node.rpc.account(index as u32).await.unwrap().unwrap();
            assert_eq!(
                (found.address, found.nonce, found.balance),
                (account.address.to_string(), account.nonce, account.balance.to_string()),
                "{name}, account {index}"
            );
        }
        assert_eq!(state.accounts().len(), USERS);
    }
}

/// A transfer by way of the newcomer is committed, and both agree.
async fn pays_through(cluster: &Cluster, operator: &Node, newcomer: &Node) {
    let id = cluster.transfer(newcomer, 1, 2, 7).await;
    cluster
        .until("a transfer by way of the newcomer", &[operator, newcomer], async || {
            newcomer.stage(&id).await == Stage::Committed
        })
        .await;
    agree(cluster, &[operator, newcomer]).await;
}

/// How often a node has taken each batch from L1, by its log.
fn taken(cluster: &Cluster, name: &str) -> BTreeMap<u64, usize> {
    let mut times = BTreeMap::new();
    for line in cluster.log(name).lines().filter(|line| line.contains("taken from L1")) {
        let fields = line.split("batch=").nth(1).unwrap();
        let number = fields.split_whitespace().next().unwrap().parse().unwrap();
        *times.entry(number).or_default() += 1;
    }
    times
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_catches_up_with_two_hundred_batches_while_the_chain_moves_on() {
    let cluster = Cluster::new(1, &Parameters::patient()).await;
    let began = Instant::now();
    let mut past = History::begin(&cluster, "operator-0").await;
    past.prove().await;
    println!("the deposits are proven after {:?}", began.elapsed());
    for _ in 0..7 {
        past.commit(1).await;
        past.prove().await;
    }
    for _ in 0..4 {
        past.commit(8).await;
        past.prove().await;
    }
    println!("{:?}", began.elapsed());
    past.commit(160).await;
    let progress = past.progress().await;
    assert_eq!((progress.committed, progress.proven), (200, 40));
    past.end().await;
    println!("200 batches, 40 of them proven, in {:?}", began.elapsed());

    let operator = cluster.node_with("operator-0", "operator", Some(0), &[], &PROVES_NOTHING);
    let ids = RefCell::new(Vec::new());
    let traffic = async {
        loop {
            let user = ids.borrow().len() % USERS;
            let id = cluster.transfer(&operator, user, (user + 1) % USERS, 5).await;
            ids.borrow_mut().push(id);
            sleep(Duration::from_millis(400)).await;
        }
    };
    let joins = async {
        cluster
            .until("the chain moves on", &[&operator], async || {
                cluster.contract().progress().await.unwrap().committed > 200
            })
            .await;
        let began = Instant::now();
        let newcomer = cluster.node("newcomer", "full", None, &operator.peers);
        let mut reached = 0;
        cluster
            .until("the newcomer is in the middle", &[&operator, &newcomer], async || {
                reached = newcomer.status().await.sealed;
                reached >= 60
            })
            .await;
        assert!(reached < 200, "it was through before it was looked at");
        // As a power cut would.
        drop(newcomer);
        let newcomer = cluster.node("newcomer", "full", None, &[]);
        let last = newcomer.rpc.batch(reached).await.unwrap();
        assert!(last.is_some(), "batch {reached} is lost");
        let mut on_l1 = 0;
        cluster
            .until("the newcomer has what L1 has", &[&operator, &newcomer], async || {
                on_l1 = cluster.contract().progress().await.unwrap().committed;
                newcomer.status().await.committed == on_l1
            })
            .await;
        println!(
            "{on_l1} batches in {:?}, with a restart after {reached}",
            began.elapsed()
        );
        let times = taken(&cluster, "newcomer");
        for number in 1..=reached {
            assert_eq!(
                times.get(&number),
                Some(&1),
                "batch {number}, of {reached} before the restart"
            );
        }
        assert!(on_l1 > 201);
        // In step, while the chain goes on.
        for _ in 0..4 {
            let before = cluster.contract().progress().await.unwrap().committed;
            cluster
                .until("a batch more", &[&operator, &newcomer], async || {
                    newcomer.status().await.committed > before
                })
                .await;
        }
        newcomer
    };
    let newcomer = tokio::select! {
        () = traffic => unreachable!("it goes on"),
        newcomer = joins => newcomer,
    };
    agree(&cluster, &[&operator, &newcomer]).await;
    for id in ids.into_inner() {
        assert_eq!(newcomer.stage(&id).await, Stage::Committed);
    }
    // And its own users are served.
    pays_through(&cluster, &operator, &newcomer).await;
}

/// An endpoint that has pruned the transactions of all blocks up to one: of those in even blocks it says that there is none, of the others
/// that they are pruned. The number of times that it did.
pub(crate) fn forgetful(cluster: &Cluster, forgotten: u64) -> (Proxy, Arc<AtomicUsize>) {
    let times = Arc::<AtomicUsize>::default();
    let (count, forgotten) = (times.clone(), AtomicU64::new(forgotten));
    let proxy = Proxy::start(cluster.chain.url(), move |request, answer| {
        let asked: Value = serde_json::from_str(request).unwrap();
        let said: Value = serde_json::from_str(&answer).unwrap();
        let block = said["result"]["blockNumber"].as_str().unwrap_or("0x7fffffff");
        let block = u64::from_str_radix(&block[2..], 16).unwrap();
        if asked["method"] != "eth_getTransactionByHash" || block > forgotten.load(Ordering::Relaxed) {
            return answer;
        }
        count.fetch_add(1, Ordering::Relaxed);
        let said = match block % 2 {
            0 => json!({ "jsonrpc": "2.0", "id": asked["id"], "result": null }),
            _ => {
                let error = json!({ "code": 4444, "message": "pruned history unavailable" });
                json!({ "jsonrpc": "2.0", "id": asked["id"], "error": error })
            }
        };
        said.to_string()
    });
    (proxy, times)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_l1_has_forgotten_comes_from_a_peer() {
    let cluster = Cluster::new(1, &Parameters::patient()).await;
    let mut past = History::begin(&cluster, "operator-0").await;
    past.prove().await;
    past.commit(2).await;
    past.prove().await;
    past.commit(4).await;
    past.end().await;
    let head = cluster.l1.head().await.unwrap().number;
    let (l1, forgotten) = forgetful(&cluster, head);
    let through = [(cluster.chain.url(), l1.url())];

    // Alone it says what it lacks and what to do, and believes nothing.
    let alone = cluster.node_with("newcomer", "full", None, &[], &through);
    let mut trouble = String::new();
    cluster
        .until("the newcomer says what it lacks", &[&alone], async || {
            trouble = alone.status().await.trouble.unwrap_or_default();
            trouble.contains("the data of batch 1 is missing")
        })
        .await;
    for needed in [
        "in no block there",
        "no peer could be asked",
        "`p2p.bootstrap`",
        "`l1.url`",
    ] {
        assert!(trouble.contains(needed), "{needed}: {trouble}");
    }
    assert_eq!(alone.status().await.sealed, 0);
    drop(alone);
    std::fs::remove_file(cluster.home("newcomer").join("starling.toml")).unwrap();

    let operator = cluster.node_with("operator-0", "operator", Some(0), &[], &PROVES_NOTHING);
    let before = forgotten.load(Ordering::Relaxed);
    let newcomer = cluster.node_with("newcomer", "full", None, &operator.peers, &through);
    let (last, _) = level(&cluster, &[&operator, &newcomer]).await;
    assert_eq!(last, 7);
    let all: BTreeMap<u64, usize> = (1..=7).map(|number| (number, 1)).collect();
    assert_eq!(taken(&cluster, "newcomer"), all);
    let asked = forgotten.load(Ordering::Relaxed) - before;
    assert!(asked >= 7, "L1 is asked first: {asked}");
    agree(&cluster, &[&operator, &newcomer]).await;
    // What L1 has not forgotten comes as before.
    pays_through(&cluster, &operator, &newcomer).await;

    // An L1 that is silent is not one that has forgotten.
    let mut follower = Follower::new(cluster.deployment.block);
    follower.look(&cluster.l1, &cluster.contract()).await.unwrap();
    let client: Arc<dyn L1> = Arc::new(EthersL1::connect(l1.url(), None, None, settings()).await.unwrap());
    let anchor = Anchor {
        number: 2,
        parent_digest: cluster.contract().batch(1).await.unwrap().digest,
        parent_head: cluster.contract().batch(1).await.unwrap().head,
        digest: cluster.contract().batch(2).await.unwrap().digest,
        head: cluster.contract().batch(2).await.unwrap().head,
    };
    let transaction = commits(follower.events())[&2];
    let mut fetch = Fetch::new(cluster.rollup(), None);
    let found = fetch.batch(&client, &anchor, transaction, true).await.unwrap();
    assert!(found.is_err_and(|missing| missing.contains("batch 2 is missing")));
    l1.tell_the_truth(true);
    let found = fetch.batch(&client, &anchor, transaction, true).await.unwrap().unwrap();
    assert_eq!(
        anchor.commit(cluster.contract().commit_sent(transaction).await.unwrap()),
        found.commit
    );
    l1.silence(true);
    let found = fetch.batch(&client, &anchor, transaction, true).await;
    assert!(matches!(found, Err(L1Error::Unreachable { .. })), "{found:?}");
    cluster
        .until("the newcomer says that L1 is silent", &[&newcomer], async || {
            let trouble = newcomer.status().await.trouble.unwrap_or_default();
            trouble.contains("does not answer")
        })
        .await;
    l1.silence(false);
    agree(&cluster, &[&operator, &newcomer]).await;
}
