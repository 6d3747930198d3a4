//! Subscriptions over real websockets: what they tell, in which order, and what a reader costs that does not read.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jsonrpsee::core::ClientError;
use jsonrpsee::core::client::Subscription;
use jsonrpsee::server::ServerHandle;
use jsonrpsee_ws_client::{WsClient, WsClientBuilder};
use serde_json::{Value, json};
use starling_node::config::RpcConfig;
use starling_node::l1::anvil::{Anvil, CHAIN_ID, Options};
use starling_node::l1::ethers::{EthersL1, Settings};
use starling_node::mempool::{Limits, Mempool};
use starling_node::metrics::Metrics;
use starling_node::operator::feed::{BatchChange, Feed, Standing};
use starling_node::operator::hex_word;
use starling_node::operator::journal::Journal;
use starling_node::operator::sequencer::{Sealing, Sequencer, SharedSequencer};
use starling_node::operator::settler::{Status, shared};
use starling_node::rpc::{ApiClient, BatchEvent, Server, Stage, SubscriptionsClient, TransactionStatus, code};
use starling_node::store::{self, Backend, Store};
use starling_rollup::address::{Address, L1Address};
use starling_rollup::chain::GENESIS;
use starling_rollup::entry::{Entry, Kind};
use starling_rollup::transaction::{Operation, RollupId, SignedTransaction, Transaction};
use starling_vm::schnorr::SecretKey;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::world::{PATIENCE, World};

const ROLLUP: RollupId = RollupId {
    chain_id: CHAIN_ID,
    contract: L1Address([0x42; 20]),
};
const OWNER: L1Address = L1Address([9; 20]);

// A SERVER IN THIS PROCESS
// ================================================================================================================

/// A server whose sequencer the test drives.
pub(crate) struct Local {
    pub(crate) address: SocketAddr,
    pub(crate) sequencer: SharedSequencer,
    status: watch::Sender<Status>,
    feed: Feed,
    chain: Anvil,
    _handle: ServerHandle,
    _folder: tempfile::TempDir,
}

fn key(number: u8) -> SecretKey {
    SecretKey::derive(&[number, 0x73])
}

fn address(number: u8) -> Address {
    Address::new(key(number).public_key(), OWNER)
}

pub(crate) fn entries(count: u8) -> Vec<Entry> {
    let entry = |number| Entry {
        kind: Kind::DepositNew { amount: 1_000 },
        sender: OWNER,
        address: address(number),
    };
    (0..count).map(entry).collect()
}

fn withdrawal(from: u8, nonce: u32, fee: u64) -> SignedTransaction {
    let operation = Operation::Withdraw {
        recipient: OWNER,
        amount: 1,
    };
    let transaction = Transaction {
        from: from.into(),
        nonce,
        fee,
        operation,
    };
    transaction.sign(&ROLLUP.word(), &key(from), OWNER)
}

impl Local {
    async fn new(config: RpcConfig) -> Self {
        Self::on(config, |store| store).await
    }

    /// A server on the store that `wrap` makes of an empty one.
    pub(crate) async fn on(config: RpcConfig, wrap: impl FnOnce(Arc<dyn Store>) -> Arc<dyn Store>) -> Self {
        let (port, block_time) = (0, None);
        let chain = Anvil::start(Options { port, block_time }).unwrap();
        let l1 = EthersL1::connect(chain.url(), Some(CHAIN_ID), chain.key(0).ok(), Settings::default());
        let l1 = Arc::new(l1.await.unwrap());
        let folder = tempfile::tempdir().unwrap();
        let store = store::open(folder.path(), Backend::Redb, &store::Options::default()).unwrap();
        let journal = Journal::open(wrap(Arc::from(store)), ROLLUP).unwrap();
        let (operations, age) = (100, Duration::ZERO);
        let sealing = Sealing { operations, age };
        let pool = Mempool::new(Limits::default());
        let mut sequencer = Sequencer::recover(journal, sealing, address(0), pool).unwrap();
        let feed = Feed::new(config.backlog);
        sequencer.tell_in(feed.clone());
        let sequencer = shared(sequencer);
        let (status, watched) = watch::channel(Status::default());
        let word = ROLLUP.word();
        let server = Server::new(sequencer.clone(), watched, l1, 100, word, Metrics::default());
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let (address, handle) = server.listen(&RpcConfig { listen, ..config }).await.unwrap();
        Self {
            address,
            sequencer,
            status,
            feed,
            chain,
            _handle: handle,
            _folder: folder,
        }
    }

    pub(crate) async fn client(&self) -> Result<WsClient, ClientError> {
        WsClientBuilder::default().build(format!("ws://{}", self.address)).await
    }

    pub(crate) async fn tick(&self) -> Option<u64> {
        self.sequencer.lock().await.tick().unwrap()
    }

    /// L1 has so many batches, and so many are proven.
    async fn reached(&self, committed: u64, proven: u64) {
        self.status
            .send_modify(|status| (status.committed, status.proven) = (committed, proven));
        self.sequencer.lock().await.reached(committed, proven).unwrap();
    }

    /// Tells of a batch that no journal has: only its number is looked at.
    pub(crate) fn tell(&self, number: u64) {
        self.feed.tell(BatchChange {
            number,
            standing: Standing::Sealed,
            root: GENESIS,
            digest: GENESIS,
        });
    }
}

async fn next<T: serde::de::DeserializeOwned>(subscription: &mut Subscription<T>) -> T {
    let next = tokio::time::timeout(PATIENCE, subscription.next()).await;
    next.expect("a message comes").expect("it is open").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_stage_is_told_forward_and_backward() {
    let local = Local::new(RpcConfig::default()).await;
    let client = local.client().await.unwrap();
    let mut batches = client.subscribe_batches().await.unwrap();
    let mut expect = async |number: u64, stage: Stage| {
        let event: BatchEvent = next(&mut batches).await;
        assert_eq!((event.number, event.stage), (number, stage));
        event
    };
    local.reached(0, 0).await;
    local.sequencer.lock().await.learn(&entries(2));
    assert_eq!(local.tick().await, Some(1));
    let event = expect(1, Stage::Soft).await;
    let batch = client.batch(1).await.unwrap().unwrap();
    assert_eq!((event.root, event.digest), (batch.root, batch.digest));

    // A transaction is followed from before it is sent.
    let signed = withdrawal(1, 0, 1);
    let id = local.sequencer.lock().await.journal().id(&signed).to_string();
    let mut status = client.subscribe_transaction(id.clone()).await.unwrap();
    let mut told = async || -> TransactionStatus { next(&mut status).await };
    assert_eq!(told().await.stage, Stage::Unknown);
    local.sequencer.lock().await.learn(&entries(3));
    client.submit(signed.to_hex()).await.unwrap();
    assert_eq!(local.tick().await, Some(2));
    let mut now = told().await;
    if now.stage == Stage::Pending {
        now = told().await;
    }
    assert_eq!((now.stage, now.batch, now.position), (Stage::Soft, Some(2), Some(1)));
    expect(2, Stage::Soft).await;
    local.reached(1, 1).await;
    expect(1, Stage::Committed).await;
    expect(1, Stage::Proven).await;
    local.reached(2, 1).await;
    expect(2, Stage::Committed).await;
    assert_eq!(told().await.stage, Stage::Committed);
    // L1 takes the commits back, and then the entry of batch 2.
    local.reached(0, 0).await;
    expect(1, Stage::Soft).await;
    expect(2, Stage::Soft).await;
    assert_eq!(told().await.stage, Stage::Soft);
    let before = client.batch(2).await.unwrap().unwrap();
    let cut = |at, _: &Entry| at < 2;
    local.sequencer.lock().await.take_back_unless(0, cut).unwrap();
    let event = expect(2, Stage::Unknown).await;
    assert_eq!((event.root, event.digest), (before.root, before.digest));
    assert_eq!(told().await.stage, Stage::Pending);
    assert_eq!(local.tick().await, Some(2));
    expect(2, Stage::Soft).await;
    let now = told().await;
    assert_eq!((now.stage, now.batch, now.position), (Stage::Soft, Some(2), Some(0)));
    local.reached(2, 2).await;
    for (number, stage) in [
        (1, Stage::Committed),
        (1, Stage::Proven),
        (2, Stage::Committed),
        (2, Stage::Proven),
    ] {
        expect(number, stage).await;
    }
    assert_eq!(told().await.stage, Stage::Proven);

    // One that is refused says why, and is the last message; an id that is none is refused itself.
    let (cheap, dear) = (withdrawal(1, 1, 10), withdrawal(1, 1, 20));
    let id = client.submit(cheap.to_hex()).await.unwrap();
    let mut status = client.subscribe_transaction(id).await.unwrap();
    assert_eq!(next(&mut status).await.stage, Stage::Pending);
    client.submit(dear.to_hex()).await.unwrap();
    local.tick().await;
    let told = next(&mut status).await;
    assert!(told.stage == Stage::Refused && told.reason.unwrap().message.contains("took its place"));
    let error = client.subscribe_transaction("0x12".to_owned()).await.unwrap_err();
    assert!(matches!(error, ClientError::Call(error) if error.code() == code::MALFORMED));
}

// READERS THAT DO NOT READ
// ================================================================================================================

/// A websocket by hand, with a small buffer that only this reads.
pub(crate) struct Raw(TcpStream);

impl Raw {
    /// `None` if the server wants no websocket.
    pub(crate) async fn connect(to: SocketAddr) -> Option<Self> {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4_096).unwrap();
        let mut stream = socket.connect(to).await.unwrap();
        let request = "GET / HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
                       sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n";
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await.ok()?);
        }
        answer.starts_with(b"HTTP/1.1 101").then_some(Self(stream))
    }

    pub(crate) async fn send(&mut self, id: u64, method: &str, params: Value) {
        let text = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string();
        let length = u16::try_from(text.len()).unwrap();
        let mut frame = vec![0x81, 0xfe];
        frame.extend(length.to_be_bytes());
        // The mask is zero.
        frame.extend([0; 4]);
        frame.extend(text.as_bytes());
        self.0.write_all(&frame).await.unwrap();
    }

    /// The next message; `None` when the connection is closed.
    pub(crate) async fn read(&mut self) -> Option<Value> {
        let kind = self.0.read_u8().await.ok()?;
        let length = match self.0.read_u8().await.ok()? {
            126 => self.0.read_u16().await.ok()?.into(),
            127 => self.0.read_u64().await.ok()?,
            short => short.into(),
        };
        let mut text = vec![0; usize::try_from(length).unwrap()];
        self.0.read_exact(&mut text).await.ok()?;
        (kind == 0x81).then(|| serde_json::from_slice(&text).unwrap())
    }
}

/// More than all buffers of two sockets hold.
const FLOOD: u64 = 60_000;

/// Tells of many batches, no faster than `reader` reads.
async fn flood(local: &Local, reader: &mut Subscription<BatchEvent>) {
    for number in 0..FLOOD {
        local.tell(number);
        if number % 8 == 7 {
            for expected in number - 7..=number {
                assert_eq!(next(reader).await.number, expected);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_that_lags_is_told_so_and_closed() {
    let local = Local::new(RpcConfig {
        backlog: 16,
        stall_s: 600,
        ..RpcConfig::default()
    })
    .await;
    let mut slow = Raw::connect(local.address).await.unwrap();
    slow.send(1, "starling_subscribeBatches", json!([])).await;
    let subscription = slow.read().await.unwrap()["result"].clone();
    let client = local.client().await.unwrap();
    let mut fast = client.subscribe_batches().await.unwrap();
    flood(&local, &mut fast).await;
    let mut read = 0;
    let closing = loop {
        let message = slow.read().await.unwrap();
        assert_eq!(message["params"]["subscription"], subscription);
        match message["params"].get("error") {
            Some(error) => break error.clone(),
            None => assert_eq!(message["params"]["result"]["number"], read),
        }
        read += 1;
    };
    assert!(read > 0 && read < FLOOD);
    assert_eq!(closing["code"], code::LAGGED);
    let missed = closing["data"].as_u64().unwrap();
    assert!(missed > 0 && read + missed <= FLOOD, "{closing}");
    assert!(
        closing["message"].as_str().unwrap().contains("starling_batch"),
        "{closing}"
    );
    // The connection is open, and nothing more comes of the subscription.
    local.tell(0);
    slow.send(2, "starling_status", json!([])).await;
    assert_eq!(slow.read().await.unwrap()["id"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_takes_nothing_is_cut_off() {
    let local = Local::new(RpcConfig {
        connections: 2,
        stall_s: 1,
        ..RpcConfig::default()
    })
    .await;
    let client = local.client().await.unwrap();
    let mut fast = client.subscribe_batches().await.unwrap();
    let mut slow = Raw::connect(local.address).await.unwrap();
    slow.send(1, "starling_subscribeBatches", json!([])).await;
    assert!(slow.read().await.is_some());
    assert!(
        Raw::connect(local.address).await.is_none(),
        "both connections are taken"
    );
    flood(&local, &mut fast).await;
    let began = Instant::now();
    while Raw::connect(local.address).await.is_none() {
        assert!(began.elapsed() < PATIENCE, "the connection is not cut off");
        sleep(Duration::from_millis(50)).await;
    }
    while slow.read().await.is_some() {}
}

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_and_calls_of_a_connection_are_bounded() {
    let local = Local::new(RpcConfig {
        subscriptions: 2,
        ..RpcConfig::default()
    })
    .await;
    let client = local.client().await.unwrap();
    let first = client.subscribe_batches().await.unwrap();
    let _second = client.subscribe_batches().await.unwrap();
    let error = client.subscribe_batches().await.unwrap_err();
    assert!(
        matches!(&error, ClientError::Call(error) if error.message().contains("subscriptions")),
        "{error}"
    );
    // Another connection has its own; one that ends makes room.
    let other = local.client().await.unwrap();
    let _other = other.subscribe_batches().await.unwrap();
    first.unsubscribe().await.unwrap();
    let began = Instant::now();
    while client.subscribe_batches().await.is_err() {
        assert!(began.elapsed() < PATIENCE, "no room is made");
        sleep(Duration::from_millis(20)).await;
    }
    // Calls that L1 keeps waiting: some are worked on, the others are refused at once.
    let process = local.chain.process().to_string();
    let signal = |name: &str| {
        assert!(
            Command::new("kill")
                .args([name, process.as_str()])
                .status()
                .unwrap()
                .success()
        )
    };
    signal("-STOP");
    // A signal arrives thread by thread: one that still runs would answer.
    let stopped = || {
        std::fs::read_dir(format!("/proc/{process}/task")).unwrap().all(|task| {
            let stat = std::fs::read_to_string(task.unwrap().path().join("stat")).unwrap();
            stat.rsplit_once(") ").unwrap().1.starts_with('T')
        })
    };
    while !stopped() {
        assert!(began.elapsed() < PATIENCE, "it does not stop");
        sleep(Duration::from_millis(5)).await;
    }
    let mut raw = Raw::connect(local.address).await.unwrap();
    for id in 0..40 {
        raw.send(id, "starling_feeQuote", json!([2])).await;
    }
    for _ in 0..24 {
        let answer = raw.read().await.unwrap();
        assert_eq!(answer["error"]["code"], code::BUSY, "{answer}");
    }
    signal("-CONT");
    for _ in 0..16 {
        let answer = raw.read().await.unwrap();
        assert!(answer["result"]["fee"].is_string(), "{answer}");
    }
}

// AN OPERATOR
// ================================================================================================================

#[tokio::test(flavor = "multi_thread")]
async fn an_operators_batch_is_followed_until_it_is_proven() {
    let world = World::new("subscriptions = 4\n").await;
    let mut operator = world.operator();
    world.ready(&operator).await;
    world
        .until("the deposits settle", async || world.progress().await.proven > 0)
        .await;
    let url = operator.url.replace("http://", "ws://");
    let client = WsClientBuilder::default().build(url).await.unwrap();
    let mut batches = client.subscribe_batches().await.unwrap();
    let id = world.transfer(&operator, 1, 2, 10).await.unwrap();
    let mut status = client.subscribe_transaction(id).await.unwrap();
    let mut stages = Vec::new();
    let last = loop {
        let now = next(&mut status).await;
        stages.push(now.stage);
        if now.stage == Stage::Proven {
            break now;
        }
    };
    assert!(stages.is_sorted_by(|a, b| a < b), "{stages:?}");
    let batch = last.batch.unwrap();
    let mut events = Vec::new();
    while events.len() < 3 {
        let event = next(&mut batches).await;
        if event.number == batch {
            events.push(event);
        }
    }
    let stages: Vec<Stage> = events.iter().map(|event| event.stage).collect();
    assert_eq!(stages, [Stage::Soft, Stage::Committed, Stage::Proven]);
    let found = client.batch(batch).await.unwrap().unwrap();
    let root = world.contract().root(batch).await.unwrap();
    assert_eq!(root.map(|root| hex_word(&root)), Some(found.root.clone()));
    assert!(
        events
            .iter()
            .all(|event| event.root == found.root && event.digest == found.digest)
    );
    // Subscribers do not keep an operator from ending.
    let process = operator.child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &process])
            .status()
            .unwrap()
            .success()
    );
    world
        .until("the operator ends", async || {
            operator.child.try_wait().unwrap().is_some()
        })
        .await;
    while batches.next().await.is_some() {}
}
