//! A store does what a map does.

use std::collections::BTreeMap;

use proptest::prelude::*;
use starling_node::store::{self, Backend, Options, Scan, Store, Table, WriteBatch};

type Model = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

fn tables() -> impl Strategy<Value = Table> {
    prop_oneof![Just(Table::Meta), Just(Table::Batches), Just(Table::Pool)]
}

/// Short keys over three letters, 0xff among them, so that prefixes and neighbours are common.
fn keys() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(prop_oneof![Just(0u8), Just(7), Just(0xff)], 0..4)
}

type Changes = Vec<(Table, Vec<u8>, Option<Vec<u8>>)>;

/// Mostly short values; some that sled keeps in chunks.
fn batches() -> impl Strategy<Value = Changes> {
    let short = proptest::collection::vec(any::<u8>(), 0..40);
    let long = (4_000..30_000usize, any::<u8>()).prop_map(|(length, byte)| vec![byte; length]);
    let value = proptest::option::weighted(0.7, prop_oneof![4 => short, 1 => long]);
    proptest::collection::vec((tables(), keys(), value), 0..12)
}

fn scans() -> impl Strategy<Value = Scan> {
    (
        tables(),
        keys(),
        proptest::option::of(keys()),
        any::<bool>(),
        prop_oneof![0..5usize, Just(usize::MAX)],
    )
        .prop_map(|(table, prefix, after, descending, limit)| Scan {
            table,
            prefix,
            after,
            descending,
            limit,
        })
}

fn expected(model: &Model, scan: &Scan) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut entries: Vec<_> = model
        .iter()
        .filter(|((table, key), _)| *table == scan.table && key.starts_with(&scan.prefix))
        .map(|((_, key), value)| (key.clone(), value.clone()))
        .collect();
    if scan.descending {
        entries.reverse();
    }
    if let Some(after) = &scan.after {
        entries.retain(|(key, _)| if scan.descending { key < after } else { key > after });
    }
    entries.truncate(scan.limit);
    entries
}

fn check(store: &dyn Store, model: &Model, scans: &[Scan]) {
    for scan in scans {
        assert_eq!(store.scan(scan).unwrap(), expected(model, scan), "{scan:?}");
    }
    for ((table, key), value) in model {
        // The store's own version stands in the table of single values; the model knows nothing of it.
        assert_eq!(store.get(*table, key).unwrap().as_ref(), Some(value));
    }
    assert_eq!(store.get(Table::Signed, b"nothing").unwrap(), None);
}

fn run(backend: Backend, rounds: &[(Changes, bool)], scans: &[Scan]) {
    let folder = tempfile::tempdir().unwrap();
    let open = || store::open(folder.path(), backend, &Options::default()).unwrap();
    let mut store = open();
    let mut model = Model::new();
    model.insert((Table::Meta, b"format".to_vec()), store::FORMAT.to_vec());
    for (changes, reopen) in rounds {
        let mut batch = WriteBatch::default();
        for (table, key, value) in changes {
            match value {
                Some(value) => {
                    batch.put(*table, key, value);
                    model.insert((*table, key.clone()), value.clone());
                }
                None => {
                    batch.delete(*table, key);
                    model.remove(&(*table, key.clone()));
                }
            }
        }
        store.write(batch).unwrap();
        check(&*store, &model, scans);
        if *reopen {
            drop(store);
            store = open();
            check(&*store, &model, scans);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn sled_is_a_map(
        rounds in proptest::collection::vec((batches(), proptest::bool::weighted(0.2)), 1..6),
        scans in proptest::collection::vec(scans(), 1..12),
    ) {
        run(Backend::Sled, &rounds, &scans);
    }

    #[test]
    fn redb_is_a_map(
        rounds in proptest::collection::vec((batches(), proptest::bool::weighted(0.2)), 1..6),
        scans in proptest::collection::vec(scans(), 1..12),
    ) {
        run(Backend::Redb, &rounds, &scans);
    }
}

#[test]
fn tables_sort_by_number_and_page() {
    for backend in Backend::ALL {
        let folder = tempfile::tempdir().unwrap();
        let store = store::open(folder.path(), backend, &Options::default()).unwrap();
        let mut batch = WriteBatch::default();
        for number in [1u64, 255, 256, 65_536, u64::MAX] {
            batch.put(Table::Batches, store::number_key(number), number.to_string());
        }
        store.write(batch).unwrap();
        let mut numbers = Vec::new();
        let mut scan = Scan::all(Table::Batches).limit(2);
        loop {
            let page = store.scan(&scan).unwrap();
            let Some((last, _)) = page.last() else { break };
            scan = scan.after(last);
            numbers.extend(page.iter().filter_map(|(key, _)| store::number_of(key)));
        }
        assert_eq!(numbers, [1, 255, 256, 65_536, u64::MAX]);
        let last = store.scan(&Scan::last(Table::Batches)).unwrap();
        assert_eq!(store::number_of(&last[0].0), Some(u64::MAX));
    }
}

#[test]
fn readers_never_see_half_a_batch() {
    for backend in Backend::ALL {
        let folder = tempfile::tempdir().unwrap();
        let store = store::open(folder.path(), backend, &Options::default()).unwrap();
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for round in 0u64..60 {
                    let mut batch = WriteBatch::default();
                    for key in 0u8..20 {
                        batch.put(Table::Accounts, [key], store::number_key(round));
                    }
                    store.write(batch).unwrap();
                }
            });
            while !writer.is_finished() {
                let seen = store.scan(&Scan::all(Table::Accounts)).unwrap();
                assert!(seen.is_empty() || seen.len() == 20);
                assert!(seen.windows(2).all(|pair| pair[0].1 == pair[1].1));
            }
        });
    }
}
