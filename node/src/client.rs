//! What users do with an operator and L1: the wallet's commands and the devnet are made of this.

use std::time::{Duration, Instant};

use jsonrpsee::core::ClientError;
use jsonrpsee_http_client::HttpClient;
use starling_rollup::address::{Address, L1Address};
use starling_rollup::record::Record;
use starling_rollup::transaction::{Operation, RollupId, SignedTransaction, Transaction};
use starling_vm::schnorr::SecretKey;
use tokio::time::sleep;

use crate::l1::abi::from_hex;
use crate::l1::rollup::Rollup;
use crate::l1::{Hash, L1Error, Receipt};
use crate::rpc::{AccountInfo, ApiClient, Stage, TransactionStatus};

/// Why a user's request fails.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// The operator refused, or does not answer.
    #[error("{}", operator_says(.0))]
    Operator(#[from] ClientError),
    /// L1 failed.
    #[error(transparent)]
    L1(#[from] L1Error),
    /// The operator's answer does not make sense.
    #[error("the operator's answer does not make sense: {0}")]
    Answer(String),
    /// Nobody has this address yet.
    #[error("no account has the address {0} yet: deposit to it first, and wait until the deposit is in a batch")]
    NoAccount(Address),
    /// It took too long.
    #[error("{what} took longer than {seconds} s")]
    TooLong {
        /// What was waited for.
        what: String,
        /// How long.
        seconds: u64,
    },
    /// The operator accepted the transaction, and cannot execute it any more.
    #[error("transaction {id} was accepted, and is refused now: {message}")]
    Refused {
        /// The transaction.
        id: String,
        /// Why.
        message: String,
    },
    /// The operator took the transaction back.
    #[error("the operator does not know transaction {0} any more")]
    Lost(String),
    /// Not a payment that can be claimed yet.
    #[error("the batch of transaction {0} is not proven on L1 yet")]
    NotProven(String),
}

fn operator_says(error: &ClientError) -> String {
    match error {
        ClientError::Call(refusal) => format!("the operator refuses: {}", refusal.message()),
        other => format!("the operator does not answer ({other}): check --rpc"),
    }
}

/// A user of one operator.
#[derive(Debug)]
pub struct User<'a> {
    /// The operator.
    pub rpc: &'a HttpClient,
    /// The user's key.
    pub key: &'a SecretKey,
    /// Its L1 owner.
    pub owner: L1Address,
    /// The rollup.
    pub rollup: RollupId,
}

/// The rollup that an operator runs.
///
/// # Errors
/// When it does not answer.
pub async fn rollup_of(rpc: &HttpClient) -> Result<RollupId, UserError> {
    let status = rpc.status().await?;
    let contract = status
        .rollup
        .parse()
        .map_err(|_| UserError::Answer(format!("its rollup is {:?}", status.rollup)))?;
    Ok(RollupId {
        chain_id: status.chain_id,
        contract,
    })
}

impl User<'_> {
    /// The user's address.
    pub fn address(&self) -> Address {
        Address::new(self.key.public_key(), self.owner)
    }

    /// The user's account.
    ///
    /// # Errors
    /// When there is none.
    pub async fn account(&self) -> Result<AccountInfo, UserError> {
        let address = self.address();
        let indices = self.rpc.accounts_of(address.to_string()).await?;
        let index = *indices.first().ok_or(UserError::NoAccount(address))?;
        self.rpc.account(index).await?.ok_or(UserError::NoAccount(address))
    }

    /// Signs an operation and submits it; without a fee, what the operator quotes.
    ///
    /// # Errors
    /// When the operator refuses.
    pub async fn send(&self, operation: Operation, fee: Option<u64>) -> Result<(String, SignedTransaction), UserError> {
        let account = self.account().await?;
        let fee = match fee {
            Some(fee) => fee,
            None => {
                let words = Record::new(account.index, 0, &operation).encode().len() as u64;
                let quote = self.rpc.fee_quote(words).await?.fee;
                let exact: u64 = quote
                    .parse()
                    .map_err(|_| UserError::Answer(format!("its quote is {quote:?}")))?;
                short_fee(exact)
            }
        };
        let transaction = Transaction {
            from: account.index,
            nonce: account.next_nonce,
            fee,
            operation,
        };
        let signed = transaction.sign(&self.rollup.word(), self.key, self.owner);
        let id = self.rpc.submit(signed.to_hex()).await?;
        Ok((id, signed))
    }
}

/// The least fee from `fee` up that fits a record's short form.
pub fn short_fee(fee: u64) -> u64 {
    let mut unit = 1u64;
    while fee.div_ceil(unit) >= 2_048 {
        unit *= 10;
    }
    fee.div_ceil(unit) * unit
}

/// Waits until a transaction has come as far as `stage`.
///
/// # Errors
/// When it takes longer than `patience`, or the operator does not know the transaction.
pub async fn wait_for(
    rpc: &HttpClient,
    id: &str,
    stage: Stage,
    patience: Duration,
) -> Result<TransactionStatus, UserError> {
    let started = Instant::now();
    loop {
        let status = rpc.transaction(id.to_owned()).await?;
        if status.stage >= stage {
            return Ok(status);
        }
        if let Some(reason) = status.reason.filter(|_| status.stage == Stage::Refused) {
            let (id, message) = (id.to_owned(), reason.message);
            return Err(UserError::Refused { id, message });
        }
        if status.stage <= Stage::Refused {
            return Err(UserError::Lost(id.to_owned()));
        }
        if started.elapsed() > patience {
            return Err(UserError::TooLong {
                what: format!("transaction {id}"),
                seconds: patience.as_secs(),
            });
        }
        sleep(Duration::from_millis(200)).await;
    }
}

/// Claims on L1 what a transaction pays there.
///
/// # Errors
/// When its batch is not proven, or it pays nothing, or was claimed already.
pub async fn claim(rpc: &HttpClient, rollup: &Rollup<'_>, id: &str) -> Result<Receipt, UserError> {
    let status = rpc.transaction(id.to_owned()).await?;
    let (Some(batch), Some(position), Stage::Proven) = (status.batch, status.position, status.stage) else {
        return Err(UserError::NotProven(id.to_owned()));
    };
    let (words, path) = operation(rpc, batch, position).await?;
    Ok(rollup.claim(batch, position, &words, &path).await?)
}

/// The words and the path of an operation.
///
/// # Errors
/// When the operator does not answer, or not sensibly.
pub async fn operation(rpc: &HttpClient, batch: u64, position: u64) -> Result<(Vec<u64>, Vec<Hash>), UserError> {
    let found = rpc.operation(batch, position).await?;
    let found = found.ok_or_else(|| UserError::Answer(format!("it has no operation {position} in batch {batch}")))?;
    let word = |text: &String| Some(u64::from_be_bytes(from_hex(text)?.try_into().ok()?));
    let hash = |text: &String| from_hex(text)?.try_into().ok();
    let words: Option<Vec<u64>> = found.words.iter().map(word).collect();
    let path: Option<Vec<Hash>> = found.path.iter().map(hash).collect();
    words
        .zip(path)
        .ok_or_else(|| UserError::Answer("a word or hash is malformed".to_owned()))
}
