//! sled's weak spots: torn snapshots are copied and repaired, and no value becomes a file that is not synced.

use std::fs;
use std::path::{Path, PathBuf};

use starling_node::store::{self, Backend, Options, Scan, Store, StoreError, Table, WriteBatch};

const KEYS: u64 = 3_000;

fn open(folder: &Path) -> Result<Box<dyn Store>, StoreError> {
    store::open(folder, Backend::Sled, &Options::default())
}

/// A store that was opened twice, so that it has a snapshot.
fn filled(folder: &Path) {
    for round in 0..3 {
        let store = open(folder).unwrap();
        for chunk in 0..KEYS / 500 {
            let mut batch = WriteBatch::default();
            for number in chunk * 500..(chunk + 1) * 500 {
                batch.put(Table::Batches, store::number_key(number), vec![round; 100]);
            }
            store.write(batch).unwrap();
        }
    }
}

fn snapshots(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.join("sled")).unwrap();
    let mut found: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("snap."))
        .collect();
    found.sort();
    found
}

fn expect_all(folder: &Path) {
    let store = open(folder).unwrap();
    let entries = store.scan(&Scan::all(Table::Batches)).unwrap();
    assert_eq!(entries.len() as u64, KEYS);
    assert!(entries.iter().all(|(_, value)| *value == [2; 100]));
}

/// Runs the store over a damage and expects everything back, and the damaged files in a copy.
fn repaired(damage: impl Fn(&Path, &[PathBuf])) {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path());
    let snapshots = snapshots(folder.path());
    assert!(!snapshots.is_empty(), "sled wrote no snapshot: this test shows nothing");
    damage(&folder.path().join("sled"), &snapshots);
    expect_all(folder.path());
    assert!(folder.path().join("sled.damaged-1/db").exists());
    // Once is enough.
    expect_all(folder.path());
    assert!(!folder.path().join("sled.damaged-2").exists());
}

#[test]
fn an_empty_snapshot() {
    repaired(|_, snapshots| fs::write(snapshots.last().unwrap(), b"").unwrap());
}

#[test]
fn a_cut_snapshot() {
    repaired(|_, snapshots| {
        let path = snapshots.last().unwrap();
        let bytes = fs::read(path).unwrap();
        fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
    });
}

#[test]
fn a_snapshot_that_was_being_written() {
    repaired(|folder, snapshots| {
        let bytes = fs::read(snapshots.last().unwrap()).unwrap();
        fs::write(
            folder.join("snap.7FFFFFFFFFFFFFFF.generating"),
            &bytes[..bytes.len() - 1],
        )
        .unwrap();
    });
}

#[test]
fn a_lock_is_no_damage() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path());
    let store = open(folder.path()).unwrap();
    let before = snapshots(folder.path());
    assert!(matches!(open(folder.path()), Err(StoreError::Locked { .. })));
    assert_eq!(snapshots(folder.path()), before);
    assert!(!folder.path().join("sled.damaged-1").exists());
    drop(store);
}

/// sled writes a long page to a file that it never syncs.
#[test]
fn no_page_becomes_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    for number in 0..60 {
        let mut batch = WriteBatch::default();
        batch.put(Table::Proofs, store::number_key(number), vec![number as u8; 150_000]);
        batch.put(Table::Batches, store::number_key(number), vec![number as u8; 4_096]);
        store.write(batch).unwrap();
    }
    assert_eq!(store.scan(&Scan::all(Table::Proofs)).unwrap().len(), 60);
    assert_eq!(fs::read_dir(folder.path().join("sled/blobs")).unwrap().count(), 0);
}
