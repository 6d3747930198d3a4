//! Why the pool does not take a transaction.

/// Why the pool does not take a transaction.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// It is there already.
    #[error("the transaction is known already")]
    Known,
    /// There is no such sender.
    #[error("there is no account {0}")]
    NoSuchAccount(u32),
    /// Key and owner are not the account's.
    #[error("the key and owner are not those of account {0}")]
    NotTheOwner(u32),
    /// The recipient is not who was signed.
    #[error("account {0} has another address than the one that was signed, or does not exist")]
    Recipient(u32),
    /// The nonce is used up.
    #[error("nonce {found} of account {index} is used; the next one is {next}")]
    NonceUsed {
        /// The sender.
        index: u32,
        /// The transaction's nonce.
        found: u32,
        /// The account's next.
        next: u32,
    },
    /// A nonce before it is missing.
    #[error("nonce {found} of account {index} leaves a gap; the next one is {next}")]
    NonceGap {
        /// The sender.
        index: u32,
        /// The transaction's nonce.
        found: u32,
        /// The one that must come first.
        next: u32,
    },
    /// Another with its nonce is there, and this one does not pay enough more.
    #[error("a transaction with this nonce waits already; to replace it, pay a fee of {needed} gwei at least")]
    Underpriced {
        /// The fee that would do.
        needed: u64,
    },
    /// The fee is too low.
    #[error("the fee is {found} gwei, at least {needed} are asked{}", if *.full { ": the pool is full" } else { "" })]
    Fee {
        /// The transaction's.
        found: u64,
        /// The lowest that is taken now.
        needed: u64,
        /// Whether only because the pool is full.
        full: bool,
    },
    /// The sender cannot pay all that it has in the pool.
    #[error("account {index} has {balance} gwei, what it sent already and this take {needed}")]
    Funds {
        /// The sender.
        index: u32,
        /// Its balance.
        balance: u64,
        /// Amounts and fees together.
        needed: u128,
    },
    /// The sender has too many.
    #[error("account {index} has {limit} transactions waiting, which is the most")]
    TooMany {
        /// The sender.
        index: u32,
        /// The limit.
        limit: usize,
    },
}
