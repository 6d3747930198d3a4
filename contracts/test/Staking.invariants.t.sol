// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import { BlockHeaders } from "../src/BlockHeaders.sol";
import { Validators } from "../src/Validators.sol";
import { L1Chain } from "./L1Chain.sol";
import { OpenStaking, StakingFixture } from "./StakingFixture.sol";

/// @notice Validators that do anything in any order, and books of what their stakes must be.
contract StakingHandler is StakingFixture {
    uint256 public constant ACTORS = 8;

    /// @notice What each has put in, less what evidence cost it.
    mapping(uint256 i => uint256) private _due;
    /// @notice The last epoch in which each counts, as far as it is decided.
    mapping(uint256 i => uint256) private _lastCounted;
    /// @notice When batches were committed, pruned ones too.
    uint256[] private _commits;
    uint256 public received;
    uint256 public paid;
    uint256 public burned;
    /// @notice A rule did not hold during a call.
    string public broken;

    /// @dev Whatever a call does, the sets of the epochs that were closed before it stay.
    modifier watched() {
        uint256 epoch = staking.currentEpoch();
        uint256 slot = _slot();
        bytes32 before = open.sets(ACTORS, epoch, slot);
        _;
        if (open.sets(ACTORS, epoch, slot) != before) broken = "a closed set changed";
        epoch = staking.currentEpoch();
        for (uint256 i = 0; i < ACTORS; ++i) {
            Validators.Validator memory v = _validator(i);
            if (v.beneficiary == address(0)) continue;
            // The closed ones: what would count later may be slashed before it does.
            for (uint256 e = epoch + 2; e > epoch; --e) {
                if (open.weight(v.index, e) == 0) continue;
                _lastCounted[i] = e;
                break;
            }
        }
    }

    function staking_() external view returns (OpenStaking) {
        return open;
    }

    function rollup_() external view returns (address) {
        return address(rollup);
    }

    // STAKE
    // ============================================================================================

    function join(uint256 i, uint256 extra) external watched {
        i %= ACTORS;
        if (_isValidator(_operator(i))) return;
        uint256 stake = STAKE + (extra % 3 == 0 ? 0 : extra % 120 ether / UNIT * UNIT);
        _join(i, stake);
        _due[i] = stake;
        _lastCounted[i] = 0;
    }

    function topUp(uint256 i, uint256 value) external watched {
        i %= ACTORS;
        Validators.Validator memory v = _validator(i);
        if (v.beneficiary == address(0) || v.exit != 0 || v.ejected) return;
        value = (1 + value % 20_000_000) * UNIT;
        _topUp(i, value);
        _due[i] += value;
    }

    function requestExit(uint256 i) external watched {
        i %= ACTORS;
        Validators.Validator memory v = _validator(i);
        if (v.beneficiary == address(0) || v.exit != 0 || v.ejected) return;
        _exit(i);
    }

    function settle(uint256 i) external watched {
        // From any of them on, the first that can be.
        for (uint256 k = i % ACTORS; k < 2 * ACTORS; ++k) {
            try staking.settle(_operator(k % ACTORS)) {
                return;
            } catch { }
        }
    }

    function withdraw(uint256 i) external watched {
        i %= ACTORS;
        uint256 before = _beneficiary(i).balance;
        try staking.withdraw(_operator(i)) {
            if (block.timestamp < staking.slotStart((_lastCounted[i] + 1) * SLOTS) + EXIT_DELAY) {
                broken = "a stake left too early";
            }
            if (_beneficiary(i).balance != before + _due[i]) broken = "a stake was not paid";
            _due[i] = 0;
        } catch { }
    }

    function wait(uint256 time) external watched {
        vm.warp(block.timestamp + 1 + time % (2 * EPOCH));
    }

    /// @notice Rarely long enough for a withdrawal.
    function waitLong(uint256 time) external watched {
        vm.warp(block.timestamp + (time % 4 == 0 ? EXIT_DELAY : time % 4 == 1 ? QUEUE_WINDOW + 1 : time % SLOT));
    }

    // BATCHES
    // ============================================================================================

    function deposit() external watched {
        vm.deal(address(this), 1 gwei + FEE);
        rollup.deposit{ value: 1 gwei + FEE }(0);
        received += 1 gwei + FEE;
    }

    function commit(uint256 i) external watched {
        address sender = _operator(i % ACTORS);
        if (!staking.mayCommit(sender, rollup.quietSince())) sender = staking.leader(_slot());
        if (!staking.mayCommit(sender, rollup.quietSince())) return;
        if (rollup.committed() - rollup.proven() == rollup.MAX_UNPROVEN()) return;
        uint256 count = 0;
        (,,,,, uint48 next) = rollup.batches(rollup.committed());
        while (rollup.queuedAt(next + count) != 0 && count < CAP) {
            ++count;
        }
        bytes[] memory entries = new bytes[](count);
        for (uint256 k = 0; k < count; ++k) {
            entries[k] = _entry(_words(7, 0, address(this), 1, 0), 1);
        }
        _commitAs(sender, _slot(), entries, 1 + i % 3);
        received += BOND;
        _commits.push(block.timestamp);
    }

    function prove(uint256 last) external watched {
        uint256 parent = rollup.proven();
        if (parent == rollup.committed()) return;
        _prove(parent + 1 + last % (rollup.committed() - parent), bytes32(uint256(9)), REPORTER);
    }

    function prune() external watched {
        uint256 before = address(0).balance;
        try rollup.prune() {
            burned += address(0).balance - before;
        } catch { }
    }

    function collect(uint256 i) external watched {
        address account = i % 3 == 0 ? REPORTER : _operator(i % ACTORS);
        uint256 before = account.balance;
        try rollup.collect(account) {
            paid += account.balance - before;
        } catch { }
        try staking.collect(account) { } catch { }
    }

    // EVIDENCE
    // ============================================================================================

    /// @notice Rarely, so that some stay.
    function equivocate(uint256 i) external watched {
        if (i % 5 != 0) return;
        i = (i / 5) % ACTORS;
        Validators.Validator memory v = _validator(i);
        if (v.stake == 0 || v.guilty) return;
        _equivocate(i);
        _due[i] -= _due[i] / 2;
    }

    /// @notice The headers of a commit, which its committer has signed, are evidence against nobody.
    function honest(uint256 batch, uint256 index, uint256 from) external watched {
        uint256 last = rollup.committed();
        if (last == 0) return;
        batch = 1 + batch % last;
        (,,, address committer,,) = rollup.batches(batch);
        for (uint256 i = 0; i < ACTORS; ++i) {
            if (_operator(i) == committer) {
                _accuse(i, headers[batch][index % headers[batch].length], _part(batch, from));
            }
        }
    }

    /// @notice The headers of a batch from one of the batch before on.
    function _part(uint256 batch, uint256 from) private view returns (BlockHeaders.Header[] memory list) {
        uint256 earlier = batch == 1 ? 0 : headers[batch - 1].length;
        uint256 length = headers[batch].length + earlier;
        from %= length;
        list = new BlockHeaders.Header[](length - from);
        for (uint256 k = from; k < length; ++k) {
            list[k - from] = k < earlier ? headers[batch - 1][k] : headers[batch][k - earlier];
        }
    }

    function _accuse(uint256 i, BlockHeaders.Header memory signed, BlockHeaders.Header[] memory list) private {
        bytes memory signature = _sign(i, signed);
        try staking.contradiction(signed, signature, list) {
            broken = "an honest header was slashed";
        } catch { }
        try staking.equivocation(signed, signature, signed, signature) {
            broken = "one header was slashed";
        } catch { }
    }

    /// @notice Whoever can be reported for a slot before this one, with L1's blocks in it.
    function neglect(uint256 back) external watched {
        uint256 slot = _slot();
        if (slot <= 1 + back % 40) return;
        slot -= 1 + back % 40;
        uint256 start = staking.slotStart(slot);
        bytes memory early = L1Chain.mine(L1Chain.Block(0, block.number, start, 0));
        bytes memory late = L1Chain.mine(L1Chain.Block(0, block.number + MIN_BLOCKS, start + SLOT - 1, 0));
        // The first batch after the slot.
        uint256 batch = rollup.committed() + 1;
        for (; batch > 1; --batch) {
            (,,,, uint40 time,) = rollup.batches(batch - 1);
            if (time < start + SLOT) break;
        }
        address operator = staking.leader(slot);
        vm.prank(REPORTER);
        try staking.neglect(slot, batch, early, late) {
            for (uint256 k = 0; k < _commits.length; ++k) {
                if (_commits[k] >= start && _commits[k] < start + SLOT) broken = "a slot with a commit was slashed";
            }
            for (uint256 i = 0; i < ACTORS; ++i) {
                if (_operator(i) == operator) _due[i] -= NEGLECT < _due[i] ? NEGLECT : _due[i];
            }
        } catch { }
    }

    function bringSeed(bytes32 random) external watched {
        uint256 epoch = staking.currentEpoch();
        uint256 start = staking.slotStart(epoch * SLOTS);
        bytes memory parent = L1Chain.mine(L1Chain.Block(0, block.number, start - 1, 0));
        bytes memory first = L1Chain.mine(L1Chain.Block(keccak256(parent), block.number, start, random));
        try staking.bringSeed(epoch + 1, parent, first) { } catch { }
    }

    // BOOKS
    // ============================================================================================

    /// @notice The stakes, and what the contract owes besides.
    function liabilities() external view returns (uint256 sum) {
        sum = staking.owed(REPORTER);
        for (uint256 i = 0; i < ACTORS; ++i) {
            sum += _stakeOf(i) + staking.owed(_operator(i)) + staking.owed(_beneficiary(i));
        }
    }

    function nobodyLostMoreThanEvidenceCost() external view returns (bool) {
        for (uint256 i = 0; i < ACTORS; ++i) {
            if (_stakeOf(i) != _due[i]) return false;
        }
        return true;
    }

    /// @notice What each weighs in the next open epoch, and that the sums are sums.
    function weightsAreRight() external view returns (bool) {
        uint256 epoch = staking.currentEpoch() + 3;
        for (uint256 e = epoch - 3; e <= epoch; ++e) {
            if (!open.sumsAreRight(ACTORS, e)) return false;
        }
        for (uint256 i = 0; i < ACTORS; ++i) {
            Validators.Validator memory v = _validator(i);
            if (v.beneficiary == address(0)) continue;
            uint256 units = v.stake / UNIT;
            uint256 weight = v.free != 0 || units < v.waiting ? 0 : units - v.waiting;
            if (open.weight(v.index, epoch) != weight || (v.ejected && weight != 0)) return false;
            if (!v.ejected && v.stake < STAKE) return false;
        }
        return true;
    }

    receive() external payable { }
}

/// @notice What holds after any sequence of calls.
contract StakingInvariantTest {
    StakingHandler private _handler;

    function setUp() external {
        _handler = new StakingHandler();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_handler);
    }

    /// @notice Staking holds the stakes and what it owes, to the wei, and a stake is what was put in less what evidence cost;
    /// the rollup holds what came in less what was paid and burned. The draw's sums are sums, and no rule was broken on
    /// the way.
    /// forge-config: default.invariant.runs = 12
    /// forge-config: default.invariant.depth = 150
    /// forge-config: default.invariant.fail-on-revert = true
    function invariant_MoneyIsConservedAndTheDrawIsOfTheStakes() external view {
        assert(address(_handler.staking_()).balance == _handler.liabilities());
        assert(_handler.rollup_().balance == _handler.received() - _handler.paid() - _handler.burned());
        assert(_handler.nobodyLostMoreThanEvidenceCost());
        assert(_handler.weightsAreRight());
        assert(bytes(_handler.broken()).length == 0);
    }
}
