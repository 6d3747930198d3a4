// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import { StakeTree } from "../src/StakeTree.sol";
import { Validators } from "../src/Validators.sol";
import { StakingFixture } from "./StakingFixture.sol";

/// @notice A tree, and beside it a list of all that was ever set.
contract StakeTreeTest is StakingFixture {
    using StakeTree for StakeTree.Tree;

    struct Change {
        uint256 index;
        uint256 weight;
        uint256 epoch;
    }

    uint256 private constant MOST = (1 << 48) - 1;
    uint256 private constant LEAVES = 4 ** 8;

    StakeTree.Tree private _tree;
    Change[] private _changes;
    /// @dev Ascending: neighbours in one node, in one branch, and far apart.
    uint256[10] private _places = [uint256(0), 1, 3, 4, 15, 16, 1023, 16_384, 40_000, 65_535];

    function set(uint256 index, uint256 weight, uint256 epoch) external {
        _tree.set(index, weight, epoch);
    }

    function _naive(uint256 index, uint256 epoch) private view returns (uint256 weight) {
        for (uint256 i = 0; i < _changes.length; ++i) {
            if (_changes[i].index == index && _changes[i].epoch <= epoch) weight = _changes[i].weight;
        }
    }

    /// forge-config: default.fuzz.runs = 64
    function testFuzz_TheTreeIsWhatWasSetInEveryEpochPastOnesIncluded(uint256 seed) external {
        uint256 epoch = 1 + seed % 3;
        for (uint256 i = 0; i < 24; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            epoch += (seed >> 32) % 3 == 0 ? (seed >> 64) % 4 : 0;
            uint256 weight = (seed >> 96) % 3 == 0 ? 0 : (seed >> 128) % 1000;
            _changes.push(Change(_places[seed % 10], weight, epoch));
            _tree.set(_places[seed % 10], weight, epoch);
        }
        for (uint256 e = 0; e <= epoch + 1; ++e) {
            uint256 sum = 0;
            for (uint256 i = 0; i < 10; ++i) {
                uint256 weight = _naive(_places[i], e);
                assert(_tree.weightOf(_places[i], e) == weight);
                if (weight == 0) continue;
                assert(_tree.find(sum, e) == _places[i]);
                assert(_tree.find(sum + weight - 1, e) == _places[i]);
                sum += weight;
            }
            assert(_tree.total(e) == sum);
            assert(_tree.weightOf(2, e) == 0);
        }
    }

    function test_AWeightThatDoesNotFitIsRefused() external {
        vm.expectRevert(abi.encodeWithSelector(StakeTree.StakeTree__Weight.selector, MOST + 1));
        this.set(0, MOST + 1, 1);
        _tree.set(0, MOST, 1);
        // Not a weight, but the sum over it.
        vm.expectRevert(abi.encodeWithSelector(StakeTree.StakeTree__Weight.selector, MOST + 1));
        this.set(1, 1, 1);
        vm.expectRevert(abi.encodeWithSelector(StakeTree.StakeTree__Weight.selector, MOST + 1));
        this.set(LEAVES / 4 - 1, 1, 2);
        assert(_tree.total(1) == MOST && _tree.total(2) == MOST);
        // The root has room for its four children.
        for (uint256 i = 1; i < 4; ++i) {
            _tree.set(i * LEAVES / 4, MOST, 2);
        }
        assert(_tree.total(2) == 4 * MOST && _tree.total(1) == MOST);
        assert(_tree.find(4 * MOST - 1, 2) == 3 * LEAVES / 4);
        assert(_tree.find(MOST - 1, 2) == 0 && _tree.find(MOST, 2) == LEAVES / 4);
    }

    function test_ThereAreSoManyLeaves() external {
        _tree.set(LEAVES - 1, 7, 1);
        assert(_tree.total(1) == 7 && _tree.find(6, 1) == LEAVES - 1);
        vm.expectRevert(abi.encodeWithSelector(StakeTree.StakeTree__Index.selector, LEAVES));
        this.set(LEAVES, 7, 1);
        vm.expectRevert(abi.encodeWithSelector(StakeTree.StakeTree__Index.selector, type(uint256).max));
        this.set(type(uint256).max, 7, 1);
    }
}

/// @notice The draw: in proportion to stake, and as dear for many validators as for few.
contract DrawTest is StakingFixture {
    address private constant CONSOLE = 0x000000000000000000636F6e736F6c652e6c6f67;
    uint256 private constant DRAWS = 4000;

    /// @dev An epoch with slots enough to count.
    function _stakingParameters() internal pure override returns (Validators.Parameters memory p) {
        p = super._stakingParameters();
        (p.slot, p.slots, p.stepIn) = (1, 8191, 0);
    }

    /// @notice Pearson's statistic over eight validators: with seven degrees of freedom it is above 24.3 once in a thousand
    /// seeds. This is one fixed seed.
    function test_LeadersAreDrawnInProportionToStake() external {
        uint256[8] memory stakes = [uint256(10), 20, 30, 50, 80, 130, 210, 340];
        uint256 sum = 0;
        for (uint256 i = 0; i < 8; ++i) {
            _join(i, stakes[i] * 1 ether);
            sum += stakes[i];
        }
        // The largest fill more than an epoch.
        vm.warp(staking.slotStart(8191 * 40));
        for (uint256 i = 0; i < 8; ++i) {
            if (_validator(i).waiting != 0) staking.settle(_operator(i));
        }
        vm.warp(staking.slotStart(8191 * 43));
        assert(open.total(43) == sum * 1 ether / UNIT);
        uint256[8] memory count;
        for (uint256 k = 0; k < DRAWS; ++k) {
            address leader = staking.leader(8191 * 43 + k);
            for (uint256 i = 0; i < 8; ++i) {
                if (leader == _operator(i)) ++count[i];
            }
        }
        // In thousandths: sum of (found - expected)^2 / expected.
        uint256 statistic = 0;
        uint256 all = 0;
        for (uint256 i = 0; i < 8; ++i) {
            uint256 found = count[i] * sum;
            uint256 expected = DRAWS * stakes[i];
            uint256 off = found > expected ? found - expected : expected - found;
            statistic += 1000 * off * off / (expected * sum);
            all += count[i];
        }
        assert(all == DRAWS);
        assert(statistic < 24_300);
    }

    function _gasOfLeader(string memory what) private returns (uint256 used) {
        uint256 slot = staking.slotAt(block.timestamp);
        vm.cool(address(staking));
        uint256 before = gasleft();
        address found = staking.leader(slot);
        used = before - gasleft();
        assert(found != address(0));
        (bool success,) = CONSOLE.staticcall(abi.encodeWithSignature("log(string,uint256)", what, used));
        assert(success);
    }

    /// @notice The tree has one depth, and all of its words are read cold.
    function test_ADrawCostsTheSameForAnyNumberOfValidators() external {
        open.fill(0, 10, 1000, 3);
        vm.warp(staking.slotStart(8191 * 3));
        uint256 ten = _gasOfLeader("gas of leader, 10 validators");
        open.fill(10, 1000, 1000, 6);
        vm.warp(staking.slotStart(8191 * 6));
        uint256 thousand = _gasOfLeader("gas of leader, 1,000 validators");
        open.fill(1000, 10_000, 1000, 9);
        vm.warp(staking.slotStart(8191 * 9));
        uint256 many = _gasOfLeader("gas of leader, 10,000 validators");
        assert(thousand < ten * 11 / 10 && many < ten * 11 / 10 && many < 60_000);
        // The very leaf moves in each of the epochs ahead: three words more a level.
        uint256 leaf = uint160(staking.leader(staking.slotAt(block.timestamp))) - 0x100000;
        for (uint256 epoch = 10; epoch < 13; ++epoch) {
            open.fill(leaf, leaf + 1, 1000 + epoch, epoch);
        }
        uint256 pending = _gasOfLeader("gas of leader, three changes not in effect");
        assert(pending < many + 8 * 3 * 2800);
    }
}
