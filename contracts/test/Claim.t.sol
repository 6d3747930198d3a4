// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import { Ledger } from "../src/Ledger.sol";
import { Rollup } from "../src/Rollup.sol";
import { Moody, Reentrant, Refuser, RollupFixture } from "./RollupFixture.sol";

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
