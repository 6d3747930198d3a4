// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import { Rollup } from "../src/Rollup.sol";
import { RollupFixture } from "./RollupFixture.sol";

/// @notice Uses a rollup in any order, as the kernel's rules allow, and keeps its own books.
/// @dev The kernel's part is played: the state is one account that holds everything, outcomes follow the supply.
contract RollupHandler is RollupFixture {
    address private constant OWNER = address(0xabcdef);
    uint64[5] private _key = [uint64(1), 2, 3, 4, 5];

    struct Entry {
        uint64[9] words;
        uint64 amount;
        bool exit;
        bool settled;
    }

    /// @notice What a batch did, and what it left to claim.
    struct Settled {
        bytes[] operations;
        uint64[] payments;
        bool[] paid;
        uint256 entries;
        uint64 supply;
    }

    Entry[] private _queue;
    /// @notice By batch number; those past [Rollup.committed] are stale.
    mapping(uint256 batch => Settled) private _batches;
    mapping(uint256 batch => uint256 end) private _queueEnds;

    /// @notice Wei that came in, that went to receivers, that was burned.
    uint256 public received;
    uint256 public paid;
    uint256 public burned;
    bool public escaped;
    /// @notice A payment was made that had been made before, or none where one was due.
    bool public broken;

    function target() external view returns (Rollup) {
        return rollup;
    }

    // QUEUE
    // ============================================================================================

    function deposit(uint64 amount) external {
        if (rollup.frozen()) return;
        amount = amount % 1e15 + 1;
        uint256 value = uint256(amount) * 1 gwei + FEE;
        vm.deal(address(this), value);
        rollup.deposit{ value: value }(0);
        received += value;
        _queue.push(Entry(_words(7, 0, address(this), amount, 0), amount, false, false));
    }

    function forceExit(uint32 index) external {
        if (rollup.frozen()) return;
        vm.deal(address(this), FEE);
        rollup.forceExit{ value: FEE }(index, _key);
        received += FEE;
        uint64[9] memory words = _words(8, index, address(this), 0, _auth(_key, address(this)));
        _queue.push(Entry(words, 0, true, false));
    }

    // BATCHES
    // ============================================================================================

    function commit(uint256 seed) external {
        uint256 number = rollup.committed();
        if (rollup.frozen() || number - rollup.proven() == rollup.MAX_UNPROVEN()) return;
        uint64 supply = _batches[number].supply;
        uint256 next = _queueEnds[number];
        ++number;
        Settled storage batch = _batches[number];
        delete batch.operations;
        delete batch.payments;
        delete batch.paid;
        batch.entries = _queue.length - next;
        for (uint256 i = next; i < _queue.length; ++i) {
            Entry storage entry = _queue[i];
            uint64 moved = 0;
            uint64 payment = 0;
            if (entry.exit) {
                moved = supply == 0 ? 0 : uint64(_random(seed, i) % supply);
                payment = moved;
                supply -= moved;
            } else if (_random(seed, i) % 4 == 0) {
                payment = entry.amount;
            } else {
                moved = entry.amount;
                supply += moved;
            }
            _add(batch, _entry(entry.words, moved), payment);
        }
        for (uint256 i = 0; i < seed % 5; ++i) {
            uint64 amount = supply == 0 ? 0 : uint64(_random(seed, i) % supply);
            supply -= amount;
            _add(batch, _withdraw(0, address(this), amount), amount);
        }
        batch.supply = supply;
        _queueEnds[number] = _queue.length;
        if (!staking.mayCommit(OPERATOR, rollup.quietSince())) _silence();
        _commit(batch.entries, batch.operations);
        received += BOND;
    }

    function _add(Settled storage batch, bytes memory operation, uint64 payment) private {
        batch.operations.push(operation);
        batch.payments.push(payment);
        batch.paid.push(false);
    }

    function _random(uint256 seed, uint256 i) private pure returns (uint256) {
        return uint256(keccak256(abi.encode(seed, i)));
    }

    function prove(uint256 seed) external {
        uint256 parent = rollup.proven();
        uint256 waiting = rollup.committed() - parent;
        if (rollup.frozen() || waiting == 0) return;
        uint256 last = parent + 1 + seed % waiting;
        uint256 fees = rollup.owed(address(this));
        _prove(last, _stateRoot(_auth(_key, OWNER), 0, _batches[last].supply), address(this));
        fees = rollup.owed(address(this)) - fees;
        // The bonds of the batches behind the first are their committer's.
        if (fees != FEE * (_queueEnds[last] - _queueEnds[parent]) + BOND) broken = true;
        for (uint256 i = _queueEnds[parent]; i < _queueEnds[last]; ++i) {
            _queue[i].settled = true;
        }
    }

    function prune() external {
        uint256 before = address(0).balance;
        try rollup.prune() {
            burned += address(0).balance - before;
        } catch { }
    }

    function wait(uint256 time) external {
        vm.warp(block.timestamp + time % (2 * PROVE_WINDOW));
    }

    // PAYMENTS
    // ============================================================================================

    function claim(uint256 seed) external {
        if (rollup.proven() == 0) return;
        uint256 number = seed % rollup.proven() + 1;
        Settled storage batch = _batches[number];
        if (batch.operations.length == 0) return;
        uint256 position = _random(seed, 0) % batch.operations.length;
        (, bytes32[] memory path) = _path(batch.operations, position);
        uint256 before = address(this).balance;
        try rollup.claim(number, position, batch.operations[position], path) {
            if (batch.paid[position]) broken = true;
            if (address(this).balance != before + uint256(batch.payments[position]) * 1 gwei) broken = true;
        } catch {
            if (!batch.paid[position] && batch.payments[position] != 0) broken = true;
        }
        paid += address(this).balance - before;
        batch.paid[position] = true;
    }

    function collect(bool operator) external {
        address account = operator ? OPERATOR : address(this);
        uint256 before = account.balance;
        try rollup.collect(account) {
            paid += account.balance - before;
        } catch { }
    }

    /// @notice Rarely, so that most runs have something to freeze.
    function freeze(uint256 seed) external {
        if (seed % 8 != 0) return;
        uint256 before = address(0).balance;
        try rollup.freeze() {
            burned += address(0).balance - before;
        } catch { }
    }

    function escape() external {
        uint64 supply = _batches[rollup.proven()].supply;
        uint256 before = OWNER.balance;
        try rollup.escape(0, _key, OWNER, 0, supply, 1, _siblings()) {
            if (escaped || OWNER.balance != before + uint256(supply) * 1 gwei) broken = true;
            paid += OWNER.balance - before;
            escaped = true;
        } catch {
            if (rollup.frozen() && supply != 0 && !escaped && rollup.proven() != 0) broken = true;
        }
    }

    function refund(uint256 seed) external {
        if (_queue.length == 0) return;
        uint256 number = seed % _queue.length;
        Entry storage entry = _queue[number];
        uint256 before = address(this).balance;
        try rollup.refund(number, entry.words) {
            if (entry.settled || !rollup.frozen()) broken = true;
            if (address(this).balance != before + uint256(entry.amount) * 1 gwei + FEE) broken = true;
            entry.settled = true;
        } catch {
            if (!entry.settled && rollup.frozen()) broken = true;
        }
        paid += address(this).balance - before;
    }

    // BOOKS
    // ============================================================================================

    /// @notice Everything that somebody can still get out, in wei.
    function liabilities() external view returns (uint256 sum) {
        sum = rollup.owed(OPERATOR) + rollup.owed(address(this));
        uint256 proven = rollup.proven();
        sum += (rollup.committed() - proven) * BOND;
        for (uint256 i = 0; i < _queue.length; ++i) {
            if (!_queue[i].settled) sum += uint256(_queue[i].amount) * 1 gwei + FEE;
        }
        for (uint256 number = 1; number <= proven; ++number) {
            Settled storage batch = _batches[number];
            for (uint256 i = 0; i < batch.payments.length; ++i) {
                if (!batch.paid[i]) sum += uint256(batch.payments[i]) * 1 gwei;
            }
        }
        if (!escaped) sum += uint256(_batches[proven].supply) * 1 gwei;
    }

    receive() external payable { }
}

/// @notice What holds after any sequence of calls.
contract RollupInvariantTest {
    RollupHandler private _handler;

    function setUp() external {
        _handler = new RollupHandler();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_handler);
    }

    /// @notice The rollup holds what it owes, to the wei: nobody's payment depends on somebody else's.
    function invariant_TheRollupHoldsWhatItOwes() external view {
        assert(address(_handler.target()).balance == _handler.liabilities());
    }

    /// @notice Deposits, bonds and fees, less what was paid and burned.
    function invariant_MoneyInIsMoneyOutAndMoneyHeld() external view {
        assert(address(_handler.target()).balance == _handler.received() - _handler.paid() - _handler.burned());
    }

    /// @notice Nothing is paid twice, and nothing that is due is refused.
    function invariant_EveryPaymentIsMadeOnce() external view {
        assert(!_handler.broken());
    }
}
