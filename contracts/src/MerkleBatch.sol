// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Batched Merkle openings.
/// @notice Computes the root over several leaves at once. The siblings that do not follow from the leaves are read from
/// calldata in the one order that the walk fixes, level by level and left to right: no node can be left out, repeated or
/// put elsewhere without changing the root.
/// @dev An entry is one word: a 25-byte digest on top, its index in the low 7 bytes. A node is the hash of a tag and two
/// digests, so that it is never the hash of a row.
library MerkleBatch {
    /// @notice The bytes of a digest.
    uint256 internal constant DIGEST = 0xffffffffffffffffffffffffffffffffffffffffffffffffff00000000000000;
    /// @notice The bytes of an index.
    uint256 internal constant INDEX = 0x00000000000000000000000000000000000000000000000000ffffffffffffff;

    /// @notice The root over `count` entries at `entries`, ascending by index, in a tree of depth `depth`.
    /// @param nodes Where the siblings start in calldata.
    /// @return root The root that they lead to.
    /// @return next Where the siblings end. The caller checks that this lies within its section.
    function root(uint256 entries, uint256 count, uint256 depth, uint256 nodes)
        internal
        pure
        returns (bytes32, uint256 next)
    {
        uint256 result;
        assembly ("memory-safe") {
            // The node being hashed stands in scratch space: tag, left digest, right digest.
            mstore8(0x00, 1)
            let end := add(entries, shl(5, count))
            for { } depth { depth := sub(depth, 1) } {
                let target := entries
                for { let source := entries } lt(source, end) { } {
                    let entry := mload(source)
                    let index := and(entry, INDEX)
                    source := add(source, 0x20)
                    switch and(index, 1)
                    case 0 {
                        mstore(0x01, entry)
                        let right := mload(source)
                        switch and(lt(source, end), eq(and(right, INDEX), or(index, 1)))
                        case 0 {
                            right := calldataload(nodes)
                            nodes := add(nodes, 25)
                        }
                        default { source := add(source, 0x20) }
                        mstore(0x1a, right)
                    }
                    default {
                        mstore(0x01, calldataload(nodes))
                        nodes := add(nodes, 25)
                        mstore(0x1a, entry)
                    }
                    mstore(target, or(and(keccak256(0x00, 51), DIGEST), shr(1, index)))
                    target := add(target, 0x20)
                }
                end := target
            }
            result := mload(entries)
        }
        return (bytes32(result & DIGEST), nodes);
    }
}
