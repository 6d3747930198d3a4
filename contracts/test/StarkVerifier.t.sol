// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import { StarkVerifier } from "../src/StarkVerifier.sol";

/// @notice What a verifier refuses to be built with. Proofs are tested from Rust, where they are made.
contract StarkVerifierTest {
    function _parameters() private pure returns (StarkVerifier.Parameters memory p) {
        p.mainWidth = 92;
        p.auxWidth = 4;
        p.quotients = 8;
        p.transitions = 100;
        p.boundaries = 10;
        p.logCycle = 3;
        p.queries = 41;
        p.logBlowup = 4;
        p.grinding = 20;
        p.logRemainder = 7;
        p.logLeast = 9;
        p.logMost = 20;
    }

    function _refused(StarkVerifier.Parameters memory p, address evaluator) private returns (bytes4) {
        address[] memory evaluators = new address[](1);
        evaluators[0] = evaluator;
        try new StarkVerifier(p, evaluators) returns (StarkVerifier) {
            return 0;
        } catch (bytes memory reason) {
            return bytes4(reason);
        }
    }

    function test_SoundParametersAreAccepted() external {
        assert(_refused(_parameters(), address(this)) == 0);
    }

    function test_ContradictingParametersAreRefused() external {
        bytes4 expected = StarkVerifier.StarkVerifier__Parameters.selector;
        StarkVerifier.Parameters memory p = _parameters();
        p.logMost = 29;
        assert(_refused(p, address(this)) == expected);
        p = _parameters();
        p.queries = 0;
        assert(_refused(p, address(this)) == expected);
        p = _parameters();
        p.quotients = 16;
        assert(_refused(p, address(this)) == expected);
        p = _parameters();
        p.logRemainder = 9;
        assert(_refused(p, address(this)) == expected);
        p = _parameters();
        p.tags[2] = 0xffffffff00000001;
        assert(_refused(p, address(this)) == expected);
    }

    function test_AnEvaluatorWithoutCodeIsRefused() external {
        assert(_refused(_parameters(), address(1)) == StarkVerifier.StarkVerifier__Evaluator.selector);
    }
}
