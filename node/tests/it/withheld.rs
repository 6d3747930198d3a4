//! A validator that commits valid batches and shows their signatures to nobody: it proves them itself, as late as it likes. The chain goes
//! on, nobody vouches for what nobody can check, and no honest validator pays for it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use starling_node::l1::L1;
use starling_node::l1::deploy::Parameters;
use starling_node::l1::rollup::Event;
use starling_node::l1::staking::Staking;
use starling_node::light::{self, LightError};
use starling_node::rpc::{ApiClient, Stage};
use starling_node::store::{Scan, Store, StoreError, Table, WriteBatch};
use starling_p2p::request::StateAt;

use crate::cluster::{Cluster, DEPOSIT, Node};
use crate::history::History;
use crate::l1::tell;
use crate::sync::{PROVES_NOTHING, agree};

/// The user who pays; the withholder's transfers are of others.
const PAYER: usize = 3;

/// A rollup whose first validator withholds, without a network, with a proven batch behind it; the others are honest.
struct Scene<'a> {
    cluster: &'a Cluster,
    withholder: History<'a>,
    honest: Vec<Node>,
    full: Node,
}

impl<'a> Scene<'a> {
    async fn new(cluster: &'a Cluster, honest: usize) -> Self {
        let mut withholder = History::begin(cluster, "withholder").await;
        withholder.prove().await;
        withholder.at_pace().await;
        let first = cluster.node("honest-1", "operator", Some(1), &[]);
        let peers = first.peers.clone();
        let mut all = vec![first];
        all.extend((2..=honest).map(|key| cluster.node(&format!("honest-{key}"), "operator", Some(key), &peers)));
        let full = cluster.node("full", "full", None, &peers);
        let scene = Self {
            cluster,
            withholder,
            honest: all,
            full,
        };
        agree(cluster, &scene.nodes()).await;
        scene
    }

    fn nodes(&self) -> Vec<&Node> {
        self.honest.iter().chain([&self.full]).collect()
    }

    async fn until(&self, what: &str, holds: impl AsyncFnMut() -> bool) {
        self.cluster.until(what, &self.nodes(), holds).await;
    }

    /// The withholder commits a batch, and all take it over; its number.
    async fn withhold(&mut self, first: u64) -> u64 {
        self.withholder.commit(1).await;
        let number = self.withholder.progress().await.committed;
        self.until("all have it, and vouch for nothing", async || {
            let mut have = true;
            for node in self.nodes() {
                let status = node.status().await;
                have &= status.sealed >= number && status.unverified == Some(first);
            }
            have
        })
        .await;
        number
    }

    /// A payment is built and committed behind batch `number`.
    async fn pay_behind(&self, number: u64) -> String {
        let id = self.cluster.transfer(&self.full, PAYER, 2, 7).await;
        self.until("a payment is committed behind it", async || {
            let stage = self.full.stage(&id).await;
            assert!(
                stage <= Stage::Unverified,
                "{stage:?} behind a batch that nobody can check"
            );
            stage == Stage::Unverified && self.cluster.contract().progress().await.unwrap().committed > number
        })
        .await;
        id
    }

    /// Both, one after the other; the withholder follows.
    async fn round(&mut self, first: u64) -> String {
        let number = self.withhold(first).await;
        let id = self.pay_behind(number).await;
        self.withholder.catch_up(number + 1).await;
        id
    }

    /// Until so many batches are proven.
    async fn proven(&self, number: u64) {
        self.until("batches are proven", async || {
            self.withholder.progress().await.proven >= number
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_withholds_signatures_and_proves_late_holds_nobody() {
    // Honest validators have their bonds from their own proofs alone, or from nobody's.
    let parameters = Parameters {
        exclusive_window: 600,
        ..Parameters::patient()
    };
    let cluster = Cluster::new(3, &parameters).await;
    let mut scene = Scene::new(&cluster, 2).await;
    // The second batch comes before the first is proven: with each such pair the chain would stand still for as long as it likes.
    let mut paid = vec![scene.round(2).await, scene.round(2).await];
    scene
        .until("what is behind it is proven ahead, and all know", async || {
            let mut all = true;
            for node in scene.nodes() {
                let kept = node.rpc.proofs(2).await.unwrap();
                let kept: Vec<(u64, u64, bool)> = kept
                    .iter()
                    .map(|proof| (proof.first, proof.last, proof.settled))
                    .collect();
                all &= kept == [(3, 3, false), (5, 5, false)];
            }
            all
        })
        .await;
    assert_eq!(scene.withholder.progress().await.proven, 1);
    // A light node is told of nothing that nobody can vouch for, and bans nobody for it.
    let light = cluster.light(&scene.nodes()).await;
    let proven = light.account(1, StateAt::Proven).await.unwrap();
    assert_eq!((proven.checked.stage, proven.checked.batch), (light::Stage::Proven, 1));
    for at in [StateAt::Committed, StateAt::Soft] {
        let answer = light.account(1, at).await;
        assert!(matches!(answer, Err(LightError::NoPeer { .. })), "{answer:?}");
    }
    assert_eq!(light.status().await.unwrap().banned, 0);
    scene.withholder.prove_next().await;
    scene.proven(3).await;
    scene
        .until("a payment is proven, and the rest still is its word", async || {
            let stage = scene.full.stage(&paid[0]).await;
            stage == Stage::Proven && scene.full.status().await.unverified == Some(4)
        })
        .await;
    scene.withholder.prove_next().await;
    scene.proven(5).await;
    paid.push(cluster.transfer(&scene.full, PAYER, 2, 7).await);
    scene
        .until("all is proven", async || {
            let mut proven = true;
            for id in &paid {
                proven &= scene.full.stage(id).await == Stage::Proven;
            }
            proven
        })
        .await;
    agree(&cluster, &scene.nodes()).await;
    cluster
        .until("the light node is told again", &[&scene.full], async || {
            let soft = light.account(1, StateAt::Soft).await;
            soft.is_ok_and(|answer| answer.checked.batch > 5)
        })
        .await;
    light.shutdown().await;

    // What was proven ahead was not proven again, each got its own bonds, and nobody was punished.
    let head = cluster.l1.head().await.unwrap().number;
    let contract = cluster.contract();
    let mut runs = Vec::new();
    for (_, event) in contract.events(cluster.deployment.block, head).await.unwrap() {
        match event {
            Event::Proven { first, last, .. } => runs.push((first, last)),
            Event::Pruned { first, .. } => panic!("batches from {first} on were pruned"),
            _ => {}
        }
    }
    assert_eq!(runs[..5], [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5)]);
    let logs: String = ["honest-1", "honest-2"].map(|name| cluster.log(name)).concat();
    for number in [3, 5] {
        assert_eq!(
            logs.matches(&format!("proving first={number} ")).count(),
            1,
            "batch {number}"
        );
    }
    let staking = Staking::new(&cluster.l1, cluster.deployment.staking);
    let stake = staking.constants().await.unwrap().min_stake;
    let bond = contract.constants().await.unwrap().bond;
    for key in 0..3 {
        let address = cluster.chain.key(key).unwrap().address();
        let mut committed = 0;
        for number in 1..=runs.last().unwrap().1 {
            committed += u128::from(contract.batch(number).await.unwrap().committer == address);
        }
        assert_eq!(
            contract.owed(address).await.unwrap() / bond,
            committed,
            "bonds of validator {key}"
        );
        let validator = staking.validator(address).await.unwrap().unwrap();
        assert_eq!((validator.stake, validator.jailed_until), (stake, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signatures_that_come_late_are_found_and_anyone_proves() {
    let cluster = Cluster::new(2, &Parameters::patient()).await;
    let mut scene = Scene::new(&cluster, 1).await;
    let first = scene.round(2).await;
    // L1 loses another behind: it is given up, though the first stands.
    let before = tell(&cluster.chain, "evm_snapshot", json!([])).await;
    let lost = scene.withhold(2).await;
    tell(&cluster.chain, "evm_revert", json!([before])).await;
    assert!(cluster.contract().progress().await.unwrap().committed < lost);
    let second = scene.pay_behind(lost - 1).await;
    let Scene {
        withholder,
        honest,
        full,
        ..
    } = scene;
    drop(withholder);
    // It shows what it has, and proves nothing.
    let shown = cluster.node_with("withholder", "operator", Some(0), &full.peers, &PROVES_NOTHING);
    cluster
        .until(
            "all are vouched for, and proven by another",
            &[&honest[0], &full, &shown],
            async || {
                let mut proven = full.status().await.unverified.is_none();
                for id in [&first, &second] {
                    proven &= full.stage(id).await == Stage::Proven;
                }
                proven
            },
        )
        .await;
    agree(&cluster, &[&honest[0], &full, &shown]).await;
    for name in ["honest-1", "full"] {
        assert!(cluster.log(name).contains("its signatures are here batch=2"), "{name}");
    }
}

/// A store whose disk is full when a test says so.
#[derive(Debug)]
struct Tight {
    store: Arc<dyn Store>,
    full: Arc<AtomicBool>,
}

impl Store for Tight {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.get(table, key)
    }

    fn write(&self, batch: WriteBatch) -> Result<(), StoreError> {
        if self.full.load(Ordering::Relaxed) {
            return Err(StoreError::Full {
                path: PathBuf::new(),
                free: 0,
                needed: 1,
            });
        }
        self.store.write(batch)
    }

    fn scan(&self, scan: &Scan) -> Result<Vec<(Vec<u8>, Vec<u8>)>, StoreError> {
        self.store.scan(scan)
    }
}

/// Whatever held the chain while an entry became due: nobody may commit what was sealed before it.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_lacks_an_entry_which_has_become_due_is_built_anew() {
    let cluster = Cluster::new(1, &Parameters::patient()).await;
    let full = Arc::new(AtomicBool::new(false));
    let mut operator = History::begin_on(&cluster, "operator", |store| {
        Arc::new(Tight {
            store,
            full: full.clone(),
        })
    })
    .await;
    let sealed = operator.seal_alone().await;
    let contract = cluster.contract();
    let constants = contract.constants().await.unwrap();
    let before = contract.batch(sealed - 1).await.unwrap().queue_end;
    contract
        .deposit(&cluster.address(1), DEPOSIT, constants.queue_fee)
        .await
        .unwrap();
    let later = constants.queue_window + 10;
    tell(&cluster.chain, "evm_increaseTime", json!([later])).await;
    tell(&cluster.chain, "evm_mine", json!([])).await;
    // For a while there is no room for that: the node says so, and tries again.
    full.store(true, Ordering::Relaxed);
    operator
        .run_until(async |status| status.trouble.as_ref().is_some_and(|trouble| trouble.contains("disk")))
        .await;
    full.store(false, Ordering::Relaxed);
    operator.go_on().await;
    let progress = operator.progress().await;
    assert_eq!(progress.committed, sealed);
    assert_eq!(contract.batch(sealed).await.unwrap().queue_end, before + 1);
    operator.prove().await;
    assert_eq!(operator.progress().await.proven, sealed);
}
