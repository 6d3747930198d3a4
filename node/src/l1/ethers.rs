//! Ethereum over JSON-RPC, by ethers.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use ethers_core::types::transaction::eip2718::TypedTransaction;
use ethers_core::types::{
    BlockId, BlockNumber, Bytes, Eip1559TransactionRequest, Filter, H160, H256, NameOrAddress, Signature,
    TransactionReceipt, U64, U256,
};
use ethers_providers::{Http, JsonRpcClient, JsonRpcError, Middleware, Provider, ProviderError, RpcError};
use starling_rollup::address::L1Address;
use starling_rollup::l1_key::L1Key;
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use super::abi::revert_reason;
use super::{Block, Hash, L1, L1Error, Log, MAX_TRANSACTION_BYTES, MAX_TRANSACTION_GAS, Receipt, Request, TIP};

/// How long a question may wait for its answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// The code with which nodes answer for blocks that they have pruned (EIP-4444).
const PRUNED_HISTORY: i64 = 4_444;

/// How the client sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Between two looks at the chain.
    pub poll: Duration,
    /// How long a transaction may wait before its fee is raised.
    pub patience: Duration,
    /// How often the fee is raised before the client gives up.
    pub bumps: u32,
    /// Most wei a gas that it offers.
    pub max_fee: u128,
    /// Wei a gas that it gives to the block's proposer at first.
    pub tip: u128,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            poll: Duration::from_millis(500),
            patience: Duration::from_secs(36),
            bumps: 8,
            max_fee: 500_000_000_000,
            tip: TIP,
        }
    }
}

/// A client of one endpoint.
#[derive(Debug)]
pub struct EthersL1 {
    provider: Provider<Http>,
    url: String,
    chain_id: u64,
    settings: Settings,
    key: Option<L1Key>,
    /// Held while a transaction is on its way.
    sending: Mutex<()>,
}

impl EthersL1 {
    /// A client of the endpoint at `url`. Without `key` it only reads.
    ///
    /// # Errors
    /// When there is no answer, or the endpoint is on another chain than `chain_id`.
    pub async fn connect(
        url: &str,
        chain_id: Option<u64>,
        key: Option<L1Key>,
        settings: Settings,
    ) -> Result<Self, L1Error> {
        let provider = Provider::<Http>::try_from(url).map_err(|error| L1Error::Url {
            url: url.to_owned(),
            reason: error.to_string(),
        })?;
        let mut client = Self {
            provider,
            url: url.to_owned(),
            chain_id: 0,
            settings,
            key,
            sending: Mutex::new(()),
        };
        let found = client
            .ask("eth_chainId", client.provider.get_chainid())
            .await?
            .low_u64();
        if let Some(expected) = chain_id.filter(|expected| *expected != found) {
            let url = client.url;
            return Err(L1Error::OtherChain { url, expected, found });
        }
        client.chain_id = found;
        Ok(client)
    }

    /// The answer to a question, if there is one in time.
    async fn ask<T>(&self, what: &str, answer: impl Future<Output = Result<T, ProviderError>>) -> Result<T, L1Error> {
        match timeout(PATIENCE, answer).await {
            Ok(found) => found.map_err(|error| self.error(what, error)),
            Err(_) => Err(self.silent(what)),
        }
    }

    fn silent(&self, what: &str) -> L1Error {
        L1Error::Unreachable {
            url: self.url.clone(),
            reason: format!("{what}: no answer within {} s", PATIENCE.as_secs()),
        }
    }

    fn error(&self, what: &str, error: ProviderError) -> L1Error {
        // A revert is an answer: it carries the contract's error.
        if let Some(answer) = error.as_error_response() {
            return self.answer(what, answer);
        }
        L1Error::Unreachable {
            url: self.url.clone(),
            reason: format!("{what}: {error}"),
        }
    }

    fn answer(&self, what: &str, answer: &JsonRpcError) -> L1Error {
        if answer.message.to_lowercase().contains("insufficient funds") {
            let (sender, reason) = (self.sender(), answer.message.clone());
            return L1Error::NoFunds { sender, reason };
        }
        let data = answer.as_revert_data().map(|data| revert_reason(&data));
        let refused = data.is_some() || answer.message.contains("revert");
        if refused {
            return L1Error::Reverted {
                what: what.to_owned(),
                error: data.unwrap_or_else(|| answer.message.clone()),
            };
        }
        L1Error::Unreachable {
            url: self.url.clone(),
            reason: format!("{what}: {} (code {})", answer.message, answer.code),
        }
    }

    async fn block_at(&self, at: BlockNumber) -> Result<Option<Block>, L1Error> {
        let found = self
            .ask("eth_getBlockByNumber", self.provider.get_block(BlockId::Number(at)))
            .await?;
        Ok(found.and_then(|block| {
            Some(Block {
                number: block.number?.as_u64(),
                hash: block.hash?.0,
                parent: block.parent_hash.0,
                timestamp: block.timestamp.low_u64(),
                base_fee: block.base_fee_per_gas.unwrap_or_default().low_u128(),
            })
        }))
    }

    /// The receipt of whichever of `hashes` is in a block.
    async fn receipt(&self, hashes: &[H256]) -> Result<Option<TransactionReceipt>, L1Error> {
        for hash in hashes {
            let found = self
                .ask(
                    "eth_getTransactionReceipt",
                    self.provider.get_transaction_receipt(*hash),
                )
                .await?;
            if let Some(receipt) = found.filter(|receipt| receipt.block_number.is_some()) {
                return Ok(Some(receipt));
            }
        }
        Ok(None)
    }

    /// Signs and submits; an answer that says that the transaction is known already, or too cheap to replace one, is none.
    async fn submit(&self, request: &Eip1559TransactionRequest, key: &L1Key) -> Result<Option<H256>, L1Error> {
        let typed = TypedTransaction::Eip1559(request.clone());
        let signed = key.sign(&typed.sighash().0)?;
        let bytes = signed.to_bytes();
        let signature = Signature {
            r: U256::from_big_endian(&bytes[..32]),
            s: U256::from_big_endian(&bytes[32..64]),
            v: u64::from(signed.is_odd()),
        };
        let raw = typed.rlp_signed(&signature);
        let hash = H256(starling_rollup::l1_key::keccak256(&[&raw]));
        let sending = self.provider.as_ref().request("eth_sendRawTransaction", [raw]);
        let Ok(sent) = timeout(PATIENCE, sending).await else {
            return Err(self.silent("eth_sendRawTransaction"));
        };
        let sent: Result<H256, _> = sent;
        match sent {
            Ok(_) => Ok(Some(hash)),
            Err(error) => {
                if let Some(answer) = error.as_error_response() {
                    let text = answer.message.to_lowercase();
                    if text.contains("nonce too low") {
                        let nonce = request.nonce.unwrap_or_default().low_u64();
                        return Err(L1Error::Overtaken { nonce });
                    }
                    if ["already", "known", "underpriced"]
                        .iter()
                        .any(|known| text.contains(known))
                    {
                        debug!(%hash, answer = %answer.message, "not taken");
                        return Ok(text.contains("already").then_some(hash));
                    }
                    return Err(self.answer("eth_sendRawTransaction", answer));
                }
                // The endpoint may have passed it on before it fell silent.
                Err(L1Error::Unreachable {
                    url: self.url.clone(),
                    reason: format!("eth_sendRawTransaction: {error}"),
                })
            }
        }
    }
}

#[async_trait]
impl L1 for EthersL1 {
    async fn chain_id(&self) -> Result<u64, L1Error> {
        Ok(self.chain_id)
    }

    async fn head(&self) -> Result<Block, L1Error> {
        self.block_at(BlockNumber::Latest)
            .await?
            .ok_or_else(|| L1Error::Unreachable {
                url: self.url.clone(),
                reason: "it has no newest block".to_owned(),
            })
    }

    async fn block(&self, number: u64) -> Result<Option<Block>, L1Error> {
        self.block_at(BlockNumber::Number(number.into())).await
    }

    async fn call(&self, to: L1Address, data: Vec<u8>) -> Result<Vec<u8>, L1Error> {
        let request = Eip1559TransactionRequest {
            to: Some(NameOrAddress::Address(H160(to.0))),
            data: Some(data.into()),
            ..Eip1559TransactionRequest::default()
        };
        Ok(self
            .ask(
                "eth_call",
                self.provider.call(&TypedTransaction::Eip1559(request), None),
            )
            .await?
            .to_vec())
    }

    async fn logs(&self, contract: L1Address, from: u64, to: u64) -> Result<Vec<Log>, L1Error> {
        let filter = Filter::new().address(H160(contract.0)).from_block(from).to_block(to);
        let found = self.ask("eth_getLogs", self.provider.get_logs(&filter)).await?;
        Ok(found.into_iter().filter_map(read_log).collect())
    }

    async fn input(&self, transaction: Hash) -> Result<Option<(Option<L1Address>, Vec<u8>)>, L1Error> {
        let what = "eth_getTransactionByHash";
        let Ok(found) = timeout(PATIENCE, self.provider.get_transaction(H256(transaction))).await else {
            return Err(self.silent(what));
        };
        let pruned = |error: &ProviderError| {
            error
                .as_error_response()
                .is_some_and(|answer| answer.code == PRUNED_HISTORY)
        };
        let found = match found {
            Err(error) if pruned(&error) => None,
            other => other.map_err(|error| self.error(what, error))?,
        };
        let found = found.filter(|found| found.block_number.is_some());
        Ok(found.map(|found| (found.to.map(|to| L1Address(to.0)), found.input.to_vec())))
    }

    async fn header(&self, number: u64) -> Result<Option<Vec<u8>>, L1Error> {
        let what = "eth_getBlockByNumber";
        let asking = self.provider.as_ref().request(what, (format!("0x{number:x}"), false));
        let Ok(found) = timeout(PATIENCE, asking).await else {
            return Err(self.silent(what));
        };
        let found: Option<serde_json::Value> = found.map_err(|error| self.error(what, error.into()))?;
        found.map(|block| super::header::encode(&block)).transpose()
    }

    async fn nonce(&self) -> Result<u64, L1Error> {
        let sender = H160(self.sender().0);
        let found = self
            .ask(
                "eth_getTransactionCount",
                self.provider.get_transaction_count(sender, None),
            )
            .await?;
        Ok(found.low_u64())
    }

    async fn balance(&self, address: L1Address) -> Result<u128, L1Error> {
        let found = self
            .ask("eth_getBalance", self.provider.get_balance(H160(address.0), None))
            .await?;
        Ok(if found.bits() > 128 { u128::MAX } else { found.as_u128() })
    }

    async fn code(&self, address: L1Address) -> Result<Vec<u8>, L1Error> {
        Ok(self
            .ask("eth_getCode", self.provider.get_code(H160(address.0), None))
            .await?
            .to_vec())
    }

    fn sender(&self) -> L1Address {
        self.key.as_ref().map_or(L1Address::default(), L1Key::address)
    }

    async fn send(&self, request: Request) -> Result<Receipt, L1Error> {
        let key = self.key.as_ref().ok_or(L1Error::NoKey)?;
        if request.data.len() > MAX_TRANSACTION_BYTES - 1_024 {
            return Err(L1Error::TooLong(request.data.len()));
        }
        let _one_at_a_time = self.sending.lock().await;
        let from = H160(key.address().0);
        let data_bytes = request.data.len();
        let mut transaction = Eip1559TransactionRequest {
            from: Some(from),
            to: request.to.map(|to| NameOrAddress::Address(H160(to.0))),
            data: Some(Bytes::from(request.data)),
            value: Some(request.value.into()),
            chain_id: Some(U64::from(self.chain_id)),
            ..Eip1559TransactionRequest::default()
        };
        let typed = TypedTransaction::Eip1559(transaction.clone());
        let gas = self
            .ask("the transaction", self.provider.estimate_gas(&typed, None))
            .await?
            .low_u64();
        if gas > MAX_TRANSACTION_GAS {
            return Err(L1Error::TooMuchGas(gas));
        }
        transaction.gas = Some((gas + gas / 5).min(MAX_TRANSACTION_GAS).into());
        // The next nonce of the chain, not of the pool: a transaction of ours that is stuck there is replaced.
        let nonce = self
            .ask(
                "eth_getTransactionCount",
                self.provider.get_transaction_count(from, None),
            )
            .await?;
        transaction.nonce = Some(nonce);
        let mut tip = self.settings.tip;
        let mut hashes = Vec::new();
        let started = Instant::now();
        for bump in 0..=self.settings.bumps {
            let base = self.head().await?.base_fee;
            let fee = (2 * base + tip).min(self.settings.max_fee);
            transaction.max_priority_fee_per_gas = Some(tip.min(fee).into());
            transaction.max_fee_per_gas = Some(fee.into());
            if bump > 0 {
                warn!(
                    nonce = nonce.low_u64(),
                    fee, "a transaction is stuck: its fee is raised"
                );
            }
            match self.submit(&transaction, key).await {
                Ok(hash) => hashes.extend(hash),
                // One of ours, most likely: its receipt is on its way.
                Err(L1Error::Overtaken { .. }) if !hashes.is_empty() => {}
                Err(error) => return Err(error),
            }
            let since = Instant::now();
            while since.elapsed() < self.settings.patience {
                if let Some(receipt) = self.receipt(&hashes).await? {
                    return finish(receipt, data_bytes);
                }
                // A reorganisation may have dropped the transaction before it: then no fee gets this one into a block.
                if self.nonce().await? < nonce.low_u64() {
                    return Err(L1Error::TakenBack { nonce: nonce.low_u64() });
                }
                sleep(self.settings.poll).await;
            }
            // A replacement must offer an eighth more; both fees double, up to the limit.
            tip *= 2;
        }
        Err(L1Error::Stuck {
            nonce: nonce.low_u64(),
            seconds: started.elapsed().as_secs(),
            bumps: self.settings.bumps,
        })
    }
}

fn read_log(log: ethers_core::types::Log) -> Option<Log> {
    Some(Log {
        topics: log.topics.iter().map(|topic| topic.0).collect(),
        data: log.data.to_vec(),
        block: log.block_number?.as_u64(),
        transaction: log.transaction_hash?.0,
    })
}

fn finish(receipt: TransactionReceipt, data_bytes: usize) -> Result<Receipt, L1Error> {
    let hash = receipt.transaction_hash.0;
    let block = receipt.block_number.unwrap_or_default().as_u64();
    if receipt.status != Some(U64::one()) {
        return Err(L1Error::Failed { hash, block });
    }
    Ok(Receipt {
        hash,
        block,
        block_hash: receipt.block_hash.unwrap_or_default().0,
        gas: receipt.gas_used.unwrap_or_default().low_u64(),
        gas_price: receipt.effective_gas_price.unwrap_or_default().low_u128(),
        created: receipt.contract_address.map(|address| L1Address(address.0)),
        logs: receipt.logs.into_iter().filter_map(read_log).collect(),
        data_bytes,
    })
}
