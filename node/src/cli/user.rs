//! What commands of users share: keys, passwords, connections.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use jsonrpsee_http_client::{HttpClient, HttpClientBuilder};
use starling_rollup::address::L1Address;
use starling_rollup::keyfile::KeyFile;
use starling_rollup::l1_key::L1Key;
use starling_vm::schnorr::SecretKey;

use super::CliError;
use super::out::say;
use crate::l1::ethers::{EthersL1, Settings};

/// Where passwords come from.
#[derive(Clone, Debug, Args)]
pub(crate) struct Password {
    /// File whose first line is the key file's password. Otherwise STARLING_PASSWORD is used.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

impl Password {
    pub(crate) fn read(&self) -> Result<String, CliError> {
        let Some(path) = &self.password_file else {
            return std::env::var("STARLING_PASSWORD").map_err(|_| {
                CliError::Unusable("no password: set STARLING_PASSWORD, or name a file with --password-file".to_owned())
            });
        };
        let text = fs::read_to_string(path)
            .map_err(|error| CliError::Unusable(format!("{} cannot be read: {error}", path.display())))?;
        Ok(text.lines().next().unwrap_or_default().to_owned())
    }
}

/// The key and owner of an account's key file.
pub(crate) fn account_key(path: &Path, password: &Password) -> Result<(SecretKey, L1Address), CliError> {
    let file = KeyFile::read(path).map_err(unusable)?;
    file.open_account(&password.read()?).map_err(unusable)
}

/// The key of an L1 account's key file.
pub(crate) fn l1_key(path: &Path, password: &Password) -> Result<L1Key, CliError> {
    let file = KeyFile::read(path).map_err(unusable)?;
    file.open_l1(&password.read()?).map_err(unusable)
}

/// An operator's RPC.
pub(crate) fn rpc_client(url: &str) -> Result<HttpClient, CliError> {
    HttpClientBuilder::default()
        .build(url)
        .map_err(|error| CliError::Unusable(format!("{url:?} cannot be asked: {error}; check --rpc")))
}

/// L1.
pub(crate) async fn l1_client(url: &str, key: Option<L1Key>) -> Result<EthersL1, CliError> {
    EthersL1::connect(url, None, key, Settings::default())
        .await
        .map_err(unusable)
}

/// A runtime for a command.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, CliError> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::Unusable(format!("no threads: {error}")))
}

/// The question cannot be asked.
pub(crate) fn unusable(error: impl ToString) -> CliError {
    CliError::Unusable(error.to_string())
}

/// The answer is no.
pub(crate) fn rejected(error: impl ToString) -> CliError {
    CliError::Rejected(error.to_string())
}

/// Prints one JSON object, or lines for people.
pub(crate) fn print(json: bool, value: &serde_json::Value, lines: impl FnOnce() -> String) {
    let text = if json { value.to_string() } else { lines() };
    say!("{text}");
}
