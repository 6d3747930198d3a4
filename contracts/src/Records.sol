// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import { StateTree } from "./StateTree.sol";
import { RecordTable } from "./generated/RecordTable.sol";

/// @title Operation records: what L1 writes into them and reads from them.
/// @notice Positions come from the table that drives the codec and the kernel. A field is a word's number, a shift and a
/// number of bits.
library Records {
    /// @notice The words of a queue entry: those of its record, but the last.
    /// @param auth The account's address, canonical.
    function entry(uint256 tag, uint256 index, address sender, uint256 amount, bytes32 auth)
        internal
        pure
        returns (uint64[9] memory words)
    {
        (uint256 l0, uint256 l1, uint256 l2) = StateTree.cut(sender);
        _put(words, RecordTable.ENTRY_TAG, tag);
        _put(words, RecordTable.ENTRY_INDEX, index);
        _put(words, RecordTable.ENTRY_L1_0, l0);
        _put(words, RecordTable.ENTRY_L1_1, l1);
        _put(words, RecordTable.ENTRY_L1_2, l2);
        _put(words, RecordTable.ENTRY_AMOUNT, amount);
        _put(words, RecordTable.ENTRY_ADDRESS_0, uint64(uint256(auth) >> 192));
        _put(words, RecordTable.ENTRY_ADDRESS_1, uint64(uint256(auth) >> 128));
        _put(words, RecordTable.ENTRY_ADDRESS_2, uint64(uint256(auth) >> 64));
        _put(words, RecordTable.ENTRY_ADDRESS_3, uint64(uint256(auth)));
    }

    /// @notice An entry's words as a batch posts them: eight bytes each.
    function packed(uint64[9] memory words) internal pure returns (bytes memory) {
        return abi.encodePacked(
            bytes32(
                (uint256(words[0]) << 192) | (uint256(words[1]) << 128) | (uint256(words[2]) << 64) | uint256(words[3])
            ),
            bytes32(
                (uint256(words[4]) << 192) | (uint256(words[5]) << 128) | (uint256(words[6]) << 64) | uint256(words[7])
            ),
            words[8]
        );
    }

    /// @notice Whom an entry of the queue came from, and its gwei.
    function origin(uint64[9] memory words) internal pure returns (address sender, uint256 amount) {
        bytes memory record = packed(words);
        uint256 base;
        assembly ("memory-safe") {
            base := add(record, 0x20)
        }
        sender = _address(base, RecordTable.ENTRY_L1_0, RecordTable.ENTRY_L1_1, RecordTable.ENTRY_L1_2);
        amount = _get(base, RecordTable.ENTRY_AMOUNT);
    }

    /// @notice What L1 pays for a proven record: a withdrawal, what an exit moved, or a deposit that was refused.
    /// @dev The record must have been shown to stand in a batch: then it is as long as its tag says.
    /// @return to Who is paid.
    /// @return amount Gwei; 0 if the record pays nothing.
    function payment(bytes memory record) internal pure returns (address to, uint256 amount) {
        if (record.length < 16) return (address(0), 0);
        uint256 base;
        assembly ("memory-safe") {
            base := add(record, 0x20)
        }
        uint256 tag = _get(base, RecordTable.ENTRY_TAG);
        if (tag == RecordTable.WITHDRAW) {
            to = _address(base, RecordTable.WITHDRAWAL_L1_0, RecordTable.WITHDRAWAL_L1_1, RecordTable.WITHDRAWAL_L1_2);
            return (to, _get(base, RecordTable.WITHDRAWAL_AMOUNT));
        }
        bool deposit = tag == RecordTable.DEPOSIT || tag == RecordTable.DEPOSIT_NEW;
        if (!deposit && tag != RecordTable.EXIT) return (address(0), 0);
        to = _address(base, RecordTable.ENTRY_L1_0, RecordTable.ENTRY_L1_1, RecordTable.ENTRY_L1_2);
        uint256 moved = _get(base, RecordTable.ENTRY_MOVED);
        if (!deposit) return (to, moved);
        // A deposit's amount is never 0, so that nothing moved means refused.
        return (to, moved == 0 ? _get(base, RecordTable.ENTRY_AMOUNT) : 0);
    }

    function _put(uint64[9] memory words, uint256 field, uint256 value) private pure {
        words[field >> 16] |= uint64(value << ((field >> 8) & 0xff));
    }

    function _get(uint256 base, uint256 field) private pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := shr(192, mload(add(base, shl(3, shr(16, field)))))
            value := and(shr(and(shr(8, field), 0xff), value), sub(shl(and(field, 0xff), 1), 1))
        }
    }

    function _address(uint256 base, uint256 l0, uint256 l1, uint256 l2) private pure returns (address) {
        return address(uint160(_get(base, l0) | (_get(base, l1) << 56) | (_get(base, l2) << 112)));
    }
}
