//! Follows an operator's batches, or one transaction, over a websocket:
//!
//! ```text
//! cargo run -p starling-node --example follow -- ws://127.0.0.1:8645 [TRANSACTION]
//! ```

use std::error::Error;

use jsonrpsee_ws_client::WsClientBuilder;
use starling_node::rpc::{Stage, SubscriptionsClient};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().ok_or("usage: follow URL [TRANSACTION]")?;
    let client = WsClientBuilder::default().build(url).await?;
    let Some(transaction) = arguments.next() else {
        let mut batches = client.subscribe_batches().await?;
        while let Some(event) = batches.next().await {
            let event = event?;
            println!("batch {}: {:?}, root {}", event.number, event.stage, event.root);
        }
        return Err("the operator closed the subscription".into());
    };
    let mut statuses = client.subscribe_transaction(transaction).await?;
    while let Some(status) = statuses.next().await {
        let status = status?;
        let reason = status
            .reason
            .map_or_else(String::new, |reason| format!(": {}", reason.message));
        println!("{:?}{reason}", status.stage);
        if matches!(status.stage, Stage::Proven | Stage::Refused) {
            return Ok(());
        }
    }
    Err("the operator closed the subscription".into())
}
