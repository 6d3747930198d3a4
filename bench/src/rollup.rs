//! The rollup: rows, data and native speed of transfers.

use std::time::Instant;

use serde_json::{Value, json};
use starling_air::trace::build;
use starling_rollup::account::Account;
use starling_rollup::address::{Address, L1Address};
use starling_rollup::batch::{Batch, OpenBatch};
use starling_rollup::chain::GENESIS;
use starling_rollup::data::HEADER_WORDS;
use starling_rollup::kernel::program;
use starling_rollup::kernel::witness::{Start, witness};
use starling_rollup::state::State;
use starling_rollup::transaction::{Operation, RollupId, SignedTransaction, Transaction};
use starling_vm::schnorr::SecretKey;

use crate::Result;

/// Accounts of the state, and the keys behind them: account i has key i modulo this.
const ACCOUNTS: u32 = 1 << 20;
const KEYS: u32 = 256;

/// Transfers of the native measurement: random senders and recipients, as in a batch.
const NATIVE: usize = 4_096;

fn random(seed: &mut u64) -> u32 {
    // SplitMix64 (Steele, Lea, Flood 2014).
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*seed ^ (*seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) as u32
}

/// 2^20 accounts, and transfers between random ones.
pub(crate) struct World {
    pub(crate) before: State,
    rollup: RollupId,
    transfers: Vec<SignedTransaction>,
}

impl World {
    pub(crate) fn new(rollup: RollupId) -> Self {
        let keys: Vec<SecretKey> = (0..KEYS).map(|k| SecretKey::derive(&k.to_le_bytes())).collect();
        let owner = L1Address([7; 20]);
        let addresses: Vec<Address> = keys.iter().map(|key| Address::new(key.public_key(), owner)).collect();
        let address = |index: u32| addresses[(index % KEYS) as usize];
        let accounts = (0..ACCOUNTS)
            .map(|index| Account::new(address(index), 1_000_000_000_000))
            .collect();
        let word = rollup.word();
        let mut seed = 1;
        let mut senders = std::collections::HashSet::new();
        let mut transfers: Vec<SignedTransaction> = Vec::new();
        while transfers.len() < NATIVE {
            let (from, to) = (random(&mut seed) % ACCOUNTS, random(&mut seed) % ACCOUNTS);
            if !senders.insert(from) {
                continue;
            }
            let amount = u64::from(random(&mut seed) % 100_000) * 1_000;
            let operation = Operation::Transfer {
                to,
                address: address(to),
                amount,
            };
            let transaction = Transaction {
                from,
                nonce: 0,
                fee: 12_000,
                operation,
            };
            transfers.push(transaction.sign(&word, &keys[(from % KEYS) as usize], owner));
        }
        Self {
            before: State::from_accounts(accounts),
            rollup,
            transfers,
        }
    }

    fn seal(&self, state: &mut State, transfers: &[SignedTransaction]) -> Result<Batch> {
        let word = self.rollup.word();
        let mut open = OpenBatch::new(state, 0);
        for signed in transfers {
            open.apply(state, &word, signed)?;
        }
        Ok(open.seal(state)?)
    }

    /// A batch of the first `count` transfers.
    pub(crate) fn batch(&self, count: usize) -> Result<Batch> {
        self.seal(&mut self.before.clone(), &self.transfers[..count])
    }
}

/// Rows a transfer for each batch size, bytes a transfer, native transfers a second.
pub(crate) fn measure() -> Result<Value> {
    let owner = L1Address([7; 20]);
    let rollup = RollupId {
        chain_id: 1,
        contract: L1Address([0xc0; 20]),
    };
    let world = World::new(rollup);
    let mut after = world.before.clone();
    let started = Instant::now();
    for part in world.transfers.chunks(512) {
        world.seal(&mut after, part)?;
    }
    let native_tps = NATIVE as f64 / started.elapsed().as_secs_f64();

    let start = Start {
        rollup,
        number: 1,
        digest: GENESIS,
        payee: owner,
    };
    let mut sizes = Vec::new();
    for count in [16, 64, 256] {
        let batch = world.batch(count)?;
        let bytes = 8 * (batch.data().to_words().len() - HEADER_WORDS);
        let started = Instant::now();
        let witness = witness(&world.before, &start, &[batch])?;
        let witness_ms = started.elapsed().as_secs_f64() * 1e3;
        let started = Instant::now();
        let outcome = starling_vm::executor::run(program(), &witness.inputs, u64::MAX)?;
        let run_ms = started.elapsed().as_secs_f64() * 1e3;
        assert_eq!(outcome.outputs, witness.outputs());
        let rows = build(program(), &witness.inputs, u64::MAX)?.rows;
        let chips = [rows.cpu, rows.memory, rows.range, rows.hash, rows.signature];
        let busiest = chips.into_iter().max().unwrap_or(0);
        eprintln!(
            "{count} transfers: {} cpu, {} memory, {} range, {} hash, {} signature rows; witness {witness_ms:.1} ms, run {run_ms:.1} ms",
            rows.cpu, rows.memory, rows.range, rows.hash, rows.signature
        );
        sizes.push(json!({
            "transfers": count,
            "rows_per_transfer": busiest as f64 / count as f64,
            "bytes_per_transfer": bytes as f64 / count as f64,
        }));
    }
    Ok(json!({ "native_tps": native_tps, "sizes": sizes }))
}
