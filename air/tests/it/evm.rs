//! An EVM with the compiled artifacts, for the tests of `air` and of `rollup`.
#![allow(dead_code)] // each of them uses a part

use std::path::PathBuf;

use revm::context::result::ExecutionResult;
use revm::context::{Context, TxEnv};
use revm::database::InMemoryDB;
use revm::primitives::{Address, Bytes, TxKind, U256};
use revm::state::AccountInfo;
use revm::{Database, ExecuteCommitEvm, MainBuilder, MainContext, MainnetEvm};
use sha3::{Digest, Keccak256};
use starling_vm::field::Felt;

type MainContextOf<DB> = Context<revm::context::BlockEnv, TxEnv, revm::context::CfgEnv, DB, revm::Journal<DB>, ()>;

/// The gas limit that the protocol sets a transaction.
pub(crate) const TRANSACTION_GAS: u64 = 1 << 24;

/// Who sends the transactions.
pub(crate) const SENDER: Address = Address::repeat_byte(0x5e);

pub(crate) struct Chain {
    evm: MainnetEvm<MainContextOf<InMemoryDB>>,
    nonces: std::collections::HashMap<Address, u64>,
}

/// What a transaction did.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// The returned bytes, or those of the revert.
    pub(crate) result: Result<Vec<u8>, Vec<u8>>,
    /// Gas paid.
    pub(crate) used: u64,
    /// Gas of the execution alone.
    pub(crate) execution: u64,
    /// The least that the calldata costs, with the base fee of a transaction.
    pub(crate) floor: u64,
    /// Bytes of calldata.
    pub(crate) bytes: usize,
}

impl Outcome {
    /// The selector of the revert's error.
    pub(crate) fn error(&self) -> Option<[u8; 4]> {
        self.result
            .as_ref()
            .err()
            .and_then(|data| data.get(..4))
            .and_then(|data| data.try_into().ok())
    }
}

impl Chain {
    pub(crate) fn new() -> Self {
        let mut db = InMemoryDB::default();
        db.insert_account_info(SENDER, AccountInfo::from_balance(U256::from(u128::MAX >> 1)));
        Self {
            evm: Context::mainnet().with_db(db).build_mainnet(),
            nonces: std::collections::HashMap::new(),
        }
    }

    /// The address of the contract that [SENDER]'s `ahead`th next transaction creates, from 0.
    pub(crate) fn next_contract(&self, ahead: u64) -> Address {
        SENDER.create(self.nonces.get(&SENDER).copied().unwrap_or(0) + ahead)
    }

    fn send(&mut self, caller: Address, kind: TxKind, value: u128, data: Vec<u8>) -> (Outcome, Option<Address>) {
        let zeros = data.iter().filter(|byte| **byte == 0).count() as u64;
        let nonzeros = data.len() as u64 - zeros;
        let bytes = data.len();
        let intrinsic = 21_000 + 4 * zeros + 16 * nonzeros;
        let tx = TxEnv {
            caller,
            kind,
            value: U256::from(value),
            data: Bytes::from(data),
            gas_limit: TRANSACTION_GAS,
            nonce: self.nonces.get(&caller).copied().unwrap_or(0),
            ..TxEnv::default()
        };
        *self.nonces.entry(caller).or_default() += 1;
        let result = self.evm.transact_commit(tx).expect("a valid transaction");
        let gas = result.gas();
        let created = result.created_address();
        let outcome = Outcome {
            used: gas.tx_gas_used(),
            execution: gas.total_gas_spent().saturating_sub(intrinsic),
            floor: gas.floor_gas(),
            bytes,
            result: match result {
                ExecutionResult::Success { output, .. } => Ok(output.into_data().to_vec()),
                ExecutionResult::Revert { output, .. } => Err(output.to_vec()),
                ExecutionResult::Halt { reason, .. } => panic!("halted: {reason:?}"),
            },
        };
        (outcome, created)
    }

    /// Moves the clock on.
    pub(crate) fn wait(&mut self, seconds: u64) {
        self.evm.ctx.block.timestamp += U256::from(seconds);
    }

    /// Seconds on the clock.
    pub(crate) fn time(&self) -> u64 {
        self.evm.ctx.block.timestamp.to()
    }

    /// Wei that an account has.
    pub(crate) fn balance(&mut self, account: Address) -> u128 {
        let info = self
            .evm
            .ctx
            .journaled_state
            .database
            .basic(account)
            .expect("a database");
        info.map_or(0, |info| info.balance.to())
    }

    pub(crate) fn call(&mut self, to: Address, data: Vec<u8>) -> Outcome {
        self.pay(to, 0, data)
    }

    /// A call that carries `value` wei.
    pub(crate) fn pay(&mut self, to: Address, value: u128, data: Vec<u8>) -> Outcome {
        self.send(SENDER, TxKind::Call(to), value, data).0
    }

    /// A call by another sender, who gets the wei for it.
    pub(crate) fn pay_as(&mut self, caller: Address, to: Address, value: u128, data: Vec<u8>) -> Outcome {
        let database = &mut self.evm.ctx.journaled_state.database;
        let mut info = database.basic(caller).expect("a database").unwrap_or_default();
        info.balance += U256::from(value);
        database.insert_account_info(caller, info);
        self.send(caller, TxKind::Call(to), value, data).0
    }

    /// Deploys all evaluators of an AIR.
    pub(crate) fn deploy_evaluators(&mut self, name: &str) -> Vec<Address> {
        (0..evaluators(name))
            .map(|i| self.deploy(&format!("{name}Evaluator{i}"), &[]))
            .collect()
    }

    pub(crate) fn deploy(&mut self, name: &str, arguments: &[u8]) -> Address {
        let code = [&artifact(name)[..], arguments].concat();
        let (outcome, created) = self.send(SENDER, TxKind::Create, 0, code);
        outcome.result.expect("deploys");
        created.expect("an address")
    }
}

/// Where the compiled contracts lie; `STARLING_ARTIFACTS` names another folder, to test changed contracts.
fn artifacts() -> PathBuf {
    std::env::var_os("STARLING_ARTIFACTS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../contracts/artifacts"),
        PathBuf::from,
    )
}

/// A contract's creation code.
pub(crate) fn artifact(name: &str) -> Vec<u8> {
    let folder = artifacts();
    let text = std::fs::read_to_string(folder.join(name).with_extension("json")).expect("an artifact");
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let hex = json["bytecode"].as_str().expect("bytecode").trim_start_matches("0x");
    (0..hex.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&hex[i..i + 2], 16).expect("hex"))
        .collect()
}

/// How many evaluators an AIR has among the artifacts.
fn evaluators(name: &str) -> usize {
    let folder = artifacts();
    (0..)
        .take_while(|i| folder.join(format!("{name}Evaluator{i}.json")).exists())
        .count()
}

/// An argument of a call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Argument<'a> {
    Word([u8; 32]),
    Words(&'a [Felt]),
    RawWords(&'a [[u8; 32]]),
    Bytes(&'a [u8]),
}

pub(crate) fn word(value: u64) -> [u8; 32] {
    let mut word = [0; 32];
    word[24..].copy_from_slice(&value.to_be_bytes());
    word
}

pub(crate) fn selector(signature: &str) -> [u8; 4] {
    Keccak256::digest(signature)[..4].try_into().expect("four bytes")
}

pub(crate) fn call(signature: &str, arguments: &[Argument<'_>]) -> Vec<u8> {
    let mut head = vec![];
    let mut tail: Vec<u8> = vec![];
    for argument in arguments {
        if let Argument::Word(word) = argument {
            head.extend(word);
            continue;
        }
        head.extend(word((32 * arguments.len() + tail.len()) as u64));
        match argument {
            Argument::Word(_) => {}
            Argument::Words(words) => {
                tail.extend(word(words.len() as u64));
                words.iter().for_each(|value| tail.extend(word(value.as_int())));
            }
            Argument::RawWords(words) => {
                tail.extend(word(words.len() as u64));
                words.iter().for_each(|value| tail.extend(value));
            }
            Argument::Bytes(bytes) => {
                tail.extend(word(bytes.len() as u64));
                tail.extend_from_slice(bytes);
                tail.resize(tail.len().next_multiple_of(32), 0);
            }
        }
    }
    [&selector(signature)[..], &head, &tail].concat()
}

/// The errors of a contract, by selector.
pub(crate) fn error_names(name: &str) -> std::collections::HashMap<[u8; 4], String> {
    let folder = artifacts();
    let text = std::fs::read_to_string(folder.join(name).with_extension("json")).expect("an artifact");
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let abi = json["abi"].as_array().expect("an ABI");
    abi.iter()
        .filter(|item| item["type"] == "error")
        .map(|item| {
            let inputs = item["inputs"].as_array().expect("inputs").iter();
            let types: Vec<&str> = inputs.map(|input| input["type"].as_str().expect("a type")).collect();
            let name = item["name"].as_str().expect("a name").to_string();
            (selector(&format!("{name}({})", types.join(","))), name)
        })
        .collect()
}

/// Words of a list that a call returned.
pub(crate) fn returned_words(output: &[u8]) -> Vec<[u8; 32]> {
    output[64..]
        .chunks_exact(32)
        .map(|word| word.try_into().expect("a word"))
        .collect()
}
