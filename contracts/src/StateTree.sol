// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import { Poseidon2 } from "./Poseidon2.sol";

/// @title The rollup's state, as far as L1 looks into it.
/// @notice An account's address is the digest of its public key and its L1 owner, its leaf commits to address, nonce and
/// balance, the state root to the tree and the next free index. The numbers 1, 2 and 3 keep the preimages of addresses,
/// leaves and roots apart.
library StateTree {
    /// @notice Levels between leaves and root.
    uint256 internal constant DEPTH = 32;

    /// @notice An L1 address as elements: 56, 56 and 48 bits, the lowest first.
    function cut(address a) internal pure returns (uint256, uint256, uint256) {
        uint256 bits = uint160(a);
        return (bits & 0xffffffffffffff, (bits >> 56) & 0xffffffffffffff, bits >> 112);
    }

    /// @notice The address of the account with the public key `key` and the L1 owner `owner`.
    function auth(uint64[5] calldata key, address owner) internal pure returns (bytes32) {
        (uint256 o0, uint256 o1, uint256 o2) = cut(owner);
        bytes32 left = Poseidon2.word(key[0], key[1], key[2], key[3]);
        bytes32 right = Poseidon2.word(key[4], o0, o1, o2 | (1 << 48));
        Poseidon2.check(left);
        Poseidon2.check(right);
        return Poseidon2.compress(left, right);
    }

    /// @notice The state root over a tree's root.
    function root(bytes32 tree, uint64 next) internal pure returns (bytes32) {
        bytes32 numbers = Poseidon2.word(next, 3, 0, 0);
        Poseidon2.check(numbers);
        return Poseidon2.compress(tree, numbers);
    }

    /// @notice The state root of which an account is part.
    /// @dev Every word is checked: a balance above the modulus would be a second name for a small one.
    function rootFrom(
        uint32 index,
        bytes32 account,
        uint32 nonce,
        uint64 balance,
        uint64 next,
        bytes32[DEPTH] calldata siblings
    ) internal pure returns (bytes32) {
        bytes32 numbers = Poseidon2.word(nonce, balance, 2, 0);
        Poseidon2.check(account);
        Poseidon2.check(numbers);
        // Code and storage, both empty for now.
        bytes32 node = Poseidon2.compress(Poseidon2.compress(account, numbers), Poseidon2.compress(0, 0));
        for (uint256 height = 0; height < DEPTH; ++height) {
            bytes32 sibling = siblings[height];
            Poseidon2.check(sibling);
            bool right = (index >> height) & 1 == 1;
            node = right ? Poseidon2.compress(sibling, node) : Poseidon2.compress(node, sibling);
        }
        return root(node, next);
    }

    /// @notice The state root without any account.
    function emptyRoot() internal pure returns (bytes32) {
        bytes32 node = 0;
        for (uint256 height = 0; height < DEPTH; ++height) {
            node = Poseidon2.compress(node, node);
        }
        return root(node, 0);
    }
}
