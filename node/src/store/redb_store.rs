//! The store on redb: one file, every batch one transaction.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use redb::{Database, DatabaseError, Durability, ReadableDatabase, TableDefinition, TableError};

use super::{Entry, Options, Scan, Store, StoreError, Table, WriteBatch, check_space};

/// The file below the store's folder.
const FILE: &str = "store.redb";

fn definition(table: Table) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
    TableDefinition::new(table.name())
}

/// A store on redb.
#[derive(Debug)]
pub struct RedbStore {
    database: Database,
    path: PathBuf,
    options: Options,
    failed: OnceLock<String>,
}

impl RedbStore {
    /// Opens the store in the folder `path`, or makes a new one.
    ///
    /// # Errors
    /// When another process has it open, or it cannot be read.
    pub fn open(path: &Path, options: &Options) -> Result<Self, StoreError> {
        std::fs::create_dir_all(path).map_err(|source| StoreError::Folder {
            path: path.to_owned(),
            source,
        })?;
        let cache = usize::try_from(options.cache_bytes).unwrap_or(usize::MAX);
        let database = Database::builder()
            .set_cache_size(cache)
            .create(path.join(FILE))
            .map_err(|error| match error {
                DatabaseError::DatabaseAlreadyOpen => StoreError::Locked { path: path.to_owned() },
                DatabaseError::Storage(redb::StorageError::Io(source)) if !is_damage(&source) => StoreError::Folder {
                    path: path.join(FILE),
                    source,
                },
                other => StoreError::Damaged {
                    path: path.to_owned(),
                    reason: other.to_string(),
                    copy: None,
                },
            })?;
        Ok(Self {
            database,
            path: path.to_owned(),
            options: *options,
            failed: OnceLock::new(),
        })
    }

    fn read_error(&self, error: impl Into<redb::Error>) -> StoreError {
        StoreError::Backend {
            path: self.path.clone(),
            reason: error.into().to_string(),
        }
    }

    fn commit(&self, batch: &WriteBatch) -> Result<(), redb::Error> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        for (table, key, value) in &batch.changes {
            let mut table = transaction.open_table(definition(*table))?;
            match value {
                Some(value) => table.insert(key.as_slice(), value.as_slice())?,
                None => table.remove(key.as_slice())?,
            };
        }
        Ok(transaction.commit()?)
    }
}

/// Whether an error of opening is about the file's contents.
fn is_damage(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}

impl Store for RedbStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let transaction = self.database.begin_read().map_err(|error| self.read_error(error))?;
        let table = match transaction.open_table(definition(table)) {
            Ok(table) => table,
            Err(TableError::TableDoesNotExist(_)) => return Ok(None),
            Err(error) => return Err(self.read_error(error)),
        };
        let value = table.get(key).map_err(|error| self.read_error(error))?;
        Ok(value.map(|value| value.value().to_vec()))
    }

    fn write(&self, batch: WriteBatch) -> Result<(), StoreError> {
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
        self.commit(&batch).map_err(|error| {
            let reason = error.to_string();
            let _ = self.failed.set(reason.clone());
            StoreError::Backend {
                path: self.path.clone(),
                reason,
            }
        })
    }

    fn scan(&self, scan: &Scan) -> Result<Vec<Entry>, StoreError> {
        let transaction = self.database.begin_read().map_err(|error| self.read_error(error))?;
        let table = match transaction.open_table(definition(scan.table)) {
            Ok(table) => table,
            Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
            Err(error) => return Err(self.read_error(error)),
        };
        let Some((low, high)) = scan.bounds() else {
            return Ok(Vec::new());
        };
        let bounds = (low.as_ref().map(Vec::as_slice), high.as_ref().map(Vec::as_slice));
        let range = table.range::<&[u8]>(bounds).map_err(|error| self.read_error(error))?;
        let entries = range.map(|entry| entry.map(|(key, value)| (key.value().to_vec(), value.value().to_vec())));
        let found = if scan.descending {
            scan.take(entries.rev())
        } else {
            scan.take(entries)
        };
        found.map_err(|error| self.read_error(error))
    }
}
