//! What can go wrong with a store.

use std::io;
use std::path::PathBuf;

use super::Backend;

/// Why a store cannot be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder cannot be made or looked at.
    #[error("{}: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
    /// Another process has the store open.
    #[error("{} is open in another process: end it, or give this node its own data folder", path.display())]
    Locked {
        /// The store.
        path: PathBuf,
    },
    /// The folder holds the other backend's store.
    #[error(
        "{} holds a {found} store, and the configuration says {wanted}: set `store.backend = \"{found}\"`, or choose an \
         empty folder and let the node rebuild from L1",
        path.display()
    )]
    OtherBackend {
        /// The folder.
        path: PathBuf,
        /// Whose store it is.
        found: Backend,
        /// What was asked for.
        wanted: Backend,
    },
    /// The store was written by another version of this program.
    #[error(
        "{} has format {found}, this program reads {wanted}: choose an empty folder and let the node rebuild from L1",
        path.display()
    )]
    Format {
        /// The store.
        path: PathBuf,
        /// Its format.
        found: String,
        /// Ours.
        wanted: String,
    },
    /// The store's files are damaged.
    #[error(
        "the store in {} is damaged: {reason}; move the folder away and let the node rebuild from L1{}",
        path.display(),
        copy.as_ref().map(|copy| format!(" (as it was found, it is kept in {})", copy.display())).unwrap_or_default()
    )]
    Damaged {
        /// The store.
        path: PathBuf,
        /// What the backend says.
        reason: String,
        /// Where a copy of the damaged files is, if a repair was tried.
        copy: Option<PathBuf>,
    },
    /// The disk is as good as full. Nothing was written; the store goes on.
    #[error("the disk of {} is full: {free} bytes are free, {needed} are needed; make room", path.display())]
    Full {
        /// The store.
        path: PathBuf,
        /// Bytes that are free.
        free: u64,
        /// Bytes that must be.
        needed: u64,
    },
    /// Reading or writing failed.
    #[error("the store in {}: {reason}", path.display())]
    Backend {
        /// The store.
        path: PathBuf,
        /// What the backend says.
        reason: String,
    },
    /// An earlier write failed.
    #[error("the store in {} failed earlier ({reason}) and takes no writes until the node is started again", path.display())]
    Failed {
        /// The store.
        path: PathBuf,
        /// The earlier error.
        reason: String,
    },
}
