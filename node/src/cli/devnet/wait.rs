//! Waiting: for one thing with a bound, for many at once.

use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::cli::CliError;

/// Time between two looks.
const PAUSE: Duration = Duration::from_millis(200);

/// Looks until there is something to see; after `bound`, an error that says what did not happen.
pub(super) async fn until<T>(
    what: &str,
    bound: Duration,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> Result<T, CliError> {
    let started = Instant::now();
    loop {
        if let Some(found) = look().await {
            return Ok(found);
        }
        if started.elapsed() > bound {
            let seconds = bound.as_secs();
            return Err(CliError::Rejected(format!("not within {seconds} s: {what}")));
        }
        sleep(PAUSE).await;
    }
}

/// Waits for all of them, all at once.
pub(super) async fn join_all<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut results = Vec::new();
    // The development chain makes one block a second; a few dozen sequential deposits would take as many.
    let futures: Vec<_> = futures.map(Box::pin).collect();
    let mut pending: Vec<_> = futures.into_iter().enumerate().collect();
    std::future::poll_fn(|context| {
        pending.retain_mut(|(number, future)| match future.as_mut().poll(context) {
            Poll::Ready(value) => {
                results.push((*number, value));
                false
            }
            Poll::Pending => true,
        });
        if pending.is_empty() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    results.sort_by_key(|(number, _)| *number);
    results.into_iter().map(|(_, value)| value).collect()
}
