// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import { Ledger } from "../src/Ledger.sol";
import { Rollup } from "../src/Rollup.sol";
import { Staking } from "../src/Staking.sol";
import { Validators } from "../src/Validators.sol";
import { Refuser } from "./RollupFixture.sol";
import { StakingFixture } from "./StakingFixture.sol";

/// @notice What the contract is built with.
contract StakingParametersTest is StakingFixture {
    function _refused(Validators.Parameters memory p) private returns (bool) {
        try new Staking(rollup, p) returns (Staking) {
            return false;
        } catch (bytes memory reason) {
            assert(bytes4(reason) == Validators.Staking__Parameters.selector);
            return true;
        }
    }

    function test_TheClockAndItsRelations() external {
        Validators.Parameters memory p = _stakingParameters();
        assert(!_refused(p));
        p.slot = 0;
        assert(_refused(p));
        p = _stakingParameters();
        p.slots = 0;
        assert(_refused(p));
        // An epoch of 8,191 seconds, and one of a slot more.
        p = _stakingParameters();
        (p.slots, p.evidenceWindow) = (8191 / p.slot, 8191);
        assert(!_refused(p));
        ++p.slots;
        assert(_refused(p));
        p = _stakingParameters();
        (p.slot, p.slots, p.silence) = (8190, 1, 20_000);
        assert(!_refused(p));
        p.slot = 8192;
        assert(_refused(p));
        p.slot = 1 << 60;
        assert(_refused(p));
        p = _stakingParameters();
        p.stepIn = p.slot - 1;
        assert(!_refused(p));
        ++p.stepIn;
        assert(_refused(p));
        p = _stakingParameters();
        p.silence = 2 * p.slot;
        assert(!_refused(p));
        --p.silence;
        assert(_refused(p));
        p = _stakingParameters();
        p.minBlocks = 2;
        assert(!_refused(p));
        p.minBlocks = 1;
        assert(_refused(p));
    }

    function test_MoneyAndItsRelations() external {
        Validators.Parameters memory p = _stakingParameters();
        p.minStake = 0;
        assert(_refused(p));
        p = _stakingParameters();
        p.minStake += UNIT / 2;
        assert(_refused(p));
        p = _stakingParameters();
        p.neglect = p.minStake / 2;
        assert(!_refused(p));
        ++p.neglect;
        assert(_refused(p));
        p.neglect = 0;
        assert(_refused(p));
        p.neglect = type(uint256).max;
        assert(_refused(p));
        p = _stakingParameters();
        p.minChurn = p.minStake;
        assert(!_refused(p));
        --p.minChurn;
        assert(_refused(p));
        p = _stakingParameters();
        p.churnQuotient = 0;
        assert(_refused(p));
        p = _stakingParameters();
        p.equivocation = 100;
        assert(!_refused(p));
        p.equivocation = 101;
        assert(_refused(p));
        p.equivocation = 0;
        assert(_refused(p));
        p = _stakingParameters();
        p.reward = 49;
        assert(!_refused(p));
        p.reward = 50;
        assert(_refused(p));
        p.reward = 0;
        assert(_refused(p));
    }

    function test_WindowsAndTheirRelations() external {
        Validators.Parameters memory p = _stakingParameters();
        (p.exitDelay, p.jail) = (p.evidenceWindow + p.slot + 1, PROVE_WINDOW);
        assert(!_refused(p));
        --p.exitDelay;
        assert(_refused(p));
        // Who is in jail cannot leave and be back, under another key, before its term is over.
        p = _stakingParameters();
        p.jail = p.exitDelay;
        assert(!_refused(p));
        --p.exitDelay;
        assert(_refused(p));
        p = _stakingParameters();
        p.evidenceWindow = p.slot * p.slots;
        assert(!_refused(p));
        --p.evidenceWindow;
        assert(_refused(p));
        p = _stakingParameters();
        p.evidenceWindow = type(uint256).max;
        assert(_refused(p));
        p = _stakingParameters();
        p.exitDelay = 1 << 32;
        assert(_refused(p));
        (p.exitDelay, p.jail) = ((1 << 32) - 1, (1 << 32) - 1);
        assert(!_refused(p));
        p.jail = type(uint256).max;
        assert(_refused(p));
    }

    /// @notice What the rollup asks of its validators' parameters.
    function test_TheRollupsWindows() external {
        Validators.Parameters memory s = _stakingParameters();
        s.jail = 2 * PROVE_WINDOW - 1;
        assert(_refusedByRollup(s));
        ++s.jail;
        assert(!_refusedByRollup(s));
    }

    function _refusedByRollup(Validators.Parameters memory s) private returns (bool) {
        Rollup.Parameters memory p = _parameters();
        address next = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 1);
        p.staking = new Staking(Rollup(next), s);
        try new Rollup(p) returns (Rollup) {
            return false;
        } catch (bytes memory reason) {
            assert(bytes4(reason) == Rollup.Rollup__Parameters.selector);
            return true;
        }
    }
}

/// @notice How a stake comes, counts and leaves.
contract StakingLifeTest is StakingFixture {
    event Registered(address indexed operator, uint256 indexed index, address beneficiary, uint256 stake);
    event Contact(address indexed operator, uint32 feeAccount, bytes32 peerKey);
    event Jailed(address indexed operator, uint256 time);

    function _value(uint256 value) private pure returns (bytes memory) {
        return abi.encodeWithSelector(Validators.Staking__Value.selector, value);
    }

    // COMING
    // ============================================================================================

    function test_AValidatorBringsAtLeastTheMinimumInWholeUnits() external {
        vm.deal(address(this), 1 << 90);
        vm.expectRevert(_value(STAKE - UNIT));
        staking.register{ value: STAKE - UNIT }(address(1), 0, 0);
        vm.expectRevert(_value(STAKE + 1));
        staking.register{ value: STAKE + 1 }(address(1), 0, 0);
        vm.expectRevert(_value(1 << 88));
        staking.register{ value: 1 << 88 }(address(1), 0, 0);
        vm.expectRevert(abi.encodeWithSelector(Validators.Staking__Beneficiary.selector));
        staking.register{ value: STAKE }(address(0), 0, 0);
        vm.expectEmit();
        emit Registered(address(this), 0, address(1), STAKE);
        vm.expectEmit();
        emit Contact(address(this), 77, "key");
        staking.register{ value: STAKE }(address(1), 77, "key");
        vm.expectRevert(abi.encodeWithSelector(Validators.Staking__Registered.selector, address(this)));
        staking.register{ value: STAKE }(address(1), 0, 0);
        assert(address(staking).balance == STAKE && _validator(address(this)).stake == STAKE);
    }

    function test_TheContactIsTheOperatorsToChange() external {
        vm.expectRevert(abi.encodeWithSelector(Validators.Staking__Unknown.selector, address(this)));
        staking.setContact(1, "other");
        address operator = _join(0, STAKE);
        vm.expectRevert(abi.encodeWithSelector(Validators.Staking__Unknown.selector, _beneficiary(0)));
        vm.prank(_beneficiary(0));
        staking.setContact(1, "other");
        vm.expectEmit();
        emit Contact(operator, 1, "other");
        vm.prank(operator);
        staking.setContact(1, "other");
    }

    function test_ATopUpAddsWholeUnitsToAValidatorThatStays() external {
        vm.deal(address(this), 100 ether);
        vm.expectRevert(abi.encodeWithSelector(Validators.Staking__Unknown.selector, address(this)));
        staking.topUp{ value: UNIT }(address(this));
        address operator = _join(0, STAKE);
        vm.deal(operator, 1 << 90);
        vm.prank(operator);
        vm.expectRevert(_value(0));
        staking.topUp(operator);
        vm.prank(operator);
        vm.expectRevert(_value(UNIT - 1));
        staking.topUp{ value: UNIT - 1 }(operator);
        vm.prank(operator);
        vm.expectRevert(_value((1 << 88) - (1 << 88) % UNIT));
        staking.topUp{ value: (1 << 88) - (1 << 88) % UNIT }(operator);
        _topUp(0, UNIT);
        assert(_stakeOf(0) == STAKE + UNIT && open.weight(0, 3) == (STAKE + UNIT) / UNIT);
        // The beneficiary may as well.
        vm.deal(_beneficiary(0), UNIT);
        vm.prank(_beneficiary(0));
        staking.topUp{ value: UNIT }(operator);
        assert(_stakeOf(0) == STAKE + 2 * UNIT);
        _exit(0);
        vm.deal(operator, UNIT);
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSelector(Validators.Staking__Leaving.selector, operator));
        staking.topUp{ value: UNIT }(operator);
        // Nor after it was thrown out.
        operator = _join(1, STAKE);
        _equivocate(1);
        vm.deal(operator, UNIT);
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSelector(Validators.Staking__Leaving.selector, operator));
        staking.topUp{ value: UNIT }(operator);
    }

    /// @notice Somebody else's speck of stake would move the whole waiting stake behind all that came meanwhile, as often as
    /// it likes: a validator could be kept out of the draw for next to nothing.
    function test_NobodyElseMovesAWaitingStakeBack() external {
        _join(0, MIN_CHURN);
        address operator = _join(1, STAKE);
        assert(_validator(1).entry == 4);
        for (uint256 i = 2; i < 12; ++i) {
            _join(i, STAKE);
        }
        address stranger = address(0xbad);
        vm.deal(stranger, UNIT);
        vm.prank(stranger);
        (bool success,) = address(staking).call{ value: UNIT }(abi.encodeCall(staking.topUp, (operator)));
        assert(_validator(1).entry == 4);
        assert(!success);
        _toEpoch(1);
        staking.settle(operator);
        assert(open.weight(1, 4) == STAKE / UNIT);
    }

    /// @notice As many as the tree has leaves. The counter is the one storage word that holds what was given out.
    function test_ThereIsRoomForSoMany() external {
        for (uint256 i = 0; i < 7; ++i) {
            _join(i, STAKE);
        }
        uint256 found = type(uint256).max;
        for (uint256 slot = 0; slot < 32; ++slot) {
            if (uint256(vm.load(address(staking), bytes32(slot))) != 7) continue;
            assert(found == type(uint256).max);
            found = slot;
        }
        vm.store(address(staking), bytes32(found), bytes32(uint256(65_535)));
        _join(7, STAKE);
        assert(_validator(7).index == 65_535 && open.weight(65_535, 4) == 0);
        address operator = _operator(8);
        vm.deal(operator, STAKE);
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSelector(Validators.Staking__Full.selector));
        staking.register{ value: STAKE }(operator, 0, 0);
    }

    // LEAVING
    // ============================================================================================

    function test_OnlyOperatorAndBeneficiaryStartAnExitAndOnce() external {
        address operator = _operator(0);
        vm.expectRevert(abi.encodeWithSelector(Validators.Staking__Unknown.selector, operator));
        staking.requestExit(operator);
        _join(0, STAKE);
        vm.expectRevert(abi.encodeWithSelector(Validators.Staking__NotYours.selector, address(this)));
        staking.requestExit(operator);
        _exit(0);
        vm.expectRevert(abi.encodeWithSelector(Validators.Staking__Leaving.selector, operator));
        vm.prank(operator);
        staking.requestExit(operator);
        operator = _join(1, STAKE);
        vm.prank(_beneficiary(1));
        staking.requestExit(operator);
        operator = _join(2, STAKE);
        _equivocate(2);
        vm.expectRevert(abi.encodeWithSelector(Validators.Staking__Leaving.selector, operator));
        vm.prank(operator);
        staking.requestExit(operator);
    }

    function test_AStakeIsPaidADelayAfterItLastCountedAndNotBefore() external {
        _enter(2);
        address operator = _operator(0);
        vm.expectRevert(abi.encodeWithSelector(Validators.Staking__Unknown.selector, address(this)));
        staking.withdraw(address(this));
        vm.expectRevert(abi.encodeWithSelector(Validators.Staking__Locked.selector, 0));
        staking.withdraw(operator);
        vm.warp(block.timestamp + EPOCH / 2);
        _exit(0);
        uint256 left = staking.slotStart((staking.currentEpoch() + 3) * SLOTS);
        vm.expectRevert(abi.encodeWithSelector(Validators.Staking__Locked.selector, left + EXIT_DELAY));
        staking.withdraw(operator);
        vm.warp(left + EXIT_DELAY - 1);
        vm.expectRevert(abi.encodeWithSelector(Validators.Staking__Locked.selector, left + EXIT_DELAY));
        staking.withdraw(operator);
        vm.warp(left + EXIT_DELAY);
        vm.prank(address(0xabc));
        staking.withdraw(operator);
        assert(_beneficiary(0).balance == STAKE && !_isValidator(operator));
        vm.expectRevert(abi.encodeWithSelector(Validators.Staking__Unknown.selector, operator));
        staking.withdraw(operator);
        assert(address(staking).balance == STAKE);
    }

    function test_ALeafIsUsedAgainAfterTheWithdrawalOnly() external {
        _enter(2);
        _exit(0);
        _join(2, STAKE);
        assert(_validator(2).index == 2);
        _toEpoch(staking.currentEpoch() + 3);
        _join(3, STAKE);
        assert(_validator(3).index == 3);
        vm.warp(block.timestamp + EXIT_DELAY);
        staking.withdraw(_operator(0));
        assert(staking.operators(0) == address(0));
        // A new one in the old leaf, and not in the draw before its time.
        _join(4, STAKE);
        uint256 epoch = staking.currentEpoch();
        assert(_validator(4).index == 0 && staking.operators(0) == _operator(4));
        assert(open.weight(0, epoch + 2) == 0 && open.weight(0, epoch + 3) == STAKE / UNIT);
        _join(5, STAKE);
        assert(_validator(5).index == 4);
        // The key that left can come again, as new.
        _join(0, STAKE);
        assert(_validator(0).index == 5 && _validator(0).exit == 0 && _validator(0).free == 0);
    }

    function test_ABeneficiaryThatTakesNoMoneyIsOwed() external {
        address refuser = address(new Refuser());
        address operator = _operator(0);
        vm.deal(operator, STAKE);
        vm.prank(operator);
        staking.register{ value: STAKE }(refuser, 0, 0);
        _exit(0);
        vm.warp(_validator(0).free);
        staking.withdraw(operator);
        assert(staking.owed(refuser) == STAKE && address(staking).balance == STAKE && !_isValidator(operator));
        vm.expectRevert(abi.encodeWithSelector(Ledger.Ledger__Refused.selector, refuser));
        staking.collect(refuser);
        assert(staking.owed(refuser) == STAKE);
    }

    function test_SettlingHasItsTime() external {
        address operator = _join(0, STAKE);
        vm.expectRevert(abi.encodeWithSelector(Validators.Staking__Unknown.selector, address(this)));
        staking.settle(address(this));
        // Nothing waits.
        vm.expectPartialRevert(Validators.Staking__NotBefore.selector);
        staking.settle(operator);
        _join(1, MIN_CHURN);
        address late = _join(2, MIN_CHURN);
        uint256 units = MIN_CHURN / UNIT;
        assert(_validator(2).entry == 5 && open.weight(2, 5) == 0);
        vm.warp(staking.slotStart(2 * SLOTS) - 1);
        vm.expectRevert(abi.encodeWithSelector(Validators.Staking__NotBefore.selector, 2));
        staking.settle(late);
        vm.warp(block.timestamp + 1);
        vm.prank(address(0xabc));
        staking.settle(late);
        assert(open.weight(2, 4) == 0 && open.weight(2, 5) == units);
        // Exits alike: the first one, which counts, fills its epoch.
        staking.settle(_operator(1));
        _exit(1);
        _exit(2);
        assert(_validator(1).free != 0 && _validator(2).exit == 6 && _validator(2).free == 0);
        vm.expectRevert(abi.encodeWithSelector(Validators.Staking__NotBefore.selector, 3));
        staking.settle(late);
        vm.expectRevert(abi.encodeWithSelector(Validators.Staking__Locked.selector, 0));
        staking.withdraw(late);
        _toEpoch(3);
        staking.settle(late);
        assert(open.weight(2, 5) == units && open.weight(2, 6) == 0);
        assert(_validator(2).free == staking.slotStart(6 * SLOTS) + EXIT_DELAY);
        vm.expectRevert(abi.encodeWithSelector(Validators.Staking__Leaving.selector, late));
        staking.settle(late);
    }

    /// @notice A stake that never counted leaves without having counted.
    function test_AStakeThatWaitsCanLeave() external {
        _join(0, MIN_CHURN);
        _join(1, STAKE);
        _exit(1);
        _toEpoch(5);
        for (uint256 epoch = 0; epoch < 9; ++epoch) {
            assert(open.weight(1, epoch) == 0);
        }
        vm.expectPartialRevert(Validators.Staking__Leaving.selector);
        staking.settle(_operator(1));
    }

    // OUT
    // ============================================================================================

    function test_OnlyTheRollupJails() external {
        address operator = _join(0, STAKE);
        vm.expectRevert(abi.encodeWithSelector(Staking.Staking__NotTheRollup.selector, operator));
        vm.prank(operator);
        staking.jail(operator);
        vm.expectEmit();
        emit Jailed(operator, block.timestamp + JAIL);
        vm.prank(address(rollup));
        staking.jail(operator);
        assert(_validator(0).jailedUntil == block.timestamp + JAIL);
        // Somebody without a stake has nothing to lose.
        vm.prank(address(rollup));
        staking.jail(address(0xabc));
        assert(_validator(address(0xabc)).jailedUntil == 0);
    }

    /// @notice Thrown out although the exits before it fill epochs: it does not take their room.
    function test_ASlashedValidatorLeavesWithoutWaitingForRoom() external {
        _enter(4);
        uint256 epoch = staking.currentEpoch();
        _join(4, MIN_CHURN);
        _exit(0);
        _exit(4);
        _exit(1);
        assert(_validator(1).exit == epoch + 4);
        _equivocate(3);
        assert(open.weight(3, epoch + 2) == STAKE / UNIT && open.weight(3, epoch + 3) == 0);
        assert(_validator(3).free == staking.slotStart((epoch + 3) * SLOTS) + EXIT_DELAY);
        // Nor does one that waits for its exit.
        _equivocate(1);
        assert(open.weight(1, epoch + 2) == STAKE / UNIT && open.weight(1, epoch + 3) == 0);
        vm.expectRevert(abi.encodeWithSelector(Validators.Staking__Leaving.selector, _operator(1)));
        staking.settle(_operator(1));
    }
}
