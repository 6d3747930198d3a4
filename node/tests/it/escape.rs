//! The rehearsal: all operators are dead, everybody leaves with L1 alone, and nothing is left behind.

use std::process::Command;

use serde_json::{Value, json};
use starling_node::l1::L1;
use starling_node::l1::anvil::CHAIN_ID;
use starling_node::l1::deploy::Parameters;
use starling_node::l1::rollup::GWEI;
use starling_node::rebuild::rebuild;
use starling_rollup::address::{Address, L1Address};
use starling_rollup::keyfile::{Cost, KeyFile};
use starling_rollup::transaction::{Operation, RollupId};
use starling_vm::schnorr::SecretKey;

use crate::world::{DEPOSIT, PASSWORD, World};

fn key_file(world: &World, name: &str, key: &SecretKey, owner: L1Address) {
    KeyFile::seal_account(key, owner, PASSWORD, Cost::MINIMUM)
        .unwrap()
        .create(&world.folder.path().join(name))
        .unwrap();
}

/// Runs a command with an account's key, which asks L1 alone; exit code, what it prints, what it says.
fn leave(world: &World, command: &str, key: &str, more: &[&str]) -> (i32, Value, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_starling"))
        .args([command, "--l1", world.chain.url(), "--rollup"])
        .arg(world.deployment.rollup.to_string())
        .args(["--key", key, "--l1-key", "any.json", "--json"])
        .args(more)
        .current_dir(world.folder.path())
        .env("STARLING_PASSWORD", PASSWORD)
        .output()
        .unwrap();
    (
        output.status.code().unwrap(),
        serde_json::from_slice(&output.stdout).unwrap_or_default(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_leaves_when_all_operators_are_dead() {
    let world = World::new("").await;
    let mut operator = world.operator();
    world.ready(&operator).await;
    let mut ids = vec![world.transfer(&operator, 1, 2, 1_234).await.unwrap()];
    let withdrawal = Operation::Withdraw {
        recipient: world.owner,
        amount: 55_555,
    };
    let (id, _) = world.user(&operator, 2).send(withdrawal, Some(9)).await.unwrap();
    ids.push(id);
    world.settled(&operator, &ids).await;
    // What is accepted and sealed, and nobody commits: the operator dies with it.
    world.transfer(&operator, 2, 1, 77).await.unwrap();
    operator.child.kill().unwrap();
    operator.child.wait().unwrap();
    let proven = world.progress().await;

    // Deposits that nobody serves: one comes from somebody who has no account yet.
    let sender = world.l1.sender();
    let late = SecretKey::derive(b"late");
    let fee = world.contract().constants().await.unwrap().queue_fee;
    let address = Address::new(late.public_key(), sender);
    world.contract().deposit(&address, DEPOSIT, fee).await.unwrap();
    for (number, key) in world.keys.iter().enumerate() {
        key_file(&world, &format!("user{number}.json"), key, world.owner);
    }
    key_file(&world, "late.json", &late, sender);
    let any = world.chain.key(5).unwrap();
    KeyFile::seal_l1(&any, PASSWORD, Cost::MINIMUM)
        .unwrap()
        .create(&world.folder.path().join("any.json"))
        .unwrap();

    // Payments can be had at any time, accounts only when the queue has waited for too long.
    let (code, shown, _) = leave(&world, "escape", "user1.json", &["--show"]);
    assert_eq!((code, &shown["frozen"]), (0, &json!(false)));
    assert_eq!(shown["payments"].as_array().unwrap().len(), 1);
    let (code, _, said) = leave(&world, "escape", "user1.json", &["--freeze"]);
    assert!(code == 1 && said.contains("cannot be frozen yet"), "{said}");
    let (code, done, said) = leave(&world, "escape", "user1.json", &[]);
    assert!(code == 1 && said.contains("is not frozen"), "{said}");
    assert_eq!(done["paid_wei"], (55_555 * GWEI).to_string());
    assert_eq!(world.l1.balance(world.owner).await.unwrap(), 55_555 * GWEI);
    // An exit is the owner's to force.
    let (code, _, said) = leave(&world, "force-exit", "user1.json", &["--index", "1"]);
    assert!(code == 2 && said.contains("only the owner"), "{said}");

    // A batch that is committed and never proven does not keep anybody.
    let wait = json!([Parameters::patient().freeze_window + 1]);
    world.anvil("evm_increaseTime", wait).await;
    world.anvil("evm_mine", json!([])).await;
    let rollup = RollupId {
        chain_id: CHAIN_ID,
        contract: world.deployment.rollup,
    };
    let rebuilt = rebuild(&world.l1, &rollup, 0, |_, _| ()).await.unwrap();
    assert_eq!(rebuilt.batch, proven.proven);
    if proven.proven < proven.committed {
        // The prune gives operators a queue window more.
        let (code, _, _) = leave(&world, "escape", "user0.json", &["--freeze"]);
        assert_eq!(code, 1);
        let wait = json!([Parameters::patient().queue_window + 1]);
        world.anvil("evm_increaseTime", wait).await;
        world.anvil("evm_mine", json!([])).await;
    }
    let mut accounts = 0;
    for number in 0..3 {
        let (code, done, said) = leave(&world, "escape", &format!("user{number}.json"), &["--freeze"]);
        assert!(code == 0 && done["frozen"] == true, "{said}");
        accounts += done["accounts"].as_array().unwrap().len();
        // Once: the second time there is nothing left.
        let (code, done, _) = leave(&world, "escape", &format!("user{number}.json"), &[]);
        assert_eq!((code, &done["paid_wei"]), (0, &json!("0")));
    }
    assert_eq!(accounts, 3);
    // Every gwei that was deposited: fees moved between the users' accounts.
    let all = 3 * u128::from(DEPOSIT) * GWEI;
    assert_eq!(world.l1.balance(world.owner).await.unwrap(), all);

    let before = world.l1.balance(sender).await.unwrap();
    let (code, done, said) = leave(&world, "escape", "late.json", &[]);
    assert!(code == 0 && done["entries"] == json!([3]), "{done} {said}");
    let refund = u128::from(DEPOSIT) * GWEI + fee;
    assert_eq!(world.l1.balance(sender).await.unwrap(), before + refund);

    // Bonds and fees are the operator's: then the contract is empty, to the wei.
    world
        .contract()
        .collect(world.chain.key(0).unwrap().address())
        .await
        .unwrap();
    if proven.proven < proven.committed {
        world.contract().collect(any.address()).await.unwrap();
    }
    assert_eq!(world.l1.balance(world.deployment.rollup).await.unwrap(), 0);
}
