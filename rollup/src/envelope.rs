//! The bytes of a signed transaction: one transaction, one encoding.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | version, 1 |
//! | 1 | tag of the operation: 1 transfer, 3 open, 4 withdraw, 5 rekey |
//! | 4, 4, 8 | sender's index, nonce, fee |
//! | 44, 40, 28 or 32 | transfer: recipient's index (4), address (32), amount (8); open: address, amount; withdraw: L1 recipient (20), amount; rekey: new address |
//! | 40, 20, 80 | sender's public key, L1 owner, signature |
//!
//! Integers are big-endian; keys and signatures as their own encodings say (`specs/signature.md`).

use core::fmt;
use core::str::FromStr;

use starling_vm::field::Word;
use starling_vm::schnorr::{KeyError, PublicKey, Signature, SignatureError};

use crate::account::AMOUNT_LIMIT;
use crate::address::{Address, L1Address};
use crate::record::{OPEN, REKEY, TRANSFER, WITHDRAW};
use crate::transaction::{Operation, SignedTransaction, Transaction};

/// The version of the encoding.
pub const VERSION: u8 = 1;

/// Bytes of the longest encoding, a transfer's.
pub const MAX_BYTES: usize = HEAD + 44 + TAIL;

const HEAD: usize = 18;
const TAIL: usize = PublicKey::BYTES + 20 + Signature::BYTES;

// TRANSACTION IDS
// ================================================================================================================

/// A transaction's name: the message that is signed. It does not depend on the signature, and whoever rebuilds the state
/// from L1 finds the same one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransactionId(pub [u8; 32]);

/// Text that is not a transaction id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a transaction id: 0x and 64 lowercase hexadecimal digits are expected")]
pub struct TransactionIdError(pub String);

impl TransactionId {
    /// The id of a transaction in the rollup that [RollupId::word](crate::transaction::RollupId::word) names.
    pub fn new(transaction: &Transaction, rollup: &Word) -> Self {
        Self(Address::from_word(transaction.message(rollup)).to_bytes())
    }
}

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_hex(&self.0))
    }
}

impl fmt::Debug for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for TransactionId {
    type Err = TransactionIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        from_hex(text)
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .map(Self)
            .ok_or_else(|| TransactionIdError(text.to_owned()))
    }
}

// ENVELOPES
// ================================================================================================================

/// Why bytes or text are not a signed transaction.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Not hexadecimal as [SignedTransaction::to_hex] writes it.
    #[error("a transaction is 0x and an even number of lowercase hexadecimal digits: {0}")]
    NotHex(String),
    /// Another version.
    #[error("the transaction's version is {found}; this node reads version {VERSION}")]
    Version {
        /// The version.
        found: u8,
    },
    /// No operation has this tag.
    #[error("no operation has tag {found}: 1 transfer, 3 open, 4 withdraw, 5 rekey")]
    Tag {
        /// The tag.
        found: u8,
    },
    /// Another length than the operation's.
    #[error("{operation} is {expected} bytes, found {found}")]
    Length {
        /// The operation.
        operation: &'static str,
        /// Its bytes.
        expected: usize,
        /// The bytes found.
        found: usize,
    },
    /// An amount or a fee is not below 2^63.
    #[error("the {field} is {found} gwei; at most 2^63 - 1 is possible")]
    Range {
        /// `amount` or `fee`.
        field: &'static str,
        /// The number.
        found: u64,
    },
    /// An address is not four canonical field elements.
    #[error("the {field} is not a digest: an element is not below the field's modulus")]
    Address {
        /// Whose address.
        field: &'static str,
    },
    /// The public key is none.
    #[error("the sender's key: {0}")]
    Key(#[from] KeyError),
    /// The signature is malformed.
    #[error("the signature: {0}")]
    Signature(#[from] SignatureError),
}

impl SignedTransaction {
    /// The transaction's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let Transaction {
            from,
            nonce,
            fee,
            operation,
        } = &self.transaction;
        let mut bytes = Vec::with_capacity(MAX_BYTES);
        bytes.extend([VERSION, kind(operation).tag]);
        bytes.extend(from.to_be_bytes());
        bytes.extend(nonce.to_be_bytes());
        bytes.extend(fee.to_be_bytes());
        match operation {
            Operation::Transfer { to, address, amount } => {
                bytes.extend(to.to_be_bytes());
                bytes.extend(address.to_bytes());
                bytes.extend(amount.to_be_bytes());
            }
            Operation::Open { address, amount } => {
                bytes.extend(address.to_bytes());
                bytes.extend(amount.to_be_bytes());
            }
            Operation::Withdraw { recipient, amount } => {
                bytes.extend(recipient.0);
                bytes.extend(amount.to_be_bytes());
            }
            Operation::Rekey { address } => bytes.extend(address.to_bytes()),
        }
        bytes.extend(self.key.to_bytes());
        bytes.extend(self.owner.0);
        bytes.extend(self.signature.to_bytes());
        bytes
    }

    /// The transaction with these bytes. The signature is read, not checked.
    ///
    /// # Errors
    /// When the bytes are not what [SignedTransaction::to_bytes] gives for some transaction.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        let short = || EnvelopeError::Length {
            operation: "the head of a transaction",
            expected: HEAD,
            found: bytes.len(),
        };
        let (&[version, tag], _) = bytes.split_first_chunk().ok_or_else(short)?;
        if version != VERSION {
            return Err(EnvelopeError::Version { found: version });
        }
        let kind = KINDS
            .iter()
            .find(|kind| kind.tag == tag)
            .ok_or(EnvelopeError::Tag { found: tag })?;
        let expected = HEAD + kind.body + TAIL;
        if bytes.len() != expected {
            return Err(EnvelopeError::Length {
                operation: kind.name,
                expected,
                found: bytes.len(),
            });
        }
        let mut rest = &bytes[2..];
        let from = u32::from_be_bytes(take(&mut rest));
        let nonce = u32::from_be_bytes(take(&mut rest));
        let fee = gwei("fee", &mut rest)?;
        let operation = match u64::from(tag) {
            TRANSFER => Operation::Transfer {
                to: u32::from_be_bytes(take(&mut rest)),
                address: digest("recipient's address", &mut rest)?,
                amount: gwei("amount", &mut rest)?,
            },
            OPEN => Operation::Open {
                address: digest("recipient's address", &mut rest)?,
                amount: gwei("amount", &mut rest)?,
            },
            WITHDRAW => Operation::Withdraw {
                recipient: L1Address(take(&mut rest)),
                amount: gwei("amount", &mut rest)?,
            },
            _ => Operation::Rekey {
                address: digest("new address", &mut rest)?,
            },
        };
        let key = PublicKey::from_bytes(&take::<{ PublicKey::BYTES }>(&mut rest))?;
        let owner = L1Address(take(&mut rest));
        let signature = Signature::from_bytes(rest)?;
        Ok(Self {
            transaction: Transaction {
                from,
                nonce,
                fee,
                operation,
            },
            key,
            owner,
            signature,
        })
    }

    /// The bytes as 0x and lowercase hexadecimal digits.
    pub fn to_hex(&self) -> String {
        to_hex(&self.to_bytes())
    }

    /// The transaction that [SignedTransaction::to_hex] writes so.
    ///
    /// # Errors
    /// When the text is anything else.
    pub fn from_hex(text: &str) -> Result<Self, EnvelopeError> {
        Self::from_bytes(&from_hex(text).map_err(EnvelopeError::NotHex)?)
    }
}

/// A kind of envelope.
struct Kind {
    tag: u8,
    name: &'static str,
    /// Bytes of the operation's own part.
    body: usize,
}

const KINDS: [Kind; 4] = [
    Kind {
        tag: TRANSFER as u8,
        name: "a transfer",
        body: 44,
    },
    Kind {
        tag: OPEN as u8,
        name: "a transfer that opens an account",
        body: 40,
    },
    Kind {
        tag: WITHDRAW as u8,
        name: "a withdrawal",
        body: 28,
    },
    Kind {
        tag: REKEY as u8,
        name: "a change of key or owner",
        body: 32,
    },
];

fn kind(operation: &Operation) -> &'static Kind {
    match operation {
        Operation::Transfer { .. } => &KINDS[0],
        Operation::Open { .. } => &KINDS[1],
        Operation::Withdraw { .. } => &KINDS[2],
        Operation::Rekey { .. } => &KINDS[3],
    }
}

/// The next `N` bytes, zeros past the end; lengths are checked before.
fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    match rest.split_first_chunk() {
        Some((head, tail)) => {
            *rest = tail;
            *head
        }
        None => [0; N],
    }
}

fn gwei(field: &'static str, rest: &mut &[u8]) -> Result<u64, EnvelopeError> {
    let found = u64::from_be_bytes(take(rest));
    if found < AMOUNT_LIMIT {
        Ok(found)
    } else {
        Err(EnvelopeError::Range { field, found })
    }
}

fn digest(field: &'static str, rest: &mut &[u8]) -> Result<Address, EnvelopeError> {
    Address::from_bytes(&take(rest)).ok_or(EnvelopeError::Address { field })
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::from("0x"), |mut text, byte| {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
        }
        text
    })
}

fn from_hex(text: &str) -> Result<Vec<u8>, String> {
    let digits = text.strip_prefix("0x").ok_or("it does not start with 0x")?.as_bytes();
    let digit = |(i, c): (usize, &u8)| match c {
        b'0'..=b'9' => Ok(c - b'0'),
        b'a'..=b'f' => Ok(c - b'a' + 10),
        _ => Err(format!("character {} is not a lowercase hexadecimal digit", i + 2)),
    };
    let digits = digits.iter().enumerate().map(digit).collect::<Result<Vec<u8>, _>>()?;
    match digits.as_chunks::<2>() {
        (pairs, []) => Ok(pairs.iter().map(|[high, low]| high << 4 | low).collect()),
        _ => Err("the number of digits is odd".to_owned()),
    }
}
