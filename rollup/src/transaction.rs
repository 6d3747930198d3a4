//! What a user signs.

use starling_vm::field::{Felt, Word};
use starling_vm::poseidon2::compress;
use starling_vm::schnorr::{PublicKey, SecretKey, Signature, VerifyError, verify};

use crate::address::{Address, L1Address};
use crate::record::{OPEN, REKEY, TRANSFER, WITHDRAW};

/// Domain of the word that names chain and rollup.
const DOMAIN: u64 = 4;

/// Stands for the recipient's index in the message of a transfer that opens an account.
const NEW_INDEX: u64 = 1 << 32;

/// The rollup that a signature is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RollupId {
    /// L1's chain id, below 2^63.
    pub chain_id: u64,
    /// Address of the rollup contract.
    pub contract: L1Address,
}

impl RollupId {
    /// The word that messages and the kernel's statement name the rollup by.
    pub fn word(&self) -> Word {
        let zero = Felt::new(0);
        let [a0, a1, a2] = self.contract.to_elements();
        compress(
            [Felt::new(self.chain_id), Felt::new(DOMAIN), zero, zero],
            [a0, a1, a2, zero],
        )
    }
}

/// An operation that a user signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Moves gwei to an account.
    Transfer {
        /// Index of the recipient.
        to: u32,
        /// The recipient's address: if the account at `to` has another, the operation is invalid.
        address: Address,
        /// Gwei.
        amount: u64,
    },
    /// Moves gwei to a new account.
    Open {
        /// The new account's address.
        address: Address,
        /// Gwei.
        amount: u64,
    },
    /// Moves gwei out of the rollup.
    Withdraw {
        /// Who may claim them on L1.
        recipient: L1Address,
        /// Gwei.
        amount: u64,
    },
    /// Replaces the sender's key or owner.
    Rekey {
        /// The sender's new address.
        address: Address,
    },
}

impl Operation {
    /// Gwei that the operation moves from the sender, the fee not counted.
    pub fn amount(&self) -> u64 {
        match *self {
            Self::Transfer { amount, .. } | Self::Open { amount, .. } | Self::Withdraw { amount, .. } => amount,
            Self::Rekey { .. } => 0,
        }
    }

    fn tag(&self) -> u64 {
        match self {
            Self::Transfer { .. } => TRANSFER,
            Self::Open { .. } => OPEN,
            Self::Withdraw { .. } => WITHDRAW,
            Self::Rekey { .. } => REKEY,
        }
    }

    fn recipient(&self) -> Word {
        let zero = Felt::new(0);
        let at = |index: u64, address: &Address| compress([Felt::new(index), zero, zero, zero], address.to_word());
        match self {
            Self::Transfer { to, address, .. } => at(u64::from(*to), address),
            Self::Open { address, .. } => at(NEW_INDEX, address),
            Self::Withdraw { recipient, .. } => {
                let [l0, l1, l2] = recipient.to_elements();
                [l0, l1, l2, zero]
            }
            Self::Rekey { address } => address.to_word(),
        }
    }
}

/// An operation with everything that its signature covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// Index of the sender.
    pub from: u32,
    /// The sender's nonce.
    pub nonce: u32,
    /// The fee in gwei.
    pub fee: u64,
    /// The operation.
    pub operation: Operation,
}

impl Transaction {
    /// What is signed, for the rollup that [RollupId::word] names.
    pub fn message(&self, rollup: &Word) -> Word {
        let first = self.operation.tag() + (u64::from(self.from) << 8);
        let numbers = [first, u64::from(self.nonce), self.operation.amount(), self.fee].map(Felt::new);
        compress(compress(*rollup, numbers), self.operation.recipient())
    }

    /// Signs the transaction.
    pub fn sign(self, rollup: &Word, key: &SecretKey, owner: L1Address) -> SignedTransaction {
        let signature = key.sign(&self.message(rollup));
        SignedTransaction {
            transaction: self,
            key: *key.public_key(),
            owner,
            signature,
        }
    }
}

/// A transaction, its signature, and the preimage of the sender's address.
#[derive(Clone, Debug)]
pub struct SignedTransaction {
    /// The transaction.
    pub transaction: Transaction,
    /// The sender's public key.
    pub key: PublicKey,
    /// The sender's L1 owner.
    pub owner: L1Address,
    /// The signature.
    pub signature: Signature,
}

impl SignedTransaction {
    /// The sender's address, as the transaction shows it.
    pub fn sender(&self) -> Address {
        Address::new(&self.key, self.owner)
    }

    /// The two words whose digest is the sender's address.
    pub(crate) fn sender_preimage(&self) -> [Word; 2] {
        crate::address::preimage(&self.key, self.owner)
    }

    /// Checks the signature.
    ///
    /// # Errors
    /// When it does not verify.
    pub fn verify(&self, rollup: &Word) -> Result<(), VerifyError> {
        verify(&self.key, &self.transaction.message(rollup), &self.signature)
    }
}
