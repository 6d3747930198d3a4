//! The lines between nodes, each a port of its own, so that a node can be cut off from all others and joined again.
//!
//! Cut means that nothing passes and nobody is told: bytes stay where they are and connections are not taken, as when a cable is
//! pulled. Who is joined again finds the old connections closed.

use std::collections::HashSet;
use std::net::Ipv4Addr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::cli::CliError;
use crate::cli::user::unusable;

/// The end of a line that is not a node's but L1's.
pub(super) const L1_END: usize = usize::MAX;

/// All lines.
pub(super) struct Switchboard {
    cuts: watch::Sender<Cuts>,
}

/// Who is cut off.
type Cuts = HashSet<usize>;

/// The two ends of a line.
#[derive(Clone, Copy)]
struct Ends(usize, usize);

impl Ends {
    fn are_cut(self, cuts: &Cuts) -> bool {
        cuts.contains(&self.0) || cuts.contains(&self.1)
    }
}

impl Switchboard {
    pub(super) fn new() -> Self {
        Self {
            cuts: watch::Sender::new(Cuts::default()),
        }
    }

    /// A line from a node to the port where another listens; the port that the first one dials.
    pub(super) async fn line(&self, from: usize, to: usize, port: u16) -> Result<u16, CliError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(unusable)?;
        let own = listener.local_addr().map_err(unusable)?.port();
        tokio::spawn(serve(listener, Ends(from, to), port, self.cuts.subscribe()));
        Ok(own)
    }

    /// Nothing comes to the node or from it any more.
    pub(super) fn cut(&self, node: usize) {
        self.cuts.send_modify(|cuts| {
            cuts.insert(node);
        });
    }

    /// The node is back.
    pub(super) fn join(&self, node: usize) {
        self.cuts.send_modify(|cuts| {
            cuts.remove(&node);
        });
    }
}

async fn serve(listener: TcpListener, ends: Ends, port: u16, mut cuts: watch::Receiver<Cuts>) {
    loop {
        // While the line is cut, who dials waits in the system's queue.
        if cuts.wait_for(|cuts| !ends.are_cut(cuts)).await.is_err() {
            return;
        }
        tokio::select! {
            changed = cuts.changed() => match changed {
                Ok(()) => {}
                Err(_) => return,
            },
            Ok((near, _)) = listener.accept() => {
                let cuts = cuts.clone();
                tokio::spawn(async move {
                    if let Ok(far) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await {
                        let _ = (near.set_nodelay(true), far.set_nodelay(true));
                        pass_both(near, far, ends, cuts).await;
                    }
                });
            }
        }
    }
}

async fn pass_both(near: TcpStream, far: TcpStream, ends: Ends, mut cuts: watch::Receiver<Cuts>) {
    let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
    let (to, back) = (cuts.clone(), cuts.clone());
    tokio::select! {
        // Half-closed is closed: neither end needs more.
        () = pass(near_read, far_write, ends, to) => {}
        () = pass(far_read, near_write, ends, back) => {}
        () = rejoined(ends, &mut cuts) => {}
    }
}

/// Waits until the line was cut and is whole again.
async fn rejoined(ends: Ends, cuts: &mut watch::Receiver<Cuts>) {
    if cuts.wait_for(|cuts| ends.are_cut(cuts)).await.is_ok() {
        let _ = cuts.wait_for(|cuts| !ends.are_cut(cuts)).await;
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, ends: Ends, mut cuts: watch::Receiver<Cuts>) {
    let mut buffer = vec![0; 16 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        // What was read when the line was cut is not passed on: it waits, and goes with the connection.
        if cuts.wait_for(|cuts| !ends.are_cut(cuts)).await.is_err() || to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
