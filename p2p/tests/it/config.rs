//! Settings: the defaults work, files are read, and what cannot work is refused by name.

use starling_p2p::Config;
use starling_p2p::network::{Network, StartError};

use crate::world::{GENESIS, config};

#[test]
fn the_defaults_can_work_and_survive_a_file() {
    let default = Config::default();
    assert_eq!(default.check(), Ok(()));
    assert_eq!(default.listen.len(), 2);
    assert_eq!(toml::from_str::<Config>("").unwrap(), default);
    let text = serde_json::to_string(&default).unwrap();
    assert_eq!(serde_json::from_str::<Config>(&text).unwrap(), default);
}

#[test]
fn a_file_may_say_some_of_it() {
    let text = r#"
        listen = ["/ip4/0.0.0.0/tcp/1"]
        allow = ["12D3KooWD3bfmNbuuuVCYwkjnFt3ukm3qaB3hDED3peHHXawvRAi"]
        role = "light"
        [connections]
        inbound = 5
        per_address_rate = { per_second = 1, burst = 2 }
        [gossip]
        mesh = 7
    "#;
    let config: Config = toml::from_str(text).unwrap();
    assert_eq!((config.connections.inbound, config.gossip.mesh), (5, 7));
    assert_eq!(config.connections.outbound, Config::default().connections.outbound);
    for wrong in ["lisen = []", "[gossip]\nmash = 1", "[connections]\ninbound = -1"] {
        assert!(toml::from_str::<Config>(wrong).is_err(), "{wrong}");
    }
}

type Break = fn(&mut Config);

#[test]
fn what_cannot_work_is_refused_by_name() {
    let broken: [(&str, Break); 22] = [
        ("bootstrap", |c| {
            c.bootstrap = vec!["/ip4/1.2.3.4/tcp/1".parse().unwrap()]
        }),
        ("bootstrap", |c| {
            let id = "12D3KooWD3bfmNbuuuVCYwkjnFt3ukm3qaB3hDED3peHHXawvRAi";
            c.bootstrap = vec![format!("/dnsaddr/example.org/p2p/{id}").parse().unwrap()]
        }),
        ("listen", |c| c.listen = vec!["/dns4/localhost/tcp/1".parse().unwrap()]),
        ("external", |c| {
            c.external = vec!["/dns4/example.org/tcp/1".parse().unwrap()]
        }),
        ("discovery.outbound_target", |c| c.connections.outbound = 1),
        ("connections.streams", |c| c.connections.streams = 8),
        ("gossip.mesh", |c| c.gossip.mesh_low = 99),
        ("gossip.mesh", |c| c.gossip.mesh_outbound = 5),
        ("gossip.control_ids", |c| c.gossip.control_ids = 5_000),
        ("gossip.verdict_ms", |c| c.gossip.verdict_ms = 60_000),
        ("gossip.heartbeat_ms", |c| c.gossip.heartbeat_ms = 0),
        ("gossip.transaction_bytes", |c| c.gossip.transaction_bytes = 100),
        ("sync.tries", |c| c.sync.tries = 0),
        ("sync.serving_address", |c| c.sync.serving = 7),
        ("sync.serving_address", |c| c.sync.serving_address = 0),
        ("quotas.own_share", |c| c.quotas.own_share = 1.5),
        ("quotas", |c| c.quotas.proofs.per_second = f64::NAN),
        ("score.graylist", |c| c.score.graylist = -1.0),
        ("score.ban", |c| c.score.ban = -1_000.0),
        ("score", |c| c.score.malformed = 1.0),
        ("bans.peer_ms", |c| c.bans.peer_ms = 10),
        ("queues", |c| c.queues.blocks = 0),
    ];
    for (field, break_it) in broken {
        let mut config = Config::default();
        break_it(&mut config);
        let error = config.check().expect_err(field);
        // A short heartbeat makes the verdict's time too long as well; the first that fails is named.
        let named = error.field == field || (field == "gossip.heartbeat_ms" && error.field == "gossip.verdict_ms");
        assert!(named, "{field}: {error}");
    }
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("/ip4/127.0.0.1/tcp/{}", taken.local_addr().unwrap().port());
    let mut config = config();
    config.listen = vec![address.parse().unwrap()];
    let key = starling_p2p::Keypair::generate_ed25519();
    let error = Network::start(config, key, GENESIS).await.map(|_| ()).unwrap_err();
    assert!(matches!(error, StartError::Listen { .. }), "{error}");
    assert!(error.to_string().contains(&address), "{error}");
}
