//! Prints the Poseidon2 permutation as a Solidity library.
//!
//! Lanes are reduced only where a product might not fit a word. The permutation takes lanes below 2^64. An external
//! layer multiplies the largest lane by at most 21. An internal round multiplies it by at most 11, which 22 rounds take
//! from 2^69 to below 2^146. An S-box reduces `x^2` first, so that `x^3` stays below 2^210.

use core::fmt::Write;

use starling_vm::field::MODULUS;
use starling_vm::poseidon2::constants::{DIAGONAL, EXTERNAL, INTERNAL};

use super::solidity::Contract;

const INDENT: &str = "            ";

/// The library `Poseidon2Permutation`.
pub fn library() -> Contract {
    let mut body = String::new();
    let mut line = |text: &str| {
        let _ = writeln!(body, "{INDENT}{text}");
    };
    line(&format!("let p := {MODULUS:#x}"));
    for lane in 0..8 {
        line(&format!("let s{lane} := mload({})", at(lane)));
    }
    external_layer(&mut line);
    for constants in &EXTERNAL[..4] {
        external_round(constants, &mut line);
    }
    for &constant in &INTERNAL {
        internal_round(constant, &mut line);
    }
    for constants in &EXTERNAL[4..] {
        external_round(constants, &mut line);
    }
    for lane in 0..8 {
        line(&format!("mstore({}, s{lane})", at(lane)));
    }
    let source = format!(
        r#"// SPDX-License-Identifier: MIT OR Apache-2.0
// Generated from the constants in `vm`. Do not edit: change the generator in `air` and generate again.
pragma solidity 0.8.37;

/// @title The Poseidon2 permutation over Goldilocks, width 8.
library Poseidon2Permutation {{
    /// @notice Permutes the eight lanes at `state`. They must be below 2^64; the results are below 2^69 and not reduced.
    function permute(uint256[8] memory state) internal pure {{
        assembly ("memory-safe") {{
{body}        }}
    }}
}}
"#
    );
    Contract {
        name: "Poseidon2Permutation".to_string(),
        source,
    }
}

fn at(lane: usize) -> String {
    match lane {
        0 => "state".to_string(),
        _ => format!("add(state, {:#x})", 32 * lane),
    }
}

fn sbox(lane: usize, constant: u64, line: &mut impl FnMut(&str)) {
    line(&format!(
        "{{ let x := add(s{lane}, {constant:#x}) let y := mulmod(x, x, p) s{lane} := mulmod(mul(x, y), mul(y, y), p) }}"
    ));
}

fn external_round(constants: &[u64; 8], line: &mut impl FnMut(&str)) {
    for (lane, &constant) in constants.iter().enumerate() {
        sbox(lane, constant, line);
    }
    external_layer(line);
}

/// The 4x4 matrix on both halves, then the sum of the halves added to each.
fn external_layer(line: &mut impl FnMut(&str)) {
    for half in [0, 4] {
        let [a, b, c, d] = [0, 1, 2, 3].map(|lane| format!("s{}", half + lane));
        line(&format!("{{ let t0 := add({a}, {b}) let t1 := add({c}, {d})"));
        line(&format!(
            "let t2 := add(add(t0, t1), {b}) let t3 := add(add(t0, t1), {d})"
        ));
        line(&format!("{d} := add(t3, shl(1, {a})) {b} := add(t2, shl(1, {c}))"));
        line(&format!("{a} := add(t2, t0) {c} := add(t3, t1) }}"));
    }
    for lane in 0..4 {
        let (l, r) = (lane, lane + 4);
        line(&format!(
            "{{ let t := add(s{l}, s{r}) s{l} := add(s{l}, t) s{r} := add(s{r}, t) }}"
        ));
    }
}

/// The S-box on lane 0, then the all-ones matrix plus the diagonal -2, 1, 2, 1/2, 3, -1/2, -3, -4.
fn internal_round(constant: u64, line: &mut impl FnMut(&str)) {
    sbox(0, constant, line);
    line("{ let t := add(add(add(s1, s2), add(s3, s4)), add(add(s5, s6), s7))");
    line("let r := add(t, s0)");
    line("s0 := add(t, sub(p, s0))");
    line("s1 := add(r, s1)");
    line("s2 := add(r, shl(1, s2))");
    line("s4 := add(r, add(s4, shl(1, s4)))");
    for lane in [3, 5, 6, 7] {
        line(&format!("s{lane} := add(r, mulmod(s{lane}, {:#x}, p))", DIAGONAL[lane]));
    }
    line("}");
}

// The internal layer is written for this diagonal.
const _: () = assert!(DIAGONAL[0] == MODULUS - 2 && DIAGONAL[1] == 1 && DIAGONAL[2] == 2 && DIAGONAL[4] == 3);
