//! Writes the generated Solidity sources, or checks that those on disk are what would be written.
//!
//! `cargo run -p starling-air --example generate -- contracts/src/generated [--check]`

use std::path::Path;
use std::process::ExitCode;

use starling_air::codegen::{Contract, Emitter, Recording, poseidon2};
use starling_air::machine::{ChipSet, Machine};
use starling_air::toy::Toy;

fn contracts() -> Vec<Contract> {
    let mut contracts = Emitter::new(&Recording::new(&Toy { copies: 2 }), "Toy").contracts();
    contracts.extend(Emitter::new(&Recording::new(&Machine::new(ChipSet::Kernel)), "Kernel").contracts());
    contracts.push(poseidon2::library());
    contracts
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(folder) = arguments.first().map(Path::new) else {
        eprintln!("usage: generate FOLDER [--check]");
        return ExitCode::from(2);
    };
    let check = arguments.iter().any(|argument| argument == "--check");
    for Contract { name, source } in contracts() {
        let path = folder.join(name).with_extension("sol");
        if check {
            if std::fs::read_to_string(&path).ok().as_deref() != Some(source.as_str()) {
                eprintln!("{} is stale: generate it again", path.display());
                return ExitCode::FAILURE;
            }
        } else if let Err(error) = std::fs::write(&path, source) {
            eprintln!("{}: {error}", path.display());
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
