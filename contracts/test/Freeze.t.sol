// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import { Inbox } from "../src/Inbox.sol";
import { Poseidon2 } from "../src/Poseidon2.sol";
import { Rollup } from "../src/Rollup.sol";
import { RollupFixture } from "./RollupFixture.sol";

/// @notice Freezing, and leaving a frozen rollup.
contract RollupFreezeTest is RollupFixture {
    uint64[5] private _key = [uint64(1), 2, 3, 4, 5];
    address private constant OWNER = address(0xbeef);

    function _freeze() private {
        vm.deal(address(this), 1 ether);
        rollup.deposit{ value: 5 gwei + FEE }(0);
        vm.warp(block.timestamp + FREEZE_WINDOW + 1);
        rollup.freeze();
    }

    function test_OnlyAnAbandonedEntryFreezes() external {
        vm.expectPartialRevert(Rollup.Rollup__NothingAbandoned.selector);
        rollup.freeze();
        vm.deal(address(this), 1 ether);
        rollup.deposit{ value: 5 gwei + FEE }(0);
        vm.warp(block.timestamp + FREEZE_WINDOW);
        vm.expectPartialRevert(Rollup.Rollup__NothingAbandoned.selector);
        rollup.freeze();
        // Consumed is not enough, proven is.
        _commit(1, _list(_entry(_words(7, 0, address(this), 5, 0), 5)));
        vm.warp(block.timestamp + 1);
        _prove(1, bytes32(uint256(1)), address(this));
        vm.expectPartialRevert(Rollup.Rollup__NothingAbandoned.selector);
        rollup.freeze();
    }

    function test_AFrozenRollupTakesNothingAndProvesNothing() external {
        _commitNothing();
        _commitNothing();
        _learn(rollup.statement(0, 1, bytes32(uint256(1)), address(this)));
        vm.deal(address(0), 0);
        vm.deal(address(this), 1 ether);
        rollup.deposit{ value: 5 gwei + FEE }(0);
        // While batches wait, overdue or not, the entry waits for longer.
        vm.warp(block.timestamp + FREEZE_WINDOW + 1);
        vm.expectPartialRevert(Rollup.Rollup__NothingAbandoned.selector);
        rollup.freeze();
        vm.warp(block.timestamp + FREEZE_LIMIT - FREEZE_WINDOW);
        rollup.freeze();
        // The first batch was overdue as well.
        assert(rollup.frozen() && rollup.committed() == 0);
        assert(rollup.owed(OPERATOR) == BOND && address(0).balance == BOND - BOND / 2);

        bytes4 closed = Inbox.Inbox__Frozen.selector;
        vm.expectPartialRevert(closed);
        rollup.deposit{ value: 5 gwei + FEE }(0);
        vm.expectPartialRevert(closed);
        rollup.forceExit{ value: FEE }(0, _key);
        vm.expectPartialRevert(closed);
        rollup.prove(1, bytes32(uint256(1)), address(this));
        vm.expectPartialRevert(closed);
        rollup.prune();
        vm.expectPartialRevert(closed);
        rollup.freeze();
        vm.expectPartialRevert(closed);
        rollup.reportContradiction(0, 1, 0, address(this));
        bytes memory data = _data(0, new bytes[](0));
        vm.deal(OPERATOR, BOND);
        _asOperator();
        vm.expectPartialRevert(closed);
        rollup.commit{ value: BOND }(head, 0, _blocks(data), data, 0);
    }

    function test_GarbageCannotRunTheClockOut() external {
        vm.deal(address(this), 1 ether);
        rollup.deposit{ value: 5 gwei + FEE }(0);
        bytes[] memory operations = _list(_entry(_words(7, 0, address(this), 5, 0), 5));
        _commit(1, operations);
        vm.warp(block.timestamp + FREEZE_WINDOW + 1);
        rollup.prune();
        // The operators have a queue window to serve the entry.
        vm.warp(block.timestamp + QUEUE_WINDOW);
        vm.expectPartialRevert(Rollup.Rollup__NothingAbandoned.selector);
        rollup.freeze();
        _commit(1, operations);
        vm.warp(block.timestamp + 1);
        vm.expectPartialRevert(Rollup.Rollup__NothingAbandoned.selector);
        rollup.freeze();
        // Nobody proves that either, and nobody comes after it.
        vm.warp(block.timestamp + PROVE_WINDOW + 1);
        rollup.prune();
        vm.warp(block.timestamp + QUEUE_WINDOW + 1);
        rollup.freeze();
        assert(rollup.frozen());
    }

    function test_ABatchThatIsNotOverdueKeepsItsBondWhenFrozen() external {
        vm.deal(address(this), 1 ether);
        rollup.deposit{ value: 5 gwei + FEE }(0);
        vm.warp(block.timestamp + FREEZE_LIMIT);
        _commit(1, _list(_entry(_words(7, 0, address(this), 5, 0), 5)));
        vm.warp(block.timestamp + 1);
        rollup.freeze();
        assert(rollup.owed(OPERATOR) == BOND && rollup.committed() == 0);
        // The entry was in a batch that is gone.
        rollup.refund(0, _words(7, 0, address(this), 5, 0));
    }

    function test_UnconsumedEntriesAreGivenBackOnce() external {
        vm.deal(address(this), 1 ether);
        rollup.deposit{ value: 4 gwei + FEE }(0);
        _settle(1, _list(_entry(_words(7, 0, address(this), 4, 0), 4)));
        rollup.forceExit{ value: FEE }(9, _key);
        uint64[9] memory none = _words(8, 9, address(this), 0, _auth(_key, address(this)));
        uint64[9] memory five = _words(7, 0, address(this), 5, 0);
        vm.expectPartialRevert(Rollup.Rollup__NotFrozen.selector);
        rollup.refund(1, none);
        _freeze();
        vm.expectPartialRevert(Inbox.Inbox__Entry.selector);
        rollup.refund(0, _words(7, 0, address(this), 4, 0));
        vm.expectPartialRevert(Inbox.Inbox__Entry.selector);
        rollup.refund(2, _words(7, 0, address(this), 6, 0));
        vm.expectPartialRevert(Inbox.Inbox__Entry.selector);
        rollup.refund(3, five);
        uint256 before = address(this).balance;
        rollup.refund(1, none);
        assert(address(this).balance == before + FEE);
        rollup.refund(2, five);
        assert(address(this).balance == before + 2 * FEE + 5 gwei);
        vm.expectPartialRevert(Inbox.Inbox__Entry.selector);
        rollup.refund(2, five);
    }

    function test_AnAccountLeavesOnceWithItsProvenBalance() external {
        bytes32 auth = _auth(_key, OWNER);
        bytes32[32] memory siblings = _siblings();
        _commitNothing();
        _prove(1, _stateRoot(auth, 6, 70), address(this));
        vm.deal(address(rollup), address(rollup).balance + 70 gwei);
        assert(rollup.accountProven(0, auth, 6, 70, 1, siblings));
        assert(!rollup.accountProven(0, auth, 6, 71, 1, siblings));
        assert(!rollup.accountProven(0, auth, 7, 70, 1, siblings));
        assert(!rollup.accountProven(1, auth, 6, 70, 1, siblings));
        assert(!rollup.accountProven(0, auth, 6, 70, 2, siblings));
        assert(!rollup.accountProven(0, bytes32(uint256(1)), 6, 70, 1, siblings));
        vm.expectPartialRevert(Poseidon2.Poseidon2__NotCanonical.selector);
        rollup.accountProven(0, bytes32(type(uint256).max), 6, 70, 1, siblings);

        vm.expectPartialRevert(Rollup.Rollup__NotFrozen.selector);
        rollup.escape(0, _key, OWNER, 6, 70, 1, siblings);
        _freeze();
        vm.expectPartialRevert(Rollup.Rollup__NoSuchAccount.selector);
        rollup.escape(0, _key, address(this), 6, 70, 1, siblings);
        vm.expectPartialRevert(Rollup.Rollup__NoSuchAccount.selector);
        rollup.escape(1, _key, OWNER, 6, 70, 1, siblings);
        // A balance, a next index or a sibling that is the same element under another name.
        vm.expectPartialRevert(Poseidon2.Poseidon2__NotCanonical.selector);
        rollup.escape(0, _key, OWNER, 6, 0xffffffff00000001 + 70, 1, siblings);
        vm.expectPartialRevert(Poseidon2.Poseidon2__NotCanonical.selector);
        rollup.escape(0, _key, OWNER, 6, 70, 0xffffffff00000002, siblings);
        bytes32 sibling = siblings[0];
        siblings[0] = bytes32(uint256(0xffffffff00000001));
        vm.expectPartialRevert(Poseidon2.Poseidon2__NotCanonical.selector);
        rollup.escape(0, _key, OWNER, 6, 70, 1, siblings);
        siblings[0] = sibling;

        rollup.escape(0, _key, OWNER, 6, 70, 1, siblings);
        assert(OWNER.balance == 70 gwei);
        vm.expectPartialRevert(Rollup.Rollup__AlreadyPaid.selector);
        rollup.escape(0, _key, OWNER, 6, 70, 1, siblings);
    }

    function test_WithdrawalsAreStillPaidWhenFrozen() external {
        bytes[] memory operations = _list(_withdraw(1, OWNER, 7));
        _settle(0, operations);
        vm.deal(address(rollup), address(rollup).balance + 7 gwei);
        _freeze();
        (, bytes32[] memory path) = _path(operations, 0);
        rollup.claim(1, 0, operations[0], path);
        assert(OWNER.balance == 7 gwei);
    }

    function test_TwoOutcomesOfOneHistoryFreeze() external {
        _commitNothing();
        _commitNothing();
        _commitNothing();
        _commitNothing();
        bytes32 first = bytes32(uint256(1));
        bytes32 second = bytes32(uint256(2));
        _prove(1, first, address(this));
        _prove(3, first, address(this));
        bytes4 none = Rollup.Rollup__NoContradiction.selector;
        // The proven outcome itself, batches with which no proof ended, nothing in between.
        _learn(rollup.statement(1, 3, first, address(1)));
        vm.expectPartialRevert(none);
        rollup.reportContradiction(1, 3, first, address(1));
        vm.expectPartialRevert(none);
        rollup.reportContradiction(1, 2, second, address(1));
        vm.expectPartialRevert(none);
        rollup.reportContradiction(2, 3, second, address(1));
        vm.expectPartialRevert(none);
        rollup.reportContradiction(1, 4, second, address(1));
        vm.expectPartialRevert(none);
        rollup.reportContradiction(3, 3, second, address(1));
        vm.expectPartialRevert(Rollup.Rollup__NotProven.selector);
        rollup.reportContradiction(1, 3, second, address(1));
        _learn(rollup.statement(1, 3, second, address(1)));
        rollup.reportContradiction(1, 3, second, address(1));
        assert(rollup.frozen() && rollup.proven() == 3 && rollup.committed() == 3);
        assert(rollup.owed(OPERATOR) == 2 * BOND && rollup.owed(address(this)) == 2 * BOND);
    }

    receive() external payable { }
}
