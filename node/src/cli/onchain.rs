//! `starling vm verify --onchain`: has a contract on L1 verify a proof.

use std::fmt;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};
use starling_air::check::Statement;
use starling_air::settlement::sections;
use starling_rollup::address::L1Address;
use starling_rollup::l1_key::L1Key;

use super::CliError;
use super::user::{Password, l1_client, l1_key, rejected, runtime, unusable};
use crate::l1::L1;
use crate::l1::abi::from_hex;
use crate::l1::anvil::{CHAIN_ID, FIRST_KEY};
use crate::l1::deploy::deploy_verifier;
use crate::l1::rollup::Verifier;

/// Whether and where a contract verifies the proof, too.
#[derive(Debug, Args)]
pub(crate) struct OnchainArgs {
    /// Have the contract on L1 verify the proof, too: three transactions that leave the fact that the statement is proven.
    #[arg(long, requires = "l1")]
    onchain: bool,
    /// L1's HTTP endpoint.
    #[arg(long, value_name = "URL", requires = "onchain")]
    l1: Option<String>,
    /// A deployed verifier. Without it a new one is deployed.
    #[arg(long, value_name = "ADDRESS", requires = "onchain")]
    verifier: Option<L1Address>,
    /// Key file of the L1 account that pays. On a development chain its first account pays by default.
    #[arg(long, value_name = "FILE", requires = "onchain")]
    l1_key: Option<PathBuf>,
    #[command(flatten)]
    password: Password,
}

impl OnchainArgs {
    /// Whether a contract is asked.
    pub(crate) fn wanted(&self) -> bool {
        self.onchain
    }

    fn key(&self, chain_id: u64) -> Result<L1Key, CliError> {
        match &self.l1_key {
            Some(path) => l1_key(path, &self.password),
            None if chain_id == CHAIN_ID => {
                let bytes = from_hex(FIRST_KEY).unwrap_or_default();
                L1Key::from_bytes(&bytes).map_err(unusable)
            }
            None => Err(CliError::Unusable(format!(
                "chain {chain_id} is not a development chain: name the account that pays with --l1-key"
            ))),
        }
    }
}

/// What the contract did.
#[derive(Debug)]
pub(crate) struct Onchain {
    verifier: L1Address,
    gas: u64,
    transactions: usize,
    known: bool,
}

impl Onchain {
    /// As JSON.
    pub(crate) fn json(&self) -> Value {
        json!({
            "accepted": true,
            "verifier": self.verifier.to_string(),
            "transactions": self.transactions,
            "gas": self.gas,
            "known_before": self.known,
        })
    }
}

impl fmt::Display for Onchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.known {
            return write!(f, "on L1    the verifier {} knew the statement already", self.verifier);
        }
        let (verifier, transactions, gas) = (self.verifier, self.transactions, self.gas);
        write!(
            f,
            "on L1    accepted by the verifier {verifier} in {transactions} transactions, {gas} gas"
        )
    }
}

/// Has the contract verify the proof.
pub(crate) fn verify_onchain(args: &OnchainArgs, statement: &Statement, proof: &[u8]) -> Result<Onchain, CliError> {
    let url = args.l1.as_deref().unwrap_or_default();
    let sections = sections(statement, proof).map_err(|error| {
        CliError::Rejected(format!(
            "the contract verifies proofs made with --preset settle-100 only: {error}"
        ))
    })?;
    runtime()?.block_on(async {
        let chain_id = l1_client(url, None).await?.chain_id().await.map_err(unusable)?;
        let l1 = l1_client(url, Some(args.key(chain_id)?)).await?;
        let verifier = match args.verifier {
            Some(verifier) => verifier,
            None => deploy_verifier(&l1).await.map_err(rejected)?.verifier,
        };
        let contract = Verifier::new(&l1, verifier);
        let known = contract.is_proven(statement).await.map_err(rejected)?;
        let receipts = if known {
            Vec::new()
        } else {
            contract.submit(statement, &sections).await.map_err(rejected)?
        };
        if !contract.is_proven(statement).await.map_err(rejected)? {
            return Err(CliError::Rejected(format!(
                "the verifier {verifier} does not know the statement"
            )));
        }
        Ok(Onchain {
            verifier,
            gas: receipts.iter().map(|receipt| receipt.gas).sum(),
            transactions: receipts.len(),
            known,
        })
    })
}
