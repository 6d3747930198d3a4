//! The commands of users, against a running operator on a development chain: what they print, and their exit codes.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use starling_node::l1::L1;
use starling_rollup::address::L1Address;
use starling_rollup::keyfile::{Cost, KeyFile};
use starling_rollup::transaction::RollupId;
use starling_rollup::wallet;

use crate::world::{Operator, PASSWORD, World};

fn starling(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_starling"))
        .args(arguments)
        .current_dir(folder)
        .env("STARLING_PASSWORD", PASSWORD)
        .output()
        .unwrap()
}

/// The exit code, and what was said on standard error.
fn code(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let output = starling(folder, arguments);
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

/// What a command that succeeds prints with `--json`.
fn answer(folder: &Path, arguments: &[&str]) -> Value {
    let output = starling(folder, &[arguments, &["--json"]].concat());
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), 1, "one object a command: {text}");
    serde_json::from_str(&text).unwrap()
}

fn rejected(folder: &Path, arguments: &[&str], reason: &str) {
    let (code, said) = code(folder, arguments);
    assert!(code == 1 && said.contains(reason), "{arguments:?}: {code}: {said}");
}

fn unusable(folder: &Path, arguments: &[&str], reason: &str) {
    let (code, said) = code(folder, arguments);
    assert!(code == 2 && said.contains(reason), "{arguments:?}: {code}: {said}");
}

#[test]
fn keys_are_made_and_shown() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let owner = L1Address([0x70; 20]).to_string();
    let made = answer(folder, &["key", "new", "--owner", &owner, "--out", "a.json"]);
    assert_eq!(made, answer(folder, &["key", "show", "a.json"]));
    assert!(made["address"].as_str().unwrap().starts_with("star1") && made["owner"] == owner);
    unusable(folder, &["key", "new", "--owner", &owner, "--out", "a.json"], "a.json");
    unusable(folder, &["key", "new", "--out", "b.json"], "--owner");
    unusable(folder, &["key", "new", "--owner", "0x12", "--out", "b.json"], "owner");
    unusable(folder, &["key", "show", "nothing.json"], "nothing.json");
    let l1 = answer(folder, &["key", "new", "--l1", "--out", "l1.json"]);
    assert_eq!(l1, answer(folder, &["key", "show", "l1.json"]));

    // What a wallet signs, signed by the key of the file just made.
    let contract = L1Address([0x42; 20]);
    let rollup = RollupId {
        chain_id: 31_337,
        contract,
    };
    let text = contract.to_string();
    let from_wallet = ["key", "from-wallet", "--chain-id", "31337", "--rollup", &text];
    let request = starling(folder, &from_wallet);
    let request: Value = serde_json::from_slice(&request.stdout).unwrap();
    assert_eq!(request["primaryType"], "StarlingKey");
    let signer = KeyFile::read(&folder.join("l1.json"))
        .unwrap()
        .open_l1(PASSWORD)
        .unwrap();
    let signature = signer.sign(&wallet::request(&rollup, 0).hash()).unwrap().to_bytes();
    let signature: String = signature.iter().map(|byte| format!("{byte:02x}")).collect();
    let signature = format!("0x{signature}");
    let twice = ["--signature", &signature, "--signature", &signature, "--out", "w.json"];
    let made = answer(folder, &[&from_wallet[..], &twice].concat());
    assert_eq!(
        (&made["owner"], &made),
        (&l1["l1_address"], &answer(folder, &["key", "show", "w.json"]))
    );
    unusable(folder, &[&from_wallet[..], &twice[2..]].concat(), "twice");
    let other = format!("0x{}", "11".repeat(65));
    let differ = ["--signature", &signature, "--signature", &other, "--out", "x.json"];
    unusable(folder, &[&from_wallet[..], &differ].concat(), "signature");
    assert!(!folder.join("x.json").exists());
}

fn balance(world: &World, rpc: &str, index: &str) -> u64 {
    let found = answer(world.folder.path(), &["balance", "--rpc", rpc, "--index", index]);
    found[0]["soft_balance"].as_str().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn money_goes_in_around_and_out() {
    let world = World::new("").await;
    let operator: Operator = world.operator();
    world.ready(&operator).await;
    let folder = world.folder.path();
    let (rpc, l1) = (operator.url.as_str(), world.chain.url());
    let contract = world.deployment.rollup.to_string();
    let payer = world.chain.key(2).unwrap();
    KeyFile::seal_l1(&payer, PASSWORD, Cost::MINIMUM)
        .unwrap()
        .create(&folder.join("me-l1.json"))
        .unwrap();

    let key = answer(
        folder,
        &[
            "key",
            "new",
            "--owner",
            &payer.address().to_string(),
            "--out",
            "me.json",
        ],
    );
    let me = key["address"].as_str().unwrap();
    rejected(folder, &["balance", "--rpc", rpc, "--address", me], "no such account");
    let send = ["--rpc", rpc, "--key", "me.json", "--fee", "5"];
    rejected(
        folder,
        &[&["transfer", "--to", "0", "--amount", "1"][..], &send].concat(),
        "deposit to it first",
    );
    let deposit = [
        "deposit",
        "--l1",
        l1,
        "--rollup",
        &contract,
        "--l1-key",
        "me-l1.json",
        "--to",
        me,
        "--amount",
        "1000000",
    ];
    let receipt = answer(folder, &deposit);
    assert!(receipt["block"].as_u64().unwrap() > 0 && receipt["gas"].as_u64().unwrap() > 21_000);
    world
        .until("the deposit is in a batch", async || {
            code(folder, &["balance", "--rpc", rpc, "--address", me]).0 == 0
        })
        .await;
    let found = answer(folder, &["balance", "--rpc", rpc, "--address", me]);
    let index = found[0]["index"].to_string();
    assert_eq!(
        (&found[0]["balance"], &found[0]["nonce"]),
        (&json!("1000000"), &json!(0))
    );

    let before = balance(&world, rpc, "1");
    let sent = answer(
        folder,
        &[
            &["transfer", "--to", "1", "--amount", "250", "--wait", "soft"][..],
            &send,
        ]
        .concat(),
    );
    assert!(sent["fee"] == "5" && sent["batch"].as_u64().is_some(), "{sent}");
    assert_eq!(
        (balance(&world, rpc, "1"), balance(&world, rpc, &index)),
        (before + 250, 1_000_000 - 255)
    );

    // Nothing is proven while blocks are held back.
    world
        .until("all is proven", async || {
            let status = world.status(&operator).await;
            status.proven == status.sealed && status.waiting == 0
        })
        .await;
    world.anvil("evm_setAutomine", json!([false])).await;
    let recipient = L1Address([0x99; 20]);
    let to = recipient.to_string();
    let withdraw = ["withdraw", "--to", &to, "--amount", "400", "--wait", "soft"];
    let withdrawn = answer(folder, &[&withdraw[..], &send].concat());
    let id = withdrawn["transaction"].as_str().unwrap();
    let claim = [
        "claim",
        "--rpc",
        rpc,
        "--l1",
        l1,
        "--l1-key",
        "me-l1.json",
        "--transaction",
        id,
    ];
    rejected(folder, &claim, "not proven");
    world.anvil("evm_setAutomine", json!([true])).await;
    world.anvil("evm_mine", json!([])).await;
    world.settled(&operator, &[id.to_owned()]).await;
    assert_eq!(
        answer(folder, &["status", "--rpc", rpc, "--transaction", id])["stage"],
        "proven"
    );
    answer(folder, &claim);
    assert_eq!(world.l1.balance(recipient).await.unwrap(), 400_000_000_000);
    rejected(folder, &claim, "refused by the contract");
    assert_eq!(world.l1.balance(recipient).await.unwrap(), 400_000_000_000, "paid once");
    let not_one = [
        "claim",
        "--rpc",
        rpc,
        "--l1",
        l1,
        "--l1-key",
        "me-l1.json",
        "--transaction",
    ];
    let transfer_id = sent["transaction"].as_str().unwrap();
    rejected(
        folder,
        &[&not_one[..], &[transfer_id]].concat(),
        "refused by the contract",
    );

    let status = answer(folder, &["status", "--rpc", rpc]);
    assert_eq!((&status["rollup"], &status["waiting"]), (&json!(contract), &json!(0)));
    let text = starling(folder, &["status", "--rpc", rpc]);
    assert!(text.status.success() && String::from_utf8_lossy(&text.stdout).contains("proven"));

    // No.
    rejected(
        folder,
        &[&["transfer", "--to", "1", "--amount", "9000000"][..], &send].concat(),
        "the operator refuses",
    );
    rejected(
        folder,
        &[&["transfer", "--to", "4000", "--amount", "1"][..], &send].concat(),
        "no account 4000",
    );
    rejected(folder, &["balance", "--rpc", rpc, "--index", "4000"], "no such account");
    // The question cannot be asked.
    unusable(
        folder,
        &[&["transfer", "--to", "star1x", "--amount", "1"][..], &send].concat(),
        "star1x",
    );
    unusable(folder, &["status", "--rpc", "http://127.0.0.1:1"], "--rpc");
    unusable(folder, &["status", "--rpc", "nothing"], "--rpc");
    unusable(folder, &["balance", "--rpc", rpc], "--address");
    unusable(
        folder,
        &[&["transfer", "--to", "1", "--amount", "-1"][..], &send].concat(),
        "amount",
    );
    let wrong = Command::new(env!("CARGO_BIN_EXE_starling"))
        .args([&["transfer", "--to", "1", "--amount", "1"][..], &send].concat())
        .current_dir(folder)
        .env("STARLING_PASSWORD", "another")
        .output()
        .unwrap();
    assert_eq!(
        wrong.status.code(),
        Some(2),
        "{}",
        String::from_utf8_lossy(&wrong.stderr)
    );
}
