// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import { Poseidon2 } from "./Poseidon2.sol";
import { RecordTable } from "./generated/RecordTable.sol";

/// @title The data of a batch, and what binds a proof to it.
/// @notice The words on L1 and the words that the kernel read are the same, or their polynomials agree at three points
/// that were drawn after both were fixed: a chance of about 2^-150. So each word has one encoding, the length is exact, and
/// the points depend on every byte, on the claim and on the batch's place.
library BatchData {
    /// @notice The first word does not say how long the data is, or it is too long.
    error BatchData__Length(uint256 words, uint256 size);
    /// @notice The words behind the last are not zero.
    error BatchData__Padding();
    /// @notice The data is too short for its entries.
    error BatchData__Entries(uint256 entries);
    /// @notice A word is not below the modulus.
    error BatchData__NotCanonical();

    uint256 private constant P = 0xffffffff00000001;
    uint256 private constant LIMB = 0xffffffffffffffff;
    /// @notice Words before the first entry: length, number of entries, fee account.
    uint256 internal constant HEADER_WORDS = 3;
    /// @notice Most words of a batch.
    uint256 internal constant MAX_WORDS = 1 << 14;

    /// @notice Data in memory.
    /// @param start Where it starts.
    /// @param size Its bytes, with the padding.
    /// @param length Its words, without the padding.
    /// @param entries How many queue entries it consumes.
    struct Data {
        uint256 start;
        uint256 size;
        uint256 length;
        uint256 entries;
    }

    /// @notice Copies the data to memory and checks its frame.
    function load(bytes calldata data) internal pure returns (Data memory d) {
        uint256 size = data.length;
        uint256 first;
        assembly ("memory-safe") {
            // Zero where the data is shorter.
            first := mul(calldataload(data.offset), gt(size, 0x1f))
        }
        uint256 length = first >> 192;
        uint256 entries = (first >> 128) & LIMB;
        if (length < HEADER_WORDS || length > MAX_WORDS || ((length + 3) / 4) * 32 != size) {
            revert BatchData__Length(length, size);
        }
        if (entries > (length - HEADER_WORDS) / RecordTable.ENTRY_WORDS) revert BatchData__Entries(entries);
        uint256 start;
        uint256 padding;
        assembly ("memory-safe") {
            // A zero block in front, room for the five words of the seed behind.
            start := mload(0x40)
            mstore(start, 0)
            start := add(start, 0x20)
            calldatacopy(start, data.offset, size)
            mstore(0x40, add(add(start, size), 0xa0))
            padding := mul(shl(shl(6, and(length, 3)), mload(sub(add(start, size), 0x20))), gt(and(length, 3), 0))
        }
        if (padding != 0) revert BatchData__Padding();
        return Data(start, size, length, entries);
    }

    /// @notice The chain digest after the batch.
    /// @param claim The operator's digest of the data. It may be wrong: then no proof leads to this digest.
    /// @param batch The batch's number.
    /// @param previous The chain digest before.
    function extend(Data memory d, bytes32 claim, uint256 batch, bytes32 previous) internal view returns (bytes32) {
        (uint256 a0, uint256 a1, uint256 a2) = _points(d, claim, batch, previous);
        bytes32 points = Poseidon2.word(a0, a1, a2, d.length);
        (a0, a1, a2) = _evaluate(d.start, d.size, a0, a1, a2);
        bytes32 values = Poseidon2.word(a0, a1, a2, 0);
        return Poseidon2.compress(Poseidon2.compress(previous, claim), Poseidon2.compress(points, values));
    }

    /// @notice Three points that nobody knows before data and claim are fixed. Nothing of the block that they land in takes
    /// part: a reorganisation must not void proofs.
    function _points(Data memory d, bytes32 claim, uint256 batch, bytes32 previous)
        private
        view
        returns (uint256 a0, uint256 a1, uint256 a2)
    {
        uint256 start = d.start;
        uint256 size = d.size;
        assembly ("memory-safe") {
            let end := add(start, size)
            mstore(end, claim)
            mstore(add(end, 0x20), chainid())
            mstore(add(end, 0x40), address())
            mstore(add(end, 0x60), batch)
            mstore(add(end, 0x80), previous)
            mstore(0x00, keccak256(start, add(size, 0xa0)))
            mstore(0x20, 0)
            a0 := mod(keccak256(0x00, 0x40), P)
            mstore(0x20, 1)
            a1 := mod(keccak256(0x00, 0x40), P)
            mstore(0x20, 2)
            a2 := mod(keccak256(0x00, 0x40), P)
        }
    }

    /// @notice The data's polynomial, the first word its highest coefficient, at three points.
    /// @dev A sum is below 2 p before a block and after it: one product stays below 2^130, the next one is reduced. A word
    /// is canonical exactly if adding 2^32 - 1 to it does not carry into bit 64.
    function _evaluate(uint256 source, uint256 end, uint256 a0, uint256 a1, uint256 a2)
        private
        pure
        returns (uint256 e0, uint256 e1, uint256 e2)
    {
        uint256 carries;
        assembly ("memory-safe") {
            end := add(source, end)
            // Two blocks at a time; an odd number starts with the zero block in front of the data.
            source := sub(source, and(sub(end, source), 0x20))
            for { } lt(source, end) { source := add(source, 0x40) } {
                {
                    let d := mload(source)
                    let a := shr(192, d)
                    let b := and(shr(128, d), LIMB)
                    let c := and(shr(64, d), LIMB)
                    d := and(d, LIMB)
                    carries := or(
                        carries,
                        or(or(add(a, 0xffffffff), add(b, 0xffffffff)), or(add(c, 0xffffffff), add(d, 0xffffffff)))
                    )
                    e0 := add(d, mulmod(a0, add(c, mul(a0, add(b, mulmod(a0, add(a, mul(a0, e0)), P)))), P))
                    e1 := add(d, mulmod(a1, add(c, mul(a1, add(b, mulmod(a1, add(a, mul(a1, e1)), P)))), P))
                    e2 := add(d, mulmod(a2, add(c, mul(a2, add(b, mulmod(a2, add(a, mul(a2, e2)), P)))), P))
                }
                let d := mload(add(source, 0x20))
                let a := shr(192, d)
                let b := and(shr(128, d), LIMB)
                let c := and(shr(64, d), LIMB)
                d := and(d, LIMB)
                carries := or(
                    carries,
                    or(or(add(a, 0xffffffff), add(b, 0xffffffff)), or(add(c, 0xffffffff), add(d, 0xffffffff)))
                )
                e0 := add(d, mulmod(a0, add(c, mul(a0, add(b, mulmod(a0, add(a, mul(a0, e0)), P)))), P))
                e1 := add(d, mulmod(a1, add(c, mul(a1, add(b, mulmod(a1, add(a, mul(a1, e1)), P)))), P))
                e2 := add(d, mulmod(a2, add(c, mul(a2, add(b, mulmod(a2, add(a, mul(a2, e2)), P)))), P))
            }
            e0 := mod(e0, P)
            e1 := mod(e1, P)
            e2 := mod(e2, P)
        }
        if (carries >> 64 != 0) revert BatchData__NotCanonical();
    }
}
