//! An operator never signs two headers of one place.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use starling_node::operator::signing::{Signer, SigningError};
use starling_node::store::{self, Backend};
use starling_rollup::address::L1Address;
use starling_rollup::block_header::BlockHeader;
use starling_rollup::l1_key::L1Key;
use starling_rollup::transaction::RollupId;

const ROLLUP: RollupId = RollupId {
    chain_id: 1,
    contract: L1Address([9; 20]),
};

fn signer(folder: &Path, backend: Backend) -> Signer {
    let store = store::open(folder, backend, &store::Options::default()).unwrap();
    Signer::new(Arc::from(store), ROLLUP, L1Key::from_bytes(&[7; 32]).unwrap())
}

fn header(slot: u64, batch: u64, index: u32, state: u8) -> BlockHeader {
    BlockHeader {
        slot,
        batch,
        index,
        parent: [1; 32],
        operations: [2; 32],
        state: [state; 32],
    }
}

#[test]
fn one_header_a_place_and_slots_in_order() {
    for backend in [Backend::Sled, Backend::Redb] {
        let folder = tempfile::tempdir().unwrap();
        let first = {
            let signer = signer(folder.path(), backend);
            let first = signer.sign(header(5, 1, 0, 1)).unwrap();
            assert_eq!(first, signer.sign(header(5, 1, 0, 1)).unwrap());
            assert_eq!(
                first.signer(&ROLLUP).unwrap(),
                L1Key::from_bytes(&[7; 32]).unwrap().address()
            );
            signer.sign(header(5, 1, 1, 1)).unwrap();
            // A reorganisation of L1 makes this operator build again on something else: not at a height that it has signed.
            let contradiction = signer.sign(header(5, 1, 1, 2));
            assert!(matches!(
                contradiction,
                Err(SigningError::Contradiction { index: 1, .. })
            ));
            signer.sign(header(5, 2, 0, 2)).unwrap();
            first
        };
        // A restart forgets nothing.
        let signer = signer(folder.path(), backend);
        assert_eq!(first, signer.sign(header(5, 1, 0, 1)).unwrap());
        let contradiction = signer.sign(header(5, 1, 0, 3)).unwrap_err();
        assert!(
            contradiction.to_string().contains("nothing is signed"),
            "{contradiction}"
        );
        signer.sign(header(6, 1, 0, 3)).unwrap();
        // What was not signed while its slot lasted is not signed any more: another copy may have.
        let over = signer.sign(header(5, 1, 2, 1));
        assert!(matches!(over, Err(SigningError::Over { slot: 5, newest: 6 })));
    }
}

#[test]
fn a_second_copy_cannot_open_the_record() {
    for backend in [Backend::Sled, Backend::Redb] {
        let folder = tempfile::tempdir().unwrap();
        let _first = signer(folder.path(), backend);
        let second = store::open(folder.path(), backend, &store::Options::default());
        assert!(second.is_err());
    }
}

/// What a process has said it signed is on record, at whatever point it is killed.
#[test]
fn a_killed_signer_remembers() {
    const FOLDER: &str = "STARLING_TEST_SIGNER";
    if let Some(folder) = std::env::var_os(FOLDER) {
        // The process that is to be killed: signs, then tells.
        let signer = signer(Path::new(&folder), Backend::Sled);
        for slot in 0.. {
            signer.sign(header(slot, slot, 0, 1)).unwrap();
            writeln!(std::io::stdout(), "signed {slot}").unwrap();
            std::io::stdout().flush().unwrap();
        }
    }
    for lines in [1, 7, 30] {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "signing::a_killed_signer_remembers", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut told = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok);
        let mut last = None;
        let number = |line: String| line.rsplit_once("signed ")?.1.parse::<u64>().ok();
        while last.is_none_or(|last| last + 1 < lines) {
            last = number(told.next().expect("it signs until it is killed")).or(last);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        last = told.filter_map(number).last().or(last);
        let signer = signer(folder.path(), Backend::Sled);
        for slot in 0..=last.unwrap() {
            let other = signer.sign(header(slot, slot, 0, 2));
            assert!(matches!(other, Err(SigningError::Contradiction { .. })), "slot {slot}");
        }
    }
}
