//! What becomes of accepted transactions whose batch L1 takes back: none of them is lost without a word.

use jsonrpsee::core::client::ClientT;
use jsonrpsee::rpc_params;
use serde_json::{Value, json};
use starling_node::rpc::ApiClient;
use starling_rollup::address::Address;
use starling_rollup::transaction::{Operation, RollupId, Transaction};
use starling_vm::schnorr::SecretKey;

use crate::world::{DEPOSIT, Operator, World};

async fn status(operator: &Operator, id: &str) -> Value {
    operator
        .rpc
        .request("starling_transaction", rpc_params![id])
        .await
        .unwrap()
}

async fn deposit_for(world: &World, address: &Address) {
    let fee = world.contract().constants().await.unwrap().queue_fee;
    world.contract().deposit(address, DEPOSIT, fee).await.unwrap();
}

/// A deposit opens an account, which pays; L1 drops the deposit, and another's takes the index. The payment can never be
/// executed then, and says so, after a restart too; what others sent is settled.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_reorganisation_makes_impossible_says_why() {
    let world = World::new("").await;
    let operator = world.operator();
    world.ready(&operator).await;
    world
        .until("the deposits settle", async || world.progress().await.proven > 0)
        .await;
    let key = SecretKey::derive(b"newcomer");
    let newcomer = Address::new(key.public_key(), world.owner);
    let of = |address: &Address| address.to_string();
    deposit_for(&world, &newcomer).await;
    world.anvil("evm_setAutomine", json!([false])).await;
    world
        .until("the newcomer has an account", async || {
            operator.rpc.accounts_of(of(&newcomer)).await.unwrap() == [3]
        })
        .await;
    let payment = Transaction {
        from: 3,
        nonce: 0,
        fee: 1,
        operation: Operation::Transfer {
            to: 2,
            address: world.address(2),
            amount: 10,
        },
    };
    let rollup = world.user(&operator, 0).rollup;
    let word = RollupId { ..rollup }.word();
    let envelope = payment.sign(&word, &key, world.owner).to_hex();
    let lost = operator.rpc.submit(envelope).await.unwrap();
    let kept = world.transfer(&operator, 1, 2, 20).await.unwrap();
    world
        .until("both are in a batch", async || {
            status(&operator, &lost).await["stage"] == "soft" && status(&operator, &kept).await["stage"] == "soft"
        })
        .await;
    world.anvil("anvil_dropAllTransactions", json!([])).await;
    world.anvil("anvil_reorg", json!([1, []])).await;
    world.anvil("evm_setAutomine", json!([true])).await;
    world
        .until("the payment waits for its account", async || {
            let told = status(&operator, &lost).await;
            told["stage"] == "waiting" && told["reason"]["code"] == "no_account"
        })
        .await;
    let other = Address::new(SecretKey::derive(b"another").public_key(), world.owner);
    deposit_for(&world, &other).await;
    world
        .until("the other has the index", async || {
            operator.rpc.accounts_of(of(&other)).await.unwrap() == [3]
        })
        .await;
    world.settled(&operator, std::slice::from_ref(&kept)).await;
    let told = status(&operator, &lost).await;
    assert_eq!(
        (&told["stage"], &told["reason"]["code"]),
        (&json!("refused"), &json!("not_the_owner")),
        "{told}"
    );
    assert!(
        told["reason"]["message"].as_str().unwrap().contains("account 3"),
        "{told}"
    );
    assert_eq!(world.balance(&operator, 2).await, DEPOSIT + 20);
    drop(operator);
    let operator = world.operator();
    assert_eq!(status(&operator, &lost).await, told, "a restart forgets nothing");
}
