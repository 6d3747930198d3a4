//! `starling node`: runs a node, rebuilds a state.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;
use starling_rollup::address::L1Address;
use starling_rollup::keyfile::KeyFile;
use starling_rollup::transaction::RollupId;

use super::user::{Password, l1_client, print, rejected, runtime, unusable};
use super::{CliError, light};
use crate::cli::out::say;
use crate::config::{Config, NodeRole};
use crate::l1::{L1, hex};
use crate::logging;
use crate::operator::hex_word;
use crate::operator::process::{self, Reach};
use crate::rebuild;

const RUN_EXAMPLES: &str = "Examples:
  STARLING_PASSWORD=... starling node run --config operator/starling.toml
  starling node run --config starling.toml --password-file secret --log json";
const REBUILD_EXAMPLES: &str = "Examples:
  starling node rebuild --l1 http://127.0.0.1:8545 --rollup 0x5fbd...0aa3
  starling node rebuild --l1 URL --rollup ADDRESS --deployed 21000000 --accounts accounts.json --json";

/// Run a node, or rebuild a rollup's state from L1.
#[derive(Debug, Subcommand)]
pub(crate) enum NodeCommand {
    /// Write a configuration file to start from.
    Init(InitArgs),
    /// Run a node in the role that its configuration names: operator, prover, full or light.
    #[command(after_help = RUN_EXAMPLES)]
    Run(RunArgs),
    /// Rebuild the state from L1 alone and compare it with every proven root.
    #[command(after_help = REBUILD_EXAMPLES)]
    Rebuild(RebuildArgs),
}

#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// Where the file goes.
    #[arg(long, value_name = "FILE", default_value = "starling.toml")]
    config: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    #[command(flatten)]
    password: Password,
    /// How to log.
    #[arg(long, default_value = "text")]
    log: logging::Format,
}

#[derive(Debug, Args)]
pub(crate) struct RebuildArgs {
    /// L1's HTTP endpoint.
    #[arg(long, value_name = "URL")]
    l1: String,
    /// The rollup contract.
    #[arg(long, value_name = "ADDRESS")]
    rollup: L1Address,
    /// A block before which the rollup does not exist: the events are read from there.
    #[arg(long, value_name = "BLOCK", default_value_t = 0)]
    deployed: u64,
    /// Where to write all accounts and their leaves, as JSON.
    #[arg(long, value_name = "FILE")]
    accounts: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(command: NodeCommand) -> Result<(), CliError> {
    match command {
        NodeCommand::Init(args) => init(&args),
        NodeCommand::Run(args) => run_node(&args),
        NodeCommand::Rebuild(args) => runtime()?.block_on(rebuild_state(&args)),
    }
}

/// What `starling node init` writes.
pub(crate) const TEMPLATE: &str = include_str!("../starling.toml");

fn init(args: &InitArgs) -> Result<(), CliError> {
    use std::io::Write;
    let file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&args.config);
    file.and_then(|mut file| file.write_all(TEMPLATE.as_bytes()))
        .map_err(|error| CliError::Unusable(format!("{} cannot be written: {error}", args.config.display())))?;
    say!(
        "{} is written: fill in what stands between < and >",
        args.config.display()
    );
    Ok(())
}

fn run_node(args: &RunArgs) -> Result<(), CliError> {
    let checked = Config::read(&args.config).map_err(unusable)?;
    logging::start(args.log);
    if let Some(settings) = checked.light {
        return light::run_until_interrupted(settings, checked.config.rpc.listen, false);
    }
    let password = match checked.config.role {
        NodeRole::Full | NodeRole::Light => None,
        NodeRole::Operator | NodeRole::Prover => {
            let password = args.password.read()?;
            // Opened once here, so that a wrong password is told before anything starts.
            KeyFile::read(&checked.config.l1.key)
                .and_then(|file| file.open_l1(&password))
                .map_err(unusable)?;
            Some(password)
        }
    };
    let ready = |reach: &Reach| {
        for address in &reach.p2p {
            say!("peer address {address}");
        }
        say!("listening on http://{}", reach.rpc);
    };
    let password = password.as_deref();
    runtime()?
        .block_on(process::run(checked, password, ready))
        .map_err(rejected)
}

async fn rebuild_state(args: &RebuildArgs) -> Result<(), CliError> {
    let l1 = l1_client(&args.l1, None).await?;
    let chain_id = l1.chain_id().await.map_err(unusable)?;
    let rollup = RollupId {
        chain_id,
        contract: args.rollup,
    };
    let bar = indicatif::ProgressBar::new(0);
    let rebuilt = rebuild::rebuild(&l1, &rollup, args.deployed, |batch, last| {
        bar.set_length(last);
        bar.set_position(batch);
    });
    let rebuilt = rebuilt.await.map_err(rejected)?;
    bar.finish_and_clear();
    let state = &rebuilt.state;
    if let Some(path) = &args.accounts {
        let accounts: Vec<_> = state
            .accounts()
            .iter()
            .enumerate()
            .map(|(index, account)| {
                json!({
                    "index": index,
                    "address": account.address.to_string(),
                    "nonce": account.nonce,
                    "balance": account.balance.to_string(),
                    "leaf": hex_word(&account.leaf()),
                })
            })
            .collect();
        std::fs::write(path, serde_json::to_string_pretty(&accounts).unwrap_or_default())
            .map_err(|error| CliError::Unusable(format!("{} cannot be written: {error}", path.display())))?;
    }
    let value = json!({
        "rollup": args.rollup.to_string(),
        "chain_id": chain_id,
        "batch": rebuilt.batch,
        "state_root": hex_word(&state.root()),
        "chain_digest": hex_word(&rebuilt.digest),
        "accounts": state.next(),
        "tree_root": format!("0x{}", hex(&starling_rollup::chain::word_bytes(&state.tree().root()))),
    });
    print(args.json, &value, || {
        format!(
            "batch {} of the rollup {}: {} accounts\nstate root {}, as proven on L1",
            rebuilt.batch,
            args.rollup,
            state.next(),
            hex_word(&state.root())
        )
    });
    Ok(())
}
