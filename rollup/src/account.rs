//! Accounts and their leaves.

use starling_vm::field::{Felt, Word};
use starling_vm::poseidon2::compress;

use crate::address::Address;

/// Balances and amounts are below this bound, in gwei.
pub const AMOUNT_LIMIT: u64 = 1 << 63;

/// Domain of a leaf, beside nonce and balance.
const LEAF_DOMAIN: u64 = 2;

/// The leaf of an index that no account has.
pub const EMPTY_LEAF: Word = [Felt::new(0); 4];

/// An account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// The address: digest of key and L1 owner.
    pub address: Address,
    /// Signed operations so far.
    pub nonce: u32,
    /// Balance in gwei, below [AMOUNT_LIMIT].
    pub balance: u64,
}

impl Account {
    /// A new account.
    pub fn new(address: Address, balance: u64) -> Self {
        Self {
            address,
            nonce: 0,
            balance,
        }
    }

    /// The account's leaf in the tree.
    pub fn leaf(&self) -> Word {
        let zero = Felt::new(0);
        let numbers = [
            Felt::new(u64::from(self.nonce)),
            Felt::new(self.balance),
            Felt::new(LEAF_DOMAIN),
            zero,
        ];
        // Code and storage, both empty for now.
        let extension = compress([zero; 4], [zero; 4]);
        compress(compress(self.address.to_word(), numbers), extension)
    }
}
