// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import { CubicField } from "./CubicField.sol";

/// @title The Fiat-Shamir coin.
/// @notice A coin lives in 96 bytes of memory: a tag before the seed, the seed, and what is hashed with it. Its state is
/// the seed alone: a draw takes the counter from its caller, so that no draw can disturb another.
/// @dev The tags are those of the prover; a leaf is never a node, and a draw never a reseed.
library Transcript {
    uint256 internal constant TAG_ELEMENTS = 0;
    uint256 internal constant TAG_SEED = 2;
    uint256 internal constant TAG_RESEED = 3;
    uint256 internal constant TAG_DRAW = 4;
    uint256 internal constant TAG_NONCE = 5;

    uint256 private constant P = 0xffffffff00000001;

    /// @notice A coin with the seed `seed`.
    function create(bytes32 seed) internal pure returns (uint256 coin) {
        assembly ("memory-safe") {
            coin := mload(0x40)
            mstore(0x40, add(coin, 0x60))
            mstore(coin, 0)
            mstore(add(coin, 0x20), seed)
        }
    }

    /// @notice The coin's seed.
    function seedOf(uint256 coin) internal pure returns (bytes32 seed) {
        assembly ("memory-safe") {
            seed := mload(add(coin, 0x20))
        }
    }

    /// @notice Absorbs a digest: the first 25 bytes of `digest`.
    function reseed(uint256 coin, bytes32 digest) internal pure {
        assembly ("memory-safe") {
            mstore8(add(coin, 0x1f), TAG_RESEED)
            mstore(add(coin, 0x40), digest)
            mstore(add(coin, 0x20), keccak256(add(coin, 0x1f), 58))
        }
    }

    /// @notice The hash of seed and nonce: proof of work, and seed of the positions.
    function nonceHash(uint256 coin, uint256 nonce) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            mstore8(add(coin, 0x1f), TAG_NONCE)
            mstore(add(coin, 0x40), shl(192, nonce))
            hash := keccak256(add(coin, 0x1f), 41)
        }
    }

    /// @notice Draws `count` extension elements after draw number `counter`, and writes them to `target`, a word each.
    /// @return The number of the last draw: a hash with a limb that is not canonical is skipped.
    function draw(uint256 coin, uint256 counter, uint256 target, uint256 count) internal pure returns (uint256) {
        assembly ("memory-safe") {
            mstore8(add(coin, 0x1f), TAG_DRAW)
            let end := add(target, shl(5, count))
            for { } lt(target, end) { } {
                counter := add(counter, 1)
                mstore(add(coin, 0x40), shl(192, counter))
                let hash := keccak256(add(coin, 0x1f), 41)
                let c0 := shr(192, hash)
                let c1 := and(shr(128, hash), 0xffffffffffffffff)
                let c2 := and(shr(64, hash), 0xffffffffffffffff)
                if and(and(lt(c0, P), lt(c1, P)), lt(c2, P)) {
                    mstore(target, or(c0, or(shl(80, c1), shl(160, c2))))
                    target := add(target, 0x20)
                }
            }
        }
        return counter;
    }

    /// @notice Draws one extension element, the first after a reseed.
    function drawOne(uint256 coin) internal pure returns (uint256 element) {
        uint256 target;
        assembly ("memory-safe") {
            target := mload(0x40)
        }
        draw(coin, 0, target, 1);
        assembly ("memory-safe") {
            element := mload(target)
        }
    }

    /// @notice Draws `count` positions below 2^`logDomain`, ascending and without repetitions.
    /// @dev Sorted by insertion: a list of some forty positions is not worth more.
    function positions(bytes32 seed, uint256 count, uint256 logDomain) internal pure returns (uint256[] memory list) {
        uint256 coin = create(seed);
        assembly ("memory-safe") {
            list := mload(0x40)
            mstore8(add(coin, 0x1f), TAG_DRAW)
            let mask := sub(shl(logDomain, 1), 1)
            let start := add(list, 0x20)
            let end := start
            for { let i := 0 } lt(i, count) { i := add(i, 1) } {
                let limb := and(i, 7)
                if iszero(limb) {
                    mstore(add(coin, 0x40), shl(192, add(shr(3, i), 1)))
                    mstore(0x00, keccak256(add(coin, 0x1f), 41))
                }
                let position := and(shr(sub(224, shl(5, limb)), mload(0x00)), mask)
                let place := end
                for { } gt(place, start) { } {
                    let before := mload(sub(place, 0x20))
                    if lt(before, position) { break }
                    mstore(place, before)
                    place := sub(place, 0x20)
                }
                mstore(place, position)
                end := add(end, 0x20)
            }
            // Repetitions are neighbours now: keep the first of each.
            let source := start
            let last := end
            end := start
            for { } lt(source, last) { source := add(source, 0x20) } {
                let position := mload(source)
                mstore(end, position)
                if iszero(and(gt(source, start), eq(mload(sub(end, 0x20)), position))) {
                    end := add(end, 0x20)
                }
            }
            mstore(list, shr(5, sub(end, start)))
            mstore(0x40, end)
        }
    }
}
