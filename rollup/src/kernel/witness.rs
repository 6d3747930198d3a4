//! What a run of the kernel is given: public inputs and advice.

use std::collections::BTreeMap;

use starling_vm::executor::RunInputs;
use starling_vm::field::{Felt, Word};

use crate::account::Account;
use crate::address::L1Address;
use crate::batch::Batch;
use crate::chain;
use crate::data::BLOCK;
use crate::entry::Kind;
use crate::rules::{Overlay, Refusal};
use crate::state::State;
use crate::transaction::{Operation, RollupId, SignedTransaction};
use crate::tree::{CAPACITY, DEPTH, Tree};

/// Most accounts that a run may touch.
pub const MAX_SLOTS: usize = 1 << 16;

/// The part of a statement that the prover chooses or knows: where the run starts and who is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// Chain and rollup.
    pub rollup: RollupId,
    /// Number of the first batch.
    pub number: u64,
    /// Chain digest before it.
    pub digest: Word,
    /// Who gets the reward of the proof.
    pub payee: L1Address,
}

/// A run of the kernel.
#[derive(Clone, Debug)]
pub struct Witness {
    /// What the run is given.
    pub inputs: RunInputs,
    /// The state root after it.
    pub root: Word,
    /// The chain digest after it.
    pub digest: Word,
    /// The accounts as the run leaves them.
    pub overlay: Overlay,
}

impl Witness {
    /// The run's public outputs.
    pub fn outputs(&self) -> Vec<Felt> {
        self.root.to_vec()
    }
}

/// Why there is no run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WitnessError {
    /// An operation breaks a rule.
    #[error("batch {batch}, operation {number}: {refusal}")]
    Operation {
        /// The batch.
        batch: u64,
        /// The operation's number, the entries not counted.
        number: usize,
        /// Why.
        refusal: Refusal,
    },
    /// An entry's outcome is not what the rules give.
    #[error("batch {batch}, entry {number}: {found} gwei are said to move, the rules move {expected}")]
    Outcome {
        /// The batch.
        batch: u64,
        /// The entry's number.
        number: usize,
        /// What the rules give.
        expected: u64,
        /// What the batch says.
        found: u64,
    },
    /// The fees cannot be credited.
    #[error("batch {batch}, fees: {refusal}")]
    Fees {
        /// The batch.
        batch: u64,
        /// Why.
        refusal: Refusal,
    },
    /// The run touches too many accounts.
    #[error("the run touches {0} accounts, at most {MAX_SLOTS} fit: prove fewer batches at once")]
    Slots(usize),
}

/// The run that carries `state` over `batches`.
///
/// # Errors
/// When a batch breaks a rule, or the batches touch too many accounts.
pub fn witness(state: &State, start: &Start, batches: &[Batch]) -> Result<Witness, WitnessError> {
    Builder::new(state, start).build(batches, true)
}

/// As [witness], for batches that may break the rules: the advice that such a run would need. For tests, which expect that
/// the kernel traps.
#[doc(hidden)]
pub fn lawless_witness(state: &State, start: &Start, batches: &[Batch]) -> Result<Witness, WitnessError> {
    Builder::new(state, start).build(batches, false)
}

/// An element of the advice before the slots have numbers.
enum Item {
    Element(Felt),
    Slot(u32),
}

struct Builder<'s> {
    state: &'s State,
    start: &'s Start,
    overlay: Overlay,
    items: Vec<Item>,
}

impl<'s> Builder<'s> {
    fn new(state: &'s State, start: &'s Start) -> Self {
        Self {
            state,
            start,
            overlay: Overlay::new(state),
            items: Vec::new(),
        }
    }

    fn elements(&mut self, elements: &[Felt]) {
        self.items
            .extend(elements.iter().map(|element| Item::Element(*element)));
    }

    fn number(&mut self, number: u64) {
        self.items.push(Item::Element(Felt::new(number)));
    }

    fn build(mut self, batches: &[Batch], lawful: bool) -> Result<Witness, WitnessError> {
        let mut digest = self.start.digest;
        for (number, batch) in (self.start.number..).zip(batches) {
            self.number(1);
            digest = self.batch(number, batch, &digest, lawful)?;
        }
        self.number(0);
        let touched = self.overlay.touched();
        if touched.len() > MAX_SLOTS {
            return Err(WitnessError::Slots(touched.len()));
        }
        let next = self.state.next();
        let mut advice = vec![Felt::new(next), Felt::new(touched.len() as u64)];
        for index in touched.keys() {
            advice.extend(slot(*index, self.state.account(*index)));
        }
        let slots: BTreeMap<u32, u64> = touched.keys().copied().zip(0..).collect();
        advice.extend(self.items.iter().map(|item| match item {
            Item::Element(element) => *element,
            Item::Slot(index) => Felt::new(slots.get(index).copied().unwrap_or(0)),
        }));
        let leaves: Vec<u32> = touched.keys().copied().collect();
        if leaves.is_empty() {
            advice.extend(self.state.tree().root());
        } else {
            walk(self.state.tree(), &leaves, DEPTH, &mut advice);
            advice.push(Felt::new(END));
        }
        let payee = self.start.payee.to_elements();
        let words = [self.state.root(), self.start.digest, self.start.rollup.word()];
        Ok(Witness {
            inputs: RunInputs {
                public: [&words.concat(), &payee[..], &digest].concat(),
                advice,
            },
            root: self.state.root_with(&self.overlay),
            digest,
            overlay: self.overlay,
        })
    }

    fn batch(&mut self, number: u64, batch: &Batch, digest: &Word, lawful: bool) -> Result<Word, WitnessError> {
        let words = batch.data().to_words();
        let points = chain::points(&words, &self.start.rollup, number, digest);
        self.number(words.len() as u64);
        let padding = words.len().next_multiple_of(BLOCK) - words.len();
        words.iter().for_each(|word| self.number(*word));
        (0..padding).for_each(|_| self.number(0));
        self.elements(&points);
        self.number(0);
        for (at, (entry, found)) in batch.entries.iter().enumerate() {
            match entry.kind {
                Kind::Deposit { index, .. } | Kind::Exit { index } if u64::from(index) < self.overlay.next() => {
                    self.items.push(Item::Slot(index));
                }
                Kind::DepositNew { .. } if self.overlay.next() < CAPACITY => {
                    self.items.push(Item::Slot(self.overlay.next() as u32));
                }
                _ => {}
            }
            let (expected, found) = (self.overlay.enter(self.state, entry), *found);
            if lawful && expected != found {
                return Err(WitnessError::Outcome {
                    batch: number,
                    number: at,
                    expected,
                    found,
                });
            }
        }
        for (at, (signed, record)) in batch.transactions.iter().zip(batch.data().records).enumerate() {
            self.operation(signed);
            let checked = self.overlay.check_unsigned(self.state, signed);
            let done = checked.and_then(|()| self.overlay.execute(self.state, &record));
            if let (true, Err(refusal)) = (lawful, done) {
                return Err(WitnessError::Operation {
                    batch: number,
                    number: at,
                    refusal,
                });
            }
        }
        if self.overlay.fees() > 0 {
            self.items.push(Item::Slot(batch.fee_account));
        }
        match self.overlay.settle_fees(self.state, batch.fee_account) {
            Err(refusal) if lawful => Err(WitnessError::Fees { batch: number, refusal }),
            _ => Ok(chain::extend(digest, &words, &points)),
        }
    }

    /// Names an account's slot; the account has one even if the operation is refused.
    fn slot(&mut self, index: u32) {
        self.overlay.touch(self.state, index);
        self.items.push(Item::Slot(index));
    }

    /// What only the signed operation shows, in the order in which the kernel asks.
    fn operation(&mut self, signed: &SignedTransaction) {
        if let Operation::Transfer { to, .. } = signed.transaction.operation {
            self.slot(to);
        }
        self.slot(signed.transaction.from);
        let [left, right] = signed.sender_preimage();
        self.elements(&left);
        self.elements(&right);
        self.elements(&signed.signature.to_elements());
        if let Operation::Open { .. } = signed.transaction.operation {
            self.items.push(Item::Slot(self.overlay.next() as u32));
        }
    }
}

/// A slot's advice.
fn slot(index: u32, account: Option<&Account>) -> Vec<Felt> {
    let index = Felt::new(u64::from(index));
    match account {
        None => vec![Felt::new(0), index],
        Some(account) => {
            let numbers = [u64::from(account.nonce), account.balance].map(Felt::new);
            [&[Felt::new(1), index], &account.address.to_word()[..], &numbers].concat()
        }
    }
}

// THE TREE WALK
// ================================================================================================================

/// What comes after a climb: the node waits for its right sibling, joins its left one, or is the root.
const WAIT: u64 = 0;
const JOIN: u64 = 1;
const END: u64 = 2;

/// The walk over the leaves at these ascending indices, which share a node at `height`, up to that node.
fn walk(tree: &Tree, indices: &[u32], height: usize, advice: &mut Vec<Felt>) {
    let (first, last) = (indices[0], indices[indices.len() - 1]);
    let from = match (first ^ last).checked_ilog2() {
        None => 0,
        Some(bit) => {
            let bit = bit as usize;
            let split = indices.partition_point(|index| index >> bit & 1 == 0);
            walk(tree, &indices[..split], bit, advice);
            advice.push(Felt::new(WAIT));
            walk(tree, &indices[split..], bit, advice);
            advice.push(Felt::new(JOIN));
            bit + 1
        }
    };
    let levels = (height - from) as u64;
    advice.push(Felt::new(levels / 2));
    advice.push(Felt::new(levels % 2));
    for level in from..height {
        advice.extend(tree.node(level, (first >> level) ^ 1));
    }
}
