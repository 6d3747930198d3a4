//! Numbers for whoever watches the node, in the text format of OpenMetrics.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tracing::debug;

use crate::operator::settler::Status;

/// Requests for metrics that are served at once.
const CONNECTIONS: usize = 8;

/// How long a request may take to arrive.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// How far a batch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Stage {
    /// Sealed by the operator.
    Sealed,
    /// Committed to L1.
    Committed,
    /// Proven on L1.
    Proven,
}

/// The label of [Metrics::batches].
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct StageLabel {
    /// How far.
    pub stage: Stage,
}

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Outcome {
    /// It waits in the pool.
    Accepted,
    /// It was refused.
    Refused,
}

/// The label of [Metrics::transactions].
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OutcomeLabel {
    /// What became of it.
    pub outcome: Outcome,
}

/// A gauge of whole numbers.
pub type Number = Gauge<u64, AtomicU64>;

/// The node's metrics. Copies count together.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// The newest batch, by stage.
    pub batches: Family<StageLabel, Number>,
    /// Transactions handed in, by outcome.
    pub transactions: Family<OutcomeLabel, Counter>,
    /// Transactions that wait.
    pub waiting: Number,
    /// Transactions that wait outside the pool, after their batch was taken back.
    pub outside: Number,
    /// How often one of them was tried.
    pub tries: Counter,
    /// L1's newest block, as this node knows it.
    pub l1_head: Number,
    /// Whether L1 is in trouble: 0 or 1.
    pub l1_trouble: Number,
    /// Errors of L1 that were retried.
    pub l1_errors: Counter,
    /// Gas paid on L1.
    pub l1_gas: Counter,
    /// Seconds of a proof.
    pub proof_seconds: Histogram,
    registry: Arc<Registry>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::on(Registry::default())
    }
}

impl Metrics {
    /// Metrics that are told together with those which `all` has already.
    pub fn on(mut all: Registry) -> Self {
        let registry = all.sub_registry_with_prefix("starling");
        let batches = Family::<StageLabel, Number>::default();
        registry.register("batches", "The newest batch, by stage", batches.clone());
        let transactions = Family::<OutcomeLabel, Counter>::default();
        let help = "Transactions handed in, by outcome";
        registry.register("transactions", help, transactions.clone());
        let waiting = Number::default();
        registry.register(
            "waiting_transactions",
            "Transactions that wait for a batch",
            waiting.clone(),
        );
        let outside = Number::default();
        let help = "Transactions that wait outside the pool, after their batch was taken back";
        registry.register("outside_transactions", help, outside.clone());
        let tries = Counter::default();
        registry.register(
            "tries",
            "How often a transaction outside the pool was tried",
            tries.clone(),
        );
        let l1_head = Number::default();
        registry.register("l1_head", "L1's newest block", l1_head.clone());
        let l1_trouble = Number::default();
        let help = "Whether the last look at L1 failed";
        registry.register("l1_trouble", help, l1_trouble.clone());
        let l1_errors = Counter::default();
        registry.register("l1_errors", "Errors of L1 that were retried", l1_errors.clone());
        let l1_gas = Counter::default();
        registry.register("l1_gas", "Gas of commits and proofs", l1_gas.clone());
        // A quarter of a second to an hour.
        let proof_seconds = Histogram::new(exponential_buckets(0.25, 2.0, 15));
        registry.register_with_unit("proof", "How long a proof took", Unit::Seconds, proof_seconds.clone());
        // Both stand at 0 from the start.
        for outcome in [Outcome::Accepted, Outcome::Refused] {
            drop(transactions.get_or_create(&OutcomeLabel { outcome }));
        }
        Self {
            batches,
            transactions,
            waiting,
            outside,
            tries,
            l1_head,
            l1_trouble,
            l1_errors,
            l1_gas,
            proof_seconds,
            registry: Arc::new(all),
        }
    }

    /// Counts a transaction.
    pub fn transaction(&self, outcome: Outcome) {
        self.transactions.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    /// Takes over what the settler tells.
    pub fn note(&self, status: &Status) {
        let batches = [
            (Stage::Sealed, status.sealed),
            (Stage::Committed, status.committed),
            (Stage::Proven, status.proven),
        ];
        for (stage, number) in batches {
            self.batches.get_or_create(&StageLabel { stage }).set(number);
        }
        self.l1_head.set(status.l1_block);
        self.l1_trouble.set(u64::from(status.trouble.is_some()));
    }

    /// All metrics as text.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }

    /// Serves `/metrics` at `listen`, until the returned task is aborted. Port 0 is any free one.
    ///
    /// # Errors
    /// When nothing can listen there.
    pub async fn serve(&self, listen: SocketAddr) -> std::io::Result<(SocketAddr, JoinHandle<()>)> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let metrics = self.clone();
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        let task = tokio::spawn(async move {
            while let Ok(place) = Arc::clone(&places).acquire_owned().await {
                let stream = match listener.accept().await {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        debug!(%error, "a connection for metrics failed");
                        // Out of file descriptors, for instance: not again at once.
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        continue;
                    }
                };
                let metrics = metrics.clone();
                tokio::spawn(async move {
                    let answer = service_fn(move |request| answer(metrics.clone(), request));
                    let served = hyper::server::conn::http1::Builder::new()
                        .timer(TokioTimer::new())
                        .header_read_timeout(HEADER_TIMEOUT)
                        .keep_alive(false)
                        .serve_connection(TokioIo::new(stream), answer)
                        .await;
                    if let Err(error) = served {
                        debug!(%error, "a request for metrics failed");
                    }
                    drop(place);
                });
            }
        });
        Ok((address, task))
    }
}

async fn answer(metrics: Metrics, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, body) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/metrics") => (StatusCode::OK, metrics.to_text()),
        _ => (StatusCode::NOT_FOUND, "only GET /metrics is served\n".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let kind = hyper::header::HeaderValue::from_static(kind);
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, kind);
    Ok(response)
}
