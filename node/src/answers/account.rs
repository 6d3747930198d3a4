//! An account with its Merkle path, or the proof that there is none with its index.
//!
//! | bytes | what |
//! |---|---|
//! | 8, 124 or 181 | proven: the batch after which the state is; committed: the header of that batch's last block; soft: a signed header |
//! | 8 | the next free index |
//! | 32, 4, 8, 32 x 32 | if the index is below it: address, nonce, balance, the siblings of the leaf, lowest first |
//! | 32 | otherwise: the tree's root |
//!
//! Integers are big-endian. Whether there is an account follows from the next free index, which the state root commits to.

use starling_p2p::request::StateAt;
use starling_rollup::account::{AMOUNT_LIMIT, Account};
use starling_rollup::address::{Address, L1Address};
use starling_rollup::block_header::{BlockHeader, SignedHeader};
use starling_rollup::chain::word_bytes;
use starling_rollup::state::{State, state_root};
use starling_rollup::transaction::RollupId;
use starling_rollup::tree::{CAPACITY, DEPTH, Path};
use starling_vm::field::{Felt, Word};

use super::{BodyError, Reader, Wrong, hex_hash};
use crate::l1::Hash;
use crate::operator::hex_word;

/// Which state it is, and whose word that rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// After a batch that L1 has verified: L1 keeps the root.
    Proven {
        /// The batch.
        batch: u64,
    },
    /// After a batch on L1: its committer claims the root in the header, whose hash L1 keeps.
    Committed(BlockHeader),
    /// After a block: its builder claims the root and has signed for it.
    Soft(SignedHeader),
}

impl Origin {
    /// The batch that the state is in or after.
    pub fn batch(&self) -> u64 {
        match self {
            Self::Proven { batch } => *batch,
            Self::Committed(header) => header.batch,
            Self::Soft(signed) => signed.header.batch,
        }
    }

    fn write(&self) -> Vec<u8> {
        match self {
            Self::Proven { batch } => batch.to_be_bytes().to_vec(),
            Self::Committed(header) => header.to_bytes().to_vec(),
            Self::Soft(signed) => signed.to_bytes().to_vec(),
        }
    }

    fn read(at: StateAt, reader: &mut Reader<'_>) -> Result<Self, BodyError> {
        Ok(match at {
            StateAt::Proven => Self::Proven {
                batch: reader.u64("the batch", u64::MAX)?,
            },
            StateAt::Committed => {
                let bytes = reader.bytes("the header", BlockHeader::BYTES)?;
                Self::Committed(BlockHeader::from_bytes(bytes)?)
            }
            StateAt::Soft => {
                let bytes = reader.bytes("the signed header", SignedHeader::BYTES)?;
                Self::Soft(SignedHeader::from_bytes(bytes)?)
            }
        })
    }
}

// SERVING
// ================================================================================================================

/// A state of a node that answers.
#[derive(Clone, Copy, Debug)]
pub struct StateView<'a> {
    /// The state.
    pub state: &'a State,
    /// Which one it is.
    pub origin: Origin,
}

/// The body of the answer about the account `index`; `None` if the header claims another state than this one. Then its builder
/// was wrong, or this node is, and no answer holds: `unknown` is the one to give.
pub fn account_body(view: &StateView<'_>, index: u32) -> Option<Vec<u8>> {
    let claimed = match &view.origin {
        Origin::Proven { .. } => None,
        Origin::Committed(header) => Some(header.state),
        Origin::Soft(signed) => Some(signed.header.state),
    };
    if claimed.is_some_and(|claimed| claimed != word_bytes(&view.state.root())) {
        return None;
    }
    let tree = view.state.tree();
    let leaf = match view.state.account(index) {
        Some(account) => Leaf::Account {
            account: *account,
            siblings: Box::new(tree.path(index).siblings),
        },
        None => Leaf::Absent { tree: tree.root() },
    };
    let (origin, next) = (view.origin, view.state.next());
    let proof = AccountProof {
        index,
        origin,
        next,
        leaf,
    };
    Some(proof.to_bytes())
}

// READING AND CHECKING
// ================================================================================================================

/// What stands at the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leaf {
    /// An account.
    Account {
        /// The account.
        account: Account,
        /// The siblings of its leaf, lowest first.
        siblings: Box<[Word; DEPTH]>,
    },
    /// Nothing: the index was never given out.
    Absent {
        /// The tree's root.
        tree: Word,
    },
}

/// An answer about an account. That it is true is what the checks are for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountProof {
    /// The index that was asked for.
    pub index: u32,
    /// Which state it is of.
    pub origin: Origin,
    /// The next free index.
    pub next: u64,
    /// What stands at the index.
    pub leaf: Leaf,
}

impl AccountProof {
    /// Its bytes. Index and kind of state are the question's.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.origin.write();
        bytes.extend(self.next.to_be_bytes());
        match &self.leaf {
            Leaf::Account { account, siblings } => {
                bytes.extend(account.address.to_bytes());
                bytes.extend(account.nonce.to_be_bytes());
                bytes.extend(account.balance.to_be_bytes());
                bytes.extend(siblings.iter().flat_map(word_bytes));
            }
            Leaf::Absent { tree } => bytes.extend(word_bytes(tree)),
        }
        bytes
    }

    /// The answer with these bytes to the question for `index` in the state `at`.
    ///
    /// # Errors
    /// When they are not what [AccountProof::to_bytes] gives for some answer.
    pub fn from_bytes(index: u32, at: StateAt, bytes: &[u8]) -> Result<Self, BodyError> {
        let mut reader = Reader(bytes);
        let origin = Origin::read(at, &mut reader)?;
        let next = reader.u64("the next free index", CAPACITY)?;
        let leaf = if u64::from(index) < next {
            let account = Account {
                address: Address::from_word(reader.word("the address")?),
                nonce: reader.u32("the nonce")?,
                balance: reader.u64("the balance", AMOUNT_LIMIT - 1)?,
            };
            let mut siblings = Box::new([[Felt::new(0); 4]; DEPTH]);
            for sibling in siblings.iter_mut() {
                *sibling = reader.word("a sibling")?;
            }
            Leaf::Account { account, siblings }
        } else {
            Leaf::Absent {
                tree: reader.word("the tree's root")?,
            }
        };
        reader.end()?;
        Ok(Self {
            index,
            origin,
            next,
            leaf,
        })
    }

    /// The state root that it leads to.
    pub fn root(&self) -> Word {
        let tree = match &self.leaf {
            Leaf::Account { account, siblings } => Path {
                index: self.index,
                leaf: account.leaf(),
                siblings: **siblings,
            }
            .root(),
            Leaf::Absent { tree } => *tree,
        };
        state_root(tree, self.next)
    }

    /// Checks it against a state root.
    ///
    /// # Errors
    /// [Wrong::Root] when it leads elsewhere.
    pub fn check_root(&self, root: &Word) -> Result<(), Wrong> {
        self.check_claim(&word_bytes(root))
    }

    fn check_claim(&self, expected: &Hash) -> Result<(), Wrong> {
        let found = self.root();
        if word_bytes(&found) != *expected {
            return Err(Wrong::Root {
                expected: hex_hash(expected),
                found: hex_word(&found),
            });
        }
        Ok(())
    }

    /// Checks it against the hash of a batch's last header, as L1 keeps it: the header must be that one, and claim the state
    /// root that the path leads to.
    ///
    /// # Errors
    /// With what does not fit.
    pub fn check_head(&self, batch: u64, head: &Hash) -> Result<(), Wrong> {
        let header = match &self.origin {
            Origin::Proven { .. } => return Err(Wrong::Kind),
            Origin::Committed(header) => header,
            Origin::Soft(signed) => &signed.header,
        };
        if header.batch != batch {
            let (expected, found) = (batch, header.batch);
            return Err(Wrong::Batch { expected, found });
        }
        let hash = header.hash();
        if hash != *head {
            return Err(Wrong::Head {
                batch,
                expected: hex_hash(head),
                found: hex_hash(&hash),
            });
        }
        self.check_claim(&header.state)
    }

    /// Checks it against the leader of its header's slot: the leader must have signed the header, and the header must claim the
    /// state root that the path leads to. Whether the slot is of now is the caller's to say.
    ///
    /// # Errors
    /// With what does not fit.
    pub fn check_leader(&self, rollup: &RollupId, leader: L1Address) -> Result<(), Wrong> {
        let Origin::Soft(signed) = &self.origin else {
            return Err(Wrong::Kind);
        };
        let found = signed.signer(rollup)?;
        if found != leader {
            return Err(Wrong::Signer {
                slot: signed.header.slot,
                expected: leader,
                found,
            });
        }
        self.check_claim(&signed.header.state)
    }
}
