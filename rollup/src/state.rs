//! The state: accounts, their tree, the next free index.

use starling_vm::field::{Felt, Word};
use starling_vm::poseidon2::compress;

use crate::account::Account;
use crate::data::BatchData;
use crate::record::{Body, Record};
use crate::rules::{Overlay, Refusal};
use crate::transaction::{Operation, Transaction};
use crate::tree::Tree;

/// Domain of the state root, beside the next free index.
const DOMAIN: u64 = 3;

/// The digest that commits to tree and next free index.
pub fn state_root(tree: Word, next: u64) -> Word {
    let zero = Felt::new(0);
    compress(tree, [Felt::new(next), Felt::new(DOMAIN), zero, zero])
}

/// All accounts.
#[derive(Clone, Debug, Default)]
pub struct State {
    accounts: Vec<Account>,
    tree: Tree,
    next: u64,
}

/// Why a batch's data does not replay.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// An entry's outcome is not what the rules give.
    #[error("entry {number} says that {found} gwei moved, the rules move {expected}")]
    Outcome {
        /// The entry's number in the batch.
        number: usize,
        /// What the rules give.
        expected: u64,
        /// What the data says.
        found: u64,
    },
    /// A record is refused.
    #[error("record {number}: {refusal}")]
    Record {
        /// The record's number in the batch.
        number: usize,
        /// Why.
        refusal: Refusal,
    },
    /// The fees cannot be credited.
    #[error("the fees: {0}")]
    Fees(Refusal),
}

impl State {
    /// The state with these accounts, at the indices from 0.
    pub fn from_accounts(accounts: Vec<Account>) -> Self {
        let leaves: Vec<Word> = accounts.iter().map(Account::leaf).collect();
        let tree = Tree::from_leaves(leaves);
        let next = accounts.len() as u64;
        Self { accounts, tree, next }
    }

    /// As [State::from_accounts], with another next free index. For tests of a tree that is nearly full.
    #[doc(hidden)]
    pub fn with_next(accounts: Vec<Account>, next: u64) -> Self {
        Self {
            next,
            ..Self::from_accounts(accounts)
        }
    }

    /// The accounts, by index.
    pub fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    /// The account at `index`.
    pub fn account(&self, index: u32) -> Option<&Account> {
        self.accounts.get(index as usize)
    }

    /// The next free index, up to 2^32.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// The tree.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The state root.
    pub fn root(&self) -> Word {
        state_root(self.tree.root(), self.next())
    }

    /// The state root as it would be with what `overlay`, made over this state, has changed.
    pub fn root_with(&self, overlay: &Overlay) -> Word {
        let leaves: Vec<(u32, Word)> = overlay
            .touched()
            .iter()
            .map(|(index, account)| (*index, account.leaf()))
            .collect();
        state_root(self.tree.root_with(&leaves), overlay.next())
    }

    /// Takes over what `overlay`, made over this state, has changed.
    pub fn absorb(&mut self, overlay: &Overlay) {
        let leaves: Vec<(u32, Word)> = overlay
            .touched()
            .iter()
            .filter(|(index, account)| self.account(**index) != Some(account))
            .map(|(index, account)| (*index, account.leaf()))
            .collect();
        // Touched accounts come by ascending index, so new ones come in the order in which they were opened.
        for (index, account) in overlay.touched() {
            match self.accounts.get_mut(*index as usize) {
                Some(place) => *place = *account,
                None => self.accounts.push(*account),
            }
        }
        self.tree.set_many(&leaves);
        self.next = overlay.next();
    }

    /// Executes a batch from its public data alone, as a rebuild from L1 does: signatures are the proof's business.
    ///
    /// # Errors
    /// When the data breaks a rule, so that no proof of it exists. The state is then unchanged.
    pub fn replay(&mut self, data: &BatchData) -> Result<(), ReplayError> {
        let (_, overlay) = self.trace(data)?;
        self.absorb(&overlay);
        Ok(())
    }

    /// What a batch's public data does to this state: the transactions that its records stand for, with the nonces and
    /// recipients that their signatures cover, and the accounts afterwards.
    ///
    /// # Errors
    /// When the data breaks a rule, so that no proof of it exists.
    pub fn trace(&self, data: &BatchData) -> Result<(Vec<Transaction>, Overlay), ReplayError> {
        let mut overlay = Overlay::new(self);
        for (number, (entry, found)) in data.entries.iter().enumerate() {
            let (expected, found) = (overlay.enter(self, entry), *found);
            if expected != found {
                return Err(ReplayError::Outcome {
                    number,
                    expected,
                    found,
                });
            }
        }
        let mut transactions = Vec::with_capacity(data.records.len());
        for (number, record) in data.records.iter().enumerate() {
            let refused = |refusal| ReplayError::Record { number, refusal };
            transactions.push(transaction_of(record, &overlay, self).map_err(refused)?);
            overlay.execute(self, record).map_err(refused)?;
        }
        overlay.settle_fees(self, data.fee_account).map_err(ReplayError::Fees)?;
        Ok((transactions, overlay))
    }
}

/// The transaction that a record stands for, if it is the next operation.
fn transaction_of(record: &Record, overlay: &Overlay, state: &State) -> Result<Transaction, Refusal> {
    let account = |index| overlay.account(state, index).ok_or(Refusal::NoSuchAccount { index });
    let operation = match record.body {
        Body::Transfer { to, amount, .. } => Operation::Transfer {
            to,
            address: account(to)?.address,
            amount,
        },
        Body::Open { address, amount } => Operation::Open { address, amount },
        Body::Withdraw { recipient, amount } => Operation::Withdraw { recipient, amount },
        Body::Rekey { address } => Operation::Rekey { address },
    };
    Ok(Transaction {
        from: record.from,
        nonce: account(record.from)?.nonce,
        fee: record.fee,
        operation,
    })
}
