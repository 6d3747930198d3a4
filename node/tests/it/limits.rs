//! What callers may cost a node: its disk, its memory, its sockets.

use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use jsonrpsee::core::client::ClientT;
use jsonrpsee::rpc_params;
use jsonrpsee_http_client::HttpClientBuilder;
use serde_json::{Value, json};
use starling_node::config::RpcConfig;
use starling_node::operator::journal::StoredProof;
use starling_node::rpc::{ApiClient, ProofInfo};
use starling_node::store::{Scan, Store, StoreError, Table, WriteBatch};
use starling_rollup::address::L1Address;
use starling_rollup::chain::GENESIS;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::subscriptions::{Local, Raw, entries};

/// How long a test waits for what must come, and a reader at a closed gate.
const PATIENCE: Duration = Duration::from_secs(60);

// THE DISK
// ================================================================================================================

#[derive(Debug, Default)]
struct Seen {
    closed: bool,
    /// Who reads batches now, and the most there were.
    readers: usize,
    most: usize,
    /// Whether somebody was let through a closed gate.
    late: bool,
    /// Proofs that were asked for at once, the most.
    proofs: usize,
}

/// A store that keeps those who read batches waiting while a test says so.
#[derive(Debug)]
struct Gate {
    store: Arc<dyn Store>,
    seen: Mutex<Seen>,
    opened: Condvar,
}

impl Gate {
    fn see<T>(&self, look: impl FnOnce(&mut Seen) -> T) -> T {
        look(&mut self.seen.lock().unwrap())
    }

    fn open(&self) {
        self.see(|seen| seen.closed = false);
        self.opened.notify_all();
    }
}

impl Store for Gate {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if table == Table::Batches {
            let mut seen = self.seen.lock().unwrap();
            seen.readers += 1;
            seen.most = seen.most.max(seen.readers);
            let closed = |seen: &mut Seen| seen.closed;
            let (mut seen, waited) = self.opened.wait_timeout_while(seen, PATIENCE / 4, closed).unwrap();
            seen.late |= waited.timed_out();
            seen.readers -= 1;
        }
        self.store.get(table, key)
    }

    fn write(&self, batch: WriteBatch) -> Result<(), StoreError> {
        self.store.write(batch)
    }

    fn scan(&self, scan: &Scan) -> Result<Vec<(Vec<u8>, Vec<u8>)>, StoreError> {
        if scan.table == Table::Proofs {
            self.see(|seen| seen.proofs = seen.proofs.max(scan.limit));
        }
        self.store.scan(scan)
    }
}

/// A server with a batch and so many proofs of it, and its gate, which is open.
async fn gated(config: RpcConfig, proofs: u64) -> (Local, Arc<Gate>) {
    let mut gate = None;
    let local = Local::on(config, |store| {
        let (seen, opened) = (Mutex::default(), Condvar::new());
        let made = Arc::new(Gate { store, seen, opened });
        gate = Some(made.clone());
        made
    })
    .await;
    local.sequencer.lock().await.learn(&entries(2));
    assert_eq!(local.tick().await, Some(1));
    for last in 1..=proofs {
        let proof = StoredProof {
            first: 1,
            last,
            root: GENESIS,
            payee: L1Address([1; 20]),
            rows: 1 << 14,
            prove_ms: 1,
            peak_bytes: 1,
            bytes: vec![0; 1_000 + last as usize],
        };
        local.sequencer.lock().await.journal().keep_proof(&proof).unwrap();
    }
    (local, gate.unwrap())
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < PATIENCE, "not in time: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// A disk that does not answer keeps those waiting who ask for what is on it, four at once, and nobody else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_the_journal_keeps_nobody_else_waiting() {
    let (local, gate) = gated(RpcConfig::default(), 1).await;
    let client = local.client().await.unwrap();
    gate.see(|seen| (seen.closed, seen.most) = (true, 0));
    let asked: Vec<_> = (0..4)
        .flat_map(|_| ["starling_batch", "starling_operation", "starling_proofs"])
        .map(|method| {
            let url = format!("http://{}", local.address);
            let client = HttpClientBuilder::default().build(url).unwrap();
            tokio::spawn(async move {
                match method {
                    "starling_operation" => client.request::<Value, _>(method, rpc_params![1, 0]).await,
                    _ => client.request::<Value, _>(method, rpc_params![1]).await,
                }
            })
        })
        .collect();
    until("four read", async || gate.see(|seen| seen.readers >= 4)).await;
    client.status().await.unwrap();
    assert!(gate.see(|seen| !seen.late), "the status waited for the disk");
    gate.open();
    for asked in asked {
        assert!(!asked.await.unwrap().unwrap().is_null());
    }
    assert_eq!(gate.see(|seen| seen.most), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_proofs_one_is_read_at_a_time() {
    let (local, gate) = gated(RpcConfig::default(), 103).await;
    let client = local.client().await.unwrap();
    let mut from = 0;
    let mut lasts = Vec::new();
    for expected in [100, 3, 0] {
        let found: Vec<ProofInfo> = client.proofs(from).await.unwrap();
        assert_eq!(found.len(), expected);
        assert!(found.iter().all(|proof| proof.bytes as u64 == 1_000 + proof.last));
        lasts.extend(found.iter().map(|proof| proof.last));
        from = lasts.last().unwrap() + 1;
    }
    assert_eq!(lasts, (1..=103).collect::<Vec<_>>());
    assert!(client.proofs(u64::MAX).await.unwrap().is_empty());
    assert_eq!(gate.see(|seen| seen.proofs), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_batch_of_calls_is_refused() {
    let (local, _) = gated(RpcConfig::default(), 0).await;
    let answers = ask_often(local.address, 16).await;
    let answers = answers.as_array().unwrap();
    assert_eq!(answers.len(), 16);
    assert!(answers.iter().all(|answer| answer["result"].is_object()));
    refuses_a_long_batch(local.address).await;
}

/// The answer to one batch of so many calls.
async fn ask_often(server: SocketAddr, count: usize) -> Value {
    let call = |id: usize| json!({ "jsonrpc": "2.0", "id": id, "method": "starling_status", "params": [] });
    let calls: Vec<Value> = (0..count).map(call).collect();
    answer(&mut socket(server, &post(&calls.into())).await).await
}

pub(crate) async fn refuses_a_long_batch(server: SocketAddr) {
    let refused = ask_often(server, 17).await;
    assert_eq!(refused["error"]["code"], -32_010, "{refused}");
    let why = refused["error"]["data"].as_str().unwrap();
    assert!(why.contains("limit of 16"), "{refused}");
}

// SOCKETS
// ================================================================================================================

/// A socket over which so much of a request was sent.
async fn socket(to: SocketAddr, sent: &str) -> TcpStream {
    let mut socket = TcpStream::connect(to).await.unwrap();
    socket.write_all(sent.as_bytes()).await.unwrap();
    socket
}

fn post(body: &Value) -> String {
    let body = body.to_string();
    let length = body.len();
    format!("POST / HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")
}

fn request(method: &str, params: Value) -> String {
    post(&json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }))
}

/// The answer's body.
async fn answer(socket: &mut TcpStream) -> Value {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let (_, rest) = head.split_once("content-length: ").unwrap();
    let mut body = vec![0; rest.split_once('\r').unwrap().0.parse().unwrap()];
    socket.read_exact(&mut body).await.unwrap();
    serde_json::from_slice(&body).unwrap()
}

/// Waits until the server has closed a socket.
async fn closed(socket: &mut TcpStream) {
    let ended = tokio::time::timeout(PATIENCE, socket.read(&mut [0; 1_024])).await;
    let ended = ended.expect("the server closes it");
    assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
}

/// Sockets count from when they are accepted. Those that ask nothing, or nothing whole, make room.
#[tokio::test(flavor = "multi_thread")]
async fn sockets_that_ask_nothing_are_counted_and_closed() {
    let config = RpcConfig {
        connections: 4,
        ..RpcConfig::default()
    };
    let body = request("starling_status", json!([]));
    let (head, _) = body.split_once("\r\n\r\n").unwrap();
    let part = format!("{head}\r\n\r\n{{");
    let open = async |local: &Local| {
        let mut asked = socket(local.address, &body).await;
        assert!(answer(&mut asked).await["result"].is_object());
        let silent = socket(local.address, "").await;
        let header = socket(local.address, "POST / HTTP/1.1\r\nhost").await;
        [asked, silent, header, socket(local.address, &part).await]
    };
    let patient = RpcConfig {
        idle_s: 600,
        ..config.clone()
    };
    let (local, _) = gated(patient, 0).await;
    let sockets = open(&local).await;
    assert!(Raw::connect(local.address).await.is_none(), "all connections are taken");
    drop(sockets);
    until("there is room again", async || {
        Raw::connect(local.address).await.is_some()
    })
    .await;

    let (local, _) = gated(RpcConfig { idle_s: 1, ..config }, 0).await;
    let mut sockets = open(&local).await;
    // Something comes all the time, and nothing whole.
    let (mut reading, mut writing) = sockets[2].split();
    let drip = async {
        while writing.write_all(b": x\r\nhost").await.is_ok() {
            sleep(Duration::from_millis(300)).await;
        }
    };
    let ended = tokio::time::timeout(PATIENCE, async {
        tokio::join!(drip, async {
            while reading.read(&mut [0; 1_024]).await.is_ok_and(|read| read > 0) {}
        })
    });
    ended.await.expect("the server closes it");
    for at in [0, 1, 3] {
        closed(&mut sockets[at]).await;
    }
    until("there is room again", async || {
        Raw::connect(local.address).await.is_some()
    })
    .await;
}

/// Neither who waits for an answer nor a websocket that waits for messages asks nothing.
#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_something_is_not_cut_off() {
    let config = RpcConfig {
        idle_s: 1,
        ..RpcConfig::default()
    };
    let (local, gate) = gated(config, 0).await;
    let mut subscriber = Raw::connect(local.address).await.unwrap();
    subscriber.send(1, "starling_subscribeBatches", json!([])).await;
    assert!(subscriber.read().await.is_some());
    gate.see(|seen| seen.closed = true);
    let mut waiting = socket(local.address, &request("starling_batch", json!([1]))).await;
    until("it reads", async || gate.see(|seen| seen.readers == 1)).await;
    // Twice the limit later than both of them.
    for _ in 0..2 {
        closed(&mut socket(local.address, "").await).await;
    }
    gate.open();
    assert_eq!(answer(&mut waiting).await["result"]["number"], 1);
    local.tell(7);
    assert_eq!(subscriber.read().await.unwrap()["params"]["result"]["number"], 7);
}
