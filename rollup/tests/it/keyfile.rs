//! Key files: what opens them, and what is said when nothing does.

use std::fs;
use std::sync::LazyLock;

use starling_rollup::address::L1Address;
use starling_rollup::keyfile::{Cost, Holder, KeyFile, KeyFileError};
use starling_rollup::l1_key::L1Key;
use starling_vm::schnorr::SecretKey;

const OWNER: L1Address = L1Address([0x11; 20]);
const PASSWORD: &str = "correct horse battery staple";

fn key() -> SecretKey {
    SecretKey::derive(b"key files")
}

/// One file for the tests that only read it.
static SEALED: LazyLock<KeyFile> =
    LazyLock::new(|| KeyFile::seal_account(&key(), OWNER, PASSWORD, Cost::MINIMUM).expect("can be sealed"));

#[test]
fn an_accounts_key_comes_back() {
    let file = KeyFile::from_json(&SEALED.to_json()).unwrap();
    assert_eq!(file, *SEALED);
    let (opened, owner) = file.open_account(PASSWORD).unwrap();
    assert_eq!(*opened.to_bytes(), *key().to_bytes());
    assert_eq!(owner, OWNER);
    assert!(matches!(file.open_l1(PASSWORD), Err(KeyFileError::Kind { .. })));
}

#[test]
fn an_l1_key_comes_back() {
    let key = L1Key::from_bytes(&[9; 32]).unwrap();
    let file = KeyFile::seal_l1(&key, PASSWORD, Cost::MINIMUM).unwrap();
    let file = KeyFile::from_json(&file.to_json()).unwrap();
    assert_eq!(file.holder(), Holder::L1(key.address()));
    assert_eq!(*file.open_l1(PASSWORD).unwrap().to_bytes(), *key.to_bytes());
    assert!(matches!(file.open_account(PASSWORD), Err(KeyFileError::Kind { .. })));
}

#[test]
fn a_wrong_password_is_not_damage() {
    for password in ["", "Correct horse battery staple", "correct horse battery staple "] {
        let error = SEALED.open_account(password).unwrap_err();
        assert!(matches!(error, KeyFileError::WrongPassword), "{error}");
    }
}

#[test]
fn damage_is_not_a_wrong_password() {
    let text = SEALED.to_json();
    let mut told = 0;
    for at in 0..text.len() {
        // A digit or a letter that a bit of the disk turned into another.
        let mut bytes = text.clone().into_bytes();
        bytes[at] ^= 1;
        let Ok(changed) = String::from_utf8(bytes) else {
            continue;
        };
        match KeyFile::from_json(&changed) {
            Err(KeyFileError::Damaged) => told += 1,
            Err(KeyFileError::Format(_) | KeyFileError::Version { .. } | KeyFileError::Cost { .. }) => {}
            Err(error) => panic!("{error}"),
            // White space may change.
            Ok(file) => assert_eq!(file, *SEALED),
        }
    }
    assert!(told > 300, "{told} changes were told to be damage");
    for length in 0..text.len() - 2 {
        assert!(KeyFile::from_json(&text[..length]).is_err());
    }
}

#[test]
fn no_secret_is_in_the_file() {
    let text = SEALED.to_json();
    let secret: String = key().to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(!text.contains(&secret[..16]));
    let again = KeyFile::seal_account(&key(), OWNER, PASSWORD, Cost::MINIMUM).unwrap();
    assert_ne!(text, again.to_json(), "salt and nonce are new every time");
}

#[test]
fn the_cost_is_bounded() {
    let low = Cost {
        memory_kib: 1 << 10,
        ..Cost::MINIMUM
    };
    let error = KeyFile::seal_account(&key(), OWNER, PASSWORD, low).unwrap_err();
    assert!(
        matches!(
            error,
            KeyFileError::Cost {
                field: "memory_kib",
                ..
            }
        ),
        "{error}"
    );
    // A file from elsewhere that wants 4 TiB: its author can make the checksum fit, but does not get the memory.
    let huge = SEALED
        .to_json()
        .replace("\"memory_kib\": 8192", "\"memory_kib\": 4294967295");
    let error = KeyFile::from_json(&with_checksum(&huge)).unwrap_err();
    assert!(matches!(error, KeyFileError::Cost { found: u32::MAX, .. }), "{error}");
}

/// Mends the checksum, as `specs/node.md` defines it.
fn with_checksum(text: &str) -> String {
    let mut value: serde_json::Value = serde_json::from_str(text).unwrap();
    let mut hasher = blake3::Hasher::new_derive_key("starling 2026 key file checksum");
    let number = |value: &serde_json::Value| value.as_u64().unwrap() as u32;
    let cost = &value["cost"];
    for number in [
        number(&value["version"]),
        number(&cost["memory_kib"]),
        number(&cost["iterations"]),
        number(&cost["lanes"]),
    ] {
        hasher.update(&number.to_le_bytes());
    }
    for field in ["kind", "address", "owner", "kdf", "salt", "cipher", "nonce", "secret"] {
        let text = value[field].as_str().unwrap_or_default();
        hasher
            .update(&(text.len() as u64).to_le_bytes())
            .update(text.as_bytes());
    }
    value["checksum"] = hasher.finalize().to_hex().to_string().into();
    value.to_string()
}

#[test]
fn what_is_bound_to_the_secret_cannot_be_changed() {
    let other = KeyFile::seal_account(&SecretKey::derive(b"other"), OWNER, PASSWORD, Cost::MINIMUM).unwrap();
    let value = |file: &KeyFile| serde_json::from_str::<serde_json::Value>(&file.to_json()).unwrap();
    let mut mixed = value(&SEALED);
    mixed["address"] = value(&other)["address"].clone();
    let file = KeyFile::from_json(&with_checksum(&mixed.to_string())).unwrap();
    assert!(matches!(file.open_account(PASSWORD), Err(KeyFileError::WrongPassword)));
}

#[test]
fn other_formats_are_told_apart() {
    let version = SEALED.to_json().replace("\"version\": 1", "\"version\": 2");
    assert!(matches!(
        KeyFile::from_json(&version),
        Err(KeyFileError::Version { found: 2 })
    ));
    let unknown = SEALED.to_json().replacen('{', "{\n  \"hint\": \"x\",", 1);
    let error = KeyFile::from_json(&unknown).unwrap_err();
    assert!(error.to_string().contains("hint"), "{error}");
    for text in ["", "{}", "[]", "null", "not json", "{\"version\": \"1\"}"] {
        assert!(
            matches!(KeyFile::from_json(text), Err(KeyFileError::Format(_))),
            "{text}"
        );
    }
}

#[test]
fn an_empty_password_is_refused() {
    let error = KeyFile::seal_account(&key(), OWNER, "", Cost::MINIMUM).unwrap_err();
    assert!(matches!(error, KeyFileError::EmptyPassword));
}

#[test]
fn files_are_private_whole_and_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.json");
    SEALED.create(&path).unwrap();
    assert_eq!(KeyFile::read(&path).unwrap(), *SEALED);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    fs::write(&path, "something of the user's").unwrap();
    let error = SEALED.create(&path).unwrap_err();
    assert!(matches!(error, KeyFileError::Exists { .. }), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "something of the user's");
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        1,
        "nothing is left behind"
    );
    let nowhere = SEALED.create(&folder.path().join("missing/key.json")).unwrap_err();
    assert!(nowhere.to_string().contains("missing"), "{nowhere}");
}

#[test]
fn a_file_that_cannot_be_a_key_file_is_not_read_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("huge.json");
    fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
    let error = KeyFile::read(&path).unwrap_err();
    assert!(error.to_string().contains("longer"), "{error}");
    let error = KeyFile::read(&folder.path().join("none.json")).unwrap_err();
    assert!(matches!(error, KeyFileError::Io { .. }) && error.to_string().contains("none.json"));
}
