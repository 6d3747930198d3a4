// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import { Validators } from "../src/Validators.sol";
import { StakingFixture } from "./StakingFixture.sol";

/// @notice How fast the set may change, and that nobody waits for longer than those before it.
contract ChurnTest is StakingFixture {
    uint256 private constant ROOM = MIN_CHURN / UNIT;

    /// @dev The share of the set counts from 200 ether on only.
    function test_TheFirstPlacesAreTakenInOrder() external {
        for (uint256 i = 0; i < 12; ++i) {
            _join(i, STAKE);
            assert(_validator(i).entry == 3 + i / 5);
            assert(open.weight(i, 3) == (i < 5 ? STAKE / UNIT : 0));
        }
        assert(open.total(3) == ROOM);
        // Places that nobody took are gone with their epoch.
        _toEpoch(9);
        _join(12, MIN_CHURN);
        assert(_validator(12).entry == 12 && open.weight(12, 12) == ROOM && open.weight(12, 11) == 0);
    }

    function test_ALargeStakeTakesAsManyEpochsAsItFills() external {
        _join(0, 4 * MIN_CHURN + STAKE);
        _join(1, MIN_CHURN - STAKE);
        _join(2, STAKE);
        assert(_validator(0).entry == 7 && _validator(1).entry == 7 && _validator(2).entry == 8);
        _toEpoch(4);
        staking.settle(_operator(0));
        assert(open.total(6) == 0 && open.total(7) == 4 * ROOM + STAKE / UNIT);
    }

    function test_ALargeSetHasMoreRoom() external {
        _join(0, 400 ether);
        _toEpoch(20);
        staking.settle(_operator(0));
        // 400 / 4 an epoch.
        _join(1, 60 ether);
        _join(2, 40 ether);
        _join(3, STAKE);
        assert(_validator(1).entry == 23 && _validator(2).entry == 23 && _validator(3).entry == 24);
        // Exits have a room of their own: 125 of 500, then 100 of the 400 that are left.
        _exit(1);
        _exit(2);
        _exit(0);
        assert(_validator(1).exit == 23 && _validator(2).exit == 23 && _validator(0).exit == 27);
    }

    function test_ATopUpWaitsItsTurnAsAStakeDoes() external {
        _enter(2);
        uint256 epoch = staking.currentEpoch();
        _join(2, MIN_CHURN - STAKE);
        _topUp(0, STAKE);
        _topUp(1, STAKE);
        assert(open.weight(0, epoch + 2) == STAKE / UNIT && open.weight(0, epoch + 3) == 2 * STAKE / UNIT);
        // What counted counts on while the rest waits.
        assert(open.weight(1, epoch + 3) == STAKE / UNIT && _validator(1).entry == epoch + 4);
        _toEpoch(epoch + 1);
        staking.settle(_operator(1));
        assert(open.weight(1, epoch + 3) == STAKE / UNIT && open.weight(1, epoch + 4) == 2 * STAKE / UNIT);
    }

    /// @notice A whale that comes and goes without ever having counted slows down nobody's exit.
    function test_AStakeThatNeverCountedTakesNoRoomOnItsWayOut() external {
        _join(0, MIN_CHURN);
        _join(1, 20 * MIN_CHURN);
        _exit(1);
        assert(_validator(1).exit == 3 && open.weight(1, 3) == 0 && open.weight(1, 30) == 0);
        assert(_validator(1).free == staking.slotStart(3 * SLOTS) + EXIT_DELAY);
        // The whole epoch is free for who does count. Now it is full, and still another one of nothing leaves with it.
        _exit(0);
        assert(_validator(0).exit == 3 && open.total(3) == 0);
        _join(2, STAKE);
        _exit(2);
        assert(_validator(2).exit == 3);
    }

    /// @notice However long the line of those that do count, and it makes that no longer.
    function test_AStakeThatNeverCountedDoesNotWaitBehindExits() external {
        _join(0, 6 * MIN_CHURN);
        _join(1, STAKE);
        _toEpoch(9);
        staking.settle(_operator(0));
        staking.settle(_operator(1));
        // A quarter of the set may leave in an epoch: the whale needs four.
        _exit(0);
        uint256 end = _validator(0).exit;
        assert(end > 12);
        _join(2, 6 * MIN_CHURN);
        _join(3, STAKE);
        assert(_validator(3).waiting != 0);
        vm.prank(_beneficiary(3));
        staking.requestExit(_operator(3));
        assert(_validator(3).exit == 12 && _validator(3).free == staking.slotStart(12 * SLOTS) + EXIT_DELAY);
        assert(open.weight(3, 12) == 0 && open.weight(3, 30) == 0);
        _exit(1);
        assert(_validator(1).exit == end);
        // An epoch later it is the same, with what was reserved still ahead.
        _toEpoch(10);
        _exit(2);
        assert(_validator(2).exit == 13 && open.total(13) == 6 * ROOM + STAKE / UNIT);
    }

    /// @notice Of a validator that counts in part, that part needs room, to the unit.
    function test_ATopUpThatWaitsTakesNoRoomOnItsWayOut() external {
        _join(0, STAKE);
        _join(1, MIN_CHURN - STAKE - UNIT);
        _join(2, STAKE);
        _toEpoch(3);
        staking.settle(_operator(2));
        _join(3, MIN_CHURN);
        _topUp(0, 4 * MIN_CHURN);
        assert(_validator(0).waiting == 4 * MIN_CHURN / UNIT);
        _exit(0);
        assert(_validator(0).exit == 6 && open.weight(0, 5) == STAKE / UNIT && open.weight(0, 6) == 0);
        _exit(1);
        assert(_validator(1).exit == 6);
        // One unit is left of the epoch's room.
        _exit(2);
        assert(_validator(2).exit == 7);
        vm.warp(_validator(0).free);
        staking.withdraw(_operator(0));
        assert(_beneficiary(0).balance == STAKE + 4 * MIN_CHURN);
    }

    /// @notice Places by a model that knows no epochs: units in a line, so many an epoch.
    /// forge-config: default.fuzz.runs = 100
    function testFuzz_PlacesAreAsInALine(uint256 seed) external {
        uint256 entries = 0;
        uint256 exits = 0;
        uint256 count = 0;
        for (uint256 i = 0; i < 12; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            if (seed % 4 == 0) vm.warp(block.timestamp + (seed >> 8) % (3 * EPOCH));
            // Nobody is settled but those who have room at once: less than 200 ether, so the room does not grow.
            uint256 stake = STAKE + ((seed >> 32) % (seed % 3 == 0 ? 120 ether : 5 ether)) / UNIT * UNIT;
            uint256 reach = staking.currentEpoch() + 3;
            if (open.total(reach) + stake / UNIT > 4 * ROOM) break;
            _join(i, stake);
            ++count;
            if (entries < reach * ROOM) entries = reach * ROOM;
            entries += stake / UNIT;
            assert(_validator(i).entry == (entries - 1) / ROOM);
            if ((seed >> 128) % 4 == 0) exits = _exitInLine(i, exits);
        }
        // The others all at once.
        for (uint256 i = 0; i < count; ++i) {
            if (_validator(i).exit == 0) exits = _exitInLine(i, exits);
        }
    }

    /// @notice The end of the line after the exit of validator `i`: what still waits takes no room on its way out.
    function _exitInLine(uint256 i, uint256 exits) private returns (uint256) {
        uint256 reach = staking.currentEpoch() + 3;
        uint256 units = _validator(i).waiting == 0 ? _stakeOf(i) / UNIT : 0;
        _exit(i);
        if (exits < reach * ROOM) exits = reach * ROOM;
        exits += units;
        assert(_validator(i).exit == (units == 0 ? reach : (exits - 1) / ROOM));
        return exits;
    }

    /// @notice With everybody settled as soon as can be, no more comes or goes up to any epoch than there was room for.
    /// forge-config: default.fuzz.runs = 24
    function testFuzz_NoMoreComesAndGoesThanThereIsRoomFor(uint256 seed) external {
        uint256 count = 0;
        uint256 came = 0;
        uint256 left = 0;
        uint256 room = 0;
        for (uint256 epoch = 0; epoch < 20; ++epoch) {
            _toEpoch(epoch);
            uint256 share = open.total(epoch + 3) / 4;
            room += share < ROOM ? ROOM : share;
            for (uint256 k = 0; k < 3; ++k) {
                seed = uint256(keccak256(abi.encode(seed)));
                if (seed % 3 == 0) _join(count++, STAKE + ((seed >> 32) % 60 ether) / UNIT * UNIT);
                if (seed % 3 == 1 && count != 0) {
                    Validators.Validator memory v = _validator((seed >> 32) % count);
                    if (v.exit == 0) _exit((seed >> 32) % count);
                }
            }
            for (uint256 i = 0; i < count; ++i) {
                uint256 before = open.weight(i, epoch + 3);
                try staking.settle(_operator(i)) { } catch { }
                before = open.weight(i, epoch + 2);
                uint256 after_ = open.weight(i, epoch + 3);
                if (after_ > before) came += after_ - before;
                else left += before - after_;
            }
            assert(came <= room && left <= room);
        }
        // Nobody is kept: in time everybody is where it asked to be.
        _toEpoch(60);
        for (uint256 i = 0; i < count; ++i) {
            try staking.settle(_operator(i)) { } catch { }
            assert(open.weight(i, 63) == (_validator(i).exit == 0 ? _stakeOf(i) / UNIT : 0));
        }
    }
}
