// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import { L1Header } from "../src/L1Header.sol";
import { Staking } from "../src/Staking.sol";
import { L1Chain } from "./L1Chain.sol";
import { StakingFixture } from "./StakingFixture.sol";

/// @notice Leaders that look away from the queue, and those that only seem to. Every test but the first three is of a leader
/// that would be slashed if it were not for one condition.
contract NeglectTest is StakingFixture {
    uint256 private constant NUMBER = 20_000_000;

    uint256 private _queued;
    uint64 private _at;
    bytes private _early;
    bytes private _late;

    event Neglected(address indexed operator, uint256 indexed slot, uint256 entry);

    /// @dev Two validators, one with more than the least; an entry that waits.
    function setUp() external {
        _join(0, STAKE + 2 * NEGLECT);
        _join(1, STAKE);
        _toEpoch(3);
        _deposit();
        _queued = block.timestamp;
    }

    function _deposit() private {
        vm.deal(address(this), 1 ether);
        rollup.deposit{ value: 1 gwei + FEE }(0);
    }

    function _entry() private view returns (bytes[] memory) {
        return _list(_entry(_words(7, 0, address(this), 1, 0), 1));
    }

    /// @notice A slot of validator 0 in which the entry is due, without a commit, and with L1's blocks.
    function _idleSlot() private {
        vm.warp(_queued + QUEUE_WINDOW + 1);
        _at = _toSlotOf(0);
        _mine(_at, 0, SLOT - 1, MIN_BLOCKS - 1);
        _toSlot(_at + 1);
    }

    /// @notice Two blocks so many seconds after the slot's start, and so many numbers apart.
    function _mine(uint256 slot, uint256 first, uint256 last, uint256 apart) private {
        uint256 start = staking.slotStart(slot);
        uint256 number = block.number < NUMBER ? NUMBER : block.number;
        _early = L1Chain.mine(L1Chain.Block(0, number, start + first, 0));
        _late = L1Chain.mine(L1Chain.Block(0, number + apart, start + last, 0));
    }

    function _report(uint256 batch) private {
        vm.prank(REPORTER);
        staking.neglect(_at, batch, _early, _late);
    }

    function _refused(uint256 batch, bytes memory reason) private {
        uint256 stake = _stakeOf(0);
        vm.expectRevert(reason);
        _report(batch);
        assert(_stakeOf(0) == stake && !_validator(0).ejected);
    }

    function _none(uint256 reason) private pure returns (bytes memory) {
        return abi.encodeWithSelector(Staking.Staking__NoNeglect.selector, reason);
    }

    function _notReportable() private view returns (bytes memory) {
        return abi.encodeWithSelector(Staking.Staking__NotReportable.selector, _at);
    }

    // GUILTY
    // ============================================================================================

    function test_ALeaderThatLooksAwayPaysOnce() external {
        _idleSlot();
        vm.deal(address(0), 0);
        vm.expectEmit();
        emit Neglected(_operator(0), _at, 0);
        _report(1);
        assert(_stakeOf(0) == STAKE + NEGLECT && !_validator(0).ejected);
        assert(staking.owed(REPORTER) == NEGLECT / 10 && address(0).balance == NEGLECT - NEGLECT / 10);
        assert(address(staking).balance == 2 * STAKE + NEGLECT + NEGLECT / 10);
        uint256 epoch = staking.currentEpoch();
        assert(open.weight(0, epoch + 2) == (STAKE + 2 * NEGLECT) / UNIT);
        assert(open.weight(0, epoch + 3) == (STAKE + NEGLECT) / UNIT);
        _refused(1, _notReportable());
        // Every slot is a fault of its own: after two more it has less than the minimum.
        for (uint256 i = 0; i < 2; ++i) {
            _at = _toSlotOf(0);
            _mine(_at, 0, SLOT - 1, MIN_BLOCKS - 1);
            _toSlot(_at + 1);
            assert(!_validator(0).ejected);
            _report(1);
        }
        assert(_validator(0).ejected && _stakeOf(0) == STAKE - NEGLECT);
        epoch = staking.currentEpoch();
        assert(open.weight(0, epoch + 2) != 0 && open.weight(0, epoch + 3) == 0);
        assert(_validator(0).free == staking.slotStart((epoch + 3) * SLOTS) + EXIT_DELAY);
    }

    /// @notice Serves what waits, and queues an entry whose window ends so many seconds before the start of a slot of
    /// validator 0 in which nothing happens.
    function _dueBefore(uint256 time) private {
        _commitAs(_operator(0), _toSlotOf(0), _entry(), 1);
        _prove(rollup.committed(), bytes32(uint256(1)), address(this));
        vm.warp(block.timestamp + 2 * QUEUE_WINDOW);
        _at = _toSlotOf(0);
        vm.warp(block.timestamp - QUEUE_WINDOW - time);
        _deposit();
        _mine(_at, 0, SLOT - 1, MIN_BLOCKS - 1);
        _toSlot(_at + 1);
    }

    function test_AnEntryOneSecondPastItsWindowIsEnough() external {
        _dueBefore(1);
        _report(2);
        assert(_stakeOf(0) == STAKE + NEGLECT);
    }

    function test_LaterCommitsDoNotHelp() external {
        _idleSlot();
        _commitAs(_operator(0), _at, _entry(), 1);
        assert(rollup.committed() == 1);
        // At the first second after the slot: the batch is named, and nothing after it.
        _refused(2, _none(2));
        _report(1);
        assert(_stakeOf(0) == STAKE + NEGLECT);
    }

    /// @notice What happened in slots before and after takes nothing from it: commits before that left the entry behind.
    function test_EarlierCommitsDoNotHelp() external {
        _toSlotOf(0);
        _commitAs(_operator(0), _slot(), 1);
        _prove(1, bytes32(uint256(1)), address(this));
        _idleSlot();
        _refused(1, _none(1));
        _report(2);
        assert(_stakeOf(0) == STAKE + NEGLECT);
    }

    /// @notice A commit a second before the slot that took as many as it must leaves the rest due.
    function test_AFullQueueIsDueAgainAtOnce() external {
        for (uint256 i = 0; i < CAP; ++i) {
            _deposit();
        }
        vm.warp(_queued + QUEUE_WINDOW + 1);
        _at = _toSlotOf(0);
        vm.warp(block.timestamp - 1);
        bytes[] memory entries = new bytes[](CAP);
        for (uint256 i = 0; i < CAP; ++i) {
            entries[i] = _entry()[0];
        }
        address leader = staking.leader(_slot());
        _commitAs(leader, _slot(), entries, 1);
        _prove(1, bytes32(uint256(1)), address(this));
        _mine(_at, 0, SLOT - 1, MIN_BLOCKS - 1);
        _toSlot(_at + 1);
        vm.expectEmit();
        emit Neglected(_operator(0), _at, CAP);
        _report(2);
    }

    function test_EvidenceHasItsTime() external {
        _idleSlot();
        vm.warp(staking.slotStart(_at + 1) - 1);
        _refused(1, _notReportable());
        vm.warp(staking.slotStart(_at + 1) + EVIDENCE_WINDOW);
        _refused(1, _notReportable());
        vm.warp(block.timestamp - 1);
        _report(1);
        assert(_stakeOf(0) == STAKE + NEGLECT);
    }

    // NOT GUILTY
    // ============================================================================================

    function test_0_TheBatchIsTheFirstAfterTheSlotOfARunningRollup() external {
        _idleSlot();
        _refused(0, _none(0));
        _refused(2, _none(0));
        _refused(type(uint256).max, _none(0));
        vm.warp(_queued + FREEZE_WINDOW + 1);
        _at = _toSlotOf(0);
        _mine(_at, 0, SLOT - 1, MIN_BLOCKS - 1);
        _toSlot(_at + 1);
        rollup.freeze();
        _refused(1, _none(0));
    }

    function test_1_2_ACommitInTheSlotIsEnough() external {
        vm.warp(_queued + QUEUE_WINDOW + 1);
        _at = _toSlotOf(0);
        _mine(_at, 0, SLOT - 1, MIN_BLOCKS - 1);
        // In its last second, and by somebody else.
        vm.warp(staking.slotStart(_at + 1) - 1);
        _commitAs(_operator(1), _at, _entry(), 1);
        _deposit();
        _toSlot(_at + 1);
        _refused(1, _none(1));
        _refused(2, _none(2));
        // In the first second of a slot.
        vm.warp(block.timestamp + QUEUE_WINDOW);
        _at = _toSlotOf(0);
        _mine(_at, 0, SLOT - 1, MIN_BLOCKS - 1);
        _commitAs(_operator(0), _at, _entry(), 1);
        _prove(2, bytes32(uint256(1)), address(this));
        _toSlot(_at + 1);
        _refused(2, _none(1));
        _refused(3, _none(2));
    }

    function test_2_NotALaterBatchThanTheFirst() external {
        _idleSlot();
        _commitAs(_operator(0), _at, _entry(), 1);
        vm.warp(block.timestamp + STEP_IN);
        _commitAs(_operator(0), _at, 1);
        _prove(2, bytes32(uint256(1)), address(this));
        _refused(2, _none(2));
        _refused(3, _none(2));
        _report(1);
    }

    function test_3_NothingWasDue() external {
        // Due with the slot's first second: past it only later.
        _dueBefore(0);
        _refused(2, _none(3));
        // An empty queue.
        _commitAs(_operator(1), _slot(), _entry(), 1);
        _prove(2, bytes32(uint256(1)), address(this));
        vm.warp(block.timestamp + 2 * QUEUE_WINDOW);
        _at = _toSlotOf(0);
        _mine(_at, 0, SLOT - 1, MIN_BLOCKS - 1);
        _toSlot(_at + 1);
        _refused(3, _none(3));
    }

    /// @notice A batch without the entry, committed before that was due, which is pruned `time` seconds after the start of a
    /// slot of validator 0.
    function _prunedInto(uint256 committer, int256 time) private {
        _toSlotOf(committer);
        _commitAs(_operator(committer), _slot(), 1);
        vm.warp(block.timestamp + PROVE_WINDOW + EPOCH);
        _at = _toSlotOf(0);
        vm.warp(uint256(int256(block.timestamp) + time));
        rollup.prune();
        _mine(_at, 0, SLOT - 1, MIN_BLOCKS - 1);
        _toSlot(_at + 1);
    }

    function test_4_APruneInTheSlotOrSince() external {
        _prunedInto(1, 0);
        _refused(1, _none(4));
        // A second before the slot, it is no excuse.
        _fresh();
        this.setUp();
        _prunedInto(1, -1);
        _report(1);
        assert(_stakeOf(0) == STAKE + NEGLECT);
    }

    function test_4_ALateProofInTheSlotOrSince() external {
        _toSlotOf(1);
        _commitAs(_operator(1), _slot(), 1);
        vm.warp(block.timestamp + PROVE_WINDOW + EPOCH);
        _at = _toSlotOf(0);
        _prove(1, bytes32(uint256(1)), address(this));
        _mine(_at, 0, SLOT - 1, MIN_BLOCKS - 1);
        _toSlot(_at + 1);
        _refused(2, _none(4));
        // The slot after it that is its own.
        _at = _toSlotOf(0);
        _mine(_at, 0, SLOT - 1, MIN_BLOCKS - 1);
        _toSlot(_at + 1);
        _report(2);
        assert(_stakeOf(0) == STAKE + NEGLECT);
    }

    /// @notice As many batches of validator 0 as can wait.
    function _fillPlaces() private {
        _toSlotOf(0);
        for (uint256 i = 0; i < rollup.MAX_UNPROVEN(); ++i) {
            _commitAs(_operator(0), _slot(), 1);
        }
    }

    function test_4_NoRoomForAnotherBatch() external {
        _fillPlaces();
        _idleSlot();
        // None was proven: that is an excuse already.
        _refused(257, _none(5));
        // Room was made after the slot.
        _prove(256, bytes32(uint256(1)), address(this));
        _refused(257, _none(4));
        _at = _toSlotOf(0);
        _mine(_at, 0, SLOT - 1, MIN_BLOCKS - 1);
        _toSlot(_at + 1);
        _report(257);
    }

    /// @notice Room that was made before the slot: what counts then is whether what stood there was proven.
    function test_4_RoomForOneBatch() external {
        _fillPlaces();
        _prove(1, bytes32(uint256(1)), address(this));
        _idleSlot();
        // Behind batches that are not proven.
        _refused(257, _none(5));
        _prove(256, bytes32(uint256(1)), address(this));
        _report(257);
        assert(_stakeOf(0) == STAKE + NEGLECT);
    }

    /// @notice Places that were taken after the slot are no excuse for it.
    function test_4_PlacesThatWereTakenLater() external {
        _idleSlot();
        _commitAs(_operator(0), _slot(), _entry(), 1);
        vm.warp(block.timestamp + STEP_IN);
        for (uint256 i = 1; i < rollup.MAX_UNPROVEN(); ++i) {
            _commitAs(staking.leader(_slot()), _slot(), 1);
        }
        assert(rollup.committed() - rollup.proven() == rollup.MAX_UNPROVEN());
        _report(1);
        assert(_stakeOf(0) == STAKE + NEGLECT);
    }

    /// @notice Nobody can tell garbage from a batch whose proof is still to come: a leader need not build on it, and the
    /// griefer who committed it earns nothing by reporting those who do not.
    function test_5_ABatchThatIsNotProvenIsNothingToBuildOn() external {
        _toSlotOf(1);
        _commitAs(_operator(1), _slot(), 1);
        _idleSlot();
        _refused(2, _none(5));
        // Proven in time, it was one.
        _prove(1, bytes32(uint256(1)), address(this));
        _report(2);
        assert(_stakeOf(0) == STAKE + NEGLECT);
    }

    function test_5_ABatchThatIsPrunedWasNothingToBuildOn() external {
        _toSlotOf(1);
        _commitAs(_operator(1), _slot(), 1);
        _idleSlot();
        vm.warp(block.timestamp + PROVE_WINDOW + 1 - QUEUE_WINDOW - EPOCH);
        _at = _toSlotOf(0);
        _mine(_at, 0, SLOT - 1, MIN_BLOCKS - 1);
        _toSlot(_at + 1);
        _refused(2, _none(5));
        vm.warp(block.timestamp + 2 * QUEUE_WINDOW);
        rollup.prune();
        _refused(1, _none(4));
    }

    function test_5_ADeadlineThatHasPassed() external {
        _toSlotOf(1);
        _commitAs(_operator(1), _slot(), 1);
        vm.warp(block.timestamp + PROVE_WINDOW);
        _at = _toSlotOf(0);
        _mine(_at, 0, SLOT - 1, MIN_BLOCKS - 1);
        _toSlot(_at + 1);
        _refused(2, _none(5));
    }

    function test_6_L1HadBlocksInTheSlot() external {
        _idleSlot();
        uint256 length = staking.slotStart(_at + 1) - staking.slotStart(_at);
        _mine(_at, 0, length, MIN_BLOCKS - 1);
        _refused(1, _none(6));
        _mine(_at, 0, length - 1, MIN_BLOCKS - 2);
        _refused(1, _none(6));
        // The same one twice, and the other way round.
        _mine(_at, 0, length - 1, MIN_BLOCKS - 1);
        bytes memory late = _late;
        _late = _early;
        _refused(1, _none(6));
        _early = late;
        _refused(1, _none(6));
        // One of the slot before.
        _at -= 1;
        _mine(_at, length - 1, length, MIN_BLOCKS - 1);
        _at += 1;
        _refused(1, _none(6));
        _mine(_at, 0, length - 1, MIN_BLOCKS - 1);
        _report(1);
    }

    function test_6_OnlyL1sOwnBlocksCount() external {
        _idleSlot();
        bytes memory early = _early;
        _early = L1Chain.encode(L1Chain.Block(0, NUMBER, staking.slotStart(_at) + 1, 0));
        _refused(1, abi.encodeWithSelector(L1Header.L1Header__NotInHistory.selector, NUMBER));
        (_early, _late) = (early, L1Chain.encode(L1Chain.Block(0, NUMBER + 5, staking.slotStart(_at) + 5, 0)));
        _refused(1, abi.encodeWithSelector(L1Header.L1Header__NotInHistory.selector, NUMBER + 5));
        _late = hex"c0";
        _refused(1, abi.encodeWithSelector(L1Header.L1Header__Malformed.selector));
        (_early, _late) = (hex"c0", early);
        _refused(1, abi.encodeWithSelector(L1Header.L1Header__Malformed.selector));
    }

    function test_7_ALeaderInJailCouldNot() external {
        _prunedInto(0, -1);
        assert(_validator(0).jailedUntil > staking.slotStart(_at));
        _refused(1, _none(7));
        // Until the slot's first second, and a second longer.
        _jailedInto(1);
        _refused(1, _none(7));
        _jailedInto(0);
        _report(1);
        assert(_stakeOf(0) == STAKE + NEGLECT);
    }

    /// @notice An idle slot of validator 0, which was jailed until `time` seconds after its start.
    function _jailedInto(uint256 time) private {
        vm.warp(block.timestamp + JAIL + EPOCH);
        _at = _toSlotOf(0);
        vm.warp(block.timestamp + time - JAIL);
        vm.prank(address(rollup));
        staking.jail(_operator(0));
        _mine(_at, 0, SLOT - 1, MIN_BLOCKS - 1);
        _toSlot(_at + 1);
    }

    function test_7_ALeaderThatWasThrownOutCouldNot() external {
        vm.warp(_queued + QUEUE_WINDOW + 1);
        _toSlotOf(0);
        _equivocate(0);
        _at = _toSlotOf(0);
        _mine(_at, 0, SLOT - 1, MIN_BLOCKS - 1);
        _toSlot(_at + 1);
        uint256 stake = _stakeOf(0);
        vm.expectRevert(_none(7));
        _report(1);
        assert(_stakeOf(0) == stake);
    }

    function test_7_NobodyLedTheSlot() external {
        _fresh();
        _deposit();
        vm.warp(block.timestamp + QUEUE_WINDOW + EPOCH);
        _at = _slot();
        _mine(_at, 0, SLOT - 1, MIN_BLOCKS - 1);
        _toSlot(_at + 1);
        vm.expectRevert(_none(7));
        _report(1);
    }

    // BESIDES
    // ============================================================================================

    /// @notice What is slashed is of the stake that counts: what waits does not come any sooner for it.
    function test_WhatWaitsStillWaitsAfterASlash() external {
        _join(2, MIN_CHURN);
        _topUp(0, 3 * STAKE);
        assert(_validator(0).waiting == 3 * STAKE / UNIT);
        _idleSlot();
        _report(1);
        uint256 epoch = staking.currentEpoch();
        assert(open.weight(0, epoch + 2) == (STAKE + 2 * NEGLECT) / UNIT);
        assert(open.weight(0, epoch + 3) == (STAKE + NEGLECT) / UNIT);
        staking.settle(_operator(0));
        assert(open.weight(0, epoch + 3) == (4 * STAKE + NEGLECT) / UNIT);
    }

    /// @notice Who is thrown out for looking away has still to answer for its signatures: losing a little first is no way to
    /// keep the rest.
    function test_NeglectIsNoWayOutOfAnEquivocation() external {
        vm.warp(_queued + QUEUE_WINDOW + 1);
        _at = _toSlotOf(1);
        _mine(_at, 0, SLOT - 1, MIN_BLOCKS - 1);
        _toSlot(_at + 1);
        _report(1);
        assert(_validator(1).ejected && _stakeOf(1) == STAKE - NEGLECT);
        _equivocate(1);
        assert(_stakeOf(1) == (STAKE - NEGLECT) / 2);
    }
}
