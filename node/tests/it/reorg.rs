//! An L1 that replaces much of its past: entries of the queue by as many others, and more blocks than are remembered.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use starling_node::l1::L1;
use starling_node::l1::anvil::{Anvil, CHAIN_ID, Options};
use starling_node::l1::deploy::{Parameters, deploy};
use starling_node::l1::ethers::{EthersL1, Settings};
use starling_node::l1::rollup::Rollup;
use starling_node::l1::staking::Staking;
use starling_node::mempool::{Limits, Mempool};
use starling_node::operator::journal::Journal;
use starling_node::operator::sequencer::{Sealing, Sequencer};
use starling_node::operator::settler::{Settler, Status, shared};
use starling_node::rpc::{ApiClient, Stage};
use starling_node::store::{self, Backend};
use starling_rollup::address::{Address, L1Address};
use starling_rollup::transaction::{Operation, RollupId, Transaction};
use starling_vm::schnorr::SecretKey;
use tokio::sync::watch;

use crate::l1::tell;
use crate::world::{DEPOSIT, Operator, World};

/// An entry that the sequencer knows and no batch has yet is replaced, and the queue is as long as before.
#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_is_replaced_by_another_is_not_consumed() {
    let (port, block_time) = (0, None);
    let chain = Anvil::start(Options { port, block_time }).unwrap();
    let settings = Settings {
        poll: Duration::from_millis(20),
        ..Settings::default()
    };
    let operator = chain.key(0).unwrap();
    let payee = operator.address();
    let client = async |key| {
        EthersL1::connect(chain.url(), Some(CHAIN_ID), Some(key), settings)
            .await
            .unwrap()
    };
    let l1: Arc<dyn L1> = Arc::new(client(operator).await);
    let users = client(chain.key(1).unwrap()).await;
    let deployment = deploy(&users, &Parameters::patient()).await.unwrap();
    let staking = Staking::new(&*l1, deployment.staking);
    let stake = staking.constants().await.unwrap().min_stake;
    staking.register(payee, 0, [1; 32], stake).await.unwrap();
    let rollup = RollupId {
        chain_id: CHAIN_ID,
        contract: deployment.rollup,
    };
    let contract = Rollup::new(&users, rollup.contract);
    let fee = contract.constants().await.unwrap().queue_fee;
    let owner = L1Address([7; 20]);
    let keys: Vec<SecretKey> = (0..4u8).map(|k| SecretKey::derive(&[k, 2])).collect();
    let addresses: Vec<Address> = keys.iter().map(|key| Address::new(key.public_key(), owner)).collect();
    for address in &addresses[..2] {
        contract.deposit(address, DEPOSIT, fee).await.unwrap();
    }

    let folder = tempfile::tempdir().unwrap();
    let store = store::open(folder.path(), Backend::Redb, &store::Options::default()).unwrap();
    let journal = Journal::open(Arc::from(store), rollup).unwrap();
    // Two entries and two transactions are a batch; nothing is sealed before.
    let (operations, age) = (4, Duration::from_secs(1 << 20));
    let pool = Mempool::new(Limits::default());
    let sealing = Sealing { operations, age };
    let sequencer = shared(Sequencer::recover(journal.clone(), sealing, addresses[0], pool).unwrap());
    let (status, _watched) = watch::channel(Status::default());
    let made = Settler::new(l1, rollup, deployment.block, 0, journal, sequencer.clone(), status);
    let mut settler = made.await.unwrap();
    let send = async |from: u32, nonce| {
        let operation = Operation::Withdraw {
            recipient: owner,
            amount: 1,
        };
        let transaction = Transaction {
            from,
            nonce,
            fee: 1,
            operation,
        };
        let signed = transaction.sign(&rollup.word(), &keys[from as usize], owner);
        sequencer.lock().await.submit(signed).unwrap();
        sequencer.lock().await.tick().unwrap()
    };
    assert!(!settler.step().await.unwrap());
    assert_eq!(sequencer.lock().await.tick().unwrap(), None);
    assert_eq!(send(0, 0).await, None);
    // The batch has a transaction, so that the third entry waits for the next.
    contract.deposit(&addresses[2], DEPOSIT, fee).await.unwrap();
    assert!(!settler.step().await.unwrap());
    assert_eq!(sequencer.lock().await.tick().unwrap(), None);
    tell(&chain, "anvil_rollback", json!([1])).await;
    contract.deposit(&addresses[3], DEPOSIT, fee).await.unwrap();
    assert!(!settler.step().await.unwrap());
    assert_eq!(send(1, 0).await, Some(1));
    assert_eq!(sequencer.lock().await.tick().unwrap(), None);
    let (account, _) = sequencer.lock().await.soft_account(2).unwrap();
    assert_eq!(account.address, addresses[3]);
}

/// Makes an operator remember so many blocks, one look each.
async fn remember(world: &World, operator: &Operator, blocks: u64) {
    for _ in 0..blocks {
        world.anvil("evm_mine", json!([])).await;
        let head = world.l1.head().await.unwrap().number;
        world
            .until("the operator has seen the block", async || {
                world.status(operator).await.l1_block >= head
            })
            .await;
    }
}

/// A deposit and a commit are dropped, with so many blocks on them that the operator has seen one by one: it follows, and what it
/// acknowledged settles.
async fn dropped_below(blocks: u64) {
    let world = World::new("").await;
    let operator = world.operator();
    world.ready(&operator).await;
    let proven = async |batch| {
        world
            .until("a batch is proven", async || world.progress().await.proven >= batch)
            .await
    };
    proven(1).await;
    let before = world.l1.head().await.unwrap().number;
    world.deposit(1).await;
    let of = world.address(1).to_string();
    let accounts = async || operator.rpc.accounts_of(of.clone()).await.unwrap();
    world
        .until("the deposit is in a batch", async || accounts().await.len() == 2)
        .await;
    let id = world.transfer(&operator, 1, 2, 10).await.unwrap();
    let stage = async || operator.rpc.transaction(id.clone()).await.unwrap().stage;
    world
        .until("it is committed", async || stage().await >= Stage::Committed)
        .await;
    // Nothing of it is in flight then.
    world.settled(&operator, std::slice::from_ref(&id)).await;
    remember(&world, &operator, blocks).await;
    let depth = world.l1.head().await.unwrap().number - before;
    assert!(depth > blocks);
    world.anvil("anvil_reorg", json!([depth, []])).await;
    let log = world.folder.path().join("log");
    world
        .until("the operator has noticed", async || {
            std::fs::read_to_string(&log).unwrap().contains("L1 was reorganised")
        })
        .await;
    world
        .until("the deposit's account is gone", async || accounts().await.len() == 1)
        .await;
    world.settled(&operator, std::slice::from_ref(&id)).await;
    assert_eq!(world.balance(&operator, 1).await, DEPOSIT - 11);
    assert_eq!(world.balance(&operator, 2).await, DEPOSIT + 10);
    // And it goes on: the deposit comes again, and what is paid now settles too.
    world.deposit(1).await;
    world
        .until("the deposit is in a batch again", async || accounts().await.len() == 2)
        .await;
    let more = world.transfer(&operator, 2, 1, 4).await.unwrap();
    world.settled(&operator, &[id, more]).await;
    assert_eq!(world.balance(&operator, 2).await, DEPOSIT + 10 - 4 - 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deep_reorganisation_within_memory_is_followed() {
    dropped_below(100).await;
}

/// The operator remembers 128 blocks: all of them are gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_reorganisation_deeper_than_memory_is_followed() {
    dropped_below(150).await;
}
