//! Writes the seeds of the corpus: `cargo run -p starling-fuzz-targets --example seed`. To be run again when the AIR or an
//! encoding changes; what the fuzzers found stands beside the seeds and stays.

use std::error::Error;
use std::fs;
use std::path::Path;

use starling_air::check::Statement;
use starling_air::machine::ChipSet;
use starling_air::preset::Preset;
use starling_air::prover::{prove, prove_trace};
use starling_air::trace::build_with;
use starling_fuzz_targets::{TRUE_STATEMENT, echo};
use starling_rollup::account::Account;
use starling_rollup::address::{Address, L1Address};
use starling_rollup::batch::OpenBatch;
use starling_rollup::data::to_calldata;
use starling_rollup::entry::{Entry, Kind};
use starling_rollup::state::State;
use starling_rollup::transaction::{Operation, RollupId, SignedTransaction, Transaction};
use starling_vm::asm::{Source, assemble};
use starling_vm::executor::RunInputs;
use starling_vm::program_file;
use starling_vm::schnorr::SecretKey;

const ROLLUP: RollupId = RollupId {
    chain_id: 31_337,
    contract: L1Address([0x42; 20]),
};

type Written = Result<(), Box<dyn Error>>;

fn write(target: &str, name: &str, bytes: impl AsRef<[u8]>) -> Written {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus").join(target);
    fs::create_dir_all(&folder)?;
    Ok(fs::write(folder.join(name), bytes)?)
}

fn main() -> Written {
    programs()?;
    proofs()?;
    rollup()
}

fn programs() -> Written {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vm/examples");
    for entry in fs::read_dir(examples)? {
        let path = entry?.path();
        let (Some(name), Some(extension)) = (path.file_stem().and_then(|name| name.to_str()), path.extension()) else {
            continue;
        };
        if extension == "sasm" {
            let text = fs::read_to_string(&path)?;
            write("assembler", name, &text)?;
            let program = assemble(&[Source::new("main.sasm", text)]).map_err(|errors| errors[0].to_string())?;
            write("program_file", name, program_file::to_bytes(&program))?;
        }
    }
    write(
        "assembler",
        "unfinished",
        "use std::u64\nconst A = (1 << 63) * -2\nproc main\n  reg x = r5\n  mov x, A\n",
    )
}

fn proofs() -> Written {
    let inputs = RunInputs {
        public: TRUE_STATEMENT.inputs.clone(),
        ..RunInputs::default()
    };
    let program = echo();
    for (name, chips) in [("honest-core", ChipSet::Core), ("honest-kernel", ChipSet::Kernel)] {
        let trace = build_with(&program, &inputs, 1_000, Some(chips))?;
        let statement: &Statement = &TRUE_STATEMENT;
        write(
            "proof",
            name,
            prove_trace(trace.columns, statement, chips, Preset::DevFast)?,
        )?;
    }
    let settling = prove(&program, &inputs, Preset::Settle100)?;
    write("settle_proof", "honest", settling.bytes)
}

fn rollup() -> Written {
    let (keys, owner) = ([1, 2].map(|k| SecretKey::derive(&[k])), L1Address([7; 20]));
    let addresses = [0, 1].map(|k: usize| Address::new(keys[k].public_key(), owner));
    let state = State::from_accounts(addresses.map(|address| Account::new(address, 1_000_000)).to_vec());
    let mut open = OpenBatch::new(&state, 0);
    for kind in [
        Kind::DepositNew { amount: 5 },
        Kind::Deposit { index: 1, amount: 6 },
        Kind::Exit { index: 9 },
    ] {
        let entry = Entry {
            kind,
            sender: owner,
            address: addresses[0],
        };
        open.enter(&state, entry).map_err(|refusal| refusal.to_string())?;
    }
    let third = Address::new(SecretKey::derive(&[3]).public_key(), owner);
    let operations = [
        (
            "transfer",
            Operation::Transfer {
                to: 1,
                address: addresses[1],
                amount: 10,
            },
        ),
        (
            "open",
            Operation::Open {
                address: third,
                amount: 11,
            },
        ),
        (
            "withdraw",
            Operation::Withdraw {
                recipient: owner,
                amount: 12,
            },
        ),
        ("rekey", Operation::Rekey { address: third }),
    ];
    for (nonce, (name, operation)) in (0..).zip(operations) {
        let transaction = Transaction {
            from: 0,
            nonce,
            fee: 3,
            operation,
        };
        let signed: SignedTransaction = transaction.sign(&ROLLUP.word(), &keys[0], owner);
        write("envelope", name, signed.to_bytes())?;
        if nonce == 0 {
            write("envelope", "text", signed.to_hex())?;
        }
        open.apply(&state, &ROLLUP.word(), &signed)
            .map_err(|refusal| refusal.to_string())?;
    }
    let batch = open.batch();
    write("batch_data", "calldata", to_calldata(&batch.data().to_words()))?;
    write("batch_data", "file", batch.to_bytes())
}
