//! Clients that pay each other while things go wrong, and keep a receipt of whatever a node has acknowledged.
//!
//! A client signs each transfer once. If a node does not answer, the same signed transfer goes to another node: it has the same id, and
//! can be executed once only. What a node refuses was not acknowledged; the client says it again later, and both are counted.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use jsonrpsee::core::ClientError;
use starling_rollup::transaction::{Operation, SignedTransaction, Transaction};
use tokio::time::{sleep, timeout};

use super::net::{Net, USERS};
use super::wait::join_all;
use crate::rpc::{ApiClient, Stage};

/// The fee of a transfer, in gwei.
pub(super) const FEE: u64 = 10;

/// Time between two looks at a transfer that is not soft yet.
const QUICK: Duration = Duration::from_millis(30);

/// After so long nobody looks quickly any more: it waits for something.
const QUICK_FOR: Duration = Duration::from_secs(10);

/// Time between two looks at all others.
const SLOW: Duration = Duration::from_millis(400);

/// How long a node may take for an answer.
const ANSWER: Duration = Duration::from_secs(3);

/// How long a client tries to have a transfer acknowledged.
const TRIES: Duration = Duration::from_secs(150);

/// What a client has of an acknowledged transfer.
#[derive(Clone, Debug)]
pub(super) struct Receipt {
    pub(super) id: String,
    /// The node that acknowledged it, which is asked for it.
    pub(super) node: usize,
    /// When.
    pub(super) acknowledged: Instant,
    /// Milliseconds until it was first seen as soft.
    pub(super) soft_ms: Option<u64>,
    /// Whether it was soft before the first fault.
    pub(super) quiet: bool,
    /// How often a node took back what it had said.
    pub(super) revoked: u32,
    /// How often L1 did, as a node told.
    pub(super) uncommitted: u32,
    /// Why it was refused after all.
    pub(super) refused: Option<String>,
    /// What each node has said last.
    stages: HashMap<usize, Stage>,
}

/// The clients.
pub(super) struct Traffic {
    net: Arc<Net>,
    indices: Vec<u32>,
    transfers: usize,
    sent: AtomicUsize,
    receipts: Mutex<Vec<Receipt>>,
    /// Which nodes are known to be dead.
    dead: Vec<AtomicBool>,
    /// Until the first fault.
    quiet: AtomicBool,
    /// Milliseconds between two transfers.
    pace: AtomicUsize,
    /// The last tenth waits for it.
    hurry: AtomicBool,
    /// Answers that said no before anything was acknowledged.
    refusals: AtomicUsize,
    /// Transfers that no node has acknowledged.
    given_up: Mutex<Vec<String>>,
    ended: AtomicUsize,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl Traffic {
    /// Clients that send so many transfers in about that time.
    pub(super) fn new(net: Arc<Net>, indices: Vec<u32>, transfers: usize, time: Duration) -> Arc<Self> {
        let pace = time.as_millis() as usize / transfers.max(1);
        Arc::new(Self {
            dead: net.nodes.iter().map(|_| AtomicBool::new(false)).collect(),
            net,
            indices,
            transfers,
            sent: AtomicUsize::new(0),
            receipts: Mutex::default(),
            quiet: AtomicBool::new(true),
            pace: AtomicUsize::new(pace),
            hurry: AtomicBool::new(false),
            refusals: AtomicUsize::new(0),
            given_up: Mutex::default(),
            ended: AtomicUsize::new(0),
        })
    }

    /// Starts the clients and who watches their receipts. They end with the runtime.
    pub(super) fn start(self: &Arc<Self>) {
        for user in 0..USERS {
            let traffic = self.clone();
            tokio::spawn(async move {
                traffic.client(user).await;
                traffic.ended.fetch_add(1, Relaxed);
            });
        }
        let traffic = self.clone();
        tokio::spawn(async move { traffic.watch(true).await });
        let traffic = self.clone();
        tokio::spawn(async move { traffic.watch(false).await });
    }

    /// The first fault is about to happen.
    pub(super) fn end_quiet(&self) {
        self.quiet.store(false, Relaxed);
    }

    /// A node is dead, or lives again.
    pub(super) fn mark(&self, node: usize, dead: bool) {
        self.dead[node].store(dead, Relaxed);
    }

    /// Nothing is left to wait for: what is still to be sent is sent sooner.
    pub(super) fn hurry(&self) {
        self.pace.fetch_min(100, Relaxed);
        self.hurry.store(true, Relaxed);
    }

    /// Answers that said no before anything was acknowledged.
    pub(super) fn refusals(&self) -> usize {
        self.refusals.load(Relaxed)
    }

    /// Why transfers were not acknowledged at all.
    pub(super) fn given_up(&self) -> Vec<String> {
        lock(&self.given_up).clone()
    }

    /// Whether all has been sent that will be.
    pub(super) fn is_over(&self) -> bool {
        self.ended.load(Relaxed) == USERS
    }

    /// Whether all that was acknowledged is proven, as the nodes tell.
    pub(super) fn all_proven(&self) -> bool {
        let receipts = lock(&self.receipts);
        receipts
            .iter()
            .all(|receipt| receipt.stages.get(&receipt.node) == Some(&Stage::Proven))
    }

    pub(super) fn receipts(&self) -> Vec<Receipt> {
        lock(&self.receipts).clone()
    }

    /// In a few words.
    pub(super) fn tell(&self) -> String {
        let receipts = lock(&self.receipts);
        let at_least = |stage| {
            let latest = receipts
                .iter()
                .filter(|receipt| receipt.stages.get(&receipt.node) >= Some(&stage));
            latest.count()
        };
        format!(
            "{} of {} acknowledged, {} soft, {} committed, {} proven; {} times revoked",
            receipts.len(),
            self.transfers,
            at_least(Stage::Soft),
            at_least(Stage::Committed),
            at_least(Stage::Proven),
            receipts.iter().map(|receipt| receipt.revoked).sum::<u32>()
        )
    }

    // SENDING
    // ============================================================================================================

    async fn client(&self, user: usize) {
        let homes = self.net.homes();
        let account = &self.net.users[user].account;
        let mut home = self.net.users[user].home;
        let found = self.net.user(user, home).account().await;
        let Ok(mut nonce) = found.map(|account| account.next_nonce) else {
            lock(&self.given_up).push(format!("user {} does not learn its nonce", user + 1));
            return;
        };
        // Not all at the same moment.
        sleep(Duration::from_millis((self.pace.load(Relaxed) * user) as u64)).await;
        while let number = self.sent.fetch_add(1, Relaxed)
            && number < self.transfers
        {
            // As long as something may go wrong, somebody has something to lose.
            while number >= self.transfers - self.transfers / 10 && !self.hurry.load(Relaxed) {
                sleep(Duration::from_millis(100)).await;
            }
            let to = (user + 1 + number % (USERS - 1)) % USERS;
            let transaction = Transaction {
                from: self.indices[user],
                nonce,
                fee: FEE,
                operation: Operation::Transfer {
                    to: self.indices[to],
                    address: self.net.users[to].account.address(),
                    amount: 1_000 + number as u64 % 1_000 * 10,
                },
            };
            let signed = transaction.sign(&self.net.rollup.word(), &account.key, account.owner);
            match self.submit(&signed, home, &homes).await {
                Ok(node) => home = node,
                Err(reason) => {
                    lock(&self.given_up).push(format!("transfer {number} of user {}: {reason}", user + 1));
                    return;
                }
            }
            nonce += 1;
            self.rest().await;
        }
    }

    /// A client's time between two transfers.
    async fn rest(&self) {
        let started = Instant::now();
        while started.elapsed() < Duration::from_millis((self.pace.load(Relaxed) * USERS) as u64) {
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Has a transfer acknowledged: by its client's node, or by another if that one is dead. The node that did.
    async fn submit(&self, signed: &SignedTransaction, home: usize, homes: &[usize]) -> Result<usize, String> {
        let started = Instant::now();
        let mut node = home;
        let mut last = String::new();
        while started.elapsed() < TRIES {
            if self.dead[node].load(Relaxed) {
                node = self.another(node, homes);
            }
            let asked = timeout(ANSWER, self.net.nodes[node].rpc.submit(signed.to_hex())).await;
            match asked {
                Ok(Ok(id)) => {
                    self.keep(id, node);
                    return Ok(node);
                }
                Ok(Err(ClientError::Call(refusal))) => {
                    let message = refusal.message();
                    // It took it before it fell silent, or has heard of it from who did.
                    if message.contains("known already") || message.contains("in batch") {
                        let id =
                            starling_rollup::envelope::TransactionId::new(&signed.transaction, &self.net.rollup.word());
                        self.keep(id.to_string(), node);
                        return Ok(node);
                    }
                    self.refusals.fetch_add(1, Relaxed);
                    last = format!("{} refuses: {message}", self.net.nodes[node].name);
                    sleep(Duration::from_millis(500)).await;
                }
                Ok(Err(error)) => {
                    last = format!("{} does not answer: {error}", self.net.nodes[node].name);
                    node = self.another(node, homes);
                    sleep(Duration::from_millis(100)).await;
                }
                Err(_) => {
                    last = format!("{} takes too long", self.net.nodes[node].name);
                    node = self.another(node, homes);
                }
            }
        }
        Err(last)
    }

    fn another(&self, node: usize, homes: &[usize]) -> usize {
        let at = homes.iter().position(|home| *home == node).unwrap_or(0);
        let others = (1..homes.len()).map(|step| homes[(at + step) % homes.len()]);
        others
            .into_iter()
            .find(|other| !self.dead[*other].load(Relaxed))
            .unwrap_or(node)
    }

    fn keep(&self, id: String, node: usize) {
        lock(&self.receipts).push(Receipt {
            id,
            node,
            acknowledged: Instant::now(),
            soft_ms: None,
            quiet: false,
            revoked: 0,
            uncommitted: 0,
            refused: None,
            stages: HashMap::new(),
        });
    }

    // WATCHING
    // ============================================================================================================

    /// Looks at the receipts for ever: quickly at those that may become soft any moment, or slowly at the others.
    async fn watch(&self, quick: bool) {
        loop {
            let started = Instant::now();
            let due: Vec<(usize, String, usize)> = {
                let receipts = lock(&self.receipts);
                let due = receipts.iter().enumerate().filter(|(_, receipt)| {
                    let is_quick = receipt.soft_ms.is_none() && receipt.acknowledged.elapsed() < QUICK_FOR;
                    let is_over =
                        receipt.refused.is_some() || receipt.stages.get(&receipt.node) == Some(&Stage::Proven);
                    is_quick == quick && !is_over
                });
                due.map(|(at, receipt)| (at, receipt.id.clone(), receipt.node))
                    .collect()
            };
            for some in due.chunks(16) {
                join_all(some.iter().map(|(at, id, node)| self.look(*at, id, *node))).await;
            }
            sleep(
                if quick { QUICK } else { SLOW }
                    .saturating_sub(started.elapsed())
                    .max(Duration::from_millis(5)),
            )
            .await;
        }
    }

    async fn look(&self, at: usize, id: &str, node: usize) {
        let node = match self.dead[node].load(Relaxed) {
            true => self.another(node, &self.net.homes()),
            false => node,
        };
        let Ok(Ok(status)) = timeout(ANSWER, self.net.nodes[node].rpc.transaction(id.to_owned())).await else {
            return;
        };
        let quiet = self.quiet.load(Relaxed);
        let mut receipts = lock(&self.receipts);
        let receipt = &mut receipts[at];
        let before = receipt.stages.insert(node, status.stage);
        if status.stage >= Stage::Soft && receipt.soft_ms.is_none() {
            receipt.soft_ms = Some(receipt.acknowledged.elapsed().as_millis() as u64);
            receipt.quiet = quiet;
        }
        match before {
            Some(before) if before >= Stage::Soft && status.stage < Stage::Soft => receipt.revoked += 1,
            Some(before) if before > status.stage && before >= Stage::Committed => receipt.uncommitted += 1,
            _ => {}
        }
        if status.stage == Stage::Refused {
            receipt.refused = Some(status.reason.map_or(String::new(), |reason| reason.message));
        }
    }
}
