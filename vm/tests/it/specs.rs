//! The tables of `specs/vm.md` are those of the code.

use std::path::Path;

use starling_vm::{asm, hint, isa, stdlib};

use crate::examples::example_table;

#[test]
fn the_tables_of_the_spec_are_those_of_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../specs/vm.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let mut fresh = page.clone();
    for (marker, table) in [
        ("opcode-table", isa::opcode_table()),
        ("pseudo-table", asm::pseudo_table()),
        ("hint-table", hint::hint_table()),
        ("stdlib-table", stdlib::stdlib_table()),
        ("example-table", example_table()),
    ] {
        let (open, close) = (format!("<!-- {marker} -->\n"), format!("<!-- /{marker} -->"));
        let start = fresh.find(&open).unwrap_or_else(|| panic!("no {marker}")) + open.len();
        let end = start
            + fresh[start..]
                .find(&close)
                .unwrap_or_else(|| panic!("{marker} is not closed"));
        fresh.replace_range(start..end, &table);
    }
    if std::env::var_os("UPDATE_SPECS").is_some() {
        std::fs::write(path, &fresh).unwrap();
    } else {
        assert!(
            page == fresh,
            "the tables of specs/vm.md are stale: run with UPDATE_SPECS=1"
        );
    }
}
