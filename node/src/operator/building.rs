//! Cuts the open batch into blocks, and closes it.
//!
//! A block's header is formed here for whoever builds and for whoever checks, so that both mean the same bytes. What is signed is on
//! record and in the journal before anybody hears of it; what is not signed leaves the batch as it was.

use std::time::{Duration, Instant};

use starling_rollup::batch::OpenBatch;
use starling_rollup::block_header::{BlockEnd, BlockHeader};
use starling_rollup::chain::{self, word_bytes};
use starling_rollup::l1_key::keccak256;
use tracing::warn;

use super::journal::{Body, Sealed, undo_of};
use super::sequencer::{Cut, Making, Sequencer, SequencerError, now};
use super::signing::Signer;
use crate::block::{Block, Opening};

/// How long nothing is built in the place of a block that waits for entries of L1's queue. Shorter: where L1 is seen a moment later than
/// by the builder before, that one's last blocks are lost. Longer: so much of a slot is taken by whoever built before it and signs
/// a block with entries that do not exist.
const EXPECTED: Duration = Duration::from_secs(2);

impl Sequencer {
    /// Whether a block that waits here may be the end of the chain in a moment: nothing is built in its place until then. After a
    /// restart those are the blocks of the open batch, whose entries are L1's to say. However many come one after the other, behind one
    /// tip that is waited for once.
    pub(super) fn expects_a_block(&mut self) -> bool {
        let tip = self.tip();
        let mut first = None;
        for held in self.held.iter().filter(|held| held.block.header().parent == tip) {
            let Some(since) = held.since else { return true };
            first = Some(first.map_or(since, |first: Instant| first.min(since)));
        }
        let Some(first) = first else { return false };
        let since = match self.awaited {
            Some((at, since)) if at == tip => since,
            _ => first,
        };
        self.awaited = Some((tip, since));
        since.elapsed() < EXPECTED
    }

    /// Operations of the open batch, entries included.
    pub(super) fn operations(&self) -> usize {
        self.open.batch().entries.len() + self.open.batch().transactions.len()
    }

    /// Hash of the last header of the chain.
    pub fn tip(&self) -> [u8; 32] {
        self.cuts.last().map_or(self.head, |cut| cut.header.hash())
    }

    /// The header of a block of all that the open batch has got since the last one; `None` if that is nothing.
    pub(super) fn next_header(&self) -> Result<Option<(BlockEnd, BlockHeader)>, SequencerError> {
        let (from, operations) = self
            .cuts
            .last()
            .map_or((1, 0), |cut| (usize::from(cut.end), cut.operations));
        if self.operations() == operations {
            return Ok(None);
        }
        let account = self.open.batch().fee_account;
        let words = self.open.batch().data().to_words();
        let (_, overlay) = self
            .open
            .clone()
            .finish(&self.state)
            .map_err(|refusal| SequencerError::Fees { account, refusal })?;
        let bytes: Vec<u8> = words[from..].iter().flat_map(|word| word.to_be_bytes()).collect();
        let end = BlockEnd {
            end: words.len() as u16,
            state: word_bytes(&self.state.root_with(&overlay)),
        };
        let header = BlockHeader {
            slot: self.cuts.first().map_or(self.turn.slot, |cut| cut.header.slot),
            batch: self.last + 1,
            index: self.cuts.len() as u32,
            parent: self.tip(),
            operations: keccak256(&[&bytes]),
            state: end.state,
        };
        Ok(Some((end, header)))
    }

    /// Signs and keeps a block of what is new; without a signature the batch is again as it was `before`.
    pub(super) fn cut_signed(&mut self, signer: &Signer, before: OpenBatch) -> Result<(), SequencerError> {
        let Some((end, header)) = self.next_header()? else {
            return Ok(());
        };
        let first = before.batch().transactions.len();
        let transactions = self.open.batch().transactions[first..].to_vec();
        let made = signer.sign(header).map_err(SequencerError::Signing).and_then(|signed| {
            let block = Block {
                signed,
                opening: (header.index == 0).then(|| self.opening()),
                transactions: transactions.clone(),
            };
            self.journal.keep_block(&block)?;
            Ok(block)
        });
        let block = match made {
            Ok(block) => block,
            Err(error) => {
                self.open = before;
                if self.operations() == 0 {
                    self.opened = None;
                }
                for signed in transactions {
                    self.outside.push(self.journal.id(&signed), signed, self.last);
                }
                if matches!(&error, SequencerError::Signing(refused) if refused.is_final()) {
                    warn!(slot = header.slot, %error, "nothing more is built in this slot");
                    self.lost = Some(header.slot);
                    return Ok(());
                }
                return Err(error);
            }
        };
        self.last_cut = Some(Instant::now());
        self.push_cut(end, &block);
        self.made.push(block);
        Ok(())
    }

    fn opening(&self) -> Opening {
        Opening {
            entries: self.open.batch().entries.len() as u16,
            fee_account: self.open.batch().fee_account,
        }
    }

    /// The open batch's operations have grown by a block.
    pub(super) fn push_cut(&mut self, end: BlockEnd, block: &Block) {
        let first = self.open.batch().transactions.len() - block.transactions.len();
        for (signed, place) in block.transactions.iter().zip(first as u32..) {
            self.open_places.insert(self.journal.id(signed), place);
        }
        self.cuts.push(Cut {
            end: end.end,
            operations: self.operations(),
            header: block.signed.header,
            signed: Some(block.signed),
        });
        self.opened.get_or_insert_with(Instant::now);
        self.outside.untold = true;
    }

    /// Closes the open batch if it was built for a slot before `slot`: its builder's time is over. Whether there was one.
    ///
    /// # Errors
    /// When the journal fails.
    pub fn close_before(&mut self, slot: u64) -> Result<bool, SequencerError> {
        if self.cuts.first().is_none_or(|cut| cut.header.slot >= slot) {
            return Ok(false);
        }
        self.seal().map(|_| true)
    }

    /// Seals the open batch, which has operations.
    pub(super) fn seal(&mut self) -> Result<u64, SequencerError> {
        // Without signatures there is one block a batch, now that it is whole.
        if let (Making::Alone, Some((end, header))) = (&self.making, self.next_header()?) {
            self.cuts.push(Cut {
                end: end.end,
                operations: self.operations(),
                header,
                signed: None,
            });
        }
        let account = self.open.batch().fee_account;
        let (batch, overlay) = self
            .open
            .clone()
            .finish(&self.state)
            .map_err(|refusal| SequencerError::Fees { account, refusal })?;
        let number = self.last + 1;
        let end = |cut: &Cut| BlockEnd {
            end: cut.end,
            state: cut.header.state,
        };
        let sealed = Sealed {
            number,
            root: self.state.root_with(&overlay),
            parent_digest: self.digest,
            digest: chain::next(&self.digest, &batch.data().to_words(), self.rollup(), number),
            queue_end: self.queue_end + batch.entries.len() as u64,
            sealed_at: now(),
            slot: self.cuts.first().map_or(0, |cut| cut.header.slot),
            blocks: self.cuts.iter().map(end).collect(),
            head: self.tip(),
            signed: self.cuts.last().and_then(|cut| cut.signed),
            undo: undo_of(&self.state, &overlay),
            body: Body::Signed(batch),
        };
        self.put_sealed(&sealed, &overlay)?;
        Ok(number)
    }
}
