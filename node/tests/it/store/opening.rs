//! Who may open a store.

use starling_node::store::{self, Backend, Options, StoreError, Table, WriteBatch};

#[test]
fn a_second_opener_is_told_that_it_is_locked() {
    for backend in Backend::ALL {
        let folder = tempfile::tempdir().unwrap();
        let first = store::open(folder.path(), backend, &Options::default()).unwrap();
        let error = store::open(folder.path(), backend, &Options::default()).unwrap_err();
        assert!(matches!(error, StoreError::Locked { .. }), "{backend}: {error}");
        drop(first);
        store::open(folder.path(), backend, &Options::default()).unwrap();
    }
}

#[test]
fn the_other_backends_store_is_not_shadowed() {
    for (made, wanted) in [(Backend::Sled, Backend::Redb), (Backend::Redb, Backend::Sled)] {
        let folder = tempfile::tempdir().unwrap();
        drop(store::open(folder.path(), made, &Options::default()).unwrap());
        let error = store::open(folder.path(), wanted, &Options::default()).unwrap_err();
        assert!(
            error.to_string().contains(&format!("store.backend = \"{made}\"")),
            "{error}"
        );
    }
}

#[test]
fn another_version_is_refused() {
    for backend in Backend::ALL {
        let folder = tempfile::tempdir().unwrap();
        let store = store::open(folder.path(), backend, &Options::default()).unwrap();
        let mut batch = WriteBatch::default();
        batch.put(Table::Meta, b"format", b"99");
        store.write(batch).unwrap();
        drop(store);
        let error = store::open(folder.path(), backend, &Options::default()).unwrap_err();
        assert!(
            matches!(&error, StoreError::Format { found, .. } if found == "99"),
            "{error}"
        );
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, b"in the way").unwrap();
    for backend in Backend::ALL {
        let error = store::open(&file.join("data"), backend, &Options::default()).unwrap_err();
        assert!(error.to_string().contains("file/data"), "{error}");
    }
}

#[test]
fn damaged_files_are_an_error() {
    for backend in Backend::ALL {
        let folder = tempfile::tempdir().unwrap();
        let store = store::open(folder.path(), backend, &Options::default()).unwrap();
        let mut batch = WriteBatch::default();
        batch.put(Table::Batches, b"key", vec![7; 100_000]);
        store.write(batch).unwrap();
        drop(store);
        let file = match backend {
            Backend::Sled => "sled/conf",
            Backend::Redb => "redb/store.redb",
        };
        std::fs::write(folder.path().join(file), vec![0x5a; 8_000]).unwrap();
        let error = store::open(folder.path(), backend, &Options::default()).unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "{backend}: {error:?}");
        assert!(error.to_string().contains("rebuild from L1"), "{error}");
    }
}
