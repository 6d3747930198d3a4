// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import { Rollup } from "../src/Rollup.sol";
import { RollupFixture } from "./RollupFixture.sol";

/// @notice Passes calls on, and what they revert with.
contract Wrapper {
    function pass(address target, bytes calldata data) external payable {
        (bool success, bytes memory reason) = target.call{ value: msg.value }(data);
        _bubble(success, reason);
    }

    receive() external payable { }

    function _bubble(bool success, bytes memory reason) internal pure {
        if (success) return;
        assembly ("memory-safe") {
            revert(add(reason, 0x20), mload(reason))
        }
    }
}

/// @notice Calls while it is created, when its address has no code.
contract Creation is Wrapper {
    constructor(address target, bytes memory data) payable {
        (bool success, bytes memory reason) = target.call{ value: msg.value }(data);
        _bubble(success, reason);
    }
}

/// @notice The data of a batch is the calldata of a transaction. Every other way to commit is refused, whoever may commit:
/// in each test a plain account commits the same batch at the same time.
contract DirectTest is RollupFixture {
    uint256 private constant KEY = 7702;

    /// @notice A commit of nothing.
    function _call() private view returns (bytes memory) {
        (bytes32 previous,,,,,) = rollup.batches(rollup.committed());
        bytes memory data = _data(0, new bytes[](0));
        return abi.encodeCall(rollup.commit, (previous, 0, _blocks(data), data, bytes32(uint256(5))));
    }

    function _expectRefused(address sender) private {
        vm.expectRevert(abi.encodeWithSelector(Rollup.Rollup__NotDirect.selector, sender));
    }

    /// @notice Sends the commit through a contract, in a transaction of `origin`, and expects that it is refused.
    function _refusedThrough(Wrapper wrapper, address origin) private {
        bytes memory data = _call();
        uint256 number = rollup.committed();
        vm.deal(origin, BOND);
        vm.prank(origin, origin);
        _expectRefused(address(wrapper));
        wrapper.pass{ value: BOND }(address(rollup), data);
        assert(rollup.committed() == number);
    }

    function _committed(address sender) private {
        bytes memory data = _call();
        uint256 number = rollup.committed() + 1;
        vm.deal(sender, BOND);
        vm.prank(sender, sender);
        (bool success,) = address(rollup).call{ value: BOND }(data);
        (,,, address committer,,) = rollup.batches(number);
        assert(success && rollup.committed() == number && committer == sender && sender.balance == 0);
    }

    function test_AValidatorThatIsAContractCannotCommit() external {
        Wrapper wrapper = new Wrapper();
        vm.deal(address(this), STAKE);
        wrapper.pass{ value: STAKE }(address(staking), abi.encodeCall(staking.register, (address(wrapper), 0, 0)));
        vm.warp(block.timestamp + 3 * SLOT * SLOTS);
        uint256 slot = staking.slotAt(block.timestamp) + 1;
        while (staking.leader(slot) != address(wrapper)) {
            ++slot;
        }
        vm.warp(staking.slotStart(slot));
        // The silence is over: it may commit because it leads the slot.
        _commitNothing();
        assert(staking.mayCommit(address(wrapper), rollup.quietSince()));
        _refusedThrough(wrapper, OPERATOR);
        _refusedThrough(wrapper, address(0xcafe));
        _silence();
        _committed(OPERATOR);
    }

    function test_AContractCannotCommitAfterASilence() external {
        _silence();
        Wrapper wrapper = new Wrapper();
        assert(staking.mayCommit(address(wrapper), rollup.quietSince()));
        _refusedThrough(wrapper, OPERATOR);
        _refusedThrough(wrapper, address(0xcafe));
        _committed(address(0xcafe));
    }

    /// @notice Such an account is the sender of its transaction and of the calls of its code.
    function _refusedDelegated(address account) private {
        assert(account.code.length == 23);
        _refusedThrough(Wrapper(payable(account)), account);
        bytes memory data = _call();
        vm.deal(account, BOND);
        vm.prank(account, account);
        _expectRefused(account);
        (bool success,) = address(rollup).call{ value: BOND }(data);
        assert(success && rollup.committed() == 0);
    }

    function test_AnAccountWithDelegatedCodeCannotCommit() external {
        _silence();
        address account = vm.addr(KEY);
        address wrapper = address(new Wrapper());
        vm.signAndAttachDelegation(wrapper, KEY);
        (bool success,) = account.call("");
        assert(success);
        _refusedDelegated(account);
        // Once it has no code any more, it may.
        vm.signAndAttachDelegation(address(0), KEY);
        (success,) = account.call("");
        assert(success && account.code.length == 0);
        _committed(account);
    }

    function test_TheOperatorWithDelegatedCodeCannotCommit() external {
        vm.etch(OPERATOR, abi.encodePacked(hex"ef0100", address(new Wrapper())));
        assert(staking.mayCommit(OPERATOR, block.timestamp));
        _refusedDelegated(OPERATOR);
        vm.etch(OPERATOR, "");
        _committed(OPERATOR);
    }

    function test_AContractCannotCommitWhileItIsCreated() external {
        _silence();
        bytes memory data = _call();
        vm.deal(address(this), BOND);
        address next = vm.computeCreateAddress(address(this), vm.getNonce(address(this)));
        assert(next.code.length == 0 && staking.mayCommit(next, rollup.quietSince()));
        try new Creation{ value: BOND }(address(rollup), data) {
            assert(false);
        } catch (bytes memory reason) {
            assert(keccak256(reason) == keccak256(abi.encodeWithSelector(Rollup.Rollup__NotDirect.selector, next)));
        }
        assert(rollup.committed() == 0);
        _committed(address(0xcafe));
    }
}
