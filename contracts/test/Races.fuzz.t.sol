// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import { Poseidon2 } from "../src/Poseidon2.sol";
import { StateTree } from "../src/StateTree.sol";
import { RollupFixture } from "./RollupFixture.sol";

/// @notice Anything in any order, against a model that says of every call whether it succeeds and what it pays. In the end
/// the rollup is frozen and everybody takes what is due, by every way and twice: then nothing is left, and each address has what
/// the last proven state, its entries and its debts gave it.
/// @dev The kernel's part is played: the state is two accounts, outcomes are drawn, balances follow.
contract AnyOrderTest is RollupFixture {
    struct Entry {
        uint64[9] words;
        address sender;
        uint64 amount;
        uint256 account;
        bool exit;
        uint256 queued;
        bool refunded;
    }

    struct Operation {
        bytes record;
        address to;
        uint64 due;
        bool paid;
    }

    struct Batch {
        address committer;
        uint256 time;
        uint256 queueEnd;
        uint64[2] balances;
    }

    uint64[5] private _key = [uint64(1), 2, 3, 4, 5];
    address[2] private _owners = [address(0xbeef0), address(0xbeef1)];
    /// @notice Two committers, two payees, who prunes and who freezes.
    address[6] private _parties =
        [OPERATOR, address(0x57a), address(0x9a1), address(0x9a2), address(0xcafe), address(0xf4ee)];
    bytes32[2] private _auths;
    bytes32[32] private _zeros;

    Entry[] private _queue;
    /// @notice The genesis first, then those that are proven or wait.
    Batch[] private _batches;
    /// @notice By batch number; those of dropped batches stay until the number is used again.
    mapping(uint256 batch => Operation[]) private _operations;
    uint256 private _highest;
    uint256 private _receivers;
    uint256 private _proven;
    uint256 private _prunedAt;
    uint256 private _provenAt;
    bool private _frozen;
    bool[2] private _escaped;
    /// @notice Wei that the rollup has, that it owes to an account, that an account should have in the end.
    uint256 private _held;
    mapping(address => uint256) private _owed;
    mapping(address => uint256) private _collected;
    mapping(address => uint256) private _expected;

    function setUp() external {
        for (uint256 i = 0; i < 2; ++i) {
            _auths[i] = _auth(_key, _owners[i]);
        }
        _zeros = _siblings();
        _batches.push();
        vm.deal(OPERATOR, 0);
        vm.deal(address(0), 0);
    }

    /// forge-config: default.fuzz.runs = 48
    function testFuzz_InAnyOrderEverythingIsPaidOnce(uint256 seed) external {
        for (uint256 i = 0; i < 60; ++i) {
            _step(uint256(keccak256(abi.encode(seed, i))));
            _balanced();
        }
        _end();
    }

    function _step(uint256 random) private {
        uint256 kind = random % 20;
        random >>= 8;
        if (kind < 3) _deposit(random);
        else if (kind < 4) _exit(random);
        else if (kind < 7) _commit(random);
        else if (kind < 10) _prove(random);
        else if (kind < 12) _prune();
        else if (kind < 14) _freeze();
        else if (kind < 15) _escape(random % 2, random % 3 == 0 ? (random >> 8) % _batches.length : _proven);
        else if (kind < 16) _refund(random);
        else if (kind < 17) _claim(random);
        else if (kind < 18) _collect(_parties[random % 6]);
        else _wait(random);
    }

    /// @notice Everything is as the model has it.
    function _balanced() private view {
        assert(address(rollup).balance == _held);
        assert(rollup.frozen() == _frozen && rollup.proven() == _proven);
        assert(rollup.committed() == _batches.length - 1 && rollup.queueLength() == _queue.length);
        for (uint256 i = 0; i < 6; ++i) {
            assert(rollup.owed(_parties[i]) == _owed[_parties[i]]);
        }
    }

    function _call(uint256 value, bytes memory data, bool expected) private {
        (bool success,) = address(rollup).call{ value: value }(data);
        assert(success == expected);
    }

    /// @notice A transaction with a value by `sender`, which has it from nowhere, and does not keep it.
    function _callAs(address sender, uint256 value, bytes memory data, bool expected) private {
        uint256 before = sender.balance;
        vm.deal(sender, before + value);
        vm.prank(sender, sender);
        _call(value, data, expected);
        vm.deal(sender, before);
        if (expected) _held += value;
    }

    // QUEUE
    // ============================================================================================

    function _deposit(uint256 random) private {
        Entry memory entry;
        entry.account = random % 2;
        entry.amount = uint64((random >> 8) % 1000 + 1);
        entry.sender = address(uint160(0x5e0000 + _queue.length));
        bytes32 auth = _auths[entry.account];
        entry.words = _words(6, uint32(entry.account), entry.sender, entry.amount, auth);
        bytes memory data = abi.encodeCall(rollup.depositTo, (uint32(entry.account), auth));
        _enqueue(entry, data);
    }

    function _exit(uint256 random) private {
        Entry memory entry;
        (entry.account, entry.exit) = (random % 2, true);
        entry.sender = _owners[entry.account];
        entry.words = _words(8, uint32(entry.account), entry.sender, 0, _auths[entry.account]);
        _enqueue(entry, abi.encodeCall(rollup.forceExit, (uint32(entry.account), _key)));
    }

    function _enqueue(Entry memory entry, bytes memory data) private {
        _callAs(entry.sender, uint256(entry.amount) * 1 gwei + FEE, data, !_frozen);
        if (_frozen) return;
        entry.queued = block.timestamp;
        _queue.push(entry);
    }

    // BATCHES
    // ============================================================================================

    function _commit(uint256 random) private {
        Batch memory batch = _batches[_batches.length - 1];
        batch.committer = _parties[random % 2];
        if (!staking.mayCommit(batch.committer, rollup.quietSince())) _silence();
        batch.time = block.timestamp;
        uint256 number = _batches.length;
        uint256 count = _serve(random >> 8, batch, number);
        bytes[] memory records = new bytes[](_operations[number].length);
        for (uint256 i = 0; i < records.length; ++i) {
            records[i] = _operations[number][i].record;
        }
        (bytes32 previous,,,,,) = rollup.batches(number - 1);
        bytes memory data = _data(count, records);
        data = abi.encodeCall(rollup.commit, (previous, 0, _blocks(data), data, bytes32(random % 1000)));
        _callAs(batch.committer, BOND, data, !_frozen);
        if (_frozen) return;
        _batches.push(batch);
        if (number > _highest) _highest = number;
    }

    /// @notice Draws the batch's operations and their outcomes.
    function _serve(uint256 random, Batch memory batch, uint256 number) private returns (uint256 count) {
        if (_frozen) return 0;
        delete _operations[number];
        uint256 next = batch.queueEnd;
        uint256 waiting = _queue.length - next;
        count = random % (waiting + 1);
        // What is due cannot be left behind.
        if (count < CAP && count < waiting && _queue[next + count].queued + QUEUE_WINDOW < block.timestamp) {
            count = waiting;
        }
        for (uint256 i = 0; i < count; ++i) {
            Entry storage entry = _queue[next + i];
            bool refused = uint256(keccak256(abi.encode(random, i))) % 3 == 0;
            uint64 moved = refused ? 0 : entry.exit ? batch.balances[entry.account] : entry.amount;
            if (entry.exit) batch.balances[entry.account] -= moved;
            else batch.balances[entry.account] += moved;
            uint64 due = entry.exit ? moved : refused ? entry.amount : 0;
            _operations[number].push(Operation(_entry(entry.words, moved), entry.sender, due, false));
        }
        batch.queueEnd = next + count;
        for (uint256 i = 0; i < (random >> 128) % 3; ++i) {
            uint256 account = (random >> (130 + i)) % 2;
            uint64 amount = uint64((random >> 160) % (uint256(batch.balances[account]) + 1));
            batch.balances[account] -= amount;
            address to = address(uint160(0xa00000 + _receivers++));
            _operations[number].push(Operation(_withdraw(uint32(account), to, amount), to, amount, false));
        }
    }

    /// @notice A proof lands, or is only verified: it may land later, or never.
    function _prove(uint256 random) private {
        uint256 waiting = _batches.length - 1 - _proven;
        uint256 last = _proven + 1 + (waiting == 0 ? 0 : (random >> 16) % waiting);
        address payee = _parties[2 + random % 2];
        uint64[2] memory balances = _batches[waiting == 0 ? _proven : last].balances;
        bytes32 root = _root(balances);
        _learn(rollup.statement(_proven, last, root, payee));
        if ((random >> 8) % 4 == 0) return;
        bool expected = !_frozen && waiting != 0;
        _call(0, abi.encodeCall(rollup.prove, (last, root, payee)), expected);
        if (!expected) return;
        _owed[payee] += BOND + (_batches[last].queueEnd - _batches[_proven].queueEnd) * FEE;
        for (uint256 batch = _proven + 2; batch <= last; ++batch) {
            _owed[_batches[batch].committer] += BOND;
        }
        (_proven, _provenAt) = (last, block.timestamp);
    }

    function _overdue() private view returns (bool) {
        if (_batches.length - 1 == _proven) return false;
        return _batches[_proven + 1].time + PROVE_WINDOW < block.timestamp
            && _provenAt + PROVE_WINDOW / rollup.SETTLE_SHARE() < block.timestamp;
    }

    function _prune() private {
        bool expected = !_frozen && _overdue();
        vm.prank(_parties[4]);
        _call(0, abi.encodeCall(rollup.prune, ()), expected);
        if (expected) _drop(true, _parties[4]);
    }

    function _freeze() private {
        uint256 entry = _batches[_proven].queueEnd;
        bool waits = _batches.length - 1 > _proven || block.timestamp <= _prunedAt + QUEUE_WINDOW;
        bool expected = !_frozen && entry < _queue.length
            && block.timestamp > _queue[entry].queued + (waits ? FREEZE_LIMIT : FREEZE_WINDOW);
        vm.prank(_parties[5]);
        _call(0, abi.encodeCall(rollup.freeze, ()), expected);
        if (!expected) return;
        _frozen = true;
        _drop(_overdue(), _parties[5]);
    }

    function _drop(bool slash, address caller) private {
        while (_batches.length - 1 > _proven) {
            bool first = _batches.length == _proven + 2;
            if (first && slash) {
                _owed[caller] += BOND / 2;
                _held -= BOND - BOND / 2;
            } else {
                _owed[_batches[_batches.length - 1].committer] += BOND;
            }
            _batches.pop();
            _prunedAt = block.timestamp;
        }
    }

    function _wait(uint256 random) private {
        uint256 share = PROVE_WINDOW / rollup.SETTLE_SHARE();
        uint256[7] memory times =
            [SLOT, QUEUE_WINDOW, share, PROVE_WINDOW, 2 * PROVE_WINDOW, FREEZE_WINDOW, FREEZE_LIMIT];
        vm.warp(block.timestamp + times[random % 7] + (random >> 8) % 3);
    }

    // STATE
    // ============================================================================================

    function _leaf(uint256 account, uint64 balance) private view returns (bytes32) {
        bytes32 numbers = Poseidon2.word(0, balance, 2, 0);
        return Poseidon2.compress(Poseidon2.compress(_auths[account], numbers), Poseidon2.compress(0, 0));
    }

    function _root(uint64[2] memory balances) private view returns (bytes32 node) {
        node = Poseidon2.compress(_leaf(0, balances[0]), _leaf(1, balances[1]));
        for (uint256 height = 1; height < 32; ++height) {
            node = Poseidon2.compress(node, _zeros[height]);
        }
        return StateTree.root(node, 2);
    }

    // PAYMENTS
    // ============================================================================================

    /// @notice An account leaves with its balance after a batch, the last proven one or another.
    function _escape(uint256 account, uint256 number) private {
        uint64[2] memory balances = _batches[number].balances;
        uint64[2] memory proven = _batches[_proven].balances;
        bool right = balances[0] == proven[0] && balances[1] == proven[1];
        bool expected = _frozen && right && balances[account] != 0 && !_escaped[account];
        bytes32[32] memory siblings = _zeros;
        siblings[0] = _leaf(1 - account, balances[1 - account]);
        bytes memory data = abi.encodeCall(
            rollup.escape, (uint32(account), _key, _owners[account], 0, balances[account], 2, siblings)
        );
        _call(0, data, expected);
        if (!expected) return;
        _escaped[account] = true;
        _held -= uint256(balances[account]) * 1 gwei;
    }

    function _refund(uint256 random) private {
        if (_queue.length == 0) return;
        uint256 number = random % _queue.length;
        Entry storage entry = _queue[number];
        bool expected = _frozen && number >= _batches[_proven].queueEnd && !entry.refunded;
        _call(0, abi.encodeCall(rollup.refund, (number, entry.words)), expected);
        if (!expected) return;
        entry.refunded = true;
        _held -= uint256(entry.amount) * 1 gwei + FEE;
    }

    /// @notice Of any batch that ever was, proven, waiting or dropped.
    function _claim(uint256 random) private {
        if (_highest == 0) return;
        uint256 number = random % _highest + 1;
        uint256 count = _operations[number].length;
        if (count != 0) _claimAt(number, (random >> 128) % count);
    }

    function _claimAt(uint256 number, uint256 position) private {
        bytes[] memory records = new bytes[](_operations[number].length);
        for (uint256 i = 0; i < records.length; ++i) {
            records[i] = _operations[number][i].record;
        }
        (, bytes32[] memory path) = _path(records, position);
        Operation storage operation = _operations[number][position];
        bool expected = number <= _proven && operation.due != 0 && !operation.paid;
        _call(0, abi.encodeCall(rollup.claim, (number, position, operation.record, path)), expected);
        if (!expected) return;
        operation.paid = true;
        _held -= uint256(operation.due) * 1 gwei;
    }

    function _collect(address account) private {
        uint256 owed = _owed[account];
        _call(0, abi.encodeCall(rollup.collect, (account)), owed != 0);
        _owed[account] = 0;
        _collected[account] += owed;
        _held -= owed;
    }

    // THE END
    // ============================================================================================

    function _end() private {
        if (!_frozen) {
            _deposit(0);
            vm.warp(block.timestamp + FREEZE_LIMIT + 1);
            _freeze();
            assert(_frozen);
        }
        for (uint256 k = 0; k < 2; ++k) {
            for (uint256 number = 1; number <= _highest; ++number) {
                for (uint256 i = 0; i < _operations[number].length; ++i) {
                    _claimAt(number, i);
                }
            }
            for (uint256 i = 0; i < _queue.length; ++i) {
                _refund(i);
            }
            _escape(0, _proven);
            _escape(1, _proven);
            for (uint256 i = 0; i < 6; ++i) {
                _collect(_parties[i]);
            }
            _balanced();
            assert(_held == 0);
        }
        _requireEachHasItsOwn();
    }

    /// @notice From the final state alone, whatever the order was.
    function _requireEachHasItsOwn() private {
        for (uint256 number = 1; number <= _proven; ++number) {
            for (uint256 i = 0; i < _operations[number].length; ++i) {
                Operation storage operation = _operations[number][i];
                _expected[operation.to] += uint256(operation.due) * 1 gwei;
            }
        }
        for (uint256 i = _batches[_proven].queueEnd; i < _queue.length; ++i) {
            _expected[_queue[i].sender] += uint256(_queue[i].amount) * 1 gwei + FEE;
        }
        for (uint256 i = 0; i < 2; ++i) {
            _expected[_owners[i]] += uint256(_batches[_proven].balances[i]) * 1 gwei;
            assert(_owners[i].balance == _expected[_owners[i]]);
        }
        for (uint256 i = 0; i < _queue.length; ++i) {
            assert(_queue[i].sender.balance == _expected[_queue[i].sender]);
        }
        for (uint256 i = 0; i < _receivers; ++i) {
            address to = address(uint160(0xa00000 + i));
            assert(to.balance == _expected[to]);
        }
        for (uint256 i = 0; i < 6; ++i) {
            assert(_parties[i].balance == _collected[_parties[i]]);
        }
    }
}
