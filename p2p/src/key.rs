//! The node's key on the network: a file with libp2p's own encoding of an ed25519 key pair.
//!
//! Whoever has it can pass for this node on the network, and do nothing else: it signs no transactions and no blocks.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use libp2p::identity::{KeyType, Keypair};

/// Why a key cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or written.
    #[error("the network key {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What failed.
        source: io::Error,
    },
    /// Others may read the file.
    #[error("the network key {path} has mode {mode:03o}: others may read it; chmod 600 {path}")]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The file holds no key.
    #[error("{path} is not a network key: {reason}; move it away and a new one is made")]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// The key in a file; makes the file, with mode 0600, if there is none.
///
/// # Errors
/// When the file cannot be read or made, is open to others, or holds no ed25519 key.
pub fn load_or_create(path: &Path) -> Result<Keypair, KeyError> {
    match load(path) {
        Err(KeyError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            let keypair = Keypair::generate_ed25519();
            match create(path, &keypair) {
                // Another process was faster: its key counts.
                Err(KeyError::Io { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => load(path),
                Err(error) => Err(error),
                Ok(()) => Ok(keypair),
            }
        }
        other => other,
    }
}

fn load(path: &Path) -> Result<Keypair, KeyError> {
    let io = |source| KeyError::Io {
        path: path.to_owned(),
        source,
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(path).map_err(io)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(KeyError::Mode {
                path: path.to_owned(),
                mode,
            });
        }
    }
    let bytes = fs::read(path).map_err(io)?;
    let format = |reason: String| KeyError::Format {
        path: path.to_owned(),
        reason,
    };
    let keypair = Keypair::from_protobuf_encoding(&bytes).map_err(|error| format(error.to_string()))?;
    match keypair.key_type() {
        KeyType::Ed25519 => Ok(keypair),
        other => Err(format(format!("it holds a key of type {other:?}, not ed25519"))),
    }
}

fn create(path: &Path, keypair: &Keypair) -> Result<(), KeyError> {
    let io = |source| KeyError::Io {
        path: path.to_owned(),
        source,
    };
    let bytes = keypair.to_protobuf_encoding().map_err(|error| KeyError::Format {
        path: path.to_owned(),
        reason: error.to_string(),
    })?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    // Created with mode 0600 and a random name; takes its name only if nothing has it.
    let mut file = tempfile::Builder::new()
        .prefix(".network-key-")
        .tempfile_in(folder)
        .map_err(io)?;
    file.write_all(&bytes).map_err(io)?;
    file.as_file().sync_all().map_err(io)?;
    file.persist_noclobber(path).map_err(|error| io(error.error))?;
    Ok(())
}
