//! Batches that L1's queue no longer bears out are taken back.

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
            let first = sealed.queue_end - sealed.batch.entries.len() as u64;
            let mut entries = (first..).zip(&sealed.batch.entries);
            if !entries.all(|(at, (entry, _))| stands(at, entry)) {
                break;
            }
            sound = number;
        }
        let mut again = Vec::new();
        let open = self.open.batch();
        let mut entries = (self.queue_end..).zip(&open.entries);
        let open_stands = entries.all(|(at, (entry, _))| stands(at, entry));
        if sound == self.last && open_stands {
            return Ok(());
        }
        again.extend(open.transactions.iter().cloned());
        while self.last > sound {
            let Some(sealed) = self.journal.sealed(self.last)? else {
                break;
            };
            warn!(batch = self.last, "taken back: L1's queue is another now");
            let state = self.journal.rewind(&self.state, self.last, self.last - 1)?;
            self.journal.unseal(&sealed)?;
            self.tell(&sealed, Standing::TakenBack);
            self.state = state;
            self.last -= 1;
            self.digest = sealed.parent_digest;
            self.queue_end = sealed.queue_end - sealed.batch.entries.len() as u64;
            again.extend(sealed.batch.transactions);
        }
        if let Some((committed, proven)) = &mut self.reached {
            (*committed, *proven) = ((*committed).min(sound), (*proven).min(sound));
        }
        self.entries.clear();
        // From the lowest nonce on: what waits may have to stand behind what comes back.
        again.extend(self.pool.take_all());
        for signed in again {
            self.outside.push(self.journal.id(&signed), signed, self.last);
        }
        self.reopen();
        self.retry();
        Ok(())
    }
}
