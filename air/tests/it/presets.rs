//! What the presets claim, by winterfell's own estimator.

use starling_air::codegen::Recording;
use starling_air::machine::{ChipSet, Machine};
use starling_air::preset::Preset;
use starling_air::prover::{ProveError, prove, prove_trace};
use starling_air::settlement::{CHIPS, PRESET, sections};
use starling_air::trace::{TraceError, build};
use starling_air::verifier::{VerifyError, verify};
use starling_vm::executor::RunInputs;

use crate::{machine, samples};

/// Every preset is as strong as its name says, at every length that it admits and with every chip set.
#[test]
fn presets_hold_what_their_names_say() {
    println!("| preset | chips | rows | proven | proven, unique decoding | conjectured |");
    println!("|---|---|---|---|---|---|");
    let mut short = vec![];
    for preset in Preset::ALL {
        let (least, most) = preset.log_lengths();
        for chips in ChipSet::EVERY {
            for log_length in least..=most {
                let security = preset.security(chips, log_length);
                println!(
                    "| {preset} | {chips:?} | 2^{log_length} | {} | {} | {} |",
                    security.proven, security.proven_unique, security.conjectured
                );
                if security.proven < preset.claimed_bits() {
                    short.push((preset, chips, log_length, security));
                }
            }
        }
    }
    assert_eq!(short, []);
}

/// A preset below 96 bits says so in its name; the others carry their bits in it.
#[test]
fn names_carry_their_bits() {
    for preset in Preset::ALL {
        let name = preset.name();
        match preset.claimed_bits() {
            0..96 => assert!(name.starts_with("dev-") && !Preset::SECURE.contains(&preset), "{name}"),
            bits => assert!(
                name.ends_with(&bits.to_string()) && Preset::SECURE.contains(&preset),
                "{name}"
            ),
        }
    }
}

/// A program's proof for L1 has the kernel's chips, whatever it uses; one that needs more is told what to do.
#[test]
fn settling_presets_fix_the_chips() {
    let (program, inputs) = machine::loop_of(9);
    let proven = prove(&program, &inputs, Preset::Settle100).expect("proves");
    assert_eq!((proven.chips, Preset::Settle100), (CHIPS, PRESET));
    let verified = verify(&proven.statement, &Preset::SECURE, &proven.bytes).expect("verifies");
    assert_eq!(verified.chips, ChipSet::Kernel);
    let local = prove(&program, &inputs, Preset::DevFast).expect("proves");
    assert_eq!(local.chips, ChipSet::Core);
    assert!(matches!(
        sections(&local.statement, &local.bytes),
        Err(VerifyError::PresetNotAccepted { found: Preset::DevFast })
    ));
    let cut = sections(&proven.statement, &proven.bytes[..proven.bytes.len() - 1]);
    assert!(matches!(cut, Err(VerifyError::Refused(_))));

    let mut other = proven.bytes.clone();
    other[5] = ChipSet::Core.id();
    assert!(matches!(
        verify(&proven.statement, &Preset::SECURE, &other),
        Err(VerifyError::ChipsNotAccepted {
            found: ChipSet::Core,
            expected: ChipSet::Kernel,
            preset: Preset::Settle100
        })
    ));
    let trace = build(&program, &inputs, 1 << 16).expect("runs");
    assert!(matches!(
        prove_trace(trace.columns, &proven.statement, trace.chips, Preset::Settle128),
        Err(ProveError::Chips {
            found: ChipSet::Core,
            ..
        })
    ));

    let (_, bits) = samples::tour().swap_remove(5);
    let error = prove(&bits.program, &RunInputs::default(), Preset::Settle100).expect_err("bitwise");
    let expected = TraceError::Chips {
        needed: ChipSet::Bitwise,
        given: ChipSet::Kernel,
    };
    assert!(matches!(&error, ProveError::Trace(error) if *error == expected));
    assert!(error.to_string().contains("without bitwise instructions"), "{error}");
}

/// The identity is that of the recorded formulas.
#[test]
fn the_identity_covers_the_formulas() {
    let mut identities: Vec<[u8; 32]> = vec![];
    for chips in ChipSet::EVERY {
        let machine = Machine::new(chips);
        let recording = Recording::new(&machine);
        for preset in Preset::ALL {
            assert_eq!(machine.identity(), recording.identity(&preset.shape(chips)));
        }
        identities.push(machine.identity());
        // The same formulas in another order.
        let mut changed = recording.clone();
        let last = changed.transitions.len() - 1;
        changed.transitions.swap(0, last);
        assert_ne!(machine.identity(), changed.identity(&Preset::Local100.shape(chips)));
    }
    assert_eq!(Machine::new(ChipSet::Kernel).identity(), identities[2]);
    identities.dedup();
    assert_eq!(identities.len(), ChipSet::EVERY.len());
}
