//! Processes that the devnet starts, and ends by their ids.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::cli::CliError;
use crate::cli::user::unusable;
use crate::operator::proving::peak_memory_of;

/// How long a node may take until it listens.
const START: Duration = Duration::from_secs(60);

/// The last line that a node prints when it is ready.
const READY: &str = "listening on ";

/// A running node. It is killed when this is dropped.
pub(super) struct Process(Child);

impl Process {
    /// Starts `starling` with these arguments and waits until it listens.
    pub(super) async fn start(name: &str, args: &[&str], password: Option<&str>, log: &Path) -> Result<Self, CliError> {
        let program = std::env::current_exe().map_err(unusable)?;
        let mut command = Command::new(program);
        command.args(args);
        if let Some(password) = password {
            command.env("STARLING_PASSWORD", password);
        }
        let written = File::options().create(true).append(true).open(log).map_err(unusable)?;
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(written)
            .spawn()
            .map_err(unusable)?;
        let stdout = child.stdout.take();
        let process = Self(child);
        let (tell, told) = oneshot::channel();
        // The thread ends with the process; what it prints later must go somewhere.
        std::thread::spawn(move || {
            let mut tell = Some(tell);
            let lines = stdout.map(|stdout| BufReader::new(stdout).lines());
            for line in lines.into_iter().flatten().map_while(Result::ok) {
                if line.starts_with(READY)
                    && let Some(tell) = tell.take()
                {
                    let _ = tell.send(());
                }
            }
        });
        match timeout(START, told).await {
            Ok(Ok(())) => Ok(process),
            Ok(Err(_)) => Err(CliError::Rejected(format!(
                "the {name} does not start: see {}",
                log.display()
            ))),
            Err(_) => Err(CliError::Rejected(format!(
                "the {name} does not listen after {} s: see {}",
                START.as_secs(),
                log.display()
            ))),
        }
    }

    /// Whether it has ended by itself.
    pub(super) fn has_ended(&mut self) -> bool {
        !matches!(self.0.try_wait(), Ok(None))
    }

    /// The most memory that it has had, in bytes; `None` where the system does not tell.
    pub(super) fn peak_memory(&self) -> Option<u64> {
        peak_memory_of(&self.0.id().to_string())
    }

    /// `kill -9`.
    pub(super) fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}
