//! What the presets claim, by winterfell's own estimator.

use starling_air::machine::ChipSet;
use starling_air::preset::Preset;

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
