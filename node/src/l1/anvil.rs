//! A development chain: anvil, from the contracts' npm packages, as a process of ours.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use starling_rollup::l1_key::L1Key;

/// Why there is no development chain.
#[derive(Debug, thiserror::Error)]
pub enum AnvilError {
    /// The binary is not there.
    #[error(
        "anvil is not installed at {0}: run `make contracts/node_modules/.installed`, or name it with STARLING_ANVIL"
    )]
    NotInstalled(PathBuf),
    /// It does not start.
    #[error("anvil does not start: {0}")]
    Start(#[from] std::io::Error),
    /// It ended or fell silent before it was ready.
    #[error("anvil ended before it listened: {0}")]
    Ended(String),
    /// A key of the development mnemonic is not usable.
    #[error("anvil's key {0} is not a key")]
    Key(usize),
}

/// How the chain makes blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The port; 0 for a free one.
    pub port: u16,
    /// Seconds between blocks; `None` for a block a transaction.
    pub block_time: Option<u64>,
}

/// A running chain. It is ended when this is dropped.
#[derive(Debug)]
pub struct Anvil {
    child: Child,
    url: String,
    keys: Vec<[u8; 32]>,
}

/// The chain's id.
pub const CHAIN_ID: u64 = 31_337;

/// The key of a development chain's first account, which everybody knows: it comes from the mnemonic "test test .. junk".
pub const FIRST_KEY: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";

impl Anvil {
    /// Starts a chain on a loopback address, with ten accounts of 10,000 ETH.
    ///
    /// # Errors
    /// When anvil is not installed or does not start.
    pub fn start(options: Options) -> Result<Self, AnvilError> {
        let binary = binary()?;
        let mut command = Command::new(binary);
        command.args([
            "--host",
            "127.0.0.1",
            "--chain-id",
            &CHAIN_ID.to_string(),
            "--port",
            &options.port.to_string(),
        ]);
        command.args(["--hardfork", "prague", "--slots-in-an-epoch", "1"]);
        if let Some(seconds) = options.block_time {
            command.args(["--block-time", &seconds.to_string()]);
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut chain = Self {
            url: String::new(),
            keys: Vec::new(),
            child,
        };
        let Some(stdout) = chain.child.stdout.take() else {
            return Err(AnvilError::Ended("it has no output".to_owned()));
        };
        let mut lines = BufReader::new(stdout).lines();
        let started = Instant::now();
        for line in lines.by_ref() {
            let line = line?;
            // "(0) 0x<64 digits>" are the keys, "Listening on 127.0.0.1:<port>" is the last line.
            if let Some(key) = line.split(") 0x").nth(1).filter(|digits| digits.len() == 64) {
                let bytes = super::abi::from_hex(&format!("0x{key}")).and_then(|bytes| bytes.try_into().ok());
                chain.keys.push(bytes.ok_or(AnvilError::Key(chain.keys.len()))?);
            } else if let Some(address) = line.strip_prefix("Listening on ") {
                chain.url = format!("http://{address}");
                break;
            }
            if started.elapsed() > Duration::from_secs(30) {
                break;
            }
        }
        if chain.url.is_empty() {
            return Err(AnvilError::Ended("see whether the port is taken".to_owned()));
        }
        // Its further output must go somewhere, or it would stop when the pipe is full.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(chain)
    }

    /// Its endpoint.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Key number `number` of its funded accounts.
    ///
    /// # Errors
    /// When it has no such key.
    pub fn key(&self, number: usize) -> Result<L1Key, AnvilError> {
        let bytes = self.keys.get(number).ok_or(AnvilError::Key(number))?;
        L1Key::from_bytes(bytes).map_err(|_| AnvilError::Key(number))
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// anvil's own binary: the package's launcher does not pass signals and exit codes on.
fn binary() -> Result<PathBuf, AnvilError> {
    if let Some(named) = std::env::var_os("STARLING_ANVIL") {
        let path = PathBuf::from(named);
        return if path.exists() {
            Ok(path)
        } else {
            Err(AnvilError::NotInstalled(path))
        };
    }
    let arch = if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        "amd64"
    };
    let system = if cfg!(target_os = "macos") { "darwin" } else { "linux" };
    let package = format!("node_modules/@foundry-rs/anvil-{system}-{arch}/bin/anvil");
    let here = Path::new("contracts").join(&package);
    let built = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../contracts")
        .join(&package);
    [here, built.clone()]
        .into_iter()
        .find(|path| path.exists())
        .ok_or(AnvilError::NotInstalled(built))
}
