//! What became of accepted transactions that no batch has: why they wait, or why they never will be executed.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use starling_rollup::envelope::TransactionId;
use starling_rollup::rules::Refusal;

use crate::mempool::PoolError;

/// What keeps a transaction out of the batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Its batch was taken back, and it has not been tried since.
    TakenBack,
    /// The sender has no account.
    NoAccount,
    /// The account is another's.
    NotTheOwner,
    /// Another transaction had its nonce.
    NonceUsed,
    /// One with a nonce before it is missing.
    NonceGap,
    /// There is no recipient, or another than the one that was signed.
    Recipient,
    /// The balance does not cover it.
    Funds,
    /// The fee is below the lowest that is taken.
    Fee,
    /// One with the same nonce waits that pays as much.
    Underpriced,
    /// The pool has no room for it: its fee is too low, or its sender has too many.
    NoRoom,
    /// Its sender sent another with the same nonce.
    Replaced,
    /// Amounts that no account or batch can hold, no index or no nonce left, a signature that does not verify.
    Rule,
}

impl Cause {
    /// Whether it is something in the accounts, and would be nothing over others.
    pub(super) fn is_of_the_state(self) -> bool {
        match self {
            Self::NoAccount
            | Self::NotTheOwner
            | Self::NonceUsed
            | Self::NonceGap
            | Self::Recipient
            | Self::Funds
            | Self::Rule => true,
            Self::TakenBack | Self::Fee | Self::Underpriced | Self::NoRoom | Self::Replaced => false,
        }
    }
}

/// Why a transaction waits or is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// For programs.
    pub code: Cause,
    /// For people.
    pub message: String,
}

impl Reason {
    pub(super) fn new(code: Cause, message: impl ToString) -> Self {
        let message = message.to_string();
        Self { code, message }
    }
}

impl From<&PoolError> for Reason {
    fn from(error: &PoolError) -> Self {
        let code = match error {
            PoolError::NoSuchAccount(_) => Cause::NoAccount,
            PoolError::NotTheOwner(_) => Cause::NotTheOwner,
            PoolError::NonceUsed { .. } => Cause::NonceUsed,
            PoolError::NonceGap { .. } => Cause::NonceGap,
            PoolError::Recipient(_) => Cause::Recipient,
            PoolError::Known | PoolError::Underpriced { .. } => Cause::Underpriced,
            PoolError::Fee { full: false, .. } => Cause::Fee,
            PoolError::Fee { full: true, .. } | PoolError::TooMany { .. } => Cause::NoRoom,
            PoolError::Funds { .. } => Cause::Funds,
        };
        Self::new(code, error)
    }
}

impl From<&Refusal> for Reason {
    fn from(refusal: &Refusal) -> Self {
        let code = match refusal {
            // The sender's account is looked for before anything is executed: what is missing is the recipient.
            Refusal::NoSuchAccount { .. } | Refusal::Recipient { .. } => Cause::Recipient,
            Refusal::NotTheOwner { .. } => Cause::NotTheOwner,
            Refusal::Nonce { found, expected, .. } if found < expected => Cause::NonceUsed,
            Refusal::Nonce { .. } => Cause::NonceGap,
            Refusal::Funds { .. } => Cause::Funds,
            Refusal::BatchFull { .. } => Cause::NoRoom,
            Refusal::NonceExhausted { .. }
            | Refusal::Overflow { .. }
            | Refusal::FeeOverflow
            | Refusal::TooLarge(_)
            | Refusal::TreeFull
            | Refusal::Signature(_) => Cause::Rule,
        };
        Self::new(code, refusal)
    }
}

/// What the journal says of an accepted transaction that no batch has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is tried again until this batch is sealed.
    Tried {
        /// The batch.
        until: u64,
    },
    /// It will not be executed.
    Refused {
        /// How many were refused before it.
        number: u64,
        /// Why.
        reason: Reason,
    },
}

impl Fate {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let (tag, number, reason) = match self {
            Self::Tried { until } => (0, until, None),
            Self::Refused { number, reason } => (1, number, Some(reason)),
        };
        let mut bytes = vec![tag];
        bytes.extend(number.to_be_bytes());
        // A structure of strings always has a JSON form.
        bytes.extend(
            reason
                .and_then(|reason| serde_json::to_vec(reason).ok())
                .unwrap_or_default(),
        );
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let (head, reason) = bytes.split_first_chunk::<9>().ok_or("it is too short")?;
        let [tag, number @ ..] = *head;
        let number = u64::from_be_bytes(number);
        match tag {
            0 if reason.is_empty() => Ok(Self::Tried { until: number }),
            1 => serde_json::from_slice(reason)
                .map(|reason| Self::Refused { number, reason })
                .map_err(|error| error.to_string()),
            _ => Err(format!("its kind is {tag}")),
        }
    }
}

/// Changes of the journal's records of transactions without a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Transactions that wait no more.
    pub gone: Vec<TransactionId>,
    /// Fates, or `None` where there is none any more.
    pub fates: BTreeMap<TransactionId, Option<Fate>>,
}

impl Changes {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.gone.is_empty() && self.fates.is_empty()
    }
}

/// The refused transactions whose reason is kept, in their order: so many that a flood of refusals costs no more.
#[derive(Clone, Debug, Default)]
pub(super) struct Refused {
    limit: usize,
    order: BTreeMap<u64, TransactionId>,
    numbers: HashMap<TransactionId, u64>,
    next: u64,
}

impl Refused {
    /// At most `limit` of those that the journal has.
    pub(super) fn new(limit: usize, kept: impl IntoIterator<Item = (u64, TransactionId)>) -> Self {
        let order: BTreeMap<u64, TransactionId> = kept.into_iter().collect();
        Self {
            limit,
            next: order.last_key_value().map_or(0, |(last, _)| last + 1),
            numbers: order.iter().map(|(number, id)| (*id, *number)).collect(),
            order,
        }
    }

    /// Refuses a transaction: what is to be written.
    pub(super) fn refuse(&mut self, id: TransactionId, reason: Reason, changes: &mut Changes) {
        self.forget(&id);
        let number = self.next;
        self.next += 1;
        self.order.insert(number, id);
        self.numbers.insert(id, number);
        changes.gone.push(id);
        changes.fates.insert(id, Some(Fate::Refused { number, reason }));
        while self.order.len() > self.limit
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.numbers.remove(&oldest);
            changes.fates.insert(oldest, None);
        }
    }

    /// Forgets a refusal: the transaction was sent again.
    pub(super) fn forget(&mut self, id: &TransactionId) {
        if let Some(number) = self.numbers.remove(id) {
            self.order.remove(&number);
        }
    }
}
