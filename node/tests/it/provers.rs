//! Several provers: one that is killed at work is replaced, and those of one machine work one at a time.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use starling_node::l1::L1;
use starling_node::l1::deploy::Parameters;
use starling_node::l1::rollup::Event;
use starling_node::l1::staking::Staking;
use starling_node::operator::journal::Journal;
use starling_node::operator::settler::SettleError;
use starling_node::rpc::Stage;
use starling_node::store::{self, Backend};
use starling_rollup::address::L1Address;
use tokio::time::sleep;

use crate::cluster::{Cluster, Node, USERS};
use crate::history::History;
use crate::sync::PROVES_NOTHING;

/// The provers' names and L1 keys.
const PROVERS: [(&str, usize); 2] = [("prover-a", 5), ("prover-b", 6)];

/// Two provers, and an operator that does not prove.
struct Scene {
    cluster: Cluster,
    operator: Node,
    provers: [Node; 2],
    /// The file whose lock each takes.
    locks: [PathBuf; 2],
    /// What keeps them from beginning.
    held: Vec<File>,
    committed: u64,
}

fn open(path: &Path) -> File {
    File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .unwrap()
}

/// Whether a process waits for the lock on a file, as the system says.
fn waits(node: &Node, path: &Path) -> bool {
    let (process, inode) = (node.child.id(), std::fs::metadata(path).unwrap().ino());
    let locks = std::fs::read_to_string("/proc/locks").unwrap();
    locks.lines().any(|line| {
        // 7: -> FLOCK ADVISORY WRITE 1234 08:01:5678 0 EOF
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields.get(1) == Some(&"->")
            && fields.get(2) == Some(&"FLOCK")
            && fields.get(5) == Some(&process.to_string().as_str())
            && fields.get(6).is_some_and(|file| file.ends_with(&format!(":{inode}")))
    })
}

impl Scene {
    /// So many batches are committed, and both provers have them and wait for the lock, which the test holds.
    async fn new(batches: usize, share: bool) -> Self {
        let cluster = Cluster::new(1, &Parameters::patient()).await;
        let mut past = History::begin(&cluster, "operator-0").await;
        past.commit(batches - 1).await;
        past.end().await;
        let operator = cluster.node_with("operator-0", "operator", Some(0), &[], &PROVES_NOTHING);
        let names = if share { ["one", "one"] } else { ["one", "other"] };
        let locks = names.map(|name| cluster.home(&format!("{name}.lock")));
        let files = if share { &locks[..1] } else { &locks[..] };
        let held: Vec<File> = files.iter().map(|path| open(path)).collect();
        for file in &held {
            flock(file, FlockOperation::NonBlockingLockExclusive).unwrap();
        }
        let provers = [0, 1].map(|at| {
            let (name, key) = PROVERS[at];
            let lock = format!("{}.lock", names[at]);
            cluster.node_with(name, "prover", Some(key), &operator.peers, &[("provers.lock", &lock)])
        });
        let scene = Self {
            cluster,
            operator,
            provers,
            locks,
            held,
            committed: batches as u64,
        };
        scene
            .until("both provers wait for the lock", async || {
                let mut ready = true;
                for (prover, lock) in scene.provers.iter().zip(&scene.locks) {
                    let status = prover.status().await;
                    assert!(!status.proving, "{} proves without the lock", prover.name);
                    ready &= status.sealed >= scene.committed && waits(prover, lock);
                }
                ready
            })
            .await;
        scene
    }

    async fn until(&self, what: &str, holds: impl AsyncFnMut() -> bool) {
        let nodes = [&self.operator, &self.provers[0], &self.provers[1]];
        self.cluster.until(what, &nodes, holds).await;
    }

    async fn proven(&self) -> u64 {
        self.cluster.contract().progress().await.unwrap().proven
    }

    /// Nothing was pruned, every proof came before its deadline, and the operator has its stake.
    async fn nobody_is_punished(&self) {
        let cluster = &self.cluster;
        let contract = cluster.contract();
        let head = cluster.l1.head().await.unwrap().number;
        let window = contract.constants().await.unwrap().prove_window;
        for (block, event) in contract.events(cluster.deployment.block, head).await.unwrap() {
            match event {
                Event::Pruned { first, last } => panic!("batches {first} to {last} were pruned"),
                Event::Proven { first, .. } => {
                    let time = cluster.l1.block(block).await.unwrap().unwrap().timestamp;
                    assert!(time <= contract.batch(first).await.unwrap().committed_at + window);
                }
                _ => {}
            }
        }
        let staking = Staking::new(&cluster.l1, cluster.deployment.staking);
        let validator = staking.validator(self.committer()).await.unwrap().unwrap();
        let stake = staking.constants().await.unwrap().min_stake;
        assert_eq!(
            (validator.stake, validator.jailed_until, validator.ejected),
            (stake, 0, false)
        );
    }

    /// What somebody is owed, in bonds of batches.
    async fn bonds(&self, whose: L1Address) -> u128 {
        let bond = self.cluster.contract().constants().await.unwrap().bond;
        self.cluster.contract().owed(whose).await.unwrap() / bond
    }

    fn committer(&self) -> L1Address {
        self.cluster.chain.key(0).unwrap().address()
    }

    fn payee(&self, prover: usize) -> L1Address {
        self.cluster.chain.key(PROVERS[prover].1).unwrap().address()
    }
}

async fn killed_at_work(share: bool) {
    let mut scene = Scene::new(60, share).await;
    assert_eq!(scene.proven().await, 0);
    scene.held.clear();
    let mut victim = 0;
    scene
        .until("a prover is at work", async || {
            let at_work = [
                scene.provers[0].status().await.proving,
                scene.provers[1].status().await.proving,
            ];
            victim = usize::from(at_work[1] && !at_work[0]);
            // With locks of their own both begin at once.
            if share {
                at_work[0] || at_work[1]
            } else {
                at_work[0] && at_work[1]
            }
        })
        .await;
    let other = 1 - victim;
    if share {
        assert!(
            waits(&scene.provers[other], &scene.locks[other]),
            "the other prover waits"
        );
    }
    let process = &mut scene.provers[victim].child;
    process.kill().unwrap();
    process.wait().unwrap();
    assert_eq!(scene.proven().await, 0);
    let data = scene.cluster.home(PROVERS[victim].0).join("data");
    let store = store::open(&data, Backend::Redb, &store::Options::default()).unwrap();
    let journal = Journal::open(Arc::from(store), scene.cluster.rollup()).unwrap();
    assert!(
        journal.proofs(0, usize::MAX).unwrap().is_empty(),
        "it was killed before its proof was made"
    );
    let (cluster, alive) = (&scene.cluster, [&scene.operator, &scene.provers[other]]);
    cluster
        .until("the other prover has proven the run", &alive, async || {
            scene.proven().await >= scene.committed
        })
        .await;
    scene.nobody_is_punished().await;
    let bonds = [other, victim].map(|prover| scene.payee(prover));
    assert_eq!(
        [scene.bonds(bonds[0]).await, scene.bonds(bonds[1]).await],
        [1, 0],
        "who proves has the first bond"
    );
    assert_eq!(scene.bonds(scene.committer()).await, u128::from(scene.committed) - 1);
    // And it goes on with what is committed from now on.
    let id = cluster.transfer(&scene.operator, 1, 2, 10).await;
    cluster
        .until("what comes later is proven", &alive, async || {
            scene.operator.stage(&id).await == Stage::Proven
        })
        .await;
    scene.nobody_is_punished().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prover_killed_at_work_is_replaced_by_the_one_that_waits_for_its_lock() {
    killed_at_work(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prover_killed_at_work_is_replaced_by_one_on_another_machine() {
    killed_at_work(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_provers_of_one_machine_work_one_at_a_time() {
    let mut scene = Scene::new(12, true).await;
    // While somebody else has the lock, the chain goes on and nothing is proven.
    let id = scene.cluster.transfer(&scene.operator, 1, 2, 10).await;
    scene
        .until("a batch more is committed", async || {
            for prover in &scene.provers {
                assert!(
                    !prover.status().await.proving,
                    "{} proves without the lock",
                    prover.name
                );
            }
            scene.operator.stage(&id).await == Stage::Committed
        })
        .await;
    assert_eq!(scene.proven().await, 0);
    assert!(waits(&scene.provers[0], &scene.locks[0]) && waits(&scene.provers[1], &scene.locks[1]));
    scene.held.clear();

    let lock = open(&scene.locks[0]);
    let (mut working, mut waiting, mut runs) = (0, 0, BTreeSet::new());
    let traffic = async {
        for number in 0.. {
            let (from, to) = (number % USERS, (number + 1) % USERS);
            scene.cluster.transfer(&scene.operator, from, to, 10).await;
            sleep(Duration::from_millis(700)).await;
        }
    };
    let watch = scene.until("several runs are proven", async || {
        let before = scene.proven().await;
        runs.insert(before);
        let first = scene.provers[0].status().await.proving;
        let second = scene.provers[1].status().await.proving;
        let idle = flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok();
        if idle {
            flock(&lock, FlockOperation::Unlock).unwrap();
        }
        let in_line = [0, 1].map(|at| waits(&scene.provers[at], &scene.locks[at]));
        let again = [
            scene.provers[0].status().await.proving,
            scene.provers[1].status().await.proving,
        ];
        if scene.proven().await == before {
            // Nothing was settled in between: who proves before and after has proven all the time.
            let through = [first && again[0], second && again[1]];
            assert!(!(through[0] && (second || again[1])), "both prove at once");
            assert!(!(through[1] && (first || again[0])), "both prove at once");
            let at_work = through[0] || through[1];
            assert!(!(at_work && idle), "a prover is at work, and nobody has the lock");
            working += usize::from(at_work);
            waiting += usize::from(through[0] && in_line[1] || through[1] && in_line[0]);
        }
        // Nothing, and three ends of runs.
        runs.len() > 3
    });
    tokio::select! {
        () = traffic => unreachable!("it goes on"),
        () = watch => {}
    }
    println!("{working} looks at a prover at work, {waiting} of them with the other in line");
    assert!(working > 0 && waiting > 0);
    scene.nobody_is_punished().await;
    let bonds = scene.bonds(scene.payee(0)).await + scene.bonds(scene.payee(1)).await;
    let rest = scene.bonds(scene.committer()).await;
    assert!(
        bonds >= 3 && bonds + rest > u128::from(scene.committed) + 1,
        "{bonds}, {rest}"
    );

    // Who dies lets go of it.
    for prover in &mut scene.provers {
        prover.child.kill().unwrap();
        prover.child.wait().unwrap();
    }
    flock(&lock, FlockOperation::NonBlockingLockExclusive).unwrap();
}

/// What others commit may be what no proof is of, by whatever mistake of ours: that ends no prover.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_cannot_be_proven_ends_nobody() {
    let cluster = Cluster::new(1, &Parameters::patient()).await;
    let mut prover = History::begin(&cluster, "prover").await;
    prover.prove().await;
    prover.commit(2).await;
    prover.spoil(3).await;
    let error = prover.try_to_prove().await.unwrap_err();
    assert!(
        matches!(error, SettleError::Unproven { first: 2, last: 3, .. }),
        "{error}"
    );
    // What stands before the one that cannot be proven is, and more behind it changes nothing.
    prover.commit(1).await;
    assert!(prover.try_to_prove().await.unwrap());
    assert_eq!(prover.progress().await.proven, 2);
    prover.spoil(4).await;
    for last in [4, 3] {
        let error = prover.try_to_prove().await.unwrap_err();
        assert!(
            matches!(error, SettleError::Unproven { first: 3, last: found, .. } if found == last),
            "{error}"
        );
    }
    // It is not tried again at once, with whatever stands behind it.
    prover.commit(1).await;
    assert!(!prover.try_to_prove().await.unwrap());
    let looks = AtomicUsize::new(0);
    prover
        .run_until(async |_| looks.fetch_add(1, Ordering::Relaxed) > 40)
        .await;
}
