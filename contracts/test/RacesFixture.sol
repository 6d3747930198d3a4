// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import { Inbox } from "../src/Inbox.sol";
import { Rollup } from "../src/Rollup.sol";
import { RollupFixture } from "./RollupFixture.sol";

/// @notice A rollup whose proven state is one account with 70 gwei, and that holds these 70 gwei and nothing else. Every test
/// ends with [_drain]: whatever order things happened in, all that is due was paid, and nothing is left over.
abstract contract RacesFixture is RollupFixture {
    address internal constant OWNER = address(0xbeef);
    address internal constant SENDER = address(0x5e4d);
    address internal constant PAYEE = address(0x9a4ee);
    address internal constant STRANGER = address(0x57a);
    /// @notice Who prunes, and who freezes.
    address internal constant KEEPER = address(0xcafe);
    address internal constant FREEZER = address(0xf4ee);

    uint64[5] internal key = [uint64(1), 2, 3, 4, 5];
    bytes32 internal auth;

    function setUp() external {
        auth = _auth(key, OWNER);
        uint64[9] memory words = _queueDeposit(SENDER, 70);
        _commit(1, _list(_entry(words, 70)));
        _prove(1, _root(70), PAYEE);
        rollup.collect(PAYEE);
        vm.deal(PAYEE, 0);
        vm.deal(address(0), 0);
        assert(address(rollup).balance == 70 gwei);
    }

    /// @notice The state with so much in the account.
    function _root(uint64 balance) internal view returns (bytes32) {
        return _stateRoot(auth, 0, balance);
    }

    // QUEUE AND BATCHES
    // ============================================================================================

    function _queueDeposit(address sender, uint64 amount) internal returns (uint64[9] memory) {
        uint256 value = uint256(amount) * 1 gwei + FEE;
        vm.deal(sender, value);
        vm.prank(sender);
        rollup.depositTo{ value: value }(0, auth);
        return _words(6, 0, sender, amount, auth);
    }

    function _queueExit() internal returns (uint64[9] memory) {
        vm.deal(OWNER, FEE);
        vm.prank(OWNER);
        rollup.forceExit{ value: FEE }(0, key);
        return _words(8, 0, OWNER, 0, auth);
    }

    /// @notice Freezes over an entry of 1 gwei that nobody serves, and gives it back.
    function _abandon() internal {
        uint256 entry = rollup.queueLength();
        uint64[9] memory words = _queueDeposit(address(0xaba), 1);
        vm.warp(block.timestamp + FREEZE_WINDOW + 1);
        rollup.freeze();
        _refund(entry, words);
        assert(address(0xaba).balance == 1 gwei + FEE);
    }

    /// @notice After a silence, somebody without a stake commits nothing.
    function _commitAsStranger() internal {
        _silence();
        (bytes32 previous,,,,,) = rollup.batches(rollup.committed());
        bytes memory data = _data(0, new bytes[](0));
        vm.deal(STRANGER, BOND);
        vm.prank(STRANGER, STRANGER);
        rollup.commit{ value: BOND }(previous, 0, _blocks(data), data, bytes32(uint256(5)));
    }

    function _refusedCommit(uint256 entries, bytes[] memory operations, bytes4 reason) internal {
        bytes memory data = _data(entries, operations);
        vm.deal(OPERATOR, BOND);
        _asOperator();
        vm.expectPartialRevert(reason);
        rollup.commit{ value: BOND }(head, 0, _blocks(data), data, bytes32(uint256(5)));
    }

    function _refusedProof(uint256 last, bytes32 root, bytes4 reason) internal {
        vm.expectPartialRevert(reason);
        rollup.prove(last, root, PAYEE);
    }

    function _refusedPrune(bytes4 reason) internal {
        vm.expectPartialRevert(reason);
        rollup.prune();
    }

    function _refusedFreeze() internal {
        vm.expectPartialRevert(Rollup.Rollup__NothingAbandoned.selector);
        rollup.freeze();
    }

    // PAYMENTS
    // ============================================================================================

    function _claim(uint256 batch, bytes[] memory operations, uint256 position) internal {
        (, bytes32[] memory path) = _path(operations, position);
        rollup.claim(batch, position, operations[position], path);
        vm.expectPartialRevert(Rollup.Rollup__AlreadyPaid.selector);
        rollup.claim(batch, position, operations[position], path);
    }

    function _refusedClaim(uint256 batch, bytes[] memory operations, uint256 position, bytes4 reason) internal {
        (, bytes32[] memory path) = _path(operations, position);
        vm.expectPartialRevert(reason);
        rollup.claim(batch, position, operations[position], path);
    }

    function _escape(uint64 balance) internal {
        bytes32[32] memory siblings = _siblings();
        rollup.escape(0, key, OWNER, 0, balance, 1, siblings);
        vm.expectPartialRevert(Rollup.Rollup__AlreadyPaid.selector);
        rollup.escape(0, key, OWNER, 0, balance, 1, siblings);
    }

    function _refusedEscape(uint64 balance, bytes4 reason) internal {
        bytes32[32] memory siblings = _siblings();
        vm.expectPartialRevert(reason);
        rollup.escape(0, key, OWNER, 0, balance, 1, siblings);
    }

    function _refund(uint256 entry, uint64[9] memory words) internal {
        rollup.refund(entry, words);
        _refusedRefund(entry, words);
    }

    function _refusedRefund(uint256 entry, uint64[9] memory words) internal {
        vm.expectPartialRevert(Inbox.Inbox__Entry.selector);
        rollup.refund(entry, words);
    }

    /// @notice What each is owed, and nobody else.
    function _requireOwed(uint256 operator, uint256 stranger, uint256 payee, uint256 keeper, uint256 freezer)
        internal
        view
    {
        assert(rollup.owed(OPERATOR) == operator);
        assert(rollup.owed(STRANGER) == stranger);
        assert(rollup.owed(PAYEE) == payee);
        assert(rollup.owed(KEEPER) == keeper);
        assert(rollup.owed(FREEZER) == freezer);
        assert(rollup.owed(OWNER) == 0 && rollup.owed(SENDER) == 0 && rollup.owed(address(0)) == 0);
    }

    /// @notice Debts are paid: then the rollup holds `rest` wei.
    function _drainTo(uint256 rest) internal {
        address[5] memory accounts = [OPERATOR, STRANGER, PAYEE, KEEPER, FREEZER];
        for (uint256 i = 0; i < accounts.length; ++i) {
            uint256 owed = rollup.owed(accounts[i]);
            uint256 before = accounts[i].balance;
            if (owed != 0) rollup.collect(accounts[i]);
            assert(accounts[i].balance == before + owed);
        }
        assert(address(rollup).balance == rest);
    }

    function _drain() internal {
        _drainTo(0);
    }
}
