//! `starling devnet`: a rollup on a development chain, from the deployment to money that has left it again; with `--chaos`, what
//! becomes of it when everything goes wrong.
//!
//! In reading order: [net] starts L1, contracts, validators and nodes ([node], [process]), whose lines may be cut ([switchboard]);
//! [session] is the main job, [table] and [screen] what a person sees meanwhile. Of chaos, [traffic] is the clients, [faults] what
//! is done to the nodes, [judge] what L1's data says of it in the end. [load] measures.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use clap::Args;

use super::CliError;
use super::user::{runtime, unusable};
use crate::cli::out::say;
use crate::interrupt::interrupted;
use net::Net;

mod chaos;
mod faults;
mod judge;
mod load;
mod net;
mod node;
mod process;
mod screen;
mod session;
mod switchboard;
mod table;
mod told;
mod traffic;
mod wait;

pub(crate) const EXAMPLES: &str = "Examples:
  starling devnet
  starling devnet --transfers 64 --exit --json
  starling devnet --operators 4 --l1-port 8545 --rpc-port 8645 --folder devnet
  starling devnet --operators 4 --transfers 200 --chaos --exit --json
  starling devnet --operators 4 --transfers 200 --load 30 --json
With more than one operator a prover, a full node and a light node run too; their JSON-RPC ports follow --rpc-port in that order.
Exit code: 0 if all is as it should be, 1 if it is not, 2 if it cannot be tried.";

/// Most operators: more are more processes than a machine of a developer has cores for.
const OPERATORS: usize = 8;

/// Time between two transfers of a devnet that runs on.
const GOES_ON: Duration = Duration::from_secs(2);

#[derive(Debug, Args)]
pub(crate) struct DevnetArgs {
    /// Signed transfers to send.
    #[arg(long, default_value_t = 64)]
    transfers: usize,
    /// Operators, each with a stake and a process. With more than one there are a prover, a full node and a light node too.
    #[arg(long, default_value_t = 1)]
    operators: usize,
    /// Kill a leader, cut an operator off, sign a second header, leave a commit unproven, reorganise L1; then judge by L1's data.
    #[arg(long)]
    chaos: bool,
    /// Measure instead: how soon each of the transfers is soft, how many a second are when all users send what the operators take for
    /// so many seconds, what a light node takes. Prints JSON and ends.
    #[arg(long, value_name = "SECONDS", conflicts_with = "chaos")]
    load: Option<u64>,
    /// End when all is settled, instead of running on.
    #[arg(long)]
    exit: bool,
    /// Print one JSON object at the end.
    #[arg(long)]
    json: bool,
    /// Port of the development chain; 0 for a free one.
    #[arg(long, default_value_t = 0)]
    l1_port: u16,
    /// Port of the first operator's JSON-RPC, the other nodes' follow; 0 for free ones.
    #[arg(long, default_value_t = 0)]
    rpc_port: u16,
    /// Operations that fill a batch.
    #[arg(long, default_value_t = 256)]
    batch: usize,
    /// Where the nodes' files go; a temporary folder by default.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

/// Runs the command.
pub(crate) fn run(args: &DevnetArgs) -> Result<(), CliError> {
    let unusable = |reason: String| Err(CliError::Unusable(reason));
    if args.transfers == 0 {
        return unusable("--transfers must be at least 1".to_owned());
    }
    if !(1..=OPERATORS).contains(&args.operators) {
        return unusable(format!("--operators must be 1 to {OPERATORS}"));
    }
    if args.chaos && args.operators < 4 {
        return unusable(
            "--chaos needs --operators 4 at least: one is killed, one is slashed, and the others go on".to_owned(),
        );
    }
    if args.load.is_some() && args.operators < 2 {
        return unusable("--load needs --operators 2 at least: a full node sees what they confirm".to_owned());
    }
    let done = AtomicBool::new(false);
    runtime()?.block_on(async {
        tokio::select! {
            ended = devnet(args, &done) => ended,
            // Whatever was started ends with its owner, which is dropped here.
            () = interrupted() => match done.load(Relaxed) {
                true => Ok(()),
                false => Err(CliError::Rejected("interrupted".to_owned())),
            },
        }
    })
}

/// `done` is set when only running on is left to do.
async fn devnet(args: &DevnetArgs, done: &AtomicBool) -> Result<(), CliError> {
    let temporary = tempfile::tempdir().map_err(unusable)?;
    let folder = args.folder.as_deref().unwrap_or(temporary.path());
    std::fs::create_dir_all(folder).map_err(unusable)?;
    let folder = folder.canonicalize().map_err(unusable)?;
    let ended = in_folder(args, &folder, done).await;
    let Err(CliError::Rejected(reason)) = ended else {
        return ended;
    };
    // The logs say more.
    if args.folder.is_none() {
        let _ = temporary.keep();
    }
    Err(CliError::Rejected(format!(
        "{reason}; the logs are in {}",
        folder.display()
    )))
}

async fn in_folder(args: &DevnetArgs, folder: &Path, done: &AtomicBool) -> Result<(), CliError> {
    let net = Arc::new(Net::deploy(args, folder).await?);
    net.start(args).await?;
    if args.chaos {
        return chaos::run(args, &net).await;
    }
    if let Some(seconds) = args.load {
        return load::run(args, &net, seconds).await;
    }
    let main_job = async {
        let outcome = session::run(args, &net).await?;
        net.screen.clear();
        session::report(args, &outcome);
        if !outcome.onchain_verified {
            return Err(CliError::Rejected(
                "the proven root on L1 is not the operator's".to_owned(),
            ));
        }
        if args.exit {
            return Ok(());
        }
        done.store(true, Relaxed);
        say!("{}", net.places());
        say!("running; end with Ctrl-C");
        match args.operators {
            1 => std::future::pending().await,
            _ => session::go_on(&net, &outcome.indices, GOES_ON).await,
        }
    };
    if args.operators == 1 {
        return main_job.await;
    }
    tokio::select! {
        ended = main_job => ended,
        () = table::run(&net, String::new) => Err(CliError::Rejected("L1 does not answer".to_owned())),
    }
}
