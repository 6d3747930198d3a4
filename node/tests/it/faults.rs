//! What goes wrong: killed operators, an L1 that is silent or changes its mind, floods, garbage, a full disk.

use std::process::Command;
use std::time::Duration;

use serde_json::json;
use starling_node::client::UserError;
use starling_node::l1::Hash;
use starling_node::l1::L1;
use starling_node::rpc::{ApiClient, Stage};
use starling_rollup::l1_key::keccak256;
use tokio::time::sleep;

use crate::world::{DEPOSIT, Operator, World};

fn signal(process: u32, name: &str) {
    assert!(
        Command::new("kill")
            .args([name, &process.to_string()])
            .status()
            .unwrap()
            .success()
    );
}

/// Kills the operator as a power cut would, and starts it again.
fn kill_and_restart(world: &World, mut operator: Operator) -> Operator {
    operator.child.kill().unwrap();
    operator.child.wait().unwrap();
    world.operator()
}

async fn begun(world: &World) -> bool {
    let topic: Hash = keccak256(&[b"Begun(bytes32,uint256[])"]);
    let logs = world
        .l1
        .logs(world.deployment.verifier, 0, u64::MAX >> 1)
        .await
        .unwrap_or_default();
    logs.iter().any(|log| log.topics[0] == topic)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_killed_at_any_stage_loses_nothing() {
    let world = World::new("").await;
    let operator = world.operator();
    world.ready(&operator).await;
    world
        .until("the deposits settle", async || world.progress().await.proven > 0)
        .await;

    // Accepted, not sealed: blocks are held back, so that nothing gets to L1.
    world.anvil("evm_setAutomine", json!([false])).await;
    let mut ids = vec![world.transfer(&operator, 1, 2, 10).await.unwrap()];
    let operator = kill_and_restart(&world, operator);
    assert_ne!(
        operator.rpc.transaction(ids[0].clone()).await.unwrap().stage,
        Stage::Unknown
    );

    // Sealed, and its commit sent, but in no block.
    let sealed = |id: String| {
        let rpc = &operator.rpc;
        async move {
            rpc.transaction(id)
                .await
                .is_ok_and(|status| status.stage == Stage::Soft)
        }
    };
    let id = ids[0].clone();
    world.until("it is sealed", async || sealed(id.clone()).await).await;
    sleep(Duration::from_millis(400)).await;
    let operator = kill_and_restart(&world, operator);
    sleep(Duration::from_millis(400)).await;
    let before = world.progress().await;
    world.anvil("evm_setAutomine", json!([true])).await;
    world.anvil("evm_mine", json!([])).await;

    // Committed, and being proven.
    world
        .until("a proof is being made", async || world.status(&operator).await.proving)
        .await;
    assert_eq!(
        world.progress().await.committed,
        before.committed + 1,
        "the batch was committed once"
    );
    let operator = kill_and_restart(&world, operator);
    ids.push(world.transfer(&operator, 2, 1, 3).await.unwrap());
    world.settled(&operator, &ids).await;
    assert_eq!(world.balance(&operator, 1).await, DEPOSIT - 10 - 1 + 3);
    assert_eq!(world.balance(&operator, 2).await, DEPOSIT + 10 - 3 - 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_killed_between_a_proofs_transactions_settles() {
    let world = World::new("").await;
    let operator = world.operator();
    world
        .until("the first step of a proof is on L1", async || begun(&world).await)
        .await;
    world.anvil("evm_setAutomine", json!([false])).await;
    let operator = kill_and_restart(&world, operator);
    world.anvil("evm_setAutomine", json!([true])).await;
    world.anvil("evm_mine", json!([])).await;
    world.ready(&operator).await;
    let ids = [world.transfer(&operator, 1, 2, 10).await.unwrap()];
    world.settled(&operator, &ids).await;
    assert_eq!(world.balance(&operator, 2).await, DEPOSIT + 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_l1_is_waited_for() {
    let world = World::new("").await;
    let operator = world.operator();
    world.ready(&operator).await;
    signal(world.chain.process(), "-STOP");
    // Users are served meanwhile: what they send is kept.
    let id = world.transfer(&operator, 1, 2, 10).await;
    sleep(Duration::from_secs(3)).await;
    signal(world.chain.process(), "-CONT");
    world.settled(&operator, &[id.unwrap()]).await;
    assert_eq!(world.balance(&operator, 2).await, DEPOSIT + 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reorganisation_that_drops_a_commit_is_followed() {
    let world = World::new("").await;
    let operator = world.operator();
    world.ready(&operator).await;
    world
        .until("the deposits settle", async || world.progress().await.proven > 0)
        .await;
    let before = world.progress().await;
    let id = world.transfer(&operator, 1, 2, 10).await.unwrap();
    world
        .until("it is committed", async || {
            world.progress().await.committed > before.committed
        })
        .await;
    // The block of the commit, and whatever came after it, is replaced by an empty one.
    world.anvil("anvil_reorg", json!([1, []])).await;
    world.settled(&operator, &[id]).await;
    assert_eq!(world.balance(&operator, 2).await, DEPOSIT + 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reorganisation_that_drops_a_deposit_takes_batches_back() {
    let world = World::new("").await;
    let operator = world.operator();
    world.ready(&operator).await;
    world
        .until("the deposits settle", async || world.progress().await.proven > 0)
        .await;
    // Commits are held back, so that a sealed batch builds on a deposit that then disappears.
    let sealed = world.status(&operator).await.sealed;
    world.deposit(1).await;
    world.anvil("evm_setAutomine", json!([false])).await;
    world
        .until("the deposit is in a batch", async || {
            world.status(&operator).await.sealed > sealed
        })
        .await;
    let id = world.transfer(&operator, 1, 2, 10).await.unwrap();
    world
        .until("the transfer is in a batch", async || {
            operator
                .rpc
                .transaction(id.clone())
                .await
                .is_ok_and(|status| status.stage >= Stage::Soft)
        })
        .await;
    let committed = world.progress().await.committed;
    world.anvil("anvil_dropAllTransactions", json!([])).await;
    world.anvil("anvil_reorg", json!([1, []])).await;
    world.anvil("evm_setAutomine", json!([true])).await;
    world.anvil("evm_mine", json!([])).await;
    world.settled(&operator, std::slice::from_ref(&id)).await;
    assert!(world.progress().await.committed > committed);
    assert_eq!(world.balance(&operator, 1).await, DEPOSIT - 11);
    let accounts = operator.rpc.accounts_of(world.address(1).to_string()).await.unwrap();
    assert_eq!(
        accounts.len(),
        1,
        "the account of the deposit that L1 took back is gone"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_and_garbage_are_refused() {
    let world = World::new("[mempool]\ntransactions = 4\nper_sender = 3\n").await;
    let operator = world.operator();
    world.ready(&operator).await;
    // With L1 silent nothing leaves the pool but by sealing; the fourth of one sender is refused at the latest.
    let mut refused = 0;
    let mut ids = Vec::new();
    for number in 0..40 {
        match world.transfer(&operator, 1, 2, 1 + number).await {
            Ok(id) => ids.push(id),
            Err(UserError::Operator(jsonrpsee::core::ClientError::Call(_))) => refused += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(refused > 0 && !ids.is_empty());
    // Every byte string gets an answer, and none of them harms.
    let status = world.status(&operator).await;
    for envelope in [
        "",
        "0x",
        "zz",
        "0x00",
        &format!("0x{}", "ff".repeat(300)),
        &"0x".repeat(20_000),
    ] {
        let answer = operator.rpc.submit(envelope.to_owned()).await;
        assert!(
            matches!(answer, Err(jsonrpsee::core::ClientError::Call(_))),
            "{envelope:.20}"
        );
    }
    for id in ["", "0x12", &"ä".repeat(66)] {
        assert!(operator.rpc.transaction(id.to_owned()).await.is_err());
    }
    assert_eq!(operator.rpc.account(u32::MAX).await.unwrap(), None);
    assert!(operator.rpc.batch(u64::MAX).await.unwrap().is_none());
    assert!(operator.rpc.operation(1, u64::MAX).await.unwrap().is_none());
    assert!(world.status(&operator).await.sealed >= status.sealed);
    world.settled(&operator, &ids).await;
}

/// A small real filesystem that is full: nothing is accepted that is not kept, and all goes on when there is room again.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_loses_nothing() {
    let world = World::new("").await;
    let data = world.folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let mount = |arguments: &[&str]| Command::new("mount").args(arguments).arg(&data).status().unwrap();
    assert!(
        mount(&["-t", "tmpfs", "-o", "size=96m", "tmpfs"]).success(),
        "a tmpfs can be mounted"
    );
    let operator = world.operator();
    world.ready(&operator).await;
    let first = world.transfer(&operator, 1, 2, 10).await.unwrap();
    std::fs::write(data.join("ballast"), vec![0; 60 << 20]).unwrap();
    let refusal = world.transfer(&operator, 1, 2, 20).await.unwrap_err();
    assert!(
        refusal.to_string().contains("disk") || refusal.to_string().contains("full"),
        "{refusal}"
    );
    std::fs::remove_file(data.join("ballast")).unwrap();
    let mut second = None;
    world
        .until("there is room again", async || {
            second = world.transfer(&operator, 1, 2, 20).await.ok();
            second.is_some()
        })
        .await;
    world.settled(&operator, &[first, second.unwrap()]).await;
    assert_eq!(world.balance(&operator, 2).await, DEPOSIT + 30);
    drop(operator);
    assert!(Command::new("umount").arg(&data).status().unwrap().success());
}

/// The state comes back from L1 alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_from_l1_reaches_the_proven_root() {
    let world = World::new("").await;
    let operator = world.operator();
    world.ready(&operator).await;
    let mut ids = Vec::new();
    for number in 0..3 {
        ids.push(world.transfer(&operator, 1, 2, 10 + number).await.unwrap());
        sleep(Duration::from_millis(300)).await;
    }
    world.settled(&operator, &ids).await;
    let empty = tempfile::tempdir().unwrap();
    let accounts = empty.path().join("accounts.json");
    let rebuilt = Command::new(env!("CARGO_BIN_EXE_starling"))
        .args([
            "node",
            "rebuild",
            "--json",
            "--l1",
            world.chain.url(),
            "--rollup",
            &world.deployment.rollup.to_string(),
        ])
        .arg("--accounts")
        .arg(&accounts)
        .env("HOME", empty.path())
        .current_dir(empty.path())
        .output()
        .unwrap();
    assert!(rebuilt.status.success(), "{}", String::from_utf8_lossy(&rebuilt.stderr));
    let report: serde_json::Value = serde_json::from_slice(&rebuilt.stdout).unwrap();
    let progress = world.progress().await;
    let root = world.contract().root(progress.proven).await.unwrap().unwrap();
    assert_eq!(report["state_root"], starling_node::operator::hex_word(&root));
    assert_eq!(report["batch"], progress.proven);
    let leaves: serde_json::Value = serde_json::from_slice(&std::fs::read(&accounts).unwrap()).unwrap();
    for index in 0..3 {
        let account = operator.rpc.account(index).await.unwrap().unwrap();
        let leaf = &leaves[index as usize];
        assert_eq!(
            (&leaf["address"], &leaf["balance"]),
            (&json!(account.address), &json!(account.balance))
        );
    }
}
