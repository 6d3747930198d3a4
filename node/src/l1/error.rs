//! What goes wrong between a node and Ethereum.

use starling_rollup::address::L1Address;
use starling_rollup::l1_key::L1SignatureError;

use super::{MAX_TRANSACTION_BYTES, MAX_TRANSACTION_GAS};

/// Why L1 did not do what was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum L1Error {
    /// No answer, or none that makes sense.
    #[error("the L1 endpoint {url} does not answer: {reason}; check `l1.url` and that the endpoint runs")]
    Unreachable {
        /// The endpoint.
        url: String,
        /// What happened.
        reason: String,
    },
    /// Not a URL.
    #[error("{url:?} is not an HTTP URL: {reason}")]
    Url {
        /// The text.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Another chain than the configured one.
    #[error("the L1 endpoint {url} is on chain {found}, expected is {expected}; check `l1.url` and `l1.chain_id`")]
    OtherChain {
        /// The endpoint.
        url: String,
        /// The configured chain.
        expected: u64,
        /// The endpoint's.
        found: u64,
    },
    /// The contract refused.
    #[error("{what} was refused by the contract: {error}")]
    Reverted {
        /// The call.
        what: String,
        /// The contract's error, by name if it is known.
        error: String,
    },
    /// The sender cannot pay for a transaction.
    #[error("{sender} has not enough ether for the transaction: {reason}; send it some")]
    NoFunds {
        /// The sender.
        sender: L1Address,
        /// What the endpoint says.
        reason: String,
    },
    /// The transaction was in a block and failed there.
    #[error("transaction 0x{} failed in block {block}", hex(.hash))]
    Failed {
        /// Its hash.
        hash: [u8; 32],
        /// Its block.
        block: u64,
    },
    /// Too long for the public network.
    #[error("a transaction of {0} bytes is longer than the {MAX_TRANSACTION_BYTES} that nodes pass on")]
    TooLong(usize),
    /// Too much gas.
    #[error("a transaction needs {0} gas, more than the {MAX_TRANSACTION_GAS} that one may use")]
    TooMuchGas(u64),
    /// Not in a block in time.
    #[error(
        "no transaction with nonce {nonce} was in a block after {seconds} s, {bumps} times with a higher fee: raise `l1.max_fee_gwei`, or wait"
    )]
    Stuck {
        /// Its nonce.
        nonce: u64,
        /// How long was waited.
        seconds: u64,
        /// How often the fee was raised.
        bumps: u32,
    },
    /// Another transaction of this key got into a block first: one that an earlier process sent, or another process's.
    #[error("another transaction with nonce {nonce} of this key is in a block already; give each process its own key")]
    Overtaken {
        /// Its nonce.
        nonce: u64,
    },
    /// A reorganisation took back the transaction of this key before the one that is waited for.
    #[error(
        "the transaction before nonce {nonce} of this key is in no block any more: L1 was reorganised; what is to be done is looked at anew"
    )]
    TakenBack {
        /// The nonce that waits in vain.
        nonce: u64,
    },
    /// This client only reads.
    #[error("this client has no key to sign L1 transactions with")]
    NoKey,
    /// The key does not sign.
    #[error(transparent)]
    Signature(#[from] L1SignatureError),
    /// The node's own request or a contract's answer has not the form of the ABI.
    #[error("{what}: {reason}")]
    Abi {
        /// What was encoded or decoded.
        what: String,
        /// What is wrong.
        reason: String,
    },
    /// L1 answers, and what a commit's transaction said cannot be read from it.
    #[error("the commit's transaction 0x{} cannot be read from L1: {reason}", hex(.transaction))]
    NoData {
        /// The transaction.
        transaction: [u8; 32],
        /// Why.
        reason: String,
    },
    /// What stands on L1 is not what the rollup's contract writes.
    #[error("the rollup's history on L1 does not make sense: {0}")]
    History(String),
}

impl L1Error {
    /// Whether trying again later may help.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::NoFunds { .. }
                | Self::Stuck { .. }
                | Self::Overtaken { .. }
                | Self::TakenBack { .. }
        )
    }
}

/// Hexadecimal digits of bytes.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
