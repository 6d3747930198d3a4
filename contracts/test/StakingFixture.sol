// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import { BlockHeaders } from "../src/BlockHeaders.sol";
import { Rollup } from "../src/Rollup.sol";
import { StakeTree } from "../src/StakeTree.sol";
import { Staking } from "../src/Staking.sol";
import { Validators } from "../src/Validators.sol";
import { L1Chain } from "./L1Chain.sol";
import { RollupFixture } from "./RollupFixture.sol";

/// @notice The contract with its draw's tree in the open.
contract OpenStaking is Staking {
    using StakeTree for StakeTree.Tree;

    constructor(Rollup rollup, Validators.Parameters memory p) Staking(rollup, p) { }

    function weight(uint256 index, uint256 epoch) external view returns (uint256) {
        return _tree.weightOf(index, epoch);
    }

    function total(uint256 epoch) external view returns (uint256) {
        return _tree.total(epoch);
    }

    /// @notice A digest of all weights of an epoch and the two after it, and of a slot's leader.
    function sets(uint256 count, uint256 epoch, uint256 slot) external view returns (bytes32 digest) {
        for (uint256 e = epoch; e < epoch + 3; ++e) {
            for (uint256 i = 0; i < count; ++i) {
                digest = keccak256(abi.encode(digest, _tree.weightOf(i, e)));
            }
        }
        return keccak256(abi.encode(digest, leader(slot)));
    }

    /// @notice Whether the sums are sums.
    function sumsAreRight(uint256 count, uint256 epoch) external view returns (bool) {
        uint256 sum = 0;
        for (uint256 i = 0; i < count; ++i) {
            sum += _tree.weightOf(i, epoch);
        }
        return sum == _tree.total(epoch);
    }

    /// @notice Puts validators into leaves without money.
    function fill(uint256 from, uint256 to, uint256 units, uint256 epoch) external {
        for (uint256 i = from; i < to; ++i) {
            _tree.set(i, units + i % 7, epoch);
            operators[i] = address(uint160(0x100000 + i));
        }
    }
}

/// @notice A rollup and validators whose keys the tests have, and batches with headers that are formed by the specification.
abstract contract StakingFixture is RollupFixture {
    uint256 internal constant EPOCH = SLOT * SLOTS;
    uint256 internal constant STEP_IN = 6;
    uint256 internal constant MIN_CHURN = 50 ether;
    uint256 internal constant EXIT_DELAY = 2 days;
    uint256 internal constant EVIDENCE_WINDOW = 1 days;
    uint256 internal constant JAIL = 2 days;
    uint256 internal constant NEGLECT = 1 ether;
    uint256 internal constant MIN_BLOCKS = 3;
    uint256 internal constant UNIT = 1e12;
    uint256 internal constant ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
    address internal constant REPORTER = address(0x7e110);

    OpenStaking internal open;
    /// @notice The headers of each batch, as last committed.
    mapping(uint256 batch => BlockHeaders.Header[]) internal headers;
    uint32 private _nonce;
    address[64] private _operators;

    constructor() {
        for (uint256 i = 0; i < 64; ++i) {
            _operators[i] = vm.addr(_keyOf(i));
        }
        L1Chain.install();
        vm.prevrandao(keccak256("genesis"));
        _fresh();
    }

    /// @notice Another rollup, without validators, in its slot 0.
    function _fresh() internal {
        address next = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 1);
        open = new OpenStaking(Rollup(next), _stakingParameters());
        staking = open;
        Rollup.Parameters memory p = _parameters();
        rollup = new Rollup(p);
    }

    // VALIDATORS
    // ============================================================================================

    function _keyOf(uint256 i) internal pure returns (uint256) {
        return 0x5747a9 + i;
    }

    function _operator(uint256 i) internal view returns (address) {
        return _operators[i];
    }

    function _beneficiary(uint256 i) internal pure returns (address) {
        return address(uint160(0xbe0000 + i));
    }

    function _join(uint256 i, uint256 stake) internal returns (address operator) {
        operator = _operator(i);
        vm.deal(operator, operator.balance + stake);
        vm.prank(operator);
        staking.register{ value: stake }(_beneficiary(i), 0, 0);
    }

    /// @notice Validators 0 to `count`, with the least stake, in office.
    function _enter(uint256 count) internal {
        for (uint256 i = 0; i < count; ++i) {
            _join(i, STAKE);
        }
        _toEpoch(staking.currentEpoch() + 3);
    }

    function _topUp(uint256 i, uint256 value) internal {
        vm.deal(_operator(i), value);
        vm.prank(_operator(i));
        staking.topUp{ value: value }(_operator(i));
    }

    function _exit(uint256 i) internal {
        vm.prank(_operator(i));
        staking.requestExit(_operator(i));
    }

    function _validator(uint256 i) internal view returns (Validators.Validator memory) {
        return _validator(_operator(i));
    }

    function _validator(address operator) internal view returns (Validators.Validator memory v) {
        (bool success, bytes memory words) =
            address(staking).staticcall(abi.encodeWithSignature("validators(address)", operator));
        assert(success);
        return abi.decode(words, (Validators.Validator));
    }

    function _stakeOf(uint256 i) internal view returns (uint256) {
        return _validator(i).stake;
    }

    function _isValidator(address operator) internal view returns (bool) {
        return _validator(operator).beneficiary != address(0);
    }

    // TIME
    // ============================================================================================

    function _toSlot(uint256 slot) internal {
        vm.warp(staking.slotStart(slot));
    }

    function _toEpoch(uint256 epoch) internal {
        _toSlot(epoch * SLOTS);
    }

    function _slot() internal view returns (uint64) {
        return uint64(staking.slotAt(block.timestamp));
    }

    /// @notice Goes on to the start of the next slot that validator `i` leads.
    function _toSlotOf(uint256 i) internal returns (uint64 slot) {
        return _toSlotOf(_operator(i));
    }

    function _toSlotOf(address operator) internal returns (uint64 slot) {
        for (uint256 k = 0; k < 1000; ++k) {
            slot = _slot() + 1;
            _toSlot(slot);
            if (staking.leader(slot) == operator) return slot;
        }
        assert(false);
    }

    // BATCHES
    // ============================================================================================

    /// @notice Commits a batch of `count` blocks, one transfer each, and keeps its headers.
    function _commitAs(address sender, uint64 slot, uint256 count) internal returns (uint64 batch) {
        return _commitAs(sender, slot, new bytes[](0), count);
    }

    function _commitAs(address sender, uint64 slot, bytes[] memory entries, uint256 count)
        internal
        returns (uint64 batch)
    {
        batch = rollup.committed() + 1;
        (bytes32 previous,,,,,) = rollup.batches(batch - 1);
        (bytes memory data, bytes memory blocks) = _form(batch, slot, entries, count);
        vm.deal(sender, sender.balance + BOND);
        vm.prank(sender, sender);
        rollup.commit{ value: BOND }(previous, slot, blocks, data, bytes32(uint256(5)));
    }

    /// @notice Whether a commit by `sender` now is refused because it is not its turn; it is committed otherwise.
    function _refusedTurn(address sender) internal returns (bool) {
        uint64 batch = rollup.committed() + 1;
        uint64 slot = _slot();
        (bytes32 previous,,,,,) = rollup.batches(batch - 1);
        (bytes memory data, bytes memory blocks) = _form(batch, slot, new bytes[](0), 1);
        vm.deal(sender, sender.balance + BOND);
        vm.prank(sender, sender);
        try rollup.commit{ value: BOND }(previous, slot, blocks, data, 0) {
            return false;
        } catch (bytes memory reason) {
            assert(keccak256(reason) == keccak256(abi.encodeWithSelector(Rollup.Rollup__NotYourTurn.selector, sender)));
            return true;
        }
    }

    /// @notice Data and list of blocks of a batch; its headers are left in [headers].
    function _form(uint64 batch, uint64 slot, bytes[] memory entries, uint256 count)
        internal
        returns (bytes memory data, bytes memory blocks)
    {
        bytes[] memory operations = new bytes[](entries.length + count);
        bytes memory words = abi.encodePacked(uint64(entries.length), uint64(0));
        for (uint256 i = 0; i < entries.length; ++i) {
            operations[i] = entries[i];
            words = abi.encodePacked(words, entries[i]);
        }
        BlockHeaders.Header memory header;
        (header.slot, header.batch) = (slot, batch);
        (,, header.parent,,,) = rollup.batches(batch - 1);
        delete headers[batch];
        uint256 end = 3 + 10 * entries.length;
        for (uint256 i = 0; i < count; ++i) {
            operations[entries.length + i] = _transfer(++_nonce, uint32(i));
            words = abi.encodePacked(words, operations[entries.length + i]);
            end += 2;
            header.index = uint32(i);
            header.operations = keccak256(words);
            header.state = keccak256(abi.encode("state", _nonce));
            blocks = abi.encodePacked(blocks, uint16(end), header.state);
            headers[batch].push(header);
            header.parent = _structHash(header);
            words = "";
        }
        data = _data(entries.length, operations);
    }

    /// @notice The headers of a batch from `from` on.
    function _headers(uint256 batch, uint256 from) internal view returns (BlockHeaders.Header[] memory list) {
        list = new BlockHeaders.Header[](headers[batch].length - from);
        for (uint256 i = from; i < headers[batch].length; ++i) {
            list[i - from] = headers[batch][i];
        }
    }

    // SIGNATURES
    // ============================================================================================

    function _structHash(BlockHeaders.Header memory h) internal pure returns (bytes32) {
        bytes32 kind =
            keccak256("Header(uint64 slot,uint64 batch,uint32 index,bytes32 parent,bytes32 operations,bytes32 state)");
        return keccak256(abi.encode(kind, h.slot, h.batch, h.index, h.parent, h.operations, h.state));
    }

    function _digest(BlockHeaders.Header memory h, uint256 chain, address target) internal pure returns (bytes32) {
        bytes32 kind = keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
        bytes32 domain = keccak256(abi.encode(kind, keccak256("Starling"), keccak256("1"), chain, target));
        return keccak256(abi.encodePacked("\x19\x01", domain, _structHash(h)));
    }

    function _sign(uint256 i, BlockHeaders.Header memory h) internal view returns (bytes memory) {
        return _signFor(i, h, block.chainid, address(rollup));
    }

    function _signFor(uint256 i, BlockHeaders.Header memory h, uint256 chain, address target)
        internal
        pure
        returns (bytes memory)
    {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(_keyOf(i), _digest(h, chain, target));
        return abi.encodePacked(r, s, v);
    }

    /// @notice A header of nothing in particular for a slot.
    function _header(uint64 slot, uint64 batch, uint32 index) internal pure returns (BlockHeaders.Header memory) {
        return BlockHeaders.Header(slot, batch, index, keccak256("parent"), keccak256("words"), keccak256("state"));
    }

    /// @notice Gets validator `i` slashed for two headers of the slot now.
    function _equivocate(uint256 i) internal {
        BlockHeaders.Header memory one = _header(_slot(), 9, 0);
        BlockHeaders.Header memory other = _header(_slot(), 9, 0);
        other.state = keccak256("another");
        bytes memory first = _sign(i, one);
        bytes memory second = _sign(i, other);
        vm.prank(REPORTER);
        staking.equivocation(one, first, other, second);
    }
}
