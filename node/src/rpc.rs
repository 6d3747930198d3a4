//! JSON-RPC: what users ask an operator. The schema is in `specs/node.md`.
//!
//! Numbers below 2^53 are JSON numbers; amounts are decimal strings of gwei, digests `0x` and hexadecimal digits.

use std::sync::Arc;

use jsonrpsee::core::{RpcResult, async_trait};
use jsonrpsee::proc_macros::rpc;
use jsonrpsee::types::ErrorObjectOwned;
use starling_air::settlement;
use starling_rollup::address::Address;
use starling_rollup::envelope::TransactionId;
use starling_rollup::operations;
use starling_rollup::rules::Refusal;
use starling_rollup::transaction::SignedTransaction;
use starling_vm::field::Word;
use tokio::sync::{Semaphore, watch};

use crate::l1::{L1, TIP, hex};
use crate::metrics::{Metrics, Outcome};
use crate::network::{Outbox, Outgoing};
use crate::operator::hex_word;
use crate::operator::journal::{Journal, JournalError};
use crate::operator::sequencer::{Place, SharedSequencer, SubmitError};
use crate::operator::settler::{Spent, Status};

mod answers;
pub(crate) mod listen;
mod subscribe;

pub use answers::{
    AccountInfo, BatchEvent, BatchStatus, FeeQuote, Gas, NodeStatus, OperationProof, ProofInfo, Stage,
    TransactionStatus,
};
pub use subscribe::SubscriptionsClient;

fn gas(spent: &[Spent], first: u64, last: u64) -> Gas {
    let within = spent.iter().filter(|spent| (first..=last).contains(&spent.batch));
    within.fold(Gas::default(), |sum, spent| Gas {
        transactions: sum.transactions + spent.transactions,
        gas: sum.gas + spent.gas,
    })
}

/// The methods.
#[rpc(server, client, namespace = "starling")]
pub trait Api {
    /// Submits a signed transaction: its envelope, `0x` and hexadecimal digits. Gives its id. It is on the operator's disk then.
    #[method(name = "submit")]
    async fn submit(&self, envelope: String) -> RpcResult<String>;

    /// How far a transaction has come.
    #[method(name = "transaction")]
    async fn transaction(&self, id: String) -> RpcResult<TransactionStatus>;

    /// An account, with its Merkle proof.
    #[method(name = "account")]
    async fn account(&self, index: u32) -> RpcResult<Option<AccountInfo>>;

    /// The indices of an address's accounts.
    #[method(name = "accountsOf")]
    async fn accounts_of(&self, address: String) -> RpcResult<Vec<u32>>;

    /// A batch.
    #[method(name = "batch")]
    async fn batch(&self, number: u64) -> RpcResult<Option<BatchStatus>>;

    /// An operation of a batch, with its Merkle proof.
    #[method(name = "operation")]
    async fn operation(&self, batch: u64, position: u64) -> RpcResult<Option<OperationProof>>;

    /// What an operation with so many words of data costs now.
    #[method(name = "feeQuote")]
    async fn fee_quote(&self, words: u64) -> RpcResult<FeeQuote>;

    /// The proofs that end at batch `from` or later, earliest first; at most 100.
    #[method(name = "proofs")]
    async fn proofs(&self, from: u64) -> RpcResult<Vec<ProofInfo>>;

    /// The node.
    #[method(name = "status")]
    async fn status(&self) -> RpcResult<NodeStatus>;
}

/// Error codes.
pub mod code {
    /// The request does not parse.
    pub const MALFORMED: i32 = -32_602;
    /// The operator's disk or memory failed.
    pub const INTERNAL: i32 = -32_603;
    /// The rules or the pool refuse the transaction.
    pub const REFUSED: i32 = -32_000;
    /// L1 does not answer.
    pub const L1: i32 = -32_001;
    /// The subscriber reads too slowly.
    pub const LAGGED: i32 = -32_002;
    /// The connection has too many calls at once.
    pub const BUSY: i32 = -32_003;
}

fn error(code: i32, reason: impl ToString) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(code, reason.to_string(), None::<()>)
}

/// The operator's side. Copies are of one server.
#[derive(Clone)]
pub struct Server {
    sequencer: SharedSequencer,
    status: watch::Receiver<Status>,
    l1: Arc<dyn L1>,
    /// Operations that a batch is sealed at: they share its proof.
    batch_operations: u64,
    rollup_word: Word,
    metrics: Metrics,
    outbox: Option<Outbox>,
    peers: Option<PeerCount>,
    /// Held by who reads the journal on behalf of a caller.
    reading: Arc<Semaphore>,
}

/// Says how many peers there are.
pub type PeerCount = Arc<dyn Fn() -> u64 + Send + Sync>;

impl Server {
    /// A server of this operator.
    pub fn new(
        sequencer: SharedSequencer,
        status: watch::Receiver<Status>,
        l1: Arc<dyn L1>,
        batch_operations: usize,
        rollup_word: Word,
        metrics: Metrics,
    ) -> Self {
        Self {
            sequencer,
            status,
            l1,
            batch_operations: batch_operations as u64,
            rollup_word,
            metrics,
            outbox: None,
            peers: None,
            reading: Arc::new(Semaphore::new(READERS)),
        }
    }

    /// Passes accepted transactions on to the network from now on.
    pub fn pass_on(&mut self, outbox: Outbox, peers: PeerCount) {
        self.outbox = Some(outbox);
        self.peers = Some(peers);
    }

    async fn accept(&self, envelope: &str) -> RpcResult<String> {
        let signed = SignedTransaction::from_hex(envelope).map_err(|reason| error(code::MALFORMED, reason))?;
        // The signature is the dearest check: whatever else is wrong is told before.
        let refused = |reason| match reason {
            SubmitError::Journal(reason) => error(code::INTERNAL, reason),
            reason => error(code::REFUSED, reason),
        };
        self.sequencer.lock().await.check(&signed).map_err(refused)?;
        let word = self.rollup_word;
        let checked = tokio::task::spawn_blocking(move || signed.verify(&word).map(|()| signed)).await;
        let signed = checked
            .map_err(|reason| error(code::INTERNAL, reason))?
            .map_err(|reason| error(code::REFUSED, Refusal::Signature(reason)))?;
        let accepted = self.sequencer.lock().await.submit(signed.clone());
        let id = accepted.map_err(refused)?;
        if let Some(outbox) = &self.outbox {
            // What finds no room is passed on with the next round.
            let _ = outbox.try_send(Outgoing::Transaction(Box::new(signed)));
        }
        Ok(id.to_string())
    }

    /// What `read` finds in the journal, on a thread of its own: the disk may be slow, and what is in a record is worked through there,
    /// too. It is read to its end even if nobody waits for it any more, and makes others wait for as long.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Journal) -> Result<T, JournalError> + Send + 'static,
    ) -> RpcResult<T> {
        let permit = self.reading.clone().acquire_owned().await;
        let permit = permit.map_err(|reason| error(code::INTERNAL, reason))?;
        let journal = self.sequencer.lock().await.journal().clone();
        let reading = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            read(&journal)
        });
        let found = reading.await.map_err(|reason| error(code::INTERNAL, reason))?;
        found.map_err(|reason| error(code::INTERNAL, reason))
    }

    fn answer(&self, place: Option<Place>) -> TransactionStatus {
        let mut status = TransactionStatus {
            stage: Stage::Unknown,
            batch: None,
            position: None,
            reason: None,
        };
        match place {
            None => {}
            Some(Place::Refused(reason)) => (status.stage, status.reason) = (Stage::Refused, Some(reason)),
            Some(Place::Waiting(reason)) => (status.stage, status.reason) = (Stage::Waiting, Some(reason)),
            Some(Place::Pending) => status.stage = Stage::Pending,
            Some(Place::Sealed {
                batch,
                position,
                entries,
            }) => {
                status.stage = self.stage(batch);
                status.batch = Some(batch);
                status.position = Some(u64::from(entries) + u64::from(position));
            }
        }
        status
    }

    fn stage(&self, batch: u64) -> Stage {
        let status = self.status.borrow();
        match batch {
            _ if batch <= status.proven => Stage::Proven,
            _ if status.unverified.is_some_and(|first| first <= batch) => Stage::Unverified,
            _ if batch <= status.committed => Stage::Committed,
            _ => Stage::Soft,
        }
    }
}

/// Callers for whom the journal is read at once; others wait. More of them would only take more of the disk from the node's own work,
/// and of its memory: each holds a proof, or a batch.
const READERS: usize = 4;

/// Proofs of one answer.
const PROOFS: usize = 100;

/// Gas of a commit and of the transactions of one proof, measured (`specs/l1.md`); a fee quote shares it among a batch.
const BATCH_GAS: u64 = 7_600_000;
/// Gas that an operation's execution in a commit takes.
const OPERATION_GAS: u64 = 500;
/// Gas of a word's calldata.
const WORD_GAS: u64 = 8 * 16;

/// The proofs that end at batch `from` or later. One is in memory at a time: each has more than 100 KB, of which an answer needs the
/// length. A proof covers 256 batches at most (`Rollup.MAX_UNPROVEN`), so that an answer reads 25,600 of them in the worst case.
fn proofs(journal: &Journal, status: &Status, from: u64) -> Result<Vec<ProofInfo>, JournalError> {
    let mut found: Vec<ProofInfo> = Vec::new();
    while found.len() < PROOFS {
        let next = match found.last() {
            Some(before) => journal.proof_after(before.first, before.last)?,
            None => journal.proofs(from, 1)?.pop(),
        };
        let Some(proof) = next else { break };
        let (first, last) = (proof.first, proof.last);
        let mut operations = 0;
        for number in first..=last {
            operations += journal.sealed(number)?.map_or(0, |sealed| sealed.operations());
        }
        let security = settlement::PRESET.security(settlement::CHIPS, proof.rows.max(1).ilog2());
        found.push(ProofInfo {
            first,
            last,
            settled: last <= status.proven,
            operations,
            rows: proof.rows,
            prove_ms: proof.prove_ms,
            peak_bytes: proof.peak_bytes,
            bytes: proof.bytes.len(),
            preset: settlement::PRESET.to_string(),
            proven_bits: security.proven,
            commit: gas(&status.commits, first, last),
            prove: gas(&status.proofs, last, last),
        });
    }
    Ok(found)
}

#[async_trait]
impl ApiServer for Server {
    async fn submit(&self, envelope: String) -> RpcResult<String> {
        let accepted = self.accept(&envelope).await;
        self.metrics.transaction(match accepted {
            Ok(_) => Outcome::Accepted,
            Err(_) => Outcome::Refused,
        });
        accepted
    }

    async fn transaction(&self, id: String) -> RpcResult<TransactionStatus> {
        let id: TransactionId = id.parse().map_err(|reason| error(code::MALFORMED, reason))?;
        let place = self.sequencer.lock().await.place(&id);
        Ok(self.answer(place.map_err(|reason| error(code::INTERNAL, reason))?))
    }

    async fn account(&self, index: u32) -> RpcResult<Option<AccountInfo>> {
        let sequencer = self.sequencer.lock().await;
        let Some((account, path)) = sequencer.account(index) else {
            return Ok(None);
        };
        let (soft, next_nonce) = sequencer.soft_account(index).unwrap_or((account, account.nonce));
        let batch = sequencer.last();
        Ok(Some(AccountInfo {
            index,
            address: account.address.to_string(),
            nonce: account.nonce,
            balance: account.balance.to_string(),
            next_nonce,
            soft_balance: soft.balance.to_string(),
            batch,
            stage: self.stage(batch),
            root: hex_word(&sequencer.state().root()),
            next_index: sequencer.state().next(),
            siblings: path.siblings.iter().map(hex_word).collect(),
        }))
    }

    async fn accounts_of(&self, address: String) -> RpcResult<Vec<u32>> {
        let address: Address = address.parse().map_err(|reason| error(code::MALFORMED, reason))?;
        Ok(self.sequencer.lock().await.indices(&address))
    }

    async fn batch(&self, number: u64) -> RpcResult<Option<BatchStatus>> {
        let found = self.read(move |journal| {
            let sealed = journal.sealed(number)?;
            Ok(sealed.map(|sealed| BatchStatus {
                number,
                stage: Stage::Unknown,
                root: hex_word(&sealed.root),
                digest: hex_word(&sealed.digest),
                sealed_at: sealed.sealed_at,
                entries: sealed.entries().len(),
                transactions: journal.ids(&sealed).iter().map(ToString::to_string).collect(),
                words: sealed.data().to_words().len(),
            }))
        });
        let found = found.await?;
        Ok(found.map(|found| BatchStatus {
            stage: self.stage(number),
            ..found
        }))
    }

    async fn operation(&self, batch: u64, position: u64) -> RpcResult<Option<OperationProof>> {
        let Ok(position) = usize::try_from(position) else {
            return Ok(None);
        };
        let found = self.read(move |journal| {
            let sealed = journal.sealed(batch)?;
            Ok(sealed.and_then(|sealed| {
                let all = operations::operations(&sealed.data());
                let path = operations::path(&all, position)?;
                Some((all[position].clone(), path))
            }))
        });
        Ok(found.await?.map(|(words, path)| OperationProof {
            words: words.iter().map(|word| format!("0x{word:016x}")).collect(),
            path: path.iter().map(|hash| format!("0x{}", hex(hash))).collect(),
            stage: self.stage(batch),
        }))
    }

    async fn fee_quote(&self, words: u64) -> RpcResult<FeeQuote> {
        let head = self.l1.head().await.map_err(|reason| error(code::L1, reason))?;
        // Half as much again: the base fee may rise by an eighth a block until the batch is committed and proven.
        let price = head.base_fee.saturating_add(TIP);
        let price = price.saturating_add(price / 2);
        let data_gas = words.min(1 << 14) * WORD_GAS + OPERATION_GAS;
        let proof_gas = BATCH_GAS / self.batch_operations.max(1);
        let wei = u128::from(data_gas + proof_gas).saturating_mul(price);
        Ok(FeeQuote {
            fee: wei.div_ceil(1_000_000_000).to_string(),
            l1_gas_price: price.to_string(),
            data_gas,
            proof_gas,
        })
    }

    async fn proofs(&self, from: u64) -> RpcResult<Vec<ProofInfo>> {
        let status = self.status.borrow().clone();
        self.read(move |journal| proofs(journal, &status, from)).await
    }

    async fn status(&self) -> RpcResult<NodeStatus> {
        let sequencer = self.sequencer.lock().await;
        let status = self.status.borrow().clone();
        let (pool, open) = sequencer.waiting();
        Ok(NodeStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            chain_id: sequencer.rollup().chain_id,
            rollup: sequencer.rollup().contract.to_string(),
            l1_block: status.l1_block,
            sealed: sequencer.last(),
            committed: status.committed,
            proven: status.proven,
            unverified: status.unverified,
            proving: status.proving,
            waiting: pool + open,
            accounts: sequencer.state().next(),
            root: hex_word(&sequencer.state().root()),
            trouble: status.trouble,
            slot: status.slot,
            builder: status.builder.map(|builder| builder.to_string()),
            building: status.building,
            open_blocks: sequencer.open_blocks(),
            revoked_blocks: sequencer.revoked(),
            peers: self.peers.as_ref().map(|peers| peers()),
        })
    }
}
