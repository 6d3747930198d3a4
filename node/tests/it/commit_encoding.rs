//! What L1 takes for a commit, a node reads: the contract's decoder and ours on the same calldata, in every odd encoding.
//!
//! The contract takes any calldata whose offsets and lengths stay inside it: "The Solidity ABI decoder currently does not enforce
//! strict mode" (Solidity's ABI specification, "Strict Encoding Mode"). A batch that L1 has and a node cannot read, or reads
//! otherwise, would stop the node.

use std::time::Duration;

use alloy_rlp::{Encodable, Header};
use ethers_core::abi::Token;
use serde_json::{Value, json};
use starling_node::l1::L1;
use starling_node::l1::abi::{self, ROLLUP};
use starling_node::l1::anvil::{Anvil, CHAIN_ID};
use starling_node::l1::deploy::{Parameters, deploy};
use starling_node::l1::ethers::EthersL1;
use starling_node::l1::rollup::{CommitSent, Rollup};
use starling_node::l1::staking::Staking;
use starling_rollup::address::L1Address;
use starling_rollup::block_header::{self, BlockEnd, encode_blocks};
use starling_rollup::chain::{self, GENESIS, word_bytes};
use starling_rollup::data::{claim, to_calldata};
use starling_rollup::l1_key::{L1Key, keccak256};
use starling_rollup::transaction::RollupId;

use crate::l1::{anvil, sender, tell};

/// Seconds to go on after the deployment, so that slots other than 0 have begun.
const LATER: u64 = 64;
/// Enough for every commit here.
const GAS: &str = "0x4c4b40";

struct World {
    chain: Anvil,
    l1: EthersL1,
    rollup: L1Address,
    bond: u128,
}

fn hex(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("0x{digits}")
}

fn hash(value: &Value) -> [u8; 32] {
    abi::from_hex(value.as_str().unwrap()).unwrap().try_into().unwrap()
}

impl World {
    async fn new() -> Self {
        let chain = anvil();
        let l1 = sender(&chain, 0).await;
        let deployment = deploy(&l1, &Parameters::patient()).await.unwrap();
        let staking = Staking::new(&l1, deployment.staking);
        let stake = staking.constants().await.unwrap().min_stake;
        staking.register(l1.sender(), 0, [1; 32], stake).await.unwrap();
        let bond = Rollup::new(&l1, deployment.rollup).constants().await.unwrap().bond;
        tell(&chain, "evm_increaseTime", json!([LATER])).await;
        tell(&chain, "evm_mine", json!([])).await;
        Self {
            chain,
            l1,
            rollup: deployment.rollup,
            bond,
        }
    }

    fn contract(&self) -> Rollup<'_> {
        Rollup::new(&self.l1, self.rollup)
    }

    fn transaction(&self, data: &[u8]) -> Value {
        json!({
            "from": self.l1.sender().to_string(),
            "to": self.rollup.to_string(),
            "value": format!("0x{:x}", self.bond),
            "gas": GAS,
            "data": hex(data),
        })
    }

    /// Sends a transaction: its hash, and whether L1 took it, once it is in a block.
    async fn send(&self, transaction: Value) -> ([u8; 32], bool) {
        let sent = tell(&self.chain, "eth_sendTransaction", json!([transaction])).await;
        loop {
            let receipt = tell(&self.chain, "eth_getTransactionReceipt", json!([sent])).await;
            let found = tell(&self.chain, "eth_getTransactionByHash", json!([sent])).await;
            // The block is made behind the answer.
            if receipt["status"].is_string() && found["blockNumber"].is_string() {
                return (hash(&sent), receipt["status"] == "0x1");
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// What is read of a commit that L1 took is what the contract used, or this panics.
    async fn read(&self, transaction: [u8; 32], data: &[u8], what: &str) -> CommitSent {
        let sent = self.contract().commit_sent(transaction).await;
        let sent = sent.unwrap_or_else(|error| panic!("{what}: L1 took it: {error}\n{}", hex(data)));
        let on_l1 = self.contract().batch(1).await.unwrap();
        let headers = block_header::headers([0; 32], sent.slot, 1, &sent.words, &sent.blocks);
        let headers = headers.unwrap_or_else(|error| panic!("{what}: {error}\n{}", hex(data)));
        assert_eq!(headers.last().unwrap().hash(), on_l1.head, "{what}: {}", hex(data));
        let id = RollupId {
            chain_id: CHAIN_ID,
            contract: self.rollup,
        };
        // A wrong claim makes another digest, which nobody can prove.
        let claimed = data[4 + 4 * 32..][..32] == word_bytes(&claim(&sent.words));
        let digest = chain::next(&GENESIS, &sent.words, &id, 1);
        assert_eq!(digest == on_l1.digest, claimed, "{what}: {}", hex(data));
        sent
    }

    /// Sends calldata; what is read of it if L1 takes it. Then all is as before.
    async fn try_out(&self, data: &[u8], what: &str) -> Option<CommitSent> {
        let snapshot = tell(&self.chain, "evm_snapshot", json!([])).await;
        let (transaction, taken) = self.send(self.transaction(data)).await;
        let sent = match taken {
            true => Some(self.read(transaction, data, what).await),
            false => None,
        };
        assert_eq!(tell(&self.chain, "evm_revert", json!([snapshot])).await, true);
        sent
    }
}

// CALLDATA BY HAND
// ================================================================================================================

type Word = [u8; 32];

fn uint(value: u128) -> Word {
    let mut word = [0; 32];
    word[16..].copy_from_slice(&value.to_be_bytes());
    word
}

/// The arguments' head words, and all that follows.
#[derive(Clone)]
struct Call {
    parent: Word,
    slot: Word,
    blocks: Word,
    data: Word,
    claim: Word,
    tail: Vec<u8>,
}

/// Where the tail starts: offsets count from the first argument.
const TAIL: usize = 5 * 32;

impl Call {
    fn bytes(&self) -> Vec<u8> {
        let selector = ROLLUP.abi.function("commit").unwrap().short_signature();
        let head = [self.parent, self.slot, self.blocks, self.data, self.claim].concat();
        [&selector[..], &head, &self.tail].concat()
    }
}

/// Bytes behind their length.
fn counted(bytes: &[u8]) -> Vec<u8> {
    [&uint(bytes.len() as u128)[..], bytes].concat()
}

/// A batch, as it is committed.
#[derive(Clone)]
struct Content {
    slot: u64,
    blocks: Vec<BlockEnd>,
    words: Vec<u64>,
}

impl Content {
    /// As many short transfers, in two blocks.
    fn transfers(count: u64) -> Self {
        let mut words = vec![3 + 2 * count, 0, 0];
        words.extend((0..count).flat_map(|k| [k | (k + 1) << 32, 1]));
        let block = |end, state| BlockEnd { end, state };
        Self {
            slot: 3,
            blocks: vec![block(5, [0xab; 32]), block(words.len() as u16, [0xcd; 32])],
            words,
        }
    }

    fn blocks_bytes(&self) -> Vec<u8> {
        encode_blocks(&self.blocks)
    }

    fn data_bytes(&self) -> Vec<u8> {
        to_calldata(&self.words)
    }

    /// A call with this tail; the lists' places in it.
    fn call(&self, tail: Vec<u8>, blocks: usize, data: usize) -> Call {
        Call {
            parent: [0; 32],
            slot: uint(u128::from(self.slot)),
            blocks: uint((TAIL + blocks) as u128),
            data: uint((TAIL + data) as u128),
            claim: word_bytes(&claim(&self.words)),
            tail,
        }
    }

    /// Gaps before, between and behind the lists; `swapped`: the data comes first.
    fn spread(&self, gaps: [&[u8]; 3], swapped: bool) -> Call {
        let (mut first, mut second) = (counted(&self.blocks_bytes()), counted(&self.data_bytes()));
        if swapped {
            std::mem::swap(&mut first, &mut second);
        }
        let mut places = [gaps[0].len(), gaps[0].len() + first.len() + gaps[1].len()];
        if swapped {
            places.reverse();
        }
        let tail = [gaps[0], &first, gaps[1], &second, gaps[2]].concat();
        self.call(tail, places[0], places[1])
    }

    /// As encoders write it.
    fn canonical(&self) -> Call {
        let padding = vec![0; self.blocks_bytes().len().next_multiple_of(32) - self.blocks_bytes().len()];
        self.spread([&[], &padding, &[]], false)
    }

    fn is(&self, sent: &CommitSent) -> bool {
        (self.slot, &self.blocks, &self.words) == (sent.slot, &sent.blocks, &sent.words)
    }
}

/// The list of blocks stands in the words of the data: a withdrawal's last words are its length, the transfers behind them are it.
fn overlapping() -> (Content, Call) {
    let length = 3 + 6 + 6;
    let words = vec![
        length,
        0,
        0,
        9,
        4,
        0,
        0,
        0,
        34, // The list: two bytes of where the block ends, its state root.
        length << 48,
        1,
        7,
        1,
        8,
        1,
    ];
    let bytes = to_calldata(&words);
    let list = &bytes[8 * 9..][..34];
    let blocks = block_header::decode_blocks(list).unwrap();
    let content = Content { slot: 1, blocks, words };
    let call = content.call(counted(&bytes), 32 + 8 * 5, 0);
    (content, call)
}

// NAMED CASES
// ================================================================================================================

#[tokio::test(flavor = "multi_thread")]
async fn what_l1_takes_is_read_in_every_encoding() {
    let world = World::new().await;
    let content = Content::transfers(3);
    let canonical = content.canonical();
    let arguments = [
        abi::bytes32([0; 32]),
        abi::uint(content.slot),
        Token::Bytes(content.blocks_bytes()),
        Token::Bytes(content.data_bytes()),
        abi::bytes32(word_bytes(&claim(&content.words))),
    ];
    assert_eq!(canonical.bytes(), ROLLUP.encode("commit", &arguments).unwrap());
    let (odd, long) = ([0xee; 7], [0xee; 77]);
    let with_claim = |claim| Call {
        claim,
        ..canonical.clone()
    };
    let taken = [
        ("canonical", canonical.clone()),
        ("without padding", content.spread([&[], &[], &[]], false)),
        ("the data first", content.spread([&[], &[], &[0; 28]], true)),
        (
            "the data first, no padding at the end",
            content.spread([&[], &[], &[]], true),
        ),
        ("a gap before", content.spread([&[0xee; 32], &[], &[]], false)),
        ("a gap between", content.spread([&[], &[0xee; 28], &[]], false)),
        ("odd gaps", content.spread([&odd, &odd, &odd], false)),
        ("odd gaps, the data first", content.spread([&odd, &odd, &odd], true)),
        ("long gaps", content.spread([&long, &long, &long], false)),
        (
            "a selector and garbage behind",
            content.spread([&[], &[], &canonical.bytes()], false),
        ),
        ("another claim", with_claim(uint(5))),
        (
            "slot 0",
            Call {
                slot: uint(0),
                ..canonical.clone()
            },
        ),
    ];
    for (what, call) in &taken {
        let sent = world.try_out(&call.bytes(), what).await;
        let sent = sent.unwrap_or_else(|| panic!("{what}: L1 does not take it"));
        let slot = if *what == "slot 0" { 0 } else { content.slot };
        assert!(
            Content {
                slot,
                ..content.clone()
            }
            .is(&sent),
            "{what}"
        );
    }
    let (content, call) = overlapping();
    let sent = world
        .try_out(&call.bytes(), "the blocks in the data")
        .await
        .expect("L1 takes it");
    assert!(content.is(&sent));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_l1_refuses_is_known() {
    let world = World::new().await;
    let content = Content::transfers(3);
    let canonical = content.canonical();
    let blocks = content.blocks_bytes().len().next_multiple_of(32);
    let mut refused = Vec::new();
    let cut = content.spread([&[], &[], &[]], true).bytes();
    refused.push((
        "a byte of the blocks is missing".to_owned(),
        cut[..cut.len() - 1].to_vec(),
    ));
    let cut = content.spread([&[], &[], &[]], false).bytes();
    refused.push((
        "a byte of the data is missing".to_owned(),
        cut[..cut.len() - 1].to_vec(),
    ));
    refused.push(("the head alone".to_owned(), canonical.bytes()[..4 + TAIL].to_vec()));
    refused.push(("the head is cut".to_owned(), canonical.bytes()[..4 + TAIL - 1].to_vec()));
    refused.push(("the selector alone".to_owned(), canonical.bytes()[..4].to_vec()));
    // High bits on top of what would be right, and numbers around the limits.
    let with = |word: &Word, at: usize, byte: u8| {
        let mut word = *word;
        word[at] |= byte;
        word
    };
    for (at, byte) in [(0, 0x80), (0, 1), (15, 1), (23, 1), (24, 0x80), (27, 1), (28, 0x80)] {
        let mut add = |what: &str, change: &dyn Fn(&mut Call)| {
            let mut call = canonical.clone();
            change(&mut call);
            refused.push((format!("{what}, byte {at} has {byte:#x}"), call.bytes()));
        };
        add("slot", &|call| call.slot = with(&call.slot, at, byte));
        add("offset of the blocks", &|call| {
            call.blocks = with(&call.blocks, at, byte)
        });
        add("offset of the data", &|call| call.data = with(&call.data, at, byte));
        add("length of the blocks", &|call| call.tail[at] |= byte);
        add("length of the data", &|call| call.tail[32 + blocks + at] |= byte);
    }
    let all = [0xff; 32];
    let least = |last: u8| {
        let mut word = all;
        word[31] = last;
        word
    };
    for word in [all, least(0xe0), least(0x60), uint((1 << 64) - 1), uint(1 << 64)] {
        let mut add = |what: &str, change: &dyn Fn(&mut Call)| {
            let mut call = canonical.clone();
            change(&mut call);
            refused.push((format!("{what} is {}", hex(&word)), call.bytes()));
        };
        add("slot", &|call| call.slot = word);
        add("offset of the blocks", &|call| call.blocks = word);
        add("offset of the data", &|call| call.data = word);
        add("length of the blocks", &|call| call.tail[..32].copy_from_slice(&word));
        add("length of the data", &|call| {
            call.tail[32 + blocks..][..32].copy_from_slice(&word)
        });
    }
    // Offsets at the end: no room for a length, and a length of nothing.
    for back in 0..=33 {
        let end = uint((TAIL + canonical.tail.len() - back) as u128);
        refused.push((
            format!("the blocks start {back} bytes before the end"),
            Call {
                blocks: end,
                ..canonical.clone()
            }
            .bytes(),
        ));
        refused.push((
            format!("the data starts {back} bytes before the end"),
            Call {
                data: end,
                ..canonical.clone()
            }
            .bytes(),
        ));
    }
    for (what, data) in &refused {
        assert!(world.try_out(data, what).await.is_none(), "{what}: L1 takes it");
    }
}

// RANDOM CASES
// ================================================================================================================

/// Numbers that are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) % limit as u64) as usize
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        (0..self.below(most + 1)).map(|_| self.below(256) as u8).collect()
    }

    /// Changes a word: by little, in one bit, or to something near a limit.
    fn change(&mut self, word: &mut [u8]) {
        match self.below(4) {
            0 => word[self.below(32)] ^= 1 << self.below(8),
            1 => word[31] = word[31].wrapping_add(self.below(65) as u8).wrapping_sub(32),
            2 => word[30 + self.below(2)] = self.below(256) as u8,
            _ => {
                let limit = [uint(0), uint(1 << 32), uint(1 << 64), uint((1 << 64) - 32), [0xff; 32]];
                word.copy_from_slice(&limit[self.below(5)]);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn random_encodings_are_read_as_the_contract_reads_them() {
    let world = World::new().await;
    let mut random = Random(1);
    let (mut taken, mut refused) = (0, 0);
    for round in 0..150 {
        let count = random.below(12) as u64 + 2;
        let mut content = Content::transfers(count);
        content.slot = random.below(20) as u64;
        content.blocks[1].state = core::array::from_fn(|_| random.below(256) as u8);
        let gaps = [random.bytes(70), random.bytes(70), random.bytes(70)];
        let call = content.spread([&gaps[0], &gaps[1], &gaps[2]], random.below(2) == 0);
        let what = format!("layout {round}");
        let sent = world.try_out(&call.bytes(), &what).await;
        assert!(
            sent.is_some_and(|sent| content.is(&sent)),
            "{what}: {}",
            hex(&call.bytes())
        );
    }
    // Two batches' lists, each offset to one or the other; then a change of the words that say where everything is.
    for round in 0..400 {
        let count = random.below(6) as u64 + 2;
        let content = Content::transfers(count);
        let mut other = Content::transfers(count + (random.below(4) / 3) as u64);
        other.blocks[0].state = [0x11; 32];
        other.words[3] += 1;
        let gap = random.bytes(40);
        let mut call = content.spread([&gap, &gap, &gap], random.below(2) == 0);
        let second = [call.tail.len(), call.tail.len() + 32 + other.blocks_bytes().len()];
        call.tail.extend(counted(&other.blocks_bytes()));
        call.tail.extend(counted(&other.data_bytes()));
        if random.below(2) == 0 {
            call.blocks = uint((TAIL + second[0]) as u128);
        }
        if random.below(2) == 0 {
            call.data = uint((TAIL + second[1]) as u128);
        }
        let place = |word: &Word| 4 + u128::from_be_bytes(word[16..].try_into().unwrap()) as usize;
        // The parent is only looked at: it is left as it is.
        let places = [36, 68, 100, 132, place(&call.blocks), place(&call.data)];
        let mut data = call.bytes();
        for _ in 0..random.below(3) {
            let at = places[random.below(6)];
            random.change(&mut data[at..at + 32]);
        }
        match world.try_out(&data, &format!("change {round}")).await {
            Some(_) => taken += 1,
            None => refused += 1,
        }
    }
    assert!(
        taken > 80 && refused > 100,
        "{taken} changed calls are taken, {refused} refused"
    );
}

// KINDS OF TRANSACTIONS
// ================================================================================================================

/// An account's authorization of code (EIP-7702), as the RPC takes it.
fn authorization(key: &L1Key, code: L1Address, nonce: u64) -> Value {
    let mut list = Vec::new();
    CHAIN_ID.encode(&mut list);
    code.0.encode(&mut list);
    nonce.encode(&mut list);
    let mut message = vec![5];
    let payload_length = list.len();
    Header {
        list: true,
        payload_length,
    }
    .encode(&mut message);
    message.extend(list);
    let signature = key.sign(&keccak256(&[&message])).unwrap();
    let bytes = signature.to_bytes();
    json!({
        "chainId": format!("0x{CHAIN_ID:x}"),
        "address": code.to_string(),
        "nonce": format!("0x{nonce:x}"),
        "yParity": if signature.is_odd() { "0x1" } else { "0x0" },
        "r": hex(&bytes[..32]),
        "s": hex(&bytes[32..64]),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_is_read_from_a_transaction_of_any_kind() {
    let world = World::new().await;
    let content = Content::transfers(3);
    let data = content.canonical().bytes();
    let others = world.chain.key(5).unwrap();
    let kinds = [
        ("0x0", json!({ "gasPrice": "0x77359400" })),
        (
            "0x1",
            json!({ "gasPrice": "0x77359400", "accessList": [{ "address": world.rollup.to_string(), "storageKeys": [hex(&[0; 32])] }] }),
        ),
        (
            "0x2",
            json!({ "maxFeePerGas": "0x77359400", "maxPriorityFeePerGas": "0x1" }),
        ),
        (
            "0x4",
            json!({ "maxFeePerGas": "0x77359400", "maxPriorityFeePerGas": "0x1", "authorizationList": [authorization(&others, world.rollup, 0)] }),
        ),
    ];
    for (kind, more) in kinds {
        let mut transaction = world.transaction(&data);
        transaction["type"] = json!(kind);
        transaction
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let snapshot = tell(&world.chain, "evm_snapshot", json!([])).await;
        let (sent, taken) = world.send(transaction).await;
        let found = tell(&world.chain, "eth_getTransactionByHash", json!([hex(&sent)])).await;
        assert!(taken && found["type"] == kind, "{found}");
        assert!(content.is(&world.read(sent, &data, kind).await));
        tell(&world.chain, "evm_revert", json!([snapshot])).await;
    }
    assert!(world.l1.code(others.address()).await.unwrap().is_empty());
}

/// The operator's own account has code for once: then L1 takes no commit of it, and again as soon as the code is gone.
#[tokio::test(flavor = "multi_thread")]
async fn an_account_with_delegated_code_commits_nothing() {
    let world = World::new().await;
    let content = Content::transfers(3);
    let data = content.canonical().bytes();
    let key = world.chain.key(0).unwrap();
    let me = key.address();
    for (code, takes) in [(world.rollup, false), (L1Address([0; 20]), true)] {
        let nonce = world.l1.nonce().await.unwrap();
        let mut transaction = world.transaction(&data);
        transaction["type"] = json!("0x4");
        transaction["authorizationList"] = json!([authorization(&key, code, nonce + 1)]);
        let (sent, taken) = world.send(transaction).await;
        assert_eq!(taken, takes);
        assert_eq!(world.l1.code(me).await.unwrap().is_empty(), takes);
        match taken {
            true => assert!(content.is(&world.read(sent, &data, "the code is gone").await)),
            false => {
                let again = world
                    .contract()
                    .commit(&GENESIS, 0, &content.blocks, &content.words, world.bond)
                    .await;
                let error = again.unwrap_err().to_string();
                assert!(error.contains("Rollup__NotDirect"), "{error}");
            }
        }
    }
}
