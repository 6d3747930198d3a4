//! Forced operations: entries of L1's queue.

use starling_vm::field::Felt;

use crate::address::{Address, L1Address};
use crate::record::{DEPOSIT, DEPOSIT_NEW, EXIT, Layout, RecordError, TAG_BITS, layout, pack, unpack};

/// Words of an entry in a batch: those of the queue, and what moved.
pub const ENTRY_WORDS: usize = 10;

/// What an entry wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A deposit to the account at an index.
    Deposit {
        /// The account.
        index: u32,
        /// Gwei.
        amount: u64,
    },
    /// A deposit to a new account.
    DepositNew {
        /// Gwei.
        amount: u64,
    },
    /// An exit of the account at an index.
    Exit {
        /// The account.
        index: u32,
    },
}

/// An entry of L1's queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it wants.
    pub kind: Kind,
    /// Who sent it: gets the refund of a refused deposit, or what an exit pays.
    pub sender: L1Address,
    /// The address that the account must have, or gets. L1 has checked that it is the sender's own for an exit.
    pub address: Address,
}

impl Entry {
    fn tag(&self) -> u64 {
        match self.kind {
            Kind::Deposit { .. } => DEPOSIT,
            Kind::DepositNew { .. } => DEPOSIT_NEW,
            Kind::Exit { .. } => EXIT,
        }
    }

    /// The words of the entry in a batch where `moved` gwei moved; the queue holds all but the last.
    pub fn encode(&self, moved: u64) -> Vec<u64> {
        let (index, amount) = match self.kind {
            Kind::Deposit { index, amount } => (index, amount),
            Kind::DepositNew { amount } => (0, amount),
            Kind::Exit { index } => (index, 0),
        };
        let [l0, l1, l2] = self.sender.to_elements().map(|element| element.as_int());
        let [a0, a1, a2, a3] = self.address.to_word().map(|element| element.as_int());
        let values = [u64::from(index), self.tag(), l2, l0, l1, amount, a0, a1, a2, a3, moved];
        layout(self.tag()).map_or_else(Vec::new, |layout| pack(layout, &values))
    }

    /// Reads an entry and what moved from the head of `words`.
    ///
    /// # Errors
    /// When the words do not start with what [Entry::encode] gives for some entry.
    pub fn decode(words: &[u64]) -> Result<(Self, u64), RecordError> {
        let (wanted, left) = (ENTRY_WORDS, words.len());
        let second = words.get(1).ok_or(RecordError::Short { wanted, left })?;
        let tag = second & ((1 << TAG_BITS) - 1);
        let shape: &Layout = layout(tag).ok_or(RecordError::Tag(tag))?;
        if tag < DEPOSIT {
            return Err(RecordError::Misplaced(shape.name));
        }
        let v = unpack(shape, words)?;
        let (index, amount) = (v[0] as u32, v[5]);
        let zero = |field, value: u64| {
            let record = shape.name;
            (value == 0).then_some(()).ok_or(RecordError::NotZero { record, field })
        };
        let kind = match tag {
            DEPOSIT => Kind::Deposit { index, amount },
            DEPOSIT_NEW => {
                zero("index", v[0])?;
                Kind::DepositNew { amount }
            }
            _ => {
                zero("amount", amount)?;
                Kind::Exit { index }
            }
        };
        let entry = Self {
            kind,
            sender: L1Address::from_parts(v[3], v[4], v[2]),
            address: Address::from_word([v[6], v[7], v[8], v[9]].map(Felt::new)),
        };
        Ok((entry, v[10]))
    }
}
