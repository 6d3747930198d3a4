//! Listening: JSON-RPC over HTTP and websockets at one port, and what a connection may cost. Full and light nodes share it.
//!
//! A socket counts from when it is accepted until it is closed, whether anything is asked or not: only so many are open, and one that has
//! no whole request for too long makes room for another. A websocket may be silent for as long as it likes: it has said what it
//! waits for.
//!
//! A websocket's reader may be slow, or not read at all, and still ask. So nothing is read from a connection while it does not take
//! what it is sent, one that takes nothing for too long is cut off, and only so many calls of a websocket are worked on at
//! once. What waits for it is bounded then: [AT_ONCE] answers, [BUFFER] messages, and the backlog that all subscribers share.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use jsonrpsee::Methods;
use jsonrpsee::core::middleware::{Batch, Notification, RpcServiceBuilder, RpcServiceT};
use jsonrpsee::server::{
    BatchRequestConfig, MethodResponse, ServerBuilder, ServerConfig, ServerHandle, serve_with_graceful_shutdown,
    stop_channel,
};
use jsonrpsee::types::{Id, Request};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Sleep, sleep, timeout};
use tracing::debug;

use super::subscribe::SubscriptionsServer;
use super::{ApiServer, Server, code, error};
use crate::config::RpcConfig;

/// Bytes of a request: far more than any of these needs.
const MAX_REQUEST: u32 = 64 << 10;

/// Bytes of an answer.
const MAX_ANSWER: u32 = 16 << 20;

/// Messages that wait for a websocket to take them.
const BUFFER: u32 = 8;

/// Calls of one websocket that are worked on at once; a batch of calls is as many.
const AT_ONCE: u32 = 16;

/// Calls of one batch: an answer is one message, and who asks for more of them in one than may be worked on at once asks again.
const BATCH: u32 = AT_ONCE;

/// What connections may cost.
pub(crate) struct Limits {
    /// Sockets at once. Fewer leave less to who opens them and asks nothing.
    pub(crate) connections: u32,
    /// Subscriptions of one websocket; where there is nothing to subscribe to there are no websockets.
    pub(crate) subscriptions: Option<u32>,
    /// How long a peer may take nothing of what it is sent.
    pub(crate) stall: Duration,
    /// How long a socket that is no websocket may be without a whole request. A longer time is a longer one for which sockets that
    /// ask nothing keep others out.
    pub(crate) idle: Duration,
}

impl Server {
    /// Listens.
    ///
    /// # Errors
    /// When the address cannot be listened at.
    pub async fn listen(self, config: &RpcConfig) -> io::Result<(SocketAddr, ServerHandle)> {
        let mut methods = Methods::new();
        // No two methods have one name: the traits are merged by every test that starts a server.
        let merged = methods
            .merge(ApiServer::into_rpc(self.clone()))
            .and_then(|()| methods.merge(SubscriptionsServer::into_rpc(self)));
        merged.map_err(io::Error::other)?;
        let limits = Limits {
            connections: config.connections,
            subscriptions: Some(config.subscriptions),
            stall: Duration::from_secs(config.stall_s),
            idle: Duration::from_secs(config.idle_s),
        };
        serve(config.listen, methods, limits).await
    }
}

/// Answers `methods` at an address.
///
/// # Errors
/// When the address cannot be listened at.
pub(crate) async fn serve(at: SocketAddr, methods: Methods, limits: Limits) -> io::Result<(SocketAddr, ServerHandle)> {
    let listener = TcpListener::bind(at).await?;
    let address = listener.local_addr()?;
    let settings = ServerConfig::builder()
        .max_connections(limits.connections)
        .max_request_body_size(MAX_REQUEST)
        .max_response_body_size(MAX_ANSWER)
        .set_batch_request_config(BatchRequestConfig::Limit(BATCH));
    let settings = match limits.subscriptions {
        Some(subscriptions) => settings
            .max_subscriptions_per_connection(subscriptions)
            .set_message_buffer_capacity(BUFFER),
        None => settings.http_only(),
    };
    let service = ServerBuilder::new().set_config(settings.build()).to_service_builder();
    let free = Arc::new(Semaphore::new(limits.connections as usize));
    let (stop, handle) = stop_channel();
    tokio::spawn(async move {
        loop {
            let socket = tokio::select! {
                () = stop.clone().shutdown() => return,
                accepted = listener.accept() => match accepted {
                    Ok((socket, _)) => socket,
                    Err(error) => {
                        debug!(%error, "no connection");
                        // Out of file descriptors, most likely: it would fail again at once.
                        sleep(Duration::from_millis(50)).await;
                        continue;
                    }
                },
            };
            let Ok(permit) = free.clone().try_acquire_owned() else {
                debug!("a connection too many");
                continue;
            };
            let _ = socket.set_nodelay(true);
            let (calls, under_way) = watch::channel(0);
            let calls = Arc::new(calls);
            // A websocket has one of these layers, a request over HTTP each its own.
            let layers = RpcServiceBuilder::new().layer_fn(move |service| AtOnce::new(service, calls.clone()));
            let service = service
                .clone()
                .set_rpc_middleware(layers)
                .build(methods.clone(), stop.clone());
            let connection = Connection::new(socket, limits.stall, permit);
            let served = serve_with_graceful_shutdown(connection, service, stop.clone().shutdown());
            tokio::spawn(async move {
                // A connection that becomes a websocket is served elsewhere from then on, and this is over.
                let ended = tokio::select! {
                    ended = served => ended,
                    () = silent_for(limits.idle, under_way) => Err("it asks nothing: see `rpc.idle_s`".into()),
                };
                if let Err(error) = ended {
                    debug!(%error, "a connection ended");
                }
            });
        }
    });
    Ok((address, handle))
}

/// Ends when no call has been under way for so long: neither has a whole request come, nor was the answer to the last one given since.
async fn silent_for(limit: Duration, mut under_way: watch::Receiver<usize>) {
    loop {
        let calls = *under_way.borrow_and_update();
        if calls > 0 {
            if under_way.changed().await.is_err() {
                return;
            }
        } else if !matches!(timeout(limit, under_way.changed()).await, Ok(Ok(()))) {
            return;
        }
    }
}

// CALLS AT ONCE
// ================================================================================================================

/// Refuses calls while too many are being worked on, and says how many are.
#[derive(Clone)]
struct AtOnce<S> {
    service: S,
    permits: Arc<Semaphore>,
    /// Calls of the whole connection.
    calls: Arc<watch::Sender<usize>>,
}

/// A call that is worked on.
struct UnderWay(Arc<watch::Sender<usize>>);

impl UnderWay {
    fn new(calls: &Arc<watch::Sender<usize>>) -> Self {
        calls.send_modify(|calls| *calls += 1);
        Self(calls.clone())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.send_modify(|calls| *calls -= 1);
    }
}

impl<S> AtOnce<S> {
    fn new(service: S, calls: Arc<watch::Sender<usize>>) -> Self {
        let permits = Arc::new(Semaphore::new(AT_ONCE as usize));
        Self {
            service,
            permits,
            calls,
        }
    }
}

fn busy(id: Id<'_>) -> MethodResponse {
    let text = format!("{AT_ONCE} calls of this connection are being worked on: wait for their answers");
    MethodResponse::error(id, error(code::BUSY, text))
}

impl<S> RpcServiceT for AtOnce<S>
where
    S: RpcServiceT<
            MethodResponse = MethodResponse,
            BatchResponse = MethodResponse,
            NotificationResponse = MethodResponse,
        > + Clone
        + Send
        + Sync
        + 'static,
{
    type MethodResponse = MethodResponse;
    type BatchResponse = MethodResponse;
    type NotificationResponse = MethodResponse;

    fn call<'a>(&self, request: Request<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let permit = self.permits.clone().try_acquire_owned();
        let service = self.service.clone();
        let under_way = UnderWay::new(&self.calls);
        async move {
            let _under_way = under_way;
            match permit {
                Ok(_permit) => service.call(request).await,
                Err(_) => busy(request.id),
            }
        }
    }

    fn batch<'a>(&self, batch: Batch<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let permit = self.permits.clone().try_acquire_many_owned(AT_ONCE);
        let service = self.service.clone();
        let under_way = UnderWay::new(&self.calls);
        async move {
            let _under_way = under_way;
            match permit {
                Ok(_permit) => service.batch(batch).await,
                Err(_) => busy(Id::Null),
            }
        }
    }

    fn notification<'a>(&self, notification: Notification<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let service = self.service.clone();
        let under_way = UnderWay::new(&self.calls);
        async move {
            let _under_way = under_way;
            service.notification(notification).await
        }
    }
}

// CONNECTIONS
// ================================================================================================================

/// A socket from which nothing is read while its peer does not take what is written, and not for longer than `patience`.
struct Connection {
    socket: TcpStream,
    patience: Duration,
    /// Runs while the peer takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
    /// Who wanted to read last.
    reader: Option<Waker>,
    cut_off: bool,
    /// One of the connections that there may be.
    _permit: OwnedSemaphorePermit,
}

impl Connection {
    fn new(socket: TcpStream, patience: Duration, permit: OwnedSemaphorePermit) -> Self {
        Self {
            socket,
            patience,
            stalled: None,
            reader: None,
            cut_off: false,
            _permit: permit,
        }
    }

    /// What a write has come to, which may end or begin a stall.
    fn written(&mut self, context: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_pending() {
            let patience = self.patience;
            let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(patience)));
            if stalled.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            self.cut_off = true;
        }
        let stalled = self.stalled.take().is_some();
        if let Some(reader) = self.reader.take_if(|_| stalled) {
            reader.wake();
        }
        if self.cut_off {
            Poll::Ready(Err(silent()))
        } else {
            written
        }
    }
}

fn silent() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the peer takes nothing: see `rpc.stall_s`")
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.cut_off {
            return Poll::Ready(Err(silent()));
        }
        // Whoever waits for bytes that do not come must hear of a cut as well.
        self.reader = Some(context.waker().clone());
        if self.stalled.is_some() {
            return Poll::Pending;
        }
        Pin::new(&mut self.socket).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.written(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write_vectored(context, parts);
        self.written(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
