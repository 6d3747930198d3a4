//! Subscriptions, over websockets on the port of the methods.
//!
//! A subscriber of batches gets every change, from a backlog that all of them share: one that falls further behind is told so and
//! closed. A subscriber of a transaction gets where it stands, not each step: it cannot fall behind.

use jsonrpsee::core::{SubscriptionError, SubscriptionResult, async_trait};
use jsonrpsee::proc_macros::rpc;
use jsonrpsee::server::{PendingSubscriptionSink, SubscriptionMessage, SubscriptionSink};
use jsonrpsee::types::ErrorObjectOwned;
use serde::Serialize;
use starling_rollup::envelope::TransactionId;
use tokio::sync::broadcast::error::RecvError;

use super::answers::{BatchEvent, Stage, TransactionStatus};
use super::{Server, code, error};
use crate::operator::feed::{BatchChange, Standing};
use crate::operator::hex_word;
use crate::operator::sequencer::Place;

/// The subscriptions.
#[rpc(server, client, namespace = "starling")]
pub trait Subscriptions {
    /// Every batch that comes to another stage from now on.
    #[subscription(name = "subscribeBatches" => "batches", unsubscribe = "unsubscribeBatches", item = BatchEvent)]
    async fn subscribe_batches(&self) -> SubscriptionResult;

    /// Where a transaction stands, now and whenever that changes, until it is proven or refused.
    #[subscription(
        name = "subscribeTransaction" => "transactionStatus",
        unsubscribe = "unsubscribeTransaction",
        item = TransactionStatus
    )]
    async fn subscribe_transaction(&self, id: String) -> SubscriptionResult;
}

impl From<&BatchChange> for BatchEvent {
    fn from(change: &BatchChange) -> Self {
        Self {
            number: change.number,
            stage: match change.standing {
                Standing::TakenBack => Stage::Unknown,
                Standing::Unverified => Stage::Unverified,
                Standing::Sealed => Stage::Soft,
                Standing::Committed => Stage::Committed,
                Standing::Proven => Stage::Proven,
            },
            root: hex_word(&change.root),
            digest: hex_word(&change.digest),
        }
    }
}

/// The last message of a subscription that ends with an error.
fn closing(reason: &ErrorObjectOwned) -> SubscriptionError {
    match serde_json::value::to_raw_value(reason) {
        Ok(json) => SubscriptionError::from_json(json),
        Err(error) => SubscriptionError::from(error),
    }
}

/// Whether the subscriber is still there. It waits for a reader that is slow.
async fn send(sink: &SubscriptionSink, item: &impl Serialize) -> Result<bool, SubscriptionError> {
    let message = SubscriptionMessage::new(sink.method_name(), sink.subscription_id(), item)?;
    Ok(sink.send(message).await.is_ok())
}

#[async_trait]
impl SubscriptionsServer for Server {
    async fn subscribe_batches(&self, pending: PendingSubscriptionSink) -> SubscriptionResult {
        let mut changes = self.sequencer.lock().await.feed().batches();
        let Ok(sink) = pending.accept().await else {
            return Ok(());
        };
        loop {
            let change = tokio::select! {
                () = sink.closed() => return Ok(()),
                change = changes.recv() => change,
            };
            match change {
                Ok(change) => {
                    if !send(&sink, &BatchEvent::from(&change)).await? {
                        return Ok(());
                    }
                }
                Err(RecvError::Closed) => return Ok(()),
                Err(RecvError::Lagged(missed)) => {
                    let text = format!(
                        "{missed} changes were dropped, because this subscriber reads too slowly: ask `starling_batch` for \
                         what is missing, and subscribe again"
                    );
                    let reason = ErrorObjectOwned::owned(code::LAGGED, text, Some(missed));
                    return Err(closing(&reason));
                }
            }
        }
    }

    async fn subscribe_transaction(&self, pending: PendingSubscriptionSink, id: String) -> SubscriptionResult {
        let id: TransactionId = match id.parse() {
            Ok(id) => id,
            Err(reason) => {
                pending.reject(error(code::MALFORMED, reason)).await;
                return Ok(());
            }
        };
        let mut revision = self.sequencer.lock().await.feed().revision();
        let Ok(sink) = pending.accept().await else {
            return Ok(());
        };
        let mut told = None;
        // A place in a batch is looked up once, and again when batches were taken back.
        let mut known: Option<(Place, u64)> = None;
        loop {
            revision.mark_unchanged();
            {
                let sequencer = self.sequencer.lock().await;
                let taken_back = sequencer.feed().taken_back();
                if !matches!(&known, Some((Place::Sealed { .. }, seen)) if *seen == taken_back) {
                    let place = sequencer.place(&id);
                    let place = place.map_err(|reason| closing(&error(code::INTERNAL, reason)))?;
                    known = place.map(|place| (place, taken_back));
                }
            }
            let status = self.answer(known.as_ref().map(|(place, _)| place.clone()));
            if told.as_ref() != Some(&status) {
                if !send(&sink, &status).await? || matches!(status.stage, Stage::Proven | Stage::Refused) {
                    return Ok(());
                }
                told = Some(status);
            }
            tokio::select! {
                () = sink.closed() => return Ok(()),
                changed = revision.changed() => if changed.is_err() {
                    return Ok(());
                },
            }
        }
    }
}
