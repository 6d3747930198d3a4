//! JSON-RPC of a light node: the methods of a full node that can be answered without the state. The schema is in
//! `specs/light.md`.
//!
//! HTTP only: there is nothing to subscribe to, so nobody who reads slowly has anything kept for him.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use jsonrpsee::core::{RpcResult, async_trait};
use jsonrpsee::proc_macros::rpc;
use jsonrpsee::server::ServerHandle;
use jsonrpsee::types::ErrorObjectOwned;
use serde::{Deserialize, Serialize};
use starling_p2p::request::StateAt;
use starling_rollup::transaction::SignedTransaction;

use super::{Checked, Contradiction, Disagreement, EndpointStatus, Light, LightError, Stage};
use crate::answers::account::Leaf;
use crate::l1::hex;
use crate::operator::hex_word;
use crate::rpc::listen::{Limits, serve};

/// What connections may cost. Each may have one question with peers, which cost a few kilobytes. The times are the defaults of a full node.
const LIMITS: Limits = Limits {
    connections: 32,
    subscriptions: None,
    stall: Duration::from_secs(30),
    idle: Duration::from_secs(30),
};

// WHAT IS ANSWERED
// ================================================================================================================

/// `checked` in every answer: what it agreed with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckedInfo {
    /// What it was.
    pub against: String,
    /// Who gave the answer that was checked; null if it is L1's own.
    pub peer: Option<String>,
    /// The L1 endpoints that said so.
    pub l1: Vec<EndpointBlock>,
    /// Whether the root follows from proofs that were verified here.
    pub proofs: bool,
}

/// An endpoint that was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointBlock {
    /// Its URL.
    pub url: String,
    /// The newest block that was seen there before it was asked.
    pub block: u64,
}

/// `starling_account`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LightAccount {
    /// Its index.
    pub index: u32,
    /// Its address; null if no account has the index.
    pub address: Option<String>,
    /// Its nonce.
    pub nonce: Option<u32>,
    /// Its balance in gwei.
    pub balance: Option<String>,
    /// The batch that the state is in or after.
    pub batch: u64,
    /// How far the answer can be relied on.
    pub stage: Stage,
    /// The state root.
    pub root: String,
    /// The next free index.
    pub next_index: u64,
    /// The siblings of its leaf, lowest first.
    pub siblings: Vec<String>,
    /// What it was checked against.
    pub checked: CheckedInfo,
}

/// `starling_operation`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LightOperation {
    /// The operation's words.
    pub words: Vec<String>,
    /// The siblings of its leaf in the batch's tree, lowest first.
    pub path: Vec<String>,
    /// How far the batch has come.
    pub stage: Stage,
    /// What it was checked against.
    pub checked: CheckedInfo,
}

/// `starling_batch`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LightBatch {
    /// Its number.
    pub number: u64,
    /// How far it has come.
    pub stage: Stage,
    /// State root after it; null unless a proof ended with it.
    pub root: Option<String>,
    /// Chain digest after it.
    pub digest: String,
    /// Root of its operations.
    pub operations_root: String,
    /// Who committed it.
    pub committer: String,
    /// When, in seconds since 1970.
    pub committed_at: u64,
    /// What it was checked against.
    pub checked: CheckedInfo,
}

/// `starling_status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LightInfo {
    /// This program's version.
    pub version: String,
    /// `light`.
    pub role: String,
    /// L1's chain id.
    pub chain_id: u64,
    /// The rollup contract.
    pub rollup: String,
    /// The last batch that all endpoints have; null while they disagree or are silent.
    pub committed: Option<u64>,
    /// The last one that all of them have as proven.
    pub proven: Option<u64>,
    /// The last one whose proof was verified here; null if proofs are not verified.
    pub verified: Option<u64>,
    /// Whether the rollup is frozen.
    pub frozen: bool,
    /// The endpoints.
    pub endpoints: Vec<EndpointInfo>,
    /// What the endpoints say differently, while they do.
    pub disagreement: Option<Disagreement>,
    /// What proofs say against L1, while they do.
    pub contradiction: Option<Contradiction>,
    /// Why proofs are not verified, while they are not.
    pub trouble: Option<String>,
    /// Peers.
    pub peers: Vec<String>,
    /// How many peers were banned for wrong answers.
    pub banned: u64,
}

/// An endpoint of `starling_status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointInfo {
    /// Its URL.
    pub url: String,
    /// Its newest block; null if it did not answer.
    pub block: Option<u64>,
    /// The last batch it has.
    pub committed: Option<u64>,
    /// The last batch it has as proven.
    pub proven: Option<u64>,
    /// What is wrong with it.
    pub trouble: Option<String>,
}

impl From<Checked> for CheckedInfo {
    fn from(checked: Checked) -> Self {
        let block = |(url, block)| EndpointBlock { url, block };
        Self {
            against: checked.against,
            peer: checked.peer.map(|peer| peer.to_string()),
            l1: checked.l1.into_iter().map(block).collect(),
            proofs: checked.proofs,
        }
    }
}

// METHODS
// ================================================================================================================

/// The methods.
#[rpc(server, client, namespace = "starling")]
pub trait LightApi {
    /// An account in the state `at`: `proven` (if absent), `committed` or `soft`.
    #[method(name = "account")]
    async fn account(&self, index: u32, at: Option<Stage>) -> RpcResult<LightAccount>;

    /// An operation of a committed batch.
    #[method(name = "operation")]
    async fn operation(&self, batch: u64, position: u64) -> RpcResult<LightOperation>;

    /// A committed batch.
    #[method(name = "batch")]
    async fn batch(&self, number: u64) -> RpcResult<LightBatch>;

    /// Passes a signed transaction on to peers; gives its id.
    #[method(name = "submit")]
    async fn submit(&self, envelope: String) -> RpcResult<String>;

    /// The node.
    #[method(name = "status")]
    async fn status(&self) -> RpcResult<LightInfo>;

    /// Not without the state.
    #[method(name = "accountsOf")]
    async fn accounts_of(&self, address: String) -> RpcResult<Vec<u32>>;

    /// Not without the state.
    #[method(name = "transaction")]
    async fn transaction(&self, id: String) -> RpcResult<()>;

    /// Not without the state.
    #[method(name = "proofs")]
    async fn proofs(&self, from: u64) -> RpcResult<()>;

    /// Not without the state.
    #[method(name = "feeQuote")]
    async fn fee_quote(&self, words: u64) -> RpcResult<()>;
}

/// Error codes; those of a full node, and those that only a light node has.
pub mod code {
    /// The request does not parse.
    pub const MALFORMED: i32 = -32_602;
    /// The node is ending.
    pub const INTERNAL: i32 = -32_603;
    /// The transaction is refused, or nobody takes it.
    pub const REFUSED: i32 = -32_000;
    /// L1 does not answer.
    pub const L1: i32 = -32_001;
    /// The L1 endpoints disagree.
    pub const DISAGREEMENT: i32 = -32_010;
    /// Proofs that verify contradict L1.
    pub const CONTRADICTION: i32 = -32_011;
    /// No peer gave an answer that holds.
    pub const NO_PEER: i32 = -32_012;
    /// Only a node with the state can answer.
    pub const NEEDS_STATE: i32 = -32_013;
    /// The batch is not on L1.
    pub const NOT_COMMITTED: i32 = -32_014;
}

impl From<LightError> for ErrorObjectOwned {
    fn from(error: LightError) -> Self {
        let code = match &error {
            LightError::Malformed(_) => code::MALFORMED,
            LightError::Refused(_) | LightError::Publish(_) => code::REFUSED,
            LightError::L1(_) | LightError::Silent(_) => code::L1,
            LightError::Disagreement(_) => code::DISAGREEMENT,
            LightError::Contradiction(_) => code::CONTRADICTION,
            LightError::NoPeer { .. } => code::NO_PEER,
            LightError::NeedsState(_) => code::NEEDS_STATE,
            LightError::NotCommitted { .. } => code::NOT_COMMITTED,
            LightError::NoEndpoint
            | LightError::OtherRollup { .. }
            | LightError::OtherKernel
            | LightError::Network(_)
            | LightError::Listen { .. }
            | LightError::Ended => code::INTERNAL,
        };
        let data = match &error {
            LightError::Disagreement(found) => serde_json::to_value(found).ok(),
            LightError::Contradiction(found) => serde_json::to_value(found).ok(),
            _ => None,
        };
        Self::owned(code, error.to_string(), data)
    }
}

fn needs_state<T>(method: &'static str) -> RpcResult<T> {
    Err(LightError::NeedsState(method).into())
}

#[async_trait]
impl LightApiServer for Light {
    async fn account(&self, index: u32, at: Option<Stage>) -> RpcResult<LightAccount> {
        let at = match at {
            None | Some(Stage::Proven) => StateAt::Proven,
            Some(Stage::Committed) => StateAt::Committed,
            Some(Stage::Soft) => StateAt::Soft,
        };
        let answer = Light::account(self, index, at).await?;
        let root = hex_word(&answer.proof.root());
        let (account, siblings) = match answer.proof.leaf {
            Leaf::Account { account, siblings } => (Some(account), siblings.iter().map(hex_word).collect()),
            Leaf::Absent { .. } => (None, Vec::new()),
        };
        Ok(LightAccount {
            index,
            address: account.map(|account| account.address.to_string()),
            nonce: account.map(|account| account.nonce),
            balance: account.map(|account| account.balance.to_string()),
            batch: answer.checked.batch,
            stage: answer.checked.stage,
            root,
            next_index: answer.proof.next,
            siblings,
            checked: answer.checked.into(),
        })
    }

    async fn operation(&self, batch: u64, position: u64) -> RpcResult<LightOperation> {
        let position = u32::try_from(position)
            .map_err(|_| LightError::Malformed(format!("position {position}: no batch has so many operations")))?;
        let answer = Light::operation(self, batch, position).await?;
        Ok(LightOperation {
            words: answer.proof.words.iter().map(|word| format!("0x{word:016x}")).collect(),
            path: answer
                .proof
                .path
                .iter()
                .map(|hash| format!("0x{}", hex(hash)))
                .collect(),
            stage: answer.checked.stage,
            checked: answer.checked.into(),
        })
    }

    async fn batch(&self, number: u64) -> RpcResult<LightBatch> {
        let answer = Light::batch(self, number).await?;
        Ok(LightBatch {
            number,
            stage: answer.checked.stage,
            root: answer.root.as_ref().map(hex_word),
            digest: hex_word(&answer.digest),
            operations_root: format!("0x{}", hex(&answer.operations_root)),
            committer: answer.committer.to_string(),
            committed_at: answer.committed_at,
            checked: answer.checked.into(),
        })
    }

    async fn submit(&self, envelope: String) -> RpcResult<String> {
        let signed =
            SignedTransaction::from_hex(&envelope).map_err(|error| LightError::Malformed(error.to_string()))?;
        Ok(Light::submit(self, signed).await?.to_string())
    }

    async fn status(&self) -> RpcResult<LightInfo> {
        let status = Light::status(self).await?;
        let endpoint = |endpoint: EndpointStatus| EndpointInfo {
            url: endpoint.url,
            block: endpoint.block,
            committed: endpoint.committed,
            proven: endpoint.proven,
            trouble: endpoint.trouble,
        };
        Ok(LightInfo {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            role: "light".to_owned(),
            chain_id: status.rollup.chain_id,
            rollup: status.rollup.contract.to_string(),
            committed: status.batches.map(|(_, committed)| committed),
            proven: status.batches.map(|(proven, _)| proven),
            verified: status.verified,
            frozen: status.frozen,
            endpoints: status.endpoints.into_iter().map(endpoint).collect(),
            disagreement: status.disagreement,
            contradiction: status.contradiction,
            trouble: status.trouble,
            peers: status.peers.iter().map(ToString::to_string).collect(),
            banned: status.banned,
        })
    }

    async fn accounts_of(&self, _address: String) -> RpcResult<Vec<u32>> {
        needs_state("starling_accountsOf")
    }

    async fn transaction(&self, _id: String) -> RpcResult<()> {
        needs_state("starling_transaction")
    }

    async fn proofs(&self, _from: u64) -> RpcResult<()> {
        needs_state("starling_proofs")
    }

    async fn fee_quote(&self, _words: u64) -> RpcResult<()> {
        needs_state("starling_feeQuote")
    }
}

/// Listens.
///
/// # Errors
/// When the address cannot be listened at.
pub async fn listen(light: Light, at: SocketAddr) -> io::Result<(SocketAddr, ServerHandle)> {
    serve(at, LightApiServer::into_rpc(light).into(), LIMITS).await
}
