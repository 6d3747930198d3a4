//! Writes what the contracts know of the protocol, or checks that the files on disk are what would be written.
//!
//! `cargo run -p starling-rollup --example generate -- contracts/src/generated [--check]`

use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

use starling_rollup::record::{self, LAYOUTS, Layout, TAG_BITS, WordLayout, layout};

/// A field's place: number of the word, shift, bits.
type Place = (usize, u32, u32);

fn places(layout: &Layout) -> Vec<(&'static str, Place)> {
    let mut places = vec![];
    for (word, shape) in layout.words.iter().enumerate() {
        match shape {
            WordLayout::Element(name) => places.push((*name, (word, 0, 64))),
            WordLayout::Packed(fields) => {
                let mut shift = 0;
                for field in *fields {
                    places.push((field.name, (word, shift, field.bits)));
                    shift += field.bits;
                }
            }
        }
    }
    places
}

fn constants(prefix: &str, layout: &Layout, text: &mut String) {
    for (name, (word, shift, bits)) in places(layout) {
        let name = format!("{prefix}_{}", name.to_uppercase());
        let _ = writeln!(
            text,
            "    uint256 internal constant {name} = {:#x};",
            word << 16 | (shift as usize) << 8 | bits as usize
        );
    }
}

/// The table of the records, as far as the contract needs it.
fn record_table() -> Result<String, String> {
    let find = |tag: u64| layout(tag).ok_or_else(|| format!("no record has tag {tag}"));
    let forced = [record::DEPOSIT, record::DEPOSIT_NEW, record::EXIT];
    let (entry, withdraw) = (find(record::DEPOSIT)?, find(record::WITHDRAW)?);
    for tag in forced {
        if find(tag)?.words != entry.words {
            return Err("the contract takes all queue entries to have one layout".to_string());
        }
    }
    let mut lengths = [0u8; 32];
    for layout in LAYOUTS.iter().filter(|layout| !forced.contains(&layout.tag)) {
        let length = u8::try_from(layout.words.len()).map_err(|error| error.to_string())?;
        if length < 2 || layout.tag >> TAG_BITS != 0 {
            return Err(format!("the tag of a {} record is not in its second word", layout.name));
        }
        lengths[layout.tag as usize] = length;
    }
    let mut text = String::from(
        "// SPDX-License-Identifier: MIT OR Apache-2.0\n\
         // Generated from the record table in `rollup`. Do not edit: change the table and generate again.\n\
         pragma solidity 0.8.37;\n\n\
         /// @title Tags, lengths and fields of the operation records.\n\
         /// @notice A field is word number x 2^16 + shift x 2^8 + bits.\n\
         library RecordTable {\n",
    );
    for layout in LAYOUTS {
        let _ = writeln!(
            text,
            "    uint256 internal constant {} = {};",
            layout.name.to_uppercase(),
            layout.tag
        );
    }
    let hex: String = lengths.iter().map(|byte| format!("{byte:02x}")).collect();
    let _ = writeln!(
        text,
        "    /// @notice Byte number `tag` is the number of words of a signed operation's record, 0 if none has this tag."
    );
    let _ = writeln!(text, "    uint256 internal constant SIGNED_LENGTHS =\n        0x{hex};");
    let _ = writeln!(text, "    /// @notice Words of a queue entry in a batch.");
    let _ = writeln!(
        text,
        "    uint256 internal constant ENTRY_WORDS = {};",
        entry.words.len()
    );
    constants("ENTRY", entry, &mut text);
    constants("WITHDRAWAL", withdraw, &mut text);
    text.push_str("}\n");
    Ok(text)
}

fn run(folder: &Path, check: bool) -> Result<(), String> {
    let path = folder.join("RecordTable.sol");
    let text = record_table()?;
    if !check {
        return std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()));
    }
    match std::fs::read_to_string(&path) {
        Ok(found) if found == text => Ok(()),
        _ => Err(format!("{} is stale: generate it again", path.display())),
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(folder) = arguments.first().map(Path::new) else {
        eprintln!("usage: generate FOLDER [--check]");
        return ExitCode::from(2);
    };
    let check = arguments.iter().any(|argument| argument == "--check");
    match run(folder, check) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
