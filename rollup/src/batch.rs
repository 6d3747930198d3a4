//! Batches: as the sequencer fills them, and as they are proven.

use starling_vm::field::Word;

use crate::data::{BatchData, HEADER_WORDS, MAX_WORDS};
use crate::entry::{ENTRY_WORDS, Entry};
use crate::record::Record;
use crate::rules::{Overlay, Refusal};
use crate::state::State;
use crate::transaction::SignedTransaction;

/// A sealed batch: what L1 gets, and what only the prover needs.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Who gets the fees.
    pub fee_account: u32,
    /// The queue's entries, each with the gwei that moved.
    pub entries: Vec<(Entry, u64)>,
    /// The signed operations.
    pub transactions: Vec<SignedTransaction>,
}

impl Batch {
    /// The public data.
    pub fn data(&self) -> BatchData {
        let record = |signed: &SignedTransaction| {
            let transaction = &signed.transaction;
            Record::new(transaction.from, transaction.fee, &transaction.operation)
        };
        BatchData {
            fee_account: self.fee_account,
            entries: self.entries.clone(),
            records: self.transactions.iter().map(record).collect(),
        }
    }
}

/// A batch that is being filled, over a state that stays as it is until the batch is sealed.
#[derive(Clone, Debug)]
pub struct OpenBatch {
    overlay: Overlay,
    batch: Batch,
    words: usize,
}

impl OpenBatch {
    /// An empty batch over `state`, whose fees go to `fee_account`.
    pub fn new(state: &State, fee_account: u32) -> Self {
        Self {
            overlay: Overlay::new(state),
            batch: Batch {
                fee_account,
                ..Batch::default()
            },
            words: HEADER_WORDS,
        }
    }

    /// Accounts as the batch leaves them.
    pub fn overlay(&self) -> &Overlay {
        &self.overlay
    }

    /// The batch so far.
    pub fn batch(&self) -> &Batch {
        &self.batch
    }

    /// Words of its data.
    pub fn words(&self) -> usize {
        self.words
    }

    fn reserve(&mut self, more: usize) -> Result<usize, Refusal> {
        let (words, limit) = (self.words, MAX_WORDS);
        if words + more > limit {
            return Err(Refusal::BatchFull { words, more, limit });
        }
        Ok(words + more)
    }

    /// Consumes the next entry of the queue and returns the gwei that moved. Entries come before signed operations.
    ///
    /// # Errors
    /// When the batch is full. An entry itself is never an error: if it is refused, nothing moves.
    pub fn enter(&mut self, state: &State, entry: Entry) -> Result<u64, Refusal> {
        debug_assert!(self.batch.transactions.is_empty());
        self.words = self.reserve(ENTRY_WORDS)?;
        let moved = self.overlay.enter(state, &entry);
        self.batch.entries.push((entry, moved));
        Ok(moved)
    }

    /// Executes a signed operation.
    ///
    /// # Errors
    /// Why it is refused; the batch is then unchanged.
    pub fn apply(&mut self, state: &State, rollup: &Word, signed: &SignedTransaction) -> Result<(), Refusal> {
        self.overlay.check(state, signed, rollup)?;
        self.apply_verified(state, signed)
    }

    /// As [OpenBatch::apply], for an operation whose signature has been verified.
    ///
    /// # Errors
    /// Why it is refused; the batch is then unchanged.
    pub fn apply_verified(&mut self, state: &State, signed: &SignedTransaction) -> Result<(), Refusal> {
        self.overlay.check_unsigned(state, signed)?;
        let transaction = &signed.transaction;
        let record = Record::new(transaction.from, transaction.fee, &transaction.operation);
        let words = self.reserve(record.encode().len())?;
        self.overlay.execute(state, &record)?;
        self.words = words;
        self.batch.transactions.push(signed.clone());
        Ok(())
    }

    /// Who gets the fees.
    pub fn set_fee_account(&mut self, fee_account: u32) {
        self.batch.fee_account = fee_account;
    }

    /// Credits the fees: the sealed batch, and the accounts as it leaves them.
    ///
    /// # Errors
    /// When there are fees and the fee account does not exist or cannot take them.
    pub fn finish(mut self, state: &State) -> Result<(Batch, Overlay), Refusal> {
        self.overlay.settle_fees(state, self.batch.fee_account)?;
        Ok((self.batch, self.overlay))
    }

    /// As [OpenBatch::finish], and carries the batch into the state.
    ///
    /// # Errors
    /// As [OpenBatch::finish]; the state is then unchanged.
    pub fn seal(self, state: &mut State) -> Result<Batch, Refusal> {
        let (batch, overlay) = self.finish(state)?;
        state.absorb(&overlay);
        Ok(batch)
    }
}
