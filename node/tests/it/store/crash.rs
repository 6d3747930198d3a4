//! A process that is killed in the middle of its writing loses nothing that was acknowledged, and leaves no half batch.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use starling_node::store::{self, Backend, Options, Scan, Store, Table, WriteBatch};

/// Says which store the child process writes to: `backend:folder`.
const CHILD: &str = "STARLING_TEST_STORE_WRITER";

const ROUNDS: u32 = 12;

/// Bytes of a value: different ones, so that pages split; every seventh is longer than sled's chunks.
fn length(number: u64, salt: u64) -> usize {
    let base = if number.is_multiple_of(7) { 50_000 } else { 0 };
    base + (number * 977 % 3_000) as usize + salt as usize
}

/// Batch number `number`: its entries in four tables, and the head.
fn batch(number: u64) -> WriteBatch {
    let mut batch = WriteBatch::default();
    let value = |salt: u64| vec![(number * 31 + salt) as u8; length(number, salt)];
    batch.put(Table::Batches, store::number_key(number), value(1));
    batch.put(Table::Blocks, store::number_key(number), value(2));
    for place in 0..20u64 {
        let id = blake3::hash(&[store::number_key(number), store::number_key(place)].concat());
        batch.put(Table::Transactions, id.as_bytes(), store::number_key(number));
    }
    // One key that every batch overwrites, and one that it deletes.
    batch.put(Table::Accounts, [0; 4], value(3));
    batch.put(Table::Pool, store::number_key(number), value(4));
    batch.delete(Table::Pool, store::number_key(number.wrapping_sub(1)));
    batch.put(Table::Meta, b"head", store::number_key(number));
    batch
}

fn head(store: &dyn Store) -> u64 {
    let head = store.get(Table::Meta, b"head").unwrap();
    head.map_or(0, |head| store::number_of(&head).unwrap())
}

/// Whether the store holds exactly the batches up to its head.
fn expect_whole(store: &dyn Store) -> u64 {
    let head = head(store);
    for number in 1..=head {
        for (table, salt) in [(Table::Batches, 1), (Table::Blocks, 2)] {
            let value = store.get(table, &store::number_key(number)).unwrap().unwrap();
            assert_eq!(value.len(), length(number, salt), "{table:?} {number}");
        }
    }
    let count = |table| store.scan(&Scan::all(table)).unwrap().len() as u64;
    assert_eq!(count(Table::Batches), head);
    assert_eq!(count(Table::Blocks), head);
    assert_eq!(count(Table::Transactions), 20 * head);
    assert_eq!(count(Table::Pool), u64::from(head > 0));
    head
}

/// Writes batches, and each number to standard output once its batch is acknowledged. As a test by itself it writes a
/// few; as the child process of the tests below it writes until it is killed.
#[test]
fn writer() {
    let (backend, folder, last, own) = match std::env::var(CHILD) {
        Ok(child) => {
            let (backend, folder) = child.split_once(':').expect("backend:folder");
            (backend.parse().unwrap(), folder.to_owned(), u64::MAX, None)
        }
        Err(_) => {
            let own = tempfile::tempdir().unwrap();
            (Backend::Sled, own.path().to_str().unwrap().to_owned(), 20, Some(own))
        }
    };
    let store = store::open(Path::new(&folder), backend, &Options::default()).unwrap();
    let first = head(&*store) + 1;
    for number in first..=last {
        store.write(batch(number)).unwrap();
        if own.is_none() {
            let mut out = std::io::stdout().lock();
            writeln!(out, "\nacknowledged {number}").unwrap();
            out.flush().unwrap();
        }
    }
    assert_eq!(expect_whole(&*store), last);
}

fn killed_while_writing(backend: Backend) {
    let folder = tempfile::tempdir().unwrap();
    let mut least = 0;
    for round in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::crash::writer", "--nocapture"])
            .env(CHILD, format!("{backend}:{}", folder.path().display()))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let acknowledged = lines.map_while(Result::ok).filter_map(|line| {
            let number = line.strip_prefix("acknowledged ")?;
            number.parse::<u64>().ok()
        });
        // Another number of batches every round, so that the kill meets another place in the files.
        let wanted = 3 + (round as usize * 7) % 23;
        let mut seen = 0;
        let mut all = acknowledged.inspect(|number| least = least.max(*number));
        for _ in all.by_ref().take(wanted) {
            seen += 1;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What was in the pipe when it died was acknowledged, too.
        all.for_each(drop);
        assert_eq!(seen, wanted, "the writer ended by itself");
        let store = store::open(folder.path(), backend, &Options::default()).unwrap();
        let head = expect_whole(&*store);
        assert!(head >= least, "{backend}: {least} was acknowledged, {head} is there");
        assert!(head <= least + 1, "{backend}: one batch at most was under way");
    }
}

#[test]
fn sled_survives_kill() {
    killed_while_writing(Backend::Sled);
}

#[test]
fn redb_survives_kill() {
    killed_while_writing(Backend::Redb);
}
