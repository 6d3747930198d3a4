// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import { BatchData } from "../src/BatchData.sol";
import { BlockHeaders } from "../src/BlockHeaders.sol";
import { Inbox } from "../src/Inbox.sol";
import { Poseidon2 } from "../src/Poseidon2.sol";
import { Rollup } from "../src/Rollup.sol";
import { Staking } from "../src/Staking.sol";
import { StarkVerifier } from "../src/StarkVerifier.sol";
import { Validators } from "../src/Validators.sol";
import { RollupFixture } from "./RollupFixture.sol";

/// @notice What the rollup is built with, its queue, its commits.
contract RollupCommitTest is RollupFixture {
    /// @notice What forge prints.
    event log_named_uint(string key, uint256 value);

    function _refused(Rollup.Parameters memory p) private returns (bool) {
        return _refused(p, _stakingParameters());
    }

    function _refused(Rollup.Parameters memory p, Validators.Parameters memory s) private returns (bool) {
        address next = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 1);
        p.staking = new Staking(Rollup(next), s);
        try new Rollup(p) returns (Rollup) {
            return false;
        } catch (bytes memory reason) {
            return bytes4(reason) == Rollup.Rollup__Parameters.selector;
        }
    }

    function test_ContradictingParametersAreRefused() external {
        Rollup.Parameters memory p = _parameters();
        assert(!_refused(p));
        p.verifier = StarkVerifier(address(1));
        assert(_refused(p));
        p = _parameters();
        p.kernel = 0;
        assert(_refused(p));
        p = _parameters();
        p.bond = 0;
        assert(_refused(p));
        p = _parameters();
        p.proveWindow = 0;
        assert(_refused(p));
        p = _parameters();
        (p.proveWindow, p.exclusiveWindow) = (15, 0);
        assert(_refused(p));
        p.proveWindow = 16;
        assert(!_refused(p));
        p = _parameters();
        p.queueWindow = 0;
        assert(_refused(p));
        p = _parameters();
        p.freezeWindow = p.queueWindow + 2 * p.proveWindow;
        assert(_refused(p));
        p = _parameters();
        p.queueCap = 0;
        assert(_refused(p));
        p = _parameters();
        p.queueCap = 1639;
        assert(_refused(p));
        p = _parameters();
        p.exclusiveWindow = p.proveWindow;
        assert(_refused(p));
        p = _parameters();
        p.freezeLimit = 2 * p.freezeWindow - 1;
        assert(_refused(p));
        p = _parameters();
        p.freezeLimit = p.queueWindow + p.proveWindow + 256 * (p.proveWindow / 8);
        assert(_refused(p));
        ++p.freezeLimit;
        assert(!_refused(p));
        p = _parameters();
        Validators.Parameters memory s = _stakingParameters();
        s.jail = 2 * p.proveWindow - 1;
        assert(_refused(p, s));
        // Validators of another rollup.
        vm.expectPartialRevert(Rollup.Rollup__Parameters.selector);
        p.staking = staking;
        new Rollup(p);
        p = _parameters();
        p.kernel = bytes32(uint256(0xffffffff00000001));
        address next = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 1);
        p.staking = new Staking(Rollup(next), _stakingParameters());
        vm.expectPartialRevert(Poseidon2.Poseidon2__NotCanonical.selector);
        new Rollup(p);
    }

    // QUEUE
    // ============================================================================================

    function testFuzz_ADepositBringsWholeGweiAndTheFee(uint256 value) external {
        vm.deal(address(this), type(uint256).max);
        bool whole = value > FEE && (value - FEE) % 1 gwei == 0 && (value - FEE) / 1 gwei < 1 << 63;
        if (!whole) vm.expectPartialRevert(Inbox.Inbox__Value.selector);
        rollup.deposit{ value: value }(0);
        assert(rollup.queueLength() == (whole ? 1 : 0));
    }

    function testFuzz_AWholeDepositIsQueued(uint64 amount, bytes32 auth) external {
        amount = amount % (1 << 63);
        uint256 value = uint256(amount) * 1 gwei + FEE;
        vm.deal(address(this), value);
        bool canonical = true;
        for (uint256 i = 0; i < 4; ++i) {
            canonical = canonical && Poseidon2.element(auth, i) < Poseidon2.P;
        }
        if (!canonical) vm.expectPartialRevert(Poseidon2.Poseidon2__NotCanonical.selector);
        else if (amount == 0) vm.expectPartialRevert(Inbox.Inbox__Value.selector);
        rollup.depositTo{ value: value }(3, auth);
        if (!canonical || amount == 0) return;
        // What was queued is what a commit must bring.
        _commit(1, _list(_entry(_words(6, 3, address(this), amount, auth), 0)));
    }

    function test_AnExitIsTheOwnersOwn() external {
        uint64[5] memory key = [uint64(1), 2, 3, 4, 5];
        vm.deal(address(this), 10 ether);
        vm.expectPartialRevert(Inbox.Inbox__Value.selector);
        rollup.forceExit{ value: FEE + 1 }(8, key);
        vm.expectPartialRevert(Inbox.Inbox__Value.selector);
        rollup.forceExit(8, key);
        rollup.forceExit{ value: FEE }(8, key);
        bytes memory mine = _entry(_words(8, 8, address(this), 0, _auth(key, address(this))), 12);
        bytes memory other = _entry(_words(8, 8, address(this), 0, _auth(key, address(1))), 12);
        bytes memory wrong = _data(1, _list(other));
        vm.deal(OPERATOR, BOND);
        _asOperator();
        vm.expectPartialRevert(Inbox.Inbox__Entry.selector);
        rollup.commit{ value: BOND }(head, 0, _blocks(wrong), wrong, 0);
        _commit(1, _list(mine));
        // One key has one encoding.
        key[2] = 0xffffffff00000002;
        vm.expectPartialRevert(Poseidon2.Poseidon2__NotCanonical.selector);
        rollup.forceExit{ value: FEE }(8, key);
        key[2] = 3;
        key[4] = 0xffffffffffffffff;
        vm.expectPartialRevert(Poseidon2.Poseidon2__NotCanonical.selector);
        rollup.forceExit{ value: FEE }(8, key);
    }

    function _fillQueue(uint256 count) private returns (bytes[] memory entries) {
        vm.deal(address(this), count * (1 ether + FEE));
        entries = new bytes[](count);
        for (uint256 i = 0; i < count; ++i) {
            rollup.deposit{ value: 1 gwei * (i + 1) + FEE }(bytes32(i));
            entries[i] = _entry(_words(7, 0, address(this), uint64(i + 1), bytes32(i)), 0);
        }
    }

    function _slice(bytes[] memory list, uint256 from, uint256 to) private pure returns (bytes[] memory part) {
        part = new bytes[](to - from);
        for (uint256 i = from; i < to; ++i) {
            part[i - from] = list[i];
        }
    }

    function test_AnEntryCannotStayBehindPastItsWindow() external {
        bytes[] memory entries = _fillQueue(5);
        _commitNothing();
        vm.warp(block.timestamp + QUEUE_WINDOW);
        _commitNothing();
        vm.warp(block.timestamp + 1);
        bytes memory none = _data(0, new bytes[](0));
        bytes memory two = _data(2, _slice(entries, 0, 2));
        vm.deal(OPERATOR, 10 * BOND);
        _asOperator();
        vm.expectPartialRevert(Inbox.Inbox__Overdue.selector);
        rollup.commit{ value: BOND }(head, 0, _blocks(none), none, 0);
        _asOperator();
        vm.expectPartialRevert(Inbox.Inbox__Overdue.selector);
        rollup.commit{ value: BOND }(head, 0, _blocks(two), two, 0);
        // As many as it must, although more wait; then the rest.
        _commit(3, _slice(entries, 0, 3));
        vm.deal(OPERATOR, BOND);
        _asOperator();
        vm.expectPartialRevert(Inbox.Inbox__Overdue.selector);
        rollup.commit{ value: BOND }(head, 0, _blocks(none), none, 0);
        _commit(2, _slice(entries, 3, 5));
        _commitNothing();
    }

    /// @notice The most that mainnet's parameters have a commit consume, and as much as nodes prove at once: both fit into one
    /// transaction (EIP-7825).
    function test_AsManyEntriesAsNodesProveFitATransaction() external {
        bytes memory data = _data(512, _fillQueue(512));
        bytes memory blocks = _blocks(data);
        vm.deal(OPERATOR, BOND);
        _asOperator();
        uint256 before = gasleft();
        rollup.commit{ value: BOND }(head, 0, blocks, data, bytes32(uint256(5)));
        uint256 execution = before - gasleft();
        // Besides: 21,000, and at most 40 for a byte of calldata.
        uint256 bytesSent = data.length + blocks.length + 260;
        emit log_named_uint("execution", execution);
        emit log_named_uint("calldata bytes", bytesSent);
        assert(execution + 21_000 + 40 * bytesSent < 1 << 24);
    }

    function test_MoreThanTheCapMayBeConsumed() external {
        _commit(5, _fillQueue(5));
        (,,,,, uint48 queueEnd) = rollup.batches(1);
        assert(queueEnd == 5);
    }

    function testFuzz_ChangedEntriesAreRefused(uint8 where, uint8 bit) external {
        bytes[] memory entries = _fillQueue(1);
        // The last word is the batch's own.
        uint256 place = where % 72;
        entries[0][place] ^= bytes1(uint8(1 << (bit % 8)));
        bytes memory data = _data(1, entries);
        vm.deal(OPERATOR, BOND);
        _asOperator();
        (bool success, bytes memory reason) =
            address(rollup).call{ value: BOND }(abi.encodeCall(rollup.commit, (head, 0, _blocks(data), data, 0)));
        assert(!success);
        // A flipped bit can also make a word that is not canonical.
        bytes4 selector = bytes4(reason);
        assert(selector == Inbox.Inbox__Entry.selector || selector == BatchData.BatchData__NotCanonical.selector);
    }

    // COMMITS
    // ============================================================================================

    function test_OnlyTheOperatorCommitsAndPostsTheBond() external {
        bytes memory data = _data(0, new bytes[](0));
        _commitNothing();
        vm.deal(address(0xcafe), 10 ether);
        vm.prank(address(0xcafe), address(0xcafe));
        vm.expectPartialRevert(Rollup.Rollup__NotYourTurn.selector);
        rollup.commit{ value: BOND }(head, 0, _blocks(data), data, 0);
        vm.deal(OPERATOR, 10 ether);
        _asOperator();
        vm.expectPartialRevert(Rollup.Rollup__Bond.selector);
        rollup.commit{ value: BOND - 1 }(head, 0, _blocks(data), data, 0);
        _asOperator();
        vm.expectPartialRevert(Rollup.Rollup__Bond.selector);
        rollup.commit{ value: BOND + 1 }(head, 0, _blocks(data), data, 0);
    }

    function test_TheBlocksCutTheDataAndAreOfAKnownSlot() external {
        bytes memory data = _data(0, _list(_transfer(1, 2), _transfer(3, 4)));
        vm.deal(OPERATOR, 10 ether);
        bytes[9] memory bad;
        bad[0] = "";
        bad[1] = abi.encodePacked(uint16(7));
        bad[2] = abi.encodePacked(uint16(7), bytes32(0), uint8(0));
        bad[3] = abi.encodePacked(uint16(6), bytes32(0));
        bad[4] = abi.encodePacked(uint16(8), bytes32(0));
        bad[5] = abi.encodePacked(uint16(1), bytes32(0), uint16(7), bytes32(0));
        bad[6] = abi.encodePacked(uint16(5), bytes32(0), uint16(5), bytes32(0), uint16(7), bytes32(0));
        bad[7] = abi.encodePacked(uint16(7), bytes32(0), uint16(7), bytes32(0));
        bad[8] = abi.encodePacked(uint16(6), bytes32(0), uint16(5), bytes32(0), uint16(7), bytes32(0));
        for (uint256 i = 0; i < bad.length; ++i) {
            _asOperator();
            vm.expectPartialRevert(BlockHeaders.BlockHeaders__Blocks.selector);
            rollup.commit{ value: BOND }(head, 0, bad[i], data, 0);
        }
        uint64 slot = uint64(staking.slotAt(block.timestamp));
        _asOperator();
        vm.expectPartialRevert(Rollup.Rollup__Slot.selector);
        rollup.commit{ value: BOND }(head, slot + 1, _blocks(data), data, 0);
        _asOperator();
        rollup.commit{ value: BOND }(head, slot, _blocks(data), data, 0);
    }

    /// @notice The rollup keeps the hash of the last of the headers that anyone forms from the data.
    function testFuzz_ACommitKeepsTheHashOfItsHeaders(uint8 count, uint256 seed) external {
        bytes[] memory operations = new bytes[](uint256(count) % 30 + 1);
        for (uint32 i = 0; i < operations.length; ++i) {
            operations[i] = _transfer(i, i + 1);
        }
        _commitNothing();
        bytes memory data = _data(0, operations);
        bytes memory blocks;
        BlockHeaders.Header memory header;
        (,, header.parent,,,) = rollup.batches(1);
        (header.slot, header.batch) = (uint64(staking.slotAt(block.timestamp)), 2);
        bytes memory words;
        for (uint256 i = 1; i < 3 + 2 * operations.length; ++i) {
            for (uint256 k = 0; k < 8; ++k) {
                words = abi.encodePacked(words, data[8 * i + k]);
            }
            if (i != 2 + 2 * operations.length && uint256(keccak256(abi.encode(seed, i))) % 3 != 0) continue;
            header.operations = keccak256(words);
            header.state = keccak256(abi.encode(seed, i, "state"));
            blocks = abi.encodePacked(blocks, uint16(i + 1), header.state);
            header.parent = BlockHeaders.hash(header);
            ++header.index;
            words = "";
        }
        vm.deal(OPERATOR, BOND);
        _asOperator();
        rollup.commit{ value: BOND }(head, header.slot, blocks, data, 0);
        (,, bytes32 found,,,) = rollup.batches(2);
        assert(found == header.parent);
    }

    function test_ACommitNamesWhatItBuildsOn() external {
        bytes memory data = _data(0, new bytes[](0));
        _commitNothing();
        (bytes32 digest,,,,,) = rollup.batches(1);
        vm.deal(OPERATOR, 10 * BOND);
        // Sent twice: the second meets a history with the first in it.
        vm.prank(OPERATOR, OPERATOR);
        vm.expectPartialRevert(Rollup.Rollup__Parent.selector);
        rollup.commit{ value: BOND }(0, 0, _blocks(data), data, 0);
        vm.prank(OPERATOR, OPERATOR);
        rollup.commit{ value: BOND }(digest, 0, _blocks(data), data, 0);
    }

    function _refusedData(bytes memory data, bytes4 selector) private {
        vm.deal(OPERATOR, BOND);
        vm.prank(OPERATOR, OPERATOR);
        vm.expectPartialRevert(selector);
        rollup.commit{ value: BOND }(0, 0, _blocks(data), data, 0);
    }

    function test_TheDataIsAsLongAsItSays() external {
        bytes memory data = _data(0, _list(_transfer(1, 2)));
        assert(data.length == 64);
        bytes4 selector = BatchData.BatchData__Length.selector;
        _refusedData("", selector);
        _refusedData(abi.encodePacked(data, bytes32(0)), selector);
        _refusedData(abi.encodePacked(data, uint64(0)), selector);
        for (uint8 length = 0; length < 12; ++length) {
            data[7] = bytes1(length);
            if (length < 3 || length > 8 || length == 4) _refusedData(data, selector);
        }
        data[7] = bytes1(uint8(5));
        data[0] = bytes1(uint8(1));
        _refusedData(data, selector);
    }

    function test_WordsBehindTheLastAreZero() external {
        for (uint256 place = 40; place < 64; ++place) {
            bytes memory data = _data(0, _list(_transfer(1, 2)));
            data[place] = 0x01;
            _refusedData(data, BatchData.BatchData__Padding.selector);
        }
    }

    function testFuzz_EveryWordIsCanonical(uint8 count, uint8 where, uint32 above) external {
        bytes[] memory operations = new bytes[](uint256(count) % 20 + 1);
        for (uint256 i = 0; i < operations.length; ++i) {
            operations[i] = _transfer(uint32(i), uint32(i + 1));
        }
        bytes memory data = _data(0, operations);
        uint64 word = 0xffffffff00000001 + uint64(above) % 0xffffffff;
        uint256 offset = 8 * (3 + uint256(where) % (2 * operations.length));
        for (uint256 i = 0; i < 8; ++i) {
            data[offset + i] = bytes8(word)[i];
        }
        _refusedData(data, BatchData.BatchData__NotCanonical.selector);
    }

    function test_OnlySoManyBatchesWait() external {
        for (uint256 i = 0; i < rollup.MAX_UNPROVEN(); ++i) {
            _commitNothing();
        }
        bytes memory data = _data(0, new bytes[](0));
        vm.deal(OPERATOR, BOND);
        _asOperator();
        vm.expectPartialRevert(Rollup.Rollup__TooManyUnproven.selector);
        rollup.commit{ value: BOND }(head, 0, _blocks(data), data, 0);
        // All of them can be proven in one transaction, or dropped.
        _prove(1, bytes32(uint256(1)), address(this));
        _commitNothing();
        vm.warp(block.timestamp + PROVE_WINDOW + 1);
        uint256 before = gasleft();
        rollup.prune();
        assert(before - gasleft() < 2_000_000);
        assert(rollup.owed(OPERATOR) == 255 * BOND);
    }

    function testFuzz_EveryOperationIsIncludedOnce(uint8 count, uint256 seed) external {
        bytes[] memory operations = new bytes[](uint256(count) % 40 + 1);
        for (uint256 i = 0; i < operations.length; ++i) {
            uint256 random = uint256(keccak256(abi.encode(seed, i)));
            operations[i] = random % 3 == 0
                ? _withdraw(uint32(random >> 8), address(uint160(random >> 40)), uint64(random >> 200) >> 1)
                : _transfer(uint32(random >> 8), uint32(random >> 40));
        }
        _commit(0, operations);
        (, bytes32 found,,,,) = rollup.batches(1);
        for (uint256 i = 0; i < operations.length; ++i) {
            (bytes32 root, bytes32[] memory path) = _path(operations, i);
            assert(root == found);
            assert(rollup.included(1, i, operations[i], path));
            assert(!rollup.included(1, i + (1 << path.length), operations[i], path));
            assert(!rollup.included(2, i, operations[i], path));
            assert(!rollup.included(0, i, operations[i], path));
        }
    }

    /// @notice An inner node is not an operation: its two children cannot be passed off as words.
    function test_ANodeIsNotAnOperation() external {
        bytes[] memory operations = new bytes[](4);
        for (uint32 i = 0; i < 4; ++i) {
            operations[i] = _transfer(i, i + 1);
        }
        _commit(0, operations);
        (, bytes32[] memory path) = _path(operations, 0);
        (, bytes32[] memory second) = _path(operations, 1);
        bytes32[] memory above = new bytes32[](1);
        above[0] = path[1];
        assert(!rollup.included(1, 0, abi.encodePacked(second[0], path[0]), above));
        assert(!rollup.included(1, 0, abi.encodePacked(uint8(1), second[0], path[0]), above));
    }
}
