// SPDX-License-Identifier: MIT OR Apache-2.0
// Generated from the record table in `rollup`. Do not edit: change the table and generate again.
pragma solidity 0.8.37;

/// @title Tags, lengths and fields of the operation records.
/// @notice A field is word number x 2^16 + shift x 2^8 + bits.
library RecordTable {
    uint256 internal constant TRANSFER = 1;
    uint256 internal constant TRANSFER_LONG = 2;
    uint256 internal constant OPEN = 3;
    uint256 internal constant WITHDRAW = 4;
    uint256 internal constant REKEY = 5;
    uint256 internal constant DEPOSIT = 6;
    uint256 internal constant DEPOSIT_NEW = 7;
    uint256 internal constant EXIT = 8;
    /// @notice Byte number `tag` is the number of words of a signed operation's record, 0 if none has this tag.
    uint256 internal constant SIGNED_LENGTHS =
        0x0002040806070000000000000000000000000000000000000000000000000000;
    /// @notice Words of a queue entry in a batch.
    uint256 internal constant ENTRY_WORDS = 10;
    uint256 internal constant ENTRY_INDEX = 0x20;
    uint256 internal constant ENTRY_TAG = 0x10004;
    uint256 internal constant ENTRY_L1_2 = 0x10430;
    uint256 internal constant ENTRY_L1_0 = 0x20038;
    uint256 internal constant ENTRY_L1_1 = 0x30038;
    uint256 internal constant ENTRY_AMOUNT = 0x4003f;
    uint256 internal constant ENTRY_ADDRESS_0 = 0x50040;
    uint256 internal constant ENTRY_ADDRESS_1 = 0x60040;
    uint256 internal constant ENTRY_ADDRESS_2 = 0x70040;
    uint256 internal constant ENTRY_ADDRESS_3 = 0x80040;
    uint256 internal constant ENTRY_MOVED = 0x9003f;
    uint256 internal constant WITHDRAWAL_FROM = 0x20;
    uint256 internal constant WITHDRAWAL_TAG = 0x10004;
    uint256 internal constant WITHDRAWAL_L1_2 = 0x10430;
    uint256 internal constant WITHDRAWAL_L1_0 = 0x20038;
    uint256 internal constant WITHDRAWAL_L1_1 = 0x30038;
    uint256 internal constant WITHDRAWAL_AMOUNT = 0x4003f;
    uint256 internal constant WITHDRAWAL_FEE = 0x5003f;
}
