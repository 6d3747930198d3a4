//! What a node keeps on disk, behind one narrow trait.
//!
//! A [Store] has a few [Table]s of ordered keys. All changes go through one [WriteBatch], which is applied whole or not at
//! all, over all tables, and is on disk when [Store::write] returns. Two backends stand behind it, under the same tests:
//! [sled_store] (the default) and [redb_store].
//!
//! ```
//! use starling_node::store::{self, Backend, Options, Scan, Table, WriteBatch};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! let store = store::open(&folder.path().join("data"), Backend::Sled, &Options::default())?;
//! let mut batch = WriteBatch::default();
//! batch.put(Table::Batches, store::number_key(1), b"first");
//! batch.put(Table::Meta, b"head", store::number_key(1));
//! store.write(batch)?;
//! assert_eq!(store.scan(&Scan::all(Table::Batches))?.len(), 1);
//! # Ok(())
//! # }
//! ```

use std::fmt;
use std::fs;
use std::ops::Bound::{self, Excluded, Included, Unbounded};
use std::path::Path;
use std::str::FromStr;

mod chunks;
mod error;
mod redb_store;
mod sled_store;

pub use error::StoreError;
pub use redb_store::RedbStore;
pub use sled_store::SledStore;

/// Version of what the tables hold. A store of another version is not opened.
pub const FORMAT: &[u8] = b"4";

/// Where the version stands, in [Table::Meta].
const FORMAT_KEY: &[u8] = b"format";

// TABLES
// ================================================================================================================

/// A table. Numbers in keys are eight big-endian bytes ([number_key]), so that keys sort as numbers do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    /// Single values by name: the store's format, the rollup's identity, heads.
    Meta,
    /// Sealed batches by number.
    Batches,
    /// Signed blocks, by batch number and the block's number in it (four big-endian bytes).
    Blocks,
    /// Proofs, by the numbers of the last and of the first batch they cover.
    Proofs,
    /// Transaction id: batch number and place in it.
    Transactions,
    /// The pool's transactions by id, so that a restart loses none.
    Pool,
    /// Account index (four big-endian bytes): the account.
    Accounts,
    /// Signed headers that were seen for slots of which evidence is still taken, by slot, batch, index and hash.
    Headers,
    /// What this operator has signed, by (slot, height), written before it is sent.
    Signed,
    /// What became of accepted transactions that no batch has, by id.
    Fates,
}

impl Table {
    /// All tables.
    pub const ALL: [Self; 10] = [
        Self::Meta,
        Self::Batches,
        Self::Blocks,
        Self::Proofs,
        Self::Transactions,
        Self::Pool,
        Self::Accounts,
        Self::Headers,
        Self::Signed,
        Self::Fates,
    ];

    /// The table's name on disk.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Batches => "batches",
            Self::Blocks => "blocks",
            Self::Proofs => "proofs",
            Self::Transactions => "transactions",
            Self::Pool => "pool",
            Self::Accounts => "accounts",
            Self::Headers => "headers",
            Self::Signed => "signed",
            Self::Fates => "fates",
        }
    }
}

/// The key of a number.
pub fn number_key(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}

/// The number of a key that [number_key] made.
pub fn number_of(key: &[u8]) -> Option<u64> {
    key.try_into().ok().map(u64::from_be_bytes)
}

// THE TRAIT
// ================================================================================================================

/// A key and its value.
pub type Entry = (Vec<u8>, Vec<u8>);

/// Where the keys of a scan lie.
type Range = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// A change of one key: its new value, or `None` to delete it.
type Change = (Table, Vec<u8>, Option<Vec<u8>>);

/// Changes that are applied together. Of several changes of one key the last counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteBatch {
    changes: Vec<Change>,
}

impl WriteBatch {
    /// Sets a value.
    pub fn put(&mut self, table: Table, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.changes
            .push((table, key.as_ref().to_vec(), Some(value.as_ref().to_vec())));
    }

    /// Removes a key; nothing happens if there is none.
    pub fn delete(&mut self, table: Table, key: impl AsRef<[u8]>) {
        self.changes.push((table, key.as_ref().to_vec(), None));
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Bytes of all keys and values.
    pub fn bytes(&self) -> u64 {
        let size = |(_, key, value): &Change| (key.len() + value.as_ref().map_or(0, Vec::len)) as u64;
        self.changes.iter().map(size).sum()
    }
}

/// Which entries of a table, and in which order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    /// The table.
    pub table: Table,
    /// Only keys that start with this.
    pub prefix: Vec<u8>,
    /// Only keys past this one (below it, if `descending`): the last key of the page before.
    pub after: Option<Vec<u8>>,
    /// From the highest key down.
    pub descending: bool,
    /// At most so many entries.
    pub limit: usize,
}

impl Scan {
    /// A whole table in ascending order.
    pub fn all(table: Table) -> Self {
        Self {
            table,
            prefix: Vec::new(),
            after: None,
            descending: false,
            limit: usize::MAX,
        }
    }

    /// The entry with the highest key.
    pub fn last(table: Table) -> Self {
        Self {
            descending: true,
            limit: 1,
            ..Self::all(table)
        }
    }

    /// Only keys that start with `prefix`.
    pub fn prefix(mut self, prefix: impl AsRef<[u8]>) -> Self {
        self.prefix = prefix.as_ref().to_vec();
        self
    }

    /// Only keys past `key`.
    pub fn after(mut self, key: impl AsRef<[u8]>) -> Self {
        self.after = Some(key.as_ref().to_vec());
        self
    }

    /// At most `limit` entries.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Takes what belongs to this scan from `entries`, which come in the scan's order, starting where
    /// [Scan::bounds] says.
    fn take<E>(&self, entries: impl Iterator<Item = Result<Entry, E>>) -> Result<Vec<Entry>, E> {
        let mut found = Vec::new();
        for entry in entries {
            let (key, value) = entry?;
            if found.len() == self.limit || !key.starts_with(&self.prefix) {
                break;
            }
            found.push((key, value));
        }
        Ok(found)
    }

    /// Where this scan's keys lie; `None` if there can be none.
    fn bounds(&self) -> Option<Range> {
        let mut low = Included(self.prefix.clone());
        // The least key above all keys with the prefix, if there is one.
        let mut end = self.prefix.clone();
        while end.last() == Some(&u8::MAX) {
            end.pop();
        }
        let mut end = end.split_last().map(|(last, head)| [head, &[last + 1]].concat());
        match &self.after {
            Some(after) if self.descending => end = Some(end.map_or(after.clone(), |end| end.min(after.clone()))),
            Some(after) if *after >= self.prefix => low = Excluded(after.clone()),
            _ => {}
        }
        match (&low, &end) {
            (Included(low) | Excluded(low), Some(end)) if low >= end => None,
            _ => Some((low, end.map_or(Unbounded, Excluded))),
        }
    }
}

/// A store. Every read sees whole batches; two reads may see a batch between them.
pub trait Store: fmt::Debug + Send + Sync {
    /// The value of a key.
    ///
    /// # Errors
    /// When the backend cannot read.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Applies a batch, whole or not at all. It is on disk when this returns.
    ///
    /// # Errors
    /// When the backend cannot write. After [StoreError::Full] the store goes on; after any other error it refuses to
    /// write until it is opened again, because what the backend has in memory may not be what is on disk.
    fn write(&self, batch: WriteBatch) -> Result<(), StoreError>;

    /// Entries in the order of their keys.
    ///
    /// # Errors
    /// When the backend cannot read.
    fn scan(&self, scan: &Scan) -> Result<Vec<Entry>, StoreError>;
}

// OPENING
// ================================================================================================================

/// A backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// sled 0.34.
    Sled,
    /// redb.
    Redb,
}

impl Backend {
    /// All backends.
    pub const ALL: [Self; 2] = [Self::Sled, Self::Redb];

    /// Where the backend keeps its data, below the store's folder.
    const fn place(self) -> &'static str {
        match self {
            Self::Sled => "sled",
            Self::Redb => "redb",
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.place())
    }
}

impl FromStr for Backend {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|backend| backend.place() == text)
            .ok_or_else(|| format!("{text:?} is no backend: sled or redb"))
    }
}

/// Limits of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Bytes of the backend's cache.
    pub cache_bytes: u64,
    /// Bytes that stay free on the disk: a batch that would leave less is refused with [StoreError::Full], and the store
    /// goes on. With 0 redb meets the full disk itself: nothing acknowledged is lost, but the store has to be opened
    /// again.
    pub reserve_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cache_bytes: 64 << 20,
            reserve_bytes: 64 << 20,
        }
    }
}

/// Opens the store in `folder`, or makes a new one.
///
/// # Errors
/// When another process has it open, it is another backend's or another version's, or it cannot be read.
pub fn open(folder: &Path, backend: Backend, options: &Options) -> Result<Box<dyn Store>, StoreError> {
    fs::create_dir_all(folder).map_err(|source| StoreError::Folder {
        path: folder.to_owned(),
        source,
    })?;
    let other = Backend::ALL
        .into_iter()
        .find(|other| *other != backend && folder.join(other.place()).exists());
    if let Some(found) = other {
        return Err(StoreError::OtherBackend {
            path: folder.to_owned(),
            found,
            wanted: backend,
        });
    }
    let place = folder.join(backend.place());
    let store: Box<dyn Store> = match backend {
        Backend::Sled => Box::new(SledStore::open(&place, options)?),
        Backend::Redb => Box::new(RedbStore::open(&place, options)?),
    };
    check_format(&*store, folder)?;
    Ok(store)
}

fn check_format(store: &dyn Store, folder: &Path) -> Result<(), StoreError> {
    match store.get(Table::Meta, FORMAT_KEY)? {
        Some(format) if format == FORMAT => Ok(()),
        Some(found) => Err(StoreError::Format {
            path: folder.to_owned(),
            found: String::from_utf8_lossy(&found).into_owned(),
            wanted: String::from_utf8_lossy(FORMAT).into_owned(),
        }),
        None => {
            let mut batch = WriteBatch::default();
            batch.put(Table::Meta, FORMAT_KEY, FORMAT);
            store.write(batch)
        }
    }
}

/// Refuses a batch that would leave less than the reserve free on the disk of `path`.
fn check_space(path: &Path, options: &Options, batch: &WriteBatch) -> Result<(), StoreError> {
    if options.reserve_bytes == 0 {
        return Ok(());
    }
    let space = rustix::fs::statvfs(path).map_err(|error| StoreError::Folder {
        path: path.to_owned(),
        source: error.into(),
    })?;
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    // The backends write a batch more than once: log and pages, or copied pages.
    let needed = options.reserve_bytes.saturating_add(batch.bytes().saturating_mul(4));
    if free < needed {
        return Err(StoreError::Full {
            path: path.to_owned(),
            free,
            needed,
        });
    }
    Ok(())
}
