//! The store on sled 0.34: one tree a table, every batch one transaction over the trees, flushed before it is
//! acknowledged.
//!
//! sled has known weak spots, and this is where they are kept from the rest of the node:
//!
//! - A process that dies while sled writes its snapshot, a cache of where the log's pages are, leaves a torn `snap.*` file
//!   that sled refuses to open. The log has everything: the folder is copied, the snapshots are removed, and sled finds
//!   its pages by reading the log.
//! - Reads beside a transaction can see half of it: a lock keeps them apart.
//! - It writes long pages to files that it never syncs: long values are cut into chunks.
//! - Its flush ends with `sync_file_range`, which does not write the file's length: a flush is followed by an fsync.
//! - It panics on some damage: every call is guarded, and a panic becomes an error.
//! - When the disk is full it may wait for ever, for a write that has failed: room for every batch is allocated before sled
//!   sees it.
//! - After a failed write its memory is ahead of the disk: the store then refuses all writes until the node is started
//!   again, and does not close sled, which would wait for ever, too.

use std::fs::{self, File};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use rustix::fs::FallocateFlags;
use rustix::io::Errno;
use sled::transaction::{ConflictableTransactionError, TransactionError, Transactional, TransactionalTree};
use sled::{Config, Db, IVec, Mode, Tree};
use tracing::warn;

use super::chunks::{self, Head};
use super::{Entry, Options, Scan, Store, StoreError, Table, WriteBatch, check_space};

/// How sled calls its snapshots.
const SNAPSHOT_PREFIX: &str = "snap.";

/// sled's log, and all its data: one file below its folder.
const LOG: &str = "db";

/// The tree of chunks.
const CHUNKS: &str = "chunks";

/// Room beyond the batch itself: sled writes in segments of 512 KiB, and rewrites old ones beside.
const MARGIN_BYTES: u64 = 4 << 20;

/// sled's own threads let go of a closed store's lock a moment later: how often, and how far apart, the lock is tried.
const LOCK_TRIES: u32 = 40;
const LOCK_PAUSE: Duration = Duration::from_millis(25);

/// A store on sled.
#[derive(Debug)]
pub struct SledStore {
    opened: Arc<Opened>,
    path: PathBuf,
    options: Options,
    /// Readers and the one writer.
    lock: RwLock<()>,
    failed: OnceLock<String>,
}

/// What sled opened.
#[derive(Debug)]
struct Opened {
    database: Db,
    /// A tree a table, then the one for chunks.
    trees: Vec<Tree>,
    /// The log once more, to allocate and to sync.
    log: File,
}

impl SledStore {
    /// Opens the store in the folder `path`, or makes a new one. A torn snapshot is repaired, after the folder was
    /// copied to a neighbour whose name the log tells.
    ///
    /// # Errors
    /// When another process has it open, or it cannot be read.
    pub fn open(path: &Path, options: &Options) -> Result<Self, StoreError> {
        let mut result = open_trees(path, options);
        for _ in 0..LOCK_TRIES {
            if !matches!(result, Err(OpenError::Locked)) {
                break;
            }
            std::thread::sleep(LOCK_PAUSE);
            result = open_trees(path, options);
        }
        let opened = match result {
            Ok(opened) => opened,
            Err(OpenError::Locked) => return Err(StoreError::Locked { path: path.to_owned() }),
            Err(OpenError::Io(source)) => {
                return Err(StoreError::Folder {
                    path: path.to_owned(),
                    source,
                });
            }
            Err(OpenError::Damage(reason)) => repair(path, options, &reason)?,
        };
        Ok(Self {
            opened: Arc::new(opened),
            path: path.to_owned(),
            options: *options,
            lock: RwLock::new(()),
            failed: OnceLock::new(),
        })
    }

    fn tree(&self, table: Table) -> &Tree {
        &self.opened.trees[table as usize]
    }

    /// The value of a key with this head.
    fn value(&self, table: Table, key: &[u8], head: &IVec) -> sled::Result<Vec<u8>> {
        match Head::decode(head) {
            Some(Head::Whole(value)) => Ok(value.to_vec()),
            Some(Head::Cut(count)) => {
                let tree = &self.opened.trees[Table::ALL.len()];
                let mut value = Vec::new();
                for number in 0..count {
                    let chunk = tree.get(chunks::key(table, key, number))?.ok_or_else(missing)?;
                    value.extend_from_slice(&chunk);
                }
                Ok(value)
            }
            None => Err(missing()),
        }
    }

    fn read<T>(&self, read: impl FnOnce() -> sled::Result<T>) -> Result<T, StoreError> {
        let _guard = self.lock.read().unwrap_or_else(PoisonError::into_inner);
        guarded(read).map_err(|reason| StoreError::Backend {
            path: self.path.clone(),
            reason,
        })
    }

    fn commit(&self, batch: &WriteBatch) -> Result<(), sled::Error> {
        let result = self.opened.trees.as_slice().transaction(|trees| {
            let (tables, chunks) = trees.split_at(Table::ALL.len());
            for (table, key, value) in &batch.changes {
                change(&tables[*table as usize], &chunks[0], *table, key, value.as_deref())?;
            }
            Ok(())
        });
        match result {
            Ok(()) => {}
            Err(TransactionError::Storage(error)) => return Err(error),
            Err(TransactionError::Abort(reason)) => return Err(sled::Error::Unsupported(reason.to_owned())),
        }
        self.opened.database.flush()?;
        Ok(self.opened.log.sync_all()?)
    }

    /// Allocates the room that the batch may take at the log's end.
    fn allocate(&self, batch: &WriteBatch) -> Result<(), StoreError> {
        let folder = |source| StoreError::Folder {
            path: self.path.join(LOG),
            source,
        };
        let length = self.opened.log.metadata().map_err(folder)?.len();
        let needed = MARGIN_BYTES.saturating_add(batch.bytes().saturating_mul(4));
        match rustix::fs::fallocate(&self.opened.log, FallocateFlags::KEEP_SIZE, length, needed) {
            // Some file systems cannot; the check of the free space has to do.
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
            Err(Errno::NOSPC | Errno::DQUOT) => Err(StoreError::Full {
                path: self.path.clone(),
                free: 0,
                needed,
            }),
            Err(error) => Err(folder(error.into())),
        }
    }
}

impl Store for SledStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(|| {
            let head = self.tree(table).get(key)?;
            head.map(|head| self.value(table, key, &head)).transpose()
        })
    }

    fn write(&self, batch: WriteBatch) -> Result<(), StoreError> {
        let _guard = self.lock.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(reason) = self.failed.get() {
            return Err(StoreError::Failed {
                path: self.path.clone(),
                reason: reason.clone(),
            });
        }
        if batch.is_empty() {
            return Ok(());
        }
        check_space(&self.path, &self.options, &batch)?;
        self.allocate(&batch)?;
        guarded(|| self.commit(&batch)).map_err(|reason| {
            let _ = self.failed.set(reason.clone());
            // Never closed: closing waits for writes that may have failed.
            std::mem::forget(Arc::clone(&self.opened));
            StoreError::Backend {
                path: self.path.clone(),
                reason,
            }
        })
    }

    fn scan(&self, scan: &Scan) -> Result<Vec<Entry>, StoreError> {
        let Some(bounds) = scan.bounds() else {
            return Ok(Vec::new());
        };
        self.read(|| {
            let range = self.tree(scan.table).range::<Vec<u8>, _>(bounds);
            let entry = |(key, head): (IVec, IVec)| Ok((key.to_vec(), self.value(scan.table, &key, &head)?));
            let entries = range.map(|found| found.and_then(entry));
            if scan.descending {
                scan.take(entries.rev())
            } else {
                scan.take(entries)
            }
        })
    }
}

/// Changes one key, within a transaction.
fn change(
    tree: &TransactionalTree,
    chunks: &TransactionalTree,
    table: Table,
    key: &[u8],
    value: Option<&[u8]>,
) -> Result<(), ConflictableTransactionError<&'static str>> {
    let too_long = ConflictableTransactionError::Abort("the value is longer than 16 TiB");
    let (old, new) = match value {
        Some(value) => {
            let head = Head::of(value).ok_or(too_long)?;
            (tree.insert(key, head.encode())?, value)
        }
        None => (tree.remove(key)?, &[][..]),
    };
    let new_count = match Head::of(new) {
        Some(Head::Cut(count)) => count,
        _ => 0,
    };
    for (number, chunk) in (0..new_count).zip(new.chunks(chunks::BYTES)) {
        chunks.insert(chunks::key(table, key, number), chunk)?;
    }
    if let Some(Head::Cut(old_count)) = old.as_deref().and_then(Head::decode) {
        for number in new_count..old_count {
            chunks.remove(chunks::key(table, key, number))?;
        }
    }
    Ok(())
}

fn missing() -> sled::Error {
    sled::Error::ReportableBug("an entry's chunks are not there".to_owned())
}

// OPENING AND REPAIR
// ================================================================================================================

/// Why sled did not open.
enum OpenError {
    Locked,
    Io(io::Error),
    Damage(String),
}

fn open_trees(path: &Path, options: &Options) -> Result<Opened, OpenError> {
    let open = || {
        let database = Config::new()
            .path(path)
            .cache_capacity(options.cache_bytes)
            .mode(Mode::LowSpace)
            .open()?;
        let names = Table::ALL.iter().map(|table| table.name());
        let trees = names
            .chain([CHUNKS])
            .map(|name| database.open_tree(name))
            .collect::<sled::Result<Vec<Tree>>>()?;
        let log = File::options().read(true).write(true).open(path.join(LOG))?;
        Ok(Opened { database, trees, log })
    };
    match catch_unwind(AssertUnwindSafe(open)) {
        Ok(Ok(opened)) => Ok(opened),
        Ok(Err(sled::Error::Io(error))) => Err(match error.kind() {
            // sled wraps the lock's error in a text.
            io::ErrorKind::Other if error.to_string().contains("could not acquire lock") => OpenError::Locked,
            io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => OpenError::Damage(error.to_string()),
            _ => OpenError::Io(error),
        }),
        Ok(Err(error)) => Err(OpenError::Damage(error.to_string())),
        Err(panic) => Err(OpenError::Damage(panic_text(&*panic))),
    }
}

fn repair(path: &Path, options: &Options, reason: &str) -> Result<Opened, StoreError> {
    let damaged = |reason: String, copy: Option<PathBuf>| StoreError::Damaged {
        path: path.to_owned(),
        reason,
        copy,
    };
    let folder = |source| StoreError::Folder {
        path: path.to_owned(),
        source,
    };
    let snapshots = snapshots(path).map_err(folder)?;
    if snapshots.is_empty() {
        return Err(damaged(reason.to_owned(), None));
    }
    let copy = free_name(path);
    copy_folder(path, &copy).map_err(folder)?;
    warn!(store = %path.display(), copy = %copy.display(), reason, "removing the store's snapshots, which do not open");
    for snapshot in snapshots {
        fs::remove_file(snapshot).map_err(folder)?;
    }
    open_trees(path, options).map_err(|error| match error {
        OpenError::Locked => StoreError::Locked { path: path.to_owned() },
        OpenError::Io(source) => folder(source),
        OpenError::Damage(reason) => damaged(reason, Some(copy)),
    })
}

fn snapshots(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(SNAPSHOT_PREFIX) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// A neighbour of `path` that does not exist.
fn free_name(path: &Path) -> PathBuf {
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    (1u32..)
        .map(|number| path.with_file_name(format!("{name}.damaged-{number}")))
        .find(|path| !path.exists())
        .unwrap_or_else(|| path.with_file_name(format!("{name}.damaged")))
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

// PANICS
// ================================================================================================================

/// Runs a call of sled's; its errors and its panics both come back as text.
fn guarded<T>(call: impl FnOnce() -> sled::Result<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(panic) => Err(panic_text(&*panic)),
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    format!("sled panicked: {}", text.unwrap_or("no message"))
}
