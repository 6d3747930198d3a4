//! The commands of validators: register, top-up, exit, settle, withdraw, status, watch.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use starling_rollup::address::L1Address;
use starling_rollup::schedule::STAKE_UNIT;
use tokio::time::sleep;

use super::CliError;
use super::user::{Password, l1_client, l1_key, print, rejected, runtime, unusable};
use crate::l1::abi::from_hex;
use crate::l1::ethers::EthersL1;
use crate::l1::rollup::{GWEI, Rollup};
use crate::l1::staking::{Staking, StakingConstants, StakingEvent, Validator};
use crate::l1::{L1, L1Error, Receipt, hex};

const REGISTER_EXAMPLES: &str = "Examples:
  starling stake register --l1 URL --rollup 0x.. --l1-key operator-l1.json --beneficiary 0xCOLD \\
      --amount 32000000000 --fee-account 7 --peer-key 0x..
The amount is in gwei (32 ETH is 32000000000). The stake comes back to the beneficiary alone: use a key that is not on this
machine. The operator's own key commits and signs blocks.";
/// Slots that `status` looks ahead at most.
const LOOK_AHEAD: u64 = 64;
const STATUS_EXAMPLES: &str = "Examples:
  starling stake status --l1 URL --rollup 0x.. --operator 0x..
  starling stake watch  --l1 URL --rollup 0x.. --operator 0x.. --json";

#[derive(Debug, Subcommand)]
pub(crate) enum StakeCommand {
    /// Become a validator: stake ETH behind an L1 key.
    #[command(after_help = REGISTER_EXAMPLES)]
    Register(RegisterArgs),
    /// Add to a validator's stake.
    TopUp(TopUpArgs),
    /// Change the account that fees go to, and the libp2p key.
    Contact(ContactArgs),
    /// Start a validator's exit; its operator's or beneficiary's key signs.
    Exit(OperatorArgs),
    /// Carry out an entry or an exit that had to wait for room.
    Settle(OperatorArgs),
    /// Pay a stake that is free to its beneficiary.
    Withdraw(OperatorArgs),
    /// Show a validator, the clock, and the slots that it leads.
    #[command(after_help = STATUS_EXAMPLES)]
    Status(StatusArgs),
    /// Tell what happens, slot by slot: leaders, slashes, jails, exits.
    #[command(after_help = STATUS_EXAMPLES)]
    Watch(WatchArgs),
}

/// Which rollup.
#[derive(Debug, Args)]
pub(crate) struct Where {
    /// L1's HTTP endpoint.
    #[arg(long, value_name = "URL")]
    l1: String,
    /// The rollup contract.
    #[arg(long, value_name = "ADDRESS")]
    rollup: L1Address,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Who sends.
#[derive(Debug, Args)]
pub(crate) struct Sender {
    /// Key file of the L1 account that sends.
    #[arg(long, value_name = "FILE")]
    l1_key: PathBuf,
    #[command(flatten)]
    password: Password,
}

#[derive(Debug, Args)]
pub(crate) struct RegisterArgs {
    #[command(flatten)]
    place: Where,
    #[command(flatten)]
    sender: Sender,
    /// Who gets the stake back. It cannot be changed.
    #[arg(long, value_name = "ADDRESS")]
    beneficiary: L1Address,
    /// The stake in gwei.
    #[arg(long, value_name = "GWEI")]
    amount: u64,
    #[command(flatten)]
    contact: Contact,
}

/// What others need to know of a validator.
#[derive(Debug, Args)]
pub(crate) struct Contact {
    /// Index of the account that gets its fees.
    #[arg(long, value_name = "INDEX")]
    fee_account: u32,
    /// Its libp2p key: the 32 bytes of an ed25519 public key.
    #[arg(long, value_name = "HEX", value_parser = parse_key)]
    peer_key: [u8; 32],
}

#[derive(Debug, Args)]
pub(crate) struct ContactArgs {
    #[command(flatten)]
    place: Where,
    #[command(flatten)]
    sender: Sender,
    #[command(flatten)]
    contact: Contact,
}

#[derive(Debug, Args)]
pub(crate) struct TopUpArgs {
    #[command(flatten)]
    place: Where,
    #[command(flatten)]
    sender: Sender,
    /// The validator; the sender by default.
    #[arg(long, value_name = "ADDRESS")]
    operator: Option<L1Address>,
    /// Gwei to add.
    #[arg(long, value_name = "GWEI")]
    amount: u64,
}

#[derive(Debug, Args)]
pub(crate) struct OperatorArgs {
    #[command(flatten)]
    place: Where,
    #[command(flatten)]
    sender: Sender,
    /// The validator; the sender by default.
    #[arg(long, value_name = "ADDRESS")]
    operator: Option<L1Address>,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    place: Where,
    /// The validator.
    #[arg(long, value_name = "ADDRESS")]
    operator: L1Address,
}

#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    #[command(flatten)]
    place: Where,
    /// Marks what concerns this validator.
    #[arg(long, value_name = "ADDRESS")]
    operator: Option<L1Address>,
    /// End after so many lines; 0 for never.
    #[arg(long, default_value_t = 0)]
    lines: u64,
}

fn parse_key(text: &str) -> Result<[u8; 32], String> {
    from_hex(text)
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| "0x and 64 hexadecimal digits are expected".to_owned())
}

/// Runs the command.
pub(crate) fn run(command: StakeCommand) -> Result<(), CliError> {
    runtime()?.block_on(async {
        match command {
            StakeCommand::Register(args) => register(&args).await,
            StakeCommand::TopUp(args) => {
                let value = u128::from(args.amount) * GWEI;
                send(
                    &args.place,
                    &args.sender,
                    args.operator,
                    "added to the stake",
                    async |staking, operator| staking.top_up(operator, value).await,
                )
                .await
            }
            StakeCommand::Contact(args) => {
                let Contact { fee_account, peer_key } = args.contact;
                send(
                    &args.place,
                    &args.sender,
                    None,
                    "contact changed",
                    async |staking, _| staking.set_contact(fee_account, peer_key).await,
                )
                .await
            }
            StakeCommand::Exit(args) => {
                send(
                    &args.place,
                    &args.sender,
                    args.operator,
                    "the exit has begun",
                    async |staking, operator| staking.request_exit(operator).await,
                )
                .await
            }
            StakeCommand::Settle(args) => {
                send(
                    &args.place,
                    &args.sender,
                    args.operator,
                    "settled",
                    async |staking, operator| staking.settle(operator).await,
                )
                .await
            }
            StakeCommand::Withdraw(args) => {
                send(
                    &args.place,
                    &args.sender,
                    args.operator,
                    "the stake is paid out",
                    async |staking, operator| staking.withdraw(operator).await,
                )
                .await
            }
            StakeCommand::Status(args) => status(&args).await,
            StakeCommand::Watch(args) => watch(&args).await,
        }
    })
}

/// The contract's answer, or that it cannot be asked.
fn refused(error: L1Error) -> CliError {
    match error {
        L1Error::Reverted { .. } => rejected(error),
        error => unusable(error),
    }
}

async fn staking_of(l1: &EthersL1, rollup: L1Address) -> Result<L1Address, CliError> {
    let constants = Rollup::new(l1, rollup).constants().await.map_err(refused)?;
    Ok(constants.staking)
}

async fn connect(place: &Where, sender: &Sender) -> Result<(EthersL1, L1Address), CliError> {
    let key = l1_key(&sender.l1_key, &sender.password)?;
    let l1 = l1_client(&place.l1, Some(key)).await?;
    let staking = staking_of(&l1, place.rollup).await?;
    Ok((l1, staking))
}

async fn register(args: &RegisterArgs) -> Result<(), CliError> {
    let (l1, address) = connect(&args.place, &args.sender).await?;
    let staking = Staking::new(&l1, address);
    let constants = staking.constants().await.map_err(refused)?;
    let value = u128::from(args.amount) * GWEI;
    if value < constants.min_stake {
        return Err(CliError::Rejected(format!(
            "a validator stakes {} gwei at least; --amount is {}",
            constants.min_stake / GWEI,
            args.amount
        )));
    }
    let Contact { fee_account, peer_key } = args.contact;
    let receipt = staking
        .register(args.beneficiary, fee_account, peer_key, value)
        .await
        .map_err(refused)?;
    tell(&args.place, &staking, l1.sender(), &receipt, "registered").await
}

/// Sends something about a validator, and tells how it stands then.
async fn send(
    place: &Where,
    sender: &Sender,
    operator: Option<L1Address>,
    what: &str,
    action: impl AsyncFnOnce(&Staking<'_>, L1Address) -> Result<Receipt, L1Error>,
) -> Result<(), CliError> {
    let (l1, address) = connect(place, sender).await?;
    let staking = Staking::new(&l1, address);
    let operator = operator.unwrap_or(l1.sender());
    let receipt = action(&staking, operator).await.map_err(refused)?;
    tell(place, &staking, operator, &receipt, what).await
}

async fn tell(
    place: &Where,
    staking: &Staking<'_>,
    operator: L1Address,
    receipt: &Receipt,
    what: &str,
) -> Result<(), CliError> {
    let constants = staking.constants().await.map_err(refused)?;
    let validator = staking.validator(operator).await.map_err(refused)?;
    let found = describe(&constants, validator.as_ref());
    let value = json!({
        "operator": operator.to_string(),
        "transaction": format!("0x{}", hex(&receipt.hash)),
        "gas": receipt.gas,
        "validator": found,
    });
    print(place.json, &value, || {
        let stake = found["stake_gwei"].as_str().unwrap_or("0");
        let state = found["state"].as_str().unwrap_or_default();
        format!(
            "{what}: {operator} is {state}, stake {stake} gwei ({} gas)",
            receipt.gas
        )
    });
    Ok(())
}

/// A validator for programs to read.
fn describe(constants: &StakingConstants, validator: Option<&Validator>) -> Value {
    let Some(v) = validator else {
        return json!({ "state": "no validator", "stake_gwei": "0" });
    };
    let clock = &constants.clock;
    let waiting = u128::from(v.waiting) * STAKE_UNIT;
    let state = match v {
        Validator { ejected: true, .. } => "ejected",
        Validator { exit: 1.., .. } => "leaving",
        _ if waiting >= v.stake => "entering",
        _ => "in office",
    };
    json!({
        "state": state,
        "stake_gwei": (v.stake / GWEI).to_string(),
        "waiting_gwei": (waiting / GWEI).to_string(),
        "counts_from_epoch": v.entry,
        "index": v.index,
        "beneficiary": v.beneficiary.to_string(),
        "exit_epoch": (v.exit != 0).then_some(v.exit),
        "exit_time": (v.exit != 0).then(|| clock.epoch_start(v.exit) + constants.exit_delay),
        "jailed_until": (v.jailed_until != 0).then_some(v.jailed_until),
        "free_at": (v.free != 0).then_some(v.free),
    })
}

// STATUS
// ================================================================================================================

async fn status(args: &StatusArgs) -> Result<(), CliError> {
    let l1 = l1_client(&args.place.l1, None).await?;
    let rollup = Rollup::new(&l1, args.place.rollup);
    let address = staking_of(&l1, args.place.rollup).await?;
    let staking = Staking::new(&l1, address);
    let constants = staking.constants().await.map_err(refused)?;
    let clock = constants.clock;
    let validator = staking.validator(args.operator).await.map_err(refused)?;
    let now = l1.head().await.map_err(refused)?.timestamp;
    let slot = clock.slot_at(now);
    let epoch = clock.epoch_of(slot);
    let mut leads = Vec::new();
    for slot in slot..((epoch + 2) * clock.slots).min(slot + LOOK_AHEAD) {
        match staking.leader(slot).await {
            Ok(leader) if leader == Some(args.operator) => leads.push(slot),
            Ok(_) => {}
            // The next epoch's seed is not there yet.
            Err(L1Error::Reverted { .. }) => break,
            Err(error) => return Err(refused(error)),
        }
    }
    let owed =
        staking.owed(args.operator).await.map_err(refused)? + rollup.owed(args.operator).await.map_err(refused)?;
    let found = describe(&constants, validator.as_ref());
    let value = json!({
        "operator": args.operator.to_string(),
        "staking": address.to_string(),
        "validator": found,
        "slot": slot,
        "epoch": epoch,
        "slot_seconds": clock.slot,
        "leads": leads,
        "next_turn": leads.first().map(|slot| clock.slot_start(*slot)),
        "owed_wei": owed.to_string(),
    });
    print(args.place.json, &value, || {
        let text = |name: &str| match &found[name] {
            Value::String(text) => text.clone(),
            Value::Null => "-".to_owned(),
            other => other.to_string(),
        };
        let turns: Vec<String> = leads
            .iter()
            .map(|slot| format!("{slot} (in {} s)", clock.slot_start(*slot).saturating_sub(now)))
            .collect();
        let turns = if turns.is_empty() {
            "-".to_owned()
        } else {
            turns.join(", ")
        };
        [
            ("operator", args.operator.to_string()),
            ("state", text("state")),
            ("stake", format!("{} gwei", text("stake_gwei"))),
            ("not counting yet", format!("{} gwei", text("waiting_gwei"))),
            ("counts from epoch", text("counts_from_epoch")),
            ("beneficiary", text("beneficiary")),
            ("exit epoch", text("exit_epoch")),
            ("free at", text("free_at")),
            ("jailed until", text("jailed_until")),
            ("slot, epoch", format!("{slot}, {epoch}")),
            ("leads slots", turns),
            ("owed", format!("{owed} wei")),
        ]
        .map(|(name, value)| format!("{name:18} {value}"))
        .join("\n")
    });
    Ok(())
}

// WATCH
// ================================================================================================================

async fn watch(args: &WatchArgs) -> Result<(), CliError> {
    let l1 = l1_client(&args.place.l1, None).await?;
    let staking = Staking::new(&l1, staking_of(&l1, args.place.rollup).await?);
    let clock = staking.constants().await.map_err(refused)?.clock;
    let mut seen = l1.head().await.map_err(refused)?.number;
    let (mut last, mut told) = (None, 0);
    loop {
        let head = l1.head().await.map_err(refused)?;
        let mut lines = Vec::new();
        let slot = clock.slot_at(head.timestamp);
        if last != Some(slot) {
            last = Some(slot);
            let leader = staking.leader(slot).await.map_err(refused)?;
            let name = leader.map_or("nobody".to_owned(), |leader| leader.to_string());
            lines.push((
                leader,
                json!({ "slot": slot, "epoch": clock.epoch_of(slot), "leader": leader.map(|l| l.to_string()) }),
                format!("slot {slot} of epoch {}: {name} leads", clock.epoch_of(slot)),
            ));
        }
        if head.number > seen {
            for (block, event) in staking.events(seen + 1, head.number).await.map_err(refused)? {
                lines.extend(line(block, &event));
            }
            seen = head.number;
        }
        for (whose, value, text) in lines {
            let mine = whose.is_some() && whose == args.operator;
            print(args.place.json, &value, || {
                format!("{}{text}", if mine { "* " } else { "  " })
            });
            told += 1;
            if told == args.lines {
                return Ok(());
            }
        }
        sleep(Duration::from_millis(500)).await;
    }
}

/// What an event says, for programs and for people.
fn line(block: u64, event: &StakingEvent) -> Option<(Option<L1Address>, Value, String)> {
    let (operator, what, text) = match event {
        StakingEvent::Registered { operator, index } => (operator, "registered", format!("as number {index}")),
        StakingEvent::Exiting { operator, free } => (operator, "exiting", format!("free at {free}")),
        StakingEvent::Slashed {
            operator,
            amount,
            reporter,
            ejected,
        } => {
            let out = if *ejected { ", thrown out" } else { "" };
            (
                operator,
                "slashed",
                format!("{amount} wei{out}, reported by {reporter}"),
            )
        }
        StakingEvent::Jailed { operator, until } => (operator, "jailed", format!("until {until}")),
        StakingEvent::Withdrawn { operator, amount } => (operator, "withdrawn", format!("{amount} wei")),
        StakingEvent::Contact { .. } | StakingEvent::Weight { .. } | StakingEvent::Seeded { .. } => return None,
    };
    Some((
        Some(*operator),
        json!({ "block": block, "event": what, "operator": operator.to_string(), "detail": text }),
        format!("block {block}: {operator} {what}, {text}"),
    ))
}
