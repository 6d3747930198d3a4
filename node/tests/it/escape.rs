//! The rehearsal: all operators are dead, everybody leaves with L1 alone, and nothing is left behind.

use std::process::Command;

use serde_json::{Value, json};
use starling_node::escape::{self, Assets, Done, Left, Outcome, Why};
use starling_node::l1::anvil::CHAIN_ID;
use starling_node::l1::deploy::Parameters;
use starling_node::l1::rollup::{GWEI, Rollup};
use starling_node::l1::{L1, L1Error};
use starling_node::rebuild::rebuild;
use starling_rollup::address::{Address, L1Address};
use starling_rollup::keyfile::{Cost, KeyFile};
use starling_rollup::transaction::{Operation, RollupId};
use starling_vm::schnorr::SecretKey;

use crate::l1::sender;
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
        amount: 5_555_555,
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
    assert_eq!(done["paid_wei"], (5_555_555 * GWEI).to_string());
    assert_eq!(world.l1.balance(world.owner).await.unwrap(), 5_555_555 * GWEI);
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

fn names(done: &[Done]) -> Vec<&str> {
    done.iter().map(|done| done.what.as_str()).collect()
}

fn left_names(left: &[Left]) -> Vec<&str> {
    left.iter().map(|left| left.what.as_str()).collect()
}

/// Somebody pays gwei to whoever is leaving, and fetches some of what is to be fetched: neither keeps anybody.
#[tokio::test(flavor = "multi_thread")]
async fn neither_dust_nor_others_keep_an_account_from_leaving() {
    let world = World::new("").await;
    let mut operator = world.operator();
    world.ready(&operator).await;
    // Accounts 3 to 6 are the victim's, two of them with what somebody else put into them.
    let owner = world.l1.sender();
    let key = SecretKey::derive(b"victim");
    let address = Address::new(key.public_key(), owner);
    let fee = world.contract().constants().await.unwrap().queue_fee;
    for amount in [1, DEPOSIT / 2, 2, DEPOSIT] {
        world.contract().deposit(&address, amount, fee).await.unwrap();
    }
    let mut ids = Vec::new();
    for amount in [1, 2, 5_555_555, 3, 6_666_666] {
        let withdrawal = Operation::Withdraw {
            recipient: owner,
            amount,
        };
        let (id, _) = world.user(&operator, 2).send(withdrawal, Some(9)).await.unwrap();
        ids.push(id);
    }
    world.settled(&operator, &ids).await;
    world
        .until("the victim's deposits are proven", async || {
            let account = starling_node::rpc::ApiClient::account(&operator.rpc, 6).await;
            account.is_ok_and(|found| found.is_some_and(|found| found.stage == starling_node::rpc::Stage::Proven))
        })
        .await;
    operator.child.kill().unwrap();
    operator.child.wait().unwrap();
    // The queue's entries 7 and 8 stay there.
    for amount in [DEPOSIT / 4, DEPOSIT] {
        world.contract().deposit(&address, amount, fee).await.unwrap();
    }
    let progress = world.progress().await;
    if progress.proven < progress.committed {
        let wait = json!([Parameters::patient().prove_window + 1]);
        world.anvil("evm_increaseTime", wait).await;
        world.anvil("evm_mine", json!([])).await;
        world.contract().prune().await.unwrap();
    }
    let wait = json!([Parameters::patient().freeze_window + Parameters::patient().queue_window + 1]);
    world.anvil("evm_increaseTime", wait).await;
    world.anvil("evm_mine", json!([])).await;
    world.contract().freeze().await.unwrap();

    let rollup = RollupId {
        chain_id: CHAIN_ID,
        contract: world.deployment.rollup,
    };
    let public = Some(key.public_key());
    let found = escape::assets(&world.l1, &rollup, 0, public, owner, |_, _| ());
    let found: Assets = found.await.unwrap();
    assert_eq!(
        (found.exits.len(), found.refunds.len(), found.payments.len()),
        (4, 2, 5)
    );
    let fetch = async |l1: &dyn L1| -> Outcome {
        let contract = Rollup::new(l1, world.deployment.rollup);
        let left = escape::leave(&contract, &found, public, owner, fee, false, |_| ());
        left.await.unwrap()
    };

    // Who has no ether is told so once.
    let poor = sender(&world.chain, 6).await;
    world
        .anvil("anvil_setBalance", json!([poor.sender().to_string(), "0x0"]))
        .await;
    let outcome = fetch(&poor).await;
    assert!(outcome.done.is_empty(), "{outcome:?}");
    let failed: Vec<&Left> = outcome.failed().collect();
    assert!(
        matches!(&failed[0].why, Why::Failed(L1Error::NoFunds { sender, .. }) if *sender == poor.sender()),
        "{failed:?}"
    );
    assert_eq!(failed.len(), 6);
    assert!(failed[1..].iter().all(|left| matches!(left.why, Why::NotTried)));

    // Meanwhile somebody else fetches one of each, the largest.
    let other = sender(&world.chain, 5).await;
    let contract = Rollup::new(&other, world.deployment.rollup);
    let exit = found.exits.iter().max_by_key(|exit| exit.account.balance).unwrap();
    contract
        .escape(key.public_key(), owner, &exit.account, exit.next, &exit.path)
        .await
        .unwrap();
    let (number, entry) = &found.refunds[1];
    contract.refund(*number, entry).await.unwrap();
    let largest = found.payments.iter().max_by_key(|payment| payment.amount).unwrap();
    contract
        .claim(largest.batch, largest.position, &largest.words, &largest.path)
        .await
        .unwrap();
    let before = world.l1.balance(owner).await.unwrap();
    let outcome = fetch(&other).await;
    let claimed = found
        .payments
        .iter()
        .find(|payment| payment.amount == 5_555_555)
        .unwrap();
    let claimed = format!("operation {} of batch {}", claimed.position, claimed.batch);
    assert_eq!(names(&outcome.done), ["account 4", "entry 7 of the queue", &claimed]);
    let gwei = u128::from(DEPOSIT / 2 + DEPOSIT / 4 + 5_555_555);
    assert_eq!(world.l1.balance(owner).await.unwrap(), before + gwei * GWEI + fee);
    // Two accounts and three payments are left, and are no failure.
    assert!(outcome.failed().next().is_none(), "{outcome:?}");
    assert_eq!(left_names(&outcome.left)[..2], ["account 5", "account 3"]);
    let dust: Vec<u128> = outcome.left.iter().map(|left| left.wei / GWEI).collect();
    assert_eq!(dust, [2, 1, 3, 2, 1]);

    // The command says the same, and fetches them when it is told to.
    key_file(&world, "victim.json", &key, owner);
    KeyFile::seal_l1(&world.chain.key(5).unwrap(), PASSWORD, Cost::MINIMUM)
        .unwrap()
        .create(&world.folder.path().join("any.json"))
        .unwrap();
    let (code, shown, said) = leave(&world, "escape", "victim.json", &[]);
    assert!(code == 0 && shown["paid_wei"] == "0", "{shown} {said}");
    let left = shown["left"].as_array().unwrap();
    assert!(
        left.len() == 5 && left.iter().all(|left| left["dust"] == true),
        "{shown}"
    );
    let (code, shown, said) = leave(&world, "escape", "victim.json", &["--all"]);
    assert!(code == 0 && shown["left"] == json!([]), "{shown} {said}");
    assert_eq!(shown["paid_wei"], (9 * GWEI).to_string());
    let gwei = gwei + 9;
    assert_eq!(world.l1.balance(owner).await.unwrap(), before + gwei * GWEI + fee);
    // What fails is in the answer, too, and the exit code says so.
    key_file(&world, "user0.json", &world.keys[0], world.owner);
    KeyFile::seal_l1(&world.chain.key(6).unwrap(), PASSWORD, Cost::MINIMUM)
        .unwrap()
        .create(&world.folder.path().join("poor.json"))
        .unwrap();
    std::fs::rename(
        world.folder.path().join("poor.json"),
        world.folder.path().join("any.json"),
    )
    .unwrap();
    let (code, shown, said) = leave(&world, "escape", "user0.json", &[]);
    assert!(code == 1 && said.contains("1 of 1 could not be fetched"), "{said}");
    assert!(
        shown["left"][0]["why"].as_str().unwrap().contains("not enough ether"),
        "{shown}"
    );
}
