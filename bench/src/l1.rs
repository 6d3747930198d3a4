//! L1: gas of commits and proofs by batch size, on a development chain.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use starling_air::check::Statement;
use starling_air::prover::prove;
use starling_air::settlement::{self, sections};
use starling_node::l1::anvil::{Anvil, Options};
use starling_node::l1::deploy::{Parameters, deploy};
use starling_node::l1::ethers::{EthersL1, Settings};
use starling_node::l1::rollup::{Rollup, Verifier};
use starling_node::l1::staking::Staking;
use starling_node::l1::{L1, Receipt};
use starling_rollup::block_header::BlockEnd;
use starling_rollup::chain::GENESIS;
use starling_rollup::kernel::program;
use starling_rollup::kernel::witness::{Start, witness};
use starling_rollup::transaction::RollupId;

use crate::Result;
use crate::rollup::World;

/// Gas of `Rollup.prove` for one batch without entries, whose bond returns: measured by the rollup's tests on a test chain
/// (`cargo test -p starling-rollup --test it settlement -- --nocapture`).
const SETTLE_GAS: u64 = 114_500;

/// Batch sizes; the last fills 2^18 rows.
const SIZES: [usize; 4] = [16, 64, 256, 512];

fn gas(receipts: &[Receipt]) -> u64 {
    receipts.iter().map(|receipt| receipt.gas).sum()
}

/// Commits and proves batches of transfers among 2^20 accounts.
pub(crate) async fn measure() -> Result<Value> {
    let chain = Anvil::start(Options {
        port: 0,
        block_time: None,
    })?;
    let settings = Settings {
        poll: Duration::from_millis(20),
        ..Settings::default()
    };
    let l1 = Arc::new(EthersL1::connect(chain.url(), None, Some(chain.key(0)?), settings).await?);
    let deployment = deploy(&*l1, &Parameters::patient()).await?;
    let staking = Staking::new(&*l1, deployment.staking);
    let stake = staking.constants().await?.min_stake;
    staking.register(l1.sender(), 0, [0; 32], stake).await?;
    let rollup = RollupId {
        chain_id: l1.chain_id().await?,
        contract: deployment.rollup,
    };
    let contract = Rollup::new(&*l1, deployment.rollup);
    let verifier = Verifier::new(&*l1, deployment.verifier);
    let bond = contract.constants().await?.bond;
    let world = World::new(rollup);
    let mut digest = GENESIS;
    let mut rows = Vec::new();
    for (number, count) in (1..).zip(SIZES) {
        let batch = world.batch(count)?;
        let words = batch.data().to_words();
        let blocks = [BlockEnd {
            end: words.len() as u16,
            state: [1; 32],
        }];
        let committed = contract.commit(&digest, 0, &blocks, &words, bond).await?;
        let start = Start {
            rollup,
            number,
            digest,
            payee: l1.sender(),
        };
        let run = witness(&world.before, &start, &[batch])?;
        digest = run.digest;
        let proven = prove(program(), &run.inputs, settlement::PRESET)?;
        let statement = Statement {
            program: program().hash(),
            outputs: run.outputs(),
            inputs: run.inputs.public,
        };
        let receipts = verifier
            .submit(&statement, &sections(&statement, &proven.bytes)?)
            .await?;
        let prove_gas = gas(&receipts) + SETTLE_GAS;
        eprintln!(
            "{count} transfers: {} rows, commit {} gas, proof {prove_gas} gas",
            proven.trace_length, committed.gas
        );
        rows.push(json!({
            "transfers": count,
            "rows": proven.trace_length,
            "prove_s": proven.trace_seconds + proven.prove_seconds,
            "proof_bytes": proven.bytes.len(),
            "data_bytes": committed.data_bytes,
            "commit_gas": committed.gas,
            "step_bytes": receipts.iter().map(|receipt| receipt.data_bytes).collect::<Vec<_>>(),
            "step_gas": receipts.iter().map(|receipt| receipt.gas).collect::<Vec<_>>(),
            "prove_gas": prove_gas,
            "gas_per_transfer": (committed.gas + prove_gas) / count as u64,
        }));
    }
    Ok(json!({ "rows": rows, "deploy_gas": deployment.gas }))
}

/// The table of `specs/l1.md`.
pub(crate) fn table(report: &Value) -> String {
    let mut table = String::from(
        "| transfers | rows | proof bytes | commit gas | begin | open | finish | prove, all | a transfer | L1's own |\n|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for row in report["rows"].as_array().into_iter().flatten() {
        let step = |number: usize| &row["step_gas"][number];
        table += &format!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | 21000 |\n",
            row["transfers"],
            row["rows"],
            row["proof_bytes"],
            row["commit_gas"],
            step(0),
            step(1),
            step(2),
            row["prove_gas"],
            row["gas_per_transfer"]
        );
    }
    table
}
