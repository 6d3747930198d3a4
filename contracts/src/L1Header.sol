// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Headers of L1's own blocks, known by their hashes.
/// @notice A header that hashes to a block's hash is that block's; the hash comes from the history contract (EIP-2935),
/// which has those of the last 8,191 blocks, or from another known header. Fields behind the known ones do not matter: a
/// later fork can add some.
library L1Header {
    /// @notice The bytes are not a header: a list of items in the encoding of the yellow paper, appendix B.
    error L1Header__Malformed();
    /// @notice L1's history does not have the block, or has another one.
    error L1Header__NotInHistory(uint256 number);

    /// @notice The history contract.
    address internal constant HISTORY = 0x0000F90827F1C53a10cb7A02335B175320002935;
    uint256 private constant PARENT = 0;
    uint256 private constant NUMBER = 8;
    uint256 private constant TIME = 11;
    uint256 private constant RANDOM = 13;

    /// @notice What is read of a header.
    /// @param hash The block's hash.
    /// @param parent The hash of the block before.
    /// @param number The block's number.
    /// @param time Its time in seconds.
    /// @param random Its prevrandao.
    struct Header {
        bytes32 hash;
        bytes32 parent;
        uint256 number;
        uint256 time;
        bytes32 random;
    }

    /// @notice Reads a header, which is that of some block only if its hash is.
    function parse(bytes calldata rlp) internal pure returns (Header memory header) {
        header.hash = keccak256(rlp);
        (bool list, uint256 offset, uint256 end) = _item(rlp, 0, rlp.length);
        if (!list || end != rlp.length) revert L1Header__Malformed();
        for (uint256 field = 0; field <= RANDOM; ++field) {
            uint256 next;
            bool nested;
            (nested, offset, next) = _item(rlp, offset, end);
            if (nested || next - offset > 32) {
                // Only the bloom filter is longer.
                if (nested || field == PARENT || field == NUMBER || field == TIME || field == RANDOM) {
                    revert L1Header__Malformed();
                }
            } else {
                uint256 value;
                assembly ("memory-safe") {
                    let size := sub(next, offset)
                    value := shr(shl(3, sub(32, size)), calldataload(add(rlp.offset, offset)))
                }
                if (field == PARENT) header.parent = bytes32(value);
                else if (field == NUMBER) header.number = value;
                else if (field == TIME) header.time = value;
                else if (field == RANDOM) header.random = bytes32(value);
            }
            offset = next;
        }
    }

    /// @notice Reads the header of a block in L1's history.
    function known(bytes calldata rlp) internal view returns (Header memory header) {
        header = parse(rlp);
        (bool success, bytes memory hash) = HISTORY.staticcall(abi.encode(header.number));
        if (!success || hash.length != 32 || bytes32(hash) != header.hash) {
            revert L1Header__NotInHistory(header.number);
        }
    }

    /// @notice Where an item's content starts and where the item ends, which is not behind `limit`.
    function _item(bytes calldata rlp, uint256 offset, uint256 limit)
        private
        pure
        returns (bool list, uint256 start, uint256 end)
    {
        if (offset >= limit) revert L1Header__Malformed();
        uint256 prefix = uint8(rlp[offset]);
        if (prefix < 0x80) return (false, offset, offset + 1);
        list = prefix >= 0xc0;
        uint256 size = prefix - (list ? 0xc0 : 0x80);
        start = offset + 1;
        if (size > 55) {
            uint256 bytesOfSize = size - 55;
            // A header is shorter than 2^16 bytes.
            if (bytesOfSize > 2 || start + bytesOfSize > limit) revert L1Header__Malformed();
            size = 0;
            for (uint256 i = 0; i < bytesOfSize; ++i) {
                size = (size << 8) | uint8(rlp[start + i]);
            }
            start += bytesOfSize;
        }
        end = start + size;
        if (end > limit) revert L1Header__Malformed();
    }
}
