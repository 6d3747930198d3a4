//! Tables of the pages are printed from the code: `UPDATE_SPECS=1 cargo test -p starling-rollup` rewrites them.

use std::fmt::Write;

use starling_rollup::record::{LAYOUTS, WordLayout};

fn record_table() -> String {
    let mut table =
        String::from("| record | tag | words | fields of each word, lowest bits first |\n|---|---|---|---|\n");
    for layout in &LAYOUTS {
        let words: Vec<String> = layout
            .words
            .iter()
            .map(|word| match word {
                WordLayout::Element(name) => format!("{name}: an element"),
                WordLayout::Packed(fields) => {
                    let fields: Vec<String> = fields
                        .iter()
                        .map(|field| format!("{} {}", field.name, field.bits))
                        .collect();
                    fields.join(", ")
                }
            })
            .collect();
        let _ = writeln!(
            table,
            "| {} | {} | {} | {} |",
            layout.name,
            layout.tag,
            layout.words.len(),
            words.join("; ")
        );
    }
    table
}

#[test]
fn the_record_table_is_the_codes() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../specs/transactions.md");
    let (start, end) = ("<!-- record-table -->\n", "<!-- /record-table -->");
    let page = std::fs::read_to_string(path).unwrap();
    let (before, rest) = page.split_once(start).unwrap();
    let (found, after) = rest.split_once(end).unwrap();
    if std::env::var_os("UPDATE_SPECS").is_some() {
        std::fs::write(path, format!("{before}{start}{}{end}{after}", record_table())).unwrap();
    } else {
        assert!(
            found == record_table(),
            "specs/transactions.md is stale: UPDATE_SPECS=1 cargo test -p starling-rollup"
        );
    }
}
