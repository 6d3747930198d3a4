// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import { RecordTable } from "./generated/RecordTable.sol";

/// @title The tree of a batch's operations.
/// @notice A keccak Merkle tree over the records that were posted, padded with zero leaves to a power of two: leaf
/// `keccak(0x00, words)`, node `keccak(0x01, left, right)`. A leaf is never a node, and a record never a part of one: the
/// contract itself cuts the data into records.
library Operations {
    /// @notice No signed operation has this tag.
    error Operations__Tag(uint256 tag);
    /// @notice The last record does not end where the data ends.
    error Operations__Cut();

    /// @notice The tree's root over the entries and records between `source` and `end`.
    /// @dev Overwrites the last byte of every record but the last, and of the word before the first.
    /// @param source Where the entries start in memory; the records follow them.
    /// @param entries How many entries there are.
    function root(uint256 source, uint256 entries, uint256 end) internal pure returns (bytes32 digest) {
        uint256 leaves;
        uint256 next;
        bool cut;
        uint256 unknown;
        uint256 lengths = RecordTable.SIGNED_LENGTHS;
        uint256 entryBytes = 8 * RecordTable.ENTRY_WORDS;
        assembly ("memory-safe") {
            // Before the leaves there is room for the hash of the padding.
            leaves := add(mload(0x40), 0x80)
            next := leaves
            // `source` points at the byte before a record, where the leaf's tag goes.
            source := sub(source, 1)
            end := sub(end, 1)
            for { } entries { entries := sub(entries, 1) } {
                mstore8(source, 0)
                mstore(next, keccak256(source, add(entryBytes, 1)))
                source := add(source, entryBytes)
                next := add(next, 0x20)
            }
            for { } lt(source, end) { } {
                let tag := and(mload(sub(source, 15)), 15)
                let size := shl(3, byte(tag, lengths))
                if iszero(size) {
                    unknown := add(tag, 1)
                    break
                }
                mstore8(source, 0)
                mstore(next, keccak256(source, add(size, 1)))
                source := add(source, size)
                next := add(next, 0x20)
            }
            cut := iszero(eq(source, end))
        }
        if (unknown != 0) revert Operations__Tag(unknown - 1);
        if (cut) revert Operations__Cut();
        return _fold(leaves, next);
    }

    /// @notice The root over the leaves from `leaves` to `next`. They are overwritten; 0x80 bytes before them are scratch.
    function _fold(uint256 leaves, uint256 next) private pure returns (bytes32 digest) {
        assembly ("memory-safe") {
            if lt(leaves, next) {
                let padding := 0
                for { let count := shr(5, sub(next, leaves)) } gt(count, 1) { } {
                    // Four nodes at a time; what the padding gives lies behind the nodes that count.
                    mstore(next, padding)
                    mstore(add(next, 0x20), padding)
                    mstore(add(next, 0x40), padding)
                    mstore(add(next, 0x60), padding)
                    mstore(add(next, 0x80), padding)
                    mstore(add(next, 0xa0), padding)
                    mstore(add(next, 0xc0), padding)
                    // The node's tag goes to the byte before its children, which no later node needs.
                    let source := sub(leaves, 1)
                    let target := leaves
                    for { let end := sub(next, 1) } lt(source, end) { } {
                        mstore8(source, 1)
                        mstore(target, keccak256(source, 65))
                        mstore8(add(source, 0x40), 1)
                        mstore(add(target, 0x20), keccak256(add(source, 0x40), 65))
                        mstore8(add(source, 0x80), 1)
                        mstore(add(target, 0x40), keccak256(add(source, 0x80), 65))
                        mstore8(add(source, 0xc0), 1)
                        mstore(add(target, 0x60), keccak256(add(source, 0xc0), 65))
                        source := add(source, 0x100)
                        target := add(target, 0x80)
                    }
                    count := shr(1, add(count, 1))
                    next := add(leaves, shl(5, count))
                    let scratch := sub(leaves, 0x80)
                    mstore8(scratch, 1)
                    mstore(add(scratch, 1), padding)
                    mstore(add(scratch, 0x21), padding)
                    padding := keccak256(scratch, 65)
                }
                digest := mload(leaves)
            }
        }
    }

    /// @notice Whether `words` is the operation at `position` of the tree with root `digest`.
    /// @dev An operation has one position: the bits above the path's length must be zero.
    function includes(bytes32 digest, uint256 position, bytes calldata words, bytes32[] calldata path)
        internal
        pure
        returns (bool)
    {
        bytes32 node = keccak256(abi.encodePacked(uint8(0), words));
        for (uint256 i = 0; i < path.length; ++i) {
            node = position & 1 == 0
                ? keccak256(abi.encodePacked(uint8(1), node, path[i]))
                : keccak256(abi.encodePacked(uint8(1), path[i], node));
            position >>= 1;
        }
        return position == 0 && node == digest;
    }
}
