//! What the methods answer.

use serde::{Deserialize, Serialize};

use crate::operator::fate::Reason;

/// How far a transaction or a batch has come. Everything before `proven` can still be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Never accepted, or forgotten; of a batch: taken back.
    Unknown,
    /// Accepted, and will not be executed.
    Refused,
    /// Accepted, its batch taken back, and something is missing that it needs.
    Waiting,
    /// Accepted and on the operator's disk.
    Pending,
    /// In a batch on L1 whose signatures nobody shows, or behind one: its committer's word, which no node vouches for.
    Unverified,
    /// In a signed block, or in a batch that is not on L1 yet: the leader's word, revocable.
    Soft,
    /// In a batch whose data is on L1.
    Committed,
    /// In a batch whose proof L1 has verified.
    Proven,
}

/// `starling_transaction`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionStatus {
    /// How far it has come.
    pub stage: Stage,
    /// The batch.
    pub batch: Option<u64>,
    /// Its position among the batch's operations, the queue's entries counted: what a claim on L1 names.
    pub position: Option<u64>,
    /// Why it waits or was refused.
    pub reason: Option<Reason>,
}

/// `starling_account`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountInfo {
    /// Its index.
    pub index: u32,
    /// Its address.
    pub address: String,
    /// Its nonce after the last sealed batch.
    pub nonce: u32,
    /// Its balance after the last sealed batch, in gwei.
    pub balance: String,
    /// The nonce that its next transaction needs, after all that wait.
    pub next_nonce: u32,
    /// Its balance after all operations accepted into the batch that is being filled.
    pub soft_balance: String,
    /// The last sealed batch.
    pub batch: u64,
    /// How far that batch has come.
    pub stage: Stage,
    /// The state root after it.
    pub root: String,
    /// The next free index after it.
    pub next_index: u64,
    /// The siblings of its leaf, lowest first.
    pub siblings: Vec<String>,
}

/// `starling_batch`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchStatus {
    /// Its number.
    pub number: u64,
    /// How far it has come.
    pub stage: Stage,
    /// State root after it.
    pub root: String,
    /// Chain digest after it.
    pub digest: String,
    /// When it was sealed, in seconds since 1970.
    pub sealed_at: u64,
    /// Queue entries in it.
    pub entries: usize,
    /// Ids of its transactions.
    pub transactions: Vec<String>,
    /// Words of its data.
    pub words: usize,
}

/// `starling_operation`: what a claim on L1 needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationProof {
    /// The operation's words.
    pub words: Vec<String>,
    /// The siblings of its leaf in the batch's tree, lowest first.
    pub path: Vec<String>,
    /// How far the batch has come.
    pub stage: Stage,
}

/// `starling_feeQuote`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeeQuote {
    /// The fee that covers an operation now, in gwei.
    pub fee: String,
    /// Wei a gas on L1, which it is made from.
    pub l1_gas_price: String,
    /// L1 gas of the operation's data.
    pub data_gas: u64,
    /// Its share of the gas of commit and proof.
    pub proof_gas: u64,
}

/// `starling_status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// This program's version.
    pub version: String,
    /// L1's chain id.
    pub chain_id: u64,
    /// The rollup contract.
    pub rollup: String,
    /// The newest L1 block seen.
    pub l1_block: u64,
    /// The last sealed batch.
    pub sealed: u64,
    /// The last committed one.
    pub committed: u64,
    /// The last proven one.
    pub proven: u64,
    /// The first batch that is neither proven nor here with all its signatures: it and what is behind it are `unverified`.
    pub unverified: Option<u64>,
    /// Whether a proof is being made.
    pub proving: bool,
    /// Transactions that wait.
    pub waiting: usize,
    /// Accounts.
    pub accounts: u64,
    /// State root after the last sealed batch.
    pub root: String,
    /// What is wrong with L1, while it is, or the batch there that keeps everybody waiting.
    pub trouble: Option<String>,
    /// The slot now, and who builds its blocks, if that is known.
    pub slot: u64,
    /// See `slot`.
    pub builder: Option<String>,
    /// Whether this node builds them.
    pub building: bool,
    /// Signed blocks behind the last sealed batch: soft, revocable.
    pub open_blocks: usize,
    /// Signed blocks that were taken back since the node started.
    pub revoked_blocks: u64,
    /// The node's peers; null without a network.
    pub peers: Option<u64>,
}

/// An element of `starling_proofs`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofInfo {
    /// The first batch that it covers.
    pub first: u64,
    /// The last one.
    pub last: u64,
    /// Whether L1 has verified it.
    pub settled: bool,
    /// Signed operations in its batches.
    pub operations: usize,
    /// Rows of its trace.
    pub rows: u64,
    /// Milliseconds that it took.
    pub prove_ms: u64,
    /// The process's peak memory then, in bytes.
    pub peak_bytes: u64,
    /// Its length in bytes.
    pub bytes: usize,
    /// Its preset.
    pub preset: String,
    /// Its proven bits of security.
    pub proven_bits: u32,
    /// L1 transactions and gas of its batches' commits, as far as this process sent them.
    pub commit: Gas,
    /// L1 transactions and gas of the proof.
    pub prove: Gas,
}

/// What L1 took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gas {
    /// Transactions.
    pub transactions: u64,
    /// Gas.
    pub gas: u64,
}

/// `starling_subscribeBatches`: a batch came to another stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchEvent {
    /// The batch.
    pub number: u64,
    /// Where it stands now; `unknown` if it was taken back, and another will have its number.
    pub stage: Stage,
    /// State root after it.
    pub root: String,
    /// Chain digest after it.
    pub digest: String,
}
