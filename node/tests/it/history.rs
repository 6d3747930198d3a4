//! A past for a cluster: batches of a transfer each, made at full speed by one operator alone, with real commits and real proofs.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use starling_node::l1::L1;
use starling_node::l1::anvil::CHAIN_ID;
use starling_node::l1::ethers::{EthersL1, Settings};
use starling_node::l1::rollup::Progress;
use starling_node::mempool::{Limits, Mempool};
use starling_node::operator::journal::{Journal, Sealed};
use starling_node::operator::prover::Prover;
use starling_node::operator::sequencer::{Sealing, Sequencer, SharedSequencer};
use starling_node::operator::settler::{SettleError, Settler, Status, shared};
use starling_node::store::{self, Backend, Store};
use starling_rollup::transaction::{Operation, Transaction};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::cluster::{Cluster, USERS};
use crate::l1::tell;

/// The operator. Its folder is that of a node, which goes on from there when this has ended.
pub(crate) struct History<'a> {
    cluster: &'a Cluster,
    settler: Settler,
    prover: Prover,
    sequencer: SharedSequencer,
    watched: watch::Receiver<Status>,
    sent: usize,
}

impl<'a> History<'a> {
    /// The operator with L1 key 0, in the folder of the node with this name. The first batch brings the users' deposits.
    pub(crate) async fn begin(cluster: &'a Cluster, name: &str) -> Self {
        Self::begin_on(cluster, name, |store| store).await
    }

    /// The same on a store that `wrap` makes of the folder's.
    pub(crate) async fn begin_on(
        cluster: &'a Cluster,
        name: &str,
        wrap: impl FnOnce(Arc<dyn Store>) -> Arc<dyn Store>,
    ) -> Self {
        tell(&cluster.chain, "evm_setIntervalMining", json!([0])).await;
        tell(&cluster.chain, "evm_setAutomine", json!([true])).await;
        let settings = Settings {
            poll: Duration::from_millis(5),
            ..Settings::default()
        };
        let key = Some(cluster.chain.key(0).unwrap());
        let l1 = EthersL1::connect(cluster.chain.url(), Some(CHAIN_ID), key, settings);
        let l1: Arc<dyn L1> = Arc::new(l1.await.unwrap());
        let data = cluster.home(name).join("data");
        std::fs::create_dir_all(&data).unwrap();
        let store = store::open(&data, Backend::Redb, &store::Options::default()).unwrap();
        let journal = Journal::open(wrap(Arc::from(store)), cluster.rollup()).unwrap();
        // Whatever there is when it is looked for is a batch.
        let (operations, age) = (USERS, Duration::ZERO);
        let sealing = Sealing { operations, age };
        let pool = Mempool::new(Limits::default());
        let sequencer = shared(Sequencer::recover(journal.clone(), sealing, cluster.address(0), pool).unwrap());
        let (status, watched) = watch::channel(Status::default());
        let (rollup, deployed) = (cluster.rollup(), cluster.deployment.block);
        let made = Settler::new(l1, rollup, deployed, 0, journal, sequencer.clone(), status);
        let settler = made.await.unwrap();
        let mut history = Self {
            cluster,
            prover: settler.prover(),
            settler,
            sequencer,
            watched,
            sent: 0,
        };
        assert!(!history.settler.follow().await.unwrap().0);
        history.seal().await;
        history
    }

    /// Seals what there is and commits it.
    async fn seal(&mut self) {
        let sealed = self.sequencer.lock().await.tick().unwrap();
        assert!(sealed.is_some());
        while !self.settler.follow().await.unwrap().0 {}
    }

    async fn transfer(&mut self) {
        let (from, to) = (self.sent % USERS, (self.sent + 1) % USERS);
        let operation = Operation::Transfer {
            to: to as u32,
            address: self.cluster.address(to),
            amount: 100 + self.sent as u64,
        };
        let transaction = Transaction {
            from: from as u32,
            nonce: (self.sent / USERS) as u32,
            fee: 1,
            operation,
        };
        let word = self.cluster.rollup().word();
        let signed = transaction.sign(&word, &self.cluster.keys[from], self.cluster.owner);
        self.sequencer.lock().await.submit(signed).unwrap();
        self.sent += 1;
    }

    /// Commits so many batches, of a transfer each.
    pub(crate) async fn commit(&mut self, batches: usize) {
        for _ in 0..batches {
            self.transfer().await;
            self.seal().await;
        }
    }

    /// Proves all that is committed, in one run.
    pub(crate) async fn prove(&mut self) {
        let (_, progress) = self.settler.follow().await.unwrap();
        assert!(self.prover.step(&progress).await.unwrap());
        let now = self.progress().await;
        assert_eq!(now.proven, now.committed);
    }

    pub(crate) async fn progress(&self) -> Progress {
        self.cluster.contract().progress().await.unwrap()
    }

    /// From now on L1 has a block a second again.
    pub(crate) async fn at_pace(&self) {
        tell(&self.cluster.chain, "evm_setAutomine", json!([false])).await;
        tell(&self.cluster.chain, "evm_setIntervalMining", json!([1])).await;
    }

    /// Gives the folder back; from now on L1 has a block a second again.
    pub(crate) async fn end(self) {
        self.at_pace().await;
    }

    /// Seals a transfer without committing it; the batch.
    pub(crate) async fn seal_alone(&mut self) -> u64 {
        self.transfer().await;
        let sealed = self.sequencer.lock().await.tick().unwrap();
        sealed.unwrap()
    }

    /// A sealed batch as the operator keeps it, and the last header's hash before it.
    pub(crate) async fn sealed(&self, number: u64) -> (Sealed, [u8; 32]) {
        let sequencer = self.sequencer.lock().await;
        let journal = sequencer.journal();
        let before = journal.sealed(number - 1).unwrap().unwrap().head;
        (journal.sealed(number).unwrap().unwrap(), before)
    }

    /// The operator takes a batch for one that leads to another root: no proof is of such a batch.
    pub(crate) async fn spoil(&mut self, number: u64) {
        let (mut sealed, _) = self.sealed(number).await;
        sealed.root = sealed.digest;
        self.sequencer.lock().await.journal().rewrite(&sealed).unwrap();
    }

    /// Tries to prove once.
    pub(crate) async fn try_to_prove(&mut self) -> Result<bool, SettleError> {
        let (_, progress) = self.settler.follow().await.unwrap();
        self.prover.step(&progress).await
    }

    /// Runs both, as a process does, until something holds.
    pub(crate) async fn run_until(&mut self, holds: impl AsyncFn(&Status) -> bool) {
        let (mut watched, mut prover) = (self.watched.clone(), self.settler.prover());
        let pause = Duration::from_millis(50);
        let watching = async {
            loop {
                let status = watched.borrow_and_update().clone();
                if holds(&status).await {
                    return;
                }
                sleep(pause).await;
            }
        };
        tokio::select! {
            ended = self.settler.run(pause) => panic!("settling has ended: {ended:?}"),
            ended = prover.run(pause) => panic!("proving has ended: {ended:?}"),
            () = watching => {}
        }
    }

    /// Follows L1 and builds until a batch is committed.
    pub(crate) async fn go_on(&mut self) {
        while !self.settler.follow().await.unwrap().0 {
            self.sequencer.lock().await.tick().unwrap();
        }
    }

    /// Follows L1 until it has batch `number`, too.
    pub(crate) async fn catch_up(&mut self, number: u64) {
        while self.sequencer.lock().await.last() < number {
            self.settler.follow().await.unwrap();
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Proves and settles the next run of batches whose signatures are here.
    pub(crate) async fn prove_next(&mut self) {
        let (_, progress) = self.settler.follow().await.unwrap();
        assert!(self.prover.step(&progress).await.unwrap());
    }
}
