//! The rollup contract against the protocol: what it makes of a batch's data.

use rand::{Rng, SeedableRng};
use revm::primitives::Address as Account;
use sha3::{Digest, Keccak256};
use starling_rollup::address::{Address, L1Address};
use starling_rollup::block_header::{BlockEnd, decode_blocks, encode_blocks, headers};
use starling_rollup::record::{Body, DEPOSIT, DEPOSIT_NEW, EXIT, Record};
use starling_rollup::transaction::RollupId;
use starling_vm::field::{Felt, MODULUS, Word};
use starling_vm::poseidon2::compress;
use starling_vm::schnorr::SecretKey;

use crate::evm::{Argument, Chain, Outcome, SENDER, call, selector, word};

type Random = rand_chacha::ChaCha8Rng;

pub(crate) const BOND: u128 = 1_000_000_000_000_000_000;
pub(crate) const FEE: u128 = 1_000_000_000;
pub(crate) const PROVE_WINDOW: u64 = 3_600;
pub(crate) const FREEZE_WINDOW: u64 = 100_000;
pub(crate) const GWEI: u128 = 1_000_000_000;

fn random(seed: u64) -> Random {
    Random::seed_from_u64(seed)
}

fn random_word(rng: &mut Random) -> Word {
    core::array::from_fn(|_| Felt::new(rng.random_range(0..MODULUS)))
}

pub(crate) fn bytes(word: &Word) -> [u8; 32] {
    Address::from_word(*word).to_bytes()
}

/// An account as an argument.
pub(crate) fn account(account: Account) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[12..].copy_from_slice(account.as_slice());
    bytes
}

fn keccak(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Keccak256::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize().into()
}

// WHAT THE PAGES SAY
// ================================================================================================

/// Data as L1 gets it: a header, entries and records.
fn data(records: &[Vec<u64>], entries: &[Vec<u64>]) -> Vec<u64> {
    let mut words = vec![0, entries.len() as u64, 7];
    words.extend(entries.iter().chain(records).flatten());
    words[0] = words.len() as u64;
    words
}

fn calldata(words: &[u64]) -> Vec<u8> {
    let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
    bytes.resize(bytes.len().next_multiple_of(32), 0);
    bytes
}

fn chain_digest(previous: &Word, words: &[u64], claim: &Word, rollup: &RollupId, batch: u64) -> Word {
    let mut contract = [0; 32];
    contract[12..].copy_from_slice(&rollup.contract.0);
    let data = calldata(words);
    let seed = keccak(&[
        &data,
        &bytes(claim),
        &word(rollup.chain_id),
        &contract,
        &word(batch),
        &bytes(previous),
    ]);
    let points = [0, 1, 2].map(|k| {
        let hash = keccak(&[&seed, &word(k)]);
        let modulus = u128::from(MODULUS);
        Felt::new(
            hash.iter()
                .fold(0, |rest, byte| (rest << 8 | u128::from(*byte)) % modulus) as u64,
        )
    });
    let values = points.map(|point| {
        data.chunks_exact(8).fold(Felt::new(0), |sum, chunk| {
            sum * point + Felt::new(u64::from_be_bytes(chunk.try_into().expect("eight bytes")))
        })
    });
    let length = Felt::new(words.len() as u64);
    compress(
        compress(*previous, *claim),
        compress(
            [points[0], points[1], points[2], length],
            [values[0], values[1], values[2], Felt::new(0)],
        ),
    )
}

/// All levels of the tree of operations, leaves first.
pub(crate) fn operations_tree(operations: &[Vec<u64>]) -> Vec<Vec<[u8; 32]>> {
    let leaf = |words: &Vec<u64>| {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        keccak(&[&[0], &bytes])
    };
    let mut level: Vec<[u8; 32]> = operations.iter().map(leaf).collect();
    level.resize(level.len().next_power_of_two(), [0; 32]);
    let mut levels = vec![level];
    while levels[levels.len() - 1].len() > 1 {
        let below = &levels[levels.len() - 1];
        let above = below
            .chunks_exact(2)
            .map(|pair| keccak(&[&[1], &pair[0], &pair[1]]))
            .collect();
        levels.push(above);
    }
    levels
}

pub(crate) fn path(levels: &[Vec<[u8; 32]>], mut position: usize) -> Vec<[u8; 32]> {
    let mut path = vec![];
    for level in &levels[..levels.len() - 1] {
        path.push(level[position ^ 1]);
        position >>= 1;
    }
    path
}

fn entry(tag: u64, index: u32, sender: L1Address, amount: u64, address: &Address) -> Vec<u64> {
    let [l0, l1, l2] = sender.to_elements().map(|element| element.as_int());
    let mut words = vec![u64::from(index), tag | l2 << 4, l0, l1, amount];
    words.extend(address.to_word().map(|element| element.as_int()));
    words
}

fn random_record(rng: &mut Random) -> Vec<u64> {
    let amount = rng.random_range(0..1u64 << 63);
    let address = Address::from_word(random_word(rng));
    let body = match rng.random_range(0..6) {
        0 => Body::Transfer {
            to: rng.random(),
            amount,
            long: false,
        },
        1 => Body::Open { address, amount },
        2 => Body::Withdraw {
            recipient: L1Address(rng.random()),
            amount,
        },
        3 => Body::Rekey { address },
        _ => Body::Transfer {
            to: rng.random(),
            amount: 1_000 * rng.random_range(0..1 << 30),
            long: rng.random(),
        },
    };
    let fee = rng.random_range(0..2_000);
    let from = rng.random();
    Record { from, fee, body }.encode()
}

// THE CONTRACT
// ================================================================================================

pub(crate) struct Rollup {
    pub(crate) chain: Chain,
    pub(crate) address: Account,
    pub(crate) staking: Account,
}

/// Seconds of a slot, slots of an epoch.
pub(crate) const CLOCK: (u64, u64) = (10, 4);
pub(crate) const MIN_STAKE: u128 = 1_000_000_000_000_000_000;

/// As `Staking.Parameters`: any validator may commit at any time.
fn staking_parameters() -> [[u8; 32]; 14] {
    let stake = MIN_STAKE as u64;
    let (slot, slots) = CLOCK;
    let windows = [2 * PROVE_WINDOW, PROVE_WINDOW];
    [
        slot,
        slots,
        0,
        600,
        stake,
        10 * stake,
        4,
        windows[0],
        windows[1],
        50,
        stake / 2,
        10,
        windows[0],
        2,
    ]
    .map(word)
}

impl Rollup {
    /// A rollup that only commits: any code stands for the verifier.
    pub(crate) fn new() -> Self {
        let mut chain = Chain::new();
        let verifier = chain.deploy("Poseidon2Harness", &[]);
        Self::with_verifier(chain, verifier, &[1, 2, 3, 4].map(Felt::new))
    }

    pub(crate) fn with_verifier(mut chain: Chain, verifier: Account, kernel: &Word) -> Self {
        // The rollup is the next contract but one: it and its validators name each other.
        let arguments = [&[account(chain.next_contract(1))], &staking_parameters()[..]].concat();
        let staking = chain.deploy("Staking", &arguments.concat());
        let head = [account(verifier), bytes(kernel), account(staking), word(BOND as u64)];
        let tail = [PROVE_WINDOW, 0, FEE as u64, 3_600, FREEZE_WINDOW, 2 * FREEZE_WINDOW, 4].map(word);
        let address = chain.deploy("Rollup", &[&head[..], &tail].concat().concat());
        let mut rollup = Self {
            chain,
            address,
            staking,
        };
        rollup.register(SENDER, MIN_STAKE);
        rollup
    }

    /// Makes an account a validator.
    pub(crate) fn register(&mut self, operator: Account, stake: u128) {
        let arguments = [account(operator), word(0), [7; 32]].map(Argument::Word);
        let data = call("register(address,uint32,bytes32)", &arguments);
        let outcome = self.chain.pay_as(operator, self.staking, stake, data);
        outcome.result.expect("registers");
    }

    pub(crate) fn id(&self) -> RollupId {
        RollupId {
            chain_id: 1,
            contract: L1Address(self.address.into_array()),
        }
    }

    /// Commits data as one block.
    pub(crate) fn commit_bytes(&mut self, data: &[u8], claim: &[u8; 32]) -> Outcome {
        let end = data.get(6..8).map_or([0, 3], |end| [end[0], end[1]]);
        let blocks = [&end[..], &[9; 32]].concat();
        self.commit_blocks(0, &blocks, data, claim)
    }

    pub(crate) fn commit_blocks(&mut self, slot: u64, blocks: &[u8], data: &[u8], claim: &[u8; 32]) -> Outcome {
        let last = call("committed()", &[]);
        let last = self.chain.call(self.address, last).result.expect("a number");
        let data_of_last = [&call("batches(uint256)", &[])[..], &last].concat();
        let parent = self.chain.call(self.address, data_of_last).result.expect("a batch");
        let parent = parent[..32].try_into().expect("a word");
        let arguments = [
            Argument::Word(parent),
            Argument::Word(word(slot)),
            Argument::Bytes(blocks),
            Argument::Bytes(data),
            Argument::Word(*claim),
        ];
        let data = call("commit(bytes32,uint64,bytes,bytes,bytes32)", &arguments);
        self.chain.pay(self.address, BOND, data)
    }

    pub(crate) fn commit(&mut self, words: &[u64], claim: &Word) -> Outcome {
        self.commit_bytes(&calldata(words), &bytes(claim))
    }

    /// The hash of the last header of a batch.
    fn head(&mut self, number: u64) -> [u8; 32] {
        let data = call("batches(uint256)", &[Argument::Word(word(number))]);
        let batch = self.chain.call(self.address, data).result.expect("a batch");
        batch[64..96].try_into().expect("a word")
    }

    /// Chain digest and operations root of a batch.
    pub(crate) fn batch(&mut self, number: u64) -> (Vec<u8>, Vec<u8>) {
        let data = call("batches(uint256)", &[Argument::Word(word(number))]);
        let batch = self.chain.call(self.address, data).result.expect("a batch");
        (batch[..32].to_vec(), batch[32..64].to_vec())
    }

    fn included(&mut self, batch: u64, position: usize, words: &[u64], path: &[[u8; 32]]) -> bool {
        let words: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        let arguments = [
            Argument::Word(word(batch)),
            Argument::Word(word(position as u64)),
            Argument::Bytes(&words),
            Argument::RawWords(path),
        ];
        let data = call("included(uint256,uint256,bytes,bytes32[])", &arguments);
        self.chain.call(self.address, data).result.expect("an answer")[31] == 1
    }

    /// Queues a random entry and returns its words.
    fn enqueue(&mut self, rng: &mut Random) -> Vec<u64> {
        let sender = L1Address(SENDER.into_array());
        let index: u32 = rng.random();
        let amount = rng.random_range(1..1u64 << 40);
        let value = u128::from(amount) * GWEI + FEE;
        let address = Address::from_word(random_word(rng));
        let auth = Argument::Word(address.to_bytes());
        let place = Argument::Word(word(u64::from(index)));
        let (value, data, words) = match rng.random_range(0..3) {
            0 => (
                value,
                call("deposit(bytes32)", &[auth]),
                entry(DEPOSIT_NEW, 0, sender, amount, &address),
            ),
            1 => (
                value,
                call("depositTo(uint32,bytes32)", &[place, auth]),
                entry(DEPOSIT, index, sender, amount, &address),
            ),
            _ => {
                let key = *SecretKey::derive(&rng.random::<[u8; 8]>()).public_key();
                let limbs = key.to_elements().map(|limb| Argument::Word(word(limb.as_int())));
                let arguments = [&[place], &limbs[..]].concat();
                let address = Address::new(&key, sender);
                (
                    FEE,
                    call("forceExit(uint32,uint64[5])", &arguments),
                    entry(EXIT, index, sender, 0, &address),
                )
            }
        };
        self.chain.pay(self.address, value, data).result.expect("queues");
        words
    }
}

// TESTS
// ================================================================================================

/// Rust forms the headers that the contract forms, for any cut into blocks, and refuses the cuts that it refuses.
#[test]
fn commits_keep_the_hash_of_their_headers() {
    let mut rng = random(12);
    let mut rollup = Rollup::new();
    let mut parent = [0; 32];
    for number in 1..=crate::soak(25) as u64 {
        let records: Vec<Vec<u64>> = (0..rng.random_range(0..40)).map(|_| random_record(&mut rng)).collect();
        let words = data(&records, &[]);
        let mut blocks: Vec<BlockEnd> = vec![];
        for end in 2..=words.len() as u16 {
            let last = usize::from(end) == words.len();
            if last || rng.random_range(0..20) == 0 {
                let state = rng.random();
                blocks.push(BlockEnd { end, state });
            }
        }
        rollup.chain.wait(rng.random_range(1..60));
        let slot = (rollup.chain.time() - 1) / CLOCK.0;
        let claim = bytes(&random_word(&mut rng));
        // A wrong cut first.
        let mut wrong = blocks.clone();
        match rng.random_range(0..3) {
            0 => drop(wrong.pop()),
            1 => wrong[0].end = [0, 1][rng.random_range(0..2)],
            _ => wrong.push(wrong[wrong.len() - 1]),
        }
        headers(parent, slot, number, &words, &wrong).expect_err("not a cut");
        let refused = rollup.commit_blocks(slot, &encode_blocks(&wrong), &calldata(&words), &claim);
        assert_eq!(refused.error(), Some(selector("BlockHeaders__Blocks(uint256)")));

        let expected = headers(parent, slot, number, &words, &blocks).expect("a cut");
        let encoded = encode_blocks(&blocks);
        assert_eq!(decode_blocks(&encoded).expect("blocks"), blocks);
        let outcome = rollup.commit_blocks(slot, &encoded, &calldata(&words), &claim);
        outcome.result.expect("commits");
        parent = expected[expected.len() - 1].hash();
        assert_eq!(rollup.head(number), parent);
    }
}

#[test]
fn commits_bind_data_and_order() {
    let mut rng = random(11);
    let mut rollup = Rollup::new();
    let id = rollup.id();
    let mut digest = [Felt::new(0); 4];
    for number in 1..=crate::soak(25) as u64 {
        let mut entries: Vec<Vec<u64>> = (0..rng.random_range(0..4)).map(|_| rollup.enqueue(&mut rng)).collect();
        entries
            .iter_mut()
            .for_each(|words| words.push(rng.random_range(0..1 << 63)));
        let count = [0, 1, 2, 3, 7, 8, 9, 33, 120][number as usize % 9];
        let records: Vec<Vec<u64>> = (0..count).map(|_| random_record(&mut rng)).collect();
        let words = data(&records, &entries);
        let claim = random_word(&mut rng);
        let outcome = rollup.commit(&words, &claim);
        outcome.result.expect("commits");
        let (found_digest, found_root) = rollup.batch(number);
        digest = chain_digest(&digest, &words, &claim, &id, number);
        assert_eq!(found_digest, bytes(&digest));
        let operations = [entries, records].concat();
        let levels = operations_tree(&operations);
        assert_eq!(found_root, levels[levels.len() - 1][0]);

        for position in [0, operations.len() / 2, operations.len().saturating_sub(1)] {
            let Some(words) = operations.get(position) else {
                continue;
            };
            let mut path = path(&levels, position);
            assert!(rollup.included(number, position, words, &path));
            assert!(!rollup.included(number + 1, position, words, &path));
            assert!(!rollup.included(number, position ^ 1, words, &path));
            assert!(!rollup.included(number, position | 1 << path.len(), words, &path));
            assert!(!rollup.included(number, position, &words[1..], &path));
            if let Some(sibling) = path.first_mut() {
                sibling[5] ^= 1;
                assert!(!rollup.included(number, position, words, &path));
            }
        }
    }
}

#[test]
fn malformed_data_is_refused() {
    let mut rng = random(12);
    let mut rollup = Rollup::new();
    let claim = random_word(&mut rng);
    let records: Vec<Vec<u64>> = (0..20).map(|_| random_record(&mut rng)).collect();
    let words = data(&records, &[]);
    let refused = |rollup: &mut Rollup, bytes: &[u8], claim: &Word, error: &str| {
        let outcome = rollup.commit_bytes(bytes, &self::bytes(claim));
        assert_eq!(outcome.error(), Some(selector(error)), "{error}");
    };
    let length = "BatchData__Length(uint256,uint256)";

    // Lengths: bytes and words must agree.
    let good = calldata(&words);
    refused(&mut rollup, &[], &claim, length);
    refused(&mut rollup, &good[..good.len() - 32], &claim, length);
    refused(&mut rollup, &good[..good.len() - 8], &claim, length);
    refused(&mut rollup, &[&good[..], &[0; 32]].concat(), &claim, length);
    for said in [0, 2, words.len() as u64 + 4, 16_385, u64::MAX] {
        let mut wrong = words.clone();
        wrong[0] = said;
        refused(&mut rollup, &calldata(&wrong), &claim, length);
    }
    // Words behind the last: three, two and one of them.
    let (from, fee) = (1, 2);
    let transfer = Body::Transfer {
        to: 3,
        amount: 4,
        long: false,
    };
    let rekey = Body::Rekey {
        address: Address::from_word(claim),
    };
    let [transfer, rekey] = [transfer, rekey].map(|body| Record { from, fee, body }.encode());
    for records in [vec![transfer], vec![rekey.clone()], vec![]] {
        let words = data(&records, &[]);
        let padded = words.len().next_multiple_of(4);
        assert_ne!(words.len(), padded);
        for at in words.len()..padded {
            let mut wrong = words.clone();
            wrong.resize(padded, 0);
            wrong[at] = 1;
            refused(&mut rollup, &calldata(&wrong), &claim, "BatchData__Padding()");
        }
    }
    // Every word is canonical; the claim too.
    for at in 3..words.len() {
        let mut wrong = words.clone();
        wrong[at] = MODULUS + rng.random_range(0..u64::from(u32::MAX) - 1);
        refused(&mut rollup, &calldata(&wrong), &claim, "BatchData__NotCanonical()");
    }
    let mut wrong = self::bytes(&claim);
    wrong[..8].copy_from_slice(&MODULUS.to_be_bytes());
    let outcome = rollup.commit_bytes(&good, &wrong);
    assert_eq!(outcome.error(), Some(selector("Poseidon2__NotCanonical(bytes32)")));
    // More entries than fit, entries that were never queued, records with no tag or with an entry's, records that are cut.
    for said in [words.len() as u64 / 10 + 1, 1 << 60] {
        let mut wrong = words.clone();
        wrong[1] = said;
        refused(&mut rollup, &calldata(&wrong), &claim, "BatchData__Entries(uint256)");
    }
    let mut wrong = words.clone();
    wrong[1] = 1;
    refused(&mut rollup, &calldata(&wrong), &claim, "Inbox__Entry(uint256)");
    for tag in [0, 6, 7, 8, 9, 15] {
        let mut wrong = words.clone();
        wrong[4] = wrong[4] & !15 | tag;
        refused(&mut rollup, &calldata(&wrong), &claim, "Operations__Tag(uint256)");
    }
    let mut cut = rekey;
    for _ in 0..5 {
        cut.pop();
        let outcome = rollup.commit(&data(&[vec![1, 1], cut.clone()], &[]), &claim);
        assert_eq!(outcome.error(), Some(selector("Operations__Cut()")));
    }
    // Nothing of this was committed, and the original is good.
    rollup.commit(&words, &claim).result.expect("commits");
    let (digest, _) = rollup.batch(1);
    let expected = chain_digest(&[Felt::new(0); 4], &words, &claim, &rollup.id(), 1);
    assert_eq!(digest, bytes(&expected));
}

#[test]
fn queue_entries_come_in_order_and_unchanged() {
    let mut rng = random(13);
    let mut rollup = Rollup::new();
    let claim = random_word(&mut rng);
    let mut entries: Vec<Vec<u64>> = (0..6).map(|_| rollup.enqueue(&mut rng)).collect();
    entries.iter_mut().for_each(|words| words.push(5));
    let entry = Some(selector("Inbox__Entry(uint256)"));
    for at in 0..9 {
        let mut wrong = entries[..2].to_vec();
        wrong[1][at] ^= 1 << 20;
        assert_eq!(rollup.commit(&data(&[], &wrong), &claim).error(), entry);
    }
    let swapped = [entries[1].clone(), entries[0].clone()];
    assert_eq!(rollup.commit(&data(&[], &swapped), &claim).error(), entry);
    rollup
        .commit(&data(&[], &entries[..2]), &claim)
        .result
        .expect("commits");
    assert_eq!(rollup.commit(&data(&[], &entries[..2]), &claim).error(), entry);
    rollup
        .commit(&data(&[], &entries[2..]), &claim)
        .result
        .expect("commits");
    assert_eq!(rollup.commit(&data(&[], &entries[..1]), &claim).error(), entry);
}

/// Prints the gas table of `specs/l1.md`.
#[test]
fn a_transfer_costs_little_to_commit() {
    let mut rng = random(14);
    let mut rollup = Rollup::new();
    let claim = random_word(&mut rng);
    let mut cost = |count: usize| {
        let transfer = |rng: &mut Random| {
            let (from, to) = (rng.random_range(0..1 << 20), rng.random_range(0..1 << 20));
            let amount = rng.random_range(0..1 << 30);
            let fee = rng.random_range(0..2_000);
            let long = false;
            let body = Body::Transfer { to, amount, long };
            Record { from, fee, body }.encode()
        };
        let records: Vec<Vec<u64>> = (0..count).map(|_| transfer(&mut rng)).collect();
        let outcome = rollup.commit(&data(&records, &[]), &claim);
        outcome.result.expect("commits");
        println!(
            "| {count} | {} | {} | {} | {} |",
            outcome.bytes, outcome.execution, outcome.floor, outcome.used
        );
        (outcome.execution, outcome.used)
    };
    cost(1);
    let (first, second) = (cost(256), cost(512));
    println!(
        "a transfer more: {} execution, {} paid",
        (second.0 - first.0) / 256,
        (second.1 - first.1) / 256
    );
    cost(1024);
    assert!(second.1 - first.1 < 256 * 760);
}
