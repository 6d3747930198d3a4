// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import { Rollup } from "../src/Rollup.sol";
import { Validators } from "../src/Validators.sol";
import { StakingFixture } from "./StakingFixture.sol";

/// @notice Who may commit, to the second. Every answer is the rollup's to a real commit.
contract TurnsTest is StakingFixture {
    address private constant STRANGER = address(0x57a);

    function setUp() external {
        _enter(3);
    }

    /// @notice A slot of validator 0 that starts with a commit behind it, so that nobody is silent.
    function _fresh0() private returns (uint256 start) {
        uint64 slot = _toSlotOf(0);
        start = block.timestamp;
        vm.warp(start - 1);
        _commitAs(staking.leader(slot - 1), _slot(), 1);
        vm.warp(start);
    }

    function test_TheLeaderAlwaysInItsSlot() external {
        uint256 start = _fresh0();
        assert(_refusedTurn(_operator(1)) && _refusedTurn(_operator(2)) && _refusedTurn(STRANGER));
        assert(!_refusedTurn(_operator(0)));
        assert(!_refusedTurn(_operator(0)));
        // To its last second, however often, and not after it.
        vm.warp(start + SLOT - 1);
        assert(!_refusedTurn(_operator(0)));
        _fresh0();
        uint64 slot = _slot();
        while (staking.leader(slot) == _operator(0)) {
            _toSlot(++slot);
            // Whoever leads now commits first.
            if (staking.leader(slot) != _operator(0)) assert(_refusedTurn(_operator(0)));
        }
    }

    function test_AnyValidatorStepsInAfterTheSlotsStart() external {
        uint256 start = _fresh0();
        vm.warp(start + STEP_IN - 1);
        assert(_refusedTurn(_operator(1)));
        // A second later, which is six after the last commit as well.
        vm.warp(start + STEP_IN);
        assert(_refusedTurn(STRANGER));
        assert(!_refusedTurn(_operator(1)));
    }

    function test_AndAfterTheLastCommit() external {
        uint256 start = _fresh0();
        vm.warp(start + 2);
        assert(!_refusedTurn(_operator(0)));
        vm.warp(start + 2 + STEP_IN - 1);
        assert(_refusedTurn(_operator(1)));
        vm.warp(start + 2 + STEP_IN);
        assert(!_refusedTurn(_operator(1)));
        // Its own commit counts for the next one too.
        vm.warp(start + SLOT - 1);
        assert(_refusedTurn(_operator(1)) && _refusedTurn(_operator(2)));
    }

    /// @notice After a prune the slot's leader comes first again.
    function test_AndAfterTheLastPrune() external {
        uint256 start = _fresh0() + PROVE_WINDOW;
        vm.warp(start);
        start = staking.slotStart(_toSlotOf(0)) + 3;
        vm.warp(start);
        rollup.prune();
        assert(_refusedTurn(STRANGER));
        vm.warp(start + STEP_IN - 1);
        for (uint256 i = 1; i < 3; ++i) {
            assert(_refusedTurn(_operator(i)));
        }
        vm.warp(start + STEP_IN);
        for (uint256 i = 1; i < 3; ++i) {
            if (_validator(i).jailedUntil != 0) assert(_refusedTurn(_operator(i)));
        }
        assert(_refusedTurn(STRANGER));
        assert(!_refusedTurn(_operator(_validator(1).jailedUntil == 0 ? 1 : 2)));
    }

    function test_AnyoneAfterASilence() external {
        uint256 start = _fresh0();
        vm.warp(start + SILENCE - 2);
        assert(_refusedTurn(STRANGER));
        vm.warp(start + SILENCE - 1);
        assert(!_refusedTurn(STRANGER));
        // Its commit ends the silence.
        assert(_refusedTurn(STRANGER));
    }

    function test_AnyoneAfterASilenceSinceThePrune() external {
        uint256 start = _fresh0() + PROVE_WINDOW + 10;
        vm.warp(start);
        rollup.prune();
        vm.warp(start + SILENCE - 1);
        assert(_refusedTurn(STRANGER));
        vm.warp(start + SILENCE);
        assert(!_refusedTurn(STRANGER));
    }

    // NOT IN OFFICE
    // ============================================================================================

    function test_WhoIsInJailIsAsAnyone() external {
        _fresh0();
        vm.prank(address(rollup));
        staking.jail(_operator(0));
        uint256 until = block.timestamp + JAIL;
        assert(_refusedTurn(_operator(0)));
        vm.warp(block.timestamp + SLOT - 1);
        assert(_refusedTurn(_operator(0)));
        // Somebody else steps in; it is still silent enough for anyone later.
        assert(!_refusedTurn(_operator(1)));
        vm.warp(block.timestamp + SILENCE - 1);
        assert(_refusedTurn(_operator(0)));
        vm.warp(block.timestamp + 1);
        assert(!_refusedTurn(_operator(0)));
        // To the last second of it.
        vm.warp(until - STEP_IN - 1);
        address other = staking.leader(_slot());
        _commitAs(other == _operator(0) ? _operator(1) : other, _slot(), 1);
        vm.warp(until - 1);
        assert(_refusedTurn(_operator(0)));
        vm.warp(until + SLOT);
        _toSlotOf(0);
        assert(!_refusedTurn(_operator(0)));
    }

    function test_JailEndsToTheSecond() external {
        uint64 slot = _toSlotOf(0);
        uint256 start = block.timestamp;
        vm.warp(start - 1);
        _commitAs(staking.leader(slot - 1), _slot(), 1);
        vm.warp(start + 2 - JAIL);
        vm.prank(address(rollup));
        staking.jail(_operator(0));
        vm.warp(start + 1);
        assert(_refusedTurn(_operator(0)));
        vm.warp(start + 2);
        assert(!_refusedTurn(_operator(0)));
    }

    function test_WhoIsThrownOutIsAsAnyoneAtOnce() external {
        uint256 start = _fresh0();
        _equivocate(0);
        assert(staking.leader(_slot()) == _operator(0));
        assert(_refusedTurn(_operator(0)));
        vm.warp(start + SLOT - 1);
        assert(_refusedTurn(_operator(0)));
        // For good, although the stake is still there.
        vm.warp(_validator(0).free - 1);
        address other = _operator(1);
        _commitAs(other, _slot(), 1);
        vm.warp(block.timestamp + SILENCE - 1);
        assert(_refusedTurn(_operator(0)));
        vm.warp(block.timestamp + 1);
        assert(!_refusedTurn(_operator(0)));
    }

    /// @notice With more than the minimum left, too.
    function test_WhoIsThrownOutWithMuchLeftIsAsAnyone() external {
        _topUp(0, 3 * STAKE);
        uint256 start = _fresh0();
        _equivocate(0);
        assert(_stakeOf(0) == 2 * STAKE);
        assert(_refusedTurn(_operator(0)));
        vm.warp(start + SLOT - 1);
        assert(_refusedTurn(_operator(0)));
    }

    function test_WhoLeavesLeadsButDoesNotStepIn() external {
        _exit(0);
        _fresh0();
        assert(!_refusedTurn(_operator(0)));
        uint64 slot = _slot();
        while (staking.leader(slot) == _operator(0)) {
            _toSlot(++slot);
        }
        uint256 start = block.timestamp;
        _commitAs(staking.leader(slot), slot, 1);
        vm.warp(start + SLOT - 1);
        assert(_refusedTurn(_operator(0)));
        assert(!_refusedTurn(_operator(staking.leader(slot) == _operator(1) ? 2 : 1)));
        // Out of the draw, it is as anyone.
        vm.warp(_validator(0).free - EXIT_DELAY);
        _commitAs(staking.leader(_slot()), _slot(), 1);
        vm.warp(block.timestamp + SILENCE - 1);
        assert(_refusedTurn(_operator(0)));
    }

    /// @notice Its stake is at risk from the first second on.
    function test_WhoHasJustComeStepsIn() external {
        uint256 start = _fresh0();
        _join(5, STAKE);
        assert(_refusedTurn(_operator(5)));
        vm.warp(start + STEP_IN);
        assert(!_refusedTurn(_operator(5)));
    }

    function test_WithoutValidatorsAnyoneAfterASilence() external {
        _fresh();
        uint256 start = block.timestamp;
        vm.warp(start + SILENCE - 1);
        assert(_refusedTurn(STRANGER) && _refusedTurn(address(0)));
        vm.warp(start + SILENCE);
        assert(!_refusedTurn(STRANGER));
    }

    // JAIL
    // ============================================================================================

    /// @notice The first batch's committer alone, whoever prunes.
    function test_AnUnprovenCommitJailsItsCommitter() external {
        uint64 slot = _toSlotOf(0);
        _commitAs(_operator(0), slot, 1);
        vm.warp(block.timestamp + STEP_IN);
        _commitAs(_operator(1), slot, 1);
        vm.warp(block.timestamp + PROVE_WINDOW + 1);
        vm.prank(_operator(0));
        rollup.prune();
        assert(_validator(0).jailedUntil == block.timestamp + JAIL && _validator(1).jailedUntil == 0);
        assert(rollup.owed(_operator(0)) == BOND / 2 && rollup.owed(_operator(1)) == BOND);
        assert(_stakeOf(0) == STAKE);
    }
}

/// @notice Validators that commit garbage whenever they may, and win every race of one second, against one that is honest and
/// answers at once.
contract GrieferTest is StakingFixture {
    uint256 private constant WINDOW = 600;
    uint256 private constant TERM = 8 * WINDOW;
    uint256 private constant GRIEFERS = 4;

    uint256 private _lost;

    function _parameters() internal view override returns (Rollup.Parameters memory p) {
        p = super._parameters();
        (p.proveWindow, p.queueWindow, p.freezeWindow, p.freezeLimit) = (WINDOW, 300, 1600, 21_000);
    }

    function _stakingParameters() internal pure override returns (Validators.Parameters memory p) {
        p = super._stakingParameters();
        p.jail = TERM;
    }

    function setUp() external {
        // The honest one is the last; an entry waits all the time.
        _enter(GRIEFERS + 1);
        vm.deal(address(this), 1 ether);
        rollup.deposit{ value: 1 gwei + FEE }(0);
    }

    /// @notice A griefer's commit, if one may.
    function _grief() private returns (bool) {
        for (uint256 i = 0; i < GRIEFERS; ++i) {
            if (!staking.mayCommit(_operator(i), rollup.quietSince())) continue;
            bool due = rollup.queuedAt(0) + 300 < block.timestamp;
            _commitAs(_operator(i), _slot(), due ? _entries() : new bytes[](0), 1);
            return true;
        }
        return false;
    }

    function _entries() private view returns (bytes[] memory) {
        return _list(_entry(_words(7, 0, address(this), 1, 0), 1));
    }

    /// @notice A second at a time where anything can happen; straight to the deadline while garbage waits.
    /// @return held Seconds until the honest one had its turn.
    /// @return commits How often the griefers had theirs.
    function _hold() private returns (uint256 held, uint256 commits) {
        uint256 start = block.timestamp;
        while (true) {
            while (!_grief()) {
                if (staking.mayCommit(_operator(GRIEFERS), rollup.quietSince())) {
                    return (block.timestamp - start, commits);
                }
                vm.warp(block.timestamp + 1);
                assert(block.timestamp - start < TERM);
            }
            ++commits;
            vm.warp(block.timestamp + WINDOW);
            vm.expectPartialRevert(Rollup.Rollup__NothingToPrune.selector);
            rollup.prune();
            vm.warp(block.timestamp + 1);
            // They prune themselves, to have half of the bond back.
            uint256 burned = address(0).balance;
            vm.prank(address(0x9));
            rollup.prune();
            assert(address(0).balance - burned == BOND - BOND / 2);
            _lost += BOND - BOND / 2;
        }
    }

    /// @dev A batch can be pruned after its window, not in its last second.
    /// forge-config: default.fuzz.runs = 64
    function testFuzz_TheChainIsHeldForSoLongOnly(uint8 slots) external {
        vm.warp(block.timestamp + uint256(slots) * SLOT / 2);
        vm.deal(address(0), 0);
        (uint256 held, uint256 commits) = _hold();
        assert(commits <= GRIEFERS);
        assert(held <= commits * (WINDOW + 1 + SLOT));
        assert(_lost == commits * (BOND - BOND / 2) && address(0).balance == _lost);
        // Then the honest one commits, and who griefed has no turn until it is out of jail.
        if (commits != 0) assert(!staking.mayCommit(_operator(_jailed()), rollup.quietSince()));
        _commitAs(_operator(GRIEFERS), _slot(), _entries(), 1);
        _prove(1, bytes32(uint256(1)), address(this));
    }

    function _jailed() private view returns (uint256 i) {
        while (_validator(i).jailedUntil <= block.timestamp) ++i;
    }

    /// @notice As much as the griefers hold, nobody freezes before the limit: with garbage waiting, nor in the time that the
    /// honest have after each prune.
    function test_GriefersDoNotFreeze() external {
        uint256 queued = block.timestamp;
        vm.warp(queued + 290);
        while (!staking.mayCommit(_operator(GRIEFERS), rollup.quietSince()) || block.timestamp < queued + 1600) {
            bool garbage = _grief();
            _noFreeze();
            vm.warp(block.timestamp + (garbage ? WINDOW + 1 : 1));
            _noFreeze();
            if (garbage) rollup.prune();
            _noFreeze();
        }
        assert(block.timestamp > queued + 1600);
        // One honest commit whose proof comes, and the entry is served.
        _commitAs(_operator(GRIEFERS), _slot(), _entries(), 1);
        vm.warp(block.timestamp + 400);
        _noFreeze();
        _prove(1, bytes32(uint256(1)), address(this));
        vm.warp(queued + 4000);
        _noFreeze();
    }

    function _noFreeze() private {
        vm.expectPartialRevert(Rollup.Rollup__NothingAbandoned.selector);
        rollup.freeze();
    }

    /// @notice From the limit on anyone can, whatever waits.
    function test_TheLimitFreezesWhateverWaits() external {
        uint256 queued = block.timestamp;
        vm.warp(queued + 20_600);
        assert(_grief());
        vm.warp(queued + 21_000);
        _noFreeze();
        vm.warp(queued + 21_001);
        rollup.freeze();
        assert(rollup.frozen());
    }
}
