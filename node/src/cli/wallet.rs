//! The commands of users: deposit, transfer, withdraw, claim, balance, status.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;
use starling_rollup::address::{Address, L1Address};
use starling_rollup::transaction::Operation;

use super::CliError;
use super::user::{Password, account_key, l1_client, l1_key, print, rejected, rpc_client, runtime, unusable};
use crate::client::{self, User, UserError};
use crate::l1::L1;
use crate::l1::rollup::Rollup;
use crate::rpc::{ApiClient, Stage};

const DEPOSIT_EXAMPLES: &str = "Examples:
  starling deposit --l1 URL --rollup 0x5fbd...0aa3 --l1-key me-l1.json --to star1... --amount 1000000
The amount is in gwei (1 ETH is 1000000000).";
const TRANSFER_EXAMPLES: &str = "Examples:
  starling transfer --rpc URL --key alice.json --to 17 --amount 250000
  starling transfer --rpc URL --key alice.json --to star1... --amount 250000 --fee 3000 --wait proven
An address that no account has yet gets one. Amounts are in gwei.";
const WITHDRAW_EXAMPLES: &str = "Examples:
  starling withdraw --rpc URL --key alice.json --to 0x7099...79c8 --amount 250000 --wait proven
  starling claim --rpc URL --l1 URL --l1-key me-l1.json --transaction 0x...";

#[derive(Debug, Subcommand)]
pub(crate) enum WalletCommand {
    /// Deposit ETH from L1.
    #[command(after_help = DEPOSIT_EXAMPLES)]
    Deposit(DepositArgs),
    /// Transfer to another account, or to an address, which is given an account if it has none.
    #[command(after_help = TRANSFER_EXAMPLES)]
    Transfer(TransferArgs),
    /// Withdraw to an L1 address; claim it there once the batch is proven.
    #[command(after_help = WITHDRAW_EXAMPLES)]
    Withdraw(WithdrawArgs),
    /// Claim a withdrawal on L1.
    Claim(ClaimArgs),
    /// Show an account.
    Balance(BalanceArgs),
    /// Show an operator, or how far a transaction has come.
    Status(StatusArgs),
}

#[derive(Debug, Args)]
pub(crate) struct DepositArgs {
    /// L1's HTTP endpoint.
    #[arg(long, value_name = "URL")]
    l1: String,
    /// The rollup contract.
    #[arg(long, value_name = "ADDRESS")]
    rollup: L1Address,
    /// Key file of the L1 account that pays.
    #[arg(long, value_name = "FILE")]
    l1_key: PathBuf,
    /// The address that gets the deposit.
    #[arg(long, value_name = "ADDRESS")]
    to: Address,
    /// The account that gets it, if it exists already; otherwise a new one is opened.
    #[arg(long)]
    index: Option<u32>,
    /// Gwei.
    #[arg(long)]
    amount: u64,
    #[command(flatten)]
    password: Password,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// How an operation is sent.
#[derive(Debug, Args)]
pub(crate) struct SendArgs {
    /// The operator's JSON-RPC.
    #[arg(long, value_name = "URL")]
    rpc: String,
    /// The sender's key file.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The fee in gwei; what the operator quotes by default.
    #[arg(long)]
    fee: Option<u64>,
    /// Wait until the transaction is `soft` (in a signed block, revocable), `committed` or `proven`.
    #[arg(long, value_name = "STAGE", value_parser = parse_stage)]
    wait: Option<Stage>,
    #[command(flatten)]
    password: Password,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TransferArgs {
    /// The recipient: an account's index, or an address.
    #[arg(long, value_name = "INDEX|ADDRESS")]
    to: String,
    /// Gwei.
    #[arg(long)]
    amount: u64,
    #[command(flatten)]
    send: SendArgs,
}

#[derive(Debug, Args)]
pub(crate) struct WithdrawArgs {
    /// Who may claim on L1.
    #[arg(long, value_name = "ADDRESS")]
    to: L1Address,
    /// Gwei.
    #[arg(long)]
    amount: u64,
    #[command(flatten)]
    send: SendArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ClaimArgs {
    /// The operator's JSON-RPC, which is asked for the Merkle proof.
    #[arg(long, value_name = "URL")]
    rpc: String,
    /// L1's HTTP endpoint.
    #[arg(long, value_name = "URL")]
    l1: String,
    /// Key file of the L1 account that pays the gas; the money goes to the withdrawal's recipient.
    #[arg(long, value_name = "FILE")]
    l1_key: PathBuf,
    /// The withdrawal's id.
    #[arg(long, value_name = "ID")]
    transaction: String,
    #[command(flatten)]
    password: Password,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct BalanceArgs {
    /// The operator's JSON-RPC.
    #[arg(long, value_name = "URL")]
    rpc: String,
    /// The address.
    #[arg(long, value_name = "ADDRESS", required_unless_present = "index")]
    address: Option<Address>,
    /// The account's index.
    #[arg(long, conflicts_with = "address")]
    index: Option<u32>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// The operator's JSON-RPC.
    #[arg(long, value_name = "URL")]
    rpc: String,
    /// A transaction.
    #[arg(long, value_name = "ID")]
    transaction: Option<String>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

fn parse_stage(text: &str) -> Result<Stage, String> {
    match text {
        "soft" => Ok(Stage::Soft),
        "committed" => Ok(Stage::Committed),
        "proven" => Ok(Stage::Proven),
        _ => Err("soft, committed or proven is expected".to_owned()),
    }
}

/// Runs the command.
pub(crate) fn run(command: WalletCommand) -> Result<(), CliError> {
    runtime()?.block_on(async {
        match command {
            WalletCommand::Deposit(args) => deposit(&args).await,
            WalletCommand::Transfer(args) => transfer(&args).await,
            WalletCommand::Withdraw(args) => {
                let (recipient, amount) = (args.to, args.amount);
                send(&args.send, async |_| Ok(Operation::Withdraw { recipient, amount })).await
            }
            WalletCommand::Claim(args) => claim(&args).await,
            WalletCommand::Balance(args) => balance(&args).await,
            WalletCommand::Status(args) => status(&args).await,
        }
    })
}

fn refused(error: UserError) -> CliError {
    match error {
        UserError::Operator(jsonrpsee::core::ClientError::Call(_)) => rejected(error),
        UserError::Operator(_) => unusable(error),
        other => rejected(other),
    }
}

async fn deposit(args: &DepositArgs) -> Result<(), CliError> {
    let key = l1_key(&args.l1_key, &args.password)?;
    let l1 = l1_client(&args.l1, Some(key)).await?;
    let rollup = Rollup::new(&l1, args.rollup);
    let fee = rollup.constants().await.map_err(unusable)?.queue_fee;
    let receipt = match args.index {
        Some(index) => rollup.deposit_to(index, &args.to, args.amount, fee).await,
        None => rollup.deposit(&args.to, args.amount, fee).await,
    };
    let receipt = receipt.map_err(rejected)?;
    let hash = format!("0x{}", crate::l1::hex(&receipt.hash));
    let value = json!({ "l1_transaction": hash, "block": receipt.block, "gas": receipt.gas });
    print(args.json, &value, || {
        format!("queued in L1 block {} by transaction {hash}", receipt.block)
    });
    Ok(())
}

async fn transfer(args: &TransferArgs) -> Result<(), CliError> {
    let amount = args.amount;
    send(&args.send, async |user: &User<'_>| {
        if let Ok(to) = args.to.parse::<u32>() {
            let account = user.rpc.account(to).await.map_err(|error| refused(error.into()))?;
            let account = account.ok_or_else(|| rejected(format!("there is no account {to}")))?;
            let address = account.address.parse().map_err(unusable)?;
            return Ok(Operation::Transfer { to, address, amount });
        }
        let address: Address = args.to.parse().map_err(unusable)?;
        let known = user
            .rpc
            .accounts_of(address.to_string())
            .await
            .map_err(|error| refused(error.into()))?;
        Ok(match known.first() {
            Some(to) => Operation::Transfer {
                to: *to,
                address,
                amount,
            },
            None => Operation::Open { address, amount },
        })
    })
    .await
}

async fn send(
    args: &SendArgs,
    operation: impl AsyncFnOnce(&User<'_>) -> Result<Operation, CliError>,
) -> Result<(), CliError> {
    let (key, owner) = account_key(&args.key, &args.password)?;
    let rpc = rpc_client(&args.rpc)?;
    let rollup = client::rollup_of(&rpc).await.map_err(refused)?;
    let user = User {
        rpc: &rpc,
        key: &key,
        owner,
        rollup,
    };
    let operation = operation(&user).await?;
    let (id, signed) = user.send(operation, args.fee).await.map_err(refused)?;
    let mut stage = Stage::Pending;
    let mut batch = None;
    if let Some(wanted) = args.wait {
        let status = client::wait_for(&rpc, &id, wanted, Duration::from_secs(3_600))
            .await
            .map_err(refused)?;
        (stage, batch) = (status.stage, status.batch);
    }
    let value = json!({ "transaction": id, "fee": signed.transaction.fee.to_string(), "stage": stage, "batch": batch });
    print(args.json, &value, || {
        let batch = batch.map_or_else(String::new, |batch| format!(" in batch {batch}"));
        let soft = if stage == Stage::Proven {
            ""
        } else {
            "; it can be taken back until it is proven"
        };
        format!(
            "transaction {id}, fee {} gwei: {stage:?}{batch}{soft}",
            signed.transaction.fee
        )
    });
    Ok(())
}

async fn claim(args: &ClaimArgs) -> Result<(), CliError> {
    let key = l1_key(&args.l1_key, &args.password)?;
    let l1 = l1_client(&args.l1, Some(key)).await?;
    let rpc = rpc_client(&args.rpc)?;
    let rollup = client::rollup_of(&rpc).await.map_err(refused)?;
    if rollup.chain_id != l1.chain_id().await.map_err(unusable)? {
        return Err(CliError::Unusable(
            "the operator's rollup is on another chain than --l1".to_owned(),
        ));
    }
    let contract = Rollup::new(&l1, rollup.contract);
    let receipt = client::claim(&rpc, &contract, &args.transaction)
        .await
        .map_err(refused)?;
    let hash = format!("0x{}", crate::l1::hex(&receipt.hash));
    let value = json!({ "l1_transaction": hash, "block": receipt.block, "gas": receipt.gas });
    print(args.json, &value, || {
        format!("paid in L1 block {} by transaction {hash}", receipt.block)
    });
    Ok(())
}

async fn balance(args: &BalanceArgs) -> Result<(), CliError> {
    let rpc = rpc_client(&args.rpc)?;
    let indices = match (&args.index, &args.address) {
        (Some(index), _) => vec![*index],
        (None, Some(address)) => rpc
            .accounts_of(address.to_string())
            .await
            .map_err(|error| refused(error.into()))?,
        (None, None) => Vec::new(),
    };
    let mut accounts = Vec::new();
    for index in indices {
        accounts.extend(rpc.account(index).await.map_err(|error| refused(error.into()))?);
    }
    if accounts.is_empty() {
        return Err(rejected("there is no such account"));
    }
    print(args.json, &json!(accounts), || {
        let line = |account: &crate::rpc::AccountInfo| {
            format!(
                "account {}: {} gwei, nonce {}, after batch {} ({:?}); {} gwei with what waits (revocable)",
                account.index, account.balance, account.nonce, account.batch, account.stage, account.soft_balance
            )
        };
        accounts.iter().map(line).collect::<Vec<_>>().join("\n")
    });
    Ok(())
}

async fn status(args: &StatusArgs) -> Result<(), CliError> {
    let rpc = rpc_client(&args.rpc)?;
    if let Some(id) = &args.transaction {
        let status = rpc
            .transaction(id.clone())
            .await
            .map_err(|error| refused(error.into()))?;
        print(args.json, &json!(status), || {
            let batch = status
                .batch
                .map_or_else(String::new, |batch| format!(", batch {batch}"));
            let reason = status
                .reason
                .as_ref()
                .map_or_else(String::new, |reason| format!(": {}", reason.message));
            format!("{:?}{batch}{reason}", status.stage)
        });
        return Ok(());
    }
    let status = rpc.status().await.map_err(|error| refused(error.into()))?;
    print(args.json, &json!(status), || {
        format!(
            "rollup {} on chain {}, L1 block {}\nbatches: {} sealed, {} committed, {} proven{}\naccounts: {}, waiting transactions: {}{}",
            status.rollup,
            status.chain_id,
            status.l1_block,
            status.sealed,
            status.committed,
            status.proven,
            if status.proving { ", a proof is being made" } else { "" },
            status.accounts,
            status.waiting,
            status
                .trouble
                .as_ref()
                .map_or_else(String::new, |trouble| format!("\nL1: {trouble}")),
        )
    });
    Ok(())
}
