//! The command line.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod devnet;
mod escape;
mod io;
mod key;
mod light;
mod node;
mod onchain;
mod out;
mod progress;
mod stake;
mod user;
mod vm;
mod wallet;

/// Exit code of a command that says no: a run trapped, a proof was refused, outputs differ.
const REJECTED: u8 = 1;
/// Exit code of a command that could not start: wrong usage, or a file that cannot be read.
const UNUSABLE: u8 = 2;

/// Starling: a STARK-native rollup.
#[derive(Debug, Parser)]
#[command(name = "starling", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Assemble, run, prove and verify programs of the machine.
    #[command(subcommand)]
    Vm(vm::VmCommand),
    /// Run an operator, a prover or a full node, or rebuild a rollup's state from L1.
    #[command(subcommand)]
    Node(node::NodeCommand),
    /// Follow a rollup without its state: ask peers, check every answer against L1 or its proofs.
    #[command(after_help = light::EXAMPLES)]
    Light(light::LightArgs),
    /// Make and show keys.
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Be a validator: stake, exit, watch.
    #[command(subcommand)]
    Stake(stake::StakeCommand),
    #[command(flatten)]
    Wallet(wallet::WalletCommand),
    /// Have L1 force an account's exit into the next batches.
    #[command(after_help = escape::FORCE_EXIT_EXAMPLES)]
    ForceExit(escape::ForceExitArgs),
    /// Get everything out with L1 alone: payments, debts, and from a frozen rollup accounts and waiting deposits.
    #[command(after_help = escape::ESCAPE_EXAMPLES)]
    Escape(escape::EscapeArgs),
    /// Run a rollup on a development chain: deposits, transfers, proofs, withdrawals.
    #[command(after_help = devnet::EXAMPLES)]
    Devnet(devnet::DevnetArgs),
}

/// Why a command ended without success.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// The answer is no.
    #[error("{0}")]
    Rejected(String),
    /// The question cannot be asked.
    #[error("{0}")]
    Unusable(String),
}

/// Parses the command line and does what it says.
pub fn run() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Vm(command) => vm::run(command),
        Command::Node(command) => node::run(command),
        Command::Light(args) => light::run(args),
        Command::Key(command) => key::run(command),
        Command::Stake(command) => stake::run(command),
        Command::Wallet(command) => wallet::run(command),
        Command::ForceExit(args) => escape::force_exit(&args),
        Command::Escape(args) => escape::escape(&args),
        Command::Devnet(args) => devnet::run(&args),
    };
    let result = result.and_then(|()| out::failed().map_or(Ok(()), |reason| Err(CliError::Unusable(reason))));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            out::tell!("error: {error}");
            ExitCode::from(match error {
                CliError::Rejected(_) => REJECTED,
                CliError::Unusable(_) => UNUSABLE,
            })
        }
    }
}
