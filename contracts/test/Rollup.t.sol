// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import { BatchData } from "../src/BatchData.sol";
import { BlockHeaders } from "../src/BlockHeaders.sol";
import { Inbox } from "../src/Inbox.sol";
import { Ledger } from "../src/Ledger.sol";
import { Operations } from "../src/Operations.sol";
import { Poseidon2 } from "../src/Poseidon2.sol";
import { Rollup } from "../src/Rollup.sol";
import { Staking } from "../src/Staking.sol";
import { StarkVerifier } from "../src/StarkVerifier.sol";
import { Validators } from "../src/Validators.sol";
import { Moody, Reentrant, Refuser, RollupFixture } from "./RollupFixture.sol";

/// @notice What the rollup is built with, its queue, its commits.
contract RollupCommitTest is RollupFixture {
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

/// @notice Proving and pruning.
contract RollupProveTest is RollupFixture {
    bytes32 private constant ROOT = bytes32(uint256(42));

    function test_AProofSettlesARunOfBatches() external {
        vm.deal(address(this), 10 ether);
        rollup.deposit{ value: 1 gwei + FEE }(0);
        rollup.deposit{ value: 1 gwei + FEE }(0);
        bytes memory entry = _entry(_words(7, 0, address(this), 1, 0), 1);
        _commitNothing();
        _commit(1, _list(entry));
        _commit(1, _list(entry));
        _prove(2, ROOT, address(0xbeef));
        assert(rollup.proven() == 2 && rollup.roots(2) == ROOT && rollup.roots(1) == 0);
        assert(rollup.owed(OPERATOR) == 0 && rollup.owed(address(0xbeef)) == FEE + 2 * BOND);
        _prove(3, ROOT, address(0xbeef));
        assert(rollup.owed(OPERATOR) == 0 && rollup.owed(address(0xbeef)) == 2 * FEE + 3 * BOND);
        rollup.collect(address(0xbeef));
        assert(address(0xbeef).balance == 2 * FEE + 3 * BOND && rollup.owed(address(0xbeef)) == 0);
        vm.expectPartialRevert(Ledger.Ledger__NothingOwed.selector);
        rollup.collect(address(0xbeef));
    }

    function test_OnlyKnownStatementsSettle() external {
        _commitNothing();
        _commitNothing();
        _learn(rollup.statement(0, 1, ROOT, address(this)));
        vm.expectPartialRevert(Rollup.Rollup__NotProven.selector);
        rollup.prove(1, ROOT, address(1));
        vm.expectPartialRevert(Rollup.Rollup__NotProven.selector);
        rollup.prove(1, bytes32(uint256(43)), address(this));
        vm.expectPartialRevert(Rollup.Rollup__NotProven.selector);
        rollup.prove(2, ROOT, address(this));
        vm.expectPartialRevert(Rollup.Rollup__NotWaiting.selector);
        rollup.prove(0, ROOT, address(this));
        vm.expectPartialRevert(Rollup.Rollup__NotWaiting.selector);
        rollup.prove(3, ROOT, address(this));
        vm.expectPartialRevert(StarkVerifier.StarkVerifier__PublicWord.selector);
        rollup.prove(1, bytes32(type(uint256).max), address(this));
        rollup.prove(1, ROOT, address(this));
        vm.expectPartialRevert(Rollup.Rollup__NotWaiting.selector);
        rollup.prove(1, ROOT, address(this));
    }

    /// @notice A proof for another deployment is none for this one, even of the same batches.
    function test_StatementsNameTheDeployment() external {
        (, Rollup other) = _deploy();
        assert(other.DOMAIN() != rollup.DOMAIN());
        assert(other.statement(0, 0, ROOT, address(1)) != rollup.statement(0, 0, ROOT, address(1)));
    }

    function test_TheFirstOverdueBatchIsSlashedTheOthersAreNot() external {
        _commitNothing();
        _prove(1, ROOT, address(this));
        _commitNothing();
        _commitNothing();
        _commitNothing();
        vm.warp(block.timestamp + PROVE_WINDOW);
        vm.expectPartialRevert(Rollup.Rollup__NothingToPrune.selector);
        rollup.prune();
        vm.warp(block.timestamp + 1);
        vm.deal(address(0), 0);
        vm.prank(address(0xcafe));
        rollup.prune();
        assert(rollup.committed() == 1 && rollup.proven() == 1);
        assert(rollup.owed(OPERATOR) == 2 * BOND && rollup.owed(address(this)) == BOND);
        assert(rollup.owed(address(0xcafe)) == BOND / 2);
        assert(address(0).balance == BOND - BOND / 2);
        assert(address(rollup).balance == 3 * BOND + BOND / 2);
        vm.expectPartialRevert(Rollup.Rollup__NothingToPrune.selector);
        rollup.prune();
    }

    function test_APrunedBatchIsGoneAndTheQueueRewinds() external {
        vm.deal(address(this), 10 ether);
        rollup.deposit{ value: 5 gwei + FEE }(0);
        bytes memory entry = _entry(_words(7, 0, address(this), 5, 0), 0);
        _commit(1, _list(entry, _withdraw(1, address(0xbeef), 7)));
        _commitNothing();
        (bytes32 digest,,,,,) = rollup.batches(1);
        _learn(rollup.statement(0, 1, ROOT, address(this)));
        vm.warp(block.timestamp + PROVE_WINDOW + 1);
        rollup.prune();
        // The committer is in jail: until then it is as anyone.
        assert(!staking.mayCommit(OPERATOR, rollup.quietSince()));
        _silence();

        // Late: the batches are gone, and so is what they contained.
        vm.expectPartialRevert(Rollup.Rollup__NotWaiting.selector);
        rollup.prove(1, ROOT, address(this));
        bytes[] memory operations = _list(entry, _withdraw(1, address(0xbeef), 7));
        (, bytes32[] memory path) = _path(operations, 1);
        assert(!rollup.included(1, 1, operations[1], path));
        vm.expectPartialRevert(Rollup.Rollup__BatchNotProven.selector);
        rollup.claim(1, 1, operations[1], path);

        // The entry waits again, and is past its window.
        bytes memory none = _data(0, new bytes[](0));
        vm.deal(OPERATOR, BOND);
        _asOperator();
        vm.expectPartialRevert(Inbox.Inbox__Overdue.selector);
        rollup.commit{ value: BOND }(head, 0, _blocks(none), none, 0);

        // The same batch again has the same digest: a proof that came too late serves it.
        _commit(1, operations);
        (bytes32 again,,,,,) = rollup.batches(1);
        assert(again == digest);
        rollup.prove(1, ROOT, address(this));
        rollup.claim(1, 1, operations[1], path);
    }

    function test_TheFirstHourIsTheCommitters() external {
        exclusive = 1 hours;
        (staking, rollup) = _deploy();
        _silence();
        _commitNothing();
        _silence();
        address other = address(0xcafe);
        vm.deal(other, BOND);
        bytes memory data = _data(0, new bytes[](0));
        (head,,,,,) = rollup.batches(1);
        vm.prank(other, other);
        rollup.commit{ value: BOND }(head, 0, _blocks(data), data, 0);
        // One payee cannot be both committers while both are alone.
        _learn(rollup.statement(0, 2, ROOT, other));
        _learn(rollup.statement(0, 2, ROOT, OPERATOR));
        vm.expectPartialRevert(Rollup.Rollup__Exclusive.selector);
        rollup.prove(2, ROOT, other);
        vm.expectPartialRevert(Rollup.Rollup__Exclusive.selector);
        rollup.prove(2, ROOT, OPERATOR);
        // The first committer's time is over first: then the second can have both.
        vm.warp(block.timestamp + 1 hours - SILENCE - 1);
        vm.expectPartialRevert(Rollup.Rollup__Exclusive.selector);
        rollup.prove(2, ROOT, other);
        vm.warp(block.timestamp + 1);
        vm.expectPartialRevert(Rollup.Rollup__Exclusive.selector);
        rollup.prove(2, ROOT, OPERATOR);
        rollup.prove(2, ROOT, other);
        assert(rollup.owed(other) == 2 * BOND && rollup.disturbed() == 0);
    }

    function test_TheLastPlaceThatABatchCouldWaitInIsADisturbance() external {
        for (uint256 i = 0; i < rollup.MAX_UNPROVEN(); ++i) {
            _commitNothing();
        }
        assert(rollup.disturbed() == 0);
        _prove(1, ROOT, address(this));
        assert(rollup.disturbed() == block.timestamp);
    }

    function test_ALateProofStillSettlesUntilPruned() external {
        _commitNothing();
        vm.warp(block.timestamp + 10 * PROVE_WINDOW);
        _prove(1, ROOT, address(this));
        assert(rollup.owed(address(this)) == BOND && rollup.disturbed() == block.timestamp);
    }
}

/// @notice What is paid, to whom, and how often.
contract RollupClaimTest is RollupFixture {
    address private constant RECEIVER = address(0xbeef);

    function _claim(uint256 batch, bytes[] memory operations, uint256 position) private {
        (, bytes32[] memory path) = _path(operations, position);
        rollup.claim(batch, position, operations[position], path);
    }

    /// @notice Brings `amount` gwei into the contract, as deposits would have.
    function _endow(uint256 amount) private {
        vm.deal(address(rollup), address(rollup).balance + amount * 1 gwei);
    }

    function test_AWithdrawalIsPaidOnceAndOnlyWhenProven() external {
        bytes[] memory operations = _list(_transfer(1, 2), _withdraw(1, RECEIVER, 7));
        _endow(7);
        _commit(0, operations);
        (, bytes32[] memory path) = _path(operations, 1);
        vm.expectPartialRevert(Rollup.Rollup__BatchNotProven.selector);
        rollup.claim(1, 1, operations[1], path);
        _prove(1, bytes32(uint256(1)), address(this));

        bytes memory wrong = _withdraw(1, RECEIVER, 8);
        vm.expectPartialRevert(Rollup.Rollup__NotIncluded.selector);
        rollup.claim(1, 1, wrong, path);
        vm.expectPartialRevert(Rollup.Rollup__NotIncluded.selector);
        rollup.claim(1, 0, operations[1], path);
        vm.expectPartialRevert(Rollup.Rollup__NotIncluded.selector);
        rollup.claim(1, 3, operations[1], path);
        vm.expectPartialRevert(Rollup.Rollup__NotIncluded.selector);
        rollup.claim(0, 1, operations[1], path);
        path[0] ^= bytes32(uint256(1));
        vm.expectPartialRevert(Rollup.Rollup__NotIncluded.selector);
        rollup.claim(1, 1, operations[1], path);

        _claim(1, operations, 1);
        assert(RECEIVER.balance == 7 gwei);
        (, path) = _path(operations, 1);
        vm.expectPartialRevert(Rollup.Rollup__AlreadyPaid.selector);
        rollup.claim(1, 1, operations[1], path);
        // A transfer pays nothing.
        (, path) = _path(operations, 0);
        vm.expectPartialRevert(Rollup.Rollup__NothingToPay.selector);
        rollup.claim(1, 0, operations[0], path);
    }

    function test_ExitsPayWhatMovedDepositsWhatDidNot() external {
        vm.deal(address(this), 10 ether);
        uint64[5] memory key = [uint64(1), 2, 3, 4, 5];
        bytes32 auth = _auth(key, address(this));
        rollup.deposit{ value: 11 gwei + FEE }(auth);
        rollup.depositTo{ value: 12 gwei + FEE }(4, auth);
        rollup.depositTo{ value: 13 gwei + FEE }(4, auth);
        rollup.forceExit{ value: FEE }(4, key);
        rollup.forceExit{ value: FEE }(5, key);
        bytes[] memory operations = new bytes[](5);
        operations[0] = _entry(_words(7, 0, address(this), 11, auth), 0);
        operations[1] = _entry(_words(6, 4, address(this), 12, auth), 12);
        operations[2] = _entry(_words(6, 4, address(this), 13, auth), 0);
        operations[3] = _entry(_words(8, 4, address(this), 0, auth), 12);
        operations[4] = _entry(_words(8, 5, address(this), 0, auth), 0);
        _settle(5, operations);
        uint256 before = address(this).balance;
        _claim(1, operations, 0);
        assert(address(this).balance == before + 11 gwei);
        _claim(1, operations, 2);
        assert(address(this).balance == before + 24 gwei);
        _claim(1, operations, 3);
        assert(address(this).balance == before + 36 gwei);
        for (uint256 i = 1; i < 5; i += 3) {
            (, bytes32[] memory path) = _path(operations, i);
            vm.expectPartialRevert(Rollup.Rollup__NothingToPay.selector);
            rollup.claim(1, i, operations[i], path);
        }
        assert(address(rollup).balance == BOND + 5 * FEE);
    }

    function testFuzz_EveryWithdrawalOfABatchIsPaidOnce(uint8 count, uint256 seed) external {
        bytes[] memory operations = new bytes[](uint256(count) % 300 + 1);
        for (uint256 i = 0; i < operations.length; ++i) {
            operations[i] = _withdraw(uint32(i), address(uint160(0x10000 + i)), uint64(i + 1));
        }
        _endow(operations.length * (operations.length + 1) / 2);
        _settle(0, operations);
        for (uint256 k = 0; k < 5; ++k) {
            uint256 i = uint256(keccak256(abi.encode(seed, k))) % operations.length;
            address to = address(uint160(0x10000 + i));
            (, bytes32[] memory path) = _path(operations, i);
            if (to.balance == 0) {
                rollup.claim(1, i, operations[i], path);
                assert(to.balance == (i + 1) * 1 gwei);
            }
            vm.expectPartialRevert(Rollup.Rollup__AlreadyPaid.selector);
            rollup.claim(1, i, operations[i], path);
        }
    }

    function test_AReceiverThatRefusesIsOwed() external {
        Moody receiver = new Moody();
        bytes[] memory operations = _list(_withdraw(1, address(receiver), 7), _withdraw(1, address(new Refuser()), 8));
        _endow(15);
        _settle(0, operations);
        _claim(1, operations, 0);
        _claim(1, operations, 1);
        assert(rollup.owed(address(receiver)) == 7 gwei);
        vm.expectPartialRevert(Ledger.Ledger__Refused.selector);
        rollup.collect(address(receiver));
        assert(rollup.owed(address(receiver)) == 7 gwei);
        receiver.set(true);
        rollup.collect(address(receiver));
        assert(address(receiver).balance == 7 gwei && rollup.owed(address(receiver)) == 0);
        (, bytes32[] memory path) = _path(operations, 0);
        vm.expectPartialRevert(Rollup.Rollup__AlreadyPaid.selector);
        rollup.claim(1, 0, operations[0], path);
    }

    function test_AReceiverThatCallsBackIsPaidOnce() external {
        Reentrant receiver = new Reentrant(address(rollup));
        bytes[] memory operations = _list(_withdraw(1, address(receiver), 7), _transfer(1, 1));
        _endow(100);
        _settle(0, operations);
        (, bytes32[] memory path) = _path(operations, 0);
        receiver.set(abi.encodeCall(rollup.claim, (1, 0, operations[0], path)));
        rollup.claim(1, 0, operations[0], path);
        assert(receiver.entered() == 1 && receiver.succeeded() == 0);
        assert(address(receiver).balance == 7 gwei && rollup.owed(address(receiver)) == 0);

        // Fees that are owed to it, by way of `collect`.
        vm.deal(address(this), 1 ether);
        rollup.deposit{ value: 1 gwei + FEE }(0);
        _commit(1, _list(_entry(_words(7, 0, address(this), 1, 0), 1)));
        _prove(2, bytes32(uint256(1)), address(receiver));
        receiver.set(abi.encodeCall(rollup.collect, (address(receiver))));
        rollup.collect(address(receiver));
        assert(receiver.entered() == 2 && receiver.succeeded() == 0);
        assert(address(receiver).balance == 7 gwei + FEE + BOND);
    }

    receive() external payable { }
}

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
        assert(rollup.owed(OPERATOR) == BOND && rollup.owed(address(this)) == 3 * BOND);
    }

    receive() external payable { }
}
