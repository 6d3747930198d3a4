//! Deploys a rollup: evaluators, verifier, validators, rollup contract.

use alloy_rlp::{Encodable, Header};
use ethers_core::abi::Token;
use starling_air::settlement::verifier_parameters;
use starling_rollup::address::L1Address;
use starling_rollup::chain::word_bytes;
use starling_rollup::kernel;
use starling_rollup::l1_key::keccak256;

use super::abi::{self, Artifact, EVALUATORS, ROLLUP, STAKING, VERIFIER};
use super::{L1, L1Error, Receipt, Request};

/// What a rollup and its validators are deployed with; see `Rollup.Parameters`, `Staking.Parameters` and `specs/pos.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// Wei that a commit posts.
    pub bond: u128,
    /// Seconds from a commit to its deadline.
    pub prove_window: u64,
    /// Seconds from a commit in which only its committer can be paid for its proof.
    pub exclusive_window: u64,
    /// Wei that a queue entry pays to who settles it.
    pub queue_fee: u128,
    /// Seconds until a commit must consume an entry.
    pub queue_window: u64,
    /// Seconds until an unserved entry lets anyone freeze the rollup.
    pub freeze_window: u64,
    /// Seconds until it does so whatever happened in between.
    pub freeze_limit: u64,
    /// Entries that a batch must consume at most.
    pub queue_cap: u64,
    /// The validators'.
    pub staking: StakingParameters,
}

/// What validators are held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StakingParameters {
    /// Seconds of a slot.
    pub slot: u64,
    /// Slots of an epoch.
    pub slots: u64,
    /// Seconds in which the leader alone may commit.
    pub step_in: u64,
    /// Seconds of silence after which anyone may commit.
    pub silence: u64,
    /// Wei that a validator has at least.
    pub min_stake: u128,
    /// Wei that may enter, and leave, an epoch, however small the set is.
    pub min_churn: u128,
    /// This part of the set may enter, and leave, an epoch.
    pub churn_quotient: u64,
    /// Seconds from the last epoch in which a stake counts until it is paid out.
    pub exit_delay: u64,
    /// Seconds after a slot in which evidence for it is taken.
    pub evidence_window: u64,
    /// Hundredths of its stake that a validator loses for signing two things.
    pub equivocation: u64,
    /// Wei that a leader loses for looking away from the queue.
    pub neglect: u128,
    /// Hundredths of what is slashed that go to who reports it.
    pub reward: u64,
    /// Seconds that a validator may not commit after one of its batches was not proven.
    pub jail: u64,
    /// L1 blocks that must have fallen into a slot for its leader to be at fault.
    pub min_blocks: u64,
}

const MILLIETHER: u128 = 1_000_000_000_000_000;
const ETHER: u128 = 1_000 * MILLIETHER;
const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

impl Parameters {
    /// A development chain's: seconds instead of hours.
    pub fn devnet() -> Self {
        Self {
            bond: ETHER,
            prove_window: 60,
            exclusive_window: 10,
            queue_fee: MILLIETHER / 10,
            queue_window: 30,
            freeze_window: HOUR,
            freeze_limit: 2 * HOUR,
            queue_cap: 64,
            staking: StakingParameters {
                slot: 6,
                slots: 4,
                step_in: 3,
                silence: 60,
                min_stake: 10 * ETHER,
                min_churn: 400 * ETHER,
                churn_quotient: 4,
                exit_delay: 600,
                evidence_window: 300,
                equivocation: 50,
                neglect: ETHER / 10,
                reward: 10,
                jail: 120,
                min_blocks: 2,
            },
        }
    }

    /// For money that matters.
    pub fn mainnet() -> Self {
        Self {
            bond: 4 * ETHER,
            prove_window: 6 * HOUR,
            exclusive_window: HOUR,
            queue_fee: MILLIETHER,
            queue_window: HOUR,
            freeze_window: 3 * DAY,
            freeze_limit: 14 * DAY,
            queue_cap: 512,
            staking: StakingParameters {
                slot: 96,
                slots: 32,
                step_in: 48,
                silence: HOUR,
                min_stake: 32 * ETHER,
                min_churn: 256 * ETHER,
                churn_quotient: 64,
                exit_delay: 14 * DAY,
                evidence_window: 7 * DAY,
                equivocation: 50,
                neglect: ETHER / 4,
                reward: 10,
                jail: 14 * DAY,
                min_blocks: 4,
            },
        }
    }

    /// For one operator that proves when it gets to it: any validator may commit at any time, and has half an hour for the proof;
    /// an epoch is more than an hour.
    pub fn patient() -> Self {
        let devnet = Self::devnet();
        Self {
            prove_window: 1_800,
            exclusive_window: 0,
            queue_window: 600,
            freeze_window: 7_200,
            freeze_limit: 72_000,
            staking: StakingParameters {
                slot: 2,
                slots: 2_048,
                step_in: 0,
                exit_delay: 7_200,
                evidence_window: 4_096,
                jail: 3_600,
                ..devnet.staking
            },
            ..devnet
        }
    }
}

/// A deployed rollup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// The rollup contract.
    pub rollup: L1Address,
    /// The staking contract.
    pub staking: L1Address,
    /// The verifier.
    pub verifier: L1Address,
    /// The verifier's evaluators.
    pub evaluators: Vec<L1Address>,
    /// Block of the staking contract: there is nothing to read before it.
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

/// The address of the contract that the transaction of `sender` with this nonce creates.
pub fn contract_address(sender: L1Address, nonce: u64) -> L1Address {
    let mut payload = Vec::new();
    sender.0.as_slice().encode(&mut payload);
    nonce.encode(&mut payload);
    let mut encoded = Vec::new();
    Header {
        list: true,
        payload_length: payload.len(),
    }
    .encode(&mut encoded);
    encoded.extend(payload);
    let mut address = [0; 20];
    address.copy_from_slice(&keccak256(&[&encoded])[12..]);
    L1Address(address)
}

/// Deploys a verifier, validators and a rollup.
///
/// # Errors
/// When L1 does not take a contract, or the sender sends something else meanwhile.
pub async fn deploy(l1: &dyn L1, parameters: &Parameters) -> Result<Deployment, L1Error> {
    let DeployedVerifier {
        verifier,
        evaluators,
        gas,
    } = deploy_verifier(l1).await?;
    // The validators' contract and the rollup name each other; the rollup's constructor checks that they do.
    let expected = contract_address(l1.sender(), l1.nonce().await? + 1);
    let p = &parameters.staking;
    let tokens = [
        abi::address(expected),
        Token::Tuple(vec![
            abi::uint(p.slot),
            abi::uint(p.slots),
            abi::uint(p.step_in),
            abi::uint(p.silence),
            abi::wei(p.min_stake),
            abi::wei(p.min_churn),
            abi::uint(p.churn_quotient),
            abi::uint(p.exit_delay),
            abi::uint(p.evidence_window),
            abi::uint(p.equivocation),
            abi::wei(p.neglect),
            abi::uint(p.reward),
            abi::uint(p.jail),
            abi::uint(p.min_blocks),
        ]),
    ];
    let (staking, created) = create(l1, &STAKING, &ethers_core::abi::encode(&tokens)).await?;
    let tokens = [
        abi::address(verifier),
        abi::bytes32(word_bytes(&kernel::program().hash())),
        abi::address(staking),
        abi::wei(parameters.bond),
        abi::uint(parameters.prove_window),
        abi::uint(parameters.exclusive_window),
        abi::wei(parameters.queue_fee),
        abi::uint(parameters.queue_window),
        abi::uint(parameters.freeze_window),
        abi::uint(parameters.freeze_limit),
        abi::uint(parameters.queue_cap),
    ];
    let (rollup, receipt) = create(l1, &ROLLUP, &ethers_core::abi::encode(&tokens)).await?;
    Ok(Deployment {
        rollup,
        staking,
        verifier,
        evaluators,
        block: created.block,
        gas: gas + created.gas + receipt.gas,
    })
}
