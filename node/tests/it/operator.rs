//! An operator in this process, a real L1 beside it: deposits, transfers, proofs that the contract verifies, withdrawals.

use std::sync::Arc;
use std::time::Duration;

use starling_node::l1::L1;
use starling_node::l1::anvil::CHAIN_ID;
use starling_node::l1::deploy::{Parameters, deploy};
use starling_node::l1::rollup::Rollup;
use starling_node::l1::staking::Staking;
use starling_node::mempool::{Limits, Mempool};
use starling_node::operator::journal::Journal;
use starling_node::operator::sequencer::{Sealing, Sequencer};
use starling_node::operator::settler::{Settler, Status, shared};
use starling_node::store::{self, Backend};
use starling_rollup::address::{Address, L1Address};
use starling_rollup::transaction::{Operation, RollupId, Transaction};
use starling_vm::schnorr::SecretKey;
use tokio::sync::watch;

use crate::l1::{anvil, sender};

#[tokio::test(flavor = "multi_thread")]
async fn transfers_settle_on_l1() {
    let anvil = anvil();
    let l1 = Arc::new(sender(&anvil, 0).await);
    let deployment = deploy(&*l1, &Parameters::patient()).await.unwrap();
    let staking = Staking::new(&*l1, deployment.staking);
    let stake = staking.constants().await.unwrap().min_stake;
    staking.register(l1.sender(), 0, [1; 32], stake).await.unwrap();
    println!("deployed with {} gas", deployment.gas);
    let rollup = RollupId {
        chain_id: CHAIN_ID,
        contract: deployment.rollup,
    };
    let contract = Rollup::new(&*l1, rollup.contract);
    let constants = contract.constants().await.unwrap();
    assert_eq!(constants.domain, rollup.word());

    let keys: Vec<SecretKey> = (0..4u8).map(|k| SecretKey::derive(&[k])).collect();
    let owner = L1Address([7; 20]);
    let addresses: Vec<Address> = keys.iter().map(|key| Address::new(key.public_key(), owner)).collect();
    for address in &addresses {
        contract.deposit(address, 1_000_000, constants.queue_fee).await.unwrap();
    }

    let folder = tempfile::tempdir().unwrap();
    let store = store::open(folder.path(), Backend::Redb, &store::Options::default()).unwrap();
    let journal = Journal::open(Arc::from(store), rollup).unwrap();
    let sealing = Sealing {
        operations: 16,
        age: Duration::from_millis(100),
    };
    let sequencer =
        Sequencer::recover(journal.clone(), sealing, addresses[0], Mempool::new(Limits::default())).unwrap();
    let sequencer = shared(sequencer);
    let (status, watched) = watch::channel(Status::default());
    let shared_l1: Arc<dyn L1> = l1.clone();
    let mut settler = Settler::new(
        shared_l1,
        rollup,
        deployment.block,
        0,
        journal,
        sequencer.clone(),
        status,
    )
    .await
    .unwrap();
    settler.step().await.unwrap();
    tokio::time::sleep(Duration::from_millis(150)).await;
    sequencer.lock().await.tick().unwrap();
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(sequencer.lock().await.tick().unwrap(), Some(1));
    assert_eq!(sequencer.lock().await.indices(&addresses[2]), [2]);

    let word = rollup.word();
    for nonce in 0..4 {
        for from in 0..4u32 {
            let to = (from + 1) % 4;
            let operation = if nonce == 3 {
                Operation::Withdraw {
                    recipient: L1Address([0x99; 20]),
                    amount: 1_000,
                }
            } else {
                Operation::Transfer {
                    to,
                    address: addresses[to as usize],
                    amount: 10,
                }
            };
            let transaction = Transaction {
                from,
                nonce,
                fee: 5,
                operation,
            };
            let signed = transaction.sign(&word, &keys[from as usize], owner);
            sequencer.lock().await.submit(signed).unwrap();
        }
    }
    assert_eq!(sequencer.lock().await.tick().unwrap(), Some(2));
    let root = sequencer.lock().await.state().root();
    while settler.step().await.unwrap() {}
    let status = watched.borrow().clone();
    println!("{status:?}");
    assert_eq!((status.committed, status.proven), (2, 2));
    assert_eq!(contract.root(2).await.unwrap(), Some(root));
}
