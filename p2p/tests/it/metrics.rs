//! What is counted is there to be read, under the names of the page.

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use starling_p2p::message::{Topic, Verdict};
use starling_p2p::{Keypair, Network};

use crate::world::{GENESIS, Node, config, message};

#[tokio::test]
async fn metrics_are_registered_under_the_names_of_the_page() {
    let mut registry = Registry::default();
    let (handle, events) = Network::builder(config(), Keypair::generate_ed25519(), GENESIS)
        .registry(&mut registry)
        .start()
        .await
        .unwrap();
    let address = handle.addresses().await.unwrap().swap_remove(0);
    let mut node = Node {
        handle,
        events,
        address,
    };
    let mut other = Node::start(config()).await;
    other.connect(&mut node).await;
    other.publish(message(Topic::Blocks, 1)).await;
    node.judge(Verdict::Accept).await;
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    let page = include_str!("../../../specs/p2p.md");
    let section = page.split("## Metrics").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let names = section
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('|').next())
        .flat_map(|cell| cell.split(','))
        .map(|name| name.trim_matches(['`', ' ']).split('{').next().unwrap())
        .filter(|name| name.contains('_') || *name == "peers")
        .collect::<Vec<_>>();
    assert_eq!(names.len(), 13, "{names:?}");
    for name in names {
        let base = name.trim_end_matches("_total");
        assert!(
            text.contains(&format!("# TYPE p2p_{base} ")),
            "{name} is not in:\n{text}"
        );
    }
    assert!(
        text.contains("p2p_messages_total{topic=\"blocks\",fate=\"Accepted\"} 1"),
        "{text}"
    );
    assert!(text.contains("p2p_peers 1"), "{text}");
    assert!(text.contains("gossip_topic_msg_recv_counts_unfiltered"), "{text}");
}
