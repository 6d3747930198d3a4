//! Integration tests of the proof, one binary so that it links once.
//!
//! - `honest`, `samples`: runs that are provable; `wire`: the format of proofs; `presets`: what they are worth.
//! - `reference`: the prover's own transforms, trees and evaluator give the proofs that winterfell's would.
//! - `forge`, `lies`: tools for lying traces, and the lies, a file a chip. `signature`: the signature chip by itself.
//! - `switches`: without any one of its constraints, boundary values and messages, the AIR would accept a lie.
//! - `auxiliary`: lies in the columns that come after the challenges.
//! - `sweep`: single cells; `forgeries`: lies through the real prover; `mutations`: changed proofs.
//!
//! Counts are those of a quick run; `STARLING_SOAK=1` multiplies them by ten.
#![allow(missing_docs)]

use std::sync::Once;

mod auxiliary;
mod chain;
mod cheating;
mod codegen;
mod differential;
mod evm;
mod field;
mod forge;
mod forgeries;
mod honest;
mod lies;
mod machine;
mod mutations;
mod poseidon2;
mod presets;
mod reference;
mod samples;
mod settle;
mod signature;
mod support;
mod sweep;
mod switches;
mod wire;

/// How often to try something: `count`, or ten times as often when `STARLING_SOAK` is set.
fn soak(count: usize) -> usize {
    match std::env::var_os("STARLING_SOAK") {
        Some(_) => 10 * count,
        None => count,
    }
}

/// The prover panics on some lies. Keeps that out of the output, and nothing else.
fn quiet_panics_of_the_prover() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !panic.location().is_some_and(|place| place.file().contains("winter")) {
                usual(panic);
            }
        }));
    });
}
