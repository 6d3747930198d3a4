// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import { Poseidon2 } from "../src/Poseidon2.sol";
import { Poseidon2Permutation } from "../src/generated/Poseidon2Permutation.sol";

/// @notice Shows the hash to the tests, which compare it with the machine's.
contract Poseidon2Harness {
    function permute(uint256[8] memory state) external pure returns (uint256[8] memory) {
        Poseidon2Permutation.permute(state);
        for (uint256 i = 0; i < 8; ++i) {
            state[i] %= Poseidon2.P;
        }
        return state;
    }

    function compress(bytes32 left, bytes32 right) external pure returns (bytes32) {
        return Poseidon2.compress(left, right);
    }
}
