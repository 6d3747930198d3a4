// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import { Cheats } from "./RollupFixture.sol";

/// @title L1 as a contract can see it: headers of blocks, and the history contract that knows their hashes.
library L1Chain {
    Cheats private constant vm = Cheats(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);

    address internal constant HISTORY = 0x0000F90827F1C53a10cb7A02335B175320002935;
    /// @notice The history contract's code, as EIP-2935 gives it.
    bytes internal constant CODE =
        hex"3373fffffffffffffffffffffffffffffffffffffffe14604657602036036042575f35600143038111604257611fff81430311604257611fff9006545f5260205ff35b5f5ffd5b5f35611fff60014303065500";

    /// @notice What the tests vary of a header.
    struct Block {
        bytes32 parent;
        uint256 number;
        uint256 time;
        bytes32 random;
    }

    function install() internal {
        vm.etch(HISTORY, CODE);
    }

    /// @notice Puts a block into L1's history, and goes on to the next block.
    function mine(Block memory b) internal returns (bytes memory header) {
        header = encode(b);
        keep(b.number, keccak256(header));
        vm.roll(b.number + 1);
    }

    /// @notice Writes a block's hash where the history contract keeps it.
    function keep(uint256 number, bytes32 hash) internal {
        vm.store(HISTORY, bytes32(number % 8191), hash);
    }

    /// @notice A header as L1's clients make them since the Prague fork: 21 items.
    function encode(Block memory b) internal pure returns (bytes memory) {
        bytes memory front = abi.encodePacked(
            word(b.parent),
            word(keccak256("uncles")),
            text(abi.encodePacked(address(0xfee))),
            word(keccak256("state")),
            word(keccak256("transactions")),
            word(keccak256("receipts")),
            text(new bytes(256)),
            integer(0)
        );
        bytes memory middle = abi.encodePacked(
            integer(b.number),
            integer(45_000_000),
            integer(21_000),
            integer(b.time),
            text("a builder"),
            word(b.random),
            text(new bytes(8)),
            integer(7 gwei)
        );
        bytes memory back = abi.encodePacked(
            word(keccak256("withdrawals")),
            integer(131_072),
            integer(0),
            word(keccak256("beacon")),
            word(keccak256("requests"))
        );
        return list(abi.encodePacked(front, middle, back));
    }

    // RLP, by appendix B of the yellow paper
    // ============================================================================================

    function word(bytes32 value) internal pure returns (bytes memory) {
        return text(abi.encodePacked(value));
    }

    function integer(uint256 value) internal pure returns (bytes memory) {
        return text(_bigEndian(value));
    }

    function text(bytes memory value) internal pure returns (bytes memory) {
        if (value.length == 1 && uint8(value[0]) < 0x80) return value;
        return abi.encodePacked(_prefix(value.length, 0x80), value);
    }

    function list(bytes memory items) internal pure returns (bytes memory) {
        return abi.encodePacked(_prefix(items.length, 0xc0), items);
    }

    function _prefix(uint256 length, uint256 kind) private pure returns (bytes memory) {
        if (length < 56) return abi.encodePacked(uint8(kind + length));
        bytes memory size = _bigEndian(length);
        return abi.encodePacked(uint8(kind + 55 + size.length), size);
    }

    /// @notice Without leading zeros; nothing for zero.
    function _bigEndian(uint256 value) private pure returns (bytes memory out) {
        for (; value != 0; value >>= 8) {
            out = abi.encodePacked(uint8(value), out);
        }
    }
}
