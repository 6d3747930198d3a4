//! The kernel's text is what its generator prints, and its runs agree with the native rules.

use starling_rollup::kernel::{parser, program};

#[test]
fn the_parser_is_fresh() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/kernel/records.sasm");
    if std::env::var_os("UPDATE_SPECS").is_some() {
        std::fs::write(path, parser::source()).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap();
    assert!(
        kept == parser::source(),
        "rollup/kernel/records.sasm is stale: UPDATE_SPECS=1 cargo test -p starling-rollup"
    );
}

#[test]
fn the_kernel_assembles() {
    println!("{} instructions", program().instructions().len());
}

/// The hash that a deployment is built with, for whoever checks one.
#[test]
fn the_hash_is_fresh() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/kernel/hash.txt");
    let bytes = starling_rollup::chain::word_bytes(&program().hash());
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let hash = format!("0x{digits}\n");
    if std::env::var_os("UPDATE_SPECS").is_some() {
        std::fs::write(path, &hash).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        kept == hash,
        "rollup/kernel/hash.txt is stale: UPDATE_SPECS=1 cargo test -p starling-rollup"
    );
}
