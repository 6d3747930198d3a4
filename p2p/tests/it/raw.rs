//! A peer that obeys nothing: libp2p's encryption and multiplexing, and everything above them by hand.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::task::Poll;
use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::core::muxing::{StreamMuxerBox, StreamMuxerExt, SubstreamBox};
use libp2p::core::transport::{DialOpts, PortUse};
use libp2p::core::{Endpoint, Transport, upgrade};
use libp2p::multiaddr::Protocol;
use libp2p::{noise, quic, tcp, yamux};
use multistream_select::{Negotiated, Version, dialer_select_proto, listener_select_proto};
use starling_p2p::request::Kind;
use starling_p2p::status::{Heads, Role, Status};
use starling_p2p::{Genesis, Keypair, Multiaddr, PeerId};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use crate::frames;
use crate::world::{GENESIS, PATIENCE};

pub(crate) type Stream = Negotiated<SubstreamBox>;

pub(crate) const IDENTIFY: &str = "/ipfs/id/1.0.0";

pub(crate) const PUSH: &str = "/ipfs/id/push/1.0.0";

pub(crate) const MESH: &str = "/meshsub/1.1.0";

/// What the peer does with streams that are opened to it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Reads gossip, says who it is, refuses the rest.
    Attentive,
    /// Takes gossip and never reads it.
    Asleep,
}

pub(crate) struct Raw {
    pub(crate) id: PeerId,
    open: mpsc::UnboundedSender<oneshot::Sender<io::Result<SubstreamBox>>>,
    closed: watch::Receiver<bool>,
}

impl Raw {
    /// Encrypted and multiplexed, nothing more.
    pub(crate) async fn dial(address: &Multiaddr, key: &Keypair, manner: Manner) -> io::Result<Self> {
        let mut transport = if address.iter().any(|part| part == Protocol::QuicV1) {
            quic::tokio::Transport::new(quic::Config::new(key))
                .map(|(peer, connection), _| (peer, StreamMuxerBox::new(connection)))
                .boxed()
        } else {
            tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
                .upgrade(upgrade::Version::V1)
                .authenticate(noise::Config::new(key).map_err(io::Error::other)?)
                .multiplex(yamux::Config::default())
                .timeout(Duration::from_secs(20))
                .boxed()
        };
        let options = DialOpts {
            role: Endpoint::Dialer,
            port_use: PortUse::New,
        };
        let dialing = transport.dial(address.clone(), options).map_err(io::Error::other)?;
        let (_, connection) = dialing.await.map_err(io::Error::other)?;
        let (open, requests) = mpsc::unbounded_channel();
        let (close, closed) = watch::channel(false);
        tokio::spawn(drive(connection, requests, close, manner, frames::identity(key)));
        Ok(Self {
            id: key.public().to_peer_id(),
            open,
            closed,
        })
    }

    /// A peer that has introduced itself, as everybody must.
    pub(crate) async fn join(address: &Multiaddr, manner: Manner) -> Self {
        Self::join_as(address, &Keypair::generate_ed25519(), manner)
            .await
            .unwrap()
    }

    pub(crate) async fn join_as(address: &Multiaddr, key: &Keypair, manner: Manner) -> io::Result<Self> {
        let raw = Self::dial(address, key, manner).await?;
        let status = raw.introduce(GENESIS).await?;
        assert_eq!(status.genesis, GENESIS);
        Ok(raw)
    }

    pub(crate) async fn open(&self, protocol: &str) -> io::Result<Stream> {
        let (reply, stream) = oneshot::channel();
        let gone = |_| io::Error::from(io::ErrorKind::ConnectionReset);
        self.open.send(reply).map_err(|_| io::ErrorKind::ConnectionReset)?;
        let stream = stream.await.map_err(gone)??;
        let (_, stream) = dialer_select_proto(stream, [protocol.to_owned()], Version::V1)
            .await
            .map_err(io::Error::other)?;
        Ok(stream)
    }

    pub(crate) async fn introduce(&self, genesis: Genesis) -> io::Result<Status> {
        let status = Status {
            genesis,
            role: Role::Full,
            heads: Heads::default(),
        };
        let answer = self
            .ask(GENESIS.protocol(Kind::Status).as_ref(), &status.to_bytes())
            .await?;
        Status::from_bytes(&answer).map_err(io::Error::other)
    }

    /// One question as the page says: length, bytes, end; and the answer's bytes.
    pub(crate) async fn ask(&self, protocol: &str, question: &[u8]) -> io::Result<Vec<u8>> {
        let mut stream = self.open(protocol).await?;
        stream.write_all(&(question.len() as u32).to_be_bytes()).await?;
        stream.write_all(question).await?;
        stream.close().await?;
        let mut length = [0; 4];
        stream.read_exact(&mut length).await?;
        let mut answer = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut answer).await?;
        Ok(answer)
    }

    /// The stream that gossip frames go out on, with the subscriptions sent.
    pub(crate) async fn gossip(&self) -> Stream {
        let mut stream = self.open(MESH).await.unwrap();
        stream.write_all(&frames::subscribe_to_all()).await.unwrap();
        stream.flush().await.unwrap();
        stream
    }

    pub(crate) fn is_closed(&self) -> bool {
        *self.closed.borrow()
    }

    /// Waits until the other side has closed the connection.
    pub(crate) async fn closed(&mut self) {
        timeout(PATIENCE, self.closed.wait_for(|closed| *closed))
            .await
            .expect("the connection stays")
            .expect("the driver sets it before it ends");
    }
}

/// Sends frames until the connection ends, `limit` of them at most. Whether it ended.
pub(crate) async fn flood(stream: &mut Stream, limit: usize, mut frame: impl FnMut(usize) -> Vec<u8>) -> bool {
    for number in 0..limit {
        let sent = async {
            stream.write_all(&frame(number)).await?;
            stream.flush().await
        };
        if sent.await.is_err() {
            return true;
        }
    }
    false
}

async fn drive(
    mut connection: StreamMuxerBox,
    mut requests: mpsc::UnboundedReceiver<oneshot::Sender<io::Result<SubstreamBox>>>,
    close: watch::Sender<bool>,
    manner: Manner,
    identity: Vec<u8>,
) {
    let mut waiting: VecDeque<oneshot::Sender<io::Result<SubstreamBox>>> = VecDeque::new();
    let mut dropped = false;
    poll_fn(|context| {
        loop {
            while let Poll::Ready(request) = requests.poll_recv(context) {
                match request {
                    Some(request) => waiting.push_back(request),
                    None => {
                        dropped = true;
                        break;
                    }
                }
            }
            if dropped {
                // QUIC's streams would keep it open.
                let _ = connection.poll_close_unpin(context);
                return Poll::Ready(());
            }
            if let Poll::Ready(Err(_)) = connection.poll_unpin(context) {
                return Poll::Ready(());
            }
            match connection.poll_inbound_unpin(context) {
                Poll::Ready(Ok(stream)) => {
                    tokio::spawn(serve(stream, manner, identity.clone()));
                    continue;
                }
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => {}
            }
            if !waiting.is_empty()
                && let Poll::Ready(stream) = connection.poll_outbound_unpin(context)
            {
                if let Some(request) = waiting.pop_front() {
                    let _ = request.send(stream.map_err(io::Error::other));
                }
                continue;
            }
            return Poll::Pending;
        }
    })
    .await;
    let _ = close.send(true);
}

async fn serve(stream: SubstreamBox, manner: Manner, identity: Vec<u8>) {
    let Ok((protocol, mut stream)) = listener_select_proto(stream, [MESH.to_owned(), IDENTIFY.to_owned()]).await else {
        return;
    };
    if protocol == IDENTIFY {
        let _ = stream.write_all(&identity).await;
        let _ = stream.close().await;
        return;
    }
    if manner == Manner::Asleep {
        // Kept open, and never read.
        std::future::pending::<()>().await;
    }
    let mut sink = vec![0; 64 * 1024];
    while let Ok(1..) = stream.read(&mut sink).await {}
}
