//! Makes the proof of a run of batches.

use std::time::Instant;

use starling_air::check::Statement;
use starling_air::prover::{ProveError, prove};
use starling_air::settlement;
use starling_rollup::address::L1Address;
use starling_rollup::batch::Batch;
use starling_rollup::chain::GENESIS;
use starling_rollup::kernel;
use starling_rollup::kernel::witness::{Start, Witness, WitnessError, witness};
use starling_rollup::state::State;
use starling_rollup::transaction::RollupId;
use starling_vm::field::Word;

use super::journal::{Journal, JournalError, Sealed, StoredProof};

/// Most operations of a run: more would need a trace longer than the prover's memory is for. 256 transfers take 2^17 rows.
pub const MAX_OPERATIONS: usize = 512;

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum ProvingError {
    /// The batches have no run.
    #[error("batches {first} to {last} cannot be proven: {error}")]
    Witness {
        /// The first batch.
        first: u64,
        /// The last.
        last: u64,
        /// Why.
        error: WitnessError,
    },
    /// The prover failed.
    #[error(transparent)]
    Prove(#[from] ProveError),
    /// The journal failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The journal lacks a batch.
    #[error("batch {0} is not in the journal")]
    Missing(u64),
    /// Signatures of the run's transactions are not here.
    #[error("batches {first} to {last} are known from L1 alone, without the signatures that a proof needs")]
    Unsigned {
        /// The first batch.
        first: u64,
        /// The last.
        last: u64,
    },
    /// The run does not lead where the sealed batches do.
    #[error("the run of batches {first} to {last} leads to another root or digest than the journal has")]
    Diverged {
        /// The first batch.
        first: u64,
        /// The last.
        last: u64,
    },
}

/// A run of batches, and what it is proven from.
#[derive(Clone, Debug)]
pub struct Run {
    /// The first batch.
    pub first: u64,
    /// The last batch.
    pub last: u64,
    /// Signed operations in it.
    pub operations: usize,
    sealed: Vec<Sealed>,
}

impl Run {
    /// The run from `first` to at most `last` that one proof covers.
    ///
    /// # Errors
    /// When the journal lacks a batch.
    pub fn choose(journal: &Journal, first: u64, last: u64) -> Result<Self, ProvingError> {
        let mut run = Self {
            first,
            last: first,
            operations: 0,
            sealed: Vec::new(),
        };
        for number in first..=last {
            let sealed = journal.sealed(number)?.ok_or(ProvingError::Missing(number))?;
            let more = sealed.operations() + sealed.entries().len();
            if number > first && run.operations + more > MAX_OPERATIONS {
                break;
            }
            run.operations += more;
            run.last = number;
            run.sealed.push(sealed);
        }
        Ok(run)
    }

    /// Whether these batches still are the chain's: they may have been taken back since.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn stands(&self, journal: &Journal) -> Result<bool, ProvingError> {
        let now = journal.sealed(self.last)?;
        Ok(self
            .sealed
            .last()
            .zip(now)
            .is_some_and(|(was, now)| (was.digest, was.root) == (now.digest, now.root)))
    }

    /// The chain digest after its last batch, and when that was sealed.
    pub fn end(&self) -> (Word, u64) {
        self.sealed
            .last()
            .map_or((GENESIS, 0), |sealed| (sealed.digest, sealed.sealed_at))
    }

    /// The chain digest after one of its batches.
    pub fn digest_after(&self, number: u64) -> Option<Word> {
        let at = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.sealed.get(at).map(|sealed| sealed.digest)
    }

    /// The state root after it; nothing's, which is no root, if it is empty.
    pub fn root(&self) -> Word {
        self.sealed.last().map_or(GENESIS, |sealed| sealed.root)
    }

    /// Whether it can be proven: all signatures are here.
    pub fn is_signed(&self) -> bool {
        self.sealed.iter().all(|sealed| sealed.batch().is_some())
    }

    fn witness(&self, before: &State, rollup: &RollupId, payee: L1Address) -> Result<Witness, ProvingError> {
        let (first, last) = (self.first, self.last);
        let (Some(head), Some(tail)) = (self.sealed.first(), self.sealed.last()) else {
            return Err(ProvingError::Missing(first));
        };
        let start = Start {
            rollup: *rollup,
            number: first,
            digest: head.parent_digest,
            payee,
        };
        let batches: Option<Vec<Batch>> = self.sealed.iter().map(|sealed| sealed.batch().cloned()).collect();
        let batches = batches.ok_or(ProvingError::Unsigned { first, last })?;
        let found = witness(before, &start, &batches).map_err(|error| ProvingError::Witness { first, last, error })?;
        if (found.root, found.digest) != (tail.root, tail.digest) {
            return Err(ProvingError::Diverged { first, last });
        }
        Ok(found)
    }

    /// Proves the run, over the state `before` it. This takes seconds to minutes and gigabytes.
    ///
    /// # Errors
    /// When there is no proof.
    pub fn prove(&self, before: &State, rollup: &RollupId, payee: L1Address) -> Result<StoredProof, ProvingError> {
        let witness = self.witness(before, rollup, payee)?;
        let started = Instant::now();
        let proven = prove(kernel::program(), &witness.inputs, settlement::PRESET)?;
        Ok(StoredProof {
            first: self.first,
            last: self.last,
            root: witness.root,
            payee,
            rows: proven.trace_length as u64,
            prove_ms: started.elapsed().as_millis() as u64,
            peak_bytes: peak_memory(),
            bytes: proven.bytes,
        })
    }

    /// What the proof says.
    ///
    /// # Errors
    /// When the batches have no run.
    pub fn statement(&self, before: &State, rollup: &RollupId, payee: L1Address) -> Result<Statement, ProvingError> {
        let witness = self.witness(before, rollup, payee)?;
        Ok(Statement {
            program: kernel::program().hash(),
            outputs: witness.outputs(),
            inputs: witness.inputs.public,
        })
    }
}

/// The most memory that this process has had, in bytes; 0 where the system does not tell.
pub fn peak_memory() -> u64 {
    peak_memory_of("self").unwrap_or(0)
}

/// The most memory that a process, by its number or `self`, has had, in bytes; `None` where the system does not tell.
pub fn peak_memory_of(process: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().split(' ').next()?.parse().ok()?;
    Some(kilobytes * 1_024)
}
