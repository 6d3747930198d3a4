//! Measures how fast a transaction reaches every node: networks on loopback in one process, signatures really checked.
//!
//! ```text
//! cargo run --release -p starling-p2p --example propagation -- [--nodes 20] [--messages 200] [--line MODE]
//! ```
//!
//! `--line plain` (TCP) is the default. `--line netem` runs itself again in a network namespace of its own where the kernel
//! loses 10 % of all packets and delays each by 50 ms (`unshare`, `ip`, `tc` with netem). `--line lossy` does the same to
//! QUIC's packets without the kernel's help: between any two nodes stands a forwarder that loses and delays. Prints one JSON
//! object; 1 is the exit code if a message did not reach everybody, 2 if the mode cannot run here.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use rand::prelude::*;
use starling_p2p::message::{Message, MessageId, Topic, Verdict};
use starling_p2p::quota::Rate;
use starling_p2p::{Config, Event, Events, Genesis, Handle, Keypair, Multiaddr, Network};
use starling_rollup::address::{Address, L1Address};
use starling_rollup::transaction::{Operation, RollupId, Transaction};
use starling_vm::schnorr::SecretKey;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const GENESIS: Genesis = Genesis {
    rollup: RollupId {
        chain_id: 31_337,
        contract: L1Address([0x42; 20]),
    },
    kernel: [7; 32],
};

const DELAY: Duration = Duration::from_millis(50);
const LOSS: f64 = 0.1;

/// Peers that each node dials.
const DIALS: usize = 5;

/// How long a message may take before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Line {
    Plain,
    Netem,
    Lossy,
}

struct Options {
    nodes: usize,
    messages: usize,
    line: Line,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(error) => {
            eprintln!("propagation: {error}");
            return ExitCode::from(2);
        }
    };
    if options.line == Line::Netem {
        return in_a_namespace(&options);
    }
    match measure(&options).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("propagation: {error}");
            ExitCode::from(2)
        }
    }
}

fn options() -> Result<Options, String> {
    let mut options = Options {
        nodes: 20,
        messages: 200,
        line: Line::Plain,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
        let number = || value.parse::<usize>().map_err(|_| format!("{value:?} is not a number"));
        match word.as_str() {
            "--nodes" => options.nodes = number()?.max(2),
            "--messages" => options.messages = number()?.max(1),
            "--line" => {
                options.line = match value.as_str() {
                    "plain" => Line::Plain,
                    "netem" => Line::Netem,
                    "lossy" => Line::Lossy,
                    _ => return Err(format!("--line is plain, netem or lossy, not {value}")),
                }
            }
            _ => return Err(format!("{word} is no option: --nodes, --messages, --line")),
        }
    }
    Ok(options)
}

/// Runs this program again where loopback is a bad line.
fn in_a_namespace(options: &Options) -> ExitCode {
    let setup = "ip link set lo up && tc qdisc add dev lo root netem delay 50ms loss 10% && exec \"$0\" \"$@\"";
    let Ok(program) = std::env::current_exe() else {
        eprintln!("propagation: this program does not know where it is");
        return ExitCode::from(2);
    };
    let status = Command::new("unshare")
        .args(["--map-root-user", "--net", "sh", "-c", setup])
        .arg(program)
        .args(["--nodes", &options.nodes.to_string()])
        .args(["--messages", &options.messages.to_string()])
        .status();
    let why = match status {
        Ok(status) if matches!(status.code(), Some(0 | 1)) => return ExitCode::from(status.code().unwrap_or(1) as u8),
        Ok(status) => format!("unshare, ip or tc failed ({status}); what it said is above"),
        Err(error) => format!("unshare does not start: {error}"),
    };
    eprintln!(
        "propagation: no namespace with a bad line: {why}. Without netem in the kernel, `--line lossy` is the way."
    );
    ExitCode::from(2)
}

// NODES
// ================================================================================================================

fn config(line: Line) -> Config {
    let listen = match line {
        Line::Lossy => "/ip4/127.0.0.1/udp/0/quic-v1",
        Line::Plain | Line::Netem => "/ip4/127.0.0.1/tcp/0",
    };
    let mut config = Config {
        listen: listen.parse().into_iter().collect(),
        ..Config::default()
    };
    // All of them are at one address.
    config.connections.per_address = 10_000;
    config.connections.per_address_rate = Rate::new(1e4, 10_000);
    // Whom each knows is decided here, so that every pair has a line of the kind that is measured.
    config.discovery.enabled = false;
    config
}

/// What is told of a message: which, who has it, when.
type Arrival = (MessageId, usize, Instant);

/// Judges as a node does, and tells of it.
async fn judge(index: usize, handle: Handle, mut events: Events, arrivals: mpsc::UnboundedSender<Arrival>) {
    let rollup = GENESIS.rollup.word();
    while let Some(event) = events.next().await {
        let Event::Message { id, message, .. } = event else {
            continue;
        };
        let verdict = match &message {
            Message::Transaction(transaction) if transaction.verify(&rollup).is_ok() => Verdict::Accept,
            _ => Verdict::Reject,
        };
        let _ = arrivals.send((id, index, Instant::now()));
        let _ = handle.report(id, verdict).await;
    }
}

/// Received messages of a topic, with and without duplicates, as gossip counts them.
fn received(registry: &Registry, topic: &str) -> Result<(u64, u64), Failure> {
    let mut text = String::new();
    encode(&mut text, registry)?;
    let count = |name: &str| {
        text.lines()
            .filter(|line| line.starts_with(name) && line.contains(topic))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
            .sum()
    };
    let name = "gossip_topic_msg_recv_counts";
    Ok((
        count(&format!("{name}_unfiltered_total")),
        count(&format!("{name}_total")),
    ))
}

// THE MEASUREMENT
// ================================================================================================================

async fn measure(options: &Options) -> Result<bool, Failure> {
    let count = options.nodes;
    let mut random = StdRng::seed_from_u64(1);
    let (told, mut arrivals) = mpsc::unbounded_channel();
    let (mut handles, mut registries, mut addresses) = (Vec::new(), Vec::new(), Vec::new());
    for index in 0..count {
        let mut registry = Registry::default();
        let (handle, events) = Network::builder(config(options.line), Keypair::generate_ed25519(), GENESIS)
            .registry(&mut registry)
            .start()
            .await?;
        let address = handle.addresses().await?.into_iter().next().ok_or("no address")?;
        addresses.push(match options.line {
            Line::Lossy => forwarder(&address, random.random()).await?,
            Line::Plain | Line::Netem => address,
        });
        tokio::spawn(judge(index, handle.clone(), events, told.clone()));
        handles.push(handle);
        registries.push(registry);
    }
    for (index, handle) in handles.iter().enumerate() {
        // One before it, so that all hang together, and others by chance.
        let mut others: Vec<usize> = (0..count).filter(|other| *other != index).collect();
        others.shuffle(&mut random);
        let before = (index > 0).then(|| random.random_range(0..index));
        for other in before.into_iter().chain(others).take(DIALS) {
            handle.dial(addresses[other].clone()).await?;
        }
    }
    for handle in &handles {
        let met = async {
            while handle.peers().await?.len() < DIALS.min(count - 1) {
                sleep(Duration::from_millis(50)).await;
            }
            Ok::<(), Failure>(())
        };
        timeout(PATIENCE, met)
            .await
            .map_err(|_| "the nodes do not find each other")??;
    }
    // The mesh settles in a few heartbeats.
    sleep(Duration::from_secs(5)).await;

    let key = SecretKey::derive(b"propagation");
    let owner = L1Address([1; 20]);
    let address = Address::new(key.public_key(), owner);
    let mut published: HashMap<MessageId, (Instant, usize, Instant)> = HashMap::new();
    let note = |published: &mut HashMap<_, (_, usize, Instant)>, (id, _, at): Arrival| {
        if let Some((_, reached, last)) = published.get_mut(&id) {
            *reached += 1;
            *last = at.max(*last);
        }
    };
    for nonce in 0..options.messages {
        let operation = Operation::Transfer {
            to: 2,
            address,
            amount: 1,
        };
        let transaction = Transaction {
            from: 1,
            nonce: u32::try_from(nonce)?,
            fee: 1,
            operation,
        };
        let signed = transaction.sign(&GENESIS.rollup.word(), &key, owner);
        let handle = handles.choose(&mut random).ok_or("no nodes")?;
        let start = Instant::now();
        let id = handle.publish(Message::Transaction(Box::new(signed))).await?;
        published.insert(id, (start, 1, start));
        sleep(Duration::from_millis(50)).await;
        while let Ok(arrival) = arrivals.try_recv() {
            note(&mut published, arrival);
        }
    }
    let everywhere = async {
        while published.values().any(|(_, reached, _)| *reached < count) {
            let Some(arrival) = arrivals.recv().await else { return };
            note(&mut published, arrival);
        }
    };
    let complete = timeout(PATIENCE, everywhere).await.is_ok();

    let mut times: Vec<f64> = published
        .values()
        .filter(|(_, reached, _)| *reached == count)
        .map(|(start, _, last)| last.duration_since(*start).as_secs_f64() * 1e3)
        .collect();
    times.sort_by(f64::total_cmp);
    let at = |part: f64| times.get(((times.len() as f64 * part) as usize).min(times.len().saturating_sub(1)));
    let topic = GENESIS.topic(Topic::Transactions).into_string();
    let (mut all, mut first) = (0, 0);
    for registry in &registries {
        let (with, without) = received(registry, &topic)?;
        all += with;
        first += without;
    }
    let deliveries = options.messages as f64 * count as f64;
    let round = |number: f64| (number * 100.0).round() / 100.0;
    let report = serde_json::json!({
        "nodes": count,
        "messages": options.messages,
        "line": match options.line {
            Line::Lossy => "QUIC, 10 % loss, 50 ms delay, each way",
            Line::Plain | Line::Netem => "TCP",
        },
        "reached_all": times.len(),
        "median_ms": at(0.5).map(|time| round(*time)),
        "p99_ms": at(0.99).map(|time| round(*time)),
        "duplicates_per_message_and_node": round((all - first) as f64 / deliveries),
    });
    println!("{report}");
    for handle in &handles {
        handle.shutdown().await?;
    }
    Ok(complete)
}

// A BAD LINE
// ================================================================================================================

/// A UDP address that leads to a node, over a line that loses and delays packets both ways.
async fn forwarder(node: &Multiaddr, seed: u64) -> Result<Multiaddr, Failure> {
    let port = node.to_string().split('/').nth(4).ok_or("no port")?.parse::<u16>()?;
    let target = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let outside = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?);
    let port = outside.local_addr()?.port();
    tokio::spawn(async move {
        let mut random = StdRng::seed_from_u64(seed);
        let mut inside: HashMap<SocketAddr, Arc<UdpSocket>> = HashMap::new();
        let mut packet = vec![0; 65_536];
        while let Ok((length, from)) = outside.recv_from(&mut packet).await {
            let socket = match inside.entry(from) {
                Entry::Occupied(entry) => Arc::clone(entry.get()),
                Entry::Vacant(entry) => {
                    let Ok(socket) = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await else {
                        continue;
                    };
                    let socket = Arc::clone(entry.insert(Arc::new(socket)));
                    tokio::spawn(back(Arc::clone(&socket), Arc::clone(&outside), from, random.random()));
                    socket
                }
            };
            if !random.random_bool(LOSS) {
                later(socket, packet[..length].to_vec(), target);
            }
        }
    });
    Ok(format!("/ip4/127.0.0.1/udp/{port}/quic-v1").parse()?)
}

async fn back(inside: Arc<UdpSocket>, outside: Arc<UdpSocket>, to: SocketAddr, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut packet = vec![0; 65_536];
    while let Ok((length, _)) = inside.recv_from(&mut packet).await {
        if !random.random_bool(LOSS) {
            later(Arc::clone(&outside), packet[..length].to_vec(), to);
        }
    }
}

fn later(socket: Arc<UdpSocket>, packet: Vec<u8>, to: SocketAddr) {
    tokio::spawn(async move {
        sleep(DELAY).await;
        let _ = socket.send_to(&packet, to).await;
    });
}
