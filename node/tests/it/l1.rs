//! The L1 client and the follower against a real anvil.

use std::time::Duration;

use jsonrpsee::core::client::ClientT;
use jsonrpsee::core::params::ArrayParams;
use jsonrpsee_http_client::HttpClientBuilder;
use serde_json::{Value, json};
use starling_node::l1::anvil::{Anvil, CHAIN_ID, Options};
use starling_node::l1::deploy::{Deployment, Parameters, deploy};
use starling_node::l1::ethers::{EthersL1, Settings};
use starling_node::l1::follow::Follower;
use starling_node::l1::rollup::Rollup;
use starling_node::l1::staking::Staking;
use starling_node::l1::{L1, L1Error, MAX_TRANSACTION_BYTES, Request};
use starling_rollup::address::{Address, L1Address};
use starling_vm::schnorr::SecretKey;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

const TO: L1Address = L1Address([0x77; 20]);

fn settings() -> Settings {
    Settings {
        poll: Duration::from_millis(20),
        patience: Duration::from_millis(300),
        ..Settings::default()
    }
}

/// A chain with a block for each transaction.
pub(crate) fn anvil() -> Anvil {
    Anvil::start(Options {
        port: 0,
        block_time: None,
    })
    .unwrap()
}

async fn client(chain: &Anvil, settings: Settings) -> EthersL1 {
    EthersL1::connect(chain.url(), Some(CHAIN_ID), Some(chain.key(0).unwrap()), settings)
        .await
        .unwrap()
}

/// A client with one of the chain's keys, which looks for its transactions often.
pub(crate) async fn sender(chain: &Anvil, key: usize) -> EthersL1 {
    let settings = Settings {
        poll: Duration::from_millis(20),
        ..Settings::default()
    };
    EthersL1::connect(chain.url(), Some(CHAIN_ID), Some(chain.key(key).unwrap()), settings)
        .await
        .unwrap()
}

/// One of anvil's own methods.
pub(crate) async fn tell(chain: &Anvil, method: &str, params: Value) -> Value {
    let mut list = ArrayParams::new();
    for param in params.as_array().unwrap() {
        list.insert(param).unwrap();
    }
    HttpClientBuilder::default()
        .build(chain.url())
        .unwrap()
        .request(method, list)
        .await
        .unwrap()
}

fn transfer(value: u128) -> Request {
    Request {
        to: Some(TO),
        data: Vec::new(),
        value,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn value_arrives_once_and_gas_is_accounted_for() {
    let chain = anvil();
    let l1 = client(&chain, settings()).await;
    let before = l1.balance(l1.sender()).await.unwrap();
    let receipt = l1.send(transfer(5)).await.unwrap();
    assert_eq!((receipt.gas, receipt.data_bytes, receipt.created), (21_000, 0, None));
    assert_eq!(l1.balance(TO).await.unwrap(), 5);
    assert_eq!(
        before - l1.balance(l1.sender()).await.unwrap(),
        5 + 21_000 * receipt.gas_price
    );
    let block = l1.block(receipt.block).await.unwrap().unwrap();
    assert_eq!(block.hash, receipt.block_hash);
    assert_eq!(l1.block(1_000).await.unwrap(), None);
    assert_eq!(l1.input([1; 32]).await.unwrap(), None);
    // Several at once go one after the other.
    let (first, second) = tokio::join!(l1.send(transfer(1)), l1.send(transfer(2)));
    assert_ne!(first.unwrap().hash, second.unwrap().hash);
    assert_eq!(l1.balance(TO).await.unwrap(), 8);
}

/// The base fee rises above what the transaction offers: it is in no block until it is sent again with more.
#[tokio::test(flavor = "multi_thread")]
async fn a_stuck_transaction_is_sent_with_a_higher_fee() {
    let chain = anvil();
    tell(&chain, "evm_setAutomine", json!([false])).await;
    let l1 = client(&chain, settings()).await;
    let sent = tokio::spawn(async move { (l1.send(transfer(9)).await, l1) });
    let pending = async || {
        let status = tell(&chain, "txpool_status", json!([])).await;
        status["pending"] == "0x1" || status["queued"] == "0x1"
    };
    while !pending().await {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tell(&chain, "anvil_setNextBlockBaseFeePerGas", json!(["0x12a05f2000"])).await;
    tell(&chain, "evm_mine", json!([])).await;
    while !sent.is_finished() {
        tokio::time::sleep(Duration::from_millis(50)).await;
        tell(&chain, "evm_mine", json!([])).await;
    }
    let (receipt, l1) = sent.await.unwrap();
    let receipt = receipt.unwrap();
    assert!(receipt.gas_price > 5_000_000_000, "{}", receipt.gas_price);
    assert_eq!(l1.balance(TO).await.unwrap(), 9, "only one version is in a block");
}

/// A reorganisation drops the transaction before the one that is waited for: no fee brings that into a block, so it is given up, and
/// the next one fills the place.
#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_behind_one_that_was_taken_back_is_given_up() {
    let chain = anvil();
    let patient = Settings {
        patience: Duration::from_secs(60),
        ..settings()
    };
    let l1 = client(&chain, patient).await;
    tell(&chain, "evm_mine", json!([])).await;
    l1.send(transfer(1)).await.unwrap();
    tell(&chain, "evm_setAutomine", json!([false])).await;
    let sent = tokio::spawn(async move { (l1.send(transfer(2)).await, l1) });
    let pending = async || tell(&chain, "txpool_status", json!([])).await["pending"] == "0x1";
    while !pending().await {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tell(&chain, "anvil_dropAllTransactions", json!([])).await;
    tell(&chain, "anvil_reorg", json!([1, []])).await;
    let (error, l1) = sent.await.unwrap();
    assert!(matches!(error, Err(L1Error::TakenBack { nonce: 1 })), "{error:?}");
    tell(&chain, "evm_setAutomine", json!([true])).await;
    l1.send(transfer(4)).await.unwrap();
    assert_eq!(l1.balance(TO).await.unwrap(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_gives_up_at_last() {
    let chain = anvil();
    tell(&chain, "evm_setAutomine", json!([false])).await;
    let l1 = client(&chain, Settings { bumps: 1, ..settings() }).await;
    let error = l1.send(transfer(1)).await.unwrap_err();
    assert!(
        matches!(error, L1Error::Stuck { nonce: 0, bumps: 1, .. }) && error.is_transient(),
        "{error}"
    );
    // What was left in the pool is replaced, not sent beside.
    tell(&chain, "evm_setAutomine", json!([true])).await;
    tell(&chain, "evm_mine", json!([])).await;
    l1.send(transfer(2)).await.unwrap();
    assert!([2, 3].contains(&l1.balance(TO).await.unwrap()));
}

/// What an earlier process left in the pool pays more and gets into a block: the new one notices instead of waiting for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_nonce_that_another_process_used_is_noticed() {
    let chain = anvil();
    tell(&chain, "evm_setAutomine", json!([false])).await;
    let rich = Settings {
        tip: 50_000_000_000,
        bumps: 0,
        ..settings()
    };
    let earlier = client(&chain, rich).await;
    assert!(matches!(earlier.send(transfer(1)).await, Err(L1Error::Stuck { .. })));
    let l1 = client(&chain, settings()).await;
    let sent = tokio::spawn(async move { (l1.send(transfer(2)).await, l1) });
    tokio::time::sleep(Duration::from_millis(150)).await;
    tell(&chain, "evm_mine", json!([])).await;
    let (result, l1) = sent.await.unwrap();
    let error = result.unwrap_err();
    assert!(
        matches!(error, L1Error::Overtaken { nonce: 0 }) && error.is_transient(),
        "{error}"
    );
    tell(&chain, "evm_setAutomine", json!([true])).await;
    l1.send(transfer(2)).await.unwrap();
    assert_eq!(l1.balance(TO).await.unwrap(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_get_into_a_block_is_not_sent() {
    let chain = anvil();
    let l1 = client(&chain, settings()).await;
    let error = l1
        .send(Request::call(TO, vec![0; MAX_TRANSACTION_BYTES]))
        .await
        .unwrap_err();
    assert!(matches!(error, L1Error::TooLong(_)), "{error}");
    // Creation code that writes to as many fresh places as the gas allows: a loop of `sstore(i, 1)` for 1000 places.
    // push2 1000; jumpdest; push1 1; dup2; sstore; push1 1; swap1; sub; dup1; push1 3; jumpi; stop
    let code = [
        0x61, 0x03, 0xe8, 0x5b, 0x60, 0x01, 0x81, 0x55, 0x60, 0x01, 0x90, 0x03, 0x80, 0x60, 0x03, 0x57, 0x00,
    ];
    let error = l1
        .send(Request {
            to: None,
            data: code.to_vec(),
            value: 0,
        })
        .await
        .unwrap_err();
    assert!(
        !error.to_string().is_empty() && matches!(error, L1Error::TooMuchGas(_) | L1Error::Reverted { .. }),
        "{error}"
    );
    let only_reads = EthersL1::connect(chain.url(), None, None, settings()).await.unwrap();
    assert!(matches!(only_reads.send(transfer(1)).await, Err(L1Error::NoKey)));
    assert_eq!(l1.balance(TO).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_that_are_not_ours_are_named() {
    let chain = anvil();
    let wrong = EthersL1::connect(chain.url(), Some(1), None, settings())
        .await
        .unwrap_err();
    assert!(
        matches!(
            wrong,
            L1Error::OtherChain {
                expected: 1,
                found: CHAIN_ID,
                ..
            }
        ) && !wrong.is_transient()
    );
    let wrong = EthersL1::connect("no url", None, None, settings()).await.unwrap_err();
    assert!(matches!(wrong, L1Error::Url { .. }), "{wrong}");
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let silent = EthersL1::connect(&format!("http://{free}"), None, None, settings())
        .await
        .unwrap_err();
    assert!(
        silent.is_transient() && silent.to_string().contains(&free.to_string()),
        "{silent}"
    );
}

/// Passes connections on, until it is aborted: then they break, and new ones are refused.
async fn proxy(port: u16, target: String) -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        let mut connections = tokio::task::JoinSet::new();
        while let Ok((mut near, _)) = listener.accept().await {
            let target = target.clone();
            connections.spawn(async move {
                if let Ok(mut far) = TcpStream::connect(target).await {
                    let _ = copy_bidirectional(&mut near, &mut far).await;
                }
            });
        }
    });
    (port, task)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_away_for_a_while_is_found_again() {
    let chain = anvil();
    let target = chain.url().trim_start_matches("http://").to_owned();
    let (port, up) = proxy(0, target.clone()).await;
    let url = format!("http://127.0.0.1:{port}");
    let l1 = EthersL1::connect(&url, Some(CHAIN_ID), Some(chain.key(0).unwrap()), settings())
        .await
        .unwrap();
    l1.send(transfer(1)).await.unwrap();
    up.abort();
    let _ = up.await;
    for error in [l1.head().await.unwrap_err(), l1.send(transfer(2)).await.unwrap_err()] {
        assert!(error.is_transient() && error.to_string().contains(&url), "{error}");
    }
    let (_, up) = proxy(port, target).await;
    l1.send(transfer(3)).await.unwrap();
    assert_eq!(l1.balance(TO).await.unwrap(), 4);
    up.abort();
}

// THE ROLLUP'S EVENTS
// ================================================================================================================

async fn register(l1: &EthersL1, deployment: &Deployment) {
    let staking = Staking::new(l1, deployment.staking);
    let stake = staking.constants().await.unwrap().min_stake;
    staking.register(l1.sender(), 0, [1; 32], stake).await.unwrap();
}

async fn deployed(chain: &Anvil) -> (EthersL1, Deployment) {
    let l1 = client(chain, Settings::default()).await;
    let deployment = deploy(&l1, &Parameters::patient()).await.unwrap();
    register(&l1, &deployment).await;
    (l1, deployment)
}

fn address(number: u8) -> Address {
    Address::new(SecretKey::derive(&[number]).public_key(), L1Address([number; 20]))
}

async fn deposit(contract: &Rollup<'_>, number: u8) {
    let fee = contract.constants().await.unwrap().queue_fee;
    contract.deposit(&address(number), 1_000_000, fee).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn reverts_are_told_by_name() {
    let chain = anvil();
    let (l1, deployment) = deployed(&chain).await;
    let contract = Rollup::new(&l1, deployment.rollup);
    let word = address(1).to_word();
    let error = contract.prove(1, &word, l1.sender()).await.unwrap_err();
    let L1Error::Reverted { error: name, .. } = &error else {
        panic!("{error}");
    };
    assert!(
        name.chars().next().is_some_and(char::is_alphabetic) && !name.contains("0x"),
        "{error}"
    );
    assert!(!error.is_transient());
    let elsewhere = Rollup::new(&l1, TO).progress().await.unwrap_err();
    assert!(elsewhere.to_string().contains("no rollup contract"), "{elsewhere}");
}

fn addresses(follower: &Follower) -> Vec<Address> {
    follower.entries(u64::MAX).map(|entry| entry.address).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn reorganisations_are_followed() {
    let chain = anvil();
    let (l1, deployment) = deployed(&chain).await;
    let contract = Rollup::new(&l1, deployment.rollup);
    let mut follower = Follower::new(deployment.block);
    for number in 0..3 {
        deposit(&contract, number).await;
        follower.look(&l1, &contract).await.unwrap();
    }
    assert_eq!(addresses(&follower), [address(0), address(1), address(2)]);
    let head = l1.head().await.unwrap().number;
    assert_eq!(follower.entries(head - 1).count(), 2, "the newest is not confirmed");
    assert!(!follower.look(&l1, &contract).await.unwrap().news);
    // The last two deposits' blocks are replaced by empty ones; another deposit comes.
    tell(&chain, "anvil_reorg", json!([2, []])).await;
    tell(&chain, "anvil_dropAllTransactions", json!([])).await;
    deposit(&contract, 7).await;
    let look = follower.look(&l1, &contract).await.unwrap();
    assert!(look.reorganised && look.news && look.head == head + 1);
    assert_eq!(addresses(&follower), [address(0), address(7)]);
    assert_eq!(follower.seen(), head + 1);
}

/// Deeper than any hash that is remembered: everything is read anew.
#[tokio::test(flavor = "multi_thread")]
async fn a_reorganisation_beyond_memory_is_followed_from_the_deployment() {
    let chain = anvil();
    let (l1, deployment) = deployed(&chain).await;
    let contract = Rollup::new(&l1, deployment.rollup);
    deposit(&contract, 0).await;
    tell(&chain, "anvil_mine", json!(["0x20"])).await;
    let mut follower = Follower::new(deployment.block);
    // One look: one hash is remembered.
    follower.look(&l1, &contract).await.unwrap();
    tell(&chain, "anvil_reorg", json!([20, []])).await;
    deposit(&contract, 1).await;
    let look = follower.look(&l1, &contract).await.unwrap();
    assert!(look.reorganised);
    assert_eq!(addresses(&follower), [address(0), address(1)]);
    let mut anew = Follower::new(deployment.block);
    anew.look(&l1, &contract).await.unwrap();
    assert_eq!(anew.events(), follower.events());
}
