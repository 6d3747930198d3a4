//! Deploys a rollup: evaluators, verifier, rollup contract.

use starling_air::settlement::verifier_parameters;
use starling_rollup::address::L1Address;
use starling_rollup::chain::word_bytes;
use starling_rollup::kernel;

use super::abi::{self, Artifact, EVALUATORS, ROLLUP, VERIFIER};
use super::{L1, L1Error, Receipt, Request};

/// What a rollup is deployed with; see `Rollup.Parameters`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// Who may commit.
    pub operator: L1Address,
    /// Wei that a commit posts.
    pub bond: u128,
    /// Seconds from a commit to its deadline.
    pub prove_window: u64,
    /// Wei that a queue entry pays to who settles it.
    pub queue_fee: u128,
    /// Seconds until a commit must consume an entry.
    pub queue_window: u64,
    /// Seconds until an unserved entry lets anyone freeze the rollup.
    pub freeze_window: u64,
    /// Entries that a batch must consume at most.
    pub queue_cap: u64,
}

impl Parameters {
    /// A development chain's: minutes instead of days.
    pub fn devnet(operator: L1Address) -> Self {
        Self {
            operator,
            bond: 1_000_000_000_000_000_000,
            prove_window: 1_800,
            queue_fee: 100_000_000_000_000,
            queue_window: 600,
            freeze_window: 7_200,
            queue_cap: 64,
        }
    }
}

/// A deployed rollup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// The rollup contract.
    pub rollup: L1Address,
    /// The verifier.
    pub verifier: L1Address,
    /// The verifier's evaluators.
    pub evaluators: Vec<L1Address>,
    /// Block of the rollup contract.
    pub block: u64,
    /// Gas of all deployments.
    pub gas: u64,
}

/// A deployed verifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeployedVerifier {
    /// The verifier.
    pub verifier: L1Address,
    /// Its evaluators.
    pub evaluators: Vec<L1Address>,
    /// Gas of all of them.
    pub gas: u64,
}

async fn create(l1: &dyn L1, artifact: &Artifact, arguments: &[u8]) -> Result<(L1Address, Receipt), L1Error> {
    let data = [&artifact.bytecode[..], arguments].concat();
    let receipt = l1
        .send(Request {
            to: None,
            data,
            value: 0,
        })
        .await?;
    let missing = || L1Error::History(format!("{} was not created", artifact.name));
    Ok((receipt.created.ok_or_else(missing)?, receipt))
}

/// Deploys evaluators and verifier for proofs with the `settle-100` preset.
///
/// # Errors
/// When L1 does not take a contract.
pub async fn deploy_verifier(l1: &dyn L1) -> Result<DeployedVerifier, L1Error> {
    let mut gas = 0;
    let mut evaluators = Vec::new();
    for evaluator in EVALUATORS.iter() {
        let (address, receipt) = create(l1, evaluator, &[]).await?;
        evaluators.push(address);
        gas += receipt.gas;
    }
    let addresses: Vec<[u8; 20]> = evaluators.iter().map(|address| address.0).collect();
    let (verifier, receipt) = create(l1, &VERIFIER, &verifier_parameters().abi_encode(&addresses)).await?;
    gas += receipt.gas;
    Ok(DeployedVerifier {
        verifier,
        evaluators,
        gas,
    })
}

/// Deploys a verifier and a rollup.
///
/// # Errors
/// When L1 does not take a contract.
pub async fn deploy(l1: &dyn L1, parameters: &Parameters) -> Result<Deployment, L1Error> {
    let DeployedVerifier {
        verifier,
        evaluators,
        gas,
    } = deploy_verifier(l1).await?;
    let Parameters {
        operator,
        bond,
        prove_window,
        queue_fee,
        queue_window,
        freeze_window,
        queue_cap,
    } = *parameters;
    let tokens = [
        abi::address(verifier),
        abi::bytes32(word_bytes(&kernel::program().hash())),
        abi::address(operator),
        abi::wei(bond),
        abi::uint(prove_window),
        abi::wei(queue_fee),
        abi::uint(queue_window),
        abi::uint(freeze_window),
        abi::uint(queue_cap),
    ];
    let (rollup, receipt) = create(l1, &ROLLUP, &ethers_core::abi::encode(&tokens)).await?;
    Ok(Deployment {
        rollup,
        verifier,
        evaluators,
        block: receipt.block,
        gas: gas + receipt.gas,
    })
}
