// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import { Inbox } from "../src/Inbox.sol";
import { Ledger } from "../src/Ledger.sol";
import { Rollup } from "../src/Rollup.sol";
import { StarkVerifier } from "../src/StarkVerifier.sol";
import { RollupFixture } from "./RollupFixture.sol";

/// @notice Proving and pruning.
contract RollupProveTest is RollupFixture {
    bytes32 private constant ROOT = bytes32(uint256(42));

    function test_AProofSettlesARunOfBatches() external {
        vm.deal(address(this), 10 ether);
        rollup.deposit{ value: 1 gwei + FEE }(0);
        rollup.deposit{ value: 1 gwei + FEE }(0);
        bytes memory entry = _entry(_words(7, 0, address(this), 1, 0), 1);
        _commitNothing();
        _commit(1, _list(entry));
        _commit(1, _list(entry));
        _prove(2, ROOT, address(0xbeef));
        assert(rollup.proven() == 2 && rollup.roots(2) == ROOT && rollup.roots(1) == 0);
        assert(rollup.owed(OPERATOR) == BOND && rollup.owed(address(0xbeef)) == FEE + BOND);
        _prove(3, ROOT, address(0xbeef));
        assert(rollup.owed(OPERATOR) == BOND && rollup.owed(address(0xbeef)) == 2 * FEE + 2 * BOND);
        rollup.collect(address(0xbeef));
        assert(address(0xbeef).balance == 2 * FEE + 2 * BOND && rollup.owed(address(0xbeef)) == 0);
        vm.expectPartialRevert(Ledger.Ledger__NothingOwed.selector);
        rollup.collect(address(0xbeef));
    }

    function test_OnlyKnownStatementsSettle() external {
        _commitNothing();
        _commitNothing();
        _learn(rollup.statement(0, 1, ROOT, address(this)));
        vm.expectPartialRevert(Rollup.Rollup__NotProven.selector);
        rollup.prove(1, ROOT, address(1));
        vm.expectPartialRevert(Rollup.Rollup__NotProven.selector);
        rollup.prove(1, bytes32(uint256(43)), address(this));
        vm.expectPartialRevert(Rollup.Rollup__NotProven.selector);
        rollup.prove(2, ROOT, address(this));
        vm.expectPartialRevert(Rollup.Rollup__NotWaiting.selector);
        rollup.prove(0, ROOT, address(this));
        vm.expectPartialRevert(Rollup.Rollup__NotWaiting.selector);
        rollup.prove(3, ROOT, address(this));
        vm.expectPartialRevert(StarkVerifier.StarkVerifier__PublicWord.selector);
        rollup.prove(1, bytes32(type(uint256).max), address(this));
        rollup.prove(1, ROOT, address(this));
        vm.expectPartialRevert(Rollup.Rollup__NotWaiting.selector);
        rollup.prove(1, ROOT, address(this));
    }

    /// @notice A proof for another deployment is none for this one, even of the same batches.
    function test_StatementsNameTheDeployment() external {
        (, Rollup other) = _deploy();
        assert(other.DOMAIN() != rollup.DOMAIN());
        assert(other.statement(0, 0, ROOT, address(1)) != rollup.statement(0, 0, ROOT, address(1)));
    }

    function test_TheFirstOverdueBatchIsSlashedTheOthersAreNot() external {
        _commitNothing();
        _prove(1, ROOT, address(this));
        _commitNothing();
        _commitNothing();
        _commitNothing();
        vm.warp(block.timestamp + PROVE_WINDOW);
        vm.expectPartialRevert(Rollup.Rollup__NothingToPrune.selector);
        rollup.prune();
        vm.warp(block.timestamp + 1);
        vm.deal(address(0), 0);
        vm.prank(address(0xcafe));
        rollup.prune();
        assert(rollup.committed() == 1 && rollup.proven() == 1);
        assert(rollup.owed(OPERATOR) == 2 * BOND && rollup.owed(address(this)) == BOND);
        assert(rollup.owed(address(0xcafe)) == BOND / 2);
        assert(address(0).balance == BOND - BOND / 2);
        assert(address(rollup).balance == 3 * BOND + BOND / 2);
        vm.expectPartialRevert(Rollup.Rollup__NothingToPrune.selector);
        rollup.prune();
    }

    function test_APrunedBatchIsGoneAndTheQueueRewinds() external {
        vm.deal(address(this), 10 ether);
        rollup.deposit{ value: 5 gwei + FEE }(0);
        bytes memory entry = _entry(_words(7, 0, address(this), 5, 0), 0);
        _commit(1, _list(entry, _withdraw(1, address(0xbeef), 7)));
        _commitNothing();
        (bytes32 digest,,,,,) = rollup.batches(1);
        _learn(rollup.statement(0, 1, ROOT, address(this)));
        vm.warp(block.timestamp + PROVE_WINDOW + 1);
        rollup.prune();
        // The committer is in jail: until then it is as anyone.
        assert(!staking.mayCommit(OPERATOR, rollup.quietSince()));
        _silence();

        // Late: the batches are gone, and so is what they contained.
        vm.expectPartialRevert(Rollup.Rollup__NotWaiting.selector);
        rollup.prove(1, ROOT, address(this));
        bytes[] memory operations = _list(entry, _withdraw(1, address(0xbeef), 7));
        (, bytes32[] memory path) = _path(operations, 1);
        assert(!rollup.included(1, 1, operations[1], path));
        vm.expectPartialRevert(Rollup.Rollup__BatchNotProven.selector);
        rollup.claim(1, 1, operations[1], path);

        // The entry waits again, and is past its window.
        bytes memory none = _data(0, new bytes[](0));
        vm.deal(OPERATOR, BOND);
        _asOperator();
        vm.expectPartialRevert(Inbox.Inbox__Overdue.selector);
        rollup.commit{ value: BOND }(head, 0, _blocks(none), none, 0);

        // The same batch again has the same digest: a proof that came too late serves it.
        _commit(1, operations);
        (bytes32 again,,,,,) = rollup.batches(1);
        assert(again == digest);
        rollup.prove(1, ROOT, address(this));
        rollup.claim(1, 1, operations[1], path);
    }

    function test_TheFirstHourIsTheCommitters() external {
        exclusive = 1 hours;
        (staking, rollup) = _deploy();
        _silence();
        _commitNothing();
        _silence();
        address other = address(0xcafe);
        vm.deal(other, BOND);
        bytes memory data = _data(0, new bytes[](0));
        (head,,,,,) = rollup.batches(1);
        vm.prank(other, other);
        rollup.commit{ value: BOND }(head, 0, _blocks(data), data, 0);
        // One payee cannot be both committers while both are alone.
        _learn(rollup.statement(0, 2, ROOT, other));
        _learn(rollup.statement(0, 2, ROOT, OPERATOR));
        vm.expectPartialRevert(Rollup.Rollup__Exclusive.selector);
        rollup.prove(2, ROOT, other);
        vm.expectPartialRevert(Rollup.Rollup__Exclusive.selector);
        rollup.prove(2, ROOT, OPERATOR);
        // The first committer's time is over first: then the second can have both.
        vm.warp(block.timestamp + 1 hours - SILENCE - 1);
        vm.expectPartialRevert(Rollup.Rollup__Exclusive.selector);
        rollup.prove(2, ROOT, other);
        vm.warp(block.timestamp + 1);
        vm.expectPartialRevert(Rollup.Rollup__Exclusive.selector);
        rollup.prove(2, ROOT, OPERATOR);
        rollup.prove(2, ROOT, other);
        assert(rollup.owed(other) == 2 * BOND && rollup.disturbed() == 0);
    }

    function test_TheLastPlaceThatABatchCouldWaitInIsADisturbance() external {
        for (uint256 i = 0; i < rollup.MAX_UNPROVEN(); ++i) {
            _commitNothing();
        }
        assert(rollup.disturbed() == 0);
        _prove(1, ROOT, address(this));
        assert(rollup.disturbed() == block.timestamp);
    }

    function test_ALateProofStillSettlesUntilPruned() external {
        _commitNothing();
        vm.warp(block.timestamp + 10 * PROVE_WINDOW);
        _prove(1, ROOT, address(this));
        assert(rollup.owed(address(this)) == BOND && rollup.disturbed() == block.timestamp);
    }

    /// @notice Whoever alone can prove a batch decides when those behind it can be settled: that must not cost their bonds.
    function test_WhoeverProvesLateLeavesTimeToTheNext() external {
        uint256 share = PROVE_WINDOW / rollup.SETTLE_SHARE();
        _commitNothing();
        vm.warp(block.timestamp + 1);
        _commitNothing();
        _commitNothing();
        uint256 second = block.timestamp + PROVE_WINDOW;
        assert(rollup.deadline() == second - 1);
        // The proof comes when the second batch is past its own deadline.
        vm.warp(second + 1);
        _prove(1, ROOT, address(this));
        assert(rollup.deadline() == block.timestamp + share && rollup.disturbed() == block.timestamp);
        vm.expectPartialRevert(Rollup.Rollup__NothingToPrune.selector);
        rollup.prune();
        vm.warp(block.timestamp + share);
        vm.expectPartialRevert(Rollup.Rollup__NothingToPrune.selector);
        rollup.prune();
        _prove(2, ROOT, address(this));
        assert(rollup.owed(address(this)) == 2 * BOND && rollup.owed(OPERATOR) == 0);
        // Not for ever: the third has as long, and is pruned.
        vm.warp(block.timestamp + share + 1);
        rollup.prune();
        assert(rollup.committed() == 2 && rollup.owed(OPERATOR) == 0);
    }

    /// @notice Whoever alone can prove a batch keeps those behind it from settling in their own time: it must not earn their bonds.
    function test_WhoeverProvesLateDoesNotEarnTheBondsBehind() external {
        exclusive = 1 hours;
        (staking, rollup) = _deploy();
        _silence();
        address late = address(0xcafe);
        vm.deal(late, BOND);
        bytes memory data = _data(0, new bytes[](0));
        (head,,,,,) = rollup.batches(0);
        vm.prank(late, late);
        rollup.commit{ value: BOND }(head, 0, _blocks(data), data, 0);
        _silence();
        (head,,,,,) = rollup.batches(1);
        for (uint256 i = 0; i < 3; ++i) {
            _commitNothing();
            _silence();
        }
        vm.warp(block.timestamp + 10 hours);
        // In one proof with its own.
        _prove(2, ROOT, late);
        assert(rollup.owed(late) == BOND && rollup.owed(OPERATOR) == BOND);
        // Or right behind it: whoever settles it then does that for its committer.
        uint256 open = block.timestamp + 1 hours;
        assert(rollup.bondOpensAt() == open);
        vm.warp(open - 1);
        _prove(3, ROOT, late);
        assert(rollup.owed(late) == BOND && rollup.owed(OPERATOR) == 2 * BOND);
        // Who leaves it to others for longer still leaves them the first bond.
        vm.warp(block.timestamp + 1 hours);
        _prove(4, ROOT, late);
        assert(rollup.owed(late) == 2 * BOND && rollup.owed(OPERATOR) == 2 * BOND);
    }

    /// @notice Half of the share, where that is less than the exclusive window: the other half is anybody's.
    function test_TheOwnTimeBehindALateProofEndsBeforeTheDeadline() external {
        exclusive = PROVE_WINDOW / 2;
        (staking, rollup) = _deploy();
        _silence();
        _commitNothing();
        _silence();
        _commitNothing();
        vm.warp(block.timestamp + PROVE_WINDOW);
        _prove(1, ROOT, OPERATOR);
        uint256 share = PROVE_WINDOW / rollup.SETTLE_SHARE();
        assert(rollup.bondOpensAt() == block.timestamp + share / 2);
        assert(rollup.deadline() == block.timestamp + share);
        // A batch that is committed after the proof has its own time, as ever.
        vm.warp(block.timestamp + share / 2);
        _prove(2, ROOT, address(this));
        _silence();
        _commitNothing();
        assert(rollup.bondOpensAt() == block.timestamp + exclusive);
    }

    function test_AProofInTimeDoesNotMoveTheNextDeadline() external {
        _commitNothing();
        vm.warp(block.timestamp + PROVE_WINDOW / 2);
        _commitNothing();
        _prove(1, ROOT, address(this));
        assert(rollup.deadline() == block.timestamp + PROVE_WINDOW);
        // Nor does one that covers no commit before the next one's own time.
        vm.warp(block.timestamp + PROVE_WINDOW - 1);
        _commitNothing();
        _prove(2, ROOT, address(this));
        assert(rollup.deadline() == block.timestamp + PROVE_WINDOW);
    }
}
