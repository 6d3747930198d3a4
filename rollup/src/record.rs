//! The public data of an operation: records, from one table.
//!
//! [LAYOUTS] says which words a record has and which fields they hold, lowest bits first. The codec here runs on the
//! table; the kernel's parser and the contract's are made from it.

use starling_vm::field::{Felt, MODULUS};

use crate::account::AMOUNT_LIMIT;
use crate::address::{Address, L1Address};
use crate::amount::{self, EXPONENT_BITS, PackError};
use crate::transaction::Operation;

/// A field of a packed word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Its bits.
    pub bits: u32,
}

/// A word of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WordLayout {
    /// Fields side by side, the first in the lowest bits; all bits above them are zero. Below 2^63.
    Packed(&'static [Field]),
    /// A canonical field element.
    Element(&'static str),
}

/// A kind of record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Its name.
    pub name: &'static str,
    /// Its tag, the lowest bits of word 1.
    pub tag: u64,
    /// Its words.
    pub words: &'static [WordLayout],
}

/// Bits of a tag.
pub const TAG_BITS: u32 = 4;

/// Tag of a transfer in the short form.
pub const TRANSFER: u64 = 1;
/// Tag of a transfer in the long form.
pub const TRANSFER_LONG: u64 = 2;
/// Tag of a transfer that opens an account.
pub const OPEN: u64 = 3;
/// Tag of a withdrawal.
pub const WITHDRAW: u64 = 4;
/// Tag of a change of key or owner.
pub const REKEY: u64 = 5;
/// Tag of a forced deposit to an account.
pub const DEPOSIT: u64 = 6;
/// Tag of a forced deposit to a new account.
pub const DEPOSIT_NEW: u64 = 7;
/// Tag of a forced exit.
pub const EXIT: u64 = 8;

const fn field(name: &'static str, bits: u32) -> Field {
    Field { name, bits }
}

const FROM: Field = field("from", 32);
const TO_LOW: Field = field("to_low", 31);
const TO_HIGH: Field = field("to_high", 1);
const TAG: Field = field("tag", TAG_BITS);
const AMOUNT: WordLayout = WordLayout::Packed(&[field("amount", 63)]);
const FEE: WordLayout = WordLayout::Packed(&[field("fee", 63)]);
const ADDRESS: [WordLayout; 4] = [
    WordLayout::Element("address_0"),
    WordLayout::Element("address_1"),
    WordLayout::Element("address_2"),
    WordLayout::Element("address_3"),
];
const SENDER: WordLayout = WordLayout::Packed(&[FROM]);
const TAG_ONLY: WordLayout = WordLayout::Packed(&[TAG]);

/// The words of a queue entry: those that L1 knows, and what moved.
const ENTRY: &[WordLayout] = &[
    WordLayout::Packed(&[field("index", 32)]),
    WordLayout::Packed(&[TAG, field("l1_2", 48)]),
    WordLayout::Packed(&[field("l1_0", 56)]),
    WordLayout::Packed(&[field("l1_1", 56)]),
    AMOUNT,
    ADDRESS[0],
    ADDRESS[1],
    ADDRESS[2],
    ADDRESS[3],
    WordLayout::Packed(&[field("moved", 63)]),
];

/// All kinds of records: the signed ones, then the forced ones.
pub const LAYOUTS: [Layout; 8] = [
    Layout {
        name: "transfer",
        tag: TRANSFER,
        words: &[
            WordLayout::Packed(&[FROM, TO_LOW]),
            WordLayout::Packed(&[
                TAG,
                TO_HIGH,
                field("fee_exponent", EXPONENT_BITS),
                field("fee_mantissa", amount::FEE.mantissa_bits),
                field("amount_exponent", EXPONENT_BITS),
                field("amount_mantissa", amount::AMOUNT.mantissa_bits),
            ]),
        ],
    },
    Layout {
        name: "transfer_long",
        tag: TRANSFER_LONG,
        words: &[
            WordLayout::Packed(&[FROM, TO_LOW]),
            WordLayout::Packed(&[TAG, TO_HIGH]),
            AMOUNT,
            FEE,
        ],
    },
    Layout {
        name: "open",
        tag: OPEN,
        words: &[
            SENDER, TAG_ONLY, AMOUNT, FEE, ADDRESS[0], ADDRESS[1], ADDRESS[2], ADDRESS[3],
        ],
    },
    Layout {
        name: "withdraw",
        tag: WITHDRAW,
        words: &[
            SENDER,
            WordLayout::Packed(&[TAG, field("l1_2", 48)]),
            WordLayout::Packed(&[field("l1_0", 56)]),
            WordLayout::Packed(&[field("l1_1", 56)]),
            AMOUNT,
            FEE,
        ],
    },
    Layout {
        name: "rekey",
        tag: REKEY,
        words: &[SENDER, TAG_ONLY, FEE, ADDRESS[0], ADDRESS[1], ADDRESS[2], ADDRESS[3]],
    },
    Layout {
        name: "deposit",
        tag: DEPOSIT,
        words: ENTRY,
    },
    Layout {
        name: "deposit_new",
        tag: DEPOSIT_NEW,
        words: ENTRY,
    },
    Layout {
        name: "exit",
        tag: EXIT,
        words: ENTRY,
    },
];

/// Why words are not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The data ends within a record.
    #[error("the data ends within a record: {wanted} words are needed, {left} are left")]
    Short {
        /// Words that the record has.
        wanted: usize,
        /// Words that are left.
        left: usize,
    },
    /// No record has this tag.
    #[error("no record has tag {0}")]
    Tag(u64),
    /// A word has bits above its fields.
    #[error("word {word} of a {record} record has bits that belong to no field")]
    StrayBits {
        /// The kind of record.
        record: &'static str,
        /// The word's number in the record.
        word: usize,
    },
    /// A word is not a canonical field element.
    #[error("word {word} of a {record} record is not below the modulus")]
    NotCanonical {
        /// The kind of record.
        record: &'static str,
        /// The word's number in the record.
        word: usize,
    },
    /// A packed amount or fee is malformed.
    #[error(transparent)]
    Packed(#[from] PackError),
    /// A queue entry stands where a signed operation must, or the other way round.
    #[error(
        "a {0} record does not belong here: queue entries come first, as many as the data says, then signed operations"
    )]
    Misplaced(&'static str),
    /// A word of a queue entry is not what L1 queues.
    #[error("a {record} entry must have {field} 0")]
    NotZero {
        /// The kind of record.
        record: &'static str,
        /// The field.
        field: &'static str,
    },
}

/// What a record says: the operation without the recipient's address, nonce and signature, which are not public.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Index of the sender.
    pub from: u32,
    /// The fee in gwei.
    pub fee: u64,
    /// The rest, by operation.
    pub body: Body,
}

/// The operation's own part of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// A transfer.
    Transfer {
        /// Index of the recipient.
        to: u32,
        /// Gwei.
        amount: u64,
        /// Whether it takes the long form although the short one would do. This program writes no such record; L1 and the
        /// kernel take one, and what L1 has must be kept word for word.
        long: bool,
    },
    /// A transfer to a new account.
    Open {
        /// The new account's address.
        address: Address,
        /// Gwei.
        amount: u64,
    },
    /// A withdrawal to L1.
    Withdraw {
        /// Who may claim.
        recipient: L1Address,
        /// Gwei.
        amount: u64,
    },
    /// A change of key or owner.
    Rekey {
        /// The new address.
        address: Address,
    },
}

impl Record {
    /// The record of an operation, in the shortest form.
    pub fn new(from: u32, fee: u64, operation: &Operation) -> Self {
        let body = match *operation {
            Operation::Transfer { to, amount, .. } => Body::Transfer {
                to,
                amount,
                long: false,
            },
            Operation::Open { address, amount } => Body::Open { address, amount },
            Operation::Withdraw { recipient, amount } => Body::Withdraw { recipient, amount },
            Operation::Rekey { address } => Body::Rekey { address },
        };
        Self { from, fee, body }
    }

    /// Whether no other record says the same in fewer words.
    pub fn is_shortest(&self) -> bool {
        !matches!(self.body, Body::Transfer { long: true, .. })
    }

    /// The record's words.
    pub fn encode(&self) -> Vec<u64> {
        let from = u64::from(self.from);
        let address = |address: &Address| address.to_word().map(|element| element.as_int());
        let (tag, values) = match &self.body {
            Body::Transfer { to, amount, long } => {
                let (low, high) = (u64::from(*to) & ((1 << 31) - 1), u64::from(*to >> 31));
                match packed(self.fee, *amount) {
                    Some((fee, amount)) if !long => {
                        let ((f0, f1), (a0, a1)) = (amount::parts(fee), amount::parts(amount));
                        (TRANSFER, vec![from, low, TRANSFER, high, f0, f1, a0, a1])
                    }
                    _ => (TRANSFER_LONG, vec![from, low, TRANSFER_LONG, high, *amount, self.fee]),
                }
            }
            Body::Open { address: to, amount } => (OPEN, [&[from, OPEN, *amount, self.fee], &address(to)[..]].concat()),
            Body::Withdraw { recipient, amount } => {
                let [l0, l1, l2] = recipient.to_elements().map(|element| element.as_int());
                (WITHDRAW, vec![from, WITHDRAW, l2, l0, l1, *amount, self.fee])
            }
            Body::Rekey { address: to } => (REKEY, [&[from, REKEY, self.fee], &address(to)[..]].concat()),
        };
        pack(layout(tag).unwrap_or(&LAYOUTS[0]), &values)
    }

    /// Reads one record from the head of `words` and returns it with the number of words it takes.
    ///
    /// # Errors
    /// When the words do not start with what [Record::encode] gives for some record: two lists of words are never one record.
    pub fn decode(words: &[u64]) -> Result<(Self, usize), RecordError> {
        let second = *words.get(1).ok_or(RecordError::Short {
            wanted: 2,
            left: words.len(),
        })?;
        let tag = second & ((1 << TAG_BITS) - 1);
        let layout = layout(tag).ok_or(RecordError::Tag(tag))?;
        if tag >= DEPOSIT {
            return Err(RecordError::Misplaced(layout.name));
        }
        let v = unpack(layout, words)?;
        let index = |low: u64, high: u64| (low | high << 31) as u32;
        let address = |v: &[u64]| Address::from_word([v[0], v[1], v[2], v[3]].map(Felt::new));
        let (fee, body) = match tag {
            TRANSFER => {
                let fee = amount::FEE.unpack(v[5] << EXPONENT_BITS | v[4])?;
                let amount = amount::AMOUNT.unpack(v[7] << EXPONENT_BITS | v[6])?;
                (
                    fee,
                    Body::Transfer {
                        to: index(v[1], v[3]),
                        amount,
                        long: false,
                    },
                )
            }
            TRANSFER_LONG => {
                let (to, amount, fee) = (index(v[1], v[3]), v[4], v[5]);
                let long = packed(fee, amount).is_some();
                (fee, Body::Transfer { to, amount, long })
            }
            OPEN => (
                v[3],
                Body::Open {
                    address: address(&v[4..]),
                    amount: v[2],
                },
            ),
            WITHDRAW => {
                let recipient = L1Address::from_parts(v[3], v[4], v[2]);
                let amount = v[5];
                (v[6], Body::Withdraw { recipient, amount })
            }
            _ => (
                v[2],
                Body::Rekey {
                    address: address(&v[3..]),
                },
            ),
        };
        Ok((
            Self {
                from: v[0] as u32,
                fee,
                body,
            },
            layout.words.len(),
        ))
    }
}

/// Fee and amount of a transfer as the short form has them; `None` if it cannot hold one of them.
fn packed(fee: u64, amount: u64) -> Option<(u64, u64)> {
    Some((amount::FEE.pack(fee)?, amount::AMOUNT.pack(amount)?))
}

/// The layout of the records with tag `tag`.
pub fn layout(tag: u64) -> Option<&'static Layout> {
    LAYOUTS.iter().find(|layout| layout.tag == tag)
}

/// Puts field values, in the layout's order, into words.
pub(crate) fn pack(layout: &Layout, values: &[u64]) -> Vec<u64> {
    let mut values = values.iter().copied();
    let mut next = || values.next().unwrap_or(0);
    layout
        .words
        .iter()
        .map(|word| match word {
            WordLayout::Element(_) => next(),
            WordLayout::Packed(fields) => {
                let mut shift = 0;
                fields.iter().fold(0, |sum, field| {
                    let placed = next() << shift;
                    shift += field.bits;
                    sum | placed
                })
            }
        })
        .collect()
}

/// The field values of the record at the head of `words`, in the layout's order.
pub(crate) fn unpack(layout: &Layout, words: &[u64]) -> Result<Vec<u64>, RecordError> {
    let (wanted, left, record) = (layout.words.len(), words.len(), layout.name);
    if left < wanted {
        return Err(RecordError::Short { wanted, left });
    }
    let mut values = Vec::new();
    for (word, (shape, value)) in layout.words.iter().zip(words).enumerate() {
        match shape {
            WordLayout::Element(_) if *value >= MODULUS => return Err(RecordError::NotCanonical { record, word }),
            WordLayout::Element(_) => values.push(*value),
            WordLayout::Packed(fields) => {
                let mut rest = *value;
                for field in *fields {
                    values.push(rest & ((1 << field.bits) - 1));
                    rest >>= field.bits;
                }
                if rest != 0 {
                    return Err(RecordError::StrayBits { record, word });
                }
            }
        }
    }
    Ok(values)
}

const _: () = assert!(AMOUNT_LIMIT == 1 << 63);
