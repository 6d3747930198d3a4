//! What one node asks another, and the bytes of questions and answers.

use crate::status::Status;
use crate::wire::{Reader, WireError};

/// Blocks that one request may ask for.
pub const MAX_BLOCKS: u32 = 64;

/// The request protocols: one name, quota and size limit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Introductions, [crate::status].
    Status,
    /// Runs of blocks.
    Blocks,
    /// A batch.
    Batch,
    /// A proof.
    Proof,
    /// An account with its Merkle path.
    Account,
    /// An operation with its Merkle path.
    Operation,
}

impl Kind {
    /// All of them, in the order of `Kind as usize`.
    pub const ALL: [Self; 6] = [
        Self::Status,
        Self::Blocks,
        Self::Batch,
        Self::Proof,
        Self::Account,
        Self::Operation,
    ];

    /// Its part in the protocol's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Blocks => "blocks",
            Self::Batch => "batch",
            Self::Proof => "proof",
            Self::Account => "account",
            Self::Operation => "operation",
        }
    }
}

/// Which of a node's states is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StateAt {
    /// After the newest batch that L1 has verified.
    Proven = 0,
    /// After the newest batch on L1.
    Committed = 1,
    /// After the newest signed block.
    Soft = 2,
}

/// A question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Request {
    /// Consecutive blocks, the lowest first. At most [MAX_BLOCKS]; the answer may hold fewer, never none.
    BlocksByRange {
        /// Number of the first.
        first: u64,
        /// How many.
        count: u32,
    },
    /// A batch.
    Batch {
        /// Its number.
        number: u64,
    },
    /// The proof of a run of batches.
    Proof {
        /// The first batch that it covers. Several runs may end with one batch.
        first: u64,
        /// The last batch that it covers.
        last: u64,
    },
    /// An account with its Merkle path.
    Account {
        /// Its index.
        index: u32,
        /// In which state.
        at: StateAt,
    },
    /// An operation with its Merkle path to the batch's root.
    Operation {
        /// The batch.
        batch: u64,
        /// Its place among the batch's operations.
        position: u32,
    },
}

impl Request {
    /// Bytes of the longest question.
    pub const MAX_BYTES: usize = 16;

    /// The protocol that carries it.
    pub fn kind(&self) -> Kind {
        match self {
            Self::BlocksByRange { .. } => Kind::Blocks,
            Self::Batch { .. } => Kind::Batch,
            Self::Proof { .. } => Kind::Proof,
            Self::Account { .. } => Kind::Account,
            Self::Operation { .. } => Kind::Operation,
        }
    }

    /// Its bytes; the protocol's name says which question they are.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::BlocksByRange { first, count } => [&first.to_be_bytes()[..], &count.to_be_bytes()].concat(),
            Self::Batch { number } => number.to_be_bytes().to_vec(),
            Self::Proof { first, last } => [first.to_be_bytes(), last.to_be_bytes()].concat(),
            Self::Account { index, at } => [&index.to_be_bytes()[..], &[*at as u8]].concat(),
            Self::Operation { batch, position } => [&batch.to_be_bytes()[..], &position.to_be_bytes()].concat(),
        }
    }

    /// The question with these bytes.
    ///
    /// # Errors
    /// When they are not its one encoding, or it asks for no blocks or too many.
    pub fn from_bytes(kind: Kind, bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        let request = match kind {
            Kind::Status => {
                return Err(WireError::Trailing { found: bytes.len() });
            }
            Kind::Blocks => {
                let (first, count) = (reader.u64("the first block")?, reader.u32("the count")?);
                if count == 0 || count > MAX_BLOCKS {
                    return Err(WireError::Limit {
                        field: "the count of blocks",
                        limit: u64::from(MAX_BLOCKS),
                        found: u64::from(count),
                    });
                }
                Self::BlocksByRange { first, count }
            }
            Kind::Batch => Self::Batch {
                number: reader.u64("the batch")?,
            },
            Kind::Proof => Self::Proof {
                first: reader.u64("the first batch")?,
                last: reader.u64("the last batch")?,
            },
            Kind::Account => Self::Account {
                index: reader.u32("the index")?,
                at: match reader.u8("the state")? {
                    0 => StateAt::Proven,
                    1 => StateAt::Committed,
                    2 => StateAt::Soft,
                    found => {
                        return Err(WireError::Tag {
                            field: "the state",
                            found,
                        });
                    }
                },
            },
            Kind::Operation => Self::Operation {
                batch: reader.u64("the batch")?,
                position: reader.u32("the position")?,
            },
        };
        reader.end()?;
        Ok(request)
    }
}

/// Why a node does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// It has not what was asked for.
    #[error("it has not what was asked for")]
    Unknown = 1,
    /// It has too much to do; another time or another peer.
    #[error("it is busy")]
    Busy = 2,
    /// The asker is over its quota.
    #[error("we ask more than our quota")]
    OverQuota = 3,
}

/// An answer. The node that asked checks what is in it: here it is bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// Blocks, the lowest first.
    Blocks(Vec<Vec<u8>>),
    /// A batch, a proof, an account or an operation, as the question was.
    Found(Vec<u8>),
    /// None of it.
    Refused(Refusal),
}

impl Response {
    /// A byte 0 and the body, or the refusal's byte alone. A body of blocks is each block after its length (4 bytes).
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Blocks(blocks) => {
                let mut bytes = Vec::with_capacity(self.bytes());
                bytes.push(0);
                for block in blocks {
                    // The size limit on the whole, far below 4 GiB, is checked before anything is sent.
                    bytes.extend((block.len() as u32).to_be_bytes());
                    bytes.extend(block);
                }
                bytes
            }
            Self::Found(body) => [&[0], &body[..]].concat(),
            Self::Refused(refusal) => vec![*refusal as u8],
        }
    }

    /// How many bytes [Response::to_bytes] gives.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Blocks(blocks) => 1 + blocks.iter().map(|block| 4 + block.len()).sum::<usize>(),
            Self::Found(body) => 1 + body.len(),
            Self::Refused(_) => 1,
        }
    }

    /// The answer with these bytes.
    ///
    /// # Errors
    /// When they are not its one encoding, or hold no block or too many.
    pub fn from_bytes(kind: Kind, bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        let refusal = match reader.u8("the outcome")? {
            0 if kind == Kind::Blocks => {
                let mut blocks = Vec::new();
                while !reader.is_empty() || blocks.is_empty() {
                    if blocks.len() == MAX_BLOCKS as usize {
                        return Err(WireError::Limit {
                            field: "the count of blocks",
                            limit: u64::from(MAX_BLOCKS),
                            found: u64::from(MAX_BLOCKS) + 1,
                        });
                    }
                    let length = reader.u32("a block's length")? as usize;
                    blocks.push(reader.bytes("a block", length)?.to_vec());
                }
                return Ok(Self::Blocks(blocks));
            }
            0 => return Ok(Self::Found(reader.rest().to_vec())),
            1 => Refusal::Unknown,
            2 => Refusal::Busy,
            3 => Refusal::OverQuota,
            found => {
                return Err(WireError::Tag {
                    field: "the outcome",
                    found,
                });
            }
        };
        reader.end()?;
        Ok(Self::Refused(refusal))
    }

    /// Whether it can answer a question of this kind.
    pub fn fits(&self, kind: Kind) -> bool {
        match self {
            Self::Blocks(blocks) => kind == Kind::Blocks && (1..=MAX_BLOCKS as usize).contains(&blocks.len()),
            Self::Found(_) => !matches!(kind, Kind::Status | Kind::Blocks),
            Self::Refused(_) => kind != Kind::Status,
        }
    }
}

// ON THE WIRE
// ================================================================================================================

/// What a stream carries first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    Status(Box<Status>),
    Ask(Request),
    /// What is no question. It is only ever read: libp2p says nothing of a question that fails to be read, and whoever sends
    /// such ones must not do so for nothing.
    Malformed(String),
}

/// What it carries back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Status(Box<Status>),
    Tell(Response),
}

impl Question {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Status(status) => status.to_bytes(),
            Self::Ask(request) => request.to_bytes(),
            Self::Malformed(_) => Vec::new(),
        }
    }

    pub(crate) fn from_bytes(kind: Kind, bytes: &[u8]) -> Self {
        let question = match kind {
            Kind::Status => Status::from_bytes(bytes).map(|status| Self::Status(Box::new(status))),
            _ => Request::from_bytes(kind, bytes).map(Self::Ask),
        };
        question.unwrap_or_else(|error| Self::Malformed(error.to_string()))
    }
}

impl Answer {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Status(status) => status.to_bytes(),
            Self::Tell(response) => response.to_bytes(),
        }
    }

    pub(crate) fn from_bytes(kind: Kind, bytes: &[u8]) -> Result<Self, WireError> {
        match kind {
            Kind::Status => Status::from_bytes(bytes).map(|status| Self::Status(Box::new(status))),
            _ => Response::from_bytes(kind, bytes).map(Self::Tell),
        }
    }
}
