//! `starling force-exit` and `starling escape`: leaving with L1 alone.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use starling_rollup::address::L1Address;
use starling_rollup::transaction::RollupId;

use super::CliError;
use super::user::{Password, account_key, l1_client, l1_key, print, rejected, runtime, unusable};
use crate::cli::out::tell;
use crate::escape::{Assets, Outcome, Why, assets, leave};
use crate::l1::ethers::EthersL1;
use crate::l1::rollup::{GWEI, Rollup};
use crate::l1::{L1, L1Error, hex};

pub(crate) const FORCE_EXIT_EXAMPLES: &str = "Examples:
  starling force-exit --l1 URL --rollup 0x.. --key alice.json --l1-key owner-l1.json --index 7
Whoever commits next must serve the exit, or everybody leaves with `starling escape`. The L1 key must be the account's owner's.";
pub(crate) const ESCAPE_EXAMPLES: &str = "Examples:
  starling escape --l1 URL --rollup 0x.. --key alice.json --l1-key any-l1.json --show
  starling escape --l1 URL --rollup 0x.. --key alice.json --l1-key any-l1.json --freeze
Asks nobody but L1. Everything is paid to the account's L1 owner, whoever sends; sending takes gas. What pays less than its gas
costs is left, unless --all fetches that, too.";

/// Keys and places.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// L1's HTTP endpoint.
    #[arg(long, value_name = "URL")]
    l1: String,
    /// The rollup contract.
    #[arg(long, value_name = "ADDRESS")]
    rollup: L1Address,
    /// The account's key file.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Key file of the L1 account that sends.
    #[arg(long, value_name = "FILE")]
    l1_key: PathBuf,
    #[command(flatten)]
    password: Password,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ForceExitArgs {
    #[command(flatten)]
    common: Common,
    /// The account's index.
    #[arg(long)]
    index: u32,
}

#[derive(Debug, Args)]
pub(crate) struct EscapeArgs {
    #[command(flatten)]
    common: Common,
    /// The block in which the rollup was deployed: its history is read from there.
    #[arg(long, value_name = "BLOCK", default_value_t = 0)]
    deployed: u64,
    /// Freeze the rollup first, if the queue has waited for long enough.
    #[arg(long)]
    freeze: bool,
    /// Fetch what pays less than its gas costs, too.
    #[arg(long)]
    all: bool,
    /// Only show what there is.
    #[arg(long, conflicts_with_all = ["freeze", "all"])]
    show: bool,
}

/// The contract's answer, or that it cannot be asked.
fn refused(error: L1Error) -> CliError {
    match error {
        L1Error::Reverted { .. } => rejected(error),
        error => unusable(error),
    }
}

async fn sender(common: &Common) -> Result<EthersL1, CliError> {
    let key = l1_key(&common.l1_key, &common.password)?;
    l1_client(&common.l1, Some(key)).await
}

/// Queues an exit.
pub(crate) fn force_exit(args: &ForceExitArgs) -> Result<(), CliError> {
    runtime()?.block_on(async {
        let common = &args.common;
        let (key, owner) = account_key(&common.key, &common.password)?;
        let l1 = sender(common).await?;
        if l1.sender() != owner {
            return Err(CliError::Unusable(format!(
                "the account's owner is {owner}, --l1-key is {}: only the owner can force an exit",
                l1.sender()
            )));
        }
        let contract = Rollup::new(&l1, common.rollup);
        let fee = contract.constants().await.map_err(refused)?.queue_fee;
        let receipt = contract
            .force_exit(args.index, key.public_key(), fee)
            .await
            .map_err(refused)?;
        let value = json!({
            "index": args.index,
            "owner": owner.to_string(),
            "fee_wei": fee.to_string(),
            "transaction": format!("0x{}", hex(&receipt.hash)),
        });
        print(common.json, &value, || {
            format!(
                "the exit of account {} is queued; its payment can be claimed once it is proven",
                args.index
            )
        });
        Ok(())
    })
}

/// Freezes the rollup. Batches that nobody proved in time are dropped first: while they wait, so does the queue.
async fn freeze(contract: &Rollup<'_>) -> Result<(), CliError> {
    let progress = contract.progress().await.map_err(refused)?;
    if progress.frozen {
        return Ok(());
    }
    if progress.proven < progress.committed {
        match contract.prune().await {
            Ok(_) | Err(L1Error::Reverted { .. }) => {}
            Err(error) => return Err(unusable(error)),
        }
    }
    match contract.freeze().await {
        Ok(_) => Ok(()),
        Err(L1Error::Reverted { error, .. }) if error.starts_with("Rollup__NothingAbandoned") => {
            Err(CliError::Rejected(
                "the rollup cannot be frozen yet: no entry of the queue has waited for its freeze window, or batches are being \
                 proven. `starling force-exit` puts one there"
                    .to_owned(),
            ))
        }
        Err(error) => Err(refused(error)),
    }
}

/// Shows and fetches what can be got out.
pub(crate) fn escape(args: &EscapeArgs) -> Result<(), CliError> {
    runtime()?.block_on(async {
        let common = &args.common;
        let (key, owner) = account_key(&common.key, &common.password)?;
        let l1 = sender(common).await?;
        let contract = Rollup::new(&l1, common.rollup);
        let constants = contract.constants().await.map_err(refused)?;
        if args.freeze {
            freeze(&contract).await?;
        }
        let rollup = RollupId {
            chain_id: l1.chain_id().await.map_err(unusable)?,
            contract: common.rollup,
        };
        let bar = indicatif::ProgressBar::new(0);
        let public = Some(key.public_key());
        let found = assets(&l1, &rollup, args.deployed, public, owner, |batch, last| {
            bar.set_length(last);
            bar.set_position(batch);
        });
        let found = found.await.map_err(rejected)?;
        bar.finish_and_clear();
        let outcome = if args.show {
            Outcome::default()
        } else {
            let told = |done: &crate::escape::Done| tell!("{}: {} wei", done.what, done.wei);
            leave(&contract, &found, public, owner, constants.queue_fee, args.all, told)
                .await
                .map_err(refused)?
        };
        let paid: u128 = outcome.done.iter().map(|done| done.wei).sum();
        let value = json!({
            "owner": owner.to_string(),
            "frozen": found.progress.frozen,
            "accounts": found.exits.iter().map(|exit| json!({
                "index": exit.path.index,
                "gwei": exit.account.balance.to_string(),
            })).collect::<Vec<_>>(),
            "payments": found.payments.iter().map(|payment| json!({
                "batch": payment.batch,
                "position": payment.position,
                "gwei": payment.amount.to_string(),
            })).collect::<Vec<_>>(),
            "entries": found.refunds.iter().map(|(number, _)| *number).collect::<Vec<_>>(),
            "owed_wei": found.owed.to_string(),
            "done": outcome.done.iter().map(|done| json!({
                "what": done.what,
                "wei": done.wei.to_string(),
                "gas": done.gas,
            })).collect::<Vec<_>>(),
            "left": outcome.left.iter().map(|left| json!({
                "what": left.what,
                "wei": left.wei.to_string(),
                "dust": matches!(left.why, Why::Dust { .. }),
                "why": left.why.to_string(),
            })).collect::<Vec<_>>(),
            "paid_wei": paid.to_string(),
        });
        print(common.json, &value, || text(&found, &outcome, paid, args.show));
        if let Some(first) = outcome.failed().next() {
            return Err(CliError::Rejected(format!(
                "{} of {} could not be fetched; the first, {}: {}. The same command tries again what is left",
                outcome.failed().count(),
                outcome.done.len() + outcome.left.len(),
                first.what,
                first.why
            )));
        }
        let stays = !found.exits.is_empty() || !found.refunds.is_empty();
        if stays && !args.show && !found.progress.frozen {
            return Err(CliError::Rejected(
                "the rollup is not frozen: accounts and waiting deposits stay in it. Withdraw through an operator, force an exit \
                 with `starling force-exit`, or, if the queue is not served, add --freeze"
                    .to_owned(),
            ));
        }
        Ok(())
    })
}

fn text(found: &Assets, outcome: &Outcome, paid: u128, show: bool) -> String {
    let state = if found.progress.frozen { "frozen" } else { "running" };
    let mut lines = vec![format!(
        "the rollup is {state}, batch {} is proven",
        found.progress.proven
    )];
    for exit in &found.exits {
        lines.push(format!(
            "account {:<10} {:>20} gwei",
            exit.path.index, exit.account.balance
        ));
    }
    for payment in &found.payments {
        let place = format!("{}/{}", payment.batch, payment.position);
        lines.push(format!("payment {place:<10} {:>20} gwei", payment.amount));
    }
    for (number, _) in &found.refunds {
        lines.push(format!("entry   {number:<10} not consumed"));
    }
    lines.push(format!("owed    {:<10} {:>20} gwei", "", found.owed / GWEI));
    for left in &outcome.left {
        lines.push(format!("left    {}, {} gwei: {}", left.what, left.wei / GWEI, left.why));
    }
    if outcome.left.iter().any(|left| matches!(left.why, Why::Dust { .. })) {
        lines.push("--all fetches what pays less than its gas costs, too".to_owned());
    }
    if !show {
        lines.push(format!("paid    {:<10} {:>20} gwei", "", paid / GWEI));
    }
    lines.join("\n")
}
