//! The network key's file.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use starling_p2p::Keypair;
use starling_p2p::key::{KeyError, load_or_create};

#[test]
fn a_key_is_made_once_and_for_the_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("network.key");
    let key = load_or_create(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let again = load_or_create(&path).unwrap();
    assert_eq!(key.public(), again.public());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
}

#[test]
fn a_key_that_others_may_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("network.key");
    load_or_create(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let error = load_or_create(&path).unwrap_err();
    assert!(matches!(error, KeyError::Mode { mode: 0o640, .. }), "{error}");
    assert!(error.to_string().contains("chmod 600"));
}

#[test]
fn what_is_no_key_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("network.key");
    let other = Keypair::generate_ed25519().to_protobuf_encoding().unwrap();
    for bytes in [&b""[..], b"not a key", &other[..40]] {
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let error = load_or_create(&path).unwrap_err();
        assert!(matches!(error, KeyError::Format { .. }), "{error}");
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
    let error = load_or_create(&folder.path().join("none/network.key")).unwrap_err();
    assert!(matches!(error, KeyError::Io { .. }), "{error}");
}
