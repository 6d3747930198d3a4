//! Ethereum, behind one narrow trait.
//!
//! [L1] is all that a node asks of Ethereum; [ethers] does it over JSON-RPC. [abi] speaks the contracts' language, [rollup],
//! [staking] and [deploy] know our contracts, [header] encodes Ethereum's own blocks, [anvil] starts a development chain.

pub mod abi;
pub mod anvil;
pub mod deploy;
mod error;
pub mod ethers;
pub mod follow;
pub mod header;
pub mod rollup;
pub mod staking;

use async_trait::async_trait;
use starling_rollup::address::L1Address;

pub use error::{L1Error, hex};

/// A hash on L1.
pub type Hash = [u8; 32];

/// Most bytes of a transaction that public nodes pass on.
pub const MAX_TRANSACTION_BYTES: usize = 128 << 10;

/// Most gas of a transaction (EIP-7825).
pub const MAX_TRANSACTION_GAS: u64 = 1 << 24;

/// Wei a gas that a block's proposer is given at first.
pub const TIP: u128 = 1_000_000_000;

/// A block's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: Hash,
    /// Its parent's hash.
    pub parent: Hash,
    /// Seconds since 1970.
    pub timestamp: u64,
    /// Wei a gas that its transactions burnt.
    pub base_fee: u128,
}

/// An event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Indexed words, the event's own hash first.
    pub topics: Vec<Hash>,
    /// The rest.
    pub data: Vec<u8>,
    /// Its block's number.
    pub block: u64,
    /// Its transaction.
    pub transaction: Hash,
}

/// A transaction to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The contract, or nobody to create one.
    pub to: Option<L1Address>,
    /// Calldata, or creation code.
    pub data: Vec<u8>,
    /// Wei.
    pub value: u128,
}

impl Request {
    /// A call without value.
    pub fn call(to: L1Address, data: Vec<u8>) -> Self {
        Self {
            to: Some(to),
            data,
            value: 0,
        }
    }
}

/// A transaction in a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Its hash.
    pub hash: Hash,
    /// Its block's number.
    pub block: u64,
    /// Its block's hash.
    pub block_hash: Hash,
    /// Gas it used.
    pub gas: u64,
    /// Wei a gas that it paid.
    pub gas_price: u128,
    /// The contract that it created.
    pub created: Option<L1Address>,
    /// Its events.
    pub logs: Vec<Log>,
    /// Bytes of its calldata.
    pub data_bytes: usize,
}

/// What a node asks of Ethereum. Every method may fail with [L1Error::Unreachable]; it is for the caller to try again.
#[async_trait]
pub trait L1: Send + Sync {
    /// The chain's id.
    async fn chain_id(&self) -> Result<u64, L1Error>;

    /// The newest block.
    async fn head(&self) -> Result<Block, L1Error>;

    /// The block with this number; `None` if there is none yet.
    async fn block(&self, number: u64) -> Result<Option<Block>, L1Error>;

    /// What a call would return at the newest block.
    async fn call(&self, to: L1Address, data: Vec<u8>) -> Result<Vec<u8>, L1Error>;

    /// The events of a contract in blocks `from` to `to`, in order.
    async fn logs(&self, contract: L1Address, from: u64, to: u64) -> Result<Vec<Log>, L1Error>;

    /// Receiver and calldata of a transaction that is in a block; `None` if L1 has no such transaction, or has it no more.
    async fn input(&self, transaction: Hash) -> Result<Option<(Option<L1Address>, Vec<u8>)>, L1Error>;

    /// The header of the block with this number in the encoding that its hash is of; `None` if there is none yet.
    async fn header(&self, number: u64) -> Result<Option<Vec<u8>>, L1Error>;

    /// How many transactions of the sender are in blocks: the nonce of the next one.
    async fn nonce(&self) -> Result<u64, L1Error>;

    /// Wei that an address has.
    async fn balance(&self, address: L1Address) -> Result<u128, L1Error>;

    /// Code at an address.
    async fn code(&self, address: L1Address) -> Result<Vec<u8>, L1Error>;

    /// Who sends.
    fn sender(&self) -> L1Address;

    /// Sends a transaction and waits until it is in a block, raising its fee while it is stuck. Transactions of one sender go
    /// one after the other. After an error the transaction may still get into a block: look at the chain before sending
    /// another that must not happen twice.
    async fn send(&self, request: Request) -> Result<Receipt, L1Error>;
}
