//! A validator that commits valid batches and shows their signatures to nobody: it proves them itself, as late as it likes. The chain goes
//! on, nobody vouches for what nobody can check, and no honest validator pays for it.

use starling_node::l1::L1;
use starling_node::l1::deploy::Parameters;
use starling_node::l1::rollup::Event;
use starling_node::l1::staking::Staking;
use starling_node::light::{self, LightError};
use starling_node::rpc::{ApiClient, Stage};
use starling_p2p::request::StateAt;

use crate::cluster::{Cluster, Node};
use crate::history::History;
use crate::sync::{PROVES_NOTHING, agree};

/// The user who pays; the withholder's transfers are of others.
const PAYER: usize = 3;

/// A rollup with two validators: one that withholds, without a network, with a proven batch behind it, and an honest one.
struct Scene<'a> {
    cluster: &'a Cluster,
    withholder: History<'a>,
    honest: Node,
    full: Node,
}

impl<'a> Scene<'a> {
    async fn new(cluster: &'a Cluster) -> Self {
        let mut withholder = History::begin(cluster, "withholder").await;
        withholder.prove().await;
        withholder.at_pace().await;
        let honest = cluster.node("honest", "operator", Some(1), &[]);
        let full = cluster.node("full", "full", None, &honest.peers);
        agree(cluster, &[&honest, &full]).await;
        Self {
            cluster,
            withholder,
            honest,
            full,
        }
    }

    async fn until(&self, what: &str, holds: impl AsyncFnMut() -> bool) {
        self.cluster.until(what, &[&self.honest, &self.full], holds).await;
    }

    /// The withholder commits a batch, the honest one takes it over, and builds and commits a payment behind it.
    async fn round(&mut self, first: u64) -> String {
        self.withholder.commit(1).await;
        let number = self.withholder.progress().await.committed;
        self.until("both have it, and vouch for nothing", async || {
            let mut have = true;
            for node in [&self.honest, &self.full] {
                let status = node.status().await;
                have &= status.sealed >= number && status.unverified == Some(first);
            }
            have
        })
        .await;
        let id = self.cluster.transfer(&self.full, PAYER, 2, 7).await;
        self.until("a payment is committed behind it", async || {
            let stage = self.full.stage(&id).await;
            assert!(
                stage <= Stage::Unverified,
                "{stage:?} behind a batch that nobody can check"
            );
            stage == Stage::Unverified && self.withholder.progress().await.committed > number
        })
        .await;
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
    let cluster = Cluster::new(2, &Parameters::patient()).await;
    let mut scene = Scene::new(&cluster).await;
    // The second batch comes before the first is proven: with each such pair the chain would stand still for as long as it likes.
    let mut paid = vec![scene.round(2).await, scene.round(2).await];
    scene
        .until("what is behind it is proven ahead, and all know", async || {
            let mut all = true;
            for node in [&scene.honest, &scene.full] {
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
    let light = cluster.light(&[&scene.honest, &scene.full]).await;
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
    agree(&cluster, &[&scene.honest, &scene.full]).await;
    cluster
        .until("the light node is told again", &[&scene.full], async || {
            let soft = light.account(1, StateAt::Soft).await;
            soft.is_ok_and(|answer| answer.checked.batch > 5)
        })
        .await;
    light.shutdown().await;

    // What was proven ahead was not proven again, and nobody was punished.
    let head = cluster.l1.head().await.unwrap().number;
    let events = cluster.contract().events(cluster.deployment.block, head).await.unwrap();
    let runs: Vec<(u64, u64)> = events
        .iter()
        .filter_map(|(_, event)| match event {
            Event::Proven { first, last, .. } => Some((*first, *last)),
            Event::Pruned { first, .. } => panic!("batches from {first} on were pruned"),
            _ => None,
        })
        .collect();
    assert_eq!(runs[..5], [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5)]);
    assert_eq!(cluster.log("honest").matches("proving first=3").count(), 1);
    let staking = Staking::new(&cluster.l1, cluster.deployment.staking);
    let stake = staking.constants().await.unwrap().min_stake;
    for key in [0, 1] {
        let validator = staking.validator(cluster.chain.key(key).unwrap().address()).await;
        let validator = validator.unwrap().unwrap();
        assert_eq!((validator.stake, validator.jailed_until), (stake, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signatures_that_come_late_are_found_and_anyone_proves() {
    let cluster = Cluster::new(2, &Parameters::patient()).await;
    let mut scene = Scene::new(&cluster).await;
    let id = scene.round(2).await;
    let Scene {
        withholder,
        honest,
        full,
        ..
    } = scene;
    drop(withholder);
    // It shows what it has, and proves nothing.
    let shown = cluster.node_with("withholder", "operator", Some(0), &honest.peers, &PROVES_NOTHING);
    cluster
        .until(
            "all are vouched for, and proven by another",
            &[&honest, &full, &shown],
            async || {
                let status = full.status().await;
                status.unverified.is_none() && full.stage(&id).await == Stage::Proven
            },
        )
        .await;
    agree(&cluster, &[&honest, &full, &shown]).await;
    for name in ["honest", "full"] {
        assert!(cluster.log(name).contains("its signatures are here batch=2"), "{name}");
    }
}
