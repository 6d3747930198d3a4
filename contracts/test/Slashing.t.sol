// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import { BlockHeaders } from "../src/BlockHeaders.sol";
import { Staking } from "../src/Staking.sol";
import { Validators } from "../src/Validators.sol";
import { StakingFixture } from "./StakingFixture.sol";

/// @notice Two headers of one place.
contract EquivocationTest is StakingFixture {
    BlockHeaders.Header private _one;
    BlockHeaders.Header private _other;

    event Equivocated(address indexed operator, uint64 slot, uint64 batch, uint32 index);
    event Slashed(address indexed operator, uint256 amount, address reporter, bool ejected);

    function setUp() external {
        _enter(3);
        _one = _header(_slot(), 4, 2);
        _other = _header(_slot(), 4, 2);
        _other.operations = keccak256("other words");
    }

    function _guilty(uint256 i) private view returns (bytes memory) {
        return abi.encodeWithSelector(Staking.Staking__NotGuilty.selector, _operator(i));
    }

    function _refused(bytes memory reason, bytes memory first, bytes memory second) private {
        vm.expectRevert(reason);
        vm.prank(REPORTER);
        staking.equivocation(_one, first, _other, second);
        for (uint256 i = 0; i < 3; ++i) {
            assert(_stakeOf(i) == STAKE && !_validator(i).ejected);
        }
    }

    function _report(uint256 i) private {
        bytes memory first = _sign(i, _one);
        bytes memory second = _sign(i, _other);
        vm.prank(REPORTER);
        staking.equivocation(_one, first, _other, second);
    }

    function _none() private pure returns (bytes memory) {
        return abi.encodeWithSelector(Staking.Staking__NoEquivocation.selector);
    }

    function _badSignature() private pure returns (bytes memory) {
        return abi.encodeWithSelector(BlockHeaders.BlockHeaders__Signature.selector);
    }

    /// @notice Half of the stake: a tenth of it to the reporter, the rest burned. Out of commits at once, out of the draw in
    /// three epochs, and the rest is paid as after any exit.
    function test_WhereAStakeGoes() external {
        uint256 epoch = staking.currentEpoch();
        vm.deal(address(0), 0);
        bytes memory first = _sign(0, _one);
        bytes memory second = _sign(0, _other);
        vm.expectEmit();
        emit Equivocated(_operator(0), _one.slot, 4, 2);
        vm.expectEmit();
        emit Slashed(_operator(0), STAKE / 2, REPORTER, true);
        vm.prank(REPORTER);
        staking.equivocation(_one, first, _other, second);
        assert(_stakeOf(0) == STAKE / 2 && _validator(0).ejected);
        assert(staking.owed(REPORTER) == STAKE / 20 && address(0).balance == STAKE / 2 - STAKE / 20);
        assert(address(staking).balance == 3 * STAKE - STAKE / 2 + STAKE / 20);
        assert(open.weight(0, epoch + 2) == STAKE / UNIT && open.weight(0, epoch + 3) == 0);
        // Nobody else pays.
        assert(_stakeOf(1) == STAKE && _stakeOf(2) == STAKE);
        vm.warp(staking.slotStart((epoch + 3) * SLOTS) + EXIT_DELAY - 1);
        vm.expectPartialRevert(Validators.Staking__Locked.selector);
        staking.withdraw(_operator(0));
        vm.warp(block.timestamp + 1);
        staking.withdraw(_operator(0));
        staking.collect(REPORTER);
        assert(_beneficiary(0).balance == STAKE / 2 && REPORTER.balance == STAKE / 20);
        assert(address(staking).balance == 2 * STAKE);
    }

    function testFuzz_HeadersDifferInContentNotInPlace(uint8 fields, uint256 salt) external {
        _other = _one;
        if (fields & 1 != 0) _other.slot ^= uint64(1 + salt % 1000);
        if (fields & 2 != 0) _other.batch ^= uint64(1 + salt % 1000);
        if (fields & 4 != 0) _other.index ^= uint32(1 + salt % 1000);
        if (fields & 8 != 0) _other.parent = keccak256(abi.encode(salt));
        if (fields & 16 != 0) _other.operations = keccak256(abi.encode(salt));
        if (fields & 32 != 0) _other.state = keccak256(abi.encode(salt));
        if (fields & 7 != 0 || fields & 56 == 0) {
            _refused(_none(), _sign(0, _one), _sign(0, _other));
        } else {
            _report(0);
            assert(_stakeOf(0) == STAKE / 2);
        }
    }

    function test_BothSignaturesAreOneValidators() external {
        _refused(_none(), _sign(0, _one), _sign(1, _other));
        _refused(_none(), _sign(1, _one), _sign(0, _other));
        // Each header with the other's signature is by nobody.
        _refused(_none(), _sign(0, _other), _sign(0, _one));
    }

    function test_ASignatureHasOneForm() external {
        bytes memory good = _sign(0, _one);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(_keyOf(0), _digest(_other, block.chainid, address(rollup)));
        // The mirrored signature is the same key's, in the upper half.
        _refused(_badSignature(), good, abi.encodePacked(r, ORDER - uint256(s), v == 27 ? uint8(28) : uint8(27)));
        (uint8 w, bytes32 p, bytes32 q) = vm.sign(_keyOf(0), _digest(_one, block.chainid, address(rollup)));
        bytes memory mirrored = abi.encodePacked(p, ORDER - uint256(q), w == 27 ? uint8(28) : uint8(27));
        _refused(_badSignature(), mirrored, _sign(0, _other));
        uint8[5] memory bad = [uint8(0), 1, 26, 29, 255];
        for (uint256 i = 0; i < 5; ++i) {
            _refused(_badSignature(), good, abi.encodePacked(r, s, bad[i]));
        }
        _refused(_badSignature(), good, abi.encodePacked(r, s));
        _refused(_badSignature(), good, abi.encodePacked(r, s, v, uint8(0)));
        _refused(_badSignature(), good, "");
        _refused(_badSignature(), good, abi.encodePacked(bytes32(0), s, v));
        _refused(_badSignature(), good, abi.encodePacked(ORDER, s, v));
        _refused(_badSignature(), good, abi.encodePacked(r, bytes32(0), v));
    }

    function test_OnlyValidatorsAreGuiltyAndOnce() external {
        _refused(_guilty(7), _sign(7, _one), _sign(7, _other));
        _report(0);
        bytes memory first = _sign(0, _one);
        bytes memory second = _sign(0, _other);
        vm.expectRevert(_guilty(0));
        staking.equivocation(_one, first, _other, second);
        // Nor for other headers.
        _one.index = _other.index = 3;
        first = _sign(0, _one);
        second = _sign(0, _other);
        vm.expectRevert(_guilty(0));
        staking.equivocation(_one, first, _other, second);
        assert(_stakeOf(0) == STAKE / 2);
        _report(1);
        assert(_stakeOf(1) == STAKE / 2);
    }

    function test_EvidenceHasItsTime() external {
        uint256 end = staking.slotStart(_one.slot + 1) + EVIDENCE_WINDOW;
        vm.warp(end);
        _refused(
            abi.encodeWithSelector(Staking.Staking__NotReportable.selector, _one.slot), _sign(0, _one), _sign(0, _other)
        );
        vm.warp(end - 1);
        _report(0);
        // A slot to come: as good as any.
        (_one.slot, _other.slot) = (_slot() + 1000, _slot() + 1000);
        _report(1);
        (_one.slot, _other.slot) = (type(uint64).max, type(uint64).max);
        _report(2);
        assert(_stakeOf(0) + _stakeOf(1) + _stakeOf(2) == 3 * STAKE / 2);
    }

    /// @notice Headers of another rollup, or of this one on another chain, say nothing here.
    function test_HeadersOfAnotherDeploymentAreNone() external {
        address here = address(rollup);
        _refusedFor(block.chainid, address(0xabc));
        _refusedFor(block.chainid + 1, here);
        _refusedFor(block.chainid, address(staking));
        // One of each: two statements of two chains.
        _refused(_none(), _sign(0, _one), _signFor(0, _other, block.chainid + 1, here));
        bytes memory first = _sign(0, _one);
        bytes memory second = _sign(0, _other);
        uint256 chain = block.chainid;
        vm.chainId(chain + 1);
        vm.expectRevert(_none());
        staking.equivocation(_one, first, _other, second);
        vm.chainId(chain);
        staking.equivocation(_one, first, _other, second);
        assert(_stakeOf(0) == STAKE / 2);
    }

    function _refusedFor(uint256 chain, address target) private {
        _refused(_none(), _signFor(0, _one, chain, target), _signFor(0, _other, chain, target));
    }

    /// @notice On its way out, and out: until the stake is paid.
    function test_WhoLeavesIsStillLiable() external {
        _exit(0);
        vm.warp(_validator(0).free - 1);
        (_one.slot, _other.slot) = (_slot(), _slot());
        _report(0);
        vm.warp(block.timestamp + 1);
        staking.withdraw(_operator(0));
        assert(_beneficiary(0).balance == STAKE / 2);
        bytes memory first = _sign(0, _one);
        bytes memory second = _sign(0, _other);
        vm.expectRevert(_guilty(0));
        staking.equivocation(_one, first, _other, second);
    }

    /// @notice A stake that waits for its turn is as liable as one that counts, and does not come any more.
    function test_AStakeThatWaitsIsLiable() external {
        uint256 epoch = staking.currentEpoch();
        _join(3, MIN_CHURN);
        _join(4, STAKE);
        assert(_validator(4).entry == epoch + 4);
        _report(4);
        assert(_stakeOf(4) == STAKE / 2);
        _toEpoch(epoch + 2);
        vm.expectRevert(abi.encodeWithSelector(Validators.Staking__Leaving.selector, _operator(4)));
        staking.settle(_operator(4));
        assert(open.weight(4, epoch + 5) == 0);
    }
}

/// @notice A header, and a commit that says otherwise.
contract ContradictionTest is StakingFixture {
    function setUp() external {
        _enter(2);
    }

    function _contradiction(uint256 i, BlockHeaders.Header memory signed, BlockHeaders.Header[] memory committed)
        private
        returns (bool guilty)
    {
        bytes memory signature = _sign(i, signed);
        vm.prank(REPORTER);
        try staking.contradiction(signed, signature, committed) {
            return true;
        } catch (bytes memory reason) {
            assert(bytes4(reason) == Staking.Staking__NoContradiction.selector);
            assert(_stakeOf(i) == STAKE && !_validator(i).ejected);
        }
    }

    function testFuzz_AnotherHeaderStandsThere(uint8 index, uint8 field, uint256 salt) external {
        uint64 slot = _toSlotOf(0);
        uint64 batch = _commitAs(_operator(0), slot, 4);
        index %= 4;
        BlockHeaders.Header memory signed = headers[batch][index];
        if (field % 3 == 0) signed.parent = keccak256(abi.encode(salt));
        if (field % 3 == 1) signed.operations = keccak256(abi.encode(salt));
        if (field % 3 == 2) signed.state = keccak256(abi.encode(salt));
        vm.deal(address(0), 0);
        assert(_contradiction(0, signed, _headers(batch, index)));
        assert(_stakeOf(0) == STAKE / 2 && _validator(0).ejected && staking.owed(REPORTER) == STAKE / 20);
        assert(address(0).balance == STAKE / 2 - STAKE / 20);
        // Once.
        bytes memory signature = _sign(0, signed);
        BlockHeaders.Header[] memory list = _headers(batch, index);
        vm.expectRevert(abi.encodeWithSelector(Staking.Staking__NotGuilty.selector, _operator(0)));
        staking.contradiction(signed, signature, list);
    }

    function test_AHeaderBehindTheLastStandsNowhere() external {
        uint64 slot = _toSlotOf(0);
        uint64 batch = _commitAs(_operator(0), slot, 2);
        BlockHeaders.Header memory signed = _header(slot, batch, 2);
        // Shown by the last header alone.
        assert(!_contradiction(0, signed, _headers(batch, 0)));
        assert(_contradiction(0, signed, _headers(batch, 1)));
        assert(_stakeOf(0) == STAKE / 2);
    }

    /// @notice Who commits what it signed cannot be slashed, with whatever part of the chain: headers of batches before this
    /// one hang together with its own.
    function test_ConsistentHeadersAreNoContradiction() external {
        BlockHeaders.Header[] memory chain = new BlockHeaders.Header[](9);
        uint256 length = 0;
        for (uint256 k = 0; k < 3; ++k) {
            uint64 slot = _toSlotOf(0);
            uint64 batch = _commitAs(_operator(0), slot, 2 + k);
            for (uint256 i = 0; i < 2 + k; ++i) {
                chain[length++] = headers[batch][i];
            }
        }
        for (uint256 signed = 0; signed < 9; ++signed) {
            bytes memory signature = _sign(0, chain[signed]);
            for (uint256 from = 0; from < 9; ++from) {
                for (uint256 to = from + 1; to <= 9; ++to) {
                    BlockHeaders.Header[] memory part = new BlockHeaders.Header[](to - from);
                    for (uint256 i = from; i < to; ++i) {
                        part[i - from] = chain[i];
                    }
                    try staking.contradiction(chain[signed], signature, part) {
                        assert(false);
                    } catch (bytes memory reason) {
                        assert(bytes4(reason) == Staking.Staking__NoContradiction.selector);
                    }
                }
            }
        }
        assert(_stakeOf(0) == STAKE);
    }

    function test_OnlyTheHeadersOfTheCommitCount() external {
        uint64 slot = _toSlotOf(0);
        uint64 batch = _commitAs(_operator(0), slot, 4);
        BlockHeaders.Header memory signed = _header(slot, batch, 1);
        assert(!_contradiction(0, signed, new BlockHeaders.Header[](0)));
        assert(!_contradiction(0, signed, _headers(batch, 0)));
        assert(!_contradiction(0, signed, _headers(batch, 2)));
        assert(!_contradiction(0, signed, _headers(batch, 3)));
        // Without the last, with one left out, out of order.
        BlockHeaders.Header[] memory list = new BlockHeaders.Header[](2);
        (list[0], list[1]) = (headers[batch][1], headers[batch][2]);
        assert(!_contradiction(0, signed, list));
        list[1] = headers[batch][3];
        assert(!_contradiction(0, signed, list));
        // Another one in front of the last ones.
        list = _headers(batch, 1);
        list[0].state = keccak256("forged");
        assert(!_contradiction(0, signed, list));
        list = _headers(batch, 1);
        list[1].operations = keccak256("forged");
        assert(!_contradiction(0, signed, list));
        list = _headers(batch, 1);
        list[2].operations = keccak256("forged");
        assert(!_contradiction(0, signed, list));
        assert(_contradiction(0, signed, _headers(batch, 1)));
    }

    function test_OnlyItsOwnCommitInTheHeadersSlotCounts() external {
        uint64 slot = _toSlotOf(0);
        // Somebody else's commit of the same number.
        vm.warp(block.timestamp + STEP_IN);
        uint64 batch = _commitAs(_operator(1), slot, 2);
        assert(!_contradiction(0, _header(slot, batch, 0), _headers(batch, 0)));
        // Its own, of a slot before and after the one that it was signed for.
        slot = _toSlotOf(0);
        batch = _commitAs(_operator(0), slot, 2);
        assert(!_contradiction(0, _header(slot - 1, batch, 0), _headers(batch, 0)));
        assert(!_contradiction(0, _header(slot + 1, batch, 0), _headers(batch, 0)));
        // Of other batches: the genesis, the one before, one that is not there.
        assert(!_contradiction(0, _header(slot, 0, 0), _headers(batch, 0)));
        assert(!_contradiction(0, _header(slot, batch - 1, 0), _headers(batch, 0)));
        assert(!_contradiction(0, _header(slot, batch + 1, 0), _headers(batch, 0)));
        assert(!_contradiction(0, _header(slot, type(uint64).max, 0), _headers(batch, 0)));
        // Signed by who did not commit.
        assert(!_contradiction(1, _header(slot, batch, 0), _headers(batch, 0)));
        assert(_contradiction(0, _header(slot, batch, 0), _headers(batch, 0)));
    }

    /// @notice A commit in the slot says that its blocks are of an earlier one: the header of the slot is not there.
    function test_AnotherSlotInTheCommitIsNoWayOut() external {
        uint64 slot = _toSlotOf(0);
        uint64 batch = _commitAs(_operator(0), slot - 1, 1);
        BlockHeaders.Header memory signed = headers[batch][0];
        assert(!_contradiction(0, signed, _headers(batch, 0)));
        signed.slot = slot;
        assert(_contradiction(0, signed, _headers(batch, 0)));
    }

    function test_APrunedBatchContradictsNothing() external {
        uint64 slot = _toSlotOf(0);
        uint64 batch = _commitAs(_operator(0), slot, 1);
        vm.warp(block.timestamp + PROVE_WINDOW + 1);
        rollup.prune();
        assert(!_contradiction(0, _header(slot, batch, 0), _headers(batch, 0)));
    }

    function test_EvidenceHasItsTime() external {
        uint64 slot = _toSlotOf(0);
        uint64 batch = _commitAs(_operator(0), slot, 1);
        BlockHeaders.Header memory signed = _header(slot, batch, 0);
        bytes memory signature = _sign(0, signed);
        BlockHeaders.Header[] memory list = _headers(batch, 0);
        vm.warp(staking.slotStart(slot + 1) + EVIDENCE_WINDOW);
        vm.expectRevert(abi.encodeWithSelector(Staking.Staking__NotReportable.selector, slot));
        staking.contradiction(signed, signature, list);
        vm.warp(block.timestamp - 1);
        staking.contradiction(signed, signature, list);
        assert(_stakeOf(0) == STAKE / 2);
    }

    function test_TheSignatureIsOfThisRollup() external {
        uint64 slot = _toSlotOf(0);
        uint64 batch = _commitAs(_operator(0), slot, 1);
        BlockHeaders.Header memory signed = _header(slot, batch, 0);
        BlockHeaders.Header[] memory list = _headers(batch, 0);
        bytes memory signature = _signFor(0, signed, block.chainid, address(0xabc));
        vm.expectRevert(abi.encodeWithSelector(Staking.Staking__NoContradiction.selector));
        staking.contradiction(signed, signature, list);
        signature = _signFor(0, signed, block.chainid + 1, address(rollup));
        vm.expectRevert(abi.encodeWithSelector(Staking.Staking__NoContradiction.selector));
        staking.contradiction(signed, signature, list);
        vm.expectRevert(abi.encodeWithSelector(BlockHeaders.BlockHeaders__Signature.selector));
        staking.contradiction(signed, "", list);
        assert(_stakeOf(0) == STAKE);
    }
}
