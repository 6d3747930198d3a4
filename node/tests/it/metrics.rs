//! What whoever watches an operator scrapes.

use std::net::SocketAddr;

use starling_node::metrics::{Metrics, Outcome};
use starling_node::rpc::ApiClient;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::world::World;

async fn get(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

const SCRAPE: &str = "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n";

fn value(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map(|number| number.parse().unwrap())
}

#[tokio::test]
async fn only_metrics_are_served() {
    let metrics = Metrics::default();
    let (address, task) = metrics.serve(([127, 0, 0, 1], 0).into()).await.unwrap();
    metrics.transaction(Outcome::Accepted);
    metrics.proof_seconds.observe(3.0);
    let answer = get(address, SCRAPE).await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("# EOF\n"),
        "{answer}"
    );
    assert_eq!(
        value(&answer, "starling_transactions_total{outcome=\"Accepted\"}"),
        Some(1.0)
    );
    assert_eq!(
        value(&answer, "starling_transactions_total{outcome=\"Refused\"}"),
        Some(0.0)
    );
    assert_eq!(value(&answer, "starling_proof_seconds_count"), Some(1.0));
    for request in [
        "GET / HTTP/1.1\r\nhost: x\r\n\r\n",
        "POST /metrics HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n",
    ] {
        assert!(get(address, request).await.starts_with("HTTP/1.1 404"));
    }
    assert!(get(address, "nonsense\r\n\r\n").await.starts_with("HTTP/1.1 400"));
    task.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_operator_is_scraped() {
    // The operator must be told a port: one that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = free.local_addr().unwrap();
    drop(free);
    let world = World::new(&format!("[metrics]\nlisten = \"{at}\"\n")).await;
    let operator = world.operator();
    world.ready(&operator).await;
    let id = world.transfer(&operator, 1, 2, 10).await.unwrap();
    assert!(operator.rpc.submit("0x00".to_owned()).await.is_err());
    world.settled(&operator, &[id]).await;
    let progress = world.progress().await;
    let mut text = String::new();
    world
        .until("the metrics show the last batch", async || {
            text = get(at, SCRAPE).await;
            value(&text, "starling_batches{stage=\"Proven\"}") == Some(progress.proven as f64)
        })
        .await;
    let is = |name: &str, expected: f64| assert_eq!(value(&text, name), Some(expected), "{name}\n{text}");
    is("starling_batches{stage=\"Sealed\"}", progress.committed as f64);
    is("starling_batches{stage=\"Committed\"}", progress.committed as f64);
    is("starling_transactions_total{outcome=\"Accepted\"}", 1.0);
    is("starling_transactions_total{outcome=\"Refused\"}", 1.0);
    is("starling_waiting_transactions", 0.0);
    is("starling_l1_trouble", 0.0);
    for some in [
        "starling_l1_gas_total",
        "starling_l1_head",
        "starling_proof_seconds_count",
        "starling_proof_seconds_sum",
    ] {
        assert!(value(&text, some).is_some_and(|value| value > 0.0), "{some}\n{text}");
    }
}
