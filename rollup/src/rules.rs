//! The rules: what an operation does to the accounts, and when it is refused.
//!
//! This is the native mirror of the kernel (`rollup/kernel/`). Both are driven with the same batches by the tests.

use std::collections::BTreeMap;

use starling_vm::field::Word;
use starling_vm::schnorr::VerifyError;

use crate::account::{AMOUNT_LIMIT, Account};
use crate::entry::{Entry, Kind};
use crate::record::{Body, Record};
use crate::state::State;
use crate::transaction::{Operation, SignedTransaction};
use crate::tree::CAPACITY;

/// Why an operation is refused. Nothing has changed then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// An index that no account has.
    #[error("there is no account {index}")]
    NoSuchAccount {
        /// The index.
        index: u32,
    },
    /// Key and owner do not give the sender's address.
    #[error("the key and owner are not those of account {index}")]
    NotTheOwner {
        /// The sender.
        index: u32,
    },
    /// The nonce is not the account's.
    #[error("account {index} is at nonce {expected}, the operation has {found}")]
    Nonce {
        /// The sender.
        index: u32,
        /// The account's nonce.
        expected: u32,
        /// The operation's.
        found: u32,
    },
    /// The account has signed as many operations as it can.
    #[error("account {index} has no nonce left: move its funds to another account by a forced exit")]
    NonceExhausted {
        /// The sender.
        index: u32,
    },
    /// Amount and fee exceed the balance.
    #[error("account {index} has {balance} gwei, amount and fee take {needed}")]
    Funds {
        /// The sender.
        index: u32,
        /// Its balance.
        balance: u64,
        /// Amount and fee.
        needed: u64,
    },
    /// The account at the recipient's index has not the address that was signed.
    #[error("account {index} has another address than the one that was signed")]
    Recipient {
        /// The recipient's index.
        index: u32,
    },
    /// A balance would reach 2^63.
    #[error("the balance of account {index} would reach 2^63 gwei")]
    Overflow {
        /// The account.
        index: u32,
    },
    /// The fees of the batch would reach 2^63.
    #[error("the fees of the batch would reach 2^63 gwei")]
    FeeOverflow,
    /// Amount or fee is not below 2^63.
    #[error("{0} gwei are not below 2^63")]
    TooLarge(u64),
    /// All indices are taken.
    #[error("the tree is full: no account can be opened")]
    TreeFull,
    /// The signature does not verify.
    #[error(transparent)]
    Signature(#[from] VerifyError),
    /// The batch has no room for the operation.
    #[error("the batch is full: it has {words} words, the operation takes {more}, a batch holds at most {limit}")]
    BatchFull {
        /// Words of the batch.
        words: usize,
        /// Words of the operation.
        more: usize,
        /// The limit.
        limit: usize,
    },
}

/// Accounts as operations leave them, over a state that stays as it is.
#[derive(Clone, Debug)]
pub struct Overlay {
    touched: BTreeMap<u32, Account>,
    next: u64,
    fees: u64,
}

impl Overlay {
    /// Nothing touched.
    pub fn new(state: &State) -> Self {
        Self {
            touched: BTreeMap::new(),
            next: state.next(),
            fees: 0,
        }
    }

    /// The touched accounts, those that were only looked at included.
    pub fn touched(&self) -> &BTreeMap<u32, Account> {
        &self.touched
    }

    /// The next free index.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Fees of the batch so far.
    pub fn fees(&self) -> u64 {
        self.fees
    }

    /// The account at `index` now.
    pub fn account(&self, state: &State, index: u32) -> Option<Account> {
        self.touched.get(&index).or_else(|| state.account(index)).copied()
    }

    /// Counts an account as touched, if there is one.
    pub(crate) fn touch(&mut self, state: &State, index: u32) {
        if let Some(account) = self.account(state, index) {
            self.touched.insert(index, account);
        }
    }

    fn existing(&self, state: &State, index: u32) -> Result<Account, Refusal> {
        self.account(state, index).ok_or(Refusal::NoSuchAccount { index })
    }

    fn open(&mut self, account: Account) -> u32 {
        let index = self.next as u32;
        self.touched.insert(index, account);
        self.next += 1;
        index
    }

    /// Runs a forced operation and returns the gwei that moved: 0 if it was refused.
    pub fn enter(&mut self, state: &State, entry: &Entry) -> u64 {
        let named = |overlay: &Self, index| overlay.account(state, index);
        match entry.kind {
            Kind::DepositNew { amount } => {
                if self.next == CAPACITY {
                    return 0;
                }
                self.open(Account::new(entry.address, amount));
                amount
            }
            Kind::Deposit { index, amount } => {
                let Some(mut account) = named(self, index) else {
                    return 0;
                };
                let fits = credited(index, account.balance, amount);
                let moved = match fits {
                    Ok(balance) if account.address == entry.address => {
                        account.balance = balance;
                        amount
                    }
                    _ => 0,
                };
                self.touched.insert(index, account);
                moved
            }
            Kind::Exit { index } => {
                let Some(mut account) = named(self, index) else {
                    return 0;
                };
                let moved = if account.address == entry.address {
                    account.balance
                } else {
                    0
                };
                account.balance -= moved;
                self.touched.insert(index, account);
                moved
            }
        }
    }

    /// Checks what only the signed operation shows: key, nonce, the recipient's address, the signature.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn check(&self, state: &State, signed: &SignedTransaction, rollup: &Word) -> Result<(), Refusal> {
        self.check_unsigned(state, signed)?;
        Ok(signed.verify(rollup)?)
    }

    /// As [Overlay::check], for an operation whose signature has been verified.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn check_unsigned(&self, state: &State, signed: &SignedTransaction) -> Result<(), Refusal> {
        let transaction = &signed.transaction;
        for value in [transaction.fee, transaction.operation.amount()] {
            if value >= AMOUNT_LIMIT {
                return Err(Refusal::TooLarge(value));
            }
        }
        let index = transaction.from;
        let sender = self.existing(state, index)?;
        if sender.address != signed.sender() {
            return Err(Refusal::NotTheOwner { index });
        }
        if sender.nonce != transaction.nonce {
            return Err(Refusal::Nonce {
                index,
                expected: sender.nonce,
                found: transaction.nonce,
            });
        }
        if let Operation::Transfer { to, address, .. } = transaction.operation
            && self.existing(state, to)?.address != address
        {
            return Err(Refusal::Recipient { index: to });
        }
        Ok(())
    }

    /// Runs a record: what an operation does, its signature and all that is not public taken for granted.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn execute(&mut self, state: &State, record: &Record) -> Result<(), Refusal> {
        let (index, fee) = (record.from, record.fee);
        let mut sender = self.existing(state, index)?;
        let amount = match record.body {
            Body::Transfer { amount, .. } | Body::Open { amount, .. } | Body::Withdraw { amount, .. } => amount,
            Body::Rekey { .. } => 0,
        };
        let nonce = sender.nonce.checked_add(1);
        sender.nonce = nonce.ok_or(Refusal::NonceExhausted { index })?;
        let needed = amount.saturating_add(fee);
        let balance = sender.balance;
        sender.balance = balance
            .checked_sub(needed)
            .ok_or(Refusal::Funds { index, balance, needed })?;
        let fees = credited(index, self.fees, fee).map_err(|_| Refusal::FeeOverflow)?;
        match record.body {
            Body::Transfer { to, amount, .. } => {
                let mut recipient = if to == index { sender } else { self.existing(state, to)? };
                recipient.balance = credited(to, recipient.balance, amount)?;
                self.touched.insert(index, sender);
                self.touched.insert(to, recipient);
            }
            Body::Open { address, amount } => {
                if self.next == CAPACITY {
                    return Err(Refusal::TreeFull);
                }
                self.touched.insert(index, sender);
                self.open(Account::new(address, amount));
            }
            Body::Withdraw { .. } => {
                self.touched.insert(index, sender);
            }
            Body::Rekey { address } => {
                sender.address = address;
                self.touched.insert(index, sender);
            }
        }
        self.fees = fees;
        Ok(())
    }

    /// Ends a batch: credits its fees.
    ///
    /// # Errors
    /// When there are fees and the fee account does not exist or cannot take them.
    pub fn settle_fees(&mut self, state: &State, fee_account: u32) -> Result<(), Refusal> {
        if self.fees == 0 {
            return Ok(());
        }
        let mut account = self.existing(state, fee_account)?;
        account.balance = credited(fee_account, account.balance, self.fees)?;
        self.touched.insert(fee_account, account);
        self.fees = 0;
        Ok(())
    }
}

fn credited(index: u32, balance: u64, amount: u64) -> Result<u64, Refusal> {
    balance
        .checked_add(amount)
        .filter(|sum| *sum < AMOUNT_LIMIT)
        .ok_or(Refusal::Overflow { index })
}
