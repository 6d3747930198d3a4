// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Headers of the rollup's blocks.
/// @notice What a leader signs is what its commit is held to: headers are formed here from the very data of the commit, so
/// that a signed header either stands in it or contradicts it.
library BlockHeaders {
    /// @notice The list of blocks does not cut the data: `position` is the number of the block that is wrong.
    error BlockHeaders__Blocks(uint256 position);
    /// @notice The signature is none: s in the upper half, v that is not 27 or 28, or no key gives it.
    error BlockHeaders__Signature();

    /// @notice A block's header.
    /// @param slot The slot that it was built for.
    /// @param batch The batch it belongs to.
    /// @param index Its number in the batch.
    /// @param parent The hash of the header before.
    /// @param operations The hash of its words.
    /// @param state The state root after it, as claimed.
    struct Header {
        uint64 slot;
        uint64 batch;
        uint32 index;
        bytes32 parent;
        bytes32 operations;
        bytes32 state;
    }

    bytes32 private constant TYPE =
        keccak256("Header(uint64 slot,uint64 batch,uint32 index,bytes32 parent,bytes32 operations,bytes32 state)");
    bytes32 private constant DOMAIN_TYPE =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    /// @notice Bytes of a block in the list of a commit: where it ends, and its state root.
    uint256 private constant BLOCK_BYTES = 34;
    uint256 private constant HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    /// @notice The struct hash (EIP-712), by which the next header names it.
    function hash(Header memory header) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(TYPE, header.slot, header.batch, header.index, header.parent, header.operations, header.state)
        );
    }

    /// @notice What is signed.
    function digest(Header memory header, address rollup) internal view returns (bytes32) {
        bytes32 domain =
            keccak256(abi.encode(DOMAIN_TYPE, keccak256("Starling"), keccak256("1"), block.chainid, rollup));
        return keccak256(abi.encodePacked(hex"1901", domain, hash(header)));
    }

    /// @notice Who signed a header: r, s, v.
    function signer(Header memory header, bytes calldata signature, address rollup) internal view returns (address by) {
        if (signature.length != 65) revert BlockHeaders__Signature();
        uint8 v = uint8(signature[64]);
        bytes32 s = bytes32(signature[32:64]);
        if (uint256(s) > HALF_ORDER || (v != 27 && v != 28)) revert BlockHeaders__Signature();
        by = ecrecover(digest(header, rollup), v, bytes32(signature[:32]), s);
        if (by == address(0)) revert BlockHeaders__Signature();
    }

    /// @notice The hash of the last of a batch's headers.
    /// @param header Slot, batch and parent of the first.
    /// @param blocks For each block where it ends in the data, in words, and its state root.
    /// @param source Where the data starts in memory.
    /// @param length Its words.
    function chain(Header memory header, bytes calldata blocks, uint256 source, uint256 length)
        internal
        pure
        returns (bytes32 last)
    {
        uint256 count = blocks.length / BLOCK_BYTES;
        if (count == 0 || blocks.length % BLOCK_BYTES != 0) revert BlockHeaders__Blocks(count);
        // The first word, the data's length, is not known before the batch is sealed.
        uint256 from = 1;
        last = header.parent;
        bytes32 kind = TYPE;
        for (uint256 i = 0; i < count; ++i) {
            uint256 entry;
            assembly ("memory-safe") {
                entry := add(blocks.offset, mul(i, BLOCK_BYTES))
            }
            uint256 to;
            assembly ("memory-safe") {
                to := shr(240, calldataload(entry))
            }
            if (to <= from || to > length) revert BlockHeaders__Blocks(i);
            header.index = uint32(i);
            header.parent = last;
            assembly ("memory-safe") {
                mstore(add(header, 0x80), keccak256(add(source, shl(3, from)), shl(3, sub(to, from))))
                mstore(add(header, 0xa0), calldataload(add(entry, 2)))
                // The header's six words behind the type, in free memory.
                let free := mload(0x40)
                mstore(free, kind)
                mcopy(add(free, 0x20), header, 0xc0)
                last := keccak256(free, 0xe0)
            }
            from = to;
        }
        if (from != length) revert BlockHeaders__Blocks(count);
    }
}
