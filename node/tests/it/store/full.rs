//! A full disk, a real one: a small tmpfs in a mount namespace of its own, which ends with the process.

use std::fs;
use std::path::Path;
use std::process::Command;

use starling_node::store::{self, Backend, Options, Scan, StoreError, Table, WriteBatch};

/// Says what the child process does: `backend:reserve:folder`.
const CHILD: &str = "STARLING_TEST_FULL_DISK";

const DISK_BYTES: u64 = 24 << 20;

fn batch(number: u64) -> WriteBatch {
    let mut batch = WriteBatch::default();
    batch.put(Table::Batches, store::number_key(number), vec![number as u8; 100_000]);
    batch.put(Table::Meta, b"head", store::number_key(number));
    batch
}

/// Writes until the disk is full, then again after room was made.
fn fill(folder: &Path, backend: Backend, reserve_bytes: u64) {
    let options = Options {
        reserve_bytes,
        ..Options::default()
    };
    // Room that is made later.
    let ballast = folder.join("ballast");
    fs::write(&ballast, vec![1; 8 << 20]).unwrap();
    let data = folder.join("data");
    let store = store::open(&data, backend, &options).unwrap();
    let mut acknowledged = 0;
    let error = loop {
        match store.write(batch(acknowledged + 1)) {
            Ok(()) => acknowledged += 1,
            Err(error) => break error,
        }
    };
    assert!(acknowledged > 5, "{acknowledged} batches fit");
    let whole = |store: &dyn store::Store, acknowledged: u64| {
        let entries = store.scan(&Scan::all(Table::Batches)).unwrap();
        let head = store.get(Table::Meta, b"head").unwrap().unwrap();
        assert_eq!(entries.len() as u64, store::number_of(&head).unwrap());
        assert!(entries.iter().all(|(_, value)| value.len() == 100_000));
        assert!(
            entries.len() as u64 >= acknowledged,
            "{backend}: {acknowledged} were acknowledged"
        );
        entries.len() as u64
    };
    let mut store = store;
    // sled's room is allocated before it writes; redb meets the end of the disk itself.
    if reserve_bytes > 0 || backend == Backend::Sled {
        assert!(matches!(error, StoreError::Full { .. }), "{error}");
        assert_eq!(whole(&*store, acknowledged), acknowledged);
        fs::remove_file(&ballast).unwrap();
    } else {
        assert!(matches!(error, StoreError::Backend { .. }), "{error}");
        let again = store.write(batch(acknowledged + 1)).unwrap_err();
        assert!(matches!(again, StoreError::Failed { .. }), "{again}");
        fs::remove_file(&ballast).unwrap();
        drop(store);
        store = store::open(&data, backend, &options).unwrap();
    }
    // The batch that failed may have reached the disk whole, or not at all.
    let there = whole(&*store, acknowledged);
    assert!(there <= acknowledged + 1);
    for number in there + 1..there + 11 {
        store.write(batch(number)).unwrap();
    }
    assert_eq!(whole(&*store, there + 10), there + 10);
}

/// As a test by itself it fills an ordinary folder up to a reserve that is almost all of the disk; as the child process of
/// the tests below it fills a disk of 24 MiB.
#[test]
fn filler() {
    if let Ok(child) = std::env::var(CHILD) {
        let mut parts = child.splitn(3, ':');
        let mut next = || parts.next().expect("backend:reserve:folder");
        let (backend, reserve, folder) = (next(), next(), next());
        fill(Path::new(folder), backend.parse().unwrap(), reserve.parse().unwrap());
        return;
    }
    for backend in Backend::ALL {
        let folder = tempfile::tempdir().unwrap();
        let options = Options {
            reserve_bytes: u64::MAX,
            ..Options::default()
        };
        let error = store::open(folder.path(), backend, &options).unwrap_err();
        assert!(matches!(error, StoreError::Full { .. }), "{error}");
    }
}

fn on_a_small_disk(backend: Backend, reserve: u64) {
    let folder = tempfile::tempdir().unwrap();
    let script = format!("mount -t tmpfs -o size={DISK_BYTES} tmpfs \"$1\" && shift && exec \"$@\"");
    // Root mounts in a mount namespace; others need a user namespace as well.
    let namespaces = if rustix::process::geteuid().is_root() {
        "-m"
    } else {
        "-Urm"
    };
    let output = Command::new("unshare")
        .args([namespaces, "sh", "-c", &script, "sh"])
        .arg(folder.path())
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "store::full::filler", "--nocapture"])
        .env(CHILD, format!("{backend}:{reserve}:{}", folder.path().display()))
        .output()
        .expect("this test needs util-linux's unshare");
    assert!(
        output.status.success(),
        "{}{}\nthis test mounts a tmpfs: it needs root or user namespaces",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        0,
        "the disk was the child's own"
    );
}

#[test]
fn sled_stops_before_the_disk_is_full() {
    on_a_small_disk(Backend::Sled, 4 << 20);
}

#[test]
fn redb_stops_before_the_disk_is_full() {
    on_a_small_disk(Backend::Redb, 4 << 20);
}

#[test]
fn sled_survives_a_full_disk() {
    on_a_small_disk(Backend::Sled, 0);
}

#[test]
fn redb_survives_a_full_disk() {
    on_a_small_disk(Backend::Redb, 0);
}
