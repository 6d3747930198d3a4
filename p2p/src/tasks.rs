//! The tasks of one network, so that none outlives it.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use libp2p::swarm::Executor;
use tokio::task::JoinSet;

/// Runs what libp2p spawns, and ends it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tasks(Arc<Mutex<JoinSet<()>>>);

impl Tasks {
    fn set(&self) -> MutexGuard<'_, JoinSet<()>> {
        // A set of tasks is whole between any two calls.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends what still runs, and waits for it.
    pub(crate) async fn shutdown(&self) {
        let mut set = std::mem::take(&mut *self.set());
        set.shutdown().await;
    }
}

impl Executor for Tasks {
    fn exec(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>) {
        let mut set = self.set();
        while set.try_join_next().is_some() {}
        set.spawn(future);
    }
}
