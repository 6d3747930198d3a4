//! `starling light`: follows a rollup without its state, and checks what peers say.

use std::net::{Ipv4Addr, SocketAddr};

use clap::Args;
use serde_json::json;
use starling_p2p::Multiaddr;
use starling_rollup::address::L1Address;

use super::CliError;
use super::user::{print, unusable};
use crate::answers::proof::Point;
use crate::light::{self, Checkpoint, Settings};
use crate::logging;

pub(crate) const EXAMPLES: &str = "Examples:
  starling light --l1 http://127.0.0.1:8545 --rollup 0x5fbd...0aa3 --peer /ip4/127.0.0.1/tcp/9645/p2p/12D3KooW...
  starling light --l1 URL --l1 URL2 --rollup ADDRESS --peer MULTIADDR --peer MULTIADDR --rpc-port 8646
  starling light --l1 URL --rollup ADDRESS --peer MULTIADDR --verify-proofs --checkpoint 120:0x..:0x..
Then:
  curl -d '{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"starling_account\",\"params\":[7,\"proven\"]}' -H 'content-type: application/json' \\
      http://127.0.0.1:8646
Every answer says what it was checked against. Give two L1 endpoints of different providers: while they disagree, nothing
is answered.";

#[derive(Debug, Args)]
pub(crate) struct LightArgs {
    /// L1's HTTP endpoint. Give two of different providers: they must agree.
    #[arg(long, value_name = "URL", required = true)]
    l1: Vec<String>,
    /// The rollup contract.
    #[arg(long, value_name = "ADDRESS")]
    rollup: L1Address,
    /// A node to start from, at an IP address or a name (/dns4/NAME/tcp/9645), ending with /p2p/PEER_ID. More are found through
    /// it; give several, so that one cannot hide the others.
    #[arg(long, value_name = "MULTIADDR", required = true)]
    peer: Vec<Multiaddr>,
    /// Port of the JSON-RPC on this machine; 0 for a free one.
    #[arg(long, value_name = "PORT", default_value_t = 8_646, conflicts_with = "listen")]
    rpc_port: u16,
    /// Where the JSON-RPC listens instead. Anything but a loopback address is open to the network.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Fetch and verify every proof, instead of taking L1's word for the proven root.
    #[arg(long)]
    verify_proofs: bool,
    /// Where to start verifying, if not at the genesis: a batch that a proof ended with, the state root and the chain digest after it.
    #[arg(long, value_name = "BATCH:ROOT:DIGEST", requires = "verify_proofs")]
    checkpoint: Option<Checkpoint>,
    /// How to log.
    #[arg(long, default_value = "text")]
    log: logging::Format,
    /// Print one JSON object when it listens.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(args: LightArgs) -> Result<(), CliError> {
    logging::start(args.log);
    let mut settings = Settings::new(args.l1, args.rollup, args.peer);
    settings.network.check().map_err(unusable)?;
    if args.verify_proofs {
        settings.verify = Some(args.checkpoint.map_or_else(Point::genesis, |checkpoint| checkpoint.0));
    }
    let port = args.rpc_port;
    let listen = args.listen.unwrap_or_else(|| (Ipv4Addr::LOCALHOST, port).into());
    run_until_interrupted(settings, listen, args.json)
}

/// Runs a light node; the first line on standard output says where it listens.
pub(super) fn run_until_interrupted(settings: Settings, listen: SocketAddr, as_json: bool) -> Result<(), CliError> {
    // Two threads are enough for what waits most of the time, and each costs memory.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(4)
        .enable_all()
        .build()
        .map_err(|error| CliError::Unusable(format!("no threads: {error}")))?;
    runtime
        .block_on(light::run(settings, listen, |address, peer| {
            let value = json!({ "listening": format!("http://{address}"), "peer_id": peer.to_string() });
            print(as_json, &value, || format!("listening on http://{address}"));
        }))
        .map_err(unusable)
}
