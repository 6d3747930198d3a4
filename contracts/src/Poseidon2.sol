// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import { Poseidon2Permutation } from "./generated/Poseidon2Permutation.sol";

/// @title The machine's hash: Poseidon2 over Goldilocks, width 8.
/// @notice A digest, or any word of four field elements, is a `bytes32`: four 64-bit limbs, the first element on top. One
/// word has one encoding only if every limb is below the modulus: whoever takes a word from outside checks it.
library Poseidon2 {
    /// @notice A limb is not below the modulus.
    error Poseidon2__NotCanonical(bytes32 word);

    /// @notice The field's modulus.
    uint256 internal constant P = 0xffffffff00000001;

    /// @notice Two words to one: the first half of the permuted words, plus `left`.
    /// @dev The words must be canonical; the result is.
    function compress(bytes32 left, bytes32 right) internal pure returns (bytes32 digest) {
        uint256[8] memory state;
        assembly ("memory-safe") {
            let mask := 0xffffffffffffffff
            mstore(state, shr(192, left))
            mstore(add(state, 0x20), and(shr(128, left), mask))
            mstore(add(state, 0x40), and(shr(64, left), mask))
            mstore(add(state, 0x60), and(left, mask))
            mstore(add(state, 0x80), shr(192, right))
            mstore(add(state, 0xa0), and(shr(128, right), mask))
            mstore(add(state, 0xc0), and(shr(64, right), mask))
            mstore(add(state, 0xe0), and(right, mask))
        }
        Poseidon2Permutation.permute(state);
        assembly ("memory-safe") {
            let mask := 0xffffffffffffffff
            let a := mod(add(mload(state), shr(192, left)), P)
            let b := mod(add(mload(add(state, 0x20)), and(shr(128, left), mask)), P)
            let c := mod(add(mload(add(state, 0x40)), and(shr(64, left), mask)), P)
            let d := mod(add(mload(add(state, 0x60)), and(left, mask)), P)
            digest := or(or(shl(192, a), shl(128, b)), or(shl(64, c), d))
            // The state was scratch: hashing a path must not grow the memory.
            mstore(0x40, state)
        }
    }

    /// @notice The word of four elements.
    function word(uint256 a, uint256 b, uint256 c, uint256 d) internal pure returns (bytes32) {
        return bytes32((a << 192) | (b << 128) | (c << 64) | d);
    }

    /// @notice Element `i` of a word.
    function element(bytes32 w, uint256 i) internal pure returns (uint64) {
        return uint64(uint256(w) >> (192 - 64 * i));
    }

    /// @notice Reverts unless all limbs are below the modulus.
    function check(bytes32 w) internal pure {
        bool canonical;
        assembly ("memory-safe") {
            let mask := 0xffffffffffffffff
            canonical := and(
                and(lt(shr(192, w), P), lt(and(shr(128, w), mask), P)),
                and(lt(and(shr(64, w), mask), P), lt(and(w, mask), P))
            )
        }
        if (!canonical) revert Poseidon2__NotCanonical(w);
    }
}
