//! `starling key`: key files.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;
use starling_rollup::address::{Address, L1Address};
use starling_rollup::keyfile::{Cost, Holder, KeyFile};
use starling_rollup::l1_key::L1Key;
use starling_rollup::transaction::RollupId;
use starling_rollup::wallet;
use starling_vm::schnorr::SecretKey;

use super::CliError;
use super::user::{Password, print, unusable};
use crate::cli::out::say;
use crate::l1::abi::from_hex;

const EXAMPLES: &str = "Examples:
  STARLING_PASSWORD=... starling key new --owner 0x7099...79c8 --out alice.json
  STARLING_PASSWORD=... starling key new --l1 --out operator-l1.json
  starling key show alice.json
  starling key peer --file p2p.key
  starling key from-wallet --chain-id 1 --rollup 0x5fbd...0aa3
  starling key from-wallet --chain-id 1 --rollup 0x5fbd...0aa3 --signature 0x.. --signature 0x.. --out alice.json";

/// Make and show keys.
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum KeyCommand {
    /// Make a key from the system's randomness and keep it in an encrypted file.
    New(NewArgs),
    /// Show whose key a file holds. The password is not needed.
    Show(ShowArgs),
    /// Show a node's key on the network, as `starling stake register` takes it; makes the file if there is none.
    Peer(PeerArgs),
    /// Make a key from an Ethereum wallet's signature: without signatures, print what the wallet must sign (twice).
    FromWallet(FromWalletArgs),
}

#[derive(Debug, Args)]
pub(crate) struct NewArgs {
    /// The L1 address that owns the account: it can force it out, and gets its money if the rollup freezes.
    #[arg(long, value_name = "ADDRESS", required_unless_present = "l1")]
    owner: Option<L1Address>,
    /// Make an L1 key instead.
    #[arg(long, conflicts_with = "owner")]
    l1: bool,
    /// Where the key file goes.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    password: Password,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The key file.
    file: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PeerArgs {
    /// The node's key file, `p2p_key` of its configuration.
    #[arg(long, value_name = "FILE", default_value = "p2p.key")]
    file: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct FromWalletArgs {
    /// L1's chain id.
    #[arg(long)]
    chain_id: u64,
    /// The rollup contract.
    #[arg(long, value_name = "ADDRESS")]
    rollup: L1Address,
    /// The number of the key: a wallet can have several.
    #[arg(long, default_value_t = 0)]
    number: u32,
    /// A signature of the wallet over the printed request. Give it twice: the wallet signs twice, and both must be equal.
    #[arg(long, value_name = "HEX", requires = "out")]
    signature: Vec<String>,
    /// Where the key file goes.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    password: Password,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(command: KeyCommand) -> Result<(), CliError> {
    match command {
        KeyCommand::New(args) => new(&args),
        KeyCommand::Show(args) => {
            let file = KeyFile::read(&args.file).map_err(unusable)?;
            show(file.holder(), args.json);
            Ok(())
        }
        KeyCommand::Peer(args) => peer(&args),
        KeyCommand::FromWallet(args) => from_wallet(&args),
    }
}

fn peer(args: &PeerArgs) -> Result<(), CliError> {
    let public = starling_p2p::key::load_or_create(&args.file)
        .map_err(unusable)?
        .public();
    let id = public.to_peer_id();
    let key = public.try_into_ed25519().map_err(unusable)?.to_bytes();
    let key = format!("0x{}", crate::l1::hex(&key));
    print(
        args.json,
        &json!({ "peer_id": id.to_string(), "peer_key": key }),
        || format!("peer id  {id}\npeer key {key}"),
    );
    Ok(())
}

/// 32 bytes of the system's randomness.
pub(crate) fn random() -> Result<[u8; 32], CliError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(unusable)?;
    Ok(bytes)
}

fn new(args: &NewArgs) -> Result<(), CliError> {
    let password = args.password.read()?;
    let file = match args.owner {
        Some(owner) => KeyFile::seal_account(&SecretKey::derive(&random()?), owner, &password, Cost::default()),
        None => KeyFile::seal_l1(
            &L1Key::from_bytes(&random()?).map_err(unusable)?,
            &password,
            Cost::default(),
        ),
    };
    let file = file.map_err(unusable)?;
    file.create(&args.out).map_err(unusable)?;
    show(file.holder(), args.json);
    Ok(())
}

fn show(holder: Holder, json: bool) {
    match holder {
        Holder::Account { address, owner } => {
            let value = json!({ "address": address.to_string(), "owner": owner.to_string() });
            print(json, &value, || format!("address {address}\nowner   {owner}"));
        }
        Holder::L1(address) => {
            print(json, &json!({ "l1_address": address.to_string() }), || {
                format!("L1 address {address}")
            });
        }
    }
}

fn from_wallet(args: &FromWalletArgs) -> Result<(), CliError> {
    let rollup = RollupId {
        chain_id: args.chain_id,
        contract: args.rollup,
    };
    let [first, second] = &args.signature[..] else {
        if !args.signature.is_empty() {
            return Err(CliError::Unusable(
                "two signatures are needed: give --signature twice".to_owned(),
            ));
        }
        say!("{}", wallet::request(&rollup, args.number).to_json());
        return Ok(());
    };
    let bytes = |text: &String| {
        from_hex(text).ok_or_else(|| CliError::Unusable(format!("{text:?} is not 0x and hexadecimal digits")))
    };
    let key = wallet::derive(&rollup, args.number, &bytes(first)?, &bytes(second)?).map_err(unusable)?;
    let password = args.password.read()?;
    let file = KeyFile::seal_account(&key.secret, key.owner, &password, Cost::default()).map_err(unusable)?;
    if let Some(out) = &args.out {
        file.create(out).map_err(unusable)?;
    }
    show(file.holder(), args.json);
    debug_assert_eq!(Address::new(key.secret.public_key(), key.owner), key.address());
    Ok(())
}
