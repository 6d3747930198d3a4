//! Batches that L1 no longer bears out are taken back.

use starling_rollup::entry::Entry;
use tracing::warn;

use super::feed::Standing;
use super::sequencer::{Sequencer, SequencerError};

impl Sequencer {
    /// Takes back the sealed batches above `committed` from the first on that has an entry which `stands` denies: L1 was
    /// reorganised, and the queue is another now. Their transactions are tried again.
    ///
    /// # Errors
    /// When the journal fails.
    pub fn take_back_unless(
        &mut self,
        committed: u64,
        stands: impl Fn(u64, &Entry) -> bool,
    ) -> Result<(), SequencerError> {
        let mut sound = committed.min(self.last);
        for number in sound + 1..=self.last {
            let Some(sealed) = self.journal.sealed(number)? else {
                break;
            };
            let first = sealed.queue_end - sealed.entries().len() as u64;
            let mut entries = (first..).zip(sealed.entries());
            if !entries.all(|(at, (entry, _))| stands(at, entry)) {
                break;
            }
            sound = number;
        }
        let mut entries = (self.queue_end..).zip(&self.open.batch().entries);
        let open_stands = entries.all(|(at, (entry, _))| stands(at, entry));
        if sound == self.last && open_stands {
            return Ok(());
        }
        self.take_back_to(sound, "L1's queue is another now")?;
        self.entries.clear();
        self.retry();
        Ok(())
    }

    /// Takes back batch `number`, which L1 has lost or pruned and whose signatures are not here, and what is built on it: whoever
    /// committed it again could not prove it, and would lose the bond. Transactions whose signatures are here are tried again.
    ///
    /// # Errors
    /// When the journal fails.
    pub fn give_up(&mut self, number: u64) -> Result<(), SequencerError> {
        self.take_back_from(number, "L1 has lost it, and its signatures are not here")
    }

    /// Takes back batch `number` and what is built on it, for a reason that is logged. Transactions whose signatures are here are tried
    /// again.
    ///
    /// # Errors
    /// When the journal fails.
    pub fn take_back_from(&mut self, number: u64, why: &str) -> Result<(), SequencerError> {
        self.take_back_to(number.saturating_sub(1), why)?;
        self.retry();
        Ok(())
    }

    /// Takes back the open batch and the sealed ones above `sound`. Their transactions wait outside the pool, and so does all
    /// that was in it; [Sequencer::retry] must follow once the chain is as it is to be.
    pub(super) fn take_back_to(&mut self, sound: u64, why: &str) -> Result<(), SequencerError> {
        let mut again = self.open.batch().transactions.clone();
        if self.cuts.iter().any(|cut| cut.signed.is_some()) {
            warn!(
                batch = self.last + 1,
                blocks = self.cuts.len(),
                why,
                "signed blocks are taken back"
            );
            self.revoked += self.cuts.len() as u64;
            self.journal.forget_blocks(self.last + 1, u64::MAX)?;
            self.feed.blocks_taken_back();
        }
        let shapes = self.shapes.get_mut().unwrap_or_else(|poisoned| poisoned.into_inner());
        drop(shapes.split_off(&(sound + 1)));
        while self.last > sound {
            let Some(sealed) = self.journal.sealed(self.last)? else {
                break;
            };
            warn!(batch = self.last, why, "taken back");
            let before = match self.last - 1 {
                0 => None,
                number => self.journal.sealed(number)?,
            };
            let state = self.journal.rewind(&self.state, self.last, self.last - 1)?;
            self.journal.unseal(&sealed)?;
            // As the journal has it after a restart, too: they wait on this node again.
            self.own
                .extend(sealed.transactions().iter().map(|signed| self.journal.id(signed)));
            self.tell(&sealed, Standing::TakenBack);
            self.state = state;
            self.last -= 1;
            self.digest = sealed.parent_digest;
            self.queue_end = sealed.queue_end - sealed.entries().len() as u64;
            self.head = before.map_or([0; 32], |before| before.head);
            again.extend(sealed.transactions().iter().cloned());
        }
        if let Some(reached) = &mut self.reached {
            (reached.committed, reached.proven) = (reached.committed.min(sound), reached.proven.min(sound));
        }
        self.unverified = self.unverified.filter(|number| *number <= sound);
        self.doubted.retain(|number| *number <= sound);
        self.doubtful.retain(|_, number| *number <= sound);
        drop(self.proven_ahead.split_off(&(sound + 1)));
        // From the lowest nonce on: what waits may have to stand behind what comes back.
        again.extend(self.pool.take_all());
        for signed in again {
            self.outside.push(self.journal.id(&signed), signed, self.last);
        }
        self.reopen();
        Ok(())
    }
}
