//! The configuration file: the template, and what is said of a wrong one.

use std::path::Path;

use starling_node::answers::proof::Point;
use starling_node::config::{Checked, Config, ConfigError};
use starling_node::store::Backend;

const TEMPLATE: &str = include_str!("../../src/starling.toml");

/// The template, filled in.
fn filled() -> String {
    TEMPLATE
        .replace("<http://127.0.0.1:8545>", "http://127.0.0.1:8545")
        .replace("<0x...>", "0x4242424242424242424242424242424242424242")
        .replace(
            "<star1...>",
            "star1j6jh9hgaem06lqnwlsmpar4rmdgz4p70rmh3mcn2w297jl09sf9s6kgv70",
        )
}

fn read(text: &str) -> Result<Checked, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.toml");
    std::fs::write(&path, text).unwrap();
    let read = Config::read(&path);
    if let Err(error) = &read {
        assert!(
            error.to_string().contains("node.toml"),
            "the file is not named: {error}"
        );
    }
    read
}

#[test]
fn the_template_parses_once_it_is_filled_in() {
    assert!(read(TEMPLATE).is_err());
    let checked = read(&filled()).unwrap();
    let config = &checked.config;
    assert_eq!(
        (config.store, config.l1.chain_id, config.sequencer.operations),
        (Backend::Sled, 1, 256)
    );
    assert!(config.data.ends_with("data") && config.data.is_absolute() && config.l1.key.is_absolute());
    assert_eq!(config.metrics.listen.unwrap().port(), 8_646);
    assert!(checked.rollup.0 == [0x42; 20] && config.age().as_secs() == 10);
}

/// The template's values are the defaults, and each stands below an explanation.
#[test]
fn the_template_has_every_field() {
    let least: String = filled()
        .lines()
        .filter(|line| {
            let needed = ["data", "url", "chain_id", "key", "address", "deployed", "fee_address"];
            line.starts_with('[') || needed.iter().any(|field| line.starts_with(&format!("{field} =")))
        })
        .map(|line| format!("{line}\n"))
        .collect();
    let short = read(&least).unwrap().config;
    let mut full = read(&filled()).unwrap().config;
    assert!(
        short.metrics.listen.is_none(),
        "no metrics are served unless they are asked for"
    );
    full.metrics.listen = None;
    let fields = |config: &Config| {
        let mut table = toml::Table::try_from(config).unwrap();
        // Paths hold the folder of the file.
        table.remove("data");
        table.remove("p2p_key");
        table["l1"].as_table_mut().unwrap().remove("key");
        table
    };
    assert_eq!(fields(&short), fields(&full));
    let template: toml::Table = filled().parse().unwrap();
    for (section, value) in toml::Table::try_from(&read(&filled()).unwrap().config).unwrap() {
        let known = template
            .get(&section)
            .unwrap_or_else(|| panic!("{section} is not in the template"));
        for field in value.as_table().into_iter().flat_map(|table| table.keys()) {
            assert!(known.get(field).is_some(), "{section}.{field} is not in the template");
        }
    }
}

/// The template with another role, and what a light node asks.
fn light() -> String {
    let peer = "/ip4/127.0.0.1/tcp/9645/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN";
    filled()
        .replace("role = \"operator\"", "role = \"light\"")
        .replace("bootstrap = []", &format!("bootstrap = [\"{peer}\"]"))
}

#[test]
fn a_light_node_is_started_with_what_the_file_says() {
    assert!(read(&filled()).unwrap().light.is_none());
    let settings = read(&light()).unwrap().light.unwrap();
    assert_eq!(
        (settings.l1.len(), settings.chain_id, settings.verify),
        (1, Some(1), None)
    );
    assert_eq!((settings.network.bootstrap.len(), settings.poll.as_secs()), (1, 1));
    assert!(settings.network.listen.is_empty(), "it is not dialled");
    let changed = |from: &str, to: &str| {
        assert!(light().contains(from), "{from}");
        read(&light().replacen(from, to, 1))
    };
    let two = changed("endpoints = []", "endpoints = [\"http://127.0.0.1:8546\"]").unwrap();
    assert_eq!(
        two.light.unwrap().l1,
        ["http://127.0.0.1:8545", "http://127.0.0.1:8546"]
    );
    let proofs = changed("verify_proofs = false", "verify_proofs = true").unwrap();
    assert_eq!(proofs.light.unwrap().verify, Some(Point::genesis()));
    let digest = format!("0x{}", "01".repeat(32));
    let from = format!("verify_proofs = true\ncheckpoint = \"7:{digest}:{digest}\"");
    let both = "verify_proofs = false\n# Where verifying starts, as \"BATCH:ROOT:DIGEST\" of a batch that a proof ended with; at the \
                genesis if empty.\ncheckpoint = \"\"";
    let later = changed(both, &from).unwrap().light.unwrap().verify.unwrap();
    assert_eq!(later.batch, 7);
    let cases = [
        (both, "verify_proofs = true\ncheckpoint = \"7\"", "light.checkpoint"),
        ("checkpoint = \"\"", "checkpoint = \"7\"", "light.verify_proofs"),
        ("bootstrap = [", "external = [", "p2p.bootstrap"),
    ];
    for (from, to, field) in cases {
        let text = light().replace("external = []\n", "");
        assert!(text.contains(from), "{from}");
        let error = read(&text.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.contains(field), "{field} is not in: {error}");
    }
}

#[test]
fn errors_name_the_file_and_the_field() {
    let cases = [
        ("data = \"data\"", "data = 7", "data"),
        ("data = \"data\"", "dat = \"data\"", "dat"),
        ("store = \"sled\"", "store = \"rocksdb\"", "store"),
        ("url = \"http://127.0.0.1:8545\"", "", "url"),
        ("chain_id = 1", "chain_id = \"1\"", "chain_id"),
        ("key = \"operator-l1.json\"", "key = 1", "key"),
        ("confirmations = 2", "confirmations = -1", "confirmations"),
        ("poll_ms = 1000", "poll_ms = 0", "l1.poll_ms"),
        ("max_fee_gwei = 500", "max_fee_gwei = 0", "l1.max_fee_gwei"),
        ("patience_s = 36", "patience_s = 0", "l1.patience_s"),
        ("address = \"0x4242", "address = \"0x42", "rollup.address"),
        ("deployed = 0", "deployed = true", "deployed"),
        ("operations = 256", "operations = 0", "sequencer.operations"),
        ("operations = 256", "operations = 513", "sequencer.operations"),
        ("role = \"operator\"", "role = \"boss\"", "role"),
        ("block_ms = 1000", "block_ms = 0", "sequencer.block_ms"),
        (
            "backlog = 1024\n\n[prover]",
            "backlog = 0\n\n[prover]",
            "sequencer.backlog",
        ),
        ("patience_s = 600", "patience_s = -1", "patience_s"),
        ("key = \"operator-l1.json\"", "", "l1.key"),
        ("external = []", "external = [7]", "external"),
        ("age_ms = 10000", "age_ms = 1.5", "age_ms"),
        ("star1j6j", "star1j6k", "sequencer.fee_address"),
        ("transactions = 16384", "transactions = 0", "mempool.transactions"),
        ("per_sender = 64", "per_sender = 0", "mempool.per_sender"),
        ("min_fee = 0", "min_fee = \"0\"", "min_fee"),
        ("retry_batches = 256", "retry_batches = 0", "mempool.retry_batches"),
        ("refusals = 65536", "refusals = 0", "mempool.refusals"),
        ("listen = \"127.0.0.1:8645\"", "listen = \"localhost\"", "listen"),
        ("connections = 100", "connections = 0", "rpc.connections"),
        ("subscriptions = 16", "subscriptions = -1", "subscriptions"),
        ("backlog = 1024\n# Seconds", "backlog = 0\n# Seconds", "rpc.backlog"),
        (
            "backlog = 1024\n# Seconds",
            "backlog = 1048577\n# Seconds",
            "rpc.backlog",
        ),
        ("stall_s = 30", "stall_s = 0", "rpc.stall_s"),
        ("idle_s = 30", "idle_s = 0", "rpc.idle_s"),
        ("listen = \"127.0.0.1:8646\"", "listen = 8646", "listen"),
        ("[mempool]", "[mempol]", "mempol"),
    ];
    for (from, to, field) in cases {
        assert!(filled().contains(from), "{from}");
        let error = read(&filled().replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.contains(field), "{field} is not in: {error}");
    }
    let error = Config::read(Path::new("/nowhere/node.toml")).unwrap_err();
    assert!(matches!(error, ConfigError::Read { .. }) && error.to_string().contains("/nowhere/node.toml"));
}
